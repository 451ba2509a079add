//! Times and durations, in UTC and in nanoseconds.
//!
//! Layouts are the collector's `%` directives. There is no table of time zones here: an offset is
//! honoured, an abbreviation counts as UTC, as Go does with one that it does not know.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "days and seconds of 64 bits of nanoseconds, and fields of at most nine digits: all \
              far below 2^63, and durations are summed in 128 bits"
)]

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use super::super::error::Fault;
use super::super::evaluate::Given;
use super::super::functions::Converter;
use super::super::value::{Val, as_double};

/// A day and a time of day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nano: i64,
    /// 0 is Sunday.
    weekday: i64,
}

pub(super) fn call<'s>(converter: Converter, given: Given<'s>) -> Result<Val<'s>, Fault> {
    use Converter as C;
    let part = |part: fn(Civil) -> i64| Ok(Val::Int(part(civil(instant(given.value(0)?)?))));
    let since = |unit: i64| Ok(Val::Int(instant(given.value(0)?)?.div_euclid(unit)));
    let fraction = |unit: i64| Ok(Val::Double(as_double(span(given.value(0)?)?) / as_double(unit)));
    let count = |unit: i64| Ok(Val::Int(span(given.value(0)?)?.checked_div(unit).unwrap_or(0)));
    match converter {
        C::Year => part(|time| time.year),
        C::Month => part(|time| time.month),
        C::Day => part(|time| time.day),
        C::Hour => part(|time| time.hour),
        C::Minute => part(|time| time.minute),
        C::Second => part(|time| time.second),
        C::Nanosecond => part(|time| time.nano),
        C::Weekday => part(|time| time.weekday),
        C::Hours => fraction(HOUR),
        C::Minutes => fraction(MINUTE),
        C::Seconds => fraction(SECOND),
        C::Milliseconds => count(1_000_000),
        C::Microseconds => count(1_000),
        C::Nanoseconds => count(1),
        C::UnixSeconds => since(SECOND),
        C::UnixMilli => since(1_000_000),
        C::UnixMicro => since(1_000),
        C::UnixNano => since(1),
        C::Now => Ok(Val::Time(given.scene.stack.now.cast_signed())),
        C::Duration => duration(&given.text(0)?).map(Val::Duration),
        C::Unix => {
            let nanos = if given.is_absent(1) { 0 } else { given.int(1)? };
            let seconds = given.int(0)?.checked_mul(SECOND);
            let time = seconds.and_then(|seconds| seconds.checked_add(nanos));
            time.map(Val::Time).ok_or(Fault::Arithmetic)
        }
        C::TruncateTime => {
            let (time, unit) = (instant(given.value(0)?)?, span(given.value(1)?)?);
            // Go counts from the year 1, whose first day is a Monday.
            let offset = i128::from(time).checked_add(YEAR_ONE).ok_or(Fault::Arithmetic)?;
            let over = if unit > 0 { offset.rem_euclid(i128::from(unit)) } else { 0 };
            let over = i64::try_from(over).map_err(|_| Fault::Arithmetic)?;
            time.checked_sub(over).map(Val::Time).ok_or(Fault::Arithmetic)
        }
        C::FormatTime => {
            let time = instant(given.value(0)?)?;
            show(civil(time), &given.text(1)?).map(|text| Val::Text(Cow::Owned(text)))
        }
        _ => parse(&given.text(0)?, &given.text(1)?).map(Val::Time),
    }
}

fn instant(value: Val<'_>) -> Result<i64, Fault> {
    match value {
        Val::Time(nanos) => Ok(nanos),
        other => Err(other.fault("a time")),
    }
}

fn span(value: Val<'_>) -> Result<i64, Fault> {
    match value {
        Val::Duration(nanos) => Ok(nanos),
        other => Err(other.fault("a duration")),
    }
}

