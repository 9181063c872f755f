//! Protocol notes, auth 2.2.

use super::server::Fault;
use super::*;
use crate::crypto::{KDF_LADDER, parse_recovery_key};
use crate::remote::RemoteError;

#[tokio::test]
async fn a_sign_up_goes_in_order_and_ends_logged_in() {
    let (world, person) = (World::new(), Person::new());
    let flows = world.flows(&person);
    let opened = flows.signup(&format!("  {EMAIL}\n")).await.map_err(|error| error.to_string()).unwrap();
    assert_eq!(
        world.server.0.lock().calls,
        [
            "request_code",
            "verify_email",
            "fetch_session_validity",
            "put_key_attributes",
            "set_up_srp",
            "complete_srp",
            "fetch_srp_attributes",
        ]
    );
    let account = world.server.account();
    assert_eq!(opened.session.user().0, account.id);
    assert_eq!(vec![opened.session.token.to_string()], account.tokens, "the token of the code is the session");
    assert_eq!((opened.session.email.as_str(), opened.session.endpoint.as_str()), (EMAIL, "http://127.0.0.1:8080"));
    let again = world.dir().read().unwrap();
    assert_eq!(again.device.bytes(), opened.device.bytes());
    assert_eq!(again.session.keys.master.bytes(), opened.session.keys.master.bytes());
}

#[tokio::test]
async fn the_recovery_key_that_is_shown_opens_the_account() {
    let (world, person) = (World::new(), Person::new());
    let opened = world.flows(&person).signup(EMAIL).await.map_err(|error| error.to_string()).unwrap();
    let words = person.words.lock().clone().expect("they were shown");
    let recovery = parse_recovery_key(&words).unwrap();
    let keys = world.server.account().keys.unwrap();
    let (nonce, sealed) = (&keys.master_key_decryption_nonce, &keys.master_key_encrypted_with_recovery_key);
    let master = crate::crypto::open_box(&recovery, &nonce.bytes().unwrap(), &sealed.bytes().unwrap()).unwrap();
    assert_eq!(master.as_slice(), opened.session.keys.master.bytes());
    assert_eq!(person.seen().last().map(String::as_str), Some("words"), "at the very end");
}

#[tokio::test]
async fn a_machine_with_little_memory_takes_the_lower_rung() {
    let (world, person) = (World::new(), Person::new());
    world.kdf.memory.store(KDF_LADDER[1].mem_limit, Ordering::Relaxed);
    world.flows(&person).signup(EMAIL).await.map(|_| ()).unwrap();
    let keys = world.server.account().keys.unwrap();
    assert_eq!((keys.mem_limit, keys.ops_limit), (134_217_728, 32));
    assert_eq!(person.count("derivation Lower"), 1);
    let small = World::new();
    small.kdf.memory.store(1, Ordering::Relaxed);
    assert!(matches!(failure(small.flows(&Person::new()).signup(EMAIL).await), AccountError::Derivation(_)));
    assert!(small.server.account().keys.is_none(), "nothing was sent");
}

