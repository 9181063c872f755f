//! Issue 3, point 3: albums are links, and removing is hard to do by accident.

use crate::common::{World, jpeg, sorted};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// "A photo in three albums has one inode and link count 3; `rm` twice leaves it in the third; the third `rm` puts it
/// into `Uncategorized/`; nothing was deleted on the server." And there `rm` is refused.
#[test]
fn a_photo_in_three_albums_is_one_inode_and_survives_three_removals() {
    let Some(world) = World::start() else { return };
    let (device, client, bytes) = (world.mounted(), world.client(), jpeg(1, 100_000));
    fs::create_dir(device.path("Drop/A")).expect("a directory");
    fs::write(device.path("Drop/A/x.jpg"), &bytes).expect("a photo");
    device.wait_idle();
    let photo = client.photo("x.jpg");
    for album in ["B", "C"] {
        client.create_album(album);
        client.add(&photo, album);
    }
    device.refresh();
    let path = |album: &str| device.path("Albums").join(album).join("x.jpg");
    let seen = |album: &str| fs::metadata(path(album)).map(|found| (found.ino(), found.nlink())).expect("it is there");
    let (ino, links) = seen("A");
    assert_eq!((links, seen("B"), seen("C")), (3, (ino, 3), (ino, 3)));
    for (removed, left) in [("A", 2), ("B", 1)] {
        fs::remove_file(path(removed)).expect("out of the album");
        assert_eq!(seen("C"), (ino, left), "at once");
        device.wait_idle();
        assert!(!client.photo("x.jpg").albums.contains(removed), "in Ente, too");
        assert_eq!(seen("C"), (ino, left));
    }
    assert_eq!(sorted(&device.path("Uncategorized")), [""; 0]);
    fs::remove_file(path("C")).expect("out of its last album");
    let last = device.path("Uncategorized/x.jpg");
    assert_eq!(fs::metadata(&last).map(|found| (found.ino(), found.nlink())).expect("at once"), (ino, 1));
    let refused = fs::remove_file(&last).expect_err("nothing destroys a photo");
    assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
    device.wait_idle();
    device.refresh();
    assert!(fs::read(&last).expect("it reads") == bytes);
    let photo = client.photo("x.jpg");
    assert_eq!(Vec::from_iter(&photo.albums), ["Uncategorized"]);
    assert!(client.download(&photo) == bytes);
    assert_eq!(client.trashed(), []);
    assert_eq!(world.server().file_count(crate::common::EMAIL).expect("the account"), 1);
    // The entry in the drop is none of this.
    assert!(fs::read(device.path("Drop/A/x.jpg")).expect("it stays where it was written") == bytes);
}

/// A whole album of photos goes, directory and all: each is in Uncategorized.
#[test]
fn rm_r_of_an_album_destroys_nothing() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    fs::create_dir(device.path("Drop/Trip")).expect("a directory");
    for number in 0..12 {
        fs::write(device.path(&format!("Drop/Trip/{number:02}.jpg")), jpeg(number, 3000)).expect("a photo");
    }
    device.wait_idle();
    fs::remove_dir_all(device.path("Albums/Trip")).expect("it goes as a directory does");
    device.wait_idle();
    device.refresh();
    assert_eq!(sorted(&device.path("Uncategorized")).len(), 12);
    assert_eq!(sorted(&device.path("Albums")), [""; 0]);
    let photos = world.client().photos();
    assert_eq!(photos.len(), 12);
    assert!(photos.iter().all(|photo| Vec::from_iter(&photo.albums) == ["Uncategorized"]));
    assert_eq!(world.client().trashed(), []);
}

/// "Two equal files dropped together make one upload"; the others are links of it.
#[test]
fn equal_files_dropped_together_are_uploaded_once() {
    let Some(world) = World::start() else { return };
    let (device, bytes) = (world.mounted(), jpeg(1, 300_000));
    let copies = 8;
    for number in 0..copies {
        fs::create_dir(device.path(&format!("Drop/{number}"))).expect("a directory");
    }
    // They settle at one moment.
    std::thread::scope(|scope| {
        for number in 0..copies {
            let (path, bytes) = (device.path(&format!("Drop/{number}/same.jpg")), &bytes);
            scope.spawn(move || fs::write(path, bytes).expect("a photo"));
        }
    });
    device.wait_idle();
    assert_eq!(world.client().photo("same.jpg").albums.len(), copies);
    let uploads = device.status().uploads;
    assert_eq!((uploads.uploaded_total, uploads.linked_total), (1, copies as u64 - 1));
    assert_eq!(world.client().trashed(), []);
}
