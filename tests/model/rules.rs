//! The naive reference: what an operation may change of what is seen, and what must always be so.

use crate::ente::Facts;
use crate::operation::{Dir, Op};
use crate::photos::Content;
use crate::view::{Seen, View};
use entefs::base::{AlbumKind, FileId, Ino, Timestamp};
use entefs::namespace::EntryKey;
use entefs::store::AlbumRow;
use entefs::tree::FixedPlace;
use std::collections::{BTreeMap, BTreeSet, HashMap};

type Check = Result<(), String>;

fn path_of(dir: Dir, name: &str) -> String {
    format!("{}/{name}", dir.path().join("/"))
}

/// The directory in which an album is seen.
pub fn directory_of(album: &AlbumRow) -> String {
    match album.kind {
        AlbumKind::Favorites => "Favorites".into(),
        AlbumKind::Uncategorized => "Uncategorized".into(),
        AlbumKind::Album | AlbumKind::Folder => {
            let list = FixedPlace::of_albums(album.visibility()).name();
            format!("{list}/{}", String::from_utf8_lossy(album.shown.as_deref().unwrap_or_default()))
        }
    }
}

/// Directory and name.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn photo_of(seen: &Seen) -> Option<FileId> {
    match seen.key {
        EntryKey::Photo(file) => Some(file),
        EntryKey::LocalFile { photo } => photo,
        _ => None,
    }
}

/// Equal as far as is known: bytes that cannot be had just now may be any.
fn same_content(one: Option<Content>, other: Option<Content>) -> bool {
    one.is_none() || other.is_none() || one == other
}

fn same(one: &Seen, other: &Seen) -> bool {
    one.ino == other.ino && same_content(one.content, other.content)
}

/// Nothing may change.
pub fn check_same(before: &View, after: &View) -> Check {
    check_but(before, after, |_, _| false)
}

/// Nothing may change but where `may` says so.
fn check_but(before: &View, after: &View, may: impl Fn(&str, &Seen) -> bool) -> Check {
    for (path, seen) in before.iter().filter(|(path, seen)| !may(path, seen)) {
        match after.get(path) {
            Some(now) if same(seen, now) => {}
            now => return Err(format!("{path} was {seen:?}, and is {now:?}")),
        }
    }
    for (path, seen) in after.iter().filter(|(path, seen)| !may(path, seen)) {
        if !before.contains_key(path) {
            return Err(format!("{path} has come from nowhere: {seen:?}"));
        }
    }
    Ok(())
}

/// What a person did is what is seen, and nothing else happens.
pub fn check_local(op: Op, done: bool, before: &View, after: &View) -> Check {
    if !done {
        return check_same(before, after);
    }
    match op {
        Op::Write(dir, name, content) | Op::Patch(dir, name, content) => {
            check_write(&path_of(dir, name), content, before, after)
        }
        Op::Unlink(dir, name) => check_unlink(&path_of(dir, name), before, after),
        Op::Rename(from, old, to, new) => check_rename(&path_of(from, old), &path_of(to, new), before, after),
        Op::Touch(dir, name, seconds) => check_touch(&path_of(dir, name), seconds, before, after),
        Op::MakeDropX => check_directory("Drop/X", true, before, after),
        Op::RemoveDropX => check_directory("Drop/X", false, before, after),
        Op::MakeAlbum(album) => check_directory(&format!("Albums/{}", album.name()), true, before, after),
        Op::RemoveAlbum(album) => check_directory(&format!("Albums/{}", album.name()), false, before, after),
        Op::RenameAlbum(from, to) => check_album_rename(from.name(), to.name(), before, after),
        _ => Ok(()),
    }
}

/// Semantics 2.12 and 5.3: the inode stays, all its names show the new bytes, nothing else changes.
fn check_write(path: &str, content: Content, before: &View, after: &View) -> Check {
    let now = after.get(path).ok_or_else(|| format!("{path} was written, and is not there"))?;
    if !same_content(now.content, Some(content)) {
        return Err(format!("{path} was written as {content:?}, and is {now:?}"));
    }
    let written = before.get(path).map_or(now.ino, |seen| seen.ino);
    if now.ino != written {
        return Err(format!("{path} was written in place, and its inode changed from {written:?} to {:?}", now.ino));
    }
    let linked: Vec<_> = before.iter().filter(|(_, seen)| seen.ino == written).collect();
    for (path, _) in linked {
        let is_new = after.get(path).is_some_and(|now| now.ino == written && same_content(now.content, Some(content)));
        if !is_new {
            return Err(format!("{path} is the same photo, and is {:?}", after.get(path)));
        }
    }
    check_but(before, after, |at, seen| at == path || seen.ino == written)
}

