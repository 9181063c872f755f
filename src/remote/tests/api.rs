//! JSON calls: protocol notes, data 0.1 and 9, auth 5.

use super::server::{Act, Reply, Server};
use super::*;
use crate::base::{AlbumId, FileId, ParkReason, Retry, Timestamp};
use crate::wire::{AddFiles, CreateCollection, MoveFiles, RemoveFiles, RenameCollection, TrashFiles, UpdateFileMagic};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

async fn always(reply: Reply) -> Server {
    Server::start(move |_| reply.clone()).await
}

#[tokio::test]
async fn a_call_carries_the_token_and_the_package_below_any_prefix() {
    let server = always(Reply::json(200, r#"{"collections":[]}"#)).await;
    let remote = HttpRemote::new(options(&format!("{}/ente/api/", server.origin))).unwrap();
    remote.fetch_albums(Timestamp(12)).await.unwrap();
    let request = server.requests().remove(0);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/ente/api/collections/v2?sinceTime=12"));
    assert_eq!(request.header("x-auth-token"), Some("token-of-the-session="));
    assert_eq!(request.header("x-client-package"), Some("io.ente.photos"));
    assert!(request.header("user-agent").unwrap().starts_with("entefs/"));
    assert_eq!(request.header("content-type"), None);
}

#[tokio::test]
async fn every_call_goes_to_its_path() {
    let server = Server::start(|request| match request.path() {
        "/collections/7" | "/collections" => Reply::json(200, r#"{"collection":{"id":7}}"#),
        "/files" => Reply::json(200, r#"{"id":9}"#),
        "/users/public-key" => Reply::json(404, "{}"),
        path if path.ends_with("/diff") => Reply::json(200, r#"{"diff":null,"hasMore":false}"#),
        _ => Reply::new(200, &[], ""),
    })
    .await;
    let remote = remote(&server);
    remote.fetch_album(AlbumId(7)).await.unwrap();
    remote.fetch_changes(AlbumId(7), Timestamp(3)).await.unwrap();
    remote.fetch_trash(Timestamp(4)).await.unwrap();
    remote.create_album(&CreateCollection::default()).await.unwrap();
    remote.rename_album(&RenameCollection::default()).await.unwrap();
    remote.update_album_magic(&Default::default()).await.unwrap();
    remote.delete_album(AlbumId(7)).await.unwrap();
    remote.add_files(&AddFiles::default()).await.unwrap();
    remote.move_files(&MoveFiles::default()).await.unwrap();
    remote.remove_files(&RemoveFiles::default()).await.unwrap();
    remote.restore_files(&AddFiles::default()).await.unwrap();
    remote.trash_files(&TrashFiles::default()).await.unwrap();
    remote.update_public_magic(&UpdateFileMagic::default()).await.unwrap();
    assert_eq!(remote.register_file(b"{\"x\": 1}"[..].into()).await.unwrap().id, FileId(9));
    assert_eq!(remote.fetch_public_key("me+you@example.org").await, Ok(None));
    remote.logout().await.unwrap();
    let asked: Vec<String> = server.requests().iter().map(|r| format!("{} {}", r.method, r.target)).collect();
    assert_eq!(
        asked,
        [
            "GET /collections/7",
            "GET /collections/v2/diff?collectionID=7&sinceTime=3",
            "GET /trash/v2/diff?sinceTime=4",
            "POST /collections",
            "POST /collections/rename",
            "PUT /collections/magic-metadata",
            "DELETE /collections/v3/7?collectionID=7&keepFiles=true",
            "POST /collections/add-files",
            "POST /collections/move-files",
            "POST /collections/v3/remove-files",
            "POST /collections/restore-files",
            "POST /files/trash",
            "PUT /files/public-magic-metadata",
            "POST /files",
            "GET /users/public-key?email=me%2Byou%40example.org",
            "POST /users/logout",
        ]
    );
    assert_eq!(server.requests()[13].body, b"{\"x\": 1}", "the stored bytes, as they are");
}

#[tokio::test]
async fn the_four_shapes_of_a_refusal_are_read() {
    for (body, code) in [
        (r#"{"code":"COLLECTION_NOT_EMPTY","message":""}"#, "COLLECTION_NOT_EMPTY"),
        ("{}", ""),
        (r#"{"error":"invalid token"}"#, ""),
        ("", ""),
        ("404 page not found", ""),
        ("<html>nginx</html>", ""),
        (r#"{"code":"has a blank and\nmore"}"#, ""),
    ] {
        let server = always(Reply::new(409, &[], body)).await;
        let error = remote(&server).delete_album(AlbumId(7)).await.expect_err("refused");
        assert_eq!((error.status(), error.code(), server.requests().len()), (Some(409), code, 1), "{body}");
    }
}

#[tokio::test]
async fn a_session_that_is_over_is_said_at_once() {
    let server = always(Reply::json(401, r#"{"error":"token expired"}"#)).await;
    let error = remote(&server).fetch_range(FileId(1), 0..1, &mut Vec::new()).await.expect_err("no session");
    assert!(error.is_session_over() && error.retry() == Retry::Park(ParkReason::Session));
    assert_eq!(server.requests().len(), 1, "no retry loop");
}

#[tokio::test]
async fn a_token_that_is_swapped_meanwhile_is_used_before_the_session_is_given_up() {
    let token = TokenCell::new("old");
    let (swap, calls) = (token.clone(), AtomicUsize::new(0));
    let server = Server::start(move |request| {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            swap.set("new");
        }
        match request.header("x-auth-token") {
            Some("new") => Reply::json(200, r#"{"collections":null}"#),
            _ => Reply::json(401, r#"{"error":"invalid token"}"#),
        }
    })
    .await;
    let remote = HttpRemote::new(HttpOptions { token, ..options(&server.origin) }).unwrap();
    remote.fetch_albums(Timestamp::ZERO).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_not_entes_is_malformed_whatever_it_is() {
    let replies = [
        Reply::new(200, &[("Content-Type", "text/html")], "<html>Please sign in</html>"),
        Reply::new(200, &[], ""),
        Reply::json(200, "{}"),
        Reply::json(200, r#"{"collections":[{"id":1}"#),
        Reply::redirect("https://portal.example.org/login?secret=1"),
        Reply::new(301, &[("Location", "https://api.example.org/collections")], ""),
        Reply::new(302, &[], ""),
        Reply::new(307, &[("Location", "/elsewhere")], r#"{"collections":[]}"#),
        Reply::new(204, &[], ""),
    ];
    for reply in replies {
        let server = always(reply.clone()).await;
        let error = remote(&server).fetch_albums(Timestamp::ZERO).await.expect_err("not a list");
        assert!(matches!(error, RemoteError::Malformed { .. }), "{reply:?}: {error}");
        assert_eq!(error.retry(), Retry::Backoff, "the portal goes away");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_portals_page_is_no_success_of_a_call_that_answers_nothing() {
    let server = always(Reply::new(200, &[("Content-Type", "text/html")], "<html>Please sign in</html>")).await;
    let error = remote(&server).trash_files(&TrashFiles::default()).await.expect_err("not Ente");
    assert!(matches!(error, RemoteError::Malformed { .. }), "{error}");
    let server = always(Reply::json(200, "{}")).await;
    remote(&server).trash_files(&TrashFiles::default()).await.unwrap();
}

#[tokio::test]
async fn a_malformed_row_does_not_lose_its_page() {
    let body = r#"{"diff":[{"id":1,"updationTime":5},{"id":"x","updationTime":9}],"hasMore":true}"#;
    let server = always(Reply::json(200, body)).await;
    let page = remote(&server).fetch_changes(AlbumId(1), Timestamp::ZERO).await.unwrap();
    assert_eq!((page.rows.len(), page.malformed, page.last, page.has_more), (1, 1, Some(Timestamp(9)), true));
}

/// Answers 503, then breaks the connection, then works.
async fn shaky() -> Server {
    let tries = AtomicUsize::new(0);
    Server::start(move |request| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::json(503, "{}"),
        1 => Reply::acts([Act::Reset]),
        _ if request.path().ends_with("/diff") => Reply::json(200, r#"{"diff":[]}"#),
        _ if request.path() == "/collections" => Reply::json(200, r#"{"collection":{"id":7}}"#),
        _ => Reply::new(200, &[], ""),
    })
    .await
}

#[tokio::test]
async fn what_is_safe_to_repeat_is_repeated() {
    let server = shaky().await;
    remote(&server).fetch_trash(Timestamp::ZERO).await.unwrap();
    assert_eq!(server.requests().len(), 3);
    let server = shaky().await;
    remote(&server).move_files(&MoveFiles::default()).await.unwrap();
    let favorites = CreateCollection { kind: "favorites".into(), ..CreateCollection::default() };
    let server = shaky().await;
    remote(&server).create_album(&favorites).await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn what_is_not_safe_to_repeat_is_sent_once() {
    let album = CreateCollection { kind: "album".into(), ..CreateCollection::default() };
    for reply in
        [Reply::json(503, "{}"), Reply::acts([Act::Reset]), Reply::acts([Act::Close]), Reply::new(200, &[], "")]
    {
        let server = always(reply.clone()).await;
        let remote = remote(&server);
        remote.create_album(&album).await.expect_err("unknown outcome");
        remote.register_file(b"{}"[..].into()).await.expect_err("unknown outcome");
        if !matches!(reply, Reply { .. } if server.requests().len() > 2) {
            assert_eq!(server.requests().len(), 2);
        }
    }
    for reply in [Reply::json(503, "{}"), Reply::acts([Act::Reset])] {
        let server = always(reply).await;
        let remote = remote(&server);
        remote.restore_files(&AddFiles::default()).await.expect_err("unknown outcome");
        remote.update_public_magic(&UpdateFileMagic::default()).await.expect_err("unknown outcome");
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_rest_gets_it() {
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::new(503, &[("Retry-After", "1")], "{}"),
        _ => Reply::json(200, r#"{"diff":[]}"#),
    })
    .await;
    let begun = std::time::Instant::now();
    remote(&server).fetch_trash(Timestamp::ZERO).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let server = always(Reply::new(503, &[("Retry-After", "120")], "{}")).await;
    let error = remote(&server).fetch_trash(Timestamp::ZERO).await.expect_err("too long to wait here");
    assert_eq!((error.retry(), server.requests().len()), (Retry::After(Duration::from_secs(120)), 1));
}

#[tokio::test]
async fn headers_and_bodies_that_do_not_come_are_given_up() {
    let wait = || Act::Wait(Duration::from_secs(30));
    let head = || Act::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"diff\":".to_vec());
    for reply in [Reply::acts([wait()]), Reply::acts([head(), wait()])] {
        let server = always(reply).await;
        let error = remote(&server).fetch_trash(Timestamp::ZERO).await.expect_err("too slow");
        assert!(matches!(error, RemoteError::Stalled { endpoint: "/trash/v2/diff", .. }), "{error}");
        assert_eq!(server.requests().len(), 4);
    }
}

#[tokio::test]
async fn nobody_there_and_no_such_name_are_the_networks_fault() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for (endpoint, words) in [(closed.as_str(), "refused"), ("http://no-such-host.invalid", "looked up")] {
        let remote = HttpRemote::new(options(endpoint)).unwrap();
        let error = remote.fetch_trash(Timestamp::ZERO).await.expect_err("nobody there");
        assert!(matches!(error, RemoteError::Network { .. }), "{error:?}");
        assert!(error.to_string().to_lowercase().contains(words), "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", u64::MAX >> 1);
    let server = always(Reply::acts([Act::Send(head.into_bytes()), Act::Wait(Duration::from_secs(5))])).await;
    let error = remote(&server).fetch_trash(Timestamp::ZERO).await.expect_err("no machine holds it");
    assert!(matches!(error, RemoteError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn many_calls_share_few_connections() {
    let server = always(Reply::json(200, r#"{"diff":[]}"#)).await;
    let remote = Arc::new(remote(&server));
    for _ in 0..50 {
        remote.fetch_trash(Timestamp::ZERO).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_meanwhile_costs_nothing() {
    let server = always(Reply::json(200, r#"{"id":9}"#).then(Act::Close)).await;
    let remote = remote(&server);
    for _ in 0..10 {
        remote.register_file(b"{}"[..].into()).await.expect("never repeated, and never sent into a closed connection");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((server.connections(), server.requests().len()), (10, 10));
}
