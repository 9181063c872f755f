//! After a commit: look again at what it touched, show that, and find what the kernel must ask for again.

use super::Namespace;
use super::attr::Attr;
use super::change::{Dirty, Invalidation};
use super::dir::{DirInfo, Entry, EntryKey};
use super::error::NamespaceError;
use super::members::PhotoDir;
use super::project::{BuiltDir, Projector};
use crate::base::{AlbumNo, FileId, Ino};
use crate::store::{Rows, StoreResult};
use crate::tree::FixedPlace;
use std::collections::{HashMap, HashSet, hash_map};

impl Namespace {
    /// The caller holds the store's write lock. What cannot be read is forgotten and built again when asked for.
    pub(super) fn refresh(&self, rows: &Rows<'_>, dirty: &Dirty) -> Vec<Invalidation> {
        let mut told = Vec::new();
        let projector = Projector::new(rows, &self.defaults);
        let refreshed = self
            .refresh_dirs(&projector, &dirty.dirs, &mut told)
            .and_then(|()| self.refresh_albums(&projector, &dirty.albums, &mut told))
            .and_then(|()| self.refresh_photos(rows, &projector, &dirty.photos, &mut told))
            .and_then(|()| self.refresh_names(&projector, &dirty.names, &mut told))
            .and_then(|()| self.refresh_inos(rows, &projector, &dirty.inos, &mut told))
            .and_then(|()| self.refresh_timeline(&projector, dirty, &mut told));
        if let Err(error) = refreshed {
            tracing::error!(%error, "what changed cannot be read back; its directories are built again");
            self.forget(rows, dirty, &mut told);
        }
        self.memo.write().forget_left();
        self.spare_live_names(&mut told);
        told
    }

    /// A name that went and came back names something else now: to invalidate it would turn what is open under
    /// it into "(deleted)".
    fn spare_live_names(&self, told: &mut [Invalidation]) {
        let memo = self.memo.read();
        for invalidation in told {
            if let Invalidation::Gone { dir, name } = invalidation
                && memo.dir(*dir).is_some_and(|table| table.get(name).is_some())
            {
                *invalidation = Invalidation::Changed { dir: *dir, name: name.clone() };
            }
        }
    }

    fn known_dir(&self, dir: Ino) -> Option<DirInfo> {
        self.memo.read().dir(dir).map(|table| table.info.clone())
    }

    pub(super) fn refresh_dirs(
        &self,
        projector: &Projector<'_>,
        dirs: &[Ino],
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        let unique: HashSet<Ino> = dirs.iter().copied().collect();
        for dir in unique.into_iter().filter(|dir| self.known_dir(*dir).is_some()) {
            match projector.dir(dir) {
                Ok(built) => self.show_dir(built, told),
                Err(NamespaceError::Store(error)) => return Err(error),
                Err(_) => self.memo.write().remove_dir(dir, told),
            }
        }
        Ok(())
    }

    /// Brings a table to what was built: each entry keeps its slot if its inode is still there.
    fn show_dir(&self, built: BuiltDir, told: &mut Vec<Invalidation>) {
        let mut memo = self.memo.write();
        let dir = built.info.ino;
        let Some(table) = memo.dir_mut(dir) else { return };
        (table.info, table.links) = (built.info, built.links);
        let now: HashSet<&[u8]> = built.entries.iter().map(|(entry, _)| &entry.name[..]).collect();
        let before: HashMap<_, _> =
            table.entries().filter(|old| !now.contains(&old.name[..])).map(|old| (old.key, old.name.clone())).collect();
        let mut gone: HashSet<_> = before.values().cloned().collect();
        for (entry, attr) in built.entries {
            let was = before.get(&entry.key).filter(|name| gone.remove(*name));
            memo.show(dir, was.map(|name| &name[..]), entry, attr, told);
        }
        for name in gone {
            memo.hide(dir, &name, told);
        }
    }

    fn refresh_albums(
        &self,
        projector: &Projector<'_>,
        albums: &[AlbumNo],
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        if albums.is_empty() {
            return Ok(());
        }
        // An owner's directory comes with the first album and goes with the last.
        self.refresh_dirs(projector, &[FixedPlace::Shared.ino()], told)?;
        let lists = self.memo.read().album_lists();
        for &album in albums {
            let mut shown = projector.album(album)?;
            for &list in lists.iter().filter(|list| **list != FixedPlace::Shared.ino()) {
                let was =
                    self.memo.read().dir(list).and_then(|table| table.get_member(EntryKey::Album(album)).cloned());
                let here = shown.take_if(|(at, ..)| *at == list).map(|(_, entry, attr)| (entry, attr));
                let dir = was.as_ref().or(here.as_ref().map(|(entry, _)| entry)).map(|entry| entry.ino);
                if let Some(dir) = dir.filter(|dir| self.known_dir(*dir).is_some()) {
                    self.refresh_info(projector, dir, told)?;
                }
                self.replace(list, was, here, told);
            }
        }
        Ok(())
    }

    /// The directory of an album knows its parent and what we may do in it; one that is in no list is forgotten.
    fn refresh_info(&self, projector: &Projector<'_>, dir: Ino, told: &mut Vec<Invalidation>) -> StoreResult<()> {
        match projector.info(dir) {
            Ok(info) => {
                if let Some(table) = self.memo.write().dir_mut(dir) {
                    table.info = info;
                }
            }
            Err(NamespaceError::Store(error)) => return Err(error),
            Err(_) => self.memo.write().remove_dir(dir, told),
        }
        Ok(())
    }

