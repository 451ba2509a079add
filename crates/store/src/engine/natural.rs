//! The order of `sort by` and `top`: as a reader of a table would sort a column.
//!
//! A missing value comes first, then numbers by value, then text with its runs of digits by value.
//! Numbers are compared digit by digit and not as floats, so that long sequence numbers do not
//! collapse and the order stays total.

use std::cmp::Ordering;

/// Compares two values of a field. Equal does not mean same text: `1` and `01.0` are equal.
#[must_use]
pub fn compare(one: &str, other: &str) -> Ordering {
    match (one.is_empty(), other.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        (false, false) => {}
    }
    match (Decimal::parse(one), Decimal::parse(other)) {
        (Some(one), Some(other)) => one.compare(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => compare_text(one.as_bytes(), other.as_bytes()),
    }
}

/// A plain decimal number, without leading and trailing zeros.
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        if !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !zero, whole, fraction })
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
        }
    }

    /// Without leading zeros the longer whole part is the greater.
    fn compare_magnitude(&self, other: &Self) -> Ordering {
        (self.whole.len().cmp(&other.whole.len()))
            .then_with(|| self.whole.cmp(other.whole))
            .then_with(|| self.fraction.cmp(other.fraction))
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn compare_text(mut one: &[u8], mut other: &[u8]) -> Ordering {
    loop {
        let (Some((a, rest_one)), Some((b, rest_other))) = (one.split_first(), other.split_first())
        else {
            return one.len().cmp(&other.len());
        };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (run_one, after_one) = digit_run(one);
            let (run_other, after_other) = digit_run(other);
            match run_one.len().cmp(&run_other.len()).then_with(|| run_one.cmp(run_other)) {
                Ordering::Equal => (one, other) = (after_one, after_other),
                unequal => return unequal,
            }
        } else if a == b {
            (one, other) = (rest_one, rest_other);
        } else {
            return a.cmp(b);
        }
    }
}

/// The digits at the start without leading zeros, and what follows.
fn digit_run(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let (mut run, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    while let Some((b'0', shorter)) = run.split_first() {
        run = shorter;
    }
    (run, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_ascend_naturally() {
        let ascending = [
            "",
            "-10",
            "-9.5",
            "-9.45",
            "0",
            "0.05",
            "0.5",
            "2",
            "10",
            "10.25",
            "9007199254740992",
            "9007199254740993",
            "1e3",
            "2a",
            "10a",
            "A",
            "a",
            "a2",
            "a2b",
            "a10",
            "b",
        ];
        for (i, one) in ascending.iter().enumerate() {
            for (j, other) in ascending.iter().enumerate() {
                assert_eq!(compare(one, other), i.cmp(&j), "{one:?} against {other:?}");
            }
        }
    }

    #[test]
    fn one_value_has_many_spellings() {
        for (one, other) in [("1", "01"), ("1.0", "1"), ("-0", "0"), ("a01", "a1"), ("0.50", "0.5")]
        {
            assert_eq!(compare(one, other), Ordering::Equal, "{one:?} and {other:?}");
        }
    }
}
