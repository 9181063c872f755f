//! Registering: the stored request is sent until its outcome is known, never another one (I15).

use super::answers::Call;
use super::finish::apply_registration;
use super::step::{Next, StepError, StepResult};
use super::worker::Uploader;
use crate::base::FileId;
use crate::store::{UploadBlob, UploadRow};
use crate::tree::Stage;
use bytes::Bytes;

impl Uploader {
    /// `resumed`: the request may have been sent before this process began, or long ago.
    pub(super) async fn register(&self, row: &UploadRow, resumed: bool) -> StepResult {
        if resumed {
            // Another client may have replaced the photo since; then a replay would make a second one.
            self.pull.pull_closely().await.map_err(StepError::remote(Call::Register))?;
            if self.was_found(row)? {
                self.note_over(row.no);
                return Ok(Next::Again);
            }
        }
        let request = self.store().read(|rows| rows.load_upload_blob(row.no, UploadBlob::Request))?;
        let request = request.ok_or_else(super::transfer::unreadable)?;
        let made = self.remote.register_file(Bytes::from(request)).await.map_err(StepError::remote(Call::Register))?;
        self.finish(row, made.id)
    }

    /// A pull recognises its own photos by their wrapped key and finishes their uploads. The number in the row alone says
    /// nothing: it may be that of a photo which this one could not be linked to.
    pub(super) fn was_found(&self, row: &UploadRow) -> Result<bool, StepError> {
        let now = self.store().read(|rows| rows.load_upload(row.no))?;
        Ok(now.ok_or(StepError::Lost)?.stage == Stage::Registered)
    }

    fn finish(&self, row: &UploadRow, file: FileId) -> StepResult {
        let now = self.clock.now_nanos();
        let finished = self.namespace.commit(crate::namespace::Origin::Elsewhere, |tx, dirty| {
            // The pull may have finished it meanwhile.
            match tx.load_upload(row.no)? {
                Some(current) if current.stage == row.stage => {
                    apply_registration(tx, &self.options.drops, current, file, now, dirty)
                }
                _ => Ok(()),
            }
        });
        finished?;
        self.note_over(row.no);
        Ok(Next::Again)
    }
}
