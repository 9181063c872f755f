//! Rules of the semantics as the shortest sequences that show them; what must hold is in `rules`.

use crate::elsewhere::{Elsewhere, Place};
use crate::operation::{Album, Dir, Op};
use crate::photos::Content;
use crate::{check, check_refused};

const X: Dir = Dir::Album(Album::X);
const Y: Dir = Dir::Album(Album::Y);
const SENT: [Op; 2] = [Op::Wait(15), Op::Work];

fn after(first: &[Op], then: &[Op]) -> Vec<Op> {
    [first, &SENT, then, &SENT].concat()
}

/// 2.1, 2.7: "a drop entry stays where it was written".
#[test]
fn a_photo_that_is_dropped_comes_to_its_album_and_stays_where_it_was_written() {
    check(&after(&[Op::MakeDropX, Op::Write(Dir::DropX, "a.jpg", Content(0))], &[Op::Crash]));
}

/// 2.9: "if it is in the target album, nothing is sent; else it is added to it".
#[test]
fn the_same_photo_in_two_places_is_sent_once() {
    let first = [Op::MakeDropX, Op::Write(Dir::DropX, "a.jpg", Content(0)), Op::Write(Dir::Drop, "a.jpg", Content(0))];
    check(&after(&first, &[Op::MakeAlbum(Album::Y), Op::Write(Y, "a.jpg", Content(0))]));
}

/// 2.10: "a drop entry does not leave because of something done elsewhere".
#[test]
fn a_drop_entry_stays_when_its_photo_is_deleted_elsewhere() {
    check(&after(&[Op::Write(Dir::Drop, "a.jpg", Content(0))], &[Op::Other(Elsewhere::Trash(0)), Op::Pull]));
}

/// 2.12: "the new version takes the old one's place in every own album".
#[test]
fn a_photo_written_over_in_an_album_is_a_new_version_of_it() {
    let first = [Op::MakeAlbum(Album::X), Op::Write(X, "a.jpg", Content(0))];
    check(&after(&first, &[Op::Write(X, "a.jpg", Content(1)), Op::Crash]));
    check(&after(&first, &[Op::Patch(X, "a.jpg", Content(2)), Op::Crash]));
}

/// 2.12, of a drop entry.
#[test]
fn a_drop_entry_written_over_is_a_new_version_of_its_photo() {
    check(&after(&[Op::Write(Dir::Drop, "a.jpg", Content(0))], &[Op::Write(Dir::Drop, "a.jpg", Content(1))]));
}

/// 3: "`mkdir Albums/X`: an album", "`rmdir Albums/X`: deletes the empty album; not empty: ENOTEMPTY".
#[test]
fn an_album_is_made_and_removed_by_its_directory_but_not_with_photos_in_it() {
    check(&[Op::MakeAlbum(Album::X), Op::Wait(15), Op::Work, Op::RemoveAlbum(Album::X)]);
    let first = [Op::MakeAlbum(Album::X), Op::Write(X, "a.jpg", Content(0))];
    check_refused(&after(&first, &[]), Op::RemoveAlbum(Album::X), libc::ENOTEMPTY);
}

/// 3: "rename an album directory: renames the album".
#[test]
fn an_album_is_renamed_by_its_directory() {
    let first = [Op::MakeAlbum(Album::X), Op::Write(X, "a.jpg", Content(0))];
    check(&after(&first, &[Op::RenameAlbum(Album::X, Album::Y)]));
}

/// 3: "rename a file within an album: sets `editedName`: one name, in every album".
#[test]
fn a_photo_is_renamed_in_every_album_by_any_of_its_names() {
    let upload = Op::Other(Elsewhere::Upload(Place::X, "a.jpg", Content(0)));
    let both = [upload, Op::Other(Elsewhere::MakeAlbum(Place::Y)), Op::Other(Elsewhere::Add(0, Place::Y)), Op::Pull];
    check(&after(&both, &[Op::Rename(X, "a.jpg", X, "b.jpg")]));
}

/// 3: "rename a file from album to album: a server-side move; also from and to `Favorites/` and `Uncategorized/`".
#[test]
fn a_photo_moves_from_album_to_album() {
    let first = [Op::MakeAlbum(Album::X), Op::MakeAlbum(Album::Y), Op::Write(X, "a.jpg", Content(0))];
    for to in [Y, Dir::Favorites, Dir::Uncategorized] {
        check(&after(&first, &[Op::Rename(X, "a.jpg", to, "b.jpg"), Op::Work, Op::Rename(to, "b.jpg", X, "b.jpg")]));
    }
}

/// 3: "rename a file within a drop, once sent: same directory: `editedName`; another: moves to that directory's album".
#[test]
fn a_drop_entry_that_is_renamed_takes_its_photo_along() {
    let first = [Op::MakeDropX, Op::Write(Dir::Drop, "a.jpg", Content(0))];
    check(&after(&first, &[Op::Rename(Dir::Drop, "a.jpg", Dir::Drop, "b.jpg")]));
    check(&after(&first, &[Op::Rename(Dir::Drop, "a.jpg", Dir::DropX, "a.jpg")]));
}

/// 3: "rename from a drop into an album: not sent: another target; sent: a server-side move, and the drop entry ends".
#[test]
fn a_drop_entry_that_goes_into_an_album_is_its_photo() {
    let first = [Op::MakeAlbum(Album::X), Op::Write(Dir::Drop, "a.jpg", Content(0))];
    let over = Op::Rename(Dir::Drop, "a.jpg", X, "a.jpg");
    check(&[&first[..], &[over], &SENT].concat());
    check(&after(&first, &[over]));
}

