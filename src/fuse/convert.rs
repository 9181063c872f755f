//! Between fuser's types and ours.

use crate::base::{Ino, Nanos};
use crate::namespace::{Attr, AttrKind};
use crate::vfs::{Found, Loudness, VfsError};
use fuser::{Errno, FileAttr, FileType, INodeNo, TimeOrNow};
use std::time::Duration;

/// The block size that programs shall read by.
const BLOCK: u32 = 4096;

pub(super) fn ino(number: INodeNo) -> Ino {
    Ino(number.0)
}

pub(super) fn kind(kind: AttrKind) -> FileType {
    match kind {
        AttrKind::Directory => FileType::Directory,
        AttrKind::File => FileType::RegularFile,
        AttrKind::Link => FileType::Symlink,
    }
}

pub(super) fn file_attr(attr: &Attr) -> FileAttr {
    let mtime = attr.mtime.to_system();
    FileAttr {
        ino: INodeNo(attr.ino.0),
        size: attr.size,
        blocks: attr.size.div_ceil(512),
        atime: mtime,
        mtime,
        ctime: attr.ctime.to_system(),
        crtime: mtime,
        kind: kind(attr.kind),
        perm: (attr.mode & 0o7777) as u16,
        nlink: attr.links,
        uid: attr.uid,
        gid: attr.gid,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

/// How long the kernel may keep an answer. What changes elsewhere is told; the time heals a lost notice.
pub(super) fn ttl(found: &Found, lasting: Duration) -> Duration {
    if found.lasting { lasting } else { Duration::ZERO }
}

pub(super) fn time(time: TimeOrNow, now: Nanos) -> Nanos {
    match time {
        TimeOrNow::SpecificTime(time) => Nanos::from_system(time),
        TimeOrNow::Now => now,
    }
}

/// Logs a failure as loud as its kind asks for, and answers its errno. Never a name.
pub(super) fn errno(operation: &'static str, error: &VfsError) -> Errno {
    let (code, loudness) = error.errno();
    match loudness {
        Loudness::Debug => tracing::debug!(operation, %error, "refused"),
        Loudness::Info => tracing::info!(operation, %error, "refused"),
        Loudness::Warn => tracing::warn!(operation, %error, "failed"),
        Loudness::Error => tracing::error!(operation, %error, "failed"),
    }
    Errno::from_i32(code)
}
