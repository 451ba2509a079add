//! Values that must not leave, planted into generated telemetry so that a test can look for them
//! afterwards.
//!
//! One value a line, with an optional place before it: `attr:form.income=95000`, `body:Calculation
//! result: 1500000`, `resource:KEY=VALUE`, `scope:NAME`, `span:KEY=VALUE`, `name:SPAN NAME`,
//! `status:MESSAGE`, `event:KEY=VALUE`, `label:KEY=VALUE`, `key:ATTRIBUTE`, `event-name:NAME`,
//! `metric:NAME`, `unit:UNIT`. `.int` or `.double` behind a place that takes any value plants a
//! number as one: `attr.int:form.income=95000`, `body.double:1500000.5`. A line without a place is
//! put into a random one. Empty lines and lines that begin with `#` say nothing.

use std::fmt;

use lucarne_otlp::Signal;

use crate::random::Random;
use crate::telemetry::logs::{Level, LogRecord};
use crate::telemetry::metrics::{Metric, Points, SumPoint, Window};
use crate::telemetry::traces::{Span, SpanEvent};
use crate::telemetry::{Attribute, Source, SpanContext, Value, json, logs, metrics, traces};

/// One value and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Planted {
    place: Place,
    key: String,
    // INVARIANT: text, where the place holds nothing else.
    value: Value,
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
    /// The name of an attribute of a log record.
    Key,
    /// The event name of a log record.
    EventName,
    /// The name of a metric.
    Metric,
    /// The unit of a metric.
    Unit,
}

