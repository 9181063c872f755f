//! The device key at rest: the one secret that opens everything here, in one of three places, and a copy
//! that the account opens.
//!
//! ```text
//! device.key, and the secret in the keyring      device.key.sealed
//! 0   8   magic "entefsK" and the version, 1      0   8   magic "entefsC" and the version, 1
//! 8   32  the key                                 8   72  a sealed record (crypto::RecordKey) of the key, under
//! 40  8   check: a keyed tag of nothing                   a key derived from the account's master key
//! 48 bytes                                        80 bytes
//! ```
//! `keyring.id` (32 hex digits) names the secret in the keyring; where it is, a key was put there.
//! The systemd credential may be these 48 bytes, 32 raw ones, or 32 in base64.

use super::error::{AccountError, AccountResult};
use super::keyring::Keyring;
use super::secret_file::{destroy, read, replace, write_new_secret};
use super::session::check_magic;
use crate::base::B64;
use crate::crypto::{DeviceKey, MasterKey, RecordKey, TagKey, Zeroizing, random};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a systemd unit calls the key (`LoadCredential=`, `LoadCredentialEncrypted=`, `SetCredential=`).
const CREDENTIAL: &str = "entefs-device-key";
const KEY_FILE: &str = "device.key";
const COPY_FILE: &str = "device.key.sealed";
const KEYRING_FILE: &str = "keyring.id";

const KEY_MAGIC: &[u8; 8] = b"entefsK\x01";
const COPY_MAGIC: &[u8; 8] = b"entefsC\x01";
const COPY_PURPOSE: &str = "entefs device key copy v1";
const CHECK_PURPOSE: &str = "entefs device key check v1";

/// Where the device key lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyPlace {
    /// Given by systemd; never written here.
    Credential,
    Keyring,
    /// In clear, readable by its owner alone.
    File,
}

impl KeyPlace {
    fn name(self) -> &'static str {
        match self {
            Self::Credential => "the systemd credential entefs-device-key",
            Self::Keyring => "the OS keyring",
            Self::File => KEY_FILE,
        }
    }
}

/// The places of one state directory's device key.
#[derive(Clone)]
pub(super) struct DeviceKeyPlaces {
    pub(super) state: PathBuf,
    pub(super) keyring: Arc<dyn Keyring>,
    /// systemd's `$CREDENTIALS_DIRECTORY`.
    pub(super) credentials: Option<PathBuf>,
}

impl DeviceKeyPlaces {
    /// The key and where it was found; `None` where none was ever put anywhere. The file comes before the
    /// keyring: where there is one, asking is needless.
    ///
    /// # Errors
    /// [`AccountError::DeviceKeyUnreachable`] where it is in a keyring that does not give it.
    pub(super) fn read(&self) -> AccountResult<Option<(DeviceKey, KeyPlace)>> {
        if let Some(key) = self.read_credential()? {
            return Ok(Some((key, KeyPlace::Credential)));
        }
        if let Some(bytes) = read(&self.state.join(KEY_FILE))? {
            return Ok(Some((decode(&bytes)?, KeyPlace::File)));
        }
        Ok(self.read_keyring()?.map(|key| (key, KeyPlace::Keyring)))
    }

    fn read_credential(&self) -> AccountResult<Option<DeviceKey>> {
        let Some(directory) = &self.credentials else { return Ok(None) };
        let Some(bytes) = read(&directory.join(CREDENTIAL))? else { return Ok(None) };
        // What systemd gives is not ours to replace.
        let unusable = AccountError::DeviceKeyMismatch { place: KeyPlace::Credential.name() };
        if bytes.starts_with(&KEY_MAGIC[..7]) {
            return decode(&bytes).map(Some).map_err(|_| unusable);
        }
        if let Ok(key) = DeviceKey::from_slice(&bytes) {
            return Ok(Some(key));
        }
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        let key = B64(text.into()).array().map(Zeroizing::new);
        key.map(|key| Some(DeviceKey::from_bytes(*key))).ok_or(unusable)
    }

    fn read_keyring(&self) -> AccountResult<Option<DeviceKey>> {
        let Some(name) = self.read_keyring_name()? else { return Ok(None) };
        let unreachable = |reason: String| AccountError::DeviceKeyUnreachable { reason };
        match self.keyring.read(&name) {
            Ok(Some(secret)) => {
                decode(&secret).map(Some).map_err(|_| unreachable("the keyring's secret is damaged".into()))
            }
            Ok(None) => Err(unreachable("the keyring does not have it any more".into())),
            Err(fault) => Err(unreachable(fault.to_string())),
        }
    }

    fn read_keyring_name(&self) -> AccountResult<Option<String>> {
        let Some(bytes) = read(&self.state.join(KEYRING_FILE))? else { return Ok(None) };
        let name = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        let whole = name.len() == 32 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
        if whole { Ok(Some(name.into())) } else { Err(AccountError::Damaged { file: KEYRING_FILE }) }
    }

