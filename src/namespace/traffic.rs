//! How fast bytes come into the mount. What works beside it gives way while somebody waits for a copy.

use crate::base::sync::Mutex;
use std::time::{Duration, Instant};

/// Looked at for this long.
const WINDOW: Duration = Duration::from_millis(500);
/// Bytes within two windows that make it heavy: 8 MiB/s. What comes over a network is slower, and is not hindered by
/// what works beside it.
const HEAVY: u64 = 8 << 20;
/// A file counts as so many bytes at least.
const FILE: u64 = 64 << 10;
/// From this mean size on, files come in as fast as the disk takes them, and leave the processor time.
const LARGE: u64 = 1 << 20;

/// What comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Load {
    Light,
    /// A copy of small files, which takes all of the processor.
    SmallFiles,
    /// A copy of large ones, which waits for the disk.
    LargeFiles,
}

/// A meter of what is written.
#[derive(Default, Debug)]
pub struct Traffic(Mutex<Windows>);

#[derive(Default, Debug)]
struct Windows {
    begun: Option<Instant>,
    now: Amount,
    before: Amount,
}

#[derive(Clone, Copy, Default, Debug)]
struct Amount {
    bytes: u64,
    files: u64,
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), files: self.files.saturating_add(other.files) }
    }
}

impl Windows {
    fn move_on(&mut self, now: Instant) {
        let age = self.begun.map_or(Duration::MAX, |begun| now.saturating_duration_since(begun));
        if age < WINDOW {
            return;
        }
        self.before = if age < WINDOW * 2 { self.now } else { Amount::default() };
        (self.begun, self.now) = (Some(now), Amount::default());
    }
}

impl Traffic {
    pub fn note(&self, bytes: u64, now: Instant) {
        self.add(Amount { bytes, files: 0 }, now);
    }

    /// A file was made.
    pub fn note_file(&self, now: Instant) {
        self.add(Amount { bytes: FILE, files: 1 }, now);
    }

    fn add(&self, more: Amount, now: Instant) {
        let mut windows = self.0.lock();
        windows.move_on(now);
        windows.now = windows.now.plus(more);
    }

    /// Whether somebody copies at the speed of a disk, and what.
    pub fn load(&self, now: Instant) -> Load {
        let mut windows = self.0.lock();
        windows.move_on(now);
        let Amount { bytes, files } = windows.now.plus(windows.before);
        match bytes {
            ..HEAVY => Load::Light,
            _ if bytes / files.max(1) < LARGE => Load::SmallFiles,
            _ => Load::LargeFiles,
        }
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
        assert_eq!(traffic.load(start), Load::Light);
        for tenth in 0..30 {
            traffic.note(4 << 20, at(tenth * 100));
        }
        assert_eq!([2_900, 3_200].map(|millis| traffic.load(at(millis))), [Load::LargeFiles; 2]);
        assert_eq!(traffic.load(at(4_500)), Load::Light, "it is over");
        for tenth in 50..80 {
            traffic.note(700 << 10, at(tenth * 100));
            assert_eq!(traffic.load(at(tenth * 100)), Load::Light);
        }
    }

    #[test]
    fn many_small_files_are_another_load_than_few_large_ones() {
        for (size, expected) in [(200 << 10, Load::SmallFiles), (5 << 20, Load::LargeFiles)] {
            let (traffic, start) = (Traffic::default(), Instant::now());
            for _ in 0..60 {
                traffic.note_file(start);
                traffic.note(size, start);
            }
            assert_eq!(traffic.load(start), expected);
        }
    }
}
