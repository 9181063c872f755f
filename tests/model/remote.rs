//! The line between a device and the account: it can be cut, and the next call can be made to fail before or after
//! its effect.

use crate::ente::{Ente, refused};
use async_trait::async_trait;
use bytes::Bytes;
use entefs::base::{AlbumId, FileId, Timestamp};
use entefs::crypto::md5;
use entefs::remote::{ObjectBody, Page, Part, PartTarget, PutTarget, RangeSink, RemoteApi, RemoteError, RemoteResult};
use entefs::wire::{
    AddFiles, Collection, CreateCollection, File, MoveFiles, RegisterFile, RemoveFiles, RenameCollection,
    SessionValidity, TrashFiles, TrashRow, UpdateCollectionMagic, UpdateFileMagic, UserDetails,
};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Rows on a page of a diff: few, so that there are several pages.
const PAGE: usize = 3;

/// When a call goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// The request is lost.
    Before,
    /// It took effect, and the answer is lost.
    After,
}

pub struct Line {
    pub ente: Arc<Ente>,
    pub up: AtomicBool,
    /// The call after so many others fails.
    fault: Mutex<Option<(u32, When)>>,
    /// How often something went wrong.
    pub failures: AtomicU64,
    /// Whoever looks on must not use up a fault.
    pub observing: AtomicBool,
}

fn lost() -> RemoteError {
    RemoteError::Network { endpoint: "/model", detail: "cut".into() }
}

impl Line {
    pub fn new(ente: Arc<Ente>) -> Self {
        Self {
            ente,
            up: AtomicBool::new(true),
            fault: Mutex::default(),
            failures: AtomicU64::new(0),
            observing: AtomicBool::new(false),
        }
    }

    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub fn fail_after(&self, calls: u32, when: When) {
        *self.fault.lock().expect("no panic") = Some((calls, when));
    }

    pub fn heal(&self) {
        self.up.store(true, Ordering::Relaxed);
        *self.fault.lock().expect("no panic") = None;
    }

    fn fault(&self) -> Option<When> {
        let mut fault = self.fault.lock().expect("no panic");
        match *fault {
            Some((0, when)) => {
                *fault = None;
                Some(when)
            }
            Some((calls, when)) => {
                *fault = Some((calls - 1, when));
                None
            }
            None => None,
        }
    }

    fn call<T>(&self, call: impl FnOnce(&Ente) -> RemoteResult<T>) -> RemoteResult<T> {
        let observing = self.observing.load(Ordering::Relaxed);
        let fault = match self.is_up() {
            true if observing => None,
            true => self.fault(),
            false => Some(When::Before),
        };
        if fault.is_some() && !observing {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        match fault {
            None => call(&self.ente),
            Some(When::Before) => Err(lost()),
            Some(When::After) => call(&self.ente).and(Err(lost())),
        }
    }
}

/// The first rows, those of one stamp never split.
fn page_of<T>(mut rows: Vec<T>, stamp: impl Fn(&T) -> Timestamp) -> Page<T> {
    let cut = rows.get(PAGE).map(&stamp).map(|next| rows.partition_point(|row| stamp(row) < next));
    let cut = cut.map(|cut| if cut == 0 { rows.partition_point(|row| stamp(row) <= stamp(&rows[0])) } else { cut });
    let has_more = cut.is_some_and(|cut| cut < rows.len());
    rows.truncate(cut.unwrap_or(rows.len()));
    let last = rows.last().map(stamp);
    Page { rows, malformed: 0, last, has_more }
}

fn target(object_key: String, length: u64, md5: [u8; 16]) -> PutTarget {
    let part = PartTarget { url: object_key.clone(), length, md5, bound: true };
    PutTarget { object_key, parts: vec![part], complete_url: None }
}

fn bytes_of(body: &ObjectBody) -> Vec<u8> {
    match body {
        ObjectBody::Bytes(bytes) => bytes.to_vec(),
        ObjectBody::Source(source, range) => {
            let (mut bytes, mut at) = (Vec::new(), range.start);
            while at < range.end {
                let piece = source.read(at, range.end).expect("what was sealed can be sealed again");
                at += piece.len() as u64;
                bytes.extend_from_slice(&piece);
            }
            bytes
        }
    }
}

#[async_trait]
impl RemoteApi for Line {
    async fn fetch_albums(&self, since: Timestamp) -> RemoteResult<Page<Collection>> {
        self.call(|ente| {
            let rows = ente.albums_since(since);
            let last = rows.iter().map(|album| album.updation_time).max();
            Ok(Page { rows, malformed: 0, last, has_more: false })
        })
    }

