//! The command-line contract, 2: `logout`.

use super::keyring::Mood;
use super::server::Fault;
use super::*;
use crate::remote::LoginApi;

async fn logged_in(mood: Mood) -> (World, AccountFlows) {
    let world = World::with_account().await;
    *world.keyring.mood.lock() = mood;
    let flows = world.flows(&Person::new());
    flows.login(EMAIL).await.map(|_| ()).unwrap();
    (world, flows)
}

#[tokio::test]
async fn a_log_out_ends_the_session_and_destroys_both_ways_to_the_key() {
    for mood in [Mood::Absent, Mood::Works] {
        let (world, flows) = logged_in(mood).await;
        let token = world.dir().read().unwrap().session.token.to_string();
        world.dir().mark_expired().unwrap();
        assert_eq!(flows.logout().await.unwrap(), LoggedOut::Everywhere);
        assert!(world.files().is_empty() && world.keyring.secrets.lock().is_empty());
        assert!(world.server.fetch_session_validity(&token).await.is_err_and(|error| error.is_session_over()));
        assert!(!flows.token.holds(&token));
        assert!(matches!(failure(world.dir().read()), AccountError::NotLoggedIn));
        assert!(matches!(failure(flows.logout().await), AccountError::NotLoggedIn));
        flows.login(EMAIL).await.map(|_| ()).expect("the next log-in starts anew");
    }
}

#[tokio::test]
async fn a_session_that_is_over_already_is_no_obstacle() {
    let (world, flows) = logged_in(Mood::Absent).await;
    world.server.change(|account| account.tokens.clear());
    assert_eq!(flows.logout().await.unwrap(), LoggedOut::Everywhere);
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn without_a_network_it_ends_here_and_says_so() {
    let (world, flows) = logged_in(Mood::Absent).await;
    world.server.fail("logout", Fault::Lost);
    assert!(matches!(flows.logout().await.unwrap(), LoggedOut::HereOnly(_)));
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn without_the_device_key_what_is_here_is_destroyed_all_the_same() {
    let (world, flows) = logged_in(Mood::Works).await;
    *world.keyring.mood.lock() = Mood::Absent;
    assert_eq!(flows.logout().await.unwrap(), LoggedOut::Unreadable);
    assert!(world.files().is_empty());
}
