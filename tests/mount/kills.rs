//! Issue 3, point 4: what was accepted arrives exactly once, whatever dies when.

use super::ledger::Ledger;
use crate::common::{Device, Kill, Random, World, await_that, close, hash_text, jpeg, number, sorted};
use entefs::embedded::{Method, Outcome, When};
use entefs::wire::path;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Every call between a closed file and a photo, in their order; which of them, where there are several.
const CALLS: [(Method, &str, u32); 7] = [
    (Method::POST, path::UPLOAD_URL, 1),
    (Method::GET, path::UPLOAD_URLS, 1),
    (Method::PUT, OBJECTS, 1),
    (Method::PUT, OBJECTS, 2),
    (Method::POST, path::COLLECTIONS, 1),
    (Method::POST, path::FILES, 1),
    (Method::POST, path::ADD_FILES, 1),
];
pub const OBJECTS: &str = "/objects";
/// The photo that the last of these calls links: it is in Ente before.
const KNOWN: &str = "known.jpg";

/// How often a call was made.
pub fn asked(world: &World, method: &Method, path: &str) -> u64 {
    let counts = world.server().request_counts();
    let wanted = |route: &str| match path {
        OBJECTS => route.starts_with(&format!("{method} {OBJECTS}/")),
        path => route == format!("{method} {path}"),
    };
    counts.iter().filter(|(route, _)| wanted(route)).map(|(_, count)| count).sum()
}

/// Drops what makes the program call `path`: a new photo in a new album, or one that is in Ente already.
fn drop_case(device: &Device, ledger: &mut Ledger, case: &str, path: &str) {
    let dir = device.drop_dir().join(case);
    fs::create_dir(&dir).expect("a directory");
    let (name, bytes) = match path {
        path::ADD_FILES => (KNOWN.to_owned(), known()),
        _ => (format!("{case}.jpg"), jpeg(u64::from(crc(case)), 70_000)),
    };
    let mut file = File::create(dir.join(&name)).expect("a file");
    file.write_all(&bytes).expect("its bytes");
    close(file).expect("accepted");
    ledger.expect(&name, &bytes, case);
}

fn known() -> Vec<u8> {
    jpeg(4242, 3000)
}

fn crc(text: &str) -> u32 {
    text.bytes().fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

/// A world in which [`KNOWN`] is in Ente.
fn prepared(world: &World) -> (Device, Ledger) {
    let (device, mut ledger) = (world.mounted(), Ledger::default());
    fs::write(device.drop_dir().join(KNOWN), known()).expect("a file");
    ledger.expect(KNOWN, &known(), "Drop");
    device.wait_idle();
    (device, ledger)
}

/// "`kill -9` of the daemon at every stage of an upload, then remount: every file whose close returned 0 arrives
/// exactly once, byte for byte."
#[test]
fn a_kill_at_any_stage_of_an_upload_loses_and_doubles_nothing() {
    let Some(world) = World::start() else { return };
    let (mut device, mut ledger) = prepared(&world);
    for (method, path, nth) in CALLS {
        for when in [When::Before, When::After] {
            let case = format!("{method} {} {nth} {when:?}", path.trim_matches('/').replace('/', "-"));
            if path == path::UPLOAD_URLS {
                // They come many at a time: those that are left would do.
                device.remount();
            }
            let before = asked(&world, &method, path);
            world.fail_nth(method.clone(), path, nth, when, Outcome::Hang);
            drop_case(&device, &mut ledger, &case, path);
            await_that(&case, || asked(&world, &method, path) >= before + u64::from(nth));
            // The call has its effect, if it is to have one.
            thread::sleep(Duration::from_millis(150));
            device.kill(Kill::AndClear);
            world.server().clear_faults();
            device.mount();
            device.wait_idle();
        }
    }
    ledger.check(world.client());
    device.remount_without_cache();
    check_drop(&device, &ledger);
}

/// What was dropped is still there, as it was.
#[track_caller]
fn check_drop(device: &Device, ledger: &Ledger) {
    let mut found = Ledger::default();
    visit(&device.drop_dir(), &mut |file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let dir = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        found.expect(&name, &fs::read(file).expect("it reads"), &dir);
    });
    ledger.check_equal(&found);
}

fn visit(dir: &Path, each: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { visit(&path, each) } else { each(&path) }
    }
}

