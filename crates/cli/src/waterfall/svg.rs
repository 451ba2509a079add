//! A waterfall as one SVG file without scripts, links or fonts of its own.

use std::fmt::Write as _;

use super::{Row, Waterfall, duration, terminal};

/// Height of a row.
const ROW: usize = 22;
/// Space above the first row: the summary and the scale.
const TOP: usize = 56;
/// Where bars begin; left of it are names.
const LEFT: usize = 360;
/// Width of the whole time.
const BARS: usize = 720;
/// Right of the bars: times.
const RIGHT: usize = 200;
/// Characters of a name that fit left of the bars.
const NAME_CHARS: usize = 44;
/// So many lines of the scale.
const SCALE: u64 = 4;

/// The picture.
pub fn draw(waterfall: &Waterfall) -> String {
    let (width, height) = (LEFT + BARS + RIGHT, TOP + waterfall.rows.len() * ROW + 12);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let summary = escape(&terminal::summary(waterfall));
    let _ = writeln!(out, "<text x=\"12\" y=\"22\" font-size=\"14\">{summary}</text>");
    scale(&mut out, waterfall.duration_ns, height);
    for (at, row) in waterfall.rows.iter().enumerate() {
        draw_row(&mut out, row, TOP + at * ROW);
    }
    out.push_str("</svg>\n");
    out
}

fn scale(out: &mut String, duration_ns: u64, height: usize) {
    for part in 0..=SCALE {
        let x = LEFT as u64 + BARS as u64 * part / SCALE;
        let time = duration(duration_ns / SCALE * part);
        let _ = writeln!(
            out,
            "<line x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{}\" stroke=\"#dddddd\"/>\
             <text x=\"{x}\" y=\"{}\" fill=\"#555555\" text-anchor=\"middle\">{time}</text>",
            height - 12,
            TOP - 8
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "places in a picture")]
fn draw_row(out: &mut String, row: &Row, top: usize) {
    let span = &row.node.span;
    let x = (LEFT as f64) + row.bar.0 * (BARS as f64);
    let width = ((row.bar.1 - row.bar.0) * (BARS as f64)).max(1.0);
    let fill = match (span.is_error, row.node.is_critical) {
        (true, _) => "#c0392b",
        (false, true) => "#1f618d",
        (false, false) => "#85b6d8",
    };
    let indent = 12 + (row.node.depth * 14).min(LEFT / 2);
    let name: String = span.name.chars().take(NAME_CHARS).collect();
    let marks = row.marks();
    let (middle, time) = (top + 15, duration(span.end_ns - span.start_ns));
    let _ = writeln!(out, "<g><title>{}</title>", escape(&title(row)));
    let _ = writeln!(out, "<text x=\"{indent}\" y=\"{middle}\">{}</text>", escape(&name));
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\" fill=\"{fill}\"/>",
        top + 3,
        ROW - 6
    );
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{middle}\" fill=\"#333333\">{time} (self {}) {marks}</text></g>",
        LEFT + BARS + 12,
        duration(row.node.self_ns)
    );
}

/// What a pointer that rests on the row shows.
fn title(row: &Row) -> String {
    let mut text = format!("{} of {}", row.node.span.name, row.node.span.service);
    for note in row.notes() {
        let _ = write!(text, "\n{note}");
    }
    text
}

/// Text of an element. What XML 1.0 has no character for is replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ if c.is_control() => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}
