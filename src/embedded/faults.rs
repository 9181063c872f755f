//! Faults on demand, for tests of clients: one request fails the way networks and servers do.

use super::connection::Peer;
use crate::base::sync::Mutex;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One request that goes wrong. It is used up by the request it hits.
#[derive(Clone, Debug)]
pub struct Fault {
    /// A path of the API, or `/objects` for the storage; what lies below it is meant too.
    pub path: String,
    pub method: Method,
    /// Which of the matching requests from now on: 1 is the next.
    pub nth: u32,
    pub when: When,
    pub outcome: Outcome,
}

/// On which side of the request's effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    Before,
    After,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// This status with an empty object.
    Status(u16),
    /// No answer at all, until the client gives up or the server stops.
    Hang,
    /// The connection is reset.
    Reset,
    /// The answer comes late. [`When::Before`] the effect, a request keeps the time of its arrival: that
    /// is the race of registrations (protocol notes, data 7.3).
    Delay(Duration),
    /// The head and this many bytes of the body arrive, then a reset. After the effect.
    Truncate(u64),
    /// The byte at this place of the body arrives changed. After the effect.
    Corrupt(u64),
}

/// The faults that wait for their request.
#[derive(Default)]
pub(super) struct Faults {
    waiting: Mutex<Vec<Fault>>,
    silent: AtomicBool,
}

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.waiting.lock().push(fault);
    }

    pub(super) fn clear(&self) {
        self.waiting.lock().clear();
    }

    /// Whether every request stays without an answer.
    pub(super) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// The fault that hits this request, if one does. Each waiting one counts for itself.
    pub(super) fn hit(&self, method: &Method, path: &str) -> Option<Fault> {
        if self.silent.load(Ordering::Relaxed) {
            let (path, method) = (path.to_owned(), method.clone());
            return Some(Fault { path, method, nth: 1, when: When::Before, outcome: Outcome::Hang });
        }
        let mut waiting = self.waiting.lock();
        let mut hit = None;
        for (index, fault) in waiting.iter_mut().enumerate() {
            if fault.method == *method && covers(&fault.path, path) {
                fault.nth = fault.nth.saturating_sub(1);
                if fault.nth == 0 && hit.is_none() {
                    hit = Some(index);
                }
            }
        }
        hit.map(|index| waiting.remove(index))
    }
}

fn covers(pattern: &str, path: &str) -> bool {
    path.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What the request gets before it is looked at; `None` lets it go on.
pub(super) async fn strike(outcome: Outcome, peer: Option<&Peer>) -> Option<Response> {
    match outcome {
        Outcome::Status(status) => Some(refuse(status)),
        Outcome::Hang => {
            match peer {
                Some(peer) => peer.cutter.when_cut().await,
                None => std::future::pending().await,
            }
            Some(refuse(500))
        }
        Outcome::Reset => {
            cut(peer);
            Some(refuse(500))
        }
        Outcome::Delay(time) => {
            tokio::time::sleep(time).await;
            None
        }
        Outcome::Truncate(_) | Outcome::Corrupt(_) => None,
    }
}

/// What becomes of an answer that is ready.
pub(super) async fn spoil(outcome: Outcome, peer: Option<&Peer>, answer: Response) -> Response {
    match outcome {
        Outcome::Truncate(at) => {
            let peer = peer.cloned();
            rewrite(answer, move |offset, bytes| truncate(at, offset, bytes, peer.as_ref()))
        }
        Outcome::Corrupt(at) => rewrite(answer, move |offset, bytes| Some(corrupt(at, offset, &bytes))),
        other => strike(other, peer).await.unwrap_or(answer),
    }
}

fn refuse(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(serde_json::json!({}))).into_response()
}

fn cut(peer: Option<&Peer>) {
    if let Some(peer) = peer {
        peer.cutter.cut();
    }
}

/// Passes the body's pieces through `change`, with the place of each; `None` ends it too early.
fn rewrite(answer: Response, mut change: impl FnMut(u64, Bytes) -> Option<Bytes> + Send + 'static) -> Response {
    let (head, body) = answer.into_parts();
    let mut offset = 0;
    let pieces = body.into_data_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        let at = offset;
        offset += piece.len() as u64;
        change(at, piece).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    Response::from_parts(head, Body::from_stream(pieces))
}

/// The bytes before `end` pass; the piece after the last of them cuts the connection.
fn truncate(end: u64, offset: u64, bytes: Bytes, peer: Option<&Peer>) -> Option<Bytes> {
    let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
    if left == 0 {
        cut(peer);
        return None;
    }
    Some(bytes.slice(..left.min(bytes.len())))
}

fn corrupt(at: u64, offset: u64, bytes: &Bytes) -> Bytes {
    let mut changed = BytesMut::from(&bytes[..]);
    let place = at.checked_sub(offset).and_then(|place| usize::try_from(place).ok());
    if let Some(byte) = place.and_then(|place| changed.get_mut(place)) {
        *byte ^= 1;
    }
    changed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(path: &str, nth: u32) -> Fault {
        let (when, outcome) = (When::Before, Outcome::Status(503));
        Fault { path: path.into(), method: Method::GET, nth, when, outcome }
    }

    #[test]
    fn a_fault_hits_the_nth_matching_request_once() {
        let faults = Faults::default();
        faults.add(fault("/files/download", 2));
        assert!(faults.hit(&Method::GET, "/files/download/7").is_none());
        assert!(faults.hit(&Method::POST, "/files/download/7").is_none());
        assert!(faults.hit(&Method::GET, "/files/downloads").is_none());
        assert!(faults.hit(&Method::GET, "/files/download/8").is_some());
        assert!(faults.hit(&Method::GET, "/files/download/8").is_none());
    }

    #[test]
    fn two_faults_of_one_route_hit_two_requests() {
        let faults = Faults::default();
        faults.add(fault("/files", 1));
        faults.add(fault("/files", 2));
        assert!(faults.hit(&Method::GET, "/files").is_some());
        assert!(faults.hit(&Method::GET, "/files").is_some());
        assert!(faults.hit(&Method::GET, "/files").is_none());
    }

    #[test]
    fn bytes_are_cut_and_changed_where_asked() {
        let piece = Bytes::from_static(b"abcd");
        assert_eq!(truncate(6, 4, piece.clone(), None).as_deref(), Some(&b"ab"[..]));
        assert_eq!(truncate(6, 8, piece.clone(), None), None);
        assert_eq!(truncate(100, 4, piece.clone(), None).as_deref(), Some(&b"abcd"[..]));
        assert_eq!(&corrupt(5, 4, &piece)[..], b"accd");
        assert_eq!(&corrupt(9, 4, &piece)[..], b"abcd");
    }
}