/// "The same with the server failing before and after the effect of each call": once, and for longer than the quick
/// repeats last.
#[test]
fn a_server_that_fails_before_or_after_the_effect_of_any_call_loses_and_doubles_nothing() {
    let Some(world) = World::start() else { return };
    let (mut device, mut ledger) = prepared(&world);
    for (index, outcome) in [Outcome::Status(500), Outcome::Status(503), Outcome::Reset].into_iter().enumerate() {
        for (method, path, nth) in CALLS {
            for when in [When::Before, When::After] {
                let case = format!("{index} {method} {} {nth} {when:?}", path.trim_matches('/').replace('/', "-"));
                if path == path::UPLOAD_URLS {
                    device.remount();
                }
                let times = if index == 0 { 5 } else { 1 };
                let before = asked(&world, &method, path);
                for nth in nth..nth + times {
                    world.fail_nth(method.clone(), path, nth, when, outcome);
                }
                drop_case(&device, &mut ledger, &case, path);
                await_that(&case, || asked(&world, &method, path) >= before + u64::from(nth));
                // What is left of these would hit the next case's calls.
                if index > 0 {
                    device.wait_idle();
                    world.server().clear_faults();
                }
            }
        }
        device.wait_idle();
        world.server().clear_faults();
    }
    device.wait_idle();
    ledger.check(world.client());
    check_drop(&device, &ledger);
}

/// A file being copied in, by name: the bytes it shall have, and whether its close returned 0.
pub(super) type Copied = BTreeMap<String, (Vec<u8>, bool)>;

/// Copies photos in, in several writes each, until the mount dies or `stop` says so.
pub(super) fn ingest(dir: &Path, run: u64, mut random: Random, stop: &AtomicBool) -> Copied {
    let mut copied = Copied::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{run:03}-{number:03}.jpg");
        let extra = if random.below(8) == 0 { 400_000 } else { random.below(60_000) as usize };
        let bytes = jpeg(random.next(), extra);
        let done = copy_in(&dir.join(&name), &bytes, &mut random);
        let is_closed = done.is_ok();
        copied.insert(name, (bytes, is_closed));
        if !is_closed {
            break;
        }
    }
    copied
}

fn copy_in(path: &Path, bytes: &[u8], random: &mut Random) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let len = (4096 + random.below(100_000) as usize).min(rest.len());
        file.write_all(&rest[..len])?;
        rest = &rest[len..];
        if random.below(4) == 0 {
            thread::sleep(Duration::from_micros(random.below(3000)));
        }
    }
    close(file)
}

/// "200 kills at random moments of an ingest: 0 lost, 0 doubled, 0 damaged", "and no half-written file ever becomes a
/// photo."
#[test]
fn kills_at_random_moments_of_an_ingest_lose_double_and_damage_nothing() {
    let Some(world) = World::start() else { return };
    let kills = number("ENTEFS_TEST_KILLS", 10);
    let mut random = Random::announced("kills");
    let mut device = world.device();
    let mut all = Copied::new();
    for run in 0..kills {
        device.mount();
        check_accepted(&device.drop_dir(), &all);
        let (dir, stop, seed) = (device.drop_dir(), AtomicBool::new(false), random.next());
        let copied = thread::scope(|scope| {
            let writer = scope.spawn(|| ingest(&dir, run, Random::new(seed), &stop));
            thread::sleep(Duration::from_millis(50 + random.below(1500)));
            device.kill(Kill::Only);
            stop.store(true, Ordering::Relaxed);
            writer.join().expect("the writer ends with the mount")
        });
        all.extend(copied);
    }
    device.mount();
    check_accepted(&device.drop_dir(), &all);
    device.wait_idle();
    check_ingested(&world, &device, &all);
}

