//! Why a query has no answer.
//!
//! The texts follow Loki's where its clients show them; each says what to change. A limit that was
//! reached after some of a log answer was found is no error: that answer is marked partial.

use std::fmt;

use lucarne_logql::labels::LabelSet;

use super::limits::{Exceeded, Stop};
use super::source::ScanError;

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum QueryError {
    /// A log query was asked for one instant.
    LogQueryAtInstant,
    /// A query with extension pipes cannot be followed: they need all rows.
    PipesInTail,
    /// The end lies before the start.
    EndBeforeStart,
    /// The step is zero or negative.
    StepNotPositive,
    /// `| count by (x)` needs the range that it counts over, and the question is about an instant.
    WholeRangeAtInstant,
    /// `approx_topk` is defined for one instant only.
    ApproxTopkOverRange,
    /// A set operator with a number on one side.
    SetWithScalar,
    /// A stage, a pattern or a template does not compile (a parsed query never has one).
    Compile {
        /// What the compiler said.
        message: String,
    },
    /// A line that a metric would count carries an error of its pipeline.
    Pipeline {
        /// Value of `__error__`.
        error: String,
        /// The labels of the line.
        series: LabelSet,
    },
    /// Several series of the side that must have one share the matching labels.
    DuplicateSeries {
        /// `left` or `right`.
        side: &'static str,
        /// One of them.
        series: LabelSet,
        /// The labels they share.
        group: LabelSet,
    },
    /// Several series meet one where one to one was asked for.
    ManyToOne {
        /// The labels they share.
        group: LabelSet,
    },
    /// Two results have the same labels.
    SameLabels {
        /// Those labels.
        series: LabelSet,
    },
    /// A limit of the asker's role.
    Exceeded(Exceeded),
    /// Whoever asked went away.
    Cancelled,
    /// The source could not answer.
    Scan(ScanError),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogQueryAtInstant => f.write_str(
                "log queries are not supported as an instant query type, please change your query \
                 to a range query type",
            ),
            Self::PipesInTail => {
                f.write_str("a query with pipes over all rows cannot be followed, leave them out")
            }
            Self::EndBeforeStart => f.write_str("the end must not be before the start"),
            Self::StepNotPositive => f.write_str("the step must be greater than zero"),
            Self::WholeRangeAtInstant => {
                f.write_str("the window [$range] needs a query with a start and an end")
            }
            Self::ApproxTopkOverRange => {
                f.write_str("approx_topk is supported for instant queries only, use topk")
            }
            Self::SetWithScalar => {
                f.write_str("and, or and unless need series on both sides, not a number")
            }
            Self::Compile { message } => write!(f, "the query does not compile: {message}"),
            Self::Pipeline { error, series } => write!(
                f,
                "pipeline error: '{error}' for series: '{series}'; use a label filter to skip \
                 this error on purpose (| __error__!=\"{error}\") or every error (| \
                 __error__=\"\"); it may also follow unwrap (| unwrap latency | __error__=\"\")"
            ),
            Self::DuplicateSeries { side, series, group } => write!(
                f,
                "found duplicate series on the {side} hand-side, one is {series}, for the \
                 matching labels {group}: they must be unique on one side"
            ),
            Self::ManyToOne { group } => write!(
                f,
                "multiple matches for labels {group}: many-to-one matching must be explicit \
                 (group_left/group_right)"
            ),
            Self::SameLabels { series } => {
                write!(f, "two results have the same labels {series}")
            }
            Self::Exceeded(exceeded) => exceeded.fmt(f),
            Self::Cancelled => f.write_str("the query was cancelled"),
            Self::Scan(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for QueryError {}

impl From<ScanError> for QueryError {
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

impl From<Stop> for QueryError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancelled => Self::Cancelled,
            Stop::Exceeded(exceeded) => Self::Exceeded(exceeded),
        }
    }
}
