//! The password's way to a key, so that tests need not wait seconds for each.

use crate::crypto::{CryptoError, KdfLimits, Kek, derive_kek};

/// Derives the key that opens the master key.
pub trait Kdf: Send + Sync {
    /// Takes seconds: called on a blocking thread.
    ///
    /// # Errors
    /// As [`derive_kek`].
    fn derive(&self, password: &[u8], salt: &[u8; 16], limits: KdfLimits) -> Result<Kek, CryptoError>;
}

/// Argon2id, as Ente has it.
pub struct Argon2Kdf;

impl Kdf for Argon2Kdf {
    fn derive(&self, password: &[u8], salt: &[u8; 16], limits: KdfLimits) -> Result<Kek, CryptoError> {
        derive_kek(password, salt, limits)
    }
}
