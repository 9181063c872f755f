//! What a command ends with when it fails: one sentence and an exit code (command-line contract, 1).

use crate::account::AccountError;
use crate::control::ClientError;
use crate::store::StoreError;
use std::fmt;

/// The exit codes. They are stable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    Other = 1,
    Usage = 2,
    /// Not logged in, or the session has expired.
    Session = 3,
    /// Wrong password or code, unknown account.
    Password = 4,
    /// Mounting or unmounting failed.
    Mount = 5,
    /// Already running on this state directory.
    Running = 6,
    /// Corrupt, undecryptable, or of a newer version.
    Data = 7,
    /// Something is still waiting or parked.
    Waiting = 8,
}

impl Exit {
    /// The code of another process; one that is not of the contract is [`Self::Other`].
    pub fn from_code(code: u8) -> Self {
        let all = [Self::Usage, Self::Session, Self::Password, Self::Mount, Self::Running, Self::Data, Self::Waiting];
        all.into_iter().find(|exit| *exit as u8 == code).unwrap_or(Self::Other)
    }
}

/// `WHAT: WHY; DO THIS`, and the code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub exit: Exit,
    sentence: String,
}

impl Failure {
    pub fn new(exit: Exit, what: &str, why: impl fmt::Display, remedy: &str) -> Self {
        Self { exit, sentence: format!("{what}: {why}; {remedy}") }
    }

    /// `why` says already what to do.
    pub fn plain(exit: Exit, what: &str, why: impl fmt::Display) -> Self {
        Self { exit, sentence: format!("{what}: {why}") }
    }

    pub fn account(what: &str, error: &AccountError) -> Self {
        let exit = Exit::from_code(error.exit_code());
        match error {
            AccountError::Remote(error) => Self::new(exit, what, error, "check the network and the endpoint"),
            error => Self::plain(exit, what, error),
        }
    }

    pub fn store(what: &str, error: &StoreError) -> Self {
        match error {
            StoreError::Newer { .. } => Self::new(Exit::Data, what, error, "update entefs"),
            StoreError::Absent(_) => Self::new(Exit::Other, what, error, "run `entefs mount` first"),
            error if error.is_damaged() => Self::new(
                Exit::Data,
                what,
                error,
                "move entefs.db away and mount again: it is made anew from Ente and from the files that wait",
            ),
            error if error.is_full() => Self::new(Exit::Other, what, error, "free some space"),
            error => Self::new(Exit::Other, what, error, "check the rights of the state directory and its disk"),
        }
    }

    pub fn client(what: &str, error: &ClientError) -> Self {
        match error {
            ClientError::Nobody => Self::new(Exit::Other, what, error, "run `entefs mount` first"),
            ClientError::Refused(refused) => Self::plain(Exit::from_code(refused.exit), what, &refused.sentence),
            error => Self::new(Exit::Other, what, error, "see its log, or mount anew"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}
