//! Time: Ente's microseconds, the kernel's nanoseconds, and a clock that tests can set.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch: every time the server gives (protocol notes, data 0.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub const ZERO: Timestamp = Timestamp(0);

    pub fn saturating_add(self, time: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX)))
    }

    pub fn saturating_sub(self, time: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(time.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier`; zero when it is not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub fn to_nanos(self) -> Nanos {
        Nanos(self.0.saturating_mul(1000))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}µs", self.0)
    }
}

/// Nanoseconds since the Unix epoch: file times as a writer sets them (years 1677 to 2262).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub i64);

impl Nanos {
    pub fn from_parts(secs: i64, nanos: u32) -> Nanos {
        Nanos(secs.saturating_mul(1_000_000_000).saturating_add(i64::from(nanos)))
    }

    /// Seconds (rounded down, also before 1970) and the nanoseconds past them.
    pub fn parts(self) -> (i64, u32) {
        (self.0.div_euclid(1_000_000_000), self.0.rem_euclid(1_000_000_000) as u32)
    }

    /// Rounded down to Ente's microseconds.
    pub fn to_timestamp(self) -> Timestamp {
        Timestamp(self.0.div_euclid(1000))
    }

    pub fn from_system(time: SystemTime) -> Nanos {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Nanos(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX)),
            Err(before) => Nanos(i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos)),
        }
    }

    pub fn to_system(self) -> SystemTime {
        let distance = Duration::from_nanos(self.0.unsigned_abs());
        if self.0 >= 0 { UNIX_EPOCH + distance } else { UNIX_EPOCH - distance }
    }
}

impl fmt::Debug for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ns", self.0)
    }
}

/// The wall clock. It may jump: what must not be early or late by years is measured by
/// [`std::time::Instant`], and stored wall-clock times are recomputed at start.
pub trait Clock: Send + Sync {
    fn now_nanos(&self) -> Nanos;

    fn now(&self) -> Timestamp {
        self.now_nanos().to_timestamp()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_nanos(&self) -> Nanos {
        Nanos::from_system(SystemTime::now())
    }
}

/// A clock that stands where a test puts it.
#[derive(Default, Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    pub fn at(time: Timestamp) -> Self {
        Self(AtomicI64::new(time.to_nanos().0))
    }

    /// Moves the clock, backwards too.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.to_nanos().0, Ordering::Relaxed);
    }

    pub fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

impl Clock for FixedClock {
    fn now_nanos(&self) -> Nanos {
        Nanos(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_times_split_and_join_on_both_sides_of_1970() {
        for (secs, nanos) in [(0, 0), (1, 999_999_999), (-1, 1), (-3_000_000_000, 123_456_789)] {
            let time = Nanos::from_parts(secs, nanos);
            assert_eq!(time.parts(), (secs, nanos));
            assert_eq!(Nanos::from_system(time.to_system()), time);
        }
        assert_eq!(Nanos(-1).to_timestamp(), Timestamp(-1));
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Timestamp(i64::MAX).saturating_add(Duration::from_secs(1)), Timestamp(i64::MAX));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(i64::MAX).to_nanos(), Nanos(i64::MAX));
    }
}
