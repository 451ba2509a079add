//! The gateway as a process: everything is opened and bound first, then served, then drained.
//!
//! Order of the end: no more enclaves, the archiver writes what it has, the exporters finish what
//! is archived.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use lucarne_archive::data_keys::DataKeys;
use lucarne_archive::disk::RealDisk;
use lucarne_archive::encryption::Cipher;
use lucarne_archive::hold::Holds;
use lucarne_archive::name::SealName;
use lucarne_archive::s3::Settings;
use lucarne_archive::{Archive, ArchiveError, Directory, Name, S3};
use lucarne_ledger::key::Ed25519Key;
use lucarne_platform::{Address, Listener};
use lucarne_receive::{self as receive, Receiver};
use lucarne_redact::{OnHit, Rules, RulesConfig};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::archiver::{self, Archiver, ArchiverError, Job, Worker};
use crate::causes::chain;
use crate::clock::{Clock, SystemClock};
use crate::collector::{Collector, Outlet, Resolve, Route, Target};
use crate::config::{ArchivePlace, Config, ConfigError, Invocation, Placed};
use crate::counters::Counters;
use crate::epochs::Epochs;
use crate::erasure;
use crate::export::config::build;
use crate::export::cursor::CursorFile;
use crate::export::runner::{Runner, StartError, Surroundings};
use crate::export::sink::{Sink, Tally};
use crate::export::{HostMessage, Source};
use crate::heartbeats::Heartbeats;
use crate::host_telemetry::HostIntake;
use crate::http::gates::{Gates, GatesError};
use crate::http::{self, Pages, Part, Readiness};
use crate::instances::InstancesFile;
use crate::journal::{Journal, Level, Value};
use crate::metrics::{ExporterMetrics, Metrics};
use crate::monitor::{self, Monitor};
use crate::outer_layer::OuterLayer;
use crate::policy;
use crate::proxy_log;
use crate::source::{LogSource, Rolls};

use crate::register::{RegisterError, SiteRegister};
use crate::stamping::Stamping;
use crate::uplink::{self, Shared};
use crate::wal::{Limits, Wal, WalError};
use crate::witnessing::Witnessing;

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
    /// The archive.
    Archive(ArchiveError),
    /// The write-ahead log.
    Wal(WalError),
    /// The register.
    Register(RegisterError),
    /// Recovery, or work after it.
    Archiver(ArchiverError),
    /// An exporter's cursor or file.
    Start(String, StartError),
    /// A file of the gateway's own state.
    State(std::path::PathBuf, std::io::Error),
    /// The file of gates.
    Gates(GatesError),
    /// Signals or threads.
    System(std::io::Error),
}

impl ServiceError {
    /// Whether the operator's configuration is at fault, rather than a disk or a socket.
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::Config(_))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "{error}"),
            Self::Archive(error) => write!(f, "{error}"),
            Self::Wal(error) => write!(f, "{error}"),
            Self::Register(error) => write!(f, "{error}"),
            Self::Archiver(error) => write!(f, "{error}"),
            Self::Start(name, error) => write!(f, "exporter {name}: {error}"),
            Self::State(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Gates(error) => write!(f, "{error}"),
            Self::System(error) => write!(f, "{error}"),
        }
    }
}

impl Error for ServiceError {}

/// Says whether a configuration can be used, without starting anything.
///
/// # Errors
/// One line that says what cannot be used and why.
pub fn check(invocation: &Invocation) -> Result<(), ServiceError> {
    if invocation.is_bare().map_err(ServiceError::Config)? {
        // Keys and policy are made at the first start.
        let Invocation { file, resolve, .. } = invocation;
        let collector = Collector::load(file, resolve).map_err(ServiceError::Config)?;
        let shipped = RulesConfig { on_hit: OnHit::Rewrite, ..RulesConfig::shipped() };
        let mut rules = shipped;
        collector.add_rules(&mut rules);
        Rules::compile(rules)
            .map_err(|error| ServiceError::Config(ConfigError::new(file, error.to_string())))?;
        outlets(&collector, file, resolve, 0)?;
        return Ok(());
    }
    let config = Config::open(invocation).map_err(ServiceError::Config)?;
    read_trust(&config)?;
    build_exporters(&config)?;
    Ok(())
}

