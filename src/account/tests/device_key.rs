//! The device key's places and its way back (architecture: the device key has two ways back).

use super::keyring::Mood;
use super::*;
use crate::account::device_key::DeviceKeyPlaces;
use crate::base::B64;
use crate::crypto::{DeviceKey, MasterKey};
use std::os::unix::fs::PermissionsExt;

struct Place {
    places: DeviceKeyPlaces,
    keyring: Arc<FakeKeyring>,
    master: MasterKey,
    dir: tempfile::TempDir,
}

impl Place {
    fn new(mood: Mood) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keyring = Arc::new(FakeKeyring::default());
        *keyring.mood.lock() = mood;
        let places = DeviceKeyPlaces { state: dir.path().join("state"), keyring: keyring.clone(), credentials: None };
        Self { places, keyring, master: MasterKey::random(), dir }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.places.state.join(name)
    }

    fn restore(&self, sealed: bool) -> AccountResult<DeviceKey> {
        self.places.restore_or_make(&self.master, sealed)
    }

    fn found(&self) -> Option<(Vec<u8>, KeyPlace)> {
        self.places.read().unwrap().map(|(key, place)| (key.bytes().to_vec(), place))
    }

    fn give_credential(&mut self, bytes: &[u8]) {
        let directory = self.dir.path().join("credentials");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("entefs-device-key"), bytes).unwrap();
        self.places.credentials = Some(directory);
    }
}

#[test]
fn without_a_keyring_the_key_lies_in_a_file_of_its_owner() {
    for mood in [Mood::Absent, Mood::Forgetful] {
        let place = Place::new(mood);
        assert!(place.found().is_none());
        let key = place.restore(false).unwrap();
        assert_eq!(place.found(), Some((key.bytes().to_vec(), KeyPlace::File)));
        for (name, length) in [("device.key", 48), ("device.key.sealed", 80)] {
            let found = std::fs::metadata(place.file(name)).unwrap();
            assert_eq!((found.len(), found.permissions().mode() & 0o777), (length, 0o600), "{name}");
        }
        assert!(!place.file("keyring.id").exists(), "nothing says that a keyring has it");
    }
}

#[test]
fn with_a_keyring_nothing_lies_in_clear() {
    let place = Place::new(Mood::Works);
    let key = place.restore(false).unwrap();
    assert_eq!(place.found(), Some((key.bytes().to_vec(), KeyPlace::Keyring)));
    assert!(!place.file("device.key").exists());
    for entry in std::fs::read_dir(&place.places.state).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(16).any(|window| key.bytes().windows(16).any(|part| part == window)));
    }
}

#[test]
fn two_directories_have_two_secrets_in_one_keyring() {
    let (one, mut other) = (Place::new(Mood::Works), Place::new(Mood::Works));
    other.places.keyring = one.keyring.clone();
    let (first, second) = (one.restore(false).unwrap(), other.restore(false).unwrap());
    assert_eq!(one.keyring.secrets.lock().len(), 2);
    assert_eq!(one.found().unwrap().0, first.bytes());
    assert_eq!(other.found().unwrap().0, second.bytes());
}

#[test]
fn a_key_is_never_made_while_something_needs_another() {
    let place = Place::new(Mood::Absent);
    assert!(matches!(failure(place.restore(true)), AccountError::DeviceKeyLost));
    assert!(!place.places.exists(), "nothing was written");
    let place = Place::new(Mood::Works);
    place.restore(false).unwrap();
    std::fs::remove_file(place.file("device.key.sealed")).unwrap();
    *place.keyring.mood.lock() = Mood::Absent;
    let error = failure(place.restore(true));
    assert!(matches!(error, AccountError::DeviceKeyUnreachable { .. }), "{error}");
    *place.keyring.mood.lock() = Mood::Works;
    place.restore(true).unwrap();
    assert!(place.file("device.key.sealed").exists(), "the second way back is made again");
}

#[test]
fn a_key_that_is_lost_comes_back_by_the_account() {
    for lose in ["keyring cleared", "keyring absent", "id lost"] {
        let place = Place::new(Mood::Works);
        let key = place.restore(false).unwrap();
        match lose {
            "keyring cleared" => place.keyring.secrets.lock().clear(),
            "keyring absent" => *place.keyring.mood.lock() = Mood::Absent,
            _ => std::fs::remove_file(place.file("keyring.id")).unwrap(),
        }
        assert_eq!(place.restore(true).unwrap().bytes(), key.bytes(), "{lose}");
        assert_eq!(place.found().unwrap().0, key.bytes(), "{lose}: it is in a place again");
    }
}

