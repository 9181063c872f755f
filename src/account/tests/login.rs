//! Protocol notes, auth 2.3, 2.5 and 2.6.

use super::keyring::Mood;
use super::server::{Fault, Server};
use super::*;
use crate::base::B64;
use crate::crypto::{SrpServer, compute_verifier, derive_login_key};

#[tokio::test]
async fn a_password_logs_in_and_opens_the_account() {
    let world = World::with_account().await;
    let person = Person::new();
    let flows = world.flows(&person);
    let opened = flows.login(EMAIL).await.map_err(|error| error.to_string()).unwrap();
    assert!(world.server.account().tokens.contains(&*opened.session.token));
    assert_eq!(person.count("password LogIn"), 1);
    assert_eq!(person.count("code"), 0);
    assert_eq!(person.count("derivation Begun"), 1, "one derivation serves the proof and the keys");
    assert!(!world.dir().is_expired());
}

#[tokio::test]
async fn a_wrong_password_is_told_from_an_unknown_account() {
    let world = World::with_account().await;
    let person = Person::saying(&["wrong"], &["123456"], &[]);
    let error = failure(world.flows(&person).login(EMAIL).await);
    assert!(matches!(error, AccountError::WrongPassword) && error.exit_code() == 4, "{error}");
    assert_eq!(person.count("password"), 3);
    let script = Person::script("wrong");
    let error = failure(world.flows(&script).login(EMAIL).await);
    assert!(matches!(error, AccountError::WrongPassword));
    assert_eq!(script.count("password"), 1, "a flag's answer does not change");
    let error = failure(World::new().flows(&Person::new()).login(EMAIL).await);
    assert!(matches!(error, AccountError::UnknownAccount { .. }) && error.exit_code() == 4, "{error}");
}

#[tokio::test]
async fn a_second_try_may_be_right() {
    let world = World::with_account().await;
    let person = Person::saying(&["wrong", PASSWORD], &[], &[]);
    world.flows(&person).login(EMAIL).await.map(|_| ()).unwrap();
    assert_eq!((person.count("password"), person.count("wrong: the password")), (2, 1));
}

/// What another device does: the same master key under another password.
fn change_password(server: &Server, old: &Kek, new: &'static str) {
    let kdf = CheapKdf { memory: AtomicU64::new(u64::MAX) };
    server.change(|account| {
        let keys = account.keys.as_mut().unwrap();
        let master = super::super::unlock::open_master(old, keys).unwrap();
        let limits = super::super::unlock::kdf_of_keys(keys).unwrap().1;
        let kek = kdf.derive(new.as_bytes(), &[9; 16], limits).unwrap();
        let boxed = crate::crypto::seal_box(&kek, master.bytes());
        keys.kek_salt = B64::of([9; 16]);
        (keys.encrypted_key, keys.key_decryption_nonce) = (B64::of(boxed.ciphertext), B64::of(boxed.nonce));
        let user = uuid::Uuid::new_v4().hyphenated().to_string();
        let verifier = compute_verifier(&user, &[8; 16], &derive_login_key(&kek));
        account.srp = Some((user, B64::of([8; 16]), verifier.to_vec()));
    });
}

fn kek_of(server: &Server, password: &str) -> Kek {
    let (salt, limits) = super::super::unlock::kdf_of_keys(server.account().keys.as_ref().unwrap()).unwrap();
    CheapKdf { memory: AtomicU64::new(u64::MAX) }.derive(password.as_bytes(), &salt, limits).unwrap()
}

#[tokio::test]
async fn a_password_changed_elsewhere_keeps_the_account_and_asks_for_the_new_one() {
    let world = World::with_account().await;
    let first = world.flows(&Person::new()).login(EMAIL).await.map_err(|error| error.to_string()).unwrap();
    change_password(&world.server, &kek_of(&world.server, PASSWORD), "battery staple");
    let validity = crate::remote::LoginApi::fetch_session_validity(&*world.server, &first.session.token).await.unwrap();
    assert!(first.session.password_changed(&validity), "noticed without a log-in");
    let person = Person::saying(&[PASSWORD, "battery staple"], &[], &[]);
    let second = world.flows(&person).login(EMAIL).await.map_err(|error| error.to_string()).unwrap();
    assert_eq!(second.session.keys.master.bytes(), first.session.keys.master.bytes());
    assert_eq!(second.device.bytes(), first.device.bytes(), "the same account keeps its device key");
    assert!(!second.session.password_changed(&validity));
}

#[tokio::test]
async fn an_account_that_wants_a_code_gets_one_asked_for() {
    let world = World::with_account().await;
    world.server.change(|account| account.email_mfa = true);
    let person = Person::saying(&["wrong", PASSWORD], &["000000", "123456"], &[]);
    world.flows(&person).login(EMAIL).await.map(|_| ()).unwrap();
    assert_eq!(
        person.seen()[..2],
        ["code", "wrong: the e-mail code is wrong or was used before; try again with a new one"]
    );
    assert_eq!((person.count("code"), person.count("password")), (2, 2));
    assert_eq!(world.server.count("create_srp_session"), 0);
}

