//! The session as it lies in the state directory, sealed under the device key.
//!
//! ```text
//! session.sealed
//! 0   8   magic "entefsS" and the version, 1
//! 8   n   a sealed record (crypto::RecordKey), associated data the first 8 bytes; its plaintext is JSON
//! ```
//! A session with an address of 20 characters takes about 420 bytes.

use super::error::{AccountError, AccountResult};
use super::keys::AccountKeys;
use crate::base::{B64, UserId};
use crate::crypto::{DeviceKey, KeyPair, MasterKey, RecordKey, SecretKey, Zeroizing};
use crate::remote::TokenCell;
use crate::wire::SessionValidity;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::{Zeroize, ZeroizeOnDrop};

pub(super) const SESSION_FILE: &str = "session.sealed";
const MAGIC: &[u8; 8] = b"entefsS\x01";
const PURPOSE: &str = "entefs session v1";

/// Who is logged in, where, and with what.
pub struct Session {
    pub email: String,
    /// The base of the API.
    pub endpoint: String,
    pub token: Zeroizing<String>,
    pub keys: Arc<AccountKeys>,
    /// The password's salt at log-in: another one later means another password (protocol notes, auth 2.8).
    pub kek_salt: B64,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Record {
    user: i64,
    email: String,
    endpoint: String,
    token: String,
    master_key: String,
    secret_key: String,
    kek_salt: String,
}

impl Session {
    pub fn user(&self) -> UserId {
        self.keys.user
    }

    /// A cell with this session's token.
    pub fn token_cell(&self) -> TokenCell {
        TokenCell::new(&self.token)
    }

    /// Whether the password was changed since: the token and the keys stay good, the next log-in asks for
    /// the new one.
    pub fn password_changed(&self, validity: &SessionValidity) -> bool {
        validity.key_attributes.as_ref().is_some_and(|attributes| attributes.kek_salt != self.kek_salt)
    }

    pub(super) fn seal(&self, device: &DeviceKey) -> Vec<u8> {
        let record = Record {
            user: self.keys.user.0,
            email: self.email.clone(),
            endpoint: self.endpoint.clone(),
            token: self.token.to_string(),
            master_key: B64::of(self.keys.master.bytes()).0,
            secret_key: B64::of(self.keys.pair.secret.bytes()).0,
            kek_salt: self.kek_salt.0.clone(),
        };
        let plain = Zeroizing::new(serde_json::to_vec(&record).expect("strings and numbers are JSON"));
        let mut sealed = MAGIC.to_vec();
        sealed.extend_from_slice(&RecordKey::derive(device, PURPOSE).seal(MAGIC, &plain));
        sealed
    }

    /// # Errors
    /// [`AccountError::Damaged`] for another key or changed bytes, [`AccountError::TooNew`].
    pub(super) fn open(device: &DeviceKey, sealed: &[u8]) -> AccountResult<Self> {
        let damaged = || AccountError::Damaged { file: SESSION_FILE };
        let sealed = check_magic(sealed, MAGIC, SESSION_FILE)?;
        let plain = RecordKey::derive(device, PURPOSE).open(MAGIC, sealed).map_err(|_| damaged())?;
        let plain = Zeroizing::new(plain);
        let record: Record = serde_json::from_slice(&plain).map_err(|_| damaged())?;
        let key = |text: &str| B64(text.into()).array().map(Zeroizing::new).ok_or_else(damaged);
        let keys = AccountKeys {
            user: UserId(record.user),
            master: MasterKey::from_bytes(*key(&record.master_key)?),
            pair: KeyPair::from_secret(SecretKey::from_bytes(*key(&record.secret_key)?)),
        };
        Ok(Self {
            email: record.email.clone(),
            endpoint: record.endpoint.clone(),
            token: Zeroizing::new(record.token.clone()),
            keys: Arc::new(keys),
            kek_salt: B64(record.kek_salt.clone()),
        })
    }
}

/// What follows the magic; its last byte is the version.
pub(super) fn check_magic<'a>(bytes: &'a [u8], magic: &[u8; 8], file: &'static str) -> AccountResult<&'a [u8]> {
    let (found, rest) = bytes.split_first_chunk::<8>().ok_or(AccountError::Damaged { file })?;
    if found[..7] != magic[..7] {
        return Err(AccountError::Damaged { file });
    }
    if found[7] > magic[7] { Err(AccountError::TooNew { file }) } else { Ok(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::KeyAttributes;

    fn session() -> Session {
        let keys =
            AccountKeys { user: UserId(1_580_559_962_386_438), master: MasterKey::random(), pair: KeyPair::random() };
        Session {
            email: "somebody@example.org".into(),
            endpoint: "https://api.ente.com".into(),
            token: Zeroizing::new("t".repeat(44)),
            keys: Arc::new(keys),
            kek_salt: B64::of([3; 16]),
        }
    }

    #[test]
    fn a_session_survives_its_file_and_shows_nothing_in_it() {
        let (device, session) = (DeviceKey::random(), session());
        let sealed = session.seal(&device);
        assert!((350..500).contains(&sealed.len()), "{}", sealed.len());
        for secret in ["somebody", "ttttt", "ente.com", &B64::of(session.keys.master.bytes()).0] {
            assert!(!sealed.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
        let opened = Session::open(&device, &sealed).unwrap();
        assert_eq!((opened.user(), opened.email.as_str()), (session.user(), "somebody@example.org"));
        assert_eq!(opened.keys.master.bytes(), session.keys.master.bytes());
        assert_eq!(opened.keys.pair.public, session.keys.pair.public);
        assert_eq!((opened.token.as_str(), opened.kek_salt), (session.token.as_str(), session.kek_salt));
    }

    #[test]
    fn a_changed_cut_or_foreign_session_is_damaged_and_a_newer_one_is_too_new() {
        let device = DeviceKey::random();
        let sealed = session().seal(&device);
        for at in (0..sealed.len()).filter(|at| *at != 7) {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(matches!(Session::open(&device, &changed), Err(AccountError::Damaged { .. })), "byte {at}");
        }
        for length in [0, 7, 8, 40, sealed.len() - 1] {
            assert!(matches!(Session::open(&device, &sealed[..length]), Err(AccountError::Damaged { .. })));
        }
        assert!(matches!(Session::open(&DeviceKey::random(), &sealed), Err(AccountError::Damaged { .. })));
        let mut newer = sealed;
        newer[7] = 2;
        assert!(matches!(Session::open(&device, &newer), Err(AccountError::TooNew { .. })));
    }

    #[test]
    fn another_salt_means_another_password() {
        let session = session();
        let attributes = |salt| KeyAttributes { kek_salt: B64::of([salt; 16]), ..KeyAttributes::default() };
        let validity = |salt| SessionValidity { has_set_keys: true, key_attributes: Some(attributes(salt)) };
        assert!(!session.password_changed(&validity(3)));
        assert!(session.password_changed(&validity(4)));
        assert!(!session.password_changed(&SessionValidity::default()), "an answer without keys says nothing");
    }
}
