//! Issue 3, point 3: albums are links, and removing is hard to do by accident.

use crate::common::{World, jpeg, run, sorted};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

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

/// How often bytes of photos were asked for, and photos made.
fn transfers(world: &World) -> (u64, u64) {
    let counts = world.server().request_counts();
    let sum = |word: &str| counts.iter().filter(|(route, _)| route.contains(word)).map(|(_, count)| count).sum();
    (sum("download"), counts.get("POST /files").copied().unwrap_or(0))
}

#[track_caller]
fn refused(outcome: std::io::Result<()>) -> i32 {
    outcome.expect_err("it is refused").raw_os_error().expect("an errno")
}

/// Semantics 3: "`link` a file into another album: add to album, no upload; another basename, or a second name in the
/// same album: EPERM (a photo has one name)". And `rsync -aH` and `du` see one file once.
#[test]
fn a_link_adds_a_photo_to_an_album() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let (client, bytes) = (world.client(), jpeg(21, 400_000));
    fs::create_dir(device.path("Drop/A")).expect("a directory");
    fs::write(device.path("Drop/A/x.jpg"), &bytes).expect("a photo");
    device.wait_idle();
    for album in ["B", "C"] {
        fs::create_dir(device.path("Albums").join(album)).expect("an album");
    }
    let path = |album: &str| device.path("Albums").join(album).join("x.jpg");
    fs::hard_link(path("A"), path("B")).expect("one more album");
    fs::hard_link(path("B"), device.path("Favorites/x.jpg")).expect("a favourite");
    let seen = fs::metadata(path("A")).expect("it is there");
    assert_eq!((seen.nlink(), fs::metadata(path("B")).expect("at once").ino()), (3, seen.ino()));
    assert_eq!(refused(fs::hard_link(path("A"), device.path("Albums/C/y.jpg"))), libc::EPERM, "another basename");
    assert_eq!(refused(fs::hard_link(path("A"), device.path("Albums/A/y.jpg"))), libc::EPERM, "a second name");
    assert_eq!(refused(fs::hard_link(path("A"), path("B"))), libc::EEXIST);
    assert_eq!(refused(fs::hard_link(path("A"), device.path("Drop/x.jpg"))), libc::EXDEV);
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("x.jpg").albums), ["A", "B", "Favorites"]);
    assert_eq!(transfers(&world).1, 1, "nothing was uploaded again");
    device.remount();
    let copy = world.path("copy");
    run(Command::new("rsync").arg("-aH").arg(device.path("Albums").join("")).arg(copy.join("")));
    let copied = fs::metadata(copy.join("B/x.jpg")).expect("it was copied");
    assert_eq!((copied.nlink(), fs::read(copy.join("A/x.jpg")).expect("it reads") == bytes), (2, true));
    let usage = run(Command::new("du").args(["-sb", "--apparent-size"]).arg(device.path("Albums")));
    let total: u64 = usage.split_whitespace().next().and_then(|total| total.parse().ok()).expect("a number");
    assert!(total < 2 * bytes.len() as u64, "counted once: {total}");
}

/// Semantics 1.4: `st_ctime` changes with the names of a drop entry: when one more is made, when one is removed, and
/// when something is renamed over one.
#[test]
fn a_name_of_a_drop_entry_that_comes_or_goes_changes_the_ctime_of_the_others() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let path = |name: &str| device.path("Drop").join(name);
    let seen = || {
        let found = fs::metadata(path("a.jpg")).expect("it is there");
        (found.nlink(), (found.ctime(), found.ctime_nsec()), (found.mtime(), found.mtime_nsec()))
    };
    for name in ["a.jpg", "other.jpg"] {
        fs::write(path(name), jpeg(23, 3000)).expect("a photo");
    }
    let (_, mut before, written) = seen();
    let mut changes = |links: u64, what: &str| {
        let (seen_links, after, mtime) = seen();
        assert_eq!((seen_links, mtime), (links, written), "{what}");
        assert!(after > before, "{what}: {after:?}, before {before:?}");
        before = after;
    };
    fs::hard_link(path("a.jpg"), path("b.jpg")).expect("a second name");
    changes(2, "linked");
    fs::remove_file(path("b.jpg")).expect("a name of two");
    changes(1, "unlinked");
    fs::hard_link(path("a.jpg"), path("b.jpg")).expect("a second name");
    changes(2, "linked anew");
    fs::rename(path("other.jpg"), path("b.jpg")).expect("over a name of two");
    changes(1, "renamed over");
}

