//! Removing too much, and having it back (semantics 4.3 and 4.5).

use crate::common::{Client, Device, Kill, World, await_that, jpeg, number, sorted};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[track_caller]
fn command(device: &Device, arguments: &[&str]) -> String {
    let output = device.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every photo with the albums that hold it.
fn memberships(client: &Client) -> BTreeMap<String, BTreeSet<String>> {
    client.photos().into_iter().map(|photo| (photo.title, photo.albums)).collect()
}

/// `rm -rf Albums/*`, as a shell does it.
fn rm_rf_albums(device: &Device) -> std::process::Output {
    let script = format!("rm -rf '{}'/*", device.path("Albums").display());
    Command::new("sh").args(["-c", &script]).output().expect("a shell")
}

fn is_refused(outcome: io::Result<()>) -> bool {
    outcome.is_err_and(|error| error.raw_os_error() == Some(libc::EPERM))
}

/// "`rm -rf Albums/*` of 10,000 photos trips the brake at the limit; after `allow-removals` and completion all photos
/// are in `Uncategorized/`; `entefs undo` restores every membership."
#[test]
fn rm_rf_of_all_albums_trips_the_brake_and_undo_restores_every_membership() {
    let Some(world) = World::start() else { return };
    let photos = number("ENTEFS_TEST_REMOVALS", 1000) as usize;
    world.client().plant(10, photos);
    let (before, albums) = (memberships(world.client()), world.client().album_names());
    assert_eq!((before.len(), albums.len()), (photos, 10));
    let device = world.mounted();
    let refused = rm_rf_albums(&device);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Operation not permitted"));
    let limit = (photos / 5).clamp(50, 500);
    assert_eq!(sorted(&device.path("Uncategorized")).len(), limit);
    assert!(device.status().removals.held_since.is_some());
    assert!(fs::read_to_string(device.path("STATUS.txt")).expect("it reads").contains("entefs allow-removals"));

    command(&device, &["allow-removals"]);
    assert!(device.status().removals.held_since.is_none() && device.status().removals.allowed_until.is_some());
    let done = rm_rf_albums(&device);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(sorted(&device.path("Albums")), [""; 0], "{:?}", device.status().troubles);
    device.wait_idle();
    let after = memberships(world.client());
    assert_eq!(after.len(), photos);
    assert!(after.values().all(|albums| Vec::from_iter(albums) == ["Uncategorized"]), "all are in Uncategorized");
    assert_eq!(world.client().album_names(), [""; 0]);

    let told = command(&device, &["undo", "--since", "1h"]);
    assert!(told.contains("the album 'Album 009' made again"), "{told}");
    assert_eq!(sorted(&device.path("Albums")), albums);
    device.wait_idle();
    let restored = memberships(world.client());
    let wrong: Vec<_> = before.iter().filter(|(title, albums)| restored.get(*title) != Some(albums)).collect();
    assert!(wrong.is_empty(), "not in its albums again: {} of {photos}, {:?}", wrong.len(), wrong.first());
    assert_eq!(restored.len(), photos);
    assert_eq!(world.client().album_names(), albums);
    device.refresh();
    assert_eq!(sorted(&device.path("Uncategorized")), [""; 0]);
    assert_eq!(sorted(&device.path("Albums/Album 003")).len(), photos / 10);
    assert_eq!(world.client().trashed(), []);
    assert_eq!(command(&device, &["undo", "--since", "1h"]), "Nothing to take back.\n");
}

/// "Moves, renames and overwrites do not count, removed drop entries only while they are not in Ente yet." And it
/// holds, over a restart too, "until `entefs allow-removals` is run".
#[test]
fn the_brake_counts_removals_only_and_holds_until_it_is_released() {
    let Some(world) = World::start() else { return };
    let mut device = world.device();
    device.set_options("removal_limit=3/10m");
    device.mount();
    fs::create_dir(device.path("Drop/Trip")).expect("a directory");
    let name = |number: u64| format!("{number}.jpg");
    for number in 0..8 {
        fs::write(device.path("Drop/Trip").join(name(number)), jpeg(number, 2000)).expect("a photo");
    }
    device.wait_idle();
    for number in 0..8 {
        fs::remove_file(device.path("Drop/Trip").join(name(number))).expect("the photo is in Ente");
    }
    let trip = device.path("Albums/Trip");
    fs::create_dir(device.path("Albums/Other")).expect("a directory");
    for number in 0..4 {
        fs::rename(trip.join(name(number)), device.path("Albums/Other").join(name(number))).expect("a move");
    }
    for number in 4..7 {
        fs::remove_file(trip.join(name(number))).expect("within the limit");
    }
    assert!(is_refused(fs::remove_file(trip.join("7.jpg"))));
    assert!(trip.join("7.jpg").exists());
    fs::rename(trip.join("7.jpg"), trip.join("seven.jpg")).expect("a rename");
    device.wait_idle();
    device.remount();
    assert!(is_refused(fs::remove_file(trip.join("seven.jpg"))), "a restart forgets nothing");
    assert!(is_refused(fs::remove_dir(device.path("Albums/Other"))) || trip.exists());
    assert_eq!(world.client().photo("7.jpg").albums.len(), 1);

    command(&device, &["allow-removals", "--for", "1h"]);
    fs::remove_file(trip.join("seven.jpg")).expect("allowed");
    for number in 0..4 {
        fs::remove_file(device.path("Albums/Other").join(name(number))).expect("allowed");
    }
    fs::remove_dir(device.path("Albums/Other")).expect("allowed");
    command(&device, &["allow-removals", "--for", "0s"]);
    // What was removed while it was allowed is not held against what follows.
    for number in 0..3 {
        fs::write(device.path("Drop/Trip").join(name(number)), jpeg(100 + number, 2000)).expect("a photo");
    }
    for number in 0..3 {
        fs::remove_file(device.path("Drop/Trip").join(name(number))).expect("within the limit");
    }
    fs::write(device.path("Drop/Trip/x.jpg"), jpeg(200, 2000)).expect("a photo");
    assert!(is_refused(fs::remove_file(device.path("Drop/Trip/x.jpg"))), "it is not in Ente yet");
    fs::write(device.path("Drop/Trip/.x.jpg.a1B2c3"), b"temporary").expect("a file");
    fs::remove_file(device.path("Drop/Trip/.x.jpg.a1B2c3")).expect("a temporary file does not count");
}

/// "Every removal, move and rename is journalled; `entefs undo` puts memberships back."
#[test]
fn undo_takes_back_removals_moves_and_renames() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    fs::create_dir(device.path("Drop/Trip")).expect("a directory");
    for number in 0..4 {
        fs::write(device.path(&format!("Drop/Trip/{number}.jpg")), jpeg(number, 2000)).expect("a photo");
    }
    device.wait_idle();
    world.client().create_album("Second");
    world.client().add(&world.client().photo("3.jpg"), "Second");
    device.refresh();
    let (albums, before) = (device.path("Albums"), memberships(world.client()));
    fs::remove_file(albums.join("Trip/0.jpg")).expect("out of its album");
    fs::rename(albums.join("Trip/1.jpg"), albums.join("Trip/one.jpg")).expect("a name");
    fs::rename(albums.join("Trip/2.jpg"), albums.join("Second/two.jpg")).expect("a move with a name");
    fs::remove_file(albums.join("Trip/3.jpg")).expect("out of one of its albums");
    fs::rename(albums.join("Second"), albums.join("First")).expect("an album's name");
    fs::rename(device.path("Drop/Trip/1.jpg"), device.path("Drop/1.jpg")).expect("to another directory");
    device.wait_idle();
    let changed = memberships(world.client());
    assert_ne!(changed, before);

    let told = command(&device, &["undo", "--dry-run"]);
    assert!(told.contains("would be") && told.contains("photos back in 'Trip'"), "{told}");
    assert!(memberships(world.client()) == changed && albums.join("Drop/one.jpg").exists(), "nothing is done yet");
    command(&device, &["undo"]);
    assert_eq!(sorted(&albums), ["Drop", "Second", "Trip"]);
    assert_eq!(sorted(&albums.join("Trip")), ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]);
    assert_eq!(sorted(&albums.join("Second")), ["3.jpg"]);
    assert_eq!(sorted(&device.path("Drop/Trip")), ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]);
    device.wait_idle();
    device.refresh();
    assert_eq!(sorted(&albums.join("Trip")), ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]);
    assert_eq!(memberships(world.client()), before);
}

