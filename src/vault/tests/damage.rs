//! Changed bytes: always noticed, never shown.

use super::model::{Snapshot, World};
use super::sim::{Rng, SimDisk};
use super::{content, noise, open, record};
use crate::base::VaultId;
use crate::crypto::DeviceKey;
use crate::vault::layout::{CELLS_AT, Cell, STRIDE};
use crate::vault::{BLOCK, Generation, Opened, SealedFile, VaultError, WriteBudget};

/// What a damaged image gives: an outcome that names the damage, or exactly the bytes of one commit.
fn outcome(image: &[u8], known: Option<Generation>, commits: &[Snapshot], base: &[u8]) -> &'static str {
    let disk = SimDisk::of(image.to_vec());
    let opened = match SealedFile::open(Box::new(disk), &super::device(), known, &WriteBudget::new(1 << 20)) {
        Ok(opened) => opened,
        Err(VaultError::Version(_)) => return "version",
        Err(error) => panic!("{error}"),
    };
    let Opened::Committed { file, record, generation } = opened else {
        let is_corrupt = matches!(opened, Opened::Corrupt { .. });
        assert!(is_corrupt || known.is_none(), "a commit known to be durable is forgotten");
        return if is_corrupt { "corrupt" } else { "never committed" };
    };
    assert!(Some(generation) >= known, "rolled back behind a commit known to be durable");
    let snapshot = commits.iter().find(|commit| commit.generation == Some(generation)).expect("a known commit");
    assert_eq!(snapshot.record, record);
    match content(&file, base) {
        Ok(bytes) => {
            assert!(bytes == snapshot.bytes, "wrong bytes");
            "as committed"
        }
        Err(VaultError::Damaged(_)) => "damaged block",
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn no_flipped_bit_ever_gives_wrong_bytes() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..6 {
        let mut world = World::new(300 + seed);
        for _ in 0..3 {
            (0..20).for_each(|_| world.step());
            world.rng.next();
            world.commit();
        }
        let (mut image, newest) = (world.disk.image(), world.file.generation());
        for round in 0..800 {
            // Half of the flips among the few bytes that everything hangs on.
            let limit = if round % 2 == 0 { CELLS_AT as usize } else { image.len() };
            let bit = world.rng.below(limit * 8);
            image[bit / 8] ^= 1 << (bit % 8);
            for known in [None, newest] {
                seen.insert(outcome(&image, known, &world.commits, &world.base));
            }
            image[bit / 8] ^= 1 << (bit % 8);
        }
    }
    for expected in ["as committed", "corrupt", "damaged block", "version"] {
        assert!(seen.contains(expected), "{expected} was never reached: {seen:?}");
    }
}

#[test]
fn every_bit_that_everything_hangs_on_is_guarded() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    file.write_at(0, &[3; 5000]).unwrap();
    let generation = file.commit(&record("a")).unwrap();
    let (mut image, used) = (disk.image(), [0..104, 4096..4096 + 206, 20_480..20_480 + 5028]);
    for bit in used.into_iter().flat_map(|range| range.start * 8..range.end * 8).step_by(3) {
        image[bit / 8] ^= 1 << (bit % 8);
        let opened = SealedFile::open(
            Box::new(SimDisk::of(image.clone())),
            &super::device(),
            Some(generation),
            &WriteBudget::new(1 << 20),
        );
        let is_noticed = match opened {
            Ok(Opened::Committed { file, .. }) => matches!(file.verify(), Err(VaultError::Damaged(_))),
            Ok(Opened::Corrupt { .. }) | Err(VaultError::Version(_)) => true,
            Ok(Opened::NeverCommitted { .. }) => false,
            Err(error) => panic!("{error}"),
        };
        assert!(is_noticed, "byte {}", bit / 8);
        image[bit / 8] ^= 1 << (bit % 8);
    }
}

fn cell_of(image: &[u8], cell: u32) -> Vec<u8> {
    let at = Cell(cell).offset() as usize;
    image[at..(at + STRIDE).min(image.len())].to_vec()
}

