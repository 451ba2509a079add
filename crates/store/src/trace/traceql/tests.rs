//! Written queries over a few traces, with results worked out from the documentation.

use std::fmt::Write as _;

use lucarne_logql::traceql::parse;
use lucarne_otlp::wire::Writer;

use super::*;
use crate::trace::{StoredSpan, TraceId, read_spans};

const TRACES: &str = include_str!("../../../testdata/traceql/traces.txt");
const CASES: &str = include_str!("../../../testdata/traceql/cases.txt");

fn value(w: &mut Writer<'_>, text: &str) {
    if let Some(list) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        w.message(5, |w| list.split(',').for_each(|one| w.message(1, |w| value(w, one))));
    } else if let Ok(whole) = text.parse::<u64>() {
        w.varint(3, whole);
    } else if let Ok(float) = text.parse::<f64>() {
        w.double(4, float);
    } else if let Ok(truth) = text.parse::<bool>() {
        w.varint(2, truth.into());
    } else {
        w.bytes(1, text.replace('_', " ").as_bytes());
    }
}

/// `name=value` as an attribute in a field.
fn attribute(w: &mut Writer<'_>, number: u32, pair: &str) {
    let (name, text) = pair.split_once('=').unwrap();
    w.message(number, |w| {
        w.bytes(1, name.as_bytes());
        w.message(2, |w| value(w, text));
    });
}

fn id<const N: usize>(text: &str) -> [u8; N] {
    [u8::from_str_radix(text, 16).unwrap(); N]
}

fn part_of_span(w: &mut Writer<'_>, start: u64, part: &str) {
    let (kind, text) = part.split_once(':').unwrap();
    match kind {
        "a" => attribute(w, 9, text),
        "e" => w.message(11, |w| {
            let (event, pair) = text.split_once(':').unwrap_or((text, ""));
            let (name, after) = event.split_once('@').unwrap();
            w.fixed64(1, start + after.parse::<u64>().unwrap() * 1_000_000);
            w.bytes(2, name.as_bytes());
            if !pair.is_empty() {
                attribute(w, 3, pair);
            }
        }),
        "l" => w.message(13, |w| {
            let (target, pair) = text.split_once(':').unwrap();
            let (trace, span) = target.split_once('/').unwrap();
            w.bytes(1, &id::<16>(trace));
            w.bytes(2, &id::<8>(span));
            attribute(w, 4, pair);
        }),
        _ => {}
    }
}

fn span(w: &mut Writer<'_>, trace: [u8; 16], words: &[&str]) {
    const KINDS: [&str; 6] = ["-", "internal", "server", "client", "producer", "consumer"];
    let [number, parent, start, end, kind, status, name, parts @ ..] = words else {
        panic!("{words:?}")
    };
    let ns = |text: &str| text.parse::<u64>().unwrap() * 1_000_000;
    w.bytes(1, &trace);
    w.bytes(2, &id::<8>(number));
    if *parent != "-" {
        w.bytes(4, &id::<8>(parent));
    }
    w.bytes(5, name.replace('_', " ").as_bytes());
    w.varint(6, KINDS.iter().position(|one| one == kind).unwrap() as u64);
    w.fixed64(7, ns(start));
    w.fixed64(8, ns(end));
    parts.iter().for_each(|part| part_of_span(w, ns(start), part));
    w.message(15, |w| {
        if let Some(text) = parts.iter().find_map(|part| part.strip_prefix("m:")) {
            w.bytes(2, text.as_bytes());
        }
        let code = ["unset", "ok", "error"].iter().position(|one| one == status).unwrap();
        w.varint(3, code as u64);
    });
}

/// The traces of the cases as one request.
pub(in crate::trace) fn request() -> Vec<u8> {
    let mut out = Vec::new();
    let mut trace = [0; 16];
    for line in TRACES.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if words[0] == "trace" {
            trace = id(words[1]);
            continue;
        }
        let parts = &words[8..];
        let of = |kind: &'static str| parts.iter().filter_map(move |part| part.strip_prefix(kind));
        Writer::new(&mut out).message(1, |w| {
            w.message(1, |w| of("r:").for_each(|pair| attribute(w, 1, pair)));
            w.message(2, |w| {
                w.message(1, |w| {
                    for scope in of("n:") {
                        let (name, version) = scope.split_once('@').unwrap();
                        w.bytes(1, name.as_bytes());
                        w.bytes(2, version.as_bytes());
                    }
                    of("s:").for_each(|pair| attribute(w, 3, pair));
                });
                w.message(2, |w| span(w, trace, &words[1..]));
            });
        });
    }
    out
}

/// Newest first.
fn traces() -> Vec<(TraceId, Vec<StoredSpan>)> {
    let mut out: Vec<(TraceId, Vec<StoredSpan>)> = Vec::new();
    for (id, span) in read_spans(&request()).unwrap() {
        match out.last_mut().filter(|(last, _)| *last == id) {
            Some((_, spans)) => spans.push(span),
            None => out.push((id, vec![span])),
        }
    }
    out.reverse();
    out
}

fn show(query: &str) -> String {
    let program = Program::new(parse(query).unwrap()).unwrap();
    let mut out = String::new();
    for (id, spans) in &traces() {
        let view = TraceView::of(*id, spans).unwrap();
        let found = program.run(&view);
        if found.is_empty() {
            continue;
        }
        write!(out, "= {:02x}:", id.0[0]).unwrap();
        for (at, set) in found.iter().enumerate() {
            out.push_str(if at > 0 { " |" } else { "" });
            for (name, value) in &set.by {
                let text = value.as_ref().map_or("nil".into(), Value::text);
                write!(out, " {name}={text}").unwrap();
            }
            for &at in &set.spans {
                write!(out, " {:x}", view.spans[at].span.span_id[0]).unwrap();
            }
        }
        out.push('\n');
    }
    if out.is_empty() { "= nothing\n".to_owned() } else { out }
}

#[test]
fn written_queries_have_their_written_results() {
    let (mut wrong, mut count) = (String::new(), 0);
    let mut lines = CASES.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(query) = line.strip_prefix("? ") else { continue };
        let mut expected = String::new();
        while let Some(result) = lines.next_if(|line| line.starts_with('=')) {
            writeln!(expected, "{result}").unwrap();
        }
        let got = show(query);
        if got != expected {
            write!(wrong, "? {query}\n{got}").unwrap();
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(count, 161);
}
