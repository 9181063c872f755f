//! Whether a file looks cut off, as a pulled card or a killed `cp` leaves it (semantics 2.3).
//!
//! Guarantees: a file of any size costs one forward pass at most (JPEG; of movies only the headers of their boxes
//! are read). What cannot be told counts as complete: a wrong "incomplete" would hold a good photo back for a day.

use super::bmff;
use super::exif::pictures;
use super::format::{Format, Layout};
use super::ifd::{Directory, Tiff};
use super::source::{Source, read_fully};
use super::{ebml, jpeg, png, riff};
use crate::base::ReadAt;
use std::io;
use thiserror::Error;

/// What is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Flaw {
    #[error("the JPEG has no end marker: its picture is cut off")]
    JpegEnd,
    #[error("the PNG has no end chunk: its picture is cut off")]
    PngEnd,
    #[error("a part of the file claims more bytes than there are")]
    Overrun,
    #[error("the movie has no index (moov): it was not finished or is cut off")]
    NoIndex,
    #[error("the picture's data lies behind the end of the file")]
    DataBehindEnd,
    #[error("the file begins with nothing but zeros: its bytes were never written")]
    Zeros,
}

/// The verdict of [`looks_complete`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completeness {
    Complete,
    CutOff(Flaw),
}

impl Completeness {
    fn unless(flaw: Flaw, complete: bool) -> Self {
        if complete { Self::Complete } else { Self::CutOff(flaw) }
    }
}

/// Judges whether the whole file is there.
///
/// # Errors
/// Where it cannot be read; that says nothing about the file's maker.
pub fn looks_complete(file: &dyn ReadAt, format: Format) -> io::Result<Completeness> {
    Ok(match format.layout() {
        Layout::Jpeg => Completeness::unless(Flaw::JpegEnd, jpeg::has_end(file)?),
        Layout::Png => Completeness::unless(Flaw::PngEnd, png::has_end(file)?),
        Layout::Riff => Completeness::unless(Flaw::Overrun, riff::reaches_its_end(file)?),
        Layout::Ebml => Completeness::unless(Flaw::Overrun, ebml::reaches_its_end(file)?),
        Layout::Tiff => Completeness::unless(Flaw::DataBehindEnd, holds_its_pictures(file)),
        Layout::Movie | Layout::Cr3 => judge_boxes(file, is_whole_movie)?,
        Layout::Items => judge_boxes(file, |kind, _| kind == *b"meta")?,
        Layout::Opaque => Completeness::unless(Flaw::Zeros, begins_with_something(file)?),
        Layout::Gif | Layout::Bmp | Layout::Raf => Completeness::Complete,
    })
}

/// An index, or data of a stated length: recorders leave it open (0) until they finish, and a copy that broke off
/// rarely ends where a box does.
fn is_whole_movie(kind: [u8; 4], is_open: bool) -> bool {
    kind == *b"moov" || (kind == *b"mdat" && !is_open)
}

/// The top boxes tile the file, and one that `makes_whole` is among them; told whether its length is open. Rubbish
/// behind it is let pass: phones append trailers that are no boxes.
fn judge_boxes(file: &dyn ReadAt, makes_whole: impl Fn([u8; 4], bool) -> bool) -> io::Result<Completeness> {
    /// Twelve hours in fragments of two seconds are 43,000 boxes.
    const MOST: usize = 200_000;
    let (mut at, size, mut whole) = (0, file.size(), false);
    for _ in 0..MOST {
        let mut bytes = [0; 16];
        let n = read_fully(file, at, &mut bytes)?;
        let Some(found) = bmff::parse_header(&bytes[..n], at, size).filter(|found| is_name(found.kind)) else { break };
        if found.declared_end > size {
            return Ok(Completeness::CutOff(Flaw::Overrun));
        }
        whole |= makes_whole(found.kind, bytes[..4] == [0; 4]);
        at = found.declared_end;
    }
    Ok(Completeness::unless(Flaw::NoIndex, whole))
}

/// Four printable characters (`©` in Mac Roman among them): what is none is no box.
fn is_name(kind: [u8; 4]) -> bool {
    kind.iter().all(|byte| matches!(byte, b' '..=b'~' | 0xa9))
}

/// The strips or tiles of every picture end within the file.
fn holds_its_pictures(file: &dyn ReadAt) -> bool {
    let source = Source::new(file, 16 << 20);
    let Some(tiff) = Tiff::open(&source, source.whole()) else { return true };
    let beyond = u64::from(tiff.first) >= source.size();
    !beyond && pictures(&tiff).iter().all(|picture| data_end(picture) <= source.size())
}

/// Where the last strip or tile of a picture ends; 0 for none.
fn data_end(picture: &Directory<'_, '_>) -> u64 {
    const STRIPS: (u16, u16) = (0x0111, 0x0117);
    const TILES: (u16, u16) = (0x0144, 0x0145);
    let ends = [STRIPS, TILES].into_iter().flat_map(|(offsets, lengths)| {
        let (offsets, lengths) = (picture.numbers(offsets), picture.numbers(lengths));
        offsets.into_iter().zip(lengths).map(|(offset, len)| u64::from(offset) + u64::from(len))
    });
    ends.max().unwrap_or(0)
}

