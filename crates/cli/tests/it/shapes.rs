//! Secrets in more than thirty shapes: nested, in lists and maps, cut in two, encoded, in upper
//! case, and in every corner of the three signals.
//!
//! None stands in a slot whose pattern admits it: a pattern of letters admits letters, and no
//! contract can tell them from a name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lucarne_cli::random::Random;
use lucarne_cli::telemetry::Value;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;

use super::crossing::{Fact, TIME, attribute, request};
use super::needles::Search;

/// Secrets to look for, and the requests that carry them.
pub(crate) struct Shaped {
    pub(crate) values: Vec<Value>,
    pub(crate) requests: Vec<(Signal, Vec<u8>)>,
    pub(crate) planted: usize,
}

/// Each shape once a round, every secret another.
pub(crate) fn shaped(rounds: usize, seed: u64) -> Shaped {
    let mut maker = Maker { random: Random::new(seed), values: Vec::new(), planted: 0 };
    let mut requests = Vec::new();
    for _ in 0..rounds {
        let mut logs = Vec::new();
        for shape in LOG_SHAPES {
            logs.extend(request(|scope| scope.message(2, |record| shape(record, &mut maker))));
        }
        requests.push((Signal::Logs, logs));
        requests.push((Signal::Logs, around(&mut maker)));
        let mut traces = Vec::new();
        for shape in SPAN_SHAPES {
            let span = |span: &mut Writer<'_>| {
                span.bytes(1, &[0xca; 16]);
                span.bytes(2, &[0xcb; 8]);
                shape(span, &mut maker);
            };
            traces.extend(request(|scope| scope.message(2, span)));
        }
        requests.push((Signal::Traces, traces));
        let mut metrics = Vec::new();
        for shape in METRIC_SHAPES {
            metrics.extend(request(|scope| scope.message(2, |metric| shape(metric, &mut maker))));
        }
        requests.push((Signal::Metrics, metrics));
    }
    let Maker { values, planted, .. } = maker;
    Shaped { values, requests, planted }
}

/// How many shapes there are.
pub(crate) const SHAPES: usize =
    LOG_SHAPES.len() + AROUND + SPAN_SHAPES.len() + METRIC_SHAPES.len();

struct Maker {
    random: Random,
    values: Vec<Value>,
    planted: usize,
}

impl Maker {
    /// A card number, a social security number, a bearer token or a name.
    fn secret(&mut self) -> String {
        let text = self.unheard();
        self.values.push(text.clone().into());
        text
    }

    /// The same, which the caller has to have looked for.
    fn unheard(&mut self) -> String {
        let random = &mut self.random;
        let digit = |random: &mut Random| char::from(b'1' + u8::try_from(random.below(9)).unwrap());
        let mut digits = |count: usize| -> String { (0..count).map(|_| digit(random)).collect() };
        self.planted += 1;
        match self.planted % 4 {
            0 => format!("4{}-{}-{}-{}", digits(3), digits(4), digits(4), digits(4)),
            1 => format!("{}-{}-{} {}", digits(3), digits(2), digits(4), digits(8)),
            2 => format!("bearer {}.{}", random.letters(16), random.letters(12)),
            _ => format!("Zoë {} Müller", random.letters(12)),
        }
    }
}

