//! The values of a field of a span: none, one, or one for each event, link or element.

use std::borrow::Cow;

use lucarne_logql::traceql::ast::{Field, Intrinsic, Kind, Scope, Status};

use super::value::Value;
use super::view::{Pairs, SpanView, TraceView};

/// What a field is for the span at a place.
pub(super) fn values<'a>(trace: &'a TraceView<'a>, at: usize, field: &Field) -> Vec<Value<'a>> {
    let Some(span) = trace.spans.get(at) else { return Vec::new() };
    match field {
        Field::Intrinsic(intrinsic) => intrinsic_values(trace, span, *intrinsic),
        Field::Attribute { parent: false, scope, name } => attribute(span, *scope, name),
        Field::Attribute { parent: true, scope, name } => {
            let parent = span.parent.and_then(|parent| trace.spans.get(parent));
            parent.map(|parent| attribute(parent, *scope, name)).unwrap_or_default()
        }
    }
}

fn attribute<'a>(span: &'a SpanView<'a>, scope: Scope, name: &str) -> Vec<Value<'a>> {
    match scope {
        Scope::Any => {
            let own = of(&span.attributes, name);
            if own.is_empty() { of(&span.resource, name) } else { own }
        }
        Scope::Span => of(&span.attributes, name),
        Scope::Resource => of(&span.resource, name),
        Scope::Event => span.events.iter().flat_map(|(_, pairs)| of(pairs, name)).collect(),
        Scope::Link => span.links.iter().flat_map(|(_, pairs)| of(pairs, name)).collect(),
        Scope::Instrumentation => of(&span.scope_attributes, name),
    }
}

fn of<'a>(pairs: &Pairs<'a>, name: &str) -> Vec<Value<'a>> {
    pairs.iter().filter(|(have, _)| *have == name).map(|(_, value)| value.clone()).collect()
}

fn intrinsic_values<'a>(
    trace: &'a TraceView<'a>,
    span: &'a SpanView<'a>,
    intrinsic: Intrinsic,
) -> Vec<Value<'a>> {
    let text = |text: &'a str| vec![Value::Text(Cow::Borrowed(text))];
    let root = trace.root_span();
    match intrinsic {
        Intrinsic::Name => text(span.span.name),
        Intrinsic::Status => vec![Value::Status(status(span))],
        Intrinsic::StatusMessage => text(span.span.status.as_ref().map_or("", |s| s.message)),
        Intrinsic::Kind => vec![Value::Kind(kind(span))],
        Intrinsic::Duration => vec![Value::Duration(span.end_ns - span.start_ns)],
        Intrinsic::ChildCount => vec![Value::Int(span.children)],
        Intrinsic::SpanId => vec![hex(span.span.span_id)],
        Intrinsic::ParentId if span.is_root() => Vec::new(),
        Intrinsic::ParentId => vec![hex(span.span.parent_span_id)],
        Intrinsic::TraceDuration => vec![Value::Duration(trace.end_ns - trace.start_ns)],
        Intrinsic::RootName => root.map_or(Vec::new(), |root| text(root.span.name)),
        Intrinsic::RootService => root.and_then(SpanView::service).map_or(Vec::new(), text),
        Intrinsic::TraceId => vec![hex(&trace.id.0)],
        Intrinsic::NestedSetLeft => vec![Value::Int(span.sets.left)],
        Intrinsic::NestedSetRight => vec![Value::Int(span.sets.right)],
        Intrinsic::NestedSetParent => vec![Value::Int(span.sets.parent)],
        Intrinsic::EventName => {
            span.events.iter().map(|(event, _)| Value::Text(Cow::Borrowed(event.name))).collect()
        }
        Intrinsic::EventTimeSinceStart => {
            let since = |time: u64| i64::try_from(time).unwrap_or(i64::MAX) - span.start_ns;
            let events = span.events.iter();
            events.map(|(event, _)| Value::Duration(since(event.time_unix_nano))).collect()
        }
        Intrinsic::LinkTraceId => span.links.iter().map(|(link, _)| hex(link.trace_id)).collect(),
        Intrinsic::LinkSpanId => span.links.iter().map(|(link, _)| hex(link.span_id)).collect(),
        Intrinsic::InstrumentationName => text(span.scope.name),
        Intrinsic::InstrumentationVersion => text(span.scope.version),
    }
}

fn status(span: &SpanView<'_>) -> Status {
    let code = span.span.status.as_ref().map_or(0, |status| status.code);
    let known = usize::try_from(code).ok().and_then(|code| Status::ALL.get(code));
    known.copied().unwrap_or(Status::Unset)
}

fn kind(span: &SpanView<'_>) -> Kind {
    let known = usize::try_from(span.span.kind).ok().and_then(|kind| Kind::ALL.get(kind));
    known.copied().unwrap_or(Kind::Unspecified)
}

/// Ids are small hex digits.
pub(super) fn hex(id: &[u8]) -> Value<'static> {
    Value::Text(Cow::Owned(id.iter().map(|byte| format!("{byte:02x}")).collect()))
}
