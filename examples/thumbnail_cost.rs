//! What the facts and the thumbnail of a file cost: processor time and memory of the process that finds them, a fresh
//! one each time, its start included.
//!
//! `cargo run --release --example thumbnail_cost -- TIMES FILE…`

use entefs::base::{ReadAt, Timestamp};
use entefs::media::job::Request;
use entefs::media::{HEAD, Sniffed, Zone, sniff};
use entefs::upload::isolate::{FRAME_ARGUMENT, Isolated, Isolation, WORKER_ARGUMENT, run_confined, run_worker};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == WORKER_ARGUMENT => run_worker(arguments),
        Some(first) if first == FRAME_ARGUMENT => run_confined(arguments),
        Some(times) => {
            let times = times.to_string_lossy().parse().unwrap_or(1);
            arguments.for_each(|path| print_cost(Path::new(&path), times));
            ExitCode::SUCCESS
        }
        None => ExitCode::from(2),
    }
}

fn print_cost(path: &Path, times: usize) {
    let bytes = fs::read(path).expect("a file that can be read");
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Sniffed::Media { format, .. } = sniff(&bytes[..bytes.len().min(HEAD)], name.as_bytes()) else { return };
    let request = Request {
        format,
        name: name.clone().into_bytes(),
        modified: Timestamp(1_600_000_000_000_000),
        now: Timestamp(1_900_000_000_000_000),
        zone: Zone::Fixed(0),
        facts: true,
        thumbnail: true,
    };
    let mut costs: Vec<(Duration, Duration)> = (0..times.max(1)).map(|_| cost(&request, &bytes)).collect();
    costs.sort_unstable();
    let (cpu, wall) = costs[costs.len() / 2];
    println!("{name}: {cpu:.1?} of processor, {wall:.1?} in all (median of {}), {} MB", costs.len(), of_children().1);
}

fn cost(request: &Request, file: &dyn ReadAt) -> (Duration, Duration) {
    let (before, began) = (of_children().0, Instant::now());
    let isolated = Isolated::new(Isolation { jobs_per_child: 1, ..Isolation::default() }).expect("a thread starts");
    let examined = isolated.examine(request, file).expect("workers start");
    let wall = began.elapsed();
    assert!(examined.thumbnail.is_ok(), "{:?}", examined.thumbnail.err());
    // Its worker is waited for when the last of it goes.
    drop(isolated);
    (of_children().0.saturating_sub(before), wall)
}

/// Processor time of all children that were waited for, and the most memory (MB) that one of them had.
fn of_children() -> (Duration, i64) {
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    // SAFETY: a plain struct of numbers, which the call fills in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage), 0, "a process may ask for its own usage");
        usage
    };
    (time(usage.ru_utime) + time(usage.ru_stime), usage.ru_maxrss / 1000)
}
