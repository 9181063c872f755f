//! The fixed places of the tree (semantics 1) and what kind of directory a directory is.

use crate::base::{AlbumKind, Ino, Role, Visibility};

/// A place that is always there. Its inode number is its discriminant, for ever (I8).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u64)]
pub enum FixedPlace {
    Root = 1,
    Albums = 2,
    Uncategorized = 3,
    Favorites = 4,
    StatusTxt = 5,
    DotEntefs = 6,
    StatusJson = 7,
    ErrorsTxt = 8,
    ReadmeTxt = 9,
    Shared = 10,
    Archive = 11,
    Hidden = 12,
    /// `.Trash-$UID`, where file managers put what they delete; its name depends on who mounts.
    DotTrash = 13,
    TrashFiles = 14,
    TrashInfo = 15,
    Timeline = 16,
    /// What Ente deletes in 30 days.
    Trash = 17,
}

impl FixedPlace {
    pub const ALL: [Self; 17] = [
        Self::Root,
        Self::Albums,
        Self::Uncategorized,
        Self::Favorites,
        Self::StatusTxt,
        Self::DotEntefs,
        Self::StatusJson,
        Self::ErrorsTxt,
        Self::ReadmeTxt,
        Self::Shared,
        Self::Archive,
        Self::Hidden,
        Self::DotTrash,
        Self::TrashFiles,
        Self::TrashInfo,
        Self::Timeline,
        Self::Trash,
    ];

    pub fn ino(self) -> Ino {
        Ino(self as u64)
    }

    pub fn of(ino: Ino) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.ino() == ino)
    }

    /// Its name in [`Self::parent`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Albums => "Albums",
            Self::Uncategorized => "Uncategorized",
            Self::Favorites => "Favorites",
            Self::StatusTxt => "STATUS.txt",
            Self::DotEntefs => ".entefs",
            Self::StatusJson => "status.json",
            Self::ErrorsTxt => "errors.txt",
            Self::ReadmeTxt => "README.txt",
            Self::Shared => "Shared",
            Self::Archive => "Archive",
            Self::Hidden => "Hidden",
            // As records name it; the mount adds whose it is.
            Self::DotTrash => ".Trash",
            Self::TrashFiles => "files",
            Self::TrashInfo => "info",
            Self::Timeline => "Timeline",
            Self::Trash => "Trash",
        }
    }

    pub fn parent(self) -> Self {
        match self {
            Self::StatusJson | Self::ErrorsTxt | Self::ReadmeTxt => Self::DotEntefs,
            Self::TrashFiles | Self::TrashInfo => Self::DotTrash,
            _ => Self::Root,
        }
    }

    /// The list of own albums that are so visible.
    pub fn of_albums(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Visible => Self::Albums,
            Visibility::Archived => Self::Archive,
            Visibility::Hidden => Self::Hidden,
        }
    }

    /// Whether its content is made when it is opened.
    pub fn is_generated(self) -> bool {
        matches!(self, Self::StatusTxt | Self::StatusJson | Self::ErrorsTxt | Self::ReadmeTxt)
    }

    pub fn is_directory(self) -> bool {
        !self.is_generated()
    }
}

/// What a directory is, which decides what may happen in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DirKind {
    Root,
    /// `Albums/`, `Archive/` or `Hidden/`: its directories are own albums that are so visible.
    AlbumList(Visibility),
    /// `Shared/` and the directories of owners in it.
    SharedList,
    /// An album that somebody shares with us, and what we may do there.
    SharedAlbum(Role),
    /// An own album's directory; also `Favorites/` and `Uncategorized/`.
    Album(AlbumKind),
    /// A directory of this machine: a drop, below one, or inside an album.
    Local,
    /// `files/` in `.Trash-$UID`: what comes in leaves its album, and goes nowhere.
    TrashFiles,
    /// `Trash/`: photos in Ente's trash. Out of it they are restored.
    Trash,
    /// `Timeline/`, its years and months: links alone.
    Timeline,
    /// `.entefs/`, and `.Trash-$UID` itself.
    Generated,
}

impl DirKind {
    /// Whether photos or files can be put in.
    pub fn takes_files(self) -> bool {
        matches!(self, Self::Album(_) | Self::Local)
            || matches!(self, Self::SharedAlbum(role) if role >= Role::Collaborator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_by_its_number() {
        for place in FixedPlace::ALL {
            assert_eq!(FixedPlace::of(place.ino()), Some(place));
        }
        assert_eq!(FixedPlace::of(Ino(100)), None);
        assert_eq!(FixedPlace::Root.ino(), Ino::ROOT);
    }
}
