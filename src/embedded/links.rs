//! Which files an album has: add, move, remove, restore (protocol notes, data 6).
//!
//! Guarantees: the wrapped key that came first stays, whatever later calls bring.

use super::access::{self, Album, NOT_FOR_THIS_ROLE};
use super::database::{all, id_list, one, run, value};
use super::refusal::{Answer, Refusal};
use super::visit::{Body, Caller};
use crate::base::{AlbumId, Role, Timestamp, UserId};
use crate::wire::{AddFiles, MoveFiles, RemoveFiles, WrappedFile};
use rusqlite::{Connection, params};

/// `POST /collections/add-files`: own files into any album one may add to.
pub(super) fn add(caller: &Caller, Body(request): Body<AddFiles>) -> Answer<()> {
    check_request(&request.files, &[request.collection_id])?;
    let ids = ids_of(&request.files);
    caller.server.database.write(|tx| {
        let (album, role) = access::load_joined(tx, caller, request.collection_id)?;
        access::check_app(&album, caller.app)?;
        if role < Role::Collaborator {
            return Err(Refusal::FORBIDDEN);
        }
        access::check_own_files(tx, caller.user, &ids)?;
        access::check_not_trashed(tx, &ids)?;
        let now = caller.now();
        upsert(tx, album.id, &request.files, now)?;
        access::touch(tx, album.id, now)
    })
}

/// `POST /collections/move-files`: nobody checks that the files are in the source.
pub(super) fn move_between(caller: &Caller, Body(request): Body<MoveFiles>) -> Answer<()> {
    let (from, to) = (request.from_collection_id, request.to_collection_id);
    check_request(&request.files, &[from, to])?;
    if from == to {
        return Err(Refusal::BAD_REQUEST);
    }
    let ids = ids_of(&request.files);
    caller.server.database.write(|tx| {
        access::load_own_alive(tx, caller, from)?;
        access::load_own_alive(tx, caller, to)?;
        access::check_own_files(tx, caller.user, &ids)?;
        access::check_not_trashed(tx, &ids)?;
        let now = caller.now();
        upsert(tx, to, &request.files, now)?;
        mark_removed(tx, from, &ids, now)?;
        access::touch(tx, from, now)?;
        access::touch(tx, to, now)
    })
}

/// `POST /collections/restore-files`: every one must be in the trash.
pub(super) fn restore(caller: &Caller, Body(request): Body<AddFiles>) -> Answer<()> {
    check_request(&request.files, &[request.collection_id])?;
    let ids = ids_of(&request.files);
    let list = id_list(ids.iter().copied());
    caller.server.database.write(|tx| {
        let album = access::load_own_alive(tx, caller, request.collection_id)?;
        ids.iter().try_for_each(|id| check_owner(tx, caller.user, *id))?;
        let sql = "SELECT count(*) FROM trash WHERE NOT is_restored AND NOT is_deleted
                   AND file IN (SELECT value FROM json_each(?))";
        if value::<i64>(tx, sql, [&list])? != ids.len() as i64 {
            return Err(Refusal::BAD_REQUEST);
        }
        let now = caller.now();
        upsert(tx, album.id, &request.files, now)?;
        let sql = "UPDATE trash SET is_restored = 1, updated_at = max(?, updated_at + 1)
                   WHERE file IN (SELECT value FROM json_each(?))";
        run(tx, sql, params![now.0, list])?;
        access::touch(tx, album.id, now)
    })
}

/// What is in the list is not looked at, not even whether there is a key (data 0.1, binding rule).
fn check_request(files: &[WrappedFile], albums: &[AlbumId]) -> Answer<()> {
    access::check_batch(files.len())?;
    if albums.iter().all(|album| album.0 != 0) { Ok(()) } else { Err(Refusal::BAD_REQUEST) }
}

/// One by one: 404 for the first that is unknown, 403 for the first that is somebody else's.
fn check_owner(tx: &Connection, user: UserId, file: i64) -> Answer<()> {
    let owner = one(tx, "SELECT owner FROM files WHERE id = ?", [file], |row| row.get::<_, i64>(0))?;
    if owner.ok_or(Refusal::NOT_FOUND)? == user.0 { Ok(()) } else { Err(Refusal::FORBIDDEN) }
}

fn ids_of(files: &[WrappedFile]) -> Vec<i64> {
    files.iter().map(|file| file.id.0).collect()
}

/// A row that exists, live or removed, lives again and keeps its key.
pub(super) fn upsert(tx: &Connection, album: AlbumId, files: &[WrappedFile], now: Timestamp) -> Answer<()> {
    let sql = "INSERT INTO memberships (collection, file, encrypted_key, key_nonce, added_at, updation_time)
               VALUES (?1, ?2, ?3, ?4, ?5, ?5)
               ON CONFLICT DO UPDATE SET updation_time = excluded.updation_time,
                   added_at = iif(is_deleted, excluded.added_at, added_at),
                   is_deleted = 0, action = NULL, action_user = NULL";
    for file in files {
        let (key, nonce) = (&file.encrypted_key.0, &file.key_decryption_nonce.0);
        run(tx, sql, params![album.0, file.id.0, key, nonce, now.0])?;
    }
    Ok(())
}

