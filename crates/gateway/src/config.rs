//! The configuration of the gateway: one YAML file, checked before anything starts.
//!
//! `File` is what was written, `Config` what it means: addresses parsed, keys read, rules compiled.
//! Every refusal is one line that names file, line, key and what was expected; a value that turns
//! out wrong only when it is used (a port that is taken) is [`Placed`] for that.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lucarne_archive::s3::{Settings, SettingsFile};
use lucarne_ledger::key::Ed25519Key;
use lucarne_platform::Address;
use lucarne_redact::{OnHit, Rules, RulesConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use crate::archiver::RollLimits;
use crate::blobs::{Blobs, BlobsFile};
use crate::collector::{self, Collector, Resolve};
use crate::durable_file;
use crate::export::config::ExporterFile;
use crate::monitor::{MonitorFile, Monitoring};
use crate::stamping::{TimeStamps, TimeStampsFile};
use crate::witnessing::{Witnesses, WitnessesFile};

/// What the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    uplink: Uplink,
    trust: Spanned<PathBuf>,
    keys: Keys,
    archive: Spanned<Archive>,
    state: PathBuf,
    #[serde(default)]
    keep_log_bytes: Option<u64>,
    http: Http,
    #[serde(default)]
    proxy_log: Option<Spanned<String>>,
    #[serde(default)]
    outer_layer: Option<Spanned<RulesConfig>>,
    #[serde(default)]
    collector: Option<Spanned<PathBuf>>,
    #[serde(default)]
    exporters: Vec<ExporterFile>,
    #[serde(default)]
    witnesses: Option<WitnessesFile>,
    #[serde(default)]
    monitor: Option<Spanned<MonitorFile>>,
    #[serde(default)]
    time_stamps: Option<TimeStampsFile>,
    #[serde(default)]
    erasure: Option<ErasureFile>,
    #[serde(default)]
    blobs: Option<BlobsFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErasureFile {
    keys: Spanned<PathBuf>,
    #[serde(default)]
    tenant: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Uplink {
    address: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    acknowledgement: Spanned<PathBuf>,
    withholding: Spanned<PathBuf>,
    #[serde(default)]
    register: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    #[serde(default)]
    directory: Option<PathBuf>,
    #[serde(default)]
    s3: Option<Spanned<SettingsFile>>,
    #[serde(default)]
    close_after_ms: Option<u64>,
    #[serde(default)]
    close_at_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    address: Spanned<String>,
    #[serde(default)]
    gate_token_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    silent_after_ms: Option<u64>,
}

/// The configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// The file itself.
    pub file: PathBuf,
    /// Where enclaves connect.
    pub uplink: Placed<Address>,
    /// The policy file: which roots and measurements are believed.
    pub trust: Placed<PathBuf>,
    /// Signs acknowledgements.
    pub acknowledgement_key: Ed25519Key,
    /// Signs authorisations to withhold.
    pub withholding_key: Ed25519Key,
    /// Signs the heads of the register; without it the site has none.
    pub register_key: Option<Ed25519Key>,
    /// Where the archive is.
    pub archive: ArchivePlace,
    /// When a `.seal` file closes.
    pub rolls: RollLimits,
    /// Write-ahead log, cursors and gates.
    pub state: PathBuf,
    /// Health, metrics and gates.
    pub http: Placed<SocketAddr>,
    /// Who may set gates; `None`: nobody.
    pub gate_token_file: Option<Placed<PathBuf>>,
    /// An instance without a heartbeat for this long is not responding.
    pub silent_after: Duration,
    /// Unix socket on which proxies hand over their lines; `None`: those stay with the proxies.
    pub proxy_log: Option<Placed<Address>>,
    /// What must not be written.
    pub rules: Rules,
    /// Where records go.
    pub exporters: Vec<ExporterFile>,
    /// Pipelines of a collector file; `None`: there is none.
    pub collector: Option<Collector>,
    /// Where names of the file are on this machine.
    pub resolve: Resolve,
    /// Who is asked to cosign checkpoints; `None`: nobody.
    pub witnesses: Option<Witnesses>,
    /// How enclaves are asked for fresh evidence.
    pub monitor: Monitoring,
    /// Who is asked to stamp checkpoints with the time; `None`: nobody.
    pub time_stamps: Option<TimeStamps>,
    /// Whether payloads are archived encrypted, so that they can be erased; `None`: they are not.
    pub erasure: Option<Erasure>,
    /// Where enclaves keep blocks of their inside views; `None`: nowhere.
    pub blobs: Option<Blobs>,
}

/// How payloads are encrypted for the archive.
#[derive(Debug)]
pub struct Erasure {
    /// The folder of data keys.
    pub keys: Placed<PathBuf>,
    /// The attribute that names the tenant of a record, each of which has keys of its own; `None`:
    /// a day has one key.
    pub tenant: Option<String>,
    /// Signs which bytes are the payloads of a batch: the key that withholds.
    pub signer: Ed25519Key,
}

/// The design's 10 s and 8 MiB.
const CLOSE_AFTER: Duration = Duration::from_secs(10);
const CLOSE_AT_BYTES: u64 = 8 << 20;
/// Some minutes of a busy enclave.
const KEPT_BYTES: u64 = 256 << 20;
/// Three heartbeats of 15 s.
const SILENT_AFTER: Duration = Duration::from_secs(45);
/// The pages of a gateway without a file of its own; an override may put them elsewhere.
const PAGES: &str = "127.0.0.1:8080";
/// A configuration is read by people.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A file that cannot be used: one line for the person who wrote it.
#[derive(Debug, Eq, PartialEq)]
pub struct ConfigError {
    file: PathBuf,
    line: Option<u64>,
    problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// A problem with a file.
    pub fn new(file: &Path, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, problem: problem.into() }
    }

    /// A problem in a line of a file, counted from 1.
    pub fn at(file: &Path, line: u64, problem: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::new(file, problem) }
    }

    /// Whether it is about something in the file rather than about the file.
    pub const fn has_line(&self) -> bool {
        self.line.is_some()
    }
}

