//! The spool: every file in it by its vault ID.

use super::dir::{Entry, SpoolDir};
use super::error::SpoolError;
use super::file::SpoolFile;
use super::pool::{Pool, PoolSize};
use super::room::Room;
use crate::base::VaultId;
use crate::base::sync::Mutex;
use crate::crypto::DeviceKey;
use crate::vault::{Base, CommitRecord, FileDisk, Generation, Opened, SealedFile, WriteBudget};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// How a spool is run.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Bytes to keep free on the disk; `None`: the smaller of 512 MiB and 5 %.
    pub reserve_bytes: Option<u64>,
    pub pool: PoolSize,
    /// Bytes of memory for blocks not yet sealed, over all files.
    pub write_budget: usize,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self { reserve_bytes: None, pool: PoolSize::default(), write_budget: WriteBudget::DEFAULT_BYTES }
    }
}

/// What a spool file turned out to be.
pub enum Found {
    /// Open, as of its last commit, or shared with who has it open already.
    File(Arc<SpoolFile>),
    /// No commit of it ever returned; the record is that of a first one under way.
    NeverCommitted { has_cells: bool, record: Option<CommitRecord> },
    /// What was committed does not verify. Nothing was changed.
    Corrupt { record: Option<CommitRecord> },
}

/// One file as the start-up sweep finds it (I17).
#[derive(Debug)]
pub struct Swept {
    pub id: VaultId,
    /// Whether its content may not change any more (I2).
    pub is_sealed: bool,
    /// Bytes taken on the disk.
    pub disk_bytes: u64,
    pub state: Result<SweptState, SpoolError>,
}

/// What the sweep finds in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SweptState {
    /// Nothing was ever written: made ahead, or taken and not used. For [`Spool::recycle`].
    Empty,
    NeverCommitted {
        has_cells: bool,
        record: Option<CommitRecord>,
    },
    Committed {
        record: CommitRecord,
        generation: Generation,
        /// Bytes of plaintext.
        len: u64,
        base: Option<Base>,
        /// Bytes of the base that are needed and not here.
        missing: u64,
    },
    Corrupt {
        record: Option<CommitRecord>,
    },
}

/// Bytes on their way in: `spool/` in the state directory.
pub struct Spool {
    dir: Arc<SpoolDir>,
    device: Arc<DeviceKey>,
    budget: Arc<WriteBudget>,
    room: Arc<Room>,
    pool: Arc<Pool>,
    /// Files somebody holds, so that all handles share one. Only names are looked at and changed under this lock.
    open: Mutex<HashMap<VaultId, Weak<SpoolFile>>>,
    /// What an earlier process left here and nobody has put back into the pool. Files of this process are not in it,
    /// so that none can be handed out twice.
    left: Mutex<HashSet<VaultId>>,
    /// Names were removed and the directory not synced since.
    removed: AtomicBool,
    refill: Mutex<Option<JoinHandle<()>>>,
}

