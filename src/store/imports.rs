//! What an import that is under way has handed over: so that it goes on where it was.

use super::error::StoreResult;
use super::{Rows, Tx};
use crate::base::{ParkReason, UploadNo};
use rusqlite::{OptionalExtension, params};

/// Sets these tags apart from those of hashes.
const JOB: i64 = -2;
const ITEM: i64 = -3;

/// How the uploads of an import stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImportTotals {
    /// Not over, not parked, and not to stay here.
    pub under_way: u64,
    pub bytes: u64,
    pub parked: u64,
    /// Parked until there is room, or a session: nothing more can be sent.
    pub stuck: u64,
}

impl Rows<'_> {
    /// What became of a file: `None` when it was never handed over, `Some(None)` when nothing of it had to be sent.
    pub fn load_imported(&self, job: &str, item: &str) -> StoreResult<Option<Option<UploadNo>>> {
        let mut query = self.conn.prepare_cached("SELECT upload FROM imported WHERE job = ?1 AND item = ?2")?;
        let tags = (self.seals.hash_tag(job, JOB), self.seals.hash_tag(item, ITEM));
        let found: Option<Option<i64>> =
            query.query_row(params![&tags.0[..], &tags.1[..]], |row| row.get(0)).optional()?;
        Ok(found.map(|upload| upload.map(UploadNo)))
    }

    pub fn load_import_totals(&self, job: &str) -> StoreResult<ImportTotals> {
        let mut query = self.conn.prepare_cached(
            "SELECT uploads.parked, count(*), sum(uploads.size) FROM imported JOIN uploads ON uploads.no = imported.upload \
             WHERE imported.job = ?1 AND uploads.stage < 10 AND uploads.stage <> 2 GROUP BY uploads.parked",
        )?;
        let rows = query.query_map([&self.seals.hash_tag(job, JOB)[..]], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?))
        })?;
        let mut totals = ImportTotals::default();
        for row in rows {
            let (parked, files, bytes) = row?;
            match parked.as_deref().map(ParkReason::from_word) {
                None => (totals.under_way, totals.bytes) = (files, bytes),
                Some(Some(ParkReason::Quota | ParkReason::Session)) => {
                    (totals.stuck, totals.parked) = (totals.stuck + files, totals.parked + files);
                }
                Some(_) => totals.parked += files,
            }
        }
        Ok(totals)
    }
}

impl Tx<'_> {
    pub fn save_imported(&self, job: &str, item: &str, upload: Option<UploadNo>) -> StoreResult<()> {
        let mut insert =
            self.conn.prepare_cached("INSERT OR REPLACE INTO imported (job, item, upload) VALUES (?1, ?2, ?3)")?;
        let tags = (self.seals.hash_tag(job, JOB), self.seals.hash_tag(item, ITEM));
        insert.execute(params![&tags.0[..], &tags.1[..], upload.map(|no| no.0)])?;
        Ok(())
    }

    pub fn forget_imported(&self, job: &str, item: &str) -> StoreResult<()> {
        let tags = (self.seals.hash_tag(job, JOB), self.seals.hash_tag(item, ITEM));
        let mut delete = self.conn.prepare_cached("DELETE FROM imported WHERE job = ?1 AND item = ?2")?;
        delete.execute(params![&tags.0[..], &tags.1[..]])?;
        Ok(())
    }

    /// The import is over: begun again it begins anew, but for what stands still.
    pub fn end_import(&self, job: &str) -> StoreResult<()> {
        let mut delete = self.conn.prepare_cached(
            "DELETE FROM imported WHERE job = ?1 AND coalesce(upload, 0) NOT IN (SELECT no FROM uploads WHERE parked IS NOT NULL)",
        )?;
        delete.execute([&self.seals.hash_tag(job, JOB)[..]])?;
        Ok(())
    }
}