#[tokio::test]
async fn an_address_that_has_an_account_is_sent_to_the_log_in() {
    let world = World::with_account().await;
    let error = failure(world.flows(&Person::new()).signup(EMAIL).await);
    assert!(matches!(error, AccountError::AlreadyRegistered { .. }), "{error}");
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn an_interrupted_sign_up_goes_on_wherever_it_was() {
    for call in ["verify_email", "fetch_session_validity", "put_key_attributes"] {
        let world = World::new();
        world.server.fail(call, Fault::Status(500, ""));
        world.server.fail("fetch_session_validity", Fault::Lost);
        failure(world.flows(&Person::new()).signup(EMAIL).await);
        world.server.0.lock().faults.clear();
        world.flows(&Person::new()).signup(EMAIL).await.map(|_| ()).expect(call);
    }
    for call in ["set_up_srp", "complete_srp", "fetch_srp_attributes"] {
        let world = World::new();
        world.server.fail(call, Fault::Status(500, ""));
        failure(world.flows(&Person::new()).signup(EMAIL).await);
        let error = failure(world.flows(&Person::new()).signup(EMAIL).await);
        assert!(matches!(error, AccountError::AlreadyRegistered { .. }), "{call}: the account has its keys: {error}");
        world.flows(&Person::new()).login(EMAIL).await.map(|_| ()).unwrap();
        assert!(world.server.account().srp.is_some(), "{call}: the log-in has given it its log-in by password");
    }
}

#[tokio::test]
async fn lost_answers_are_resolved_by_asking_what_the_server_has() {
    for call in ["put_key_attributes", "complete_srp"] {
        let world = World::new();
        world.server.fail(call, Fault::AnswerLost);
        world.flows(&Person::new()).signup(EMAIL).await.map(|_| ()).unwrap();
        assert_eq!(world.server.count(call), 1, "{call}: never sent twice");
    }
    let world = World::new();
    world.server.fail("put_key_attributes", Fault::Lost);
    world.flows(&Person::new()).signup(EMAIL).await.map(|_| ()).unwrap();
    assert_eq!(world.server.count("put_key_attributes"), 2, "it had not arrived");
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_is_not_trusted() {
    let world = World::new();
    world.server.0.lock().wrong_m2 = true;
    let error = failure(world.flows(&Person::new()).signup(EMAIL).await);
    assert!(matches!(error, AccountError::ServerProof), "{error}");
    assert!(world.files().is_empty(), "nothing is kept");
}

#[tokio::test]
async fn a_directory_in_use_is_refused_before_anything_is_made() {
    let world = World::new();
    world.flows(&Person::new()).signup(EMAIL).await.map(|_| ()).unwrap();
    let calls = world.server.0.lock().calls.len();
    let error = failure(world.flows(&Person::new()).signup("other@example.org").await);
    assert!(matches!(&error, AccountError::OtherAccount { owner } if owner == EMAIL), "{error}");
    let sealed = World::new();
    let flows = AccountFlows { sealed_data_exists: true, ..sealed.flows(&Person::new()) };
    assert!(matches!(failure(flows.signup(EMAIL).await), AccountError::OtherAccount { .. }));
    assert_eq!((world.server.0.lock().calls.len(), sealed.server.0.lock().calls.len()), (calls, 0));
}

#[tokio::test]
async fn wrong_and_missing_codes_are_said() {
    let (world, person) = (World::new(), Person::saying(&[PASSWORD], &["000000", " 123456 "], &[]));
    world.flows(&person).signup(EMAIL).await.map(|_| ()).unwrap();
    assert_eq!(person.count("wrong: the e-mail code"), 1);
    for (person, wrong) in
        [(Person::saying(&[PASSWORD], &["000000"], &[]), true), (Person::saying(&[PASSWORD], &[], &[]), false)]
    {
        let error = failure(World::new().flows(&person).signup(EMAIL).await);
        assert_eq!(matches!(error, AccountError::WrongCode { .. }), wrong, "{error}");
        assert_eq!(error.exit_code(), if wrong { 4 } else { 2 });
        assert!(person.count("code") <= 3);
    }
}

#[tokio::test]
async fn a_refusal_says_what_it_means() {
    for (call, fault, words) in [
        ("request_code", Fault::Status(403, ""), "no new accounts"),
        ("request_code", Fault::Status(429, ""), "too many"),
        ("verify_email", Fault::Status(410, ""), "expired"),
        ("verify_email", Fault::Status(403, "ACCOUNT_SCHEDULED_FOR_DELETION"), "deleted"),
        ("put_key_attributes", Fault::Status(403, ""), "403"),
    ] {
        let world = World::new();
        world.server.fail(call, fault);
        let error = failure(world.flows(&Person::new()).signup(EMAIL).await).to_string();
        assert!(error.contains(words), "{call}: {error}");
    }
    let empty = failure(World::new().flows(&Person::saying(&[""], &["123456"], &[])).signup(EMAIL).await);
    assert!(matches!(empty, AccountError::EmptyPassword));
}

#[tokio::test]
async fn keys_that_are_not_ours_are_noticed() {
    let world = World::new();
    world.server.fail("put_key_attributes", Fault::Lost);
    let flows = world.flows(&Person::new());
    let other = super::super::unlock::make_account(&Kek::random(), &[0; 16], KDF_LADDER[0]).attributes;
    let server = world.server.clone();
    // Another device finishes the same sign-up while our answer is awaited.
    world.server.fail("fetch_session_validity", Fault::Status(503, ""));
    assert!(matches!(failure(flows.signup(EMAIL).await), AccountError::Remote(RemoteError::Status { .. })));
    server.change(|account| account.keys = Some(other));
    let error = failure(flows.signup(EMAIL).await);
    assert!(matches!(error, AccountError::AlreadyRegistered { .. }), "{error}");
}
