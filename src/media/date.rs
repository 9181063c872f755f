//! Points in time as media files write them, and what they mean here.
//!
//! Most cameras write wall time and nothing more; it is read in the zone of this machine, as Ente's desktop does.

mod name;

pub(super) use name::from_file_name;

use crate::base::Timestamp;
use chrono::{
    DateTime, Datelike, FixedOffset, Local, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
};

/// The zone in which wall times without an offset are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zone {
    /// The machine's, with its history of summer times.
    Local,
    /// Seconds east of UTC.
    Fixed(i32),
}

impl Zone {
    /// A wall time that occurs twice is the first; one that a change of clocks skips is as far behind the change.
    fn at(self, wall: NaiveDateTime) -> Timestamp {
        let instant = match self {
            Self::Fixed(east) => wall.and_utc() - TimeDelta::seconds(i64::from(east)),
            Self::Local => local(wall)
                .or_else(|| Some(local(wall - TimeDelta::hours(3))? + TimeDelta::hours(3)))
                .unwrap_or(wall.and_utc()),
        };
        Timestamp(instant.timestamp_micros())
    }

    fn today(self, now: Timestamp) -> NaiveDate {
        let now = DateTime::from_timestamp_micros(now.0).unwrap_or_default();
        match self {
            Self::Fixed(east) => (now + TimeDelta::seconds(i64::from(east))).date_naive(),
            Self::Local => now.with_timezone(&Local).date_naive(),
        }
    }
}

fn local(wall: NaiveDateTime) -> Option<DateTime<chrono::Utc>> {
    match Local.from_local_datetime(&wall) {
        MappedLocalTime::Single(time) => Some(time.to_utc()),
        // Not always in this order.
        MappedLocalTime::Ambiguous(one, other) => Some(one.min(other).to_utc()),
        MappedLocalTime::None => None,
    }
}

/// A wall time of this machine's zone (year, month, day; hour, minute, second), as an instant.
pub fn local_time((year, month, day): (i32, u32, u32), (hour, minute, second): (u32, u32, u32)) -> Option<Timestamp> {
    let wall = NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(hour, minute, second)?;
    Some(Zone::Local.at(wall))
}

/// A date found in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    /// What a clock on the wall showed, and, where known, how far east of UTC that wall was.
    Wall(NaiveDateTime, Option<FixedOffset>),
    /// An instant; nothing says what a clock showed.
    Instant(Timestamp),
}

impl Moment {
    pub fn timestamp(self, zone: Zone) -> Timestamp {
        match self {
            Self::Wall(wall, Some(offset)) => Zone::Fixed(offset.local_minus_utc()).at(wall),
            Self::Wall(wall, None) => zone.at(wall),
            Self::Instant(at) => at,
        }
    }

    /// The metadata key `dateTime`.
    pub fn wall(self) -> Option<String> {
        match self {
            Self::Wall(wall, _) => Some(wall.format("%Y-%m-%dT%H:%M:%S%.f").to_string()),
            Self::Instant(_) => None,
        }
    }

    /// The metadata key `offsetTime`.
    pub fn offset(self) -> Option<String> {
        match self {
            Self::Wall(_, offset) => offset.map(|offset| offset.to_string()),
            Self::Instant(_) => None,
        }
    }

    /// Whether it is the same reading of a clock, to the second, and knows the offset that the other lacks.
    pub fn completes(self, other: Self) -> bool {
        match (self, other) {
            (Self::Wall(one, Some(_)), Self::Wall(two, None)) => one.and_utc().timestamp() == two.and_utc().timestamp(),
            _ => false,
        }
    }

    /// What devices write that know no date: the Unix epoch, and Outlook's "none", 4501-01-01.
    fn means_something(self) -> bool {
        let wall = match self {
            Self::Wall(wall, _) => wall,
            Self::Instant(at) => DateTime::from_timestamp_micros(at.0).unwrap_or_default().naive_utc(),
        };
        wall.and_utc().timestamp() != 0 && (wall.year(), wall.ordinal()) != (4501, 1)
    }
}

