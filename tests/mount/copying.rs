//! Issue 3, point 1: whatever copies, everything arrives once, and copying again finds nothing to do.

use super::ledger::Ledger;
use super::tree::Tree;
use crate::common::{Device, World, await_that, has_program, jpeg, number, run, skip, sorted};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// Trees beside the large one.
const FEW: u64 = 24;

fn rsync(options: &[&str], from: &Path, to: &Path) -> String {
    // With a slash: what is in there, not the directory itself.
    run(Command::new("rsync").args(options).arg(from.join("")).arg(to.join("")))
}

/// Copying again has nothing to do, also after a remount, and everything is in Ente once.
#[track_caller]
fn check_settled(world: &World, device: &mut Device, tree: &Tree) {
    let drop_dir = device.drop_dir();
    assert_eq!(rsync(&["-ain"], &tree.root, &drop_dir), "", "right after the copy");
    device.wait_idle();
    assert_eq!(rsync(&["-ain"], &tree.root, &drop_dir), "", "after the upload");
    device.remount();
    assert_eq!(rsync(&["-ain"], &tree.root, &drop_dir), "", "after a remount");
    assert_eq!(rsync(&["-ainc"], &tree.root, &drop_dir), "", "by checksum");
    device.wait_idle();
    tree.ledger.check(world.client());
    let status = device.status();
    assert_eq!(status.uploads.local_only.files, 4, "the empty file, .DS_Store, the sidecar and the text");
    assert_eq!(status.uploads.uploaded_total, tree.ledger.len() as u64);
}

/// "`rsync -a` of a tree of 500 photos … exits 0 without a warning; all real photos reach Ente once; `rsync -ain`
/// afterwards prints nothing; the same after unmount and mount."
#[test]
fn rsync_of_a_whole_tree_arrives_once_and_stays_as_it_was() {
    let Some(world) = World::start() else { return };
    let tree = Tree::grow(&world.path("tree"), number("ENTEFS_TEST_PHOTOS", 120), 1);
    let mut device = world.mounted();
    assert_eq!(rsync(&["-a"], &tree.root, &device.drop_dir()), "");
    check_settled(&world, &mut device, &tree);
    let uploads = world.server().request_counts().get("POST /files").copied();
    assert_eq!(uploads, Some(tree.ledger.len() as u64), "nothing was registered twice");
    let mut other = world.mounted();
    check_albums(&other, &tree);
    other.unmount();
}

/// Every photo reads back from its albums, byte for byte.
#[track_caller]
fn check_albums(device: &Device, tree: &Tree) {
    let mut found = Vec::new();
    for album in sorted(&device.path("Albums")) {
        let dir = device.path("Albums").join(&album);
        for name in sorted(&dir) {
            found.push((album.clone(), name.clone(), fs::read(dir.join(&name)).expect("a photo reads")));
        }
    }
    let mut shown = Ledger::default();
    for (album, name, bytes) in &found {
        shown.expect(name, bytes, album);
    }
    // Names that two photos of one album share are told apart; here none do.
    tree.ledger.check_equal(&shown);
}

#[test]
fn rsync_in_place_and_with_partial_files_arrives_once() {
    let Some(world) = World::start() else { return };
    for (seed, options) in [(2, ["-a", "--inplace"]), (3, ["-a", "--partial"])] {
        let world = if seed == 2 { &world } else { &World::unmounted() };
        let tree = Tree::grow(&world.path("tree"), FEW, seed);
        let mut device = world.mounted();
        assert_eq!(rsync(&options, &tree.root, &device.drop_dir()), "", "{options:?}");
        check_settled(world, &mut device, &tree);
        device.unmount();
    }
}

#[test]
fn cp_a_arrives_once() {
    let Some(world) = World::start() else { return };
    let tree = Tree::grow(&world.path("tree"), FEW, 4);
    let mut device = world.mounted();
    run(Command::new("cp").arg("-a").arg(tree.root.join(".")).arg(device.drop_dir()));
    check_settled(&world, &mut device, &tree);
}

