//! Numbers that come back from the log bit for bit.
//!
//! Written as text in the shortest form that reads back as itself: JSON readers may round the last
//! bit of a number, and a verdict at a threshold must not depend on who reads.

use std::cmp::Ordering;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A finite number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Number(f64);

impl Number {
    /// Between no and yes.
    pub const HALF: Self = Self(0.5);

    /// The number, unless it is infinite or none.
    pub fn new(value: f64) -> Option<Self> {
        // Minus zero is zero: they compare equal and would be written differently.
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// As the machine has it.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Number {}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let number = text.parse().ok().and_then(Self::new);
        let number = number.filter(|number| number.to_string() == text);
        number.ok_or_else(|| D::Error::custom("expected a number in its shortest form"))
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn numbers_come_back_bit_for_bit() {
        for value in [0.1 + 0.2, 0.8, 1e300, 5e-324, -0.0, 0.30000000000000004] {
            let number = Number::new(value).unwrap();
            let text = serde_json::to_string(&number).unwrap();
            let back: Number = serde_json::from_str(&text).unwrap();
            assert_eq!(back.get().to_bits(), number.get().to_bits(), "{text}");
        }
    }

    #[test]
    fn one_spelling_and_no_infinity() {
        assert_eq!(Number::new(f64::NAN), None);
        assert_eq!(Number::new(f64::INFINITY), None);
        for text in ["\"0.80\"", "\"+1\"", "\"1e0\"", "\"inf\"", "\"-0\"", "0.8"] {
            assert_eq!(serde_json::from_str::<Number>(text).ok(), None, "{text}");
        }
    }
}
