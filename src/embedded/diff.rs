//! Changes of an album, page by page (protocol notes, data 2.1).

use super::access;
use super::collections::magic_of;
use super::database::all;
use super::refusal::Answer;
use super::visit::Caller;
use crate::base::{AlbumId, B64, FileId, Timestamp, UserId};
use crate::wire::{DIFF_PAGE, DiffAnswer, File, FileInfo, MetadataAttributes, ObjectAttributes};
use axum::Json;
use rusqlite::{Connection, Row, params};

/// What is read for one page: one row more tells whether there are more.
pub(super) const PAGE_AND_ONE: usize = DIFF_PAGE + 1;

/// How to answer with rows in ascending order of their stamps, of which at most [`PAGE_AND_ONE`] were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Page {
    /// With all of them; there are no more.
    Last,
    /// With so many; the others share a stamp that the page may have cut in two.
    Keep(usize),
    /// With every row of this stamp, however many.
    Whole(Timestamp),
}

/// Rows of one stamp are never split.
pub(super) fn plan_page(stamps: &[Timestamp]) -> Page {
    let Some(last) = stamps.last().filter(|_| stamps.len() > DIFF_PAGE) else { return Page::Last };
    match stamps.iter().position(|stamp| stamp == last) {
        Some(0) | None => Page::Whole(*last),
        Some(keep) => Page::Keep(keep),
    }
}

/// A file with one of its memberships; the order of [`of_row`].
pub(super) const COLUMNS: &str = "f.id, f.owner, f.file_header, f.thumb_header, f.metadata, f.metadata_header,
    f.magic, f.pub_magic, f.file_size, f.thumb_size, m.collection, m.encrypted_key, m.key_nonce, m.added_at,
    m.updation_time, m.is_deleted, m.action, m.action_user";

/// As the file's owner sees it, the collection's owner not filled in.
pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<File> {
    let object = |header: String| ObjectAttributes { decryption_header: B64(header), ..ObjectAttributes::default() };
    let metadata = MetadataAttributes {
        encrypted_data: B64(row.get(4)?),
        decryption_header: B64(row.get(5)?),
        ..MetadataAttributes::default()
    };
    Ok(File {
        id: FileId(row.get(0)?),
        owner_id: UserId(row.get(1)?),
        file: object(row.get(2)?),
        thumbnail: object(row.get(3)?),
        metadata,
        magic_metadata: magic_of(row.get(6)?),
        pub_magic_metadata: magic_of(row.get(7)?),
        info: Some(FileInfo { file_size: row.get(8)?, thumb_size: row.get(9)? }),
        collection_id: AlbumId(row.get(10)?),
        encrypted_key: B64(row.get(11)?),
        key_decryption_nonce: B64(row.get(12)?),
        collection_added_at: Some(Timestamp(row.get(13)?)),
        updation_time: Timestamp(row.get(14)?),
        is_deleted: row.get(15)?,
        action: row.get(16)?,
        action_user: row.get::<_, Option<i64>>(17)?.map(UserId),
        ..File::default()
    })
}

/// `GET /collections/v2/diff?collectionID=&sinceTime=`
pub(super) fn get(caller: &Caller, (): ()) -> Answer<Json<DiffAnswer>> {
    let (album, since) = (AlbumId(caller.number("collectionID")), Timestamp(caller.number("sinceTime")));
    let (owner, page) = caller.server.database.read(|tx| {
        let (album, _) = access::load_joined(tx, caller, album)?;
        Ok((album.owner, load_page(tx, album.id, since)?))
    })?;
    let (rows, has_more) = page;
    let diff = rows.into_iter().map(|file| shown_to(caller.user, owner, file)).collect();
    Ok(Json(DiffAnswer { diff, has_more }))
}

fn load_page(tx: &Connection, album: AlbumId, since: Timestamp) -> Answer<(Vec<File>, bool)> {
    let sql = format!(
        "SELECT {COLUMNS} FROM memberships m JOIN files f ON f.id = m.file
         WHERE m.collection = ? AND m.updation_time > ? ORDER BY m.updation_time LIMIT {PAGE_AND_ONE}"
    );
    let mut rows = all(tx, &sql, [album.0, since.0], of_row)?;
    let stamps: Vec<Timestamp> = rows.iter().map(|file| file.updation_time).collect();
    match plan_page(&stamps) {
        Page::Last => return Ok((rows, false)),
        Page::Keep(keep) => rows.truncate(keep),
        Page::Whole(stamp) => {
            let sql = format!(
                "SELECT {COLUMNS} FROM memberships m JOIN files f ON f.id = m.file
                 WHERE m.collection = ? AND m.updation_time = ?"
            );
            rows = all(tx, &sql, params![album.0, stamp.0], of_row)?;
        }
    }
    Ok((rows, true))
}

/// Who does not own the file sees neither its private settings nor a pending action, but a removal (data 2.2).
fn shown_to(reader: UserId, album_owner: UserId, file: File) -> File {
    let file = File { collection_owner_id: Some(album_owner), ..file };
    if file.owner_id == reader {
        return file;
    }
    let is_deleted = file.is_deleted || file.action.is_some();
    File { magic_metadata: None, action: None, action_user: None, is_deleted, ..file }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(runs: &[(i64, usize)]) -> Vec<Timestamp> {
        let all = runs.iter().flat_map(|(stamp, count)| std::iter::repeat_n(Timestamp(*stamp), *count));
        all.take(PAGE_AND_ONE).collect()
    }

    #[test]
    fn the_pages_of_the_protocol_notes() {
        assert_eq!(plan_page(&stamps(&[(1, 1000), (2, 1000), (3, 600)])), Page::Keep(2000));
        assert_eq!(plan_page(&stamps(&[(3, 600)])), Page::Last);
        assert_eq!(plan_page(&stamps(&[(7, 2600)])), Page::Whole(Timestamp(7)));
        let single: Vec<(i64, usize)> = (1..=2600).map(|stamp| (stamp, 1)).collect();
        assert_eq!(plan_page(&stamps(&single)), Page::Keep(2500));
        assert_eq!(plan_page(&[]), Page::Last);
    }

    #[test]
    fn a_full_page_with_nothing_after_it_is_the_last() {
        assert_eq!(plan_page(&stamps(&[(1, 2500)])), Page::Last);
        assert_eq!(plan_page(&stamps(&[(1, 2499), (2, 2)])), Page::Keep(2499));
    }

    #[test]
    fn an_admins_request_is_a_removal_for_everybody_but_the_files_owner() {
        let (owner, other) = (UserId(1), UserId(2));
        let file = File { owner_id: owner, action: Some("REMOVE".into()), ..File::default() };
        let seen = shown_to(owner, owner, file.clone());
        assert!(!seen.is_deleted && seen.action.is_some());
        let seen = shown_to(other, owner, file);
        assert!(seen.is_deleted && seen.action.is_none());
    }
}
