//! The gateway as a process: everything is opened and bound first, then served, then drained.
//!
//! Order of the end: no more enclaves, the archiver writes what it has, the exporters finish what
//! is archived.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lucarne_archive::{Archive, ArchiveError, Directory};
use lucarne_platform::{BindError, Listener};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::archiver::{self, Archiver, ArchiverError, Job, Worker};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError};
use crate::counters::Counters;
use crate::epochs::Epochs;
use crate::export::HostMessage;
use crate::export::config::{ExporterConfigError, build};
use crate::export::cursor::CursorFile;
use crate::export::runner::{Runner, StartError, Surroundings};
use crate::export::sink::Sink;
use crate::heartbeats::Heartbeats;
use crate::http::gates::{Gates, GatesError};
use crate::http::{self, Pages, Part, Readiness};
use crate::journal::{Journal, Level, Value};
use crate::metrics::{ExporterMetrics, Metrics};
use crate::outer_layer::OuterLayer;
use crate::policy;
use crate::source::{LogSource, Rolls};

use crate::uplink::{self, Shared};
use crate::wal::{Limits, Wal, WalError};

/// The log may hold this much before enclaves have to wait.
const LOG_BYTES_MAX: u64 = 2 << 30;
/// Own messages that wait for the log; more are on standard error only.
const MESSAGES_MAX: usize = 256;
/// How long exporters may take to finish at the end.
const DRAIN: Duration = Duration::from_secs(5);
/// What has to accept before the gateway is ready.
const PARTS: [Part; 3] = [Part::Archiver, Part::Uplink, Part::Exporters];

/// Why the gateway cannot run.
#[derive(Debug)]
pub enum ServiceError {
    /// The configuration.
    Config(ConfigError),
    /// The exporters' part of it.
    Exporter(ExporterConfigError),
    /// The uplink's address.
    Bind(BindError),
    /// The address of health and metrics.
    Http(http::BindError),
    /// The archive.
    Archive(ArchiveError),
    /// The write-ahead log.
    Wal(WalError),
    /// Recovery, or work after it.
    Archiver(ArchiverError),
    /// An exporter's cursor or file.
    Start(String, StartError),
    /// A file of the gateway's own state.
    State(std::path::PathBuf, std::io::Error),
    /// The file of gates, or the token.
    Gates(GatesError),
    /// Signals or threads.
    System(std::io::Error),
}

impl ServiceError {
    /// Whether the operator's configuration is at fault, rather than a disk or a socket.
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::Config(_)) || self.is_of_the_main_file()
    }

    /// Whether a value of the gateway's own file is at fault; the text then begins with its key.
    pub const fn is_of_the_main_file(&self) -> bool {
        matches!(
            self,
            Self::Exporter(_)
                | Self::Bind(_)
                | Self::Http(_)
                | Self::Gates(GatesError::Token { .. })
        )
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "{error}"),
            Self::Exporter(error) => write!(f, "{error}"),
            Self::Bind(error) => write!(f, "uplink.address: {error}"),
            Self::Http(error) => write!(f, "{error}"),
            Self::Archive(error) => write!(f, "{error}"),
            Self::Wal(error) => write!(f, "{error}"),
            Self::Archiver(error) => write!(f, "{error}"),
            Self::Start(name, error) => write!(f, "exporter {name}: {error}"),
            Self::State(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Gates(error) => write!(f, "{error}"),
            Self::System(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ServiceError {}

/// Says whether a configuration can be used, without starting anything.
///
/// # Errors
/// One line that says what cannot be used and why.
pub fn check(path: &Path) -> Result<(), ServiceError> {
    let config = Config::load(path).map_err(ServiceError::Config)?;
    policy::read(&config.trust).map_err(ServiceError::Config)?;
    build(&config.exporters).map_err(ServiceError::Exporter)?;
    Ok(())
}

/// Everything that is open and bound before anything is served.
struct Opened {
    uplink: Listener,
    http: http::Server,
    shared: Arc<Shared>,
    worker: Worker,
    runners: Vec<Runner<LogSource>>,
    readiness: Readiness,
    messages: JoinHandle<()>,
}

/// Runs the gateway until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot begin, or log or archive cannot be used any longer.
pub async fn run(path: &Path, on_ready: impl FnOnce()) -> Result<(), ServiceError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServiceError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServiceError::System)?;
    let config = Config::load(path).map_err(ServiceError::Config)?;
    let opened = open(config).await?;
    let journal = opened.shared.journal.clone();
    let (stop, stopping) = watch::channel(false);
    let (drain, draining) = watch::channel(false);
    let worker = opened.worker;
    let handle = Handle::current();
    let mut archiver = tokio::task::spawn_blocking(move || worker.run(&handle));
    let mut exporters = JoinSet::new();
    for runner in opened.runners {
        exporters.spawn(runner.run(draining.clone()));
    }
    let http = tokio::spawn(opened.http.run(draining));
    let enclaves = tokio::spawn(uplink::serve(opened.uplink, opened.shared, stopping));
    PARTS.iter().for_each(|part| opened.readiness.ready(*part));
    journal.note(Level::Information, "gateway is ready", &[]);
    on_ready();
    let early = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        result = &mut archiver => Some(result),
    };
    PARTS.iter().for_each(|part| opened.readiness.waiting(*part));
    stop.send_replace(true);
    drop(enclaves.await);
    // The archiver ends when nobody can send any more; what is said from now on is on standard
    // error.
    opened.messages.abort();
    let archived = match early {
        Some(result) => result,
        None => archiver.await,
    };
    drain.send_replace(true);
    let drained = async { while exporters.join_next().await.is_some() {} };
    if timeout(DRAIN, drained).await.is_err() {
        journal.note(Level::Warning, "exporters did not finish; they go on at the next start", &[]);
    }
    http.abort();
    archived
        .map_err(|error| ServiceError::System(std::io::Error::other(error)))?
        .map_err(ServiceError::Archiver)
}

