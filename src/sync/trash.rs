//! Ente's trash, because somebody wants just that (semantics 4.2). Nothing else here moves a photo there.

use super::pull::{Reach, Sync, SyncError};
use crate::base::FileId;
use crate::store::{Rows, StoreResult};
use crate::wire::{BATCH, TrashFiles, TrashItem};
use std::sync::Arc;

impl Sync {
    /// Moves photos to the trash, out of all albums, and pulls. All are looked at before the first is sent: `false`, and
    /// nothing was, where one is not ours or in no album any more.
    ///
    /// # Errors
    /// [`SyncError`]; some may be in the trash then, and the next pull tells.
    pub async fn trash(self: &Arc<Self>, files: &[FileId]) -> Result<bool, SyncError> {
        let items = self.store().read(|rows| {
            let items: StoreResult<Vec<Option<TrashItem>>> = files.iter().map(|file| item_of(rows, *file)).collect();
            items
        })?;
        let Some(items) = items.into_iter().collect::<Option<Vec<TrashItem>>>() else { return Ok(false) };
        for batch in items.chunks(BATCH) {
            self.remote.trash_files(&TrashFiles { items: batch.to_vec() }).await?;
        }
        self.pull(Reach::Overlap).await?;
        Ok(true)
    }
}

/// The photo with an album that it was in; `None` where it is not ours or nowhere.
fn item_of(rows: &Rows<'_>, file: FileId) -> StoreResult<Option<TrashItem>> {
    if rows.load_file(file)?.is_none_or(|row| !row.own || row.trashed) {
        return Ok(None);
    }
    for member in rows.load_memberships(file)?.into_iter().filter(|member| member.live) {
        let album = rows.load_album(member.album)?.filter(|album| album.own);
        if let Some(collection_id) = album.and_then(|album| album.remote) {
            return Ok(Some(TrashItem { file_id: file, collection_id }));
        }
    }
    Ok(None)
}
