//! Sequences that once failed, cut down to what they need.

use crate::elsewhere::{Elsewhere, Place};
use crate::operation::{Album, Dir, Op};
use crate::photos::Content;
use crate::remote::When;
use crate::{check, check_live, check_refused};

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

/// Its inode went on pointing at bytes that were gone: the photo could not be read any more.
#[test]
fn a_photo_written_over_with_the_bytes_of_another_can_be_read() {
    let (x, y) = (Dir::Album(Album::X), Dir::Album(Album::Y));
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(Dir::Uncategorized, "b.jpg", Content(1)),
        Op::Write(x, "b.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Write(Dir::Uncategorized, "b.jpg", Content(3)),
    ]);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::MakeAlbum(Album::Y),
        Op::Write(x, "b.jpg", Content(1)),
        Op::Write(y, "b.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Write(x, "b.jpg", Content(3)),
    ]);
}

/// The bytes were dropped with the name of the directory, or tried for ever to get to the album.
#[test]
fn a_file_written_to_an_album_that_goes_elsewhere_comes_to_ente() {
    let first = [Op::MakeAlbum(Album::X), Op::Wait(15), Op::Work];
    let written = Op::Write(Dir::Album(Album::X), "a.jpg", Content(2));
    for gone in [Elsewhere::DeleteAlbum(Place::X), Elsewhere::Archive(Place::X, true)] {
        check(&[&first[..], &[Op::Other(gone), written]].concat());
        check(&[&first[..], &[written, Op::Other(gone), Op::Pull]].concat());
        check(&[&first[..], &[written, Op::Wait(15), Op::Other(gone), Op::Pull]].concat());
    }
}

/// The same for new bytes of a photo that goes to the trash elsewhere.
#[test]
fn new_bytes_of_a_photo_that_is_trashed_elsewhere_come_to_ente() {
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(Dir::Album(Album::X), "a.jpg", Content(0)),
        Op::Wait(15),
        Op::Work,
        Op::Write(Dir::Album(Album::X), "a.jpg", Content(1)),
        Op::Other(Elsewhere::Trash(0)),
        Op::Pull,
    ]);
}

/// What was in its way was the photo itself, which was thrown out of its album.
#[test]
fn a_drop_entry_that_goes_to_the_album_it_is_in_stays_there() {
    check(&[
        Op::MakeDropX,
        Op::Write(Dir::DropX, "b.jpg", Content(1)),
        Op::Wait(15),
        Op::Upload,
        Op::Rename(Dir::DropX, "b.jpg", Dir::Album(Album::X), "b.jpg"),
    ]);
}

/// It was done by half: what cannot be removed there was left, and the photo came beside it under another name.
#[test]
fn a_rename_over_a_photo_in_uncategorized_is_refused() {
    let y = Dir::Album(Album::Y);
    let first = [
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::Uncategorized, "b.jpg", Content(3)),
        Op::Write(y, "b.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
    ];
    check_refused(&first, Op::Rename(y, "b.jpg", Dir::Uncategorized, "b.jpg"), libc::EPERM);
}

