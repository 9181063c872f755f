//! Reading: from memory at once, from the disk on a blocking thread, from Ente as a future.

use super::Vfs;
use super::error::{VfsError, VfsResult};
use super::handles::Handle;
use super::local::LocalFile;
use crate::base::PageBuf;
use crate::fetch::{Fetch, FetchError, Piece};
use crate::store::ContentRow;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

/// Bytes that must come from Ente. It ends at the read deadline at the latest.
pub type Reading = Pin<Box<dyn Future<Output = VfsResult<Piece>> + Send>>;

/// How far a read came without the network.
pub enum ReadStep {
    /// So many bytes are in the buffer; fewer than asked only at the end.
    Done(usize),
    Later(Reading),
}

impl Vfs {
    /// Reads what is in memory; `None` where the disk must be asked. Never waits.
    pub fn read_from_memory(&self, fh: u64, offset: u64, len: usize) -> Option<Piece> {
        match self.handles.get(fh).ok()? {
            Handle::Photo { content } => self.fetch.read_from_memory(&content, offset, len),
            Handle::Text { .. } | Handle::Local { .. } => None,
        }
    }

    /// Reads a few bytes that the kernel has in memory, sealed; `None` where the disk must be asked. Never waits.
    pub fn read_resident(&self, fh: u64, offset: u64, buf: &mut [u8]) -> Option<usize> {
        match self.handles.get(fh).ok()? {
            Handle::Photo { content } => self.fetch.read_resident(&content, offset, buf),
            Handle::Text { .. } | Handle::Local { .. } => None,
        }
    }

    /// Reads; may wait for the disk.
    ///
    /// # Errors
    /// EIO for bytes that do not verify, ENODATA for a photo that is gone from Ente and the cache.
    pub fn read(&self, fh: u64, offset: u64, buf: &mut [u8]) -> VfsResult<ReadStep> {
        match self.handles.get(fh)? {
            Handle::Text { text, .. } => Ok(ReadStep::Done(copy_text(&text, offset, buf))),
            Handle::Photo { content, .. } => self.read_content(&content, offset, buf),
            Handle::Local { file, .. } => self.read_local(&file, offset, buf),
        }
    }

    fn read_content(&self, content: &Arc<ContentRow>, offset: u64, buf: &mut [u8]) -> VfsResult<ReadStep> {
        if let Some(read) = self.fetch.read_from_disk(content, offset, buf) {
            return Ok(ReadStep::Done(read));
        }
        let (fetch, content, len) = (Arc::clone(&self.fetch), Arc::clone(content), buf.len());
        Ok(ReadStep::Later(Box::pin(async move { Ok(fetch.read(&content, offset, len).await?) })))
    }

    fn read_local(&self, file: &Arc<LocalFile>, offset: u64, buf: &mut [u8]) -> VfsResult<ReadStep> {
        let (vault, old, size) = {
            let state = file.lock();
            (state.vault.clone(), state.old.clone(), state.node.size)
        };
        let Some(vault) = vault else {
            if size == 0 {
                return Ok(ReadStep::Done(0));
            }
            let content = old.ok_or(VfsError::DeletedInEnte)?;
            return self.read_content(&content, offset, buf);
        };
        let read = vault.read_at(offset, buf)?;
        if read.gaps.is_empty() {
            return Ok(ReadStep::Done(read.len));
        }
        let old = old.ok_or(VfsError::DeletedInEnte)?;
        let (fetch, mut bytes) = (Arc::clone(&self.fetch), PageBuf::zeroed(read.len));
        bytes.copy_from_slice(&buf[..read.len]);
        Ok(ReadStep::Later(Box::pin(async move {
            for gap in read.gaps {
                fill_gap(&fetch, &old, offset, &gap, &mut bytes).await?;
            }
            Ok(Piece::Own(bytes))
        })))
    }
}

/// Bytes of the old version under those that were written over it.
async fn fill_gap(
    fetch: &Arc<Fetch>,
    old: &Arc<ContentRow>,
    offset: u64,
    gap: &Range<u64>,
    bytes: &mut [u8],
) -> VfsResult<()> {
    let len = (gap.end - gap.start) as usize;
    let found = fetch.read(old, gap.start, len).await?;
    let at = (gap.start - offset) as usize;
    bytes[at..at + found.len().min(len)].copy_from_slice(&found[..found.len().min(len)]);
    Ok(())
}

fn copy_text(text: &[u8], offset: u64, buf: &mut [u8]) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|offset| text.get(offset..)).unwrap_or_default();
    let len = rest.len().min(buf.len());
    buf[..len].copy_from_slice(&rest[..len]);
    len
}

impl From<FetchError> for VfsError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Gone => Self::DeletedInEnte,
            FetchError::Damaged(_) | FetchError::Halves(_) | FetchError::Longer => Self::Damaged,
            FetchError::Offline(detail) => Self::Offline(detail),
            FetchError::Store(detail) => Self::Offline(detail),
        }
    }
}
