//! The limits against a limiter like museum's, in played time.

use super::*;

const PACE: LimitPace = LimitPace {
    window: Duration::from_secs(60),
    probe: Duration::from_secs(1),
    longest_probe: Duration::from_secs(15),
    patience: Duration::from_secs(90),
};

/// A server with a fixed window of a minute, and our side's view of it.
struct Play {
    start: Instant,
    state: PathState,
    limit: u32,
    window: Duration,
    began: Option<Duration>,
    count: u32,
    refusals: Vec<Duration>,
}

impl Play {
    fn new(limit: u32, window_secs: u64) -> Self {
        Self::expecting(None, limit, window_secs)
    }

    fn expecting(expected: Option<u32>, limit: u32, window_secs: u64) -> Self {
        Self {
            start: Instant::now(),
            state: PathState::new(expected),
            limit,
            window: Duration::from_secs(window_secs),
            began: None,
            count: 0,
            refusals: Vec::new(),
        }
    }

    fn server_takes(&mut self, at: Duration) -> bool {
        if self.began.is_none_or(|began| at >= began + self.window) {
            (self.began, self.count) = (Some(at), 0);
        }
        self.count += 1;
        self.count <= self.limit
    }

    /// One call at `at`: whether it was let through, `None` where it had to wait.
    fn call(&mut self, at: Duration) -> Option<bool> {
        let now = self.start + at;
        let Admission::Go(kind) = self.state.admit(now, &PACE) else { return None };
        let taken = self.server_takes(at);
        if taken {
            self.state.pass(kind, self.state.window, now);
        } else {
            self.refusals.push(at);
            self.state.refuse(kind, self.state.window, now, None, &PACE);
        }
        Some(taken)
    }

    /// Calls as often as it may, every 10 ms, and counts what passes.
    fn press(&mut self, from_secs: u64, to_secs: u64) -> u32 {
        let ticks = from_secs * 100..to_secs * 100;
        ticks.filter(|tick| self.call(Duration::from_millis(tick * 10)) == Some(true)).count() as u32
    }
}

#[test]
fn a_minutes_limit_is_learned_and_then_kept_without_refusals() {
    let mut play = Play::new(500, 60);
    assert_eq!(play.press(0, 60), 500);
    assert_eq!(play.state.learned, Some(500));
    let first = play.refusals.len();
    assert!((2..=9).contains(&first), "{first} refusals in the first minute");
    let later: u32 = (1..11).map(|minute| play.press(minute * 60, minute * 60 + 60)).sum();
    assert!(later >= 4990, "{later} in ten minutes");
    let tests = play.refusals.len() - first;
    assert!((1..=5).contains(&tests), "{tests} tests in ten minutes");
}

#[test]
fn a_stated_limit_is_used_up_and_never_refused_twice_in_a_row() {
    let mut play = Play::expecting(Some(500), 500, 60);
    let passed: u32 = (0..30).map(|minute| play.press(minute * 60, minute * 60 + 60)).sum();
    assert!(passed >= 30 * 495, "{passed} in half an hour");
    assert!((1..=6).contains(&play.refusals.len()), "{:?}", play.refusals);
    assert!(play.refusals.windows(2).all(|pair| pair[1] - pair[0] > Duration::from_secs(60)), "{:?}", play.refusals);
}

#[test]
fn a_server_without_the_stated_limit_is_not_held_to_it() {
    let mut play = Play::expecting(Some(500), u32::MAX, 60);
    assert!(play.press(0, 60) > 5900, "a call every 10 ms");
    assert!(play.refusals.is_empty());
}

#[test]
fn a_stated_limit_that_another_client_shares_is_waited_out() {
    let mut play = Play::expecting(Some(500), 500, 60);
    for _ in 0..450 {
        play.server_takes(Duration::ZERO);
    }
    assert_eq!(play.press(50, 110), 50, "the path is shut for as long as the other's window may last");
    assert_eq!(play.refusals.len(), 1);
    assert!(play.press(110, 180) >= 495, "the other client is gone");
    assert!(play.refusals.len() <= 2, "{:?}", play.refusals);
}

#[test]
fn a_test_waits_for_the_answers_to_all_calls_and_goes_alone() {
    let (mut state, now) = (PathState::new(Some(2)), Instant::now());
    assert_eq!(state.admit(now, &PACE), Admission::Go(Kind::Plain));
    assert_eq!(state.admit(now, &PACE), Admission::Go(Kind::Plain));
    assert_eq!(state.admit(now, &PACE), Admission::AfterAnswer);
    state.pass(Kind::Plain, 1, now);
    assert_eq!(state.admit(now, &PACE), Admission::AfterAnswer);
    state.pass(Kind::Plain, 1, now);
    assert_eq!(state.admit(now, &PACE), Admission::Go(Kind::Test));
    assert_eq!(state.admit(now, &PACE), Admission::AfterAnswer);
    state.refuse(Kind::Test, 1, now, None, &PACE);
    assert_eq!(state.admit(now, &PACE), Admission::At(now + PACE.window));
    assert_eq!(state.learned, Some(2));
}

#[test]
fn a_window_lasts_from_the_answer_to_its_first_call() {
    let (mut state, now) = (PathState::new(Some(1)), Instant::now());
    state.admit(now, &PACE);
    let late = now + Duration::from_secs(5);
    state.pass(Kind::Plain, 1, late);
    assert_eq!(state.admit(late, &PACE), Admission::Go(Kind::Test));
    state.refuse(Kind::Test, 1, late, None, &PACE);
    assert_eq!(state.admit(late, &PACE), Admission::At(late + PACE.window), "the server's window began in between");
}

