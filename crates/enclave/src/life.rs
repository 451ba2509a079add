//! The life of the process: harden, begin an epoch, serve, drain, close.
//!
//! Order of the end: refuse new requests, seal what was taken, close both ledgers, wait for the
//! archive. The epoch's keys go with the process.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use lucarne_contract::Contract;
use lucarne_ledger::control::Workload;
use lucarne_ledger::key::SigningFailed;
use lucarne_platform::{Address, BindError, HardenError, harden};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::budget::Budget;
use crate::canaries;
use crate::channel::{self, Channel, ChannelError};
use crate::clock::{Clock, SystemClock};
use crate::command::Exit;
use crate::config::{Config, Limits};
use crate::epoch::{BirthError, Epoch};
use crate::hardware::{self, SourceError};
use crate::inside_store::{InsideStore, testimony};
use crate::journal::{self, write_causes};
use crate::json_batches::JsonHalf;
use crate::pipeline::{Pipeline, Work};
use crate::probe;
use crate::progress::{Position, Progress};
use crate::receive::{self, Receiver};
use crate::sealer::{self, SealError, Sealer};
use crate::uplink::{self, Uplink, Witnesses};

/// Requests between the receivers and the sealer; the budget bounds their bytes.
const QUEUE_REQUESTS: usize = 1024;
/// Batches between the sealer and the uplink, which always takes them.
const OUTGOING_BATCHES: usize = 64;
/// How long the birth of an epoch waits for word of the one before.
const PREVIOUS_WAIT: Duration = Duration::from_secs(5);
/// How long a graceful end waits for the archive.
const ARCHIVE_WAIT: Duration = Duration::from_secs(30);

/// Why the process cannot live on.
#[derive(Debug)]
pub enum LifeError {
    /// The process could not be made opaque.
    Harden(HardenError),
    /// No runtime or signal handler.
    Runtime(std::io::Error),
    /// No evidence.
    Source(SourceError),
    /// The epoch.
    Birth(BirthError),
    /// A socket that the configuration asks for; the text begins with the line of its file.
    Bind {
        /// Line of the file that names its address.
        line: u64,
        /// Key of its address.
        key: &'static str,
        /// Why it cannot be had.
        error: BindError,
    },
    /// The attested channel.
    Channel(ChannelError),
    /// No randomness.
    Keys(SigningFailed),
    /// The sealer stopped.
    Seal(SealError),
    /// A thread panicked.
    Panicked,
}

impl LifeError {
    /// How the process ends with it.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Bind { .. } => Exit::Configuration,
            Self::Harden(_)
            | Self::Runtime(_)
            | Self::Source(_)
            | Self::Birth(_)
            | Self::Channel(_)
            | Self::Keys(_) => Exit::Environment,
            Self::Seal(_) | Self::Panicked => Exit::Bug,
        }
    }
}

impl fmt::Display for LifeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Harden(error) => write_causes(f, error),
            Self::Runtime(error) => write!(f, "the runtime cannot start: {error}"),
            Self::Source(error) => write_causes(f, error),
            Self::Birth(error) => write_causes(f, error),
            Self::Bind { line, key, error } => {
                write!(f, "{line}: {key}: {error}")?;
                error.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
            Self::Channel(error) => write_causes(f, error),
            Self::Keys(error) => write_causes(f, error),
            Self::Seal(error) => write_causes(f, error),
            Self::Panicked => write!(f, "a thread panicked; the lines above say where"),
        }
    }
}

impl Error for LifeError {}

/// Lives until told to stop.
///
/// # Errors
/// When it cannot begin, or cannot go on.
pub fn live(config: Config) -> Result<Exit, LifeError> {
    harden().map_err(LifeError::Harden)?;
    let source = hardware::choose(&config).map_err(LifeError::Source)?;
    let epoch = Epoch::begin(&config, source).map_err(LifeError::Birth)?;
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(LifeError::Runtime)?;
    runtime.block_on(serve(config, epoch, &runtime))
}

