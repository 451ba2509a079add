//! The two layers do not lean on each other: each alone stops what is its own to stop.
//!
//! With a contract that lets everything out, every planted value is on the uplink, and none is in
//! the archive, the log, an export, a page or a journal. With an outer layer that looks for nothing
//! that occurs, everything planted is stopped inside, in all shapes and corners, except where a
//! slot's own pattern admits it, which is nowhere.

use lucarne_cli::random::Random;
use lucarne_cli::telemetry::Value;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;

use super::crossing::{Fact, TIME, attribute, field, request};
use super::leaks::{Campaign, StoppedBy, run};
use super::site::Changes;

const SEED: u64 = 815;
const ROUNDS: usize = 6;

/// A contract has to name what leaves, so this one names everything that is planted here; where it
/// has a pattern, the pattern is anything at all.
fn everything_leaves(bodies: &[String], spans: &[String]) -> String {
    let any = r#"{ type: string, pattern: "(?s:.*)" }"#;
    let keys = |keys: &[&str]| -> String {
        keys.iter().map(|key| format!("    {key}: {any}\n")).collect()
    };
    let list = |texts: &[String]| serde_json::to_string(texts).unwrap();
    let labels: String = LABELS.iter().map(|key| format!("  {key}: {any}\n")).collect();
    let names = LABELS.join(", ");
    format!(
        "contract: everything/1\nreject: []\nlimits: {{ value_bytes: 4096 }}\n\
         logs:\n  bodies: {}\n  attributes:\n{}\
         \x20   anInteger: {{ type: int, min: 0, max: 9223372036854775807 }}\n\
         \x20   form.income: {{ type: double, min: -1e300, max: 1e300 }}\n\
         resource:\n  attributes:\n{}labels:\n{labels}\
         metrics:\n  bizfirst_workflow_error_rate: {{ labels: [{names}] }}\n\
         \x20 bizfirst_workflow_executions_total: {{ labels: [{names}] }}\n\
         traces: {{ span_names: {} }}\n",
        list(bodies),
        keys(&["executionId", "tenantHash", "note", "applicant.name", "calculation.step"]),
        keys(&["service.name", "result.of"]),
        list(spans),
    )
}

const LABELS: [&str; 3] = ["tenant_hash", "note", "amount_range"];

/// What the shipped patterns look for, in the spellings that people use.
struct Maker {
    random: Random,
    values: Vec<Value>,
}

impl Maker {
    fn digits(&mut self, count: usize) -> String {
        let digit = |random: &mut Random| char::from(b'1' + u8::try_from(random.below(9)).unwrap());
        (0..count).map(|_| digit(&mut self.random)).collect()
    }

    /// A value of the kind `number`, which no key gives away.
    fn pattern(&mut self, number: usize) -> String {
        let text = match number % 6 {
            0 => format!("bearer {}.{}_x", self.random.letters(16), self.random.letters(12)),
            1 => format!("Bearer {}-{}", self.random.letters(16), self.random.letters(12)),
            2 => format!("4{}", self.digits(15)),
            3 => [self.digits(4), self.digits(4), self.digits(4), self.digits(4)].join("-"),
            4 => [self.digits(3), self.digits(2), self.digits(4)].join("-"),
            _ => format!("Calculation result: {}", self.digits(9)),
        };
        self.values.push(text.clone().into());
        text
    }

    /// A value that only its key gives away.
    fn word(&mut self) -> String {
        let text = format!("{} {}", self.random.letters(9), self.random.letters(9));
        self.values.push(text.clone().into());
        text
    }
}

struct Planted {
    values: Vec<Value>,
    bodies: Vec<String>,
    spans: Vec<String>,
    requests: Vec<(Signal, Vec<u8>)>,
}

fn log(write: impl FnOnce(&mut Writer<'_>)) -> (Signal, Vec<u8>) {
    let record = |record: &mut Writer<'_>| {
        record.fixed64(1, TIME);
        write(record);
    };
    (Signal::Logs, request(|scope| scope.message(2, record)))
}

