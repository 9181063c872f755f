use crate::crypto::CryptoError;
use crate::store::StoreError;
use thiserror::Error;

/// Why bytes cannot be read.
#[derive(Clone, Debug, Error)]
pub enum FetchError {
    #[error("Ente does not have this version any more, nor does the cache")]
    Gone,
    #[error("the bytes from Ente do not verify: {0}")]
    Damaged(CryptoError),
    /// A live photo whose zip, verified, is none that can be read.
    #[error("a live photo's halves cannot be told apart: {0}")]
    Halves(String),
    /// Its size was a hint, and too small: what asked would take the beginning for all of it.
    #[error("a live photo's half is longer than it seemed; open it again")]
    Longer,
    #[error("Ente could not be asked: {0}")]
    Offline(String),
    #[error("the key could not be read: {0}")]
    Store(String),
}

impl From<StoreError> for FetchError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}
