//! What a query answers with, before it is written for anybody.
//!
//! An answer says what it cost and what it lacks: with anything in [`Answer::partial`] it is not
//! the whole truth, and whoever shows it must say so.

pub mod json;

use std::fmt;
use std::sync::Arc;

use lucarne_logql::labels::LabelSet;

use super::limits::Exceeded;
use super::source::{Direction, Unreadable};

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What was asked for.
    pub data: Data,
    /// Why it may lack something; empty: it lacks nothing.
    pub partial: Vec<Partial>,
    /// What it cost.
    pub stats: Stats,
}

/// The four shapes of an answer.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the shapes of the Loki API")]
pub enum Data {
    /// Lines.
    Streams(Rows),
    /// Numbers at every step, by series in label order.
    Matrix(Vec<Series>),
    /// Numbers at one instant.
    Vector(Vec<Point>),
    /// One number without labels.
    Scalar {
        /// The instant of the query.
        time_ns: i64,
        /// The number.
        value: f64,
    },
}

/// Rows in the order of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// In this order.
    pub rows: Vec<Row>,
    /// What the order is.
    pub order: Order,
}

/// The order of rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "rows are in order of time or of a pipe")]
pub enum Order {
    /// Of time; those of one instant in the source's stable order, or its reverse.
    Time(Direction),
    /// Of a `sort by` or `top` pipe. Loki's clients sort by time again and lose it.
    Pipe,
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// The line as the pipeline left it.
    pub line: String,
    /// What is left of the labels of its stream.
    pub stream: Arc<LabelSet>,
    /// Structured metadata, by name.
    pub metadata: Vec<(String, String)>,
    /// What stages made, by name; after a `fields` pipe in the order of the pipe.
    pub parsed: Vec<(String, String)>,
}

impl Row {
    /// The value of a field: `_line`, `_time` (nanoseconds) or a label; missing is empty.
    #[must_use]
    pub fn field(&self, name: &str) -> std::borrow::Cow<'_, str> {
        let own = |pairs: &'_ [(String, String)]| pairs.iter().position(|(have, _)| have == name);
        let found = own(&self.parsed)
            .and_then(|at| self.parsed.get(at))
            .or_else(|| own(&self.metadata).and_then(|at| self.metadata.get(at)))
            .map(|(_, value)| value.as_str())
            .or_else(|| self.stream.get(name));
        match (found, name) {
            (Some(value), _) => value.into(),
            (None, "_line") => self.line.as_str().into(),
            (None, "_time") => self.time_ns.to_string().into(),
            (None, _) => "".into(),
        }
    }

    /// All its labels together.
    #[must_use]
    pub fn labels(&self) -> LabelSet {
        let own = self.parsed.iter().chain(&self.metadata);
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        LabelSet::from_pairs(own.chain(self.stream.iter()))
    }

    /// About what it occupies.
    pub(super) fn bytes(&self) -> usize {
        let pairs = self.metadata.iter().chain(&self.parsed);
        let text = |(name, value): &(String, String)| {
            name.len().saturating_add(value.len()).saturating_add(size_of::<(String, String)>())
        };
        pairs
            .map(text)
            .fold(size_of::<Self>().saturating_add(self.line.len()), usize::saturating_add)
    }
}

/// A series of a range answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: LabelSet,
    /// Time in nanoseconds and value, where it has one.
    pub points: Vec<(i64, f64)>,
}

/// A series of an instant answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its labels.
    pub labels: LabelSet,
    /// The instant of the query.
    pub time_ns: i64,
    /// Its value.
    pub value: f64,
}

/// Why an answer may lack something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Partial {
    /// The query was stopped by a limit; what was found until then is right, and first.
    Stopped(Exceeded),
    /// Blocks could not be read.
    Unreadable(Unreadable),
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(exceeded) => write!(f, "partial answer: {exceeded}"),
            Self::Unreadable(blocks) => {
                write!(f, "partial answer: {blocks}")
            }
        }
    }
}

/// What a query cost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Entries that were shown to the query.
    pub entries: u64,
    /// Bytes that were decoded.
    pub bytes: u64,
    /// Rows or points of the answer.
    pub returned: u64,
    /// The most working memory at once.
    pub memory_bytes: u64,
    /// Streams that matched, over all scans.
    pub streams: u64,
    /// Blocks decoded and blocks passed over.
    pub blocks: (u64, u64),
}
