//! The configuration of the enclave: one YAML file, part of what is measured, checked before
//! anything starts.
//!
//! `File` is what was written, `Config` what it means. Its digest is bound into the evidence, so
//! there are no flags and no environment variables beside it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lucarne_contract::Contract;
use lucarne_ledger::hash::{Hash, from_hex};
use lucarne_ledger::identity::Instance;
use lucarne_ledger::key::PublicKey;
use lucarne_platform::Address;
use serde::Deserialize;

use crate::probe::Check;

/// What the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    instance: String,
    log_prefix: String,
    #[serde(default)]
    deployment: Option<String>,
    tee: Tee,
    #[serde(default)]
    contract: Option<PathBuf>,
    otlp: Otlp,
    uplink: Uplink,
    #[serde(default)]
    limits: FileLimits,
    #[serde(default)]
    workload: Option<FileWorkload>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tee {
    insecure_software: Software,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Software {
    dir: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Otlp {
    grpc: String,
    http: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Uplink {
    address: String,
    acknowledgement_key: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    #[serde(default)]
    queue_bytes: Option<usize>,
    #[serde(default)]
    raw_bytes: Option<usize>,
    #[serde(default)]
    request_bytes: Option<usize>,
    #[serde(default)]
    heartbeat_ms: Option<u64>,
    #[serde(default)]
    durability_wait_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWorkload {
    check: String,
    #[serde(default)]
    interval_ms: Option<u64>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// The configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// The workload's name.
    pub instance: Instance,
    /// Origin prefix of checkpoints, a schema-less URL of the site.
    pub log_prefix: String,
    /// What operators call this deployment; bound into the evidence.
    pub deployment: Option<String>,
    /// Where the INSECURE software TEE keeps its root.
    pub insecure_software: PathBuf,
    /// What may leave.
    pub contract: Contract,
    /// SHA-256 of the contract's text.
    pub contract_sha256: [u8; 32],
    /// SHA-256 of this configuration's text.
    pub sha256: [u8; 32],
    /// OTLP/gRPC, default port 4317.
    pub grpc: SocketAddr,
    /// OTLP/HTTP, default port 4318.
    pub http: SocketAddr,
    /// Where batches go.
    pub uplink: Address,
    /// Whose word that something is archived is believed.
    pub acknowledgement_key: PublicKey,
    /// Bounds.
    pub limits: Limits,
    /// How the workload is asked whether it lives; `None`: it is not asked, and heartbeats say
    /// `unknown`.
    pub workload: Option<Workload>,
}

/// Bounds of memory and time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sanitised bytes on their way out: queue, open batches and outbox together.
    pub queue_bytes: usize,
    /// Raw requests kept inside.
    pub raw_bytes: usize,
    /// One request, decompressed.
    pub request_bytes: usize,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// Longest that a call with a durability waits.
    pub durability_wait: Duration,
}

/// How the workload is probed.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What is asked.
    pub check: Check,
    /// How often.
    pub interval: Duration,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// 32 MiB: about 0.7 s of the highest rate, 5 minutes of a busy workload; well under the 64 MiB of
/// the agent.
const QUEUE_BYTES: usize = 32 << 20;
/// 64 MiB of raw requests.
const RAW_BYTES: usize = 64 << 20;
/// What SDKs send at most is 4 MiB; four times that leaves room for JSON.
const REQUEST_BYTES: usize = 16 << 20;
/// The design's 15 s: silence is a fact after two of them.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Longer than the archive's 10 s, shorter than any client's patience.
const DURABILITY_WAIT: Duration = Duration::from_secs(30);
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// A configuration is read by people.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A configuration that cannot be used: one line for the person who wrote it.
#[derive(Debug, Eq, PartialEq)]
pub struct ConfigError {
    file: PathBuf,
    place: String,
    problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", self.file.display(), self.place, self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// With file, line where the parser knows it, key, and what was expected.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let deserializer_options = serde_saphyr::options! { with_snippet: false };
        let file: File = serde_saphyr::from_str_with_options(&text, deserializer_options)
            .map_err(|error| fault(path, "", error.to_string()))?;
        Self::check(path, &text, file)
    }

    fn check(path: &Path, text: &str, file: File) -> Result<Self, ConfigError> {
        let key = |key: &str, problem: String| fault(path, &format!(": {key}"), problem);
        let contract = load_contract(path, file.contract.as_deref())?;
        let limits = file.limits;
        let prefix_ok = !file.log_prefix.is_empty()
            && file.log_prefix.bytes().all(|b| b.is_ascii_graphic() && b != b'+');
        if !prefix_ok {
            return Err(key("log_prefix", "expected a host name or path without spaces".into()));
        }
        Ok(Self {
            instance: file.instance.parse().map_err(|e| key("instance", format!("{e}")))?,
            log_prefix: file.log_prefix,
            deployment: file.deployment,
            insecure_software: beside(path, &file.tee.insecure_software.dir),
            contract_sha256: Hash::of(contract.source().as_bytes()).0,
            contract,
            sha256: Hash::of(text.as_bytes()).0,
            grpc: socket(&file.otlp.grpc).map_err(|e| key("otlp.grpc", e))?,
            http: socket(&file.otlp.http).map_err(|e| key("otlp.http", e))?,
            uplink: file
                .uplink
                .address
                .parse()
                .map_err(|e| key("uplink.address", format!("{e}")))?,
            acknowledgement_key: from_hex(&file.uplink.acknowledgement_key)
                .map(|raw| PublicKey::from_ed25519(&raw))
                .map_err(|_| {
                    key(
                        "uplink.acknowledgement_key",
                        "expected an Ed25519 key as 64 hex digits".into(),
                    )
                })?,
            limits: Limits {
                queue_bytes: limits.queue_bytes.unwrap_or(QUEUE_BYTES),
                raw_bytes: limits.raw_bytes.unwrap_or(RAW_BYTES),
                request_bytes: limits.request_bytes.unwrap_or(REQUEST_BYTES),
                heartbeat: milliseconds(limits.heartbeat_ms, HEARTBEAT),
                durability_wait: milliseconds(limits.durability_wait_ms, DURABILITY_WAIT),
            },
            workload: file
                .workload
                .map(|w| workload(&w))
                .transpose()
                .map_err(|e| key("workload.check", e))?,
        })
    }
}

fn workload(file: &FileWorkload) -> Result<Workload, String> {
    Ok(Workload {
        check: file.check.parse().map_err(|error| format!("{error}"))?,
        interval: milliseconds(file.interval_ms, PROBE_INTERVAL),
        timeout: milliseconds(file.timeout_ms, PROBE_TIMEOUT),
    })
}

fn load_contract(config: &Path, path: Option<&Path>) -> Result<Contract, ConfigError> {
    let Some(path) = path else { return Ok(Contract::default_contract()) };
    let path = beside(config, path);
    Contract::parse(&read(&path)?).map_err(|error| fault(&path, "", error.to_string()))
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let problem = |error: std::io::Error| fault(path, "", format!("cannot read it: {error}"));
    let length = std::fs::metadata(path).map_err(problem)?.len();
    if length > FILE_BYTES_MAX {
        return Err(fault(path, "", format!("{length} bytes; at most {FILE_BYTES_MAX} are read")));
    }
    std::fs::read_to_string(path).map_err(problem)
}

// A relative path in a file is meant from that file.
fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().map_or_else(|| path.to_owned(), |parent| parent.join(path))
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("expected an address like 127.0.0.1:4317, found {text:?}"))
}

fn milliseconds(given: Option<u64>, default: Duration) -> Duration {
    given.map_or(default, Duration::from_millis)
}

fn fault(file: &Path, place: &str, problem: String) -> ConfigError {
    ConfigError { file: file.to_owned(), place: place.to_owned(), problem }
}
