//! Certificates that cannot be trusted.

use super::*;
use crate::base::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Both valid for `localhost` until 2126: an authority that serves itself, and a server that nobody knows.
const AUTHORITY: &[u8] = include_bytes!("fixtures/authority.cert.der");
const STRANGER: &[u8] = include_bytes!("fixtures/stranger.cert.der");
const KEY: &[u8] = include_bytes!("fixtures/key.der");

/// Speaks TLS with every caller, on a thread of its own.
fn start(certificate: &'static [u8]) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(KEY).expect("it is PKCS 8");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![CertificateDer::from(certificate)], key))
        .expect("key and certificate belong together");
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let Ok(mut connection) = ServerConnection::new(Arc::clone(&config)) else { return };
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut request = [0; 4096];
            let _ = tls.read(&mut request);
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"diff\":[]}");
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_of_nobody_is_recognised_as_such() {
    for (certificate, host, words) in [
        (STRANGER, "localhost", "ca-certificates"),
        (STRANGER, "127.0.0.1", ""),
        (AUTHORITY, "localhost", "signed itself"),
    ] {
        let address = start(certificate);
        let remote = HttpRemote::new(options(&format!("https://{host}:{}", address.port()))).unwrap();
        let error = remote.fetch_trash(Timestamp::ZERO).await.expect_err("nobody knows the issuer");
        assert!(matches!(error, RemoteError::Tls { endpoint: "/trash/v2/diff", .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_port_that_speaks_no_tls_is_no_certificates_fault() {
    let server = super::server::Server::start(|_| super::server::Reply::json(200, "{}")).await;
    let endpoint = server.origin.replace("http://", "https://");
    let error = HttpRemote::new(options(&endpoint)).unwrap().fetch_trash(Timestamp::ZERO).await.expect_err("no TLS");
    assert!(matches!(error, RemoteError::Network { .. } | RemoteError::Stalled { .. }), "{error:?}");
}
