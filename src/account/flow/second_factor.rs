//! TOTP and passkeys (protocol notes, auth 2.5 and 2.6).

use super::AccountFlows;
use crate::account::error::{AccountError, AccountResult};
use crate::base::Retry;
use crate::remote::RemoteError;
use crate::wire::{Authorization, TotpVerifyRequest, code, header};
use tokio::time::{Instant, sleep};

/// Where the browser goes afterwards: a scheme that Ente's accounts page allows and nothing handles.
const REDIRECT: &str = "ente-cli://passkey";

impl AccountFlows {
    /// What remains to be proven after the password or the code, if anything.
    pub(super) async fn pass_second_factor(&self, granted: Authorization) -> AccountResult<Authorization> {
        let passkey = granted.passkey_session().map(|session| (session.to_owned(), granted.accounts_url.clone()));
        let Some(totp) = granted.totp_session() else {
            return match passkey {
                Some((session, accounts)) => self.pass_passkey(&session, &accounts).await,
                None => Ok(granted),
            };
        };
        match (self.pass_totp(totp, passkey.is_some()).await?, passkey) {
            (Some(granted), _) => Ok(granted),
            (None, Some((session, accounts))) => self.pass_passkey(&session, &accounts).await,
            (None, None) => Err(AccountError::WrongCode { what: "authenticator's code" }),
        }
    }

    /// `None` where the passkey is chosen instead.
    async fn pass_totp(&self, session: &str, or_passkey: bool) -> AccountResult<Option<Authorization>> {
        let mut tries = 0;
        loop {
            tries += 1;
            let Some(typed) = self.ask(move |prompt| prompt.ask_totp(or_passkey)).await? else { return Ok(None) };
            let digits = typed.chars().filter(|c| !c.is_whitespace()).collect();
            match self.api.verify_totp(&TotpVerifyRequest { session_id: session.into(), code: digits }).await {
                Err(error) if error.status() == Some(401) => {
                    self.ask_again(AccountError::WrongCode { what: "authenticator's code" }, tries).await?;
                }
                answer => return answer.map(Some).map_err(totp_refused),
            }
        }
    }

    /// Shows the address and polls until the browser has finished.
    async fn pass_passkey(&self, session: &str, accounts: &str) -> AccountResult<Authorization> {
        if accounts.is_empty() {
            return Err(AccountError::Malformed { what: "the address of the passkey page" });
        }
        let url = passkey_url(accounts, session);
        self.ask(move |prompt| prompt.show_passkey_url(&url)).await?;
        let deadline = Instant::now() + self.passkey.patience;
        while Instant::now() < deadline {
            sleep(self.passkey.poll).await;
            match self.api.fetch_passkey_token(session).await {
                Ok(granted) => return Ok(granted),
                Err(error) if is_still_waiting(&error) => {}
                Err(error) if matches!(error.status(), Some(404 | 410)) => return Err(AccountError::PasskeyTimeout),
                Err(error) => return Err(error.into()),
            }
        }
        Err(AccountError::PasskeyTimeout)
    }
}

/// Not verified yet, or a hiccup on the way: the next poll tells.
fn is_still_waiting(error: &RemoteError) -> bool {
    error.code() == code::SESSION_NOT_VERIFIED || matches!(error.retry(), Retry::Backoff | Retry::After(_))
}

fn totp_refused(error: RemoteError) -> AccountError {
    match error.status() {
        Some(404) => AccountError::CodeExpired { what: "log-in" },
        Some(429) => AccountError::TooManyTries,
        _ => error.into(),
    }
}

fn passkey_url(accounts: &str, session: &str) -> String {
    let (accounts, package) = (accounts.trim_end_matches('/'), header::PHOTOS_PACKAGE);
    let (session, redirect) = (percent_encode(session), percent_encode(REDIRECT));
    format!("{accounts}/passkeys/verify?passkeySessionID={session}&redirect={redirect}&clientPackage={package}")
}

/// Everything but RFC 3986's unreserved characters.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passkey_page_gets_its_session_encoded() {
        assert_eq!(
            passkey_url("https://accounts.ente.com/", "a_b-c+/="),
            "https://accounts.ente.com/passkeys/verify?passkeySessionID=a_b-c%2B%2F%3D&redirect=ente-cli%3A%2F%2Fpasskey\
             &clientPackage=io.ente.photos"
        );
    }
}
