//! What is inside, asked over the channel with the words of runbooks: raw there, and nowhere
//! outside.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use lucarne_cli::demo::requests;
use lucarne_cli::demo::workflow::{FORBIDDEN, Workflow};
use lucarne_cli::otlp_client::{Client, Options, Outcome, Protocol};
use lucarne_cli::random::Random;
use lucarne_cli::telemetry::Attribute;
use serde_json::Value;

use super::{Inside, now_ns, text};
use crate::process::{PATIENCE, run, until};
use crate::site::lucarne_program;

/// 2026-05-25T10:15:00Z, inside of the half hour that the runbook asks about.
const THEN_NS: u64 = 1_779_704_100_000_000_000;
const MESSAGE: &str = "Overflow computing 1500000 * 1.19";
const STACK: &str = "at CreditEngine.Calculate(Decimal income)";

/// Workflows of the demo that end at this time. The first of them says why it failed, in full.
pub(super) fn play(inside: &Inside, at_ns: u64) {
    let mut random = Random::new(7);
    let mut workflows: Vec<Workflow> =
        (0..320).map(|number| Workflow::make(&mut random, number, at_ns)).collect();
    let log = workflows[0].logs.last_mut().unwrap();
    log.attributes.push(Attribute::new("exception.message", MESSAGE));
    log.attributes.push(Attribute::new("exception.stacktrace", STACK));
    let endpoint = format!("http://{}", inside.site.addresses.grpc).parse().unwrap();
    let (protocol, durability, timeout) =
        (Protocol::Grpc, Some("archived"), Duration::from_secs(60));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = Client::new(Options { endpoint, protocol, durability, timeout });
        for (signal, request) in requests(&workflows, None) {
            let outcome = client.export(signal, &request).await;
            assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        }
    });
}

fn rows(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a line of a runbook with the installed commands.
fn shell(inside: &Inside, line: &str) -> Output {
    let path = format!("{}:{}", inside.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("PATH", path).current_dir(inside.path(""));
    command.output().unwrap()
}

fn install(inside: &Inside) {
    std::fs::create_dir(inside.path("bin")).unwrap();
    let bin = inside.path("bin").display().to_string();
    let mut args = vec!["install-links".to_owned(), bin];
    args.extend(inside.connection("alice", inside.channel));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let installed = run(lucarne_program(), &args);
    assert_eq!(installed.status.code(), Some(0), "{}", text(&installed.stderr));
}

/// Files under a directory that hold one of these texts; what is inside and what was asked out of
/// it by the test is not looked at.
fn found_outside(dir: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "tee" {
                found.extend(found_outside(&path, texts));
            }
        // The file of the outer layer names what it drops.
        } else if path.is_file() && name != "outer-layer.yaml" {
            let bytes = std::fs::read(&path).unwrap();
            let has = |text: &&&str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
            found.extend(texts.iter().filter(has).map(|it| format!("{it} in {}", path.display())));
        }
    }
    found
}

#[test]
fn a_runbook_finds_inside_what_is_nowhere_outside() {
    let inside = Inside::start();
    install(&inside);
    play(&inside, THEN_NS);
    play(&inside, now_ns());

    let line = "bizfirstgo-tee-query logs \\\n  --filter 'executionId=\"exec-abc-123\"' \\\n  \
                --time-from \"2026-05-25T10:00:00Z\" \\\n  --time-to \"2026-05-25T10:30:00Z\"";
    let logs = shell(&inside, line);
    let found = rows(&logs);
    assert!(!found.is_empty());
    assert!(found.iter().all(|row| row["metadata"]["executionId"] == "exec-abc-123"), "{found:?}");
    let raw: Vec<&Value> =
        found.iter().filter(|row| row["metadata"]["exception_message"] == MESSAGE).collect();
    assert_eq!(raw.len(), 1, "{found:?}");
    assert_eq!(raw[0]["metadata"]["exception_stacktrace"], STACK);
    assert_eq!(raw[0]["labels"]["job"], "tee-processengine");

    let recent = rows(&shell(
        &inside,
        "bizfirstgo-tee-query logs --filter \
         'exception_message!=\"\" | executionId=\"exec-abc-123\"'",
    ));
    let trace_id = recent[0]["metadata"]["trace_id"].as_str().unwrap().to_owned();
    let line =
        format!("bizfirstgo-tee-query trace \\\n  --trace-id \"{trace_id}\" \\\n  --show-spans");
    let trace = shell(&inside, &line);
    assert_eq!(trace.status.code(), Some(5), "{}", text(&trace.stderr));
    let drawn = text(&trace.stdout);
    assert!(drawn.starts_with(&format!("trace {trace_id}: ")), "{drawn}");
    assert!(drawn.lines().filter(|line| line.ends_with('|')).count() > 1, "{drawn}");
    let none =
        shell(&inside, &format!("bizfirstgo-tee-query trace --trace-id {}", "0".repeat(31) + "1"));
    assert_eq!(none.status.code(), Some(1), "{}", text(&none.stdout));
    let everything = rows(&shell(&inside, &format!("{line} --output json --svg picture.svg")));
    assert!(everything.iter().all(|span| span["trace_id"] == trace_id.as_str()));
    assert_eq!(everything.len(), drawn.lines().filter(|line| line.ends_with('|')).count());
    let picture = std::fs::read_to_string(inside.path("picture.svg")).unwrap();
    assert_eq!(picture.matches("<rect x=").count(), everything.len());

    assert!(inside.path("tee").is_dir());
    let outside = found_outside(&inside.path(""), &[&FORBIDDEN[..], &[MESSAGE, STACK]].concat());
    assert_eq!(outside, Vec::<String>::new());
}

