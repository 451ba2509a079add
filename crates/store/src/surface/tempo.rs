//! Tempo's API as Grafana uses it: traces by id, search by TraceQL or tags, names and values of
//! attributes, and numbers over time.
//!
//! Written from its documentation. A search is exact: of all traces in the range it gives those
//! that began last, and says so when a limit of the asker cut it short.

mod json;
mod metrics;
mod search;
mod tags;
mod whole;

use lucarne_logql::traceql;
use lucarne_logql::traceql::ast::{Pipeline, Query, Spanset, Stage};

use super::error::Refusal;
use super::parameters::{QUERY_SINCE_NS, decode};
use super::{Call, Response};
use crate::engine::error::QueryError;
use crate::engine::limits::{Limit, Meter, Stop};
use crate::engine::source::{ScanError, TimeRange};
use crate::trace::traceql::Program;

/// Answers a path below `/api/`.
pub(super) fn route(path: &str, call: &Call<'_>) -> Result<Response, Refusal> {
    let parts: Vec<&str> = path.split('/').collect();
    match *parts.as_slice() {
        ["echo"] => Ok(Response::text(200, "echo")),
        ["status", "buildinfo"] => Ok(build_info()),
        ["traces", id] => whole::v1(call, id),
        ["v2", "traces", id] => whole::v2(call, id),
        ["search"] => search::search(call),
        ["search", "tags"] => tags::names_v1(call),
        ["v2", "search", "tags"] => tags::names_v2(call),
        ["search", "tag", tag, "values"] => tags::values_v1(call, &decode(tag)?),
        ["v2", "search", "tag", tag, "values"] => tags::values_v2(call, &decode(tag)?),
        ["metrics", "query_range"] => metrics::range(call),
        ["metrics", "query"] => metrics::instant(call),
        _ => Err(Refusal::NotFound),
    }
}

/// Grafana reads the version to know what it may ask for: what Tempo 2.6 can do is there.
fn build_info() -> Response {
    Response::json(format!(
        concat!(
            r#"{{"version":"2.6.0","revision":"lucarne-{}","branch":"","buildUser":"","#,
            r#""buildDate":"","goVersion":""}}"#
        ),
        env!("CARGO_PKG_VERSION")
    ))
}

/// Spans of everything.
fn everything() -> Query {
    let pipeline = Pipeline { stages: vec![Stage::Spans(Spanset::Filter(None))] };
    Query { pipeline, metric: None }
}

impl Call<'_> {
    /// The parameter `q` as a program; `None` when there is none.
    fn traceql(&self) -> Result<Option<Program>, Refusal> {
        let Some(text) = self.parameters.get("q").or(self.parameters.get("query")) else {
            return Ok(None);
        };
        Ok(Some(Program::new(traceql::parse(text)?)?))
    }

    /// `start` and `end` with `since`; the last hour by default.
    fn trace_range(&self) -> Result<TimeRange, Refusal> {
        self.parameters.range(QUERY_SINCE_NS, self.asker.now_ns)
    }

    /// Runs `ask` under the limits of the asker; with the answer, why it was cut short if it was.
    fn metered<T>(
        &self,
        ask: impl FnOnce(&Meter<'_>) -> Result<T, Refusal>,
    ) -> Result<(T, Option<String>), Refusal> {
        let limits = self.asker.limits;
        let over = || (self.asker.elapsed)().as_millis() >= u128::from(limits.time_ms);
        let meter = Meter::new(limits, self.asker.cancel, &over);
        let answer = ask(&meter)?;
        match meter.stopped() {
            None => Ok((answer, None)),
            Some(Stop::Exceeded(at)) if !matches!(at.limit, Limit::Memory | Limit::Series) => {
                Ok((answer, Some(format!("partial answer: {at}"))))
            }
            Some(stop) => Err(stop.into()),
        }
    }
}

/// What was stored and cannot be read.
fn damaged() -> Refusal {
    let what = "a kept span cannot be read".to_owned();
    Refusal::Query(QueryError::Scan(ScanError::Index { what }))
}

/// Says in a header that an answer lacks something.
fn marked(response: Response, partial: Option<String>, unreadable: bool) -> Response {
    match (partial, unreadable) {
        (Some(why), _) => response.with("lucarne-partial", &why),
        (None, true) => {
            response.with("lucarne-partial", "partial answer: a block could not be read")
        }
        (None, false) => response,
    }
}
