//! What is in the cache and what goes first: bytes by file and extent, in the order they were last used.
//!
//! ```text
//!           reserve             add
//!   budget ─────────▶ reserved ─────▶ stored, in an extent ─────▶ evicted
//!      ▲                  │ give back                                │
//!      └──────────────────┴──────────────────────────────────────────┘
//! ```
//! Room is reserved before a byte is written, so that the budget holds at every moment. Memory only: no I/O here.

use super::file::CachedFile;
use super::key::CacheKey;
use crate::base::sync::Mutex;
use crate::vault::{BLOCK, CELLS_AT, STRIDE};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Weak};

/// Cells of an extent: what is evicted as one, 4 MiB of plaintext.
pub(super) const EXTENT_CELLS: u32 = 64;
/// Files found at start are older than all that is used since.
const FIRST_STAMP: u64 = 1 << 40;
/// Records of files that are not here are cleared away when there are so many.
const TIDY_AT: usize = 4096;

/// What changes one file on disk takes turns by this. Taken before the index.
pub(super) type Gate = Arc<Mutex<()>>;

/// What a file takes on disk.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Contents {
    /// Bytes before the first cell.
    pub(super) overhead: u64,
    /// Bytes by extent.
    pub(super) extents: BTreeMap<u32, u64>,
}

impl Contents {
    /// Of a file with data in these ranges.
    pub(super) fn of_ranges(ranges: &[Range<u64>]) -> Self {
        let mut contents = Self::default();
        for range in ranges {
            contents.overhead += range.end.min(CELLS_AT).saturating_sub(range.start);
            let mut at = range.start.max(CELLS_AT);
            while at < range.end {
                let extent = (at - CELLS_AT) / extent_stride();
                let end = range.end.min(CELLS_AT + (extent + 1) * extent_stride());
                *contents.extents.entry(extent as u32).or_default() += end - at;
                at = end;
            }
        }
        contents
    }

    /// The most that a content of so many bytes takes, in the spool's layout with a map of its own.
    pub(super) fn most_of(plain_len: u64) -> u64 {
        let blocks = plain_len.div_ceil(BLOCK as u64);
        CELLS_AT + (blocks + 2 + blocks / 2048) * STRIDE as u64
    }

    /// Of a file of one extent that takes so many bytes.
    pub(super) fn small(bytes: u64) -> Self {
        Self { overhead: 0, extents: BTreeMap::from([(0, bytes)]) }
    }
}

/// Bytes on disk from one extent to the next.
pub(super) fn extent_stride() -> u64 {
    u64::from(EXTENT_CELLS) * STRIDE as u64
}

fn extents_of(cells: &Range<u32>) -> Range<u32> {
    cells.start / EXTENT_CELLS..cells.end.div_ceil(EXTENT_CELLS)
}

#[derive(Default)]
struct Extent {
    stamp: u64,
    bytes: u64,
}

#[derive(Default)]
struct Record {
    extents: BTreeMap<u32, Extent>,
    /// Head, slots and pieces of a map: bytes that no eviction of an extent gives back.
    overhead: u64,
    pins: BTreeMap<u32, u32>,
    open: Weak<CachedFile>,
    gate: Gate,
}

impl Record {
    fn bytes(&self) -> u64 {
        self.overhead + self.extents.values().map(|extent| extent.bytes).sum::<u64>()
    }

    fn is_closed(&self) -> bool {
        self.open.strong_count() == 0
    }

    fn is_needless(&self) -> bool {
        self.is_closed() && self.bytes() == 0 && self.pins.is_empty() && Arc::strong_count(&self.gate) == 1
    }
}

/// What is to be evicted.
pub(super) struct Victim {
    pub(super) key: CacheKey,
    /// `None`: no extent is left, only the file.
    pub(super) extent: Option<u32>,
    pub(super) gate: Gate,
}

/// How to carry an eviction out.
pub(super) enum Eviction {
    /// Nobody has the file open and nothing else is in it.
    Remove,
    /// Punch the extent; through this object, if the file is open.
    Punch(Option<Arc<CachedFile>>),
    /// Somebody else was faster.
    Nothing,
}

/// Whether there is room.
pub(super) enum Reservation {
    Granted,
    /// After this is evicted, perhaps.
    After(Victim),
    /// Not even then: everything is pinned, or the budget is smaller than that.
    Refused,
}