/// 3: "rename from an album into a drop: EXDEV: `mv` copies, and dedup links".
#[test]
fn a_photo_of_an_album_is_copied_into_a_drop_not_moved() {
    let first = [Op::MakeAlbum(Album::X), Op::Write(X, "a.jpg", Content(0))];
    check_refused(&after(&first, &[]), Op::Rename(X, "a.jpg", Dir::Drop, "a.jpg"), libc::EXDEV);
    check(&after(&first, &[Op::Write(Dir::Drop, "a.jpg", Content(0)), Op::Unlink(X, "a.jpg")]));
}

/// 3: "rename over something: what is in the way goes first, by the rules of its own removal".
#[test]
fn what_is_in_the_way_of_a_rename_goes_by_the_rules_of_its_removal() {
    let first = [Op::MakeAlbum(Album::X), Op::Write(X, "a.jpg", Content(0)), Op::Write(X, "b.jpg", Content(1))];
    check(&after(&first, &[Op::Rename(X, "a.jpg", X, "b.jpg")]));
    let drops = [Op::Write(Dir::Drop, "a.jpg", Content(0)), Op::Write(Dir::Drop, "b.jpg", Content(1))];
    check(&after(&drops, &[Op::Rename(Dir::Drop, "a.jpg", Dir::Drop, "b.jpg")]));
}

/// 3: "`setattr` mtime: shown at once".
#[test]
fn a_time_that_is_set_is_shown_at_once() {
    let first = [Op::Write(Dir::Drop, "a.jpg", Content(0)), Op::Touch(Dir::Drop, "a.jpg", 1_500_000_000)];
    check(&after(&first, &[Op::Touch(Dir::Drop, "a.jpg", 1_500_000_001), Op::Crash]));
}

/// 3: "changes that Ente refuses: the view goes back".
#[test]
fn a_change_to_what_is_gone_meanwhile_goes_back() {
    let first = [Op::MakeAlbum(Album::X), Op::MakeAlbum(Album::Y), Op::Write(X, "a.jpg", Content(0))];
    let gone = Op::Other(Elsewhere::DeleteAlbum(Place::Y));
    check(&after(&first, &[gone, Op::Rename(X, "a.jpg", Y, "a.jpg"), Op::Work]));
}

/// 4.1: "if this was its last home it goes to Uncategorized". 4.2: "`unlink` in `Uncategorized/`: EPERM".
#[test]
fn a_photo_removed_from_its_last_album_is_in_uncategorized_and_stays_there() {
    let first = [Op::MakeAlbum(Album::X), Op::Write(X, "a.jpg", Content(0))];
    let removed = after(&first, &[Op::Unlink(X, "a.jpg")]);
    check(&removed);
    check_refused(&removed, Op::Unlink(Dir::Uncategorized, "a.jpg"), libc::EPERM);
}

/// 3, 4.2: out of the trash into an album; and, on a mount that allows it, into the trash and back.
#[test]
fn a_photo_goes_to_the_trash_and_comes_back() {
    let first = [Op::MakeAlbum(Album::X), Op::Write(X, "a.jpg", Content(0))];
    let back = Op::Rename(Dir::Trash, "a.jpg", X, "b.jpg");
    check(&after(&first, &[Op::Other(Elsewhere::Trash(0)), Op::Pull, back]));
    let gone = [Op::AllowTrash, Op::Unlink(X, "a.jpg"), Op::Unlink(Dir::Uncategorized, "a.jpg")];
    check(&after(&first, &[&gone[..], &[back]].concat()));
    check(&after(&first, &[&gone[..], &[Op::Work, back]].concat()));
    check(&after(&first, &[Op::AllowTrash, Op::Rename(X, "a.jpg", Dir::Trash, "a.jpg"), Op::Work, back]));
    check_refused(&after(&first, &gone), Op::Unlink(Dir::Trash, "a.jpg"), libc::EPERM);
    check_refused(&after(&first, &[]), Op::Rename(X, "a.jpg", Dir::Trash, "a.jpg"), libc::EPERM);
}

/// 4.3: "`unlink` in a drop takes the entry, not the photo".
#[test]
fn a_drop_entry_that_is_removed_leaves_its_photo_in_ente() {
    let written = [Op::Write(Dir::Drop, "a.jpg", Content(0))];
    check(&after(&written, &[Op::Unlink(Dir::Drop, "a.jpg")]));
    check(&[&written[..], &[Op::Unlink(Dir::Drop, "a.jpg")], &SENT].concat());
}

/// 5.5, 6.2: "changes go out in order, per photo, when the network is back".
#[test]
fn what_is_done_offline_goes_out_when_the_network_is_back() {
    let first = [Op::MakeAlbum(Album::X), Op::MakeAlbum(Album::Y), Op::Write(X, "a.jpg", Content(0))];
    let offline = [
        Op::Down,
        Op::Rename(X, "a.jpg", Y, "b.jpg"),
        Op::Write(Dir::Drop, "b.jpg", Content(1)),
        Op::Work,
        Op::Rename(Y, "b.jpg", Dir::Favorites, "a.jpg"),
        Op::Crash,
        Op::Up,
    ];
    check(&after(&first, &offline));
}