/// A notice to the kernel waited for a directory that an operation held which was being answered: the killed daemon could
/// not end, its connection stayed open, and who had asked hung for ever.
#[test]
fn a_daemon_killed_while_it_tells_the_kernel_of_changes_ends() {
    let Some(world) = World::start() else { return };
    let mut device = world.device();
    device.mount();
    let (albums, names) = (["A", "B"], ["a.jpg", "b.jpg"]);
    albums.iter().for_each(|album| fs::create_dir(device.path("Albums").join(album)).expect("an album"));
    let path = |device: &Device, album: &str, name: &str| device.path("Albums").join(album).join(name);
    for (seed, name) in (0..).zip(names) {
        fs::write(path(&device, "A", name), jpeg(seed, 10_000)).expect("a photo");
    }
    device.wait_idle();
    names.iter().for_each(|name| fs::hard_link(path(&device, "A", name), path(&device, "B", name)).expect("in both"));
    device.wait_idle();
    for _ in 0..number("ENTEFS_TEST_NOTICE_KILLS", 5) {
        // A rename in one album is told of in the other, which another rename has to itself.
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for (album, name) in albums.into_iter().zip(names) {
                let (one, two) = (path(&device, album, name), path(&device, album, &format!("other {name}")));
                let (from, to) = if one.exists() { (one, two) } else { (two, one) };
                let stop = &stop;
                scope.spawn(move || {
                    let swap = || fs::rename(&from, &to).and_then(|()| fs::rename(&to, &from));
                    while !stop.load(Ordering::Relaxed) && swap().is_ok() {}
                });
            }
            thread::sleep(Duration::from_millis(300));
            device.kill(Kill::Only);
            stop.store(true, Ordering::Relaxed);
        });
        device.mount();
    }
}

/// Files whose close returned 0 are there whole, long before they are in Ente. The last few are enough.
#[track_caller]
pub(super) fn check_accepted(dir: &Path, all: &Copied) {
    for (name, (bytes, _)) in all.iter().rev().filter(|(_, (_, is_closed))| *is_closed).take(20) {
        let found = fs::read(dir.join(name)).unwrap_or_else(|error| panic!("{name} was accepted: {error}"));
        assert!(&found == bytes, "{name} is damaged: {} bytes instead of {}", found.len(), bytes.len());
    }
}

#[track_caller]
pub(super) fn check_ingested(world: &World, device: &Device, all: &Copied) {
    let mut accepted: BTreeMap<&str, &[u8]> =
        all.iter().filter(|(_, file)| file.1).map(|(name, file)| (name.as_str(), file.0.as_slice())).collect();
    let count = accepted.len();
    let mut unanswered = 0;
    for photo in world.client().photos().iter().filter(|photo| photo.title != REWRITTEN_NAME) {
        let bytes = world.client().download(photo);
        let Some((whole, is_closed)) = all.get(&photo.title) else { panic!("{}: nobody's photo", photo.title) };
        assert!(&bytes == whole, "{} is half-written or damaged in Ente", photo.title);
        assert_eq!(photo.hash, hash_text(&bytes));
        match accepted.remove(photo.title.as_str()) {
            Some(_) => {}
            // Its close never returned, and all of it had arrived.
            None if !is_closed => unanswered += 1,
            None => panic!("{} is in Ente twice", photo.title),
        }
    }
    assert!(accepted.is_empty(), "lost: {:?}", accepted.keys());
    assert!(world.client().album_names().len() <= 1, "one album: {:?}", world.client().album_names());
    assert_eq!(world.client().trashed(), []);
    let status = device.status();
    println!(
        "{count} files accepted and in Ente, {unanswered} whole without an answer, parked {:?}",
        status.parked.len()
    );
}

const REWRITTEN: usize = 150_000;
/// The file that is rewritten.
pub(super) const REWRITTEN_NAME: &str = "rewritten.jpg";

/// One version of the file that is rewritten: all are of one length.
fn version(number: u64) -> Vec<u8> {
    jpeg(0x5EED << 32 | number, REWRITTEN)
}

/// Rewrites the file in place, version after version, each with an fsync; answers which was synced last.
pub(super) fn rewrite(path: &Path, first: u64, mut random: Random) -> Option<u64> {
    let mut synced = None;
    let file = File::options().write(true).create(true).truncate(false).open(path).ok()?;
    for number in first.. {
        let bytes = version(number);
        let mut pieces: Vec<(usize, &[u8])> = bytes.chunks(20_000).enumerate().collect();
        // In any order, as databases and editors write.
        for index in (1..pieces.len()).rev() {
            pieces.swap(index, random.below(index as u64 + 1) as usize);
        }
        for (index, piece) in pieces {
            if file.write_all_at(piece, index as u64 * 20_000).is_err() {
                return synced;
            }
        }
        if file.sync_data().is_err() {
            return synced;
        }
        synced = Some(number);
    }
    synced
}

