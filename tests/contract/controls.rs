//! What only the embedded server offers: its controls, its faults, its limits, and its life.

use crate::client::{Client, send};
use crate::people::{Account, KEK, Srp, log_in, unlock, wrap_keys};
use crate::photos::{changes_since, draft, is_in, listed, new_album, new_photo, page_since, put_object, row};
use crate::world::fresh_directory;
use entefs::base::{FixedClock, Timestamp, UserId};
use entefs::crypto::{self, KeyPair, MasterKey, RecoveryKey, compute_verifier, derive_login_key};
use entefs::embedded::{AccountSeed, Fault, Limits, Method, Outcome, Server, ServerOptions, When};
use entefs::wire::{File, SessionValidity, path};
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Plants an account without signing it up.
fn plant(server: &Server, email: &str) -> Account {
    let (master, recovery, pair) = (MasterKey::random(), RecoveryKey::random(), KeyPair::random());
    let keys = wrap_keys(&KEK, &master, &recovery, &pair);
    let srp = Srp { user_id: uuid::Uuid::new_v4().to_string(), salt: crypto::random::<16>().to_vec() };
    let seed = AccountSeed {
        key_attributes: keys.clone(),
        srp_user_id: srp.user_id.clone(),
        srp_salt: srp.salt.clone(),
        srp_verifier: compute_verifier(&srp.user_id, &srp.salt, &derive_login_key(&KEK)).to_vec(),
    };
    let token = server.create_account(email, &seed).expect("a new address");
    Account { email: email.to_owned(), id: UserId(0), token, master, pair, recovery, keys, srp }
}

async fn start(data: &Path, change: impl FnOnce(&mut ServerOptions)) -> Server {
    let mut options = ServerOptions::new(data);
    change(&mut options);
    Server::start(options).await.expect("the server starts")
}

fn client(server: &Server, account: &Account) -> Client {
    Client::to(server.base_url()).with_token(&account.token)
}

fn fault(method: Method, path: &str, when: When, outcome: Outcome) -> Fault {
    Fault { path: path.to_owned(), method, nth: 1, when, outcome }
}

#[tokio::test]
async fn a_planted_account_is_complete_and_logs_in() {
    let server = start(&fresh_directory(), |_| {}).await;
    let account = plant(&server, "Ada@Example.org");
    let validity: SessionValidity = client(&server, &account).get(path::SESSION_VALIDITY).await.json();
    assert!(validity.has_set_keys);
    let visitor = Client::to(server.base_url());
    let token = unlock(&log_in(&visitor, &account).await);
    visitor.with_token(&token).get(path::DETAILS).await.ok();
    assert_eq!(server.file_count("ada@example.org ").unwrap(), 0);
    assert!(server.file_count("nobody@example.org").is_err());
    server.shutdown().await;
}

#[tokio::test]
async fn an_unused_token_expires_and_a_revoked_one_dies_at_once() {
    let server = start(&fresh_directory(), |_| {}).await;
    let account = plant(&server, "ada@example.org");
    let client = client(&server, &account);
    server.expire_tokens(&account.email).unwrap();
    client.get(path::DETAILS).await.stopped(401, "token expired");
    server.revoke_tokens(&account.email).unwrap();
    client.get(path::DETAILS).await.stopped(401, "invalid token");
    server.shutdown().await;
}

