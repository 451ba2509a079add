//! Secrets that a test makes up: what `lucarne send` is told to plant, and what is looked for
//! afterwards.
//!
//! Each is random, and long enough that it stands nowhere by chance. No contract has a slot for
//! any of them. The last few are put by hand into those corners of OTLP that generated load does
//! not have.

use std::collections::BTreeSet;

use lucarne_cli::load::planted::{Planted, Stamp};
use lucarne_cli::random::Random;
use lucarne_cli::telemetry::{SpanContext, Value};
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;

use super::crossing::{Fact, TIME, attribute, counter, request};
use super::needles::Search;

/// One secret.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    /// What to look for.
    pub(crate) value: Value,
    /// A line of a file for `lucarne send --secrets`.
    pub(crate) line: String,
}

/// Places that take a name and any value.
const KEYED: [&str; 5] = ["attr", "resource", "span", "event", "label"];
/// Places that take text; the last is a random one.
const WORDED: [&str; 9] =
    ["body:", "scope:", "name:", "status:", "key:", "event-name:", "metric:", "unit:", ""];

/// This many secrets of all kinds in all places.
pub(crate) fn secrets(count: usize, seed: u64) -> Vec<Secret> {
    let mut random = Random::new(seed);
    (0..count).map(|number| secret(number, &mut random)).collect()
}

fn secret(number: usize, random: &mut Random) -> Secret {
    let (key, value) = made_up(number, random);
    let turn = number / KINDS;
    let text = match &value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Bool(_) => unreachable!("no secret is a truth value"),
    };
    let line = match (turn % 2, &value) {
        (0, Value::Int(_)) => format!("{}.int:{key}={text}", KEYED[turn / 2 % 5]),
        (0, Value::Double(_)) => format!("{}.double:{key}={text}", KEYED[turn / 2 % 5]),
        (0, _) => format!("{}:{key}={text}", KEYED[turn / 2 % 5]),
        (_, Value::Int(_)) if turn.is_multiple_of(3) => format!("body.int:{text}"),
        (_, Value::Double(_)) if turn.is_multiple_of(3) => format!("body.double:{text}"),
        _ => format!("{}{key} is {text}, as was said", WORDED[turn / 2 % 9]),
    };
    Secret { value, line }
}

/// Kinds of secrets.
const KINDS: usize = 8;

fn made_up(number: usize, random: &mut Random) -> (&'static str, Value) {
    let mut digits = |count| -> String {
        (0..count).map(|_| char::from(b'1' + u8::try_from(random.below(9)).unwrap())).collect()
    };
    let whole = |digits: String| Value::Int(digits.parse().unwrap());
    let broken = |digits: String| Value::Double(digits.parse().unwrap());
    match number % KINDS {
        0 => {
            let token = format!("{}.{}_{}", random.letters(16), random.letters(12), number);
            ("authorization", format!("bearer {token}").into())
        }
        1 if number.is_multiple_of(3) => ("payment.card", whole(format!("4{}", digits(15)))),
        1 => {
            let groups = [format!("4{}", digits(3)), digits(4), digits(4), digits(4)];
            ("payment.card", groups.join([" ", "-", ""][number % 3]).into())
        }
        2 => ("ssn", [digits(3), digits(2), digits(4)].join("-").into()),
        3 => ("form.income", broken(format!("{}.{}", digits(5), digits(6)))),
        4 => ("calculation.result", whole(digits(14))),
        5 => {
            let name = format!("Zoë \"{}\" Müller\\{number}", random.letters(9));
            ("applicant.name", name.into())
        }
        6 => ("result.score", broken(format!("{}.{}", digits(3), digits(9)))),
        _ => ("Calculation result", format!("{}.{} EUR", digits(8), digits(4)).into()),
    }
}

/// Requests whose secrets stand where generated load has none, each in a field of its own.
pub(crate) fn in_corners(seed: u64) -> (Vec<Value>, [(Signal, Vec<u8>); 3]) {
    let mut random = Random::new(seed);
    let mut values = Vec::new();
    let mut secret = || {
        let text = format!("corner-{}", random.letters(16));
        values.push(text.clone().into());
        text
    };
    let requests = [
        (Signal::Logs, request(|scope| log_corners(scope, &mut secret))),
        (Signal::Traces, request(|scope| span_corners(scope, &mut secret))),
        (Signal::Metrics, request(|scope| metric_corners(scope, &mut secret))),
    ];
    (values, requests)
}

