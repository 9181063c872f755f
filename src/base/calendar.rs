//! Dates and times for people: the one place that knows the calendar and the zone.

use super::Timestamp;
use chrono::{DateTime, Datelike, FixedOffset, Local, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Timelike, Utc};

/// `2024-12-31`: its first moment in the machine's zone.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let midnight = Local.from_local_datetime(&date.and_time(NaiveTime::MIN)).earliest()?;
    Some(Timestamp(midnight.timestamp_micros()))
}

/// A moment in the past: so long ago (`2h`), a date, or RFC 3339.
///
/// # Errors
/// A sentence that names the text and the forms it may have.
pub fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ago = super::parse_duration(text).ok().map(|time| now.saturating_sub(time));
    let exact = || DateTime::parse_from_rfc3339(text).ok().map(|time| Timestamp(time.timestamp_micros()));
    let wrong = || format!("'{text}' is no time; write it like 2h, 2024-12-31 or 2024-12-31T18:30:00+01:00");
    ago.or_else(|| parse_date(text)).or_else(exact).ok_or_else(wrong)
}

/// RFC 3339 in UTC, to the second.
pub fn rfc3339(time: Timestamp) -> String {
    utc(time).map_or_else(|| "unknown".into(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// RFC 3339 to the second, in a zone given as `+05:30`; one that is none is UTC.
pub fn rfc3339_at(time: Timestamp, offset: &str) -> String {
    let zone = offset.parse::<FixedOffset>().ok();
    match (utc(time), zone) {
        (Some(time), Some(zone)) => time.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true),
        _ => rfc3339(time),
    }
}

/// Local date and time, as a person reads it.
pub fn local(time: Timestamp) -> String {
    utc(time)
        .map_or_else(|| "unknown".into(), |time| time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string())
}

/// Year and month, in UTC.
pub fn month_of(time: Timestamp) -> Option<(i32, u8)> {
    utc(time).map(|time| (time.year(), time.month() as u8))
}

/// The first moment of a month, in UTC.
pub fn start_of_month(year: i32, month: u8) -> Option<Timestamp> {
    let first = NaiveDate::from_ymd_opt(year, u32::from(month), 1)?;
    Some(Timestamp(first.and_time(NaiveTime::MIN).and_utc().timestamp_micros()))
}

/// Minutes since the day began, in the machine's zone.
pub fn minute_of_day(time: Timestamp) -> u16 {
    utc(time).map_or(0, |time| (time.with_timezone(&Local).num_seconds_from_midnight() / 60) as u16)
}

fn utc(time: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(time.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_ago_a_date_or_exact() {
        let now = Timestamp(1_700_000_000_000_000);
        assert_eq!(parse_moment("2h", now), Ok(Timestamp(now.0 - 7_200_000_000)));
        assert_eq!(parse_moment("2023-11-14T23:13:20+01:00", now), Ok(now));
        assert_eq!(parse_moment("2023-11-14", now).ok(), parse_date("2023-11-14"));
        assert!(parse_moment("yesterday", now).unwrap_err().contains("'yesterday'"));
    }

    #[test]
    fn times_print_as_rfc3339_and_survive_nonsense() {
        assert_eq!(rfc3339(Timestamp(1_700_000_000_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339(Timestamp(i64::MAX)), "unknown");
        assert!(parse_date("2024-12-31").is_some() && parse_date("2024-13-31").is_none());
    }
}
