//! Changes to the account that the server has not confirmed yet.

use super::error::{StoreError, StoreResult};
use super::seal::Spot;
use super::{Rows, Tx};
use crate::base::{AlbumNo, FileId, OpNo, Timestamp};
use rusqlite::{Row, params};

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OpKind {
    /// `file` leaves `from`; its other homes are looked at when it is pushed, `to` is what the mount shows.
    Leave,
    /// `file` moves from `from` to `to`.
    Move,
    /// `file` joins `to`.
    Add,
    /// `file` gets the edited name `name`.
    NamePhoto,
    /// `from` gets the name `name`.
    NameAlbum,
    /// The empty album `from` is deleted.
    DeleteAlbum,
    /// `file` gets the public metadata fields in `name`, a JSON object.
    EditPhoto,
    /// The album `from` is archived, hidden or shown, as its row wants.
    ShelveAlbum,
    /// `file`, an own one, leaves `from`, which is somebody else's.
    LeaveShared,
    /// `file`, last in `from`, goes to Ente's trash, out of all albums; one that has another home by then leaves `from`.
    Trash,
    /// `file` comes out of Ente's trash, into `to`.
    Restore,
}

impl OpKind {
    const ALL: [Self; 11] = [
        Self::Leave,
        Self::Move,
        Self::Add,
        Self::NamePhoto,
        Self::NameAlbum,
        Self::DeleteAlbum,
        Self::EditPhoto,
        Self::ShelveAlbum,
        Self::LeaveShared,
        Self::Trash,
        Self::Restore,
    ];

    fn from_row(value: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i64 == value)
    }
}

/// One pending change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpRow {
    pub no: OpNo,
    pub kind: OpKind,
    pub file: Option<FileId>,
    pub from: Option<AlbumNo>,
    pub to: Option<AlbumNo>,
    pub name: Option<String>,
    pub due: Timestamp,
    pub attempts: u32,
}

impl OpRow {
    /// Whether it changes what this album, or the trash, has of its photo.
    pub fn touches(&self, album: AlbumNo) -> bool {
        match self.kind {
            OpKind::Trash => true,
            OpKind::Restore => album == AlbumNo::TRASH || self.to == Some(album),
            _ => self.from == Some(album) || self.to == Some(album),
        }
    }
}

/// A change to be stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewOp {
    pub kind: OpKind,
    pub file: Option<FileId>,
    pub from: Option<AlbumNo>,
    pub to: Option<AlbumNo>,
    pub name: Option<String>,
    pub due: Timestamp,
}

impl NewOp {
    pub fn new(kind: OpKind, due: Timestamp) -> Self {
        Self { kind, file: None, from: None, to: None, name: None, due }
    }
}

const COLUMNS: &str = "no, kind, file, from_album, to_album, name, due, attempts";

impl Rows<'_> {
    fn op_of(&self, row: &Row<'_>) -> StoreResult<OpRow> {
        let no: i64 = row.get(0)?;
        let name: Option<Vec<u8>> = row.get(5)?;
        Ok(OpRow {
            no: OpNo(no),
            kind: OpKind::from_row(row.get(1)?).ok_or(StoreError::Malformed { table: "ops" })?,
            file: row.get::<_, Option<i64>>(2)?.map(FileId),
            from: row.get::<_, Option<i64>>(3)?.map(AlbumNo),
            to: row.get::<_, Option<i64>>(4)?.map(AlbumNo),
            name: name.map(|sealed| self.seals.open_text(Spot::new("ops", "name", no), &sealed)).transpose()?,
            due: Timestamp(row.get(6)?),
            attempts: row.get(7)?,
        })
    }

    /// All pending changes, the oldest first.
    pub fn load_ops(&self) -> StoreResult<Vec<OpRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM ops ORDER BY no"))?;
        let rows = query.query_map([], |row| Ok(self.op_of(row)))?;
        rows.map(|row| row?).collect()
    }

    pub fn count_ops(&self) -> StoreResult<u64> {
        Ok(self.conn.prepare_cached("SELECT count(*) FROM ops")?.query_row([], |row| row.get(0))?)
    }

    /// Pending changes of one photo, the oldest first.
    pub fn load_ops_of_file(&self, file: FileId) -> StoreResult<Vec<OpRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM ops WHERE file = ?1 ORDER BY no"))?;
        let rows = query.query_map([file.0], |row| Ok(self.op_of(row)))?;
        rows.map(|row| row?).collect()
    }
}

impl Tx<'_> {
    pub fn insert_op(&self, op: &NewOp) -> StoreResult<OpNo> {
        let mut insert = self
            .conn
            .prepare_cached("INSERT INTO ops (kind, file, from_album, to_album, due) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        insert.execute(params![
            op.kind as i64,
            op.file.map(|file| file.0),
            op.from.map(|album| album.0),
            op.to.map(|album| album.0),
            op.due.0,
        ])?;
        let no = self.conn.last_insert_rowid();
        if let Some(name) = &op.name {
            let sealed = self.seals.seal(Spot::new("ops", "name", no), name.as_bytes());
            self.conn.prepare_cached("UPDATE ops SET name = ?2 WHERE no = ?1")?.execute(params![no, sealed])?;
        }
        Ok(OpNo(no))
    }

    pub fn delete_op(&self, no: OpNo) -> StoreResult<()> {
        self.conn.prepare_cached("DELETE FROM ops WHERE no = ?1")?.execute([no.0])?;
        Ok(())
    }

    /// Puts a change off.
    pub fn save_op_retry(&self, no: OpNo, due: Timestamp, attempts: u32) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached("UPDATE ops SET due = ?2, attempts = ?3 WHERE no = ?1")?;
        update.execute(params![no.0, due.0, attempts])?;
        Ok(())
    }
}
