//! Logging in (protocol notes, auth 2.3).
//!
//! ```text
//!  attributes ── by password ──▶ SRP ────────────┐
//!      │            └ too many open sessions ─▶┐ ├─▶ second factor ─▶ unlock ─▶ keep
//!      └ none, or e-mail asked for ───▶ code ──┴─┘    (TOTP, passkey)
//! ```

use super::AccountFlows;
use crate::account::dir::Opened;
use crate::account::error::{AccountError, AccountResult};
use crate::account::prompt::PasswordPurpose;
use crate::account::unlock::{Unlocked, kdf_of_keys, kdf_of_srp, unlock};
use crate::base::B64;
use crate::crypto::Kek;
use crate::remote::RemoteError;
use crate::wire::{Authorization, KeyAttributes, SrpAttributes, code};
use std::sync::Arc;

/// What the first factor gave.
struct Proven {
    granted: Authorization,
    /// Where the password was asked for on the way.
    kek: Option<Arc<Kek>>,
    /// A legacy account: it gets the log-in by password afterwards.
    lacks_srp: bool,
}

impl AccountFlows {
    /// Logs in and keeps the session. The same account's device key stays what it was.
    ///
    /// # Errors
    /// [`AccountError::OtherAccount`] on another account's directory; everything else says what to do.
    pub async fn login(&self, email: &str) -> AccountResult<Opened> {
        let email = email.trim();
        let Proven { granted, kek, lacks_srp } = self.prove_identity(email).await?;
        let user = granted.id;
        let granted = self.pass_second_factor(granted).await?;
        if granted.token.is_some() {
            return Err(AccountError::SignupIncomplete { email: email.into() });
        }
        let (Some(attributes), Some(sealed_token)) = (granted.key_attributes, granted.encrypted_token) else {
            return Err(AccountError::Malformed { what: "the answer to the log-in" });
        };
        let (unlocked, kek) = self.unlock(kek, &attributes, &sealed_token).await?;
        if lacks_srp {
            self.give_srp(&unlocked, email, &kek, &attributes).await;
        }
        self.keep(email, user, unlocked, attributes.kek_salt).await
    }

    async fn prove_identity(&self, email: &str) -> AccountResult<Proven> {
        match self.api.fetch_srp_attributes(email).await {
            Ok(attributes) if !attributes.is_email_mfa_enabled => self.prove_by_password(email, attributes).await,
            Ok(_) => self.prove_by_code(email, None, false).await,
            // Unknown, or known without SRP: asking for a code tells which.
            Err(error) if error.status() == Some(404) => {
                self.prove_by_code(email, None, error.code() == code::NOT_FOUND).await
            }
            Err(error) if error.status() == Some(429) => Err(AccountError::TooManyTries),
            Err(error) => Err(error.into()),
        }
    }

    async fn prove_by_password(&self, email: &str, mut attributes: SrpAttributes) -> AccountResult<Proven> {
        let mut tries = 0;
        loop {
            tries += 1;
            let password = self.ask_password(PasswordPurpose::LogIn).await?;
            let (salt, limits) = kdf_of_srp(&attributes)?;
            let kek = Arc::new(self.derive(password, salt, limits).await?);
            let error = match self.prove(&attributes, &kek).await? {
                Ok(granted) => return Ok(Proven { granted, kek: Some(kek), lacks_srp: false }),
                Err(error) => error,
            };
            match (error.status(), error.code()) {
                (Some(401), _) => self.ask_again(AccountError::WrongPassword, tries).await?,
                (Some(409), code::EMAIL_MFA_ENABLED) | (Some(429), code::TOO_MANY_UNVERIFIED_SESSIONS) => {
                    return self.prove_by_code(email, Some(kek), false).await;
                }
                _ => return Err(password_refused(error, email)),
            }
            // Changed on another device meanwhile, the password has another salt and user ID.
            attributes = self.api.fetch_srp_attributes(email).await?;
        }
    }

    async fn prove_by_code(&self, email: &str, kek: Option<Arc<Kek>>, lacks_srp: bool) -> AccountResult<Proven> {
        let granted = self.pass_code(email, "login").await?;
        Ok(Proven { granted, kek, lacks_srp })
    }

    /// Opens the account's keys, asking for the password where it is not known yet, or wrong.
    async fn unlock(
        &self,
        mut kek: Option<Arc<Kek>>,
        attributes: &KeyAttributes,
        sealed_token: &B64,
    ) -> AccountResult<(Unlocked, Arc<Kek>)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let key = match kek.take() {
                Some(key) => key,
                None => {
                    let password = self.ask_password(PasswordPurpose::LogIn).await?;
                    let (salt, limits) = kdf_of_keys(attributes)?;
                    Arc::new(self.derive(password, salt, limits).await?)
                }
            };
            match unlock(&key, attributes, sealed_token) {
                Err(wrong @ AccountError::WrongPassword) => self.ask_again(wrong, tries).await?,
                unlocked => return unlocked.map(|unlocked| (unlocked, key)),
            }
        }
    }

    /// As Ente's web app does, silently; a failure leaves the account as it was.
    async fn give_srp(&self, unlocked: &Unlocked, email: &str, kek: &Arc<Kek>, attributes: &KeyAttributes) {
        if let Err(error) = self.set_up_srp(&unlocked.token, email, kek, &attributes.kek_salt).await {
            tracing::warn!(%error, "the account keeps its log-in by e-mail code");
        }
    }
}

/// What a refusal of the two SRP calls means (auth 5.2).
fn password_refused(error: RemoteError, email: &str) -> AccountError {
    match (error.status(), error.code()) {
        (Some(403), _) => AccountError::ScheduledForDeletion,
        (Some(410), "") => AccountError::UnknownAccount { email: email.into() },
        (Some(410 | 429), _) => AccountError::TooManyTries,
        _ => error.into(),
    }
}
