//! Floor 7: how a command talks to a running mount: `status`, and a few requests over a Unix socket in the state
//! directory.
//!
//! Guarantees: the socket is the user's alone (0600, in a 0700 directory); a request is one line of JSON, and so is
//! its answer; a client that goes away stops nothing.

mod client;
mod files;
mod info;
mod page;
mod protocol;
mod server;
mod status;

pub use client::{Client, ClientError};
pub use files::{ListedFile, ignored_files, known_hashes, local_only_files, reset_ignored};
pub use info::{EntryInfo, collect_info, resolve};
pub use page::render_page;
pub use protocol::{Refused, Reply, Request, VerifiedFile};
pub use server::{Commands, ControlServer};
pub use status::{
    AccountStatus, BAD_CHUNK, CacheStatus, HeldStatus, Live, MountStatus, RemovalsStatus, SessionWord, Status,
    collect_status,
};