/// Days of the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date
/// algorithms").
fn civil(nanos: i64) -> Civil {
    let days = nanos.div_euclid(DAY);
    let rest = nanos.rem_euclid(DAY);
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let leaps = of_era / 1_460 - of_era / 36_524 + of_era / 146_096;
    let year_of_era = of_era.saturating_sub(leaps) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: rest / HOUR,
        minute: rest / MINUTE % 60,
        second: rest / SECOND % 60,
        nano: rest % SECOND,
        weekday: days.saturating_add(4).rem_euclid(7),
    }
}

fn nanos(time: Civil, offset_seconds: i64) -> Option<i64> {
    let year = time.year.checked_sub(i64::from(time.month <= 2))?;
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted_month = if time.month > 2 { time.month - 3 } else { time.month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + time.day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = days * 86_400 + time.hour * 3_600 + time.minute * 60 + time.second;
    seconds.checked_sub(offset_seconds)?.checked_mul(SECOND)?.checked_add(time.nano)
}

/// RFC 3339, with as many digits of a second as there are.
pub(in super::super) fn rfc3339(nanos: i64) -> String {
    let time = civil(nanos);
    let Civil { year, month, day, hour, minute, second, nano, .. } = time;
    let fraction = if nano == 0 { String::new() } else { format!(".{nano:09}") };
    let fraction = fraction.trim_end_matches('0');
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// As Go shows a duration: `1h0m0s`, `1.5s`, `20ms`.
pub(in super::super) fn duration_text(nanos: i64) -> String {
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    let with = |unit: u64, name: &str| {
        let text = format!("{}.{:09}", size / unit, size % unit * (1_000_000_000 / unit));
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{sign}{text}{name}")
    };
    match size {
        0 => String::from("0s"),
        1..1_000 => with(1, "ns"),
        1_000..1_000_000 => with(1_000, "µs"),
        1_000_000..1_000_000_000 => with(1_000_000, "ms"),
        _ => {
            let seconds = size / 1_000_000_000;
            let fraction = format!(".{:09}", size % 1_000_000_000);
            let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            let tail = format!("{}{fraction}s", seconds % 60);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{tail}"),
                (0, minutes) => format!("{sign}{minutes}m{tail}"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{tail}"),
            }
        }
    }
}

/// Go's `time.ParseDuration`.
fn duration(text: &str) -> Result<i64, Fault> {
    let wrong = Fault::Form { wants: "a duration like `1h30m`" };
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut rest = unsigned;
    let mut total = 0_i128;
    if rest == "0" {
        return Ok(0);
    }
    while !rest.is_empty() || unsigned.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(wrong)?;
        let (number, tail) = rest.split_at_checked(end).ok_or(wrong)?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_end).ok_or(wrong)?;
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND.into(),
            "m" => MINUTE.into(),
            "h" => HOUR.into(),
            _ => return Err(wrong),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || number.len() > DIGITS_MAX {
            return Err(wrong);
        }
        let digits = |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse::<i128>() };
        let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        let whole = digits(whole).map_err(|_| wrong)?;
        let fraction = digits(fraction).map_err(|_| wrong)?;
        total += whole * unit + fraction * unit / scale;
        rest = tail;
    }
    let signed = if text.starts_with('-') { -total } else { total };
    i64::try_from(signed).map_err(|_| Fault::Arithmetic)
}

fn show(time: Civil, layout: &str) -> Result<String, Fault> {
    let mut out = String::new();
    let mut characters = layout.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let directive = characters.next().ok_or(LAYOUT)?;
        if let Some(longer) = composed(directive) {
            out.push_str(&show(time, longer)?);
        } else {
            out.push_str(&directive_text(time, directive)?);
        }
    }
    Ok(out)
}

/// Directives that stand for several others.
const fn composed(directive: char) -> Option<&'static str> {
    Some(match directive {
        'D' | 'x' => "%m/%d/%y",
        'F' => "%Y-%m-%d",
        'T' | 'X' => "%H:%M:%S",
        'r' => "%I:%M:%S %p",
        'R' => "%H:%M",
        'c' => "%a %b %d %H:%M:%S %Y",
        _ => return None,
    })
}

