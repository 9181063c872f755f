//! Commands about many files, and who may read what.

use crate::common::{Device, Packing, World, await_that, hash_text, jpeg, movie, sorted, zip};
use entefs::base::FileKind;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Exit code, stdout, stderr.
fn ask<S: AsRef<std::ffi::OsStr>>(device: &Device, arguments: impl IntoIterator<Item = S>) -> (i32, String, String) {
    let output = device.run(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("it ends by itself"), text(&output.stdout), text(&output.stderr))
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("below something")).expect("a directory");
    fs::write(path, bytes).expect("a file");
}

/// "Is each of these *local* files (any directory, by hash) in Ente? lists what is missing; 0 = all are."
#[test]
fn have_says_whether_a_card_may_be_formatted() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let card = world.path("card");
    let (clip, still) = (movie(7, 3000, 1_714_979_289), jpeg(7, 3000));
    for number in 0..3 {
        write(&card.join(format!("DCIM/100CANON/{number}.jpg")), &jpeg(number, 2000));
        fs::write(device.path(&format!("Drop/other {number}.jpg")), jpeg(number, 2000)).expect("a photo");
    }
    write(&card.join("DCIM/100CANON/0.xmp"), b"<x/>");
    device.wait_idle();
    let have = |device: &Device, path: &Path| ask(device, [Path::new("have"), path]);
    let (code, out, err) = have(&device, &card);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("1 files and directories are no photos"), "{err}");

    // The halves of a live photo of another client, and a file that only waits.
    let world_client = world.client();
    let hash = format!("{}:{}", hash_text(&still), hash_text(&clip));
    let packed = zip(Packing::Stored, [("image.jpg", &still), ("video.mov", &clip)]);
    world_client.upload("Drop", "IMG_7.jpg", FileKind::LivePhoto, &packed, &hash);
    write(&card.join("DCIM/100APPLE/IMG_7.JPG"), &still);
    write(&card.join("DCIM/100APPLE/IMG_7.MOV"), &clip);
    assert_eq!(ask(&device, ["pause"]).0, 0);
    write(&card.join("DCIM/new.jpg"), &jpeg(9, 2000));
    fs::write(device.path("Drop/new.jpg"), jpeg(9, 2000)).expect("a photo");
    let (code, out, err) = have(&device, &card);
    assert_eq!((code, out), (1, format!("{}\n", card.join("DCIM/new.jpg").display())), "{err}");
    assert!(err.contains("1 of 6 files are not in Ente"), "{err}");

    device.unmount();
    let (code, out, err) = have(&device, &card);
    assert!(
        code == 1 && out.lines().count() == 1 && err.contains("as of the last pull"),
        "without a mount, too: {err}"
    );
    assert_eq!(have(&device, &card.join("DCIM/100CANON")).0, 0);
    assert_eq!(have(&device, &card.join("DCIM/100CANON/0.xmp")).0, 1, "named itself, it is asked about");
    assert_eq!(have(&device, &card.join("none")).0, 1);
}