pub(super) struct Index {
    records: HashMap<CacheKey, Record>,
    /// Extents by when they were last used; those on their way out are not in it.
    order: BTreeMap<u64, (CacheKey, u32)>,
    /// Files that may be without an extent.
    hollow: BTreeSet<CacheKey>,
    clock: u64,
    /// Never 0, which an extent has before its first stamp.
    found_clock: u64,
    stored: u64,
    reserved: u64,
    budget: u64,
    tidy_at: usize,
}

impl Index {
    pub(super) fn new(budget: u64) -> Self {
        Self {
            records: HashMap::new(),
            order: BTreeMap::new(),
            hollow: BTreeSet::new(),
            clock: FIRST_STAMP,
            found_clock: 1,
            stored: 0,
            reserved: 0,
            budget,
            tidy_at: TIDY_AT,
        }
    }

    /// Bytes on disk, and those about to be.
    pub(super) fn used(&self) -> u64 {
        self.stored + self.reserved
    }

    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    /// Files with something in them.
    pub(super) fn files(&self) -> usize {
        self.records.values().filter(|record| record.bytes() > 0).count()
    }

    pub(super) fn holds(&self, key: CacheKey) -> bool {
        self.records.get(&key).is_some_and(|record| record.bytes() > 0)
    }

    fn record(&mut self, key: CacheKey) -> &mut Record {
        if self.records.len() >= self.tidy_at && !self.records.contains_key(&key) {
            self.records.retain(|_, record| !record.is_needless());
            self.tidy_at = TIDY_AT.max(self.records.len() * 2);
        }
        self.records.entry(key).or_default()
    }

    /// The file of a key, one for all that have it open; `make` gets the key's gate.
    pub(super) fn open(&mut self, key: CacheKey, make: impl FnOnce(Gate) -> Arc<CachedFile>) -> Arc<CachedFile> {
        let record = self.record(key);
        if let Some(open) = record.open.upgrade() {
            return open;
        }
        let file = make(Arc::clone(&record.gate));
        record.open = Arc::downgrade(&file);
        file
    }

    pub(super) fn gate(&mut self, key: CacheKey) -> Gate {
        Arc::clone(&self.record(key).gate)
    }

    pub(super) fn opened(&self, key: CacheKey) -> Option<Arc<CachedFile>> {
        self.records.get(&key).and_then(|record| record.open.upgrade())
    }

    /// Asks for room for `bytes` more.
    pub(super) fn reserve(&mut self, bytes: u64) -> Reservation {
        if self.used().saturating_add(bytes) <= self.budget {
            self.reserved += bytes;
            return Reservation::Granted;
        }
        let victim = if bytes <= self.budget { self.victim() } else { None };
        victim.map_or(Reservation::Refused, Reservation::After)
    }

    pub(super) fn give_back(&mut self, reserved: u64) {
        self.reserved = self.reserved.saturating_sub(reserved);
    }

    /// What was used least recently and is not pinned.
    pub(super) fn victim(&mut self) -> Option<Victim> {
        if let Some(key) = self.take_hollow() {
            return Some(Victim { key, extent: None, gate: self.gate(key) });
        }
        let is_pinned = |key, extent| self.records.get(key).is_some_and(|record| record.pins.contains_key(extent));
        let free = self.order.iter().find(|(_, (key, extent))| !is_pinned(key, extent));
        let (stamp, (key, extent)) = free.map(|(stamp, place)| (*stamp, *place))?;
        self.order.remove(&stamp);
        Some(Victim { key, extent: Some(extent), gate: self.gate(key) })
    }

    /// A closed file without an extent; those that have got one again are forgotten here.
    fn take_hollow(&mut self) -> Option<CacheKey> {
        let records = &self.records;
        let is_empty = |key: &CacheKey| records.get(key).is_some_and(|record| record.extents.is_empty());
        self.hollow.retain(is_empty);
        let closed = self.hollow.iter().find(|key| records.get(key).is_some_and(Record::is_closed)).copied();
        closed.filter(|key| self.hollow.remove(key))
    }

    /// How to carry it out; asked under the victim's gate.
    pub(super) fn plan_eviction(&mut self, victim: &Victim) -> Eviction {
        let Some(record) = self.records.get(&victim.key) else { return Eviction::Nothing };
        let is_last = record.extents.keys().all(|extent| Some(*extent) == victim.extent);
        let open = record.open.upgrade();
        match victim.extent {
            _ if is_last && open.is_none() => Eviction::Remove,
            Some(extent) if record.extents.contains_key(&extent) => Eviction::Punch(open),
            Some(_) => Eviction::Nothing,
            None => {
                self.hollow.insert(victim.key);
                Eviction::Nothing
            }
        }
    }

