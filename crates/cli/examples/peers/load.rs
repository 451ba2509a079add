//! Sending the capture: as fast as it is taken, or at a rate; every request is brought to its end.
//!
//! At a rate the time of a request begins when it is due, not when it is sent: a receiver that
//! stalls is not spared the requests that wait behind it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lucarne_cli::otlp_client::{Client, Options, Outcome, Protocol};
use lucarne_otlp::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::capture::Capture;

/// How fast.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As fast as it is taken.
    Free,
    /// Records a second.
    Rate(f64),
}

/// What became of the load.
#[derive(Debug)]
pub(crate) struct Replay {
    /// Records that were acknowledged: all of them.
    pub(crate) records: u64,
    /// Until the last answer.
    pub(crate) seconds: f64,
    latencies: Vec<Duration>,
}

impl Replay {
    /// This part of all requests was answered within so long.
    pub(crate) fn percentile(&self, part: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let count = sorted.len();
        let at = (0..count).find(|at| (at + 1) as f64 >= part * count as f64);
        at.and_then(|at| sorted.get(at)).copied().unwrap_or_default()
    }
}

/// A client of a receiver of OTLP/gRPC.
pub(crate) fn client(to: SocketAddr, durability: Option<&'static str>) -> Result<Client, String> {
    let endpoint = to.to_string().parse().map_err(|_| format!("{to} is no endpoint"))?;
    let (protocol, timeout) = (Protocol::Grpc, TIMEOUT);
    Ok(Client::new(Options { endpoint, protocol, durability, timeout }))
}

/// What the workers share.
struct Run {
    capture: Capture,
    requests: u64,
    pace: Pace,
    start: Instant,
    next: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
}

/// Sends so many requests over two connections, with four in flight on each.
///
/// # Errors
/// In words, when a request is not taken for good.
pub(crate) async fn replay(
    capture: &Capture,
    to: SocketAddr,
    requests: u64,
    pace: Pace,
) -> Result<Replay, String> {
    let run = Arc::new(Run {
        capture: capture.clone(),
        requests,
        pace,
        start: Instant::now(),
        next: AtomicU64::new(0),
        latencies: Mutex::default(),
    });
    let mut workers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let connection = client(to, None)?;
        for _ in 0..IN_FLIGHT {
            workers.spawn(Arc::clone(&run).work(connection.clone()));
        }
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    let seconds = run.start.elapsed().as_secs_f64();
    let latencies =
        std::mem::take(&mut *run.latencies.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Replay { records: requests * capture.batch, seconds, latencies })
}

impl Run {
    async fn work(self: Arc<Self>, mut client: Client) -> Result<(), String> {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.requests {
                return Ok(());
            }
            let due = match self.pace {
                Pace::Free => Instant::now(),
                Pace::Rate(rate) => {
                    let records = (index * self.capture.batch) as f64;
                    self.start + Duration::from_secs_f64(records / rate)
                }
            };
            sleep_until(due).await;
            deliver(&mut client, &self.capture.request(index)).await?;
            let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            latencies.push(due.elapsed());
        }
    }
}

/// Sends until it is taken: a full queue is how a receiver says that it is at its limit.
pub(crate) async fn deliver(client: &mut Client, request: &[u8]) -> Result<(), String> {
    let patience = Instant::now() + TIMEOUT;
    loop {
        match client.export(Signal::Logs, request).await {
            Outcome::Accepted { rejected: 0 } => return Ok(()),
            Outcome::Refused { after, .. } if Instant::now() < patience => {
                sleep(after.unwrap_or(PAUSE).min(PAUSE)).await;
            }
            other => return Err(format!("a request was not taken: {other:?}")),
        }
    }
}

const CONNECTIONS: usize = 2;
const IN_FLIGHT: usize = 4;
const TIMEOUT: Duration = Duration::from_secs(60);
/// Shorter than a receiver may ask for: at saturation the place that becomes free is to be used.
const PAUSE: Duration = Duration::from_millis(20);
