//! Which cells may be written. A committed byte is never overwritten: a cell is free only when neither the last
//! durable commit, nor one under way, nor the content in memory names it.
//!
//! ```text
//!            take               begin                succeed
//!   (free) ────────▶ OPEN ───────────────▶ COMMITTING ────────▶ DURABLE
//!      ▲   release    │        fail            │                   │
//!      ├──────────────┴────────────────────────┘                   │
//!      └──────── a success that does not name it ──────────────────┘
//! ```
//! The three are flags of one cell: a block that stays as it is, is of the open generation and of the durable one. A
//! commit that failed may be on the disk all the same; its cells may be written nevertheless, because recovery takes
//! a commit that is not known to be durable only if every block of it verifies.

use super::layout::Cell;

const OPEN: u8 = 1;
const COMMITTING: u8 = 2;
const DURABLE: u8 = 4;

/// The use of every cell of one file.
#[derive(Default, Debug)]
pub(crate) struct CellSpace {
    uses: Vec<u8>,
    /// No cell below is free.
    lowest: usize,
}

impl CellSpace {
    /// The cells of a file whose last durable commit is known: `content` by its map, `extents` by its slot.
    pub(crate) fn of_commit(content: impl Iterator<Item = Cell>, extents: impl Iterator<Item = Cell>) -> Self {
        let mut space = Self::default();
        for cell in content {
            *space.at(cell) = OPEN | DURABLE;
        }
        for cell in extents {
            *space.at(cell) = DURABLE;
        }
        space
    }

    fn at(&mut self, cell: Cell) -> &mut u8 {
        let index = cell.0 as usize;
        if index >= self.uses.len() {
            self.uses.resize(index + 1, 0);
        }
        &mut self.uses[index]
    }

    /// The lowest free cell, for a block of the open generation.
    pub(crate) fn take(&mut self) -> Cell {
        self.take_as(OPEN)
    }

    /// The lowest free cell, for a piece of the map of the commit under way.
    pub(crate) fn take_for_map(&mut self) -> Cell {
        self.take_as(COMMITTING)
    }

    fn take_as(&mut self, what: u8) -> Cell {
        let free = self.uses[self.lowest..].iter().position(|uses| *uses == 0);
        let index = free.map_or(self.uses.len(), |at| at + self.lowest);
        self.lowest = index + 1;
        let cell = Cell(index as u32);
        *self.at(cell) = what;
        cell
    }

    /// The content in memory names this cell no longer.
    pub(crate) fn release(&mut self, cell: Cell) {
        let uses = self.at(cell);
        *uses &= !OPEN;
        if *uses == 0 {
            self.lowest = self.lowest.min(cell.0 as usize);
        }
    }

    /// Whether a block of the open generation may be sealed into the cell it has.
    pub(crate) fn is_rewritable(&self, cell: Cell) -> bool {
        self.uses.get(cell.0 as usize) == Some(&OPEN)
    }

    /// A commit of the content in memory, and of `extents` kept from the last one, is under way.
    pub(crate) fn begin(&mut self, extents: impl Iterator<Item = Cell>) {
        for uses in self.uses.iter_mut().filter(|uses| **uses & OPEN != 0) {
            *uses |= COMMITTING;
        }
        for cell in extents {
            *self.at(cell) |= COMMITTING;
        }
    }

    /// The commit under way is durable: what only earlier ones named is free.
    pub(crate) fn succeed(&mut self) {
        for uses in &mut self.uses {
            let durable = if *uses & COMMITTING == 0 { 0 } else { DURABLE };
            *uses = *uses & OPEN | durable;
        }
        let used = self.uses.iter().rposition(|uses| *uses != 0).map_or(0, |last| last + 1);
        self.uses.truncate(used);
        self.lowest = 0;
    }

    /// The commit under way is given up.
    pub(crate) fn fail(&mut self) {
        for uses in &mut self.uses {
            *uses &= !COMMITTING;
        }
        self.lowest = 0;
    }

    /// The cell behind the last one in use.
    pub(crate) fn end(&self) -> Cell {
        Cell(self.uses.len() as u32)
    }

    /// Runs of cells below [`Self::end`] that nothing names.
    pub(crate) fn free_runs(&self) -> Vec<std::ops::Range<Cell>> {
        let mut runs: Vec<std::ops::Range<Cell>> = Vec::new();
        for (index, _) in self.uses.iter().enumerate().filter(|(_, uses)| **uses == 0) {
            let cell = Cell(index as u32);
            match runs.last_mut() {
                Some(run) if run.end == cell => run.end = cell.next(),
                _ => runs.push(cell..cell.next()),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_a_commit_is_free_only_after_a_later_one_succeeded() {
        let mut space = CellSpace::default();
        assert_eq!([space.take(), space.take()], [Cell(0), Cell(1)]);
        space.begin([].into_iter());
        space.release(Cell(0));
        assert_eq!(space.take(), Cell(2), "under way");
        space.succeed();
        assert_eq!(space.take(), Cell(3), "durable");
        assert!(!space.is_rewritable(Cell(1)) && space.is_rewritable(Cell(2)));
        space.begin([].into_iter());
        space.fail();
        assert_eq!(space.take(), Cell(4), "still durable");
        space.begin([].into_iter());
        space.succeed();
        assert_eq!(space.take(), Cell(0));
    }

    #[test]
    fn map_pieces_live_as_long_as_their_commit() {
        let mut space = CellSpace::default();
        let block = space.take();
        let extent = space.take_for_map();
        space.begin([extent].into_iter());
        space.succeed();
        space.begin([extent].into_iter());
        space.succeed();
        assert_eq!((space.end(), space.free_runs()), (Cell(2), vec![]), "kept by the second commit");
        space.begin([].into_iter());
        space.succeed();
        assert_eq!((space.end(), block), (Cell(1), Cell(0)));
    }

    #[test]
    fn runs_of_free_cells_are_found() {
        let used = [0, 3, 4, 8].map(Cell);
        let space = CellSpace::of_commit(used.into_iter(), [].into_iter());
        assert_eq!(space.free_runs(), vec![Cell(1)..Cell(3), Cell(5)..Cell(8)]);
    }
}
