//! From an HTTP request to a plain function and back: who asks, in the name of which app, and the two ways
//! a handler is called.
//!
//! Guarantees: a handler runs on a blocking thread; an invalid session is refused before the body is
//! looked at, as museum does; a body that does not parse is a 400 with an empty object.

use super::connection::Peer;
use super::refusal::{Answer, Refusal};
use super::sessions;
use super::shared::Shared;
use crate::base::{Timestamp, UserId};
use crate::wire::header;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;

/// What codes, tokens and albums are bound to (auth 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum App {
    Photos,
    Auth,
    Locker,
}

impl App {
    fn of_package(package: &str) -> Self {
        if package.starts_with("io.ente.auth") {
            Self::Auth
        } else if package.starts_with("io.ente.locker") {
            Self::Locker
        } else {
            Self::Photos
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Photos => "photos",
            Self::Auth => "auth",
            Self::Locker => "locker",
        }
    }
}

/// When the middleware saw the request: registrations and updates are stamped with it (data 7.3).
#[derive(Clone, Copy)]
pub(super) struct Arrived(pub(super) Timestamp);

/// A request without its body.
pub(super) struct Visitor {
    pub(super) server: Arc<Shared>,
    pub(super) arrived: Timestamp,
    pub(super) app: App,
    /// The route's pattern, `/files/download/{id}`.
    pub(super) route: String,
    /// The last segment of the path.
    pub(super) tail: String,
    /// The token in header or query; empty where there is none.
    pub(super) token: String,
    pub(super) ip: String,
    pub(super) agent: String,
    /// `http://host:port` as the client wrote it: presigned URLs must be reachable under it.
    pub(super) origin: String,
    query: Vec<(String, String)>,
}

impl Visitor {
    pub(super) fn now(&self) -> Timestamp {
        self.server.clock.now()
    }

    /// Empty where it is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        text_of(&self.query, name)
    }

    /// Missing or unparsable counts as 0 (data 1.3, 2.1).
    pub(super) fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// The ID that ends the path.
    pub(super) fn tail_id(&self) -> Option<i64> {
        self.tail.parse().ok()
    }
}

fn text_of<'a>(query: &'a [(String, String)], name: &str) -> &'a str {
    query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

impl FromRequestParts<Arc<Shared>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Shared>) -> Result<Self, Infallible> {
        let query = parse_query(&parts.uri);
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|peer| peer.0.address.ip().to_string());
        let arrived = parts.extensions.get::<Arrived>().map_or_else(|| server.clock.now(), |arrived| arrived.0);
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
        let text = |name: &str| header_text(&parts.headers, name).to_owned();
        let token = Some(text(header::AUTH_TOKEN)).filter(|token| !token.is_empty());
        Ok(Self {
            server: Arc::clone(server),
            arrived,
            app: App::of_package(header_text(&parts.headers, header::CLIENT_PACKAGE)),
            route,
            tail: parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
            token: token.unwrap_or_else(|| text_of(&query, "token").to_owned()),
            ip: client_ip(&parts.headers).or(peer).unwrap_or_default(),
            agent: text("User-Agent"),
            origin: origin(&parts.headers, server),
            query,
        })
    }
}

pub(super) fn parse_query(uri: &Uri) -> Vec<(String, String)> {
    Query::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
}

pub(super) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// All proxies are trusted, so the first address of the chain counts (auth 3.3).
fn client_ip(headers: &HeaderMap) -> Option<String> {
    let first = header_text(headers, "X-Forwarded-For").split(',').next().unwrap_or_default().trim();
    [first, header_text(headers, "X-Real-IP").trim()].into_iter().find(|ip| !ip.is_empty()).map(str::to_owned)
}

fn origin(headers: &HeaderMap, server: &Shared) -> String {
    let scheme = if header_text(headers, "X-Forwarded-Proto") == "https" { "https" } else { "http" };
    match header_text(headers, "Host") {
        "" => server.base_url.clone(),
        host => format!("{scheme}://{host}"),
    }
}

/// A request with a valid session.
pub(super) struct Caller {
    pub(super) visitor: Visitor,
    pub(super) user: UserId,
}

impl Deref for Caller {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

/// What a handler takes for the body.
pub(super) trait Bind: Sized + Send + 'static {
    fn bind(bytes: &Bytes) -> Answer<Self>;
}

