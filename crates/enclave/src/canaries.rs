//! Leak canaries of the enclave: requests of its own, with values that no contract lets pass.
//!
//! They take the way of every other request, from the intake on, so they test what a workload's
//! values meet. Each time another value is drawn and put into every kind of place that could leak
//! it: a body, an attribute, a resource, a label, an exemplar, a span. The gateway knows a canary
//! when it sees one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lucarne_ledger::canary;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::entropy;
use crate::intake::{Durability, Intake, Raw};
use crate::journal;
use crate::pipeline::Pipeline;

/// Plants canaries until told to stop.
pub async fn run(pipeline: Arc<Pipeline>, every: Duration, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval_at(Instant::now(), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => plant(&pipeline).await,
            // The guard that it gives must not be held while requests are planted.
            () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
        }
    }
}

async fn plant(pipeline: &Pipeline) {
    let Ok(random) = entropy::bytes() else {
        journal::warn("canaries", &"no randomness for a canary");
        return;
    };
    for (signal, request) in requests(&canary::of(random)) {
        // One that finds no room was not needed: telemetry that is refused leaks nothing.
        drop(pipeline.accept(signal, Raw::new(Bytes::from(request)), Durability::Accepted).await);
    }
}

/// A request of each signal that holds the canary wherever text can stand.
fn requests(canary: &str) -> [(Signal, Vec<u8>); 3] {
    let logs = request(canary, |record| {
        record.message(5, |body| body.bytes(1, canary.as_bytes()));
        KEYS.iter().for_each(|key| attribute(record, 6, key, canary));
        attribute(record, 6, canary, canary);
    });
    let metrics = request(canary, |metric| {
        metric.bytes(1, METRIC.as_bytes());
        metric.bytes(2, canary.as_bytes());
        metric.message(7, |sum| {
            sum.message(1, |point| {
                point.fixed64(6, 0);
                LABELS.iter().for_each(|label| attribute(point, 7, label, canary));
                point.message(5, |exemplar| attribute(exemplar, 7, "canary", canary));
            });
            sum.varint(2, 1);
            sum.varint(3, 1);
        });
    });
    let traces = request(canary, |span| {
        span.bytes(5, canary.as_bytes());
        attribute(span, 9, "canary", canary);
        span.message(11, |event| event.bytes(2, canary.as_bytes()));
        span.message(15, |status| status.bytes(2, canary.as_bytes()));
    });
    [(Signal::Logs, logs), (Signal::Metrics, metrics), (Signal::Traces, traces)]
}

fn request(canary: &str, record: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |group| {
        group.message(1, |resource| attribute(resource, 1, "service.name", canary));
        group.message(2, |items| {
            items.message(1, |scope| scope.bytes(1, canary.as_bytes()));
            items.message(2, record);
        });
    });
    out
}

fn attribute(out: &mut Writer<'_>, number: u32, key: &str, value: &str) {
    out.message(number, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}

/// Names that contracts have, and one that none has. No span has ids, so no span of ours leaves.
const KEYS: [&str; 6] =
    ["executionId", "tenantHash", "errorCode", "workflowType", "nodeType", "canary"];
const LABELS: [&str; 3] = ["tenant_hash", "outcome", "canary"];

/// A metric of our own that no contract should name: a zero of the workload's would count as its.
const METRIC: &str = "lucarne_canary";

#[cfg(test)]
mod tests {
    use lucarne_contract::{Contract, Scratch};

    use super::*;

    /// What leaves of a canary's requests by a contract.
    fn leaves(yaml: &str) -> Vec<Vec<u8>> {
        let contract = Contract::parse(yaml).unwrap();
        let mut out = Vec::new();
        for (signal, request) in requests(&canary::of([7; 16])) {
            let sanitized = contract.sanitize(signal, &request, &mut Scratch::default()).unwrap();
            let parts = sanitized.into_parts();
            for run in &parts.telemetry {
                let messages = run.messages();
                out.extend(messages.map(|(_, resource, message)| [resource, message].concat()));
            }
        }
        out
    }

    #[test]
    fn no_canary_passes_the_default_contract_and_one_that_leaks_is_known_by_it() {
        let default = Contract::default_contract();
        let leaked = leaves(default.source());
        assert!(leaked.iter().all(|record| !canary::occurs_in(record)));
        for leaking in [
            "contract: a/1\n\
             logs: { attributes: { errorCode: { type: string, pattern: \".*\" } } }\n",
            "contract: a/1\n\
             resource: { attributes: { \
             service.name: { type: string, pattern: \"[a-z2-7-]+\" } } }\n\
             logs: { attributes: { nodeType: { type: string, pattern: \"lc.*\" } } }\n",
            "contract: a/1\nlabels: { outcome: { type: string, pattern: \".+\" } }\n\
             metrics: { lucarne_canary: { labels: [outcome] } }\n",
        ] {
            assert!(leaves(leaking).iter().any(|record| canary::occurs_in(record)), "{leaking}");
        }
    }
}
