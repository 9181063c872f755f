//! Floor 2: HTTP to an Ente server and to its object storage.
//!
//! Guarantees: every failure says whether doing the same again can help; the token goes to the API
//! alone, never to the storage; a body that does not arrive whole is an error, never a short answer.

mod api;
mod error;

pub use api::{ObjectBody, ObjectSource, Part, PartTarget, PutTarget, RemoteApi};
pub use error::{RemoteError, RemoteResult};
