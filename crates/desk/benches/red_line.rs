//! The red line of the playbook, for real: decisions that take 45 seconds, a Prometheus that
//! scrapes them, the rule as it is shipped, and the Alertmanager that tells the desk about itself.
//!
//! The desk is made slow by stopping its process while signals wait in it. It takes more than ten
//! minutes: five until the rule has held for long enough, and what Prometheus needs before.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

#[path = "../tests/it/monitoring.rs"]
mod monitoring;
#[path = "../tests/it/process.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod process;

use process::{Client, Home, Process};

/// How slow decisions are made.
const SLOW: Duration = Duration::from_secs(45);
/// Between two times, so that scrapes see the desk.
const REST: Duration = Duration::from_secs(12);
/// Past this the rule does not fire.
const LIMIT: Duration = Duration::from_secs(1200);
/// Signals of one time; most of them are in the desk when it stops.
const SIGNALS: usize = 50;

fn main() {
    process::serve_if_asked();
    // `cargo test --benches` runs this with `--test`: it was built, and that is all.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("the machine has threads");
    runtime.block_on(run());
}

async fn run() {
    let home = Home::new("{sqlite: desk.db}", "");
    let desk = Process::start(&home.config());
    let daemons = monitoring::monitoring(&home.path(""), desk.address, desk.address, 5).await;
    let mut client = Client::wait(desk.address, "ann").await;
    let began = Instant::now();
    for round in 0.. {
        slow_round(&desk, round).await;
        let metrics = client.get("/metrics").await.expect("a desk that runs").1;
        say(&format!("{:>4} s  {}", began.elapsed().as_secs(), p95(&metrics)));
        process::rest(REST).await;
        if let Some(incident) = about_itself(&mut client).await {
            say(&format!("{:>4} s  the desk was told: {incident}", began.elapsed().as_secs()));
            break;
        }
        assert!(began.elapsed() < LIMIT, "the rule did not fire");
    }
    drop(daemons);
    desk.stop();
}

async fn slow_round(desk: &Process, round: usize) {
    let mut senders = tokio::task::JoinSet::new();
    for number in 0..SIGNALS {
        let address = desk.address;
        senders.spawn(async move {
            let mut client = Client::wait(address, "source").await;
            let alert = json!({
                "status": "firing", "startsAt": "2026-05-25T10:00:00Z",
                "labels": { "alertname": "GuardTrip", "capsuleHash": format!("c{round}-{number}"),
                            "risk_score": "0.9", "heartbeat_misses": "0" },
            });
            let body = json!({ "version": "4", "status": "firing", "alerts": [alert] });
            client.post("/v1/ingest/alertmanager", Bytes::from(body.to_string())).await
        });
    }
    process::rest(Duration::from_millis(12)).await;
    signal("-STOP", desk.id());
    process::rest(SLOW).await;
    signal("-CONT", desk.id());
    for answer in senders.join_all().await {
        assert_eq!(answer.map(|(status, _)| status), Some(200));
    }
}

fn signal(name: &str, process: u32) {
    let done = Command::new("kill").args([name, &process.to_string()]).status();
    assert!(done.is_ok_and(|status| status.success()));
}

async fn about_itself(client: &mut Client) -> Option<Value> {
    let body = client.get("/v1/incidents?limit=1000").await?.1;
    let found: Vec<Value> = serde_json::from_slice(&body).ok()?;
    let mut faults = found.into_iter().map(|mut one| one["incident"].take());
    let fault = faults.find(|one| one["kind"] == "desk_fault")?;
    Some(json!({ "id": fault["id"], "severity": fault["severity"], "labels": fault["labels"] }))
}

// How many decisions took more than 30 s.
fn p95(metrics: &[u8]) -> String {
    let text = String::from_utf8_lossy(metrics).into_owned();
    let figure = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    let all = figure("incident_bot_decision_latency_seconds_count ");
    let fast = figure("incident_bot_decision_latency_seconds_bucket{le=\"30\"} ");
    format!("{} of {all} decisions took more than 30 s", all - fast)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("standard output is open");
}
