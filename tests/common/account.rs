//! Accounts without the seconds that a real password costs: the flows are the program's own, the derivation is not.

use entefs::account::{
    AccountDir, AccountError, AccountFlows, AccountResult, Derivation, Kdf, NoKeyring, Opened, PasswordPurpose, Prompt,
};
use entefs::crypto::{ContentHash, CryptoError, KdfLimits, Kek, Zeroizing};
use entefs::remote::{HttpLogin, HttpOptions, TokenCell};
use std::path::Path;
use std::sync::Arc;

pub const PASSWORD: &str = "correct horse battery staple";

/// The server's e-mail code.
pub fn code() -> String {
    std::env::var("ENTEFS_TEST_OTT").unwrap_or_else(|_| "123456".into())
}

/// A hash is enough where nobody guesses.
struct QuickKdf;

impl Kdf for QuickKdf {
    fn derive(&self, password: &[u8], salt: &[u8; 16], _: KdfLimits) -> Result<Kek, CryptoError> {
        let text = ContentHash::of(&[password, salt].concat()).to_text();
        Kek::from_slice(&text.as_bytes()[..32])
    }
}

struct Answers;

impl Prompt for Answers {
    fn ask_password(&self, _: PasswordPurpose) -> AccountResult<Zeroizing<String>> {
        Ok(Zeroizing::new(PASSWORD.into()))
    }

    fn ask_email_code(&self, _: &str) -> AccountResult<String> {
        Ok(code())
    }

    fn ask_totp(&self, _: bool) -> AccountResult<Option<String>> {
        Err(AccountError::Cancelled)
    }

    fn show_passkey_url(&self, _: &str) -> AccountResult<()> {
        Err(AccountError::Cancelled)
    }

    fn show_recovery_words(&self, _: &str) -> AccountResult<()> {
        Ok(())
    }

    fn note_derivation(&self, _: Derivation) {}

    fn ask_again(&self, _: &AccountError) -> bool {
        false
    }
}

fn flows(endpoint: &str, state: &Path) -> AccountFlows {
    let api = HttpLogin::new(&HttpOptions::new(endpoint, TokenCell::default())).expect("a client");
    let dir = AccountDir::with_places(state, Arc::new(NoKeyring), None);
    AccountFlows { kdf: Arc::new(QuickKdf), ..AccountFlows::new(Arc::new(api), Arc::new(Answers), dir, endpoint) }
}

/// Makes an account whose first device has this state directory.
pub async fn sign_up(endpoint: &str, state: &Path, email: &str) -> Opened {
    flows(endpoint, state).signup(email).await.expect("a new account")
}

/// Logs another device in.
pub async fn sign_in(endpoint: &str, state: &Path, email: &str) -> Opened {
    flows(endpoint, state).login(email).await.expect("the account is there")
}
