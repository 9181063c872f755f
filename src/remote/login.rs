//! The calls that make and end a session (protocol notes, auth 2). [`HttpLogin`] speaks them; the tests of
//! the flows put a server in memory in its place.

use super::call::{ApiCall, ApiClient, expect_nothing, parse};
use super::error::RemoteResult;
use super::options::HttpOptions;
use super::retry::{Attempts, Repeat};
use crate::base::Timestamp;
use crate::wire::{
    Authorization, OttRequest, SecondFactor, SessionValidity, SetKeyAttributes, SrpAttributes, SrpAttributesAnswer,
    SrpCompleteAnswer, SrpCompleteRequest, SrpCreateSessionAnswer, SrpCreateSessionRequest, SrpSetupAnswer,
    SrpSetupRequest, SrpVerifySessionRequest, TotpVerifyRequest, TwoFactorRecovery, TwoFactorRemoveRequest,
    VerifyEmailRequest, path,
};
use async_trait::async_trait;
use bytes::Bytes;
use serde::de::DeserializeOwned;

/// One Ente server, before there is a session. Where a call needs a token it takes it: there may be none
/// that everybody shares yet. A 429 is given back at once: a person waits for it.
#[async_trait]
pub trait LoginApi: Send + Sync {
    /// Sends a code by e-mail. 200 does not prove that a mail was sent.
    async fn request_code(&self, request: &OttRequest) -> RemoteResult<()>;
    /// Consumes the code; never repeated.
    async fn verify_email(&self, request: &VerifyEmailRequest) -> RemoteResult<Authorization>;

    /// 404 for no such account (no code) and for one without SRP (`NOT_FOUND`).
    async fn fetch_srp_attributes(&self, email: &str) -> RemoteResult<SrpAttributes>;
    /// Each open session counts towards a limit that locks the account's log-in for an hour; never repeated.
    async fn create_srp_session(&self, request: &SrpCreateSessionRequest) -> RemoteResult<SrpCreateSessionAnswer>;
    /// Five wrong proofs end a session; never repeated.
    async fn verify_srp_session(&self, request: &SrpVerifySessionRequest) -> RemoteResult<Authorization>;

    /// A code logs in once; never repeated.
    async fn verify_totp(&self, request: &TotpVerifyRequest) -> RemoteResult<Authorization>;
    /// 400 `SESSION_NOT_VERIFIED` while the browser has not finished. Ten calls a minute; answers twice at most.
    async fn fetch_passkey_token(&self, session: &str) -> RemoteResult<Authorization>;
    /// What the recovery key opens, for a lost second factor.
    async fn fetch_two_factor_recovery(&self, session: &str, factor: SecondFactor) -> RemoteResult<TwoFactorRecovery>;
    /// Logs in by the recovered secret: switches TOTP off, skips a passkey this once; never repeated.
    async fn remove_two_factor(&self, request: &TwoFactorRemoveRequest) -> RemoteResult<Authorization>;

    /// Works once: 403 afterwards; never repeated.
    async fn put_key_attributes(&self, token: &str, request: &SetKeyAttributes) -> RemoteResult<()>;
    async fn set_up_srp(&self, token: &str, request: &SrpSetupRequest) -> RemoteResult<SrpSetupAnswer>;
    /// Never repeated.
    async fn complete_srp(&self, token: &str, request: &SrpCompleteRequest) -> RemoteResult<SrpCompleteAnswer>;
    async fn fetch_session_validity(&self, token: &str) -> RemoteResult<SessionValidity>;
    /// Ends the session of this token.
    async fn logout(&self, token: &str) -> RemoteResult<()>;
}

/// [`LoginApi`] over HTTP.
pub struct HttpLogin(ApiClient);

impl HttpLogin {
    /// The options' token is not used.
    ///
    /// # Errors
    /// [`super::RemoteError::Address`] for an endpoint that no request can go to.
    pub fn new(options: &HttpOptions) -> RemoteResult<Self> {
        ApiClient::new(options).map(Self)
    }

    async fn call(&self, call: &ApiCall, token: Option<&str>, repeat: Repeat) -> RemoteResult<Bytes> {
        let mut attempts = Attempts::new(repeat, self.0.timeouts.repeat);
        loop {
            match self.0.send(call, token).await {
                Err(error) => attempts.pause_after(error).await?,
                answer => return answer,
            }
        }
    }

