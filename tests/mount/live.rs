//! Live photos: one photo of Ente, two files here (semantics 1.2, 1.3, 2.11).

use crate::common::{
    Device, Kill, Packing, World, apple_jpeg, apple_movie, await_that, dated_jpeg, hash_text, jpeg, movie, run, sorted,
    zip,
};
use crate::kills::{OBJECTS, asked};
use entefs::base::FileKind;
use entefs::crypto::{CHUNK_LEAD, CHUNK_OVERHEAD};
use entefs::embedded::{Method, Outcome, When};
use entefs::wire::path;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Over one chunk of Ente's stream, so that the directory is in another than the still.
const STILL: usize = 3 << 20;
const CLIP: usize = 2 << 20;
const MAY: u32 = 1_714_979_289;
/// As Apple writes them; shorter ones would lie elsewhere in the note.
const IDENTIFIER: &str = "7C0D4B2C-8E6E-4C3A-9A3B-0123456789AB";
/// Every call between two closed halves and their photo; which of them, where there are several.
const PAIR_CALLS: [(Method, &str, u32); 5] = [
    (Method::POST, path::UPLOAD_URL, 1),
    (Method::PUT, OBJECTS, 1),
    (Method::PUT, OBJECTS, 2),
    (Method::POST, path::COLLECTIONS, 1),
    (Method::POST, path::FILES, 1),
];

fn halves(seed: u64) -> (Vec<u8>, Vec<u8>) {
    (jpeg(seed, STILL), movie(seed, CLIP, MAY))
}

/// An account with an album `Trip` that holds a live photo `IMG_1.HEIC` of another client.
fn world_with_one(packing: Packing) -> Option<(World, Vec<u8>, Vec<u8>)> {
    let world = World::start()?;
    let (still, clip) = halves(1);
    world.client().create_album("Trip");
    world.client().create_album("Later");
    world.client().upload_live("Trip", "IMG_1.HEIC", &zip(packing, [("image.HEIC", &still), ("video.MOV", &clip)]));
    Some((world, still, clip))
}

#[track_caller]
fn check(device: &Device, name: &str, bytes: &[u8]) {
    let path = device.path(name);
    assert_eq!(fs::metadata(&path).expect("it is there").len(), bytes.len() as u64, "{name}");
    assert!(fs::read(&path).expect("it reads") == bytes, "{name} reads otherwise than it was uploaded");
}

/// "A live photo is one Ente file and two inodes: the still and the clip, with the same stem." Sizes "are learned as part
/// of the pull".
#[test]
fn a_live_photo_of_another_client_is_two_files() {
    let Some((world, still, clip)) = world_with_one(Packing::Stored) else { return };
    let mut device = world.mounted();
    assert_eq!(sorted(&device.path("Albums/Trip")), ["IMG_1.HEIC", "IMG_1.MOV"]);
    let inos = ["IMG_1.HEIC", "IMG_1.MOV"]
        .map(|name| fs::metadata(device.path("Albums/Trip").join(name)).expect("it is there").ino());
    assert_ne!(inos[0], inos[1]);
    check(&device, "Albums/Trip/IMG_1.MOV", &clip);
    check(&device, "Albums/Trip/IMG_1.HEIC", &still);
    assert_eq!(device.status().not_shown, 0);
    device.remount();
    check(&device, "Albums/Trip/IMG_1.HEIC", &still);
    device.remount_without_cache();
    check(&device, "Albums/Trip/IMG_1.HEIC", &still);
    check(&device, "Albums/Trip/IMG_1.MOV", &clip);
}

/// What other clients deflate reads like everything else.
#[test]
fn a_deflated_live_photo_reads_too() {
    let Some((world, still, clip)) = world_with_one(Packing::Deflated) else { return };
    let mut device = world.mounted();
    check(&device, "Albums/Trip/IMG_1.MOV", &clip);
    check(&device, "Albums/Trip/IMG_1.HEIC", &still);
    device.remount();
    check(&device, "Albums/Trip/IMG_1.MOV", &clip);
}

