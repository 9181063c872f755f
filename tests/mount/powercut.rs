//! Issue 3, point 4: power cuts, on a filesystem that forgets what was not synced.

use super::kills::{
    Copied, REWRITTEN_NAME, check_accepted, check_ingested, check_rewritten, check_version, ingest, rewrite,
};
use crate::common::{Kill, Random, Scratch, World, await_that, has_program, is_root, number, run, skip};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// `XFS_IOC_GOINGDOWN`, and its way of going down without writing the log: `FS_IOC_SHUTDOWN` of other filesystems.
const GOING_DOWN: libc::c_ulong = 0x8004_587d;
static NO_LOG_FLUSH: u32 = 2;

/// An XFS on a file of its own.
struct Disk {
    image: PathBuf,
    dir: PathBuf,
    _scratch: Scratch,
}

impl Disk {
    /// `None`, said aloud, where that is not possible.
    fn make(world: &World) -> Option<Self> {
        if !is_root() || !has_program("mkfs.xfs") {
            skip("power cuts need root and mkfs.xfs");
            return None;
        }
        let (image, dir) = (world.path("disk.img"), world.path("disk"));
        File::create(&image).and_then(|file| file.set_len(800 << 20)).expect("a sparse file");
        std::fs::create_dir(&dir).expect("a directory");
        run(Command::new("mkfs.xfs").args(["-q", "-f"]).arg(&image));
        let mounted = mount(&image, &dir).status.success();
        if !mounted {
            skip("a file cannot be mounted as a disk here");
            return None;
        }
        Some(Self { _scratch: Scratch::adopt(&dir), image, dir })
    }

    /// From here on nothing reaches the disk.
    fn cut(&self) {
        let root = File::open(&self.dir).expect("its root");
        // SAFETY: the call reads one number, which outlives it.
        let cut = unsafe { libc::ioctl(root.as_raw_fd(), GOING_DOWN as _, &raw const NO_LOG_FLUSH) };
        assert_eq!(cut, 0, "{}", std::io::Error::last_os_error());
    }

    /// Power is back.
    fn come_back(&self) {
        let unmount = || Command::new("umount").arg(&self.dir).output().is_ok_and(|output| output.status.success());
        await_that("nobody uses the disk", unmount);
        let output = mount(&self.image, &self.dir);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn mount(image: &Path, dir: &Path) -> std::process::Output {
    Command::new("mount").args(["-t", "xfs", "-o", "loop"]).arg(image).arg(dir).output().expect("mount is installed")
}

/// "With a power cut (loop XFS, `FS_IOC_SHUTDOWN`, 20 cuts): nothing lost whose close or fsync returned 0; no
/// zero-filled, short or mixed file ever uploaded."
#[test]
fn a_power_cut_loses_nothing_that_was_closed_or_synced() {
    let Some(world) = World::start() else { return };
    let Some(disk) = Disk::make(&world) else { return };
    let (cuts, mut random) = (number("ENTEFS_TEST_CUTS", 2), Random::announced("cuts"));
    let mut device = world.device_at(&disk.dir);
    let (mut all, mut last, mut next) = (Copied::new(), None, 0);
    let rewritten = device.drop_dir().join(REWRITTEN_NAME);
    for cut in 0..cuts {
        device.mount();
        check_accepted(&device.drop_dir(), &all);
        if let Some(found) = check_version(&rewritten, last, next, cut) {
            (last, next) = (Some(found), found.max(next) + 1);
        }
        let (dir, stop, seeds) = (device.drop_dir(), AtomicBool::new(false), (random.next(), random.next()));
        let (copied, synced) = thread::scope(|scope| {
            let writer = scope.spawn(|| ingest(&dir, cut, Random::new(seeds.0), &stop));
            let rewriter = scope.spawn(|| rewrite(&rewritten, next, Random::new(seeds.1)));
            thread::sleep(Duration::from_millis(100 + random.below(2500)));
            disk.cut();
            device.kill(Kill::AndClear);
            stop.store(true, Ordering::Relaxed);
            (writer.join().expect("it ends with the mount"), rewriter.join().expect("it ends with the mount"))
        });
        all.extend(copied);
        if let Some(synced) = synced {
            (last, next) = (Some(synced), synced + 1);
        }
        disk.come_back();
    }
    device.mount();
    check_accepted(&device.drop_dir(), &all);
    let found = check_version(&rewritten, last, next, cuts);
    device.wait_idle();
    check_ingested(&world, &device, &all);
    check_rewritten(&world, found, next);
    device.unmount();
}
