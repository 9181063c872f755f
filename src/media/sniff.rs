//! What a file is: by its first bytes, then by its extension (protocol notes, data 3.9).
//!
//! Guarantees: pure and total. What Ente's own clients would upload is [`Sniffed::Media`], what they ignore
//! for good is [`Sniffed::NotMedia`].

use super::format::{Format, MediaKind};
use super::ifd::Tiff;
use super::source::Source;
use crate::base::ReadAt;
use infer::MatcherType;

/// How much of a file's beginning [`sniff`] wants to see; less is what a shorter file has.
pub const HEAD: usize = 4096;

/// The verdict on a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sniffed {
    Media {
        kind: MediaKind,
        format: Format,
    },
    /// Something else for certain: a document, text, audio, a sidecar.
    NotMedia,
    /// Neither the bytes nor the name say anything.
    Unknown,
    /// Zero bytes: never uploaded.
    Empty,
}

/// Judges a file by its `head` (the first [`HEAD`] bytes) and its name.
///
/// A recognised image or video is that. Anything else, recognised or not, is media if its extension says so
/// (as Ente's desktop has it: a PDF called `.jpg` is uploaded as an image of an unknown format).
pub fn sniff(head: &[u8], name: &[u8]) -> Sniffed {
    if head.is_empty() {
        return Sniffed::Empty;
    }
    let extension = extension(name);
    if let Some(format) = by_magic(head, &extension) {
        return Sniffed::Media { kind: format.kind(), format };
    }
    if let Some(format) = by_extension(&extension) {
        return Sniffed::Media { kind: format.kind(), format };
    }
    // Its image and video types rest on two letters at times; ours are above.
    let foreign =
        infer::get(head).is_some_and(|found| !matches!(found.matcher_type(), MatcherType::Image | MatcherType::Video));
    let foreign = foreign || is_document(head);
    if foreign || matches!(extension.as_slice(), b"xmp" | b"html" | b"txt") {
        Sniffed::NotMedia
    } else {
        Sniffed::Unknown
    }
}

/// In lower case, without the dot; empty where there is none.
fn extension(name: &[u8]) -> Vec<u8> {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot > 0 => name[dot + 1..].to_ascii_lowercase(),
        _ => Vec::new(),
    }
}

fn by_extension(extension: &[u8]) -> Option<Format> {
    match extension {
        b"jpeg" | b"jpg" | b"gif" | b"raf" | b"orf" | b"crw" => Some(Format::OtherImage),
        b"webm" | b"mod" | b"mp4" | b"dv" | b"wmv" | b"hevc" | b"mov" => Some(Format::OtherVideo),
        _ => None,
    }
}

fn by_magic(head: &[u8], extension: &[u8]) -> Option<Format> {
    by_signature(head)
        .or_else(|| by_tiff(head, extension))
        .or_else(|| by_boxes(head))
        .or_else(|| by_container(head))
        .or_else(|| by_mpeg(head))
}

/// Formats that begin with bytes of their own.
const SIGNATURES: &[(&[u8], Format)] = &[
    (b"\xff\xd8\xff", Format::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Format::Png),
    (b"GIF87a", Format::Gif),
    (b"GIF89a", Format::Gif),
    (b"FUJIFILMCCD-RAW ", Format::Raf),
    (b"IIRO", Format::Orf),
    (b"IIRS", Format::Orf),
    (b"MMOR", Format::Orf),
    (b"IIU\0", Format::Rw2),
    // JPEG XL (codestream, container), JPEG 2000, JPEG XR, Photoshop, DjVu, Canon's CRW: images Ente takes as they are.
    (b"\xff\x0a", Format::OtherImage),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Format::OtherImage),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Format::OtherImage),
    (b"II\xbc\x01", Format::OtherImage),
    (b"8BPS", Format::OtherImage),
    (b"AT&TFORM", Format::OtherImage),
    (b"II\x1a\0\0\0HEAPCCDR", Format::OtherImage),
    // ASF (WMV) and Flash video.
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", Format::OtherVideo),
    (b"FLV\x01", Format::OtherVideo),
];

fn by_signature(head: &[u8]) -> Option<Format> {
    SIGNATURES.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, format)| *format)
}

