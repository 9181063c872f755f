//! Live photos: one photo of Ente, two files here (semantics 1.2, 1.3, 2.11).

use crate::common::{Device, Packing, World, await_that, jpeg, movie, sorted, zip};
use std::fs;
use std::os::unix::fs::MetadataExt;
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
    // The kernel may remember the second half's old name for a moment longer than it takes `mv` to come to it.
    shell(&device, "mv Sea.HEIC ../Later/");
    let ino = |path: &str| fs::metadata(device.path(path)).map(|found| found.ino()).ok();
    await_that("the old name's own inode", || ino("Albums/Trip/Sea.MOV") != ino("Albums/Later/Sea.MOV"));
    shell(&device, "mv Sea.MOV ../Later/");
    assert!(sorted(&device.path("Albums/Trip")).is_empty());
    assert_eq!(sorted(&device.path("Albums/Later")), ["Sea.HEIC", "Sea.MOV"]);
    check(&device, "Albums/Later/Sea.HEIC", &still);
    check(&device, "Albums/Later/Sea.MOV", &clip);
    shell(&device, "cd ../Later; rm Sea.HEIC Sea.MOV");
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
