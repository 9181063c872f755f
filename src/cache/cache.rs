//! The cache: every content in it by its key.

use super::file::CachedFile;
use super::index::Contents;
use super::key::{CacheKey, KeyMaker};
use super::scan;
use super::shared::Shared;
use crate::base::{FileId, Part};
use crate::crypto::{DeviceKey, StreamHeader};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Opening waits so long for the files to be counted; what takes longer goes on in the background.
const PATIENCE: Duration = Duration::from_millis(200);

/// Why there is no cache.
#[derive(Debug, Error)]
pub enum CacheError {
    #[error("the cache directory cannot be used: {0}")]
    Directory(#[source] io::Error),
    #[error("the cache cannot count what it holds: {0}")]
    Thread(#[source] io::Error),
}

/// What is in the cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheUsage {
    /// Bytes on disk.
    pub bytes: u64,
    pub budget: u64,
    pub files: usize,
    /// Blocks that did not verify, since the start; each was dropped.
    pub damaged_blocks: u64,
    /// Files that did not verify, since the start; each was dropped.
    pub dropped_files: u64,
}

/// What became of a file from the spool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adopted {
    /// It is the cached file now.
    Moved,
    /// It was not moved, and may simply be removed: there is no room, or some of its blocks are here already.
    NotNeeded,
    /// It was moved and did not verify, or lacks bytes of an old version; it is gone.
    Dropped,
}

/// Bytes on their way out: a directory that may be deleted at any time.
pub struct Cache {
    shared: Arc<Shared>,
    keys: KeyMaker,
}

impl Cache {
    /// Opens the cache in `dir`, making it where it is missing. What is in it beyond `budget_bytes` is evicted.
    ///
    /// # Errors
    /// [`CacheError`]; the mount can go on without a cache.
    pub fn open(dir: &Path, device: Arc<DeviceKey>, budget_bytes: u64) -> Result<Self, CacheError> {
        let keys = KeyMaker::new(&device);
        let shared = Arc::new(Shared::new(dir.to_owned(), device, budget_bytes));
        shared.make_dir().map_err(CacheError::Directory)?;
        scan::spawn_scan(Arc::clone(&shared)).map_err(CacheError::Thread)?;
        let start = Instant::now();
        while !shared.is_counted() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { shared, keys })
    }

    /// The key of the content of `part` of the object that `header` opens.
    pub fn key(&self, file: FileId, header: &StreamHeader, part: Part) -> CacheKey {
        self.keys.key(file, header, part)
    }

    /// A content of `plain_len` bytes, shared by all that ask for it. Touches no disk.
    pub fn get(&self, key: CacheKey, plain_len: u64) -> Arc<CachedFile> {
        let make = |gate| CachedFile::new(Arc::clone(&self.shared), key, plain_len, gate);
        let shared = self.shared.index.lock().open(key, make);
        if shared.len() == plain_len {
            return shared;
        }
        // Somebody was wrong about the length: each for himself, and what does not fit on disk is dropped.
        let gate = self.shared.index.lock().gate(key);
        CachedFile::new(Arc::clone(&self.shared), key, plain_len, gate)
    }

    /// Takes over a file of `plain_len` bytes that was committed and closed in the spool. `move_in` renames it to
    /// the path it is given.
    ///
    /// # Errors
    /// That of `move_in`; then nothing has changed here.
    pub fn adopt<E>(
        &self,
        key: CacheKey,
        plain_len: u64,
        move_in: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Adopted, E> {
        let most = Contents::most_of(plain_len);
        if !self.shared.accepts() || self.shared.index.lock().holds(key) || !self.shared.make_room(most) {
            return Ok(Adopted::NotNeeded);
        }
        let gate = self.shared.index.lock().gate(key);
        let _turn = gate.lock();
        if self.shared.make_dir().is_err() {
            self.shared.index.lock().give_back(most);
            return Ok(Adopted::NotNeeded);
        }
        let moved = move_in(&self.shared.path(key));
        let adopted = moved.map(|()| self.enter(key));
        self.shared.index.lock().give_back(most);
        adopted
    }

    /// A file is in its place. Under the gate.
    fn enter(&self, key: CacheKey) -> Adopted {
        let sparse = self.shared.adopt_sparse(key);
        let ranges = sparse.and_then(|sparse| sparse.disk().data_ranges().ok());
        let Some(ranges) = ranges else {
            self.shared.remove_file(key);
            return Adopted::Dropped;
        };
        let opened = {
            let mut index = self.shared.index.lock();
            index.enroll(key, &Contents::of_ranges(&ranges));
            index.opened(key)
        };
        if let Some(open) = opened {
            open.forget();
        }
        Adopted::Moved
    }

    /// Gives at least so many bytes back, if there are, because the disk is short; returns how many.
    pub fn shrink(&self, bytes: u64) -> u64 {
        self.shared.evict_bytes(bytes)
    }

    /// What is in it now.
    pub fn usage(&self) -> CacheUsage {
        let (damaged_blocks, dropped_files) = self.shared.damage();
        let index = self.shared.index.lock();
        let (bytes, budget, files) = (index.used(), index.budget(), index.files());
        CacheUsage { bytes, budget, files, damaged_blocks, dropped_files }
    }

    /// Whether everything on disk is counted; until then nothing is put in.
    pub fn is_counted(&self) -> bool {
        self.shared.is_counted()
    }
}