async fn open(config: Config) -> Result<Opened, ServiceError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (feed, messages) = mpsc::channel(MESSAGES_MAX);
    let journal = Journal::new(Arc::clone(&clock), Box::new(std::io::stderr()), Some(feed));
    let trust = policy::read(&config.trust).map_err(ServiceError::Config)?;
    let sinks = build(&config.exporters).map_err(ServiceError::Exporter)?;
    let uplink = Listener::bind(&config.uplink).map_err(ServiceError::Bind)?;
    let archive: Arc<dyn Archive> =
        Arc::new(Directory::open(&config.archive).map_err(ServiceError::Archive)?);
    let state = |path: &Path| {
        std::fs::create_dir_all(path).map_err(|error| ServiceError::State(path.to_owned(), error))
    };
    state(&config.state)?;
    let wal = open_log(&config, &journal)?;
    let epochs = Arc::new(Epochs::new(&trust.audit.log_prefix));
    let counters = Arc::new(Counters::default());
    let (worker, archiver, archived) = Worker::recover(archiver::Parts {
        wal,
        archive: Arc::clone(&archive),
        epochs: Arc::clone(&epochs),
        limits: config.rolls,
        counters: Arc::clone(&counters),
        journal: journal.clone(),
    })
    .map_err(ServiceError::Archiver)?;
    let rolls =
        Rolls { archived, archive: Arc::clone(&archive), policy: Arc::new(trust.attest.clone()) };
    let cursors = config.state.join("cursors");
    state(&cursors)?;
    let surroundings =
        |metrics| Surroundings { metrics, journal: journal.clone(), clock: Arc::clone(&clock) };
    let (runners, exporters) = runners(sinks, &rolls, &cursors, surroundings)?;
    let heartbeats = Heartbeats::new(Arc::clone(&clock));
    let gates = Gates::open(config.state.join("gates"), config.gate_token_file.as_deref())
        .map_err(ServiceError::Gates)?;
    let readiness = Readiness::new();
    let pages = Pages {
        heartbeats: heartbeats.clone(),
        silent_after: config.silent_after,
        readiness: readiness.clone(),
        metrics: Metrics {
            counters: Arc::clone(&counters),
            heartbeats: heartbeats.clone(),
            exporters,
        },
        gates: Arc::new(gates),
    };
    let http = http::Server::bind(config.http, pages).await.map_err(ServiceError::Http)?;
    let messages = tokio::spawn(export_messages(messages, archiver.clone()));
    let shared = Shared {
        epochs,
        policy: trust.attest,
        outer_layer: OuterLayer::new(config.rules, config.withholding_key),
        archiver,
        archive,
        acknowledgement_key: config.acknowledgement_key,
        heartbeats,
        counters,
        clock,
        journal,
    };
    Ok(Opened { uplink, http, shared: Arc::new(shared), worker, runners, readiness, messages })
}

// The gateway's own messages are exported like everything else, after the log has them.
async fn export_messages(mut messages: mpsc::Receiver<HostMessage>, archiver: Archiver) {
    while let Some(message) = messages.recv().await {
        let Ok(job) = Job::message(message.json.to_vec()) else { continue };
        if archiver.send(job).await.is_err() {
            return;
        }
    }
}

/// The metrics of each exporter, by its name.
type Measured = Vec<(String, Arc<ExporterMetrics>)>;

fn runners(
    sinks: Vec<(String, Sink)>,
    rolls: &Rolls,
    cursors: &Path,
    surroundings: impl Fn(Arc<ExporterMetrics>) -> Surroundings,
) -> Result<(Vec<Runner<LogSource>>, Measured), ServiceError> {
    let mut runners = Vec::new();
    let mut measured = Measured::new();
    for (name, sink) in sinks {
        let metrics = Arc::new(ExporterMetrics::default());
        measured.push((name.clone(), Arc::clone(&metrics)));
        let source = LogSource::new(rolls.clone());
        let runner = CursorFile::open(cursors, &name)
            .map_err(StartError::from)
            .and_then(|file| Runner::build(name.clone(), sink, source, file, surroundings(metrics)))
            .map_err(|error| ServiceError::Start(name, error))?;
        runners.push(runner);
    }
    Ok((runners, measured))
}

fn open_log(config: &Config, journal: &Journal) -> Result<Wal, ServiceError> {
    let limits = Limits { total_bytes_max: LOG_BYTES_MAX };
    let (wal, recovered) =
        Wal::open(&config.state.join("wal"), limits).map_err(ServiceError::Wal)?;
    if recovered.torn_bytes > 0 {
        let fields = [("bytes", Value::Number(recovered.torn_bytes))];
        let message = "an unfinished write was cut off; nobody was told it was kept";
        journal.note(Level::Warning, message, &fields);
    }
    Ok(wal)
}