/// A value with the place where it is written, for what only its use can find wrong.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    file: Arc<Path>,
    line: u64,
    key: &'static str,
}

impl<T> Placed<T> {
    /// Something is wrong with the value: one line that leads to it.
    pub fn fault(&self, problem: &dyn fmt::Display) -> ConfigError {
        ConfigError::at(&self.file, self.line, format!("{}: {problem}", self.key))
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        let Self { value, file, line, key } = self;
        Placed { value: change(value), file, line, key }
    }
}

/// What the command line says beside the file.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// The gateway's own file, or a bare collector file.
    pub file: PathBuf,
    /// Where a bare collector file keeps what it does not say.
    pub data: Option<PathBuf>,
    /// Where names of a collector file are on this machine.
    pub resolve: Resolve,
}

impl Invocation {
    /// Whether the file is a bare collector file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_bare(&self) -> Result<bool, ConfigError> {
        read_text(&self.file).map(|text| collector::is_collector(&text))
    }
}

impl Config {
    /// Reads and checks the gateway's own file.
    ///
    /// # Errors
    /// With file, line where the parser knows it, key, and what was expected.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::check(read_yaml(path)?, path, None, Resolve::default())
    }

    /// Reads and checks a file of either kind; for a bare collector file the directory of its data
    /// is made ready.
    ///
    /// # Errors
    /// As `load`.
    pub fn open(invocation: &Invocation) -> Result<Self, ConfigError> {
        let Invocation { file, data, resolve } = invocation;
        if !invocation.is_bare()? {
            return Self::check(read_yaml(file)?, file, None, resolve.clone());
        }
        let Some(dir) = data else {
            return Err(ConfigError::new(file, "a bare collector file needs --data DIR"));
        };
        let collector = Collector::load(file, resolve)?;
        collector::defaults::prepare(dir)?;
        let dir = dir
            .canonicalize()
            .map_err(|error| ConfigError::new(dir, format!("cannot open it: {error}")))?;
        let own = dir.join("gateway.yaml");
        let http = collector.health.or_else(|| resolve.of(PAGES)).or_else(|| PAGES.parse().ok());
        let http = http.ok_or_else(|| ConfigError::new(file, "no address for the pages"))?;
        let text = collector::defaults::gateway_file(&dir, http);
        Self::check(parse_yaml(&text, &own)?, file, Some(collector), resolve.clone())
    }

    fn check(
        file: File,
        path: &Path,
        bare: Option<Collector>,
        resolve: Resolve,
    ) -> Result<Self, ConfigError> {
        let places = Places(path.into());
        let collector = match (bare, file.collector) {
            (Some(bare), _) => Some(bare),
            (None, None) => None,
            (None, Some(at)) => Some(Collector::load(&beside(path, &at.value), &resolve)?),
        };
        let beside = |inner: PathBuf| beside(path, &inner);
        let keys = file.keys;
        let acknowledgement = places.of("keys.acknowledgement", keys.acknowledgement).map(beside);
        let withholding = places.of("keys.withholding", keys.withholding).map(beside);
        let register = keys.register.map(|at| places.of("keys.register", at).map(beside));
        let gate_token = file.http.gate_token_file;
        let archive = places.of("archive", file.archive);
        let Archive { close_at_bytes, close_after_ms, .. } = archive.value;
        let place = places.archive(archive.map(|written| (written.directory, written.s3)))?;
        Ok(Self {
            uplink: places.parse("uplink.address", file.uplink.address, ADDRESS)?,
            trust: places.of("trust", file.trust).map(beside),
            acknowledgement_key: read_key(&acknowledgement)?,
            withholding_key: read_key(&withholding)?,
            register_key: register.as_ref().map(read_key).transpose()?,
            erasure: places.erasure(file.erasure, &withholding, &place)?,
            blobs: file.blobs.map(|written| written.beside(path)),
            archive: place,
            rolls: RollLimits {
                bytes: close_at_bytes.unwrap_or(CLOSE_AT_BYTES),
                age: close_after_ms.map_or(
                    collector.as_ref().and_then(|file| file.batch_timeout).unwrap_or(CLOSE_AFTER),
                    Duration::from_millis,
                ),
                kept_bytes: file.keep_log_bytes.unwrap_or(KEPT_BYTES),
            },
            state: beside(file.state),
            http: places.parse("http.address", file.http.address, SOCKET)?,
            gate_token_file: gate_token
                .map(|token| places.of("http.gate_token_file", token).map(beside)),
            silent_after: file.http.silent_after_ms.map_or(SILENT_AFTER, Duration::from_millis),
            proxy_log: file.proxy_log.map(|at| places.unix("proxy_log", at)).transpose()?,
            rules: places.rules(file.outer_layer, collector.as_ref())?,
            exporters: file.exporters,
            collector,
            resolve,
            witnesses: file.witnesses.map(|written| written.check(path)).transpose()?,
            monitor: places.monitor(file.monitor)?,
            time_stamps: file.time_stamps.map(|written| written.check(path)).transpose()?,
            file: path.to_owned(),
        })
    }
}

