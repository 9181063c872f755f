//! What can go wrong between here and Ente, and what to do about it.

use crate::base::{ParkReason, Retry};
use std::time::Duration;
use thiserror::Error;

pub type RemoteResult<T> = Result<T, RemoteError>;

/// The `endpoint` of calls to the object storage, which knows nothing of sessions and plans.
pub(super) const STORAGE: &str = "storage";

/// A failed call. `endpoint` names the call (a path of the API, or `storage`), never a full URL: presigned
/// URLs are as good as keys.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RemoteError {
    /// The server answered and refused.
    #[error("{endpoint} answered {status}{}", if code.is_empty() { String::new() } else { format!(" {code}") })]
    Status { endpoint: &'static str, status: u16, code: String, retry_after: Option<Duration> },
    /// Nothing answered: no route, no name, reset, cut off in the middle.
    #[error("no connection to {endpoint}: {detail}")]
    Network { endpoint: &'static str, detail: String },
    /// It answers too slowly: on connect, on headers, or the body stalled.
    #[error("{endpoint} stalled: no byte for {after:?}")]
    Stalled { endpoint: &'static str, after: Duration },
    /// The certificate does not verify.
    #[error("the certificate of {endpoint} cannot be trusted: {detail}")]
    Tls { endpoint: &'static str, detail: String },
    /// An answer that is not Ente's: a captive portal, a proxy, another program on the port.
    #[error("{endpoint} gave an answer that is not Ente's: {detail}")]
    Malformed { endpoint: &'static str, detail: String },
    /// What was to be sent could not be read here, or is not what was announced.
    #[error("could not read what was to be sent: {0}")]
    Body(String),
    /// The address of the server cannot be used.
    #[error("the endpoint {endpoint:?} cannot be used: {detail}; give it like https://api.ente.com")]
    Address { endpoint: String, detail: String },
}

impl RemoteError {
    /// The status, where the server answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The server's own word for the refusal; empty where it gave none.
    pub fn code(&self) -> &str {
        match self {
            Self::Status { code, .. } => code,
            _ => "",
        }
    }

    /// Whether the session is over (protocol notes, auth 5.2). A storage's 401 says nothing of it.
    pub fn is_session_over(&self) -> bool {
        matches!(self, Self::Status { endpoint, status: 401, .. } if *endpoint != STORAGE)
    }

    /// What to do, as far as the call alone can tell; the upload's table of answers refines it.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Status { endpoint, status, code, retry_after } if *endpoint == STORAGE => {
                retry_of_storage(*status, code, *retry_after)
            }
            Self::Status { status, retry_after, .. } => retry_of_status(*status, *retry_after),
            Self::Network { .. } | Self::Stalled { .. } | Self::Malformed { .. } => Retry::Backoff,
            // Wrong clocks and portals heal; a wrong certificate must not end the queue.
            Self::Tls { .. } => Retry::Backoff,
            Self::Body(_) | Self::Address { .. } => Retry::Never,
        }
    }
}

fn retry_of_status(status: u16, retry_after: Option<Duration>) -> Retry {
    match status {
        401 => Retry::Park(ParkReason::Session),
        402 | 426 => Retry::Park(ParkReason::Quota),
        413 => Retry::Park(ParkReason::TooLarge),
        408 | 429 | 500.. => retry_after.map_or(Retry::Backoff, Retry::After),
        _ => Retry::Never,
    }
}

/// Of S3's own words these three say that the transfer was spoiled, not that it was wrong.
const SPOILED: [&str; 3] = ["BadDigest", "IncompleteBody", "RequestTimeout"];

fn retry_of_storage(status: u16, code: &str, retry_after: Option<Duration>) -> Retry {
    match status {
        400 if SPOILED.contains(&code) => Retry::Backoff,
        // A proxy in front of somebody's own storage; Ente's limit is checked elsewhere.
        413 => Retry::Park(ParkReason::Refused),
        408 | 409 | 429 | 500.. => retry_after.map_or(Retry::Backoff, Retry::After),
        _ => Retry::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> RemoteError {
        RemoteError::Status { endpoint: "/files", status, code: String::new(), retry_after: None }
    }

    #[test]
    fn a_status_says_what_to_do() {
        for (status, retry) in [
            (401, Retry::Park(ParkReason::Session)),
            (402, Retry::Park(ParkReason::Quota)),
            (426, Retry::Park(ParkReason::Quota)),
            (413, Retry::Park(ParkReason::TooLarge)),
            (429, Retry::Backoff),
            (500, Retry::Backoff),
            (503, Retry::Backoff),
            (400, Retry::Never),
            (403, Retry::Never),
            (404, Retry::Never),
            (409, Retry::Never),
        ] {
            assert_eq!(refused(status).retry(), retry, "{status}");
        }
        assert_eq!(refused(404).to_string(), "/files answered 404");
    }

    #[test]
    fn a_storages_refusal_is_not_the_accounts() {
        let refused = |status, code: &str| RemoteError::Status {
            endpoint: STORAGE,
            status,
            code: code.into(),
            retry_after: None,
        };
        assert!(!refused(401, "").is_session_over());
        for (status, code, retry) in [
            (400, "BadDigest", Retry::Backoff),
            (400, "InvalidPart", Retry::Never),
            (401, "", Retry::Never),
            (402, "", Retry::Never),
            (403, "SignatureDoesNotMatch", Retry::Never),
            (404, "NoSuchUpload", Retry::Never),
            (413, "", Retry::Park(ParkReason::Refused)),
            (503, "SlowDown", Retry::Backoff),
        ] {
            assert_eq!(refused(status, code).retry(), retry, "{status} {code}");
        }
    }

    #[test]
    fn a_server_that_says_how_long_is_believed() {
        let after = Some(Duration::from_secs(7));
        let error = RemoteError::Status { endpoint: "/files", status: 429, code: String::new(), retry_after: after };
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
    }
}