/// "checked when the content is first read, corrected if wrong": the end of a zip as the server gave it to the pull says
/// other sizes than the verified bytes do.
#[test]
fn a_wrong_size_hint_is_corrected_at_the_first_read() {
    let Some(world) = World::start() else { return };
    let (still, clip) = (jpeg(3, 50_000), movie(3, 40_000, MAY));
    let packed = zip(Packing::Stored, [("image.HEIC", &still), ("video.MOV", &clip)]);
    world.client().create_album("Trip");
    world.client().upload_live("Trip", "IMG_1.HEIC", &packed);
    let object = object_of(&world, packed.len());
    let truth = fs::read(&object).expect("an object");
    fs::write(&object, with_sizes(&packed, &truth, [still.len() - 1000, clip.len() + 5])).expect("an object");
    let device = world.mounted();
    let paths = ["IMG_1.HEIC", "IMG_1.MOV"].map(|name| device.path("Albums/Trip").join(name));
    let sizes = || paths.clone().map(|path| fs::metadata(path).expect("it is there").len() as usize);
    assert_eq!(sizes(), [still.len() - 1000, clip.len() + 5], "the pull believes what it sees");
    fs::write(&object, &truth).expect("an object");

    let mut early = File::open(&paths[0]).expect("it opens");
    let ended = early.read_to_end(&mut Vec::new()).expect_err("a beginning is not taken for all of it");
    assert_eq!(ended.raw_os_error(), Some(libc::EIO));
    await_that("both sizes are right", || sizes() == [still.len(), clip.len()]);
    check(&device, "Albums/Trip/IMG_1.HEIC", &still);
    check(&device, "Albums/Trip/IMG_1.MOV", &clip);
}

/// The object of a zip of this length.
fn object_of(world: &World, len: usize) -> PathBuf {
    let users = fs::read_dir(world.path("server/objects")).expect("objects").map(|user| user.expect("a user").path());
    let objects = users.flat_map(|user| fs::read_dir(user).expect("objects")).map(|object| object.expect("one").path());
    let len = (len + CHUNK_OVERHEAD) as u64;
    let mut found: Vec<PathBuf> = objects.filter(|path| fs::metadata(path).is_ok_and(|m| m.len() == len)).collect();
    assert_eq!(found.len(), 1, "objects of {len} bytes");
    found.remove(0)
}

/// The same object with other sizes of the halves in the zip's directory: a stream cipher lets bits be flipped unseen,
/// until the chunk is verified.
fn with_sizes(packed: &[u8], object: &[u8], sizes: [usize; 2]) -> Vec<u8> {
    let number = |at: usize| u32::from_le_bytes(packed[at..at + 4].try_into().expect("four bytes"));
    let (mut object, mut entry) = (object.to_vec(), number(packed.len() - 6) as usize);
    for size in sizes {
        for field in [entry + 20, entry + 24] {
            let flipped = (number(field) ^ size as u32).to_le_bytes();
            for (at, bits) in (field + CHUNK_LEAD as usize..).zip(flipped) {
                object[at] ^= bits;
            }
        }
        entry += 46 + usize::from(packed[entry + 28]);
    }
    object
}

