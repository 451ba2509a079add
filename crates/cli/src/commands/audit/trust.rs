//! What an audit believes: a policy and the evidence of each epoch, or one key that was given.
//!
//! There is no third way: without either nothing is believed, and the command line is refused.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ArgGroup;
use lucarne_archive::Archive;
use lucarne_archive::data_keys::DataKeys;
use lucarne_attest::{Register, Time};
use lucarne_gateway::policy;
use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::SeqRange;
use lucarne_ledger::audit::{self, AttestedKeys, Scope};
use lucarne_ledger::hash::{Hash, NotHex, from_hex};
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};
use lucarne_ledger::key::PublicKey;

use super::catalogue::Catalogue;
use super::pinned::{self, Pins};
use super::{Wanted, epochs};
use crate::failure::Failure;

/// Whom to believe, on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(group = ArgGroup::new("trust").required(true).args(["policy", "tee_public_key"]))]
pub(super) struct Believe {
    /// What to trust: roots, measurements, keys (audit-policy.yaml)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Trust this P-256 key of an epoch instead: a certificate or public key in PEM
    #[arg(long, value_name = "PEM")]
    tee_public_key: Option<PathBuf>,
    /// Beside --tee-public-key: who may leave records out, as 64 hex digits of an Ed25519 key
    #[arg(long, value_name = "HEX", requires = "tee_public_key")]
    withholding_key: Vec<Ed25519>,
}

/// An Ed25519 key as it is written in a policy.
#[derive(Clone, Debug)]
struct Ed25519([u8; 32]);

impl FromStr for Ed25519 {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        from_hex(text).map(Self)
    }
}

/// Whom to believe.
pub(super) enum Trust {
    /// Whoever a policy accepts the evidence of.
    Policy(Box<policy::Policy>),
    /// The holder of a key.
    Key { key: PublicKey, withholding: Vec<PublicKey> },
}

/// Whom to believe in an archive that was looked into.
pub(super) struct Judge {
    /// What the auditor is told.
    pub(super) policy: audit::Policy,
    /// What payloads may be encrypted under.
    pub(super) data_keys: Option<DataKeys>,
    by: By,
    expected: Vec<Register>,
}

enum By {
    Policy(Box<policy::Policy>),
    Key { key: PublicKey, pins: Pins },
}

/// An epoch that is believed.
pub(super) struct Believed {
    /// What its ledgers are checked with.
    pub(super) keys: AttestedKeys,
    /// Whether there is a key for its checkpoints.
    pub(super) checkpoints: bool,
    /// When its evidence was made, where there is some.
    pub(super) attested_ms: Option<u64>,
    /// SHA-256 of that.
    pub(super) evidence_sha256: Option<Hash>,
}

impl Judge {
    /// Asks for the word of so many witnesses.
    ///
    /// # Errors
    /// When the policy names fewer, so that no archive could have it.
    pub(super) fn require_witnesses(&mut self, min: usize) -> Result<(), Failure> {
        let named = self.policy.witnesses.as_ref().map_or(0, |policy| policy.witnesses().len());
        if named < min {
            let text = format!("--require-witnesses {min}: the policy names {named}");
            return Err(Failure::usage(text).hint("name them in the policy under `witnesses`"));
        }
        self.policy.witnesses_min = min;
        Ok(())
    }

    /// Whose time stamps are believed: roots in DER.
    pub(super) fn stamp_roots(&self) -> &[Vec<u8>] {
        match &self.by {
            By::Policy(policy) => &policy.stamp_roots,
            By::Key { .. } => &[],
        }
    }

    /// The policy, where one asks for a register.
    pub(super) fn register(&self) -> Option<&policy::Policy> {
        match &self.by {
            By::Policy(policy) => policy.register.as_ref().map(|_| &**policy),
            By::Key { .. } => None,
        }
    }
}

impl Trust {
    /// Reads the policy or the key.
    ///
    /// # Errors
    /// When the file is not what it should be.
    pub(super) fn read(args: &Believe) -> Result<Self, Failure> {
        match (&args.policy, &args.tee_public_key) {
            (Some(path), _) => {
                let policy =
                    policy::read(path).map_err(|error| Failure::usage(error.to_string()))?;
                Ok(Self::Policy(Box::new(policy)))
            }
            (None, Some(path)) => {
                let withholding =
                    args.withholding_key.iter().map(|key| PublicKey::from_ed25519(&key.0));
                let key = pinned::read_key(path)?;
                Ok(Self::Key { key, withholding: withholding.collect() })
            }
            (None, None) => Err(Failure::usage("expected --policy or --tee-public-key")),
        }
    }

