//! The whole tree (semantics 1 and 3): archived, hidden and shared albums, names of any kind, facts as attributes.

use crate::common::{Client, World, await_that, jpeg, sorted};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[track_caller]
fn refused<T>(outcome: std::io::Result<T>) -> i32 {
    outcome.err().expect("it is refused").raw_os_error().expect("an errno")
}

/// "rename `Albums/X` to `Archive/X`, and back: archive, unarchive the album." Hidden ones only with `-o show_hidden`; both are homes.
#[test]
fn albums_are_archived_hidden_and_shown_again_by_moving_them() {
    let Some(world) = World::start() else { return };
    let (mut device, client) = (world.mounted(), world.client());
    fs::create_dir(device.path("Drop/Trip")).expect("a directory");
    fs::write(device.path("Drop/Trip/x.jpg"), jpeg(31, 20_000)).expect("a photo");
    device.wait_idle();
    let ino = fs::metadata(device.path("Albums/Trip")).expect("it is there").ino();
    fs::create_dir(device.path("Archive/Other")).expect("an archived album of its own");
    fs::rename(device.path("Albums/Trip"), device.path("Archive/Old trip")).expect("archived, under another name");
    assert_eq!(
        (sorted(&device.path("Albums")), sorted(&device.path("Archive"))),
        (vec![], vec!["Old trip".into(), "Other".into()])
    );
    assert_eq!(fs::metadata(device.path("Archive/Old trip")).expect("at once").ino(), ino);
    assert_eq!(fs::metadata(device.path("Archive/Old trip/x.jpg")).expect("it came along").nlink(), 1);
    device.wait_idle();
    assert_eq!((client.visibility("Old trip"), client.visibility("Other")), (1, 1));
    fs::rename(device.path("Archive/Old trip"), device.path("Albums/Old trip")).expect("and back");
    device.wait_idle();
    assert_eq!((client.visibility("Old trip"), sorted(&device.path("Albums"))), (0, vec!["Old trip".into()]));
    // By another device, and hidden: gone from here, but a home (4.1), and there when asked for.
    client.create_album("Second");
    client.add(&client.photo("x.jpg"), "Second");
    client.set_visibility("Old trip", 2);
    await_that("the hidden album goes", || sorted(&device.path("Albums")) == ["Second"]);
    assert!(fs::metadata(device.path("Hidden")).is_err(), "only when it is asked for");
    fs::remove_file(device.path("Albums/Second/x.jpg")).expect("out of the album");
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("x.jpg").albums), ["Old trip"], "the hidden album is its home");
    device.unmount();
    device.set_options("show_hidden");
    device.mount();
    assert_eq!(sorted(&device.path("Hidden/Old trip")), ["x.jpg"]);
    fs::rename(device.path("Hidden/Old trip"), device.path("Albums/Old trip")).expect("shown again");
    device.wait_idle();
    assert_eq!(client.visibility("Old trip"), 0);
}