/// Where an archive is.
#[derive(Clone, Debug)]
pub enum ArchivePlace {
    /// A local directory.
    Directory(PathBuf),
    /// A bucket with Object Lock.
    S3(Box<Settings>),
}

/// Reads a file with the settings of a bucket: what stands below `archive.s3` in a gateway's.
///
/// # Errors
/// One line that says what was expected where.
pub fn read_s3(path: &Path) -> Result<Settings, ConfigError> {
    let base = path.parent().unwrap_or(Path::new(""));
    Settings::check(read_yaml(path)?, base)
        .map_err(|error| ConfigError::new(path, error.to_string()))
}

/// Gives values their place in one file.
struct Places(Arc<Path>);

impl Places {
    fn of<T>(&self, key: &'static str, at: Spanned<T>) -> Placed<T> {
        let line = at.referenced.line();
        Placed { value: at.value, file: Arc::clone(&self.0), line, key }
    }

    fn parse<T: FromStr>(
        &self,
        key: &'static str,
        at: Spanned<String>,
        expected: &str,
    ) -> Result<Placed<T>, ConfigError> {
        let written = self.of(key, at);
        let parsed = written.value.parse().map_err(|_| {
            written.fault(&format_args!("expected {expected}, found {:?}", written.value))
        })?;
        Ok(written.map(|_| parsed))
    }

