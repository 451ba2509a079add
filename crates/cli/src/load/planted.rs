//! Values that must not leave, planted into generated telemetry so that a test can look for them
//! afterwards.
//!
//! One value a line, with an optional place before it: `attr:form.income=95000`, `body:Calculation
//! result: 1500000`, `resource:KEY=VALUE`, `scope:NAME`, `span:KEY=VALUE`, `name:SPAN NAME`,
//! `status:MESSAGE`, `event:KEY=VALUE`, `label:KEY=VALUE`. A line without a place is put into a
//! random one. Empty lines and lines that begin with `#` say nothing.

use std::fmt;

use lucarne_otlp::Signal;

use crate::random::Random;
use crate::telemetry::logs::{Level, LogRecord};
use crate::telemetry::metrics::{Metric, Points, SumPoint, Window};
use crate::telemetry::traces::{Span, SpanEvent};
use crate::telemetry::{Attribute, Source, SpanContext, json, logs, metrics, traces};

/// One value and where it goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Planted {
    place: Place,
    key: String,
    value: String,
}

/// Where a value can be planted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// An attribute of a log record.
    Attribute,
    /// The message of a log record.
    Body,
    /// An attribute of the resource of a log record.
    Resource,
    /// The name of the instrumentation scope of a log record.
    Scope,
    /// An attribute of a span.
    Span,
    /// The name of a span.
    Name,
    /// The status message of a span.
    Status,
    /// An attribute of an event of a span.
    Event,
    /// A label of a metric.
    Label,
}

/// A line that names no value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PlantedError {
    /// A place that takes `KEY=VALUE` has no key.
    Key {
        /// Line number, from 1.
        line: usize,
    },
    /// There is nothing to plant.
    Empty {
        /// Line number, from 1.
        line: usize,
    },
}

impl fmt::Display for PlantedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value itself is a secret of the test: it is not repeated.
        match self {
            Self::Key { line } => write!(f, "line {line}: expected PLACE:KEY=VALUE"),
            Self::Empty { line } => write!(f, "line {line}: the value is empty"),
        }
    }
}

impl std::error::Error for PlantedError {}

/// When a planted record is made and what it is called: what a record needs beside the value.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Time, nanoseconds since 1970.
    pub time_ns: u64,
    /// `executionId` of the record.
    pub execution: String,
    /// Its trace.
    pub context: SpanContext,
}

impl Planted {
    /// Reads a file of values; `random` chooses the place of those that name none.
    ///
    /// # Errors
    /// With the first line that names no value.
    pub fn parse(text: &str, random: &mut Random) -> Result<Vec<Self>, PlantedError> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines
            .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
            .map(|(number, line)| Self::line(line, number, random))
            .collect()
    }

    fn line(text: &str, line: usize, random: &mut Random) -> Result<Self, PlantedError> {
        let named = text.split_once(':').and_then(|(name, rest)| Some((Place::named(name)?, rest)));
        let Some((place, rest)) = named else {
            let (place, _) = random.pick(&PLACES);
            return Ok(Self { place, key: "note".to_owned(), value: text.to_owned() });
        };
        let (key, value) = if place.takes_key() {
            let pair = rest.split_once('=').filter(|(key, _)| !key.is_empty());
            pair.ok_or(PlantedError::Key { line })?
        } else {
            ("", rest)
        };
        if value.is_empty() {
            return Err(PlantedError::Empty { line });
        }
        Ok(Self { place, key: key.to_owned(), value: value.to_owned() })
    }

    /// The signal that has this place.
    pub const fn signal(&self) -> Signal {
        match self.place {
            Place::Attribute | Place::Body | Place::Resource | Place::Scope => Signal::Logs,
            Place::Span | Place::Name | Place::Status | Place::Event => Signal::Traces,
            Place::Label => Signal::Metrics,
        }
    }

    /// The value as a log record among others; none when it needs a request of its own.
    pub fn log_record(&self, stamp: &Stamp) -> Option<LogRecord> {
        match self.place {
            Place::Attribute => Some(log_record(stamp, "node completed", Some(self.attribute()))),
            Place::Body => Some(log_record(stamp, &self.value, None)),
            Place::Resource
            | Place::Scope
            | Place::Span
            | Place::Name
            | Place::Status
            | Place::Event
            | Place::Label => None,
        }
    }

    /// The value in a request of its own.
    pub fn request(&self, stamp: &Stamp, as_json: bool) -> Vec<u8> {
        let mut source = super::source();
        match self.place {
            Place::Resource => source.resource.push(self.attribute()),
            Place::Scope => source.scope.clone_from(&self.value),
            Place::Attribute | Place::Body | Place::Span | Place::Name => {}
            Place::Status | Place::Event | Place::Label => {}
        }
        match self.signal() {
            Signal::Logs => {
                let plain = || log_record(stamp, "node completed", None);
                let record = self.log_record(stamp).unwrap_or_else(plain);
                encode(as_json, &source, &[record], json::logs, logs::write_logs)
            }
            Signal::Traces => {
                encode(as_json, &source, &[self.span(stamp)], json::traces, traces::write_traces)
            }
            Signal::Metrics => {
                let metric = self.metric(stamp);
                encode(as_json, &source, &[metric], json::metrics, metrics::write_metrics)
            }
        }
    }

    fn attribute(&self) -> Attribute {
        Attribute::new(&self.key, self.value.as_str())
    }

    fn span(&self, stamp: &Stamp) -> Span {
        let name = if self.place == Place::Name { self.value.clone() } else { "node".to_owned() };
        let mut attributes = vec![Attribute::new("executionId", stamp.execution.as_str())];
        let mut events = Vec::new();
        if self.place == Place::Span {
            attributes.push(self.attribute());
        }
        if self.place == Place::Event {
            let (time_ns, name) = (stamp.time_ns, "exception".to_owned());
            events.push(SpanEvent { time_ns, name, attributes: vec![self.attribute()] });
        }
        Span {
            context: stamp.context,
            parent: None,
            name,
            start_ns: stamp.time_ns - 1_000_000,
            end_ns: stamp.time_ns,
            attributes,
            events,
            error: (self.place == Place::Status).then(|| self.value.clone()),
        }
    }

    fn metric(&self, stamp: &Stamp) -> Metric {
        let mut labels = vec![Attribute::new("tenant_hash", "t_8f3a2b1c")];
        labels.push(self.attribute());
        let window = Window { start_ns: stamp.time_ns - 1_000_000_000, time_ns: stamp.time_ns };
        Metric {
            name: "bizfirst_workflow_executions_total".to_owned(),
            unit: "1".to_owned(),
            points: Points::Sum(vec![SumPoint { labels, window, value: 1 }]),
        }
    }
}

