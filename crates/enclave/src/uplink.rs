//! The uplink: carries sealed batches to the gateway and keeps them until they are archived.
//!
//! One task owns the outbox. It goes on taking batches from the sealer while the connection is down
//! or the host does not read, so the sealer never waits for the host; what bounds the outbox is the
//! budget that the batches' reservations belong to. Whatever the host does wrong ends the
//! connection, and a new one begins.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::checkpoint::CheckpointError;
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::json_batch::taken::Fate;
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::report_data::ReportData;
use lucarne_link::blob::Answer;
use lucarne_link::constant::{ConstantError, Shape};
use lucarne_link::frame::{self, BadLength, DOWN_BYTES_MAX, FrameReader};
use lucarne_link::json_outbox::JsonOutbox;
use lucarne_link::message::{PreviousHead, Up};
use lucarne_link::outbox::{AckError, Outbox, Pending};
use lucarne_link::session::{AwaitChallenge, Challenged, SessionError, Streaming, Told};
use lucarne_platform::{Address, ConnectError, Stream, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::{self, JoinHandle};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::budget::Share;
use crate::egress::{Departure, Egress};
use crate::inside_store::host::Window;
use crate::journal;
use crate::progress::Position;
use crate::quote::{Question, Quote, QuoteError, Quoted};
use crate::sealer::Outgoing;
use crate::witnesses::Quorum;

/// A host that answers no handshake within this time is tried again.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A connection on which batches wait and nothing moves for this long is given up.
const STALL: Duration = Duration::from_secs(60);
/// The kernel gives a TDX quote up after 30 s and an NSM after two minutes: a device that is slower
/// than this is told as one that does not answer, and is not asked twice at a time.
const DEVICE: Duration = Duration::from_secs(40);
/// Pauses between attempts grow from the first to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Bytes read from the host at a time.
const READ_BYTES: usize = 16 << 10;

/// Who speaks, and what it shows for itself.
pub struct Identity {
    /// The workload.
    pub instance: Instance,
    /// This boot.
    pub epoch: EpochId,
    /// The epoch binding, as it is sent.
    pub binding: Vec<u8>,
    /// The same, read.
    pub bound: EpochBinding,
    /// Evidence of the boot.
    pub evidence: Vec<u8>,
    /// What goes with it for its verification.
    pub collateral: Vec<u8>,
    /// Where more comes from.
    pub quote: Arc<dyn Quote + Send + Sync>,
}

impl Identity {
    /// New evidence for this boot in answer to a nonce. Blocks for as long as the device does.
    ///
    /// # Errors
    /// When the device makes none.
    pub fn fresh(&self, nonce: &[u8; 32]) -> Result<Quoted, QuoteError> {
        let report_data = ReportData::monitor(&self.bound, nonce);
        let public_key = &self.bound.p256_spki;
        self.quote.quote(&Question { report_data: &report_data, public_key, nonce })
    }
}

/// The device at work on one question, on a thread that may block.
struct Asked {
    work: JoinHandle<Result<Quoted, QuoteError>>,
    until: Instant,
}

impl Asked {
    fn begin(who: &Arc<Identity>, nonce: [u8; 32]) -> Self {
        let who = Arc::clone(who);
        let work = task::spawn_blocking(move || who.fresh(&nonce));
        Self { work, until: Instant::now() + DEVICE }
    }

    /// Waits for the answer. May be dropped and called again.
    async fn answer(&mut self) -> Result<Quoted, QuoteError> {
        match timeout_at(self.until, &mut self.work).await {
            // What panicked is ours: devices answer with errors.
            Ok(joined) => joined.unwrap_or(Err(QuoteError::Signing)),
            Err(_) => Err(QuoteError::TimedOut),
        }
    }
}

/// Why a connection ended. It is told to nobody but the process's own log: it has no content.
#[derive(Debug)]
pub enum LinkError {
    /// No connection.
    Connect(ConnectError),
    /// The connection broke.
    Io(io::Error),
    /// The host closed it.
    Closed,
    /// The host took too long.
    TimedOut,
    /// The host announced a frame that is not allowed.
    Length(BadLength),
    /// The host sent what has no place in the session.
    Session(SessionError),
    /// Constant egress was asked for and cannot be had.
    Egress(ConstantError),
    /// The host acknowledged what it may not.
    Acknowledgement(AckError),
    /// The host showed as cosigned what is not.
    Cosignature(CheckpointError),
    /// The evidence device refused.
    Quote(QuoteError),
}

impl std::fmt::Display for LinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(error) => journal::write_causes(f, error),
            Self::Io(error) => write!(f, "connection broke: {error}"),
            Self::Closed => write!(f, "the gateway closed the connection"),
            Self::TimedOut => write!(f, "the gateway took too long"),
            Self::Length(error) => write!(f, "{error}"),
            Self::Session(error) => write!(f, "{error}"),
            Self::Egress(error) => write!(f, "{error}"),
            Self::Acknowledgement(error) => write!(f, "{error}"),
            Self::Cosignature(error) => write!(f, "cosigned checkpoint: {error}"),
            Self::Quote(error) => journal::write_causes(f, error),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Closed } else { Self::Io(error) }
    }
}

