//! A waterfall in plain characters, for a terminal or a file.

use std::fmt::Write as _;

use super::{Row, Waterfall, duration};

/// Columns of name and service; the rest is for bars.
const NAME: usize = 44;
/// Columns of each time.
const TIME: usize = 9;
/// Columns of marks.
const MARKS: usize = 4;
/// Fewer columns of bars say nothing.
const BAR_MIN: usize = 20;
/// A longer note is cut: the whole is in the JSON.
const NOTE_CHARS: usize = 300;

/// One line on a trace.
pub fn summary(waterfall: &Waterfall) -> String {
    let spans = waterfall.rows.len();
    if spans == 0 {
        return format!("trace {}: nothing is kept of it", waterfall.trace_id);
    }
    let errors = waterfall.rows.iter().filter(|row| row.node.span.is_error).count();
    let services: Vec<String> = waterfall.services.iter().map(|name| harmless(name)).collect();
    format!(
        "trace {}: {spans} spans, {}, {errors} with errors, of {}",
        waterfall.trace_id,
        duration(waterfall.duration_ns),
        services.join(", ")
    )
}

/// Every span with its bar.
pub fn draw(waterfall: &Waterfall, columns: usize) -> String {
    let mut out = summary(waterfall);
    out.push('\n');
    if waterfall.rows.is_empty() {
        return out;
    }
    let width = columns.saturating_sub(NAME + 2 * (TIME + 1) + MARKS + 4).max(BAR_MIN);
    let _ = writeln!(out, "{:<NAME$} {:>TIME$} {:>TIME$} {:<MARKS$}", "span", "time", "self", "");
    for row in &waterfall.rows {
        let span = &row.node.span;
        let name = format!("{:indent$}{}", "", harmless(&span.name), indent = row.node.depth * 2);
        let (time, own) = (duration(span.end_ns - span.start_ns), duration(row.node.self_ns));
        let (marks, bar) = (row.marks(), bar(row, width));
        let name = cut(&name, NAME);
        let _ = writeln!(out, "{name:<NAME$} {time:>TIME$} {own:>TIME$} {marks:<MARKS$}|{bar}|");
        for note in row.notes() {
            let indent = row.node.depth * 2 + 2;
            let _ = writeln!(out, "{:indent$}- {}", "", cut(&harmless(&note), NOTE_CHARS));
        }
    }
    out
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "columns of a terminal; both ends are between 0 and 1"
)]
fn bar(row: &Row, width: usize) -> String {
    let at = |part: f64| ((part * width as f64).floor() as usize).min(width - 1);
    let (from, to) = (at(row.bar.0), at(row.bar.1));
    let fill = if row.node.span.is_error { '!' } else { '=' };
    (0..width).map(|column| if (from..=to).contains(&column) { fill } else { ' ' }).collect()
}

/// Without what moves the cursor, changes colours or turns the reading direction.
fn harmless(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(c, '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect()
}

fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(chars.saturating_sub(1)).collect();
    cut.push('\u{2026}');
    cut
}
