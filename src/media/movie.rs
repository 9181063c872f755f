//! MOV, MP4 and 3GP (ISO/IEC 14496-12, 8; QuickTime File Format): the movie header, the picture track and the
//! metadata that phones add. Sample tables, which make a movie's index large, are stepped over.
//!
//! ```text
//! moov ─┬─ mvhd  creation, time scale, duration     meta ─┬─ keys  names: com.apple.quicktime.creationdate …
//!       ├─ trak ─┬─ tkhd  size and turn                   └─ ilst  their values
//!       │        └─ mdia ── hdlr  "vide"            udta ─┬─ ©xyz  place, ISO 6709
//!       └─ mvex ── mehd  length of a fragmented one       └─ ©mak ©mod loci meta
//! ```

use super::bmff::{boxes, find, find_path, full};
use super::date::{from_movie_seconds, parse_iso};
use super::findings::{DateRank, Findings, Place, Size, keep};
use super::orientation::Orientation;
use super::source::Source;
use std::ops::Range;

/// Metadata entries looked at.
const MOST: u64 = 256;

pub(super) fn read(source: &Source<'_>, findings: &mut Findings) {
    let Some(movie) = find(source, source.whole(), b"moov") else { return };
    read_header(source, movie.clone(), findings).unwrap_or_default();
    for track in boxes(source, movie.clone()).filter(|found| found.kind == *b"trak") {
        read_track(source, track.body, findings).unwrap_or_default();
    }
    for meta in boxes(source, movie.clone()).filter(|found| found.kind == *b"meta") {
        read_tags(source, meta.body, findings).unwrap_or_default();
    }
    if let Some(user_data) = find(source, movie, b"udta") {
        read_user_data(source, user_data, findings);
    }
}

fn read_header(source: &Source<'_>, movie: Range<u64>, findings: &mut Findings) -> Option<()> {
    let (version, header) = full(source, find(source, movie.clone(), b"mvhd")?)?;
    let wide = version == 1;
    let (scale_at, width) = if wide { (header.start + 16, 8) } else { (header.start + 8, 4) };
    let created = source.be(header.start, width)?;
    findings.add_date(DateRank::MovieHeader, from_movie_seconds(created));
    let scale = source.be_u32(scale_at).filter(|scale| *scale > 0)?;
    let unknown = if wide { u64::MAX } else { u64::from(u32::MAX) };
    let known = |ticks: &u64| *ticks != 0 && *ticks != unknown;
    let ticks = source.be(scale_at + 4, width).filter(known).or_else(|| fragments_length(source, movie))?;
    keep(&mut findings.duration, Some(ticks as f64 / f64::from(scale)));
    Some(())
}

/// A fragmented movie's header says zero; what its fragments come to stands beside it, if anywhere.
fn fragments_length(source: &Source<'_>, movie: Range<u64>) -> Option<u64> {
    let (version, header) = full(source, find_path(source, movie, &[b"mvex", b"mehd"])?)?;
    source.be(header.start, if version == 1 { 8 } else { 4 }).filter(|ticks| *ticks != 0)
}

/// The first track of pictures gives size and turn.
fn read_track(source: &Source<'_>, track: Range<u64>, findings: &mut Findings) -> Option<()> {
    let (_, handler) = full(source, find_path(source, track.clone(), &[b"mdia", b"hdlr"])?)?;
    if source.array::<4>(handler.start + 4)? != *b"vide" || findings.size.is_some() {
        return None;
    }
    let (version, header) = full(source, find(source, track, b"tkhd")?)?;
    let matrix = header.start + if version == 1 { 48 } else { 36 };
    // Fixed point, 16 bits before and 16 behind.
    let (width, height) = (source.be_u32(matrix + 36)? >> 16, source.be_u32(matrix + 40)? >> 16);
    findings.size = Some(Size::new(width, height)?);
    let sign = |n: u64| source.be_u32(matrix + 4 * n).map(|value| value.cast_signed().signum());
    keep(&mut findings.orientation, turn([sign(0)?, sign(1)?, sign(3)?, sign(4)?]));
    Some(())
}

/// Of the signs of a matrix's a, b, c and d; only right angles, as cameras write them.
fn turn(signs: [i32; 4]) -> Option<Orientation> {
    match signs {
        [1, 0, 0, 1] => Some(Orientation::Upright),
        [-1, 0, 0, -1] => Some(Orientation::UpsideDown),
        [0, 1, -1, 0] => Some(Orientation::Right),
        [0, -1, 1, 0] => Some(Orientation::Left),
        _ => None,
    }
}

