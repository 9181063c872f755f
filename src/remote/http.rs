//! [`RemoteApi`] over HTTP: each call with its path, its limits and whether it may be repeated (protocol
//! notes, data 9).

use super::api::{ObjectBody, Page, Part, PartTarget, PutTarget, RangeSink, RemoteApi};
use super::call::{ApiCall, ApiClient, expect_nothing, parse};
use super::error::RemoteResult;
use super::limits::Limits;
use super::options::HttpOptions;
use super::page::{Row, read_page};
use super::retry::{Attempts, Repeat};
use super::storage::{KeptUrls, Storage};
use super::targets::ThumbnailUrls;
use super::token::{Token, TokenCell};
use crate::base::sync::Bell;
use crate::base::{AlbumId, AlbumKind, FileId, Timestamp};
use crate::wire::{
    AddFiles, Collection, CollectionAnswer, CreateCollection, File, MoveFiles, PublicKeyAnswer, RemoveFiles,
    RenameCollection, SessionValidity, TrashFiles, TrashRow, UpdateCollectionMagic, UpdateFileMagic, UserDetails, path,
};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::Instant;

/// One account on one server.
pub struct HttpRemote {
    pub(super) api: ApiClient,
    pub(super) storage: Storage,
    token: TokenCell,
    session_over: Bell,
    pub(super) limits: Limits,
    pub(super) urls: KeptUrls,
    pub(super) thumbnails: ThumbnailUrls,
    /// An older server has no checked multipart endpoint: then nothing is asked of it again.
    pub(super) no_single_parts: AtomicBool,
}

impl HttpRemote {
    /// # Errors
    /// [`super::RemoteError::Address`] for an endpoint that no request can go to.
    pub fn new(options: HttpOptions) -> RemoteResult<Self> {
        Ok(Self {
            api: ApiClient::new(&options)?,
            storage: Storage::new(&options)?,
            limits: Limits::new(options.limits),
            token: options.token,
            session_over: options.session_over,
            urls: KeptUrls::default(),
            thumbnails: ThumbnailUrls::default(),
            no_single_parts: AtomicBool::new(false),
        })
    }

    async fn fetch<T: DeserializeOwned>(&self, call: ApiCall) -> RemoteResult<T> {
        let endpoint = call.endpoint;
        parse(endpoint, &self.call(call, Repeat::Safe).await?)
    }

    async fn fetch_page<T: Row>(&self, call: ApiCall) -> RemoteResult<Page<T>> {
        let endpoint = call.endpoint;
        read_page(endpoint, &self.call(call, Repeat::Safe).await?)
    }

    /// A change that answers nothing.
    async fn change(&self, call: ApiCall, repeat: Repeat) -> RemoteResult<()> {
        let endpoint = call.endpoint;
        expect_nothing(endpoint, &self.call(call, repeat).await?)
    }

    async fn post(&self, endpoint: &'static str, request: &impl Serialize, repeat: Repeat) -> RemoteResult<()> {
        self.change(ApiCall::post(endpoint, request), repeat).await
    }

    /// A call with its repeats.
    async fn call(&self, call: ApiCall, repeat: Repeat) -> RemoteResult<Bytes> {
        let mut attempts = Attempts::new(repeat, self.api.timeouts.repeat);
        loop {
            match self.attempt(&call).await {
                Err(error) => attempts.pause_after(error).await?,
                answer => return answer,
            }
        }
    }

    /// Sends until the path's limit lets it through: what a limit refuses has not been done.
    async fn attempt(&self, call: &ApiCall) -> RemoteResult<Bytes> {
        let deadline = self.limits.deadline();
        loop {
            let ticket = self.limits.enter(call.endpoint, deadline).await?;
            let answer = self.send(call).await;
            ticket.settle(&answer);
            match answer {
                Err(error) if error.status() == Some(429) && Instant::now() < deadline => {}
                answer => return answer,
            }
        }
    }

    /// Sends with the token of the moment; once more where a log-in has swapped it meanwhile.
    pub(super) async fn send(&self, call: &ApiCall) -> RemoteResult<Bytes> {
        let used = self.token.get();
        let mut answer = self.api.send(call, used.as_ref().map(Token::expose)).await;
        if is_session_over(&answer) && self.token.has_newer(used.as_ref()) {
            answer = self.api.send(call, self.token.get().as_ref().map(Token::expose)).await;
        }
        self.note_session(&answer);
        answer
    }

    fn note_session<T>(&self, answer: &RemoteResult<T>) {
        if is_session_over(answer) {
            self.session_over.ring();
        }
    }

    /// The presigned URL that a download call redirects to.
    pub(super) async fn locate(&self, endpoint: &'static str, file: FileId) -> RemoteResult<Url> {
        let call = ApiCall::get(endpoint).id(file.0);
        let deadline = self.limits.deadline();
        loop {
            let ticket = self.limits.enter(endpoint, deadline).await?;
            let used = self.token.get();
            let answer = self.api.locate(&call, used.as_ref().map(Token::expose)).await;
            ticket.settle(&answer);
            match answer {
                Err(error) if error.status() == Some(429) && Instant::now() < deadline => {}
                Err(error) if error.is_session_over() && self.token.has_newer(used.as_ref()) => {}
                answer => {
                    self.note_session(&answer);
                    return answer;
                }
            }
        }
    }
}

fn is_session_over<T>(answer: &RemoteResult<T>) -> bool {
    matches!(answer, Err(error) if error.is_session_over())
}

#[async_trait]
impl RemoteApi for HttpRemote {
    async fn fetch_albums(&self, since: Timestamp) -> RemoteResult<Page<Collection>> {
        self.fetch_page(ApiCall::get(path::COLLECTIONS_LIST).query("sinceTime", since.0)).await
    }