    async fn fetch<T: DeserializeOwned>(&self, call: ApiCall, token: Option<&str>, repeat: Repeat) -> RemoteResult<T> {
        parse(call.endpoint, &self.call(&call, token, repeat).await?)
    }

    async fn change(&self, call: ApiCall, token: Option<&str>, repeat: Repeat) -> RemoteResult<()> {
        expect_nothing(call.endpoint, &self.call(&call, token, repeat).await?)
    }
}

/// The server's clock; `None` where it does not say.
///
/// # Errors
/// [`super::RemoteError`] where the server is not reached.
pub async fn fetch_server_time(options: &HttpOptions) -> RemoteResult<Option<Timestamp>> {
    ApiClient::new(options)?.fetch_time(&ApiCall::get(path::PING)).await
}

#[async_trait]
impl LoginApi for HttpLogin {
    async fn request_code(&self, request: &OttRequest) -> RemoteResult<()> {
        self.change(ApiCall::post(path::OTT, request), None, Repeat::Safe).await
    }

    async fn verify_email(&self, request: &VerifyEmailRequest) -> RemoteResult<Authorization> {
        self.fetch(ApiCall::post(path::VERIFY_EMAIL, request), None, Repeat::Never).await
    }

    async fn fetch_srp_attributes(&self, email: &str) -> RemoteResult<SrpAttributes> {
        let call = ApiCall::get(path::SRP_ATTRIBUTES).query("email", email);
        let answer: SrpAttributesAnswer = self.fetch(call, None, Repeat::Safe).await?;
        Ok(answer.attributes)
    }

    async fn create_srp_session(&self, request: &SrpCreateSessionRequest) -> RemoteResult<SrpCreateSessionAnswer> {
        self.fetch(ApiCall::post(path::SRP_CREATE_SESSION, request), None, Repeat::Never).await
    }

    async fn verify_srp_session(&self, request: &SrpVerifySessionRequest) -> RemoteResult<Authorization> {
        self.fetch(ApiCall::post(path::SRP_VERIFY_SESSION, request), None, Repeat::Never).await
    }

    async fn verify_totp(&self, request: &TotpVerifyRequest) -> RemoteResult<Authorization> {
        self.fetch(ApiCall::post(path::TWO_FACTOR_VERIFY, request), None, Repeat::Never).await
    }

    async fn fetch_passkey_token(&self, session: &str) -> RemoteResult<Authorization> {
        let call = ApiCall::get(path::PASSKEY_GET_TOKEN).query("sessionID", session);
        self.fetch(call, None, Repeat::Never).await
    }

    async fn fetch_two_factor_recovery(&self, session: &str, factor: SecondFactor) -> RemoteResult<TwoFactorRecovery> {
        let call = ApiCall::get(path::TWO_FACTOR_RECOVER).query("sessionID", session);
        self.fetch(call.query("twoFactorType", factor.to_wire()), None, Repeat::Safe).await
    }

    async fn remove_two_factor(&self, request: &TwoFactorRemoveRequest) -> RemoteResult<Authorization> {
        self.fetch(ApiCall::post(path::TWO_FACTOR_REMOVE, request), None, Repeat::Never).await
    }

    async fn put_key_attributes(&self, token: &str, request: &SetKeyAttributes) -> RemoteResult<()> {
        self.change(ApiCall::put(path::KEY_ATTRIBUTES, request), Some(token), Repeat::Never).await
    }

    async fn set_up_srp(&self, token: &str, request: &SrpSetupRequest) -> RemoteResult<SrpSetupAnswer> {
        self.fetch(ApiCall::post(path::SRP_SETUP, request), Some(token), Repeat::Never).await
    }

    async fn complete_srp(&self, token: &str, request: &SrpCompleteRequest) -> RemoteResult<SrpCompleteAnswer> {
        self.fetch(ApiCall::post(path::SRP_COMPLETE, request), Some(token), Repeat::Never).await
    }

    async fn fetch_session_validity(&self, token: &str) -> RemoteResult<SessionValidity> {
        self.fetch(ApiCall::get(path::SESSION_VALIDITY), Some(token), Repeat::Safe).await
    }

    async fn logout(&self, token: &str) -> RemoteResult<()> {
        self.change(ApiCall::post(path::LOGOUT, &serde_json::json!({})), Some(token), Repeat::Safe).await
    }
}
