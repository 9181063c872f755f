//! TOTP and passkeys (auth 2.5, 2.6).

use crate::client::Client;
use crate::people::{Account, log_in, sign_up, unlock};
use crate::photos::noise;
use crate::world::embedded;
use entefs::wire::{Authorization, TotpSetupAnswer, TotpStatusAnswer, code, path};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use totp_rs::{Builder, Secret};

/// The code of the step that lies so many away from now.
fn code_at(secret: [u8; 20], steps: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
    let totp = Builder::new().with_secret(Secret::new_stack(secret)).build().expect("20 bytes");
    totp.generate((now + 30 * steps) as u64).to_string()
}

fn decode_base32(text: &str) -> [u8; 20] {
    let digit = |c: u8| if c.is_ascii_uppercase() { c - b'A' } else { c - b'2' + 26 };
    let bits: Vec<u8> = text.bytes().flat_map(|c| (0..5).rev().map(move |bit| digit(c) >> bit & 1)).collect();
    std::array::from_fn(|i| bits[8 * i..8 * i + 8].iter().fold(0, |byte, bit| byte << 1 | bit))
}

async fn enrol(client: &Client) -> [u8; 20] {
    let status: TotpStatusAnswer = client.get(path::TWO_FACTOR_STATUS).await.json();
    assert!(!status.status);
    let setup: TotpSetupAnswer = client.post(path::TWO_FACTOR_SETUP, &json!({})).await.json();
    assert_eq!(setup.secret_code.len(), 32);
    let secret = decode_base32(&setup.secret_code);
    let enable = |code: String| {
        let body = json!({
            "code": code, "encryptedTwoFactorSecret": noise(40), "twoFactorSecretDecryptionNonce": noise(24),
        });
        let client = client.clone();
        async move { client.post(path::TWO_FACTOR_ENABLE, &body).await }
    };
    enable(code_at(secret, 40)).await.refused(401);
    enable(code_at(secret, 0)).await.empty();
    let status: TotpStatusAnswer = client.get(path::TWO_FACTOR_STATUS).await.json();
    assert!(status.status);
    secret
}

async fn verify(session: &str, code: &str) -> crate::client::Reply {
    Client::new().post(path::TWO_FACTOR_VERIFY, &json!({"sessionID": session, "code": code})).await
}

#[tokio::test]
async fn totp_stands_between_the_password_and_the_keys() {
    let account = sign_up().await;
    let client = account.client();
    let secret = enrol(&client).await;
    let answer = log_in(&Client::new(), &account).await;
    assert!(answer.key_attributes.is_none() && answer.encrypted_token.is_none() && answer.token.is_none());
    let session = answer.totp_session().expect("a second factor").to_owned();
    assert!(answer.two_factor_session_id_v2.is_empty() && answer.passkey_session().is_none());
    verify(&session, &code_at(secret, 40)).await.refused(401);
    let code = code_at(secret, 0);
    let complete: Authorization = verify(&session, &code).await.json();
    client.with_token(&unlock(&complete)).get(path::DETAILS).await.ok();

    let session = log_in(&Client::new(), &account).await.totp_session().expect("a second factor").to_owned();
    verify(&session, &code).await.refused(401);
    for _ in 0..9 {
        verify(&session, "000000").await.refused(401);
    }
    verify(&session, &code_at(secret, 1)).await.refused(429);
    verify("unknown", "000000").await.refused(404);
    verify("", "000000").await.refused(400);

    client.post(path::TWO_FACTOR_DISABLE, &json!({})).await.ok();
    unlock(&log_in(&Client::new(), &account).await);
    passkey(&account).await;
}

/// Goes on with the account of the test above: sign-ups are few.
async fn passkey(account: &Account) {
    let Some(server) = embedded("a passkey") else { return };
    server.set_passkey(&account.email, true).expect("the account exists");
    let answer = log_in(&Client::new(), account).await;
    let session = answer.passkey_session().expect("a passkey session").to_owned();
    assert!(!answer.accounts_url.is_empty() && answer.totp_session().is_none());
    let fetch = |session: String| async move {
        Client::new().request(reqwest::Method::GET, path::PASSKEY_GET_TOKEN).query(&[("sessionID", session)])
    };
    let fetch = async |session: &str| crate::client::send(fetch(session.to_owned()).await).await;
    fetch("").await.refused_with(400, code::BAD_REQUEST);
    fetch("unknown").await.refused(404);
    fetch(&session).await.refused_with(400, code::SESSION_NOT_VERIFIED);
    assert!(server.verify_passkey_session(&session).expect("a session"));
    for _ in 0..2 {
        let complete: Authorization = fetch(&session).await.json();
        unlock(&complete);
    }
    fetch(&session).await.refused_with(410, "INVALID_SESSION");

    server.enable_totp(&account.email, &[7; 20]).expect("the account exists");
    let both = log_in(&Client::new(), account).await;
    assert!(both.passkey_session().is_some() && both.two_factor_session_id.is_empty());
    assert_eq!(both.totp_session(), Some(both.two_factor_session_id_v2.as_str()));
    let complete: Value = verify(&both.two_factor_session_id_v2, &code_at([7; 20], 0)).await.json();
    assert!(complete.get("twoFactorSessionID").is_none(), "only id, keys and token: {complete}");
}
