//! Cells between disk and memory: few system calls for many blocks, and nothing released that does not verify (I4).

use super::cipher::{CellCipher, CellFault, Place};
use super::disk::Disk;
use super::error::VaultError;
use super::layout::{BATCH, BLOCK, BlockIndex, Cell, NONCE, Piece, SECTOR, STRIDE, TAG, Tag, pieces};
use crate::base::{PagePool, Pooled};
use std::io::{self, IoSliceMut};

/// Room for [`BATCH`] cells: 1,088 KiB, four kept.
static STAGES: PagePool = PagePool::new(BATCH * STRIDE, 4);
/// Room for one cell.
static SINGLES: PagePool = PagePool::new(STRIDE, 8);
/// What lies between the blocks of a run of cells.
static BETWEEN: PagePool = PagePool::new(BATCH * SECTOR, 8);

/// Why a block could not be read.
#[derive(Debug)]
pub(crate) enum CellError {
    Disk(io::Error),
    Fault(BlockIndex, CellFault),
}

impl From<io::Error> for CellError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<CellError> for VaultError {
    fn from(error: CellError) -> Self {
        match error {
            CellError::Disk(error) => error.into(),
            CellError::Fault(block, _) => Self::Damaged(block),
        }
    }
}

/// A block to be read: where it is, how long, and its tag where a map names one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) block: BlockIndex,
    pub(crate) cell: Cell,
    pub(crate) len: usize,
    pub(crate) tag: Option<&'a Tag>,
}

/// Where the bytes of a block come from.
pub(crate) enum Source<'a> {
    Zeros,
    /// The block's plaintext; zeros beyond its end.
    Memory(&'a [u8]),
    /// A cell with so many bytes, and its tag where a map names one.
    Cell(Cell, usize, Option<&'a Tag>),
}

/// Whole blocks in cells that follow one another, to be read at once.
#[derive(Default)]
struct Run {
    first: Option<(BlockIndex, Cell)>,
    count: u32,
    tags: Vec<Tag>,
    /// Where the first block goes in the caller's buffer.
    at: usize,
}

impl Run {
    /// Adds a block if it continues the run.
    fn take(&mut self, piece: &Piece, source: &Source<'_>) -> bool {
        let Source::Cell(cell, BLOCK, tag) = source else { return false };
        let (first_block, first_cell) = self.first.unwrap_or((piece.block, *cell));
        let follows = u64::from(first_block.0) + u64::from(self.count) == u64::from(piece.block.0)
            && u64::from(first_cell.0) + u64::from(self.count) == u64::from(cell.0);
        if !piece.is_whole() || !follows || self.count as usize == BATCH {
            return false;
        }
        if self.count == 0 {
            (self.first, self.at) = (Some((piece.block, *cell)), piece.at.start);
        }
        self.count += 1;
        self.tags.extend(*tag);
        true
    }
}

/// Copies from `start` on, and zeros where the text is shorter.
pub(super) fn copy_from(text: &[u8], start: usize, out: &mut [u8]) {
    let text = text.get(start..).unwrap_or(&[]);
    let have = text.len().min(out.len());
    out[..have].copy_from_slice(&text[..have]);
    out[have..].fill(0);
}

/// One file's cells.
pub(crate) struct CellIo<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) cipher: &'a CellCipher,
}

