//! Where to put objects: the endpoints that give presigned URLs (protocol notes, data 3.2), each with a
//! limit of its own, so that one steps in for another.

use super::api::{PartTarget, PutTarget};
use super::call::{ApiCall, parse};
use super::error::{RemoteError, RemoteResult};
use super::http::HttpRemote;
use super::retry::{Attempts, Repeat};
use crate::base::B64;
use crate::base::sync::Mutex;
use crate::wire::{
    MultipartUploadUrlRequest, MultipartUploadUrls, URL_BATCH, UploadUrl, UploadUrlRequest, UploadUrlsAnswer, path,
};
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// URLs live 7 days; the server removes objects that nobody registers, so none is kept for long.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// Unused URLs of the batch endpoint.
#[derive(Default)]
pub(super) struct ThumbnailUrls {
    pool: Mutex<Vec<(Instant, UploadUrl)>>,
    /// Whoever holds it asks for the next batch; the others wait for it.
    asking: tokio::sync::Mutex<()>,
}

impl ThumbnailUrls {
    /// A URL is used once: a second object under its key would replace the first.
    fn take(&self) -> Option<UploadUrl> {
        let mut pool = self.pool.lock();
        while let Some((since, url)) = pool.pop() {
            if since.elapsed() < KEPT_FOR {
                return Some(url);
            }
        }
        None
    }

    fn put(&self, urls: Vec<UploadUrl>) {
        let now = Instant::now();
        self.pool.lock().extend(urls.into_iter().map(|url| (now, url)));
    }
}

impl HttpRemote {
    /// A checked target for one object, by the endpoint that has budget left.
    pub(super) async fn fetch_checked_target(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget> {
        let mut attempts = Attempts::new(Repeat::Safe, self.api.timeouts.repeat);
        loop {
            match self.ask_checked_target(length, md5).await {
                Err(error) => attempts.pause_after(error).await?,
                target => return target,
            }
        }
    }

    async fn ask_checked_target(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget> {
        let deadline = self.limits.deadline();
        loop {
            let endpoint = self.soonest_checked();
            let single = endpoint == path::UPLOAD_URL;
            let ticket = self.limits.enter(endpoint, deadline).await?;
            let answer = if single { self.ask_single(length, md5).await } else { self.ask_one_part(length, md5).await };
            ticket.settle(&answer);
            match answer {
                Err(error) if error.status() == Some(429) && Instant::now() < deadline => {}
                // A server from before this endpoint; the other one will do.
                Err(error) if error.status() == Some(404) && !single => {
                    self.no_single_parts.store(true, Ordering::Relaxed);
                }
                answer => return answer,
            }
        }
    }

    fn soonest_checked(&self) -> &'static str {
        if self.no_single_parts.load(Ordering::Relaxed) {
            return path::UPLOAD_URL;
        }
        self.limits.soonest(&[path::UPLOAD_URL, path::MULTIPART_UPLOAD_URL]).unwrap_or(path::UPLOAD_URL)
    }

    async fn ask_single(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget> {
        let request = UploadUrlRequest { content_length: wire_length(length)?, content_md5: B64::of(md5) };
        let body = self.send(&ApiCall::post(path::UPLOAD_URL, &request)).await?;
        let UploadUrl { object_key, url } = parse(path::UPLOAD_URL, &body)?;
        single_target(path::UPLOAD_URL, object_key, PartTarget { url, length, md5, bound: true })
    }

    async fn ask_one_part(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget> {
        wire_length(length)?;
        let body = self.send(&Self::multipart_call(length, length, &[md5])).await?;
        Self::read_multipart(&body, length, length, &[md5])
    }

    pub(super) fn multipart_call(length: u64, part_length: u64, md5s: &[[u8; 16]]) -> ApiCall {
        let request = MultipartUploadUrlRequest {
            content_length: i64::try_from(length).unwrap_or(i64::MAX),
            part_length: i64::try_from(part_length).unwrap_or(i64::MAX),
            part_md5s: md5s.iter().map(B64::of).collect(),
        };
        ApiCall::post(path::MULTIPART_UPLOAD_URL, &request)
    }

    /// The parts of a multipart answer, each with the length and MD5 that it was asked for.
    pub(super) fn read_multipart(
        body: &Bytes,
        length: u64,
        part_length: u64,
        md5s: &[[u8; 16]],
    ) -> RemoteResult<PutTarget> {
        let endpoint = path::MULTIPART_UPLOAD_URL;
        let answer: MultipartUploadUrls = parse(endpoint, body)?;
        if answer.part_urls.len() != md5s.len() || answer.object_key.is_empty() || answer.complete_url.is_empty() {
            let detail = format!("it gave {} URLs for {} parts", answer.part_urls.len(), md5s.len());
            return Err(RemoteError::Malformed { endpoint, detail });
        }
        let mut rest = length;
        let mut parts = Vec::with_capacity(md5s.len());
        for (url, md5) in answer.part_urls.into_iter().zip(md5s) {
            let length = rest.min(part_length);
            rest -= length;
            parts.push(PartTarget { url, length, md5: *md5, bound: true });
        }
        Ok(PutTarget { object_key: answer.object_key, parts, complete_url: Some(answer.complete_url) })
    }

    /// A target from the pool; by a checked endpoint where the server has no batches.
    pub(super) async fn take_thumbnail_target(&self, length: u64, md5: [u8; 16]) -> RemoteResult<PutTarget> {
        match self.take_batched_url().await {
            Ok(Some(UploadUrl { object_key, url })) => {
                single_target(path::UPLOAD_URLS, object_key, PartTarget { url, length, md5, bound: false })
            }
            Ok(None) => self.fetch_checked_target(length, md5).await,
            Err(error) if matches!(error.status(), Some(404 | 405 | 410 | 429 | 501)) => {
                self.fetch_checked_target(length, md5).await
            }
            Err(error) => Err(error),
        }
    }

    async fn take_batched_url(&self) -> RemoteResult<Option<UploadUrl>> {
        if let Some(url) = self.thumbnails.take() {
            return Ok(Some(url));
        }
        let _asking = self.thumbnails.asking.lock().await;
        if let Some(url) = self.thumbnails.take() {
            return Ok(Some(url));
        }
        let body = self.call_thumbnail_urls(ApiCall::get(path::UPLOAD_URLS).query("count", URL_BATCH)).await?;
        let answer: UploadUrlsAnswer = parse(path::UPLOAD_URLS, &body)?;
        self.thumbnails.put(answer.urls);
        Ok(self.thumbnails.take())
    }
}

/// One PUT and nothing to join.
fn single_target(endpoint: &'static str, object_key: String, part: PartTarget) -> RemoteResult<PutTarget> {
    if object_key.is_empty() || part.url.is_empty() {
        return Err(RemoteError::Malformed { endpoint, detail: "there is no URL in it".into() });
    }
    Ok(PutTarget { object_key, parts: vec![part], complete_url: None })
}

fn wire_length(length: u64) -> RemoteResult<i64> {
    i64::try_from(length).map_err(|_| RemoteError::Body(format!("{length} bytes are more than any object has")))
}
