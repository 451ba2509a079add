//! Queries as types: what the parser makes, the printer prints and the engine evaluates.
//!
//! Every node owns its strings and compares by value. Numbers are finite: the parser refuses what
//! a `f64` cannot hold, so that equality of trees is an equivalence. Chains of one kind (`and`,
//! `or`) are flat, so that no query of allowed length makes a deep tree out of a long list.

mod metric;
mod pipe;
mod stage;

use alloc::string::String;
use alloc::vec::Vec;

pub use metric::{
    Binary, BinaryOp, Conversion, Group, GroupSide, Grouping, LabelReplace, Metric,
    RangeAggregation, RangeOp, Sort, Unwrap, VectorAggregation, VectorMatching, VectorOp,
    WHOLE_RANGE,
};
pub use pipe::{Pipe, SortKey};
pub use stage::{
    CompareOp, Extraction, LabelFilter, LabelFormat, LabelFormatValue, LabelSelector, LabelTest,
    LabelValue, LineFilter, LineMatch, LineOp, Stage,
};

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Answers with log lines.
    Log(LogQuery),
    /// Answers with numbers.
    Metric(Metric),
}

impl Query {
    /// Whether any LogQL server would take the canonical spelling: no extension pipe and no
    /// window that spans the whole range.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        match self {
            Self::Log(query) => query.pipes.is_empty(),
            Self::Metric(metric) => metric.is_standard(),
        }
    }
}

/// Streams, what is done with each line, and what is done with the rows of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct LogQuery {
    /// Which streams are read.
    pub selector: Selector,
    /// What happens to each line, in order.
    pub stages: Vec<Stage>,
    /// Extension: what happens to the rows together, in order. Empty inside of a [`Metric`].
    pub pipes: Vec<Pipe>,
}

/// `{a="b", c!="d"}`. A parsed query has at least one matcher that the empty string fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// All of them must hold.
    pub matchers: Vec<Matcher>,
}

/// One condition on a label of a stream; a label that is absent counts as the empty string.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matcher {
    /// Name of the label.
    pub name: String,
    /// How it is compared.
    pub op: MatchOp,
    /// A literal, or the text of a Go regular expression that must match the whole value.
    pub value: String,
}

/// How a string is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `=~`, anchored at both ends
    Re,
    /// `!~`, anchored at both ends
    Nre,
}

impl MatchOp {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Re => "=~",
            Self::Nre => "!~",
        }
    }

    /// Whether the value is a regular expression.
    #[must_use]
    pub fn is_regex(self) -> bool {
        matches!(self, Self::Re | Self::Nre)
    }
}
