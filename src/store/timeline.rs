//! Photos by capture time, for `Timeline/` (semantics 1).

use super::Rows;
use super::error::StoreResult;
use crate::base::{FileId, Timestamp};
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
}
