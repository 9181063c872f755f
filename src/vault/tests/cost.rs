//! How many calls a file costs: the sync is dear, and so is each system call of a small file.

use super::sim::SimDisk;
use super::{KIB, content, open_committed, record};
use crate::vault::BLOCK;

fn counts(disk: &SimDisk) -> (usize, usize) {
    disk.with(|state| (state.writes, state.syncs))
}

#[test]
fn a_small_file_costs_two_writes_and_one_sync() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    for at in [0, 128 * KIB] {
        file.write_at(at as u64, &vec![1; 72 * KIB]).unwrap();
    }
    assert_eq!(counts(&disk), (0, 0));
    file.commit(&record("a")).unwrap();
    assert_eq!(counts(&disk), (2, 1));
    file.commit(&record("a")).unwrap();
    assert_eq!(counts(&disk), (2, 1), "free when nothing changed");
    file.commit(&record("renamed")).unwrap();
    assert_eq!(counts(&disk), (3, 2));
}

#[test]
fn a_large_file_is_sealed_while_it_is_written_in_pieces_of_a_mebibyte() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    for at in 0..2048 {
        file.write_at(at * 4096, &[1; 4096]).unwrap();
    }
    assert_eq!(counts(&disk), (8, 0));
    file.commit(&record("a")).unwrap();
    assert_eq!(counts(&disk), (9, 1), "nothing is left but the slot");
}

#[test]
fn reading_many_blocks_takes_one_call() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    file.write_at(0, &vec![1; 32 * BLOCK]).unwrap();
    file.commit(&record("a")).unwrap();
    let before = disk.with(|state| state.calls);
    content(&file, &[]).unwrap();
    // The simulated disk takes a scattered read piece by piece: nonce, block, what lies between, block, …, tag.
    let calls = disk.with(|state| state.calls) - before;
    assert_eq!(calls, 2 * (16 * 2 + 1));
}

#[test]
fn a_rename_of_a_large_file_writes_its_map_no_second_time() {
    let disk = SimDisk::default();
    let mut file = super::new_file(&disk);
    file.tuning.inline_map = 0;
    file.write_at(0, &vec![1; 20 * BLOCK]).unwrap();
    file.commit(&record("a")).unwrap();
    let before = counts(&disk);
    file.commit(&record("b")).unwrap();
    assert_eq!(counts(&disk), (before.0 + 1, before.1 + 1));
    let (file, found, _) = open_committed(&disk);
    assert_eq!((content(&file, &[]).unwrap(), found.path), (vec![1; 20 * BLOCK], b"b".to_vec()));
}

#[test]
fn rewriting_one_block_again_and_again_takes_no_more_room() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    for round in 0..50 {
        file.write_at(0, &[round; BLOCK]).unwrap();
        file.commit(&record("a")).unwrap();
    }
    assert!(disk.image().len() <= 20_480 + 2 * 69_632);
}
