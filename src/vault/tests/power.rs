//! Power cuts after every change on disk, with any part of what was not synced.

use super::model::{Snapshot, World, seeds};
use super::sim::after_power_cut;
use super::{content, open_with};
use crate::vault::{Generation, Opened, WriteBudget};

/// What the file must be after a power cut at change `at`: one of the commits from the last that returned on.
fn check_image(world: &World, image: &[u8], at: usize, known: Option<Generation>) -> Option<Snapshot> {
    let returned = world.commits.iter().rposition(|commit| commit.done <= at);
    let disk = super::sim::SimDisk::of(image.to_vec());
    match open_with(&disk, known, &WriteBudget::new(1 << 20)) {
        Opened::Committed { file, record, generation } => {
            let found = world.commits.iter().position(|commit| commit.generation == Some(generation));
            let snapshot = &world.commits[found.expect("a generation that was committed")];
            assert!(found >= returned, "a commit that returned was rolled back");
            assert!(snapshot.begun <= at, "a commit not yet begun");
            assert_eq!(snapshot.record, record);
            assert!(content(&file, &world.base).unwrap() == snapshot.bytes, "not the bytes of {generation:?}");
            Some(snapshot.clone())
        }
        Opened::NeverCommitted { .. } => {
            assert!(returned.is_none(), "a commit that returned is gone");
            None
        }
        Opened::Corrupt { .. } => panic!("corrupt after a power cut"),
    }
}

fn last_returned(world: &World, at: usize) -> Option<Generation> {
    world.commits.iter().rev().find(|commit| commit.done <= at).and_then(|commit| commit.generation)
}

/// Cuts the power after every change since the process began, and goes on from one of the outcomes.
fn cut_everywhere(world: &mut World, start: &[u8]) -> Option<Vec<u8>> {
    let log = world.disk.with(|state| state.log.clone());
    let (chosen, mut next) = (world.rng.below(log.len() + 1), None);
    for at in 0..=log.len() {
        for _ in 0..3 {
            let image = after_power_cut(start.to_vec(), &log[..at], &mut world.rng);
            let known = if world.rng.one_in(2) { last_returned(world, at) } else { None };
            let snapshot = check_image(world, &image, at, known);
            if let Some(snapshot) = snapshot.filter(|_| at == chosen) {
                next = Some((image, snapshot));
            }
        }
    }
    let (image, snapshot) = next?;
    world.bytes.clone_from(&snapshot.bytes);
    world.reopen(image.clone(), None)?;
    // The one that was found is what counts from now on; it was synced before it was built on.
    world.commits = vec![Snapshot { begun: 0, done: 0, ..snapshot }];
    Some(image)
}

#[test]
fn after_any_power_cut_the_file_is_as_of_a_commit_and_none_that_returned_is_lost() {
    for seed in seeds(12) {
        eprintln!("seed {seed}");
        let mut world = World::new(1000 + seed);
        let mut start = Vec::new();
        for _ in 0..4 {
            for _ in 0..25 {
                world.step();
            }
            match cut_everywhere(&mut world, &start) {
                Some(image) => start = image,
                None => break,
            }
        }
    }
}

/// A process that was killed left a commit in the kernel's memory: it is there, but not on the disk yet.
#[test]
fn a_commit_found_after_a_kill_is_synced_before_it_is_built_on() {
    for seed in seeds(40) {
        let mut world = World::new(5000 + seed);
        world.bytes.clear();
        world.file.truncate(0).unwrap();
        world.file.write_at(0, b"first").unwrap();
        world.bytes.extend_from_slice(b"first");
        world.commit();
        let (start, first) = (world.disk.image(), world.commits[0].clone());
        // The second commit reaches the kernel but its sync never comes.
        let log_before = world.disk.with(|state| state.log.len());
        world.file.write_at(0, b"other").unwrap();
        world.bytes.copy_from_slice(b"other");
        world.commit();
        let second = world.commits[1].clone();
        let unsynced = world.disk.with(|state| state.log[log_before..state.log.len() - 1].to_vec());
        let disk = super::sim::SimDisk::of(start);
        unsynced.iter().for_each(|change| disk.replay(change));
        let Opened::Committed { file, generation, .. } = open_with(&disk, first.generation, &WriteBudget::new(1 << 20))
        else {
            panic!("the second commit is whole")
        };
        assert_eq!(Some(generation), second.generation);
        file.write_at(0, b"third").unwrap();
        // The third is under way when the power goes: slot and cells of the first may be gone by now.
        disk.with(|state| state.fault = Some(super::sim::Fault { at: state.calls + 3, errno: libc::EIO, lasts: true }));
        let _ = file.commit(&world.record);
        let image = disk.cut_power(&mut world.rng);
        let (file, _, found) = super::open_committed(&super::sim::SimDisk::of(image));
        let bytes = content(&file, &[]).unwrap();
        assert!(Some(found) >= second.generation && (bytes == b"other" || bytes == b"third"), "seed {seed} {found:?}");
    }
}
