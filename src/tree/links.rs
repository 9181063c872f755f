//! What the links in a month of `Timeline/` are called (semantics 1.1): of equal names the lowest number has it plain,
//! the others have their number in it. Kept so that one photo more or less is a look at those that it concerns.

use super::name::{join_name, split_name};
use crate::base::{FileId, Name, Part};
use std::collections::{BTreeSet, HashMap, hash_map};

/// Whose link: a photo's, or its clip's.
pub type LinkKey = (FileId, Part);

/// The links of one month, and what they are called. What they are called follows from what they would be called alone,
/// whatever came first.
#[derive(Default, Debug)]
pub struct LinkNames {
    plain: HashMap<LinkKey, Name>,
    wished: HashMap<Name, BTreeSet<LinkKey>>,
}

impl LinkNames {
    /// Takes a link in under the name that it would have alone, or out. Answers whose names may be others now.
    pub fn set(&mut self, key: LinkKey, plain: Option<Name>) -> Vec<LinkKey> {
        if self.plain.get(&key) == plain.as_ref() {
            return Vec::new();
        }
        let mut touched = vec![key];
        if let Some(before) = self.plain.remove(&key) {
            self.leave(key, before, &mut touched);
        }
        if let Some(plain) = plain {
            self.plain.insert(key, plain.clone());
            let group = self.wished.entry(plain.clone()).or_default();
            touched.extend(group.first());
            group.insert(key);
            if group.len() == 1 {
                self.push_numbered_as(&plain, &mut touched);
            }
        }
        touched
    }

    fn leave(&mut self, key: LinkKey, plain: Name, touched: &mut Vec<LinkKey>) {
        let hash_map::Entry::Occupied(mut group) = self.wished.entry(plain.clone()) else { return };
        group.get_mut().remove(&key);
        if let Some(next) = group.get().first() {
            touched.push(*next);
            return;
        }
        group.remove();
        self.push_numbered_as(&plain, touched);
    }

    /// What it is called, if it is here.
    pub fn get(&self, key: LinkKey) -> Option<Name> {
        let plain = self.plain.get(&key)?;
        if self.wished.get(plain).is_some_and(|group| group.first() == Some(&key)) {
            return Some(plain.clone());
        }
        (1..).map(|n| numbered(plain, key.0, n)).map(Name::from).find(|name| !self.wished.contains_key(name))
    }

    /// Those that would have their number in just this name: it came to be wished by others, or is free again.
    fn push_numbered_as(&self, name: &[u8], touched: &mut Vec<LinkKey>) {
        let behind = |at: usize| {
            let digits = name[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            std::str::from_utf8(&name[at..at + digits]).ok()?.parse().ok().map(FileId)
        };
        let files = (0..name.len()).filter(|at| name[..*at].ends_with(b" (")).filter_map(behind);
        let keys = files.flat_map(|file| [Part::Whole, Part::Still, Part::Clip].map(|part| (file, part)));
        touched.extend(keys.filter(|key| self.plain.contains_key(key)));
    }
}

/// ` (7)` before the extension, and where that is another's name ` (7.2)`, ` (7.3)`, …
fn numbered(name: &[u8], file: FileId, n: u32) -> Vec<u8> {
    let (stem, extension) = split_name(name);
    let suffix = if n == 1 { format!(" ({file})") } else { format!(" ({file}.{n})") };
    join_name(stem, suffix.as_bytes(), extension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn name(text: &str) -> Name {
        text.as_bytes().into()
    }

    fn whole(id: i64) -> LinkKey {
        (FileId(id), Part::Whole)
    }

    fn called(names: &LinkNames, id: i64) -> String {
        String::from_utf8(names.get(whole(id)).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn of_equal_names_the_lowest_number_has_it_plain() {
        let mut names = LinkNames::default();
        for id in [9, 8, 7] {
            names.set(whole(id), Some(name("a.jpg")));
        }
        assert_eq!([7, 8, 9].map(|id| called(&names, id)), ["a.jpg", "a (8).jpg", "a (9).jpg"]);
        assert_eq!(names.set(whole(7), None), [whole(7), whole(8)]);
        assert_eq!([8, 9].map(|id| called(&names, id)), ["a.jpg", "a (9).jpg"]);
        assert_eq!(names.get(whole(7)), None);
    }

    #[test]
    fn a_name_that_looks_numbered_hides_no_other() {
        let mut names = LinkNames::default();
        for (id, plain) in [(7, "a.jpg"), (8, "a.jpg"), (5, "a (8).jpg"), (6, "a (8.2).jpg")] {
            names.set(whole(id), Some(name(plain)));
        }
        assert_eq!(called(&names, 8), "a (8.3).jpg");
        assert!(names.set(whole(5), None).contains(&whole(8)));
        assert_eq!(called(&names, 8), "a (8).jpg");
        let long = "x".repeat(255);
        for (id, plain) in [(1, long.clone()), (2, long.clone()), (3, format!("{} (2)", "x".repeat(251)))] {
            names.set(whole(id), Some(name(&plain)));
        }
        assert_eq!(called(&names, 2), format!("{} (2.2)", "x".repeat(249)));
    }

    /// Whatever came and went in whatever order: the names are those of a month built at once, no two are equal, and
    /// every one that changed was said to.
    #[test]
    fn names_follow_from_the_links_alone() {
        let mut seed = 5_u64;
        let mut below = |end: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % end
        };
        let plain = ["a.jpg", "a (2).jpg", "a (3).jpg", "a (3.2).jpg", "a (4)", "a", "b.j (2)"];
        let keys: Vec<LinkKey> =
            (1..7).flat_map(|id| [Part::Whole, Part::Clip].map(|part| (FileId(id), part))).collect();
        let mut names = LinkNames::default();
        let all = |names: &LinkNames| -> Vec<Option<Name>> { keys.iter().map(|key| names.get(*key)).collect() };
        for _ in 0..5_000 {
            let key = keys[below(keys.len() as u64) as usize];
            // A clip never has its still's name.
            let prefix = if key.1 == Part::Clip { "c" } else { "" };
            let wished =
                plain.get(below(plain.len() as u64 + 2) as usize).map(|plain| name(&format!("{prefix}{plain}")));
            let before = all(&names);
            let touched = names.set(key, wished);
            let after = all(&names);
            for (i, key) in keys.iter().enumerate() {
                assert!(before[i] == after[i] || touched.contains(key), "{key:?}: {:?}", after[i]);
            }
            let mut fresh = LinkNames::default();
            for key in keys.iter().rev() {
                fresh.set(*key, names.plain.get(key).cloned());
            }
            assert_eq!(after, all(&fresh));
            let given: Vec<Name> = after.into_iter().flatten().collect();
            assert_eq!(given.iter().collect::<HashSet<_>>().len(), given.len(), "{given:?}");
        }
    }
}