fn directive_text(time: Civil, directive: char) -> Result<String, Fault> {
    let twelve = if time.hour % 12 == 0 { 12 } else { time.hour % 12 };
    let name = |names: &[&'static str], index: i64| {
        let index = usize::try_from(index).unwrap_or_default();
        names.get(index).copied().unwrap_or_default()
    };
    let month = time.month.saturating_sub(1);
    let short = |name: &str| String::from(name.get(..3).unwrap_or(name));
    Ok(match directive {
        'Y' => format!("{:04}", time.year),
        'y' => format!("{:02}", time.year.rem_euclid(100)),
        'm' => format!("{:02}", time.month),
        'o' => format!("{:2}", time.month),
        'q' => format!("{}", time.month),
        'b' | 'h' => short(name(&MONTHS, month)),
        'B' => String::from(name(&MONTHS, month)),
        'd' => format!("{:02}", time.day),
        'e' => format!("{:2}", time.day),
        'g' => format!("{}", time.day),
        'a' => short(name(&WEEKDAYS, time.weekday)),
        'A' => String::from(name(&WEEKDAYS, time.weekday)),
        'H' => format!("{:02}", time.hour),
        'I' => format!("{twelve:02}"),
        'l' => format!("{twelve}"),
        'p' => String::from(if time.hour < 12 { "AM" } else { "PM" }),
        'P' => String::from(if time.hour < 12 { "am" } else { "pm" }),
        'M' => format!("{:02}", time.minute),
        'S' => format!("{:02}", time.second),
        'L' => format!("{:03}", time.nano / 1_000_000),
        'f' => format!("{:06}", time.nano / 1_000),
        's' => format!("{:09}", time.nano),
        'z' | 'w' => String::from("+0000"),
        'Z' => String::from("UTC"),
        'i' => String::from("+00"),
        'j' => String::from("+00:00"),
        'k' => String::from("+00:00:00"),
        'n' => String::from("\n"),
        't' => String::from("\t"),
        '%' => String::from("%"),
        _ => return Err(LAYOUT),
    })
}

/// What was read so far.
struct Reading<'t> {
    rest: &'t str,
    time: Civil,
    afternoon: Option<bool>,
    offset_seconds: i64,
}

fn parse(text: &str, layout: &str) -> Result<i64, Fault> {
    let (year, month, day, weekday) = (1970, 1, 1, 4);
    let time = Civil { year, month, day, hour: 0, minute: 0, second: 0, nano: 0, weekday };
    let mut reading = Reading { rest: text, time, afternoon: None, offset_seconds: 0 };
    reading.layout(layout, 2)?;
    let Reading { rest, mut time, afternoon, offset_seconds } = reading;
    match afternoon {
        Some(true) if time.hour < 12 => time.hour += 12,
        Some(false) if time.hour == 12 => time.hour = 0,
        _ => {}
    }
    let in_range = time.hour < 24 && time.minute < 60 && time.second < 60;
    let nanos = nanos(time, offset_seconds).ok_or(Fault::Arithmetic)?;
    let date = civil(nanos.saturating_add(offset_seconds.saturating_mul(SECOND)));
    // 31 February would be a day of March.
    let exists = (date.month, date.day) == (time.month, time.day);
    if rest.is_empty() && in_range && exists { Ok(nanos) } else { Err(TIME) }
}

