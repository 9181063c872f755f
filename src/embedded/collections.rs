//! Albums: made, listed, named, deleted (protocol notes, data 1).
//!
//! Museum trashes the files of a deleted album by a job that runs once a minute; here that is done in the
//! same transaction.

use super::access::{self, Album};
use super::database::{all, one, run, value};
use super::refusal::{Answer, Refusal};
use super::users;
use super::visit::{Body, Caller};
use super::{members, trash};
use crate::base::{AlbumId, B64, Timestamp, UserId};
use crate::wire::{
    Collection, CollectionAnswer, CollectionAttributes, CollectionsAnswer, CreateCollection, Magic, Member,
    RenameCollection, UpdateCollectionMagic, code,
};
use axum::Json;
use rusqlite::{Connection, Row, params};
use serde_json::{Value, json};

const KEY_LEN: usize = 48;
const NONCE_LEN: usize = 24;

const COLUMNS: &str = "c.id, c.owner, c.kind, c.encrypted_key, c.key_nonce, c.encrypted_name, c.name_nonce,
    c.attributes, c.magic, c.pub_magic, c.updation_time, c.is_deleted, c.app";

/// As its owner sees it, but for the members.
fn of_row(row: &Row<'_>) -> rusqlite::Result<Collection> {
    Ok(Collection {
        id: AlbumId(row.get(0)?),
        owner: Member { id: UserId(row.get(1)?), ..Member::default() },
        kind: row.get(2)?,
        encrypted_key: B64(row.get(3)?),
        key_decryption_nonce: B64(row.get(4)?),
        encrypted_name: B64(row.get(5)?),
        name_decryption_nonce: B64(row.get(6)?),
        attributes: from_json(&row.get::<_, String>(7)?).unwrap_or_default(),
        magic_metadata: magic_of(row.get(8)?),
        pub_magic_metadata: magic_of(row.get(9)?),
        updation_time: Timestamp(row.get(10)?),
        is_deleted: row.get(11)?,
        app: row.get(12)?,
        ..Collection::default()
    })
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// An envelope as it is stored.
pub(super) fn magic_of(text: Option<String>) -> Option<Magic> {
    text.as_deref().and_then(from_json)
}

/// `POST /collections`
pub(super) fn create(caller: &Caller, Body(request): Body<CreateCollection>) -> Answer<Json<Value>> {
    if request.encrypted_key.is_empty() || request.key_decryption_nonce.is_empty() {
        return Err(Refusal::BAD_REQUEST);
    }
    check_magic(request.magic_metadata.as_ref())?;
    check_magic(request.pub_magic_metadata.as_ref())?;
    let lengths = (request.encrypted_key.bytes(), request.key_decryption_nonce.bytes());
    let is_wrapped = matches!(&lengths, (Some(key), Some(nonce)) if key.len() == KEY_LEN && nonce.len() == NONCE_LEN);
    if !is_wrapped {
        return Err(Refusal::INTERNAL);
    }
    let kind = if request.kind == "CollectionType.album" { "album" } else { request.kind.as_str() };
    let collection = caller.server.database.write(|tx| {
        check_maker(tx, caller, kind)?;
        let existing = load_special(tx, caller, kind)?;
        existing.map_or_else(|| insert(tx, caller, &request, kind), Ok)
    })?;
    Ok(Json(echo(collection)))
}

/// 404 before the account has keys, 500 for a kind that there is not.
fn check_maker(tx: &Connection, caller: &Caller, kind: &str) -> Answer<()> {
    if !users::has_keys(&users::load(tx, caller.user)?) {
        return Err(Refusal::NOT_FOUND);
    }
    let is_known = matches!(kind, "album" | "folder" | "favorites" | "uncategorized");
    if is_known { Ok(()) } else { Err(Refusal::INTERNAL) }
}

/// The lists are not filled in this answer: Go writes them as `null` (data 0.1).
fn echo(collection: Collection) -> Value {
    let mut answer = json!(CollectionAnswer { collection });
    answer["collection"]["sharees"] = Value::Null;
    answer["collection"]["publicURLs"] = Value::Null;
    answer
}

/// An envelope must say something, where there is one (data 0.1).
pub(super) fn check_magic(magic: Option<&Magic>) -> Answer<()> {
    let is_valid =
        |magic: &Magic| magic.version != 0 && magic.count != 0 && !magic.data.is_empty() && !magic.header.is_empty();
    if magic.is_none_or(is_valid) { Ok(()) } else { Err(Refusal::BAD_REQUEST) }
}

/// The existing album of a kind that is unique, with its own key.
fn load_special(tx: &Connection, caller: &Caller, kind: &str) -> Answer<Option<Collection>> {
    if !access::is_special(kind) {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS} FROM collections c WHERE owner = ? AND app = ? AND kind = ?");
    let found = one(tx, &sql, params![caller.user.0, caller.app.word(), kind], of_row)?;
    Ok(found.map(|found| Collection { app: String::new(), pub_magic_metadata: None, ..found }))
}

fn insert(tx: &Connection, caller: &Caller, request: &CreateCollection, kind: &str) -> Answer<Collection> {
    let now = caller.now();
    let sql = "INSERT INTO collections (owner, app, kind, encrypted_key, key_nonce, encrypted_name, name_nonce,
               attributes, magic, pub_magic, updation_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let row = params![
        caller.user.0,
        caller.app.word(),
        kind,
        request.encrypted_key.0,
        request.key_decryption_nonce.0,
        request.encrypted_name.0,
        request.name_decryption_nonce.0,
        serde_json::to_string(&request.attributes)?,
        magic_text(request.magic_metadata.as_ref())?,
        magic_text(request.pub_magic_metadata.as_ref())?,
        now.0,
    ];
    run(tx, sql, row)?;
    load_own(tx, AlbumId(tx.last_insert_rowid()))
}

pub(super) fn magic_text(magic: Option<&Magic>) -> Answer<Option<String>> {
    Ok(magic.map(serde_json::to_string).transpose()?)
}

fn load_own(tx: &Connection, id: AlbumId) -> Answer<Collection> {
    let sql = format!("SELECT {COLUMNS} FROM collections c WHERE c.id = ?");
    one(tx, &sql, [id.0], of_row)?.ok_or(Refusal::NOT_FOUND)
}

/// `GET /collections/v2?sinceTime=`: own albums, then shared ones, tombstones included.
pub(super) fn list(caller: &Caller, (): ()) -> Answer<Json<CollectionsAnswer>> {
    let since = caller.number("sinceTime");
    let collections = caller.server.database.read(|tx| {
        let mut found = load_own_since(tx, caller, since)?;
        found.extend(load_shared_since(tx, caller, since)?);
        Ok(found)
    })?;
    Ok(Json(CollectionsAnswer { collections }))
}

fn load_own_since(tx: &Connection, caller: &Caller, since: i64) -> Answer<Vec<Collection>> {
    let sql = format!("SELECT {COLUMNS} FROM collections c WHERE owner = ? AND app = ? AND updation_time > ?");
    let mut found = all(tx, &sql, params![caller.user.0, caller.app.word(), since], of_row)?;
    for collection in &mut found {
        collection.sharees = members::load_sharees(tx, collection.id)?;
    }
    Ok(found)
}

fn load_shared_since(tx: &Connection, caller: &Caller, since: i64) -> Answer<Vec<Collection>> {
    let sql = format!(
        "SELECT {COLUMNS}, s.encrypted_key, s.shared_at, s.magic, s.is_deleted, u.email
         FROM shares s JOIN collections c ON c.id = s.collection JOIN users u ON u.id = c.owner
         WHERE s.member = ? AND c.app = ? AND (s.updation_time > ?3 OR c.updation_time > ?3)"
    );
    let mut found = all(tx, &sql, params![caller.user.0, caller.app.word(), since], of_shared_row)?;
    for collection in found.iter_mut().filter(|collection| !collection.is_deleted) {
        collection.sharees = members::load_sharees(tx, collection.id)?;
    }
    Ok(found)
}

/// As a sharee sees it in the list: sealed key, no nonce, own settings, and less of the dead.
fn of_shared_row(row: &Row<'_>) -> rusqlite::Result<Collection> {
    let own = of_row(row)?;
    let is_deleted = row.get(16)?;
    let email = if is_deleted { String::new() } else { row.get(17)? };
    Ok(Collection {
        owner: Member { email, ..own.owner },
        encrypted_key: B64(row.get(13)?),
        key_decryption_nonce: B64::default(),
        attributes: CollectionAttributes::default(),
        shared_at: Some(Timestamp(row.get(14)?)),
        magic_metadata: None,
        shared_magic_metadata: magic_of(row.get(15)?),
        is_deleted,
        ..own
    })
}

/// `GET /collections/:id`: deleted ones too, for members. A sharee gets the sealed key beside the owner's
/// nonce, and the owner's private settings instead of the own ones, as museum has it (data 1.3, trap).
pub(super) fn get(caller: &Caller, (): ()) -> Answer<Json<CollectionAnswer>> {
    let id = AlbumId(caller.tail_id().ok_or(Refusal::BAD_REQUEST)?);
    let collection = caller.server.database.read(|tx| {
        let album = access::load_album(tx, id)?;
        access::load_role(tx, &album, caller.user)?.ok_or(Refusal::NOT_FOUND)?;
        let mut collection = load_own(tx, id)?;
        collection.owner.email = users::load(tx, album.owner)?.email;
        collection.sharees = members::load_sharees(tx, id)?;
        if album.owner != caller.user {
            let sql = "SELECT encrypted_key FROM shares WHERE collection = ? AND member = ?";
            let key = one(tx, sql, [id.0, caller.user.0], |row| row.get(0))?.ok_or(Refusal::NOT_FOUND)?;
            collection.encrypted_key = B64(key);
        }
        Ok(collection)
    })?;
    Ok(Json(CollectionAnswer { collection }))
}

/// `POST /collections/rename`
pub(super) fn rename(caller: &Caller, Body(request): Body<RenameCollection>) -> Answer<()> {
    let is_named = !request.encrypted_name.is_empty() && !request.name_decryption_nonce.is_empty();
    if request.collection_id.0 == 0 || !is_named {
        return Err(Refusal::BAD_REQUEST);
    }
    let sql = "UPDATE collections SET encrypted_name = ?, name_nonce = ?, updation_time = ? WHERE id = ?";
    caller.server.database.write(|tx| {
        let album = access::load_own(tx, caller, request.collection_id)?;
        let (name, nonce) = (&request.encrypted_name.0, &request.name_decryption_nonce.0);
        run(tx, sql, params![name, nonce, caller.now().0, album.id.0])?;
        Ok(())
    })
}

/// `PUT /collections/magic-metadata`
pub(super) fn set_magic(caller: &Caller, Body(request): Body<UpdateCollectionMagic>) -> Answer<()> {
    set_own_magic(caller, &request, "UPDATE collections SET magic = ?, updation_time = ? WHERE id = ?")
}

/// `PUT /collections/public-magic-metadata`
pub(super) fn set_public_magic(caller: &Caller, Body(request): Body<UpdateCollectionMagic>) -> Answer<()> {
    set_own_magic(caller, &request, "UPDATE collections SET pub_magic = ?, updation_time = ? WHERE id = ?")
}

/// No version is compared; the stored one is the sent one and one more.
fn set_own_magic(caller: &Caller, request: &UpdateCollectionMagic, sql: &str) -> Answer<()> {
    check_magic_request(request)?;
    let version = request.magic_metadata.version.saturating_add(1);
    let text = serde_json::to_string(&Magic { version, ..request.magic_metadata.clone() })?;
    caller.server.database.write(|tx| {
        let album = access::load_own(tx, caller, request.id)?;
        run(tx, sql, params![text, caller.now().0, album.id.0])?;
        Ok(())
    })
}

pub(super) fn check_magic_request(request: &UpdateCollectionMagic) -> Answer<()> {
    if request.id.0 == 0 {
        return Err(Refusal::BAD_REQUEST);
    }
    check_magic(Some(&request.magic_metadata))
}

/// `DELETE /collections/v3/:id?collectionID=&keepFiles=`: the ID of the query is the one acted on.
pub(super) fn delete(caller: &Caller, (): ()) -> Answer<()> {
    let id = caller.text("collectionID").parse().map(AlbumId).map_err(|_| Refusal::BAD_REQUEST)?;
    let keep_files = match caller.text("keepFiles") {
        "true" => true,
        "false" => false,
        _ => return Err(Refusal::BAD_REQUEST),
    };
    caller.server.database.write(|tx| {
        let album = access::load_own(tx, caller, id)?;
        if access::is_special(&album.kind) {
            return Err(Refusal::BAD_REQUEST);
        }
        if album.is_deleted { Ok(()) } else { delete_alive(tx, caller, &album, keep_files) }
    })
}

fn delete_alive(tx: &Connection, caller: &Caller, album: &Album, keep_files: bool) -> Answer<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM memberships WHERE collection = ? AND NOT is_deleted)";
    if keep_files && value(tx, sql, [album.id.0])? {
        return Err(Refusal::code(409, code::COLLECTION_NOT_EMPTY));
    }
    let now = caller.now();
    run(tx, "UPDATE collections SET is_deleted = 1, updation_time = ? WHERE id = ?", [now.0, album.id.0])?;
    run(tx, "UPDATE shares SET is_deleted = 1, updation_time = ? WHERE collection = ?", [now.0, album.id.0])?;
    if keep_files { Ok(()) } else { trash::trash_album(tx, album, now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_needs_every_field_but_may_be_missing() {
        let full = Magic { version: 1, count: 1, data: B64("AA==".into()), header: B64("AA==".into()) };
        assert_eq!(check_magic(None), Ok(()));
        assert_eq!(check_magic(Some(&full)), Ok(()));
        for broken in [
            Magic { version: 0, ..full.clone() },
            Magic { count: 0, ..full.clone() },
            Magic { data: B64::default(), ..full.clone() },
            Magic { header: B64::default(), ..full.clone() },
        ] {
            assert_eq!(check_magic(Some(&broken)), Err(Refusal::BAD_REQUEST));
        }
    }

    #[test]
    fn the_echo_of_a_new_album_has_null_lists() {
        let answer = echo(Collection::default());
        assert!(answer["collection"]["sharees"].is_null() && answer["collection"]["publicURLs"].is_null());
    }
}