/// "`entefs verify` checks whole files against their hash"; "7 and a list if any fails".
#[test]
fn verify_reads_photos_and_compares_them_with_their_hash() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    for number in 0..3 {
        write(&device.path(&format!("Drop/A/{number}.jpg")), &jpeg(number, 20_000));
    }
    device.wait_idle();
    let (still, clip) = (jpeg(5, 30_000), movie(5, 20_000, 1_714_979_289));
    for (packing, title) in [(Packing::Stored, "one.jpg"), (Packing::Deflated, "two.jpg")] {
        let hash = format!("{}:{}", hash_text(&still), hash_text(&clip));
        world.client().upload(
            "A",
            title,
            FileKind::LivePhoto,
            &zip(packing, [("image.jpg", &still), ("video.mov", &clip)]),
            &hash,
        );
    }
    device.refresh();
    let (code, out, err) = ask(&device, ["verify"]);
    assert_eq!((code, out.as_str()), (0, "7 files verified.\n"), "{err}");

    world.client().upload("A", "lie.jpg", FileKind::Image, b"bytes", &hash_text(b"others"));
    let wrong = format!("{}:{}", hash_text(&still), hash_text(b"others"));
    let packed = zip(Packing::Stored, [("image.jpg", &still), ("video.mov", &clip)]);
    world.client().upload("A", "half.jpg", FileKind::LivePhoto, &packed, &wrong);
    world.client().upload("A", "old.jpg", FileKind::Image, b"without a hash", "");
    device.refresh();
    device.remount_without_cache();
    let (code, out, err) = ask(&device, ["verify", "Albums/A/0.jpg", "Albums/A/1.jpg", "Drop/A/1.jpg"]);
    assert_eq!((code, out.as_str()), (0, "3 files verified.\n"), "{err}");
    let (code, out, err) = ask(&device, [Path::new("verify"), &device.path("Albums")]);
    let listed: Vec<&str> = out.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!((code, listed), (7, vec!["Albums/A/half.mov", "Albums/A/lie.jpg"]), "{err}");
    assert!(err.contains("2 files do not verify, 8 do") && err.contains("1 files were passed over"), "{err}");
    assert_eq!(ask(&device, ["verify", "Albums/B"]).0, 1, "no such place");
    device.unmount();
    assert_eq!(ask(&device, ["verify"]).0, 1, "it needs a mount");
}

/// "They exist on this machine alone: `entefs local-only list|export DIR` gets them out."
#[test]
fn local_only_files_are_listed_and_exported() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    write(&device.path("Drop/A/notes.txt"), b"not a photo");
    write(&device.path("Drop/A/B/.hidden.jpg"), &jpeg(1, 2000));
    write(&device.path("Drop/A/photo.jpg"), &jpeg(2, 2000));
    device.wait_idle();
    assert_eq!(device.status().uploads.local_only.files, 2);
    let (code, out, _) = ask(&device, ["local-only", "list"]);
    assert_eq!((code, out.lines().count()), (0, 2), "{out}");
    assert!(out.contains("Drop/A/notes.txt\n") && out.contains("Drop/A/B/.hidden.jpg\n"), "{out}");
    let to = world.path("export");
    let export = |device: &Device| ask(device, [Path::new("local-only"), Path::new("export"), &to]);
    let (code, out, err) = export(&device);
    assert!(code == 0 && out.starts_with("2 files copied"), "{out}{err}");
    assert_eq!(fs::read(to.join("Drop/A/notes.txt")).expect("copied"), b"not a photo");
    assert!(fs::read(to.join("Drop/A/B/.hidden.jpg")).expect("copied") == jpeg(1, 2000));
    assert_eq!(sorted(&to.join("Drop/A")), ["B", "notes.txt"], "nothing else, and nothing half done");
    let modified = |path: &Path| fs::metadata(path).expect("it is there").modified().expect("a time");
    assert_eq!(modified(&to.join("Drop/A/notes.txt")), modified(&device.path("Drop/A/notes.txt")));

    assert_eq!(export(&device).0, 0, "what is there already is as good");
    fs::write(to.join("Drop/A/notes.txt"), "something else").expect("a file");
    let (code, out, err) = export(&device);
    assert!(code == 1 && out.starts_with("1 files copied") && err.contains("Drop/A/notes.txt"), "{out}{err}");
    assert_eq!(fs::read(to.join("Drop/A/notes.txt")).expect("it is there"), b"something else");
    let inside = device.path("Drop/export");
    assert_eq!(ask(&device, [Path::new("local-only"), Path::new("export"), &inside]).0, 2);
    device.unmount();
    assert_eq!(ask(&device, ["local-only", "list"]).1.lines().count(), 2, "without a mount, too");
    assert_eq!(export(&device).0, 1);
}

