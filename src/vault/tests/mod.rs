//! A sealed file against a plain one: whatever happens to the disk, what is read was written, and what was committed
//! is there.

mod cost;
mod damage;
mod faults;
mod model;
mod power;
pub(crate) mod sim;
mod sparse;
mod threads;

use super::record::tests::sample_record;
use super::{Base, CommitRecord, Generation, Opened, SealedFile, WriteBudget};
use crate::base::{FileId, Part, VaultId};
use crate::crypto::{DeviceKey, StreamHeader};
use sim::{Rng, SimDisk};
use std::sync::Arc;

pub(super) const KIB: usize = 1024;

/// One device key for all: deriving is the same, and files of one device are what could be mixed up.
pub(super) fn device() -> DeviceKey {
    DeviceKey::from_bytes([42; 32])
}

pub(super) fn record(path: &str) -> CommitRecord {
    CommitRecord { path: path.into(), poisoned: false, removed: false, ..sample_record() }
}

pub(super) fn base_of(len: usize) -> Base {
    Base { file: FileId(77), header: StreamHeader([5; 24]), part: Part::Whole, len: len as u64 }
}

pub(super) fn new_file(disk: &SimDisk) -> SealedFile {
    SealedFile::create(Box::new(disk.clone()), &device(), VaultId([7; 16]), &WriteBudget::new(8 << 20))
}

pub(super) fn open(disk: &SimDisk, known: Option<Generation>) -> Opened {
    open_with(disk, known, &WriteBudget::new(1 << 20))
}

pub(super) fn open_with(disk: &SimDisk, known: Option<Generation>, budget: &Arc<WriteBudget>) -> Opened {
    SealedFile::open(Box::new(disk.clone()), &device(), known, budget).expect("the disk works")
}

/// The file, where a commit of it must be there.
pub(super) fn open_committed(disk: &SimDisk) -> (Box<SealedFile>, CommitRecord, Generation) {
    match open(disk, None) {
        Opened::Committed { file, record, generation } => (file, record, generation),
        Opened::NeverCommitted { .. } => panic!("no commit found"),
        Opened::Corrupt { .. } => panic!("corrupt"),
    }
}

/// All bytes, with `base` standing in for what is not here.
pub(super) fn content(file: &SealedFile, base: &[u8]) -> Result<Vec<u8>, super::VaultError> {
    let mut bytes = vec![0xAA; file.len() as usize + 1];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read.len);
    assert_eq!(bytes.len() as u64, file.len());
    let mut joined = Vec::<std::ops::Range<u64>>::new();
    for gap in read.gaps {
        let at = gap.start as usize..gap.end as usize;
        bytes[at.clone()].copy_from_slice(&base[at]);
        match joined.last_mut() {
            Some(last) if last.end == gap.start => last.end = gap.end,
            _ => joined.push(gap),
        }
    }
    assert_eq!(joined, file.missing_base());
    Ok(bytes)
}

pub(super) fn noise(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for chunk in bytes.chunks_mut(8) {
        let word = rng.next().to_le_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    bytes
}
