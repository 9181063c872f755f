//! Opening and flushing.

use super::Vfs;
use super::error::{VfsError, VfsResult};
use super::handles::Handle;
use super::local::{LocalState, is_written};
use crate::base::{Ino, InoKind, Role};
use crate::namespace::{content_of, path_of};
use crate::store::{ContentRow, MemberRow};
use crate::tree::{Event, FixedPlace, Previews, Refusal, Stage, Verdict, is_previewer, on_event};
use std::sync::Arc;
use std::time::Duration;

/// An open file, as the kernel is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    pub fh: u64,
    /// Whether pages of an earlier open are still good. A new version is a new inode, so they always are.
    pub keep_cache: bool,
    /// Whether the kernel must not cache at all: its size may change between two reads.
    pub direct: bool,
}

impl Opened {
    pub(super) fn buffered(fh: u64) -> Self {
        Self { fh, keep_cache: true, direct: false }
    }
}

impl Vfs {
    /// Opens a file. For writing, an upload under way is held back; nothing else happens before the first write.
    ///
    /// # Errors
    /// [`VfsError::NotFound`]; [`VfsError::Stale`] for an inode that is gone; EPERM for writing to a generated file; EROFS on a read-only mount.
    pub fn open(&self, ino: Ino, write: bool) -> VfsResult<Opened> {
        if let Some(place) = FixedPlace::of(ino) {
            return self.open_text(place, write);
        }
        if matches!(ino.kind(), Some(InoKind::Echo(_))) {
            self.echoes.forget(ino);
            return Err(VfsError::Stale);
        }
        if write {
            return self.open_for_writing(ino);
        }
        if self.files.get(ino).is_none()
            && let Some(content) = self.readable_content(ino)?
        {
            let handle = Handle::Photo { content: Arc::new(content) };
            return Ok(Opened::buffered(self.handles.insert(handle)));
        }
        let file = self.open_local(ino)?;
        Ok(Opened::buffered(self.handles.insert(Handle::Local { file, write: false })))
    }

    /// Whether reading it is a download, which a thumbnailer or indexer is refused (semantics 5.6).
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn is_refused_to_previewers(&self, ino: Ino) -> VfsResult<bool> {
        let is_here = FixedPlace::of(ino).is_some() || self.files.get(ino).is_some();
        if is_here || self.options.previews == Previews::Originals {
            return Ok(false);
        }
        Ok(self.readable_content(ino)?.is_some_and(|content| !self.fetch.is_cached(&content)))
    }

    /// # Errors
    /// [`VfsError::NotForPreviews`] where this is the command line of a thumbnailer or indexer.
    pub fn check_asker(command_line: &[u8]) -> VfsResult<()> {
        if is_previewer(command_line) { Err(VfsError::NotForPreviews) } else { Ok(()) }
    }

    fn open_text(&self, place: FixedPlace, write: bool) -> VfsResult<Opened> {
        if write || !place.is_generated() {
            return Err(crate::tree::Refusal::FixedPlace.into());
        }
        let text = self.texts.text(place);
        let fh = self.handles.insert(Handle::Text { text });
        Ok(Opened { fh, keep_cache: false, direct: true })
    }

    fn readable_content(&self, ino: Ino) -> VfsResult<Option<ContentRow>> {
        Ok(self.store().read(|rows| content_of(rows, ino))?)
    }

    fn open_for_writing(&self, ino: Ino) -> VfsResult<Opened> {
        self.check_writable()?;
        if matches!(ino.kind(), Some(InoKind::Album(_) | InoKind::Owner(_) | InoKind::Fixed(_)) | None) {
            return Err(VfsError::NotFound);
        }
        self.check_own(ino)?;
        let file = self.open_local(ino)?;
        let mut state = file.lock();
        let noted = self.note_opened(&mut state);
        if noted.is_ok() {
            state.writers += 1;
        }
        drop(state);
        if let Err(error) = noted {
            self.files.close(&file);
            return Err(error);
        }
        Ok(Opened::buffered(self.handles.insert(Handle::Local { file, write: true })))
    }

