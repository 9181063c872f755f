//! Reading objects by file: the redirection to the storage, its kept URL, the repeats.

use super::api::RangeSink;
use super::error::{RemoteError, RemoteResult, STORAGE};
use super::http::HttpRemote;
use super::retry::{Attempts, Repeat};
use super::storage::KeptUrl;
use crate::base::FileId;
use crate::wire::path;
use std::ops::Range;

/// A thumbnail is 100 KiB by convention, and nothing enforces it; 3 MB have been seen (protocol notes, data 3.5).
const LONGEST_THUMBNAIL: u64 = 64 << 20;

impl HttpRemote {
    pub(super) async fn read_range(
        &self,
        file: FileId,
        range: Range<u64>,
        into: &mut dyn RangeSink,
    ) -> RemoteResult<u64> {
        if range.is_empty() {
            return Err(RemoteError::Body("a range of no bytes was asked for".into()));
        }
        let mut attempts = Attempts::new(Repeat::Safe, self.api.timeouts.repeat);
        loop {
            match self.read_range_once(file, &range, into).await {
                Err(error) => attempts.pause_after(error).await?,
                total => return total,
            }
        }
    }

    /// Reads by the kept URL, and once more by a fresh one where the storage takes the kept one no longer.
    async fn read_range_once(&self, file: FileId, range: &Range<u64>, into: &mut dyn RangeSink) -> RemoteResult<u64> {
        let (kept, is_fresh) = self.url_of(file).await?;
        let answer = self.storage.get_range(&kept.url, range.clone(), into).await;
        if is_fresh || !answer.as_ref().is_err_and(is_stale) {
            return answer;
        }
        self.urls.forget(file);
        let (fresh, _) = self.url_of(file).await?;
        self.storage.get_range(&fresh.url, range.clone(), into).await
    }

    /// The file's URL, and whether it was asked for just now.
    async fn url_of(&self, file: FileId) -> RemoteResult<(KeptUrl, bool)> {
        let slot = self.urls.slot(file);
        let mut kept = slot.0.lock().await;
        if let Some(url) = kept.as_ref().filter(|url| url.is_alive()) {
            return Ok((url.clone(), false));
        }
        let url = KeptUrl::new(self.locate(path::FILE_DOWNLOAD, file).await?);
        *kept = Some(url.clone());
        Ok((url, true))
    }

    pub(super) async fn read_thumbnail(&self, file: FileId) -> RemoteResult<Vec<u8>> {
        let mut attempts = Attempts::new(Repeat::Safe, self.api.timeouts.repeat);
        loop {
            match self.read_thumbnail_once(file).await {
                Err(error) => attempts.pause_after(error).await?,
                thumbnail => return thumbnail,
            }
        }
    }

    async fn read_thumbnail_once(&self, file: FileId) -> RemoteResult<Vec<u8>> {
        let url = self.locate(path::FILE_PREVIEW, file).await?;
        self.storage.get_whole(&url, LONGEST_THUMBNAIL).await
    }
}

/// Whether the storage refuses the URL: expired, revoked, or its object gone.
fn is_stale(error: &RemoteError) -> bool {
    matches!(error, RemoteError::Status { endpoint, status: 400 | 401 | 403 | 404 | 410, .. } if *endpoint == STORAGE)
}