/// Apple's list: names in `keys`, values in `ilst` under the number of their name, counted from 1.
fn read_tags(source: &Source<'_>, meta: Range<u64>, findings: &mut Findings) -> Option<()> {
    // QuickTime's box has no version, MPEG's has one.
    let plain = source.array::<4>(meta.start + 4)? == *b"hdlr";
    let meta = if plain { meta } else { full(source, meta)?.1 };
    let names = key_names(source, find(source, meta.clone(), b"keys")?)?;
    for item in boxes(source, find(source, meta, b"ilst")?).take(MOST as usize) {
        let name = (u32::from_be_bytes(item.kind) as usize).checked_sub(1).and_then(|index| names.get(index));
        let Some((name, data)) = name.zip(find(source, item.body, b"data")) else { continue };
        // Type and locale precede the value.
        if let Some(value) = source.text(data.start + 8..data.end) {
            read_tag(name, value, findings);
        }
    }
    Some(())
}

fn key_names(source: &Source<'_>, keys: Range<u64>) -> Option<Vec<String>> {
    let (_, rest) = full(source, keys)?;
    let count = u64::from(source.be_u32(rest.start)?).min(MOST);
    let names = boxes(source, rest.start + 4..rest.end).take(count as usize);
    // A key is laid out as a box: size, namespace, name. One that does not read keeps its number.
    Some(names.map(|key| source.text(key.body).unwrap_or_default()).collect())
}

fn read_tag(name: &str, value: String, findings: &mut Findings) {
    match name {
        "com.apple.quicktime.creationdate" => findings.add_date(DateRank::MovieTag, parse_iso(&value)),
        "com.apple.quicktime.location.ISO6709" => keep(&mut findings.place, parse_iso6709(&value)),
        "com.apple.quicktime.make" | "com.android.manufacturer" => keep(&mut findings.camera_make, Some(value)),
        "com.apple.quicktime.model" | "com.android.model" => keep(&mut findings.camera_model, Some(value)),
        "com.apple.quicktime.content.identifier" => keep(&mut findings.content_identifier, Some(value)),
        _ => {}
    }
}

fn read_user_data(source: &Source<'_>, user_data: Range<u64>, findings: &mut Findings) {
    for found in boxes(source, user_data).take(MOST as usize) {
        // Length and language precede the text.
        let body = found.body.clone();
        let value = || source.text(body.start + 4..body.end);
        match &found.kind {
            b"\xa9xyz" => keep(&mut findings.place, value().and_then(|value| parse_iso6709(&value))),
            b"\xa9mak" => keep(&mut findings.camera_make, value()),
            b"\xa9mod" => keep(&mut findings.camera_model, value()),
            b"loci" => keep(&mut findings.place, read_loci(source, found.body)),
            // Where ffmpeg keeps Apple's list when it copies a movie.
            b"meta" => read_tags(source, found.body, findings).unwrap_or_default(),
            _ => {}
        }
    }
}

/// 3GPP's place (TS 26.244, 8.3): language, name, role, then longitude and latitude in fixed point.
fn read_loci(source: &Source<'_>, body: Range<u64>) -> Option<Place> {
    let (_, rest) = full(source, body)?;
    let bytes = source.bytes(rest.start + 2..rest.end)?;
    let wide = bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"\xff\xfe");
    let name_end = match wide {
        true => bytes.chunks_exact(2).position(|unit| unit == [0, 0])? * 2 + 2,
        false => memchr::memchr(0, &bytes)? + 1,
    };
    let fixed = |at: usize| Some(f64::from(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?)) / 65536.0);
    Place::new(fixed(name_end + 5)?, fixed(name_end + 1)?)
}

/// `+48.8577+002.295+035/`: latitude and longitude as degrees, with minutes or with minutes and seconds, told by
/// the number of digits before the point.
fn parse_iso6709(value: &str) -> Option<Place> {
    let signs: Vec<usize> = value.match_indices(['+', '-']).map(|(at, _)| at).collect();
    let [first, second, rest @ ..] = signs.as_slice() else { return None };
    let end = rest.first().copied().unwrap_or(value.len());
    let longitude = value[*second..end].trim_end_matches(|c: char| !c.is_ascii_digit());
    // Behind a place may stand the name of its reference system.
    let longitude = longitude.split(['/', 'C']).next().unwrap_or_default();
    Place::new(coordinate(&value[*first..*second], 2)?, coordinate(longitude, 3)?)
}

/// A sign, and digits of which the first `degrees` are those.
fn coordinate(value: &str, degrees: usize) -> Option<f64> {
    let sign = if value.starts_with('-') { -1.0 } else { 1.0 };
    let value = value.get(1..)?;
    let whole = value.find('.').unwrap_or(value.len());
    if !value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let number = |range: Range<usize>| value.get(range)?.parse::<f64>().ok();
    let size = match whole.checked_sub(degrees)? {
        0 => number(0..value.len())?,
        2 => number(0..degrees)? + number(degrees..value.len())? / 60.0,
        4 => number(0..degrees)? + number(degrees..degrees + 2)? / 60.0 + number(degrees + 2..value.len())? / 3600.0,
        _ => return None,
    };
    Some(sign * size)
}

#[cfg(test)]
mod tests {
    use super::super::source::BUDGET;
    use super::super::testing::{Movie, boxed, full_boxed};
    use super::*;

