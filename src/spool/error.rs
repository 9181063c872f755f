use crate::base::VaultId;
use crate::vault::VaultError;
use std::io;
use thiserror::Error;

/// Why bytes could not be taken in, or a spool file not be found again.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// The disk is full, or at the floor that is kept free on it.
    #[error("no room on the disk of the state directory (some of it is kept free; see `reserve`)")]
    NoSpace,
    /// The disk is mounted read-only, or has become so after an error.
    #[error("the disk of the state directory is read-only")]
    ReadOnly,
    /// Anything else the disk says.
    #[error("could not {what} in the spool: {source}")]
    Io { what: &'static str, source: io::Error },
    /// No such file; somebody else removed it.
    #[error("the spool file {0:?} is gone")]
    Missing(VaultId),
    /// The file says that it is another one: it was renamed or copied by somebody else.
    #[error("the spool file {0:?} holds another file's bytes")]
    Misnamed(VaultId),
    /// The file cannot leave the spool while a handle reads or writes it.
    #[error("the spool file {0:?} is open")]
    InUse(VaultId),
    /// A file cannot be renamed to where it should go; copy it or let it go.
    #[error("the cache is on another filesystem than the spool")]
    OtherFilesystem,
    /// The sealed file itself.
    #[error(transparent)]
    Vault(VaultError),
}

impl SpoolError {
    /// For `map_err`: what was tried, in the words of "could not …".
    pub(crate) fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Io { what, source },
        }
    }

    /// The same for one file.
    pub(crate) fn of(what: &'static str, id: VaultId) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(id),
            io::ErrorKind::CrossesDevices => Self::OtherFilesystem,
            _ => Self::io(what)(source),
        }
    }
}

impl From<VaultError> for SpoolError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::NoSpace => Self::NoSpace,
            VaultError::ReadOnly => Self::ReadOnly,
            VaultError::Io(source) => Self::Io { what: "read or write a file", source },
            other => Self::Vault(other),
        }
    }
}
