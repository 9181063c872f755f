//! XMP (ISO 16684-1): the dates and the caption in a packet of RDF.
//!
//! A property stands as an attribute, `exif:DateTimeOriginal="…"`, or as an element, `<dc:title>…</dc:title>`, perhaps
//! with a list of languages in it. The prefixes are a convention that every writer keeps; a packet with others
//! gives nothing.

use super::date::parse_iso;
use super::findings::{DateRank, Findings, Standard};
use super::source::{Source, text};
use memchr::memmem;
use std::ops::Range;

/// What a packet of a JPEG begins with.
pub(super) const JPEG_PREFIX: &[u8; 29] = b"http://ns.adobe.com/xap/1.0/\0";
/// What the body of a PNG's `iTXt` chunk begins with that holds a packet, not compressed, in no language.
pub(super) const PNG_PREFIX: &[u8; 22] = b"XML:com.adobe.xmp\0\0\0\0\0";

const DATES: [(&[u8], DateRank); 6] = [
    (b"exif:DateTimeOriginal", DateRank::XmpOriginal),
    (b"photoshop:DateCreated", DateRank::XmpCreated),
    (b"exif:DateTimeDigitized", DateRank::XmpDigitized),
    (b"xmp:CreateDate", DateRank::XmpCreate),
    (b"xmp:MetadataDate", DateRank::XmpMetadata),
    (b"xmp:ModifyDate", DateRank::XmpModified),
];

pub(super) fn read_packet(source: &Source<'_>, packet: Range<u64>, findings: &mut Findings) {
    let Some(packet) = source.bytes(packet) else { return };
    for (name, rank) in DATES {
        let date = property(&packet, name).and_then(|value| parse_iso(&value));
        findings.dates.extend(date.map(|date| (rank, date)));
    }
    findings.add_caption(Standard::Xmp, property(&packet, b"dc:description"));
}

/// The value of the first property of a name.
fn property(packet: &[u8], name: &[u8]) -> Option<String> {
    memmem::find_iter(packet, name).find_map(|at| {
        // `<` for an element, space for an attribute: not the tail of a longer name, not a closing tag.
        let before = at.checked_sub(1).map(|at| packet[at])?;
        let rest = &packet[at + name.len()..];
        if before == b'<' {
            element(rest)
        } else if before.is_ascii_whitespace() {
            attribute(rest)
        } else {
            None
        }
    })
}

/// Behind an attribute's name: `="…"`.
fn attribute(rest: &[u8]) -> Option<String> {
    let rest = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, rest) = rest.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    unescape(&rest[..memchr::memchr(*quote, rest)?])
}

/// Behind an element's name: its text, or that of the first entry of the list in it.
fn element(rest: &[u8]) -> Option<String> {
    let rest = behind_tag(rest)?;
    let rest = match rest.trim_ascii_start().first()? {
        b'<' => behind_tag(&rest[memmem::find(rest, b"<rdf:li")?..])?,
        _ => rest,
    };
    unescape(&rest[..memchr::memchr(b'<', rest)?])
}

fn behind_tag(rest: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'>', rest)?;
    // An empty element has no text.
    (end == 0 || rest[end - 1] != b'/').then(|| &rest[end + 1..])
}

/// Text with XML's five entities and numbered characters (XML 1.0, 4.1).
fn unescape(bytes: &[u8]) -> Option<String> {
    let escaped = text(bytes)?;
    let mut parts = escaped.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(';').and_then(|(name, rest)| Some((entity(name)?, rest))) {
            Some((character, rest)) => plain.extend([character].into_iter().chain(rest.chars())),
            None => plain.extend(['&'].into_iter().chain(part.chars())),
        }
    }
    Some(plain)
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::BUDGET;
    use super::*;

    fn read(packet: &str) -> Findings {
        let bytes = packet.as_bytes().to_vec();
        let source = Source::new(&bytes, BUDGET);
        let mut findings = Findings::default();
        read_packet(&source, source.whole(), &mut findings);
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
    fn a_caption_is_the_first_of_its_languages() {
        let packet = "<dc:description><rdf:Alt><rdf:li xml:lang=\"x-default\">Cats &amp; dogs &#x2764;&#10; &bogus; a&b</rdf:li>\
                      <rdf:li xml:lang=\"de\">Hunde</rdf:li></rdf:Alt></dc:description>";
        assert_eq!(read(packet).caption().as_deref(), Some("Cats & dogs \u{2764}\n &bogus; a&b"));
        assert_eq!(read("<dc:description><rdf:Alt/></dc:description>").caption(), None);
    }

    #[test]
    fn packets_that_break_off_give_what_is_whole() {
        let packet =
            "<rdf:li exif:DateTimeOriginal=\"2008-03-15T09:52:01Z\"><dc:description><rdf:Alt><rdf:li>text</rdf:li>";
        for len in 0..packet.len() {
            let found = read(&packet[..len]);
            assert_eq!(found.dates.len(), usize::from(len >= packet.find('>').unwrap_or(0)), "{len}");
        }
        assert_eq!(read(packet).caption().as_deref(), Some("text"));
    }
}
