//! What a change touched, and what the kernel must ask for again.

use crate::base::{AlbumNo, FileId, Ino, Name, Timestamp};

/// What a change touched. Marking too much costs a look, marking too little shows something stale.
#[derive(Default, Debug)]
pub struct Dirty {
    pub(super) names: Vec<(Ino, Name)>,
    pub(super) photos: Vec<(AlbumNo, FileId)>,
    pub(super) albums: Vec<AlbumNo>,
    pub(super) inos: Vec<Ino>,
    pub(super) dirs: Vec<Ino>,
    pub(super) retaken: Vec<Timestamp>,
    pub(super) is_pending: bool,
}

impl Dirty {
    /// A name of this machine came, went or names something else.
    pub fn name(&mut self, dir: Ino, name: &[u8]) {
        self.names.push((dir, name.into()));
    }

    /// A photo's membership or its listing changed.
    pub fn photo(&mut self, album: AlbumNo, file: FileId) {
        self.photos.push((album, file));
    }

    /// An album came, went or has another name.
    pub fn album(&mut self, album: AlbumNo) {
        self.albums.push(album);
    }

    /// An inode's attributes changed.
    pub fn ino(&mut self, ino: Ino) {
        self.inos.push(ino);
    }

    /// A change to the account was recorded, to be pushed.
    pub fn pending(&mut self) {
        self.is_pending = true;
    }

    /// A photo was taken at another time than this, as we know now.
    pub fn retaken(&mut self, before: Timestamp) {
        self.retaken.push(before);
    }

    /// All of a directory may have changed.
    pub fn dir(&mut self, dir: Ino) {
        self.dirs.push(dir);
    }
}

/// What the kernel must ask for again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invalidation {
    /// The name is gone.
    Gone { dir: Ino, name: Name },
    /// The name names something else now.
    Changed { dir: Ino, name: Name },
    /// Size, times, mode or link count.
    Attr { ino: Ino },
}

/// Who made a change.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// The kernel itself asked for it: it knows these names and this inode.
    Kernel { names: &'a [(Ino, &'a [u8])], ino: Option<Ino> },
    /// A worker here, or another device.
    Elsewhere,
}

impl Origin<'_> {
    /// A live name that is invalidated turns open files into "(deleted)": what the kernel did itself is left alone.
    pub(super) fn without_own(self, mut invalidations: Vec<Invalidation>) -> Vec<Invalidation> {
        let Self::Kernel { names, ino: own } = self else { return invalidations };
        invalidations.retain(|invalidation| match invalidation {
            Invalidation::Gone { dir, name } | Invalidation::Changed { dir, name } => {
                !names.iter().any(|(own_dir, own_name)| own_dir == dir && *own_name == &name[..])
            }
            Invalidation::Attr { ino } => Some(*ino) != own,
        });
        invalidations
    }
}
