//! Commands about many files: `have`, `verify`, `ignored`, `local-only`.

use super::args::{Global, HaveArgs, IgnoredArgs, LocalOnlyArgs, VerifyArgs};
use super::local::Local;
use super::place::{below_mount, request_paths};
use super::queue::{ask, ask_or_write, mount_of};
use super::status::print;
use super::{End, Outcome, progress};
use crate::app::{Exit, Failure, LocalFile, LocalFiles, Paths, hash_files};
use crate::base::{B64, Printable, format_bytes};
use crate::control::{
    Client, ClientError, ListedFile, Reply, Request, VerifiedFile, ignored_files, known_hashes, local_only_files,
    reset_ignored,
};
use crate::store::{Rows, StoreResult};
use indicatif::ProgressBar;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Hashes asked about in one request.
const HASHES: usize = 5000;
/// A copy that is not complete.
const PARTIAL: &str = ".entefs-export.part";
/// What `verify` looks at without a path: everywhere a photo is itself.
const PLACES: [&str; 6] = ["Albums", "Favorites", "Shared", "Archive", "Hidden", "Uncategorized"];

/// Beside the answer.
fn note(text: &str) {
    // Nobody may read it any more.
    let _ = writeln!(io::stderr(), "{text}");
}

fn shown(path: &Path) -> Printable<'_> {
    Printable(path.as_os_str().as_bytes())
}

/// An answer of the mount, or of the rows it left.
fn ask_or_read<T>(
    paths: &Paths,
    what: &str,
    request: &Request,
    told: impl FnOnce(Reply) -> Option<T>,
    read: impl FnOnce(&Rows<'_>) -> StoreResult<T>,
) -> Result<T, Failure> {
    match Client::connect(&paths.control_socket()).and_then(|mut client| client.ask(request)) {
        Ok(reply) => told(reply).ok_or_else(|| Failure::client(what, &ClientError::Malformed)),
        Err(ClientError::Nobody) => {
            let local = Local::open(paths)?.ok_or_else(|| Failure::client(what, &ClientError::Nobody))?;
            local.store().read(read).map_err(|error| Failure::store(what, &error))
        }
        Err(error) => Err(Failure::client(what, &error)),
    }
}

pub(super) fn have(paths: &Paths, global: &Global, args: &HaveArgs) -> Outcome {
    let bar = progress::bar(global, 0, "{spinner} Reading, {bytes}, {bytes_per_sec}");
    let found = hash_files(&args.paths, &mut |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    // What another device deleted a moment ago must not be called safe; offline, the last pull counts.
    match Client::connect(&paths.control_socket()).and_then(|mut client| client.ask(&Request::Refresh)) {
        Ok(_) => {}
        Err(ClientError::Nobody) => note("Nothing is mounted: this is as of the last pull."),
        Err(error) => note(&format!("Ente cannot be asked now ({error}): this is as of the last pull.")),
    }
    let mut missing = Vec::new();
    for part in found.files.chunks(HASHES) {
        missing.extend(missing_of(paths, part)?);
    }
    for file in &missing {
        print(&format!("{}\n", shown(&file.path)));
    }
    conclude_have(&found, missing.len())
}

/// Those of these files that have no hash which Ente knows.
fn missing_of<'f>(paths: &Paths, files: &'f [LocalFile]) -> Result<Vec<&'f LocalFile>, Failure> {
    let hashes: Vec<String> = files.iter().flat_map(|file| file.hashes.clone()).collect();
    let told = |reply| match reply {
        Reply::Known { known } => Some(known),
        _ => None,
    };
    let request = Request::Have { hashes: hashes.clone() };
    let known = ask_or_read(paths, "have", &request, told, |rows| known_hashes(rows, &hashes))?;
    let mut known = known.into_iter();
    // Each file takes its own answers.
    let is_missing = |file: &&LocalFile| known.by_ref().take(file.hashes.len()).filter(|known| *known).count() == 0;
    Ok(files.iter().filter(is_missing).collect())
}

