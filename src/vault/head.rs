//! The head sector: which file this is, and its key under the device key.
//!
//! ```text
//! 0     8    magic "entefsVT"
//! 8     4    format version, 1
//! 12    4    the cipher of all that follows: 0 ChaCha20-Poly1305, 1 AES-256-GCM
//! 16    16   vault ID, random
//! 32    72   the file's key under the device key (XChaCha20-Poly1305: nonce 24, key 32, tag 16);
//!            associated data: bytes 0…31
//! 104   1944 zero
//! 2048  60   in the cache: the binding, what the file may be read as (nonce 12, text 32, tag 16)
//! 2108  1988 zero
//! ```
//! Written before the first commit is durable and never again while it may hold the only copy of a photo: a torn
//! head would cost the only key. The binding is added when the file enters the cache, where nothing is the only copy.

use super::cipher::{CellCipher, Place};
use super::codec::{Decoder, Encoder};
use super::disk::Disk;
use super::error::VaultError;
use super::layout::{Generation, HEAD_LEN, NONCE, TAG};
use crate::base::VaultId;
use crate::crypto::{BlockCipher, DeviceKey, RecordKey, VaultKey, Zeroizing};
use std::io;

const MAGIC: &[u8; 8] = b"entefsVT";
const VERSION: u32 = 1;
const PLAIN: usize = 32;
const USED: usize = 104;
const PURPOSE: &str = "entefs vault: the key of a sealed file, version 1";
const BINDING_AT: usize = 2048;
const BINDING_TEXT: usize = 32;

/// A new key, and the head that holds it.
pub(crate) fn make_head(device: &DeviceKey, id: VaultId) -> (CellCipher, Vec<u8>) {
    make_head_with(BlockCipher::preferred(), device, id)
}

fn make_head_with(cipher: BlockCipher, device: &DeviceKey, id: VaultId) -> (CellCipher, Vec<u8>) {
    let key = VaultKey::random();
    let mut head = Encoder(Vec::with_capacity(HEAD_LEN));
    head.bytes(MAGIC).u32(VERSION).u32(number_of(cipher)).bytes(&id.0);
    let wrapped = RecordKey::derive(device, PURPOSE).seal(&head.0, key.bytes());
    head.bytes(&wrapped);
    head.0.resize(HEAD_LEN, 0);
    (CellCipher::new(cipher, &key, id), head.0)
}

fn number_of(cipher: BlockCipher) -> u32 {
    match cipher {
        BlockCipher::ChaCha20Poly1305 => 0,
        BlockCipher::Aes256Gcm => 1,
    }
}

fn cipher_of(number: u32) -> Option<BlockCipher> {
    [BlockCipher::ChaCha20Poly1305, BlockCipher::Aes256Gcm].into_iter().find(|cipher| number_of(*cipher) == number)
}

/// Opens a head sector; `None` where nothing was written. A short one is as if filled up with zeros.
///
/// # Errors
/// [`VaultError::Version`] for a later format, [`VaultError::Corrupt`] for a head that was written and does not
/// verify (or was written under another device key).
pub(crate) fn open_head(device: &DeviceKey, sector: &[u8]) -> Result<Option<CellCipher>, VaultError> {
    let mut head = [0; USED];
    let have = sector.len().min(USED);
    head[..have].copy_from_slice(&sector[..have]);
    if head == [0; USED] {
        return Ok(None);
    }
    parse_head(device, &head).map(Some)
}

fn parse_head(device: &DeviceKey, head: &[u8; USED]) -> Result<CellCipher, VaultError> {
    let corrupt = || VaultError::Corrupt("its head was changed, or belongs to another device key");
    let (plain, wrapped) = head.split_at(PLAIN);
    let mut fields = Decoder(plain);
    if fields.bytes(MAGIC.len()) != Some(MAGIC) {
        return Err(corrupt());
    }
    let version = fields.u32().ok_or_else(corrupt)?;
    if version > VERSION {
        return Err(VaultError::Version(version));
    }
    let key = RecordKey::derive(device, PURPOSE).open(plain, wrapped).map(Zeroizing::new).map_err(|_| corrupt())?;
    let key = VaultKey::from_slice(&key).map_err(|_| corrupt())?;
    let cipher = fields.u32().and_then(cipher_of).ok_or_else(corrupt)?;
    let id = fields.array().ok_or_else(corrupt)?;
    Ok(CellCipher::new(cipher, &key, VaultId(id)))
}

