//! Answers as Loki's HTTP API writes them.
//!
//! Times of lines are nanoseconds in a string, times of points seconds with at most three
//! decimals, values strings as Go prints them. Without `categorize-labels` all labels of a line
//! name its stream; with it every value has three parts, an empty object included, since Grafana
//! reads nothing else.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use lucarne_logql::go_number::format_float;
use lucarne_logql::labels::LabelSet;

use super::{Answer, Data, Order, Partial, Point, Row, Rows, Series, Stats};
use crate::engine::source::Direction;
use crate::engine::tail::Frame;

/// What sorted rows come with, for clients that sort again.
pub const ORDER_WARNING: &str =
    "the rows are ordered by a pipe; clients of the Loki API sort them by time again";

/// How labels of lines are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the flag is there or not")]
pub enum Labels {
    /// All in the stream.
    Merged,
    /// Structured metadata and parsed labels beside the line (`categorize-labels`).
    Categorized,
}

/// The body of `query` and `query_range`. Warnings of the caller (a rewritten query) come first,
/// then what makes the answer partial.
#[must_use]
pub fn query(answer: &Answer, labels: Labels, warnings: &[String], took: Duration) -> String {
    let mut out = String::from(r#"{"status":"success""#);
    write_warnings(&mut out, answer, warnings);
    out.push_str(r#","data":{"resultType":"#);
    match &answer.data {
        Data::Streams(rows) => {
            out.push_str("\"streams\"");
            if labels == Labels::Categorized {
                out.push_str(r#","encodingFlags":["categorize-labels"]"#);
            }
            out.push_str(r#","result":"#);
            write_streams(&mut out, rows, labels);
        }
        Data::Matrix(series) => {
            out.push_str(r#""matrix","result":"#);
            write_list(&mut out, series, write_series_points);
        }
        Data::Vector(points) => {
            out.push_str(r#""vector","result":"#);
            write_list(&mut out, points, write_point);
        }
        Data::Scalar { time_ns, value } => {
            out.push_str(r#""scalar","result":"#);
            write_value(&mut out, *time_ns, *value);
        }
    }
    out.push_str(r#","stats":"#);
    write_stats(&mut out, &answer.stats, took);
    out.push_str("}}");
    out
}

/// A frame of `tail`.
#[must_use]
pub fn tail(frame: &Frame, labels: Labels) -> String {
    let mut out = String::from(r#"{"streams":"#);
    let order = Order::Time(Direction::Forward);
    write_streams(&mut out, &Rows { rows: frame.rows.clone(), order }, labels);
    if !frame.dropped.is_empty() {
        out.push_str(r#","dropped_entries":"#);
        write_list(&mut out, &frame.dropped, |out, (time_ns, labels)| {
            let _ = write!(out, r#"{{"timestamp":"{time_ns}","labels":"#);
            write_labels(out, labels.iter());
            out.push('}');
        });
    }
    if labels == Labels::Categorized {
        out.push_str(r#","encodingFlags":["categorize-labels"]"#);
    }
    out.push('}');
    out
}

/// The body of `labels` and `label/{name}/values`; without any there is no `data`.
#[must_use]
pub fn names<S: AsRef<str>>(names: &[S]) -> String {
    let mut out = String::from(r#"{"status":"success""#);
    if !names.is_empty() {
        out.push_str(r#","data":"#);
        write_list(&mut out, names, |out, name| write_string(out, name.as_ref()));
    }
    out.push('}');
    out
}

/// The body of `series`.
#[must_use]
pub fn series(sets: &[LabelSet]) -> String {
    let mut out = String::from(r#"{"status":"success","data":"#);
    write_list(&mut out, sets, |out, set| write_labels(out, set.iter()));
    out.push('}');
    out
}

fn write_warnings(out: &mut String, answer: &Answer, warnings: &[String]) {
    let sorted = matches!(&answer.data, Data::Streams(Rows { order: Order::Pipe, .. }));
    let mut all: Vec<String> = warnings.to_vec();
    all.extend(sorted.then(|| ORDER_WARNING.to_owned()));
    all.extend(answer.partial.iter().map(Partial::to_string));
    if !all.is_empty() {
        out.push_str(r#","warnings":"#);
        write_list(out, &all, |out, warning| write_string(out, warning));
    }
}

/// Streams in label order, or in the order of their first row where a pipe ordered the rows.
fn write_streams(out: &mut String, rows: &Rows, labels: Labels) {
    let mut streams: Vec<(LabelSet, Vec<&Row>)> = Vec::new();
    let mut known: HashMap<LabelSet, usize> = HashMap::new();
    for row in &rows.rows {
        let set = match labels {
            Labels::Merged => row.labels(),
            Labels::Categorized => row.stream.as_ref().clone(),
        };
        let at = *known.entry(set.clone()).or_insert_with(|| {
            streams.push((set, Vec::new()));
            streams.len().saturating_sub(1)
        });
        if let Some((_, rows)) = streams.get_mut(at) {
            rows.push(row);
        }
    }
    if rows.order != Order::Pipe {
        streams.sort_by(|one, other| one.0.cmp(&other.0));
    }
    write_list(out, &streams, |out, (set, rows)| {
        out.push_str(r#"{"stream":"#);
        write_labels(out, set.iter());
        out.push_str(r#","values":"#);
        write_list(out, rows, |out, row| write_row(out, row, labels));
        out.push('}');
    });
}

fn write_row(out: &mut String, row: &Row, labels: Labels) {
    let _ = write!(out, r#"["{}","#, row.time_ns);
    write_string(out, &row.line);
    if labels == Labels::Categorized {
        out.push_str(",{");
        let mut separator = "";
        for (class, pairs) in [("structuredMetadata", &row.metadata), ("parsed", &row.parsed)] {
            if !pairs.is_empty() {
                let _ = write!(out, r#"{separator}"{class}":"#);
                write_labels(out, pairs.iter().map(|(name, value)| (&**name, &**value)));
                separator = ",";
            }
        }
        out.push('}');
    }
    out.push(']');
}

fn write_series_points(out: &mut String, series: &Series) {
    out.push_str(r#"{"metric":"#);
    write_labels(out, series.labels.iter());
    out.push_str(r#","values":"#);
    write_list(out, &series.points, |out, (time_ns, value)| write_value(out, *time_ns, *value));
    out.push('}');
}

fn write_point(out: &mut String, point: &Point) {
    out.push_str(r#"{"metric":"#);
    write_labels(out, point.labels.iter());
    out.push_str(r#","value":"#);
    write_value(out, point.time_ns, point.value);
    out.push('}');
}

fn write_value(out: &mut String, time_ns: i64, value: f64) {
    out.push('[');
    write_seconds(out, time_ns);
    let _ = write!(out, r#","{}"]"#, format_float(value));
}

/// Seconds with the milliseconds that there are.
fn write_seconds(out: &mut String, time_ns: i64) {
    let ms = time_ns.div_euclid(1_000_000);
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    let (seconds, rest) = (ms / 1000, ms % 1000);
    let _ = write!(out, "{sign}{seconds}");
    if rest > 0 {
        out.push_str(format!(".{rest:03}").trim_end_matches('0'));
    }
}

fn write_stats(out: &mut String, stats: &Stats, took: Duration) {
    let seconds = took.as_secs_f64();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rate for people; a float beyond the integers saturates"
    )]
    let rate = |n: u64| if seconds > 0.0 { (n as f64 / seconds) as u64 } else { 0 };
    let _ = write!(
        out,
        concat!(
            r#"{{"summary":{{"bytesProcessedPerSecond":{},"linesProcessedPerSecond":{},"#,
            r#""totalBytesProcessed":{},"totalLinesProcessed":{},"execTime":{},"queueTime":0,"#,
            r#""subqueries":0,"totalEntriesReturned":{},"splits":0,"shards":0,"#,
            r#""totalPostFilterLines":{},"totalStructuredMetadataBytesProcessed":0}},"#,
            r#""querier":{{"store":{{"totalChunksRef":{},"totalChunksDownloaded":{},"#,
            r#""chunksDownloadTime":0,"chunk":{{"headChunkBytes":0,"headChunkLines":0,"#,
            r#""decompressedBytes":{},"decompressedLines":{},"compressedBytes":0,"#,
            r#""totalDuplicates":0}}}}}},"#,
            r#""ingester":{{"totalReached":0,"totalChunksMatched":0,"totalBatches":0,"#,
            r#""totalLinesSent":0}}}}"#
        ),
        rate(stats.bytes),
        rate(stats.entries),
        stats.bytes,
        stats.entries,
        seconds,
        stats.returned,
        stats.returned,
        stats.blocks.0.saturating_add(stats.blocks.1),
        stats.blocks.0,
        stats.bytes,
        stats.entries,
    );
}

fn write_list<T>(out: &mut String, items: &[T], mut write: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn write_labels<'a>(out: &mut String, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push('{');
    for (at, (name, value)) in pairs.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        write_string(out, value);
    }
    out.push('}');
}

/// A JSON string. The two line separators are escaped too, for readers that evaluate scripts.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
