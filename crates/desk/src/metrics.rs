//! What the desk measures, as Prometheus text under stable names. No label takes its value from a
//! signal: kinds, rows, verdicts and names of channels are closed sets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::decision::What;
use crate::event::{Entry, Event, Fact, Input};
use crate::policy::Response;
use crate::signal::{Kind, Signal, Source, Status};
use crate::store::work::Backlog;

/// Finite buckets above 30 s, so that `p95 > 30` can be true.
const BUCKETS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// How often, and how long.
#[derive(Clone, Debug, Default)]
struct Histogram {
    counts: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    fn observe(&mut self, seconds: f64) {
        for (count, bound) in self.counts.iter_mut().zip(BUCKETS) {
            *count += u64::from(seconds <= bound);
        }
        self.count += 1;
        self.sum += seconds;
    }

    fn write(&self, out: &mut String, name: &str, label: &str) {
        let comma = if label.is_empty() { "" } else { "," };
        for (count, bound) in self.counts.iter().zip(BUCKETS) {
            line(out, &format!("{name}_bucket{{{label}{comma}le=\"{bound}\"}}"), count);
        }
        line(out, &format!("{name}_bucket{{{label}{comma}le=\"+Inf\"}}"), &self.count);
        let braces = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        line(out, &format!("{name}_sum{braces}"), &self.sum);
        line(out, &format!("{name}_count{braces}"), &self.count);
    }
}

#[derive(Debug, Default)]
struct Counts {
    signals: BTreeMap<(&'static str, &'static str), u64>,
    decisions: BTreeMap<(&'static str, String), u64>,
    latency: BTreeMap<&'static str, Histogram>,
    approvals: BTreeMap<&'static str, u64>,
    actions: BTreeMap<(&'static str, &'static str), u64>,
    append: Histogram,
    dedup: u64,
    store_failures: u64,
    guard_trips: u64,
    alerts: u64,
    rollbacks: BTreeMap<&'static str, u64>,
    active_rollbacks: u64,
    bot_latency: Histogram,
    head: u64,
}

/// What is measured.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
}

impl Metrics {
    fn with(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Inputs were decided and kept.
    pub(crate) fn decided(&self, took: Duration, inputs: &[Input]) {
        self.with(|counts| {
            for input in inputs {
                let Input::Signal(signal) = input else { continue };
                let latency = counts.latency.entry(signal.kind.as_str()).or_default();
                latency.observe(took.as_secs_f64());
                counts.bot_latency.observe(took.as_secs_f64());
                *counts.signals.entry((source(signal.source), "taken")).or_default() += 1;
            }
        });
    }

    /// Signals were refused before they were any.
    pub(crate) fn refused(&self, at: Source, count: u64) {
        self.with(|counts| {
            *counts.signals.entry((source(at), "refused")).or_default() += count;
        });
    }

    /// The store did not keep a group.
    pub(crate) fn store_failed(&self) {
        self.with(|counts| counts.store_failures += 1);
    }

    /// A group was kept.
    pub(crate) fn appended(&self, took: Duration, entries: &[Entry]) {
        self.with(|counts| {
            counts.append.observe(took.as_secs_f64());
            for entry in entries {
                counts.head = entry.seq + 1;
                match &entry.event {
                    Event::Input(Input::Signal(signal)) => counts.see(signal),
                    Event::Input(_) => {}
                    Event::Fact(fact) => counts.follow(fact),
                }
            }
        });
    }

    /// As Prometheus text; `open` are open incidents by severity and kind.
    pub fn text(
        &self,
        open: &BTreeMap<(String, String), u64>,
        backlog: &Backlog,
        now_ms: u64,
    ) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        counts.write(&mut out);
        head(&mut out, "incident_open", "gauge", "Open incidents.");
        for ((severity, kind), count) in open {
            let name = format!("incident_open{{severity=\"{severity}\",kind=\"{kind}\"}}");
            line(&mut out, &name, count);
        }
        head(&mut out, "incident_outbox_depth", "gauge", "Work that waits.");
        line(&mut out, "incident_outbox_depth", &backlog.open);
        head(&mut out, "incident_outbox_oldest_seconds", "gauge", "Age of the oldest of it.");
        let age = backlog.oldest_ms.map_or(0, |oldest| now_ms.saturating_sub(oldest) / 1000);
        line(&mut out, "incident_outbox_oldest_seconds", &age);
        head(&mut out, "incident_outbox_dead_total", "gauge", "Work that nobody tries any more.");
        for (queue, count) in &backlog.dead {
            let channel = queue.strip_prefix("notify/").unwrap_or(queue);
            line(&mut out, &format!("incident_outbox_dead_total{{channel=\"{channel}\"}}"), count);
        }
        out
    }
}

impl Counts {
    fn see(&mut self, signal: &Signal) {
        self.guard_trips += u64::from(signal.kind == Kind::GuardTrip);
        self.alerts += u64::from(signal.source == Source::Alertmanager);
    }

