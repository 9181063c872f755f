//! A sealed file in the cache: the same layout, but any block may be absent and nothing is durable.
//!
//! A file made here has block *i* in cell *i* and blank slots. One that comes from the spool has its committed map,
//! unless that says the same. The binding in the head tells which, and for what content: see [`Binding`].
//!
//! A block is taken as it verifies; the map's tags are not asked for, because a block that was dropped and fetched
//! again is sealed anew. In the spool they tell an older sealing from the one committed; here no older one is left:
//! cells that the map does not name are punched when the file comes in.

use super::cell_io::{CellError, CellIo, Source, Stage, Wanted, copy_from};
use super::cells::CellSpace;
use super::cipher::{CellCipher, Place};
use super::disk::{Disk, FileDisk};
use super::error::VaultError;
use super::head::{Binding, make_head, open_head};
use super::layout::{
    BATCH, BLOCK, BlockIndex, CELLS_AT, Cell, HEAD_LEN, MAX_LEN, SLOT_LEN, STRIDE, block_count, padded_len,
};
use super::map::{Block, BlockMap};
use super::recover::{open_slots, read_map};
use super::slot::Slot;
use crate::base::PageBuf;
use crate::base::VaultId;
use crate::crypto::{DeviceKey, random};
use std::io;
use std::ops::Range;

/// Where a file's blocks are.
enum Layout {
    /// Block *i* in cell *i*.
    Straight,
    /// As its last commit in the spool said; the cells of the map's own pieces are to be kept.
    Mapped { map: BlockMap, pieces: Vec<Cell> },
}

/// A sealed file any block of which may be absent.
pub(crate) struct SparseFile {
    disk: FileDisk,
    cipher: CellCipher,
    layout: Layout,
    len: u64,
}

/// Sealed blocks on their way into cells that follow one another.
pub(crate) struct SealedRun {
    stage: Stage,
    pub(crate) blocks: Range<u32>,
    pub(crate) cells: Range<Cell>,
    /// Bytes they take on disk.
    pub(crate) disk_bytes: u64,
}

impl SparseFile {
    /// A file without any block, for the content that the cache calls `key`.
    ///
    /// # Errors
    /// What the disk says; [`VaultError::TooLong`].
    pub(crate) fn create(disk: FileDisk, device: &DeviceKey, key: [u8; 16], len: u64) -> Result<Self, VaultError> {
        if len > MAX_LEN {
            return Err(VaultError::TooLong);
        }
        let (cipher, mut head) = make_head(device, VaultId(random()));
        Binding { key, len, map: None }.put(&cipher, &mut head);
        disk.write_at(0, &head)?;
        Ok(Self { disk, cipher, layout: Layout::Straight, len })
    }

    /// Opens the file of a content.
    ///
    /// # Errors
    /// What the disk says; [`VaultError::Corrupt`] or [`VaultError::Version`] for a file that is not this content's,
    /// or does not verify. It is to be dropped then.
    pub(crate) fn open(disk: FileDisk, device: &DeviceKey, key: [u8; 16]) -> Result<Self, VaultError> {
        let front = read_front(&disk)?;
        let cipher = open_cipher(device, &front)?;
        let binding = Binding::open(&cipher, &front[..HEAD_LEN]).filter(|binding| binding.key == key);
        let binding = binding.ok_or(VaultError::Corrupt("it is not bound to the content it is named after"))?;
        let layout = match binding.map {
            None => Layout::Straight,
            Some(generation) => {
                let slot = open_slots(&cipher, &front).into_iter().find(|(_, slot)| slot.generation == generation);
                mapped(&disk, &cipher, &slot.ok_or(VaultError::Corrupt("its commit is damaged"))?.1)?
            }
        };
        Ok(Self { disk, cipher, layout, len: binding.len })
    }

    /// Takes a file over that was committed in the spool and is closed.
    ///
    /// # Errors
    /// What the disk says; [`VaultError::Corrupt`] where its newest commit does not verify, [`VaultError::Poisoned`],
    /// [`VaultError::BaseMissing`]. It is to be dropped then.
    pub(crate) fn adopt(disk: FileDisk, device: &DeviceKey, key: [u8; 16]) -> Result<Self, VaultError> {
        let front = read_front(&disk)?;
        let cipher = open_cipher(device, &front)?;
        let slot = newest_slot(&cipher, &front)?;
        if slot.file.record.poisoned {
            return Err(VaultError::Poisoned);
        }
        let len = slot.file.len;
        let (layout, map) = match mapped(&disk, &cipher, &slot)? {
            Layout::Mapped { map, .. } if is_straight(&map, len) => (Layout::Straight, None),
            layout => (layout, Some(slot.generation)),
        };
        let file = Self { disk, cipher, layout, len };
        file.punch_unnamed()?;
        Binding { key, len, map }.write(&file.cipher, &file.disk)?;
        Ok(file)
    }