/// The link was made before the moves that waited, which took the photo away again.
#[test]
fn a_file_equal_to_a_photo_with_changes_that_wait_is_linked_after_them() {
    let (x, y) = (Dir::Album(Album::X), Dir::Album(Album::Y));
    check(&[
        Op::MakeAlbum(Album::X),
        Op::MakeAlbum(Album::Y),
        Op::Write(y, "a.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
        Op::Write(x, "b.jpg", Content(1)),
        Op::Rename(y, "a.jpg", x, "a.jpg"),
        Op::Rename(x, "a.jpg", y, "b.jpg"),
    ]);
}

/// The old version kept the name, and the photo that took its place got a suffix.
#[test]
fn a_drop_entry_written_over_with_the_bytes_of_another_photo_is_that_photo() {
    check(&[
        Op::MakeDropX,
        Op::Write(Dir::Drop, "a.jpg", Content(2)),
        Op::Write(Dir::DropX, "a.jpg", Content(0)),
        Op::Wait(15),
        Op::Work,
        Op::Write(Dir::DropX, "a.jpg", Content(2)),
    ]);
}

/// What other albums show of its photos' links is right at once, wherever its directory is.
#[test]
fn an_album_that_is_archived_elsewhere_stays_a_link_of_its_photos() {
    let both = [
        Op::Other(Elsewhere::Upload(Place::X, "a.jpg", Content(0))),
        Op::Other(Elsewhere::MakeAlbum(Place::Y)),
        Op::Other(Elsewhere::Add(0, Place::Y)),
        Op::Pull,
    ];
    let archive = |there| Op::Other(Elsewhere::Archive(Place::Y, there));
    check(&[&both[..], &[archive(true), Op::Pull]].concat());
    check(&[&both[..], &[archive(true), Op::Pull, archive(false), Op::Pull]].concat());
}

/// The entry ended as its photo as it was, and the new bytes with it: they were in no album, and never sent.
#[test]
fn a_drop_entry_with_new_bytes_that_goes_into_an_album_takes_them_along() {
    let first =
        [Op::MakeDropX, Op::MakeAlbum(Album::X), Op::Write(Dir::DropX, "a.jpg", Content(3)), Op::Wait(15), Op::Work];
    let written = Op::Write(Dir::DropX, "a.jpg", Content(2));
    for dir in [Dir::Favorites, Dir::Album(Album::Y)] {
        let over = Op::Rename(Dir::DropX, "a.jpg", dir, "a.jpg");
        let then = [Op::MakeAlbum(Album::Y), written, over];
        check(&[&first[..], &then].concat());
        check(&[&first[..], &then, &[Op::Crash]].concat());
        check(&[&first[..], &then[..2], &[Op::Wait(15), over]].concat());
    }
}

/// Both removals were refused because of one of them, and the photo came back under a name that was another's by then.
#[test]
fn a_refused_change_takes_no_other_along_and_no_name_that_was_given_meanwhile() {
    check(&[
        Op::MakeDropX,
        Op::MakeAlbum(Album::X),
        Op::Write(Dir::Uncategorized, "b.jpg", Content(2)),
        Op::Write(Dir::Album(Album::X), "b.jpg", Content(0)),
        Op::Write(Dir::DropX, "a.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Other(Elsewhere::Upload(Place::X, "b.jpg", Content(3))),
        Op::Other(Elsewhere::Trash(2)),
        Op::Unlink(Dir::Album(Album::X), "b.jpg"),
        Op::Write(Dir::DropX, "a.jpg", Content(2)),
    ]);
}

/// The name that Ente did not know yet was left to the old version, and the new one got the one before.
#[test]
fn a_photo_renamed_and_written_over_keeps_its_new_name() {
    let x = Dir::Album(Album::X);
    let first = [
        Op::MakeAlbum(Album::X),
        Op::Write(x, "a.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Rename(x, "a.jpg", x, "b.jpg"),
        Op::Work,
    ];
    let rename = Op::Rename(x, "b.jpg", x, "a.jpg");
    for then in [[rename, Op::Write(x, "a.jpg", Content(1))], [Op::Write(x, "b.jpg", Content(1)), rename]] {
        check(&[&first[..], &then].concat());
        check(&[&first[..], &then, &[Op::Wait(15), Op::Fail(2, When::Before), Op::Work]].concat());
    }
    // Prepared, and not sent: nothing can be uploaded yet.
    let prepared = [Op::Write(x, "b.jpg", Content(1)), Op::Wait(15), Op::Down, Op::Upload, rename, Op::Up];
    check(&[&first[..], &prepared].concat());
}

/// It was uploaded a second time, as the photo was to be replaced: by the same bytes, or where another entry kept it.
#[test]
fn a_file_equal_to_a_photo_that_is_being_written_over_is_no_second_photo() {
    let (x, y) = (Dir::Album(Album::X), Dir::Album(Album::Y));
    let sent = [Op::Wait(15), Op::Work];
    let first = [Op::MakeDropX, Op::MakeAlbum(Album::X), Op::MakeAlbum(Album::Y)];
    let unchanged = [Op::Write(y, "a.jpg", Content(1)), Op::Wait(15), Op::Write(x, "a.jpg", Content(1))];
    check(&[&first[..], &[Op::Write(x, "a.jpg", Content(1))], &sent, &unchanged].concat());
    let kept = [Op::Write(Dir::Drop, "b.jpg", Content(0)), Op::Write(x, "b.jpg", Content(1))];
    check(&[&first[..], &[Op::Write(Dir::DropX, "b.jpg", Content(0))], &sent, &kept].concat());
}

/// They were taken for those of the photo, which was in the trash.
#[test]
fn a_drop_entry_written_anew_after_its_photo_was_trashed_is_sent_again() {
    let written = Op::Write(Dir::Drop, "a.jpg", Content(0));
    let trashed = [Op::Other(Elsewhere::Trash(0)), Op::Pull];
    check_live(&[&[written, Op::Wait(15), Op::Work][..], &trashed, &[written]].concat(), Content(0));
}

/// The photo took the entry's name in the album alone, and lost it with the next pull.
#[test]
fn a_drop_entry_that_goes_into_an_album_names_its_photo_where_that_is_called_otherwise() {
    let y = Dir::Album(Album::Y);
    check(&[
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::Drop, "a.jpg", Content(3)),
        Op::Write(y, "a.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Rename(y, "a.jpg", y, "b.jpg"),
        Op::Rename(Dir::Drop, "a.jpg", y, "a.jpg"),
    ]);
}

/// What another device put into it meanwhile had a link too few, and times that were not its own any more.
#[test]
fn an_album_whose_removal_is_refused_is_a_link_of_what_came_to_it() {
    check(&[
        Op::MakeAlbum(Album::X),
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::Album(Album::Y), "a.jpg", Content(0)),
        Op::Wait(15),
        Op::Work,
        Op::RemoveAlbum(Album::X),
        Op::Other(Elsewhere::Add(0, Place::X)),
        Op::Pull,
    ]);
}

/// The file stayed as it was written, and the photo was behind it for good.
#[test]
fn a_rewritten_drop_entry_that_gets_its_old_bytes_in_an_album_is_its_photo_there() {
    let y = Dir::Album(Album::Y);
    check(&[
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::Drop, "a.jpg", Content(0)),
        Op::Wait(15),
        Op::Work,
        Op::Patch(Dir::Drop, "a.jpg", Content(1)),
        Op::Rename(Dir::Drop, "a.jpg", y, "b.jpg"),
        Op::Patch(y, "b.jpg", Content(0)),
    ]);
}

/// It was taken for the photo as it is in Ente, and what had been written to that came back.
#[test]
fn a_file_renamed_over_a_photo_that_was_rewritten_takes_the_place_of_the_new_version() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(Dir::Uncategorized, "b.jpg", Content(0)),
        Op::Wait(15),
        Op::Write(x, "b.jpg", Content(0)),
        Op::Upload,
        Op::Patch(Dir::Uncategorized, "b.jpg", Content(2)),
        Op::Rename(x, "b.jpg", Dir::Uncategorized, "b.jpg"),
    ]);
}

