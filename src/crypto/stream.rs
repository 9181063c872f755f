//! Ente's secretstream (protocol notes, auth 1.7 and data 0.2), seekable.
//!
//! A file is cut into chunks of 4 MiB; each becomes `encrypted tag (1) ‖ ciphertext ‖ MAC (16)`.
//! The nonce of chunk *i* is its number and the header's inner nonce XORed with the first 8 bytes of
//! every earlier chunk's MAC, so any chunk opens alone once those are known. Sealing again with the same
//! key and header gives the same bytes: only a sealed, immutable plaintext may be sealed twice (I2, I3).
//!
//! Sizes: 0 → 17, 1 → 18, 4 MiB → 4 MiB + 17, 4 MiB + 1 → 4 MiB + 35, 8 MiB → 8 MiB + 34 bytes.

use super::error::CryptoError;
use super::key::SymmetricKey;
use super::opening::ChunkOpening;
use super::random;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use chacha20::{ChaCha20, R20, hchacha};
use poly1305::Poly1305;
use poly1305::universal_hash::{KeyInit, UniversalHash};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Plaintext bytes in every chunk but the last.
pub const CHUNK: usize = 4 << 20;
/// Where a chunk's plaintext begins in it, sealed: behind the encrypted tag.
pub const CHUNK_LEAD: u64 = 1;
/// What a chunk grows by: encrypted tag and MAC.
pub const CHUNK_OVERHEAD: usize = 17;
/// Ciphertext bytes in every chunk but the last.
pub const CIPHER_CHUNK: usize = CHUNK + CHUNK_OVERHEAD;

pub(super) const MAC: usize = 16;
const TAG_MESSAGE: u8 = 0;
const TAG_FINAL: u8 = 3;

/// The ciphertext length of a plaintext, in bytes.
pub fn cipher_len(plain: u64) -> u64 {
    plain + CHUNK_OVERHEAD as u64 * chunk_count(plain)
}

/// The plaintext length of a ciphertext; `None` for a length that no plaintext has.
pub fn plain_len(cipher: u64) -> Option<u64> {
    let chunks = cipher.div_ceil(CIPHER_CHUNK as u64).max(1);
    let last = cipher.checked_sub((chunks - 1) * CIPHER_CHUNK as u64)?;
    let plain = cipher.checked_sub(CHUNK_OVERHEAD as u64 * chunks)?;
    let whole = last > CHUNK_OVERHEAD as u64 || (last == CHUNK_OVERHEAD as u64 && chunks == 1);
    whole.then_some(plain)
}

/// How many chunks a plaintext has; an empty one has one.
pub fn chunk_count(plain: u64) -> u64 {
    plain.div_ceil(CHUNK as u64).max(1)
}

/// The 24 bytes that begin a stream; they travel beside the object, never in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StreamHeader(pub [u8; 24]);

impl StreamHeader {
    pub fn random() -> Self {
        Self(random())
    }

    fn inner_nonce(&self) -> [u8; 8] {
        *self.0.last_chunk().expect("24 bytes have 8")
    }
}

/// The first 8 bytes of a chunk's MAC: what later chunks need of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MacPrefix(pub [u8; 8]);

impl MacPrefix {
    /// Where a full chunk's prefix lies in the object, in bytes from its start.
    pub fn offset(chunk: u64) -> u64 {
        chunk * CIPHER_CHUNK as u64 + (CIPHER_CHUNK - MAC) as u64
    }

    /// The prefix at the end of a whole chunk.
    ///
    /// # Errors
    /// [`CryptoError::Truncated`] for a chunk too short to have one.
    pub fn of_chunk(chunk: &[u8]) -> Result<Self, CryptoError> {
        let mac = chunk.last_chunk::<MAC>().ok_or(CryptoError::Truncated)?;
        Ok(Self(*mac.first_chunk().expect("16 bytes have 8")))
    }
}

/// Which MAC prefixes of a stream are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MacIndex(Vec<Option<MacPrefix>>);

impl MacIndex {
    pub fn new(chunks: u64) -> Self {
        Self(vec![None; usize::try_from(chunks).unwrap_or(0)])
    }

