//! Issue 3, point 7: nothing readable at rest, and nothing served that was changed there.

use crate::common::{Device, EMAIL, Random, World, jpeg_of, number, sorted};
use entefs::account::{AccountDir, NoKeyring};
use entefs::base::{B64, decode_url_safe, encode_url_safe};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What must be nowhere, by what it is.
type Needles = Vec<(String, Vec<u8>)>;

/// A photo with a text in it that can be found again.
fn photo(number: u64, len: usize) -> Vec<u8> {
    let mut text = format!("THE-BYTES-OF-PHOTO-{number:04};").into_bytes();
    text = text.iter().copied().cycle().take(len).collect();
    jpeg_of(&text)
}

fn push_key(needles: &mut Needles, what: &str, key: &[u8]) {
    needles.push((format!("{what}, raw"), key.to_vec()));
    needles.push((format!("{what}, base64"), B64::of(key).0.trim_end_matches('=').into()));
    needles.push((format!("{what}, URL base64"), encode_url_safe(key).trim_end_matches('=').into()));
    needles.push((format!("{what}, hex"), key.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()));
}

/// Texts and secrets of the account and of this device.
fn needles(world: &World, device: &Device) -> Needles {
    let mut needles: Needles = ["RECOGNISABLE", "recognisable.album", "THE-BYTES-OF-PHOTO-", "JFIF\0\u{1}"]
        .map(|text| (text.to_owned(), text.as_bytes().to_vec()))
        .into();
    needles.push(("the name in UTF-16".into(), "RECOGN".encode_utf16().flat_map(u16::to_le_bytes).collect()));
    needles.push(("the address".into(), EMAIL.into()));
    let opened = AccountDir::with_places(&device.state, Arc::new(NoKeyring), None).read().expect("it is logged in");
    let token = opened.session.token.to_string();
    push_key(&mut needles, "the token", &decode_url_safe(&token).expect("as the server gives it"));
    needles.push(("the token".into(), token.into_bytes()));
    for key in world.client().secret_keys() {
        push_key(&mut needles, "a key", &key);
    }
    needles
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&path)),
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
    files
}

#[track_caller]
fn check_unreadable(device: &Device, needles: &Needles, when: &str) {
    let (mut count, mut bytes) = (0, 0);
    for path in files_below(&device.state).into_iter().chain(files_below(&device.cache)) {
        // What is cleared up meanwhile is readable by nobody.
        let Ok(content) = fs::read(&path) else { continue };
        (count, bytes) = (count + 1, bytes + content.len());
        for (what, needle) in needles {
            let found = memchr::memmem::find(&content, needle);
            assert_eq!(found, None, "{when}: {what} in {}", path.display());
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            assert_eq!(memchr::memmem::find(name, needle), None, "{when}: {what} names {}", path.display());
        }
    }
    println!("{when}: {} needles in {count} files, {bytes} bytes: none", needles.len());
}

/// "No photo byte, file name, album name, token or key is found in clear under the state and cache directories."
#[test]
fn nothing_is_readable_at_rest() {
    let Some(world) = World::start() else { return };
    let mut device = world.mounted();
    let album = device.path("Drop/recognisable.album of ours");
    fs::create_dir(&album).expect("a directory");
    for number in 0..10 {
        let bytes = photo(number, 20_000 + number as usize * 17_000);
        fs::write(album.join(format!("RECOGNISABLE {number}.jpg")), bytes).expect("a photo");
    }
    fs::write(album.join("RECOGNISABLE-LOCAL.txt"), "RECOGNISABLE text").expect("a note");
    xattr::set(album.join("RECOGNISABLE 1.jpg"), "user.note", b"RECOGNISABLE attribute").expect("an attribute");
    let mut open = File::create(album.join("RECOGNISABLE-OPEN.jpg")).expect("a photo");
    open.write_all(&photo(99, 200_000)).and_then(|()| open.sync_all()).expect("its bytes");
    check_unreadable(&device, &needles(&world, &device), "while it is copied in");
    drop(open);
    device.wait_idle();
    let found = needles(&world, &device);
    check_unreadable(&device, &found, "when it is in Ente");
    fs::rename(album.join("RECOGNISABLE 2.jpg"), album.join("RECOGNISABLE renamed.jpg")).expect("another name");
    fs::remove_file(device.path("Albums/recognisable.album of ours/RECOGNISABLE 3.jpg")).expect("out of the album");
    device.wait_idle();
    device.unmount();
    check_unreadable(&device, &found, "after an unmount");
    let mut other = world.mounted();
    for name in sorted(&other.path("Albums/recognisable.album of ours")) {
        fs::read(other.path("Albums/recognisable.album of ours").join(name)).expect("it reads");
    }
    let found = needles(&world, &other);
    check_unreadable(&other, &found, "on a device that read it");
    other.unmount();
    check_unreadable(&other, &found, "and after its unmount");
    check_device_key(&other);
}

