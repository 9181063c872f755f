//! The table of one directory: names to inodes, with offsets that stay while it is being listed.

use super::attr::Attr;
use crate::base::{AlbumNo, FileId, Ino, Name, Part, UserId};
use crate::tree::{DirKind, EntryKind, FixedPlace, LinkNames, Period};
use std::collections::HashMap;

/// What a directory is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirInfo {
    pub ino: Ino,
    pub kind: DirKind,
    /// The album it shows, [`AlbumNo::TRASH`] for `Trash/`; `None` for `Favorites/` and `Uncategorized/` before there is
    /// one.
    pub album: Option<AlbumNo>,
    pub parent: Ino,
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntryKey {
    Fixed(FixedPlace),
    DropRoot,
    LocalDirectory,
    LocalFile {
        /// The photo it became.
        photo: Option<FileId>,
    },
    Photo(FileId),
    /// The clip of a live photo; its still is the photo.
    Clip(FileId),
    Album(AlbumNo),
    /// Somebody's directory in `Shared/`.
    Owner(UserId),
    /// A year or month of `Timeline/`.
    Period(Period),
    /// A link there.
    Link(FileId, Part),
}

impl EntryKey {
    pub fn kind(self) -> EntryKind {
        match self {
            Self::Fixed(_) | Self::Owner(_) | Self::Period(_) | Self::Link(..) => EntryKind::Fixed,
            Self::DropRoot => EntryKind::DropRoot,
            Self::LocalDirectory => EntryKind::LocalDirectory,
            Self::LocalFile { photo } => EntryKind::LocalFile { in_ente: photo.is_some() },
            Self::Photo(_) | Self::Clip(_) => EntryKind::Photo,
            Self::Album(_) => EntryKind::AlbumDirectory,
        }
    }

    /// The photo that it is a name of, in an album.
    pub fn photo(self) -> Option<FileId> {
        match self {
            Self::Photo(file) | Self::Clip(file) => Some(file),
            _ => None,
        }
    }

    /// Whether it is found by its key when its name changes.
    fn is_member(self) -> bool {
        matches!(self, Self::Photo(_) | Self::Clip(_) | Self::Album(_) | Self::Link(..))
    }
}

/// One name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub name: Name,
    pub ino: Ino,
    pub key: EntryKey,
}

/// One name as a listing has it.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The offset after it.
    pub next: u64,
    pub entry: &'a Entry,
    pub attr: Attr,
    /// Of a live photo.
    pub is_half: bool,
}

/// The names of one directory. A slot is an offset: while [`Self::listings`] is not zero a freed one is not
/// used again, and an entry that is renamed keeps its own, so a listing neither skips nor repeats (5.2).
#[derive(Debug)]
pub(super) struct DirTable {
    pub(super) info: DirInfo,
    pub(super) listings: u32,
    /// Of a month of `Timeline/`.
    pub(super) links: Option<LinkNames>,
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_name: HashMap<Name, u32>,
    by_member: HashMap<EntryKey, u32>,
}

impl DirTable {
    /// Empty, with room for so many entries.
    pub(super) fn with_room(info: DirInfo, entries: usize) -> Self {
        Self {
            info,
            listings: 0,
            links: None,
            slots: Vec::with_capacity(entries),
            free: Vec::new(),
            by_name: HashMap::with_capacity(entries),
            by_member: HashMap::with_capacity(entries),
        }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Entry> {
        self.slots[*self.by_name.get(name)? as usize].as_ref()
    }

    pub(super) fn get_member(&self, key: EntryKey) -> Option<&Entry> {
        self.slots[*self.by_member.get(&key)? as usize].as_ref()
    }

    /// Whether both halves of a live photo are here, and this is one of them.
    pub(super) fn is_half(&self, key: EntryKey) -> bool {
        match key {
            EntryKey::Photo(file) => self.by_member.contains_key(&EntryKey::Clip(file)),
            EntryKey::Clip(_) => true,
            _ => false,
        }
    }

    /// The entry that the same photo or album has now.
    pub(super) fn member_of(&self, entry: &Entry) -> Option<&Entry> {
        self.get_member(entry.key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    /// Entries from an offset on, each with the offset after it.
    pub(super) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.slots.len());
        let slots = self.slots[start..].iter().enumerate();
        slots.filter_map(move |(i, slot)| slot.as_ref().map(|entry| ((start + i) as u64 + 1, entry)))
    }

    /// Puts an entry in; one of the same name gives way and is returned.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        if let Some(&slot) = self.by_name.get(&entry.name) {
            return self.replace(slot, entry);
        }
        let slot = self.free_slot();
        self.occupy(slot, entry);
        None
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Entry> {
        let slot = self.by_name.remove(name)?;
        let entry = self.slots[slot as usize].take()?;
        self.forget_member(&entry, slot);
        self.free.push(slot);
        Some(entry)
    }

