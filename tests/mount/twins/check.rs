//! What must be so when both are quiet: both trees and the server agree, and all that was accepted is there once.

use super::hand::Written;
use crate::common::{Client, Device, await_some, hash_text, sorted, try_sorted};
use entefs::base::FileId;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A photo by its number, and its name in a directory.
type Members = BTreeMap<FileId, String>;

/// The server's side.
struct Ente {
    albums: Vec<(String, BTreeSet<FileId>)>,
    names: BTreeMap<FileId, String>,
    hashes: BTreeMap<FileId, String>,
    trashed: BTreeSet<FileId>,
}

fn fact(path: &Path, word: &str) -> Option<String> {
    let value = xattr::get(path, format!("user.ente.{word}")).ok().flatten();
    value.map(|value| String::from_utf8(value).expect("facts are texts"))
}

fn id(path: &Path) -> Option<FileId> {
    fact(path, "id").map(|id| FileId(id.parse().expect("a number")))
}

/// The directories that show albums.
fn directories(device: &Device) -> Vec<String> {
    let lists = ["Albums", "Archive"];
    let mut all: Vec<String> = lists
        .iter()
        .flat_map(|list| sorted(&device.path(list)).into_iter().map(move |name| format!("{list}/{name}")))
        .collect();
    all.extend(["Favorites".to_owned(), "Uncategorized".to_owned()]);
    all
}

/// Every file that this device alone may have.
fn local_files(device: &Device) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = directories(device).iter().map(|dir| device.path(dir)).collect();
    dirs.push(device.drop_dir());
    let drops = sorted(&device.drop_dir()).into_iter().map(|name| device.drop_dir().join(name));
    dirs.extend(drops.filter(|path| path.is_dir()));
    let files = |dir: PathBuf| sorted(&dir).into_iter().map(move |name| dir.join(name));
    dirs.into_iter().flat_map(files).filter(|path| path.is_file()).collect()
}

/// What a kill left half-written is removed, as a person would; then all is in Ente and all is pulled, here and there.
#[track_caller]
pub fn tidy(client: &Client, devices: [&Device; 2], written: &mut Written) {
    for device in devices {
        await_some(
            || {
                remove_emptied(device);
                let status = device.status();
                (status.under_way() == 0 && status.pending_changes == 0).then_some(())
            },
            || format!("under way: {:#?}\n{}", device.status(), device.log()),
        );
        for path in local_files(device) {
            let state = fact(&path, "state").unwrap_or_default();
            if !["incomplete", "local-only", "parked"].contains(&state.as_str()) {
                continue;
            }
            let bytes = fs::read(&path).expect("it is here");
            let is_left = !written.accepted.contains(&hash_text(&bytes)) || is_hidden(&path);
            assert!(is_left, "{} was accepted, and is {state}: {:?}", path.display(), fact(&path, "reason"));
            // Saved over what an earlier save left: under a temporary name it was never to go to Ente.
            written.withdraw(&bytes);
            fs::remove_file(&path).expect("it may be removed");
        }
    }
    let quiet = || devices.iter().for_each(|device| device.wait_idle());
    let pull = || devices.iter().for_each(|device| device.refresh());
    quiet();
    // An empty album waits a while for its first photo.
    let in_ente = || client.albums().into_iter().filter(|(dir, _)| dir.contains('/')).count();
    for device in devices {
        let shown = || directories(device).iter().filter(|dir| dir.contains('/')).count();
        await_some(
            || (shown() == in_ente()).then_some(()),
            || format!("{:?} are shown, Ente has {:?}", directories(device), client.albums()),
        );
    }
    for _ in 0..2 {
        pull();
        quiet();
    }
}