#[test]
fn a_damaged_file_is_told_and_replaced_by_the_copy() {
    let place = Place::new(Mood::Absent);
    let key = place.restore(false).unwrap();
    let whole = std::fs::read(place.file("device.key")).unwrap();
    for at in [0, 8, 20, 47] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(place.file("device.key"), &damaged).unwrap();
        let error = failure(place.places.read());
        assert!(matches!(error, AccountError::Damaged { .. }) && error.exit_code() == 7, "byte {at}: {error}");
        assert_eq!(place.restore(true).unwrap().bytes(), key.bytes());
        assert_eq!(std::fs::read(place.file("device.key")).unwrap(), whole);
    }
    std::fs::write(place.file("device.key"), [&b"entefsK\x02"[..], &[0; 60]].concat()).unwrap();
    assert!(matches!(failure(place.restore(true)), AccountError::TooNew { .. }), "a newer version's is left alone");
    std::fs::remove_file(place.file("device.key.sealed")).unwrap();
    assert!(matches!(failure(place.restore(false)), AccountError::TooNew { .. }), "also without a copy");
}

#[test]
fn the_copy_opens_for_its_account_alone() {
    let place = Place::new(Mood::Absent);
    place.restore(false).unwrap();
    let refused = place.places.restore_or_make(&MasterKey::random(), false);
    assert!(matches!(failure(refused), AccountError::OtherAccount { .. }));
    let copy = std::fs::read(place.file("device.key.sealed")).unwrap();
    std::fs::write(place.file("device.key.sealed"), &copy[..40]).unwrap();
    assert!(place.restore(true).is_err(), "a cut copy is not quietly replaced while another account may own it");
}

#[test]
fn a_systemd_credential_comes_first_in_any_of_its_forms() {
    for form in 0..4 {
        let mut place = Place::new(Mood::Works);
        let bytes = match form {
            0 => [7; 32].to_vec(),
            1 => B64::of([7; 32]).0.into_bytes(),
            2 => format!("{}\n", B64::of([7; 32]).0).into_bytes(),
            _ => super::super::device_key::encode(&DeviceKey::from_bytes([7; 32])).to_vec(),
        };
        place.give_credential(&bytes);
        assert_eq!(place.restore(false).unwrap().bytes(), &[7; 32], "form {form}");
        assert_eq!(place.found(), Some((vec![7; 32], KeyPlace::Credential)));
        assert!(!place.file("device.key").exists() && place.keyring.secrets.lock().is_empty(), "it is not copied");
        assert!(place.file("device.key.sealed").exists());
    }
    let mut place = Place::new(Mood::Works);
    place.give_credential(b"not a key");
    assert!(matches!(failure(place.restore(false)), AccountError::DeviceKeyMismatch { .. }));
    assert!(!place.places.exists(), "a log-in that could not be used again is not kept");
}

#[tokio::test]
async fn a_credential_that_is_not_this_directorys_key_is_named() {
    let world = World::with_account().await;
    world.flows(&Person::new()).login(EMAIL).await.map(|_| ()).unwrap();
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("entefs-device-key"), [9; 32]).unwrap();
    let dir = AccountDir::with_places(world.state.path(), world.keyring.clone(), Some(credentials.path().into()));
    for error in [
        failure(dir.read()),
        failure(AccountFlows { dir: dir.clone(), ..world.flows(&Person::new()) }.login(EMAIL).await),
    ] {
        assert!(matches!(error, AccountError::DeviceKeyMismatch { .. }), "{error}");
        assert!(error.to_string().contains("systemd"), "{error}");
    }
    assert!(world.dir().read().is_ok(), "what is here is untouched");
}

#[tokio::test]
async fn nothing_of_the_account_lies_readable_in_its_directory() {
    let world = World::new();
    let opened = world.flows(&Person::new()).signup(EMAIL).await.map_err(|error| error.to_string()).unwrap();
    let keys = &opened.session.keys;
    let device = opened.device.bytes();
    let secrets: Vec<Vec<u8>> = vec![
        EMAIL.into(),
        PASSWORD.into(),
        opened.session.token.as_bytes().to_vec(),
        keys.master.bytes().to_vec(),
        B64::of(keys.master.bytes()).0.into_bytes(),
        keys.pair.secret.bytes().to_vec(),
        keys.user.to_string().into_bytes(),
    ];
    for name in world.files() {
        let bytes = std::fs::read(world.file(&name)).unwrap();
        let has = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!secrets.iter().any(|secret| has(secret)), "{name}");
        assert_eq!(has(device), name == "device.key", "{name}: the one secret in clear");
    }
}