    /// Gives the entry called `old` another name in its own slot; whatever had that name is returned.
    pub(super) fn rename(&mut self, old: &[u8], entry: Entry) -> Option<Entry> {
        let Some(slot) = self.by_name.remove(old) else { return self.insert(entry) };
        if let Some(before) = self.slots[slot as usize].take() {
            self.forget_member(&before, slot);
        }
        let displaced = self.remove(&entry.name);
        self.occupy(slot, entry);
        displaced
    }

    fn replace(&mut self, slot: u32, entry: Entry) -> Option<Entry> {
        let before = self.slots[slot as usize].take();
        if let Some(before) = &before {
            self.forget_member(before, slot);
        }
        self.occupy(slot, entry);
        before
    }

    fn occupy(&mut self, slot: u32, entry: Entry) {
        self.by_name.insert(entry.name.clone(), slot);
        if entry.key.is_member() {
            self.by_member.insert(entry.key, slot);
        }
        self.slots[slot as usize] = Some(entry);
    }

    fn forget_member(&mut self, entry: &Entry, slot: u32) {
        if self.by_member.get(&entry.key) == Some(&slot) {
            self.by_member.remove(&entry.key);
        }
    }

    fn free_slot(&mut self) -> u32 {
        if self.listings == 0
            && let Some(slot) = self.free.pop()
        {
            return slot;
        }
        self.slots.push(None);
        self.slots.len() as u32 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> DirTable {
        DirTable::with_room(DirInfo { ino: Ino(70_000), kind: DirKind::Local, album: None, parent: Ino::ROOT }, 0)
    }

    fn photo(name: &str, id: i64) -> Entry {
        Entry { name: name.as_bytes().into(), ino: Ino(id as u64), key: EntryKey::Photo(FileId(id)) }
    }

    fn names(table: &DirTable, offset: u64) -> Vec<String> {
        table.from(offset).map(|(_, entry)| String::from_utf8(entry.name.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_change_during_a_listing_neither_skips_nor_repeats() {
        let mut table = table();
        for (name, id) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
            table.insert(photo(name, id));
        }
        table.listings = 1;
        let (offset, second) = table.from(0).nth(1).map(|(next, entry)| (next, entry.name.clone())).unwrap();
        assert_eq!(&second[..], b"b");
        table.remove(b"a");
        table.remove(b"d");
        table.rename(b"c", photo("z", 3));
        table.insert(photo("new", 5));
        assert_eq!(names(&table, offset), ["z", "new"]);
        table.listings = 0;
        table.insert(photo("later", 6));
        assert_eq!(table.slots.len(), 5, "freed slots are used again when nobody lists");
    }

    #[test]
    fn a_member_is_found_whatever_its_name() {
        let mut table = table();
        table.insert(photo("a", 1));
        assert_eq!(table.rename(b"a", photo("b", 1)), None);
        assert_eq!(table.get_member(EntryKey::Photo(FileId(1))).map(|entry| &entry.name[..]), Some(&b"b"[..]));
        assert!(table.get(b"a").is_none());
        assert_eq!(table.insert(photo("b", 2)).map(|entry| entry.key), Some(EntryKey::Photo(FileId(1))));
        assert!(table.get_member(EntryKey::Photo(FileId(1))).is_none());
        table.insert(photo("c", 3));
        assert_eq!(table.rename(b"c", photo("b", 3)).map(|entry| entry.key), Some(EntryKey::Photo(FileId(2))));
        assert!(
            table.get_member(EntryKey::Photo(FileId(2))).is_none()
                && table.get_member(EntryKey::Photo(FileId(3))).is_some()
        );
        assert_eq!(table.entries().count(), 1);
    }
}
