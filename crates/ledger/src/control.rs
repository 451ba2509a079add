//! Control records: the life of a ledger, written into the ledger itself.
//!
//! JSON objects with a `type`, read strictly: an unknown key or type is refused, since nobody could
//! say what it would have meant.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::chain;
use crate::identity::LedgerKind;

/// One control record. Binary values are lower-case hex, times milliseconds since the Unix epoch.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    /// Record 0 of every ledger: who writes it, with which keys, after what.
    Open(Open),
    /// The last record: the ledger ended as it should.
    Close(Close),
    /// A sign of life, busy or idle.
    Heartbeat(Heartbeat),
    /// Records known to be lost before they reached the ledger.
    Gap(Gap),
}

/// What an epoch says of itself when it begins.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The workload.
    pub instance: String,
    /// Its boot: the first 16 bytes of the binding.
    pub epoch: String,
    /// `audit` or `telemetry`.
    pub ledger: String,
    /// Kind of evidence: `software` is INSECURE.
    pub tee: String,
    /// Measurement of the code, the register that names it.
    pub measurement: String,
    /// Deterministic CBOR of the epoch binding: keys, nonce, digests of configuration and contract.
    pub binding: String,
    /// SHA-256 of the evidence over that binding.
    pub evidence_sha256: String,
    /// Last checkpoint of the epoch before, as the gateway reported it; `None` when it reported
    /// none.
    pub previous: Option<Previous>,
}

/// The end of the epoch before, as it was known when this one began.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// The epoch.
    pub epoch: String,
    /// Size of the same ledger.
    pub size: u64,
    /// Its root.
    pub root: String,
}

/// The end of a ledger.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Size before this record.
    pub size: u64,
    /// Root before this record.
    pub root: String,
    /// Why: `stopped` by request, or what went wrong.
    pub reason: String,
}

/// What the enclave's probe of its workload says.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// It answered its check.
    Healthy,
    /// It did not.
    NotResponding,
    /// No check is configured, or none has finished yet.
    Unknown,
}

impl Workload {
    /// The spelling of the formats.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::NotResponding => "not-responding",
            Self::Unknown => "unknown",
        }
    }
}

/// A sign of life.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// State of the workload.
    pub workload: Workload,
    /// Requests that were refused because the queue was full, since the epoch began.
    pub refused: u64,
    /// Log records and spans that the inside view has dropped to stay within its bounds, since the
    /// epoch began; a request that it had no time for counts as one.
    pub evicted: u64,
}

/// An honest hole.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// How many records were lost.
    pub count: u64,
    /// What they were and why they are lost.
    pub reason: String,
}

/// A control payload that is not one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotControl;

impl fmt::Display for NotControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payload is not a control record of this version")
    }
}

impl core::error::Error for NotControl {}

impl Control {
    /// Its JSON fields, without braces.
    pub(crate) fn fields(&self) -> Vec<u8> {
        // The derived encoder of these structs cannot fail: their keys are text and their values
        // finite.
        let object = serde_json::to_vec(self).unwrap_or_default();
        object
            .strip_prefix(b"{")
            .and_then(|rest| rest.strip_suffix(b"}"))
            .unwrap_or_default()
            .to_vec()
    }

    /// Reads a payload of the control stream of a ledger of this kind.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(payload: &[u8], kind: LedgerKind) -> Result<Self, NotControl> {
        let object = match kind {
            LedgerKind::Telemetry => {
                return serde_json::from_slice(payload).map_err(|_| NotControl);
            }
            LedgerKind::Audit => {
                let (_, fields) = chain::split(payload).ok_or(NotControl)?;
                [b"{", fields, b"}"].concat()
            }
        };
        serde_json::from_slice(&object).map_err(|_| NotControl)
    }
}

#[cfg(test)]
mod tests;
