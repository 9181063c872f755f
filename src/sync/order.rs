//! Which pending changes may go out: those of a photo in the order they were made, and those of an album itself after
//! everything that takes photos out of it, because only an empty album is deleted.

use crate::store::{OpKind, OpRow};
use crate::wire::BATCH;
use std::collections::HashSet;

/// The changes, in order, that nothing earlier holds back.
pub(super) fn unblocked(ops: Vec<OpRow>) -> Vec<OpRow> {
    let (mut photos, mut albums, mut trashing) = (HashSet::new(), HashSet::new(), false);
    let mut free = Vec::new();
    for op in ops {
        let held = match op.file {
            Some(file) => !photos.insert(file),
            // What goes to the trash leaves all its albums.
            None => trashing && op.kind == OpKind::DeleteAlbum || op.from.is_some_and(|album| albums.contains(&album)),
        };
        trashing |= op.kind == OpKind::Trash;
        albums.extend(op.from);
        if !held {
            free.push(op);
        }
    }
    free
}

/// What is left beside changes that were made and are not confirmed. A photo's record is read, changed and written as a
/// whole: its next edit waits for the pull that brings what the last one wrote.
pub(super) fn still_to_do(ops: Vec<OpRow>, made: &[OpRow]) -> Vec<OpRow> {
    let is_edit = |op: &OpRow| matches!(op.kind, OpKind::NamePhoto | OpKind::EditPhoto);
    let done: HashSet<_> = made.iter().map(|op| op.no).collect();
    let edited: HashSet<_> = made.iter().filter(|op| is_edit(op)).filter_map(|op| op.file).collect();
    let waits = |op: &OpRow| is_edit(op) && op.file.is_some_and(|file| edited.contains(&file));
    ops.into_iter().filter(|op| !done.contains(&op.no) && !waits(op)).collect()
}

/// The first of them, with what goes out in the same call.
pub(super) fn first_batch(ops: impl IntoIterator<Item = OpRow>) -> Vec<OpRow> {
    let mut batch: Vec<OpRow> = Vec::new();
    for op in ops {
        if batch.len() < BATCH && batch.first().is_none_or(|first| goes_with(first, &op)) {
            batch.push(op);
        }
    }
    batch
}

fn goes_with(first: &OpRow, op: &OpRow) -> bool {
    first.kind == op.kind && first.from == op.from && first.to == op.to && first.file.is_some() && op.file.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AlbumNo, FileId, OpNo, Timestamp};

    fn op(no: i64, kind: OpKind, file: Option<i64>, from: i64, to: Option<i64>) -> OpRow {
        OpRow {
            no: OpNo(no),
            kind,
            file: file.map(FileId),
            from: Some(AlbumNo(from)),
            to: to.map(AlbumNo),
            name: None,
            due: Timestamp(no),
            attempts: 0,
        }
    }

    fn numbers(ops: &[OpRow]) -> Vec<i64> {
        ops.iter().map(|op| op.no.0).collect()
    }

    #[test]
    fn a_photos_changes_keep_their_order_and_equal_ones_go_together() {
        let ops = vec![
            op(1, OpKind::Leave, Some(7), 1, Some(9)),
            op(2, OpKind::Leave, Some(8), 1, Some(9)),
            op(3, OpKind::Move, Some(7), 9, Some(2)),
            op(4, OpKind::Leave, Some(6), 2, Some(9)),
        ];
        let free = unblocked(ops);
        assert_eq!(numbers(&free), [1, 2, 4]);
        assert_eq!(numbers(&first_batch(free)), [1, 2]);
    }

    /// An album emptied while the network was away: its deletion overtook what was put off, and was refused as it was
    /// not empty.
    #[test]
    fn an_album_is_deleted_after_the_last_photo_has_left_it() {
        let ops = vec![
            op(1, OpKind::Leave, Some(7), 1, Some(9)),
            op(2, OpKind::DeleteAlbum, None, 1, None),
            op(3, OpKind::DeleteAlbum, None, 2, None),
            op(4, OpKind::NameAlbum, None, 3, None),
            op(5, OpKind::NameAlbum, None, 3, None),
        ];
        assert_eq!(numbers(&unblocked(ops)), [1, 3, 4]);
        assert_eq!(numbers(&first_batch(unblocked(vec![op(2, OpKind::DeleteAlbum, None, 1, None)]))), [2]);
        let ops = vec![op(1, OpKind::Trash, Some(7), 1, None), op(2, OpKind::DeleteAlbum, None, 2, None)];
        assert_eq!(numbers(&unblocked(ops)), [1], "the photo may be in that album, too");
    }
}
