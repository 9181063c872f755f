//! What the machine has, other people's programs, and what the standard library hides.

use std::fs::File;
use std::io;
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program under test: this build's, or another one.
pub fn program() -> PathBuf {
    std::env::var_os("ENTEFS_TEST_BIN").map_or_else(|| env!("CARGO_BIN_EXE_entefs").into(), PathBuf::from)
}

/// A figure that the environment may raise.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says why a test is left out.
pub fn skip(why: &str) {
    eprintln!("left out: {why}");
}

/// Whether something can be mounted here; else says why not. In CI it must be so.
#[track_caller]
pub fn can_mount() -> bool {
    let fuse = File::options().read(true).write(true).open("/dev/fuse");
    let why = match fuse {
        Err(error) => format!("/dev/fuse cannot be used: {error}"),
        Ok(_) if !is_root() && !has_program("fusermount3") => "fusermount3 is not installed".into(),
        Ok(_) => return true,
    };
    assert!(std::env::var_os("CI").is_none(), "left out in CI: {why}");
    skip(&why);
    false
}

pub fn has_program(name: &str) -> bool {
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok()
}

/// Runs a program that must say nothing on stderr and end well; answers its stdout.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().expect("the program is installed");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stderr.is_empty(), "{command:?}: {status}\n{stderr}{stdout}");
    stdout.into_owned()
}

/// What `close(2)` says, which the standard library does not tell.
pub fn close(file: File) -> io::Result<()> {
    // SAFETY: the descriptor is ours and nobody uses it afterwards.
    if unsafe { libc::close(file.into_raw_fd()) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A filesystem of its own, for as long as the value lives.
pub struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// A filesystem in memory; `None`, said aloud, where that is not possible.
    pub fn tmpfs(dir: &Path, size: &str) -> Option<Self> {
        if !is_root() {
            skip("a small filesystem needs root");
            return None;
        }
        std::fs::create_dir_all(dir).expect("a directory");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(dir));
        Some(Self { dir: dir.into() })
    }

    #[track_caller]
    pub fn remount(&self, options: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.dir));
    }

    /// A filesystem that is there already.
    pub fn adopt(dir: &Path) -> Self {
        Self { dir: dir.into() }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.dir).stderr(Stdio::null()).status();
    }
}

/// The names in a directory, in order.
#[track_caller]
pub fn sorted(dir: &Path) -> Vec<String> {
    try_sorted(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
}

/// The same where it may be gone.
pub fn try_sorted(dir: &Path) -> io::Result<Vec<String>> {
    let name = |entry: io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = std::fs::read_dir(dir)?.map(name).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}
