//! A disk that fails at the n-th call, for every n.

use super::sim::{Fault, Rng, SimDisk};
use super::{KIB, content, noise, open, record};
use crate::vault::{BLOCK, Generation, Opened, SealedFile, VaultError};

/// What a script got to: the last commit that returned, what was being committed, and the first error.
#[derive(Default)]
struct Told {
    returned: Option<(Generation, Vec<u8>)>,
    under_way: Option<Vec<u8>>,
    error: Option<VaultError>,
}

/// Two commits with everything in between; stops at the first error.
fn script(disk: &SimDisk, file: &SealedFile, told: &mut Told) -> Result<(), VaultError> {
    let mut rng = Rng::new(1);
    let (first, patch) = (noise(&mut rng, 200 * KIB), noise(&mut rng, 70_000));
    file.write_at(0, &first)?;
    commit(file, first.clone(), told)?;
    let mut second = first;
    file.write_at(1000, &patch)?;
    second[1000..71_000].copy_from_slice(&patch);
    let mut buf = vec![0; 100_000];
    file.read_at(50_000, &mut buf)?;
    file.truncate(150_000)?;
    second.truncate(150_000);
    commit(file, second, told)?;
    file.truncate(10)?;
    commit(file, file_start(disk, file)?, told)
}

fn file_start(_disk: &SimDisk, file: &SealedFile) -> Result<Vec<u8>, VaultError> {
    let mut start = vec![0; 10];
    file.read_at(0, &mut start)?;
    Ok(start)
}

fn commit(file: &SealedFile, bytes: Vec<u8>, told: &mut Told) -> Result<(), VaultError> {
    told.under_way = Some(bytes.clone());
    let generation = file.commit(&record("a"))?;
    told.returned = Some((generation, bytes));
    told.under_way = None;
    Ok(())
}

fn run(fault: Option<Fault>) -> (SimDisk, SealedFile, Told) {
    let disk = SimDisk::default();
    let mut file = super::new_file(&disk);
    file.tuning.trim = 0;
    file.tuning.inline_map = 20;
    disk.forget_on_failed_sync(Rng::new(9));
    disk.with(|state| state.fault = fault);
    let mut told = Told::default();
    told.error = script(&disk, &file, &mut told).err();
    (disk, file, told)
}

/// Whatever failed: after a power cut the last commit that returned is there, or the whole of the one under way.
fn check_after_power_cut(disk: &SimDisk, told: &Told, rng: &mut Rng) {
    let after = SimDisk::of(disk.cut_power(rng));
    match (open(&after, told.returned.as_ref().map(|(generation, _)| *generation)), &told.returned) {
        (Opened::Committed { file, .. }, returned) => {
            let bytes = content(&file, &[]).unwrap();
            let is_returned = returned.as_ref().is_some_and(|(_, kept)| *kept == bytes);
            assert!(is_returned || told.under_way.as_ref() == Some(&bytes));
        }
        (Opened::NeverCommitted { .. }, None) => {}
        (Opened::NeverCommitted { .. } | Opened::Corrupt { .. }, _) => panic!("the commit that returned is gone"),
    }
}

#[test]
fn an_error_at_any_call_is_reported_and_leaves_the_earlier_commit_intact() {
    let calls = run(None).0.with(|state| state.calls);
    assert!(calls > 15, "{calls}");
    let mut rng = Rng::new(3);
    for at in 1..=calls {
        for (errno, lasts) in [(libc::EIO, false), (libc::EIO, true), (libc::ENOSPC, false), (libc::ENOSPC, true)] {
            let (disk, file, told) = run(Some(Fault { at, errno, lasts }));
            let hit = disk.with(|state| state.hit);
            match &told.error {
                Some(VaultError::NoSpace) => assert_eq!(errno, libc::ENOSPC),
                Some(VaultError::Io(_)) => assert_eq!(errno, libc::EIO),
                Some(error) => panic!("{error}"),
                None => assert_eq!(hit, Some("set_len"), "only giving back room may fail in silence"),
            }
            assert!(file.is_poisoned() || !matches!(hit, Some("write" | "sync")), "{at} {hit:?}");
            assert!(told.error.is_some() || !file.is_poisoned());
            (0..5).for_each(|_| check_after_power_cut(&disk, &told, &mut rng));
        }
    }
}

#[test]
fn a_poisoned_file_is_healed_by_writing_it_anew_and_by_nothing_else() {
    let calls = run(None).0.with(|state| state.calls);
    let mut rng = Rng::new(5);
    for at in 1..=calls {
        let (disk, file, _) = run(Some(Fault { at, errno: libc::EIO, lasts: false }));
        if !file.is_poisoned() {
            continue;
        }
        assert!(matches!(file.write_at(0, b"x"), Err(VaultError::Poisoned)));
        assert!(matches!(file.truncate(5), Err(VaultError::Poisoned)));
        file.truncate(0).unwrap();
        let anew = noise(&mut rng, 100_000);
        file.write_at(0, &anew).unwrap();
        file.commit(&record("anew")).unwrap();
        for _ in 0..5 {
            let (file, record, _) = super::open_committed(&SimDisk::of(disk.cut_power(&mut rng)));
            assert!(content(&file, &[]).unwrap() == anew && !record.poisoned);
        }
    }
}

#[test]
fn a_file_with_a_failed_write_says_so_after_a_restart() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    file.write_at(0, &[1; 10_000]).unwrap();
    file.poison();
    assert!(matches!(file.write_at(0, b"x"), Err(VaultError::Poisoned)));
    file.commit(&record("a")).unwrap();
    let (file, found, _) = super::open_committed(&disk);
    assert!(found.poisoned && file.is_poisoned());
    assert_eq!(content(&file, &[]).unwrap(), vec![1; 10_000], "what there is stays readable");
    file.truncate(0).unwrap();
    file.commit(&record("a")).unwrap();
    assert!(!super::open_committed(&disk).1.poisoned);
}

/// The kernel drops what it could not write, and tells only once.
#[test]
fn after_a_failed_sync_no_later_one_is_believed() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    disk.forget_on_failed_sync(Rng::new(1));
    file.write_at(0, &[1; 3 * BLOCK]).unwrap();
    disk.with(|state| state.fault = Some(Fault { at: state.calls + 3, errno: libc::EIO, lasts: false }));
    assert!(matches!(file.commit(&record("a")), Err(VaultError::Io(_))));
    assert_eq!(disk.with(|state| state.hit), Some("sync"));
    assert!(matches!(file.commit(&record("a")), Err(VaultError::Poisoned)));
    assert!(file.is_dirty());
}

#[test]
fn a_record_that_does_not_fit_harms_nothing() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    file.write_at(0, b"photo").unwrap();
    assert!(matches!(file.commit(&record(&"x".repeat(5000))), Err(VaultError::RecordTooLarge(_))));
    assert!(!file.is_poisoned());
    file.commit(&record(&"x".repeat(4096))).unwrap();
    assert_eq!(super::open_committed(&disk).1.path.len(), 4096);
}

#[test]
fn a_discarded_file_gives_its_room_back_and_stays_poisoned() {
    let disk = SimDisk::default();
    let file = super::new_file(&disk);
    file.write_at(0, &vec![1; 40 * BLOCK]).unwrap();
    file.commit(&record("a")).unwrap();
    file.discard();
    file.commit(&record("a")).unwrap();
    assert!(file.is_poisoned() && file.is_empty());
    assert!(disk.image().len() < 1 << 20);
    assert!(super::open_committed(&disk).1.poisoned);
}