/// The album that the entry stands for had it with a suffix, beside the name that the old version had given up.
#[test]
fn a_new_version_of_a_drop_entry_has_the_name_of_the_one_before_in_every_album() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(x, "b.jpg", Content(3)),
        Op::Write(Dir::Drop, "b.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Patch(Dir::Drop, "b.jpg", Content(0)),
    ]);
}

/// The entry became the photo, which had other bytes by then: what the entry had was nowhere to be seen any more.
#[test]
fn a_drop_entry_whose_photo_is_being_rewritten_in_an_album_is_copied_there_not_moved() {
    let y = Dir::Album(Album::Y);
    let ops = [
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::Drop, "a.jpg", Content(3)),
        Op::Write(y, "a.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Rename(y, "a.jpg", y, "b.jpg"),
        Op::Patch(y, "b.jpg", Content(0)),
    ];
    check_refused(&ops, Op::Rename(Dir::Drop, "a.jpg", y, "a.jpg"), libc::EXDEV);
    check(&[&ops[..], &[Op::Write(y, "a.jpg", Content(3)), Op::Unlink(Dir::Drop, "a.jpg")]].concat());
}

/// It came out from behind the file that was renamed over, and had the name.
#[test]
fn a_photo_behind_a_file_that_something_is_renamed_over_goes_with_it() {
    let x = Dir::Album(Album::X);
    let two = [
        Op::MakeAlbum(Album::X),
        Op::Write(x, "b.jpg", Content(1)),
        Op::Write(x, "a.jpg", Content(2)),
        Op::Wait(15),
        Op::Work,
        Op::Write(Dir::Drop, "c.jpg", Content(3)),
        Op::Rename(Dir::Drop, "c.jpg", x, "b.jpg"),
    ];
    check(&[&two[..], &[Op::Rename(x, "a.jpg", x, "b.jpg")]].concat());
    let over = [Op::Write(Dir::Drop, "d.jpg", Content(0)), Op::Rename(Dir::Drop, "d.jpg", x, "b.jpg")];
    check(&[&two[..], &over].concat());
}

