use super::*;
use crate::base::{FileId, Ino, Nanos, Part, VaultId};
use crate::crypto::{DeviceKey, StreamHeader};
use crate::vault::{BLOCK, CELLS_AT, CommitRecord, FileDisk, STRIDE, SealedFile, WriteBudget};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const KIB: usize = 1024;
const MIB: usize = 1 << 20;
const EXTENT: usize = 64 * BLOCK;

fn device() -> Arc<DeviceKey> {
    Arc::new(DeviceKey::from_bytes([42; 32]))
}

fn open_cache(dir: &Path, budget: usize) -> Cache {
    let cache = Cache::open(&dir.join("cache"), device(), budget as u64).unwrap();
    let start = Instant::now();
    while !cache.is_counted() {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(1));
    }
    cache
}

fn key(cache: &Cache, n: usize) -> CacheKey {
    cache.key(FileId(n as i64), &StreamHeader([n as u8; 24]), Part::Whole)
}

/// The content number `n`: any two differ everywhere.
fn bytes(n: usize, len: usize) -> Vec<u8> {
    // After so many it begins again.
    const PERIOD: usize = 251 * 256;
    let mut all: Vec<u8> = (0..len.min(PERIOD)).map(|at| (at / 251 + at * 7 + n * 101) as u8).collect();
    while all.len() < len {
        all.extend_from_within(..all.len().min(len - all.len()));
    }
    all
}

fn put(cache: &Cache, n: usize, len: usize) -> Arc<CachedFile> {
    let file = cache.get(key(cache, n), len as u64);
    assert!(file.write_blocks(0, &bytes(n, len)));
    file
}

/// Reads all, block by block; what is missing is `None`. Never a wrong byte.
fn read_blocks(file: &CachedFile, n: usize, len: usize) -> Vec<bool> {
    let expected = bytes(n, len);
    let mut buf = vec![0; BLOCK];
    let is_there = |(at, block): (usize, &[u8])| match file.read_at((at * BLOCK) as u64, &mut buf) {
        CacheRead::Hit(n) => {
            assert!(buf[..n] == *block, "wrong bytes in block {at}");
            true
        }
        CacheRead::Miss(range) => {
            assert_eq!(range.start, (at * BLOCK) as u64);
            false
        }
    };
    expected.chunks(BLOCK).enumerate().map(is_there).collect()
}

fn is_whole(file: &CachedFile, n: usize, len: usize) -> bool {
    let mut buf = vec![0; len + 10];
    match file.read_at(0, &mut buf) {
        CacheRead::Hit(read) => {
            assert!(read == len && buf[..read] == bytes(n, len), "wrong bytes");
            true
        }
        CacheRead::Miss(_) => false,
    }
}

