//! From reqwest's errors to ours: what failed, in words, and never a URL (a presigned one is as good as a key).

use super::error::RemoteError;
use rustls::CertificateError;
use std::error::Error;
use std::io;
use std::time::Duration;

/// Why a call got no answer, or not the whole of it.
pub(super) fn of(endpoint: &'static str, error: &reqwest::Error, connect: Duration) -> RemoteError {
    if let Some(detail) = chain(error).find_map(certificate_fault) {
        return RemoteError::Tls { endpoint, detail };
    }
    if error.is_timeout() {
        return RemoteError::Stalled { endpoint, after: connect };
    }
    let detail = if error.is_dns() { "its name cannot be looked up".into() } else { words_of(error) };
    RemoteError::Network { endpoint, detail }
}

/// An error and what caused it, the insides of [`io::Error`] included: its own `source` skips them.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause_of(*error))
}

fn cause_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inside) => Some(inside),
        None => error.source(),
    }
}

/// What is wrong with the certificate, if that is what it is.
fn certificate_fault(error: &(dyn Error + 'static)) -> Option<String> {
    let rustls::Error::InvalidCertificate(fault) = error.downcast_ref::<rustls::Error>()? else { return None };
    Some(match fault {
        CertificateError::UnknownIssuer => {
            "no authority that this machine knows has issued it (is the package ca-certificates installed?)".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired, or the clock of this machine is wrong".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet, or the clock of this machine is wrong".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name; is this a captive portal?".into()
        }
        other => other_fault(&format!("{other:?}")),
    })
}

/// What has no variant of its own.
fn other_fault(words: &str) -> String {
    if words.contains("CaUsedAsEndEntity") {
        return "it has signed itself; add it to this machine's authorities if it is your own server's".into();
    }
    words.chars().take(120).collect()
}

/// The innermost cause in words; the outer ones only say that a request failed.
fn words_of(error: &reqwest::Error) -> String {
    let words = chain(error).skip(1).last().map_or_else(|| "the request failed".into(), ToString::to_string);
    // Nothing down there names a URL today; a later version's must not reach the log.
    if words.contains("://") { "the request failed".into() } else { words }
}
