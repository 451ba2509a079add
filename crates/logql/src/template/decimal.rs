//! Arithmetic on the decimal digits of floats, as `addf` and its kin do it: 0.1 + 0.2 is 0.3.
//!
//! What does not fit into 38 digits is computed on the floats themselves.

use crate::go_number::format_float;

/// `digits × 10^-scale`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Decimal {
    digits: i128,
    scale: u32,
}

/// What is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    Add,
    Sub,
    Mul,
    Div,
}

/// The result of one operation; by zero it is what Go's floats say.
pub(super) fn apply(operation: Operation, one: f64, other: f64) -> f64 {
    let exact = || {
        let (one, other) = (Decimal::of(one)?, Decimal::of(other)?);
        match operation {
            Operation::Add => one.add(other),
            Operation::Sub => one.add(Decimal { digits: other.digits.checked_neg()?, ..other }),
            Operation::Mul => one.mul(other),
            Operation::Div => one.div(other),
        }
    };
    exact().and_then(Decimal::float).unwrap_or(match operation {
        Operation::Add => one + other,
        Operation::Sub => one - other,
        Operation::Mul => one * other,
        Operation::Div => one / other,
    })
}

impl Decimal {
    fn of(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let text = format_float(value);
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let scale = u32::try_from(fraction.len()).ok()?;
        let digits = alloc::format!("{whole}{fraction}").parse().ok()?;
        Some(Self { digits, scale })
    }

    fn scaled(self, scale: u32) -> Option<i128> {
        let factor = 10i128.checked_pow(scale.checked_sub(self.scale)?)?;
        self.digits.checked_mul(factor)
    }

    fn add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Some(Self { digits: self.scaled(scale)?.checked_add(other.scaled(scale)?)?, scale })
    }

    fn mul(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_mul(other.digits)?;
        Some(Self { digits, scale: self.scale.checked_add(other.scale)? })
    }

    /// To sixteen places, half away from zero.
    fn div(self, other: Self) -> Option<Self> {
        let scale = other.scale.checked_add(PLACES)?.max(self.scale);
        let dividend = self.scaled(scale)?;
        let places = scale.checked_sub(other.scale)?;
        let quotient = dividend.checked_div(other.digits)?;
        let rest = dividend.checked_rem(other.digits)?.unsigned_abs();
        let up = rest.checked_mul(2)? >= other.digits.unsigned_abs();
        let negative = (self.digits < 0) != (other.digits < 0);
        let step = if negative { -1 } else { 1 };
        let digits = if up { quotient.checked_add(step)? } else { quotient };
        Some(Self { digits, scale: places })
    }

    fn float(self) -> Option<f64> {
        alloc::format!("{}e-{}", self.digits, self.scale).parse().ok()
    }
}

const PLACES: u32 = 16;