fn paths(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir.join("cache")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn disk_bytes(dir: &Path) -> u64 {
    paths(dir).iter().filter_map(|path| fs::metadata(path).ok()).map(|meta| meta.blocks() * 512).sum()
}

fn record() -> CommitRecord {
    CommitRecord {
        path: b"Drop/holiday.jpg".to_vec(),
        album: None,
        ino: Ino(70_000),
        supersedes: None,
        complete: true,
        poisoned: false,
        removed: false,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: Nanos(0),
        ctime: Nanos(0),
        btime: Nanos(0),
    }
}

/// A committed file as the spool leaves it; rewritten in parts where it should not lie in order.
fn spooled(dir: &Path, n: usize, len: usize, is_straight: bool) -> PathBuf {
    let path = dir.join(format!("spooled {n}"));
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    let id = VaultId([n as u8; 16]);
    let sealed = SealedFile::create(Box::new(FileDisk::new(file)), &device(), id, &WriteBudget::new(8 * MIB));
    if !is_straight {
        sealed.write_at(0, &bytes(n + 1, len)).unwrap();
        sealed.commit(&record()).unwrap();
    }
    sealed.write_at(0, &bytes(n, len)).unwrap();
    sealed.commit(&record()).unwrap();
    path
}

fn adopt(cache: &Cache, n: usize, len: usize, path: &Path) -> Adopted {
    cache.adopt(key(cache, n), len as u64, |to| fs::rename(path, to)).unwrap()
}

#[test]
fn what_was_put_in_is_read_again_also_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let lens = [1, BLOCK - 1, BLOCK, BLOCK + 1, 200 * KIB, 5 * MIB + 3];
    let cache = open_cache(dir.path(), 64 * MIB);
    for (n, len) in lens.into_iter().enumerate() {
        assert!(is_whole(&put(&cache, n, len), n, len));
    }
    let used = cache.usage().bytes;
    drop(cache);
    let cache = open_cache(dir.path(), 64 * MIB);
    assert_eq!((cache.usage().bytes, cache.usage().files), (used, lens.len()));
    for (n, len) in lens.into_iter().enumerate() {
        let file = cache.get(key(&cache, n), len as u64);
        assert!(is_whole(&file, n, len));
        assert_eq!(file.read_at(len as u64, &mut [0]), CacheRead::Hit(0));
    }
    assert_eq!((cache.usage().bytes, cache.usage().damaged_blocks), (used, 0));
    assert_eq!(disk_bytes(dir.path()), used);
}

#[test]
fn a_miss_names_the_first_blocks_that_are_not_here() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 64 * MIB);
    let len = 9 * BLOCK + 100;
    let file = cache.get(key(&cache, 1), len as u64);
    let all = bytes(1, len);
    let mut buf = vec![0; len];
    assert_eq!(file.read_at(5, &mut buf[..10]), CacheRead::Miss(0..BLOCK as u64));
    assert!(!file.present(0..1));
    assert!(file.write_blocks(2 * BLOCK as u64, &all[2 * BLOCK..4 * BLOCK]));
    assert!(file.write_blocks(9 * BLOCK as u64, &all[9 * BLOCK..]));
    assert_eq!(file.read_at(BLOCK as u64, &mut buf), CacheRead::Miss(BLOCK as u64..2 * BLOCK as u64));
    assert_eq!(file.read_at(3 * BLOCK as u64 + 1, &mut buf), CacheRead::Miss(4 * BLOCK as u64..9 * BLOCK as u64));
    assert_eq!(file.read_at(2 * BLOCK as u64 + 7, &mut buf[..100_000]), CacheRead::Hit(100_000));
    assert!(buf[..100_000] == all[2 * BLOCK + 7..][..100_000]);
    assert!(file.present(2 * BLOCK as u64..4 * BLOCK as u64) && file.present(9 * BLOCK as u64..u64::MAX));
    assert_eq!(file.read_at(9 * BLOCK as u64 + 50, &mut buf), CacheRead::Hit(50));
    assert!(file.write_blocks(0, &all), "what is here already is left alone");
    assert!(is_whole(&file, 1, len));
}

#[test]
fn a_short_read_of_what_the_kernel_holds_needs_no_disk_and_gives_no_wrong_byte() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open_cache(dir.path(), 16 * MIB);
    let len = 3 * BLOCK + 100;
    let (file, expected) = (put(&cache, 1, len), bytes(1, len));
    let read = |at: usize, short: usize| {
        let mut buf = vec![0; short];
        file.read_resident(at as u64, &mut buf).map(|read| buf[..read].to_vec())
    };
    for at in [0, 1, BLOCK - 4096, BLOCK, 2 * BLOCK + 777, 3 * BLOCK] {
        // Whether it is held is the kernel's to say; what it just wrote it mostly does.
        if let Some(found) = read(at, 4096) {
            assert!(found == expected[at..(at + 4096).min(len)], "{at}");
        }
    }
    assert_eq!(read(BLOCK - 1, 2), None, "two blocks are two reads");
    assert_eq!(read(len, 10), None);
    flip(&paths(dir.path())[0], CELLS_AT + STRIDE as u64 + 5000, 3);
    assert_eq!(read(BLOCK + 10, 100), None, "a damaged block is the other read's to see to");
    assert_eq!(file.read_at(BLOCK as u64 + 10, &mut [0; 100]), CacheRead::Miss(BLOCK as u64..2 * BLOCK as u64));
    assert_eq!(read(BLOCK + 10, 100), None, "it is out now");
    assert_eq!(cache.get(key(&cache, 2), 10).read_resident(0, &mut [0; 10]), None);
}

