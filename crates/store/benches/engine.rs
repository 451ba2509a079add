//! How fast the engine is over lines that cost nothing to get: what it adds to a store.
//!
//! Run with `cargo bench -p lucarne-store --bench engine`. The source is a list in memory, 400,000
//! JSON lines of twenty streams over half an hour; beside each figure stands a plain walk over
//! the same list.
#![allow(missing_docs, reason = "a program")]

use std::ops::ControlFlow;
use std::time::Instant;

use lucarne_logql::ast::Matcher;
use lucarne_logql::labels::LabelSet;
use lucarne_logql::stage::LabelMatcher;
use lucarne_logql::{Mode, parse};
use lucarne_store::engine::answer::Stats;
use lucarne_store::engine::limits::{Cancel, Limits};
use lucarne_store::engine::source::{
    Direction, Entry, ScanError, ScanStats, Selection, Source, TimeRange,
};
use lucarne_store::engine::{Engine, RangeAsk};

const LINES: u32 = 400_000;
const STREAMS: u32 = 20;
const SECOND: i64 = 1_000_000_000;
const HALF_HOUR: i64 = 1_800 * SECOND;

/// Lines in order of time, with the number of their stream.
struct Lines {
    streams: Vec<LabelSet>,
    lines: Vec<(i64, u32, String)>,
}

impl Lines {
    fn new() -> Self {
        let stream = |n: u32| {
            let level = if n.is_multiple_of(4) { "Error" } else { "Information" };
            let instance = format!("i{n}");
            LabelSet::from_pairs([
                ("job", "tee-processengine"),
                ("level", level),
                ("instance", instance.as_str()),
            ])
        };
        let line = |n: u32| {
            let time_ns = HALF_HOUR / i64::from(LINES) * i64::from(n);
            let text = format!(
                concat!(
                    r#"{{"seq":{},"errorCode":"E_{}","tenantHash":"t_{:04x}","executionId":"#,
                    r#""exec-{:08x}","nodeType":"Calculation","durationMs":{},"message":"#,
                    r#""the step was computed and its result was stored","region":"us-east"}}"#
                ),
                n,
                n % 7,
                n % 50,
                n.wrapping_mul(2_654_435_761),
                n % 900
            );
            (time_ns, n % STREAMS, text)
        };
        Self { streams: (0..STREAMS).map(stream).collect(), lines: (0..LINES).map(line).collect() }
    }
}

impl Source for Lines {
    fn streams(&self, _: &[Matcher], _: TimeRange) -> Result<Vec<LabelSet>, ScanError> {
        Ok(self.streams.clone())
    }

    fn scan(
        &self,
        what: &Selection<'_>,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ScanStats, ScanError> {
        let compiled: Vec<LabelMatcher> =
            what.matchers.iter().filter_map(|m| LabelMatcher::compile(m).ok()).collect();
        let holds = |set: &LabelSet| {
            compiled.iter().all(|matcher| matcher.holds(set.get(matcher.name()).unwrap_or("")))
        };
        let chosen: Vec<Option<&LabelSet>> =
            self.streams.iter().map(|set| holds(set).then_some(set)).collect();
        let mut show = |(time_ns, stream_id, line): &(i64, u32, String)| {
            let stream = chosen.get(*stream_id as usize).copied().flatten();
            let Some(stream) = stream.filter(|_| what.range.contains(*time_ns)) else {
                return ControlFlow::Continue(());
            };
            what.meter.read(line.len() as u64)?;
            let (time_ns, stream_id) = (*time_ns, *stream_id);
            let (metadata, shredded) = (&[][..], None);
            visit(&Entry { stream, stream_id, time_ns, line, metadata, shredded, note: None })
        };
        // Breaking is how a scan ends early, not a failure.
        let _ended = if what.direction == Some(Direction::Backward) {
            self.lines.iter().rev().try_for_each(&mut show)
        } else {
            self.lines.iter().try_for_each(&mut show)
        };
        Ok(ScanStats::default())
    }
}

fn main() {
    let lines = Lines::new();
    let bytes: usize = lines.lines.iter().map(|(_, _, line)| line.len()).sum();
    #[expect(clippy::print_stdout, reason = "the figures are the point of the program")]
    {
        println!("{LINES} lines, {bytes} bytes");
    }
    for (name, text) in [
        ("walk", r#"{job="tee-processengine"} |= "nothing of this kind""#),
        ("needle", r#"{job="tee-processengine"} |= "exec-0000002a""#),
        (
            "json and two filters",
            r#"{job="tee-processengine"} | json | errorCode="E_3" | durationMs > 890"#,
        ),
        ("count by stream", r#"sum by (level) (count_over_time({job="tee-processengine"}[5m]))"#),
        ("rate", r#"rate({job="tee-processengine"}[1m])"#),
        (
            "the seed's query",
            concat!(
                r#"sum by (errorCode, tenantHash) (count_over_time({job="tee-processengine", "#,
                r#"level="Error"} | json | errorCode != "" [5m]))"#
            ),
        ),
        (
            "quantile",
            concat!(
                r#"quantile_over_time(0.99, {job="tee-processengine"} | json "#,
                r#"| unwrap durationMs [5m]) by (level)"#
            ),
        ),
        ("sort", r#"{job="tee-processengine"} | json | sort by (durationMs desc) limit 10"#),
    ] {
        report(&lines, name, text, bytes);
    }
}

#[expect(clippy::print_stdout, reason = "the figures are the point of the program")]
fn report(lines: &Lines, name: &str, text: &str, bytes: usize) {
    let Ok(parsed) = parse(text, Mode::Extended) else {
        println!("{name}: does not parse");
        return;
    };
    let cancel = Cancel::default();
    let engine = Engine::new(lines, Limits::STANDARD, &cancel, &|| false, 0);
    let ask = RangeAsk {
        start_ns: 0,
        end_ns: HALF_HOUR,
        step_ns: 15 * SECOND,
        limit: 100,
        direction: Direction::Backward,
    };
    let start = Instant::now();
    let answer = engine.query_range(&parsed.query, &ask);
    let seconds = start.elapsed().as_secs_f64();
    match answer {
        Err(error) => println!("{name}: {error}"),
        Ok(answer) => {
            let Stats { entries, returned, memory_bytes, .. } = answer.stats;
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            let (ns, rate) = (seconds * 1e9 / entries as f64, bytes as f64 / seconds / 1e9);
            println!(
                "{name}: {:.0} ms, {ns:.0} ns an entry, {rate:.2} GB/s, {returned} returned, \
                 {memory_bytes} bytes held",
                seconds * 1e3
            );
        }
    }
}
