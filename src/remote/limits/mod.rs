//! Rate limits, learned from refusals (protocol notes, auth 3.3): fixed windows that begin with a path's
//! first call, one path apart from another, and a 429 that does not say when to come back.
//!
//! Guarantees: while a path refuses, at most one call a second tries it; waiting callers go in the order
//! in which they came; what a window let through is remembered, so that the next one ends without a
//! refusal; and a remembered limit doubles after a window that filled it, because it may have been another client's doing.
//!
//! ```text
//!          passed                        refused                       refused: it is a window of a
//!  Open ─────────▶ Open          Open ──────────▶ Storm (probe in 1 s) ───▶ minute: its limit is learned,
//!    │ as many as learned                            │ probe passed          probes at 2, 4, 8, 15, 15 … s
//!    ▼                                               ▼                       and when the window ends
//!  Full ── window ends ──▶ Open                     Open, a new window
//! ```

use super::error::{RemoteError, RemoteResult};
use crate::base::sync::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// How limits are met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitPace {
    /// The server's window, with some slack for the way there.
    pub window: Duration,
    /// The least time between two tries while a path refuses.
    pub probe: Duration,
    /// The most.
    pub longest_probe: Duration,
    /// How long a call waits for its turn before it is refused here.
    pub patience: Duration,
}

impl Default for LimitPace {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { window: secs(61), probe: secs(1), longest_probe: secs(15), patience: secs(90) }
    }
}

/// The learned limits of one account on one server.
pub(super) struct Limits {
    pace: LimitPace,
    paths: Mutex<HashMap<&'static str, Arc<Path>>>,
}

struct Path {
    endpoint: &'static str,
    /// One permit: who holds it is the next to go.
    turn: Semaphore,
    /// Rung when waiting may have become shorter.
    changed: Notify,
    state: Mutex<PathState>,
}

/// What is known of a path. Pure: time comes from outside.
#[derive(Clone, PartialEq, Debug, Default)]
struct PathState {
    /// Counts windows, so that a late answer is not taken for one of this window.
    window: u64,
    began: Option<Instant>,
    sent: u32,
    refused: u32,
    learned: Option<u32>,
    storm: Option<Storm>,
}

/// A path that refuses.
#[derive(Clone, PartialEq, Debug)]
struct Storm {
    next_probe: Instant,
    failed_probes: u32,
    probing: bool,
}

/// Whether a call may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Admission {
    Go {
        probe: bool,
    },
    At(Instant),
    /// After the answer to the call that tries the path now.
    AfterProbe,
}

impl PathState {
    /// Lets the next call go, or says when to ask again.
    fn admit(&mut self, now: Instant, pace: &LimitPace) -> Admission {
        self.roll(now, pace);
        if let Some(storm) = &mut self.storm {
            if storm.probing {
                return Admission::AfterProbe;
            }
            if now < storm.next_probe {
                return Admission::At(storm.next_probe);
            }
            storm.probing = true;
            return Admission::Go { probe: true };
        }
        match self.opens_at(now, pace) {
            Some(end) => Admission::At(end),
            None => {
                self.sent += 1;
                Admission::Go { probe: false }
            }
        }
    }

    /// When the next call may go; `None` for at once, be it as a probe.
    fn opens_at(&self, now: Instant, pace: &LimitPace) -> Option<Instant> {
        match &self.storm {
            Some(storm) if storm.probing => Some(now + pace.probe),
            Some(storm) => Some(storm.next_probe).filter(|at| now < *at),
            None => {
                let end = self.began.map(|began| began + pace.window).filter(|end| now < *end);
                end.filter(|_| self.learned.is_some_and(|limit| self.sent >= limit))
            }
        }
    }

    /// Begins a new window where the last has ended; one that was filled without a refusal may let more through.
    fn roll(&mut self, now: Instant, pace: &LimitPace) {
        let ended = self.began.is_none_or(|began| now >= began + pace.window);
        if self.storm.is_some() || !ended {
            return;
        }
        if let Some(limit) = &mut self.learned
            && self.sent >= *limit
            && self.refused == 0
        {
            // How far it grows makes no difference to what a wrong guess costs: a few refusals.
            *limit = limit.saturating_mul(2);
        }
        self.begin(now, 0);
    }

    fn begin(&mut self, now: Instant, sent: u32) {
        self.window += 1;
        self.began = Some(now);
        self.sent = sent;
        self.refused = 0;
    }

    /// The server took the call.
    fn pass(&mut self, probe: bool, went: Instant) {
        if probe && self.storm.take().is_some() {
            self.begin(went, 1);
        }
    }

    /// The server refused the call for its rate.
    fn refuse(&mut self, probe: bool, window: u64, now: Instant, retry_after: Option<Duration>, pace: &LimitPace) {
        if probe {
            self.fail_probe(now, retry_after, pace);
        } else if window == self.window {
            self.refused += 1;
            let next_probe = now + retry_after.unwrap_or(pace.probe).max(pace.probe);
            self.storm.get_or_insert(Storm { next_probe, failed_probes: 0, probing: false });
        }
    }

