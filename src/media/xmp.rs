//! XMP (ISO 16684-1): the dates and the caption in a packet of RDF.
//!
//! A property stands as an attribute, `exif:DateTimeOriginal="…"`, or as an element, `<dc:title>…</dc:title>`, perhaps
//! with a list of languages in it, of which the first counts. The prefixes are a convention that every writer keeps;
//! a packet with others gives nothing.

use super::date::{Moment, parse_day, parse_iso};
use super::findings::{DateRank, Findings, Standard, keep};
use super::source::text;
use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};
use std::borrow::Cow;

/// What a packet of a JPEG begins with.
pub(super) const JPEG_PREFIX: &[u8; 29] = b"http://ns.adobe.com/xap/1.0/\0";
/// What the body of a PNG's `iTXt` chunk begins with that holds a packet, not compressed, in no language.
pub(super) const PNG_PREFIX: &[u8; 22] = b"XML:com.adobe.xmp\0\0\0\0\0";

const CAPTION: &[u8] = b"dc:description";
/// How long the movie at the end of a motion photo is: in version 1 of Google's format, and before.
const MOTION: [&[u8]; 2] = [b"GCamera:MotionPhotoOffset", b"GCamera:MicroVideoOffset"];
const PROJECTION: &[u8] = b"GPano:ProjectionType";
/// The prefix of `xmp` was `xap` before 2005.
const DATES: [(&[u8], DateRank); 11] = [
    (b"exif:DateTimeOriginal", DateRank::XmpOriginal),
    (b"photoshop:DateCreated", DateRank::XmpCreated),
    (b"exif:DateTimeDigitized", DateRank::XmpDigitized),
    (b"xmp:CreateDate", DateRank::XmpCreate),
    (b"xap:CreateDate", DateRank::XmpCreate),
    (b"xmp:MetadataDate", DateRank::XmpMetadata),
    (b"xap:MetadataDate", DateRank::XmpMetadata),
    (b"exif:DateTime", DateRank::XmpDateTime),
    (b"tiff:DateTime", DateRank::XmpDateTime),
    (b"xmp:ModifyDate", DateRank::XmpModified),
    (b"xap:ModifyDate", DateRank::XmpModified),
];

