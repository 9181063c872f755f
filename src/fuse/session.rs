//! Mounting and unmounting.

use super::adapter::Adapter;
use super::invalidator::{Invalidator, spawn_invalidator};
use super::notices::Notices;
use crate::base::Clock;
use crate::vfs::Vfs;
use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use thiserror::Error;
use tokio::runtime::Handle;

/// Metadata callbacks answer from memory: two threads serve them; what waits is handed off.
const THREADS: usize = 2;
/// Sequential reads arrive in pieces of this size where root may say so.
const READ_AHEAD_KIB: &str = "1024";

/// The source of our mounts, by which they are told from others.
const SOURCE: &str = "entefs";

/// How to mount.
#[derive(Clone, Debug)]
pub struct MountSettings {
    pub dir: PathBuf,
    pub allow_other: bool,
    pub read_only: bool,
    /// Options of mount(8) that the kernel knows: `nodev`, `noexec`, …
    pub kernel_options: Vec<String>,
}

/// Why mounting or unmounting failed.
#[derive(Debug, Error)]
pub enum MountError {
    #[error("cannot mount on {dir}: {source}")]
    Mount { dir: PathBuf, source: io::Error },
    #[error("cannot unmount {dir}: {detail}")]
    Unmount { dir: PathBuf, detail: String, busy: bool },
}

/// A live mount. It goes on until it is unmounted from outside.
pub struct Mounted {
    session: BackgroundSession,
    vfs: Arc<Vfs>,
    invalidator: JoinHandle<()>,
}

/// Mounts and serves in the background; `dir` answers when this returns.
///
/// # Errors
/// [`MountError::Mount`].
pub fn mount(
    vfs: Arc<Vfs>,
    clock: Arc<dyn Clock>,
    runtime: &Handle,
    settings: &MountSettings,
) -> Result<Mounted, MountError> {
    let failed = |source| MountError::Mount { dir: settings.dir.clone(), source };
    let can_expire = Arc::new(AtomicBool::new(false));
    let adapter =
        Adapter { vfs: Arc::clone(&vfs), clock, runtime: runtime.clone(), can_expire: Arc::clone(&can_expire) };
    let session = Session::new(adapter, &settings.dir, &config(settings)).map_err(failed)?;
    let notices = Notices::open(session.as_fd()).map_err(failed)?;
    let namespace = Arc::clone(vfs.namespace());
    let can_expire = can_expire.load(Ordering::Relaxed);
    let invalidator = Invalidator { notices, namespace: Arc::clone(&namespace), can_expire };
    let (sender, thread) = spawn_invalidator(invalidator).map_err(failed)?;
    namespace.listen(move |invalidations| {
        // The thread lives as long as the mount; after that nobody needs to be told.
        let _ = sender.send(invalidations);
    });
    let session = session.spawn().map_err(failed)?;
    widen_read_ahead(&settings.dir);
    Ok(Mounted { session, vfs, invalidator: thread })
}

fn config(settings: &MountSettings) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(SOURCE.into()),
        // `Subtype` is lost when root mounts (facts of FUSE, 7).
        MountOption::CUSTOM("subtype=entefs".into()),
        MountOption::DefaultPermissions,
        MountOption::NoAtime,
    ];
    if settings.read_only {
        config.mount_options.push(MountOption::RO);
    }
    config.mount_options.extend(settings.kernel_options.iter().cloned().map(MountOption::CUSTOM));
    config.acl = if settings.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(THREADS);
    config
}

impl Mounted {
    /// Waits until the mount is gone and the last callback has answered.
    ///
    /// # Errors
    /// Where the session ended with an error.
    pub fn join(self) -> io::Result<()> {
        let outcome = self.session.join();
        // The sender goes, the thread ends.
        self.vfs.namespace().listen(|_| {});
        let _ = self.invalidator.join();
        outcome
    }
}

