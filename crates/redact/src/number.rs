//! Numbers as text, so that patterns written for text find them.
//!
//! A card number stored as an integer or a double is the same leak. Of a fraction only nine digits
//! are shown: nearly every quotient of two doubles has sixteen, and a rule for sixteen digits would
//! hit them all.

use core::fmt::{self, Write as _};

/// A number of a payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number<'a> {
    /// Without sign.
    Unsigned(u64),
    /// With sign.
    Signed(i64),
    /// IEEE 754.
    Double(f64),
    /// As JSON writes it.
    Literal(&'a str),
}

impl Number<'_> {
    /// Shown as a person would read it.
    pub(crate) fn render(self) -> Rendered {
        let mut out = Rendered { bytes: [0; RENDERED_BYTES_MAX], length: 0 };
        // The buffer holds the longest double; a longer JSON literal is refused by the scanner.
        let written = match self {
            Self::Unsigned(value) => write!(out, "{value}"),
            Self::Signed(value) => write!(out, "{value}"),
            Self::Double(value) => write!(out, "{value}"),
            Self::Literal(text) => match text.contains(['e', 'E']) {
                true => write!(out, "{}", text.parse::<f64>().unwrap_or(f64::NAN)),
                false => out.write_str(text),
            },
        };
        if written.is_ok() && matches!(self, Self::Double(_) | Self::Literal(_)) {
            out.cut_fraction();
        }
        out
    }

    /// It is not shown in more bytes than this.
    pub(crate) fn rendered_bytes_max(self) -> usize {
        match self {
            Self::Unsigned(value) => digits(value),
            Self::Signed(value) => digits(value.unsigned_abs()).saturating_add(1),
            Self::Double(_) | Self::Literal(_) => RENDERED_BYTES_MAX,
        }
    }

    /// The value, when it is a whole number without sign.
    pub(crate) fn whole(self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(value),
            Self::Signed(value) => u64::try_from(value).ok(),
            Self::Double(_) => None,
            Self::Literal(text) => text.parse().ok(),
        }
    }

    /// Whether it is zero, in whatever spelling.
    pub(crate) fn is_zero(self) -> bool {
        match self {
            Self::Unsigned(value) => value == 0,
            Self::Signed(value) => value == 0,
            Self::Double(value) => value == 0.0,
            Self::Literal(text) => text.parse::<f64>().is_ok_and(|value| value == 0.0),
        }
    }
}

fn digits(value: u64) -> usize {
    let behind_first = value.checked_ilog10().unwrap_or(0);
    usize::try_from(behind_first).unwrap_or(usize::MAX).saturating_add(1)
}

/// A number's text, without an allocation.
pub(crate) struct Rendered {
    bytes: [u8; RENDERED_BYTES_MAX],
    length: usize,
}

impl Rendered {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn cut_fraction(&mut self) {
        if let Some(point) = self.as_bytes().iter().position(|&byte| byte == b'.') {
            self.length = self.length.min(point.saturating_add(1 + FRACTION_DIGITS_MAX));
        }
    }
}

impl fmt::Write for Rendered {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length.checked_add(text.len()).ok_or(fmt::Error)?;
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// The longest double, `-f64::MIN_POSITIVE` subnormal, has 327 bytes without exponent.
pub(crate) const RENDERED_BYTES_MAX: usize = 344;
const FRACTION_DIGITS_MAX: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: Number<'_>, expected: &str) {
        assert_eq!(core::str::from_utf8(number.render().as_bytes()), Ok(expected));
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        check(Number::Unsigned(u64::MAX), "18446744073709551615");
        check(Number::Signed(-4_111_111_111_111_111), "-4111111111111111");
        check(Number::Double(4_111_111_111_111_111.0), "4111111111111111");
        check(Number::Double(95_000.5), "95000.5");
        check(Number::Literal("4.111111111111111e15"), "4111111111111111");
        check(Number::Literal("0042"), "0042");
    }

    #[test]
    fn fractions_are_cut_so_that_quotients_do_not_hit() {
        check(Number::Double(0.1 + 0.2), "0.300000000");
        check(Number::Literal("12.345678901234567890"), "12.345678901");
    }

    #[test]
    fn the_longest_doubles_fit() {
        assert_eq!(Number::Double(-f64::MAX).render().as_bytes().len(), 310);
        assert_eq!(Number::Double(-5e-324).render().as_bytes(), b"-0.000000000");
    }
}
