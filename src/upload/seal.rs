//! Sealing a frozen spool file for Ente: once for its MD5s, and again, byte for byte, while it is sent.
//!
//! A file that the account cannot have yet is sealed while it is hashed: its bytes are read and opened once less.
//! What was drawn for that stays in memory until it is stored, or is forgotten; no byte leaves before (I3).

use super::step::StepError;
use crate::base::sync::Mutex;
use crate::base::{PagePool, ReadAt};
use crate::crypto::{
    CHUNK, CHUNK_OVERHEAD, CIPHER_CHUNK, FileKey, MacIndex, Md5Hasher, StreamHeader, StreamSealer, chunk_count,
    cipher_len,
};
use crate::remote::ObjectSource;
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// Objects up to this size are kept in memory from sealing to sending.
pub(super) const KEPT_OBJECT: u64 = 8 << 20;
/// Larger ones go in parts of five chunks, as Ente's web client has it (protocol notes, data 3.4).
pub(super) const PART: u64 = 5 * CIPHER_CHUNK as u64;

/// Chunks as they are read, and as they are sealed.
static PLAIN: PagePool = PagePool::new(CHUNK, 2);
static SEALED: PagePool = PagePool::new(CIPHER_CHUNK, 3);

/// A file sealed under keys that nobody knows yet.
pub(super) struct Draft {
    pub(super) key: FileKey,
    pub(super) header: StreamHeader,
    pub(super) sealed: Sealed,
}

impl Draft {
    /// Seals all of a file under fresh keys; `see` is shown its bytes in order.
    pub(super) fn make(plaintext: &dyn ReadAt, see: impl FnMut(&[u8])) -> Result<Self, StepError> {
        let (key, header) = (FileKey::random(), StreamHeader::random());
        let sealed = seal_first(plaintext, &key, &header, see)?;
        Ok(Self { key, header, sealed })
    }
}

/// What sealing a file for the first time gives.
pub(super) struct Sealed {
    pub(super) macs: MacIndex,
    pub(super) md5s: Vec<[u8; 16]>,
    pub(super) cipher_len: u64,
    /// The object itself, where it is small.
    pub(super) object: Option<Bytes>,
}

/// Shows the bytes of a file in order.
pub(super) fn read_all(plaintext: &dyn ReadAt, mut see: impl FnMut(&[u8])) -> Result<(), StepError> {
    let mut plain = PLAIN.take();
    for index in 0..chunk_count(plaintext.size()) {
        let len = chunk_size(plaintext.size(), index);
        plaintext.read_exact_at(index * CHUNK as u64, &mut plain[..len])?;
        see(&plain[..len]);
    }
    Ok(())
}

/// Seals all of a file: MAC prefixes, and an MD5 a part.
fn seal_first(
    plaintext: &dyn ReadAt,
    key: &FileKey,
    header: &StreamHeader,
    mut see: impl FnMut(&[u8]),
) -> Result<Sealed, StepError> {
    let plain_len = plaintext.size();
    let total = cipher_len(plain_len);
    let chunks = chunk_count(plain_len);
    let part_len = if total > PART { PART } else { u64::MAX };
    let mut sealer = StreamSealer::new(key, header);
    let (mut macs, mut md5s, mut md5) = (MacIndex::new(chunks), Vec::new(), Md5Hasher::default());
    let (mut plain, mut buf) = (PLAIN.take(), SEALED.take());
    let mut object = (total <= KEPT_OBJECT).then(|| Vec::with_capacity(total as usize));
    for index in 0..chunks {
        let len = chunk_size(plain_len, index);
        plaintext.read_exact_at(index * CHUNK as u64, &mut plain[..len])?;
        see(&plain[..len]);
        let sealed = &mut buf[..len + CHUNK_OVERHEAD];
        let mac = sealer.seal_chunk(&plain[..len], index + 1 == chunks, sealed).map_err(io::Error::other)?;
        macs.set(index, mac);
        md5.update(sealed);
        if let Some(object) = &mut object {
            object.extend_from_slice(sealed);
        }
        let end = (index + 1) * CIPHER_CHUNK as u64;
        if index + 1 == chunks || end.is_multiple_of(part_len) {
            md5s.push(std::mem::take(&mut md5).finish());
        }
    }
    Ok(Sealed { macs, md5s, cipher_len: total, object: object.map(Bytes::from) })
}

fn chunk_size(plain_len: u64, index: u64) -> usize {
    (plain_len - (index * CHUNK as u64).min(plain_len)).min(CHUNK as u64) as usize
}