type Shape = fn(&mut Writer<'_>, &mut Maker);

const LOG_SHAPES: [Shape; 20] = [
    |record, it| attribute(record, 6, &Fact::text("form.applicant", &it.secret())),
    |record, it| attribute(record, 6, &Fact::text(&it.secret(), "x")),
    // in slots of the contract that do not admit it
    |record, it| attribute(record, 6, &Fact::text("executionId", &format!("exec-{}", it.secret()))),
    |record, it| attribute(record, 6, &Fact::text("tenantHash", &format!("t_{}", it.secret()))),
    |record, it| attribute(record, 6, &Fact::text("errorCode", &format!("E_{}", it.secret()))),
    |record, it| {
        attribute(record, 6, &Fact::text("nodeType", "calculation"));
        attribute(record, 6, &Fact::text("nodeType", &it.secret())); // again
    },
    // nested
    |record, it| value(record, "form", |any| nested(any, 3, &it.secret())),
    |record, it| value(record, "nodeType", |any| list(any, &it.secret())),
    |record, it| value(record, "executionId", |any| any.bytes(7, it.secret().as_bytes())),
    |record, it| record.message(5, |any| nested(any, 2, &it.secret())),
    |record, it| record.message(5, |any| list(any, &it.secret())),
    // encoded
    |record, it| body(record, &format!("token {}", STANDARD.encode(it.secret()))),
    |record, it| attribute(record, 6, &Fact::text("note", &STANDARD.encode(it.secret()))),
    |record, it| attribute(record, 6, &Fact::text("url", &percent(&it.secret()))),
    |record, it| {
        let hex = lucarne_ledger::hash::to_hex(it.secret().as_bytes());
        attribute(record, 6, &Fact::text("executionId", &hex));
    },
    |record, it| {
        let upper = it.unheard().to_uppercase();
        it.values.push(upper.clone().into());
        attribute(record, 6, &Fact::text("workflowType", &upper));
    },
    // in a text and cut in two
    |record, it| body(record, &format!("result for {} is ready", it.secret())),
    |record, it| body(record, &serde_json::json!({ "a": [{ "b": it.secret() }] }).to_string()),
    |record, it| {
        let whole = it.unheard();
        let middle = (9..).find(|at| whole.is_char_boundary(*at)).unwrap();
        let (head, tail) = whole.split_at(middle);
        it.values.extend([head, tail].map(Value::from));
        body(record, head);
        attribute(record, 6, &Fact::text("rest", tail));
    },
    |record, it| {
        record.bytes(3, it.secret().as_bytes());
        record.bytes(12, it.secret().as_bytes());
    },
];

const SPAN_SHAPES: [Shape; 7] = [
    |span, it| attribute(span, 9, &Fact::text("form.applicant", &it.secret())),
    |span, it| span.message(9, |pair| keyed(pair, "form", |any| nested(any, 3, &it.secret()))),
    |span, it| {
        span.message(11, |event| {
            attribute(event, 3, &Fact::text("exception.message", &it.secret()));
        });
    },
    |span, it| span.message(11, |event| event.bytes(2, it.secret().as_bytes())),
    |span, it| {
        span.message(13, |link| {
            link.bytes(1, &[0xcc; 16]);
            link.bytes(2, &[0xcd; 8]);
            attribute(link, 4, &Fact::text("of", &it.secret()));
        });
    },
    |span, it| span.message(15, |status| status.bytes(2, it.secret().as_bytes())),
    |span, it| {
        span.bytes(3, it.secret().as_bytes());
        span.bytes(5, it.secret().as_bytes());
    },
];

const METRIC_SHAPES: [Shape; 6] = [
    |metric, it| {
        counter(metric, |point| attribute(point, 7, &Fact::text("applicant", &it.secret())));
    },
    |metric, it| {
        counter(metric, |point| {
            attribute(point, 7, &Fact::text("tenant_hash", &format!("t_{}", it.secret())));
        });
    },
    |metric, it| {
        counter(metric, |point| {
            point.message(7, |pair| keyed(pair, "outcome", |any| list(any, &it.secret())));
        });
    },
    |metric, it| {
        counter(metric, |point| {
            point.message(5, |exemplar| {
                exemplar.fixed64(2, TIME);
                attribute(exemplar, 7, &Fact::text("of", &it.secret()));
            });
        });
    },
    |metric, it| metric.bytes(1, it.secret().as_bytes()),
    |metric, it| {
        metric.bytes(2, it.secret().as_bytes());
        metric.bytes(3, it.secret().as_bytes());
        counter(metric, |_| {});
    },
];

/// Shapes around a record: of its resource, in a slot of it, and of its scope.
const AROUND: usize = 4;

fn around(it: &mut Maker) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |group| {
        group.message(1, |resource| {
            attribute(resource, 1, &Fact::text("host.owner", &it.secret()));
            attribute(resource, 1, &Fact::text("service.name", &it.secret()));
        });
        group.message(2, |items| {
            items.message(1, |scope| {
                scope.bytes(1, it.secret().as_bytes());
                attribute(scope, 3, &Fact::text("of", &it.secret()));
            });
            items.message(2, |record| attribute(record, 6, &Fact::text("executionId", "exec-a-1")));
        });
    });
    out
}

fn body(record: &mut Writer<'_>, text: &str) {
    record.message(5, |any| any.bytes(1, text.as_bytes()));
}

fn value(record: &mut Writer<'_>, key: &str, write: impl FnOnce(&mut Writer<'_>)) {
    record.message(6, |pair| keyed(pair, key, write));
}

fn keyed(pair: &mut Writer<'_>, key: &str, write: impl FnOnce(&mut Writer<'_>)) {
    pair.bytes(1, key.as_bytes());
    pair.message(2, write);
}

fn list(any: &mut Writer<'_>, secret: &str) {
    any.message(5, |array| {
        array.message(1, |one| one.bytes(1, b"calculation"));
        array.message(1, |one| one.bytes(1, secret.as_bytes()));
    });
}

/// Maps in lists in maps.
fn nested(any: &mut Writer<'_>, depth: usize, secret: &str) {
    match depth {
        0 => any.bytes(1, secret.as_bytes()),
        depth if depth % 2 == 0 => any.message(5, |array| {
            array.message(1, |one| nested(one, depth - 1, secret));
        }),
        depth => any.message(6, |map| {
            map.message(1, |pair| keyed(pair, "in", |one| nested(one, depth - 1, secret)));
        }),
    }
}

fn counter(metric: &mut Writer<'_>, write: impl FnOnce(&mut Writer<'_>)) {
    metric.bytes(1, b"bizfirst_workflow_executions_total");
    metric.message(7, |sum| {
        sum.message(1, |point| {
            point.fixed64(3, TIME);
            point.fixed64(6, 1);
            write(point);
        });
        sum.varint(2, 1);
        sum.varint(3, 1);
    });
}

fn percent(text: &str) -> String {
    let encode = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.as_bytes().iter().map(encode).collect()
}

#[test]
fn every_shape_carries_its_secret() {
    let Shaped { values, requests, planted } = shaped(5, 1);
    const { assert!(SHAPES >= 30) }
    assert!(planted >= 5 * SHAPES, "{planted} secrets");
    let search = Search::new(&values);
    let found: std::collections::BTreeSet<usize> =
        requests.iter().flat_map(|(_, bytes)| search.hits(bytes)).map(|(index, _)| index).collect();
    let lost: Vec<&Value> =
        (0..values.len()).filter(|it| !found.contains(it)).map(|it| &values[it]).collect();
    assert_eq!(lost, Vec::<&Value>::new());
}
