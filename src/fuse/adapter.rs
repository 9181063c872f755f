//! The table of callbacks: each a few lines on [`Vfs`]. Metadata is answered on fuser's threads, from memory and
//! the database; what may wait for the disk or the network is handed off with its reply.

use super::convert::{errno, file_attr, ino, kind, time, ttl};
use super::dying::{command_line, is_ending, is_killed};
use crate::base::{Clock, Ino, PageBuf};
use crate::vfs::{AttrChange, Found, Maker, Opened, ReadStep, RenameMode, Vfs, VfsError, XattrMode};
use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow,
    WriteFlags,
};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;

/// Correctness comes from notices; this only heals a lost one.
const TTL: Duration = Duration::from_secs(60);
/// Without the notice that expires a live name (Linux before 6.2).
const TTL_WITHOUT_EXPIRY: Duration = Duration::from_secs(1);
/// Buffered reads that may wait at once; 16, the default, let 16 stuck ones stop the mount.
const MAX_BACKGROUND: u16 = 256;
const GENERATION: Generation = Generation(0);
/// Reads up to this long may be answered on fuser's own thread: one block is opened for them.
const SHORT: usize = 16 << 10;
/// Offsets of `.` and `..`; entries follow.
const DOTS: u64 = 2;

thread_local! {
    /// The reply buffer of this thread, at a page border.
    static BUFFER: RefCell<PageBuf> = RefCell::new(PageBuf::zeroed(0));
}

/// fuser's filesystem.
pub(super) struct Adapter {
    pub(super) vfs: Arc<Vfs>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) runtime: Handle,
    pub(super) can_expire: Arc<AtomicBool>,
}

/// A panic ends here: its reply, dropped, has answered EIO, and the mount goes on.
fn shielded(operation: &'static str, body: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(body)).is_err() {
        tracing::error!(operation, "a callback panicked; its caller got EIO");
    }
}

impl Adapter {
    fn ttl(&self) -> Duration {
        if self.can_expire.load(Ordering::Relaxed) { TTL } else { TTL_WITHOUT_EXPIRY }
    }

    fn reply_entry(&self, operation: &'static str, found: Result<Found, VfsError>, reply: ReplyEntry) {
        match found {
            Ok(found) => reply.entry(&ttl(&found, self.ttl()), &file_attr(&found.attr), GENERATION),
            Err(error) => reply.error(errno(operation, &error)),
        }
    }

    fn reply_attr(&self, operation: &'static str, found: Result<Found, VfsError>, reply: ReplyAttr) {
        match found {
            Ok(found) => reply.attr(&ttl(&found, self.ttl()), &file_attr(&found.attr)),
            Err(error) => reply.error(errno(operation, &error)),
        }
    }

    /// Runs where waiting for the disk holds up nobody.
    fn hand_off(&self, operation: &'static str, body: impl FnOnce(&Arc<Vfs>) + Send + 'static) {
        let vfs = Arc::clone(&self.vfs);
        self.runtime.spawn_blocking(move || shielded(operation, || body(&vfs)));
    }

    fn hand_off_empty(
        &self,
        operation: &'static str,
        reply: ReplyEmpty,
        body: impl FnOnce(&Vfs) -> Result<(), VfsError> + Send + 'static,
    ) {
        self.hand_off(operation, move |vfs| reply_empty(operation, body(vfs), reply));
    }
}

fn reply_empty(operation: &'static str, outcome: Result<(), VfsError>, reply: ReplyEmpty) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(operation, &error)),
    }
}

fn reply_open(opened: Result<Opened, VfsError>, reply: ReplyOpen) {
    match opened {
        Ok(opened) => reply.opened(FileHandle(opened.fh), open_flags(opened)),
        Err(error) => reply.error(errno("open", &error)),
    }
}

/// Runs `fill` on this thread's buffer, grown to `len`.
fn with_buffer<T>(len: usize, fill: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < len {
            *buffer = PageBuf::zeroed(len.next_power_of_two());
        }
        fill(&mut buffer[..len])
    })
}

