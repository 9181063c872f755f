use crate::base::Ino;
use crate::store::StoreError;
use thiserror::Error;

/// Why a directory cannot be looked at.
#[derive(Debug, Error)]
pub enum NamespaceError {
    #[error("there is no such directory")]
    NotDirectory,
    /// Its first pull is not complete (I13).
    #[error("the album {0:?} is not pulled completely yet")]
    Untrusted(Ino),
    #[error(transparent)]
    Store(#[from] StoreError),
}