    /// Looks into the archive for what the key has to do with it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn judge(
        self,
        archive: &dyn Archive,
        catalogue: &Catalogue,
        expected: &[Register],
    ) -> Result<Judge, Failure> {
        let (policy, by) = match self {
            Self::Policy(policy) => (policy.audit.clone(), By::Policy(policy)),
            Self::Key { key, withholding } => {
                let pins = pinned::find(archive, catalogue, &key)?;
                let policy = audit::Policy {
                    log_prefix: pinned::log_prefix(archive, &pins)?,
                    required: Vec::new(),
                    withholding_keys: withholding,
                    witnesses: None,
                    witnesses_min: 0,
                    accepted_ends: Vec::new(),
                    scope: Scope::Part,
                    range: None,
                };
                (policy, By::Key { key, pins })
            }
        };
        Ok(Judge { policy, data_keys: None, by, expected: expected.to_vec() })
    }
}

impl Judge {
    /// Leaves out what the command line leaves out: it is not missed.
    pub(super) fn narrow(&mut self, wanted: &Wanted, range: Option<SeqRange>, part: bool) {
        self.policy.range = range;
        if part || wanted.instance.is_some() || wanted.epoch.is_some() {
            self.policy.scope = Scope::Part;
        }
        if part {
            self.policy.required.clear();
        }
        if let Some(only) = wanted.ledger {
            self.policy.required.retain(|kind: &LedgerKind| *kind == only);
        }
    }

    /// The keys of an epoch, or the cause why there is none to believe.
    ///
    /// # Errors
    /// When a file cannot be read, or the policy accepts nothing.
    pub(super) fn keys(
        &self,
        archive: &dyn Archive,
        instance: &Instance,
        epoch: EpochId,
    ) -> Result<Result<Believed, Cause>, Failure> {
        match &self.by {
            By::Policy(policy) => {
                let attested = match epochs::attest(archive, instance, epoch, policy)? {
                    Ok(attested) => attested,
                    Err(cause) => return Ok(Err(cause)),
                };
                let found = attested.epoch.claims.measurement();
                // One that does not say it was made before the time at which others saw it.
                let attested_ms = attested.epoch.claims.signed_time.map(Time::unix_ms);
                let keys = attested.keys;
                Ok(self.measured(Some(found)).map(|()| Believed {
                    keys,
                    checkpoints: true,
                    attested_ms,
                    evidence_sha256: Some(attested.evidence_sha256),
                }))
            }
            By::Key { pins, .. } => {
                let Some(Some(pinned)) = pins.get(&(instance.clone(), epoch)) else {
                    return Ok(Err(pinned::refusal(pins)));
                };
                let said = pinned.open.as_ref().and_then(|open| open.measurement.parse().ok());
                Ok(self.measured(said).map(|()| Believed {
                    keys: pinned.keys.clone(),
                    checkpoints: pinned.checkpoints,
                    attested_ms: None,
                    evidence_sha256: None,
                }))
            }
        }
    }

    /// What whoever reads the report must know about these keys.
    pub(super) fn notes(&self) -> Vec<String> {
        let By::Key { key, pins } = &self.by else { return Vec::new() };
        let mut notes = vec![format!(
            "the key with SHA-256 {} is believed because it was given; whether it is that of a \
             TEE, and of which code, was not checked",
            key.id()
        )];
        for ((instance, epoch), pinned) in pins {
            let Some(pinned) = pinned else { continue };
            match &pinned.open {
                Some(open) => notes.push(format!(
                    "{instance}/{epoch} says of itself: TEE {}, measurement {}",
                    open.tee, open.measurement
                )),
                None => notes.push(format!(
                    "the first record of {instance}/{epoch} is not here, so neither its TEE nor \
                     its measurement is known"
                )),
            }
            if !pinned.checkpoints {
                notes.push(format!(
                    "the key of the checkpoints of {instance}/{epoch} is not known, so none was \
                     looked at"
                ));
            }
        }
        notes
    }

    fn measured(&self, found: Option<Register>) -> Result<(), Cause> {
        if self.expected.is_empty() {
            return Ok(());
        }
        match found {
            Some(found) if self.expected.contains(&found) => Ok(()),
            Some(found) => {
                let detail = format!("it is {found}, which --expect-measurement does not name");
                Err(Cause::MeasurementRefused { detail })
            }
            None => {
                let detail = "the record that names its measurement is not here".to_owned();
                Err(Cause::EvidenceAbsent { detail })
            }
        }
    }
}
