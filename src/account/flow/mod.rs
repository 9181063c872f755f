//! Making an account, logging in and out, and showing the recovery key (protocol notes, auth 2).

mod login;
mod logout;
mod recovery_key;
mod second_factor;
mod signup;
mod srp;

pub use logout::LoggedOut;

use super::dir::{AccountDir, Opened};
use super::error::{AccountError, AccountResult};
use super::kdf::{Argon2Kdf, Kdf};
use super::keys::AccountKeys;
use super::prompt::{Derivation, PasswordPurpose, Prompt};
use super::session::Session;
use super::unlock::Unlocked;
use crate::base::{B64, UserId};
use crate::crypto::{CryptoError, KdfLimits, Kek, Zeroizing};
use crate::remote::{LoginApi, RemoteError, TokenCell};
use crate::wire::{Authorization, OttRequest, VerifyEmailRequest, code};
use std::sync::Arc;
use std::time::Duration;

/// How often a wrong answer may be given anew.
const TRIES: usize = 3;

/// Everything that the flows need. One at a time runs on a state directory.
#[derive(Clone)]
pub struct AccountFlows {
    pub api: Arc<dyn LoginApi>,
    pub prompt: Arc<dyn Prompt>,
    pub dir: AccountDir,
    /// The server's address, remembered in the session.
    pub endpoint: String,
    /// Gets the token: a remote that shares it goes on with the new session.
    pub token: TokenCell,
    /// Whether anything (database, spool, cache) lies here sealed under the device key.
    pub sealed_data_exists: bool,
    pub kdf: Arc<dyn Kdf>,
    pub passkey: PasskeyPace,
}

/// How a browser is waited for: ten polls a minute are allowed, a session lives ten minutes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasskeyPace {
    pub poll: Duration,
    pub patience: Duration,
}

impl Default for PasskeyPace {
    fn default() -> Self {
        Self { poll: Duration::from_secs(7), patience: Duration::from_secs(600) }
    }
}

impl AccountFlows {
    pub fn new(api: Arc<dyn LoginApi>, prompt: Arc<dyn Prompt>, dir: AccountDir, endpoint: &str) -> Self {
        Self {
            api,
            prompt,
            dir,
            endpoint: endpoint.into(),
            token: TokenCell::default(),
            sealed_data_exists: false,
            kdf: Arc::new(Argon2Kdf),
            passkey: PasskeyPace::default(),
        }
    }

    /// Asks the person on a blocking thread.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Prompt) -> AccountResult<T> + Send + 'static,
    ) -> AccountResult<T> {
        let prompt = Arc::clone(&self.prompt);
        on_blocking_thread(move || question(prompt.as_ref())).await
    }

    /// Whether the person can give another answer.
    async fn ask_again(&self, wrong: AccountError, tries: usize) -> AccountResult<()> {
        if tries >= TRIES {
            return Err(wrong);
        }
        self.ask(move |prompt| if prompt.ask_again(&wrong) { Ok(()) } else { Err(wrong) }).await
    }

    async fn ask_password(&self, purpose: PasswordPurpose) -> AccountResult<Zeroizing<String>> {
        let password = self.ask(move |prompt| prompt.ask_password(purpose)).await?;
        if password.is_empty() { Err(AccountError::EmptyPassword) } else { Ok(password) }
    }

    /// The key of a password under the limits that the server gave.
    async fn derive(&self, password: Zeroizing<String>, salt: [u8; 16], limits: KdfLimits) -> AccountResult<Kek> {
        self.try_derive(&Arc::new(password), salt, limits).await?.map_err(AccountError::Derivation)
    }

    async fn try_derive(
        &self,
        password: &Arc<Zeroizing<String>>,
        salt: [u8; 16],
        limits: KdfLimits,
    ) -> AccountResult<Result<Kek, CryptoError>> {
        let (kdf, prompt, password) = (Arc::clone(&self.kdf), Arc::clone(&self.prompt), Arc::clone(password));
        on_blocking_thread(move || {
            prompt.note_derivation(Derivation::Begun(limits));
            let kek = kdf.derive(password.as_bytes(), &salt, limits);
            if kek.is_ok() {
                prompt.note_derivation(Derivation::Done);
            }
            Ok(kek)
        })
        .await
    }

    /// Sends a code and proves that the mailbox is the person's.
    async fn pass_code(&self, email: &str, purpose: &str) -> AccountResult<Authorization> {
        let request = OttRequest { email: email.into(), purpose: purpose.into() };
        self.api.request_code(&request).await.map_err(|error| code_refused(error, email))?;
        let mut tries = 0;
        loop {
            tries += 1;
            let address = email.to_owned();
            let ott = self.ask(move |prompt| prompt.ask_email_code(&address)).await?.trim().to_owned();
            match self.api.verify_email(&VerifyEmailRequest { email: email.into(), ott }).await {
                Err(error) if error.status() == Some(401) => {
                    self.ask_again(AccountError::WrongCode { what: "e-mail code" }, tries).await?;
                }
                answer => return answer.map_err(|error| code_refused(error, email)),
            }
        }
    }

    /// Keeps what a log-in or sign-up gave. Where the directory is another account's, the new session is
    /// ended again.
    async fn keep(&self, email: &str, user: UserId, unlocked: Unlocked, kek_salt: B64) -> AccountResult<Opened> {
        let keys = AccountKeys { user, master: unlocked.master, pair: unlocked.pair };
        let session = Session {
            email: email.into(),
            endpoint: self.endpoint.clone(),
            token: unlocked.token.clone(),
            keys: Arc::new(keys),
            kek_salt,
        };
        let (dir, sealed_data_exists) = (self.dir.clone(), self.sealed_data_exists);
        match on_blocking_thread(move || dir.keep(session, sealed_data_exists)).await {
            Ok(opened) => {
                self.token.set(&opened.session.token);
                Ok(opened)
            }
            Err(error) => {
                // Best effort: an unused session dies by itself within a year.
                let _ = self.api.logout(&unlocked.token).await;
                Err(error)
            }
        }
    }
}

/// What a refusal of the two code calls means (auth 5.2).
fn code_refused(error: RemoteError, email: &str) -> AccountError {
    let email = email.to_owned();
    match (error.status(), error.code()) {
        (Some(404), code::USER_SIGNUP_INCOMPLETE) => AccountError::SignupIncomplete { email },
        (Some(404), _) => AccountError::UnknownAccount { email },
        (Some(409), code::USER_ALREADY_REGISTERED) => AccountError::AlreadyRegistered { email },
        (Some(410), _) => AccountError::CodeExpired { what: "e-mail code" },
        (Some(429), _) => AccountError::TooManyTries,
        (Some(403), "") => AccountError::SignupClosed,
        (Some(403), _) => AccountError::ScheduledForDeletion,
        _ => error.into(),
    }
}

/// Runs what blocks; a panic in there goes on here.
async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> AccountResult<T> + Send + 'static,
) -> AccountResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(AccountError::Cancelled),
    }
}
