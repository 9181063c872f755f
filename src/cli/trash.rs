//! `trash`: lists what would go, asks, and moves it to Ente's trash (semantics 4.2).

use super::Outcome;
use super::args::TrashArgs;
use super::prompt::ask_line;
use super::queue::{ask, entries};
use super::status::print;
use super::terminal;
use crate::app::{Exit, Failure, Paths};
use crate::base::format_bytes;
use crate::control::{EntryInfo, Request};
use crate::namespace::FileState;
use std::collections::BTreeMap;
use std::fmt::Write;

const WHAT: &str = "trash";

pub(super) fn trash(paths: &Paths, args: &TrashArgs) -> Outcome {
    if !args.yes && !terminal::can_ask() {
        let why = "nobody can be asked whether that is meant";
        return Err(Failure::new(Exit::Usage, WHAT, why, "say --yes").into());
    }
    let photos = photos_of(entries(paths, &args.paths)?)?;
    print(&describe(photos.values()));
    if !args.yes {
        let question = format!("Move {} photos to Ente's trash, out of all albums? [y/N]", photos.len());
        let answer = ask_line(&question).map_err(|error| Failure::account(WHAT, &error))?;
        if !matches!(answer.as_str(), "y" | "Y" | "yes") {
            return Err(Failure::new(Exit::Other, WHAT, "nothing was moved", "answer y if it is meant").into());
        }
    }
    ask(paths, WHAT, &Request::Trash { files: photos.keys().copied().collect() })?;
    print(&format!(
        "{} photos are in Ente's trash for 30 days; moving them out of Trash/ restores them.\n",
        photos.len()
    ));
    Ok(())
}

/// Each photo once, by its number: of a live photo one half stands for both. All must be photos in Ente.
fn photos_of(entries: Vec<EntryInfo>) -> Result<BTreeMap<i64, EntryInfo>, Failure> {
    let mut photos = BTreeMap::new();
    for entry in entries {
        let fail = |why: &str, remedy| Err(Failure::new(Exit::Other, WHAT, format!("{} {why}", entry.path), remedy));
        let Some(id) = entry.id else {
            return if !entry.found {
                fail("is not there", "give a path as it is seen in the mount, or relative to it")
            } else if entry.state.is_none() {
                fail("is no photo", "name the photos themselves")
            } else {
                fail("is not in Ente", "use `rm`")
            };
        };
        if entry.state.as_deref() != Some(FileState::InEnte.word()) {
            return fail("is not as it is in Ente, or not there any more", "wait until `entefs status --idle` is 0");
        }
        photos.entry(id).or_insert(entry);
    }
    Ok(photos)
}

fn describe<'e>(photos: impl Iterator<Item = &'e EntryInfo>) -> String {
    let mut text = String::new();
    for photo in photos {
        let (size, albums) = (format_bytes(photo.size.unwrap_or(0)), photo.albums.join(", "));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{size:>12}  {}  (in {albums})", photo.path);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, id: Option<i64>, state: Option<FileState>) -> EntryInfo {
        let state = state.map(|state| state.word().to_owned());
        EntryInfo { path: path.into(), found: true, id, state, albums: vec!["A".into()], ..EntryInfo::default() }
    }

    #[test]
    fn all_must_be_photos_in_ente_and_each_goes_once() {
        let halves = ["x.jpg", "x.mov"].map(|path| entry(path, Some(7), Some(FileState::InEnte)));
        let photos = photos_of(halves.to_vec()).unwrap();
        assert_eq!(photos.keys().copied().collect::<Vec<_>>(), [7]);
        assert_eq!(describe(photos.values()), "         0 B  x.jpg  (in A)\n");
        for (other, why) in [
            (entry("Albums/A", None, None), "is no photo"),
            (entry("Drop/n.jpg", None, Some(FileState::Waiting)), "is not in Ente"),
            (entry("Drop/o.jpg", Some(8), Some(FileState::DeletedInEnte)), "not there any more"),
            (EntryInfo { path: "none".into(), ..EntryInfo::default() }, "is not there"),
        ] {
            let refused = photos_of(vec![halves[0].clone(), other]).unwrap_err();
            assert!(refused.to_string().contains(why), "{refused}");
        }
    }
}