    /// The file system says who may speak on a Unix socket; other addresses have no such guard.
    fn unix(&self, key: &'static str, at: Spanned<String>) -> Result<Placed<Address>, ConfigError> {
        let address: Placed<Address> = self.parse(key, at, UNIX)?;
        match &address.value {
            Address::Unix(_) => Ok(address),
            other @ (Address::Tcp(_) | Address::Vsock { .. }) => {
                Err(address.fault(&format_args!("expected {UNIX}, found {:?}", other.to_string())))
            }
        }
    }

    fn archive(
        &self,
        written: Placed<(Option<PathBuf>, Option<Spanned<SettingsFile>>)>,
    ) -> Result<ArchivePlace, ConfigError> {
        match written.value {
            (Some(directory), None) => Ok(ArchivePlace::Directory(beside(&self.0, &directory))),
            (None, Some(s3)) => {
                let s3 = self.of("archive.s3", s3);
                let base = self.0.parent().unwrap_or(Path::new(""));
                let settings = Settings::check(s3.value.clone(), base);
                let settings = settings.map_err(|error| s3.fault(&error))?;
                if settings.retention().is_none() {
                    return Err(s3.fault(&"retention_days: needed for writing"));
                }
                Ok(ArchivePlace::S3(Box::new(settings)))
            }
            (ref directory, _) => {
                let given = if directory.is_some() { "both" } else { "neither" };
                Err(written.fault(&format_args!("expected either directory or s3, found {given}")))
            }
        }
    }

    /// Keys that lie in the archive would be copied, mirrored and kept with what they hide.
    fn erasure(
        &self,
        written: Option<ErasureFile>,
        withholding: &Placed<PathBuf>,
        archive: &ArchivePlace,
    ) -> Result<Option<Erasure>, ConfigError> {
        let Some(written) = written else { return Ok(None) };
        let keys = self.of("erasure.keys", written.keys).map(|keys| beside(&self.0, &keys));
        if matches!(archive, ArchivePlace::Directory(root) if keys.value.starts_with(root)) {
            return Err(keys.fault(&"expected a folder outside of the archive"));
        }
        let tenant = written.tenant.map(|tenant| self.of("erasure.tenant", tenant));
        if let Some(tenant) = tenant.as_ref().filter(|tenant| !is_attribute(&tenant.value)) {
            return Err(tenant.fault(&"expected the name of an attribute, 1 to 256 bytes"));
        }
        let tenant = tenant.map(|tenant| tenant.value);
        Ok(Some(Erasure { keys, tenant, signer: read_key(withholding)? }))
    }

    fn monitor(&self, written: Option<Spanned<MonitorFile>>) -> Result<Monitoring, ConfigError> {
        let unsaid = || MonitorFile::default().check();
        match written.map(|at| self.of("monitor", at)) {
            None => unsaid().map_err(|problem| ConfigError::new(&self.0, problem)),
            Some(at) => at.value.check().map_err(|problem| at.fault(&problem)),
        }
    }