/// `Shared/<owner email>/<album>/`: a viewer looks (EROFS), a collaborator uploads to the own Uncategorized and adds; own
/// photos leave, others' stay (EPERM), and are copied out (EXDEV).
#[test]
fn shared_albums_take_what_the_role_allows() {
    let Some(world) = World::start() else { return };
    let (mine, owner) = (world.client(), world.friend("grace@example.org"));
    let (theirs, here) = (world.mounted_for(&owner.email), world.mounted());
    fs::create_dir(theirs.path("Drop/Party")).expect("a directory");
    let bytes = jpeg(41, 150_000);
    fs::write(theirs.path("Drop/Party/theirs.jpg"), &bytes).expect("a photo");
    theirs.wait_idle();
    owner.share("Party", mine, "VIEWER");
    let album = here.path("Shared/grace@example.org/Party");
    await_that("the shared album", || album.join("theirs.jpg").exists());
    assert_eq!(sorted(&here.path("Shared")), ["grace@example.org"]);
    assert!(fs::read(album.join("theirs.jpg")).expect("it reads") == bytes);
    assert_eq!(refused(fs::write(album.join("mine.jpg"), b"x")), libc::EROFS);
    assert_eq!(refused(fs::File::options().write(true).open(album.join("theirs.jpg"))), libc::EROFS);
    assert_eq!(refused(fs::remove_file(album.join("theirs.jpg"))), libc::EPERM);
    assert_eq!(refused(fs::rename(album.join("theirs.jpg"), here.path("Favorites/theirs.jpg"))), libc::EXDEV);
    assert_eq!(refused(fs::rename(album.join("theirs.jpg"), album.join("other.jpg"))), libc::EPERM);
    assert_eq!(refused(fs::rename(&album, here.path("Albums/Party"))), libc::EPERM);
    assert_eq!(refused(fs::create_dir(here.path("Shared/x"))), libc::EPERM);
    owner.share("Party", mine, "COLLABORATOR");
    await_that("the new role", || fs::write(album.join("mine.jpg"), jpeg(42, 9000)).is_ok());
    here.wait_idle();
    assert_eq!(sorted(&album), ["mine.jpg", "theirs.jpg"]);
    assert_eq!(Vec::from_iter(&mine.photo("mine.jpg").albums), ["Party", "Uncategorized"]);
    await_that("the owner sees it", || theirs.path("Albums/Party/mine.jpg").exists());
    assert_eq!(refused(fs::remove_file(theirs.path("Albums/Party/mine.jpg"))), libc::EPERM, "it is not the owner's");
    // An own photo moves between own and shared albums.
    fs::create_dir(here.path("Albums/Own")).expect("an album");
    fs::rename(album.join("mine.jpg"), here.path("Albums/Own/mine.jpg")).expect("out of it");
    here.wait_idle();
    assert_eq!(Vec::from_iter(&mine.photo("mine.jpg").albums), ["Own"]);
    fs::hard_link(here.path("Albums/Own/mine.jpg"), album.join("mine.jpg")).expect("and into it");
    here.wait_idle();
    assert_eq!(Vec::from_iter(&mine.photo("mine.jpg").albums), ["Own", "Party"]);
    fs::remove_file(album.join("mine.jpg")).expect("own photos leave");
    here.wait_idle();
    here.refresh();
    assert_eq!(Vec::from_iter(&mine.photo("mine.jpg").albums), ["Own"]);
    assert_eq!(sorted(&album), ["theirs.jpg"]);
    assert_eq!(mine.trashed(), []);
}

/// Issue 4, point 6: "titles with `/`, NUL, `..`, newlines, 300 bytes, NFD, emoji, equal names, names equal but for
/// case: listed, openable, stable when siblings go; nothing escapes the mount."
#[test]
fn hostile_titles_are_listed_openable_and_stable() {
    let Some(world) = World::start() else { return };
    let (mut device, client) = (world.mounted(), world.client());
    let long = format!("{}é.jpg", "x".repeat(300));
    let titles = [
        "../../etc/passwd",
        "nul\0nul.jpg",
        "..",
        ".",
        "two\nlines.jpg",
        &long,
        "e\u{301}.jpg",
        "\u{e9}.jpg",
        "\u{1f4f7}\u{1f3fd}.jpg",
        "same.jpg",
        "same.jpg",
        "SAME.jpg",
        "/",
        "a/b/c.jpg",
        " ",
        "-rf",
        "\u{1b}[31mred.jpg",
    ];
    fs::create_dir(device.path("Drop/Odd")).expect("a directory");
    for number in 0..titles.len() {
        fs::write(device.path(&format!("Drop/Odd/{number:02}.jpg")), jpeg(500 + number as u64, 2000)).expect("a photo");
    }
    device.wait_idle();
    for photo in client.photos() {
        let number: usize = photo.title[..2].parse().expect("a number");
        client.rename(&photo, titles[number]);
    }
    for name in ["../up", "nul\0", "..", "line\nbreak", &long] {
        client.create_album(name);
    }
    device.refresh();
    let dir = device.path("Albums/Odd");
    let names = sorted(&dir);
    assert_eq!(names.len(), titles.len(), "each is listed once: {names:?}");
    for name in &names {
        assert!(name.len() <= 255 && !name.contains(['/', '\0']) && name != "." && name != "..", "{name:?}");
        assert!(fs::read(dir.join(name)).expect("it opens").len() >= 2000, "{name:?}");
    }
    for expected in [
        ".._.._etc_passwd",
        "nul_nul.jpg",
        "two\nlines.jpg",
        "e\u{301}.jpg",
        "\u{e9}.jpg",
        "same.jpg",
        "same (2).jpg",
        "SAME.jpg",
        "_",
        "-rf",
    ] {
        assert!(names.iter().any(|name| name == expected), "{expected:?} in {names:?}");
    }
    assert_eq!(sorted(&device.path("Albums")).len(), 6, "albums are named by the same rules");
    // Whatever goes, nothing else is called otherwise; a remount changes nothing.
    fs::remove_file(dir.join("same.jpg")).expect("out of the album");
    device.wait_idle();
    device.remount();
    let left: Vec<String> = names.into_iter().filter(|name| name != "same.jpg").collect();
    assert_eq!(sorted(&dir), left);
    for name in &left {
        fs::rename(dir.join(name), device.path("Favorites").join(name)).expect("it moves under its name");
        assert!(device.path("Favorites").join(name).exists(), "{name:?}");
    }
    device.wait_idle();
    device.remount();
    assert_eq!(sorted(&device.path("Favorites")), left);
    assert_eq!(client.photos().len(), titles.len());
}