/// The one secret in clear is the device key, in one file that is its owner's alone.
#[track_caller]
fn check_device_key(device: &Device) {
    use std::os::unix::fs::PermissionsExt;
    let opened = AccountDir::with_places(&device.state, Arc::new(NoKeyring), None).read().expect("it is logged in");
    let key = opened.device.bytes();
    for path in files_below(&device.state).into_iter().chain(files_below(&device.cache)) {
        let has = memchr::memmem::find(&fs::read(&path).expect("it reads"), key).is_some();
        assert_eq!(has, path.ends_with("device.key"), "{}", path.display());
        let mode = fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} is readable by others: {mode:o}", path.display());
    }
}

/// "One flipped bit in each of 60 cached files is served zero times."
#[test]
fn a_flipped_bit_in_the_cache_is_never_served() {
    let Some(world) = World::start() else { return };
    let (count, mut random) = (number("ENTEFS_TEST_FLIPS", 12), Random::announced("flips"));
    let writer = world.mounted();
    fs::create_dir(writer.path("Drop/Cached")).expect("a directory");
    let photos: Vec<Vec<u8>> =
        (0..count).map(|number| photo(number, 30_000 + random.below(300_000) as usize)).collect();
    for (number, bytes) in photos.iter().enumerate() {
        fs::write(writer.path(&format!("Drop/Cached/{number:03}.jpg")), bytes).expect("a photo");
    }
    writer.wait_idle();
    let mut device = world.mounted();
    let read = |device: &Device, number: usize| fs::read(device.path(&format!("Albums/Cached/{number:03}.jpg")));
    for (number, bytes) in photos.iter().enumerate() {
        assert!(&read(&device, number).expect("it reads") == bytes);
    }
    device.unmount();
    let flipped = files_below(&device.cache).iter().filter(|path| flip(path, &mut random)).count();
    assert!(flipped >= photos.len(), "{flipped} cached files");
    world.server().reset_counts();
    device.mount();
    let mut failed = 0;
    for (number, bytes) in photos.iter().enumerate() {
        match read(&device, number) {
            Ok(found) => assert!(&found == bytes, "photo {number}: changed bytes are served"),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EIO), "{error}");
                failed += 1;
            }
        }
    }
    let counts = world.server().request_counts();
    let fetched: u64 = counts.iter().filter(|(route, _)| route.contains("/objects")).map(|(_, count)| count).sum();
    println!("{flipped} files with a flipped bit: served 0 times, fetched anew {fetched} times, EIO {failed} times");
    assert!(fetched > 0, "no flip was noticed");
}

/// Flips a bit of what was written; holes hold nothing. Answers whether there was such.
fn flip(path: &Path, random: &mut Random) -> bool {
    let file = File::options().read(true).write(true).open(path).expect("it is ours");
    let len = file.metadata().expect("its length").len();
    for _ in 0..if len > 0 { 1000 } else { 0 } {
        let (at, mut byte) = (random.below(len), [0]);
        file.read_exact_at(&mut byte, at).expect("it reads");
        if byte != [0] {
            file.write_all_at(&[byte[0] ^ 1 << random.below(8)], at).expect("it is ours");
            return true;
        }
    }
    false
}
