//! Sequences that once failed, cut down to what they need.

use crate::check;
use crate::elsewhere::{Elsewhere, Place};
use crate::operation::{Album, Dir, Op};
use crate::photos::Content;

/// What the entry stands for was remembered as it was before: a rename into an album then left the photo where it was.
#[test]
fn a_listed_drop_entry_becomes_its_photo_when_it_is_registered() {
    check(&[Op::Write(Dir::Drop, "a.jpg", Content(1))]);
}

/// The album was not counted, as it was not shown yet.
#[test]
fn a_photo_of_an_album_that_is_new_here_has_a_link() {
    check(&[Op::Other(Elsewhere::Upload(Place::Y, "b.jpg", Content(2)))]);
}

/// The name that its way was cleared of was looked at first, and the old one stayed.
#[test]
fn a_photo_renamed_over_another_of_its_album_leaves_its_old_name() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(x, "a.jpg", Content(0)),
        Op::Write(x, "b.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
        Op::Rename(x, "a.jpg", x, "b.jpg"),
    ]);
}

/// The old version kept the name, and the new one got a suffix.
#[test]
fn a_photo_written_over_in_uncategorized_keeps_its_name_and_its_inode() {
    check(&[
        Op::Write(Dir::Uncategorized, "b.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Patch(Dir::Uncategorized, "b.jpg", Content(2)),
    ]);
}

/// It was linked to the photo, and changed with it.
#[test]
fn a_file_equal_to_a_photo_that_is_being_written_over_stays_as_it_was_written() {
    let (x, y) = (Dir::Album(Album::X), Dir::Album(Album::Y));
    check(&[
        Op::MakeAlbum(Album::X),
        Op::MakeAlbum(Album::Y),
        Op::Write(x, "a.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
        Op::Write(y, "a.jpg", Content(1)),
        Op::Write(x, "a.jpg", Content(0)),
    ]);
}
