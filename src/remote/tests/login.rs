//! Log-in calls: protocol notes, auth 2 and 3.4.

use super::server::{Act, Reply, Server};
use super::*;
use crate::wire::{
    OttRequest, SecondFactor, SetKeyAttributes, SrpCompleteRequest, SrpCreateSessionRequest, SrpSetupRequest,
    SrpVerifySessionRequest, TotpVerifyRequest, TwoFactorRemoveRequest, VerifyEmailRequest,
};

async fn login(reply: Reply) -> (HttpLogin, Server) {
    let server = Server::start(move |_| reply.clone()).await;
    (HttpLogin::new(&options(&server.origin)).unwrap(), server)
}

fn removal() -> TwoFactorRemoveRequest {
    TwoFactorRemoveRequest { session_id: "s".into(), secret: "ABC".into(), two_factor_type: SecondFactor::Totp }
}

#[tokio::test]
async fn log_in_calls_carry_no_token_but_where_one_is_due() {
    let (login, server) = login(Reply::json(
        200,
        r#"{"attributes":{"srpUserID":"u","srpSalt":"","memLimit":1,"opsLimit":1,"kekSalt":""}}"#,
    ))
    .await;
    login.request_code(&OttRequest { email: "a@b".into(), purpose: "login".into() }).await.unwrap();
    login.fetch_srp_attributes("a+b@c").await.unwrap();
    login.verify_email(&VerifyEmailRequest::default()).await.unwrap();
    login.create_srp_session(&SrpCreateSessionRequest::default()).await.unwrap();
    login.verify_srp_session(&SrpVerifySessionRequest::default()).await.unwrap();
    login.verify_totp(&TotpVerifyRequest::default()).await.unwrap();
    login.fetch_passkey_token("a/b=").await.unwrap();
    login.fetch_two_factor_recovery("s", SecondFactor::Passkey).await.unwrap();
    login.remove_two_factor(&removal()).await.unwrap();
    login.put_key_attributes("mine", &SetKeyAttributes::default()).await.unwrap();
    login.set_up_srp("mine", &SrpSetupRequest::default()).await.unwrap();
    login.complete_srp("mine", &SrpCompleteRequest::default()).await.unwrap();
    login.fetch_session_validity("mine").await.unwrap();
    login.logout("mine").await.unwrap();
    let asked: Vec<String> = server.requests().iter().map(|r| format!("{} {}", r.method, r.target)).collect();
    assert_eq!(
        asked,
        [
            "POST /users/ott",
            "GET /users/srp/attributes?email=a%2Bb%40c",
            "POST /users/verify-email",
            "POST /users/srp/create-session",
            "POST /users/srp/verify-session",
            "POST /users/two-factor/verify",
            "GET /users/two-factor/passkeys/get-token?sessionID=a%2Fb%3D",
            "GET /users/two-factor/recover?sessionID=s&twoFactorType=passkey",
            "POST /users/two-factor/remove",
            "PUT /users/attributes",
            "POST /users/srp/setup",
            "POST /users/srp/complete",
            "GET /users/session-validity/v2",
            "POST /users/logout",
        ]
    );
    for (i, request) in server.requests().iter().enumerate() {
        assert_eq!(request.header("x-auth-token"), (i >= 9).then_some("mine"), "{}", request.target);
        assert_eq!(request.header("x-client-package"), Some("io.ente.photos"));
    }
    let removed = String::from_utf8(server.requests()[8].body.clone()).unwrap();
    assert_eq!(removed, r#"{"sessionID":"s","secret":"ABC","twoFactorType":"totp"}"#);
}

#[tokio::test]
async fn proofs_and_codes_are_sent_once_whatever_happens() {
    for reply in [Reply::json(503, "{}"), Reply::acts([Act::Reset])] {
        let (login, server) = login(reply).await;
        login.verify_email(&VerifyEmailRequest::default()).await.err().unwrap();
        login.create_srp_session(&SrpCreateSessionRequest::default()).await.err().unwrap();
        login.verify_srp_session(&SrpVerifySessionRequest::default()).await.err().unwrap();
        login.verify_totp(&TotpVerifyRequest::default()).await.err().unwrap();
        login.complete_srp("t", &SrpCompleteRequest::default()).await.err().unwrap();
        login.set_up_srp("t", &SrpSetupRequest::default()).await.err().unwrap();
        login.put_key_attributes("t", &SetKeyAttributes::default()).await.err().unwrap();
        login.remove_two_factor(&removal()).await.err().unwrap();
        login.fetch_passkey_token("s").await.err().unwrap();
        assert_eq!(server.requests().len(), 9);
    }
}

#[tokio::test]
async fn reading_attributes_is_repeated_and_a_429_is_a_persons_to_wait_for() {
    let (login_shaky, server) = login(Reply::json(500, "{}")).await;
    login_shaky.fetch_srp_attributes("a@b").await.expect_err("down");
    assert_eq!(server.requests().len(), 4);
    let (login_limited, server) = login(Reply::json(429, r#"{"error":"Rate limit breached, try later"}"#)).await;
    let begun = std::time::Instant::now();
    assert_eq!(login_limited.fetch_srp_attributes("a@b").await.expect_err("limited").status(), Some(429));
    assert!(server.requests().len() == 1 && begun.elapsed() < Duration::from_millis(200));
}
