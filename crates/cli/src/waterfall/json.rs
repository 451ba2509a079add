//! A trace as one JSON object a span, in the order of the waterfall.

use lucarne_otlp::display::string_to_json;

use super::{Row, Waterfall};

/// One line a span, with everything that it says.
pub fn lines(waterfall: &Waterfall) -> Vec<u8> {
    let mut out = Vec::new();
    for row in &waterfall.rows {
        write_row(&mut out, &waterfall.trace_id, row);
    }
    out
}

fn write_row(out: &mut Vec<u8>, trace_id: &str, row: &Row) {
    let (node, said) = (&row.node, &row.said);
    let span = &node.span;
    let parent = span.parent.map_or_else(|| "null".to_owned(), |id| format!("\"{}\"", hex(&id)));
    let head = format!(
        "{{\"trace_id\":\"{trace_id}\",\"span_id\":\"{}\",\"parent_span_id\":{parent},\
         \"depth\":{},\"start_unix_nano\":\"{}\",\"end_unix_nano\":\"{}\",\"self_ns\":{},\
         \"is_error\":{},\"is_critical\":{},\"is_orphan\":{},\"kind\":{}",
        hex(&span.id),
        node.depth,
        span.start_ns,
        span.end_ns,
        node.self_ns,
        span.is_error,
        node.is_critical,
        node.is_orphan,
        said.kind
    );
    out.extend_from_slice(head.as_bytes());
    for (name, text) in [("name", &span.name), ("service", &span.service), ("status", &said.status)]
    {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        string_to_json(text, out);
    }
    out.extend_from_slice(b",\"attributes\":");
    write_pairs(out, &said.attributes);
    out.extend_from_slice(b",\"resource\":");
    write_pairs(out, &said.resource);
    out.extend_from_slice(b",\"events\":[");
    for (at, (time_ns, name, attributes)) in said.events.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("{{\"time_unix_nano\":\"{time_ns}\",\"name\":").as_bytes());
        string_to_json(name, out);
        out.extend_from_slice(b",\"attributes\":");
        write_pairs(out, attributes);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}\n");
}

/// Values are JSON already.
fn write_pairs(out: &mut Vec<u8>, pairs: &[(String, String)]) {
    out.push(b'{');
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string_to_json(name, out);
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'}');
}

fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    lucarne_otlp::display::hex(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
