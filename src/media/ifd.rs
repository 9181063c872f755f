//! Directories of tags: what EXIF, TIFF and most RAW formats are made of (TIFF 6.0, 2; EXIF 2.32, 4.6), read by the
//! crate `tiff` wherever among the bytes of a file they lie.
//!
//! ```text
//! header     0  2  byte order, II or MM
//!            2  2  42 (RW2: 85; ORF: RO, RS)
//!            4  4  place of the first directory
//! ```
//! Guarantees: nothing outside the block is read, no value longer than [`LONGEST`], and nothing follows a link but
//! where a caller asks for it, so that directories which point at each other cost two looks and no more.

use super::source::{Source, text};
use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use tiff::decoder::ifd::Value;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::{IfdPointer, Tag, Type, ValueBuffer};

/// Entries read of one directory; cameras write fewer than a hundred.
const MOST: u64 = 2048;
/// What one value may take in memory: the places of 65,536 strips.
const LONGEST: usize = 65_536 * size_of::<Value>();

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub fn short(self, value: u16) -> [u8; 2] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn read_short(self, bytes: [u8; 2]) -> u16 {
        if self == Self::Little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
    }

    pub fn long(self, value: u32) -> [u8; 4] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
}

/// A block that begins with a TIFF header; places in it count from its beginning.
pub(super) struct Tiff<'s> {
    decoder: RefCell<Decoder<Block<'s>>>,
    order: Order,
    pub first: u32,
}

impl<'s> Tiff<'s> {
    pub fn open(source: &'s Source<'_>, block: Range<u64>) -> Option<Self> {
        let [a, b, c, d, first @ ..] = source.array::<8>(block.start)?;
        let (order, first) = match [a, b] {
            [b'I', b'I'] => (Order::Little, u32::from_le_bytes(first)),
            [b'M', b'M'] => (Order::Big, u32::from_be_bytes(first)),
            _ => return None,
        };
        let known = matches!([c, d], [0, 42] | [42, 0] | [0x55, 0] | [b'R', b'O'] | [b'R', b'S'] | [b'O', b'R']);
        known.then(|| Self::headless(source, block, order, first)).flatten()
    }

    /// A directory within a block of its own that has no header: Apple's maker note.
    pub fn headless(source: &'s Source<'_>, block: Range<u64>, order: Order, first: u32) -> Option<Self> {
        let len = block.end.min(source.size()).checked_sub(block.start)?;
        // The decoder opens nothing but pictures, and most blocks hold none.
        let dot = Overlay { place: 0, bytes: dot(order) };
        let block = Block { source, start: block.start, len, at: 0, overlay: Some(dot) };
        let mut limits = Limits::default();
        limits.decoding_buffer_size = LONGEST;
        let mut decoder = Decoder::new(block).ok()?.with_limits(limits);
        decoder.inner().overlay = None;
        Some(Self { decoder: RefCell::new(decoder), order, first })
    }

    pub fn directory(&self, place: u32) -> Option<Directory<'_, 's>> {
        let mut decoder = self.decoder.borrow_mut();
        let overlay = decoder.inner().directory(place.into(), self.order).filter(|_| place != 0)?;
        decoder.inner().overlay = Some(overlay);
        let tags = decoder.read_directory(IfdPointer(place.into())).ok();
        decoder.inner().overlay = None;
        Some(Directory { tiff: self, tags: tags? })
    }
}

pub(super) struct Directory<'t, 's> {
    tiff: &'t Tiff<'s>,
    tags: tiff::Directory,
}

impl Directory<'_, '_> {
    pub fn has(&self, tag: u16) -> bool {
        self.kind(tag).is_some()
    }

    fn kind(&self, tag: u16) -> Option<Type> {
        self.tags.get(Tag::Unknown(tag)).map(|entry| entry.field_type())
    }

    /// The directory that is chained behind this one.
    pub fn next(&self) -> Option<u32> {
        self.tags.next().and_then(|place| u32::try_from(place.0).ok())
    }