/// "A half of a live photo links both"; the file manager's trash takes both and gives both back (semantics 1.7, 3).
#[test]
fn a_live_photo_is_linked_and_trashed_as_a_whole() {
    let Some((world, still, clip)) = world_with_one(Packing::Stored) else { return };
    let (mut device, client) = (world.device(), world.client());
    // An album counts as many removals.
    device.set_options("removal_limit=off");
    device.mount();
    let (trip, later) = (device.path("Albums/Trip"), device.path("Albums/Later"));
    fs::hard_link(trip.join("IMG_1.MOV"), later.join("IMG_1.MOV")).expect("one more album");
    let seen = |dir: &Path, name: &str| fs::metadata(dir.join(name)).map(|found| (found.ino(), found.nlink()));
    for name in ["IMG_1.HEIC", "IMG_1.MOV"] {
        let (ino, links) = seen(&later, name).expect("at once");
        assert_eq!((seen(&trip, name).expect("it is there"), links), ((ino, 2), 2), "{name}");
    }
    let other = fs::hard_link(trip.join("IMG_1.MOV"), later.join("IMG_1.HEIC"));
    assert_eq!(other.expect_err("the still has that name").raw_os_error(), Some(libc::EEXIST));
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("IMG_1.HEIC").albums), ["Later", "Trip"]);
    let trash = device.path(&format!(".Trash-{}/files", rustix::process::geteuid().as_raw()));
    run(Command::new("mv").args(["IMG_1.HEIC", "IMG_1.MOV"]).arg(&trash).current_dir(&later));
    assert_eq!((sorted(&trash), sorted(&later)), (vec!["IMG_1.HEIC".into(), "IMG_1.MOV".into()], vec![]));
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("IMG_1.HEIC").albums), ["Trip"]);
    assert!(fs::read(trash.join("IMG_1.HEIC")).expect("it reads there") == still);
    assert!(fs::read(trash.join("IMG_1.MOV")).expect("it reads there") == clip);
    run(Command::new("mv").args(["IMG_1.HEIC", "IMG_1.MOV"]).arg(&later).current_dir(&trash));
    assert_eq!((sorted(&later), sorted(&trash)), (vec!["IMG_1.HEIC".into(), "IMG_1.MOV".into()], vec![]));
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("IMG_1.HEIC").albums), ["Later", "Trip"]);
    check(&device, "Albums/Later/IMG_1.MOV", &clip);
    fs::rename(&later, trash.join("Later")).expect("the whole album");
    assert_eq!((sorted(&trash.join("Later")), later.exists()), (vec!["IMG_1.HEIC".into(), "IMG_1.MOV".into()], false));
    fs::rename(trash.join("Later"), &later).expect("and back");
    assert_eq!(sorted(&later), ["IMG_1.HEIC", "IMG_1.MOV"]);
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("IMG_1.HEIC").albums), ["Later", "Trip"]);
    check(&device, "Albums/Later/IMG_1.MOV", &clip);
    // Into a drop by way of one half: the other comes along, and is known to have.
    run(Command::new("mv").args(["IMG_1.HEIC", "IMG_1.MOV"]).arg(&trash).current_dir(&later));
    let back = device.path("Drop/Back");
    fs::create_dir(&back).expect("a directory");
    fs::rename(trash.join("IMG_1.MOV"), back.join("IMG_1.MOV")).expect("back into a drop");
    assert_eq!((sorted(&back), sorted(&trash)), (vec!["IMG_1.HEIC".into(), "IMG_1.MOV".into()], vec![]));
    fs::rename(trash.join("IMG_1.HEIC"), back.join("IMG_1.HEIC")).expect("it is there already");
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("IMG_1.HEIC").albums), ["Back", "Trip"]);
    check(&device, "Drop/Back/IMG_1.HEIC", &still);
    check(&device, "Drop/Back/IMG_1.MOV", &clip);
}

/// Two live photos of one name keep their halves together under one suffix.
#[test]
fn halves_share_a_suffix() {
    let Some((world, ..)) = world_with_one(Packing::Stored) else { return };
    let (still, clip) = halves(2);
    world.client().upload_live(
        "Trip",
        "IMG_1.HEIC",
        &zip(Packing::Stored, [("image.HEIC", &still), ("video.MOV", &clip)]),
    );
    let device = world.mounted();
    let names = ["IMG_1 (2).HEIC", "IMG_1 (2).MOV", "IMG_1.HEIC", "IMG_1.MOV"];
    assert_eq!(sorted(&device.path("Albums/Trip")), names);
    check(&device, "Albums/Trip/IMG_1 (2).HEIC", &still);
    check(&device, "Albums/Trip/IMG_1 (2).MOV", &clip);
}

/// What is no zip of two halves is not listed, and counted.
#[test]
fn a_live_photo_without_halves_is_counted_as_not_shown() {
    let Some(world) = World::start() else { return };
    world.client().create_album("Trip");
    world.client().upload_live("Trip", "IMG_1.HEIC", &jpeg(3, 5000));
    let device = world.mounted();
    assert!(sorted(&device.path("Albums/Trip")).is_empty());
    assert_eq!(device.status().not_shown, 1);
}

