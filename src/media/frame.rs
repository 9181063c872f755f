//! What ffmpeg needs to take one picture out of a video, and what is made of its answer.
//!
//! Guarantees: pure and total. ffmpeg runs elsewhere, with limits; what comes back from it is believed no more than
//! a file is.

use super::bmff::boxes;
use super::findings::Size;
use super::format::{Format, Layout};
use super::source::Source;
use super::thumbnail::{Colours, Thumbnail, ThumbnailError, thumbnail_of_pixels};
use crate::base::ReadAt;
use std::ops::Range;

/// Of pictures and of index each: a second of the richest camera formats, and the index of a day.
const MOST: u64 = 32 << 20;

/// The parts of a video that its first pictures need: its beginning, and of movies all that is not pictures.
pub fn opening(file: &dyn ReadAt, format: Format) -> Vec<Range<u64>> {
    if format.layout() != Layout::Movie {
        return ends(file.size());
    }
    let source = Source::new(file, 2 * MOST);
    let (mut index, mut pictures) = (MOST, MOST);
    let mut parts: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    for found in boxes(&source, source.whole()) {
        let left = if found.kind == *b"mdat" { &mut pictures } else { &mut index };
        let end = found.declared_end.min(file.size()).min(at + *left);
        *left -= end - at;
        match parts.last_mut().filter(|last| last.end == at) {
            Some(last) => last.end = end,
            None => parts.push(at..end),
        }
        at = found.declared_end;
    }
    parts
}

/// The beginning, and what players look at to learn how long it lasts.
fn ends(size: u64) -> Vec<Range<u64>> {
    const TAIL: u64 = 1 << 20;
    if size <= MOST + TAIL {
        return vec![Range { start: 0, end: size }];
    }
    vec![0..MOST, size - TAIL..size]
}

/// Names of ffmpeg's readers that a format may be read by; they are told, so that no file can choose one that opens
/// further files.
pub fn demuxers(format: Format) -> &'static str {
    match format {
        Format::Mov | Format::Mp4 | Format::M4v | Format::ThreeGp => "mov",
        Format::Matroska | Format::WebM => "matroska",
        Format::Avi => "avi",
        Format::MpegPs => "mpeg,mpegvideo",
        Format::MpegTs => "mpegts",
        _ => "asf,flv,ogg,dv,hevc,h264,m4v,mpegvideo,mpeg,mpegts",
    }
}

/// What ffmpeg says of a video's size and length, for formats that are not read here.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Told {
    pub size: Option<Size>,
    /// In seconds, rounded up.
    pub duration: Option<u32>,
}

impl Told {
    /// From `Duration: 00:00:02.04, start: …` and `Stream #0:0: Video: wmv2 …, yuv420p, 640x360 [SAR …], …`.
    pub fn of(report: &str) -> Self {
        Self { size: pictures_line(report).split([',', ' ']).find_map(parse_size), duration: parse_duration(report) }
    }
}

fn parse_size(word: &str) -> Option<Size> {
    let (width, height) = word.split_once('x')?;
    Size::new(width.parse().ok()?, height.parse().ok()?)
}

fn parse_duration(report: &str) -> Option<u32> {
    let (_, rest) = report.split_once("Duration: ")?;
    let mut parts = rest.split(',').next()?.split(':');
    let (hours, minutes) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?);
    let seconds = parts.next()?.parse::<f64>().ok()?.ceil() as u32;
    hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds).filter(|all| *all > 0)
}

fn pictures_line(report: &str) -> &str {
    report.lines().find(|line| line.contains("Video:")).unwrap_or_default()
}

/// Makes a thumbnail of a picture in portable pixmap format, `report` being what ffmpeg says of the video it is from.
///
/// # Errors
/// Where there is no picture.
pub fn thumbnail_of_frame(pixmap: &[u8], report: &str) -> Result<Thumbnail, ThumbnailError> {
    let (size, pixels) = parse_pixmap(pixmap).ok_or_else(|| ThumbnailError::Malformed("no picture in it".into()))?;
    thumbnail_of_pixels(size, pixels.to_vec(), &colours(report))
}

/// `P6`, width, height and 255, each followed by white space, then the pixels.
fn parse_pixmap(pixmap: &[u8]) -> Option<(Size, &[u8])> {
    const LARGEST: u32 = 4096;
    let mut rest = pixmap.strip_prefix(b"P6")?;
    let mut number = || {
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let end = start + rest[start..].iter().position(u8::is_ascii_whitespace)?;
        let number = std::str::from_utf8(&rest[start..end]).ok()?.parse::<u32>().ok();
        rest = &rest[end..];
        number
    };
    let (width, height, _) = (number()?, number()?, number().filter(|depth| *depth == 255)?);
    let size = Size::new(width, height).filter(|size| size.width <= LARGEST && size.height <= LARGEST)?;
    Some((size, rest.get(1..1 + size.pixels() as usize * 3)?))
}

