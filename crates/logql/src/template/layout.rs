//! Points in time, and Go's layouts: the reference time `Mon Jan 2 15:04:05 MST 2006` as a pattern.

mod parse;

use alloc::string::String;
use core::fmt::Write as _;

/// A point in time, and the zone in which it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    seconds: i64,
    nanos: u32,
    zone: Zone,
}

/// A fixed distance from UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Zone {
    offset_seconds: i32,
}

impl Zone {
    pub(super) const UTC: Self = Self { offset_seconds: 0 };
}

/// Points in time are equal wherever they are shown.
impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        (self.seconds, self.nanos) == (other.seconds, other.nanos)
    }
}

/// A part of a layout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    LongMonth,
    Month,
    MonthNumber,
    MonthTwo,
    LongWeekday,
    Weekday,
    Day,
    DaySpaced,
    DayTwo,
    YearDaySpaced,
    YearDayThree,
    Hour,
    Hour12,
    Hour12Two,
    Minute,
    MinuteTwo,
    Second,
    SecondTwo,
    LongYear,
    Year,
    Noon(bool),
    ZoneName,
    /// Whether `Z` stands for UTC, whether there is a colon, and how many of hours, minutes and
    /// seconds are shown.
    Offset {
        z: bool,
        colon: bool,
        fields: u8,
    },
    /// How many digits, and whether zeros at the end are left out.
    Fraction {
        digits: usize,
        trimmed: bool,
        comma: bool,
    },
}

/// A civil date and time of day.
struct Civil {
    year: i64,
    month: u32,
    day: u32,
    year_day: u32,
    weekday: usize,
    hour: u32,
    minute: u32,
    second: u32,
}

impl Moment {
    /// The first second of year one, which is Go's zero.
    pub(super) const ZERO: Self = Self { seconds: -62_135_596_800, nanos: 0, zone: Zone::UTC };

    pub(super) fn from_seconds(seconds: i64) -> Self {
        // Beyond these years nothing is printed that anybody reads.
        let seconds = seconds.clamp(-SECONDS_MAX, SECONDS_MAX);
        Self { seconds, nanos: 0, zone: Zone::UTC }
    }

    pub(super) fn from_nanos(nanos: i64) -> Self {
        Self {
            seconds: nanos.div_euclid(1_000_000_000),
            nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0),
            zone: Zone::UTC,
        }
    }

    pub(super) fn nanos_since_epoch(self) -> i128 {
        i128::from(self.seconds).saturating_mul(1_000_000_000).saturating_add(self.nanos.into())
    }

    pub(super) fn format(self, layout: &str, out: &mut String) {
        let civil = civil(self.seconds.saturating_add(self.zone.offset_seconds.into()));
        let mut rest = layout;
        while let Some((prefix, part, after)) = next_part(rest) {
            out.push_str(prefix);
            self.push(part, &civil, out);
            rest = after;
        }
        out.push_str(rest);
    }

    fn push(self, part: Part, civil: &Civil, out: &mut String) {
        let month = usize::try_from(civil.month.saturating_sub(1)).unwrap_or(0);
        let name = |names: &[&'static str], at: usize| names.get(at).copied().unwrap_or("");
        let short = |name: &'static str| name.get(..3).unwrap_or(name);
        let hour12 = if civil.hour.is_multiple_of(12) { 12 } else { civil.hour % 12 };
        let done = match part {
            Part::LongMonth => write!(out, "{}", name(&MONTHS, month)),
            Part::Month => write!(out, "{}", short(name(&MONTHS, month))),
            Part::MonthNumber => write!(out, "{}", civil.month),
            Part::MonthTwo => write!(out, "{:02}", civil.month),
            Part::LongWeekday => write!(out, "{}", name(&WEEKDAYS, civil.weekday)),
            Part::Weekday => write!(out, "{}", short(name(&WEEKDAYS, civil.weekday))),
            Part::Day => write!(out, "{}", civil.day),
            Part::DaySpaced => write!(out, "{:2}", civil.day),
            Part::DayTwo => write!(out, "{:02}", civil.day),
            Part::YearDaySpaced => write!(out, "{:3}", civil.year_day),
            Part::YearDayThree => write!(out, "{:03}", civil.year_day),
            Part::Hour => write!(out, "{:02}", civil.hour),
            Part::Hour12 => write!(out, "{hour12}"),
            Part::Hour12Two => write!(out, "{hour12:02}"),
            Part::Minute => write!(out, "{}", civil.minute),
            Part::MinuteTwo => write!(out, "{:02}", civil.minute),
            Part::Second => write!(out, "{}", civil.second),
            Part::SecondTwo => write!(out, "{:02}", civil.second),
            Part::LongYear => write!(out, "{:04}", civil.year),
            Part::Year => write!(out, "{:02}", civil.year.rem_euclid(100)),
            Part::Noon(upper) => write!(out, "{}", noon(civil.hour >= 12, upper)),
            Part::ZoneName if self.zone == Zone::UTC => write!(out, "UTC"),
            Part::ZoneName => self.push_offset(false, 2, out),
            Part::Offset { z: true, .. } if self.zone == Zone::UTC => write!(out, "Z"),
            Part::Offset { colon, fields, .. } => self.push_offset(colon, fields, out),
            Part::Fraction { digits, trimmed, comma } => {
                self.push_fraction(digits, trimmed, comma, out)
            }
        };
        // Writing to a string does not fail.
        let _ = done;
    }

    fn push_offset(self, colon: bool, fields: u8, out: &mut String) -> core::fmt::Result {
        let offset = self.zone.offset_seconds.unsigned_abs();
        let sign = if self.zone.offset_seconds < 0 { '-' } else { '+' };
        let separator = if colon { ":" } else { "" };
        write!(out, "{sign}{:02}", offset / 3600)?;
        if fields > 1 {
            write!(out, "{separator}{:02}", offset / 60 % 60)?;
        }
        if fields > 2 {
            write!(out, "{separator}{:02}", offset % 60)?;
        }
        Ok(())
    }

    fn push_fraction(
        self,
        digits: usize,
        trimmed: bool,
        comma: bool,
        out: &mut String,
    ) -> core::fmt::Result {
        let all = alloc::format!("{:09}", self.nanos);
        let shown = all.get(..digits.min(9)).unwrap_or(&all);
        let shown = if trimmed { shown.trim_end_matches('0') } else { shown };
        if trimmed && shown.is_empty() {
            return Ok(());
        }
        write!(out, "{}{shown}", if comma { ',' } else { '.' })
    }
}

