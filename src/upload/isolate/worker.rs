//! The child's life: limits first, then jobs from standard input until it ends.

use crate::media::job::serve;
use rustix::process::{self, DumpableBehavior, Pid, Resource, Rlimit, Signal};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Is a media worker, given the arguments behind [`super::WORKER_ARGUMENT`]: the parent's process ID and the limit
/// of the address space in bytes. Standard input and output are one socket (or two pipes) to the parent.
///
/// Not to be called in a process that is anything else: it closes every other file.
pub fn run_worker(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let numbers: Vec<u64> = arguments.filter_map(|argument| argument.to_str()?.parse().ok()).collect();
    let [parent, memory] = numbers.as_slice() else { return ExitCode::from(2) };
    // What a decoder says of a file it panics on may hold bytes of it; the parent hears of the file's fate anyway.
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = confine(*parent, *memory).and_then(|()| jobs());
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Becomes another program, given the arguments behind [`super::FRAME_ARGUMENT`]: the parent's process ID, the limit of
/// the address space, then the program and what it is to be told.
///
/// Not to be called in a process that is anything else: it closes every other file.
pub fn run_confined(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut number = || arguments.next()?.to_str()?.parse::<u64>().ok();
    let (Some(parent), Some(memory)) = (number(), number()) else { return ExitCode::from(2) };
    let Some(program) = arguments.next() else { return ExitCode::from(2) };
    if confine(parent, memory).is_ok() {
        // Comes back only where it fails.
        let _ = Command::new(program).args(arguments).exec();
    }
    ExitCode::FAILURE
}

fn jobs() -> io::Result<()> {
    // Unbuffered, because every frame is awaited on the other side.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    serve(input, output).map_err(io::Error::other)
}

/// Everything a decoder could do beyond computing is taken away before the first foreign byte arrives.
fn confine(parent: u64, memory: u64) -> io::Result<()> {
    process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // One that died before that call sends no signal.
    if process::getppid().map(Pid::as_raw_nonzero).map(i32::from).map(i64::from) != i64::try_from(parent).ok() {
        return Err(io::Error::other("the parent is gone"));
    }
    close_other_files()?;
    // A core would hold the photo in clear. A limit of 1 is the kernel's sign that not even a program that collects
    // cores may have one; a program that is started from here becomes dumpable again, and keeps the limit.
    process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    for (resource, limit) in [(Resource::Core, 1), (Resource::Fsize, 0), (Resource::As, memory)] {
        process::setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    process::nice(5)?;
    Ok(())
}

/// Files are opened close-on-exec here and in every crate we know; the mount's own, if one leaked, would outlive it.
fn close_other_files() -> io::Result<()> {
    // SAFETY: closes descriptors from 3 on; nothing in this process has opened any yet.
    let outcome = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    // Kernels before 5.9 do not know the call.
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()).or_else(|error| match error.raw_os_error() {
            Some(libc::ENOSYS) => Ok(()),
            _ => Err(error),
        }),
    }
}
