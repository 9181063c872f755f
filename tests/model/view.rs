//! What a person sees in the mount: every name, and the photo behind it.

use crate::device::{Device, is_directory};
use crate::photos::{Content, content_of};
use entefs::base::{FileId, Ino};
use entefs::namespace::{Attr, Entry, EntryKey, Listed, Namespace, NamespaceError, current_upload};
use entefs::tree::FixedPlace;
use entefs::vfs::VfsError;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

const PLACES: [&str; 6] = ["Drop", "Albums", "Archive", "Favorites", "Uncategorized", "Trash"];

/// One name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub ino: Ino,
    pub key: EntryKey,
    pub attr: Attr,
    /// `None` for directories, for empty files, and where the bytes cannot be had just now.
    pub content: Option<Content>,
    /// The photo whose place a file is to take, behind which that is.
    pub replaces: Option<FileId>,
}

pub type View = BTreeMap<String, Seen>;

/// Everything that is listed.
pub struct Walk {
    pub view: View,
    pub entries: Vec<(Ino, Entry, Attr)>,
    pub dirs: Vec<Ino>,
}

/// Lists everything and reads every file. What is looked up must be what is listed.
pub fn walk(device: &Device) -> Result<Walk, String> {
    let mut walk = Walk { view: View::new(), entries: Vec::new(), dirs: Vec::new() };
    device.line.observing.store(true, Ordering::Relaxed);
    let walked = PLACES.iter().try_for_each(|place| {
        let ino = device.dir(&[place]).map_err(|error| format!("{place}: {error}"))?;
        walk_dir(device, ino, place, &mut walk)
    });
    device.line.observing.store(false, Ordering::Relaxed);
    walked?;
    walk_timeline(device, FixedPlace::Timeline.ino(), &mut walk)?;
    Ok(walk)
}

/// Years, months and links, each of which leads to something that is listed. They are no names of their own: what an
/// operation may change of them follows from what it changes of the photos.
fn walk_timeline(device: &Device, dir: Ino, walk: &mut Walk) -> Result<(), String> {
    walk.dirs.push(dir);
    for (entry, attr) in device.list(dir).map_err(|error| format!("{dir:?}: {error}"))? {
        walk.entries.push((dir, entry.clone(), attr));
        if is_directory(&attr) {
            walk_timeline(device, entry.ino, walk)?;
            continue;
        }
        let target = device.vfs.readlink(entry.ino).map_err(|error| format!("{entry:?} is listed: {error}"))?;
        let path = String::from_utf8_lossy(&target).replace("../", "");
        if target.len() as u64 != attr.size || !walk.view.contains_key(&path) {
            return Err(format!("{entry:?} leads to {path}"));
        }
    }
    Ok(())
}

fn walk_dir(device: &Device, dir: Ino, path: &str, walk: &mut Walk) -> Result<(), String> {
    let listed = match device.list(dir) {
        // A special album that another device made, and of which not all is here yet (semantics 1.8).
        Err(VfsError::Namespace(NamespaceError::Untrusted(_))) => return Ok(()),
        listed => listed.map_err(|error| format!("{path}: {error}"))?,
    };
    walk.dirs.push(dir);
    for (entry, attr) in listed {
        let path = format!("{path}/{}", String::from_utf8_lossy(&entry.name));
        let found = device.vfs.lookup(dir, &entry.name).map_err(|error| format!("{path} is listed: {error}"))?;
        if found.attr != attr {
            return Err(format!("{path} is listed as {attr:?}, and looked up as {:?}", found.attr));
        }
        let got = device.vfs.getattr(entry.ino).map_err(|error| format!("{path} is listed: {error}"))?;
        if got.attr != attr {
            return Err(format!("{path} is listed as {attr:?}, and its inode is {:?}", got.attr));
        }
        walk.entries.push((dir, entry.clone(), attr));
        let is_dir = is_directory(&attr);
        let content = if is_dir { None } else { read(device, &path, &attr)? };
        let replaces = if is_dir { None } else { replaced_by(device, entry.ino)? };
        let seen = Seen { ino: entry.ino, key: entry.key, attr, content, replaces };
        if walk.view.insert(path.clone(), seen).is_some() {
            return Err(format!("{path} is listed twice"));
        }
        if is_dir {
            walk_dir(device, entry.ino, &path, walk)?;
        }
    }
    Ok(())
}

fn replaced_by(device: &Device, ino: Ino) -> Result<Option<FileId>, String> {
    let upload = device.engine.store().read(|rows| current_upload(rows, ino));
    Ok(upload.map_err(|error| format!("the store: {error}"))?.and_then(|upload| upload.supersedes))
}

fn read(device: &Device, path: &str, attr: &Attr) -> Result<Option<Content>, String> {
    let bytes = match device.read(attr.ino) {
        Ok(bytes) => bytes,
        Err(VfsError::Offline(_)) if !device.is_up() => return Ok(None),
        Err(error) => return Err(format!("{path} cannot be read: {error}")),
    };
    if bytes.len() as u64 != attr.size {
        return Err(format!("{path} has {} bytes, {} are stated", bytes.len(), attr.size));
    }
    match content_of(&bytes) {
        None if !bytes.is_empty() => Err(format!("{path} has bytes that nobody wrote")),
        content => Ok(content),
    }
}

/// What is memoised is what the rows say (I6, I7): a fresh memo shows the same.
pub fn check_memo(device: &Device, walk: &Walk) -> Result<(), String> {
    let known = &device.engine.namespace;
    let fresh = Namespace::new(known.store().clone(), *known.defaults());
    for dir in &walk.dirs {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for (namespace, found) in [(known.as_ref(), &mut one), (&fresh, &mut other)] {
            let list = namespace.list(*dir, 0, |Listed { entry, attr, .. }| {
                found.push((entry.name.clone(), entry.ino, entry.key, attr));
                true
            });
            list.map_err(|error| format!("{dir:?}: {error}"))?;
            found.sort_by(|a, b| a.0.cmp(&b.0));
        }
        if one != other {
            let only = |a: &[(_, _, _, _)], b: &[(_, _, _, _)]| -> Vec<_> {
                a.iter()
                    .filter(|entry| !b.contains(entry))
                    .cloned()
                    .collect::<Vec<(entefs::base::Name, Ino, EntryKey, Attr)>>()
            };
            return Err(format!(
                "{dir:?}: the memo alone shows {:?}, the rows alone {:?}",
                only(&one, &other),
                only(&other, &one)
            ));
        }
    }
    Ok(())
}
