//! A store that does not take what it is given, and handles that outlive a name: nothing stays half done.

use crate::device::Device;
use crate::operation::{Album, Dir, Op};
use crate::photos::Content;
use crate::world::World;
use crate::{TEMPLATE, runtime};
use entefs::base::Ino;
use entefs::store::UploadRow;
use entefs::tree::{FixedPlace, Stage};
use entefs::vfs::{Maker, RenameMode};
use std::sync::Arc;

const ME: Maker = Maker { uid: 0, gid: 0, mode: 0o644 };
const SENT: [Op; 2] = [Op::Wait(15), Op::Work];

fn world(ops: &[Op]) -> World {
    let mut world = World::new(Arc::new(runtime()), &TEMPLATE.1).expect("a fresh mount");
    for op in ops {
        world.step(*op).unwrap_or_else(|why| panic!("{op:?}: {why}"));
    }
    world
}

/// From here on every transaction that does this fails, as on a full disk.
fn refuse(device: &Device, what: &str) {
    let trigger = format!("CREATE TRIGGER refuse BEFORE {what} BEGIN SELECT RAISE(ABORT, 'no room'); END");
    device.database().execute_batch(&trigger).expect("a trigger");
}

fn allow(device: &Device) {
    device.database().execute_batch("DROP TRIGGER refuse").expect("there is one");
}

fn upload_of(device: &Device, ino: Ino) -> UploadRow {
    let rows = device.engine.store().read(|rows| rows.load_uploads_of(ino)).expect("it can be read");
    rows.into_iter().next_back().expect("it is on its way")
}

fn nameless_files(device: &Device) -> i64 {
    let sql =
        "SELECT count(*) FROM nodes WHERE kind = 2 AND NOT EXISTS (SELECT 1 FROM names WHERE names.ino = nodes.ino)";
    device.database().query_row(sql, [], |row| row.get(0)).expect("it can be counted")
}

#[test]
fn a_close_that_the_store_does_not_take_is_made_good() {
    let mut world = world(&[]);
    let (content, len) = (Content(1), Content(1).bytes().len() as u64);
    let device = &world.device;
    let (drop, vfs) = (device.dir(&["Drop"]).expect("it is there"), &device.vfs);
    let (found, opened) = vfs.create(drop, b"a.jpg", ME).expect("a new file");
    let ino = found.attr.ino;
    vfs.write(opened.fh, 0, content.bytes()).expect("there is room");
    refuse(device, "UPDATE ON uploads");
    vfs.flush(opened.fh, false).expect("the bytes are durable");
    assert!(vfs.release(opened.fh).is_err());
    assert_eq!((vfs.settle_closed(), upload_of(device, ino).stage), (1, Stage::Writing));
    // It shows and reads as it was written, and a reader's close ends nothing.
    assert_eq!(vfs.getattr(ino).expect("it is listed").attr.size, len);
    assert_eq!(device.read(ino).expect("it reads"), content.bytes());
    assert_eq!(vfs.settle_closed(), 1);
    allow(device);
    // Whoever writes on settles it, and nobody before.
    let fh = vfs.open(ino, true).expect("it opens").fh;
    assert_eq!((vfs.settle_closed(), upload_of(device, ino).stage), (0, Stage::Writing));
    refuse(device, "UPDATE ON uploads");
    assert!(vfs.release(fh).is_err());
    allow(device);
    assert_eq!((vfs.settle_closed(), upload_of(device, ino).stage), (0, Stage::Settling));
    let node = device.engine.store().read(|rows| rows.load_node(ino)).expect("it can be read");
    assert_eq!(node.map(|node| node.size), Some(len));
    for op in SENT {
        let _ = world.step(op);
    }
    world.finish().expect("it is in Ente");
}

/// Removed before it could be settled, nothing of it is left.
#[test]
fn a_file_that_is_removed_before_it_is_settled_goes() {
    let world = world(&[]);
    let device = &world.device;
    let (drop, vfs) = (device.dir(&["Drop"]).expect("it is there"), &device.vfs);
    let (_, opened) = vfs.create(drop, b"a.jpg", ME).expect("a new file");
    vfs.write(opened.fh, 0, Content(1).bytes()).expect("there is room");
    refuse(device, "UPDATE ON uploads");
    assert!(vfs.release(opened.fh).is_err());
    allow(device);
    vfs.unlink(drop, b"a.jpg").expect("it is gone");
    assert_eq!((vfs.settle_closed(), nameless_files(device)), (0, 0));
}