/// The object, made again while it is sent.
pub(super) struct Resealing {
    plaintext: Arc<dyn ReadAt>,
    key: FileKey,
    header: StreamHeader,
    macs: MacIndex,
    plain_len: u64,
    /// The chunk sealed last; a body is read in order.
    last: Mutex<Option<(u64, Bytes)>>,
}

impl Resealing {
    pub(super) fn new(
        plaintext: Arc<dyn ReadAt>,
        key: FileKey,
        header: StreamHeader,
        macs: MacIndex,
        plain_len: u64,
    ) -> Self {
        Self { plaintext, key, header, macs, plain_len, last: Mutex::new(None) }
    }

    fn chunk(&self, index: u64) -> io::Result<Bytes> {
        let mut last = self.last.lock();
        if let Some((known, bytes)) = last.as_ref()
            && *known == index
        {
            return Ok(bytes.clone());
        }
        let len = chunk_size(self.plain_len, index);
        // The last chunk's buffer is free again before the next one is taken.
        *last = None;
        let (mut plain, mut buf) = (PLAIN.take(), SEALED.take());
        self.plaintext.read_exact_at(index * CHUNK as u64, &mut plain[..len])?;
        let sealed = &mut buf[..len + CHUNK_OVERHEAD];
        let mut sealer = StreamSealer::resume(&self.key, &self.header, index, &self.macs).map_err(io::Error::other)?;
        let is_last = index + 1 == chunk_count(self.plain_len);
        let mac = sealer.seal_chunk(&plain[..len], is_last, sealed).map_err(io::Error::other)?;
        // Other bytes than were sealed first would give one key and nonce two plaintexts (I3).
        if self.macs.get(index) != Some(mac) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the spool file changed after it was sealed"));
        }
        let sealed = Bytes::from_owner(buf).slice(..len + CHUNK_OVERHEAD);
        *last = Some((index, sealed.clone()));
        Ok(sealed)
    }
}

impl ObjectSource for Resealing {
    fn read(&self, offset: u64, end: u64) -> io::Result<Bytes> {
        let (index, within) = (offset / CIPHER_CHUNK as u64, (offset % CIPHER_CHUNK as u64) as usize);
        let chunk = self.chunk(index)?;
        let until = chunk.len().min(within + (end - offset) as usize);
        if within >= until {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(chunk.slice(within..until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Ino, Nanos};
    use crate::crypto::{ContentHash, ContentHasher, DeviceKey, md5};
    use crate::spool::{Spool, SpoolFile, SpoolOptions};
    use crate::vault::CommitRecord;
    use std::path::Path;

    fn spooled(dir: &Path, bytes: &[u8]) -> Arc<SpoolFile> {
        let spool = Spool::open(dir, Arc::new(DeviceKey::from_bytes([3; 32])), &SpoolOptions::default()).unwrap();
        let file = spool.take().unwrap();
        file.write_at(0, bytes).unwrap();
        let nothing = Nanos(0);
        let record = CommitRecord {
            path: b"Drop/a.jpg".to_vec(),
            album: None,
            ino: Ino(70_000),
            supersedes: None,
            complete: true,
            poisoned: false,
            removed: false,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: nothing,
            ctime: nothing,
            btime: nothing,
        };
        file.commit(&record).unwrap();
        file
    }

    #[test]
    fn what_is_sent_is_what_was_sealed_while_it_was_hashed() {
        let dir = tempfile::tempdir().unwrap();
        for len in [0, 1, 100_000, CHUNK, CHUNK + 1, 6 * CHUNK + 9] {
            let bytes: Vec<u8> = (0..len).map(|at| (at / 253 + at * 31) as u8).collect();
            let file = spooled(dir.path(), &bytes);
            let mut hasher = ContentHasher::new();
            let draft = Draft::make(&file.reader(), |bytes| hasher.update(bytes)).unwrap();
            assert_eq!(hasher.finish(), ContentHash::of(&bytes), "{len}");
            let Sealed { macs, md5s, cipher_len, object } = draft.sealed;
            let again = Resealing::new(Arc::new(file.reader()), draft.key, draft.header, macs, len as u64);
            let mut sent = Vec::new();
            while (sent.len() as u64) < cipher_len {
                let at = sent.len() as u64;
                sent.extend_from_slice(&again.read(at, cipher_len.min(at + (1 << 20))).unwrap());
            }
            assert_eq!(sent.chunks(PART as usize).map(md5).collect::<Vec<_>>(), md5s, "{len}");
            assert!(object.is_none_or(|object| object == sent), "{len}");
        }
    }
}
