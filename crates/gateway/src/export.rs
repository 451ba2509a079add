//! Exporters: what was verified and archived goes out to Loki, Prometheus, OTLP receivers, files
//! and the gateway's own view.
//!
//! Each exporter is one task with a cursor of its own, so that a dead receiver stops nobody else
//! and loses nothing: the [`Source`] reads the write-ahead log and, behind it, the archive.
//! Delivery is at least once for receivers on the network and exactly once for files. Nothing here
//! verifies: the types of [`Item`] say what has been verified, and the content of a batch that did
//! not verify never gets here.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use lucarne_ledger::identity::LedgerId;
use lucarne_otlp::Signal;

pub mod backoff;
pub mod client;
pub mod config;
pub mod cursor;
mod flat;
pub mod jsonl;
pub mod line;
pub mod loki;
pub mod otlp;
mod points;
pub mod push;
pub mod remote_write;
pub mod request;
pub mod runner;
#[cfg(test)]
mod samples;
pub mod sink;
pub mod timestamp;
pub mod view;

/// Where the records of one batch come from; shared by all of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// Instance, epoch and ledger.
    pub ledger: LedgerId,
    /// The epoch's key, as `sha256:<hex of SHA-256 of its SPKI>`.
    pub thumbprint: String,
    /// The code measurement of the epoch's evidence, in hex.
    pub measurement: String,
    /// Sequence number of the first record of the batch; exported as `tee_batch_seq`.
    pub batch_first: u64,
    /// Time of the batch's statement in Unix nanoseconds, used for a record that has none.
    pub batch_time_ns: u64,
    /// Size of the ledger after the batch.
    pub head_size: u64,
    /// Its root, in hex.
    pub head_root: String,
    /// Name of the `.seal` file in the archive that holds the batch; exported as `tee_seal`.
    pub seal: String,
}

/// One thing to export.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A record of a batch that verified and is archived.
    Record(Record),
    /// A batch that did not verify: what may be said about it.
    Unverified(Unverified),
    /// A message of a process on the host, which nothing seals.
    Host(HostMessage),
    /// Telemetry of the host, which nothing seals.
    Telemetry(HostTelemetry),
}

impl Item {
    /// When it came, Unix nanoseconds: the time of its batch, or of receipt. The host's messages
    /// carry their time in their text.
    pub fn time_ns(&self) -> Option<u64> {
        match self {
            Self::Record(record) => Some(record.origin.batch_time_ns),
            Self::Unverified(unverified) => Some(unverified.received_ns),
            Self::Telemetry(host) => Some(host.received_ns),
            Self::Host(_) => None,
        }
    }
}

/// A record of a batch that verified and is archived.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The batch it comes from.
    pub origin: Arc<Origin>,
    /// Its sequence number in the ledger; exported as `tee_record_index`.
    pub index: u64,
    /// A copy that the outer layer rewrote: the sealed record is withheld in the archive.
    pub unsealed: bool,
    /// What it says.
    pub entry: Entry,
}

/// The payload of a record, by stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// `LogRecord`.
    Log(Telemetry),
    /// `Metric`.
    Metric(Telemetry),
    /// `Span`.
    Span(Telemetry),
    /// An audit event.
    Audit {
        /// The JSON object that was sealed.
        json: Bytes,
        /// Its leaf in hex.
        record_hash: String,
    },
    /// A record of the ledger's own life: open, close, heartbeat, gap.
    Control {
        /// The JSON object that was sealed.
        json: Bytes,
        /// Its leaf in hex.
        record_hash: String,
    },
}

impl Entry {
    /// Telemetry of a signal.
    pub const fn of(signal: Signal, telemetry: Telemetry) -> Self {
        match signal {
            Signal::Logs => Self::Log(telemetry),
            Signal::Metrics => Self::Metric(telemetry),
            Signal::Traces => Self::Span(telemetry),
        }
    }

    /// Its signal and content, if it is telemetry.
    pub const fn telemetry(&self) -> Option<(Signal, &Telemetry)> {
        match self {
            Self::Log(telemetry) => Some((Signal::Logs, telemetry)),
            Self::Metric(telemetry) => Some((Signal::Metrics, telemetry)),
            Self::Span(telemetry) => Some((Signal::Traces, telemetry)),
            Self::Audit { .. } | Self::Control { .. } => None,
        }
    }
}

/// A record that `receivers.otlp` of a collector file took: nobody vouches for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostTelemetry {
    /// What it is.
    pub signal: Signal,
    /// What it says, after the outer layer.
    pub telemetry: Telemetry,
    /// When it was received, Unix nanoseconds.
    pub received_ns: u64,
}

