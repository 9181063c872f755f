//! Floor 2: HTTP to an Ente server and to its object storage.
//!
//! Guarantees: every failure says whether doing the same again can help; the token goes to the API
//! alone, never to the storage; a body that does not arrive whole is an error, never a short answer; no
//! error and no log line has a presigned URL, a token or a name. Assumes a tokio runtime with timers and I/O.

mod api;
mod call;
mod error;
mod fault;
mod http;
mod limits;
mod login;
mod options;
mod page;
mod read;
mod retry;
mod storage;
mod targets;
#[cfg(test)]
mod tests;
mod token;
mod xml;

pub use api::{ObjectBody, ObjectSource, Page, Part, PartTarget, PutTarget, RangeSink, RemoteApi};
pub use error::{RemoteError, RemoteResult};
pub use http::HttpRemote;
pub use limits::LimitPace;
pub use login::{HttpLogin, LoginApi, fetch_server_time};
pub use options::{HttpOptions, PRODUCTION, Timeouts};
pub use token::TokenCell;
