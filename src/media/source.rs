//! The bytes as a parser sees them: at any place, from a few kept pages, never more than a budget in all.
//!
//! Guarantees: whatever the file says of itself, no more than the budget is read and no read is longer than
//! [`LONGEST`]. A place outside the file, a failed read and a spent budget all look the same, `None`: metadata
//! is best effort. Who must know of a failed read serves the bytes and sees it there ([`super::job`] does).

use crate::base::ReadAt;
use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;

/// What one probe may read.
pub(super) const BUDGET: u64 = 64 << 20;
/// The longest single value.
const LONGEST: u64 = 1 << 20;
const PAGE: u64 = 16 << 10;
/// Containers hop between a handful of places (directory, its values, the next directory).
const PAGES: usize = 16;

pub(super) struct Source<'f> {
    file: &'f dyn ReadAt,
    size: u64,
    budget: Cell<u64>,
    /// Most recently read last.
    pages: RefCell<Vec<Page>>,
}

struct Page {
    index: u64,
    bytes: Vec<u8>,
}

impl<'f> Source<'f> {
    pub fn new(file: &'f dyn ReadAt, budget: u64) -> Self {
        Self { file, size: file.size(), budget: Cell::new(budget), pages: RefCell::default() }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn whole(&self) -> Range<u64> {
        0..self.size
    }

    pub fn fill(&self, mut offset: u64, mut buf: &mut [u8]) -> Option<()> {
        while !buf.is_empty() {
            let mut pages = self.pages.borrow_mut();
            let page = self.page(&mut pages, offset / PAGE)?;
            let rest = page.bytes.get((offset % PAGE) as usize..).filter(|rest| !rest.is_empty())?;
            let n = rest.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[..n]);
            buf = &mut buf[n..];
            offset = offset.checked_add(n as u64)?;
        }
        Some(())
    }

    fn page<'p>(&self, pages: &'p mut Vec<Page>, index: u64) -> Option<&'p Page> {
        let page = match pages.iter().position(|page| page.index == index) {
            Some(at) => pages.remove(at),
            None => self.read_page(index)?,
        };
        if pages.len() == PAGES {
            pages.remove(0);
        }
        pages.push(page);
        pages.last()
    }

    fn read_page(&self, index: u64) -> Option<Page> {
        let start = index.checked_mul(PAGE)?;
        let len = self.size.checked_sub(start)?.min(PAGE);
        self.budget.set(self.budget.get().checked_sub(len)?);
        let mut bytes = vec![0; len as usize];
        self.file.read_exact_at(start, &mut bytes).ok()?;
        Some(Page { index, bytes })
    }

    pub fn array<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(offset, &mut bytes)?;
        Some(bytes)
    }

    /// All of `range`, if it is no longer than [`LONGEST`].
    pub fn bytes(&self, range: Range<u64>) -> Option<Vec<u8>> {
        let len = range.end.checked_sub(range.start).filter(|len| *len <= LONGEST)?;
        if range.end > self.size {
            return None;
        }
        let mut bytes = vec![0; len as usize];
        self.fill(range.start, &mut bytes)?;
        Some(bytes)
    }

    pub fn text(&self, range: Range<u64>) -> Option<String> {
        text(&self.bytes(range)?)
    }

    /// A big-endian number of up to eight bytes.
    pub fn be(&self, offset: u64, len: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        let unused = 8_u64.checked_sub(len)? as usize;
        self.fill(offset, &mut bytes[unused..])?;
        Some(u64::from_be_bytes(bytes))
    }

    pub fn be_u16(&self, offset: u64) -> Option<u16> {
        self.array(offset).map(u16::from_be_bytes)
    }

    pub fn be_u32(&self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_be_bytes)
    }

    pub fn be_u64(&self, offset: u64) -> Option<u64> {
        self.array(offset).map(u64::from_be_bytes)
    }

    pub fn le_u16(&self, offset: u64) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    pub fn le_u32(&self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }
}

/// A part of a file as a file of its own; a range that reaches beyond it is cut.
pub(super) struct Window<'f> {
    file: &'f dyn ReadAt,
    range: Range<u64>,
}

impl<'f> Window<'f> {
    pub fn new(file: &'f dyn ReadAt, range: Range<u64>) -> Self {
        let end = range.end.min(file.size());
        Self { file, range: range.start.min(end)..end }
    }
}

impl ReadAt for Window<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.size().saturating_sub(offset).min(buf.len() as u64) as usize;
        if len == 0 { Ok(0) } else { self.file.read_at(self.range.start + offset, &mut buf[..len]) }
    }

    fn size(&self) -> u64 {
        self.range.end - self.range.start
    }
}

/// Reads until `buf` is full or the file ends.
pub(super) fn read_fully(file: &dyn ReadAt, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match file.read_at(offset.saturating_add(filled as u64), &mut buf[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// Text of a metadata value: up to the first NUL, trimmed; Latin-1 where it is not UTF-8, as old cameras write.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().trim().to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cross_pages_and_stop_at_the_end() {
        let bytes: Vec<u8> = (0..40_000_u32).map(|i| (i % 251) as u8).collect();
        let source = Source::new(&bytes, BUDGET);
        for start in [0_u64, 16_380, 16_384, 32_760, 39_992] {
            let at = start as usize;
            assert_eq!(source.array::<8>(start).as_ref().map(<[u8; 8]>::as_slice), Some(&bytes[at..at + 8]));
        }
        assert_eq!(source.array::<8>(39_993), None);
        assert_eq!(source.array::<1>(40_000), None);
        assert_eq!(source.array::<1>(u64::MAX), None);
        assert_eq!(source.bytes(10..40_000).as_deref(), Some(&bytes[10..]));
        assert_eq!(source.bytes(10..40_001), None);
        let be = |len| source.be(16_382, len);
        assert_eq!([be(0), be(1), be(3), be(9)], [Some(0), Some(67), Some(0x43_4445), None]);
    }

    #[test]
    fn nothing_is_read_beyond_the_budget() {
        let bytes = vec![7; 1 << 20];
        let source = Source::new(&bytes, 3 * PAGE);
        let read = (0..64).filter(|page| source.array::<1>(page * PAGE).is_some()).count();
        assert_eq!(read, 3);
        assert_eq!(source.array::<1>(0), Some([7]), "kept pages stay readable");
    }

    #[test]
    fn a_window_is_a_file_of_its_own() {
        let bytes: Vec<u8> = (0..100).collect();
        let read = |range: Range<u64>, at: u64| {
            let mut buf = [0; 8];
            let n = Window::new(&bytes, range).read_at(at, &mut buf).expect("memory reads");
            buf[..n].to_vec()
        };
        assert_eq!(read(10..13, 0), [10, 11, 12]);
        assert_eq!(read(10..13, 2), [12]);
        assert!(read(10..13, 3).is_empty() && read(10..13, u64::MAX).is_empty() && read(200..300, 0).is_empty());
        assert_eq!(read(98..u64::MAX, 0), [98, 99]);
    }

    #[test]
    fn text_survives_every_encoding() {
        assert_eq!(text(b"  Caf\xc3\xa9 \0rest"), Some("Caf\u{e9}".into()));
        assert_eq!(text(b"Caf\xe9"), Some("Caf\u{e9}".into()));
        assert_eq!(text(b"   \0x"), None);
    }
}
