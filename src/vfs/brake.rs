//! The brake at the operations that remove (semantics 4.5). What was removed is counted by the journal, so a restart
//! forgets nothing.

use super::Vfs;
use super::error::{VfsError, VfsResult};
use crate::base::{AlbumNo, Timestamp};
use crate::store::{Rows, StoreResult, Trouble, Tx};
use crate::tree::{BrakeState, Refusal, RemovalLimit, album_weight, plan_brake};

/// Removals held back, as a trouble's kind.
const HELD: &str = "removals-held";

impl Vfs {
    /// What a removal of this weight is journalled as.
    pub(super) fn pass_brake(&self, tx: &Tx<'_>, weight: u64, now: Timestamp) -> VfsResult<u64> {
        let limit = self.options.removal_limit;
        let state = load_brake(tx, limit, now)?;
        let mut counted = Ok(0);
        let weight = plan_brake(limit, state, weight, || {
            counted = tx.count_photos_up_to(RemovalLimit::photos_that_matter());
            *counted.as_ref().unwrap_or(&0)
        });
        counted?;
        Ok(weight?)
    }

    /// What removing an album counts beyond the photos that were taken out of it one by one just before.
    /// One that Ente never heard of counts nothing.
    pub(super) fn album_weight(&self, tx: &Tx<'_>, album: AlbumNo, now: Timestamp) -> VfsResult<u64> {
        if tx.load_album(album)?.is_none_or(|row| row.remote.is_none()) {
            return Ok(0);
        }
        let since = now.saturating_sub(self.options.removal_limit.within());
        Ok(album_weight(tx.load_album_removal_weight(album, since)?))
    }

    /// Where the brake refused for the first time, that is noted and somebody is told.
    pub(super) fn heed_brake<T>(&self, outcome: VfsResult<T>) -> VfsResult<T> {
        if matches!(outcome, Err(VfsError::Refused(Refusal::TooManyRemovals))) {
            let now = self.clock.now();
            let noted = self.store().write(|tx| hold(tx, now));
            match noted {
                Ok(true) => self.bells.brake.ring(),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "that removals are held back could not be noted"),
            }
        }
        outcome
    }
}

fn load_brake(rows: &Rows<'_>, limit: RemovalLimit, now: Timestamp) -> StoreResult<BrakeState> {
    Ok(BrakeState {
        held: rows.load_removals_held()?.is_some(),
        allowed: rows.load_removals_allowed_until()?.is_some_and(|until| until > now),
        recent: rows.load_removal_weight(now.saturating_sub(limit.within()))?,
    })
}

/// Answers whether it did not hold before.
fn hold(tx: &Tx<'_>, now: Timestamp) -> StoreResult<bool> {
    if tx.load_removals_held()?.is_some() {
        return Ok(false);
    }
    tx.save_removals_held(Some(now))?;
    let text = "many photos were being removed at once; further removals are refused. Run `entefs allow-removals` if \
                that was meant, `entefs undo` if not";
    tx.insert_trouble(&Trouble { at: now, kind: HELD.into(), text: text.into() })?;
    Ok(true)
}
