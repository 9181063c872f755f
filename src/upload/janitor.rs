//! Clearing up: the spool file of a registered photo becomes its cached copy; removed ones go when their time is
//! over. A row stays until its file is gone, so that nothing removed rises again (semantics 6.1).

use super::step::{Next, StepError, StepResult};
use super::worker::Uploader;
use crate::base::{ContentNo, FileId};
use crate::cache::Adopted;
use crate::spool::SpoolError;
use crate::store::{ContentRow, Rows, StoreResult, UploadRow};

impl Uploader {
    /// The photo is in Ente: its bytes go into the cache, or just go.
    pub(super) async fn clear_registered(&self, row: &UploadRow) -> StepResult {
        let content = self.store().read(|rows| cached_as(rows, row))?;
        let (spool, cache, vault) = (self.spool.clone(), self.cache.clone(), row.vault);
        self.on_blocking_thread(move || {
            if let Some(content) = content {
                let key = cache.key(content.file, &content.header, content.part);
                match cache.adopt(key, content.size, |to| spool.release_to(vault, to)) {
                    Ok(Adopted::Moved | Adopted::Dropped) => return Ok(()),
                    Ok(Adopted::NotNeeded) => {}
                    // Somebody reads it: the row stays, and it is moved when they are done.
                    Err(SpoolError::InUse(_)) => return Err(StepError::Later("a handle has it open".into())),
                    Err(error) => tracing::debug!(%error, "a sent file is not kept in the cache"),
                }
            }
            Ok(spool.remove(vault)?)
        })
        .await??;
        self.delete_row(row)
    }

    /// Removed: its bytes are of no use any more, or have been kept long enough.
    pub(super) async fn clear_removed(&self, row: &UploadRow) -> StepResult {
        let (spool, vault) = (self.spool.clone(), row.vault);
        self.on_blocking_thread(move || spool.remove(vault)).await??;
        self.delete_row(row)
    }

    fn delete_row(&self, row: &UploadRow) -> StepResult {
        self.store().write(|tx| {
            tx.delete_upload(row.no)?;
            Ok::<_, StepError>(Next::Wait)
        })
    }
}

/// The content that the upload's bytes are, if they are exactly that.
fn cached_as(rows: &Rows<'_>, row: &UploadRow) -> StoreResult<Option<ContentRow>> {
    let Some(file) = row.file.filter(|_| row.frozen) else { return Ok(None) };
    let content = content_of(rows, file)?.map(|no| rows.load_content(no)).transpose()?.flatten();
    Ok(content.filter(|content| content.size == row.size))
}

fn content_of(rows: &Rows<'_>, file: FileId) -> StoreResult<Option<ContentNo>> {
    Ok(rows.load_file(file)?.and_then(|file| file.content))
}