/// "A file killed while being rewritten in place comes back as it was at its last sync or later, never damaged (500
/// kills of such a writer)."
#[test]
fn a_file_killed_while_being_rewritten_comes_back_as_at_its_last_sync_or_later() {
    let Some(world) = World::start() else { return };
    let kills = number("ENTEFS_TEST_REWRITES", 20);
    let mut random = Random::announced("rewrites");
    let mut device = world.device();
    let (path, mut last, mut next) = (device.drop_dir().join(REWRITTEN_NAME), None, 0);
    for kill in 0..kills {
        device.mount();
        if let Some(found) = check_version(&path, last, next, kill) {
            (last, next) = (Some(found), found.max(next) + 1);
        }
        let (seed, target): (u64, PathBuf) = (random.next(), path.clone());
        let writer = thread::spawn(move || rewrite(&target, next, Random::new(seed)));
        thread::sleep(Duration::from_millis(random.below(400)));
        device.kill(Kill::Only);
        if let Some(synced) = writer.join().expect("the writer ends with the mount") {
            (last, next) = (Some(synced), synced + 1);
        }
    }
    device.mount();
    let found = check_version(&path, last, next, kills);
    device.wait_idle();
    check_rewritten(&world, found, next);
}

/// The version before is in Ente, or frozen and on its way: killed between the first byte of the next version and its
/// first sync, the file comes back as it was.
#[test]
fn a_version_killed_before_its_first_sync_leaves_the_one_before_it() {
    let Some(world) = World::start() else { return };
    let (mut device, mut ledger) = (world.mounted(), Ledger::default());
    for (seed, name) in [(1, "sent.jpg"), (2, "frozen.jpg")] {
        let (path, old) = (device.drop_dir().join(name), jpeg(seed, 200_000));
        let asked_before = asked(&world, &Method::POST, path::UPLOAD_URL);
        if name == "frozen.jpg" {
            world.fail_nth(Method::POST, path::UPLOAD_URL, 1, When::Before, Outcome::Hang);
        }
        fs::write(&path, &old).expect("accepted");
        ledger.expect(name, &old, "Drop");
        match name {
            "sent.jpg" => device.wait_idle(),
            _ => await_that(name, || asked(&world, &Method::POST, path::UPLOAD_URL) > asked_before),
        }
        let file = File::options().write(true).open(&path).expect("it opens");
        file.write_all_at(&[0; 5000], 100_000).expect("written, and not synced");
        device.kill(Kill::AndClear);
        drop(file);
        world.server().clear_faults();
        device.mount();
        assert!(fs::read(&path).expect("it reads") == old, "{name} is not what was accepted");
    }
    device.wait_idle();
    ledger.check(world.client());
}

/// A kill between the new version's file and its row. Found alone, the file was a second entry, whose other bytes could
/// not be read and never came to Ente.
#[test]
fn a_new_version_found_without_its_row_is_one_of_its_photo() {
    let Some(world) = World::start() else { return };
    let (mut device, mut bytes) = with_a_sent_photo(&world);
    let path = device.path(OF_TRIP);
    let file = File::options().write(true).open(&path).expect("it opens");
    bytes[8..16].copy_from_slice(&[7; 8]);
    file.write_all_at(&bytes[8..16], 8).expect("written");
    file.sync_data().expect("synced");
    device.kill(Kill::AndClear);
    drop(file);
    let database = rusqlite::Connection::open(device.state.join("entefs.db")).expect("the database");
    let made = "SELECT ino FROM uploads WHERE supersedes IS NOT NULL";
    let gone = database.execute(&format!("DELETE FROM nodes WHERE ino IN ({made})"), []).expect("its inode");
    assert_eq!(gone, 1);
    assert_eq!(database.execute("DELETE FROM uploads WHERE supersedes IS NOT NULL", []).expect("its row"), 1);
    drop(database);
    device.mount();
    check_the_one_photo(&world, &device, &bytes);
    assert_eq!(world.client().photos().len(), 2, "the version before it is kept");
}

