//! The load, the questions, and what they cost; answers are compared, so that nobody is fast by
//! answering something else.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::rival::Rival;

/// Records when nobody says how many.
pub(crate) const RECORDS: u64 = 200_000;
/// Lines of one push.
const A_PUSH: u64 = 1_000;
/// Between two records: half an hour has 200,000 of them and more.
const STEP_NS: u64 = 5_000_000;
/// Each question is asked so often, and the fastest answer counts.
const TRIES: usize = 3;
const CODES: [&str; 4] = ["OK", "E_CALCULATION_OVERFLOW", "E_TIMEOUT", "E_SCHEMA"];

/// What one program has shown.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// Records a second of wall time, client included.
    pub(crate) rate: f64,
    /// Processor seconds for a million records.
    pub(crate) cpu_a_million: f64,
    /// The most memory, after the load and the questions.
    pub(crate) peak_mib: u64,
    /// Name, milliseconds of the fastest answer, and a number that stands for its content.
    pub(crate) questions: Vec<(&'static str, f64, u64)>,
}

/// Fills and asks a program.
pub(crate) fn run(program: &Path, records: u64) -> Result<Figures, String> {
    let rival = Rival::start(program)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let start_ns = now_ns.saturating_sub(records * STEP_NS);
    let (began, before) = (Instant::now(), rival.spent());
    for first in (0..records).step_by(usize::try_from(A_PUSH).unwrap_or(1)) {
        let body = push(first..records.min(first + A_PUSH), start_ns);
        let (status, said) = rival.ask("POST", "/loki/api/v1/push", body.as_bytes())?;
        if status != 204 {
            return Err(format!("push: {status}: {}", String::from_utf8_lossy(&said)));
        }
    }
    let rate = records as f64 / began.elapsed().as_secs_f64();
    let cpu_a_million = (rival.spent() - before) * 1e6 / records as f64;
    let mut questions = Vec::new();
    for (name, query) in QUESTIONS {
        questions.push(ask(&rival, name, query, start_ns..now_ns + 1)?);
    }
    Ok(Figures { rate, cpu_a_million, peak_mib: rival.peak_mib(), questions })
}

/// In the words that the design's figures are about.
const QUESTIONS: [(&str, &str); 3] = [
    ("a needle", r#"{job="load"} |= "exec-0000000000000000""#),
    (
        "| json with two filters",
        r#"{job="load"} | json | errorCode="E_TIMEOUT" | durationMs > 890"#,
    ),
    (
        "count by code and tenant over 30 minutes",
        "sum by (errorCode, tenantHash) \
         (count_over_time({job=\"load\"} | json | errorCode != \"\" [30m]))",
    ),
];

fn ask(
    rival: &Rival,
    name: &'static str,
    query: &str,
    range: std::ops::Range<u64>,
) -> Result<(&'static str, f64, u64), String> {
    let query: String = query.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "%{byte:02X}").ok();
        out
    });
    let target = if name.starts_with("count") {
        format!("/loki/api/v1/query?query={query}&time={}", range.end)
    } else {
        let (start, end) = (range.start, range.end);
        format!("/loki/api/v1/query_range?query={query}&start={start}&end={end}&limit=1000")
    };
    let (mut best, mut content) = (f64::INFINITY, 0);
    for _ in 0..TRIES {
        let began = Instant::now();
        let (status, body) = rival.ask("GET", &target, b"")?;
        best = best.min(began.elapsed().as_secs_f64() * 1e3);
        let body: Value = serde_json::from_slice(&body)
            .map_err(|_| format!("{name}: {status}: {}", String::from_utf8_lossy(&body)))?;
        content = weigh(&body["data"]);
    }
    Ok((name, best, content))
}

/// Rows of an answer, or the sum of its numbers: equal content has equal weight.
fn weigh(data: &Value) -> u64 {
    let results = data["result"].as_array().into_iter().flatten();
    let weight = |result: &Value| match result["value"][1].as_str() {
        Some(number) => number.parse::<u64>().unwrap_or(0),
        None => result["values"].as_array().map_or(0, |rows| rows.len() as u64),
    };
    results.map(weight).sum()
}

fn push(records: std::ops::Range<u64>, start_ns: u64) -> String {
    let values: Vec<Value> =
        records.map(|n| json!([(start_ns + n * STEP_NS).to_string(), line(n)])).collect();
    json!({ "streams": [{ "stream": { "job": "load" }, "values": values }] }).to_string()
}

fn line(n: u64) -> String {
    let execution = (n / 50).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let code = usize::try_from(mixed >> 62).unwrap_or(0);
    format!(
        "{{\"executionId\":\"exec-{execution:016x}\",\"workflowType\":\"credit-assessment\",\
         \"nodeType\":\"calculation\",\"tenantHash\":\"t_{:08x}\",\"errorCode\":\"{}\",\
         \"outcome\":\"approved\",\"region\":\"us-east\",\"durationMs\":{},\"stepCount\":{},\
         \"message\":\"workflow step completed after the rules of its tenant were applied\"}}",
        n / 50 % 40,
        CODES[code],
        (mixed >> 20) % 900,
        n % 50
    )
}

impl Figures {
    /// For people; with the figures of the first program as ratios.
    pub(crate) fn text(&self, program: &Path, first: Option<&Self>) -> String {
        let mut out = format!(
            "{}: {:.0} records/s, {:.2} CPU s a million, at most {} MiB",
            program.display(),
            self.rate,
            self.cpu_a_million,
            self.peak_mib
        );
        if let Some(first) = first {
            let (cpu, memory) = (
                self.cpu_a_million / first.cpu_a_million,
                self.peak_mib as f64 / first.peak_mib as f64,
            );
            write!(out, " ({cpu:.1} times our CPU, {memory:.1} times our memory)").ok();
        }
        for (at, (name, ms, content)) in self.questions.iter().enumerate() {
            write!(out, "\n  {name}: {ms:.1} ms").ok();
            let Some((_, ours, same)) = first.and_then(|first| first.questions.get(at)) else {
                continue;
            };
            write!(out, ", {:.1} times ours", ms / ours).ok();
            if content != same {
                write!(out, "; the answer DIFFERS: {content} against our {same}").ok();
            }
        }
        out
    }
}
