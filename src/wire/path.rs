//! Paths of the API, relative to the endpoint. The embedded server routes by the same constants.

pub const PING: &str = "/ping";

pub const OTT: &str = "/users/ott";
pub const VERIFY_EMAIL: &str = "/users/verify-email";
pub const KEY_ATTRIBUTES: &str = "/users/attributes";
pub const SRP_ATTRIBUTES: &str = "/users/srp/attributes";
pub const SRP_SETUP: &str = "/users/srp/setup";
pub const SRP_COMPLETE: &str = "/users/srp/complete";
pub const SRP_UPDATE: &str = "/users/srp/update";
pub const SRP_CREATE_SESSION: &str = "/users/srp/create-session";
pub const SRP_VERIFY_SESSION: &str = "/users/srp/verify-session";
pub const TWO_FACTOR_VERIFY: &str = "/users/two-factor/verify";
pub const TWO_FACTOR_SETUP: &str = "/users/two-factor/setup";
pub const TWO_FACTOR_ENABLE: &str = "/users/two-factor/enable";
pub const TWO_FACTOR_STATUS: &str = "/users/two-factor/status";
pub const TWO_FACTOR_DISABLE: &str = "/users/two-factor/disable";
pub const TWO_FACTOR_RECOVER: &str = "/users/two-factor/recover";
pub const TWO_FACTOR_REMOVE: &str = "/users/two-factor/remove";
pub const PASSKEY_GET_TOKEN: &str = "/users/two-factor/passkeys/get-token";
pub const LOGOUT: &str = "/users/logout";
pub const SESSIONS: &str = "/users/sessions";
pub const SESSION: &str = "/users/session";
pub const SESSION_VALIDITY: &str = "/users/session-validity/v2";
pub const DETAILS: &str = "/users/details/v2";
pub const PUBLIC_KEY: &str = "/users/public-key";
pub const EMAIL_MFA: &str = "/users/email-mfa";

pub const COLLECTIONS: &str = "/collections";
pub const COLLECTIONS_LIST: &str = "/collections/v2";
pub const COLLECTIONS_DIFF: &str = "/collections/v2/diff";
/// Followed by `/<id>`.
pub const COLLECTION_DELETE: &str = "/collections/v3";
pub const COLLECTION_RENAME: &str = "/collections/rename";
pub const COLLECTION_MAGIC: &str = "/collections/magic-metadata";
pub const COLLECTION_PUBLIC_MAGIC: &str = "/collections/public-magic-metadata";
pub const COLLECTION_SHAREE_MAGIC: &str = "/collections/sharee-magic-metadata";
pub const COLLECTION_SHARE: &str = "/collections/share";
pub const COLLECTION_UNSHARE: &str = "/collections/unshare";
/// Followed by `/<id>`.
pub const COLLECTION_LEAVE: &str = "/collections/leave";
pub const ADD_FILES: &str = "/collections/add-files";
pub const MOVE_FILES: &str = "/collections/move-files";
pub const REMOVE_FILES: &str = "/collections/v3/remove-files";
pub const RESTORE_FILES: &str = "/collections/restore-files";

pub const UPLOAD_URL: &str = "/files/upload-url";
pub const UPLOAD_URLS: &str = "/files/upload-urls";
pub const MULTIPART_UPLOAD_URL: &str = "/files/multipart-upload-url";
pub const MULTIPART_UPLOAD_URLS: &str = "/files/multipart-upload-urls";
pub const UPLOAD_ELIGIBILITY: &str = "/files/upload-eligibility";
pub const FILES: &str = "/files";
pub const FILES_UPDATE: &str = "/files/update";
pub const FILES_MAGIC: &str = "/files/magic-metadata";
pub const FILES_PUBLIC_MAGIC: &str = "/files/public-magic-metadata";
pub const FILES_INFO: &str = "/files/info";
pub const FILES_SIZE: &str = "/files/size";
/// Followed by `/<id>`.
pub const FILE_DOWNLOAD: &str = "/files/download";
/// Followed by `/<id>`.
pub const FILE_PREVIEW: &str = "/files/preview";
pub const FILES_TRASH: &str = "/files/trash";
pub const TRASH_DIFF: &str = "/trash/v2/diff";
pub const TRASH_DELETE: &str = "/trash/delete";
pub const TRASH_EMPTY: &str = "/trash/empty";