/// The exporters of a collector file.
fn outlets(
    collector: &Collector,
    file: &Path,
    resolve: &Resolve,
    own_exporters: usize,
) -> Result<Vec<(String, Sink)>, ServiceError> {
    let mut sinks: Vec<(String, Sink)> = Vec::new();
    for outlet in &collector.outlets {
        let fault = |text: String| ServiceError::Config(ConfigError::at(file, outlet.line, text));
        if sinks.iter().any(|(name, _)| *name == outlet.name) {
            return Err(fault(format!("two exporters are called {}", outlet.name)));
        }
        match &outlet.target {
            Target::Debug => sinks.push((outlet.name.clone(), Sink::Debug(Tally::default()))),
            Target::Own if own_exporters == 0 => {
                return Err(fault("the gateway's own file has no `exporters`".to_owned()));
            }
            Target::Own => {}
            Target::Exporter(written) => {
                let built = build(std::slice::from_ref(&**written), resolve);
                sinks.extend(built.map_err(|error| fault(error.to_string()))?);
            }
        }
    }
    Ok(sinks)
}

// What is wrong inside of the policy names its own place; a policy that is not there is the main
// file's mistake.
fn read_trust(config: &Config) -> Result<policy::Policy, ServiceError> {
    policy::read(&config.trust.value).map_err(|error| {
        let error = if error.has_line() { error } else { config.trust.fault(&error) };
        ServiceError::Config(error)
    })
}

fn build_exporters(config: &Config) -> Result<Vec<(String, Sink)>, ServiceError> {
    let mut sinks = build(&config.exporters, &config.resolve).map_err(|error| {
        let text = error.to_string();
        ServiceError::Config(ConfigError::at(&config.file, error.line, text))
    })?;
    if let Some(collector) = &config.collector {
        let more = outlets(collector, &config.file, &config.resolve, sinks.len())?;
        if let Some((name, _)) =
            more.iter().find(|(name, _)| sinks.iter().any(|(other, _)| other == name))
        {
            let text = format!("two exporters are called {name}");
            return Err(ServiceError::Config(ConfigError::new(&config.file, text)));
        }
        sinks.extend(more);
    }
    Ok(sinks)
}

fn bind(at: &Placed<Address>) -> Result<Listener, ServiceError> {
    Listener::bind(&at.value).map_err(|error| ServiceError::Config(at.fault(&chain(&error))))
}

fn open_gates(config: &Config) -> Result<Gates, ServiceError> {
    let token = config.gate_token_file.as_ref();
    let opened = Gates::open(config.state.join("gates"), token.map(|at| at.value.as_path()));
    opened.map_err(|error| match (token, error) {
        (Some(at), error @ GatesError::Token { .. }) => ServiceError::Config(at.fault(&error)),
        (_, error) => ServiceError::Gates(error),
    })
}

async fn bind_pages(
    config: &Config,
    readiness: Readiness,
    metrics: Metrics,
) -> Result<http::Server, ServiceError> {
    let pages = Pages {
        heartbeats: metrics.heartbeats.clone(),
        silent_after: config.silent_after,
        readiness,
        metrics,
        gates: Arc::new(open_gates(config)?),
    };
    let bound = http::Server::bind(config.http.value, pages).await;
    bound.map_err(|error| ServiceError::Config(config.http.fault(&error)))
}

/// Everything that is open and bound before anything is served.
struct Opened {
    sockets: Sockets,
    http: http::Server,
    shared: Arc<Shared>,
    worker: Worker,
    runners: Vec<Runner<LogSource>>,
    vouchers: Vouchers,
    instances: InstancesFile,
    readiness: Readiness,
    messages: JoinHandle<()>,
}

/// Where others send to.
struct Sockets {
    uplink: Listener,
    proxy_log: Option<Listener>,
    host: Option<Receiver>,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Self, ServiceError> {
        Ok(Self {
            uplink: bind(&config.uplink)?,
            proxy_log: config.proxy_log.as_ref().map(bind).transpose()?,
            host: bind_host(config)?,
        })
    }
}

/// What vouches for checkpoints behind the archive.
struct Vouchers {
    witnessing: Option<Witnessing>,
    stamping: Option<Stamping>,
}

