//! The configuration of the enclave: one YAML file, part of what is measured, checked before
//! anything starts.
//!
//! `File` is what was written, `Config` what it means. Its digest is bound into the evidence, so
//! there are no flags and no environment variables beside it.

mod inside;

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lucarne_contract::Contract;
use lucarne_ledger::hash::{Hash, from_hex};
use lucarne_ledger::identity::Instance;
use lucarne_ledger::json_batch::JSON_RECORDS_MAX;
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::trust_policy::{PolicyError, TrustPolicy};
use lucarne_link::constant::Shape;
use lucarne_platform::Address;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::channel::config as access;
use crate::inside_store::Bounds;
use crate::json_batches::{JsonBatchLimits, RECORDS_MIN};
use crate::probe::Check;

/// What the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    instance: Spanned<String>,
    log_prefix: Spanned<String>,
    #[serde(default)]
    deployment: Option<String>,
    #[serde(default)]
    tee: Option<Tee>,
    #[serde(default)]
    contract: Option<Spanned<PathBuf>>,
    otlp: Otlp,
    uplink: Uplink,
    #[serde(default)]
    limits: FileLimits,
    #[serde(default)]
    inside: inside::File,
    #[serde(default)]
    workload: Option<FileWorkload>,
    #[serde(default)]
    json_batches: Option<FileJsonBatches>,
    #[serde(default)]
    canaries: Option<FileCanaries>,
    #[serde(default)]
    access: Option<access::File>,
    #[serde(default)]
    witnesses: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tee {
    #[serde(default)]
    insecure_software: Option<Software>,
    #[serde(default)]
    tsm_reports: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Software {
    dir: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Otlp {
    grpc: Spanned<String>,
    http: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Uplink {
    address: Spanned<String>,
    acknowledgement_key: Spanned<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    #[serde(default)]
    queue_bytes: Option<Spanned<u64>>,
    #[serde(default)]
    request_bytes: Option<Spanned<u64>>,
    #[serde(default)]
    heartbeat_ms: Option<Spanned<u64>>,
    #[serde(default)]
    durability_wait_ms: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWorkload {
    check: Spanned<String>,
    #[serde(default)]
    interval_ms: Option<Spanned<u64>>,
    #[serde(default)]
    timeout_ms: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCanaries {
    #[serde(default)]
    every_ms: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileJsonBatches {
    #[serde(default)]
    every_records: Option<Spanned<u64>>,
    #[serde(default)]
    every_ms: Option<Spanned<u64>>,
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
    /// Where the INSECURE software TEE keeps its root; `None`: the hardware of the machine speaks.
    pub insecure_software: Option<PathBuf>,
    /// Where the kernel's reports of TDX and SEV-SNP are, if not where configfs is by default.
    pub tsm_reports: Option<PathBuf>,
    /// What may leave.
    pub contract: Contract,
    /// How batches leave, from the contract; `None`: as soon as they are sealed.
    pub egress: Option<Shape>,
    /// SHA-256 of the contract's text.
    pub contract_sha256: [u8; 32],
    /// SHA-256 of this configuration's text.
    pub sha256: [u8; 32],
    /// OTLP/gRPC, default port 4317.
    pub grpc: SocketAddr,
    /// The line of its key, from 1.
    pub grpc_line: u64,
    /// OTLP/HTTP, default port 4318.
    pub http: SocketAddr,
    /// The line of its key, from 1.
    pub http_line: u64,
    /// Where batches go.
    pub uplink: Address,
    /// Whose word that something is archived is believed.
    pub acknowledgement_key: PublicKey,
    /// Whose word on checkpoints is waited for; `None`: nobody's.
    pub witnesses: Option<TrustPolicy>,
    /// Bounds.
    pub limits: Limits,
    /// What is kept inside for questions.
    pub inside: Bounds,
    /// How the workload is asked whether it lives; `None`: it is not asked, and heartbeats say
    /// `unknown`.
    pub workload: Option<Workload>,
    /// How often leak canaries are planted; `None`: never.
    pub canaries: Option<Duration>,
    /// When signed log batches in JSON close; `None`: none are made.
    pub json_batches: Option<JsonBatchLimits>,
    /// Who may ask the inside view, and where; `None`: nobody, and nothing listens.
    pub access: Option<access::Access>,
}

/// Bounds of memory and time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sanitised bytes on their way out: queue, open batches and outbox together.
    pub queue_bytes: usize,
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

/// 24 MiB: half a second of the highest rate, minutes of a busy workload; with what the receivers
/// hold it keeps the agent within 64 MiB. Less than 64 KiB would refuse ordinary requests.
const QUEUE_BYTES: Numbered =
    Numbered { key: "limits.queue_bytes", default: 24 << 20, range: 64 << 10..=1 << 30 };
/// What SDKs send at most is 4 MiB; four times that leaves room for JSON.
const REQUEST_BYTES: Numbered =
    Numbered { key: "limits.request_bytes", default: 16 << 20, range: 1 << 10..=256 << 20 };
/// The design's 15 s: silence is a fact after two of them.
const HEARTBEAT_MS: Numbered =
    Numbered { key: "limits.heartbeat_ms", default: 15_000, range: 10..=HOUR_MS };
/// Longer than the archive's 10 s, shorter than any client's patience.
const DURABILITY_WAIT_MS: Numbered =
    Numbered { key: "limits.durability_wait_ms", default: 30_000, range: 10..=HOUR_MS };
const PROBE_INTERVAL_MS: Numbered =
    Numbered { key: "workload.interval_ms", default: 5_000, range: 10..=HOUR_MS };
const PROBE_TIMEOUT_MS: Numbered =
    Numbered { key: "workload.timeout_ms", default: 2_000, range: 1..=HOUR_MS };
/// As a batch of a ledger; no more than the format has.
const JSON_RECORDS: Numbered = Numbered {
    key: "json_batches.every_records",
    default: 1_000,
    range: RECORDS_MIN as u64..=JSON_RECORDS_MAX as u64,
};
/// People look at these batches, and each is an object of the archive.
const JSON_MS: Numbered =
    Numbered { key: "json_batches.every_ms", default: 10_000, range: 100..=HOUR_MS };
/// Often enough that a leak is known before an operator has had lunch, rarely enough to cost
/// nothing.
const CANARIES_MS: Numbered =
    Numbered { key: "canaries.every_ms", default: 60_000, range: 100..=HOUR_MS };
/// Whoever asks for more has most likely mistaken the unit.
const HOUR_MS: u64 = 3_600_000;
/// A configuration is read by people.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A configuration that cannot be used: one line for the person who wrote it.
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

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// With file, line where the parser knows it, key, and what was expected.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let file = parse(&text).map_err(|(line, problem)| fault(path, line, problem))?;
        Self::check(path, &text, file)
    }

    fn check(path: &Path, text: &str, file: File) -> Result<Self, ConfigError> {
        let wrong = |key: &str, at: &Spanned<String>, expected: &str| {
            let problem = format!("{key}: expected {expected}, found {:?}", at.value);
            fault(path, Some(at.referenced.line()), problem)
        };
        let contract = load_contract(path, file.contract.as_ref())?;
        let egress = shape(&contract);
        let checks = Ranges { path };
        let graphic = |byte: u8| byte.is_ascii_graphic() && byte != b'+';
        let prefix = &file.log_prefix;
        if prefix.value.is_empty() || !prefix.value.bytes().all(graphic) {
            return Err(wrong("log_prefix", prefix, "a host name or path without spaces"));
        }
        let (grpc, http) = (&file.otlp.grpc, &file.otlp.http);
        let (insecure_software, tsm_reports) = tee(path, file.tee)?;
        let (uplink, key) = (&file.uplink.address, &file.uplink.acknowledgement_key);
        Ok(Self {
            instance: (file.instance.value.parse())
                .map_err(|_| wrong("instance", &file.instance, "1 to 63 of a-z, 0-9 and -"))?,
            log_prefix: file.log_prefix.value,
            deployment: file.deployment,
            insecure_software,
            tsm_reports,
            egress,
            contract_sha256: Hash::of(contract.source().as_bytes()).0,
            contract,
            sha256: Hash::of(text.as_bytes()).0,
            grpc: grpc.value.parse().map_err(|_| wrong("otlp.grpc", grpc, SOCKET))?,
            grpc_line: grpc.referenced.line(),
            http_line: http.referenced.line(),
            http: http.value.parse().map_err(|_| wrong("otlp.http", http, SOCKET))?,
            uplink: uplink.value.parse().map_err(|_| wrong("uplink.address", uplink, ADDRESS))?,
            acknowledgement_key: from_hex(&key.value)
                .map(|raw| PublicKey::from_ed25519(&raw))
                .map_err(|_| wrong("uplink.acknowledgement_key", key, KEY))?,
            limits: checks.limits(&file.limits)?,
            inside: checks.inside(file.inside, egress.is_some())?,
            witnesses: (file.witnesses.as_ref())
                .map(|written| load_witnesses(path, written))
                .transpose()?,
            access: (file.access.map(access::File::check).transpose())
                .map_err(|(line, problem)| fault(path, Some(line), problem))?,
            canaries: (file.canaries.as_ref())
                .map(|asked| checks.number(asked.every_ms.as_ref(), &CANARIES_MS))
                .transpose()?
                .map(Duration::from_millis),
            json_batches: file.json_batches.map(|asked| checks.json_batches(&asked)).transpose()?,
            workload: match &file.workload {
                None => None,
                Some(asked) => {
                    let check = asked.check.value.parse();
                    let check = check.map_err(|_| wrong("workload.check", &asked.check, CHECK))?;
                    Some(checks.workload(check, asked)?)
                }
            },
        })
    }
}

/// The contract's bounds are those of the uplink, which a test compares.
fn shape(contract: &Contract) -> Option<Shape> {
    let egress = contract.egress()?;
    Shape::new(egress.interval_ms, egress.frame_bytes)
}

/// The folder of the software TEE, or that of the kernel's reports: never both.
fn tee(path: &Path, tee: Option<Tee>) -> Result<(Option<PathBuf>, Option<PathBuf>), ConfigError> {
    match tee {
        None => Ok((None, None)),
        Some(Tee { insecure_software: Some(software), tsm_reports: None }) => {
            Ok((Some(beside(path, &software.dir)), None))
        }
        Some(Tee { insecure_software: None, tsm_reports: Some(reports) }) => {
            Ok((None, Some(beside(path, &reports))))
        }
        Some(_) => {
            let problem = "tee: expected either insecure_software or tsm_reports".to_owned();
            Err(fault(path, None, problem))
        }
    }
}

/// A number that may be written, or its default.
struct Numbered {
    key: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
}

/// Checks numbers of one file.
struct Ranges<'a> {
    path: &'a Path,
}

impl Ranges<'_> {
    fn number(&self, written: Option<&Spanned<u64>>, of: &Numbered) -> Result<u64, ConfigError> {
        match written {
            None => Ok(of.default),
            Some(at) if of.range.contains(&at.value) => Ok(at.value),
            Some(at) => {
                let (least, most) = (of.range.start(), of.range.end());
                let problem = format!("{}: expected {least} to {most}, found {}", of.key, at.value);
                Err(fault(self.path, Some(at.referenced.line()), problem))
            }
        }
    }

    fn bytes(&self, written: Option<&Spanned<u64>>, of: &Numbered) -> Result<usize, ConfigError> {
        // No range goes beyond what a 32-bit machine could address.
        self.number(written, of).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    fn limits(&self, file: &FileLimits) -> Result<Limits, ConfigError> {
        let time = |written: &Option<Spanned<u64>>, of| {
            self.number(written.as_ref(), of).map(Duration::from_millis)
        };
        Ok(Limits {
            queue_bytes: self.bytes(file.queue_bytes.as_ref(), &QUEUE_BYTES)?,
            request_bytes: self.bytes(file.request_bytes.as_ref(), &REQUEST_BYTES)?,
            heartbeat: time(&file.heartbeat_ms, &HEARTBEAT_MS)?,
            durability_wait: time(&file.durability_wait_ms, &DURABILITY_WAIT_MS)?,
        })
    }

    fn workload(&self, check: Check, file: &FileWorkload) -> Result<Workload, ConfigError> {
        let interval = self.number(file.interval_ms.as_ref(), &PROBE_INTERVAL_MS)?;
        let timeout = self.number(file.timeout_ms.as_ref(), &PROBE_TIMEOUT_MS)?;
        let [interval, timeout] = [interval, timeout].map(Duration::from_millis);
        Ok(Workload { check, interval, timeout })
    }

    fn json_batches(&self, file: &FileJsonBatches) -> Result<JsonBatchLimits, ConfigError> {
        let records = self.number(file.every_records.as_ref(), &JSON_RECORDS)?;
        let age = Duration::from_millis(self.number(file.every_ms.as_ref(), &JSON_MS)?);
        Ok(JsonBatchLimits { records, age })
    }
}

// The parser knows where it was, the tracker which key it read.
fn parse(text: &str) -> Result<File, (Option<u64>, String)> {
    let mut track = serde_path_to_error::Track::new();
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
        File::deserialize(serde_path_to_error::Deserializer::new(yaml, &mut track))
    })
    .map_err(|error| {
        let line = error.location().map(|place| place.line());
        let said = error.without_snippet().to_string();
        // The reader repeats the place at the end of its text.
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(head, _)| head);
        // `value` is the wrapper that keeps the place of a value, not a key that anybody wrote.
        let key = track.path().to_string().replace(".value", "");
        let key = if matches!(&*key, "." | "?") { String::new() } else { format!("{key}: ") };
        (line, format!("{key}{}", said.lines().collect::<Vec<_>>().join(", ")))
    })
}

