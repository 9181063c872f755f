//! What the database holds: sealed records, and keyed tags where equality must be found without reading.

use super::error::CryptoError;
use super::key::{DeviceKey, SymmetricKey};
use super::random;
use chacha20poly1305::aead::{Aead, AeadInOut, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

const NONCE: usize = 24;
const TAG: usize = 16;

/// Seals records of one purpose with XChaCha20-Poly1305 under a key of its own.
///
/// ```text
/// 0   24      nonce, random
/// 24  n       ciphertext
/// 24+n 16     tag over the ciphertext and the associated data
/// ```
/// A record of 100 bytes takes 140.
pub struct RecordKey(XChaCha20Poly1305);

impl RecordKey {
    /// The key for `purpose`, one of the fixed strings of the module that seals.
    pub fn derive(device: &DeviceKey, purpose: &'static str) -> Self {
        Self::derive_from(device, purpose)
    }

    /// The same under any other key; for the copy of the device key that the account opens.
    pub fn derive_from(key: &impl SymmetricKey, purpose: &'static str) -> Self {
        let key = Zeroizing::new(blake3::derive_key(purpose, key.expose()));
        Self(XChaCha20Poly1305::new(key.as_slice().try_into().expect("32 bytes")))
    }

    /// `aad` binds the record to its place, so that two rows cannot be swapped.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = random::<NONCE>();
        let mut sealed = Vec::with_capacity(NONCE + plain.len() + TAG);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .0
            .encrypt_inout_detached(&XNonce::from(nonce), aad, (&mut sealed[NONCE..]).into())
            .expect("a record is far below the cipher's limit");
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// # Errors
    /// [`CryptoError::Authentication`] for another key, place or changed bytes.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>().ok_or(CryptoError::Authentication)?;
        self.0.decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad }).map_err(|_| CryptoError::Authentication)
    }
}

/// Keyed hashes: equal inputs can be found, nothing else is told.
pub struct TagKey(Box<Zeroizing<[u8; 32]>>);

impl TagKey {
    pub fn derive(device: &DeviceKey, purpose: &'static str) -> Self {
        Self(Box::new(Zeroizing::new(blake3::derive_key(purpose, device.expose()))))
    }

    /// The tag of the concatenation; put lengths in where parts vary.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(part);
        }
        let mut tag = [0; 16];
        hasher.finalize_xof().fill(&mut tag);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_opens_in_its_place_alone() {
        let device = DeviceKey::random();
        let (key, other) = (RecordKey::derive(&device, "test a"), RecordKey::derive(&device, "test b"));
        let sealed = key.seal(b"row 1", b"IMG_0001.JPG");
        assert_eq!(sealed.len(), 12 + NONCE + TAG);
        assert_eq!(key.open(b"row 1", &sealed).unwrap(), b"IMG_0001.JPG");
        assert!(key.open(b"row 2", &sealed).is_err());
        assert!(other.open(b"row 1", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(b"row 1", &changed).is_err());
        }
        assert!(key.open(b"row 1", &sealed[..20]).is_err());
    }

    #[test]
    fn tags_differ_by_key_and_input() {
        let device = DeviceKey::random();
        let (key, other) = (TagKey::derive(&device, "test a"), TagKey::derive(&device, "test b"));
        assert_eq!(key.tag(&[b"ab", b"c"]), key.tag(&[b"abc"]));
        assert_ne!(key.tag(&[b"abc"]), key.tag(&[b"abd"]));
        assert_ne!(key.tag(&[b"abc"]), other.tag(&[b"abc"]));
    }
}
