//! The worker: takes what is due, a few at a time, and drives each as far as it goes. Rows are its mailbox, a bell
//! wakes it (house rule 15).

use super::answers::{Answer, back_off, on_answer};
use super::hold::{Hold, MeteredFlag, is_local};
use super::isolate::Isolated;
use super::lanes::{LARGE, Places};
use super::opened::OpenedFiles;
use super::seal::Draft;
use super::step::{Next, StepError, StepResult, forget_prepared};
use super::{AlbumMaker, Pull};
use crate::base::sync::{Bell, Mutex};
use crate::base::{Clock, DailySpan, ParkReason, Timestamp, UploadNo};
use crate::cache::Cache;
use crate::fetch::Fetch;
use crate::namespace::{Load, Namespace, Traffic};
use crate::remote::{RemoteApi, RemoteError};
use crate::spool::Spool;
use crate::store::{Store, UploadBlob, UploadRow};
use crate::tree::{DropRules, Stage};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

/// Stages at which the worker has something to do when they are due.
const WORKED_ON: [Stage; 8] = [
    Stage::Settling,
    Stage::Incomplete,
    Stage::Sealed,
    Stage::Hashed,
    Stage::Linking,
    Stage::Twin,
    Stage::Prepared,
    Stage::Uploaded,
];
/// Without a bell or a due time the rows are looked at this often all the same.
const IDLE: Duration = Duration::from_secs(60);
/// Rows worked on at once while a copy into the mount goes on, of small files and of large ones.
const BESIDE_SMALL_FILES: usize = 1;
const BESIDE_LARGE_FILES: usize = 3;
/// Rows worked on for each that may be sent at once: most of them wait for the disk or for an answer.
const PLACES: usize = 4;
/// Objects kept in memory from sealing to sending, all together.
const KEPT: u64 = 48 << 20;
/// A clock that is off by more than this between two looks has jumped.
const JUMP: Duration = Duration::from_secs(30);

/// How the worker behaves.
#[derive(Clone, Debug)]
pub struct UploaderOptions {
    pub drops: DropRules,
    /// Files sent at once.
    pub uploads: usize,
    /// When files may be sent; without it always.
    pub schedule: Option<DailySpan>,
}

/// What the worker works with.
pub struct UploaderParts {
    pub namespace: Arc<Namespace>,
    pub spool: Arc<Spool>,
    pub cache: Arc<Cache>,
    pub fetch: Arc<Fetch>,
    pub remote: Arc<dyn RemoteApi>,
    pub albums: Arc<AlbumMaker>,
    pub pull: Arc<dyn Pull>,
    pub isolated: Arc<Isolated>,
    pub clock: Arc<dyn Clock>,
    pub bell: Bell,
    pub metered: MeteredFlag,
    pub options: UploaderOptions,
}

/// Bytes sent of the files on their way.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Progress {
    pub sent: u64,
}

/// The write path's worker.
pub struct Uploader {
    pub(super) namespace: Arc<Namespace>,
    pub(super) spool: Arc<Spool>,
    pub(super) cache: Arc<Cache>,
    pub(super) fetch: Arc<Fetch>,
    pub(super) remote: Arc<dyn RemoteApi>,
    pub(super) albums: Arc<AlbumMaker>,
    pub(super) pull: Arc<dyn Pull>,
    pub(super) isolated: Arc<Isolated>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: UploaderOptions,
    pub(super) metered: MeteredFlag,
    bell: Bell,
    awake: Arc<Notify>,
    /// As many files are sent at once as the options say; others are hashed, sealed and registered beside them.
    pub(super) transfers: Semaphore,
    /// One large file at a time.
    pub(super) large_lane: Semaphore,
    /// Something may be ready to be cleared up.
    pub(super) clearing: Arc<Notify>,
    running: Mutex<HashMap<UploadNo, Running>>,
    /// They are new to the account, and on their way from here on: equal bytes wait for them.
    claims: Mutex<HashSet<UploadNo>>,
    objects: Mutex<HashMap<UploadNo, Bytes>>,
    pub(super) opened: OpenedFiles,
    /// Sealed while they were hashed.
    drafts: Mutex<HashMap<UploadNo, Draft>>,
    sent: Mutex<HashMap<UploadNo, u64>>,
    /// Nothing answered: until then nobody asks again.
    pub(super) offline_until: Mutex<Option<Instant>>,
    session_over: AtomicBool,
}