#[test]
fn a_file_from_the_spool_is_the_cached_file_by_a_rename() {
    for is_straight in [true, false] {
        let dir = TempDir::new().unwrap();
        let cache = open_cache(dir.path(), 64 * MIB);
        let path = spooled(dir.path(), 3, 300 * KIB, is_straight);
        let early = cache.get(key(&cache, 3), 300 * KIB as u64);
        assert!(!is_whole(&early, 3, 300 * KIB));
        assert_eq!(adopt(&cache, 3, 300 * KIB, &path), Adopted::Moved);
        assert!(!path.exists() && is_whole(&early, 3, 300 * KIB));
        drop((early, cache));
        let cache = open_cache(dir.path(), 64 * MIB);
        let file = cache.get(key(&cache, 3), 300 * KIB as u64);
        assert!(is_whole(&file, 3, 300 * KIB));
        // A sealing is 68 KiB; the filesystem may keep one 4 KiB block of its own for where the pieces lie.
        assert!(disk_bytes(dir.path()).abs_diff(cache.usage().bytes) <= 4096, "old sealings are gone");
        assert!(cache.usage().bytes < 400 * KIB as u64 + CELLS_AT);
        // Evicted and fetched again, in the places its map names.
        assert!(cache.shrink(1) > 0);
        assert!(!is_whole(&file, 3, 300 * KIB));
        assert!(file.write_blocks(0, &bytes(3, 300 * KIB)));
        drop((file, cache));
        let cache = open_cache(dir.path(), 64 * MIB);
        assert!(is_whole(&cache.get(key(&cache, 3), 300 * KIB as u64), 3, 300 * KIB));
    }
}

#[test]
fn a_file_whose_newest_commit_is_damaged_is_not_taken_for_its_older_version() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 64 * MIB);
    let path = spooled(dir.path(), 3, 100 * KIB, false);
    flip(&path, 12_288 + 100, 0);
    assert_eq!(adopt(&cache, 3, 100 * KIB, &path), Adopted::Dropped);
    let path = spooled(dir.path(), 3, 100 * KIB, false);
    assert_eq!(adopt(&cache, 3, 100 * KIB, &path), Adopted::Moved);
    // And not later either.
    flip(&paths(dir.path())[0], 12_288 + 100, 0);
    let file = cache.get(key(&cache, 3), 100 * KIB as u64);
    assert_eq!(read_blocks(&file, 3, 100 * KIB), [false, false]);
    assert_eq!(cache.usage().dropped_files, 1);
}

#[test]
fn what_is_not_whole_or_not_needed_is_not_taken_over() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), MIB);
    let path = spooled(dir.path(), 1, 300 * KIB, true);
    put(&cache, 1, 300 * KIB);
    assert_eq!(adopt(&cache, 1, 300 * KIB, &path), Adopted::NotNeeded);
    let large = spooled(dir.path(), 2, 2 * MIB, true);
    assert_eq!(adopt(&cache, 2, 2 * MIB, &large), Adopted::NotNeeded);
    assert!(path.exists() && large.exists());
    let refused = cache.adopt(key(&cache, 4), 10, |_| Err::<(), &str>("busy"));
    assert_eq!(refused, Err("busy"));
    assert!(cache.usage().bytes < 400 * KIB as u64, "what was reserved is given back");
}

