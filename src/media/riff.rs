//! RIFF: WebP and AVI. Chunks of a four-letter name, a little-endian length and a body padded to an even one.

use super::date::{Moment, parse_exif};
use super::findings::{DateRank, Findings, Size, keep};
use super::source::Source;
use super::{exif, xmp};
use crate::base::ReadAt;
use chrono::NaiveDateTime;
use std::io;
use std::ops::Range;

const MOST: usize = 4096;

struct Chunk {
    name: [u8; 4],
    body: Range<u64>,
}

fn chunks<'s>(source: &'s Source<'_>, container: Range<u64>) -> impl Iterator<Item = Chunk> + 's {
    let mut at = container.start;
    std::iter::from_fn(move || {
        let name = source.array::<4>(at).filter(|_| at < container.end)?;
        let len = u64::from(source.le_u32(at + 4)?);
        let body = at + 8..(at + 8 + len).min(container.end);
        at += 8 + len + len % 2;
        (body.start <= body.end).then_some(Chunk { name, body })
    })
    .take(MOST)
}

/// The chunks of a list of one name: `LIST`, length, name, chunks.
fn list(source: &Source<'_>, container: Range<u64>, name: &[u8; 4]) -> Option<Range<u64>> {
    chunks(source, container)
        .find(|chunk| chunk.name == *b"LIST" && source.array(chunk.body.start) == Some(*name))
        .map(|chunk| (chunk.body.start + 4).min(chunk.body.end)..chunk.body.end)
}

pub(super) fn read(source: &Source<'_>, findings: &mut Findings) {
    let body = 12..source.size();
    match source.array::<4>(8) {
        Some(kind) if &kind == b"WEBP" => read_webp(source, body, findings),
        Some(kind) if &kind == b"AVI " => read_avi(source, body, findings).unwrap_or_default(),
        _ => {}
    }
}

fn read_webp(source: &Source<'_>, body: Range<u64>, findings: &mut Findings) {
    for Chunk { name, body } in chunks(source, body) {
        match &name {
            b"VP8X" | b"VP8L" | b"VP8 " => keep(&mut findings.size, webp_size(source, &name, body.start)),
            b"EXIF" => {
                // Some writers put the prefix of JPEG's segment before the block.
                let prefix = if source.array(body.start) == Some(*b"Exif\0\0") { 6 } else { 0 };
                exif::read_block(source, body.start + prefix..body.end, findings).unwrap_or_default();
            }
            b"XMP " => xmp::read_packet(&source.bytes(body).unwrap_or_default(), findings),
            _ => {}
        }
    }
}