    fn follow(&mut self, fact: &Fact) {
        match fact {
            Fact::Decided(decision) => {
                let verdict = decision.verdict.as_str();
                let rule = decision.rule.as_ref().map_or("none", |rule| rule.as_str()).to_owned();
                *self.decisions.entry((verdict, rule)).or_default() += 1;
                self.dedup += u64::from(verdict == "duplicate");
                let rolls = decision.actions.contains(&Response::Rollback);
                if rolls && decision.inputs.status == Status::Firing {
                    let missed = decision.inputs.kind == Kind::Heartbeat;
                    let reason = if missed { "heartbeat_miss" } else { "high_risk" };
                    *self.rollbacks.entry(reason).or_default() += 1;
                }
            }
            Fact::Requested(_) => *self.approvals.entry("requested").or_default() += 1,
            Fact::Approved(_) => *self.approvals.entry("approved").or_default() += 1,
            Fact::Rejected(_) => *self.approvals.entry("rejected").or_default() += 1,
            Fact::Expired(_) => *self.approvals.entry("expired").or_default() += 1,
            Fact::Voided(_) => *self.approvals.entry("voided").or_default() += 1,
            Fact::Issued(action) => {
                let name = match &action.what {
                    What::Respond(response) => response.as_str(),
                    What::Tell(_) => "tell",
                    What::Execute { .. } => "execute",
                };
                *self.actions.entry((name, "issued")).or_default() += 1;
                let rolls = matches!(action.what, What::Respond(Response::Rollback));
                self.active_rollbacks += u64::from(rolls);
            }
            Fact::Done(_) => *self.actions.entry(("any", "done")).or_default() += 1,
            Fact::Failed { .. } => *self.actions.entry(("any", "failed")).or_default() += 1,
            _ => {}
        }
    }

    fn write(&self, out: &mut String) {
        head(out, "incident_signals_total", "counter", "Signals by source and outcome.");
        for ((source, outcome), count) in &self.signals {
            let name =
                format!("incident_signals_total{{source=\"{source}\",outcome=\"{outcome}\"}}");
            line(out, &name, count);
        }
        head(out, "incident_dedup_total", "counter", "Signals that said nothing new.");
        line(out, "incident_dedup_total", &self.dedup);
        head(out, "incident_decisions_total", "counter", "Decisions by verdict and row.");
        for ((verdict, rule), count) in &self.decisions {
            let name = format!("incident_decisions_total{{verdict=\"{verdict}\",rule=\"{rule}\"}}");
            line(out, &name, count);
        }
        let name = "incident_decision_latency_seconds";
        head(out, name, "histogram", "From receipt until the decision is kept.");
        for (kind, latency) in &self.latency {
            latency.write(out, name, &format!("type=\"{kind}\""));
        }
        head(out, "incident_approvals_total", "counter", "Requests by what came of them.");
        for (result, count) in &self.approvals {
            line(out, &format!("incident_approvals_total{{result=\"{result}\"}}"), count);
        }
        head(out, "incident_action_total", "counter", "Actions by result.");
        for ((action, result), count) in &self.actions {
            let name = format!("incident_action_total{{action=\"{action}\",result=\"{result}\"}}");
            line(out, &name, count);
        }
        head(out, "incident_store_append_seconds", "histogram", "One group until it is durable.");
        self.append.write(out, "incident_store_append_seconds", "");
        head(out, "incident_store_failures_total", "counter", "Groups that were not kept.");
        line(out, "incident_store_failures_total", &self.store_failures);
        head(out, "incident_event_chain_head", "gauge", "The next number of the log.");
        line(out, "incident_event_chain_head", &self.head);
        self.write_bot(out);
    }

    // The names of the bot that the desk takes the place of.
    fn write_bot(&self, out: &mut String) {
        head(out, "incident_bot_rollbacks_total", "counter", "Rollbacks by reason.");
        for reason in ["high_risk", "heartbeat_miss", "manual", "smoke_test_fail"] {
            let count = self.rollbacks.get(reason).copied().unwrap_or(0);
            line(out, &format!("incident_bot_rollbacks_total{{reason=\"{reason}\"}}"), &count);
        }
        head(out, "incident_bot_guard_trips_total", "counter", "Guard trips.");
        line(out, "incident_bot_guard_trips_total", &self.guard_trips);
        head(out, "incident_bot_alerts_total", "counter", "Alerts of Alertmanager.");
        line(out, "incident_bot_alerts_total", &self.alerts);
        head(out, "incident_bot_decision_errors_total", "counter", "Decisions that were not kept.");
        line(out, "incident_bot_decision_errors_total", &self.store_failures);
        let name = "incident_bot_decision_latency_seconds";
        head(out, name, "histogram", "From receipt until the decision is kept.");
        self.bot_latency.write(out, name, "");
        head(out, "incident_bot_kafka_consumer_lag", "gauge", "No topic is read: always 0.");
        line(out, "incident_bot_kafka_consumer_lag", &0);
        head(out, "incident_bot_active_rollbacks", "gauge", "Rollbacks that were asked for.");
        line(out, "incident_bot_active_rollbacks", &self.active_rollbacks);
    }
}

const fn source(source: Source) -> &'static str {
    match source {
        Source::Alertmanager => "alertmanager",
        Source::Rule => "rule",
        Source::Kafka => "kafka",
        Source::CloudEvents => "cloud-events",
        Source::Audit => "audit",
        Source::Attestation => "attestation",
        Source::Heartbeat => "heartbeat",
        Source::Probe => "probe",
        Source::Person => "person",
        Source::Desk => "desk",
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a text cannot fail.
    write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
}

fn line(out: &mut String, name: &str, value: &impl std::fmt::Display) {
    writeln!(out, "{name} {value}").ok();
}