    /// Remembers a prefix; of a chunk that the stream does not have, nothing.
    pub fn set(&mut self, chunk: u64, prefix: MacPrefix) {
        if let Some(known) = usize::try_from(chunk).ok().and_then(|i| self.0.get_mut(i)) {
            *known = Some(prefix);
        }
    }

    pub fn get(&self, chunk: u64) -> Option<MacPrefix> {
        self.0.get(usize::try_from(chunk).ok()?).copied().flatten()
    }

    /// The chunks before `chunk` whose prefixes are not known yet.
    pub fn missing_before(&self, chunk: u64) -> Vec<u64> {
        (0..chunk).filter(|&earlier| self.get(earlier).is_none()).collect()
    }

    /// The XOR of all prefixes before `chunk`; `None` while one is missing.
    fn xor_before(&self, chunk: u64) -> Option<[u8; 8]> {
        let mut xor = [0; 8];
        for earlier in self.0.get(..usize::try_from(chunk).ok()?)? {
            xor_into(&mut xor, (*earlier)?);
        }
        Some(xor)
    }

    /// 8 bytes a chunk; an unknown prefix is all zero (a real one is so once in 2^64).
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|prefix| prefix.map_or([0; 8], |prefix| prefix.0)).collect()
    }

    /// The inverse of [`Self::to_bytes`]; what is too short or long is forgotten.
    pub fn from_bytes(chunks: u64, bytes: &[u8]) -> Self {
        let mut index = Self::new(chunks);
        for (known, prefix) in index.0.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *known = (*prefix != [0; 8]).then_some(MacPrefix(*prefix));
        }
        index
    }
}

fn xor_into(xor: &mut [u8; 8], prefix: MacPrefix) {
    for (byte, other) in xor.iter_mut().zip(prefix.0) {
        *byte ^= other;
    }
}

/// The key of one stream.
struct StreamKey {
    subkey: Zeroizing<[u8; 32]>,
    inner_nonce: [u8; 8],
}

impl StreamKey {
    fn new(key: &impl SymmetricKey, header: &StreamHeader) -> Self {
        let input: &[u8; 16] = header.0.first_chunk().expect("24 bytes have 16");
        let subkey = Zeroizing::new(hchacha::<R20>(key.expose().into(), input.into()).into());
        Self { subkey, inner_nonce: header.inner_nonce() }
    }

    /// The cipher of a chunk, its one-time MAC key taken off the keystream.
    fn chunk(&self, index: u64, xor: [u8; 8]) -> Result<(ChaCha20, Poly1305), CryptoError> {
        let counter = u32::try_from(index).ok().and_then(|index| index.checked_add(1)).ok_or(CryptoError::Truncated)?;
        let mut inner = self.inner_nonce;
        xor_into(&mut inner, MacPrefix(xor));
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&counter.to_le_bytes());
        nonce[4..].copy_from_slice(&inner);
        let mut cipher = ChaCha20::new(self.subkey.as_slice().try_into().expect("32 bytes"), &nonce.into());
        let mut first = Zeroizing::new([0; 64]);
        cipher.apply_keystream(first.as_mut());
        let poly = Poly1305::new(first[..32].try_into().expect("32 bytes"));
        Ok((cipher, poly))
    }
}

/// Poly1305 over the encrypted tag block, the ciphertext and the lengths, with libsodium's padding: as
/// many zeros as the ciphertext has bytes past its last whole block, not as many as would fill it.
fn mac(mut poly: Poly1305, tag_block: &[u8; 64], ciphertext: &[u8]) -> [u8; MAC] {
    let (tag_blocks, _) = poly1305::Block::slice_as_chunks(tag_block);
    let (blocks, rest) = poly1305::Block::slice_as_chunks(ciphertext);
    poly.update(tag_blocks);
    poly.update(blocks);
    end_mac(poly, rest, ciphertext.len())
}