/// Whose word a record is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whence<'a> {
    /// A record of a batch that verified.
    Sealed(&'a Record),
    /// Telemetry of the host.
    Host(&'a HostTelemetry),
}

impl<'a> Whence<'a> {
    /// The time for a record that has none.
    pub(crate) fn time_ns(self) -> u64 {
        match self {
            Self::Sealed(record) => record.origin.batch_time_ns,
            Self::Host(host) => host.received_ns,
        }
    }

    /// Whether the exported copy is not what somebody has sealed.
    pub(crate) const fn is_unsealed(self) -> bool {
        match self {
            Self::Sealed(record) => record.unsealed,
            Self::Host(_) => true,
        }
    }

    /// Where it comes from.
    pub(crate) fn provenance(self) -> Option<line::Provenance<'a>> {
        match self {
            Self::Sealed(record) => Some(line::Provenance::of(record)),
            Self::Host(_) => None,
        }
    }

    /// The label `job`.
    pub(crate) const fn job(self) -> &'static str {
        match self {
            Self::Sealed(_) => JOB_TELEMETRY,
            Self::Host(_) => JOB_HOST,
        }
    }
}

/// A telemetry record with its context, all as OTLP messages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Telemetry {
    /// `Resource`.
    pub resource: Bytes,
    /// `InstrumentationScope`.
    pub scope: Bytes,
    /// `LogRecord`, `Metric` or `Span`.
    pub message: Bytes,
}

/// What is said of a batch that did not verify. No content: nobody vouches for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unverified {
    /// The instance that the connection belongs to.
    pub instance: String,
    /// The sequence number that the batch claims, if it could be read.
    pub batch_first: Option<u64>,
    /// The key that the batch names, as `sha256:<hex>`, if it could be read.
    pub thumbprint: Option<String>,
    /// Why it was refused: a name from a closed set of the verifier.
    pub reason: &'static str,
    /// When it was received, Unix nanoseconds.
    pub received_ns: u64,
}

/// A message of the proxy or of the gateway itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostMessage {
    /// Who speaks.
    pub job: HostJob,
    /// A flat JSON object with `timestamp`, `level` and `message`.
    pub json: Bytes,
}

/// The processes on the host that have a stream of their own.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HostJob {
    /// `job="vsock-proxy"`.
    Proxy,
    /// `job="otel-collector-external"`: the gateway's own messages.
    Gateway,
}

impl HostJob {
    /// The value of the label `job`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "vsock-proxy",
            Self::Gateway => "otel-collector-external",
        }
    }
}

/// A place in what there is to export; only the source knows what it means.
///
/// The empty position is the beginning.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Position(pub String);

/// What exporters read from: the write-ahead log as far as it is archived, and the archive before
/// it.
///
/// A position stays readable for ever; reading twice from one position gives the same items in the
/// same order, as far as both readings go. That is what makes a cursor after a crash exact.
pub trait Source: Send {
    /// Up to `items_max` items from `from` on, and the position behind them. Nothing new: no items
    /// and a position that may have moved over what is not for export.
    ///
    /// # Errors
    /// When the position cannot be read now; the runner tries again.
    fn read(
        &mut self,
        from: &Position,
        items_max: usize,
    ) -> impl Future<Output = Result<(Vec<Item>, Position), SourceError>> + Send;

    /// Returns when a reading from `from` would give something; at once if it would already.
    fn changed(&mut self, from: &Position) -> impl Future<Output = ()> + Send;
}

/// Why a source could not be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SourceError {
    /// The position was not written by this source.
    Position,
    /// The log or the archive could not be read.
    Read {
        /// Which file or object.
        name: String,
        /// What the system or the store said.
        reason: String,
    },
    /// What was read is not what was written there.
    Corrupt {
        /// Which file or object.
        name: String,
    },
    /// The policy no longer believes the evidence of an epoch: an operator's to mend, not a disk's.
    Refused {
        /// Whose evidence.
        name: String,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position => write!(f, "cursor does not belong to this log"),
            Self::Read { name, reason } => write!(f, "read {name}: {reason}"),
            Self::Corrupt { name } => write!(f, "{name} is damaged"),
            Self::Refused { name, reason } => {
                write!(f, "the gateway's policy does not believe {name}: {reason}")
            }
        }
    }
}

impl std::error::Error for SourceError {}

/// The label `job` of everything that comes out of the TEE but the audit ledger.
pub const JOB_TELEMETRY: &str = "tee-processengine";
/// The label `job` of the audit ledger.
pub const JOB_AUDIT: &str = "tee-audit";
/// The label `job` of telemetry of the host.
pub const JOB_HOST: &str = "host-telemetry";
