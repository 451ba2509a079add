//! Epochs: evidence that vouches for the keys of one boot of an instance.
//!
//! What is said of an epoch is the same for every kind of evidence; what only one kind says stays
//! in the claims of that kind.

use alloc::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::report_data::{ChannelEnd, ReportData};

use crate::claims::Claims;
use crate::policy::{Kind, Policy};
use crate::register::Register;
use crate::rejected::Rejected;
use crate::revocation::Revoked;
use crate::time::Time;
use crate::verified::Verified;
use crate::verify::{Expect, When, verify_unless_revoked};
use crate::{snp, tdx};

/// The keys of an epoch, with the evidence that vouches for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EpochKeys {
    /// Name of the epoch, from the digest of `binding`.
    pub epoch: EpochId,
    /// Keys, instance, and digests of what the epoch runs with.
    pub binding: EpochBinding,
    /// What the evidence says; `claims.insecure` belongs in every verdict under these keys.
    pub claims: EpochClaims,
}

/// What evidence of any kind says about the machine of an epoch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EpochClaims {
    /// What sort of machine it is.
    pub kind: Kind,
    /// Whether nothing protects it. Show it in every verdict.
    pub insecure: bool,
    /// When the evidence was made by its own signed word, which quotes and reports do not have.
    pub signed_time: Option<Time>,
    /// When it was judged; for a replay the time it is shown to have existed at.
    pub judged_at: Time,
    /// Measurement registers by number. Nitro: PCRs. TDX: MRTD, then RTMR0 to RTMR3. SNP: the
    /// launch measurement. Register 0 stands for the whole image in each.
    pub registers: BTreeMap<u8, Register>,
    /// SHA-256 of the signed part: the identity of the evidence.
    pub identity: Hash,
    /// Until when the verdict holds: the first end of a certificate, a list or a document.
    pub holds_until: Time,
}

impl EpochClaims {
    /// Register 0; zero if the evidence has none.
    pub fn measurement(&self) -> Register {
        self.registers.get(&0).copied().unwrap_or(Register::ZERO)
    }

    /// When the evidence existed: by its own word, else as others show.
    pub const fn time(&self) -> Time {
        match self.signed_time {
            Some(time) => time,
            None => self.judged_at,
        }
    }

    fn of_nitro(claims: Claims) -> Self {
        Self {
            kind: claims.kind,
            insecure: claims.insecure,
            signed_time: Some(claims.time),
            judged_at: claims.judged_at,
            registers: claims.pcrs,
            identity: claims.identity,
            holds_until: claims.valid_until,
        }
    }

    pub(crate) fn of_tdx(claims: &tdx::Claims) -> Self {
        Self {
            kind: Kind::Tdx,
            insecure: claims.insecure(),
            signed_time: None,
            judged_at: claims.judged_at,
            registers: claims.registers(),
            identity: claims.identity,
            holds_until: claims.holds_until,
        }
    }

    pub(crate) fn of_snp(claims: &snp::Claims) -> Self {
        Self {
            kind: Kind::Snp,
            insecure: claims.insecure,
            signed_time: None,
            judged_at: claims.judged_at,
            registers: BTreeMap::from([(0, claims.measurement)]),
            identity: claims.identity,
            holds_until: claims.valid_until,
        }
    }
}

impl EpochKeys {
    /// The workload that the epoch is a boot of.
    pub const fn instance(&self) -> &Instance {
        &self.binding.instance
    }

    /// Whether nothing protects these keys: a software TEE, or debug mode.
    pub const fn insecure(&self) -> bool {
        self.claims.insecure
    }
}

/// Verifies evidence in full, and that it vouches for this binding and its P-256 key.
///
/// Evidence of the boot answers no nonce of ours: ask for [`Expect::AnyNonce`] and let the nonce in
/// the binding make each epoch another.
///
/// # Errors
/// The first reason not to believe it.
pub fn verify_epoch(
    evidence: &[u8],
    binding: &EpochBinding,
    policy: &Policy,
    when: When,
    nonce: Expect,
) -> Result<Verified<EpochKeys>, Rejected> {
    verify(evidence, binding, policy, (when, nonce), &ReportData::epoch(binding), &[])
}

/// Verifies fresh evidence in full: that it was made for this binding in answer to this nonce.
///
/// It is not the evidence of the boot and cannot stand in for it: its report data has another
/// purpose.
///
/// # Errors
/// The first reason not to believe it.
pub fn verify_fresh(
    evidence: &[u8],
    binding: &EpochBinding,
    policy: &Policy,
    when: When,
    nonce: [u8; 32],
) -> Result<Verified<EpochKeys>, Rejected> {
    verify(
        evidence,
        binding,
        policy,
        (when, Expect::Nonce(nonce)),
        &ReportData::monitor(binding, &nonce),
        &[],
    )
}

/// Verifies evidence of the attested channel in full: that it was made for this binding and this
/// end of this very connection, in answer to the client's nonce.
///
/// # Errors
/// The first reason not to believe it.
pub fn verify_channel(
    evidence: &[u8],
    binding: &EpochBinding,
    policy: &Policy,
    when: When,
    end: &ChannelEnd<'_>,
) -> Result<Verified<EpochKeys>, Rejected> {
    verify(
        evidence,
        binding,
        policy,
        (when, Expect::Nonce(*end.client_nonce)),
        &ReportData::channel(binding, end),
        &[],
    )
}

/// Verifies evidence of the Nitro format, and that it carries this report data for this binding.
pub(crate) fn verify(
    evidence: &[u8],
    binding: &EpochBinding,
    policy: &Policy,
    (when, nonce): (When, Expect),
    data: &ReportData,
    revoked: &[Revoked],
) -> Result<Verified<EpochKeys>, Rejected> {
    let claims = verify_unless_revoked(evidence, policy, when, nonce, revoked)?.into_inner();
    check_bound(&claims, binding, data)?;
    let (epoch, claims) = (binding.epoch_id(), EpochClaims::of_nitro(claims));
    Ok(Verified::assertion(EpochKeys { epoch, binding: binding.clone(), claims }))
}

fn check_bound(
    claims: &Claims,
    binding: &EpochBinding,
    expected: &ReportData,
) -> Result<(), Rejected> {
    let bound = claims.user_data.as_deref().ok_or(Rejected::BindingMissing)?;
    verify_slices_are_equal(bound, expected.as_bytes()).map_err(|_| Rejected::BindingDiffers)?;
    match claims.public_key.as_deref() {
        None => Err(Rejected::PublicKeyMissing),
        Some(key) if key != binding.p256_spki => Err(Rejected::PublicKeyDiffers),
        Some(_) => Ok(()),
    }
}
