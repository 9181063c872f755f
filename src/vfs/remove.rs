//! Removing: from an album the photo leaves it, from a drop the entry goes (semantics 4).

use super::Vfs;
use super::echo::Done;
use super::error::{VfsError, VfsResult};
use crate::base::{Ino, Nanos, Timestamp};
use crate::namespace::{
    DirInfo, Dirty, Entry, EntryKey, current_upload, delete_album, other_homes, path_of, untrash, withdraw_photo,
};
use crate::store::{Change, Kept, NodeKind, NodeRow, Tx, UploadRow};
use crate::tree::{
    EntryKind, Event, FixedPlace, NameClass, OnDelete, Refusal, RemovalPlan, Stage, Verdict, on_event, plan_removal,
};
use std::time::Duration;

/// How long the bytes of a removed file that was not in Ente are kept (semantics 4.3).
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

impl Vfs {
    /// # Errors
    /// EPERM where it would take the last home of a photo, for fixed places, and while the brake holds.
    pub fn unlink(&self, parent: Ino, name: &[u8]) -> VfsResult<()> {
        self.check_writable()?;
        let dir = self.namespace.dir_info(parent)?;
        let Some((entry, _)) = self.namespace.lookup(parent, name)? else {
            let done = self.echoes.answers(parent, name, &Done::Removed);
            return if done { Ok(()) } else { Err(VfsError::NotFound) };
        };
        let plan = plan_removal(dir.kind, self.entry_kind(&entry)?, self.options.allow_trash)?;
        let sibling = self.sibling(&dir, &entry)?;
        let now = self.clock.now_nanos();
        self.files.with_open(entry.ino, |state| {
            let is_open = state.is_some();
            let removed = self.commit(&[(parent, name)], None, |tx, dirty| {
                super::create::touch_directory(tx, parent, now, dirty)?;
                match plan {
                    RemovalPlan::ForgetEntry => self.remove_file(tx, &dir, &entry, is_open, now, dirty),
                    RemovalPlan::LeaveAlbum => self.take_out(tx, &dir, &entry, false, now, dirty),
                    RemovalPlan::Trash => self.take_out(tx, &dir, &entry, true, now, dirty),
                }
            });
            let nameless = self.heed_brake(removed)?;
            if let Some(state) = state.filter(|_| nameless) {
                state.unlinked = true;
            }
            Ok::<_, VfsError>(())
        })?;
        self.echo(sibling, Done::Removed);
        self.bells.uploads.ring();
        self.bells.ops.ring();
        Ok(())
    }

    /// # Errors
    /// ENOTEMPTY; EPERM for fixed places, for an album that others can see, and while the brake holds.
    pub fn rmdir(&self, parent: Ino, name: &[u8]) -> VfsResult<()> {
        self.check_writable()?;
        let (entry, _) = self.namespace.lookup(parent, name)?.ok_or(VfsError::NotFound)?;
        let now = self.clock.now_nanos();
        let removed = self.commit(&[(parent, name)], None, |tx, dirty| {
            super::create::touch_directory(tx, parent, now, dirty)?;
            remove_directory(tx, parent, &entry, now, dirty)?;
            if let EntryKey::Album(album) = entry.key {
                let at = now.to_timestamp();
                let weight = self.pass_brake(tx, self.album_weight(tx, album, at)?, at)?;
                tx.insert_change(at, weight, &Change::AlbumRemoved { album })?;
            }
            Ok(())
        });
        self.heed_brake(removed)?;
        self.bells.ops.ring();
        Ok(())
    }

    /// What an entry is, somebody else's photo told from an own one. A file whose new bytes wait is not in Ente as it is.
    pub(super) fn entry_kind(&self, entry: &Entry) -> VfsResult<EntryKind> {
        if let EntryKey::LocalFile { photo: Some(_) } = entry.key {
            let upload = self.store().read(|rows| current_upload(rows, entry.ino))?;
            return Ok(EntryKind::LocalFile { in_ente: upload.is_none() });
        }
        let Some(file) = entry.key.photo() else { return Ok(entry.key.kind()) };
        let own = self.store().read(|rows| rows.load_file(file))?.is_none_or(|row| row.own);
        Ok(if own { EntryKind::Photo } else { EntryKind::ForeignPhoto })
    }

