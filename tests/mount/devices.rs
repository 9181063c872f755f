//! Issue 3, point 2: what one device drops, every device reads; what another changes shows here, and never as a mix.

use crate::common::{Device, Random, World, await_that, jpeg, sorted};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Around the block (64 KiB) and the chunk (4 MiB), which make a photo's bytes several.
const SIZES: [usize; 6] = [100, 65_000, 140_000, (4 << 20) - 9000, (4 << 20) + 1, (9 << 20) + 77];

/// "What was dropped reads back from `Albums/` byte for byte, also with an empty cache, also from a second mount with a
/// fresh state directory."
#[test]
fn what_was_dropped_reads_back_everywhere() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let photos: Vec<(String, Vec<u8>)> =
        (0..).zip(SIZES).map(|(number, size)| (format!("p{number}.jpg"), jpeg(number, size))).collect();
    fs::create_dir(device.path("Drop/Sizes")).expect("a directory");
    for (name, bytes) in &photos {
        fs::write(device.path("Drop/Sizes").join(name), bytes).expect("a photo");
    }
    device.wait_idle();
    check_photos(&device, "Albums/Sizes", &photos);
    device.remount_without_cache();
    check_photos(&device, "Albums/Sizes", &photos);
    check_photos(&device, "Drop/Sizes", &photos);
    let other = world.mounted();
    check_ranges(&other, &photos);
    check_photos(&other, "Albums/Sizes", &photos);
}

#[track_caller]
fn check_photos(device: &Device, dir: &str, photos: &[(String, Vec<u8>)]) {
    let names: Vec<_> = photos.iter().map(|photo| photo.0.as_str()).collect();
    assert_eq!(sorted(&device.path(dir)), names);
    for (name, bytes) in photos {
        let path = device.path(dir).join(name);
        let found = fs::metadata(&path).expect("it is there");
        assert_eq!(found.len(), bytes.len() as u64, "{name}");
        assert_eq!(found.nlink(), 1, "{name}: what is seen exists once at least, also after a first pull");
        assert!(&fs::read(&path).expect("it reads") == bytes, "{dir}/{name} reads otherwise than it was written");
    }
}

/// Pieces in any order, of what nobody has read yet.
#[track_caller]
fn check_ranges(device: &Device, photos: &[(String, Vec<u8>)]) {
    let mut random = Random::announced("ranges");
    for (name, bytes) in photos.iter().rev() {
        let file = File::open(device.path("Albums/Sizes").join(name)).expect("it opens");
        for _ in 0..12 {
            let at = random.below(bytes.len() as u64) as usize;
            let len = (1 + random.below(200_000) as usize).min(bytes.len() - at);
            let mut piece = vec![0; len];
            file.read_exact_at(&mut piece, at as u64).expect("it reads");
            assert!(piece == bytes[at..at + len], "{name} at {at}, {len} bytes");
        }
    }
}

/// Everything that the kernel may remember of a directory: its names, their attributes, their pages.
fn warm(dir: &Path) -> Vec<(String, u64, Vec<u8>)> {
    let mut seen = Vec::new();
    for name in sorted(dir) {
        let path = dir.join(&name);
        let ino = fs::metadata(&path).expect("it is there").ino();
        seen.push((name, ino, fs::read(&path).expect("it reads")));
    }
    seen
}

/// "What a second device adds, renames, moves or removes shows in the mount within one poll, with the kernel's caches
/// corrected."
#[test]
fn what_another_device_changes_shows_within_one_poll() {
    let Some(world) = World::start() else { return };
    let (here, mut there) = (world.mounted(), world.device());
    // An album and a photo are more than an account this small gives up at once.
    there.set_options("removal_limit=off");
    there.mount();
    for (album, names) in [("One", ["a.jpg", "b.jpg", "c.jpg"]), ("Two", ["d.jpg", "e.jpg", "f.jpg"])] {
        fs::create_dir(here.drop_dir().join(album)).expect("a directory");
        for (seed, name) in (0..).zip(names) {
            let bytes = jpeg(100 + seed + album.len() as u64 * 10 + u64::from(name.as_bytes()[0]), 20_000);
            fs::write(here.drop_dir().join(album).join(name), bytes).expect("a photo");
        }
    }
    here.wait_idle();
    there.refresh();
    let (one, two) = (here.path("Albums/One"), here.path("Albums/Two"));
    let before = (warm(&one), warm(&two));
    let held = File::open(one.join("b.jpg")).expect("it opens");
    // All that a person does there, with the tools they have.
    fs::write(there.path("Albums/One/new.jpg"), jpeg(7, 30_000)).expect("a new photo");
    fs::rename(there.path("Albums/One/b.jpg"), there.path("Albums/One/renamed.jpg")).expect("another name");
    fs::rename(there.path("Albums/One/c.jpg"), there.path("Albums/Two/c.jpg")).expect("another album");
    fs::remove_file(there.path("Albums/Two/d.jpg")).expect("out of the album");
    there.wait_idle();
    // No refresh: the poll finds it.
    await_that("the other device's changes", || sorted(&one) == ["a.jpg", "new.jpg", "renamed.jpg"]);
    await_that("those of the other album", || sorted(&two) == ["c.jpg", "e.jpg", "f.jpg"]);
    await_that("the removed photo", || sorted(&here.path("Uncategorized")) == ["d.jpg"]);
    let (now_one, now_two) = (warm(&one), warm(&two));
    let of = |seen: &[(String, u64, Vec<u8>)], name: &str| {
        seen.iter().find(|entry| entry.0 == name).map(|entry| (entry.1, entry.2.clone()))
    };
    assert_eq!(of(&now_one, "renamed.jpg"), of(&before.0, "b.jpg"), "the same photo under its new name");
    assert_eq!(of(&now_two, "c.jpg"), of(&before.0, "c.jpg"), "the same photo in its new album");
    assert!(of(&now_one, "new.jpg").is_some_and(|(_, bytes)| bytes == jpeg(7, 30_000)));
    for gone in [one.join("b.jpg"), one.join("c.jpg"), two.join("d.jpg")] {
        assert!(fs::metadata(&gone).is_err(), "{} is remembered", gone.display());
    }
    let mut bytes = Vec::new();
    (&held).read_to_end(&mut bytes).expect("what was open reads on");
    assert_eq!(Some(bytes), of(&before.0, "b.jpg").map(|entry| entry.1));
    drop(held);
    check_album_changes(&world, &here, &there);
}

