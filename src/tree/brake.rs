//! The brake: more removals in a short time than a person makes are held back until somebody allows them
//! (semantics 4.5).

use super::plan::Refusal;
use std::time::Duration;

/// What an album and its photos count at least, removed together.
const ALBUM_WEIGHT: u64 = 50;

const WITHIN: Duration = Duration::from_secs(600);
/// The automatic limit: a fifth of the photos, and never beyond these.
const LEAST: u64 = 50;
const MOST: u64 = 500;

/// How many removals are too many.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum RemovalLimit {
    /// The smaller of 500 and 20 % of the photos, at least 50, in 10 minutes.
    #[default]
    Auto,
    Fixed {
        removals: u64,
        within: Duration,
    },
    Off,
}

impl RemovalLimit {
    /// The time over which removals are counted.
    pub fn within(self) -> Duration {
        match self {
            Self::Auto | Self::Off => WITHIN,
            Self::Fixed { within, .. } => within,
        }
    }

    /// Of so many photos that more of them do not raise the automatic limit.
    pub fn photos_that_matter() -> u64 {
        MOST * 5
    }

    fn is_over(self, count: u64, photos: impl FnOnce() -> u64) -> bool {
        match self {
            Self::Off => false,
            Self::Fixed { removals, .. } => count > removals,
            Self::Auto if count <= LEAST => false,
            Self::Auto => count > (photos() / 5).clamp(LEAST, MOST),
        }
    }
}

/// What removing an empty album counts, after the removals out of it counted `removed` just before: what is missing to
/// the weight of an album. One that was emptied otherwise, by moves or elsewhere, takes no photo along: it is one removal.
pub fn album_weight(removed: u64) -> u64 {
    if removed == 0 { 1 } else { ALBUM_WEIGHT.saturating_sub(removed) }
}

/// How things stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BrakeState {
    /// It holds since an earlier removal.
    pub held: bool,
    /// Somebody allowed removals, and the time is not over.
    pub allowed: bool,
    /// What the removals within the limit's time count.
    pub recent: u64,
}

/// What one more removal of this weight is counted as.
///
/// # Errors
/// [`Refusal::TooManyRemovals`].
pub fn plan_brake(
    limit: RemovalLimit,
    state: BrakeState,
    weight: u64,
    photos: impl FnOnce() -> u64,
) -> Result<u64, Refusal> {
    if state.allowed || weight == 0 {
        return Ok(0);
    }
    let over = limit != RemovalLimit::Off && (state.held || limit.is_over(state.recent + weight, photos));
    if over { Err(Refusal::TooManyRemovals) } else { Ok(weight) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: BrakeState = BrakeState { held: false, allowed: false, recent: 0 };

    /// How many single removals pass.
    fn passing(limit: RemovalLimit, photos: u64) -> u64 {
        (0..10_000)
            .find(|recent| plan_brake(limit, BrakeState { recent: *recent, ..CALM }, 1, || photos).is_err())
            .unwrap_or(10_000)
    }

    /// "the smaller of 500 and 20 % of the photos, at least 50; a number is taken as given; `off`"
    #[test]
    fn the_automatic_limit_follows_the_number_of_photos() {
        for (photos, limit) in [(0, 50), (12, 50), (250, 50), (300, 60), (1000, 200), (2500, 500), (1_000_000, 500)] {
            assert_eq!(passing(RemovalLimit::Auto, photos), limit, "{photos} photos");
        }
        let fixed = |removals| RemovalLimit::Fixed { removals, within: Duration::from_secs(60) };
        assert_eq!((passing(fixed(3), 1_000_000), passing(fixed(0), 5), passing(RemovalLimit::Off, 5)), (3, 0, 10_000));
        assert!(RemovalLimit::photos_that_matter() / 5 == MOST);
    }

    #[test]
    fn an_album_counts_as_many_photos() {
        let state = |recent| BrakeState { recent, ..CALM };
        assert_eq!(plan_brake(RemovalLimit::Auto, state(0), ALBUM_WEIGHT, || 1000), Ok(50));
        assert_eq!(plan_brake(RemovalLimit::Auto, state(150), ALBUM_WEIGHT, || 1000), Ok(50));
        assert_eq!(plan_brake(RemovalLimit::Auto, state(151), ALBUM_WEIGHT, || 1000), Err(Refusal::TooManyRemovals));
    }

    /// "An album counts as 50": with its photos. A small account (limit 50) is not held for tidying up empty albums.
    #[test]
    fn an_album_counts_with_its_photos_and_an_empty_one_as_one_removal() {
        assert_eq!([1, 2, 49, 50, 800].map(|removed| removed + album_weight(removed)), [50, 50, 50, 50, 800]);
        assert_eq!(album_weight(0), 1);
        let state = |recent| BrakeState { recent, ..CALM };
        let emptied = (0..30).try_fold(0, |recent, _| {
            plan_brake(RemovalLimit::Auto, state(recent), album_weight(0), || 12).map(|weight| recent + weight)
        });
        assert_eq!(emptied, Ok(30), "thirty albums emptied by moves");
        let held = plan_brake(RemovalLimit::Auto, state(50), 1, || 12);
        assert_eq!(held, Err(Refusal::TooManyRemovals), "one album with its photos is all that passes");
    }

    #[test]
    fn it_holds_until_somebody_allows_removals() {
        let held = BrakeState { held: true, ..CALM };
        assert_eq!(plan_brake(RemovalLimit::Auto, held, 1, || 1000), Err(Refusal::TooManyRemovals));
        assert_eq!(plan_brake(RemovalLimit::Off, held, 1, || 1000), Ok(1));
        assert_eq!(plan_brake(RemovalLimit::Auto, held, 0, || 1000), Ok(0), "what does not count passes");
        let allowed = BrakeState { allowed: true, recent: 9000, ..held };
        assert_eq!(plan_brake(RemovalLimit::Auto, allowed, 1, || 1000), Ok(0));
    }
}