    fn findings(file: &[u8]) -> Findings {
        let mut findings = Findings::default();
        read(&Source::new(&file.to_vec(), BUDGET), &mut findings);
        findings
    }

    #[test]
    fn a_phone_movie_tells_all_about_itself() {
        let file = Movie::default()
            .tag("com.apple.quicktime.make", "Apple")
            .tag("com.apple.quicktime.content.identifier", "ABC-123")
            .tag("com.apple.quicktime.location.ISO6709", "+48.8577-002.2950+035.000/")
            .tag("com.apple.quicktime.creationdate", "2019-02-12T15:27:12+0800")
            .file();
        let found = findings(&file);
        assert_eq!((found.size, found.duration), (Size::new(1920, 1080), Some(2.5)));
        assert_eq!(found.place, Place::new(48.8577, -2.295));
        assert_eq!(found.camera_make.as_deref(), Some("Apple"));
        assert_eq!(found.content_identifier.as_deref(), Some("ABC-123"));
        let ranks: Vec<_> = found.dates.iter().map(|(rank, _)| *rank).collect();
        assert_eq!(ranks, [DateRank::MovieHeader, DateRank::MovieTag]);
    }

    #[test]
    fn apples_list_is_read_from_the_user_data_of_a_copied_movie() {
        let phone = Movie::default()
            .tag("com.apple.quicktime.location.ISO6709", "+48.8577-002.2950+035.000/")
            .tag("com.apple.quicktime.creationdate", "2019-02-12T15:27:12+0800");
        let found = findings(&Movie { more: boxed(b"udta", &phone.meta()), ..Movie::default() }.file());
        assert_eq!(found.place, Place::new(48.8577, -2.295));
        assert!(found.dates.iter().any(|(rank, _)| *rank == DateRank::MovieTag), "{:?}", found.dates);
    }

    #[test]
    fn headers_of_both_versions_and_every_turn_are_read() {
        for wide in [false, true] {
            for (turned, expected) in [
                ([1, 0, 0, 1], Orientation::Upright),
                ([0, 1, -1, 0], Orientation::Right),
                ([-1, 0, 0, -1], Orientation::UpsideDown),
                ([0, -1, 1, 0], Orientation::Left),
            ] {
                let found = findings(&Movie { wide, turned, ..Movie::default() }.file());
                assert_eq!(
                    (found.orientation, found.size),
                    (Some(expected), Size::new(1920, 1080)),
                    "{wide} {turned:?}"
                );
                assert_eq!(found.duration, Some(2.5));
                assert_eq!(found.dates.len(), 1);
            }
        }
    }

    #[test]
    fn a_fragmented_movie_has_its_length_beside_the_header() {
        let more = boxed(b"mvex", &full_boxed(b"mehd", 0, &5000_u32.to_be_bytes()));
        let found = findings(&Movie { ticks: 0, more, ..Movie::default() }.file());
        assert_eq!(found.duration, Some(5.0));
        assert_eq!(findings(&Movie { ticks: u32::MAX, ..Movie::default() }.file()).duration, None);
    }

    #[test]
    fn user_data_gives_place_and_camera() {
        let international =
            |text: &str| [&(text.len() as u16).to_be_bytes()[..], b"\x15\xc7", text.as_bytes()].concat();
        let user_data = [
            boxed(b"\xa9xyz", &international("+27.1281+100.2508/")),
            boxed(b"\xa9mak", &international("Google")),
            boxed(b"\xa9mod", &international("Pixel")),
        ];
        let found = findings(&Movie { more: boxed(b"udta", &user_data.concat()), ..Movie::default() }.file());
        assert_eq!(found.place, Place::new(27.1281, 100.2508));
        assert_eq!((found.camera_make.as_deref(), found.camera_model.as_deref()), (Some("Google"), Some("Pixel")));
        let fixed = |degrees: i32| (degrees * 65536).to_be_bytes();
        let loci = [&b"\x15\xc7Home\0\0"[..], &fixed(-100), &fixed(27), &[0; 4], b"earth\0\0"].concat();
        let found =
            findings(&Movie { more: boxed(b"udta", &full_boxed(b"loci", 0, &loci)), ..Movie::default() }.file());
        assert_eq!(found.place, Place::new(27.0, -100.0));
    }

    #[test]
    fn places_in_all_three_forms() {
        for (value, latitude, longitude) in [
            ("+48.5+011.25/", 48.5, 11.25),
            ("-4830.0-01115.0/", -48.5, -11.25),
            ("+483000+0111500+100/", 48.5, 11.25),
            ("+48.5+011.25CRSWGS_84/", 48.5, 11.25),
            ("+48.5+011.25", 48.5, 11.25),
        ] {
            assert_eq!(parse_iso6709(value), Place::new(latitude, longitude), "{value}");
        }
        for value in ["", "+48.5", "48.5 11.25", "+4.5+1/", "+91+000/", "+48,5+011,25/", "+\u{e9}+\u{e9}"] {
            assert_eq!(parse_iso6709(value), None, "{value}");
        }
    }
}