impl From<SessionError> for LinkError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

/// Asks the gateway, once, how the epoch before ended. Nothing relies on the answer: an audit
/// checks it.
///
/// # Errors
/// When the gateway cannot be reached in time.
pub async fn previous_heads(
    address: &Address,
    instance: &Instance,
    epoch: EpochId,
    within: Duration,
) -> Result<Vec<PreviousHead>, LinkError> {
    let asked = async {
        let mut line = Line::connect(address).await?;
        line.challenge(instance, epoch).await.map(|challenged| challenged.previous)
    };
    timeout(within, asked).await.unwrap_or(Err(LinkError::TimedOut))
}

/// The task that owns the outbox.
pub struct Uplink {
    address: Address,
    identity: Arc<Identity>,
    pinned: PublicKey,
    shape: Option<Shape>,
    hold: Hold,
    archived: watch::Sender<Position>,
    witnesses: Option<Witnesses>,
    // what the inside view asks of the host, where its blocks are kept there
    blobs: Option<Arc<Window>>,
    outgoing: mpsc::Receiver<Outgoing>,
}

/// Whose word on checkpoints counts, and who waits for it.
pub struct Witnesses {
    /// The quorum.
    pub quorum: Quorum,
    /// How far it has seen each ledger.
    pub witnessed: watch::Sender<Position>,
}

/// What waits to be sent or acknowledged.
struct Hold {
    outbox: Outbox<Vec<Share>>,
    json: JsonOutbox<Vec<Share>>,
    // the sealer has closed the ledgers; when nothing waits here either, the work is done
    ended: bool,
}

impl Hold {
    fn collect(&mut self, outgoing: Option<Outgoing>) {
        match outgoing {
            Some(Outgoing::Batch(pending)) => self.outbox.push(pending),
            Some(Outgoing::Json(pending)) => self.json.push(pending),
            None => self.ended = true,
        }
    }

    fn is_empty(&self) -> bool {
        self.outbox.is_empty() && self.json.is_empty()
    }

    fn is_done(&self) -> bool {
        self.ended && self.is_empty()
    }

    fn rewind(&mut self) {
        self.outbox.rewind();
        self.json.rewind();
    }

    fn next_frame(&mut self) -> Option<Vec<u8>> {
        // There are few of them, and batches that never end must not hold them up.
        if let Some(pending) = self.json.next_to_send() {
            let batch = Up::JsonBatch { bytes: &pending.sealed.bytes };
            return Some(frame::encode(&batch.encode()));
        }
        let Pending { sealed, note, urgent, .. } = self.outbox.next_to_send()?;
        let batch = Up::Batch { urgent: *urgent, bytes: sealed.bytes(), note };
        Some(frame::encode(&batch.encode()))
    }
}

/// A connection with what has been read and not yet used.
struct Line {
    read: ReadHalf<Stream>,
    write: WriteHalf<Stream>,
    frames: FrameReader,
}

impl Line {
    async fn connect(address: &Address) -> Result<Self, LinkError> {
        let (read, write) = tokio::io::split(connect(address).await.map_err(LinkError::Connect)?);
        Ok(Self { read, write, frames: FrameReader::new(DOWN_BYTES_MAX) })
    }

