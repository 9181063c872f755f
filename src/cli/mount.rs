//! `mount`, `unmount` and what mount(8) calls.

use super::args::{Global, MountArgs, MountHelperArgs, UnmountArgs};
use super::progress::{MountProgress, print_mounted};
use super::queue::{drain_bar, show_drain};
use super::{End, Outcome, holders, place_of, runtime};
use crate::app::{Config, EngineParts, Exit, Failure, MountOptions, Paths, StateLock, mount_failure, serve_mount};
use crate::control::{Client, ClientError};
use crate::fuse::{self, MountError};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A log larger than this is begun anew.
const MAX_LOG: u64 = 4 << 20;
/// How long a process may take to end after its mount is gone.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn mount(paths: &Paths, global: &Global, args: &MountArgs) -> Outcome {
    let plan = Plan::read(paths, &args.options)?;
    if args.foreground { serve(paths, global, plan, args) } else { detach(paths, global, args) }
}

/// What the config file and the flags say.
pub(super) struct Plan {
    options: MountOptions,
    config: Config,
}

impl Plan {
    pub(super) fn read(paths: &Paths, lists: &[String]) -> Result<Self, Failure> {
        let usage = |why: &dyn std::fmt::Display| Failure::plain(Exit::Usage, "options", why);
        let config = Config::read(&paths.config).map_err(|error| usage(&error))?;
        let mut options = MountOptions::default();
        config.apply(&mut options).map_err(|error| usage(&error))?;
        for list in lists {
            options.apply_list(list).map_err(|error| usage(&error))?;
        }
        Ok(Self { options, config })
    }

    pub(super) fn parts(self, paths: &Paths) -> Result<EngineParts, Failure> {
        let drops = self.config.drop_rules(self.options.settle);
        let drops = drops.map_err(|why| Failure::plain(Exit::Usage, "config file", why))?;
        Ok(EngineParts::new(paths.clone(), self.options, drops))
    }
}

/// What a mount would be told by the config file alone.
pub(super) fn configured(paths: &Paths) -> Result<EngineParts, Failure> {
    Plan::read(paths, &[])?.parts(paths)
}

fn serve(paths: &Paths, global: &Global, plan: Plan, args: &MountArgs) -> Outcome {
    if args.detached {
        // Out of the terminal's reach; a process that leads its group already is.
        let _ = rustix::process::setsid();
    }
    let lock = StateLock::take(paths)?;
    let log = args.detached.then(|| paths.state.join("entefs.log"));
    let view = Arc::new(MountProgress::new(global, move |dir| {
        print_mounted(dir);
        if let Some(log) = log {
            go_silent(&log);
        }
    }));
    let parts = plan.parts(paths)?;
    let runtime = runtime()?;
    let served = runtime.block_on(serve_mount(parts, &args.dir, lock, view));
    // What is still in a system call is cut off; a kill may do that at any time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(served?)
}

/// The terminal may go: from here on the log is a file.
fn go_silent(path: &Path) {
    if let Err(error) = redirect(path) {
        tracing::warn!(%error, "the log goes nowhere");
    }
}

fn redirect(path: &Path) -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stdin(&null)?;
    let log: File = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if log.metadata()?.len() > MAX_LOG {
        log.set_len(0)?;
    }
    rustix::stdio::dup2_stderr(&log)?;
    Ok(())
}

/// Starts this program again in the background, and returns when the tree is usable.
fn detach(paths: &Paths, global: &Global, args: &MountArgs) -> Outcome {
    let failed = |error: io::Error| Failure::new(Exit::Mount, "mount", error, "mount with -f, or see the log");
    let mut child = Command::new("/proc/self/exe")
        .args(global_arguments(paths, global))
        .args(["mount", "--foreground", "--detached"])
        .args(args.options.iter().flat_map(|list| ["-o".to_owned(), list.clone()]))
        .arg("--")
        .arg(&args.dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).map_err(failed)?;
    }
    if line.starts_with("mounted on ") {
        return Ok(());
    }
    let status = child.wait().map_err(failed)?;
    // It has said on stderr what went wrong.
    Err(End::Code(status.code().map_or(Exit::Other, |code| Exit::from_code(code as u8))))
}

