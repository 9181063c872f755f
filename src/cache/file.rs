//! One content in the cache: the blocks of it that are here.

use super::index::{Contents, EXTENT_CELLS, Gate};
use super::key::CacheKey;
use super::shared::Shared;
use crate::base::sync::{Mutex, RwLock};
use crate::vault::{BLOCK, BlockIndex, Cell, CellError, CellFault, Disk, MAX_LEN, SealedRun, SparseFile};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sequential readers have so much read ahead for them, in bytes on disk,
const READ_AHEAD: u64 = 4 << 20;
/// whenever they come past a multiple of this.
const READ_STEP: u64 = 2 << 20;

/// What a read found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CacheRead {
    /// So many bytes were filled: all that was asked for, up to the end of the content.
    Hit(usize),
    /// The first blocks of the range that are not here, in bytes of the content; nothing was filled.
    Miss(Range<u64>),
}

/// A content, shared by all that read it. Opened at the first use, made at the first block that is put in.
///
/// Lock order: `gate`, then `state`, then a file's cells, then the index.
pub struct CachedFile {
    shared: Arc<Shared>,
    key: CacheKey,
    len: u64,
    /// What changes the file on disk takes turns by this.
    gate: Gate,
    state: RwLock<State>,
    /// Where the last read ended.
    read_up_to: AtomicU64,
}

enum State {
    Unopened,
    Absent,
    Open(Arc<OpenFile>),
}

/// The file on disk, and which of its cells may hold a block.
pub(super) struct OpenFile {
    sparse: SparseFile,
    present: Mutex<Cells>,
}

/// A set of cells.
#[derive(Default)]
struct Cells(Vec<u64>);

impl Cells {
    fn contains(&self, cell: Cell) -> bool {
        self.0.get(cell.0 as usize / 64).is_some_and(|word| word & 1 << (cell.0 % 64) != 0)
    }

    fn insert(&mut self, cell: Cell) {
        let at = cell.0 as usize / 64;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (cell.0 % 64);
    }

    /// Whether it was in.
    fn remove(&mut self, cell: Cell) -> bool {
        let was_in = self.contains(cell);
        if was_in {
            self.0[cell.0 as usize / 64] &= !(1 << (cell.0 % 64));
        }
        was_in
    }
}

impl OpenFile {
    fn new(sparse: SparseFile) -> io::Result<Self> {
        let mut present = Cells::default();
        // No content has a cell beyond this; a file that was tampered with may have any length.
        let most = MAX_LEN / BLOCK as u64 * 2;
        for cells in sparse.present_cells()? {
            let end = cells.end.0.min(most as u32);
            (cells.start.0..end).for_each(|cell| present.insert(Cell(cell)));
        }
        Ok(Self { sparse, present: Mutex::new(present) })
    }

    fn is_present(&self, block: BlockIndex) -> bool {
        self.sparse.cell_of(block).is_none_or(|cell| self.present.lock().contains(cell))
    }

    /// The first run of blocks within `blocks` that are not here.
    fn first_missing(&self, blocks: Range<u32>) -> Option<Range<u32>> {
        let present = self.present.lock();
        let is_missing =
            |block: &u32| self.sparse.cell_of(BlockIndex(*block)).is_some_and(|cell| !present.contains(cell));
        let start = blocks.clone().find(is_missing)?;
        let end = (start..blocks.end).find(|block| !is_missing(block)).unwrap_or(blocks.end);
        Some(start..end)
    }

    /// The cells of these blocks, from the lowest to the highest.
    fn cells_of(&self, blocks: Range<u32>) -> Range<u32> {
        let cells = blocks.filter_map(|block| self.sparse.cell_of(BlockIndex(block)));
        let span = |all: Option<Range<u32>>, cell: Cell| match all {
            None => Some(cell.0..cell.0 + 1),
            Some(all) => Some(all.start.min(cell.0)..all.end.max(cell.0 + 1)),
        };
        cells.fold(None, span).unwrap_or_default()
    }
}

fn blocks_of(range: &Range<u64>) -> Range<u32> {
    BlockIndex::of(range.start).0..BlockIndex::of(range.end + BLOCK as u64 - 1).0
}

impl CachedFile {
    pub(super) fn new(shared: Arc<Shared>, key: CacheKey, len: u64, gate: Gate) -> Arc<Self> {
        let (state, read_up_to) = (RwLock::new(State::Unopened), AtomicU64::new(u64::MAX));
        Arc::new(Self { shared, key, len, gate, state, read_up_to })
    }

