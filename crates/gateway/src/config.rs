//! The configuration of the gateway: one YAML file, checked before anything starts.
//!
//! `File` is what was written, `Config` what it means: addresses parsed, keys read, rules compiled.
//! Every refusal is one line that names file, key and what was expected.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lucarne_ledger::key::Ed25519Key;
use lucarne_platform::Address;
use lucarne_redact::{Rules, RulesConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use crate::archiver::RollLimits;
use crate::durable_file;
use crate::export::config::ExporterFile;

/// What the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    uplink: Uplink,
    trust: PathBuf,
    keys: Keys,
    archive: Archive,
    state: PathBuf,
    http: Http,
    #[serde(default)]
    outer_layer: Option<RulesConfig>,
    #[serde(default)]
    exporters: Vec<ExporterFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Uplink {
    address: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    acknowledgement: PathBuf,
    withholding: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    directory: PathBuf,
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
    gate_token_file: Option<PathBuf>,
    #[serde(default)]
    silent_after_ms: Option<u64>,
}

/// The configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// Where enclaves connect.
    pub uplink: Address,
    /// The policy file: which roots and measurements are believed.
    pub trust: PathBuf,
    /// Signs acknowledgements.
    pub acknowledgement_key: Ed25519Key,
    /// Signs authorisations to withhold.
    pub withholding_key: Ed25519Key,
    /// Root of the archive.
    pub archive: PathBuf,
    /// When a `.seal` file closes.
    pub rolls: RollLimits,
    /// Write-ahead log, cursors and gates.
    pub state: PathBuf,
    /// Health, metrics and gates.
    pub http: SocketAddr,
    /// Who may set gates; `None`: nobody.
    pub gate_token_file: Option<PathBuf>,
    /// An instance without a heartbeat for this long is not responding.
    pub silent_after: Duration,
    /// What must not be written.
    pub rules: Rules,
    /// Where records go.
    pub exporters: Vec<ExporterFile>,
}

/// The design's 10 s and 8 MiB.
const CLOSE_AFTER: Duration = Duration::from_secs(10);
const CLOSE_AT_BYTES: u64 = 8 << 20;
/// Three heartbeats of 15 s.
const SILENT_AFTER: Duration = Duration::from_secs(45);
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
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// With file, line where the parser knows it, key, and what was expected.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file: File = read_yaml(path)?;
        let wrong = |key: &str, at: &Spanned<String>, expected: &str| {
            let problem = format!("{key}: expected {expected}, found {:?}", at.value);
            ConfigError { line: Some(at.referenced.line()), ..ConfigError::new(path, problem) }
        };
        let beside = |inner: &Path| beside(path, inner);
        let (uplink, http) = (&file.uplink.address, &file.http.address);
        let rules = match file.outer_layer {
            Some(rules) => Rules::compile(rules),
            None => Rules::default_rules(),
        };
        Ok(Self {
            uplink: (uplink.value.parse()).map_err(|_| wrong("uplink.address", uplink, ADDRESS))?,
            trust: beside(&file.trust),
            acknowledgement_key: read_key(&beside(&file.keys.acknowledgement))?,
            withholding_key: read_key(&beside(&file.keys.withholding))?,
            archive: beside(&file.archive.directory),
            rolls: RollLimits {
                bytes: file.archive.close_at_bytes.unwrap_or(CLOSE_AT_BYTES),
                age: file.archive.close_after_ms.map_or(CLOSE_AFTER, Duration::from_millis),
            },
            state: beside(&file.state),
            http: http.value.parse().map_err(|_| wrong("http.address", http, SOCKET))?,
            gate_token_file: file.http.gate_token_file.as_deref().map(beside),
            silent_after: file.http.silent_after_ms.map_or(SILENT_AFTER, Duration::from_millis),
            rules: rules
                .map_err(|error| ConfigError::new(path, format!("outer_layer: {error}")))?,
            exporters: file.exporters,
        })
    }
}

/// Reads a YAML file strictly; the error has line, column and key.
///
/// # Errors
/// One line that says what was expected where.
pub fn read_yaml<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = durable_file::read(path, FILE_BYTES_MAX)
        .map_err(|error| ConfigError::new(path, format!("cannot read it: {error}")))?
        .ok_or_else(|| ConfigError::new(path, "there is no such file"))?;
    let text = String::from_utf8(text).map_err(|_| ConfigError::new(path, "it is not UTF-8"))?;
    let mut track = serde_path_to_error::Track::new();
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::with_deserializer_from_str_with_options(&text, options, |yaml| {
        T::deserialize(serde_path_to_error::Deserializer::new(yaml, &mut track))
    })
    .map_err(|error| {
        let said = error.without_snippet().to_string();
        // The reader repeats the place at the end of its text.
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(head, _)| head);
        let key = track.path().to_string();
        let key = key.strip_suffix(".value").unwrap_or(&key);
        let key = if matches!(key, "." | "?") { String::new() } else { format!("{key}: ") };
        let problem = format!("{key}{}", said.lines().collect::<Vec<_>>().join(", "));
        let line = error.location().map(|place| place.line());
        ConfigError { line, ..ConfigError::new(path, problem) }
    })
}

/// What the values of some keys have to be, for those who wrote something else.
const SOCKET: &str = "an address like 127.0.0.1:8080";
const ADDRESS: &str = "vsock:CID:PORT, unix:/path or tcp:127.0.0.1:PORT";

/// Reads the seed of an Ed25519 key: 64 hex digits.
fn read_key(path: &Path) -> Result<Ed25519Key, ConfigError> {
    let fault = |problem: &str| ConfigError::new(path, problem);
    let text = durable_file::read(path, 1024)
        .map_err(|error| ConfigError::new(path, format!("cannot read the key: {error}")))?
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
