//! From the text of a label to a number: what typed filters, `unwrap` and templates read.
//!
//! The words of the errors are those of Go's library, which `__error_details__` shows in Loki.

use alloc::format;
use alloc::string::String;

use crate::go_number::{parse_float, quote};
use crate::{bytesize, duration};

/// As `strconv.ParseFloat`.
pub(crate) fn number(text: &str) -> Result<f64, String> {
    parse_float(text)
        .ok_or_else(|| format!("strconv.ParseFloat: parsing {}: invalid syntax", quote(text)))
}

/// As `time.ParseDuration`, in nanoseconds.
pub(crate) fn nanoseconds(text: &str) -> Result<i64, String> {
    duration::parse_go(text).ok_or_else(|| {
        let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
        let digits = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let what = if digits { "missing unit in" } else { "invalid" };
        format!("time: {what} duration {}", quote(text))
    })
}

/// As `time.ParseDuration`, in seconds.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    nanoseconds(text).map(|nanos| {
        let whole = nanos.checked_div(NANOS).unwrap_or(0);
        let rest = nanos.checked_rem(NANOS).unwrap_or(0);
        int_to_float(whole) + int_to_float(rest) / 1e9
    })
}

/// As `humanize.ParseBytes`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    bytesize::parse_value(text).ok_or_else(|| {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','));
        if unit.len() == text.len() {
            "strconv.ParseFloat: parsing \"\": invalid syntax".into()
        } else {
            format!("unhandled size name: {}", unit.trim().to_lowercase())
        }
    })
}

/// To the nearest `f64`, as Go's conversion.
#[expect(clippy::cast_precision_loss, reason = "that is what Go's conversion does")]
pub(crate) fn int_to_float(value: i64) -> f64 {
    value as f64
}

/// To the nearest `f64`, as Go's conversion.
#[expect(clippy::cast_precision_loss, reason = "that is what Go's conversion does")]
pub(crate) fn count_to_float(value: u64) -> f64 {
    value as f64
}

const NANOS: i64 = 1_000_000_000;
