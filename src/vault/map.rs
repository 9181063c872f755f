//! Which cell holds which block.
//!
//! The map carries every block's tag, and is itself authenticated under the file's key by its slot. That is the
//! keyed hash over all (block, state, cell, tag): an older sealing of the same block, left in a cell that was used
//! again, verifies by itself but is not the one named here.
//!
//! ```text
//! u8 kind, then
//! 0 hole      u32 count                                                        5 bytes a run
//! 1 base      u32 count                                                        5 bytes a run
//! 2 stored    u32 count, u32 first cell, count × tag 16     (whole blocks)     9 + 16 bytes a block
//! 3 short     u32 cell, u32 length, tag 16                                     25 bytes
//! 4 partial   u32 cell, u32 length, tag 16, u32 n, n × (u16 first, u16 last)   29 + 4n bytes
//! ```
//! Blocks beyond the last entry are holes. 200 kB take 3 stored and 1 short block: 82 bytes; 1 GiB takes 262,153.

use super::codec::{Decoder, Encoder};
use super::layout::{BLOCK, BlockIndex, Cell, MAX_LEN, Tag, block_count};
use super::ranges::Ranges;
use std::collections::HashSet;

/// Where a sealed block lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stored {
    pub(crate) cell: Cell,
    /// Bytes of plaintext; what the block has beyond reads as zeros.
    pub(crate) len: u32,
    pub(crate) tag: Tag,
}

/// What a block of the file is made of.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) enum Block {
    /// Zeros.
    #[default]
    Hole,
    /// The old version's bytes, not here.
    Base,
    /// Here, whole.
    Stored(Stored),
    /// Written over the old version in these ranges; the rest is as in [`Block::Base`].
    Partial(Box<(Stored, Ranges)>),
}

impl Block {
    pub(crate) fn stored(&self) -> Option<Stored> {
        match self {
            Self::Hole | Self::Base => None,
            Self::Stored(stored) => Some(*stored),
            Self::Partial(partial) => Some(partial.0),
        }
    }
}

const HOLE: u8 = 0;
const BASE: u8 = 1;
const STORED: u8 = 2;
const SHORT: u8 = 3;
const PARTIAL: u8 = 4;

/// The blocks of one file, in order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct BlockMap(Vec<Block>);

impl BlockMap {
    /// The map of a file that starts from an old version of `len` bytes.
    pub(crate) fn of_base(len: u64) -> Self {
        Self(vec![Block::Base; block_count(len) as usize])
    }

    pub(crate) fn get(&self, index: BlockIndex) -> &Block {
        self.0.get(index.0 as usize).unwrap_or(&Block::Hole)
    }

    /// Puts a block in its place and returns the cell of the one it replaces.
    pub(crate) fn put(&mut self, index: BlockIndex, block: Block) -> Option<Cell> {
        let at = index.0 as usize;
        if at >= self.0.len() {
            if block == Block::Hole {
                return None;
            }
            self.0.resize(at + 1, Block::Hole);
        }
        let old = std::mem::replace(&mut self.0[at], block);
        old.stored().map(|stored| stored.cell)
    }

    /// Drops every block from `count` on and returns their cells.
    pub(crate) fn cut(&mut self, count: u32) -> Vec<Cell> {
        let count = (count as usize).min(self.0.len());
        self.0.split_off(count).iter().filter_map(|block| block.stored().map(|stored| stored.cell)).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (BlockIndex, &Block)> {
        self.0.iter().enumerate().map(|(index, block)| (BlockIndex(index as u32), block))
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        self.0.iter().filter_map(|block| block.stored().map(|stored| stored.cell))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        let mut rest = self.0.as_slice();
        while let Some(first) = rest.first() {
            let run = run_len(rest);
            encode_run(&mut out, first, &rest[..run]);
            rest = &rest[run..];
        }
        out.0
    }

    /// The inverse of [`Self::encode`]; `None` for what it never makes: too many blocks, a cell named twice.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut blocks, mut input) = (Vec::new(), Decoder(bytes));
        while !input.is_at_end() {
            decode_run(&mut input, &mut blocks)?;
        }
        let map = Self(blocks);
        let mut seen = HashSet::new();
        let is_once = map.cells().all(|cell| seen.insert(cell));
        is_once.then_some(map)
    }
}

/// How many blocks from the first on are noted as one.
fn run_len(blocks: &[Block]) -> usize {
    match &blocks[0] {
        Block::Stored(first) if first.len as usize == BLOCK => {
            let follows = |(n, block): &(usize, &Block)| match block {
                Block::Stored(next) => {
                    next.len == first.len && u64::from(next.cell.0) == u64::from(first.cell.0) + *n as u64
                }
                _ => false,
            };
            blocks.iter().enumerate().take_while(follows).count()
        }
        Block::Stored(_) | Block::Partial(_) => 1,
        first => blocks.iter().take_while(|block| *block == first).count(),
    }
}

