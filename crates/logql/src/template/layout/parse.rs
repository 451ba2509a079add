//! Reading a point in time by a layout.

use super::{MONTHS, Moment, Part, WEEKDAYS, Zone, days_from_civil, next_part};

/// What was read so far.
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    year_day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: u32,
    afternoon: Option<bool>,
    zone: Option<Zone>,
}

impl Moment {
    /// Reads a text that is exactly as the layout says; without a zone in it, it is in `zone`.
    pub(crate) fn parse(layout: &str, text: &str, zone: Zone) -> Option<Self> {
        let mut fields = Fields {
            year: 0,
            month: 1,
            day: 1,
            year_day: 0,
            hour: 0,
            minute: 0,
            second: 0,
            nanos: 0,
            afternoon: None,
            zone: None,
        };
        let (mut layout, mut text) = (layout, text);
        while let Some((prefix, part, after)) = next_part(layout) {
            text = text.strip_prefix(prefix)?;
            text = fields.read(part, text)?;
            // A fraction behind the seconds is read even if the layout has none.
            let bare = text.strip_prefix(['.', ',']).filter(|rest| starts_with_digit(rest));
            let seconds = matches!(part, Part::Second | Part::SecondTwo);
            if seconds && !after.starts_with(['.', ',']) && bare.is_some() {
                text = fields.fraction(text, None)?;
            }
            layout = after;
        }
        (text == layout).then(|| fields.moment(zone)).flatten()
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// A number of between so many digits at the beginning.
fn number(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < least {
        return None;
    }
    Some((text.get(..digits)?.parse().ok()?, text.get(digits..)?))
}

/// The index of the name at the beginning, in any case.
fn name<'t>(names: &[&str], length: Option<usize>, text: &'t str) -> Option<(usize, &'t str)> {
    names.iter().enumerate().find_map(|(at, name)| {
        let name = name.get(..length.unwrap_or(name.len()))?;
        let have = text.get(..name.len())?;
        have.eq_ignore_ascii_case(name).then(|| text.get(name.len()..)).flatten().map(|r| (at, r))
    })
}

impl Fields {
    fn read<'t>(&mut self, part: Part, text: &'t str) -> Option<&'t str> {
        let month = |at: usize| i64::try_from(at).unwrap_or(0).saturating_add(1);
        let (slot, least, most) = match part {
            Part::LongMonth | Part::Month => {
                let length = (part == Part::Month).then_some(3);
                let (at, rest) = name(&MONTHS, length, text)?;
                self.month = month(at);
                return Some(rest);
            }
            Part::LongWeekday => return name(&WEEKDAYS, None, text).map(|(_, rest)| rest),
            Part::Weekday => return name(&WEEKDAYS, Some(3), text).map(|(_, rest)| rest),
            Part::Noon(upper) => {
                let (at, rest) = name(&["AM", "PM"], None, text)?;
                let exact = text.get(..2)?.chars().all(|c| c.is_ascii_uppercase() == upper);
                self.afternoon = Some(at == 1);
                return exact.then_some(rest);
            }
            Part::ZoneName => return self.zone_name(text),
            Part::Offset { z, colon, fields } => return self.offset(text, z, colon, fields),
            Part::Fraction { digits, trimmed, .. } => {
                let optional = trimmed && !text.starts_with(['.', ',']);
                return if optional {
                    Some(text)
                } else {
                    self.fraction(text, (!trimmed).then_some(digits))
                };
            }
            Part::Year => {
                let (year, rest) = number(text, 2, 2)?;
                self.year = year.saturating_add(if year >= 69 { 1900 } else { 2000 });
                return Some(rest);
            }
            Part::LongYear => (&mut self.year, 4, 4),
            Part::MonthNumber => (&mut self.month, 1, 2),
            Part::MonthTwo => (&mut self.month, 2, 2),
            Part::Day | Part::DaySpaced => (&mut self.day, 1, 2),
            Part::DayTwo => (&mut self.day, 2, 2),
            Part::YearDaySpaced => (&mut self.year_day, 1, 3),
            Part::YearDayThree => (&mut self.year_day, 3, 3),
            Part::Hour => (&mut self.hour, 2, 2),
            Part::Hour12 => (&mut self.hour, 1, 2),
            Part::Hour12Two => (&mut self.hour, 2, 2),
            Part::Minute => (&mut self.minute, 1, 2),
            Part::MinuteTwo => (&mut self.minute, 2, 2),
            Part::Second => (&mut self.second, 1, 2),
            Part::SecondTwo => (&mut self.second, 2, 2),
        };
        let padded = matches!(part, Part::DaySpaced | Part::YearDaySpaced);
        let text = if padded { text.trim_start_matches(' ') } else { text };
        let (value, rest) = number(text, least, most)?;
        *slot = value;
        Some(rest)
    }

    fn zone_name<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let length = text.bytes().take_while(u8::is_ascii_uppercase).count();
        // What an abbreviation means depends on who asks; Go gives it no offset.
        self.zone = Some(Zone::UTC);
        (3..=5).contains(&length).then(|| text.get(length..)).flatten()
    }

    fn offset<'t>(&mut self, text: &'t str, z: bool, colon: bool, fields: u8) -> Option<&'t str> {
        if let (true, Some(rest)) = (z, text.strip_prefix('Z')) {
            self.zone = Some(Zone::UTC);
            return Some(rest);
        }
        let negative = text.starts_with('-');
        let mut rest = text.strip_prefix(['+', '-'])?;
        let (mut seconds, mut unit) = (0i64, 3600i64);
        for field in 0..fields {
            if field > 0 && colon {
                rest = rest.strip_prefix(':')?;
            }
            let (value, after) = number(rest, 2, 2)?;
            seconds = seconds.saturating_add(value.saturating_mul(unit));
            unit = unit.checked_div(60)?;
            rest = after;
        }
        let seconds = i32::try_from(seconds).ok().filter(|seconds| *seconds < 86_400)?;
        let offset_seconds = if negative { seconds.saturating_neg() } else { seconds };
        self.zone = Some(Zone { offset_seconds });
        Some(rest)
    }

    /// The digits behind a point: so many, or all there are.
    fn fraction<'t>(&mut self, text: &'t str, digits: Option<usize>) -> Option<&'t str> {
        let rest = text.strip_prefix(['.', ','])?;
        let have = rest.bytes().take_while(u8::is_ascii_digit).count();
        let length = digits.unwrap_or(have);
        if length == 0 || length > have {
            return None;
        }
        let shown = rest.get(..length.min(9))?;
        self.nanos = alloc::format!("{shown:0<9}").parse().ok()?;
        rest.get(length..)
    }

    fn moment(&self, zone: Zone) -> Option<Moment> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour.saturating_add(12),
            Some(false) if self.hour == 12 => 0,
            Some(_) | None => self.hour,
        };
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return None,
        };
        let valid = (1..=days).contains(&self.day)
            && hour < 24
            && self.minute < 60
            && self.second < 60
            && self.year_day <= if leap { 366 } else { 365 };
        if !valid {
            return None;
        }
        let days = if self.year_day > 0 {
            days_from_civil(self.year, 1, 1).saturating_add(self.year_day).saturating_sub(1)
        } else {
            days_from_civil(self.year, self.month, self.day)
        };
        let zone = self.zone.unwrap_or(zone);
        let of_day = hour.saturating_mul(3600).saturating_add(self.minute.saturating_mul(60));
        let seconds = days
            .saturating_mul(86_400)
            .saturating_add(of_day)
            .saturating_add(self.second)
            .saturating_sub(zone.offset_seconds.into());
        Some(Moment { seconds, nanos: self.nanos, zone })
    }
}
