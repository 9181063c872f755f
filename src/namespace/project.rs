//! From rows to what a directory shows: the only place where that is decided (I6).

use super::attr::{Attr, Defaults};
use super::dir::{DirInfo, Entry, EntryKey};
use super::error::NamespaceError;
use super::path::owner_name;
use super::timeline::Home;
use crate::base::{AlbumKind, AlbumNo, FileId, Ino, InoKind, Part, Visibility};
use crate::store::{AlbumRow, Listing, MemberRow, NodeKind, NodeRow, Owner, Rows, StoreResult};
use crate::tree::{DirKind, FixedPlace, LinkNames, Period};
use std::cell::RefCell;
use std::collections::HashMap;

/// A directory as the store has it.
pub(super) struct BuiltDir {
    pub(super) info: DirInfo,
    pub(super) entries: Vec<(Entry, Attr)>,
    /// Of a month of `Timeline/`.
    pub(super) links: Option<LinkNames>,
}

/// Reads what is visible from one committed state.
pub(super) struct Projector<'a> {
    pub(super) rows: &'a Rows<'a>,
    pub(super) defaults: &'a Defaults,
    /// Of the albums it looked at for `Timeline/`.
    pub(super) homes: RefCell<HashMap<AlbumNo, Option<Home>>>,
}

impl<'a> Projector<'a> {
    pub(super) fn new(rows: &'a Rows<'a>, defaults: &'a Defaults) -> Self {
        Self { rows, defaults, homes: RefCell::default() }
    }

    /// All of a directory.
    pub(super) fn dir(&self, ino: Ino) -> Result<BuiltDir, NamespaceError> {
        let info = self.info(ino)?;
        let (mut entries, mut links) = (self.fixed(ino), None);
        match (info.kind, info.album) {
            (DirKind::SharedList, _) if ino == FixedPlace::Shared.ino() => self.push_owners(&mut entries)?,
            (DirKind::AlbumList(_) | DirKind::SharedList, _) => self.push_albums(ino, &mut entries)?,
            (DirKind::Album(_) | DirKind::SharedAlbum(_) | DirKind::Trash, Some(album)) => {
                self.push_photos(album, &mut entries)?
            }
            (DirKind::Timeline, _) => match period_of(ino) {
                Some(month @ Period::Month(..)) => links = Some(self.push_links(month, &mut entries)?),
                year => self.push_periods(year, &mut entries)?,
            },
            _ => {}
        }
        // After the photos: a local name masks a photo of the same name (the version that takes its place).
        self.push_local(ino, &mut entries)?;
        Ok(BuiltDir { info, entries, links })
    }

    /// What a directory is.
    pub(super) fn info(&self, ino: Ino) -> Result<DirInfo, NamespaceError> {
        if let Some(place) = FixedPlace::of(ino) {
            return self.fixed_info(place);
        }
        if let Some(node) = self.rows.load_node(ino)?.filter(|node| node.kind.is_directory()) {
            let parent = self.rows.load_names_of(node.ino)?.first().map_or(Ino::ROOT, |name| name.parent);
            return Ok(DirInfo { ino, kind: DirKind::Local, album: None, parent });
        }
        if matches!(ino.kind(), Some(InoKind::Owner(_))) {
            self.owner(ino)?.ok_or(NamespaceError::NotDirectory)?;
            return Ok(DirInfo { ino, kind: DirKind::SharedList, album: None, parent: FixedPlace::Shared.ino() });
        }
        if let Some(period) = period_of(ino) {
            let parent = match period {
                Period::Year(_) => FixedPlace::Timeline.ino(),
                Period::Month(..) => Ino::of_period(period.year().number()),
            };
            let info = DirInfo { ino, kind: DirKind::Timeline, album: None, parent };
            return if self.has_photos(period)? { Ok(info) } else { Err(NamespaceError::NotDirectory) };
        }
        let album = self.rows.load_album_by_ino(ino)?.ok_or(NamespaceError::NotDirectory)?;
        let parent = album.list().ok_or(NamespaceError::NotDirectory)?;
        let kind = if album.own { DirKind::Album(album.kind) } else { DirKind::SharedAlbum(album.role) };
        Ok(DirInfo { ino, kind, album: Some(album.no), parent })
    }

    fn fixed_info(&self, place: FixedPlace) -> Result<DirInfo, NamespaceError> {
        let (kind, special) = match place {
            FixedPlace::Root => (DirKind::Root, None),
            FixedPlace::Albums => (DirKind::AlbumList(Visibility::Visible), None),
            FixedPlace::Archive => (DirKind::AlbumList(Visibility::Archived), None),
            FixedPlace::Hidden if self.defaults.show_hidden => (DirKind::AlbumList(Visibility::Hidden), None),
            FixedPlace::Shared => (DirKind::SharedList, None),
            FixedPlace::Timeline => (DirKind::Timeline, None),
            FixedPlace::DotTrash => (DirKind::Generated, None),
            FixedPlace::TrashFiles => (DirKind::TrashFiles, None),
            FixedPlace::TrashInfo => (DirKind::Local, None),
            FixedPlace::DotEntefs => (DirKind::Generated, None),
            FixedPlace::Trash => return self.trash_info(),
            FixedPlace::Uncategorized => {
                (DirKind::Album(AlbumKind::Uncategorized), self.rows.load_special_album(AlbumKind::Uncategorized)?)
            }
            FixedPlace::Favorites => {
                (DirKind::Album(AlbumKind::Favorites), self.rows.load_special_album(AlbumKind::Favorites)?)
            }
            _ => return Err(NamespaceError::NotDirectory),
        };
        if special.as_ref().is_some_and(|album| !album.complete) {
            return Err(NamespaceError::Untrusted(place.ino()));
        }
        Ok(DirInfo { ino: place.ino(), kind, album: special.map(|album| album.no), parent: place.parent().ino() })
    }

