//! Plaintext chunks in memory, the least recently used first to go.

use crate::base::sync::Mutex;
use crate::base::{ContentNo, PageBuf, PagePool, Pooled};
use crate::crypto::{CHUNK, CIPHER_CHUNK};
use lru::LruCache;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

/// Whole chunks come and go all the time while a video is read.
static WHOLE: PagePool = PagePool::new(CHUNK, 3);

/// Room for the plaintext of a chunk: overwritten before it is shown to anybody.
pub(super) enum ChunkBuf {
    Whole(Pooled<'static>),
    Part(PageBuf),
}

impl ChunkBuf {
    pub(super) fn of(len: usize) -> Self {
        if len == CHUNK { Self::Whole(WHOLE.take()) } else { Self::Part(PageBuf::zeroed(len)) }
    }
}

impl Deref for ChunkBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Whole(buf) => buf,
            Self::Part(buf) => buf,
        }
    }
}

impl DerefMut for ChunkBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Whole(buf) => buf,
            Self::Part(buf) => buf,
        }
    }
}

impl AsMut<[u8]> for ChunkBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// One verified chunk.
pub struct Chunk(ChunkBuf);

impl Chunk {
    pub(super) fn new(plain: ChunkBuf) -> Self {
        Self(plain)
    }

    pub fn plain(&self) -> &[u8] {
        &self.0
    }

    /// Copies what chunk `index` has of the range that `out` shall hold from `offset` on.
    pub(super) fn copy_to(&self, index: u64, offset: u64, out: &mut [u8]) {
        let start = index * CHUNK as u64;
        let from = offset.max(start);
        let end = (offset + out.len() as u64).min(start + self.0.len() as u64);
        if from < end {
            let source = &self.0[(from - start) as usize..(end - start) as usize];
            out[(from - offset) as usize..(end - offset) as usize].copy_from_slice(source);
        }
    }
}

/// Buffers that whole chunks are received into, reused: fresh pages cost a fault each.
#[derive(Default)]
pub(super) struct SealedBufs(Mutex<Vec<Vec<u8>>>);

impl SealedBufs {
    const KEPT: usize = 3;

    /// Empty, with room for `len` bytes.
    pub(super) fn take(&self, len: usize) -> Vec<u8> {
        let kept = if len == CIPHER_CHUNK { self.0.lock().pop() } else { None };
        kept.unwrap_or_else(|| Vec::with_capacity(len))
    }

    pub(super) fn put_back(&self, mut buf: Vec<u8>) {
        let mut kept = self.0.lock();
        if buf.capacity() == CIPHER_CHUNK && kept.len() < Self::KEPT {
            buf.clear();
            kept.push(buf);
        }
    }
}

/// Verified bytes: lent from a chunk where they lie in one, else put together.
pub enum Piece {
    Lent { chunk: Arc<Chunk>, range: Range<usize> },
    Own(PageBuf),
}

impl Piece {
    pub(super) fn none() -> Self {
        Self::Own(PageBuf::zeroed(0))
    }

    /// `len` bytes from `offset` of the content on, as far as chunk `index` has them.
    pub(super) fn lent(chunk: Arc<Chunk>, index: u64, offset: u64, len: usize) -> Self {
        let start = (offset - index * CHUNK as u64) as usize;
        let end = (start + len).min(chunk.plain().len());
        Self::Lent { range: start.min(end)..end, chunk }
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Lent { chunk, range } => &chunk.plain()[range.clone()],
            Self::Own(bytes) => bytes,
        }
    }
}

/// Chunks within a budget.
pub(super) struct ChunkMemory {
    budget: usize,
    kept: Mutex<Kept>,
}

struct Kept {
    chunks: LruCache<(ContentNo, u64), Arc<Chunk>>,
    bytes: usize,
}

impl ChunkMemory {
    pub(super) fn new(budget: usize) -> Self {
        Self { budget, kept: Mutex::new(Kept { chunks: LruCache::unbounded(), bytes: 0 }) }
    }

    pub(super) fn get(&self, content: ContentNo, index: u64) -> Option<Arc<Chunk>> {
        self.kept.lock().chunks.get(&(content, index)).cloned()
    }

    /// `len` bytes from `offset` on if every chunk of them is here.
    pub(super) fn read(&self, content: ContentNo, offset: u64, len: usize) -> Option<Piece> {
        let last = (offset + len as u64).checked_sub(1)? / CHUNK as u64;
        let first = offset / CHUNK as u64;
        if first == last {
            return Some(Piece::lent(self.get(content, first)?, first, offset, len));
        }
        let chunks: Vec<Arc<Chunk>> = (first..=last).map(|index| self.get(content, index)).collect::<Option<_>>()?;
        let mut bytes = PageBuf::zeroed(len);
        for (index, chunk) in (first..).zip(chunks) {
            chunk.copy_to(index, offset, &mut bytes);
        }
        Some(Piece::Own(bytes))
    }

    pub(super) fn insert(&self, content: ContentNo, index: u64, chunk: &Arc<Chunk>) {
        let mut kept = self.kept.lock();
        kept.bytes += chunk.plain().len();
        if let Some((_, before)) = kept.chunks.push((content, index), Arc::clone(chunk)) {
            kept.bytes -= before.plain().len();
        }
        while kept.bytes > self.budget {
            let Some((_, oldest)) = kept.chunks.pop_lru() else { break };
            kept.bytes -= oldest.plain().len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(len: usize, fill: u8) -> Arc<Chunk> {
        let mut plain = ChunkBuf::of(len);
        plain.fill(fill);
        Arc::new(Chunk::new(plain))
    }

    #[test]
    fn the_budget_holds_and_the_oldest_go_first() {
        let memory = ChunkMemory::new(250);
        let content = ContentNo(1);
        for index in 0..3 {
            memory.insert(content, index, &chunk(100, index as u8));
            memory.get(content, 0);
        }
        let here: Vec<bool> = (0..3).map(|index| memory.get(content, index).is_some()).collect();
        assert_eq!(here, [true, false, true]);
        memory.insert(content, 2, &chunk(120, 9));
        assert_eq!(memory.kept.lock().bytes, 220, "a chunk put in again counts once");
    }

    #[test]
    fn a_read_over_a_border_takes_from_both_chunks_or_from_none() {
        let memory = ChunkMemory::new(CHUNK * 3);
        let content = ContentNo(1);
        memory.insert(content, 0, &chunk(CHUNK, 1));
        let read = || memory.read(content, CHUNK as u64 - 10, 20);
        assert!(read().is_none());
        memory.insert(content, 1, &chunk(50, 2));
        assert_eq!(&*read().unwrap(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    }
}