/// "xattr `user.ente.*`: read-only facts … `hash`, `taken`, `type` …; `listxattr` names only the latter."
#[test]
fn what_is_known_of_a_photo_is_in_its_attributes() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    fs::write(device.path("Drop/IMG_20240102_030405.jpg"), jpeg(61, 5000)).expect("a photo");
    device.wait_idle();
    let photo = world.client().photo("IMG_20240102_030405.jpg");
    for path in ["Drop/IMG_20240102_030405.jpg", "Albums/Drop/IMG_20240102_030405.jpg"] {
        let get = |word: &str| {
            let value = xattr::get(device.path(path), format!("user.ente.{word}")).expect("it can be asked");
            value.map(|value| String::from_utf8(value).expect("text"))
        };
        assert_eq!((get("hash"), get("type").as_deref()), (Some(photo.hash.clone()), Some("image")));
        assert!(get("taken").is_some_and(|taken| taken.starts_with("2024-01-02T") || taken.starts_with("2024-01-01T")));
        assert_eq!((get("caption"), get("place"), get("nonsense")), (None, None, None));
        assert_eq!(xattr::list(device.path(path)).expect("it can be listed").count(), 0);
        assert!(xattr::set(device.path(path), "user.ente.caption", b"x").is_err(), "facts are read-only");
    }
}

/// "`.Trash-$UID` at the root is accepted and virtual, with `files/` and `info/` only: moving a photo into it takes the photo
/// out of that album and keeps the entry there as one more name; moving it back restores the membership; removing it
/// there only forgets the entry. A directory moved there gives up its photos, then the emptied album."
#[test]
fn a_file_managers_trash_takes_photos_out_of_albums_and_gives_them_back() {
    let Some(world) = World::start() else { return };
    let (mut device, client) = (world.mounted(), world.client());
    let bytes = jpeg(71, 40_000);
    fs::create_dir(device.path("Drop/A")).expect("a directory");
    for (name, photo) in [("x.jpg", bytes.clone()), ("y.jpg", jpeg(72, 3000))] {
        fs::write(device.path("Drop/A").join(name), photo).expect("a photo");
    }
    device.wait_idle();
    let trash = device.path(&format!(".Trash-{}", rustix::process::geteuid().as_raw()));
    assert_eq!(
        (sorted(&trash), fs::metadata(&trash).expect("it is there").mode() & 0o777),
        (vec!["files".into(), "info".into()], 0o700)
    );
    assert_eq!(refused(fs::write(trash.join("files/copy.jpg"), &bytes)), libc::EPERM, "nothing is copied");
    assert_eq!(refused(fs::create_dir(trash.join("other"))), libc::EPERM);
    fs::write(trash.join("info/x.jpg.trashinfo"), b"[Trash Info]").expect("what file managers note");
    let (album, trashed) = (device.path("Albums/A/x.jpg"), trash.join("files/x.jpg"));
    fs::rename(&album, &trashed).expect("into the trash");
    assert!(fs::read(&trashed).expect("it reads there") == bytes && !album.exists());
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("x.jpg").albums), ["Uncategorized"], "as by rm");
    device.remount();
    assert_eq!(sorted(&trash.join("info")), ["x.jpg.trashinfo"], "it stays here and is not sent");
    fs::rename(&trashed, &album).expect("and back");
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("x.jpg").albums), ["A"]);
    assert!(fs::read(&album).expect("it reads") == bytes);
    // From Uncategorized it is hidden, until it is forgotten or restored; nothing is sent.
    fs::remove_file(&album).expect("out of its last album");
    device.wait_idle();
    let home = device.path("Uncategorized/x.jpg");
    fs::rename(&home, &trashed).expect("into the trash");
    device.wait_idle();
    device.refresh();
    assert!(!home.exists() && trashed.exists());
    fs::remove_file(&trashed).expect("forgotten");
    assert!(home.exists(), "nothing is lost");
    fs::rename(&home, &trashed).expect("into the trash again");
    fs::rename(&trashed, &album).expect("restored elsewhere");
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("x.jpg").albums), ["A"]);
    // A whole album.
    fs::rename(device.path("Albums/A"), trash.join("files/A")).expect("a directory");
    device.wait_idle();
    assert_eq!((sorted(&trash.join("files/A")), client.album_names()), (vec!["x.jpg".into(), "y.jpg".into()], vec![]));
    assert_eq!(sorted(&device.path("Uncategorized")), ["x.jpg", "y.jpg"]);
    fs::remove_dir_all(trash.join("files/A")).expect("the trash is emptied");
    device.wait_idle();
    assert_eq!((client.photos().len(), client.trashed().len()), (2, 0), "nothing was deleted in Ente");
    // Into a drop, it joins the album that the directory maps to.
    fs::rename(device.path("Uncategorized/y.jpg"), trash.join("files/y.jpg")).expect("into the trash");
    fs::create_dir(device.path("Drop/Other")).expect("a directory");
    fs::rename(trash.join("files/y.jpg"), device.path("Drop/Other/y.jpg")).expect("into a drop");
    device.wait_idle();
    assert_eq!(Vec::from_iter(&client.photo("y.jpg").albums), ["Other"]);
    // An entry of a drop that is not sent yet waits there, and is sent once it is back.
    fs::write(device.path("Drop/A/late.jpg"), jpeg(73, 3000)).expect("a photo");
    fs::rename(device.path("Drop/A/late.jpg"), trash.join("files/late.jpg")).expect("into the trash");
    device.wait_idle();
    assert_eq!(client.photos().len(), 2);
    fs::rename(trash.join("files/late.jpg"), device.path("Drop/A/late.jpg")).expect("and back");
    device.wait_idle();
    assert_eq!(client.photos().len(), 3);
}

