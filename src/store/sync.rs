//! Group commit: one `fdatasync` of the write-ahead log for all commits that wait for it.

use super::error::{StoreError, StoreResult};
use crate::base::sync::{Condvar, Mutex};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Syncs the log. SQLite keeps the file while a connection is open; a checkpoint syncs log and database
/// itself before it starts the log over, so what was committed is always in one of the two.
pub(super) struct Syncer {
    wal: File,
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    synced: u64,
    running: bool,
}

impl Syncer {
    pub(super) fn open(database: &Path) -> StoreResult<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let open_error = |source| StoreError::Open { path: (&path).into(), source };
        let wal =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(open_error)?;
        let dir = database.parent().unwrap_or(Path::new("."));
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(StoreError::Sync)?;
        Ok(Self { wal, state: Mutex::default(), done: Condvar::new() })
    }

    /// Returns once everything that `committed` counted at the call is durable.
    pub(super) fn sync_up_to(&self, committed: impl Fn() -> u64) -> StoreResult<()> {
        let wanted = committed();
        let mut state = self.state.lock();
        while state.synced < wanted {
            if state.running {
                state = self.done.wait(state);
                continue;
            }
            state.running = true;
            drop(state);
            let covered = committed();
            let outcome = self.wal.sync_data();
            state = self.state.lock();
            state.running = false;
            if outcome.is_ok() {
                state.synced = state.synced.max(covered);
            }
            self.done.notify_all();
            outcome.map_err(StoreError::Sync)?;
        }
        Ok(())
    }

    pub(super) fn wal_bytes(&self) -> u64 {
        self.wal.metadata().map_or(0, |metadata| metadata.len())
    }
}
