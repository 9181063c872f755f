//! Issue 3, point 8: each trouble gives one clear sentence and the right exit code or errno, and loses nothing.

use super::ledger::Ledger;
use crate::common::{Device, EMAIL, Kill, PASSWORD, Scratch, World, await_some, await_that, jpeg};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::Output;

/// Ended with this code and exactly one sentence `entefs: WHAT: WHY; DO THIS` on stderr.
#[track_caller]
fn check_sentence(output: &Output, exit: i32) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{stderr}");
    assert_eq!(output.stdout, b"", "an answer where there is none");
    let mut lines = stderr.lines();
    let sentence = lines.next().unwrap_or_default();
    assert_eq!(lines.next(), None, "one sentence: {stderr}");
    let parts = sentence.strip_prefix("entefs: ").and_then(|rest| rest.split_once(": "));
    let (why, remedy) = parts.and_then(|(_, rest)| rest.rsplit_once("; ")).unwrap_or_default();
    assert!(!why.is_empty() && !remedy.is_empty(), "not WHAT: WHY; DO THIS: {sentence}");
    println!("{exit}: {sentence}");
}

fn password_file(world: &World, password: &str) -> String {
    let path = world.path("password");
    fs::write(&path, format!("{password}\n")).expect("a file");
    path.to_string_lossy().into_owned()
}

fn log_in(device: &Device, endpoint: &str, email: &str, password: &str) -> Output {
    device.run(["--endpoint", endpoint, "login", email, "--password-file", password])
}

/// The one path that pays for a real password: `signup`, `login` elsewhere, a wrong password.
#[test]
fn sign_up_and_log_in_by_password_and_a_wrong_password_is_refused() {
    let world = World::unmounted();
    let (first, second) = (world.empty_device(), world.empty_device());
    let password = password_file(&world, PASSWORD);
    let signup = ["--endpoint", world.endpoint(), "signup", "new@example.org", "--password-file", &password];
    let recovery = world.path("recovery");
    let mut command = first.command(signup);
    let output = command.args(["--code", "123456", "--recovery-key-file"]).arg(&recovery).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(&recovery).expect("24 words").split_whitespace().count(), 24);
    let output = log_in(&second, world.endpoint(), "new@example.org", &password);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let wrong = password_file(&world, "wrong");
    let third = world.empty_device();
    check_sentence(&log_in(&third, world.endpoint(), "new@example.org", &wrong), 4);
    assert!(!third.state.join("session.sealed").exists());
}

#[test]
fn an_unknown_account_a_dead_endpoint_and_a_server_without_tls_are_told_apart() {
    let world = World::unmounted();
    let (device, password) = (world.empty_device(), password_file(&world, PASSWORD));
    check_sentence(&log_in(&device, world.endpoint(), "nobody@example.org", &password), 4);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let dead = format!("http://{}", listener.local_addr().expect("its address"));
    drop(listener);
    check_sentence(&log_in(&device, &dead, EMAIL, &password), 1);
    let tls = world.endpoint().replace("http://", "https://");
    check_sentence(&log_in(&device, &tls, EMAIL, &password), 1);
    check_sentence(&device.run(["mount", "-f", "/"]), 3);
}

/// Writes until something refuses; answers with what.
fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    crate::common::close(write(path, bytes)?)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::create(path)?;
    for piece in bytes.chunks(64 << 10) {
        file.write_all(piece)?;
    }
    Ok(file)
}

#[test]
fn a_full_account_refuses_with_edquot_and_loses_nothing() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let (kept, mut ledger) = (jpeg(1, 200_000), Ledger::default());
    fs::write(device.drop_dir().join("kept.jpg"), &kept).expect("there is room");
    ledger.expect("kept.jpg", &kept, "Drop");
    device.wait_idle();
    let quota = |bytes: u64| world.server().set_quota(EMAIL, bytes).expect("the account");
    quota(600_000);
    device.refresh();
    await_that("the new quota", || device.status().storage.total == 600_000);
    let refused = fill(&device.drop_dir().join("large.jpg"), &jpeg(2, 4 << 20)).expect_err("the account is full");
    assert_eq!(refused.raw_os_error(), Some(libc::EDQUOT), "{refused}");
    // What was accepted when the plan ends waits, and goes on when there is one again.
    let (waiting, expired) = (jpeg(3, 100_000), |is| world.server().set_plan_expired(EMAIL, is).expect("the account"));
    fs::remove_file(device.drop_dir().join("large.jpg")).expect("it is nobody's");
    expired(true);
    fs::write(device.drop_dir().join("waiting.jpg"), &waiting).expect("there is room");
    ledger.expect("waiting.jpg", &waiting, "Drop");
    await_that("it is parked", || device.status().parked.iter().any(|item| item.reason == "quota"));
    check_sentence(&device.run(["wait", "--timeout", "1m"]), 8);
    device.remount();
    assert!(fs::read(device.drop_dir().join("waiting.jpg")).expect("it is kept") == waiting);
    expired(false);
    quota(10 << 30);
    device.wait_idle();
    ledger.check(world.client());
}

