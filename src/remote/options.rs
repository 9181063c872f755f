//! How to reach a server: its address, the waiting times, and the two HTTP clients made of them.

use super::error::{RemoteError, RemoteResult};
use super::limits::LimitPace;
use super::token::TokenCell;
use crate::base::sync::Bell;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};
use std::sync::Once;
use std::time::Duration;

/// Ente's production server.
pub const PRODUCTION: &str = "https://api.ente.com";

/// What an [`HttpRemote`](super::HttpRemote) is made of.
#[derive(Clone)]
pub struct HttpOptions {
    /// The base of the API, like `https://api.ente.com`; may have a path prefix.
    pub endpoint: String,
    pub token: TokenCell,
    /// Rung when the server says that the session is over.
    pub session_over: Bell,
    pub user_agent: String,
    pub timeouts: Timeouts,
    /// How rate limits are met; the default fits Ente's.
    pub limits: LimitPace,
    /// Bytes a second that objects may take, all transfers together.
    pub upload_limit: Option<u64>,
    pub download_limit: Option<u64>,
}

impl HttpOptions {
    pub fn new(endpoint: &str, token: TokenCell) -> Self {
        Self {
            endpoint: endpoint.into(),
            token,
            session_over: Bell::default(),
            user_agent: concat!("entefs/", env!("CARGO_PKG_VERSION")).into(),
            timeouts: Timeouts::default(),
            limits: LimitPace::default(),
            upload_limit: None,
            download_limit: None,
        }
    }
}

/// How long to wait without any sign of life. A transfer as a whole may take as long as it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// From the sent request to the answer's headers.
    pub headers: Duration,
    /// Between two bytes of a body, either way.
    pub stall: Duration,
    /// From the last byte of a put object to the storage's answer: what is in the socket's buffers must
    /// still pass a slow line, and the storage must write it down.
    pub stored: Duration,
    /// Before a call is repeated for the first time; the wait then doubles.
    pub repeat: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            connect: secs(10),
            headers: secs(30),
            stall: secs(15),
            stored: secs(60),
            repeat: Duration::from_millis(250),
        }
    }
}

/// The base of all API addresses: http or https, without a slash at its end.
///
/// # Errors
/// [`RemoteError::Address`] for what no request can go to.
pub(super) fn parse_endpoint(endpoint: &str) -> RemoteResult<String> {
    let refused = |detail: &str| RemoteError::Address { endpoint: endpoint.into(), detail: detail.into() };
    let url = Url::parse(endpoint).map_err(|error| refused(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refused("it is not an http or https address"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it has more than a host, a port and a path"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The client for API calls: few connections, HTTP/2 where there is any.
pub(super) fn build_api_client(options: &HttpOptions) -> RemoteResult<Client> {
    build(options, |builder| {
        builder.http2_adaptive_window(true).http2_keep_alive_interval(Duration::from_secs(20)).pool_max_idle_per_host(8)
    })
}

/// The client for objects: HTTP/1.1, one connection per transfer, so that none holds up another.
pub(super) fn build_storage_client(options: &HttpOptions) -> RemoteResult<Client> {
    build(options, |builder| builder.http1_only().pool_max_idle_per_host(32))
}

fn build(options: &HttpOptions, shape: impl Fn(ClientBuilder) -> ClientBuilder) -> RemoteResult<Client> {
    install_ring();
    let builder = || {
        shape(Client::builder())
            .user_agent(&options.user_agent)
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(options.timeouts.connect)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(20))
            .tcp_user_timeout(options.timeouts.headers)
            .pool_idle_timeout(Duration::from_secs(50))
    };
    // A machine without any certificate authority (a bare container) fails here, though it may only want
    // to talk to itself: it then trusts nobody, and a call over https says what is missing.
    builder().build().or_else(|_| builder().tls_certs_only([]).build()).map_err(|error| RemoteError::Address {
        endpoint: options.endpoint.clone(),
        detail: format!("no HTTP client can be made: {error}"),
    })
}

/// reqwest is built without a provider of its own and panics where there is none.
fn install_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Somebody else's provider in this process is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_may_have_a_prefix_and_nothing_else() {
        for (given, base) in [
            ("https://api.ente.com", "https://api.ente.com"),
            ("https://api.ente.com/", "https://api.ente.com"),
            ("http://nas.local:8080/ente/", "http://nas.local:8080/ente"),
            ("HTTP://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(parse_endpoint(given).as_deref(), Ok(base));
        }
        for bad in
            ["", "api.ente.com", "ftp://api.ente.com", "https://", "https://a/?x=1", "https://a/#x", "https://me@a"]
        {
            assert!(matches!(parse_endpoint(bad), Err(RemoteError::Address { .. })), "{bad}");
        }
    }
}