impl Spool {
    /// Opens the spool in `dir`, making it where it is missing, and begins to make files ahead.
    ///
    /// # Errors
    /// [`SpoolError::Io`], [`SpoolError::ReadOnly`].
    pub fn open(dir: &Path, device: Arc<DeviceKey>, options: &SpoolOptions) -> Result<Self, SpoolError> {
        let dir = Arc::new(SpoolDir::open(dir)?);
        let room = Arc::new(Room::new(dir.handle()?, options.reserve_bytes));
        let left = Mutex::new(dir.ids()?.into_iter().collect());
        let pool = Arc::new(Pool::new(Arc::clone(&dir), options.pool));
        let refill = Mutex::new(Some(pool.spawn_refill()?));
        let budget = WriteBudget::new(options.write_budget);
        let (open, removed) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { dir, device, budget, room, pool, open, left, removed, refill })
    }

    /// Stops making files ahead and waits for the thread that does.
    pub fn close(&self) {
        self.pool.close();
        if let Some(thread) = self.refill.lock().take() {
            // A panic in it has been reported by the panic hook, and nothing depends on its result.
            let _ = thread.join();
        }
    }

    /// An empty file whose name is durable; its first commit makes it count.
    ///
    /// # Errors
    /// [`SpoolError::NoSpace`], [`SpoolError::ReadOnly`], [`SpoolError::Io`].
    pub fn take(&self) -> Result<Arc<SpoolFile>, SpoolError> {
        let (id, file) = self.pool.take()?;
        let file = SealedFile::create(Box::new(FileDisk::new(file)), &self.device, id, &self.budget);
        self.register(file)
    }

    /// The file of a vault ID. `known_durable` as in [`SealedFile::open`]: what the database knows to have returned.
    ///
    /// # Errors
    /// [`SpoolError::Missing`], [`SpoolError::Misnamed`], [`SpoolError::Io`]; [`SpoolError::Vault`] for a format of
    /// a later version.
    pub fn open_file(&self, id: VaultId, known_durable: Option<Generation>) -> Result<Found, SpoolError> {
        if let Some(open) = self.get_open(id) {
            return Ok(Found::File(open));
        }
        let (file, is_sealed) = self.dir.open_file(id)?;
        match SealedFile::open(Box::new(FileDisk::new(file)), &self.device, known_durable, &self.budget)? {
            Opened::Committed { file, .. } if file.id() != id => Err(SpoolError::Misnamed(id)),
            Opened::Committed { file, .. } => {
                if is_sealed {
                    file.freeze();
                }
                self.register(*file).map(Found::File)
            }
            Opened::NeverCommitted { has_cells, record } => Ok(Found::NeverCommitted { has_cells, record }),
            Opened::Corrupt { record } => Ok(Found::Corrupt { record }),
        }
    }

    /// The file, if somebody holds it.
    pub fn get_open(&self, id: VaultId) -> Option<Arc<SpoolFile>> {
        self.open.lock().get(&id).and_then(Weak::upgrade)
    }

    /// The one object of this file: of two that were opened at once, the first counts.
    fn register(&self, file: SealedFile) -> Result<Arc<SpoolFile>, SpoolError> {
        let id = file.id();
        let file = Arc::new(SpoolFile::new(file, Arc::clone(&self.room)));
        let mut open = self.open.lock();
        if let Some(first) = open.get(&id).and_then(Weak::upgrade) {
            return Ok(first);
        }
        // It may have left for the cache since it was opened.
        self.dir.entry(id)?;
        if open.len() == open.capacity() {
            open.retain(|_, file| file.strong_count() > 0);
        }
        open.insert(id, Arc::downgrade(&file));
        Ok(file)
    }

    /// What an earlier process left in the spool, one file after the other, for the start-up sweep. `known_durable`
    /// says for each what the database knows to have returned.
    pub fn sweep<'a>(
        &'a self,
        known_durable: impl Fn(VaultId) -> Option<Generation> + 'a,
    ) -> impl Iterator<Item = Swept> + 'a {
        let left: Vec<VaultId> = self.left.lock().iter().copied().collect();
        left.into_iter().filter_map(move |id| {
            let entry = match self.dir.entry(id) {
                Err(SpoolError::Missing(_)) => return None,
                entry => entry,
            };
            let (is_sealed, disk_bytes) =
                entry.as_ref().map_or((false, 0), |entry| (entry.is_sealed, entry.disk_bytes));
            let state = entry.and_then(|entry| self.sweep_file(&entry, known_durable(id)));
            Some(Swept { id, is_sealed, disk_bytes, state })
        })
    }

    fn sweep_file(&self, entry: &Entry, known_durable: Option<Generation>) -> Result<SweptState, SpoolError> {
        if entry.size == 0 && known_durable.is_none() {
            return Ok(SweptState::Empty);
        }
        let file = match self.open_file(entry.id, known_durable)? {
            Found::File(file) => file,
            Found::NeverCommitted { has_cells, record } => return Ok(SweptState::NeverCommitted { has_cells, record }),
            Found::Corrupt { record } => return Ok(SweptState::Corrupt { record }),
        };
        let missing = file.missing_base().iter().map(|range| range.end - range.start).sum();
        let (len, base) = (file.len(), file.base());
        let none = SweptState::NeverCommitted { has_cells: false, record: None };
        let committed = |(record, generation)| SweptState::Committed { record, generation, len, base, missing };
        Ok(file.last_commit().map_or(none, committed))
    }

    /// Puts files that the sweep found empty, and that no row names, into the pool. Others are left alone.
    ///
    /// # Errors
    /// [`SpoolError::Io`]; then none is put there.
    pub fn recycle(&self, ids: &[VaultId]) -> Result<(), SpoolError> {
        let mut empty = Vec::new();
        for id in ids {
            if self.left.lock().contains(id) && self.dir.entry(*id)?.size == 0 {
                let (file, _) = self.dir.open_file(*id)?;
                file.sync_all().map_err(SpoolError::of("sync an empty file", *id))?;
                empty.push(*id);
            }
        }
        self.dir.sync()?;
        let mut left = self.left.lock();
        self.pool.put(empty.into_iter().filter(|id| left.remove(id)));
        Ok(())
    }

    /// From here on the content of a file cannot change (I2): mode 0400, writes refused.
    ///
    /// # Errors
    /// [`SpoolError::Missing`], [`SpoolError::Io`].
    pub fn seal(&self, id: VaultId) -> Result<(), SpoolError> {
        if let Some(open) = self.get_open(id) {
            open.freeze();
        }
        self.dir.make_sealed(id)
    }

    /// Removes a file. After a power cut it may be back until [`Self::sync_removals`]: its row stays that long.
    ///
    /// # Errors
    /// [`SpoolError::Io`]. A file that is gone already is no error.
    pub fn remove(&self, id: VaultId) -> Result<(), SpoolError> {
        self.dir.remove(id)?;
        self.open.lock().remove(&id);
        self.removed.store(true, Ordering::Release);
        self.room.forget();
        Ok(())
    }

    /// Makes all removals so far durable; free where there were none.
    ///
    /// # Errors
    /// [`SpoolError::Io`]; then they are not.
    pub fn sync_removals(&self) -> Result<(), SpoolError> {
        if !self.removed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.dir.sync().inspect_err(|_| self.removed.store(true, Ordering::Release))
    }

    /// Renames a file out of the spool, into the cache. A removal otherwise.
    ///
    /// # Errors
    /// [`SpoolError::OtherFilesystem`] where it cannot be renamed there, [`SpoolError::InUse`] while a handle has it
    /// open (the cache may punch holes into it), [`SpoolError::Missing`], [`SpoolError::Io`].
    pub fn release_to(&self, id: VaultId, to: &Path) -> Result<(), SpoolError> {
        // Held over the rename, so that nobody opens the file in between.
        let mut open = self.open.lock();
        if open.get(&id).is_some_and(|file| file.strong_count() > 0) {
            return Err(SpoolError::InUse(id));
        }
        self.dir.rename_to(id, to)?;
        open.remove(&id);
        self.removed.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether so many bytes more may come in. Cheap: asks the filesystem only every few MiB.
    ///
    /// # Errors
    /// [`SpoolError::NoSpace`], [`SpoolError::Io`].
    pub fn check_room(&self, bytes: u64) -> Result<(), SpoolError> {
        self.room.check(bytes)
    }

    /// Bytes free above the floor, asked of the filesystem.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub fn read_room(&self) -> Result<u64, SpoolError> {
        self.room.ask()
    }

    /// Where a file lies.
    pub fn path(&self, id: VaultId) -> PathBuf {
        self.dir.path(id)
    }

    /// Empty files ready now, and how many had to be made by those who needed them.
    pub fn pool_counts(&self) -> (usize, u64) {
        self.pool.counts()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // The thread ends by itself; waiting for it is `close`.
        self.pool.close();
    }
}
