//! Floor 4: the read path. Bytes of a content from memory, else from the cache on disk, else from Ente.
//!
//! Guarantees: a byte is released only after its whole chunk (or block) verified (I4); a chunk is fetched once
//! however many wait for it; any range is read without what lies before it, but for the first 8 bytes of the
//! earlier chunks' MACs; every read ends by its deadline.

mod error;
mod halves;
mod incoming;
mod memory;
mod stream;

pub use error::FetchError;
pub use halves::HalvesCorrected;
pub use memory::Piece;

use crate::base::sync::Mutex;
use crate::base::{ContentNo, PageBuf};
use crate::cache::{Cache, CacheKey, CacheRead, CachedFile};
use crate::crypto::{CHUNK, CIPHER_CHUNK, CryptoError, MacPrefix};
use crate::remote::{RangeSink, RemoteApi, RemoteError};
use crate::store::{ContentRow, Store};
use futures_util::{StreamExt, TryStreamExt};
use halves::KnownHalves;
use incoming::IncomingChunk;
use lru::LruCache;
use memory::{Chunk, ChunkBuf, ChunkMemory, SealedBufs};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use tokio::sync::Semaphore;

/// Plaintext chunks kept in memory.
const MEMORY: usize = 40 << 20;
/// Contents whose keys and MACs are kept at hand.
const STREAMS: NonZeroUsize = NonZeroUsize::new(256).expect("256 is not zero");
/// Files of the cache kept open.
const FILES: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");
/// Chunks written to the cache at a time; more wait in memory.
const CACHE_WRITERS: usize = 2;
/// Tiny ranges fetched at a time.
const MAC_FETCHES: usize = 8;

/// How the read path behaves.
#[derive(Clone, Copy, Debug)]
pub struct FetchOptions {
    /// A read that makes no progress for this long fails.
    pub timeout: Duration,
    /// Chunks decrypted at a time.
    pub cores: usize,
}

/// Who is told that a content's bytes did not verify twice.
pub type BadChunk = Box<dyn Fn(&ContentRow, u64) + Send + Sync>;

/// The read path.
pub struct Fetch {
    remote: Arc<dyn RemoteApi>,
    cache: Arc<Cache>,
    store: Arc<Store>,
    options: FetchOptions,
    memory: ChunkMemory,
    streams: Mutex<LruCache<ContentNo, Arc<Stream>>>,
    /// The cache's files used last, kept open: opening one looks through all of it for what is there.
    files: Mutex<LruCache<CacheKey, Arc<CachedFile>>>,
    /// What chunks are received into.
    sealed: Arc<SealedBufs>,
    decrypting: Arc<Semaphore>,
    caching: Arc<Semaphore>,
    bad_chunk: BadChunk,
    corrected: HalvesCorrected,
    halves: KnownHalves,
    /// One half is unpacked at a time.
    unpacking: tokio::sync::Mutex<()>,
    runtime: tokio::runtime::Handle,
}

