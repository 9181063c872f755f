//! Directories of tags: what EXIF, TIFF and most RAW formats are made of (TIFF 6.0, 2; EXIF 2.32, 4.6).
//!
//! ```text
//! header     0  2  byte order, II or MM      directory  0   2  entries n           entry  0  2  tag
//!            2  2  42 (RW2: 85; ORF: RO, RS)            2 12n  entries                    2  2  type
//!            4  4  place of the first directory        +0   4  next, or 0                 4  4  count
//!                                                                                         8  4  value, or its place
//! ```
//! Guarantees: nothing outside the block is read, and nothing follows a link but where a caller asks for it,
//! so that directories which point at each other cost two looks and no more.

use super::source::{Source, text};
use std::ops::Range;

/// Entries read of one directory; cameras write fewer than a hundred.
const MOST: u64 = 2048;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Little,
    Big,
}

/// A block that begins with a TIFF header; places in it count from its beginning.
pub(super) struct Tiff<'s, 'f> {
    source: &'s Source<'f>,
    block: Range<u64>,
    order: Order,
    pub first: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub tag: u16,
    kind: u16,
    count: u32,
    /// In the file.
    at: u64,
}

#[derive(Default, Debug)]
pub(super) struct Directory {
    entries: Vec<Entry>,
    /// Place of the next directory; 0 for none.
    pub next: u32,
}

impl Directory {
    pub fn get(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }
}

impl<'s, 'f> Tiff<'s, 'f> {
    pub fn open(source: &'s Source<'f>, block: Range<u64>) -> Option<Self> {
        let [a, b, c, d, first @ ..] = source.array::<8>(block.start)?;
        let (order, first) = match [a, b] {
            [b'I', b'I'] => (Order::Little, u32::from_le_bytes(first)),
            [b'M', b'M'] => (Order::Big, u32::from_be_bytes(first)),
            _ => return None,
        };
        let known = matches!([c, d], [0, 42] | [42, 0] | [0x55, 0] | [b'R', b'O'] | [b'R', b'S'] | [b'O', b'R']);
        let block = block.start..block.end.min(source.size());
        known.then_some(Self { source, block, order, first })
    }

    /// A directory within a block of its own that has no header: Apple's maker note.
    pub fn headless(source: &'s Source<'f>, block: Range<u64>, order: Order, first: u32) -> Self {
        Self { source, block, order, first }
    }

    pub fn directory(&self, place: u32) -> Option<Directory> {
        let at = self.place(place, 2).filter(|_| place != 0)?;
        let count = u64::from(self.u16(at)?);
        let entries_at = at + 2;
        let entries = (0..count.min(MOST)).map_while(|n| self.entry(entries_at + n * 12)).collect();
        let next = self.u32(entries_at + count * 12).unwrap_or(0);
        Some(Directory { entries, next })
    }

    fn entry(&self, at: u64) -> Option<Entry> {
        let tag = self.u16(at)?;
        let kind = self.u16(at + 2)?;
        let count = self.u32(at + 4)?;
        let len = u64::from(count).checked_mul(width(kind))?;
        // A value that lies outside leaves its neighbours readable.
        let at = if len <= 4 { Some(at + 8) } else { self.place(self.u32(at + 8)?, len) };
        Some(Entry { tag, kind, count: if at.is_some() { count } else { 0 }, at: at.unwrap_or(0) })
    }

    /// Where `len` bytes at a place of the block lie in the file.
    fn place(&self, place: u32, len: u64) -> Option<u64> {
        let at = self.block.start.checked_add(u64::from(place))?;
        (at.checked_add(len)? <= self.block.end).then_some(at)
    }

    fn within(&self, at: u64, len: u64) -> Option<()> {
        (at.checked_add(len)? <= self.block.end).then_some(())
    }

    fn u16(&self, at: u64) -> Option<u16> {
        self.within(at, 2)?;
        match self.order {
            Order::Little => self.source.le_u16(at),
            Order::Big => self.source.be_u16(at),
        }
    }

    fn u32(&self, at: u64) -> Option<u32> {
        self.within(at, 4)?;
        match self.order {
            Order::Little => self.source.le_u32(at),
            Order::Big => self.source.be_u32(at),
        }
    }

    /// The bytes of an entry's value in the file.
    pub fn value(&self, entry: &Entry) -> Range<u64> {
        entry.at..entry.at + u64::from(entry.count) * width(entry.kind)
    }

