//! What Ente's records say of photos and albums, as types.

use std::fmt;

/// The wire's `fileType` (protocol notes, data 2.3). Missing in very old files, which are images.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FileKind {
    Image,
    Video,
    LivePhoto,
    /// Written by some mobile versions (3) and by what comes after us.
    Other(i64),
}

impl FileKind {
    pub fn from_wire(value: i64) -> Self {
        match value {
            0 => Self::Image,
            1 => Self::Video,
            2 => Self::LivePhoto,
            other => Self::Other(other),
        }
    }

    pub fn to_wire(self) -> i64 {
        match self {
            Self::Image => 0,
            Self::Video => 1,
            Self::LivePhoto => 2,
            Self::Other(other) => other,
        }
    }
}

/// Which of a photo's files: an ordinary photo has one, a live photo two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    Whole,
    Still,
    Clip,
}

impl Part {
    pub fn from_row(value: i64) -> Option<Self> {
        [Self::Whole, Self::Still, Self::Clip].into_iter().find(|part| part.to_row() == value)
    }

    pub fn to_row(self) -> i64 {
        match self {
            Self::Whole => 0,
            Self::Still => 1,
            Self::Clip => 2,
        }
    }
}

/// The wire's collection `type` (protocol notes, data 1.1); unknown words read as album.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AlbumKind {
    Album,
    Folder,
    Favorites,
    Uncategorized,
}

impl AlbumKind {
    pub fn from_wire(word: &str) -> Self {
        match word {
            "folder" => Self::Folder,
            "favorites" => Self::Favorites,
            "uncategorized" => Self::Uncategorized,
            _ => Self::Album,
        }
    }

    pub fn to_wire(self) -> &'static str {
        match self {
            Self::Album => "album",
            Self::Folder => "folder",
            Self::Favorites => "favorites",
            Self::Uncategorized => "uncategorized",
        }
    }
}

impl fmt::Display for AlbumKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_wire())
    }
}

/// The magic metadata key `visibility` of an album or a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Visibility {
    Visible,
    Archived,
    Hidden,
}

impl Visibility {
    pub fn from_wire(value: i64) -> Self {
        match value {
            1 => Self::Archived,
            2 => Self::Hidden,
            _ => Self::Visible,
        }
    }

    pub fn to_wire(self) -> i64 {
        match self {
            Self::Visible => 0,
            Self::Archived => 1,
            Self::Hidden => 2,
        }
    }
}

/// What one may do in a shared album, weakest first (protocol notes, data 1.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    Viewer,
    Collaborator,
    Admin,
    Owner,
}

impl Role {
    pub fn from_wire(word: &str) -> Option<Self> {
        [Self::Viewer, Self::Collaborator, Self::Admin, Self::Owner].into_iter().find(|role| role.to_wire() == word)
    }

    pub fn to_wire(self) -> &'static str {
        match self {
            Self::Viewer => "VIEWER",
            Self::Collaborator => "COLLABORATOR",
            Self::Admin => "ADMIN",
            Self::Owner => "OWNER",
        }
    }
}
