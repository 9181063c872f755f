//! What can go wrong with a file operation, and the errno the caller sees: chosen here and nowhere else.

use crate::namespace::NamespaceError;
use crate::spool::SpoolError;
use crate::store::StoreError;
use crate::tree::Refusal;
use crate::vault::VaultError;
use std::io;
use thiserror::Error;

/// Why an operation failed.
#[derive(Debug, Error)]
pub enum VfsError {
    #[error("no such entry")]
    NotFound,
    #[error("refused: {0:?}")]
    Refused(Refusal),
    #[error("the mount is read-only")]
    ReadOnly,
    #[error("the staging disk is full, or at the reserve that is kept free")]
    NoSpace,
    #[error("the Ente account is full")]
    Quota,
    #[error("Ente takes no files over 10 GiB")]
    TooBig,
    #[error("the file is remembered, but deleted in Ente and no longer in the cache")]
    DeletedInEnte,
    #[error("not cached, and Ente did not answer in time: {0}")]
    Offline(String),
    #[error("the bytes do not verify")]
    Damaged,
    #[error("the name is gone; look again")]
    Stale,
    #[error("no such attribute")]
    NoAttribute,
    #[error("not supported here")]
    Unsupported,
    #[error("not a handle of this mount")]
    BadHandle,
    #[error("an earlier write to this file failed; write it anew")]
    Poisoned,
    #[error("the copy became a link to the photo; open it by its name to write")]
    PassedOn,
    #[error("the value is too large")]
    TooLarge,
    #[error("an original that is not here, asked for by a thumbnailer or indexer")]
    NotForPreviews,
    #[error("invalid argument")]
    Invalid,
    #[error(transparent)]
    Namespace(NamespaceError),
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Vault(VaultError),
    #[error(transparent)]
    Spool(SpoolError),
}

pub type VfsResult<T> = Result<T, VfsError>;

/// How loud a failure is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loudness {
    Debug,
    Info,
    Warn,
    Error,
}

impl VfsError {
    /// The errno and the log level (architecture 6).
    pub fn errno(&self) -> (i32, Loudness) {
        use Loudness::{Debug, Error, Info, Warn};
        match self {
            Self::NotFound => (libc::ENOENT, Debug),
            Self::Refused(refusal) => errno_of_refusal(*refusal),
            Self::ReadOnly => (libc::EROFS, Info),
            Self::NoSpace => (libc::ENOSPC, Warn),
            Self::Quota => (libc::EDQUOT, Warn),
            Self::TooBig => (libc::EFBIG, Info),
            Self::DeletedInEnte => (libc::ENODATA, Info),
            Self::Stale => (libc::ESTALE, Debug),
            Self::NoAttribute => (libc::ENODATA, Debug),
            Self::Offline(_) => (libc::EIO, Warn),
            Self::Damaged | Self::Poisoned => (libc::EIO, Error),
            Self::Unsupported => (libc::EOPNOTSUPP, Debug),
            Self::BadHandle => (libc::EBADF, Error),
            Self::PassedOn => (libc::EIO, Info),
            Self::TooLarge => (libc::ERANGE, Debug),
            Self::NotForPreviews => (libc::EACCES, Debug),
            Self::Invalid => (libc::EINVAL, Debug),
            Self::Namespace(NamespaceError::NotDirectory) => (libc::ENOENT, Debug),
            Self::Namespace(NamespaceError::Untrusted(_)) => (libc::EIO, Warn),
            Self::Namespace(NamespaceError::Store(error)) | Self::Store(error) => errno_of_store(error),
            Self::Vault(error) | Self::Spool(SpoolError::Vault(error)) => errno_of_vault(error),
            Self::Spool(SpoolError::NoSpace) => (libc::ENOSPC, Warn),
            Self::Spool(SpoolError::ReadOnly) => (libc::EROFS, Warn),
            Self::Spool(_) => (libc::EIO, Error),
        }
    }
}

fn errno_of_refusal(refusal: Refusal) -> (i32, Loudness) {
    match refusal {
        Refusal::FixedPlace | Refusal::WouldDestroy | Refusal::OneName | Refusal::Foreign => {
            (libc::EPERM, Loudness::Info)
        }
        // Said aloud once, when the brake begins to hold.
        Refusal::TooManyRemovals => (libc::EPERM, Loudness::Debug),
        Refusal::ReadOnlyAlbum => (libc::EROFS, Loudness::Info),
        Refusal::AcrossTrees => (libc::EXDEV, Loudness::Debug),
        Refusal::NameTooLong => (libc::ENAMETOOLONG, Loudness::Info),
        Refusal::InvalidName => (libc::EINVAL, Loudness::Info),
        Refusal::Exists => (libc::EEXIST, Loudness::Debug),
        Refusal::NotEmpty => (libc::ENOTEMPTY, Loudness::Info),
        Refusal::BeingWritten => (libc::EBUSY, Loudness::Info),
        Refusal::IsDirectory => (libc::EISDIR, Loudness::Debug),
        Refusal::NotDirectory => (libc::ENOTDIR, Loudness::Debug),
    }
}

fn errno_of_store(error: &StoreError) -> (i32, Loudness) {
    if error.is_full() { (libc::ENOSPC, Loudness::Warn) } else { (libc::EIO, Loudness::Error) }
}

fn errno_of_vault(error: &VaultError) -> (i32, Loudness) {
    match error {
        VaultError::NoSpace => (libc::ENOSPC, Loudness::Warn),
        VaultError::ReadOnly => (libc::EROFS, Loudness::Warn),
        VaultError::TooLong => (libc::EFBIG, Loudness::Info),
        _ => (libc::EIO, Loudness::Error),
    }
}

impl From<Refusal> for VfsError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NamespaceError> for VfsError {
    fn from(error: NamespaceError) -> Self {
        Self::Namespace(error)
    }
}

impl From<StoreError> for VfsError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SpoolError> for VfsError {
    fn from(error: SpoolError) -> Self {
        Self::Spool(error)
    }
}

impl From<VaultError> for VfsError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<VfsError> for io::Error {
    fn from(error: VfsError) -> Self {
        io::Error::from_raw_os_error(error.errno().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_errno_table() {
        for (error, errno) in [
            (VfsError::NotFound, libc::ENOENT),
            (VfsError::Refused(Refusal::WouldDestroy), libc::EPERM),
            (VfsError::Refused(Refusal::TooManyRemovals), libc::EPERM),
            (VfsError::ReadOnly, libc::EROFS),
            (VfsError::Refused(Refusal::NameTooLong), libc::ENAMETOOLONG),
            (VfsError::Refused(Refusal::InvalidName), libc::EINVAL),
            (VfsError::Refused(Refusal::NotEmpty), libc::ENOTEMPTY),
            (VfsError::NoSpace, libc::ENOSPC),
            (VfsError::Quota, libc::EDQUOT),
            (VfsError::TooBig, libc::EFBIG),
            (VfsError::DeletedInEnte, libc::ENODATA),
            (VfsError::Refused(Refusal::AcrossTrees), libc::EXDEV),
            (VfsError::Namespace(NamespaceError::Untrusted(crate::base::Ino(3))), libc::EIO),
            (VfsError::Offline("deadline".into()), libc::EIO),
            (VfsError::Damaged, libc::EIO),
            (VfsError::NotForPreviews, libc::EACCES),
        ] {
            assert_eq!(error.errno().0, errno, "{error}");
        }
    }
}