/// For files that are media by their name alone. A copy that reserved its space and died is full of zeros.
fn begins_with_something(file: &dyn ReadAt) -> io::Result<bool> {
    let mut head = [0; 4096];
    let n = read_fully(file, 0, &mut head)?;
    Ok(n == 0 || head[..n].iter().any(|byte| *byte != 0))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Movie, boxed, encoded, heif, noise};
    use super::*;
    use image::ImageFormat;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn judge(file: &[u8], format: Format) -> Completeness {
        looks_complete(&file.to_vec(), format).expect("memory reads")
    }

    #[test]
    fn every_cut_of_a_movie_is_found() {
        let fast_start = [boxed(b"ftyp", b"isom\0\0\0\0"), Movie::default().index(), boxed(b"mdat", &[7; 90])].concat();
        for (file, whole) in [(Movie::default().file(), &b"mdat"[..]), (fast_start, b"moov")] {
            let at = file.windows(4).position(|name| name == whole).expect("that box") - 4;
            let length: [u8; 4] = file[at..at + 4].try_into().expect("four bytes");
            let end = at + u32::from_be_bytes(length) as usize;
            for len in 8..file.len() {
                // Fewer than eight bytes of a further box are rubbish behind the one that counts.
                let told = len < end || len > end + 7;
                assert_eq!(judge(&file[..len], Format::Mp4) != Completeness::Complete, told, "{len} of {}", file.len());
            }
            assert_eq!(judge(&file, Format::Mp4), Completeness::Complete);
        }
    }

    #[test]
    fn a_movie_without_its_index_is_unfinished() {
        let open = [boxed(b"ftyp", b"qt  \0\0\0\0"), b"\0\0\0\0mdat".to_vec(), vec![1; 500]].concat();
        assert_eq!(judge(&open, Format::Mov), Completeness::CutOff(Flaw::NoIndex));
        assert_eq!(Flaw::NoIndex.to_string(), "the movie has no index (moov): it was not finished or is cut off");
    }

    #[test]
    fn a_trailer_that_is_no_box_does_not_matter() {
        for trailer in [&b"SEFT"[..], &[0; 40], b"\xff\xff\xff\xff\x01\x02\x03\x04trailer"] {
            let file = [&Movie::default().file()[..], trailer].concat();
            assert_eq!(judge(&file, Format::Mp4), Completeness::Complete, "{}", trailer.escape_ascii());
        }
    }

    #[test]
    fn every_cut_of_a_heif_is_found() {
        let file = heif(&[], &[1; 40]);
        let data = file.windows(4).position(|name| name == b"mdat").expect("data") - 4;
        for len in 8..file.len() {
            assert_eq!(
                judge(&file[..len], Format::Heif) != Completeness::Complete,
                !(data..data + 8).contains(&len),
                "{len}"
            );
        }
        assert_eq!(judge(&file, Format::Heif), Completeness::Complete);
    }

    #[test]
    fn a_tiff_whose_strips_are_missing_is_cut_off() {
        let file = encoded(ImageFormat::Tiff, 64, 64, &noise(64, 64));
        assert_eq!(judge(&file, Format::Tiff), Completeness::Complete);
        for len in 8..64 * 64 * 3 {
            assert_eq!(judge(&file[..len], Format::Tiff), Completeness::CutOff(Flaw::DataBehindEnd), "{len}");
        }
    }

    #[test]
    fn zeros_under_a_photos_name_were_never_written() {
        assert_eq!(judge(&[0; 9000], Format::OtherImage), Completeness::CutOff(Flaw::Zeros));
        assert_eq!(judge(b"something", Format::OtherVideo), Completeness::Complete);
    }

    /// Ten gigabytes that are not there: a movie's headers, zeros between them.
    struct Huge {
        head: Vec<u8>,
        tail: Vec<u8>,
        read: AtomicU64,
    }

    impl Huge {
        const SIZE: u64 = 10 << 30;
    }

    impl ReadAt for Huge {
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
            self.read.fetch_add(buf.len() as u64, Ordering::Relaxed);
            let tail_at = Self::SIZE - self.tail.len() as u64;
            for (at, byte) in (offset..).zip(buf.iter_mut()) {
                let stored = match at.checked_sub(tail_at) {
                    Some(n) => self.tail.get(n as usize),
                    None => self.head.get(at as usize),
                };
                *byte = stored.copied().unwrap_or(0);
            }
            Ok(buf.len().min((Self::SIZE - offset) as usize))
        }

        fn size(&self) -> u64 {
            Self::SIZE
        }
    }

    #[test]
    fn ten_gigabytes_of_video_cost_a_few_headers() {
        let (brand, tail) = (boxed(b"ftyp", b"isom\0\0\0\0"), Movie::default().index());
        let data = Huge::SIZE - brand.len() as u64 - tail.len() as u64;
        let head = [brand, b"\0\0\0\x01mdat".to_vec(), data.to_be_bytes().to_vec()].concat();
        let file = Huge { head, tail, read: AtomicU64::new(0) };
        assert_eq!(looks_complete(&file, Format::Mp4).expect("it reads"), Completeness::Complete);
        assert!(file.read.load(Ordering::Relaxed) < 1000);
    }
}