async fn serve(config: Config, epoch: Epoch, runtime: &Runtime) -> Result<Exit, LifeError> {
    let signals = Signals::new().map_err(LifeError::Runtime)?;
    let receiver = bind(&config)?;
    let received = receiver.counters();
    hardware::tell(&epoch.identity.quote);
    let parts = Channels::new();
    let json = config.json_batches.map(|limits| JsonHalf::new(epoch.measurement(), limits));
    let witnesses = config.witnesses.map(|policy| epoch.witnesses(policy, &config.log_prefix));
    let progress = parts.progress(witnesses.as_ref());
    let inside = InsideStore::start(&config.inside, epoch.id).map_err(LifeError::Runtime)?;
    let (shape, window) = (config.egress, inside.window());
    let pipeline = pipeline(config.contract, config.limits, inside, parts.queue, progress);
    let pipeline = if json.is_some() { pipeline.with_json_batches() } else { pipeline };
    let pipeline = Arc::new(pipeline);
    let asked = channel::open(config.access, &epoch, &pipeline).map_err(unasked)?;
    let (stop, stopping) = watch::channel(false);
    let workload = watch_workload(config.workload, runtime, stopping.clone());
    let previous = previous(&config.uplink, &epoch).await;
    let uplink = runtime.spawn(
        Uplink::new(
            config.uplink,
            Arc::clone(&epoch.identity),
            config.acknowledgement_key,
            parts.archived,
            witnesses,
            parts.to_uplink,
        )
        .shaped(shape)
        .keeping(window)
        .run(),
    );
    let sealer = Sealer::new(sealer::Parts {
        instance: epoch.identity.instance.clone(),
        epoch: epoch.id,
        keys: Arc::clone(&epoch.keys),
        json,
        log_prefix: config.log_prefix,
        clock: SystemClock,
        pipeline: Arc::clone(&pipeline),
        received,
        work: parts.work,
        outgoing: parts.outgoing,
        sealed: parts.sealed,
        workload,
    })
    .map_err(LifeError::Keys)?;
    let (close, closing) = watch::channel(false);
    let id = epoch.id;
    let open = move |kind| epoch.open(kind, &previous, SystemClock.now_ms());
    let sealing = seal_on_own_thread(sealer, open, config.limits.heartbeat, closing)?;
    let receiving = runtime.spawn(receiver.run(Arc::clone(&pipeline), stopping));
    let asking = runtime.spawn(serve_channel(asked, stop.subscribe()));
    if config.inside.host_bytes > 0 {
        runtime.spawn(testimony::run(Arc::clone(&pipeline), stop.subscribe()));
    }
    if let Some(every) = config.canaries {
        runtime.spawn(canaries::run(Arc::clone(&pipeline), every, stop.subscribe()));
    }
    journal::info("epoch", &format_args!("{id} began"));
    say_ready();
    let running = Running { pipeline, stop, receiving, asking, close, sealing, uplink };
    let exit = running.until(signals).await?;
    journal::info("epoch", &format_args!("{id} closed"));
    Ok(exit)
}

/// Everything that runs, and what ends it.
struct Running {
    pipeline: Arc<Pipeline>,
    stop: watch::Sender<bool>,
    receiving: JoinHandle<()>,
    asking: JoinHandle<()>,
    close: watch::Sender<bool>,
    sealing: Sealing,
    uplink: JoinHandle<()>,
}

impl Running {
    /// Runs until a signal or until the sealer stops, then ends each part in its turn.
    async fn until(mut self, mut signals: Signals) -> Result<Exit, LifeError> {
        let early = tokio::select! {
            _ = signals.terminate.recv() => None,
            _ = signals.interrupt.recv() => None,
            result = &mut self.sealing => Some(result),
        };
        self.pipeline.stop();
        self.stop.send_replace(true);
        drop((self.receiving.await, self.asking.await));
        self.close.send_replace(true);
        let sealed = match early {
            Some(result) => result,
            None => self.sealing.await,
        };
        sealed.map_err(|_| LifeError::Panicked)?.map_err(LifeError::Seal)?;
        let complete = timeout(ARCHIVE_WAIT, self.uplink).await.is_ok();
        Ok(if complete { Exit::Complete } else { Exit::Incomplete })
    }
}

/// What a person or a supervisor stops the process with.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Its address is a line of the configuration, as those of the receivers.
fn unasked(error: ChannelError) -> LifeError {
    match error {
        ChannelError::Bind { line, error } => {
            LifeError::Bind { line, key: "access.address", error }
        }
        ChannelError::Tls(_) => LifeError::Channel(error),
    }
}