    /// A file of this machine is removed by name: one that is not in Ente counts, and can be had back (semantics 4.3).
    fn remove_file(
        &self,
        tx: &Tx<'_>,
        dir: &DirInfo,
        entry: &Entry,
        is_open: bool,
        now: Nanos,
        dirty: &mut Dirty,
    ) -> VfsResult<bool> {
        let path = path_of(tx, entry.ino)?.unwrap_or_default().join(&b'/');
        let node = tx.load_node(entry.ino)?;
        let settle = self.settle_time(dir.ino)?;
        let nameless = forget_entry(tx, dir, entry, is_open, settle, now, dirty)?;
        if let Some(node) = node.as_ref().filter(|_| nameless && self.on_delete(&path) == OnDelete::Uncategorize) {
            self.leave_with_entry(tx, node, now, dirty)?;
        }
        // What a file manager notes of its trash is nobody's photo.
        let counts = dir.ino != FixedPlace::TrashInfo.ino()
            && self.name_rules(dir.ino).classify(&entry.name) == NameClass::Plain;
        if nameless && counts && node.is_some_and(|node| node.file.is_none() && node.size > 0) {
            let weight = self.pass_brake(tx, 1, now.to_timestamp())?;
            tx.insert_change(now.to_timestamp(), weight, &Change::FileRemoved { ino: entry.ino, path })?;
        }
        Ok(nameless)
    }

    fn on_delete(&self, path: &[u8]) -> OnDelete {
        let path: Vec<Vec<u8>> = path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        self.options.drops.find(&path).map_or(OnDelete::Entry, |(drop, _)| drop.on_delete)
    }

    /// The drop wants the photo to leave the album that its entry maps to, unless another entry keeps it there: a
    /// second copy, or the other half of a live photo.
    fn leave_with_entry(&self, tx: &Tx<'_>, node: &NodeRow, now: Nanos, dirty: &mut Dirty) -> VfsResult<()> {
        let (Some(file), Some(album)) = (node.file, node.album) else { return Ok(()) };
        let others = tx.load_nodes_of_file(file)?;
        let is_there = tx.load_member(album, file)?.is_some_and(|member| member.is_visible());
        if !is_there || others.iter().any(|other| other.ino != node.ino && other.album == Some(album)) {
            return Ok(());
        }
        let weight = self.pass_brake(tx, 1, now.to_timestamp())?;
        tx.insert_change(now.to_timestamp(), weight, &Change::Left { file, album })?;
        Ok(withdraw_photo(tx, album, file, now, dirty)?)
    }

    /// A photo leaves this album; `to_trash`: for Ente's trash, unless another album has it as well. An empty new version
    /// goes alone.
    fn take_out(
        &self,
        tx: &Tx<'_>,
        dir: &DirInfo,
        entry: &Entry,
        to_trash: bool,
        now: Nanos,
        dirty: &mut Dirty,
    ) -> VfsResult<bool> {
        let (Some(file), Some(album)) = (entry.key.photo(), dir.album) else { return Err(VfsError::NotFound) };
        if revert_empty_version(tx, entry.ino, now.to_timestamp(), dirty)? {
            return Ok(false);
        }
        if to_trash && other_homes(tx, file, album)?.is_empty() {
            self.send_to_trash(tx, file, album, now, dirty)?;
        } else {
            let weight = self.pass_brake(tx, 1, now.to_timestamp())?;
            tx.insert_change(now.to_timestamp(), weight, &Change::Left { file, album })?;
            withdraw_photo(tx, album, file, now, dirty)?;
        }
        Ok(false)
    }
}