    // The shipped rules and those of the collector file guard together: what the file lacks, the
    // page beside it promises.
    fn rules(
        &self,
        written: Option<Spanned<RulesConfig>>,
        collector: Option<&Collector>,
    ) -> Result<Rules, ConfigError> {
        let written = written.map(|written| self.of("outer_layer", written));
        let mut rules = match &written {
            Some(rules) => rules.value.clone(),
            None => RulesConfig::shipped(),
        };
        if let Some(collector) = collector {
            if written.is_none() {
                rules.on_hit = OnHit::Rewrite;
            }
            collector.add_rules(&mut rules);
        }
        Rules::compile(rules).map_err(|error| match &written {
            Some(written) => written.fault(&error),
            None => ConfigError::new(&self.0, format!("outer_layer: {error}")),
        })
    }
}

/// Reads a YAML file strictly; the error has line, column and key.
///
/// # Errors
/// One line that says what was expected where.
pub fn read_yaml<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    parse_yaml(&read_text(path)?, path)
}

/// Reads a file for people.
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    let text = durable_file::read(path, FILE_BYTES_MAX)
        .map_err(|error| ConfigError::new(path, format!("cannot read it: {error}")))?
        .ok_or_else(|| ConfigError::new(path, "there is no such file"))?;
    String::from_utf8(text).map_err(|_| ConfigError::new(path, "it is not UTF-8"))
}

/// Whether a text has the shape of the configuration; reads no file.
pub(crate) fn shape(text: &str, path: &Path) -> Result<(), ConfigError> {
    parse_yaml::<File>(text, path).map(drop)
}

/// Reads the text of a YAML file; `path` is for the error.
pub(crate) fn parse_yaml<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    let mut track = serde_path_to_error::Track::new();
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
        T::deserialize(serde_path_to_error::Deserializer::new(yaml, &mut track))
    })
    .map_err(|error| {
        let said = error.without_snippet().to_string();
        // The reader repeats the place at the end of its text.
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(head, _)| head);
        // `value` is the wrapper that keeps the place of a value, not a key that anybody wrote.
        let key = track.path().to_string().replace(".value", "");
        let key = if matches!(&*key, "." | "?") { String::new() } else { format!("{key}: ") };
        let problem = format!("{key}{}", said.lines().collect::<Vec<_>>().join(", "));
        let line = error.location().map(|place| place.line());
        ConfigError { line, ..ConfigError::new(path, problem) }
    })
}

/// What the values of some keys have to be, for those who wrote something else.
const SOCKET: &str = "an address like 127.0.0.1:8080";
const ADDRESS: &str = "vsock:CID:PORT, unix:/path or tcp:127.0.0.1:PORT";
const UNIX: &str = "a Unix socket like unix:/run/lucarne/proxy-log.sock";

// Names of attributes are short; who wrote a longer one meant something else.
fn is_attribute(name: &str) -> bool {
    (1..=256).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn read_key(at: &Placed<PathBuf>) -> Result<Ed25519Key, ConfigError> {
    key_file(&at.value).map_err(|problem| at.fault(&problem))
}

/// Reads the seed of an Ed25519 key: 64 hex digits.
///
/// # Errors
/// One line with the file and what was expected in it.
pub fn key_file(path: &Path) -> Result<Ed25519Key, String> {
    let fault = |problem: &str| format!("{}: {problem}", path.display());
    let text = durable_file::read(path, 1024)
        .map_err(|error| fault(&format!("cannot read the key: {error}")))?
        .ok_or_else(|| fault("there is no such key file"))?;
    let text = std::str::from_utf8(&text).map_err(|_| fault("expected 64 hex digits"))?;
    let seed = lucarne_ledger::hash::from_hex::<32>(text.trim_end())
        .map_err(|_| fault("expected an Ed25519 seed as 64 lower-case hex digits"))?;
    Ed25519Key::from_seed(&seed).map_err(|_| fault("the seed is refused"))
}

// A relative path in a file is meant from that file.
fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().map_or_else(|| path.to_owned(), |parent| parent.join(path))
}
