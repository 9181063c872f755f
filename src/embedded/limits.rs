//! Museum's rate limits (protocol notes, auth 3.3): fixed windows that start with the first request of a
//! key, all in memory.

use super::refusal::{Answer, Refusal};
use crate::base::Timestamp;
use crate::base::sync::Mutex;
use crate::wire::path;
use std::collections::HashMap;
use std::time::Duration;

/// Whether the server throttles.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Limits {
    #[default]
    Off,
    /// As Ente's own server does.
    Museum,
}

const BREACHED: Refusal = Refusal::middleware(429, "Rate limit breached, try later");
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const CODE_WINDOW: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);
/// Keys kept before those that have run out are dropped.
const MAX_KEYS: usize = 10_000;

/// How many calls in how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Rule {
    calls: u32,
    window: Duration,
}

const EVERYTHING: Rule = Rule { calls: 1000, window: SECOND };
/// Sends of codes by the whole server before it gives each address one per window, and before it stops.
const CODES_FREE: Rule = Rule { calls: 49, window: CODE_WINDOW };
const CODES_PER_ADDRESS: Rule = Rule { calls: 1, window: CODE_WINDOW };
const CODES_AT_ALL: Rule = Rule { calls: 199, window: Duration::from_secs(600) };
const DISCLOSURES: Rule = Rule { calls: 100, window: HOUR };

/// The limit of one route, in a bucket of its own.
fn rule_of(route: &str) -> Option<Rule> {
    let (calls, window) = match route {
        path::OTT | path::VERIFY_EMAIL => (10, MINUTE),
        _ if route.starts_with("/users/srp/") || route.starts_with("/users/two-factor/") => (10, MINUTE),
        path::PUBLIC_KEY => (200, MINUTE),
        path::UPLOAD_URL | path::UPLOAD_URLS | path::MULTIPART_UPLOAD_URL | path::MULTIPART_UPLOAD_URLS => {
            (500, MINUTE)
        }
        _ if route.starts_with(path::FILE_PREVIEW) => (700, SECOND),
        _ => return None,
    };
    Some(Rule { calls, window })
}

struct Window {
    ends: Timestamp,
    calls: u32,
}

#[derive(Default)]
pub(super) struct RateLimits {
    limits: Limits,
    windows: Mutex<HashMap<String, Window>>,
}

impl RateLimits {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, windows: Mutex::default() }
    }

    /// One call of the whole server.
    pub(super) fn check_everything(&self, now: Timestamp) -> Answer<()> {
        self.spend("all", EVERYTHING, now).then_some(()).ok_or(BREACHED)
    }

    /// One call of `route` by an address or a user.
    pub(super) fn check_route(&self, route: &str, who: &str, now: Timestamp) -> Answer<()> {
        let Some(rule) = rule_of(route) else { return Ok(()) };
        self.spend(&format!("{route} {who}"), rule, now).then_some(()).ok_or(BREACHED)
    }

    /// One e-mail code, for a caller at `ip`.
    pub(super) fn check_code(&self, ip: &str, now: Timestamp) -> Answer<()> {
        let sent = self.spend("codes", CODES_AT_ALL, now)
            && (self.spend("codes free", CODES_FREE, now) || self.spend(&format!("code {ip}"), CODES_PER_ADDRESS, now));
        sent.then_some(()).ok_or(Refusal::TOO_MANY)
    }

    /// Whether an answer may still tell (`what`) whether an account exists.
    pub(super) fn may_disclose(&self, what: &'static str, now: Timestamp) -> bool {
        self.spend(what, DISCLOSURES, now)
    }

    fn spend(&self, key: &str, rule: Rule, now: Timestamp) -> bool {
        if self.limits == Limits::Off {
            return true;
        }
        let mut windows = self.windows.lock();
        if windows.len() > MAX_KEYS {
            windows.retain(|_, window| window.ends > now);
        }
        let fresh = || Window { ends: now.saturating_add(rule.window), calls: 0 };
        let window = windows.entry(key.to_owned()).or_insert_with(fresh);
        if window.ends <= now {
            *window = fresh();
        }
        window.calls = window.calls.saturating_add(1);
        window.calls <= rule.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_800_000_000_000_000);

    fn after(time: Duration) -> Timestamp {
        START.saturating_add(time)
    }

    #[test]
    fn a_window_starts_with_the_first_call_and_is_each_callers_own() {
        let limits = RateLimits::new(Limits::Museum);
        for _ in 0..10 {
            assert_eq!(limits.check_route(path::SRP_ATTRIBUTES, "1.2.3.4", START), Ok(()));
        }
        assert_eq!(limits.check_route(path::SRP_ATTRIBUTES, "1.2.3.4", after(SECOND)), Err(BREACHED));
        assert_eq!(limits.check_route(path::SRP_ATTRIBUTES, "1.2.3.5", after(SECOND)), Ok(()));
        assert_eq!(limits.check_route(path::SRP_VERIFY_SESSION, "1.2.3.4", after(SECOND)), Ok(()));
        assert_eq!(limits.check_route(path::SRP_ATTRIBUTES, "1.2.3.4", after(MINUTE)), Ok(()));
    }

    #[test]
    fn upload_urls_have_a_budget_per_path_and_registration_has_none() {
        let limits = RateLimits::new(Limits::Museum);
        for call in 0..600 {
            let answer = limits.check_route(path::UPLOAD_URL, "7", START);
            assert_eq!(answer.is_ok(), call < 500, "{call}");
            assert_eq!(limits.check_route(path::FILES, "7", START), Ok(()));
        }
        assert_eq!(limits.check_route(path::UPLOAD_URLS, "7", START), Ok(()));
    }

    #[test]
    fn from_the_fiftieth_code_on_each_address_gets_one() {
        let limits = RateLimits::new(Limits::Museum);
        for _ in 0..49 {
            assert_eq!(limits.check_code("a", START), Ok(()));
        }
        assert_eq!(limits.check_code("a", START), Ok(()));
        assert_eq!(limits.check_code("a", START), Err(Refusal::TOO_MANY));
        assert_eq!(limits.check_code("b", START), Ok(()));
        assert_eq!(limits.check_code("a", after(CODE_WINDOW)), Ok(()));
    }

    #[test]
    fn switched_off_nothing_is_refused() {
        let limits = RateLimits::new(Limits::Off);
        assert!((0..5000).all(|_| limits.check_everything(START).is_ok() && limits.check_code("a", START).is_ok()));
    }
}
