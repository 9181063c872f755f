//! One step of an upload: it reads its row, does its work, and commits only if the row is still where it was.

use super::answers::Call;
use super::parts::{decode, encode};
use super::worker::Uploader;
use crate::base::{ParkReason, UploadNo};
use crate::fetch::FetchError;
use crate::namespace::{Dirty, Origin};
use crate::remote::RemoteError;
use crate::spool::{SpoolError, SpoolFile};
use crate::store::{NodeKind, Rows, StoreError, Tx, UploadBlob, UploadRow};
use crate::tree::Stage;
use crate::vault::VaultError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use thiserror::Error;

/// Why a step did not come to its end.
#[derive(Debug, Error)]
pub enum StepError {
    /// Somebody changed the file meanwhile; what the step did is void.
    #[error("the file changed meanwhile")]
    Lost,
    #[error("{error}")]
    Remote { call: Call, error: RemoteError },
    #[error("the spool file: {0}")]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the old version under it: {0}")]
    Base(#[from] FetchError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Examination(#[from] super::isolate::IsolationError),
    /// Nothing but somebody's help changes it.
    #[error("{detail}")]
    Park { reason: ParkReason, detail: String },
    /// Nothing may be sent now; the file is taken up again where it is.
    #[error("uploads are held")]
    Held,
    /// Not now.
    #[error("{0}")]
    Later(String),
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// The row has another stage: go on with it.
    Again,
    /// It waits, or is over.
    Wait,
}

pub(super) type StepResult = Result<Next, StepError>;

impl StepError {
    /// Whether the bytes kept here are not what was kept.
    pub(super) fn is_damage(&self) -> bool {
        use VaultError::{Corrupt, Damaged};
        matches!(
            self,
            Self::Vault(Damaged(_) | Corrupt(_))
                | Self::Spool(
                    SpoolError::Vault(Damaged(_) | Corrupt(_)) | SpoolError::Missing(_) | SpoolError::Misnamed(_)
                )
        )
    }

    pub(super) fn remote(call: Call) -> impl Fn(RemoteError) -> Self {
        move |error| Self::Remote { call, error }
    }

    pub(super) fn park(reason: ParkReason, detail: impl Into<String>) -> Self {
        Self::Park { reason, detail: detail.into() }
    }
}

impl Uploader {
    /// Commits a step: `change` runs only if the row still stands at `row`'s stage, unparked.
    pub(super) fn commit_step<T>(
        &self,
        row: &UploadRow,
        change: impl FnOnce(&Tx<'_>, UploadRow, &mut Dirty) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
            let now = tx.load_upload(row.no)?.filter(|now| is_same_step(now, row)).ok_or(StepError::Lost)?;
            change(tx, now, dirty)
        })
    }

    /// Moves a row on; what hangs on it is written by `blobs`.
    pub(super) fn advance(
        &self,
        row: &UploadRow,
        stage: Stage,
        blobs: impl FnOnce(&Tx<'_>, &mut UploadRow) -> Result<(), StepError>,
    ) -> StepResult {
        let now = self.clock.now();
        self.commit_step(row, |tx, mut row, dirty| {
            row.stage = stage;
            row.attempts = 0;
            // Due it was; another time of the same meaning would cost a page of the index.
            (row.due, row.since) = (row.due.min(now), now);
            blobs(tx, &mut row)?;
            tx.save_upload(&row)?;
            dirty.ino(row.ino);
            Ok(Next::Again)
        })
    }

    /// Removed while a request was out that made no photo: nothing is left to do (semantics 4.3).
    pub(super) fn end_if_removed(&self, row: &UploadRow) -> Result<bool, StepError> {
        let may_end = !row.sent && row.stage.is_under_way();
        if !may_end || !self.store().read(|rows| is_removed(rows, row))? {
            return Ok(false);
        }
        self.commit_step(row, |tx, mut row, dirty| {
            // It may have come back meanwhile, by a link.
            if row.sent || !is_removed(tx, &row)? {
                return Ok(false);
            }
            row.stage = Stage::Removed;
            tx.save_upload(&row)?;
            tx.save_upload_hash(row.no, None)?;
            dirty.ino(row.ino);
            Ok(true)
        })
    }

    pub(super) fn load_blob<T: DeserializeOwned>(&self, row: &UploadRow, blob: UploadBlob) -> Result<T, StepError> {
        self.store()
            .read(|rows| load_blob(rows, row.no, blob))?
            .ok_or_else(|| StepError::park(ParkReason::Corrupt, "what an earlier step wrote down cannot be read back"))
    }

    pub(super) fn open_spooled(&self, row: &UploadRow) -> Result<std::sync::Arc<SpoolFile>, StepError> {
        Ok(self.spool.open_committed(row.vault, row.generation)?)
    }
}

/// Whether the file was removed, though a program may have it open still. A photo's own inode has its names elsewhere.
pub(super) fn is_removed(rows: &Rows<'_>, row: &UploadRow) -> Result<bool, StoreError> {
    match rows.load_node(row.ino)? {
        Some(node) => Ok(node.kind == NodeKind::File && rows.load_names_of(row.ino)?.is_empty()),
        None => Ok(true),
    }
}

/// The same upload at the same stage, and nobody put it off or aside.
fn is_same_step(now: &UploadRow, then: &UploadRow) -> bool {
    now.stage == then.stage && now.vault == then.vault && now.parked.is_none() && now.since == then.since
}

pub(super) fn load_blob<T: DeserializeOwned>(
    rows: &Rows<'_>,
    no: UploadNo,
    blob: UploadBlob,
) -> Result<Option<T>, StoreError> {
    Ok(rows.load_upload_blob(no, blob)?.and_then(|bytes| decode(&bytes)))
}

pub(super) fn save_blob(
    tx: &Tx<'_>,
    no: UploadNo,
    blob: UploadBlob,
    value: Option<&impl Serialize>,
) -> Result<(), StoreError> {
    tx.save_upload_blob(no, blob, value.map(encode).as_deref())
}

/// What was prepared is forgotten: the next attempt draws fresh keys (I3).
pub(super) fn forget_prepared(tx: &Tx<'_>, no: UploadNo) -> Result<(), StoreError> {
    for blob in [UploadBlob::Prepared, UploadBlob::Transfer, UploadBlob::Request] {
        tx.save_upload_blob(no, blob, None)?;
    }
    Ok(())
}