fn shell(device: &Device, script: &str) {
    let output = Command::new("sh").arg("-ec").arg(script).current_dir(device.path("Albums/Trip")).output();
    let output = output.expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{script}: {said}");
}

/// "Renaming, moving or removing one half acts on both … so that `mv IMG_1.* ../B/`, `rm *`, `find -delete` … work."
#[test]
fn what_is_done_to_one_half_is_done_to_both() {
    let Some((world, still, clip)) = world_with_one(Packing::Stored) else { return };
    let device = world.mounted();
    shell(&device, "mv IMG_1.MOV Sea.MOV");
    assert_eq!(sorted(&device.path("Albums/Trip")), ["Sea.HEIC", "Sea.MOV"]);
    // `mv` asks for the second half at once, whatever the kernel was told of it before.
    shell(&device, "ls -l . ../Later > /dev/null; mv Sea.* ../Later/");
    assert!(sorted(&device.path("Albums/Trip")).is_empty());
    assert_eq!(sorted(&device.path("Albums/Later")), ["Sea.HEIC", "Sea.MOV"]);
    check(&device, "Albums/Later/Sea.HEIC", &still);
    check(&device, "Albums/Later/Sea.MOV", &clip);
    shell(&device, "cd ../Later; rm Sea.*");
    assert!(sorted(&device.path("Albums/Later")).is_empty());
    assert_eq!(sorted(&device.path("Uncategorized")), ["Sea.HEIC", "Sea.MOV"]);
    device.wait_idle();
    let photo = world.client().photo("IMG_1.HEIC");
    assert_eq!(photo.albums.into_iter().collect::<Vec<_>>(), ["Uncategorized"]);
    let other = world.mounted();
    assert_eq!(sorted(&other.path("Uncategorized")), ["Sea.HEIC", "Sea.MOV"]);
}

/// `find -delete`, and a new file under a name that has just gone.
#[test]
fn a_name_that_has_gone_is_free_for_something_else() {
    let Some((world, ..)) = world_with_one(Packing::Stored) else { return };
    let device = world.mounted();
    shell(&device, "find . -type f -delete");
    assert!(sorted(&device.path("Albums/Trip")).is_empty());
    assert_eq!(sorted(&device.path("Uncategorized")), ["IMG_1.HEIC", "IMG_1.MOV"]);
    shell(&device, "mv ../../Uncategorized/IMG_1.HEIC . && rm IMG_1.HEIC");
    let other = movie(9, 4000, MAY);
    fs::write(device.path("Albums/Trip/IMG_1.MOV"), &other).expect("the name is free");
    check(&device, "Albums/Trip/IMG_1.MOV", &other);
    device.wait_idle();
    check(&device, "Albums/Trip/IMG_1.MOV", &other);
    await_that("the photo to be there", || world.client().photos().iter().any(|photo| photo.title == "IMG_1.MOV"));
}

fn drop_pair(device: &Device, dir: &str, still: &[u8], clip: &[u8]) {
    fs::create_dir_all(device.path(dir)).expect("a directory");
    fs::write(device.path(dir).join("IMG_1.JPG"), still).expect("a still");
    fs::write(device.path(dir).join("IMG_1.MOV"), clip).expect("a clip");
}

/// Taken within the day.
fn own_pair(seed: u64) -> (Vec<u8>, Vec<u8>) {
    (dated_jpeg(seed, STILL, "2024:05:06 07:08:09"), movie(seed, CLIP, MAY))
}

/// The account holds one photo, live, of exactly these halves.
#[track_caller]
fn check_one(world: &World, still: &[u8], clip: &[u8]) {
    let photos = world.client().photos();
    let titles: Vec<&str> = photos.iter().map(|photo| photo.title.as_str()).collect();
    assert_eq!(titles, ["IMG_1.JPG"]);
    assert_eq!(photos[0].hash, format!("{}:{}", hash_text(still), hash_text(clip)));
    let zip = world.client().download(&photos[0]);
    assert!(zip[..4] == *b"PK\x03\x04" && zip.len() == still.len() + clip.len() + 210, "{}", zip.len());
}

