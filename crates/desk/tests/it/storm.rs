//! A storm of alerts against a real desk over HTTP, and what is to be read off it.
//!
//! Webhooks of Alertmanager come over many connections that each wait for the answer, as
//! Alertmanager does. In the middle a signal about integrity comes, and must not wait.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use crate::process::{Client, Home, Process, rest};

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storm {
    /// Alerts.
    pub(crate) alerts: usize,
    /// Causes that they have.
    pub(crate) groups: usize,
    /// Connections.
    pub(crate) connections: usize,
    /// Alerts of one webhook.
    pub(crate) of_webhook: usize,
    /// Over how long they are spread; nothing: as fast as they are taken.
    pub(crate) over: Duration,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Alerts that were answered with 2xx, and how long that took in all.
    pub(crate) taken: usize,
    /// From the first to the last.
    pub(crate) took: Duration,
    /// Answers that were not 2xx, by status.
    pub(crate) refused: BTreeMap<u16, usize>,
    /// Webhook to 2xx: half, and all but one of a hundred.
    pub(crate) answered: [Duration; 2],
    /// Receipt to kept decision, of the desk's own histogram: the share within a second.
    pub(crate) decided_within_1s: f64,
    /// The signal about integrity in the middle, until it was decided and answered.
    pub(crate) integrity: Duration,
    /// Incidents but for the one of that signal.
    pub(crate) incidents: usize,
    /// The most memory that the desk had, in MiB.
    pub(crate) resident_mib: u64,
    /// Entries of its log.
    pub(crate) entries: u64,
    /// How long the next start of the desk takes, until it is ready.
    pub(crate) restart: Duration,
}

impl Storm {
    /// Runs it against a new desk.
    pub(crate) fn run(self, store: &str) -> Seen {
        let home = Home::new(store, "");
        let desk = Process::start(&home.config());
        let runtime = tokio::runtime::Runtime::new().expect("the machine has threads");
        let mut seen = runtime.block_on(self.rage(desk.address));
        seen.resident_mib = resident_mib(desk.id());
        desk.kill();
        let started = Instant::now();
        let again = Process::start(&home.config());
        let ready = async { Client::wait(again.address, "ann").await.get("/health").await };
        assert!(runtime.block_on(ready).is_some());
        seen.restart = started.elapsed();
        again.stop();
        seen
    }

    async fn rage(self, address: SocketAddr) -> Seen {
        let began = Instant::now();
        let webhooks = self.alerts.div_ceil(self.of_webhook);
        let mut senders = tokio::task::JoinSet::new();
        for connection in 0..self.connections {
            senders.spawn(self.connection(address, connection, webhooks, began));
        }
        let integrity = tokio::spawn(self.integrity(address));
        let mut answers: Vec<(u16, Duration)> = senders.join_all().await.concat();
        let took = began.elapsed();
        let integrity = integrity.await.expect("it does not fail");
        let ok = |(status, _): &&(u16, Duration)| *status == 200;
        let taken = answers.iter().filter(ok).count() * self.of_webhook;
        let mut refused = BTreeMap::new();
        for (status, _) in answers.iter().filter(|(status, _)| *status != 200) {
            *refused.entry(*status).or_default() += 1;
        }
        answers.sort_by_key(|(_, took)| *took);
        let at = |percent: usize| answers.get(answers.len() * percent / 100).map(|(_, took)| *took);
        let answered = [at(50).unwrap_or_default(), at(99).unwrap_or_default()];
        let mut client = Client::wait(address, "source").await;
        let text = client.get("/metrics").await.expect("a desk that runs").1;
        let metrics = String::from_utf8_lossy(&text).into_owned();
        Seen {
            taken,
            took,
            refused,
            answered,
            decided_within_1s: within(&metrics),
            integrity,
            incidents: incidents(&mut client).await - 1,
            resident_mib: 0,
            entries: figure(&metrics, "incident_event_chain_head "),
            restart: Duration::ZERO,
        }
    }

    async fn connection(
        self,
        address: SocketAddr,
        number: usize,
        webhooks: usize,
        began: Instant,
    ) -> Vec<(u16, Duration)> {
        let mut client = Client::wait(address, "source").await;
        let mut answers = Vec::new();
        for webhook in (number..webhooks).step_by(self.connections) {
            let due = self.over.mul_f64(webhook as f64 / webhooks as f64);
            rest((began + due).saturating_duration_since(Instant::now())).await;
            let (body, sent) = (self.body(webhook), Instant::now());
            let answer = client.post("/v1/ingest/alertmanager", body).await;
            answers.push((answer.map_or(0, |(status, _)| status), sent.elapsed()));
        }
        answers
    }

    // Four in five say what the desk knows by its name, one is a guard trip.
    fn body(self, webhook: usize) -> Bytes {
        let group = webhook % self.groups;
        let alert = |of: usize| {
            let place = format!("pod-{}", webhook / self.groups * self.of_webhook + of);
            let labels = if group.is_multiple_of(5) {
                json!({ "alertname": "GuardTrip", "capsuleHash": format!("capsule-{group}"),
                        "risk_score": "0.95", "heartbeat_misses": "0", "pod": place })
            } else {
                json!({ "alertname": format!("High{group}"), "instance": format!("i-{group}"),
                        "pod": place, "severity": "warning", "cluster": "eu-1" })
            };
            json!({
                "status": "firing", "labels": labels,
                "annotations": { "summary": "something is higher than it was" },
                "startsAt": "2026-05-25T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example:9090/graph", "fingerprint": "0",
            })
        };
        let alerts: Vec<_> = (0..self.of_webhook).map(alert).collect();
        let body = json!({
            "version": "4", "groupKey": format!("{{}}:{{group={group}}}"), "status": "firing",
            "receiver": "desk", "truncatedAlerts": 0, "alerts": alerts,
        });
        Bytes::from(body.to_string())
    }

    async fn integrity(self, address: SocketAddr) -> Duration {
        let mut client = Client::wait(address, "source").await;
        // The middle of what is spread, and early in what is not.
        rest(self.over.div_f64(2.0).max(Duration::from_millis(500))).await;
        let body = json!({ "kind": "audit_integrity", "fault": "chain_mismatch",
                           "labels": { "instance": "nitro-001-us-east" } });
        let sent = Instant::now();
        let answer = client.post("/v1/signals", Bytes::from(body.to_string())).await;
        let (status, answer) = answer.expect("a desk that runs");
        assert_eq!((status, &answer["answers"][0]["rule"]), (200, &json!("D0")), "{answer}");
        sent.elapsed()
    }
}

async fn incidents(client: &mut Client) -> usize {
    let found = client.get("/v1/incidents?limit=1000").await.expect("a desk that runs").1;
    let found: Vec<serde_json::Value> = serde_json::from_slice(&found).expect("a list");
    found.len()
}

fn figure(metrics: &str, name: &str) -> u64 {
    let text = metrics.lines().find_map(|line| line.strip_prefix(name));
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

// Over all kinds.
fn within(metrics: &str) -> f64 {
    let sum = |mark: &str| -> f64 {
        let lines = metrics.lines().filter(|line| {
            line.starts_with("incident_decision_latency_seconds") && line.contains(mark)
        });
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    };
    sum("le=\"1\"}") / sum("_count{")
}

/// The most memory that a process had.
fn resident_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(u64::MAX) / 1024
}
