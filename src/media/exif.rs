//! The tags of EXIF that say when, where, how large and with what (EXIF 2.32, 4.6).

use super::date::{Moment, parse_exif};
use super::findings::{DateRank, Findings, Place, Size, Standard, keep};
use super::ifd::{Directory, Order, Tiff};
use super::orientation::Orientation;
use super::source::Source;
use super::xmp;
use crate::base::ReadAt;
use std::ops::Range;

mod tag {
    pub const IMAGE_WIDTH: u16 = 0x0100;
    pub const IMAGE_LENGTH: u16 = 0x0101;
    pub const IMAGE_DESCRIPTION: u16 = 0x010e;
    pub const MAKE: u16 = 0x010f;
    pub const MODEL: u16 = 0x0110;
    pub const ORIENTATION: u16 = 0x0112;
    pub const DATE_TIME: u16 = 0x0132;
    pub const SUB_DIRECTORIES: u16 = 0x014a;
    pub const XMP: u16 = 0x02bc;
    pub const EXIF: u16 = 0x8769;
    pub const GPS: u16 = 0x8825;
    pub const ORIGINAL: u16 = 0x9003;
    pub const DIGITIZED: u16 = 0x9004;
    pub const OFFSET: u16 = 0x9010;
    pub const OFFSET_ORIGINAL: u16 = 0x9011;
    pub const OFFSET_DIGITIZED: u16 = 0x9012;
    pub const MAKER_NOTE: u16 = 0x927c;
    pub const FRACTION: u16 = 0x9290;
    pub const FRACTION_ORIGINAL: u16 = 0x9291;
    pub const FRACTION_DIGITIZED: u16 = 0x9292;
    pub const PIXEL_WIDTH: u16 = 0xa002;
    pub const PIXEL_HEIGHT: u16 = 0xa003;
    pub const CUSTOM_RENDERED: u16 = 0xa401;
    pub const LATITUDE_REF: u16 = 1;
    pub const LATITUDE: u16 = 2;
    pub const LONGITUDE_REF: u16 = 3;
    pub const LONGITUDE: u16 = 4;
    /// In Apple's maker note.
    pub const APPLE_CONTENT_IDENTIFIER: u16 = 0x0011;
}

/// A whole EXIF block: its first directory, and the two it points at.
pub(super) fn read_block(source: &Source<'_>, block: Range<u64>, findings: &mut Findings) -> Option<()> {
    let tiff = Tiff::open(source, block)?;
    let main = tiff.directory(tiff.first)?;
    let exif = main.below(tag::EXIF);
    read_main(&main, exif.as_ref(), findings);
    if let Some(packet) = main.bytes(tag::XMP) {
        xmp::read_packet(&packet, findings);
    }
    if let Some(exif) = exif {
        read_exif(&exif, findings);
    }
    keep(&mut findings.place, main.below(tag::GPS).and_then(|gps| read_place(&gps)));
    Some(())
}

/// A TIFF or RAW file: its block is the file, its picture the largest any of its directories describes.
pub(super) fn read_tiff_file(source: &Source<'_>, findings: &mut Findings) -> Option<()> {
    let tiff = Tiff::open(source, source.whole())?;
    let stored = |picture: &Directory| size(picture, tag::IMAGE_WIDTH, tag::IMAGE_LENGTH);
    keep(&mut findings.size, pictures(&tiff).iter().filter_map(stored).max_by_key(|size| size.pixels()));
    read_block(source, source.whole(), findings)
}

/// The first directory, those chained behind it and those below it: each may hold a picture or a preview.
pub(super) fn pictures<'t, 's>(tiff: &'t Tiff<'s>) -> Vec<Directory<'t, 's>> {
    const MOST: usize = 16;
    let mut found = Vec::new();
    let mut places = vec![tiff.first];
    // Looked at, not found: directories that do not read cost as much.
    for _ in 0..2 * MOST {
        let Some(place) = places.pop() else { break };
        let Some(directory) = tiff.directory(place) else { continue };
        places.extend(directory.next());
        places.extend(directory.numbers(tag::SUB_DIRECTORIES).into_iter().take(MOST));
        found.push(directory);
    }
    found
}

fn size(directory: &Directory<'_, '_>, width: u16, height: u16) -> Option<Size> {
    Size::new(directory.number(width)?, directory.number(height)?)
}

