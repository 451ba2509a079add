//! Search: the traces that a query finds, those that began last first.
//!
//! Without `q` the older parameters count: `tags` in logfmt, `minDuration`, `maxDuration`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use lucarne_logql::traceql::ast::{
    Expr, Field, Intrinsic, Op, Query, Scope, Spanset, Stage, Static, Status,
};

use super::json::{key, member, write_attribute};
use super::{Call, Refusal, Response, damaged, everything, marked};
use crate::surface::time;
use crate::trace::traceql::view::{SpanView, TraceView};
use crate::trace::traceql::{Found, Program};
use crate::trace::{Trace, TraceId};

/// Tempo's defaults.
const TRACES_DEFAULT: u64 = 20;
const SPANS_DEFAULT: u64 = 3;
/// Names of the older parameter.
const TAGS_MAX: usize = 32;

/// The results so far, those that began last first.
struct Best {
    traces: BTreeMap<(Reverse<i64>, TraceId), String>,
    limit: usize,
    inspected: u64,
    bytes: u64,
    failed: bool,
}

pub(super) fn search(call: &Call<'_>) -> Result<Response, Refusal> {
    let program = match call.traceql()? {
        Some(program) => program,
        None => Program::new(by_parameters(call)?)?,
    };
    if program.query().metric.is_some() {
        return Err(Refusal::Kind { expected: "one for spans, without numbers over time" });
    }
    let range = call.trace_range()?;
    let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
    let limit = count(call.rows("limit", TRACES_DEFAULT)?);
    let spans = count(call.rows("spss", SPANS_DEFAULT)?);
    let mut best = Best { traces: BTreeMap::new(), limit, inspected: 0, bytes: 0, failed: false };
    let (unreadable, partial) = call.metered(|meter| {
        Ok(call.traces.each_trace(range, meter, &mut |id, trace| {
            let grew = best.look(&program, id, &trace, spans);
            meter.hold(grew)?;
            ControlFlow::Continue(best.since_ns())
        }))
    })?;
    if best.failed {
        return Err(damaged());
    }
    Ok(marked(Response::json(best.finish()), partial, unreadable))
}

impl Best {
    /// Bytes that the answer grew by.
    fn look(&mut self, program: &Program, id: TraceId, trace: &Trace, spans: usize) -> usize {
        self.inspected += 1;
        self.bytes += trace.spans.iter().map(|span| span.span.len() as u64).sum::<u64>();
        let Ok(view) = TraceView::of(id, &trace.spans) else {
            self.failed = true;
            return 0;
        };
        let found = program.run(&view);
        if found.is_empty() {
            return 0;
        }
        let text = write_trace(program, &view, &found, spans);
        let grew = text.len();
        self.traces.insert((Reverse(view.start_ns), id), text);
        if self.traces.len() > self.limit {
            self.traces.pop_last();
        }
        grew
    }

    /// What began before this would not be in the answer.
    fn since_ns(&self) -> i64 {
        let last = self.traces.last_key_value();
        let full = last.filter(|_| self.traces.len() >= self.limit);
        full.map_or(i64::MIN, |((Reverse(start_ns), _), _)| *start_ns)
    }

    fn finish(self) -> String {
        let mut out = String::from(r#"{"traces":["#);
        for (at, text) in self.traces.values().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            out.push_str(text);
        }
        out.push_str(&format!(
            r#"],"metrics":{{"inspectedTraces":{},"inspectedBytes":"{}"}}}}"#,
            self.inspected, self.bytes
        ));
        out
    }
}

/// What Tempo says for the name of a trace without a root.
const NO_ROOT: &str = "<root span not yet received>";

