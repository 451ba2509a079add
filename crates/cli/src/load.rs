//! Generated load: batches of records like the seeds' at a rate, over several connections, counted
//! exactly.
//!
//! Every record has an id that is used once: when an attempt ends in a way that leaves open
//! whether it was taken, the batch is sent anew under new ids, so that "acknowledged" can be
//! compared with an archive record by record. Workers share nothing but counters, a clock and the
//! file of acknowledged ids.

pub mod acknowledged;
pub mod batch;
pub mod planted;
pub mod tally;
pub mod template;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lucarne_otlp::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::acknowledged::Acknowledged;
use self::batch::{Batch, Batches};
use self::planted::Planted;
use self::tally::{Report, Tally};
use self::template::Shape;
use crate::otlp_client::{Client, Options, Outcome};
use crate::shutdown::stopped;
use crate::telemetry::{Attribute, Source};

/// What to send.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where and how.
    pub client: Options,
    /// Records a second; none is as fast as it goes.
    pub rate: Option<u64>,
    /// Records a request.
    pub batch: u64,
    /// How one record looks.
    pub shape: Shape,
    /// TCP connections.
    pub connections: usize,
    /// Requests that wait for an answer on one connection; gRPC only.
    pub in_flight: usize,
    /// When to end.
    pub until: Until,
    /// What must not leave.
    pub planted: Vec<Planted>,
    /// Which signals.
    pub mix: Mix,
    /// Determines everything but times.
    pub seed: u64,
    /// File for the ids of acknowledged records.
    pub ids: Option<PathBuf>,
    /// How long one batch is tried before it is given up.
    pub patience: Duration,
}

/// When a run ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Until {
    /// After this many records.
    Count(u64),
    /// After this time.
    Elapsed(Duration),
}

/// Which signals a run sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mix {
    /// Log records only.
    Logs,
    /// Metric data points only.
    Metrics,
    /// Spans only.
    Traces,
    /// Of four batches two logs, one metrics, one traces.
    Mixed,
}

/// Why a run could not begin or its record of acknowledgements could not be kept.
#[derive(Debug)]
pub struct IdsError {
    path: PathBuf,
    source: std::io::Error,
}

impl fmt::Display for IdsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write acknowledged ids to {}", self.path.display())
    }
}

impl std::error::Error for IdsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What all workers of a run share.
#[derive(Debug)]
pub struct Run {
    plan: Plan,
    /// What has been done so far.
    pub tally: Tally,
    batches: Batches,
    next: AtomicU64,
    started: Instant,
    acknowledged: Option<Acknowledged>,
    last_failure: Mutex<Option<String>>,
    // Planted values of batches that were claimed and not sent because the time was up.
    left: Mutex<Vec<Range<usize>>>,
}

