//! JPEG (ITU-T T.81, annex B): what its header segments say, and whether its end was reached.
//!
//! ```text
//! FF D8   start    FF E1 .. EXIF   FF C0 .. FF CF  frame: size, components   FF DA .. scan: coded data   FF D9   end
//! ```

use super::findings::{Findings, Size};
use super::source::{Source, read_fully};
use super::{exif, iptc, xmp};
use crate::base::ReadAt;
use std::io;
use std::ops::Range;

const END: u8 = 0xd9;
const SCAN: u8 = 0xda;

/// Segments before the scan; a hostile file could hold millions.
const MOST: usize = 4096;

pub(super) struct Segment {
    pub marker: u8,
    pub body: Range<u64>,
}

/// The segments between the start marker and the first scan, of a JPEG that begins at `at`.
pub(super) fn segments<'s>(source: &'s Source<'_>, at: u64) -> impl Iterator<Item = Segment> + 's {
    let mut at = at.saturating_add(2);
    std::iter::from_fn(move || {
        let marker = next_marker(source, &mut at)?;
        let len = u64::from(source.be_u16(at)?);
        let body = at.checked_add(2)?..at.checked_add(len.max(2))?;
        at = body.end;
        Some(Segment { marker, body })
    })
    .take(MOST)
    .take_while(|segment| segment.marker != SCAN && segment.marker != END)
}

/// Steps over fill bytes, and over a little rubbish between segments as every decoder does.
fn next_marker(source: &Source<'_>, at: &mut u64) -> Option<u8> {
    const RUBBISH: usize = 4096;
    let mut last = 0;
    for _ in 0..RUBBISH {
        let [byte] = source.array::<1>(*at)?;
        *at += 1;
        if last == 0xff && byte != 0 && byte != 0xff {
            return Some(byte);
        }
        last = byte;
    }
    None
}

/// What the frame header tells a decoder (T.81, B.2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    pub size: Size,
    pub progressive: bool,
    /// Sensor data in a JPEG's clothes, which no decoder of pictures reads.
    pub lossless: bool,
    /// Samples of all components together.
    pub samples: u64,
    /// An Adobe segment says that four components are stored inverted, as all of Adobe's are.
    pub adobe: bool,
}

pub(super) fn read_frame(source: &Source<'_>, at: u64) -> Option<Frame> {
    let mut adobe = false;
    for segment in segments(source, at) {
        adobe |= segment.marker == 0xee && source.array::<5>(segment.body.start) == Some(*b"Adobe");
        if is_frame(segment.marker) {
            let frame = parse_frame(segment.marker, &source.bytes(segment.body)?)?;
            return Some(Frame { adobe: adobe || frame.adobe, ..frame });
        }
    }
    None
}

/// The ICC profile, which comes in numbered pieces.
pub(super) fn read_profile(source: &Source<'_>, at: u64) -> Option<Vec<u8>> {
    const PREFIX: &[u8] = b"ICC_PROFILE\0";
    const MOST: usize = 255;
    let described = segments(source, at).filter(|segment| segment.marker == 0xe2);
    let mut pieces: Vec<(u8, Vec<u8>)> = described
        .filter_map(|segment| {
            let bytes = source.bytes(segment.body)?;
            let [number, _count, piece @ ..] = bytes.strip_prefix(PREFIX)? else { return None };
            Some((*number, piece.to_vec()))
        })
        .take(MOST)
        .collect();
    pieces.sort_by_key(|(number, _)| *number);
    let profile: Vec<u8> = pieces.into_iter().flat_map(|(_, piece)| piece).collect();
    (!profile.is_empty()).then_some(profile)
}

/// `SOF0` to `SOF15` without the three codes between them that mean other things (DHT, JPG, DAC).
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

