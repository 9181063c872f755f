//! What the cache and its files share: the directory, the index, and carrying evictions out.

use super::file::CachedFile;
use super::index::{EXTENT_CELLS, Eviction, Index, Reservation, Victim};
use super::key::CacheKey;
use crate::base::sync::Mutex;
use crate::crypto::DeviceKey;
use crate::vault::{BlockIndex, FileDisk, SparseFile, VaultError};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// After the disk refused to take something, nothing is tried for so long.
const PAUSE: Duration = Duration::from_secs(10);
const DIR_MODE: u32 = 0o700;

pub(super) struct Shared {
    dir: PathBuf,
    device: Arc<DeviceKey>,
    /// Taken last, and never held while the disk is touched.
    pub(super) index: Mutex<Index>,
    /// Until everything on disk is counted, nothing is put in: the budget holds from the first moment.
    is_counted: AtomicBool,
    paused_until: Mutex<Option<Instant>>,
    damaged_blocks: AtomicU64,
    dropped_files: AtomicU64,
}

impl Shared {
    /// What a file takes before its first block.
    pub(super) const HEAD_BYTES: u64 = 4096;

    pub(super) fn new(dir: PathBuf, device: Arc<DeviceKey>, budget: u64) -> Self {
        Self {
            dir,
            device,
            index: Mutex::new(Index::new(budget)),
            is_counted: AtomicBool::new(false),
            paused_until: Mutex::new(None),
            damaged_blocks: AtomicU64::new(0),
            dropped_files: AtomicU64::new(0),
        }
    }

    pub(super) fn path(&self, key: CacheKey) -> PathBuf {
        self.dir.join(key.to_hex())
    }

    pub(super) fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    pub(super) fn make_dir(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(DIR_MODE).create(&self.dir)?;
        fs::set_permissions(&self.dir, Permissions::from_mode(DIR_MODE))
    }

    pub(super) fn set_counted(&self) {
        self.is_counted.store(true, Ordering::Release);
    }

    pub(super) fn is_counted(&self) -> bool {
        self.is_counted.load(Ordering::Acquire)
    }

    /// Whether anything may be put in now.
    pub(super) fn accepts(&self) -> bool {
        let is_paused = self.paused_until.lock().is_some_and(|until| Instant::now() < until);
        self.is_counted() && !is_paused
    }

    /// The disk refused something: reads go on, caching pauses.
    pub(super) fn note_failure(&self, error: &io::Error) {
        let before = self.paused_until.lock().replace(Instant::now() + PAUSE);
        if before.is_none_or(|until| until + PAUSE < Instant::now()) {
            tracing::warn!(%error, "the cache takes nothing in for a while; photos are read all the same");
        }
    }

    pub(super) fn count_damaged(&self, key: CacheKey, block: BlockIndex) {
        self.damaged_blocks.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(?key, block = block.0, "a cached block did not verify; it is fetched again");
    }

    /// Blocks and files that did not verify, since the start.
    pub(super) fn damage(&self) -> (u64, u64) {
        (self.damaged_blocks.load(Ordering::Relaxed), self.dropped_files.load(Ordering::Relaxed))
    }

