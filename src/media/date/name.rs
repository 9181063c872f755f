//! Dates in file names (protocol notes, data 3.10): what apps and cameras call their files.

use super::{Zone, date, digit_runs, time};
use crate::base::Timestamp;
use crate::media::source::text;
use chrono::{Datelike, NaiveDate, NaiveTime};

/// The date in a file's name, if it lies between 1990 and now.
pub(in crate::media) fn from_file_name(name: &[u8], zone: Zone, now: Timestamp) -> Option<Timestamp> {
    let name = text(name)?;
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).trim();
    let (date, time) = by_app(stem).or_else(|| by_digits(stem))?;
    if !(1990..=zone.today(now).year() + 1).contains(&date.year()) {
        return None;
    }
    Some(zone.at(date.and_time(time.unwrap_or_default()))).filter(|at| *at <= now)
}

type DateAndTime = (NaiveDate, Option<NaiveTime>);

/// The patterns of particular apps.
fn by_app(stem: &str) -> Option<DateAndTime> {
    if stem.starts_with("IMG-") || stem.starts_with("VID-") {
        return Some((compact_date(stem.split('-').nth(1)?)?, None));
    }
    if let Some(rest) = stem.strip_prefix("Screenshot_") {
        let time = rest.get(9..15).filter(|_| !rest.as_bytes()[8].is_ascii_digit());
        return Some((compact_date(rest.get(..8)?)?, time.and_then(compact_time)));
    }
    if let Some(rest) = stem.strip_prefix("signal-") {
        let fields: Vec<&str> = rest.split('-').collect();
        let [year, month, day, clock @ ..] = fields.as_slice() else { return None };
        return Some((date(year, month, day)?, signal_time(clock)));
    }
    let parts: Vec<&str> = stem.strip_suffix("_iOS")?.split('_').collect();
    match parts.as_slice() {
        [day, clock] => Some((compact_date(day)?, clock.get(..6).and_then(compact_time))),
        _ => None,
    }
}

/// `h-m-s` or `hhmmss`.
fn signal_time(fields: &[&str]) -> Option<NaiveTime> {
    match fields {
        [compact, ..] if compact.len() >= 6 => compact_time(compact.get(..6)?),
        [hour, minute, second, ..] => time(hour, minute, second.get(..2).unwrap_or(second)),
        _ => None,
    }
}

/// Any name: eight digits and six (as one run, too), or runs for year, month, day and perhaps the time.
fn by_digits(stem: &str) -> Option<DateAndTime> {
    let runs = digit_runs(stem);
    let pair = runs.iter().zip(runs.iter().skip(1)).find(|(day, clock)| day.len() == 8 && matches!(clock.len(), 6 | 9));
    if let Some((day, clock)) = pair {
        return Some((compact_date(day)?, compact_time(&clock[..6])));
    }
    match runs.as_slice() {
        [both, ..] if both.len() == 14 => Some((compact_date(&both[..8])?, compact_time(&both[8..]))),
        [year, month, day, hour, minute, second, ..] => Some((date(year, month, day)?, time(hour, minute, second))),
        [year, month, day, ..] => Some((date(year, month, day)?, None)),
        _ => None,
    }
}

fn compact_date(digits: &str) -> Option<NaiveDate> {
    let digits = digits.get(..8).filter(|_| digits.len() == 8)?;
    date(digits.get(..4)?, digits.get(4..6)?, digits.get(6..)?)
}

fn compact_time(digits: &str) -> Option<NaiveTime> {
    time(digits.get(..2)?, digits.get(2..4)?, digits.get(4..6)?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BERLIN_SUMMER, at};
    use super::*;

    /// 2026-06-15T12:00:00Z.
    const NOW: Timestamp = Timestamp(1_781_524_800_000_000);

    fn named(name: &str) -> Option<Timestamp> {
        from_file_name(name.as_bytes(), BERLIN_SUMMER, NOW)
    }

    #[test]
    fn names_of_apps_hold_dates() {
        for (name, expected) in [
            ("IMG-20230615-WA0007.jpg", "2023-06-15T00:00:00+02:00"),
            ("VID-20230615-WA0007.mp4", "2023-06-15T00:00:00+02:00"),
            ("Screenshot_20230615-142355.png", "2023-06-15T14:23:55+02:00"),
            ("Screenshot_20230615_142355_Maps.jpg", "2023-06-15T14:23:55+02:00"),
            ("Screenshot_20230615-256199.png", "2023-06-15T00:00:00+02:00"),
            ("Screenshot_2023-06-15-14-23-55.png", "2023-06-15T14:23:55+02:00"),
            ("signal-2023-06-15-14-23-55-123.jpg", "2023-06-15T14:23:55+02:00"),
            ("signal-2023-06-15-142355.jpeg", "2023-06-15T14:23:55+02:00"),
            ("signal-2023-06-15-14-23-55 (1).jpg", "2023-06-15T14:23:55+02:00"),
            ("20230615_142355123_iOS.heic", "2023-06-15T14:23:55+02:00"),
        ] {
            assert_eq!(named(name), Some(at(expected)), "{name}");
        }
    }

    #[test]
    fn digits_of_any_name_hold_dates() {
        for (name, expected) in [
            ("IMG_20230615_142355.jpg", "2023-06-15T14:23:55+02:00"),
            ("  IMG_20230615_142355.jpg ", "2023-06-15T14:23:55+02:00"),
            ("PXL_20230615_142355123.MP.jpg", "2023-06-15T14:23:55+02:00"),
            ("20230615142355.mov", "2023-06-15T14:23:55+02:00"),
            ("MVIMG_20230615_142355.jpg", "2023-06-15T14:23:55+02:00"),
            ("WhatsApp Image 2023-06-15 at 14.23.55.jpeg", "2023-06-15T14:23:55+02:00"),
            ("Screenshot from 2023-06-15 14-23-55.png", "2023-06-15T14:23:55+02:00"),
            ("2023-06-15 99-23-55.png", "2023-06-15T00:00:00+02:00"),
            ("2023-06-15.png", "2023-06-15T00:00:00+02:00"),
            ("2023-6-5 trip.png", "2023-06-05T00:00:00+02:00"),
        ] {
            assert_eq!(named(name), Some(at(expected)), "{name}");
        }
    }

    #[test]
    fn names_without_a_sane_date_give_none() {
        for name in [
            "",
            "DSC01234.JPG",
            "IMG_0001.JPG",
            "1234-05-06.jpg",
            "1989-12-31.jpg",
            "2026-06-16.jpg",
            "2031-01-01.jpg",
            "2023-13-15.jpg",
            "20231315_142355.jpg",
            "clip.mp4",
            "12345678_123456.jpg",
            "P1000123.JPG",
            "\u{661}\u{662}.jpg",
            "Screenshot_\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}.png",
            "signal-.jpg",
            "IMG-.jpg",
            "_iOS.jpg",
            "a_b_iOS.jpg",
        ] {
            assert_eq!(named(name), None, "{name}");
        }
        assert_eq!(named("2026-06-15 13.59.59.jpg"), Some(at("2026-06-15T13:59:59+02:00")));
        assert_eq!(named("2026-06-15 14.00.01.jpg"), None, "one second ahead of now");
        assert_eq!(
            from_file_name(b"\xff\xfe2023-06-15.jpg", BERLIN_SUMMER, NOW),
            Some(at("2023-06-15T00:00:00+02:00"))
        );
    }
}