fn flip(path: &Path, byte: u64, bit: u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut one = [0];
    file.read_exact_at(&mut one, byte).unwrap();
    file.write_all_at(&[one[0] ^ 1 << bit], byte).unwrap();
}

/// Head, binding, slots, nonces, ciphertext and tags of 60 files, made here and from the spool.
#[test]
fn sixty_files_with_a_flipped_bit_each_give_no_wrong_byte() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 256 * MIB);
    let len = |n: usize| 150 * KIB + n * 777;
    for n in 0..60 {
        match n % 3 {
            0 => drop(put(&cache, n, len(n))),
            kind => {
                let path = spooled(dir.path(), n, len(n), kind == 1);
                assert_eq!(adopt(&cache, n, len(n), &path), Adopted::Moved);
            }
        }
    }
    drop(cache);
    let mut seed = 12_345_u64;
    let mut next = |limit: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    let mut reads = vec![0; 2];
    for round in 0..8 {
        let cache = open_cache(dir.path(), 256 * MIB);
        for n in 0..60 {
            let path = dir.path().join("cache").join(key(&cache, n).to_hex());
            let Ok(meta) = fs::metadata(&path) else { continue };
            let cell = CELLS_AT + next(2) * STRIDE as u64;
            let place = match (n + round) % 6 {
                0 => next(104),
                1 => 2048 + next(60),
                2 => 4096 + next(16_384),
                3 => cell + next(12),
                4 => cell + 12 + next(BLOCK as u64),
                _ => cell + 12 + BLOCK as u64 + next(16),
            };
            if place < meta.len() {
                flip(&path, place, next(8) as u8);
            }
            let file = cache.get(key(&cache, n), len(n) as u64);
            for is_there in read_blocks(&file, n, len(n)) {
                reads[usize::from(is_there)] += 1;
            }
            assert!(file.write_blocks(0, &bytes(n, len(n))), "what was dropped can be put in again");
            assert!(is_whole(&file, n, len(n)));
        }
        let usage = cache.usage();
        assert!(usage.damaged_blocks > 0 && usage.dropped_files > 0, "{usage:?}");
    }
    assert!(reads[0] > 100 && reads[1] > 100, "{reads:?}");
}

#[test]
fn files_and_blocks_that_changed_places_are_not_given_out() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 64 * MIB);
    let len = 3 * BLOCK;
    for n in 0..2 {
        put(&cache, n, len);
    }
    let path = |n| dir.path().join("cache").join(key(&cache, n).to_hex());
    let aside = dir.path().join("aside");
    fs::rename(path(0), &aside).unwrap();
    fs::rename(path(1), path(0)).unwrap();
    fs::rename(&aside, path(1)).unwrap();
    for n in 0..2 {
        assert_eq!(read_blocks(&cache.get(key(&cache, n), len as u64), n, len), [false; 3]);
    }
    assert_eq!(cache.usage().dropped_files, 2);
    put(&cache, 2, len);
    let file = File::options().read(true).write(true).open(path(2)).unwrap();
    let (mut one, mut two) = (vec![0; STRIDE], vec![0; STRIDE]);
    file.read_exact_at(&mut one, CELLS_AT).unwrap();
    file.read_exact_at(&mut two, CELLS_AT + STRIDE as u64).unwrap();
    file.write_all_at(&two, CELLS_AT).unwrap();
    file.write_all_at(&one, CELLS_AT + STRIDE as u64).unwrap();
    assert_eq!(read_blocks(&cache.get(key(&cache, 2), len as u64), 2, len), [false, false, true]);
    assert_eq!(cache.usage().damaged_blocks, 2);
}

