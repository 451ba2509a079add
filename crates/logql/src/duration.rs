//! Durations as queries and log lines write them: Go's (`1h2.5s`) and Prometheus' (`1w2d`).
//!
//! Both are counted in nanoseconds of an `i64`; what does not fit is refused. Prometheus' units
//! beyond the hour are whole and in falling order, each at most once, as its documentation says.

use core::fmt;

/// Nanoseconds of an hour, the greatest unit of Go.
const HOUR: u64 = 3_600_000_000_000;
/// Units of both in falling order, with nanoseconds and whether Go and Prometheus know them.
const UNITS: [(&str, u64, bool, bool); 11] = [
    ("y", 8760 * HOUR, false, true),
    ("w", 168 * HOUR, false, true),
    ("d", 24 * HOUR, false, true),
    ("h", HOUR, true, true),
    ("m", HOUR / 60, true, true),
    ("s", HOUR / 3600, true, true),
    ("ms", 1_000_000, true, true),
    ("us", 1000, true, false),
    ("\u{b5}s", 1000, true, false),
    ("\u{3bc}s", 1000, true, false),
    ("ns", 1, true, false),
];

/// Reads either spelling without a sign, as a query has it. `None` if it is neither, or too great.
#[must_use]
pub fn parse_literal(text: &str) -> Option<i64> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '.') || text == "0" {
        return None;
    }
    parse_go(text).or_else(|| parse_prometheus(text))
}

/// Reads what Go's `time.ParseDuration` reads: an optional sign, then numbers with units.
#[must_use]
pub fn parse_go(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (term, after) = go_term(rest)?;
        total = total.checked_add(term).filter(|sum| *sum <= 1 << 63)?;
        rest = after;
    }
    if negative { 0_i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() }
}

/// One number with its unit, and what follows it.
fn go_term(text: &str) -> Option<(u64, &str)> {
    let (whole_digits, rest) = digits(text);
    let (fraction_digits, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole_digits.is_empty() && fraction_digits.is_empty() {
        return None;
    }
    let whole = if whole_digits.is_empty() { 0 } else { whole_digits.parse::<u64>().ok()? };
    let (unit, rest) = unit_text(rest);
    let (_, scale, ..) = UNITS.iter().find(|(name, _, go, _)| *go && *name == unit)?;
    let value = whole.checked_mul(*scale)?.checked_add(fraction(fraction_digits, *scale))?;
    Some((value, rest))
}

/// The part of a unit behind the point, cut to whole nanoseconds.
fn fraction(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1_u64);
    for digit in digits.bytes() {
        // Further digits are below what a nanosecond can show.
        let Some(next) = value.checked_mul(10) else { break };
        let Some(next_scale) = scale.checked_mul(10) else { break };
        value = next.saturating_add(u64::from(digit.saturating_sub(b'0')));
        scale = next_scale;
    }
    let nanoseconds =
        u128::from(value).saturating_mul(u128::from(unit)).checked_div(u128::from(scale));
    nanoseconds.and_then(|nanoseconds| u64::try_from(nanoseconds).ok()).unwrap_or(u64::MAX)
}

/// Reads what Prometheus' `ParseDuration` reads: whole numbers with units in falling order.
#[must_use]
pub fn parse_prometheus(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut total, mut least) = (text, 0_u64, 0_usize);
    while !rest.is_empty() {
        let (count, after) = digits(rest);
        let (unit, after) = unit_text(after);
        let index = UNITS.iter().position(|(name, _, _, known)| *known && *name == unit)?;
        if index < least {
            return None;
        }
        let (_, scale, ..) = UNITS.get(index)?;
        total = total.checked_add(count.parse::<u64>().ok()?.checked_mul(*scale)?)?;
        least = index.saturating_add(1);
        rest = after;
    }
    if text.is_empty() { None } else { i64::try_from(total).ok() }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn unit_text(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A duration of that many nanoseconds in its canonical spelling, which [`parse_literal`] reads:
/// `1d2h`, `1m30s`, `1h5us`; with a `-` in front if it is negative, and `0s`.
#[derive(Clone, Copy, Debug)]
pub struct Spelled(pub i64);

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut rest = self.0.unsigned_abs();
        if rest == 0 {
            return f.write_str("0s");
        }
        // Days are Prometheus' unit and microseconds are Go's: neither reads both.
        let go = !rest.is_multiple_of(1_000_000);
        for (unit, scale, of_go, _) in UNITS {
            let weeks = matches!(unit, "y" | "w");
            if weeks || !unit.is_ascii() || (go && !of_go) || rest < scale {
                continue;
            }
            write!(f, "{}{unit}", rest.checked_div(scale).unwrap_or(0))?;
            rest = rest.checked_rem(scale).unwrap_or(0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn go_durations() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("5s", Some(5 * S)),
            ("1.5h", Some(5400 * S)),
            (".5s", Some(S / 2)),
            ("1.s", Some(S)),
            ("-1h10m", Some(-4200 * S)),
            ("+3m", Some(180 * S)),
            ("1h2m3s4ms5us6ns", Some(3_723_004_005_006)),
            ("10\u{b5}s", Some(10_000)),
            ("10\u{3bc}s", Some(10_000)),
            ("2s1h", Some(3602 * S)),
            ("-9223372036854775808ns", Some(i64::MIN)),
            ("9223372036854775807ns", Some(i64::MAX)),
            ("9223372036854775808ns", None),
            ("3000000h", None),
            ("", None),
            ("-", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("1d", None),
            ("1 s", None),
            ("1.2.3s", None),
        ] {
            assert_eq!(parse_go(text), expected, "{text}");
        }
    }

    #[test]
    fn prometheus_durations() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1y2w3d4h5m6s7ms", Some((31_536_000 + 1_209_600 + 259_200 + 14_706) * S + 7_000_000)),
            ("1d", Some(86_400 * S)),
            ("90m", Some(5400 * S)),
            ("1m1h", None),
            ("1h1h", None),
            ("1.5h", None),
            ("1us", None),
            ("300y", None),
            ("d", None),
            ("", None),
        ] {
            assert_eq!(parse_prometheus(text), expected, "{text}");
        }
    }

    #[test]
    fn literals_have_no_sign_and_a_unit() {
        for (text, expected) in [
            ("5m", Some(300 * S)),
            ("1d12h", Some(129_600 * S)),
            (".5s", Some(S / 2)),
            ("0s", Some(0)),
            ("0", None),
            ("-5m", None),
            ("+5m", None),
            ("1d1us", None),
            ("1.5d", None),
        ] {
            assert_eq!(parse_literal(text), expected, "{text}");
        }
    }

    #[test]
    fn spelled_is_read_again() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (300 * S, "5m"),
            (-5400 * S, "-1h30m"),
            (7 * 86_400 * S, "7d"),
            (86_400 * S + 1, "24h1ns"),
            (1_500_000, "1ms500us"),
            (S + 1_000_000, "1s1ms"),
        ] {
            assert_eq!(Spelled(nanoseconds).to_string(), text);
            assert_eq!(parse_literal(text.trim_start_matches('-')), Some(nanoseconds.abs()));
        }
        for exponent in 0..63 {
            let value = 1_i64 << exponent;
            assert_eq!(parse_literal(&Spelled(value).to_string()), Some(value));
            assert_eq!(parse_literal(&Spelled(value - 1).to_string()), Some(value - 1));
        }
    }
}
