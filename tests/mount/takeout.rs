//! Google Takeout (semantics 2.13).

use crate::common::{Client, Library, Random, World, await_that, dated_jpeg, hash_text, jpeg, movie, number, takeout};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::thread;
use std::time::Duration;

/// A sidecar as Takeout writes it.
fn sidecar(title: &str, taken: i64, caption: &str, favorite: bool) -> String {
    let favorited = if favorite { r#", "favorited": true"# } else { "" };
    format!(
        r#"{{"title": "{title}", "description": "{caption}", "photoTakenTime": {{"timestamp": "{taken}"}},
            "geoData": {{"latitude": 64.25, "longitude": -21.5, "altitude": 0.0}}{favorited}}}"#
    )
}

/// "Google Takeout sidecars beside a photo (`*.json`, `metadata/`) set dates, place, caption and favourite as Ente's
/// desktop does."
#[test]
fn a_sidecar_beside_a_photo_sets_its_date_place_caption_and_favorite() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let dir = device.drop_dir().join("Iceland");
    fs::create_dir_all(dir.join("metadata")).unwrap();
    fs::write(dir.join("a.jpg.supplemental-metadata.json"), sidecar("a.jpg", 1_500_000_000, "ice", true)).unwrap();
    fs::write(dir.join("metadata/b.jpg.json"), sidecar("b.jpg", 1_400_000_000, "", false)).unwrap();
    for (seed, name) in [(1, "a.jpg"), (2, "a-edited.jpg"), (3, "b.jpg"), (4, "c.jpg")] {
        fs::write(dir.join(name), jpeg(seed, 100)).unwrap();
    }
    device.wait_idle();
    let client = world.client();
    let told = |name: &str| {
        let photo = client.photo(name);
        (photo.taken(), photo.place(), photo.caption().map(str::to_owned), photo.albums.contains("Favorites"))
    };
    let place = Some((64.25, -21.5));
    assert_eq!(told("a.jpg"), (1_500_000_000, place, Some("ice".into()), true));
    assert_eq!(told("a-edited.jpg"), (1_500_000_000, place, Some("ice".into()), true));
    assert_eq!(told("b.jpg"), (1_400_000_000, place, None, false));
    assert!(told("c.jpg").0 > 1_700_000_000);
    assert!(!client.photo("a.jpg").public.contains_key("editedTime"), "it was right from the start");
    assert!(client.photos().iter().all(|photo| photo.albums.contains("Iceland")));
}

/// "One that comes after its photo is registered is applied as an edit."
#[test]
fn a_sidecar_that_comes_late_is_an_edit() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let dir = device.drop_dir().join("Iceland");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("a(1).jpg"), jpeg(1, 100)).unwrap();
    fs::create_dir(device.path("Albums/Own")).unwrap();
    fs::write(device.path("Albums/Own/in album.jpg"), jpeg(2, 100)).unwrap();
    device.wait_idle();
    fs::write(dir.join("a.jpg(1).json"), sidecar("a.jpg", 1_500_000_000, "ice", true)).unwrap();
    fs::write(device.path("Albums/Own/in album.jpg.json"), sidecar("in album.jpg", 1_400_000_000, "", false)).unwrap();
    let client = world.client();
    await_that("both are edited", || {
        client.photo("a(1).jpg").taken() == 1_500_000_000 && client.photo("in album.jpg").taken() == 1_400_000_000
    });
    device.wait_idle();
    let photo = client.photo("a(1).jpg");
    assert_eq!((photo.caption(), photo.place()), (Some("ice"), Some((64.25, -21.5))));
    assert!(photo.albums.contains("Favorites"));
    assert_eq!(photo.public.get("w").and_then(serde_json::Value::as_i64), Some(320), "what was known stays");
    device.refresh();
    assert_eq!(device.status().troubles, []);
}

