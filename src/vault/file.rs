//! A sealed file while it is open: what all its handles share.

use super::budget::WriteBudget;
use super::cell_io::CellIo;
use super::cells::CellSpace;
use super::cipher::CellCipher;
use super::dirty::DirtyBlocks;
use super::disk::Disk;
use super::error::VaultError;
use super::head::make_head;
use super::layout::{BlockIndex, Generation, MAX_LEN, block_count};
use super::map::{Block, BlockMap};
use super::record::{Base, CommitRecord};
use super::slot::MapPlace;
use crate::base::VaultId;
use crate::base::sync::{Mutex, RwLock};
use crate::crypto::DeviceKey;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An encrypted local file with random access. One object per file and process, shared by all handles.
///
/// Lock order: `commits`, then `state`. The disk is read and written under `state`, synced under `commits` alone, so
/// that a slow sync stops neither readers nor writers.
pub struct SealedFile {
    pub(super) disk: Box<dyn Disk>,
    pub(super) cipher: CellCipher,
    pub(super) budget: Arc<WriteBudget>,
    /// `state.len`, to be had without the lock: attributes are asked for while a writer seals.
    pub(super) len: AtomicU64,
    /// Commits of one file take turns.
    pub(super) commits: Mutex<()>,
    pub(super) state: RwLock<State>,
    pub(super) tuning: Tuning,
}

/// Sizes that tests make small, so that small files reach every path.
#[derive(Clone, Copy)]
pub(super) struct Tuning {
    /// The longest map that stands in a slot, in bytes.
    pub(super) inline_map: usize,
    /// Blocks written from end to end are sealed when there are so many: one write for all of them.
    pub(super) batch: usize,
    /// Free bytes at the end of the file on disk that are worth a call to give them back.
    pub(super) trim: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { inline_map: usize::MAX, batch: super::layout::BATCH, trim: 1 << 20 }
    }
}

/// Why a file can never be uploaded (I14).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Poison {
    /// A write failed: the content has a hole nobody wanted. What there is can still be committed, with the flag.
    Write,
    /// A sync failed: the kernel may have forgotten what it did not write, and a later sync would not tell.
    Sync,
}

/// The last commit that is durable.
pub(super) struct LastCommit {
    pub(super) generation: Generation,
    pub(super) slot: usize,
    pub(super) record: CommitRecord,
    pub(super) map: MapPlace,
}

pub(super) struct State {
    /// The head, until a commit with it is durable.
    pub(super) head: Option<Vec<u8>>,
    pub(super) len: u64,
    pub(super) base: Option<Base>,
    /// How much of the base still counts; never beyond `len`.
    pub(super) base_limit: u64,
    pub(super) map: BlockMap,
    pub(super) dirty: DirtyBlocks,
    pub(super) cells: CellSpace,
    pub(super) poison: Option<Poison>,
    pub(super) frozen: bool,
    /// Content or length differ from what the newest commit, also one under way, holds.
    pub(super) changed: bool,
    pub(super) committing: bool,
    pub(super) last: Option<LastCommit>,
    pub(super) next: Generation,
    /// Sealed since writeback was last begun, on disk.
    pub(super) unhinted: Range<u64>,
    /// How far the file on disk was written.
    pub(super) disk_end: u64,
}

impl State {
    /// A file without content; with a head, one that is not written yet.
    pub(super) fn empty(head: Option<Vec<u8>>) -> Self {
        Self {
            head,
            len: 0,
            base: None,
            base_limit: 0,
            map: BlockMap::default(),
            dirty: DirtyBlocks::default(),
            cells: CellSpace::default(),
            poison: None,
            frozen: false,
            changed: false,
            committing: false,
            last: None,
            next: Generation(1),
            unhinted: 0..0,
            disk_end: 0,
        }
    }

    pub(super) fn check_writable(&self) -> Result<(), VaultError> {
        match (self.frozen, self.poison) {
            (true, _) => Err(VaultError::Frozen),
            (false, Some(_)) => Err(VaultError::Poisoned),
            (false, None) => Ok(()),
        }
    }

