//! The zip of a live photo as Ente's clients read it, made while it is read: two stored entries and a directory.

use crate::base::ReadAt;
use std::io;

/// 1 January 1980, the first day that a zip knows: the photo's times are in its record.
const DATE: u16 = 0x21;
/// Nothing newer than plain zip is needed to read it.
const VERSION: u16 = 10;

/// One half as it goes in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HalfFacts {
    /// With its dot, in its own case; empty where the name has none.
    pub extension: String,
    /// Bytes.
    pub size: u64,
    pub crc: u32,
}

/// The zip of two halves, as long as they are: nothing of it but some 200 bytes of headers is anywhere.
///
/// ```text
///  local header, image.<ext> ‖ still ‖ local header, video.<ext> ‖ clip ‖ two directory entries ‖ end record
/// ```
/// A still of 3,000,000 bytes and a clip of 2,000,000: 5,000,212 bytes with `.heic` and `.mov`.
pub struct LiveArchive<R> {
    halves: [R; 2],
    sizes: [u64; 2],
    heads: [Vec<u8>; 2],
    end: Vec<u8>,
}

/// One stretch of the zip.
enum Piece<'a, R> {
    Text(&'a [u8]),
    Half(&'a R, u64),
}

impl<R: ReadAt> LiveArchive<R> {
    /// Halves of up to 4 GiB together; Ente's clients make live photos of two times 20 MiB at most.
    pub fn new(halves: [R; 2], facts: &[HalfFacts; 2]) -> Self {
        let names = [("image", &facts[0]), ("video", &facts[1])];
        let heads = names.map(|(word, facts)| local_header(&entry_name(word, facts), facts));
        let sizes = [facts[0].size, facts[1].size];
        let second = heads[0].len() as u64 + sizes[0];
        let directory_at = second + heads[1].len() as u64 + sizes[1];
        let mut end = Vec::new();
        for ((word, facts), at) in names.into_iter().zip([0, second]) {
            end.extend(directory_entry(&entry_name(word, facts), facts, at as u32));
        }
        let record = end_record(end.len() as u32, directory_at as u32);
        end.extend(record);
        Self { halves, sizes, heads, end }
    }

    /// Where each half's bytes begin.
    pub fn places(&self) -> [u64; 2] {
        let first = self.heads[0].len() as u64;
        [first, first + self.sizes[0] + self.heads[1].len() as u64]
    }

    fn pieces(&self) -> [(Piece<'_, R>, u64); 5] {
        let text = |bytes: &'_ [u8]| bytes.len() as u64;
        [
            (Piece::Text(&self.heads[0]), text(&self.heads[0])),
            (Piece::Half(&self.halves[0], self.sizes[0]), self.sizes[0]),
            (Piece::Text(&self.heads[1]), text(&self.heads[1])),
            (Piece::Half(&self.halves[1], self.sizes[1]), self.sizes[1]),
            (Piece::Text(&self.end), text(&self.end)),
        ]
    }
}

impl<R: ReadAt> ReadAt for LiveArchive<R> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut start = 0;
        for (piece, len) in self.pieces() {
            if offset < start + len {
                let within = offset - start;
                let n = usize::try_from(len - within).unwrap_or(usize::MAX).min(buf.len());
                return match piece {
                    Piece::Text(bytes) => {
                        buf[..n].copy_from_slice(&bytes[within as usize..within as usize + n]);
                        Ok(n)
                    }
                    Piece::Half(half, size) => read_half(half, size, within, &mut buf[..n]),
                };
            }
            start += len;
        }
        Ok(0)
    }

    fn size(&self) -> u64 {
        self.pieces().iter().map(|(_, len)| len).sum()
    }
}

/// A half that is shorter than it was is an error, not the end of the zip.
fn read_half<R: ReadAt>(half: &R, size: u64, within: u64, buf: &mut [u8]) -> io::Result<usize> {
    match half.read_at(within, buf)? {
        0 if within < size => Err(io::ErrorKind::UnexpectedEof.into()),
        n => Ok(n),
    }
}

fn entry_name(word: &str, facts: &HalfFacts) -> Vec<u8> {
    format!("{word}{}", facts.extension).into_bytes()
}

/// What local header and directory entry share: version, flags (UTF-8), method stored, time, CRC, sizes, name length.
fn common(name: &[u8], facts: &HalfFacts) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(26);
    for value in [VERSION, 1 << 11, 0, 0, DATE] {
        bytes.extend(value.to_le_bytes());
    }
    for value in [facts.crc, facts.size as u32, facts.size as u32] {
        bytes.extend(value.to_le_bytes());
    }
    for value in [name.len() as u16, 0] {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

fn local_header(name: &[u8], facts: &HalfFacts) -> Vec<u8> {
    [&b"PK\x03\x04"[..], &common(name, facts), name].concat()
}

fn directory_entry(name: &[u8], facts: &HalfFacts, at: u32) -> Vec<u8> {
    let made_by = VERSION.to_le_bytes();
    // No comment, first disk, no attributes.
    let rest = [&[0_u8; 10][..], &at.to_le_bytes()].concat();
    [&b"PK\x01\x02"[..], &made_by, &common(name, facts), &rest, name].concat()
}

fn end_record(directory: u32, at: u32) -> Vec<u8> {
    let counts = [0_u16, 0, 2, 2].map(u16::to_le_bytes).concat();
    [&b"PK\x05\x06"[..], &counts, &directory.to_le_bytes(), &at.to_le_bytes(), &[0, 0]].concat()
}
