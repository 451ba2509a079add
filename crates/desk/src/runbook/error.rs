//! What is wrong with a runbook, and where.

use std::fmt;

/// Why a runbook was refused. `Display` is one line: place, step, problem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunbookError {
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: u64,
    /// The step; empty when none is meant.
    pub step: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong at a place of a runbook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Problem {
    /// Longer than people can review.
    TooLong,
    /// Not YAML, an unknown key, or a value of the wrong kind.
    Yaml {
        /// What was found and expected.
        detail: String,
    },
    /// Not a name of small letters, digits and hyphens.
    Name,
    /// No steps, or too many.
    Steps,
    /// A name given twice.
    Twice,
    /// A time, a count or a quorum out of range.
    Range,
    /// A step that is named and is not there, or not where it must be.
    NoSuchStep {
        /// Its name.
        name: String,
    },
    /// An argument names an input that a run is not given.
    NoSuchInput {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for RunbookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.step.is_empty() {
            write!(f, "{}: ", self.step)?;
        }
        match &self.problem {
            Problem::TooLong => write!(f, "expected at most {} bytes", super::FILE_BYTES_MAX),
            Problem::Yaml { detail } => f.write_str(detail),
            Problem::Name => f.write_str("expected a name of a-z, 0-9 and -, up to 64 bytes"),
            Problem::Steps => write!(f, "expected 1 to {} steps", super::STEPS_MAX),
            Problem::Twice => f.write_str("expected each name once"),
            Problem::Range => {
                f.write_str("expected 1 to 86400 seconds, at most 5 retries and a quorum of 1 to 8")
            }
            Problem::NoSuchStep { name } => write!(f, "there is no such step: {name}"),
            Problem::NoSuchInput { name } => write!(f, "there is no such input: {name}"),
        }
    }
}

impl std::error::Error for RunbookError {}
