//! Who may do what in an album (protocol notes, data 1.6), and what is checked of lists of files (data 6).

use super::database::{id_list, one, run, value};
use super::refusal::{Answer, Refusal};
use super::visit::{App, Caller};
use crate::base::{AlbumId, Role, Timestamp, UserId};
use crate::wire::{BATCH, code};
use rusqlite::{Connection, params};
use std::collections::HashSet;

/// What is checked of an album before something is done to it.
pub(super) struct Album {
    pub(super) id: AlbumId,
    pub(super) owner: UserId,
    pub(super) kind: String,
    pub(super) is_deleted: bool,
    app: String,
}

/// 404 for an unknown ID.
pub(super) fn load_album(tx: &Connection, id: AlbumId) -> Answer<Album> {
    let sql = "SELECT owner, kind, is_deleted, app FROM collections WHERE id = ?";
    let found = one(tx, sql, [id.0], |row| {
        Ok(Album { id, owner: UserId(row.get(0)?), kind: row.get(1)?, is_deleted: row.get(2)?, app: row.get(3)? })
    })?;
    found.ok_or(Refusal::NOT_FOUND)
}

/// The role of `user`; `None` for strangers.
pub(super) fn load_role(tx: &Connection, album: &Album, user: UserId) -> Answer<Option<Role>> {
    if album.owner == user {
        return Ok(Some(Role::Owner));
    }
    let sql = "SELECT role FROM shares WHERE collection = ? AND member = ? AND NOT is_deleted";
    let word = one(tx, sql, [album.id.0, user.0], |row| row.get::<_, String>(0))?;
    Ok(word.and_then(|word| Role::from_wire(&word)))
}

/// The caller's own album, deleted or not: 404 unknown, 403 somebody else's. Another app's is not refused
/// here: museum looks at that only where files come in.
pub(super) fn load_own(tx: &Connection, caller: &Caller, id: AlbumId) -> Answer<Album> {
    let album = load_album(tx, id)?;
    if album.owner == caller.user { Ok(album) } else { Err(Refusal::FORBIDDEN) }
}

/// The same, and alive.
pub(super) fn load_own_alive(tx: &Connection, caller: &Caller, id: AlbumId) -> Answer<Album> {
    let album = load_own(tx, caller, id)?;
    if album.is_deleted { Err(Refusal::NOT_FOUND) } else { Ok(album) }
}

/// A live album of which the caller is a member, with the role: everything else is 404.
pub(super) fn load_joined(tx: &Connection, caller: &Caller, id: AlbumId) -> Answer<(Album, Role)> {
    let album = load_album(tx, id)?;
    let role = load_role(tx, &album, caller.user)?.ok_or(Refusal::NOT_FOUND)?;
    if album.is_deleted {
        return Err(Refusal::NOT_FOUND);
    }
    Ok((album, role))
}

/// 500 where an album belongs to another app.
pub(super) fn check_app(album: &Album, app: App) -> Answer<()> {
    if album.app == app.word() { Ok(()) } else { Err(Refusal::INTERNAL) }
}

/// Overwrites the album's stamp, backwards too (data 1.4).
pub(super) fn touch(tx: &Connection, album: AlbumId, stamp: Timestamp) -> Answer<()> {
    run(tx, "UPDATE collections SET updation_time = ? WHERE id = ?", [stamp.0, album.0])?;
    Ok(())
}

/// What every batch of files obeys.
pub(super) fn check_batch(len: usize) -> Answer<()> {
    if len > BATCH { Err(Refusal::TOO_LARGE) } else { Ok(()) }
}

/// Own files that exist, each named once: 400 where one is named twice, 403 where one is somebody else's,
/// else 400.
pub(super) fn check_own_files(tx: &Connection, user: UserId, files: &[i64]) -> Answer<()> {
    if has_duplicates(files) {
        return Err(Refusal::BAD_REQUEST);
    }
    let list = id_list(files.iter().copied());
    let sql = "SELECT count(*), count(*) FILTER (WHERE owner = ?2) FROM files
               WHERE id IN (SELECT value FROM json_each(?1))";
    let map = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (known, own) = one(tx, sql, params![list, user.0], map)?.unwrap_or_default();
    if known > own {
        return Err(Refusal::FORBIDDEN);
    }
    if files.is_empty() || own < files.len() as i64 { Err(Refusal::BAD_REQUEST) } else { Ok(()) }
}

pub(super) fn has_duplicates(ids: &[i64]) -> bool {
    ids.iter().collect::<HashSet<_>>().len() < ids.len()
}

/// 409 where one of these is in the trash or gone for good.
pub(super) fn check_not_trashed(tx: &Connection, files: &[i64]) -> Answer<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM trash WHERE NOT is_restored
               AND file IN (SELECT value FROM json_each(?)))";
    let trashed: bool = value(tx, sql, [id_list(files.iter().copied())])?;
    if trashed { Err(Refusal::code(409, "FILE_IN_TRASH")) } else { Ok(()) }
}

/// A special album cannot be deleted.
pub(super) fn is_special(kind: &str) -> bool {
    matches!(kind, "favorites" | "uncategorized")
}

/// 400 with a code, where the request makes no sense for this role.
pub(super) const NOT_FOR_THIS_ROLE: Refusal = Refusal::code(400, code::BAD_REQUEST);