    fn refresh_photos(
        &self,
        rows: &Rows<'_>,
        projector: &Projector<'_>,
        photos: &[(AlbumNo, FileId)],
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        let mut dirs: HashMap<AlbumNo, Option<DirInfo>> = HashMap::new();
        for &(album, file) in photos {
            let info = match dirs.entry(album) {
                hash_map::Entry::Occupied(known) => known.into_mut(),
                hash_map::Entry::Vacant(unknown) => {
                    let dir = PhotoDir::load(rows, album)?;
                    unknown.insert(dir.and_then(|dir| self.known_dir(dir.ino())))
                }
            };
            let Some(info) = info else { continue };
            let [still, clip] = projector.photo(album, file)?;
            for (key, found) in [(EntryKey::Photo(file), still), (EntryKey::Clip(file), clip)] {
                self.refresh_member(projector, info, key, found, told)?;
            }
        }
        Ok(())
    }

    fn refresh_member(
        &self,
        projector: &Projector<'_>,
        info: &DirInfo,
        key: EntryKey,
        found: Option<(Entry, Attr)>,
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        let was = self.memo.read().dir(info.ino).and_then(|table| table.get_member(key).cloned());
        let shown = match found {
            Some((entry, _)) => projector.name(info, &entry.name)?,
            None => None,
        };
        let uncovered = was.as_ref().map(|was| was.name.clone());
        self.replace(info.ino, was, shown, told);
        match uncovered {
            Some(name) => self.refresh_name(projector, info, &name, told),
            None => Ok(()),
        }
    }

    fn refresh_names(
        &self,
        projector: &Projector<'_>,
        names: &[(Ino, crate::base::Name)],
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        // A file renamed within a directory keeps its slot: first what is shown and moved, then what is gone.
        let mut moved: HashMap<(Ino, Ino), crate::base::Name> = HashMap::new();
        for (dir, name) in names {
            let Some(info) = self.known_dir(*dir) else { continue };
            let before = self.memo.read().dir(*dir).and_then(|table| table.get(name).cloned());
            if let Some(before) = before
                && projector.name(&info, name)?.is_none_or(|(now, _)| now.ino != before.ino)
            {
                moved.insert((*dir, before.ino), before.name);
            }
        }
        for (dir, name) in names {
            let Some(info) = self.known_dir(*dir) else { continue };
            let Some((entry, attr)) = projector.name(&info, name)? else { continue };
            let was = moved.get(&(*dir, entry.ino)).filter(|was| **was != entry.name);
            self.memo.write().show(*dir, was.map(|was| &was[..]), entry, attr, told);
        }
        for (dir, name) in names {
            if let Some(info) = self.known_dir(*dir) {
                self.refresh_name(projector, &info, name, told)?;
            }
        }
        Ok(())
    }

    fn refresh_name(
        &self,
        projector: &Projector<'_>,
        info: &DirInfo,
        name: &[u8],
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        match projector.name(info, name)? {
            Some((entry, attr)) => self.memo.write().show(info.ino, None, entry, attr, told),
            None => self.memo.write().hide(info.ino, name, told),
        }
        Ok(())
    }

    fn replace(&self, dir: Ino, was: Option<Entry>, shown: Option<(Entry, Attr)>, told: &mut Vec<Invalidation>) {
        let mut memo = self.memo.write();
        match (was, shown) {
            (was, Some((entry, attr))) => {
                memo.show(dir, was.as_ref().map(|was| &was.name[..]), entry, attr, told);
            }
            (Some(was), None) => memo.hide(dir, &was.name, told),
            (None, None) => {}
        }
    }

    /// Attributes, and what the names of a local file stand for: a photo, once it is registered.
    fn refresh_inos(
        &self,
        rows: &Rows<'_>,
        projector: &Projector<'_>,
        inos: &[Ino],
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        for &ino in inos.iter().filter(|ino| self.memo.read().attr(**ino).is_some()) {
            for name in rows.load_names_of(ino)? {
                if let Some(info) = self.known_dir(name.parent) {
                    self.refresh_name(projector, &info, &name.name, told)?;
                }
            }
            if let Some(attr) = projector.attr(ino)? {
                self.memo.write().set_attr(attr, told);
            }
        }
        Ok(())
    }

    fn forget(&self, rows: &Rows<'_>, dirty: &Dirty, told: &mut Vec<Invalidation>) {
        let albums = dirty.photos.iter().map(|(album, _)| album);
        let album_dirs = albums.filter_map(|album| PhotoDir::load(rows, *album).ok().flatten()).map(|dir| dir.ino());
        let named = dirty.names.iter().map(|(dir, _)| *dir);
        let mut memo = self.memo.write();
        let lists = memo.album_lists().into_iter().chain(memo.periods());
        let dirs: HashSet<Ino> = album_dirs.chain(named).chain(dirty.dirs.iter().copied()).chain(lists).collect();
        for dir in dirs {
            memo.remove_dir(dir, told);
        }
        memo.forget_homes();
    }
}
