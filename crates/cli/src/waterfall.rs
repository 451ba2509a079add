//! A trace as rows of a picture: where each bar begins and ends, what is beside it, what is said
//! below it.
//!
//! Terminal and SVG draw the same rows. Texts come from a workload, so each writer makes them
//! harmless for what it writes: nothing here reaches a terminal or a page as it is.

pub mod json;
pub mod svg;
pub mod terminal;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;

use lucarne_ledger::hash::from_hex;
use lucarne_otlp::display::value_to_json;
use lucarne_otlp::view::{KeyValue, Repeated, Resource, Span, View as _};
use lucarne_otlp::wire::WireError;
use lucarne_store::trace::tree::{self, Node};
use lucarne_store::trace::{StoredSpan, TraceId, read_spans};

/// A trace that can be drawn.
#[derive(Debug)]
pub struct Waterfall {
    /// Its id in hex.
    pub trace_id: String,
    /// Its spans, parents before children.
    pub rows: Vec<Row>,
    /// Nanoseconds from the first start to the last end.
    pub duration_ns: u64,
    /// Services, each once, in the order in which they are first seen.
    pub services: Vec<String>,
}

/// One span of a picture.
#[derive(Debug)]
pub struct Row {
    /// The span and its place in the tree.
    pub node: Node,
    /// Where its bar begins and ends, as parts of the whole time.
    pub bar: (f64, f64),
    /// What else it says.
    pub said: Said,
}

/// What a span says beside its times; values are JSON.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Said {
    /// The text of its status.
    pub status: String,
    /// `SpanKind` of OTLP.
    pub kind: u32,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// Those of its resource.
    pub resource: Vec<(String, String)>,
    /// What happened during it: time, name and attributes.
    pub events: Vec<SpanEvent>,
}

/// Something that happened during a span: its time in nanoseconds since 1970, name and attributes.
pub type SpanEvent = (u64, String, Vec<(String, String)>);

/// Why spans cannot be drawn.
#[derive(Debug)]
pub enum NotSpans {
    /// It is no OTLP.
    Wire(WireError),
    /// The trace has no id.
    Id,
}

impl fmt::Display for NotSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(_) => f.write_str("it is no message of OTLP"),
            Self::Id => f.write_str("expected a trace id of 32 hex digits"),
        }
    }
}

impl std::error::Error for NotSpans {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Wire(error) => Some(error),
            Self::Id => None,
        }
    }
}

impl From<WireError> for NotSpans {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl Waterfall {
    /// Reads the spans of a trace from a `TracesData`.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(trace_id: &str, message: &[u8]) -> Result<Self, NotSpans> {
        let id = TraceId(from_hex(trace_id).map_err(|_| NotSpans::Id)?);
        let spans = read_spans(message)?.into_iter().filter(|(of, _)| *of == id);
        let spans: Vec<StoredSpan> = spans.map(|(_, span)| span).collect();
        let mut said = HashMap::new();
        let mut infos = Vec::with_capacity(spans.len());
        for span in &spans {
            let info = span.info()?;
            said.entry(info.id).or_insert(read_said(span)?);
            infos.push(info);
        }
        Ok(Self::of(trace_id, tree::build(infos), &mut said))
    }

    fn of(trace_id: &str, nodes: Vec<Node>, said: &mut HashMap<[u8; 8], Said>) -> Self {
        let first = nodes.iter().map(|node| node.span.start_ns).min().unwrap_or(0);
        let last = nodes.iter().map(|node| node.span.end_ns).max().unwrap_or(0);
        let duration_ns = last - first;
        let part = |ns: u64| fraction(ns - first, duration_ns);
        let mut services: Vec<String> = Vec::new();
        let mut rows = Vec::with_capacity(nodes.len());
        for node in nodes {
            if !services.contains(&node.span.service) {
                services.push(node.span.service.clone());
            }
            let bar = (part(node.span.start_ns), part(node.span.end_ns));
            let said = said.remove(&node.span.id).unwrap_or_default();
            rows.push(Row { node, bar, said });
        }
        Self { trace_id: trace_id.to_owned(), rows, duration_ns, services }
    }
}

impl Row {
    /// `?` for a missing parent, `*` on the critical path, `!` for an error.
    pub(crate) fn marks(&self) -> String {
        let marks = [
            (self.node.is_orphan, '?'),
            (self.node.is_critical, '*'),
            (self.node.span.is_error, '!'),
        ];
        marks.iter().filter_map(|(is, mark)| is.then_some(*mark)).collect()
    }

    /// Lines below its bar: why it failed, and what happened during it.
    pub(crate) fn notes(&self) -> Vec<String> {
        let status = (!self.said.status.is_empty()).then(|| self.said.status.clone());
        let events = self.said.events.iter().map(|(_, name, attributes)| {
            let mut text = name.clone();
            for (name, value) in attributes {
                let _ = write!(text, " {name}={value}");
            }
            text
        });
        status.into_iter().chain(events).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn fraction(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A time for people.
pub(crate) fn duration(ns: u64) -> String {
    match ns {
        0..=999 => format!("{ns}ns"),
        1_000..=999_999 => format!("{}.{}us", ns / 1_000, ns / 100 % 10),
        1_000_000..=999_999_999 => format!("{}.{}ms", ns / 1_000_000, ns / 100_000 % 10),
        _ => format!("{}.{:02}s", ns / 1_000_000_000, ns / 10_000_000 % 100),
    }
}

fn read_said(stored: &StoredSpan) -> Result<Said, WireError> {
    let span = Span::parse(&stored.span)?;
    let mut events = Vec::new();
    for event in span.events() {
        let event = event?;
        events.push((event.time_unix_nano, event.name.to_owned(), read_all(event.attributes())?));
    }
    Ok(Said {
        status: span.status.as_ref().map_or("", |status| status.message).to_owned(),
        kind: span.kind,
        attributes: read_all(span.attributes())?,
        resource: read_all(Resource::parse(&stored.resource)?.attributes())?,
        events,
    })
}

fn read_all(list: Repeated<'_, KeyValue<'_>>) -> Result<Vec<(String, String)>, WireError> {
    let mut all = Vec::new();
    for entry in list {
        let KeyValue { key, value } = entry?;
        let mut out = Vec::new();
        value_to_json(value, &mut out)?;
        all.push((key.to_owned(), String::from_utf8_lossy(&out).into_owned()));
    }
    Ok(all)
}
