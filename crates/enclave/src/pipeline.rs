//! From a request to the seal queue: contract, budget, raw ring, in this order and all or nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lucarne_contract::{Contract, Scratch, Tally};
use lucarne_ledger::payload::{AuditEvent, Payloads};
use lucarne_otlp::Signal;
use tokio::sync::{mpsc, oneshot};

use crate::budget::{Budget, Reservation};
use crate::intake::{Accepted, Durability, Intake, Raw, Refusal};
use crate::json_batches::{self, JsonWork};
use crate::progress::{Position, Progress};
use crate::raw_ring::RawRing;

/// What the sealer is handed.
#[derive(Debug)]
pub struct Work {
    /// Records of the telemetry ledger.
    pub telemetry: Vec<Payloads>,
    /// Events of the audit ledger.
    pub audit: Vec<AuditEvent>,
    /// Log records and events once more, for signed batches in JSON.
    pub json: JsonWork,
    /// What the contract withheld.
    pub tally: Tally,
    /// The bytes that this work may hold.
    pub reservation: Reservation,
    /// Somebody waits for more than acceptance: told where the work ends in the ledgers.
    pub waiting: Option<oneshot::Sender<Position>>,
    /// Close the batch at once.
    pub urgent: bool,
}

/// Counters of what was taken and refused, since the epoch began.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests taken.
    pub accepted: AtomicU64,
    /// Requests refused for want of room.
    pub refused: AtomicU64,
    /// Requests that were not OTLP.
    pub malformed: AtomicU64,
}

/// The intake of the enclave.
pub struct Pipeline {
    contract: Contract,
    budget: Budget,
    queue: mpsc::Sender<Work>,
    raw: Mutex<RawRing>,
    // scratch buffers that connections borrow, so that no request allocates its own
    scratch: Mutex<Vec<Scratch>>,
    progress: Progress,
    durability_wait: Duration,
    makes_json: bool,
    stopping: AtomicBool,
    counters: Counters,
}

/// What a client is told to wait when the queue is full.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Scratch buffers kept: more connections than this at the same instant allocate anew.
const SCRATCH_KEPT: usize = 16;

impl Pipeline {
    /// An intake that sanitises by `contract` and hands on to `queue`.
    pub fn new(
        contract: Contract,
        budget: Budget,
        queue: mpsc::Sender<Work>,
        raw: RawRing,
        progress: Progress,
        durability_wait: Duration,
    ) -> Self {
        Self {
            contract,
            budget,
            queue,
            raw: Mutex::new(raw),
            scratch: Mutex::new(Vec::new()),
            progress,
            durability_wait,
            makes_json: false,
            stopping: AtomicBool::new(false),
            counters: Counters::default(),
        }
    }

    /// The same, where log records and events also go into signed batches in JSON.
    pub fn with_json_batches(mut self) -> Self {
        self.makes_json = true;
        self
    }

    /// From now on every request is refused.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// The counters.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The contract, for the enclave's own metrics.
    pub const fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Raw requests that the ring has dropped.
    pub fn evicted(&self) -> u64 {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).evicted()
    }

    fn sanitize(
        &self,
        signal: Signal,
        request: &Raw<Bytes>,
    ) -> Result<lucarne_contract::Parts, Refusal> {
        let lock = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = lock().pop().unwrap_or_default();
        let result = self.contract.sanitize(signal, request.inner(), &mut scratch);
        let mut kept = lock();
        if kept.len() < SCRATCH_KEPT {
            kept.push(scratch);
        }
        drop(kept);
        result.map(lucarne_contract::Sanitized::into_parts).map_err(|error| {
            self.counters.malformed.fetch_add(1, Ordering::Relaxed);
            Refusal::Malformed(error.to_string())
        })
    }

    // Both reservations or none: a request is in the ledgers and in the batches, or refused.
    fn reserve_json(&self, parts: &lucarne_contract::Parts) -> Option<JsonWork> {
        if !self.makes_json {
            return Some(JsonWork::default());
        }
        let lines = json_batches::lines_of(&parts.audit, &parts.telemetry);
        let room = match json_batches::held_bytes(&lines) {
            0 => None,
            bytes => Some(self.budget.reserve(bytes)?),
        };
        Some(JsonWork { lines, room })
    }

    // Everything up to the queue happens without waiting: taken whole or refused whole.
    fn enqueue(
        &self,
        signal: Signal,
        request: Raw<Bytes>,
        durability: Durability,
    ) -> Result<(Accepted, Option<oneshot::Receiver<Position>>), Refusal> {
        let overloaded = || {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            Refusal::Overloaded(RETRY_AFTER)
        };
        if self.stopping.load(Ordering::Acquire) {
            return Err(Refusal::Stopping);
        }
        // Cheap look first: a full queue should not cost a walk of the request.
        if self.budget.used() >= self.budget.max() {
            return Err(overloaded());
        }
        let slot = self.queue.try_reserve().map_err(|_| overloaded())?;
        let parts = self.sanitize(signal, &request)?;
        let held = parts.telemetry.iter().map(Payloads::size_bytes).sum::<usize>()
            + parts.audit.iter().map(AuditEvent::size_bytes).sum::<usize>();
        let reservation = self.budget.reserve(held).ok_or_else(overloaded)?;
        let json = self.reserve_json(&parts).ok_or_else(overloaded)?;
        let waits = durability > Durability::Accepted;
        let (told, wait) = oneshot::channel();
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).push(signal, request);
        slot.send(Work {
            telemetry: parts.telemetry,
            audit: parts.audit,
            json,
            tally: parts.tally,
            reservation,
            waiting: waits.then_some(told),
            urgent: waits,
        });
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        Ok((Accepted { rejected: parts.rejected }, waits.then_some(wait)))
    }
}

impl Intake for Pipeline {
    async fn accept(
        &self,
        signal: Signal,
        request: Raw<Bytes>,
        durability: Durability,
    ) -> Result<Accepted, Refusal> {
        if durability == Durability::Witnessed {
            return Err(Refusal::Unavailable("no witnesses are configured: ask for archived"));
        }
        let (accepted, wait) = self.enqueue(signal, request, durability)?;
        if let Some(wait) = wait {
            let place = tokio::time::timeout(self.durability_wait, wait).await;
            let Ok(Ok(target)) = place else {
                return Err(Refusal::TimedOut(Durability::Accepted));
            };
            self.progress.reach(target, durability, self.durability_wait).await?;
        }
        Ok(accepted)
    }
}
