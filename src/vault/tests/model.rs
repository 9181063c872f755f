//! Random operations on a sealed file and on a plain vector.

use super::super::file::Tuning;
use super::sim::{Rng, SimDisk};
use super::{KIB, base_of, content, device, noise, open_with, record};
use crate::base::VaultId;
use crate::vault::{BLOCK, CommitRecord, Generation, Opened, SealedFile, WriteBudget};
use std::sync::Arc;

/// What one commit must bring back.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) generation: Option<Generation>,
    pub(super) record: CommitRecord,
    pub(super) bytes: Vec<u8>,
    /// Changes on disk when it was asked for, and when it returned.
    pub(super) begun: usize,
    pub(super) done: usize,
}

/// A sealed file, the vector it must equal, and what was committed.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) disk: SimDisk,
    pub(super) file: SealedFile,
    pub(super) bytes: Vec<u8>,
    pub(super) base: Vec<u8>,
    pub(super) record: CommitRecord,
    pub(super) commits: Vec<Snapshot>,
    budget: Arc<WriteBudget>,
    tuning: Tuning,
}

const MAX: usize = 7 * BLOCK;

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let budget = WriteBudget::new(rng.pick(&[1, 3, 40]) * BLOCK);
        let tuning = Tuning { inline_map: rng.pick(&[0, 60, 9000]), batch: rng.pick(&[1, 2, 16]), trim: 100_000 };
        let disk = SimDisk::default();
        let mut file = SealedFile::create(Box::new(disk.clone()), &device(), VaultId([9; 16]), &budget);
        file.tuning = tuning;
        let base = if rng.one_in(2) { noise(&mut rng, MAX) } else { Vec::new() };
        if !base.is_empty() {
            file.start_from(base_of(base.len())).unwrap();
        }
        let bytes = base.clone();
        Self { rng, disk, file, bytes, base, record: record("a"), commits: Vec::new(), budget, tuning }
    }

    /// The same file in a later process, on a disk that holds `image`.
    pub(super) fn reopen(&mut self, image: Vec<u8>, known: Option<Generation>) -> Option<Generation> {
        let disk = SimDisk::of(image);
        let Opened::Committed { mut file, record, generation } = open_with(&disk, known, &self.budget) else {
            return None;
        };
        file.tuning = self.tuning;
        (self.disk, self.file, self.record) = (disk, *file, record);
        Some(generation)
    }

    pub(super) fn step(&mut self) {
        match self.rng.below(20) {
            0..=7 => self.write(),
            8..=9 => self.truncate(),
            10 => self.extend(),
            11 => self.punch(),
            12..=13 => self.fill(),
            14..=16 => self.read(),
            17 => self.rename(),
            _ => self.commit(),
        }
    }

    fn range(&mut self, limit: usize) -> (usize, usize) {
        let near_border = self.rng.below(8) * BLOCK;
        let at = match self.rng.below(3) {
            0 => near_border.saturating_sub(self.rng.below(10)),
            1 => near_border,
            _ => self.rng.below(limit + 1),
        };
        let small = self.rng.below(6000);
        let len = match self.rng.below(4) {
            0 => small,
            1 => BLOCK,
            2 => self.rng.below(3 * BLOCK),
            _ => self.rng.below(10),
        };
        (at.min(limit), len.min(limit - at.min(limit)))
    }

    fn write(&mut self) {
        let (at, len) = self.range(MAX);
        let data = noise(&mut self.rng, len);
        self.file.write_at(at as u64, &data).unwrap();
        if len > 0 && self.bytes.len() < at + len {
            self.bytes.resize(at + len, 0);
        }
        if len > 0 {
            self.bytes[at..at + len].copy_from_slice(&data);
        }
    }

    fn truncate(&mut self) {
        let len = if self.rng.one_in(6) { 0 } else { self.range(MAX).0 };
        self.file.truncate(len as u64).unwrap();
        self.bytes.resize(len, 0);
    }

    fn extend(&mut self) {
        let len = self.range(MAX).0.max(self.bytes.len());
        self.file.extend(len as u64).unwrap();
        self.bytes.resize(len, 0);
    }

    fn punch(&mut self) {
        let (at, len) = self.range(MAX);
        self.file.punch(at as u64..(at + len) as u64).unwrap();
        let end = (at + len).min(self.bytes.len());
        self.bytes[at.min(end)..end].fill(0);
    }

    fn fill(&mut self) {
        let (at, len) = self.range(self.base.len());
        self.file.fill_base(at as u64, &self.base[at..at + len]).unwrap();
    }

    fn rename(&mut self) {
        self.record.path = format!("b{}", self.rng.below(1000)).into_bytes();
    }

    fn read(&mut self) {
        let (at, len) = self.range(MAX + 100);
        let mut buf = vec![0xAA; len];
        let read = self.file.read_at(at as u64, &mut buf).unwrap();
        let end = (at + len).min(self.bytes.len()).max(at);
        assert_eq!(read.len, end - at);
        for gap in &read.gaps {
            let (from, to) = (gap.start as usize, gap.end as usize);
            buf[from - at..to - at].copy_from_slice(&self.base[from..to]);
        }
        assert!(buf[..read.len] == *self.bytes.get(at..end).unwrap_or(&[]), "read {at} {len}");
        assert!(read.gaps.iter().all(|gap| gap.start >= at as u64 && gap.end <= end as u64));
    }

    pub(super) fn commit(&mut self) {
        let begun = self.disk.with(|state| state.log.len());
        let generation = self.file.commit(&self.record).unwrap();
        let done = self.disk.with(|state| state.log.len());
        assert!(!self.file.is_dirty());
        let is_new = self.commits.last().is_none_or(|last| last.generation != Some(generation));
        assert_eq!(is_new, done > begun, "a commit costs nothing where nothing changed");
        if is_new {
            let (record, bytes) = (self.record.clone(), self.bytes.clone());
            self.commits.push(Snapshot { generation: Some(generation), record, bytes, begun, done });
        }
    }

    pub(super) fn check(&self) {
        assert!(content(&self.file, &self.base).unwrap() == self.bytes);
    }
}

