//! Times of certificates: `UTCTime` (RFC 5280 §4.1.2.5.1), whole seconds, 1970 to 2049.

use alloc::format;
use alloc::string::String;

/// 2050-01-01 in seconds since 1970: from there on certificates write times in another form.
pub const YEAR_2050: u64 = 2_524_608_000;

/// `YYMMDDHHMMSSZ`; nothing from the year 2050 on.
pub fn write(seconds: u64) -> Option<String> {
    if seconds >= YEAR_2050 {
        return None;
    }
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    let year = year % 100;
    Some(format!("{year:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z"))
}

/// The seconds of what [`write()`] writes, and of nothing else.
pub fn read(text: &[u8]) -> Option<u64> {
    let digits = text.strip_suffix(b"Z").filter(|digits| digits.len() == 12)?;
    let mut pairs = digits.as_chunks::<2>().0.iter().map(pair);
    let mut next = || pairs.next().flatten();
    let (year, month, day) = (next()?, next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    // RFC 5280: 50 and above is the last century, of which only the end is after 1970.
    let year = if year < 50 { year + 2000 } else { year + 1900 };
    let days = days(year, month, day)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    // Writing it again refuses the 30th of February and the 61st second at once.
    let same = write(seconds).is_some_and(|written| written.as_bytes() == text);
    same.then_some(seconds)
}

fn pair(digits: &[u8; 2]) -> Option<u64> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let [tens, ones] = *digits;
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// Year, month and day of a day since 1970, before 2100: every fourth year has a leap day.
const fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 1968-03-01, so that a leap day is the last of its four years.
    let days = days + 671;
    let (era, day) = (days / 1_461, days % 1_461);
    let year = if day == 1_460 { 3 } else { day / 365 };
    let day_of_year = day - year * 365;
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let (month, next) = if march_month < 10 { (march_month + 3, 0) } else { (march_month - 9, 1) };
    (1968 + era * 4 + year + next, month, day)
}

/// The day since 1970 of a date before 2100; whether there is such a date is the caller's to check.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) {
        return None;
    }
    // March is the first month, as above.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let before = year.checked_sub(1968)?;
    let day_of_year = (153 * month + 2) / 5 + day.checked_sub(1)?;
    (before / 4 * 1_461 + before % 4 * 365 + day_of_year).checked_sub(671)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: u64, text: &str) {
        assert_eq!(write(seconds).as_deref(), Some(text));
        assert_eq!(read(text.as_bytes()), Some(seconds));
    }

    #[test]
    fn times_are_what_date_prints() {
        check(0, "700101000000Z");
        check(951_782_399, "000228235959Z");
        check(951_825_600, "000229120000Z");
        check(951_868_800, "000301000000Z");
        check(1_668_034_317, "221109225157Z");
        check(1_735_689_599, "241231235959Z");
        check(YEAR_2050 - 1, "491231235959Z");
        assert_eq!(write(YEAR_2050), None);
    }

    #[test]
    fn every_day_comes_back() {
        for day in 0..YEAR_2050 / 86_400 {
            let seconds = day * 86_400 + day % 86_400;
            assert_eq!(read(write(seconds).unwrap().as_bytes()), Some(seconds));
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "230229000000Z",
            "231301000000Z",
            "230100000000Z",
            "230101240000Z",
            "230101006000Z",
            "230101000060Z",
            "2301010000Z",
            "230101000000",
            "23010100000aZ",
            "690101000000Z",
            "230101000000Z ",
            "230001000000Z",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }
}