impl Run {
    /// Prepares a run: encodes the templates and creates the file of ids.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn prepare(plan: Plan) -> Result<Arc<Self>, IdsError> {
        let acknowledged = match &plan.ids {
            Some(path) => Some(
                Acknowledged::create(path, plan.client.durability.unwrap_or("accepted"))
                    .map_err(|source| IdsError { path: path.clone(), source })?,
            ),
            None => None,
        };
        Ok(Arc::new(Self {
            batches: Batches::new(&plan),
            plan,
            tally: Tally::new(),
            next: AtomicU64::new(0),
            started: Instant::now(),
            acknowledged,
            last_failure: Mutex::new(None),
            left: Mutex::new(Vec::new()),
        }))
    }

    /// Sends until the plan is done or `stop` becomes true, and reports.
    ///
    /// # Errors
    /// When an acknowledged id could not be written: the file would then claim too little.
    pub async fn finish(
        self: Arc<Self>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Report, IdsError> {
        let in_file = |source| IdsError { path: self.plan.ids.clone().unwrap_or_default(), source };
        let mut workers = JoinSet::new();
        for _ in 0..self.plan.connections {
            let client = Client::new(self.plan.client.clone());
            for _ in 0..self.plan.in_flight {
                workers.spawn(Arc::clone(&self).work(client.clone(), stop.clone()));
            }
        }
        while let Some(ended) = workers.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(source)) => return Err(in_file(source)),
                // A worker that panicked took a batch with it; the panic's own message is printed
                // already.
                Err(_) => self.fail(self.plan.batch, "a worker panicked".to_owned()),
            }
        }
        if !*stop.borrow() {
            self.plant_the_rest(&mut stop).await.map_err(in_file)?;
        }
        Ok(self.report())
    }

    /// A run in time may end before its last values were due; a test wants them all the same.
    async fn plant_the_rest(&self, stop: &mut watch::Receiver<bool>) -> std::io::Result<()> {
        let mut left = std::mem::take(&mut *lock(&self.left));
        if let Some(never) = self.batches.at(self.next.load(Ordering::Relaxed)) {
            left.push(never.planted.start..self.plan.planted.len());
        }
        let mut client = Client::new(self.plan.client.clone());
        for planted in left.into_iter().filter(|planted| !planted.is_empty()) {
            let batch = Batch { signal: Signal::Logs, records: 0, planted };
            self.deliver(&mut client, &batch, stop).await?;
        }
        Ok(())
    }

    /// The counts as they are now.
    pub fn report(&self) -> Report {
        let tally = &self.tally;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = self.started.elapsed().as_secs_f64();
        Report {
            schema: 1,
            run: self.batches.run().to_owned(),
            sent: load(&tally.sent),
            accepted: load(&tally.accepted),
            rejected: load(&tally.rejected),
            refused: load(&tally.refused),
            retried: load(&tally.retried),
            unknown: load(&tally.unknown),
            failed: load(&tally.failed),
            planted: load(&tally.planted),
            planted_wanted: self.plan.planted.len() as u64,
            bytes: load(&tally.bytes),
            seconds,
            records_per_second: load(&tally.accepted) as f64 / seconds.max(1e-9),
            latency_ms: tally.latency(),
            last_failure: lock(&self.last_failure).clone(),
        }
    }

    async fn work(
        self: Arc<Self>,
        mut client: Client,
        mut stop: watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = self.batches.at(index) else { return Ok(()) };
            let due = self.started + self.due(index);
            if self.is_over(due) {
                lock(&self.left).push(batch.planted);
                return Ok(());
            }
            tokio::select! {
                () = stopped(&mut stop) => return Ok(()),
                () = tokio::time::sleep_until(due) => {}
            }
            self.tally.sent.fetch_add(batch.records, Ordering::Relaxed);
            self.deliver(&mut client, &batch, &mut stop).await?;
        }
    }

    fn due(&self, index: u64) -> Duration {
        let Some(rate) = self.plan.rate else { return Duration::ZERO };
        let records = u128::from(index) * u128::from(self.plan.batch);
        let nanos = records * 1_000_000_000 / u128::from(rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn is_over(&self, due: Instant) -> bool {
        match self.plan.until {
            Until::Count(_) => false,
            Until::Elapsed(time) => self.started.elapsed() >= time || due >= self.started + time,
        }
    }

    /// Brings one batch to an end: acknowledged, or given up.
    async fn deliver(
        &self,
        client: &mut Client,
        batch: &Batch,
        stop: &mut watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        let give_up = Instant::now() + self.plan.patience;
        let mut pause = PAUSE_FIRST;
        let mut encoded = self.batches.encode(batch);
        loop {
            let asked = Instant::now();
            let mut waited = None;
            let why = match self.attempt(client, &encoded).await {
                Outcome::Accepted { rejected } => {
                    self.tally.answered(asked.elapsed());
                    return self.acknowledge(batch, &encoded, rejected);
                }
                Outcome::Failed(why) => {
                    self.fail(batch.records, why.to_string());
                    return Ok(());
                }
                Outcome::Refused { after, why } => {
                    self.tally.refused.fetch_add(batch.records, Ordering::Relaxed);
                    waited = after;
                    why
                }
                Outcome::Unknown(why) => {
                    self.tally.unknown.fetch_add(batch.records, Ordering::Relaxed);
                    // Its ids may be in the archive: they are used up.
                    encoded = self.batches.encode(batch);
                    why
                }
            };
            pause = self.next_pause(pause, waited);
            if Instant::now() + pause > give_up || *stop.borrow() {
                self.fail(batch.records, why.to_string());
                return Ok(());
            }
            self.tally.retried.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                () = stopped(stop) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// What the receiver asked for, or twice the last pause; never longer than is worth waiting.
    fn next_pause(&self, last: Duration, asked: Option<Duration>) -> Duration {
        asked.map_or((last * 2).min(PAUSE_MAX), |asked| asked.min(self.plan.patience))
    }

    /// One try of all requests of a batch. The planted ones of other signals go first, so that an
    /// acknowledged batch means that they are acknowledged too.
    async fn attempt(&self, client: &mut Client, encoded: &batch::Encoded) -> Outcome {
        for (signal, request) in &encoded.extra {
            match client.export(*signal, request).await {
                Outcome::Accepted { .. } => {}
                other @ (Outcome::Refused { .. } | Outcome::Unknown(_) | Outcome::Failed(_)) => {
                    return other;
                }
            }
        }
        if encoded.message.is_empty() {
            return Outcome::Accepted { rejected: 0 };
        }
        client.export(encoded.signal, &encoded.message).await
    }

    fn acknowledge(
        &self,
        batch: &Batch,
        encoded: &batch::Encoded,
        rejected: u64,
    ) -> std::io::Result<()> {
        let tally = &self.tally;
        let accepted = batch.records.saturating_sub(rejected);
        tally.accepted.fetch_add(accepted, Ordering::Relaxed);
        tally.rejected.fetch_add(rejected, Ordering::Relaxed);
        tally.planted.fetch_add(batch.planted.len() as u64, Ordering::Relaxed);
        tally.bytes.fetch_add(encoded.message.len() as u64, Ordering::Relaxed);
        match &self.acknowledged {
            // Which records of a partial success were taken is not said, so none of them is
            // claimed.
            Some(file) if rejected == 0 => file.write(&self.batches.executions(encoded)),
            Some(_) | None => Ok(()),
        }
    }

    fn fail(&self, records: u64, why: String) {
        self.tally.failed.fetch_add(records, Ordering::Relaxed);
        *lock(&self.last_failure) = Some(why);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who the generated load says it is.
pub(crate) fn source() -> Source {
    Source {
        resource: vec![
            Attribute::new("service.name", "bizfirst-process-engine"),
            Attribute::new("service.version", "1.2.3"),
        ],
        scope: "bizfirst.workflow".to_owned(),
    }
}

/// Half of the first pause after a refusal that names no time.
const PAUSE_FIRST: Duration = Duration::from_millis(25);
/// Longer pauses would make the recovery of a receiver look slow.
const PAUSE_MAX: Duration = Duration::from_secs(2);
