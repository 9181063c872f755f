//! The sizes of live photos' halves, learned during the pull (semantics 1.3): the end of each zip is fetched and
//! decrypted, a few KiB a photo.
//!
//! These bytes are not verified: the tag of their chunk covers 4 MiB. They say sizes and extensions, nothing else, and
//! what they say is checked, and corrected, when a half is first read (`fetch::halves`).

use super::apply::OpenRow;
use super::pull::{Sync, SyncError};
use crate::base::FileId;
use crate::crypto::{
    CHUNK, CHUNK_LEAD, CIPHER_CHUNK, FileKey, MacIndex, MacPrefix, StreamHeader, StreamOpener, chunk_count, plain_len,
};
use crate::media::live::{ArchiveError, Halves, read_directory};
use crate::remote::{RemoteApi, RemoteResult};
use futures_util::StreamExt;
use std::ops::Range;
use std::sync::Arc;

/// Photos asked about at once.
const AT_ONCE: usize = 8;
/// A directory of two entries has some 200 bytes, with room for what clients add.
const TAIL: u64 = 2 << 10;
/// More than this is no live photo's directory.
const LONGEST_TAIL: u64 = 128 << 10;

/// One live photo's object.
pub(super) struct Archive {
    file: FileId,
    header: StreamHeader,
    opener: StreamOpener,
    plain: u64,
}

impl Archive {
    pub(super) fn new(file: FileId, key: &FileKey, header: StreamHeader, cipher_size: u64) -> Option<Self> {
        let opener = StreamOpener::new(key, &header);
        Some(Self { file, header, opener, plain: plain_len(cipher_size)? })
    }

    /// `None` where it is no zip of two halves.
    async fn fetch_halves(&self, remote: &dyn RemoteApi) -> RemoteResult<Option<Halves>> {
        let macs = self.fetch_macs(remote).await?;
        let mut len = TAIL.min(self.plain);
        loop {
            let tail = self.fetch_unverified(remote, &macs, self.plain - len..self.plain).await?;
            match read_directory(&tail, self.plain) {
                Ok(halves) => return Ok(Some(halves)),
                Err(ArchiveError::Farther(at)) if self.plain - at > len && self.plain - at <= LONGEST_TAIL => {
                    len = self.plain - at;
                }
                Err(error) => {
                    tracing::warn!(file = self.file.0, %error, "a live photo's halves cannot be told; it is not listed");
                    return Ok(None);
                }
            }
        }
    }

    async fn fetch_macs(&self, remote: &dyn RemoteApi) -> RemoteResult<MacIndex> {
        let chunks = chunk_count(self.plain);
        let mut macs = MacIndex::new(chunks);
        for chunk in 0..chunks - 1 {
            let at = MacPrefix::offset(chunk);
            let mut prefix = Vec::with_capacity(8);
            remote.fetch_range(self.file, at..at + 8, &mut prefix).await?;
            if let Ok(prefix) = prefix.try_into() {
                macs.set(chunk, MacPrefix(prefix));
            }
        }
        Ok(macs)
    }

    /// Plaintext that nothing vouches for; what cannot be decrypted is left out.
    async fn fetch_unverified(
        &self,
        remote: &dyn RemoteApi,
        macs: &MacIndex,
        range: Range<u64>,
    ) -> RemoteResult<Vec<u8>> {
        let mut plain = Vec::with_capacity((range.end - range.start) as usize);
        let mut at = range.start;
        while at < range.end {
            let (chunk, within) = (at / CHUNK as u64, at % CHUNK as u64);
            let len = (range.end - at).min(CHUNK as u64 - within);
            let start = chunk * CIPHER_CHUNK as u64 + CHUNK_LEAD + within;
            let mut bytes = Vec::with_capacity(len as usize);
            remote.fetch_range(self.file, start..start + len, &mut bytes).await?;
            if bytes.len() as u64 != len || self.opener.peek(chunk, macs, within, &mut bytes).is_err() {
                return Ok(Vec::new());
            }
            plain.append(&mut bytes);
            at += len;
        }
        Ok(plain)
    }
}

impl Sync {
    /// Asks for the halves of the live photos among `rows` that are not known yet.
    pub(super) async fn learn_halves(&self, rows: &mut [OpenRow]) -> Result<(), SyncError> {
        let archives: Vec<Archive> = rows.iter().filter_map(OpenRow::archive).collect();
        if archives.is_empty() {
            return Ok(());
        }
        let unknown = self.store().read(|rows| {
            let mut unknown = Vec::new();
            for archive in archives {
                if rows.load_content_by_header(archive.file, &archive.header)?.is_none() {
                    unknown.push(archive);
                }
            }
            Ok(unknown)
        })?;
        let asked = unknown.into_iter().map(|archive| {
            let remote = Arc::clone(&self.remote);
            async move { (archive.file, archive.fetch_halves(remote.as_ref()).await) }
        });
        let mut asked = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE);
        while let Some((file, halves)) = asked.next().await {
            match halves {
                Ok(Some(halves)) => {
                    rows.iter_mut().filter(|row| row.id() == file).for_each(|row| row.set_halves(halves.clone()));
                }
                Ok(None) => {}
                // Without its halves it is not listed, and counted.
                Err(error) if matches!(error.status(), Some(403 | 404 | 416)) => {
                    tracing::debug!(file = file.0, %error, "a live photo's object cannot be read");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
