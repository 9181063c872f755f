//! Objects on disk: `objects/<user>/<uuid>`, each a whole file or not there at all.
//!
//! Guarantees: an object appears by a rename, so nobody reads half of one; a key never leads out of the
//! directory. Everything here blocks.

use super::error::EmbeddedError;
use super::storage_refusal::{StorageAnswer, StorageRefusal};
use crate::crypto::Md5Hasher;
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A request's body, piece by piece; an error where it broke off.
pub(super) type Pieces = Box<dyn Iterator<Item = io::Result<Bytes>> + Send>;

pub(super) struct ObjectStore {
    objects: PathBuf,
    multipart: PathBuf,
    incoming: PathBuf,
    next_incoming: AtomicU64,
    durable: bool,
}

impl ObjectStore {
    /// Half-received bodies of an earlier run are dropped.
    pub(super) fn open(data: &Path, durable: bool) -> Result<Self, EmbeddedError> {
        let [objects, multipart, incoming] = ["objects", "multipart", "incoming"].map(|name| data.join(name));
        let fault = |path: &Path, source| EmbeddedError::Directory { path: path.to_owned(), source };
        if incoming.exists() {
            fs::remove_dir_all(&incoming).map_err(|source| fault(&incoming, source))?;
        }
        for path in [&objects, &multipart, &incoming] {
            fs::create_dir_all(path).map_err(|source| fault(path, source))?;
        }
        Ok(Self { objects, multipart, incoming, next_incoming: AtomicU64::new(0), durable })
    }

    /// Where an object lies; `None` for what is no key of this server.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        let (user, name) = key.split_once('/')?;
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        (is_plain(user) && is_plain(name)).then(|| self.objects.join(user).join(name))
    }

    /// Length in bytes; `None` where there is no such object.
    pub(super) fn size(&self, key: &str) -> Option<i64> {
        let metadata = fs::metadata(self.path(key)?).ok()?;
        i64::try_from(metadata.len()).ok()
    }

    pub(super) fn remove(&self, key: &str) -> io::Result<()> {
        let Some(path) = self.path(key) else { return Ok(()) };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The file in which the parts of an upload are put together.
    pub(super) fn assembly_path(&self, upload: &str) -> PathBuf {
        self.multipart.join(upload)
    }

    /// One part whose place in the object is not known yet.
    pub(super) fn part_path(&self, upload: &str, part: u32) -> PathBuf {
        self.multipart.join(format!("{upload}.{part}"))
    }

    /// Writes a body beside the objects; the hex MD5 is its ETag. `declared` is what the MD5 must be.
    pub(super) fn receive(&self, pieces: Pieces, declared: Option<[u8; 16]>) -> StorageAnswer<(PathBuf, String)> {
        let path = self.incoming.join(self.next_incoming.fetch_add(1, Ordering::Relaxed).to_string());
        let written = File::create(&path)
            .map_err(StorageRefusal::from)
            .and_then(|file| write_pieces(&file, pieces, declared).map(|etag| (file, etag)));
        match written {
            Ok((file, etag)) => {
                self.settle(&file)?;
                Ok((path, etag))
            }
            Err(refusal) => {
                fs::remove_file(&path)?;
                Err(refusal)
            }
        }
    }

    /// Syncs a file whose bytes were promised.
    pub(super) fn settle(&self, file: &File) -> io::Result<()> {
        if self.durable { file.sync_data() } else { Ok(()) }
    }

    /// Puts a finished file in its place.
    pub(super) fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        let parent = to.parent().unwrap_or(&self.objects);
        if fs::rename(from, to).is_err() {
            fs::create_dir_all(parent)?;
            fs::rename(from, to)?;
        }
        if self.durable { File::open(parent)?.sync_all() } else { Ok(()) }
    }
}

/// Writes where the file stands; answers the hex MD5.
pub(super) fn write_pieces(mut file: &File, pieces: Pieces, declared: Option<[u8; 16]>) -> StorageAnswer<String> {
    let mut hasher = Md5Hasher::default();
    for piece in pieces {
        let piece = piece.map_err(|_| StorageRefusal::IncompleteBody)?;
        file.write_all(&piece)?;
        hasher.update(&piece);
    }
    let md5 = hasher.finish();
    if declared.is_some_and(|declared| declared != md5) {
        return Err(StorageRefusal::BadDigest);
    }
    Ok(md5.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(texts: &'static [&'static str]) -> Pieces {
        Box::new(texts.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))))
    }

    #[test]
    fn a_key_never_leads_out_of_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let store = ObjectStore::open(dir.path(), false).unwrap();
        assert!(store.path("7/01234567-89ab-cdef").is_some());
        for bad in ["", "7", "7/", "/a", "../a", "7/..", "7/a/b", "7/../../etc", "7/a.b", "7/\0"] {
            assert_eq!(store.path(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_body_is_received_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let store = ObjectStore::open(dir.path(), true).unwrap();
        let (path, etag) = store.receive(pieces(&["ab", "c"]), None).unwrap();
        assert_eq!(etag, "900150983cd24fb0d6963f7d28e17f72");
        store.publish(&path, &store.path("7/a").unwrap()).unwrap();
        assert_eq!(store.size("7/a"), Some(3));
        let refused = store.receive(pieces(&["abc"]), Some([0; 16]));
        assert_eq!(refused.map(|_| ()), Err(StorageRefusal::BadDigest));
        let broken: Pieces = Box::new([Ok(Bytes::from_static(b"a")), Err(io::ErrorKind::Other.into())].into_iter());
        assert_eq!(store.receive(broken, None).map(|_| ()), Err(StorageRefusal::IncompleteBody));
        assert_eq!(fs::read_dir(dir.path().join("incoming")).unwrap().count(), 0);
        store.remove("7/a").unwrap();
        store.remove("7/a").unwrap();
        assert_eq!(store.size("7/a"), None);
    }
}
