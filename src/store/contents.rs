//! Contents: the bytes of one version of one part of a photo, and the album inode that names them.

use super::error::{StoreError, StoreResult};
use super::{Rows, Tx};
use crate::base::{ContentNo, FileId, Ino, Nanos, Part};
use crate::crypto::StreamHeader;
use rusqlite::{OptionalExtension, Row, params};

/// One content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentRow {
    pub no: ContentNo,
    pub file: FileId,
    pub part: Part,
    pub header: StreamHeader,
    /// Of the object, in bytes.
    pub cipher_size: u64,
    /// Of the plaintext, in bytes.
    pub size: u64,
    pub ino: Ino,
    pub mtime: Nanos,
    pub ctime: Nanos,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// A content to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewContent {
    pub file: FileId,
    pub part: Part,
    pub header: StreamHeader,
    pub cipher_size: u64,
    pub size: u64,
    pub ino: Ino,
    pub mtime: Nanos,
    pub ctime: Nanos,
}

const COLUMNS: &str = "no, file, part, header, cipher_size, size, ino, mtime, ctime, mode, uid, gid";

fn content_of(row: &Row<'_>) -> StoreResult<ContentRow> {
    let malformed = || StoreError::Malformed { table: "contents" };
    let header: Vec<u8> = row.get(3)?;
    Ok(ContentRow {
        no: ContentNo(row.get(0)?),
        file: FileId(row.get(1)?),
        part: Part::from_row(row.get(2)?).ok_or_else(malformed)?,
        header: StreamHeader(header.try_into().map_err(|_| malformed())?),
        cipher_size: row.get(4)?,
        size: row.get(5)?,
        ino: Ino(row.get(6)?),
        mtime: Nanos(row.get(7)?),
        ctime: Nanos(row.get(8)?),
        mode: row.get(9)?,
        uid: row.get(10)?,
        gid: row.get(11)?,
    })
}

impl Rows<'_> {
    fn load_one_content(&self, condition: &str, values: impl rusqlite::Params) -> StoreResult<Option<ContentRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM contents WHERE {condition}"))?;
        query.query_row(values, |row| Ok(content_of(row))).optional()?.transpose()
    }

    pub fn load_content(&self, no: ContentNo) -> StoreResult<Option<ContentRow>> {
        self.load_one_content("no = ?1", [no.0])
    }

    pub fn load_content_by_ino(&self, ino: Ino) -> StoreResult<Option<ContentRow>> {
        self.load_one_content("ino = ?1", [ino.0])
    }

    /// The content that a photo has, or had, under this header.
    pub fn load_content_by_header(&self, file: FileId, header: &StreamHeader) -> StoreResult<Option<ContentRow>> {
        self.load_one_content("file = ?1 AND header = ?2 AND part IN (0, 1)", params![file.0, &header.0[..]])
    }

    /// Whether any photo known has this many plaintext bytes: what nothing matches in size is no duplicate.
    pub fn has_content_of_size(&self, size: u64) -> StoreResult<bool> {
        Ok(self.conn.prepare_cached("SELECT 1 FROM contents WHERE size = ?1 LIMIT 1")?.exists([size])?)
    }

    /// The MAC prefixes known of a content, 8 bytes a chunk.
    pub fn load_macs(&self, no: ContentNo) -> StoreResult<Vec<u8>> {
        let mut query = self.conn.prepare_cached("SELECT macs FROM contents WHERE no = ?1")?;
        let macs: Option<Option<Vec<u8>>> = query.query_row([no.0], |row| row.get(0)).optional()?;
        Ok(macs.flatten().unwrap_or_default())
    }
}

impl Tx<'_> {
    pub fn insert_content(&self, content: &NewContent) -> StoreResult<ContentNo> {
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO contents (file, part, header, cipher_size, size, ino, mtime, ctime) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        insert.execute(params![
            content.file.0,
            content.part.to_row(),
            &content.header.0[..],
            content.cipher_size,
            content.size,
            content.ino.0,
            content.mtime.0,
            content.ctime.0,
        ])?;
        Ok(ContentNo(self.conn.last_insert_rowid()))
    }

    fn set_content(&self, no: ContentNo, column: &str, value: impl rusqlite::ToSql) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached(&format!("UPDATE contents SET {column} = ?2 WHERE no = ?1"))?;
        update.execute(params![no.0, value])?;
        Ok(())
    }

    pub fn save_macs(&self, no: ContentNo, macs: &[u8]) -> StoreResult<()> {
        self.set_content(no, "macs", macs)
    }

    /// Gives a content another inode: a local write in place takes the old one on (I8).
    pub fn save_content_ino(&self, no: ContentNo, ino: Ino) -> StoreResult<()> {
        self.set_content(no, "ino", ino.0)
    }

    pub fn save_content_times(&self, no: ContentNo, mtime: Nanos, ctime: Nanos) -> StoreResult<()> {
        self.set_content(no, "mtime", mtime.0)?;
        self.set_content(no, "ctime", ctime.0)
    }

    pub fn save_content_owner(
        &self,
        no: ContentNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> StoreResult<()> {
        self.set_content(no, "mode", mode)?;
        self.set_content(no, "uid", uid)?;
        self.set_content(no, "gid", gid)
    }
}
