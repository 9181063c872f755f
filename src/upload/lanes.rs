//! Which of the due files are worked on next: small ones first, and beside them large ones in a lane of their own, so
//! that neither holds up the other.

use super::seal::PART;
use crate::base::UploadNo;

/// Files from this size on are sent in parts, three at a time: one of them fills the line.
pub(super) const LARGE: u64 = PART;
/// Large files worked on at once: one is sent while the next is hashed and sealed.
const LARGE_PLACES: usize = 2;

/// Files worked on at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Places {
    pub(super) small: usize,
    pub(super) large: usize,
}

impl Places {
    /// Of `all` places. Small files may have each that no large one has, but one is always theirs; a single place is a
    /// large file's only while no small one is due.
    pub(super) fn of(all: usize) -> Self {
        Self { small: all, large: LARGE_PLACES.min(all.saturating_sub(1)) }
    }

    /// Whom to start: `running` are at work already; `small` and `large` are due, each in its order.
    pub(super) fn choose(
        self,
        running: &[(UploadNo, bool)],
        small: impl IntoIterator<Item = UploadNo>,
        large: impl IntoIterator<Item = UploadNo>,
    ) -> Vec<(UploadNo, bool)> {
        let idle = |no: &UploadNo| !running.iter().any(|(other, _)| other == no);
        let large_running = running.iter().filter(|(_, is_large)| *is_large).count();
        let free = self.small.saturating_sub(running.len());
        let large_free = self.large.saturating_sub(large_running).min(free);
        let mut large = large.into_iter().filter(idle).map(|no| (no, true));
        let mut chosen: Vec<(UploadNo, bool)> = large.by_ref().take(large_free).collect();
        let rest = free - chosen.len();
        chosen.extend(small.into_iter().filter(idle).take(rest).map(|no| (no, false)));
        if chosen.is_empty() && self.large == 0 {
            chosen.extend(large.take(free));
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(range: std::ops::Range<i64>) -> impl Iterator<Item = UploadNo> {
        range.map(UploadNo)
    }

    #[test]
    fn a_large_file_has_its_lane_beside_any_number_of_small_ones() {
        let chosen = Places::of(8).choose(&[], numbers(100..1100), numbers(0..3));
        assert_eq!(chosen.len(), 8);
        assert_eq!(chosen.iter().filter(|(_, is_large)| *is_large).count(), 2);
        assert_eq!(chosen[2], (UploadNo(100), false), "small ones in their order");
    }

    #[test]
    fn large_files_leave_the_other_places_free_for_small_ones_to_come() {
        let places = Places::of(8);
        let running = places.choose(&[], [], numbers(0..50));
        assert_eq!(running.len(), 2);
        assert_eq!(places.choose(&running, [], numbers(0..50)), []);
        assert_eq!(places.choose(&running, numbers(100..120), numbers(0..50)).len(), 6);
    }

    #[test]
    fn what_runs_is_not_started_again_and_no_place_is_given_twice() {
        let places = Places::of(2);
        let running = [(UploadNo(7), false)];
        assert_eq!(places.choose(&running, numbers(7..9), []), [(UploadNo(8), false)]);
        assert_eq!(places.choose(&[(UploadNo(1), true), (UploadNo(2), false)], numbers(3..9), numbers(9..12)), []);
        assert_eq!(places.choose(&running, numbers(8..9), numbers(20..22)), [(UploadNo(20), true)]);
        assert_eq!(Places::of(1).choose(&[], numbers(1..3), numbers(20..22)), [(UploadNo(1), false)]);
        assert_eq!(Places::of(1).choose(&[], [], numbers(20..22)), [(UploadNo(20), true)]);
    }
}