/// What the line on the first stream of pictures says, as in
/// `Stream #0:0: Video: hevc (Main 10), yuv420p10le(tv, bt2020nc/bt2020/arib-std-b67), 1920x1080`.
fn colours(report: &str) -> Colours {
    let line = pictures_line(report);
    let says = |words: &[(&str, u8)]| words.iter().find(|(word, _)| line.contains(word)).map(|(_, code)| *code);
    let transfer = says(&[("smpte2084", 16), ("arib-std-b67", 18)]);
    let primaries = says(&[("bt2020", 9), ("smpte432", 12)]);
    match (primaries, transfer) {
        (None, None) => Colours::Srgb,
        (primaries, transfer) => Colours::Coded { primaries: primaries.unwrap_or(1), transfer: transfer.unwrap_or(1) },
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Movie, boxed};
    use super::*;

    fn whole(len: usize) -> Vec<Range<u64>> {
        vec![Range { start: 0, end: len as u64 }]
    }

    #[test]
    fn a_movie_gives_its_index_wherever_it_stands() {
        let file = Movie::default().file();
        assert_eq!(opening(&file, Format::Mp4), whole(file.len()));
        let long = [boxed(b"ftyp", b"isom\0\0\0\0"), boxed(b"mdat", &vec![0; 40 << 20]), Movie::default().index()];
        let (data, size) = (long[0].len() as u64, long.concat().len() as u64);
        let index = size - long[2].len() as u64;
        assert_eq!(opening(&long.concat(), Format::Mp4), [0..data + MOST, index..size]);
        assert_eq!(opening(&vec![0; 40 << 20], Format::Avi), [0..MOST, 39 << 20..40 << 20]);
        assert_eq!(opening(&b"short".to_vec(), Format::Matroska), whole(5));
    }

    #[test]
    fn boxes_that_lie_about_their_length_give_no_more_than_there_is() {
        let file = [boxed(b"ftyp", b"isom"), b"\xff\xff\xff\xffmdat1234".to_vec()].concat();
        assert_eq!(opening(&file, Format::Mov), whole(file.len()));
        let endless = b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
        assert!(opening(&endless, Format::Mov).iter().all(|part| part.end <= endless.len() as u64));
    }

    #[test]
    fn a_pixmap_is_read_and_nothing_else() {
        let whole = b"P6\n2 1\n255\nabcdef";
        assert_eq!(parse_pixmap(whole), Some((Size { width: 2, height: 1 }, &b"abcdef"[..])));
        for len in 0..whole.len() {
            assert_eq!(parse_pixmap(&whole[..len]), None, "{len}");
        }
        for bent in
            [&b"P5\n2 1\n255\nabcdef"[..], b"P6\n0 1\n255\nabcdef", b"P6 5000 5000 255 ", b"P6 2 1 65535 abcdef"]
        {
            assert_eq!(parse_pixmap(bent), None);
        }
    }

    #[test]
    fn the_report_tells_size_and_length() {
        let report = "Input #0, asf, from 'x':\n  Duration: 01:02:03.04, start: 0.000000, bitrate: 1 kb/s\n  \
                      Stream #0:0: Video: wmv2 (WMV2 / 0x32564D57), yuv420p, 640x360 [SAR 1:1 DAR 16:9], 25 fps";
        assert_eq!(Told::of(report), Told { size: Size::new(640, 360), duration: Some(3724) });
        for report in
            ["", "Duration: N/A", "Duration: 99999999:99:99.9,", "Video: 0x0, 1x, x1, axb", "Duration: 00:00:00.00"]
        {
            assert_eq!(Told::of(report), Told::default(), "{report}");
        }
    }

    #[test]
    fn the_report_tells_the_colours_of_the_pictures() {
        let line = |colours: &str| {
            format!("Input #0\n  Stream #0:0: Video: hevc (Main 10), yuv420p10le({colours}), 4x4\n  title: smpte2084")
        };
        assert_eq!(colours(&line("tv, bt709")), Colours::Srgb);
        assert_eq!(colours(&line("tv, bt2020nc/bt2020/arib-std-b67")), Colours::Coded { primaries: 9, transfer: 18 });
        assert_eq!(colours(&line("tv, bt2020nc/bt2020/smpte2084")), Colours::Coded { primaries: 9, transfer: 16 });
        assert_eq!(colours(&line("tv, bt709/smpte432/bt709")), Colours::Coded { primaries: 12, transfer: 1 });
        assert_eq!(colours(""), Colours::Srgb);
    }
}
