//! Extended attributes: `user.ente.*` are facts, other `user.*` are kept here (semantics 3).

use super::error::{VfsError, VfsResult};
use super::Vfs;
use crate::base::Ino;
use crate::store::{NodeRow, Rows, StoreResult, UploadRow};
use crate::tree::{Refusal, Stage};

/// Whether an attribute must be new, must be there, or either.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XattrMode {
    Set,
    Create,
    Replace,
}

const FACTS: &[u8] = b"user.ente.";
const USER: &[u8] = b"user.";
/// What ext4 takes, about.
const MAX_VALUE: usize = 64 << 10;

/// Where a file stands: `user.ente.state`, a word of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FileState {
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
    fn word(self) -> &'static str {
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

    fn of_upload(row: &UploadRow) -> Option<Self> {
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

impl Vfs {
    /// # Errors
    /// ENODATA where there is none; EOPNOTSUPP for names that are not the user's.
    pub fn getxattr(&self, ino: Ino, name: &[u8]) -> VfsResult<Vec<u8>> {
        if let Some(fact) = name.strip_prefix(FACTS) {
            let value = self.store().read(|rows| fact_of(rows, ino, fact))?;
            return value.map(String::into_bytes).ok_or(VfsError::NoAttribute);
        }
        check_user_name(name)?;
        self.store().read(|rows| rows.load_xattr(ino, name))?.ok_or(VfsError::NoAttribute)
    }

    /// The names that users set; facts are not named, so that `rsync -X` stays silent.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn listxattr(&self, ino: Ino) -> VfsResult<Vec<Vec<u8>>> {
        Ok(self.store().read(|rows| rows.load_xattr_names(ino))?)
    }

    /// # Errors
    /// EPERM for facts, EOPNOTSUPP for names that are not the user's, ERANGE for a value over 64 KiB.
    pub fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> VfsResult<()> {
        self.check_settable(name)?;
        if value.len() > MAX_VALUE {
            return Err(VfsError::TooLarge);
        }
        self.commit(&[], Some(ino), |tx, _| {
            let there = tx.load_xattr(ino, name)?.is_some();
            match mode {
                XattrMode::Create if there => Err(Refusal::Exists.into()),
                XattrMode::Replace if !there => Err(VfsError::NoAttribute),
                _ => Ok(tx.save_xattr(ino, name, value)?),
            }
        })
    }

    /// # Errors
    /// ENODATA where there is none; otherwise as [`Self::setxattr`].
    pub fn removexattr(&self, ino: Ino, name: &[u8]) -> VfsResult<()> {
        self.check_settable(name)?;
        let was = self.commit(&[], Some(ino), |tx, _| Ok(tx.delete_xattr(ino, name)?))?;
        if was { Ok(()) } else { Err(VfsError::NoAttribute) }
    }

    fn check_settable(&self, name: &[u8]) -> VfsResult<()> {
        self.check_writable()?;
        if name.starts_with(FACTS) {
            return Err(Refusal::FixedPlace.into());
        }
        check_user_name(name)
    }
}

/// EOPNOTSUPP makes the kernel stop asking for `security.*` and `system.*` (facts of FUSE, line 4).
fn check_user_name(name: &[u8]) -> VfsResult<()> {
    if name.starts_with(USER) { Ok(()) } else { Err(VfsError::Unsupported) }
}

fn fact_of(rows: &Rows<'_>, ino: Ino, fact: &[u8]) -> StoreResult<Option<String>> {
    match fact {
        b"state" => Ok(state_of(rows, ino)?.map(|state| state.word().to_owned())),
        b"reason" => reason_of(rows, ino),
        b"id" => Ok(photo_of(rows, ino)?.map(|file| file.to_string())),
        _ => Ok(None),
    }
}

fn current_upload(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<UploadRow>> {
    Ok(rows.load_uploads_of(ino)?.into_iter().rev().find(|row| !row.stage.is_over()))
}

fn photo_of(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<crate::base::FileId>> {
    if let Some(node) = rows.load_node(ino)? {
        return Ok(node.file);
    }
    Ok(rows.load_content_by_ino(ino)?.map(|content| content.file))
}

fn state_of(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<FileState>> {
    if let Some(state) = current_upload(rows, ino)?.and_then(|row| FileState::of_upload(&row)) {
        return Ok(Some(state));
    }
    let node: Option<NodeRow> = rows.load_node(ino)?;
    if node.is_some_and(|node| node.kind.is_directory()) {
        return Ok(None);
    }
    let Some(file) = photo_of(rows, ino)? else { return Ok(None) };
    let live = rows.load_memberships(file)?.iter().any(crate::store::MemberRow::is_visible);
    Ok(Some(if live { FileState::InEnte } else { FileState::DeletedInEnte }))
}

fn reason_of(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<String>> {
    let Some(row) = current_upload(rows, ino)? else { return Ok(None) };
    Ok(match row.stage {
        Stage::Incomplete => Some(crate::base::ParkReason::Incomplete.word().to_owned()),
        _ => row.parked.map(|reason| reason.word().to_owned()),
    })
}