/// The pull that brought the photo's new name gave it a suffix, as if the file over it had been there first.
#[test]
fn a_photo_behind_a_file_that_is_renamed_over_it_keeps_its_name() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(x, "b.jpg", Content(2)),
        Op::Wait(15),
        Op::Work,
        Op::Write(Dir::Uncategorized, "b.jpg", Content(0)),
        Op::Rename(x, "b.jpg", x, "a.jpg"),
        Op::Rename(Dir::Uncategorized, "b.jpg", x, "a.jpg"),
        Op::Push,
    ]);
}

/// The one that was being sent forgot whose place it was to take, when it was written anew.
#[test]
fn a_file_renamed_over_a_photo_and_written_anew_takes_its_place() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(x, "a.jpg", Content(0)),
        Op::Wait(15),
        Op::Work,
        Op::Write(Dir::Drop, "b.jpg", Content(1)),
        Op::Rename(Dir::Drop, "b.jpg", x, "a.jpg"),
        Op::Wait(15),
        Op::Down,
        Op::Upload,
        Op::Patch(x, "a.jpg", Content(2)),
    ]);
}

/// The number of the photo that it could not be linked to was taken for that of its own: it was never registered.
#[test]
fn a_file_that_cannot_be_linked_to_a_photo_trashed_meanwhile_comes_to_ente() {
    let first = [Op::Other(Elsewhere::Upload(Place::X, "b.jpg", Content(2))), Op::Work];
    let then = [Op::Other(Elsewhere::Trash(0)), Op::Write(Dir::Drop, "b.jpg", Content(2))];
    check_live(&[&first[..], &then].concat(), Content(2));
}

/// An album lost its place in it, and what was written had only one in Uncategorized.
#[test]
fn a_file_that_waits_for_a_photo_to_be_replaced_comes_to_the_album_it_goes_to_meanwhile() {
    let y = Dir::Album(Album::Y);
    check(&[
        Op::MakeDropX,
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::Drop, "b.jpg", Content(0)),
        Op::Write(y, "a.jpg", Content(2)),
        Op::Wait(15),
        Op::Work,
        Op::Write(y, "a.jpg", Content(0)),
        Op::Rename(y, "a.jpg", y, "b.jpg"),
        Op::Write(Dir::DropX, "a.jpg", Content(1)),
        Op::Write(Dir::DropX, "b.jpg", Content(2)),
        Op::Wait(15),
        Op::Upload,
        Op::Rename(Dir::DropX, "b.jpg", y, "a.jpg"),
    ]);
}

/// It was shown beside the photo that it became, or the photo under its old name.
#[test]
fn a_file_that_goes_into_an_album_while_its_request_is_out_is_its_photo_there() {
    let (x, y) = (Dir::Album(Album::X), Dir::Album(Album::Y));
    for (from, to, name) in [(Dir::Drop, x, "a.jpg"), (Dir::Drop, x, "b.jpg"), (x, y, "a.jpg"), (x, x, "b.jpg")] {
        // One of these calls is the one that makes the photo.
        for call in 0..12 {
            check(&[
                Op::MakeAlbum(Album::X),
                Op::MakeAlbum(Album::Y),
                Op::Write(from, "a.jpg", Content(1)),
                Op::Wait(15),
                Op::Fail(call, When::After),
                Op::Upload,
                Op::Rename(from, "a.jpg", to, name),
            ]);
        }
    }
}

/// It was tried for ever, and what was sent of it was sent each time anew.
#[test]
fn a_file_removed_while_its_request_is_out_ends_where_that_is_refused() {
    let x = Dir::Album(Album::X);
    for call in 0..12 {
        check(&[
            Op::MakeAlbum(Album::X),
            Op::Wait(15),
            Op::Work,
            Op::Write(x, "a.jpg", Content(1)),
            Op::Wait(15),
            Op::Fail(call, When::Before),
            Op::Upload,
            Op::Unlink(x, "a.jpg"),
            Op::Other(Elsewhere::DeleteAlbum(Place::X)),
        ]);
    }
}

