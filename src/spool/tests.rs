use super::*;
use crate::base::{AlbumId, Ino, Nanos, VaultId};
use crate::crypto::DeviceKey;
use crate::vault::{CommitRecord, VaultError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn device() -> Arc<DeviceKey> {
    Arc::new(DeviceKey::from_bytes([42; 32]))
}

fn options() -> SpoolOptions {
    SpoolOptions { reserve_bytes: Some(0), pool: PoolSize { least: 4, most: 64 }, ..SpoolOptions::default() }
}

fn spool_in(dir: &Path) -> Spool {
    Spool::open(&dir.join("state/spool"), device(), &options()).unwrap()
}

fn record(path: &str) -> CommitRecord {
    CommitRecord {
        path: path.into(),
        album: Some(AlbumId(7)),
        ino: Ino(70_000),
        supersedes: None,
        complete: true,
        poisoned: false,
        removed: false,
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        mtime: Nanos(1),
        ctime: Nanos(2),
        btime: Nanos(3),
    }
}

fn write_photo(spool: &Spool, path: &str, bytes: &[u8]) -> VaultId {
    let file = spool.take().unwrap();
    file.write_at(0, bytes).unwrap();
    file.commit(&record(path)).unwrap();
    file.id()
}

fn read_all(spool: &Spool, id: VaultId) -> Vec<u8> {
    let Found::File(file) = spool.open_file(id, None).unwrap() else { panic!("not committed") };
    let mut bytes = vec![0; file.len() as usize];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn wait_for(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_spool_file_alone_with_the_device_key_says_what_photo_it_is() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    let id = write_photo(&spool, "Drop/IMG_0001.JPG", b"photo");
    spool.close();
    drop(spool);
    let spool = spool_in(dir.path());
    let swept: Vec<Swept> =
        spool.sweep(|_| None).filter(|swept| !matches!(swept.state, Ok(SweptState::Empty))).collect();
    assert_eq!((swept.len(), swept[0].id, swept[0].is_sealed), (1, id, false));
    let Ok(SweptState::Committed { record: found, len, base, missing, .. }) = &swept[0].state else { panic!() };
    assert_eq!((found, *len, *base, *missing), (&record("Drop/IMG_0001.JPG"), 5, None, 0));
    assert_eq!(read_all(&spool, id), b"photo");
}

#[test]
fn directories_and_files_are_the_users_alone() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    let id = write_photo(&spool, "a", b"x");
    assert_eq!((mode(&dir.path().join("state/spool")), mode(&spool.path(id))), (0o700, 0o600));
    spool.seal(id).unwrap();
    assert_eq!(mode(&spool.path(id)), 0o400);
}

#[test]
fn a_sealed_file_takes_no_byte_but_a_new_record() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    let id = write_photo(&spool, "a", b"photo");
    spool.seal(id).unwrap();
    for _ in 0..2 {
        let Found::File(file) = spool.open_file(id, None).unwrap() else { panic!() };
        assert!(matches!(file.write_at(0, b"x"), Err(SpoolError::Vault(VaultError::Frozen))));
        file.commit(&CommitRecord { removed: true, ..record("b") }).unwrap();
    }
    assert_eq!((read_all(&spool, id), mode(&spool.path(id))), (b"photo".to_vec(), 0o400));
}

#[test]
fn all_handles_share_one_file() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    let file = spool.take().unwrap();
    file.write_at(0, b"not committed").unwrap();
    let Found::File(other) = spool.open_file(file.id(), None).unwrap() else { panic!() };
    assert!(Arc::ptr_eq(&file, &other));
    file.truncate(0).unwrap();
    file.commit(&record("a")).unwrap();
}

#[test]
fn a_dry_pool_makes_files_inline_and_grows() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    let mut ids: Vec<VaultId> = (0..100).map(|_| spool.take().unwrap().id()).collect();
    wait_for(|| spool.pool_counts().0 > 2);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100, "no file is handed out twice");
    spool.close();
    let ready = spool.pool_counts().0;
    assert!((1..=64).contains(&ready), "{ready}");
}

#[test]
fn empty_files_of_an_earlier_process_return_to_the_pool_once() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    wait_for(|| spool.pool_counts().0 == 4);
    spool.close();
    drop(spool);
    let sleepy = SpoolOptions { pool: PoolSize { least: 0, most: 0 }, ..options() };
    let spool = Spool::open(&dir.path().join("state/spool"), device(), &sleepy).unwrap();
    spool.close();
    let left: Vec<VaultId> = spool.sweep(|_| None).map(|swept| swept.id).collect();
    assert_eq!(left.len(), 4);
    let before = spool.pool_counts().0;
    spool.recycle(&left).unwrap();
    spool.recycle(&left).unwrap();
    assert_eq!(spool.pool_counts().0, before + 4);
    let taken = write_photo(&spool, "a", b"x");
    spool.recycle(&[taken]).unwrap();
    assert_eq!(spool.pool_counts().0, before + 3);
}

#[test]
fn a_file_that_was_cleared_away_is_not_handed_out() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    wait_for(|| spool.pool_counts().0 == 4);
    for entry in fs::read_dir(dir.path().join("state/spool")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let id = write_photo(&spool, "a", b"photo");
    assert_eq!(read_all(&spool, id), b"photo");
}

