//! The trash (protocol notes, data 6.4).
//!
//! `POST /trash/empty` and the files of a deleted album are dealt with at once, where museum has jobs.

use super::access::{self, Album};
use super::database::{all, id_list, run, value};
use super::details::add_usage;
use super::diff::{self, PAGE_AND_ONE, Page, plan_page};
use super::refusal::{Answer, Refusal};
use super::shared::Shared;
use super::visit::{Body, Caller};
use crate::base::{AlbumId, FileId, Timestamp, UserId};
use crate::wire::{File, TrashAnswer, TrashDelete, TrashEmpty, TrashFiles, TrashItem, TrashRow};
use axum::Json;
use rusqlite::{Connection, Row, params};
use std::collections::HashSet;
use std::time::Duration;

const RETENTION: Duration = Duration::from_secs(30 * 86_400);
/// How long the bytes of deleted and of replaced files stay.
const DELETED_OBJECTS: Duration = Duration::from_secs(45 * 86_400);
pub(super) const REPLACED_OBJECTS: Duration = Duration::from_secs(24 * 86_400);
const MAX_DELETE: usize = 2500;

/// `POST /files/trash`
pub(super) fn trash_files(caller: &Caller, Body(request): Body<TrashFiles>) -> Answer<()> {
    access::check_batch(request.items.len())?;
    let ids: Vec<i64> = request.items.iter().map(|item| item.file_id.0).collect();
    caller.server.database.write(|tx| {
        access::check_own_files(tx, caller.user, &ids)?;
        let albums: HashSet<_> = request.items.iter().map(|item| item.collection_id.0).collect();
        for album in albums {
            check_own_album(tx, caller.user, album)?;
        }
        trash_items(tx, caller.user, &request.items, caller.now())
    })
}

fn check_own_album(tx: &Connection, user: UserId, album: i64) -> Answer<()> {
    let owner = access::load_album(tx, AlbumId(album))?.owner;
    if owner == user { Ok(()) } else { Err(Refusal::FORBIDDEN) }
}

/// Takes files out of every album. What is gone for good is not in the trash again, but its rows are stamped.
fn trash_items(tx: &Connection, owner: UserId, items: &[TrashItem], now: Timestamp) -> Answer<()> {
    let alive: Vec<&TrashItem> =
        items.iter().filter_map(|item| is_alive(tx, item).transpose()).collect::<Answer<_>>()?;
    let sql = "INSERT INTO trash (file, owner, collection, created_at, updated_at, delete_by)
               VALUES (?1, ?2, ?3, ?4, ?4, ?5)
               ON CONFLICT DO UPDATE SET is_restored = 0, delete_by = excluded.delete_by,
                   updated_at = max(excluded.updated_at, updated_at + 1)";
    let delete_by = now.saturating_add(RETENTION).0;
    for item in &alive {
        run(tx, sql, params![item.file_id.0, owner.0, item.collection_id.0, now.0, delete_by])?;
    }
    remove_everywhere(tx, &id_list(items.iter().map(|item| item.file_id.0)), now)
}

/// The item, unless its file is gone for good; 500 where the file never was in the named album.
fn is_alive<'a>(tx: &Connection, item: &'a TrashItem) -> Answer<Option<&'a TrashItem>> {
    let sql = "SELECT EXISTS (SELECT 1 FROM memberships WHERE collection = ? AND file = ?)";
    if !value::<bool>(tx, sql, [item.collection_id.0, item.file_id.0])? {
        return Err(Refusal::INTERNAL);
    }
    let gone: bool = value(tx, "SELECT is_deleted FROM files WHERE id = ?", [item.file_id.0])?;
    Ok((!gone).then_some(item))
}

/// Stamps every row, also those that were removed before; of the albums only those that lose a file.
fn remove_everywhere(tx: &Connection, files: &str, now: Timestamp) -> Answer<()> {
    for sql in [
        "UPDATE collections SET updation_time = ?1 WHERE id IN (SELECT collection FROM memberships
         WHERE NOT is_deleted AND file IN (SELECT value FROM json_each(?2)))",
        "UPDATE memberships SET is_deleted = 1, updation_time = ?1 WHERE file IN (SELECT value FROM json_each(?2))",
    ] {
        run(tx, sql, params![now.0, files])?;
    }
    Ok(())
}

/// The files of an album that was deleted with them: the owner's into the trash, from all albums; those of
/// others leave this one.
pub(super) fn trash_album(tx: &Connection, album: &Album, now: Timestamp) -> Answer<()> {
    let sql = "SELECT m.file FROM memberships m JOIN files f ON f.id = m.file
               WHERE m.collection = ? AND NOT m.is_deleted AND f.owner = ?";
    let own: Vec<i64> = all(tx, sql, [album.id.0, album.owner.0], |row| row.get(0))?;
    let items: Vec<TrashItem> =
        own.into_iter().map(|file| TrashItem { file_id: FileId(file), collection_id: album.id }).collect();
    trash_items(tx, album.owner, &items, now)?;
    let sql = "UPDATE memberships SET is_deleted = 1, updation_time = ? WHERE collection = ? AND NOT is_deleted";
    run(tx, sql, [now.0, album.id.0])?;
    Ok(())
}

/// `GET /trash/v2/diff?sinceTime=`
pub(super) fn changes(caller: &Caller, (): ()) -> Answer<Json<TrashAnswer>> {
    let since = Timestamp(caller.number("sinceTime"));
    let (diff, has_more) = caller.server.database.read(|tx| load_page(tx, caller.user, since))?;
    Ok(Json(TrashAnswer { diff, has_more }))
}

