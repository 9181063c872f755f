//! The facts of a photo or video that Ente's clients write into its metadata (protocol notes, data 2.3, 2.4, 3.10).
//!
//! Guarantees: always an answer, at worst the file's own time; no panic and no more than 64 MiB read, whatever the
//! bytes are.

use super::bmff;
use super::date::{Zone, from_file_name};
use super::findings::{Findings, Place, Size, keep};
use super::format::{Format, Layout};
use super::orientation::Orientation;
use super::source::{BUDGET, Source};
use super::{ebml, exif, heif, jpeg, motion, movie, png, raw, riff};
use crate::base::{ReadAt, Timestamp};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is known of a file besides its bytes.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    pub name: &'a [u8],
    /// The file's mtime: its date where nothing else is one.
    pub modified: Timestamp,
    /// Dates in file names that lie ahead of this are none.
    pub now: Timestamp,
    pub zone: Zone,
}

/// Where [`Facts::created`] comes from, best first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateSource {
    /// The file's own metadata. Only such a date pairs live photos.
    Embedded,
    FileName,
    Modified,
}

/// What a file says of itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Facts {
    /// The metadata key `creationTime`.
    pub created: Timestamp,
    pub created_from: DateSource,
    /// The key `dateTime`: what a clock on the wall showed, ISO 8601 without zone.
    pub wall: Option<String>,
    /// The key `offsetTime`: `+05:30`.
    pub offset: Option<String>,
    pub place: Option<Place>,
    /// As seen: turned by the orientation. The keys `w` and `h`.
    pub size: Option<Size>,
    pub orientation: Orientation,
    /// In seconds, rounded up.
    pub duration: Option<u32>,
    pub camera_make: Option<String>,
    pub camera_model: Option<String>,
    pub caption: Option<String>,
    /// Apple's identifier that joins a live photo's two halves.
    pub content_identifier: Option<String>,
    /// Where a motion photo's movie begins, in bytes from the start. The key `mvi`.
    pub motion: Option<u64>,
    /// The key `mediaType`, 1 if set.
    pub panorama: bool,
}

/// Reads what the file says of itself. A failed read counts as the end of the file: who serves the bytes knows of it.
pub fn probe(file: &dyn ReadAt, format: Format, circumstances: &Circumstances<'_>) -> Facts {
    // No panic is known; the last line all the same, because the bytes are anybody's.
    let findings = catch_unwind(AssertUnwindSafe(|| examine(file, format))).unwrap_or_default();
    conclude(findings, circumstances)
}

/// Everything the parsers find.
pub(super) fn examine(file: &dyn ReadAt, format: Format) -> Findings {
    let mut findings = Findings::default();
    let (source, layout) = (Source::new(file, BUDGET), format.layout());
    read(&source, layout, &mut findings);
    if matches!(layout, Layout::Jpeg | Layout::Items) {
        motion::find_movie(&source, layout, &mut findings);
    }
    findings
}

fn read(source: &Source<'_>, layout: Layout, findings: &mut Findings) {
    match layout {
        Layout::Jpeg => jpeg::read(source, 0, findings),
        Layout::Png => png::read(source, findings),
        Layout::Riff => riff::read(source, findings),
        Layout::Gif => keep(&mut findings.size, gif_size(source)),
        Layout::Bmp => keep(&mut findings.size, bmp_size(source)),
        Layout::Tiff => exif::read_tiff_file(source, findings).unwrap_or_default(),
        Layout::Raf => raw::read_raf(source, findings),
        Layout::Items => heif::read(source, findings),
        Layout::Cr3 => raw::read_cr3(source, findings),
        Layout::Movie => movie::read(source, findings),
        Layout::Ebml => ebml::read(source, findings),
        // A movie under a name we know and a brand we do not.
        Layout::Opaque => {
            if bmff::find(source, source.whole(), b"moov").is_some() {
                movie::read(source, findings);
            }
        }
    }
}

fn gif_size(source: &Source<'_>) -> Option<Size> {
    Size::new(source.le_u16(6)?.into(), source.le_u16(8)?.into())
}

/// A negative height says that the first row is the uppermost.
fn bmp_size(source: &Source<'_>) -> Option<Size> {
    const OS2_HEADER: u32 = 12;
    if source.le_u32(14)? == OS2_HEADER {
        return Size::new(source.le_u16(18)?.into(), source.le_u16(20)?.into());
    }
    let [width, height] = [source.le_u32(18)?, source.le_u32(22)?].map(|side| side.cast_signed().unsigned_abs());
    Size::new(width, height)
}

impl Facts {
    /// What is known of a file that cannot be examined.
    pub fn of_unexamined(circumstances: &Circumstances<'_>) -> Self {
        conclude(Findings::default(), circumstances)
    }
}

