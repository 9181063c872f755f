//! Why an import does not go on.

use crate::spool::SpoolError;
use crate::store::StoreError;
use crate::upload::StepError;
use crate::vault::VaultError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ImportError {
    #[error("{path}: {error}", path = path.display())]
    Source { path: PathBuf, error: io::Error },
    #[error("{path} is no zip archive that can be read: {error}", path = path.display())]
    Archive { path: PathBuf, error: zip::result::ZipError },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Step(#[from] StepError),
    #[error("{0}")]
    Spool(#[from] SpoolError),
    #[error("{0}")]
    Vault(#[from] VaultError),
    /// It was told to stop; begun again it goes on.
    #[error("it was stopped")]
    Stopped,
}