/// A drop whose uploads stand still: three photos in a directory, frozen, none of them in Ente.
fn paused_drop(device: &Device) -> Vec<PathBuf> {
    command(device, &["pause"]);
    fs::create_dir_all(device.path("Drop/New/Deep")).expect("directories");
    let files: Vec<PathBuf> =
        ["New/a.jpg", "New/b.jpg", "New/Deep/c.jpg"].iter().map(|file| device.path("Drop").join(file)).collect();
    for (number, file) in (0..).zip(&files) {
        fs::write(file, jpeg(number, 3000)).expect("a photo");
    }
    await_that("three photos wait", || device.status().uploads.waiting.files == 3 && frozen_files(device) == 3);
    files
}

/// Files of the spool that cannot change any more.
fn frozen_files(device: &Device) -> usize {
    let entries = fs::read_dir(device.state.join("spool")).expect("the spool");
    let metas = entries.filter_map(|entry| entry.ok()?.metadata().ok());
    metas.filter(|meta| meta.mode() & 0o200 == 0).count()
}

fn facts(file: &Path) -> (u64, u64, i64, i64) {
    let found = fs::metadata(file).expect("it is there");
    (found.ino(), found.size(), found.mtime(), found.mtime_nsec())
}

/// "Files removed from a drop before they were in Ente" come back: directory, name, inode, time, bytes; and are sent.
#[test]
fn files_removed_before_they_were_in_ente_come_back() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let files = paused_drop(&device);
    let before: Vec<_> = files.iter().map(|file| facts(file)).collect();
    fs::remove_dir_all(device.path("Drop/New")).expect("nothing of it is in Ente");
    assert_eq!(device.status().uploads.waiting.files, 0);
    device.remount();
    assert_eq!(sorted(&device.drop_dir()), [""; 0]);
    let told = command(&device, &["undo"]);
    assert!(told.contains("3  files back in their drop"), "{told}");
    let after: Vec<_> = files.iter().map(|file| facts(file)).collect();
    assert_eq!(after, before);
    for (number, file) in (0..).zip(&files) {
        assert!(fs::read(file).expect("it reads") == jpeg(number, 3000));
    }
    command(&device, &["resume"]);
    device.wait_idle();
    assert_eq!(world.client().photo("c.jpg").albums, BTreeSet::from(["Deep".to_owned()]));
    assert_eq!(world.client().photos().len(), 3);
}

