//! What is known of one path's limit. Pure: time comes from outside.

use super::LimitPace;
use std::time::Duration;
use tokio::time::Instant;

/// After a test that was refused, so many windows pass before the next; doubled each time up to the second figure.
const FIRST_REST: u32 = 1;
const LONGEST_REST: u32 = 60;

/// What is known of a path.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct PathState {
    /// Counts windows, so that a late answer is not taken for one of this window.
    pub(super) window: u64,
    /// When the window began by the server's clock at the latest: its first call's answer, until then its departure.
    began: Option<Instant>,
    answered: bool,
    sent: u32,
    refused: u32,
    /// Calls without an answer yet.
    in_flight: u32,
    /// What a window lets through, as far as known.
    pub(super) learned: Option<u32>,
    /// The limit is one by the minute, as everybody may read in Ente's server: a refusal closes the window.
    by_minute: bool,
    tests: Tests,
    storm: Option<Storm>,
}

/// Calls beyond what was learned: each goes alone, so that a limit that stands costs one refusal.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Tests {
    testing: bool,
    /// What the limit grows by when the next one passes.
    step: u32,
    /// Windows to let pass before the next.
    rest: u32,
    /// What `rest` becomes when the next one is refused.
    next_rest: u32,
}

/// A path that refuses.
#[derive(Clone, PartialEq, Debug)]
struct Storm {
    next_probe: Instant,
    failed_probes: u32,
    probing: bool,
}

/// What a call is to the limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Plain,
    /// It goes alone, beyond what was learned.
    Test,
    /// It goes alone, after a refusal.
    Probe,
}

/// Whether a call may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    Go(Kind),
    At(Instant),
    /// After an answer to a call that is under way.
    AfterAnswer,
}

impl PathState {
    /// `expected`: what a window of this path is known to let through on Ente's own server.
    pub(super) fn new(expected: Option<u32>) -> Self {
        Self { learned: expected, by_minute: expected.is_some(), ..Self::default() }
    }

    /// Lets the next call go, or says when to ask again.
    pub(super) fn admit(&mut self, now: Instant, pace: &LimitPace) -> Admission {
        self.roll(now, pace);
        let admission = self.next_admission(now, pace);
        if let Admission::Go(kind) = admission {
            self.in_flight += 1;
            match kind {
                Kind::Plain => self.sent += 1,
                Kind::Test => (self.sent, self.tests.testing) = (self.sent + 1, true),
                // It opens a window of its own if it passes.
                Kind::Probe => self.storm.iter_mut().for_each(|storm| storm.probing = true),
            }
        }
        admission
    }

    fn next_admission(&self, now: Instant, pace: &LimitPace) -> Admission {
        if let Some(storm) = &self.storm {
            return match now < storm.next_probe {
                _ if storm.probing => Admission::AfterAnswer,
                true => Admission::At(storm.next_probe),
                false => Admission::Go(Kind::Probe),
            };
        }
        let end = self.began.map(|began| began + pace.window).filter(|_| self.is_full());
        match end {
            None => Admission::Go(Kind::Plain),
            Some(end) if self.tests.rest > 0 => Admission::At(end),
            Some(_) if self.in_flight > 0 => Admission::AfterAnswer,
            Some(_) => Admission::Go(Kind::Test),
        }
    }

    fn is_full(&self) -> bool {
        self.learned.is_some_and(|limit| self.sent >= limit)
    }

    /// When the next call may go; `None` for at once, as one of those that were learned or as a probe.
    pub(super) fn opens_at(&self, now: Instant, pace: &LimitPace) -> Option<Instant> {
        match &self.storm {
            Some(storm) if storm.probing => Some(now + pace.probe),
            Some(storm) => Some(storm.next_probe).filter(|at| now < *at),
            None if self.is_full() => {
                let end = self.began.map(|began| began + pace.window).filter(|end| now < *end)?;
                Some(if self.tests.rest > 0 { end } else { now + pace.probe })
            }
            None => None,
        }
    }

    /// Begins a new window where the last has ended.
    fn roll(&mut self, now: Instant, pace: &LimitPace) {
        let ended = self.began.is_none_or(|began| now >= began + pace.window);
        // A test's answer still belongs to the window that it was sent in.
        if self.storm.is_none() && !self.tests.testing && ended {
            self.tests.rest = self.tests.rest.saturating_sub(u32::from(self.is_full()));
            self.begin(now, 0);
        }
    }

