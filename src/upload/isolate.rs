//! Media work in a child process, so that a decoder that crashes, hangs or eats memory costs that one file its
//! thumbnail and nothing else.
//!
//! Guarantees: a job ends within its time, or its child is killed; no more children decode at once than there are
//! cores; a job is tried once; a child has limits, no environment and no file but standard input and output, and
//! dies with this process. Photos reach it in ranges over a socket and touch no disk. As many idle children are kept as
//! may work at once, until each has done its share.
//!
//! Everything here blocks: call it where blocking is allowed.

mod frame;
mod nursery;
mod worker;

use frame::Shot;

pub use frame::find_ffmpeg;
pub use worker::{run_confined, run_worker};

use crate::base::ReadAt;
use crate::base::sync::{Condvar, Mutex};
use crate::media::job::{Answer, JobError, Request};
use crate::media::{Facts, Format, MediaKind, Thumbnail, ThumbnailError};
use nursery::{Child, Nursery};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use thiserror::Error;

/// The hidden first argument under which the program is such a child: see [`run_worker`].
pub const WORKER_ARGUMENT: &str = "media-worker";
/// The hidden first argument under which it becomes ffmpeg, with limits: see [`run_confined`].
pub const FRAME_ARGUMENT: &str = "media-frame";

/// How children are kept.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// Run with [`WORKER_ARGUMENT`] and what [`run_worker`] wants behind it.
    pub program: PathBuf,
    /// Bytes of address space of a child, the program itself included.
    pub memory: u64,
    /// For one job, from its request to its answer.
    pub time: Duration,
    /// After this many a child is replaced, so that no leak of a decoder grows.
    pub jobs_per_child: u32,
    /// Jobs at once.
    pub parallel: usize,
    /// What takes pictures out of videos; looked for at each video where none is named.
    pub ffmpeg: Option<PathBuf>,
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            // The running program, also where an update has replaced its file.
            program: "/proc/self/exe".into(),
            memory: 768 << 20,
            time: Duration::from_secs(30),
            jobs_per_child: 200,
            parallel: std::thread::available_parallelism().map_or(1, usize::from),
            ffmpeg: None,
        }
    }
}

