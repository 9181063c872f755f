//! The command-line contract, 2: `recovery-key`.

use super::*;

#[tokio::test]
async fn the_recovery_key_is_shown_again_after_the_password() {
    let (world, maker) = (World::new(), Person::new());
    world.flows(&maker).signup(EMAIL).await.map(|_| ()).unwrap();
    let person = Person::saying(&["wrong", PASSWORD], &[], &[]);
    world.flows(&person).show_recovery_key().await.unwrap();
    assert_eq!(*person.words.lock(), *maker.words.lock());
    assert_eq!(person.count("password Confirm"), 2);
}

#[tokio::test]
async fn a_wrong_password_shows_nothing() {
    let world = World::new();
    world.flows(&Person::new()).signup(EMAIL).await.map(|_| ()).unwrap();
    let person = Person::script("wrong");
    assert!(matches!(failure(world.flows(&person).show_recovery_key().await), AccountError::WrongPassword));
    assert_eq!(*person.words.lock(), None);
}

#[tokio::test]
async fn without_a_session_there_is_nothing_to_show() {
    let world = World::with_account().await;
    assert!(matches!(failure(world.flows(&Person::new()).show_recovery_key().await), AccountError::NotLoggedIn));
    world.flows(&Person::new()).login(EMAIL).await.map(|_| ()).unwrap();
    world.server.change(|account| account.tokens.clear());
    assert_eq!(failure(world.flows(&Person::new()).show_recovery_key().await).exit_code(), 3);
}

#[tokio::test]
async fn an_old_account_without_one_says_so() {
    let world = World::new();
    world.flows(&Person::new()).signup(EMAIL).await.map(|_| ()).unwrap();
    world.server.change(|account| {
        account.keys.as_mut().unwrap().recovery_key_encrypted_with_master_key = crate::base::B64::default();
    });
    assert!(matches!(failure(world.flows(&Person::new()).show_recovery_key().await), AccountError::NoRecoveryKey));
}
