//! Why a request has no answer, and with which status that is said.
//!
//! Texts are plain, as Loki's: its clients show the body as it is.

use lucarne_logql::ParseError;

use super::Response;
use crate::engine::error::QueryError;
use crate::engine::limits::{Limit, Stop};
use crate::engine::source::ScanError;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// There is nothing at this path.
    NotFound,
    /// The path has no such method.
    Method,
    /// The query string or the form cannot be read.
    Form,
    /// A parameter that is needed is not there.
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A parameter has a value that it cannot have.
    Parameter {
        /// Its name.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// More rows than the role may have.
    TooManyRows {
        /// What was asked for.
        asked: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// The query is no LogQL or TraceQL.
    Parse(ParseError),
    /// There is no such trace.
    NoTrace,
    /// A query for spans where numbers are asked for, or the reverse.
    Kind {
        /// What the query should be.
        expected: &'static str,
    },
    /// The query has no answer.
    Query(QueryError),
}

impl Refusal {
    pub(super) fn response(&self) -> Response {
        let text = match self {
            Self::NotFound => "404 page not found".to_owned(),
            Self::Method => "405 method not allowed".to_owned(),
            Self::Form => "the parameters are not valid: invalid URL escape or text".to_owned(),
            Self::Missing { name } => format!("the parameter {name} is missing"),
            Self::Parameter { name, expected } => format!("{name} must be {expected}"),
            Self::TooManyRows { asked, allowed } => format!(
                "max entries limit per query exceeded, limit > max_entries_limit_per_query \
                 ({asked} > {allowed})"
            ),
            Self::Parse(error) => error.to_string(),
            Self::NoTrace => "trace not found".to_owned(),
            Self::Kind { expected } => format!("the query must be {expected}"),
            Self::Query(error) => error.to_string(),
        };
        Response::text(self.status(), &format!("{text}\n"))
    }

    fn status(&self) -> u16 {
        match self {
            Self::NotFound | Self::NoTrace => 404,
            Self::Method => 405,
            Self::Query(QueryError::Cancelled) => 499,
            Self::Query(QueryError::Exceeded(at)) if at.limit == Limit::Time => 504,
            Self::Query(QueryError::Scan(ScanError::Index { .. })) => 500,
            Self::Form
            | Self::Missing { .. }
            | Self::Parameter { .. }
            | Self::TooManyRows { .. }
            | Self::Parse(_)
            | Self::Kind { .. }
            | Self::Query(_) => 400,
        }
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<ScanError> for Refusal {
    fn from(error: ScanError) -> Self {
        Self::Query(QueryError::Scan(error))
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        Self::Query(stop.into())
    }
}