/// Runs the gateway until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot begin, or log or archive cannot be used any longer.
pub async fn run(invocation: &Invocation, on_ready: impl FnOnce()) -> Result<(), ServiceError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServiceError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServiceError::System)?;
    let config = Config::open(invocation).map_err(ServiceError::Config)?;
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
    let Vouchers { witnessing, stamping } = opened.vouchers;
    if let Some(witnessing) = witnessing {
        exporters.spawn(witnessing.run(draining.clone()));
    }
    if let Some(stamping) = stamping {
        exporters.spawn(stamping.run(draining.clone()));
    }
    let http = tokio::spawn(opened.http.run(draining.clone()));
    let proxies = opened.sockets.proxy_log.map(|listener| {
        tokio::spawn(proxy_log::serve(listener, Arc::clone(&opened.shared), stopping.clone()))
    });
    let host = opened.sockets.host.map(|receiver| {
        let intake = HostIntake { shared: Arc::clone(&opened.shared) };
        tokio::spawn(receiver.run(Arc::new(intake), stopping.clone()))
    });
    exporters.spawn(opened.instances.run(draining.clone()));
    exporters.spawn(Arc::clone(&opened.shared.monitor).run(stopping.clone()));
    let enclaves = tokio::spawn(uplink::serve(opened.sockets.uplink, opened.shared, stopping));
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
    for task in [proxies, host].into_iter().flatten() {
        drop(task.await);
    }
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

async fn open(mut config: Config) -> Result<Opened, ServiceError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (feed, messages) = mpsc::channel(MESSAGES_MAX);
    let journal = Journal::new(Arc::clone(&clock), Box::new(std::io::stderr()), Some(feed));
    let trust = read_trust(&config)?;
    let sinks = build_exporters(&config)?;
    let sockets = Sockets::bind(&config)?;
    let (archive, holds) = open_archive(&config)?;
    make_directory(&config.state)?;
    let wal = open_log(&config, &journal)?;
    let register = open_register(&mut config, &trust, &archive, &clock)?;
    let epochs = Arc::new(Epochs::new(&trust.audit.log_prefix));
    let counters = Arc::new(Counters::default());
    let (keys, cipher) = open_keys(&mut config)?;
    let (worker, archiver, archived) = Worker::recover(archiver::Parts {
        wal,
        archive: Arc::clone(&archive),
        holds,
        cipher,
        register: register.clone(),
        epochs: Arc::clone(&epochs),
        limits: config.rolls,
        counters: Arc::clone(&counters),
        journal: journal.clone(),
    })
    .map_err(ServiceError::Archiver)?;
    let rolls =
        Rolls { archived, archive: Arc::clone(&archive), keys, terms: Arc::new(trust.terms()) };
    let vouchers =
        open_vouchers(&mut config, (&rolls, &epochs, register.as_ref()), (&journal, &clock));
    let cursors = config.state.join("cursors");
    make_directory(&cursors)?;
    let routes = Routes::of(&config, &counters);
    let (runners, exporters) = runners(sinks, &rolls, &cursors, (&journal, &clock), &routes)?;
    let heartbeats = Heartbeats::new(Arc::clone(&clock));
    let monitor = open_monitor(&config, &trust, &clock, &counters, &journal)?;
    let instances = remember(&config, (&heartbeats, &monitor), &journal);
    let readiness = Readiness::new();
    let metrics = Metrics {
        counters: Arc::clone(&counters),
        heartbeats: heartbeats.clone(),
        exporters,
        witnesses: vouchers.witnessing.as_ref().map(Witnessing::measures),
        monitor: Some(Arc::clone(&monitor)),
        stamps: vouchers.stamping.as_ref().map(Stamping::measures),
        clock: Arc::clone(&clock),
    };
    let http = bind_pages(&config, readiness.clone(), metrics).await?;
    let messages = tokio::spawn(export_messages(messages, archiver.clone()));
    let shared = Arc::new(Shared {
        epochs,
        terms: trust.terms(),
        outer_layer: outer_layer(config.rules, config.withholding_key, config.collector.as_ref()),
        archiver,
        archive,
        erasable: rolls.keys.is_some(),
        register,
        acknowledgement_key: config.acknowledgement_key,
        heartbeats,
        monitor,
        blobs: config.blobs,
        blobs_missed: Once::new(),
        counters,
        clock,
        journal,
    });
    Ok(Opened { sockets, http, shared, worker, runners, vouchers, instances, readiness, messages })
}

/// Takes over what an earlier run knew of instances.
fn remember(
    config: &Config,
    (heartbeats, monitor): (&Heartbeats, &Arc<Monitor>),
    journal: &Journal,
) -> InstancesFile {
    let (heartbeats, monitor) = (heartbeats.clone(), Arc::clone(monitor));
    let path = config.state.join("instances.json");
    let instances = InstancesFile { path, heartbeats, monitor, journal: journal.clone() };
    instances.restore();
    instances
}

