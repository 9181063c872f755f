//! A commit slot: the record, and the map or where its pieces are.
//!
//! ```text
//! 0    8   generation, from 1 on; 0 where nothing was written
//! 8    4   length n of the text, at most 8152
//! 12   12  nonce
//! 24   n   text, sealed under the file's key
//! 24+n 16  tag; zeros up to a whole sector
//!
//! text: the record (128 + path), then
//! 0    4   length m of the map
//! 4    8   generation under which its pieces were sealed; 0: the map follows here
//! 12   m   the map, or for each piece of 65,536 bytes: u32 cell, tag 16
//! ```
//! With a path of 100 bytes the map follows in the slot up to 7,912 bytes, some 490 blocks or 32 MB; 10 GiB take 41
//! pieces. A commit that changes the record alone names the pieces of the one before.

use super::cipher::{CellCipher, Place};
use super::codec::Decoder;
use super::error::VaultError;
use super::layout::{BLOCK, Cell, Generation, HEAD_LEN, NONCE, SLOT_LEN, TAG, Tag, padded_len};
use super::record::FileRecord;

const PREFIX: usize = 12;
const MAX_TEXT: usize = SLOT_LEN - PREFIX - NONCE - TAG;
const MAP_FIELDS: usize = 12;
const PIECE_FIELDS: usize = 20;

/// One piece of a map: its cell and the tag it must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MapPiece {
    pub(crate) cell: Cell,
    pub(crate) tag: Tag,
}

/// Where the map is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum MapPlace {
    Inline(Vec<u8>),
    Pieces { sealed_at: Generation, len: usize, pieces: Vec<MapPiece> },
}

impl MapPlace {
    pub(crate) fn pieces(&self) -> &[MapPiece] {
        match self {
            Self::Inline(_) => &[],
            Self::Pieces { pieces, .. } => pieces,
        }
    }
}

/// What an authentic slot says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    pub(crate) generation: Generation,
    pub(crate) file: FileRecord,
    pub(crate) map: MapPlace,
}

/// Offset of slot 0 or 1 on disk.
pub(crate) fn slot_offset(slot: usize) -> u64 {
    (HEAD_LEN + slot * SLOT_LEN) as u64
}

/// How long a map may be to stand in the slot beside a record of this length.
pub(crate) fn inline_room(record_len: usize) -> usize {
    MAX_TEXT.saturating_sub(record_len + MAP_FIELDS)
}

impl Slot {
    /// The bytes to write at [`slot_offset`].
    ///
    /// # Errors
    /// [`VaultError::RecordTooLarge`] for a path too long, or a map of too many pieces.
    pub(crate) fn seal(&self, cipher: &CellCipher, slot: usize) -> Result<Vec<u8>, VaultError> {
        let mut text = self.file.encode()?;
        match &self.map {
            MapPlace::Inline(map) => text.u32(map.len() as u32).u64(0).bytes(map),
            MapPlace::Pieces { sealed_at, len, pieces } => {
                text.u32(*len as u32).u64(sealed_at.0);
                for piece in pieces {
                    text.u32(piece.cell.0).bytes(&piece.tag);
                }
                &mut text
            }
        };
        if text.0.len() > MAX_TEXT {
            return Err(VaultError::RecordTooLarge("too many ranges were written over the old version"));
        }
        let sealed = cipher.seal_text(Place::Slot(slot, self.generation), &text.0);
        let mut bytes = Vec::with_capacity(SLOT_LEN);
        bytes.extend_from_slice(&self.generation.0.to_le_bytes());
        bytes.extend_from_slice(&(text.0.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&sealed);
        bytes.resize(padded_len(text.0.len() + PREFIX), 0);
        Ok(bytes)
    }

    /// Opens the bytes found at [`slot_offset`]; `None` where they are not an authentic slot of this file.
    pub(crate) fn open(cipher: &CellCipher, slot: usize, bytes: &[u8]) -> Option<Self> {
        let mut prefix = Decoder(bytes);
        let generation = Generation(prefix.u64()?);
        let len = prefix.u32()? as usize;
        let mut sealed = prefix.bytes(NONCE.checked_add(len)?.checked_add(TAG)?)?.to_vec();
        let text = cipher.open_cell(Place::Slot(slot, generation), &mut sealed, len, None).ok()?;
        let mut text = Decoder(text);
        let file = FileRecord::decode(&mut text)?;
        let map = decode_place(&mut text)?;
        text.is_at_end().then_some(Self { generation, file, map })
    }
}

fn decode_place(text: &mut Decoder<'_>) -> Option<MapPlace> {
    let (len, sealed_at) = (text.u32()? as usize, Generation(text.u64()?));
    if sealed_at == Generation(0) {
        return text.bytes(len).map(|map| MapPlace::Inline(map.to_vec()));
    }
    let count = len.div_ceil(BLOCK);
    if count > MAX_TEXT / PIECE_FIELDS {
        return None;
    }
    let piece = |_| Some(MapPiece { cell: Cell(text.u32()?), tag: text.array()? });
    let pieces = (0..count).map(piece).collect::<Option<_>>()?;
    Some(MapPlace::Pieces { sealed_at, len, pieces })
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::sample_record;
    use super::*;
    use crate::base::VaultId;
    use crate::crypto::{BlockCipher, VaultKey};

    fn sample(map: MapPlace) -> Slot {
        let file = FileRecord { record: sample_record(), len: 200_000, base: None, base_limit: 0 };
        Slot { generation: Generation(5), file, map }
    }

    #[test]
    fn a_slot_survives_its_sealing_in_its_place_alone() {
        let cipher = CellCipher::new(BlockCipher::preferred(), &VaultKey::random(), VaultId([1; 16]));
        let piece = MapPiece { cell: Cell(3), tag: [9; 16] };
        let pieces = MapPlace::Pieces { sealed_at: Generation(4), len: 65_537, pieces: vec![piece; 2] };
        for map in [MapPlace::Inline(vec![1, 2, 3]), pieces] {
            let slot = sample(map);
            let bytes = slot.seal(&cipher, 1).unwrap();
            assert_eq!(bytes.len() % 4096, 0);
            assert_eq!(Slot::open(&cipher, 1, &bytes), Some(slot));
            assert_eq!(Slot::open(&cipher, 0, &bytes), None);
            let mut other_generation = bytes.clone();
            other_generation[0] ^= 1;
            assert_eq!(Slot::open(&cipher, 1, &other_generation), None);
            for cut in 0..200 {
                assert_eq!(Slot::open(&cipher, 1, &bytes[..cut]), None);
            }
        }
    }

    #[test]
    fn the_largest_map_that_fits_is_told_exactly() {
        let cipher = CellCipher::new(BlockCipher::preferred(), &VaultKey::random(), VaultId([1; 16]));
        let record_len = 128 + sample_record().path.len();
        assert_eq!(inline_room(128 + 100), 7912);
        let fits = sample(MapPlace::Inline(vec![0; inline_room(record_len)]));
        assert_eq!(fits.seal(&cipher, 0).unwrap().len(), SLOT_LEN);
        let over = sample(MapPlace::Inline(vec![0; inline_room(record_len) + 1]));
        assert!(matches!(over.seal(&cipher, 0), Err(VaultError::RecordTooLarge(_))));
    }
}