/// Semantics 4.1 and 4.3: the name goes; of a photo in its last home, to Uncategorized.
fn check_unlink(path: &str, before: &View, after: &View) -> Check {
    let gone = before.get(path).ok_or_else(|| format!("{path} was not there, and was removed"))?;
    if after.get(path).is_some_and(|now| now.ino == gone.ino && gone.content.is_some()) {
        return Err(format!("{path} was removed, and is there"));
    }
    let others = before.iter().any(|(at, seen)| at != path && !at.starts_with("Trash/") && seen.ino == gone.ino);
    let to_uncategorized = |at: &str, seen: &Seen| {
        !others && matches!(gone.key, EntryKey::Photo(_)) && at.starts_with("Uncategorized/") && seen.ino == gone.ino
    };
    // 4.2, on a mount that allows it.
    let to_trash =
        |at: &str, seen: &Seen| path.starts_with("Uncategorized/") && at.starts_with("Trash/") && seen.ino == gone.ino;
    check_but(before, after, |at, seen| at == path || to_uncategorized(at, seen) || to_trash(at, seen))
}

/// Semantics 3: the photo is under its new name; what it was linked to and what was in the way may follow.
fn check_rename(from: &str, to: &str, before: &View, after: &View) -> Check {
    if from == to {
        return check_same(before, after);
    }
    let moved = before.get(from).ok_or_else(|| format!("{from} was not there, and was renamed"))?;
    if after.get(from).is_some_and(|now| now.ino == moved.ino) {
        return Err(format!("{from} was renamed, and is there"));
    }
    let occupant = before.get(to);
    let now = after.get(to).ok_or_else(|| format!("{from} was renamed to {to}, which is not there"))?;
    let handed_over = from.starts_with("Drop/") && !to.starts_with("Drop/") && photo_of(moved).is_some();
    if !same_content(now.content, moved.content) || (now.ino != moved.ino && !handed_over) {
        return Err(format!("{from} was renamed to {to}: it was {moved:?}, and is {now:?}"));
    }
    // Of the file, and those whose places are to be taken: they are called as it is, wherever they are.
    let photos: BTreeSet<FileId> = [Some(moved), occupant, Some(now)]
        .into_iter()
        .flatten()
        .flat_map(|seen| [photo_of(seen), seen.replaces])
        .flatten()
        .collect();
    let inos: BTreeSet<Ino> = [Some(moved), occupant].into_iter().flatten().map(|seen| seen.ino).collect();
    let related = |seen: &Seen| {
        let is_one = |file: Option<FileId>| file.is_some_and(|file| photos.contains(&file));
        let is_photo = matches!(seen.key, EntryKey::Photo(_)) && is_one(photo_of(seen));
        is_photo || is_one(seen.replaces) || inos.contains(&seen.ino)
    };
    // Photos are never lost by it; the one whose place new bytes take is behind them.
    let is_behind = |seen: &Seen| [photo_of(moved), now.replaces].contains(&photo_of(seen));
    for (path, seen) in before.iter().filter(|(_, seen)| matches!(seen.key, EntryKey::Photo(_))) {
        if matches!(now.key, EntryKey::LocalFile { .. }) && is_behind(seen) {
            continue;
        }
        if !after.values().any(|now| now.ino == seen.ino) && occupant.is_none_or(|there| there.ino != seen.ino) {
            return Err(format!("{path} {seen:?} is nowhere any more"));
        }
    }
    // What a file that was in the way masked goes where the album's photos go.
    let masked = |at: &str, seen: &Seen| {
        let by_file = occupant.is_some_and(|occupant| matches!(occupant.key, EntryKey::LocalFile { .. }));
        by_file && at.starts_with("Uncategorized/") && !before.values().any(|known| known.ino == seen.ino)
    };
    let new_album = |at: &str| at.starts_with("Albums/") && at.matches('/').count() == 1 && !before.contains_key(at);
    let may = |at: &str, seen: &Seen| related(seen) || masked(at, seen) || new_album(at);
    check_but(before, after, |at, seen| at == from || at == to || may(at, seen))
}

fn check_touch(path: &str, seconds: i64, before: &View, after: &View) -> Check {
    let now = after.get(path).ok_or_else(|| format!("{path} was touched, and is not there"))?;
    if now.attr.mtime.parts() != (seconds, 5) {
        return Err(format!("{path} was touched, and has {:?}", now.attr.mtime));
    }
    check_same(before, after)
}