fn read_on_this_thread(vfs: &Vfs, runtime: &Handle, fh: u64, offset: u64, len: usize, reply: ReplyData) {
    with_buffer(len, |buf| match vfs.read(fh, offset, buf) {
        Ok(ReadStep::Done(read)) => reply.data(&buf[..read]),
        Ok(ReadStep::Later(reading)) => {
            runtime.spawn(async move {
                match reading.await {
                    Ok(bytes) => reply.data(&bytes),
                    Err(error) => reply.error(errno("read", &error)),
                }
            });
        }
        Err(error) => reply.error(errno("read", &error)),
    });
}

/// Answers a short read of what the kernel has in memory at once: a thread more would cost as much as the read. Gives
/// the reply back where that cannot be.
fn read_resident(vfs: &Vfs, fh: u64, offset: u64, len: usize, reply: ReplyData) -> Option<ReplyData> {
    if len > SHORT {
        return Some(reply);
    }
    with_buffer(len, |buf| match vfs.read_resident(fh, offset, buf) {
        Some(read) => {
            reply.data(&buf[..read]);
            None
        }
        None => Some(reply),
    })
}

fn xattr_reply(size: u32, value: Result<Vec<u8>, VfsError>, reply: ReplyXattr) {
    match value {
        Err(error) => reply.error(errno("getxattr", &error)),
        Ok(value) if size == 0 => reply.size(value.len() as u32),
        Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
    }
}

fn open_flags(opened: Opened) -> FopenFlags {
    let mut flags = FopenFlags::empty();
    if opened.keep_cache {
        flags |= FopenFlags::FOPEN_KEEP_CACHE;
    }
    if opened.direct {
        flags |= FopenFlags::FOPEN_DIRECT_IO;
    }
    flags
}

