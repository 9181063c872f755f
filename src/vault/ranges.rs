//! Which bytes of a block were written over an old version that is not here.

use std::ops::Range;

/// Ranges within a block: in order, not empty, neither overlapping nor touching.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// From pairs of start and end as a map holds them; `None` where they break the order.
    pub(crate) fn from_pairs(pairs: Vec<(u32, u32)>) -> Option<Self> {
        let in_order = pairs.windows(2).all(|pair| pair[0].1 < pair[1].0);
        let not_empty = pairs.iter().all(|(start, end)| start < end);
        (in_order && not_empty).then_some(Self(pairs))
    }

    pub(crate) fn pairs(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Adds a range, joining what it touches.
    pub(crate) fn insert(&mut self, range: &Range<usize>) {
        let (mut start, mut end) = (range.start as u32, range.end as u32);
        if start >= end {
            return;
        }
        let from = self.0.partition_point(|(_, other_end)| *other_end < start);
        let to = self.0.partition_point(|(other_start, _)| *other_start <= end);
        if from < to {
            start = start.min(self.0[from].0);
            end = end.max(self.0[to - 1].1);
        }
        self.0.splice(from..to, [(start, end)]);
    }

    /// What of `within` is not in here, in order.
    pub(crate) fn missing(&self, within: &Range<usize>) -> Vec<Range<usize>> {
        let mut missing = Vec::new();
        let mut at = within.start;
        for (start, end) in &self.0 {
            let (start, end) = (*start as usize, *end as usize);
            if start >= within.end {
                break;
            }
            if at < start {
                missing.push(at..start);
            }
            at = at.max(end);
        }
        if at < within.end {
            missing.push(at..within.end);
        }
        missing
    }

    pub(crate) fn covers(&self, within: &Range<usize>) -> bool {
        self.missing(within).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_agree_with_a_row_of_flags() {
        let mut seed = 7_u64;
        let mut next = |limit: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((seed >> 33) % limit) as usize
        };
        for _ in 0..200 {
            let (mut ranges, mut flags) = (Ranges::default(), [false; 64]);
            for _ in 0..12 {
                let start = next(64);
                let end = (start + next(12)).min(64);
                ranges.insert(&(start..end));
                flags[start..end].fill(true);
                assert_eq!(Ranges::from_pairs(ranges.0.clone()), Some(ranges.clone()));
                let (from, to) = (next(32), 32 + next(32));
                let mut seen = [true; 64];
                for missing in ranges.missing(&(from..to)) {
                    seen[missing].fill(false);
                }
                assert!((from..to).all(|at| seen[at] == flags[at]), "{ranges:?} {flags:?}");
            }
        }
    }

    #[test]
    fn disordered_pairs_are_refused() {
        for pairs in [vec![(3, 3)], vec![(4, 2)], vec![(0, 4), (4, 5)], vec![(5, 6), (0, 1)]] {
            assert_eq!(Ranges::from_pairs(pairs), None);
        }
    }
}