impl CellIo<'_> {
    /// Reads `out.len()` bytes of plaintext from `offset` on; `source` says for each block where it is.
    pub(crate) fn read_range<'a>(
        &self,
        offset: u64,
        out: &mut [u8],
        source: impl Fn(BlockIndex) -> Source<'a>,
    ) -> Result<(), CellError> {
        let mut run = Run::default();
        for piece in pieces(offset, out.len()) {
            let source = source(piece.block);
            if run.take(&piece, &source) {
                continue;
            }
            self.finish_run(&mut run, out)?;
            if !run.take(&piece, &source) {
                self.read_piece(&piece, &source, &mut out[piece.at.clone()])?;
            }
        }
        self.finish_run(&mut run, out)
    }

    fn finish_run(&self, run: &mut Run, out: &mut [u8]) -> Result<(), CellError> {
        let run = std::mem::take(run);
        let Some((block, cell)) = run.first else { return Ok(()) };
        self.read_run(block, cell, &run.tags, &mut out[run.at..run.at + run.count as usize * BLOCK])
    }

    fn read_piece(&self, piece: &Piece, source: &Source<'_>, out: &mut [u8]) -> Result<(), CellError> {
        match *source {
            Source::Zeros => out.fill(0),
            Source::Memory(text) => copy_from(text, piece.within.start, out),
            Source::Cell(cell, len, tag) => {
                let wanted = Wanted { block: piece.block, cell, len, tag };
                self.read_one(wanted, |text| copy_from(text, piece.within.start, out))?;
            }
        }
        Ok(())
    }

    /// Reads whole blocks from `block` on, at most [`BATCH`], out of cells that follow one another from `cell` on,
    /// straight into `out` (a multiple of [`BLOCK`]). `tags` are those the map names, or none.
    pub(crate) fn read_run(
        &self,
        block: BlockIndex,
        cell: Cell,
        tags: &[Tag],
        out: &mut [u8],
    ) -> Result<(), CellError> {
        let mut between = BETWEEN.take();
        self.read_scattered(cell, &mut between, out)?;
        for (at, text) in out.chunks_exact_mut(BLOCK).enumerate() {
            let block = BlockIndex(block.0 + at as u32);
            let nonce = field::<NONCE>(&between, at * SECTOR);
            let tag = field::<TAG>(&between, at * SECTOR + NONCE);
            self.cipher
                .open(Place::Block(block), nonce, text, tag, tags.get(at))
                .map_err(|fault| CellError::Fault(block, fault))?;
        }
        Ok(())
    }

    /// One `preadv`: from the tag of one block to the nonce of the next is exactly a sector.
    fn read_scattered(&self, cell: Cell, between: &mut [u8], out: &mut [u8]) -> io::Result<()> {
        let count = out.len() / BLOCK;
        let mut bufs = Vec::with_capacity(2 * count + 1);
        let (mut gap, mut rest) = between[..(count - 1) * SECTOR + NONCE + TAG].split_at_mut(NONCE);
        for text in out.chunks_exact_mut(BLOCK) {
            // What is not read stays zero, and a zero nonce is an absent block.
            gap.fill(0);
            bufs.push(IoSliceMut::new(gap));
            bufs.push(IoSliceMut::new(text));
            (gap, rest) = rest.split_at_mut(SECTOR.min(rest.len()));
        }
        bufs.push(IoSliceMut::new(gap));
        self.disk.read_scattered(cell.offset(), &mut bufs)
    }

    /// Reads one block and hands its plaintext to `use_it`.
    pub(crate) fn read_one<T>(&self, wanted: Wanted<'_>, use_it: impl FnOnce(&[u8]) -> T) -> Result<T, CellError> {
        self.read_one_by(|offset, sealed| self.disk.read_at(offset, sealed), wanted, use_it)
    }

    /// As [`Self::read_one`], of a block that the kernel has in memory; `WouldBlock` where it has not.
    pub(crate) fn read_one_resident<T>(
        &self,
        wanted: Wanted<'_>,
        use_it: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, CellError> {
        self.read_one_by(|offset, sealed| self.disk.read_resident(offset, sealed), wanted, use_it)
    }

    fn read_one_by<T>(
        &self,
        read: impl FnOnce(u64, &mut [u8]) -> io::Result<usize>,
        wanted: Wanted<'_>,
        use_it: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, CellError> {
        let mut single = SINGLES.take();
        let sealed = &mut single[..NONCE + wanted.len + TAG];
        let read = read(wanted.cell.offset(), sealed)?;
        sealed[read..].fill(0);
        let opened = self.cipher.open_cell(Place::Block(wanted.block), sealed, wanted.len, wanted.tag);
        opened.map(|text| use_it(text)).map_err(|fault| CellError::Fault(wanted.block, fault))
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("a buffer has room for every nonce and tag of its batch")
}

/// Cells that follow one another, sealed in memory to be written at once.
pub(crate) struct Stage {
    buf: Pooled<'static>,
    cells: usize,
    end: usize,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { buf: STAGES.take(), cells: 0, end: 0 }
    }

    /// Seals `text` into the next cell, of [`BATCH`] at most.
    pub(crate) fn push(&mut self, cipher: &CellCipher, place: Place, text: &[u8]) -> Tag {
        let start = self.cells * STRIDE;
        // The pool's buffers hold what others left, plaintext too: nothing of it may reach the disk.
        self.buf[self.end..start].fill(0);
        let cell = &mut self.buf[start..start + STRIDE];
        cell[NONCE..NONCE + text.len()].copy_from_slice(text);
        let (tag, len) = cipher.seal(place, cell, text.len());
        self.cells += 1;
        self.end = start + len;
        tag
    }

    /// What is to be written from the first cell's offset on: whole sectors.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buf[..self.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::VaultId;
    use crate::crypto::{BlockCipher, VaultKey};

    #[test]
    fn nothing_that_a_buffer_held_before_reaches_the_disk() {
        let cipher = CellCipher::new(BlockCipher::preferred(), &VaultKey::random(), VaultId([1; 16]));
        for _ in 0..4 {
            let mut stage = Stage::new();
            stage.buf.fill(b'P');
            stage.push(&cipher, Place::Block(BlockIndex(0)), b"short");
            stage.push(&cipher, Place::Block(BlockIndex(1)), &[0; BLOCK]);
            stage.push(&cipher, Place::Block(BlockIndex(2)), b"short again");
            assert!(!stage.bytes().windows(16).any(|window| window == [b'P'; 16]));
            assert_eq!(stage.bytes().len(), 2 * STRIDE + SECTOR);
        }
    }
}