#[test]
fn a_full_disk_refuses_with_enospc_and_loses_nothing() {
    let Some(world) = World::start() else { return };
    let Some(_disk) = Scratch::tmpfs(&world.path("disk"), "40m") else { return };
    let mut device = world.device_at(&world.path("disk"));
    device.set_options("reserve=4M,cache_size=1M");
    device.mount();
    let stop = device.run(["pause"]);
    assert!(stop.status.success());
    let (mut ledger, mut refused) = (Ledger::default(), None);
    for number in 0..100 {
        let (name, bytes) = (format!("{number}.jpg"), jpeg(number, 1 << 20));
        match fill(&device.drop_dir().join(&name), &bytes) {
            Ok(()) => ledger.expect(&name, &bytes, "Drop"),
            Err(error) => {
                refused = Some((name, bytes, error));
                break;
            }
        }
    }
    let (name, bytes, error) = refused.expect("a disk of 40 MB takes no 100 MB");
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}");
    assert!(ledger.len() > 10, "{} files of 1 MB fit", ledger.len());
    device.remount();
    assert!(device.run(["resume"]).status.success());
    await_that("all that was accepted", || world.client().photos().len() == ledger.len());
    let file = await_some(|| write(&device.drop_dir().join(&name), &bytes).ok(), || "no room again".into());
    // Until its close was heard of it was still called interrupted, and nobody waited for it.
    let status = device.status();
    assert!(!status.is_idle(), "{status:#?}");
    crate::common::close(file).expect("it is accepted");
    ledger.expect(&name, &bytes, "Drop");
    device.wait_idle();
    ledger.check(world.client());
}

#[test]
fn a_read_only_state_directory_is_told() {
    let Some(world) = World::start() else { return };
    let Some(disk) = Scratch::tmpfs(&world.path("disk"), "40m") else { return };
    let device = world.device_at(&world.path("disk"));
    disk.remount("ro");
    check_sentence(&device.try_mount(), 1);
    disk.remount("rw");
    let mut device = device;
    device.mount();
}

#[test]
fn a_stale_mountpoint_is_mounted_over() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let bytes = jpeg(1, 10_000);
    fs::write(device.drop_dir().join("x.jpg"), &bytes).expect("a photo");
    device.kill(Kill::Only);
    let dead = fs::read_dir(device.mountpoint()).expect_err("nobody answers there");
    assert_eq!(dead.raw_os_error(), Some(libc::ENOTCONN), "{dead}");
    // The kernel still has the root's attributes, and answers a stat by itself.
    device.mount();
    assert!(fs::read(device.drop_dir().join("x.jpg")).expect("it was accepted") == bytes);
    device.wait_idle();
    let mut ledger = Ledger::default();
    ledger.expect("x.jpg", &bytes, "Drop");
    ledger.check(world.client());
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let elsewhere = world.path("elsewhere");
    fs::create_dir(&elsewhere).expect("a directory");
    let second = device.command(["mount", "-f"]).arg(&elsewhere).output().expect("it starts");
    check_sentence(&second, 6);
    let output = device.command(["mount"]).arg(&elsewhere).output().expect("it starts");
    check_sentence(&output, 6);
    fs::write(device.drop_dir().join("x.jpg"), jpeg(1, 10_000)).expect("the first goes on");
    device.wait_idle();
    assert_eq!(world.client().photos().len(), 1);
}

#[test]
fn a_state_directory_of_a_newer_version_is_left_alone() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let bytes = jpeg(1, 10_000);
    assert!(device.run(["pause"]).status.success());
    fs::write(device.drop_dir().join("x.jpg"), &bytes).expect("a photo");
    device.unmount();
    let version = |change: Option<i64>| {
        let database = rusqlite::Connection::open(device.state.join("entefs.db")).expect("the database");
        let found: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a number");
        if let Some(version) = change {
            database.pragma_update(None, "user_version", version).expect("it is ours");
        }
        found
    };
    let ours = version(Some(9999));
    check_sentence(&device.try_mount(), 7);
    check_sentence(&device.run(["status"]), 7);
    assert_eq!(version(Some(ours)), 9999);
    device.mount();
    assert!(fs::read(device.drop_dir().join("x.jpg")).expect("it was accepted") == bytes);
    assert!(device.run(["resume"]).status.success());
    device.wait_idle();
    assert_eq!(world.client().photos().len(), 1);
}
