//! doc
mod budget;
mod cell_io;
mod cells;
mod cipher;
mod codec;
mod commit;
mod dirty;
mod disk;
mod error;
mod file;
mod head;
mod layout;
mod map;
mod ranges;
mod read;
mod record;
mod recover;
mod slot;
mod sparse;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use cell_io::CellError;
pub(crate) use cipher::CellFault;
pub(crate) use layout::{CELLS_AT, Cell, STRIDE};
pub(crate) use sparse::{SealedRun, SparseFile};

pub use budget::WriteBudget;
pub use disk::{Disk, FileDisk};
pub use error::VaultError;
pub use file::SealedFile;
pub use layout::{BLOCK, BlockIndex, Generation, MAX_LEN};
pub use read::{Read, SealedReader};
pub use record::{Base, CommitRecord, MAX_PATH};
pub use recover::Opened;