fn check_directory(path: &str, made: bool, before: &View, after: &View) -> Check {
    if after.contains_key(path) != made {
        return Err(format!("{path} is there: {}", !made));
    }
    check_but(before, after, |at, _| at == path)
}

/// The directory goes with all that is in it; an empty one may have been in the way.
fn check_album_rename(from: &str, to: &str, before: &View, after: &View) -> Check {
    let (old, new) = (format!("Albums/{from}"), format!("Albums/{to}"));
    let renamed = |path: &str| match path.strip_prefix(&old) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{new}{rest}"),
        _ => path.to_owned(),
    };
    let expected: View =
        before.iter().filter(|(path, _)| **path != new).map(|(path, seen)| (renamed(path), seen.clone())).collect();
    check_same(&expected, after)
}

/// Tenet 3: when nobody else changes anything, work in the background keeps every name and what it shows. Photos
/// come to the albums, and what is linked leaves Uncategorized.
pub fn check_kept(before: &View, after: &View) -> Check {
    for (path, seen) in before {
        let Some(now) = after.get(path) else {
            let (dir, _) = split(path);
            let moved_on = dir == "Uncategorized"
                && after.iter().any(|(at, now)| !at.starts_with("Drop") && is_same_photo(seen, now));
            let shortened = path.contains(" (") && after.iter().any(|(at, now)| at.starts_with(dir) && same(seen, now));
            let replaced = after.iter().any(|(at, now)| at.starts_with(dir) && is_next_version(path, now, before));
            if moved_on || shortened || replaced || is_known_otherwise(path, seen, before, after) {
                continue;
            }
            return Err(format!("{path} {seen:?} has gone by itself"));
        };
        // Its name passed on to another version, and it is seen under another, or in an album by itself.
        let moved_on = path.starts_with("Uncategorized/")
            && after.iter().any(|(at, now)| !at.starts_with("Drop/") && is_same_photo(seen, now));
        let explained = || {
            is_next_version(path, now, before)
                || is_known_otherwise(path, seen, before, after)
                || is_behind_a_file(path, seen, after)
        };
        if !same_content(seen.content, now.content) && !moved_on && !explained() {
            return Err(format!("{path} was {seen:?}, and became {now:?} by itself"));
        }
        if path.starts_with("Drop/") && (now.ino, now.attr.mtime) != (seen.ino, seen.attr.mtime) {
            return Err(format!("{path}: a drop entry is not what was written any more: {seen:?}, {now:?}"));
        }
    }
    Ok(())
}

/// Or the one that a file turned out to be.
fn is_same_photo(seen: &Seen, now: &Seen) -> bool {
    match photo_of(seen) {
        None => matches!(now.key, EntryKey::Photo(_)) && now.content == seen.content,
        file => file == photo_of(now),
    }
}

/// A photo of Uncategorized that came to an album, where a file that is to take its place has the name.
fn is_behind_a_file(path: &str, seen: &Seen, after: &View) -> bool {
    let masks = |at: &str, now: &Seen| {
        at.starts_with("Albums/")
            && matches!(now.key, EntryKey::LocalFile { .. })
            && is_name_of(split(path).1, split(at).1)
    };
    path.starts_with("Uncategorized/") && photo_of(seen).is_some() && after.iter().any(|(at, now)| masks(at, now))
}

/// A file in an album, or a photo with its new bytes, turned out to be a photo that albums show under another name: it is
/// that one, and called so.
fn is_known_otherwise(path: &str, seen: &Seen, before: &View, after: &View) -> bool {
    let (dir, _) = split(path);
    let is_home = |at: &str| ["Albums/", "Favorites/", "Archive/"].iter().any(|list| at.starts_with(list));
    let was_known = |at: &str| is_home(at) || at.starts_with("Uncategorized/");
    let is_it = |at: &str, now: &Seen| {
        split(at).0 == dir
            && matches!(now.key, EntryKey::Photo(_))
            && now.content == seen.content
            && before.iter().any(|(at, known)| was_known(at) && photo_of(known) == photo_of(now))
    };
    let is_new = matches!(seen.key, EntryKey::LocalFile { photo: None } | EntryKey::Photo(_));
    is_new && is_home(path) && after.iter().any(|(at, now)| is_it(at, now))
}