    pub fn text(&self, entry: &Entry) -> Option<String> {
        const LONGEST: u64 = 64 << 10;
        let value = self.value(entry);
        // ASCII, UNDEFINED, and BYTE of careless writers.
        let bytes = matches!(entry.kind, 1 | 2 | 7 | 129);
        let end = value.end.min(value.start + LONGEST);
        bytes.then(|| self.source.bytes(value.start..end)).flatten().and_then(|bytes| text(&bytes))
    }

    /// Whole numbers of a BYTE, SHORT, LONG or IFD entry, at most `most` of them.
    pub fn numbers(&self, entry: &Entry, most: u32) -> Vec<u32> {
        let number = |at: u64| match entry.kind {
            1 => self.source.array::<1>(at).map(|[byte]| u32::from(byte)),
            3 => self.u16(at).map(u32::from),
            4 | 9 | 13 => self.u32(at),
            _ => None,
        };
        (0..u64::from(entry.count.min(most))).map_while(|n| number(entry.at + n * width(entry.kind))).collect()
    }

    pub fn number(&self, entry: &Entry) -> Option<u32> {
        self.numbers(entry, 1).first().copied()
    }

    /// Numerators and denominators of a RATIONAL entry, at most `most` of them.
    pub fn rationals(&self, entry: &Entry, most: u32) -> Vec<(u32, u32)> {
        let pair = |at: u64| Some((self.u32(at)?, self.u32(at + 4)?));
        let count = if matches!(entry.kind, 5 | 10) { entry.count.min(most) } else { 0 };
        (0..u64::from(count)).map_while(|n| pair(entry.at + n * 8)).collect()
    }
}

/// Bytes of one value of a type (TIFF 6.0, p. 15; 129 is UTF-8, EXIF 3.0); 0 for a type nobody defined.
fn width(kind: u16) -> u64 {
    match kind {
        1 | 2 | 6 | 7 | 129 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::BUDGET;
    use super::super::testing::{Exif, Value};
    use super::*;

    #[test]
    fn values_read_the_same_in_both_byte_orders() {
        for order in [Order::Little, Order::Big] {
            let block = Exif::new(order)
                .main(0x0100, Value::Short(640))
                .main(0x0102, Value::Shorts(vec![8, 8, 8]))
                .main(0x010f, Value::Text("Make".into()))
                .main(0x0110, Value::Text("ab".into()))
                .main(0x0111, Value::Long(70_000))
                .main(0x011a, Value::Rationals(vec![(72, 1)]))
                .bytes();
            let source = Source::new(&block, BUDGET);
            let tiff = Tiff::open(&source, source.whole()).expect("a header");
            let first = tiff.directory(tiff.first).expect("a directory");
            let number = |tag| first.get(tag).and_then(|entry| tiff.number(entry));
            let text = |tag| first.get(tag).and_then(|entry| tiff.text(entry));
            assert_eq!((number(0x0100), number(0x0111), number(0x0999)), (Some(640), Some(70_000), None));
            assert_eq!(first.get(0x0102).map(|entry| tiff.numbers(entry, 9)), Some(vec![8, 8, 8]));
            assert_eq!((text(0x010f), text(0x0110)), (Some("Make".into()), Some("ab".into())));
            assert_eq!(first.get(0x011a).map(|entry| tiff.rationals(entry, 9)), Some(vec![(72, 1)]));
            assert_eq!(first.next, 0);
        }
    }

    #[test]
    fn a_value_outside_the_block_spares_its_neighbours() {
        let mut block = b"II*\0\x08\0\0\0\x02\0".to_vec();
        block.extend(b"\x0f\x01\x02\0\xff\0\0\0\xf0\xff\xff\xff");
        block.extend(b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0");
        let source = Source::new(&block, BUDGET);
        let tiff = Tiff::open(&source, source.whole()).expect("a header");
        let first = tiff.directory(tiff.first).expect("a directory");
        assert_eq!(first.get(0x010f).and_then(|entry| tiff.text(entry)), None);
        assert_eq!(first.get(0x0112).and_then(|entry| tiff.number(entry)), Some(6));
    }

    #[test]
    fn a_directory_that_claims_65535_entries_costs_what_is_there() {
        let block = [&b"MM\0*\0\0\0\x08\xff\xff"[..], &[0; 40]].concat();
        let source = Source::new(&block, BUDGET);
        let tiff = Tiff::open(&source, source.whole()).expect("a header");
        assert!(tiff.directory(tiff.first).is_some_and(|first| first.get(0x0112).is_none()));
        assert!(tiff.directory(0).is_none(), "place 0 is the header");
        assert!(tiff.directory(u32::MAX).is_none());
    }
}