    async fn send(&mut self, body: &[u8]) -> Result<(), LinkError> {
        self.write.write_all(&frame::encode(body)).await?;
        Ok(self.write.flush().await?)
    }

    async fn receive(&mut self) -> Result<Vec<u8>, LinkError> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if let Some(body) = self.frames.next_frame().map_err(LinkError::Length)? {
                return Ok(body.to_vec());
            }
            let count = self.read.read(&mut buffer).await?;
            if count == 0 {
                return Err(LinkError::Closed);
            }
            self.frames.feed(buffer.get(..count).unwrap_or_default());
        }
    }

    async fn challenge(
        &mut self,
        instance: &Instance,
        epoch: EpochId,
    ) -> Result<Challenged, LinkError> {
        let (state, hello) = AwaitChallenge::begin(instance.clone(), epoch);
        self.send(&hello).await?;
        Ok(state.on_frame(&self.receive().await?)?)
    }

    async fn handshake(
        &mut self,
        who: &Arc<Identity>,
    ) -> Result<(Streaming, Vec<Vec<u8>>), LinkError> {
        let asked = timeout(HANDSHAKE, self.challenge(&who.instance, who.epoch));
        let challenged = asked.await.unwrap_or(Err(LinkError::TimedOut))?;
        let fresh = match Asked::begin(who, challenged.nonce).answer().await {
            Ok(quoted) => quoted.evidence,
            Err(error) => {
                self.send(&challenged.no_evidence(error.fault())).await?;
                return Err(LinkError::Quote(error));
            }
        };
        let shown = [&who.binding[..], &who.evidence, &fresh, &who.collateral];
        let (state, evidence) = challenged.answer(shown);
        self.send(&evidence).await?;
        let accepted = timeout(HANDSHAKE, self.receive()).await;
        Ok(state.on_frame(&accepted.unwrap_or(Err(LinkError::TimedOut))?)?)
    }
}

impl Uplink {
    /// An uplink that believes acknowledgements of `key`.
    pub fn new(
        address: Address,
        identity: Arc<Identity>,
        key: PublicKey,
        archived: watch::Sender<Position>,
        witnesses: Option<Witnesses>,
        outgoing: mpsc::Receiver<Outgoing>,
    ) -> Self {
        let (instance, epoch) = (identity.instance.clone(), identity.epoch);
        let json = JsonOutbox::new(key.clone(), instance, epoch);
        let hold = Hold { outbox: Outbox::new(key.clone()), json, ended: false };
        let (pinned, shape, blobs) = (key, None, None);
        Self { address, identity, pinned, shape, hold, archived, witnesses, blobs, outgoing }
    }

    /// The same with constant egress, if a shape is given.
    pub const fn shaped(mut self, shape: Option<Shape>) -> Self {
        self.shape = shape;
        self
    }

    /// The same, carrying what the inside view asks of the host.
    pub(crate) fn keeping(mut self, blobs: Option<Arc<Window>>) -> Self {
        self.blobs = blobs;
        self
    }

    /// Runs until the sealer has ended and everything is archived.
    pub async fn run(mut self) {
        let mut pause = RETRY.0;
        while !self.hold.is_done() {
            match self.connect_and_stream().await {
                Ok(()) => return,
                Err((moved, error)) => {
                    journal::warn("uplink", &error);
                    pause = if moved { RETRY.0 } else { (pause * 2).min(RETRY.1) };
                }
            }
            self.while_collecting(async { sleep(pause).await }).await;
        }
    }

