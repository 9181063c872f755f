//! Boxes: what MOV, MP4, 3GP, HEIF, AVIF and CR3 are made of (ISO/IEC 14496-12, 4.2).
//!
//! ```text
//! 0  4  size, big-endian: of header and body; 1: the size is the eight bytes at 8; 0: to the end of the file
//! 4  4  type
//! 8  …  body
//! ```

use super::source::Source;
use std::ops::Range;

/// Boxes looked at in one container: enough for any real file, an end for a crafted one.
const MOST: usize = 4096;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BoxAt {
    pub kind: [u8; 4],
    /// Within the container, even where the box claims more.
    pub body: Range<u64>,
    /// Where the box ends by its own account.
    pub declared_end: u64,
}

/// The header at `at` of a container ending at `end`, from its first bytes (16 where there are as many).
pub(super) fn parse_header(bytes: &[u8], at: u64, end: u64) -> Option<BoxAt> {
    let kind = bytes.get(4..8)?.try_into().ok()?;
    let (header, size) = match u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) {
        0 => (8, end.checked_sub(at)?),
        1 => (16, u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?)),
        size => (8, u64::from(size)),
    };
    let declared_end = at.checked_add(size)?;
    let body = at.checked_add(header)?.min(end)..declared_end.min(end);
    (size >= header).then_some(BoxAt { kind, body, declared_end })
}

/// The boxes of a container one after the other, until its end or the first that is none.
pub(super) fn boxes<'s>(source: &'s Source<'_>, container: Range<u64>) -> impl Iterator<Item = BoxAt> + 's {
    let mut at = container.start;
    std::iter::from_fn(move || {
        let mut bytes = [0; 16];
        let len = container.end.checked_sub(at).filter(|rest| *rest >= 8)?.min(16) as usize;
        source.fill(at, &mut bytes[..len])?;
        let found = parse_header(&bytes[..len], at, container.end)?;
        at = found.declared_end;
        Some(found)
    })
    .take(MOST)
}

pub(super) fn find(source: &Source<'_>, container: Range<u64>, kind: &[u8; 4]) -> Option<Range<u64>> {
    boxes(source, container).find(|found| found.kind == *kind).map(|found| found.body)
}

/// The first box at the end of a path of nested ones.
pub(super) fn find_path(source: &Source<'_>, container: Range<u64>, path: &[&[u8; 4]]) -> Option<Range<u64>> {
    path.iter().try_fold(container, |container, kind| find(source, container, kind))
}

/// The body of a *full* box: its version, and what follows the version and the flags.
pub(super) fn full(source: &Source<'_>, body: Range<u64>) -> Option<(u8, Range<u64>)> {
    let [version, ..] = source.array::<4>(body.start)?;
    let rest = body.start.checked_add(4)?..body.end;
    (rest.start <= rest.end).then_some((version, rest))
}

#[cfg(test)]
mod tests {
    use super::super::source::BUDGET;
    use super::*;

    #[test]
    fn sizes_may_be_short_long_or_open() {
        let file = [&b"\0\0\0\x0cfree1234"[..], b"\0\0\0\x01wide\0\0\0\0\0\0\0\x14abcd", b"\0\0\0\0mdatrest"].concat();
        let source = Source::new(&file, BUDGET);
        let found: Vec<_> = boxes(&source, source.whole()).collect();
        assert_eq!(found.iter().map(|found| &found.kind).collect::<Vec<_>>(), [b"free", b"wide", b"mdat"]);
        assert_eq!(found.iter().map(|found| found.body.clone()).collect::<Vec<_>>(), [8..12, 28..32, 40..44]);
    }

    #[test]
    fn a_box_that_claims_more_is_clipped_and_one_smaller_than_its_header_ends_the_list() {
        let file = b"\0\0\0\xffmdatrest".to_vec();
        let source = Source::new(&file, BUDGET);
        let found: Vec<_> = boxes(&source, source.whole()).collect();
        assert_eq!((found[0].body.clone(), found[0].declared_end), (8..12, 255));
        for hostile in [
            &b"\0\0\0\x07freexxxxxxxx"[..],
            b"\0\0\0\x01free\0\0\0\0\0\0\0\x0f",
            b"\0\0\0\x01free\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            let file = hostile.to_vec();
            let source = Source::new(&file, BUDGET);
            assert!(boxes(&source, source.whole()).count() <= 1);
        }
    }

    #[test]
    fn a_million_empty_boxes_end_early() {
        let file = b"\0\0\0\x08free".repeat(100_000);
        let source = Source::new(&file, BUDGET);
        assert_eq!(boxes(&source, source.whole()).count(), MOST);
    }
}