/// Semantics 3: "`link` inside a drop: a second drop entry of the same inode, also added to the album its directory
/// maps to", before it is sent and after.
#[test]
fn a_link_in_a_drop_is_a_second_entry_and_a_second_album() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let (client, bytes) = (world.client(), jpeg(22, 30_000));
    for dir in ["A", "B", "C"] {
        fs::create_dir(device.path("Drop").join(dir)).expect("a directory");
    }
    let path = |dir: &str, name: &str| device.path("Drop").join(dir).join(name);
    fs::write(path("A", ".early.jpg.Xa12bC"), &bytes).expect("a photo under a temporary name");
    // As programs rename where they must not replace.
    fs::hard_link(path("A", ".early.jpg.Xa12bC"), path("A", "early.jpg")).expect("its name");
    fs::remove_file(path("A", ".early.jpg.Xa12bC")).expect("the temporary one");
    fs::hard_link(path("A", "early.jpg"), path("B", "early.jpg")).expect("a second entry");
    device.wait_idle();
    fs::hard_link(path("A", "early.jpg"), path("C", "late.jpg")).expect("a third, after the upload");
    let seen = |dir: &str, name: &str| fs::metadata(path(dir, name)).map(|found| (found.ino(), found.nlink()));
    let (ino, links) = seen("A", "early.jpg").expect("it is there");
    assert_eq!(links, 3);
    assert_eq!(seen("C", "late.jpg").expect("it is there"), (ino, 3));
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("early.jpg").albums), ["A", "B", "C"]);
    assert_eq!(transfers(&world).1, 1);
    device.remount();
    let path = |dir: &str, name: &str| device.path("Drop").join(dir).join(name);
    assert_eq!(
        fs::metadata(path("B", "early.jpg")).map(|found| (found.ino(), found.nlink())).expect("it stays"),
        (ino, 3)
    );
    fs::remove_file(path("A", "early.jpg")).expect("an entry goes");
    assert_eq!(fs::metadata(path("B", "early.jpg")).expect("the other stays").nlink(), 2);
    device.wait_idle();
    assert_eq!(client.photo("early.jpg").albums.len(), 3, "no photo left an album");
    assert!(fs::read(path("C", "late.jpg")).expect("it reads") == bytes);
}

/// Semantics 2.9: "Copying a whole photo inside the mount makes a link with no byte moved."
#[test]
fn a_copy_of_a_whole_photo_is_a_link_and_moves_no_byte() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let (client, bytes) = (world.client(), jpeg(23, 6 << 20));
    fs::create_dir(device.path("Drop/A")).expect("a directory");
    fs::write(device.path("Drop/A/x.jpg"), &bytes).expect("a photo");
    device.wait_idle();
    device.remount_without_cache();
    for dir in ["Albums/B", "Drop/C"] {
        fs::create_dir(device.path(dir)).expect("a directory");
    }
    let before = transfers(&world);
    for (options, target) in [("-p", "Albums/B/x.jpg"), ("--no-preserve=mode", "Drop/C/x.jpg")] {
        run(Command::new("cp").arg(options).arg(device.path("Albums/A/x.jpg")).arg(device.path(target)));
        assert_eq!(fs::metadata(device.path(target)).expect("at once").len(), bytes.len() as u64);
    }
    device.wait_idle();
    assert_eq!(transfers(&world), before, "no byte came, none went");
    assert_eq!(Vec::from_iter(&client.photo("x.jpg").albums), ["A", "B", "C"]);
    assert_eq!(
        (sorted(&device.path("Albums/B")), sorted(&device.path("Drop/C"))),
        (vec!["x.jpg".into()], vec!["x.jpg".into()])
    );
    let ino = |path: &str| fs::metadata(device.path(path)).expect("it is there").ino();
    assert_eq!(ino("Albums/A/x.jpg"), ino("Albums/B/x.jpg"));
    assert_ne!(ino("Albums/A/x.jpg"), ino("Drop/C/x.jpg"), "a drop entry is an inode of its own");
    // Under another name it is another photo, whose bytes go their way.
    run(Command::new("cp").arg(device.path("Albums/A/x.jpg")).arg(device.path("Albums/B/other.jpg")));
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("other.jpg").albums), ["B"]);
    for path in ["Albums/B/x.jpg", "Drop/C/x.jpg", "Albums/B/other.jpg"] {
        assert!(fs::read(device.path(path)).expect("it reads") == bytes, "{path}");
    }
}
