//! Ente's trash in the mount (semantics 1, 3, 4.2): what is in it, how it comes back, and who may put it there.

use crate::common::{Device, Packing, World, await_that, jpeg, movie, sorted, zip};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

#[track_caller]
fn refused<T>(outcome: std::io::Result<T>) -> i32 {
    outcome.err().expect("it is refused").raw_os_error().expect("an errno")
}

/// Photos in an album, in Ente.
fn planted(device: &Device, album: &str, photos: &[(&str, &[u8])]) {
    fs::create_dir(device.path("Drop").join(album)).expect("a directory");
    for (name, bytes) in photos {
        fs::write(device.path("Drop").join(album).join(name), bytes).expect("a photo");
    }
    device.wait_idle();
}

fn state(device: &Device, path: &str) -> String {
    let value = xattr::get(device.path(path), "user.ente.state").expect("it can be asked").expect("it has one");
    String::from_utf8(value).expect("text")
}

/// "`Trash/`: what Ente will delete in 30 days; move out to restore." Also what this device never saw before it was
/// trashed, in an album that is deleted by now; and what other devices do with it shows.
#[test]
fn what_is_trashed_elsewhere_is_listed_reads_back_and_is_restored_by_moving_it_out() {
    let Some(world) = World::start() else { return };
    let (mut first, client) = (world.mounted(), world.client());
    let (one, two) = (jpeg(1, 150_000), jpeg(2, 3000));
    planted(&first, "Trip", &[("x.jpg", &one)]);
    planted(&first, "Home", &[("x.jpg", &two), ("kept.jpg", &jpeg(3, 3000))]);
    assert_eq!(sorted(&first.path("Trash")), [""; 0]);
    let photos: Vec<_> = client.photos().into_iter().filter(|photo| photo.title == "x.jpg").collect();
    for photo in &photos {
        client.trash(photo, photo.albums.first().expect("it is in one"));
    }
    client.delete_album("Trip");
    // A pull between the two finds both in the trash, and the album still there.
    first.refresh();
    await_that("both in the trash", || sorted(&first.path("Trash")) == ["x (2).jpg", "x.jpg"]);
    // A device with nothing of its own: the key of an album that is deleted is only with the server.
    let second = world.mounted();
    for device in [&first, &second] {
        assert_eq!(sorted(&device.path("Albums")), ["Home"]);
        let read = |name: &str| fs::read(device.path("Trash").join(name)).expect("it reads");
        assert!(read("x.jpg") == one && read("x (2).jpg") == two, "each its own bytes, the lower number plain");
        assert_eq!(fs::metadata(device.path("Trash/x.jpg")).expect("it is there").nlink(), 1);
        assert_eq!(state(device, "Trash/x.jpg"), "deleted-in-ente");
    }
    check_closed(&second);
    first.remount();
    assert_eq!(sorted(&first.path("Trash")), ["x (2).jpg", "x.jpg"], "the stored tree");

    // Out of it, under a name of its own; the other keeps its name.
    fs::rename(second.path("Trash/x.jpg"), second.path("Albums/Home/old.jpg")).expect("restored");
    assert_eq!(sorted(&second.path("Albums/Home")), ["kept.jpg", "old.jpg"]);
    assert_eq!(sorted(&second.path("Trash")), ["x (2).jpg"]);
    second.wait_idle();
    assert!(fs::read(second.path("Albums/Home/old.jpg")).expect("it reads") == one);
    assert_eq!(state(&second, "Albums/Home/old.jpg"), "in-ente");
    assert_eq!(client.trashed(), [photos[1].id]);
    assert_eq!(Vec::from_iter(&client.photo("x.jpg").albums), ["Home"]);
    await_that("the other device sees both", || {
        sorted(&first.path("Trash")) == ["x (2).jpg"] && first.path("Albums/Home/old.jpg").exists()
    });
    // Into Uncategorized, where there is none yet.
    fs::rename(first.path("Trash/x (2).jpg"), first.path("Uncategorized/x (2).jpg")).expect("restored");
    first.wait_idle();
    await_that("it is there", || second.path("Uncategorized/x.jpg").exists());
    assert!(client.trashed().is_empty() && sorted(&first.path("Trash")).is_empty());
    assert_eq!(first.status().troubles, []);
}

