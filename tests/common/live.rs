//! The halves of live photos, and the zips that clients make of them.

use super::picture::jpeg;
use super::random::Random;
use flate2::{Compress, Compression, FlushCompress};

/// Whether a client leaves the halves as they are, or deflates them as some do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    Stored,
    Deflated,
}

/// A zip of two entries.
pub fn zip(packing: Packing, halves: [(&str, &[u8]); 2]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, plain) in halves {
        let data = if packing == Packing::Deflated { deflated(plain) } else { plain.to_vec() };
        let method: u16 = if packing == Packing::Deflated { 8 } else { 0 };
        let mut common = [&20_u16.to_le_bytes()[..], &[0; 2], &method.to_le_bytes(), &[0; 8]].concat();
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((plain.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        let at = (zip.len() as u32).to_le_bytes();
        // An extra field that the directory's entry lacks, as many programs write one.
        zip.extend([&b"PK\x03\x04"[..], &common, &[4, 0], name.as_bytes(), &[0x55, 0x54, 0, 0], &data].concat());
        directory.extend([&b"PK\x01\x02\x14\0"[..], &common, &[0; 12], &at, name.as_bytes()].concat());
    }
    let counts = [0_u16, 0, 2, 2].map(u16::to_le_bytes).concat();
    let (size, at) = ((directory.len() as u32).to_le_bytes(), (zip.len() as u32).to_le_bytes());
    [&zip[..], &directory, b"PK\x05\x06", &counts, &size, &at, &[0, 0]].concat()
}

fn deflated(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(plain.len() * 2);
    let done = Compress::new(Compression::fast(), false).compress_vec(plain, &mut packed, FlushCompress::Finish);
    assert_eq!(done.expect("a vector takes everything"), flate2::Status::StreamEnd);
    packed
}

/// A complete JPEG with this capture time, `2024:05:06 07:08:09`.
pub fn dated_jpeg(seed: u64, extra: usize, taken: &str) -> Vec<u8> {
    // TIFF, little-endian: one entry that points to the EXIF directory, and there DateTimeOriginal.
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0".to_vec();
    exif.extend(b"\x01\0\x03\x90\x02\0\x14\0\0\0\x2c\0\0\0\0\0\0\0");
    exif.extend([taken.as_bytes(), b"\0"].concat());
    let photo = jpeg(seed, extra);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&photo[..2], &[0xff, 0xe1], &length, &exif, &photo[2..]].concat()
}

/// The same JPEG with Apple's note, that names the live photo it is half of.
pub fn apple_jpeg(seed: u64, extra: usize, identifier: &str) -> Vec<u8> {
    let mut note = b"Apple iOS\0\0\x01MM\0\x01\0\x11\0\x02".to_vec();
    note.extend((identifier.len() as u32 + 1).to_be_bytes());
    note.extend(b"\0\0\0\x20\0\0\0\0");
    note.extend([identifier.as_bytes(), b"\0"].concat());
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0".to_vec();
    exif.extend(b"\x01\0\x7c\x92\x07\0");
    exif.extend((note.len() as u32).to_le_bytes());
    exif.extend(b"\x2c\0\0\0\0\0\0\0");
    exif.extend(note);
    let photo = jpeg(seed, extra);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&photo[..2], &[0xff, 0xe1], &length, &exif, &photo[2..]].concat()
}

/// A complete movie made `seconds` after the first of January 1970.
pub fn movie(seed: u64, extra: usize, seconds: u32) -> Vec<u8> {
    movie_with(seed, extra, seconds, &[])
}

/// The same with Apple's identifier of the live photo it is half of.
pub fn apple_movie(seed: u64, extra: usize, seconds: u32, identifier: &str) -> Vec<u8> {
    let name = b"com.apple.quicktime.content.identifier";
    let key = boxed(b"mdta", name);
    let keys = boxed(b"keys", &[&[0; 4][..], &1_u32.to_be_bytes(), &key].concat());
    let data = boxed(b"data", &[&1_u32.to_be_bytes()[..], &[0; 4], identifier.as_bytes()].concat());
    let list = boxed(b"ilst", &boxed(&1_u32.to_be_bytes(), &data));
    let handler = boxed(b"hdlr", &[&[0; 8][..], b"mdta", &[0; 13]].concat());
    movie_with(seed, extra, seconds, &boxed(b"meta", &[handler, keys, list].concat()))
}

fn boxed(kind: &[u8], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

fn movie_with(seed: u64, extra: usize, seconds: u32, more: &[u8]) -> Vec<u8> {
    // QuickTime counts from 1904.
    let created = (seconds + 2_082_844_800).to_be_bytes();
    let header = [&[0; 4][..], &created, &created, &600_u32.to_be_bytes(), &1200_u32.to_be_bytes(), &[0; 80]].concat();
    let index = boxed(b"moov", &[&boxed(b"mvhd", &header)[..], more].concat());
    [boxed(b"ftyp", b"qt  \0\0\0\0qt  "), index, boxed(b"mdat", &Random::new(seed).bytes(extra.max(16)))].concat()
}