async fn serve_channel(channel: Option<Channel>, stopping: watch::Receiver<bool>) {
    if let Some(channel) = channel {
        journal::info("channel", &format_args!("listens at {}", channel.address()));
        channel.run(stopping).await;
    }
}

fn pipeline(
    contract: Contract,
    limits: Limits,
    inside: InsideStore,
    queue: mpsc::Sender<Work>,
    progress: Progress,
) -> Pipeline {
    let budget = Budget::new(limits.queue_bytes);
    Pipeline::new(contract, budget, queue, inside, progress, limits.durability_wait)
}

/// Everything that is passed between the parts.
struct Channels {
    queue: mpsc::Sender<Work>,
    work: mpsc::Receiver<Work>,
    outgoing: mpsc::Sender<sealer::Outgoing>,
    to_uplink: mpsc::Receiver<sealer::Outgoing>,
    sealed: watch::Sender<Position>,
    archived: watch::Sender<Position>,
}

impl Channels {
    fn new() -> Self {
        let (queue, work) = mpsc::channel(QUEUE_REQUESTS);
        let (outgoing, to_uplink) = mpsc::channel(OUTGOING_BATCHES);
        let sealed = watch::Sender::new(Position::default());
        let archived = watch::Sender::new(Position::default());
        Self { queue, work, outgoing, to_uplink, sealed, archived }
    }

    fn progress(&self, witnesses: Option<&Witnesses>) -> Progress {
        Progress {
            sealed: self.sealed.subscribe(),
            archived: self.archived.subscribe(),
            witnessed: witnesses.map(|witnesses| witnesses.witnessed.subscribe()),
        }
    }
}

fn bind(config: &Config) -> Result<Receiver, LifeError> {
    let mut limits = receive::Limits::STANDARD;
    limits.body_bytes_max = config.limits.request_bytes;
    limits.decoded_bytes_max = config.limits.request_bytes;
    limits.request_timeout = limits.request_timeout.max(config.limits.durability_wait * 2);
    let (grpc, http) = (Address::Tcp(config.grpc), Address::Tcp(config.http));
    let asked = receive::Config { grpc: Some(grpc), http: Some(http), limits };
    Receiver::bind(&asked).map_err(|error| {
        let is_http = asked.http.as_ref() == Some(error.address());
        let grpc = (config.grpc_line, "otlp.grpc");
        let (line, key) = if is_http { (config.http_line, "otlp.http") } else { grpc };
        LifeError::Bind { line, key, error }
    })
}

// Nothing relies on the answer; an audit compares it with what is archived.
async fn previous(address: &Address, epoch: &Epoch) -> Vec<lucarne_link::message::PreviousHead> {
    let asked =
        uplink::previous_heads(address, &epoch.identity.instance, epoch.id, PREVIOUS_WAIT).await;
    asked.unwrap_or_else(|error| {
        journal::warn("epoch", &format_args!("nobody told how the epoch before ended: {error}"));
        Vec::new()
    })
}

fn watch_workload(
    workload: Option<crate::config::Workload>,
    runtime: &Runtime,
    stop: watch::Receiver<bool>,
) -> watch::Receiver<Workload> {
    let (told, state) = watch::channel(Workload::Unknown);
    match workload {
        Some(workload) => {
            runtime.spawn(probe::run(
                workload.check,
                workload.interval,
                workload.timeout,
                told,
                stop,
            ));
        }
        // Kept open: a sender that is gone would end those who wait for a change.
        None => drop(runtime.spawn(async move { told.closed().await })),
    }
    state
}

type Sealing = JoinHandle<Result<(), SealError>>;

// Committing and signing are work for a core of their own, not for the threads that serve
// connections.
fn seal_on_own_thread(
    sealer: Sealer<SystemClock>,
    open: impl Fn(lucarne_ledger::identity::LedgerKind) -> lucarne_ledger::control::Open
    + Send
    + 'static,
    heartbeat: Duration,
    closing: watch::Receiver<bool>,
) -> Result<Sealing, LifeError> {
    let own = Builder::new_current_thread().enable_time().build().map_err(LifeError::Runtime)?;
    Ok(tokio::task::spawn_blocking(move || own.block_on(sealer.run(open, heartbeat, closing))))
}

fn say_ready() {
    let mut out = std::io::stdout();
    // Whoever started the process may not listen.
    drop(writeln!(out, "ready").and_then(|()| out.flush()));
}
