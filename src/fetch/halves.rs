//! The halves of live photos: ranges of the zip that is their object's plaintext.
//!
//! Guarantees: where a half lies is learned from verified bytes before its first byte is given out, and what the pull's
//! unverified hint said of its size and extension is corrected then (semantics 1.3); a read that would end too early
//! by it fails, until the file is opened anew. What other clients deflated is
//! unpacked into the cache, where it is a content like any other.

use super::{Fetch, FetchError, Piece, clip};
use crate::base::{ContentNo, FileId, PageBuf, Part};
use crate::cache::CacheRead;
use crate::crypto::CHUNK;
use crate::media::live::{ArchiveError, HalfEntry, Halves, Inflater, LOCAL_HEADER, data_start, read_directory};
use crate::store::{ContentRow, Place};
use std::borrow::Cow;
use std::sync::Arc;

/// Bytes of the zip's end that are looked at first.
const TAIL: u64 = 64 << 10;
/// More than this is no live photo's directory.
const LONGEST_TAIL: u64 = 1 << 20;

/// Who is told that a photo's halves are other than was believed.
pub type HalvesCorrected = Box<dyn Fn(FileId) + Send + Sync>;

/// A half as verified bytes have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half {
    place: Place,
    size: u64,
}

impl Fetch {
    /// A half's place, where a verified byte has told it.
    fn known_half(&self, content: &ContentRow) -> Option<Half> {
        if let Some(place) = content.packed.and_then(|packed| packed.place) {
            return Some(Half { place, size: content.size });
        }
        self.halves.lock().get(&content.no).copied()
    }

