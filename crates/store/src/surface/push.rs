//! What comes in: Loki's push, as JSON and as protobuf, and OTLP.
//!
//! A push is read whole before any of it is kept. Loki gives every stream a `service_name` and
//! every entry a `detected_level`, and Grafana relies on both, so they are added here, too, unless
//! the store is to keep what it is sent as it is.

mod json;
mod level;
mod protobuf;

use std::fmt;

use lucarne_logql::ParseError;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::{WireError, Writer};

pub use self::level::complete;
use super::{Request, Response};
use crate::ingest::{IngestError, Ingested, Row};
use crate::store::Store;

/// Where pushes go.
#[derive(Clone, Copy, Debug)]
pub struct Doors<'a> {
    /// Logs and spans.
    pub store: &'a Store,
    /// Rows of Loki's push get no label and no metadata that they did not come with.
    pub as_pushed: bool,
}

/// Why a push was not taken.
#[derive(Debug)]
pub(super) enum PushError {
    /// It is not the JSON of a push.
    Json(&'static str),
    /// It is no OTLP.
    OtlpJson(lucarne_otlp::json::JsonError),
    /// It is no protobuf of a push.
    Wire(WireError),
    /// The labels of a stream are no selector of equalities.
    Labels(ParseError),
    /// The labels of a stream compare.
    Matchers,
    /// A time is no 64-bit number of nanoseconds.
    Time,
    /// The store did not take it.
    Ingest(IngestError),
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(expected) => write!(f, "the push is not JSON as expected: {expected}"),
            Self::OtlpJson(error) => write!(f, "the request is no OTLP/JSON: {error}"),
            Self::Wire(error) => write!(f, "the request cannot be decoded: {error}"),
            Self::Labels(error) => write!(f, "the labels of a stream: {error}"),
            Self::Matchers => f.write_str("the labels of a stream must be name=\"value\""),
            Self::Time => f.write_str("a time must be a number of nanoseconds since 1970"),
            Self::Ingest(error) => error.fmt(f),
        }
    }
}

impl PushError {
    fn response(&self) -> Response {
        let status = if let Self::Ingest(IngestError::NotDurable(_)) = self { 503 } else { 400 };
        Response::text(status, &format!("{self}\n"))
    }
}

impl From<WireError> for PushError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// Takes a push, or `None` when nothing is pushed at this path. `now_ns` is for records without a
/// time.
#[must_use]
pub fn push(request: &Request<'_>, doors: &Doors<'_>, now_ns: i64) -> Option<Response> {
    let take: fn(&Request<'_>, &Doors<'_>, i64) -> Result<Response, PushError> = match request.path
    {
        "/loki/api/v1/push" => take_rows,
        "/otlp/v1/logs" | "/v1/logs" => take_logs,
        "/v1/traces" => take_traces,
        _ => return None,
    };
    if request.method != "POST" {
        return Some(Response::text(405, "405 method not allowed\n"));
    }
    Some(take(request, doors, now_ns).unwrap_or_else(|error| error.response()))
}

fn take_rows(request: &Request<'_>, doors: &Doors<'_>, now_ns: i64) -> Result<Response, PushError> {
    let rows = rows(request, doors.as_pushed)?;
    let taken = doors.store.append(&rows, now_ns).map_err(PushError::Ingest)?;
    Ok(loki_response(&taken))
}

fn take_logs(request: &Request<'_>, doors: &Doors<'_>, now_ns: i64) -> Result<Response, PushError> {
    let body = otlp(request, Signal::Logs)?;
    let taken = doors.store.ingest_logs(&body, now_ns).map_err(PushError::Ingest)?;
    if request.path == "/otlp/v1/logs" {
        return Ok(loki_response(&taken));
    }
    Ok(otlp_response(request, "rejectedLogRecords", taken.left_out()))
}

fn take_traces(
    request: &Request<'_>,
    doors: &Doors<'_>,
    now_ns: i64,
) -> Result<Response, PushError> {
    let body = otlp(request, Signal::Traces)?;
    let taken = doors.store.ingest_spans(&body, now_ns).map_err(PushError::Ingest)?;
    Ok(otlp_response(request, "rejectedSpans", taken.refused))
}

fn rows(request: &Request<'_>, as_pushed: bool) -> Result<Vec<Row>, PushError> {
    let mut rows =
        if is_json(request) { json::rows(request.body)? } else { protobuf::rows(request.body)? };
    if !as_pushed {
        rows.iter_mut().for_each(complete);
    }
    Ok(rows)
}

/// Reads bytes in both forms and says how many rows each has, for the fuzz target.
pub(crate) fn read_push(data: &[u8]) -> [Option<usize>; 2] {
    let count = |read: Result<Vec<Row>, PushError>| {
        let mut rows = read.ok()?;
        rows.iter_mut().for_each(complete);
        Some(rows.len())
    };
    [count(json::rows(data)), count(protobuf::rows(data))]
}

fn is_json(request: &Request<'_>) -> bool {
    request.content_type.starts_with("application/json")
}

/// What was left out is said, although the rest was kept: as Loki does.
fn loki_response(taken: &Ingested) -> Response {
    let (long, refused) = (taken.lines_too_long, taken.streams_refused);
    if taken.left_out() == 0 {
        return Response::empty();
    }
    let text = format!(
        "{long} lines are longer than {} bytes, {refused} have one stream too many; the others \
         were kept\n",
        crate::block::VALUE_BYTES_MAX
    );
    Response::text(400, &text)
}

/// A success, in the encoding of the request, with what was left out (OTLP, "Partial Success"):
/// `partial_success` (1) with the number (1) and a message (2).
fn otlp_response(request: &Request<'_>, number: &str, rejected: u64) -> Response {
    if is_json(request) {
        let partial = format!(r#""{number}":"{rejected}","errorMessage":"{REJECTED}""#);
        let whole = format!(r#"{{"partialSuccess":{{{partial}}}}}"#);
        return Response::json(if rejected > 0 { whole } else { "{}".to_owned() });
    }
    let mut body = Vec::new();
    if rejected > 0 {
        Writer::new(&mut body).message(1, |partial| {
            partial.varint(1, rejected);
            partial.bytes(2, REJECTED.as_bytes());
        });
    }
    Response { content_type: "application/x-protobuf", body, ..Response::text(200, "") }
}

const REJECTED: &str = "too long, of one stream too many, or without ids of the right length";

fn otlp(request: &Request<'_>, signal: Signal) -> Result<Vec<u8>, PushError> {
    if !is_json(request) {
        return Ok(request.body.to_vec());
    }
    let mut out = Vec::new();
    lucarne_otlp::json::to_protobuf(signal, request.body, &mut out).map_err(PushError::OtlpJson)?;
    Ok(out)
}