/// Albums come, change their names and go.
#[track_caller]
fn check_album_changes(world: &World, here: &Device, there: &Device) {
    let albums = here.path("Albums");
    let inside = File::open(albums.join("One/a.jpg")).expect("it opens");
    world.client().rename_album("One", "Uno");
    await_that("the album's new name", || sorted(&albums) == ["Two", "Uno"]);
    assert!(fs::metadata(albums.join("One")).is_err());
    assert_eq!(sorted(&albums.join("Uno")), ["a.jpg", "new.jpg", "renamed.jpg"]);
    let shown = fs::read_link(format!("/proc/self/fd/{}", inside.as_raw_fd())).expect("our own");
    assert!(!shown.to_string_lossy().contains("(deleted)"), "{}", shown.display());
    // A client that is not ours does it by other calls.
    let photo = world.client().photo("a.jpg");
    world.client().rename(&photo, "alpha.jpg");
    world.client().move_photo(&photo, "Uno", "Two");
    await_that("the photo's move", || sorted(&albums.join("Two")) == ["alpha.jpg", "c.jpg", "e.jpg", "f.jpg"]);
    // Each album's changes are a pull of their own.
    await_that("its leaving", || sorted(&albums.join("Uno")) == ["new.jpg", "renamed.jpg"]);
    world.client().create_album("Three");
    await_that("the new album", || sorted(&albums) == ["Three", "Two", "Uno"]);
    there.refresh();
    fs::remove_dir(there.path("Albums/Three")).expect("an empty album");
    there.wait_idle();
    await_that("the album's end", || sorted(&albums) == ["Two", "Uno"]);
}

/// Ends a reader also when the test has failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// "A changed photo is never a mix of two versions": neither for who holds the old one open, nor for who reads it by
/// name again and again.
#[test]
fn a_photo_changed_elsewhere_is_never_a_mix_of_two_versions() {
    let Some(world) = World::start() else { return };
    let (old, new) = (jpeg(1, 9 << 20), jpeg(2, (9 << 20) - 4321));
    let (mut here, there) = (world.mounted(), world.mounted());
    fs::create_dir(here.path("Drop/Changing")).expect("a directory");
    fs::write(here.path("Drop/Changing/x.jpg"), &old).expect("a photo");
    here.wait_idle();
    here.remount_without_cache();
    there.refresh();
    let path = here.path("Albums/Changing/x.jpg");
    let mut held = File::open(&path).expect("it opens");
    let mut first = vec![0; 3 << 20];
    held.read_exact(&mut first).expect("it reads");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        let reader = scope.spawn(|| {
            let mut versions = [0, 0];
            while !stop.load(Ordering::Relaxed) {
                match fs::read(&path) {
                    Ok(bytes) if bytes == old => versions[0] += 1,
                    Ok(bytes) if bytes == new => versions[1] += 1,
                    Ok(bytes) => panic!("a mix: {} bytes", bytes.len()),
                    // Its name passes on between two pulls' rows.
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
                }
                thread::sleep(Duration::from_millis(20));
            }
            versions
        });
        fs::write(there.path("Albums/Changing/x.jpg"), &new).expect("a new version");
        there.wait_idle();
        await_that("the new version", || fs::read(&path).is_ok_and(|bytes| bytes == new));
        stop.store(true, Ordering::Relaxed);
        println!("whole reads of the old and the new version: {:?}", reader.join().expect("no mix"));
    });
    held.read_to_end(&mut first).expect("what is open reads on");
    assert!(first == old, "who had it open reads the version that was opened, to its end");
    assert_eq!(sorted(&here.path("Albums/Changing")), ["x.jpg"]);
    assert_eq!(sorted(&here.path("Uncategorized")), ["x.jpg"], "the previous version");
    assert!(fs::read(here.path("Uncategorized/x.jpg")).expect("it reads") == old);
    assert_eq!(world.client().trashed(), []);
}
