//! `inside:`, what of raw telemetry is kept in the TEE for questions.

use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{ConfigError, Numbered, Ranges, fault};
use crate::inside_store::Bounds;

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    bytes: Option<Spanned<u64>>,
    #[serde(default)]
    host_bytes: Option<Spanned<u64>>,
    #[serde(default)]
    retention_hours: Option<Spanned<u64>>,
    #[serde(default)]
    job: Option<Spanned<String>>,
}

/// 64 MiB: days of a quiet workload, an hour of a busy one; 0 keeps nothing.
const BYTES: Numbered = Numbered { key: "inside.bytes", default: 64 << 20, range: 0..=1 << 40 };
/// 0 leaves blocks in memory. The host learns sizes, times and which blocks a question reads.
const HOST_BYTES: Numbered = Numbered { key: "inside.host_bytes", default: 0, range: 0..=1 << 44 };
/// Seven days; room ends it earlier on most machines.
const RETENTION_HOURS: Numbered =
    Numbered { key: "inside.retention_hours", default: 168, range: 1..=8_784 };
/// As the gateway calls the sanitised copy.
const JOB: &str = "tee-processengine";
/// A label is read by people.
const JOB_BYTES_MAX: usize = 128;

impl Ranges<'_> {
    /// `constant`: whether what leaves has one size and one rate.
    pub(super) fn inside(&self, file: File, constant: bool) -> Result<Bounds, ConfigError> {
        let hours = self.number(file.retention_hours.as_ref(), &RETENTION_HOURS)?;
        let job = match file.job {
            None => JOB.to_owned(),
            Some(at) if (1..=JOB_BYTES_MAX).contains(&at.value.len()) => at.value,
            Some(at) => {
                let problem = format!("inside.job: expected 1 to {JOB_BYTES_MAX} bytes");
                return Err(fault(self.path, Some(at.referenced.line()), problem));
            }
        };
        let bytes = self.bytes(file.bytes.as_ref(), &BYTES)?;
        let host_bytes = self.number(file.host_bytes.as_ref(), &HOST_BYTES)?;
        let wrong = |problem: &str| {
            let line = file.host_bytes.as_ref().map(|at| at.referenced.line());
            Err(fault(self.path, line, format!("inside.host_bytes: {problem}")))
        };
        if host_bytes > 0 && constant {
            // Which block a question reads would show in what leaves.
            return wrong("not together with constant egress of the contract");
        }
        if host_bytes > 0 && bytes == 0 {
            return wrong("needs memory for an index, and inside.bytes is 0");
        }
        Ok(Bounds { bytes, host_bytes, retention: Duration::from_secs(hours * 3_600), job })
    }
}
