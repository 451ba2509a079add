//! Pipelines and what they make of a line, worked out by hand from the documentation; and the
//! column path beside the parse path.
//!
//! The stream is `{app="web", pod="p-1"}`, the metadata `trace_id="t1", user="u1"`. Expected labels
//! are those that differ from that: what is added, and `-name` for what is gone.

mod columns;
mod corpora;
mod early;
mod filters;
mod parsers;
mod rewriting;
mod unwrapping;

use super::*;
use crate::{Mode, ast, parse};
use alloc::format;

const METADATA: [(&str, &str); 2] = [("trace_id", "t1"), ("user", "u1")];

fn stream() -> LabelSet {
    LabelSet::from_pairs([("app", "web"), ("pod", "p-1")])
}

fn stages(text: &str) -> Vec<ast::Stage> {
    let query = format!("{{app=\"web\"}} {text}");
    match parse(&query, Mode::Extended).unwrap().query {
        ast::Query::Log(query) => query.stages,
        ast::Query::Metric(_) => panic!("{query}"),
    }
}

/// The line and the labels that differ; nothing if the line is dropped.
fn run(pipeline: &Pipeline, line: &str, shredded: Option<&dyn Fields>) -> Option<(String, String)> {
    let stream = stream();
    let time_ns = 1_635_848_430_123_456_789;
    let input = Input { time_ns, line, stream: &stream, metadata: &METADATA, shredded };
    let mut scratch = Scratch::new(time_ns);
    match pipeline.run(&input, &mut scratch) {
        Outcome::Dropped => None,
        Outcome::Kept(row) => Some((row.line.into(), difference(&row))),
    }
}

fn difference(row: &Row<'_>) -> String {
    let labels = row.label_set();
    let mut before: Vec<(&str, &str)> = METADATA.to_vec();
    before.extend([("app", "web"), ("pod", "p-1")]);
    let mut parts: Vec<String> = labels
        .iter()
        .filter(|pair| !before.contains(pair))
        .map(|(name, value)| format!("{name}={}", crate::go_number::quote(value)))
        .collect();
    before.sort_unstable();
    let gone = before.iter().filter(|(name, _)| labels.get(name).is_none());
    parts.extend(gone.map(|(name, _)| format!("-{name}")));
    parts.join(" ")
}

/// The line stays as it is.
#[track_caller]
fn labels(text: &str, line: &str, expected: &str) {
    rewrites(text, line, line, expected);
}

#[track_caller]
fn rewrites(text: &str, line: &str, line_after: &str, expected: &str) {
    let pipeline = Pipeline::compile(&stages(text)).unwrap();
    let after = run(&pipeline, line, None);
    assert_eq!(after, Some((line_after.into(), expected.into())), "{text} on {line}");
}

#[track_caller]
fn kept(text: &str, line: &str, expected: bool) {
    let pipeline = Pipeline::compile(&stages(text)).unwrap();
    assert_eq!(run(&pipeline, line, None).is_some(), expected, "{text} on {line}");
}
