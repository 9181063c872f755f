//! Changing attributes: stored and shown at once, used for the upload if it has not happened yet (semantics 3).

use super::Vfs;
use super::error::{VfsError, VfsResult};
use super::lookup::Found;
use crate::base::{Ino, Nanos};
use crate::namespace::{Dirty, relist};
use crate::store::{NodeRow, Tx};
use crate::tree::{Event, FixedPlace, Refusal, Verdict, on_event};

/// What `setattr` shall change.
#[derive(Clone, Copy, Default, Debug)]
pub struct AttrChange {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub mtime: Option<Nanos>,
}

impl AttrChange {
    fn is_size_only(self) -> bool {
        self.mode.is_none() && self.uid.is_none() && self.gid.is_none() && self.mtime.is_none()
    }
}

impl Vfs {
    /// # Errors
    /// EPERM for generated and fixed places; those of [`Self::truncate`] for a size.
    pub fn setattr(&self, ino: Ino, change: AttrChange) -> VfsResult<Found> {
        self.check_writable()?;
        if FixedPlace::of(ino).is_some() {
            return Err(Refusal::FixedPlace.into());
        }
        if let Some(size) = change.size {
            self.truncate(ino, size)?;
        }
        if !change.is_size_only() {
            self.change_attributes(ino, change)?;
        }
        self.found(ino)
    }

    fn change_attributes(&self, ino: Ino, change: AttrChange) -> VfsResult<()> {
        let now = self.clock.now_nanos();
        let settle = self.settle_time(ino)?;
        // The open file and its row change together: the lock is held across the commit.
        let open = self.files.get(ino);
        let mut state = open.as_ref().map(|file| file.lock());
        // A copy that became a photo's link keeps that one's times (semantics 2.7).
        if state.as_ref().is_some_and(|state| state.passed_on) {
            return Ok(());
        }
        let uploads = self.commit(&[], Some(ino), |tx, dirty| {
            if let Some(node) = tx.load_node(ino)? {
                let node = changed(node, change, now);
                tx.save_node(&node)?;
                dirty.ino(ino);
                return note_changed(tx, ino, now, settle);
            }
            change_photo(tx, ino, change, now, dirty)?;
            Ok(false)
        })?;
        if let Some(state) = state.as_mut() {
            state.node = changed(state.node.clone(), change, now);
            if state.wrote {
                self.namespace.touch(ino, state.node.size, state.node.mtime, now);
            }
        }
        drop(state);
        if uploads {
            self.bells.uploads.ring();
        }
        Ok(())
    }
}

fn changed(node: NodeRow, change: AttrChange, now: Nanos) -> NodeRow {
    NodeRow {
        mode: change.mode.map_or(node.mode, |mode| mode & 0o7777),
        uid: change.uid.or(node.uid),
        gid: change.gid.or(node.gid),
        mtime: change.mtime.unwrap_or(node.mtime),
        ctime: now,
        ..node
    }
}

/// An upload that has not left yet settles anew. Answers whether one did.
fn note_changed(tx: &Tx<'_>, ino: Ino, now: Nanos, settle: std::time::Duration) -> VfsResult<bool> {
    let mut any = false;
    for mut row in tx.load_uploads_of(ino)? {
        let settles = on_event(row.stage, row.sent, Event::Changed) == Verdict::Settle;
        // A file that somebody holds open for writing settles when it is closed.
        if settles && !row.is_held() {
            row.settle(now.to_timestamp(), settle);
            tx.save_upload(&row)?;
            any = true;
        }
    }
    Ok(any)
}

fn change_photo(tx: &Tx<'_>, ino: Ino, change: AttrChange, now: Nanos, dirty: &mut Dirty) -> VfsResult<()> {
    if let Some(album) = tx.load_album_by_ino(ino)? {
        if let Some(mtime) = change.mtime {
            tx.save_album_mtime(album.no, mtime)?;
        }
        dirty.album(album.no);
        return Ok(());
    }
    let content = tx.load_content_by_ino(ino)?.ok_or(VfsError::NotFound)?;
    if tx.is_in_trash(content.file)? {
        return Err(Refusal::FixedPlace.into());
    }
    tx.save_content_times(content.no, change.mtime.unwrap_or(content.mtime), now)?;
    let mode = change.mode.map(|mode| mode & 0o7777).or(content.mode);
    tx.save_content_owner(content.no, mode, change.uid.or(content.uid), change.gid.or(content.gid))?;
    dirty.ino(ino);
    Ok(relist(tx, content.file, dirty)?)
}