/// "A still and a clip that pair by the desktop rules (stem, directory, size, dates) are packed and uploaded as one live
/// photo"; "a drop entry stays where it was written"; the same pair again is a duplicate (2.9).
#[test]
fn a_still_and_a_clip_become_one_live_photo() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let (still, clip) = own_pair(5);
    drop_pair(&device, "Drop/Trip", &still, &clip);
    device.wait_idle();
    check_one(&world, &still, &clip);
    for dir in ["Drop/Trip", "Albums/Trip"] {
        assert_eq!(sorted(&device.path(dir)), ["IMG_1.JPG", "IMG_1.MOV"]);
        check(&device, &format!("{dir}/IMG_1.JPG"), &still);
        check(&device, &format!("{dir}/IMG_1.MOV"), &clip);
    }
    drop_pair(&device, "Drop/Again", &still, &clip);
    device.wait_idle();
    check_one(&world, &still, &clip);
    check(&device, "Albums/Again/IMG_1.MOV", &clip);
    device.remount_without_cache();
    let other = world.mounted();
    for dir in ["Albums/Trip", "Albums/Again"] {
        check(&device, &format!("{dir}/IMG_1.JPG"), &still);
        check(&device, &format!("{dir}/IMG_1.MOV"), &clip);
        check(&other, &format!("{dir}/IMG_1.MOV"), &clip);
        check(&other, &format!("{dir}/IMG_1.JPG"), &still);
    }
}

/// Halves written into an album's own directory keep their names and inodes there.
#[test]
fn halves_written_into_an_album_are_paired_there() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let (still, clip) = own_pair(6);
    drop_pair(&device, "Albums/Trip", &still, &clip);
    let inos = || {
        ["IMG_1.JPG", "IMG_1.MOV"]
            .map(|name| fs::metadata(device.path("Albums/Trip").join(name)).expect("it is there").ino())
    };
    let before = inos();
    device.wait_idle();
    check_one(&world, &still, &clip);
    assert_eq!(sorted(&device.path("Albums/Trip")), ["IMG_1.JPG", "IMG_1.MOV"]);
    assert_eq!(inos(), before);
    check(&device, "Albums/Trip/IMG_1.MOV", &clip);
}

/// What was not taken together is not put together.
#[test]
fn halves_of_other_days_stay_two_photos() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let (still, _) = own_pair(7);
    drop_pair(&device, "Drop/Trip", &still, &movie(7, 5000, MAY + 3 * 86_400));
    device.wait_idle();
    let mut titles: Vec<String> = world.client().photos().into_iter().map(|photo| photo.title).collect();
    titles.sort();
    assert_eq!(titles, ["IMG_1.JPG", "IMG_1.MOV"]);
}

/// Killed at any moment, both halves arrive exactly once.
#[test]
fn killed_pairs_arrive_once() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let (still, clip) = own_pair(8);
    drop_pair(&device, "Drop/Trip", &still, &clip);
    for round in 0..6 {
        std::thread::sleep(std::time::Duration::from_millis(250 * round));
        device.kill(Kill::AndClear);
        device.mount();
    }
    device.wait_idle();
    check_one(&world, &still, &clip);
    check(&device, "Albums/Trip/IMG_1.JPG", &still);
    check(&device, "Albums/Trip/IMG_1.MOV", &clip);
}