/// "A drop entry never leaves because of something done elsewhere ... `entefs ignored list|reset` shows and clears the
/// memory (a reset entry leaves the listing; copy the file again to send it)."
#[test]
fn what_was_deleted_in_ente_is_listed_and_forgotten_on_demand() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    for number in 0..3 {
        write(&device.path(&format!("Drop/A/{number}.jpg")), &jpeg(number, 2000));
    }
    device.wait_idle();
    assert_eq!(ask(&device, ["ignored", "list"]).1, "");
    for name in ["0.jpg", "1.jpg"] {
        world.client().trash(&world.client().photo(name), "A");
    }
    device.refresh();
    assert_eq!(sorted(&device.path("Drop/A")), ["0.jpg", "1.jpg", "2.jpg"]);
    let (code, out, _) = ask(&device, ["ignored", "list"]);
    let listed: Vec<&str> = out.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!((code, listed), (0, vec!["Drop/A/0.jpg", "Drop/A/1.jpg"]));
    assert!(ask(&device, ["ignored", "reset", "Drop/B"]).1.starts_with("0 forgotten"));
    let one = device.path("Drop/A/0.jpg");
    assert!(ask(&device, [Path::new("ignored"), Path::new("reset"), &one]).1.starts_with("1 forgotten"));
    assert_eq!(sorted(&device.path("Drop/A")), ["1.jpg", "2.jpg"]);
    write(&one, &jpeg(0, 2000));
    device.wait_idle();
    assert_eq!(world.client().photo("0.jpg").albums.len(), 1, "copied again, it is sent");

    device.unmount();
    assert!(ask(&device, ["ignored", "list"]).1.ends_with("Drop/A/1.jpg\n"), "without a mount, too");
    assert!(ask(&device, ["ignored", "reset"]).1.starts_with("1 forgotten"));
    device.mount();
    assert_eq!(sorted(&device.path("Drop/A")), ["0.jpg", "2.jpg"]);
}

/// "`on_delete = "uncategorize"` ... treats it as 4.1 for the album it maps to"; and so do the brake and `undo`.
#[test]
fn a_drop_can_take_the_photo_along_when_its_entry_is_removed() {
    let Some(world) = World::start() else { return };
    let mut device = world.device();
    let sections = "[[drop]]\npath = \"Drop\"\n\n[[drop]]\npath = \"Sync\"\non_delete = \"uncategorize\"\n";
    fs::write(device.state.with_file_name("config.toml"), sections).expect("a config file");
    device.set_options("removal_limit=1/1h");
    device.mount();
    write(&device.path("Drop/A/a.jpg"), &jpeg(1, 2000));
    for place in ["Sync/B/b.jpg", "Sync/B/c.jpg", "Sync/B/again/B/b.jpg"] {
        write(&device.path(place), &jpeg(u64::from(place.ends_with("c.jpg")) + 2, 2000));
    }
    device.wait_idle();
    assert_eq!(sorted(&device.path("Albums/B")), ["b.jpg", "c.jpg"]);
    fs::remove_file(device.path("Drop/A/a.jpg")).expect("the entry");
    fs::remove_file(device.path("Sync/B/again/B/b.jpg")).expect("one of two entries of a photo");
    assert_eq!(sorted(&device.path("Albums/B")), ["b.jpg", "c.jpg"]);
    fs::remove_file(device.path("Sync/B/b.jpg")).expect("the entry and the membership");
    assert_eq!(sorted(&device.path("Uncategorized")), ["b.jpg"]);
    let refused = fs::remove_file(device.path("Sync/B/c.jpg")).expect_err("it counts for the brake");
    assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
    assert_eq!(sorted(&device.path("Sync/B")), ["again", "c.jpg"]);
    device.wait_idle();
    assert_eq!(Vec::from_iter(&world.client().photo("a.jpg").albums), ["A"]);
    assert_eq!(Vec::from_iter(&world.client().photo("b.jpg").albums), ["Uncategorized"]);
    let (code, out, err) = ask(&device, ["undo"]);
    assert!(code == 0 && out.contains("photos back in 'B'"), "{out}{err}");
    assert_eq!(sorted(&device.path("Albums/B")), ["b.jpg", "c.jpg"]);
}

