//! Tests of the engine: written queries with their results, limits, the wire, and a slow model
//! that random queries over random lines must agree with.

mod limits;
mod model;
mod property;
mod queries;
mod tail;
mod vec_source;
mod wire;

use lucarne_logql::ast::Query;
use lucarne_logql::{Mode, parse};

use super::answer::Answer;
use super::error::QueryError;
use super::limits::{Cancel, Limits};
use super::source::Direction;
use super::{Engine, RangeAsk};
use vec_source::VecSource;

const SECOND: i64 = 1_000_000_000;

#[track_caller]
fn parsed(text: &str) -> Query {
    match parse(text, Mode::Extended) {
        Ok(parsed) => parsed.query,
        Err(error) => panic!("{text}: {error:?}"),
    }
}

/// Runs a query with limits that the test data does not reach.
fn ask(source: &VecSource, query: &Query, when: When) -> Result<Answer, QueryError> {
    let cancel = Cancel::default();
    let engine = Engine::new(source, Limits::STANDARD, &cancel, &|| false, 0);
    match when {
        When::Instant(time_ns) => engine.query_instant(query, time_ns),
        When::Range(range) => engine.query_range(query, &range),
    }
}

#[derive(Clone, Copy, Debug)]
enum When {
    Instant(i64),
    Range(RangeAsk),
}

/// A range in seconds.
fn range(start: i64, end: i64, step: i64, direction: Direction, limit: u64) -> RangeAsk {
    RangeAsk {
        start_ns: start * SECOND,
        end_ns: end * SECOND,
        step_ns: step * SECOND,
        limit,
        direction,
    }
}
