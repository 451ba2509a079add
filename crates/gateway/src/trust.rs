//! The audit policy as a file: what gateway and auditor believe, and what an audit asks for.
//!
//! ```yaml
//! log_prefix: lucarne.local
//! insecure: [ { kind: software, fingerprint: "<sha256 of the root certificate>" } ]
//! roots: [ { kind: nitro, fingerprint: "<sha256>" } ]
//! measurements: any-insecure           # or a list of PCR0, PCR1, PCR2
//! ledgers: [audit, telemetry]
//! withholding_keys: [ { name: outer-layer, ed25519: "<64 hex digits>" } ]
//! accept_unclean_end: [ { instance: i, epoch: "<32 hex digits>", explanation: "…" } ]
//! ```
//! Nothing means "any" by being empty or absent. A root that proves nothing stands under
//! `insecure`.

use std::path::Path;

use lucarne_attest::{DebugMode, Fingerprint, Kind, Measurement, Measurements, Policy, Root};
use lucarne_ledger::hash::from_hex;
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};
use lucarne_ledger::key::PublicKey;
use serde::Deserialize;

use crate::config::{ConfigError, read_yaml};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    log_prefix: String,
    #[serde(default)]
    roots: Vec<FileRoot>,
    #[serde(default)]
    insecure: Vec<FileRoot>,
    measurements: FileMeasurements,
    ledgers: Vec<String>,
    #[serde(default)]
    withholding_keys: Vec<FileKey>,
    #[serde(default)]
    accept_unclean_end: Vec<FileAccepted>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRoot {
    kind: String,
    fingerprint: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum FileMeasurements {
    Word(String),
    Listed(Vec<FileMeasurement>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMeasurement {
    pcrs: std::collections::BTreeMap<u8, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    name: String,
    ed25519: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAccepted {
    instance: String,
    epoch: String,
    explanation: String,
}

/// The policy, checked.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Origin prefix of checkpoints.
    pub log_prefix: String,
    /// Which evidence is believed.
    pub evidence: Policy,
    /// Ledgers that every epoch must have.
    pub ledgers: Vec<LedgerKind>,
    /// Whose authority withholds.
    pub withholding_keys: Vec<(String, PublicKey)>,
    /// Unclean ends that a person has explained.
    pub accepted_ends: Vec<AcceptedEnd>,
}

/// An unclean end that a person has explained.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AcceptedEnd {
    /// The workload.
    pub instance: Instance,
    /// The boot that ended so.
    pub epoch: EpochId,
    /// Why; it becomes part of the report.
    pub explanation: String,
}

impl Trust {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// One line with file, key and what was expected.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file: File = read_yaml(path)?;
        let fault = |key: &str, expected: &str| {
            ConfigError::new(path, format!("{key}: expected {expected}"))
        };
        let mut roots = Vec::new();
        for root in &file.roots {
            let fingerprint = fingerprint(&root.fingerprint)
                .ok_or_else(|| fault("roots.fingerprint", "64 lower-case hex digits"))?;
            match root.kind.as_str() {
                "nitro" => roots.push(Root::nitro(fingerprint)),
                _ => return Err(fault("roots.kind", "nitro (software stands under `insecure`)")),
            }
        }
        for root in &file.insecure {
            let fingerprint = fingerprint(&root.fingerprint)
                .ok_or_else(|| fault("insecure.fingerprint", "64 lower-case hex digits"))?;
            match root.kind.as_str() {
                "software" => roots.push(Root::insecure_software(fingerprint)),
                _ => return Err(fault("insecure.kind", "software")),
            }
        }
        let measurements = measurements(&file.measurements, &roots).ok_or_else(|| {
            fault("measurements", "any-insecure, or a list of { pcrs: { 0: …, 1: …, 2: … } }")
        })?;
        let ledgers = file.ledgers.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            log_prefix: file.log_prefix,
            evidence: Policy { roots, measurements, debug: DebugMode::Refuse },
            ledgers: ledgers
                .ok()
                .filter(|l| !l.is_empty())
                .ok_or_else(|| fault("ledgers", "audit, telemetry or both"))?,
            withholding_keys: file
                .withholding_keys
                .iter()
                .map(|key| {
                    Some((key.name.clone(), PublicKey::from_ed25519(&from_hex(&key.ed25519).ok()?)))
                })
                .collect::<Option<_>>()
                .ok_or_else(|| fault("withholding_keys.ed25519", "64 lower-case hex digits"))?,
            accepted_ends: file
                .accept_unclean_end
                .into_iter()
                .map(accepted_end)
                .collect::<Option<_>>()
                .ok_or_else(|| {
                    fault("accept_unclean_end", "instance, epoch as 32 hex digits, explanation")
                })?,
        })
    }
}

fn fingerprint(text: &str) -> Option<Fingerprint> {
    text.parse().ok()
}

fn accepted_end(file: FileAccepted) -> Option<AcceptedEnd> {
    Some(AcceptedEnd {
        instance: file.instance.parse().ok()?,
        epoch: file.epoch.parse().ok()?,
        explanation: Some(file.explanation).filter(|text| !text.trim().is_empty())?,
    })
}

// "Whatever code" is only said of roots that prove nothing anyway.
fn measurements(file: &FileMeasurements, roots: &[Root]) -> Option<Measurements> {
    match file {
        FileMeasurements::Word(word) => {
            let proves_nothing = roots.iter().all(|root| root.kind() == Kind::Software);
            (word == "any-insecure" && proves_nothing).then_some(Measurements::DangerAny)
        }
        FileMeasurements::Listed(list) => {
            list.iter().map(measurement).collect::<Option<_>>().map(Measurements::OneOf)
        }
    }
}

fn measurement(file: &FileMeasurement) -> Option<Measurement> {
    let registers = file.pcrs.iter().map(|(index, value)| Some((*index, value.parse().ok()?)));
    Measurement::new(registers.collect::<Option<_>>()?).ok()
}
