//! HEIF and AVIF stills (ISO/IEC 23008-12; items: ISO/IEC 14496-12, 8.11): the primary picture's size and turns,
//! and the items that hold EXIF and XMP.
//!
//! ```text
//! meta ─┬─ pitm  number of the primary item       iprp ─┬─ ipco  properties: ispe size, irot turns, imir mirror
//!       ├─ iinf  items and their types                  └─ ipma  which item has which
//!       └─ iloc  where an item's bytes lie        idat    bytes of small items
//! ```

use super::bmff::{BoxAt, boxes, find, find_path, full};
use super::findings::{Findings, Size, keep};
use super::orientation::Orientation;
use super::source::Source;
use super::{exif, xmp};
use std::ops::Range;

/// Items and associations looked at; the tiles of a 200-megapixel grid are under a thousand.
const MOST: u32 = 8192;

pub(super) fn read(source: &Source<'_>, findings: &mut Findings) {
    let Some((_, meta)) = find(source, source.whole(), b"meta").and_then(|meta| full(source, meta)) else { return };
    read_primary(source, meta.clone(), findings);
    // Decoders turn by the item's properties alone; EXIF's word on it is for those that take it out (MIAF, 7.3.6.7).
    findings.orientation = Some(findings.orientation.unwrap_or_default());
    if let Some(block) = exif_block(source, meta.clone()) {
        exif::read_block(source, block, findings);
    }
    let packet = item_of(source, meta.clone(), |_, description| is_packet(description))
        .and_then(|item| item_place(source, meta, item));
    if let Some(packet) = packet.and_then(|packet| source.bytes(packet)) {
        xmp::read_packet(&packet, findings);
    }
}

fn read_primary(source: &Source<'_>, meta: Range<u64>, findings: &mut Findings) -> Option<()> {
    let (mut turns, mut mirrored, mut found) = (0, false, false);
    for property in primary_properties(source, meta)? {
        let at = property.body.start;
        match &property.kind {
            b"ispe" => keep(&mut findings.size, Size::new(source.be_u32(at + 4)?, source.be_u32(at + 8)?)),
            b"irot" => (turns, found) = (source.array::<1>(at)?[0] & 3, true),
            // Axis 0 puts the top at the bottom: half a turn, then left to right.
            b"imir" => {
                let half_turn = if source.array::<1>(at)?[0] & 1 == 0 { 2 } else { 0 };
                (turns, mirrored, found) = ((turns + half_turn) % 4, true, true);
            }
            _ => {}
        }
    }
    keep(&mut findings.orientation, found.then(|| Orientation::from_turns(turns, mirrored)));
    Some(())
}

fn primary_number(source: &Source<'_>, meta: Range<u64>) -> Option<u64> {
    let (version, pitm) = full(source, find(source, meta, b"pitm")?)?;
    item_number(source, pitm.start, version > 0)
}

/// The properties of the primary picture, in the order in which they apply.
fn primary_properties(source: &Source<'_>, meta: Range<u64>) -> Option<Vec<BoxAt>> {
    let primary = primary_number(source, meta.clone())?;
    let properties = find(source, meta, b"iprp")?;
    let stock: Vec<_> = boxes(source, find(source, properties.clone(), b"ipco")?).collect();
    let indices = associations(source, find(source, properties, b"ipma")?, primary)?;
    Some(indices.into_iter().filter_map(|index| stock.get(index.checked_sub(1)?).cloned()).collect())
}

/// The body of the primary picture's colour information of one of these types (14496-12, 12.1.5).
fn colour_information(source: &Source<'_>, types: &[[u8; 4]]) -> Option<Range<u64>> {
    let (_, meta) = full(source, find(source, source.whole(), b"meta")?)?;
    let described = primary_properties(source, meta)?.into_iter().filter(|property| property.kind == *b"colr");
    let told = |body: &Range<u64>| source.array(body.start).is_some_and(|kind| types.contains(&kind));
    described.map(|property| property.body).find(told).map(|body| body.start + 4..body.end)
}

pub(super) fn profile(source: &Source<'_>) -> Option<Vec<u8>> {
    source.bytes(colour_information(source, &[*b"prof", *b"rICC"])?)
}

/// The numbers of the primary picture's primaries and transfer (ITU-T H.273).
pub(super) fn coded_colours(source: &Source<'_>) -> Option<(u8, u8)> {
    let at = colour_information(source, &[*b"nclx"])?.start;
    let [primaries, transfer] = [source.be_u16(at)?, source.be_u16(at + 2)?];
    Some((u8::try_from(primaries).ok()?, u8::try_from(transfer).ok()?))
}

/// The place of the primary picture's coded data, where its type is this and it lies in one piece.
pub(super) fn primary_data(source: &Source<'_>, kind: &[u8; 4]) -> Option<Range<u64>> {
    let (_, meta) = full(source, find(source, source.whole(), b"meta")?)?;
    let primary = primary_number(source, meta.clone())?;
    let is_it = |number, description: &[u8]| number == primary && description.starts_with(kind);
    let item = item_of(source, meta.clone(), is_it)?;
    item_place(source, meta, item)
}

fn item_number(source: &Source<'_>, at: u64, wide: bool) -> Option<u64> {
    source.be(at, if wide { 4 } else { 2 })
}

