//! Entry points for fuzzing: total functions that check what must hold for any input.

use alloc::string::ToString;

use alloc::string::String;
use alloc::vec::Vec;

use crate::ast::{Extraction, Stage};
use crate::go_regex::{Anchor, Regex};
use crate::labels::LabelSet;
use crate::stage::{
    Fields, Input, Outcome, Pipeline, Scratch, Shredding, json_fields, logfmt_fields,
};
use crate::template::{Dot, Facts, Template, WORK_MAX};
use crate::{Mode, parse, parse_filter, parse_selector, traceql};

/// Whatever parses is printed as something that parses to the same and prints the same.
pub fn fuzz_parse(data: &[u8]) {
    let Ok(source) = core::str::from_utf8(data) else { return };
    match parse(source, Mode::Extended) {
        Ok(parsed) => {
            assert_eq!(parsed.canonical, parsed.query.to_string());
            let again = parse(&parsed.canonical, Mode::Extended);
            assert_eq!(again.map(|again| again.query), Ok(parsed.query));
        }
        Err(error) => {
            assert!(error.span.start <= error.span.end && error.span.end <= source.len());
            assert!(source.get(error.span.start..error.span.end).is_some(), "{error:?}");
        }
    }
    if let Ok(parsed) = parse(source, Mode::Strict) {
        assert!(parsed.query.is_standard() && !parsed.rewritten);
        assert_eq!(parse(source, Mode::Extended), Ok(parsed));
    }
    let _outcome = parse_filter(source);
    if let Ok(selector) = parse_selector(source) {
        assert_eq!(parse_selector(&selector.to_string()), Ok(selector));
    }
}

/// Whatever parses as TraceQL is printed as something that parses to the same.
pub fn fuzz_traceql(data: &[u8]) {
    let Ok(source) = core::str::from_utf8(data) else { return };
    match traceql::parse(source) {
        Ok(query) => {
            let canonical = query.to_string();
            assert_eq!(traceql::parse(&canonical), Ok(query), "{canonical}");
        }
        Err(error) => {
            assert!(error.span.start <= error.span.end && error.span.end <= source.len());
            assert!(source.get(error.span.start..error.span.end).is_some(), "{error:?}");
        }
    }
    if let Ok(field) = traceql::parse_field(source) {
        assert_eq!(traceql::parse_field(&field.to_string()), Ok(field));
    }
}

/// Text before the first zero byte, and after it.
fn halves(data: &[u8]) -> Option<(&str, &str)> {
    let text = core::str::from_utf8(data).ok()?;
    Some(text.split_once('\0').unwrap_or((text, "")))
}

/// A label of every name, with one text.
struct Everything<'a>(&'a str);

impl Dot for Everything<'_> {
    fn field(&self, _: &str) -> Option<&str> {
        Some(self.0)
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        visit("a", self.0);
    }
}

/// A template, a zero byte, a text: what a template makes is bounded, and a failure leaves nothing.
pub fn fuzz_template(data: &[u8]) {
    let Some((source, text)) = halves(data) else { return };
    let Ok(template) = Template::compile(source) else { return };
    let mut out = String::from("before");
    let facts = Facts { line: text, time_ns: 1, now_ns: 2 };
    match template.render(&Everything(text), facts, &mut out) {
        Ok(()) => assert!(out.starts_with("before") && out.len() <= WORK_MAX.saturating_add(6)),
        Err(_) => assert_eq!(out, "before"),
    }
}

/// A pattern, a zero byte, a text: a match has the needle, and the whole text is a match of it.
pub fn fuzz_go_regex(data: &[u8]) {
    let Some((pattern, text)) = halves(data) else { return };
    let Ok(regex) = Regex::new(pattern, Anchor::Unanchored) else { return };
    if regex.is_match(text) {
        assert!(regex.needle().is_none_or(|needle| text.contains(needle)));
        assert_ne!(regex.find_all(text).next(), None);
    }
    let _whole = Regex::new(pattern, Anchor::Whole).map(|regex| regex.is_match(text));
}

/// Fields of a line as a store would have them, if it can be read.
struct Columns(Shredding, Vec<(String, String)>);

impl Columns {
    fn of(shredding: Shredding, line: &str) -> Option<Self> {
        let mut columns: Vec<(String, String)> = Vec::new();
        let mut take = |name: &str, value: &str| {
            if !columns.iter().any(|(have, _)| have == name) {
                columns.push((name.into(), value.into()));
            }
        };
        match shredding {
            Shredding::Json => json_fields(line, &mut |name, value| {
                take(name, value);
                true
            })
            .ok()?,
            Shredding::Logfmt => logfmt_fields(line, &mut take),
        }
        Some(Self(shredding, columns))
    }
}

impl Fields for Columns {
    fn shredding(&self) -> Shredding {
        self.0
    }

    fn get(&self, name: &str, out: &mut String) -> bool {
        let found = self.1.iter().find(|(have, _)| have == name);
        found.inspect(|(_, value)| out.push_str(value)).is_some()
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.1.iter().for_each(|(name, value)| visit(name, value));
    }
}

/// The line and labels that a pipeline makes of a line.
fn outcome(
    stages: &[Stage],
    line: &str,
    shredded: Option<&dyn Fields>,
) -> Option<(String, LabelSet)> {
    let pipeline = Pipeline::compile(stages).ok()?;
    let stream = LabelSet::from_pairs([("app", "x")]);
    let input = Input { time_ns: 0, line, stream: &stream, metadata: &[("m", "y")], shredded };
    match pipeline.run(&input, &mut Scratch::default()) {
        Outcome::Dropped => None,
        Outcome::Kept(row) => {
            let count = row.labels().count();
            assert_eq!(count, row.label_set().len(), "a name twice");
            Some((row.line.into(), row.label_set()))
        }
    }
}

/// A parser, a path or pattern, a zero byte, a line: every parser is total, no name comes twice,
/// and columns answer as the parser does.
pub fn fuzz_stage(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let Some((text, line)) = halves(rest) else { return };
    let field = || alloc::vec![Extraction { name: "z".into(), expression: text.into() }];
    let logfmt = |fields| Stage::Logfmt { strict: first > 127, keep_empty: false, fields };
    let (stage, shredding) = match first % 8 {
        0 => (Stage::Json(Vec::new()), Some(Shredding::Json)),
        1 => (Stage::Json(field()), None),
        2 => (logfmt(Vec::new()), Some(Shredding::Logfmt)),
        3 => (logfmt(field()), None),
        4 => (Stage::Regexp(text.into()), None),
        5 => (Stage::Pattern(text.into()), None),
        6 => (Stage::Unpack, None),
        _ => (Stage::Decolorize, None),
    };
    let parsed = outcome(core::slice::from_ref(&stage), line, None);
    if let Some(columns) = shredding.and_then(|shredding| Columns::of(shredding, line)) {
        assert_eq!(outcome(&[stage], line, Some(&columns)), parsed);
    }
}
