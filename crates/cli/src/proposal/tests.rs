//! What is proposed, what is refused, and that no proposal admits a secret.

use lucarne_contract::{Contract, Scratch};
use lucarne_otlp::Signal;

use super::*;
use crate::telemetry::logs::{Level, LogRecord, write_logs};
use crate::telemetry::{Attribute, Source, SpanContext, Value};

fn logs(records: &[(&str, &[(&str, Value)])]) -> Request {
    let source = Source { resource: Vec::new(), scope: "app".to_owned() };
    let records: Vec<LogRecord> = records
        .iter()
        .map(|(body, attributes)| LogRecord {
            time_ns: 1,
            level: Level::Information,
            body: (*body).into(),
            attributes: attributes.iter().map(|(k, v)| Attribute::new(k, v.clone())).collect(),
            context: SpanContext { trace: [1; 16], span: [2; 8] },
            event_name: String::new(),
        })
        .collect();
    let mut bytes = Vec::new();
    write_logs(&mut bytes, &source, &records);
    Request { signal: Signal::Logs, bytes }
}

/// The line of a key in the proposal for these values.
fn line(key: &str, values: &[Value]) -> String {
    let attributes: Vec<[(&str, Value); 1]> =
        values.iter().map(|value| [(key, value.clone())]).collect();
    let records: Vec<_> = attributes.iter().map(|it| ("b", &it[..])).collect();
    let text = Proposal::of(&[logs(&records)]).unwrap().text();
    Contract::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let quoted = format!("{}: ", quoted(key));
    text.lines().find(|line| line.contains(&quoted)).unwrap().trim().to_owned()
}

fn texts(values: &[&str]) -> Vec<Value> {
    values.iter().map(|text| Value::from(*text)).collect()
}

#[test]
fn rules_are_as_narrow_as_what_was_seen() {
    let ids = ["exec-a1b2c3", "exec-0042ff", "exec-zz9", "exec-77"];
    let expected = r#""id": { type: string, pattern: "[a-z]{4}-[a-z0-9]{2,6}" }"#;
    assert!(line("id", &texts(&ids)).starts_with(expected), "{}", line("id", &texts(&ids)));
    let uuids = ["9f1b6c1e-5a60-4b0d-8a3e-0c9d6f1e2a3b", "00000000-0000-4000-8000-0000000000ff"];
    assert!(line("id", &texts(&uuids)).contains("[0-9a-f]{8}-[0-9a-f]{4}-"));
    let kinds = ["start", "end", "start", "start", "end", "end"];
    let expected =
        r#""kind": { type: enum, values: ["end", "start"] }  # seen 6 times, 2 different"#;
    assert_eq!(line("kind", &texts(&kinds)), expected);
    let numbers = [Value::Int(3), Value::Int(4_200)];
    let expected = r#""durationMs": { type: int, min: 0, max: 10000 }  # seen 2 times"#;
    assert_eq!(line("durationMs", &numbers), expected);
    assert_eq!(line("ok", &[Value::Bool(true)]), r#""ok": { type: bool }  # seen 1 times"#);
}

#[test]
fn what_may_be_text_an_amount_or_a_secret_is_refused_with_its_reason() {
    let names = ["jane", "erika", "otto", "willi"];
    let cases: [(&str, Vec<Value>, &str); 9] = [
        ("name", texts(&names), "letters that hardly repeat: names or prose"),
        ("note", texts(&["a b", "c"]), "texts of different shapes, or prose"),
        (
            "card",
            texts(&["4111111111111111", "4222222222222222"]),
            "more digits than an id needs: it may be a card or an account",
        ),
        (
            "ssn",
            texts(&["078-05-1120", "219-09-9999"]),
            "more digits than an id needs: it may be a card or an account",
        ),
        (
            "hash",
            texts(&["0a1b2c3d4e5f60718", "ffffffff"]),
            "an id without a prefix: digits alone would pass for one",
        ),
        (
            "income",
            vec![Value::Int(95_000)],
            "whole numbers, and the name does not say that they count or measure time: they may \
             be amounts",
        ),
        ("total", vec![Value::Int(4_111_111_111)], "numbers below zero or of ten digits and more"),
        ("score", vec![Value::Double(0.5)], "numbers are not proposed"),
        ("any", vec![Value::Int(1), "x".into()], "had values of several types"),
    ];
    for (key, values, why) in cases {
        assert_eq!(line(key, &values), format!("# refused: \"{key}\": {why}"));
    }
    let why = "# refused: \"level\": the ledger or the exporters use the name";
    assert_eq!(line("level", &[Value::Bool(true)]), why);
}

#[test]
fn bodies_come_again_and_hold_nothing_that_varies() {
    let bodies = ["node done", "node done", "once", "income 95000", "income 95000"];
    let records: Vec<_> = bodies.iter().map(|body| (*body, &[][..])).collect();
    let text = Proposal::of(&[logs(&records)]).unwrap().text();
    let expected = "  bodies:\n    - \"node done\"\n    # refused: 2 texts that came once, have \
                    digits, or are too long\n";
    assert!(text.contains(expected), "{text}");
}

/// Whatever was learnt from, a secret does not pass: not even when it was learnt from secrets.
#[test]
fn no_proposal_admits_a_secret() {
    let secrets = [
        "4111111111111111",
        "378282246310005",
        "4111-1111-1111-1111",
        "4111 1111 1111 1111",
        "078-05-1120",
        "bearer abcdefghijklmnopqrstuvwxyz.0123",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    ];
    let like = ["exec-1", "t_00ff00ff", "a1", "0000", "ab-12-cd", "9f1b6c1e-5a60", "x", "12-3"];
    // Each beside a secret: what is like an id must not widen a pattern so far that one fits.
    for (one, other) in like.iter().chain(&secrets).zip(secrets.iter().cycle()) {
        let values = texts(&[one, other, one, other, one, other]);
        let records: Vec<[(&str, Value); 1]> =
            values.iter().map(|value| [("k", value.clone())]).collect();
        let records: Vec<_> = records.iter().map(|it| ("b", &it[..])).collect();
        let text = Proposal::of(&[logs(&records)]).unwrap().text();
        let contract = Contract::parse(&text).unwrap();
        for secret in secrets {
            let request = logs(&[("b", &[("k", secret.into())])]);
            let sent = contract.sanitize(Signal::Logs, &request.bytes, &mut Scratch::default());
            let parts = sent.unwrap().into_parts();
            let leaves = parts.telemetry.iter().flat_map(|run| run.messages());
            for (_, _, message) in leaves {
                let found = message.windows(secret.len()).any(|it| it == secret.as_bytes());
                assert!(!found, "{secret} leaves after {one} and {other}:\n{text}");
            }
        }
    }
}