    async fn fetch_album(&self, album: AlbumId) -> RemoteResult<Collection> {
        self.call(|ente| ente.album(album))
    }

    async fn fetch_changes(&self, album: AlbumId, since: Timestamp) -> RemoteResult<Page<File>> {
        self.call(|ente| Ok(page_of(ente.changes_since(album, since)?, |row| row.updation_time)))
    }

    async fn fetch_trash(&self, since: Timestamp) -> RemoteResult<Page<TrashRow>> {
        self.call(|ente| Ok(page_of(ente.trash_since(since), |row| row.updated_at)))
    }

    async fn create_album(&self, request: &CreateCollection) -> RemoteResult<Collection> {
        self.call(|ente| ente.create_album(request))
    }

    async fn rename_album(&self, request: &RenameCollection) -> RemoteResult<()> {
        self.call(|ente| ente.rename_album(request))
    }

    async fn update_album_magic(&self, request: &UpdateCollectionMagic) -> RemoteResult<()> {
        self.call(|ente| ente.set_album_magic(request))
    }

    async fn delete_album(&self, album: AlbumId) -> RemoteResult<()> {
        self.call(|ente| ente.delete_album(album))
    }

    async fn add_files(&self, request: &AddFiles) -> RemoteResult<()> {
        self.call(|ente| ente.add(request))
    }

    async fn move_files(&self, request: &MoveFiles) -> RemoteResult<()> {
        self.call(|ente| ente.move_files(request))
    }

    async fn remove_files(&self, _: &RemoveFiles) -> RemoteResult<()> {
        panic!("own photos are never removed from an album, they are moved")
    }

    async fn restore_files(&self, request: &AddFiles) -> RemoteResult<()> {
        self.call(|ente| ente.restore(request))
    }

    async fn trash_files(&self, request: &TrashFiles) -> RemoteResult<()> {
        self.call(|ente| ente.trash(request))
    }

    async fn update_public_magic(&self, request: &UpdateFileMagic) -> RemoteResult<()> {
        self.call(|ente| ente.set_public_magic(request))
    }

    async fn fetch_put_target(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget> {
        self.call(|ente| Ok(target(ente.new_object_key(), length, md5)))
    }

    async fn fetch_multipart_target(&self, _: u64, _: u64, _: &[[u8; 16]]) -> RemoteResult<PutTarget> {
        panic!("all photos here are small")
    }

    async fn fetch_thumbnail_target(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget> {
        self.call(|ente| Ok(target(ente.new_object_key(), length, md5)))
    }

    async fn put_part(&self, part: &PartTarget, body: ObjectBody) -> RemoteResult<String> {
        self.call(|ente| {
            let bytes = bytes_of(&body);
            assert_eq!((bytes.len() as u64, md5(&bytes)), (part.length, part.md5), "not what was announced");
            ente.put_object(&part.url, bytes);
            Ok("etag".into())
        })
    }

    async fn complete_parts(&self, _: &str, _: &[Part]) -> RemoteResult<()> {
        panic!("all photos here are small")
    }

    async fn register_file(&self, body: Bytes) -> RemoteResult<File> {
        let request: RegisterFile = serde_json::from_slice(&body).expect("a registration");
        self.call(|ente| ente.register(&request))
    }

    async fn fetch_range(&self, file: FileId, range: Range<u64>, into: &mut dyn RangeSink) -> RemoteResult<u64> {
        self.call(|ente| {
            let object = ente.object_of(file)?;
            let end = range.end.min(object.len() as u64) as usize;
            let piece = object.get(range.start as usize..end).ok_or_else(|| refused(416))?;
            into.take(piece);
            Ok(object.len() as u64)
        })
    }

    fn forget_url(&self, _: FileId) {}

    fn received(&self) -> u64 {
        0
    }

    async fn fetch_thumbnail(&self, file: FileId) -> RemoteResult<Vec<u8>> {
        self.call(|ente| ente.thumbnail_of(file))
    }

    async fn fetch_details(&self) -> RemoteResult<UserDetails> {
        self.call(|_| {
            let mut details = UserDetails::default();
            details.subscription.storage = 10 << 30;
            Ok(details)
        })
    }

    async fn fetch_session_validity(&self) -> RemoteResult<SessionValidity> {
        self.call(|_| Ok(SessionValidity::default()))
    }

    async fn fetch_public_key(&self, _: &str) -> RemoteResult<Option<[u8; 32]>> {
        self.call(|_| Ok(None))
    }

    async fn logout(&self) -> RemoteResult<()> {
        self.call(|_| Ok(()))
    }
}
