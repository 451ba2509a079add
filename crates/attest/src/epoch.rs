//! Epochs: evidence that vouches for the keys of one boot of an instance.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::identity::{EpochId, Instance};

use crate::claims::Claims;
use crate::policy::Policy;
use crate::rejected::Rejected;
use crate::verified::Verified;
use crate::verify::{Expect, When, verify};

/// The keys of an epoch, with the evidence that vouches for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EpochKeys {
    /// Name of the epoch, from the digest of `binding`.
    pub epoch: EpochId,
    /// Keys, instance, and digests of what the epoch runs with.
    pub binding: EpochBinding,
    /// What the evidence says; `claims.insecure` belongs in every verdict under these keys.
    pub claims: Claims,
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
/// the binding make each epoch another. Evidence made on a connection answers the one that was
/// sent.
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
    let claims = verify(evidence, policy, when, nonce)?.into_inner();
    let bound = claims.user_data.as_deref().ok_or(Rejected::BindingMissing)?;
    verify_slices_are_equal(bound, &binding.digest()).map_err(|_| Rejected::BindingDiffers)?;
    match claims.public_key.as_deref() {
        None => return Err(Rejected::PublicKeyMissing),
        Some(key) if key != binding.p256_spki => return Err(Rejected::PublicKeyDiffers),
        Some(_) => {}
    }
    let epoch = binding.epoch_id();
    Ok(Verified::assertion(EpochKeys { epoch, binding: binding.clone(), claims }))
}
