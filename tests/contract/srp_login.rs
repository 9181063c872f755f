//! Log-in by password (auth 2.4).

use crate::client::Client;
use crate::people::{KEK, ada, begin_srp, fresh_email, log_in, sign_up, unlock};
use entefs::base::B64;
use entefs::crypto::{LoginKey, SrpClient, derive_login_key};
use entefs::wire::{Authorization, SrpCreateSessionAnswer, SrpVerifySessionRequest, code, path};
use serde_json::json;

/// One public value in 256 starts with a zero byte, on either side: enough of them to meet some.
const LOG_INS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_log_in_succeeds_and_the_server_proves_itself() {
    let ada = ada().await;
    let one = || async move {
        let client = Client::new();
        for _ in 0..LOG_INS / 4 {
            let client = client.elsewhere();
            let token = unlock(&log_in(&client, ada).await);
            client.with_token(&token).post(path::LOGOUT, &json!({})).await.ok();
        }
    };
    tokio::join!(one(), one(), one(), one());
}

#[tokio::test]
async fn a_session_takes_five_wrong_proofs_and_one_right_one() {
    let (client, account) = (Client::new(), sign_up().await);
    let wrong = begin_srp(&client, &account.srp, &LoginKey::random()).await.request;
    for _ in 0..5 {
        client.elsewhere().post(path::SRP_VERIFY_SESSION, &wrong).await.refused(401);
    }
    let late = client.elsewhere().post(path::SRP_VERIFY_SESSION, &wrong).await;
    late.refused_with(410, code::TOO_MANY_WRONG_ATTEMPTS);

    let attempt = begin_srp(&client, &account.srp, &derive_login_key(&KEK)).await;
    let misses = SrpVerifySessionRequest { srp_m1: B64::of([0; 32]), ..attempt.request.clone() };
    for _ in 0..4 {
        client.elsewhere().post(path::SRP_VERIFY_SESSION, &misses).await.refused(401);
    }
    let client = client.elsewhere();
    let answer: Authorization = client.post(path::SRP_VERIFY_SESSION, &attempt.request).await.json();
    attempt.check(&answer);
    client.post(path::SRP_VERIFY_SESSION, &attempt.request).await.refused_with(410, code::SESSION_ALREADY_VERIFIED);

    // One has waited since above, so nine more make ten.
    for _ in 0..9 {
        begin_srp(&client.elsewhere(), &account.srp, &derive_login_key(&KEK)).await;
    }
    let request = json!({"srpUserID": account.srp.user_id, "srpA": B64::of(SrpClient::new().a_public())});
    let full = client.elsewhere().post(path::SRP_CREATE_SESSION, &request).await;
    full.refused_with(429, code::TOO_MANY_UNVERIFIED_SESSIONS);
}

#[tokio::test]
async fn an_unknown_id_gets_a_session_that_no_proof_opens() {
    let client = Client::new();
    let user = uuid::Uuid::new_v4().to_string();
    let request = json!({"srpUserID": user, "srpA": B64::of(SrpClient::new().a_public())});
    let session: SrpCreateSessionAnswer = client.post(path::SRP_CREATE_SESSION, &request).await.json();
    assert_eq!(session.srp_b.bytes().map(|b| b.len()), Some(512));
    let proof = json!({"sessionID": session.session_id, "srpUserID": user, "srpM1": B64::of([7; 32])});
    client.post(path::SRP_VERIFY_SESSION, &proof).await.refused(401);
}

#[tokio::test]
async fn malformed_values_are_refused() {
    let (client, ada) = (Client::new(), ada().await);
    let create = |user: &str, a: B64| {
        let (client, body) = (client.elsewhere(), json!({"srpUserID": user, "srpA": a}));
        async move { client.post(path::SRP_CREATE_SESSION, &body).await }
    };
    let user = ada.srp.user_id.as_str();
    create("not-a-uuid", B64::of([1; 512])).await.refused(400);
    create(user, B64::of([1; 511])).await.refused_with(400, code::BAD_REQUEST);
    create(user, B64("%%%".into())).await.refused_with(400, code::BAD_REQUEST);
    create(user, B64::of([0; 512])).await.no_json(500);
    let session = uuid::Uuid::new_v4().to_string();
    let short = json!({"sessionID": session, "srpUserID": user, "srpM1": B64::of([7; 31])});
    client.post(path::SRP_VERIFY_SESSION, &short).await.refused_with(400, code::BAD_REQUEST);
    let unknown = json!({"sessionID": session, "srpUserID": user, "srpM1": B64::of([7; 32])});
    client.post(path::SRP_VERIFY_SESSION, &unknown).await.refused(401);
}

#[tokio::test]
async fn attributes_are_by_address() {
    let client = Client::new();
    client.get(path::SRP_ATTRIBUTES).await.refused(400);
    client.get(&format!("{}?email={}", path::SRP_ATTRIBUTES, fresh_email())).await.refused(404);
}
