//! Sealing a frozen spool file for Ente: once for its MD5s, and again, byte for byte, while it is sent.
//!
//! A file that the account cannot have yet is sealed while it is hashed: its bytes are read and opened once less.
//! What was drawn for that stays in memory until it is stored, or is forgotten; no byte leaves before (I3).

use super::step::StepError;
use crate::base::sync::Mutex;
use crate::base::{PageBuf, PagePool, ReadAt};
use crate::crypto::{
    CHUNK, CHUNK_OVERHEAD, CIPHER_CHUNK, FileKey, MD5_LANES, MacIndex, Md5Hasher, StreamHeader, StreamSealer,
    chunk_count, cipher_len, md5, md5_of_four,
};
use crate::remote::ObjectSource;
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// Objects up to this size are kept in memory from sealing to sending.
pub(super) const KEPT_OBJECT: u64 = 8 << 20;
/// Larger ones go in parts of four chunks; the size is free (protocol notes, data 3.4).
pub(super) const PART: u64 = 4 * CIPHER_CHUNK as u64;

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
    let mut sealer = StreamSealer::new(key, header);
    let (mut macs, mut plain) = (MacIndex::new(chunks), PLAIN.take());
    let _turn = (total > PART).then(|| TURN.lock());
    let mut object = ObjectSums::new(total);
    for index in 0..chunks {
        let len = chunk_size(plain_len, index);
        plaintext.read_exact_at(index * CHUNK as u64, &mut plain[..len])?;
        see(&plain[..len]);
        let sealed = object.room_for(len + CHUNK_OVERHEAD);
        let mac = sealer.seal_chunk(&plain[..len], index + 1 == chunks, sealed).map_err(io::Error::other)?;
        macs.set(index, mac);
    }
    let (md5s, object) = object.finish();
    Ok(Sealed { macs, md5s, cipher_len: total, object })
}

/// An object of several parts is hashed a few parts at a time: that holds much memory, so files take turns.
static TURN: Mutex<()> = Mutex::new(());

/// The object as it is sealed, and the MD5 of each of its parts.
struct ObjectSums {
    total: u64,
    /// What was sealed since sums were last taken.
    held: PageBuf,
    filled: usize,
    sums: Sums,
}

enum Sums {
    One(Md5Hasher),
    OfParts { len: usize, md5s: Vec<[u8; 16]> },
}

impl ObjectSums {
    fn new(total: u64) -> Self {
        if total > PART {
            return Self::of_parts(total, PART as usize);
        }
        let held = if total <= KEPT_OBJECT { total as usize } else { CIPHER_CHUNK };
        let sums = Sums::One(Md5Hasher::default());
        Self { total, held: PageBuf::zeroed(held), filled: 0, sums }
    }

    fn of_parts(total: u64, len: usize) -> Self {
        let held = (MD5_LANES * len).min(total as usize);
        let sums = Sums::OfParts { len, md5s: Vec::new() };
        Self { total, held: PageBuf::zeroed(held), filled: 0, sums }
    }

    /// Where the next chunk is to be sealed.
    fn room_for(&mut self, len: usize) -> &mut [u8] {
        if self.filled + len > self.held.len() {
            self.take_sums();
        }
        let start = self.filled;
        self.filled += len;
        &mut self.held[start..self.filled]
    }

    fn take_sums(&mut self) {
        let sealed = &self.held[..std::mem::take(&mut self.filled)];
        match &mut self.sums {
            Sums::One(md5) => md5.update(sealed),
            Sums::OfParts { len, md5s } => match sealed.chunks(*len).collect::<Vec<_>>().as_slice() {
                [one, two, three, four] => md5s.extend(md5_of_four([one, two, three, four])),
                fewer => md5s.extend(fewer.iter().map(|part| md5(part))),
            },
        }
    }

    /// The MD5 of each part, and the object itself where it is kept.
    fn finish(mut self) -> (Vec<[u8; 16]>, Option<Bytes>) {
        self.take_sums();
        let is_whole = self.held.len() as u64 == self.total;
        match self.sums {
            Sums::One(md5) => (vec![md5.finish()], is_whole.then(|| Bytes::from_owner(self.held))),
            Sums::OfParts { md5s, .. } => (md5s, None),
        }
    }
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
        for len in [0, 1, 100_000, CHUNK, CHUNK + 1, 3 * CHUNK, 4 * CHUNK + 1] {
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

    #[test]
    fn each_part_has_its_md5_however_many_there_are() {
        let bytes: Vec<u8> = (0..9_700_u32).map(|at| (at * 31 / 7) as u8).collect();
        for len in [1_001, 2_000, 3_999, 4_000, 4_100, 8_000, 9_700] {
            let mut object = ObjectSums::of_parts(len as u64, 1000);
            for chunk in bytes[..len].chunks(500) {
                object.room_for(chunk.len()).copy_from_slice(chunk);
            }
            let (md5s, kept) = object.finish();
            assert_eq!(md5s, bytes[..len].chunks(1000).map(md5).collect::<Vec<_>>(), "{len}");
            assert!(kept.is_none());
        }
    }
}