/// Takes a mount away. `lazy`: at once from the tree, the session lives on until the last file is closed.
///
/// # Errors
/// [`MountError::Unmount`], which says whether somebody holds it.
pub fn unmount(dir: &Path, lazy: bool) -> Result<(), MountError> {
    if rustix::process::geteuid().is_root() {
        return unmount_as_root(dir, lazy);
    }
    let mut command = Command::new("fusermount3");
    command.arg("-u").args(lazy.then_some("-z")).arg("--").arg(dir);
    let failed = |detail: String| {
        let busy = detail.contains("busy");
        MountError::Unmount { dir: dir.into(), detail, busy }
    };
    let output = command.output().map_err(|error| failed(format!("fusermount3 cannot be run: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn unmount_as_root(dir: &Path, lazy: bool) -> Result<(), MountError> {
    let failed = |source: io::Error| MountError::Unmount {
        dir: dir.into(),
        busy: source.raw_os_error() == Some(libc::EBUSY),
        detail: source.to_string(),
    };
    let path = CString::new(dir.as_os_str().as_bytes()).map_err(|error| failed(error.into()))?;
    let flags = libc::UMOUNT_NOFOLLOW | if lazy { libc::MNT_DETACH } else { 0 };
    // SAFETY: `path` is a NUL-terminated string that outlives the call.
    if unsafe { libc::umount2(path.as_ptr(), flags) } == 0 { Ok(()) } else { Err(failed(io::Error::last_os_error())) }
}

/// The kernel offers 128 KiB and lets nobody negotiate more; root may set it. Others read in smaller pieces.
fn widen_read_ahead(dir: &Path) {
    let Some(device) = device_of(dir) else { return };
    let setting = format!("/sys/class/bdi/{device}/read_ahead_kb");
    if let Err(error) = fs::write(&setting, READ_AHEAD_KIB) {
        tracing::debug!(%error, "the kernel's read-ahead stays as it is");
    }
}

/// Whether this program has something mounted there, dead or alive. The mount itself is not asked: it might not answer.
pub fn is_mounted(dir: &Path) -> bool {
    mountinfo_fields(dir).is_some_and(|fields| {
        let mut after_dash = fields.iter().skip_while(|field| field.as_slice() != b"-");
        after_dash.nth(2).is_some_and(|source| source == SOURCE.as_bytes())
    })
}

/// Whether the directory is a mountpoint whose server died.
pub fn is_stale(dir: &Path) -> bool {
    // For as long as its root's attributes are good the kernel answers a stat by itself; room it has to ask for.
    rustix::fs::statfs(dir)
        .is_err_and(|error| matches!(error, rustix::io::Errno::NOTCONN | rustix::io::Errno::CONNABORTED))
}

/// `major:minor` of a mount.
fn device_of(dir: &Path) -> Option<String> {
    String::from_utf8(mountinfo_fields(dir)?.get(2)?.clone()).ok()
}

/// The line of mountinfo about the topmost mount on `dir`, split (facts of FUSE, 6).
fn mountinfo_fields(dir: &Path) -> Option<Vec<Vec<u8>>> {
    let mounts = fs::read("/proc/self/mountinfo").ok()?;
    let lines = mounts.split(|byte| *byte == b'\n').rev();
    let fields = lines.map(|line| line.split(|byte| *byte == b' ').map(unescape).collect::<Vec<_>>());
    fields.into_iter().find(|fields| fields.get(4).is_some_and(|point| point == dir.as_os_str().as_bytes()))
}

/// mountinfo writes blanks and backslashes as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let code = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match code {
            Some(byte) => {
                plain.push(byte);
                rest = &tail[3..];
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_read_back_from_mountinfo() {
        assert_eq!(unescape(br"/mnt/my\040photos"), b"/mnt/my photos");
        assert_eq!(unescape(br"/a\134b\"), br"/a\b\");
        assert!(device_of(Path::new("/")).is_some_and(|device| device.contains(':')));
        assert_eq!(device_of(Path::new("/nowhere at all")), None);
    }
}