    async fn fetch_album(&self, album: AlbumId) -> RemoteResult<Collection> {
        let answer: CollectionAnswer = self.fetch(ApiCall::get(path::COLLECTIONS).id(album.0)).await?;
        Ok(answer.collection)
    }

    async fn fetch_changes(&self, album: AlbumId, since: Timestamp) -> RemoteResult<Page<File>> {
        let call = ApiCall::get(path::COLLECTIONS_DIFF).query("collectionID", album).query("sinceTime", since.0);
        self.fetch_page(call).await
    }

    async fn fetch_trash(&self, since: Timestamp) -> RemoteResult<Page<TrashRow>> {
        self.fetch_page(ApiCall::get(path::TRASH_DIFF).query("sinceTime", since.0)).await
    }

    async fn create_album(&self, request: &CreateCollection) -> RemoteResult<Collection> {
        // A second favorites or uncategorized is answered with the first (data 1.5).
        let repeat = match AlbumKind::from_wire(&request.kind) {
            AlbumKind::Favorites | AlbumKind::Uncategorized => Repeat::Safe,
            AlbumKind::Album | AlbumKind::Folder => Repeat::Never,
        };
        let body = self.call(ApiCall::post(path::COLLECTIONS, request), repeat).await?;
        parse::<CollectionAnswer>(path::COLLECTIONS, &body).map(|answer| answer.collection)
    }

    async fn rename_album(&self, request: &RenameCollection) -> RemoteResult<()> {
        self.post(path::COLLECTION_RENAME, request, Repeat::Safe).await
    }

    async fn update_album_magic(&self, request: &UpdateCollectionMagic) -> RemoteResult<()> {
        self.change(ApiCall::put(path::COLLECTION_MAGIC, request), Repeat::Safe).await
    }

    async fn delete_album(&self, album: AlbumId) -> RemoteResult<()> {
        // The query's ID is the one acted upon, the path's is for show (data 1.5).
        let call = ApiCall::delete(path::COLLECTION_DELETE).id(album.0);
        self.change(call.query("collectionID", album).query("keepFiles", true), Repeat::Safe).await
    }

    async fn add_files(&self, request: &AddFiles) -> RemoteResult<()> {
        self.post(path::ADD_FILES, request, Repeat::Safe).await
    }

    async fn move_files(&self, request: &MoveFiles) -> RemoteResult<()> {
        self.post(path::MOVE_FILES, request, Repeat::Safe).await
    }

    async fn remove_files(&self, request: &RemoveFiles) -> RemoteResult<()> {
        self.post(path::REMOVE_FILES, request, Repeat::Safe).await
    }

    async fn restore_files(&self, request: &AddFiles) -> RemoteResult<()> {
        self.post(path::RESTORE_FILES, request, Repeat::Never).await
    }

    async fn trash_files(&self, request: &TrashFiles) -> RemoteResult<()> {
        self.post(path::FILES_TRASH, request, Repeat::Safe).await
    }

    async fn update_public_magic(&self, request: &UpdateFileMagic) -> RemoteResult<()> {
        self.change(ApiCall::put(path::FILES_PUBLIC_MAGIC, request), Repeat::Never).await
    }

    async fn fetch_put_target(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget> {
        self.fetch_checked_target(length, md5).await
    }

    async fn fetch_multipart_target(
        &self,
        length: u64,
        part_length: u64,
        md5s: &[[u8; 16]],
    ) -> RemoteResult<PutTarget> {
        let call = Self::multipart_call(length, part_length, md5s);
        let body = self.call(call, Repeat::Safe).await?;
        Self::read_multipart(&body, length, part_length, md5s)
    }

    async fn fetch_thumbnail_target(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget> {
        self.take_thumbnail_target(length, md5).await
    }

    async fn put_part(&self, part: &PartTarget, body: ObjectBody) -> RemoteResult<String> {
        self.storage.put_part(part, &body).await
    }

    async fn complete_parts(&self, complete_url: &str, parts: &[Part]) -> RemoteResult<()> {
        self.storage.complete_parts(complete_url, parts).await
    }

    async fn register_file(&self, body: Bytes) -> RemoteResult<File> {
        let body = self.call(ApiCall::post_bytes(path::FILES, body), Repeat::Never).await?;
        parse(path::FILES, &body)
    }

    async fn fetch_range(&self, file: FileId, range: Range<u64>, into: &mut dyn RangeSink) -> RemoteResult<u64> {
        self.read_range(file, range, into).await
    }

    fn received(&self) -> u64 {
        self.storage.received.load(Ordering::Relaxed)
    }

    fn forget_url(&self, file: FileId) {
        self.urls.forget(file);
    }

    async fn fetch_thumbnail(&self, file: FileId) -> RemoteResult<Vec<u8>> {
        self.read_thumbnail(file).await
    }

    async fn fetch_details(&self) -> RemoteResult<UserDetails> {
        self.fetch(ApiCall::get(path::DETAILS)).await
    }

    async fn fetch_session_validity(&self) -> RemoteResult<SessionValidity> {
        self.fetch(ApiCall::get(path::SESSION_VALIDITY)).await
    }

    async fn fetch_public_key(&self, email: &str) -> RemoteResult<Option<[u8; 32]>> {
        match self.fetch::<PublicKeyAnswer>(ApiCall::get(path::PUBLIC_KEY).query("email", email)).await {
            Ok(answer) => Ok(answer.public_key.array()),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn logout(&self) -> RemoteResult<()> {
        let nothing = serde_json::json!({});
        self.post(path::LOGOUT, &nothing, Repeat::Safe).await
    }
}

impl HttpRemote {
    pub(super) async fn call_thumbnail_urls(&self, call: ApiCall) -> RemoteResult<Bytes> {
        self.call(call, Repeat::Safe).await
    }
}
