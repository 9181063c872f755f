//! Into the file manager's trash, `.Trash-$UID/files` (semantics 1.7): the photo leaves its album as by `unlink`, brake
//! and journal included. And into Ente's trash and out of it (3, 4.2).

use super::Vfs;
use super::create::new_album;
use super::echo::other_half;
use super::error::{VfsError, VfsResult};
use super::journal::{note, note_entry};
use super::link::settle_anew;
use super::rename::Rename;
use crate::base::{AlbumKind, AlbumNo, FileId, Ino, Nanos, Visibility};
use crate::namespace::{
    DirInfo, Dirty, Entry, EntryKey, Trashing, current_upload, is_below_trash, restore_photo, show_as, trash_album,
    trash_in_ente, trash_photo,
};
use crate::store::{AlbumRow, Change, MemberRow, NameRow, NodeRow, Rows, StoreResult, Tx};
use crate::tree::{DirKind, Refusal, RenamePlan};
use std::collections::HashSet;
use std::time::Duration;

impl Vfs {
    /// Counted by the brake as a removal, except from Uncategorized, where nothing is sent (semantics 4.5).
    pub(super) fn trash_one(&self, tx: &Tx<'_>, rename: &Rename<'_>, file: FileId, dirty: &mut Dirty) -> VfsResult<()> {
        let from = rename.from.album.map(|album| tx.load_album(album)).transpose()?.flatten();
        let from = from.ok_or(VfsError::NotFound)?;
        let member = tx.load_member(from.no, file)?.ok_or(VfsError::NotFound)?;
        if from.kind != AlbumKind::Uncategorized {
            let at = rename.now.to_timestamp();
            let weight = self.pass_brake(tx, 1, at)?;
            tx.insert_change(at, weight, &Change::Left { file, album: from.no })?;
        }
        Ok(trash_photo(tx, file, &entry_names(rename, member), &self.trashing(&from, rename), dirty)?)
    }

    /// All of an album goes to the file manager's trash, or nothing of it.
    pub(super) fn trash_whole(
        &self,
        tx: &Tx<'_>,
        rename: &Rename<'_>,
        album: AlbumNo,
        settle: Duration,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        let album = tx.load_album(album)?.ok_or(VfsError::NotFound)?;
        // Others would lose it too: that is for Ente's own apps.
        if album.shared {
            return Err(Refusal::WouldDestroy.into());
        }
        let photos = own_photos(tx, album.no)?;
        // What is not sent yet is not for Ente any more: it is looked at again, where it then lies.
        for local in tx.load_names(album.ino)? {
            settle_anew(tx, local.ino, rename.now, settle)?;
        }
        let at = rename.now.to_timestamp();
        for file in photos {
            let weight = self.pass_brake(tx, 1, at)?;
            tx.insert_change(at, weight, &Change::Left { file, album: album.no })?;
        }
        let weight = self.pass_brake(tx, self.album_weight(tx, album.no, at)?, at)?;
        tx.insert_change(at, weight, &Change::AlbumRemoved { album: album.no })?;
        Ok(trash_album(tx, rename.name, &self.trashing(&album, rename), dirty)?)
    }

    /// A directory of entries is an album again: each photo joins it, and what is not sent lies in it.
    pub(super) fn restore_album(
        &self,
        tx: &Tx<'_>,
        rename: &Rename<'_>,
        list: Visibility,
        settle: Duration,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        let (dir, now) = (rename.entry.ino, rename.now);
        tx.delete_name(rename.from.ino, &rename.entry.name)?;
        tx.delete_node(dir)?;
        dirty.name(rename.from.ino, &rename.entry.name);
        // It keeps its number: the kernel, which moves it itself, goes on to know what it is.
        let album = new_album(tx, dir, rename.to.ino, list, rename.name, now, dirty)?;
        let from = DirInfo { ino: dir, kind: DirKind::Local, album: None, parent: rename.from.ino };
        let kind = DirKind::Album(album.kind);
        let to = DirInfo { ino: dir, kind, album: Some(album.no), parent: rename.to.ino };
        for NameRow { name, ino, .. } in tx.load_names(dir)? {
            // The other half of a live photo goes with the first.
            if tx.find_name(dir, &name)?.is_none() {
                continue;
            }
            let (key, plan) = homecoming(tx, &tx.load_node(ino)?.ok_or(VfsError::NotFound)?)?;
            let entry = Entry { name: name[..].into(), ino, key };
            let one = Rename { from: from.clone(), entry, to: to.clone(), name: &name, occupant: None, plan, now };
            self.apply_plan(tx, &one, settle, dirty)?;
        }
        Ok(())
    }

    /// What went to the trash together comes back together (semantics 1.7).
    pub(super) fn take_half_along(
        &self,
        tx: &Tx<'_>,
        rename: &Rename<'_>,
        node: &NodeRow,
        settle: Duration,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        let Some(other) = other_half(tx, node, rename.from.ino, &rename.entry.name)? else { return Ok(()) };
        let Some(half) = tx.load_node(other.ino)? else { return Ok(()) };
        note_entry(tx, half.ino, rename.now)?;
        rename.move_name(tx, &other.name, &rename.name_of_half(&other.name), &half, dirty)?;
        let half = self.of_entry(tx, half, rename.from.ino)?;
        self.follow_file(tx, &half, rename.to.ino, rename.now, settle, dirty)
    }

    /// `mv` into `Trash/`: out of all albums, under the name that was asked for.
    pub(super) fn move_to_trash(
        &self,
        tx: &Tx<'_>,
        rename: &Rename<'_>,
        file: FileId,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        let album = rename.from.album.ok_or(VfsError::NotFound)?;
        self.title_of(tx, rename, file)?;
        self.send_to_trash(tx, file, album, rename.now, dirty)?;
        Ok(show_as(tx, AlbumNo::TRASH, file, rename.name, dirty)?)
    }