    /// Puts a key where it can be found again: into the keyring, else into the file.
    fn write(&self, key: &DeviceKey) -> AccountResult<KeyPlace> {
        if self.write_keyring(key)? {
            return Ok(KeyPlace::Keyring);
        }
        let path = self.state.join(KEY_FILE);
        match write_new_secret(&path, &encode(key)) {
            // Damaged, or `read` would have found it.
            Err(AccountError::File { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
                replace(&path, &encode(key))?;
            }
            other => other?,
        }
        Ok(KeyPlace::File)
    }

    /// Whether the keyring has it now; only what it gives back counts.
    fn write_keyring(&self, key: &DeviceKey) -> AccountResult<bool> {
        let name = match self.read_keyring_name() {
            Ok(Some(name)) => name,
            Ok(None) | Err(AccountError::Damaged { .. }) => format!("{:032x}", u128::from_le_bytes(random())),
            Err(error) => return Err(error),
        };
        let secret = encode(key);
        let kept = self.keyring.write(&name, &secret).and_then(|()| self.keyring.read(&name));
        match kept {
            Ok(Some(found)) if *found == *secret => {
                replace(&self.state.join(KEYRING_FILE), name.as_bytes())?;
                Ok(true)
            }
            outcome => {
                let reason = outcome.err().map(|fault| fault.to_string()).unwrap_or_default();
                tracing::info!(reason, "the device key goes into a file: the keyring does not take it");
                Ok(false)
            }
        }
    }

    fn write_copy(&self, key: &DeviceKey, master: &MasterKey) -> AccountResult<()> {
        let mut bytes = COPY_MAGIC.to_vec();
        bytes.extend_from_slice(&RecordKey::derive_from(master, COPY_PURPOSE).seal(COPY_MAGIC, key.bytes()));
        replace(&self.state.join(COPY_FILE), &bytes)
    }

    /// The copy; `None` where there is none.
    ///
    /// # Errors
    /// [`AccountError::OtherAccount`] where this master key does not open it.
    fn read_copy(&self, master: &MasterKey) -> AccountResult<Option<DeviceKey>> {
        let Some(bytes) = read(&self.state.join(COPY_FILE))? else { return Ok(None) };
        let sealed = check_magic(&bytes, COPY_MAGIC, COPY_FILE)?;
        let other = || AccountError::OtherAccount { owner: "another account".into() };
        let key = RecordKey::derive_from(master, COPY_PURPOSE).open(COPY_MAGIC, sealed).map_err(|_| other())?;
        let key = DeviceKey::from_slice(&Zeroizing::new(key));
        key.map(Some).map_err(|_| AccountError::Damaged { file: COPY_FILE })
    }

    /// Whether this directory has, or had, a device key.
    pub(super) fn exists(&self) -> bool {
        [KEY_FILE, COPY_FILE, KEYRING_FILE].iter().any(|name| self.state.join(name).exists())
    }

    /// The key after a log-in: the one that is here, the one that the copy gives back, or, where nothing
    /// can depend on another, a new one. Afterwards it is in its place, and so is the copy.
    ///
    /// # Errors
    /// [`AccountError::DeviceKeyLost`] where something is sealed under a key that nothing gives back.
    pub(super) fn restore_or_make(&self, master: &MasterKey, sealed_data_exists: bool) -> AccountResult<DeviceKey> {
        let copy = self.read_copy(master)?;
        match (self.read(), copy) {
            (Ok(Some((found, _))), Some(copy)) if found.bytes() == copy.bytes() => Ok(found),
            (Ok(Some((_, place))), Some(_)) => Err(AccountError::DeviceKeyMismatch { place: place.name() }),
            (Ok(Some((found, _))), None) => {
                self.write_copy(&found, master)?;
                Ok(found)
            }
            (Ok(None) | Err(AccountError::DeviceKeyUnreachable { .. } | AccountError::Damaged { .. }), Some(copy)) => {
                self.write(&copy)?;
                Ok(copy)
            }
            (Ok(None), None) if sealed_data_exists => Err(AccountError::DeviceKeyLost),
            (Err(error), None) if sealed_data_exists => Err(error),
            (Ok(None) | Err(AccountError::DeviceKeyUnreachable { .. } | AccountError::Damaged { .. }), None) => {
                self.make(master)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// A new key. The copy comes last: a crash before it leaves a key that the next log-in takes.
    fn make(&self, master: &MasterKey) -> AccountResult<DeviceKey> {
        let key = DeviceKey::random();
        self.write(&key)?;
        self.write_copy(&key, master)?;
        Ok(key)
    }

    /// Removes the key and its copy. Of a keyring that does not answer the secret stays: what it opened is
    /// gone.
    pub(super) fn destroy(&self) -> AccountResult<()> {
        if let Ok(Some(name)) = self.read_keyring_name()
            && let Err(fault) = self.keyring.delete(&name)
        {
            tracing::warn!(%fault, "the device key stays in the keyring");
        }
        for name in [KEY_FILE, COPY_FILE, KEYRING_FILE] {
            destroy(&self.state.join(name))?;
        }
        Ok(())
    }
}

pub(super) fn encode(key: &DeviceKey) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(48));
    bytes.extend_from_slice(KEY_MAGIC);
    bytes.extend_from_slice(key.bytes());
    bytes.extend_from_slice(&check_of(key));
    bytes
}

fn decode(bytes: &[u8]) -> AccountResult<DeviceKey> {
    let damaged = || AccountError::Damaged { file: KEY_FILE };
    let (key, check) = check_magic(bytes, KEY_MAGIC, KEY_FILE)?.split_at_checked(32).ok_or_else(damaged)?;
    let key = DeviceKey::from_slice(key).map_err(|_| damaged())?;
    if check == check_of(&key) { Ok(key) } else { Err(damaged()) }
}

fn check_of(key: &DeviceKey) -> [u8; 8] {
    *TagKey::derive(key, CHECK_PURPOSE).tag(&[]).first_chunk().expect("16 bytes have 8")
}

/// Used where the caller only has the directory.
pub(super) fn credentials_directory() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").filter(|path| !path.is_empty()).map(|path| Path::new(&path).to_owned())
}
