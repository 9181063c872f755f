//! Ranges and thumbnails: protocol notes, data 5.1.

use super::server::{Act, Reply, Request, Server, head};
use super::*;
use crate::base::FileId;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const FILE: FileId = FileId(42);

/// An API that redirects to `/object` of its own origin, which answers what the script says of each try.
async fn storage(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Server {
    let tries = AtomicUsize::new(0);
    Server::start(move |request| match request.path() {
        "/files/download/42" => Reply::redirect(&format!("{}/object?X-Amz-Expires=604800&sig=1", request.origin)),
        "/object" => script(tries.fetch_add(1, Ordering::Relaxed), request),
        other => panic!("nobody asks for {other}"),
    })
    .await
}

async fn read(server: &Server, range: Range<u64>) -> (RemoteResult<u64>, Vec<u8>) {
    let mut into = Vec::new();
    let total = remote(server).fetch_range(FILE, range, &mut into).await;
    (total, into)
}

/// The first try goes as the script says, the later ones are right; the reader sees no difference.
async fn survives(first: impl Fn(&Request, &[u8]) -> Reply + Send + Sync + 'static) -> Server {
    let object = Arc::new(noise(100_000));
    let kept = Arc::clone(&object);
    let server = storage(move |number, request| match number {
        0 => first(request, &kept),
        _ => Reply::ranged(request, &kept),
    })
    .await;
    let (total, into) = read(&server, 1000..90_000).await;
    assert_eq!(total, Ok(100_000));
    assert!(into == object[1000..90_000]);
    server
}

/// Whatever is tried, it fails with this kind of error, and nothing is left in the buffer.
async fn fails(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> (RemoteError, Server) {
    let server = storage(script).await;
    let (total, into) = read(&server, 0..50).await;
    assert_eq!(into, b"", "all of a range or none");
    (total.expect_err("it cannot work"), server)
}

#[tokio::test]
async fn a_range_is_given_and_the_length_told() {
    let server = survives(Reply::ranged).await;
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("range"), Some("bytes=1000-89999"));
}

#[tokio::test]
async fn the_token_goes_to_the_api_and_never_to_the_storage() {
    let object = Server::start(|request| Reply::ranged(request, b"0123456789")).await;
    let place = format!("{}/bucket/7/uuid?sig=1", object.origin);
    let api = Server::start(move |_| Reply::redirect(&place)).await;
    let mut into = Vec::new();
    remote(&api).fetch_range(FILE, 2..5, &mut into).await.unwrap();
    assert_eq!(into, b"234");
    assert_eq!(api.requests()[0].header("x-auth-token"), Some("token-of-the-session="));
    assert_eq!(api.requests()[0].header("range"), None, "museum ignores it, and a portal must not");
    for request in object.requests() {
        for name in ["x-auth-token", "authorization", "x-client-package", "cookie", "referer"] {
            assert_eq!(request.header(name), None, "{name}");
        }
    }
}

#[tokio::test]
async fn the_url_is_asked_for_once_however_many_ranges_are_read() {
    let server = storage(|_, request| Reply::ranged(request, &noise(1000))).await;
    let remote = Arc::new(remote(&server));
    let mut tasks = Vec::new();
    for i in 0..8 {
        let remote = Arc::clone(&remote);
        tasks.push(tokio::spawn(async move {
            let mut into = Vec::new();
            remote.fetch_range(FILE, i * 100..i * 100 + 100, &mut into).await.map(|_| into)
        }));
    }
    for (i, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap(), noise(1000)[i * 100..i * 100 + 100]);
    }
    assert_eq!(server.count("/files/download/42"), 1);
    remote.forget_url(FILE);
    remote.fetch_range(FILE, 0..1, &mut Vec::new()).await.unwrap();
    assert_eq!(server.count("/files/download/42"), 2);
}

#[tokio::test]
async fn a_url_that_has_expired_is_fetched_anew_once() {
    for status in [400, 401, 403, 404, 410] {
        let object = noise(100);
        let server = storage(move |number, request| match number {
            1 => Reply::new(status, &[], "<Error><Code>AccessDenied</Code></Error>"),
            _ => Reply::ranged(request, &object),
        })
        .await;
        let remote = remote(&server);
        for _ in 0..2 {
            assert_eq!(remote.fetch_range(FILE, 0..10, &mut Vec::new()).await, Ok(100), "{status}");
        }
        assert_eq!(server.count("/files/download/42"), 2, "{status}");
    }
}