fn global_arguments(paths: &Paths, global: &Global) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    for (flag, path) in [("--state", &paths.state), ("--cache", &paths.cache), ("--config", &paths.config)] {
        arguments.extend([flag.into(), absolute(path).into_os_string()]);
    }
    arguments.extend(std::iter::repeat_n(OsString::from("-v"), global.verbose.into()));
    arguments.extend(global.quiet.then(|| OsString::from("-q")));
    arguments
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

pub(super) fn unmount(paths: &Paths, global: &Global, args: &UnmountArgs) -> Outcome {
    let dir = real_mountpoint(&args.dir)?;
    let drained = if args.wait { drain(paths, global, &dir)? } else { true };
    fuse::unmount(&dir, false).map_err(|error| refusal(&dir, &error))?;
    await_end(paths, &dir);
    if drained {
        return Ok(());
    }
    let why = "unmounted, and some files are parked: they are kept here, and are not in Ente";
    Err(Failure::new(Exit::Waiting, "unmount", why, "`entefs status` says what to do").into())
}

/// The mountpoint as the kernel has it. The mount itself is not asked: it may be dead.
fn real_mountpoint(dir: &Path) -> Result<PathBuf, Failure> {
    let given = absolute(dir);
    let real = given.parent().and_then(|parent| parent.canonicalize().ok()).zip(given.file_name());
    let candidates = [Some(given.clone()), real.map(|(parent, name)| parent.join(name)), given.canonicalize().ok()];
    let found = candidates.into_iter().flatten().find(|dir| fuse::is_mounted(dir));
    found.ok_or_else(|| {
        let what = format!("unmount {}", dir.display());
        Failure::new(Exit::Mount, &what, "entefs is not mounted there", "`entefs status` says where it is")
    })
}

/// Uploads all that waits. Answers whether everything is in Ente.
fn drain(paths: &Paths, global: &Global, dir: &Path) -> Result<bool, Failure> {
    let bar = drain_bar(global);
    loop {
        let client = Client::connect(&paths.control_socket());
        let status = match client.and_then(|mut client| client.status()) {
            Ok(status) => status,
            Err(error @ ClientError::Nobody) => {
                let what = format!("unmount {}", dir.display());
                return Err(Failure::new(Exit::Other, &what, error, "give the right --state, or leave out --wait"));
            }
            Err(error) => return Err(Failure::client("unmount", &error)),
        };
        show_drain(&bar, &status);
        if status.is_idle() {
            return Ok(true);
        }
        if status.under_way() == 0 && (status.pending_changes == 0 || status.has_parked()) {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn refusal(dir: &Path, error: &MountError) -> Failure {
    let MountError::Unmount { busy: true, .. } = error else { return mount_failure(error) };
    let holders = holders::of(dir);
    let what = format!("unmount {}", dir.display());
    let why = if holders.is_empty() { "it is busy".into() } else { format!("it is held by {}", holders.join(", ")) };
    Failure::new(Exit::Mount, &what, why, "close what uses it, then try again")
}

/// Whoever mounts next finds the state directory free.
fn await_end(paths: &Paths, dir: &Path) {
    let began = Instant::now();
    while began.elapsed() < PATIENCE
        && StateLock::holder(paths).is_some_and(|holder| holder.dir.as_deref() == Some(dir))
    {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `mount -t entefs SOURCE DIR -o …`, and lines of fstab. A source that begins with a slash is the state directory.
pub(super) fn mount_helper(global: &Global, args: &MountHelperArgs) -> Outcome {
    if args.fake {
        return Ok(());
    }
    let mut global = global.clone();
    if args.source.starts_with('/') {
        global.state = Some(args.source.clone().into());
    }
    let mut rest = Vec::new();
    for word in args.options.iter().flat_map(|list| list.split(',')).filter(|word| !word.is_empty()) {
        match word.split_once('=') {
            Some(("state", dir)) => global.state = Some(dir.into()),
            Some(("cache", dir)) => global.cache = Some(dir.into()),
            Some(("config", file)) => global.config = Some(file.into()),
            _ => rest.push(word.to_owned()),
        }
    }
    if args.sloppy {
        rest.retain(|word| MountOptions::default().apply(word).is_ok());
    }
    let options = vec![rest.join(",")];
    let mount_args = MountArgs { dir: args.dir.clone(), foreground: false, options, detached: false };
    mount(&place_of(&global)?, &global, &mount_args)
}
