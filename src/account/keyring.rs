//! The desktop's keyring: the Secret Service, over D-Bus. It can be absent, locked or stuck: each call has
//! a thread of its own and five seconds.

use crate::crypto::Zeroizing;
use keyring::{Entry, Error};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;
use thiserror::Error;

/// A place for secrets by name. Blocks for up to some seconds.
pub trait Keyring: Send + Sync {
    /// The secret; `None` where the keyring answers and has none of that name.
    ///
    /// # Errors
    /// Where there is no keyring, it is locked, or it does not answer.
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringFault>;
    /// # Errors
    /// As [`Self::read`].
    fn write(&self, name: &str, secret: &[u8]) -> Result<(), KeyringFault>;
    /// Removes the secret, if there is one.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn delete(&self, name: &str) -> Result<(), KeyringFault>;
}

/// Why the keyring gave no answer.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum KeyringFault {
    #[error("there is no keyring in this session (no D-Bus session bus)")]
    Absent,
    #[error("the keyring did not answer within {} seconds", .0.as_secs())]
    Silent(Duration),
    #[error("the keyring refuses: {0}")]
    Refused(String),
}

const SERVICE: &str = "entefs";
const PATIENCE: Duration = Duration::from_secs(5);

/// The Secret Service of the desktop session.
#[derive(Clone, Copy, Default, Debug)]
pub struct OsKeyring;

/// None: the device key goes into a file, and no trace is left elsewhere.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoKeyring;

impl Keyring for NoKeyring {
    fn read(&self, _: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringFault> {
        Err(KeyringFault::Absent)
    }

    fn write(&self, _: &str, _: &[u8]) -> Result<(), KeyringFault> {
        Err(KeyringFault::Absent)
    }

    fn delete(&self, _: &str) -> Result<(), KeyringFault> {
        Err(KeyringFault::Absent)
    }
}

impl Keyring for OsKeyring {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringFault> {
        ask(name, |entry| match entry.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn write(&self, name: &str, secret: &[u8]) -> Result<(), KeyringFault> {
        let secret = Zeroizing::new(secret.to_vec());
        ask(name, move |entry| entry.set_secret(&secret))
    }

    fn delete(&self, name: &str) -> Result<(), KeyringFault> {
        ask(name, |entry| match entry.delete_credential() {
            Err(Error::NoEntry) => Ok(()),
            other => other,
        })
    }
}

/// Asks on a thread that may be left behind: the call cannot be interrupted.
fn ask<T: Send + 'static>(
    name: &str,
    question: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
) -> Result<T, KeyringFault> {
    if !has_session_bus() {
        return Err(KeyringFault::Absent);
    }
    let name = name.to_owned();
    let (answer, waiting) = channel();
    let asking = std::thread::Builder::new().name("keyring".into()).spawn(move || {
        let outcome = Entry::new(SERVICE, &name).and_then(|entry| question(&entry));
        // Nobody waits any more after the patience is over.
        let _ = answer.send(outcome.map_err(|error| refusal(&error)));
    });
    asking.map_err(|error| KeyringFault::Refused(error.to_string()))?;
    waiting.recv_timeout(PATIENCE).unwrap_or(Err(KeyringFault::Silent(PATIENCE)))
}

/// In words of our own: some of the crate's errors carry the secret.
fn refusal(error: &Error) -> KeyringFault {
    let words = match error {
        Error::PlatformFailure(reason) => format!("it failed ({reason})"),
        Error::NoStorageAccess(reason) => format!("it is locked ({reason})"),
        Error::NoDefaultStore => "there is none to talk to".into(),
        Error::Ambiguous(_) => "it has several secrets of this name".into(),
        _ => "it gave an answer of another form".into(),
    };
    KeyringFault::Refused(words)
}

/// Without one the crate would look for a while, or start a bus.
fn has_session_bus() -> bool {
    let named = std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty());
    let usual = std::env::var_os("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("bus"));
    named || usual.is_some_and(|socket| socket.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_session_bus_falls_through_at_once() {
        if has_session_bus() {
            return;
        }
        let begun = std::time::Instant::now();
        assert_eq!(OsKeyring.read("test").map(|_| ()), Err(KeyringFault::Absent));
        assert_eq!(OsKeyring.write("test", b"x"), Err(KeyringFault::Absent));
        assert_eq!(OsKeyring.delete("test"), Err(KeyringFault::Absent));
        assert!(begun.elapsed() < Duration::from_millis(100));
    }

    #[test]
    fn a_refusal_never_carries_the_secret() {
        let secret = b"secret".to_vec();
        for error in [Error::BadEncoding(secret.clone()), Error::BadDataFormat(secret, "x".into())] {
            assert!(!format!("{:?}", refusal(&error)).contains("115"));
        }
    }
}
