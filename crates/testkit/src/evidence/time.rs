//! Dates of collateral: days before and after the real now, since evidence is judged by a clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment so many days from now, as year, month, day, and seconds of the day.
fn civil(days_from_now: i64) -> ([i64; 3], i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let now = i64::try_from(now).expect("before the end of time") + days_from_now * 86_400;
    // Days to a date of the Gregorian calendar, in eras of 400 years that begin in March.
    let days = now.div_euclid(86_400) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    ([year, month, date], now.rem_euclid(86_400))
}

/// As Intel's documents write it: `2026-05-20T00:00:00Z`.
pub(super) fn rfc3339(days_from_now: i64) -> String {
    let ([year, month, day], second) = civil(days_from_now);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// As certificates and lists write it: `260520000000Z`.
pub(super) fn utc_time(days_from_now: i64) -> String {
    let ([year, month, day], second) = civil(days_from_now);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z", year % 100)
}