/// "`kill -9` of the daemon at every stage of an upload": each call that a pair makes hangs before and after its effect,
/// and there the program is killed.
#[test]
fn a_kill_at_any_stage_of_a_pairs_upload_loses_and_doubles_nothing() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let mut expected = Vec::new();
    for (round, (method, path, nth)) in (0..).zip(PAIR_CALLS) {
        for (half, when) in (0..).zip([When::Before, When::After]) {
            let (dir, seed) = (format!("Trip {round} {half}"), 100 + round * 2 + half);
            let (still, clip) = own_pair(seed);
            // Targets come many at a time: those that are left would do.
            device.remount();
            let before = asked(&world, &method, path);
            world.fail_nth(method.clone(), path, nth, when, Outcome::Hang);
            drop_pair(&device, &format!("Drop/{dir}"), &still, &clip);
            await_that(&dir, || asked(&world, &method, path) >= before + u64::from(nth));
            device.kill(Kill::AndClear);
            world.server().clear_faults();
            device.mount();
            device.wait_idle();
            expected.push((format!("{}:{}", hash_text(&still), hash_text(&clip)), dir));
            check(&device, &format!("Drop/{}/IMG_1.MOV", expected[expected.len() - 1].1), &clip);
        }
    }
    let photos = world.client().photos();
    let mut found: Vec<(String, String)> = Vec::new();
    for photo in photos {
        found.extend(photo.albums.into_iter().map(|album| (photo.hash.clone(), album)));
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

fn lose_database(device: &Device) {
    for name in ["entefs.db", "entefs.db-wal", "entefs.db-shm"] {
        let _ = fs::remove_file(device.state.join(name));
    }
}

/// With the database lost, the halves in the spool are enough: before anything was sent, and when the photo is in Ente
/// and nobody here knows.
#[test]
fn with_the_database_lost_a_pair_arrives_once() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let (still, clip) = own_pair(9);
    drop_pair(&device, "Drop/Trip", &still, &clip);
    device.kill(Kill::AndClear);
    lose_database(&device);
    world.fail_nth(Method::POST, path::FILES, 1, When::After, Outcome::Hang);
    let before = asked(&world, &Method::POST, path::FILES);
    device.mount();
    await_that("the request", || asked(&world, &Method::POST, path::FILES) > before);
    await_that("the photo", || world.client().photos().len() == 1);
    device.kill(Kill::AndClear);
    world.server().clear_faults();
    lose_database(&device);
    device.mount();
    device.wait_idle();
    check_one(&world, &still, &clip);
    check(&device, "Albums/Trip/IMG_1.JPG", &still);
    check(&device, "Albums/Trip/IMG_1.MOV", &clip);
}

/// One half is left in the spool, the database is lost, and the live photo is in Ente: that half is no photo of its own.
#[test]
fn with_the_database_lost_a_half_of_a_photo_in_ente_is_no_second_one() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let (still, clip) = own_pair(10);
    world.fail_nth(Method::POST, path::FILES, 1, When::After, Outcome::Hang);
    drop_pair(&device, "Drop/Trip", &still, &clip);
    await_that("the photo", || world.client().photos().len() == 1);
    device.kill(Kill::AndClear);
    world.server().clear_faults();
    lose_database(&device);
    let files =
        fs::read_dir(device.state.join("spool")).expect("the spool").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|path| fs::metadata(path).is_ok_and(|found| found.len() > 1 << 20)).collect();
    files.sort_by_key(|path| fs::metadata(path).map_or(0, |found| found.len()));
    assert_eq!(files.len(), 2, "one a half");
    // The still, which is the larger.
    fs::remove_file(&files[1]).expect("it is removed");
    device.mount();
    device.wait_idle();
    check_one(&world, &still, &clip);
    check(&device, "Drop/Trip/IMG_1.MOV", &clip);
    check(&device, "Albums/Trip/IMG_1.JPG", &still);
}

/// "Hash … (live photo: `image:video`). Own, live, not hidden file with the same hash, type and name … is added to the
/// target album (a link)", also where an old client kept the two hashes apart.
#[test]
fn a_pair_that_another_client_made_is_linked() {
    let Some(world) = World::start() else { return };
    world.client().create_album("Other");
    let pairs = [own_pair(11), own_pair(12)];
    for (joined, (still, clip)) in [true, false].into_iter().zip(&pairs) {
        let zip = zip(Packing::Stored, [("image.JPG", still), ("video.MOV", clip)]);
        let (one, two) = (hash_text(still), hash_text(clip));
        let joined = joined.then(|| vec![("hash", format!("{one}:{two}"))]);
        let hashes = joined.unwrap_or_else(|| vec![("imageHash", one), ("videoHash", two), ("hash", String::new())]);
        world.client().upload_with("Other", "IMG_1.JPG", FileKind::LivePhoto, &zip, &hashes);
    }
    let device = world.mounted();
    for (dir, (still, clip)) in ["One", "Two"].into_iter().zip(&pairs) {
        drop_pair(&device, &format!("Drop/{dir}"), still, clip);
    }
    device.wait_idle();
    let photos = world.client().photos();
    assert_eq!(photos.len(), 2, "no third");
    for (dir, (still, clip)) in ["One", "Two"].into_iter().zip(&pairs) {
        assert!(photos.iter().any(|photo| photo.albums.contains(dir) && photo.albums.contains("Other")), "{dir}");
        check(&device, &format!("Albums/{dir}/IMG_1.JPG"), still);
        check(&device, &format!("Albums/{dir}/IMG_1.MOV"), clip);
    }
}

