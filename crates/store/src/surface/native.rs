//! Our own endpoint: one JSON object a line, in the order of the answer.
//!
//! Clients of the Loki API sort rows by time; here what a pipe ordered stays ordered. With `time`
//! a query is asked for that instant, else over a range.

use std::fmt::Write as _;

use lucarne_logql::ast::Query;
use lucarne_logql::go_number::format_float;
use lucarne_logql::labels::LabelSet;

use super::error::Refusal;
use super::loki::mark;
use super::{Call, NDJSON, Response};
use crate::engine::answer::json::write_string;
use crate::engine::answer::{Data, Row};

pub(super) fn query(call: &Call<'_>) -> Result<Response, Refusal> {
    let parsed = call.query()?;
    let answer = match (&parsed.query, call.parameters.instant("time")?) {
        (Query::Metric(_), Some(time_ns)) => call.engine.query_instant(&parsed.query, time_ns)?,
        (Query::Metric(_) | Query::Log(_), _) => call.over_range(&parsed.query)?,
    };
    let mut out = String::new();
    match &answer.data {
        Data::Streams(rows) => rows.rows.iter().for_each(|row| write_row(&mut out, row)),
        Data::Matrix(series) => {
            for series in series {
                for &(time_ns, value) in &series.points {
                    write_point(&mut out, time_ns, &series.labels, value);
                }
            }
        }
        Data::Vector(points) => {
            points.iter().for_each(|p| write_point(&mut out, p.time_ns, &p.labels, p.value));
        }
        Data::Scalar { time_ns, value } => {
            write_point(&mut out, *time_ns, &LabelSet::new(), *value);
        }
    }
    let response = Response { content_type: NDJSON, ..Response::json(out) };
    Ok(mark(response, &parsed, &answer))
}

fn write_row(out: &mut String, row: &Row) {
    let _ = write!(out, r#"{{"time":"{}","line":"#, row.time_ns);
    write_string(out, &row.line);
    out.push_str(r#","labels":"#);
    write_labels(out, &row.labels());
    out.push_str("}\n");
}

fn write_point(out: &mut String, time_ns: i64, labels: &LabelSet, value: f64) {
    let _ = write!(out, r#"{{"time":"{time_ns}","labels":"#);
    write_labels(out, labels);
    let _ = writeln!(out, r#","value":"{}"}}"#, format_float(value));
}

fn write_labels(out: &mut String, labels: &LabelSet) {
    let mut separator = '{';
    for (name, value) in labels.iter() {
        out.push(separator);
        write_string(out, name);
        out.push(':');
        write_string(out, value);
        separator = ',';
    }
    out.push_str(if separator == '{' { "{}" } else { "}" });
}
