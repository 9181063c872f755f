//! Sealing a frozen spool file for Ente: once for its MD5s, and again, byte for byte, while it is sent.

use super::step::StepError;
use crate::base::sync::Mutex;
use crate::crypto::{
    CHUNK, CIPHER_CHUNK, FileKey, MacIndex, Md5Hasher, StreamHeader, StreamSealer, chunk_count, cipher_len,
};
use crate::remote::ObjectSource;
use crate::spool::SpoolFile;
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// Objects up to this size are kept in memory from sealing to sending.
pub(super) const KEPT_OBJECT: u64 = 8 << 20;
/// Larger ones go in parts of five chunks, as Ente's web client has it (protocol notes, data 3.4).
pub(super) const PART: u64 = 5 * CIPHER_CHUNK as u64;

/// What sealing a file for the first time gives.
pub(super) struct Sealed {
    pub(super) macs: MacIndex,
    pub(super) md5s: Vec<[u8; 16]>,
    pub(super) cipher_len: u64,
    /// The object itself, where it is small.
    pub(super) object: Option<Bytes>,
}

/// Seals all of a file: MAC prefixes, and an MD5 a part.
pub(super) fn seal_first(vault: &SpoolFile, key: &FileKey, header: &StreamHeader) -> Result<Sealed, StepError> {
    let plain_len = vault.len();
    let total = cipher_len(plain_len);
    let chunks = chunk_count(plain_len);
    let part_len = if total > PART { PART } else { u64::MAX };
    let mut sealer = StreamSealer::new(key, header);
    let (mut macs, mut md5s, mut md5) = (MacIndex::new(chunks), Vec::new(), Md5Hasher::default());
    let (mut plain, mut sealed) = (vec![0; chunk_size(plain_len, 0)], Vec::new());
    let mut object = (total <= KEPT_OBJECT).then(|| Vec::with_capacity(total as usize));
    for index in 0..chunks {
        let len = chunk_size(plain_len, index);
        read_exactly(vault, index * CHUNK as u64, &mut plain[..len])?;
        sealed.resize(len + crate::crypto::CHUNK_OVERHEAD, 0);
        let mac = sealer.seal_chunk(&plain[..len], index + 1 == chunks, &mut sealed).map_err(io::Error::other)?;
        macs.set(index, mac);
        md5.update(&sealed);
        if let Some(object) = &mut object {
            object.extend_from_slice(&sealed);
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

fn read_exactly(vault: &SpoolFile, offset: u64, buf: &mut [u8]) -> Result<(), io::Error> {
    let read = vault.read_at(offset, buf).map_err(io::Error::from)?;
    if read.len == buf.len() && read.gaps.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The object, made again while it is sent.
pub(super) struct Resealing {
    vault: Arc<SpoolFile>,
    key: FileKey,
    header: StreamHeader,
    macs: MacIndex,
    plain_len: u64,
    /// The chunk sealed last; a body is read in order.
    last: Mutex<Option<(u64, Bytes)>>,
}

impl Resealing {
    pub(super) fn new(
        vault: Arc<SpoolFile>,
        key: FileKey,
        header: StreamHeader,
        macs: MacIndex,
        plain_len: u64,
    ) -> Self {
        Self { vault, key, header, macs, plain_len, last: Mutex::new(None) }
    }

    fn chunk(&self, index: u64) -> io::Result<Bytes> {
        let mut last = self.last.lock();
        if let Some((known, bytes)) = last.as_ref()
            && *known == index
        {
            return Ok(bytes.clone());
        }
        let len = chunk_size(self.plain_len, index);
        let mut plain = vec![0; len];
        read_exactly(&self.vault, index * CHUNK as u64, &mut plain)?;
        let mut sealed = vec![0; len + crate::crypto::CHUNK_OVERHEAD];
        let mut sealer = StreamSealer::resume(&self.key, &self.header, index, &self.macs).map_err(io::Error::other)?;
        let is_last = index + 1 == chunk_count(self.plain_len);
        let mac = sealer.seal_chunk(&plain, is_last, &mut sealed).map_err(io::Error::other)?;
        // Other bytes than were sealed first would give one key and nonce two plaintexts (I3).
        if self.macs.get(index) != Some(mac) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the spool file changed after it was sealed"));
        }
        let sealed = Bytes::from(sealed);
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