/// A request that the row still carries stays on it.
fn mark_removed(tx: &Connection, album: AlbumId, files: &[i64], now: Timestamp) -> Answer<()> {
    let sql = "UPDATE memberships SET is_deleted = 1, updation_time = ?
               WHERE collection = ? AND file IN (SELECT value FROM json_each(?))";
    run(tx, sql, params![now.0, album.0, id_list(files.iter().copied())])?;
    Ok(())
}

/// A file of the album, as far as removing it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Row {
    file: i64,
    owner: UserId,
    is_deleted: bool,
}

/// What becomes of the files named in a removal.
#[derive(PartialEq, Eq, Default, Debug)]
struct Removal {
    removed: Vec<i64>,
    /// The owner's own, asked for by an admin: the owner is told, nothing more.
    requested: Vec<i64>,
}

/// `POST /collections/v3/remove-files`
pub(super) fn remove(caller: &Caller, Body(request): Body<RemoveFiles>) -> Answer<()> {
    access::check_batch(request.file_ids.len())?;
    if request.collection_id.0 == 0 {
        return Err(Refusal::BAD_REQUEST);
    }
    let list = id_list(request.file_ids.iter().map(|id| id.0));
    caller.server.database.write(|tx| {
        let (album, role) = access::load_joined(tx, caller, request.collection_id)?;
        let rows = load_rows(tx, &album, &list)?;
        if request.file_ids.iter().any(|id| rows.iter().all(|row| row.file != id.0)) {
            return Err(Refusal::INTERNAL);
        }
        let removal = plan_removal(&rows, caller.user, role, album.owner)?;
        if removal == Removal::default() {
            return Ok(());
        }
        let now = caller.now();
        mark_removed(tx, album.id, &removal.removed, now)?;
        let sql = "UPDATE memberships SET action = 'REMOVE', action_user = ?, updation_time = ?
                   WHERE collection = ? AND file IN (SELECT value FROM json_each(?))";
        run(tx, sql, params![caller.user.0, now.0, album.id.0, id_list(removal.requested)])?;
        access::touch(tx, album.id, now)
    })
}

fn load_rows(tx: &Connection, album: &Album, list: &str) -> Answer<Vec<Row>> {
    let sql = "SELECT m.file, f.owner, m.is_deleted FROM memberships m JOIN files f ON f.id = m.file
               WHERE m.collection = ? AND m.file IN (SELECT value FROM json_each(?))";
    Ok(all(tx, sql, params![album.id.0, list], |row| {
        Ok(Row { file: row.get(0)?, owner: UserId(row.get(1)?), is_deleted: row.get(2)? })
    })?)
}

/// Data 6.3. The owner moves own files instead; viewers and collaborators remove their own alone.
fn plan_removal(rows: &[Row], caller: UserId, role: Role, owner: UserId) -> Answer<Removal> {
    let live = || rows.iter().filter(|row| !row.is_deleted);
    if role != Role::Admin && live().any(|row| row.owner == owner) {
        return Err(NOT_FOR_THIS_ROLE);
    }
    if role < Role::Admin && live().any(|row| row.owner != caller) {
        return Err(Refusal::FORBIDDEN);
    }
    let (requested, removed): (Vec<_>, Vec<_>) = live().partition(|row| row.owner == owner);
    let files = |rows: Vec<&Row>| rows.into_iter().map(|row| row.file).collect();
    Ok(Removal { removed: files(removed), requested: files(requested) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: UserId = UserId(1);
    const MEMBER: UserId = UserId(2);
    const OTHER: UserId = UserId(3);

    fn row(file: i64, owner: UserId) -> Row {
        Row { file, owner, is_deleted: false }
    }

    #[test]
    fn nobody_but_an_admin_may_ask_for_the_owners_files() {
        let rows = [row(10, OWNER)];
        for (caller, role) in [(OWNER, Role::Owner), (MEMBER, Role::Viewer), (MEMBER, Role::Collaborator)] {
            assert_eq!(plan_removal(&rows, caller, role, OWNER), Err(NOT_FOR_THIS_ROLE), "{role:?}");
        }
        let asked = plan_removal(&rows, MEMBER, Role::Admin, OWNER);
        assert_eq!(asked, Ok(Removal { removed: vec![], requested: vec![10] }));
    }

    #[test]
    fn members_remove_their_own_and_admins_and_owners_everybodys() {
        let rows = [row(20, MEMBER), row(30, OTHER)];
        let all = Ok(Removal { removed: vec![20, 30], requested: vec![] });
        assert_eq!(plan_removal(&rows, OWNER, Role::Owner, OWNER), all);
        assert_eq!(plan_removal(&rows, MEMBER, Role::Admin, OWNER), all);
        assert_eq!(plan_removal(&rows, MEMBER, Role::Collaborator, OWNER), Err(Refusal::FORBIDDEN));
        let with_owners = [rows[1], row(10, OWNER)];
        assert_eq!(plan_removal(&with_owners, MEMBER, Role::Collaborator, OWNER), Err(NOT_FOR_THIS_ROLE));
        let own = Ok(Removal { removed: vec![20], requested: vec![] });
        assert_eq!(plan_removal(&rows[..1], MEMBER, Role::Viewer, OWNER), own);
    }

    #[test]
    fn what_is_removed_already_is_nobodys_concern() {
        let rows = [Row { is_deleted: true, ..row(10, OWNER) }];
        assert_eq!(plan_removal(&rows, OWNER, Role::Owner, OWNER), Ok(Removal::default()));
    }
}