    // The sealer must never wait for the host, so whatever waits for the host goes on taking
    // batches.
    async fn while_collecting<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let mut waiting = std::pin::pin!(waiting);
        loop {
            tokio::select! {
                done = &mut waiting => return done,
                outgoing = self.outgoing.recv(), if !self.hold.ended => self.hold.collect(outgoing),
            }
        }
    }

    // The error says whether anything moved, so that a host that only accepts connections is asked
    // less often.
    async fn connect_and_stream(&mut self) -> Result<(), (bool, LinkError)> {
        self.hold.rewind();
        let (address, identity) = (self.address.clone(), Arc::clone(&self.identity));
        let opened = async move {
            let line = timeout(HANDSHAKE, Line::connect(&address)).await;
            let mut line = line.unwrap_or(Err(LinkError::TimedOut))?;
            let accepted = line.handshake(&identity).await?;
            Ok((line, accepted))
        };
        let opened = self.while_collecting(opened).await;
        let (line, (streaming, acknowledged)) = opened.map_err(|error| (false, error))?;
        for message in acknowledged {
            self.acknowledge(&message).map_err(|error| (false, error))?;
        }
        let mut moved = false;
        self.blobs.iter().for_each(|window| window.open());
        let result = self.stream(line, &streaming, &mut moved).await;
        self.blobs.iter().for_each(|window| window.shut());
        result.map_err(|error| (moved, error))
    }

    async fn stream(
        &mut self,
        line: Line,
        streaming: &Streaming,
        moved: &mut bool,
    ) -> Result<(), LinkError> {
        let Line { mut read, mut write, mut frames } = line;
        let mut buffer = vec![0; READ_BYTES];
        let (mut egress, offer) = Egress::begin(self.shape, self.identity.epoch)?;
        let mut writing: Option<(Vec<u8>, usize)> = offer.map(|offer| (frame::encode(&offer), 0));
        let mut monitor = Monitored::default();
        // Cells leave when it is their time, and an answer comes two of them later.
        let stall = self
            .shape
            .map_or(STALL, |shape| STALL.max(Duration::from_millis(shape.interval_ms()) * 6));
        let mut deadline = Instant::now() + stall;
        loop {
            while let Some(body) = egress.incoming(&mut frames)? {
                let told = streaming.on_frame(&body)?;
                let buys;
                (egress, buys) = self.told(told, egress, &mut monitor, moved)?;
                if buys {
                    deadline = Instant::now() + stall;
                }
            }
            if writing.is_none() {
                let idle = self.hold.is_empty();
                let window = self.blobs.as_deref();
                let asked = || window.and_then(Window::next_request).map(|it| frame::encode(&it));
                let next =
                    || monitor.answer.take().or_else(asked).or_else(|| self.hold.next_frame());
                let departs = egress.outgoing(next)?;
                // Until it is written the link is busy, and nothing but the host is waited for.
                if departs.as_ref().is_some_and(|it| it.moves || idle) {
                    deadline = Instant::now() + stall;
                }
                writing = departs.map(|Departure { frame, .. }| (frame, 0));
            }
            if writing.is_none() && self.hold.is_done() {
                return Ok(());
            }
            let busy = writing.is_some() || !self.hold.is_empty();
            tokio::select! {
                outgoing = self.outgoing.recv(), if !self.hold.ended => {
                    // An idle link becomes busy: the gateway's time to answer starts now.
                    if !busy {
                        deadline = Instant::now() + stall;
                    }
                    self.hold.collect(outgoing);
                }
                sent = write_some(&mut write, &mut writing), if writing.is_some() => {
                    sent?;
                    // A host that reads and never acknowledges must not look busy for ever:
                    // only the middle of a frame is progress.
                    if writing.is_some() {
                        deadline = Instant::now() + stall;
                    }
                }
                count = read.read(&mut buffer) => {
                    let count = count?;
                    if count == 0 {
                        return Err(LinkError::Closed);
                    }
                    frames.feed(buffer.get(..count).unwrap_or_default());
                }
                () = egress.moment(), if writing.is_none() => {}
                () = asking(self.blobs.as_deref()), if writing.is_none() => {}
                () = monitor.make(), if monitor.asked.is_some() => {
                    if !busy {
                        deadline = Instant::now() + stall;
                    }
                }
                () = tokio::time::sleep_until(deadline), if busy => return Err(LinkError::TimedOut),
            }
        }
    }

    /// Takes what the gateway said; whether that buys patience for batches that wait.
    fn told(
        &mut self,
        told: Told,
        egress: Egress,
        monitor: &mut Monitored,
        moved: &mut bool,
    ) -> Result<(Egress, bool), LinkError> {
        match told {
            Told::Ledger(message) => *moved |= self.acknowledge(&message)?,
            Told::JsonBatch(message) => *moved |= self.acknowledge_json(&message)?,
            Told::Constant { key, signature } => {
                return Ok((egress.answered(&key, &signature, &self.pinned)?, true));
            }
            // The others prove nothing about batches.
            Told::Cosigned(note) => {
                self.witnessed(&note)?;
                return Ok((egress, false));
            }
            Told::Monitor(nonce) => {
                monitor.take(nonce, &self.identity)?;
                return Ok((egress, false));
            }
            Told::Blob(answer) => {
                self.blob(answer)?;
                return Ok((egress, false));
            }
        }
        Ok((egress, true))
    }

    fn blob(&self, answer: Answer) -> Result<(), LinkError> {
        let taken = self.blobs.as_ref().is_some_and(|window| window.take(answer));
        if taken { Ok(()) } else { Err(LinkError::Session(SessionError::OutOfOrder)) }
    }

    fn acknowledge(&mut self, message: &[u8]) -> Result<bool, LinkError> {
        let released = self.hold.outbox.acknowledge(message).map_err(LinkError::Acknowledgement)?;
        let moved = !released.batches.is_empty();
        if moved {
            let kind = released.archived.ledger.kind;
            let size = released.archived.size();
            self.archived.send_modify(|position| position.advance(kind, size));
        }
        Ok(moved)
    }

    fn witnessed(&mut self, note: &str) -> Result<(), LinkError> {
        // A host may tell what nobody here asked for.
        let Some(Witnesses { quorum, witnessed }) = &self.witnesses else { return Ok(()) };
        if let Some((kind, size)) = quorum.judge(note).map_err(LinkError::Cosignature)? {
            witnessed.send_modify(|position| position.advance(kind, size));
        }
        Ok(())
    }

    fn acknowledge_json(&mut self, message: &[u8]) -> Result<bool, LinkError> {
        let taken = self.hold.json.acknowledge(message).map_err(LinkError::Acknowledgement)?;
        let lost = match &taken {
            Some((Fate::Withheld, pending)) => Some((pending, "withheld by the outer layer")),
            Some((Fate::Displaced, pending)) => Some((pending, "not archived: its name is taken")),
            Some((Fate::Archived, _)) | None => None,
        };
        if let Some((pending, what)) = lost {
            let number = pending.sealed.sequence;
            journal::warn("uplink", &format_args!("signed log batch {number} is {what}"));
        }
        Ok(taken.is_some())
    }
}

