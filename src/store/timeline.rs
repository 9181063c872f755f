//! Photos by capture time, for `Timeline/` (semantics 1).

use super::Rows;
use super::error::StoreResult;
use crate::base::{AlbumNo, FileId, Timestamp};
use rusqlite::{OptionalExtension, params};

/// Own photos that a directory shows; what is hidden stays hidden here, too.
const SHOWN: &str = "f.own AND f.content IS NOT NULL AND EXISTS (SELECT 1 FROM members m JOIN albums a ON a.no = m.album \
                     WHERE m.file = f.id AND m.listing IS NOT NULL AND coalesce(m.want, m.live) = 1 AND a.own \
                     AND a.state IN (0, 1) AND a.complete AND NOT a.quick_link \
                     AND coalesce(a.want_visibility, a.visibility) <> 2)";

impl Rows<'_> {
    /// When the first photo from a moment on was taken.
    pub fn load_next_taken(&self, from: Timestamp) -> StoreResult<Option<Timestamp>> {
        let mut query = self.conn.prepare_cached(&format!(
            "SELECT f.taken FROM files f WHERE f.taken >= ?1 AND {SHOWN} ORDER BY f.taken LIMIT 1",
        ))?;
        Ok(query.query_row([from.0], |row| Ok(Timestamp(row.get(0)?))).optional()?)
    }

    /// The photos taken from `from` on and before `to`, lowest number first.
    pub fn load_taken_between(&self, from: Timestamp, to: Timestamp) -> StoreResult<Vec<FileId>> {
        let mut query = self.conn.prepare_cached(&format!(
            "SELECT f.id FROM files f WHERE f.taken >= ?1 AND f.taken < ?2 AND {SHOWN} ORDER BY f.id",
        ))?;
        let rows = query.query_map(params![from.0, to.0], |row| Ok(FileId(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When a photo was taken, and whether it is an own one that can be shown.
    pub fn load_taken(&self, file: FileId) -> StoreResult<Option<(Timestamp, bool)>> {
        let mut query = self.conn.prepare_cached(
            "SELECT taken, own AND content IS NOT NULL FROM files WHERE id = ?1 AND taken IS NOT NULL",
        )?;
        Ok(query.query_row([file.0], |row| Ok((Timestamp(row.get(0)?), row.get(1)?))).optional()?)
    }

    /// Calls `each` for every photo that an album has, or had, with the moment it was taken.
    pub fn for_each_taken(&self, album: AlbumNo, mut each: impl FnMut(FileId, Timestamp)) -> StoreResult<()> {
        let mut query = self.conn.prepare_cached(
            "SELECT m.file, f.taken FROM members m JOIN files f ON f.id = m.file \
             WHERE m.album = ?1 AND f.taken IS NOT NULL",
        )?;
        let mut rows = query.query([album.0])?;
        while let Some(row) = rows.next()? {
            each(FileId(row.get(0)?), Timestamp(row.get(1)?));
        }
        Ok(())
    }
}
