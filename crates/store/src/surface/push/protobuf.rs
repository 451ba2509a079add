//! `logproto.PushRequest`: streams of labels as text, and entries.

use lucarne_logql::ast::MatchOp;
use lucarne_logql::labels::LabelSet;
use lucarne_logql::parse_selector;
use lucarne_otlp::wire::{Reader, Value, WireError};

use super::PushError;
use crate::ingest::Row;

const SECOND: i64 = 1_000_000_000;

pub(super) fn rows(body: &[u8]) -> Result<Vec<Row>, PushError> {
    let mut rows = Vec::new();
    each(body, &mut |number, value| match (number, value) {
        (1, Value::Bytes(bytes)) => stream(bytes, &mut rows),
        _ => Ok(()),
    })?;
    Ok(rows)
}

fn stream(message: &[u8], rows: &mut Vec<Row>) -> Result<(), PushError> {
    let mut labels = LabelSet::new();
    each(message, &mut |number, value| {
        if let (1, Value::Bytes(bytes)) = (number, value) {
            labels = label_set(text(bytes)?)?;
        }
        Ok(())
    })?;
    each(message, &mut |number, value| {
        if let (2, Value::Bytes(bytes)) = (number, value) {
            rows.push(entry(bytes, &labels)?);
        }
        Ok(())
    })
}

/// `{a="b", c="d"}` as a set.
fn label_set(text: &str) -> Result<LabelSet, PushError> {
    let selector = parse_selector(text).map_err(PushError::Labels)?;
    if selector.matchers.iter().any(|matcher| matcher.op != MatchOp::Eq) {
        return Err(PushError::Matchers);
    }
    Ok(LabelSet::from_pairs(selector.matchers.into_iter().map(|m| (m.name, m.value))))
}

fn entry(message: &[u8], labels: &LabelSet) -> Result<Row, PushError> {
    let mut row =
        Row { labels: labels.clone(), time_ns: 0, line: String::new(), metadata: Vec::new() };
    each(message, &mut |number, value| {
        match (number, value) {
            (1, Value::Bytes(bytes)) => row.time_ns = time(bytes)?,
            (2, Value::Bytes(bytes)) => text(bytes)?.clone_into(&mut row.line),
            (3, Value::Bytes(bytes)) => row.metadata.push(pair(bytes)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(row)
}

/// A `Timestamp` in nanoseconds.
fn time(message: &[u8]) -> Result<i64, PushError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    each(message, &mut |number, value| {
        match (number, value) {
            (1, Value::Varint(value)) => seconds = value.cast_signed(),
            (2, Value::Varint(value)) => nanos = value.cast_signed(),
            _ => {}
        }
        Ok(())
    })?;
    let whole = seconds.checked_mul(SECOND).filter(|_| (0..SECOND).contains(&nanos));
    whole.and_then(|whole| whole.checked_add(nanos)).ok_or(PushError::Time)
}

fn pair(message: &[u8]) -> Result<(String, String), PushError> {
    let mut pair = (String::new(), String::new());
    each(message, &mut |number, value| {
        match (number, value) {
            (1, Value::Bytes(bytes)) => text(bytes)?.clone_into(&mut pair.0),
            (2, Value::Bytes(bytes)) => text(bytes)?.clone_into(&mut pair.1),
            _ => {}
        }
        Ok(())
    })?;
    Ok(pair)
}

fn text(bytes: &[u8]) -> Result<&str, PushError> {
    std::str::from_utf8(bytes).map_err(|_| PushError::Wire(WireError::Utf8))
}

fn each<'a>(
    message: &'a [u8],
    take: &mut dyn FnMut(u32, Value<'a>) -> Result<(), PushError>,
) -> Result<(), PushError> {
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field()? {
        take(field.number, field.value)?;
    }
    Ok(())
}
