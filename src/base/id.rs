//! Identifiers as types, so that a file never stands where an album should.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// A photo's number on the Ente server (the wire's `id` of a file).
    FileId
);
id!(
    /// An album's number on the Ente server (the wire's `collectionID`).
    AlbumId
);
id!(
    /// An account's number on the Ente server.
    UserId
);
id!(
    /// An album's number in this state directory; an album made here has one before the server knows it.
    AlbumNo
);
impl AlbumNo {
    /// Stands where an album's number does for Ente's trash, which is none: no album has it.
    pub const TRASH: Self = Self(0);
}

id!(
    /// One content (the bytes of one version of one part of a photo) in this state directory.
    ContentNo
);
id!(
    /// One row of the upload stage machine.
    UploadNo
);
id!(
    /// One pending change to the account (remove, move, rename, …).
    OpNo
);
id!(
    /// One line of the journal of what was removed, moved or renamed here.
    JournalNo
);

/// The random name of one sealed local file; binds its blocks to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VaultId(pub [u8; 16]);

impl VaultId {
    /// The file name under `spool/` or the cache directory: 32 hex digits.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The inverse of [`Self::to_hex`]; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 || !digits.iter().all(|d| d.is_ascii_digit() || (b'a'..=b'f').contains(d)) {
            return None;
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(id))
    }
}

/// Counts the commits of one sealed local file, from 1; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Generation(pub u64);

impl fmt::Debug for VaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vault_ids_survive_their_file_name() {
        let id = VaultId([0xab; 16]);
        assert_eq!(VaultId::from_hex(&id.to_hex()), Some(id));
        for bad in ["", "zz", "AB", &"g".repeat(32), &"é".repeat(16), &id.to_hex()[1..]] {
            assert_eq!(VaultId::from_hex(bad), None, "{bad}");
        }
    }
}