/// The canvas, or the one picture of a simple file (WebP container specification; RFC 6386, 9.1; WebP lossless, 3).
fn webp_size(source: &Source<'_>, name: &[u8; 4], at: u64) -> Option<Size> {
    match name {
        b"VP8X" => {
            let [w0, w1, w2, h0, h1, h2] = source.array(at + 4)?;
            Size::new(u32::from_le_bytes([w0, w1, w2, 0]) + 1, u32::from_le_bytes([h0, h1, h2, 0]) + 1)
        }
        b"VP8L" => {
            let bits = source.le_u32(at + 1)?;
            Size::new((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        _ => Size::new(u32::from(source.le_u16(at + 6)? & 0x3fff), u32::from(source.le_u16(at + 8)? & 0x3fff)),
    }
}

/// The main header (AVI RIFF reference, `AVIMAINHEADER`), the frame count of files over 1 GiB (OpenDML) and the
/// date that digital cameras write.
fn read_avi(source: &Source<'_>, body: Range<u64>, findings: &mut Findings) -> Option<()> {
    let headers = list(source, body, b"hdrl")?;
    let find = |container: Range<u64>, name: &[u8; 4]| {
        chunks(source, container).find(|chunk| chunk.name == *name).map(|chunk| chunk.body)
    };
    let main = find(headers.clone(), b"avih")?.start;
    keep(&mut findings.size, Size::new(source.le_u32(main + 32)?, source.le_u32(main + 36)?));
    let extended = list(source, headers.clone(), b"odml").and_then(|odml| find(odml, b"dmlh"));
    let frames = extended.and_then(|dmlh| source.le_u32(dmlh.start)).or(source.le_u32(main + 16))?;
    let seconds = f64::from(source.le_u32(main)?) * f64::from(frames) / 1e6;
    keep(&mut findings.duration, Some(seconds).filter(|seconds| *seconds > 0.0));
    let date = find(headers, b"IDIT").and_then(|idit| parse_avi_date(&source.text(idit)?));
    findings.add_date(DateRank::MovieTag, date);
    Some(())
}

/// `MON MAR 10 15:04:43 2003` or `2003/03/10 15:04`.
fn parse_avi_date(value: &str) -> Option<Moment> {
    let spelled = NaiveDateTime::parse_from_str(value, "%a %b %d %H:%M:%S %Y").ok();
    let value = spelled.map_or_else(|| value.to_owned(), |wall| wall.format("%Y:%m:%d %H:%M:%S").to_string());
    parse_exif(&value, None, None)
}

/// Whether the file is as long as its head says, and so each further part of a long AVI. A length of zero is what
/// a recorder leaves that was cut off before it came back to the header.
///
/// # Errors
/// Where the file cannot be read.
pub(super) fn reaches_its_end(file: &dyn ReadAt) -> io::Result<bool> {
    let (mut at, size) = (0_u64, file.size());
    for _ in 0..MOST {
        let mut head = [0; 8];
        if at + 8 > size {
            return Ok(at > 0);
        }
        file.read_exact_at(at, &mut head)?;
        let [name @ .., a, b, c, d] = head;
        let len = u64::from(u32::from_le_bytes([a, b, c, d]));
        if &name != b"RIFF" {
            return Ok(at > 0);
        }
        if len == 0 || at + 8 + len > size {
            return Ok(false);
        }
        at += 8 + len + len % 2;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::source::BUDGET;
    use super::super::testing::{encoded, noise, riff};
    use super::*;
    use image::ImageFormat;

    fn findings(file: &[u8]) -> Findings {
        let mut findings = Findings::default();
        read(&Source::new(&file.to_vec(), BUDGET), &mut findings);
        findings
    }

    fn avi() -> Vec<u8> {
        let mut main = vec![0; 56];
        for (at, value) in [(0, 40_000_u32), (16, 251), (32, 640), (36, 480)] {
            main[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        let headers = [&b"hdrl"[..], &riff(b"avih", &main), &riff(b"IDIT", b"Mon Mar 10 15:04:43 2003\n\0")].concat();
        riff(b"RIFF", &[&b"AVI "[..], &riff(b"LIST", &headers), &riff(b"JUNK", &[0; 33])].concat())
    }

    #[test]
    fn an_avi_tells_its_size_length_and_date() {
        let found = findings(&avi());
        assert_eq!(found.size, Size::new(640, 480));
        assert_eq!(found.duration, Some(10.04));
        assert_eq!(found.dates[0].1.wall().as_deref(), Some("2003-03-10T15:04:43"));
        assert_eq!(parse_avi_date("2003/03/10 15:04").and_then(Moment::wall).as_deref(), Some("2003-03-10T15:04:00"));
        assert_eq!(parse_avi_date("yesterday"), None);
    }

    #[test]
    fn every_cut_of_a_riff_is_found() {
        for file in [avi(), encoded(ImageFormat::WebP, 20, 10, &noise(20, 10))] {
            for len in 0..file.len() {
                assert!(!reaches_its_end(&file[..len].to_vec()).expect("memory reads"), "{len} of {}", file.len());
            }
            assert!(reaches_its_end(&file).expect("memory reads"));
            assert!(reaches_its_end(&[file.clone(), vec![0; 7]].concat()).expect("memory reads"));
        }
        let unfinished = [&b"RIFF\0\0\0\0AVI "[..], &[0; 100]].concat();
        assert!(!reaches_its_end(&unfinished).expect("memory reads"));
        let second_part_cut = [avi(), b"RIFF\xff\0\0\0AVIX".to_vec()].concat();
        assert!(!reaches_its_end(&second_part_cut).expect("memory reads"));
    }

    #[test]
    fn webp_sizes_in_all_three_dresses() {
        assert_eq!(findings(&encoded(ImageFormat::WebP, 21, 10, &noise(21, 10))).size, Size::new(21, 10));
        let canvas = riff(b"RIFF", &[&b"WEBP"[..], &riff(b"VP8X", b"\x08\0\0\0\x7f\x02\0\xdf\x01\0")].concat());
        assert_eq!(findings(&canvas).size, Size::new(640, 480));
        let lossy = riff(b"RIFF", &[&b"WEBP"[..], &riff(b"VP8 ", b"\0\0\0\x9d\x01\x2a\x80\x02\xe0\x01")].concat());
        assert_eq!(findings(&lossy).size, Size::new(640, 480));
    }
}