/// The first directory: camera, caption, orientation, and the date that an editor changes.
pub(super) fn read_main(main: &Directory<'_, '_>, exif: Option<&Directory<'_, '_>>, findings: &mut Findings) {
    keep(&mut findings.camera_make, main.text(tag::MAKE));
    keep(&mut findings.camera_model, main.text(tag::MODEL));
    findings.add_caption(Standard::Exif, main.text(tag::IMAGE_DESCRIPTION));
    keep(&mut findings.orientation, main.number(tag::ORIENTATION).and_then(Orientation::from_exif));
    // Its fraction and offset stand in the other directory, which most files lack or agree with.
    let beside = |tag| exif.and_then(|exif| exif.text(tag));
    let (fraction, offset) = (beside(tag::FRACTION), beside(tag::OFFSET));
    findings.add_date(DateRank::Modified, date(main.text(tag::DATE_TIME), fraction, offset));
}

fn date(date: Option<String>, fraction: Option<String>, offset: Option<String>) -> Option<Moment> {
    parse_exif(&date?, fraction.as_deref(), offset.as_deref())
}

/// The EXIF directory: the dates of the shot, the size, the maker's note.
pub(super) fn read_exif(exif: &Directory<'_, '_>, findings: &mut Findings) {
    for (rank, wall, fraction, offset) in [
        (DateRank::Original, tag::ORIGINAL, tag::FRACTION_ORIGINAL, tag::OFFSET_ORIGINAL),
        (DateRank::Digitized, tag::DIGITIZED, tag::FRACTION_DIGITIZED, tag::OFFSET_DIGITIZED),
    ] {
        // Some phones write the one general offset only.
        let offset = exif.text(offset).or_else(|| exif.text(tag::OFFSET));
        findings.add_date(rank, date(exif.text(wall), exif.text(fraction), offset));
    }
    keep(&mut findings.size, size(exif, tag::PIXEL_WIDTH, tag::PIXEL_HEIGHT));
    // Apple's number for a panorama.
    findings.panorama |= exif.number(tag::CUSTOM_RENDERED) == Some(6);
    keep(&mut findings.content_identifier, exif.bytes(tag::MAKER_NOTE).and_then(apple_content_identifier));
}

/// What joins the two halves of a live photo. The note is `Apple iOS\0\0\x01MM` and a directory, whose places
/// count from the note's beginning.
fn apple_content_identifier(note: Vec<u8>) -> Option<String> {
    const HEADER: &[u8] = b"Apple iOS\0\0\x01MM";
    if !note.starts_with(HEADER) {
        return None;
    }
    let source = Source::new(&note, note.size());
    let tiff = Tiff::headless(&source, source.whole(), Order::Big, HEADER.len() as u32)?;
    tiff.directory(tiff.first)?.text(tag::APPLE_CONTENT_IDENTIFIER)
}

pub(super) fn read_place(gps: &Directory<'_, '_>) -> Option<Place> {
    let coordinate = |tag, reference, negative: [char; 2]| {
        let degrees = degrees(&gps.quotients(tag))?;
        let negative = gps.text(reference).is_some_and(|reference| reference.starts_with(negative));
        Some(if negative { -degrees } else { degrees })
    };
    let latitude = coordinate(tag::LATITUDE, tag::LATITUDE_REF, ['S', 's'])?;
    Place::new(latitude, coordinate(tag::LONGITUDE, tag::LONGITUDE_REF, ['W', 'w'])?)
}

/// Degrees, minutes and seconds, of which the last two may be missing or 0/0. The reference has the sign.
fn degrees(parts: &[Option<f64>]) -> Option<f64> {
    let (degrees, rest) = parts.split_first()?;
    let rest: f64 = rest.iter().zip([60.0, 3600.0]).map(|(part, unit)| part.unwrap_or(0.0) / unit).sum();
    degrees.filter(|degrees| *degrees >= 0.0).map(|degrees| degrees + rest)
}

#[cfg(test)]
mod tests {
    use super::super::source::BUDGET;
    use super::super::testing::{Exif, Value};
    use super::*;

    fn read(exif: &Exif) -> Findings {
        let block = exif.bytes();
        let mut findings = Findings::default();
        let source = Source::new(&block, BUDGET);
        read_block(&source, source.whole(), &mut findings).expect("a block");
        findings
    }

