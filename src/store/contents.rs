//! Contents: the bytes of one version of one part of a photo, and the album inode that names them.

use super::error::{StoreError, StoreResult};
use super::seal::Spot;
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
    /// Of a live photo's half: where it lies.
    pub packed: Option<Packed>,
}

/// A half of a live photo, in the zip that is the object's plaintext.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packed {
    /// The still's content: under its number the zip's chunks and MACs are kept.
    pub archive: ContentNo,
    /// `None`: the half's size is a hint that no verified byte has confirmed (semantics 1.3).
    pub place: Option<Place>,
}

/// Where a half's bytes are, in bytes of the zip.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub at: u64,
    pub len: u64,
    pub deflated: bool,
}

impl ContentRow {
    /// The zip that a half lies in, to be read as a whole; `None` for what is no half.
    pub fn archive(&self) -> Option<ContentRow> {
        let packed = self.packed?;
        let size = crate::crypto::plain_len(self.cipher_size)?;
        Some(ContentRow { no: packed.archive, part: Part::Whole, size, packed: None, ..self.clone() })
    }
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

const COLUMNS: &str = "no, file, part, header, cipher_size, size, ino, mtime, ctime, mode, uid, gid, \
                       archive, packed_at, packed_size, deflated";

fn spot(no: ContentNo) -> Spot {
    Spot::new("contents", "extension", no.0)
}

fn packed_of(row: &Row<'_>) -> StoreResult<Option<Packed>> {
    let Some(archive) = row.get::<_, Option<i64>>(12)? else { return Ok(None) };
    let place = match row.get::<_, Option<u64>>(13)? {
        Some(at) => Some(Place { at, len: row.get(14)?, deflated: row.get(15)? }),
        None => None,
    };
    Ok(Some(Packed { archive: ContentNo(archive), place }))
}

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
        packed: packed_of(row)?,
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

    /// The clip beside a live photo's still.
    pub fn load_clip_of(&self, still: &ContentRow) -> StoreResult<Option<ContentRow>> {
        self.load_one_content("file = ?1 AND header = ?2 AND part = 2", params![still.file.0, &still.header.0[..]])
    }

    /// The extension of a half, with its dot.
    pub fn load_extension(&self, no: ContentNo) -> StoreResult<Option<String>> {
        let mut query = self.conn.prepare_cached("SELECT extension FROM contents WHERE no = ?1")?;
        let sealed: Option<Option<Vec<u8>>> = query.query_row([no.0], |row| row.get(0)).optional()?;
        sealed.flatten().map(|sealed| self.seals.open_text(spot(no), &sealed)).transpose()
    }

    /// Whether any photo known has this many plaintext bytes: what nothing matches in size is no duplicate.
    pub fn has_content_of_size(&self, size: u64) -> StoreResult<bool> {
        Ok(self.conn.prepare_cached("SELECT 1 FROM contents WHERE size = ?1 LIMIT 1")?.exists([size])?)
    }

    /// Contents of a part and size, whoever's they are.
    pub fn load_contents_of_size(&self, size: u64, part: Part) -> StoreResult<Vec<ContentRow>> {
        let sql = format!("SELECT {COLUMNS} FROM contents WHERE size = ?1 AND part = ?2");
        let mut query = self.conn.prepare_cached(&sql)?;
        let rows = query.query_map(params![size, part.to_row()], |row| Ok(content_of(row)))?;
        rows.map(|row| row?).collect()
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

    /// Says that a content is a half that lies in the zip of `archive`.
    pub fn save_half(&self, no: ContentNo, archive: ContentNo, extension: &str) -> StoreResult<()> {
        self.set_content(no, "archive", archive.0)?;
        self.set_content(no, "extension", self.seals.seal(spot(no), extension.as_bytes()))
    }

    /// What verified bytes say of a half.
    pub fn save_place(&self, no: ContentNo, size: u64, place: Place) -> StoreResult<()> {
        self.set_content(no, "size", size)?;
        self.set_content(no, "packed_size", place.len)?;
        self.set_content(no, "deflated", place.deflated)?;
        self.set_content(no, "packed_at", place.at)
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