impl Place {
    fn named(name: &str) -> Option<Self> {
        PLACES.iter().find(|(_, known)| *known == name).map(|(place, _)| *place)
    }

    const fn takes_key(self) -> bool {
        match self {
            Self::Attribute | Self::Resource | Self::Span | Self::Event | Self::Label => true,
            Self::Body | Self::Scope | Self::Name | Self::Status => false,
        }
    }
}

/// One request in either encoding.
pub(super) fn encode<T>(
    as_json: bool,
    source: &Source,
    items: &[T],
    json: fn(&Source, &[T]) -> Vec<u8>,
    protobuf: fn(&mut Vec<u8>, &Source, &[T]),
) -> Vec<u8> {
    if as_json {
        return json(source, items);
    }
    let mut out = Vec::new();
    protobuf(&mut out, source, items);
    out
}

fn log_record(stamp: &Stamp, body: &str, extra: Option<Attribute>) -> LogRecord {
    let mut attributes = vec![
        Attribute::new("executionId", stamp.execution.as_str()),
        Attribute::new("tenantHash", "t_8f3a2b1c"),
    ];
    attributes.extend(extra);
    LogRecord {
        time_ns: stamp.time_ns,
        level: Level::Information,
        body: body.into(),
        attributes,
        context: stamp.context,
        event_name: String::new(),
    }
}

const PLACES: [(Place, &str); 9] = [
    (Place::Attribute, "attr"),
    (Place::Body, "body"),
    (Place::Resource, "resource"),
    (Place::Scope, "scope"),
    (Place::Span, "span"),
    (Place::Name, "name"),
    (Place::Status, "status"),
    (Place::Event, "event"),
    (Place::Label, "label"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Planted>, PlantedError> {
        Planted::parse(text, &mut Random::new(1))
    }

    fn planted(place: Place, key: &str, value: &str) -> Planted {
        Planted { place, key: key.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn places_and_values() {
        let text = "# comment\n\nattr:form.income=95000\nbody:Calculation result: 1500000\n\
                    span:form.income=a=b\nlabel:amount_range=1-2\nscope:s\n";
        assert_eq!(
            parse(text).unwrap(),
            [
                planted(Place::Attribute, "form.income", "95000"),
                planted(Place::Body, "", "Calculation result: 1500000"),
                planted(Place::Span, "form.income", "a=b"),
                planted(Place::Label, "amount_range", "1-2"),
                planted(Place::Scope, "", "s"),
            ]
        );
        assert_eq!(parse("attr:x"), Err(PlantedError::Key { line: 1 }));
        assert_eq!(parse("\nbody:"), Err(PlantedError::Empty { line: 2 }));
    }

    #[test]
    fn a_plain_value_goes_somewhere_and_stays_whole() {
        let all = parse(&"bearer: abc\n".repeat(200)).unwrap();
        for (place, name) in PLACES {
            assert!(all.contains(&planted(place, "note", "bearer: abc")), "never in {name}");
        }
    }

    #[test]
    fn every_place_carries_its_value_in_both_encodings() {
        let context = SpanContext { trace: [1; 16], span: [2; 8] };
        let stamp = Stamp { time_ns: 2_000_000_000, execution: "exec-a-1".to_owned(), context };
        for (place, name) in PLACES {
            let one = planted(place, "k", "planted-value");
            for as_json in [false, true] {
                let bytes = one.request(&stamp, as_json);
                let hits = bytes.windows(13).filter(|at| *at == b"planted-value").count();
                assert_eq!(hits, 1, "{name}, JSON {as_json}");
            }
        }
    }
}