/// Takes a local name away. Answers whether the inode has none left.
pub(super) fn forget_entry(
    tx: &Tx<'_>,
    dir: &DirInfo,
    entry: &Entry,
    is_open: bool,
    settle: Duration,
    now: Nanos,
    dirty: &mut Dirty,
) -> VfsResult<bool> {
    dirty.name(dir.ino, &entry.name);
    if revert_empty_version(tx, entry.ino, now.to_timestamp(), dirty)? {
        return Ok(false);
    }
    tx.delete_name(dir.ino, &entry.name)?;
    if !tx.load_names_of(entry.ino)?.is_empty() {
        // A program that links and unlinks to rename: what rested under the first name is looked at again.
        super::link::settle_anew(tx, entry.ino, now, settle)?;
        if let Some(node) = tx.load_node(entry.ino)? {
            tx.save_node(&NodeRow { ctime: now, ..node })?;
        }
        dirty.ino(entry.ino);
        return Ok(false);
    }
    if let EntryKey::LocalFile { photo: Some(file) } = entry.key {
        untrash(tx, file, dirty)?;
    }
    for upload in tx.load_uploads_of(entry.ino)? {
        end_upload(tx, upload, now.to_timestamp())?;
    }
    if !is_open && tx.load_kept_upload(entry.ino)?.is_none() {
        tx.delete_node(entry.ino)?;
    }
    Ok(true)
}

/// What an upload does when its file is removed.
fn end_upload(tx: &Tx<'_>, row: UploadRow, now: Timestamp) -> VfsResult<()> {
    let kept = match on_event(row.stage, row.sent, Event::Removed) {
        Verdict::Drop => row.is_frozen(),
        Verdict::Retire => true,
        // Sent: its outcome is learned, then the photo leaves the album again.
        _ => return Ok(()),
    };
    let due = if kept { now.saturating_add(KEPT) } else { now };
    tx.save_upload_hash(row.no, None)?;
    tx.save_upload_kept(row.no, if kept { Kept::Yes } else { Kept::No })?;
    Ok(tx.save_upload(&UploadRow { stage: Stage::Removed, due, parked: None, ..row })?)
}

/// An empty version of a photo in Ente, truncated and never written: removing it shows the old one again
/// (semantics 2.12).
fn revert_empty_version(tx: &Tx<'_>, ino: Ino, now: Timestamp, dirty: &mut Dirty) -> VfsResult<bool> {
    let Some(node) = tx.load_node(ino)?.filter(|node| node.size == 0 && node.content.is_some()) else {
        return Ok(false);
    };
    let Some(row) = tx.load_uploads_of(ino)?.pop().filter(|row| row.stage.is_writable() && row.supersedes.is_some())
    else {
        return Ok(false);
    };
    let Some(content) = node.content.map(|content| tx.load_content(content)).transpose()?.flatten() else {
        return Ok(false);
    };
    tx.save_upload(&UploadRow { stage: Stage::Removed, due: now, parked: None, ..row })?;
    if node.kind == NodeKind::Shadow {
        tx.delete_node(ino)?;
    } else {
        tx.save_node(&NodeRow { vault: None, size: content.size, mtime: content.mtime, ..node })?;
    }
    dirty.ino(ino);
    Ok(true)
}

pub(super) fn remove_directory(
    tx: &Tx<'_>,
    parent: Ino,
    entry: &Entry,
    now: Nanos,
    dirty: &mut Dirty,
) -> VfsResult<()> {
    match entry.key {
        EntryKey::Album(album) => {
            let album = tx.load_album(album)?.ok_or(VfsError::NotFound)?;
            // Others would lose it too, or it is theirs: that is for Ente's own apps.
            if album.shared || !album.own {
                return Err(Refusal::WouldDestroy.into());
            }
            if tx.has_members(album.no)? || tx.has_names(album.ino)? {
                return Err(Refusal::NotEmpty.into());
            }
            Ok(delete_album(tx, &album, now, dirty)?)
        }
        EntryKey::LocalDirectory => {
            if tx.has_names(entry.ino)? {
                return Err(Refusal::NotEmpty.into());
            }
            tx.delete_name(parent, &entry.name)?;
            tx.delete_node(entry.ino)?;
            dirty.name(parent, &entry.name);
            dirty.dir(entry.ino);
            Ok(())
        }
        EntryKey::Fixed(place) if !place.is_directory() => Err(Refusal::NotDirectory.into()),
        EntryKey::Fixed(_) | EntryKey::DropRoot | EntryKey::Owner(_) | EntryKey::Period(_) => {
            Err(Refusal::FixedPlace.into())
        }
        EntryKey::Link(..) | EntryKey::LocalFile { .. } | EntryKey::Photo(_) | EntryKey::Clip(_) => {
            Err(Refusal::NotDirectory.into())
        }
    }
}
