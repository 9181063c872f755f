//! Where things lie in a sealed file, and the units they are counted in.

pub use crate::base::Generation;
use std::ops::Range;

/// Plaintext bytes of a block: what is sealed, verified and released as one.
pub const BLOCK: usize = 65_536;
/// The longest a sealed file may be, in bytes of plaintext: Ente's 10 GiB, with room.
pub const MAX_LEN: u64 = 16 << 30;

/// The head sector, from offset 0.
pub(crate) const HEAD_LEN: usize = 4096;
/// One of the two commit slots behind the head.
pub(crate) const SLOT_LEN: usize = 8192;
/// Where the first cell begins.
pub(crate) const CELLS_AT: u64 = (HEAD_LEN + 2 * SLOT_LEN) as u64;
/// From one cell to the next: nonce, ciphertext and tag, rounded up to disk sectors.
pub(crate) const STRIDE: usize = 69_632;
/// What disks and page caches write as one.
pub(crate) const SECTOR: usize = 4096;
pub(crate) const NONCE: usize = 12;
pub(crate) const TAG: usize = 16;
/// How many cells are read or written by one system call.
pub(crate) const BATCH: usize = 16;

pub(crate) type Tag = [u8; TAG];

/// The number of a block: its place in the plaintext.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockIndex(pub u32);

impl BlockIndex {
    /// The block that holds the byte at `offset`; offsets stay below [`MAX_LEN`].
    pub fn of(offset: u64) -> Self {
        Self(u32::try_from(offset / BLOCK as u64).unwrap_or(u32::MAX))
    }

    /// The offset of its first byte of plaintext.
    pub fn start(self) -> u64 {
        u64::from(self.0) * BLOCK as u64
    }

    /// How many of the first `len` bytes of the file lie in this block.
    pub(crate) fn share_of(self, len: u64) -> usize {
        len.saturating_sub(self.start()).min(BLOCK as u64) as usize
    }
}

/// How many blocks `len` bytes take.
pub(crate) fn block_count(len: u64) -> u32 {
    u32::try_from(len.div_ceil(BLOCK as u64)).unwrap_or(u32::MAX)
}

/// The number of a cell: a place on the disk that holds one block, or one piece of a map.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Cell(pub(crate) u32);

impl Cell {
    /// The offset of its nonce in the file on disk.
    pub(crate) fn offset(self) -> u64 {
        CELLS_AT + u64::from(self.0) * STRIDE as u64
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The bytes on disk of a cell that holds `len` bytes: whole sectors, so that none is shared or read back to be written.
pub(crate) fn padded_len(len: usize) -> usize {
    (NONCE + len + TAG).next_multiple_of(SECTOR)
}

/// One block's share of a range of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) block: BlockIndex,
    /// Within the block.
    pub(crate) within: Range<usize>,
    /// Within the caller's buffer.
    pub(crate) at: Range<usize>,
}

impl Piece {
    pub(crate) fn is_whole(&self) -> bool {
        self.within == (0..BLOCK)
    }

    /// The offset of its first byte in the file.
    pub(crate) fn start(&self) -> u64 {
        self.block.start() + self.within.start as u64
    }
}

/// Cuts `len` bytes from `offset` on at the borders of blocks.
pub(crate) fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let (block, from) = (BlockIndex::of(at), (at % BLOCK as u64) as usize);
        let take = (BLOCK - from).min(len - done);
        let piece = Piece { block, within: from..from + take, at: done..done + take };
        done += take;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_shares_a_sector_with_another() {
        assert_eq!(CELLS_AT, 20_480);
        assert_eq!(STRIDE, padded_len(BLOCK));
        assert_eq!(Cell(1).offset() % SECTOR as u64, 0);
        assert_eq!(Cell(2).offset() - Cell(1).offset(), 68 << 10);
        assert_eq!([padded_len(0), padded_len(4068), padded_len(4069)], [4096, 4096, 8192]);
    }

    #[test]
    fn pieces_cover_a_range_once_and_in_order() {
        let cut: Vec<_> = pieces(65_530, 65_550).map(|p| (p.block.0, p.within, p.at)).collect();
        assert_eq!(cut, vec![(0, 65_530..65_536, 0..6), (1, 0..65_536, 6..65_542), (2, 0..8, 65_542..65_550)]);
        assert_eq!(pieces(5, 0).count(), 0);
    }

    #[test]
    fn a_blocks_share_ends_with_the_file() {
        assert_eq!(BlockIndex(1).share_of(65_536), 0);
        assert_eq!(BlockIndex(1).share_of(65_540), 4);
        assert_eq!(BlockIndex(0).share_of(1 << 20), BLOCK);
        assert_eq!([block_count(0), block_count(1), block_count(65_536), block_count(65_537)], [0, 1, 1, 2]);
    }
}