/// "`Trash/` accepts no new files: EPERM." "`unlink` in `Trash/`: EPERM always."
fn check_closed(device: &Device) {
    let (trash, there) = (device.path("Trash"), device.path("Trash/x.jpg"));
    assert_eq!(refused(fs::remove_file(&there)), libc::EPERM);
    assert_eq!(refused(fs::write(trash.join("new.jpg"), b"x")), libc::EPERM);
    assert_eq!(refused(fs::create_dir(trash.join("new"))), libc::EPERM);
    assert_eq!(refused(fs::rename(&there, trash.join("other.jpg"))), libc::EPERM);
    assert_eq!(refused(fs::rename(&there, device.path("Drop/x.jpg"))), libc::EPERM, "`mv` would leave it there");
    assert_eq!(refused(fs::rename(device.path("Albums/Home/kept.jpg"), trash.join("kept.jpg"))), libc::EPERM);
    assert_eq!(refused(fs::hard_link(&there, device.path("Albums/Home/x.jpg"))), libc::EPERM);
    assert_eq!(refused(fs::File::options().write(true).open(&there)), libc::EPERM);
    assert_eq!(refused(fs::File::options().write(true).truncate(true).open(&there)), libc::EPERM);
    assert_eq!(refused(fs::set_permissions(&there, fs::Permissions::from_mode(0o600))), libc::EPERM);
    assert_eq!(refused(fs::remove_dir(&trash)), libc::EPERM);
    // What is copied out of it is a new photo, like any other.
    assert!(fs::copy(&there, device.path("Drop/.copy")).is_ok() && fs::remove_file(device.path("Drop/.copy")).is_ok());
}

/// A live photo is trashed, listed and restored as a whole (1.2).
#[test]
fn a_live_photo_is_restored_as_a_whole() {
    let Some(world) = World::start() else { return };
    let (device, client) = (world.mounted(), world.client());
    let (still, clip) = (jpeg(11, 20_000), movie(12, 30_000, 1_600_000_000));
    client.create_album("Live");
    client.upload_live("Live", "IMG_1.jpg", &zip(Packing::Stored, [("image.jpg", &still), ("video.mov", &clip)]));
    client.trash(&client.photo("IMG_1.jpg"), "Live");
    await_that("both halves", || sorted(&device.path("Trash")) == ["IMG_1.jpg", "IMG_1.mov"]);
    assert!(fs::read(device.path("Trash/IMG_1.mov")).expect("it reads") == clip);
    let script = format!("mv '{}'/IMG_1.* '{}'", device.path("Trash").display(), device.path("Albums/Live").display());
    let moved = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    assert_eq!(sorted(&device.path("Albums/Live")), ["IMG_1.jpg", "IMG_1.mov"]);
    assert_eq!(sorted(&device.path("Trash")), [""; 0]);
    device.wait_idle();
    assert!(client.trashed().is_empty());
    assert!(fs::read(device.path("Albums/Live/IMG_1.jpg")).expect("it reads") == still);
}

/// "`unlink` in Uncategorized: EPERM, unless mounted with `-o allow_trash`; then it goes to Ente's trash." "rename into
/// Trash: move to Ente's trash." The brake counts it, and undo brings it back.
#[test]
fn a_mount_that_allows_it_moves_photos_to_entes_trash() {
    let Some(world) = World::start() else { return };
    let (mut device, client) = (world.mounted(), world.client());
    let photos: Vec<Vec<u8>> = (0..5).map(|number| jpeg(20 + number, 2000)).collect();
    let named: Vec<(String, &[u8])> = (0..).zip(&photos).map(|(n, bytes)| (format!("{n}.jpg"), &bytes[..])).collect();
    let named: Vec<(&str, &[u8])> = named.iter().map(|(name, bytes)| (&name[..], *bytes)).collect();
    planted(&device, "A", &named);
    fs::remove_file(device.path("Albums/A/0.jpg")).expect("out of its last album");
    device.wait_idle();
    let home = device.path("Uncategorized/0.jpg");
    assert_eq!(refused(fs::remove_file(&home)), libc::EPERM, "it is not allowed");
    device.unmount();
    device.set_options("allow_trash,removal_limit=3/10m");
    device.mount();
    client.create_album("B");
    client.add(&client.photo("1.jpg"), "B");
    device.refresh();

    fs::remove_file(&home).expect("to the trash");
    assert_eq!((sorted(&device.path("Uncategorized")), sorted(&device.path("Trash"))), (vec![], vec!["0.jpg".into()]));
    assert!(fs::read(device.path("Trash/0.jpg")).expect("it reads") == photos[0]);
    fs::rename(device.path("Albums/A/1.jpg"), device.path("Trash/one.jpg")).expect("to the trash, out of both albums");
    assert_eq!(sorted(&device.path("Trash")), ["0.jpg", "one.jpg"]);
    assert_eq!(sorted(&device.path("Albums/B")), [""; 0]);
    assert_eq!(refused(fs::rename(device.path("Albums/A/2.jpg"), device.path("Trash/0.jpg"))), libc::EEXIST);
    device.wait_idle();
    assert_eq!((client.trashed().len(), client.photos().len()), (2, 3));
    assert_eq!(state(&device, "Trash/one.jpg"), "deleted-in-ente");
    // The one out of its album and these two were three removals.
    assert_eq!(refused(fs::rename(device.path("Albums/A/2.jpg"), device.path("Trash/2.jpg"))), libc::EPERM);
    assert!(device.status().removals.held_since.is_some());
    assert!(device.run(["allow-removals"]).status.success());

    assert!(device.run(["undo", "--since", "1h"]).status.success());
    device.wait_idle();
    assert!(client.trashed().is_empty(), "{:?}", device.status().troubles);
    assert_eq!(Vec::from_iter(&client.photo("0.jpg").albums), ["A"], "back where it was first");
    assert_eq!(Vec::from_iter(&client.photo("1.jpg").albums), ["A", "B"]);
    assert_eq!(sorted(&device.path("Trash")), [""; 0]);
    assert_eq!(device.status().troubles.len(), 1, "that removals were held: {:?}", device.status().troubles);
}

