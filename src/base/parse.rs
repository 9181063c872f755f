//! Durations and sizes as the command line and the config file write them (command-line contract, 1).

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];

/// `500ms` `2s` `10m` `1h` `7d`.
///
/// # Errors
/// A sentence that names the text and the form it should have.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a duration; write it like 500ms, 2s, 10m, 1h or 7d");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = DURATION_UNITS.iter().find(|(word, _)| *word == unit).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(*factor).map(Duration::from_millis).ok_or_else(wrong)
}

/// Bytes, or `K` `M` `G` `T` in powers of 1024.
///
/// # Errors
/// A sentence that names the text and the form it should have.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a size; write bytes, or a number with K, M, G or T");
    let (number, shift) = match SIZE_UNITS.iter().find(|(unit, _)| text.ends_with(*unit)) {
        Some((_, shift)) => (&text[..text.len() - 1], *shift),
        None => (text, 0),
    };
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// The inverse of [`parse_duration`], in the largest unit that divides it.
pub fn format_duration(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let unit = DURATION_UNITS.iter().rev().find(|(_, factor)| millis % factor == 0 && millis >= *factor);
    let (word, factor) = unit.unwrap_or(&DURATION_UNITS[0]);
    format!("{}{word}", millis / factor)
}

/// Bytes for people: `812 B`, `1.5 KiB`, `10.0 GiB`.
pub fn format_bytes(bytes: u64) -> String {
    let Some((unit, shift)) = SIZE_UNITS.iter().rev().find(|(_, shift)| bytes >> shift > 0) else {
        return format!("{bytes} B");
    };
    format!("{:.1} {unit}iB", bytes as f64 / (1_u64 << shift) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_the_contract_writes_them() {
        for (text, millis) in
            [("500ms", 500), ("2s", 2000), ("10m", 600_000), ("1h", 3_600_000), ("7d", 604_800_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "5S", "5.5s", "99999999999999999999d", "ms5", "５s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_print_in_their_largest_whole_unit() {
        for text in ["500ms", "2s", "10m", "1h", "7d", "90s", "0ms"] {
            assert_eq!(parse_duration(text).map(format_duration).as_deref(), Ok(text));
        }
    }

    #[test]
    fn sizes_read_in_powers_of_1024() {
        for (text, bytes) in [("0", 0), ("12", 12), ("1K", 1024), ("10G", 10 << 30), ("2T", 2 << 40)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "K", "1k", "1KB", "-1", "1.5G", "+1", "99999999999T"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_print_for_people() {
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (10 << 30, "10.0 GiB")] {
            assert_eq!(format_bytes(bytes), text);
        }
    }
}
