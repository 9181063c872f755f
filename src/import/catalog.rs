//! What lies in the sources, before anything is decided.

use crate::base::Timestamp;
use crate::media::takeout::Sidecar;
use std::collections::HashMap;
use std::path::PathBuf;

/// Where the bytes of a file are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    File(PathBuf),
    Zipped { archive: usize, index: usize },
}

/// One file of the sources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Listed {
    pub(super) origin: Origin,
    /// The source it was found in, and what that is called.
    pub(super) root: usize,
    /// Directories below the source.
    pub(super) dirs: Vec<String>,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified: Option<Timestamp>,
    /// It cannot be read: why.
    pub(super) obstacle: Option<super::Why>,
}

impl Listed {
    /// As it is told to people.
    pub(super) fn path(&self, roots: &[Root]) -> String {
        let root = roots.get(self.root).map_or("", |root| root.name.as_str());
        let parts = [root].into_iter().chain(self.dirs.iter().map(String::as_str)).chain([self.name.as_str()]);
        parts.collect::<Vec<_>>().join("/")
    }
}

/// One archive or directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Root {
    /// The last component, an archive's without `.zip`.
    pub(super) name: String,
    pub(super) is_archive: bool,
    pub(super) path: PathBuf,
}

/// Everything found.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Catalog {
    pub(super) roots: Vec<Root>,
    pub(super) files: Vec<Listed>,
    /// What is told by the files that are sidecars, by their place in `files`.
    pub(super) sidecars: HashMap<usize, Sidecar>,
    /// Titles of albums likewise.
    pub(super) titles: HashMap<usize, String>,
}
