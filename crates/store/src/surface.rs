//! The HTTP face of a store: a request as plain values in, a response as plain values out.
//!
//! Decided here: the Loki and Tempo APIs as their clients use them, and an endpoint of our own that
//! keeps order, so that whatever carries HTTP (a server outside, the attested channel inside)
//! answers the same.
//! Refused here: an HTTP library, content encodings, identities; the caller has dealt with them.
//! What a request may use is in its [`Asker`].

mod detected;
mod error;
mod loki;
mod names;
mod native;
mod parameters;
mod push;
mod tail;
mod tempo;
mod time;
mod volume;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use lucarne_logql::Mode;

use self::error::Refusal;
use self::parameters::Parameters;
pub(crate) use self::push::read_push;
pub use self::push::{Doors, complete, push};
pub use self::tail::{Polled, Tailing};
use crate::engine::Engine;
use crate::engine::answer::json::Labels;
use crate::engine::limits::{Cancel, Limits};
use crate::engine::source::Source;
use crate::trace::TraceSource;

/// A request whose body is complete and has no content encoding any more.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// The path, still percent-encoded.
    pub path: &'a str,
    /// What follows the question mark, or nothing.
    pub query: &'a str,
    /// `Content-Type`, or nothing.
    pub content_type: &'a str,
    /// `Accept`, or nothing.
    pub accept: &'a str,
    /// `X-Loki-Response-Encoding-Flags`, or nothing.
    pub encoding_flags: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// What goes back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Other headers; values may have any characters but control characters.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A value of a form, with percent-encoding and plus signs undone; `None` when it is none.
#[must_use]
pub fn decoded(text: &str) -> Option<String> {
    parameters::decode(text).ok()
}

/// Who asks, when, and what that may cost.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// The limits of the role.
    pub limits: Limits,
    /// Whether extensions of LogQL are taken.
    pub mode: Mode,
    /// Set when the asker goes away.
    pub cancel: &'a Cancel,
    /// The present, in nanoseconds since 1970.
    pub now_ns: i64,
    /// Time since the request came.
    pub elapsed: &'a (dyn Fn() -> Duration + Sync),
}

impl fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asker({:?}, {:?})", self.limits, self.mode)
    }
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const TEXT: &str = "text/plain; charset=utf-8";

impl Response {
    fn json(body: String) -> Self {
        Self { status: 200, content_type: JSON, headers: Vec::new(), body: body.into_bytes() }
    }

    fn text(status: u16, body: &str) -> Self {
        let body = body.as_bytes().to_vec();
        Self { status, content_type: TEXT, headers: Vec::new(), body }
    }

    fn empty() -> Self {
        Self::text(204, "")
    }

    fn with(mut self, header: &'static str, value: &str) -> Self {
        let shown = value.chars().map(|c| if c.is_control() { ' ' } else { c });
        self.headers.push((header, shown.collect()));
        self
    }
}

/// One question on its way to the answer.
struct Call<'a> {
    parameters: Parameters,
    engine: Engine<'a>,
    source: &'a dyn Source,
    traces: &'a dyn TraceSource,
    asker: &'a Asker<'a>,
    labels: Labels,
    /// Whether the asker wants protobuf where there is JSON and protobuf.
    protobuf: bool,
}

/// Answers what reads. A path that only writes is not found here; see [`push`].
#[must_use]
pub fn answer(
    request: &Request<'_>,
    source: &(impl Source + TraceSource),
    asker: &Asker<'_>,
) -> Response {
    let over = || (asker.elapsed)().as_millis() >= u128::from(asker.limits.time_ms);
    let engine = Engine::new(source, asker.limits, asker.cancel, &over, asker.now_ns);
    let answered = Parameters::of(request).and_then(|parameters| {
        if !matches!(request.method, "GET" | "POST") {
            return Err(Refusal::Method);
        }
        let labels = labels_of(request);
        let protobuf = request.accept.starts_with("application/protobuf");
        let traces = source;
        let call = Call { parameters, engine, source, traces, asker, labels, protobuf };
        route(request.path, &call)
    });
    answered.unwrap_or_else(|refusal| refusal.response())
}

/// How the request wants labels written.
fn labels_of(request: &Request<'_>) -> Labels {
    let categorized = request.encoding_flags.split(',').any(|flag| flag.trim() == CATEGORIZE);
    if categorized { Labels::Categorized } else { Labels::Merged }
}

const CATEGORIZE: &str = "categorize-labels";

fn route(path: &str, call: &Call<'_>) -> Result<Response, Refusal> {
    match path {
        "/ready" => return Ok(Response::text(200, "ready\n")),
        "/api/v1/query" => return native::query(call),
        _ => {}
    }
    if let Some(rest) = path.strip_prefix("/api/") {
        return tempo::route(rest, call);
    }
    let Some(rest) = path.strip_prefix("/loki/api/v1/") else { return Err(Refusal::NotFound) };
    let parts: Vec<&str> = rest.split('/').collect();
    match *parts.as_slice() {
        ["query"] => loki::query(call),
        ["query_range"] => loki::query_range(call),
        ["format_query"] => loki::format_query(call),
        ["patterns"] => Ok(Response::json(r#"{"status":"success","data":[]}"#.to_owned())),
        ["status", "buildinfo"] => Ok(loki::build_info()),
        ["drilldown-limits"] => Ok(loki::drilldown_limits(call)),
        ["labels" | "label"] => names::labels(call),
        ["label", name, "values"] => names::values(call, &parameters::decode(name)?),
        ["series"] => names::series(call),
        ["detected_labels"] => names::detected_labels(call),
        ["detected_fields"] => detected::fields(call),
        ["detected_field", name, "values"] => detected::values(call, &parameters::decode(name)?),
        ["index", "stats"] => volume::stats(call),
        ["index", "volume"] => volume::instant(call),
        ["index", "volume_range"] => volume::range(call),
        _ => Err(Refusal::NotFound),
    }
}
