//! Logging out: the session ends on the server and here, and with it all that was sealed here.

use super::{AccountFlows, on_blocking_thread};
use crate::account::error::{AccountError, AccountResult};
use crate::remote::RemoteError;

/// What became of the session on the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoggedOut {
    /// It is over there too.
    Everywhere,
    /// The server could not be told: the session ends by itself after a year without use, or in an Ente app.
    HereOnly(RemoteError),
    /// The token could not be read any more.
    Unreadable,
}

impl AccountFlows {
    /// Ends the session and destroys it with both copies of the device key. The caller has made sure that
    /// nothing waits to be uploaded, and removes the database, the spool and the cache.
    ///
    /// # Errors
    /// [`AccountError::NotLoggedIn`] where there is nothing to end; a file that cannot be removed.
    pub async fn logout(&self) -> AccountResult<LoggedOut> {
        let dir = self.dir.clone();
        let (exists, opened) = on_blocking_thread(move || Ok((dir.exists(), dir.read()))).await?;
        if !exists {
            return Err(AccountError::NotLoggedIn);
        }
        let outcome = match opened {
            Ok(opened) => self.end_session(&opened.session.token).await,
            Err(_) => LoggedOut::Unreadable,
        };
        let dir = self.dir.clone();
        on_blocking_thread(move || dir.destroy()).await?;
        self.token.clear();
        Ok(outcome)
    }

    async fn end_session(&self, token: &str) -> LoggedOut {
        match self.api.logout(token).await {
            Ok(()) => LoggedOut::Everywhere,
            Err(error) if error.is_session_over() => LoggedOut::Everywhere,
            Err(error) => LoggedOut::HereOnly(error),
        }
    }
}
