//! Floor 3: the account: making one, logging in and out, its keys, and how they are kept on this machine.
//!
//! Guarantees: at most one secret lies in clear, the device key in a 0600 file, and only where there is
//! neither an OS keyring nor a systemd credential; no device key is made while something sealed under
//! another exists; a directory that belongs to one account is never given to another; no secret is
//! printed or logged. Assumes that one process at a time changes a state directory (the caller locks it).

mod device_key;
mod dir;
mod error;
mod flow;
mod kdf;
mod keyring;
mod keys;
mod prompt;
mod secret_file;
mod session;
#[cfg(test)]
mod tests;
mod unlock;

pub use device_key::KeyPlace;
pub use dir::{AccountDir, Opened, SessionStamp};
pub use error::{AccountError, AccountResult};
pub use flow::{AccountFlows, LoggedOut, PasskeyPace};
pub use kdf::{Argon2Kdf, Kdf};
pub use keyring::{Keyring, KeyringFault, NoKeyring, OsKeyring};
pub use keys::{
    AccountKeys, OpenFile, OpenMagic, open_collection_name, open_file, open_magic, rename_collection, seal_magic,
    wrap_file_key,
};
pub use prompt::{Derivation, PasswordPurpose, Prompt};
pub use secret_file::write_new_secret;
pub use session::Session;