    /// The file of a key on disk; one that does not verify, or has another length, is dropped. Under the gate.
    pub(super) fn open_sparse(&self, key: CacheKey, len: Option<u64>) -> Option<SparseFile> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(key)).ok();
        let Some(file) = file else {
            // Somebody cleared it away, perhaps.
            self.index.lock().removed(key);
            return None;
        };
        match SparseFile::open(FileDisk::new(file), &self.device, key.0) {
            Ok(sparse) if len.is_none_or(|len| len == sparse.len()) => return Some(sparse),
            Err(VaultError::Io(error)) => self.note_failure(&error),
            _ => {
                self.dropped_files.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(?key, "a cached file did not verify; it is dropped");
            }
        }
        self.remove_file(key);
        None
    }

    /// A new file for a key; the directory too, if it is gone. Under the gate.
    pub(super) fn create_sparse(&self, key: CacheKey, len: u64) -> Result<SparseFile, ()> {
        let made = match self.create_file(key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.index.lock().clear();
                self.make_dir().and_then(|()| self.create_file(key))
            }
            made => made,
        };
        let sparse = made.map_err(VaultError::from);
        let sparse = sparse.and_then(|file| SparseFile::create(FileDisk::new(file), &self.device, key.0, len));
        sparse.map_err(|error| {
            self.note_failure(&error.into());
            let _ = fs::remove_file(self.path(key));
        })
    }

    fn create_file(&self, key: CacheKey) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(self.path(key))
    }

    /// Takes over a file that was just moved to its place. Under the gate.
    pub(super) fn adopt_sparse(&self, key: CacheKey) -> Option<SparseFile> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(key));
        let adopted = file.map_err(VaultError::from);
        let adopted = adopted.and_then(|file| SparseFile::adopt(FileDisk::new(file), &self.device, key.0));
        adopted.inspect_err(|error| tracing::warn!(?key, %error, "an uploaded file was not taken into the cache")).ok()
    }

    /// Removes a file and what was known of it. Under the gate. Returns the bytes it had.
    pub(super) fn remove_file(&self, key: CacheKey) -> u64 {
        // Gone already, or not to be removed: then the disk is in no state to cache on, and the next write tells.
        let _ = fs::remove_file(self.path(key));
        self.index.lock().removed(key)
    }

    /// Reserves room, evicting what was used least recently; whether it is there. No gate may be held.
    pub(super) fn make_room(&self, bytes: u64) -> bool {
        loop {
            let reservation = self.index.lock().reserve(bytes);
            match reservation {
                Reservation::Granted => return true,
                Reservation::Refused => return false,
                Reservation::After(victim) => {
                    self.evict(&victim);
                }
            }
        }
    }

    /// Evicts until so many bytes are free, or nothing is left to evict. Returns the bytes freed.
    pub(super) fn evict_bytes(&self, bytes: u64) -> u64 {
        let mut freed = 0;
        while freed < bytes {
            let victim = self.index.lock().victim();
            let Some(victim) = victim else { break };
            freed += self.evict(&victim);
        }
        freed
    }

    /// Evicts down to the budget.
    pub(super) fn evict_to_budget(&self) {
        let over = {
            let index = self.index.lock();
            index.used().saturating_sub(index.budget())
        };
        self.evict_bytes(over);
    }

    fn evict(&self, victim: &Victim) -> u64 {
        let _turn = victim.gate.lock();
        let plan = self.index.lock().plan_eviction(victim);
        match (plan, victim.extent) {
            (Eviction::Nothing, _) | (Eviction::Punch(_), None) => 0,
            (Eviction::Remove, _) => self.remove_file(victim.key),
            (Eviction::Punch(open), Some(extent)) => self.punch(victim.key, extent, open),
        }
    }

    fn punch(&self, key: CacheKey, extent: u32, open: Option<Arc<CachedFile>>) -> u64 {
        let by_file = open.as_ref().and_then(|file| file.punch_extent(extent));
        let punched =
            by_file.or_else(|| self.open_sparse(key, None).map(|sparse| sparse.punch_extent(extent, EXTENT_CELLS)));
        match punched {
            Some(Ok(kept)) => self.index.lock().evicted(key, extent, kept),
            // No holes on this filesystem, or none to be had now: then the whole file goes.
            _ => {
                if let Some(file) = open {
                    file.forget();
                }
                self.remove_file(key)
            }
        }
    }

    /// Notes that a file was used, for the order after a restart.
    pub(super) fn mark_used(&self, disk: &FileDisk) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        // Recency after a restart is a guess anyway.
        let _ = rustix::fs::futimens(disk, &Timestamps { last_access: now, last_modification: now });
    }
}
