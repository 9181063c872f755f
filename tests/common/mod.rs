//! A whole world in one process: an embedded server, accounts on it, and devices that run the real program on real
//! mounts.
//!
//! Nothing here depends on how fast the machine is: what is waited for is asked for again and again, with deadlines
//! that only a hanging program reaches.

mod account;
mod cable;
mod client;
mod device;
mod live;
mod picture;
mod plant;
mod random;
mod system;
mod takeout;
mod world;

pub use account::PASSWORD;
pub use cable::{Cable, Line};
pub use client::Client;
pub use device::{Device, Kill};
pub use live::{Packing, apple_jpeg, apple_movie, dated_jpeg, movie, zip};
pub use picture::{hash_text, jpeg, jpeg_of};
pub use random::Random;
pub use system::{Scratch, close, has_program, is_root, number, run, skip, sorted, try_sorted};
pub use takeout::{Library, takeout};
pub use world::{EMAIL, World};

use std::time::{Duration, Instant};

/// Only what hangs takes longer.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Asks until the answer is `Some`; after [`PATIENCE`] it is `None`.
pub fn try_await_some<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        let found = ask();
        if found.is_some() || began.elapsed() >= PATIENCE {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks until the answer is `Some`; after [`PATIENCE`] fails with what `why` says.
#[track_caller]
pub fn await_some<T>(ask: impl FnMut() -> Option<T>, why: impl FnOnce() -> String) -> T {
    match try_await_some(ask) {
        Some(found) => found,
        None => panic!("waited for too long: {}", why()),
    }
}

/// Asks until it is so.
#[track_caller]
pub fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    await_some(|| is_so().then_some(()), || what.to_owned());
}