/// Offline it shows at once and goes out in order later. What another device did meanwhile: a photo that got another
/// home only leaves Uncategorized, one that was restored there joins the album as well, one that was deleted for good is
/// refused, with a reason.
#[test]
fn what_was_done_to_the_trash_offline_meets_what_was_done_elsewhere() {
    let Some(world) = World::start() else { return };
    let (mut device, client) = (world.device(), world.client());
    device.set_options("allow_trash");
    device.mount();
    let bytes: Vec<Vec<u8>> = (0..5).map(|number| jpeg(40 + number, 2000)).collect();
    let names = ["homed.jpg", "gone.jpg", "restored.jpg", "deleted.jpg", "back.jpg"];
    let named: Vec<(&str, &[u8])> = names.iter().zip(&bytes).map(|(name, bytes)| (*name, &bytes[..])).collect();
    planted(&device, "A", &named);
    for name in ["homed.jpg", "gone.jpg", "back.jpg"] {
        fs::remove_file(device.path("Albums/A").join(name)).expect("out of its last album");
    }
    client.create_album("B");
    let photos = names.map(|name| client.photo(name));
    client.trash(&photos[2], "A");
    client.trash(&photos[3], "A");
    device.wait_idle();
    await_that("two in the trash", || sorted(&device.path("Trash")) == ["deleted.jpg", "restored.jpg"]);
    device.refresh();

    world.server().set_silent(true);
    for name in ["homed.jpg", "gone.jpg", "back.jpg"] {
        fs::remove_file(device.path("Uncategorized").join(name)).expect("to the trash");
    }
    for name in ["deleted.jpg", "restored.jpg", "back.jpg"] {
        fs::rename(device.path("Trash").join(name), device.path("Albums/A").join(name)).expect("restored");
    }
    assert_eq!(sorted(&device.path("Trash")), ["gone.jpg", "homed.jpg"]);
    assert_eq!(sorted(&device.path("Albums/A")), ["back.jpg", "deleted.jpg", "restored.jpg"]);
    device.unmount();
    world.server().set_silent(false);
    world.server().reset_connections();
    client.move_photo(&photos[0], "Uncategorized", "B");
    client.restore(&photos[2], "B");
    client.delete_for_good(&photos[3]);
    device.mount();
    device.wait_idle();
    device.refresh();
    let albums = |name: &str| Vec::from_iter(client.photo(name).albums);
    assert_eq!(albums("homed.jpg"), ["B"], "nobody saw it go from there");
    assert_eq!(albums("restored.jpg"), ["A", "B"]);
    assert_eq!(albums("back.jpg"), ["A"]);
    assert_eq!(client.trashed(), [photos[1].id]);
    assert_eq!(sorted(&device.path("Trash")), ["gone.jpg"]);
    assert_eq!(sorted(&device.path("Albums/A")), ["back.jpg", "restored.jpg"]);
    let troubles = device.status().troubles;
    assert!(troubles.iter().any(|line| line.text.contains("'deleted.jpg' could not be restored")), "{troubles:?}");
    assert_eq!(troubles.len(), 1, "{troubles:?}");
}

/// A restoring whose answer is lost is looked at before it is tried again: the server refuses the repeat.
#[test]
fn a_restoring_whose_answer_is_lost_is_done_once() {
    use entefs::embedded::{Method, Outcome, When};
    let Some(world) = World::start() else { return };
    let (device, client) = (world.mounted(), world.client());
    planted(&device, "A", &[("x.jpg", &jpeg(61, 2000)), ("y.jpg", &jpeg(62, 2000))]);
    for name in ["x.jpg", "y.jpg"] {
        client.trash(&client.photo(name), "A");
    }
    await_that("both in the trash", || sorted(&device.path("Trash")).len() == 2);
    world.fail_nth(Method::POST, entefs::wire::path::RESTORE_FILES, 1, When::After, Outcome::Reset);
    for name in ["x.jpg", "y.jpg"] {
        fs::rename(device.path("Trash").join(name), device.path("Albums/A").join(name)).expect("restored");
    }
    device.wait_idle();
    assert_eq!(sorted(&device.path("Albums/A")), ["x.jpg", "y.jpg"]);
    assert_eq!((client.trashed(), client.photos().len()), (vec![], 2));
    assert_eq!(device.status().troubles, []);
}
