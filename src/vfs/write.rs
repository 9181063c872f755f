//! Writing, truncating, allocating.

use super::Vfs;
use super::error::{VfsError, VfsResult};
use super::handles::Handle;
use super::local::{LocalFile, LocalState};
use crate::base::Ino;
use crate::crypto::cipher_len;
use crate::wire::MAX_OBJECT;
use std::sync::Arc;
use std::time::Instant;

impl Vfs {
    /// Takes all of `data` or fails; a file that a write failed on is poisoned (I14).
    ///
    /// # Errors
    /// EFBIG beyond Ente's limit, EDQUOT beyond the plan, ENOSPC on the staging disk.
    pub fn write(&self, fh: u64, offset: u64, data: &[u8]) -> VfsResult<usize> {
        let Handle::Local { file, write: true } = self.handles.get(fh)? else { return Err(VfsError::BadHandle) };
        let mut state = file.lock();
        self.make_writable(&mut state, false)?;
        let written = self.write_to(&mut state, offset, data);
        if let Err(error) = &written {
            state.too_big |= matches!(error, VfsError::TooBig);
            state.bytes()?.poison();
        }
        written.map(|()| data.len())
    }

    fn write_to(&self, state: &mut LocalState, offset: u64, data: &[u8]) -> VfsResult<()> {
        let end = offset.checked_add(data.len() as u64).ok_or(VfsError::TooBig)?;
        self.check_growth(state, end)?;
        let vault = Arc::clone(state.bytes()?);
        vault.write_at(offset, data)?;
        self.namespace.traffic().note(data.len() as u64, Instant::now());
        self.note_size(state, state.node.size.max(end));
        Ok(())
    }

    fn check_growth(&self, state: &LocalState, end: u64) -> VfsResult<()> {
        if cipher_len(end) > MAX_OBJECT {
            return Err(VfsError::TooBig);
        }
        match end.checked_sub(state.node.size) {
            Some(growth) if growth > 0 => self.check_room(growth),
            _ => Ok(()),
        }
    }

    /// The new size shows at once; its row follows when the file is closed.
    fn note_size(&self, state: &mut LocalState, size: u64) {
        let growth = size.saturating_sub(state.node.size);
        if growth > 0 {
            state.counted += growth;
            self.namespace.space().grow(growth);
        }
        let now = self.clock.now_nanos();
        state.touch(size, now);
        self.namespace.touch(state.node.ino, size, now, now);
    }

    /// Cuts or extends a file, open or not.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn truncate(&self, ino: Ino, size: u64) -> VfsResult<()> {
        self.check_writable()?;
        self.check_own(ino)?;
        let file = self.open_local(ino)?;
        let cut = self.truncate_open(&mut file.lock(), size);
        let closed = self.close_borrowed(&file);
        cut.and(closed)
    }

    fn truncate_open(&self, state: &mut LocalState, size: u64) -> VfsResult<()> {
        self.make_writable(state, size == 0)?;
        self.check_growth(state, size)?;
        let vault = Arc::clone(state.bytes()?);
        if size < vault.len() {
            vault.truncate(size)?
        } else {
            vault.extend(size)?
        }
        self.note_size(state, size);
        Ok(())
    }

    /// Ends what [`Self::open_local`] began for one call; without a writer, that is a close.
    fn close_borrowed(&self, file: &Arc<LocalFile>) -> VfsResult<()> {
        let mut state = file.lock();
        let alone = state.writers == 0;
        let closed = if alone {
            state.writers = 1;
            self.close_writer(&mut state)
        } else {
            Ok(())
        };
        drop(state);
        self.let_go(file).and(closed)
    }

    /// Allocates, or punches a hole.
    ///
    /// # Errors
    /// As [`Self::write`]; EOPNOTSUPP for what would move bytes.
    pub fn fallocate(&self, fh: u64, offset: u64, length: u64, mode: i32) -> VfsResult<()> {
        let Handle::Local { file, write: true } = self.handles.get(fh)? else { return Err(VfsError::BadHandle) };
        let end = offset.checked_add(length).ok_or(VfsError::TooBig)?;
        let mut state = file.lock();
        self.make_writable(&mut state, false)?;
        match mode {
            0 => {
                self.check_growth(&state, end)?;
                if end > state.node.size {
                    state.bytes()?.extend(end)?;
                    self.note_size(&mut state, end);
                }
            }
            libc::FALLOC_FL_KEEP_SIZE => self.check_room(length)?,
            mode if mode == libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE => {
                let size = state.node.size;
                state.bytes()?.punch(offset.min(size)..end.min(size))?;
                self.note_size(&mut state, size);
            }
            _ => return Err(VfsError::Unsupported),
        }
        Ok(())
    }
}