/// The gateway's question for fresh evidence: at most one at a time, since each costs the device.
#[derive(Default)]
struct Monitored {
    asked: Option<Asked>,
    // the frame to send once the device has answered
    answer: Option<Vec<u8>>,
}

impl Monitored {
    fn take(&mut self, nonce: [u8; 32], who: &Arc<Identity>) -> Result<(), LinkError> {
        if self.asked.is_some() || self.answer.is_some() {
            return Err(LinkError::Session(SessionError::OutOfOrder));
        }
        self.asked = Some(Asked::begin(who, nonce));
        Ok(())
    }

    /// Waits for the device. May be dropped and called again.
    async fn make(&mut self) {
        let Some(asked) = &mut self.asked else { return };
        let made = asked.answer().await;
        self.asked = None;
        let body = match &made {
            Ok(Quoted { evidence, collateral, .. }) => Up::Fresh { evidence, collateral }.encode(),
            Err(error) => {
                journal::warn("monitor", error);
                Up::NoEvidence { fault: error.fault() }.encode()
            }
        };
        self.answer = Some(frame::encode(&body));
    }
}

/// Waits until the inside view has something to ask; for ever, where it keeps nothing outside.
async fn asking(window: Option<&Window>) {
    match window {
        Some(window) => window.asking().await,
        None => std::future::pending().await,
    }
}

async fn write_some(
    write: &mut WriteHalf<Stream>,
    writing: &mut Option<(Vec<u8>, usize)>,
) -> Result<(), LinkError> {
    let Some((frame, done)) = writing else { return Ok(()) };
    let count = write.write(frame.get(*done..).unwrap_or_default()).await?;
    if count == 0 {
        return Err(LinkError::Closed);
    }
    *done += count;
    if *done == frame.len() {
        *writing = None;
        write.flush().await?;
    }
    Ok(())
}
