//! Issue 5, "Flow": rates, schedule, `since`, and what `status` says of why nothing is sent.

use crate::common::{World, await_that, jpeg};
use entefs::base::calendar::minute_of_day;
use entefs::base::{Clock, SystemClock};
use std::fs::{self, File};
use std::time::{Duration, Instant, SystemTime};

/// `upload_limit` and `download_limit` are rates that nothing exceeds.
#[test]
fn rates_are_kept_both_ways() {
    let Some(world) = World::start() else { return };
    let (mut device, bytes) = (world.device(), jpeg(1, 96 << 10));
    device.set_options("upload_limit=64K,download_limit=64K");
    device.mount();
    fs::write(device.path("Drop/x.jpg"), &bytes).expect("a photo");
    let began = Instant::now();
    device.wait_idle();
    // The first bytes may go at once: what a tenth of a second takes.
    assert!(began.elapsed() >= Duration::from_millis(1200), "sent within {:?}", began.elapsed());
    device.remount_without_cache();
    let began = Instant::now();
    assert!(fs::read(device.path("Albums/Drop/x.jpg")).expect("it reads") == bytes);
    assert!(began.elapsed() >= Duration::from_millis(1000), "read within {:?}", began.elapsed());
}

/// Outside the schedule nothing is sent, and `status` says until when; within it everything is.
#[test]
fn files_are_sent_within_the_schedule_only() {
    let Some(world) = World::start() else { return };
    let mut device = world.device();
    let minute = minute_of_day(SystemClock.now());
    let span = |from: u16, to: u16| {
        let at = |minutes: u16| format!("{:02}:{:02}", minutes % 1440 / 60, minutes % 60);
        format!("schedule={}-{}", at(minute + from), at(minute + to))
    };
    device.set_options(&span(120, 180));
    device.mount();
    fs::write(device.path("Drop/x.jpg"), jpeg(1, 20_000)).expect("a photo");
    await_that("a settled file", || device.status().uploads.waiting.files == 1);
    let held = device.status().held.expect("something holds it");
    assert!(held.reason == "schedule" && held.until.is_some(), "{held:?}");
    let page = fs::read_to_string(device.path("STATUS.txt")).expect("it reads");
    assert!(page.contains("wait for the schedule until"), "{page}");
    assert!(world.client().photos().is_empty(), "nothing was sent");
    device.unmount();
    device.set_options(&span(1380, 1500));
    device.mount();
    device.wait_idle();
    assert_eq!(device.status().held, None);
    assert_eq!(world.client().photos().len(), 1);
}

/// `since`: what was taken before stays here.
#[test]
fn photos_taken_before_since_stay_on_this_machine() {
    let Some(world) = World::start() else { return };
    let mut device = world.device();
    fs::write(device.state.with_file_name("config.toml"), "[[drop]]\npath = \"Drop\"\nsince = \"2015-01-01\"\n")
        .expect("a config file");
    device.mount();
    for (name, secs) in [("old.jpg", 1_300_000_000), ("new.jpg", 1_500_000_000)] {
        fs::write(device.path("Drop").join(name), jpeg(secs, 20_000)).expect("a photo");
        let file = File::options().write(true).open(device.path("Drop").join(name)).expect("it opens");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(secs)).expect("a time");
    }
    device.wait_idle();
    assert_eq!(device.status().uploads.local_only.files, 1);
    let titles: Vec<String> = world.client().photos().into_iter().map(|photo| photo.title).collect();
    assert_eq!(titles, ["new.jpg"]);
}
