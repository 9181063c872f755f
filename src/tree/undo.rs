//! What taking changes back means (semantics 4.5).

use crate::base::Timestamp;
use std::time::Duration;

/// Changes with a longer pause between them are not one run.
const PAUSE: Duration = Duration::from_secs(60);

/// How many of the changes, the latest first, belong to the latest run: no pause in it is over a minute.
pub fn latest_run(times: &[Timestamp]) -> usize {
    // A clock that was set makes a pause, too.
    let is_pause = |pair: &[Timestamp]| pair[0].since(pair[1]).max(pair[1].since(pair[0])) > PAUSE;
    let before_pause = times.windows(2).position(is_pause);
    before_pause.map_or(times.len(), |last| last + 1)
}

/// Where a photo is now, of the albums that a change was about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhotoPlaces {
    /// In the album it was taken out of.
    pub in_old: bool,
    /// In the album that the change put it into.
    pub in_new: bool,
    /// In any album at all.
    pub anywhere: bool,
    /// In Ente's trash, by the change that is taken back.
    pub trashed: bool,
}

/// How a photo comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Return {
    Add,
    /// Out of Ente's trash.
    Restore,
    MoveBack,
    /// It is back already: it only leaves where the change put it.
    Leave,
    Nothing,
    /// It was deleted meanwhile.
    Gone,
}

/// How a photo comes back to its old album. `joined`: the change put it into an album it was not in before.
pub fn plan_return(places: PhotoPlaces, joined: bool) -> Return {
    let leaves = joined && places.in_new;
    match (places.anywhere, places.in_old) {
        (false, _) if places.trashed => Return::Restore,
        (false, _) => Return::Gone,
        (true, true) if leaves => Return::Leave,
        (true, true) => Return::Nothing,
        (true, false) if leaves => Return::MoveBack,
        (true, false) => Return::Add,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_where_a_pause_is_over_a_minute() {
        let at = |seconds: &[i64]| -> Vec<Timestamp> { seconds.iter().map(|s| Timestamp(s * 1_000_000)).collect() };
        for (seconds, run) in [
            (&[][..], 0),
            (&[100], 1),
            (&[160, 100], 2),
            (&[161, 100], 1),
            (&[300, 299, 240, 180, 119, 118], 4),
            (&[100, 5000, 4999], 1),
        ] {
            assert_eq!(latest_run(&at(seconds)), run, "{seconds:?}");
        }
    }

    #[test]
    fn every_cell_of_how_a_photo_comes_back() {
        let plan = |in_old, in_new, anywhere, joined| {
            plan_return(PhotoPlaces { in_old, in_new, anywhere, trashed: false }, joined)
        };
        for joined in [false, true] {
            assert_eq!(plan(false, false, false, joined), Return::Gone);
            assert_eq!(plan(false, false, true, joined), Return::Add);
            assert_eq!(plan(true, false, true, joined), Return::Nothing);
        }
        assert_eq!((plan(false, true, true, true), plan(false, true, true, false)), (Return::MoveBack, Return::Add));
        assert_eq!((plan(true, true, true, true), plan(true, true, true, false)), (Return::Leave, Return::Nothing));
        let trashed =
            |anywhere, in_old| plan_return(PhotoPlaces { in_old, in_new: false, anywhere, trashed: true }, false);
        assert_eq!((trashed(false, false), trashed(true, false)), (Return::Restore, Return::Add));
        assert_eq!(trashed(true, true), Return::Nothing);
    }
}
