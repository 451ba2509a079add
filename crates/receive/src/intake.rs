//! The seam between the OTLP receivers and the pipeline behind them.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use lucarne_otlp::Signal;

/// Telemetry as the workload sent it. It has no `Debug`, `Display`, `Serialize` or `Clone`: it
/// cannot be logged by accident.
///
/// ```compile_fail
/// let raw = lucarne_receive::Raw::new(bytes::Bytes::from_static(b"applicant.name"));
/// println!("{raw:?}");
/// ```
pub struct Raw<T>(T);

impl<T> Raw<T> {
    /// Marks a value as unsanitised.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for whoever sanitises or screens it, and for the store inside of the TEE.
    pub const fn inner(&self) -> &T {
        &self.0
    }
}

/// How far a record must have come before the call returns; the header `lucarne-durability`.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Durability {
    /// In the inside store and in the seal queue.
    #[default]
    Accepted,
    /// Under a signed statement.
    Sealed,
    /// The gateway's signed word that it is archived.
    Archived,
    /// Under a checkpoint that the configured witnesses cosigned.
    Witnessed,
}

/// What became of an accepted request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Accepted {
    /// Log records, data points or spans that were malformed and are not part of the ledger.
    pub rejected: u64,
}

/// Why a request was not accepted, or not brought as far as it asked.
#[derive(Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The message is not valid OTLP; nothing of it was taken. The text never quotes content.
    Malformed(String),
    /// The queue is full; nothing of it was taken. The client should try again after this long.
    Overloaded(Duration),
    /// The process is stopping; nothing of it was taken.
    Stopping,
    /// This durability cannot be had with this configuration (no witnesses, say); nothing of it was
    /// taken.
    Unavailable(&'static str),
    /// Taken, but the time ran out before the durability asked for was reached; says how far it
    /// got.
    TimedOut(Durability),
}

/// What the receivers hand requests to.
pub trait Intake: Send + Sync + 'static {
    /// Takes one whole, decompressed OTLP request in protobuf.
    fn accept(
        &self,
        signal: Signal,
        request: Raw<Bytes>,
        durability: Durability,
    ) -> impl Future<Output = Result<Accepted, Refusal>> + Send;
}
