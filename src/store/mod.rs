//! Floor 1: the database of one account in one state directory: SQLite, its records sealed.
//!
//! Guarantees: a write is a transaction; a reader sees a committed state and never waits for a writer; no
//! name, key or hash is in the file in clear (I16). [`Store::sync`] makes what was committed before it
//! survive a power cut; without it a commit survives the death of the process.
//!
//! Assumes one process (the state directory is locked) and that nothing is done under a write lock but
//! database work.

mod albums;
mod contents;
mod error;
mod files;
mod imports;
mod journal;
mod listing;
mod members;
mod meta;
mod names;
mod nodes;
mod ops;
mod schema;
mod seal;
mod sync;
mod timeline;
mod troubles;
mod uploads;
mod xattrs;

pub use albums::{AlbumRow, AlbumState, NewAlbum, Owner};
pub use contents::{ContentRow, NewContent, Packed, Place};
pub use error::{StoreError, StoreResult};
pub use files::{FileCounts, FileFacts, FileRow, Label, RawMagic, RawRecord};
pub use imports::ImportTotals;
pub use journal::{Change, JournalRow};
pub use listing::Listing;
pub use members::{MemberRow, NameSlot};
pub use meta::{Counter, Cursor};
pub use names::NameRow;
pub use nodes::{NodeKind, NodeRow};
pub use ops::{NewOp, OpKind, OpRow};
pub use schema::SCHEMA_VERSION;
pub use troubles::Trouble;
pub use uploads::{HalfOf, Kept, StageTotals, UploadBlob, UploadRow};

use crate::base::sync::{Bell, Mutex, MutexGuard};
use crate::crypto::DeviceKey;
use rusqlite::Connection;
use seal::Seals;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The name of the database in the state directory (command-line contract, 1).
pub const DATABASE: &str = "entefs.db";
/// The write-ahead log may grow to this before a checkpoint is due.
const CHECKPOINT_BYTES: u64 = 8 << 20;
/// Connections kept for readers.
const MAX_IDLE_READERS: usize = 6;

/// The database. Cheap to share.
pub struct Store {
    path: PathBuf,
    seals: Arc<Seals>,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    committed: AtomicU64,
    /// Rung by the first commit after a sync.
    unsynced: Bell,
    is_unsynced: AtomicBool,
    syncer: sync::Syncer,
    inos: Mutex<meta::InoStride>,
}

impl Store {
    /// Opens the database of a state directory, making or migrating it.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for one written by a newer version, [`StoreError::Sqlite`] where it cannot be
    /// read or written.
    pub fn open(state_dir: &Path, device: &DeviceKey) -> StoreResult<Self> {
        let path = state_dir.join(DATABASE);
        let mut writer = schema::connect(&path)?;
        schema::migrate(&mut writer)?;
        let syncer = sync::Syncer::open(&path)?;
        Ok(Self {
            seals: Arc::new(Seals::new(device)),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            committed: AtomicU64::new(0),
            unsynced: Bell::default(),
            is_unsynced: AtomicBool::new(false),
            syncer,
            inos: Mutex::default(),
            path,
        })
    }

    /// Opens what is there for a command that only looks.
    ///
    /// # Errors
    /// As [`Self::open`]; also where there is no database yet.
    pub fn open_existing(state_dir: &Path, device: &DeviceKey) -> StoreResult<Self> {
        if !state_dir.join(DATABASE).exists() {
            return Err(StoreError::Absent(state_dir.join(DATABASE)));
        }
        Self::open(state_dir, device)
    }

    /// Runs `read` on a committed state.
    ///
    /// # Errors
    /// What `read` answers, and [`StoreError::Sqlite`].
    pub fn read<T>(&self, read: impl FnOnce(&Rows<'_>) -> StoreResult<T>) -> StoreResult<T> {
        let idle = self.readers.lock().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => schema::connect_reader(&self.path)?,
        };
        let outcome = {
            let _snapshot = Transaction::read(&reader)?;
            read(&Rows { conn: &reader, seals: &self.seals })
        };
        let mut readers = self.readers.lock();
        if readers.len() < MAX_IDLE_READERS && reader.is_autocommit() {
            readers.push(reader);
        }
        outcome
    }