    /// Nobody writes into somebody else's photo, nor into one in Ente's trash.
    pub(super) fn check_own(&self, ino: Ino) -> VfsResult<()> {
        let refusal = self.store().read(|rows| {
            if rows.load_node(ino)?.is_some() {
                return Ok(None);
            }
            let Some(content) = rows.load_content_by_ino(ino)? else { return Ok(None) };
            if rows.is_in_trash(content.file)? {
                return Ok(Some(Refusal::FixedPlace));
            }
            if rows.load_file(content.file)?.is_none_or(|row| row.own) {
                return Ok(None);
            }
            let mut refusal = Refusal::ReadOnlyAlbum;
            for member in rows.load_memberships(content.file)?.into_iter().filter(MemberRow::is_visible) {
                if rows.load_album(member.album)?.is_some_and(|album| album.role > Role::Viewer) {
                    refusal = Refusal::Foreign;
                }
            }
            Ok(Some(refusal))
        })?;
        refusal.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// An upload that has not left yet waits until this writer is done (semantics 2.3).
    fn note_opened(&self, state: &mut LocalState) -> VfsResult<()> {
        let Some(upload) = state.upload.filter(|_| !state.writing) else { return Ok(()) };
        let ino = state.node.ino;
        state.writing = self.commit(&[], Some(ino), |tx, _| {
            let Some(mut row) = tx.load_upload(upload)? else { return Ok(false) };
            match on_event(row.stage, row.sent, Event::Opened) {
                // What was frozen stays frozen: it waits, and new bytes go to a new file (I2).
                Verdict::Write if !row.is_frozen() => row.stage = Stage::Writing,
                Verdict::Write | Verdict::Settle => row.hold(),
                _ => return Ok(false),
            }
            tx.save_upload(&row)?;
            Ok(is_written(&row))
        })?;
        self.bells.uploads.ring();
        Ok(())
    }

    /// Whether [`Self::flush`] has something to make durable; then it waits for the disk.
    pub fn is_flush_slow(&self, fh: u64) -> bool {
        match self.handles.get(fh) {
            Ok(Handle::Local { file, write: true }) => {
                file.lock().vault.as_ref().is_some_and(|vault| vault.is_dirty() || vault.is_poisoned())
            }
            _ => false,
        }
    }

    /// Whether bytes were written that a close has not settled.
    pub fn was_written(&self, fh: u64) -> bool {
        matches!(self.handles.get(fh), Ok(Handle::Local { file, write: true }) if file.lock().wrote)
    }

    /// Makes what was written durable; its error is what `close(2)` reports. `killed`: the process is being ended
    /// by a signal.
    ///
    /// # Errors
    /// No room, or a failed disk; the file is poisoned then (I14).
    pub fn flush(&self, fh: u64, killed: bool) -> VfsResult<()> {
        let Handle::Local { file, write: true } = self.handles.get(fh)? else { return Ok(()) };
        let mut state = file.lock();
        state.killed |= killed && state.wrote;
        self.commit_bytes(&mut state)
    }

    /// # Errors
    /// As [`Self::flush`].
    pub fn fsync(&self, fh: u64) -> VfsResult<()> {
        let Handle::Local { file, .. } = self.handles.get(fh)? else { return Ok(()) };
        let mut state = file.lock();
        self.commit_bytes(&mut state)
    }

    /// Makes the names of directories durable.
    ///
    /// # Errors
    /// Where the disk does not take it.
    pub fn fsync_directory(&self) -> VfsResult<()> {
        Ok(self.store().sync()?)
    }

    pub(super) fn commit_bytes(&self, state: &mut LocalState) -> VfsResult<()> {
        match &state.vault {
            Some(vault) if vault.is_dirty() || vault.is_poisoned() => {}
            _ => return Ok(()),
        }
        self.store().read(|rows| Ok(state.commit(rows)))?
    }

    /// How long a file there must stay as it is.
    pub(super) fn settle_time(&self, ino: Ino) -> VfsResult<Duration> {
        let path = self.store().read(|rows| path_of(rows, ino))?.unwrap_or_default();
        Ok(self.options.drops.find(&path).map_or(self.options.settle, |(drop, _)| drop.settle))
    }
}
