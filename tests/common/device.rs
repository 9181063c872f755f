//! A device: a state directory, a cache directory, a mountpoint, and the real program between them.

use super::system::program;
use super::{PATIENCE, await_some, try_await_some};
use entefs::control::{Client as ControlClient, ClientError, Reply, Request, Status};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// A mount that lasts longer hangs: whoever waits for it must be let go.
const LONGEST: Duration = Duration::from_secs(900);
/// Quick, so that tests are.
const OPTIONS: &str = "settle=300ms,poll=1s";

/// What becomes of the mountpoint of a killed daemon.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// It is unmounted, as a reboot does.
    AndClear,
    /// It stays, dead.
    Only,
}

pub struct Device {
    pub state: PathBuf,
    pub cache: PathBuf,
    config: PathBuf,
    mnt: PathBuf,
    /// Appended to by every run.
    log: PathBuf,
    options: String,
    running: Option<Running>,
}

/// The daemon; dropping it lets the watchdog go.
struct Running {
    child: Child,
    _watchdog: Sender<()>,
}

impl Device {
    pub(super) fn new(root: &Path, mnt: &Path) -> Self {
        for dir in [root, mnt] {
            fs::create_dir_all(dir).expect("a temporary directory");
        }
        Self {
            state: root.join("state"),
            cache: root.join("cache"),
            config: root.join("config.toml"),
            mnt: mnt.into(),
            log: mnt.with_extension("log"),
            options: OPTIONS.into(),
            running: None,
        }
    }

    /// More mount options.
    pub fn set_options(&mut self, more: &str) {
        self.options = format!("{OPTIONS},{more}");
    }

    /// A place in the mount.
    pub fn path(&self, below: &str) -> PathBuf {
        self.mnt.join(below)
    }

    pub fn drop_dir(&self) -> PathBuf {
        self.path("Drop")
    }

    pub fn mountpoint(&self) -> &Path {
        &self.mnt
    }

    /// The program with this device's directories, and nothing of the caller's environment that could matter.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program());
        for variable in ["ENTEFS_ENDPOINT", "CREDENTIALS_DIRECTORY", "DBUS_SESSION_BUS_ADDRESS", "NOTIFY_SOCKET"] {
            command.env_remove(variable);
        }
        command.env("ENTEFS_STATE_DIR", &self.state).env("ENTEFS_CACHE_DIR", &self.cache);
        command.env("ENTEFS_CONFIG", &self.config).env("NO_COLOR", "1").stdin(Stdio::null());
        command.args(arguments);
        command
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    fn mount_command(&self) -> Command {
        let mut command = self.command(["mount", "-f", "-o", &self.options]);
        command.arg(&self.mnt);
        command
    }

    /// Mounts; the tree is usable when this returns.
    #[track_caller]
    pub fn mount(&mut self) {
        assert!(self.running.is_none(), "mounted already");
        let log = File::options().create(true).append(true).open(&self.log).expect("a log");
        let mut command = self.mount_command();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
        let (alive, watched) = channel();
        watch(child.id(), watched);
        let line = first_line(child.stdout.take().expect("it is a pipe"));
        self.running = Some(Running { child, _watchdog: alive });
        assert!(line.is_some_and(|line| line.starts_with("mounted on ")), "not mounted: {}", self.log());
    }

    /// Mounts where that must fail.
    pub fn try_mount(&self) -> Output {
        self.mount_command().output().expect("the program starts")
    }

    /// `kill -9`.
    #[track_caller]
    pub fn kill(&mut self, kill: Kill) {
        let Some(mut running) = self.running.take() else { return };
        running.child.kill().expect("it is ours");
        if try_await_some(|| running.child.try_wait().expect("it is ours")).is_none() {
            self.clear();
            assert!(std::thread::panicking(), "a killed daemon waits for itself in the kernel");
        }
        if kill == Kill::AndClear {
            self.clear();
        }
    }

    fn clear(&self) {
        let mut command = Command::new(if super::is_root() { "umount" } else { "fusermount3" });
        // By force: what waits for a daemon that hangs is let go.
        command.args(if super::is_root() { &["-f", "-l"][..] } else { &["-u", "-z"] }).arg(&self.mnt);
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    /// Unmounts as a person does; everything has ended when this returns.
    #[track_caller]
    pub fn unmount(&mut self) {
        let output = self.run([Path::new("unmount"), &self.mnt]);
        assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), self.log());
        let status = self.wait_exit();
        assert!(status.success(), "the daemon ended with {status}: {}", self.log());
    }

    /// Waits for the daemon to end by itself.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let mut running = self.running.take().expect("it runs");
        await_some(|| running.child.try_wait().expect("it is ours"), || "the daemon does not end".into())
    }

    #[track_caller]
    pub fn remount(&mut self) {
        self.unmount();
        self.mount();
    }

    /// Unmounts, removes the cache and mounts again.
    #[track_caller]
    pub fn remount_without_cache(&mut self) {
        self.unmount();
        fs::remove_dir_all(&self.cache).expect("it may be deleted at any time");
        self.mount();
    }

    fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
        ControlClient::connect(&self.state.join("control.sock")).and_then(|mut client| client.ask(request))
    }

    #[track_caller]
    pub fn status(&self) -> Status {
        match self.ask(&Request::Status) {
            Ok(Reply::Status(status)) => *status,
            other => panic!("no status: {other:?}\n{}", self.log()),
        }
    }

    /// Pulls now.
    #[track_caller]
    pub fn refresh(&self) {
        assert_eq!(self.ask(&Request::Refresh).map_err(|error| error.to_string()), Ok(Reply::Done));
    }

    /// Waits until everything accepted is in Ente, as long as it becomes less.
    #[track_caller]
    pub fn wait_idle(&self) {
        let left = |status: &Status| (!status.is_idle()).then(|| status.under_way() + status.pending_changes);
        let mut least = u64::MAX;
        while let Some(now) = left(&self.status()) {
            least = least.min(now);
            await_some(
                || left(&self.status()).is_none_or(|now| now < least).then_some(()),
                || format!("not idle: {:#?}\n{}", self.status(), self.log()),
            );
        }
    }

    /// What the daemon said on stderr, in all its runs.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// What a program prints first, unless it keeps silent for longer than anybody waits.
fn first_line(stdout: ChildStdout) -> Option<String> {
    let (said, heard) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let _ = said.send(read.map(|_| line));
    });
    heard.recv_timeout(PATIENCE).ok().map(|line| line.expect("a pipe can be read"))
}

/// Ends a daemon that hangs, so that nobody waits for it for ever.
fn watch(pid: u32, done: Receiver<()>) {
    std::thread::spawn(move || {
        if done.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
            eprintln!("a mount has lasted for {LONGEST:?}: it is killed");
            let pid = rustix::process::Pid::from_raw(pid as i32);
            let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        }
    });
}

impl Drop for Device {
    fn drop(&mut self) {
        if std::thread::panicking() && self.running.is_some() {
            eprintln!("log of {}:\n{}", self.mnt.display(), self.log());
        }
        self.kill(Kill::AndClear);
        // A tree of somebody's photos must never be what a temporary directory's removal walks into.
        assert!(std::thread::panicking() || !is_mounted(&self.mnt), "a mount is left over");
    }
}

fn is_mounted(dir: &Path) -> bool {
    entefs::fuse::is_mounted(dir)
}
