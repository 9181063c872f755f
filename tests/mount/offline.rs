//! Offline is a state like any other (semantics 5.5): with a server that takes every request and answers none, all
//! but the bytes that are nowhere here is as it is online.

use super::ledger::Ledger;
use crate::common::{Device, World, jpeg, number, run, sorted};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing here waits so long, unless it waits for an answer that does not come.
const AT_ONCE: Duration = Duration::from_secs(60);
/// What waits for an answer does so for longer than any test lasts.
const NEVER: &str = "read_timeout=1h";

/// Copies photos in and sees them into Ente; then the cache is empty.
fn fill(device: &mut Device, photos: u64, ledger: &mut Ledger) {
    fs::create_dir(device.path("Drop/Here")).expect("a directory");
    fs::create_dir(device.path("Drop/There")).expect("a directory");
    for number in 0..photos {
        let (album, bytes) = (if number % 2 == 0 { "Here" } else { "There" }, jpeg(number, 2_000));
        let name = format!("{number}.jpg");
        fs::write(device.path(&format!("Drop/{album}/{name}")), &bytes).expect("a photo");
        ledger.expect(
            &name,
            &bytes,
            if number == 2 {
                "There"
            } else if number == 4 {
                "Uncategorized"
            } else {
                album
            },
        );
    }
    device.wait_idle();
    // What was sent moves from the spool to the cache a little later.
    crate::common::await_that("all of it in the cache", || count_files(&device.cache) >= photos);
    device.remount_without_cache();
}

fn count_files(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count_files(&entry.path()) } else { 1 }).sum()
}

#[track_caller]
fn at_once<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = act();
    assert!(began.elapsed() < AT_ONCE, "{what} waited for the network: {:?}", began.elapsed());
    done
}

fn cat(path: &Path) -> Child {
    Command::new("cat").arg(path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("cat is everywhere")
}

/// Waits until somebody asks for the bytes of a photo.
fn await_download(world: &World) {
    crate::common::await_that("a request for the bytes", || {
        world.server().request_counts().keys().any(|route| route.contains("/files/download"))
    });
}

/// Semantics 5.4, 5.5 and 6.3.
#[test]
fn with_a_server_that_never_answers_nothing_hangs_but_a_read_of_what_is_not_here() {
    let Some(world) = World::start() else { return };
    let (mut device, mut ledger) = (world.device(), Ledger::default());
    device.set_options(NEVER);
    device.mount();
    let photos = number("ENTEFS_TEST_OFFLINE", 60);
    fill(&mut device, photos, &mut ledger);
    device.unmount();
    world.server().set_silent(true);
    at_once("mount", || device.mount());
    let path = |below: &str| device.path(below);
    let listing = at_once("ls -R", || run(Command::new("ls").arg("-R").arg(device.mountpoint())));
    assert_eq!(listing.matches(".jpg").count() as u64, 3 * photos, "every photo in drop, album and timeline");
    at_once("df", || run(Command::new("df").arg(device.mountpoint())));
    at_once("stat", || run(Command::new("stat").arg(path("Albums/Here/0.jpg"))));
    at_once("mv", || run(Command::new("mv").arg(path("Albums/Here/2.jpg")).arg(path("Albums/There/2.jpg"))));
    at_once("rm", || run(Command::new("rm").arg(path("Albums/Here/4.jpg"))));
    let (new, source) = (jpeg(1_000_000, 5_000), world.path("new.jpg"));
    fs::write(&source, &new).expect("a file");
    at_once("cp", || run(Command::new("cp").arg(&source).arg(path("Albums/Here/new.jpg"))));
    ledger.expect("new.jpg", &new, "Here");
    assert!(at_once("cat", || fs::read(path("Albums/Here/new.jpg"))).expect("it is here") == new);
    assert!(sorted(&path("Albums/There")).contains(&"2.jpg".to_owned()));
    assert_eq!(sorted(&path("Uncategorized")), ["4.jpg"]);
    let mut reader = cat(&path("Albums/Here/0.jpg"));
    await_download(&world);
    assert!(reader.try_wait().expect("it is ours").is_none(), "it waits for bytes that do not come");
    at_once("SIGKILL", || {
        reader.kill().expect("it is ours");
        reader.wait().expect("it is ours")
    });
    at_once("unmount", || device.unmount());
    world.server().set_silent(false);
    world.server().reset_connections();
    device.mount();
    device.wait_idle();
    ledger.check(world.client());
}

/// Semantics 5.4: the deadline is kept, and said as EIO.
#[test]
fn a_read_of_what_is_nowhere_here_ends_with_eio_at_its_deadline() {
    let Some(world) = World::start() else { return };
    let (mut device, mut ledger) = (world.device(), Ledger::default());
    let deadline = Duration::from_secs(2);
    device.set_options("read_timeout=2s");
    device.mount();
    fill(&mut device, 6, &mut ledger);
    world.server().set_silent(true);
    let began = Instant::now();
    let refused = fs::read(device.path("Albums/Here/0.jpg")).map(|bytes| bytes.len()).map_err(|e| e.raw_os_error());
    assert_eq!(refused, Err(Some(libc::EIO)), "nobody has the bytes");
    assert!(began.elapsed() >= deadline, "it gave up after {:?}", began.elapsed());
    assert!(began.elapsed() < AT_ONCE, "it waited for {:?}", began.elapsed());
    world.server().set_silent(false);
    world.server().reset_connections();
    crate::common::await_that("the bytes", || {
        fs::read(device.path("Albums/Here/0.jpg")).is_ok_and(|read| read == jpeg(0, 2_000))
    });
}