/// TIFF and the RAW formats built on it. What the bytes leave open, the extension settles.
fn by_tiff(head: &[u8], extension: &[u8]) -> Option<Format> {
    if ![b"MM\0*", b"MM\0+", b"II*\0", b"II+\0"].iter().any(|magic| head.starts_with(*magic)) {
        return None;
    }
    if head.get(8..10) == Some(b"CR") {
        return Some(Format::Cr2);
    }
    if has_dng_version(head) {
        return Some(Format::Dng);
    }
    Some(match extension {
        b"cr2" => Format::Cr2,
        b"nef" | b"nrw" => Format::Nef,
        b"arw" | b"srf" | b"sr2" => Format::Arw,
        // Other makers' RAW files in TIFF clothes: a developer is needed all the same.
        b"dng" | b"pef" | b"3fr" | b"fff" | b"erf" | b"iiq" | b"mef" | b"mos" | b"dcr" | b"kdc" | b"srw" | b"rwl" => {
            Format::Dng
        }
        _ => raw_maker(head).unwrap_or(Format::Tiff),
    })
}

/// Tag `DNGVersion` in a first directory that lies within the head.
fn has_dng_version(head: &[u8]) -> bool {
    const DNG_VERSION: u16 = 0xc612;
    let head = head.to_vec();
    let source = Source::new(&head, head.size());
    let tiff = Tiff::open(&source, source.whole());
    tiff.is_some_and(|tiff| tiff.directory(tiff.first).is_some_and(|first| first.has(DNG_VERSION)))
}

/// A renamed NEF or ARW: only cameras write their maker and, in the same head, the maker's own preview or raw tags.
fn raw_maker(head: &[u8]) -> Option<Format> {
    let has = |needle: &[u8]| memchr::memmem::find(head, needle).is_some();
    // SubIFDs (014a) as an entry of type LONG, in either byte order.
    let sub_directories = has(b"\x4a\x01\x04\0") || has(b"\x01\x4a\0\x04");
    match () {
        () if sub_directories && has(b"NIKON CORPORATION\0") => Some(Format::Nef),
        () if sub_directories && has(b"SONY\0") => Some(Format::Arw),
        () => None,
    }
}

/// ISO base media and QuickTime: the brand of the first box, or a first box that only movies have.
fn by_boxes(head: &[u8]) -> Option<Format> {
    let size = u32::from_be_bytes(head.get(..4)?.try_into().ok()?) as usize;
    let kind = head.get(4..8)?;
    match kind {
        b"ftyp" => by_brand(head.get(8..12)?, head.get(16..size.min(head.len())).unwrap_or_default()),
        b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" => Some(Format::Mov),
        _ => None,
    }
}

fn by_brand(major: &[u8], compatible: &[u8]) -> Option<Format> {
    let also = |brands: &[&[u8]]| compatible.chunks_exact(4).any(|brand| brands.contains(&brand));
    match major {
        b"avif" | b"avis" | b"avio" => Some(Format::Avif),
        b"mif1" | b"mif2" | b"msf1" | b"miaf" if also(&[b"avif", b"avis"]) => Some(Format::Avif),
        b"mif1" | b"mif2" | b"msf1" | b"miaf" | b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"hevm"
        | b"hevs" | b"MiHE" | b"MiHB" | b"jpeg" | b"jpgs" | b"j2ki" => Some(Format::Heif),
        b"crx " => Some(Format::Cr3),
        b"jp2 " | b"jpx " | b"jpm " | b"jxl " => Some(Format::OtherImage),
        b"qt  " | b"mqt " => Some(Format::Mov),
        b"M4A " | b"M4B " | b"F4A " | b"F4B " => None,
        _ if major.starts_with(b"M4V") || major.starts_with(b"M4P") => Some(Format::M4v),
        _ if major.starts_with(b"3g") => Some(Format::ThreeGp),
        _ => Some(Format::Mp4),
    }
}

/// Containers that say inside what they hold: RIFF, EBML, Ogg, bitmaps and icons.
fn by_container(head: &[u8]) -> Option<Format> {
    let riff = head.starts_with(b"RIFF").then(|| head.get(8..12)).flatten();
    match riff {
        Some(b"WEBP") => return Some(Format::WebP),
        Some(b"AVI ") => return Some(Format::Avi),
        Some(_) => return None,
        None => {}
    }
    let start = &head[..head.len().min(256)];
    let has = |needle: &[u8]| memchr::memmem::find(start, needle).is_some();
    match () {
        () if head.starts_with(b"\x1a\x45\xdf\xa3") && has(b"webm") => Some(Format::WebM),
        () if head.starts_with(b"\x1a\x45\xdf\xa3") && has(b"matroska") => Some(Format::Matroska),
        () if head.starts_with(b"OggS") && (has(b"\x80theora") || has(b"\x01video")) => Some(Format::OtherVideo),
        () if is_bitmap(head) => Some(Format::Bmp),
        () if head.starts_with(b"\0\0\x01\0") && is_icon(head) => Some(Format::OtherImage),
        () => None,
    }
}

