//! Parked items try again because somebody said so.

use super::worker::Uploader;
use crate::base::{Ino, ParkReason};
use crate::namespace::Origin;
use crate::store::{StoreResult, UploadRow};
use crate::tree::Stage;

impl Uploader {
    /// Takes up again what is parked, or looks cut off, among the inodes that `chosen` picks; answers how many. What
    /// was interrupted or is corrupt stays as it is: there is nothing whole to send. `as_is`: what looks cut off is
    /// sent so.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn retry(&self, chosen: impl Fn(Ino) -> bool, as_is: bool) -> StoreResult<u64> {
        let now = self.clock.now();
        let items = self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
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
            Ok::<_, crate::store::StoreError>(items)
        })?;
        self.ring();
        Ok(items)
    }
}

fn can_help(row: &UploadRow) -> bool {
    !matches!(row.parked, Some(ParkReason::Interrupted | ParkReason::Corrupt))
}