/// The MAC where all but the last bytes of the ciphertext, fewer than a block, went into it.
pub(super) fn end_mac(poly: Poly1305, rest: &[u8], ciphertext_len: usize) -> [u8; MAC] {
    let mut tail = [0; 15 + 15 + 16];
    tail[..rest.len()].copy_from_slice(rest);
    let lengths = 2 * rest.len();
    tail[lengths + 8..lengths + 16].copy_from_slice(&(64 + ciphertext_len as u64).to_le_bytes());
    poly.compute_unpadded(&tail[..lengths + 16]).into()
}

/// Seals a stream chunk by chunk, from the first to the last.
pub struct StreamSealer {
    key: StreamKey,
    index: u64,
    xor: [u8; 8],
}

impl StreamSealer {
    pub fn new(key: &impl SymmetricKey, header: &StreamHeader) -> Self {
        Self { key: StreamKey::new(key, header), index: 0, xor: [0; 8] }
    }

    /// Goes on at chunk `index` of a stream that was sealed before: the same plaintext gives the same bytes.
    ///
    /// # Errors
    /// [`CryptoError::Truncated`] where an earlier chunk's MAC prefix is not known.
    pub fn resume(
        key: &impl SymmetricKey,
        header: &StreamHeader,
        index: u64,
        macs: &MacIndex,
    ) -> Result<Self, CryptoError> {
        let xor = macs.xor_before(index).ok_or(CryptoError::Truncated)?;
        Ok(Self { key: StreamKey::new(key, header), index, xor })
    }

    /// Seals the next chunk into `sealed`, which is [`CHUNK_OVERHEAD`] longer than `plain`. Every chunk
    /// but the last has [`CHUNK`] bytes.
    ///
    /// # Errors
    /// [`CryptoError::Length`] where the lengths do not fit, [`CryptoError::Truncated`] past 2^32 chunks.
    pub fn seal_chunk(&mut self, plain: &[u8], last: bool, sealed: &mut [u8]) -> Result<MacPrefix, CryptoError> {
        let full = plain.len() == CHUNK || (last && plain.len() < CHUNK);
        if !full || sealed.len() != plain.len() + CHUNK_OVERHEAD {
            return Err(CryptoError::Length {
                what: "chunk",
                found: sealed.len(),
                expected: plain.len() + CHUNK_OVERHEAD,
            });
        }
        let tag = if last { TAG_FINAL } else { TAG_MESSAGE };
        let prefix = self.seal_message(plain, tag, sealed)?;
        xor_into(&mut self.xor, prefix);
        self.index += 1;
        Ok(prefix)
    }

    fn seal_message(&self, plain: &[u8], tag: u8, sealed: &mut [u8]) -> Result<MacPrefix, CryptoError> {
        let (mut cipher, poly) = self.key.chunk(self.index, self.xor)?;
        let mut tag_block = [0; 64];
        tag_block[0] = tag;
        cipher.apply_keystream(&mut tag_block);
        let (enc_tag, rest) = sealed.split_at_mut(1);
        let (ciphertext, mac_out) = rest.split_at_mut(plain.len());
        enc_tag[0] = tag_block[0];
        cipher.apply_keystream_b2b(plain, ciphertext);
        mac_out.copy_from_slice(&mac(poly, &tag_block, ciphertext));
        MacPrefix::of_chunk(mac_out)
    }
}

/// Opens the chunks of a stream in any order, also from several threads at once.
pub struct StreamOpener(StreamKey);

impl StreamOpener {
    pub fn new(key: &impl SymmetricKey, header: &StreamHeader) -> Self {
        Self(StreamKey::new(key, header))
    }

    /// Verifies chunk `index`, then decrypts it into `plain`, which is [`CHUNK_OVERHEAD`] shorter. `last` is
    /// what the object's length says; the stream's own mark must agree.
    ///
    /// # Errors
    /// [`CryptoError::Authentication`] for changed, swapped or foreign bytes and for a wrong earlier
    /// prefix, [`CryptoError::Truncated`] where the end mark is missing, too early or unknown.
    pub fn open_chunk(
        &self,
        index: u64,
        macs: &MacIndex,
        last: bool,
        sealed: &[u8],
        plain: &mut [u8],
    ) -> Result<(), CryptoError> {
        let xor = macs.xor_before(index).ok_or(CryptoError::Truncated)?;
        let expected = if last { TAG_FINAL } else { TAG_MESSAGE };
        self.open_message(index, xor, expected, sealed, plain)
    }