fn conclude(findings: Findings, circumstances: &Circumstances<'_>) -> Facts {
    let orientation = findings.orientation.unwrap_or_default();
    let embedded = findings.date();
    let named = || from_file_name(circumstances.name, circumstances.zone, circumstances.now);
    let (created, created_from) = match embedded {
        Some(date) => (date.timestamp(circumstances.zone), DateSource::Embedded),
        None => named().map_or((circumstances.modified, DateSource::Modified), |date| (date, DateSource::FileName)),
    };
    Facts {
        created,
        created_from,
        wall: embedded.and_then(|date| date.wall()),
        offset: embedded.and_then(|date| date.offset()),
        place: findings.place,
        size: findings.size.map(|size| orientation.seen(size)),
        orientation,
        duration: findings.duration.map(round_up),
        caption: findings.caption(),
        camera_make: findings.camera_make,
        camera_model: findings.camera_model,
        content_identifier: findings.content_identifier,
        motion: findings.motion,
        panorama: findings.panorama,
    }
}

/// Whole seconds; the conversion saturates.
fn round_up(seconds: f64) -> u32 {
    seconds.ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::super::ifd::Order;
    use super::super::testing::{Exif, Movie, Value, app1, encoded, heif, jpeg_of, matroska, noise, riff, with_exif};
    use super::super::xmp;
    use super::*;
    use image::ImageFormat;

    const MODIFIED: Timestamp = Timestamp(1_600_000_000_000_000);

    fn circumstances(name: &str) -> Circumstances<'_> {
        Circumstances {
            name: name.as_bytes(),
            modified: MODIFIED,
            now: Timestamp(1_781_524_800_000_000),
            zone: Zone::Fixed(3600),
        }
    }

    fn facts(file: &[u8], format: Format, name: &str) -> Facts {
        probe(&file.to_vec(), format, &circumstances(name))
    }

    fn shot(orientation: u16) -> Exif {
        Exif::new(Order::Big)
            .main(0x010e, Value::Text("A walk".into()))
            .main(0x010f, Value::Text("Maker".into()))
            .main(0x0112, Value::Short(orientation))
            .exif(0x9003, Value::Text("2024:01:02 03:04:05".into()))
            .gps(2, Value::Rationals(vec![(48, 1), (30, 1), (0, 1)]))
            .gps(3, Value::Text("W".into()))
            .gps(4, Value::Rationals(vec![(11, 1), (15, 1), (0, 1)]))
    }

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32).to_be_bytes()[..], kind, body, &[0; 4]].concat()
    }

    /// The same block in each dress it comes in.
    fn dressed(exif: &Exif) -> Vec<(Format, Vec<u8>)> {
        let (jpeg, png) = (jpeg_of(30, 20, &noise(30, 20)), encoded(ImageFormat::Png, 30, 20, &noise(30, 20)));
        // Behind the signature and IHDR.
        let png = [&png[..33], &chunk(b"eXIf", &exif.bytes()), &png[33..]].concat();
        let canvas = riff(b"VP8X", b"\x08\0\0\0\x1d\0\0\x13\0\0");
        let webp = |prefix: &[u8]| {
            riff(b"RIFF", &[&b"WEBP"[..], &canvas, &riff(b"EXIF", &[prefix, &exif.bytes()].concat())].concat())
        };
        let sized = exif.clone().main(0x0100, Value::Short(30)).main(0x0101, Value::Short(20)).bytes();
        let mut panasonic =
            Exif::bytes(&Exif::new(Order::Little).main(0x0100, Value::Short(30)).main(0x0101, Value::Short(20)));
        panasonic[2] = 0x55;
        assert_eq!(facts(&panasonic, Format::Rw2, "a").size, Size::new(30, 20));
        vec![
            (Format::Jpeg, with_exif(&jpeg, exif)),
            (Format::Png, png),
            (Format::WebP, webp(b"")),
            (Format::WebP, webp(b"Exif\0\0")),
            (Format::Tiff, sized.clone()),
            (Format::Dng, sized.clone()),
            (Format::Orf, [&b"MMOR"[..], &sized[4..]].concat()),
        ]
    }

    #[test]
    fn every_dress_of_exif_gives_the_same_facts() {
        for (format, file) in dressed(&shot(1)) {
            let found = facts(&file, format, "IMG_20230101_000000.jpg");
            assert_eq!(
                (found.created_from, found.wall.as_deref()),
                (DateSource::Embedded, Some("2024-01-02T03:04:05")),
                "{format:?}"
            );
            assert_eq!(found.created, Timestamp(1_704_161_045_000_000), "{format:?}");
            assert_eq!(found.place, Place::new(48.5, -11.25), "{format:?}");
            assert_eq!((found.caption.as_deref(), found.camera_make.as_deref()), (Some("A walk"), Some("Maker")));
            assert_eq!(found.size, Size::new(30, 20), "{format:?}");
        }
    }

    #[test]
    fn sideways_pictures_change_width_and_height() {
        for orientation in 1..=8 {
            for (format, file) in dressed(&shot(orientation)) {
                let (width, height) = if orientation >= 5 { (20, 30) } else { (30, 20) };
                assert_eq!(facts(&file, format, "a").size, Size::new(width, height), "{format:?} {orientation}");
            }
        }
        let portrait = heif(&[super::super::testing::boxed(b"irot", &[3])], &shot(6).bytes());
        assert_eq!(facts(&portrait, Format::Heif, "a").size, Size::new(3024, 4032));
        let movie = Movie { turned: [0, 1, -1, 0], ..Movie::default() }.file();
        assert_eq!(facts(&movie, Format::Mov, "a").size, Size::new(1080, 1920));
    }

    #[test]
    fn the_date_comes_from_the_metadata_the_name_or_the_file_in_this_order() {
        let bare = jpeg_of(8, 8, &noise(8, 8));
        let named = facts(&bare, Format::Jpeg, "IMG_20230101_000000.jpg");
        assert_eq!((named.created, named.created_from), (Timestamp(1_672_527_600_000_000), DateSource::FileName));
        assert_eq!((named.wall, named.offset), (None, None));
        let plain = facts(&bare, Format::Jpeg, "DSC01234.JPG");
        assert_eq!((plain.created, plain.created_from), (MODIFIED, DateSource::Modified));
        let epoch = with_exif(&bare, &Exif::new(Order::Little).main(0x0132, Value::Text("1970:01:01 00:00:00".into())));
        assert_eq!(facts(&epoch, Format::Jpeg, "a").created_from, DateSource::Modified);
    }

    #[test]
    fn movies_prefer_the_tag_with_its_offset_to_the_header() {
        let plain = facts(&Movie::default().file(), Format::Mp4, "a");
        assert_eq!((plain.created, plain.created_from), (Timestamp(1_577_836_800_000_000), DateSource::Embedded));
        assert_eq!((plain.wall, plain.duration), (None, Some(3)));
        let tagged = Movie::default().tag("com.apple.quicktime.creationdate", "2019-02-12T15:27:12+0800").file();
        let tagged = facts(&tagged, Format::Mov, "a");
        assert_eq!(tagged.created, Timestamp(1_549_956_432_000_000));
        assert_eq!((tagged.wall.as_deref(), tagged.offset.as_deref()), (Some("2019-02-12T15:27:12"), Some("+08:00")));
        assert_eq!(facts(&matroska(), Format::Matroska, "a").duration, Some(13));
        assert_eq!(facts(&Movie::default().file(), Format::OtherVideo, "a.mp4").duration, Some(3));
    }

    #[test]
    fn xmp_comes_first_in_every_dress_and_lends_its_offset_from_exif() {
        let packet =
            "<rdf:Description exif:DateTimeOriginal=\"2024-01-02T03:04:05\" dc:description=\"Of XMP\"/>".as_bytes();
        let block =
            shot(1).exif(0x9011, Value::Text("+09:00".into())).main(0x02bc, Value::Undefined(packet.to_vec())).bytes();
        let (jpeg, png) = (jpeg_of(30, 20, &noise(30, 20)), encoded(ImageFormat::Png, 30, 20, &noise(30, 20)));
        let jpeg = app1(&app1(&jpeg, &[b"Exif\0\0", &block[..]].concat()), &[&xmp::JPEG_PREFIX[..], packet].concat());
        let chunks = [chunk(b"eXIf", &block), chunk(b"iTXt", &[&xmp::PNG_PREFIX[..], packet].concat())].concat();
        let webp = [&b"WEBP"[..], &riff(b"EXIF", &block), &riff(b"XMP ", packet)].concat();
        for (format, file) in [
            (Format::Jpeg, jpeg),
            (Format::Png, [&png[..33], &chunks, &png[33..]].concat()),
            (Format::WebP, riff(b"RIFF", &webp)),
            (Format::Tiff, block),
        ] {
            let found = facts(&file, format, "a");
            assert_eq!(found.caption.as_deref(), Some("Of XMP"), "{format:?}");
            assert_eq!((found.wall.as_deref(), found.offset.as_deref()), (Some("2024-01-02T03:04:05"), Some("+09:00")));
        }
    }

    #[test]
    fn a_shrunk_jpeg_has_the_size_of_its_frame_not_that_of_its_exif() {
        let exif = Exif::new(Order::Big).exif(0xa002, Value::Long(6000)).exif(0xa003, Value::Long(4000));
        let file = with_exif(&jpeg_of(30, 20, &noise(30, 20)), &exif);
        assert_eq!(facts(&file, Format::Jpeg, "a").size, Size::new(30, 20));
    }

    #[test]
    fn sizes_of_the_plainest_formats() {
        for (format, encoding) in
            [(Format::Gif, ImageFormat::Gif), (Format::Bmp, ImageFormat::Bmp), (Format::Png, ImageFormat::Png)]
        {
            assert_eq!(
                facts(&encoded(encoding, 30, 20, &noise(30, 20)), format, "a").size,
                Size::new(30, 20),
                "{format:?}"
            );
        }
    }

    #[test]
    fn a_failing_file_still_has_a_date() {
        struct Failing;
        impl ReadAt for Failing {
            fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<usize> {
                panic!("on purpose");
            }
            fn size(&self) -> u64 {
                1 << 40
            }
        }
        for format in Format::ALL {
            assert_eq!(probe(&Failing, format, &circumstances("a")).created, MODIFIED);
        }
    }
}
