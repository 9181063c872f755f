//! The object storage over HTTP: whole objects put and got (protocol notes, data 3.3, 5.1). It shares the
//! machine with the client, so a body crosses it with one copy and no table is asked.

use super::multipart;
use super::objects::Pieces;
use super::presign::Grant;
use super::shared::Shared;
use super::storage_refusal::{StorageAnswer, StorageRefusal, set};
use super::visit::{header_text, parse_query};
use crate::base::B64;
use axum::Router;
use axum::body::{Body, BodyDataStream, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, fadvise};
use rustix::io::{pread, retry_on_intr};
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// What is read or received in one go.
const PIECE: u64 = 512 << 10;
/// Bytes asked of the disk at once: a little more than what a reader fetches at a time.
const READ_AHEAD: u64 = 5 << 20;
/// Pieces of a body that wait to be written.
const QUEUE: usize = 8;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/objects/{user}/{name}", get(get_object).put(put_object).post(complete_upload))
}

type Key = Path<(String, String)>;

fn check(server: &Shared, key: &Key, request: &Request) -> StorageAnswer<Grant> {
    let key = format!("{}/{}", key.0.0, key.0.1);
    let query = parse_query(request.uri());
    let (method, headers) = (request.method().as_str(), request.headers());
    server.presigner.check(method, &key, &query, headers, server.clock.now())
}

fn respond(outcome: StorageAnswer<Response>) -> Response {
    outcome.unwrap_or_else(StorageRefusal::into_response)
}

/// What a PUT may do, how long its body is, and what its MD5 must be.
struct Admission {
    grant: Grant,
    length: u64,
    declared: Option<[u8; 16]>,
}

async fn put_object(State(server): State<Arc<Shared>>, key: Key, request: Request) -> Response {
    let admission = admit(&server, &key, &request);
    let body = request.into_body();
    match admission {
        Ok(admission) => respond(put(server, admission, body).await),
        Err(refusal) => {
            drain(body.into_data_stream()).await;
            refusal.into_response()
        }
    }
}

fn admit(server: &Shared, key: &Key, request: &Request) -> StorageAnswer<Admission> {
    let length = content_length(request.headers())?;
    let grant = check(server, key, request)?;
    Ok(Admission { grant, length, declared: declared_md5(request.headers())? })
}

/// A client that is still sending would not see an answer: the connection would break under it.
async fn drain(mut body: BodyDataStream) {
    while let Some(Ok(_)) = body.next().await {}
}

async fn put(server: Arc<Shared>, admission: Admission, body: Body) -> StorageAnswer<Response> {
    let Admission { grant, length, declared } = admission;
    let work = move |pieces| {
        if grant.part > 0 {
            multipart::put_part(&server, &grant, pieces, declared)
        } else {
            store(&server, &grant, pieces, declared)
        }
    };
    let etag = with_body(body, length, work).await?;
    let mut response = StatusCode::OK.into_response();
    set(&mut response, header::ETAG, &format!("\"{etag}\""));
    Ok(response)
}

fn store(server: &Shared, grant: &Grant, pieces: Pieces, declared: Option<[u8; 16]>) -> StorageAnswer<String> {
    let place = server.objects.path(&grant.key).ok_or(StorageRefusal::NoSuchKey)?;
    let (received, etag) = server.objects.receive(pieces, declared)?;
    server.objects.publish(&received, &place)?;
    Ok(etag)
}

/// A chunked body has none; where nothing is said there is no body.
fn content_length(headers: &HeaderMap) -> StorageAnswer<u64> {
    match header_text(headers, "Content-Length") {
        "" if !headers.contains_key(header::TRANSFER_ENCODING) => Ok(0),
        text => text.parse().map_err(|_| StorageRefusal::MissingContentLength),
    }
}

fn declared_md5(headers: &HeaderMap) -> StorageAnswer<Option<[u8; 16]>> {
    match header_text(headers, "Content-MD5") {
        "" => Ok(None),
        text => B64(text.to_owned()).array().map(Some).ok_or(StorageRefusal::InvalidDigest),
    }
}

/// Runs `work` on a blocking thread over the body: a small one is collected first, a large one flows.
async fn with_body<T: Send + 'static>(
    body: Body,
    length: u64,
    work: impl FnOnce(Pieces) -> StorageAnswer<T> + Send + 'static,
) -> StorageAnswer<T> {
    if length <= PIECE {
        let bytes = to_bytes(body, PIECE as usize).await.map_err(|_| StorageRefusal::IncompleteBody)?;
        return blocking(move || work(Box::new(std::iter::once(Ok(bytes))))).await;
    }
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    let writer = tokio::spawn(blocking(move || work(Box::new(std::iter::from_fn(move || receiver.blocking_recv())))));
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        // Where the writer has given up already, its answer says why.
        if sender.send(piece.map_err(io::Error::other)).await.is_err() {
            break;
        }
    }
    drop(sender);
    drain(stream).await;
    writer.await.map_err(|_| StorageRefusal::Internal)?
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> StorageAnswer<T> + Send + 'static) -> StorageAnswer<T> {
    spawn_blocking(work).await.map_err(|_| StorageRefusal::Internal)?
}