/// Of a packet that breaks off or is no XML from some place on, what stands before.
pub(super) fn read_packet(packet: &[u8], findings: &mut Findings) {
    let mut reader = Reader::from_reader(packet);
    let config = reader.config_mut();
    (config.check_end_names, config.allow_unmatched_ends, config.allow_dangling_amp) = (false, true, true);
    // The property that is open, and the text since the last tag.
    let (mut open, mut value) = (None, Vec::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                read_attributes(&tag, findings);
                open = known(tag.name().as_ref()).or(open);
                value.clear();
            }
            Ok(Event::Empty(tag)) => read_attributes(&tag, findings),
            Ok(Event::Text(part)) => value.extend_from_slice(&part),
            Ok(Event::CData(part)) => value.extend_from_slice(&part),
            Ok(Event::GeneralRef(entity)) => value.extend_from_slice(resolve(&entity).as_bytes()),
            Ok(Event::End(tag)) => {
                if let Some(property) = open {
                    property.keep(text(&value), findings);
                }
                open = open.filter(|_| known(tag.name().as_ref()).is_none());
                value.clear();
            }
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Property {
    Date(DateRank),
    Caption,
    Motion,
    Projection,
}

fn known(name: &[u8]) -> Option<Property> {
    let date = DATES.iter().find(|(date, _)| *date == name).map(|(_, rank)| Property::Date(*rank));
    date.or(match name {
        CAPTION => Some(Property::Caption),
        PROJECTION => Some(Property::Projection),
        _ => MOTION.contains(&name).then_some(Property::Motion),
    })
}

impl Property {
    fn keep(self, value: Option<String>, findings: &mut Findings) {
        match self {
            Self::Date(rank) => findings.add_date(rank, value.and_then(|value| date(rank, &value))),
            Self::Caption => findings.add_caption(Standard::Xmp, value),
            Self::Motion => keep(&mut findings.motion_length, value.and_then(|length| length.parse().ok())),
            Self::Projection => findings.panorama |= value.is_some_and(|kind| kind == "equirectangular"),
        }
    }
}

/// All but the year may be left out. Where one of EXIF with its time comes next, a date counts with its time only.
fn date(rank: DateRank, value: &str) -> Option<Moment> {
    let before_exif = matches!(rank, DateRank::XmpOriginal | DateRank::XmpDigitized | DateRank::XmpDateTime);
    parse_iso(value).or_else(|| parse_day(value).filter(|_| !before_exif))
}

fn read_attributes(tag: &BytesStart<'_>, findings: &mut Findings) {
    read_container_item(tag, findings);
    for attribute in tag.attributes().with_checks(false).flatten() {
        if let Some(property) = known(attribute.key.as_ref()) {
            let value = text(&attribute.value).map(|value| unescape(&value).map(Cow::into_owned).unwrap_or(value));
            property.keep(value, findings);
        }
    }
}

/// Of the list of what a file holds one behind the other, the lengths from the movie on (version 2 of Google's format).
fn read_container_item(tag: &BytesStart<'_>, findings: &mut Findings) {
    let value = |name: &[u8]| {
        let found = tag.attributes().with_checks(false).flatten().find(|attribute| attribute.key.as_ref() == name);
        found.and_then(|attribute| text(&attribute.value))
    };
    let Some(meaning) = value(b"Item:Semantic") else { return };
    let number = |name| value(name).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    let length = number(b"Item:Length").saturating_add(number(b"Item:Padding"));
    if meaning == "MotionPhoto" {
        findings.motion_length = Some(length);
    } else if let Some(so_far) = findings.motion_length {
        findings.motion_length = Some(so_far.saturating_add(length));
    }
}

/// A numbered character or one of XML's five; a name of some other language stays as it stands.
fn resolve(entity: &BytesRef<'_>) -> String {
    let name = String::from_utf8_lossy(entity);
    let numbered = entity.resolve_char_ref().ok().flatten().map(String::from);
    numbered.or_else(|| resolve_predefined_entity(&name).map(str::to_owned)).unwrap_or_else(|| format!("&{name};"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(packet: &str) -> Findings {
        let mut findings = Findings::default();
        read_packet(packet.as_bytes(), &mut findings);
        findings
    }

    #[test]
    fn properties_stand_as_attributes_or_as_elements() {
        for packet in [
            "<rdf:Description a:exif:DateTimeOriginal=\"x\" exif:DateTimeOriginal=\"2008-03-15T09:52:01-04:00\" />",
            "<rdf:Description\n exif:DateTimeOriginal = '2008-03-15T09:52:01-04:00'>",
            "<exif:DateTimeOriginal>2008-03-15T09:52:01-04:00</exif:DateTimeOriginal>",
            "<exif:DateTimeOriginal/><exif:DateTimeOriginal rdf:x=\"y\"> 2008-03-15T09:52:01-04:00 </exif:DateTimeOriginal>",
        ] {
            let found = read(packet);
            assert_eq!(found.dates.len(), 1, "{packet}");
            let (rank, date) = found.dates[0];
            assert_eq!(
                (rank, date.wall().as_deref()),
                (DateRank::XmpOriginal, Some("2008-03-15T09:52:01")),
                "{packet}"
            );
            assert_eq!(date.offset().as_deref(), Some("-04:00"));
        }
    }

    #[test]
    fn a_day_is_a_date_where_it_displaces_none_of_exif() {
        let dates =
            |packet: &str| read(packet).dates.iter().map(|(rank, date)| (*rank, date.wall())).collect::<Vec<_>>();
        for (value, expected) in [
            ("2003-08-31", "2003-08-31T00:00:00"),
            ("2003-08", "2003-08-01T00:00:00"),
            ("2003", "2003-01-01T00:00:00"),
            ("2003-08-31T10:20Z", "2003-08-31T10:20:00"),
        ] {
            let packet = format!("<photoshop:DateCreated>{value}</photoshop:DateCreated>");
            assert_eq!(dates(&packet), [(DateRank::XmpCreated, Some(expected.into()))], "{value}");
        }
        for packet in ["<exif:DateTimeOriginal>2003-08-31</exif:DateTimeOriginal>", "<x xmp:CreateDate=\"03-08-31\"/>"]
        {
            assert_eq!(dates(packet), [], "{packet}");
        }
    }

    #[test]
    fn the_prefix_of_older_writers_is_known() {
        let found =
            read("<rdf:Description xap:ModifyDate=\"2005-09-07T15:09:51Z\" xap:CreateDate=\"2005-09-07T15:07:40Z\"/>");
        let ranks: Vec<_> = found.dates.iter().map(|(rank, _)| *rank).collect();
        assert_eq!(ranks, [DateRank::XmpModified, DateRank::XmpCreate]);
    }

    #[test]
    fn a_caption_is_the_first_of_its_languages() {
        let packet = "<dc:description><rdf:Alt><rdf:li xml:lang=\"x-default\">Cats &amp; dogs &#x2764;&#10; &bogus; a&b</rdf:li>\
                      <rdf:li xml:lang=\"de\">Hunde</rdf:li></rdf:Alt></dc:description>";
        assert_eq!(read(packet).caption().as_deref(), Some("Cats & dogs \u{2764}\n &bogus; a&b"));
        assert_eq!(read("<dc:description><rdf:Alt/></dc:description>").caption(), None);
    }

    #[test]
    fn a_motion_photo_says_how_long_its_movie_is() {
        for packet in [
            "<rdf:Description GCamera:MicroVideo=\"1\" GCamera:MicroVideoOffset=\"2745\"/>",
            "<GCamera:MotionPhotoOffset>2745</GCamera:MotionPhotoOffset>",
            "<Container:Item Item:Semantic=\"Primary\" Item:Length=\"9\"/>\
             <Container:Item Item:Mime=\"video/mp4\" Item:Semantic=\"MotionPhoto\" Item:Length=\"2700\"/>\
             <Container:Item Item:Semantic=\"Trailer\" Item:Length=\"40\" Item:Padding=\"5\"/>",
        ] {
            assert_eq!(read(packet).motion_length, Some(2745), "{packet}");
        }
        assert_eq!(read("<x GCamera:MicroVideoOffset=\"-1\"/>").motion_length, None);
    }

    #[test]
    fn a_sphere_is_a_panorama() {
        assert!(read("<x GPano:ProjectionType=\"equirectangular\"/>").panorama);
        assert!(!read("<x GPano:ProjectionType=\"perspective\"/>").panorama);
    }

    #[test]
    fn packets_that_break_off_give_what_is_whole() {
        let packet =
            "<rdf:li exif:DateTimeOriginal=\"2008-03-15T09:52:01Z\"><dc:description><rdf:Alt><rdf:li>text</rdf:li>";
        for len in 0..packet.len() {
            let found = read(&packet[..len]);
            assert_eq!(found.dates.len(), usize::from(len > packet.find('>').unwrap_or(0)), "{len}");
        }
        assert_eq!(read(packet).caption().as_deref(), Some("text"));
    }
}
