//! What goes into the journal before a move or a rename changes it (semantics 4.5). Neither counts for the brake.

use super::error::VfsResult;
use crate::base::{AlbumNo, FileId, Ino, Nanos};
use crate::namespace::path_of;
use crate::store::{Change, Label, Tx};

pub(super) fn note(tx: &Tx<'_>, change: &Change, now: Nanos) -> VfsResult<()> {
    Ok(tx.insert_change(now.to_timestamp(), 0, change)?)
}

/// The photo is about to move.
pub(super) fn note_move(tx: &Tx<'_>, file: FileId, from: AlbumNo, to: AlbumNo, now: Nanos) -> VfsResult<()> {
    if from == to {
        return Ok(());
    }
    let joined = !tx.load_member(to, file)?.is_some_and(|member| member.is_visible());
    note(tx, &Change::Moved { file, from, to, joined }, now)
}

/// The photo is about to get another name.
pub(super) fn note_photo_name(tx: &Tx<'_>, file: FileId, now: Nanos) -> VfsResult<()> {
    let Some(row) = tx.load_file(file)? else { return Ok(()) };
    let known = row.label.as_ref().map(Label::display_name);
    match row.want_name.as_deref().or(known) {
        Some(was) => note(tx, &Change::PhotoNamed { file, was: was.to_owned() }, now),
        None => Ok(()),
    }
}

/// A file or directory of this machine is about to get another path.
pub(super) fn note_entry(tx: &Tx<'_>, ino: Ino, now: Nanos) -> VfsResult<()> {
    match path_of(tx, ino)? {
        Some(path) => note(tx, &Change::EntryMoved { ino, path: path.join(&b'/') }, now),
        None => Ok(()),
    }
}
