//! Files of this machine while they are open: one state per inode, shared by all its handles.

use super::Vfs;
use super::error::{VfsError, VfsResult};
use crate::base::sync::{Mutex, MutexGuard};
use crate::base::{Ino, Nanos, UploadNo, VaultId};
use crate::namespace::path_of;
use crate::spool::SpoolFile;
use crate::store::{ContentRow, NodeRow, Rows, UploadRow};
use crate::tree::Stage;
use crate::vault::CommitRecord;
use std::collections::HashMap;
use std::sync::Arc;

/// One open inode.
pub(super) struct LocalFile {
    pub(super) ino: Ino,
    state: Mutex<LocalState>,
}

/// What is known of it beyond its row, which follows at release.
pub(super) struct LocalState {
    /// The bytes; `None` while they are only in Ente.
    pub(super) vault: Option<Arc<SpoolFile>>,
    pub(super) upload: Option<UploadNo>,
    /// The upload stands at `Writing`: bytes may go in without asking the store.
    pub(super) writing: bool,
    /// The version in Ente that it shows, or that it overwrites.
    pub(super) old: Option<Arc<ContentRow>>,
    pub(super) node: NodeRow,
    pub(super) supersedes: Option<VaultId>,
    pub(super) writers: u32,
    /// Bytes changed since the last writer closed it.
    pub(super) wrote: bool,
    /// A writer was ended by a signal (semantics 2.3).
    pub(super) killed: bool,
    /// It outgrew what Ente takes: its bytes are of no use.
    pub(super) too_big: bool,
    /// Its last writer closed it, and the store did not take that.
    pub(super) unsettled: bool,
    /// It has no name any more.
    pub(super) unlinked: bool,
    /// It turned out to be a photo in an album: its name is that one's now, and so are its bytes and times.
    pub(super) passed_on: bool,
    /// Bytes counted as being written.
    pub(super) counted: u64,
}

