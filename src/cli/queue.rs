//! Commands about what is on its way: `info`, `refresh`, `wait`, `pause`, `resume`, `retry`.

use super::args::{Global, InfoArgs, PauseArgs, RetryArgs, WaitArgs};
use super::local::Local;
use super::place::{below_mount, request_paths};
use super::status::{print, read};
use super::{End, Outcome, progress};
use crate::app::{Exit, Failure, Paths, StateLock};
use crate::base::{Clock, Ino, SystemClock, Timestamp, format_bytes};
use crate::control::{Client, ClientError, EntryInfo, Reply, Request, Status, collect_info, resolve};
use crate::namespace::FileState;
use crate::upload::retry_parked;
use indicatif::ProgressBar;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the state of things is asked for.
const TICK: Duration = Duration::from_millis(200);

pub(super) fn refresh(paths: &Paths) -> Outcome {
    ask(paths, "refresh", &Request::Refresh)?;
    Ok(())
}

/// Asks the mount; there must be one.
pub(super) fn ask(paths: &Paths, what: &str, request: &Request) -> Result<Reply, Failure> {
    let client = Client::connect(&paths.control_socket());
    client.and_then(|mut client| client.ask(request)).map_err(|error| Failure::client(what, &error))
}

pub(super) fn pause(paths: &Paths, args: &PauseArgs) -> Outcome {
    let until = args.time.map(|time| SystemClock.now().saturating_add(time));
    let request = Request::Pause { until: until.map(|until| until.0) };
    let offline = |local: &Local| {
        let until = until.unwrap_or(Timestamp(i64::MAX));
        local.store().write(|tx| tx.save_paused_until(Some(until))).map_err(|error| Failure::store("pause", &error))
    };
    Ok(ask_or_write(paths, "pause", &request, offline).map(|_| ())?)
}

pub(super) fn resume(paths: &Paths) -> Outcome {
    let offline = |local: &Local| {
        local.store().write(|tx| tx.save_paused_until(None)).map_err(|error| Failure::store("resume", &error))
    };
    Ok(ask_or_write(paths, "resume", &Request::Resume, offline).map(|_| ())?)
}

/// Through the mount; without one, in what it left.
pub(super) fn ask_or_write(
    paths: &Paths,
    what: &str,
    request: &Request,
    offline: impl FnOnce(&Local) -> Result<(), Failure>,
) -> Result<Option<Reply>, Failure> {
    match Client::connect(&paths.control_socket()).and_then(|mut client| client.ask(request)) {
        Ok(reply) => Ok(Some(reply)),
        Err(ClientError::Nobody) => {
            let _lock = StateLock::take(paths)?;
            let local = Local::open(paths)?.ok_or_else(|| Failure::client(what, &ClientError::Nobody))?;
            offline(&local)?;
            local.store().sync().map_err(|error| Failure::store(what, &error))?;
            Ok(None)
        }
        Err(error) => Err(Failure::client(what, &error)),
    }
}

pub(super) fn retry(paths: &Paths, args: &RetryArgs) -> Outcome {
    let mount = mount_of(paths);
    let request = Request::Retry { paths: request_paths(&args.paths, mount.as_deref()), as_is: args.as_is };
    let mut items = 0;
    let reply = ask_or_write(paths, "retry", &request, |local| {
        items = retry_unmounted(local, args)?;
        Ok(())
    })?;
    if let Some(Reply::Retried { items: taken }) = reply {
        items = taken;
    }
    print(&format!("{items} taken up again.\n"));
    Ok(())
}

fn retry_unmounted(local: &Local, args: &RetryArgs) -> Result<u64, Failure> {
    let namespace = local.namespace();
    let mut inos: Vec<Ino> = Vec::new();
    for path in &args.paths {
        let found = resolve(&namespace, below_mount(path, None).as_os_str().as_bytes());
        let found = found.map_err(|error| unreadable("retry", &error))?;
        inos.push(found.ok_or_else(|| no_entry("retry", path))?);
    }
    let chosen = |ino| args.paths.is_empty() || inos.contains(&ino);
    let retried = retry_parked(&namespace, SystemClock.now(), chosen, args.as_is);
    retried.map_err(|error| Failure::store("retry", &error))
}

fn no_entry(what: &str, path: &Path) -> Failure {
    let remedy = "give a path as it is seen in the mount, or relative to it";
    Failure::new(Exit::Other, what, format!("there is no {}", path.display()), remedy)
}

fn unreadable(what: &str, error: &crate::namespace::NamespaceError) -> Failure {
    Failure::new(Exit::Other, what, error, "try again after the next pull")
}

/// Where this state directory is mounted.
pub(super) fn mount_of(paths: &Paths) -> Option<PathBuf> {
    StateLock::holder(paths)?.dir
}

pub(super) fn info(paths: &Paths, args: &InfoArgs) -> Outcome {
    let entries = entries(paths, &args.paths)?;
    let text = if args.json {
        let json = serde_json::to_string_pretty(&entries);
        json.map_err(|error| Failure::new(Exit::Other, "info", error, "report this"))? + "\n"
    } else {
        entries.iter().map(describe).collect::<Vec<_>>().join("\n")
    };
    print(&text);
    match entries.iter().position(|entry| !entry.found) {
        Some(missing) => Err(no_entry("info", &args.paths[missing]).into()),
        None => Ok(()),
    }
}