/// A drop entry was written over, or a file put over a photo: its place in every album goes to what is there now
/// (semantics 2.12).
fn is_next_version(path: &str, now: &Seen, before: &View) -> bool {
    let wrote = |entry: &Seen| matches!(entry.key, EntryKey::LocalFile { .. }) && entry.content == now.content;
    let is_version =
        |at: &str, entry: &Seen| (at.starts_with("Drop/") || is_name_of(split(path).1, split(at).1)) && wrote(entry);
    matches!(now.key, EntryKey::Photo(_))
        && !path.starts_with("Drop/")
        && before.iter().any(|(at, entry)| is_version(at, entry))
}

/// Semantics 1.1: an album photo's link count is the number of its names in the albums.
pub fn check_links(view: &View) -> Check {
    let mut names: BTreeMap<Ino, Vec<&str>> = BTreeMap::new();
    for (path, seen) in view.iter().filter(|(_, seen)| matches!(seen.key, EntryKey::Photo(_))) {
        names.entry(seen.ino).or_default().push(path);
    }
    for (path, seen) in view.iter().filter(|(_, seen)| matches!(seen.key, EntryKey::Photo(_))) {
        let names = &names[&seen.ino];
        // A local name may mask one of them.
        if (seen.attr.links as usize) < names.len() {
            return Err(format!("{path} has {} links, and is seen as {names:?}", seen.attr.links));
        }
    }
    Ok(())
}

/// The same at rest, exactly: no local name masks one.
pub fn check_links_at_rest(view: &View) -> Check {
    let albums = |ino| view.iter().filter(move |(path, seen)| seen.ino == ino && !path.starts_with("Drop/")).count();
    for (path, seen) in view.iter().filter(|(_, seen)| matches!(seen.key, EntryKey::Photo(_))) {
        let names = albums(seen.ino);
        if seen.attr.links as usize != names {
            return Err(format!("{path} has {} links, and {names} names", seen.attr.links));
        }
    }
    Ok(())
}

/// Nothing of the account is without an album, unless another device put it into the trash.
pub fn check_homes(facts: &Facts) -> Check {
    for (file, photo) in facts.photos.iter().filter(|(_, photo)| !photo.trashed) {
        if facts.homes(*file).is_empty() {
            return Err(format!("{file:?} {photo:?} is in no album any more"));
        }
    }
    Ok(())
}

/// The photos that a directory shows are exactly these, each under its name or that with a suffix.
pub fn check_members(view: &View, dir: &str, photos: &BTreeSet<FileId>, facts: &Facts) -> Check {
    let mut shown: BTreeMap<FileId, &str> = BTreeMap::new();
    let mut local: BTreeSet<&str> = BTreeSet::new();
    for (path, seen) in view {
        let Some(name) = path.strip_prefix(dir).and_then(|rest| rest.strip_prefix('/')) else { continue };
        match seen.key {
            EntryKey::Photo(file) => {
                if let Some(other) = shown.insert(file, name) {
                    return Err(format!("{dir} shows {file:?} twice: {other}, {name}"));
                }
            }
            _ => {
                local.insert(name);
            }
        }
    }
    for file in photos.iter().filter(|file| facts.photos.get(file).is_some_and(|photo| !photo.trashed)) {
        // A local name masks it, or is its own.
        if !shown.contains_key(file) && local.is_empty() {
            return Err(format!("{dir} does not show {file:?}, {:?}", facts.photos.get(file)));
        }
    }
    match shown.keys().find(|file| !photos.contains(file)) {
        Some(file) => Err(format!("{dir} shows {file:?}, which is not in it")),
        None => Ok(()),
    }
}

/// What `Trash/` shows.
pub fn photos_in_trash(view: &View) -> BTreeSet<FileId> {
    view.iter().filter(|(path, _)| path.starts_with("Trash/")).filter_map(|(_, seen)| photo_of(seen)).collect()
}

/// `Trash/` shows exactly these.
pub fn check_trash(view: &View, photos: &BTreeSet<FileId>) -> Check {
    let shown = photos_in_trash(view);
    if shown == *photos { Ok(()) } else { Err(format!("Trash shows {shown:?}, and has {photos:?}")) }
}

fn is_name_of(shown: &str, name: &str) -> bool {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let suffix = shown.strip_prefix(stem).and_then(|rest| rest.strip_suffix(&format!(".{extension}")));
    suffix.is_some_and(|suffix| suffix.is_empty() || (suffix.starts_with(" (") && suffix.ends_with(')')))
}

/// A file of an album's directory that is a photo stands for it; a drop's is beside it.
fn is_shown_twice(view: &View, path: &str, file: FileId) -> bool {
    let (dir, _) = split(path);
    let is_there = |(at, seen): (&String, &Seen)| split(at).0 == dir && seen.key == EntryKey::Photo(file);
    !path.starts_with("Drop/") && view.iter().any(is_there)
}

