//! A mount from its start to its end (architecture 5.6).

use super::commands::MountCommands;
use super::duties::{settle_closed, spawn_duties};
use super::engine::{Engine, EngineParts};
use super::failure::{Exit, Failure};
use super::import::ImportDesk;
use super::lock::StateLock;
use super::metered::spawn_watch;
use super::report::Reporter;
use super::texts::StatusTexts;
use crate::base::ParkReason;
use crate::control::ControlServer;
use crate::fuse::{self, MountError, MountSettings, Mounted};
use crate::sync::{PullProgress, SyncOptions};
use crate::vfs::Vfs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// Blocking work that was under way when the mount ended may take so long; it is safe to cut it off, too.
const LAST_STEPS: Duration = Duration::from_secs(5);

/// Who sees how a mount comes about.
pub trait MountView: Send + Sync + 'static {
    fn pulling(&self, progress: PullProgress);
    /// The tree is usable.
    fn mounted(&self, dir: &Path);
}

/// Mounts and serves until the mount is gone. `lock` is that of the state directory.
///
/// # Errors
/// [`Failure`]; nothing is mounted then, or its session ended with an error.
pub async fn serve_mount(
    parts: EngineParts,
    dir: &Path,
    lock: StateLock,
    view: Arc<dyn MountView>,
) -> Result<(), Failure> {
    let dir = ready_mountpoint(dir)?;
    let engine = on_blocking_thread(move || Engine::open(parts)).await??;
    let watcher = Arc::clone(&view);
    let knew_all = engine.sync.is_complete().unwrap_or(false);
    engine.prepare(move |progress| watcher.pulling(progress)).await?;
    let mut mount = Mount::start(engine, dir, lock).await?;
    if knew_all {
        // What is known is served at once; what is new comes in beside it.
        mount.engine.bells.pull.ring();
    }
    mount.engine.bells.ops.ring();
    if !mount.engine.account.is_expired() {
        // Somebody may have logged in while nothing was mounted.
        mount.engine.uploader.unpark(ParkReason::Session);
    }
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    view.mounted(&mount.dir);
    mount.wait().await;
    mount.finish().await
}

pub(super) async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.map_err(|error| Failure::new(Exit::Other, "mount", error, "see the log, then mount again"))
}

/// The directory as the kernel will name it. A mountpoint that a dead process of ours left is cleared.
fn ready_mountpoint(dir: &Path) -> Result<PathBuf, Failure> {
    let what = format!("mountpoint {}", dir.display());
    let given = std::path::absolute(dir).map_err(|error| Failure::new(Exit::Mount, &what, error, "give another"))?;
    if fuse::is_stale(&given) {
        if !fuse::is_mounted(&given) {
            let why = "something that is not entefs's died there";
            return Err(Failure::new(Exit::Mount, &what, why, "unmount it with `umount`, or mount elsewhere"));
        }
        fuse::unmount(&given, true).map_err(|error| mount_failure(&error))?;
    }
    let real = given.canonicalize();
    let real = real.map_err(|error| Failure::new(Exit::Mount, &what, error, "make the directory, or give another"))?;
    if fuse::is_mounted(&real) {
        let why = "entefs is mounted there already";
        return Err(Failure::new(Exit::Mount, &what, why, "unmount it first, or mount elsewhere"));
    }
    if !real.is_dir() {
        return Err(Failure::new(Exit::Mount, &what, "it is not a directory", "give a directory"));
    }
    Ok(real)
}

/// What a failure to mount or unmount means to a person.
pub fn mount_failure(error: &MountError) -> Failure {
    let remedy = match error {
        MountError::Mount { .. } => "`entefs doctor` says what is missing",
        MountError::Unmount { busy: true, .. } => "close what uses it, then try again",
        MountError::Unmount { .. } => "`entefs status` says what is mounted where",
    };
    Failure::new(Exit::Mount, "mount", error, remedy)
}

/// A live mount and everybody who works for it.
struct Mount {
    engine: Arc<Engine>,
    dir: PathBuf,
    workers: Workers,
    control: ControlServer,
    imports: Arc<ImportDesk>,
    stop: Arc<Notify>,
    session: JoinHandle<std::io::Result<()>>,
    /// Given up last.
    lock: StateLock,
}

impl Mount {
    async fn start(engine: Arc<Engine>, dir: PathBuf, mut lock: StateLock) -> Result<Self, Failure> {
        let reporter = Arc::new(Reporter::new(Arc::clone(&engine), dir.clone()));
        let (stop, imports) = (Arc::new(Notify::new()), Arc::<ImportDesk>::default());
        let commands =
            MountCommands { reporter: Arc::clone(&reporter), imports: Arc::clone(&imports), stop: Arc::clone(&stop) };
        let control = ControlServer::start(&engine.paths.control_socket(), Arc::new(commands)).map_err(|error| {
            Failure::new(Exit::Other, "control socket", error, "check the rights of the state directory")
        })?;
        let vfs = engine.vfs(Box::new(StatusTexts::new(reporter)));
        let mounted = mount(&engine, &dir, Arc::clone(&vfs)).await?;
        let failed = |error| Failure::new(Exit::Other, "state directory", error, "check its disk");
        lock.write_holder(Some(&dir)).map_err(failed)?;
        let mut workers = Workers::start(&engine)?;
        workers.tasks.spawn(settle_closed(vfs, engine.bells.unsettled.clone()));
        let session = tokio::task::spawn_blocking(move || mounted.join());
        Ok(Self { engine, dir, workers, control, imports, stop, session, lock })
    }