#[tokio::test]
async fn a_token_in_use_lives_on_by_the_servers_clock() {
    let clock = Arc::new(FixedClock::at(Timestamp(1_800_000_000_000_000)));
    let server = start(&fresh_directory(), |options| options.clock = clock.clone()).await;
    let account = plant(&server, "ada@example.org");
    let client = client(&server, &account);
    for _ in 0..3 {
        clock.advance(Duration::from_secs(364 * 86_400));
        client.get(path::SESSION_VALIDITY).await.ok();
    }
    clock.advance(Duration::from_secs(366 * 86_400));
    client.get(path::SESSION_VALIDITY).await.stopped(401, "token expired");
    server.shutdown().await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let data = fresh_directory();
    let server = start(&data, |options| options.durable = true).await;
    let account = plant(&server, "ada@example.org");
    let first = client(&server, &account);
    let album = new_album(&first, &account).await;
    let photo = new_photo(&first, &album).await;
    let port = server.addr();
    server.shutdown().await;
    let server = start(&data, |options| options.listen = port).await;
    let second = client(&server, &account);
    assert!(is_in(&second, album.id, photo.id).await);
    let url = second.get(&format!("{}/{}", path::FILE_DOWNLOAD, photo.id)).await.header("Location").to_owned();
    let on_disk = std::fs::read(server.object_path(photo.id).unwrap().expect("the object")).unwrap();
    assert_eq!(send(second.http.get(url)).await.ok().body, on_disk);
    assert_eq!(server.file_count(&account.email).unwrap(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn codes_are_reported_where_none_is_fixed() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let server = start(&fresh_directory(), move |options| {
        options.report_code =
            Arc::new(move |email, code| listener.lock().unwrap().push((email.to_owned(), code.to_owned())));
    })
    .await;
    let client = Client::to(server.base_url());
    client.post(path::OTT, &json!({"email": "New@example.org", "purpose": "signup"})).await.empty();
    let (email, code) = told.lock().unwrap().pop().expect("a code");
    assert_eq!((email.as_str(), code.len()), ("new@example.org", 6));
    client.post(path::VERIFY_EMAIL, &json!({"email": email, "ott": code})).await.ok();
    server.shutdown().await;
}

#[tokio::test]
async fn a_fault_before_the_effect_leaves_none_and_one_after_it_does() {
    let server = start(&fresh_directory(), |_| {}).await;
    let account = plant(&server, "ada@example.org");
    let client = client(&server, &account);
    let album = new_album(&client, &account).await;
    for (when, registered) in [(When::Before, 0), (When::After, 1)] {
        let request = draft(&client, &album).await;
        server.fail_next(fault(Method::POST, path::FILES, when, Outcome::Status(503)));
        client.post(path::FILES, &request).await.refused(503);
        assert_eq!(server.file_count(&account.email).unwrap(), registered, "{when:?}");
    }
    let request = draft(&client, &album).await;
    server.fail_next(fault(Method::POST, path::FILES, When::After, Outcome::Reset));
    let lost = client.request(Method::POST, path::FILES).json(&request).send().await;
    assert!(lost.is_err(), "no answer at all");
    let again: File = client.post(path::FILES, &request).await.json();
    assert_eq!(server.file_count(&account.email).unwrap(), 2);
    assert!(is_in(&client, album.id, again.id).await);
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_hangs_until_the_client_gives_up() {
    let server = start(&fresh_directory(), |_| {}).await;
    let account = plant(&server, "ada@example.org");
    let client = client(&server, &account);
    server.fail_next(fault(Method::GET, path::COLLECTIONS_LIST, When::Before, Outcome::Hang));
    let request = client.request(Method::GET, path::COLLECTIONS_LIST).timeout(Duration::from_millis(300));
    assert!(request.send().await.is_err_and(|error| error.is_timeout()));
    client.get(path::COLLECTIONS_LIST).await.ok();
    server.fail_next(fault(Method::GET, path::DETAILS, When::Before, Outcome::Hang));
    let hanging = tokio::spawn(client.request(Method::GET, path::DETAILS).send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    server.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "a hanging request does not keep the server");
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test]
async fn a_download_is_cut_short_or_spoilt_in_one_byte() {
    let server = start(&fresh_directory(), |_| {}).await;
    let account = plant(&server, "ada@example.org");
    let client = client(&server, &account);
    let album = new_album(&client, &account).await;
    let content = vec![7; 2_000_000];
    let request = crate::photos::draft_of(&client, &album, &content, b"t").await;
    let file: File = client.post(path::FILES, &request).await.json();
    let url = client.get(&format!("{}/{}", path::FILE_DOWNLOAD, file.id)).await.header("Location").to_owned();
    for cut in [0, 1_000_000, 1_999_999] {
        server.fail_next(fault(Method::GET, "/objects", When::After, Outcome::Truncate(cut)));
        let outcome = async { client.http.get(&url).send().await?.bytes().await }.await;
        assert!(outcome.is_err(), "cut at {cut}");
    }
    server.fail_next(fault(Method::GET, "/objects", When::After, Outcome::Corrupt(1_234_567)));
    let spoilt = send(client.http.get(&url)).await.ok().body;
    let changed: Vec<usize> = (0..content.len()).filter(|i| spoilt[*i] != content[*i]).collect();
    assert_eq!(changed, [1_234_567]);
    server.fail_next(fault(Method::PUT, "/objects", When::Before, Outcome::Reset));
    let target = crate::photos::batch_urls(&client, 1).await.remove(0);
    assert!(client.http.put(&target.url).body("x").send().await.is_err());
    assert_eq!(send(client.http.get(&url)).await.ok().body, content);
    server.shutdown().await;
}

/// Data 7.3: what was stamped at its arrival and committed late stays unseen behind a newer cursor.
#[tokio::test]
async fn a_late_registration_hides_behind_the_cursor() {
    let server = start(&fresh_directory(), |_| {}).await;
    let account = plant(&server, "ada@example.org");
    let client = client(&server, &account);
    let album = new_album(&client, &account).await;
    let request = draft(&client, &album).await;
    let delay = Outcome::Delay(Duration::from_millis(400));
    server.fail_next(fault(Method::POST, path::FILES, When::Before, delay));
    let late = {
        let (client, request) = (client.clone(), request.clone());
        tokio::spawn(async move { client.post(path::FILES, &request).await.json::<File>() })
    };
    tokio::time::sleep(Duration::from_millis(150)).await;
    let early = new_photo(&client, &album).await;
    let cursor = page_since(&client, album.id, Timestamp::ZERO).await.diff.last().expect("a row").updation_time;
    let list_cursor = listed(&client, album.id).await.expect("own").updation_time;
    let late = late.await.unwrap();
    assert!(late.updation_time < early.updation_time);
    assert!(changes_since(&client, album.id, cursor).await.is_empty(), "the hole that official clients have");
    assert!(listed(&client, album.id).await.expect("own").updation_time < list_cursor, "the stamp went back");
    assert_eq!(row(&client, album.id, late.id).await.unwrap().updation_time, late.updation_time);
    server.shutdown().await;
}

#[tokio::test]
async fn museums_limits_are_per_address_and_per_user() {
    let server = start(&fresh_directory(), |options| options.limits = Limits::Museum).await;
    let account = plant(&server, "ada@example.org");
    let visitor = Client::to(server.base_url());
    let attributes = format!("{}?email=ada@example.org", path::SRP_ATTRIBUTES);
    for _ in 0..10 {
        visitor.get(&attributes).await.ok();
    }
    let refusal = "Rate limit breached, try later";
    let reply = visitor.get(&attributes).await;
    assert!(reply.headers.get("Retry-After").is_none());
    reply.stopped(429, refusal);
    visitor.elsewhere().get(&attributes).await.ok();
    let client = client(&server, &account);
    let mut refused = 0;
    for _ in 0..502 {
        let status = client.elsewhere().get(&format!("{}?count=1", path::UPLOAD_URLS)).await.status;
        refused += usize::from(status == 429);
    }
    assert_eq!(refused, 2, "the user's budget, whatever the address");
    put_object(&client, b"the other endpoint has a budget of its own").await;
    client.get(path::COLLECTIONS_LIST).await.ok();
    server.shutdown().await;
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let server = start(&fresh_directory(), |_| {}).await;
    let account = plant(&server, "ada@example.org");
    let client = client(&server, &account);
    let album = new_album(&client, &account).await;
    let photo = new_photo(&client, &album).await;
    server.reset_counts();
    let download = format!("{}/{}", path::FILE_DOWNLOAD, photo.id);
    let url = client.get(&download).await.header("Location").to_owned();
    for _ in 0..2 {
        send(client.http.get(&url)).await.ok();
    }
    let counts = server.request_counts();
    assert_eq!(counts.get("GET /files/download/{id}"), Some(&1));
    assert_eq!(counts.get("GET /objects/{user}/{name}"), Some(&2));
    assert_eq!(counts.values().sum::<u64>(), 3);
    server.shutdown().await;
}

/// The body is larger than what fits into buffers, so nobody on either side notices the other.
#[tokio::test]
async fn a_hanging_upload_does_not_keep_the_server() {
    let server = start(&fresh_directory(), |_| {}).await;
    let account = plant(&server, "ada@example.org");
    let client = client(&server, &account);
    let url = format!("{}/objects/1/hangs", server.base_url());
    server.fail_next(Fault {
        path: "/objects".into(),
        method: Method::PUT,
        nth: 1,
        when: When::Before,
        outcome: Outcome::Hang,
    });
    let body = vec![7; 30 << 20];
    let hangs = tokio::spawn(client.http.put(&url).body(body).send());
    while server.request_counts().iter().all(|(route, _)| !route.starts_with("PUT /objects/")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    server.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(hangs.await.unwrap().is_err(), "cut off in the middle");
}

#[tokio::test]
async fn a_stuck_reader_does_not_keep_the_server() {
    let server = start(&fresh_directory(), |_| {}).await;
    let account = plant(&server, "ada@example.org");
    let client = client(&server, &account);
    let album = new_album(&client, &account).await;
    let request = crate::photos::draft_of(&client, &album, &vec![7; 30 << 20], b"t").await;
    let file: File = client.post(path::FILES, &request).await.json();
    let url = client.get(&format!("{}/{}", path::FILE_DOWNLOAD, file.id)).await.header("Location").to_owned();
    let stuck = client.http.get(&url).send().await.unwrap();
    let begun = Instant::now();
    server.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(stuck.bytes().await.is_err(), "cut off in the middle");
}
