//! Written queries over a small set of lines, with results worked out from the documentation.
//!
//! The files of `testdata/engine` hold both; their README gives the form. A query and its result
//! are the test: the interfaces may change, the cases stay.

use std::fmt::Write as _;

use lucarne_logql::go_number::format_float;
use lucarne_logql::labels::LabelSet;

use super::vec_source::{Stored, VecSource};
use super::{SECOND, When, ask, parsed, range};
use crate::engine::answer::{Answer, Data, Row};
use crate::engine::error::QueryError;
use crate::engine::source::Direction;

/// The lines that all cases are about.
pub(super) fn lines() -> VecSource {
    let mut source = VecSource::default();
    let mut stream = LabelSet::new();
    for text in include_str!("../../../testdata/engine/lines.txt").lines() {
        if let Some(labels) = text.strip_prefix("stream ") {
            let pair = |pair: &str| pair.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
            stream = LabelSet::from_pairs(labels.split(' ').filter_map(pair));
        } else if let Some((time, line)) = text.split_once(' ').filter(|_| !text.starts_with('#')) {
            let (time, metadata) = time.split_once('+').unwrap_or((time, ""));
            let pair = metadata.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
            source.entries.push(Stored {
                stream: stream.clone(),
                time_ns: time.parse::<i64>().unwrap() * SECOND,
                line: line.to_owned(),
                metadata: pair.into_iter().collect(),
            });
        }
    }
    source
}

/// How the cases below it are asked.
#[derive(Clone, Copy)]
struct Context {
    when: When,
    labels: bool,
}

fn context(words: &[&str]) -> Context {
    let number = |at: usize| words[at].parse::<i64>().unwrap();
    let labels = words.last() == Some(&"labels");
    let when = match words[0] {
        "instant" => When::Instant(number(1) * SECOND),
        "steps" => When::Range(range(number(1), number(2), number(3), Direction::Forward, 1_000)),
        "logs" => {
            let direction =
                if words[3] == "backward" { Direction::Backward } else { Direction::Forward };
            let limit = u64::try_from(number(4)).unwrap();
            When::Range(range(number(1), number(2), 1, direction, limit))
        }
        other => panic!("no context {other}"),
    };
    Context { when, labels }
}

fn show(answer: Result<Answer, QueryError>, labels: bool) -> String {
    let mut out = String::new();
    match answer {
        Err(error) => writeln!(out, "= error {error}").unwrap(),
        Ok(answer) => match answer.data {
            Data::Streams(rows) => {
                rows.rows.iter().for_each(|row| show_row(&mut out, row, labels));
            }
            Data::Scalar { value, .. } => {
                writeln!(out, "= scalar {}", format_float(value)).unwrap();
            }
            Data::Vector(points) => {
                for point in points {
                    let value = format_float(point.value);
                    writeln!(out, "= {} {value}", point.labels).unwrap();
                }
            }
            Data::Matrix(series) => {
                for series in series {
                    write!(out, "= {}", series.labels).unwrap();
                    for (time_ns, value) in series.points {
                        write!(out, " {}@{}", format_float(value), time_ns / SECOND).unwrap();
                    }
                    out.push('\n');
                }
            }
        },
    }
    if out.is_empty() { "= nothing\n".to_owned() } else { out }
}

fn show_row(out: &mut String, row: &Row, labels: bool) {
    let time = row.time_ns / SECOND;
    if labels {
        let of = |pairs: &[(String, String)]| {
            pairs.iter().map(|(n, v)| format!(" {n}={v}")).collect::<String>()
        };
        let (metadata, parsed) = (of(&row.metadata), of(&row.parsed));
        writeln!(out, "= @{time} {} +{metadata} |{parsed}", row.stream).unwrap();
    } else {
        writeln!(out, "= @{time} {}", row.line).unwrap();
    }
}

/// Runs the cases of a file and returns those that went wrong.
fn check(name: &str, text: &str) -> String {
    let source = lines();
    let (mut asked, mut wrong) = (None, String::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(query) = line.strip_prefix("? ") {
            let Context { when, labels } = asked.unwrap();
            let mut expected = String::new();
            while let Some(result) = lines.next_if(|line| line.starts_with('=')) {
                writeln!(expected, "{result}").unwrap();
            }
            let got = show(ask(&source, &parsed(query), when), labels);
            if got != expected {
                write!(wrong, "{name}\n? {query}\n{got}expected:\n{expected}\n").unwrap();
            }
        } else if !line.is_empty() && !line.starts_with('#') {
            asked = Some(context(&line.split(' ').collect::<Vec<_>>()));
        }
    }
    wrong
}

const FILES: [(&str, &str); 7] = [
    ("logs", include_str!("../../../testdata/engine/logs.txt")),
    ("pipes", include_str!("../../../testdata/engine/pipes.txt")),
    ("seeds", include_str!("../../../testdata/engine/seeds.txt")),
    ("stages", include_str!("../../../testdata/engine/stages.txt")),
    ("windows", include_str!("../../../testdata/engine/windows.txt")),
    ("vectors", include_str!("../../../testdata/engine/vectors.txt")),
    ("operators", include_str!("../../../testdata/engine/operators.txt")),
];

#[test]
fn written_queries_have_their_written_results() {
    let wrong: String = FILES.iter().map(|(name, text)| check(name, text)).collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn there_are_as_many_written_queries_as_ever() {
    let cases = FILES.iter().flat_map(|(_, text)| text.lines());
    assert_eq!(cases.filter(|line| line.starts_with("? ")).count(), 600);
}
