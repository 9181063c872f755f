//! What can go wrong with an account, each with what to do about it.

use crate::crypto::CryptoError;
use crate::remote::RemoteError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

pub type AccountResult<T> = Result<T, AccountError>;

#[derive(Debug, Error)]
pub enum AccountError {
    #[error("there is no account of {email} on this server; check the address, or make one with `entefs signup`")]
    UnknownAccount { email: String },
    #[error("the password is wrong; try again")]
    WrongPassword,
    #[error("the {what} is wrong or was used before; try again with a new one")]
    WrongCode { what: &'static str },
    #[error("the {what} has expired; start again")]
    CodeExpired { what: &'static str },
    #[error("the passkey was not confirmed in time; start again")]
    PasskeyTimeout,
    #[error("there were too many tries; wait some minutes (after wrong passwords an hour), then try again")]
    TooManyTries,

    #[error("there is an account of {email} already; use `entefs login`")]
    AlreadyRegistered { email: String },
    #[error("the sign-up of {email} was not finished; go on with `entefs signup`")]
    SignupIncomplete { email: String },
    #[error("this server takes no new accounts; ask whoever runs it")]
    SignupClosed,
    #[error("the account is about to be deleted; ask Ente's support to keep it")]
    ScheduledForDeletion,
    #[error("a password needs at least one character; choose one")]
    EmptyPassword,
    #[error("the account has no recovery key; make one in an Ente app")]
    NoRecoveryKey,

    #[error("the server could not prove that it knows the account; nothing was sent to it, check the endpoint")]
    ServerProof,
    #[error("the server keeps other log-in data than it was given; check the endpoint, then log in anew")]
    AttributesDiffer,
    #[error("{what} cannot be opened: {reason}; check the account in an Ente app")]
    Unreadable { what: &'static str, reason: CryptoError },
    #[error("{what} is not what the server should send; check the endpoint")]
    Malformed { what: &'static str },
    #[error("the password cannot be turned into a key: {0}; free memory, then try again")]
    Derivation(CryptoError),

    #[error("nobody is logged in on this state directory; run `entefs login`")]
    NotLoggedIn,
    #[error("this state directory belongs to {owner}; choose another with --state, or log out first")]
    OtherAccount { owner: String },
    #[error("the device key cannot be reached: {reason}; unlock the keyring, or get the key back with `entefs login`")]
    DeviceKeyUnreachable { reason: String },
    #[error(
        "the device key is lost, and what is sealed under it cannot be opened; restore the keyring, the systemd \
         credential or the file device.key from a backup (a new key would not open it)"
    )]
    DeviceKeyLost,
    #[error("the device key in {place} is not this state directory's; restore the right one, or remove it there")]
    DeviceKeyMismatch { place: &'static str },
    #[error("{file} is damaged; run `entefs login` to make it anew")]
    Damaged { file: &'static str },
    #[error("{file} was written by a newer version; update entefs")]
    TooNew { file: &'static str },

    #[error("{what} is needed and there is no terminal to ask on; give {flag}")]
    Missing { what: &'static str, flag: &'static str },
    #[error("cancelled; nothing was changed")]
    Cancelled,
    #[error("cannot use {}: {source}; check its rights and the free space", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl AccountError {
    /// The exit code of the command-line contract, section 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Missing { .. } => 2,
            Self::NotLoggedIn | Self::DeviceKeyUnreachable { .. } => 3,
            Self::Remote(error) if error.is_session_over() => 3,
            Self::UnknownAccount { .. }
            | Self::WrongPassword
            | Self::WrongCode { .. }
            | Self::CodeExpired { .. }
            | Self::PasskeyTimeout => 4,
            Self::Unreadable { .. }
            | Self::DeviceKeyLost
            | Self::DeviceKeyMismatch { .. }
            | Self::Damaged { .. }
            | Self::TooNew { .. } => 7,
            _ => 1,
        }
    }

    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_the_exit_code_of_the_contract() {
        let refused = |status| {
            let endpoint = "/users/session-validity/v2";
            AccountError::Remote(RemoteError::Status { endpoint, status, code: String::new(), retry_after: None })
        };
        for (error, code) in [
            (AccountError::Missing { what: "the password", flag: "--password-stdin" }, 2),
            (AccountError::NotLoggedIn, 3),
            (AccountError::DeviceKeyUnreachable { reason: "no answer".into() }, 3),
            (refused(401), 3),
            (refused(500), 1),
            (AccountError::WrongPassword, 4),
            (AccountError::UnknownAccount { email: "a@b".into() }, 4),
            (AccountError::WrongCode { what: "code" }, 4),
            (AccountError::Damaged { file: "session.sealed" }, 7),
            (AccountError::Cancelled, 1),
        ] {
            assert_eq!(error.exit_code(), code, "{error}");
        }
    }
}