/// "Thumbnailers and indexers ... get EACCES for originals that are not cached, unless `previews = "originals"`."
#[test]
fn a_thumbnailer_reads_what_is_here_and_downloads_nothing() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    write(&device.path("Drop/A/x.jpg"), &jpeg(1, 2000));
    device.wait_idle();
    let (still, clip) = (jpeg(5, 30_000), movie(5, 20_000, 1_714_979_289));
    let packed = zip(Packing::Stored, [("image.jpg", &still), ("video.mov", &clip)]);
    world.client().upload_live("A", "live.jpg", &packed);
    device.refresh();
    device.remount_without_cache();
    let tumbler = world.path("tumblerd");
    fs::copy("/bin/cat", &tumbler).expect("a program of that name");
    let thumbnailer = |path: &Path| Command::new(&tumbler).arg(path).output().expect("it starts");
    for (place, bytes) in
        [("Albums/A/x.jpg", jpeg(1, 2000)), ("Drop/A/x.jpg", jpeg(1, 2000)), ("Albums/A/live.mov", clip)]
    {
        let path = device.path(place);
        if place.starts_with("Albums") {
            let refused = thumbnailer(&path);
            assert!(!refused.status.success(), "{place}");
            assert!(String::from_utf8_lossy(&refused.stderr).contains("Permission denied"), "{place}");
            assert_eq!(fs::metadata(&path).expect("anybody may look").len(), bytes.len() as u64);
            assert!(fs::read(&path).expect("people read") == bytes);
        }
        // The cache is written beside the read.
        await_that("it is cached", || thumbnailer(&path).status.success());
        assert!(thumbnailer(&path).stdout == bytes, "{place}");
    }
    write(&device.path("Drop/B/new.jpg"), &jpeg(2, 2000));
    assert!(thumbnailer(&device.path("Drop/B/new.jpg")).stdout == jpeg(2, 2000), "what is being sent is here");
    device.wait_idle();
    device.set_options("previews=originals");
    device.remount_without_cache();
    assert!(thumbnailer(&device.path("Albums/A/x.jpg")).stdout == jpeg(1, 2000));
}

/// "`entefs trash PATH…` does it deliberately: lists, asks, trashes."
#[test]
fn photos_are_trashed_deliberately_and_only_so() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    for number in 0..3 {
        write(&device.path(&format!("Drop/A/{number}.jpg")), &jpeg(number, 2000));
    }
    write(&device.path("Drop/notes.txt"), b"not a photo");
    device.wait_idle();
    let one = world.client().photo("1.jpg");
    world.client().create_album("B");
    world.client().add(&one, "B");
    device.refresh();
    let (code, _, err) = ask(&device, ["trash", "Albums/A/1.jpg"]);
    assert!(code == 2 && err.contains("--yes"), "nobody can be asked: {err}");
    for other in ["Albums/A", "Drop/notes.txt", "Albums/A/none.jpg"] {
        let (code, _, err) = ask(&device, ["trash", "--yes", "Albums/A/0.jpg", other]);
        assert!(code == 1 && err.contains(other), "{err}");
    }
    assert_eq!(world.client().trashed(), []);
    let seen = device.path("Albums/B/1.jpg");
    let arguments = [Path::new("trash"), Path::new("--yes"), &seen, Path::new("Drop/A/1.jpg")];
    let (code, out, err) = ask(&device, arguments);
    assert!(code == 0 && out.contains("(in A, B)") && out.contains("1 photos are in Ente's trash"), "{out}{err}");
    assert_eq!(world.client().trashed(), [one.id]);
    assert_eq!(
        (sorted(&device.path("Albums/A")), sorted(&device.path("Albums/B"))),
        (vec!["0.jpg".into(), "2.jpg".into()], vec![])
    );
    assert_eq!(sorted(&device.path("Drop/A")), ["0.jpg", "1.jpg", "2.jpg"], "an entry does not leave by itself");
    assert_eq!(ask(&device, ["trash", "--yes", "Drop/A/1.jpg"]).0, 1, "it is there already");
    device.unmount();
    assert_eq!(ask(&device, ["trash", "--yes", "Albums/A/0.jpg"]).0, 1, "it needs a mount");
}