    /// Bytes of plaintext.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn disk(&self) -> &FileDisk {
        &self.disk
    }

    /// The cell of a block; `None` for a hole, which is never absent.
    pub(crate) fn cell_of(&self, block: BlockIndex) -> Option<Cell> {
        match &self.layout {
            Layout::Straight => Some(Cell(block.0)),
            Layout::Mapped { map, .. } => map.get(block).stored().map(|stored| stored.cell),
        }
    }

    /// Bytes of plaintext in a block's cell.
    fn text_len(&self, block: BlockIndex) -> usize {
        match &self.layout {
            Layout::Straight => block.share_of(self.len),
            Layout::Mapped { map, .. } => map.get(block).stored().map_or(0, |stored| stored.len as usize),
        }
    }

    /// Bytes that a block takes on disk.
    pub(crate) fn disk_len(&self, block: BlockIndex) -> u64 {
        self.cell_of(block).map_or(0, |_| padded_len(self.text_len(block)) as u64)
    }

    fn cell_io(&self) -> CellIo<'_> {
        CellIo { disk: &self.disk, cipher: &self.cipher }
    }

    /// Reads plaintext; the range lies within the file.
    ///
    /// # Errors
    /// The first block that is absent or does not verify; what the disk says.
    pub(crate) fn read_range(&self, offset: u64, out: &mut [u8]) -> Result<(), CellError> {
        self.cell_io().read_range(offset, out, |block| match self.cell_of(block) {
            Some(cell) => Source::Cell(cell, self.text_len(block), None),
            None => Source::Zeros,
        })
    }

    /// Reads plaintext of one block whose cell the kernel has in memory; the range lies within the file.
    ///
    /// # Errors
    /// `WouldBlock` where it has not, or the range is in more than one block; else as [`Self::read_range`].
    pub(crate) fn read_resident(&self, offset: u64, out: &mut [u8]) -> Result<(), CellError> {
        let block = BlockIndex::of(offset);
        let within = (offset - block.start()) as usize;
        if within + out.len() > BLOCK {
            return Err(io::Error::from(io::ErrorKind::WouldBlock).into());
        }
        let Some(cell) = self.cell_of(block) else {
            out.fill(0);
            return Ok(());
        };
        let wanted = Wanted { block, cell, len: self.text_len(block), tag: None };
        self.cell_io().read_one_resident(wanted, |text| copy_from(text, within, out))
    }

    /// Seals blocks from `first` on, as many as lie in cells that follow one another, sixteen at most. `data` begins
    /// with the first block and ends with a whole block or the file.
    pub(crate) fn seal_run(&self, first: BlockIndex, data: &[u8]) -> Option<SealedRun> {
        let start = self.cell_of(first)?;
        let (mut stage, mut count) = (Stage::new(), 0);
        for text in data.chunks(BLOCK).take(BATCH) {
            let block = BlockIndex(first.0 + count);
            if self.cell_of(block) != Some(Cell(start.0 + count)) {
                break;
            }
            // A mapped block may be stored shorter than its share: the rest is zeros.
            let text = &text[..text.len().min(self.text_len(block))];
            stage.push(&self.cipher, Place::Block(block), text);
            count += 1;
        }
        let (blocks, cells) = (first.0..first.0 + count, start..Cell(start.0 + count));
        let disk_bytes = blocks.clone().map(|block| self.disk_len(BlockIndex(block))).sum();
        Some(SealedRun { stage, blocks, cells, disk_bytes })
    }

    /// Writes what [`Self::seal_run`] made.
    ///
    /// # Errors
    /// What the disk says; some of the blocks may not verify then.
    pub(crate) fn write_run(&self, run: &SealedRun) -> io::Result<()> {
        self.disk.write_at(run.cells.start.offset(), run.stage.bytes())
    }

    /// Which cells may hold blocks: all others are surely absent.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn present_cells(&self) -> io::Result<Vec<Range<Cell>>> {
        let is_own = |cells: &Range<Cell>| cells.start < cells.end;
        Ok(self.disk.data_ranges()?.iter().map(cells_within).filter(is_own).collect())
    }

    /// Makes cells absent and gives their room back; the map's own pieces stay. Returns the bytes those take.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn punch(&self, cells: Range<Cell>) -> io::Result<u64> {
        let pieces = match &self.layout {
            Layout::Straight => &[][..],
            Layout::Mapped { pieces, .. } => pieces,
        };
        let (mut at, mut kept) = (cells.start, 0);
        for piece in pieces.iter().filter(|piece| cells.contains(piece)) {
            self.punch_run(at..*piece)?;
            at = piece.next();
            kept += STRIDE as u64;
        }
        self.punch_run(at..cells.end)?;
        Ok(kept)
    }

    /// [`Self::punch`] of the `extent`-th run of `cells` cells.
    pub(crate) fn punch_extent(&self, extent: u32, cells: u32) -> io::Result<u64> {
        self.punch(Cell(extent.saturating_mul(cells))..Cell((extent + 1).saturating_mul(cells)))
    }

    fn punch_run(&self, cells: Range<Cell>) -> io::Result<()> {
        if cells.start >= cells.end {
            return Ok(());
        }
        self.disk.punch(cells.start.offset()..cells.end.offset())
    }

    /// Gives back what no block uses: free cells, and in a straight file the slots and the map's pieces.
    fn punch_unnamed(&self) -> Result<(), VaultError> {
        let (used, end) = match &self.layout {
            Layout::Straight => {
                self.disk.punch(HEAD_LEN as u64..CELLS_AT)?;
                (CellSpace::default(), Cell(block_count(self.len)))
            }
            Layout::Mapped { map, pieces } => {
                let space = CellSpace::of_commit(map.cells(), pieces.iter().copied());
                let end = space.end();
                (space, end)
            }
        };
        for run in used.free_runs() {
            self.punch_run(run)?;
        }
        Ok(self.disk.set_len(self.disk.size()?.min(end.offset()))?)
    }
}

