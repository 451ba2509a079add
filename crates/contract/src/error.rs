//! What is wrong with a contract, and where.

use alloc::string::String;
use core::fmt;

/// Why a contract was refused. `Display` is one line: place, key, problem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContractError {
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: u64,
    /// Column, from 1; 0 when the file as a whole is meant.
    pub column: u64,
    /// The key, as a path with dots; empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong at a place of a contract.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// Longer than a person can review.
    TooLong {
        /// Length of the file.
        bytes: usize,
    },
    /// Not YAML, an unknown key, or a value of the wrong kind.
    Yaml {
        /// What the reader of the file says was found and expected.
        detail: String,
    },
    /// A pattern that is not one, or needs too large a table.
    Pattern {
        /// What the parser of patterns says.
        detail: String,
    },
    /// A body pattern that matches too many different texts to be a catalogue entry.
    FreeSlot,
    /// A rule lacks what its type needs.
    Lacks {
        /// The missing key.
        key: &'static str,
    },
    /// A rule has what its type does not know.
    Surplus {
        /// The key that does not belong there.
        key: &'static str,
    },
    /// `min` is above `max`, or a bound is not a number of the rule's type.
    Bounds,
    /// A list or text that must not be empty is.
    Empty,
    /// A name given twice.
    Twice,
    /// More names than a contract may have.
    TooMany {
        /// How many there may be.
        most: usize,
    },
    /// An attribute name that the ledger or the exporters use for themselves.
    Reserved,
    /// A label that has no rule: neither under `labels` nor as a log attribute.
    NoRule,
    /// A text that the contract's own `reject` list refuses.
    Rejected,
    /// A text that is longer than `limits.value_bytes`.
    ValueTooLong,
    /// Not a duration such as `1ms`, `10s`, `5m`.
    Duration,
    /// Not a size such as `4096B`, `64KiB`, `1MiB`.
    Size,
    /// Out of the range of a setting that has a unit.
    Between {
        /// Smallest value.
        least: &'static str,
        /// Largest value.
        most: &'static str,
        /// The step between two values.
        each: &'static str,
    },
    /// A constant egress that would not carry the enclave's own records.
    Rate {
        /// Bytes a second that it has to carry.
        least: u64,
    },
    /// Out of the range of the setting.
    Range {
        /// Smallest value.
        least: u64,
        /// Largest value.
        most: u64,
    },
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        self.problem.fmt(f)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                let most = crate::limits::FILE_BYTES_MAX;
                write!(f, "contract has {bytes} bytes, expected at most {most}")
            }
            Self::Yaml { detail } => f.write_str(detail),
            Self::Pattern { detail } => write!(f, "expected a pattern, found {detail}"),
            Self::FreeSlot => {
                let most = crate::limits::BODY_TEXTS_MAX;
                write!(f, "expected a pattern without a free slot (at most {most} different texts)")
            }
            Self::Lacks { key } => write!(f, "expected the key {key}"),
            Self::Surplus { key } => write!(f, "the key {key} does not belong to this type"),
            Self::Bounds => {
                f.write_str("expected min and max of the rule's type, min not above max")
            }
            Self::Empty => f.write_str("expected it not to be empty"),
            Self::Twice => f.write_str("expected each name once"),
            Self::TooMany { most } => write!(f, "expected at most {most} names"),
            Self::Reserved => f.write_str(
                "expected another name, this one is used by the ledger or the exported line",
            ),
            Self::NoRule => f.write_str(
                "expected a rule for this label, under labels or as a log attribute of its name",
            ),
            Self::Rejected => f.write_str("expected a text that the reject list does not refuse"),
            Self::ValueTooLong => f.write_str("expected a text no longer than limits.value_bytes"),
            Self::Duration => f.write_str("expected a duration such as 1ms, 10s or 5m"),
            Self::Size => f.write_str("expected a size such as 4096B, 64KiB or 1MiB"),
            Self::Between { least, most, each } => {
                write!(f, "expected {least} to {most} in steps of {each}")
            }
            Self::Rate { least } => write!(
                f,
                "expected a frame and an interval that carry at least {least} bytes a second"
            ),
            Self::Range { least, most } => write!(f, "expected a number from {least} to {most}"),
        }
    }
}

impl core::error::Error for ContractError {}
