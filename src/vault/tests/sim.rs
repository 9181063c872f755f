//! A disk in memory that loses power, tears writes, forgets what it could not write, and fails at the n-th call.

use crate::base::sync::Mutex;
use crate::vault::Disk;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A small repeatable source of randomness; the seed is printed by whoever fails.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit.max(1)
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

#[derive(Clone)]
pub(crate) enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => put(image, *offset as usize, data),
            Self::SetLen(len) => image.resize(*len as usize, 0),
            Self::Sync => {}
        }
    }

    /// What of an unsynced change a power cut leaves: all, nothing, or some of its sectors.
    fn apply_in_part(&self, image: &mut Vec<u8>, rng: &mut Rng) {
        let Self::Write(offset, data) = self else {
            if rng.one_in(2) {
                self.apply(image);
            }
            return;
        };
        let sector = match rng.below(4) {
            0 => return,
            1 => return self.apply(image),
            2 => 512,
            _ => 4096,
        };
        let kept = 1 + rng.below(4);
        for (at, piece) in data.chunks(sector).enumerate() {
            if rng.below(5) < kept {
                put(image, *offset as usize + at * sector, piece);
            }
        }
    }
}

fn put(image: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if image.len() < offset + data.len() {
        image.resize(offset + data.len(), 0);
    }
    image[offset..offset + data.len()].copy_from_slice(data);
}

/// What a power cut after the first `upto` changes of `log` may leave on a disk that began as `image`.
pub(crate) fn after_power_cut(mut image: Vec<u8>, log: &[Change], rng: &mut Rng) -> Vec<u8> {
    let synced = log.iter().rposition(|change| matches!(change, Change::Sync)).map_or(0, |at| at + 1);
    log[..synced].iter().for_each(|change| change.apply(&mut image));
    log[synced..].iter().for_each(|change| change.apply_in_part(&mut image, rng));
    image
}

/// Which call fails, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// Counted from 1 over reads, writes, syncs and changes of length.
    pub(crate) at: usize,
    pub(crate) errno: i32,
    /// Whether every later call fails too.
    pub(crate) lasts: bool,
}

#[derive(Default)]
pub(crate) struct SimState {
    /// What the kernel shows.
    pub(crate) current: Vec<u8>,
    /// What is surely on the disk.
    durable: Vec<u8>,
    /// Since then.
    pending: Vec<Change>,
    /// All changes ever, for power cuts at any point.
    pub(crate) log: Vec<Change>,
    pub(crate) calls: usize,
    pub(crate) fault: Option<Fault>,
    /// Which kind of call the fault hit.
    pub(crate) hit: Option<&'static str>,
    pub(crate) writes: usize,
    pub(crate) syncs: usize,
    forgetful: Option<Rng>,
}

impl SimState {
    fn call(&mut self, what: &'static str) -> io::Result<()> {
        self.calls += 1;
        match self.fault {
            Some(fault) if fault.at == self.calls || (fault.lasts && fault.at < self.calls) => {
                self.hit.get_or_insert(what);
                Err(io::Error::from_raw_os_error(fault.errno))
            }
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.pending.push(change.clone());
        self.log.push(change);
    }
}

/// Shared, so that a test keeps its hand on the disk of an open file.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<SimState>>);

impl SimDisk {
    pub(crate) fn of(image: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.with(|state| {
            state.durable.clone_from(&image);
            state.current = image;
        });
        disk
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut SimState) -> T) -> T {
        look(&mut self.0.lock())
    }

    pub(crate) fn image(&self) -> Vec<u8> {
        self.with(|state| state.current.clone())
    }

    /// Does to this disk what was done to another, unsynced.
    pub(crate) fn replay(&self, change: &Change) {
        self.with(|state| state.change(change.clone()));
    }

    /// A failed sync then writes some of the pending changes and forgets the rest, as the kernel does.
    pub(crate) fn forget_on_failed_sync(&self, rng: Rng) {
        self.with(|state| state.forgetful = Some(rng));
    }

    /// What a power cut now may leave.
    pub(crate) fn cut_power(&self, rng: &mut Rng) -> Vec<u8> {
        self.with(|state| after_power_cut(state.durable.clone(), &state.pending, rng))
    }
}

impl Disk for SimDisk {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.with(|state| {
            state.call("read")?;
            let rest = state.current.get(offset as usize..).unwrap_or(&[]);
            let len = rest.len().min(buf.len());
            buf[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|state| {
            let result = state.call("write");
            // A write that fails may have been done in part.
            let done = if result.is_ok() { data.len() } else { data.len() / 2 };
            state.change(Change::Write(offset, data[..done].to_vec()));
            state.writes += 1;
            result
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state| {
            state.syncs += 1;
            if let Err(error) = state.call("sync") {
                if let Some(mut rng) = state.forgetful.take() {
                    let pending = std::mem::take(&mut state.pending);
                    pending.iter().for_each(|change| change.apply_in_part(&mut state.durable, &mut rng));
                    state.forgetful = Some(rng);
                }
                return Err(error);
            }
            for change in std::mem::take(&mut state.pending) {
                change.apply(&mut state.durable);
            }
            state.log.push(Change::Sync);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|state| {
            state.call("set_len")?;
            state.change(Change::SetLen(len));
            Ok(())
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.with(|state| Ok(state.current.len() as u64))
    }

    fn punch(&self, range: Range<u64>) -> io::Result<()> {
        self.write_at(range.start, &vec![0; (range.end - range.start) as usize])
    }

    fn allocated(&self) -> io::Result<u64> {
        self.size()
    }

    fn start_writeback(&self, _range: Range<u64>) {}

    fn will_read(&self, _range: Range<u64>) {}
}