    /// Takes the write lock; nobody else writes until the writer is dropped.
    pub fn writer(&self) -> Writer<'_> {
        Writer { store: self, conn: self.writer.lock() }
    }

    /// One transaction: committed when `write` succeeds, gone when it fails.
    ///
    /// # Errors
    /// What `write` answers, and [`StoreError::Sqlite`].
    pub fn write<T, E: From<StoreError>>(&self, write: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        self.writer().commit(write)
    }

    /// Makes everything committed so far survive a power cut. Calls that meet share one sync.
    ///
    /// # Errors
    /// [`StoreError::Sync`] where the disk does not take it.
    pub fn sync(&self) -> StoreResult<()> {
        self.is_unsynced.store(false, Ordering::Release);
        self.syncer.sync_up_to(|| self.committed.load(Ordering::Acquire))
    }

    /// Rings when something was committed that [`Self::sync`] has not made durable: for whoever syncs now and then.
    pub fn unsynced(&self) -> &Bell {
        &self.unsynced
    }

    /// Moves the write-ahead log into the database where it has grown; for a background thread, as it waits
    /// for the disk. Readers and writers go on.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn checkpoint_if_due(&self) -> StoreResult<()> {
        if self.syncer.wal_bytes() < CHECKPOINT_BYTES {
            return Ok(());
        }
        let conn = schema::connect(&self.path)?;
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// A new inode number. Never given out twice, not even after a power cut (I8).
    ///
    /// # Errors
    /// Where the next stride of numbers cannot be reserved durably.
    pub fn next_ino(&self) -> StoreResult<crate::base::Ino> {
        let mut stride = self.inos.lock();
        if stride.is_spent() {
            *stride = self.write(|tx| tx.reserve_inos())?;
            self.sync()?;
        }
        Ok(stride.take())
    }

    /// Closes the database, its log folded in.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn close(self) -> StoreResult<()> {
        self.readers.lock().clear();
        self.writer.into_inner().close().map_err(|(_, error)| error.into())
    }
}

/// An open transaction. Begun and ended some hundred times for each photo, so by statements that are kept.
struct Transaction<'c> {
    conn: &'c Connection,
    /// What ends it when it is dropped.
    end: Option<&'static str>,
}

impl<'c> Transaction<'c> {
    /// All that is read meanwhile is of one commit.
    fn read(conn: &'c Connection) -> StoreResult<Self> {
        run(conn, "BEGIN")?;
        Ok(Self { conn, end: Some("COMMIT") })
    }

    /// Undone, unless it is committed.
    fn write(conn: &'c Connection) -> StoreResult<Self> {
        run(conn, "BEGIN IMMEDIATE")?;
        Ok(Self { conn, end: Some("ROLLBACK") })
    }

    fn commit(mut self) -> StoreResult<()> {
        run(self.conn, "COMMIT")?;
        self.end = None;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let ended = self.end.map(|end| run(self.conn, end));
        if let Some(Err(error)) = ended {
            tracing::error!(%error, "a transaction of the database cannot be ended");
        }
    }
}

fn run(conn: &Connection, statement: &str) -> StoreResult<()> {
    conn.prepare_cached(statement)?.execute([])?;
    Ok(())
}

/// The write lock of a [`Store`].
pub struct Writer<'s> {
    store: &'s Store,
    conn: MutexGuard<'s, Connection>,
}

impl Writer<'_> {
    /// As [`Store::write`], keeping the lock for what follows.
    ///
    /// # Errors
    /// What `write` answers, and [`StoreError::Sqlite`].
    pub fn commit<T, E: From<StoreError>>(&mut self, write: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let transaction = Transaction::write(&self.conn)?;
        let outcome = write(&Tx { rows: Rows { conn: &self.conn, seals: &self.store.seals } })?;
        transaction.commit()?;
        self.store.committed.fetch_add(1, Ordering::Release);
        if !self.store.is_unsynced.swap(true, Ordering::AcqRel) {
            self.store.unsynced.ring();
        }
        Ok(outcome)
    }

    /// Looks at what was just committed.
    pub fn rows(&self) -> Rows<'_> {
        Rows { conn: &self.conn, seals: &self.store.seals }
    }
}

/// The rows of a committed state, or of an open transaction.
pub struct Rows<'c> {
    conn: &'c Connection,
    seals: &'c Seals,
}

/// An open transaction.
pub struct Tx<'c> {
    rows: Rows<'c>,
}

impl<'c> Deref for Tx<'c> {
    type Target = Rows<'c>;

    fn deref(&self) -> &Rows<'c> {
        &self.rows
    }
}

#[cfg(test)]
mod tests;
