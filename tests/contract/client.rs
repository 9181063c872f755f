//! A client with no opinion: it sends what it is told and shows what came back.

use crate::world::world;
use bytes::Bytes;
use entefs::wire::{ErrorBody, header};
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// One test's way to the server. The runtime of a test owns its connections, so each test makes its own.
#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    base: String,
    token: Option<String>,
    package: &'static str,
    /// Rate limits go by address: each client makes one up.
    ip: String,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Reply {
    pub method: String,
    pub path: String,
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Bytes,
}

/// An address that no other client of this run has, and hardly one of another run.
pub fn fresh_ip() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let run = std::process::id();
    format!("10.{}.{}.{}", (run ^ n >> 16) & 255, (run >> 8 ^ n >> 8) & 255, n & 255)
}

impl Client {
    pub fn new() -> Self {
        Self::to(&world().base)
    }

    /// A client of another server than the one under test.
    pub fn to(base: &str) -> Self {
        // The name of no crypto provider is built in, so the first to come installs one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none());
        Self {
            http: http.build().expect("a client without options that can fail"),
            base: base.to_owned(),
            token: None,
            package: header::PHOTOS_PACKAGE,
            ip: fresh_ip(),
        }
    }

    /// The same connections from another address.
    pub fn elsewhere(&self) -> Self {
        Self { ip: fresh_ip(), ..self.clone() }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub fn with_package(&self, package: &'static str) -> Self {
        Self { package, ..self.clone() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = request.header(header::CLIENT_PACKAGE, self.package).header("X-Forwarded-For", &self.ip);
        match &self.token {
            Some(token) => request.header(header::AUTH_TOKEN, token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        send(self.request(Method::DELETE, path)).await
    }

    pub async fn post<T: Serialize + ?Sized>(&self, path: &str, body: &T) -> Reply {
        send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn put<T: Serialize + ?Sized>(&self, path: &str, body: &T) -> Reply {
        send(self.request(Method::PUT, path).json(body)).await
    }
}

pub async fn send(request: RequestBuilder) -> Reply {
    let (client, request) = request.build_split();
    let request = request.expect("a request that can be built");
    let (method, path) = (request.method().to_string(), request.url().path().to_owned());
    let response = client.execute(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
    Reply { method, path, status, headers, body }
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} {} answered: {}", self.method, self.path, self.text());
        self
    }

    /// A success with a JSON body.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(self) -> T {
        let reply = self.expect(200);
        serde_json::from_slice(&reply.body).unwrap_or_else(|error| panic!("{}: {error}: {}", reply.path, reply.text()))
    }

    /// A success with nothing to say: no byte and no content type.
    #[track_caller]
    pub fn empty(self) {
        let reply = self.expect(200);
        assert_eq!((reply.text().as_str(), reply.header("Content-Type")), ("", ""), "{}", reply.path);
    }

    /// A success, whatever it says.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.expect(200)
    }

    /// A refusal by status alone: the body is an empty object.
    #[track_caller]
    pub fn refused(self, status: u16) {
        let reply = self.expect(status);
        assert_eq!(reply.text(), "{}", "{} {}", reply.method, reply.path);
    }

    /// A refusal with a code.
    #[track_caller]
    pub fn refused_with(self, status: u16, code: &str) {
        let reply = self.expect(status);
        let body: ErrorBody = serde_json::from_slice(&reply.body).unwrap_or_default();
        assert_eq!(body.code, code, "{} {}: {}", reply.method, reply.path, reply.text());
    }

    /// A refusal of the middleware.
    #[track_caller]
    pub fn stopped(self, status: u16, error: &str) {
        let reply = self.expect(status);
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        assert_eq!(body, serde_json::json!({"error": error}), "{} {}", reply.method, reply.path);
    }

    /// What the object storage says: the code within its XML.
    #[track_caller]
    pub fn storage_refused(self, status: u16, code: &str) {
        let reply = self.expect(status);
        assert!(reply.text().contains(&format!("<Code>{code}</Code>")), "{}: {}", reply.path, reply.text());
    }

    /// A handler that crashed, or a route that is not there: nothing that could be read as JSON.
    #[track_caller]
    pub fn no_json(self, status: u16) {
        let reply = self.expect(status);
        let is_json = serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok_and(|value| value.is_object());
        assert!(!is_json, "{} {}: {}", reply.method, reply.path, reply.text());
    }
}
