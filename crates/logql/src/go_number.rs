//! Numbers and quoted text as Go prints and reads them, which is what LogQL answers with.
//!
//! The shortest digits that read back are the same in Go and Rust; only where the exponent begins
//! and what is accepted differ, and that is what is here.

use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

/// `strconv.FormatFloat(v, 'f', -1, 64)`: shortest digits, never an exponent.
#[must_use]
pub fn format_float(value: f64) -> String {
    special(value).map_or_else(|| format!("{value}"), String::from)
}

/// `strconv.FormatFloat(v, 'g', -1, 64)`, which is what `%v` and `%g` print.
#[must_use]
pub fn format_float_short(value: f64) -> String {
    if let Some(word) = special(value) {
        return word.into();
    }
    let text = format!("{value:e}");
    let exponent: i32 = text.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    if (-4..SHORT_EXPONENT).contains(&exponent) { format!("{value}") } else { go_exponent(&text) }
}

/// Rewrites Rust's `1.5e7` to Go's `1.5e+07`.
#[must_use]
pub(crate) fn go_exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else {
        return text.into();
    };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// What is no number, as Go writes it.
pub(crate) fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

/// `strconv.ParseFloat(s, 64)`: decimal or hexadecimal, `inf`, `infinity` and `nan` in any case,
/// underscores between digits. A value beyond the range is refused, as Go's error is.
#[must_use]
pub fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if ["inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    let hexadecimal = unsigned.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
    if unsigned.contains('_') && !underscores_separate(unsigned, hexadecimal) {
        return None;
    }
    let value = if hexadecimal {
        hexadecimal_float(unsigned.get(2..)?)?
    } else if unsigned.contains('_') {
        decimal_float(&unsigned.replace('_', ""))?
    } else {
        decimal_float(unsigned)?
    };
    value.is_finite().then_some(if text.starts_with('-') { -value } else { value })
}

/// Whether each `_` is between digits, or between `0x` and a digit.
fn underscores_separate(text: &str, hexadecimal: bool) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_hexdigit());
    bytes.iter().enumerate().filter(|&(_, byte)| *byte == b'_').all(|(at, _)| {
        let before =
            at.checked_sub(1).is_some_and(|before| digit(before) || (hexadecimal && before == 1));
        before && digit(at.saturating_add(1))
    })
}

/// Digits with at most one point and an exponent; what Rust accepts beyond that (a word) is
/// refused.
fn decimal_float(text: &str) -> Option<f64> {
    let plain =
        text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let starts = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    (plain && starts).then(|| text.parse().ok()).flatten()
}

/// `h.hhhp±d` without its `0x`; the exponent is required.
fn hexadecimal_float(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let digits_of_exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits_of_exponent.is_empty() || !digits_of_exponent.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut exponent: i64 = exponent.parse().ok()?;
    let (mut value, mut seen, mut point) = (0.0f64, false, false);
    for digit in digits.chars().filter(|c| *c != '_') {
        if digit == '.' && !point {
            point = true;
            continue;
        }
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
        seen = true;
        if point {
            exponent = exponent.saturating_sub(4);
        }
    }
    if !seen {
        return None;
    }
    let step = if exponent < 0 { 0.5 } else { 2.0 };
    for _ in 0..exponent.unsigned_abs().min(HEX_EXPONENT_MAX) {
        value *= step;
    }
    Some(value)
}

/// `strconv.ParseInt(s, 0, 64)`: decimal, `0x`, `0o`, `0b` or a leading zero for octal.
#[must_use]
pub fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.get(1..)?)
    } else {
        (10, lower.as_str())
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { magnitude.checked_neg()? } else { magnitude }).ok()
}

/// `strconv.Quote`: a double-quoted Go string.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_ascii_control() => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c if c.is_control() => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// From this exponent on `%g` of the shortest digits writes one.
const SHORT_EXPONENT: i32 = 6;
/// Beyond this many doublings a value is zero or infinite whatever its digits.
const HEX_EXPONENT_MAX: u64 = 600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_without_exponent() {
        for (value, text) in [
            (0.0133, "0.0133"),
            (1e21, "1000000000000000000000"),
            (1e-7, "0.0000001"),
            (2.0, "2"),
            (-0.0, "-0"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (0.1 + 0.2, "0.30000000000000004"),
        ] {
            assert_eq!(format_float(value), text);
        }
    }

    #[test]
    fn short_floats_print_as_percent_v() {
        for (value, text) in [
            (1.5, "1.5"),
            (100_000.0, "100000"),
            (999_999.5, "999999.5"),
            (1_000_000.0, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (1e21, "1e+21"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e300, "1.5e+300"),
            (-2.5e-7, "-2.5e-07"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(format_float_short(value), text);
        }
    }

    #[test]
    fn floats_read_as_in_go() {
        for (text, value) in [
            ("1", Some(1.0)),
            ("+1.5e3", Some(1500.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("-0", Some(-0.0)),
            ("1_000.5", Some(1000.5)),
            ("0x1p-2", Some(0.25)),
            ("0x_1.8p1", Some(3.0)),
            ("-0X1P+4", Some(-16.0)),
            ("Inf", Some(f64::INFINITY)),
            ("-infinity", Some(f64::NEG_INFINITY)),
            ("1e400", None),
            ("0x1", None),
            ("0x1p", None),
            ("0xp1", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("", None),
            ("+", None),
            ("+-1", None),
            (" 1", None),
            ("1 ", None),
            ("1e", None),
            ("1s", None),
            ("+nan", None),
        ] {
            assert_eq!(parse_float(text), value, "{text}");
        }
        assert!(parse_float("nAn").unwrap().is_nan());
    }

    #[test]
    fn integers_read_with_their_base() {
        for (text, value) in [
            ("42", Some(42)),
            ("-42", Some(-42)),
            ("0x1F", Some(31)),
            ("0b101", Some(5)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("0", Some(0)),
            ("08", None),
            ("", None),
            ("--1", None),
            ("0x+1", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
        ] {
            assert_eq!(parse_int(text), value, "{text}");
        }
    }

    #[test]
    fn text_is_quoted_as_in_go() {
        assert_eq!(quote("a\"b\\c\n\t\u{1}\u{85}é"), "\"a\\\"b\\\\c\\n\\t\\x01\\u0085é\"");
    }
}
