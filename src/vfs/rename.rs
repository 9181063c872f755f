//! Renaming and moving (semantics 3).

use super::Vfs;
use super::displace::{displace, photo_of};
use super::echo::{Sibling, other_half, renamed};
use super::error::{VfsError, VfsResult};
use super::journal::{note, note_entry, note_move};
use super::link::{note_joining, settle_anew};
use super::trash::{handed_over_from, is_out_of_trash};
use crate::base::{AlbumNo, FileId, Ino, Nanos, Visibility};
use crate::namespace::{
    Destination, DirInfo, Dirty, Entry, EntryKey, add_photo, destination, name_album, path_of, resolve_album,
    shelve_album, transfer_photo, untrash,
};
use crate::store::{AlbumRow, Change, MemberRow, NodeKind, NodeRow, Rows, StoreResult, Tx};
use crate::tree::{DirKind, NameClass, Refusal, RenamePlan, RenameSource, RenameTarget, plan_rename, split_name};
use std::time::Duration;

/// What `renameat2` asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenameMode {
    Replace,
    /// Nothing may be in the way.
    NoReplace,
}

/// One rename, looked up.
pub(super) struct Rename<'a> {
    pub(super) from: DirInfo,
    pub(super) entry: Entry,
    pub(super) to: DirInfo,
    pub(super) name: &'a [u8],
    pub(super) occupant: Option<Entry>,
    pub(super) plan: RenamePlan,
    pub(super) now: Nanos,
}

impl Rename<'_> {
    /// The other half of a live photo keeps its extension.
    pub(super) fn name_of_half(&self, half: &[u8]) -> Vec<u8> {
        [split_name(self.name).0, split_name(half).1].concat()
    }

    /// A file or directory of this machine gets its new name.
    pub(super) fn move_name(
        &self,
        tx: &Tx<'_>,
        old: &[u8],
        new: &[u8],
        node: &NodeRow,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        move_local_name(tx, (self.from.ino, old), (self.to.ino, new), node, self.now, dirty)
    }
}

/// A file or directory of this machine is called otherwise, or is elsewhere.
pub(super) fn move_local_name(
    tx: &Tx<'_>,
    from: (Ino, &[u8]),
    to: (Ino, &[u8]),
    node: &NodeRow,
    now: Nanos,
    dirty: &mut Dirty,
) -> VfsResult<()> {
    tx.delete_name(from.0, from.1)?;
    tx.save_name(to.0, to.1, node.ino)?;
    dirty.name(from.0, from.1);
    dirty.name(to.0, to.1);
    tx.save_node(&NodeRow { ctime: now, ..node.clone() })?;
    dirty.ino(node.ino);
    Ok(())
}

impl Vfs {
    /// Whether a rename must make a file durable first, under its new name: the one away from a temporary name.
    pub fn is_rename_slow(&self, parent: Ino, name: &[u8]) -> bool {
        let found = self.namespace.lookup(parent, name).ok().flatten();
        found.is_some_and(|(entry, _)| entry.key == (EntryKey::LocalFile { photo: None }))
            && self.name_rules(parent).classify(name) == NameClass::Temporary
    }

    /// # Errors
    /// EXDEV where `mv` must copy, EPERM where nothing can be moved, EEXIST, ENOTEMPTY, EISDIR, ENOTDIR.
    pub fn rename(
        &self,
        parent: Ino,
        name: &[u8],
        new_parent: Ino,
        new_name: &[u8],
        mode: RenameMode,
    ) -> VfsResult<()> {
        self.check_writable()?;
        if parent == new_parent && name == new_name {
            return Ok(());
        }
        if self.namespace.lookup(parent, name)?.is_none()
            && self.echoes.answers(parent, name, &renamed(new_parent, new_name))
        {
            return Ok(());
        }
        let rename = self.look_up_rename(parent, name, new_parent, new_name, mode)?;
        if self.is_rename_slow(parent, name) {
            self.commit_under(&rename)?;
        }
        let takes_entry_along =
            rename.plan == RenamePlan::HandOver || self.store().read(|rows| is_out_of_trash(rows, &rename))?;
        let sibling = if takes_entry_along {
            self.entry_sibling(&rename.from, &rename.entry)?
        } else {
            self.sibling(&rename.from, &rename.entry)?
        };
        self.check_sibling(&rename, sibling.as_ref())?;
        let entries = self.handed_over(&rename, sibling.as_ref())?;
        for ino in &entries {
            self.check_not_written(*ino)?;
        }
        self.apply_rename(&rename)?;
        for ino in entries {
            if self.store().read(|rows| rows.load_names_of(ino))?.is_empty() {
                self.forget_nameless(ino)?;
            }
        }
        self.echo(sibling, renamed(new_parent, new_name));
        self.bells.uploads.ring();
        self.bells.ops.ring();
        Ok(())
    }