    fn trash_info(&self) -> Result<DirInfo, NamespaceError> {
        let place = FixedPlace::Trash;
        if !self.rows.load_trash_complete()? {
            return Err(NamespaceError::Untrusted(place.ino()));
        }
        let (album, parent) = (Some(AlbumNo::TRASH), place.parent().ino());
        Ok(DirInfo { ino: place.ino(), kind: DirKind::Trash, album, parent })
    }

    fn fixed(&self, dir: Ino) -> Vec<(Entry, Attr)> {
        let places =
            FixedPlace::ALL.into_iter().filter(|place| *place != FixedPlace::Root && place.parent().ino() == dir);
        places
            .filter(|place| *place != FixedPlace::Hidden || self.defaults.show_hidden)
            .map(|place| {
                let name = match place {
                    FixedPlace::DotTrash => format!("{}-{}", place.name(), self.defaults.uid),
                    _ => place.name().to_owned(),
                };
                let entry = Entry { name: name.as_bytes().into(), ino: place.ino(), key: EntryKey::Fixed(place) };
                (entry, self.fixed_attr(place))
            })
            .collect()
    }

    fn fixed_attr(&self, place: FixedPlace) -> Attr {
        if matches!(place, FixedPlace::DotTrash | FixedPlace::TrashFiles | FixedPlace::TrashInfo) {
            return Attr { mode: 0o700, ..self.defaults.directory(place.ino(), self.defaults.now) };
        }
        if place.is_directory() {
            return self.defaults.directory(place.ino(), self.defaults.now);
        }
        // Generated when opened: the size is not known before, and 0 with direct I/O reads to the end.
        Attr { mode: 0o444, ..self.defaults.file(place.ino(), 0) }
    }

    fn push_albums(&self, list: Ino, entries: &mut Vec<(Entry, Attr)>) -> StoreResult<()> {
        let albums = self.rows.load_albums()?;
        let here = albums.iter().filter(|album| album.list() == Some(list));
        entries.extend(here.filter_map(|album| self.album_entry(album)));
        Ok(())
    }

    fn push_owners(&self, entries: &mut Vec<(Entry, Attr)>) -> StoreResult<()> {
        entries.extend(self.rows.load_owners()?.iter().filter_map(|owner| self.owner_entry(owner)));
        Ok(())
    }

    fn owner_entry(&self, owner: &Owner) -> Option<(Entry, Attr)> {
        let ino = Ino::of_owner(owner.id)?;
        let entry = Entry { name: owner_name(owner).into(), ino, key: EntryKey::Owner(owner.id) };
        Some((entry, self.defaults.directory(ino, self.defaults.now)))
    }

    /// The directory of somebody who shares albums with us, while there are any.
    fn owner(&self, ino: Ino) -> StoreResult<Option<(Entry, Attr)>> {
        let owners = self.rows.load_owners()?;
        Ok(owners.iter().find(|owner| Ino::of_owner(owner.id) == Some(ino)).and_then(|owner| self.owner_entry(owner)))
    }

    fn album_entry(&self, album: &AlbumRow) -> Option<(Entry, Attr)> {
        album.list()?;
        let name = album.shown.as_deref()?;
        let entry = Entry { name: name.into(), ino: album.ino, key: EntryKey::Album(album.no) };
        Some((entry, self.defaults.directory(album.ino, album.mtime)))
    }

    fn push_photos(&self, album: AlbumNo, entries: &mut Vec<(Entry, Attr)>) -> StoreResult<()> {
        let shadows: HashMap<Ino, NodeRow> =
            self.rows.load_shadows()?.into_iter().map(|node| (node.ino, node)).collect();
        self.rows.for_each_listed(album, |file, part, listing| {
            let attr = self.photo_attr(&listing, shadows.get(&listing.ino));
            entries.push((photo_entry(file, part, listing), attr));
        })
    }

    /// New bytes that are not registered yet show through the photo's inode.
    fn photo_attr(&self, listing: &Listing, shadow: Option<&NodeRow>) -> Attr {
        match shadow {
            Some(node) => self.defaults.node(node, listing.links),
            None => self.defaults.listing(listing),
        }
    }

