//! The one retry policy of calls: a few quick repeats of what is safe to repeat. What lasts longer is the
//! callers' business, whose rows remember it.

use super::error::RemoteError;
use crate::base::Retry;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

const REPEATS: usize = 3;
/// A server that wants a longer rest than this is left to the caller.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Whether doing a call twice is the same as doing it once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Repeat {
    Safe,
    /// The caller must find out first what became of it.
    Never,
}

/// The attempts of one call.
pub(super) struct Attempts(Option<ExponentialBackoff>);

impl Attempts {
    /// The waits begin with `first` and double, each with as much again at random.
    pub(super) fn new(repeat: Repeat, first: Duration) -> Self {
        let waits = ExponentialBuilder::new().with_min_delay(first).with_max_times(REPEATS).with_jitter();
        Self((repeat == Repeat::Safe).then(|| waits.build()))
    }

    /// Waits as the error allows and the policy says; gives the error back where neither does.
    pub(super) async fn pause_after(&mut self, error: RemoteError) -> Result<(), RemoteError> {
        match self.wait_after(&error) {
            Some(wait) => {
                tracing::debug!(%error, ?wait, "again");
                tokio::time::sleep(wait).await;
                Ok(())
            }
            None => Err(error),
        }
    }

    fn wait_after(&mut self, error: &RemoteError) -> Option<Duration> {
        // A 429 has already waited for its window, or belongs to a log-in, which is a person's to repeat.
        if error.status() == Some(429) {
            return None;
        }
        let rest = match error.retry() {
            Retry::Backoff => Duration::ZERO,
            Retry::After(rest) if rest <= LONGEST_REST => rest,
            Retry::After(_) | Retry::Never | Retry::Park(_) => return None,
        };
        self.0.as_mut()?.next().map(|wait| wait.max(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(250);

    fn refused(status: u16, retry_after: Option<Duration>) -> RemoteError {
        RemoteError::Status { endpoint: "/files", status, code: String::new(), retry_after }
    }

    #[test]
    fn three_repeats_with_growing_and_random_waits() {
        let mut attempts = Attempts::new(Repeat::Safe, FIRST);
        for floor in [250, 500, 1000] {
            let wait = attempts.wait_after(&refused(500, None)).expect("a repeat is left").as_millis();
            assert!((floor..=2 * floor).contains(&wait), "{wait}");
        }
        assert_eq!(attempts.wait_after(&refused(500, None)), None);
    }

    #[test]
    fn what_is_unsafe_or_pointless_is_not_repeated() {
        assert_eq!(Attempts::new(Repeat::Never, FIRST).wait_after(&refused(503, None)), None);
        for status in [400, 401, 402, 404, 409, 426, 429] {
            assert_eq!(Attempts::new(Repeat::Safe, FIRST).wait_after(&refused(status, None)), None, "{status}");
        }
    }

    #[test]
    fn a_short_rest_is_taken_and_a_long_one_left_to_the_caller() {
        let rest = |secs| Attempts::new(Repeat::Safe, FIRST).wait_after(&refused(503, Some(Duration::from_secs(secs))));
        assert_eq!(rest(3), Some(Duration::from_secs(3)));
        assert_eq!(rest(60), None);
    }
}
