//! Parked items try again because somebody said so.

use super::worker::Uploader;
use crate::base::{Ino, ParkReason, Timestamp};
use crate::namespace::{Namespace, Origin};
use crate::store::{StoreError, StoreResult, UploadRow};
use crate::tree::Stage;

impl Uploader {
    /// As [`retry_parked`], and at once.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn retry(&self, chosen: impl Fn(Ino) -> bool, as_is: bool) -> StoreResult<u64> {
        let items = retry_parked(&self.namespace, self.clock.now(), chosen, as_is)?;
        self.ring();
        Ok(items)
    }
}

/// Takes up again what is parked, or looks cut off, among the inodes that `chosen` picks; answers how many. What was
/// interrupted or is corrupt stays as it is: there is nothing whole to send. `as_is`: what looks cut off is sent so.
///
/// # Errors
/// Where the store cannot be read or written.
pub fn retry_parked(
    namespace: &Namespace,
    now: Timestamp,
    chosen: impl Fn(Ino) -> bool,
    as_is: bool,
) -> StoreResult<u64> {
    namespace.commit(Origin::Elsewhere, |tx, dirty| {
        let mut items = 0;
        for mut row in tx.load_parked_uploads()?.into_iter().filter(|row| chosen(row.ino) && can_help(row)) {
            row.as_is |= as_is;
            if row.stage == Stage::Incomplete {
                row.stage = Stage::Settling;
            }
            (row.parked, row.attempts, row.due, row.since) = (None, 0, now, now);
            tx.save_upload(&row)?;
            dirty.ino(row.ino);
            items += 1;
        }
        Ok::<_, StoreError>(items)
    })
}

fn can_help(row: &UploadRow) -> bool {
    !matches!(row.parked, Some(ParkReason::Interrupted | ParkReason::Corrupt))
}
