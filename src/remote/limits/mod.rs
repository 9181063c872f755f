//! Rate limits, learned from refusals (protocol notes, auth 3.3): fixed windows that begin with a path's
//! first call, one path apart from another, and a 429 that does not say when to come back.
//!
//! Guarantees: while a path refuses, at most one call a second tries it; waiting callers go in the order
//! in which they came; what a window let through is remembered, and more is tried by one call alone, ever more
//! seldom, because it may have been another client's doing. On the paths whose limit Ente's server states, calls of
//! one client never meet two refusals one after another: what is stated is expected from the start, and a refusal
//! shuts the path until its window must have ended.
//!
//! ```text
//!          passed                        refused                       refused: it is a window of a
//!  Open ─────────▶ Open          Open ──────────▶ Storm (probe in 1 s) ───▶ minute: its limit is learned,
//!    │ as many as learned          ▲                 │ probe passed          probes at 2, 4, 8, 15, 15 … s
//!    ▼             refused, or     │                 ▼                       and when the window ends
//!  Full ── a test, alone ──────────┘                Open, a new window
//!    │  passed: Open, the limit grows
//!    └─ window ends ──▶ Open       A path with a stated limit: the probe goes when the window has ended, and not before.
//! ```

mod path;

use super::error::{RemoteError, RemoteResult};
use crate::base::sync::Mutex;
use crate::wire::path as api;
use path::{Admission, Kind, PathState};
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

/// What a window of a path lets through on Ente's own server; elsewhere it is a first guess.
fn expected(endpoint: &str) -> Option<u32> {
    match endpoint {
        api::UPLOAD_URL | api::UPLOAD_URLS | api::MULTIPART_UPLOAD_URL => Some(500),
        api::PUBLIC_KEY => Some(200),
        _ => None,
    }
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

impl Limits {
    pub(super) fn new(pace: LimitPace) -> Self {
        Self { pace, paths: Mutex::default() }
    }

    fn path(&self, endpoint: &'static str) -> Arc<Path> {
        Arc::clone(self.paths.lock().entry(endpoint).or_insert_with(|| {
            let state = Mutex::new(PathState::new(expected(endpoint)));
            Arc::new(Path { endpoint, turn: Semaphore::new(1), changed: Notify::new(), state })
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
                Admission::Go(kind) => {
                    return Ok(Ticket { path: Arc::clone(&path), pace: self.pace, kind, window, open: true });
                }
                Admission::At(wake) => wake,
                Admission::AfterAnswer => deadline,
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
    kind: Kind,
    window: u64,
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
        self.path.state.lock().pass(self.kind, self.window, Instant::now());
        self.path.changed.notify_one();
    }

    fn refuse(mut self, retry_after: Option<Duration>) {
        self.open = false;
        self.path.state.lock().refuse(self.kind, self.window, Instant::now(), retry_after, &self.pace);
        self.path.changed.notify_one();
        tracing::debug!(endpoint = self.path.endpoint, "rate limit met");
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.open {
            self.path.state.lock().abandon(self.kind, Instant::now(), &self.pace);
            self.path.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
