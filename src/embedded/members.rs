//! Sharing (protocol notes, data 1.5 and 1.6).

use super::access::{self, Album, NOT_FOR_THIS_ROLE};
use super::collections::check_magic_request;
use super::database::{all, run};
use super::refusal::{Answer, Refusal};
use super::users;
use super::visit::{Body, Caller};
use crate::base::{AlbumId, Role, Timestamp, UserId};
use crate::wire::{Member, ShareCollection, ShareesAnswer, UnshareCollection, UpdateCollectionMagic};
use axum::Json;
use rusqlite::{Connection, params};

/// An album key sealed for a recipient.
const SEALED_KEY_LEN: usize = 80;

/// Live members, the owner excluded.
pub(super) fn load_sharees(tx: &Connection, album: AlbumId) -> Answer<Vec<Member>> {
    let sql = "SELECT u.id, u.email, s.role FROM shares s JOIN users u ON u.id = s.member
               WHERE s.collection = ? AND NOT s.is_deleted ORDER BY s.shared_at, u.id";
    Ok(all(tx, sql, [album.0], |row| {
        Ok(Member { id: UserId(row.get(0)?), email: row.get(1)?, role: row.get(2)?, name: String::new() })
    })?)
}

/// `POST /collections/share`: once more changes the role.
pub(super) fn share(caller: &Caller, Body(request): Body<ShareCollection>) -> Answer<Json<ShareesAnswer>> {
    let email = users::normalize(&request.email);
    if request.collection_id.0 == 0 || email.is_empty() {
        return Err(Refusal::BAD_REQUEST);
    }
    if request.encrypted_key.bytes().is_none_or(|key| key.len() != SEALED_KEY_LEN) {
        return Err(Refusal::INTERNAL);
    }
    // A deleted album is shared too before it turns out to be deleted (data 1.5), so that is a value here.
    let sharees = caller.server.database.write(|tx| {
        let member = load_invited(tx, caller, &email)?;
        let album = access::load_album(tx, request.collection_id)?;
        if album.kind == "uncategorized" {
            return Err(Refusal::BAD_REQUEST);
        }
        check_manages(tx, caller, &album)?;
        let role = Role::from_wire(request.role.as_deref().unwrap_or("VIEWER")).filter(|role| *role != Role::Owner);
        upsert_share(tx, &album, member, role.ok_or(Refusal::INTERNAL)?, &request, caller.now())?;
        access::touch(tx, album.id, caller.now())?;
        if album.is_deleted { Ok(None) } else { load_sharees(tx, album.id).map(Some) }
    })?;
    Ok(Json(ShareesAnswer { sharees: sharees.ok_or(Refusal::NOT_FOUND)? }))
}

/// 404 where there is no such account, 400 for oneself. An admin may name the album's owner.
fn load_invited(tx: &Connection, caller: &Caller, email: &str) -> Answer<UserId> {
    let member = users::load_by_email(tx, email)?.ok_or(Refusal::NOT_FOUND)?.id;
    if member == caller.user { Err(Refusal::BAD_REQUEST) } else { Ok(member) }
}

/// Owner and admins: 403 for everybody else, strangers included.
fn check_manages(tx: &Connection, caller: &Caller, album: &Album) -> Answer<()> {
    let role = access::load_role(tx, album, caller.user)?;
    if role.is_some_and(|role| role >= Role::Admin) { Ok(()) } else { Err(Refusal::FORBIDDEN) }
}

/// The key that was sealed first stays, through other roles and through an end of the share.
fn upsert_share(
    tx: &Connection,
    album: &Album,
    member: UserId,
    role: Role,
    request: &ShareCollection,
    now: Timestamp,
) -> Answer<()> {
    let sql = "INSERT INTO shares (collection, member, role, encrypted_key, shared_at, updation_time)
               VALUES (?1, ?2, ?3, ?4, ?5, ?5)
               ON CONFLICT DO UPDATE SET role = excluded.role, updation_time = excluded.updation_time,
                   shared_at = iif(is_deleted, excluded.shared_at, shared_at), is_deleted = 0";
    run(tx, sql, params![album.id.0, member.0, role.to_wire(), request.encrypted_key.0, now.0])?;
    Ok(())
}

/// `POST /collections/unshare`
pub(super) fn unshare(caller: &Caller, Body(request): Body<UnshareCollection>) -> Answer<Json<ShareesAnswer>> {
    let email = users::normalize(&request.email);
    if request.collection_id.0 == 0 || email.is_empty() {
        return Err(Refusal::BAD_REQUEST);
    }
    let sharees = caller.server.database.write(|tx| {
        let member = users::load_by_email(tx, &email)?.ok_or(Refusal::NOT_FOUND)?.id;
        let album = access::load_album(tx, request.collection_id)?;
        check_manages(tx, caller, &album)?;
        if member == caller.user || member == album.owner {
            return Err(Refusal::FORBIDDEN);
        }
        end_share(tx, &album, member, caller.now())?;
        if album.is_deleted { Ok(None) } else { load_sharees(tx, album.id).map(Some) }
    })?;
    Ok(Json(ShareesAnswer { sharees: sharees.ok_or(Refusal::NOT_FOUND)? }))
}

/// `POST /collections/leave/:id`
pub(super) fn leave(caller: &Caller, (): ()) -> Answer<()> {
    let id = AlbumId(caller.tail_id().ok_or(Refusal::BAD_REQUEST)?);
    caller.server.database.write(|tx| {
        let album = access::load_album(tx, id)?;
        match access::load_role(tx, &album, caller.user)? {
            None => Ok(()),
            Some(Role::Owner) => Err(Refusal::FORBIDDEN),
            Some(_) => end_share(tx, &album, caller.user, caller.now()),
        }
    })
}

/// The member's files go with the share; those that were removed before are stamped again (data 1.5).
fn end_share(tx: &Connection, album: &Album, member: UserId, now: Timestamp) -> Answer<()> {
    let sql = "UPDATE shares SET is_deleted = 1, updation_time = ? WHERE collection = ? AND member = ?";
    run(tx, sql, [now.0, album.id.0, member.0])?;
    let sql = "UPDATE memberships SET is_deleted = 1, updation_time = ?
               WHERE collection = ? AND file IN (SELECT id FROM files WHERE owner = ?)";
    run(tx, sql, [now.0, album.id.0, member.0])?;
    access::touch(tx, album.id, now)
}

/// `PUT /collections/sharee-magic-metadata`: a member's own settings, the version stored as sent.
pub(super) fn set_sharee_magic(caller: &Caller, Body(request): Body<UpdateCollectionMagic>) -> Answer<()> {
    check_magic_request(&request)?;
    let text = serde_json::to_string(&request.magic_metadata)?;
    let sql = "UPDATE shares SET magic = ?, updation_time = ? WHERE collection = ? AND member = ?";
    caller.server.database.write(|tx| {
        let (album, role) = access::load_joined(tx, caller, request.id)?;
        if role == Role::Owner {
            return Err(NOT_FOR_THIS_ROLE);
        }
        run(tx, sql, params![text, caller.now().0, album.id.0, caller.user.0])?;
        access::touch(tx, album.id, caller.now())
    })
}
