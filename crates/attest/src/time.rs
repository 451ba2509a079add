//! Times as evidence states them, and the calendar that certificates write them in.

use core::fmt;
use core::str::FromStr;

/// A point in time: milliseconds since 1970-01-01 UTC, without leap seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Time(u64);

impl Time {
    /// The time so many milliseconds after 1970.
    pub const fn from_unix_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970.
    pub const fn unix_ms(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn unix_seconds(self) -> u64 {
        self.0 / MS_PER_SECOND
    }

    /// Milliseconds from `earlier` to this time, 0 if it is not earlier.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// A date of the Gregorian calendar, or nothing when there is no such day or it is before 1970.
    pub(crate) fn from_civil(date: [u64; 3], clock: [u64; 3]) -> Option<Self> {
        let ([year, month, day], [hour, minute, second]) = (date, clock);
        let good = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !good {
            return None;
        }
        let seconds = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
        Some(Self(seconds * MS_PER_SECOND))
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC, to the millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ms) = (self.0 / MS_PER_SECOND, self.0 % MS_PER_SECOND);
        let (days, clock) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// A text that is not a time as this type writes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a time in UTC like 2026-11-21T08:00:00Z")
    }
}

impl core::error::Error for NotATime {}

impl FromStr for Time {
    type Err = NotATime;

    /// RFC 3339 in UTC, `2026-11-21T08:00:00Z`, with or without milliseconds.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        let (whole, ms) = match text.strip_suffix('Z').ok_or(NotATime)?.split_once('.') {
            Some((whole, ms)) if ms.len() == 3 => (whole, digits(ms)?),
            Some(_) => return Err(NotATime),
            None => (text.strip_suffix('Z').ok_or(NotATime)?, 0),
        };
        let (date, clock) = whole.split_once('T').ok_or(NotATime)?;
        let date = three(date, '-', [4, 2, 2])?;
        let clock = three(clock, ':', [2, 2, 2])?;
        let Self(start) = Self::from_civil(date, clock).ok_or(NotATime)?;
        start.checked_add(ms).map(Self).ok_or(NotATime)
    }
}

fn three(text: &str, between: char, lengths: [usize; 3]) -> Result<[u64; 3], NotATime> {
    let mut parts = text.split(between);
    let mut numbers = [0; 3];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let part = parts.next().filter(|part| part.len() == length).ok_or(NotATime)?;
        *number = digits(part)?;
    }
    if parts.next().is_none() { Ok(numbers) } else { Err(NotATime) }
}

/// Digits and nothing else: the parser of numbers also takes a sign.
fn digits(text: &str) -> Result<u64, NotATime> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotATime);
    }
    text.parse().map_err(|_| NotATime)
}

const fn days_in(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date that exists. Years are counted from March, so that the leap day is
/// last.
const fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970
}

/// Year, month and day of a day since 1970.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, day) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const MS_PER_SECOND: u64 = 1_000;
/// Days of the 400 years after which the calendar repeats.
const DAYS_PER_ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[track_caller]
    fn check(date: [u64; 3], clock: [u64; 3], seconds: u64) {
        let time = Time::from_civil(date, clock).unwrap();
        assert_eq!(time.unix_seconds(), seconds);
        let ([y, mo, d], [h, mi, s]) = (date, clock);
        let text = alloc::format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.000Z");
        assert_eq!(time.to_string(), text);
    }

    #[test]
    fn dates_are_what_others_say_they_are() {
        check([1970, 1, 1], [0, 0, 0], 0);
        check([2000, 2, 29], [12, 0, 0], 951_825_600);
        check([2022, 11, 9], [22, 52, 0], 1_668_034_320);
        check([2049, 10, 28], [14, 28, 5], 2_519_044_085);
        check([2100, 3, 1], [0, 0, 0], 4_107_542_400);
        check([9999, 12, 31], [23, 59, 59], 253_402_300_799);
    }

    #[test]
    fn every_day_for_a_thousand_years_there_and_back() {
        for days in 0..365_243 {
            let (year, month, day) = civil_from_days(days);
            let time = Time::from_civil([year, month, day], [0, 0, 0]).unwrap();
            assert_eq!(time.unix_seconds(), days * 86_400);
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        let midnight = [0, 0, 0];
        for date in [[2023, 2, 29], [2100, 2, 29], [2024, 2, 30], [2024, 4, 31], [2024, 13, 1]] {
            assert_eq!(Time::from_civil(date, midnight), None, "{date:?}");
        }
        for date in [[1969, 12, 31], [2024, 0, 1], [2024, 1, 0], [10_000, 1, 1]] {
            assert_eq!(Time::from_civil(date, midnight), None, "{date:?}");
        }
        for clock in [[24, 0, 0], [0, 60, 0], [0, 0, 60]] {
            assert_eq!(Time::from_civil([2024, 1, 1], clock), None, "{clock:?}");
        }
    }

    #[test]
    fn text_goes_there_and_back_and_has_no_other_spelling() {
        let time = Time::from_unix_ms(1_795_248_000_123);
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!("2026-11-21T08:00:00Z".parse(), Ok(Time::from_unix_ms(1_795_248_000_000)));
        for text in [
            "",
            "Z",
            "2026-11-21",
            "2026-11-21T08:00:00",
            "2026-11-21 08:00:00Z",
            "2026-11-21T08:00:00z",
            "2026-11-21T08:00Z",
            "2026-11-21T08:00:00:00Z",
            "2026-11-21T08:00:00.1Z",
            "2026-11-21T08:00:00+00:00",
            "+026-11-21T08:00:00Z",
            "2026-11-31T08:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-1-21T08:00:00Z",
        ] {
            assert_eq!(text.parse::<Time>(), Err(NotATime), "{text}");
        }
    }
}
