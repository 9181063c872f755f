//! Presigned object storage: S3, as Ente's server hands it out (protocol notes, data 3.3, 3.4 and 5.1).
//!
//! Guarantees: no token and no header of Ente's ever goes here; a redirection is not followed; a body is
//! sent with its exact length, never chunked; a body that does not arrive whole is an error.

mod get;
mod kept;
mod put;
mod stream;
mod throttle;

pub(super) use kept::{KeptUrl, KeptUrls};

use super::call::{read_body, refuse_failure};
use super::error::{RemoteError, RemoteResult, STORAGE};
use super::fault;
use super::options::{HttpOptions, Timeouts, build_storage_client};
use reqwest::{Client, RequestBuilder, Response, Url};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use throttle::Throttle;
use tokio::time::timeout;

/// The storage, wherever the presigned URLs point.
pub(super) struct Storage {
    http: Client,
    timeouts: Timeouts,
    /// Bytes of objects that came in.
    pub(super) received: AtomicU64,
    up: Arc<Throttle>,
    down: Throttle,
}

impl Storage {
    pub(super) fn new(options: &HttpOptions) -> RemoteResult<Self> {
        Ok(Self {
            http: build_storage_client(options)?,
            timeouts: options.timeouts,
            received: AtomicU64::new(0),
            up: Arc::new(Throttle::new(options.upload_limit)),
            down: Throttle::new(options.download_limit),
        })
    }

    /// Sends a request without a body of its own and checks the status.
    async fn ask(&self, request: RequestBuilder) -> RemoteResult<Response> {
        let sent = timeout(self.timeouts.headers, request.send()).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(fault::of(STORAGE, &error, self.timeouts.connect)),
            Err(_) => return Err(RemoteError::Stalled { endpoint: STORAGE, after: self.timeouts.headers }),
        };
        self.check(response).await
    }

    /// The answer, unless it is a refusal or sends us somewhere else.
    async fn check(&self, response: Response) -> RemoteResult<Response> {
        if response.status().is_redirection() {
            return Err(malformed("it redirects"));
        }
        refuse_failure(STORAGE, response, self.timeouts.stall).await
    }

    /// The whole body of an answer that is to be read as text.
    async fn text(&self, response: Response) -> RemoteResult<String> {
        let body = read_body(STORAGE, response, self.timeouts.stall, 1 << 20).await?;
        String::from_utf8(body.into()).map_err(|_| malformed("its answer is not text"))
    }
}

fn malformed(detail: impl Into<String>) -> RemoteError {
    RemoteError::Malformed { endpoint: STORAGE, detail: detail.into() }
}

fn parse_url(url: &str) -> RemoteResult<Url> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| malformed("the server gave no usable address for the object"))
}
