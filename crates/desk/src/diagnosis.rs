//! Diagnoses: what probes and records together mean. Pure tables, one file a question.
//!
//! None of them concludes "nothing" from what it could not see.

pub mod attestation;
pub mod chain;
pub mod telemetry_gap;

use std::collections::BTreeMap;

/// The code that most errors have, with its share from 0 to 1; none without errors.
pub fn dominant(counts: &BTreeMap<String, u64>) -> Option<(&str, f64)> {
    let all: u64 = counts.values().sum();
    let (code, count) = counts.iter().max_by_key(|(_, count)| **count)?;
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    let share = *count as f64 / all as f64;
    (*count > 0).then_some((code.as_str(), share))
}
