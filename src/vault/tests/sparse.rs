//! Files in the cache's way of reading: what came from the spool, with a map in pieces.

use super::sim::Rng;
use super::{device, noise, record};
use crate::base::VaultId;
use crate::vault::layout::Cell;
use crate::vault::{BLOCK, CellError, CellFault, FileDisk, SealedFile, SparseFile, VaultError, WriteBudget};
use std::fs::{File, OpenOptions};
use std::path::Path;

const KEY: [u8; 16] = [8; 16];

fn file_at(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

/// Ten blocks with a hole in the midst, committed twice, so that they lie in no order; the map is in pieces.
fn spooled(path: &Path) -> Vec<u8> {
    let mut bytes = noise(&mut Rng::new(4), 10 * BLOCK - 100);
    let disk = Box::new(FileDisk::new(file_at(path)));
    let mut file = SealedFile::create(disk, &device(), VaultId([1; 16]), &WriteBudget::new(8 << 20));
    file.tuning.inline_map = 0;
    file.write_at(0, &vec![1; 3 * BLOCK]).unwrap();
    file.commit(&record("a")).unwrap();
    file.write_at(0, &bytes).unwrap();
    file.punch(5 * BLOCK as u64..6 * BLOCK as u64).unwrap();
    bytes[5 * BLOCK..6 * BLOCK].fill(0);
    file.commit(&record("a")).unwrap();
    bytes
}

fn read(file: &SparseFile) -> Result<Vec<u8>, CellError> {
    let mut bytes = vec![0; file.len() as usize];
    file.read_range(0, &mut bytes)?;
    Ok(bytes)
}

#[test]
fn a_mapped_file_keeps_its_map_when_all_its_blocks_are_punched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let bytes = spooled(&path);
    let file = SparseFile::adopt(FileDisk::new(file_at(&path)), &device(), KEY).unwrap();
    assert!(file.is_mapped() && read(&file).unwrap() == bytes);
    let kept = file.punch(Cell(0)..Cell(64)).unwrap();
    assert_eq!(kept, 69_632, "the one piece of the map");
    drop(file);
    let file = SparseFile::open(FileDisk::new(file_at(&path)), &device(), KEY).unwrap();
    let Err(CellError::Fault(block, CellFault::Absent)) = read(&file) else { panic!("nothing is here") };
    assert_eq!(block.0, 0);
    let mut at = 0;
    while at < 10 {
        let block = crate::vault::BlockIndex(at);
        let Some(run) = file.seal_run(block, &bytes[at as usize * BLOCK..]) else {
            at += 1;
            continue;
        };
        file.write_run(&run).unwrap();
        at = run.blocks.end;
    }
    assert!(read(&file).unwrap() == bytes);
}

#[test]
fn a_file_is_taken_over_only_if_whole_and_unpoisoned() {
    let dir = tempfile::tempdir().unwrap();
    let adopt = |name: &str| SparseFile::adopt(FileDisk::new(file_at(&dir.path().join(name))), &device(), KEY);
    let create = |name: &str| {
        let disk = Box::new(FileDisk::new(file_at(&dir.path().join(name))));
        SealedFile::create(disk, &device(), VaultId([1; 16]), &WriteBudget::new(8 << 20))
    };
    let over = create("over an old version");
    over.start_from(super::base_of(100_000)).unwrap();
    over.write_at(0, b"new").unwrap();
    over.commit(&record("a")).unwrap();
    assert!(matches!(adopt("over an old version"), Err(VaultError::BaseMissing)));
    let failed = create("failed");
    failed.poison();
    failed.commit(&record("a")).unwrap();
    assert!(matches!(adopt("failed"), Err(VaultError::Poisoned)));
    create("never committed").write_at(0, b"x").unwrap();
    assert!(matches!(adopt("never committed"), Err(VaultError::Corrupt(_))));
}

#[test]
fn a_file_opens_under_its_own_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    SparseFile::create(FileDisk::new(file_at(&path)), &device(), KEY, 10).unwrap();
    assert!(SparseFile::open(FileDisk::new(file_at(&path)), &device(), KEY).is_ok());
    assert!(SparseFile::open(FileDisk::new(file_at(&path)), &device(), [9; 16]).is_err());
    spooled(&dir.path().join("spooled"));
    let unbound = SparseFile::open(FileDisk::new(file_at(&dir.path().join("spooled"))), &device(), KEY);
    assert!(matches!(unbound, Err(VaultError::Corrupt(_))), "only what was taken over is read");
}