    /// The entries of this machine that become photos' own inodes.
    fn handed_over(&self, rename: &Rename<'_>, sibling: Option<&Sibling>) -> VfsResult<Vec<Ino>> {
        let entry = rename.entry.ino;
        match rename.plan {
            RenamePlan::HandOver => Ok([Some(entry), sibling.map(Sibling::ino)].into_iter().flatten().collect()),
            RenamePlan::RestoreAlbum(_) => Ok(self.store().read(|rows| handed_over_from(rows, entry))?),
            _ => Ok(Vec::new()),
        }
    }

    fn look_up_rename<'a>(
        &self,
        parent: Ino,
        name: &[u8],
        new_parent: Ino,
        new_name: &'a [u8],
        mode: RenameMode,
    ) -> VfsResult<Rename<'a>> {
        let (from, to) = (self.namespace.dir_info(parent)?, self.namespace.dir_info(new_parent)?);
        let (entry, _) = self.namespace.lookup(parent, name)?.ok_or(VfsError::NotFound)?;
        let occupant = self.namespace.lookup(new_parent, new_name)?.map(|(occupant, _)| occupant);
        if occupant.is_some() && mode == RenameMode::NoReplace {
            return Err(Refusal::Exists.into());
        }
        let (node, passed) = self.store().read(|rows| look_at(rows, &entry))?;
        let source = RenameSource {
            dir: from.kind,
            entry: self.entry_kind(&entry)?,
            linked: node.is_some_and(|node| node.linked),
            passed,
        };
        let target = RenameTarget {
            dir: to.kind,
            name: new_name,
            same_directory: parent == new_parent,
            occupant: occupant.as_ref().map(|occupant| self.entry_kind(occupant)).transpose()?,
            allow_trash: self.options.allow_trash,
        };
        let plan = plan_rename(source, target)?;
        Ok(Rename { from, entry, to, name: new_name, occupant, plan, now: self.clock.now_nanos() })
    }

    /// A file that becomes a photo's entry ends: what a writer adds afterwards would be nowhere.
    fn check_not_written(&self, ino: Ino) -> VfsResult<()> {
        let is_written = self.files.with_open(ino, |state| state.is_some_and(|state| state.writers > 0));
        if is_written { Err(Refusal::BeingWritten.into()) } else { Ok(()) }
    }

    /// The bytes and a record with the new path, durable before the name is (semantics 2.5).
    fn commit_under(&self, rename: &Rename<'_>) -> VfsResult<()> {
        let file = self.open_local(rename.entry.ino)?;
        let state = file.lock();
        let committed = self.store().read(|rows| {
            let mut path = path_of(rows, rename.to.ino)?.unwrap_or_default();
            path.push(rename.name.to_vec());
            Ok(state.record(rows).map(|record| crate::vault::CommitRecord { path: path.join(&b'/'), ..record }))
        });
        let outcome = match (committed, &state.vault) {
            (Ok(Ok(record)), Some(vault)) => vault.commit(&record).map(|_| ()).map_err(VfsError::from),
            (Ok(Err(error)), _) => Err(error),
            (Err(error), _) => Err(error.into()),
            (_, None) => Ok(()),
        };
        drop(state);
        self.files.close(&file);
        outcome
    }

    fn apply_rename(&self, rename: &Rename<'_>) -> VfsResult<()> {
        let settle = self.settle_time(rename.to.ino)?;
        // A handed-over entry becomes the photo's own inode: the kernel must look the new name up again.
        let known = [(rename.from.ino, &rename.entry.name[..]), (rename.to.ino, rename.name)];
        let anew = matches!(rename.plan, RenamePlan::HandOver | RenamePlan::TrashPhoto | RenamePlan::TrashAlbum);
        let known = if anew { &known[..1] } else { &known[..] };
        let taken_over = rename.occupant.as_ref().map_or(Ino(0), |occupant| occupant.ino);
        self.files.with_open(taken_over, |state| {
            let is_open = state.is_some();
            let renamed = self.commit(known, Some(rename.entry.ino), |tx, dirty| {
                super::create::touch_directory(tx, rename.from.ino, rename.now, dirty)?;
                super::create::touch_directory(tx, rename.to.ino, rename.now, dirty)?;
                let displaced = displace(tx, rename, is_open, settle, dirty)?;
                self.apply_plan(tx, rename, settle, dirty)?;
                Ok(displaced)
            });
            let displaced = self.heed_brake(renamed)?;
            if let Some(state) = state.filter(|_| displaced) {
                state.unlinked = true;
            }
            Ok(())
        })
    }

    pub(super) fn apply_plan(
        &self,
        tx: &Tx<'_>,
        rename: &Rename<'_>,
        settle: Duration,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        match (rename.plan, rename.entry.key) {
            (RenamePlan::MoveLocal, _) => self.move_local(tx, rename, settle, dirty),
            (RenamePlan::HandOver, EntryKey::LocalFile { photo: Some(file) }) => {
                self.hand_over(tx, rename, file, dirty)
            }
            (RenamePlan::NamePhoto, EntryKey::Photo(file) | EntryKey::Clip(file)) => {
                self.name_photo_as(tx, rename, file, dirty)
            }
            (RenamePlan::MovePhoto, EntryKey::Photo(file) | EntryKey::Clip(file)) => {
                self.move_between(tx, rename, file, dirty)
            }
            (RenamePlan::NameAlbum, EntryKey::Album(album)) => {
                let album = tx.load_album(album)?.ok_or(VfsError::NotFound)?;
                let was = album.display_name().to_owned();
                note(tx, &Change::AlbumNamed { album: album.no, was }, rename.now)?;
                Ok(name_album(tx, &album, &self.text_name(rename)?, rename.now, dirty)?)
            }
            (RenamePlan::TrashPhoto, EntryKey::Photo(file) | EntryKey::Clip(file)) => {
                self.trash_one(tx, rename, file, dirty)
            }
            (RenamePlan::TrashInEnte, EntryKey::Photo(file) | EntryKey::Clip(file)) => {
                self.move_to_trash(tx, rename, file, dirty)
            }
            (RenamePlan::Restore, EntryKey::Photo(file) | EntryKey::Clip(file)) => {
                self.restore(tx, rename, file, dirty)
            }
            (RenamePlan::TrashAlbum, EntryKey::Album(album)) => self.trash_whole(tx, rename, album, settle, dirty),
            (RenamePlan::RestoreAlbum(list), EntryKey::LocalDirectory) => {
                self.restore_album(tx, rename, list, settle, dirty)
            }
            (RenamePlan::ShelveAlbum(visibility), EntryKey::Album(album)) => {
                let album = tx.load_album(album)?.ok_or(VfsError::NotFound)?;
                self.shelve(tx, rename, &album, visibility, dirty)
            }
            _ => Err(VfsError::Refused(Refusal::FixedPlace)),
        }
    }

    /// To another list, and under another name where that is asked for.
    fn shelve(
        &self,
        tx: &Tx<'_>,
        rename: &Rename<'_>,
        album: &AlbumRow,
        visibility: Visibility,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        let name = self.text_name(rename)?;
        let was = album.visibility();
        note(tx, &Change::AlbumShelved { album: album.no, was }, rename.now)?;
        shelve_album(tx, album, visibility, rename.name, rename.now, dirty)?;
        if rename.entry.name[..] == *rename.name {
            return Ok(());
        }
        // In its new list: in the old one another album may have that name.
        let shelved = tx.load_album(album.no)?.ok_or(VfsError::NotFound)?;
        let was = album.display_name().to_owned();
        note(tx, &Change::AlbumNamed { album: album.no, was }, rename.now)?;
        Ok(name_album(tx, &shelved, &name, rename.now, dirty)?)
    }

    /// The other half follows: nothing may be where it goes.
    fn check_sibling(&self, rename: &Rename<'_>, sibling: Option<&Sibling>) -> VfsResult<()> {
        let Some(sibling) = sibling else { return Ok(()) };
        let name = rename.name_of_half(sibling.name());
        let Some((there, _)) = self.namespace.lookup(rename.to.ino, &name)? else { return Ok(()) };
        let occupant = rename.occupant.as_ref().and_then(|occupant| occupant.key.photo());
        let photo = there.key.photo();
        let is_known = photo.is_some() && (photo == photo_of(rename.entry.key) || photo == occupant);
        if is_known { Ok(()) } else { Err(Refusal::Exists.into()) }
    }

    fn move_local(&self, tx: &Tx<'_>, rename: &Rename<'_>, settle: Duration, dirty: &mut Dirty) -> VfsResult<()> {
        let ino = rename.entry.ino;
        // A program that gives its work the final name has not moved anything.
        if self.name_rules(rename.from.ino).classify(&rename.entry.name) == NameClass::Plain {
            note_entry(tx, ino, rename.now)?;
        }
        let Some(node) = tx.load_node(ino)? else { return Err(VfsError::NotFound) };
        if node.file.is_some() && is_album(&rename.to) && rename.from.ino != rename.to.ino {
            // The photo whose place new bytes take goes there first, and is behind them until they are sent.
            self.follow_file(tx, &node, rename.to.ino, rename.now, settle, dirty)?;
        }
        let Some(node) = tx.load_node(ino)? else { return Err(VfsError::NotFound) };
        rename.move_name(tx, &rename.entry.name, rename.name, &node, dirty)?;
        if node.kind.is_directory() {
            dirty.dir(ino);
            tx.save_node_album(ino, None)?;
            return self.follow_below(tx, ino, rename.now, settle, dirty);
        }
        let node = self.of_entry(tx, node, rename.from.ino)?;
        if rename.from.ino == rename.to.ino {
            // Where it is it stays, and whatever became of its album.
            settle_anew(tx, node.ino, rename.now, settle)?;
        } else {
            self.follow_file(tx, &node, rename.to.ino, rename.now, settle, dirty)?;
        }
        if is_out_of_trash(tx, rename)? {
            self.take_half_along(tx, rename, &node, settle, dirty)?;
        }
        self.name_along(tx, rename, &node, dirty)
    }

    /// A file with two names is in two albums: the one that this directory maps to is meant.
    pub(super) fn of_entry(&self, tx: &Tx<'_>, node: NodeRow, dir: Ino) -> VfsResult<NodeRow> {
        if !node.linked {
            return Ok(node);
        }
        let album = match destination(tx, &self.options.drops, dir)? {
            Some(Destination::Album(album)) => Some(album),
            _ => None,
        };
        Ok(NodeRow { album: album.or(node.album), ..node })
    }

    /// Everything below a directory that has another path.
    fn follow_below(&self, tx: &Tx<'_>, dir: Ino, now: Nanos, settle: Duration, dirty: &mut Dirty) -> VfsResult<()> {
        let mut pending = vec![dir];
        while let Some(dir) = pending.pop() {
            for name in tx.load_names(dir)? {
                let Some(node) = tx.load_node(name.ino)? else { continue };
                if node.kind == NodeKind::Directory {
                    tx.save_node_album(node.ino, None)?;
                    pending.push(node.ino);
                } else if node.linked {
                    // Which of its albums this name stood for is not known any more: it joins, and leaves none.
                    self.follow_file(tx, &NodeRow { album: None, ..node }, dir, now, settle, dirty)?;
                } else {
                    self.follow_file(tx, &node, dir, now, settle, dirty)?;
                }
            }
        }
        Ok(())
    }

    /// What is not sent settles anew; what is in Ente moves to the album that its directory maps to.
    pub(super) fn follow_file(
        &self,
        tx: &Tx<'_>,
        node: &NodeRow,
        dir: Ino,
        now: Nanos,
        settle: Duration,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        settle_anew(tx, node.ino, now, settle)?;
        let Some(file) = node.file else { return Ok(()) };
        let from = album_with(tx, node.album, file)?;
        if from.is_none() && destination(tx, &self.options.drops, dir)?.is_some() {
            // Back from a trash, or one of two names; of what was deleted in Ente there is nothing to add.
            untrash(tx, file, dirty)?;
            if !tx.load_memberships(file)?.iter().any(MemberRow::is_visible) {
                return Ok(());
            }
        }
        let Some(to) = resolve_album(tx, &self.options.drops, dir, now, dirty)? else { return Ok(()) };
        match from {
            _ if node.album == Some(to) => return Ok(()),
            Some(from) => {
                note_move(tx, file, from, to, now)?;
                transfer_photo(tx, file, from, to, now, dirty)?;
            }
            None if node.linked => return Ok(add_photo(tx, file, to, now, dirty)?),
            None => add_photo(tx, file, to, now, dirty)?,
        }
        Ok(tx.save_node_album(node.ino, Some(to))?)
    }

    /// A registered drop entry goes into an album: the photo moves there, the entry ends.
    fn hand_over(&self, tx: &Tx<'_>, rename: &Rename<'_>, file: FileId, dirty: &mut Dirty) -> VfsResult<()> {
        let node = tx.load_node(rename.entry.ino)?.ok_or(VfsError::NotFound)?;
        let to = self.album_of(tx, &rename.to, rename.now, dirty)?;
        tx.delete_name(rename.from.ino, &rename.entry.name)?;
        dirty.name(rename.from.ino, &rename.entry.name);
        if let Some(other) = other_half(tx, &node, rename.from.ino, &rename.entry.name)? {
            tx.delete_name(rename.from.ino, &other.name)?;
            if self.files.get(other.ino).is_none() {
                tx.delete_node(other.ino)?;
            }
            dirty.name(rename.from.ino, &other.name);
        }
        untrash(tx, file, dirty)?;
        match album_with(tx, node.album, file)? {
            // Its photo was deleted in Ente, and can still be had back.
            _ if tx.is_in_trash(file)? => self.restore_to(tx, file, to, rename.now, dirty)?,
            Some(from) if from != to => {
                note_move(tx, file, from, to, rename.now)?;
                transfer_photo(tx, file, from, to, rename.now, dirty)?;
            }
            // Back where it was, if it was taken out of there.
            _ => {
                note_joining(tx, file, to, rename.now)?;
                add_photo(tx, file, to, rename.now, dirty)?;
            }
        }
        if self.files.get(node.ino).is_none() {
            tx.delete_node(node.ino)?;
        }
        self.name_if_other(tx, rename, to, file, dirty)
    }

    fn move_between(&self, tx: &Tx<'_>, rename: &Rename<'_>, file: FileId, dirty: &mut Dirty) -> VfsResult<()> {
        let from = rename.from.album.ok_or(VfsError::NotFound)?;
        let to = self.album_of(tx, &rename.to, rename.now, dirty)?;
        note_move(tx, file, from, to, rename.now)?;
        transfer_photo(tx, file, from, to, rename.now, dirty)?;
        self.name_if_other(tx, rename, to, file, dirty)
    }

    /// The album of a directory that shows one, made for `Favorites/` and `Uncategorized/` where there is none.
    pub(super) fn album_of(&self, tx: &Tx<'_>, dir: &DirInfo, now: Nanos, dirty: &mut Dirty) -> VfsResult<AlbumNo> {
        resolve_album(tx, &self.options.drops, dir.ino, now, dirty)?.ok_or(VfsError::Refused(Refusal::FixedPlace))
    }
}

/// The album that an entry stands for, while its photo is in it: another device may have taken it out of there, or
/// deleted the album.
fn album_with(rows: &Rows<'_>, album: Option<AlbumNo>, file: FileId) -> StoreResult<Option<AlbumNo>> {
    let member = album.map(|album| rows.load_member(album, file)).transpose()?.flatten();
    Ok(member.filter(MemberRow::is_visible).map(|member| member.album))
}

/// A directory that shows an own album or somebody else's.
pub(super) fn is_album(dir: &DirInfo) -> bool {
    matches!(dir.kind, DirKind::Album(_) | DirKind::SharedAlbum(_))
}

/// The inode of what moves, and whether its photo is to get other bytes than it has.
fn look_at(rows: &Rows<'_>, entry: &Entry) -> StoreResult<(Option<NodeRow>, bool)> {
    let node = rows.load_node(entry.ino)?;
    let EntryKey::LocalFile { photo: Some(file) } = entry.key else { return Ok((node, false)) };
    let passed = rows.load_replacing(file)?.iter().any(|upload| upload.ino != entry.ino);
    Ok((node, passed))
}
