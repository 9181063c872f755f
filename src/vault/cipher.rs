//! Sealing and opening what lies in cells and slots: the cipher that the head names under the file's own key, a fresh
//! random nonce for every sealing (I3), and the place in the associated data, so that nothing verifies where it does not
//! belong.
//!
//! ```text
//! associated data      vault ID 16, then
//! block                u64 block index                      24 bytes
//! commit slot          u8 slot, u64 generation              25 bytes
//! piece of a map       u64 generation, u32 piece, u8 zero   29 bytes
//! binding (cache)      nothing                              16 bytes
//! ```
//! No two kinds have one length, so none can stand for another.

use super::codec::Encoder;
use super::layout::{BlockIndex, Generation, NONCE, TAG, Tag, padded_len};
use crate::base::VaultId;
use crate::crypto::{BlockCipher, BlockKey, VaultKey, random};

/// What a sealing is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Block(BlockIndex),
    Slot(usize, Generation),
    Map(Generation, usize),
    Binding,
}

/// Why a cell gives no bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CellFault {
    /// Its nonce is all zero: never written, or punched.
    Absent,
    /// It does not verify.
    Damaged,
}

/// The cipher of one file.
pub(crate) struct CellCipher {
    key: BlockKey,
    id: VaultId,
}

impl CellCipher {
    pub(crate) fn new(cipher: BlockCipher, key: &VaultKey, id: VaultId) -> Self {
        Self { key: BlockKey::new(cipher, key), id }
    }

    pub(crate) fn id(&self) -> VaultId {
        self.id
    }

    fn aad(&self, place: Place) -> Vec<u8> {
        let mut aad = Encoder(Vec::with_capacity(32));
        aad.bytes(&self.id.0);
        match place {
            Place::Block(index) => aad.u64(u64::from(index.0)),
            Place::Slot(slot, generation) => aad.u8(slot as u8).u64(generation.0),
            Place::Map(generation, piece) => aad.u64(generation.0).u32(piece as u32).u8(0),
            Place::Binding => &mut aad,
        };
        aad.0
    }

    /// Seals a cell in place: nonce, plaintext of `len` bytes from [`NONCE`] on, tag, zeros up to a whole sector.
    /// Returns the tag and the length on disk.
    pub(crate) fn seal(&self, place: Place, cell: &mut [u8], len: usize) -> (Tag, usize) {
        let nonce = random_nonce();
        let padded = padded_len(len);
        cell[..NONCE].copy_from_slice(&nonce);
        let tag = self.key.seal(nonce, &self.aad(place), &mut cell[NONCE..NONCE + len]);
        cell[NONCE + len..NONCE + len + TAG].copy_from_slice(&tag);
        cell[NONCE + len + TAG..padded].fill(0);
        (tag, padded)
    }

    /// Seals a short text by itself: nonce, ciphertext, tag.
    pub(crate) fn seal_text(&self, place: Place, text: &[u8]) -> Vec<u8> {
        let mut sealed = vec![0; padded_len(text.len())];
        sealed[NONCE..NONCE + text.len()].copy_from_slice(text);
        self.seal(place, &mut sealed, text.len());
        sealed.truncate(NONCE + text.len() + TAG);
        sealed
    }

    /// Verifies and opens in place; `expected` is the tag that the map names, where there is one.
    pub(crate) fn open(
        &self,
        place: Place,
        nonce: [u8; NONCE],
        block: &mut [u8],
        tag: Tag,
        expected: Option<&Tag>,
    ) -> Result<(), CellFault> {
        if nonce == [0; NONCE] {
            return Err(CellFault::Absent);
        }
        let is_named = expected.is_none_or(|expected| *expected == tag);
        if !is_named || self.key.open(nonce, &self.aad(place), block, tag).is_err() {
            block.fill(0);
            return Err(CellFault::Damaged);
        }
        Ok(())
    }

    /// The inverse of [`Self::seal_text`] and of [`Self::seal`]: opens in place and returns where the text lies.
    pub(crate) fn open_cell<'a>(
        &self,
        place: Place,
        cell: &'a mut [u8],
        len: usize,
        expected: Option<&Tag>,
    ) -> Result<&'a mut [u8], CellFault> {
        let (nonce, rest) = cell.split_first_chunk_mut::<NONCE>().ok_or(CellFault::Damaged)?;
        let (text, rest) = rest.split_at_mut_checked(len).ok_or(CellFault::Damaged)?;
        let tag = *rest.first_chunk::<TAG>().ok_or(CellFault::Damaged)?;
        self.open(place, *nonce, text, tag, expected)?;
        Ok(text)
    }
}

/// Never all zero, which marks an absent block.
fn random_nonce() -> [u8; NONCE] {
    loop {
        let nonce = random();
        if nonce != [0; NONCE] {
            return nonce;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher(id: u8) -> CellCipher {
        CellCipher::new(BlockCipher::preferred(), &VaultKey::from_bytes([1; 32]), VaultId([id; 16]))
    }

    #[test]
    fn a_sealing_opens_in_its_place_alone() {
        let places = [
            Place::Block(BlockIndex(1)),
            Place::Block(BlockIndex(2)),
            Place::Slot(0, Generation(1)),
            Place::Slot(1, Generation(1)),
            Place::Slot(0, Generation(2)),
            Place::Map(Generation(1), 0),
            Place::Map(Generation(1), 1),
            Place::Binding,
        ];
        for (at, place) in places.into_iter().enumerate() {
            let sealed = cipher(7).seal_text(place, b"text");
            for (other_at, other) in places.into_iter().enumerate() {
                let opened = cipher(7).open_cell(other, &mut sealed.clone(), 4, None).map(|text| text.to_vec());
                assert_eq!(opened.ok(), (at == other_at).then(|| b"text".to_vec()), "{place:?} {other:?}");
            }
            assert!(cipher(8).open_cell(place, &mut sealed.clone(), 4, None).is_err());
        }
    }

    #[test]
    fn a_cell_that_was_never_written_is_absent_and_not_damaged() {
        let mut blank = [0; 64];
        assert_eq!(cipher(1).open_cell(Place::Binding, &mut blank, 4, None), Err(CellFault::Absent));
    }

    #[test]
    fn an_older_sealing_of_the_same_block_is_not_the_one_named() {
        let place = Place::Block(BlockIndex(0));
        let (mut old, new) = (cipher(1).seal_text(place, b"old"), cipher(1).seal_text(place, b"new"));
        let tag: Tag = *new.last_chunk().unwrap();
        assert_eq!(cipher(1).open_cell(place, &mut old, 3, Some(&tag)), Err(CellFault::Damaged));
    }
}
