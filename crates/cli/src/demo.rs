//! The workload of the demo: a credit engine whose telemetry has everything that the seeds talk
//! about.
//!
//! It sends like any workload, over OTLP/gRPC, and knows nothing of Lucarne. Most of what it says
//! may leave; its metrics carry a label that may not, and now and then it says something that must
//! never be seen outside (`workflow::FORBIDDEN`), as careless code does.

pub mod meters;
pub mod workflow;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lucarne_otlp::Signal;
use tokio::sync::watch;
use tokio::time::Instant;

use self::meters::Meters;
use self::workflow::Workflow;
use crate::clock::unix_ns;
use crate::otlp_client::{Client, Outcome};
use crate::random::Random;
use crate::shutdown::stopped;
use crate::telemetry::logs::write_logs;
use crate::telemetry::metrics::write_metrics;
use crate::telemetry::traces::write_traces;
use crate::telemetry::{Attribute, Source};

/// What the workload has sent; workflows and refused requests.
#[derive(Debug, Default)]
pub struct Played {
    /// Workflows of which everything was acknowledged.
    pub workflows: AtomicU64,
    /// Requests that the receiver would not take, now or at all.
    pub refused: AtomicU64,
}

/// Plays until `stop` becomes true.
pub async fn play(mut client: Client, seed: u64, mut stop: watch::Receiver<bool>, played: &Played) {
    let mut random = Random::new(seed);
    let mut meters = Meters::new(unix_ns());
    let (started, mut tick) = (Instant::now(), tokio::time::interval(TICK));
    let (mut made, mut ticks) = (0_u64, 0_u64);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = tick.tick() => {}
        }
        let due = started.elapsed().as_millis() * u128::from(WORKFLOWS_PER_SECOND) / 1000 + 1;
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        // What could not be made while the receiver pushed back is skipped: a real engine would be
        // slower too.
        made = made.max(due.saturating_sub(WORKFLOWS_PER_TICK_MAX));
        let workflows: Vec<Workflow> =
            (made..due).map(|number| Workflow::make(&mut random, number, unix_ns())).collect();
        made = due;
        for workflow in &workflows {
            meters.count(workflow);
        }
        let measured = (ticks % METRIC_TICKS == 0).then_some(&meters);
        ticks += 1;
        for (signal, request) in requests(&workflows, measured) {
            deliver(&mut client, signal, &request, &mut stop, played).await;
        }
        played.workflows.fetch_add(workflows.len() as u64, Ordering::Relaxed);
    }
}

/// Everything that some workflows say, and the state of the meters when it is time for them.
pub fn requests(workflows: &[Workflow], meters: Option<&Meters>) -> Vec<(Signal, Vec<u8>)> {
    let mut requests = Vec::new();
    let mut add = |signal, write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        requests.push((signal, out));
    };
    if !workflows.is_empty() {
        let logs: Vec<_> = workflows.iter().flat_map(|it| it.logs.iter().cloned()).collect();
        let audit: Vec<_> = workflows.iter().flat_map(|it| it.audit.iter().cloned()).collect();
        let spans: Vec<_> = workflows.iter().flat_map(|it| it.spans.iter().cloned()).collect();
        add(Signal::Logs, &|out| write_logs(out, &source("bizfirst.workflow"), &logs));
        add(Signal::Logs, &|out| write_logs(out, &source("audit"), &audit));
        add(Signal::Traces, &|out| write_traces(out, &source("bizfirst.workflow"), &spans));
    }
    if let Some(meters) = meters {
        let metrics = meters.read(unix_ns());
        add(Signal::Metrics, &|out| write_metrics(out, &source("bizfirst.workflow"), &metrics));
    }
    requests
}

async fn deliver(
    client: &mut Client,
    signal: Signal,
    request: &[u8],
    stop: &mut watch::Receiver<bool>,
    played: &Played,
) {
    loop {
        let pause = match client.export(signal, request).await {
            Outcome::Accepted { .. } => return,
            Outcome::Refused { after, .. } => after.unwrap_or(PAUSE).min(PAUSE_MAX),
            Outcome::Unknown(_) | Outcome::Failed(_) => {
                // Sent again it could be doubled; a demo that loses a record once is the better
                // story.
                played.refused.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        played.refused.fetch_add(1, Ordering::Relaxed);
        tokio::select! {
            () = stopped(stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn source(scope: &str) -> Source {
    Source {
        resource: vec![
            Attribute::new("service.name", "bizfirst-process-engine"),
            Attribute::new("service.version", "1.2.3"),
            Attribute::new("deployment.environment.name", "demo"),
        ],
        scope: scope.to_owned(),
    }
}

/// Enough that every series moves between two looks at it, little enough to read along.
const WORKFLOWS_PER_SECOND: u64 = 20;
const TICK: Duration = Duration::from_millis(250);
const WORKFLOWS_PER_TICK_MAX: u64 = 100;
/// Metrics every second.
const METRIC_TICKS: u64 = 4;
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(2);
