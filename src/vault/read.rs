//! Reading: from memory what is not sealed yet, the rest from its cells, many at a time.

use super::cell_io::{Source, Wanted};
use super::error::VaultError;
use super::file::{SealedFile, State};
use super::layout::{BATCH, BLOCK, BlockIndex, Piece, pieces};
use super::map::{Block, Stored};
use crate::base::sync::Mutex;
use crate::base::{PageBuf, ReadAt};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// What a read gave.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Read {
    /// Bytes filled; less than asked for only at the end of the file.
    pub len: usize,
    /// Ranges of the file whose bytes are the old version's and not here: zeros stand in for them, to be filled in
    /// by the caller.
    pub gaps: Vec<Range<u64>>,
}

impl SealedFile {
    /// Reads from `offset` on, in bytes of plaintext.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] where a block does not verify; the buffer's content is then unspecified, but holds no
    /// unverified byte.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<Read, VaultError> {
        let state = self.state.read();
        let len = (buf.len() as u64).min(state.len.saturating_sub(offset)) as usize;
        self.cell_io().read_range(offset, &mut buf[..len], |block| source_of(&state, block))?;
        let gaps = match state.base_limit {
            0 => Vec::new(),
            _ => pieces(offset, len).flat_map(|piece| gaps_of(&state, &piece)).collect(),
        };
        Ok(Read { len, gaps })
    }

    pub(super) fn read_stored<T>(
        &self,
        block: BlockIndex,
        stored: &Stored,
        use_it: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, VaultError> {
        let wanted = Wanted { block, cell: stored.cell, len: stored.len as usize, tag: Some(&stored.tag) };
        Ok(self.cell_io().read_one(wanted, use_it)?)
    }

    /// Reads every block that is here.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] with the first block that does not verify.
    pub fn verify(&self) -> Result<(), VaultError> {
        let mut buf = crate::base::PageBuf::zeroed(BATCH * BLOCK);
        let mut offset = 0;
        while offset < self.len() {
            offset += self.read_at(offset, &mut buf)?.len.max(1) as u64;
        }
        Ok(())
    }
}

fn source_of(state: &State, block: BlockIndex) -> Source<'_> {
    match (state.dirty.get(block), state.map.get(block)) {
        (Some(dirty), _) => Source::Memory(&dirty.buf),
        (None, Block::Hole | Block::Base) => Source::Zeros,
        (None, Block::Stored(stored)) => Source::Cell(stored.cell, stored.len as usize, Some(&stored.tag)),
        (None, Block::Partial(partial)) => Source::Cell(partial.0.cell, partial.0.len as usize, Some(&partial.0.tag)),
    }
}

fn gaps_of(state: &State, piece: &Piece) -> Vec<Range<u64>> {
    let mut gaps = state.missing_of(piece.block);
    gaps.retain_mut(|gap| {
        *gap = gap.start.max(piece.within.start)..gap.end.min(piece.within.end);
        gap.start < gap.end
    });
    let start = piece.block.start();
    gaps.into_iter().map(|gap| start + gap.start as u64..start + gap.end as u64).collect()
}

/// A file as parsers, hashes and uploads read it: a byte that is not here is an error. For a file that nobody writes
/// to meanwhile: parsers hop about in a few bytes at a time, and the block of the last hop is kept opened.
pub struct SealedReader {
    file: Arc<SealedFile>,
    last: Mutex<Option<OpenBlock>>,
}

struct OpenBlock {
    index: BlockIndex,
    bytes: PageBuf,
    len: usize,
}

impl SealedReader {
    pub fn new(file: Arc<SealedFile>) -> Self {
        Self { file, last: Mutex::new(None) }
    }

    fn read_whole(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(offset, buf)?;
        if read.gaps.is_empty() { Ok(read.len) } else { Err(VaultError::BaseMissing.into()) }
    }

    fn read_within(&self, index: BlockIndex, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut last = self.last.lock();
        if last.as_ref().is_none_or(|open| open.index != index) {
            let mut bytes = last.take().map_or_else(|| PageBuf::zeroed(BLOCK), |open| open.bytes);
            let len = self.read_whole(index.start(), &mut bytes)?;
            *last = Some(OpenBlock { index, bytes, len });
        }
        let open = last.as_ref().ok_or(io::ErrorKind::UnexpectedEof)?;
        let start = ((offset - index.start()) as usize).min(open.len);
        let len = buf.len().min(open.len - start);
        buf[..len].copy_from_slice(&open.bytes[start..start + len]);
        Ok(len)
    }
}

impl ReadAt for SealedReader {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let end = offset.saturating_add(buf.len() as u64).min(self.size());
        if offset >= end {
            return Ok(0);
        }
        let index = BlockIndex::of(offset);
        if buf.len() < BLOCK && BlockIndex::of(end - 1) == index {
            return self.read_within(index, offset, buf);
        }
        self.read_whole(offset, buf)
    }

    fn size(&self) -> u64 {
        self.file.len()
    }
}
