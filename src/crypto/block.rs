//! Blocks of local files, sealed by ring: AES-256-GCM where the processor has instructions for it (three times as fast),
//! else ChaCha20-Poly1305 of RFC 8439, which is checked against RustCrypto's in the tests. Either opens everywhere.

use super::error::CryptoError;
use super::key::SymmetricKey;
use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag, UnboundKey};

/// The length of a block's nonce.
pub const BLOCK_NONCE: usize = 12;
/// The length of a block's tag.
pub const BLOCK_TAG: usize = 16;

/// What seals the blocks of a file; both take a key of 32 bytes, a nonce of 12, and give a tag of 16.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockCipher {
    ChaCha20Poly1305,
    Aes256Gcm,
}

impl BlockCipher {
    /// The faster one on this processor.
    pub fn preferred() -> Self {
        #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
        let has_aes = std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
        #[cfg(target_arch = "aarch64")]
        let has_aes =
            std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull");
        #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
        let has_aes = false;
        if has_aes { Self::Aes256Gcm } else { Self::ChaCha20Poly1305 }
    }
}

/// Seals the blocks of one file. The caller never uses a nonce twice under one key.
pub struct BlockKey(LessSafeKey);

impl BlockKey {
    pub fn new(cipher: BlockCipher, key: &impl SymmetricKey) -> Self {
        let algorithm = match cipher {
            BlockCipher::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            BlockCipher::Aes256Gcm => &AES_256_GCM,
        };
        Self(LessSafeKey::new(UnboundKey::new(algorithm, key.expose()).expect("32 bytes are a key")))
    }

    /// Encrypts in place and returns the tag.
    pub fn seal(&self, nonce: [u8; BLOCK_NONCE], aad: &[u8], block: &mut [u8]) -> [u8; BLOCK_TAG] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), block).expect("a block is below 256 GiB");
        tag.as_ref().try_into().expect("a tag has 16 bytes")
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
        let key = BlockKey::new(BlockCipher::ChaCha20Poly1305, &FileKey::from_bytes(bytes));
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
        for cipher in [BlockCipher::ChaCha20Poly1305, BlockCipher::Aes256Gcm] {
            let key = BlockKey::new(cipher, &FileKey::random());
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

    /// Test case 16 of the GCM specification (McGrew and Viega), with its 20 bytes of associated data.
    #[test]
    fn aes_gives_the_published_vector() {
        let key = BlockKey::new(
            BlockCipher::Aes256Gcm,
            &FileKey::from_bytes(bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")),
        );
        let mut block: [u8; 60] = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let tag = key.seal(
            bytes("cafebabefacedbaddecaf888"),
            &bytes::<20>("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
            &mut block,
        );
        let sealed: [u8; 60] = bytes(
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        );
        assert_eq!((block, tag), (sealed, bytes("76fc6ece0f4e1768cddf8853bb2d551b")));
    }

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }
}
