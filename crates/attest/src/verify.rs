//! The verdict on a piece of evidence, and the order in which its parts are judged.
//!
//! First form, then who signed, then when, then what the policy asks for. A reason given is thus as
//! strong as it can be: what is refused for its time or its measurement is genuine.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use lucarne_ledger::hash::Hash;

use crate::claims::Claims;
use crate::nitro::chain::Chain;
use crate::nitro::document::Document;
use crate::nitro::envelope::Envelope;
use crate::policy::{DebugMode, Kind, Measurements, Policy};
use crate::register::Register;
use crate::rejected::Rejected;
use crate::revocation::Revoked;
use crate::time::Time;
use crate::verified::Verified;

/// The time at which evidence is judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// Now: the chain must hold now and the evidence must be fresh.
    Live {
        /// The verifier's clock. Clocks may differ by [`CLOCK_SKEW_MS`].
        now: Time,
        /// Greatest age of the evidence in milliseconds, inclusive.
        age_max_ms: u64,
    },
    /// When it was made, by its own signed time: for an auditor long after the chain has expired.
    ///
    /// Says nothing about freshness. That the evidence existed then, something else must show.
    Replay,
}

/// The nonce that evidence must answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// This one. The caller uses each nonce once.
    Nonce([u8; 32]),
    /// Any or none: freshness comes from elsewhere, such as the nonce in an epoch binding.
    AnyNonce,
}

/// How far the clocks of verifier and evidence device may differ, before evidence is from the
/// future. Machines without time synchronisation are minutes off; a Nitro leaf lives three hours.
pub const CLOCK_SKEW_MS: u64 = 300_000;

/// Verifies evidence in full.
///
/// # Errors
/// The first reason not to believe it, in the order form, signatures, time, policy.
pub fn verify(
    evidence: &[u8],
    policy: &Policy,
    when: When,
    nonce: Expect,
) -> Result<Verified<Claims>, Rejected> {
    verify_unless_revoked(evidence, policy, when, nonce, &[])
}

/// Verifies evidence in full, and that no certificate in its chain is one of these.
///
/// # Errors
/// The first reason not to believe it, in the order form, signatures, revocations, time, policy.
pub fn verify_unless_revoked(
    evidence: &[u8],
    policy: &Policy,
    when: When,
    nonce: Expect,
    revoked: &[Revoked],
) -> Result<Verified<Claims>, Rejected> {
    check_usable(policy)?;
    let envelope = Envelope::parse(evidence)?;
    let document = Document::parse(envelope.payload)?;

    let chain = Chain::authenticate(&document, &policy.roots)?;
    let signed_part = envelope.signed_part();
    envelope.check_signature(&signed_part, chain.leaf.point)?;

    chain.check_not_revoked(revoked)?;
    let judged_at = judged_at(document.time, when)?;
    chain.check_at(judged_at)?;

    let debug = is_debug(&document);
    check_policy(&document, policy, debug, judged_at)?;
    check_nonce(document.nonce, nonce)?;

    let kind = chain.root.kind();
    Ok(Verified::assertion(Claims {
        kind,
        root: chain.root.fingerprint(),
        insecure: debug || kind == Kind::Software,
        debug,
        module_id: document.module_id.into(),
        time: document.time,
        judged_at,
        public_key: document.public_key.map(Into::into),
        user_data: document.user_data.map(Into::into),
        nonce: document.nonce.map(Into::into),
        identity: Hash::of(&signed_part),
        leaf_not_before: chain.leaf.not_before,
        leaf_not_after: chain.leaf.not_after,
        valid_until: chain.not_after(),
        pcrs: document.pcrs,
    }))
}

/// A policy that can accept nothing says so, whatever the evidence is.
fn check_usable(policy: &Policy) -> Result<(), Rejected> {
    if policy.roots.is_empty() {
        return Err(Rejected::NoRoots);
    }
    match &policy.measurements {
        Measurements::OneOf(list) if list.is_empty() => Err(Rejected::NoMeasurements),
        Measurements::OneOf(_) | Measurements::Baseline(_) | Measurements::DangerAny => Ok(()),
    }
}

fn judged_at(document: Time, when: When) -> Result<Time, Rejected> {
    let (now, age_max_ms) = match when {
        When::Replay => return Ok(document),
        When::Live { now, age_max_ms } => (now, age_max_ms),
    };
    if document.ms_since(now) > CLOCK_SKEW_MS {
        return Err(Rejected::FromTheFuture { document, now });
    }
    let age_ms = now.ms_since(document);
    if age_ms > age_max_ms {
        return Err(Rejected::Stale { document, age_ms, age_max_ms });
    }
    // A leaf born a moment ago by the device's clock is valid even when ours is a little slow.
    Ok(now.max(document))
}

/// PCR0 to 2 are zero, or not there at all: nothing was measured.
fn is_debug(document: &Document<'_>) -> bool {
    [0, 1, 2].iter().all(|index| document.pcrs.get(index).is_none_or(|pcr| *pcr == Register::ZERO))
}

fn check_policy(
    document: &Document<'_>,
    policy: &Policy,
    debug: bool,
    judged_at: Time,
) -> Result<(), Rejected> {
    if debug && policy.debug == DebugMode::Refuse {
        return Err(Rejected::DebugMode);
    }
    let list = match &policy.measurements {
        Measurements::DangerAny => return Ok(()),
        Measurements::Baseline(authority) => {
            return authority.check(&document.pcrs, judged_at);
        }
        Measurements::OneOf(list) => list,
    };
    let differences = list.iter().map(|accepted| accepted.differences(&document.pcrs));
    let closest = differences.min_by_key(alloc::vec::Vec::len).ok_or(Rejected::NoMeasurements)?;
    if closest.is_empty() { Ok(()) } else { Err(Rejected::Measurement { differences: closest }) }
}

fn check_nonce(found: Option<&[u8]>, expect: Expect) -> Result<(), Rejected> {
    let wanted = match expect {
        Expect::AnyNonce => return Ok(()),
        Expect::Nonce(wanted) => wanted,
    };
    let found = found.ok_or(Rejected::NonceMissing)?;
    verify_slices_are_equal(found, &wanted).map_err(|_| Rejected::NonceDiffers)
}

#[cfg(test)]
mod tests;
