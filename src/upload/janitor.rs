//! Clearing up: the spool file of a registered photo becomes its cached copy; removed ones go when their time is
//! over. Many at a time, in an order that a power cut may end anywhere: first it is durable that their rows are over,
//! then their files go, then the rows, so that nothing removed rises again (semantics 6.1).

use super::step::StepError;
use super::worker::Uploader;
use crate::base::{ContentNo, FileId, Generation, Part};
use crate::cache::{Adopted, Cache};
use crate::spool::{Found, Spool, SpoolError};
use crate::store::{ContentRow, HalfOf, Kept, NodeKind, Rows, StoreResult, Tx, UploadRow};
use crate::tree::Stage;
use crate::vault::CommitRecord;
use std::time::Duration;

const CLEARED: [Stage; 2] = [Stage::Registered, Stage::Removed];
/// Files that share the syncs of one round.
const BATCH: usize = 256;
/// What becomes due within this time goes together.
const GATHERING: Duration = Duration::from_millis(500);
/// A file that somebody still has open, or that could not be removed, is looked at again after this.
const LATER: Duration = Duration::from_secs(30);
/// Without anything due the rows are looked at this often all the same.
const IDLE: Duration = Duration::from_secs(600);

impl Uploader {
    /// Clears up until the task is dropped.
    pub(super) async fn keep_clear(&self) {
        loop {
            let next = self.store().read(|rows| rows.load_next_due(&CLEARED)).ok().flatten();
            let rest = next.map_or(IDLE, |due| due.since(self.clock.now())).clamp(GATHERING, IDLE);
            tokio::select! {
                () = self.clearing.notified() => tokio::time::sleep(GATHERING).await,
                () = tokio::time::sleep(rest) => {}
            }
            if let Err(error) = self.clear_due().await {
                tracing::warn!(%error, "sent files could not be cleared up; tried again later");
                tokio::time::sleep(LATER).await;
            }
        }
    }

    pub(super) async fn clear_due(&self) -> Result<(), StepError> {
        self.mark_removals().await?;
        loop {
            let due = self.store().read(|rows| {
                let due = rows.load_due_uploads(self.clock.now(), &CLEARED, BATCH)?;
                due.into_iter().map(|row| Ok((cached_as(rows, &row)?, row))).collect::<StoreResult<Vec<_>>>()
            })?;
            if due.is_empty() {
                return Ok(());
            }
            self.sync_store().await?;
            let (spool, cache) = (self.spool.clone(), self.cache.clone());
            let outcomes = self.on_blocking_thread(move || clear_files(&spool, &cache, due)).await??;
            self.note_cleared(&outcomes)?;
        }
    }

    /// A removed file that is kept says so itself, durably: with the database lost it must not rise again.
    async fn mark_removals(&self) -> Result<(), StepError> {
        loop {
            let rows = self.store().read(|rows| rows.load_unmarked_removals(BATCH))?;
            if rows.is_empty() {
                return Ok(());
            }
            // First it is durable that the row is over: a file that says more than its row would be lost with it.
            self.sync_store().await?;
            let spool = self.spool.clone();
            let marked = self
                .on_blocking_thread(move || {
                    rows.into_iter().map(|row| (mark_file(&spool, &row), row)).collect::<Vec<_>>()
                })
                .await?;
            self.store().write(|tx| {
                for (generation, row) in marked {
                    // Somebody may have had it back meanwhile.
                    let Some(now) = tx.load_upload(row.no)?.filter(|now| now.stage == Stage::Removed) else { continue };
                    tx.save_upload(&UploadRow { generation: generation.or(now.generation), ..now })?;
                    tx.save_upload_kept(row.no, Kept::Marked)?;
                }
                Ok::<_, StepError>(())
            })?;
        }
    }

    fn note_cleared(&self, outcomes: &[(UploadRow, bool)]) -> Result<(), StepError> {
        let later = self.clock.now().saturating_add(LATER);
        self.store().write(|tx| {
            for (row, gone) in outcomes {
                if *gone {
                    forget_node(tx, row)?;
                    tx.delete_upload(row.no)?;
                } else {
                    tx.save_upload(&UploadRow { due: later, ..row.clone() })?;
                }
            }
            Ok::<_, StepError>(())
        })
    }
}

/// The inode of a removed file was kept as long as its bytes.
fn forget_node(tx: &Tx<'_>, row: &UploadRow) -> StoreResult<()> {
    let nameless = row.stage == Stage::Removed && tx.load_names_of(row.ino)?.is_empty();
    match tx.load_node(row.ino)?.filter(|node| nameless && node.kind == NodeKind::File && node.vault == Some(row.vault))
    {
        Some(node) => tx.delete_node(node.ino),
        None => Ok(()),
    }
}

/// The generation of the commit that says it; `None` where the file does not take one, which is no reason to try for
/// ever: its row says it, too.
fn mark_file(spool: &Spool, row: &UploadRow) -> Option<Generation> {
    let marked = || -> Result<Option<Generation>, SpoolError> {
        let Found::File(file) = spool.open_file(row.vault, row.generation)? else { return Ok(None) };
        let Some((record, _)) = file.last_commit() else { return Ok(None) };
        Ok(Some(file.commit(&CommitRecord { removed: true, ..record })?))
    };
    marked().unwrap_or_else(|error| {
        tracing::warn!(%error, "a removed file does not say so itself");
        None
    })
}

/// Which files are gone, durably.
fn clear_files(
    spool: &Spool,
    cache: &Cache,
    due: Vec<(Option<ContentRow>, UploadRow)>,
) -> Result<Vec<(UploadRow, bool)>, StepError> {
    let cleared = due.into_iter().map(|(content, row)| {
        let outcome = clear_file(spool, cache, content, &row);
        if let Err(error) = &outcome {
            tracing::debug!(%error, "a sent file stays in the spool for now");
        }
        (row, outcome.is_ok())
    });
    let cleared = cleared.collect();
    spool.sync_removals()?;
    Ok(cleared)
}

fn clear_file(spool: &Spool, cache: &Cache, content: Option<ContentRow>, row: &UploadRow) -> Result<(), SpoolError> {
    if let Some(content) = content {
        let key = cache.key(content.file, &content.header, content.part);
        match cache.adopt(key, content.size, |to| spool.release_to(row.vault, to)) {
            Ok(Adopted::Moved | Adopted::Dropped) => return Ok(()),
            Ok(Adopted::NotNeeded) => {}
            // Somebody reads it: it is moved when they are done.
            Err(error @ SpoolError::InUse(_)) => return Err(error),
            Err(error) => tracing::debug!(%error, "a sent file is not kept in the cache"),
        }
    }
    spool.remove(row.vault)
}

/// The content that the upload's bytes are, if they are exactly that.
fn cached_as(rows: &Rows<'_>, row: &UploadRow) -> StoreResult<Option<ContentRow>> {
    let Some(file) = row.file.filter(|_| row.frozen && row.stage == Stage::Registered) else { return Ok(None) };
    let content = content_of(rows, file)?.map(|no| rows.load_content(no)).transpose()?.flatten();
    let content = match (content, row.half) {
        (Some(still), Some(HalfOf { part: Part::Clip, .. })) => rows.load_clip_of(&still)?,
        (content, _) => content,
    };
    Ok(content.filter(|content| content.size == row.size))
}

fn content_of(rows: &Rows<'_>, file: FileId) -> StoreResult<Option<ContentNo>> {
    Ok(rows.load_file(file)?.and_then(|file| file.content))
}
