//! What goes on beside a mount: the database becomes durable, what waits is counted, the session is watched.

use super::engine::Engine;
use super::notice;
use crate::base::ParkReason;
use crate::base::sync::Bell;
use crate::tree::Stage;
use crate::vfs::Vfs;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// A row that no close or fsync waited for is durable after this (fault plan: only metadata can be lost, and this much).
const SYNC_DELAY: Duration = Duration::from_millis(200);
/// What waits is counted at most so often.
const COUNT_DELAY: Duration = Duration::from_millis(500);

/// A closed file that the store did not take is tried again after this.
const SETTLE_AGAIN: Duration = Duration::from_secs(3);

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long removals, moves and renames can be taken back.
const JOURNAL_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Starts them; they end when the set is dropped.
pub(super) fn spawn_duties(engine: &Arc<Engine>, tasks: &mut JoinSet<()>) {
    tasks.spawn(keep_durable(Arc::clone(engine)));
    tasks.spawn(count_waiting(Arc::clone(engine)));
    tasks.spawn(watch_session(Arc::clone(engine)));
    tasks.spawn(watch_brake(Arc::clone(engine)));
    tasks.spawn(trim_journal(Arc::clone(engine)));
}

fn notify_of(bell: &Bell) -> Arc<Notify> {
    let notify = Arc::new(Notify::new());
    let rung = Arc::clone(&notify);
    bell.listen(move || rung.notify_one());
    notify
}

async fn keep_durable(engine: Arc<Engine>) {
    let unsynced = notify_of(engine.store().unsynced());
    loop {
        unsynced.notified().await;
        tokio::time::sleep(SYNC_DELAY).await;
        let store = Arc::clone(engine.store());
        let synced = tokio::task::spawn_blocking(move || {
            store.sync()?;
            store.checkpoint_if_due()
        });
        match synced.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the database could not be made durable"),
            Err(error) => tracing::error!(%error, "the database could not be made durable"),
        }
    }
}

async fn count_waiting(engine: Arc<Engine>) {
    let rung = notify_of(&engine.bells.uploads);
    loop {
        match engine.store().read(|rows| rows.load_stage_totals()) {
            Ok(totals) => {
                // A duplicate becomes a link, which takes no room (semantics 2.6).
                let free = [Stage::Writing, Stage::LocalOnly, Stage::Linking, Stage::Twin];
                let waits = |stage: Stage| !free.contains(&stage) && !stage.is_over();
                let bytes = totals.iter().filter(|total| waits(total.stage)).map(|total| total.bytes).sum();
                engine.namespace.space().set_waiting(bytes);
            }
            Err(error) => tracing::error!(%error, "what waits cannot be counted"),
        }
        rung.notified().await;
        tokio::time::sleep(COUNT_DELAY).await;
    }
}

/// The server refused the session: it is noted where every command sees it; the mount goes on with what it has.
async fn watch_session(engine: Arc<Engine>) {
    let over = notify_of(&engine.session_over);
    loop {
        over.notified().await;
        if engine.account.is_expired() {
            continue;
        }
        let account = engine.account.clone();
        match tokio::task::spawn_blocking(move || account.mark_expired()).await {
            Ok(Ok(())) => tracing::warn!("the session has expired; run `entefs login`"),
            other => tracing::error!(?other, "the end of the session could not be noted"),
        }
    }
}

/// Whoever removed so much may not be looking at a terminal.
async fn watch_brake(engine: Arc<Engine>) {
    let held = notify_of(&engine.bells.brake);
    loop {
        held.notified().await;
        tracing::warn!("many photos were being removed at once; further removals are refused");
        let told = tokio::task::spawn_blocking(notice::removals_held).await;
        if let Ok(Err(error)) = told {
            tracing::debug!(%error, "no desktop to tell");
        }
    }
}

/// What was closed while the store took nothing (a full disk, say) is settled as soon as it can be.
pub(super) async fn settle_closed(vfs: Arc<Vfs>, unsettled: Bell) {
    let rung = notify_of(&unsettled);
    loop {
        let vfs = Arc::clone(&vfs);
        match tokio::task::spawn_blocking(move || vfs.settle_closed()).await {
            Ok(0) => rung.notified().await,
            Ok(files) => tracing::warn!(files, "closed files cannot be settled yet"),
            Err(error) => tracing::error!(%error, "closed files could not be settled"),
        }
        tokio::time::sleep(SETTLE_AGAIN).await;
    }
}

/// What was done so long ago is not taken back any more.
async fn trim_journal(engine: Arc<Engine>) {
    loop {
        let before = engine.clock.now().saturating_sub(JOURNAL_KEPT);
        if let Err(error) = engine.store().write(|tx| tx.trim_journal(before)) {
            tracing::error!(%error, "old lines of the journal stay");
        }
        tokio::time::sleep(DAY).await;
    }
}

/// Somebody logged in: the new token is taken, and what waited for it goes on.
///
/// # Errors
/// A sentence where the session cannot be read.
pub(super) async fn take_new_session(engine: &Arc<Engine>) -> Result<(), String> {
    let account = engine.account.clone();
    let opened = tokio::task::spawn_blocking(move || account.read()).await.map_err(|error| error.to_string())?;
    let session = opened.map_err(|error| error.to_string())?.session;
    engine.token.set(&session.token);
    engine.uploader.unpark(ParkReason::Session);
    engine.bells.pull.ring();
    engine.bells.ops.ring();
    Ok(())
}
