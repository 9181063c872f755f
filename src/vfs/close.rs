//! Closing. The last writer's close starts the settle time; where the store does not take it, the close is tried again.

use super::Vfs;
use super::error::VfsResult;
use super::handles::Handle;
use super::local::{LocalFile, LocalState};
use crate::base::Ino;
use crate::namespace::Dirty;
use crate::store::{NodeKind, NodeRow, Tx};
use crate::tree::{Event, Verdict, on_event};
use std::sync::Arc;

impl Vfs {
    /// Closes a handle. The last writer's close starts the settle time.
    ///
    /// # Errors
    /// Nobody hears them; they are logged. What could not be settled is tried again ([`Self::settle_closed`]).
    pub fn release(&self, fh: u64) -> VfsResult<()> {
        let Handle::Local { file, write } = self.handles.remove(fh)? else { return Ok(()) };
        let closed = if write { self.close_writer(&mut file.lock()) } else { Ok(()) };
        self.let_go(&file).and(closed)
    }

    /// Ends what [`Self::open_local`] began. What is not settled stays in the table, for [`Self::settle_closed`]: its bytes
    /// are found there, and whoever opens it for writing settles it.
    pub(super) fn let_go(&self, file: &Arc<LocalFile>) -> VfsResult<()> {
        // Under the file's state: whoever removes its last name knows whether this is still to come.
        let state = file.lock();
        if state.unsettled && state.writers == 0 && self.unsettled.lock().insert(file.ino, Arc::clone(file)).is_none() {
            return Ok(());
        }
        if self.files.close(file) && state.unlinked { self.forget_bytes(file.ino) } else { Ok(()) }
    }

    /// Settles what could not be settled when it was closed: the disk was full, say. Answers how many files are left.
    pub fn settle_closed(&self) -> usize {
        let closed = std::mem::take(&mut *self.unsettled.lock());
        for file in closed.into_values() {
            let mut state = file.lock();
            // With a writer, that one's close settles it.
            if state.unsettled
                && state.writers == 0
                && let Err(error) = self.settle_or_note(&mut state)
            {
                tracing::warn!(%error, "a closed file cannot be settled yet; tried again");
            }
            drop(state);
            if let Err(error) = self.let_go(&file) {
                tracing::warn!(%error, "what is left of a removed file is cleared up at the next mount");
            }
        }
        self.unsettled.lock().len()
    }

    /// # Errors
    /// The bytes could not be committed, or the rows not be written.
    pub(super) fn close_writer(&self, state: &mut LocalState) -> VfsResult<()> {
        state.writers = state.writers.saturating_sub(1);
        if state.writers > 0 {
            return Ok(());
        }
        if std::mem::take(&mut state.too_big)
            && let Some(vault) = &state.vault
        {
            vault.discard();
        }
        // Mapped pages are written after the last flush.
        let committed = self.commit_bytes(state);
        self.namespace.space().shrink(std::mem::take(&mut state.counted));
        self.settle_or_note(state)?;
        committed
    }

    /// Until it is settled, the file shows what it has become, and its row says that somebody writes.
    fn settle_or_note(&self, state: &mut LocalState) -> VfsResult<()> {
        let settled = if state.unlinked { Ok(()) } else { self.settle(state) };
        state.unsettled = settled.is_err();
        if settled.is_err() {
            self.bells.unsettled.ring();
            return settled;
        }
        (state.wrote, state.killed) = (false, false);
        self.namespace.settle(state.node.ino);
        self.bells.uploads.ring();
        Ok(())
    }

    /// The row follows the bytes: size and times, and when to look at it next.
    fn settle(&self, state: &mut LocalState) -> VfsResult<()> {
        let (node, now) = (state.node.clone(), self.clock.now());
        let (wrote, killed) = (state.wrote, state.killed);
        let settle = self.settle_time(node.ino)?;
        let (upload, generation) = (state.upload, state.vault.as_ref().and_then(|vault| vault.generation()));
        self.commit(&[], Some(node.ino), |tx, dirty| {
            if wrote {
                save_written(tx, &node, dirty)?;
            }
            let Some(upload) = upload else { return Ok(()) };
            let Some(mut row) = tx.load_upload(upload)? else { return Ok(()) };
            if on_event(row.stage, row.sent, Event::Closed) == Verdict::Settle {
                row.settle(now, settle);
                (row.size, row.killed) = (node.size, if wrote { killed } else { row.killed });
                row.generation = generation.or(row.generation);
                tx.save_upload(&row)?;
            }
            Ok(())
        })?;
        state.writing = false;
        Ok(())
    }

    /// The last handle of a file without a name is closed: nothing of it is left but its upload's row.
    pub(super) fn forget_bytes(&self, ino: Ino) -> VfsResult<()> {
        self.commit(&[], Some(ino), |tx, _| {
            if tx.load_names_of(ino)?.is_empty() && tx.load_kept_upload(ino)?.is_none() {
                tx.delete_node(ino)?;
            }
            Ok(())
        })
    }

    /// The file has no name any more: its row goes with its last handle, or at once.
    pub(super) fn forget_nameless(&self, ino: Ino) -> VfsResult<()> {
        self.files.with_open(ino, |state| match state {
            Some(state) => {
                state.unlinked = true;
                Ok(())
            }
            None if self.store().read(|rows| rows.load_node(ino))?.is_some() => self.forget_bytes(ino),
            None => Ok(()),
        })
    }
}

/// Size and times as written; what a `chmod` or `rename` did meanwhile stays.
fn save_written(tx: &Tx<'_>, node: &NodeRow, dirty: &mut Dirty) -> VfsResult<()> {
    let row = tx.load_node(node.ino)?.filter(|row| matches!(row.kind, NodeKind::File | NodeKind::Shadow));
    if let Some(row) = row {
        tx.save_node(&NodeRow { size: node.size, mtime: node.mtime, ctime: node.ctime, ..row })?;
        dirty.ino(node.ino);
    }
    Ok(())
}
