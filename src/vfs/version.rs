//! The first write to a file: into its own spool file while that may change, else into a new one that
//! supersedes it (I2, semantics 2.12).

use super::Vfs;
use super::error::{VfsError, VfsResult};
use super::local::LocalState;
use crate::base::{FileId, UploadNo, VaultId};
use crate::namespace::Dirty;
use crate::spool::SpoolFile;
use crate::store::{NodeRow, Tx, UploadRow};
use crate::tree::{Event, Stage, Verdict, on_event};
use crate::vault::{Base, CommitRecord};
use std::sync::Arc;

/// Bytes copied at a time from a version that is still here.
const COPY: usize = 1 << 20;

impl Vfs {
    /// Makes sure that bytes may go into `state.vault`. `rewriting`: nothing of the old version is kept.
    pub(super) fn make_writable(&self, state: &mut LocalState, rewriting: bool) -> VfsResult<()> {
        if state.writing && state.vault.is_some() {
            return Ok(());
        }
        if state.passed_on {
            return Err(VfsError::PassedOn);
        }
        let verdict = match state.upload {
            Some(upload) => self.store().read(|rows| Ok(rows.load_upload(upload)?.map(|row| verdict_on(&row))))?,
            None => None,
        };
        if let (Some(upload), Some(Verdict::Write | Verdict::Stay)) = (state.upload, verdict)
            && state.vault.is_some()
        {
            return self.write_again(state, upload);
        }
        self.supersede(state, rewriting)
    }

    fn write_again(&self, state: &mut LocalState, upload: UploadNo) -> VfsResult<()> {
        self.commit(&[], Some(state.node.ino), |tx, _| {
            if let Some(row) = tx.load_upload(upload)? {
                tx.save_upload(&UploadRow { stage: Stage::Writing, parked: None, ..row })?;
            }
            Ok(())
        })?;
        state.writing = true;
        Ok(())
    }

    /// New bytes for a version that is frozen, or in Ente.
    fn supersede(&self, state: &mut LocalState, rewriting: bool) -> VfsResult<()> {
        let vault = self.spool.take()?;
        match (&state.vault, &state.old) {
            _ if rewriting => {}
            (Some(old), _) => copy_bytes(old, &vault)?,
            (None, Some(old)) => {
                let base = Base { file: old.file, header: old.header, part: old.part, len: old.size };
                vault.start_from(base)?;
            }
            (None, None) => {}
        }
        let superseded = state.vault.as_ref().map(|old| old.id());
        self.commit_start(state, &vault, superseded)?;
        let (ino, now, upload) = (state.node.ino, self.clock.now(), state.upload);
        let (node, made) = self.commit(&[], Some(ino), |tx, dirty| {
            let taken_over = upload.map(|upload| end_superseded(tx, upload, now)).transpose()?.flatten();
            // The row knows what happened since it was opened: that its photo was registered, say.
            let node = tx.load_node(ino)?.unwrap_or_else(|| state.node.clone());
            let node = NodeRow { vault: Some(vault.id()), size: state.node.size, ..node };
            tx.save_node(&node)?;
            dirty.ino(ino);
            mark_names(tx, &node, dirty)?;
            let supersedes = taken_over.or(node.file);
            let row = UploadRow { supersedes, ..super::create::new_upload(&node, Stage::Writing, now) };
            let made = tx.insert_upload(&row)?;
            Ok((node, made))
        })?;
        state.node = node;
        state.supersedes = superseded;
        state.vault = Some(vault);
        state.upload = Some(made);
        state.writing = true;
        self.bells.uploads.ring();
        Ok(())
    }

    /// From here on the new file alone is enough: killed before its first sync, it comes back as the version it began
    /// from, and never as neither (I1).
    fn commit_start(&self, state: &LocalState, vault: &SpoolFile, superseded: Option<VaultId>) -> VfsResult<()> {
        let record = self.store().read(|rows| Ok(state.record(rows)))??;
        vault.commit(&CommitRecord { supersedes: superseded, ..record })?;
        Ok(())
    }
}

fn verdict_on(row: &UploadRow) -> Verdict {
    let verdict = on_event(row.stage, row.sent, Event::NewBytes);
    if row.is_frozen() && verdict == Verdict::Write { Verdict::Supersede } else { verdict }
}

/// What nothing was sent of ends, also where it never had a byte; what may have been sent must learn its outcome first.
/// Answers whose place what ended was to take.
fn end_superseded(tx: &Tx<'_>, upload: UploadNo, now: crate::base::Timestamp) -> VfsResult<Option<FileId>> {
    let ends = |row: &UploadRow| matches!(verdict_on(row), Verdict::Supersede | Verdict::Write | Verdict::Stay);
    let Some(row) = tx.load_upload(upload)?.filter(ends) else { return Ok(None) };
    let taken_over = row.supersedes.filter(|_| !row.stage.is_over());
    tx.save_upload(&UploadRow { stage: Stage::Removed, due: now, parked: None, ..row })?;
    tx.save_upload_hash(upload, None)?;
    Ok(taken_over)
}

/// A photo rewritten in place shows its new size under all its names.
fn mark_names(tx: &Tx<'_>, node: &NodeRow, dirty: &mut Dirty) -> VfsResult<()> {
    for name in tx.load_names_of(node.ino)? {
        dirty.name(name.parent, &name.name);
    }
    Ok(())
}

fn copy_bytes(from: &Arc<SpoolFile>, to: &Arc<SpoolFile>) -> VfsResult<()> {
    let mut buf = vec![0; COPY];
    let mut offset = 0;
    loop {
        let read = from.read_at(offset, &mut buf)?.len;
        if read == 0 {
            return Ok(());
        }
        to.write_at(offset, &buf[..read])?;
        offset += read as u64;
    }
}
