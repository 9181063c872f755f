//! Showing the recovery key again, to whoever knows the password.

use super::{AccountFlows, on_blocking_thread};
use crate::account::error::{AccountError, AccountResult};
use crate::account::prompt::PasswordPurpose;
use crate::account::unlock::{kdf_of_keys, open_master, open_recovery_key};
use crate::crypto::recovery_words;
use crate::wire::KeyAttributes;

impl AccountFlows {
    /// # Errors
    /// [`AccountError::NotLoggedIn`], [`AccountError::WrongPassword`], [`AccountError::NoRecoveryKey`].
    pub async fn show_recovery_key(&self) -> AccountResult<()> {
        let dir = self.dir.clone();
        let opened = on_blocking_thread(move || dir.read()).await?;
        let validity = self.api.fetch_session_validity(&opened.session.token).await?;
        let attributes = validity.key_attributes.ok_or(AccountError::Malformed { what: "the account's keys" })?;
        self.confirm_password(&attributes).await?;
        // Of the account that is logged in here, whatever the server sends.
        let recovery = open_recovery_key(&opened.session.keys.master, &attributes)?;
        self.ask(move |prompt| prompt.show_recovery_words(&recovery_words(&recovery))).await
    }

    async fn confirm_password(&self, attributes: &KeyAttributes) -> AccountResult<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            let password = self.ask_password(PasswordPurpose::Confirm).await?;
            let (salt, limits) = kdf_of_keys(attributes)?;
            let kek = self.derive(password, salt, limits).await?;
            match open_master(&kek, attributes) {
                Err(wrong @ AccountError::WrongPassword) => self.ask_again(wrong, tries).await?,
                opened => return opened.map(|_| ()),
            }
        }
    }
}