fn parse_frame(marker: u8, body: &[u8]) -> Option<Frame> {
    let [_, h1, h0, w1, w0, count, components @ ..] = body else { return None };
    let size = Size::new(u16::from_be_bytes([*w1, *w0]).into(), u16::from_be_bytes([*h1, *h0]).into())?;
    let areas: Vec<u64> = components
        .chunks_exact(3)
        .take(usize::from(*count))
        .map(|c| u64::from(c[1] >> 4) * u64::from(c[1] & 15))
        .collect();
    let largest = areas.iter().copied().max().filter(|area| *area > 0)?;
    let samples = size.pixels() * areas.iter().sum::<u64>() / largest;
    let progressive = matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce);
    let lossless = matches!(marker, 0xc3 | 0xc7 | 0xcb | 0xcf);
    Some(Frame { size, progressive, lossless, samples, adobe: false })
}

/// The facts of a JPEG that begins at `at` (not 0 inside a RAF).
pub(super) fn read(source: &Source<'_>, at: u64, findings: &mut Findings) {
    const EXIF: &[u8; 6] = b"Exif\0\0";
    for Segment { marker, body } in segments(source, at) {
        let behind = |prefix: &[u8]| {
            let start = body.start + prefix.len() as u64;
            let found = source.bytes(body.start..start).is_some_and(|bytes| bytes == prefix);
            found.then(|| start..body.end.max(start))
        };
        if is_frame(marker) {
            // What is there counts, not what EXIF says of the picture it once was.
            let frame = source.bytes(body).and_then(|body| parse_frame(marker, &body));
            findings.size = frame.map(|frame| frame.size).or(findings.size);
        } else if marker == 0xe1
            && let Some(block) = behind(EXIF)
        {
            exif::read_block(source, block, findings).unwrap_or_default();
        } else if marker == 0xe1
            && let Some(packet) = behind(xmp::JPEG_PREFIX).and_then(|range| source.bytes(range))
        {
            xmp::read_packet(&packet, findings);
        } else if marker == 0xed
            && let Some(resources) = behind(iptc::JPEG_PREFIX).and_then(|range| source.bytes(range))
        {
            iptc::read_resources(&resources, findings);
        }
    }
}

/// Whether an end marker follows the first scan. Whatever comes after it (a motion photo's video, a second
/// picture, padding) does not matter.
///
/// Segments are stepped over by their length, so that the end marker of an EXIF preview does not count; in coded
/// data an `FF` that is followed by neither 00 nor a restart cannot occur but as a marker. Cost: one pass.
///
/// # Errors
/// Where the file cannot be read.
pub(super) fn has_end(file: &dyn ReadAt) -> io::Result<bool> {
    let mut scan = Scan { file, start: 0, bytes: Vec::new(), at: 2 };
    let mut in_scan = false;
    while let Some(marker) = scan.next_marker(in_scan)? {
        match marker {
            END => return Ok(true),
            // Stand alone: start, restarts, TEM.
            0xd8 | 0xd0..=0xd7 | 0x01 => {}
            // Not a marker that may stand between scans: damage in coded data, over which decoders go on.
            _ if in_scan && !matches!(marker, 0xc4 | 0xcc | SCAN..=0xdd | 0xe0..=0xef | 0xfe) => {}
            _ => {
                let Some(len) = scan.be_u16()? else { return Ok(false) };
                scan.at += u64::from(len).max(2);
                in_scan |= marker == SCAN;
            }
        }
    }
    Ok(false)
}

/// A forward pass in large reads.
struct Scan<'f> {
    file: &'f dyn ReadAt,
    /// Where `bytes` begin in the file.
    start: u64,
    bytes: Vec<u8>,
    at: u64,
}

