//! Making an account (protocol notes, auth 2.2): code, keys, log-in by password, in this order. Whatever
//! interrupts it, running it again or logging in goes on.

use super::{AccountFlows, on_blocking_thread};
use crate::account::dir::Opened;
use crate::account::error::{AccountError, AccountResult};
use crate::account::prompt::{Derivation, PasswordPurpose};
use crate::account::unlock::{NewAccount, Unlocked, make_account};
use crate::base::Retry;
use crate::crypto::{CryptoError, KDF_LADDER, KdfLimits, Kek, Zeroizing, random, recovery_words};
use crate::wire::{KeyAttributes, SetKeyAttributes};
use std::sync::Arc;

/// How often the keys are sent while it is unknown whether they arrived.
const TRIES: usize = 3;

impl AccountFlows {
    /// Makes an account, keeps the session, and shows the recovery key at the very end.
    ///
    /// # Errors
    /// Before anything is made where the directory is somebody's already. An error of
    /// [`crate::account::Prompt::show_recovery_words`] comes after everything else is done.
    pub async fn signup(&self, email: &str) -> AccountResult<Opened> {
        let email = email.trim();
        self.refuse_used_directory().await?;
        let granted = self.pass_code(email, "signup").await?;
        let registered = || AccountError::AlreadyRegistered { email: email.into() };
        let token = Zeroizing::new(granted.token.ok_or_else(registered)?);
        if self.api.fetch_session_validity(&token).await?.has_set_keys {
            return Err(registered());
        }
        let password = Arc::new(self.ask_password(PasswordPurpose::New).await?);
        let (kek, salt, limits) = self.derive_new(&password).await?;
        let account = make_account(&kek, &salt, limits);
        self.put_keys(&token, &account.attributes).await?;
        let kek_salt = account.attributes.kek_salt.clone();
        self.set_up_srp(&token, email, &Arc::new(kek), &kek_salt).await?;
        let NewAccount { master, pair, recovery, .. } = account;
        let opened = self.keep(email, granted.id, Unlocked { master, pair, token }, kek_salt).await?;
        self.ask(move |prompt| prompt.show_recovery_words(&recovery_words(&recovery))).await?;
        Ok(opened)
    }

    async fn refuse_used_directory(&self) -> AccountResult<()> {
        let (dir, sealed) = (self.dir.clone(), self.sealed_data_exists);
        on_blocking_thread(move || {
            if !sealed && !dir.exists() {
                return Ok(());
            }
            let owner = dir.read().map_or_else(|_| "another account".into(), |opened| opened.session.email);
            Err(AccountError::OtherAccount { owner })
        })
        .await
    }

    /// The first rung of the ladder that the machine's memory allows, all with one salt.
    async fn derive_new(&self, password: &Arc<Zeroizing<String>>) -> AccountResult<(Kek, [u8; 16], KdfLimits)> {
        let salt = random();
        let mut refused = CryptoError::KdfMemory { mem_limit: KDF_LADDER[0].mem_limit };
        for limits in KDF_LADDER {
            match self.try_derive(password, salt, limits).await? {
                Ok(kek) => return Ok((kek, salt, limits)),
                Err(error @ CryptoError::KdfMemory { .. }) => refused = error,
                Err(error) => return Err(AccountError::Derivation(error)),
            }
            self.prompt.note_derivation(Derivation::Lower);
        }
        Err(AccountError::Derivation(refused))
    }

    /// Sends the keys. The call works once: where its answer is lost, the server is asked what it has.
    async fn put_keys(&self, token: &str, attributes: &KeyAttributes) -> AccountResult<()> {
        let request = SetKeyAttributes { key_attributes: attributes.clone() };
        let mut tries = 0;
        loop {
            tries += 1;
            let Err(error) = self.api.put_key_attributes(token, &request).await else { return Ok(()) };
            if !matches!(error.retry(), Retry::Backoff | Retry::After(_)) || tries == TRIES {
                return Err(error.into());
            }
            let kept = self.api.fetch_session_validity(token).await?;
            if kept.has_set_keys {
                let same = kept.key_attributes.is_some_and(|kept| kept.encrypted_key == attributes.encrypted_key);
                return if same { Ok(()) } else { Err(AccountError::AttributesDiffer) };
            }
        }
    }
}
