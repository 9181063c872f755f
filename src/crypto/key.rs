//! Keys as types, so that a file's key never opens an album.

use super::error::CryptoError;
use super::random;
use std::fmt;
use zeroize::Zeroizing;

/// A 32-byte symmetric key, whatever it opens.
pub trait SymmetricKey {
    /// The raw key, for the ciphers of this module and for wrapping it under another key.
    fn expose(&self) -> &[u8; 32];
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        pub struct $name(Box<Zeroizing<[u8; $len]>>);

        impl $name {
            /// A fresh random key.
            pub fn random() -> Self {
                Self::from_bytes(random())
            }

            pub fn from_bytes(bytes: [u8; $len]) -> Self {
                let bytes = Zeroizing::new(bytes);
                let mut key = Box::new(Zeroizing::new([0; $len]));
                key.copy_from_slice(&*bytes);
                Self(key)
            }

            /// # Errors
            /// [`CryptoError::Length`] for another length.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, CryptoError> {
                let wrong = || CryptoError::Length { what: stringify!($name), found: bytes.len(), expected: $len };
                let mut key = Box::new(Zeroizing::new([0; $len]));
                if bytes.len() != $len {
                    return Err(wrong());
                }
                key.copy_from_slice(bytes);
                Ok(Self(key))
            }

            /// The raw bytes.
            pub fn bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
    (symmetric $(#[$doc:meta])* $name:ident) => {
        key!($(#[$doc])* $name, 32);

        impl SymmetricKey for $name {
            fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        }
    };
}

key!(symmetric
    /// Opens the account: album keys, the secret key, the recovery key. Never changes.
    MasterKey);
key!(symmetric
    /// Opens the master key when the password is forgotten; shown as 24 words.
    RecoveryKey);
key!(symmetric
    /// Derived from the password; opens the master key.
    Kek);
key!(symmetric
    /// Opens one album: its name, its settings and the keys of its files.
    CollectionKey);
key!(symmetric
    /// Opens one file: content, thumbnail and metadata.
    FileKey);
key!(symmetric
    /// Opens what this machine keeps: database records, spool and cache.
    DeviceKey);
key!(symmetric
    /// Opens one sealed local file; wrapped in its head by the device key.
    VaultKey);
key!(
    /// The X25519 secret key of an account.
    SecretKey, 32);
key!(
    /// What SRP takes for the password (protocol notes, auth 1.5).
    LoginKey, 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_print_itself() {
        let key = MasterKey::from_bytes([7; 32]);
        assert_eq!(format!("{key:?} {:?}", LoginKey::random()), "MasterKey(..) LoginKey(..)");
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let refused = FileKey::from_slice(&[0; 31]).map(|_| ());
        assert_eq!(refused, Err(CryptoError::Length { what: "FileKey", found: 31, expected: 32 }));
    }
}
