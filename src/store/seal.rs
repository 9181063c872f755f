//! Sealing of records: each purpose a key of its own, each record bound to its place.

use super::error::{StoreError, StoreResult};
use crate::crypto::{CollectionKey, FileKey, SymmetricKey};
use crate::crypto::{DeviceKey, RecordKey, TagKey};

pub(super) struct Seals {
    names: RecordKey,
    keys: RecordKey,
    tags: TagKey,
}

/// Where a record lies; swapped rows do not open.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub table: &'static str,
    pub column: &'static str,
    pub row: (i64, i64),
}

impl Spot {
    pub(super) fn new(table: &'static str, column: &'static str, row: i64) -> Self {
        Self { table, column, row: (row, 0) }
    }

    fn aad(&self) -> Vec<u8> {
        let mut aad = Vec::with_capacity(self.table.len() + self.column.len() + 18);
        aad.extend_from_slice(self.table.as_bytes());
        aad.push(b'.');
        aad.extend_from_slice(self.column.as_bytes());
        aad.push(0);
        aad.extend_from_slice(&self.row.0.to_le_bytes());
        aad.extend_from_slice(&self.row.1.to_le_bytes());
        aad
    }
}

impl Seals {
    pub(super) fn new(device: &DeviceKey) -> Self {
        Self {
            names: RecordKey::derive(device, "entefs 2026-11 database names"),
            keys: RecordKey::derive(device, "entefs 2026-11 database keys"),
            tags: TagKey::derive(device, "entefs 2026-11 database tags"),
        }
    }

    pub(super) fn seal(&self, spot: Spot, plain: &[u8]) -> Vec<u8> {
        self.names.seal(&spot.aad(), plain)
    }

    pub(super) fn open(&self, spot: Spot, sealed: &[u8]) -> StoreResult<Vec<u8>> {
        self.names.open(&spot.aad(), sealed).map_err(|source| StoreError::Sealed { table: spot.table, source })
    }

    pub(super) fn open_text(&self, spot: Spot, sealed: &[u8]) -> StoreResult<String> {
        String::from_utf8(self.open(spot, sealed)?).map_err(|_| StoreError::Malformed { table: spot.table })
    }

    pub(super) fn seal_key(&self, spot: Spot, key: &impl SymmetricKey) -> Vec<u8> {
        self.keys.seal(&spot.aad(), key.expose())
    }

    pub(super) fn open_file_key(&self, spot: Spot, sealed: &[u8]) -> StoreResult<FileKey> {
        let key = self.open_key(spot, sealed)?;
        FileKey::from_slice(&key).map_err(|source| StoreError::Sealed { table: spot.table, source })
    }

    pub(super) fn open_collection_key(&self, spot: Spot, sealed: &[u8]) -> StoreResult<CollectionKey> {
        let key = self.open_key(spot, sealed)?;
        CollectionKey::from_slice(&key).map_err(|source| StoreError::Sealed { table: spot.table, source })
    }

    fn open_key(&self, spot: Spot, sealed: &[u8]) -> StoreResult<crate::crypto::Zeroizing<Vec<u8>>> {
        let key = self.keys.open(&spot.aad(), sealed);
        key.map(crate::crypto::Zeroizing::new).map_err(|source| StoreError::Sealed { table: spot.table, source })
    }

    /// A tag by which equal names below one parent are found.
    pub(super) fn name_tag(&self, parent: i64, name: &[u8]) -> [u8; 16] {
        self.tags.tag(&[b"name\0", &parent.to_le_bytes(), name])
    }

    /// A tag by which what was shot together is found in an album.
    pub(super) fn stem_tag(&self, album: i64, stem: &[u8], together: i64) -> [u8; 16] {
        self.tags.tag(&[b"stem\0", &album.to_le_bytes(), &together.to_le_bytes(), stem])
    }

    /// A tag by which equal contents are found.
    pub(super) fn hash_tag(&self, hash: &str, kind: i64) -> [u8; 16] {
        self.tags.tag(&[b"hash\0", &kind.to_le_bytes(), hash.as_bytes()])
    }
}