fn conclude_have(found: &LocalFiles, missing: usize) -> Outcome {
    if found.passed_over > 0 {
        let what = "are no photos or videos, or have a temporary or junk name: they were passed over";
        note(&format!("{} files and directories {what}.", found.passed_over));
    }
    for unread in &found.unread {
        note(&format!("{} cannot be read", Printable(unread.as_bytes())));
    }
    let why = match (missing, found.unread.len()) {
        (0, 0) => return Ok(()),
        (0, unread) => format!("{unread} files or directories cannot be read"),
        (missing, _) => format!("{missing} of {} files are not in Ente", found.files.len()),
    };
    let remedy = match missing {
        0 => "check their rights, and the disk or card",
        _ => "copy them into a drop, and wait until `entefs status --idle` is 0",
    };
    Err(Failure::new(Exit::Other, "have", why, remedy).into())
}

/// What `verify` has seen.
#[derive(Default)]
struct Tally {
    good: u64,
    bad: u64,
    unread: u64,
    not_checked: u64,
}

pub(super) fn verify(paths: &Paths, global: &Global, args: &VerifyArgs) -> Outcome {
    let mount = mount_of(paths).ok_or_else(|| Failure::client("verify", &ClientError::Nobody))?;
    let files = files_below(&mount, &args.paths)?;
    let bar = progress::bar(global, files.len() as u64, "{spinner} Verifying [{bar:30}] {pos} of {len}, {eta} left");
    let mut tally = Tally::default();
    for file in &files {
        tally.add(&bar, file, ask_verified(paths, file)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    tally.conclude()
}

impl Tally {
    fn add(&mut self, bar: &ProgressBar, file: &Path, outcome: VerifiedFile) {
        let (count, why) = match outcome {
            VerifiedFile::Good => (&mut self.good, None),
            VerifiedFile::NotChecked => (&mut self.not_checked, None),
            VerifiedFile::Bad(why) => (&mut self.bad, Some(why)),
            VerifiedFile::Unread(why) => (&mut self.unread, Some(why)),
        };
        *count += 1;
        if let Some(why) = why {
            bar.suspend(|| print(&format!("{}: {why}\n", shown(file))));
        }
    }

    fn conclude(&self) -> Outcome {
        if self.not_checked > 0 {
            note(&format!("{} files were passed over: not in Ente yet, or without a hash.", self.not_checked));
        }
        let fail = |exit, why, remedy| Err(Failure::new(exit, "verify", why, remedy).into());
        match self {
            Self { bad: 0, unread: 0, good, .. } => {
                print(&format!("{good} files verified.\n"));
                Ok(())
            }
            Self { bad: 0, unread, good, .. } => {
                fail(Exit::Other, format!("{unread} files could not be read, {good} verify"), "try again later")
            }
            Self { bad, good, .. } => {
                fail(Exit::Data, format!("{bad} files do not verify, {good} do"), "look at them in an Ente app")
            }
        }
    }
}

/// All files at and below these places of the mount, each inode once.
fn files_below(mount: &Path, wanted: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut pending: Vec<PathBuf> = match wanted {
        // Which of them there are depends on the account and the options.
        [] => PLACES.iter().map(PathBuf::from).filter(|place| mount.join(place).is_dir()).collect(),
        given => given.iter().map(|path| below_mount(path, Some(mount))).collect(),
    };
    pending.reverse();
    let (mut files, mut seen) = (Vec::new(), HashSet::new());
    while let Some(below) = pending.pop() {
        let failed = |error: io::Error| {
            let why = format!("{}: {error}", shown(&below));
            Failure::new(Exit::Other, "verify", why, "give paths as they are seen in the mount")
        };
        let meta = fs::symlink_metadata(mount.join(&below)).map_err(failed)?;
        if meta.is_dir() {
            let inside = fs::read_dir(mount.join(&below)).map_err(failed)?;
            let inside = inside.map(|entry| Ok(below.join(entry?.file_name())));
            let mut inside = inside.collect::<io::Result<Vec<PathBuf>>>().map_err(failed)?;
            inside.sort_by(|a, b| b.cmp(a));
            pending.extend(inside);
        } else if meta.is_file() && seen.insert(meta.ino()) {
            files.push(below);
        }
    }
    Ok(files)
}

fn ask_verified(paths: &Paths, below: &Path) -> Result<VerifiedFile, End> {
    let request = Request::Verify { path: B64::of(below.as_os_str().as_bytes()) };
    match ask(paths, "verify", &request)? {
        Reply::Verified(verified) => Ok(verified),
        _ => Err(Failure::client("verify", &ClientError::Malformed).into()),
    }
}

fn listed(
    paths: &Paths,
    what: &str,
    request: &Request,
    read: impl FnOnce(&Rows<'_>) -> StoreResult<Vec<ListedFile>>,
) -> Result<Vec<ListedFile>, Failure> {
    let told = |reply| match reply {
        Reply::Files { files } => Some(files),
        _ => None,
    };
    ask_or_read(paths, what, request, told, read)
}

fn print_files(files: &[ListedFile]) {
    let line = |file: &ListedFile| {
        format!("{:>12}  {}\n", format_bytes(file.bytes), Printable(&file.path.bytes().unwrap_or_default()))
    };
    print(&files.iter().map(line).collect::<String>());
}

pub(super) fn ignored(paths: &Paths, args: &IgnoredArgs) -> Outcome {
    let IgnoredArgs::Reset { paths: wanted } = args else {
        print_files(&listed(paths, "ignored", &Request::Ignored, ignored_files)?);
        return Ok(());
    };
    let below = request_paths(wanted, mount_of(paths).as_deref());
    let bytes: Vec<Vec<u8>> = below.iter().filter_map(B64::bytes).collect();
    let mut entries = 0;
    let reply = ask_or_write(paths, "ignored", &Request::ResetIgnored { paths: below }, |local| {
        entries = reset_ignored(&local.namespace(), &bytes).map_err(|error| Failure::store("ignored", &error))?;
        Ok(())
    })?;
    match reply {
        Some(Reply::Forgotten { entries: told }) => entries = told,
        Some(_) => return Err(Failure::client("ignored", &ClientError::Malformed).into()),
        None => {}
    }
    print(&format!("{entries} forgotten; copied again, they are sent.\n"));
    Ok(())
}

pub(super) fn local_only(paths: &Paths, args: &LocalOnlyArgs) -> Outcome {
    let files = listed(paths, "local-only", &Request::LocalOnly, local_only_files)?;
    let LocalOnlyArgs::Export { dir } = args else {
        print_files(&files);
        return Ok(());
    };
    let what = "local-only export";
    let mount = mount_of(paths).ok_or_else(|| Failure::client(what, &ClientError::Nobody))?;
    if std::path::absolute(dir).is_ok_and(|dir| dir.starts_with(&mount)) {
        return Err(Failure::new(Exit::Usage, what, "that is in the mount", "choose a directory elsewhere").into());
    }
    let mut failed = 0;
    for file in &files {
        let below = PathBuf::from(OsString::from_vec(file.path.bytes().unwrap_or_default()));
        if let Err(error) = export(&mount.join(&below), &dir.join(&below)) {
            failed += 1;
            note(&format!("{}: {error}", shown(&below)));
        }
    }
    print(&format!("{} files copied to {}.\n", files.len() - failed, dir.display()));
    if failed > 0 {
        let why = format!("{failed} files were not copied");
        return Err(Failure::new(Exit::Other, what, why, "choose an empty directory with room, and try again").into());
    }
    Ok(())
}

/// Whole under its name or not at all, and never over something else that is there.
fn export(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    if fs::symlink_metadata(to).is_ok() {
        let other = || io::Error::new(io::ErrorKind::AlreadyExists, "something else is there already");
        return if has_same_bytes(source, File::open(to)?)? { Ok(()) } else { Err(other()) };
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let partial = to.with_file_name(PARTIAL);
    let mut copy = File::create(&partial)?;
    let copied = io::copy(&mut source, &mut copy)
        .and_then(|_| copy.set_modified(source.metadata()?.modified()?))
        .and_then(|()| copy.sync_all())
        .and_then(|()| fs::rename(&partial, to));
    if copied.is_err() {
        // What is left of it is in nobody's way: the next try writes over it.
        let _ = fs::remove_file(&partial);
    }
    copied
}

fn has_same_bytes(one: File, other: File) -> io::Result<bool> {
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (io::BufReader::new(one), io::BufReader::new(other));
    loop {
        let (left, right) = (io::BufRead::fill_buf(&mut one)?, io::BufRead::fill_buf(&mut other)?);
        let len = left.len().min(right.len());
        if len == 0 || left[..len] != right[..len] {
            return Ok(left.is_empty() && right.is_empty());
        }
        io::BufRead::consume(&mut one, len);
        io::BufRead::consume(&mut other, len);
    }
}