pub(super) fn entries(paths: &Paths, wanted: &[PathBuf]) -> Result<Vec<EntryInfo>, Failure> {
    let mount = mount_of(paths);
    let request = Request::Info { paths: request_paths(wanted, mount.as_deref()) };
    match Client::connect(&paths.control_socket()).and_then(|mut client| client.ask(&request)) {
        Ok(Reply::Info { entries }) => Ok(entries),
        Ok(_) => Err(Failure::client("info", &ClientError::Malformed)),
        Err(ClientError::Nobody) => {
            let local = Local::open(paths)?.ok_or_else(|| Failure::client("info", &ClientError::Nobody))?;
            let namespace = local.namespace();
            let collect = |path: &PathBuf| {
                collect_info(&namespace, None, below_mount(path, None).as_os_str().as_bytes())
                    .map_err(|error| unreadable("info", &error))
            };
            wanted.iter().map(collect).collect()
        }
        Err(error) => Err(Failure::client("info", &error)),
    }
}

fn describe(entry: &EntryInfo) -> String {
    let mut text = format!("{}\n", entry.path);
    let mut line = |label: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {label:<7} {value}");
        }
    };
    line("state", entry.state.clone());
    line("reason", entry.reason.clone());
    line("detail", entry.detail.clone());
    line("id", entry.id.map(|id| id.to_string()));
    line("albums", Some(entry.albums.join(", ")).filter(|albums| !albums.is_empty()));
    line("size", entry.size.map(format_bytes));
    line("taken", entry.taken.clone());
    line("until", entry.delete_by.as_ref().map(|time| format!("{time}, then Ente deletes it for good")));
    line("place", entry.place.map(|(latitude, longitude)| format!("{latitude:.6}, {longitude:.6}")));
    line("hash", entry.hash.clone());
    line("copy", entry.local_copy.clone());
    text
}

/// Whether what is waited for is there, is still coming, or needs somebody.
enum Waiting {
    Done,
    Coming,
    Stuck(String),
}

pub(super) fn wait(paths: &Paths, global: &Global, args: &WaitArgs) -> Outcome {
    let began = Instant::now();
    let bar = drain_bar(global);
    loop {
        let state = if args.paths.is_empty() { all_waiting(paths, &bar)? } else { these_waiting(paths, &args.paths)? };
        match state {
            Waiting::Done => return Ok(()),
            Waiting::Stuck(why) => {
                let remedy = "`entefs status` says what to do";
                return Err(Failure::new(Exit::Waiting, "wait", why, remedy).into());
            }
            Waiting::Coming => {}
        }
        if args.timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
            let why = "not everything is in Ente yet";
            return Err(Failure::new(Exit::Waiting, "wait", why, "`entefs status` says what is missing").into());
        }
        std::thread::sleep(TICK);
    }
}

fn all_waiting(paths: &Paths, bar: &ProgressBar) -> Result<Waiting, End> {
    let status = read(paths)?;
    show_drain(bar, &status);
    Ok(if status.is_idle() {
        Waiting::Done
    } else if status.mount.is_none() {
        Waiting::Stuck("nothing is mounted with this state directory".into())
    } else if status.under_way() > 0 || (status.pending_changes > 0 && !status.has_parked()) {
        Waiting::Coming
    } else {
        Waiting::Stuck(format!("{} files are parked", status.parked.len()))
    })
}

fn these_waiting(paths: &Paths, wanted: &[PathBuf]) -> Result<Waiting, End> {
    let entries = entries(paths, wanted)?;
    if let Some(missing) = entries.iter().position(|entry| !entry.found) {
        return Err(no_entry("wait", &wanted[missing]).into());
    }
    let is_in = |entry: &EntryInfo, states: &[FileState]| {
        states.iter().any(|state| entry.state.as_deref() == Some(state.word()))
    };
    let stuck = [FileState::Parked, FileState::Incomplete, FileState::LocalOnly, FileState::DeletedInEnte];
    let settled = |entry: &EntryInfo| entry.state.is_none() || is_in(entry, &[FileState::InEnte]);
    if entries.iter().all(settled) {
        return Ok(Waiting::Done);
    }
    let coming = entries.iter().any(|entry| !settled(entry) && !is_in(entry, &stuck));
    if coming && mount_of(paths).is_some() {
        return Ok(Waiting::Coming);
    }
    let first = entries.iter().find(|entry| !settled(entry)).map(|entry| {
        format!("{} is {}", entry.path, entry.reason.as_deref().or(entry.state.as_deref()).unwrap_or("not in Ente"))
    });
    Ok(Waiting::Stuck(first.unwrap_or_default()))
}

/// A bar over the bytes that wait.
pub(super) fn drain_bar(global: &Global) -> ProgressBar {
    progress::bar(global, 0, "{spinner} Uploading [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta}, {msg}")
}

pub(super) fn show_drain(bar: &ProgressBar, status: &Status) {
    let uploads = &status.uploads;
    let left = uploads.settling.bytes + uploads.waiting.bytes + uploads.uploading.bytes - uploads.uploading.sent;
    let total = bar.length().unwrap_or(0).max(left);
    bar.set_length(total);
    bar.set_position(total - left);
    bar.set_message(format!("{} files", status.under_way()));
}