fn planted() -> Planted {
    let mut it = Maker { random: Random::new(SEED), values: Vec::new() };
    let (mut bodies, mut spans, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..6 * ROUNDS {
        let text = it.pattern(number);
        requests.push(log(|record| attribute(record, 6, &Fact::text("note", &text))));
        let text = it.pattern(number);
        requests.push(log(|record| record.message(5, |any| any.bytes(1, text.as_bytes()))));
        bodies.push(text);
        let text = it.pattern(number);
        requests.push((Signal::Traces, span(&text)));
        spans.push(text);
        let text = it.pattern(number);
        requests.push((Signal::Metrics, gauge("note", &text)));
        let text = it.pattern(number);
        requests.push((Signal::Logs, of_resource("service.name", &text)));
        let text = it.word();
        let key = ["applicant.name", "calculation.step"][number % 2];
        requests.push(log(|record| attribute(record, 6, &Fact::text(key, &text))));
        let text = it.word();
        requests.push((Signal::Metrics, gauge("amount_range", &text)));
        let text = it.word();
        requests.push((Signal::Logs, of_resource("result.of", &text)));
    }
    for _ in 0..ROUNDS {
        let card: i64 = format!("4{}", it.digits(15)).parse().unwrap();
        it.values.push(Value::Int(card));
        requests.push(log(|record| attribute(record, 6, &Fact::int("anInteger", card))));
        let income: f64 = format!("{}.{}", it.digits(5), it.digits(6)).parse().unwrap();
        it.values.push(Value::Double(income));
        let fact = field(|pair| {
            pair.bytes(1, b"form.income");
            pair.message(2, |any| any.double(4, income));
        });
        requests.push(log(|record| record.bytes(6, &fact)));
    }
    Planted { values: it.values, bodies, spans, requests }
}

fn span(name: &str) -> Vec<u8> {
    request(|scope| {
        scope.message(2, |span| {
            span.bytes(1, &[0xa7; 16]);
            span.bytes(2, &[0xb8; 8]);
            span.bytes(5, name.as_bytes());
            span.fixed64(7, TIME);
        });
    })
}

fn gauge(label: &str, value: &str) -> Vec<u8> {
    request(|scope| {
        scope.message(2, |metric| {
            metric.bytes(1, b"bizfirst_workflow_error_rate");
            metric.message(5, |gauge| {
                gauge.message(1, |point| {
                    attribute(point, 7, &Fact::text(label, value));
                    point.fixed64(3, TIME);
                    point.double(4, 0.5);
                });
            });
        });
    })
}

fn of_resource(key: &str, value: &str) -> Vec<u8> {
    field(|request| {
        request.message(1, |group| {
            group.message(1, |resource| attribute(resource, 1, &Fact::text(key, value)));
            group.message(2, |items| {
                items.message(2, |record| {
                    attribute(record, 6, &Fact::text("executionId", "exec-b-1"));
                });
            });
        });
    })
}

#[test]
fn where_the_contract_lets_everything_out_the_outer_layer_alone_stops_its_own() {
    let Planted { values, bodies, spans, requests } = planted();
    let contract = Some(everything_leaves(&bodies, &spans));
    let stopped_by = StoppedBy::OuterLayer;
    let campaign =
        Campaign { records: 300, lines: Vec::new(), values, requests, contract, stopped_by };
    run(&campaign, &Changes::default());
}

#[test]
fn where_the_outer_layer_looks_for_nothing_the_contract_alone_stops_everything() {
    // An outer layer without a rule is refused, so it has one that nothing hits.
    let blind = "outer_layer: { blocked_values_patterns: [no-such-text-4711], blocked_tags: [] }";
    let changes = Changes {
        gateway: vec![("outer_layer: { on_hit: drop }\ncollector: outer-layer.yaml", blind)],
        ..Changes::default()
    };
    run(&Campaign::everything(6_000, 200), &changes);
}
