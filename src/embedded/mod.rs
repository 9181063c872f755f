//! Floor 3, a side tower: an Ente-compatible server in this process, for the demo and the tests.
//!
//! Guarantees: it speaks Ente's HTTP API as the protocol notes have it, as strictly as Ente's own server,
//! with an S3-like object storage on the same address; the contract suite in `tests/contract` passes
//! against both. Assumes one process on its directory.
//!
//! Left out: families, public links, comments, copying files, pending collection actions, change of
//! address, account deletion and recovery of a second factor. Where behaviour differs on purpose, the
//! module concerned says so.

mod access;
mod accounts;
mod collections;
mod connection;
mod database;
mod details;
mod diff;
mod downloads;
mod error;
mod faults;
mod file_magic;
mod files;
mod limits;
mod links;
mod members;
mod multipart;
mod objects;
mod presign;
mod refusal;
mod router;
mod second_factor;
mod server;
mod sessions;
mod shared;
mod srp_login;
mod storage;
mod storage_refusal;
mod trash;
mod upload_urls;
mod users;
mod visit;

pub use error::EmbeddedError;
pub use faults::{Fault, Outcome, When};
pub use limits::Limits;
pub use server::{AccountSeed, Server, ServerOptions};
pub use shared::CodeReporter;

/// Of the faults' methods.
pub use axum::http::Method;