/// Nothing waits: what is seen is what Ente has.
pub fn check_rest(view: &View, facts: &Facts) -> Check {
    for (path, seen) in view {
        let (_, name) = split(path);
        match seen.key {
            EntryKey::Photo(file) => {
                let photo = facts.photos.get(&file).ok_or_else(|| format!("{path}: {file:?} is not in Ente"))?;
                if seen.content != Some(photo.content) {
                    return Err(format!("{path} shows {:?}, and Ente has {photo:?}", seen.content));
                }
                // In the trash it keeps the name that it was given there, and what is told of it is not told anew.
                if !path.starts_with("Trash/") && !is_name_of(name, photo.display_name()) {
                    return Err(format!("{path} is called {:?} in Ente", photo.display_name()));
                }
            }
            // A file that was written into an album is the photo itself there (semantics 2.7).
            EntryKey::LocalFile { photo: Some(file) } if !path.starts_with("Drop/") && !name.starts_with('.') => {
                return Err(format!("{path} is a file beside its photo, {file:?}"));
            }
            // New bytes under a temporary name stay here (semantics 2.4).
            EntryKey::LocalFile { photo: Some(_) } if name.starts_with('.') => {}
            EntryKey::LocalFile { photo: Some(file) } if is_shown_twice(view, path, file) => {
                return Err(format!("{path}: {file:?} is in the same album under another name"));
            }
            EntryKey::LocalFile { photo: Some(file) } => {
                let photo = facts.photos.get(&file).ok_or_else(|| format!("{path}: {file:?} is not in Ente"))?;
                if seen.content != Some(photo.content) {
                    return Err(format!("{path} shows {:?}, and became {file:?}, {photo:?}", seen.content));
                }
            }
            EntryKey::LocalFile { photo: None } if !name.starts_with('.') && seen.content.is_some() => {
                return Err(format!("{path} was never sent"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Bytes that were accepted, and when.
#[derive(Clone, Copy, Debug)]
pub struct Owed {
    pub content: Content,
    pub since: Timestamp,
}

/// Tenet 1: what was accepted is in Ente, or still here because of its name. In the trash only what went there since.
pub fn check_owed(
    owed: &HashMap<Ino, Owed>,
    view: &View,
    facts: &Facts,
    trashed: &HashMap<FileId, Timestamp>,
) -> Check {
    for (ino, Owed { content, since }) in owed {
        let here = view
            .iter()
            .any(|(path, seen)| seen.ino == *ino && path.rsplit('/').next().is_some_and(|name| name.starts_with('.')));
        let counts = |file: &FileId| trashed.get(file).is_none_or(|seen| seen > since);
        if !here && !facts.photos.iter().any(|(file, photo)| photo.content == *content && counts(file)) {
            return Err(format!("{content:?}, accepted as {ino:?}, is neither here nor in Ente"));
        }
    }
    Ok(())
}

fn is_at_home(facts: &Facts, file: FileId) -> bool {
    facts.homes(file).iter().any(|album| facts.albums[album].kind != AlbumKind::Uncategorized)
}

/// Photos that no album has, of which another one has the same bytes.
pub fn photos_beside_equal_ones(facts: &Facts) -> impl Iterator<Item = FileId> {
    let is_equal = |file: FileId, content| {
        facts.photos.iter().any(|(other, photo)| *other != file && photo.content == content && !photo.trashed)
    };
    let photos = facts.photos.iter().filter(|(file, _)| !is_at_home(facts, **file));
    photos.filter(move |(file, photo)| is_equal(**file, photo.content)).map(|(file, _)| *file)
}

/// Whether a directory shows a photo.
pub fn is_shown(view: &View, dir: &str, file: FileId) -> bool {
    view.iter().any(|(path, seen)| split(path).0 == dir && seen.key == EntryKey::Photo(file))
}

/// No photo was sent twice (I15, semantics 2.9), previous versions left aside. What equals one that a file waits to
/// replace, held back under a temporary name, is not linked to that: it would change with it.
pub fn check_no_doubles(facts: &Facts, counts: impl Fn(FileId) -> bool) -> Check {
    let mut known = BTreeMap::new();
    let counts = |file: &FileId| is_at_home(facts, *file) && counts(*file);
    for (file, photo) in facts.photos.iter().filter(|(file, photo)| !photo.trashed && counts(file)) {
        if let Some(other) = known.insert((photo.title.clone(), photo.content), file) {
            return Err(format!("{file:?} and {other:?} are the same photo: {photo:?}"));
        }
    }
    Ok(())
}
