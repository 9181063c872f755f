//! Accounts: codes, SRP, second factors, key attributes (protocol notes, auth 2).

use super::nullable::nullable;
use crate::base::{B64, UserId};
use serde::{Deserialize, Serialize};

/// `POST /users/ott`.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct OttRequest {
    #[serde(default)]
    pub email: String,
    /// `signup`, `login` or `change`; anything else skips the account-state checks.
    #[serde(default)]
    pub purpose: String,
}

/// `POST /users/verify-email`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct VerifyEmailRequest {
    #[serde(default)]
    pub email: String,
    #[serde(default)]
    pub ott: String,
}

/// The keys of an account, wrapped (auth 2.1). The recovery fields are empty for very old accounts.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyAttributes {
    pub kek_salt: B64,
    /// Legacy; ignored.
    pub kek_hash: String,
    pub encrypted_key: B64,
    pub key_decryption_nonce: B64,
    pub public_key: B64,
    pub encrypted_secret_key: B64,
    pub secret_key_decryption_nonce: B64,
    pub mem_limit: i64,
    pub ops_limit: i64,
    pub master_key_encrypted_with_recovery_key: B64,
    pub master_key_decryption_nonce: B64,
    pub recovery_key_encrypted_with_master_key: B64,
    pub recovery_key_decryption_nonce: B64,
}

/// `PUT /users/attributes`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetKeyAttributes {
    pub key_attributes: KeyAttributes,
}

/// The answer of every call that may complete a log-in (auth 2.1). Empty strings mean absent.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Authorization {
    pub id: UserId,
    #[serde(rename = "keyAttributes", skip_serializing_if = "Option::is_none")]
    pub key_attributes: Option<KeyAttributes>,
    #[serde(rename = "encryptedToken", skip_serializing_if = "Option::is_none")]
    pub encrypted_token: Option<B64>,
    /// In clear, only while the account has no keys yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(rename = "twoFactorSessionID")]
    pub two_factor_session_id: String,
    #[serde(rename = "twoFactorSessionIDV2")]
    pub two_factor_session_id_v2: String,
    #[serde(rename = "passkeySessionID")]
    pub passkey_session_id: String,
    #[serde(rename = "accountsUrl")]
    pub accounts_url: String,
    #[serde(rename = "srpM2", skip_serializing_if = "Option::is_none")]
    pub srp_m2: Option<B64>,
}

impl Authorization {
    /// The TOTP session to answer, whichever field carries it.
    pub fn totp_session(&self) -> Option<&str> {
        [&self.two_factor_session_id, &self.two_factor_session_id_v2]
            .into_iter()
            .map(String::as_str)
            .find(|session| !session.is_empty())
    }

    /// The passkey session to wait for.
    pub fn passkey_session(&self) -> Option<&str> {
        Some(self.passkey_session_id.as_str()).filter(|session| !session.is_empty())
    }
}

/// `GET /users/srp/attributes`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SrpAttributesAnswer {
    pub attributes: SrpAttributes,
}

/// How an account logs in (auth 2.3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SrpAttributes {
    #[serde(rename = "srpUserID")]
    pub srp_user_id: String,
    pub srp_salt: B64,
    pub mem_limit: i64,
    pub ops_limit: i64,
    pub kek_salt: B64,
    #[serde(rename = "isEmailMFAEnabled", default)]
    pub is_email_mfa_enabled: bool,
}

/// `POST /users/srp/setup`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SrpSetupRequest {
    #[serde(rename = "srpUserID")]
    pub srp_user_id: String,
    #[serde(rename = "srpSalt")]
    pub srp_salt: B64,
    #[serde(rename = "srpVerifier")]
    pub srp_verifier: B64,
    #[serde(rename = "srpA")]
    pub srp_a: B64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SrpSetupAnswer {
    #[serde(rename = "setupID")]
    pub setup_id: String,
    #[serde(rename = "srpB")]
    pub srp_b: B64,
}