    /// An extent was punched; `kept` bytes of it stay. Returns the bytes freed.
    pub(super) fn evicted(&mut self, key: CacheKey, extent: u32, kept: u64) -> u64 {
        let Some(record) = self.records.get_mut(&key) else { return 0 };
        let Some(gone) = record.extents.remove(&extent) else { return 0 };
        self.order.remove(&gone.stamp);
        let freed = gone.bytes.saturating_sub(kept);
        record.overhead += gone.bytes - freed;
        self.stored = self.stored.saturating_sub(freed);
        self.hollow.insert(key);
        freed
    }

    /// The file is gone. Returns the bytes it had.
    pub(super) fn removed(&mut self, key: CacheKey) -> u64 {
        let Some(record) = self.records.get_mut(&key) else { return 0 };
        let bytes = record.bytes();
        for extent in std::mem::take(&mut record.extents).into_values() {
            self.order.remove(&extent.stamp);
        }
        record.overhead = 0;
        self.hollow.remove(&key);
        self.stored = self.stored.saturating_sub(bytes);
        bytes
    }

    /// The directory is gone with everything in it.
    pub(super) fn clear(&mut self) {
        let keys: Vec<CacheKey> = self.records.keys().copied().collect();
        for key in keys {
            self.removed(key);
        }
    }

    /// Bytes that were reserved are on disk: in the extent of a cell, or beside the cells.
    pub(super) fn add(&mut self, key: CacheKey, cell: Option<u32>, bytes: u64) {
        self.give_back(bytes);
        self.stored += bytes;
        let stamp = self.next_stamp();
        let record = self.record(key);
        let Some(cell) = cell else {
            record.overhead += bytes;
            self.hollow.insert(key);
            return;
        };
        let extent = record.extents.entry(cell / EXTENT_CELLS).or_default();
        extent.bytes += bytes;
        let before = std::mem::replace(&mut extent.stamp, stamp);
        self.order.remove(&before);
        self.order.insert(stamp, (key, cell / EXTENT_CELLS));
    }

    /// A block was dropped by itself.
    pub(super) fn sub(&mut self, key: CacheKey, cell: u32, bytes: u64) {
        let record = self.records.get_mut(&key);
        if let Some(extent) = record.and_then(|record| record.extents.get_mut(&(cell / EXTENT_CELLS))) {
            let bytes = bytes.min(extent.bytes);
            extent.bytes -= bytes;
            self.stored = self.stored.saturating_sub(bytes);
        }
    }

    /// A file found at start: older than all that is used since. What is known of it already counts more.
    pub(super) fn enroll_found(&mut self, key: CacheKey, contents: &Contents) {
        if !self.holds(key) {
            let stamp = self.found_clock;
            self.found_clock += contents.extents.len() as u64;
            self.put(key, contents, stamp);
        }
    }

    /// A file as it is on disk now, in place of what was known of it.
    pub(super) fn enroll(&mut self, key: CacheKey, contents: &Contents) {
        self.removed(key);
        let stamp = self.clock + 1;
        self.clock += contents.extents.len() as u64;
        self.put(key, contents, stamp);
    }

    fn put(&mut self, key: CacheKey, contents: &Contents, first_stamp: u64) {
        let record = self.record(key);
        record.overhead = contents.overhead;
        let placed = (first_stamp..).zip(&contents.extents);
        record.extents = placed.clone().map(|(stamp, (at, bytes))| (*at, Extent { stamp, bytes: *bytes })).collect();
        self.stored += record.bytes();
        self.order.extend(placed.map(|(stamp, (at, _))| (stamp, (key, *at))));
        self.hollow.insert(key);
    }

    /// The extents of these cells were used just now.
    pub(super) fn touch(&mut self, key: CacheKey, cells: &Range<u32>) {
        for at in extents_of(cells) {
            let stamp = self.clock + 1;
            let extent = self.records.get_mut(&key).and_then(|record| record.extents.get_mut(&at));
            let Some(extent) = extent.filter(|extent| extent.stamp != self.clock) else { continue };
            // One on its way out is in no order, and stays so.
            if self.order.remove(&extent.stamp).is_some() {
                (extent.stamp, self.clock) = (stamp, stamp);
                self.order.insert(stamp, (key, at));
            }
        }
    }

