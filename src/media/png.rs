//! PNG (ISO/IEC 15948): chunks of length, type, body and check sum behind an eight-byte signature.

use super::findings::{Findings, Size, keep};
use super::source::{Source, read_fully};
use super::{exif, xmp};
use crate::base::ReadAt;
use std::io;

const SIGNATURE: u64 = 8;
/// Around a chunk's body: length, type, check sum.
const FRAME: u64 = 12;
const LAST: &[u8; 12] = b"\0\0\0\0IEND\xaeB`\x82";
/// Chunks looked at for metadata. Image data comes in chunks of 8 KiB at times, and EXIF may stand behind it.
const MOST: usize = 20_000;

pub(super) fn read(source: &Source<'_>, findings: &mut Findings) {
    let mut at = SIGNATURE;
    for _ in 0..MOST {
        let Some(len) = source.be_u32(at) else { return };
        let (body, kind) = (at + 8, source.array::<4>(at + 4).unwrap_or_default());
        let end = body + u64::from(len);
        match &kind {
            b"IHDR" => keep(&mut findings.size, read_size(source, body)),
            b"eXIf" => exif::read_block(source, body..end, findings).unwrap_or_default(),
            b"iTXt" if source.array(body) == Some(*xmp::PNG_PREFIX) => {
                let packet = source.bytes(body + xmp::PNG_PREFIX.len() as u64..end).unwrap_or_default();
                xmp::read_packet(&packet, findings);
            }
            b"IEND" => return,
            _ => {}
        }
        at = end + 4;
    }
}

fn read_size(source: &Source<'_>, at: u64) -> Option<Size> {
    Size::new(source.be_u32(at)?, source.be_u32(at + 4)?)
}

/// Whether the last chunk is there: at the end of the file, where it nearly always is, or behind all the others.
///
/// # Errors
/// Where the file cannot be read.
pub(super) fn has_end(file: &dyn ReadAt) -> io::Result<bool> {
    let mut tail = [0; LAST.len()];
    if let Some(at) = file.size().checked_sub(FRAME) {
        file.read_exact_at(at, &mut tail)?;
    }
    if tail == *LAST {
        return Ok(true);
    }
    let mut at = SIGNATURE;
    for _ in 0..10 * MOST {
        let mut head = [0; 8];
        if read_fully(file, at, &mut head)? < head.len() {
            return Ok(false);
        }
        let [a, b, c, d, kind @ ..] = head;
        at += FRAME + u64::from(u32::from_be_bytes([a, b, c, d]));
        if &kind == b"IEND" {
            return Ok(at <= file.size());
        }
    }
    // Nobody's file; what cannot be told counts as complete.
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{encoded, noise};
    use super::*;
    use image::ImageFormat;

    #[test]
    fn every_cut_of_a_png_is_found() {
        let file = encoded(ImageFormat::Png, 20, 10, &noise(20, 10));
        for len in 8..file.len() {
            assert!(!has_end(&file[..len].to_vec()).expect("memory reads"), "{len} of {}", file.len());
        }
        assert!(has_end(&file).expect("memory reads"));
    }

    #[test]
    fn bytes_behind_the_last_chunk_do_not_matter() {
        let file = [encoded(ImageFormat::Png, 20, 10, &noise(20, 10)), vec![1; 1000]].concat();
        assert!(has_end(&file).expect("memory reads"));
    }
}