/// What is wrong with the shape of a text, if anything is; reads no other file.
pub(crate) fn problem_of(text: &str) -> Option<String> {
    parse(text).err().map(|(line, problem)| fault(Path::new(""), line, problem).to_string())
}

/// A policy in the form of C2SP tlog-policy, in place: it is measured with the rest.
fn load_witnesses(config: &Path, written: &Spanned<String>) -> Result<TrustPolicy, ConfigError> {
    let at = written.referenced.line();
    let policy: TrustPolicy = written.value.parse().map_err(|error: PolicyError| {
        // A block begins in the line after its key; so its lines are those of the file.
        let line = at.saturating_add(error.line as u64).saturating_sub(1);
        fault(config, Some(line), format!("witnesses: {}", error.fault))
    })?;
    if policy.asks_for_none() {
        let problem = "witnesses: expected a quorum of witnesses, found none".to_owned();
        return Err(fault(config, Some(at), problem));
    }
    Ok(policy)
}

fn load_contract(
    config: &Path,
    written: Option<&Spanned<PathBuf>>,
) -> Result<Contract, ConfigError> {
    let Some(written) = written else { return Ok(Contract::default_contract()) };
    let path = beside(config, &written.value);
    let text = read(&path).map_err(|error| {
        fault(config, Some(written.referenced.line()), format!("contract: {error}"))
    })?;
    Contract::parse(&text).map_err(|error| {
        let key = if error.key.is_empty() { String::new() } else { format!("{}: ", error.key) };
        let line = (error.line > 0).then_some(error.line);
        fault(&path, line, format!("{key}{}", error.problem))
    })
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let problem = |error: std::io::Error| fault(path, None, format!("cannot read it: {error}"));
    let length = std::fs::metadata(path).map_err(problem)?.len();
    if length > FILE_BYTES_MAX {
        return Err(fault(
            path,
            None,
            format!("{length} bytes; at most {FILE_BYTES_MAX} are read"),
        ));
    }
    std::fs::read_to_string(path).map_err(problem)
}

