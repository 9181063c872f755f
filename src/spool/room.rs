//! The floor of free space under which nothing more is taken in, told early: at the write, not at the close.

use super::error::SpoolError;
use crate::base::sync::Mutex;
use std::fs::File;

/// Asking the filesystem again after so many bytes.
const REFRESH: u64 = 4 << 20;
/// So near the floor it is asked every time.
const NEAR: u64 = 64 << 20;
const MOST_RESERVED: u64 = 512 << 20;

/// What is free on the disk of the spool.
pub(super) struct Room {
    dir: File,
    /// Bytes to keep free; `None`: the smaller of 512 MiB and 5 %.
    reserve: Option<u64>,
    seen: Mutex<Seen>,
}

/// What the filesystem last said, and what was asked of it since.
#[derive(Clone, Copy, Default)]
struct Seen {
    above_floor: u64,
    since: u64,
}

impl Room {
    pub(super) fn new(dir: File, reserve: Option<u64>) -> Self {
        Self { dir, reserve, seen: Mutex::new(Seen::default()) }
    }

    /// Whether `bytes` more of plaintext may come in.
    pub(super) fn check(&self, bytes: u64) -> Result<(), SpoolError> {
        let needed = bytes.saturating_add(bytes / 16);
        let mut seen = self.seen.lock();
        let left = |seen: &Seen| seen.above_floor.saturating_sub(seen.since);
        if seen.since.saturating_add(needed) > REFRESH || left(&seen) < NEAR.saturating_add(needed) {
            *seen = Seen { above_floor: self.ask()?, since: 0 };
        }
        if left(&seen) < needed {
            return Err(SpoolError::NoSpace);
        }
        seen.since += needed;
        Ok(())
    }

    /// Something was removed: what was seen counts no more.
    pub(super) fn forget(&self) {
        *self.seen.lock() = Seen::default();
    }

    /// Bytes free above the floor.
    pub(super) fn ask(&self) -> Result<u64, SpoolError> {
        let stat = rustix::fs::fstatvfs(&self.dir).map_err(std::io::Error::from);
        let stat = stat.map_err(SpoolError::io("ask how much room there is"))?;
        let total = stat.f_blocks.saturating_mul(stat.f_frsize);
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let reserve = self.reserve.unwrap_or_else(|| MOST_RESERVED.min(total / 20));
        Ok(free.saturating_sub(reserve))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(reserve: Option<u64>) -> Room {
        Room::new(File::open("/tmp").unwrap(), reserve)
    }

    #[test]
    fn below_the_floor_nothing_comes_in() {
        assert!(matches!(room(Some(u64::MAX)).check(1), Err(SpoolError::NoSpace)));
        assert!(room(Some(0)).check(1).is_ok());
        let all = room(Some(0)).ask().unwrap();
        assert!(matches!(room(Some(0)).check(all + (1 << 30)), Err(SpoolError::NoSpace)));
    }

    #[test]
    fn what_was_let_in_counts_before_the_filesystem_shows_it() {
        let room = room(Some(0));
        *room.seen.lock() = Seen { above_floor: 100 << 20, since: 0 };
        for _ in 0..3 {
            room.check(1 << 20).unwrap();
        }
        assert_eq!(room.seen.lock().since, 3 * ((1 << 20) + (1 << 16)));
        room.check(1 << 20).unwrap();
        assert_eq!(room.seen.lock().since, (1 << 20) + (1 << 16), "asked anew after a few MiB");
    }
}