/// `POST /users/srp/complete`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SrpCompleteRequest {
    #[serde(rename = "setupID")]
    pub setup_id: String,
    #[serde(rename = "srpM1")]
    pub srp_m1: B64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SrpCompleteAnswer {
    #[serde(rename = "setupID")]
    pub setup_id: String,
    #[serde(rename = "srpM2")]
    pub srp_m2: B64,
}

/// `POST /users/srp/create-session`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SrpCreateSessionRequest {
    #[serde(rename = "srpUserID")]
    pub srp_user_id: String,
    #[serde(rename = "srpA")]
    pub srp_a: B64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SrpCreateSessionAnswer {
    #[serde(rename = "sessionID")]
    pub session_id: String,
    #[serde(rename = "srpB")]
    pub srp_b: B64,
}

/// `POST /users/srp/verify-session`; answered with [`Authorization`].
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SrpVerifySessionRequest {
    #[serde(rename = "sessionID")]
    pub session_id: String,
    #[serde(rename = "srpUserID")]
    pub srp_user_id: String,
    #[serde(rename = "srpM1")]
    pub srp_m1: B64,
}

/// `POST /users/srp/update`: a new password.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SrpUpdateRequest {
    #[serde(rename = "setupID")]
    pub setup_id: String,
    #[serde(rename = "srpM1")]
    pub srp_m1: B64,
    #[serde(rename = "updatedKeyAttr")]
    pub updated_key_attr: Option<UpdatedKeyAttributes>,
    /// Left out means true: every other token of the user dies.
    #[serde(rename = "logOutOtherDevices", skip_serializing_if = "Option::is_none")]
    pub log_out_other_devices: Option<bool>,
}

#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdatedKeyAttributes {
    pub kek_salt: B64,
    pub encrypted_key: B64,
    pub key_decryption_nonce: B64,
    pub mem_limit: i64,
    pub ops_limit: i64,
}

/// `POST /users/two-factor/verify`; answered with [`Authorization`].
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TotpVerifyRequest {
    #[serde(rename = "sessionID")]
    pub session_id: String,
    pub code: String,
}

/// `POST /users/two-factor/setup`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TotpSetupAnswer {
    /// Base32, 32 characters.
    pub secret_code: String,
    pub qr_code: B64,
}

/// `POST /users/two-factor/enable`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TotpEnableRequest {
    pub code: String,
    pub encrypted_two_factor_secret: B64,
    pub two_factor_secret_decryption_nonce: B64,
}

#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub struct TotpStatusAnswer {
    pub status: bool,
}

/// `GET /users/session-validity/v2`.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionValidity {
    pub has_set_keys: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_attributes: Option<KeyAttributes>,
}

/// `PUT /users/email-mfa`.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmailMfaRequest {
    pub is_enabled: bool,
}

/// `GET /users/public-key?email=`.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PublicKeyAnswer {
    pub public_key: B64,
}

/// `GET /users/sessions`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct SessionsAnswer {
    #[serde(default, deserialize_with = "nullable")]
    pub sessions: Vec<SessionRow>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionRow {
    pub token: String,
    pub creation_time: i64,
    pub ip: String,
    pub ua: String,
    pub pretty_ua: String,
    pub last_used_time: i64,
}

/// Which second factor is lost; the query `twoFactorType` and the field of that name (auth 2.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecondFactor {
    Totp,
    Passkey,
}

impl SecondFactor {
    pub fn to_wire(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
        }
    }
}

/// `GET /users/two-factor/recover?sessionID=&twoFactorType=`: a secretbox under the recovery key.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TwoFactorRecovery {
    pub encrypted_secret: B64,
    pub secret_decryption_nonce: B64,
}

/// `POST /users/two-factor/remove`; answered with [`Authorization`].
#[derive(Clone, Serialize, Deserialize)]
pub struct TwoFactorRemoveRequest {
    #[serde(rename = "sessionID")]
    pub session_id: String,
    /// The secret's text: base32 for TOTP.
    pub secret: String,
    #[serde(rename = "twoFactorType")]
    pub two_factor_type: SecondFactor,
}