struct Running {
    handle: AbortHandle,
    is_large: bool,
}

impl Uploader {
    pub fn new(parts: UploaderParts) -> Arc<Self> {
        let (awake, clearing) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let rung = (Arc::clone(&awake), Arc::clone(&clearing));
        parts.bell.listen(move || {
            rung.0.notify_one();
            rung.1.notify_one();
        });
        Arc::new(Self {
            namespace: parts.namespace,
            spool: parts.spool,
            cache: parts.cache,
            fetch: parts.fetch,
            remote: parts.remote,
            albums: parts.albums,
            pull: parts.pull,
            isolated: parts.isolated,
            clock: parts.clock,
            transfers: Semaphore::new(parts.options.uploads.max(1)),
            large_lane: Semaphore::new(1),
            options: parts.options,
            metered: parts.metered,
            bell: parts.bell,
            awake,
            clearing,
            running: Mutex::default(),
            claims: Mutex::default(),
            objects: Mutex::default(),
            opened: OpenedFiles::default(),
            drafts: Mutex::default(),
            sent: Mutex::default(),
            offline_until: Mutex::default(),
            session_over: AtomicBool::new(false),
        })
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        self.namespace.store()
    }

    /// Works until the task is dropped; between steps nothing is lost by that.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(self.drive_all(), self.keep_clear());
    }

    async fn drive_all(self: &Arc<Self>) {
        let mut tasks = JoinSet::new();
        let (mut wall, mut monotonic) = (self.clock.now(), Instant::now());
        loop {
            self.follow_clock(&mut wall, &mut monotonic);
            if let Err(error) = self.start_due(&mut tasks) {
                tracing::error!(%error, "the queue cannot be read");
            }
            let rest = self.rest();
            tokio::select! {
                () = self.awake.notified() => self.abort_outdated(),
                Some(_) = tasks.join_next() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Takes everything that is due as far as it goes, each once and one after the other, and clears up what is over:
    /// for whoever has no worker running.
    ///
    /// # Errors
    /// Where the queue cannot be read or written; a failed step only puts its own file off.
    pub async fn drive_due(self: &Arc<Self>) -> Result<(), StepError> {
        let mut driven = HashSet::new();
        loop {
            let (now, stages) = (self.clock.now(), workable(self.hold()));
            let due = self.store().read(|rows| {
                // Those that were driven may be due again; one more than they is enough.
                rows.find_due_uploads(now, &stages, 0..i64::MAX as u64, driven.len() + 1)
            })?;
            match due.into_iter().find(|no| driven.insert(*no)) {
                Some(no) => self.drive(no).await,
                None => return self.clear_due().await,
            }
        }
    }

    /// Ente answers again: what waited for that goes on at once.
    pub fn note_online(&self) {
        if self.offline_until.lock().take().is_some() {
            self.awake.notify_one();
        }
    }

    /// Wall-clock times in the rows move along when the clock is set (fault plan, C1).
    fn follow_clock(&self, wall: &mut Timestamp, monotonic: &mut Instant) {
        let (now, passed) = (self.clock.now(), monotonic.elapsed());
        let expected = wall.saturating_add(passed);
        let off = Duration::from_micros(now.0.abs_diff(expected.0));
        if off > JUMP {
            tracing::warn!(?off, "the clock was set; what is due moves along");
            let shifted = self.store().write(|tx| tx.shift_due(now.0 - expected.0));
            if let Err(error) = shifted {
                tracing::error!(%error, "the queue's times cannot be moved");
            }
        }
        (*wall, *monotonic) = (now, Instant::now());
    }

    fn rest(&self) -> Duration {
        let now = self.clock.now();
        let hold = self.hold();
        let next = self.store().read(|rows| rows.load_next_due(&workable(hold))).unwrap_or_default();
        let copied = (self.load() != Load::Light).then(Traffic::patience);
        // What is due already waits for a free place, whose end wakes the loop.
        let moments = [next, hold.and_then(Hold::until)];
        let rests = moments.into_iter().flatten().map(|moment| moment.since(now)).chain(copied);
        let rest = rests.min().unwrap_or(IDLE);
        rest.clamp(Duration::from_millis(20), IDLE)
    }

    fn start_due(self: &Arc<Self>, tasks: &mut JoinSet<()>) -> Result<(), StepError> {
        let all = self.places();
        let running: Vec<(UploadNo, bool)> =
            self.running.lock().iter().map(|(no, running)| (*no, running.is_large)).collect();
        if running.len() >= all {
            return Ok(());
        }
        let (now, stages) = (self.clock.now(), workable(self.hold()));
        let (small, large) = self.store().read(|rows| {
            // Those that run are due still: as many as there are places leave one for each that is free.
            let due = |sizes| rows.find_due_uploads(now, &stages, sizes, all);
            Ok((due(0..LARGE)?, due(LARGE..i64::MAX as u64)?))
        })?;
        for (no, is_large) in Places::of(all).choose(&running, small, large) {
            let uploader = Arc::clone(self);
            // Held until the row is in: its task may be over before.
            let mut running = self.running.lock();
            let handle = tasks.spawn(async move { uploader.drive(no).await });
            running.insert(no, Running { handle, is_large });
        }
        Ok(())
    }

    /// Rows worked on at once: as good as none of them while somebody waits for a copy into the mount. The copy wants
    /// the disk now, and if its files are small the processor; what is put off here keeps them busy afterwards.
    fn places(&self) -> usize {
        match self.load() {
            Load::Light => self.options.uploads.max(1) * PLACES,
            Load::SmallFiles => BESIDE_SMALL_FILES,
            Load::LargeFiles => BESIDE_LARGE_FILES,
        }
    }

    fn load(&self) -> Load {
        self.namespace.traffic().load(Instant::now())
    }

    /// Takes one upload as far as it goes.
    async fn drive(self: &Arc<Self>, no: UploadNo) {
        let _place = Place { uploader: self, no };
        let mut fresh = false;
        while let Ok(Some(row)) = self.store().read(|rows| rows.load_upload(no)) {
            let due = row.parked.is_none() && row.due <= self.clock.now();
            if !due || !(is_local(row.stage) || self.hold().is_none()) {
                return;
            }
            let outcome = self.step(&row, !fresh).await;
            fresh = true;
            match outcome {
                Ok(Next::Again) => *self.offline_until.lock() = None,
                Ok(Next::Wait) | Err(StepError::Held) => return,
                Err(StepError::Lost) => return self.put_off_unchanged(&row),
                Err(error) => {
                    if !self.note_failure(&row, &error).await {
                        return;
                    }
                }
            }
        }
    }

    /// `resumed`: this is the first step of a run, so an earlier one may have got further than its row says.
    async fn step(self: &Arc<Self>, row: &UploadRow, resumed: bool) -> StepResult {
        if self.end_if_removed(row)? || self.dissolve_if_broken(row)? {
            self.forget_object(row.no);
            return Ok(Next::Again);
        }
        match row.stage {
            Stage::Settling => self.settle(row).await,
            // A day unchanged: sent as it is (semantics 2.3).
            Stage::Incomplete => self.advance(row, Stage::Settling, |_, row| {
                row.as_is = true;
                Ok(())
            }),
            Stage::Sealed => self.hash(row).await,
            Stage::Hashed => self.decide(row).await,
            Stage::Twin => self.look_again(row),
            Stage::Linking => self.link(row).await,
            Stage::Prepared => self.transfer(row).await,
            Stage::Uploaded => self.register(row, resumed).await,
            // The janitor's.
            Stage::Registered | Stage::Removed => {
                self.clearing.notify_one();
                Ok(Next::Wait)
            }
            Stage::Writing | Stage::LocalOnly => Ok(Next::Wait),
        }
    }

    /// Files whose row was changed from outside: what runs for them is void.
    fn abort_outdated(&self) {
        let running: Vec<UploadNo> = self.running.lock().keys().copied().collect();
        for no in running {
            let row = self.store().read(|rows| rows.load_upload(no)).ok().flatten();
            let void = row.is_none_or(|row| row.parked.is_some() || row.is_held() || row.stage == Stage::Removed);
            if let (true, Some(running)) = (void, self.running.lock().get(&no)) {
                running.handle.abort();
            }
        }
    }

    /// Puts what failed off, aside, or back. Answers whether to go on at once.
    async fn note_failure(&self, row: &UploadRow, error: &StepError) -> bool {
        tracing::info!(upload = row.no.0, stage = ?row.stage, %error, "a step of an upload did not come to its end");
        let answer = match error {
            StepError::Lost | StepError::Held => return false,
            StepError::Remote { call, error } => {
                self.note_silence(error, row.attempts);
                on_answer(*call, error, row.attempts)
            }
            StepError::Park { reason, .. } => Answer::Park(*reason),
            error if error.is_damage() => Answer::Park(ParkReason::Corrupt),
            _ => Answer::BackOff,
        };
        if answer == Answer::PullAndCompare {
            return self.compare(row, error).await;
        }
        self.apply_answer(row, answer, &error.to_string())
    }

    /// A step was void, and no change of the file is the reason: it must not be tried without a pause for ever.
    fn put_off_unchanged(&self, row: &UploadRow) {
        let now = self.clock.now();
        let put_off = self.commit_step(row, |tx, mut row, _| {
            row.attempts = row.attempts.saturating_add(1);
            row.due = now.saturating_add(back_off(row.attempts - 1, crate::crypto::random::<1>()[0]));
            Ok(tx.save_upload(&row)?)
        });
        if put_off.is_ok() {
            tracing::info!(upload = row.no.0, stage = ?row.stage, "a step of an upload came to nothing");
        }
    }

    /// Nothing answered, or an answer that is not Ente's: nobody asks for a while.
    fn note_silence(&self, error: &RemoteError, attempts: u32) {
        if error.status().is_none() {
            *self.offline_until.lock() = Some(Instant::now() + back_off(attempts, crate::crypto::random::<1>()[0]));
        }
    }

    async fn compare(&self, row: &UploadRow, error: &StepError) -> bool {
        if self.pull.pull_closely().await.is_ok() && self.was_found(row).unwrap_or(false) {
            return true;
        }
        self.apply_answer(row, Answer::BackOff, &error.to_string())
    }

    fn apply_answer(&self, row: &UploadRow, answer: Answer, detail: &str) -> bool {
        if answer == Answer::Park(ParkReason::Session) {
            self.end_session();
        }
        let now = self.clock.now();
        let applied = self.commit_step(row, |tx, mut row, dirty| {
            row.attempts = row.attempts.saturating_add(1);
            let wait = back_off(row.attempts - 1, crate::crypto::random::<1>()[0]);
            match answer {
                Answer::Done | Answer::PullAndCompare | Answer::UploadAfterAll => {}
                Answer::BackOff => row.due = now.saturating_add(wait),
                Answer::After(time) => row.due = now.saturating_add(time),
                Answer::FreshTarget => {
                    tx.save_upload_blob(row.no, UploadBlob::Transfer, None)?;
                    row.due = now.saturating_add(wait.min(Duration::from_secs(5)));
                }
                Answer::Reseal => {
                    forget_prepared(tx, row.no)?;
                    (row.stage, row.sent, row.attempts) = (Stage::Sealed, false, 0);
                    row.due = now.saturating_add(wait);
                }
                // The objects are stored; only the request names the album.
                Answer::Retarget => {
                    (row.stage, row.sent, row.target) = (Stage::Prepared, false, None);
                    row.due = now;
                }
                Answer::Park(reason) => (row.parked, row.since) = (Some(reason), now),
            }
            tx.save_upload_blob(row.no, UploadBlob::Detail, Some(detail.as_bytes()))?;
            tx.save_upload(&row)?;
            dirty.ino(row.ino);
            Ok(matches!(answer, Answer::Retarget))
        });
        if matches!(answer, Answer::Park(_)) {
            self.wake_twins();
        }
        applied.unwrap_or(false)
    }

    /// The session is over: everything on its way waits for a log-in (semantics 6.2).
    fn end_session(&self) {
        if !self.session_over.swap(true, Ordering::Relaxed) {
            tracing::warn!("the session has expired; uploads wait for `entefs login`");
        }
        let now = self.clock.now();
        if let Err(error) = self.store().write(|tx| tx.park_under_way(ParkReason::Session, now)) {
            tracing::error!(%error, "the queue cannot be parked");
        }
    }

    /// Somebody waits for an upload that stands still now.
    fn wake_twins(&self) {
        let now = self.clock.now();
        if let Err(error) = self.store().write(|tx| tx.wake_twins(now)) {
            tracing::error!(%error, "twins cannot be woken");
        }
        self.bell.ring();
    }

    /// Parked uploads of this kind try again: after a log-in, or when there is room.
    pub fn unpark(&self, reason: ParkReason) {
        self.session_over.store(false, Ordering::Relaxed);
        let now = self.clock.now();
        match self.store().write(|tx| tx.unpark(reason, now)) {
            Ok(0) => {}
            Ok(_) => self.bell.ring(),
            Err(error) => tracing::error!(%error, "parked uploads cannot be taken up again"),
        }
    }

    /// There is something to do.
    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    /// Bytes sent of what is on its way.
    pub fn progress(&self) -> Progress {
        Progress { sent: self.sent.lock().values().sum() }
    }

    pub(super) async fn on_blocking_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StepError> {
        tokio::task::spawn_blocking(work).await.map_err(|_| StepError::Later("a worker was interrupted".into()))
    }

    pub(super) async fn sync_store(&self) -> Result<(), StepError> {
        let store = Arc::clone(self.store());
        Ok(self.on_blocking_thread(move || store.sync()).await??)
    }

    pub(super) fn keep_object(&self, no: UploadNo, object: Bytes) {
        let mut objects = self.objects.lock();
        let kept: u64 = objects.values().map(|object| object.len() as u64).sum();
        if kept + object.len() as u64 <= KEPT {
            objects.insert(no, object);
        }
    }

    /// Its object is kept where there is room for it; without one, it is sealed again when it is sent.
    pub(super) fn keep_draft(&self, no: UploadNo, mut draft: Draft) {
        if let Some(object) = draft.sealed.object.take() {
            self.keep_object(no, object);
        }
        self.drafts.lock().insert(no, draft);
    }

    /// Without one, an object that is still kept was sealed under other keys than will be drawn now.
    pub(super) fn take_draft(&self, no: UploadNo) -> Option<Draft> {
        let draft = self.drafts.lock().remove(&no);
        if draft.is_none() {
            self.forget_object(no);
        }
        draft
    }

    /// To be called under the store's write lock, so that of two equal files one is first.
    pub(super) fn claim(&self, no: UploadNo) {
        self.claims.lock().insert(no);
    }

    pub(super) fn has_claimed(&self, no: UploadNo) -> bool {
        self.claims.lock().contains(&no)
    }

    pub(super) fn kept_object(&self, no: UploadNo) -> Option<Bytes> {
        self.objects.lock().get(&no).cloned()
    }

    pub(super) fn forget_object(&self, no: UploadNo) {
        self.objects.lock().remove(&no);
    }

    pub(super) fn note_sent(&self, no: UploadNo, bytes: u64) {
        self.sent.lock().insert(no, bytes);
    }

    pub(super) fn note_over(&self, no: UploadNo) {
        self.sent.lock().remove(&no);
    }
}

/// Held, what needs the network waits; what does not goes on.
fn workable(hold: Option<Hold>) -> Vec<Stage> {
    WORKED_ON.into_iter().filter(|stage| hold.is_none() || is_local(*stage)).collect()
}

/// A place among those that run; given back when the task ends, however it does.
struct Place<'a> {
    uploader: &'a Uploader,
    no: UploadNo,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.uploader.running.lock().remove(&self.no);
        self.uploader.claims.lock().remove(&self.no);
        self.uploader.objects.lock().remove(&self.no);
        self.uploader.drafts.lock().remove(&self.no);
        self.uploader.opened.forget(self.no);
        self.uploader.sent.lock().remove(&self.no);
        self.uploader.awake.notify_one();
    }
}
