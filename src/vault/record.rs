//! What a commit says of its file, so that the file alone, with the device key, is enough to recover its photo (I17).
//!
//! ```text
//! 0    1   flags: 1 complete, 2 poisoned, 4 removed, 8 album, 16 supersedes, 32 base
//! 1    1   part of the base (0 whole, 1 still, 2 clip)
//! 2    2   length p of the path
//! 4    12  mode, uid, gid
//! 16   8   inode number
//! 24   8   album ID
//! 32   16  superseded vault ID
//! 48   24  mtime, ctime, btime in nanoseconds
//! 72   8   base: file ID
//! 80   24  base: stream header
//! 104  8   base: length in bytes
//! 112  8   base: how much of it still counts (truncation lowers it)
//! 120  8   length of the file in bytes
//! 128  p   path within the mount
//! ```

use super::codec::{Decoder, Encoder};
use super::error::VaultError;
use crate::base::{AlbumId, FileId, Ino, Nanos, Part, VaultId};
use crate::crypto::StreamHeader;

/// The longest path a record takes, in bytes: Linux's own limit.
pub const MAX_PATH: usize = 4096;

const COMPLETE: u8 = 1;
const POISONED: u8 = 2;
const REMOVED: u8 = 4;
const ALBUM: u8 = 8;
const SUPERSEDES: u8 = 16;
const BASE: u8 = 32;

/// What the caller knows of a file at a commit. Length and base are the file's own and are stored with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitRecord {
    /// Path within the mount, at most [`MAX_PATH`] bytes.
    pub path: Vec<u8>,
    /// The album it goes to, where that is known by ID.
    pub album: Option<AlbumId>,
    pub ino: Ino,
    /// The sealed file whose bytes this one replaces.
    pub supersedes: Option<VaultId>,
    /// Its last writer has closed it.
    pub complete: bool,
    /// A write to it failed: never to be uploaded (I14). Set by the file itself, too.
    pub poisoned: bool,
    /// Removed by the user; the bytes are kept for a while.
    pub removed: bool,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Nanos,
    pub ctime: Nanos,
    pub btime: Nanos,
}

/// The version in Ente that a file overwrites: where its unwritten blocks come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Base {
    pub file: FileId,
    /// Names the content: a new version has a new header.
    pub header: StreamHeader,
    /// Which of a live photo's files.
    pub part: Part,
    /// Bytes of plaintext.
    pub len: u64,
}

/// A record with what the file adds of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FileRecord {
    pub(crate) record: CommitRecord,
    /// Bytes of plaintext.
    pub(crate) len: u64,
    pub(crate) base: Option<Base>,
    /// How much of the base still counts.
    pub(crate) base_limit: u64,
}

impl FileRecord {
    /// # Errors
    /// [`VaultError::RecordTooLarge`] for a path beyond [`MAX_PATH`].
    pub(crate) fn encode(&self) -> Result<Encoder, VaultError> {
        let record = &self.record;
        let path_len = u16::try_from(record.path.len()).ok().filter(|len| usize::from(*len) <= MAX_PATH);
        let path_len = path_len.ok_or(VaultError::RecordTooLarge("its path is longer than 4096 bytes"))?;
        let part = self.base.map_or(0, |base| base.part.to_row());
        let mut out = Encoder(Vec::with_capacity(128 + record.path.len()));
        out.u8(self.flags()).u8(part as u8).u16(path_len).u32(record.mode).u32(record.uid).u32(record.gid);
        out.u64(record.ino.0).i64(record.album.unwrap_or_default().0);
        out.bytes(&record.supersedes.map_or([0; 16], |id| id.0));
        out.i64(record.mtime.0).i64(record.ctime.0).i64(record.btime.0);
        out.i64(self.base.map_or(0, |base| base.file.0)).bytes(&self.base.map_or([0; 24], |base| base.header.0));
        out.u64(self.base.map_or(0, |base| base.len)).u64(self.base_limit).u64(self.len).bytes(&record.path);
        Ok(out)
    }

    fn flags(&self) -> u8 {
        let record = &self.record;
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        flag(record.complete, COMPLETE)
            | flag(record.poisoned, POISONED)
            | flag(record.removed, REMOVED)
            | flag(record.album.is_some(), ALBUM)
            | flag(record.supersedes.is_some(), SUPERSEDES)
            | flag(self.base.is_some(), BASE)
    }

    /// The inverse of [`Self::encode`]; `None` for what it never makes.
    pub(crate) fn decode(input: &mut Decoder<'_>) -> Option<Self> {
        let (flags, part, path_len) = (input.u8()?, Part::from_row(i64::from(input.u8()?))?, input.u16()?);
        let (mode, uid, gid, ino) = (input.u32()?, input.u32()?, input.u32()?, Ino(input.u64()?));
        let (album, supersedes) = (AlbumId(input.i64()?), VaultId(input.array()?));
        let (mtime, ctime, btime) = (Nanos(input.i64()?), Nanos(input.i64()?), Nanos(input.i64()?));
        let (file, header) = (FileId(input.i64()?), StreamHeader(input.array()?));
        let base = Base { file, header, part, len: input.u64()? };
        let (base_limit, len) = (input.u64()?, input.u64()?);
        let path = input.bytes(usize::from(path_len))?.to_vec();
        let is = |bit| flags & bit != 0;
        let (album, supersedes) = (is(ALBUM).then_some(album), is(SUPERSEDES).then_some(supersedes));
        let (complete, poisoned, removed) = (is(COMPLETE), is(POISONED), is(REMOVED));
        let record = CommitRecord {
            path,
            album,
            ino,
            supersedes,
            complete,
            poisoned,
            removed,
            mode,
            uid,
            gid,
            mtime,
            ctime,
            btime,
        };
        Some(Self { record, len, base: is(BASE).then_some(base), base_limit })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample_record() -> CommitRecord {
        CommitRecord {
            path: b"Drop/DCIM/IMG_0001.JPG".to_vec(),
            album: Some(AlbumId(1_580_559_962_386_438)),
            ino: Ino(70_000),
            supersedes: Some(VaultId([3; 16])),
            complete: true,
            poisoned: false,
            removed: true,
            mode: 0o100_644,
            uid: 1000,
            gid: 100,
            mtime: Nanos(-5),
            ctime: Nanos(i64::MAX),
            btime: Nanos(1),
        }
    }

    #[test]
    fn a_record_survives_its_encoding() {
        let base = Base { file: FileId(8), header: StreamHeader([6; 24]), part: Part::Clip, len: 10 };
        let full = FileRecord { record: sample_record(), len: 77, base: Some(base), base_limit: 5 };
        let mut bare = full.clone();
        bare.base = None;
        bare.record = CommitRecord { album: None, supersedes: None, path: vec![], complete: false, ..bare.record };
        for sample in [full, bare] {
            let bytes = sample.encode().unwrap().0;
            assert_eq!(bytes.len(), 128 + sample.record.path.len());
            assert_eq!(FileRecord::decode(&mut Decoder(&bytes)), Some(sample));
            for cut in 0..bytes.len() {
                assert_eq!(FileRecord::decode(&mut Decoder(&bytes[..cut])), None);
            }
        }
    }

    #[test]
    fn a_path_beyond_linux_own_limit_is_refused() {
        let record = CommitRecord { path: vec![b'x'; MAX_PATH + 1], ..sample_record() };
        let sample = FileRecord { record, len: 0, base: None, base_limit: 0 };
        assert!(matches!(sample.encode(), Err(VaultError::RecordTooLarge(_))));
    }
}
