//! Extended attributes that users set: kept here, never sent.

use super::error::{StoreError, StoreResult};
use super::seal::Spot;
use super::{Rows, Tx};
use crate::base::Ino;
use rusqlite::{OptionalExtension, params};

fn spot(ino: Ino) -> Spot {
    Spot::new("xattrs", "sealed", ino.0 as i64)
}

fn join(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(2 + name.len() + value.len());
    joined.extend_from_slice(&(name.len() as u16).to_le_bytes());
    joined.extend_from_slice(name);
    joined.extend_from_slice(value);
    joined
}

fn split(joined: &[u8]) -> StoreResult<(Vec<u8>, Vec<u8>)> {
    let parts = joined.split_first_chunk::<2>().and_then(|(len, rest)| {
        let len = usize::from(u16::from_le_bytes(*len));
        rest.split_at_checked(len)
    });
    let (name, value) = parts.ok_or(StoreError::Malformed { table: "xattrs" })?;
    Ok((name.to_vec(), value.to_vec()))
}

impl Rows<'_> {
    pub fn load_xattr(&self, ino: Ino, name: &[u8]) -> StoreResult<Option<Vec<u8>>> {
        let tag = self.seals.name_tag(ino.0 as i64, name);
        let mut query = self.conn.prepare_cached("SELECT sealed FROM xattrs WHERE ino = ?1 AND tag = ?2")?;
        let sealed: Option<Vec<u8>> = query.query_row(params![ino.0, &tag[..]], |row| row.get(0)).optional()?;
        let Some(sealed) = sealed else { return Ok(None) };
        Ok(Some(split(&self.seals.open(spot(ino), &sealed)?)?.1))
    }

    pub fn load_xattr_names(&self, ino: Ino) -> StoreResult<Vec<Vec<u8>>> {
        let mut query = self.conn.prepare_cached("SELECT sealed FROM xattrs WHERE ino = ?1")?;
        let rows = query.query_map([ino.0], |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|sealed| Ok(split(&self.seals.open(spot(ino), &sealed?)?)?.0)).collect()
    }
}

impl Tx<'_> {
    pub fn save_xattr(&self, ino: Ino, name: &[u8], value: &[u8]) -> StoreResult<()> {
        let tag = self.seals.name_tag(ino.0 as i64, name);
        let mut insert =
            self.conn.prepare_cached("INSERT OR REPLACE INTO xattrs (ino, tag, sealed) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![ino.0, &tag[..], self.seals.seal(spot(ino), &join(name, value))])?;
        Ok(())
    }

    /// Whether there was one.
    pub fn delete_xattr(&self, ino: Ino, name: &[u8]) -> StoreResult<bool> {
        let tag = self.seals.name_tag(ino.0 as i64, name);
        let mut delete = self.conn.prepare_cached("DELETE FROM xattrs WHERE ino = ?1 AND tag = ?2")?;
        Ok(delete.execute(params![ino.0, &tag[..]])? > 0)
    }
}
