//! Open files and directories, as the kernel's numbers name them.

use super::error::{VfsError, VfsResult};
use super::local::LocalFile;
use crate::base::sync::RwLock;
use crate::store::ContentRow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an open file handle reads or writes.
#[derive(Clone)]
pub(super) enum Handle {
    /// A file of this machine, or a photo opened for writing.
    Local { file: Arc<LocalFile>, write: bool },
    /// A photo opened for reading: it keeps the version it opened (semantics 5.3).
    Photo { content: Arc<ContentRow> },
    /// A generated file as it was when it was opened.
    Text { text: Arc<[u8]> },
}

/// The table of handles. Numbers are not used again while the mount lives.
#[derive(Default)]
pub(super) struct Handles {
    next: AtomicU64,
    open: RwLock<HashMap<u64, Handle>>,
}

impl Handles {
    pub(super) fn insert(&self, handle: Handle) -> u64 {
        let fh = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.open.write().insert(fh, handle);
        fh
    }

    pub(super) fn get(&self, fh: u64) -> VfsResult<Handle> {
        self.open.read().get(&fh).cloned().ok_or(VfsError::BadHandle)
    }

    pub(super) fn remove(&self, fh: u64) -> VfsResult<Handle> {
        self.open.write().remove(&fh).ok_or(VfsError::BadHandle)
    }
}