/// What a kill left cut to nothing would wait an hour for its writer (semantics 2.12); removed, a photo shows its bytes again.
fn remove_emptied(device: &Device) {
    let is_emptied = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.len() == 0) && fact(path, "state").as_deref() == Some("settling")
    };
    for path in local_files(device).iter().filter(|path| is_emptied(path)) {
        if let Err(error) = fs::remove_file(path) {
            println!("{} is cut to nothing, and stays: {error}", path.display());
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

#[track_caller]
pub fn check(client: &Client, devices: [&Device; 2], written: &Written) {
    let photos = client.photos();
    for photo in &photos {
        assert_eq!(photo.hash, hash_text(&client.download(photo)), "{}: {:?}", photo.id, photo.title);
    }
    assert_eq!(client.file_count(), photos.len() as u64, "photos that no album has");
    let ente = Ente {
        albums: client.albums(),
        names: photos.iter().map(|photo| (photo.id, photo.name().to_owned())).collect(),
        hashes: photos.iter().map(|photo| (photo.id, photo.hash.clone())).collect(),
        trashed: client.trashed().into_iter().collect(),
    };
    let mut wrong = Vec::new();
    for (device, name) in devices.into_iter().zip(["left", "right"]) {
        let found = differences(device, &ente);
        wrong.extend(found.into_iter().map(|what| format!("{name}: {what}")));
        let troubles = device.status().troubles;
        println!("{name}: {} troubles, the last {:?}", troubles.len(), troubles.last().map(|trouble| &trouble.text));
    }
    wrong.extend(owed(&ente, devices[0], written));
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!(
        "{} photos in {} albums, {} in the trash; {} accepted, {} withdrawn, {} copied",
        photos.len(),
        ente.albums.len(),
        ente.trashed.len(),
        written.accepted.len(),
        written.withdrawn.len(),
        written.copied.len()
    );
}

/// In which way a mount is not what the server has.
fn differences(device: &Device, ente: &Ente) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen: Vec<(String, Members)> = Vec::new();
    for dir in directories(device) {
        let mut members = Members::new();
        for name in sorted(&device.path(&dir)) {
            let path = device.path(&dir).join(&name);
            let Some(id) = id(&path) else {
                wrong.push(format!("{dir}/{name} is no photo: {:?}", fact(&path, "state")));
                continue;
            };
            wrong.extend(untrue(&path, id, ente).map(|why| format!("{dir}/{name} ({id}): {why}")));
            if let Some(other) = members.insert(id, name.clone()) {
                wrong.push(format!("{dir} has {id} twice: {other}, {name}"));
            }
        }
        seen.push((dir, members));
    }
    for (dir, photos) in &ente.albums {
        let is_it = |(shown, members): &(String, Members)| is_name_of(shown, dir) && members.keys().eq(photos);
        match seen.iter().position(is_it) {
            Some(at) => drop(seen.swap_remove(at)),
            None => wrong.push(format!("Ente's {dir} is not shown: {photos:?}")),
        }
    }
    // Before there is one in Ente, they are shown and empty.
    seen.retain(|(dir, members)| !members.is_empty() || dir.contains('/'));
    wrong.extend(seen.into_iter().map(|(dir, members)| format!("{dir} is not in Ente: {members:?}")));
    wrong.extend(wrong_elsewhere(device, ente));
    wrong
}

/// What an entry of an album shows that is not so.
fn untrue(path: &Path, id: FileId, ente: &Ente) -> Option<String> {
    let (Some(name), Some(hash)) = (ente.names.get(&id), ente.hashes.get(&id)) else {
        return Some("not in Ente".into());
    };
    let shown = path.file_name().expect("it has a name").to_string_lossy();
    if !is_name_of(&shown, name) {
        return Some(format!("it is called {name}"));
    }
    match fs::read(path) {
        Err(error) => Some(error.to_string()),
        Ok(bytes) if hash_text(&bytes) != *hash => Some(format!("{} other bytes", bytes.len())),
        Ok(_) => None,
    }
}

/// The trash, the timeline and the drops.
fn wrong_elsewhere(device: &Device, ente: &Ente) -> Vec<String> {
    let mut wrong = Vec::new();
    let trash = device.path("Trash");
    let trashed: BTreeSet<FileId> = sorted(&trash).iter().filter_map(|name| id(&trash.join(name))).collect();
    if trashed != ente.trashed {
        wrong.push(format!("Trash/ shows {trashed:?}, and has {:?}", ente.trashed));
    }
    let links = links(&device.path("Timeline"));
    let timeline: Vec<FileId> =
        links.iter().filter_map(|link| id(&fs::canonicalize(link).unwrap_or_default())).collect();
    let unique: BTreeSet<FileId> = timeline.iter().copied().collect();
    if timeline.len() != unique.len() || !unique.iter().eq(ente.names.keys()) {
        let missing: Vec<_> = ente.names.keys().filter(|id| !unique.contains(id)).collect();
        wrong.push(format!("Timeline/ has {} links to {} photos, not to {missing:?}", timeline.len(), unique.len()));
    }
    let drops = local_files(device).into_iter().filter(|path| path.starts_with(device.drop_dir()));
    for path in drops {
        let state = fact(&path, "state").unwrap_or_default();
        match fs::read(&path) {
            Ok(bytes) if Some(hash_text(&bytes)) == fact(&path, "hash") => {}
            Ok(bytes) => wrong.push(format!("{} has {} other bytes, {state}", path.display(), bytes.len())),
            Err(error) => wrong.push(format!("{}: {error}, {state}", path.display())),
        }
    }
    wrong
}

/// Every symbolic link below.
fn links(dir: &Path) -> Vec<PathBuf> {
    let below = |name: String| {
        let path = dir.join(name);
        if path.is_symlink() { vec![path] } else { links(&path) }
    };
    try_sorted(dir).unwrap_or_default().into_iter().flat_map(below).collect()
}

/// The name, or one with a suffix of rule 1.6.
fn is_name_of(shown: &str, name: &str) -> bool {
    let (stem, extension) = name.rsplit_once('.').map_or((name, ""), |(stem, _)| (stem, &name[stem.len()..]));
    let suffix = shown.strip_prefix(stem).and_then(|rest| rest.strip_suffix(extension));
    suffix.is_some_and(|suffix| {
        let number = suffix.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
        suffix.is_empty() || number.is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 1))
    })
}

/// Accepted bytes that Ente does not have, or has more than once, and bytes that are nobody's.
fn owed(ente: &Ente, device: &Device, written: &Written) -> Vec<String> {
    let trash = device.path("Trash");
    let trashed = sorted(&trash).into_iter().filter_map(|name| fact(&trash.join(name), "hash"));
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for hash in ente.hashes.values().cloned().chain(trashed) {
        *there.entry(hash).or_default() += 1;
    }
    let mut wrong = Vec::new();
    for hash in &written.accepted {
        let is_right = match there.get(hash) {
            Some(1) => true,
            Some(_) => written.copied.contains(hash),
            None => false,
        };
        if !is_right {
            wrong.push(format!("{} was accepted, and is there {} times", short(hash), there.get(hash).unwrap_or(&0)));
        }
    }
    for (hash, times) in &there {
        let is_known = written.accepted.contains(hash) || written.withdrawn.contains(hash);
        if !is_known || (*times > 1 && !written.copied.contains(hash) && !written.accepted.contains(hash)) {
            let photos: Vec<_> = ente.hashes.iter().filter(|(_, other)| *other == hash).collect();
            wrong.push(format!("{} is there {times} times, known: {is_known}, {photos:?}", short(hash)));
        }
    }
    wrong
}

fn short(hash: &str) -> &str {
    &hash[..hash.len().min(12)]
}
