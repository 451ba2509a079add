//! The sealer: the one place where records enter the ledgers, on a thread of its own.
//!
//! Batches close at a thousand records, a mebibyte or a fifth of a second, and at once when a
//! caller waits. Checkpoints, heartbeats and the last `close` come from here too, so every position
//! in a ledger is decided by one thread and the two ledgers can never fork.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lucarne_contract::{OwnTime, Tally};
use lucarne_ledger::checkpoint::{Checkpoint, origin};
use lucarne_ledger::control::{Close, Control, Gap, Heartbeat, Open, Workload};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};
use lucarne_ledger::key::SigningFailed;
use lucarne_ledger::payload::{AuditEvent, JsonLines, Payloads};
use lucarne_ledger::seal::{AppendError, Audit, Kind, Ledger, Sealed, Telemetry};
use lucarne_link::outbox::Pending;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::budget::{Budget, Reservation, Share, hold};
use crate::clock::Clock;
use crate::entropy;
use crate::json_batches::{JsonHalf, OutgoingJson};
use crate::own_points::own_points;
use crate::pipeline::{Pipeline, SealedEvent, Work};
use crate::progress::Position;
use crate::receive::Counters;
use crate::signer::EpochKeys;

/// A batch closes when it has this many records.
const BATCH_RECORDS: u64 = 1_000;
/// Or this many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// What a batch holds beside its records until it is archived: statement, frontier, seed, head and
/// the places that they lie in. In an outage under light load there is more of it than of records.
const BATCH_OWN_BYTES: usize = 2 << 10;
/// Or when its first record is this old.
const BATCH_AGE: Duration = Duration::from_millis(200);
/// Requests that are taken before anything else has its turn.
const WORKS_MAX: usize = 256;
/// Room for records of the ledgers' own life while the uplink is down: half a day of heartbeats in
/// both ledgers.
const CONTROL_BYTES: usize = 4 << 20;
/// Room for the enclave's own metrics while the uplink is down. Their newest values say all that is
/// lost when there is none, so it is small and takes nothing from the heartbeats.
const OWN_METRICS_BYTES: usize = 1 << 20;
const NS_IN_MS: u64 = 1_000_000;
/// What one control record is taken to hold until it is archived.
const CONTROL_RECORD_BYTES: usize = 700;

/// What goes to the uplink, with the bytes it may hold.
#[derive(Debug)]
pub enum Outgoing {
    /// A sealed batch and its checkpoint.
    Batch(Pending<Vec<Share>>),
    /// A signed log batch in JSON.
    Json(OutgoingJson),
}

/// One ledger with what its open batch holds.
struct Half<K> {
    ledger: Ledger<K>,
    held: Vec<Share>,
}

/// The sealer's state; it is moved into its thread and never shared.
pub struct Sealer<C> {
    audit: Half<Audit>,
    telemetry: Half<Telemetry>,
    json: Option<JsonHalf>,
    keys: Arc<EpochKeys>,
    log_prefix: String,
    clock: C,
    pipeline: Arc<Pipeline>,
    received: Arc<Counters>,
    work: mpsc::Receiver<Work>,
    outgoing: mpsc::Sender<Outgoing>,
    sealed: watch::Sender<Position>,
    workload: watch::Receiver<Workload>,
    control_room: Budget,
    own_metrics_room: Budget,
    tally: Tally,
    started_ns: u64,
    lost: Lost,
    waiting: Vec<(oneshot::Sender<Position>, Position)>,
    // events of the open audit batch whose place somebody wants to know
    receipts: Vec<(oneshot::Sender<SealedEvent>, u64)>,
    urgent: bool,
}

/// Records that could not be sealed, until a `gap` says so.
#[derive(Default)]
struct Lost {
    heartbeats: u64,
    oversized: u64,
    json_oversized: u64,
}

