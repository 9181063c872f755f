//! What the flows ask of a person.

use super::error::{AccountError, AccountResult};
use crate::crypto::{KdfLimits, Zeroizing};

/// A person at a terminal, or the flags that stand for one. Asking blocks: the flows do it on a blocking
/// thread. Whoever has no answer says so with [`AccountError::Missing`] or [`AccountError::Cancelled`].
pub trait Prompt: Send + Sync {
    /// # Errors
    /// Where there is no answer.
    fn ask_password(&self, purpose: PasswordPurpose) -> AccountResult<Zeroizing<String>>;
    /// The code that was sent to `email`.
    ///
    /// # Errors
    /// Where there is no answer.
    fn ask_email_code(&self, email: &str) -> AccountResult<String>;
    /// The code of the authenticator; `None`, allowed where `or_passkey`, takes the passkey instead.
    ///
    /// # Errors
    /// Where there is no answer.
    fn ask_totp(&self, or_passkey: bool) -> AccountResult<Option<String>>;
    /// The address to open in a browser; the flow then waits for up to ten minutes.
    ///
    /// # Errors
    /// Where it cannot be shown.
    fn show_passkey_url(&self, url: &str) -> AccountResult<()>;
    /// The 24 words, once.
    ///
    /// # Errors
    /// Where they can be neither shown nor written: they can be had again with `recovery-key`.
    fn show_recovery_words(&self, words: &str) -> AccountResult<()>;
    /// Takes note of the seconds that a password costs.
    fn note_derivation(&self, step: Derivation);
    /// The last answer was wrong in this way; whether to ask once more. False for answers from flags and files.
    fn ask_again(&self, wrong: &AccountError) -> bool;
}

/// What a password is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PasswordPurpose {
    /// Of an account that is being made: to be asked twice.
    New,
    LogIn,
    /// Before the recovery key is shown.
    Confirm,
}

/// How far the derivation of a key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Derivation {
    Begun(KdfLimits),
    /// The machine has not as much memory: the next rung of the ladder follows.
    Lower,
    Done,
}
