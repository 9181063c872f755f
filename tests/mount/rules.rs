//! Rules of the semantics that only the kernel's own calls can show.

use super::ledger::Ledger;
use crate::common::{World, jpeg};
use rustix::fs::{AtFlags, CWD, FileType, Mode, RenameFlags, linkat, mknodat, renameat_with, symlinkat};
use rustix::io::Errno;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

/// Section 3: "`symlink`, `mknod`: EPERM"; "`RENAME_EXCHANGE`: EINVAL; `RENAME_NOREPLACE` is kept"; a name over 255
/// bytes is said to be one by every call.
#[test]
fn what_a_photo_library_has_no_place_for_is_refused_with_the_errno_of_the_rule() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let path = |name: &str| device.drop_dir().join(name);
    for name in ["a.jpg", "b.jpg"] {
        fs::write(path(name), jpeg(1, 100)).expect("a photo");
    }
    assert_eq!(symlinkat("a.jpg", CWD, path("link")), Err(Errno::PERM));
    assert_eq!(mknodat(CWD, path("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0), Err(Errno::PERM));
    let rename = |flags| renameat_with(CWD, path("a.jpg"), CWD, path("b.jpg"), flags);
    assert_eq!(rename(RenameFlags::EXCHANGE), Err(Errno::INVAL));
    assert_eq!(rename(RenameFlags::NOREPLACE), Err(Errno::EXIST));
    let long = "x".repeat(256);
    let refused = |error: std::io::Error| error.raw_os_error();
    let too_long = Some(libc::ENAMETOOLONG);
    assert_eq!(fs::metadata(path(&long)).map_err(refused).err(), Some(too_long));
    assert_eq!(fs::remove_file(path(&long)).map_err(refused), Err(too_long));
    assert_eq!(fs::remove_dir(path(&long)).map_err(refused), Err(too_long));
    assert_eq!(fs::rename(path(&long), path("c.jpg")).map_err(refused), Err(too_long));
    assert_eq!(linkat(CWD, path("a.jpg"), CWD, path(&long), AtFlags::empty()), Err(Errno::NAMETOOLONG));
    fs::write(path(&"x".repeat(255)), b"").expect("255 bytes are a name");
}

/// Section 3: "`chmod`, `chown`, `chgrp`: remembered here"; "other `user.*`: kept here"; "`user.ente.state`, `reason`,
/// `id`: read-only facts".
#[test]
fn modes_owners_and_attributes_are_remembered_over_a_remount() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    fs::write(device.path("Drop/a.jpg"), jpeg(1, 100)).expect("a photo");
    let path = device.path("Drop/a.jpg");
    fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("it is ours");
    xattr::set(&path, "user.note", b"mine").expect("users' attributes are kept");
    let is_root = crate::common::is_root();
    if is_root {
        chown(&path, Some(1234), Some(1234)).expect("root may");
    }
    device.wait_idle();
    device.remount();
    let found = fs::metadata(&path).expect("it is there");
    assert_eq!(found.mode() & 0o7777, 0o640);
    assert!(!is_root || (found.uid(), found.gid()) == (1234, 1234));
    assert_eq!(xattr::get(&path, "user.note").expect("it reads"), Some(b"mine".to_vec()));
    assert_eq!(xattr::get(&path, "user.ente.state").expect("it reads"), Some(b"in-ente".to_vec()));
    let refused = xattr::set(&path, "security.mine", b"x").map_err(|error| error.raw_os_error());
    assert_eq!(refused, Err(Some(libc::EOPNOTSUPP)));
    assert!(xattr::set(&path, "user.ente.state", b"x").is_err(), "facts are read-only");
}

/// Section 3: "rename a drop directory: its photos move to the album that the new path maps to"; "`mkdir` inside an
/// album: a local directory whose files go to the album `X - sub`". 4.6: "who has it open keeps it".
#[test]
fn directories_of_a_drop_and_of_an_album_are_albums_and_an_open_file_outlives_its_name() {
    let Some(world) = World::start() else { return };
    let (device, mut ledger) = (world.mounted(), Ledger::default());
    let photos: Vec<Vec<u8>> = (1..4).map(|seed| jpeg(seed, 3_000)).collect();
    fs::create_dir(device.path("Drop/Before")).expect("a directory");
    fs::write(device.path("Drop/Before/a.jpg"), &photos[0]).expect("a photo");
    fs::create_dir(device.path("Albums/X")).expect("an album");
    fs::write(device.path("Albums/X/b.jpg"), &photos[1]).expect("a photo");
    fs::create_dir(device.path("Albums/X/sub")).expect("a directory");
    fs::write(device.path("Albums/X/sub/c.jpg"), &photos[2]).expect("a photo");
    device.wait_idle();
    fs::rename(device.path("Drop/Before"), device.path("Drop/After")).expect("another name");
    let mut open = File::open(device.path("Albums/X/b.jpg")).expect("it opens");
    fs::remove_file(device.path("Albums/X/b.jpg")).expect("it leaves the album");
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).expect("it reads on");
    assert!(bytes == photos[1]);
    device.wait_idle();
    ledger.expect("a.jpg", &photos[0], "After");
    ledger.expect("b.jpg", &photos[1], "Uncategorized");
    ledger.expect("c.jpg", &photos[2], "X - sub");
    ledger.check(world.client());
}