/// What the sealer is made from.
pub struct Parts<C> {
    /// The workload's name.
    pub instance: Instance,
    /// This boot.
    pub epoch: EpochId,
    /// The epoch's keys.
    pub keys: Arc<EpochKeys>,
    /// Signed log batches in JSON, where they are asked for.
    pub json: Option<JsonHalf>,
    /// Origin prefix of checkpoints.
    pub log_prefix: String,
    /// Time.
    pub clock: C,
    /// Whose contract and counters the enclave's own metrics come from.
    pub pipeline: Arc<Pipeline>,
    /// What the receivers took and refused.
    pub received: Arc<Counters>,
    /// Where work comes from.
    pub work: mpsc::Receiver<Work>,
    /// Where batches go.
    pub outgoing: mpsc::Sender<Outgoing>,
    /// Where progress is told.
    pub sealed: watch::Sender<Position>,
    /// State of the workload.
    pub workload: watch::Receiver<Workload>,
}

/// Why the sealer stopped other than by request. Nothing more can leave; the process must end.
#[derive(Debug)]
pub enum SealError {
    /// A key would not sign, or there was no randomness for a seed.
    Signing(SigningFailed),
    /// A control record does not fit a batch of its own: our bug.
    Control(AppendError),
    /// The uplink is gone.
    Uplink,
}

impl std::fmt::Display for SealError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signing(_) => write!(f, "cannot seal"),
            Self::Control(_) => write!(f, "cannot append a control record"),
            Self::Uplink => write!(f, "the uplink has stopped"),
        }
    }
}

impl std::error::Error for SealError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Signing(error) => Some(error),
            Self::Control(error) => Some(error),
            Self::Uplink => None,
        }
    }
}

impl From<SigningFailed> for SealError {
    fn from(error: SigningFailed) -> Self {
        Self::Signing(error)
    }
}

impl<K: Kind> Half<K> {
    fn new(instance: &Instance, epoch: EpochId) -> Result<Self, SigningFailed> {
        let ledger = Ledger::new(instance.clone(), epoch, entropy::seed()?);
        Ok(Self { ledger, held: Vec::new() })
    }

    fn seal(
        &mut self,
        keys: &EpochKeys,
        now_ms: u64,
    ) -> Result<Option<(Sealed, Vec<Share>)>, SigningFailed> {
        let sealed = self.ledger.seal(keys, now_ms, entropy::seed()?)?;
        Ok(sealed.map(|sealed| (sealed, std::mem::take(&mut self.held))))
    }

    fn is_due(&self) -> bool {
        self.ledger.open_count() >= BATCH_RECORDS || self.ledger.open_bytes() >= BATCH_BYTES
    }
}