    /// Bytes of the content.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn clip(&self, offset: u64, len: usize) -> Range<u64> {
        offset..offset.saturating_add(len as u64).min(self.len).max(offset)
    }

    fn bytes_of(&self, blocks: Range<u32>) -> Range<u64> {
        BlockIndex(blocks.start).start()..BlockIndex(blocks.end).start().min(self.len)
    }

    /// Reads from `offset` on. Every byte given out was verified (I4); a block that does not verify is dropped and
    /// counts as missing.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> CacheRead {
        let range = self.clip(offset, buf.len());
        if range.is_empty() {
            return CacheRead::Hit(0);
        }
        let blocks = blocks_of(&range);
        let Some(open) = self.opened() else { return CacheRead::Miss(self.bytes_of(blocks)) };
        if let Some(missing) = open.first_missing(blocks.clone()) {
            return CacheRead::Miss(self.bytes_of(missing));
        }
        let out = &mut buf[..(range.end - range.start) as usize];
        let failed = match open.sparse.read_range(range.start, out) {
            Ok(()) => {
                self.note_read(&open, range.clone(), blocks);
                return CacheRead::Hit(out.len());
            }
            Err(error) => error,
        };
        out.fill(0);
        CacheRead::Miss(self.bytes_of(self.drop_unreadable(&open, blocks, &failed)))
    }

    /// As [`Self::read_at`], for a few bytes that the kernel has in memory: never waits for the disk. `None` where it
    /// would have to, and where something is wrong: [`Self::read_at`] sees to that.
    pub fn read_resident(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let range = self.clip(offset, buf.len());
        let open = self.current().flatten()?;
        let blocks = blocks_of(&range);
        if range.is_empty() || open.first_missing(blocks.clone()).is_some() {
            return None;
        }
        let out = &mut buf[..(range.end - range.start) as usize];
        open.sparse.read_resident(range.start, out).ok()?;
        self.note_read(&open, range, blocks);
        Some(out.len())
    }

    /// Drops what could not be read, and tells what is missing now.
    fn drop_unreadable(&self, open: &Arc<OpenFile>, blocks: Range<u32>, failed: &CellError) -> Range<u32> {
        match failed {
            CellError::Fault(block, fault) => {
                self.drop_block(open, *block, *fault);
                block.0..block.0 + 1
            }
            CellError::Disk(error) => {
                tracing::warn!(%error, "the cache could not be read; the bytes are fetched again");
                blocks.clone().for_each(|block| self.drop_block(open, BlockIndex(block), CellFault::Damaged));
                blocks
            }
        }
    }

    fn drop_block(&self, open: &Arc<OpenFile>, block: BlockIndex, fault: CellFault) {
        let _turn = self.gate.lock();
        let Some(cell) = open.sparse.cell_of(block) else { return };
        // Out already: it was evicted while we read.
        if !open.present.lock().remove(cell) {
            return;
        }
        if fault == CellFault::Damaged {
            self.shared.count_damaged(self.key, block);
        }
        // Where the hole cannot be made, the block is at least not in the set, and is written over.
        let _ = open.sparse.punch(cell..cell.next());
        self.shared.index.lock().sub(self.key, cell.0, open.sparse.disk_len(block));
    }

    fn note_read(&self, open: &OpenFile, range: Range<u64>, blocks: Range<u32>) {
        let cells = open.cells_of(blocks);
        self.shared.index.lock().touch(self.key, &cells);
        let is_sequential = self.read_up_to.swap(range.end, Ordering::Relaxed) == range.start;
        let is_next_step = range.start / READ_STEP != range.end / READ_STEP;
        if is_sequential && is_next_step {
            let from = Cell(cells.end).offset();
            open.sparse.disk().will_read(from..from + READ_AHEAD);
        }
    }

    /// Whether all blocks of a range are here, as far as is known without reading them.
    pub fn present(&self, range: Range<u64>) -> bool {
        let range = range.start..range.end.min(self.len);
        range.is_empty() || self.opened().is_some_and(|open| open.first_missing(blocks_of(&range)).is_none())
    }

    /// Puts verified bytes in: whole blocks from a block's start on, the last one up to the end of the content.
    /// Blocks that are here already are left as they are. `false` where there is no room for them or the disk refuses:
    /// no error, they are fetched again next time.
    pub fn write_blocks(&self, offset: u64, data: &[u8]) -> bool {
        let range = self.clip(offset, data.len());
        let is_aligned =
            offset.is_multiple_of(BLOCK as u64) && (data.len().is_multiple_of(BLOCK) || range.end == self.len);
        debug_assert!(is_aligned, "{offset} {}", data.len());
        if !is_aligned || range.is_empty() || self.len > MAX_LEN || !self.shared.accepts() {
            return range.is_empty();
        }
        let Some(open) = self.opened_or_made() else { return false };
        let blocks = blocks_of(&range);
        let mut at = blocks.start;
        while let Some(missing) = open.first_missing(at..blocks.end) {
            let from = (BlockIndex(missing.start).start() - range.start) as usize;
            let to = (self.bytes_of(missing.clone()).end - range.start) as usize;
            let Some(run) = open.sparse.seal_run(BlockIndex(missing.start), &data[from..to.min(data.len())]) else {
                return false;
            };
            at = run.blocks.end;
            if !self.write_run(&open, &run) {
                return false;
            }
        }
        true
    }

    fn write_run(&self, open: &Arc<OpenFile>, run: &SealedRun) -> bool {
        if !self.shared.make_room(run.disk_bytes) {
            return false;
        }
        let _turn = self.gate.lock();
        let is_current = matches!(&*self.state.read(), State::Open(current) if Arc::ptr_eq(current, open));
        let is_new = !run.blocks.clone().any(|block| open.is_present(BlockIndex(block)));
        if !is_current || !is_new {
            // Somebody else put some of them in meanwhile, or the file is gone.
            self.shared.index.lock().give_back(run.disk_bytes);
            return is_current;
        }
        if let Err(error) = open.sparse.write_run(run) {
            let _ = open.sparse.punch(run.cells.clone());
            self.shared.index.lock().give_back(run.disk_bytes);
            self.shared.note_failure(&error);
            return false;
        }
        let mut present = open.present.lock();
        let mut index = self.shared.index.lock();
        for block in run.blocks.clone().map(BlockIndex) {
            if let Some(cell) = open.sparse.cell_of(block) {
                present.insert(cell);
                index.add(self.key, Some(cell.0), open.sparse.disk_len(block));
            }
        }
        true
    }

    /// Keeps the blocks of a range from eviction as long as the guard lives.
    pub fn pin(self: &Arc<Self>, range: Range<u64>) -> Pin {
        let range = range.start..range.end.min(self.len).max(range.start);
        let blocks = blocks_of(&range);
        let cells = self.opened().map_or(blocks.clone(), |open| open.cells_of(blocks));
        self.shared.index.lock().pin(self.key, &cells);
        Pin { file: Arc::clone(self), cells }
    }

    fn current(&self) -> Option<Option<Arc<OpenFile>>> {
        match &*self.state.read() {
            State::Unopened => None,
            State::Absent => Some(None),
            State::Open(open) => Some(Some(Arc::clone(open))),
        }
    }

    fn opened(&self) -> Option<Arc<OpenFile>> {
        self.current().unwrap_or_else(|| {
            let _turn = self.gate.lock();
            self.open_under_gate()
        })
    }

    fn open_under_gate(&self) -> Option<Arc<OpenFile>> {
        if let Some(current) = self.current() {
            return current;
        }
        let found = self.shared.open_sparse(self.key, Some(self.len)).and_then(|sparse| self.enter(sparse));
        *self.state.write() = found.clone().map_or(State::Absent, State::Open);
        found
    }

    /// Takes a file on disk in, with what is in it.
    fn enter(&self, sparse: SparseFile) -> Option<Arc<OpenFile>> {
        let ranges = sparse.disk().data_ranges().ok()?;
        let open = OpenFile::new(sparse).ok()?;
        self.shared.index.lock().enroll(self.key, &Contents::of_ranges(&ranges));
        self.shared.mark_used(open.sparse.disk());
        Some(Arc::new(open))
    }

    fn opened_or_made(&self) -> Option<Arc<OpenFile>> {
        if let Some(open) = self.opened() {
            return Some(open);
        }
        if !self.shared.make_room(Shared::HEAD_BYTES) {
            return None;
        }
        let _turn = self.gate.lock();
        let made = match self.open_under_gate() {
            Some(open) => Err(Some(open)),
            None => self.shared.create_sparse(self.key, self.len).map_err(|()| None),
        };
        match made.and_then(|sparse| OpenFile::new(sparse).map_err(|_| None)) {
            Ok(open) => {
                let open = Arc::new(open);
                self.shared.index.lock().add(self.key, None, Shared::HEAD_BYTES);
                *self.state.write() = State::Open(Arc::clone(&open));
                Some(open)
            }
            Err(instead) => {
                self.shared.index.lock().give_back(Shared::HEAD_BYTES);
                instead
            }
        }
    }

    /// Evicts an extent of cells. Under the gate, and only where the file is open; `None` where it is not.
    pub(super) fn punch_extent(&self, extent: u32) -> Option<io::Result<u64>> {
        let open = self.current().flatten()?;
        let mut present = open.present.lock();
        for cell in extent * EXTENT_CELLS..(extent + 1) * EXTENT_CELLS {
            present.remove(Cell(cell));
        }
        drop(present);
        Some(open.sparse.punch_extent(extent, EXTENT_CELLS))
    }

    /// The file on disk is another one now, or none. Under the gate.
    pub(super) fn forget(&self) {
        *self.state.write() = State::Unopened;
    }
}

/// Keeps blocks from eviction.
pub struct Pin {
    file: Arc<CachedFile>,
    cells: Range<u32>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.file.shared.index.lock().unpin(self.file.key, &self.cells);
    }
}
