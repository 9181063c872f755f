//! Several handles at once.

use super::sim::SimDisk;
use super::{content, open_committed, record};
use crate::vault::{BLOCK, SealedFile, WriteBudget};
use std::sync::atomic::{AtomicBool, Ordering};

const LEN: usize = 6 * BLOCK;

/// Each writer owns every other stretch of 1,000 bytes and fills it with one value at a time.
fn write_stretches(file: &SealedFile, parity: usize) {
    for round in 1..=60_u8 {
        for at in (parity * 1000..LEN).step_by(2000) {
            file.write_at(at as u64, &[round; 1000][..1000.min(LEN - at)]).unwrap();
        }
    }
}

fn check_stretches(bytes: &[u8]) {
    for stretch in bytes.chunks(1000) {
        assert!(stretch.iter().all(|byte| *byte == stretch[0]), "a write was seen in part");
    }
}

/// Lets the readers go, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn handles_share_one_file_without_tearing_it() {
    let (disk, budget) = (SimDisk::default(), WriteBudget::new(3 * BLOCK));
    let file = SealedFile::create(Box::new(disk.clone()), &super::device(), crate::base::VaultId([1; 16]), &budget);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = [0, 1]
            .map(|parity| {
                scope.spawn({
                    let file = &file;
                    move || write_stretches(file, parity)
                })
            })
            .into();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        check_stretches(&content_of(&file));
                    }
                })
            })
            .collect();
        let over = Over(&is_over);
        while !writers.iter().all(|writer| writer.is_finished()) {
            file.commit(&record("a")).unwrap();
            let (found, ..) = open_committed(&SimDisk::of(disk.image()));
            assert!(found.len() <= LEN as u64);
        }
        drop(over);
        writers.into_iter().chain(readers).for_each(|thread| thread.join().unwrap());
    });
    file.commit(&record("a")).unwrap();
    let (found, ..) = open_committed(&disk);
    assert_eq!(content(&found, &[]).unwrap(), vec![60; LEN]);
    assert_eq!(budget.used(), 0);
}

fn content_of(file: &SealedFile) -> Vec<u8> {
    let mut bytes = vec![0; LEN];
    let len = file.read_at(0, &mut bytes).unwrap().len;
    bytes.truncate(len);
    bytes
}
