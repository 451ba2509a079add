//! Measurements: sets of register values that a relying party accepts.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use crate::register::{REGISTER_COUNT_MAX, Register};
use crate::rejected::Difference;

/// Register values that belong together, usually those of one build. Never empty, never zero.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Measurement {
    registers: BTreeMap<u8, Register>,
}

/// Why register values are not a measurement that anything could be compared with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MeasurementError {
    /// No register is named, so every machine would match.
    Empty,
    /// There is no register of this number.
    Index {
        /// Number given.
        got: u8,
    },
    /// The register is zero, which is what a debug-mode or unmeasured machine shows.
    Zero {
        /// The register.
        index: u8,
    },
}

impl fmt::Display for MeasurementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a measurement names at least one register"),
            Self::Index { got } => {
                write!(f, "there is no register {got}, the last is {}", REGISTER_COUNT_MAX - 1)
            }
            Self::Zero { index } => {
                write!(f, "register {index} is all zero, which any debug-mode machine would match")
            }
        }
    }
}

impl core::error::Error for MeasurementError {}

impl Measurement {
    /// A measurement from register numbers and values.
    ///
    /// # Errors
    /// When it is empty, names a register that does not exist, or expects zeros.
    pub fn new(registers: BTreeMap<u8, Register>) -> Result<Self, MeasurementError> {
        if registers.is_empty() {
            return Err(MeasurementError::Empty);
        }
        for (&index, &value) in &registers {
            if index >= REGISTER_COUNT_MAX {
                return Err(MeasurementError::Index { got: index });
            }
            if value == Register::ZERO {
                return Err(MeasurementError::Zero { index });
            }
        }
        Ok(Self { registers })
    }

    /// Register numbers and values.
    pub const fn registers(&self) -> &BTreeMap<u8, Register> {
        &self.registers
    }

    /// Registers of this measurement that `shown` has otherwise or not at all; empty for a match.
    pub fn differences(&self, shown: &BTreeMap<u8, Register>) -> Vec<Difference> {
        let other = |(&index, &want): (&u8, &Register)| {
            let got = shown.get(&index).copied();
            (got != Some(want)).then_some(Difference { index, want, got })
        };
        self.registers.iter().filter_map(other).collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const ONE: Register = Register([1; 48]);
    const TWO: Register = Register([2; 48]);

    #[test]
    fn what_would_match_anything_is_refused() {
        let new = |pairs: &[(u8, Register)]| Measurement::new(pairs.iter().copied().collect());
        assert_eq!(new(&[]), Err(MeasurementError::Empty));
        assert_eq!(new(&[(0, Register::ZERO)]), Err(MeasurementError::Zero { index: 0 }));
        assert_eq!(new(&[(0, ONE), (32, TWO)]), Err(MeasurementError::Index { got: 32 }));
    }

    #[test]
    fn differences_name_each_register_with_both_values() {
        let wanted = Measurement::new(BTreeMap::from([(0, ONE), (2, ONE), (8, ONE)])).unwrap();
        let shown = BTreeMap::from([(0, ONE), (1, TWO), (2, TWO)]);
        let expected = vec![
            Difference { index: 2, want: ONE, got: Some(TWO) },
            Difference { index: 8, want: ONE, got: None },
        ];
        assert_eq!(wanted.differences(&shown), expected);
        assert_eq!(wanted.differences(wanted.registers()), vec![]);
    }
}