    /// Begins to open chunk `index`, whose bytes come in pieces; `plain` is as long as its plaintext.
    ///
    /// # Errors
    /// [`CryptoError::Truncated`] where an earlier chunk's MAC prefix is not known.
    pub fn begin_chunk<B: AsMut<[u8]>>(
        &self,
        index: u64,
        macs: &MacIndex,
        last: bool,
        plain: B,
    ) -> Result<ChunkOpening<B>, CryptoError> {
        let xor = macs.xor_before(index).ok_or(CryptoError::Truncated)?;
        let (cipher, poly) = self.0.chunk(index, xor)?;
        Ok(ChunkOpening::new(cipher, poly, if last { TAG_FINAL } else { TAG_MESSAGE }, plain))
    }

    /// Decrypts bytes from `at` of chunk `index`'s plaintext on, **not verified**: they may be anything. Good for a
    /// hint that is checked later (semantics 1.3), and for nothing else (I4).
    ///
    /// # Errors
    /// [`CryptoError::Truncated`] where an earlier chunk's MAC prefix is not known.
    pub fn peek(&self, index: u64, macs: &MacIndex, at: u64, bytes: &mut [u8]) -> Result<(), CryptoError> {
        let xor = macs.xor_before(index).ok_or(CryptoError::Truncated)?;
        let (mut cipher, _) = self.0.chunk(index, xor)?;
        // The keystream's first block keys the MAC, the second is the tag's.
        cipher.try_seek(128 + at).map_err(|_| CryptoError::Truncated)?;
        cipher.apply_keystream(bytes);
        Ok(())
    }

    fn open_message(
        &self,
        index: u64,
        xor: [u8; 8],
        expected_tag: u8,
        sealed: &[u8],
        plain: &mut [u8],
    ) -> Result<(), CryptoError> {
        let (enc_tag, rest) = sealed.split_first().ok_or(CryptoError::Truncated)?;
        let (ciphertext, found_mac) = rest.split_last_chunk::<MAC>().ok_or(CryptoError::Truncated)?;
        if ciphertext.len() != plain.len() {
            return Err(CryptoError::Length { what: "chunk", found: plain.len(), expected: ciphertext.len() });
        }
        let (mut cipher, poly) = self.0.chunk(index, xor)?;
        let mut tag_block = [0; 64];
        tag_block[0] = *enc_tag;
        cipher.apply_keystream(&mut tag_block);
        let tag = std::mem::replace(&mut tag_block[0], *enc_tag);
        if !bool::from(mac(poly, &tag_block, ciphertext).ct_eq(found_mac)) {
            return Err(CryptoError::Authentication);
        }
        if tag != expected_tag {
            return Err(CryptoError::Truncated);
        }
        cipher.apply_keystream_b2b(ciphertext, plain);
        Ok(())
    }
}

/// A stream of one message, whatever its size: metadata, magic metadata, thumbnails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blob {
    pub header: StreamHeader,
    pub ciphertext: Vec<u8>,
}

/// Seals `plain` as one final message under a fresh header.
pub fn seal_blob(key: &impl SymmetricKey, plain: &[u8]) -> Blob {
    seal_blob_with(key, StreamHeader::random(), plain)
}

fn seal_blob_with(key: &impl SymmetricKey, header: StreamHeader, plain: &[u8]) -> Blob {
    let mut ciphertext = vec![0; plain.len() + CHUNK_OVERHEAD];
    StreamSealer::new(key, &header)
        .seal_message(plain, TAG_FINAL, &mut ciphertext)
        .expect("the first message of a stream, with room for it");
    Blob { header, ciphertext }
}