/// Seeds to try: a few by default, as many as `ENTEFS_TEST_SEEDS` says for a long run.
pub(super) fn seeds(default: u64) -> std::ops::Range<u64> {
    let count = std::env::var("ENTEFS_TEST_SEEDS").ok().and_then(|text| text.parse().ok());
    0..count.unwrap_or(default)
}

#[test]
fn a_sealed_file_behaves_like_a_plain_one() {
    for seed in seeds(60) {
        eprintln!("seed {seed}");
        let mut world = World::new(seed);
        for _ in 0..60 {
            world.step();
        }
        world.check();
        world.commit();
        let generation = world.commits.last().and_then(|last| last.generation);
        let known = if seed % 2 == 0 { generation } else { None };
        assert_eq!(world.reopen(world.disk.image(), known), generation);
        world.check();
        for _ in 0..30 {
            world.step();
        }
        world.check();
    }
}

#[test]
fn a_write_over_an_old_version_that_is_not_here_waits_for_nothing() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    file.start_from(base_of(200 * KIB)).unwrap();
    file.write_at(70_000, b"new").unwrap();
    file.commit(&record("a")).unwrap();
    let (file, ..) = super::open_committed(&disk);
    assert_eq!(file.missing_base(), vec![0..70_000, 70_003..200 * KIB as u64]);
    assert_eq!(file.base(), Some(base_of(200 * KIB)));
    let old = vec![1; 200 * KIB];
    file.fill_base(0, &old).unwrap();
    assert_eq!(file.missing_base(), vec![]);
    let bytes = content(&file, &[]).unwrap();
    assert_eq!((&bytes[69_999..70_004], bytes.len()), (&b"\x01new\x01"[..], 200 * KIB));
}

#[test]
fn bytes_cut_off_an_old_version_do_not_come_back() {
    let file = super::new_file(&SimDisk::default());
    file.start_from(base_of(100_000)).unwrap();
    file.truncate(10).unwrap();
    file.truncate(100_000).unwrap();
    assert_eq!(file.missing_base(), vec![0..10]);
    file.fill_base(0, &[7; 100_000]).unwrap();
    let bytes = content(&file, &[]).unwrap();
    assert!(bytes[..10] == [7; 10] && bytes[10..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_file_longer_than_any_photo_is_refused_and_costs_no_memory() {
    let file = super::new_file(&SimDisk::default());
    file.truncate(crate::vault::MAX_LEN).unwrap();
    assert!(matches!(file.truncate(crate::vault::MAX_LEN + 1), Err(crate::vault::VaultError::TooLong)));
    assert!(matches!(file.write_at(u64::MAX, b"x"), Err(crate::vault::VaultError::TooLong)));
    assert!(file.is_poisoned());
}

#[test]
fn a_frozen_file_changes_its_record_alone() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    file.write_at(0, b"photo").unwrap();
    file.commit(&record("a")).unwrap();
    file.freeze();
    for refused in [file.write_at(0, b"x"), file.truncate(0), file.punch(0..1), file.fill_base(0, b"x")] {
        assert!(matches!(refused, Err(crate::vault::VaultError::Frozen)));
    }
    file.commit(&record("b")).unwrap();
    let (file, found, _) = super::open_committed(&disk);
    assert_eq!((found.path, content(&file, &[]).unwrap()), (b"b".to_vec(), b"photo".to_vec()));
}