fn write_trace(
    program: &Program,
    view: &TraceView<'_>,
    found: &[Found<'_>],
    spans: usize,
) -> String {
    let mut out = String::from("{");
    let id: String = view.id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    member(&mut out, "traceID", &id);
    let root = view.root_span();
    let service = root.and_then(SpanView::service);
    member(
        &mut out,
        "rootServiceName",
        service.unwrap_or(if root.is_some() { "" } else { NO_ROOT }),
    );
    member(&mut out, "rootTraceName", root.map_or(NO_ROOT, |root| root.span.name));
    member(&mut out, "startTimeUnixNano", &view.start_ns.to_string());
    out.push_str(&format!(r#","durationMs":{}"#, (view.end_ns - view.start_ns) / 1_000_000));
    let mut sets = String::new();
    for (at, set) in found.iter().enumerate() {
        let mut text = String::from("{");
        write_set(&mut text, program, view, set, spans);
        text.push('}');
        if at == 0 {
            // Clients from before there could be more than one.
            key(&mut out, "spanSet");
            out.push_str(&text);
        } else {
            sets.push(',');
        }
        sets.push_str(&text);
    }
    out.push_str(&format!(r#","spanSets":[{sets}],"serviceStats":{{"#));
    let services: BTreeSet<&str> = view.spans.iter().filter_map(SpanView::service).collect();
    for service in services {
        let own = view.spans.iter().filter(|span| span.service() == Some(service));
        let errors = own
            .clone()
            .filter(|span| span.span.status.as_ref().is_some_and(|status| status.code == 2));
        key(&mut out, service);
        let (spans, errors) = (own.count(), errors.count());
        out.push_str(&format!(r#"{{"spanCount":{spans},"errorCount":{errors}}}"#));
    }
    out.push_str("}}");
    out
}

fn write_set(
    out: &mut String,
    program: &Program,
    view: &TraceView<'_>,
    set: &Found<'_>,
    spans: usize,
) {
    key(out, "spans");
    out.push('[');
    for (number, &at) in set.spans.iter().take(spans).enumerate() {
        let Some(span) = view.spans.get(at) else { continue };
        out.push_str(if number > 0 { ",{" } else { "{" });
        let id: String = span.span.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
        member(out, "spanID", &id);
        member(out, "name", span.span.name);
        member(out, "startTimeUnixNano", &span.start_ns.to_string());
        member(out, "durationNanos", &(span.end_ns - span.start_ns).to_string());
        let shown = program.shown(view, at);
        if !shown.is_empty() {
            key(out, "attributes");
            out.push('[');
            for (number, (name, value)) in shown.iter().enumerate() {
                out.push_str(if number > 0 { "," } else { "" });
                write_attribute(out, name, value);
            }
            out.push(']');
        }
        out.push('}');
    }
    out.push_str(&format!(r#"],"matched":{}"#, set.spans.len()));
    if !set.by.is_empty() {
        key(out, "attributes");
        out.push('[');
        for (number, (name, value)) in set.by.iter().enumerate() {
            out.push_str(if number > 0 { "," } else { "" });
            match value {
                Some(value) => write_attribute(out, name, value),
                None => {
                    out.push('{');
                    member(out, "key", name);
                    out.push_str(r#","value":{"stringValue":"nil"}}"#);
                }
            }
        }
        out.push(']');
    }
}

/// A query out of `tags`, `minDuration` and `maxDuration`: all of them have to hold.
fn by_parameters(call: &Call<'_>) -> Result<Query, Refusal> {
    let mut query = everything();
    let text = call.parameters.get("tags").unwrap_or_default();
    let expected = "logfmt, as in service.name=x error=true";
    let tags = tags(text).ok_or(Refusal::Parameter { name: "tags", expected })?;
    let mut conditions: Vec<Expr> = tags.iter().map(|(name, value)| tag(name, value)).collect();
    for (name, op) in [("minDuration", Op::Ge), ("maxDuration", Op::Le)] {
        let expected = "a duration";
        if let Some(text) = call.parameters.get(name) {
            let length = time::length(text).ok_or(Refusal::Parameter { name, expected })?;
            let length = Expr::Static(Static::Duration(length));
            conditions.push(binary(op, field(Intrinsic::TraceDuration), length));
        }
    }
    let all = conditions.into_iter().reduce(|one, other| binary(Op::And, one, other));
    query.pipeline.stages = vec![Stage::Spans(Spanset::Filter(all))];
    Ok(query)
}

fn binary(op: Op, left: Expr, right: Expr) -> Expr {
    Expr::Binary { op, left: Box::new(left), right: Box::new(right) }
}

const fn field(intrinsic: Intrinsic) -> Expr {
    Expr::Field(Field::Intrinsic(intrinsic))
}

/// `name=value "other name"="a \"b\""`.
fn tags(text: &str) -> Option<Vec<(String, String)>> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if out.len() == TAGS_MAX {
            return None;
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted)?,
            None => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                let (value, after) = after.split_at_checked(end)?;
                (value.to_owned(), after)
            }
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return None;
        }
        out.push((name.trim_matches('"').to_owned(), value));
        rest = after.trim_start();
    }
    Some(out)
}

fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, text.get(at + 1..)?)),
            '\\' => out.push(chars.next()?.1),
            c => out.push(c),
        }
    }
    None
}

/// A tag has no type: what looks like a number or a truth may be one, or a text.
fn tag(name: &str, value: &str) -> Expr {
    let text = || Expr::Static(Static::Text(value.to_owned()));
    let known = match name {
        "name" => Some(Intrinsic::Name),
        "root.name" => Some(Intrinsic::RootName),
        "root.service.name" => Some(Intrinsic::RootService),
        _ => None,
    };
    if let Some(intrinsic) = known {
        return binary(Op::Eq, field(intrinsic), text());
    }
    let status = Status::ALL.into_iter().find(|status| status.as_str() == value);
    let status = status.filter(|_| name == "status.code" || name == "status");
    if let Some(status) = status.or((name == "error" && value == "true").then_some(Status::Error)) {
        return binary(Op::Eq, field(Intrinsic::Status), Expr::Static(Static::Status(status)));
    }
    let attribute =
        || Expr::Field(Field::Attribute { parent: false, scope: Scope::Any, name: name.into() });
    let whole = value.parse().ok().map(Static::Int);
    let truth = || value.parse().ok().map(Static::Bool);
    let equal = binary(Op::Eq, attribute(), text());
    match whole.or_else(truth) {
        Some(other) => binary(Op::Or, equal, binary(Op::Eq, attribute(), Expr::Static(other))),
        None => equal,
    }
}
