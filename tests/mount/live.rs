//! Live photos: one photo of Ente, two files here (semantics 1.2, 1.3, 2.11).

use crate::common::{Device, Kill, Packing, World, await_that, dated_jpeg, hash_text, jpeg, movie, sorted, zip};
use entefs::crypto::{CHUNK_LEAD, CHUNK_OVERHEAD};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

/// Over one chunk of Ente's stream, so that the directory is in another than the still.
const STILL: usize = 3 << 20;
const CLIP: usize = 2 << 20;
const MAY: u32 = 1_714_979_289;

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