    fn begin(&mut self, now: Instant, sent: u32) {
        self.window += 1;
        (self.began, self.answered) = (Some(now), sent > 0);
        self.sent = sent;
        self.refused = 0;
        self.tests.testing = false;
    }

    /// The server took a call of `window`.
    pub(super) fn pass(&mut self, kind: Kind, window: u64, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match kind {
            Kind::Probe if self.storm.take().is_some() => return self.begin(now, 1),
            Kind::Test if window == self.window => self.pass_test(),
            _ => {}
        }
        if window == self.window && !self.answered {
            (self.began, self.answered) = (Some(now), true);
        }
    }

    /// The limit is not there: it may be anywhere beyond, so the next steps are longer and longer.
    fn pass_test(&mut self) {
        let step = self.tests.step.max(1);
        self.tests = Tests { step: step.saturating_mul(2), ..Tests::default() };
        self.learned = self.learned.map(|limit| limit.max(self.sent).saturating_add(step));
    }

    /// The server refused a call of `window` for its rate.
    pub(super) fn refuse(
        &mut self,
        kind: Kind,
        window: u64,
        now: Instant,
        retry_after: Option<Duration>,
        pace: &LimitPace,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match kind {
            Kind::Probe => self.fail_probe(now, retry_after, pace),
            _ if window != self.window => {}
            kind => {
                self.refused += 1;
                let rest = retry_after.unwrap_or_else(|| self.closed_for(kind, now, pace));
                let next_probe = now + rest.max(pace.probe);
                self.storm.get_or_insert(Storm { next_probe, failed_probes: 0, probing: false });
                if self.by_minute || kind == Kind::Test {
                    self.learn(kind);
                }
            }
        }
    }

    /// How long a path is shut that did not say so.
    fn closed_for(&self, kind: Kind, now: Instant, pace: &LimitPace) -> Duration {
        let end = self.began.map(|began| began + pace.window);
        match (kind, end) {
            // All that the window holds was ours, so it is our window.
            (Kind::Test, Some(end)) if end > now => end - now,
            // Somebody else's calls were counted too, in a window that began who knows when.
            _ if self.by_minute => pace.window,
            _ => pace.probe,
        }
    }

    fn learn(&mut self, kind: Kind) {
        self.learned = Some(self.sent.saturating_sub(self.refused).max(1));
        self.tests.testing = false;
        self.tests.step = 0;
        if kind == Kind::Test {
            self.tests.rest = self.tests.next_rest.clamp(FIRST_REST, LONGEST_REST);
            self.tests.next_rest = self.tests.rest.saturating_mul(2);
        }
    }

    /// A second after its refusal the path still refuses: it is not a limit by the second.
    fn fail_probe(&mut self, now: Instant, retry_after: Option<Duration>, pace: &LimitPace) {
        let window_end = self.began.map(|began| began + pace.window).filter(|end| now < *end);
        let let_through = self.sent.saturating_sub(self.refused);
        let Some(storm) = &mut self.storm else { return };
        storm.failed_probes += 1;
        storm.probing = false;
        let growing = pace.probe * 2_u32.saturating_pow(storm.failed_probes.min(16));
        let next = if self.by_minute { pace.window } else { growing.min(pace.longest_probe) };
        let next = now + retry_after.unwrap_or(next).max(pace.probe);
        storm.next_probe = match window_end {
            Some(end) if retry_after.is_none() && end < next && !self.by_minute => end.max(now + pace.probe),
            _ => next,
        };
        if storm.failed_probes == 1 && let_through > 0 {
            self.learned = Some(let_through);
        }
    }

    /// The call's outcome will never be known.
    pub(super) fn abandon(&mut self, kind: Kind, now: Instant, pace: &LimitPace) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match (kind, self.storm.as_mut()) {
            (Kind::Probe, Some(storm)) => {
                storm.probing = false;
                storm.next_probe = now + pace.probe;
            }
            (Kind::Test, _) => self.tests.testing = false,
            _ => {}
        }
    }
}
