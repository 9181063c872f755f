//! Looking up, listing, and how much room there is.

use super::Vfs;
use super::error::{VfsError, VfsResult};
use crate::base::Ino;
use crate::namespace::{Attr, Entry, Listed, NamespaceError};
use crate::tree::{FixedPlace, MAX_NAME, Refusal};

/// An inode and its attributes, as the kernel is told.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub attr: Attr,
    /// Whether the kernel may keep it for long. Not a generated file, and not the name of a live photo's half: it goes
    /// with the other one, and `mv` comes for it before any notice does.
    pub lasting: bool,
}

/// What `df` shows; bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpaceView {
    pub total: u64,
    pub free: u64,
}

impl Vfs {
    /// # Errors
    /// [`VfsError::NotFound`]; a name that no file can have; a directory that is not pulled completely, which wakes the
    /// pull.
    pub fn lookup(&self, parent: Ino, name: &[u8]) -> VfsResult<Found> {
        // Every system call that takes a path looks its names up first, and POSIX has them all say so.
        if name.len() > MAX_NAME {
            return Err(Refusal::NameTooLong.into());
        }
        let found = self.namespace.lookup(parent, name).map_err(|error| self.distrust(error))?;
        match found {
            Some((entry, attr)) => {
                let is_half = entry.key.photo().is_some() && self.namespace.is_half(parent, entry.key)?;
                let found = self.dress(attr);
                Ok(Found { lasting: found.lasting && !is_half, ..found })
            }
            None => self.lookup_echo(parent, name),
        }
    }

    /// # Errors
    /// [`VfsError::Stale`] for an inode nobody knows: the kernel looks its name up again, which may be another's by now.
    pub fn getattr(&self, ino: Ino) -> VfsResult<Found> {
        self.found(ino)
    }

    pub(super) fn found(&self, ino: Ino) -> VfsResult<Found> {
        if let Some(attr) = self.namespace.attr(ino)? {
            return Ok(self.dress(attr));
        }
        if let Some(attr) = self.echoes.attr_of(ino) {
            return Ok(Found { attr, lasting: false });
        }
        // Unlinked while open: the row may be gone, the handle is not.
        let file = self.files.get(ino).ok_or(VfsError::Stale)?;
        let state = file.lock();
        Ok(Found { attr: self.namespace.defaults().open_file(&state.node), lasting: true })
    }

    fn dress(&self, attr: Attr) -> Found {
        match FixedPlace::of(attr.ino).filter(|place| place.is_generated()) {
            Some(place) => {
                let size = self.texts.text(place).len() as u64;
                let now = self.clock.now_nanos();
                Found { attr: Attr { size, mtime: now, ctime: now, ..attr }, lasting: false }
            }
            None => Found { attr, lasting: true },
        }
    }

    fn distrust(&self, error: NamespaceError) -> VfsError {
        if matches!(error, NamespaceError::Untrusted(_)) {
            self.bells.pull.ring();
        }
        error.into()
    }

    /// # Errors
    /// As [`Self::lookup`]; [`VfsError::Stale`] for a directory that is gone, as of [`Self::getattr`].
    pub fn opendir(&self, ino: Ino) -> VfsResult<()> {
        self.namespace.begin_listing(ino).map_err(|error| match error {
            NamespaceError::NotDirectory => VfsError::Stale,
            error => self.distrust(error),
        })
    }

    pub fn releasedir(&self, ino: Ino) {
        self.namespace.end_listing(ino);
    }

    /// Where a link of `Timeline/` leads.
    ///
    /// # Errors
    /// [`VfsError::NotFound`] where its photo is gone.
    pub fn readlink(&self, ino: Ino) -> VfsResult<Vec<u8>> {
        self.namespace.link_target(ino)?.ok_or(VfsError::NotFound)
    }

    /// The directory above.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub fn parent_of(&self, ino: Ino) -> VfsResult<Ino> {
        Ok(self.namespace.dir_info(ino)?.parent)
    }

    /// Calls `each` with entries from `offset` on and the offset after them, until it answers `false`.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub fn readdir(&self, ino: Ino, offset: u64, mut each: impl FnMut(u64, &Entry, &Found) -> bool) -> VfsResult<()> {
        let listed = self.namespace.list(ino, offset, |Listed { next, entry, attr, is_half }| {
            let found = self.dress(attr);
            each(next, entry, &Found { lasting: found.lasting && !is_half, ..found })
        });
        Ok(listed?)
    }

    /// What the plan and the staging disk leave (semantics 1.9). From memory.
    pub fn statfs(&self) -> SpaceView {
        let space = self.namespace.space();
        // The staging disk's own word; where it cannot be asked, it is not what limits.
        let disk = self.spool.read_room().unwrap_or(u64::MAX);
        let free = space.left().map_or(disk, |left| left.min(disk));
        let total = match space.total() {
            0 => free.clamp(1 << 30, 1 << 50),
            total => total.max(free),
        };
        SpaceView { total, free }
    }

    /// Whether `bytes` more can be taken: the disk says ENOSPC, the plan EDQUOT (semantics 2.6).
    pub(super) fn check_room(&self, bytes: u64) -> VfsResult<()> {
        self.spool.check_room(bytes)?;
        if self.namespace.space().has_room(bytes) { Ok(()) } else { Err(VfsError::Quota) }
    }
}
