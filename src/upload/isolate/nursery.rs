//! Where children come from.
//!
//! The kernel kills a child when the *thread* that started it ends (`PR_SET_PDEATHSIG`). Jobs run on pool threads
//! that come and go, so one thread that lives as long as [`Nursery`] starts them all.

use super::WORKER_ARGUMENT;
use crate::base::ReadAt;
use crate::media::Facts;
use crate::media::job::{Answer, Client, JobError, Request};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

type Order = (Command, mpsc::SyncSender<io::Result<process::Child>>);

/// The thread that starts children. It ends, and its children with it, when this is dropped.
pub struct Nursery(mpsc::Sender<Order>);

impl Nursery {
    pub fn open() -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::Builder::new().name("media-nursery".into()).spawn(move || {
            for (mut command, delivery) in inbox {
                // Nobody waits any more.
                if let Err(mpsc::SendError(Ok(mut child))) = delivery.send(command.spawn()) {
                    let _ = child.kill().and_then(|()| child.wait());
                }
            }
        })?;
        Ok(Self(orders))
    }

    pub fn start(&self, command: Command) -> io::Result<process::Child> {
        let gone = || io::Error::other("the thread that starts media workers is gone");
        let (order, delivery) = mpsc::sync_channel(1);
        self.0.send((command, order)).map_err(|_| gone())?;
        delivery.recv().map_err(|_| gone())?
    }

    /// Starts a media worker.
    pub fn spawn(&self, program: &Path, memory: u64) -> io::Result<Child> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = confined(program, WORKER_ARGUMENT, memory);
        command.stdin(OwnedFd::from(theirs.try_clone()?)).stdout(OwnedFd::from(theirs)).stderr(Stdio::null());
        // Wall times without a zone are read in this machine's.
        command.envs(std::env::var_os("TZ").map(|zone| ("TZ", zone)));
        Ok(Child { process: self.start(command)?, stream: ours, jobs: 0 })
    }
}

/// This program under one of its hidden arguments, with nothing of this process about it.
pub fn confined(program: &Path, argument: &str, memory: u64) -> Command {
    let mut command = Command::new(program);
    command.arg(argument).arg(process::id().to_string()).arg(memory.to_string());
    // Anywhere else it would keep a filesystem busy; each arena of glibc's would take 64 MiB of the limit.
    command.current_dir("/").env_clear().env("MALLOC_ARENA_MAX", "1");
    command
}

/// A running child; killed when dropped.
pub struct Child {
    process: process::Child,
    stream: UnixStream,
    jobs: u32,
}

impl Child {
    /// With the facts that came before a failure.
    pub fn run(
        &mut self,
        request: &Request,
        file: &dyn ReadAt,
        time: Duration,
    ) -> Result<Answer, (JobError, Option<Box<Facts>>)> {
        self.jobs += 1;
        let mut client = Client::new(Timed { stream: &self.stream, deadline: Instant::now() + time });
        client.run(request, file).map_err(|error| (error, client.early_facts()))
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Begun, in its life.
    pub fn jobs(&self) -> u32 {
        self.jobs
    }

    /// `None` for one that has ended meanwhile.
    pub fn if_alive(mut self) -> Option<Self> {
        matches!(self.process.try_wait(), Ok(None)).then_some(self)
    }

    /// Kills it if it still lives, and says how it ended.
    pub fn end(&mut self) -> io::Result<ExitStatus> {
        // Fails for one that has ended and been waited for, which is as good.
        let _ = self.process.kill();
        self.process.wait()
    }
}

impl Drop for Child {
    /// Waits for a process that was just killed and does nothing but compute: no longer than the kernel takes.
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// A stream whose every read and write fails with [`io::ErrorKind::TimedOut`] once a deadline has passed.
pub struct Timed<'a> {
    pub stream: &'a UnixStream,
    pub deadline: Instant,
}

impl Timed<'_> {
    fn rest(&self) -> io::Result<Option<Duration>> {
        let rest = self.deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(rest)) }
    }
}

/// A socket says "would block" when its time is up.
fn late(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.rest()?)?;
        self.stream.read(buf).map_err(late)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.rest()?)?;
        self.stream.write(buf).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