/// What was renamed here, or on another device, was shown under a name that Ente does not have: for good.
#[test]
fn a_file_that_takes_a_photos_place_in_an_album_is_called_as_ente_calls_it() {
    let x = Dir::Album(Album::X);
    let temporary = ".a.jpg.x1Y2z3";
    let first = [Op::MakeAlbum(Album::X), Op::Write(x, "a.jpg", Content(0)), Op::Wait(15), Op::Work];
    let over = |name| [Op::Write(x, temporary, Content(1)), Op::Rename(x, temporary, x, name)];
    let elsewhere = [Op::Other(Elsewhere::Rename(0, "b.jpg")), Op::Pull];
    check(&[&first[..], &over("a.jpg"), &elsewhere].concat());
    check(&[&first[..], &over("a.jpg"), &[Op::Wait(15), Op::Down, Op::Upload, Op::Up], &elsewhere].concat());
    // It has an edited name already, and gets another one before its new bytes are looked at.
    let named = [Op::Rename(x, "a.jpg", x, "b.jpg"), Op::Work];
    let then = [Op::Rename(x, "b.jpg", x, "a.jpg")];
    check(&[&first[..], &named, &over("b.jpg"), &then].concat());
    check(&[&first[..], &named, &over("b.jpg"), &[Op::Wait(15), Op::Down, Op::Upload, Op::Up], &then].concat());
}

/// The album showed it as the entry was called, and Ente called it otherwise.
#[test]
fn a_rewritten_drop_entry_that_goes_into_an_album_names_its_photo() {
    let x = Dir::Album(Album::X);
    let first = [Op::MakeAlbum(Album::X), Op::Write(Dir::Drop, "a.jpg", Content(0)), Op::Wait(15), Op::Work];
    let named = [Op::Other(Elsewhere::Rename(0, "b.jpg")), Op::Pull];
    let written = [Op::Write(Dir::Drop, "a.jpg", Content(1)), Op::Rename(Dir::Drop, "a.jpg", x, "a.jpg")];
    check(&[&first[..], &named, &written].concat());
    check(&[&first[..], &written, &named].concat());
}

/// A file is removed while it is linked, and `then` something happens; whichever call goes wrong.
#[track_caller]
fn check_removed_while_linked(then: &[Op]) {
    let (x, y) = (Dir::Album(Album::X), Dir::Album(Album::Y));
    for when in [When::Before, When::After] {
        for call in 0..8 {
            let removed = [
                Op::MakeAlbum(Album::X),
                Op::MakeAlbum(Album::Y),
                Op::Write(x, "a.jpg", Content(0)),
                Op::Wait(15),
                Op::Work,
                Op::Write(y, "a.jpg", Content(0)),
                Op::Wait(15),
                Op::Fail(call, when),
                Op::Upload,
                Op::Unlink(y, "a.jpg"),
            ];
            check(&[&removed[..], then].concat());
        }
    }
}

/// What it was to be linked to got other bytes: it was sent again and again, for nobody.
#[test]
fn a_file_removed_while_it_is_linked_ends_where_its_photo_is_replaced() {
    check_removed_while_linked(&[Op::Write(Dir::Album(Album::X), "a.jpg", Content(1))]);
}

/// The same where nothing became of the photo.
#[test]
fn a_file_removed_while_it_is_linked_ends() {
    check_removed_while_linked(&[]);
}

/// The second was held against the record of before the first, and taken for done.
#[test]
fn a_photo_renamed_there_and_back_before_either_is_pushed_has_the_last_name() {
    let y = Dir::Album(Album::Y);
    check(&[
        Op::MakeAlbum(Album::Y),
        Op::Write(y, "b.jpg", Content(3)),
        Op::Wait(400),
        Op::Upload,
        Op::Other(Elsewhere::Rename(2, "b.jpg")),
        Op::Upload,
        Op::Rename(y, "b.jpg", y, "a.jpg"),
        Op::Rename(y, "a.jpg", y, "b.jpg"),
    ]);
}