fn make_directory(path: &Path) -> Result<(), ServiceError> {
    std::fs::create_dir_all(path).map_err(|error| ServiceError::State(path.to_owned(), error))
}

fn outer_layer(rules: Rules, key: Ed25519Key, collector: Option<&Collector>) -> OuterLayer {
    let (redactions, places) = collector.map_or_else(Default::default, |file| {
        (file.redactions.clone(), file.places(rules.config()))
    });
    OuterLayer::new(rules, key).guarded(redactions, places)
}

/// The data keys, and what encrypts under them.
type Encrypting = (Option<Arc<DataKeys>>, Option<Cipher>);

fn open_keys(config: &mut Config) -> Result<Encrypting, ServiceError> {
    let Some(erasure) = config.erasure.take() else { return Ok((None, None)) };
    let keys = Arc::new(erasure::open_keys(&erasure).map_err(ServiceError::Config)?);
    Ok((Some(Arc::clone(&keys)), Some(erasure::cipher(erasure, keys))))
}

/// Who is asked to vouch for checkpoints.
fn open_vouchers(
    config: &mut Config,
    (rolls, epochs, register): (&Rolls, &Arc<Epochs>, Option<&Arc<SiteRegister>>),
    (journal, clock): (&Journal, &Arc<dyn Clock>),
) -> Vouchers {
    let around = || (Arc::clone(clock), journal.clone());
    let witnessing = config.witnesses.take().map(|witnesses| {
        let (clock, journal) = around();
        Witnessing::new(witnesses, rolls, Arc::clone(epochs), register.cloned(), clock, journal)
    });
    let stamping = config.time_stamps.take().map(|stamps| {
        let (clock, journal) = around();
        Stamping::new(stamps, rolls, clock, journal)
    });
    Vouchers { witnessing, stamping }
}