fn read_front(disk: &FileDisk) -> io::Result<PageBuf> {
    let mut front = PageBuf::zeroed(CELLS_AT as usize);
    disk.read_at(0, &mut front)?;
    Ok(front)
}

fn open_cipher(device: &DeviceKey, front: &[u8]) -> Result<CellCipher, VaultError> {
    open_head(device, &front[..HEAD_LEN])?.ok_or(VaultError::Corrupt("it has no head"))
}

/// The newest commit; a slot that was written and does not verify may have been a newer one.
fn newest_slot(cipher: &CellCipher, front: &[u8]) -> Result<Slot, VaultError> {
    let written = front[HEAD_LEN..].chunks(SLOT_LEN).filter(|slot| slot.iter().any(|byte| *byte != 0)).count();
    let slots = open_slots(cipher, front);
    let newest = if slots.len() == written { slots.into_iter().next() } else { None };
    newest.map(|(_, slot)| slot).ok_or(VaultError::Corrupt("a commit of it is damaged"))
}

fn mapped(disk: &FileDisk, cipher: &CellCipher, slot: &Slot) -> Result<Layout, VaultError> {
    let map = read_map(disk, cipher, &slot.map)?.ok_or(VaultError::Corrupt("its map is damaged"))?;
    let is_here = |block: &Block| matches!(block, Block::Hole | Block::Stored(_));
    if !map.iter().all(|(_, block)| is_here(block)) {
        return Err(VaultError::BaseMissing);
    }
    let mut pieces: Vec<Cell> = slot.map.pieces().iter().map(|piece| piece.cell).collect();
    pieces.sort_unstable();
    Ok(Layout::Mapped { map, pieces })
}

/// Whether every block is whole and in the cell of its own number, as in a file made here.
fn is_straight(map: &BlockMap, len: u64) -> bool {
    let is_own = |index: BlockIndex| {
        map.get(index)
            .stored()
            .is_some_and(|stored| stored.cell == Cell(index.0) && stored.len as usize == index.share_of(len))
    };
    (0..block_count(len)).map(BlockIndex).all(is_own)
}

/// The cells whose nonce lies in a range of the disk.
fn cells_within(range: &Range<u64>) -> Range<Cell> {
    let cell = |offset: u64| {
        let cells = offset.saturating_sub(CELLS_AT).div_ceil(STRIDE as u64);
        Cell(u32::try_from(cells).unwrap_or(u32::MAX))
    };
    cell(range.start)..cell(range.end)
}

#[cfg(test)]
impl SparseFile {
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self.layout, Layout::Mapped { .. })
    }
}
