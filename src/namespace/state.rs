//! Where a file stands on its way to Ente, in the words of the contract.

use crate::base::{FileId, Ino, ParkReason};
use crate::store::{ContentRow, MemberRow, NodeRow, Rows, StoreResult, UploadRow};
use crate::tree::Stage;

/// Where a file stands: `user.ente.state`, a word of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileState {
    Writing,
    Settling,
    Waiting,
    Uploading,
    Parked,
    Incomplete,
    LocalOnly,
    InEnte,
    DeletedInEnte,
}

impl FileState {
    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Settling => "settling",
            Self::Waiting => "waiting",
            Self::Uploading => "uploading",
            Self::Parked => "parked",
            Self::Incomplete => "incomplete",
            Self::LocalOnly => "local-only",
            Self::InEnte => "in-ente",
            Self::DeletedInEnte => "deleted-in-ente",
        }
    }

    /// Where the bytes of an upload stand; `None` once they are in Ente, or removed.
    pub fn of_upload(row: &UploadRow) -> Option<Self> {
        if row.parked.is_some() {
            return Some(Self::Parked);
        }
        Some(match row.stage {
            Stage::Writing => Self::Writing,
            Stage::Settling => Self::Settling,
            Stage::LocalOnly => Self::LocalOnly,
            Stage::Incomplete => Self::Incomplete,
            Stage::Sealed | Stage::Hashed | Stage::Linking | Stage::Twin => Self::Waiting,
            Stage::Prepared | Stage::Uploaded => Self::Uploading,
            Stage::Registered | Stage::Removed => return None,
        })
    }
}

/// The upload of an inode that is not over.
///
/// # Errors
/// Where the store cannot be read.
pub fn current_upload(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<UploadRow>> {
    Ok(rows.load_uploads_of(ino)?.into_iter().rev().find(|row| !row.stage.is_over()))
}

/// The photo that an inode is, or became.
///
/// # Errors
/// Where the store cannot be read.
pub fn photo_of(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<FileId>> {
    if let Some(node) = rows.load_node(ino)? {
        return Ok(node.file);
    }
    Ok(rows.load_content_by_ino(ino)?.map(|content| content.file))
}

/// The content of an inode whose bytes are in Ente alone; `None` where they are here, or nowhere.
///
/// # Errors
/// Where the store cannot be read.
pub fn content_of(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<ContentRow>> {
    let node = rows.load_node(ino)?;
    if node.as_ref().is_some_and(|node| node.vault.is_some()) {
        return Ok(None);
    }
    match node.and_then(|node| node.content) {
        Some(content) => rows.load_content(content),
        None => rows.load_content_by_ino(ino),
    }
}

/// Where a file stands; `None` for a directory.
///
/// # Errors
/// Where the store cannot be read.
pub fn state_of(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<FileState>> {
    if let Some(state) = current_upload(rows, ino)?.and_then(|row| FileState::of_upload(&row)) {
        return Ok(Some(state));
    }
    let node: Option<NodeRow> = rows.load_node(ino)?;
    if node.is_some_and(|node| node.kind.is_directory()) {
        return Ok(None);
    }
    let Some(file) = photo_of(rows, ino)? else { return Ok(None) };
    let live = rows.load_memberships(file)?.iter().any(MemberRow::is_visible);
    Ok(Some(if live { FileState::InEnte } else { FileState::DeletedInEnte }))
}

/// Why a file stands still, where it does.
///
/// # Errors
/// Where the store cannot be read.
pub fn reason_of(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<String>> {
    let Some(row) = current_upload(rows, ino)? else { return Ok(None) };
    Ok(match row.stage {
        Stage::Incomplete => Some(ParkReason::Incomplete.word().to_owned()),
        _ => row.parked.map(|reason| reason.word().to_owned()),
    })
}
