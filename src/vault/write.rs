//! Writing: into memory, and from there into cells of the open generation.

use super::cell_io::{CellError, Stage};
use super::cipher::Place;
use super::dirty::DirtyBlock;
use super::error::VaultError;
use super::file::{Poison, SealedFile, State};
use super::layout::{BATCH, BLOCK, BlockIndex, Cell, MAX_LEN, Piece, Tag, block_count, pieces};
use super::map::{Block, Stored};
use super::ranges::Ranges;
use std::ops::Range;

/// Writeback is begun after so many sealed bytes, so that the commit at the end has little left to wait for.
const WRITEBACK_STRIDE: u64 = 8 << 20;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// A block on its way into a cell.
#[derive(Clone, Copy)]
struct Target {
    block: BlockIndex,
    cell: Cell,
}

impl SealedFile {
    /// Writes from `offset` on, extending the file where it ends before. Durable after the next commit.
    ///
    /// # Errors
    /// What the disk says, where blocks had to be sealed or read; the file is poisoned then, as any part may be
    /// written. [`VaultError::TooLong`], [`VaultError::Poisoned`], [`VaultError::Frozen`].
    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VaultError> {
        self.change(|state| self.write_pieces(state, offset, data))
    }

    /// A change to the content; a failure in the midst of it poisons the file.
    fn change(&self, change: impl FnOnce(&mut State) -> Result<(), VaultError>) -> Result<(), VaultError> {
        let mut state = self.state.write();
        state.check_writable()?;
        let result = change(&mut state);
        if result.is_err() {
            state.poison.get_or_insert(Poison::Write);
        }
        result
    }

    fn write_pieces(&self, state: &mut State, offset: u64, data: &[u8]) -> Result<(), VaultError> {
        let end = offset.checked_add(data.len() as u64).filter(|end| *end <= MAX_LEN).ok_or(VaultError::TooLong)?;
        for piece in pieces(offset, data.len()) {
            self.write_piece(state, &piece, &data[piece.at.clone()])?;
            let len = state.len.max(piece.start() + piece.at.len() as u64);
            self.set_len(state, len);
            self.seal_early(state)?;
        }
        debug_assert!(data.is_empty() || state.len >= end);
        Ok(())
    }

    fn write_piece(&self, state: &mut State, piece: &Piece, data: &[u8]) -> Result<(), VaultError> {
        if state.dirty.get(piece.block).is_none() {
            let block = self.load_block(state, piece)?;
            state.dirty.insert(piece.block, block);
        }
        let base_share = piece.block.share_of(state.base_limit);
        state.dirty.change(piece.block, |block| block.write(&piece.within, data, base_share));
        state.changed = true;
        Ok(())
    }

    /// The block to be written into: what it holds now, unless all of it is written over.
    fn load_block(&self, state: &State, piece: &Piece) -> Result<DirtyBlock, VaultError> {
        if piece.is_whole() {
            return Ok(DirtyBlock::new(self.budget.take(), None));
        }
        let block = state.map.get(piece.block);
        let Some(stored) = block.stored() else {
            let written = (*block == Block::Base).then(Ranges::default);
            return Ok(DirtyBlock::new(self.budget.take_zeroed(), written));
        };
        let mut buf = self.budget.take();
        self.read_stored(piece.block, &stored, |text| {
            buf[..text.len()].copy_from_slice(text);
            buf[text.len()..].fill(0);
        })?;
        let written = match block {
            Block::Partial(partial) => Some(partial.1.clone()),
            _ => None,
        };
        Ok(DirtyBlock::new(buf, written))
    }

    /// Cuts or extends the file. Cutting it to nothing takes a poisoning back (I14).
    ///
    /// # Errors
    /// As [`Self::write_at`], but a failure changes nothing.
    pub fn truncate(&self, len: u64) -> Result<(), VaultError> {
        let mut state = self.state.write();
        if len == 0 && !state.frozen {
            self.clear(&mut state);
            state.poison = None;
            return Ok(());
        }
        state.check_writable()?;
        if len > MAX_LEN {
            return Err(VaultError::TooLong);
        }
        if len < state.len {
            self.cut(&mut state, len)?;
        }
        if len != state.len {
            self.set_len(&mut state, len);
        }
        Ok(())
    }

