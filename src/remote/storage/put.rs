//! Putting objects, whole or in parts.

use super::stream::{Progress, stream_of};
use super::{Storage, malformed, parse_url};
use crate::base::B64;
use crate::remote::api::{ObjectBody, Part, PartTarget};
use crate::remote::call::clean_code;
use crate::remote::error::{RemoteError, RemoteResult, STORAGE};
use crate::remote::fault;
use crate::remote::retry::{Attempts, Repeat};
use crate::remote::xml::{completion_of, error_code, root_of};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName};
use reqwest::{Body, RequestBuilder, Response, Url};
use std::sync::Arc;
use tokio::time::sleep_until;

/// Signed where the URL is bound, and checked by the storage wherever it is sent.
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

impl Storage {
    /// Puts one part and answers its `ETag`. Repeats with the same URL what may pass.
    ///
    /// # Errors
    /// [`RemoteError::Status`] 403 for a URL that has expired: the caller asks for a new one.
    pub(in crate::remote) async fn put_part(&self, part: &PartTarget, body: &ObjectBody) -> RemoteResult<String> {
        if body.length() != part.length {
            let (found, expected) = (body.length(), part.length);
            return Err(RemoteError::Body(format!("it has {found} bytes instead of {expected}")));
        }
        let url = parse_url(&part.url)?;
        let mut attempts = Attempts::new(Repeat::Safe, self.timeouts.repeat);
        loop {
            match self.put_once(&url, part, body).await {
                Err(error) => attempts.pause_after(error).await?,
                stored => return stored,
            }
        }
    }

    async fn put_once(&self, url: &Url, part: &PartTarget, body: &ObjectBody) -> RemoteResult<String> {
        let progress = Progress::new();
        let request = self
            .http
            .put(url.clone())
            .header(CONTENT_LENGTH, part.length)
            .header(CONTENT_MD5, B64::of(part.md5).0)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Body::wrap_stream(stream_of(body, &progress, &self.up)));
        let response = self.send_watched(request, &progress).await?;
        let response = self.check(response).await?;
        if !progress.is_sent() {
            return Err(malformed("it accepted the object before it had it"));
        }
        let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok());
        etag.map(str::to_owned).ok_or_else(|| malformed("it gave no ETag; is this a captive portal?"))
    }

    /// Sends, and gives up once the line stands still.
    async fn send_watched(&self, request: RequestBuilder, progress: &Arc<Progress>) -> RemoteResult<Response> {
        let mut sending = Box::pin(request.send());
        let answer = loop {
            // While the source works there is no deadline; the phase is looked at again soon enough.
            let deadline = progress.deadline(self.timeouts.stall, self.timeouts.stored);
            let now = tokio::time::Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                let after = if progress.is_sent() { self.timeouts.stored } else { self.timeouts.stall };
                break Err(RemoteError::Stalled { endpoint: STORAGE, after });
            }
            tokio::select! {
                answer = &mut sending => break answer.map_err(|error| fault::of(STORAGE, &error, self.timeouts.connect)),
                () = sleep_until(deadline.unwrap_or(now + self.timeouts.stall)) => {}
            }
        };
        match progress.failure() {
            Some(reason) if answer.is_err() => Err(RemoteError::Body(reason)),
            _ => answer,
        }
    }

    /// Joins the parts of an upload.
    ///
    /// # Errors
    /// 404 `NoSuchUpload` where that has been done or given up. S3 may answer 200 and an error document:
    /// that is an error as if it had said 500.
    pub(in crate::remote) async fn complete_parts(&self, url: &str, parts: &[Part]) -> RemoteResult<()> {
        let url = parse_url(url)?;
        let document = completion_of(parts).map_err(|error| RemoteError::Body(error.to_string()))?;
        let mut attempts = Attempts::new(Repeat::Safe, self.timeouts.repeat);
        loop {
            match self.complete_once(&url, &document).await {
                Err(error) => attempts.pause_after(error).await?,
                joined => return joined,
            }
        }
    }

    async fn complete_once(&self, url: &Url, document: &str) -> RemoteResult<()> {
        let request = self.http.post(url.clone()).header(CONTENT_TYPE, "text/xml").body(document.to_owned());
        let answer = self.text(self.ask(request).await?).await?;
        match root_of(&answer) {
            Some("CompleteMultipartUploadResult") => Ok(()),
            Some("Error") => {
                let code = clean_code(error_code(answer.as_bytes()).unwrap_or_default());
                Err(RemoteError::Status { endpoint: STORAGE, status: 500, code, retry_after: None })
            }
            None if answer.trim().is_empty() => Ok(()),
            _ => Err(malformed("it answered the completion with something else")),
        }
    }
}
