//! Request headers (protocol notes, auth 3.1).

/// The session's token. Museum takes the query parameter `token` instead where it is absent.
pub const AUTH_TOKEN: &str = "X-Auth-Token";
/// Decides the app that tokens, codes and albums belong to.
pub const CLIENT_PACKAGE: &str = "X-Client-Package";
/// Echoed in the answer; good for logs.
pub const REQUEST_ID: &str = "X-Request-ID";
/// What Ente's own command-line clients send: the *photos* app.
pub const PHOTOS_PACKAGE: &str = "io.ente.photos";
