//! What somebody removed, moved or renamed at the mount, and how it was before (semantics 4.5). Written in the
//! transaction of the change itself.

use super::error::{StoreError, StoreResult};
use super::seal::Spot;
use super::{Rows, Tx};
use crate::base::{AlbumNo, FileId, Ino, JournalNo, Timestamp, Visibility};
use rusqlite::{OptionalExtension, Row, params};

/// One change, as it can be taken back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The photo left the album.
    Left {
        file: FileId,
        album: AlbumNo,
    },
    /// The photo moved; `joined`: it was not in `to` before.
    Moved {
        file: FileId,
        from: AlbumNo,
        to: AlbumNo,
        joined: bool,
    },
    /// The photo joined the album.
    Joined {
        file: FileId,
        album: AlbumNo,
    },
    /// The photo was called so.
    PhotoNamed {
        file: FileId,
        was: String,
    },
    /// The album was called so.
    AlbumNamed {
        album: AlbumNo,
        was: String,
    },
    AlbumRemoved {
        album: AlbumNo,
    },
    /// The photo went to Ente's trash; the album had it.
    Trashed {
        file: FileId,
        album: AlbumNo,
    },
    /// The album was so visible.
    AlbumShelved {
        album: AlbumNo,
        was: Visibility,
    },
    /// A file that was not in Ente lost its name: its path within the mount.
    FileRemoved {
        ino: Ino,
        path: Vec<u8>,
    },
    /// A file or directory of this machine had this path within the mount.
    EntryMoved {
        ino: Ino,
        path: Vec<u8>,
    },
}

/// One line of the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalRow {
    pub no: JournalNo,
    pub at: Timestamp,
    /// What it counts for the brake.
    pub weight: u64,
    pub change: Change,
}

/// A change as its columns have it.
#[derive(Default)]
struct Columns {
    kind: i64,
    file: Option<FileId>,
    album: Option<AlbumNo>,
    to: Option<AlbumNo>,
    joined: bool,
    ino: Option<Ino>,
    was: Option<Vec<u8>>,
}

impl Change {
    fn columns(&self) -> Columns {
        let none = Columns::default();
        match self.clone() {
            Self::Left { file, album } => Columns { kind: 0, file: Some(file), album: Some(album), ..none },
            Self::Moved { file, from, to, joined } => {
                Columns { kind: 1, file: Some(file), album: Some(from), to: Some(to), joined, ..none }
            }
            Self::Joined { file, album } => Columns { kind: 2, file: Some(file), album: Some(album), ..none },
            Self::PhotoNamed { file, was } => {
                Columns { kind: 3, file: Some(file), was: Some(was.into_bytes()), ..none }
            }
            Self::AlbumNamed { album, was } => {
                Columns { kind: 4, album: Some(album), was: Some(was.into_bytes()), ..none }
            }
            Self::Trashed { file, album } => Columns { kind: 9, file: Some(file), album: Some(album), ..none },
            Self::AlbumRemoved { album } => Columns { kind: 5, album: Some(album), ..none },
            Self::AlbumShelved { album, was } => {
                Columns { kind: 8, album: Some(album), was: Some(was.to_wire().to_string().into_bytes()), ..none }
            }
            Self::FileRemoved { ino, path } => Columns { kind: 6, ino: Some(ino), was: Some(path), ..none },
            Self::EntryMoved { ino, path } => Columns { kind: 7, ino: Some(ino), was: Some(path), ..none },
        }
    }
}

impl Columns {
    fn change(self) -> Option<Change> {
        let text = |was: Option<Vec<u8>>| String::from_utf8(was?).ok();
        Some(match self.kind {
            0 => Change::Left { file: self.file?, album: self.album? },
            1 => Change::Moved { file: self.file?, from: self.album?, to: self.to?, joined: self.joined },
            2 => Change::Joined { file: self.file?, album: self.album? },
            3 => Change::PhotoNamed { file: self.file?, was: text(self.was)? },
            4 => Change::AlbumNamed { album: self.album?, was: text(self.was)? },
            5 => Change::AlbumRemoved { album: self.album? },
            6 => Change::FileRemoved { ino: self.ino?, path: self.was? },
            7 => Change::EntryMoved { ino: self.ino?, path: self.was? },
            8 => {
                let was = text(self.was)?.parse().ok()?;
                Change::AlbumShelved { album: self.album?, was: Visibility::from_wire(was) }
            }
            9 => Change::Trashed { file: self.file?, album: self.album? },
            _ => return None,
        })
    }
}

const COLUMNS: &str = "no, at, weight, kind, file, album, to_album, joined, ino, was";

fn spot(no: i64) -> Spot {
    Spot::new("journal", "was", no)
}

