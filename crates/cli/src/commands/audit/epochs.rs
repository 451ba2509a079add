//! The evidence of an epoch: from the archive's files to keys that may be believed, or to the
//! finding why not.
//!
//! Evidence is judged at its own time, or at the earliest that others show where it has none; the
//! collateral is that which was kept beside it, or else the policy's.

mod dated;

use std::io::Read;

use lucarne_archive::name::{EpochFile, EpochName};
use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_attest::{
    At, Class, CollateralFiles, EpochKeys, Exhibit, Expect, Format, Rejected, Time,
};
use lucarne_ledger::audit::AttestedKeys;
use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::batch::EpochKey;
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::key::PublicKey;

use super::catalogue::unreadable;
use crate::failure::{Failure, chain};
use lucarne_gateway::policy::Policy;

/// An epoch whose evidence was accepted.
#[derive(Debug)]
pub(in crate::commands) struct Attested {
    /// What its ledgers are checked with.
    pub(in crate::commands) keys: AttestedKeys,
    /// What its evidence says.
    pub(in crate::commands) epoch: EpochKeys,
    /// SHA-256 of that.
    pub(in crate::commands) evidence_sha256: Hash,
}

/// Evidence and bindings are a few KiB; what is longer is neither.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Judges the evidence of an epoch at its own time, or gives the cause why its key is not believed.
///
/// # Errors
/// When a file cannot be read, or the policy itself accepts nothing.
pub(in crate::commands) fn attest(
    archive: &dyn Archive,
    instance: &Instance,
    epoch: EpochId,
    policy: &Policy,
) -> Result<Result<Attested, Cause>, Failure> {
    attest_shown(archive, instance, epoch, policy, &|binding, evidence| {
        dated::shown_at(archive, policy, binding, evidence)
    })
}

/// When an epoch and the bytes of its evidence were there, if anything shows it.
type ShownAt<'a> = dyn Fn(&EpochBinding, &[u8]) -> Result<Option<Time>, Failure> + 'a;

/// The same, where something else than the archive may show when evidence was there that does not
/// say so itself.
///
/// # Errors
/// When a file cannot be read, or the policy itself accepts nothing.
pub(super) fn attest_shown(
    archive: &dyn Archive,
    instance: &Instance,
    epoch: EpochId,
    policy: &Policy,
    shown_at: &ShownAt<'_>,
) -> Result<Result<Attested, Cause>, Failure> {
    let read = |file| {
        let name = EpochName { instance: instance.clone(), epoch, file };
        read_file(archive, &Name::Epoch(name))
    };
    let (Some(evidence), Some(binding)) = (read(EpochFile::Evidence)?, read(EpochFile::Binding)?)
    else {
        let detail = "evidence.cbor or binding.cbor is not in the archive".to_owned();
        return Ok(Err(Cause::EvidenceAbsent { detail }));
    };
    let refused = |detail: String| Ok(Err(Cause::EvidenceRefused { detail }));
    let binding = match EpochBinding::from_cbor(&binding) {
        Ok(binding) => binding,
        Err(error) => return refused(chain(&error)),
    };
    let found = (&binding.instance, binding.epoch_id());
    if found != (instance, epoch) {
        return refused(format!("it is that of {}/{}", found.0, found.1));
    }
    let (mut collateral, mut shown) = (CollateralFiles::default(), None);
    if !Format::of(&evidence).has_time() {
        collateral = match read(EpochFile::Collateral)? {
            None => policy.terms().collateral_for(&evidence, &[]),
            Some(bytes) => match CollateralFiles::from_cbor(&bytes) {
                Ok(files) => files,
                Err(error) => return refused(format!("collateral.cbor: {}", chain(&error))),
            },
        };
        shown = shown_at(&binding, &evidence)?;
    }
    let exhibit = Exhibit { evidence: &evidence, collateral: &collateral, binding: &binding };
    judge(&exhibit, shown, policy)
}

fn judge(
    exhibit: &Exhibit<'_>,
    shown: Option<Time>,
    policy: &Policy,
) -> Result<Result<Attested, Cause>, Failure> {
    let refused = |detail: String| Ok(Err(Cause::EvidenceRefused { detail }));
    let accepts = policy.acceptance();
    match accepts.verify_epoch(exhibit, At::Replay { shown }, Expect::AnyNonce) {
        Ok(verified) => match keys(verified.get(), policy) {
            Some(keys) => Ok(Ok(Attested {
                keys,
                epoch: verified.into_inner(),
                evidence_sha256: Hash::of(exhibit.evidence),
            })),
            None => refused("the attested key is not one on P-256".to_owned()),
        },
        Err(error) if error.class() == Class::Policy => {
            Err(Failure::usage(format!("policy: {error}")))
        }
        Err(error @ Rejected::Undated { .. }) => {
            Ok(Err(Cause::EvidenceUndated { detail: chain(&error) }))
        }
        Err(error) if error.is_measurement() => {
            Ok(Err(Cause::MeasurementRefused { detail: chain(&error) }))
        }
        Err(error) if error.is_outage() => Ok(Err(Cause::EvidenceAbsent { detail: chain(&error) })),
        Err(error) => refused(chain(&error)),
    }
}

fn keys(epoch: &EpochKeys, policy: &Policy) -> Option<AttestedKeys> {
    Some(AttestedKeys {
        statement: EpochKey {
            instance: epoch.instance().clone(),
            epoch: epoch.epoch,
            key: PublicKey::from_spki(&epoch.binding.p256_spki).ok()?,
        },
        checkpoint: PublicKey::from_ed25519(&epoch.binding.ed25519),
        insecure: epoch.insecure() || policy.any_measurement,
    })
}

/// Reads a small object whole, if it is there.
pub(super) fn read_file(archive: &dyn Archive, name: &Name) -> Result<Option<Vec<u8>>, Failure> {
    match archive.open(name) {
        Ok(source) => read_all(source).map(Some),
        Err(ArchiveError::NotFound { .. }) => Ok(None),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Reads a small object whole. One that is too long is cut: it cannot verify.
pub(super) fn read_all(source: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    source
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|cause| Failure::unreadable("read the archive", &cause))?;
    Ok(bytes)
}