impl LocalFile {
    pub(super) fn new(state: LocalState) -> Arc<Self> {
        Arc::new(Self { ino: state.node.ino, state: Mutex::new(state) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LocalState> {
        self.state.lock()
    }
}

impl LocalState {
    pub(super) fn new(node: NodeRow) -> Self {
        Self {
            vault: None,
            upload: None,
            writing: false,
            old: None,
            node,
            supersedes: None,
            writers: 0,
            wrote: false,
            killed: false,
            too_big: false,
            unsettled: false,
            unlinked: false,
            passed_on: false,
            counted: 0,
        }
    }

    /// Notes that bytes changed at `now`.
    pub(super) fn touch(&mut self, size: u64, now: Nanos) {
        self.node.size = size;
        self.node.mtime = now;
        self.node.ctime = now;
        self.wrote = true;
    }

    /// The bytes, where they are here.
    pub(super) fn bytes(&self) -> VfsResult<&Arc<SpoolFile>> {
        self.vault.as_ref().ok_or(VfsError::BadHandle)
    }

    /// Commits bytes and record; one `fdatasync` where anything changed.
    pub(super) fn commit(&mut self, rows: &Rows<'_>) -> VfsResult<()> {
        let Some(vault) = self.vault.clone() else { return Ok(()) };
        let record = self.record(rows)?;
        vault.commit(&record)?;
        Ok(())
    }

    /// What the file says of itself, so that it alone is enough (I17).
    pub(super) fn record(&self, rows: &Rows<'_>) -> VfsResult<CommitRecord> {
        let path = path_of(rows, self.node.ino)?.unwrap_or_default().join(&b'/');
        Ok(CommitRecord {
            path,
            album: None,
            ino: self.node.ino,
            supersedes: self.supersedes,
            complete: self.writers == 0,
            poisoned: false,
            removed: self.unlinked,
            mode: self.node.mode,
            uid: self.node.uid.unwrap_or(u32::MAX),
            gid: self.node.gid.unwrap_or(u32::MAX),
            mtime: self.node.mtime,
            ctime: self.node.ctime,
            btime: self.node.ctime,
        })
    }
}

/// All open inodes of this machine. Its lock is the last one taken: within a transaction, too, it is asked who is open.
#[derive(Default)]
pub(super) struct LocalFiles(Mutex<HashMap<Ino, Listed>>);

struct Listed {
    file: Arc<LocalFile>,
    handles: u32,
}

impl LocalFiles {
    pub(super) fn get(&self, ino: Ino) -> Option<Arc<LocalFile>> {
        self.0.lock().get(&ino).map(|listed| Arc::clone(&listed.file))
    }

    /// A new file, with one handle.
    pub(super) fn insert(&self, file: &Arc<LocalFile>) {
        self.0.lock().insert(file.ino, Listed { file: Arc::clone(file), handles: 1 });
    }

    /// Opens an inode once, however many ask at the same time.
    fn get_or_load(&self, ino: Ino, load: impl FnOnce() -> VfsResult<Arc<LocalFile>>) -> VfsResult<Arc<LocalFile>> {
        let mut files = self.0.lock();
        if let Some(listed) = files.get_mut(&ino) {
            listed.handles += 1;
            return Ok(Arc::clone(&listed.file));
        }
        let file = load()?;
        files.insert(ino, Listed { file: Arc::clone(&file), handles: 1 });
        Ok(file)
    }

    /// Runs `change` with an inode's state, if somebody has it open: nobody closes it for the last time meanwhile.
    pub(super) fn with_open<T>(&self, ino: Ino, change: impl FnOnce(Option<&mut LocalState>) -> T) -> T {
        loop {
            let Some(file) = self.get(ino) else { return change(None) };
            let mut state = file.lock();
            // Else it was closed for the last time while this waited.
            if self.get(ino).is_some_and(|now| Arc::ptr_eq(&now, &file)) {
                return change(Some(&mut state));
            }
        }
    }

    /// One handle less, under the file's state; the last one takes the file out of the table. Answers whether it was.
    pub(super) fn close(&self, file: &LocalFile) -> bool {
        let mut files = self.0.lock();
        let Some(listed) = files.get_mut(&file.ino) else { return true };
        listed.handles -= 1;
        let last = listed.handles == 0;
        if last {
            files.remove(&file.ino);
        }
        last
    }
}

impl Vfs {
    /// The open file of an inode, its bytes opened; counts one handle.
    pub(super) fn open_local(&self, ino: Ino) -> VfsResult<Arc<LocalFile>> {
        self.files.get_or_load(ino, || self.load_local(ino))
    }

    fn load_local(&self, ino: Ino) -> VfsResult<Arc<LocalFile>> {
        let (node, content, uploads) = self.store().read(|rows| {
            let node = rows.load_node(ino)?;
            let content = match node.as_ref().and_then(|node| node.content) {
                Some(content) => rows.load_content(content)?,
                None => rows.load_content_by_ino(ino)?,
            };
            Ok((node, content, rows.load_uploads_of(ino)?))
        })?;
        let node = match (node, &content) {
            (Some(node), _) => node,
            (None, Some(content)) => NodeRow::of_photo(content, self.namespace.defaults().file_mode),
            (None, None) => return Err(VfsError::Stale),
        };
        let generation = uploads.iter().rev().find(|row| Some(row.vault) == node.vault).and_then(|row| row.generation);
        // Made and closed without a byte: no commit of it is there to be opened.
        let spooled = node.vault.filter(|_| node.size > 0 || generation.is_some());
        let vault = spooled.map(|vault| self.spool.open_committed(vault, generation)).transpose()?;
        let upload = uploads.into_iter().rev().find(|upload| !upload.stage.is_over());
        let mut state = LocalState::new(node);
        // What a kill interrupted is set aside, and begins anew with the next bytes.
        state.writing = upload.as_ref().is_some_and(|upload| upload.stage == Stage::Writing && upload.parked.is_none());
        state.upload = upload.map(|upload| upload.no);
        state.vault = vault;
        state.old = content.map(Arc::new);
        Ok(LocalFile::new(state))
    }
}

/// Whether bytes are being written. What a kill interrupted is set aside, and begins anew with the next bytes.
pub(super) fn is_written(upload: &UploadRow) -> bool {
    upload.stage == Stage::Writing && upload.parked.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::NodeKind;

    fn listed(files: &LocalFiles) -> Arc<LocalFile> {
        let node = NodeRow::new(Ino(70_000), NodeKind::File, 0o644, Nanos(1));
        let file = LocalFile::new(LocalState::new(node));
        files.insert(&file);
        file
    }

    /// Whoever removes a file's last name while its last handle is being closed is told that nobody has it open: else each
    /// would leave its row to the other.
    #[test]
    fn what_is_being_closed_is_not_open() {
        let files = LocalFiles::default();
        let file = listed(&files);
        let closing = file.lock();
        std::thread::scope(|scope| {
            let removal = scope.spawn(|| files.with_open(file.ino, |state| state.is_some()));
            // It has found the file when it holds it, beside the table and this test.
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while Arc::strong_count(&file) < 3 && std::time::Instant::now() < deadline {
                std::thread::yield_now();
            }
            assert!(files.close(&file));
            drop(closing);
            assert!(matches!(removal.join(), Ok(false)));
        });
        let file = listed(&files);
        assert!(files.with_open(file.ino, |state| state.is_some()));
    }

    /// A file's state is held while its rows are written; whoever writes rows may ask which files are open.
    #[test]
    fn opening_and_closing_wait_for_no_files_state() {
        let files = LocalFiles::default();
        let (file, ino) = (listed(&files), Ino(70_000));
        let held = file.lock();
        std::thread::scope(|scope| {
            let again = scope.spawn(|| {
                let opened = files.get_or_load(ino, || Err(VfsError::Stale)).is_ok();
                (opened, files.close(&file), files.close(&file))
            });
            let began = std::time::Instant::now();
            while !again.is_finished() && began.elapsed() < std::time::Duration::from_secs(20) {
                std::thread::yield_now();
            }
            let finished = again.is_finished();
            drop(held);
            assert!(finished && matches!(again.join(), Ok((true, false, true))));
        });
        assert!(files.get(ino).is_none());
    }
}