impl Scan<'_> {
    const READ: usize = 512 << 10;

    /// What is there from `at` on: at least `least` bytes, fewer only at the end of the file.
    fn rest(&mut self, least: usize) -> io::Result<&[u8]> {
        let held = self.start..self.start + self.bytes.len() as u64;
        if !held.contains(&self.at) || self.at + least as u64 > held.end {
            self.start = self.at;
            self.bytes.resize(Self::READ, 0);
            let n = read_fully(self.file, self.at, &mut self.bytes)?;
            self.bytes.truncate(n);
        }
        Ok(&self.bytes[(self.at - self.start) as usize..])
    }

    fn be_u16(&mut self) -> io::Result<Option<u16>> {
        Ok(self.rest(2)?.get(..2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]])))
    }

    /// The next `FF xx` that is a marker; `in_scan`, stuffed zeros and restarts are none.
    fn next_marker(&mut self, in_scan: bool) -> io::Result<Option<u8>> {
        loop {
            let rest = self.rest(2)?;
            if rest.len() < 2 {
                return Ok(None);
            }
            let Some(n) = memchr::memchr(0xff, &rest[..rest.len() - 1]) else {
                // The last byte may be the first half of a marker.
                self.at += rest.len() as u64 - 1;
                continue;
            };
            let code = rest[n + 1];
            self.at += n as u64 + if code == 0xff { 1 } else { 2 };
            if code != 0 && code != 0xff && !(in_scan && matches!(code, 0xd0..=0xd7)) {
                return Ok(Some(code));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::BUDGET;
    use super::super::testing::{Random, app1, jpeg_of, noise};
    use super::*;

    fn complete(bytes: &[u8]) -> bool {
        has_end(&bytes.to_vec()).expect("memory reads")
    }

    #[test]
    fn every_cut_of_a_jpeg_is_found() {
        let small = jpeg_of(16, 12, &noise(16, 12));
        for len in 2..small.len() {
            assert!(!complete(&small[..len]), "{len} of {}", small.len());
        }
        assert!(complete(&small));
    }

    #[test]
    fn bytes_behind_the_end_do_not_matter() {
        let mut random = Random(7);
        let mut file = jpeg_of(8, 8, &noise(8, 8));
        file.extend((0..200_000).map(|_| random.byte()));
        assert!(complete(&file));
    }

    #[test]
    fn the_end_of_a_preview_in_the_header_does_not_count() {
        let preview = jpeg_of(8, 8, &noise(8, 8));
        let file = app1(&jpeg_of(200, 200, &noise(200, 200)), &preview);
        assert!(complete(&file));
        assert!(!complete(&file[..file.len() - 2]));
        assert!(!complete(&file[..preview.len() + 40]));
    }

    #[test]
    fn a_marker_may_lie_across_two_reads() {
        for pad in 0..4 {
            // A scan of plain bytes, its end marker around the border of the first read.
            let head = [&b"\xff\xd8\xff\xda\0\x02"[..]].concat();
            let mut file = head.clone();
            file.resize(Scan::READ + pad, 0x55);
            assert!(!complete(&file));
            file.extend(b"\xff\xd9");
            assert!(complete(&file), "{pad}");
        }
    }

    #[test]
    fn a_profile_is_put_together_from_its_pieces() {
        let piece = |number: u8, text: &[u8]| {
            let body = [b"ICC_PROFILE\0", &[number, 2][..], text].concat();
            [b"\xff\xe2", &(body.len() as u16 + 2).to_be_bytes()[..], &body].concat()
        };
        let plain = jpeg_of(8, 8, &noise(8, 8));
        let file =
            [&plain[..2], &piece(2, b"second"), b"\xff\xe2\0\x06MPF\0", &piece(1, b"first, "), &plain[2..]].concat();
        assert_eq!(read_profile(&Source::new(&file, BUDGET), 0).as_deref(), Some(&b"first, second"[..]));
        assert_eq!(read_profile(&Source::new(&plain, BUDGET), 0), None);
    }

    #[test]
    fn a_frame_tells_size_and_samples() {
        let file = jpeg_of(40, 30, &noise(40, 30));
        let source = Source::new(&file, BUDGET);
        let frame = read_frame(&source, 0).expect("a frame");
        assert_eq!((frame.size, frame.progressive, frame.adobe), (Size { width: 40, height: 30 }, false, false));
        assert!((1200..=3600).contains(&frame.samples));
    }
}
