//! How fast bytes come into the mount. What works beside it gives way while somebody waits for a copy.

use crate::base::sync::Mutex;
use std::time::{Duration, Instant};

/// Looked at for this long.
const WINDOW: Duration = Duration::from_millis(500);
/// Bytes within two windows that make it heavy: 8 MiB/s. What comes over a network is slower, and is not hindered by
/// what works beside it.
const HEAVY: u64 = 8 << 20;
/// A file counts as so many bytes at least.
pub const FILE: u64 = 64 << 10;

/// A meter of what is written.
#[derive(Default, Debug)]
pub struct Traffic(Mutex<Windows>);

#[derive(Default, Debug)]
struct Windows {
    begun: Option<Instant>,
    bytes: u64,
    before: u64,
}

impl Windows {
    fn move_on(&mut self, now: Instant) {
        let age = self.begun.map_or(Duration::MAX, |begun| now.saturating_duration_since(begun));
        if age < WINDOW {
            return;
        }
        self.before = if age < WINDOW * 2 { self.bytes } else { 0 };
        (self.begun, self.bytes) = (Some(now), 0);
    }
}

impl Traffic {
    pub fn note(&self, bytes: u64, now: Instant) {
        let mut windows = self.0.lock();
        windows.move_on(now);
        windows.bytes = windows.bytes.saturating_add(bytes);
    }

    /// Whether somebody copies at the speed of a disk.
    pub fn is_heavy(&self, now: Instant) -> bool {
        let mut windows = self.0.lock();
        windows.move_on(now);
        windows.bytes.saturating_add(windows.before) >= HEAVY
    }

    /// When to ask again: it may have ended by then.
    pub const fn patience() -> Duration {
        WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_heavy_while_it_lasts_and_a_network_is_not() {
        let (traffic, start) = (Traffic::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(!traffic.is_heavy(start));
        for tenth in 0..30 {
            traffic.note(4 << 20, at(tenth * 100));
        }
        assert!(traffic.is_heavy(at(2_900)) && traffic.is_heavy(at(3_200)));
        assert!(!traffic.is_heavy(at(4_500)), "it is over");
        for tenth in 50..80 {
            traffic.note(700 << 10, at(tenth * 100));
            assert!(!traffic.is_heavy(at(tenth * 100)));
        }
    }
}
