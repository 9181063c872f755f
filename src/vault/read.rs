//! Reading: from memory what is not sealed yet, the rest from its cells, many at a time.

use super::cell_io::Wanted;
use super::error::VaultError;
use super::file::{SealedFile, State};
use super::layout::{BATCH, BLOCK, BlockIndex, Cell, Piece, Tag, pieces};
use super::map::{Block, Stored};
use crate::base::ReadAt;
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

/// Whole blocks in cells that follow one another, to be read at once.
#[derive(Default)]
struct Run {
    first: Option<(BlockIndex, Cell)>,
    tags: Vec<Tag>,
    /// Where the first block goes in the caller's buffer.
    at: usize,
}

impl Run {
    /// Adds a block if it continues the run.
    fn take(&mut self, piece: &Piece, stored: &Stored) -> bool {
        if !piece.is_whole() || stored.len as usize != BLOCK {
            return false;
        }
        let count = self.tags.len() as u32;
        let continues = match self.first {
            None => true,
            Some((block, cell)) => {
                block.0 + count == piece.block.0
                    && cell.0.checked_add(count) == Some(stored.cell.0)
                    && count < BATCH as u32
            }
        };
        if continues {
            let first = *self.first.get_or_insert((piece.block, stored.cell));
            self.at = if first.0 == piece.block { piece.at.start } else { self.at };
            self.tags.push(stored.tag);
        }
        continues
    }
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
        let (mut read, mut run) = (Read { len, gaps: Vec::new() }, Run::default());
        for piece in pieces(offset, len) {
            let block = if state.dirty.get(piece.block).is_some() { &Block::Hole } else { state.map.get(piece.block) };
            if let Block::Stored(stored) = block {
                if run.take(&piece, stored) {
                    continue;
                }
                self.read_run(&mut run, buf)?;
                if run.take(&piece, stored) {
                    continue;
                }
            }
            self.read_piece(&state, &piece, &mut buf[piece.at.clone()])?;
            read.gaps.extend(gaps_of(&state, &piece));
        }
        self.read_run(&mut run, buf)?;
        Ok(read)
    }

    fn read_run(&self, run: &mut Run, buf: &mut [u8]) -> Result<(), VaultError> {
        let run = std::mem::take(run);
        let Some((block, cell)) = run.first else { return Ok(()) };
        let out = &mut buf[run.at..run.at + run.tags.len() * BLOCK];
        Ok(self.cell_io().read_run(block, cell, &run.tags, out)?)
    }

    /// One block's share of a read, whatever the block is made of.
    fn read_piece(&self, state: &State, piece: &Piece, out: &mut [u8]) -> Result<(), VaultError> {
        if let Some(dirty) = state.dirty.get(piece.block) {
            out.copy_from_slice(&dirty.buf[piece.within.clone()]);
            return Ok(());
        }
        match state.map.get(piece.block).stored() {
            None => out.fill(0),
            Some(stored) => self.read_stored(piece.block, &stored, |text| copy_from(text, piece.within.start, out))?,
        }
        Ok(())
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
        let mut buf = super::pages::PageBuf::zeroed(BATCH * BLOCK);
        let mut offset = 0;
        while offset < self.len() {
            offset += self.read_at(offset, &mut buf)?.len.max(1) as u64;
        }
        Ok(())
    }
}

/// Copies from `start` on, and zeros where the text is shorter.
fn copy_from(text: &[u8], start: usize, out: &mut [u8]) {
    let text = text.get(start..).unwrap_or(&[]);
    let have = text.len().min(out.len());
    out[..have].copy_from_slice(&text[..have]);
    out[have..].fill(0);
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

/// A file as parsers, hashes and uploads read it: a byte that is not here is an error.
#[derive(Clone)]
pub struct SealedReader(pub Arc<SealedFile>);

impl ReadAt for SealedReader {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(offset, buf)?;
        if read.gaps.is_empty() { Ok(read.len) } else { Err(VaultError::BaseMissing.into()) }
    }

    fn size(&self) -> u64 {
        self.0.len()
    }
}
