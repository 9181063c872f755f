//! Attributes of an inode.

use crate::base::{Ino, Nanos};
use crate::store::{ContentRow, Listing, NodeRow};

/// What an inode is to the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttrKind {
    Directory,
    File,
    /// A symbolic link, in `Timeline/`.
    Link,
}

/// Attributes as `stat` shows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attr {
    pub ino: Ino,
    pub kind: AttrKind,
    pub size: u64,
    pub mtime: Nanos,
    pub ctime: Nanos,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub links: u32,
}

/// Whose everything is unless set otherwise (semantics 1.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Defaults {
    pub uid: u32,
    pub gid: u32,
    pub file_mode: u32,
    pub dir_mode: u32,
    /// Shown as the time of what has none: when the mount began.
    pub now: Nanos,
    /// Whether `Hidden/` is there.
    pub show_hidden: bool,
}

impl Defaults {
    pub fn new(uid: u32, gid: u32, umask: u32, now: Nanos) -> Self {
        Self { uid, gid, file_mode: 0o644 & !umask, dir_mode: 0o755 & !umask, now, show_hidden: false }
    }

    pub(super) fn directory(&self, ino: Ino, mtime: Nanos) -> Attr {
        Attr {
            ino,
            kind: AttrKind::Directory,
            size: 4096,
            mtime,
            ctime: mtime,
            mode: self.dir_mode,
            uid: self.uid,
            gid: self.gid,
            // As btrfs has it: 1 says that the count of subdirectories is not told.
            links: 1,
        }
    }

    pub(super) fn file(&self, ino: Ino, size: u64) -> Attr {
        Attr { size, kind: AttrKind::File, mode: self.file_mode, ..self.directory(ino, self.now) }
    }

    /// An open file that has no name any more.
    pub fn open_file(&self, node: &NodeRow) -> Attr {
        self.node(node, 0)
    }

    pub(super) fn node(&self, node: &NodeRow, links: u32) -> Attr {
        let directory = node.kind.is_directory();
        Attr {
            ino: node.ino,
            kind: if directory { AttrKind::Directory } else { AttrKind::File },
            size: if directory { 4096 } else { node.size },
            mtime: node.mtime,
            ctime: node.ctime,
            mode: node.mode,
            uid: node.uid.unwrap_or(self.uid),
            gid: node.gid.unwrap_or(self.gid),
            links,
        }
    }

    pub(super) fn listing(&self, listing: &Listing) -> Attr {
        Attr {
            ino: listing.ino,
            kind: AttrKind::File,
            size: listing.size,
            mtime: listing.mtime,
            ctime: listing.ctime,
            mode: listing.mode.unwrap_or(self.file_mode),
            uid: listing.uid.unwrap_or(self.uid),
            gid: listing.gid.unwrap_or(self.gid),
            links: listing.links,
        }
    }

    pub(super) fn content(&self, content: &ContentRow, links: u32) -> Attr {
        Attr {
            ino: content.ino,
            kind: AttrKind::File,
            size: content.size,
            mtime: content.mtime,
            ctime: content.ctime,
            mode: content.mode.unwrap_or(self.file_mode),
            uid: content.uid.unwrap_or(self.uid),
            gid: content.gid.unwrap_or(self.gid),
            links,
        }
    }
}
