//! The shapes of refusals and the headers around answers (auth 3.1, 5.1; data 0.1).

use crate::client::{Client, send};
use crate::people::{ada, log_in, unlock, verify_email};
use entefs::wire::{CollectionsAnswer, header, path};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_session_is_asked_for_before_anything_else() {
    let client = Client::new();
    client.get(path::DETAILS).await.stopped(401, "missing token");
    client.with_token("").get(path::COLLECTIONS_LIST).await.stopped(401, "missing token");
    let unknown = client.with_token("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    unknown.get(path::COLLECTIONS_LIST).await.stopped(401, "invalid token");
    unknown.post(path::FILES, &json!("not even an object")).await.stopped(401, "invalid token");
    client.delete("/collections/v3/1").await.stopped(401, "missing token");
}

#[tokio::test]
async fn a_token_is_compared_to_the_letter_and_belongs_to_one_app() {
    let ada = ada().await;
    let client = ada.client();
    client.get(path::DETAILS).await.ok();
    let cut = ada.token.trim_end_matches('=');
    client.with_token(cut).get(path::DETAILS).await.stopped(401, "invalid token");
    for package in ["io.ente.auth", "io.ente.locker.web"] {
        client.with_package(package).get(path::DETAILS).await.stopped(401, "invalid token");
    }
    client.with_package("com.example.anything").get(path::DETAILS).await.ok();
}

#[tokio::test]
async fn the_token_may_stand_in_the_query_but_the_header_wins() {
    let ada = ada().await;
    let path = format!("{}?token={}", path::SESSION_VALIDITY, ada.token);
    Client::new().get(&path).await.ok();
    Client::new().with_token("wrong").get(&path).await.stopped(401, "invalid token");
}

#[tokio::test]
async fn the_auth_app_has_no_storage() {
    let ada = ada().await;
    let client = Client::new().with_package("io.ente.auth");
    let token = unlock(&verify_email(&client, &ada.email, "login").await);
    let client = client.with_token(&token);
    client.get(path::SESSION_VALIDITY).await.ok();
    client.get(path::COLLECTIONS_LIST).await.stopped(403, "invalid app for endpoint");
    client.get("/files/download/1").await.stopped(403, "invalid app for endpoint");
    client.post(path::LOGOUT, &json!({})).await.ok();
}

#[tokio::test]
async fn unknown_routes_and_methods_are_404_without_json() {
    let client = ada().await.client();
    client.get("/no/such/route").await.no_json(404);
    client.post("/collections/v2", &json!({})).await.no_json(404);
    client.delete(path::COLLECTIONS_LIST).await.no_json(404);
    let head = send(client.request(Method::HEAD, path::COLLECTIONS_LIST)).await;
    assert_eq!(head.status, 404);
}

#[tokio::test]
async fn a_malformed_body_is_an_empty_400() {
    let client = ada().await.client();
    for (method, path) in [
        (Method::POST, path::COLLECTIONS),
        (Method::POST, path::FILES),
        (Method::PUT, path::FILES_PUBLIC_MAGIC),
        (Method::POST, path::FILES_TRASH),
        (Method::POST, path::UPLOAD_URL),
        (Method::POST, path::ADD_FILES),
    ] {
        for body in
            ["", "{", "[]", r#"{"collectionID":"seven","files":7,"items":7,"metadataList":7,"contentLength":""}"#]
        {
            send(client.request(method.clone(), path).body(body)).await.refused(400);
        }
    }
}

#[tokio::test]
async fn a_body_is_json_whatever_its_content_type() {
    let client = Client::new();
    let request = client.request(Method::POST, path::OTT).header("Content-Type", "text/plain");
    send(request.body(r#"{"email":""}"#)).await.refused(400);
}

#[tokio::test]
async fn a_request_id_comes_back_and_listings_are_not_cached() {
    let client = ada().await.client();
    let request = client.request(Method::GET, path::COLLECTIONS_LIST).header(header::REQUEST_ID, "contract-7");
    let reply = send(request).await.ok();
    assert_eq!(reply.header("X-Request-Id"), "contract-7");
    assert_eq!(reply.header("Cache-Control"), "no-store");
    assert!(reply.header("Content-Type").starts_with("application/json"));
    let reply = client.get(path::COLLECTIONS_LIST).await.ok();
    assert!(reply.header("X-Request-Id").len() >= 20, "the server makes one up");
}

#[tokio::test]
async fn the_server_answers_a_ping() {
    let answer: serde_json::Value = Client::new().get(path::PING).await.json();
    assert_eq!(answer["message"], "pong");
}

#[tokio::test]
async fn an_unreadable_number_in_a_query_counts_as_zero() {
    let client = ada().await.client();
    let answer: CollectionsAnswer = client.get("/collections/v2?sinceTime=yesterday").await.json();
    let all: CollectionsAnswer = client.get(path::COLLECTIONS_LIST).await.json();
    assert!(answer.collections.len() <= all.collections.len());
    client.get("/collections/v2/diff?collectionID=x").await.refused(404);
}

#[tokio::test]
async fn a_session_that_has_ended_is_invalid_at_once() {
    let ada = ada().await;
    let token = unlock(&log_in(&Client::new(), ada).await);
    let client = Client::new().with_token(&token);
    client.get(path::SESSION_VALIDITY).await.ok();
    client.post(path::LOGOUT, &json!({})).await.ok();
    client.get(path::SESSION_VALIDITY).await.stopped(401, "invalid token");
    client.post(path::LOGOUT, &json!({})).await.stopped(401, "invalid token");
}
