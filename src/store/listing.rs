//! What a directory listing shows of a photo, in one small sealed record: a listing of 100,000 photos opens
//! these and nothing else (architecture 5.2).

use super::error::{StoreError, StoreResult};
use crate::base::{Ino, Nanos};

/// One photo in one album.
///
/// ```text
///  0  1  version, 1
///  1  8  inode                  25  8  ctime, ns
///  9  8  size, bytes            33  4  links
/// 17  8  mtime, ns              37 12  mode, uid, gid; all ones: the mount's default
/// 49  n  name
/// ```
/// Little-endian; 60 bytes for `IMG_1234.JPG`, 100 sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    pub ino: Ino,
    pub size: u64,
    pub mtime: Nanos,
    pub ctime: Nanos,
    pub links: u32,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub name: Vec<u8>,
}

const VERSION: u8 = 1;
const FIXED: usize = 49;
const DEFAULT: u32 = u32::MAX;

impl Listing {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED + self.name.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.ino.0.to_le_bytes());
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&self.mtime.0.to_le_bytes());
        bytes.extend_from_slice(&self.ctime.0.to_le_bytes());
        bytes.extend_from_slice(&self.links.to_le_bytes());
        for value in [self.mode, self.uid, self.gid] {
            bytes.extend_from_slice(&value.unwrap_or(DEFAULT).to_le_bytes());
        }
        bytes.extend_from_slice(&self.name);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> StoreResult<Self> {
        let malformed = StoreError::Malformed { table: "members" };
        let Some((fixed, name)) = bytes.split_first_chunk::<FIXED>() else { return Err(malformed) };
        if fixed[0] != VERSION {
            return Err(malformed);
        }
        let long = |at: usize| i64::from_le_bytes(fixed[at..at + 8].try_into().expect("8 bytes"));
        let short = |at: usize| u32::from_le_bytes(fixed[at..at + 4].try_into().expect("4 bytes"));
        let set = |at: usize| Some(short(at)).filter(|value| *value != DEFAULT);
        Ok(Self {
            ino: Ino(long(1) as u64),
            size: long(9) as u64,
            mtime: Nanos(long(17)),
            ctime: Nanos(long(25)),
            links: short(33),
            mode: set(37),
            uid: set(41),
            gid: set(45),
            name: name.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_survives_its_bytes() {
        let listing = Listing {
            ino: Ino(1 << 56 | 5),
            size: u64::MAX >> 1,
            mtime: Nanos(-1),
            ctime: Nanos(i64::MAX),
            links: 3,
            mode: Some(0o640),
            uid: None,
            gid: Some(0),
            name: b"IMG \xff.jpg".to_vec(),
        };
        let bytes = listing.to_bytes();
        assert_eq!(Listing::from_bytes(&bytes).unwrap(), listing);
        assert!(Listing::from_bytes(&bytes[..48]).is_err());
        let mut newer = bytes;
        newer[0] = 9;
        assert!(Listing::from_bytes(&newer).is_err());
    }
}