#[test]
fn other_lines_of_the_runbooks_work_as_printed() {
    let inside = Inside::start();
    install(&inside);
    play(&inside, now_ns());
    let pem = "bizfirstgo-tee-query attestation --latest --cert tee-attestation-cert.pem";
    assert_eq!(shell(&inside, pem).status.code(), Some(5));
    let latest = shell(&inside, "bizfirstgo-tee-query attestation --latest");
    assert_eq!(latest.status.code(), Some(5), "{}", text(&latest.stderr));
    let line = "bizfirstgo-tee-query attestation --latest --output json > current-attestation.json";
    assert_eq!(shell(&inside, line).status.code(), Some(5));
    let current = std::fs::read(inside.path("current-attestation.json")).unwrap();
    let current: Value = serde_json::from_slice(&current).unwrap();
    assert!(current["pcrs"]["2"].is_string(), "{current}");
    let line = "bizfirstgo-audit-verify \\\n  --records-dir archive \\\n  --tee-public-key \
                tee-attestation-cert.pem \\\n  --from-seq 1 --to-seq 2";
    let said = until("two records are archived", PATIENCE, || {
        let said = text(&shell(&inside, line).stdout);
        said.contains("seq 2:").then_some(said)
    });
    assert!(said.contains("seq 1: VALID") && said.contains("seq 2: VALID"), "{said}");
}

#[test]
fn logql_and_labels_are_answered_within_the_limits_of_the_role() {
    let inside = Inside::start();
    play(&inside, now_ns());
    let ask = |args: &[&str]| inside.ask("alice", inside.channel, args);
    let query = "{job=\"tee-processengine\"} | executionId=\"exec-abc-123\"";
    let found = rows(&ask(&["logql", query]));
    assert!(!found.is_empty());
    let times: Vec<&str> =
        found.iter().map(|row| row["time_unix_nano"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|one, next| one >= next), "{times:?}");

    let counted = ask(&["logql", &format!("{query} | count_over_time([5m]) by (job)")]);
    let document = &rows(&counted)[0];
    assert_eq!(document["data"]["resultType"], "matrix", "{document}");
    let series = &document["data"]["result"][0];
    assert!(series.is_object(), "{document}");
    assert_eq!(series["metric"], serde_json::json!({ "job": "tee-processengine" }));
    let last = series["values"].as_array().unwrap().last().unwrap();
    assert_eq!(last[1], found.len().to_string().as_str());
    assert!(document["warnings"][0].as_str().unwrap().starts_with("asked as sum by (job)"));

    let names: Vec<Value> = rows(&ask(&["labels"]));
    assert!(names.contains(&"job".into()) && names.contains(&"service_name".into()), "{names:?}");
    assert_eq!(rows(&ask(&["labels", "job"])), ["tee-processengine"]);

    let cut = ask(&["logs", "--limit", "3"]);
    assert_eq!((cut.status.code(), text(&cut.stdout).lines().count()), (Some(2), 3));
    assert!(text(&cut.stderr).contains("more than 3 rows"), "{}", text(&cut.stderr));
    let wrong = ask(&["logql", "{job=\"x\"} | jsn"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("refused (malformed): parse error at line 1"));
    let far = ask(&["logql", "sum(count_over_time({job=\"tee-processengine\"}[25h]))"]);
    assert!(text(&far.stderr).contains("further back than 24 h"), "{}", text(&far.stderr));
}
