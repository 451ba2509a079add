//! Numbers, truth values and ids out of other values.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use super::super::error::Fault;
use super::super::fields::hexed;
use super::super::lexer::unhex;
use super::super::value::{Val, as_double};

pub(super) fn bool(value: Val<'_>) -> Val<'_> {
    match value {
        Val::Bool(_) => value,
        Val::Int(number) => Val::Bool(number != 0),
        Val::Double(number) => Val::Bool(number != 0.0),
        Val::Text(text) => match &*text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Val::Bool(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Val::Bool(false),
            _ => Val::Nil,
        },
        _ => Val::Nil,
    }
}

pub(super) fn double(value: Val<'_>) -> Val<'_> {
    match value {
        Val::Double(_) => value,
        Val::Int(number) => Val::Double(as_double(number)),
        Val::Bool(truth) => Val::Double(f64::from(u8::from(truth))),
        Val::Text(text) => text.parse().map_or(Val::Nil, Val::Double),
        _ => Val::Nil,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "documented: towards zero")]
pub(super) fn int(value: Val<'_>) -> Val<'_> {
    match value {
        Val::Int(_) => value,
        Val::Double(number) => Val::Int(number as i64),
        Val::Bool(truth) => Val::Int(i64::from(truth)),
        Val::Text(text) => text.parse().map_or(Val::Nil, Val::Int),
        Val::Duration(nanos) => Val::Int(nanos),
        _ => Val::Nil,
    }
}

pub(super) fn hex(value: Val<'_>) -> Val<'_> {
    let text = match value {
        Val::Bool(truth) => hexed(&[u8::from(truth)]),
        Val::Int(number) => hexed(&number.to_be_bytes()),
        Val::Double(number) => hexed(&number.to_bits().to_be_bytes()),
        Val::Text(text) => hexed(text.as_bytes()),
        Val::Bytes(bytes) | Val::Id(bytes) => hexed(&bytes),
        _ => return Val::Nil,
    };
    Val::Text(Cow::Owned(text))
}

pub(super) fn log(value: Val<'_>) -> Result<Val<'static>, Fault> {
    let got = value.kind();
    match double(value) {
        Val::Double(number) if number > 0.0 => Ok(Val::Double(natural_logarithm(number))),
        Val::Double(_) => Err(Fault::Arithmetic),
        _ => Err(Fault::Type { wants: "a number", got }),
    }
}

/// Without `std` there is none. The exponent is taken off, the rest lies between 0.7 and 1.42, and
/// the series of `atanh` ends below the last bit there.
fn natural_logarithm(number: f64) -> f64 {
    if !number.is_finite() {
        return number;
    }
    let subnormal = number < f64::MIN_POSITIVE;
    let (scaled, shift) = if subnormal { (number * TWO_54, -54.0) } else { (number, 0.0) };
    let bits = scaled.to_bits();
    let biased = u32::try_from(bits >> 52).unwrap_or_default();
    let mut exponent = f64::from(biased) - 1023.0 + shift;
    let mut mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if mantissa > core::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1.0;
    }
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let series = (0..14_u32).rev().fold(0.0, |sum, term| {
        sum * square + 1.0 / f64::from(term.saturating_mul(2).saturating_add(1))
    });
    exponent * core::f64::consts::LN_2 + 2.0 * ratio * series
}

/// Go's `strconv.ParseInt`: base 0 reads the prefix and allows underscores.
pub(super) fn parse_int(text: &str, base: i64) -> Result<Val<'static>, Fault> {
    let wrong = Fault::Form { wants: "an integer in this base" };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match base {
        0 => match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => (16, digits.get(2..).unwrap_or_default()),
            Some("0b") => (2, digits.get(2..).unwrap_or_default()),
            Some("0o") => (8, digits.get(2..).unwrap_or_default()),
            _ if digits.len() > 1 && digits.starts_with('0') => (8, digits),
            _ => (10, digits),
        },
        2..=36 => (u32::try_from(base).map_err(|_| wrong)?, digits),
        _ => return Err(Fault::Range),
    };
    let digits = if base == 0 { digits.replace('_', "") } else { String::from(digits) };
    if digits.starts_with(['+', '-']) {
        return Err(wrong);
    }
    let signed = if negative { format!("-{digits}") } else { digits };
    i64::from_str_radix(&signed, radix).map(Val::Int).map_err(|_| wrong)
}

pub(super) fn is_valid_luhn(value: &Val<'_>) -> Result<Val<'static>, Fault> {
    let digits = match value {
        Val::Text(text) => Cow::Borrowed(&**text),
        Val::Int(number) => Cow::Owned(format!("{number}")),
        other => return Err(other.fault("a text or an int")),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Fault::Form { wants: "digits only" });
    }
    let sum = digits.bytes().rev().enumerate().fold(0_u64, |sum, (index, digit)| {
        let digit = u64::from(digit & 0xf);
        let doubled = digit << (index & 1);
        sum.saturating_add(if doubled > 9 { doubled.saturating_sub(9) } else { doubled })
    });
    Ok(Val::Bool(sum.is_multiple_of(10)))
}

/// An id out of bytes or hex digits.
pub(super) fn id(value: Val<'_>, length: usize) -> Result<Val<'_>, Fault> {
    let wants = "an id of the right length";
    match value {
        Val::Bytes(bytes) | Val::Id(bytes) if bytes.len() == length => Ok(Val::Id(bytes)),
        Val::Text(text) => {
            let bytes = unhex(&text).filter(|bytes| bytes.len() == length);
            Ok(Val::Id(Cow::Owned(bytes.ok_or(Fault::Form { wants })?)))
        }
        other => Err(other.fault(wants)),
    }
}

const TWO_54: f64 = 18_014_398_509_481_984.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_agrees_with_the_standard_library() {
        for number in [1.0, 2.0, 0.5, 10.0, 1e-300, 1e300, 5e-324, 1.4, 1.5, 99.9, 3.0] {
            let (ours, theirs) = (natural_logarithm(number), f64::ln(number));
            assert!((ours - theirs).abs() <= theirs.abs() * 4e-16, "{number}: {ours} {theirs}");
        }
    }
}