/// "A half that comes later re-forms the pair as a new version", whichever half it is, in a drop and in an album.
#[test]
fn a_half_that_comes_later_re_forms_the_pair() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let cases = [("Drop/One", true), ("Drop/Two", false), ("Albums/Three", true), ("Albums/Four", false)];
    for (seed, (dir, still_first)) in (20..).zip(cases) {
        let (still, clip) = own_pair(seed);
        fs::create_dir_all(device.path(dir)).expect("a directory");
        let mut halves = [("IMG_1.JPG", &still), ("IMG_1.MOV", &clip)];
        if !still_first {
            halves.reverse();
        }
        for (name, bytes) in halves {
            fs::write(device.path(dir).join(name), bytes).expect("a half");
            device.wait_idle();
        }
        let album = dir.rsplit('/').next().expect("a name").to_owned();
        let in_album = || world.client().photos().into_iter().filter(|photo| photo.albums.contains(&album));
        await_that("one photo in the album", || in_album().count() == 1);
        let photo = in_album().next().expect("one");
        assert_eq!(photo.hash, format!("{}:{}", hash_text(&still), hash_text(&clip)), "{dir}");
        assert_eq!(photo.title, "IMG_1.JPG");
        let places = [dir.to_owned(), format!("Albums/{album}")];
        for place in &places {
            assert_eq!(sorted(&device.path(place)), ["IMG_1.JPG", "IMG_1.MOV"], "{place}");
            check(&device, &format!("{place}/IMG_1.JPG"), &still);
            check(&device, &format!("{place}/IMG_1.MOV"), &clip);
        }
        // The version before is kept, and nothing is in the trash.
        let single = hash_text(if still_first { &still } else { &clip });
        let old = world.client().photos().into_iter().find(|photo| photo.hash == single).expect("the one before");
        assert_eq!(old.albums.into_iter().collect::<Vec<_>>(), ["Uncategorized"]);
    }
    assert_eq!(world.client().trashed(), []);
    device.remount_without_cache();
    for (seed, (dir, _)) in (20..).zip(cases) {
        let (still, clip) = own_pair(seed);
        check(&device, &format!("{dir}/IMG_1.JPG"), &still);
        check(&device, &format!("{dir}/IMG_1.MOV"), &clip);
    }
}

/// What does not belong to a photo in Ente leaves it as it is.
#[test]
fn a_later_half_of_another_moment_is_a_photo_of_its_own() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let (still, _) = own_pair(30);
    // It may belong to it for all that its name and its own record say.
    let other = apple_movie(30, CLIP, MAY + 3 * 86_400, "ANOTHER-PHOTO");
    fs::create_dir_all(device.path("Drop/Trip")).expect("a directory");
    fs::write(device.path("Drop/Trip/IMG_1.JPG"), &still).expect("a still");
    device.wait_idle();
    let before = world.client().photo("IMG_1.JPG").id;
    fs::write(device.path("Drop/Trip/IMG_1.MOV"), &other).expect("a clip");
    device.wait_idle();
    assert_eq!(world.client().photo("IMG_1.JPG").id, before);
    assert_eq!(world.client().photo("IMG_1.MOV").hash, hash_text(&other));
    check(&device, "Drop/Trip/IMG_1.JPG", &still);
    check(&device, "Drop/Trip/IMG_1.MOV", &other);
}