async fn complete_upload(State(server): State<Arc<Shared>>, key: Key, request: Request) -> Response {
    let grant = match check(&server, &key, &request) {
        Ok(grant) => grant,
        Err(refusal) => return refusal.into_response(),
    };
    let completed = match to_bytes(request.into_body(), multipart::MAX_LIST).await {
        Ok(list) => blocking(move || multipart::complete(&server, &grant, &list)).await,
        Err(_) => Err(StorageRefusal::IncompleteBody),
    };
    respond(completed.map(|xml| ([(header::CONTENT_TYPE, "application/xml")], xml).into_response()))
}

async fn get_object(State(server): State<Arc<Shared>>, key: Key, request: Request) -> Response {
    respond(get_range(server, key, request).await)
}

async fn get_range(server: Arc<Shared>, key: Key, request: Request) -> StorageAnswer<Response> {
    let grant = check(&server, &key, &request)?;
    let asked = header_text(request.headers(), "Range").to_owned();
    let (opened, first) = blocking(move || Opened::open(&server, &grant.key, &asked)).await?;
    Ok(opened.into_response(first))
}

/// An object about to be sent.
struct Opened {
    file: Arc<File>,
    length: u64,
    range: Range<u64>,
    is_partial: bool,
}

impl Opened {
    /// Opens, and reads the first piece while it is at it.
    fn open(server: &Shared, key: &str, asked: &str) -> StorageAnswer<(Self, Bytes)> {
        let path = server.objects.path(key).ok_or(StorageRefusal::NoSuchKey)?;
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StorageRefusal::NoSuchKey,
            _ => error.into(),
        })?;
        let length = file.metadata()?.len();
        let asked = plan_range(asked, length)?;
        let (is_partial, range) = (asked.is_some(), asked.unwrap_or(0..length));
        // A lost hint costs time only: what follows is read from the disk while the first piece is sent.
        let len = NonZeroU64::new((range.end - range.start).min(READ_AHEAD));
        let _ = fadvise(&file, range.start, len, Advice::WillNeed);
        let first = read_piece(&file, range.start, range.end)?;
        Ok((Self { file: Arc::new(file), length, range, is_partial }, first))
    }

    fn into_response(self, first: Bytes) -> Response {
        let Self { file, length, range, is_partial } = self;
        let rest = range.start + first.len() as u64..range.end;
        let mut response = Response::new(if rest.is_empty() { Body::from(first) } else { flow(file, first, rest) });
        set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
        set(&mut response, header::CONTENT_DISPOSITION, "attachment");
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        set(&mut response, header::CONTENT_LENGTH, &(range.end - range.start).to_string());
        if is_partial {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let last = range.end.saturating_sub(1);
            set(&mut response, header::CONTENT_RANGE, &format!("bytes {}-{last}/{length}", range.start));
        }
        response
    }
}

/// The first piece, then the others, one of which is read while the one before it is sent.
fn flow(file: Arc<File>, first: Bytes, rest: Range<u64>) -> Body {
    let starts = stream::iter(rest.clone().step_by(PIECE as usize));
    let pieces = starts.map(move |start| {
        let file = Arc::clone(&file);
        let read = spawn_blocking(move || read_piece(&file, start, rest.end));
        async move { read.await.map_err(io::Error::other)? }
    });
    Body::from_stream(stream::iter([Ok(first)]).chain(pieces.buffered(2)))
}

/// At most [`PIECE`] bytes from `start` on.
fn read_piece(file: &File, start: u64, end: u64) -> io::Result<Bytes> {
    let len = (end - start).min(PIECE) as usize;
    // Into room that is not zeroed first: zeroing was a sixth of what a download cost.
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let offset = start + bytes.len() as u64;
        if retry_on_intr(|| pread(file, spare_capacity(&mut bytes), offset))? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    bytes.truncate(len);
    Ok(bytes.into())
}

/// The range to send; `None` for the whole object, also for several ranges at once and for what is none.
fn plan_range(asked: &str, length: u64) -> StorageAnswer<Option<Range<u64>>> {
    let Some((first, last)) = asked.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return Ok(None);
    };
    let bound = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (bound(first), bound(last), first.is_empty(), last.is_empty()) {
        (Some(first), Some(last), ..) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None, _, true) => first..length,
        (None, Some(count), true, _) => length.saturating_sub(count)..length,
        _ => return Ok(None),
    };
    if range.is_empty() { Err(StorageRefusal::InvalidRange { length }) } else { Ok(Some(range)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_storage_reads_them() {
        for (asked, range) in [
            ("bytes=0-9", Some(0..10)),
            ("bytes=90-200", Some(90..100)),
            ("bytes=99-", Some(99..100)),
            ("bytes=-30", Some(70..100)),
            ("bytes=-300", Some(0..100)),
            ("", None),
            ("bytes=0-1,5-6", None),
            ("bytes=9-3", None),
            ("bytes=a-b", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(plan_range(asked, 100), Ok(range), "{asked}");
        }
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(plan_range(beyond, 100), Err(StorageRefusal::InvalidRange { length: 100 }), "{beyond}");
        }
    }

    #[test]
    fn a_piece_ends_with_the_range() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &[7; 100]).unwrap();
        assert_eq!(read_piece(&file, 90, 100).unwrap().len(), 10);
        assert!(read_piece(&file, 90, 101).is_err());
    }
}
