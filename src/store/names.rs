//! Names of the inodes born here.

use super::error::StoreResult;
use super::seal::Spot;
use super::{Rows, Tx};
use crate::base::Ino;
use rusqlite::{OptionalExtension, Row, params};

/// One name in one directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameRow {
    pub parent: Ino,
    pub name: Vec<u8>,
    pub ino: Ino,
}

fn spot(parent: Ino, ino: Ino) -> Spot {
    Spot { table: "names", column: "name", row: (parent.0 as i64, ino.0 as i64) }
}

impl Rows<'_> {
    fn name_of(&self, row: &Row<'_>) -> StoreResult<NameRow> {
        let (parent, ino) = (Ino(row.get(0)?), Ino(row.get(2)?));
        let sealed = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        Ok(NameRow { parent, name: self.seals.open(spot(parent, ino), sealed)?, ino })
    }

    fn load_name_rows(&self, condition: &str, value: i64) -> StoreResult<Vec<NameRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT parent, name, ino FROM names WHERE {condition}"))?;
        let rows = query.query_map([value], |row| Ok(self.name_of(row)))?;
        rows.map(|row| row?).collect()
    }

    /// The names in a directory.
    pub fn load_names(&self, parent: Ino) -> StoreResult<Vec<NameRow>> {
        self.load_name_rows("parent = ?1", parent.0 as i64)
    }

    /// The names of an inode; one, but for links.
    pub fn load_names_of(&self, ino: Ino) -> StoreResult<Vec<NameRow>> {
        self.load_name_rows("ino = ?1", ino.0 as i64)
    }

    pub fn find_name(&self, parent: Ino, name: &[u8]) -> StoreResult<Option<Ino>> {
        let tag = self.seals.name_tag(parent.0 as i64, name);
        let mut query = self.conn.prepare_cached("SELECT ino FROM names WHERE parent = ?1 AND tag = ?2")?;
        Ok(query.query_row(params![parent.0, &tag[..]], |row| Ok(Ino(row.get(0)?))).optional()?)
    }

    pub fn has_names(&self, parent: Ino) -> StoreResult<bool> {
        Ok(self.conn.prepare_cached("SELECT 1 FROM names WHERE parent = ?1 LIMIT 1")?.exists([parent.0])?)
    }
}

impl Tx<'_> {
    /// Gives an inode a name; one that is there already is replaced.
    pub fn save_name(&self, parent: Ino, name: &[u8], ino: Ino) -> StoreResult<()> {
        let mut insert = self
            .conn
            .prepare_cached("INSERT OR REPLACE INTO names (parent, tag, name, ino) VALUES (?1, ?2, ?3, ?4)")?;
        let tag = self.seals.name_tag(parent.0 as i64, name);
        insert.execute(params![parent.0, &tag[..], self.seals.seal(spot(parent, ino), name), ino.0])?;
        Ok(())
    }

    pub fn delete_name(&self, parent: Ino, name: &[u8]) -> StoreResult<()> {
        let tag = self.seals.name_tag(parent.0 as i64, name);
        let mut delete = self.conn.prepare_cached("DELETE FROM names WHERE parent = ?1 AND tag = ?2")?;
        delete.execute(params![parent.0, &tag[..]])?;
        Ok(())
    }
}