fn put_cell(image: &mut [u8], cell: u32, bytes: &[u8]) {
    let at = Cell(cell).offset() as usize;
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

fn committed(id: u8, seed: u64) -> (Vec<u8>, Generation) {
    let disk = SimDisk::default();
    let file =
        SealedFile::create(Box::new(disk.clone()), &super::device(), VaultId([id; 16]), &WriteBudget::new(1 << 20));
    file.write_at(0, &noise(&mut Rng::new(seed), 4 * BLOCK)).unwrap();
    let generation = file.commit(&record("a")).unwrap();
    (disk.image(), generation)
}

fn is_refused(image: &[u8], known: Generation) -> bool {
    let Opened::Committed { file, .. } = open(&SimDisk::of(image.to_vec()), Some(known)) else { return false };
    let by_trust = matches!(file.verify(), Err(VaultError::Damaged(_)));
    by_trust && !matches!(open(&SimDisk::of(image.to_vec()), None), Opened::Committed { .. })
}

#[test]
fn a_block_in_another_cell_or_of_another_file_is_refused() {
    let ((image, known), (other, _)) = (committed(1, 1), committed(2, 2));
    let mut swapped = image.clone();
    put_cell(&mut swapped, 1, &cell_of(&image, 2));
    put_cell(&mut swapped, 2, &cell_of(&image, 1));
    assert!(is_refused(&swapped, known));
    let mut foreign = image.clone();
    put_cell(&mut foreign, 1, &cell_of(&other, 1));
    assert!(is_refused(&foreign, known));
    assert!(!is_refused(&image, known));
}

/// It verifies by itself: the same file, the same block. Only the map knows that it is not the one.
#[test]
fn an_older_sealing_of_the_same_block_is_refused() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    file.write_at(0, &[1; BLOCK]).unwrap();
    file.commit(&record("a")).unwrap();
    file.write_at(0, &[2; BLOCK]).unwrap();
    let known = file.commit(&record("a")).unwrap();
    let mut image = disk.image();
    let old = cell_of(&image, 0);
    put_cell(&mut image, 1, &old);
    let Opened::Committed { file, .. } = open(&SimDisk::of(image), Some(known)) else { panic!("trusted") };
    assert!(matches!(file.verify(), Err(VaultError::Damaged(_))));
}

#[test]
fn another_device_key_opens_nothing_and_calls_nothing_uncommitted() {
    let (image, _) = committed(1, 1);
    let disk = SimDisk::of(image.clone());
    let opened =
        SealedFile::open(Box::new(disk.clone()), &DeviceKey::random(), None, &WriteBudget::new(1 << 20)).unwrap();
    assert!(matches!(opened, Opened::Corrupt { record: None }));
    assert!(disk.image() == image);
}

#[test]
fn a_corrupt_file_still_says_what_it_was() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    for round in 0..2 {
        file.write_at(0, &[round; BLOCK]).unwrap();
        file.commit(&record(&format!("photo {round}"))).unwrap();
    }
    let mut image = disk.image();
    image[CELLS_AT as usize..].fill(9);
    let disk = SimDisk::of(image.clone());
    let Opened::Corrupt { record: Some(found) } = open(&disk, None) else { panic!("both commits returned") };
    assert_eq!(found.path, b"photo 1");
    assert!(disk.image() == image, "both commits are kept");
}

#[test]
fn nothing_readable_is_at_rest() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    let text = b"JFIF holiday in Crete ".repeat(10_000);
    file.write_at(3, &text).unwrap();
    file.commit(&record("Drop/Crete/IMG_0001.JPG")).unwrap();
    file.write_at(100_000, &text[..1000]).unwrap();
    file.commit(&record("Drop/Crete/IMG_0001.JPG")).unwrap();
    let image = disk.image();
    for clear in [&b"JFIF"[..], b"holiday", b"Crete", b"IMG_0001", &super::device().bytes()[..8]] {
        assert!(!image.windows(clear.len()).any(|window| window == clear), "{clear:?} lies in clear");
    }
}
