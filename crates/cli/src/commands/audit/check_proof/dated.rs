//! The time of evidence in a bundle that does not say it itself: the earliest word of others over
//! the bundle's checkpoint.
//!
//! It counts only where the bundle has the ledger's first record, proven to lie below that very
//! checkpoint's ledger and to name the evidence by its digest. Without the opening, evidence could
//! have been made at any later time, and nothing is said.

use lucarne_attest::Time;
use lucarne_gateway::policy::Policy;
use lucarne_ledger::audit::AttestedKeys;
use lucarne_ledger::batch::EpochKey;
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::checkpoint::origin;
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::note::NoteKey;
use lucarne_ledger::proof_bundle::{ProofBundle, Proven};

use super::not_proven;
use crate::commands::audit::stamps;
use crate::failure::Failure;

/// When others show the evidence of this binding to have existed; nothing if nobody does.
///
/// The keys are those that the evidence is yet to vouch for: who has them signed the checkpoint,
/// and whether they are the epoch's is judged next, at this time.
///
/// # Errors
/// When the bundle contradicts itself.
pub(super) fn shown_at(
    bundle: &ProofBundle,
    binding: &EpochBinding,
    policy: &Policy,
) -> Result<Option<Time>, Failure> {
    let Ok(key) = PublicKey::from_spki(&binding.p256_spki) else { return Ok(None) };
    let (instance, epoch) = (binding.instance.clone(), binding.epoch_id());
    let keys = AttestedKeys {
        statement: EpochKey { instance, epoch, key },
        checkpoint: PublicKey::from_ed25519(&binding.ed25519),
        insecure: true,
    };
    let proven = bundle.verify(&keys, &policy.audit.log_prefix);
    let proven = proven.map_err(|error| not_proven(&error))?;
    if proven.opened().is_none() {
        return Ok(None);
    }
    let stamped = proven
        .stamped()
        .filter_map(|(note, response)| stamps::said(response, note, &policy.stamp_roots).ok());
    let earliest = stamped.chain(cosigned(bundle, &proven, &keys, policy)).min();
    Ok(earliest.map(Time::from_unix_ms))
}

/// When a quorum of the policy's witnesses had seen the checkpoint.
fn cosigned(
    bundle: &ProofBundle,
    proven: &Proven<'_>,
    keys: &AttestedKeys,
    policy: &Policy,
) -> Option<u64> {
    let witnesses = policy.audit.witnesses.as_ref()?;
    let name = origin(&policy.audit.log_prefix, &proven.statement().ledger);
    let logs = [&keys.statement.key, &keys.checkpoint].map(|key| NoteKey::new(&name, key.clone()));
    let said = witnesses.judge(&bundle.checkpoint, &logs).ok()?;
    let oldest_s = said.oldest_s().filter(|_| said.is_quorum())?;
    Some(oldest_s.saturating_mul(1_000))
}
