//! Inode numbers: which range says what (I8: never reused, the same after a remount).
//!
//! ```text
//!  bit 62…56   55……0
//!  0           fixed places of the tree (below 2^16) and numbers born here (from 2^16 up)
//!  1           a photo that came by pull: its file ID
//!  2           the clip of a live photo that came by pull: its file ID
//!  3           an album's directory: its album ID on the server
//!  4           a name that is gone and answers once more: the moment it went, µs
//!  5           the directory of somebody who shares albums with us: their user ID
//!  6           a year or month of `Timeline/`
//!  7           a link there to a photo: its file ID
//!  8           a link there to the clip of a live photo: its file ID
//! ```
//! Bit 63 stays clear: some programs keep inode numbers in signed integers. Ente's IDs stay below
//! 2^53 (protocol notes, auth 2.1), so 56 bits hold them.

use super::{AlbumId, FileId, Part, UserId};
use std::fmt;

const KIND_SHIFT: u32 = 56;
const VALUE_MASK: u64 = (1 << KIND_SHIFT) - 1;
const FIRST_LOCAL: u64 = 1 << 16;

/// An inode number of the mount.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ino(pub u64);

/// What an inode number says by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InoKind {
    /// A fixed place of the tree: the root, `Albums/`, `STATUS.txt`, …
    Fixed(u64),
    /// Born on this machine: drop entries, drop directories, albums made here, versions made elsewhere.
    Local(u64),
    /// The first content seen of a pulled photo (or of a live photo's still).
    Photo(FileId),
    /// The clip of a pulled live photo.
    Clip(FileId),
    /// The directory of an album that came by pull.
    Album(AlbumId),
    /// A name that is gone; it lasts for seconds.
    Echo(u64),
    /// The directory of the albums that somebody shares with us.
    Owner(UserId),
    /// A year or month of `Timeline/`, by its number.
    Period(u64),
    /// A link to a photo, or to the clip of a live photo.
    Link(FileId, Part),
}

impl Ino {
    pub const ROOT: Ino = Ino(1);
    /// The lowest number that the counter of local inodes gives out.
    pub const FIRST_LOCAL: Ino = Ino(FIRST_LOCAL);

    /// The number of a pulled photo; `None` for an ID no server gives out.
    pub fn of_photo(id: FileId) -> Option<Ino> {
        Self::tagged(1, id.0)
    }

    /// The number of a pulled live photo's clip.
    pub fn of_clip(id: FileId) -> Option<Ino> {
        Self::tagged(2, id.0)
    }

    /// The number of a pulled album's directory.
    pub fn of_album(id: AlbumId) -> Option<Ino> {
        Self::tagged(3, id.0)
    }

    /// The number of a name that went at this moment and answers once more.
    pub fn of_echo(moment: u64) -> Ino {
        Ino(4 << KIND_SHIFT | moment & VALUE_MASK)
    }

    /// The number of the directory of somebody's shared albums.
    pub fn of_owner(id: UserId) -> Option<Ino> {
        Self::tagged(5, id.0)
    }

    /// The number of a year or month of `Timeline/`.
    pub fn of_period(number: u64) -> Ino {
        Ino(6 << KIND_SHIFT | number & VALUE_MASK)
    }

    /// The number of a link to a photo.
    pub fn of_link(id: FileId, part: Part) -> Option<Ino> {
        Self::tagged(if part == Part::Clip { 8 } else { 7 }, id.0)
    }

    fn tagged(kind: u64, value: i64) -> Option<Ino> {
        let value = u64::try_from(value).ok()?;
        (value <= VALUE_MASK).then_some(Ino(kind << KIND_SHIFT | value))
    }

    /// What the number says; `None` for a number no rule makes.
    pub fn kind(self) -> Option<InoKind> {
        let value = self.0 & VALUE_MASK;
        let id = value as i64;
        match self.0 >> KIND_SHIFT {
            0 if value < FIRST_LOCAL => Some(InoKind::Fixed(value)),
            0 => Some(InoKind::Local(value)),
            1 => Some(InoKind::Photo(FileId(id))),
            2 => Some(InoKind::Clip(FileId(id))),
            3 => Some(InoKind::Album(AlbumId(id))),
            4 => Some(InoKind::Echo(value)),
            5 => Some(InoKind::Owner(UserId(id))),
            6 => Some(InoKind::Period(value)),
            7 => Some(InoKind::Link(FileId(id), Part::Whole)),
            8 => Some(InoKind::Link(FileId(id), Part::Clip)),
            _ => None,
        }
    }
}

impl fmt::Debug for Ino {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Some(kind) => write!(f, "Ino({kind:?})"),
            None => write!(f, "Ino({:#x})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_and_no_two_kinds_meet() {
        let file = FileId(1_580_559_962_386_438);
        assert_eq!(Ino::of_photo(file).and_then(Ino::kind), Some(InoKind::Photo(file)));
        assert_eq!(Ino::of_clip(file).and_then(Ino::kind), Some(InoKind::Clip(file)));
        assert_eq!(Ino::of_album(AlbumId(7)).and_then(Ino::kind), Some(InoKind::Album(AlbumId(7))));
        assert_eq!(Ino::of_owner(UserId(7)).and_then(Ino::kind), Some(InoKind::Owner(UserId(7))));
        assert_eq!(Ino::of_period(2024).kind(), Some(InoKind::Period(2024)));
        for part in [Part::Whole, Part::Clip] {
            assert_eq!(Ino::of_link(file, part).and_then(Ino::kind), Some(InoKind::Link(file, part)));
        }
        assert_eq!(Ino::ROOT.kind(), Some(InoKind::Fixed(1)));
        assert_eq!(Ino::FIRST_LOCAL.kind(), Some(InoKind::Local(FIRST_LOCAL)));
    }

    #[test]
    fn ids_no_server_gives_out_have_no_inode() {
        assert_eq!(Ino::of_photo(FileId(-1)), None);
        assert_eq!(Ino::of_photo(FileId(i64::MAX)), None);
        assert_eq!(Ino(u64::MAX).kind(), None);
    }
}
