//! Why nothing is sent at present: what was asked for, what the network costs, or nobody answers. What needs no
//! network goes on.

use super::worker::Uploader;
use crate::base::Timestamp;
use crate::tree::Stage;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A reason to send nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// By command; for ever, or until then.
    Paused(Option<Timestamp>),
    /// Until the schedule's next span.
    Schedule(Timestamp),
    Metered,
    /// Nothing answered; tried again then.
    Offline(Timestamp),
}

impl Hold {
    pub fn until(self) -> Option<Timestamp> {
        match self {
            Self::Paused(until) => until,
            Self::Schedule(until) | Self::Offline(until) => Some(until),
            Self::Metered => None,
        }
    }

    /// The word of `status --json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Paused(_) => "paused",
            Self::Schedule(_) => "schedule",
            Self::Metered => "metered",
            Self::Offline(_) => "offline",
        }
    }
}

/// Whether the network costs by the byte; who watches it writes here.
#[derive(Clone, Default, Debug)]
pub struct MeteredFlag(Arc<AtomicBool>);

impl MeteredFlag {
    /// Answers whether that is news.
    pub fn set(&self, metered: bool) -> bool {
        self.0.swap(metered, Ordering::Relaxed) != metered
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Uploader {
    /// Why nothing is sent now; `None` where everything that is due may go.
    pub fn hold(&self) -> Option<Hold> {
        let now = self.clock.now();
        let until = self.store().read(|rows| rows.load_paused_until()).ok().flatten();
        if let Some(until) = until.filter(|until| *until > now) {
            return Some(Hold::Paused(Some(until).filter(|until| until.0 < i64::MAX)));
        }
        if let Some(span) = self.options.schedule.filter(|span| !span.contains(now)) {
            return Some(Hold::Schedule(span.next_begin(now)));
        }
        if self.metered.is_set() {
            return Some(Hold::Metered);
        }
        let offline = self.offline_until.lock().map(|until| until.saturating_duration_since(Instant::now()));
        offline.filter(|rest| !rest.is_zero()).map(|rest| Hold::Offline(now.saturating_add(rest)))
    }
}

/// Whether a stage's step needs no network.
pub(super) fn is_local(stage: Stage) -> bool {
    matches!(stage, Stage::Settling | Stage::Incomplete | Stage::Registered | Stage::Removed)
}