/// The kernel is told of no handle, so it closes none.
#[test]
fn a_file_that_is_made_and_cannot_be_shown_is_not_left_open() {
    let world = world(&[]);
    let device = &world.device;
    let drop = device.dir(&["Drop"]).expect("it is there");
    let spoil =
        "CREATE TRIGGER refuse AFTER INSERT ON uploads BEGIN UPDATE nodes SET kind = 99 WHERE ino = NEW.ino; END";
    device.database().execute_batch(spoil).expect("a trigger");
    assert!(device.vfs.create(drop, b"a.jpg", ME).is_err());
    allow(device);
    device.database().execute_batch("UPDATE nodes SET kind = 2 WHERE kind = 99").expect("as it was");
    device.vfs.settle_closed();
    let ino = device.vfs.lookup(drop, b"a.jpg").expect("it is there all the same").attr.ino;
    assert_eq!(upload_of(device, ino).stage, Stage::Settling);
}

/// What was written into it afterwards would have been in no file any more.
#[test]
fn a_drop_entry_that_is_open_for_writing_becomes_no_photo_of_an_album() {
    let mut world = world(&[&[Op::MakeAlbum(Album::Y), Op::Write(Dir::Drop, "a.jpg", Content(0))][..], &SENT].concat());
    let device = &mut world.device;
    let (drop, y) = (device.dir(&["Drop"]).expect("it is there"), device.dir(&["Albums", "Y"]).expect("so is this"));
    let move_it = |device: &Device| device.vfs.rename(drop, b"a.jpg", y, b"a.jpg", RenameMode::Replace);
    let ino = device.vfs.lookup(drop, b"a.jpg").expect("it is listed").attr.ino;
    let fh = device.vfs.open(ino, true).expect("it opens").fh;
    assert_eq!(move_it(device).expect_err("it is being written").errno().0, libc::EBUSY);
    device.vfs.write(fh, 0, Content(2).bytes()).expect("there is room");
    device.vfs.flush(fh, false).expect("the bytes are durable");
    device.vfs.release(fh).expect("closed");
    move_it(device).expect("nobody has it open");
    let moved = device.vfs.lookup(y, b"a.jpg").expect("it is there now").attr.ino;
    assert!(device.read(moved).expect("it reads").starts_with(Content(2).bytes()), "with what was written");
}

/// Nor by way of the album's directory, brought back from the trash.
#[test]
fn an_album_does_not_come_back_from_the_trash_while_an_entry_in_it_is_open_for_writing() {
    let mut world =
        world(&[&[Op::MakeAlbum(Album::Y), Op::Write(Dir::Album(Album::Y), "a.jpg", Content(0))][..], &SENT].concat());
    let device = &mut world.device;
    let (albums, trash) = (device.dir(&["Albums"]).expect("it is there"), FixedPlace::TrashFiles.ino());
    let vfs = &device.vfs;
    vfs.rename(albums, b"Y", trash, b"Y", RenameMode::Replace).expect("into the trash");
    let dir = vfs.lookup(trash, b"Y").expect("it is there").attr.ino;
    let ino = vfs.lookup(dir, b"a.jpg").expect("so is this").attr.ino;
    let fh = vfs.open(ino, true).expect("it opens").fh;
    let back = || vfs.rename(trash, b"Y", albums, b"Y", RenameMode::Replace);
    assert_eq!(back().expect_err("it is being written").errno().0, libc::EBUSY);
    vfs.release(fh).expect("closed");
    back().expect("nobody has it open");
}

/// A drop entry that is removed while somebody has it open: its row goes with the last handle.
#[test]
fn an_entry_that_is_open_while_its_name_goes_leaves_no_row() {
    let mut world = world(&[&[Op::Write(Dir::Drop, "b.jpg", Content(1))][..], &SENT].concat());
    let device = &mut world.device;
    let drop = device.dir(&["Drop"]).expect("it is there");
    let open = |device: &Device| {
        let ino = device.vfs.lookup(drop, b"b.jpg").expect("it is listed").attr.ino;
        device.vfs.open(ino, true).expect("it opens").fh
    };
    let fh = open(device);
    device.vfs.unlink(drop, b"b.jpg").expect("it is removed");
    assert_eq!((fh > 0, nameless_files(device)), (true, 1), "somebody has it open");
    device.crash();
    assert_eq!(nameless_files(device), 0, "nobody has it open any more");
}
