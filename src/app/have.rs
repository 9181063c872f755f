//! Local files and the hashes by which Ente may know them.

use crate::crypto::ContentHasher;
use crate::media::{HEAD, MediaKind, Sniffed, sniff};
use crate::tree::{NameClass, NameRules, classify_directory, split_name};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Read at a time.
const PIECE: usize = 1 << 20;

/// What lies at and below some paths of this machine.
#[derive(Default)]
pub struct LocalFiles {
    pub files: Vec<LocalFile>,
    /// Files and directories that are never sent: no photo or video, of a temporary or junk name, links.
    pub passed_over: u64,
    /// What could not be read, with the reason.
    pub unread: Vec<String>,
}

/// One file that Ente could have.
pub struct LocalFile {
    pub path: PathBuf,
    /// In the metadata's form: its own, and that of the live photo it may be a half of.
    pub hashes: Vec<String>,
}

struct Hashed {
    path: PathBuf,
    kind: Option<MediaKind>,
    hash: String,
}

/// All photos and videos at and below the paths, hashed; a file that is named itself, whatever it is. `read` is told
/// how many bytes went by.
pub fn hash_files(paths: &[PathBuf], read: &mut dyn FnMut(u64)) -> LocalFiles {
    let (mut hashed, mut found) = (Vec::new(), LocalFiles::default());
    let mut pending: Vec<(PathBuf, bool)> = paths.iter().rev().map(|path| (path.clone(), true)).collect();
    while let Some((path, given)) = pending.pop() {
        match look_at(&path, given, read) {
            Ok(Looked::Directory(inside)) => pending.extend(inside.into_iter().map(|path| (path, false))),
            Ok(Looked::File(file)) => hashed.push(file),
            Ok(Looked::PassedOver) => found.passed_over += 1,
            Err(error) => found.unread.push(format!("{}: {error}", path.display())),
        }
    }
    found.files = with_pairs(hashed);
    found
}

enum Looked {
    /// What is in it, last to first.
    Directory(Vec<PathBuf>),
    File(Hashed),
    PassedOver,
}

fn look_at(path: &Path, given: bool, read: &mut dyn FnMut(u64)) -> io::Result<Looked> {
    let meta = if given { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
    if !given && is_junk(path, meta.is_dir()) {
        return Ok(Looked::PassedOver);
    }
    if meta.is_dir() {
        let inside = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
        let mut inside = inside.collect::<io::Result<Vec<PathBuf>>>()?;
        inside.sort_by(|a, b| b.cmp(a));
        return Ok(Looked::Directory(inside));
    }
    if !meta.is_file() {
        return Ok(Looked::PassedOver);
    }
    Ok(hash_file(path, given, read)?.map_or(Looked::PassedOver, Looked::File))
}

fn is_junk(path: &Path, is_dir: bool) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let class = if is_dir { classify_directory(name) } else { NameRules::default().classify(name) };
    class != NameClass::Plain
}

/// `None` for what is neither photo nor video, unless it was `given`.
fn hash_file(path: &Path, given: bool, read: &mut dyn FnMut(u64)) -> io::Result<Option<Hashed>> {
    let (mut file, mut piece) = (File::open(path)?, vec![0; PIECE]);
    let mut hasher = ContentHasher::new();
    let (mut at, mut kind) = (0, None);
    loop {
        let filled = fill(&mut file, &mut piece)?;
        if at == 0 {
            kind = kind_of(&piece[..filled.min(HEAD)], path);
            if kind.is_none() && !given {
                return Ok(None);
            }
        }
        hasher.update(&piece[..filled]);
        read(filled as u64);
        at += filled;
        if filled < piece.len() {
            return Ok(Some(Hashed { path: path.into(), kind, hash: hasher.finish().to_text() }));
        }
    }
}

fn kind_of(head: &[u8], path: &Path) -> Option<MediaKind> {
    match sniff(head, path.file_name().unwrap_or_default().as_bytes()) {
        Sniffed::Media { kind, .. } => Some(kind),
        Sniffed::NotMedia | Sniffed::Unknown | Sniffed::Empty => None,
    }
}

