//! Photos: the server's records as received, and what had to be found out about them.

use super::error::{StoreError, StoreResult};
use super::seal::Spot;
use super::{Rows, Tx};
use crate::base::{ContentNo, FileId, FileKind, Timestamp};
use crate::crypto::FileKey;
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

/// One photo.
#[derive(Clone, Debug)]
pub struct FileRow {
    pub id: FileId,
    pub own: bool,
    /// `None`: its record cannot be opened.
    pub kind: Option<FileKind>,
    pub label: Option<Label>,
    pub hidden: bool,
    pub trashed: bool,
    /// Of one in Ente's trash: when it is deleted for good.
    pub delete_by: Option<Timestamp>,
    pub stand_in: bool,
    /// Another version took its place here.
    pub previous: bool,
    pub content: Option<ContentNo>,
    /// An edited name that the server has not confirmed.
    pub want_name: Option<String>,
}

/// What a photo is called, as its record says.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Label {
    pub title: String,
    pub edited: Option<String>,
    /// Capture time; tells what was shot together.
    pub taken: Timestamp,
}

impl Label {
    /// The name people see (protocol notes, data 2.4): an empty edited name is none.
    pub fn display_name(&self) -> &str {
        self.edited.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.title)
    }
}

/// Magic metadata as received.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RawMagic {
    pub version: i64,
    pub header: Vec<u8>,
    /// Empty where the file carries a version and nothing else.
    pub data: Vec<u8>,
}

/// A photo's record as received, everything but its content's header.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RawRecord {
    pub thumb_header: Vec<u8>,
    pub meta_header: Vec<u8>,
    pub meta: Vec<u8>,
    pub public: Option<RawMagic>,
    pub private: Option<RawMagic>,
}

const COLUMNS: &str = "id, own, kind, hidden, trashed, stand_in, previous, content, want_name, label, delete_by";

fn spot(id: FileId, column: &'static str) -> Spot {
    Spot::new("files", column, id.0)
}

fn magic_of(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<RawMagic>> {
    let version: Option<i64> = row.get(at)?;
    let Some(version) = version else { return Ok(None) };
    let header: Option<Vec<u8>> = row.get(at + 1)?;
    let data: Option<Vec<u8>> = row.get(at + 2)?;
    Ok(Some(RawMagic { version, header: header.unwrap_or_default(), data: data.unwrap_or_default() }))
}

impl Rows<'_> {
    fn file_of(&self, row: &Row<'_>) -> StoreResult<FileRow> {
        let id = FileId(row.get(0)?);
        let want_name: Option<Vec<u8>> = row.get(8)?;
        let label: Option<Vec<u8>> = row.get(9)?;
        let label = label.map(|sealed| self.seals.open(spot(id, "label"), &sealed)).transpose()?;
        let malformed = |_| StoreError::Malformed { table: "files" };
        Ok(FileRow {
            id,
            own: row.get(1)?,
            kind: row.get::<_, Option<i64>>(2)?.map(FileKind::from_wire),
            label: label.map(|label| serde_json::from_slice(&label).map_err(malformed)).transpose()?,
            hidden: row.get(3)?,
            trashed: row.get(4)?,
            stand_in: row.get(5)?,
            previous: row.get(6)?,
            content: row.get::<_, Option<i64>>(7)?.map(ContentNo),
            delete_by: row.get::<_, Option<i64>>(10)?.map(Timestamp),
            want_name: want_name.map(|sealed| self.seals.open_text(spot(id, "want_name"), &sealed)).transpose()?,
        })
    }

    pub fn load_file(&self, id: FileId) -> StoreResult<Option<FileRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM files WHERE id = ?1"))?;
        query.query_row([id.0], |row| Ok(self.file_of(row))).optional()?.transpose()
    }

    /// Photos with this content hash and kind, lowest number first.
    pub fn load_files_by_hash(&self, hash: &str, kind: FileKind) -> StoreResult<Vec<FileRow>> {
        let tag = self.seals.hash_tag(hash, kind.to_wire());
        let mut query =
            self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM files WHERE hash_tag = ?1 ORDER BY id"))?;
        let rows = query.query_map([&tag[..]], |row| Ok(self.file_of(row)))?;
        rows.map(|row| row?).collect()
    }

    pub fn load_file_key(&self, id: FileId) -> StoreResult<Option<FileKey>> {
        let mut query = self.conn.prepare_cached("SELECT key FROM files WHERE id = ?1")?;
        let sealed: Option<Option<Vec<u8>>> = query.query_row([id.0], |row| row.get(0)).optional()?;
        sealed.flatten().map(|sealed| self.seals.open_file_key(spot(id, "key"), &sealed)).transpose()
    }

    pub fn load_record(&self, id: FileId) -> StoreResult<Option<RawRecord>> {
        let mut query = self.conn.prepare_cached(
            "SELECT thumb_header, meta_header, meta, pub_version, pub_header, pub, priv_version, priv_header, priv \
             FROM files WHERE id = ?1",
        )?;
        let text = |row: &Row<'_>, at| -> rusqlite::Result<Vec<u8>> {
            Ok(row.get::<_, Option<Vec<u8>>>(at)?.unwrap_or_default())
        };
        let record = query.query_row([id.0], |row| {
            Ok(RawRecord {
                thumb_header: text(row, 0)?,
                meta_header: text(row, 1)?,
                meta: text(row, 2)?,
                public: magic_of(row, 3)?,
                private: magic_of(row, 6)?,
            })
        });
        Ok(record.optional()?)
    }

    /// Photos whose thumbnail is the stand-in, previous versions, and members that are not shown yet.
    pub fn count_files(&self) -> StoreResult<FileCounts> {
        let count = |condition: &str| -> StoreResult<u64> {
            let sql = format!("SELECT count(*) FROM files WHERE {condition}");
            Ok(self.conn.prepare_cached(&sql)?.query_row([], |row| row.get(0))?)
        };
        Ok(FileCounts {
            stand_ins: count("stand_in AND own AND NOT trashed")?,
            previous: count("previous AND NOT trashed")?,
            live_photos: count("kind = 2 AND content IS NULL AND NOT trashed")?,
            unreadable: count("kind IS NULL AND NOT trashed")?,
        })
    }

    /// How many photos there are, counted no further than `most`.
    pub fn count_photos_up_to(&self, most: u64) -> StoreResult<u64> {
        let sql = "SELECT count(*) FROM (SELECT DISTINCT file FROM members \
                   WHERE album <> 0 AND coalesce(want, live) = 1 AND listing IS NOT NULL LIMIT ?1)";
        Ok(self.conn.prepare_cached(sql)?.query_row([most], |row| row.get(0))?)
    }

    /// Photos that are a live member of an own album.
    pub fn count_photos(&self) -> StoreResult<u64> {
        let mut query = self.conn.prepare_cached(
            "SELECT count(DISTINCT file) FROM members \
             WHERE album <> 0 AND coalesce(want, live) = 1 AND listing IS NOT NULL",
        )?;
        Ok(query.query_row([], |row| row.get(0))?)
    }
}