#[test]
fn tar_x_arrives_once() {
    let Some(world) = World::start() else { return };
    let tree = Tree::grow(&world.path("tree"), FEW, 5);
    let (mut device, archive) = (world.mounted(), world.path("tree.tar"));
    run(Command::new("tar").arg("--format=posix").arg("-cf").arg(&archive).arg("-C").arg(&tree.root).arg("."));
    run(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(device.drop_dir()));
    check_settled(&world, &mut device, &tree);
}

#[test]
fn mv_from_another_filesystem_arrives_once_and_leaves_nothing_behind() {
    let Some(world) = World::start() else { return };
    let shm = tempfile::tempdir_in("/dev/shm");
    let Ok(shm) = shm else { return skip("/dev/shm cannot be used") };
    let (kept, tree) = (Tree::grow(&world.path("tree"), FEW, 6), Tree::grow(&shm.path().join("tree"), FEW, 6));
    let mut device = world.mounted();
    let mut command = Command::new("mv");
    command.args(fs::read_dir(&tree.root).expect("a tree").map(|entry| entry.expect("an entry").path()));
    run(command.arg(device.drop_dir()));
    assert_eq!(sorted(&tree.root), [""; 0], "all was moved");
    // The directory itself was not moved, and a copy made its own.
    run(Command::new("touch").arg("-r").arg(&kept.root).arg(device.drop_dir()));
    check_settled(&world, &mut device, &kept);
}

#[test]
fn gio_copy_arrives_once() {
    let Some(world) = World::start() else { return };
    if !has_program("gio") {
        return skip("gio is not installed");
    }
    let mut device = world.mounted();
    let (mut ledger, mut sources): (Ledger, Vec<(PathBuf, Vec<u8>)>) = (Ledger::default(), Vec::new());
    for number in 0..8 {
        let (name, bytes) = (format!("über {number}.jpg"), jpeg(700 + number, 9000));
        let path = world.path(&name);
        fs::write(&path, &bytes).expect("a file");
        ledger.expect(&name, &bytes, "Drop");
        sources.push((path, bytes));
    }
    let copy = |device: &Device| {
        let mut command = Command::new("gio");
        command.args(["copy", "--preserve"]).args(sources.iter().map(|source| &source.0));
        run(command.arg(device.drop_dir()));
    };
    copy(&device);
    device.wait_idle();
    ledger.check(world.client());
    device.remount();
    for (path, bytes) in &sources {
        let copied = device.drop_dir().join(path.file_name().expect("a name"));
        assert_eq!(&fs::read(&copied).expect("it is there"), bytes);
        let mtime = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).expect("it is there");
        assert_eq!(mtime(&copied), mtime(path));
    }
    // Once more, over what is there: equal bytes are no new version.
    copy(&device);
    device.wait_idle();
    ledger.check(world.client());
}

/// A browser makes the name, writes beside it, and renames over it.
#[test]
fn a_browsers_download_arrives_once() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let mut ledger = Ledger::default();
    for (number, temporary) in ["photo.jpg.part", "photo.jpg.crdownload", "Unconfirmed 1.crdownload"].iter().enumerate()
    {
        let dir = device.drop_dir().join(format!("Downloads {number}"));
        fs::create_dir(&dir).expect("a directory");
        let bytes = jpeg(800 + number as u64, 50_000);
        fs::write(dir.join("photo.jpg"), b"").expect("an empty file");
        for half in 0..2 {
            let file = fs::File::options().create(true).append(true).open(dir.join(temporary));
            let part = &bytes[half * bytes.len() / 2..(half + 1) * bytes.len() / 2];
            file.and_then(|mut file| file.write_all(part)).expect("half a file");
            std::thread::sleep(Duration::from_millis(400));
        }
        fs::rename(dir.join(temporary), dir.join("photo.jpg")).expect("over the empty one");
        assert_eq!(fs::read(dir.join("photo.jpg")).expect("it is there"), bytes);
        assert_eq!(sorted(&dir), ["photo.jpg"]);
        ledger.expect("photo.jpg", &bytes, &format!("Downloads {number}"));
    }
    device.wait_idle();
    ledger.check(world.client());
}