fn noon(after: bool, upper: bool) -> &'static str {
    match (after, upper) {
        (true, true) => "PM",
        (true, false) => "pm",
        (false, true) => "AM",
        (false, false) => "am",
    }
}

/// The text before the next part, the part, and what follows.
fn next_part(layout: &str) -> Option<(&str, Part, &str)> {
    for (at, _) in layout.char_indices() {
        let rest = layout.get(at..).unwrap_or("");
        if let Some((part, length)) = part(rest) {
            let before = layout.get(..at).unwrap_or("");
            return Some((before, part, rest.get(length..).unwrap_or("")));
        }
    }
    None
}

/// The part at the beginning and its length.
fn part(rest: &str) -> Option<(Part, usize)> {
    if rest.starts_with(['.', ',']) {
        return fraction(rest);
    }
    for (text, part) in PARTS {
        if let Some(after) = rest.strip_prefix(text) {
            // `Mon` in `Month` is text.
            let word = matches!(part, Part::Month | Part::Weekday);
            if !(word && after.starts_with(|c: char| c.is_ascii_lowercase())) {
                return Some((part, text.len()));
            }
        }
    }
    // `_2006` is an underscore and a year.
    if rest.starts_with("_2") && !rest.starts_with("_2006") {
        return Some((Part::DaySpaced, 2));
    }
    None
}

/// `.000` or `.999`, unless more digits follow.
fn fraction(rest: &str) -> Option<(Part, usize)> {
    let digit = rest.as_bytes().get(1).copied().filter(|b| matches!(b, b'0' | b'9'))?;
    let digits = rest.bytes().skip(1).take_while(|b| *b == digit).count();
    let end = digits.saturating_add(1);
    if rest.get(end..)?.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let comma = rest.starts_with(',');
    Some((Part::Fraction { digits, trimmed: digit == b'9', comma }, end))
}

/// Days since 1970 to year, month and day (Howard Hinnant's `civil_from_days`).
#[expect(clippy::arithmetic_side_effects, reason = "seconds are bounded by SECONDS_MAX")]
fn civil(seconds: i64) -> Civil {
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |value: i64| u32::try_from(value).unwrap_or(0);
    Civil {
        year,
        month: small(month),
        day: small(day),
        year_day: small(days - days_from_civil(year, 1, 1) + 1),
        weekday: usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0),
        hour: small(of_day / 3600),
        minute: small(of_day / 60 % 60),
        second: small(of_day % 60),
    }
}

/// The reverse: days since 1970.
#[expect(clippy::arithmetic_side_effects, reason = "years have at most four digits, or are ours")]
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

/// Some thousand years.
const SECONDS_MAX: i64 = 1 << 38;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const fn offset(z: bool, colon: bool, fields: u8) -> Part {
    Part::Offset { z, colon, fields }
}

/// Longer spellings come first.
const PARTS: [(&str, Part); 32] = [
    ("January", Part::LongMonth),
    ("Jan", Part::Month),
    ("Monday", Part::LongWeekday),
    ("Mon", Part::Weekday),
    ("MST", Part::ZoneName),
    ("002", Part::YearDayThree),
    ("01", Part::MonthTwo),
    ("02", Part::DayTwo),
    ("03", Part::Hour12Two),
    ("04", Part::MinuteTwo),
    ("05", Part::SecondTwo),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("1", Part::MonthNumber),
    ("2006", Part::LongYear),
    ("2", Part::Day),
    ("__2", Part::YearDaySpaced),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::Noon(true)),
    ("pm", Part::Noon(false)),
    ("-07:00:00", offset(false, true, 3)),
    ("-070000", offset(false, false, 3)),
    ("-07:00", offset(false, true, 2)),
    ("-0700", offset(false, false, 2)),
    ("-07", offset(false, false, 1)),
    ("Z07:00:00", offset(true, true, 3)),
    ("Z070000", offset(true, false, 3)),
    ("Z07:00", offset(true, true, 2)),
    ("Z0700", offset(true, false, 2)),
    ("Z07", offset(true, false, 1)),
];
