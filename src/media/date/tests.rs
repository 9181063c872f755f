use super::*;

pub const BERLIN_SUMMER: Zone = Zone::Fixed(2 * 3600);

pub fn at(text: &str) -> Timestamp {
    Timestamp(DateTime::parse_from_rfc3339(text).expect("a test's own date").timestamp_micros())
}

#[test]
fn wall_time_without_an_offset_is_read_in_the_zone() {
    let moment = parse_exif("2024:01:02 03:04:05", None, None).expect("a date");
    assert_eq!(moment.timestamp(BERLIN_SUMMER), at("2024-01-02T03:04:05+02:00"));
    assert_eq!(moment.timestamp(Zone::Fixed(-8 * 3600)), at("2024-01-02T03:04:05-08:00"));
    assert_eq!((moment.wall().as_deref(), moment.offset()), (Some("2024-01-02T03:04:05"), None));
}

#[test]
fn an_offset_beside_the_date_decides() {
    for (text, expected, seconds) in
        [("+05:30", "+05:30", 19_800), ("-0800", "-08:00", -28_800), ("Z", "+00:00", 0), ("+2", "+02:00", 7200)]
    {
        let moment = parse_exif("2024:01:02 03:04:05", Some("25"), Some(text)).expect("a date");
        let utc = at("2024-01-02T03:04:05.25Z").0 - i64::from(seconds) * 1_000_000;
        assert_eq!(moment.timestamp(BERLIN_SUMMER), Timestamp(utc), "{text}");
        assert_eq!(moment.wall().as_deref(), Some("2024-01-02T03:04:05.250"));
        assert_eq!(moment.offset().as_deref(), Some(expected));
    }
    for text in ["", " ", "CET", "+", "+25:00", "+05:99", "+123456", "   :  ", "+\u{e9}"] {
        let moment = parse_exif("2024:01:02 03:04:05", None, Some(text)).expect("a date");
        assert_eq!(moment.offset(), None, "{text}");
    }
}

#[test]
fn other_spellings_of_a_date_are_read_and_nonsense_is_not() {
    for text in ["2024:01:02 03:04:05", "2024-01-02 03:04:05", "2024/01/02T03:04:05.7+01:00", " 2024:1:2 3:4:5 "] {
        let moment = parse_exif(text, None, None).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(moment.wall().as_deref(), Some("2024-01-02T03:04:05"), "{text}");
    }
    assert_eq!(
        parse_exif("2016:12:31 23:59:60", None, None).and_then(Moment::wall).as_deref(),
        Some("2016-12-31T23:59:59")
    );
    for text in [
        "",
        "    :  :     :  :  ",
        "0000:00:00 00:00:00",
        "2024:13:02 03:04:05",
        "2024:01:02",
        "02:01:2024 03:04:05",
        "2024:02:30 03:04:05",
    ] {
        assert_eq!(parse_exif(text, None, None), None, "{text}");
    }
}

#[test]
fn the_epoch_and_the_end_of_outlook_are_no_dates() {
    assert_eq!(parse_exif("1970:01:01 00:00:00", None, None), None);
    assert_eq!(parse_exif("4501:01:01 00:00:00", None, None), None);
    assert_eq!(from_movie_seconds(0), None);
    assert_eq!(from_movie_seconds(2_082_844_800), None);
    assert!(parse_exif("1969:12:31 23:59:59", None, None).is_some(), "scans of old prints keep their dates");
}

#[test]
fn movie_dates_count_from_1904_or_from_1970() {
    let expected = Some(Moment::Instant(at("2019-02-12T07:27:12Z")));
    assert_eq!(from_movie_seconds(3_632_801_232), expected);
    assert_eq!(from_movie_seconds(1_549_956_432), expected);
    assert_eq!(from_movie_seconds(u64::MAX), None);
    assert_eq!(expected.and_then(Moment::wall), None, "an instant shows no wall clock");
}

#[test]
fn quicktime_dates_keep_their_offset() {
    for text in ["2019-02-12T15:27:12+08:00", "2019-02-12T15:27:12+0800", "2019-02-12T15:27:12.000+0800"] {
        let moment = parse_iso(text).expect("a date");
        assert_eq!(moment.timestamp(BERLIN_SUMMER), at("2019-02-12T07:27:12Z"), "{text}");
        assert_eq!(moment.wall().as_deref(), Some("2019-02-12T15:27:12"));
        assert_eq!(moment.offset().as_deref(), Some("+08:00"));
    }
    assert_eq!(parse_iso("2019-02-12T07:27:12Z").map(|m| m.timestamp(BERLIN_SUMMER)), Some(at("2019-02-12T07:27:12Z")));
    assert_eq!(parse_iso("2019-02-12"), None);
}
