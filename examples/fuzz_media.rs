//! Throws mutated files at everything that reads foreign bytes of media, and watches time and memory.
//!
//! `cargo run --release --example fuzz_media -- CASES SEED FILE|FOLDER…`
//!
//! Each case is one of the files with a few of its bytes changed, cut, doubled or swapped. The parsers see every case,
//! the decoders one in 500. A panic of a parser aborts with the case's number, a case over five seconds as well; panics of
//! decoders, which are foreign code and caught, are counted; the address space
//! is limited to 512 MiB above what the program has at its start. The same seed gives the same cases.

use entefs::base::{ReadAt, Timestamp};
use entefs::media::{
    Circumstances, Format, HEAD, MediaKind, Orientation, Sniffed, ThumbnailLimits, Zone, looks_complete, opening,
    probe, sniff, thumbnail,
};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The case under way, and when it began in milliseconds since the start.
static CASE: AtomicU64 = AtomicU64::new(0);
static BEGAN: AtomicU64 = AtomicU64::new(0);
static DECODING: AtomicBool = AtomicBool::new(false);
static CAUGHT: AtomicU64 = AtomicU64::new(0);
const LONGEST_CASE: Duration = Duration::from_secs(5);
const MEMORY: u64 = 512 << 20;
/// Larger files are cut: where a parser goes is decided at their beginning.
const LARGEST_FILE: usize = 64 << 10;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|argument| argument.parse::<u64>().ok());
    let (Some(cases), Some(seed)) = (number(), number()) else { return ExitCode::from(2) };
    let files = files(arguments.map(PathBuf::from).collect());
    let start = Instant::now();
    limit_memory();
    std::thread::spawn(move || watch(start));
    std::panic::set_hook(Box::new(judge_panic));
    let mut random = Random(seed | 1);
    let (mut slowest, mut decoded) = (Duration::ZERO, 0);
    for case in 0..cases {
        let file = mutate(&files[random.below(files.len())], &mut random);
        CASE.store(case, Ordering::Relaxed);
        BEGAN.store(start.elapsed().as_millis() as u64, Ordering::Relaxed);
        let began = Instant::now();
        decoded += u64::from(examine(&file, &mut random, case % 500 == 0));
        slowest = slowest.max(began.elapsed());
        if case % 1_000_000 == 999_999 {
            println!("{} cases in {:?}, {decoded} thumbnails, slowest {slowest:?}", case + 1, start.elapsed());
        }
    }
    let caught = CAUGHT.load(Ordering::Relaxed);
    println!(
        "{cases} cases in {:?}, {decoded} thumbnails, {caught} decoders gave up, slowest {slowest:?}, {}",
        start.elapsed(),
        peak()
    );
    ExitCode::SUCCESS
}

fn files(mut places: Vec<PathBuf>) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some(place) = places.pop() {
        match fs::read_dir(&place) {
            Ok(entries) => places.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) => found.extend(fs::read(&place).ok()),
        }
    }
    found.sort();
    found.iter_mut().for_each(|file| file.truncate(LARGEST_FILE));
    found.retain(|file| !file.is_empty());
    found
}

fn limit_memory() {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    let most = Some(pages * 4096 + MEMORY);
    rustix::process::setrlimit(rustix::process::Resource::As, rustix::process::Rlimit { current: most, maximum: most })
        .expect("a process may limit itself");
}

fn watch(start: Instant) {
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let began = Duration::from_millis(BEGAN.load(Ordering::Relaxed));
        if start.elapsed().saturating_sub(began) > LONGEST_CASE {
            eprintln!("case {} hangs", CASE.load(Ordering::Relaxed));
            std::process::abort();
        }
    }
}

/// The parsers catch their own panics as a last line; here none is forgiven.
fn judge_panic(panic: &std::panic::PanicHookInfo<'_>) {
    eprintln!("case {}: {panic}", CASE.load(Ordering::Relaxed));
    if !DECODING.load(Ordering::Relaxed) {
        std::process::abort();
    }
    CAUGHT.fetch_add(1, Ordering::Relaxed);
}

/// Whether a thumbnail came of it.
fn examine(file: &Vec<u8>, random: &mut Random, decode: bool) -> bool {
    let name = [&b"a.jpg"[..], b"a.mov", b"IMG_20230615_142355.nef", b"b"][random.below(4)];
    let format = match sniff(&file[..file.len().min(HEAD)], name) {
        Sniffed::Media { format, .. } => format,
        _ => Format::Jpeg,
    };
    let zone = Zone::Fixed(0);
    let circumstances = Circumstances { name, modified: Timestamp(0), now: Timestamp(1_900_000_000_000_000), zone };
    let facts = probe(file, format, &circumstances);
    let complete = looks_complete(file, format);
    assert!(complete.is_ok() || file.len() < 16, "{complete:?}");
    assert!(opening(file, format).iter().all(|part| part.start <= part.end && part.end <= file.size()));
    if !decode || format.kind() == MediaKind::Video {
        return false;
    }
    let limits = ThumbnailLimits { pixels: 8 << 20, memory: 128 << 20 };
    let orientation = if facts.panorama { Orientation::Left } else { facts.orientation };
    DECODING.store(true, Ordering::Relaxed);
    let made = thumbnail(file, format, orientation, &limits).is_ok();
    DECODING.store(false, Ordering::Relaxed);
    made
}

fn mutate(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut mutated = file.to_vec();
    for _ in 0..=random.below(6) {
        // Half of them where headers are.
        let reach = if random.below(2) == 0 { mutated.len().min(2048) } else { mutated.len() };
        let at = random.below(reach);
        match random.below(8) {
            0 => mutated[at] ^= 1 << random.below(8),
            1 => mutated[at] = random.next() as u8,
            2 => mutated[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            3 | 4 => {
                let end = (at + [2, 4, 8][random.below(3)]).min(mutated.len());
                mutated[at..end].fill([0, 0x7f, 0xff][random.below(3)]);
            }
            5 => mutated.truncate(at.max(1)),
            6 => {
                let end = (at + random.below(64)).min(mutated.len());
                let copied = mutated[at..end].to_vec();
                mutated.splice(at..at, copied);
            }
            _ => {
                let other = random.below(mutated.len());
                mutated.swap(at, other);
            }
        }
    }
    mutated
}

fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned()
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end.max(1)
    }
}
