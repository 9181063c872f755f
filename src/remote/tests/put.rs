//! Objects on their way out: protocol notes, data 3.2 to 3.4.

use super::server::{Act, Reply, Request, Server};
use super::*;
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Whatever the caller says it is: the client only passes it on.
fn md5(body: &[u8]) -> [u8; 16] {
    [body.len() as u8; 16]
}

fn part(server: &Server, body: &[u8]) -> PartTarget {
    PartTarget {
        url: format!("{}/bucket/7/uuid?X-Amz-Signature=secret", server.origin),
        length: body.len() as u64,
        md5: md5(body),
        bound: true,
    }
}

fn stored() -> Reply {
    Reply::new(200, &[("ETag", "\"etag-of-it\"")], "")
}

/// A storage whose first answer is scripted and which then stores.
async fn storage(first: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    let tries = AtomicUsize::new(0);
    Server::start(move |request| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => first(request),
        _ => stored(),
    })
    .await
}

async fn put(server: &Server, body: Vec<u8>) -> RemoteResult<String> {
    remote(server).put_part(&part(server, &body), ObjectBody::Bytes(body.into())).await
}

/// A source that gives pieces of `most` bytes.
struct Source {
    bytes: Vec<u8>,
    most: usize,
    reads: AtomicUsize,
}

impl Source {
    fn new(bytes: Vec<u8>, most: usize) -> Arc<Self> {
        Arc::new(Self { bytes, most, reads: AtomicUsize::new(0) })
    }
}

impl ObjectSource for Source {
    fn read(&self, offset: u64, end: u64) -> io::Result<Bytes> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let (start, end) = (offset as usize, end as usize);
        Ok(Bytes::copy_from_slice(&self.bytes[start..end.min(start + self.most)]))
    }
}

#[tokio::test]
async fn an_object_is_put_with_its_exact_length_and_md5_and_nothing_of_entes() {
    let server = Server::start(|_| stored()).await;
    let body = noise(3_000_000);
    assert_eq!(put(&server, body.clone()).await.as_deref(), Ok("\"etag-of-it\""));
    let request = server.requests().remove(0);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("PUT", "/bucket/7/uuid?X-Amz-Signature=secret"));
    assert_eq!(request.header("content-length"), Some("3000000"));
    assert_eq!(request.header("content-md5"), Some(crate::base::B64::of(md5(&body)).0.as_str()));
    for name in ["transfer-encoding", "x-auth-token", "authorization", "x-client-package", "expect"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert!(request.body == body);
}

#[tokio::test]
async fn a_part_of_a_source_is_streamed_and_never_chunked() {
    let server = Server::start(|_| stored()).await;
    let all = noise(5_000_000);
    let range = 1_000_000..4_500_000_u64;
    let wanted = &all[1_000_000..4_500_000];
    for most in [usize::MAX >> 1, 300_000] {
        let body = ObjectBody::Source(Source::new(all.clone(), most), range.clone());
        remote(&server).put_part(&part(&server, wanted), body).await.unwrap();
    }
    for request in server.requests() {
        assert_eq!((request.header("content-length"), request.header("transfer-encoding")), (Some("3500000"), None));
        assert!(request.body == wanted);
    }
}

#[tokio::test]
async fn a_stored_object_needs_an_etag_and_a_portals_page_is_none() {
    let server = Server::start(|_| Reply::new(200, &[("Content-Type", "text/html")], "<html>sign in</html>")).await;
    let error = put(&server, noise(100)).await.expect_err("not a storage");
    assert!(matches!(error, RemoteError::Malformed { .. }), "{error}");
    let server = Server::start(|request| Reply::redirect(&format!("{}/portal", request.origin))).await;
    let error = put(&server, noise(100)).await.expect_err("not a storage");
    assert!(matches!(error, RemoteError::Malformed { .. }), "{error}");
    assert_eq!(server.count("/portal"), 0);
}

#[tokio::test]
async fn failing_answers_and_resets_are_repeated_with_the_same_url() {
    for reply in [
        Reply::new(503, &[], "<Error><Code>SlowDown</Code></Error>"),
        Reply::new(500, &[], ""),
        Reply::new(400, &[], "<?xml version=\"1.0\"?><Error><Code>BadDigest</Code></Error>"),
        Reply::acts([Act::Reset]),
        Reply::acts([Act::Close]),
        Reply::acts([Act::Send(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()), Act::Close]),
    ] {
        let server = storage(move |_| reply.clone()).await;
        put(&server, noise(200_000)).await.unwrap();
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].target, requests[1].target);
        assert!(requests[1].body == noise(200_000));
    }
}

