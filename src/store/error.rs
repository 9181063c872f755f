use crate::crypto::CryptoError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

pub type StoreResult<T> = Result<T, StoreError>;

/// What can go wrong with the database.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error(
        "the database {path} is of version {found}, this program knows {known}: use the newer entefs that wrote it"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{0} is not there: nothing was mounted with this state directory yet")]
    Absent(PathBuf),
    #[error("cannot open {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("the disk does not take the database's log: {0}")]
    Sync(#[source] io::Error),
    #[error("a record of {table} does not open: {source}")]
    Sealed { table: &'static str, source: CryptoError },
    #[error("a record of {table} is malformed")]
    Malformed { table: &'static str },
}

impl StoreError {
    /// Whether the disk has no room left.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::Sync(error) => error.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// Whether the bytes of the database are damaged.
    pub fn is_damaged(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
            ),
            Self::Sealed { .. } | Self::Malformed { .. } => true,
            _ => false,
        }
    }
}