    /// The directory that a tag points at.
    pub fn below(&self, tag: u16) -> Option<Self> {
        self.tiff.directory(self.number(tag)?)
    }

    /// A value as it is stored.
    pub fn bytes(&self, tag: u16) -> Option<Vec<u8>> {
        let mut value = ValueBuffer::empty(Type::BYTE);
        let mut decoder = self.tiff.decoder.borrow_mut();
        decoder.read_directory_tags(&self.tags).find_tag_buf(Tag::Unknown(tag), &mut value).ok()??;
        Some(value.as_bytes().to_vec())
    }

    pub fn text(&self, tag: u16) -> Option<String> {
        const LONGEST: usize = 64 << 10;
        // ASCII, UNDEFINED, and BYTE of careless writers.
        self.kind(tag).filter(|kind| matches!(*kind, Type::BYTE | Type::ASCII | Type::UNDEFINED))?;
        let bytes = self.bytes(tag)?;
        text(&bytes[..bytes.len().min(LONGEST)])
    }

    /// The whole numbers of a value, up to the first that is none.
    pub fn numbers(&self, tag: u16) -> Vec<u32> {
        let number = |value| match value {
            Value::Byte(number) => Some(number.into()),
            Value::Short(number) => Some(number.into()),
            Value::Unsigned(number) | Value::Ifd(number) => Some(number),
            Value::Signed(number) => u32::try_from(number).ok(),
            _ => None,
        };
        self.values(tag).into_iter().map_while(number).collect()
    }

    pub fn number(&self, tag: u16) -> Option<u32> {
        self.numbers(tag).first().copied()
    }

    /// The fractions of a value, `None` where one divides by zero.
    pub fn quotients(&self, tag: u16) -> Vec<Option<f64>> {
        let quotient = |value| match value {
            Value::Rational(numerator, denominator) => Some((numerator.into(), denominator.into())),
            Value::SRational(numerator, denominator) => Some((numerator.into(), denominator.into())),
            _ => None,
        };
        let pairs = self.values(tag).into_iter().map_while(quotient);
        pairs
            .map(|(numerator, denominator): (f64, f64)| (denominator != 0.0).then(|| numerator / denominator))
            .collect()
    }

    fn values(&self, tag: u16) -> Vec<Value> {
        if self.kind(tag).is_none_or(|kind| kind == Type::ASCII) {
            return Vec::new();
        }
        let mut decoder = self.tiff.decoder.borrow_mut();
        match decoder.read_directory_tags(&self.tags).find_tag(Tag::Unknown(tag)) {
            Ok(Some(Value::List(values))) => values,
            Ok(value) => value.into_iter().collect(),
            Err(_) => Vec::new(),
        }
    }
}

/// What the decoder reads: a part of the file, or what lies over it.
struct Block<'s> {
    source: &'s Source<'s>,
    /// In the file.
    start: u64,
    len: u64,
    at: u64,
    overlay: Option<Overlay>,
}

/// Bytes in place of the block's, with zeros behind them.
struct Overlay {
    place: u64,
    bytes: Vec<u8>,
}

impl Block<'_> {
    /// A directory for a decoder that takes it whole or not at all, however long it claims to be, and knows the
    /// types of TIFF only: one that breaks off is told to be as long as it is.
    fn directory(&self, place: u64, order: Order) -> Option<Overlay> {
        /// Of EXIF 3.0, and what it was before.
        const UTF_8: u16 = 129;
        const ASCII: u16 = 2;
        let start = self.start.checked_add(place)?;
        let there = self.len.checked_sub(place + 2)?;
        let claimed = order.read_short(self.source.array(start)?);
        let count = MOST.min(claimed.into()).min(there / 12);
        let next = if count == u64::from(claimed) { 4 } else { 0 };
        let entries = self.source.bytes(start + 2..start + 2 + there.min(12 * count + next))?;
        let mut bytes = [&order.short(count as u16)[..], &entries].concat();
        for entry in bytes[2..].chunks_exact_mut(12) {
            if entry[2..4] == order.short(UTF_8) {
                entry[2..4].copy_from_slice(&order.short(ASCII));
            }
        }
        Some(Overlay { place, bytes })
    }
}

