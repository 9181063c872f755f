//! The account's files in a state directory.

use super::device_key::{DeviceKeyPlaces, KeyPlace, credentials_directory};
use super::error::{AccountError, AccountResult};
use super::keyring::{Keyring, OsKeyring};
use super::secret_file::{destroy, read, replace};
use super::session::{SESSION_FILE, Session};
use crate::crypto::{DeviceKey, MasterKey};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// There while the server refuses the session; a log-in takes it away.
const EXPIRED_FILE: &str = "session.expired";

/// One account's secrets on this machine. Every function blocks, for seconds where a keyring is slow.
#[derive(Clone)]
pub struct AccountDir {
    places: DeviceKeyPlaces,
}

/// What a log-in or a start gives: enough to open everything.
pub struct Opened {
    pub device: DeviceKey,
    pub session: Session,
}

/// Changes with every log-in: how a running mount notices one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionStamp {
    inode: u64,
    changed: (i64, i64),
}

impl AccountDir {
    /// With the desktop's keyring and systemd's credentials.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self::with_places(state, Arc::new(OsKeyring), credentials_directory())
    }

    /// With another keyring and place of credentials.
    pub fn with_places(state: impl Into<PathBuf>, keyring: Arc<dyn Keyring>, credentials: Option<PathBuf>) -> Self {
        Self { places: DeviceKeyPlaces { state: state.into(), keyring, credentials } }
    }

    pub fn path(&self) -> &Path {
        &self.places.state
    }

    /// The session and the device key. An expired session opens like any other: what is here is readable.
    ///
    /// # Errors
    /// [`AccountError::NotLoggedIn`], or why the key or the session cannot be had.
    pub fn read(&self) -> AccountResult<Opened> {
        let Some(sealed) = read(&self.path().join(SESSION_FILE))? else { return Err(AccountError::NotLoggedIn) };
        let Some((device, place)) = self.places.read()? else {
            let reason = "it is neither in a keyring nor in device.key nor a systemd credential".into();
            return Err(AccountError::DeviceKeyUnreachable { reason });
        };
        match Session::open(&device, &sealed) {
            // The others have a check of their own.
            Err(AccountError::Damaged { .. }) if place == KeyPlace::Credential => {
                Err(AccountError::DeviceKeyMismatch { place: "the systemd credential entefs-device-key" })
            }
            session => session.map(|session| Opened { device, session }),
        }
    }

    /// Where the device key lies, for `doctor` and `status`; `None` where there is none.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn key_place(&self) -> AccountResult<Option<KeyPlace>> {
        Ok(self.places.read()?.map(|(_, place)| place))
    }

    /// Whether somebody is, or was, logged in here.
    pub fn exists(&self) -> bool {
        self.places.exists() || self.path().join(SESSION_FILE).exists()
    }

    /// Notes that the server refuses the session (protocol notes, auth 5.2).
    ///
    /// # Errors
    /// Where the directory cannot be written.
    pub fn mark_expired(&self) -> AccountResult<()> {
        replace(&self.path().join(EXPIRED_FILE), b"")
    }

    pub fn is_expired(&self) -> bool {
        self.path().join(EXPIRED_FILE).exists()
    }

    /// The session file as it is now; `None` where there is none.
    pub fn session_stamp(&self) -> Option<SessionStamp> {
        let found = std::fs::metadata(self.path().join(SESSION_FILE)).ok()?;
        Some(SessionStamp { inode: found.ino(), changed: (found.ctime(), found.ctime_nsec()) })
    }

    /// Makes sure that the directory is nobody else's, then keeps the session and the device key.
    pub(super) fn keep(&self, session: Session, sealed_data_exists: bool) -> AccountResult<Opened> {
        self.check_owner(&session)?;
        let device = self.places.restore_or_make(&session.keys.master, sealed_data_exists)?;
        replace(&self.path().join(SESSION_FILE), &session.seal(&device))?;
        destroy(&self.path().join(EXPIRED_FILE))?;
        Ok(Opened { device, session })
    }

    /// Where the old session opens it says whose the directory is; else the key's copy does.
    fn check_owner(&self, session: &Session) -> AccountResult<()> {
        let Ok(Opened { session: old, .. }) = self.read() else { return Ok(()) };
        let same = old.user() == session.user() && is_same(&old.keys.master, &session.keys.master);
        if same { Ok(()) } else { Err(AccountError::OtherAccount { owner: old.email.clone() }) }
    }

    /// Destroys the session and every copy of the device key: what is sealed under it is gone for good.
    ///
    /// # Errors
    /// Where a file can be neither overwritten nor removed.
    pub fn destroy(&self) -> AccountResult<()> {
        destroy(&self.path().join(SESSION_FILE))?;
        self.places.destroy()?;
        destroy(&self.path().join(EXPIRED_FILE))
    }
}

fn is_same(one: &MasterKey, other: &MasterKey) -> bool {
    one.bytes() == other.bytes()
}