impl Filesystem for Adapter {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Each by itself: an older kernel that lacks one must not lose the others.
        for wanted in [
            InitFlags::FUSE_HANDLE_KILLPRIV_V2,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
        ] {
            if config.add_capabilities(wanted).is_err() {
                tracing::debug!(?wanted, "the kernel does not offer this");
            }
        }
        // The setter answers what was there before.
        let _ = config.set_max_background(MAX_BACKGROUND);
        let expires = config.capabilities().contains(InitFlags::FUSE_HAS_EXPIRE_ONLY);
        self.can_expire.store(expires, Ordering::Relaxed);
        Ok(())
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        shielded("lookup", || self.reply_entry("lookup", self.vfs.lookup(ino(parent), name.as_bytes()), reply));
    }

    fn getattr(&self, _req: &Request, number: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        shielded("getattr", || self.reply_attr("getattr", self.vfs.getattr(ino(number)), reply));
    }

    fn setattr(
        &self,
        _req: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mtime = mtime.map(|mtime| time(mtime, self.clock.now_nanos()));
        let change = AttrChange { mode, uid, gid, size, mtime };
        if size.is_none() {
            shielded("setattr", || self.reply_attr("setattr", self.vfs.setattr(ino(number), change), reply));
            return;
        }
        // A truncation may copy and sync.
        let lasting = self.ttl();
        self.hand_off("setattr", move |vfs| match vfs.setattr(ino(number), change) {
            Ok(found) => reply.attr(&ttl(&found, lasting), &file_attr(&found.attr)),
            Err(error) => reply.error(errno("setattr", &error)),
        });
    }

    fn mknod(&self, _req: &Request, _p: INodeNo, _n: &OsStr, _mode: u32, _umask: u32, _rdev: u32, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn readlink(&self, _req: &Request, number: INodeNo, reply: ReplyData) {
        shielded("readlink", || match self.vfs.readlink(ino(number)) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(errno("readlink", &error)),
        });
    }

    fn symlink(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, _target: &Path, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn link(&self, _req: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        shielded("link", || {
            self.reply_entry("link", self.vfs.link(ino(number), ino(parent), name.as_bytes()), reply);
        });
    }

    fn copy_file_range(
        &self,
        _req: &Request,
        _from: INodeNo,
        from: FileHandle,
        from_offset: u64,
        _to: INodeNo,
        to: FileHandle,
        to_offset: u64,
        len: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        shielded("copy_file_range", || match self.vfs.copy_file_range((from.0, from_offset), (to.0, to_offset), len) {
            Ok(copied) => reply.written(copied as u32),
            Err(error) => reply.error(errno("copy_file_range", &error)),
        });
    }

    fn mkdir(&self, req: &Request, parent: INodeNo, name: &OsStr, mode: u32, _umask: u32, reply: ReplyEntry) {
        let maker = Maker { uid: req.uid(), gid: req.gid(), mode };
        shielded("mkdir", || self.reply_entry("mkdir", self.vfs.mkdir(ino(parent), name.as_bytes(), maker), reply));
    }

    fn unlink(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        shielded("unlink", || reply_empty("unlink", self.vfs.unlink(ino(parent), name.as_bytes()), reply));
    }

    fn rmdir(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        shielded("rmdir", || reply_empty("rmdir", self.vfs.rmdir(ino(parent), name.as_bytes()), reply));
    }

    fn rename(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let mode = match flags {
            flags if flags.is_empty() => RenameMode::Replace,
            flags if flags == RenameFlags::RENAME_NOREPLACE => RenameMode::NoReplace,
            _ => return reply.error(Errno::EINVAL),
        };
        let (from, to) = (ino(parent), ino(newparent));
        let (name, newname) = (name.as_bytes().to_vec(), newname.as_bytes().to_vec());
        shielded("rename", || {
            if self.vfs.is_rename_slow(from, &name) {
                self.hand_off_empty("rename", reply, move |vfs| vfs.rename(from, &name, to, &newname, mode));
            } else {
                reply_empty("rename", self.vfs.rename(from, &name, to, &newname, mode), reply);
            }
        });
    }

    fn open(&self, req: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (number, pid) = (ino(number), req.pid());
        let write = flags.0 & libc::O_ACCMODE != libc::O_RDONLY;
        let asks = || if write { Ok(false) } else { self.vfs.is_refused_to_previewers(number) };
        shielded("open", || match asks() {
            Ok(false) => reply_open(self.vfs.open(number, write), reply),
            // Its command line is in its memory, which may wait for a read of another file here.
            Ok(true) => self.hand_off("open", move |vfs| {
                let checked = Vfs::check_asker(&command_line(pid));
                reply_open(checked.and_then(|()| vfs.open(number, write)), reply);
            }),
            Err(error) => reply.error(errno("open", &error)),
        });
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let maker = Maker { uid: req.uid(), gid: req.gid(), mode };
        shielded("create", || match self.vfs.create(ino(parent), name.as_bytes(), maker) {
            Ok((found, opened)) => {
                let attr = file_attr(&found.attr);
                reply.created(&self.ttl(), &attr, GENERATION, FileHandle(opened.fh), open_flags(opened));
            }
            Err(error) => reply.error(errno("create", &error)),
        });
    }

    fn read(
        &self,
        _req: &Request,
        _number: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        shielded("read", || {
            let len = size as usize;
            if let Some(bytes) = self.vfs.read_from_memory(fh.0, offset, len) {
                return reply.data(&bytes);
            }
            let Some(reply) = read_resident(&self.vfs, fh.0, offset, len, reply) else { return };
            let runtime = self.runtime.clone();
            self.hand_off("read", move |vfs| read_on_this_thread(vfs, &runtime, fh.0, offset, len, reply));
        });
    }

    fn write(
        &self,
        _req: &Request,
        _number: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        shielded("write", || match self.vfs.write(fh.0, offset, data) {
            Ok(written) => reply.written(written as u32),
            Err(error) => reply.error(errno("write", &error)),
        });
    }

    fn flush(&self, req: &Request, _number: INodeNo, fh: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        shielded("flush", || {
            let (pid, ending) = (req.pid(), self.vfs.was_written(fh.0) && is_ending(req.pid()));
            if ending || self.vfs.is_flush_slow(fh.0) {
                self.hand_off_empty("flush", reply, move |vfs| vfs.flush(fh.0, ending && is_killed(pid)));
            } else {
                reply_empty("flush", self.vfs.flush(fh.0, false), reply);
            }
        });
    }

    fn release(
        &self,
        _req: &Request,
        _number: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        shielded("release", || {
            if self.vfs.is_flush_slow(fh.0) {
                self.hand_off_empty("release", reply, move |vfs| vfs.release(fh.0));
            } else {
                reply_empty("release", self.vfs.release(fh.0), reply);
            }
        });
    }

    fn fsync(&self, _req: &Request, _number: INodeNo, fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        self.hand_off_empty("fsync", reply, move |vfs| vfs.fsync(fh.0));
    }

    fn fsyncdir(&self, _req: &Request, _number: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        self.hand_off_empty("fsyncdir", reply, Vfs::fsync_directory);
    }

    fn fallocate(
        &self,
        _req: &Request,
        _number: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        shielded("fallocate", || reply_empty("fallocate", self.vfs.fallocate(fh.0, offset, length, mode), reply));
    }

    fn opendir(&self, _req: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        shielded("opendir", || match self.vfs.opendir(ino(number)) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::empty()),
            Err(error) => reply.error(errno("opendir", &error)),
        });
    }

    fn readdir(&self, _req: &Request, number: INodeNo, _fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        shielded("readdir", || {
            let dir = ino(number);
            let dots = dots(&self.vfs, dir).into_iter().skip(offset.min(DOTS) as usize);
            for (number, name, next) in dots {
                if reply.add(INodeNo(number.0), next, FileType::Directory, name) {
                    return reply.ok();
                }
            }
            let listed = self.vfs.readdir(dir, offset.saturating_sub(DOTS), |next, entry, found| {
                let name = OsStr::from_bytes(&entry.name);
                !reply.add(INodeNo(entry.ino.0), next + DOTS, kind(found.attr.kind), name)
            });
            match listed {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(errno("readdir", &error)),
            }
        });
    }

    fn readdirplus(
        &self,
        _req: &Request,
        number: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        shielded("readdirplus", || {
            let (dir, lasting) = (ino(number), self.ttl());
            for (number, name, next) in dots(&self.vfs, dir).into_iter().skip(offset.min(DOTS) as usize) {
                let Ok(found) = self.vfs.getattr(number) else { continue };
                if reply.add(INodeNo(number.0), next, name, &Duration::ZERO, &file_attr(&found.attr), GENERATION) {
                    return reply.ok();
                }
            }
            let listed = self.vfs.readdir(dir, offset.saturating_sub(DOTS), |next, entry, found| {
                let (name, attr) = (OsStr::from_bytes(&entry.name), file_attr(&found.attr));
                !reply.add(attr.ino, next + DOTS, name, &ttl(found, lasting), &attr, GENERATION)
            });
            match listed {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(errno("readdirplus", &error)),
            }
        });
    }

    fn releasedir(&self, _req: &Request, number: INodeNo, _fh: FileHandle, _flags: OpenFlags, reply: ReplyEmpty) {
        shielded("releasedir", || self.vfs.releasedir(ino(number)));
        reply.ok();
    }

    fn statfs(&self, _req: &Request, _number: INodeNo, reply: ReplyStatfs) {
        const BLOCK: u64 = 4096;
        let space = self.vfs.statfs();
        let (blocks, free) = ((space.total / BLOCK).max(1), space.free / BLOCK);
        reply.statfs(blocks, free, free, u64::from(u32::MAX), u64::from(u32::MAX), BLOCK as u32, 255, BLOCK as u32);
    }

    fn setxattr(
        &self,
        _req: &Request,
        number: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        let mode = match flags {
            libc::XATTR_CREATE => XattrMode::Create,
            libc::XATTR_REPLACE => XattrMode::Replace,
            _ => XattrMode::Set,
        };
        shielded("setxattr", || {
            reply_empty("setxattr", self.vfs.setxattr(ino(number), name.as_bytes(), value, mode), reply);
        });
    }

    fn getxattr(&self, _req: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        shielded("getxattr", || xattr_reply(size, self.vfs.getxattr(ino(number), name.as_bytes()), reply));
    }

    fn listxattr(&self, _req: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        shielded("listxattr", || {
            let names = self.vfs.listxattr(ino(number));
            let joined = names.map(|names| names.into_iter().flat_map(|name| [name, vec![0]].concat()).collect());
            xattr_reply(size, joined, reply);
        });
    }

    fn removexattr(&self, _req: &Request, number: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        shielded("removexattr", || {
            reply_empty("removexattr", self.vfs.removexattr(ino(number), name.as_bytes()), reply);
        });
    }
}

/// `.` and `..` with the offset after each.
fn dots(vfs: &Vfs, dir: Ino) -> [(Ino, &'static str, u64); 2] {
    [(dir, ".", 1), (vfs.parent_of(dir).unwrap_or(Ino::ROOT), "..", 2)]
}
