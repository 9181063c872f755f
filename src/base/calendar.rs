//! Dates and times for people: the one place that knows the calendar and the zone.

use super::Timestamp;
use chrono::{DateTime, Local, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Utc};

/// `2024-12-31`: its first moment in the machine's zone.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let midnight = Local.from_local_datetime(&date.and_time(NaiveTime::MIN)).earliest()?;
    Some(Timestamp(midnight.timestamp_micros()))
}

/// RFC 3339 in UTC, to the second.
pub fn rfc3339(time: Timestamp) -> String {
    utc(time).map_or_else(|| "unknown".into(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Local date and time, as a person reads it.
pub fn local(time: Timestamp) -> String {
    utc(time)
        .map_or_else(|| "unknown".into(), |time| time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string())
}

fn utc(time: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(time.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_rfc3339_and_survive_nonsense() {
        assert_eq!(rfc3339(Timestamp(1_700_000_000_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339(Timestamp(i64::MAX)), "unknown");
        assert!(parse_date("2024-12-31").is_some() && parse_date("2024-13-31").is_none());
    }
}
