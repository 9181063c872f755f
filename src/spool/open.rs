//! Opening a file that is known to have been committed.

use super::error::SpoolError;
use super::file::SpoolFile;
use super::spool::{Found, Spool};
use crate::base::{Generation, VaultId};
use crate::vault::VaultError;
use std::sync::Arc;

impl Spool {
    /// The file of a row. `known_durable` as in [`Spool::open_file`].
    ///
    /// # Errors
    /// As [`Spool::open_file`]; [`VaultError::Corrupt`] for one that no commit is found in.
    pub fn open_committed(&self, id: VaultId, known_durable: Option<Generation>) -> Result<Arc<SpoolFile>, SpoolError> {
        match self.open_file(id, known_durable)? {
            Found::File(file) => Ok(file),
            Found::NeverCommitted { .. } => Err(VaultError::Corrupt("nothing was ever committed to it").into()),
            Found::Corrupt { .. } => Err(VaultError::Corrupt("its last commit does not verify").into()),
        }
    }
}