fn open_register(
    config: &mut Config,
    trust: &policy::Policy,
    archive: &Arc<dyn Archive>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<SiteRegister>>, ServiceError> {
    let Some(key) = config.register_key.take() else { return Ok(None) };
    let prefix = &trust.audit.log_prefix;
    let opened = SiteRegister::open(Arc::clone(archive), key, prefix, Arc::clone(clock));
    opened.map(|register| Some(Arc::new(register))).map_err(ServiceError::Register)
}

fn open_monitor(
    config: &Config,
    trust: &policy::Policy,
    clock: &Arc<dyn Clock>,
    counters: &Arc<Counters>,
    journal: &Journal,
) -> Result<Arc<Monitor>, ServiceError> {
    let parts = monitor::Parts {
        settings: config.monitor,
        terms: trust.terms(),
        clock: Arc::clone(clock),
        counters: Arc::clone(counters),
        journal: journal.clone(),
    };
    let directory = config.state.join("monitor");
    let opened = Monitor::open(&directory, parts);
    opened.map(Arc::new).map_err(|error| ServiceError::State(directory, error))
}

/// The archive, and the holds on it. A bucket has nobody who would honour a file among its objects,
/// so holds on it lie in the gateway's state; the locks of what is stored are not theirs to lift.
///
/// # Errors
/// When it cannot be opened for writing, be it that another process has it.
pub fn open_archive(config: &Config) -> Result<(Arc<dyn Archive>, Holds), ServiceError> {
    match &config.archive {
        ArchivePlace::Directory(path) => {
            let directory = Directory::open(path).map_err(ServiceError::Archive)?;
            let holds = directory.holds();
            Ok((Arc::new(directory), holds))
        }
        ArchivePlace::S3(settings) => {
            let settings = Settings::clone(settings);
            // The first calls go out here, and the async runtime has other things to do meanwhile.
            let opened = match Handle::try_current() {
                Ok(_) => tokio::task::block_in_place(|| S3::open(settings)),
                Err(_) => S3::open(settings),
            };
            let holds = Holds::at(Arc::new(RealDisk), &Holds::folder_of(&config.state));
            Ok((Arc::new(opened.map_err(ServiceError::Archive)?), holds))
        }
    }
}

// The gateway's own messages are exported like everything else, after the log has them.
async fn export_messages(mut messages: mpsc::Receiver<HostMessage>, archiver: Archiver) {
    while let Some(message) = messages.recv().await {
        let Ok(job) = Job::message(message.job, message.json.to_vec()) else { continue };
        if archiver.send(job).await.is_err() {
            return;
        }
    }
}

fn bind_host(config: &Config) -> Result<Option<Receiver>, ServiceError> {
    let Some(collector) = &config.collector else { return Ok(None) };
    let Some(written) = &collector.receiver else { return Ok(None) };
    let mut limits = receive::Limits::STANDARD;
    if let Some(bytes) = written.request_bytes_max {
        limits.body_bytes_max = bytes;
        limits.decoded_bytes_max = bytes;
    }
    if let Some(bytes) = collector.memory_bytes_max {
        limits.in_flight_bytes_max = bytes;
    }
    let [grpc, http] = [written.grpc, written.http].map(|at| at.map(Address::Tcp));
    let bound = Receiver::bind(&receive::Config { grpc, http, limits });
    bound.map(Some).map_err(|error| {
        let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
        let text = format!("receivers.otlp: {error}{cause}");
        ServiceError::Config(ConfigError::at(&config.file, written.line, text))
    })
}

/// The pipelines that lead to each exporter of a collector file.
struct Routes {
    by_name: Vec<(String, Route)>,
    /// To those of the gateway's own file; `None`: they get everything.
    own: Option<Route>,
    items_max: Option<usize>,
}

impl Routes {
    fn of(config: &Config, counters: &Arc<Counters>) -> Self {
        let Some(collector) = &config.collector else {
            return Self { by_name: Vec::new(), own: None, items_max: None };
        };
        let route =
            |outlet: &Outlet| Route { feeds: outlet.feeds.clone(), counters: Arc::clone(counters) };
        let is_own = |outlet: &&Outlet| matches!(outlet.target, Target::Own);
        let others = collector.outlets.iter().filter(|outlet| !is_own(outlet));
        let by_name = others.map(|outlet| (outlet.name.clone(), route(outlet))).collect();
        let own = collector.outlets.iter().find(is_own).map(route);
        Self { by_name, own, items_max: collector.batch_size }
    }

    fn lead<S: Source>(&self, name: &str, runner: Runner<S>) -> Runner<S> {
        let named = self.by_name.iter().find(|(known, _)| known == name).map(|(_, route)| route);
        match named.or(self.own.as_ref()) {
            Some(route) => runner.routed(route.clone(), self.items_max),
            None => runner,
        }
    }
}

/// The metrics of each exporter, by its name.
type Measured = Vec<(String, Arc<ExporterMetrics>)>;

fn runners(
    sinks: Vec<(String, Sink)>,
    rolls: &Rolls,
    cursors: &Path,
    (journal, clock): (&Journal, &Arc<dyn Clock>),
    routes: &Routes,
) -> Result<(Vec<Runner<LogSource>>, Measured), ServiceError> {
    let surroundings =
        |metrics| Surroundings { metrics, journal: journal.clone(), clock: Arc::clone(clock) };
    let mut runners = Vec::new();
    let mut measured = Measured::new();
    for (name, sink) in sinks {
        let metrics = Arc::new(ExporterMetrics::default());
        measured.push((name.clone(), Arc::clone(&metrics)));
        let source = LogSource::new(rolls.clone());
        let runner = CursorFile::open(cursors, &name)
            .map_err(StartError::from)
            .and_then(|file| Runner::build(name.clone(), sink, source, file, surroundings(metrics)))
            .map_err(|error| ServiceError::Start(name.clone(), error))?;
        runners.push(routes.lead(&name, runner));
    }
    Ok((runners, measured))
}

/// Cuts the log of a stopped gateway behind the last roll that became one of these files, so that
/// it no longer tells what they told. Exporters that are late read on from the archive; messages of
/// the gateway itself that they had not read are gone. Gives the number of rolls removed.
///
/// # Errors
/// `NotArchived` when the gateway was killed and has not archived all yet: start and stop it first.
pub fn cut_log(state: &Path, files: &[SealName]) -> Result<u64, ServiceError> {
    let limits = Limits { total_bytes_max: LOG_BYTES_MAX };
    let (mut wal, _) = Wal::open(&state.join("wal"), limits).map_err(ServiceError::Wal)?;
    wal.check_archived().map_err(ServiceError::Wal)?;
    let became = |name: &Name| matches!(name, Name::Seal(seal) if files.contains(seal));
    let last = (0..wal.current_roll())
        .rfind(|roll| wal.manifest().names(*roll).is_some_and(|names| names.iter().any(became)));
    let (oldest, mut removed) = (wal.reader().oldest().roll, 0);
    for roll in oldest..last.map_or(oldest, |last| last + 1) {
        wal.remove_roll(roll).map_err(ServiceError::Wal)?;
        removed += 1;
    }
    Ok(removed)
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
