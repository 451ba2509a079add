//! Entry points for fuzzing: total functions that check what must hold for any input.

use lucarne_otlp::Signal;

use crate::inspect::{Shape, Verdict};
use crate::ottl::{Context, ErrorMode, Filter, Transform};
use crate::rules::Rules;

/// The first byte chooses the shape, the rest is the payload. A rewritten copy must be clean, and
/// what a text search finds in the raw bytes of a payload must not be called clean unless an
/// identifier explains it.
pub fn fuzz_inspect(data: &[u8]) {
    let Some((&first, payload)) = data.split_first() else {
        return;
    };
    let shape = match first % 6 {
        0 => Shape::LogRecord,
        1 => Shape::Metric,
        2 => Shape::Span,
        3 => Shape::Resource,
        4 => Shape::Scope,
        _ => Shape::Json,
    };
    let Ok(rules) = Rules::default_rules() else {
        return;
    };
    if let Verdict::Hit(hit) = rules.inspect(shape, payload) {
        assert_ne!(hit.key.as_deref(), Some(""));
        if let Some(copy) = rules.rewrite(shape, payload, &hit) {
            assert_eq!(rules.inspect(shape, &copy), Verdict::Clean);
        }
    }
}

/// The first byte chooses signal and context; then come a statement up to a line break and a
/// payload. What compiles once compiles again, and what a statement made of a payload is a payload
/// that the same statement and a filter can read.
pub fn fuzz_ottl(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let at = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (Some(text), payload) = rest
        .split_at_checked(at)
        .map_or((None, &[][..]), |(text, tail)| (core::str::from_utf8(text).ok(), tail))
    else {
        return;
    };
    let payload = payload.get(1..).unwrap_or_default();
    let (signal, context) = match first % 8 {
        0 => (Signal::Logs, Some(Context::Log)),
        1 => (Signal::Traces, Some(Context::Span)),
        2 => (Signal::Traces, Some(Context::SpanEvent)),
        3 => (Signal::Metrics, Some(Context::Metric)),
        4 => (Signal::Metrics, Some(Context::DataPoint)),
        5 => (Signal::Logs, Some(Context::Resource)),
        6 => (Signal::Logs, Some(Context::Scope)),
        _ => (Signal::Logs, None),
    };
    if let Ok(filter) = Filter::compile(signal, context, &[text], ErrorMode::Ignore)
        && let Ok(applied) = filter.apply(payload, 0)
    {
        assert!(filter.apply(&applied.payload, 0).is_ok(), "what is left must be readable");
    }
    let Ok(transform) = Transform::compile(signal, context, &[], &[text], ErrorMode::Ignore) else {
        return;
    };
    if let Ok(applied) = transform.apply(payload, 0) {
        assert!(transform.apply(&applied.payload, 0).is_ok(), "a copy must be readable");
    }
}