    /// Keeps the extents of these cells from eviction.
    pub(super) fn pin(&mut self, key: CacheKey, cells: &Range<u32>) {
        let record = self.record(key);
        extents_of(cells).for_each(|at| *record.pins.entry(at).or_default() += 1);
    }

    /// Lets them go again.
    pub(super) fn unpin(&mut self, key: CacheKey, cells: &Range<u32>) {
        let Some(record) = self.records.get_mut(&key) else { return };
        for at in extents_of(cells) {
            let left = record.pins.get_mut(&at).map_or(0, |pins| {
                *pins = pins.saturating_sub(1);
                *pins
            });
            if left == 0 {
                record.pins.remove(&at);
            }
        }
    }

    fn next_stamp(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> CacheKey {
        CacheKey([n; 16])
    }

    fn fill(index: &mut Index, n: u8, extents: Range<u32>, bytes: u64) {
        for extent in extents {
            assert!(matches!(index.reserve(bytes), Reservation::Granted));
            index.add(key(n), Some(extent * EXTENT_CELLS), bytes);
        }
    }

    fn evict(index: &mut Index) -> (CacheKey, Option<u32>) {
        let victim = index.victim().expect("something to evict");
        match index.plan_eviction(&victim) {
            Eviction::Remove => index.removed(victim.key),
            Eviction::Punch(_) => index.evicted(victim.key, victim.extent.unwrap_or(0), 0),
            Eviction::Nothing => 0,
        };
        (victim.key, victim.extent)
    }

    #[test]
    fn the_least_recently_used_extent_goes_first() {
        let mut index = Index::new(100);
        fill(&mut index, 1, 0..3, 10);
        fill(&mut index, 2, 0..1, 10);
        index.touch(key(1), &(0..1));
        assert_eq!([evict(&mut index), evict(&mut index)], [(key(1), Some(1)), (key(1), Some(2))]);
        assert_eq!([evict(&mut index), evict(&mut index)], [(key(2), Some(0)), (key(1), Some(0))]);
        assert_eq!((index.used(), index.victim().is_none()), (0, true));
    }

    #[test]
    fn pinned_extents_stay_until_they_are_let_go() {
        let mut index = Index::new(100);
        fill(&mut index, 1, 0..2, 50);
        index.pin(key(1), &(0..128));
        assert!(matches!(index.reserve(1), Reservation::Refused));
        index.pin(key(1), &(64..65));
        index.unpin(key(1), &(0..128));
        assert_eq!(evict(&mut index), (key(1), Some(0)));
        assert!(index.victim().is_none());
    }

    #[test]
    fn what_a_map_keeps_counts_on() {
        let mut index = Index::new(1000);
        fill(&mut index, 1, 0..2, 100);
        let victim = index.victim().unwrap();
        assert_eq!(index.evicted(victim.key, 0, 30), 70);
        assert_eq!(index.used(), 130);
        assert_eq!(evict(&mut index), (key(1), Some(1)));
        assert_eq!(index.used(), 0, "the file goes with its last extent");
    }

    #[test]
    fn files_found_at_start_are_older_than_what_is_used_since() {
        let mut index = Index::new(100);
        fill(&mut index, 1, 0..1, 10);
        index.enroll_found(key(2), &Contents { overhead: 5, extents: BTreeMap::from([(0, 10), (3, 10)]) });
        index.enroll_found(key(1), &Contents::small(50));
        assert_eq!((index.used(), index.files()), (35, 2));
        assert_eq!([evict(&mut index), evict(&mut index)], [(key(2), Some(0)), (key(2), Some(3))]);
        assert_eq!(index.used(), 10);
    }

    #[test]
    fn a_file_without_an_extent_goes_before_any_other() {
        let mut index = Index::new(100);
        fill(&mut index, 1, 0..1, 10);
        index.reserve(5);
        index.add(key(2), None, 5);
        assert_eq!(evict(&mut index), (key(2), None));
        assert_eq!(index.used(), 10);
    }

    #[test]
    fn data_ranges_fall_into_their_extents() {
        let stride = extent_stride();
        let contents = Contents::of_ranges(&[0..4096, CELLS_AT + stride - 10..CELLS_AT + 2 * stride + 7]);
        assert_eq!(contents.overhead, 4096);
        assert_eq!(contents.extents, BTreeMap::from([(0, 10), (1, stride), (2, 7)]));
        assert_eq!(Contents::of_ranges(&vec![4000..CELLS_AT + 1; 1]).extents, BTreeMap::from([(0, 1)]));
    }
}