/// Nested values, bytes, the text of the level, the schema, fields that OTLP does not have.
fn log_corners(scope: &mut Writer<'_>, secret: &mut impl FnMut() -> String) {
    scope.bytes(3, secret().as_bytes()); // schema of the scope
    scope.message(2, |record| {
        record.bytes(3, secret().as_bytes());
        attribute(record, 6, &Fact::text("executionId", &secret()));
        attribute(record, 6, &Fact::text("executionId", "exec-corner-1"));
        attribute(record, 6, &Fact::text("executionId", &secret())); // again
        record.message(6, |pair| {
            pair.bytes(1, b"errorCode");
            pair.message(2, |any| any.bytes(7, secret().as_bytes())); // bytes, not text
        });
        record.message(6, |pair| {
            pair.bytes(1, b"nodeType");
            pair.message(2, |any| {
                any.message(5, |array| array.message(1, |one| one.bytes(1, secret().as_bytes())));
            });
        });
        record.message(5, |body| {
            body.message(6, |map| attribute(map, 1, &Fact::text(&secret(), &secret())));
        });
        record.bytes(9, secret().as_bytes()); // a trace id that is none
        record.bytes(99, secret().as_bytes());
    });
}

/// Trace states, attributes of links, names of events, fields that OTLP does not have.
fn span_corners(scope: &mut Writer<'_>, secret: &mut impl FnMut() -> String) {
    scope.message(2, |span| {
        span.bytes(1, &[0xca; 16]);
        span.bytes(2, &[0xcb; 8]);
        span.bytes(3, secret().as_bytes());
        span.message(11, |event| {
            event.bytes(2, secret().as_bytes());
            attribute(event, 3, &Fact::text(&secret(), &secret()));
        });
        span.message(13, |link| {
            link.bytes(1, &[0xcc; 16]);
            link.bytes(2, &[0xcd; 8]);
            link.bytes(3, secret().as_bytes());
            attribute(link, 4, &Fact::text(&secret(), &secret()));
        });
        span.bytes(99, secret().as_bytes());
    });
}

/// Exemplars, descriptions, metadata, fields that OTLP does not have.
fn metric_corners(scope: &mut Writer<'_>, secret: &mut impl FnMut() -> String) {
    counter(scope, |point| {
        attribute(point, 7, &Fact::text("tenant_hash", "t_c0c0c0c0"));
        attribute(point, 7, &Fact::text("outcome", &secret()));
        point.message(5, |exemplar| {
            exemplar.fixed64(2, TIME);
            exemplar.bytes(4, secret().as_bytes()); // a span id that is none
            attribute(exemplar, 7, &Fact::text(&secret(), &secret()));
        });
    });
    scope.message(2, |metric| {
        metric.bytes(1, b"bizfirst_workflow_active");
        metric.bytes(2, secret().as_bytes());
        attribute(metric, 12, &Fact::text(&secret(), &secret()));
        metric.message(5, |gauge| gauge.message(1, |point| point.fixed64(6, 1)));
        metric.bytes(99, secret().as_bytes());
    });
}

#[test]
fn every_secret_is_found_in_the_request_that_carries_it() {
    let made = secrets(200, 1);
    let values: Vec<Value> = made.iter().map(|it| it.value.clone()).collect();
    let search = Search::new(&values);
    let lines: String = made.iter().map(|it| format!("{}\n", it.line)).collect();
    let planted = Planted::parse(&lines, &mut Random::new(1)).unwrap();
    assert_eq!(planted.len(), made.len());
    let context = SpanContext { trace: [0xa1; 16], span: [0xb2; 8] };
    let stamp = Stamp { time_ns: TIME, execution: "exec-abc-123".to_owned(), context };
    for (index, one) in planted.iter().enumerate() {
        for as_json in [false, true] {
            let found: Vec<usize> =
                search.hits(&one.request(&stamp, as_json)).map(|(index, _)| index).collect();
            assert!(found.contains(&index), "{} as JSON {as_json}", made[index].line);
            assert!(found.iter().all(|it| *it == index), "{}: {found:?}", made[index].line);
        }
    }
    let (corners, requests) = in_corners(1);
    let search = Search::new(&corners);
    let found: BTreeSet<usize> =
        requests.iter().flat_map(|(_, it)| search.hits(it)).map(|(index, _)| index).collect();
    assert_eq!(found, (0..corners.len()).collect());
}