#[test]
fn the_budget_holds_at_every_moment_and_no_read_is_wrong() {
    let dir = TempDir::new().unwrap();
    let budget = 12 * MIB;
    let mut cache = open_cache(dir.path(), budget);
    let mut seed = 99_u64;
    let mut next = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    let len_of = |n: usize| [10 * KIB, 200 * KIB, 3 * MIB + 5, 9 * MIB, EXTENT][n % 5];
    let (mut held, mut hits) = (Vec::new(), 0);
    for step in 0..600 {
        let n = next(25);
        let len = len_of(n);
        let file = cache.get(key(&cache, n), len as u64);
        let at = next(len) / BLOCK * BLOCK;
        let want = (1 + next(20)) * BLOCK;
        let mut buf = vec![0; want.min(len - at)];
        match file.read_at(at as u64, &mut buf) {
            CacheRead::Hit(read) => {
                assert!(read == buf.len() && buf == bytes(n, len)[at..at + read]);
                hits += 1;
            }
            CacheRead::Miss(range) => {
                let range = range.start as usize..range.end as usize;
                file.write_blocks(range.start as u64, &bytes(n, len)[range]);
            }
        }
        if step % 7 == 0 {
            held.push(file);
            held.truncate(6);
        }
        if step % 50 == 49 {
            held.clear();
            cache.shrink(next(MIB) as u64);
        }
        if step % 150 == 149 {
            drop(cache);
            cache = open_cache(dir.path(), budget);
        }
        assert!(cache.usage().bytes <= budget as u64);
        assert!(disk_bytes(dir.path()) <= (budget + STRIDE) as u64, "step {step}");
    }
    assert!(hits > 50, "{hits}");
    assert_eq!((cache.usage().damaged_blocks, cache.usage().dropped_files), (0, 0));
}

#[test]
fn large_files_lose_extents_and_small_ones_go_whole() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 3 * EXTENT * 17 / 16 + 100 * KIB);
    let large = put(&cache, 1, 2 * EXTENT);
    drop(put(&cache, 2, 100 * KIB));
    let mut one = [0];
    assert_eq!(large.read_at(0, &mut one), CacheRead::Hit(1));
    put(&cache, 3, EXTENT);
    let mut expected = vec![true; 64];
    expected.extend(vec![false; 64]);
    assert_eq!(read_blocks(&large, 1, 2 * EXTENT), expected, "the extent used least recently went");
    put(&cache, 4, EXTENT);
    assert_eq!(paths(dir.path()).len(), 3, "the small one is no file any more");
    assert_eq!(large.read_at(0, &mut one), CacheRead::Hit(1), "used more recently than what went");
}

#[test]
fn what_is_pinned_stays() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 2 * EXTENT * 17 / 16 + 100 * KIB);
    let first = put(&cache, 1, EXTENT);
    let pin = first.pin(0..10);
    put(&cache, 2, EXTENT);
    put(&cache, 3, EXTENT);
    assert!(is_whole(&first, 1, EXTENT));
    let second_pin = cache.get(key(&cache, 3), EXTENT as u64).pin(0..1);
    assert!(!cache.get(key(&cache, 4), EXTENT as u64).write_blocks(0, &bytes(4, EXTENT)), "nothing may go");
    drop((pin, second_pin));
    drop(put(&cache, 4, EXTENT));
    assert!(!is_whole(&first, 1, EXTENT));
}

#[test]
fn what_was_used_last_is_kept_over_a_restart() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 64 * MIB);
    for n in 0..10 {
        put(&cache, n, MIB);
        std::thread::sleep(Duration::from_millis(12));
    }
    drop(cache);
    let cache = open_cache(dir.path(), 64 * MIB);
    assert!(is_whole(&cache.get(key(&cache, 0), MIB as u64), 0, MIB));
    drop(cache);
    let cache = open_cache(dir.path(), 3 * MIB);
    assert!(cache.usage().bytes <= 3 * MIB as u64);
    let kept: Vec<usize> = (0..10).filter(|n| is_whole(&cache.get(key(&cache, *n), MIB as u64), *n, MIB)).collect();
    assert_eq!(kept, [0, 9]);
}

