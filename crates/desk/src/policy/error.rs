//! What is wrong with a policy, and where.

use std::fmt;

/// Why a policy was refused. `Display` is one line: place, key, problem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyError {
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: u64,
    /// Column, from 1; 0 when the file as a whole is meant.
    pub column: u64,
    /// The key, as a path with dots; empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong at a place of a policy.
#[derive(Clone, Debug, Eq, PartialEq)]
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
    /// A name that is not of the form that is asked for.
    Name {
        /// The form.
        form: &'static str,
    },
    /// Fewer or more entries than there may be.
    Count {
        /// Fewest.
        least: usize,
        /// Most.
        most: usize,
    },
    /// A name given twice.
    Twice,
    /// Out of the range of the setting.
    Range {
        /// Smallest value.
        least: u64,
        /// Largest value.
        most: u64,
    },
    /// Thresholds are from 0 to 1 and rise from low to high; misses rise.
    Order,
    /// A kind of signal that has no entry.
    KindMissing {
        /// The kind.
        kind: &'static str,
    },
    /// An action that can be undone and does not say how, or one that cannot and does.
    Undo,
    /// An action that cannot be undone and asks for fewer than two people.
    Alone,
}

impl fmt::Display for PolicyError {
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
                let most = super::FILE_BYTES_MAX;
                write!(f, "policy has {bytes} bytes, expected at most {most}")
            }
            Self::Yaml { detail } => f.write_str(detail),
            Self::Name { form } => write!(f, "expected {form}"),
            Self::Count { least, most } => write!(f, "expected {least} to {most} of them"),
            Self::Twice => f.write_str("expected each name once"),
            Self::Range { least, most } => write!(f, "expected a number from {least} to {most}"),
            Self::Order => f.write_str("expected values that rise, risks from 0 to 1"),
            Self::KindMissing { kind } => write!(f, "expected an entry for {kind}"),
            Self::Undo => f.write_str("expected undo of a reversible action, and of no other"),
            Self::Alone => f.write_str("expected two approvals or more of what cannot be undone"),
        }
    }
}

impl std::error::Error for PolicyError {}
