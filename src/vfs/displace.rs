//! What is in the way of a rename goes first, by the rules of its own removal (semantics 3).

use super::error::{VfsError, VfsResult};
use super::journal::note;
use super::remove::{forget_entry, remove_directory};
use super::rename::{Rename, is_album};
use crate::base::{FileId, Ino};
use crate::namespace::{Dirty, EntryKey, current_upload, withdraw_photo};
use crate::store::{Change, NodeRow, Tx, UploadRow};
use crate::tree::{DirKind, EntryKind, Refusal, RenamePlan, plan_removal};
use std::time::Duration;

/// Clears the way. Answers whether a local inode lost its last name.
pub(super) fn displace(
    tx: &Tx<'_>,
    rename: &Rename<'_>,
    is_open: bool,
    settle: Duration,
    dirty: &mut Dirty,
) -> VfsResult<bool> {
    let Some(occupant) = &rename.occupant else { return Ok(false) };
    match (occupant.key, rename.plan) {
        (EntryKey::Album(_) | EntryKey::LocalDirectory, _) => {
            remove_directory(tx, rename.to.ino, occupant, rename.now, dirty)?;
            if let EntryKey::Album(album) = occupant.key {
                note(tx, &Change::AlbumRemoved { album }, rename.now)?;
            }
            Ok(false)
        }
        (EntryKey::Photo(file) | EntryKey::Clip(file), RenamePlan::MoveLocal) => {
            take_place(tx, rename, file, dirty)?;
            Ok(false)
        }
        (EntryKey::Photo(file) | EntryKey::Clip(file), _) => {
            clear_photo(tx, rename, file, dirty)?;
            Ok(false)
        }
        (EntryKey::LocalFile { photo }, plan) => {
            let behind = find_behind(tx, rename)?;
            match behind.or(photo).filter(|_| rename.to.kind != DirKind::TrashFiles) {
                Some(file) if plan == RenamePlan::MoveLocal => {
                    take_place(tx, rename, file, dirty)?;
                    inherit(tx, occupant.ino, rename.entry.ino)?;
                }
                // Without what is in the way it would be in the way itself.
                _ => behind.map_or(Ok(()), |file| clear_photo(tx, rename, file, dirty))?,
            }
            forget_entry(tx, &rename.to, occupant, is_open, settle, rename.now, dirty)
        }
        (
            EntryKey::Fixed(_) | EntryKey::DropRoot | EntryKey::Owner(_) | EntryKey::Period(_) | EntryKey::Link(..),
            _,
        ) => Err(Refusal::FixedPlace.into()),
    }
}

/// New bytes over a photo: they take its place when they are registered; until then they mask it. Into an album those of
/// another photo take that one along, and its place.
fn take_place(tx: &Tx<'_>, rename: &Rename<'_>, file: FileId, dirty: &mut Dirty) -> VfsResult<()> {
    match photo_of(rename.entry.key) {
        Some(own) if own != file && is_album(&rename.to) => clear_photo(tx, rename, file, dirty),
        _ => supersede(tx, rename.entry.ino, file),
    }
}

/// The photo whose place what is in the way was to take: it is behind it under the same name.
fn find_behind(tx: &Tx<'_>, rename: &Rename<'_>) -> VfsResult<Option<FileId>> {
    let Some(album) = rename.to.album else { return Ok(None) };
    Ok(tx.find_member(album, rename.name)?)
}

fn clear_photo(tx: &Tx<'_>, rename: &Rename<'_>, file: FileId, dirty: &mut Dirty) -> VfsResult<()> {
    // The album has it already, and keeps it.
    if photo_of(rename.entry.key) == Some(file) {
        return Ok(());
    }
    plan_removal(rename.to.kind, EntryKind::Photo, false)?;
    let album = rename.to.album.ok_or(VfsError::NotFound)?;
    note(tx, &Change::Left { file, album }, rename.now)?;
    Ok(withdraw_photo(tx, album, file, rename.now, dirty)?)
}

pub(super) fn photo_of(key: EntryKey) -> Option<FileId> {
    match key {
        EntryKey::LocalFile { photo } => photo,
        key => key.photo(),
    }
}

/// By the capture time of what it displaces, new bytes are told from a new photo (semantics 2.12).
fn inherit(tx: &Tx<'_>, from: Ino, to: Ino) -> VfsResult<()> {
    if let (Some(old), Some(new)) = (tx.load_node(from)?, tx.load_node(to)?) {
        tx.save_node(&NodeRow { taken: old.taken, ..new })?;
    }
    Ok(())
}

/// The upload of `ino` replaces a photo that is in Ente.
fn supersede(tx: &Tx<'_>, ino: Ino, file: FileId) -> VfsResult<()> {
    if let Some(row) = current_upload(tx, ino)? {
        tx.save_upload(&UploadRow { supersedes: Some(file), ..row })?;
    }
    Ok(())
}
