//! Issue 4, point 2: two mounts of one account on two state directories, driven at once at random, with the network
//! cut and a daemon killed now and then; when both are quiet and have pulled, both trees and the server agree.

mod check;
mod hand;

use crate::common::{Cable, Device, Kill, Line, Random, World, number};
use hand::{Hand, Written};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Nothing that is done to a mount takes so long; reads give up after [`READ`].
const HANGS: Duration = Duration::from_secs(90);
const READ: &str = "read_timeout=5s";
/// For how long after the network came back reads may still fail.
const UNEASY: Duration = Duration::from_secs(15);

/// What a mount goes through, as far as it explains an error.
pub struct Weather {
    over: AtomicBool,
    /// Until when the daemon is dead, or was so a moment ago.
    down: Mutex<Option<Instant>>,
    /// Until when what is not here may be unreachable.
    cut: Mutex<Option<Instant>>,
    /// What is being done, and since when.
    doing: Mutex<Option<(Instant, String)>>,
}

impl Weather {
    fn new() -> Self {
        Self { over: false.into(), down: Mutex::default(), cut: Mutex::default(), doing: Mutex::default() }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Whether there was a daemon all the time since `began`.
    pub fn was_up(&self, began: Instant) -> bool {
        !is_after(&self.down, began)
    }

    /// Whether there was a network, too.
    pub fn was_fair(&self, began: Instant) -> bool {
        self.was_up(began) && !is_after(&self.cut, began)
    }

    pub fn note(&self, doing: Option<String>) {
        *lock(&self.doing) = doing.map(|what| (Instant::now(), what));
    }

    /// What hangs.
    fn hanging(&self) -> Option<String> {
        let doing = lock(&self.doing);
        doing.as_ref().filter(|(since, _)| since.elapsed() > HANGS).map(|(_, what)| what.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it")
}

fn is_after(until: &Mutex<Option<Instant>>, began: Instant) -> bool {
    lock(until).is_some_and(|until| until > began)
}

/// One of the two.
struct Twin {
    device: Device,
    cable: Cable,
    weather: Arc<Weather>,
    heals: Option<Instant>,
}

impl Twin {
    fn new(world: &World, more: &str) -> Self {
        let (mut device, cable) = world.device_on_cable();
        device.set_options(&format!("removal_limit=off,{READ}{more}"));
        device.mount();
        Self { device, cable, weather: Arc::new(Weather::new()), heals: None }
    }

    fn cut(&mut self, line: Line, lasting: Duration) {
        let heals = Instant::now() + lasting;
        *lock(&self.weather.cut) = Some(heals + UNEASY);
        self.heals = Some(heals);
        self.cable.set(line);
    }

    fn heal_when_due(&mut self, now: Instant) {
        if self.heals.is_some_and(|heals| heals <= now) {
            self.heals = None;
            self.cable.set(Line::Open);
        }
    }

    fn kill(&mut self, kill: Kill, lasting: Duration) {
        *lock(&self.weather.down) = Some(Instant::now() + Duration::from_secs(3600));
        self.device.kill(kill);
        thread::sleep(lasting);
        self.device.mount();
        // What was asked of the dead one may be answered late.
        *lock(&self.weather.down) = Some(Instant::now() + Duration::from_secs(1));
    }
}

/// Something that befalls one of them.
fn befall(twin: &mut Twin, random: &mut Random) -> &'static str {
    let mut lasting = |most: u64| Duration::from_millis(100 + random.below(most));
    let (short, long) = (lasting(700), lasting(5000));
    match random.below(11) {
        0 => {
            twin.cut(Line::Refused, Duration::ZERO);
            "connections reset"
        }
        1..4 => {
            twin.cut(Line::Silent, long);
            "a silent network"
        }
        4..7 => {
            twin.cut(Line::Refused, long);
            "no network"
        }
        7..9 => {
            twin.kill(Kill::Only, short);
            "a kill"
        }
        _ => {
            twin.kill(Kill::AndClear, short);
            "a kill, and what a reboot clears"
        }
    }
}

/// Lets things befall the twins until the time is over, or a hand has ended by itself.
fn govern(twins: &mut [Twin; 2], length: Duration, random: &mut Random, is_done: impl Fn() -> bool) {
    let (began, mut next) = (Instant::now(), Instant::now() + Duration::from_secs(1));
    let mut befell: BTreeMap<(usize, &str), u32> = BTreeMap::new();
    while began.elapsed() < length && !is_done() {
        thread::sleep(Duration::from_millis(50));
        let now = Instant::now();
        for twin in twins.iter_mut() {
            twin.heal_when_due(now);
            if let Some(what) = twin.weather.hanging() {
                twin.device.kill(Kill::AndClear);
                panic!("hangs: {what}");
            }
        }
        if now >= next {
            let which = random.below(2) as usize;
            *befell.entry((which, befall(&mut twins[which], random))).or_insert(0) += 1;
            next = Instant::now() + Duration::from_millis(500 + random.below(4000));
        }
    }
    println!("what befell them: {befell:?}");
}

impl Drop for Twin {
    fn drop(&mut self) {
        // Its hand ends also when the test has failed.
        self.weather.over.store(true, Ordering::Relaxed);
    }
}

/// "When both are quiet and have pulled, both trees and the server agree by file ID, names by rule 1.6; no photo lost,
/// none doubled; every own photo has a home." The second may use Ente's trash.
#[test]
fn two_mounts_driven_at_random_agree_and_lose_nothing() {
    let Some(world) = World::start_anywhere() else { return };
    let length = Duration::from_secs(number("ENTEFS_TEST_TWINS", 15));
    let mut random = Random::announced("twins");
    let mut twins = [Twin::new(&world, ""), Twin::new(&world, ",allow_trash")];
    let hands: Vec<JoinHandle<Written>> = twins
        .iter()
        .zip(["left", "right"])
        .map(|(twin, name)| {
            let weather = Arc::clone(&twin.weather);
            let hand = Hand::new(name, twin.device.mountpoint(), Random::new(random.next()), weather);
            thread::spawn(move || hand.work())
        })
        .collect();
    govern(&mut twins, length, &mut random, || hands.iter().any(JoinHandle::is_finished));
    for twin in &mut twins {
        twin.weather.over.store(true, Ordering::Relaxed);
        // What is under way once more is cut off.
        twin.heals = None;
        twin.cable.set(Line::Open);
    }
    let mut written = Written::default();
    for hand in hands {
        written.add(hand.join().expect("every errno was one of the contract"));
    }
    let devices = twins.each_ref().map(|twin| &twin.device);
    check::tidy(world.client(), devices, &mut written);
    check::check(world.client(), devices, &written);
}
