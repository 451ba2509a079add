//! Counts of bytes with a unit: `20KB` is 20,000 and `1KiB` is 1,024, whatever the case.

use core::fmt;

/// Names of the steps of a thousand and of 1,024; the unit `B` itself is step 0.
const STEPS: [(char, u64, u64); 6] = [
    ('k', 1000, 1 << 10),
    ('m', 1_000_000, 1 << 20),
    ('g', 1_000_000_000, 1 << 30),
    ('t', 1_000_000_000_000, 1 << 40),
    ('p', 1_000_000_000_000_000, 1 << 50),
    ('e', 1_000_000_000_000_000_000, 1 << 60),
];

/// Reads a literal of a query: a number and one of the documented units `B KB KiB … EB EiB`.
/// `None` if it is not one, or does not fit.
#[must_use]
pub fn parse_literal(text: &str) -> Option<u64> {
    let (number, unit) = split(text);
    if !unit.ends_with(['b', 'B']) || number.contains(',') {
        return None;
    }
    value(number, scale(unit)?)
}

/// Reads a value of a log line: the unit may also be missing or lack its `B`, spaces may stand
/// before it, and digits may have commas.
#[must_use]
pub fn parse_value(text: &str) -> Option<u64> {
    let (number, unit) = split(text);
    let scale = scale(unit.trim())?;
    if number.contains(',') { value(&number.replace(',', ""), scale) } else { value(number, scale) }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','));
    text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""))
}

/// Bytes of a unit.
fn scale(unit: &str) -> Option<u64> {
    let mut letters = unit.chars().map(|letter| letter.to_ascii_lowercase());
    let first = match letters.next() {
        None => return Some(1),
        Some('b') => return if letters.next().is_none() { Some(1) } else { None },
        Some(first) => first,
    };
    let (_, thousand, binary) = STEPS.iter().find(|(name, ..)| *name == first)?;
    match (letters.next(), letters.next(), letters.next()) {
        (None, ..) | (Some('b'), None, _) => Some(*thousand),
        (Some('i'), None, _) | (Some('i'), Some('b'), None) => Some(*binary),
        _ => None,
    }
}

fn value(number: &str, scale: u64) -> Option<u64> {
    // Whole numbers stay exact beyond what a float can hold.
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    #[expect(clippy::cast_precision_loss, reason = "scales have at most 60 significant bits of 0")]
    let product = number.parse::<f64>().ok()? * scale as f64;
    if !(0.0..18_446_744_073_709_551_616.0).contains(&product) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked; a part of a byte is cut off"
    )]
    Some(product as u64)
}

/// A count in its canonical spelling, which [`parse_literal`] reads: the greatest unit of which
/// it is a whole multiple, `1536B`, `20KB`, `1MiB`.
#[derive(Clone, Copy, Debug)]
pub struct Spelled(pub u64);

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0B");
        }
        for (name, thousand, binary) in STEPS.iter().rev() {
            let name = name.to_ascii_uppercase();
            if self.0.is_multiple_of(*binary) {
                return write!(f, "{}{name}iB", self.0.checked_div(*binary).unwrap_or(0));
            }
            if self.0.is_multiple_of(*thousand) {
                return write!(f, "{}{name}B", self.0.checked_div(*thousand).unwrap_or(0));
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn literals() {
        for (text, expected) in [
            ("42MB", Some(42_000_000)),
            ("1.5Kib", Some(1536)),
            ("20b", Some(20)),
            ("20B", Some(20)),
            ("1eib", Some(1 << 60)),
            ("16EiB", None),
            ("15EB", Some(15_000_000_000_000_000_000)),
            ("18446744073709551615B", Some(u64::MAX)),
            ("0.5b", Some(0)),
            ("20", None),
            ("20K", None),
            ("20KBB", None),
            ("20bb", None),
            ("1,000KB", None),
            ("1.2.3KB", None),
            ("KB", None),
            ("", None),
        ] {
            assert_eq!(parse_literal(text), expected, "{text}");
        }
    }

    #[test]
    fn values() {
        for (text, expected) in [
            ("20", Some(20)),
            ("20 KB", Some(20_000)),
            ("1,024", Some(1024)),
            ("3k", Some(3000)),
            ("3Ki", Some(3072)),
            ("1.5 MiB", Some(1_572_864)),
            ("-5KB", None),
            ("5 furlongs", None),
        ] {
            assert_eq!(parse_value(text), expected, "{text}");
        }
    }

    #[test]
    fn spelled_is_read_again() {
        for (bytes, text) in [
            (0, "0B"),
            (1536, "1536B"),
            (20_000, "20KB"),
            (1 << 20, "1MiB"),
            (1_024_000, "1000KiB"),
        ] {
            assert_eq!(Spelled(bytes).to_string(), text);
        }
        for exponent in 0..64 {
            let value = 1_u64 << exponent;
            assert_eq!(parse_literal(&Spelled(value).to_string()), Some(value));
            assert_eq!(parse_literal(&Spelled(value - 1).to_string()), Some(value - 1));
        }
    }
}
