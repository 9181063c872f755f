//! Opening a file that some process left: which of its two commits holds.
//!
//! ```text
//! head          slots                                  outcome
//! blank         second slot blank, none known durable  never committed
//! blank         otherwise                              corrupt
//! not ours      –                                      corrupt
//! valid         newest verifies                        committed, newest
//! valid         newest does not, known to be durable   corrupt: nothing is rolled back
//! valid         newest does not, the older does        committed, older
//! valid         none does, second slot blank           never committed (the first was under way)
//! valid         none does, otherwise                   corrupt
//! ```
//! The second slot is first written when the first is durable, so that its being blank tells that no commit ever was.

use super::budget::WriteBudget;
use super::cell_io::{CellError, CellIo, Wanted};
use super::cells::CellSpace;
use super::cipher::{CellCipher, Place};
use super::disk::Disk;
use super::error::VaultError;
use super::file::{LastCommit, Poison, SealedFile, State};
use super::head::open_head;
use super::layout::{BATCH, BLOCK, CELLS_AT, Generation, HEAD_LEN, NONCE, SLOT_LEN, TAG};
use super::map::{Block, BlockMap};
use super::record::CommitRecord;
use super::slot::{MapPlace, Slot, slot_offset};
use crate::base::PageBuf;
use crate::crypto::DeviceKey;
use std::sync::Arc;

/// What a file on disk turned out to be.
pub enum Opened {
    /// As of its last commit that holds.
    Committed { file: Box<SealedFile>, record: CommitRecord, generation: Generation },
    /// No commit of it ever returned. The record is that of a first one under way, if it can be read.
    NeverCommitted { has_cells: bool, record: Option<CommitRecord> },
    /// A commit that returned does not verify. Nothing was changed; the record is the newest that can be read.
    Corrupt { record: Option<CommitRecord> },
}

/// A commit found on disk, with its map read.
struct Found {
    place: usize,
    slot: Slot,
    map: BlockMap,
}

impl SealedFile {
    /// Opens what a disk holds. `known_durable` is the newest commit known from elsewhere to have returned: up to it
    /// nothing is rolled back, and a commit up to it is not read through (each block is verified when it is read).
    /// Any other commit is read through, and synced before it is built on.
    ///
    /// # Errors
    /// What the disk says; [`VaultError::Version`] for a format of a later version.
    pub fn open(
        disk: Box<dyn Disk>,
        device: &DeviceKey,
        known_durable: Option<Generation>,
        budget: &Arc<WriteBudget>,
    ) -> Result<Opened, VaultError> {
        let mut front = PageBuf::zeroed(CELLS_AT as usize);
        disk.read_at(0, &mut front)?;
        let has_cells = disk.size()? > CELLS_AT;
        let is_second_blank = front[HEAD_LEN + SLOT_LEN..].iter().all(|byte| *byte == 0);
        let ever_committed = known_durable.is_some() || !is_second_blank;
        let none = |record| match ever_committed {
            true => Opened::Corrupt { record },
            false => Opened::NeverCommitted { has_cells, record },
        };
        let cipher = match open_head(device, &front[..HEAD_LEN]) {
            Ok(Some(cipher)) => cipher,
            Ok(None) => return Ok(none(None)),
            Err(VaultError::Corrupt(_)) => return Ok(Opened::Corrupt { record: None }),
            Err(error) => return Err(error),
        };
        let slots = open_slots(&cipher, &front);
        let newest = slots.first().map(|(_, slot)| slot.clone());
        let Some(found) = choose(&*disk, &cipher, slots, known_durable)? else {
            return Ok(none(newest.map(|slot| slot.file.record)));
        };
        if known_durable < Some(found.slot.generation) {
            disk.sync_data()?;
        }
        let newest = newest.map_or(found.slot.generation, |slot| slot.generation);
        Self::of_commit(disk, cipher, budget, found, newest)
    }

