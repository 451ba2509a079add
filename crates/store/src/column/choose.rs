//! Texts that are something smaller, and back: integers, floats, times, hex.
//!
//! Each `of_*` answers only when its inverse gives the very same text again.

use std::fmt::Write as _;

/// The number that is spelled so, without a plus, leading zeros or a negative zero.
pub(super) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = match digits.as_bytes() {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical { text.parse().ok() } else { None }
}

/// The double whose shortest spelling without an exponent this is.
pub(super) fn float(text: &str) -> Option<f64> {
    if text.len() > FLOAT_TEXT_MAX || !text.contains('.') {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    let mut spelled = String::with_capacity(FLOAT_TEXT_MAX);
    put_float(value, &mut spelled);
    (spelled == text).then_some(value)
}

/// Longer ones have digits that a double does not hold.
const FLOAT_TEXT_MAX: usize = 24;

/// Appends the shortest spelling.
pub(super) fn put_float(value: f64, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value}");
}

/// Appends an integer.
pub(super) fn put_integer(value: i64, out: &mut String) {
    let mut digits = [0_u8; 20];
    let mut rest = value.unsigned_abs();
    let mut length = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    let spelled = digits.get(digits.len() - length..).unwrap_or_default();
    out.push_str(std::str::from_utf8(spelled).unwrap_or_default());
}

/// Bytes of lower-case hex of an even length.
pub(super) fn hex(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    for &[high, low] in pairs {
        out.push(nibble(high)? << 4 | nibble(low)?);
    }
    Some(())
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Appends bytes as lower-case hex.
pub(super) fn put_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
        }
    }
}

/// A time in UTC as RFC 3339 with `decimals` of a second: units of 10^-decimals since 1970.
pub(super) fn timestamp(text: &str) -> Option<(u8, i64)> {
    let bytes = text.as_bytes();
    let [
        y0,
        y1,
        y2,
        y3,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        b'T',
        h0,
        h1,
        b':',
        n0,
        n1,
        b':',
        s0,
        s1,
        rest @ ..,
    ] = bytes
    else {
        return None;
    };
    let fraction = match rest {
        [b'Z'] => &[],
        [b'.', fraction @ .., b'Z'] if (1..=9).contains(&fraction.len()) => fraction,
        _ => return None,
    };
    let year = number(&[*y0, *y1, *y2, *y3])?;
    let date = days(year, number(&[*m0, *m1])?, number(&[*d0, *d1])?)?;
    let (hour, minute) = (number(&[*h0, *h1])?, number(&[*n0, *n1])?);
    let second = number(&[*s0, *s1])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let decimals = u8::try_from(fraction.len()).ok()?;
    let units = ((date * 24 + hour) * 60 + minute) * 60 + second;
    Some((decimals, units * 10_i64.pow(u32::from(decimals)) + number(fraction)?))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
    })
}

/// Days since 1970 of a date from 1970 to 2199: the years whose nanoseconds fit.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..2200).contains(&year) || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let length = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    // Howard Hinnant's days_from_civil: years begin in March, so the leap day is the last one.
    let shifted = if month > 2 { year } else { year - 1 };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let (era, year_of_era) = (shifted / 400, shifted % 400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (day <= length).then_some(era * 146_097 + day_of_era - 719_468)
}

/// Appends a time; `false` when it is not one that [`timestamp`] gives.
pub(super) fn put_timestamp(decimals: u8, value: i64, out: &mut String) -> bool {
    let Some(scale) = 10_i64.checked_pow(u32::from(decimals)) else { return false };
    let (seconds, fraction) = (value.div_euclid(scale), value.rem_euclid(scale));
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    if !(0..84_006).contains(&day) || decimals > 9 {
        return false; // 84,006 days after 1970 is the first day of 2200
    }
    // Howard Hinnant's civil_from_days.
    let from_era = day + 719_468;
    let (era, day_of_era) = (from_era / 146_097, from_era % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    if decimals > 0 {
        let _ = write!(out, ".{fraction:0width$}", width = usize::from(decimals));
    }
    out.push('Z');
    true
}