/// "A directory moved there gives up its photos, then the emptied album." Moved back, it is an album again.
#[test]
fn an_album_comes_back_from_a_file_managers_trash_as_a_whole() {
    let Some(world) = World::start() else { return };
    let (mut device, client) = (world.device(), world.client());
    // An album counts as many removals: two of them are more than so few photos allow.
    device.set_options("removal_limit=off");
    device.mount();
    let (album, bytes) = (device.path("Albums/A"), jpeg(75, 40_000));
    fs::create_dir_all(device.path("Drop/A")).expect("a directory");
    for (name, photo) in [("x.jpg", &bytes), ("y.jpg", &jpeg(76, 3000))] {
        fs::write(device.path("Drop/A").join(name), photo).expect("a photo");
    }
    fs::create_dir(device.path("Albums/B")).expect("an album");
    device.wait_idle();
    fs::hard_link(album.join("x.jpg"), device.path("Albums/B/x.jpg")).expect("in two albums");
    fs::write(album.join("notes.txt"), b"not for Ente").expect("a file of this machine");
    fs::create_dir(album.join("Sub")).expect("a directory of this machine");
    fs::write(album.join("Sub/z.jpg"), jpeg(77, 3000)).expect("a photo");
    device.wait_idle();
    let trash = device.path(&format!(".Trash-{}/files", rustix::process::geteuid().as_raw()));
    fs::rename(&album, trash.join("A")).expect("into the trash");
    device.wait_idle();
    assert_eq!(
        (client.album_names(), sorted(&device.path("Uncategorized"))),
        (names(["A - Sub", "B"]), names(["y.jpg"]))
    );
    assert_eq!(refused(fs::rename(trash.join("A"), device.path("Shared/A"))), libc::EPERM);
    fs::rename(trash.join("A"), &album).expect("and back");
    let check = |album: &Path| {
        assert_eq!(sorted(album), ["Sub", "notes.txt", "x.jpg", "y.jpg"]);
        assert!(fs::read(album.join("x.jpg")).expect("it reads") == bytes);
        await_that("both links", || fs::metadata(album.join("x.jpg")).is_ok_and(|found| found.nlink() == 2));
        assert_eq!(fs::read(album.join("notes.txt")).expect("it reads"), b"not for Ente");
        assert_eq!((sorted(&trash), sorted(&device.path("Uncategorized"))), (names([]), names([])));
    };
    check(&album);
    device.wait_idle();
    assert_eq!((albums_of(client, "x.jpg"), albums_of(client, "y.jpg")), (names(["A", "B"]), names(["A"])));
    // In one go, into another list under another name.
    fs::rename(&album, trash.join("A")).expect("into the trash");
    fs::rename(trash.join("A"), device.path("Archive/Old")).expect("restored elsewhere");
    let archived = device.path("Archive/Old");
    check(&archived);
    device.wait_idle();
    assert_eq!((albums_of(client, "x.jpg"), albums_of(client, "y.jpg")), (names(["B", "Old"]), names(["Old"])));
    assert_eq!(albums_of(client, "z.jpg"), names(["Old - Sub"]));
    device.remount();
    assert_eq!(
        (sorted(&archived), sorted(&device.path("Albums"))),
        (names(["Sub", "notes.txt", "x.jpg", "y.jpg"]), names(["A - Sub", "B", "Old - Sub"]))
    );
}

fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(String::from).to_vec()
}

fn albums_of(client: &Client, photo: &str) -> Vec<String> {
    client.photo(photo).albums.iter().cloned().collect()
}

/// What a file manager notes of its trash does not count for the brake: held back, a note would speak of a photo that is
/// not there.
#[test]
fn a_file_managers_notes_do_not_count_as_removals() {
    let Some(world) = World::start() else { return };
    let mut device = world.device();
    device.set_options("removal_limit=2/10m");
    device.mount();
    fs::create_dir(device.path("Drop/A")).expect("a directory");
    for number in 0..3 {
        fs::write(device.path(&format!("Drop/A/{number}.jpg")), jpeg(number, 3000)).expect("a photo");
    }
    device.wait_idle();
    let trash = device.path(&format!(".Trash-{}", rustix::process::geteuid().as_raw()));
    let note = |number| trash.join(format!("info/{number}.jpg.trashinfo"));
    let trashed = |number| trash.join(format!("files/{number}.jpg"));
    let photo = |number| device.path(&format!("Albums/A/{number}.jpg"));
    for number in 0..3 {
        fs::write(note(number), b"[Trash Info]").expect("noted first, as file managers do");
        let moved = fs::rename(photo(number), trashed(number));
        assert_eq!(moved.is_ok(), number < 2, "the third is one too many");
    }
    fs::remove_file(note(2)).expect("its note goes again, also while removals are held back");
    for number in 0..2 {
        fs::rename(trashed(number), photo(number)).expect("restored");
        fs::remove_file(note(number)).expect("and its note goes");
    }
    assert_eq!((sorted(&trash.join("info")), sorted(&device.path("Albums/A")).len()), (names([]), 3));
}

/// "`Timeline/<yyyy>/<yyyy-mm>/`: by capture date: read-only relative symlinks."
#[test]
fn the_timeline_has_a_link_to_each_photo_by_its_month() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let (name, bytes) = ("IMG_20240102_120000.jpg", jpeg(81, 5000));
    fs::create_dir(device.path("Drop/Trip")).expect("a directory");
    fs::write(device.path("Drop").join(name), &bytes).expect("a photo");
    fs::write(device.path("Drop/Trip/IMG_20230506_120000.jpg"), jpeg(82, 5000)).expect("a photo");
    assert_eq!(sorted(&device.path("Timeline")), [""; 0]);
    device.wait_idle();
    assert_eq!(sorted(&device.path("Timeline")), ["2023", "2024"]);
    assert_eq!(sorted(&device.path("Timeline/2024")), ["2024-01"]);
    let month = device.path("Timeline/2024/2024-01");
    let link = month.join(name);
    let leads_to = |album: &str| {
        assert_eq!(sorted(&month), [name]);
        assert_eq!(fs::read_link(&link).expect("a link"), Path::new("../../..").join(album).join(name));
        assert!(fs::read(&link).expect("it leads somewhere") == bytes);
    };
    leads_to("Albums/Drop");
    assert_eq!(refused(fs::write(month.join("x.jpg"), &bytes)), libc::EPERM);
    assert_eq!(refused(fs::create_dir(device.path("Timeline/2025"))), libc::EPERM);
    assert_eq!(refused(fs::remove_file(&link)), libc::EPERM);
    assert_eq!(refused(fs::remove_dir(&month)), libc::EPERM);
    assert_eq!(refused(fs::rename(&link, device.path("Albums/Trip").join(name))), libc::EPERM);
    // The links follow what happens to their photos.
    fs::rename(device.path("Albums/Drop").join(name), device.path("Albums/Trip").join(name)).expect("to another album");
    leads_to("Albums/Trip");
    fs::rename(device.path("Albums/Trip"), device.path("Archive/Old")).expect("archived");
    leads_to("Archive/Old");
    fs::remove_file(device.path("Archive/Old").join(name)).expect("out of its last album");
    leads_to("Uncategorized");
    device.wait_idle();
    device.remount();
    leads_to("Uncategorized");
}