#[tokio::test]
async fn a_refused_url_is_the_callers_to_replace() {
    for (status, code) in [(403, "SignatureDoesNotMatch"), (404, "NoSuchUpload"), (411, "MissingContentLength")] {
        let server = storage(move |_| Reply::new(status, &[], format!("<Error><Code>{code}</Code></Error>"))).await;
        let error = put(&server, noise(100)).await.expect_err("refused");
        assert_eq!((error.status(), error.code(), server.requests().len()), (Some(status), code, 1));
        assert!(!error.to_string().contains("Signature=secret"));
    }
}

#[tokio::test]
async fn a_refusal_before_the_body_is_read_is_seen() {
    let server = Server::start_early(
        |_| Some(Reply::new(403, &[("Connection", "close")], "<Error><Code>AccessDenied</Code></Error>")),
        |_| stored(),
    )
    .await;
    let error = put(&server, noise(50_000)).await.expect_err("refused");
    assert_eq!((error.status(), error.code()), (Some(403), "AccessDenied"));
}

#[tokio::test]
async fn an_acceptance_before_the_body_is_read_is_none() {
    let server = Server::start_early(|_| Some(stored().then(Act::Wait(Duration::from_secs(5)))), |_| stored()).await;
    let source = Source::new(noise(30_000_000), 1 << 20);
    let body = ObjectBody::Source(source.clone(), 0..30_000_000);
    let error = remote(&server).put_part(&part(&server, &source.bytes), body).await.expect_err("it has nothing yet");
    assert!(matches!(error, RemoteError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn a_line_that_stands_still_is_given_up() {
    let server = Server::start_early(|_| Some(Reply::acts([Act::Wait(Duration::from_secs(60))])), |_| stored()).await;
    let begun = std::time::Instant::now();
    let error = put(&server, noise(20_000_000)).await.expect_err("nobody reads");
    assert!(matches!(error, RemoteError::Stalled { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(9), "four tries of a quarter second and the waits between");
    assert!(server.requests().len() == 4);
}

#[tokio::test]
async fn a_line_that_crawls_is_not_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let body = noise(20_000_000);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut buffer, mut received) = (vec![0; 1 << 20], 0);
        while received < 20_000_000 {
            received += stream.read(&mut buffer).await.unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nETag: \"slow\"\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    let begun = std::time::Instant::now();
    let target = PartTarget { url: format!("{origin}/slow"), length: 20_000_000, md5: md5(&body), bound: true };
    let remote = HttpRemote::new(options(&origin)).unwrap();
    assert_eq!(remote.put_part(&target, ObjectBody::Bytes(body.into())).await.as_deref(), Ok("\"slow\""));
    assert!(begun.elapsed() > Duration::from_millis(500), "twice the stall limit: {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_source_that_takes_its_time_is_no_stall() {
    struct Slow;
    impl ObjectSource for Slow {
        fn read(&self, offset: u64, _: u64) -> io::Result<Bytes> {
            std::thread::sleep(Duration::from_millis(400));
            Ok(vec![offset as u8; 1].into())
        }
    }
    let server = Server::start(|_| stored()).await;
    let body = ObjectBody::Source(Arc::new(Slow), 0..3);
    remote(&server).put_part(&part(&server, &[0, 1, 2]), body).await.unwrap();
    assert_eq!(server.requests()[0].body, [0, 1, 2]);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_waited_for_longer_than_a_stall() {
    let server = storage(|_| {
        Reply::acts([
            Act::Wait(Duration::from_millis(450)),
            Act::Send(b"HTTP/1.1 200 OK\r\nETag: \"slow\"\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ])
    })
    .await;
    assert_eq!(put(&server, noise(100)).await.as_deref(), Ok("\"slow\""));
    let server = storage(|_| Reply::acts([Act::Wait(Duration::from_secs(30))])).await;
    assert_eq!(put(&server, noise(100)).await.as_deref(), Ok("\"etag-of-it\""), "given up after a while, then again");
}

#[tokio::test]
async fn a_source_that_fails_is_not_the_networks_fault() {
    struct Broken;
    impl ObjectSource for Broken {
        fn read(&self, offset: u64, end: u64) -> io::Result<Bytes> {
            if offset > 0 {
                Err(io::Error::other("the spool file does not verify"))
            } else {
                Ok(vec![0; end as usize].into())
            }
        }
    }
    let server = Server::start(|_| stored()).await;
    let body = ObjectBody::Source(Arc::new(Broken), 0..3_000_000);
    let error = remote(&server).put_part(&part(&server, &noise(3_000_000)), body).await.expect_err("no body");
    assert_eq!(error, RemoteError::Body("the spool file does not verify".into()));
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_is_not_sent() {
    let server = Server::start(|_| stored()).await;
    let mut target = part(&server, b"12345");
    target.length = 6;
    let error = remote(&server).put_part(&target, ObjectBody::Bytes(Bytes::from_static(b"12345"))).await;
    assert!(matches!(error, Err(RemoteError::Body(_))));
    assert!(server.requests().is_empty());
    let nowhere = PartTarget { url: "file:///etc/passwd".into(), length: 5, md5: md5(b"12345"), bound: true };
    let error = remote(&server).put_part(&nowhere, ObjectBody::Bytes(Bytes::from_static(b"12345"))).await;
    assert!(matches!(error, Err(RemoteError::Malformed { .. })));
}

#[tokio::test]
async fn memory_stays_small_while_the_storage_is_slow() {
    let server = Server::start_early(|_| Some(Reply::acts([Act::Wait(Duration::from_secs(60))])), |_| stored()).await;
    let source = Source::new(noise(40 << 20), 1 << 20);
    let body = ObjectBody::Source(source.clone(), 0..40 << 20);
    let target = part(&server, &source.bytes);
    let remote = remote(&server);
    let _ = tokio::time::timeout(Duration::from_millis(200), remote.put_part(&target, body)).await;
    let reads = source.reads.load(Ordering::Relaxed);
    assert!(reads <= 12, "{reads} pieces of 1 MiB were made for a storage that reads nothing");
}

const COMPLETE: &str = "/bucket/7/uuid?uploadId=1";

async fn complete(server: &Server) -> RemoteResult<()> {
    let parts = [Part { number: 1, etag: "\"a\"".into() }, Part { number: 2, etag: "\"b\"".into() }];
    remote(server).complete_parts(&format!("{}{COMPLETE}", server.origin), &parts).await
}

#[tokio::test]
async fn parts_are_joined_by_one_document() {
    let answer =
        "<?xml version=\"1.0\"?>\n\n<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>";
    let server = Server::start(move |_| Reply::new(200, &[], answer)).await;
    complete(&server).await.unwrap();
    let request = server.requests().remove(0);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", COMPLETE));
    assert_eq!(request.header("content-type"), Some("text/xml"));
    let body = String::from_utf8(request.body).unwrap();
    assert!(body.starts_with("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"), "{body}");
    assert!(request.headers.iter().all(|(name, _)| name != "x-auth-token"));
}

#[tokio::test]
async fn an_error_document_under_a_200_is_an_error_and_repeated() {
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::new(200, &[], "   <Error><Code>InternalError</Code></Error>"),
        _ => Reply::new(200, &[], "<CompleteMultipartUploadResult/>"),
    })
    .await;
    complete(&server).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_completion_that_cannot_be_is_surfaced() {
    for (status, code) in [(404, "NoSuchUpload"), (400, "InvalidPart")] {
        let server =
            Server::start(move |_| Reply::new(status, &[], format!("<Error><Code>{code}</Code></Error>"))).await;
        let error = complete(&server).await.expect_err("refused");
        assert_eq!((error.status(), error.code(), server.requests().len()), (Some(status), code, 1));
    }
    let server = Server::start(|_| Reply::new(200, &[], "<html>sign in</html>")).await;
    assert!(matches!(complete(&server).await, Err(RemoteError::Malformed { .. })));
}

fn md5s(count: usize) -> Vec<[u8; 16]> {
    (0..count).map(|i| [i as u8; 16]).collect()
}

#[tokio::test]
async fn a_multipart_target_knows_each_parts_length() {
    let server = Server::start(|request| {
        assert_eq!(request.path(), "/files/multipart-upload-url");
        Reply::json(
            200,
            r#"{"objectKey":"7/k","partURLs":["http://s/1","http://s/2","http://s/3"],"completeURL":"http://s/c"}"#,
        )
    })
    .await;
    let target = remote(&server).fetch_multipart_target(25, 10, &md5s(3)).await.unwrap();
    assert_eq!(target.parts.iter().map(|part| part.length).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(
        (target.complete_url.as_deref(), target.parts[2].md5, target.parts[2].bound),
        (Some("http://s/c"), [2; 16], true)
    );
    let body = String::from_utf8(server.requests().remove(0).body).unwrap();
    assert!(
        body.starts_with(r#"{"contentLength":25,"partLength":10,"partMd5s":["AAAAAAAAAAAAAAAAAAAAAA==","#),
        "{body}"
    );
    let wrong = remote(&server).fetch_multipart_target(25, 10, &md5s(2)).await;
    assert!(matches!(wrong, Err(RemoteError::Malformed { .. })));
}

/// The paths asked for, in order.
fn paths(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.path().to_owned()).collect()
}

const SINGLE: &str = r#"{"objectKey":"7/s","url":"http://s/one"}"#;
const ONE_PART: &str = r#"{"objectKey":"7/m","partURLs":["http://s/1"],"completeURL":"http://s/c"}"#;
const LIMITED: &str = r#"{"error":"Rate limit breached, try later"}"#;

#[tokio::test]
async fn originals_go_by_the_checked_endpoint_and_its_twin_when_the_first_is_spent() {
    let spent = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.path() {
        "/files/upload-url" if spent.fetch_add(1, Ordering::Relaxed) >= 2 => Reply::json(429, LIMITED),
        "/files/upload-url" => Reply::json(200, SINGLE),
        _ => Reply::json(200, ONE_PART),
    })
    .await;
    let remote = remote(&server);
    let mut joined = Vec::new();
    for _ in 0..5 {
        let target = remote.fetch_put_target(100, [7; 16]).await.unwrap();
        assert_eq!((target.parts.len(), target.parts[0].length, target.parts[0].bound), (1, 100, true));
        joined.push(target.complete_url.is_some());
    }
    assert_eq!(joined, [false, false, true, true, true]);
    assert_eq!(paths(&server).iter().filter(|path| *path == "/files/upload-url").count(), 3, "one refusal, no more");
    let body = String::from_utf8(server.requests().remove(0).body).unwrap();
    assert_eq!(body, r#"{"contentLength":100,"contentMD5":"BwcHBwcHBwcHBwcHBwcHBw=="}"#);
}

#[tokio::test]
async fn a_server_without_the_twin_is_not_asked_for_it_again() {
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.path() {
        "/files/upload-url" if calls.fetch_add(1, Ordering::Relaxed) == 0 => Reply::json(429, LIMITED),
        "/files/upload-url" => Reply::json(200, SINGLE),
        _ => Reply::new(404, &[], ""),
    })
    .await;
    let millis = Duration::from_millis;
    let limits = LimitPace { probe: millis(50), window: millis(100), ..LimitPace::default() };
    let remote = HttpRemote::new(HttpOptions { limits, ..options(&server.origin) }).unwrap();
    for _ in 0..2 {
        remote.fetch_put_target(100, [7; 16]).await.unwrap();
    }
    assert_eq!(server.count("/files/multipart-upload-url"), 1);
}

#[tokio::test]
async fn a_full_account_is_said_at_once() {
    for status in [402, 426] {
        let server = Server::start(move |_| Reply::json(status, "{}")).await;
        let remote = remote(&server);
        assert_eq!(remote.fetch_put_target(100, [7; 16]).await.expect_err("full").status(), Some(status));
        assert_eq!(remote.fetch_thumbnail_target(100, [7; 16]).await.expect_err("full").status(), Some(status));
        assert_eq!(server.requests().len(), 2);
    }
}

fn batch(range: Range<usize>) -> Reply {
    let urls: Vec<String> = range.map(|i| format!(r#"{{"objectKey":"7/{i}","url":"http://s/{i}"}}"#)).collect();
    Reply::json(200, &format!(r#"{{"urls":[{}]}}"#, urls.join(",")))
}

#[tokio::test]
async fn thumbnails_take_each_url_of_a_batch_once() {
    let batches = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        assert_eq!(request.target, "/files/upload-urls?count=50");
        let number = batches.fetch_add(1, Ordering::Relaxed);
        batch(number * 50..number * 50 + 50)
    })
    .await;
    let remote = Arc::new(remote(&server));
    let tasks: Vec<_> = (0..70)
        .map(|_| {
            let remote = Arc::clone(&remote);
            tokio::spawn(async move { remote.fetch_thumbnail_target(5, [1; 16]).await.unwrap() })
        })
        .collect();
    let mut keys = std::collections::HashSet::new();
    for task in tasks {
        let target = task.await.unwrap();
        assert!(!target.parts[0].bound && target.complete_url.is_none());
        assert!(keys.insert(target.object_key));
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn thumbnails_go_by_the_checked_endpoint_where_there_are_no_batches() {
    for reply in [Reply::new(404, &[], ""), batch(0..0), Reply::json(200, r#"{"urls":null}"#)] {
        let server = Server::start(move |request| match request.path() {
            "/files/upload-urls" => reply.clone(),
            _ => Reply::json(200, SINGLE),
        })
        .await;
        let target = remote(&server).fetch_thumbnail_target(5, [1; 16]).await.unwrap();
        assert!(target.parts[0].bound);
    }
}
