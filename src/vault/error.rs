use super::layout::{BlockIndex, MAX_LEN};
use std::io;
use thiserror::Error;

/// Why a sealed file could not be read, written or made durable.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The disk has no room, or the user's quota on it is used up.
    #[error("no room on the disk of the state directory")]
    NoSpace,
    /// The disk is mounted read-only, or has become so after an error.
    #[error("the disk of the state directory is read-only")]
    ReadOnly,
    /// Anything else the disk says.
    #[error("the disk failed: {0}")]
    Io(#[source] io::Error),
    /// A block does not verify: changed bytes, or bytes of another place. Nothing of it is released (I4).
    #[error("block {} does not verify: the bytes on disk have changed", .0.0)]
    Damaged(BlockIndex),
    /// The head, a commit or the map does not verify.
    #[error("the sealed file does not verify: {0}")]
    Corrupt(&'static str),
    /// Made by a later version of this program; left alone.
    #[error("the sealed file has format version {0}, which this version does not know")]
    Version(u32),
    /// A write or sync failed earlier; only cutting the file to nothing heals it (I14).
    #[error("an earlier write to this file failed; write it anew")]
    Poisoned,
    /// The content may not change any more (I2).
    #[error("the file is sealed for upload and cannot change")]
    Frozen,
    /// Beyond [`MAX_LEN`].
    #[error("a file cannot be longer than {MAX_LEN} bytes")]
    TooLong,
    /// The path is longer than Linux allows, or the pieces written over an old version are too many to note.
    #[error("the commit record does not fit: {0}")]
    RecordTooLarge(&'static str),
    /// The old version that this file overwrites is needed and not here.
    #[error("bytes of the old version are not here yet")]
    BaseMissing,
    /// A base is named for a file that has content already.
    #[error("only an empty file can start from an old version")]
    NotEmpty,
}

impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Io(error),
        }
    }
}

impl From<VaultError> for io::Error {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Io(error) => error,
            VaultError::NoSpace => io::ErrorKind::StorageFull.into(),
            VaultError::ReadOnly => io::ErrorKind::ReadOnlyFilesystem.into(),
            VaultError::Damaged(_) | VaultError::Corrupt(_) => Self::new(io::ErrorKind::InvalidData, error),
            other => Self::other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_errors_keep_their_meaning() {
        let of = |errno| VaultError::from(io::Error::from_raw_os_error(errno));
        assert!(matches!(of(libc::ENOSPC), VaultError::NoSpace));
        assert!(matches!(of(libc::EDQUOT), VaultError::NoSpace));
        assert!(matches!(of(libc::EROFS), VaultError::ReadOnly));
        assert!(matches!(of(libc::EIO), VaultError::Io(_)));
    }
}