/// EXIF's `2024:01:02 03:04:05`, with the fraction (`SubSecTime`) and offset (`OffsetTime`) that stand in tags of their own.
pub(super) fn parse_exif(value: &str, fraction: Option<&str>, offset: Option<&str>) -> Option<Moment> {
    let runs = digit_runs(value);
    let [year, month, day, hour, minute, rest @ ..] = runs.as_slice() else { return None };
    if year.len() != 4 {
        return None;
    }
    let second = rest.first().copied().unwrap_or("0");
    let wall = date(year, month, day)?.and_time(time(hour, minute, second)?);
    let wall = wall + fraction.and_then(parse_fraction).unwrap_or_default();
    Some(Moment::Wall(wall, offset.and_then(parse_offset))).filter(|moment| moment.means_something())
}

/// ISO 8601 as QuickTime's `creationdate` has it: `2019-02-12T15:27:12+0800`, with `:` in the offset, or `Z`.
pub(super) fn parse_iso(value: &str) -> Option<Moment> {
    let (date, time) = value.split_once(['T', ' '])?;
    let zone = time.find(['+', '-', 'Z']).unwrap_or(time.len());
    let (clock, fraction) = time[..zone].split_once('.').map_or((&time[..zone], None), |(c, f)| (c, Some(f)));
    parse_exif(&format!("{date} {clock}"), fraction, Some(&time[zone..]))
}

/// A day, or the first one of a month or a year: `2003-08-31`, `2003-08`, `2003`. Its clock shows midnight.
pub(super) fn parse_day(value: &str) -> Option<Moment> {
    let (year, rest) = value.trim().split_at_checked(4)?;
    let (month, day) = match rest.strip_prefix('-') {
        Some(rest) => rest.split_once('-').unwrap_or((rest, "1")),
        None if rest.is_empty() => ("1", "1"),
        None => return None,
    };
    let midnight = date(year, month, day)?.and_time(NaiveTime::MIN);
    Some(Moment::Wall(midnight, None)).filter(|moment| moment.means_something())
}

/// Seconds since 1904 as movies count them. Some writers count from 1970 instead: what would lie before 1970
/// is taken as that, as ffmpeg does.
pub(super) fn from_movie_seconds(seconds: u64) -> Option<Moment> {
    const FROM_1904_TO_1970: u64 = 2_082_844_800;
    let unix = seconds.checked_sub(FROM_1904_TO_1970).unwrap_or(seconds);
    from_unix_seconds(i64::try_from(unix).ok()?)
}

pub(super) fn from_unix_seconds(seconds: i64) -> Option<Moment> {
    let at = DateTime::from_timestamp(seconds, 0)?.timestamp_micros();
    Some(Moment::Instant(Timestamp(at))).filter(|moment| moment.means_something())
}

fn digit_runs(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty()).collect()
}

fn date(year: &str, month: &str, day: &str) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

/// A leap second is the last second of its minute.
fn time(hour: &str, minute: &str, second: &str) -> Option<NaiveTime> {
    let second: u32 = second.parse().ok()?;
    NaiveTime::from_hms_opt(hour.parse().ok()?, minute.parse().ok()?, if second == 60 { 59 } else { second })
}

/// Digits behind a decimal point.
fn parse_fraction(digits: &str) -> Option<TimeDelta> {
    let digits = digits.trim();
    let digits = digits.get(..digits.len().min(6)).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let micros: i64 = format!("{digits:0<6}").parse().ok()?;
    Some(TimeDelta::microseconds(micros))
}

/// `+05:30`, `-0800`, `+1`, `Z`; none beyond the fourteen hours that exist.
fn parse_offset(text: &str) -> Option<FixedOffset> {
    let text = text.trim();
    if text == "Z" {
        return FixedOffset::east_opt(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(digits.len().min(2));
    let minutes = if minutes.is_empty() { 0 } else { minutes.parse::<i32>().ok()? };
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes * 60;
    (minutes < 60 && seconds <= 14 * 3600).then(|| FixedOffset::east_opt(sign * seconds)).flatten()
}

#[cfg(test)]
mod tests;
