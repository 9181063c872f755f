//! A chunk that is decrypted while it comes in: the line and the cipher work at the same time, and no sealed byte is
//! kept.

use super::error::CryptoError;
use super::stream::{CHUNK_OVERHEAD, MAC, MacPrefix, end_mac};
use chacha20::ChaCha20;
use chacha20::cipher::StreamCipher;
use poly1305::universal_hash::UniversalHash;
use poly1305::{Block, Poly1305};
use subtle::ConstantTimeEq;

/// Bytes that are hashed and decrypted in one go, while they are in the processor's nearest cache.
const SPAN: usize = 16 << 10;

/// A chunk of which a part has come in. Its plaintext is held back until all of it verified (I4).
pub struct ChunkOpening<B> {
    cipher: ChaCha20,
    poly: Poly1305,
    expected_tag: u8,
    tag: u8,
    /// Sealed bytes that came in.
    taken: usize,
    /// The last ciphertext bytes, fewer than a block, which the MAC does not have yet.
    rest: ([u8; 16], usize),
    mac: [u8; MAC],
    plain: B,
}

impl<B: AsMut<[u8]>> ChunkOpening<B> {
    pub(super) fn new(cipher: ChaCha20, poly: Poly1305, expected_tag: u8, plain: B) -> Self {
        Self { cipher, poly, expected_tag, tag: 0, taken: 0, rest: ([0; 16], 0), mac: [0; MAC], plain }
    }

    /// The next sealed bytes, in order.
    pub fn take(&mut self, mut sealed: &[u8]) {
        let len = self.plain.as_mut().len();
        if let (0, [tag, rest @ ..]) = (self.taken, sealed) {
            self.take_tag(*tag);
            sealed = rest;
        }
        let missing = (1 + len).saturating_sub(self.taken);
        let (ciphertext, mac) = sealed.split_at(missing.min(sealed.len()));
        for span in ciphertext.chunks(SPAN) {
            self.take_ciphertext(span);
        }
        for byte in mac {
            // What is too long shows by the count.
            if let Some(place) = self.mac.get_mut(self.taken - 1 - len) {
                *place = *byte;
            }
            self.taken += 1;
        }
    }

    fn take_tag(&mut self, sealed: u8) {
        let mut block = [0; 64];
        block[0] = sealed;
        self.cipher.apply_keystream(&mut block);
        self.tag = std::mem::replace(&mut block[0], sealed);
        self.poly.update(Block::slice_as_chunks(&block).0);
        self.taken = 1;
    }

    fn take_ciphertext(&mut self, span: &[u8]) {
        self.authenticate(span);
        let at = self.taken - 1;
        self.cipher.apply_keystream_b2b(span, &mut self.plain.as_mut()[at..at + span.len()]);
        self.taken += span.len();
    }

    fn authenticate(&mut self, mut span: &[u8]) {
        let (block, held) = &mut self.rest;
        if *held > 0 {
            let fill = span.len().min(block.len() - *held);
            block[*held..*held + fill].copy_from_slice(&span[..fill]);
            (*held, span) = (*held + fill, &span[fill..]);
            if *held < block.len() {
                return;
            }
            self.poly.update(&[Block::from(*block)]);
        }
        let (blocks, rest) = Block::slice_as_chunks(span);
        self.poly.update(blocks);
        block[..rest.len()].copy_from_slice(rest);
        *held = rest.len();
    }

    /// The plaintext, and what later chunks need of this one.
    ///
    /// # Errors
    /// [`CryptoError::Authentication`] for changed, swapped or foreign bytes, [`CryptoError::Truncated`] for too few or
    /// too many, and where the end mark is missing, too early or unknown.
    pub fn finish(mut self) -> Result<(B, MacPrefix), CryptoError> {
        let len = self.plain.as_mut().len();
        if self.taken != len + CHUNK_OVERHEAD {
            return Err(CryptoError::Truncated);
        }
        let (block, held) = self.rest;
        if !bool::from(end_mac(self.poly, &block[..held], len).ct_eq(&self.mac)) {
            return Err(CryptoError::Authentication);
        }
        if self.tag != self.expected_tag {
            return Err(CryptoError::Truncated);
        }
        Ok((self.plain, MacPrefix::of_chunk(&self.mac)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{FileKey, MacIndex, StreamHeader, StreamOpener, StreamSealer};

    fn sealed(len: usize) -> (StreamOpener, Vec<u8>, Vec<u8>) {
        let (key, header) = (FileKey::from_bytes([7; 32]), StreamHeader([9; 24]));
        let plain: Vec<u8> = (0..len).map(|at| (at * 31 / 7) as u8).collect();
        let mut sealed = vec![0; len + CHUNK_OVERHEAD];
        StreamSealer::new(&key, &header).seal_chunk(&plain, true, &mut sealed).unwrap();
        (StreamOpener::new(&key, &header), plain, sealed)
    }

    fn open(
        opener: &StreamOpener,
        len: usize,
        pieces: &[&[u8]],
        last: bool,
    ) -> Result<(Vec<u8>, MacPrefix), CryptoError> {
        let mut opening = opener.begin_chunk(0, &MacIndex::new(1), last, vec![0; len]).unwrap();
        pieces.iter().for_each(|piece| opening.take(piece));
        opening.finish()
    }

    #[test]
    fn however_it_is_cut_it_opens_to_the_same() {
        for len in [0, 1, 14, 15, 16, 17, 31, 32, 33, 100, SPAN - 1, SPAN, SPAN + 1, 3 * SPAN + 5] {
            let (opener, plain, sealed) = sealed(len);
            for size in [1, 2, 15, 16, 17, 63, 64, 1000, SPAN, SPAN + 3, sealed.len()] {
                let pieces: Vec<&[u8]> = sealed.chunks(size).collect();
                let (opened, prefix) = open(&opener, len, &pieces, true).unwrap();
                assert!(opened == plain, "{len} in pieces of {size}");
                assert_eq!(prefix, MacPrefix::of_chunk(&sealed).unwrap());
            }
        }
    }

    #[test]
    fn no_flipped_bit_no_missing_byte_and_no_other_end_passes() {
        let (opener, _, sealed) = sealed(100);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x10;
            assert_eq!(open(&opener, 100, &[&changed], true), Err(CryptoError::Authentication), "byte {at}");
        }
        for len in 0..sealed.len() {
            assert_eq!(open(&opener, 100, &[&sealed[..len]], true), Err(CryptoError::Truncated), "{len} bytes");
        }
        assert_eq!(open(&opener, 100, &[&sealed, b"x"], true), Err(CryptoError::Truncated));
        assert_eq!(open(&opener, 100, &[&sealed], false), Err(CryptoError::Truncated), "it is the last");
    }
}