/// Ente has exactly these photos, each once, with the right date, place, caption and albums.
#[track_caller]
fn check_library(client: &Client, library: &Library) {
    let mut missing = library.clone();
    for photo in client.photos() {
        let key = (photo.title.clone(), photo.hash.clone());
        let expected = missing.remove(&key).unwrap_or_else(|| panic!("{key:?}: doubled or foreign"));
        assert_eq!(photo.albums, expected.albums, "{key:?}");
        if let Some(taken) = expected.taken {
            assert_eq!(photo.taken(), taken, "{key:?}");
        }
        let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
        let same = match (photo.place(), expected.place) {
            (Some(found), Some(place)) => near(found.0, place.0) && near(found.1, place.1),
            (found, place) => found.is_none() && place.is_none(),
        };
        assert!(same, "{key:?}: {:?}, not {:?}", photo.place(), expected.place);
        assert_eq!(photo.caption(), expected.caption.as_deref(), "{key:?}");
        assert!(!photo.public.contains_key("editedTime"), "{key:?}: it was not right from the start");
    }
    assert!(missing.is_empty(), "not in Ente: {:?}", missing.keys().collect::<Vec<_>>());
    let names = client.album_names();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "two albums of one name: {names:?}");
}

fn import(archives: &[PathBuf], options: &[&str]) -> Vec<String> {
    let paths = archives.iter().map(|path| path.to_string_lossy().into_owned());
    ["import"].into_iter().chain(options.iter().copied()).map(str::to_owned).chain(paths).collect()
}

#[track_caller]
fn text_of(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A Takeout of the published shape, with edited copies, cut names, `(1)` suffixes and split sidecars, arrives with every
/// date, place, caption, album and favorite right. Without a mount; `ENTEFS_TEST_TAKEOUT` raises the figure.
#[test]
fn a_takeout_arrives_as_it_was_and_again_adds_nothing() {
    let photos = number("ENTEFS_TEST_TAKEOUT", 200) as usize;
    let world = World::unmounted();
    let (archives, library) = takeout(&world.path(""), photos);
    let device = world.device();
    let said = text_of(&device.run(import(&archives, &["--dry-run"])), 0);
    assert!(said.contains("Été: 2019/20") && said.contains("neither image nor video: 1"), "{said}");
    assert_eq!(world.client().photos().len(), 0, "a dry run does nothing");

    text_of(&device.run(import(&archives, &[])), 0);
    check_library(world.client(), &library);
    let again = text_of(&device.run(import(&archives, &[])), 0);
    assert!(again.contains("0 uploaded or linked by their bytes, 0 added to one more album"), "{again}");
    check_library(world.client(), &library);
}

/// `kill -9` at random moments, and the same command again: every photo once, as it was, nothing lost.
/// `ENTEFS_TEST_KILLS` raises the figure.
#[test]
fn an_import_killed_at_any_moment_and_run_again_brings_every_photo_once() {
    let world = World::unmounted();
    let (archives, library) = takeout(&world.path(""), number("ENTEFS_TEST_TAKEOUT", 100) as usize);
    let (device, mut random) = (world.device(), Random::announced("import"));
    let registered = || {
        let counts = world.server().request_counts();
        counts.iter().filter(|(route, _)| route.starts_with("POST /files")).map(|(_, count)| count).sum::<u64>()
    };
    let kills = number("ENTEFS_TEST_KILLS", 8);
    for kill in 0..kills {
        let mut running = device.command(import(&archives, &[])).stdout(Stdio::null()).spawn().expect("it starts");
        // Some before the first photo is in Ente, the others further and further on.
        let (before, more) = (registered(), random.below(12) * kill.min(1));
        await_that("photos are registered", || {
            registered() >= before + more || running.try_wait().expect("it is ours").is_some()
        });
        thread::sleep(Duration::from_millis(random.below(300)));
        // It may have ended.
        let _ = running.kill();
        running.wait().expect("it is ours");
    }
    text_of(&device.run(import(&archives, &[])), 0);
    check_library(world.client(), &library);
}

/// "Folders become albums; all given at once are one set", in a mount that runs; `--album` takes all of it.
#[test]
fn folders_and_archives_are_imported_into_a_running_mount() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let folder = world.path("pictures");
    for dir in ["Iceland/DCIM/100CANON", "Norway/metadata", ".thumbnails"] {
        fs::create_dir_all(folder.join(dir)).unwrap();
    }
    let (ice, fjord, loose) = (jpeg(1, 100), jpeg(2, 100), jpeg(3, 100));
    fs::write(folder.join("Iceland/DCIM/100CANON/a.jpg"), &ice).unwrap();
    fs::write(folder.join("Norway/b.jpg"), &fjord).unwrap();
    fs::write(folder.join("Norway/metadata/b.jpg.json"), sidecar("b.jpg", 1_400_000_000, "fjord", true)).unwrap();
    fs::write(folder.join("loose.jpg"), &loose).unwrap();
    fs::write(folder.join("cut off.jpg"), &loose[..loose.len() - 2]).unwrap();
    fs::write(folder.join("empty.jpg"), "").unwrap();
    fs::write(folder.join("no picture.doc"), "text").unwrap();
    fs::write(folder.join(".thumbnails/x.jpg"), jpeg(4, 100)).unwrap();
    fs::write(folder.join("damaged.zip"), "PK no").unwrap();
    let refused = device.run(import(std::slice::from_ref(&folder), &[]));
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("damaged.zip"), "it is named");
    fs::remove_file(folder.join("damaged.zip")).unwrap();

    let said = text_of(&device.run(import(std::slice::from_ref(&folder), &[])), 0);
    for line in ["4 uploaded", "Left out, empty: 1", "neither image nor video: 1", "a temporary or junk name: 1"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let client = world.client();
    device.wait_idle();
    let albums = |title: &str| client.photo(title).albums.into_iter().collect::<Vec<_>>();
    assert_eq!(albums("a.jpg"), ["Iceland"]);
    assert_eq!(albums("b.jpg"), ["Favorites", "Norway"]);
    assert_eq!(albums("loose.jpg"), ["pictures"]);
    let photo = client.photo("b.jpg");
    assert_eq!((photo.taken(), photo.caption()), (1_400_000_000, Some("fjord")));
    assert_eq!(client.photo("a.jpg").hash, hash_text(&ice));
    assert_eq!(fs::read(device.path("Albums/Norway/b.jpg")).unwrap(), fjord);

    let said = text_of(&device.run(import(&[folder.join("Iceland")], &["--album", "Trip"])), 0);
    assert!(said.contains("1 added to one more album"), "{said}");
    device.wait_idle();
    assert_eq!(albums("a.jpg"), ["Iceland", "Trip"], "linked, not sent again");
    assert_eq!(device.status().troubles, []);
}

