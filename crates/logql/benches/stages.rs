//! Nanoseconds a line of pipelines, beside a plain search of the same lines by `memmem`.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::time::Instant;

use lucarne_logql::ast::Query;
use lucarne_logql::labels::LabelSet;
use lucarne_logql::stage::{Fields, Input, Outcome, Pipeline, Scratch, Shredding, json_fields};
use lucarne_logql::{Mode, parse};

const LINES: usize = 50_000;
const ROUNDS: usize = 5;

/// The fields of one line, taken out beforehand.
struct Columns(Vec<(String, String)>);

impl Fields for Columns {
    fn shredding(&self) -> Shredding {
        Shredding::Json
    }

    fn get(&self, name: &str, out: &mut String) -> bool {
        let found = self.0.iter().find(|(have, _)| have == name);
        found.inspect(|(_, value)| out.push_str(value)).is_some()
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.0.iter().for_each(|(name, value)| visit(name, value));
    }
}

fn line(at: usize) -> String {
    let level = if at.is_multiple_of(10) { "error" } else { "info" };
    format!(
        concat!(
            r#"{{"timestamp":"2026-01-02T03:04:05.{:06}Z","level":"{}","message":"node executed "#,
            r#"in the workflow","executionId":"exec-{:08}","nodeType":"Calculation","#,
            r#""duration_ms":{},"tenant":{{"id":"t-{}","plan":"gold"}},"ok":true,"retry":0,"#,
            r#""trace_id":"{:032x}"}}"#,
        ),
        at,
        level,
        at,
        at,
        at % 7,
        at,
    )
}

fn columns(line: &str) -> Columns {
    let mut fields = Vec::new();
    let read = json_fields(line, &mut |name, value| {
        fields.push((name.to_owned(), value.to_owned()));
        true
    });
    assert_eq!(read, Ok(()));
    Columns(fields)
}

fn main() {
    let lines: Vec<String> = (0..LINES).map(line).collect();
    let columns: Vec<Columns> = lines.iter().map(|line| columns(line)).collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    println!("{LINES} lines of {} bytes", bytes / LINES);
    let finder = memchr::memmem::Finder::new("\"level\":\"error\"");
    let found = best("memmem", bytes, |at| finder.find(lines[at].as_bytes()).is_some());
    assert_eq!(found, LINES / 10);
    for stages in [
        r#"|= "error""#,
        r#"|~ "level.{3}error""#,
        "| json",
        r#"|= "error" | json | executionId != """#,
        r#"| json | level="error""#,
        "| json | duration_ms > 49000",
        "| json | line_format `{{.executionId}} {{.nodeType}} {{.timestamp}}`",
        "| json | line_format `{{.executionId | upper}} {{printf \"%5d\" (int .duration_ms)}}`",
        "| logfmt",
    ] {
        pipelines(stages, bytes, &lines, &columns);
    }
}

fn pipelines(stages: &str, bytes: usize, lines: &[String], columns: &[Columns]) {
    let parsed = parse(&format!("{{app=\"x\"}} {stages}"), Mode::Strict).expect("a query");
    let Query::Log(query) = parsed.query else { return };
    let pipeline = Pipeline::compile(&query.stages).expect("stages");
    let stream = LabelSet::from_pairs([("app", "x"), ("pod", "p"), ("cluster", "c")]);
    let mut scratch = Scratch::default();
    let mut run = |at: usize, shredded: Option<&dyn Fields>| {
        let line = lines[at].as_str();
        let input = Input { time_ns: 0, line, stream: &stream, metadata: &[], shredded };
        matches!(pipeline.run(&input, &mut scratch), Outcome::Kept(_))
    };
    let kept = best(stages, bytes, |at| run(at, None));
    if stages.starts_with("| json") {
        let of_columns =
            best(&format!("{stages} (columns)"), bytes, |at| run(at, Some(&columns[at])));
        assert_eq!(kept, of_columns);
    }
}

/// The best of some rounds; answers how many lines were kept.
fn best(name: &str, bytes: usize, mut keeps: impl FnMut(usize) -> bool) -> usize {
    let (mut kept, mut seconds) = (0, f64::INFINITY);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        kept = (0..LINES).filter(|at| keeps(*at)).count();
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    let nanos = seconds * 1e9 / LINES as f64;
    println!("{nanos:8.0} ns/line {:8.2} GB/s {kept:6} kept  {name}", bytes as f64 / seconds / 1e9);
    kept
}
