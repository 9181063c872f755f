//! The lock on a state directory: one process has it, and says who it is.

use super::failure::{Exit, Failure};
use super::paths::Paths;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a process whose mount is gone may take to finish.
const PATIENCE: Duration = Duration::from_secs(30);
const WHAT: &str = "state directory";

/// Who has the state directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    pub pid: u32,
    /// Where it is mounted; `None` while it starts, and for commands.
    pub dir: Option<PathBuf>,
}

/// The lock; given up when it is dropped, and by the kernel when the process dies.
#[derive(Debug)]
pub struct StateLock {
    file: File,
}

impl StateLock {
    /// Takes the lock, making the directory where it is missing. One whose mount is gone and who only finishes is
    /// waited for.
    ///
    /// # Errors
    /// Exit code 6 where another process has it, 1 where the directory cannot be used.
    pub fn take(paths: &Paths) -> Result<Self, Failure> {
        make_private(&paths.state)?;
        let path = paths.lock();
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|error| unusable(&paths.state, &error))?;
        let began = Instant::now();
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK && error != rustix::io::Errno::INTR {
                return Err(unusable(&paths.state, &error.into()));
            }
            let holder = read_holder(&file);
            if began.elapsed() > PATIENCE || !holder.as_ref().is_some_and(is_finishing) {
                return Err(held(&paths.state, holder.as_ref()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut lock = Self { file };
        lock.write_holder(None).map_err(|error| unusable(&paths.state, &error))?;
        Ok(lock)
    }

    /// Whether somebody has it, and who.
    pub fn holder(paths: &Paths) -> Option<Holder> {
        let file = File::open(paths.lock()).ok()?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::WOULDBLOCK) => read_holder(&file),
            _ => None,
        }
    }

    /// Says where it is mounted.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_holder(&mut self, dir: Option<&Path>) -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let mut text = format!("{}\n", std::process::id()).into_bytes();
        text.extend_from_slice(dir.map_or(&b""[..], |dir| dir.as_os_str().as_bytes()));
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(&text)
    }
}

/// The lock of whoever changes the account's own files: log-ins go on beside a mount.
#[derive(Debug)]
pub struct AccountLock {
    _file: File,
}

impl AccountLock {
    /// # Errors
    /// Exit code 6 where another command has it, 1 where the directory cannot be used.
    pub fn take(paths: &Paths) -> Result<Self, Failure> {
        make_private(&paths.state)?;
        let path = paths.state.join("account.lock");
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|error| unusable(&paths.state, &error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let why = "another command is changing the account";
                Err(Failure::new(Exit::Running, WHAT, why, "wait for it, then try again"))
            }
            Err(error) => Err(unusable(&paths.state, &error.into())),
        }
    }
}

fn read_holder(file: &File) -> Option<Holder> {
    use std::os::unix::ffi::OsStringExt;
    let (mut file, mut text) = (file, Vec::new());
    file.rewind().ok()?;
    file.read_to_end(&mut text).ok()?;
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let pid = std::str::from_utf8(&text[..end]).ok()?.parse().ok()?;
    let dir = text[end + 1..].to_vec();
    let dir = (!dir.is_empty()).then(|| PathBuf::from(std::ffi::OsString::from_vec(dir)));
    Some(Holder { pid, dir })
}

/// It was mounted and is not any more: it only lets running transfers come to their step's end.
fn is_finishing(holder: &Holder) -> bool {
    holder.dir.as_ref().is_some_and(|dir| !crate::fuse::is_mounted(dir))
}

fn held(state: &Path, holder: Option<&Holder>) -> Failure {
    let who = match holder {
        Some(Holder { pid, dir: Some(dir) }) => format!("process {pid} has mounted it on {}", dir.display()),
        Some(Holder { pid, dir: None }) => format!("process {pid} is using it"),
        None => "another process is using it".into(),
    };
    let what = format!("{WHAT} {}", state.display());
    Failure::new(Exit::Running, &what, who, "unmount that one, or choose another directory with --state")
}

fn unusable(state: &Path, error: &io::Error) -> Failure {
    let what = format!("{WHAT} {}", state.display());
    Failure::new(Exit::Other, &what, error, "check its rights and its disk, or choose another with --state")
}

/// Makes a directory that is the user's alone.
fn make_private(dir: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| unusable(dir, &error))?;
    let metadata = fs::metadata(dir).map_err(|error| unusable(dir, &error))?;
    if !metadata.is_dir() {
        return Err(unusable(dir, &io::Error::from(io::ErrorKind::NotADirectory)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let mut lock = StateLock::take(&paths).unwrap();
        let refused = StateLock::take(&paths).unwrap_err();
        assert_eq!(refused.exit, Exit::Running);
        assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
        lock.write_holder(Some(Path::new("/"))).unwrap();
        let refused = StateLock::take(&paths).unwrap_err();
        assert!(refused.to_string().contains("mounted it on /"), "{refused}");
        assert_eq!(StateLock::holder(&paths).unwrap().dir.as_deref(), Some(Path::new("/")));
        drop(lock);
        assert!(StateLock::holder(&paths).is_none());
        assert!(StateLock::take(&paths).is_ok());
    }

    #[test]
    fn one_whose_mount_is_gone_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let mut lock = StateLock::take(&paths).unwrap();
        lock.write_holder(Some(&dir.path().join("not mounted"))).unwrap();
        let finishing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            drop(lock);
        });
        assert!(StateLock::take(&paths).is_ok());
        finishing.join().unwrap();
    }
}