#[tokio::test]
async fn an_account_without_srp_logs_in_by_code_and_has_it_afterwards() {
    let world = World::with_account().await;
    world.server.change(|account| account.srp = None);
    world.flows(&Person::new()).login(EMAIL).await.map(|_| ()).unwrap();
    assert!(world.server.account().srp.is_some());
    world.server.change(|account| account.srp = None);
    world.server.fail("set_up_srp", Fault::Status(500, ""));
    world.flows(&Person::new()).login(EMAIL).await.map(|_| ()).expect("the log-in does not depend on it");
}

#[tokio::test]
async fn a_password_log_in_that_is_locked_goes_by_code_with_the_same_password() {
    for fault in [Fault::Status(429, "TOO_MANY_UNVERIFIED_SESSIONS"), Fault::Status(409, "EMAIL_MFA_ENABLED")] {
        let world = World::with_account().await;
        world.server.fail("create_srp_session", fault);
        let person = Person::new();
        world.flows(&person).login(EMAIL).await.map(|_| ()).unwrap();
        assert_eq!((person.count("password"), person.count("code")), (1, 1));
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_the_account_gets_nothing() {
    let world = World::with_account().await;
    world.server.0.lock().wrong_m2 = true;
    let error = failure(world.flows(&Person::new()).login(EMAIL).await);
    assert!(matches!(error, AccountError::ServerProof), "{error}");
    assert!(world.files().is_empty());
    // The proof is looked at before a second factor is asked for.
    world.server.change(|account| account.totp = Some("654321"));
    assert!(matches!(failure(world.flows(&Person::new()).login(EMAIL).await), AccountError::ServerProof));
    assert_eq!(SrpServer::new(&[1; 512]).b_public().len(), 512);
}

#[tokio::test]
async fn an_authenticators_code_is_asked_for_where_there_is_one() {
    let world = World::with_account().await;
    world.server.change(|account| account.totp = Some("654321"));
    let person = Person::saying(&[PASSWORD], &[], &[Some("111111"), Some("654 321")]);
    world.flows(&person).login(EMAIL).await.map(|_| ()).unwrap();
    assert_eq!(person.count("totp, or passkey: false"), 2);
    let wrong = Person::saying(&[PASSWORD], &[], &[Some("111111")]);
    let error = failure(world.flows(&wrong).login(EMAIL).await);
    assert!(matches!(error, AccountError::WrongCode { .. }) && error.exit_code() == 4, "{error}");
    let none = failure(world.flows(&Person::new()).login(EMAIL).await);
    assert!(matches!(none, AccountError::Missing { .. }) && none.exit_code() == 2, "{none}");
}

#[tokio::test]
async fn a_passkey_is_waited_for() {
    let world = World::with_account().await;
    world.server.change(|account| account.passkey = Some(3));
    world.server.fail("fetch_passkey_token", Fault::Lost);
    world.server.fail("fetch_passkey_token", Fault::Status(429, ""));
    let person = Person::new();
    world.flows(&person).login(EMAIL).await.map(|_| ()).unwrap();
    assert_eq!(
        person.count("url https://accounts.example.org/passkeys/verify?passkeySessionID=passkey%20session%3D"),
        1
    );
    assert_eq!(world.server.count("fetch_passkey_token"), 6, "a lost poll and a refused one, three without, the last");
}

#[tokio::test]
async fn a_passkey_that_is_never_confirmed_ends_the_wait() {
    for (polls, fault) in
        [(usize::MAX, None), (1, Some(Fault::Status(410, "INVALID_SESSION"))), (1, Some(Fault::Status(404, "")))]
    {
        let world = World::with_account().await;
        world.server.change(|account| account.passkey = Some(polls));
        if let Some(fault) = fault {
            world.server.fail("fetch_passkey_token", fault);
        }
        let error = failure(world.flows(&Person::new()).login(EMAIL).await);
        assert!(matches!(error, AccountError::PasskeyTimeout) && error.exit_code() == 4, "{error}");
    }
}

#[tokio::test]
async fn with_both_second_factors_one_may_choose() {
    let world = World::with_account().await;
    world.server.change(|account| (account.totp, account.passkey) = (Some("654321"), Some(0)));
    let (by_code, by_key) =
        (Person::saying(&[PASSWORD], &[], &[Some("654321")]), Person::saying(&[PASSWORD], &[], &[None]));
    for person in [&by_code, &by_key] {
        world.flows(person).login(EMAIL).await.map(|_| ()).unwrap();
        assert_eq!(person.count("totp, or passkey: true"), 1);
    }
    assert_eq!((by_code.count("url"), by_key.count("url")), (0, 1));
}

#[tokio::test]
async fn an_unfinished_sign_up_is_sent_back_to_it() {
    let world = World::new();
    world.server.fail("put_key_attributes", Fault::Status(500, ""));
    world.server.fail("fetch_session_validity", Fault::Lost);
    failure(world.flows(&Person::new()).signup(EMAIL).await);
    let error = failure(world.flows(&Person::new()).login(EMAIL).await);
    assert!(matches!(error, AccountError::SignupIncomplete { .. }), "{error}");
}

#[tokio::test]
async fn a_new_log_in_swaps_the_token_and_clears_the_mark() {
    let world = World::with_account().await;
    let flows = world.flows(&Person::new());
    let cell = flows.token.clone();
    let first = flows.login(EMAIL).await.map_err(|error| error.to_string()).unwrap();
    let stamp = world.dir().session_stamp();
    world.dir().mark_expired().unwrap();
    assert!(world.dir().is_expired() && world.dir().read().is_ok(), "what is here stays readable");
    let second = flows.login(EMAIL).await.map_err(|error| error.to_string()).unwrap();
    assert!(!world.dir().is_expired() && world.dir().session_stamp() != stamp);
    assert_ne!(first.session.token, second.session.token);
    assert!(cell.holds(&second.session.token), "calls that go on use it");
    assert_eq!(first.device.bytes(), second.device.bytes());
}

#[tokio::test]
async fn another_accounts_directory_is_refused_and_the_new_session_ended() {
    let world = World::with_account().await;
    world.flows(&Person::new()).login(EMAIL).await.map(|_| ()).unwrap();
    let before = world.files();
    let other = World::with_account().await;
    other.server.change(|account| account.id += 1);
    let tokens = other.server.account().tokens.len();
    let here = AccountFlows { dir: world.dir(), ..other.flows(&Person::new()) };
    let error = failure(here.login(EMAIL).await);
    assert!(matches!(&error, AccountError::OtherAccount { owner } if owner == EMAIL), "{error}");
    assert_eq!((other.server.account().tokens.len(), other.server.count("logout")), (tokens, 1));
    assert_eq!(world.files(), before);
    // Without the device key the copy still tells whose it is.
    std::fs::remove_file(world.file("device.key")).unwrap();
    let error = failure(here.login(EMAIL).await);
    assert!(matches!(error, AccountError::OtherAccount { .. }), "{error}");
    assert!(world.dir().read().is_err(), "nothing was given to the other account");
    world.flows(&Person::new()).login(EMAIL).await.map(|_| ()).expect("its owner gets it back");
}

#[tokio::test]
async fn a_lost_keyring_is_healed_by_logging_in() {
    let world = World::with_account().await;
    *world.keyring.mood.lock() = Mood::Works;
    let first = world.flows(&Person::new()).login(EMAIL).await.map_err(|error| error.to_string()).unwrap();
    assert!(!world.file("device.key").exists(), "no secret in clear");
    world.keyring.secrets.lock().clear();
    let error = failure(world.dir().read());
    assert!(matches!(error, AccountError::DeviceKeyUnreachable { .. }) && error.exit_code() == 3, "{error}");
    assert!(error.to_string().contains("entefs login"), "{error}");
    let flows = AccountFlows { sealed_data_exists: true, ..world.flows(&Person::new()) };
    let second = flows.login(EMAIL).await.map_err(|error| error.to_string()).unwrap();
    assert_eq!(second.device.bytes(), first.device.bytes());
    assert_eq!(world.dir().read().unwrap().device.bytes(), first.device.bytes());
}

#[tokio::test]
async fn refusals_of_the_log_in_say_what_they_mean() {
    for (call, fault, words) in [
        ("fetch_srp_attributes", Fault::Status(429, ""), "too many"),
        ("create_srp_session", Fault::Status(429, ""), "too many"),
        ("verify_srp_session", Fault::Status(410, "TOO_MANY_WRONG_ATTEMPTS"), "too many"),
        ("verify_srp_session", Fault::Status(410, ""), "no account"),
        ("verify_srp_session", Fault::Status(403, "ACCOUNT_SCHEDULED_FOR_DELETION"), "deleted"),
        ("verify_srp_session", Fault::Lost, "no connection"),
    ] {
        let world = World::with_account().await;
        world.server.fail(call, fault);
        let error = failure(world.flows(&Person::new()).login(EMAIL).await).to_string();
        assert!(error.contains(words), "{call}: {error}");
        assert!(world.server.count(call) <= 2, "{call} is not repeated (once by the sign-up)");
    }
}

#[tokio::test]
async fn damaged_keys_of_the_server_are_no_wrong_password() {
    let world = World::with_account().await;
    world.server.change(|account| account.keys.as_mut().unwrap().encrypted_secret_key = B64::of([1; 48]));
    let error = failure(world.flows(&Person::new()).login(EMAIL).await);
    assert!(matches!(error, AccountError::Unreadable { .. }) && error.exit_code() == 7, "{error}");
}
