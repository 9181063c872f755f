//! Imports: in a mount that runs, or in this process where there is none.

use super::engine::{Engine, EngineParts};
use super::failure::{Exit, Failure};
use super::lock::StateLock;
use super::mounting::{Workers, on_blocking_thread};
use crate::base::ParkReason;
use crate::base::sync::Mutex;
use crate::control::Refused;
use crate::import::{Choice, Feed, ImportError, Progress, Report, Sources, plan_import};
use crate::sync::PullProgress;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A running import comes to the end of its file in this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be imported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ImportRequest {
    /// Absolute.
    pub sources: Vec<PathBuf>,
    pub choice: Choice,
}

impl ImportRequest {
    /// The same sources and the same choice are the same import.
    fn job(&self) -> String {
        let mut sources: Vec<String> = self.sources.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        sources.sort();
        format!("{:?}\0{:?}\0{}", self.choice.albums, self.choice.album, sources.join("\0"))
    }
}

/// The import of a mount: one at a time.
#[derive(Default)]
pub(super) struct ImportDesk {
    current: Mutex<Option<Arc<Running>>>,
}

struct Running {
    request: ImportRequest,
    feed: Feed,
    progress: Mutex<Progress>,
    outcome: Mutex<Option<Result<Report, Refused>>>,
}

impl ImportDesk {
    /// Begins an import; one that runs already is joined.
    pub(super) fn start(&self, engine: &Arc<Engine>, request: ImportRequest) -> Result<(), Refused> {
        let mut current = self.current.lock();
        if let Some(running) = current.as_ref().filter(|running| running.outcome.lock().is_none()) {
            let same = running.request == request;
            let sentence = "another import is running; wait for it, then try again".to_owned();
            return if same { Ok(()) } else { Err(Refused { exit: Exit::Other as u8, sentence }) };
        }
        let feed = feed(engine, &request);
        let running = Arc::new(Running { request, feed, progress: Mutex::default(), outcome: Mutex::default() });
        *current = Some(Arc::clone(&running));
        tokio::task::spawn_blocking(move || {
            let outcome = run(&running.feed, &running.request, &|progress| *running.progress.lock() = progress);
            *running.outcome.lock() = Some(outcome.map_err(|error| refused(&error)));
        });
        Ok(())
    }

    /// The mount ends: so does its import, after the file under way. Waits for that, but not for long.
    pub(super) async fn end(&self) {
        let Some(running) = self.current.lock().clone() else { return };
        running.feed.stop.store(true, Ordering::Relaxed);
        let began = Instant::now();
        while running.outcome.lock().is_none() && began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How far it is, and how it ended.
    pub(super) fn state(&self) -> (Progress, Option<Result<Report, Refused>>) {
        let current = self.current.lock().clone();
        current.map_or_else(Default::default, |running| (*running.progress.lock(), running.outcome.lock().clone()))
    }
}

fn refused(error: &ImportError) -> Refused {
    Refused { exit: Exit::Other as u8, sentence: format!("{error}; {REMEDY}") }
}

const REMEDY: &str = "run the same command again, it goes on where it was";

fn feed(engine: &Engine, request: &ImportRequest) -> Feed {
    Feed {
        namespace: Arc::clone(&engine.namespace),
        spool: Arc::clone(&engine.spool),
        clock: Arc::clone(&engine.clock),
        uploads: engine.bells.uploads.clone(),
        job: request.job(),
        stop: AtomicBool::new(false),
    }
}

fn run(feed: &Feed, request: &ImportRequest, watch: &dyn Fn(Progress)) -> Result<Report, ImportError> {
    let mut sources = Sources::open(&request.sources)?;
    let plan = plan_import(&sources, &request.choice);
    feed.run(&mut sources, &plan, watch)
}

/// Imports without a mount: everything works here until all is in Ente, or stands still. `lock` is that of the state
/// directory; Ctrl-C ends it between two files.
///
/// # Errors
/// [`Failure`]; the same call later goes on where this one stopped.
pub async fn import_unmounted(
    parts: EngineParts,
    lock: StateLock,
    request: ImportRequest,
    pulling: impl Fn(PullProgress) + Send + 'static,
    watch: impl Fn(Progress) + Send + 'static,
) -> Result<Report, Failure> {
    let engine = on_blocking_thread(move || Engine::open(parts)).await??;
    engine.prepare(pulling).await?;
    let workers = Workers::start(&engine)?;
    engine.bells.pull.ring();
    engine.bells.ops.ring();
    if !engine.account.is_expired() {
        engine.uploader.unpark(ParkReason::Session);
    }
    let feed = Arc::new(feed(&engine, &request));
    let stopper = Arc::clone(&feed);
    let signals = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopper.stop.store(true, Ordering::Relaxed);
        }
    });
    let outcome = on_blocking_thread(move || run(&feed, &request, &watch)).await;
    signals.abort();
    let pushed = engine.push_all().await;
    workers.end(&engine, lock).await?;
    let report = outcome?.map_err(|error| Failure::new(Exit::Other, "import", error, REMEDY))?;
    pushed.map(|()| report)
}
