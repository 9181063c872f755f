//! The tables of the directories that were looked at, and the attributes of what they show.

use super::attr::Attr;
use super::change::Invalidation;
use super::dir::{DirTable, Entry, EntryKey};
use super::project::BuiltDir;
use super::timeline::Home;
use crate::base::{AlbumNo, FileId, Ino, Nanos, Part};
use crate::tree::{DirKind, Period};
use std::collections::HashMap;

#[derive(Default, Debug)]
pub(super) struct Memo {
    dirs: HashMap<Ino, DirTable>,
    nodes: HashMap<Ino, Node>,
    written: HashMap<Ino, Written>,
    /// What lost its last name since the last commit: the kernel still knows it so, should it come back.
    left: HashMap<Ino, Attr>,
    /// Of the albums that were looked at for `Timeline/`: where links lead to.
    homes: HashMap<AlbumNo, Option<Home>>,
}

/// What an open file has become; its row follows when it is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) size: u64,
    pub(super) mtime: Nanos,
    pub(super) ctime: Nanos,
}

/// An inode as often as tables name it: hard links share their attributes.
#[derive(Debug)]
struct Node {
    attr: Attr,
    names: u32,
}

impl Memo {
    pub(super) fn dir(&self, ino: Ino) -> Option<&DirTable> {
        self.dirs.get(&ino)
    }

    pub(super) fn dir_mut(&mut self, ino: Ino) -> Option<&mut DirTable> {
        self.dirs.get_mut(&ino)
    }

    /// The lists that are known: where an album may have been shown.
    pub(super) fn album_lists(&self) -> Vec<Ino> {
        let is_list = |table: &&DirTable| matches!(table.info.kind, DirKind::AlbumList(_) | DirKind::SharedList);
        self.dirs.values().filter(is_list).map(|table| table.info.ino).collect()
    }

    /// The directories of `Timeline/` that are known.
    pub(super) fn periods(&self) -> Vec<Ino> {
        let is_period = |table: &&DirTable| table.info.kind == DirKind::Timeline;
        self.dirs.values().filter(is_period).map(|table| table.info.ino).collect()
    }

    /// Whether a month shows a link to a photo.
    pub(super) fn has_links(&self, month: Period, file: FileId) -> bool {
        let links = [Part::Whole, Part::Clip].map(|part| EntryKey::Link(file, part));
        let table = self.dirs.get(&Ino::of_period(month.number()));
        table.is_some_and(|table| links.iter().any(|key| table.get_member(*key).is_some()))
    }

    /// Where links to an album's photos lead, as it was last looked at; `None` where it was not.
    pub(super) fn home(&self, album: AlbumNo) -> Option<&Option<Home>> {
        self.homes.get(&album)
    }

    pub(super) fn know_homes(&mut self, homes: HashMap<AlbumNo, Option<Home>>) {
        self.homes.extend(homes);
    }

    pub(super) fn forget_homes(&mut self) {
        self.homes.clear();
    }

    pub(super) fn attr(&self, ino: Ino) -> Option<Attr> {
        self.nodes.get(&ino).map(|node| node.attr)
    }

    pub(super) fn insert_dir(&mut self, built: BuiltDir) {
        let mut table = DirTable::with_room(built.info, built.entries.len());
        self.nodes.reserve(built.entries.len());
        table.links = built.links;
        for (entry, attr) in built.entries {
            let ino = entry.ino;
            if let Some(displaced) = table.insert(entry) {
                self.release(displaced.ino);
            }
            self.hold(ino, self.as_written(attr));
        }
        self.dirs.insert(table.info.ino, table);
    }

    /// Forgets a directory; the kernel must ask for its names again.
    pub(super) fn remove_dir(&mut self, ino: Ino, told: &mut Vec<Invalidation>) {
        let Some(table) = self.dirs.remove(&ino) else { return };
        for entry in table.entries() {
            self.release(entry.ino);
            told.push(Invalidation::Changed { dir: ino, name: entry.name.clone() });
        }
    }

    /// Shows `entry` in a directory. `was` is the name it had there before.
    pub(super) fn show(
        &mut self,
        dir: Ino,
        was: Option<&[u8]>,
        entry: Entry,
        attr: Attr,
        told: &mut Vec<Invalidation>,
    ) {
        let attr = self.as_written(attr);
        let Some(table) = self.dirs.get_mut(&dir) else { return };
        let before = table.get(&entry.name).cloned();
        if before.as_ref() == Some(&entry) {
            self.set_attr(attr, told);
            return;
        }
        let renamed = was.filter(|was| *was != &entry.name[..]).and_then(|was| table.get(was).cloned());
        // A member has one name: what was in its way may have been looked at first.
        let renamed = renamed.or_else(|| table.member_of(&entry).filter(|known| known.name != entry.name).cloned());
        match &renamed {
            Some(old) => {
                table.rename(&old.name, entry.clone());
                told.push(Invalidation::Gone { dir, name: old.name.clone() });
            }
            None => {
                table.insert(entry.clone());
            }
        }
        if let Some(before) = &before {
            if before.ino != entry.ino {
                told.push(Invalidation::Changed { dir, name: entry.name.clone() });
            }
            self.release(before.ino);
        }
        let known = self.left.remove(&entry.ino).unwrap_or(attr);
        self.hold(entry.ino, known);
        if let Some(old) = renamed {
            self.release(old.ino);
        }
        self.set_attr(attr, told);
    }

    /// Takes a name away.
    pub(super) fn hide(&mut self, dir: Ino, name: &[u8], told: &mut Vec<Invalidation>) {
        let Some(entry) = self.dirs.get_mut(&dir).and_then(|table| table.remove(name)) else { return };
        told.push(Invalidation::Gone { dir, name: entry.name });
        self.release(entry.ino);
    }

    /// Replaces the attributes of an inode that a table names.
    pub(super) fn set_attr(&mut self, attr: Attr, told: &mut Vec<Invalidation>) {
        let attr = self.as_written(attr);
        if let Some(node) = self.nodes.get_mut(&attr.ino).filter(|node| node.attr != attr) {
            node.attr = attr;
            told.push(Invalidation::Attr { ino: attr.ino });
        }
    }

    /// Shows what an open file has become, whatever its row says, until [`Self::settle`].
    pub(super) fn write(&mut self, ino: Ino, written: Written) {
        self.written.insert(ino, written);
        if let Some(Node { attr, .. }) = self.nodes.get_mut(&ino) {
            (attr.size, attr.mtime, attr.ctime) = (written.size, written.mtime, written.ctime);
        }
    }

    /// From here on the row says what a file is.
    pub(super) fn settle(&mut self, ino: Ino) {
        self.written.remove(&ino);
    }

    /// A row's attributes, and what an open file has become since.
    pub(super) fn as_written(&self, attr: Attr) -> Attr {
        match self.written.get(&attr.ino) {
            Some(Written { size, mtime, ctime }) => Attr { size: *size, mtime: *mtime, ctime: *ctime, ..attr },
            None => attr,
        }
    }

    /// A commit is over: what has no name has none.
    pub(super) fn forget_left(&mut self) {
        self.left.clear();
    }

    fn hold(&mut self, ino: Ino, attr: Attr) {
        self.nodes.entry(ino).or_insert(Node { attr, names: 0 }).names += 1;
    }

    fn release(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.names -= 1;
            if node.names == 0 {
                self.left.extend(self.nodes.remove(&ino).map(|node| (ino, node.attr)));
            }
        }
    }
}