    /// Extends the file to `len` if it is shorter (`fallocate`). No room is set aside: what it takes is known only
    /// when it is written.
    ///
    /// # Errors
    /// As [`Self::truncate`].
    pub fn extend(&self, len: u64) -> Result<(), VaultError> {
        if len > self.len() { self.truncate(len) } else { self.state.read().check_writable() }
    }

    /// Lets go of all bytes; the file stays poisoned. For a file that grew beyond what may be uploaded.
    pub fn discard(&self) {
        let mut state = self.state.write();
        self.clear(&mut state);
        state.poison.get_or_insert(Poison::Write);
    }

    fn clear(&self, state: &mut State) {
        let is_changed = state.len > 0 || state.poison.is_some();
        state.dirty.cut(BlockIndex(0));
        for cell in state.map.cut(0) {
            state.cells.release(cell);
        }
        state.base_limit = 0;
        if is_changed {
            self.set_len(state, 0);
        }
    }

    fn cut(&self, state: &mut State, len: u64) -> Result<(), VaultError> {
        let (last, end) = (BlockIndex::of(len), (len % BLOCK as u64) as usize);
        if end > 0 {
            self.cut_block(state, last, end)?;
        }
        state.dirty.cut(BlockIndex(block_count(len)));
        for cell in state.map.cut(block_count(len)) {
            state.cells.release(cell);
        }
        state.base_limit = state.base_limit.min(len);
        Ok(())
    }

    /// The block in which the file ends now: what it has beyond must read as zeros if the file grows again.
    fn cut_block(&self, state: &mut State, block: BlockIndex, end: usize) -> Result<(), VaultError> {
        if state.dirty.get(block).is_none() {
            let is_long = |stored: Stored| stored.len as usize > end;
            if !state.map.get(block).stored().is_some_and(is_long) {
                return Ok(());
            }
            let loaded = self.load_block(state, &Piece { block, within: 0..end, at: 0..end })?;
            state.dirty.insert(block, loaded);
        }
        let base_share = block.share_of(state.base_limit).min(end);
        state.dirty.change(block, |dirty| dirty.cut(end, base_share));
        Ok(())
    }

    /// Makes a range read as zeros (`FALLOC_FL_PUNCH_HOLE`, `FALLOC_FL_ZERO_RANGE`) without changing the length.
    ///
    /// # Errors
    /// As [`Self::write_at`].
    pub fn punch(&self, range: Range<u64>) -> Result<(), VaultError> {
        self.change(|state| {
            let len = range.end.min(state.len).saturating_sub(range.start) as usize;
            pieces(range.start, len).try_for_each(|piece| self.punch_piece(state, &piece))
        })
    }

    fn punch_piece(&self, state: &mut State, piece: &Piece) -> Result<(), VaultError> {
        let is_hole = state.dirty.get(piece.block).is_none() && *state.map.get(piece.block) == Block::Hole;
        if is_hole {
            return Ok(());
        }
        if piece.within.start == 0 && piece.within.end == piece.block.share_of(state.len) {
            state.dirty.remove(piece.block);
            let old = state.map.put(piece.block, Block::Hole);
            old.into_iter().for_each(|cell| state.cells.release(cell));
            state.changed = true;
            return Ok(());
        }
        self.write_piece(state, piece, &ZEROS[..piece.within.len()])?;
        self.seal_early(state)
    }

    /// Fills in bytes of the old version where they are still needed; what was written since stays.
    ///
    /// # Errors
    /// As [`Self::write_at`].
    pub fn fill_base(&self, offset: u64, data: &[u8]) -> Result<(), VaultError> {
        self.change(|state| {
            pieces(offset, data.len()).try_for_each(|piece| self.fill_piece(state, &piece, &data[piece.at.clone()]))
        })
    }

