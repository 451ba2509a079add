//! Instants as people and auditors read them.

use alloc::vec::Vec;

/// Appends nanoseconds since 1970 as RFC 3339 in UTC with nine digits of a second.
pub fn write_rfc3339(unix_nano: u64, out: &mut Vec<u8>) {
    let seconds = unix_nano / NANOS;
    let (year, month, day) = civil(seconds / DAY);
    let second = seconds % DAY;
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    for (digits, number) in [
        (0..4, year),
        (5..7, month),
        (8..10, day),
        (11..13, second / 3600),
        (14..16, second / 60 % 60),
        (17..19, second % 60),
        (20..29, unix_nano % NANOS),
    ] {
        decimal(number, text.get_mut(digits).unwrap_or_default());
    }
    out.extend_from_slice(&text);
}

/// Year, month and day of a day since 1970-01-01, by counting 400-year cycles that begin in March.
#[expect(clippy::arithmetic_side_effects, reason = "days of 64-bit nanoseconds stay below 2^18")]
pub const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let cycle = days / 146_097;
    let of_cycle = days % 146_097;
    let year = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153; // month counted from March
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (cycle * 400 + year + (month <= 2) as u64, month, day)
}

// The last digits, as many as there is room for.
fn decimal(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.saturating_add(u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
    }
}

/// Nanoseconds of a second.
const NANOS: u64 = 1_000_000_000;

/// Seconds of a day; UTC as computers count it has no leap seconds.
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn instants_around_the_edges_of_the_calendar() {
        for (unix_nano, expected) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_399_999_999_999, "2000-02-28T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (951_868_800_000_000_001, "2000-03-01T00:00:00.000000001Z"),
            (1_779_703_200_000_000_000, "2026-05-25T10:00:00.000000000Z"),
            (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            let mut text = Vec::new();
            write_rfc3339(unix_nano, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}