/// The properties of an item, counted from 1, in the order in which they apply (14496-12, 8.11.14).
fn associations(source: &Source<'_>, ipma: Range<u64>, item: u64) -> Option<Vec<usize>> {
    let [version, _, _, flags] = source.array::<4>(ipma.start)?;
    let count = source.be_u32(ipma.start + 4)?.min(MOST);
    let mut at = ipma.start + 8;
    for _ in 0..count {
        let number = item_number(source, at, version > 0)?;
        at += if version > 0 { 4 } else { 2 };
        let [len] = source.array::<1>(at)?;
        let wide = flags & 1 == 1;
        let step = if wide { 2 } else { 1 };
        if number == item {
            // The top bit says "essential".
            let index = |n: u64| match wide {
                true => source.be_u16(at + 1 + n * step).map(|index| usize::from(index & 0x7fff)),
                false => source.array::<1>(at + 1 + n * step).map(|[index]| usize::from(index & 0x7f)),
            };
            return (0..u64::from(len)).map(index).collect();
        }
        at += 1 + u64::from(len) * step;
    }
    None
}

/// The TIFF block in the item of type `Exif`: four bytes that say how much precedes it, then perhaps `Exif\0\0`.
fn exif_block(source: &Source<'_>, meta: Range<u64>) -> Option<Range<u64>> {
    let item = item_of(source, meta.clone(), |_, description| description.starts_with(b"Exif"))?;
    let place = item_place(source, meta, item)?;
    let prefix = u64::from(source.be_u32(place.start)?);
    let start = place.start.checked_add(4)?.checked_add(prefix)?;
    (start < place.end).then_some(start..place.end)
}

/// An item of type `mime` whose content type, behind its name, is that of XMP.
fn is_packet(description: &[u8]) -> bool {
    let mut texts = description.strip_prefix(b"mime").unwrap_or_default().split(|byte| *byte == 0);
    texts.nth(1) == Some(b"application/rdf+xml")
}

/// The number of the first item that fits by it and its description (type, name and what else the type has).
fn item_of(source: &Source<'_>, meta: Range<u64>, fits: impl Fn(u64, &[u8]) -> bool) -> Option<u64> {
    let (version, rest) = full(source, find(source, meta, b"iinf")?)?;
    let entries = rest.start + if version == 0 { 2 } else { 4 }..rest.end;
    boxes(source, entries).filter(|entry| entry.kind == *b"infe").find_map(|entry| {
        let (version, rest) = full(source, entry.body)?;
        let wide = version > 2;
        // Behind its number and a protection index.
        let description = source.bytes(rest.start + if wide { 6 } else { 4 }..rest.end)?;
        item_number(source, rest.start, wide).filter(|number| version >= 2 && fits(*number, &description))
    })
}

/// The first extent of an item, in the file or in the `idat` box (14496-12, 8.11.3).
fn item_place(source: &Source<'_>, meta: Range<u64>, item: u64) -> Option<Range<u64>> {
    let (version, iloc) = full(source, find(source, meta.clone(), b"iloc")?)?;
    let [sizes, more] = source.array::<2>(iloc.start)?;
    let (offset_size, length_size, base_size) = (sizes >> 4, sizes & 15, more >> 4);
    let index_size = if version > 0 { more & 15 } else { 0 };
    let mut at = iloc.start + 2;
    let mut take = |size: u8| {
        let value = source.be(at, size.into());
        at += u64::from(size);
        value
    };
    let count = take(if version < 2 { 2 } else { 4 })?;
    for _ in 0..count.min(u64::from(MOST)) {
        let number = take(if version < 2 { 2 } else { 4 })?;
        let construction = if version > 0 { take(2)? & 15 } else { 0 };
        let (_reference, base, extents) = (take(2)?, take(base_size)?, take(2)?);
        for extent in 0..extents.min(u64::from(MOST)) {
            let (_index, offset, len) = (take(index_size)?, take(offset_size)?, take(length_size)?);
            if number == item && extent == 0 {
                let within = if construction == 1 { find_path(source, meta, &[b"idat"])? } else { source.whole() };
                let start = within.start.checked_add(base)?.checked_add(offset)?;
                return Some(start..start.checked_add(len)?.min(within.end));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::ifd::Order;
    use super::super::source::BUDGET;
    use super::super::testing::{Exif, Value, boxed, heif};
    use super::*;

    fn findings(file: &[u8]) -> Findings {
        let mut findings = Findings::default();
        read(&Source::new(&file.to_vec(), BUDGET), &mut findings);
        findings
    }

    fn block() -> Vec<u8> {
        Exif::new(Order::Big).main(0x0110, Value::Text("Camera".into())).main(0x0112, Value::Short(6)).bytes()
    }

    #[test]
    fn size_and_turns_are_those_of_the_primary_item() {
        let found = findings(&heif(&[boxed(b"irot", &[3])], &block()));
        assert_eq!(found.size, Size::new(4032, 3024));
        assert_eq!(found.orientation, Some(Orientation::Right));
        assert_eq!(found.camera_model.as_deref(), Some("Camera"));
    }

    #[test]
    fn a_packet_of_xmp_is_told_by_its_content_type() {
        assert!(is_packet(b"mime\0application/rdf+xml\0"));
        assert!(is_packet(b"mimeXMP\0application/rdf+xml\0\0"));
        assert!(!is_packet(b"mime\0text/plain\0") && !is_packet(b"Exif\0application/rdf+xml\0") && !is_packet(b""));
    }

    #[test]
    fn without_turns_of_its_own_the_picture_is_upright_whatever_exif_says() {
        assert_eq!(findings(&heif(&[], &block())).orientation, Some(Orientation::Upright));
        assert_eq!(findings(&heif(&[boxed(b"imir", &[0])], &block())).orientation, Some(Orientation::Flipped));
        assert_eq!(findings(&heif(&[boxed(b"imir", &[1])], &block())).orientation, Some(Orientation::Mirrored));
    }
}
