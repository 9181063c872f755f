use entefs::upload::isolate::{FRAME_ARGUMENT, WORKER_ARGUMENT, run_confined, run_worker};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        // Before anything else is opened or started: the child keeps nothing but its standard streams.
        Some(first) if first == WORKER_ARGUMENT => run_worker(arguments),
        Some(first) if first == FRAME_ARGUMENT => run_confined(arguments),
        _ => entefs::cli::run(),
    }
}