/// The same of a second version, whose first is not sent yet. Found alone, it was a second entry.
#[test]
fn a_second_version_found_without_its_row_is_one_of_its_photo() {
    let Some(world) = World::start() else { return };
    let (mut device, mut bytes) = with_a_sent_photo(&world);
    let path = device.path(OF_TRIP);
    bytes[8..16].copy_from_slice(&[7; 8]);
    fs::write(&path, &bytes).expect("accepted");
    let database = rusqlite::Connection::open(device.state.join("entefs.db")).expect("the database");
    let frozen = "SELECT count(*) FROM uploads WHERE supersedes IS NOT NULL AND frozen";
    await_that("the first version is frozen", || {
        database.query_row(frozen, [], |row| row.get(0)).is_ok_and(|n: i64| n == 1)
    });
    let of_first = "SELECT lower(hex(vault)) FROM uploads WHERE supersedes IS NOT NULL";
    let first: String = database.query_row(of_first, [], |row| row.get(0)).expect("its file");
    drop(database);
    let before = world.path("before");
    copy(&device.state, &before);
    let file = File::options().write(true).open(&path).expect("it opens");
    bytes[16..24].copy_from_slice(&[9; 8]);
    file.write_all_at(&bytes[16..24], 16).expect("written");
    file.sync_data().expect("synced");
    device.kill(Kill::AndClear);
    drop(file);
    // As if the kill had come before the rows: the second version's file alone is new. It was made ahead.
    for entry in fs::read_dir(device.state.join("spool")).expect("the spool").flatten() {
        if !entry.file_name().to_string_lossy().starts_with(&first) {
            copy(&entry.path(), &before.join("spool"));
        }
    }
    fs::remove_dir_all(&device.state).expect("it can be removed");
    fs::rename(&before, &device.state).expect("it can be put back");
    device.mount();
    check_the_one_photo(&world, &device, &bytes);
}

const OF_TRIP: &str = "Albums/Trip/a.jpg";

/// A photo of an album is in Ente, and nothing more is sent.
fn with_a_sent_photo(world: &World) -> (Device, Vec<u8>) {
    let (device, bytes) = (world.mounted(), jpeg(1, 200_000));
    fs::create_dir(device.path("Albums/Trip")).expect("an album");
    fs::write(device.path(OF_TRIP), &bytes).expect("accepted");
    device.wait_idle();
    assert!(device.run(["pause"]).status.success());
    (device, bytes)
}

/// The album shows one photo with these bytes, and Ente has one with them there.
#[track_caller]
fn check_the_one_photo(world: &World, device: &Device, bytes: &[u8]) {
    assert_eq!(sorted(&device.path("Albums/Trip")), ["a.jpg"]);
    assert!(fs::read(device.path(OF_TRIP)).expect("it reads") == bytes, "it is not what was synced");
    assert!(device.run(["resume"]).status.success());
    device.wait_idle();
    let photos = world.client().photos();
    let live: Vec<_> = photos.iter().filter(|photo| photo.albums.contains("Trip")).collect();
    assert_eq!(live.iter().map(|photo| photo.hash.as_str()).collect::<Vec<_>>(), [hash_text(bytes)]);
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "{from:?} is copied");
}

/// The file is the version that was synced last, or a later one. Answers which.
#[track_caller]
pub(super) fn check_version(path: &Path, last: Option<u64>, next: u64, kill: u64) -> Option<u64> {
    let bytes = match fs::read(path) {
        Ok(bytes) if bytes.is_empty() && last.is_none() => return None,
        Ok(bytes) => bytes,
        Err(_) if last.is_none() => return None,
        Err(error) => panic!("before kill {kill}: synced, and gone: {error}"),
    };
    let allowed = last.unwrap_or(0)..=next + 1;
    let found = allowed.clone().find(|number| version(*number) == bytes);
    assert!(found.is_some(), "before kill {kill}: {} bytes, and none of the versions {allowed:?}", bytes.len());
    found
}

/// Every photo made of it is one of its versions, and the last is among them.
#[track_caller]
pub(super) fn check_rewritten(world: &World, found: Option<u64>, next: u64) {
    let known: BTreeMap<String, u64> = (0..=next + 1).map(|number| (hash_text(&version(number)), number)).collect();
    let mut live = Vec::new();
    for photo in world.client().photos().into_iter().filter(|photo| photo.title == REWRITTEN_NAME) {
        let number = known.get(&hash_text(&world.client().download(&photo)));
        assert!(number.is_some(), "a photo that is none of the versions: {}", photo.title);
        if !photo.albums.contains("Uncategorized") {
            live.extend(number.copied());
        }
    }
    assert_eq!(live, Vec::from_iter(found), "the newest version is the one in the album");
    println!("{} versions written, the last {found:?}", next);
}