/// No body is looked at.
impl Bind for () {
    fn bind(_bytes: &Bytes) -> Answer<Self> {
        Ok(())
    }
}

/// A JSON body, whatever its content type.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + Send + 'static> Bind for Body<T> {
    fn bind(bytes: &Bytes) -> Answer<Self> {
        // Serde reads a struct from a list too; Go does not.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Refusal::BAD_REQUEST);
        }
        serde_json::from_slice(bytes).map(Self).map_err(|_| Refusal::BAD_REQUEST)
    }
}

/// Who may call a route.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// A session of any app.
    Session,
    /// A session of an app that stores files: *auth* does not (data 0.1).
    Storage,
}

/// A route for everybody, its rate limit per address.
pub(super) fn public<B: Bind, A: IntoResponse + 'static>(
    method: MethodFilter,
    handler: fn(&Visitor, B) -> Answer<A>,
) -> MethodRouter<Arc<Shared>> {
    on(method, move |visitor: Visitor, body: Result<Bytes, _>| {
        answer(move || {
            visitor.server.limits.check_route(&visitor.route, &visitor.ip, visitor.arrived)?;
            Ok(handler(&visitor, B::bind(&whole(body)?)?)?.into_response())
        })
    })
}

/// A route of the account: any app's session, the rate limit per user.
pub(super) fn account<B: Bind, A: IntoResponse + 'static>(
    method: MethodFilter,
    handler: fn(&Caller, B) -> Answer<A>,
) -> MethodRouter<Arc<Shared>> {
    gated(Gate::Session, method, handler)
}

/// A route of what is stored.
pub(super) fn storage<B: Bind, A: IntoResponse + 'static>(
    method: MethodFilter,
    handler: fn(&Caller, B) -> Answer<A>,
) -> MethodRouter<Arc<Shared>> {
    gated(Gate::Storage, method, handler)
}

fn gated<B: Bind, A: IntoResponse + 'static>(
    gate: Gate,
    method: MethodFilter,
    handler: fn(&Caller, B) -> Answer<A>,
) -> MethodRouter<Arc<Shared>> {
    on(method, move |visitor: Visitor, body: Result<Bytes, _>| {
        answer(move || {
            let user = sessions::authenticate(&visitor)?;
            if gate == Gate::Storage && visitor.app == App::Auth {
                return Err(Refusal::middleware(403, "invalid app for endpoint"));
            }
            visitor.server.limits.check_route(&visitor.route, &user.to_string(), visitor.arrived)?;
            let caller = Caller { visitor, user };
            Ok(handler(&caller, B::bind(&whole(body)?)?)?.into_response())
        })
    })
}

fn whole(body: Result<Bytes, axum::extract::rejection::BytesRejection>) -> Answer<Bytes> {
    body.map_err(|_| Refusal::BAD_REQUEST)
}

/// A crashed handler answers like museum's: 500 with no byte.
async fn answer(work: impl FnOnce() -> Answer<Response> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.unwrap_or_else(Refusal::into_response),
        Err(_) => Refusal::CRASH.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_decides_the_app() {
        for (package, app) in [
            ("", App::Photos),
            ("io.ente.photos", App::Photos),
            ("com.example", App::Photos),
            ("io.ente.auth.web", App::Auth),
            ("io.ente.locker", App::Locker),
        ] {
            assert_eq!(App::of_package(package), app, "{package}");
        }
    }

    #[test]
    fn the_first_forwarded_address_is_the_clients() {
        let mut headers = HeaderMap::new();
        assert_eq!(client_ip(&headers), None);
        headers.insert("X-Real-IP", "9.9.9.9".parse().unwrap());
        assert_eq!(client_ip(&headers), Some("9.9.9.9".into()));
        headers.insert("X-Forwarded-For", "1.2.3.4, 10.0.0.1".parse().unwrap());
        assert_eq!(client_ip(&headers), Some("1.2.3.4".into()));
    }

    #[test]
    fn a_body_is_parsed_as_strictly_as_go_does() {
        type Ott = Body<crate::wire::OttRequest>;
        assert!(Ott::bind(&Bytes::from_static(br#"{"email":"a","other":1}"#)).is_ok());
        for bad in [&b""[..], b"[]", b"{", b"{\"email\":1}", b"\"x\"", b"null"] {
            assert_eq!(Ott::bind(&Bytes::from_static(bad)).map(|_| ()), Err(Refusal::BAD_REQUEST));
        }
    }
}
