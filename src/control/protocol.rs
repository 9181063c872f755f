//! What is asked and answered.

use super::files::ListedFile;
use super::info::EntryInfo;
use super::status::Status;
use crate::base::B64;
use crate::import::{Choice, Progress, Report};
use crate::namespace::Undone;
use serde::{Deserialize, Serialize};

/// What a command asks of a mount. Paths are relative to the mount, in bytes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    Status,
    /// Pulls now; answered when it is done.
    Refresh,
    /// Uploads stop. `until`: microseconds of the epoch, else until they are resumed.
    Pause {
        until: Option<i64>,
    },
    Resume,
    /// Parked items try again: these, or all.
    Retry {
        paths: Vec<B64>,
        as_is: bool,
    },
    Info {
        paths: Vec<B64>,
    },
    /// Removals pass the brake until then, in microseconds of the epoch (semantics 4.5).
    AllowRemovals {
        until: i64,
    },
    /// Takes changes back: those since then, else the latest run.
    Undo {
        since: Option<i64>,
        dry_run: bool,
    },
    /// Begins an import, or joins it where it runs. Paths are absolute.
    Import {
        sources: Vec<B64>,
        choice: Choice,
    },
    /// How far it is.
    ImportState,
    /// Which of these content hashes are in Ente.
    Have {
        hashes: Vec<String>,
    },
    /// Reads a photo and compares it with its hash.
    Verify {
        path: B64,
    },
    /// Entries of drops whose photo was deleted in Ente.
    Ignored,
    /// Forgets such entries: these and what lies below them, or all.
    ResetIgnored {
        paths: Vec<B64>,
    },
    /// Files that exist on this machine only.
    LocalOnly,
    /// Moves photos to Ente's trash, by their numbers: all of them or none.
    Trash {
        files: Vec<i64>,
    },
    /// Somebody logged in.
    LoggedIn,
    /// The mount is to go: the mount ends, and the process with it.
    Stop,
}

/// What a mount answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    Status(Box<Status>),
    Done,
    /// How many were taken up again.
    Retried {
        items: u64,
    },
    Info {
        entries: Vec<EntryInfo>,
    },
    Undone(Undone),
    /// In the order they were asked for.
    Known {
        known: Vec<bool>,
    },
    Verified(VerifiedFile),
    Files {
        files: Vec<ListedFile>,
    },
    Forgotten {
        entries: u64,
    },
    /// `report`: it has ended.
    Import {
        progress: Progress,
        report: Option<Report>,
    },
    Refused(Refused),
}

/// What reading a photo showed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "why", rename_all = "snake_case")]
pub enum VerifiedFile {
    /// The bytes are those of the hash.
    Good,
    /// The bytes are wrong, or gone for good.
    Bad(String),
    /// They cannot be had now: nothing is known of them.
    Unread(String),
    /// Not in Ente, or without a hash of its own.
    NotChecked,
}

/// Why a request was not done, as the command shall say it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
    pub exit: u8,
    pub sentence: String,
}