/// Why a job has no answer. All but [`Self::Source`] and [`Self::Spawn`] are the file's own doing: it goes up
/// without facts and with the stand-in.
#[derive(Debug, Error)]
pub enum IsolationError {
    #[error("the media worker crashed on this file ({0})")]
    Crashed(String),
    #[error("the media worker did not finish this file in time")]
    TimedOut,
    /// The child gave itself up, which is what a failed allocation comes to.
    #[error("this file needs more memory than a media worker may have")]
    TooBig,
    #[error("cannot start a media worker: {0}")]
    Spawn(#[source] io::Error),
    /// Nothing is known of the file; its bytes are the problem of whoever keeps them.
    #[error("a file under examination could not be read: {0}")]
    Source(#[source] io::Error),
}

impl IsolationError {
    /// `Ok` for what is the file's doing.
    fn own_fault(self) -> Result<Self, Self> {
        match self {
            Self::Crashed(_) | Self::TimedOut | Self::TooBig => Ok(self),
            Self::Spawn(_) | Self::Source(_) => Err(self),
        }
    }
}

/// Why there is no thumbnail.
#[derive(Debug, Error)]
pub enum NoThumbnail {
    #[error(transparent)]
    Decoder(#[from] ThumbnailError),
    #[error(transparent)]
    Worker(#[from] IsolationError),
    #[error("ffmpeg, which takes pictures out of videos, is not installed")]
    NoFfmpeg,
}

/// What an upload wants to know of a file.
#[derive(Debug)]
pub struct Examined {
    /// From its name and times alone where the worker failed on it.
    pub facts: Facts,
    /// `Err` is for the log and `status`; the stand-in goes up.
    pub thumbnail: Result<Thumbnail, NoThumbnail>,
}

/// Runs jobs in children.
pub struct Isolated {
    settings: Isolation,
    nursery: Nursery,
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    free: usize,
    idle: Vec<Child>,
}

impl Isolated {
    /// Starts no child yet.
    ///
    /// # Errors
    /// Where the thread that will start them cannot be started.
    pub fn new(settings: Isolation) -> io::Result<Self> {
        let nursery = Nursery::open()?;
        let state = Mutex::new(State { free: settings.parallel.max(1), idle: Vec::new() });
        Ok(Self { settings, nursery, state, returned: Condvar::new() })
    }

    /// Asks for the facts alone.
    ///
    /// # Errors
    /// As [`Self::examine`].
    pub fn facts(&self, request: &Request, file: &dyn ReadAt) -> Result<Facts, IsolationError> {
        let unexamined = || Facts::of_unexamined(&request.circumstances());
        match self.run(&Request { facts: true, thumbnail: false, ..request.clone() }, file) {
            Ok(answer) => Ok(answer.facts.unwrap_or_else(unexamined)),
            Err(error) => error.own_fault().map(|_| unexamined()),
        }
    }

    /// Asks for the facts and the thumbnail; what breaks the one leaves the other.
    ///
    /// # Errors
    /// [`IsolationError::Spawn`] and [`IsolationError::Source`], which say nothing of the file; all else is in the answer.
    pub fn examine(&self, request: &Request, file: &dyn ReadAt) -> Result<Examined, IsolationError> {
        let is_image = request.format.kind() == MediaKind::Image;
        let asked = Request { facts: true, thumbnail: is_image, ..request.clone() };
        let (facts, thumbnail) = match self.work(&asked, file) {
            Ok(answer) => (answer.facts, Ok(answer.thumbnail.unwrap_or(Err(ThumbnailError::Unsupported)))),
            Err(Failure { error, facts }) => (facts.map(|facts| *facts), Err(error.own_fault()?)),
        };
        let mut facts = facts.unwrap_or_else(|| Facts::of_unexamined(&request.circumstances()));
        let thumbnail = match thumbnail {
            // Whatever it is that breaks on its facts, a decoder would meet it, too.
            Ok(_) if !is_image => {
                let shot = self.shot(request.format, file)?;
                if let Ok(shot) = &shot {
                    facts.size = facts.size.or(shot.told.size);
                    facts.duration = facts.duration.or(shot.told.duration);
                }
                shot.map(|shot| shot.thumbnail)
            }
            Ok(thumbnail) => thumbnail.map_err(NoThumbnail::from),
            Err(fault) => Err(fault.into()),
        };
        Ok(Examined { facts, thumbnail })
    }

    /// Does one job, waiting for a free core first.
    ///
    /// # Errors
    /// See [`IsolationError`]. The same job is never tried twice.
    pub fn run(&self, request: &Request, file: &dyn ReadAt) -> Result<Answer, IsolationError> {
        self.work(request, file).map_err(|failure| failure.error)
    }

    fn work(&self, request: &Request, file: &dyn ReadAt) -> Result<Answer, Failure> {
        let permit = Permit::take(self);
        let mut child = self.child().map_err(IsolationError::Spawn)?;
        let (error, facts) = match child.run(request, file, self.settings.time) {
            Ok(answer) => {
                permit.keep(child);
                return Ok(answer);
            }
            Err(failed) => failed,
        };
        let error = match error {
            JobError::Source(error) => {
                permit.keep(child);
                IsolationError::Source(error)
            }
            JobError::Stream(error) if error.kind() == io::ErrorKind::TimedOut => IsolationError::TimedOut,
            error => autopsy(child.end(), &error),
        };
        Err(Failure { error, facts })
    }

    /// A picture out of a video, waiting for a free core first.
    fn shot(&self, format: Format, file: &dyn ReadAt) -> Result<Result<Shot, NoThumbnail>, IsolationError> {
        let _permit = Permit::take(self);
        match frame::shoot_video(&self.nursery, &self.settings, format, file) {
            Err(NoThumbnail::Worker(fault)) => Ok(Err(fault.own_fault()?.into())),
            outcome => Ok(outcome),
        }
    }

    /// An idle child that is still alive, the one that worked last; or a new one.
    fn child(&self) -> io::Result<Child> {
        loop {
            let idle = self.state.lock().idle.pop();
            match idle.map(Child::if_alive) {
                Some(Some(idle)) => return Ok(idle),
                Some(None) => {}
                None => return self.nursery.spawn(&self.settings.program, self.settings.memory),
            }
        }
    }

    /// The process ID of the idle child that works next.
    pub fn idle_child(&self) -> Option<u32> {
        self.state.lock().idle.last().map(Child::id)
    }
}

/// A job without an answer, and what was known of the file before.
struct Failure {
    error: IsolationError,
    facts: Option<Box<Facts>>,
}

impl From<IsolationError> for Failure {
    fn from(error: IsolationError) -> Self {
        Self { error, facts: None }
    }
}

/// One of as many as may run at once; given back when dropped, also by a panic.
struct Permit<'a>(&'a Isolated);

impl<'a> Permit<'a> {
    fn take(isolated: &'a Isolated) -> Self {
        let mut state = isolated.state.lock();
        while state.free == 0 {
            state = isolated.returned.wait(state);
        }
        state.free -= 1;
        Self(isolated)
    }

    /// Leaves a child for the next job; one that has done its share ends.
    fn keep(self, child: Child) {
        if child.jobs() < self.0.settings.jobs_per_child {
            self.0.state.lock().idle.push(child);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state.lock().free += 1;
        self.0.returned.notify_one();
    }
}

fn autopsy(status: io::Result<ExitStatus>, error: &JobError) -> IsolationError {
    match status {
        Ok(status) if status.signal() == Some(libc::SIGABRT) => IsolationError::TooBig,
        Ok(status) => IsolationError::Crashed(format!("{status}; {error}")),
        Err(_) => IsolationError::Crashed(error.to_string()),
    }
}