fn fill(file: &mut File, piece: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match file.read(&mut piece[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A still and a clip of one stem in one directory may be one live photo, whose hash is that of both.
fn with_pairs(hashed: Vec<Hashed>) -> Vec<LocalFile> {
    let stem = |file: &Hashed| {
        let name = file.path.file_name().unwrap_or_default().as_bytes();
        (file.path.parent().map(Path::to_path_buf), split_name(name).0.to_ascii_lowercase())
    };
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, file) in hashed.iter().enumerate() {
        groups.entry(stem(file)).or_default().push(index);
    }
    let partners = |file: &Hashed, index: usize| -> Vec<String> {
        let group = groups.get(&stem(file)).into_iter().flatten().filter(|other| **other != index);
        let pairs = group.filter_map(|other| match (file.kind?, hashed[*other].kind?) {
            (MediaKind::Image, MediaKind::Video) => Some(format!("{}:{}", file.hash, hashed[*other].hash)),
            (MediaKind::Video, MediaKind::Image) => Some(format!("{}:{}", hashed[*other].hash, file.hash)),
            _ => None,
        });
        pairs.collect()
    };
    let all = hashed.iter().enumerate().map(|(index, file)| LocalFile {
        path: file.path.clone(),
        hashes: [vec![file.hash.clone()], partners(file, index)].concat(),
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ContentHash;

    #[test]
    fn photos_below_a_directory_are_hashed_and_junk_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let jpeg = [&[0xff, 0xd8, 0xff, 0xe0][..], &[7; 3_000_000]].concat();
        fs::create_dir_all(dir.path().join("DCIM/@eaDir")).unwrap();
        for name in ["DCIM/a.jpg", "DCIM/._a.jpg", "DCIM/@eaDir/b.jpg"] {
            fs::write(dir.path().join(name), &jpeg).unwrap();
        }
        fs::write(dir.path().join("DCIM/a.xmp"), "<x/>").unwrap();
        fs::write(dir.path().join("DCIM/empty.jpg"), "").unwrap();
        std::os::unix::fs::symlink(dir.path().join("DCIM/a.jpg"), dir.path().join("DCIM/link.jpg")).unwrap();
        let mut bytes = 0;
        let found = hash_files(&[dir.path().to_path_buf()], &mut |read| bytes += read);
        assert_eq!((found.files.len(), found.passed_over, found.unread.len()), (1, 5, 0));
        assert_eq!(found.files[0].path, dir.path().join("DCIM/a.jpg"));
        assert_eq!(found.files[0].hashes, [ContentHash::of(&jpeg).to_text()]);
        assert_eq!(bytes, jpeg.len() as u64);
    }

    #[test]
    fn what_is_named_itself_counts_whatever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (text, missing) = (dir.path().join("._notes.txt"), dir.path().join("none"));
        fs::write(&text, "words").unwrap();
        let found = hash_files(&[text, missing], &mut |_| {});
        assert_eq!((found.files.len(), found.passed_over), (1, 0));
        assert_eq!(found.files[0].hashes, [ContentHash::of(b"words").to_text()]);
        assert!(found.unread.len() == 1 && found.unread[0].contains("none"), "{:?}", found.unread);
    }

    #[test]
    fn halves_of_a_stem_have_the_pairs_hash_too() {
        let file = |name: &str, kind| Hashed { path: format!("/c/{name}").into(), kind: Some(kind), hash: name.into() };
        let files = with_pairs(vec![
            file("a.HEIC", MediaKind::Image),
            file("A.mov", MediaKind::Video),
            file("b.jpg", MediaKind::Image),
        ]);
        let hashes: Vec<Vec<String>> = files.into_iter().map(|file| file.hashes).collect();
        assert_eq!(hashes, [vec!["a.HEIC", "a.HEIC:A.mov"], vec!["A.mov", "a.HEIC:A.mov"], vec!["b.jpg"]]);
    }
}