fn load_page(tx: &Connection, user: UserId, since: Timestamp) -> Answer<(Vec<TrashRow>, bool)> {
    let limit = format!("AND t.updated_at > ? ORDER BY t.updated_at LIMIT {PAGE_AND_ONE}");
    let mut rows = load_rows(tx, &limit, [user.0, since.0])?;
    let stamps: Vec<Timestamp> = rows.iter().map(|row| row.updated_at).collect();
    match plan_page(&stamps) {
        Page::Last => return Ok((rows, false)),
        Page::Keep(keep) => rows.truncate(keep),
        Page::Whole(stamp) => rows = load_rows(tx, "AND t.updated_at = ?", [user.0, stamp.0])?,
    }
    Ok((rows, true))
}

fn load_rows(tx: &Connection, condition: &str, params: [i64; 2]) -> Answer<Vec<TrashRow>> {
    let sql = format!(
        "SELECT {}, f.updation_time, t.is_deleted, t.is_restored, t.delete_by, t.created_at, t.updated_at
         FROM trash t JOIN files f ON f.id = t.file
         JOIN memberships m ON m.collection = t.collection AND m.file = t.file
         WHERE t.owner = ? {condition}",
        diff::COLUMNS
    );
    Ok(all(tx, &sql, params, of_row)?)
}

/// The time is the file's own here, and no album's owner is told (data 6.4).
fn of_row(row: &Row<'_>) -> rusqlite::Result<TrashRow> {
    let file = File { updation_time: Timestamp(row.get(18)?), collection_added_at: None, ..diff::of_row(row)? };
    Ok(TrashRow {
        file,
        is_deleted: row.get(19)?,
        is_restored: row.get(20)?,
        delete_by: Timestamp(row.get(21)?),
        created_at: Timestamp(row.get(22)?),
        updated_at: Timestamp(row.get(23)?),
    })
}

/// `POST /trash/delete`: what is not in the trash is passed over.
pub(super) fn delete(caller: &Caller, Body(request): Body<TrashDelete>) -> Answer<()> {
    if request.file_ids.len() > MAX_DELETE {
        return Err(Refusal::INTERNAL);
    }
    let list = id_list(request.file_ids.iter().map(|id| id.0));
    let sql = "SELECT file FROM trash WHERE owner = ? AND NOT is_deleted AND NOT is_restored
               AND file IN (SELECT value FROM json_each(?))";
    caller.server.database.write(|tx| {
        let files = all(tx, sql, params![caller.user.0, list], |row| row.get(0))?;
        delete_for_good(tx, caller.user, files, caller.now())
    })
}

/// `POST /trash/empty`: up to what the client has seen.
pub(super) fn empty(caller: &Caller, Body(request): Body<TrashEmpty>) -> Answer<()> {
    if request.last_updated_at.0 == 0 {
        return Err(Refusal::BAD_REQUEST);
    }
    let sql = "SELECT file FROM trash WHERE owner = ? AND NOT is_deleted AND NOT is_restored AND updated_at <= ?";
    caller.server.database.write(|tx| {
        let files = all(tx, sql, [caller.user.0, request.last_updated_at.0], |row| row.get(0))?;
        delete_for_good(tx, caller.user, files, caller.now())
    })
}

/// The room is free at once; the bytes stay for a while.
fn delete_for_good(tx: &Connection, owner: UserId, files: Vec<i64>, now: Timestamp) -> Answer<()> {
    let list = id_list(files);
    let freed = "SELECT coalesce(sum(file_size + thumb_size), 0) FROM files
                 WHERE id IN (SELECT value FROM json_each(?))";
    add_usage(tx, owner, -value::<i64>(tx, freed, [&list])?)?;
    let due = now.saturating_add(DELETED_OBJECTS).0;
    run(tx, "UPDATE files SET is_deleted = 1 WHERE id IN (SELECT value FROM json_each(?))", [&list])?;
    for (sql, stamp) in [
        (
            "UPDATE trash SET is_deleted = 1, updated_at = max(?, updated_at + 1)
             WHERE file IN (SELECT value FROM json_each(?))",
            now.0,
        ),
        (
            "INSERT OR REPLACE INTO doomed_objects (object_key, due_at)
             SELECT object_key, ? FROM objects WHERE file IN (SELECT value FROM json_each(?))",
            due,
        ),
    ] {
        run(tx, sql, params![stamp, list])?;
    }
    Ok(())
}

/// Empties what has been in the trash for 30 days, and removes bytes that are due.
pub(super) fn clean_up(server: &Shared) -> Answer<()> {
    let now = server.clock.now();
    let expired = "SELECT owner, file FROM trash WHERE NOT is_deleted AND NOT is_restored AND delete_by <= ?";
    let due = server.database.write(|tx| {
        for (owner, file) in all(tx, expired, [now.0], |row| Ok((UserId(row.get(0)?), row.get(1)?)))? {
            delete_for_good(tx, owner, vec![file], now)?;
        }
        Ok(all(tx, "SELECT object_key FROM doomed_objects WHERE due_at <= ?", [now.0], |row| row.get::<_, String>(0))?)
    })?;
    for key in due {
        server.objects.remove(&key)?;
        server.database.write(|tx| Ok(run(tx, "DELETE FROM doomed_objects WHERE object_key = ?", [&key])?))?;
    }
    Ok(())
}
