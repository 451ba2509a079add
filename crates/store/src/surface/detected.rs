//! Which fields lines have, found by reading the newest of them.
//!
//! Structured metadata counts as it is; the line is read as JSON or else as logfmt. A field has
//! the type of most of its values. What the query itself parsed is counted as of that parser.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use lucarne_logql::ast::{Query, Stage};
use lucarne_logql::labels::LabelSet;
use lucarne_logql::stage::{Class, Input, Outcome, Pipeline, Scratch};
use lucarne_logql::{bytesize, duration};

use super::error::Refusal;
use super::parameters::QUERY_SINCE_NS;
use super::{Call, Response};
use crate::engine::RangeAsk;
use crate::engine::answer::json::write_string;
use crate::engine::answer::{Data, Row};
use crate::engine::source::Direction;

/// Loki's defaults.
const FIELDS_DEFAULT: u64 = 1000;
const LINES_DEFAULT: u64 = 100;
/// Of one field; more are counted as this many.
const VALUES_MAX: usize = 10_000;
/// In the order in which a value is tried.
const TYPES: [&str; 6] = ["int", "float", "boolean", "duration", "bytes", "string"];

#[derive(Default)]
struct Field {
    values: BTreeSet<String>,
    types: [u64; TYPES.len()],
    parsers: BTreeSet<&'static str>,
}

impl Field {
    fn add(&mut self, value: &str, parser: Option<&'static str>) {
        if let Some(count) = self.types.get_mut(type_of(value)) {
            *count += 1;
        }
        if self.values.len() < VALUES_MAX {
            self.values.insert(value.to_owned());
        }
        self.parsers.extend(parser);
    }

    fn type_name(&self) -> &'static str {
        let most = self.types.iter().max().copied().unwrap_or_default();
        let at = self.types.iter().position(|&count| count == most);
        at.and_then(|at| TYPES.get(at)).unwrap_or(&"string")
    }
}

/// The place of a value's type in [`TYPES`].
fn type_of(value: &str) -> usize {
    let tests: [&dyn Fn() -> bool; 5] = [
        &|| value.parse::<i64>().is_ok(),
        &|| value.parse::<f64>().is_ok(),
        &|| matches!(value, "true" | "false"),
        &|| duration::parse_go(value).is_some(),
        &|| bytesize::parse_value(value).is_some(),
    ];
    tests.iter().position(|test| test()).unwrap_or(tests.len())
}

/// Reads lines as JSON and as logfmt.
struct Readers {
    json: Pipeline,
    logfmt: Pipeline,
    scratch: Scratch,
}

impl Readers {
    fn new(now_ns: i64) -> Option<Self> {
        let logfmt = Stage::Logfmt { strict: true, keep_empty: false, fields: Vec::new() };
        Some(Self {
            json: Pipeline::compile(&[Stage::Json(Vec::new())]).ok()?,
            logfmt: Pipeline::compile(&[logfmt]).ok()?,
            scratch: Scratch::new(now_ns),
        })
    }

    fn read(&mut self, row: &Row, take: &mut dyn FnMut(&str, &str, &'static str)) {
        let is_json = row.line.trim_start().starts_with('{');
        let (pipeline, parser) =
            if is_json { (&self.json, "json") } else { (&self.logfmt, "logfmt") };
        let none = LabelSet::new();
        let input = Input {
            time_ns: row.time_ns,
            line: &row.line,
            stream: &none,
            metadata: &[],
            shredded: None,
        };
        let Outcome::Kept(kept) = pipeline.run(&input, &mut self.scratch) else { return };
        if kept.get("__error__").is_some() {
            return;
        }
        for (class, name, value) in kept.labels() {
            if class == Class::Parsed && !value.is_empty() {
                take(name, value, parser);
            }
        }
    }
}

fn detect(call: &Call<'_>) -> Result<BTreeMap<String, Field>, Refusal> {
    let parsed = call.query()?;
    if let Query::Metric(_) = parsed.query {
        return Err(Refusal::Parameter { name: "query", expected: "a log query" });
    }
    let range = call.parameters.range(QUERY_SINCE_NS, call.asker.now_ns)?;
    let ask = RangeAsk {
        start_ns: range.from_ns,
        end_ns: range.to_ns,
        step_ns: 1,
        limit: call.rows("line_limit", LINES_DEFAULT)?,
        direction: Direction::Backward,
    };
    let mut fields: BTreeMap<String, Field> = BTreeMap::new();
    let answer = call.engine.query_range(&parsed.query, &ask)?;
    let Data::Streams(rows) = answer.data else { return Ok(fields) };
    let Some(mut readers) = Readers::new(call.asker.now_ns) else { return Ok(fields) };
    for row in &rows.rows {
        for (name, value) in &row.metadata {
            fields.entry(name.clone()).or_default().add(value, None);
        }
        readers.read(row, &mut |name, value, parser| {
            fields.entry(name.to_owned()).or_default().add(value, Some(parser));
        });
    }
    Ok(fields)
}

pub(super) fn fields(call: &Call<'_>) -> Result<Response, Refusal> {
    let limit = call.parameters.count("limit", FIELDS_DEFAULT)?;
    let fields = detect(call)?;
    let mut body = String::from(r#"{"fields":["#);
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    for (at, (name, field)) in fields.iter().take(shown).enumerate() {
        body.push_str(if at > 0 { r#",{"label":"# } else { r#"{"label":"# });
        write_string(&mut body, name);
        let (kind, count) = (field.type_name(), field.values.len());
        let _ = write!(body, r#","type":"{kind}","cardinality":{count},"parsers":"#);
        write_parsers(&mut body, &field.parsers);
        body.push('}');
    }
    let _ = write!(body, r#"],"limit":{limit}}}"#);
    Ok(Response::json(body))
}

/// `null` for what no parser was needed for, as Loki has it.
fn write_parsers(body: &mut String, parsers: &BTreeSet<&'static str>) {
    if parsers.is_empty() {
        body.push_str("null");
        return;
    }
    let quoted: Vec<String> = parsers.iter().map(|parser| format!("\"{parser}\"")).collect();
    let _ = write!(body, "[{}]", quoted.join(","));
}

pub(super) fn values(call: &Call<'_>, name: &str) -> Result<Response, Refusal> {
    let limit = call.parameters.count("limit", FIELDS_DEFAULT)?;
    let fields = detect(call)?;
    let mut body = String::from(r#"{"values":["#);
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let values = fields.get(name).into_iter().flat_map(|field| &field.values);
    for (at, value) in values.take(shown).enumerate() {
        if at > 0 {
            body.push(',');
        }
        write_string(&mut body, value);
    }
    let _ = write!(body, r#"],"limit":{limit}}}"#);
    Ok(Response::json(body))
}