    /// A second after its refusal the path still refuses: it is not a limit by the second.
    fn fail_probe(&mut self, now: Instant, retry_after: Option<Duration>, pace: &LimitPace) {
        let let_through = self.sent.saturating_sub(self.refused);
        let window_end = self.began.map(|began| began + pace.window).filter(|end| now < *end);
        let Some(storm) = &mut self.storm else { return };
        storm.failed_probes += 1;
        storm.probing = false;
        if storm.failed_probes == 1 && let_through > 0 {
            self.learned = Some(let_through);
        }
        let growing = pace.probe * 2_u32.saturating_pow(storm.failed_probes.min(16));
        let rest = retry_after.unwrap_or(growing.min(pace.longest_probe)).max(pace.probe);
        let next = now + rest;
        storm.next_probe = match window_end {
            Some(end) if retry_after.is_none() && end < next => end.max(now + pace.probe),
            _ => next,
        };
    }

    /// The call's outcome will never be known.
    fn abandon(&mut self, probe: bool, now: Instant, pace: &LimitPace) {
        if let Some(storm) = self.storm.as_mut().filter(|_| probe) {
            storm.probing = false;
            storm.next_probe = now + pace.probe;
        }
    }
}

impl Limits {
    pub(super) fn new(pace: LimitPace) -> Self {
        Self { pace, paths: Mutex::default() }
    }

    fn path(&self, endpoint: &'static str) -> Arc<Path> {
        Arc::clone(self.paths.lock().entry(endpoint).or_insert_with(|| {
            Arc::new(Path { endpoint, turn: Semaphore::new(1), changed: Notify::new(), state: Mutex::default() })
        }))
    }

    /// Until when a call that begins now waits for its turn.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.pace.patience
    }

    /// Waits until a call to `endpoint` may go.
    ///
    /// # Errors
    /// A 429 of our own, with the time to come back, where that is later than `deadline`.
    pub(super) async fn enter(&self, endpoint: &'static str, deadline: Instant) -> RemoteResult<Ticket> {
        let path = self.path(endpoint);
        let Ok(Ok(_turn)) = timeout_at(deadline, path.turn.acquire()).await else {
            return Err(path.refusal(Instant::now(), &self.pace));
        };
        loop {
            let changed = path.changed.notified();
            let now = Instant::now();
            let (admission, window) = path.admit(now, &self.pace);
            let wake = match admission {
                Admission::Go { probe } => {
                    return Ok(Ticket {
                        path: Arc::clone(&path),
                        pace: self.pace,
                        probe,
                        window,
                        went: now,
                        open: true,
                    });
                }
                Admission::At(wake) => wake,
                Admission::AfterProbe => deadline,
            };
            if wake > deadline || now >= deadline {
                return Err(path.refusal(now, &self.pace));
            }
            let _ = timeout(deadline - now, async {
                tokio::select! { () = changed => (), () = sleep_until(wake) => () }
            })
            .await;
        }
    }

    /// That of these paths which a call can take soonest, the first of equals.
    pub(super) fn soonest(&self, endpoints: &[&'static str]) -> Option<&'static str> {
        let now = Instant::now();
        endpoints.iter().copied().min_by_key(|endpoint| self.path(endpoint).state.lock().opens_at(now, &self.pace))
    }
}

impl Path {
    fn admit(&self, now: Instant, pace: &LimitPace) -> (Admission, u64) {
        let mut state = self.state.lock();
        let admission = state.admit(now, pace);
        (admission, state.window)
    }

    fn refusal(&self, now: Instant, pace: &LimitPace) -> RemoteError {
        let opens = self.state.lock().opens_at(now, pace);
        let rest = opens.map_or(pace.probe, |at| at.saturating_duration_since(now).max(pace.probe));
        RemoteError::Status { endpoint: self.endpoint, status: 429, code: String::new(), retry_after: Some(rest) }
    }
}

/// Leave to make one call; tells the limits what became of it.
pub(super) struct Ticket {
    path: Arc<Path>,
    pace: LimitPace,
    probe: bool,
    window: u64,
    went: Instant,
    open: bool,
}

impl Ticket {
    /// Takes note of what the server said; of an answer that never came it learns nothing.
    pub(super) fn settle<T>(self, answer: &RemoteResult<T>) {
        match answer {
            Err(RemoteError::Status { status: 429, retry_after, .. }) => self.refuse(*retry_after),
            Ok(_) | Err(RemoteError::Status { .. }) => self.pass(),
            Err(_) => drop(self),
        }
    }

    fn pass(mut self) {
        self.open = false;
        self.path.state.lock().pass(self.probe, self.went);
        self.path.changed.notify_one();
    }

    fn refuse(mut self, retry_after: Option<Duration>) {
        self.open = false;
        self.path.state.lock().refuse(self.probe, self.window, Instant::now(), retry_after, &self.pace);
        self.path.changed.notify_one();
        tracing::debug!(endpoint = self.path.endpoint, "rate limit met");
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.open {
            self.path.state.lock().abandon(self.probe, Instant::now(), &self.pace);
            self.path.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