/// What a cache file may be read as. Without it a file moved under another's name would be read as that other one,
/// and one whose newest commit is damaged as its own older version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Binding {
    /// The name in the cache.
    pub(crate) key: [u8; 16],
    /// Bytes of plaintext.
    pub(crate) len: u64,
    /// The commit whose map says where the blocks are; `None`: block *i* is in cell *i*.
    pub(crate) map: Option<Generation>,
}

impl Binding {
    fn encode(&self) -> Vec<u8> {
        let mut text = Encoder::default();
        text.bytes(&self.key).u64(self.len).u64(self.map.unwrap_or_default().0);
        text.0
    }

    fn decode(text: &[u8]) -> Option<Self> {
        let mut text = Decoder(text);
        let (key, len, map) = (text.array()?, text.u64()?, text.u64()?);
        Some(Self { key, len, map: (map != 0).then_some(Generation(map)) })
    }

    /// Puts the binding into a head that is not written yet.
    pub(crate) fn put(&self, cipher: &CellCipher, head: &mut [u8]) {
        let sealed = cipher.seal_text(Place::Binding, &self.encode());
        head[BINDING_AT..BINDING_AT + sealed.len()].copy_from_slice(&sealed);
    }

    /// Adds the binding to the head of a file that enters the cache.
    pub(crate) fn write(&self, cipher: &CellCipher, disk: &dyn Disk) -> io::Result<()> {
        disk.write_at(BINDING_AT as u64, &cipher.seal_text(Place::Binding, &self.encode()))
    }

    /// The binding in a head sector; `None` where there is none, or one that does not verify.
    pub(crate) fn open(cipher: &CellCipher, sector: &[u8]) -> Option<Self> {
        let mut sealed = sector.get(BINDING_AT..BINDING_AT + NONCE + BINDING_TEXT + TAG)?.to_vec();
        let text = cipher.open_cell(Place::Binding, &mut sealed, BINDING_TEXT, None).ok()?;
        Self::decode(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_opens_under_its_device_key_alone() {
        let (device, id) = (DeviceKey::random(), VaultId([4; 16]));
        let (_, head) = make_head(&device, id);
        assert!(matches!(open_head(&device, &head), Ok(Some(cipher)) if cipher.id() == id));
        assert!(matches!(open_head(&DeviceKey::random(), &head), Err(VaultError::Corrupt(_))));
        assert!(matches!(open_head(&device, &[]), Ok(None)));
        for bit in 0..USED * 8 {
            let mut changed = head.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open_head(&device, &changed).is_err(), "bit {bit}");
        }
    }

    /// A state directory moved to a machine whose processor prefers the other one.
    #[test]
    fn a_head_says_which_cipher_its_file_has() {
        let device = DeviceKey::random();
        for cipher in [BlockCipher::ChaCha20Poly1305, BlockCipher::Aes256Gcm] {
            let (ours, head) = make_head_with(cipher, &device, VaultId([4; 16]));
            let sealed = ours.seal_text(Place::Binding, b"text");
            let theirs = open_head(&device, &head).unwrap().unwrap();
            let opened = theirs.open_cell(Place::Binding, &mut sealed.clone(), 4, None).map(|text| text.to_vec());
            assert_eq!(opened, Ok(b"text".to_vec()));
        }
    }

    #[test]
    fn a_later_format_is_told_apart_from_damage() {
        let device = DeviceKey::random();
        let (_, mut head) = make_head(&device, VaultId([4; 16]));
        head[8] = 2;
        assert!(matches!(open_head(&device, &head), Err(VaultError::Version(2))));
    }

    #[test]
    fn a_binding_survives_in_its_own_file_only() {
        let device = DeviceKey::random();
        let (cipher, mut head) = make_head(&device, VaultId([4; 16]));
        assert_eq!(Binding::open(&cipher, &head), None);
        for map in [None, Some(Generation(7))] {
            let binding = Binding { key: [9; 16], len: 200_000, map };
            binding.put(&cipher, &mut head);
            assert_eq!(Binding::open(&cipher, &head), Some(binding));
            let (other, _) = make_head(&device, VaultId([4; 16]));
            assert_eq!(Binding::open(&other, &head), None);
        }
    }
}
