//! The gateway's end of the uplink: evidence, then batches, each verified before anything else
//! happens to it.
//!
//! A batch that does not verify never gets further than a line without content. One that does is
//! screened by the outer layer in memory, and only then handed to the archiver; the acknowledgement
//! follows when the archive holds it.

use std::io;
use std::sync::{Arc, Once};
use std::time::Duration;

use aws_lc_rs::rand;
use lucarne_archive::name::{EpochFile, EpochName};
use lucarne_archive::{Archive, ArchiveError, Name, Put};
use lucarne_attest::{
    At, CollateralFiles, EpochKeys, Exhibit, Expect, Format, Rejected, Time, Verified,
};
use lucarne_ledger::batch::{
    self, BatchError, Content, EpochKey, VerifiedBatch, claimed_statement,
};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::control::Control;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};
use lucarne_ledger::key::{Ed25519Key, PublicKey};
use lucarne_ledger::record;
use lucarne_ledger::register;
use lucarne_ledger::statement::Archived;
use lucarne_link::blob::{Answer as Answered, Request};
use lucarne_link::constant::Shape;
use lucarne_link::frame::{self, DOWN_BYTES_MAX, FrameReader, UP_BYTES_MAX};
use lucarne_link::message::Down;
use lucarne_link::session::{
    Answer, AwaitEvidence, AwaitHello, Incoming, Received, Receiving, SessionError,
};
use lucarne_platform::{Listener, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::archiver::{Archiver, Job};
use crate::blobs::{Blobs, Shelf};
use crate::cells::{CellsError, Session};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::delivery::{Batch, Refused};
use crate::epochs::{Admission, Epoch, Epochs};
use crate::heartbeats::Heartbeats;
use crate::journal::{Journal, Level, Value};
use crate::json_batches::{NotTaken, Taker};
use crate::monitor::{Exchange, Monitor, Occasion};
use crate::outer_layer::OuterLayer;
use crate::policy::Terms;
use crate::register::SiteRegister;

/// A peer that has not shown evidence within this time is let go. Longer than an enclave gives its
/// evidence device, so that one whose device hangs can still say so.
const HANDSHAKE: Duration = Duration::from_secs(45);
/// Connections served at a time: one an enclave, some in reserve for those that come back.
const CONNECTIONS_MAX: usize = 64;
/// Fresh evidence is made while we wait; what is older is a replay.
const FRESH_MS: u64 = 60_000;
/// Bytes read at a time.
const READ_BYTES: usize = 256 << 10;

/// What every connection needs.
pub struct Shared {
    /// The epochs known.
    pub epochs: Arc<Epochs>,
    /// Which evidence is believed.
    pub terms: Terms,
    /// What must not be written.
    pub outer_layer: OuterLayer,
    /// Where verified batches go.
    pub archiver: Archiver,
    /// Where evidence goes.
    pub archive: Arc<dyn Archive>,
    /// Whether what is archived must be erasable.
    pub erasable: bool,
    /// Where epochs are noted, if the site keeps a register.
    pub register: Option<Arc<SiteRegister>>,
    /// Signs acknowledgements; its public half is pinned in the enclaves.
    pub acknowledgement_key: Ed25519Key,
    /// Signs of life, for `/health`.
    pub heartbeats: Heartbeats,
    /// Asks for fresh evidence.
    pub monitor: Arc<Monitor>,
    /// Where enclaves keep blocks of their inside views; `None`: nowhere.
    pub blobs: Option<Blobs>,
    /// Whether it was said that enclaves would keep blocks and have nowhere to.
    pub blobs_missed: Once,
    /// Counters.
    pub counters: Arc<Counters>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The gateway's own messages.
    pub journal: Journal,
}

/// Why a connection ends.
#[derive(Debug)]
enum EndOfSession {
    Io(io::Error),
    Closed,
    TimedOut,
    // for the peer: names what of its doing is not accepted
    Refused(String),
    // the gateway is stopping, or cannot sign or store
    Ours(&'static str),
}

impl From<CellsError> for EndOfSession {
    fn from(error: CellsError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<io::Error> for EndOfSession {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Serves enclaves until told to stop.
pub async fn serve(listener: Listener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    let mut is_crowded = false;
    loop {
        let was_crowded = std::mem::replace(&mut is_crowded, sessions.len() >= CONNECTIONS_MAX);
        if is_crowded && !was_crowded {
            let fields = [("connections", Value::Number(CONNECTIONS_MAX as u64))];
            let message = "all connections for enclaves are taken; further ones wait";
            shared.journal.note(Level::Error, message, &fields);
        }
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept(), if !is_crowded => match accepted {
                Ok(stream) => {
                    sessions.spawn(session(stream, Arc::clone(&shared)));
                }
                Err(error) => {
                    let note = |error| [("error", Value::Shown(error))];
                    shared.journal.note(Level::Warning, "receiver cannot accept", &note(&error));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    sessions.shutdown().await;
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone is a stop too.
    drop(stop.wait_for(|stop| *stop).await);
}

async fn session(stream: Stream, shared: Arc<Shared>) {
    let (read, write) = tokio::io::split(stream);
    let mut line = Line { read, write, frames: FrameReader::new(UP_BYTES_MAX), cells: None };
    let ended = run_session(&mut line, &shared).await;
    let Err(end) = ended else { return };
    let reason = match &end {
        EndOfSession::Closed => return,
        EndOfSession::Io(error) => error.to_string(),
        EndOfSession::TimedOut => "peer took too long".into(),
        EndOfSession::Refused(reason) => reason.clone(),
        EndOfSession::Ours(reason) => (*reason).into(),
    };
    note_end(&reason, &shared.journal);
    if matches!(end, EndOfSession::Refused(_) | EndOfSession::Ours(_)) {
        let refusal = Down::Refused { reason }.encode();
        // The peer may be gone; there is nobody else to tell.
        drop(timeout(HANDSHAKE, line.send_last(&refusal)).await);
    }
}

/// A connection with what has been read and not yet used.
struct Line {
    read: ReadHalf<Stream>,
    write: WriteHalf<Stream>,
    frames: FrameReader,
    // once the enclave has asked for constant egress
    cells: Option<Session>,
}

impl Line {
    async fn send(&mut self, body: &[u8]) -> Result<(), EndOfSession> {
        match &mut self.cells {
            Some(cells) => Ok(cells.push(body)?),
            None => self.write_frame(&frame::encode(body)).await,
        }
    }

    /// The last word of a session need not wait for its slot.
    async fn send_last(&mut self, body: &[u8]) -> Result<(), EndOfSession> {
        self.send(body).await?;
        let last = self.cells.as_ref().map(Session::leaves);
        match last {
            Some(leaves) => self.depart(leaves).await,
            None => Ok(()),
        }
    }

    async fn write_frame(&mut self, frame: &[u8]) -> Result<(), EndOfSession> {
        self.write.write_all(frame).await?;
        Ok(self.write.flush().await?)
    }

    /// The body of the next whole frame, if there is one.
    fn next_frame(&mut self) -> Result<Option<&[u8]>, EndOfSession> {
        match &mut self.cells {
            Some(cells) => Ok(cells.incoming(&mut self.frames)?),
            None => {
                self.frames.next_frame().map_err(|error| EndOfSession::Refused(error.to_string()))
            }
        }
    }

    /// Answers an offer of constant egress; everything behind the answer is cells.
    async fn shape(
        &mut self,
        (shape, offered): (Shape, [u8; 32]),
        epoch: EpochId,
        shared: &Shared,
    ) -> Result<(), EndOfSession> {
        let signer = &shared.acknowledgement_key;
        let (session, answer) = Session::accept(shape, &offered, epoch, signer)?;
        self.send(&answer).await?;
        self.cells = Some(session);
        Ok(())
    }

    /// Writes the frame of a slot that has come.
    async fn depart(&mut self, now: Instant) -> Result<(), EndOfSession> {
        let Some(cells) = self.cells.as_mut().filter(|cells| cells.leaves() <= now) else {
            return Ok(());
        };
        let frame = cells.depart()?;
        self.write_frame(&frame).await
    }

    /// Waits for the moment of the next frame; for ever, where frames have none.
    async fn moment(cells: Option<Instant>) {
        match cells {
            Some(leaves) => sleep_until(leaves).await,
            None => std::future::pending().await,
        }
    }

    async fn receive(&mut self) -> Result<Vec<u8>, EndOfSession> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match self.frames.next_frame() {
                Ok(Some(body)) => return Ok(body.to_vec()),
                Ok(None) => self.fill(&mut buffer).await?,
                Err(error) => return Err(EndOfSession::Refused(error.to_string())),
            }
        }
    }

    async fn fill(&mut self, buffer: &mut [u8]) -> Result<(), EndOfSession> {
        match self.read.read(buffer).await? {
            0 => Err(EndOfSession::Closed),
            count => {
                self.frames.feed(&buffer[..count]);
                Ok(())
            }
        }
    }
}

async fn run_session(line: &mut Line, shared: &Arc<Shared>) -> Result<(), EndOfSession> {
    let (epoch, mut receiving, bound) =
        timeout(HANDSHAKE, handshake(line, shared)).await.unwrap_or(Err(EndOfSession::TimedOut))?;
    note_accepted(&epoch, &shared.journal);
    let mut acknowledged = LedgerKind::ALL.map(|kind| epoch.acknowledged(kind));
    let mut cosigned = LedgerKind::ALL.map(|kind| epoch.cosigned(kind));
    cosigned.iter_mut().for_each(watch::Receiver::mark_changed);
    let mut buffer = vec![0; READ_BYTES];
    let mut shelf = None;
    let mut ask_at = Instant::now() + shared.monitor.every();
    loop {
        line.depart(Instant::now()).await?;
        take_frames(line, &mut receiving, (&epoch, &bound), &mut shelf, shared).await?;
        let leaves = line.cells.as_ref().map(Session::leaves);
        let [audit, telemetry] = &mut acknowledged;
        let [seen_audit, seen_telemetry] = &mut cosigned;
        let mut seen = None;
        let news = tokio::select! {
            filled = line.fill(&mut buffer) => { filled?; None }
            () = Line::moment(leaves) => None,
            () = sleep_until(ask_at) => {
                ask_at = Instant::now() + shared.monitor.every();
                // While a question is open there is no other; its silence is counted elsewhere.
                if let Some(question) = receiving.ask(fresh_nonce()?) {
                    line.send(&question).await?;
                }
                None
            }
            Ok(()) = audit.changed() => audit.borrow_and_update().clone(),
            Ok(()) = telemetry.changed() => telemetry.borrow_and_update().clone(),
            Ok(()) = seen_audit.changed() => {
                seen.clone_from(&seen_audit.borrow_and_update());
                None
            }
            Ok(()) = seen_telemetry.changed() => {
                seen.clone_from(&seen_telemetry.borrow_and_update());
                None
            }
        };
        // A note that does not fit is one that no enclave would take.
        if let Some(note) = seen.filter(|note| note.len() < DOWN_BYTES_MAX / 2) {
            line.send(&Down::Cosigned { note: note.to_string() }.encode()).await?;
        }
        if let Some(archived) = news {
            let acknowledgement = sign(&archived, shared)?;
            line.send(&Down::Archived { acknowledgement }.encode()).await?;
        }
    }
}

/// Takes every frame that is read whole.
async fn take_frames(
    line: &mut Line,
    receiving: &mut Receiving,
    (epoch, bound): (&Arc<Epoch>, &EpochBinding),
    shelf: &mut Option<Shelf>,
    shared: &Shared,
) -> Result<(), EndOfSession> {
    while let Some(body) = line.next_frame()? {
        let incoming =
            receiving.on_frame(body).map_err(|error| EndOfSession::Refused(error.to_string()))?;
        match incoming {
            Incoming::Batch(received) => {
                let taken = tokio::task::block_in_place(|| take(&received, epoch, shared));
                hand_over(taken, &shared.archiver).await?;
            }
            Incoming::Answer { nonce, answer } => {
                let exchange = Exchange {
                    instance: &bound.instance,
                    epoch: epoch.key.epoch,
                    binding: Some(bound),
                    occasion: Occasion::Monitor,
                    nonce: &nonce,
                    answer,
                };
                tokio::task::block_in_place(|| shared.monitor.hear(&exchange));
            }
            Incoming::Constant { shape, key } => {
                line.shape((shape, key), epoch.key.epoch, shared).await?;
            }
            Incoming::Blob(request) => {
                let answer = tokio::task::block_in_place(|| keep(&request, shelf, epoch, shared));
                line.send(&Down::Blob(answer).encode()).await?;
            }
            Incoming::JsonBatch(json) => {
                let taken = tokio::task::block_in_place(|| take_json(json, epoch, shared));
                line.send(&taken?.encode()).await?;
            }
        }
    }
    Ok(())
}

/// The answer to a request about blobs. What goes wrong is the enclave's to notice, and ours to
/// note.
fn keep(
    request: &Request<'_>,
    shelf: &mut Option<Shelf>,
    epoch: &Epoch,
    shared: &Shared,
) -> Answered {
    let Some(blobs) = &shared.blobs else {
        shared.blobs_missed.call_once(|| {
            let fields = [("instance", Value::Shown(&epoch.key.instance))];
            let what = "an enclave would keep blocks of its inside view, and no `blobs` says where";
            shared.journal.note(Level::Warning, what, &fields);
        });
        return Answered::Refused;
    };
    // One that broke is kept until the next is open: no other epoch takes the place for abandoned.
    let answer = match shelf.as_mut().filter(|open| !open.is_broken()) {
        Some(open) => open.answer(request),
        None => blobs
            .shelf(&epoch.key.instance, epoch.key.epoch)
            .and_then(|open| shelf.insert(open).answer(request)),
    };
    answer.unwrap_or_else(|error| {
        let fields =
            [("instance", Value::Shown(&epoch.key.instance)), ("error", Value::Shown(&error))];
        let what = "a block of an inside view cannot be kept or given";
        shared.journal.note(Level::Error, what, &fields);
        Answered::Refused
    })
}

/// What is to be archived of a batch is handed over even when the batch ends the session.
async fn hand_over(
    (jobs, end): (Vec<Job>, Result<(), EndOfSession>),
    archiver: &Archiver,
) -> Result<(), EndOfSession> {
    for job in jobs {
        archiver.send(job).await.map_err(|_| EndOfSession::Ours("gateway is stopping"))?;
    }
    end
}

fn note_end(reason: &str, journal: &Journal) {
    let fields = [("reason", Value::Text(reason))];
    journal.note(Level::Warning, "receiver closed a connection from tee-processengine", &fields);
}

fn note_accepted(epoch: &Epoch, journal: &Journal) {
    let fields = [
        ("instance", Value::Shown(&epoch.key.instance)),
        ("epoch", Value::Shown(&epoch.key.epoch)),
    ];
    journal.note(Level::Information, "receiver accepted tee-processengine", &fields);
}

fn fresh_nonce() -> Result<[u8; 32], EndOfSession> {
    let mut nonce = [0; 32];
    rand::fill(&mut nonce).map_err(|_| EndOfSession::Ours("gateway has no randomness"))?;
    Ok(nonce)
}

/// What is shown at the start of a session: binding, evidence of the boot, fresh evidence, and what
/// they are verified with.
type Shown<'a> = [&'a [u8]; 4];

// Tells the monitor of a peer that has no evidence; every other message that has no place here is
// nothing but a mistake.
fn shown<'a>(
    state: &AwaitEvidence,
    body: &'a [u8],
    shared: &Shared,
) -> Result<Shown<'a>, EndOfSession> {
    state.on_frame(body).map_err(|error| {
        if let SessionError::NoEvidence(fault) = error {
            let exchange = Exchange {
                instance: &state.instance,
                epoch: state.epoch,
                binding: None,
                occasion: Occasion::Handshake,
                nonce: &state.nonce,
                answer: Answer::None(fault),
            };
            tokio::task::block_in_place(|| shared.monitor.hear_refused(&exchange, None));
        }
        EndOfSession::Refused(error.to_string())
    })
}

// The boot's evidence may be older than its certificates live; the fresh one carries our nonce.
fn believe(
    state: &AwaitEvidence,
    [_, evidence, fresh, collateral]: Shown<'_>,
    bound: &EpochBinding,
    shared: &Shared,
) -> Result<(EpochKeys, CollateralFiles), Rejected> {
    let now = Time::from_unix_ms(shared.clock.unix_ns() / 1_000_000);
    let live = At::Live { now, age_max_ms: FRESH_MS };
    // A quote or report of the boot says no time; with the collateral of now it must hold now.
    let boot = At::Replay { shown: Some(now) };
    let files = shared.terms.collateral_for(evidence, collateral);
    let exhibit = |evidence| Exhibit { evidence, collateral: &files, binding: bound };
    let accepts = &shared.terms.accepts;
    let verdict = accepts
        .verify_epoch(&exhibit(evidence), boot, Expect::Nonce(bound.nonce))
        .and_then(|keys| {
            let same = Format::of(fresh) == Format::of(evidence);
            let fresh = accepts.verify_fresh(&exhibit(fresh), live, state.nonce)?;
            // Of two kinds of evidence one would be somebody else's.
            if same && fresh.claims.kind == keys.claims.kind {
                Ok(keys)
            } else {
                Err(Rejected::KindNotAccepted { kind: fresh.claims.kind })
            }
        })
        .map(Verified::into_inner);
    let exchange = Exchange {
        instance: &state.instance,
        epoch: state.epoch,
        binding: Some(bound),
        occasion: Occasion::Handshake,
        nonce: &state.nonce,
        answer: Answer::Fresh { evidence: fresh, collateral },
    };
    match &verdict {
        Ok(_) => shared.monitor.hear(&exchange),
        Err(rejected) => shared.monitor.hear_refused(&exchange, Some(rejected)),
    };
    verdict.map(|keys| (keys, files))
}

async fn handshake(
    line: &mut Line,
    shared: &Shared,
) -> Result<(Arc<Epoch>, Receiving, EpochBinding), EndOfSession> {
    let refused = |error: &dyn std::fmt::Display| EndOfSession::Refused(error.to_string());
    let hello = line.receive().await?;
    let state = AwaitHello::begin().on_frame(&hello, fresh_nonce()?).map_err(|e| refused(&e))?;
    let previous = shared.epochs.previous(&state.instance, state.epoch);
    line.send(&state.challenge(shared.clock.unix_ns() / 1_000_000, previous)).await?;
    let body = line.receive().await?;
    let shown = shown(&state, &body, shared)?;
    let [binding, evidence, _, _] = shown;
    let bound = EpochBinding::from_cbor(binding).map_err(|e| refused(&e))?;
    if bound.instance != state.instance || bound.epoch_id() != state.epoch {
        return Err(EndOfSession::Refused("hello and evidence name different epochs".into()));
    }
    let believed = tokio::task::block_in_place(|| believe(&state, shown, &bound, shared));
    let (keys, collateral) = believed.map_err(|e| refused(&e))?;
    keep_collateral(shared, &state.instance, keys.epoch, &collateral)?;
    keep_evidence(shared, &state.instance, keys.epoch, [binding, evidence])?;
    note_epoch(shared, &state.instance, keys.epoch, [binding, evidence])?;
    let key = PublicKey::from_spki(&bound.p256_spki).map_err(|e| refused(&e))?;
    let key = EpochKey { instance: state.instance.clone(), epoch: keys.epoch, key };
    let measurement = keys.claims.measurement().to_string();
    let epoch = shared.epochs.enter(key, bound.ed25519, &measurement);
    let known = LedgerKind::ALL.map(|kind| epoch.acknowledged(kind).borrow().clone());
    let archived =
        known.into_iter().flatten().map(|head| sign(&head, shared)).collect::<Result<_, _>>()?;
    let (receiving, accepted) = state.accept(archived);
    line.send(&accepted).await?;
    Ok((epoch, receiving, bound))
}

fn keep_evidence(
    shared: &Shared,
    instance: &Instance,
    epoch: EpochId,
    [binding, evidence]: [&[u8]; 2],
) -> Result<(), EndOfSession> {
    for (file, bytes) in [(EpochFile::Binding, binding), (EpochFile::Evidence, evidence)] {
        let name = Name::Epoch(EpochName { instance: instance.clone(), epoch, file });
        match tokio::task::block_in_place(|| shared.archive.put(&name, bytes)) {
            Ok(Put::Created | Put::AlreadyIdentical) => {}
            Ok(Put::Different) => {
                shared.counters.conflicts.add(1);
                return Err(EndOfSession::Refused(
                    "the archive holds other evidence for this epoch".into(),
                ));
            }
            Err(error) => return Err(cannot_keep(shared, &error)),
        }
    }
    Ok(())
}

// What the epoch was first believed with stays: later collateral speaks of a later day.
fn keep_collateral(
    shared: &Shared,
    instance: &Instance,
    epoch: EpochId,
    files: &CollateralFiles,
) -> Result<(), EndOfSession> {
    if files.is_empty() {
        return Ok(());
    }
    let file = EpochFile::Collateral;
    let name = Name::Epoch(EpochName { instance: instance.clone(), epoch, file });
    match tokio::task::block_in_place(|| shared.archive.put(&name, &files.to_cbor())) {
        Ok(Put::Created | Put::AlreadyIdentical | Put::Different) => Ok(()),
        Err(error) => Err(cannot_keep(shared, &error)),
    }
}

fn cannot_keep(shared: &Shared, error: &ArchiveError) -> EndOfSession {
    shared.journal.note(Level::Error, "cannot keep evidence", &[("error", Value::Shown(error))]);
    EndOfSession::Ours("gateway cannot keep evidence")
}

// No batch of an epoch is taken that the register does not name.
fn note_epoch(
    shared: &Shared,
    instance: &Instance,
    epoch: EpochId,
    [binding, evidence]: [&[u8]; 2],
) -> Result<(), EndOfSession> {
    let Some(register) = &shared.register else { return Ok(()) };
    let previous = shared.epochs.previous(instance, epoch);
    let heads = previous.iter().map(|head| {
        let (kind, size, root) = (head.kind, head.size, Hash(head.root));
        register::Head { kind, size, root }
    });
    let predecessor = previous
        .first()
        .map(|head| register::Predecessor { epoch: head.epoch, heads: heads.collect() });
    let entry = register::Entry::Epoch {
        instance: instance.clone(),
        epoch,
        binding_sha256: Hash::of(binding),
        evidence_sha256: Hash::of(evidence),
        predecessor,
        time_ms: shared.clock.unix_ns() / 1_000_000,
    };
    tokio::task::block_in_place(|| register.epoch(entry)).map_err(|error| {
        let fields = [("error", Value::Shown(&error))];
        shared.journal.note(Level::Error, "cannot note an epoch in the register", &fields);
        EndOfSession::Ours("gateway cannot note the epoch in its register")
    })
}

fn sign(archived: &Archived, shared: &Shared) -> Result<Vec<u8>, EndOfSession> {
    archived
        .sign(&shared.acknowledgement_key)
        .map_err(|_| EndOfSession::Ours("gateway cannot sign acknowledgements"))
}

// The acknowledgement of a signed log batch in JSON.
fn take_json(json: &[u8], epoch: &Epoch, shared: &Shared) -> Result<Down, EndOfSession> {
    let taker = Taker {
        erasable: shared.erasable,
        archive: &*shared.archive,
        outer_layer: &shared.outer_layer,
        counters: &shared.counters,
        journal: &shared.journal,
    };
    let taken = taker.take(json, epoch).map_err(|error| match error {
        NotTaken::Archive => EndOfSession::Ours("gateway cannot keep a signed log batch"),
        NotTaken::Unverified(_) | NotTaken::Field(_) => EndOfSession::Refused(error.to_string()),
    })?;
    let acknowledgement = taken
        .sign(&shared.acknowledgement_key)
        .map_err(|_| EndOfSession::Ours("gateway cannot sign acknowledgements"))?;
    Ok(Down::JsonTaken { acknowledgement })
}

// What is to be written for a received batch, and whether the connection may go on.
fn take(
    received: &Received<'_>,
    epoch: &Arc<Epoch>,
    shared: &Shared,
) -> (Vec<Job>, Result<(), EndOfSession>) {
    let refuse = |reason: &'static str| {
        shared.counters.refused.add(1);
        let ledger = epoch.ledger(LedgerKind::Telemetry);
        let job = Job::refused(ledger, refusal(received, epoch, reason, shared.clock.unix_ns()));
        (vec![job], Err(EndOfSession::Refused(format!("batch does not verify: {reason}"))))
    };
    let batch = match batch::verify(received.bytes, &epoch.key) {
        Ok(batch) => batch,
        Err(error) => return refuse(reason(&error)),
    };
    // No enclave encrypts for the archive, and what cannot be read cannot be screened.
    if batch.encryption().is_some() {
        return refuse("encoding");
    }
    let statement = batch.statement();
    match epoch.open_note(statement.ledger.kind, received.note) {
        Ok(head) if (head.size, head.root) == (statement.size(), statement.root) => {}
        Ok(_) | Err(_) => return refuse("checkpoint"),
    }
    match admit(&batch, epoch, shared) {
        Admission::Repeated => (Vec::new(), Ok(())),
        Admission::Next | Admission::Hole { .. } | Admission::Overlap | Admission::Fork => {
            accept(received, &batch, epoch, shared)
        }
    }
}

fn admit(batch: &VerifiedBatch<'_>, epoch: &Epoch, shared: &Shared) -> Admission {
    let statement = batch.statement();
    let admission = epoch.admit(statement);
    let fields = [
        ("ledger", Value::Shown(&statement.ledger)),
        ("first", Value::Number(statement.first)),
        ("size", Value::Number(statement.size())),
    ];
    match admission {
        Admission::Next | Admission::Overlap => {}
        Admission::Repeated => shared.counters.repeated.add(1),
        Admission::Hole { .. } => {
            shared.counters.holes.add(1);
            shared.journal.note(Level::Error, "records are missing before a batch", &fields);
        }
        Admission::Fork => {
            shared.counters.forks.add(1);
            shared.journal.note(Level::Error, "a verified batch contradicts the ledger", &fields);
        }
    }
    admission
}

fn accept(
    received: &Received<'_>,
    batch: &VerifiedBatch<'_>,
    epoch: &Arc<Epoch>,
    shared: &Shared,
) -> (Vec<Job>, Result<(), EndOfSession>) {
    let now_ns = shared.clock.unix_ns();
    let Ok(screened) = shared.outer_layer.screen(batch, now_ns / 1_000_000) else {
        return (Vec::new(), Err(EndOfSession::Ours("gateway cannot authorise withholding")));
    };
    for hole in &screened.withheld {
        shared.counters.withheld.add(1);
        shared.counters.hits.add(&hole.rule);
        let fields = [
            ("ledger", Value::Shown(&batch.statement().ledger)),
            ("seq", Value::Number(hole.seq)),
            ("rule", Value::Text(&hole.rule)),
            ("key", Value::Text(hole.key.as_deref().unwrap_or_default())),
            ("pattern", Value::Text(shared.outer_layer.place_of(&hole.rule))),
        ];
        shared.journal.note(Level::Warning, "outer layer withheld a record", &fields);
    }
    shared.heartbeats.see(batch, epoch);
    if ends(batch) {
        let statement = batch.statement();
        shared.heartbeats.ended(&epoch.key.instance, epoch.key.epoch);
        shared.monitor.ended(&epoch.key.instance, epoch.key.epoch);
        if let Some(register) = &shared.register {
            register.closing(&statement.ledger, statement.size(), statement.root);
        }
    }
    shared.counters.batches.add(1);
    shared.counters.records.add(batch.statement().count);
    let delivery = Batch {
        bytes: screened.batch.into(),
        note: received.note.to_owned(),
        copies: screened.copies,
    };
    let job = Job::batch(batch.statement().ledger.clone(), delivery, received.urgent);
    (vec![job], Ok(()))
}

/// Whether the last record of a batch is `close`.
fn ends(batch: &VerifiedBatch<'_>) -> bool {
    let kind = batch.statement().ledger.kind;
    let last = batch.records().last().filter(|record| record.stream == record::Stream::Control);
    last.is_some_and(|record| match record.content {
        Content::Present { payload, .. } => {
            matches!(Control::parse(payload, kind), Ok(Control::Close(_)))
        }
        Content::Withheld { .. } | Content::Encrypted => false,
    })
}

fn refusal(received: &Received<'_>, epoch: &Epoch, reason: &'static str, now_ns: u64) -> Refused {
    Refused {
        instance: epoch.key.instance.to_string(),
        first: claimed_statement(received.bytes).ok().map(|statement| statement.first),
        thumbprint: epoch.thumbprint.to_string(),
        reason: reason.into(),
        digest: Hash::of(received.bytes).0,
        length: received.bytes.len() as u64,
        received_ns: now_ns,
    }
}

/// The reason of a refusal as a name from a closed set: it becomes a label.
pub const fn reason(error: &BatchError) -> &'static str {
    match error {
        BatchError::TooLong { .. } | BatchError::RecordTooLong { .. } => "too_long",
        BatchError::Cbor(_) => "encoding",
        BatchError::Signature(_) => "signature",
        BatchError::Foreign => "foreign",
        BatchError::Frontier(_) | BatchError::PrevRoot { .. } => "frontier",
        BatchError::Count { .. } => "count",
        BatchError::Secret | BatchError::Encryption | BatchError::NotDecrypted => "secret",
        BatchError::Stream { .. } => "stream",
        BatchError::Context { .. } => "context",
        BatchError::PrevHash { .. } => "prev_hash",
        BatchError::Root { .. } => "root",
    }
}