impl Fetch {
    /// To be called within the runtime that shall fetch.
    pub fn new(
        remote: Arc<dyn RemoteApi>,
        cache: Arc<Cache>,
        store: Arc<Store>,
        options: FetchOptions,
        bad_chunk: BadChunk,
        corrected: HalvesCorrected,
    ) -> Self {
        Self {
            remote,
            cache,
            store,
            options,
            memory: ChunkMemory::new(MEMORY),
            streams: Mutex::new(LruCache::new(STREAMS)),
            files: Mutex::new(LruCache::new(FILES)),
            sealed: Arc::default(),
            decrypting: Arc::new(Semaphore::new(options.cores.max(1))),
            caching: Arc::new(Semaphore::new(CACHE_WRITERS)),
            bad_chunk,
            corrected,
            halves: Mutex::new(LruCache::new(STREAMS)),
            unpacking: tokio::sync::Mutex::default(),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// Reads what is in memory; `None` where any of it is not.
    pub fn read_from_memory(self: &Arc<Self>, content: &Arc<ContentRow>, offset: u64, len: usize) -> Option<Piece> {
        if content.packed.is_some() {
            return self.read_half_from_memory(content, offset, len);
        }
        let len = clip(content, offset, len);
        if len == 0 {
            return Some(Piece::none());
        }
        let read = self.memory.read(content.no, offset, len)?;
        if let Some(stream) = self.known_stream(content.no) {
            self.read_ahead(content, &stream, offset, len);
        }
        Some(read)
    }

    /// Reads a few bytes of the cache that the kernel has in memory; `None` where the disk must be asked. Never waits.
    pub fn read_resident(&self, content: &ContentRow, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let content = &*self.with_true_size(content)?;
        let len = clip(content, offset, buf.len());
        self.cached(content).read_resident(offset, &mut buf[..len]).filter(|read| *read == len)
    }

    /// Reads what is in the cache on disk; `None` where any of it is not. Waits for the disk.
    pub fn read_from_disk(&self, content: &ContentRow, offset: u64, buf: &mut [u8]) -> Option<usize> {
        if content.packed.is_some() {
            return self.read_half_from_disk(content, offset, buf);
        }
        let len = clip(content, offset, buf.len());
        match self.cached(content).read_at(offset, &mut buf[..len]) {
            CacheRead::Hit(read) if read == len => Some(read),
            _ => None,
        }
    }

    /// Whether all of it is in the cache on disk.
    pub fn is_cached(&self, content: &ContentRow) -> bool {
        self.cached(content).present(0..content.size)
            || self
                .stored_in(content, 0, usize::MAX)
                .is_some_and(|(archive, at, len)| self.cached(&archive).present(at..at + len as u64))
    }

    /// Reads from wherever the bytes are.
    ///
    /// # Errors
    /// [`FetchError::Offline`] at the deadline, [`FetchError::Damaged`] for what does not verify twice,
    /// [`FetchError::Gone`] for a version that Ente does not have any more; [`FetchError::Longer`] for a live photo's
    /// half that is longer than it seemed when it was opened.
    pub async fn read(
        self: &Arc<Self>,
        content: &Arc<ContentRow>,
        offset: u64,
        len: usize,
    ) -> Result<Piece, FetchError> {
        if content.packed.is_some() {
            self.read_half(content, offset, len).await
        } else {
            self.read_whole(content, offset, len).await
        }
    }

    /// Reads what is no half: `content`'s own bytes, of which all of the range is there.
    async fn read_whole(
        self: &Arc<Self>,
        content: &Arc<ContentRow>,
        offset: u64,
        len: usize,
    ) -> Result<Piece, FetchError> {
        let len = clip(content, offset, len);
        if len == 0 {
            return Ok(Piece::none());
        }
        let stream = self.stream(content)?;
        self.read_ahead(content, &stream, offset, len);
        let (first, last) = (offset / CHUNK as u64, (offset + len as u64 - 1) / CHUNK as u64);
        if first == last {
            return Ok(Piece::lent(self.chunk(content, &stream, first).await?, first, offset, len));
        }
        let mut bytes = PageBuf::zeroed(len);
        for index in first..=last {
            self.chunk(content, &stream, index).await?.copy_to(index, offset, &mut bytes);
        }
        Ok(Piece::Own(bytes))
    }

    /// Fetches what is missing of a content into the cache: all of it, in order.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn fetch_chunk(
        self: &Arc<Self>,
        content: &Arc<ContentRow>,
        index: u64,
    ) -> Result<Arc<Chunk>, FetchError> {
        let stream = self.stream(content)?;
        self.chunk(content, &stream, index).await
    }

    fn cached(&self, content: &ContentRow) -> Arc<CachedFile> {
        let key = self.cache.key(content.file, &content.header, content.part);
        let file = self.cache.get(key, content.size);
        self.files.lock().put(key, Arc::clone(&file));
        file
    }

    fn known_stream(&self, content: ContentNo) -> Option<Arc<Stream>> {
        self.streams.lock().get(&content).cloned()
    }

    fn stream(&self, content: &ContentRow) -> Result<Arc<Stream>, FetchError> {
        if let Some(stream) = self.known_stream(content.no) {
            return Ok(stream);
        }
        let (key, macs) =
            self.store.read(|rows| Ok((rows.load_file_key(content.file)?, rows.load_macs(content.no)?)))?;
        let stream = Arc::new(Stream::new(content, &key.ok_or(FetchError::Gone)?, &macs));
        self.streams.lock().put(content.no, Arc::clone(&stream));
        Ok(stream)
    }

    /// One chunk, fetched by whoever comes first; the others wait for it.
    async fn chunk(
        self: &Arc<Self>,
        content: &Arc<ContentRow>,
        stream: &Arc<Stream>,
        index: u64,
    ) -> Result<Arc<Chunk>, FetchError> {
        if let Some(chunk) = self.memory.get(content.no, index) {
            return Ok(chunk);
        }
        let flight = stream.flight(index);
        let landed = flight.get_or_try_init(|| self.load_chunk(content, stream, index)).await.cloned();
        stream.land(index, &flight);
        landed
    }

    async fn load_chunk(
        self: &Arc<Self>,
        content: &Arc<ContentRow>,
        stream: &Arc<Stream>,
        index: u64,
    ) -> Result<Arc<Chunk>, FetchError> {
        if let Some(chunk) = self.memory.get(content.no, index) {
            return Ok(chunk);
        }
        if let Some(chunk) = self.chunk_from_disk(content, index).await {
            return Ok(chunk);
        }
        let chunk = match self.fetch_and_open(content, stream, index).await {
            Err(FetchError::Damaged(_)) => {
                // A cached URL may point at another version, a proxy may have mangled it: once more, from anew.
                self.remote.forget_url(content.file);
                stream.forget_macs();
                let second = self.fetch_and_open(content, stream, index).await;
                second.map_err(|error| self.refuse(content, index, error))?
            }
            other => other?,
        };
        self.memory.insert(content.no, index, &chunk);
        self.spawn_caching(content, stream, index, &chunk);
        Ok(chunk)
    }

    /// Twice wrong: another version by now, or truly damaged.
    fn refuse(&self, content: &ContentRow, index: u64, error: FetchError) -> FetchError {
        if !matches!(error, FetchError::Damaged(_)) {
            return error;
        }
        let current = self.store.read(|rows| rows.load_file(content.file)).ok().flatten().and_then(|file| file.content);
        if current != Some(content.no) {
            return FetchError::Gone;
        }
        (self.bad_chunk)(content, index);
        error
    }

    async fn chunk_from_disk(self: &Arc<Self>, content: &Arc<ContentRow>, index: u64) -> Option<Arc<Chunk>> {
        let (fetch, content) = (Arc::clone(self), Arc::clone(content));
        let read = move || {
            let mut plain = ChunkBuf::of(chunk_len(&content, index));
            match fetch.cached(&content).read_at(index * CHUNK as u64, &mut plain) {
                CacheRead::Hit(read) if read == plain.len() => {
                    let chunk = Arc::new(Chunk::new(plain));
                    fetch.memory.insert(content.no, index, &chunk);
                    Some(chunk)
                }
                _ => None,
            }
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    async fn fetch_and_open(
        self: &Arc<Self>,
        content: &Arc<ContentRow>,
        stream: &Arc<Stream>,
        index: u64,
    ) -> Result<Arc<Chunk>, FetchError> {
        if stream.missing_macs(index).is_empty() {
            return self.fetch_opening(content, stream, index).await;
        }
        let fetched = async {
            let macs = self.fetch_macs(content, stream, index);
            let sealed = self.fetch_sealed(content, index);
            tokio::try_join!(macs, sealed)
        };
        let ((), sealed) = self.while_alive(fetched).await?;
        self.open(content, stream, index, sealed).await
    }

    /// Waits as long as bytes come in: a slow line takes its time, a dead one is given up (semantics 5.4).
    async fn while_alive<T>(&self, fetched: impl Future<Output = Result<T, FetchError>>) -> Result<T, FetchError> {
        let patience = self.options.timeout;
        let mut fetched = std::pin::pin!(fetched);
        loop {
            let before = self.remote.received();
            match tokio::time::timeout(patience, &mut fetched).await {
                Ok(outcome) => return outcome,
                Err(_) if self.remote.received() != before => {}
                Err(_) => return Err(FetchError::Offline(format!("nothing came for {patience:?}"))),
            }
        }
    }

    /// Opened while it comes in: what lies before it is known.
    async fn fetch_opening(
        &self,
        content: &ContentRow,
        stream: &Arc<Stream>,
        index: u64,
    ) -> Result<Arc<Chunk>, FetchError> {
        let mut incoming = IncomingChunk::new(stream, index, chunk_len(content, index));
        self.while_alive(self.fetch_into(content, index, &mut incoming)).await?;
        incoming.finish().map_err(FetchError::Damaged)
    }

    async fn fetch_sealed(&self, content: &ContentRow, index: u64) -> Result<Vec<u8>, FetchError> {
        let range = sealed_range(content, index);
        let mut sealed = self.sealed.take((range.end - range.start) as usize);
        self.fetch_into(content, index, &mut sealed).await?;
        Ok(sealed)
    }

    async fn fetch_into(&self, content: &ContentRow, index: u64, into: &mut dyn RangeSink) -> Result<(), FetchError> {
        let total = self.remote.fetch_range(content.file, sealed_range(content, index), into).await?;
        if total == content.cipher_size { Ok(()) } else { Err(FetchError::Damaged(CryptoError::Truncated)) }
    }

    async fn open(
        self: &Arc<Self>,
        content: &Arc<ContentRow>,
        stream: &Arc<Stream>,
        index: u64,
        sealed: Vec<u8>,
    ) -> Result<Arc<Chunk>, FetchError> {
        let permit = Arc::clone(&self.decrypting).acquire_owned().await;
        let (content, stream, bufs) = (Arc::clone(content), Arc::clone(stream), Arc::clone(&self.sealed));
        let opened = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut plain = ChunkBuf::of(chunk_len(&content, index));
            stream.open_chunk(index, &sealed, &mut plain)?;
            stream.learn_mac(index, MacPrefix::of_chunk(&sealed)?);
            bufs.put_back(sealed);
            Ok::<_, CryptoError>(Arc::new(Chunk::new(plain)))
        });
        opened
            .await
            .map_err(|_| FetchError::Offline("the decryption was interrupted".into()))?
            .map_err(FetchError::Damaged)
    }

    /// The prefixes of the earlier chunks' MACs, eight tiny ranges at a time.
    async fn fetch_macs(&self, content: &ContentRow, stream: &Arc<Stream>, index: u64) -> Result<(), FetchError> {
        let missing = stream.missing_macs(index);
        if missing.is_empty() {
            return Ok(());
        }
        let fetches = missing.into_iter().map(|earlier| async move {
            let at = MacPrefix::offset(earlier);
            let mut bytes = Vec::with_capacity(8);
            self.remote.fetch_range(content.file, at..at + 8, &mut bytes).await?;
            let prefix = bytes.try_into().map_err(|_| FetchError::Damaged(CryptoError::Truncated))?;
            stream.learn_mac(earlier, MacPrefix(prefix));
            Ok::<_, FetchError>(())
        });
        futures_util::stream::iter(fetches).buffer_unordered(MAC_FETCHES).try_collect::<()>().await
    }

    /// Keeps what was learned of a content's MACs, so that the next reading need not ask.
    fn save_macs(&self, content: &ContentRow, stream: &Stream) {
        let saved = self.store.write(|tx| tx.save_macs(content.no, &stream.mac_bytes()));
        if let Err(error) = saved {
            tracing::warn!(%error, "the MACs of a content could not be kept");
        }
    }

    /// The chunk goes to the cache on disk beside the read; where the disk is too slow, it does not.
    fn spawn_caching(
        self: &Arc<Self>,
        content: &Arc<ContentRow>,
        stream: &Arc<Stream>,
        index: u64,
        chunk: &Arc<Chunk>,
    ) {
        let (fetch, content, chunk) = (Arc::clone(self), Arc::clone(content), Arc::clone(chunk));
        let stream = Arc::clone(stream);
        self.runtime.spawn(async move {
            let Ok(permit) = Arc::clone(&fetch.caching).acquire_owned().await else { return };
            let written = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                fetch.cached(&content).write_blocks(index * CHUNK as u64, chunk.plain());
                if stream.take_learned() {
                    fetch.save_macs(&content, &stream);
                }
            });
            if written.await.is_err() {
                tracing::warn!("caching a chunk was interrupted");
            }
        });
    }

    /// Sequential readers find the next chunks there; random ones cause nothing.
    fn read_ahead(self: &Arc<Self>, content: &Arc<ContentRow>, stream: &Arc<Stream>, offset: u64, len: usize) {
        for index in stream.note_read(offset, len as u64) {
            let (fetch, content, stream) = (Arc::clone(self), Arc::clone(content), Arc::clone(stream));
            self.runtime.spawn(async move {
                if let Err(error) = fetch.chunk(&content, &stream, index).await {
                    tracing::debug!(%error, "read-ahead ended");
                }
            });
        }
    }
}

/// How much of a read lies within the content.
fn clip(content: &ContentRow, offset: u64, len: usize) -> usize {
    usize::try_from(content.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(len)
}

/// Where a chunk lies in the object.
fn sealed_range(content: &ContentRow, index: u64) -> Range<u64> {
    let start = index * CIPHER_CHUNK as u64;
    start..content.cipher_size.min(start + CIPHER_CHUNK as u64)
}

fn chunk_len(content: &ContentRow, index: u64) -> usize {
    clip(content, index * CHUNK as u64, CHUNK)
}

impl From<RemoteError> for FetchError {
    fn from(error: RemoteError) -> Self {
        match error.status() {
            // Deleted for good, or not ours any more.
            Some(403 | 404) => Self::Gone,
            _ => Self::Offline(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