impl Read for Block<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match &self.overlay {
            Some(Overlay { place, bytes }) => {
                let at = usize::try_from(self.at.saturating_sub(*place)).unwrap_or(usize::MAX);
                let rest = bytes.get(at..).unwrap_or_default();
                let n = rest.len().min(buf.len());
                buf[..n].copy_from_slice(&rest[..n]);
                buf[n..].fill(0);
                buf.len()
            }
            None => {
                let n = self.len.saturating_sub(self.at).min(buf.len() as u64) as usize;
                let read = self.source.fill(self.start.saturating_add(self.at), &mut buf[..n]);
                read.map(|()| n).ok_or(io::ErrorKind::UnexpectedEof)?
            }
        };
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Block<'_> {
    /// Places in TIFF count from the beginning.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        self.at = at;
        Ok(at)
    }
}

/// The smallest picture: width, height, colours, place and length of its data, all of them 1.
fn dot(order: Order) -> Vec<u8> {
    const TAGS: [u16; 5] = [0x0100, 0x0101, 0x0106, 0x0111, 0x0117];
    const LONG: u16 = 4;
    let mark = if order == Order::Little { b"II" } else { b"MM" };
    let header = [&mark[..], &order.short(42), &order.long(8), &order.short(TAGS.len() as u16)].concat();
    let entry = |tag| [&order.short(tag)[..], &order.short(LONG), &order.long(1), &order.long(1)].concat();
    [header, TAGS.map(entry).concat()].concat()
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
            assert_eq!([0x0100, 0x0111, 0x0999].map(|tag| first.number(tag)), [Some(640), Some(70_000), None]);
            assert_eq!(first.numbers(0x0102), [8, 8, 8]);
            assert_eq!((first.text(0x010f), first.text(0x0110)), (Some("Make".into()), Some("ab".into())));
            assert_eq!(first.quotients(0x011a), [Some(72.0)]);
            assert_eq!(first.next(), None);
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
        assert_eq!(first.text(0x010f), None);
        assert_eq!(first.number(0x0112), Some(6));
    }

    #[test]
    fn a_directory_that_claims_65535_entries_costs_what_is_there() {
        let block = [&b"MM\0*\0\0\0\x08\xff\xff"[..], &[0; 40]].concat();
        let source = Source::new(&block, BUDGET);
        let tiff = Tiff::open(&source, source.whole()).expect("a header");
        assert!(tiff.directory(tiff.first).is_some_and(|first| !first.has(0x0112)));
        assert!(tiff.directory(0).is_none(), "place 0 is the header");
        assert!(tiff.directory(u32::MAX).is_none());
    }

    #[test]
    fn a_directory_that_breaks_off_keeps_what_is_there() {
        for order in [Order::Little, Order::Big] {
            let block = Exif::new(order).main(0x0112, Value::Short(6)).main(0x010f, Value::Text("ab".into())).bytes();
            let source = Source::new(&block, BUDGET);
            // Behind the last entry; in the midst of it.
            for (end, text) in [(34, Some("ab")), (29, None)] {
                let tiff = Tiff::open(&source, 0..end).expect("a header");
                let first = tiff.directory(tiff.first).expect("a directory");
                assert_eq!((first.number(0x0112), first.text(0x010f).as_deref()), (Some(6), text), "{end}");
            }
        }
    }

    #[test]
    fn text_in_utf_8_by_type_is_text() {
        for order in [Order::Little, Order::Big] {
            let mut block = Exif::new(order).main(0x010f, Value::Text("Caf\u{e9}".into())).bytes();
            block[12..14].copy_from_slice(&order.short(129));
            let source = Source::new(&block, BUDGET);
            let tiff = Tiff::open(&source, source.whole()).expect("a header");
            let first = tiff.directory(tiff.first).expect("a directory");
            assert_eq!(first.text(0x010f).as_deref(), Some("Caf\u{e9}"));
        }
    }
}
