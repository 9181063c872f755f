//! Hashes of whole contents: Ente's BLAKE2b-512 and the MD5 that presigned URLs bind.

use crate::base::B64;
use md5::Digest;
use std::fmt;

/// BLAKE2b-512 of a file's plaintext (protocol notes, auth 1.6).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 64]);

impl ContentHash {
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = ContentHasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// As it stands in the metadata: 88 characters.
    pub fn to_text(self) -> String {
        B64::of(self.0).0
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Hashes a content piece by piece; the pieces' lengths do not matter.
pub struct ContentHasher(blake2b_simd::State);

impl Default for ContentHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl ContentHasher {
    pub fn new() -> Self {
        Self(blake2b_simd::Params::new().hash_length(64).to_state())
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> ContentHash {
        ContentHash(*self.0.finalize().as_array())
    }
}

/// MD5 of ciphertext, part by part. Not for security: the storage checks transfers with it.
#[derive(Clone, Default)]
pub struct Md5Hasher(md5::Md5);

impl Md5Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> [u8; 16] {
        self.0.finalize().into()
    }
}

pub fn md5(bytes: &[u8]) -> [u8; 16] {
    md5::Md5::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_hash_vectors_of_the_protocol_notes() {
        assert_eq!(
            ContentHash::of(b"abc").to_text(),
            "uoClP5gcTQ1qJ5e2nxL26UwhLxRoWsS3SxK7b9v/otF9h8U5Kqt5LcJS1d5FM8yVGNOKqNvxklq5I4bt1ACZIw=="
        );
        assert_eq!(
            ContentHash::of(b"").to_text(),
            "eGoC90IBWQPGxv2FJVLScpEvR0DhWEdhiobiF/cfVBnSXhAxr+5YUxOJZESTTrBLkDpoWxRIt1XVb3Aa/pvizg=="
        );
    }

    #[test]
    fn pieces_do_not_matter() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|i| i as u8).collect();
        let (mut hasher, mut parts) = (ContentHasher::new(), Md5Hasher::default());
        for piece in bytes.chunks(97) {
            hasher.update(piece);
            parts.update(piece);
        }
        assert_eq!(hasher.finish(), ContentHash::of(&bytes));
        assert_eq!(parts.finish(), md5(&bytes));
    }
}