/// How a value is given to OTLP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Text,
    Int,
    Double,
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
    /// A value is not the number that its place announces.
    Number {
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
            Self::Number { line } => write!(f, "line {line}: the value is not such a number"),
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
        let named = text.split_once(':').and_then(|(name, rest)| Some((placed(name)?, rest)));
        let Some(((place, kind), rest)) = named else {
            let (place, _) = random.pick(&PLACES);
            return Ok(Self { place, key: "note".to_owned(), value: text.into() });
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
        let value = kind.value(value).ok_or(PlantedError::Number { line })?;
        Ok(Self { place, key: key.to_owned(), value })
    }

    /// The signal that has this place.
    pub const fn signal(&self) -> Signal {
        match self.place {
            Place::Attribute | Place::Body | Place::Resource | Place::Scope => Signal::Logs,
            Place::Key | Place::EventName => Signal::Logs,
            Place::Span | Place::Name | Place::Status | Place::Event => Signal::Traces,
            Place::Label | Place::Metric | Place::Unit => Signal::Metrics,
        }
    }

    /// The value as a log record among others; none when it needs a request of its own.
    pub fn log_record(&self, stamp: &Stamp) -> Option<LogRecord> {
        let plain = || log_record(stamp, "node completed".into(), None);
        match self.place {
            Place::Attribute | Place::Key => {
                Some(log_record(stamp, "node completed".into(), Some(self.attribute())))
            }
            Place::Body => Some(log_record(stamp, self.value.clone(), None)),
            Place::EventName => Some(LogRecord { event_name: self.text(), ..plain() }),
            Place::Resource | Place::Scope => None,
            Place::Span | Place::Name | Place::Status | Place::Event => None,
            Place::Label | Place::Metric | Place::Unit => None,
        }
    }

    /// The value in a request of its own.
    pub fn request(&self, stamp: &Stamp, as_json: bool) -> Vec<u8> {
        let mut source = super::source();
        match self.place {
            Place::Resource => source.resource.push(self.attribute()),
            Place::Scope => source.scope = self.text(),
            Place::Attribute | Place::Body | Place::Key | Place::EventName => {}
            Place::Span | Place::Name | Place::Status | Place::Event => {}
            Place::Label | Place::Metric | Place::Unit => {}
        }
        match self.signal() {
            Signal::Logs => {
                let plain = || log_record(stamp, "node completed".into(), None);
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
        if self.place == Place::Key {
            return Attribute::new(&self.text(), "");
        }
        Attribute::new(&self.key, self.value.clone())
    }

    /// The value where only text can stand.
    fn text(&self) -> String {
        match &self.value {
            Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::Double(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
        }
    }

    fn span(&self, stamp: &Stamp) -> Span {
        let name = if self.place == Place::Name { self.text() } else { "node".to_owned() };
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
            error: (self.place == Place::Status).then(|| self.text()),
        }
    }

    fn metric(&self, stamp: &Stamp) -> Metric {
        let mut labels = vec![Attribute::new("tenant_hash", "t_8f3a2b1c")];
        if self.place == Place::Label {
            labels.push(self.attribute());
        }
        let or = |place, usual: &str| match self.place == place {
            true => self.text(),
            false => usual.to_owned(),
        };
        let window = Window { start_ns: stamp.time_ns - 1_000_000_000, time_ns: stamp.time_ns };
        Metric {
            name: or(Place::Metric, "bizfirst_workflow_executions_total"),
            unit: or(Place::Unit, "1"),
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
            Self::Key | Self::EventName | Self::Metric | Self::Unit => false,
        }
    }

    /// Whether the value is an `AnyValue` of OTLP.
    const fn takes_number(self) -> bool {
        self.takes_key() || matches!(self, Self::Body)
    }
}

impl Kind {
    fn value(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(text.into()),
            Self::Int => text.parse().ok().map(Value::Int),
            Self::Double => text.parse().ok().filter(|it: &f64| it.is_finite()).map(Value::Double),
        }
    }
}

/// The place and the type in front of a value, such as `attr.int`.
fn placed(name: &str) -> Option<(Place, Kind)> {
    let (name, kind) = match name.split_once('.') {
        None => (name, Kind::Text),
        Some((name, "int")) => (name, Kind::Int),
        Some((name, "double")) => (name, Kind::Double),
        Some(_) => return None,
    };
    let place = Place::named(name)?;
    (kind == Kind::Text || place.takes_number()).then_some((place, kind))
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

fn log_record(stamp: &Stamp, body: Value, extra: Option<Attribute>) -> LogRecord {
    let mut attributes = vec![
        Attribute::new("executionId", stamp.execution.as_str()),
        Attribute::new("tenantHash", "t_8f3a2b1c"),
    ];
    attributes.extend(extra);
    LogRecord {
        time_ns: stamp.time_ns,
        level: Level::Information,
        body,
        attributes,
        context: stamp.context,
        event_name: String::new(),
    }
}

const PLACES: [(Place, &str); 13] = [
    (Place::Attribute, "attr"),
    (Place::Body, "body"),
    (Place::Resource, "resource"),
    (Place::Scope, "scope"),
    (Place::Span, "span"),
    (Place::Name, "name"),
    (Place::Status, "status"),
    (Place::Event, "event"),
    (Place::Label, "label"),
    (Place::Key, "key"),
    (Place::EventName, "event-name"),
    (Place::Metric, "metric"),
    (Place::Unit, "unit"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Planted>, PlantedError> {
        Planted::parse(text, &mut Random::new(1))
    }

    fn planted(place: Place, key: &str, value: impl Into<Value>) -> Planted {
        Planted { place, key: key.to_owned(), value: value.into() }
    }

    fn stamp() -> Stamp {
        let context = SpanContext { trace: [1; 16], span: [2; 8] };
        Stamp { time_ns: 2_000_000_000, execution: "exec-a-1".to_owned(), context }
    }

    fn occurs(needle: &[u8], bytes: &[u8]) -> usize {
        bytes.windows(needle.len()).filter(|at| *at == needle).count()
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
        let all = parse(&"bearer: abc\n".repeat(300)).unwrap();
        for (place, name) in PLACES {
            assert!(all.contains(&planted(place, "note", "bearer: abc")), "never in {name}");
        }
    }

    #[test]
    fn every_place_carries_its_value_in_both_encodings() {
        for (place, name) in PLACES {
            let one = planted(place, "k", "planted-value");
            for as_json in [false, true] {
                let hits = occurs(b"planted-value", &one.request(&stamp(), as_json));
                assert_eq!(hits, 1, "{name}, JSON {as_json}");
            }
        }
    }

    #[test]
    fn numbers_are_planted_as_numbers() {
        let text = "attr.int:form.income=-95000\nbody.double:1500000.5\nlabel.int:k=7\n";
        assert_eq!(
            parse(text).unwrap(),
            [
                planted(Place::Attribute, "form.income", -95_000),
                planted(Place::Body, "", Value::Double(1_500_000.5)),
                planted(Place::Label, "k", 7),
            ]
        );
        for wrong in ["attr.int:k=9.5", "body.double:nan", "event.int:k=12345678901234567890"] {
            assert_eq!(parse(wrong), Err(PlantedError::Number { line: 1 }), "{wrong}");
        }
        let income = planted(Place::Attribute, "form.income", 0x1234_5678);
        let (protobuf, json) = (income.request(&stamp(), false), income.request(&stamp(), true));
        assert_eq!(occurs(&[0x18, 0xf8, 0xac, 0xd1, 0x91, 0x01], &protobuf), 1);
        assert_eq!(occurs(b"{\"intValue\":\"305419896\"}", &json), 1);
        let result = planted(Place::Body, "", Value::Double(1_500_000.5));
        let (protobuf, json) = (result.request(&stamp(), false), result.request(&stamp(), true));
        assert_eq!(occurs(&1_500_000.5_f64.to_le_bytes(), &protobuf), 1);
        assert_eq!(occurs(b"{\"doubleValue\":1500000.5}", &json), 1);
    }

    #[test]
    fn a_type_that_a_place_cannot_hold_is_no_place() {
        for text in ["scope.int:5", "attr.bool:k=1", "name.double:1.5"] {
            let all = parse(text).unwrap();
            assert_eq!((&all[0].key[..], &all[0].value), ("note", &text.into()), "{text}");
        }
    }
}
