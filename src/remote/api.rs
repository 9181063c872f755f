//! The calls that entefs makes once it is logged in. [`HttpRemote`](super) speaks them; tests wrap it with
//! faults and counters.

use super::error::RemoteResult;
use crate::base::{AlbumId, FileId, Timestamp};
use crate::wire::{
    AddFiles, Collection, CreateCollection, File, MoveFiles, RemoveFiles, RenameCollection, SessionValidity,
    TrashFiles, TrashRow, UpdateCollectionMagic, UpdateFileMagic, UserDetails,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// One account on one Ente server. Implementations wait for the server's rate limits themselves and retry
/// what is safe a few times, quickly; what still fails says by [`super::RemoteError::retry`] what to do.
#[async_trait]
pub trait RemoteApi: Send + Sync {
    /// Albums changed after `since` (strictly), tombstones included, in no order; always one page.
    async fn fetch_albums(&self, since: Timestamp) -> RemoteResult<Page<Collection>>;
    /// One album, deleted ones too.
    async fn fetch_album(&self, album: AlbumId) -> RemoteResult<Collection>;
    /// One page of an album's memberships changed after `since` (strictly), in ascending order.
    async fn fetch_changes(&self, album: AlbumId, since: Timestamp) -> RemoteResult<Page<File>>;
    /// One page of the trash changed after `since` (strictly), in ascending order.
    async fn fetch_trash(&self, since: Timestamp) -> RemoteResult<Page<TrashRow>>;

    /// Not idempotent for albums; a special kind answers the existing one, with its own key.
    async fn create_album(&self, request: &CreateCollection) -> RemoteResult<Collection>;
    async fn rename_album(&self, request: &RenameCollection) -> RemoteResult<()>;
    async fn update_album_magic(&self, request: &UpdateCollectionMagic) -> RemoteResult<()>;
    /// Deletes an empty album. Always keeps files: 409 where there are any (I11).
    async fn delete_album(&self, album: AlbumId) -> RemoteResult<()>;

    /// Idempotent.
    async fn add_files(&self, request: &AddFiles) -> RemoteResult<()>;
    /// Idempotent; the server does not check that the files are in the source.
    async fn move_files(&self, request: &MoveFiles) -> RemoteResult<()>;
    async fn remove_files(&self, request: &RemoveFiles) -> RemoteResult<()>;
    /// Not idempotent: 400 where one is not in the trash.
    async fn restore_files(&self, request: &AddFiles) -> RemoteResult<()>;
    async fn trash_files(&self, request: &TrashFiles) -> RemoteResult<()>;
    /// Not idempotent: 409 on a repeat.
    async fn update_public_magic(&self, request: &UpdateFileMagic) -> RemoteResult<()>;

    /// Where to put an object of `length` bytes with this MD5, by whichever checked endpoint has budget left.
    async fn fetch_put_target(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget>;
    /// Where to put an object in parts of `part_length` (the last may be shorter), with each part's MD5.
    async fn fetch_multipart_target(&self, length: u64, part_length: u64, md5s: &[[u8; 16]])
    -> RemoteResult<PutTarget>;
    /// Where to put a thumbnail: by the batch endpoint, which binds neither length nor MD5.
    async fn fetch_thumbnail_target(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget>;
    /// Puts one part (of one or many) and answers its ETag. Idempotent.
    async fn put_part(&self, part: &PartTarget, body: ObjectBody) -> RemoteResult<String>;
    /// Joins the parts of a multipart target. 404 where that has been done, also by an answer that was lost.
    async fn complete_parts(&self, complete_url: &str, parts: &[Part]) -> RemoteResult<()>;
    /// Sends exactly these bytes, a [`crate::wire::RegisterFile`]. Replay only as protocol notes, data 3.5, allow.
    async fn register_file(&self, body: Bytes) -> RemoteResult<File>;

    /// Gives the bytes of `range` of a file's object to `into` as they come in, all of them or in the end none; answers
    /// the object's whole length. A range that ends past the object's end gives what there is of it; one that begins there
    /// is refused with 416. A presigned URL is kept for later ranges, so that one reading sees one version.
    async fn fetch_range(&self, file: FileId, range: Range<u64>, into: &mut dyn RangeSink) -> RemoteResult<u64>;
    /// Forgets the kept URL of a file whose bytes did not verify: it may have a new version.
    fn forget_url(&self, file: FileId);
    /// Bytes of objects that came in since the start, of all transfers: whether the line is alive.
    fn received(&self) -> u64;
    /// The encrypted thumbnail.
    async fn fetch_thumbnail(&self, file: FileId) -> RemoteResult<Vec<u8>>;

    async fn fetch_details(&self) -> RemoteResult<UserDetails>;
    async fn fetch_session_validity(&self) -> RemoteResult<SessionValidity>;
    async fn fetch_public_key(&self, email: &str) -> RemoteResult<Option<[u8; 32]>>;
    /// Ends the session on the server.
    async fn logout(&self) -> RemoteResult<()>;
}

/// Where the bytes of a range go as they come in.
pub trait RangeSink: Send {
    /// So many bytes are about to come.
    fn expect(&mut self, _len: usize) {}
    /// The next bytes, in order.
    fn take(&mut self, piece: &[u8]);
    /// What was taken is void: the range comes anew from its beginning, or not at all.
    fn forget(&mut self);
}

/// Empty at first.
impl RangeSink for Vec<u8> {
    fn expect(&mut self, len: usize) {
        self.reserve_exact(len);
    }

    fn take(&mut self, piece: &[u8]) {
        self.extend_from_slice(piece);
    }

    fn forget(&mut self) {
        self.clear();
    }
}

/// One page of a listing. A row that is not what the protocol notes say is left out, so that it does not
/// lose the others.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// How many rows were left out; their IDs are in the log.
    pub malformed: usize,
    /// The latest stamp on the page, that of left out rows included where it could be read: where the next
    /// page begins. `None` for an empty page.
    pub last: Option<Timestamp>,
    pub has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), malformed: 0, last: None, has_more: false }
    }
}

/// Where an object goes. Serialisable as it is, so that a multipart upload goes on after a restart.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct PutTarget {
    pub object_key: String,
    /// One for a single PUT.
    pub parts: Vec<PartTarget>,
    /// Present where the parts must be joined.
    pub complete_url: Option<String>,
}

/// A presigned PUT: valid 7 days, for exactly this content.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct PartTarget {
    pub url: String,
    pub length: u64,
    pub md5: [u8; 16],
    /// Whether the signature binds length and MD5.
    pub bound: bool,
}

/// A part that has been put; numbers from 1.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Part {
    pub number: u32,
    pub etag: String,
}

/// What to put. It can be read again for a retry.
#[derive(Clone)]
pub enum ObjectBody {
    Bytes(Bytes),
    /// The bytes `range` of a source.
    Source(Arc<dyn ObjectSource>, Range<u64>),
}

impl ObjectBody {
    /// Length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source(_, range) => range.end.saturating_sub(range.start),
        }
    }
}

/// Ciphertext that is made while it is sent. Called on blocking threads, with ascending offsets within
/// one body; several bodies of one source may be read at once, and one again from its start for a retry.
pub trait ObjectSource: Send + Sync {
    /// The next bytes from `offset` on, at least one and at most to `end`, which lies up to 1 MiB ahead.
    /// One piece is sent while the next is made; pieces under 256 KiB cost speed.
    ///
    /// # Errors
    /// Where the plaintext cannot be read or does not verify.
    fn read(&self, offset: u64, end: u64) -> std::io::Result<Bytes>;
}
