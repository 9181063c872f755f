//! Drops: which album a dropped file goes to (semantics 2.8).

use super::junk::NameRules;
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How the directories of a drop become albums.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlbumMapping {
    /// A file goes to the album named after its immediate directory.
    #[default]
    Separate,
    /// Everything goes to one album.
    Single,
    /// The whole relative path names the album.
    Path,
}

/// What makes two files the same photo (semantics 2.9).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Dedup {
    /// Bytes and name, as Ente's desktop has it.
    #[default]
    Name,
    /// Bytes alone; the name that is there stays.
    Content,
}

/// What removing a sent file from the drop does (semantics 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum OnDelete {
    #[default]
    Entry,
    Uncategorize,
}

/// A drop as configured.
#[derive(Clone, Debug)]
pub struct DropSettings {
    /// Its directory, below the mount.
    pub path: Vec<Vec<u8>>,
    pub albums: AlbumMapping,
    /// The album of files directly in the drop, and of all of them with [`AlbumMapping::Single`].
    pub album: String,
    pub settle: Duration,
    pub names: NameRules,
    pub on_delete: OnDelete,
    /// Photos taken before are not sent.
    pub since: Option<Timestamp>,
    pub dedup: Dedup,
}

impl DropSettings {
    /// `Drop/` as it is without a config file.
    pub fn standard(settle: Duration) -> Self {
        Self {
            path: vec![b"Drop".to_vec()],
            albums: AlbumMapping::default(),
            album: "Drop".into(),
            settle,
            names: NameRules::default(),
            on_delete: OnDelete::default(),
            since: None,
            dedup: Dedup::default(),
        }
    }
}

/// All drops; a directory follows the drop with the longest path above it.
#[derive(Clone, Debug)]
pub struct DropRules(Vec<DropSettings>);

impl DropRules {
    /// `Drop/` is there unless `configured` has it with settings of its own.
    pub fn new(configured: Vec<DropSettings>, settle: Duration) -> Self {
        let standard = DropSettings::standard(settle);
        let has_own = configured.iter().any(|drop| drop.path == standard.path);
        let mut drops = configured;
        if !has_own {
            drops.push(standard);
        }
        drops.sort_by_key(|drop| std::cmp::Reverse(drop.path.len()));
        Self(drops)
    }

    /// The drop that `path` (components below the mount) lies in, and the components below that drop.
    pub fn find<'p>(&self, path: &'p [Vec<u8>]) -> Option<(&DropSettings, &'p [Vec<u8>])> {
        self.0.iter().find_map(|drop| Some((drop, path.strip_prefix(drop.path.as_slice())?)))
    }

    pub fn iter(&self) -> impl Iterator<Item = &DropSettings> {
        self.0.iter()
    }
}

/// The name of the album that files in the directory `below` (components below the drop) go to.
pub fn album_name_for(drop: &DropSettings, below: &[Vec<u8>]) -> String {
    let shown = |component: &Vec<u8>| String::from_utf8_lossy(component).into_owned();
    match drop.albums {
        AlbumMapping::Single => None,
        AlbumMapping::Separate => below.iter().rev().find(|name| !is_camera_directory(name)).map(shown),
        AlbumMapping::Path if below.is_empty() => None,
        AlbumMapping::Path => Some(below.iter().map(shown).collect::<Vec<_>>().join(" - ")),
    }
    .unwrap_or_else(|| drop.album.clone())
}

/// Directories that cameras and phones make; they name no album. The DCF form is three digits from 100 and
/// five free characters.
pub fn is_camera_directory(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name).to_uppercase();
    let dcf = text.len() == 8
        && text.as_bytes()[..3].iter().all(u8::is_ascii_digit)
        && text.as_bytes()[0] != b'0'
        && text.as_bytes()[3..].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    dcf && text.as_bytes()[3..].iter().any(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        || matches!(
            text.as_str(),
            "DCIM" | "CAMERA" | "MISC" | "PRIVATE" | "AVCHD" | "BDMV" | "STREAM" | "M4ROOT" | "CLIP" | "MP_ROOT"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Vec<u8>> {
        text.split('/').filter(|part| !part.is_empty()).map(|part| part.as_bytes().to_vec()).collect()
    }

    fn album(albums: AlbumMapping, below: &str) -> String {
        let drop = DropSettings { albums, ..DropSettings::standard(Duration::ZERO) };
        album_name_for(&drop, &path(below))
    }

    #[test]
    fn separate_names_the_album_after_the_immediate_directory() {
        assert_eq!(album(AlbumMapping::Separate, ""), "Drop");
        assert_eq!(album(AlbumMapping::Separate, "2024/Summer"), "Summer");
    }

    #[test]
    fn a_cameras_directories_name_no_album() {
        assert_eq!(album(AlbumMapping::Separate, "Iceland/DCIM/100CANON"), "Iceland");
        assert_eq!(album(AlbumMapping::Separate, "DCIM/100MSDCF"), "Drop");
        assert_eq!(album(AlbumMapping::Separate, "DCIM/Camera"), "Drop");
        for name in ["100CANON", "101_PANA", "999GOPRO", "100MSDCF", "dcim", "Camera", "101D3200"] {
            assert!(is_camera_directory(name.as_bytes()), "{name}");
        }
        for name in ["20240101", "Summer", "099CANON", "100 days", "2024", "12345678"] {
            assert!(!is_camera_directory(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn single_and_path_do_what_they_say() {
        assert_eq!(album(AlbumMapping::Single, "a/b"), "Drop");
        assert_eq!(album(AlbumMapping::Path, "2024/Summer"), "2024 - Summer");
        assert_eq!(album(AlbumMapping::Path, ""), "Drop");
    }

    #[test]
    fn the_longest_path_above_a_directory_decides() {
        let inner =
            DropSettings { path: path("Drop/Scans"), album: "Scans".into(), ..DropSettings::standard(Duration::ZERO) };
        let rules = DropRules::new(vec![inner], Duration::ZERO);
        let deep = path("Drop/Scans/2024");
        let (drop, below) = rules.find(&deep).unwrap();
        assert_eq!((drop.album.as_str(), below), ("Scans", &path("2024")[..]));
        let other = path("Drop/Phone");
        let (drop, below) = rules.find(&other).unwrap();
        assert_eq!((drop.album.as_str(), below), ("Drop", &path("Phone")[..]));
        assert!(rules.find(&path("Albums/X")).is_none());
    }
}
