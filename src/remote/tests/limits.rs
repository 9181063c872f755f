//! Rate limits as a whole: protocol notes, auth 3.3 and data 10.

use super::server::{Reply, Request, Server};
use super::*;
use crate::base::Timestamp;
use crate::base::sync::Mutex;
use std::sync::Arc;
use std::time::Instant;

/// Museum's limiter, with a short window: fixed, begun by the first call, refused calls counted.
struct Museum {
    limit: usize,
    window: Duration,
    state: Mutex<(Option<Instant>, usize, Vec<Instant>)>,
}

impl Museum {
    fn new(limit: usize, window: Duration) -> Arc<Self> {
        Arc::new(Self { limit, window, state: Mutex::new((None, 0, Vec::new())) })
    }

    fn answer(&self, _: &Request) -> Reply {
        let now = Instant::now();
        let mut state = self.state.lock();
        if state.0.is_none_or(|began| now >= began + self.window) {
            (state.0, state.1) = (Some(now), 0);
        }
        state.1 += 1;
        if state.1 <= self.limit {
            return Reply::json(200, r#"{"diff":[],"id":1}"#);
        }
        state.2.push(now);
        Reply::json(429, r#"{"error":"Rate limit breached, try later"}"#)
    }

    fn refusals(&self) -> Vec<Instant> {
        self.state.lock().2.clone()
    }
}

async fn start(museum: &Arc<Museum>) -> Server {
    let museum = Arc::clone(museum);
    Server::start(move |request| museum.answer(request)).await
}

fn pace(window: u64, probe: u64, patience: u64) -> LimitPace {
    let millis = Duration::from_millis;
    LimitPace {
        window: millis(window),
        probe: millis(probe),
        longest_probe: millis(probe * 4),
        patience: millis(patience),
    }
}

#[tokio::test]
async fn a_window_that_is_spent_is_waited_out_and_its_limit_kept() {
    let museum = Museum::new(10, Duration::from_millis(1000));
    let server = start(&museum).await;
    let remote = HttpRemote::new(HttpOptions { limits: pace(1050, 100, 9000), ..options(&server.origin) }).unwrap();
    let begun = Instant::now();
    for _ in 0..35 {
        remote.fetch_trash(Timestamp::ZERO).await.unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(2900), "three windows and a half: {:?}", begun.elapsed());
    let late = museum.refusals().into_iter().filter(|at| *at > begun + Duration::from_millis(1050)).count();
    assert!(late <= 8, "{late} refusals after the limit was learned; each window may probe for more");
}

#[tokio::test]
async fn what_may_not_be_repeated_is_sent_again_after_a_429_alone() {
    let museum = Museum::new(1, Duration::from_millis(300));
    let server = start(&museum).await;
    let remote = HttpRemote::new(HttpOptions { limits: pace(350, 100, 5000), ..options(&server.origin) }).unwrap();
    for _ in 0..2 {
        remote.register_file(b"{}"[..].into()).await.unwrap();
    }
    assert!(!museum.refusals().is_empty(), "a refused call has not been done");
}

#[tokio::test]
async fn a_storm_is_met_with_at_most_one_probe_at_a_time_however_many_wait() {
    let museum = Museum::new(0, Duration::from_secs(60));
    let server = start(&museum).await;
    let remote = HttpRemote::new(HttpOptions { limits: pace(60_000, 100, 1500), ..options(&server.origin) }).unwrap();
    let remote = Arc::new(remote);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let remote = Arc::clone(&remote);
            tokio::spawn(async move { remote.fetch_trash(Timestamp::ZERO).await })
        })
        .collect();
    for task in tasks {
        let error = task.await.unwrap().expect_err("nobody gets through");
        assert_eq!(error.status(), Some(429));
    }
    let refusals = museum.refusals();
    let first = refusals[0] + Duration::from_millis(50);
    let probes: Vec<_> = refusals.into_iter().filter(|at| *at > first).collect();
    assert!(probes.len() <= 8, "{} probes in a second and a half", probes.len());
    assert!(probes.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(95)));
}

#[tokio::test]
async fn one_paths_limit_leaves_the_others_alone() {
    let server = Server::start(|request| match request.path() {
        "/trash/v2/diff" => Reply::json(429, "{}"),
        _ => Reply::json(200, r#"{"diff":[]}"#),
    })
    .await;
    let remote = HttpRemote::new(HttpOptions { limits: pace(60_000, 100, 200), ..options(&server.origin) }).unwrap();
    remote.fetch_trash(Timestamp::ZERO).await.expect_err("refused");
    let begun = Instant::now();
    remote.fetch_changes(crate::base::AlbumId(1), Timestamp::ZERO).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(100));
}