#[tokio::test]
async fn a_fresh_url_that_is_refused_is_an_error_at_once() {
    let (error, server) = fails(|_, _| Reply::new(403, &[], "<Error><Code>AccessDenied</Code></Error>")).await;
    assert_eq!((error.status(), error.code(), error.is_session_over()), (Some(403), "AccessDenied", false));
    assert_eq!(server.count("/object"), 1);
}

#[tokio::test]
async fn a_url_near_its_end_is_not_used_again() {
    let server = Server::start(|request| match request.path() {
        "/object" => Reply::ranged(request, b"0123456789"),
        _ => Reply::redirect(&format!("{}/object?X-Amz-Expires=0", request.origin)),
    })
    .await;
    let remote = remote(&server);
    for _ in 0..3 {
        remote.fetch_range(FILE, 0..10, &mut Vec::new()).await.unwrap();
    }
    assert_eq!(server.count("/files/download/42"), 3);
}

#[tokio::test]
async fn a_reset_in_the_middle_is_survived() {
    survives(|request, object| {
        let range = request.range().unwrap();
        let place = format!("bytes {}-{}/{}", range.start, range.end - 1, object.len());
        let start = head(206, &[("Content-Range", &place)], range.len());
        Reply::acts([Act::Send(start), Act::Send(object[range.start..range.start + 5000].to_vec()), Act::Reset])
    })
    .await;
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_survived() {
    survives(|request, object| {
        let range = request.range().unwrap();
        let place = format!("bytes {}-{}/{}", range.start, range.end - 1, object.len());
        let start = head(206, &[("Content-Range", &place)], range.len());
        Reply::acts([Act::Send(start), Act::Send(object[range.start..range.end - 1].to_vec()), Act::Close])
    })
    .await;
}

#[tokio::test]
async fn a_length_that_contradicts_the_range_is_survived() {
    for off_by in [-1_isize, 1] {
        survives(move |request, object| {
            let range = request.range().unwrap();
            let place = format!("bytes {}-{}/{}", range.start, range.end - 1, object.len());
            let end = range.end.checked_add_signed(off_by).unwrap();
            Reply::new(206, &[("Content-Range", &place)], &object[range.start..end])
        })
        .await;
    }
}

#[tokio::test]
async fn another_range_than_asked_for_is_refused_and_asked_again() {
    for place in ["bytes 0-88999/100000", "bytes 1000-89998/100000", "bytes 1000-89999/*", "bytes */100000", ""] {
        survives(move |request, object| {
            let range = request.range().unwrap();
            Reply::new(206, &[("Content-Range", place)], &object[range])
        })
        .await;
    }
}

#[tokio::test]
async fn a_stalled_body_is_given_up_and_asked_again() {
    let begun = std::time::Instant::now();
    survives(|request, object| {
        let range = request.range().unwrap();
        let place = format!("bytes {}-{}/{}", range.start, range.end - 1, object.len());
        let start = head(206, &[("Content-Range", &place)], range.len());
        let some = object[range.start..range.start + 10].to_vec();
        Reply::acts([Act::Send(start), Act::Send(some), Act::Wait(Duration::from_secs(30))])
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_and_asked_again() {
    survives(|_, _| Reply::acts([Act::Wait(Duration::from_secs(30))])).await;
}

#[tokio::test]
async fn a_slow_body_that_never_stands_still_is_waited_for() {
    let server = storage(|_, request| {
        let bytes = noise(50);
        let place = format!("bytes 0-{}/50", request.range().unwrap().end - 1);
        let mut acts = vec![Act::Send(head(206, &[("Content-Range", &place)], 50))];
        for byte in bytes.chunks(5) {
            acts.extend([Act::Wait(Duration::from_millis(100)), Act::Send(byte.to_vec())]);
        }
        Reply::acts(acts)
    })
    .await;
    let (total, into) = read(&server, 0..50).await;
    assert_eq!((total, &into[..]), (Ok(50), &noise(50)[..]));
    assert_eq!(server.count("/object"), 1, "a second of trickle, a stall limit of a quarter");
}

#[tokio::test]
async fn a_storage_that_ignores_ranges_is_read_past_the_start() {
    let object = noise(3000);
    let kept = object.clone();
    let server = storage(move |_, _| Reply::new(200, &[("Content-Type", "application/octet-stream")], &kept)).await;
    for range in [0..3000, 0..10, 1000..2000, 2990..5000] {
        let (total, into) = read(&server, range.clone()).await;
        assert_eq!(total, Ok(3000));
        assert!(into == object[range.start as usize..(range.end as usize).min(3000)], "{range:?}");
    }
}

#[tokio::test]
async fn a_captive_portals_page_is_never_a_photo() {
    let page = "<html><body>Please sign in to the hotel's network, it is free</body></html>";
    let (error, _) = fails(move |_, _| Reply::new(200, &[("Content-Type", "text/html; charset=utf-8")], page)).await;
    assert!(matches!(error, RemoteError::Malformed { .. }), "{error}");
    let (error, _) =
        fails(move |_, _| Reply::acts([Act::Send(format!("HTTP/1.1 200 OK\r\n\r\n{page}").into_bytes()), Act::Close]))
            .await;
    assert!(matches!(error, RemoteError::Malformed { .. }), "no length, no range: {error}");
}

#[tokio::test]
async fn a_range_past_the_end_gives_what_there_is_and_one_behind_it_is_refused() {
    let server = storage(|_, request| Reply::ranged(request, &noise(100))).await;
    let (total, into) = read(&server, 90..200).await;
    assert_eq!((total, &into[..]), (Ok(100), &noise(100)[90..]));
    let (total, into) = read(&server, 100..200).await;
    let error = total.expect_err("nothing is there");
    assert_eq!((error.status(), error.code(), &into[..]), (Some(416), "InvalidRange", &b""[..]));
    assert!(read(&server, 5..5).await.0.is_err());
}

#[tokio::test]
async fn a_storage_that_redirects_on_and_on_is_not_followed() {
    let (error, server) = fails(|_, request| Reply::redirect(&format!("{}/object?again", request.origin))).await;
    assert!(matches!(error, RemoteError::Malformed { .. }), "{error}");
    assert_eq!(server.count("/object"), 4, "a first try and three repeats, no hops");
}

#[tokio::test]
async fn an_api_that_redirects_nowhere_is_an_error() {
    for location in ["", "ftp://example.org/x", "//[", "mailto:a@b"] {
        let server = Server::start(move |_| Reply::redirect(location)).await;
        let error = remote(&server).fetch_range(FILE, 0..1, &mut Vec::new()).await.expect_err("nowhere to go");
        // An empty address is the API's own.
        assert!(matches!(error, RemoteError::Malformed { .. }), "{location}: {error}");
    }
}

#[tokio::test]
async fn an_api_without_an_address_is_an_error_that_names_no_url() {
    for reply in [Reply::new(200, &[], "bytes"), Reply::new(307, &[], ""), Reply::json(500, "{}")] {
        let server = Server::start(move |_| reply.clone()).await;
        let error = remote(&server).fetch_range(FILE, 0..1, &mut Vec::new()).await.expect_err("no address");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
    let server = Server::start(|_| Reply::json(404, "{}")).await;
    let error = remote(&server).fetch_range(FILE, 0..1, &mut Vec::new()).await.expect_err("no file");
    assert_eq!((error.status(), server.requests().len()), (Some(404), 1));
}

#[tokio::test]
async fn a_thumbnail_is_read_whole_or_not_at_all() {
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if request.path() == "/files/preview/42" {
            return Reply::redirect("/thumbnail?sig=1");
        }
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::acts([Act::Send(head(200, &[], 3000)), Act::Send(noise(2000)), Act::Close]),
            1 => Reply::acts([Act::Send(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), Act::Send(noise(2000)), Act::Close]),
            2 => Reply::new(503, &[], "<Error><Code>SlowDown</Code></Error>"),
            _ => Reply::new(200, &[], noise(3000)),
        }
    })
    .await;
    assert_eq!(remote(&server).fetch_thumbnail(FILE).await, Ok(noise(3000)));
    assert!(server.requests().iter().filter(|r| r.path() == "/thumbnail").all(|r| r.header("x-auth-token").is_none()));
}

#[tokio::test]
async fn failing_answers_of_the_storage_are_repeated_three_times() {
    let (error, server) = fails(|_, _| Reply::new(503, &[], "<Error><Code>SlowDown</Code></Error>")).await;
    assert_eq!((error.status(), error.code()), (Some(503), "SlowDown"));
    assert_eq!((server.count("/object"), server.count("/files/download/42")), (4, 1));
}
