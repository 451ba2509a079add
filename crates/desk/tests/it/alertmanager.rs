//! The shipped rule files: read and tested by promtool, and loaded by a real Prometheus whose real
//! Alertmanager drives a desk over its webhook.

use std::process::Command;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::monitoring::{FILES, monitoring, rules};
use crate::process::{Client, Home, Process, rest};

/// For a scrape, an evaluation and a notification, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);

fn promtool(args: &[&str], suffix: &str) -> String {
    let files = FILES.map(|name| rules().join(format!("{name}{suffix}")));
    let done = Command::new("promtool").args(args).args(files).output();
    let done = done.unwrap_or_else(|error| panic!("install Debian package prometheus: {error}"));
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(done.status.success(), "{said}");
    said
}

#[test]
fn promtool_reads_the_shipped_rules_and_each_is_tested() {
    let said = promtool(&["check", "rules"], ".yml");
    for count in ["5 rules found", "2 rules found", "20 rules found"] {
        assert!(said.contains(count), "{said}");
    }
    for name in FILES {
        let read = |suffix: &str| std::fs::read_to_string(rules().join(suffix)).unwrap();
        let (rules, tests) =
            (read(&format!("{name}.yml")), read(&format!("tests/{name}.test.yml")));
        let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        for alert in alerts {
            assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} is not seen firing");
            assert!(
                tests.contains(&format!("alertname: {alert}, exp_alerts: []"))
                    || tests.contains(&format!("alertname: {alert}\n        exp_alerts: []"))
                    || alert == "TeeAttestationFailure",
                "{alert} is not seen silent"
            );
        }
    }
}

#[test]
fn promtool_sees_the_shipped_rules_fire() {
    let folder = rules().join("tests");
    let files = FILES.map(|name| folder.join(format!("{name}.test.yml")));
    let done = Command::new("promtool").args(["test", "rules"]).args(files).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

async fn incidents(client: &mut Client, count: usize, within: Duration) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let body = client.get("/v1/incidents").await.unwrap().1;
        let found: Vec<Value> = serde_json::from_slice(&body).unwrap();
        if found.len() >= count {
            return found;
        }
        assert!(started.elapsed() < within, "{found:#?}");
        rest(Duration::from_millis(100)).await;
    }
}

// What is wrong at once, without a time for which it must hold.
const SCRAPE: &str = "\
lucarne_audit_findings{kind=\"FORK\"} 1
lucarne_audit_findings{kind=\"UNANCHORED_TAIL\"} 3
lucarne_attestation_result{tee_instance_id=\"nitro-001\",result=\"modified-code\"} 1
lucarne_heartbeat_age_seconds{tee_instance_id=\"nitro-002\"} 121
lucarne_heartbeat_age_seconds{tee_instance_id=\"nitro-003\"} 5
caracal_sts_audit_dropped_total 1
caracal_audit_tamper_mismatch_total 1
caracal_audit_tamper_chain_breaks_total 0
caracal_audit_tamper_hmac_failures_total 0
";

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_and_alertmanager_drive_a_desk() {
    let home = Home::new("{sqlite: desk.db}", "");
    let desk = Process::start(&home.config());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let router = Router::new().route("/metrics", get(|| async { SCRAPE }));
    drop(tokio::spawn(axum::serve(listener, router).into_future()));
    let daemons = monitoring(&home.path(""), target, desk.address, 1).await;
    let mut client = Client::wait(desk.address, "ann").await;
    let found = incidents(&mut client, 4, PATIENCE).await;
    let mut seen: Vec<(Value, Value)> = found
        .iter()
        .map(|one| (one["incident"]["kind"].clone(), one["incident"]["severity"].clone()))
        .collect();
    seen.sort_by_key(|(kind, _)| kind.to_string());
    // Both alerts about audit ledgers are of one instance, the target, and are one cause.
    let want = [
        ("attestation", "SEV1"),
        ("audit_integrity", "SEV0"),
        ("evidence_lost", "SEV0"),
        ("telemetry_gap", "SEV2"),
    ];
    let want: Vec<_> = want.iter().map(|(kind, severity)| (json!(kind), json!(severity))).collect();
    assert_eq!(seen, want, "{found:#?}");
    let gap = found.iter().find(|one| one["incident"]["kind"] == "telemetry_gap").unwrap();
    assert_eq!(gap["incident"]["labels"]["instance"], "nitro-002");
    let gate = client.get("/v1/gates/executions").await.unwrap().0;
    assert_eq!(gate, 503, "integrity shuts the gate");
    drop(daemons);
    desk.stop();
}
