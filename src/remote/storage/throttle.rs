//! A limit on the rate of objects' bytes, one way, all transfers together.

use crate::base::sync::Mutex;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What may go at once after a rest, so that timers need not be exact.
const SLACK: Duration = Duration::from_millis(100);
/// The connection takes this much at a time, so that a slow line is told from a dead one: 64 KiB in 15 s.
const FRAME: u64 = 64 << 10;

/// Bytes a second; without a rate it lets everything pass at once.
pub(super) struct Throttle {
    rate: Option<u64>,
    /// When the line is free again.
    next: Mutex<Instant>,
}

impl Throttle {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self { rate: rate.filter(|rate| *rate > 0), next: Mutex::new(Instant::now()) }
    }

    /// How many bytes to ask for at a time, so that many transfers share a low rate without long silences.
    pub(super) fn frame(&self) -> usize {
        self.rate.map_or(FRAME, |rate| (rate / 8).clamp(1 << 10, FRAME)) as usize
    }

    /// Waits for as long as `bytes` take at this rate, one call after another.
    pub(super) async fn pass(&self, bytes: usize) {
        if let Some(at) = self.reserve(Instant::now(), bytes as u64) {
            sleep_until(at).await;
        }
    }

    /// When the line has taken these bytes; `None` for by now.
    fn reserve(&self, now: Instant, bytes: u64) -> Option<Instant> {
        let rate = self.rate?;
        let mut next = self.next.lock();
        let begin = (*next).max(now.checked_sub(SLACK).unwrap_or(now));
        *next = begin + Duration::from_secs_f64(bytes as f64 / rate as f64);
        Some(*next).filter(|end| *end > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_however_many_ask_and_a_rest_is_not_made_up_for() {
        let throttle = Throttle::new(Some(1000));
        let start = Instant::now();
        let last = (0..20).filter_map(|_| throttle.reserve(start, 500)).last().unwrap();
        let taken = last - start;
        assert!((9.8..=10.0).contains(&taken.as_secs_f64()), "20 times 500 bytes at 1000 a second: {taken:?}");
        let later = start + Duration::from_secs(3600);
        assert_eq!(throttle.reserve(later, 100), None);
        assert!(throttle.reserve(later, 1000).unwrap() - later >= Duration::from_millis(950));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        for throttle in [Throttle::new(None), Throttle::new(Some(0))] {
            assert_eq!(throttle.reserve(Instant::now(), u64::MAX), None);
            assert_eq!(throttle.frame(), 64 << 10);
        }
    }

    #[test]
    fn low_rates_go_in_small_frames() {
        assert_eq!(Throttle::new(Some(16 << 10)).frame(), 2 << 10);
        assert_eq!(Throttle::new(Some(1 << 30)).frame(), 64 << 10);
    }
}