    fn of_commit(
        disk: Box<dyn Disk>,
        cipher: CellCipher,
        budget: &Arc<WriteBudget>,
        found: Found,
        newest: Generation,
    ) -> Result<Opened, VaultError> {
        let Found { place, slot: Slot { generation, file, map: map_place }, map } = found;
        let state = State {
            len: file.len,
            base: file.base,
            base_limit: file.base_limit,
            cells: CellSpace::of_commit(map.cells(), map_place.pieces().iter().map(|piece| piece.cell)),
            map,
            poison: file.record.poisoned.then_some(Poison::Write),
            // Above both: a slot that does not verify must never be taken for a later one.
            next: Generation(newest.0 + 1),
            disk_end: disk.size()?,
            last: Some(LastCommit { generation, slot: place, record: file.record.clone(), map: map_place }),
            ..State::empty(None)
        };
        let file_record = file.record;
        let file = Box::new(Self::assemble(disk, cipher, budget, state));
        Ok(Opened::Committed { file, record: file_record, generation })
    }
}

/// The authentic slots, newest first.
pub(crate) fn open_slots(cipher: &CellCipher, front: &[u8]) -> Vec<(usize, Slot)> {
    let open = |place| {
        let start = slot_offset(place) as usize;
        Slot::open(cipher, place, &front[start..start + SLOT_LEN]).map(|slot| (place, slot))
    };
    let mut slots: Vec<_> = [0, 1].into_iter().filter_map(open).collect();
    slots.sort_by_key(|(_, slot)| std::cmp::Reverse(slot.generation));
    slots
}

/// The newest commit that holds, but none older than one known to be durable.
fn choose(
    disk: &dyn Disk,
    cipher: &CellCipher,
    slots: Vec<(usize, Slot)>,
    known_durable: Option<Generation>,
) -> Result<Option<Found>, VaultError> {
    for (place, slot) in slots {
        if Some(slot.generation) < known_durable {
            break;
        }
        let is_trusted = known_durable == Some(slot.generation);
        let Some(map) = read_map(disk, cipher, &slot.map)? else { continue };
        if is_trusted || holds(disk, cipher, &map)? {
            return Ok(Some(Found { place, slot, map }));
        }
    }
    Ok(None)
}

/// The map of a commit; `None` where a piece of it does not verify.
pub(crate) fn read_map(disk: &dyn Disk, cipher: &CellCipher, place: &MapPlace) -> Result<Option<BlockMap>, VaultError> {
    let (sealed_at, len, pieces) = match place {
        MapPlace::Inline(map) => return Ok(BlockMap::decode(map)),
        MapPlace::Pieces { sealed_at, len, pieces } => (*sealed_at, *len, pieces),
    };
    let mut map = Vec::with_capacity(len);
    for (number, piece) in pieces.iter().enumerate() {
        let text_len = (len - map.len()).min(BLOCK);
        let mut sealed = vec![0; NONCE + text_len + TAG];
        disk.read_at(piece.cell.offset(), &mut sealed)?;
        let place = Place::Map(sealed_at, number);
        let Ok(text) = cipher.open_cell(place, &mut sealed, text_len, Some(&piece.tag)) else { return Ok(None) };
        map.extend_from_slice(text);
    }
    Ok(BlockMap::decode(&map))
}

/// Whether every block of a commit verifies.
fn holds(disk: &dyn Disk, cipher: &CellCipher, map: &BlockMap) -> Result<bool, VaultError> {
    let (io, mut buf) = (CellIo { disk, cipher }, PageBuf::zeroed(BATCH * BLOCK));
    let mut blocks = map.iter().peekable();
    while let Some((index, block)) = blocks.next() {
        let Some(stored) = block.stored() else { continue };
        let wanted = Wanted { block: index, cell: stored.cell, len: stored.len as usize, tag: Some(&stored.tag) };
        if wanted.len < BLOCK {
            if !is_whole(io.read_one(wanted, |_| ()))? {
                return Ok(false);
            }
            continue;
        }
        let mut tags = vec![stored.tag];
        while let Some((_, Block::Stored(next))) = blocks.peek() {
            let follows = next.len as usize == BLOCK && next.cell.0 == stored.cell.0.saturating_add(tags.len() as u32);
            if !follows || tags.len() == BATCH {
                break;
            }
            tags.push(next.tag);
            blocks.next();
        }
        if !is_whole(io.read_run(index, stored.cell, &tags, &mut buf[..tags.len() * BLOCK]))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_whole(read: Result<(), CellError>) -> Result<bool, VaultError> {
    match read {
        Ok(()) => Ok(true),
        Err(CellError::Fault(..)) => Ok(false),
        Err(CellError::Disk(error)) => Err(error.into()),
    }
}
