//! Commits: blocks, map, then the slot that is not the last durable one, then one sync.
//!
//! ```text
//!            begin (under state)                       sync (state free)
//!  open ─────────────────────────▶ under way ────────────────────────────▶ durable
//!    ▲   seal, map, slot: written        │ failed: poisoned, cells held,     │
//!    └───────────────────────────────────┴── the durable slot stays ─────────┘
//! ```
//! What is written while a commit is under way goes into cells it does not name, and belongs to the next one.

use super::cell_io::{CellError, Stage};
use super::cipher::Place;
use super::error::VaultError;
use super::file::{LastCommit, Poison, SealedFile, State};
use super::layout::{BLOCK, Generation, Tag};
use super::record::{CommitRecord, FileRecord};
use super::slot::{MapPiece, MapPlace, Slot, inline_room, slot_offset};

impl SealedFile {
    /// Makes content and record durable, with one sync; free where both are already. The bytes of every write that
    /// returned before the call are in it.
    ///
    /// A file that is poisoned by a failed write is committed with that flag, so that nobody takes it for whole after
    /// a restart.
    ///
    /// # Errors
    /// What the disk says; the file is poisoned then, and the last durable commit stays what it was.
    /// [`VaultError::Poisoned`] after a failed sync, [`VaultError::RecordTooLarge`].
    pub fn commit(&self, record: &CommitRecord) -> Result<Generation, VaultError> {
        let _turn = self.commits.lock();
        let begun = match self.begin_commit(record)? {
            Begun::Durable(generation) => return Ok(generation),
            Begun::UnderWay(commit) => commit,
        };
        match self.disk.sync_data() {
            Ok(()) => Ok(self.end_commit(begun)),
            Err(error) => {
                self.fail_commit();
                Err(error.into())
            }
        }
    }

    fn begin_commit(&self, record: &CommitRecord) -> Result<Begun, VaultError> {
        let mut state = self.state.write();
        if record.poisoned {
            state.poison.get_or_insert(Poison::Write);
        }
        if state.poison == Some(Poison::Sync) {
            return Err(VaultError::Poisoned);
        }
        let record = CommitRecord { poisoned: state.poison.is_some(), ..record.clone() };
        if let Some(last) = state.last.as_ref().filter(|last| !state.changed && last.record == record) {
            return Ok(Begun::Durable(last.generation));
        }
        let written = self.write_commit(&mut state, record);
        match &written {
            Ok(_) => (state.changed, state.committing) = (false, true),
            Err(error) => {
                state.cells.fail();
                // A record that does not fit is the caller's to mend; nothing is lost by it.
                if !matches!(error, VaultError::RecordTooLarge(_)) {
                    state.poison.get_or_insert(Poison::Write);
                }
            }
        }
        written.map(Begun::UnderWay)
    }

    /// Everything but the sync.
    fn write_commit(&self, state: &mut State, record: CommitRecord) -> Result<LastCommit, VaultError> {
        let file = FileRecord { record, len: state.len, base: state.base, base_limit: state.base_limit };
        let record_len = file.encode()?.0.len();
        self.seal_blocks(state, &state.dirty.all())?;
        let generation = state.next;
        state.next = Generation(generation.0 + 1);
        let map = self.write_map(state, generation, inline_room(record_len))?;
        let slot = state.last.as_ref().map_or(0, |last| 1 - last.slot);
        let commit = Slot { generation, file, map };
        let sealed = commit.seal(&self.cipher, slot)?;
        state.cells.begin(commit.map.pieces().iter().map(|piece| piece.cell));
        self.write_slot(state, slot, sealed)?;
        Ok(LastCommit { generation, slot, record: commit.file.record, map: commit.map })
    }

    /// The head goes with the first slot, in one write: until a commit is durable there is nothing to lose.
    fn write_slot(&self, state: &mut State, slot: usize, sealed: Vec<u8>) -> Result<(), VaultError> {
        let (offset, bytes) = match &state.head {
            Some(head) => (0, [head.as_slice(), &sealed].concat()),
            None => (slot_offset(slot), sealed),
        };
        self.disk.write_at(offset, &bytes)?;
        state.disk_end = state.disk_end.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// The map's place for this commit: where the last one has it if nothing changed, else the slot, else cells.
    fn write_map(&self, state: &mut State, generation: Generation, room: usize) -> Result<MapPlace, VaultError> {
        if let Some(LastCommit { map: place @ MapPlace::Pieces { .. }, .. }) = &state.last
            && !state.changed
        {
            return Ok(place.clone());
        }
        let map = state.map.encode();
        if map.len() <= room.min(self.tuning.inline_map) {
            return Ok(MapPlace::Inline(map));
        }
        let mut pieces = Vec::with_capacity(map.len().div_ceil(BLOCK));
        for (number, text) in map.chunks(BLOCK).enumerate() {
            let cell = state.cells.take_for_map();
            let mut stage = Stage::new();
            let tag: Tag = stage.push(&self.cipher, Place::Map(generation, number), text);
            self.disk.write_at(cell.offset(), stage.bytes()).map_err(CellError::from)?;
            state.disk_end = state.disk_end.max(cell.offset() + stage.bytes().len() as u64);
            pieces.push(MapPiece { cell, tag });
        }
        Ok(MapPlace::Pieces { sealed_at: generation, len: map.len(), pieces })
    }

    fn end_commit(&self, commit: LastCommit) -> Generation {
        let mut state = self.state.write();
        let generation = commit.generation;
        state.cells.succeed();
        state.head = None;
        state.last = Some(commit);
        state.committing = false;
        self.trim(&mut state);
        generation
    }

    fn fail_commit(&self) {
        let mut state = self.state.write();
        state.poison = Some(Poison::Sync);
        state.cells.fail();
        state.committing = false;
        state.changed = true;
    }

    /// Gives back the end of the file on disk where nothing names it any more. A failure costs room only.
    fn trim(&self, state: &mut State) {
        let end = state.cells.end().offset();
        if state.disk_end.saturating_sub(end) >= self.tuning.trim && self.disk.set_len(end).is_ok() {
            state.disk_end = end;
            state.unhinted = end..end;
        }
    }
}

enum Begun {
    /// Nothing to do: this commit covers it.
    Durable(Generation),
    UnderWay(LastCommit),
}
