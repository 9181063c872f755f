//! One content being read: its key, what is known of its MACs, the chunks on their way, and how it is read.

use super::memory::{Chunk, ChunkBuf};
use crate::base::sync::Mutex;
use crate::crypto::{CHUNK, ChunkOpening, CryptoError, FileKey, MacIndex, MacPrefix, StreamOpener, chunk_count};
use crate::store::ContentRow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// A sequential reader earns one chunk ahead for so many bytes.
const EARN: u64 = 2 << 20;
/// Chunks ahead at most: 16 MiB of plaintext.
const AHEAD: u64 = 4;
/// Reads of one sequential reader arrive out of order by so much: the kernel reads ahead, too.
const SLACK: u64 = 1 << 20;

pub(super) type Flight = Arc<OnceCell<Arc<Chunk>>>;

pub(super) struct Stream {
    opener: StreamOpener,
    chunks: u64,
    macs: Mutex<Macs>,
    flights: Mutex<HashMap<u64, Flight>>,
    pace: Mutex<Pace>,
}

struct Macs {
    index: MacIndex,
    learned: bool,
}

/// How a content is read.
#[derive(Default)]
struct Pace {
    expected: u64,
    streak: u64,
    /// Chunks before this one were asked for ahead already.
    asked: u64,
}

impl Stream {
    pub(super) fn new(content: &ContentRow, key: &FileKey, macs: &[u8]) -> Self {
        let chunks = chunk_count(content.size);
        Self {
            opener: StreamOpener::new(key, &content.header),
            chunks,
            macs: Mutex::new(Macs { index: MacIndex::from_bytes(chunks, macs), learned: false }),
            flights: Mutex::default(),
            pace: Mutex::default(),
        }
    }

    pub(super) fn flight(&self, index: u64) -> Flight {
        Arc::clone(self.flights.lock().entry(index).or_default())
    }

    /// The chunk is in memory, or its fetch failed: who comes later starts anew.
    pub(super) fn land(&self, index: u64, flight: &Flight) {
        let mut flights = self.flights.lock();
        if flights.get(&index).is_some_and(|known| Arc::ptr_eq(known, flight)) {
            flights.remove(&index);
        }
    }

    pub(super) fn missing_macs(&self, index: u64) -> Vec<u64> {
        self.macs.lock().index.missing_before(index)
    }

    pub(super) fn learn_mac(&self, index: u64, prefix: MacPrefix) {
        let mut macs = self.macs.lock();
        if macs.index.get(index) != Some(prefix) {
            macs.index.set(index, prefix);
            macs.learned = true;
        }
    }

    /// What was believed may be of another version.
    pub(super) fn forget_macs(&self) {
        let mut macs = self.macs.lock();
        *macs = Macs { index: MacIndex::new(self.chunks), learned: false };
    }

    /// Whether there is something new to keep; asked often, so only every so many chunks and at the end.
    pub(super) fn take_learned(&self) -> bool {
        let mut macs = self.macs.lock();
        let whole = macs.index.missing_before(self.chunks).is_empty();
        whole && std::mem::take(&mut macs.learned)
    }

    pub(super) fn mac_bytes(&self) -> Vec<u8> {
        self.macs.lock().index.to_bytes()
    }

    pub(super) fn open_chunk(&self, index: u64, sealed: &[u8], plain: &mut [u8]) -> Result<(), CryptoError> {
        let macs = self.macs.lock().index.clone();
        self.opener.open_chunk(index, &macs, index + 1 == self.chunks, sealed, plain)
    }

    /// The chunk is about to come in, in pieces, to be opened into `plain`.
    pub(super) fn begin_chunk(&self, index: u64, plain: ChunkBuf) -> Result<ChunkOpening<ChunkBuf>, CryptoError> {
        self.opener.begin_chunk(index, &self.macs.lock().index, index + 1 == self.chunks, plain)
    }

    /// Notes a read and answers which chunks to fetch ahead of it.
    pub(super) fn note_read(&self, offset: u64, len: u64) -> Range<u64> {
        let mut pace = self.pace.lock();
        let near = offset.abs_diff(pace.expected) <= SLACK;
        pace.streak = if near { pace.streak + len } else { 0 };
        pace.expected = if near { pace.expected.max(offset + len) } else { offset + len };
        let current = (offset + len).saturating_sub(1) / CHUNK as u64;
        if !near {
            pace.asked = current + 1;
        }
        let window = (pace.streak / EARN).min(AHEAD);
        let start = pace.asked.max(current + 1);
        let end = (current + 1 + window).min(self.chunks);
        if start >= end {
            return 0..0;
        }
        pace.asked = end;
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ContentNo, FileId, Ino, Nanos, Part};
    use crate::crypto::StreamHeader;

    fn stream(size: u64) -> Stream {
        let content = ContentRow {
            no: ContentNo(1),
            file: FileId(1),
            part: Part::Whole,
            header: StreamHeader([0; 24]),
            cipher_size: crate::crypto::cipher_len(size),
            size,
            ino: Ino(1),
            mtime: Nanos(0),
            ctime: Nanos(0),
            mode: None,
            uid: None,
            gid: None,
            packed: None,
        };
        Stream::new(&content, &FileKey::random(), &[])
    }

    #[test]
    fn a_sequential_reader_is_read_ahead_for_and_each_chunk_once() {
        let stream = stream(64 << 20);
        let mut ahead = Vec::new();
        for i in 0..512 {
            ahead.extend(stream.note_read(i * (128 << 10), 128 << 10));
        }
        assert_eq!(ahead, (1..16).collect::<Vec<_>>());
    }

    #[test]
    fn a_little_disorder_is_still_sequential() {
        let stream = stream(64 << 20);
        let mut ahead = 0;
        for i in (0..512_u64).map(|i| i ^ 1) {
            ahead += stream.note_read(i * (128 << 10), 128 << 10).count();
        }
        assert!(ahead >= 14, "{ahead}");
    }

    #[test]
    fn random_reads_cause_nothing() {
        let stream = stream(1 << 30);
        let mut at = 12_345_u64;
        for _ in 0..1000 {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) % (1 << 30);
            assert_eq!(stream.note_read(at, 4096).count(), 0);
        }
    }
}
