//! Reading archives and directories where they lie.

use super::catalog::{Catalog, Listed, Origin, Root};
use super::{ImportError, Why};
use crate::base::{Nanos, Timestamp};
use crate::media::local_time;
use crate::media::takeout::{LONGEST, read_album_title, read_sidecar, sidecar_key};
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Directories deeper than this are nobody's.
const DEEPEST: usize = 64;

/// The archives and directories of one import.
pub struct Sources {
    archives: Vec<ZipArchive<BufReader<File>>>,
    pub(super) catalog: Catalog,
}

impl Sources {
    /// Opens the sources and looks at all that is in them; archives that lie in a directory are sources, too.
    ///
    /// # Errors
    /// [`ImportError::Source`], [`ImportError::Archive`]: what was named cannot be read.
    pub fn open(paths: &[PathBuf]) -> Result<Self, ImportError> {
        let mut sources = Self { archives: Vec::new(), catalog: Catalog::default() };
        for path in paths {
            let found = fs::metadata(path).map_err(|error| ImportError::Source { path: path.clone(), error })?;
            if found.is_dir() { sources.add_directory(path)? } else { sources.add_archive(path)? }
        }
        sources.read_texts();
        Ok(sources)
    }

    fn add_root(&mut self, path: &Path, is_archive: bool) -> usize {
        // `.` and `..` have a name, too.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = if is_archive { real.file_stem() } else { real.file_name() };
        let name = name.map_or_else(|| "Import".into(), |name| name.to_string_lossy().into_owned());
        self.catalog.roots.push(Root { name, is_archive, path: real });
        self.catalog.roots.len() - 1
    }

    fn add_archive(&mut self, path: &Path) -> Result<(), ImportError> {
        let opened = File::open(path).map_err(|error| ImportError::Source { path: path.to_owned(), error })?;
        let archive = ZipArchive::new(BufReader::new(opened));
        let mut archive = archive.map_err(|error| ImportError::Archive { path: path.to_owned(), error })?;
        let root = self.add_root(path, true);
        for index in 0..archive.len() {
            if let Some(listed) = list_zipped(&mut archive, self.archives.len(), index, root) {
                self.catalog.files.push(listed);
            }
        }
        self.archives.push(archive);
        Ok(())
    }

    fn add_directory(&mut self, path: &Path) -> Result<(), ImportError> {
        let root = self.add_root(path, false);
        self.walk(path, root, &mut Vec::new())
    }

    fn walk(&mut self, dir: &Path, root: usize, dirs: &mut Vec<String>) -> Result<(), ImportError> {
        let failed = |error| ImportError::Source { path: dir.to_owned(), error };
        let mut entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            // Links are not followed: they may lead in a circle.
            let found = entry.metadata().map_err(|error| ImportError::Source { path: path.clone(), error })?;
            if found.is_dir() {
                if dirs.len() < DEEPEST {
                    dirs.push(name);
                    self.walk(&path, root, dirs)?;
                    dirs.pop();
                }
            } else if found.is_file() && is_zip(&name) {
                self.add_archive(&path)?;
            } else {
                self.catalog.files.push(list_file(path, &found, root, dirs, name));
            }
        }
        Ok(())
    }

    /// Sidecars and albums' files are small, and all of them are needed before anything is decided.
    fn read_texts(&mut self) {
        for index in 0..self.catalog.files.len() {
            let file = &self.catalog.files[index];
            if sidecar_key(&file.name).is_none() || file.obstacle.is_some() || file.size > LONGEST {
                continue;
            }
            let (origin, mut text) = (file.origin.clone(), Vec::new());
            let read = self.read(&origin, &mut |piece| {
                text.extend_from_slice(piece);
                Ok(text.len() as u64 <= LONGEST)
            });
            match read {
                Ok(()) => self.note_text(index, &text),
                Err(error) => self.catalog.files[index].obstacle = Some(Why::Damaged(error.to_string())),
            }
        }
    }

    fn note_text(&mut self, index: usize, text: &[u8]) {
        if let Some(sidecar) = read_sidecar(text) {
            self.catalog.sidecars.insert(index, sidecar);
        } else if let Some(title) = read_album_title(text) {
            self.catalog.titles.insert(index, title);
        }
    }

    /// Hands out the bytes of a file from front to back, until all were, or `take` wants no more (`false`).
    pub(super) fn read(&mut self, origin: &Origin, take: &mut dyn FnMut(&[u8]) -> io::Result<bool>) -> io::Result<()> {
        match origin {
            Origin::File(path) => pour(File::open(path)?, take),
            Origin::Zipped { archive, index } => {
                let archive = self.archives.get_mut(*archive).ok_or(io::ErrorKind::NotFound)?;
                pour(archive.by_index(*index).map_err(io::Error::other)?, take)
            }
        }
    }
}

fn pour(mut from: impl Read, take: &mut dyn FnMut(&[u8]) -> io::Result<bool>) -> io::Result<()> {
    let mut piece = vec![0; 1 << 20];
    loop {
        let mut filled = 0;
        while filled < piece.len() {
            match from.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 || !take(&piece[..filled])? {
            return Ok(());
        }
    }
}

fn is_zip(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

fn list_file(path: PathBuf, found: &Metadata, root: usize, dirs: &[String], name: String) -> Listed {
    let modified = found.modified().ok().map(|time| Nanos::from_system(time).to_timestamp());
    let obstacle = (!found.is_file()).then_some(Why::NoFile);
    Listed { origin: Origin::File(path), root, dirs: dirs.to_vec(), name, size: found.len(), modified, obstacle }
}

/// `None` for a directory.
fn list_zipped(archive: &mut ZipArchive<BufReader<File>>, number: usize, index: usize, root: usize) -> Option<Listed> {
    let origin = Origin::Zipped { archive: number, index };
    let unreadable = |name: String, why: String| Listed {
        origin: Origin::Zipped { archive: number, index },
        root,
        dirs: Vec::new(),
        name,
        size: 0,
        modified: None,
        obstacle: Some(Why::Damaged(why)),
    };
    let entry = match archive.by_index_raw(index) {
        Ok(entry) => entry,
        Err(error) => return Some(unreadable(format!("entry {index}"), error.to_string())),
    };
    if entry.is_dir() {
        return None;
    }
    let name = match entry.name() {
        Ok(name) => name.into_owned(),
        Err(error) => return Some(unreadable(format!("entry {index}"), error.to_string())),
    };
    let parts = name.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | ".."));
    let mut dirs: Vec<String> = parts.map(str::to_owned).collect();
    let name = dirs.pop()?;
    let obstacle = if entry.encrypted() {
        Some(Why::Encrypted)
    } else if is_zip(&name) {
        Some(Why::Archive)
    } else {
        None
    };
    let modified = entry.last_modified().and_then(time_of);
    Some(Listed { origin, root, dirs, name, size: entry.size(), modified, obstacle })
}

/// Archives tell local time, without saying where.
fn time_of(time: zip::DateTime) -> Option<Timestamp> {
    let date = (i32::from(time.year()), u32::from(time.month()), u32::from(time.day()));
    local_time(date, (u32::from(time.hour()), u32::from(time.minute()), u32::from(time.second())))
}
