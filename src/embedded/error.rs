//! Why the server cannot start, or a control cannot do what it was asked.

use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum EmbeddedError {
    #[error("cannot use the directory {}: {source}", path.display())]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("cannot use the server's database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the server's database is of version {found}, this program knows {known}: use a newer program")]
    Version { found: i64, known: i64 },
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("there is no account {0} on this server")]
    NoAccount(String),
    #[error("there is an account {0} on this server already")]
    AccountExists(String),
    #[error("the server's database did not take the change")]
    Refused,
}
