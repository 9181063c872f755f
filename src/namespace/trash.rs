//! `.Trash-$UID`, the file manager's trash (semantics 1.7): a photo that is moved there leaves its album and stays there
//! as an entry of this machine, a live photo as two; nothing is sent to Ente's trash.

use super::change::Dirty;
use super::members::{leave, settle};
use super::ops::{delete_album, withdraw_photo};
use crate::base::{AlbumKind, AlbumNo, FileId, Ino, Nanos};
use crate::store::{AlbumRow, ContentRow, NodeKind, NodeRow, Rows, StoreError, StoreResult, Tx};
use crate::tree::FixedPlace;

/// Where what is trashed comes from and goes to.
pub struct Trashing<'a> {
    pub from: &'a AlbumRow,
    /// The directory of the entries: `files/`, or one in it.
    pub dir: Ino,
    pub file_mode: u32,
    pub dir_mode: u32,
    pub now: Nanos,
}

/// The photo leaves its album; its entries are called `names`: one, or of a live photo the still's and the clip's. In
/// Uncategorized it is only hidden, here, until it is restored or forgotten.
///
/// # Errors
/// Where the store cannot be read or written, here and below.
pub fn trash_photo(
    tx: &Tx<'_>,
    file: FileId,
    names: &[Vec<u8>],
    trashing: &Trashing<'_>,
    dirty: &mut Dirty,
) -> StoreResult<()> {
    for (content, name) in contents_of(tx, file)?.iter().zip(names) {
        let ino = tx.next_ino()?;
        tx.save_node(&NodeRow {
            uid: content.uid,
            gid: content.gid,
            size: content.size,
            mtime: content.mtime,
            file: Some(file),
            content: Some(content.no),
            ..NodeRow::new(ino, NodeKind::File, content.mode.unwrap_or(trashing.file_mode), trashing.now)
        })?;
        tx.save_name(trashing.dir, name, ino)?;
        dirty.name(trashing.dir, name);
    }
    if trashing.from.kind == AlbumKind::Uncategorized {
        leave(tx, trashing.from.no, file, dirty)
    } else {
        withdraw_photo(tx, trashing.from.no, file, trashing.now, dirty)
    }
}

/// The photo's content, or its still's and its clip's.
fn contents_of(rows: &Rows<'_>, file: FileId) -> StoreResult<Vec<ContentRow>> {
    let content = rows.load_file(file)?.and_then(|row| row.content);
    let Some(content) = content.map(|no| rows.load_content(no)).transpose()?.flatten() else { return Ok(Vec::new()) };
    let clip = if content.packed.is_some() { rows.load_clip_of(&content)? } else { None };
    Ok([Some(content), clip].into_iter().flatten().collect())
}

/// An album's photos leave it, the album goes, and a directory of entries called `name` is in its place. The caller has
/// seen to it that all of them are own photos that are shown.
pub fn trash_album(tx: &Tx<'_>, name: &[u8], trashing: &Trashing<'_>, dirty: &mut Dirty) -> StoreResult<()> {
    let (album, now) = (trashing.from, trashing.now);
    let dir = tx.next_ino()?;
    tx.save_node(&NodeRow::new(dir, NodeKind::Directory, trashing.dir_mode, now))?;
    tx.save_name(trashing.dir, name, dir)?;
    dirty.name(trashing.dir, name);
    for local in tx.load_names(album.ino)? {
        tx.delete_name(album.ino, &local.name)?;
        tx.save_name(dir, &local.name, local.ino)?;
        dirty.name(album.ino, &local.name);
    }
    let mut photos: Vec<(FileId, Vec<Vec<u8>>)> = Vec::new();
    tx.for_each_listed(album.no, |file, _, listing| match photos.last_mut().filter(|(last, _)| *last == file) {
        Some((_, names)) => names.push(listing.name),
        None => photos.push((file, vec![listing.name])),
    })?;
    for (file, names) in photos {
        trash_photo(tx, file, &names, &Trashing { dir, ..*trashing }, dirty)?;
    }
    delete_album(tx, album, now, dirty)
}

/// A trashed photo is in Uncategorized again, where it was hidden: its entry is forgotten, or goes elsewhere.
pub fn untrash(tx: &Tx<'_>, file: FileId, dirty: &mut Dirty) -> StoreResult<()> {
    let Some(home) = tx.load_special_album(AlbumKind::Uncategorized)? else { return Ok(()) };
    let hidden = tx.load_member(home.no, file)?.is_some_and(|member| member.want == Some(false));
    if !hidden || is_pending(tx, file, home.no)? || is_in_trash(tx, file)? {
        return Ok(());
    }
    settle(tx, home.no, file, dirty)
}

fn is_pending(rows: &Rows<'_>, file: FileId, album: AlbumNo) -> StoreResult<bool> {
    let ops = rows.load_ops_of_file(file)?;
    Ok(ops.iter().any(|op| op.from == Some(album) || op.to == Some(album)))
}

/// Whether an entry of the photo is still there: the other half of a live photo, say.
fn is_in_trash(rows: &Rows<'_>, file: FileId) -> StoreResult<bool> {
    for node in rows.load_nodes_of_file(file)? {
        for name in rows.load_names_of(node.ino)? {
            if is_below_trash(rows, name.parent)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a directory is `files/` in the trash, or below it.
pub fn is_below_trash(rows: &Rows<'_>, dir: Ino) -> Result<bool, StoreError> {
    let path = super::path::path_of(rows, dir)?.unwrap_or_default();
    let trash = [FixedPlace::DotTrash, FixedPlace::TrashFiles].map(|place| place.name().as_bytes());
    Ok(path.len() >= trash.len() && path.iter().zip(trash).all(|(part, name)| part == name))
}
