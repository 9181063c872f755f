//! A span of every day, by the wall clock of the machine: `22:00-06:00`.

use super::Timestamp;
use super::calendar::minute_of_day;
use std::fmt;
use std::time::Duration;

const DAY: u16 = 24 * 60;

/// From one minute of the day to another, the latter left out; over midnight where it ends before it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DailySpan {
    from: u16,
    to: u16,
}

impl DailySpan {
    /// # Errors
    /// A sentence that names the text and the form it should have.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a span of the day; write it like 22:00-06:00");
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (parse_minute(from).ok_or_else(wrong)?, parse_minute(to).ok_or_else(wrong)?);
        if from == to || from == DAY {
            return Err(format!("'{text}' begins where it ends; leave the option out to send all day"));
        }
        Ok(Self { from, to: to % DAY })
    }

    pub fn contains(self, now: Timestamp) -> bool {
        self.contains_minute(minute_of_day(now))
    }

    fn contains_minute(self, minute: u16) -> bool {
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        }
    }

    /// When it begins next, to the minute; a change of the zone's offset in between is not foreseen.
    pub fn next_begin(self, now: Timestamp) -> Timestamp {
        let minutes = (self.from + DAY - minute_of_day(now)) % DAY;
        let rest = Duration::from_secs(u64::from(if minutes == 0 { DAY } else { minutes }) * 60);
        let into_minute = Duration::from_micros(now.0.rem_euclid(60_000_000).unsigned_abs());
        now.saturating_add(rest).saturating_sub(into_minute)
    }
}

impl fmt::Display for DailySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, self.to / 60, self.to % 60)
    }
}

/// `00:00` to `24:00`.
fn parse_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    if hour.len() != 2 || minute.len() != 2 || !hour.bytes().chain(minute.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_may_pass_midnight() {
        let night = DailySpan::parse("22:00-06:00").unwrap();
        for (minute, inside) in [(0, true), (359, true), (360, false), (1319, false), (1320, true), (1439, true)] {
            assert_eq!(night.contains_minute(minute), inside, "{minute}");
        }
        let day = DailySpan::parse("09:30-17:00").unwrap();
        for (minute, inside) in [(569, false), (570, true), (1019, true), (1020, false)] {
            assert_eq!(day.contains_minute(minute), inside, "{minute}");
        }
        let evening = DailySpan::parse("18:00-24:00").unwrap();
        assert!(evening.contains_minute(1439) && !evening.contains_minute(0));
        assert_eq!(evening.to_string(), "18:00-00:00");
    }

    #[test]
    fn it_begins_next_within_a_day_and_is_then_open() {
        let now = Timestamp(1_800_000_012_345_678);
        for text in ["22:00-06:00", "09:30-17:00", "00:00-00:01", "13:37-13:38"] {
            let span = DailySpan::parse(text).unwrap();
            let begin = span.next_begin(now);
            assert!(begin > now && begin.since(now) <= Duration::from_secs(24 * 3600), "{text}");
            // Where the zone's offset does not change just then.
            assert!(span.contains(begin) && !span.contains(begin.saturating_sub(Duration::from_secs(1))), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in
            ["", "22:00", "22-06", "24:01-06:00", "22:60-06:00", "2:00-06:00", "06:00-06:00", "a:b-c:d", "-1:00-06:00"]
        {
            assert!(DailySpan::parse(text).is_err(), "{text}");
        }
    }
}
