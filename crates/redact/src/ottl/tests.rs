//! OTTL as a whole: tables of statements with what they make of a payload.

mod conditions;
mod converters;
mod editors;
mod mistakes;
mod signals;

use std::string::String;
use std::vec::Vec;

use lucarne_otlp::Signal;
use lucarne_otlp::display::value_to_json;
use lucarne_otlp::view::LogsRequest;
use lucarne_otlp::wire::Writer;
use serde_json::Value;

use super::{Applied, Context, ErrorMode, Filter, Transform};

const NOW: u64 = 1_763_696_787_123_456_789;

fn message(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out
}

/// An `AnyValue` of a JSON value: whole numbers are ints.
fn any(value: &Value) -> Vec<u8> {
    message(|out| match value {
        Value::Null => {}
        Value::Bool(truth) => out.varint(2, u64::from(*truth)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => out.varint(3, number.cast_unsigned()),
            None => out.double(4, number.as_f64().unwrap()),
        },
        Value::String(text) => out.bytes(1, text.as_bytes()),
        Value::Array(list) => {
            out.message(5, |out| list.iter().for_each(|item| out.bytes(1, &any(item))));
        }
        Value::Object(_) => out.message(6, |out| pairs(1, value, out)),
    })
}

fn pairs(number: u32, map: &Value, out: &mut Writer<'_>) {
    for (key, value) in map.as_object().unwrap() {
        out.message(number, |out| {
            out.bytes(1, key.as_bytes());
            out.bytes(2, &any(value));
        });
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A request of one record, of the form that the collector's own tests use.
fn log(attributes: &str, body: &str) -> Vec<u8> {
    request(
        r#"{"host.name":"localhost","service.name":"ingest_service"}"#,
        &message(|log| {
            log.fixed64(1, NOW);
            log.varint(2, 1);
            log.bytes(3, b"TRACE");
            log.bytes(5, &any(&json(body)));
            pairs(6, &json(attributes), log);
            log.varint(7, 1);
            log.fixed32(8, 1);
            log.bytes(9, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
            log.bytes(10, &[1, 2, 3, 4, 5, 6, 7, 8]);
            log.fixed64(11, NOW + 1);
        }),
    )
}

fn request(resource: &str, record: &[u8]) -> Vec<u8> {
    message(|out| {
        out.message(1, |out| {
            out.message(1, |out| pairs(1, &json(resource), out));
            out.message(2, |out| {
                out.message(1, |out| {
                    out.bytes(1, b"scope");
                    out.bytes(2, b"1.2");
                });
                out.bytes(2, record);
            });
        });
    })
}

fn apply(statement: &str, payload: &[u8]) -> (Vec<u8>, u64) {
    let compiled =
        Transform::compile(Signal::Logs, Some(Context::Log), &[], &[statement], ErrorMode::Ignore);
    let transform = compiled.unwrap_or_else(|error| panic!("{statement}: {}", error.error));
    let Applied { payload, faults, .. } = transform.apply(payload, NOW).unwrap();
    (payload.into_owned(), faults)
}

/// The attributes of the only record.
fn attributes(payload: &[u8]) -> Value {
    let resource = LogsRequest::new(payload).resources().next().unwrap().unwrap();
    let record = resource.scopes().next().unwrap().unwrap().records().next().unwrap().unwrap();
    let mut map = serde_json::Map::new();
    for attribute in record.attributes() {
        let attribute = attribute.unwrap();
        let mut out = Vec::new();
        value_to_json(attribute.value, &mut out).unwrap();
        let old = map.insert(attribute.key.into(), json(&String::from_utf8(out).unwrap()));
        assert_eq!(old, None, "no key is there twice");
    }
    Value::Object(map)
}

/// Whether a condition holds for the only record.
fn holds(signal: Signal, context: Option<Context>, condition: &str, payload: &[u8]) -> bool {
    let filter = Filter::compile(signal, context, &[condition], ErrorMode::Propagate);
    let filter = filter.unwrap_or_else(|error| panic!("{condition}: {}", error.error));
    let applied = filter.apply(payload, NOW).unwrap_or_else(|e| panic!("{condition}: {e:?}"));
    applied.payload.is_empty()
}

#[test]
fn the_corpus_replays() {
    lucarne_testkit::replay("redact_ottl", crate::fuzzing::fuzz_ottl);
}
