//! Instants and lengths of time as Loki's parameters spell them.
//!
//! A whole number of at most ten digits is seconds, a longer one nanoseconds; with a point it is
//! seconds; everything else is RFC 3339. A length is a number of seconds or a duration.

use lucarne_logql::duration;

const SECOND: i64 = 1_000_000_000;
/// A whole number with more digits than this is nanoseconds.
const SECONDS_DIGITS_MAX: usize = 10;

/// An instant in nanoseconds since 1970.
pub(super) fn instant(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        let is_seconds = text.len() <= SECONDS_DIGITS_MAX;
        return if is_seconds { number.checked_mul(SECOND) } else { Some(number) };
    }
    seconds(text).or_else(|| rfc3339(text))
}

/// A length of time in nanoseconds: `60`, `0.5`, `1h30m`, `7d`.
pub(super) fn length(text: &str) -> Option<i64> {
    seconds(text).or_else(|| duration::parse_prometheus(text)).or_else(|| duration::parse_go(text))
}

/// Seconds with an optional fraction, exactly: a float would lose nanoseconds of our days.
fn seconds(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = whole.parse::<i64>().ok()?.checked_mul(SECOND)?;
    whole.checked_add(fraction_ns(fraction)?)?.checked_mul(sign)
}

/// The digits behind a point as nanoseconds; further ones are cut off.
fn fraction_ns(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
    padded.parse().ok()
}

/// `2026-01-02T03:04:05.678Z`, also with an offset.
fn rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)?.parse().ok()
    };
    let marks = [(4, "-"), (7, "-"), (13, ":"), (16, ":")];
    if !marks.iter().all(|&(at, mark)| text.get(at..at + 1) == Some(mark))
        || !matches!(text.get(10..11), Some("T" | "t"))
    {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let fits = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let rest = text.get(19..).filter(|_| fits)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
        None => ("", rest),
    };
    let of_day = (hour * 60 + minute) * 60 + second - offset_seconds(zone)?;
    let seconds = days_since_1970(year, month, day) * 86_400 + of_day;
    seconds.checked_mul(SECOND)?.checked_add(fraction_ns(fraction)?)
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let part = |text: &str, below: i64| -> Option<i64> {
        let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then_some(text)?.parse().ok().filter(|&value| value < below)
    };
    let seconds = (part(hours, 24)? * 60 + part(minutes, 60)?) * 60;
    match zone.get(..1)? {
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days of the Gregorian calendar, with years that begin in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_as_loki_reads_them() {
        for (text, expected) in [
            ("4000000000", Some(4_000_000_000 * SECOND)),
            ("12345678901", Some(12_345_678_901)),
            ("1700000000000000001", Some(1_700_000_000_000_000_001)),
            ("1700000000.123456789", Some(1_700_000_000_123_456_789)),
            ("-1", Some(-SECOND)),
            ("-1.5", Some(-1_500_000_000)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00.5+02:00", Some(951_818_400_500_000_000)),
            ("2026-11-21T10:00:00-01:30", Some(1_795_260_600_000_000_000)),
            ("2026-02-29T10:00:00Z", None),
            ("2026-11-21 10:00:00Z", None),
            ("2026-11-21T10:00:00", None),
            ("2026-11-21T24:00:00Z", None),
            ("99999999999999999999", None),
            ("1.2.3", None),
            ("", None),
            ("now", None),
        ] {
            assert_eq!(instant(text), expected, "{text}");
        }
    }

    #[test]
    fn lengths_are_seconds_or_durations() {
        for (text, expected) in [
            ("60", Some(60 * SECOND)),
            ("0.5", Some(SECOND / 2)),
            ("1h30m", Some(5400 * SECOND)),
            ("7d", Some(7 * 86_400 * SECOND)),
            ("-60", Some(-60 * SECOND)),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(length(text), expected, "{text}");
        }
    }
}