/// The photo was called so in `Trash/` until Ente refused that.
#[test]
fn a_drop_entry_whose_photo_is_in_the_trash_is_renamed_alone() {
    check(&[
        Op::MakeDropX,
        Op::Write(Dir::DropX, "a.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
        Op::Other(Elsewhere::Trash(0)),
        Op::Pull,
        Op::Rename(Dir::DropX, "a.jpg", Dir::DropX, "b.jpg"),
    ]);
}

/// Between its leaving and the push of that it was shown nowhere.
#[test]
fn a_photo_that_leaves_an_album_for_one_that_it_was_taken_out_of_elsewhere_is_shown_there() {
    let y = Dir::Album(Album::Y);
    check(&[
        Op::MakeAlbum(Album::Y),
        Op::Write(y, "a.jpg", Content(2)),
        Op::Write(Dir::Favorites, "a.jpg", Content(2)),
        Op::Wait(15),
        Op::Work,
        Op::Other(Elsewhere::Trash(4)),
        Op::Other(Elsewhere::Restore(4, Place::Y)),
        Op::Unlink(y, "a.jpg"),
        Op::Upload,
    ]);
}

/// It was sent a second time: what was to replace the equal photo waited itself, and was not waited for.
#[test]
fn a_file_equal_to_a_photo_that_another_file_waits_to_replace_is_no_second_photo() {
    let (y, favorites) = (Dir::Album(Album::Y), Dir::Favorites);
    check(&[
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::Drop, "a.jpg", Content(2)),
        Op::Wait(15),
        Op::Work,
        Op::Write(favorites, "a.jpg", Content(0)),
        Op::Patch(favorites, "a.jpg", Content(1)),
        Op::Rename(Dir::Drop, "a.jpg", y, "b.jpg"),
        Op::Write(y, "b.jpg", Content(1)),
        Op::Rename(favorites, "a.jpg", y, "b.jpg"),
        Op::Write(favorites, "b.jpg", Content(1)),
    ]);
}

/// Each would wait for what is to replace the photo that it equals.
#[test]
fn two_photos_that_are_written_over_with_each_others_bytes_come_to_rest() {
    let (x, y) = (Dir::Album(Album::X), Dir::Album(Album::Y));
    for waits in [0, 15] {
        check(&[
            Op::MakeAlbum(Album::X),
            Op::MakeAlbum(Album::Y),
            Op::Write(x, "a.jpg", Content(0)),
            Op::Write(y, "a.jpg", Content(1)),
            Op::Wait(15),
            Op::Work,
            Op::Write(x, "a.jpg", Content(1)),
            Op::Wait(waits),
            Op::Write(y, "a.jpg", Content(0)),
        ]);
    }
}

/// It was taken for the photo, as it has that one's old bytes, and showed the ones that were still to come.
#[test]
fn a_file_with_the_old_bytes_of_a_photo_that_is_rewritten_and_waits_keeps_them() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(x, "a.jpg", Content(0)),
        Op::Write(x, "b.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
        Op::Rename(x, "a.jpg", Dir::Uncategorized, "b.jpg"),
        Op::Rename(x, "b.jpg", x, "a.jpg"),
        Op::Write(x, "a.jpg", Content(0)),
        Op::Rename(x, "a.jpg", x, "b.jpg"),
        Op::Patch(Dir::Uncategorized, "b.jpg", Content(2)),
        Op::Write(x, "a.jpg", Content(3)),
        Op::Rename(x, "a.jpg", x, "b.jpg"),
        Op::Write(x, "b.jpg", Content(1)),
    ]);
}