    fn fill_piece(&self, state: &mut State, piece: &Piece, data: &[u8]) -> Result<(), VaultError> {
        for missing in state.missing_of(piece.block) {
            let within = missing.start.max(piece.within.start)..missing.end.min(piece.within.end);
            if within.is_empty() {
                continue;
            }
            let from = within.start - piece.within.start;
            let part = Piece { block: piece.block, within: within.clone(), at: from..from + within.len() };
            self.write_piece(state, &part, &data[part.at.clone()])?;
        }
        self.seal_early(state)
    }

    /// Seals what nobody is likely to write again, or everything where memory is short.
    fn seal_early(&self, state: &mut State) -> Result<(), VaultError> {
        if self.budget.is_over() || state.dirty.len() > self.budget.share() {
            self.seal_blocks(state, &state.dirty.all())
        } else if state.dirty.complete() >= self.tuning.batch {
            self.seal_blocks(state, &state.dirty.all_complete())
        } else {
            Ok(())
        }
    }

    /// Seals dirty blocks into cells of the open generation.
    pub(super) fn seal_blocks(&self, state: &mut State, blocks: &[BlockIndex]) -> Result<(), VaultError> {
        for blocks in blocks.chunks(BATCH) {
            let targets: Vec<Target> = blocks.iter().map(|block| self.target_of(state, *block)).collect();
            let result = targets
                .chunk_by(|one, next| one.cell.next() == next.cell)
                .try_for_each(|group| self.seal_group(state, group));
            if let Err(error) = result {
                release_unused(state, &targets);
                return Err(error.into());
            }
        }
        self.begin_writeback(state);
        Ok(())
    }

    /// A block keeps the cell it has in the open generation; no other commit names that one.
    fn target_of(&self, state: &mut State, block: BlockIndex) -> Target {
        let own = state.map.get(block).stored().map(|stored| stored.cell);
        let cell = own.filter(|cell| state.cells.is_rewritable(*cell)).unwrap_or_else(|| state.cells.take());
        Target { block, cell }
    }

    fn seal_group(&self, state: &mut State, group: &[Target]) -> Result<(), CellError> {
        let (mut stage, mut sealed) = (Stage::new(), Vec::with_capacity(group.len()));
        for target in group {
            let dirty = state.dirty.get(target.block).expect("only dirty blocks are sealed");
            let text = &dirty.buf[..target.block.share_of(state.len)];
            sealed.push((*target, text.len(), stage.push(&self.cipher, Place::Block(target.block), text)));
        }
        let start = group.first().map_or(0, |target| target.cell.offset());
        self.disk.write_at(start, stage.bytes())?;
        let end = start + stage.bytes().len() as u64;
        state.disk_end = state.disk_end.max(end);
        state.unhinted = if state.unhinted.end == start { state.unhinted.start..end } else { start..end };
        sealed.into_iter().for_each(|(target, len, tag)| note_sealed(state, target, len, tag));
        Ok(())
    }

    fn begin_writeback(&self, state: &mut State) {
        if state.unhinted.end - state.unhinted.start >= WRITEBACK_STRIDE {
            self.disk.start_writeback(state.unhinted.clone());
            state.unhinted = state.unhinted.end..state.unhinted.end;
        }
    }
}

/// A block is in its cell: the map names it, and the cell it had is given back.
fn note_sealed(state: &mut State, target: Target, len: usize, tag: Tag) {
    let written = state.dirty.get(target.block).and_then(|dirty| dirty.written.clone());
    state.dirty.remove(target.block);
    let stored = Stored { cell: target.cell, len: len as u32, tag };
    let block = written.map_or(Block::Stored(stored), |written| Block::Partial(Box::new((stored, written))));
    if let Some(old) = state.map.put(target.block, block).filter(|old| *old != target.cell) {
        state.cells.release(old);
    }
}

/// Gives cells back that were taken for blocks that did not reach them.
fn release_unused(state: &mut State, targets: &[Target]) {
    for target in targets {
        if state.map.get(target.block).stored().map(|stored| stored.cell) != Some(target.cell) {
            state.cells.release(target.cell);
        }
    }
}