impl<C: Clock> Sealer<C> {
    /// Two empty ledgers.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(parts: Parts<C>) -> Result<Self, SigningFailed> {
        let started_ns = parts.clock.now_ms().saturating_mul(NS_IN_MS);
        Ok(Self {
            audit: Half::new(&parts.instance, parts.epoch)?,
            telemetry: Half::new(&parts.instance, parts.epoch)?,
            json: parts.json,
            keys: parts.keys,
            log_prefix: parts.log_prefix,
            clock: parts.clock,
            pipeline: parts.pipeline,
            received: parts.received,
            work: parts.work,
            outgoing: parts.outgoing,
            sealed: parts.sealed,
            workload: parts.workload,
            control_room: Budget::new(CONTROL_BYTES),
            own_metrics_room: Budget::new(OWN_METRICS_BYTES),
            tally: Tally::default(),
            started_ns,
            lost: Lost::default(),
            waiting: Vec::new(),
            receipts: Vec::new(),
            urgent: false,
        })
    }

    /// Seals until `stop` says so and everything taken is sealed; then closes both ledgers.
    ///
    /// # Errors
    /// When nothing can be sealed any longer.
    pub async fn run(
        mut self,
        open: impl Fn(LedgerKind) -> Open + Send,
        heartbeat: Duration,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), SealError> {
        self.append_audit_control(&Control::Open(open(LedgerKind::Audit))).await?;
        self.append_telemetry_control(&Control::Open(open(LedgerKind::Telemetry))).await?;
        self.heartbeat().await?;
        self.close_batches().await?;
        let mut beats = interval_at(Instant::now() + heartbeat, heartbeat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut oldest, mut oldest_json) = (None, None);
        loop {
            tokio::select! {
                work = self.work.recv() => {
                    let Some(work) = work else { break };
                    self.take_all(work).await?;
                }
                () = until(oldest) => self.close_batches().await?,
                () = until(oldest_json) => self.close_json().await?,
                _ = beats.tick() => self.heartbeat().await?,
                _ = stop.wait_for(|stop| *stop) => break,
            }
            oldest = self.open_since(oldest);
            oldest_json = self.json_open_since(oldest_json);
        }
        self.drain().await
    }

    fn open_since(&self, before: Option<Instant>) -> Option<Instant> {
        let open = self.audit.ledger.open_count() + self.telemetry.ledger.open_count() > 0;
        if open { before.or_else(|| Some(Instant::now() + BATCH_AGE)) } else { None }
    }

    fn json_open_since(&self, before: Option<Instant>) -> Option<Instant> {
        let open = self.json.as_ref().filter(|json| json.is_open())?;
        before.or_else(|| Some(Instant::now() + open.age()))
    }

    // Takes what is queued behind the first, too: a caller that waits should not wait alone. Only
    // so much of it: heartbeats, and batches that grow old, have their turn as well.
    async fn take_all(&mut self, first: Work) -> Result<(), SealError> {
        let mut next = Some(first);
        for _ in 0..WORKS_MAX {
            let Some(work) = next.take() else { break };
            self.take(work).await?;
            next = self.work.try_recv().ok();
        }
        if let Some(work) = next {
            self.take(work).await?;
        }
        if self.urgent || self.audit.is_due() || self.telemetry.is_due() {
            self.close_batches().await?;
        }
        Ok(())
    }

    async fn take(&mut self, work: Work) -> Result<(), SealError> {
        // Before anything is appended: a batch that closes on the way is waited for, too.
        self.urgent |= work.urgent;
        let (share, room) = (Arc::new(work.reservation), work.json.room.map(Arc::new));
        let mut json = work.json.lines.iter();
        let mut last = None;
        for event in &work.audit {
            last = self.append_event(event, &share).await?;
            self.take_json(json.next().filter(|_| last.is_some()), room.as_ref())?;
        }
        // Without a place there is no receipt: whoever waits for one sees the wait end.
        self.receipts.extend(work.receipt.zip(last));
        for mut payloads in work.telemetry {
            let taken = self.append(&mut payloads, &share).await?;
            self.take_json(json.next().filter(|_| taken), room.as_ref())?;
        }
        self.tally.merge(&work.tally);
        if let Some(waiting) = work.waiting {
            self.waiting.push((waiting, self.position()));
        }
        self.ship_json().await
    }

    // Only what is in a ledger is said in JSON, too.
    fn take_json(
        &mut self,
        lines: Option<&JsonLines>,
        room: Option<&Share>,
    ) -> Result<(), SealError> {
        if let Some((half, lines)) = self.json.as_mut().zip(lines) {
            let now_ms = self.clock.now_ms();
            self.lost.json_oversized += half.take(lines, room, &*self.keys, now_ms)?;
        }
        Ok(())
    }

    async fn close_json(&mut self) -> Result<(), SealError> {
        if let Some(half) = &mut self.json {
            half.close(&*self.keys, self.clock.now_ms())?;
        }
        self.ship_json().await
    }

    async fn ship_json(&mut self) -> Result<(), SealError> {
        let closed = self.json.as_mut().map(JsonHalf::closed).unwrap_or_default();
        if closed.is_empty() {
            return Ok(());
        }
        // Nothing is said in JSON that is not sealed.
        self.close_batches().await?;
        for pending in closed {
            let sent = self.outgoing.send(Outgoing::Json(pending)).await;
            sent.map_err(|_| SealError::Uplink)?;
        }
        Ok(())
    }

    async fn append_event(
        &mut self,
        event: &AuditEvent,
        share: &Share,
    ) -> Result<Option<u64>, SealError> {
        let mut result = self.audit.ledger.append_event(event);
        if result == Err(AppendError::BatchFull) {
            self.close_audit().await?;
            result = self.audit.ledger.append_event(event);
        }
        match result {
            Ok(_) => hold(&mut self.audit.held, share),
            Err(_) => self.lost.oversized += 1,
        }
        Ok(result.ok())
    }

    async fn append(&mut self, payloads: &mut Payloads, share: &Share) -> Result<bool, SealError> {
        let mut result = self.telemetry.ledger.append(payloads);
        if result == Err(AppendError::BatchFull) {
            self.close_telemetry().await?;
            result = self.telemetry.ledger.append(payloads);
        }
        match result {
            Ok(_) => hold(&mut self.telemetry.held, share),
            Err(_) => self.lost.oversized += payloads.record_count() as u64,
        }
        if self.telemetry.is_due() {
            self.close_telemetry().await?;
        }
        Ok(result.is_ok())
    }

    fn position(&self) -> Position {
        Position { audit: self.audit.ledger.size(), telemetry: self.telemetry.ledger.size() }
    }

    async fn close_batches(&mut self) -> Result<(), SealError> {
        self.close_audit().await?;
        self.close_telemetry().await?;
        self.urgent = false;
        for (waiting, target) in self.waiting.drain(..) {
            // A caller that has gone away no longer wants to know.
            let _gone = waiting.send(target);
        }
        Ok(())
    }

    async fn close_audit(&mut self) -> Result<(), SealError> {
        let sealed = self.audit.seal(&self.keys, self.clock.now_ms())?;
        self.ship(sealed).await
    }

    async fn close_telemetry(&mut self) -> Result<(), SealError> {
        let sealed = self.telemetry.seal(&self.keys, self.clock.now_ms())?;
        self.ship(sealed).await
    }

    async fn ship(&mut self, sealed: Option<(Sealed, Vec<Share>)>) -> Result<(), SealError> {
        let Some((sealed, mut token)) = sealed else { return Ok(()) };
        token.extend(self.pipeline.charge(&token, BATCH_OWN_BYTES).map(Arc::new));
        let statement = sealed.statement();
        let (kind, size) = (statement.ledger.kind, statement.size());
        let origin = origin(&self.log_prefix, &statement.ledger);
        let note = self.keys.note(&Checkpoint { origin, size, root: statement.root })?;
        if kind == LedgerKind::Audit {
            self.tell_receipts(&sealed, &note);
        }
        let pending = Pending { sealed, note, urgent: self.urgent, token };
        self.outgoing.send(Outgoing::Batch(pending)).await.map_err(|_| SealError::Uplink)?;
        self.sealed.send_modify(|position| position.advance(kind, size));
        Ok(())
    }

    // Every event that waits is in the batch that has just been signed: they wait for no other.
    fn tell_receipts(&mut self, sealed: &Sealed, note: &str) {
        if self.receipts.is_empty() {
            return;
        }
        let (batch, note): (Arc<[u8]>, Arc<str>) = (sealed.bytes().into(), note.into());
        for (told, seq) in self.receipts.drain(..) {
            let event = SealedEvent { seq, batch: Arc::clone(&batch), note: Arc::clone(&note) };
            // Somebody who has gone away no longer wants to know.
            let _gone = told.send(event);
        }
    }

    async fn heartbeat(&mut self) -> Result<(), SealError> {
        let control = Control::Heartbeat(Heartbeat {
            time_ms: self.clock.now_ms(),
            workload: *self.workload.borrow(),
            refused: self.pipeline.counters().refused.load(Ordering::Relaxed),
            evicted: self.pipeline.inside().evicted(),
        });
        // Without room the heartbeat is not written, and that is written as soon as there is room
        // again.
        let Some(rooms) = self.control_rooms() else {
            self.lost.heartbeats += 1;
            return Ok(());
        };
        self.declare_gaps().await?;
        self.append_audit_control(&control).await?;
        self.append_telemetry_control(&control).await?;
        let [audit, telemetry] = rooms;
        self.audit.held.push(Arc::new(audit));
        self.telemetry.held.push(Arc::new(telemetry));
        self.own_metrics().await?;
        self.close_batches().await
    }

    fn control_rooms(&self) -> Option<[Reservation; 2]> {
        let room = || self.control_room.reserve(CONTROL_RECORD_BYTES);
        Some([room()?, room()?])
    }

    async fn declare_gaps(&mut self) -> Result<(), SealError> {
        let lost = std::mem::take(&mut self.lost);
        let declared = [
            (lost.heartbeats, "heartbeats for which the uplink left no room"),
            (lost.oversized, "records that fit no batch"),
            (lost.json_oversized, "records too long for a signed batch in JSON"),
        ];
        for (count, reason) in declared.into_iter().filter(|(count, _)| *count > 0) {
            let gap = Gap { time_ms: self.clock.now_ms(), count, reason: reason.into() };
            self.append_telemetry_control(&Control::Gap(gap)).await?;
        }
        Ok(())
    }

    // The enclave's own counters leave by the same contract and the same ledger as everything else.
    async fn own_metrics(&mut self) -> Result<(), SealError> {
        let lost = self.pipeline.inside().lost();
        let points = own_points(self.pipeline.counters(), &self.received.snapshot(), &lost);
        let unix_nano = self.clock.now_ms().saturating_mul(NS_IN_MS);
        let time = OwnTime { start_unix_nano: self.started_ns, unix_nano };
        let own = self.pipeline.contract().own_metrics(time, &self.tally, &points).into_parts();
        let held = own.telemetry.iter().map(Payloads::size_bytes).sum();
        let Some(room) = self.own_metrics_room.reserve(held) else { return Ok(()) };
        let share = Arc::new(room);
        for mut payloads in own.telemetry {
            self.append(&mut payloads, &share).await?;
        }
        Ok(())
    }

    // Order of a graceful end: what was taken is sealed, the ledgers are closed, the last heads are
    // signed.
    async fn drain(mut self) -> Result<(), SealError> {
        self.work.close();
        while let Some(work) = self.work.recv().await {
            self.take(work).await?;
        }
        self.declare_gaps().await?;
        self.close_batches().await?;
        self.close_json().await?;
        let close = |size, root: Hash, time_ms| {
            Control::Close(Close {
                time_ms,
                size,
                root: root.to_string(),
                reason: "stopped".into(),
            })
        };
        let now = self.clock.now_ms();
        let end = close(self.audit.ledger.size(), self.audit.ledger.root(), now);
        self.append_audit_control(&end).await?;
        let end = close(self.telemetry.ledger.size(), self.telemetry.ledger.root(), now);
        self.append_telemetry_control(&end).await?;
        self.urgent = true;
        self.close_batches().await
    }

    async fn append_audit_control(&mut self, control: &Control) -> Result<(), SealError> {
        if let Err(AppendError::BatchFull) = self.audit.ledger.append_control(control) {
            self.close_audit().await?;
            self.audit.ledger.append_control(control).map_err(SealError::Control)?;
        }
        Ok(())
    }

    async fn append_telemetry_control(&mut self, control: &Control) -> Result<(), SealError> {
        if let Err(AppendError::BatchFull) = self.telemetry.ledger.append_control(control) {
            self.close_telemetry().await?;
            self.telemetry.ledger.append_control(control).map_err(SealError::Control)?;
        }
        Ok(())
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
