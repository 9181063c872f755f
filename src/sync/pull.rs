//! The pull (protocol notes, data 7): albums, then the memberships of those that changed, then the trash.
//!
//! Stamps can commit late and out of order (data 7.3): polls ask again with some minutes of overlap, repeats are
//! recognised by their stamps, and now and then everything is asked for from the beginning.

use super::album::{AlbumRecord, apply_album, open_album};
use super::apply::{Applying, OpenRow, Outcome, apply_row};
use crate::account::{AccountError, AccountKeys};
use crate::base::sync::Mutex;
use crate::base::{AlbumId, AlbumNo, Clock, FileId, Timestamp};
use crate::namespace::{Namespace, Origin, PhotoDir, Shown, name_album_directory, name_member, relist};
use crate::remote::{RemoteApi, RemoteError};
use crate::store::{AlbumRow, AlbumState, Counter, Cursor, Store, StoreError, Tx};
use crate::tree::DropRules;
use crate::upload::{AlbumMaker, Pull, StepError};
use crate::wire::File;
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Stamps commit at most so late.
const OVERLAP: Duration = Duration::from_secs(10 * 60);
/// Rows in one transaction: writers in the mount wait no longer for it.
pub(super) const BATCH: usize = 250;
/// Albums whose diffs are fetched at once.
const ALBUMS_AT_ONCE: usize = 4;
/// Sizes of very old files, asked for one by one.
const SIZES_AT_ONCE: usize = 8;

/// Why a pull did not come to its end. What it had applied stays; the next one goes on.
#[derive(Debug, Error)]
pub enum SyncError {
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error("applying a change: {0}")]
    Step(#[from] StepError),
    #[error("a worker was interrupted")]
    Interrupted,
}

/// How far back a pull looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Exactly what is new.
    New,
    /// And some minutes before, for what committed late.
    Overlap,
    /// Everything.
    Full,
}

/// How far a pull has come, for a progress bar.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PullProgress {
    pub albums_done: u64,
    pub albums: u64,
    pub photos: u64,
}

/// What syncing works with.
pub struct SyncParts {
    pub remote: Arc<dyn RemoteApi>,
    pub namespace: Arc<Namespace>,
    pub keys: Arc<AccountKeys>,
    pub albums: Arc<AlbumMaker>,
    pub clock: Arc<dyn Clock>,
    pub rules: DropRules,
}

/// Pulls and pushes for one account.
pub struct Sync {
    pub(super) remote: Arc<dyn RemoteApi>,
    pub(super) namespace: Arc<Namespace>,
    pub(super) keys: Arc<AccountKeys>,
    pub(super) albums: Arc<AlbumMaker>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rules: DropRules,
    /// One pull at a time; the moment the last complete one began.
    turn: tokio::sync::Mutex<()>,
    began: Mutex<Option<Instant>>,
    progress: tokio::sync::watch::Sender<PullProgress>,
    pub(super) error: Mutex<Option<String>>,
}

impl Sync {
    pub fn new(parts: SyncParts) -> Arc<Self> {
        Arc::new(Self {
            remote: parts.remote,
            namespace: parts.namespace,
            keys: parts.keys,
            albums: parts.albums,
            clock: parts.clock,
            rules: parts.rules,
            turn: tokio::sync::Mutex::new(()),
            began: Mutex::new(None),
            progress: tokio::sync::watch::Sender::new(PullProgress::default()),
            error: Mutex::new(None),
        })
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        self.namespace.store()
    }

    /// How far the running pull has come.
    pub fn progress(&self) -> tokio::sync::watch::Receiver<PullProgress> {
        self.progress.subscribe()
    }

    /// Why the last pull failed, if it did.
    pub fn last_error(&self) -> Option<String> {
        self.error.lock().clone()
    }