/// `-X` and `-H` ask for more than `-a` does.
#[test]
fn rsync_with_attributes_and_links_arrives_once() {
    let Some(world) = World::start() else { return };
    let tree = Tree::grow(&world.path("tree"), FEW, 9);
    let mut device = world.mounted();
    assert_eq!(rsync(&["-aXH"], &tree.root, &device.drop_dir()), "");
    check_settled(&world, &mut device, &tree);
}

/// A time, a mode or a name set while a file is open says nothing of its size: the kernel would take it for the truth
/// and read an empty file.
#[test]
fn a_change_while_a_file_is_open_leaves_its_size() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let (path, renamed) = (device.drop_dir().join("open.txt"), device.drop_dir().join("renamed.txt"));
    let mut file = fs::File::create(&path).expect("a file");
    file.write_all(b"seven b").expect("its bytes");
    let size = |path: &Path| fs::metadata(path).expect("it is there").len();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).expect("it is ours");
    assert_eq!(size(&path), 7, "after a time was set");
    file.set_permissions(fs::Permissions::from_mode(0o600)).expect("it is ours");
    assert_eq!(size(&path), 7, "after a mode was set");
    fs::rename(&path, &renamed).expect("another name");
    assert_eq!(size(&renamed), 7, "after it was renamed");
    drop(file);
    assert_eq!(fs::read(&renamed).expect("it reads"), b"seven b");
    let mtime = fs::metadata(&renamed).and_then(|found| found.modified()).expect("it is there");
    assert_eq!(mtime, UNIX_EPOCH + Duration::from_secs(1_700_000_000));
}

/// What rested under a temporary name, and was found to stay local, is looked at again under its new one.
#[test]
fn a_temporary_file_that_rested_is_a_photo_once_it_has_another_name() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let (bytes, temporary) = (jpeg(900, 5000), device.drop_dir().join("slow.part"));
    fs::write(&temporary, &bytes).expect("a file");
    device.wait_idle();
    assert_eq!(device.status().uploads.local_only.files, 1);
    fs::rename(&temporary, device.drop_dir().join("slow.jpg")).expect("another name");
    device.wait_idle();
    let mut ledger = Ledger::default();
    ledger.expect("slow.jpg", &bytes, "Drop");
    ledger.check(world.client());
}

/// Descriptors go to the new process until it has executed its program, which closes them: while the kernel waits for
/// that, whoever looks at the process waits, too, and a mount that looked before it answered would wait for ever.
#[test]
fn a_program_that_starts_another_while_it_writes_holds_up_nothing() {
    let Some(world) = World::start() else { return };
    // Closed after the mount is gone: where that hangs, a close would hang, too.
    let mut written = Vec::new();
    let device = world.mounted();
    for number in 0..4 {
        let mut file = File::create(device.path(&format!("Drop/{number}.jpg"))).expect("a file");
        file.write_all(&jpeg(number, 3000)).expect("it is taken");
        written.push(file);
    }
    // Not joined: where it hangs, the end of the mount lets it go.
    let started = std::thread::spawn(|| Command::new("true").status().expect("it is installed"));
    await_that("another program has started", || started.is_finished());
    drop(written);
    device.wait_idle();
    assert_eq!(world.client().photos().len(), 4);
}

/// "These wait as *incomplete*: ... a last close by a process that a signal ended".
#[test]
fn what_a_killed_program_leaves_waits_as_incomplete() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let source = world.path("source.jpg");
    fs::write(&source, jpeg(8, 3000)).expect("a file");
    for (name, end) in [("killed.jpg", "kill -9 $$"), ("ended.jpg", "exit 1")] {
        let script =
            format!("exec 3>'{}'; cat '{}' >&3; {end}", device.path("Drop").join(name).display(), source.display());
        let status = Command::new("sh").args(["-c", &script]).status().expect("a shell");
        assert!(!status.success());
    }
    await_that("one is sent, the other waits", || {
        let status = device.status();
        status.uploads.uploaded_total == 1 && status.under_way() == 0 && status.parked.len() == 1
    });
    let parked = &device.status().parked[0];
    assert_eq!((parked.path.as_str(), parked.reason.as_str()), ("Drop/killed.jpg", "incomplete"));
    assert!(parked.detail.contains("ended by a signal"), "{}", parked.detail);
}
