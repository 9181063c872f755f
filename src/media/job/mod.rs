//! One file's media work as a conversation, so that a child process can do it which has no file to open.
//!
//! ```text
//! parent                              child                frame   0  4  length n of kind and body, little-endian
//!   │ Request ───────────────────────▶ │                           4  1  kind
//!   │ ◀──────────────── Read {at, len} │   any number              5 n-1 body
//!   │ Data ──────────────────────────▶ │   of times
//!   │ ◀──────────────────────── Facts  │   once they are known, where a thumbnail is to follow
//!   │ ◀───────────────────────  Answer │                   (bodies: see `wire`)
//! ```
//! Guarantees: neither side takes a frame over a MiB or panics on any bytes; a file that could not be read
//! ends as [`JobError::Source`] on the parent's side, never as a file without facts. The child may be under an
//! attacker's hand: its answer is bounded and checked, and all it can ask for is the one file it was given.

mod client;
mod serve;
mod wire;

pub use client::Client;
pub use serve::serve;

use super::{Circumstances, Facts, Format, Thumbnail, ThumbnailError, Zone};
use crate::base::Timestamp;
use std::io;
use thiserror::Error;

/// What to find out about a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    pub format: Format,
    pub name: Vec<u8>,
    pub modified: Timestamp,
    pub now: Timestamp,
    pub zone: Zone,
    pub facts: bool,
    pub thumbnail: bool,
}

impl Request {
    pub fn circumstances(&self) -> Circumstances<'_> {
        Circumstances { name: &self.name, modified: self.modified, now: self.now, zone: self.zone }
    }
}

/// What was asked for, and nothing else.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    pub facts: Option<Facts>,
    pub thumbnail: Option<Result<Thumbnail, ThumbnailError>>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum JobError {
    #[error("the other side of a media job is gone or silent: {0}")]
    Stream(#[source] io::Error),
    #[error("the other side of a media job sent what it may not: {0}")]
    Protocol(&'static str),
    /// The conversation itself went to its end; the client can take the next job.
    #[error("a file under examination could not be read: {0}")]
    Source(#[source] io::Error),
}

#[cfg(test)]
mod tests;
