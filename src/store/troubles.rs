//! What went wrong and nobody was told yet: refused changes, bad chunks. For `status` and `errors.txt`.

use super::error::StoreResult;
use super::seal::Spot;
use super::{Rows, Tx};
use crate::base::Timestamp;
use rusqlite::params;

/// Older ones are forgotten.
const KEPT: i64 = 1000;

/// One trouble.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    pub at: Timestamp,
    /// A word for machines.
    pub kind: String,
    /// A sentence for people: what, which file, why, what to do.
    pub text: String,
}

fn spot() -> Spot {
    Spot::new("troubles", "sealed", 0)
}

impl Rows<'_> {
    /// The latest first.
    pub fn load_troubles(&self) -> StoreResult<Vec<Trouble>> {
        let mut query = self.conn.prepare_cached("SELECT at, kind, sealed FROM troubles ORDER BY no DESC")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)))?;
        rows.map(|row| {
            let (at, kind, sealed) = row?;
            Ok(Trouble { at: Timestamp(at), kind, text: self.seals.open_text(spot(), &sealed)? })
        })
        .collect()
    }
}

impl Tx<'_> {
    pub fn insert_trouble(&self, trouble: &Trouble) -> StoreResult<()> {
        let mut insert = self.conn.prepare_cached("INSERT INTO troubles (at, kind, sealed) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![trouble.at.0, trouble.kind, self.seals.seal(spot(), trouble.text.as_bytes())])?;
        let oldest = self.conn.last_insert_rowid() - KEPT;
        self.conn.prepare_cached("DELETE FROM troubles WHERE no <= ?1")?.execute([oldest])?;
        Ok(())
    }
}
