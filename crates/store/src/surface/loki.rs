//! Loki's queries: at an instant, over a range, and what its clients ask beside them.

use lucarne_logql::ast::Query;
use lucarne_logql::{Mode, Parsed, parse};

use super::error::Refusal;
use super::parameters::QUERY_SINCE_NS;
use super::{Call, Response};
use crate::engine::RangeAsk;
use crate::engine::answer::json::{self, write_string};
use crate::engine::answer::{Answer, Partial};

/// Loki's default for rows.
pub(super) const ROWS_DEFAULT: u64 = 100;

impl Call<'_> {
    /// The parameter `query` as a query of the asker's language.
    pub(super) fn query(&self) -> Result<Parsed, Refusal> {
        Ok(parse(self.parameters.needed("query")?, self.asker.mode)?)
    }

    /// Evaluates over the range of the parameters.
    pub(super) fn over_range(&self, query: &Query) -> Result<Answer, Refusal> {
        let range = self.parameters.range(QUERY_SINCE_NS, self.asker.now_ns)?;
        let step = self.parameters.length("step")?;
        let default = RangeAsk::default_step_ns(range.from_ns, range.to_ns);
        let ask = RangeAsk {
            start_ns: range.from_ns,
            end_ns: range.to_ns,
            step_ns: step.unwrap_or(default),
            limit: self.rows("limit", ROWS_DEFAULT)?,
            direction: self.parameters.direction()?,
        };
        Ok(self.engine.query_range(query, &ask)?)
    }

    /// A number of rows within the asker's limit.
    pub(super) fn rows(&self, name: &'static str, default: u64) -> Result<u64, Refusal> {
        let allowed = self.asker.limits.rows;
        let asked = self.parameters.count(name, default.min(allowed))?;
        if asked > allowed {
            return Err(Refusal::TooManyRows { asked, allowed });
        }
        Ok(asked)
    }

    fn respond(&self, parsed: &Parsed, answer: &Answer) -> Response {
        let rewritten = parsed.rewritten.then(|| format!("evaluated as {}", parsed.canonical));
        let warnings: Vec<String> = rewritten.into_iter().collect();
        let body = json::query(answer, self.labels, &warnings, (self.asker.elapsed)());
        mark(Response::json(body), parsed, answer)
    }
}

/// Says in headers what was evaluated and what the answer lacks.
pub(super) fn mark(response: Response, parsed: &Parsed, answer: &Answer) -> Response {
    let response = response.with("x-query-canonical", &parsed.canonical);
    if answer.partial.is_empty() {
        return response;
    }
    let lacks: Vec<String> = answer.partial.iter().map(Partial::to_string).collect();
    response.with("lucarne-partial", &lacks.join("; "))
}

pub(super) fn query(call: &Call<'_>) -> Result<Response, Refusal> {
    let parsed = call.query()?;
    let time_ns = call.parameters.instant("time")?.unwrap_or(call.asker.now_ns);
    let answer = call.engine.query_instant(&parsed.query, time_ns)?;
    Ok(call.respond(&parsed, &answer))
}

pub(super) fn query_range(call: &Call<'_>) -> Result<Response, Refusal> {
    let parsed = call.query()?;
    let answer = call.over_range(&parsed.query)?;
    Ok(call.respond(&parsed, &answer))
}

pub(super) fn format_query(call: &Call<'_>) -> Result<Response, Refusal> {
    let parsed = parse(call.parameters.needed("query")?, Mode::Extended)?;
    let mut body = String::from(r#"{"status":"success","data":"#);
    write_string(&mut body, &parsed.canonical);
    body.push('}');
    Ok(Response::json(body))
}

/// Grafana reads the version to know what it may ask for: what Loki 3.0 can do is there.
pub(super) fn build_info() -> Response {
    Response::json(format!(
        concat!(
            r#"{{"version":"3.0.0","revision":"lucarne-{}","branch":"","buildUser":"","#,
            r#""buildDate":"","goVersion":""}}"#
        ),
        env!("CARGO_PKG_VERSION")
    ))
}

/// What Grafana's Logs Drilldown asks before anything else.
pub(super) fn drilldown_limits(call: &Call<'_>) -> Response {
    let limits = call.asker.limits;
    Response::json(format!(
        concat!(
            r#"{{"limits":{{"discover_log_levels":true,"discover_service_name":["service_name"],"#,
            r#""log_level_fields":["level"],"max_entries_limit_per_query":{},"#,
            r#""max_query_bytes_read":"{}B","max_query_series":{},"query_timeout":"{}ms","#,
            r#""volume_enabled":true,"volume_max_series":{},"metric_aggregation_enabled":false}},"#,
            r#""pattern_ingester_enabled":false,"version":"3.0.0"}}"#
        ),
        limits.rows, limits.scanned_bytes, limits.series, limits.time_ms, limits.series
    ))
}