    fn push_local(&self, dir: Ino, entries: &mut Vec<(Entry, Attr)>) -> StoreResult<()> {
        for name in self.rows.load_names(dir)? {
            if let Some(found) = self.local_entry(&name.name, name.ino)? {
                entries.push(found);
            }
        }
        Ok(())
    }

    fn local_entry(&self, name: &[u8], ino: Ino) -> StoreResult<Option<(Entry, Attr)>> {
        let Some(node) = self.rows.load_node(ino)? else { return Ok(None) };
        let key = match node.kind {
            NodeKind::DropRoot => EntryKey::DropRoot,
            NodeKind::Directory => EntryKey::LocalDirectory,
            NodeKind::File | NodeKind::Shadow => EntryKey::LocalFile { photo: node.file },
        };
        let links = if node.linked { self.rows.load_names_of(ino)?.len() as u32 } else { 1 };
        Ok(Some((Entry { name: name.into(), ino, key }, self.defaults.node(&node, links))))
    }

    /// What a name stands for: a local entry, else the photo.
    pub(super) fn name(&self, info: &DirInfo, name: &[u8]) -> StoreResult<Option<(Entry, Attr)>> {
        if let Some(ino) = self.rows.find_name(info.ino, name)? {
            return self.local_entry(name, ino);
        }
        match info.album {
            Some(album) => match self.rows.find_member(album, name)? {
                Some(file) => {
                    let [still, clip] = self.photo(album, file)?;
                    Ok([still, clip].into_iter().flatten().find(|(entry, _)| entry.name[..] == *name))
                }
                None => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// What an album's directory shows of a photo, a local name of the same spelling aside: the photo or its still,
    /// and its clip.
    pub(super) fn photo(&self, album: AlbumNo, file: FileId) -> StoreResult<[Option<(Entry, Attr)>; 2]> {
        let member = self.rows.load_member(album, file)?.filter(MemberRow::is_visible);
        let Some(member) = member else { return Ok([None, None]) };
        let still = if member.clip.is_some() { Part::Still } else { Part::Whole };
        Ok([self.listed(file, still, member.listing)?, self.listed(file, Part::Clip, member.clip)?])
    }

    fn listed(&self, file: FileId, part: Part, listing: Option<Listing>) -> StoreResult<Option<(Entry, Attr)>> {
        let Some(listing) = listing else { return Ok(None) };
        let shadow = self.rows.load_node(listing.ino)?.filter(|node| node.kind == NodeKind::Shadow);
        let attr = self.photo_attr(&listing, shadow.as_ref());
        Ok(Some((photo_entry(file, part, listing), attr)))
    }

    /// The list that an album is in, and what it shows of it.
    pub(super) fn album(&self, album: AlbumNo) -> StoreResult<Option<(Ino, Entry, Attr)>> {
        let Some(album) = self.rows.load_album(album)? else { return Ok(None) };
        Ok(album.list().zip(self.album_entry(&album)).map(|(list, (entry, attr))| (list, entry, attr)))
    }

    /// Attributes of an inode, whether or not a directory shows it.
    pub(super) fn attr(&self, ino: Ino) -> StoreResult<Option<Attr>> {
        if let Some(place) = FixedPlace::of(ino) {
            return Ok(Some(self.fixed_attr(place)));
        }
        match ino.kind() {
            Some(InoKind::Owner(_)) => return Ok(self.owner(ino)?.map(|(_, attr)| attr)),
            Some(InoKind::Period(_)) => return Ok(Some(self.defaults.directory(ino, self.defaults.now))),
            Some(InoKind::Link(..)) => return self.link_attr(ino),
            _ => {}
        }
        let node = self.rows.load_node(ino)?;
        if let Some(node) = node.as_ref().filter(|node| node.kind != NodeKind::Shadow) {
            let links = if node.kind.is_directory() { 1 } else { self.rows.load_names_of(ino)?.len() as u32 };
            return Ok(Some(self.defaults.node(node, links)));
        }
        if let Some(content) = self.rows.load_content_by_ino(ino)? {
            let links = self.links(content.file)?;
            let attr = self.defaults.content(&content, links);
            return Ok(Some(node.map_or(attr, |shadow| self.defaults.node(&shadow, links))));
        }
        let album = self.rows.load_album_by_ino(ino)?.filter(AlbumRow::has_directory);
        Ok(album.map(|album| self.defaults.directory(ino, album.mtime)))
    }

    fn links(&self, file: FileId) -> StoreResult<u32> {
        let places = self.rows.load_places(file)?;
        let mut listings = places.into_iter().filter(MemberRow::is_visible).filter_map(|member| member.listing);
        Ok(listings.next().map_or(0, |listing| listing.links))
    }
}

pub(super) fn period_of(ino: Ino) -> Option<Period> {
    match ino.kind() {
        Some(InoKind::Period(number)) => Period::from_number(number),
        _ => None,
    }
}

fn photo_entry(file: FileId, part: Part, listing: Listing) -> Entry {
    let key = if part == Part::Clip { EntryKey::Clip(file) } else { EntryKey::Photo(file) };
    Entry { name: listing.name.into(), ino: listing.ino, key }
}