/// `BM` alone begins many a text; the two reserved fields and the size of the second header tell.
fn is_bitmap(head: &[u8]) -> bool {
    let header = head.get(14..18).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    head.starts_with(b"BM") && matches!(header, Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124))
}

/// One to 255 pictures, and a reserved byte that is zero.
fn is_icon(head: &[u8]) -> bool {
    matches!(head.get(4..6), Some([1..=255, 0])) && head.get(9) == Some(&0)
}

/// Program and elementary streams by their start code, transport streams (also with the four bytes of time that
/// camcorders put before each packet) by three sync bytes in a row.
fn by_mpeg(head: &[u8]) -> Option<Format> {
    if head.starts_with(b"\0\0\x01\xba") || head.starts_with(b"\0\0\x01\xb3") {
        return Some(Format::MpegPs);
    }
    let synced = |start: usize, packet: usize| (0..3).all(|n| head.get(start + n * packet) == Some(&0x47));
    (synced(0, 188) || synced(4, 192)).then_some(Format::MpegTs)
}

/// Markup and PDF, which no magic number of `infer` covers in all their spellings.
fn is_document(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    [&b"<?xml"[..], b"<svg", b"<!doctype", b"<!DOCTYPE", b"<html", b"%PDF-", b"{\"", b"<x:xmpmeta", b"<?xpacket"]
        .iter()
        .any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(head: &[u8], name: &str) -> Option<Format> {
        match sniff(head, name.as_bytes()) {
            Sniffed::Media { kind, format } => {
                assert_eq!(kind, format.kind());
                Some(format)
            }
            _ => None,
        }
    }

    fn ftyp(major: &[u8; 4], compatible: &[u8]) -> Vec<u8> {
        let mut head = ((16 + compatible.len()) as u32).to_be_bytes().to_vec();
        head.extend([b"ftyp", &major[..], &[0; 4], compatible, b"\0\0\0\x08mdat"].concat());
        head
    }

    #[test]
    fn content_decides_before_the_name() {
        assert_eq!(format(b"\xff\xd8\xff\xe0", "a.mp4"), Some(Format::Jpeg));
        assert_eq!(format(b"\x89PNG\r\n\x1a\n", "a"), Some(Format::Png));
        assert_eq!(format(b"RIFF\0\0\0\0WEBPVP8 ", "a.txt"), Some(Format::WebP));
        assert_eq!(format(b"RIFF\0\0\0\0AVI LIST", "a"), Some(Format::Avi));
        assert_eq!(sniff(b"RIFF\0\0\0\0WAVEfmt ", b"a"), Sniffed::NotMedia);
        assert_eq!(format(b"GIF89a", "a"), Some(Format::Gif));
    }

    #[test]
    fn brands_tell_images_movies_and_audio_apart() {
        for (major, compatible, expected) in [
            (b"heic", &b"mif1heic"[..], Some(Format::Heif)),
            (b"mif1", b"mif1heic", Some(Format::Heif)),
            (b"mif1", b"avifmif1", Some(Format::Avif)),
            (b"avif", b"", Some(Format::Avif)),
            (b"crx ", b"", Some(Format::Cr3)),
            (b"qt  ", b"", Some(Format::Mov)),
            (b"isom", b"", Some(Format::Mp4)),
            (b"XAVC", b"", Some(Format::Mp4)),
            (b"M4V ", b"", Some(Format::M4v)),
            (b"3gp5", b"", Some(Format::ThreeGp)),
            (b"3g2a", b"", Some(Format::ThreeGp)),
            (b"M4A ", b"", None),
        ] {
            assert_eq!(format(&ftyp(major, compatible), "a"), expected, "{major:?}");
        }
        assert_eq!(sniff(&ftyp(b"M4A ", b""), b"a.m4a"), Sniffed::NotMedia);
        assert_eq!(format(b"\0\0\0\x08wide\0\0\x10\0mdat", "a"), Some(Format::Mov));
    }

    #[test]
    fn raw_files_are_told_from_plain_tiff() {
        assert_eq!(format(b"II*\0\x10\0\0\0CR\x02\0", "a"), Some(Format::Cr2));
        assert_eq!(format(b"MM\0*\0\0\0\x08\0\0", "a.NEF"), Some(Format::Nef));
        assert_eq!(format(b"II*\0\x08\0\0\0\0\0", "a.arw"), Some(Format::Arw));
        assert_eq!(format(b"II*\0\x08\0\0\0\0\0", "a.tif"), Some(Format::Tiff));
        assert_eq!(format(b"IIU\0\x18\0\0\0", "a"), Some(Format::Rw2));
        assert_eq!(format(b"IIRO\x08\0\0\0", "a"), Some(Format::Orf));
        assert_eq!(format(b"FUJIFILMCCD-RAW 0201", "a"), Some(Format::Raf));
        let dng = b"II*\0\x08\0\0\0\x02\0\x00\x01\x04\0\x01\0\0\0\0\0\0\0\x12\xc6\x01\0\x04\0\0\0\x01\x04\0\0";
        assert_eq!(format(dng, "a.tif"), Some(Format::Dng));
        let nef =
            [&b"MM\0*\0\0\0\x08\0\x01\x01\x4a\0\x04\0\0\0\x02\0\0\0\0\0\0\0\0"[..], b"NIKON CORPORATION\0"].concat();
        assert_eq!(format(&nef, "renamed"), Some(Format::Nef));
    }

    #[test]
    fn mpeg_streams_are_found_by_their_packets() {
        assert_eq!(format(b"\0\0\x01\xba\x44", "a"), Some(Format::MpegPs));
        let mut packets = vec![0; 600];
        (0..3).for_each(|n| packets[n * 188] = 0x47);
        assert_eq!(format(&packets, "a"), Some(Format::MpegTs));
        let mut camcorder = vec![0; 600];
        (0..3).for_each(|n| camcorder[4 + n * 192] = 0x47);
        assert_eq!(format(&camcorder, "00001.MTS"), Some(Format::MpegTs));
        assert_eq!(sniff(b"G is a letter", b"a"), Sniffed::Unknown);
    }

    #[test]
    fn matroska_and_webm_name_their_document_type() {
        let ebml = |kind: &[u8]| [&b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88"[..], kind, &[0; 300]].concat();
        assert_eq!(format(&ebml(b"matroska"), "a"), Some(Format::Matroska));
        assert_eq!(format(&ebml(b"webm"), "a"), Some(Format::WebM));
    }

    #[test]
    fn documents_text_and_audio_are_not_media() {
        for head in [
            &b"%PDF-1.7\n"[..],
            b"<?xml version=\"1.0\"?><svg>",
            b"  <svg xmlns=",
            b"PK\x03\x04\x14\0\0\0\0\0",
            b"ID3\x03\0\0\0\0\0\0",
            b"OggS\0\x02\0\0vorbis",
            b"{\"title\": \"IMG_0001.JPG\"}",
        ] {
            assert_eq!(sniff(head, b"a.bin"), Sniffed::NotMedia, "{}", head.escape_ascii());
        }
        for name in ["a.xmp", "a.HTML", "a.txt"] {
            assert_eq!(sniff(b"plain words", name.as_bytes()), Sniffed::NotMedia);
        }
    }

    #[test]
    fn the_extension_speaks_where_the_bytes_do_not_say_media() {
        for name in ["a.jpeg", "a.JPG", "a.gif", "a.raf", "a.orf", "a.crw"] {
            assert_eq!(format(b"no magic here", name), Some(Format::OtherImage), "{name}");
        }
        for name in ["a.webm", "a.mod", "a.mp4", "a.dv", "a.wmv", "a.hevc", "a.MOV"] {
            assert_eq!(format(b"no magic here", name), Some(Format::OtherVideo), "{name}");
        }
        assert_eq!(format(b"%PDF-1.7\n", "scan.jpg"), Some(Format::OtherImage));
        assert_eq!(sniff(b"no magic here", b"a.png"), Sniffed::Unknown);
        assert_eq!(sniff(b"no magic here", b".jpg"), Sniffed::Unknown, "a dot-name has no extension");
    }

    #[test]
    fn a_text_that_begins_like_a_bitmap_is_none() {
        assert_eq!(sniff(b"BMW M3, 1988, red, one owner", b"cars"), Sniffed::Unknown);
        let bitmap = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0";
        assert_eq!(format(bitmap, "a"), Some(Format::Bmp));
    }

    #[test]
    fn nothing_is_its_own_case() {
        assert_eq!(sniff(b"", b"a.jpg"), Sniffed::Empty);
    }
}
