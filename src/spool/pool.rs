//! Empty files made ahead: their names are durable before anybody needs one, so that a new photo costs no sync of the
//! directory.
//!
//! ```text
//!            take                    at half or below: wake
//!   ready ─────────▶ a spool file ─────────────────────────▶ thread: create n, sync the directory once
//!     ▲                                                        │
//!     └────────────────────────────────────────────────────────┘
//! ```
//! Whoever finds it dry makes one file with its own sync, and the pool aims at twice as many from then on.

use super::dir::SpoolDir;
use super::error::SpoolError;
use crate::base::VaultId;
use crate::base::sync::{Condvar, Mutex};
use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Files whose creation shares one sync of the directory.
const BATCH: usize = 64;
/// After an error of the disk.
const PAUSE: Duration = Duration::from_secs(2);

/// How many empty files are kept ready.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize {
    /// To begin with.
    pub least: usize,
    /// At most, however fast they are taken.
    pub most: usize,
}

impl Default for PoolSize {
    fn default() -> Self {
        Self { least: 64, most: 1024 }
    }
}

#[derive(Default)]
struct Stock {
    ready: VecDeque<VaultId>,
    target: usize,
    is_closing: bool,
    /// Files that were made by those who needed them.
    made_inline: u64,
}

pub(super) struct Pool {
    dir: Arc<SpoolDir>,
    size: PoolSize,
    stock: Mutex<Stock>,
    wake: Condvar,
}

impl Pool {
    pub(super) fn new(dir: Arc<SpoolDir>, size: PoolSize) -> Self {
        let stock = Stock { target: size.least, ..Stock::default() };
        Self { dir, size, stock: Mutex::new(stock), wake: Condvar::new() }
    }

    /// Starts the thread that refills the pool until [`Self::close`].
    pub(super) fn spawn_refill(self: &Arc<Self>) -> Result<JoinHandle<()>, SpoolError> {
        let pool = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("spool-pool".into()).spawn(move || pool.refill());
        spawned.map_err(SpoolError::io("start the pool's thread"))
    }

    /// An empty file whose name is durable.
    pub(super) fn take(&self) -> Result<(VaultId, File), SpoolError> {
        while let Some(id) = self.take_ready() {
            match self.dir.open_file(id) {
                // Somebody cleared the directory.
                Err(SpoolError::Missing(_)) => {}
                opened => return opened.map(|(file, _)| (id, file)),
            }
        }
        let made = self.dir.create()?;
        self.dir.sync()?;
        Ok(made)
    }

    fn take_ready(&self) -> Option<VaultId> {
        let mut stock = self.stock.lock();
        let taken = stock.ready.pop_front();
        if taken.is_none() {
            stock.made_inline += 1;
            stock.target = (stock.target * 2).clamp(1, self.size.most);
        }
        if stock.ready.len() <= stock.target / 2 {
            self.wake.notify_all();
        }
        taken
    }

    /// Takes empty files in whose names are durable.
    pub(super) fn put(&self, ids: impl IntoIterator<Item = VaultId>) {
        self.stock.lock().ready.extend(ids);
    }

    pub(super) fn close(&self) {
        self.stock.lock().is_closing = true;
        self.wake.notify_all();
    }

    /// Files ready now, and files that had to be made by those who needed them.
    pub(super) fn counts(&self) -> (usize, u64) {
        let stock = self.stock.lock();
        (stock.ready.len(), stock.made_inline)
    }

    fn refill(&self) {
        while let Some(count) = self.wait_for_need() {
            match self.make(count) {
                Ok(ids) => self.put(ids),
                Err(error) => {
                    tracing::warn!(%error, "no spool files can be made ahead; new files cost more until they can");
                    self.pause();
                }
            }
        }
    }

    /// How many files to make next; `None` when the pool is closed.
    fn wait_for_need(&self) -> Option<usize> {
        let mut stock = self.stock.lock();
        loop {
            if stock.is_closing {
                return None;
            }
            if stock.ready.len() <= stock.target / 2 {
                return Some((stock.target - stock.ready.len()).clamp(1, BATCH));
            }
            stock = self.wake.wait(stock);
        }
    }

    /// Waits although it is called: who takes makes files inline meanwhile.
    fn pause(&self) {
        let until = Instant::now() + PAUSE;
        let mut stock = self.stock.lock();
        while !stock.is_closing && Instant::now() < until {
            (stock, _) = self.wake.wait_timeout(stock, until.saturating_duration_since(Instant::now()));
        }
    }

    fn make(&self, count: usize) -> Result<Vec<VaultId>, SpoolError> {
        let made = (0..count).map(|_| self.dir.create()).collect::<Result<Vec<_>, _>>()?;
        self.dir.sync()?;
        Ok(made.into_iter().map(|(id, _)| id).collect())
    }
}