/// What `status` tells of the photos.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FileCounts {
    pub stand_ins: u64,
    pub previous: u64,
    /// Live photos whose halves cannot be told: they are not listed.
    pub live_photos: u64,
    pub unreadable: u64,
}

/// What is known of a photo beside its record.
#[derive(Clone, Copy, Debug)]
pub struct FileFacts<'a> {
    pub own: bool,
    pub kind: Option<FileKind>,
    pub key: Option<&'a FileKey>,
    pub label: Option<&'a Label>,
    /// The content hash as the metadata has it.
    pub hash: Option<&'a str>,
    pub hidden: bool,
    pub stand_in: bool,
}

impl Tx<'_> {
    /// Stores or replaces a photo's record; what is local to this machine stays.
    pub fn save_file(&self, id: FileId, facts: &FileFacts<'_>, record: &RawRecord) -> StoreResult<()> {
        let mut upsert = self.conn.prepare_cached(
            "INSERT INTO files (id, own, kind, key, label, hash_tag, hidden, trashed, stand_in, previous, thumb_header, \
             meta_header, meta, pub_version, pub_header, pub, priv_version, priv_header, priv, taken) \
             VALUES (?1, ?2, ?3, ?4, ?17, ?5, ?6, 0, ?7, 0, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?18) \
             ON CONFLICT (id) DO UPDATE SET own = ?2, kind = ?3, key = coalesce(?4, key), label = ?17, hash_tag = ?5, hidden = ?6, \
             stand_in = ?7, thumb_header = ?8, meta_header = ?9, meta = ?10, pub_version = ?11, pub_header = ?12, \
             pub = ?13, priv_version = ?14, priv_header = ?15, priv = ?16, taken = ?18",
        )?;
        let kind = facts.kind.map(FileKind::to_wire);
        let hash_tag = facts.hash.zip(kind).map(|(hash, kind)| self.seals.hash_tag(hash, kind));
        let label = facts.label.map(|label| {
            let plain = serde_json::to_vec(label).map_err(|_| StoreError::Malformed { table: "files" })?;
            Ok::<_, StoreError>(self.seals.seal(spot(id, "label"), &plain))
        });
        let (public, private) = (record.public.as_ref(), record.private.as_ref());
        upsert.execute(params![
            id.0,
            facts.own,
            kind,
            facts.key.map(|key| self.seals.seal_key(spot(id, "key"), key)),
            hash_tag.as_ref().map(|tag| &tag[..]),
            facts.hidden,
            facts.stand_in,
            record.thumb_header,
            record.meta_header,
            record.meta,
            public.map(|magic| magic.version),
            public.map(|magic| &magic.header),
            public.map(|magic| &magic.data),
            private.map(|magic| magic.version),
            private.map(|magic| &magic.header),
            private.map(|magic| &magic.data),
            label.transpose()?,
            facts.label.map(|label| label.taken.0),
        ])?;
        Ok(())
    }

    fn set_file(&self, id: FileId, column: &str, value: impl rusqlite::ToSql) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached(&format!("UPDATE files SET {column} = ?2 WHERE id = ?1"))?;
        update.execute(params![id.0, value])?;
        Ok(())
    }

    pub fn save_file_content(&self, id: FileId, content: ContentNo) -> StoreResult<()> {
        self.set_file(id, "content", content.0)
    }

    pub fn save_file_trashed(&self, id: FileId, trashed: bool) -> StoreResult<()> {
        self.set_file(id, "trashed", trashed)
    }

    /// When it is deleted for good; `None` where it is not in the trash.
    pub fn save_file_delete_by(&self, id: FileId, at: Option<Timestamp>) -> StoreResult<()> {
        self.set_file(id, "delete_by", at.map(|at| at.0))
    }

    pub fn save_file_previous(&self, id: FileId) -> StoreResult<()> {
        self.set_file(id, "previous", true)
    }

    pub fn save_file_want_name(&self, id: FileId, name: Option<&str>) -> StoreResult<()> {
        let sealed = name.map(|name| self.seals.seal(spot(id, "want_name"), name.as_bytes()));
        self.set_file(id, "want_name", sealed)
    }
}