/// # Errors
/// [`CryptoError::Authentication`] for another key or changed bytes, [`CryptoError::Truncated`] for a
/// message that is not final, [`CryptoError::Length`] for a header that is not 24 bytes.
pub fn open_blob(key: &impl SymmetricKey, header: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let header =
        header.try_into().map_err(|_| CryptoError::Length { what: "header", found: header.len(), expected: 24 })?;
    let len = ciphertext.len().checked_sub(CHUNK_OVERHEAD).ok_or(CryptoError::Truncated)?;
    let mut plain = vec![0; len];
    StreamOpener::new(key, &StreamHeader(header)).open_message(0, [0; 8], TAG_FINAL, ciphertext, &mut plain)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key::FileKey;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn vector_key() -> (FileKey, StreamHeader) {
        (FileKey::from_bytes(std::array::from_fn(|i| i as u8)), StreamHeader(std::array::from_fn(|i| 0x80 + i as u8)))
    }

    /// Seals whole, the chunks one after the other.
    fn seal(key: &FileKey, header: &StreamHeader, plain: &[u8]) -> Vec<u8> {
        let mut sealer = StreamSealer::new(key, header);
        let mut object = vec![0; cipher_len(plain.len() as u64) as usize];
        let chunks = chunk_count(plain.len() as u64) as usize;
        for (i, sealed) in object.chunks_mut(CIPHER_CHUNK).enumerate() {
            let end = plain.len().min((i + 1) * CHUNK);
            sealer.seal_chunk(&plain[i * CHUNK..end], i + 1 == chunks, sealed).unwrap();
        }
        object
    }

    /// Opens whole, in the order given.
    fn open(key: &FileKey, header: &StreamHeader, object: &[u8], order: &[usize]) -> Result<Vec<u8>, CryptoError> {
        let mut plain = vec![0; plain_len(object.len() as u64).ok_or(CryptoError::Truncated)? as usize];
        let sealed: Vec<&[u8]> = object.chunks(CIPHER_CHUNK).collect();
        let mut macs = MacIndex::new(sealed.len() as u64);
        for (i, chunk) in sealed.iter().enumerate() {
            macs.set(i as u64, MacPrefix::of_chunk(chunk)?);
        }
        let opener = StreamOpener::new(key, header);
        let mut outputs: Vec<&mut [u8]> = plain.chunks_mut(CHUNK).collect();
        let mut empty: [u8; 0] = [];
        if outputs.is_empty() {
            outputs.push(&mut empty);
        }
        for &i in order {
            opener.open_chunk(i as u64, &macs, i + 1 == sealed.len(), sealed[i], outputs[i])?;
        }
        Ok(plain)
    }

    /// No two chunks are equal: what repeats is no part of their length.
    fn noise(len: usize) -> Vec<u8> {
        const PERIOD: usize = (1 << 18) + 7;
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let mut all: Vec<u8> = (0..len.min(PERIOD)).map(|_| draw()).collect();
        while all.len() < len {
            all.extend_from_within(..all.len().min(len - all.len()));
        }
        all
    }

    #[test]
    fn subkey_and_three_message_vector_of_the_protocol_notes() {
        let (key, header) = vector_key();
        let mut sealer = StreamSealer::new(&key, &header);
        assert_eq!(hex(&*sealer.key.subkey), "cfd97df18f2992b7c6e22891ad0c6ec14b36bdec44f932e5a7bff8319db1e927");
        for (plain, tag, expected) in [
            (&b"hello"[..], TAG_MESSAGE, "777175680e3131ab6ae8fefac2348b29055cd84609c1"),
            (&b""[..], TAG_MESSAGE, "399e5eae63805b990e583175887185c962"),
            (
                &b"the last chunk 17"[..],
                TAG_FINAL,
                "6f417d78e3866b4dea5bd2546c1e7078a158905d16e5f3d81943f1756501a19553b4",
            ),
        ] {
            let mut sealed = vec![0; plain.len() + CHUNK_OVERHEAD];
            let prefix = sealer.seal_message(plain, tag, &mut sealed).unwrap();
            assert_eq!(hex(&sealed), expected);
            xor_into(&mut sealer.xor, prefix);
            sealer.index += 1;
        }
    }

    #[test]
    fn empty_file_and_blob_vectors_of_the_protocol_notes() {
        let (key, header) = vector_key();
        assert_eq!(hex(&seal(&key, &header, b"")), "742f77ffc00eef5d8ec747977ceda1889d");
        let blob = seal_blob_with(&key, header, br#"{"a":1}"#);
        assert_eq!(hex(&blob.ciphertext), "746232654064c9e6d077d0ab54e06297a7047ad230455600");
        assert_eq!(open_blob(&key, &header.0, &blob.ciphertext).unwrap(), br#"{"a":1}"#);
    }

    #[test]
    fn every_size_around_an_edge_round_trips_in_any_order() {
        const MIB: usize = 1 << 20;
        let mut sizes = vec![0, 1, 15, 16, 17, 63, 64, 65, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 20 * MIB];
        sizes.extend([0, 1, 16, 17].iter().flat_map(|d| [4 * MIB - d, 4 * MIB + d]));
        let (key, header) = (FileKey::random(), StreamHeader::random());
        for size in sizes {
            let plain = noise(size);
            let object = seal(&key, &header, &plain);
            let chunks = object.len().div_ceil(CIPHER_CHUNK);
            let forward: Vec<usize> = (0..chunks).collect();
            let backward: Vec<usize> = (0..chunks).rev().collect();
            assert_eq!(open(&key, &header, &object, &forward).unwrap(), plain, "{size}");
            assert_eq!(open(&key, &header, &object, &backward).unwrap(), plain, "{size}");
            assert_eq!(seal(&key, &header, &plain), object, "sealing again, {size}");
        }
    }

    #[test]
    fn any_chunk_can_be_sealed_again_alone() {
        let (key, header) = (FileKey::random(), StreamHeader::random());
        let plain = noise(2 * CHUNK + 77);
        let object = seal(&key, &header, &plain);
        let mut macs = MacIndex::new(3);
        for (i, chunk) in object.chunks(CIPHER_CHUNK).enumerate() {
            assert!(i == 0 || StreamSealer::resume(&key, &header, 3, &macs).is_err());
            macs.set(i as u64, MacPrefix::of_chunk(chunk).unwrap());
        }
        for (i, (piece, expected)) in plain.chunks(CHUNK).zip(object.chunks(CIPHER_CHUNK)).enumerate() {
            let mut again = vec![0; expected.len()];
            let mut sealer = StreamSealer::resume(&key, &header, i as u64, &macs).unwrap();
            sealer.seal_chunk(piece, i == 2, &mut again).unwrap();
            assert!(again == expected, "chunk {i}");
        }
    }

    #[test]
    fn lengths_are_each_others_inverse() {
        for plain in (0..200).chain((CHUNK as u64 - 50)..(CHUNK as u64 + 50)).chain([8 << 20, 20 << 20, 10 << 30]) {
            assert_eq!(plain_len(cipher_len(plain)), Some(plain));
        }
        for (plain, cipher) in
            [(0, 17), (1, 18), (4_194_304, 4_194_321), (4_194_305, 4_194_339), (8_388_608, 8_388_642)]
        {
            assert_eq!(cipher_len(plain), cipher);
        }
        assert_eq!(cipher_len(10 << 30), 10_737_461_760);
        let full = CIPHER_CHUNK as u64;
        for cipher in (0..17).chain(full + 1..=full + 17) {
            assert_eq!(plain_len(cipher), None, "{cipher}");
        }
        assert_eq!(plain_len(u64::MAX).and_then(|plain| plain.checked_add(1)), plain_len(u64::MAX).map(|p| p + 1));
    }

    #[test]
    fn truncated_reordered_and_swapped_chunks_are_refused() {
        let (key, header) = (FileKey::random(), StreamHeader::random());
        let object = seal(&key, &header, &noise(2 * CHUNK + 100));
        let cut = &object[..2 * CIPHER_CHUNK];
        assert_eq!(open(&key, &header, cut, &[0, 1]), Err(CryptoError::Truncated));
        assert!(open(&key, &header, &object[..object.len() - 1], &[0, 1, 2]).is_err());
        let mut swapped = object.clone();
        let (first, second) = swapped.split_at_mut(CIPHER_CHUNK);
        first.swap_with_slice(&mut second[..CIPHER_CHUNK]);
        assert_eq!(open(&key, &header, &swapped, &[0]), Err(CryptoError::Authentication));
        let other = seal(&key, &StreamHeader::random(), &noise(2 * CHUNK + 100));
        let mut mixed = object.clone();
        mixed[..CIPHER_CHUNK].copy_from_slice(&other[..CIPHER_CHUNK]);
        assert!(open(&key, &header, &mixed, &[0]).is_err());
        assert!(open(&key, &header, &mixed, &[1]).is_err(), "a foreign earlier chunk spoils the later ones");
        let mut longer = object.clone();
        longer.extend_from_slice(&object[2 * CIPHER_CHUNK..]);
        assert!(open(&key, &header, &longer, &[2]).is_err(), "bytes after the end mark");
    }

    #[test]
    fn a_final_mark_too_early_or_missing_is_refused() {
        let (key, header) = vector_key();
        let plain = noise(CHUNK);
        let mut sealed = vec![0; CIPHER_CHUNK];
        for (marked, expected) in [(true, false), (false, true)] {
            StreamSealer::new(&key, &header).seal_chunk(&plain, marked, &mut sealed).unwrap();
            let mut out = vec![0; CHUNK];
            let opened = StreamOpener::new(&key, &header).open_chunk(0, &MacIndex::new(1), expected, &sealed, &mut out);
            assert_eq!(opened, Err(CryptoError::Truncated));
            assert!(out.iter().all(|&b| b == 0), "nothing is released");
        }
        assert!(StreamSealer::new(&key, &header).seal_chunk(b"short", false, &mut [0; 22]).is_err());
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let (key, header) = vector_key();
        let plain = noise(53);
        let object = seal(&key, &header, &plain);
        for bit in 0..object.len() * 8 {
            let mut changed = object.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key, &header, &changed, &[0]), Err(CryptoError::Authentication), "bit {bit}");
        }
        for bit in 0..24 * 8 {
            let mut changed = header;
            changed.0[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, &changed, &object, &[0]).is_err(), "header bit {bit}");
        }
        assert!(open(&FileKey::random(), &header, &object, &[0]).is_err());
    }

    #[test]
    fn chunks_open_from_several_threads_at_once() {
        let (key, header) = (FileKey::random(), StreamHeader::random());
        let plain = noise(3 * CHUNK);
        let object = seal(&key, &header, &plain);
        let sealed: Vec<&[u8]> = object.chunks(CIPHER_CHUNK).collect();
        let mut macs = MacIndex::new(3);
        for (i, chunk) in sealed.iter().enumerate() {
            macs.set(i as u64, MacPrefix::of_chunk(chunk).unwrap());
        }
        let opener = StreamOpener::new(&key, &header);
        let mut opened = vec![0; plain.len()];
        std::thread::scope(|scope| {
            for (i, out) in opened.chunks_mut(CHUNK).enumerate() {
                let (opener, macs, sealed) = (&opener, &macs, sealed[i]);
                scope.spawn(move || opener.open_chunk(i as u64, macs, i == 2, sealed, out).unwrap());
            }
        });
        assert_eq!(opened, plain);
    }

    #[test]
    fn a_mac_index_knows_what_it_lacks_and_survives_its_bytes() {
        let mut macs = MacIndex::new(4);
        macs.set(1, MacPrefix([1; 8]));
        macs.set(9, MacPrefix([9; 8]));
        assert_eq!(macs.missing_before(3), [0, 2]);
        assert_eq!(macs.xor_before(2), None);
        macs.set(0, MacPrefix([2; 8]));
        assert_eq!(macs.xor_before(2), Some([3; 8]));
        assert_eq!(MacIndex::from_bytes(4, &macs.to_bytes()), macs);
        assert_eq!(MacIndex::from_bytes(4, &macs.to_bytes()[..9]).missing_before(2), [1]);
    }
}
