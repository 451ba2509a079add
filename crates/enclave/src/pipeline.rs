//! From a request to the seal queue: contract, budget, inside view, in this order and all or
//! nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lucarne_contract::{Contract, Memory, Scratch, Tally};
use lucarne_ledger::payload::{AuditEvent, Payloads};
use lucarne_otlp::Signal;
use tokio::sync::{mpsc, oneshot};

use crate::budget::{Budget, Reservation, Share};
use crate::inside_store::InsideStore;
use crate::intake::{Accepted, Durability, Intake, Raw, Refusal};
use crate::json_batches::{self, JsonWork};
use crate::progress::{NO_WITNESSES, Position, Progress};

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
    /// Told where the last event stands, and in which batch.
    pub receipt: Option<oneshot::Sender<SealedEvent>>,
}

/// Where an audit event was sealed.
#[derive(Clone, Debug)]
pub struct SealedEvent {
    /// Its sequence number.
    pub seq: u64,
    /// The batch that holds it.
    pub batch: Arc<[u8]>,
    /// The signed checkpoint after that batch.
    pub note: Arc<str>,
}

/// The queue is full or closed; nothing was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRoom;

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
    own_room: Budget,
    queue: mpsc::Sender<Work>,
    inside: InsideStore,
    // scratch buffers that connections borrow, so that no request allocates its own
    scratch: Mutex<Vec<Scratch>>,
    // what is known of series between requests
    series: Mutex<Memory>,
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
/// Room for what the enclave itself records, such as questions and what was answered: some thousand
/// of them while the uplink is down.
const OWN_BYTES: usize = 1 << 20;

impl Pipeline {
    /// An intake that sanitises by `contract` and hands on to `queue`.
    pub fn new(
        contract: Contract,
        budget: Budget,
        queue: mpsc::Sender<Work>,
        inside: InsideStore,
        progress: Progress,
        durability_wait: Duration,
    ) -> Self {
        Self {
            contract,
            budget,
            own_room: Budget::new(OWN_BYTES),
            queue,
            inside,
            scratch: Mutex::new(Vec::new()),
            series: Mutex::new(Memory::default()),
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

    /// Counts what a batch holds beside its records against the workload's room, if it has records
    /// of the workload: the ledgers' own life has room of its own.
    pub(crate) fn charge(&self, held: &[Share], bytes: usize) -> Option<Reservation> {
        let works = held.iter().any(|share| self.budget.has_lent(share));
        works.then(|| self.budget.charge(bytes))
    }

    /// The inside view.
    pub const fn inside(&self) -> &InsideStore {
        &self.inside
    }

    /// Hands an event of the enclave itself to the sealer, and has its batch closed at once.
    ///
    /// Whoever waits is told where it was sealed; one that cannot be sealed is forgotten, and the
    /// wait ends without an answer.
    ///
    /// # Errors
    /// When there is no room.
    pub fn record(&self, event: AuditEvent) -> Result<oneshot::Receiver<SealedEvent>, NoRoom> {
        let slot = self.queue.try_reserve().map_err(|_| NoRoom)?;
        // Not the workload's room: who comes to rescue it must be let in when that is full.
        let reservation = self.own_room.reserve(event.size_bytes()).ok_or(NoRoom)?;
        let (told, wait) = oneshot::channel();
        slot.send(Work {
            telemetry: Vec::new(),
            audit: vec![event],
            json: JsonWork::default(),
            tally: Tally::default(),
            reservation,
            waiting: None,
            urgent: true,
            receipt: Some(told),
        });
        Ok(wait)
    }

    /// Whether somebody waits for witnesses here.
    pub const fn has_witnesses(&self) -> bool {
        self.progress.witnessed.is_some()
    }

    /// Waits until a quorum of witnesses has seen the audit ledger up to this size.
    ///
    /// # Errors
    /// When it has not in time, or there are no witnesses.
    pub async fn witnessed(&self, audit: u64) -> Result<(), Refusal> {
        let target = Position { audit, telemetry: 0 };
        self.progress.reach(target, Durability::Witnessed, self.durability_wait).await
    }

    fn sanitize(
        &self,
        signal: Signal,
        request: &Raw<Bytes>,
        series: &mut Memory,
    ) -> Result<lucarne_contract::Parts, Refusal> {
        let lock = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = lock().pop().unwrap_or_default();
        let contract = &self.contract;
        let result = contract.sanitize_remembering(signal, request.inner(), &mut scratch, series);
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
        // Series are one after another; other signals know none and do not wait.
        let mut shared = (signal == Signal::Metrics)
            .then(|| self.series.lock().unwrap_or_else(PoisonError::into_inner));
        let mut none = Memory::default();
        let series = shared.as_deref_mut().unwrap_or(&mut none);
        let parts = self.sanitize(signal, &request, series)?;
        let held = parts.telemetry.iter().map(Payloads::size_bytes).sum::<usize>()
            + parts.audit.iter().map(AuditEvent::size_bytes).sum::<usize>();
        let reserved = || Some((self.budget.reserve(held)?, self.reserve_json(&parts)?));
        let Some((reservation, json)) = reserved() else {
            series.undo();
            return Err(overloaded());
        };
        drop(shared);
        let waits = durability > Durability::Accepted;
        let (told, wait) = oneshot::channel();
        self.inside.offer(signal, request);
        slot.send(Work {
            telemetry: parts.telemetry,
            audit: parts.audit,
            json,
            tally: parts.tally,
            reservation,
            waiting: waits.then_some(told),
            urgent: waits,
            receipt: None,
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
        if durability == Durability::Witnessed && self.progress.witnessed.is_none() {
            return Err(NO_WITNESSES);
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