impl Reading<'_> {
    fn layout(&mut self, layout: &str, depth: u8) -> Result<(), Fault> {
        let mut characters = layout.chars();
        while let Some(c) = characters.next() {
            if c != '%' {
                self.rest = self.rest.strip_prefix(c).ok_or(TIME)?;
                continue;
            }
            let directive = characters.next().ok_or(LAYOUT)?;
            match (composed(directive), depth.checked_sub(1)) {
                (Some(longer), Some(depth)) => self.layout(longer, depth)?,
                _ => self.directive(directive)?,
            }
        }
        Ok(())
    }

    fn directive(&mut self, directive: char) -> Result<(), Fault> {
        match directive {
            'Y' => self.time.year = self.number(4, 4)?,
            'y' => {
                let year = self.number(2, 2)?;
                self.time.year = year + if year < 69 { 2000 } else { 1900 };
            }
            'm' | 'o' | 'q' => self.time.month = self.number(1, 2)?,
            'b' | 'h' => self.time.month = self.name(&MONTHS, true)? + 1,
            'B' => self.time.month = self.name(&MONTHS, false)? + 1,
            'd' | 'e' | 'g' => self.time.day = self.number(1, 2)?,
            'a' => self.time.weekday = self.name(&WEEKDAYS, true)?,
            'A' => self.time.weekday = self.name(&WEEKDAYS, false)?,
            'H' | 'I' | 'l' => self.time.hour = self.number(1, 2)?,
            'M' => self.time.minute = self.number(1, 2)?,
            'S' => self.time.second = self.number(1, 2)?,
            'L' => self.time.nano = self.number(3, 3)? * 1_000_000,
            'f' => self.time.nano = self.number(6, 6)? * 1_000,
            's' => self.time.nano = self.number(9, 9)?,
            'p' | 'P' => {
                let afternoon = self.name(&["am", "pm"], false)? == 1;
                self.afternoon = Some(afternoon);
            }
            'z' | 'w' | 'i' | 'j' | 'k' => self.offset()?,
            'Z' => {
                let end = self.rest.find(|c: char| !c.is_ascii_alphabetic());
                let end = end.unwrap_or(self.rest.len());
                self.rest = self.rest.get(end..).filter(|_| end > 0).ok_or(TIME)?;
            }
            'n' => self.rest = self.rest.strip_prefix('\n').ok_or(TIME)?,
            't' => self.rest = self.rest.strip_prefix('\t').ok_or(TIME)?,
            '%' => self.rest = self.rest.strip_prefix('%').ok_or(TIME)?,
            _ => return Err(LAYOUT),
        }
        Ok(())
    }

    fn number(&mut self, least: usize, most: usize) -> Result<i64, Fault> {
        self.rest = self.rest.trim_start_matches(' ');
        let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let digits = digits.min(most);
        let (number, rest) = self.rest.split_at_checked(digits).ok_or(TIME)?;
        if digits < least {
            return Err(TIME);
        }
        self.rest = rest;
        number.parse().map_err(|_| TIME)
    }

    fn name(&mut self, names: &[&str], short: bool) -> Result<i64, Fault> {
        for (index, name) in (0_i64..).zip(names) {
            let name = if short { name.get(..3).unwrap_or(name) } else { name };
            let head = self.rest.get(..name.len()).unwrap_or_default();
            if head.eq_ignore_ascii_case(name) {
                self.rest = self.rest.get(name.len()..).unwrap_or_default();
                return Ok(index);
            }
        }
        Err(TIME)
    }

    /// `Z`, `+07`, `+0700` or `+07:00`.
    fn offset(&mut self) -> Result<(), Fault> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(());
        }
        let (sign, rest) = match self.rest.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, self.rest.strip_prefix('+').ok_or(TIME)?),
        };
        self.rest = rest;
        let hours = self.number(2, 2)?;
        self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
        let minutes = self.number(2, 2).unwrap_or(0);
        self.offset_seconds = sign * (hours * 3_600 + minutes * 60);
        Ok(())
    }
}

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// From the first day of the year 1 to 1970.
const YEAR_ONE: i128 = 62_135_596_800 * 1_000_000_000;
const DIGITS_MAX: usize = 18; // a longer number is out of range in any unit
const LAYOUT: Fault = Fault::Form { wants: "a layout of time" };
const TIME: Fault = Fault::Form { wants: "a time of this layout" };

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