    /// Counted as one removal, whatever the albums; undo brings it back to all of them, the one it was last in first.
    pub(super) fn send_to_trash(
        &self,
        tx: &Tx<'_>,
        file: FileId,
        album: AlbumNo,
        now: Nanos,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        // Others would lose it too: it is taken out of their album first. And new bytes would come back in its place.
        if is_in_foreign_album(tx, file)? || tx.is_being_replaced(file)? {
            return Err(Refusal::WouldDestroy.into());
        }
        for member in tx.load_memberships(file)?.into_iter().filter(MemberRow::is_visible) {
            if member.album != album {
                note(tx, &Change::Trashed { file, album: member.album }, now)?;
            }
        }
        let at = now.to_timestamp();
        let weight = self.pass_brake(tx, 1, at)?;
        tx.insert_change(at, weight, &Change::Trashed { file, album })?;
        Ok(trash_in_ente(tx, file, album, now, dirty)?)
    }

    /// `mv` out of `Trash/`, and under another name where that is asked for.
    pub(super) fn restore(&self, tx: &Tx<'_>, rename: &Rename<'_>, file: FileId, dirty: &mut Dirty) -> VfsResult<()> {
        let album = self.album_of(tx, &rename.to, rename.now, dirty)?;
        self.restore_to(tx, file, album, rename.now, dirty)?;
        self.name_if_other(tx, rename, album, file, dirty)
    }

    /// Undo takes it out of the album again, and leaves it in Uncategorized.
    pub(super) fn restore_to(
        &self,
        tx: &Tx<'_>,
        file: FileId,
        album: AlbumNo,
        now: Nanos,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        if tx.load_album(album)?.is_some_and(|row| !row.own) {
            return Err(Refusal::FixedPlace.into());
        }
        note(tx, &Change::Joined { file, album }, now)?;
        Ok(restore_photo(tx, file, album, now, dirty)?)
    }

    fn trashing<'a>(&self, from: &'a AlbumRow, rename: &Rename<'_>) -> Trashing<'a> {
        let defaults = self.namespace.defaults();
        let (file_mode, dir_mode) = (defaults.file_mode, defaults.dir_mode);
        Trashing { from, dir: rename.to.ino, file_mode, dir_mode, now: rename.now }
    }
}

/// Whether an entry of this machine is moved out of the file manager's trash, to where it goes on as one.
pub(super) fn is_out_of_trash(rows: &Rows<'_>, rename: &Rename<'_>) -> StoreResult<bool> {
    let moves = rename.plan == RenamePlan::MoveLocal && rename.from.ino != rename.to.ino;
    Ok(moves && is_below_trash(rows, rename.from.ino)? && !is_below_trash(rows, rename.to.ino)?)
}

/// What of a directory in the trash is a photo's own inode once it is an album again.
pub(super) fn handed_over_from(rows: &Rows<'_>, dir: Ino) -> StoreResult<Vec<Ino>> {
    let mut entries = Vec::new();
    for name in rows.load_names(dir)? {
        if let Some(node) = rows.load_node(name.ino)?
            && homecoming(rows, &node)?.1 == RenamePlan::HandOver
        {
            entries.push(name.ino);
        }
    }
    Ok(entries)
}

/// What an entry in the trash is, and how it goes into an album: as by `mv`.
fn homecoming(rows: &Rows<'_>, node: &NodeRow) -> StoreResult<(EntryKey, RenamePlan)> {
    if node.kind.is_directory() {
        return Ok((EntryKey::LocalDirectory, RenamePlan::MoveLocal));
    }
    let is_sent = node.file.is_some() && current_upload(rows, node.ino)?.is_none();
    let plan = if is_sent { RenamePlan::HandOver } else { RenamePlan::MoveLocal };
    Ok((EntryKey::LocalFile { photo: node.file }, plan))
}

fn is_in_foreign_album(rows: &Rows<'_>, file: FileId) -> VfsResult<bool> {
    for member in rows.load_memberships(file)?.into_iter().filter(MemberRow::is_visible) {
        if rows.load_album(member.album)?.is_some_and(|album| !album.own && album.is_present()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the entries in the trash are called: as was asked, and the other half of a live photo by the same stem.
fn entry_names(rename: &Rename<'_>, member: MemberRow) -> Vec<Vec<u8>> {
    let asked = rename.name.to_vec();
    match (rename.entry.key, member.listing, member.clip) {
        (EntryKey::Clip(_), Some(still), _) => vec![rename.name_of_half(&still.name), asked],
        (_, _, Some(clip)) => vec![asked, rename.name_of_half(&clip.name)],
        _ => vec![asked],
    }
}

/// The photos of an album, all of them our own and shown: what is not would be lost from sight without a trace.
fn own_photos(tx: &Tx<'_>, album: AlbumNo) -> VfsResult<HashSet<FileId>> {
    let (mut files, mut listed) = (Vec::new(), HashSet::new());
    tx.for_each_member(album, |file| files.push(file))?;
    tx.for_each_listed(album, |file, _, _| {
        listed.insert(file);
    })?;
    for file in files {
        let is_there = tx.load_member(album, file)?.is_some_and(|member| member.is_visible());
        let is_own = tx.load_file(file)?.is_some_and(|row| row.own);
        if is_there && !(is_own && listed.contains(&file)) {
            return Err(Refusal::Foreign.into());
        }
    }
    Ok(listed)
}
