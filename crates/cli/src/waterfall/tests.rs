//! Traces as drawn: whole ones, orphans, and names that would break a terminal or a picture.

use lucarne_otlp::wire::Writer;

use super::*;

const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

struct Made {
    id: u8,
    parent: u8,
    name: &'static str,
    service: &'static str,
    ms: (u64, u64),
    error: &'static str,
}

fn text(writer: &mut Writer<'_>, number: u32, key: &str, value: &str) {
    writer.message(number, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}

fn message(spans: &[Made]) -> Vec<u8> {
    let id: [u8; 16] = from_hex(ID).unwrap();
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    for made in spans {
        writer.message(1, |resource| {
            resource.message(1, |it| text(it, 1, "service.name", made.service));
            resource.message(2, |scope| {
                scope.message(2, |span| {
                    span.bytes(1, &id);
                    span.bytes(2, &[made.id; 8]);
                    if made.parent > 0 {
                        span.bytes(4, &[made.parent; 8]);
                    }
                    span.bytes(5, made.name.as_bytes());
                    span.fixed64(7, made.ms.0 * 1_000_000);
                    span.fixed64(8, made.ms.1 * 1_000_000);
                    if !made.error.is_empty() {
                        span.message(11, |event| {
                            event.fixed64(1, made.ms.1 * 1_000_000);
                            event.bytes(2, b"exception");
                            text(event, 3, "exception.type", "Overflow");
                        });
                        span.message(15, |status| {
                            status.bytes(2, made.error.as_bytes());
                            status.varint(3, 2);
                        });
                    }
                });
            });
        });
    }
    out
}

fn credit() -> Vec<u8> {
    let made = |id, parent, name, service, ms, error| Made { id, parent, name, service, ms, error };
    message(&[
        made(2, 1, "score", "engine", (1_010, 1_040), ""),
        made(1, 0, "assess", "engine", (1_000, 1_100), ""),
        made(3, 1, "calculate <tax>", "rules", (1_040, 1_090), "Overflow \u{1b}[31m95000"),
        made(4, 9, "audit", "audit", (1_095, 1_120), ""),
    ])
}

#[test]
fn a_terminal_shows_tree_times_marks_and_errors() {
    let drawn = terminal::draw(&Waterfall::read(ID, &credit()).unwrap(), 100);
    let expected = format!(
        "trace {ID}: 4 spans, 120.0ms, 1 with errors, of engine, rules, audit
span time self
assess 100.0ms 20.0ms *
  score 30.0ms 30.0ms *
  calculate <tax> 50.0ms 50.0ms *!
    - Overflow \u{fffd}[31m95000
    - exception exception.type=\"Overflow\"
audit 25.0ms 25.0ms ?"
    );
    // The bars are as wide as the columns leave room for.
    let width = 100 - 44 - 20 - 4 - 4;
    let bars: Vec<&str> = drawn.lines().filter_map(|line| line.split('|').nth(1)).collect();
    assert_eq!(bars.iter().map(|bar| bar.len()).collect::<Vec<_>>(), [width; 4]);
    let shown: Vec<String> = drawn
        .lines()
        .map(|line| {
            let line = line.split('|').next().unwrap();
            let indent = line.len() - line.trim_start().len();
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{:indent$}{}", "", words.join(" "))
        })
        .collect();
    assert_eq!(shown.join("\n"), expected);
    let filled = |bar: &str| (bar.find(['=', '!']), bar.rfind(['=', '!']));
    let places: Vec<_> = bars.iter().map(|bar| filled(bar)).collect();
    let at = |from, to| (Some(from), Some(to));
    assert_eq!(places, [at(0, 23), at(2, 9), at(9, 21), at(22, 27)]);
}

#[test]
fn a_drawing_is_one_harmless_file() {
    let drawn = svg::draw(&Waterfall::read(ID, &credit()).unwrap());
    assert!(drawn.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1280\" "));
    assert!(drawn.ends_with("</svg>\n"));
    let bars: Vec<&str> = drawn.lines().filter(|line| line.starts_with("<rect x=")).collect();
    assert_eq!(
        bars,
        [
            r##"<rect x="360.0" y="59" width="600.0" height="16" fill="#1f618d"/>"##,
            r##"<rect x="420.0" y="81" width="180.0" height="16" fill="#1f618d"/>"##,
            r##"<rect x="600.0" y="103" width="300.0" height="16" fill="#c0392b"/>"##,
            r##"<rect x="930.0" y="125" width="150.0" height="16" fill="#85b6d8"/>"##,
        ]
    );
    assert!(drawn.contains("calculate &lt;tax&gt;"), "{drawn}");
    assert!(!drawn.contains('\u{1b}') && !drawn.contains("<tax>"), "{drawn}");
}

#[test]
fn json_says_everything() {
    let lines = json::lines(&Waterfall::read(ID, &credit()).unwrap());
    let lines: Vec<serde_json::Value> = lines
        .split_inclusive(|byte| *byte == b'\n')
        .map(|it| serde_json::from_slice(it).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    let expected = serde_json::json!({
        "trace_id": ID, "span_id": "0303030303030303", "parent_span_id": "0101010101010101",
        "depth": 1, "start_unix_nano": "1040000000", "end_unix_nano": "1090000000",
        "self_ns": 50_000_000, "is_error": true, "is_critical": true, "is_orphan": false,
        "kind": 0, "name": "calculate <tax>", "service": "rules",
        "status": "Overflow \u{1b}[31m95000", "attributes": {},
        "resource": { "service.name": "rules" },
        "events": [ { "time_unix_nano": "1090000000", "name": "exception",
            "attributes": { "exception.type": "Overflow" } } ],
    });
    assert_eq!(lines[2], expected);
    assert_eq!(
        (&lines[3]["parent_span_id"], &lines[3]["is_orphan"]),
        (&"0909090909090909".into(), &true.into())
    );
}

#[test]
fn what_is_no_trace_is_said() {
    let none = Waterfall::read(ID, b"").unwrap();
    assert_eq!(terminal::draw(&none, 80), format!("trace {ID}: nothing is kept of it\n"));
    assert!(matches!(Waterfall::read(ID, &[0xff]), Err(NotSpans::Wire(_))));
    assert!(matches!(Waterfall::read("x", b""), Err(NotSpans::Id)));
}