#[test]
fn the_directory_may_go_at_any_time() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 64 * MIB);
    let held = put(&cache, 1, MIB);
    drop(put(&cache, 2, MIB));
    fs::remove_dir_all(dir.path().join("cache")).unwrap();
    assert!(is_whole(&held, 1, MIB), "who has it open reads on");
    assert!(!is_whole(&cache.get(key(&cache, 2), MIB as u64), 2, MIB));
    assert!(is_whole(&put(&cache, 3, MIB), 3, MIB));
    drop(held);
    assert!(!is_whole(&cache.get(key(&cache, 1), MIB as u64), 1, MIB));
    assert!(is_whole(&put(&cache, 1, MIB), 1, MIB));
    assert_eq!(cache.usage().bytes, disk_bytes(dir.path()));
    fs::remove_dir_all(dir.path().join("cache")).unwrap();
    let path = spooled(dir.path(), 5, MIB, true);
    assert_eq!(adopt(&cache, 5, MIB, &path), Adopted::Moved);
}

#[test]
fn a_length_that_does_not_fit_is_another_content() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 64 * MIB);
    let held = put(&cache, 1, MIB);
    let other = cache.get(key(&cache, 1), 2 * MIB as u64);
    assert_eq!(read_blocks(&other, 1, 2 * MIB), [false; 32]);
    assert!(other.write_blocks(0, &bytes(1, 2 * MIB)));
    assert!(is_whole(&other, 1, 2 * MIB) && is_whole(&held, 1, MIB));
}

#[test]
fn two_readers_and_a_writer_agree_while_things_are_evicted() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 10 * MIB);
    let len = 2 * MIB + 17;
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..120 {
                    let n = (round * 7 + thread) % 8;
                    let file = cache.get(key(cache, n), len as u64);
                    let mut buf = vec![0; len];
                    match file.read_at(0, &mut buf) {
                        CacheRead::Hit(read) => assert!(buf[..read] == bytes(n, len), "wrong bytes"),
                        CacheRead::Miss(range) => {
                            let at = range.start as usize..range.end as usize;
                            file.write_blocks(range.start, &bytes(n, len)[at]);
                        }
                    }
                }
            });
        }
    });
    let usage = cache.usage();
    assert!(usage.bytes <= 10 * MIB as u64 && usage.damaged_blocks == 0, "{usage:?}");
    drop(cache);
    let cache = open_cache(dir.path(), 10 * MIB);
    assert_eq!(cache.usage().bytes, usage.bytes, "what is counted is what is there");
}

#[test]
fn shrinking_gives_back_what_was_asked_for() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 64 * MIB);
    for n in 0..5 {
        put(&cache, n, MIB);
    }
    let before = disk_bytes(dir.path());
    let freed = cache.shrink(2 * MIB as u64);
    assert!(freed >= 2 * MIB as u64 && before - disk_bytes(dir.path()) == freed);
    assert_eq!(cache.shrink(u64::MAX), before - freed);
    assert_eq!((cache.usage().bytes, cache.usage().files), (0, 0));
}

#[test]
fn nothing_readable_is_in_the_directory() {
    let dir = TempDir::new().unwrap();
    let cache = open_cache(dir.path(), 64 * MIB);
    let text = b"JFIF a day in Crete ".repeat(20_000);
    let file = cache.get(key(&cache, 1), text.len() as u64);
    assert!(file.write_blocks(0, &text));
    let path = spooled(dir.path(), 2, 200 * KIB, false);
    assert_eq!(adopt(&cache, 2, 200 * KIB, &path), Adopted::Moved);
    for path in paths(dir.path()) {
        let found = fs::read(&path).unwrap();
        for clear in [&b"JFIF"[..], b"Crete", b"holiday", &[42; 8], &bytes(2, 32), &key(&cache, 1).0] {
            assert!(!found.windows(clear.len()).any(|window| window == clear), "{clear:?} in {path:?}");
        }
    }
}