#[test]
fn a_learned_limit_grows_again() {
    let mut play = Play::new(10, 60);
    play.press(0, 60);
    play.limit = 1000;
    let minutes: Vec<u32> = (1..8).map(|minute| play.press(minute * 60, minute * 60 + 60)).collect();
    assert!(minutes.windows(2).all(|pair| pair[0] <= pair[1]) && minutes[6] > 25, "{minutes:?}");
}

#[test]
fn a_limit_by_the_second_costs_a_second_and_teaches_nothing() {
    let mut play = Play::new(5, 1);
    assert!(play.press(0, 10) >= 24);
    assert_eq!(play.state.learned, None);
}

#[test]
fn a_storm_is_probed_at_most_once_a_second() {
    let mut play = Play::new(0, 60);
    assert_eq!(play.press(0, 600), 0);
    assert!(play.refusals.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "{:?}", play.refusals);
    assert!(play.refusals.len() <= 60, "{} tries in ten minutes", play.refusals.len());
    play.limit = 100;
    assert!(play.press(600, 661) >= 100);
}

#[test]
fn another_clients_share_is_met_and_the_window_found_again() {
    let mut play = Play::new(100, 60);
    for _ in 0..80 {
        play.server_takes(Duration::ZERO);
    }
    assert_eq!(play.press(30, 60), 20);
    let minutes: Vec<u32> = (1..7).map(|minute| play.press(minute * 60, minute * 60 + 60)).collect();
    assert!(minutes[5] >= 95, "the other client is gone, and its share is found: {minutes:?}");
}

#[test]
fn calls_in_flight_at_a_refusal_are_counted_right() {
    let (mut state, now) = (PathState::default(), Instant::now());
    for _ in 0..8 {
        assert_eq!(state.admit(now, &PACE), Admission::Go(Kind::Plain));
    }
    for _ in 0..3 {
        state.refuse(Kind::Plain, state.window, now, None, &PACE);
    }
    let probed = now + PACE.probe;
    assert_eq!(state.admit(probed, &PACE), Admission::Go(Kind::Probe));
    assert_eq!(state.admit(probed, &PACE), Admission::AfterAnswer);
    state.refuse(Kind::Probe, state.window, probed, None, &PACE);
    assert_eq!(state.learned, Some(5));
}

#[test]
fn a_server_that_says_when_is_believed() {
    let (mut state, now) = (PathState::default(), Instant::now());
    state.admit(now, &PACE);
    state.refuse(Kind::Plain, state.window, now, Some(Duration::from_secs(30)), &PACE);
    assert_eq!(state.admit(now + PACE.probe, &PACE), Admission::At(now + Duration::from_secs(30)));
}

#[test]
fn a_probe_whose_outcome_is_lost_leaves_the_way_free() {
    let (mut state, now) = (PathState::default(), Instant::now());
    state.admit(now, &PACE);
    state.refuse(Kind::Plain, state.window, now, None, &PACE);
    let later = now + PACE.probe;
    assert_eq!(state.admit(later, &PACE), Admission::Go(Kind::Probe));
    state.abandon(Kind::Probe, later, &PACE);
    assert_eq!(state.admit(later, &PACE), Admission::At(later + PACE.probe));
    assert_eq!(state.admit(later + PACE.probe, &PACE), Admission::Go(Kind::Probe));
}

#[tokio::test]
async fn callers_go_in_the_order_in_which_they_came() {
    let pace = LimitPace { window: Duration::from_millis(80), probe: Duration::from_millis(10), ..PACE };
    let limits = Arc::new(Limits::new(pace));
    limits.path("/x").state.lock().learned = Some(1);
    limits.enter("/x", limits.deadline()).await.unwrap().pass();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..4 {
        let (limits, order) = (Arc::clone(&limits), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            limits.enter("/x", limits.deadline()).await.unwrap().pass();
            order.lock().push(number);
        }));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn patience_ends_with_a_refusal_that_says_when_to_come_back() {
    let limits = Limits::new(LimitPace { patience: Duration::from_millis(30), ..PACE });
    limits.enter("/x", limits.deadline()).await.unwrap().refuse(Some(Duration::from_secs(20)));
    let Err(error) = limits.enter("/x", limits.deadline()).await else { panic!("the path is closed") };
    let RemoteError::Status { status: 429, retry_after: Some(rest), .. } = error else { panic!("{error}") };
    assert!(rest > Duration::from_secs(19), "{rest:?}");
}

#[tokio::test]
async fn a_waiting_call_goes_when_the_probe_has_passed() {
    let limits = Arc::new(Limits::new(LimitPace { probe: Duration::from_millis(5), ..PACE }));
    limits.enter("/x", limits.deadline()).await.unwrap().refuse(None);
    let probe = limits.enter("/x", limits.deadline()).await.unwrap();
    assert_eq!(probe.kind, Kind::Probe);
    let waiting = tokio::spawn({
        let limits = Arc::clone(&limits);
        async move { limits.enter("/x", limits.deadline()).await.unwrap().pass() }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished());
    probe.pass();
    tokio::time::timeout(Duration::from_secs(2), waiting).await.unwrap().unwrap();
}

#[test]
fn the_path_that_opens_sooner_is_taken() {
    let limits = Limits::new(PACE);
    assert_eq!(limits.soonest(&["/a", "/b"]), Some("/a"));
    let now = Instant::now();
    let close = |endpoint, secs| {
        let path = limits.path(endpoint);
        let mut state = path.state.lock();
        state.admit(now, &PACE);
        let window = state.window;
        state.refuse(Kind::Plain, window, now, Some(Duration::from_secs(secs)), &PACE);
    };
    close("/a", 20);
    assert_eq!(limits.soonest(&["/a", "/b"]), Some("/b"));
    close("/b", 10);
    assert_eq!(limits.soonest(&["/a", "/b"]), Some("/b"));
    assert_eq!(limits.soonest(&[]), None);
}