/// It went to Uncategorized, as it had left the album that its entry was for.
#[test]
fn a_drop_entry_that_goes_into_its_own_album_brings_its_photo_back() {
    check(&[
        Op::MakeDropX,
        Op::Write(Dir::DropX, "a.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Unlink(Dir::Album(Album::X), "a.jpg"),
        Op::Rename(Dir::DropX, "a.jpg", Dir::Album(Album::X), "b.jpg"),
    ]);
}

/// It was sent a second time, as if the photo had been refused to be linked.
#[test]
fn a_file_that_is_touched_before_it_is_linked_is_linked_all_the_same() {
    check(&[
        Op::MakeDropX,
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::Album(Album::Y), "b.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
        Op::Down,
        Op::Write(Dir::DropX, "b.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
        Op::Touch(Dir::DropX, "b.jpg", 1_500_000_002),
    ]);
}

/// It was sent a second time: the server said later that it had joined the album, under an earlier stamp.
#[test]
fn a_file_that_joins_an_album_whose_stamp_goes_back_is_linked() {
    let (x, y) = (Dir::Album(Album::X), Dir::Album(Album::Y));
    let first = [Op::MakeAlbum(Album::X), Op::MakeAlbum(Album::Y), Op::Write(x, "a.jpg", Content(0))];
    let sent = [Op::Write(y, "b.jpg", Content(1)), Op::Wait(15), Op::Work];
    let late = [Op::Other(Elsewhere::Late), Op::Write(y, "a.jpg", Content(0))];
    check(&[&first[..], &sent, &late].concat());
}

/// It was sent a second time: the album that the photo came to elsewhere was being removed here.
#[test]
fn a_file_equal_to_a_photo_that_came_to_an_album_removed_here_is_linked() {
    check(&[
        Op::MakeAlbum(Album::X),
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::Album(Album::X), "b.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::RemoveAlbum(Album::Y),
        Op::Other(Elsewhere::Move(0, Place::X, Place::Y)),
        Op::Write(Dir::Favorites, "b.jpg", Content(0)),
        Op::Write(Dir::Drop, "b.jpg", Content(3)),
    ]);
}

/// It asked for a move out of the album that another device had deleted; that was refused, and the photo stayed where it was.
#[test]
fn an_entry_whose_album_was_deleted_elsewhere_goes_where_it_is_moved() {
    check(&[
        Op::MakeDropX,
        Op::Write(Dir::DropX, "b.jpg", Content(2)),
        Op::Wait(15),
        Op::Work,
        Op::Other(Elsewhere::DeleteAlbum(Place::X)),
        Op::Push,
        Op::Rename(Dir::DropX, "b.jpg", Dir::Favorites, "a.jpg"),
    ]);
}

/// The album was made anew.
#[test]
fn an_entry_renamed_where_it_is_brings_back_no_album_that_was_deleted_elsewhere() {
    check(&[
        Op::MakeDropX,
        Op::Write(Dir::DropX, "a.jpg", Content(0)),
        Op::Wait(15),
        Op::Work,
        Op::Other(Elsewhere::DeleteAlbum(Place::X)),
        Op::Push,
        Op::Rename(Dir::DropX, "a.jpg", Dir::DropX, ".a.jpg.x1Y2z3"),
    ]);
}

/// The photo, renamed in another album, was seen beside the file that is to take its place, which went by itself then.
#[test]
fn a_photo_that_is_renamed_and_the_file_before_it_are_called_alike() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(Dir::Favorites, "b.jpg", Content(1)),
        Op::Write(x, "b.jpg", Content(1)),
        Op::Wait(15),
        Op::Write(x, "a.jpg", Content(0)),
        Op::Work,
        Op::Rename(x, "a.jpg", x, "b.jpg"),
        Op::Rename(Dir::Favorites, "b.jpg", Dir::Favorites, "a.jpg"),
    ]);
}

/// The version in between was another album's photo by its bytes; what was put over it then took that one's place, there too.
#[test]
fn what_is_put_over_a_version_takes_the_place_of_no_photo_that_is_equal_to_it() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(x, "a.jpg", Content(2)),
        Op::Write(Dir::Favorites, "b.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
        Op::Rename(Dir::Favorites, "b.jpg", Dir::Favorites, "a.jpg"),
        Op::Rename(x, "a.jpg", x, "b.jpg"),
        Op::Write(Dir::Favorites, "a.jpg", Content(2)),
        Op::Write(Dir::Favorites, "b.jpg", Content(3)),
        Op::Rename(Dir::Favorites, "b.jpg", Dir::Favorites, "a.jpg"),
    ]);
}

/// It was sent a second time: the photo seemed to be one that a version equal to it was to replace.
#[test]
fn a_file_is_linked_to_a_photo_that_two_versions_are_equal_to() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeDropX,
        Op::MakeAlbum(Album::X),
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::DropX, "a.jpg", Content(1)),
        Op::Write(x, "b.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Write(x, "a.jpg", Content(3)),
        Op::Rename(x, "b.jpg", Dir::Album(Album::Y), "a.jpg"),
        Op::Write(Dir::DropX, "b.jpg", Content(3)),
        Op::Patch(Dir::DropX, "a.jpg", Content(3)),
    ]);
}