/// Apple's identifier joins halves that no date does, and a half that has one waits for the other to come.
#[test]
fn halves_with_one_identifier_are_paired_and_waited_for() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let still = apple_jpeg(31, STILL, IDENTIFIER);
    let clip = apple_movie(31, CLIP, MAY, IDENTIFIER);
    fs::create_dir_all(device.path("Drop/Trip")).expect("a directory");
    fs::write(device.path("Drop/Trip/IMG_1.JPG"), &still).expect("a still");
    // What comes after it is in Ente, and it has not been sent.
    let plain = jpeg(32, 5000);
    fs::write(device.path("Drop/Trip/other.jpg"), &plain).expect("another photo");
    await_that("the other photo", || world.client().photos().iter().any(|photo| photo.title == "other.jpg"));
    assert_eq!(world.client().photos().len(), 1);
    fs::write(device.path("Drop/Trip/IMG_1.MOV"), &clip).expect("its clip");
    device.wait_idle();
    let titles: Vec<String> = world.client().photos().into_iter().map(|photo| photo.title).collect();
    assert_eq!(titles.len(), 2, "no half was sent alone: {titles:?}");
    assert_eq!(world.client().photo("IMG_1.JPG").hash, format!("{}:{}", hash_text(&still), hash_text(&clip)));
    assert_eq!(world.client().photo("other.jpg").hash, hash_text(&plain));
}

/// New bytes for one half, or for both, are a new version of the whole photo (2.11, 2.12); equal ones are none.
#[test]
fn new_bytes_over_one_half_are_a_new_version_of_the_live_photo() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let cases = [("Drop/One", "One"), ("Albums/Two", "Two")];
    let halves_of = |case: u64, n: u64| own_pair(40 + 10 * case + n);
    for (case, (dir, album)) in (0..).zip(cases) {
        let in_album = || {
            let photos: Vec<_> =
                world.client().photos().into_iter().filter(|photo| photo.albums.contains(album)).collect();
            let hashes: Vec<String> = photos.iter().map(|photo| photo.hash.clone()).collect();
            assert_eq!(hashes.len(), 1, "{dir}: {hashes:?}");
            (photos[0].id, hashes[0].clone())
        };
        let (first, second, third) = (halves_of(case, 0), halves_of(case, 1), halves_of(case, 2));
        let hash = |still: &[u8], clip: &[u8]| format!("{}:{}", hash_text(still), hash_text(clip));
        drop_pair(&device, dir, &first.0, &first.1);
        device.wait_idle();
        let (id, found) = in_album();
        assert_eq!(found, hash(&first.0, &first.1));
        let write = |name: &str, bytes: &[u8]| fs::write(device.path(dir).join(name), bytes).expect("it is written");
        write("IMG_1.MOV", &first.1);
        device.wait_idle();
        assert_eq!(in_album().0, id, "{dir}: the bytes are what they were");
        write("IMG_1.JPG", &second.0);
        device.wait_idle();
        assert_eq!(in_album().1, hash(&second.0, &first.1), "{dir}");
        write("IMG_1.MOV", &second.1);
        device.wait_idle();
        assert_eq!(in_album().1, hash(&second.0, &second.1), "{dir}");
        drop_pair(&device, dir, &third.0, &third.1);
        device.wait_idle();
        assert_eq!(in_album().1, hash(&third.0, &third.1), "{dir}");
    }
    assert_eq!(world.client().trashed(), []);
    let versions = world.client().photos().into_iter().filter(|photo| photo.albums.contains("Uncategorized"));
    assert_eq!(versions.count(), 6, "what was before is kept");
    device.remount_without_cache();
    for (case, (dir, album)) in (0..).zip(cases) {
        let (still, clip) = halves_of(case, 2);
        for place in [dir.to_owned(), format!("Albums/{album}")] {
            assert_eq!(sorted(&device.path(&place)), ["IMG_1.JPG", "IMG_1.MOV"], "{place}");
            check(&device, &format!("{place}/IMG_1.JPG"), &still);
            check(&device, &format!("{place}/IMG_1.MOV"), &clip);
        }
    }
}