    /// Whether everything has been pulled once.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn is_complete(&self) -> Result<bool, StoreError> {
        Ok(self.store().read(|rows| rows.load_last_pull())?.is_some())
    }

    /// Pulls, after whoever pulls now.
    ///
    /// # Errors
    /// [`SyncError`]; what was applied stays.
    pub async fn pull(self: &Arc<Self>, reach: Reach) -> Result<(), SyncError> {
        let turn = self.turn.lock().await;
        let outcome = self.pull_in_turn(reach).await;
        *self.error.lock() = outcome.as_ref().err().map(ToString::to_string);
        drop(turn);
        outcome
    }

    async fn pull_in_turn(self: &Arc<Self>, reach: Reach) -> Result<(), SyncError> {
        let began = Instant::now();
        self.pull_albums(reach).await?;
        self.pull_changes(reach).await?;
        self.pull_trash(reach).await?;
        self.settle_names()?;
        let now = self.clock.now();
        self.store().write(|tx| {
            tx.save_last_pull(now)?;
            if reach == Reach::Full { tx.save_last_full_pull(now) } else { Ok(()) }
        })?;
        *self.began.lock() = Some(began);
        Ok(())
    }

    async fn pull_albums(self: &Arc<Self>, reach: Reach) -> Result<(), SyncError> {
        let cursor = self.store().read(|rows| rows.load_cursor(Cursor::Albums))?;
        let page = self.remote.fetch_albums(from(cursor, reach)).await?;
        let newest = page.last.unwrap_or(cursor).max(cursor);
        let keys = Arc::clone(&self.keys);
        let opened: Vec<_> =
            on_blocking_thread(move || page.rows.iter().map(|album| (album.id, open_album(&keys, album))).collect())
                .await?;
        for batch in opened.chunks(BATCH) {
            self.apply_albums(batch)?;
        }
        self.store().write(|tx| tx.save_cursor(Cursor::Albums, newest))?;
        Ok(())
    }

    fn apply_albums(&self, batch: &[(AlbumId, Result<AlbumRecord, SyncError>)]) -> Result<(), SyncError> {
        let now = self.clock.now_nanos();
        self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
            for (id, record) in batch {
                match record {
                    Ok(record) => apply_album(tx, record, now, dirty)?,
                    Err(error) => {
                        tracing::warn!(album = id.0, %error, "an album cannot be opened; it is not shown");
                        if tx.load_album_by_remote(*id)?.is_none() {
                            tx.count(Counter::Unreadable, 1)?;
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// Diffs of the albums whose stamp is another than the diff was read up to.
    async fn pull_changes(self: &Arc<Self>, reach: Reach) -> Result<(), SyncError> {
        let albums = self.store().read(|rows| rows.load_albums())?;
        let due: Vec<AlbumRow> = albums
            .into_iter()
            .filter(|album| matches!(album.state, AlbumState::Live | AlbumState::Deleting) && album.remote.is_some())
            .filter(|album| reach == Reach::Full || album.synced != album.updation || !album.complete)
            .collect();
        self.progress.send_replace(PullProgress { albums: due.len() as u64, ..PullProgress::default() });
        futures_util::stream::iter(due.into_iter().map(Ok))
            .try_for_each_concurrent(ALBUMS_AT_ONCE, |album| {
                let sync = Arc::clone(self);
                async move { sync.pull_album(album, reach).await }
            })
            .await
    }

    async fn pull_album(self: &Arc<Self>, album: AlbumRow, reach: Reach) -> Result<(), SyncError> {
        let mut doubtful = self.pull_pages(&album, from(album.cursor, reach), reach == Reach::Full).await?;
        if let Some(oldest) = doubtful.take() {
            // Asked again: what the server says now is so.
            self.pull_pages(&album, Timestamp(oldest.0 - 1), true).await?;
        }
        self.finish_album(&album)?;
        self.progress.send_modify(|progress| progress.albums_done += 1);
        Ok(())
    }

    /// Reads an album's changes to their end. Answers the oldest stamp that must be asked for again.
    async fn pull_pages(
        self: &Arc<Self>,
        album: &AlbumRow,
        mut since: Timestamp,
        confirmed: bool,
    ) -> Result<Option<Timestamp>, SyncError> {
        let Some(id) = album.remote else { return Ok(None) };
        let mut doubtful: Option<Timestamp> = None;
        loop {
            let page = match self.remote.fetch_changes(id, since).await {
                Ok(page) => page,
                // Deleted meanwhile: its tombstone follows.
                Err(error) if error.status() == Some(404) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let newest = page.last;
            let count = page.rows.len() as u64;
            let cursor = newest.unwrap_or(since).max(album.cursor);
            let doubts = self.apply_page(album, page.rows, cursor, confirmed).await?;
            doubtful = [doubtful, doubts].into_iter().flatten().min();
            self.progress.send_modify(|progress| progress.photos += count);
            match newest {
                // A server that says "more" and gives nothing newer must not hold us for ever.
                Some(newest) if page.has_more && newest > since => since = newest,
                _ => return Ok(doubtful),
            }
        }
    }

    async fn apply_page(
        self: &Arc<Self>,
        album: &AlbumRow,
        rows: Vec<File>,
        cursor: Timestamp,
        confirmed: bool,
    ) -> Result<Option<Timestamp>, SyncError> {
        let no = album.no;
        let Some(key) = self.store().read(|store| store.load_album_key(no))? else { return Ok(None) };
        let mut opened: Vec<OpenRow> =
            on_blocking_thread(move || rows.into_iter().map(|file| OpenRow::new(file, &key)).collect()).await?;
        self.ask_sizes(&mut opened).await?;
        self.learn_halves(&mut opened).await?;
        let sync = Arc::clone(self);
        on_blocking_thread(move || sync.apply_rows(no, &opened, cursor, confirmed)).await?
    }

    fn apply_rows(
        &self,
        album: AlbumNo,
        rows: &[OpenRow],
        cursor: Timestamp,
        confirmed: bool,
    ) -> Result<Option<Timestamp>, SyncError> {
        let context = Applying { user: self.keys.user, rules: &self.rules, now: self.clock.now_nanos(), confirmed };
        let mut doubtful: Option<Timestamp> = None;
        let mut batches = rows.chunks(BATCH).peekable();
        if batches.peek().is_none() {
            self.store().write(|tx| tx.save_album_cursor(album, cursor))?;
        }
        while let Some(batch) = batches.next() {
            let last = batches.peek().is_none();
            self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
                for row in batch {
                    if apply_row(tx, &context, album, row, dirty)? == Outcome::Doubtful {
                        doubtful = Some(doubtful.map_or(row.updation(), |oldest| oldest.min(row.updation())));
                    }
                }
                // With the page's last rows: the cursor never covers what is not here (I5).
                if last { Ok(tx.save_album_cursor(album, cursor)?) } else { Ok::<_, SyncError>(()) }
            })?;
        }
        Ok(doubtful)
    }

    pub(super) async fn ask_sizes(&self, rows: &mut [OpenRow]) -> Result<(), SyncError> {
        let lacking: Vec<FileId> = rows.iter().filter_map(OpenRow::lacks_size).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let asked = futures_util::stream::iter(lacking.into_iter().map(|file| async move {
            let mut first = Vec::new();
            let size = self.remote.fetch_range(file, 0..1, &mut first).await;
            (file, size)
        }));
        let sizes: Vec<_> = asked.buffer_unordered(SIZES_AT_ONCE).collect().await;
        for (file, size) in sizes {
            match size {
                Ok(size) => {
                    rows.iter_mut().filter(|row| row.lacks_size() == Some(file)).for_each(|row| row.set_size(size))
                }
                // Without its size it is not listed; counted as unreadable.
                Err(error) if error.status().is_some() => tracing::debug!(file = file.0, %error, "a size is not known"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Everything of the album is here: names for what has none, in the order of the file numbers; then it is shown.
    fn finish_album(&self, album: &AlbumRow) -> Result<(), SyncError> {
        let unnamed = self.store().read(|rows| rows.load_unnamed(album.no))?;
        for batch in unnamed.chunks(BATCH) {
            self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
                name_batch(tx, album.no, batch, album.complete)?;
                // Before the album is shown it is nobody's link: those it shares are counted anew when it is.
                for file in batch.iter().filter(|_| album.complete) {
                    relist(tx, *file, dirty)?;
                }
                Ok::<_, StoreError>(())
            })?;
        }
        self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
            if !album.complete {
                tx.save_album_complete(album.no)?;
                name_album_directory(tx, album.no, dirty)?;
                dirty.dir(album.ino);
                // From here on it counts as a link of those that other albums show, too.
                for file in tx.load_shared_members(album.no)? {
                    relist(tx, file, dirty)?;
                }
            }
            Ok::<_, SyncError>(tx.save_album_synced(album.no, album.updation)?)
        })
    }

    /// Suffixes that became needless since the pull before are given up, older ones stay for good (semantics 1.6).
    fn settle_names(&self) -> Result<(), SyncError> {
        for album in self.store().read(|rows| rows.load_provisional_albums())? {
            self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
                for file in tx.load_settling_names(album)? {
                    tx.clear_listing(album, file)?;
                    relist(tx, file, dirty)?;
                }
                tx.age_names(album)
            })?;
        }
        Ok(())
    }

    /// What the account holds and may hold.
    ///
    /// # Errors
    /// Where the server cannot be asked.
    pub async fn refresh_quota(&self) -> Result<crate::wire::Quota, SyncError> {
        let quota = self.remote.fetch_details().await?.quota();
        self.namespace.space().set_account(quota.used, quota.total);
        self.store().write(|tx| tx.save_quota(quota.used, quota.total))?;
        Ok(quota)
    }
}

#[async_trait]
impl Pull for Arc<Sync> {
    async fn pull_since(&self, moment: Instant) -> Result<(), RemoteError> {
        let fresh = || self.began.lock().is_some_and(|began| began >= moment);
        if fresh() {
            return Ok(());
        }
        let turn = self.turn.lock().await;
        if fresh() {
            return Ok(());
        }
        let outcome = self.pull_in_turn(Reach::New).await;
        drop(turn);
        outcome.map_err(as_remote)
    }

    async fn pull_closely(&self) -> Result<(), RemoteError> {
        self.pull(Reach::Overlap).await.map_err(as_remote)
    }
}

fn as_remote(error: SyncError) -> RemoteError {
    match error {
        SyncError::Remote(error) => error,
        other => RemoteError::Body(other.to_string()),
    }
}

pub(super) fn from(cursor: Timestamp, reach: Reach) -> Timestamp {
    match reach {
        Reach::New => cursor,
        Reach::Overlap => cursor.saturating_sub(OVERLAP).max(Timestamp::ZERO),
        Reach::Full => Timestamp::ZERO,
    }
}

/// `late`: the album was complete before, so a suffix may be another machine's new version passing by.
pub(super) fn name_batch(tx: &Tx<'_>, album: AlbumNo, files: &[FileId], late: bool) -> Result<(), StoreError> {
    let Some(dir) = PhotoDir::load(tx, album)? else { return Ok(()) };
    for file in files {
        let Some(photo) = tx.load_file(*file)? else { continue };
        let Some(shown) = Shown::load(tx, &photo)? else { continue };
        name_member(tx, dir, &photo, &shown, 1, late)?;
    }
    Ok(())
}

pub(super) async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SyncError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| SyncError::Interrupted)
}