    /// Until the mount is gone: unmounted from outside, by a signal, or because a command asked for it.
    async fn wait(&mut self) {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            tracing::error!("signals cannot be caught; unmount with `entefs unmount`");
            let _ = (&mut self.session).await;
            return;
        };
        let mut asked = 0;
        loop {
            tokio::select! {
                outcome = &mut self.session => return note_end(&outcome),
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = self.stop.notified() => {}
            }
            asked += 1;
            if asked > 2 {
                tracing::warn!("ended while files were open in the mount");
                return;
            }
            self.leave().await;
        }
    }

    /// Unmounts; where somebody holds the mount, it goes from the tree at once and lives on until they are done.
    async fn leave(&self) {
        // Without systemd there is nobody to tell.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        let dir = self.dir.clone();
        let left = on_blocking_thread(move || match fuse::unmount(&dir, false) {
            Err(MountError::Unmount { busy: true, .. }) => {
                tracing::warn!("files are open in the mount; it ends when they are closed");
                fuse::unmount(&dir, true)
            }
            outcome => outcome,
        });
        match left.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the mount could not be taken away"),
            Err(error) => tracing::warn!(%error, "the mount could not be taken away"),
        }
    }

    /// Everybody stops between two steps; everything known is made durable.
    async fn finish(self) -> Result<(), Failure> {
        drop(self.control);
        self.imports.end().await;
        self.workers.end(&self.engine, self.lock).await
    }
}

/// Everybody who works between the local state and the server.
pub(super) struct Workers {
    tasks: JoinSet<()>,
    beside: Beside,
}

impl Workers {
    pub(super) fn start(engine: &Arc<Engine>) -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Other, "threads", error, "free some memory, then try again");
        let beside = Beside::start().map_err(failed)?;
        let tasks = spawn_workers(engine, &beside.handle());
        Ok(Self { tasks, beside })
    }

    /// They stop between two steps; everything known is made durable, and the lock is given up.
    pub(super) async fn end(mut self, engine: &Arc<Engine>, lock: StateLock) -> Result<(), Failure> {
        self.tasks.shutdown().await;
        drop(self.beside);
        let engine = Arc::clone(engine);
        let closed = tokio::task::spawn_blocking(move || {
            engine.spool.close();
            engine.store().sync()
        });
        let outcome = match tokio::time::timeout(LAST_STEPS, closed).await {
            Ok(Ok(outcome)) => outcome,
            _ => return Ok(()),
        };
        drop(lock);
        outcome.map_err(|error| Failure::store("database", &error))
    }
}

fn note_end(outcome: &Result<std::io::Result<()>, tokio::task::JoinError>) {
    match outcome {
        Ok(Ok(())) => tracing::info!("unmounted"),
        Ok(Err(error)) => tracing::warn!(%error, "the mount ended"),
        Err(error) => tracing::error!(%error, "the mount ended"),
    }
}

async fn mount(engine: &Arc<Engine>, dir: &Path, vfs: Arc<Vfs>) -> Result<Mounted, Failure> {
    let settings = MountSettings {
        dir: dir.into(),
        allow_other: engine.options.allow_other,
        read_only: engine.options.read_only,
        kernel_options: engine.options.kernel.clone(),
    };
    let (clock, runtime) = (Arc::clone(&engine.clock), Handle::current());
    let mounted = on_blocking_thread(move || fuse::mount(vfs, clock, &runtime, &settings)).await?;
    mounted.map_err(|error| mount_failure(&error))
}

/// Threads that give way to everybody else: uploads hash and seal there, while copies into the mount go on at the
/// speed of the disk.
struct Beside(Option<Runtime>);

impl Beside {
    /// Of 19; every step is a tenth of the processor less against somebody at 0.
    const NICE: i32 = 10;

    fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("upload")
            .on_thread_start(|| {
                // Of this thread alone. One that keeps its rank works as well.
                let _ = rustix::process::setpriority_process(None, Self::NICE);
            })
            .build()?;
        Ok(Self(Some(runtime)))
    }

    fn handle(&self) -> Handle {
        self.0.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Nobody waits: what runs may be cut off anywhere.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn spawn_workers(engine: &Arc<Engine>, beside: &Handle) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    spawn_duties(engine, &mut workers);
    if engine.options.metered_pause {
        spawn_watch(engine.metered.clone(), engine.bells.uploads.clone());
    }
    workers.spawn_on(Arc::clone(&engine.uploader).run(), beside);
    let (sync, uploader) = (Arc::clone(&engine.sync), Arc::clone(&engine.uploader));
    let (options, bells) = (SyncOptions { poll: engine.options.poll }, engine.bells.clone());
    workers.spawn(sync.run(options, bells.pull, bells.ops, uploader));
    workers
}
