//! IPTC IIM in a JPEG (IIM 4.2; Adobe's image resources): date and caption as newspapers write them.
//!
//! ```text
//! APP13  Photoshop 3.0\0, then resources   resource  4  8BIM            data set  1  1c
//!                                                    2  number (0404)             1  record (2)
//!                                                    …  name, even                1  55 date, 60 time, 120 caption
//!                                                    4  length                    2  length
//!                                                    …  data, even                …  value
//!
//! When it was digitised: 62 date, 63 time.
//! ```

use super::date::parse_iso;
use super::findings::{DateRank, Findings, Standard};
use super::source::text;

pub(super) const JPEG_PREFIX: &[u8; 14] = b"Photoshop 3.0\0";

/// Reads the resources behind [`JPEG_PREFIX`].
pub(super) fn read_resources(mut resources: &[u8], findings: &mut Findings) {
    while let Some((number, data, rest)) = resource(resources) {
        if number == 0x0404 {
            read_data_sets(data, findings);
        }
        resources = rest;
    }
}

fn resource(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"8BIM")?;
    let (number, rest) = rest.split_first_chunk::<2>()?;
    // A name with its length before it, both together padded to an even number.
    let name = usize::from(*rest.first()?) + 1;
    let (len, rest) = rest.get(name + name % 2..)?.split_first_chunk::<4>()?;
    let len = u32::from_be_bytes(*len) as usize;
    let (data, rest) = rest.split_at_checked(len)?;
    Some((u16::from_be_bytes(*number), data, rest.get(len % 2..).unwrap_or_default()))
}

/// A date counts with its time only: without, it would displace one of EXIF that has both.
fn read_data_sets(mut data: &[u8], findings: &mut Findings) {
    let (mut created, mut digitized) = ((None, None), (None, None));
    while let [0x1c, record, kind, high, low, rest @ ..] = data {
        let Some((value, rest)) = rest.split_at_checked(u16::from_be_bytes([*high, *low]).into()) else { break };
        match (record, kind) {
            (2, 55) => created.0 = text(value),
            (2, 60) => created.1 = text(value),
            (2, 62) => digitized.0 = text(value),
            (2, 63) => digitized.1 = text(value),
            (2, 120) => findings.add_caption(Standard::Iptc, text(value)),
            _ => {}
        }
        data = rest;
    }
    for (rank, (date, time)) in [(DateRank::IptcCreated, created), (DateRank::IptcDigitized, digitized)] {
        let moment = date.zip(time).and_then(|(date, time)| parse_iso(&spelled(&date, &time)?));
        findings.add_date(rank, moment);
    }
}

/// `20080315` and `095201-0400` as ISO 8601 has them.
fn spelled(date: &str, time: &str) -> Option<String> {
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..8)?);
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..6)?);
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}{}", time.get(6..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_set(kind: u8, value: &[u8]) -> Vec<u8> {
        [&[0x1c, 2, kind], &(value.len() as u16).to_be_bytes()[..], value].concat()
    }

    fn resource_of(number: u16, name: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = [&b"8BIM"[..], &number.to_be_bytes(), &[name.len() as u8], name].concat();
        bytes.resize(bytes.len() + (name.len() + 1) % 2, 0);
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len() + data.len() % 2, 0);
        bytes
    }

    fn read(resources: &[u8]) -> Findings {
        let mut findings = Findings::default();
        read_resources(resources, &mut findings);
        findings
    }

    #[test]
    fn date_and_caption_are_found_behind_other_resources() {
        let charset = b"\x1c\x01\x5a\0\x03\x1b%G".to_vec();
        let sets = [
            charset,
            data_set(0, b"\0\x02"),
            data_set(55, b"20080315"),
            data_set(60, b"095201-0400"),
            data_set(62, b"20200102"),
            data_set(63, b"030405+0100"),
            data_set(120, b"A walk"),
        ];
        let resources = [resource_of(0x03ed, b"odd", &[1; 15]), resource_of(0x0404, b"", &sets.concat())].concat();
        let found = read(&resources);
        assert_eq!(found.caption().as_deref(), Some("A walk"));
        let (rank, date) = found.dates[0];
        assert_eq!((rank, date.wall().as_deref()), (DateRank::IptcCreated, Some("2008-03-15T09:52:01")));
        assert_eq!(date.offset().as_deref(), Some("-04:00"));
        let (rank, date) = found.dates[1];
        assert_eq!((rank, date.wall().as_deref()), (DateRank::IptcDigitized, Some("2020-01-02T03:04:05")));
        for len in 0..resources.len() {
            read(&resources[..len]);
        }
    }

    #[test]
    fn a_date_without_its_time_is_none() {
        assert!(read(&resource_of(0x0404, b"", &data_set(55, b"20080315"))).dates.is_empty());
        let nonsense = [data_set(55, b"2008"), data_set(60, b"\xc3\xa9\xc3\xa9\xc3\xa9")].concat();
        assert!(read(&resource_of(0x0404, b"", &nonsense)).dates.is_empty());
    }
}
