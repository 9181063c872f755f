//! When to pull and to push: now and then, when asked, and after own changes.

use super::pull::{Reach, Sync, SyncError};
use crate::base::sync::Bell;
use crate::base::{ParkReason, Timestamp};
use crate::upload::Uploader;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Everything is asked for from the beginning this often, for what slipped through all overlaps.
const FULL_EVERY: Duration = Duration::from_secs(24 * 3600);
/// After a failed pull, the wait before the next; doubled up to the poll interval.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// How often to look.
#[derive(Clone, Copy, Debug)]
pub struct SyncOptions {
    pub poll: Duration,
}

impl Sync {
    /// Pulls and pushes until the task is dropped.
    pub async fn run(self: Arc<Self>, options: SyncOptions, pull: Bell, ops: Bell, uploader: Arc<Uploader>) {
        let (asked, pushed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        for (bell, notify) in [(pull, &asked), (ops, &pushed)] {
            let notify = Arc::clone(notify);
            bell.listen(move || notify.notify_one());
        }
        let pulls = Arc::clone(&self).pull_loop(options, asked, uploader);
        tokio::join!(pulls, self.push_loop(options, pushed));
    }

    async fn pull_loop(self: Arc<Self>, options: SyncOptions, asked: Arc<Notify>, uploader: Arc<Uploader>) {
        let mut wait = options.poll;
        let mut retry = FIRST_RETRY;
        loop {
            tokio::select! {
                () = asked.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            match self.poll(&uploader).await {
                Ok(()) => (wait, retry) = (options.poll, FIRST_RETRY),
                Err(error) => {
                    tracing::info!(%error, "a pull did not come to its end");
                    wait = retry.min(options.poll);
                    retry = retry.saturating_mul(2);
                }
            }
        }
    }

    async fn poll(self: &Arc<Self>, uploader: &Uploader) -> Result<(), SyncError> {
        let full = self.store().read(|rows| rows.load_last_full_pull())?.unwrap_or(Timestamp::ZERO);
        let due = self.clock.now().since(full) > FULL_EVERY;
        self.pull(if due { Reach::Full } else { Reach::Overlap }).await?;
        uploader.note_online();
        let quota = self.refresh_quota().await?;
        if quota.used < quota.total {
            uploader.unpark(ParkReason::Quota);
        }
        Ok(())
    }

    async fn push_loop(self: Arc<Self>, options: SyncOptions, pushed: Arc<Notify>) {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let wait = match self.push().await {
                Ok(next) => {
                    failures = 0;
                    // An album whose first photo went elsewhere after all rings no bell.
                    next.map_or(options.poll, |due| due.since(self.clock.now()))
                }
                Err(error) => {
                    tracing::warn!(%error, "changes could not be pushed");
                    failures += 1;
                    crate::upload::back_off(failures, 0)
                }
            };
            // Never faster than this, whatever the clock says.
            let rest = wait.max(Duration::from_millis(50).saturating_sub(began.elapsed()));
            tokio::select! {
                () = pushed.notified() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }
}
