//! Blocks of local files: ChaCha20-Poly1305 of RFC 8439 by ring, checked against RustCrypto's in the tests.

use super::error::CryptoError;
use super::key::SymmetricKey;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag, UnboundKey};

/// The length of a block's nonce.
pub const BLOCK_NONCE: usize = 12;
/// The length of a block's tag.
pub const BLOCK_TAG: usize = 16;

/// Seals the blocks of one file. The caller never uses a nonce twice under one key.
pub struct BlockKey(LessSafeKey);

impl BlockKey {
    pub fn new(key: &impl SymmetricKey) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.expose()).expect("32 bytes are a key");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts in place and returns the tag.
    pub fn seal(&self, nonce: [u8; BLOCK_NONCE], aad: &[u8], block: &mut [u8]) -> [u8; BLOCK_TAG] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), block).expect("a block is below 256 GiB");
        tag.as_ref().try_into().expect("a Poly1305 tag has 16 bytes")
    }

    /// Verifies, then decrypts in place; where it fails the block's content is unspecified.
    ///
    /// # Errors
    /// [`CryptoError::Authentication`] for another key, place or changed bytes.
    pub fn open(
        &self,
        nonce: [u8; BLOCK_NONCE],
        aad: &[u8],
        block: &mut [u8],
        tag: [u8; BLOCK_TAG],
    ) -> Result<(), CryptoError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .open_in_place_separate_tag(nonce, Aad::from(aad), Tag::from(tag), block, 0..)
            .map(|_| ())
            .map_err(|_| CryptoError::Authentication)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key::FileKey;
    use chacha20poly1305::aead::{AeadInOut, KeyInit};
    use chacha20poly1305::{ChaCha20Poly1305, Nonce as OtherNonce};

    #[test]
    fn two_implementations_agree() {
        let bytes = [9; 32];
        let key = BlockKey::new(&FileKey::from_bytes(bytes));
        let other = ChaCha20Poly1305::new((&bytes).into());
        for len in [0, 1, 63, 64, 4096, 65_536] {
            let (mut ours, nonce) = (vec![5_u8; len], [3; BLOCK_NONCE]);
            let mut theirs = ours.clone();
            let tag = key.seal(nonce, b"place", &mut ours);
            let other_tag =
                other.encrypt_inout_detached(&OtherNonce::from(nonce), b"place", theirs.as_mut_slice().into()).unwrap();
            assert_eq!((&ours, &tag[..]), (&theirs, other_tag.as_slice()));
            key.open(nonce, b"place", &mut ours, tag).unwrap();
            assert_eq!(ours, vec![5; len]);
        }
    }

    #[test]
    fn a_changed_or_misplaced_block_is_refused() {
        let key = BlockKey::new(&FileKey::random());
        let mut sealed = vec![1; 100];
        let tag = key.seal([0; 12], b"0", &mut sealed);
        assert!(key.open([0; 12], b"1", &mut sealed.clone(), tag).is_err());
        assert!(key.open([1; 12], b"0", &mut sealed.clone(), tag).is_err());
        let mut changed = sealed.clone();
        changed[50] ^= 1;
        assert!(key.open([0; 12], b"0", &mut changed, tag).is_err());
        assert!(key.open([0; 12], b"0", &mut sealed, tag).is_ok());
    }
}
