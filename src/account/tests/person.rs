//! Somebody at the terminal.

use super::{EMAIL, PASSWORD};
use crate::account::{AccountError, AccountResult, Derivation, PasswordPurpose, Prompt};
use crate::base::sync::Mutex;
use crate::crypto::Zeroizing;
use std::collections::VecDeque;
use std::sync::Arc;

/// Gives the answers of a script, the last one for ever, and remembers what was asked and shown.
pub struct Person {
    pub passwords: Mutex<VecDeque<&'static str>>,
    pub codes: Mutex<VecDeque<&'static str>>,
    /// `None` takes the passkey.
    pub totps: Mutex<VecDeque<Option<&'static str>>>,
    pub patient: bool,
    pub seen: Mutex<Vec<String>>,
    pub words: Mutex<Option<String>>,
}

impl Person {
    pub fn new() -> Arc<Self> {
        Self::saying(&[PASSWORD], &["123456"], &[])
    }

    pub fn saying(passwords: &[&'static str], codes: &[&'static str], totps: &[Option<&'static str>]) -> Arc<Self> {
        Arc::new(Self {
            passwords: Mutex::new(passwords.iter().copied().collect()),
            codes: Mutex::new(codes.iter().copied().collect()),
            totps: Mutex::new(totps.iter().copied().collect()),
            patient: true,
            seen: Mutex::default(),
            words: Mutex::default(),
        })
    }

    /// What stands behind flags and files: the same answer each time.
    pub fn script(password: &'static str) -> Arc<Self> {
        let person = Self::saying(&[password], &["123456"], &[Some("000000")]);
        Arc::new(Self { patient: false, ..Arc::into_inner(person).expect("nobody else has it yet") })
    }

    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }

    pub fn count(&self, what: &str) -> usize {
        self.seen().iter().filter(|seen| seen.starts_with(what)).count()
    }

    fn note(&self, what: impl Into<String>) {
        self.seen.lock().push(what.into());
    }
}

fn next<T: Copy>(answers: &Mutex<VecDeque<T>>) -> AccountResult<T> {
    let mut answers = answers.lock();
    let answer = answers.front().copied();
    if answers.len() > 1 {
        answers.pop_front();
    }
    answer.ok_or(AccountError::Missing { what: "an answer", flag: "--answer" })
}

impl Prompt for Person {
    fn ask_password(&self, purpose: PasswordPurpose) -> AccountResult<Zeroizing<String>> {
        self.note(format!("password {purpose:?}"));
        next(&self.passwords).map(|password| Zeroizing::new(password.into()))
    }

    fn ask_email_code(&self, email: &str) -> AccountResult<String> {
        assert_eq!(email, EMAIL);
        self.note("code");
        next(&self.codes).map(Into::into)
    }

    fn ask_totp(&self, or_passkey: bool) -> AccountResult<Option<String>> {
        self.note(format!("totp, or passkey: {or_passkey}"));
        next(&self.totps).map(|code| code.map(Into::into))
    }

    fn show_passkey_url(&self, url: &str) -> AccountResult<()> {
        self.note(format!("url {url}"));
        Ok(())
    }

    fn show_recovery_words(&self, words: &str) -> AccountResult<()> {
        self.note("words");
        *self.words.lock() = Some(words.into());
        Ok(())
    }

    fn note_derivation(&self, step: Derivation) {
        self.note(format!("derivation {step:?}"));
    }

    fn ask_again(&self, wrong: &AccountError) -> bool {
        self.note(format!("wrong: {wrong}"));
        self.patient
    }
}
