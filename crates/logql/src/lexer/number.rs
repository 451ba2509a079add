//! Numbers of a query and what begins like one: durations (`1h30m`) and sizes (`20KB`).
//!
//! A run of letters and digits is read whole, so that `5mfoo` is a mistake and not two tokens.

use super::{Bad, TokenKind};
use crate::{bytesize, duration};

/// Reads the run in front of `text`, which begins with a digit or a point.
pub(super) fn read(text: &str) -> (TokenKind, usize) {
    let length = run(text);
    let spelled = text.get(..length).unwrap_or(text);
    let kind = if let Some(number) = number(spelled) {
        TokenKind::Number(number)
    } else if let Some(nanoseconds) = duration::parse_literal(spelled) {
        TokenKind::Duration(nanoseconds)
    } else if let Some(bytes) = bytesize::parse_literal(spelled) {
        TokenKind::Bytes(bytes)
    } else {
        TokenKind::Bad(Bad::Number)
    };
    (kind, length)
}

/// Bytes of letters, digits, points and the sign of an exponent.
fn run(text: &str) -> usize {
    let mut before = ' ';
    let mut plain = true;
    for (at, c) in text.char_indices() {
        let exponent = plain && matches!(before, 'e' | 'E');
        if !(c.is_alphanumeric() || matches!(c, '.' | '_') || exponent && matches!(c, '+' | '-')) {
            return at;
        }
        plain = plain && (c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E'));
        before = c;
    }
    text.len()
}

/// A decimal number with an optional exponent, or a whole number in base 16. Finite.
fn number(text: &str) -> Option<f64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        // The standard parser would also take a sign.
        let clean = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = u64::from_str_radix(digits, 16).ok().filter(|_| clean)?;
        #[expect(clippy::cast_precision_loss, reason = "numbers of a query are floats")]
        return Some(value as f64);
    }
    // The standard parser would also take `inf` and `nan`; a run begins with a digit or a point.
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}