/// "A zip dropped into a drop is kept local and `status` says to import it"; from there it is imported.
#[test]
fn a_zip_in_a_drop_stays_there_and_status_says_to_import_it() {
    let Some(world) = World::start() else { return };
    let device = world.mounted();
    let (archives, library) = takeout(&world.path(""), 5);
    let dropped: Vec<PathBuf> = ["one.zip", "two.zip"].map(|name| device.drop_dir().join(name)).into();
    for (archive, to) in archives.iter().zip(&dropped) {
        fs::copy(archive, to).unwrap();
    }
    device.wait_idle();
    assert_eq!(device.status().archives, ["Drop/one.zip", "Drop/two.zip"]);
    assert!(fs::read_to_string(device.path("STATUS.txt")).unwrap().contains("entefs import"));
    assert_eq!(world.client().photos().len(), 0);
    text_of(&device.run(import(&dropped, &[])), 0);
    check_library(world.client(), &library);
}

/// "The halves of a live photo are handed over together": no half is in Ente for a while as a photo of its own.
#[test]
fn an_imported_pair_is_one_live_photo_wherever_a_batch_ends() {
    let Some(world) = World::start() else { return };
    let folder = world.path("Trip");
    fs::create_dir(&folder).unwrap();
    for n in 0..15 {
        fs::write(folder.join(format!("A{n:02}.jpg")), jpeg(n, 100)).unwrap();
    }
    let (still, clip) = (dated_jpeg(50, 3000, "2024:05:06 07:08:09"), movie(50, 9000, 1_714_979_289));
    fs::write(folder.join("IMG_1.JPG"), &still).unwrap();
    fs::write(folder.join("IMG_1.MOV"), &clip).unwrap();
    text_of(&world.device().run(import(&[folder], &[])), 0);
    let client = world.client();
    assert_eq!(client.photo("IMG_1.JPG").hash, format!("{}:{}", hash_text(&still), hash_text(&clip)));
    assert_eq!(client.photos().len(), 16, "and no version before it");
}
