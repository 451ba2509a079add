//! One trace by its id, as JSON or as protobuf: v1 is the bare trace, v2 has an envelope.

use std::collections::BTreeMap;

use lucarne_otlp::wire::{WireError, Writer};

use super::json::{key, write_resource, write_scope, write_span};
use super::{Call, Refusal, Response, damaged};
use crate::trace::{StoredSpan, Trace, TraceId};

/// Spans by resource and scope, in the order of the first span of each.
type Batches<'a> = Vec<(&'a [u8], Vec<(&'a [u8], Vec<&'a StoredSpan>)>)>;

const PROTOBUF: &str = "application/protobuf";
/// `PartialStatus.PARTIAL` of Tempo's protobuf.
const PARTIAL: u64 = 1;

/// Why an answer lacks spans.
fn lacks(trace: &Trace) -> Option<String> {
    let cut = || "the trace is larger than is given back".to_owned();
    let lost = (trace.unreadable.blocks() > 0).then(|| trace.unreadable.to_string());
    lost.or_else(|| trace.is_partial.then(cut))
}

pub(super) fn v1(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let trace = find(call, id)?;
    let batches = batches(&trace);
    let response = if call.protobuf {
        protobuf(|out| write_batches(out, &batches))
    } else {
        let mut body = String::from("{");
        write_json(&mut body, "batches", &batches).map_err(|_| damaged())?;
        body.push('}');
        Response::json(body)
    };
    Ok(match lacks(&trace) {
        Some(why) => response.with("lucarne-partial", &why),
        None => response,
    })
}

pub(super) fn v2(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let trace = find(call, id)?;
    let batches = batches(&trace);
    let bytes: usize = trace.spans.iter().map(|span| span.span.len()).sum();
    if call.protobuf {
        return Ok(protobuf(|out| {
            out.message(1, |trace| write_batches(trace, &batches));
            out.message(2, |metrics| metrics.varint(1, bytes as u64));
            if let Some(why) = lacks(&trace) {
                out.varint(3, PARTIAL);
                out.bytes(4, why.as_bytes());
            }
        }));
    }
    let mut body = String::from(r#"{"trace":{"#);
    write_json(&mut body, "resourceSpans", &batches).map_err(|_| damaged())?;
    body.push_str(&format!(r#"}},"metrics":{{"inspectedBytes":"{bytes}"}}"#));
    if let Some(why) = lacks(&trace) {
        body.push_str(&format!(r#","status":"PARTIAL","message":"{why}""#));
    }
    body.push('}');
    Ok(Response::json(body))
}

fn protobuf(write: impl FnOnce(&mut Writer<'_>)) -> Response {
    let mut body = Vec::new();
    write(&mut Writer::new(&mut body));
    Response { status: 200, content_type: PROTOBUF, headers: Vec::new(), body }
}

fn find(call: &Call<'_>, id: &str) -> Result<Trace, Refusal> {
    let expected = "1 to 32 hex digits";
    let id = parse_id(id).ok_or(Refusal::Parameter { name: "the trace id", expected })?;
    let trace = call.traces.trace(id);
    if trace.spans.is_empty() { Err(Refusal::NoTrace) } else { Ok(trace) }
}

/// Leading zeros may be left out: ids of 64 bits are written so.
fn parse_id(text: &str) -> Option<TraceId> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits || !(1..=32).contains(&text.len()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(|id| TraceId(id.to_be_bytes()))
}

fn batches(trace: &Trace) -> Batches<'_> {
    let mut places: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mut batches: Batches<'_> = Vec::new();
    for span in &trace.spans {
        let at = *places.entry(&span.resource).or_insert(batches.len());
        if at == batches.len() {
            batches.push((&span.resource, Vec::new()));
        }
        let Some((_, scopes)) = batches.get_mut(at) else { continue };
        match scopes.iter_mut().find(|(scope, _)| *scope == span.scope) {
            Some((_, spans)) => spans.push(span),
            None => scopes.push((&span.scope, vec![span])),
        }
    }
    batches
}

fn write_batches(out: &mut Writer<'_>, batches: &Batches<'_>) {
    for (resource, scopes) in batches {
        out.message(1, |batch| {
            batch.bytes(1, resource);
            for (scope, spans) in scopes {
                batch.message(2, |group| {
                    group.bytes(1, scope);
                    spans.iter().for_each(|span| group.bytes(2, &span.span));
                });
            }
        });
    }
}

fn write_json(out: &mut String, name: &str, batches: &Batches<'_>) -> Result<(), WireError> {
    key(out, name);
    out.push('[');
    for (at, (resource, scopes)) in batches.iter().enumerate() {
        out.push_str(if at > 0 { r#",{"resource":"# } else { r#"{"resource":"# });
        write_resource(out, resource)?;
        out.push_str(r#","scopeSpans":["#);
        for (at, (scope, spans)) in scopes.iter().enumerate() {
            out.push_str(if at > 0 { r#",{"scope":"# } else { r#"{"scope":"# });
            write_scope(out, scope)?;
            out.push_str(r#","spans":["#);
            for (at, span) in spans.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_span(out, &span.span)?;
            }
            out.push_str("]}");
        }
        out.push_str("]}");
    }
    out.push(']');
    Ok(())
}
