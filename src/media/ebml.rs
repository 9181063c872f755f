//! Matroska and WebM (RFC 9559, on EBML, RFC 8794): elements of a number, a length and a body.
//!
//! ```text
//! number   1 to 4 bytes, the leading zero bits say how many more        EBML header
//! length   1 to 8 bytes, likewise, without the marker bit;              Segment ─┬─ Info    scale, duration, date
//!          all ones: unknown, to the end of the container                        ├─ Tracks  pixel and display size
//!                                                                                └─ Cluster the pictures
//! ```

use super::date::from_unix_seconds;
use super::findings::{DateRank, Findings, Size, keep};
use super::source::Source;
use crate::base::ReadAt;
use std::io;
use std::ops::Range;

const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TRACKS: u32 = 0x1654_ae6b;
const MOST: usize = 4096;

struct Element {
    number: u32,
    body: Range<u64>,
    /// Where it ends by its own account; `None` for unknown.
    declared_end: Option<u64>,
}

fn element(source: &Source<'_>, at: u64, end: u64) -> Option<Element> {
    let [first] = source.array::<1>(at)?;
    let number_len = u64::from(first.leading_zeros()) + 1;
    if number_len > 4 {
        return None;
    }
    let number = source.be(at, number_len)? as u32;
    let (len, len_len) = length(source, at + number_len)?;
    let start = at + number_len + len_len;
    let declared_end = len.and_then(|len| start.checked_add(len));
    (start <= end).then(|| Element { number, body: start..declared_end.unwrap_or(end).min(end), declared_end })
}

/// A length and how many bytes it takes.
fn length(source: &Source<'_>, at: u64) -> Option<(Option<u64>, u64)> {
    let [first] = source.array::<1>(at)?;
    let len = u64::from(first.leading_zeros()) + 1;
    let value = source.be(at, len)?;
    let most = (1 << (7 * len)) - 1;
    Some((Some(value & most).filter(|value| *value != most), len))
}

fn elements<'s>(source: &'s Source<'_>, container: Range<u64>) -> impl Iterator<Item = Element> + 's {
    let mut at = container.start;
    std::iter::from_fn(move || {
        let found = element(source, at, container.end).filter(|_| at < container.end)?;
        at = found.body.end;
        Some(found)
    })
    .take(MOST)
}

pub(super) fn read(source: &Source<'_>, findings: &mut Findings) {
    let Some(segment) = elements(source, source.whole()).find(|found| found.number == SEGMENT) else { return };
    let (mut info, mut tracks) = (false, false);
    for part in elements(source, segment.body) {
        match part.number {
            INFO => {
                read_info(source, part.body, findings);
                info = true;
            }
            TRACKS => {
                elements(source, part.body).for_each(|track| read_track(source, track.body, findings));
                tracks = true;
            }
            _ => {}
        }
        if info && tracks {
            return;
        }
    }
}

fn read_info(source: &Source<'_>, info: Range<u64>, findings: &mut Findings) {
    /// Seconds from 1970 to 2001.
    const EPOCH: i64 = 978_307_200;
    let (mut scale, mut ticks) = (1_000_000, None);
    for found in elements(source, info) {
        match found.number {
            0x2a_d7b1 => scale = unsigned(source, &found.body).unwrap_or(scale),
            0x4489 => ticks = float(source, &found.body),
            0x4461 => {
                let nanos = unsigned(source, &found.body).map(u64::cast_signed);
                let date = nanos.and_then(|nanos| from_unix_seconds(nanos.div_euclid(1_000_000_000) + EPOCH));
                findings.add_date(DateRank::MovieHeader, date);
            }
            _ => {}
        }
    }
    let seconds = ticks.map(|ticks| ticks * scale as f64 / 1e9).filter(|seconds| seconds.is_finite() && *seconds > 0.0);
    keep(&mut findings.duration, seconds);
}

/// The size shown is that of display where one is given in pixels, as for pictures that are not square-dotted.
fn read_track(source: &Source<'_>, track: Range<u64>, findings: &mut Findings) {
    const VIDEO: u32 = 0xe0;
    let Some(video) = elements(source, track).find(|found| found.number == VIDEO) else { return };
    let (mut pixels, mut display, mut unit) = ((0, 0), (0, 0), 0);
    for found in elements(source, video.body) {
        let value = || unsigned(source, &found.body).and_then(|value| u32::try_from(value).ok()).unwrap_or(0);
        match found.number {
            0xb0 => pixels.0 = value(),
            0xba => pixels.1 = value(),
            0x54b0 => display.0 = value(),
            0x54ba => display.1 = value(),
            0x54b2 => unit = value(),
            _ => {}
        }
    }
    let shown = Size::new(display.0, display.1).filter(|_| unit == 0);
    keep(&mut findings.size, shown.or(Size::new(pixels.0, pixels.1)));
}

fn unsigned(source: &Source<'_>, body: &Range<u64>) -> Option<u64> {
    source.be(body.start, body.end.checked_sub(body.start)?)
}

fn float(source: &Source<'_>, body: &Range<u64>) -> Option<f64> {
    match body.end.checked_sub(body.start)? {
        4 => source.be_u32(body.start).map(f32::from_bits).map(f64::from),
        8 => source.be_u64(body.start).map(f64::from_bits),
        _ => None,
    }
}

/// Whether the recording is there and no top element claims more than there is. One of unknown length, as live
/// recorders write, may end anywhere.
///
/// # Errors
/// Where the file cannot be read.
pub(super) fn reaches_its_end(file: &dyn ReadAt) -> io::Result<bool> {
    // A source turns a failed read into an end; this one says so.
    file.read_exact_at(0, &mut [0; 1])?;
    let source = Source::new(file, 1 << 20);
    let mut recorded = false;
    for found in elements(&source, source.whole()) {
        if found.declared_end.is_some_and(|end| end > source.size()) {
            return Ok(false);
        }
        recorded |= found.number == SEGMENT;
    }
    Ok(recorded)
}

#[cfg(test)]
mod tests {
    use super::super::source::BUDGET;
    use super::super::testing::{ebml, matroska};
    use super::*;

    fn findings(file: &[u8]) -> Findings {
        let mut findings = Findings::default();
        read(&Source::new(&file.to_vec(), BUDGET), &mut findings);
        findings
    }

    #[test]
    fn a_recording_tells_its_size_length_and_date() {
        let found = findings(&matroska());
        assert_eq!(found.size, Size::new(1280, 720));
        assert_eq!(found.duration, Some(12.25));
        assert_eq!(found.dates.len(), 1);
        assert_eq!(found.dates[0].1.timestamp(super::super::date::Zone::Fixed(0)).0, 1_000_000_000_000_000);
    }

    #[test]
    fn every_cut_of_a_recording_is_found_unless_its_length_is_unknown() {
        let file = matroska();
        let header = ebml(&[0x1a, 0x45, 0xdf, 0xa3], &ebml(&[0x42, 0x82], b"matroska")).len();
        for len in 1..file.len() {
            assert!(!reaches_its_end(&file[..len].to_vec()).expect("memory reads"), "{len} of {}", file.len());
        }
        assert!(reaches_its_end(&file).expect("memory reads"));
        let live = [&file[..header], b"\x18\x53\x80\x67\xff\x1f\x43\xb6\x75\xff\xa3\x81"].concat();
        assert!(reaches_its_end(&live).expect("memory reads"));
    }
}