/// What undo brings back without a mount is there at the next one.
#[test]
fn undo_works_on_what_a_mount_left() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let files = paused_drop(&device);
    fs::remove_file(&files[0]).expect("not in Ente");
    device.unmount();
    assert!(command(&device, &["undo", "--dry-run"]).contains("would be"));
    assert!(command(&device, &["undo"]).contains("1  files back in their drop"));
    assert_eq!(command(&device, &["undo"]), "Nothing to take back.\n");
    device.mount();
    assert!(fs::read(&files[0]).expect("it reads") == jpeg(0, 3000));
    command(&device, &["resume"]);
    device.wait_idle();
    assert_eq!(world.client().photos().len(), 3);
}

/// The directories that are made anew on the way take no number of a file that is found later.
#[test]
fn with_the_database_lost_every_file_is_in_its_own_directory_again() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    command(&device, &["pause"]);
    let files: Vec<PathBuf> = (0..12).map(|n| device.path(&format!("Drop/One/Dir {n}/{n}.jpg"))).collect();
    for (number, file) in (0..).zip(&files) {
        fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        fs::write(file, jpeg(number, 3000)).expect("a photo");
    }
    device.kill(Kill::AndClear);
    for name in ["entefs.db", "entefs.db-wal", "entefs.db-shm"] {
        let _ = fs::remove_file(device.state.join(name));
    }
    device.mount();
    for (number, file) in (0..).zip(&files) {
        assert!(fs::read(file).expect("it is back") == jpeg(number, 3000), "{} has its own bytes", file.display());
    }
    device.wait_idle();
    assert_eq!(world.client().photos().len(), files.len());
}

/// A removed file says so itself, so that with the database lost it does not rise again.
#[test]
fn a_removed_file_stays_removed_with_the_database_lost() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let files = paused_drop(&device);
    let spool = device.state.join("spool");
    let changed = || -> BTreeMap<PathBuf, i128> {
        let entries = fs::read_dir(&spool).expect("the spool").map(|entry| entry.expect("an entry").path());
        let time =
            |path: &Path| fs::metadata(path).map_or(0, |m| i128::from(m.mtime()) << 32 | i128::from(m.mtime_nsec()));
        entries.map(|path| (path.clone(), time(&path))).collect()
    };
    let before = changed();
    fs::remove_file(&files[1]).expect("not in Ente");
    await_that("its file says so", || {
        let now = changed();
        before.iter().any(|(path, time)| fs::metadata(path).is_ok_and(|m| m.size() > 0) && now.get(path) != Some(time))
    });
    device.kill(Kill::AndClear);
    for name in ["entefs.db", "entefs.db-wal", "entefs.db-shm"] {
        let _ = fs::remove_file(device.state.join(name));
    }
    device.mount();
    device.wait_idle();
    assert_eq!(sorted(&device.path("Drop/New")), ["Deep", "a.jpg"]);
    let titles: BTreeSet<String> = world.client().photos().into_iter().map(|photo| photo.title).collect();
    assert_eq!(titles, BTreeSet::from(["a.jpg".to_owned(), "c.jpg".to_owned()]));
}
