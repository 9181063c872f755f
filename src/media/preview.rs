//! The JPEGs that cameras put into RAW files for their own screens: the thumbnail of a RAW is made of one.
//!
//! Guarantees: what is given out is the place of a JPEG that a decoder of pictures may read (sensor data comes as
//! lossless JPEG at times), the smallest that fills a thumbnail, else the largest there is. Makers hide previews in
//! notes of their own; where the directories name none that is large enough, the beginning of the file is searched.

use super::exif::pictures;
use super::findings::Size;
use super::format::{Format, Layout};
use super::ifd::{Directory, Tiff};
use super::jpeg::read_frame;
use super::source::Source;
use std::ops::Range;

const START: &[u8] = b"\xff\xd8\xff";

/// The JPEG in a RAW file of which a thumbnail with this longest side is best made.
pub(super) fn find_preview(source: &Source<'_>, format: Format, side: u32) -> Option<Range<u64>> {
    let mut found = match format.layout() {
        Layout::Tiff => named_in_directories(source),
        Layout::Raf => named_in_raf(source).into_iter().collect(),
        _ => Vec::new(),
    };
    found.retain(|place| source.array(place.start) == Some(*b"\xff\xd8\xff"));
    let fills = |place: &Range<u64>| judge(source, place).is_some_and(|size| longest(size) >= side);
    if !found.iter().any(fills) {
        found.extend(search(source));
    }
    let judged = found.into_iter().filter_map(|place| Some((judge(source, &place)?, place)));
    let best = judged.min_by_key(|(size, _)| {
        let pixels = size.pixels();
        if longest(*size) >= side { (0, pixels) } else { (1, u64::MAX - pixels) }
    });
    best.map(|(_, place)| place)
}

fn longest(size: Size) -> u32 {
    size.width.max(size.height)
}

fn judge(source: &Source<'_>, place: &Range<u64>) -> Option<Size> {
    read_frame(source, place.start).filter(|frame| !frame.lossless).map(|frame| frame.size)
}

/// In TIFF's way (one strip of compressed data) or in EXIF's (place and length of a JPEG).
fn named_in_directories(source: &Source<'_>) -> Vec<Range<u64>> {
    const BY_EXIF: (u16, u16) = (0x0201, 0x0202);
    const BY_TIFF: (u16, u16) = (0x0111, 0x0117);
    let Some(tiff) = Tiff::open(source, source.whole()) else { return Vec::new() };
    let place = |directory: &Directory<'_, '_>, (at, len): (u16, u16)| {
        let (places, lengths) = (directory.numbers(at), directory.numbers(len));
        let ([start], [len]) = (places.as_slice(), lengths.as_slice()) else { return None };
        Some(u64::from(*start)..u64::from(*start) + u64::from(*len))
    };
    let directories = pictures(&tiff);
    directories.iter().flat_map(|directory| [BY_EXIF, BY_TIFF].map(|tags| place(directory, tags))).flatten().collect()
}

/// Fuji's header has place and length.
fn named_in_raf(source: &Source<'_>) -> Option<Range<u64>> {
    let start = u64::from(source.be_u32(84)?);
    Some(start..start + u64::from(source.be_u32(88)?))
}

/// Everything at the beginning of the file that starts as a JPEG does, up to the end of the file.
fn search(source: &Source<'_>) -> Vec<Range<u64>> {
    const FAR: u64 = 8 << 20;
    const PIECE: u64 = 256 << 10;
    const MOST: usize = 32;
    let mut found = Vec::new();
    let far = source.size().min(FAR);
    for start in (0..far).step_by(PIECE as usize) {
        // A start may lie across two pieces.
        let Some(piece) = source.bytes(start..(start + PIECE + START.len() as u64 - 1).min(far)) else { break };
        let places = memchr::memmem::find_iter(&piece, START).map(|at| start + at as u64);
        found.extend(places.take(MOST - found.len()).map(|place| place..source.size()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::ifd::Order;
    use super::super::source::BUDGET;
    use super::super::testing::{Exif, Value, jpeg_of, noise};
    use super::*;

    fn found(file: &[u8], format: Format) -> Option<Size> {
        let file = file.to_vec();
        let source = Source::new(&file, BUDGET);
        find_preview(&source, format, 100).and_then(|place| judge(&source, &place))
    }

    fn picture(side: u16) -> Vec<u8> {
        jpeg_of(side, side / 2, &noise(side.into(), u32::from(side) / 2))
    }

    /// A RAW file whose first directory names a JPEG by these tags, other bytes around it.
    fn raw(tags: (u16, u16), jpeg: &[u8]) -> Vec<u8> {
        let header = |at: u32| {
            let named = Exif::new(Order::Little).main(tags.0, Value::Long(at));
            named.main(tags.1, Value::Long(jpeg.len() as u32)).bytes()
        };
        let at = header(0).len() + 50;
        [header(at as u32), vec![7; 50], jpeg.to_vec(), vec![9; 100]].concat()
    }

    #[test]
    fn both_ways_to_name_a_preview_are_read() {
        for tags in [(0x0201, 0x0202), (0x0111, 0x0117)] {
            assert_eq!(found(&raw(tags, &picture(200)), Format::Cr2), Size::new(200, 100));
        }
    }

    #[test]
    fn the_smallest_that_fills_the_thumbnail_is_taken_else_the_largest() {
        let file = [picture(300), picture(40), picture(120), picture(200)].concat();
        assert_eq!(found(&file, Format::Cr3), Size::new(120, 60));
        let small = [picture(40), picture(60), picture(50)].concat();
        assert_eq!(found(&small, Format::Orf), Size::new(60, 30));
        let named = [raw((0x0201, 0x0202), &picture(40)), picture(120)].concat();
        assert_eq!(found(&named, Format::Nef), Size::new(120, 60), "what is named is too small");
    }

    #[test]
    fn sensor_data_is_no_preview() {
        let mut lossless = picture(200);
        let frame = lossless.windows(2).position(|marker| marker == [0xff, 0xc0]).expect("a frame");
        lossless[frame + 1] = 0xc3;
        assert_eq!(found(&raw((0x0111, 0x0117), &lossless), Format::Cr2), None);
        assert_eq!(found(b"nothing at all", Format::Cr2), None);
    }

    #[test]
    fn a_start_across_two_pieces_is_found() {
        for pad in 0..4 {
            let file = [vec![1; (256 << 10) - pad], picture(120)].concat();
            assert_eq!(found(&file, Format::Cr3), Size::new(120, 60), "{pad}");
        }
    }
}
