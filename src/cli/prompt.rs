//! Secrets and codes: from flags, else asked on the terminal, else missing (command-line contract, 2).

use super::args::{Global, PasswordArgs};
use super::progress::DerivationSpinner;
use super::terminal;
use crate::account::{AccountError, AccountResult, Derivation, PasswordPurpose, Prompt, write_new_secret};
use crate::crypto::Zeroizing;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Longer first lines are no passwords.
const MAX_PASSWORD: u64 = 64 << 10;

/// What the flags answer, and the terminal for the rest.
pub(super) struct FlagsAndTerminal {
    pub(super) password: PasswordArgs,
    pub(super) code: Option<String>,
    pub(super) totp: Option<String>,
    pub(super) recovery_key_file: Option<PathBuf>,
    derivation: DerivationSpinner,
}

impl FlagsAndTerminal {
    pub(super) fn new(global: &Global, password: PasswordArgs) -> Self {
        Self { password, code: None, totp: None, recovery_key_file: None, derivation: DerivationSpinner::new(global) }
    }

    fn password_from_flags(&self) -> AccountResult<Option<Zeroizing<String>>> {
        if self.password.password_stdin {
            return first_line(io::stdin().lock(), Path::new("standard input")).map(Some);
        }
        let Some(path) = &self.password.password_file else { return Ok(None) };
        let file = File::open(path).map_err(|source| AccountError::File { path: path.clone(), source })?;
        first_line(BufReader::new(file), path).map(Some)
    }

    fn is_asking(&self) -> bool {
        terminal::can_ask() && !self.password.password_stdin
    }
}

fn first_line(reader: impl BufRead, path: &Path) -> AccountResult<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    let read = reader.take(MAX_PASSWORD).read_line(&mut line);
    read.map_err(|source| AccountError::File { path: path.into(), source })?;
    let length = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(length);
    Ok(line)
}

pub(super) fn ask_line(question: &str) -> AccountResult<String> {
    let failed = |source| AccountError::File { path: "the terminal".into(), source };
    let mut err = io::stderr();
    write!(err, "{question}: ").and_then(|()| err.flush()).map_err(failed)?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line).map_err(failed)? == 0 {
        return Err(AccountError::Cancelled);
    }
    Ok(line.trim().to_owned())
}

fn ask_secret(question: &str) -> AccountResult<Zeroizing<String>> {
    let asked = rpassword::prompt_password(format!("{question}: "));
    asked.map(Zeroizing::new).map_err(|source| AccountError::File { path: "the terminal".into(), source })
}

impl Prompt for FlagsAndTerminal {
    fn ask_password(&self, purpose: PasswordPurpose) -> AccountResult<Zeroizing<String>> {
        if let Some(password) = self.password_from_flags()? {
            return Ok(password);
        }
        if !self.is_asking() {
            return Err(AccountError::Missing { what: "the password", flag: "--password-stdin or --password-file" });
        }
        if purpose != PasswordPurpose::New {
            return ask_secret("Password");
        }
        loop {
            let (first, second) = (ask_secret("New password")?, ask_secret("The same again")?);
            if first == second {
                return Ok(first);
            }
            // Where stderr is gone, the question is asked again all the same.
            let _ = writeln!(io::stderr(), "They differ.");
        }
    }

    fn ask_email_code(&self, email: &str) -> AccountResult<String> {
        match &self.code {
            Some(code) => Ok(code.clone()),
            None if self.is_asking() => ask_line(&format!("Code that was sent to {email}")),
            None => Err(AccountError::Missing { what: "the code from the e-mail", flag: "--code" }),
        }
    }

    fn ask_totp(&self, or_passkey: bool) -> AccountResult<Option<String>> {
        if let Some(totp) = &self.totp {
            return Ok(Some(totp.clone()));
        }
        if !self.is_asking() {
            // A passkey is confirmed in a browser, not here.
            let missing = AccountError::Missing { what: "the code of the authenticator", flag: "--totp" };
            return if or_passkey { Ok(None) } else { Err(missing) };
        }
        let hint = if or_passkey { " (empty: use the passkey)" } else { "" };
        let code = ask_line(&format!("Code of the authenticator{hint}"))?;
        Ok(Some(code).filter(|code| !(or_passkey && code.is_empty())))
    }

    fn show_passkey_url(&self, url: &str) -> AccountResult<()> {
        let shown = writeln!(io::stderr(), "Confirm with your passkey in a browser, within ten minutes:\n  {url}");
        shown.map_err(|source| AccountError::File { path: "standard error".into(), source })
    }

    fn show_recovery_words(&self, words: &str) -> AccountResult<()> {
        if let Some(path) = &self.recovery_key_file {
            return write_new_secret(path, format!("{words}\n").as_bytes());
        }
        let mut err = io::stderr();
        let shown = writeln!(
            err,
            "\nThe recovery key of your account. Write it down and keep it safe: without it and without the\n\
             password nobody, not even Ente, can open your photos.\n"
        );
        let printed = shown.and_then(|()| writeln!(io::stdout(), "{words}")).and_then(|()| writeln!(err));
        printed.map_err(|source| AccountError::File { path: "standard output".into(), source })
    }

    fn note_derivation(&self, step: Derivation) {
        self.derivation.note(step);
    }

    fn ask_again(&self, wrong: &AccountError) -> bool {
        let from_flag = match wrong {
            AccountError::WrongPassword => self.password.password_file.is_some() || self.password.password_stdin,
            AccountError::WrongCode { what: "e-mail code" } => self.code.is_some(),
            _ => self.totp.is_some(),
        };
        if from_flag || !self.is_asking() {
            return false;
        }
        // Where stderr is gone, the question is asked again all the same.
        let _ = writeln!(io::stderr(), "{wrong}");
        true
    }
}
