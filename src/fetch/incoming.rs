//! A chunk on its way in.

use super::memory::{Chunk, ChunkBuf};
use super::stream::Stream;
use crate::crypto::{ChunkOpening, CryptoError};
use crate::remote::RangeSink;
use std::sync::Arc;

/// Opens a chunk while it is received.
pub(super) struct IncomingChunk {
    stream: Arc<Stream>,
    index: u64,
    len: usize,
    opening: Result<ChunkOpening<ChunkBuf>, CryptoError>,
}

impl IncomingChunk {
    /// `len` is that of its plaintext.
    pub(super) fn new(stream: &Arc<Stream>, index: u64, len: usize) -> Self {
        Self { opening: stream.begin_chunk(index, ChunkBuf::of(len)), stream: Arc::clone(stream), index, len }
    }

    /// The verified chunk.
    pub(super) fn finish(self) -> Result<Arc<Chunk>, CryptoError> {
        let (plain, prefix) = self.opening?.finish()?;
        self.stream.learn_mac(self.index, prefix);
        Ok(Arc::new(Chunk::new(plain)))
    }
}

impl RangeSink for IncomingChunk {
    fn take(&mut self, piece: &[u8]) {
        if let Ok(opening) = &mut self.opening {
            opening.take(piece);
        }
    }

    fn forget(&mut self) {
        self.opening = self.stream.begin_chunk(self.index, ChunkBuf::of(self.len));
    }
}
