//! Unique and stable names in a directory (semantics 1.6, I12).

use super::name::{join_name, split_name};
use std::collections::{HashMap, HashSet};

/// Something that needs a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameRequest {
    /// The name it would have alone.
    pub plain: Vec<u8>,
    /// What was shot together shares its suffix: RAW and JPEG, the halves of a live photo, sidecars. Capture
    /// time to the second is what tells them from strangers of the same stem.
    pub together: i64,
}

/// Names for `requests`, in their order: the first to ask for a name gets it plain, the next ` (2)`, and all
/// requests of one stem and `together` get the same suffix. `taken` says whether a name is given already;
/// `group_suffix` which suffix earlier members of a group got.
pub fn assign_names(
    requests: &[NameRequest],
    taken: impl Fn(&[u8]) -> bool,
    group_suffix: impl Fn(&[u8], i64) -> Option<u32>,
) -> Vec<Vec<u8>> {
    let mut given: HashSet<Vec<u8>> = HashSet::with_capacity(requests.len());
    let mut suffixes: HashMap<(&[u8], i64), u32> = HashMap::new();
    let groups = groups_of(requests);
    // Below this number every suffix of the name is given: ten thousand equal titles must not cost their square.
    let mut first_to_try: HashMap<&[u8], u32> = HashMap::new();
    requests
        .iter()
        .map(|request| {
            let (stem, extension) = split_name(&request.plain);
            let group = (stem, request.together);
            let free = |name: &[u8], given: &HashSet<Vec<u8>>| !given.contains(name) && !taken(name);
            let wished = suffixes.get(&group).copied().or_else(|| group_suffix(stem, request.together));
            let siblings = groups.get(&group).map_or(&[][..], Vec::as_slice);
            let start = first_to_try.entry(&request.plain).or_insert(1);
            let n = wished.filter(|&n| free(&named(stem, n, extension), &given)).unwrap_or_else(|| {
                *start = first_free(*start, stem, extension, |name| free(name, &given));
                first_free_for_all(*start, stem, siblings, |name| free(name, &given))
            });
            suffixes.entry(group).or_insert(n);
            let name = named(stem, n, extension);
            given.insert(name.clone());
            name
        })
        .collect()
}

/// The extensions of each group, so that a suffix is chosen that all of them can have.
fn groups_of(requests: &[NameRequest]) -> HashMap<(&[u8], i64), Vec<&[u8]>> {
    let mut groups: HashMap<(&[u8], i64), Vec<&[u8]>> = HashMap::new();
    for request in requests {
        let (stem, extension) = split_name(&request.plain);
        let extensions = groups.entry((stem, request.together)).or_default();
        if !extensions.contains(&extension) {
            extensions.push(extension);
        }
    }
    groups
}

/// A free suffix from `start` on: the lowest, unless there are many; then one found by doubling and halving,
/// so that ten thousand equal titles do not cost their square.
fn first_free(start: u32, stem: &[u8], extension: &[u8], free: impl Fn(&[u8]) -> bool) -> u32 {
    let free = |n: u32| free(&named(stem, n, extension));
    if let Some(n) = (start..start.saturating_add(8)).find(|&n| free(n)) {
        return n;
    }
    let (mut taken, mut step) = (start.saturating_add(7), 8);
    while !free(taken.saturating_add(step)) && step < u32::MAX / 4 {
        taken = taken.saturating_add(step);
        step *= 2;
    }
    let mut found = taken.saturating_add(step);
    while found - taken > 1 {
        let middle = taken + (found - taken) / 2;
        if free(middle) { found = middle } else { taken = middle }
    }
    found
}

fn first_free_for_all(start: u32, stem: &[u8], extensions: &[&[u8]], free: impl Fn(&[u8]) -> bool) -> u32 {
    let all_free = |n: &u32| extensions.iter().all(|extension| free(&named(stem, *n, extension)));
    (start..).find(all_free).unwrap_or(u32::MAX)
}

fn named(stem: &[u8], n: u32, extension: &[u8]) -> Vec<u8> {
    let suffix = if n <= 1 { String::new() } else { format!(" ({n})") };
    join_name(stem, suffix.as_bytes(), extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assign(names: &[(&str, i64)], taken: &[&str]) -> Vec<String> {
        let requests: Vec<NameRequest> = names
            .iter()
            .map(|(name, together)| NameRequest { plain: name.as_bytes().to_vec(), together: *together })
            .collect();
        let taken = |name: &[u8]| taken.iter().any(|given| given.as_bytes() == name);
        assign_names(&requests, taken, |_, _| None).into_iter().map(|name| String::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn the_first_keeps_the_plain_name_and_a_name_already_given_stays() {
        assert_eq!(assign(&[("a.jpg", 1), ("a.jpg", 2), ("a.jpg", 3)], &[]), ["a.jpg", "a (2).jpg", "a (3).jpg"]);
        assert_eq!(assign(&[("a.jpg", 1)], &["a.jpg", "a (2).jpg"]), ["a (3).jpg"]);
        assert_eq!(assign(&[("a (2).jpg", 1), ("a.jpg", 2), ("a.jpg", 3)], &[]), ["a (2).jpg", "a.jpg", "a (3).jpg"]);
    }

    #[test]
    fn what_was_shot_together_shares_its_suffix() {
        let names = [("IMG_1.JPG", 5), ("IMG_1.JPG", 9), ("IMG_1.CR2", 9), ("IMG_1.CR2", 5)];
        assert_eq!(assign(&names, &[]), ["IMG_1.JPG", "IMG_1 (2).JPG", "IMG_1 (2).CR2", "IMG_1.CR2"]);
        let later = assign_names(
            &[NameRequest { plain: b"IMG_1.xmp".to_vec(), together: 9 }],
            |_| false,
            |stem, together| (stem == b"IMG_1" && together == 9).then_some(2),
        );
        assert_eq!(later, [b"IMG_1 (2).xmp"]);
    }

    #[test]
    fn strangers_of_one_stem_keep_their_names() {
        assert_eq!(assign(&[("a.jpg", 1), ("a.png", 2)], &[]), ["a.jpg", "a.png"]);
    }

    #[test]
    fn ten_thousand_equal_titles_get_ten_thousand_names() {
        let names = vec![("same.jpg", 0); 10_000];
        let given: HashSet<String> = assign(&names, &[]).into_iter().collect();
        assert_eq!(given.len(), 10_000);
    }

    #[test]
    fn a_title_given_ten_thousand_times_before_costs_a_few_looks() {
        let looks = std::cell::Cell::new(0);
        let taken = |name: &[u8]| {
            looks.set(looks.get() + 1);
            name == b"a.jpg" || (2..=10_000).any(|n| name == format!("a ({n}).jpg").as_bytes())
        };
        let request = NameRequest { plain: b"a.jpg".to_vec(), together: 0 };
        assert_eq!(assign_names(&[request], taken, |_, _| None), [b"a (10001).jpg"]);
        assert!(looks.get() < 60, "{}", looks.get());
    }

    #[test]
    fn names_equal_after_cutting_are_told_apart() {
        let (a, b) = (format!("{}a.jpg", "x".repeat(300)), format!("{}b.jpg", "x".repeat(300)));
        let requests: Vec<NameRequest> = [a, b]
            .iter()
            .map(|title| NameRequest {
                plain: super::super::safe_name(title.as_bytes(), crate::base::FileId(1), ""),
                together: 0,
            })
            .collect();
        let names = assign_names(&requests, |_| false, |_, _| None);
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.len() <= 255));
    }
}