    /// The content with the size that verified bytes told: it may have been opened while there was a hint only. `None`
    /// where it is longer: the kernel would take the beginning for all of it, so that nothing is read there any more.
    pub(super) fn with_true_size<'c>(&self, content: &'c ContentRow) -> Option<Cow<'c, ContentRow>> {
        match self.known_half(content).filter(|_| content.packed.is_some()) {
            Some(half) if half.size > content.size => None,
            Some(half) if half.size < content.size => {
                Some(Cow::Owned(ContentRow { size: half.size, ..content.clone() }))
            }
            _ => Some(Cow::Borrowed(content)),
        }
    }

    /// The zip and the offset in it of a half that lies there as it is.
    pub(super) fn stored_in(
        &self,
        content: &ContentRow,
        offset: u64,
        len: usize,
    ) -> Option<(Arc<ContentRow>, u64, usize)> {
        let half = self.known_half(content).filter(|half| !half.place.deflated && half.size <= content.size)?;
        let len = usize::try_from(half.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
        Some((Arc::new(content.archive()?), half.place.at + offset, len))
    }

    pub(super) fn read_half_from_memory(
        self: &Arc<Self>,
        content: &ContentRow,
        offset: u64,
        len: usize,
    ) -> Option<Piece> {
        let (archive, at, len) = self.stored_in(content, offset, len)?;
        self.read_from_memory(&archive, at, len)
    }

    /// From the half's own blocks, which are those of its own upload or of its unpacking, else from the zip's.
    pub(super) fn read_half_from_disk(&self, content: &ContentRow, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let content = &*self.with_true_size(content)?;
        let len = clip(content, offset, buf.len());
        if let CacheRead::Hit(read) = self.cached(content).read_at(offset, &mut buf[..len])
            && read == len
        {
            return Some(read);
        }
        let (archive, at, len) = self.stored_in(content, offset, len)?;
        self.read_from_disk(&archive, at, &mut buf[..len])
    }

    pub(super) async fn read_half(
        self: &Arc<Self>,
        content: &Arc<ContentRow>,
        offset: u64,
        len: usize,
    ) -> Result<Piece, FetchError> {
        let half = self.find_half(content).await?;
        if half.size > content.size {
            return Err(FetchError::Longer);
        }
        if let Some((archive, at, len)) = self.stored_in(content, offset, len) {
            return self.read_whole(&archive, at, len).await;
        }
        self.unpack(content, half, offset, len).await
    }

    /// Learns from verified bytes where the halves are, and keeps it.
    async fn find_half(self: &Arc<Self>, content: &Arc<ContentRow>) -> Result<Half, FetchError> {
        if let Some(half) = self.known_half(content) {
            return Ok(half);
        }
        let archive = Arc::new(content.archive().ok_or(FetchError::Gone)?);
        let directory = self.read_archive_directory(&archive).await?;
        let still = self.locate(&archive, &directory.still).await?;
        let moving = self.locate(&archive, &directory.clip).await?;
        self.keep_halves(content, &directory, still, moving)?;
        Ok(if content.part == Part::Clip { moving } else { still })
    }

    async fn read_archive_directory(self: &Arc<Self>, archive: &Arc<ContentRow>) -> Result<Halves, FetchError> {
        let mut len = TAIL.min(archive.size);
        loop {
            let tail = self.read_whole(archive, archive.size - len, len as usize).await?;
            match read_directory(&tail, archive.size) {
                Ok(halves) => return Ok(halves),
                Err(ArchiveError::Farther(at)) if archive.size - at > len && archive.size - at <= LONGEST_TAIL => {
                    len = archive.size - at;
                }
                Err(error) => return Err(FetchError::Halves(error.to_string())),
            }
        }
    }

    async fn locate(self: &Arc<Self>, archive: &Arc<ContentRow>, entry: &HalfEntry) -> Result<Half, FetchError> {
        let malformed = |error: ArchiveError| FetchError::Halves(error.to_string());
        let header = self.read_whole(archive, entry.header_at, LOCAL_HEADER).await?;
        let at = data_start(&header, entry.header_at).map_err(malformed)?;
        if at + entry.packed > archive.size {
            return Err(malformed(ArchiveError::Malformed));
        }
        Ok(Half { place: Place { at, len: entry.packed, deflated: entry.deflated }, size: entry.size })
    }

    fn keep_halves(
        &self,
        content: &ContentRow,
        directory: &Halves,
        still: Half,
        moving: Half,
    ) -> Result<(), FetchError> {
        let corrected = self.store.write(|tx| {
            let Some(row) = tx.load_content_by_header(content.file, &content.header)? else { return Ok(false) };
            let Some(clip) = tx.load_clip_of(&row)? else { return Ok(false) };
            let mut corrected = false;
            for (row, half, entry) in [(&row, still, &directory.still), (&clip, moving, &directory.clip)] {
                corrected |= row.size != half.size;
                tx.save_place(row.no, half.size, half.place)?;
                if tx.load_extension(row.no)?.as_ref() != Some(&entry.extension) {
                    tx.save_half(row.no, content.packed.map_or(row.no, |packed| packed.archive), &entry.extension)?;
                    corrected = true;
                }
                self.halves.lock().put(row.no, half);
            }
            Ok::<_, crate::store::StoreError>(corrected)
        })?;
        if corrected {
            tracing::warn!(file = content.file.0, "a live photo's halves were other than the hint had said");
            (self.corrected)(content.file);
        }
        Ok(())
    }

    /// Unpacks a deflated half into the cache, and answers the range asked for from what passes by.
    async fn unpack(
        self: &Arc<Self>,
        content: &Arc<ContentRow>,
        half: Half,
        offset: u64,
        len: usize,
    ) -> Result<Piece, FetchError> {
        let true_size = Arc::new(ContentRow { size: half.size, ..(**content).clone() });
        let len = clip(&true_size, offset, len);
        // One at a time: readers of the same half find it in the cache when their turn comes.
        let _turn = self.unpacking.lock().await;
        if let Some(piece) = self.unpacked(&true_size, offset, len).await {
            return Ok(piece);
        }
        let archive = Arc::new(content.archive().ok_or(FetchError::Gone)?);
        let mut found = PageBuf::zeroed(len);
        let mut state = (Inflater::new(half.size), Vec::new());
        let (mut packed, mut at) = (half.place.at, 0);
        let end = half.place.at + half.place.len;
        while packed < end {
            let piece = self.read_whole(&archive, packed, (end - packed).min(CHUNK as u64) as usize).await?;
            packed += piece.len() as u64;
            let (fetch, row) = (Arc::clone(self), Arc::clone(&true_size));
            let fed = tokio::task::spawn_blocking(move || {
                let (mut inflater, mut out) = state;
                let fed = inflater.feed(&piece, &mut out);
                fed.and_then(|()| if packed >= end { inflater.finish() } else { Ok(()) })
                    .map_err(|error| FetchError::Halves(error.to_string()))?;
                let whole = if packed >= end { out.len() } else { out.len() / CHUNK * CHUNK };
                let done: Vec<u8> = out.drain(..whole).collect();
                fetch.cached(&row).write_blocks(at, &done);
                Ok::<_, FetchError>(((inflater, out), done))
            });
            let interrupted = |_| FetchError::Offline("the unpacking was interrupted".into());
            let (next, done) = fed.await.map_err(interrupted)??;
            copy_overlap(at, &done, offset, &mut found);
            at += done.len() as u64;
            state = next;
        }
        Ok(Piece::Own(found))
    }

    async fn unpacked(self: &Arc<Self>, content: &Arc<ContentRow>, offset: u64, len: usize) -> Option<Piece> {
        let (fetch, content) = (Arc::clone(self), Arc::clone(content));
        let read = move || {
            let mut bytes = PageBuf::zeroed(len);
            match fetch.cached(&content).read_at(offset, &mut bytes) {
                CacheRead::Hit(read) if read == len => Some(Piece::Own(bytes)),
                _ => None,
            }
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }
}

/// What `bytes`, which begin at `at`, have of the range that `out` shall hold from `offset` on.
fn copy_overlap(at: u64, bytes: &[u8], offset: u64, out: &mut [u8]) {
    let (from, end) = (offset.max(at), (offset + out.len() as u64).min(at + bytes.len() as u64));
    if from < end {
        out[(from - offset) as usize..(end - offset) as usize]
            .copy_from_slice(&bytes[(from - at) as usize..(end - at) as usize]);
    }
}

/// Halves whose place is kept at hand.
pub(super) type KnownHalves = crate::base::sync::Mutex<lru::LruCache<ContentNo, Half>>;