#[test]
fn the_sweep_tells_committed_interrupted_corrupt_and_empty_apart() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    let whole = write_photo(&spool, "whole", b"photo");
    let damaged = write_photo(&spool, "damaged", b"photo");
    let interrupted = spool.take().unwrap();
    interrupted.write_at(0, &vec![1; 2 << 20]).unwrap();
    interrupted.poison();
    let (interrupted, lost) = (interrupted.id(), spool.take().unwrap().id());
    spool.close();
    let mut bytes = fs::read(spool.path(damaged)).unwrap();
    bytes[20_500] ^= 1;
    fs::write(spool.path(damaged), bytes).unwrap();
    drop(spool);
    let spool = spool_in(dir.path());
    let durable = |id| spool_generation(&[whole, damaged, lost], id);
    let state = |id: VaultId| spool.sweep(durable).find(|swept| swept.id == id).unwrap().state.unwrap();
    assert!(matches!(state(whole), SweptState::Committed { .. }));
    // Known to be durable, so not read through: the damage shows when the bytes are read.
    assert!(matches!(state(damaged), SweptState::Committed { .. }));
    let Found::File(file) = spool.open_file(damaged, durable(damaged)).unwrap() else { panic!() };
    assert!(matches!(file.verify(), Err(VaultError::Damaged(_))));
    drop(file);
    let blind = spool.sweep(|_| None).find(|swept| swept.id == damaged).unwrap().state.unwrap();
    assert!(
        matches!(blind, SweptState::NeverCommitted { has_cells: true, record: Some(found) } if found.path == b"damaged")
    );
    assert!(matches!(state(interrupted), SweptState::NeverCommitted { has_cells: true, record: None }));
    assert_eq!(state(lost), SweptState::Corrupt { record: None }, "a commit that is known is not there");
}

fn spool_generation(durable: &[VaultId], id: VaultId) -> Option<crate::vault::Generation> {
    durable.contains(&id).then_some(crate::vault::Generation(1))
}

#[test]
fn below_the_floor_a_write_is_refused_at_once_and_the_file_is_marked() {
    let dir = TempDir::new().unwrap();
    let full = SpoolOptions { reserve_bytes: Some(u64::MAX), ..options() };
    let spool = Spool::open(&dir.path().join("spool"), device(), &full).unwrap();
    let file = spool.take().unwrap();
    assert!(matches!(file.write_at(0, b"x"), Err(SpoolError::NoSpace)));
    assert!(file.is_poisoned());
    assert!(matches!(spool.check_room(1), Err(SpoolError::NoSpace)));
    assert_eq!(spool.read_room().unwrap(), 0);
}

#[test]
fn a_file_leaves_for_the_cache_by_a_rename_but_not_while_it_is_open() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    let id = write_photo(&spool, "a", b"photo");
    spool.seal(id).unwrap();
    let to = dir.path().join("elsewhere");
    let Found::File(held) = spool.open_file(id, None).unwrap() else { panic!() };
    assert!(matches!(spool.release_to(id, &to), Err(SpoolError::InUse(_))));
    drop(held);
    spool.release_to(id, &to).unwrap();
    assert_eq!(mode(&to), 0o600, "the cache punches holes into it");
    assert!(matches!(spool.open_file(id, None), Err(SpoolError::Missing(_))));
    assert!(matches!(spool.release_to(id, &to), Err(SpoolError::Missing(_))));
}

#[test]
fn another_filesystem_is_told_and_the_file_stays_sealed() {
    let (dir, Ok(other)) = (TempDir::new().unwrap(), TempDir::new_in("/dev/shm")) else { return };
    let spool = spool_in(dir.path());
    let id = write_photo(&spool, "a", b"photo");
    spool.seal(id).unwrap();
    let released = spool.release_to(id, &other.path().join("x"));
    assert!(matches!(released, Err(SpoolError::OtherFilesystem)), "{released:?}");
    assert_eq!((read_all(&spool, id), mode(&spool.path(id))), (b"photo".to_vec(), 0o400));
}

#[test]
fn removed_files_are_gone_and_removing_twice_is_no_error() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    let id = write_photo(&spool, "a", b"photo");
    for _ in 0..2 {
        spool.remove(id).unwrap();
        spool.sync_removals().unwrap();
    }
    assert!(matches!(spool.open_file(id, None), Err(SpoolError::Missing(_))));
    assert!(matches!(spool.seal(id), Err(SpoolError::Missing(_))));
}

#[test]
fn a_file_under_another_ones_name_is_refused() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    let (one, two) = (write_photo(&spool, "a", b"one"), write_photo(&spool, "b", b"two"));
    fs::rename(spool.path(one), spool.path(two)).unwrap();
    assert!(matches!(spool.open_file(two, None), Err(SpoolError::Misnamed(_))));
}

#[test]
fn nothing_readable_is_in_the_directory() {
    let dir = TempDir::new().unwrap();
    let spool = spool_in(dir.path());
    let text = b"JFIF a day in Crete ".repeat(20_000);
    write_photo(&spool, "Drop/Crete/IMG_0001.JPG", &text);
    for entry in fs::read_dir(dir.path().join("state/spool")).unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        assert!(VaultId::from_hex(&entry.file_name().to_string_lossy()).is_some());
        for clear in [&b"JFIF"[..], b"Crete", b"IMG_0001", &[42; 8]] {
            assert!(!bytes.windows(clear.len()).any(|window| window == clear));
        }
    }
}