// A relative path in a file is meant from that file.
fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().map_or_else(|| path.to_owned(), |parent| parent.join(path))
}

fn fault(file: &Path, line: Option<u64>, problem: String) -> ConfigError {
    ConfigError { file: file.to_owned(), line, problem }
}

/// What the values of some keys have to be, for those who wrote something else.
const SOCKET: &str = "an address like 127.0.0.1:4317";
const ADDRESS: &str = "vsock:CID:PORT, unix:/path or tcp:127.0.0.1:PORT";
const KEY: &str = "an Ed25519 key as 64 lower-case hex digits";
const CHECK: &str = "http://host:port/path, grpc://host:port or tcp:host:port";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_that_a_contract_can_name_is_one_of_the_uplink() {
        for (interval, frame, ms, bytes) in [
            ("10ms", "1KiB", 10, 1 << 10),
            ("10ms", "1MiB", 10, 1 << 20),
            ("60s", "1MiB", 60_000, 1 << 20),
            ("1s", "1KiB", 1_000, 1 << 10),
        ] {
            let egress = format!("shape: constant, interval: {interval}, frame: {frame}");
            let text = format!("contract: a/1\negress: {{ {egress} }}\n");
            let contract = Contract::parse(&text).unwrap();
            assert_eq!(shape(&contract), Shape::new(ms, bytes), "{egress}");
            assert!(shape(&contract).is_some(), "{egress}");
        }
        assert_eq!(shape(&Contract::parse("contract: a/1\n").unwrap()), None);
    }

    /// Which block is asked for would show in frames that are to show nothing.
    #[test]
    fn the_host_keeps_blocks_beside_no_constant_egress_and_with_an_index_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("enclave.yaml");
        let egress = "shape: constant, interval: 1s, frame: 1KiB";
        let contract = format!("contract: a/1\negress: {{ {egress} }}\n");
        std::fs::write(dir.path().join("contract.yaml"), contract).unwrap();
        let whole = std::fs::read_to_string(WHOLE).unwrap();
        let problem = |more: &str| {
            std::fs::write(&path, format!("{whole}{more}")).unwrap();
            Config::load(&path).map(drop).map_err(|error| error.problem)
        };
        let line = "inside: { host_bytes: 1073741824 }\n";
        assert_eq!(problem(line), Ok(()));
        let constant = problem(&format!("contract: contract.yaml\n{line}"));
        let wrong = "inside.host_bytes: not together with constant egress of the contract";
        assert_eq!(constant, Err(wrong.to_owned()));
        let wrong = "inside.host_bytes: needs memory for an index, and inside.bytes is 0";
        assert_eq!(
            problem("inside: { bytes: 0, host_bytes: 1073741824 }\n"),
            Err(wrong.to_owned())
        );
    }

    const WHOLE: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/enclave_config/whole");
}
