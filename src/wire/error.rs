//! What the server says when it refuses (protocol notes, auth 5 and data 0.1): decide by status, read
//! `code` only where there is one.

use super::nullable::nullable;
use serde::{Deserialize, Serialize};

/// The body of an API error; `{}` and `{"error": …}` read as one with an empty code.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    #[serde(default, deserialize_with = "nullable")]
    pub code: String,
    #[serde(default, deserialize_with = "nullable")]
    pub message: String,
}

/// Codes that decide something here.
pub mod code {
    pub const BAD_REQUEST: &str = "BAD_REQUEST";
    pub const COLLECTION_DELETED: &str = "COLLECTION_DELETED";
    pub const COLLECTION_NOT_EMPTY: &str = "COLLECTION_NOT_EMPTY";
    pub const CONFLICT: &str = "CONFLICT";
    pub const EMAIL_MFA_ENABLED: &str = "EMAIL_MFA_ENABLED";
    pub const FILE_IN_TRASH: &str = "FILE_IN_TRASH";
    pub const NOT_FOUND: &str = "NOT_FOUND";
    pub const OBJECT_SIZE_FETCH_FAILED: &str = "OBJECT_SIZE_FETCH_FAILED";
    pub const PERMISSION_DENIED: &str = "PERMISSION_DENIED";
    pub const SESSION_ALREADY_VERIFIED: &str = "SESSION_ALREADY_VERIFIED";
    pub const SESSION_NOT_VERIFIED: &str = "SESSION_NOT_VERIFIED";
    pub const TOO_MANY_UNVERIFIED_SESSIONS: &str = "TOO_MANY_UNVERIFIED_SESSIONS";
    pub const TOO_MANY_WRONG_ATTEMPTS: &str = "TOO_MANY_WRONG_ATTEMPTS";
    pub const USER_ALREADY_REGISTERED: &str = "USER_ALREADY_REGISTERED";
    pub const USER_NOT_FOUND: &str = "USER_NOT_FOUND";
    pub const USER_NOT_REGISTERED: &str = "USER_NOT_REGISTERED";
    pub const USER_SIGNUP_INCOMPLETE: &str = "USER_SIGNUP_INCOMPLETE";
}
