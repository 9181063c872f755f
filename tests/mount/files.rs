//! Commands about many files.

use crate::common::{Device, Packing, World, hash_text, jpeg, movie, zip};
use entefs::base::FileKind;
use std::fs;
use std::path::Path;

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
