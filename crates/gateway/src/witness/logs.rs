//! Which logs a witness knows: configured keys, and epochs that evidence vouches for.
//!
//! An epoch is enrolled by its evidence, of any kind that the policy accepts, and then known for
//! good; the evidence is kept and checked again whenever the process has forgotten it. Refused: any
//! origin for which nobody vouches.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lucarne_attest::{At, CollateralFiles, Exhibit, Expect, Time};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::checkpoint::origin;
use lucarne_ledger::identity::LedgerId;
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::key::ml_dsa::MlDsa44PublicKey;
use lucarne_ledger::note::NoteKey;
use lucarne_ledger::witness::{Enrolment, Refusal};

use super::AddError;
use super::enrolled::Enrolled;
use super::store::{Store, StoreError};
use crate::policy::{Policy, Terms};

/// The logs of a witness.
#[derive(Debug)]
pub struct Logs {
    known: Vec<NoteKey>,
    epochs: Option<Epochs>,
}

/// Epochs that are believed by a policy.
#[derive(Debug)]
pub struct Epochs {
    log_prefix: String,
    terms: Terms,
    // bindings that were verified, by epoch in hex
    verified: Mutex<HashMap<String, EpochBinding>>,
}

/// Bindings remembered; who has more boots than this between two requests pays for a check again.
const VERIFIED_MAX: usize = 4096;

impl Epochs {
    /// None yet.
    pub fn new(policy: Policy) -> Self {
        let terms = policy.terms();
        Self { log_prefix: policy.audit.log_prefix, terms, verified: Mutex::default() }
    }

    /// The ledger that an origin names, if it has the form of ours.
    fn ledger(&self, text: &str) -> Option<LedgerId> {
        let prefix = &self.log_prefix;
        let rest = text.strip_prefix(prefix.as_str())?.strip_prefix('/')?;
        let (instance, rest) = rest.split_once('/')?;
        let (epoch, kind) = rest.split_once('/')?;
        let id = LedgerId {
            instance: instance.parse().ok()?,
            epoch: epoch.parse().ok()?,
            kind: kind.parse().ok()?,
        };
        (origin(prefix, &id) == text).then_some(id)
    }

    fn binding(&self, id: &LedgerId, store: &Store) -> Result<Option<EpochBinding>, AddError> {
        let name = id.epoch.to_string();
        if let Some(binding) = self.remembered(&name) {
            return Ok(Some(binding).filter(|binding| binding.instance == id.instance));
        }
        let Some(bytes) = store.epoch(&name).map_err(AddError::Store)? else { return Ok(None) };
        // What was kept was believed when it came; a disk that changed it is noticed here.
        let damaged = |_| AddError::Store(StoreError::Damaged { name: name.clone() });
        let enrolled = Enrolled::from_bytes(&bytes).map_err(damaged)?;
        let Some(used) = enrolled.collateral() else {
            return Err(AddError::Store(StoreError::Damaged { name }));
        };
        let enrolment = enrolled.enrolment;
        let kept = self.verify(&enrolment, &used, enrolled.at)?;
        if kept != name {
            return Err(AddError::Store(StoreError::Damaged { name }));
        }
        self.remember(kept, &enrolment.binding);
        Ok(Some(enrolment.binding).filter(|binding| binding.instance == id.instance))
    }

    /// The epoch that evidence vouches for: at its own time, or else at the one at which it came.
    fn verify(
        &self,
        enrolment: &Enrolment,
        collateral: &CollateralFiles,
        shown: Option<Time>,
    ) -> Result<String, AddError> {
        let Enrolment { binding, evidence, .. } = enrolment;
        let nonce = Expect::Nonce(binding.nonce);
        let exhibit = Exhibit { evidence, collateral, binding };
        let keys = self.terms.accepts.verify_epoch(&exhibit, At::Replay { shown }, nonce);
        Ok(keys.map_err(AddError::Evidence)?.into_inner().epoch.to_string())
    }

    /// What there is to verify an enrolment with: what came along, then the policy's files.
    fn collateral_for(&self, enrolment: &Enrolment) -> Result<CollateralFiles, AddError> {
        let Some(bytes) = &enrolment.collateral else {
            return Ok(self.terms.collateral_for(&enrolment.evidence, &[]));
        };
        let malformed = |_| AddError::Refused(Refusal::Malformed);
        let came = CollateralFiles::from_cbor(bytes).map_err(malformed)?;
        Ok(self.terms.collateral_with(&enrolment.evidence, came))
    }

    fn remembered(&self, epoch: &str) -> Option<EpochBinding> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(epoch).cloned()
    }

    fn remember(&self, epoch: String, binding: &EpochBinding) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= VERIFIED_MAX {
            verified.clear();
        }
        verified.insert(epoch, binding.clone());
    }
}

impl Logs {
    /// These keys, and the epochs that a policy believes.
    pub const fn new(known: Vec<NoteKey>, epochs: Option<Epochs>) -> Self {
        Self { known, epochs }
    }

    /// The keys of the log with this origin; `None` when nobody vouches for it.
    pub(super) fn keys(
        &self,
        origin: &str,
        store: &Store,
    ) -> Result<Option<Vec<NoteKey>>, AddError> {
        let known: Vec<NoteKey> =
            self.known.iter().filter(|key| key.name() == origin).cloned().collect();
        if !known.is_empty() {
            return Ok(Some(known));
        }
        let Some(epochs) = &self.epochs else { return Ok(None) };
        let Some(id) = epochs.ledger(origin) else { return Ok(None) };
        let binding = epochs.binding(&id, store)?;
        Ok(binding.map(|binding| keys_of(&binding, origin)))
    }

    /// Believes the evidence of an epoch, or not; on return it is durable.
    pub(super) fn enrol(
        &self,
        enrolment: &Enrolment,
        now: Time,
        store: &Store,
    ) -> Result<(), AddError> {
        let epochs = self.epochs.as_ref().ok_or(AddError::Refused(Refusal::UnknownOrigin))?;
        let used = epochs.collateral_for(enrolment)?;
        let name = epochs.verify(enrolment, &used, Some(now))?;
        let enrolled = Enrolled::new(enrolment, &used, now);
        store.keep_epoch(&name, &enrolled.to_bytes()).map_err(AddError::Store)?;
        epochs.remember(name, &enrolment.binding);
        Ok(())
    }
}

/// The keys with which an epoch signs checkpoints of this origin.
pub(crate) fn keys_of(binding: &EpochBinding, origin: &str) -> Vec<NoteKey> {
    let mut keys = vec![NoteKey::new(origin, PublicKey::from_ed25519(&binding.ed25519))];
    keys.extend(PublicKey::from_spki(&binding.p256_spki).map(|key| NoteKey::new(origin, key)));
    let post_quantum = binding.mldsa44.as_deref().map(MlDsa44PublicKey::from_bytes);
    keys.extend(post_quantum.and_then(Result::ok).map(|key| NoteKey::ml_dsa_44(origin, key)));
    keys
}