    #[test]
    fn the_date_of_the_shot_comes_before_the_others() {
        let exif = Exif::new(Order::Big)
            .main(tag::DATE_TIME, Value::Text("2024:03:03 03:03:03".into()))
            .exif(tag::DIGITIZED, Value::Text("2024:02:02 02:02:02".into()))
            .exif(tag::ORIGINAL, Value::Text("2024:01:01 01:01:01".into()))
            .exif(tag::OFFSET, Value::Text("+03:00".into()))
            .exif(tag::OFFSET_DIGITIZED, Value::Text("-01:00".into()));
        let mut dates = read(&exif).dates;
        dates.sort_by_key(|(rank, _)| *rank);
        let shown: Vec<_> = dates
            .iter()
            .map(|(_, date)| (date.wall().unwrap_or_default(), date.offset().unwrap_or_default()))
            .collect();
        assert_eq!(
            shown,
            [
                ("2024-01-01T01:01:01".into(), "+03:00".into()),
                ("2024-02-02T02:02:02".into(), "-01:00".into()),
                ("2024-03-03T03:03:03".into(), "+03:00".to_owned())
            ]
        );
    }

    #[test]
    fn places_on_every_quarter_of_the_globe() {
        for (north, east, latitude, longitude) in
            [("N", "E", 48.5, 11.25), ("N", "W", 48.5, -11.25), ("S", "E", -48.5, 11.25), ("S", "W", -48.5, -11.25)]
        {
            let exif = Exif::new(Order::Little)
                .gps(tag::LATITUDE_REF, Value::Text(north.into()))
                .gps(tag::LATITUDE, Value::Rationals(vec![(48, 1), (30, 1), (0, 1)]))
                .gps(tag::LONGITUDE_REF, Value::Text(east.into()))
                .gps(tag::LONGITUDE, Value::Rationals(vec![(11, 1), (1450, 100), (30, 1)]));
            assert_eq!(read(&exif).place, Place::new(latitude, longitude));
        }
    }

    #[test]
    fn a_place_with_impossible_fractions_is_none_and_missing_seconds_are_zero() {
        let place = |parts: Vec<(u32, u32)>| {
            read(
                &Exif::new(Order::Big)
                    .gps(tag::LATITUDE, Value::Rationals(parts))
                    .gps(tag::LONGITUDE, Value::Rationals(vec![(7, 1)])),
            )
            .place
        };
        assert_eq!(place(vec![(0, 0), (0, 0), (0, 0)]), None);
        assert_eq!(place(vec![(91, 1), (0, 1), (0, 1)]), None);
        assert_eq!(place(vec![(48, 1), (30, 1), (0, 0)]), Place::new(48.5, 7.0));
        assert_eq!(place(vec![(485, 10)]), Place::new(48.5, 7.0));
    }

    #[test]
    fn apples_note_names_the_live_photo() {
        let mut note = b"Apple iOS\0\0\x01MM".to_vec();
        note.extend(b"\0\x01\0\x11\0\x02\0\0\0\x25\0\0\0\x20\0\0\0\0");
        note.extend(b"7C0D4B2C-8E6E-4C3A-9A3B-0123456789AB\0");
        let exif = Exif::new(Order::Big).exif(tag::MAKER_NOTE, Value::Undefined(note));
        assert_eq!(read(&exif).content_identifier.as_deref(), Some("7C0D4B2C-8E6E-4C3A-9A3B-0123456789AB"));
        let foreign = Exif::new(Order::Big)
            .exif(tag::MAKER_NOTE, Value::Undefined(b"Nikon\0\x02\x11\0\0MM\0*\0\0\0\x08".to_vec()));
        assert_eq!(read(&foreign).content_identifier, None);
    }

    #[test]
    fn apples_panoramas_are_told_by_how_they_were_rendered() {
        for (rendered, panorama) in [(6, true), (0, false), (2, false)] {
            let exif = Exif::new(Order::Big).exif(tag::CUSTOM_RENDERED, Value::Short(rendered));
            assert_eq!(read(&exif).panorama, panorama, "{rendered}");
        }
    }

    #[test]
    fn directories_that_point_at_each_other_end() {
        let mut block = b"MM\0*\0\0\0\x08\0\x03".to_vec();
        for tag in [tag::SUB_DIRECTORIES, tag::EXIF, tag::GPS] {
            block.extend(tag.to_be_bytes());
            block.extend(b"\0\x04\0\0\0\x01\0\0\0\x08");
        }
        block.extend(b"\0\0\0\x08");
        let source = Source::new(&block, BUDGET);
        let mut findings = Findings::default();
        assert!(read_tiff_file(&source, &mut findings).is_some());
        assert_eq!((findings.size, findings.place), (None, None));
    }
}