/// It took the place of the photo in its way, and left its own beside it.
#[test]
fn an_entry_that_was_written_over_takes_its_photo_along_over_another() {
    let y = Dir::Album(Album::Y);
    check(&[
        Op::MakeDropX,
        Op::MakeAlbum(Album::X),
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::DropX, "b.jpg", Content(0)),
        Op::Write(y, "b.jpg", Content(2)),
        Op::Wait(15),
        Op::Work,
        Op::Write(Dir::DropX, "b.jpg", Content(0)),
        Op::Rename(Dir::DropX, "b.jpg", y, "b.jpg"),
        Op::Rename(y, "b.jpg", y, "a.jpg"),
    ]);
}

/// The kernel was not told of its links: the inode had lost its one name before it got two.
#[test]
fn a_file_that_becomes_a_photo_of_two_albums_shows_two_links() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(x, "a.jpg", Content(0)),
        Op::Write(Dir::Drop, "a.jpg", Content(0)),
        Op::Write(Dir::Drop, "b.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
        Op::Write(x, "b.jpg", Content(2)),
        Op::Rename(x, "b.jpg", x, "a.jpg"),
        Op::Crash,
        Op::Write(x, "b.jpg", Content(2)),
        Op::Other(Elsewhere::Trash(5)),
        Op::Rename(x, "b.jpg", Dir::Drop, "a.jpg"),
        Op::Rename(x, "a.jpg", x, "b.jpg"),
    ]);
}

/// A file of Uncategorized and a version of an album's photo with the same bytes: the photo is the album's.
#[test]
fn a_version_equal_to_a_file_that_no_album_has_is_one_photo() {
    check(&[
        Op::Write(Dir::Uncategorized, "a.jpg", Content(1)),
        Op::Write(Dir::Favorites, "a.jpg", Content(1)),
        Op::Wait(15),
        Op::Work,
        Op::Write(Dir::Uncategorized, "a.jpg", Content(2)),
        Op::Write(Dir::Favorites, "a.jpg", Content(2)),
    ]);
}

/// A file is to take a photo's place, and comes back to it from another album: the photo is behind it again.
#[test]
fn a_photo_is_behind_the_file_that_comes_back_over_it() {
    let x = Dir::Album(Album::X);
    check(&[
        Op::MakeAlbum(Album::X),
        Op::Write(Dir::Uncategorized, "a.jpg", Content(3)),
        Op::Wait(15),
        Op::Work,
        Op::Write(x, "a.jpg", Content(2)),
        Op::Rename(x, "a.jpg", Dir::Uncategorized, "a.jpg"),
        Op::Rename(Dir::Uncategorized, "a.jpg", x, "b.jpg"),
        Op::Rename(x, "b.jpg", Dir::Uncategorized, "a.jpg"),
    ]);
}

/// The file that was to take its place did so all the same: the photo went by itself.
#[test]
fn a_photo_put_beside_the_file_before_it_stays_there() {
    let y = Dir::Album(Album::Y);
    check(&[
        Op::MakeAlbum(Album::Y),
        Op::Write(Dir::Favorites, "b.jpg", Content(1)),
        Op::Write(y, "b.jpg", Content(1)),
        Op::Wait(15),
        Op::Write(y, "a.jpg", Content(3)),
        Op::Work,
        Op::Rename(y, "a.jpg", Dir::Favorites, "b.jpg"),
        Op::Rename(y, "b.jpg", Dir::Favorites, "a.jpg"),
    ]);
}

/// It was sent a second time: what was put over it was not known to be equal yet.
#[test]
fn a_version_that_an_equal_file_is_put_over_is_linked() {
    check(&[
        Op::MakeDropX,
        Op::Write(Dir::DropX, "a.jpg", Content(1)),
        Op::Write(Dir::Favorites, "a.jpg", Content(2)),
        Op::Wait(15),
        Op::Work,
        Op::Patch(Dir::Favorites, "a.jpg", Content(1)),
        Op::Write(Dir::Favorites, "b.jpg", Content(1)),
        Op::Rename(Dir::Favorites, "b.jpg", Dir::Favorites, "a.jpg"),
    ]);
}