    /// Which bytes of a block are the old version's and not here.
    pub(super) fn missing_of(&self, index: BlockIndex) -> Vec<Range<usize>> {
        let share = 0..index.share_of(self.base_limit);
        let written = match (self.dirty.get(index), self.map.get(index)) {
            (Some(dirty), _) => dirty.written.as_ref(),
            (None, Block::Partial(partial)) => Some(&partial.1),
            (None, Block::Base) => return if share.is_empty() { Vec::new() } else { vec![share] },
            (None, Block::Hole | Block::Stored(_)) => None,
        };
        written.map_or_else(Vec::new, |written| written.missing(&share))
    }
}

impl SealedFile {
    /// A new file on an empty disk. Nothing is written until blocks are sealed or a commit is asked for.
    pub fn create(disk: Box<dyn Disk>, device: &DeviceKey, id: VaultId, budget: &Arc<WriteBudget>) -> Self {
        let (cipher, head) = make_head(device, id);
        Self::assemble(disk, cipher, budget, State::empty(Some(head)))
    }

    pub(super) fn assemble(disk: Box<dyn Disk>, cipher: CellCipher, budget: &Arc<WriteBudget>, state: State) -> Self {
        Self {
            disk,
            cipher,
            budget: Arc::clone(budget),
            len: AtomicU64::new(state.len),
            commits: Mutex::new(()),
            state: RwLock::new(state),
            tuning: Tuning::default(),
        }
    }

    pub fn id(&self) -> VaultId {
        self.cipher.id()
    }

    /// Bytes of plaintext.
    pub fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is content that no durable commit covers.
    pub fn is_dirty(&self) -> bool {
        let state = self.state.read();
        state.changed || state.committing
    }

    /// The last durable commit.
    pub fn generation(&self) -> Option<Generation> {
        self.state.read().last.as_ref().map(|last| last.generation)
    }

    /// The last durable commit, with what it said.
    pub fn last_commit(&self) -> Option<(CommitRecord, Generation)> {
        self.state.read().last.as_ref().map(|last| (last.record.clone(), last.generation))
    }

    /// The version this file overwrites.
    pub fn base(&self) -> Option<Base> {
        self.state.read().base
    }

    /// Marks a failed write (I14). Only [`Self::truncate`] to nothing takes it back.
    pub fn poison(&self) {
        self.state.write().poison.get_or_insert(Poison::Write);
    }

    pub fn is_poisoned(&self) -> bool {
        self.state.read().poison.is_some()
    }

    /// From here on the content cannot change (I2); its record still can.
    pub fn freeze(&self) {
        self.state.write().frozen = true;
    }

    /// Lets an empty file start from an old version: same length, no byte of it here.
    ///
    /// # Errors
    /// [`VaultError::NotEmpty`], [`VaultError::TooLong`], or that it is poisoned or frozen.
    pub fn start_from(&self, base: Base) -> Result<(), VaultError> {
        let mut state = self.state.write();
        state.check_writable()?;
        if state.len > 0 {
            return Err(VaultError::NotEmpty);
        }
        if base.len > MAX_LEN {
            return Err(VaultError::TooLong);
        }
        state.base = Some(base);
        state.base_limit = base.len;
        state.map = BlockMap::of_base(base.len);
        self.set_len(&mut state, base.len);
        Ok(())
    }

    /// The ranges of the old version that are needed and not here, in order, joined where they touch.
    pub fn missing_base(&self) -> Vec<Range<u64>> {
        let state = self.state.read();
        let mut missing: Vec<Range<u64>> = Vec::new();
        for index in (0..block_count(state.base_limit)).map(BlockIndex) {
            for range in state.missing_of(index) {
                let range = index.start() + range.start as u64..index.start() + range.end as u64;
                match missing.last_mut() {
                    Some(last) if last.end == range.start => last.end = range.end,
                    _ => missing.push(range),
                }
            }
        }
        missing
    }

    pub(super) fn cell_io(&self) -> CellIo<'_> {
        CellIo { disk: &*self.disk, cipher: &self.cipher }
    }

    /// Sets the length and notes that there is something to commit.
    pub(super) fn set_len(&self, state: &mut State, len: u64) {
        state.len = len;
        state.changed = true;
        self.len.store(len, Ordering::Relaxed);
    }
}
