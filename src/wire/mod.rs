//! Floor 1: Ente's HTTP protocol as types and paths, shared by the client and the embedded server.
//!
//! Guarantees: a field has the server's name and meaning (each item cites the protocol notes); what the
//! server may leave out or send as `null` reads as its zero value. Nothing here encrypts or decrypts.

mod account;
mod collection;
mod details;
mod error;
mod file;
pub mod header;
mod nullable;
pub mod path;
mod trash;
mod upload;

pub use account::*;
pub use collection::*;
pub use details::*;
pub use error::*;
pub use file::*;
pub use trash::*;
pub use upload::*;
