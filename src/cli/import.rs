//! `import`: says what it will do, does it here or in the mount that runs, and reports.

use super::args::{AlbumsWord, Global, ImportArgs};
use super::local::Local;
use super::mount::Plan as MountPlan;
use super::status::{print, read};
use super::{End, Outcome, progress, runtime};
use crate::app::{Exit, Failure, ImportRequest, Paths, StateLock, import_unmounted};
use crate::base::{B64, Printable, format_bytes};
use crate::control::{Client, ClientError, Reply, Request};
use crate::import::{Choice, Plan, Progress, Report, Skipped, Sources, plan_import};
use crate::tree::AlbumMapping;
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(200);
/// Albums and files that are told by name; more are counted.
const TOLD: usize = 20;

pub(super) fn import(paths: &Paths, global: &Global, args: &ImportArgs) -> Outcome {
    let request = request_of(args)?;
    let status = read(paths)?;
    let plan = {
        let sources = Sources::open(&request.sources);
        let sources = sources.map_err(|error| Failure::new(Exit::Other, "import", error, "check what was named"))?;
        plan_import(&sources, &request.choice)
    };
    let waiting = status.uploads.waiting.bytes + status.uploads.uploading.bytes + status.uploads.settling.bytes;
    let free = (status.storage.total > 0).then(|| status.storage.total.saturating_sub(status.storage.used + waiting));
    print(&announce(&plan, free));
    if args.dry_run {
        print(&list_skipped(&plan.skipped));
        return Ok(());
    }
    let report = match Client::connect(&paths.control_socket()) {
        Ok(mut client) => import_mounted(&mut client, global, &request)?,
        Err(ClientError::Nobody) => import_here(paths, global, request)?,
        Err(error) => return Err(Failure::client("import", &error).into()),
    };
    conclude(&report)
}

fn request_of(args: &ImportArgs) -> Result<ImportRequest, Failure> {
    let albums = match (args.albums, &args.album) {
        (Some(AlbumsWord::Single), _) | (None, Some(_)) => AlbumMapping::Single,
        (Some(AlbumsWord::Separate) | None, _) => AlbumMapping::Separate,
        (Some(AlbumsWord::Path), _) => AlbumMapping::Path,
    };
    let mut sources = Vec::new();
    for path in &args.sources {
        let real = path.canonicalize().map_err(|error| {
            Failure::new(Exit::Other, &format!("import of {}", path.display()), error, "check its path and its rights")
        })?;
        if !sources.contains(&real) {
            sources.push(real);
        }
    }
    Ok(ImportRequest { sources, choice: Choice { albums, album: args.album.clone() } })
}

/// What it will do, and whether the plan has room.
fn announce(plan: &Plan, free: Option<u64>) -> String {
    let (albums, mut text) = (plan.albums(), String::new());
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{} photos and videos, {}, into {} albums; {} sidecars; {} files are left out.",
        plan.files(),
        format_bytes(plan.bytes()),
        albums.len(),
        plan.sidecars,
        plan.skipped.len()
    );
    for (album, files) in albums.iter().take(TOLD) {
        let _ = writeln!(text, "  {:<40} {files}", Printable(album.as_bytes()).to_string());
    }
    if albums.len() > TOLD {
        let _ = writeln!(text, "  … and {} more", albums.len() - TOLD);
    }
    let needed = plan.new_bytes();
    let room = match free {
        None => "How much room the plan has is not known yet.".into(),
        Some(free) if free < needed => format!(
            "The plan has no room for all of it: up to {} are needed, {} are free. What does not fit stays out.",
            format_bytes(needed),
            format_bytes(free)
        ),
        Some(free) => {
            format!("The plan has room: up to {} of {} free are needed.", format_bytes(needed), format_bytes(free))
        }
    };
    text + &room + "\n"
}

fn import_here(paths: &Paths, global: &Global, request: ImportRequest) -> Result<Report, End> {
    // Said before the lock is taken, and in its own words.
    Local::open(paths)?;
    let lock = StateLock::take(paths)?;
    let parts = MountPlan::read(paths, &[])?.parts(paths)?;
    let (bar, pulling) = (bar(global), progress::spinner(global, "Reading the account"));
    let runtime = runtime()?;
    let cleared = pulling.clone();
    let report = runtime.block_on(import_unmounted(
        parts,
        lock,
        request,
        move |now| pulling.set_message(format!("Reading the account: {} photos", now.photos)),
        move |now| {
            cleared.finish_and_clear();
            show(&bar, now);
        },
    ));
    // What is still in a system call is cut off; a kill may do that at any time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(report?)
}

/// The mount does it; Ctrl-C leaves it at that.
fn import_mounted(client: &mut Client, global: &Global, request: &ImportRequest) -> Result<Report, Failure> {
    let failed = |error: ClientError| Failure::client("import", &error);
    let sources = request.sources.iter().map(|path| B64::of(path.as_os_str().as_bytes())).collect();
    client.ask(&Request::Import { sources, choice: request.choice.clone() }).map_err(failed)?;
    let bar = bar(global);
    loop {
        match client.ask(&Request::ImportState).map_err(failed)? {
            Reply::Import { report: Some(report), .. } => return Ok(report),
            Reply::Import { progress, .. } => show(&bar, progress),
            _ => return Err(failed(ClientError::Malformed)),
        }
        std::thread::sleep(TICK);
    }
}

fn bar(global: &Global) -> ProgressBar {
    progress::bar(global, 0, "{spinner} Importing [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta}, {msg}")
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.bytes);
    bar.set_position(progress.done_bytes);
    bar.set_message(format!("{} of {} files, {} on their way", progress.done_files, progress.files, progress.waiting));
}

fn conclude(report: &Report) -> Outcome {
    let mut text = format!(
        "{} uploaded or linked by their bytes, {} added to one more album, {} were there already, {} left out.\n",
        report.sent.saturating_sub(report.parked),
        report.linked,
        report.known,
        report.skipped.len()
    );
    text += &list_skipped(&report.skipped);
    print(&text);
    if report.parked + report.left > 0 {
        let why = format!("{} files stand still, {} were not begun", report.parked, report.left);
        let remedy = "`entefs status` says what to do; then run the same command again";
        return Err(Failure::new(Exit::Waiting, "import", why, remedy).into());
    }
    Ok(())
}

/// Which files are left out, by reason.
fn list_skipped(skipped: &[Skipped]) -> String {
    let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for file in skipped {
        by_reason.entry(file.why.to_string()).or_default().push(&file.path);
    }
    let mut text = String::new();
    for (why, paths) in by_reason {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "Left out, {why}: {}", paths.len());
        for path in paths.iter().take(TOLD) {
            let _ = writeln!(text, "  {}", Printable(path.as_bytes()));
        }
        if paths.len() > TOLD {
            let _ = writeln!(text, "  … and {} more", paths.len() - TOLD);
        }
    }
    text
}
