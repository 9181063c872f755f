//! The model test of the whole filesystem but FUSE: random operations of this device, of another one, of the network
//! and of time, on the real store, namespace, spool, uploads and sync, against an account in memory. After each of
//! them what is seen is held against the facts; at the end everything comes to rest, and nothing is lost or doubled.
//!
//! `ENTEFS_TEST_SEQUENCES` raises the number of sequences, `ENTEFS_TEST_SEED` says where they begin (alone: one is
//! repeated). A failing sequence is cut down and printed as Rust, to become a named test in `regressions`; after three
//! no more is tried. With `ENTEFS_TEST_SURVEY` all are, and those that fail are named and left as they are.

#[path = "../common/account.rs"]
#[expect(dead_code, reason = "only the first device logs in here")]
mod account;
mod device;
mod elsewhere;
mod ente;
mod failing;
mod operation;
mod photos;
#[path = "../common/random.rs"]
#[expect(dead_code, reason = "sequences need no bytes")]
mod random;
mod regressions;
mod remote;
mod rules;
mod scenarios;
mod view;
mod world;

use entefs::embedded::{Server, ServerOptions};
use operation::{Op, Stage, draw};
use photos::Content;
use random::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use world::World;

const LENGTH: usize = 40;
/// Without being told otherwise: few enough for every run.
const SEQUENCES: u64 = 12;
const FIRST: u64 = 10_000;
/// A failing sequence is run so often, at most, to find what it needs.
const SHRINKING: usize = 400;

/// The state directory of somebody who has just signed up.
static TEMPLATE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let root = tempfile::tempdir().expect("a temporary directory");
    let state = root.path().join("state");
    runtime().block_on(async {
        let options = ServerOptions { code: Some(account::code()), ..ServerOptions::new(root.path().join("server")) };
        let server = Server::start(options).await.expect("a server");
        account::sign_up(server.base_url(), &state, "ada@example.org").await;
        server.shutdown().await;
    });
    (root, state)
});

fn runtime() -> Runtime {
    // One thread that may block: what a failed pull leaves behind is over when the next one is asked for.
    Builder::new_current_thread().enable_all().max_blocking_threads(1).build().expect("a runtime")
}

fn sequence(seed: u64) -> Vec<Op> {
    let mut random = Random::new(seed);
    let stage = Stage::draw(&mut random);
    let mut ops = stage.opening(&mut random);
    ops.resize_with(LENGTH, || draw(&mut random, &stage));
    ops
}

/// Runs a sequence to its rest. The failure says at which operation, and what is seen then.
fn run(runtime: &Arc<Runtime>, ops: &[Op]) -> Result<(), String> {
    let attempt = || {
        let mut world = World::new(Arc::clone(runtime), &TEMPLATE.1)?;
        for (number, op) in ops.iter().enumerate() {
            world.step(*op).map_err(|why| format!("after {number} {op:?}: {why}\n{}", world.describe()))?;
        }
        world.finish().map_err(|why| format!("at rest: {why}\n{}", world.describe()))
    };
    catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        Err(format!("panic: {:?}", words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()))))
    })
}

/// For regressions.
#[track_caller]
fn check(ops: &[Op]) {
    if let Err(why) = run(&Arc::new(runtime()), ops) {
        panic!("{why}");
    }
}

/// The same, and Ente has these bytes outside its trash.
#[track_caller]
fn check_live(ops: &[Op], content: Content) {
    let mut world = World::new(Arc::new(runtime()), &TEMPLATE.1).expect("a fresh mount");
    for op in ops {
        world.step(*op).unwrap_or_else(|why| panic!("{op:?}: {why}"));
    }
    world.finish().unwrap_or_else(|why| panic!("at rest: {why}\n{}", world.describe()));
    assert!(world.has_live(content), "{content:?} is in the trash alone\n{}", world.describe());
}

/// The last operation is refused with this errno, and changes nothing.
#[track_caller]
fn check_refused(ops: &[Op], refused: Op, errno: i32) {
    let mut world = World::new(Arc::new(runtime()), &TEMPLATE.1).expect("a fresh mount");
    for op in ops {
        world.step(*op).unwrap_or_else(|why| panic!("{op:?}: {why}"));
    }
    world.check_refused(refused, errno).unwrap_or_else(|why| panic!("{refused:?}: {why}\n{}", world.describe()));
}

/// Leaves out what the failure does not need.
fn shrink(runtime: &Arc<Runtime>, mut ops: Vec<Op>) -> Vec<Op> {
    let (mut tries, mut at) = (0, 0);
    let mut step = (ops.len() / 2).max(1);
    while tries < SHRINKING {
        if at >= ops.len() {
            if step == 1 {
                return ops;
            }
            (at, step) = (0, step / 2);
        }
        let mut fewer = ops.clone();
        fewer.drain(at..(at + step).min(ops.len()));
        tries += 1;
        if run(runtime, &fewer).is_err() {
            ops = fewer;
        } else {
            at += step;
        }
    }
    ops
}

fn report(runtime: &Arc<Runtime>, seed: u64, why: &str) -> String {
    let ops = shrink(runtime, sequence(seed));
    let why = run(runtime, &ops).err().unwrap_or_else(|| why.to_owned());
    let lines: Vec<String> = ops.iter().map(|op| format!("        {op:?},")).collect();
    format!("ENTEFS_TEST_SEED={seed}\n    check(&[\n{}\n    ]);\n{why}", lines.join("\n"))
}

/// Which one fails, and why, in a line.
fn brief(seed: u64, why: &str) -> String {
    let line: String = why.lines().next().unwrap_or_default().chars().take(400).collect();
    println!("{seed}: {line}");
    format!("{seed}: {line}")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn whatever_happens_nothing_is_lost_and_what_is_seen_is_true() {
    let seed = number("ENTEFS_TEST_SEED");
    let first = seed.unwrap_or(FIRST);
    let survey = std::env::var_os("ENTEFS_TEST_SURVEY").is_some();
    let count = number("ENTEFS_TEST_SEQUENCES").unwrap_or(if seed.is_some() { 1 } else { SEQUENCES });
    println!("{count} sequences from ENTEFS_TEST_SEED={first} on");
    LazyLock::force(&TEMPLATE);
    let next = AtomicU64::new(0);
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let runtime = Arc::new(runtime());
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let enough = !survey && failures.lock().expect("no panic").len() > 2;
                    if number >= count || enough {
                        return;
                    }
                    let seed = first.wrapping_add(number);
                    if let Err(why) = run(&runtime, &sequence(seed)) {
                        let report = if survey { brief(seed, &why) } else { report(&runtime, seed, &why) };
                        failures.lock().expect("no panic").push(report);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
