//! Log records and numbers: `recent`, `logs` and `logql`.
//!
//! Rows are one JSON object a line with the line as it was received, the labels of its stream, its
//! metadata (attributes, with names as labels have them) and what the query's stages made. Numbers
//! are one document, the body of Loki's `query_range`.

use std::time::Instant;

use lucarne_logql::ast::{LineFilter, LineMatch, LineOp, LogQuery, Query, Selector, Stage};
use lucarne_logql::{Mode, Parsed, parse, parse_filter};
use lucarne_store::Store;
use lucarne_store::engine::answer::json::{self, Labels, write_string};
use lucarne_store::engine::answer::{Answer, Data, Row};
use lucarne_store::engine::error::QueryError;
use lucarne_store::engine::limits::{Cancel, Limits};
use lucarne_store::engine::source::Direction;
use lucarne_store::engine::{Engine, RangeAsk};

use super::allowed::Allowed;
use crate::channel::answers::{AnswerError, Rows, Stop};
use crate::channel::permit::Permit;
use crate::channel::session::SEARCH;
use crate::clock::{Clock as _, SystemClock};

/// The newest records whose line contains the text of the query.
pub(super) fn recent(store: &Store, permit: &Permit, rows: &mut Rows) -> Result<(), AnswerError> {
    let text = &permit.query().text;
    let needle =
        LineFilter { op: LineOp::Contains, alternatives: vec![LineMatch::Text(text.clone())] };
    let stages = if text.is_empty() { Vec::new() } else { vec![Stage::LineFilter(needle)] };
    let query = Parsed { canonical: String::new(), query: everything(stages), rewritten: false };
    ask(store, permit, &query, Direction::Backward, rows)
}

/// Records for which a filter holds, in order of time.
pub(super) fn logs(store: &Store, permit: &Permit, rows: &mut Rows) -> Result<(), AnswerError> {
    let text = &permit.query().text;
    let stages = if text.is_empty() { Ok(Vec::new()) } else { parse_filter(text) };
    let stages = stages.map_err(|error| AnswerError::Malformed(error.to_string()))?;
    let query = Parsed { canonical: String::new(), query: everything(stages), rewritten: false };
    ask(store, permit, &query, Direction::Forward, rows)
}

/// A query of LogQL with the extensions; the newest lines first, as Loki has them.
pub(super) fn logql(store: &Store, permit: &Permit, rows: &mut Rows) -> Result<(), AnswerError> {
    let query = parse(&permit.query().text, Mode::Extended);
    let query = query.map_err(|error| AnswerError::Malformed(error.to_string()))?;
    ask(store, permit, &query, Direction::Backward, rows)
}

const fn everything(stages: Vec<Stage>) -> Query {
    let selector = Selector { matchers: Vec::new() };
    Query::Log(LogQuery { selector, stages, pipes: Vec::new() })
}

fn ask(
    store: &Store,
    permit: &Permit,
    query: &Parsed,
    direction: Direction,
    rows: &mut Rows,
) -> Result<(), AnswerError> {
    let began = Instant::now();
    let now_ns = now_ns();
    let allowed = Allowed::new(store, permit.streams(), permit.span_ns_max(), now_ns);
    let (cancel, over) = (Cancel::default(), || rows.check().is_err());
    let engine = Engine::new(&allowed, limits(permit), &cancel, &over, now_ns);
    let answer = run(&engine, permit, &query.query, direction, now_ns);
    let answer = answer.map_err(|error| match error {
        _ if allowed.went_too_far() => too_far(permit),
        QueryError::Exceeded(limit) => AnswerError::TooMuch(limit),
        QueryError::Cancelled => AnswerError::Stop(Stop::Gone),
        QueryError::Scan(_) => AnswerError::Failed("the store cannot be read"),
        error => AnswerError::Malformed(error.to_string()),
    })?;
    match &answer.data {
        Data::Streams(found) => {
            let mut line = String::new();
            for row in &found.rows {
                line.clear();
                write_row(&mut line, row);
                rows.row(line.as_bytes())?;
            }
        }
        Data::Matrix(_) | Data::Vector(_) | Data::Scalar { .. } => {
            let asked = query.rewritten.then(|| format!("asked as {}", query.canonical));
            let asked: Vec<String> = asked.into_iter().collect();
            let mut document = json::query(&answer, Labels::Merged, &asked, began.elapsed());
            document.push('\n');
            rows.write(document.as_bytes())?;
            rows.counted(answer.stats.returned);
        }
    }
    answer.partial.first().map_or(Ok(()), |why| Err(Stop::Incomplete(*why).into()))
}

fn run(
    engine: &Engine<'_>,
    permit: &Permit,
    query: &Query,
    direction: Direction,
    now_ns: i64,
) -> Result<Answer, QueryError> {
    let asked = permit.query();
    let [start_ns, end_ns] = [asked.from_ns, asked.to_ns].map(nanoseconds);
    if let Query::Metric(_) = query {
        let end_ns = end_ns.min(now_ns);
        if end_ns <= start_ns {
            return engine.query_instant(query, end_ns);
        }
        let step_ns = RangeAsk::default_step_ns(start_ns, end_ns);
        // The last point is the end of the period: who asks wants to know how it is now.
        let steps = end_ns.saturating_sub(start_ns) / step_ns;
        let start_ns = end_ns.saturating_sub(steps.saturating_mul(step_ns));
        let ask = RangeAsk { start_ns, end_ns, step_ns, limit: 0, direction };
        return engine.query_range(query, &ask);
    }
    // One row more than may be shown tells whether there are more.
    let limit = permit.rows_max().saturating_add(1);
    engine.query_range(query, &RangeAsk { start_ns, end_ns, step_ns: 1, limit, direction })
}

pub(super) fn limits(permit: &Permit) -> Limits {
    let time_ms = u64::try_from(SEARCH.as_millis()).unwrap_or(u64::MAX);
    let rows = permit.rows_max().saturating_add(1);
    Limits { rows, series: Limits::STANDARD.series.min(rows), time_ms, ..Limits::STANDARD }
}

pub(super) fn too_far(permit: &Permit) -> AnswerError {
    let hours = permit.span_ns_max() / 3_600_000_000_000;
    let text = format!("the query looks further back than {hours} h; shorten its windows");
    AnswerError::Malformed(text)
}

/// Nanoseconds as the store counts them; the largest number is "to the newest" there too.
pub(super) fn nanoseconds(asked: u64) -> i64 {
    i64::try_from(asked).unwrap_or(i64::MAX)
}

pub(super) fn now_ns() -> i64 {
    nanoseconds(SystemClock.now_ms().saturating_mul(1_000_000))
}

fn write_row(out: &mut String, row: &Row) {
    out.push_str("{\"time_unix_nano\":\"");
    out.push_str(&row.time_ns.to_string());
    out.push_str("\",\"line\":");
    write_string(out, &row.line);
    write_pairs(out, "labels", row.stream.iter());
    for (name, pairs) in [("metadata", &row.metadata), ("parsed", &row.parsed)] {
        if !pairs.is_empty() {
            write_pairs(out, name, pairs.iter().map(|(name, value)| (&**name, &**value)));
        }
    }
    out.push_str("}\n");
}

fn write_pairs<'a>(out: &mut String, name: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":{");
    for (at, (name, value)) in pairs.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        write_string(out, value);
    }
    out.push('}');
}
