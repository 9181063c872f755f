use entefs::upload::isolate::{WORKER_ARGUMENT, run_worker};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        // Before anything else is opened or started: the child keeps nothing but its standard streams.
        Some(first) if first == WORKER_ARGUMENT => run_worker(arguments),
        _ => entefs::cli::run(),
    }
}