fn encode_run(out: &mut Encoder, first: &Block, run: &[Block]) {
    let count = run.len() as u32;
    match first {
        Block::Hole => {
            out.u8(HOLE).u32(count);
        }
        Block::Base => {
            out.u8(BASE).u32(count);
        }
        Block::Stored(stored) if stored.len as usize == BLOCK => {
            out.u8(STORED).u32(count).u32(stored.cell.0);
            for stored in run.iter().filter_map(Block::stored) {
                out.bytes(&stored.tag);
            }
        }
        Block::Stored(stored) => encode_stored(out.u8(SHORT), stored),
        Block::Partial(partial) => {
            let (stored, written) = partial.as_ref();
            encode_stored(out.u8(PARTIAL), stored);
            out.u32(written.pairs().len() as u32);
            for (start, end) in written.pairs() {
                out.u16(*start as u16).u16((*end - 1) as u16);
            }
        }
    }
}

fn encode_stored(out: &mut Encoder, stored: &Stored) {
    out.u32(stored.cell.0).u32(stored.len).bytes(&stored.tag);
}

fn decode_run(input: &mut Decoder<'_>, blocks: &mut Vec<Block>) -> Option<()> {
    let room = block_count(MAX_LEN) as usize - blocks.len();
    match input.u8()? {
        HOLE => blocks.resize(blocks.len() + checked_count(input, room)?, Block::Hole),
        BASE => blocks.resize(blocks.len() + checked_count(input, room)?, Block::Base),
        STORED => {
            let (count, first) = (checked_count(input, room)?, input.u32()?);
            for cell in first..first.checked_add(count as u32)? {
                blocks.push(Block::Stored(Stored { cell: Cell(cell), len: BLOCK as u32, tag: input.array()? }));
            }
        }
        SHORT if room > 0 => blocks.push(Block::Stored(decode_stored(input)?)),
        PARTIAL if room > 0 => blocks.push(Block::Partial(Box::new((decode_stored(input)?, decode_ranges(input)?)))),
        _ => return None,
    }
    Some(())
}

fn checked_count(input: &mut Decoder<'_>, room: usize) -> Option<usize> {
    Some(input.u32()? as usize).filter(|count| (1..=room).contains(count))
}

fn decode_stored(input: &mut Decoder<'_>) -> Option<Stored> {
    let stored = Stored { cell: Cell(input.u32()?), len: input.u32()?, tag: input.array()? };
    (stored.len as usize <= BLOCK).then_some(stored)
}

fn decode_ranges(input: &mut Decoder<'_>) -> Option<Ranges> {
    let count = Some(input.u32()? as usize).filter(|count| *count <= BLOCK / 2)?;
    let pair = |_| Some((u32::from(input.u16()?), u32::from(input.u16()?) + 1));
    Ranges::from_pairs((0..count).map(pair).collect::<Option<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(cell: u32, len: usize) -> Stored {
        Stored { cell: Cell(cell), len: len as u32, tag: [cell as u8; 16] }
    }

    fn sample() -> BlockMap {
        let mut map = BlockMap::of_base(3 * BLOCK as u64);
        let mut written = Ranges::default();
        written.insert(&(0..1));
        written.insert(&(65_000..65_536));
        map.put(BlockIndex(1), Block::Partial(Box::new((stored(9, BLOCK), written))));
        for (index, cell) in [(5, 2), (6, 3), (7, 4), (8, 0)] {
            map.put(BlockIndex(index), Block::Stored(stored(cell, BLOCK)));
        }
        map.put(BlockIndex(9), Block::Stored(stored(7, 10)));
        map
    }

    #[test]
    fn a_map_survives_its_encoding() {
        let map = sample();
        assert_eq!(BlockMap::decode(&map.encode()), Some(map));
        assert_eq!(BlockMap::decode(&[]), Some(BlockMap::default()));
    }

    #[test]
    fn sizes_are_those_of_the_table() {
        let mut map = BlockMap::default();
        for index in 0..3 {
            map.put(BlockIndex(index), Block::Stored(stored(index, BLOCK)));
        }
        map.put(BlockIndex(3), Block::Stored(stored(3, 3392)));
        assert_eq!(map.encode().len(), 82);
        let gib: Vec<_> = (0..16_384).map(|index| Block::Stored(stored(index, BLOCK))).collect();
        assert_eq!(BlockMap(gib).encode().len(), 262_153);
    }

    #[test]
    fn no_bytes_make_decoding_panic_or_grow_without_bound() {
        let bytes = sample().encode();
        for cut in 0..bytes.len() {
            let _ = BlockMap::decode(&bytes[..cut]);
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let _ = BlockMap::decode(&changed);
        }
        let mut endless = Encoder::default();
        endless.u8(HOLE).u32(u32::MAX);
        assert_eq!(BlockMap::decode(&endless.0), None);
        let mut twice = Encoder::default();
        encode_stored(twice.u8(SHORT), &stored(1, 5));
        encode_stored(twice.u8(SHORT), &stored(1, 5));
        assert_eq!(BlockMap::decode(&twice.0), None);
    }
}