impl Rows<'_> {
    fn journal_row_of(&self, row: &Row<'_>) -> StoreResult<JournalRow> {
        let no: i64 = row.get(0)?;
        let was: Option<Vec<u8>> = row.get(9)?;
        let columns = Columns {
            kind: row.get(3)?,
            file: row.get::<_, Option<i64>>(4)?.map(FileId),
            album: row.get::<_, Option<i64>>(5)?.map(AlbumNo),
            to: row.get::<_, Option<i64>>(6)?.map(AlbumNo),
            joined: row.get(7)?,
            ino: row.get::<_, Option<u64>>(8)?.map(Ino),
            was: was.map(|sealed| self.seals.open(spot(no), &sealed)).transpose()?,
        };
        let change = columns.change().ok_or(StoreError::Malformed { table: "journal" })?;
        Ok(JournalRow { no: JournalNo(no), at: Timestamp(row.get(1)?), weight: row.get(2)?, change })
    }

    /// When something was done, the latest first, with its number.
    pub fn load_journal_times(&self) -> StoreResult<Vec<(JournalNo, Timestamp)>> {
        let mut query = self.conn.prepare_cached("SELECT no, at FROM journal ORDER BY no DESC")?;
        let rows = query.query_map([], |row| Ok((JournalNo(row.get(0)?), Timestamp(row.get(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The latest line from `first` up to `last`.
    pub fn load_latest_change(&self, first: JournalNo, last: JournalNo) -> StoreResult<Option<JournalRow>> {
        let sql = format!("SELECT {COLUMNS} FROM journal WHERE no BETWEEN ?1 AND ?2 ORDER BY no DESC LIMIT 1");
        let mut query = self.conn.prepare_cached(&sql)?;
        query.query_row([first.0, last.0], |row| Ok(self.journal_row_of(row))).optional()?.transpose()
    }

    /// What the removals after `since` count for the brake.
    pub fn load_removal_weight(&self, since: Timestamp) -> StoreResult<u64> {
        let sql = "SELECT coalesce(sum(weight), 0) FROM journal WHERE at > ?1 AND weight > 0";
        Ok(self.conn.prepare_cached(sql)?.query_row([since.0], |row| row.get(0))?)
    }

    /// What the removals out of one album after `since` count.
    pub fn load_album_removal_weight(&self, album: AlbumNo, since: Timestamp) -> StoreResult<u64> {
        let sql = "SELECT coalesce(sum(weight), 0) FROM journal WHERE at > ?1 AND weight > 0 AND album = ?2";
        Ok(self.conn.prepare_cached(sql)?.query_row([since.0, album.0], |row| row.get(0))?)
    }
}

impl Tx<'_> {
    pub fn insert_change(&self, at: Timestamp, weight: u64, change: &Change) -> StoreResult<()> {
        let columns = change.columns();
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO journal (at, weight, kind, file, album, to_album, joined, ino) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        insert.execute(params![
            at.0,
            weight,
            columns.kind,
            columns.file.map(|file| file.0),
            columns.album.map(|album| album.0),
            columns.to.map(|album| album.0),
            columns.joined,
            columns.ino.map(|ino| ino.0),
        ])?;
        let no = self.conn.last_insert_rowid();
        if let Some(was) = &columns.was {
            let sealed = self.seals.seal(spot(no), was);
            self.conn.prepare_cached("UPDATE journal SET was = ?2 WHERE no = ?1")?.execute(params![no, sealed])?;
        }
        Ok(())
    }

    /// It was taken back.
    pub fn delete_change(&self, no: JournalNo) -> StoreResult<()> {
        self.conn.prepare_cached("DELETE FROM journal WHERE no = ?1")?.execute([no.0])?;
        Ok(())
    }

    /// An album took the place of one that was removed: what is told of that one is told of it.
    pub fn rename_album_in_journal(&self, old: AlbumNo, new: AlbumNo) -> StoreResult<()> {
        for column in ["album", "to_album"] {
            let sql = format!("UPDATE journal SET {column} = ?2 WHERE {column} = ?1");
            self.conn.prepare_cached(&sql)?.execute([old.0, new.0])?;
        }
        Ok(())
    }

    /// The brake counts from here on.
    pub fn clear_removal_weights(&self) -> StoreResult<()> {
        self.conn.prepare_cached("UPDATE journal SET weight = 0 WHERE weight > 0")?.execute([])?;
        Ok(())
    }

    /// Forgets what was done before.
    pub fn trim_journal(&self, before: Timestamp) -> StoreResult<()> {
        self.conn.prepare_cached("DELETE FROM journal WHERE at < ?1")?.execute([before.0])?;
        Ok(())
    }
}
