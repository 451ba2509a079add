//! Days of the Gregorian calendar in UTC, as the folders of an archive have them.

use std::fmt;
use std::str::FromStr;

/// A day between 1970 and 9999.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The day, if the calendar has it.
    pub const fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let known = matches!(year, 1970..=9999) && matches!(month, 1..=12);
        if known && day >= 1 && day <= days_of(year, month) {
            Some(Self { year, month, day })
        } else {
            None
        }
    }

    /// The day of a time in UTC as RFC 3339 writes it; what follows on the `T` is not looked at.
    pub fn of_timestamp(text: &str) -> Option<Self> {
        text.split_once('T')?.0.replace('-', "/").parse().ok()
    }

    /// The day of a time in milliseconds since the Unix epoch; after the year 9999 its last day.
    pub fn of_unix_ms(time_ms: u64) -> Self {
        let mut days = time_ms / MS_OF_DAY;
        for year in 1970..=9999_u16 {
            for month in 1..=12_u8 {
                let length = days_of(year, month);
                match u8::try_from(days) {
                    Ok(rest) if rest < length => return Self { year, month, day: rest + 1 },
                    _ => days -= u64::from(length),
                }
            }
        }
        Self { year: 9999, month: 12, day: 31 }
    }
}

impl fmt::Display for Date {
    /// `yyyy/mm/dd`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}/{:02}/{:02}", self.year, self.month, self.day)
    }
}

/// A text that is not a day of the calendar as `yyyy/mm/dd`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotADate;

impl fmt::Display for NotADate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a day is written yyyy/mm/dd")
    }
}

impl std::error::Error for NotADate {}

impl FromStr for Date {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let &[year, month, day] = &parts[..] else { return Err(NotADate) };
        let date = match (year.parse(), month.parse(), day.parse()) {
            (Ok(year), Ok(month), Ok(day)) => Self::new(year, month, day),
            _ => None,
        };
        // Comparing with our own spelling refuses every other one at once.
        date.filter(|date| date.to_string() == text).ok_or(NotADate)
    }
}

const fn days_of(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

const MS_OF_DAY: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(time_ms: u64, expected: &str) {
        assert_eq!(Date::of_unix_ms(time_ms).to_string(), expected);
    }

    #[test]
    fn times_fall_on_their_day() {
        check(0, "1970/01/01");
        check(MS_OF_DAY - 1, "1970/01/01");
        check(951_782_400_000, "2000/02/29");
        check(1_763_696_787_123, "2025/11/21");
        check(4_107_542_400_000, "2100/03/01");
        check(253_402_300_799_999, "9999/12/31");
        check(u64::MAX, "9999/12/31");
    }

    #[test]
    fn a_day_has_one_spelling() {
        assert_eq!("2024/02/29".parse(), Ok(Date::new(2024, 2, 29).unwrap()));
        for wrong in ["2024-02-29", "2024/2/29", "2023/02/29", "2024/02/29/", "+2024/02/9", ""] {
            assert_eq!(wrong.parse::<Date>(), Err(NotADate), "{wrong}");
        }
    }

    #[test]
    fn only_days_of_the_calendar_exist() {
        for (year, month, day) in
            [(2025, 2, 29), (2024, 13, 1), (2024, 0, 1), (2024, 4, 31), (1969, 1, 1)]
        {
            assert_eq!(Date::new(year, month, day), None);
        }
        assert_eq!(Date::new(2024, 2, 29).unwrap().to_string(), "2024/02/29");
    }
}
