//! Blocks that were written and not yet sealed.

use super::budget::BlockBuf;
use super::layout::{BLOCK, BlockIndex};
use super::ranges::Ranges;
use std::collections::BTreeMap;
use std::ops::Range;

/// The plaintext of a block. Bytes beyond the end of the file are zero.
pub(crate) struct DirtyBlock {
    pub(crate) buf: BlockBuf,
    /// What of it is known, where the rest is the old version's; `None`: all of it.
    pub(crate) written: Option<Ranges>,
    /// How far it was written from its start without a gap: a block written from end to end is sealed early,
    /// because nobody is likely to write it again.
    run: usize,
}

impl DirtyBlock {
    pub(crate) fn new(buf: BlockBuf, written: Option<Ranges>) -> Self {
        Self { buf, written, run: 0 }
    }

    /// Writes into the block; `base_share` is how many of its bytes the old version has.
    pub(crate) fn write(&mut self, within: &Range<usize>, data: &[u8], base_share: usize) {
        self.buf[within.clone()].copy_from_slice(data);
        if within.start <= self.run {
            self.run = self.run.max(within.end);
        }
        if let Some(written) = &mut self.written {
            written.insert(within);
        }
        self.settle(base_share);
    }

    /// Cuts the block where the file ends now, and with it the old version's share.
    pub(crate) fn cut(&mut self, end: usize, base_share: usize) {
        self.buf[end..].fill(0);
        self.run = self.run.min(end);
        self.settle(base_share);
    }

    fn settle(&mut self, base_share: usize) {
        if self.written.as_ref().is_some_and(|written| written.covers(&(0..base_share))) {
            self.written = None;
        }
    }

    fn is_complete(&self) -> bool {
        self.run == BLOCK
    }
}

/// All of one file's.
#[derive(Default)]
pub(crate) struct DirtyBlocks {
    blocks: BTreeMap<BlockIndex, DirtyBlock>,
    complete: usize,
}

impl DirtyBlocks {
    pub(crate) fn get(&self, index: BlockIndex) -> Option<&DirtyBlock> {
        self.blocks.get(&index)
    }

    /// Changes a block in place.
    pub(crate) fn change(&mut self, index: BlockIndex, change: impl FnOnce(&mut DirtyBlock)) {
        if let Some(block) = self.blocks.get_mut(&index) {
            let before = usize::from(block.is_complete());
            change(block);
            self.complete = self.complete - before + usize::from(block.is_complete());
        }
    }

    pub(crate) fn insert(&mut self, index: BlockIndex, block: DirtyBlock) {
        self.remove(index);
        self.complete += usize::from(block.is_complete());
        self.blocks.insert(index, block);
    }

    pub(crate) fn remove(&mut self, index: BlockIndex) {
        if let Some(block) = self.blocks.remove(&index) {
            self.complete -= usize::from(block.is_complete());
        }
    }

    /// Drops every block from `index` on.
    pub(crate) fn cut(&mut self, index: BlockIndex) {
        let gone = self.blocks.split_off(&index);
        self.complete -= gone.values().filter(|block| block.is_complete()).count();
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// How many were written from end to end.
    pub(crate) fn complete(&self) -> usize {
        self.complete
    }

    pub(crate) fn all(&self) -> Vec<BlockIndex> {
        self.blocks.keys().copied().collect()
    }

    pub(crate) fn all_complete(&self) -> Vec<BlockIndex> {
        self.blocks.iter().filter(|(_, block)| block.is_complete()).map(|(index, _)| *index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::WriteBudget;
    use super::*;

    #[test]
    fn a_block_is_complete_when_written_from_end_to_end() {
        let budget = WriteBudget::new(1 << 20);
        let mut blocks = DirtyBlocks::default();
        blocks.insert(BlockIndex(0), DirtyBlock::new(budget.take_zeroed(), Some(Ranges::default())));
        let half = vec![1; BLOCK / 2];
        blocks.change(BlockIndex(0), |block| block.write(&(BLOCK / 2..BLOCK), &half, BLOCK));
        assert_eq!(blocks.complete(), 0, "a gap is left");
        blocks.change(BlockIndex(0), |block| block.write(&(0..BLOCK / 2), &half, BLOCK));
        assert!(blocks.get(BlockIndex(0)).unwrap().written.is_none(), "nothing of the old version is left");
        assert_eq!(blocks.complete(), 0, "written backwards: nobody knows what comes next");
        blocks.change(BlockIndex(0), |block| block.write(&(BLOCK / 2..BLOCK), &half, BLOCK));
        assert_eq!((blocks.complete(), blocks.all_complete()), (1, vec![BlockIndex(0)]));
        blocks.cut(BlockIndex(0));
        assert_eq!((blocks.complete(), blocks.len(), budget.used()), (0, 0, 0));
    }

    #[test]
    fn the_end_of_the_old_version_is_all_that_must_be_written() {
        let budget = WriteBudget::new(1 << 20);
        let mut block = DirtyBlock::new(budget.take_zeroed(), Some(Ranges::default()));
        block.write(&(10..100), &[1; 90], 50);
        assert!(block.written.is_some());
        block.cut(20, 20);
        block.write(&(0..10), &[1; 10], 20);
        assert!(block.written.is_none());
    }
}
