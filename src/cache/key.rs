use crate::base::{FileId, Part};
use crate::crypto::{DeviceKey, StreamHeader, TagKey};
use std::fmt;

const PURPOSE: &str = "entefs cache: the name of a content, version 1";

/// One content in the cache: what its file is named after. A new version of a photo has another header, hence
/// another key; no table is needed to find it, and the name says nothing without the device key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(pub(super) [u8; 16]);

impl CacheKey {
    /// The file's name: 32 hex digits.
    pub(super) fn to_hex(self) -> String {
        crate::base::VaultId(self.0).to_hex()
    }

    /// The inverse of [`Self::to_hex`].
    pub(super) fn from_hex(name: &str) -> Option<Self> {
        crate::base::VaultId::from_hex(name).map(|id| Self(id.0))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// Names contents.
pub(super) struct KeyMaker(TagKey);

impl KeyMaker {
    pub(super) fn new(device: &DeviceKey) -> Self {
        Self(TagKey::derive(device, PURPOSE))
    }

    /// The content of `part` of the object that `header` opens.
    pub(super) fn key(&self, file: FileId, header: &StreamHeader, part: Part) -> CacheKey {
        CacheKey(self.0.tag(&[&file.0.to_le_bytes(), &header.0, &[part.to_row() as u8]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_and_part_has_a_name_of_its_own_and_another_device_others() {
        let (one, two) = (KeyMaker::new(&DeviceKey::random()), KeyMaker::new(&DeviceKey::random()));
        let (file, header) = (FileId(7), StreamHeader([1; 24]));
        let names = [
            one.key(file, &header, Part::Whole),
            one.key(file, &header, Part::Clip),
            one.key(FileId(8), &header, Part::Whole),
            one.key(file, &StreamHeader([2; 24]), Part::Whole),
            two.key(file, &header, Part::Whole),
        ];
        let distinct: std::collections::BTreeSet<_> = names.into_iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert_eq!(CacheKey::from_hex(&names[0].to_hex()), Some(names[0]));
        assert_eq!(one.key(file, &header, Part::Whole), names[0]);
    }
}
