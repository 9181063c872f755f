//! The years and months of `Timeline/`, in UTC: two machines in two zones show the same tree.

use crate::base::{Timestamp, calendar};

/// A year, or a month of one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Period {
    Year(u16),
    Month(u16, u8),
}

impl Period {
    /// The month of a moment; `None` for what no calendar of four digits has.
    pub fn month_of(time: Timestamp) -> Option<Self> {
        let (year, month) = calendar::month_of(time)?;
        let year = u16::try_from(year).ok().filter(|year| (1..=9999).contains(year))?;
        Some(Self::Month(year, month))
    }

    pub fn year(self) -> Self {
        match self {
            Self::Year(year) | Self::Month(year, _) => Self::Year(year),
        }
    }

    /// Its first moment.
    pub fn begin(self) -> Option<Timestamp> {
        match self {
            Self::Year(year) => calendar::start_of_month(i32::from(year), 1),
            Self::Month(year, month) => calendar::start_of_month(i32::from(year), month),
        }
    }

    /// The first moment after it.
    pub fn end(self) -> Option<Timestamp> {
        match self {
            Self::Month(year, month @ ..12) => Self::Month(year, month + 1).begin(),
            Self::Year(year) | Self::Month(year, _) => Self::Year(year.checked_add(1)?).begin(),
        }
    }

    /// `2024`, `2024-05`.
    pub fn name(self) -> String {
        match self {
            Self::Year(year) => format!("{year:04}"),
            Self::Month(year, month) => format!("{year:04}-{month:02}"),
        }
    }

    /// One number for each.
    pub fn number(self) -> u64 {
        match self {
            Self::Year(year) => u64::from(year),
            Self::Month(year, month) => u64::from(month) << 16 | u64::from(year),
        }
    }

    pub fn from_number(number: u64) -> Option<Self> {
        let (month, year) = (number >> 16, (number & 0xffff) as u16);
        match month {
            0 => Some(Self::Year(year)),
            month @ 1..=12 => Some(Self::Month(year, month as u8)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_and_end_where_the_next_one_begins() {
        let at = Timestamp(1_704_067_199_999_999);
        assert_eq!(Period::month_of(at), Some(Period::Month(2023, 12)));
        assert_eq!(
            Period::month_of(at.saturating_add(std::time::Duration::from_micros(1))),
            Some(Period::Month(2024, 1))
        );
        let december = Period::Month(2023, 12);
        assert_eq!((december.end(), december.name()), (Period::Month(2024, 1).begin(), "2023-12".into()));
        assert_eq!((december.year(), december.year().end()), (Period::Year(2023), Period::Year(2024).begin()));
        assert!(december.begin() < december.end() && Period::Month(2024, 2).end() == Period::Month(2024, 3).begin());
        assert_eq!(Period::month_of(Timestamp(-1)), Some(Period::Month(1969, 12)));
        assert_eq!(Period::month_of(Timestamp(i64::MAX)), None, "no year of four digits");
    }

    #[test]
    fn every_period_has_a_number_of_its_own() {
        for period in [Period::Year(1), Period::Year(2024), Period::Month(2024, 1), Period::Month(9999, 12)] {
            assert_eq!(Period::from_number(period.number()), Some(period));
        }
        assert_eq!(Period::from_number(13 << 16 | 2024), None);
    }
}
