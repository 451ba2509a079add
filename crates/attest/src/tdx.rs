//! TDX: quotes of Intel's trust domains, with the collateral that says what they are worth.
//!
//! Form first, then who signed the quote and the collateral, then when, then the TD, the machine
//! and what was asked for. What is refused for its time or its state is thus genuine. Everything is
//! computed with the one cryptographic library; `dcap-qvl`, the other reader of these formats, was
//! not used because it would bring a second one into what relying parties link.
//!
//! Nothing is fetched, and missing collateral is an error of the caller, never a check left out.
//! Event logs are not replayed: the registers themselves are compared.

mod certificate;
mod chain;
mod claims;
mod collateral;
mod crl;
mod intel;
mod pem;
mod platform;
mod policy;
mod quote;
mod rejected;
mod tcb;
mod tcb_info;
mod td;

use alloc::vec::Vec;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
pub use claims::Claims;
pub use collateral::{Collateral, CollateralError, PcsFiles};
use lucarne_ledger::hash::Hash;
pub use platform::Platform;
pub use policy::{
    INTEL_SGX_ROOT, Measurement, MeasurementError, Measurements, Permit, Policy, RegisterName,
};
pub use rejected::{
    CertificateFault, Difference, DocumentFault, Part, Place, PlatformFault, PlatformFlag, QeField,
    Rejected, Source,
};
pub use tcb::{Component, Shortfall, Tcb, TcbStatus};

use crate::baseline::Standing;
use crate::register::Fingerprint;
use crate::revocation::Revoked;
use crate::time::Time;
use crate::verified::Verified;
use chain::Chain;
use crl::RevocationList;
use intel::Intel;
use quote::Quote;
use tcb_info::{QeIdentity, TcbInfo};

/// The report data that a quote must be about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// These 64 bytes, compared in constant time.
    ReportData([u8; 64]),
    /// Any: the caller compares the claims with something afterwards.
    AnyReportData,
}

/// Verifies a quote in full, as of one time.
///
/// A quote carries no time of its own. Live, `now` is the verifier's clock; in replay it is the
/// earliest time that something else proves for the quote, with the collateral of that day.
///
/// # Errors
/// The first reason not to believe it, in the order form, signatures, time, TD, machine, request.
pub fn verify(
    quote: &[u8],
    collateral: &Collateral,
    policy: &Policy,
    now: Time,
    expect: Expect,
) -> Result<Verified<Claims>, Rejected> {
    verify_unless_revoked(quote, collateral, policy, now, expect, &[])
}

/// Verifies a quote in full, and that no certificate of its key is one of these.
///
/// # Errors
/// The first reason not to believe it, in the order form, signatures, time, TD, machine, request.
pub fn verify_unless_revoked(
    quote: &[u8],
    collateral: &Collateral,
    policy: &Policy,
    now: Time,
    expect: Expect,
    revoked: &[Revoked],
) -> Result<Verified<Claims>, Rejected> {
    check_usable(policy)?;
    let quote = Quote::parse(quote)?;
    let certificates = chain::read_pem(quote.chain, Place::Pck)?;
    let pck = Chain::of_pck(&certificates, &policy.roots)?;
    check_signatures(&quote, &pck)?;
    let platform = platform(&pck)?;

    let intel = Intel::authenticate(collateral, &pck, &policy.roots)?;
    let (holds_until, holds_until_by) = intel.check_at(&pck, now)?;
    intel.check_revocation(&pck)?;
    pck.check_not_revoked(revoked)?;

    td::check(&quote.body, policy)?;
    let (tcb, tcb_now) = intel.check_machine(&quote, &platform, policy)?;
    let claims = Claims {
        root: Fingerprint::of(pck.root.der),
        version: quote.version,
        identity: quote.identity(),
        judged_at: now,
        holds_until,
        holds_until_by,
        mr_td: quote.body.mr_td,
        rtmr: quote.body.rtmr,
        mr_config_id: quote.body.mr_config_id,
        mr_owner: quote.body.mr_owner,
        mr_owner_config: quote.body.mr_owner_config,
        mr_seam: quote.body.mr_seam,
        mr_signer_seam: quote.body.mr_signer_seam,
        mr_service_td: quote.body.later.map(|later| later.mr_service_td),
        td_attributes: quote.body.td_attributes,
        xfam: quote.body.xfam,
        report_data: quote.body.report_data,
        tcb,
        tcb_now,
        platform,
        evaluation_number: intel.info.evaluation_number.min(intel.qe.evaluation_number),
    };
    check_measurement(&claims, &policy.measurements)?;
    check_report_data(&claims.report_data, expect)?;
    Ok(Verified::assertion(claims))
}

/// A policy that can accept nothing says so, whatever the quote is.
fn check_usable(policy: &Policy) -> Result<(), Rejected> {
    if policy.roots.is_empty() {
        return Err(Rejected::NoRoots);
    }
    match &policy.measurements {
        Measurements::OneOf(list) if list.is_empty() => Err(Rejected::NoMeasurements),
        Measurements::OneOf(_) | Measurements::Baseline(_) | Measurements::DangerAny => Ok(()),
    }
}

/// PCK signs the quoting enclave, the quoting enclave vouches for a key, the key signs the quote.
fn check_signatures(quote: &Quote<'_>, pck: &Chain<'_>) -> Result<(), Rejected> {
    let (_, leaf) = &pck.leaf;
    if !signed_raw(leaf.point, quote.qe_report.signed, &quote.qe_signature) {
        return Err(Rejected::QeSignature);
    }
    let mut bound = [0; 64];
    let bound_key = Hash::of(&[&quote.key[..], quote.qe_auth].concat());
    bound.iter_mut().zip(bound_key.0).for_each(|(byte, hash)| *byte = hash);
    if quote.qe_report.report_data != bound {
        return Err(Rejected::QeBinding);
    }
    let point = [&[UNCOMPRESSED][..], &quote.key].concat();
    if signed_raw(&point, quote.signed, &quote.signature) {
        Ok(())
    } else {
        Err(Rejected::Signature)
    }
}

fn signed_raw(point: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
}

fn platform(pck: &Chain<'_>) -> Result<Platform, Rejected> {
    let (_, leaf) = &pck.leaf;
    let described = leaf.sgx.ok_or(PlatformFault::Missing).and_then(Platform::parse);
    described.map_err(|fault| Rejected::Platform { fault })
}

fn check_measurement(claims: &Claims, measurements: &Measurements) -> Result<(), Rejected> {
    let list = match measurements {
        Measurements::DangerAny => return Ok(()),
        Measurements::Baseline(authority) => {
            return match authority.standing(&claims.registers(), claims.judged_at) {
                Standing::Authorised { .. } => Ok(()),
                standing => Err(Rejected::NotAuthorised { standing }),
            };
        }
        Measurements::OneOf(list) => list,
    };
    let differences = list.iter().map(|measurement| {
        let registers = measurement.registers();
        let compared = registers.map(|(register, want)| Difference {
            register,
            want,
            got: claims.register(register),
        });
        compared.filter(|compared| compared.want != compared.got).collect::<Vec<_>>()
    });
    let closest = differences.min_by_key(Vec::len).ok_or(Rejected::NoMeasurements)?;
    if closest.is_empty() { Ok(()) } else { Err(Rejected::Measurement { differences: closest }) }
}

fn check_report_data(found: &[u8; 64], expect: Expect) -> Result<(), Rejected> {
    match expect {
        Expect::AnyReportData => Ok(()),
        Expect::ReportData(wanted) => {
            verify_slices_are_equal(found, &wanted).map_err(|_| Rejected::ReportData)
        }
    }
}

/// Reads the bytes as collateral in one file, and whatever a quote would make of it.
pub(crate) fn fuzz_collateral(bytes: &[u8]) {
    drop(TcbInfo::parse(bytes));
    drop(QeIdentity::parse(bytes));
    drop(RevocationList::parse(bytes));
    drop(Platform::parse(bytes));
    if let Ok(collateral) = Collateral::from_bundle(bytes) {
        let roots = collateral.tcb_info.chain.iter().map(|der| Fingerprint::of(der)).collect();
        let policy = Policy::strict(roots, Measurements::DangerAny);
        for (document, place, source) in [
            (&collateral.tcb_info, Place::TcbInfoSigner, Source::TcbInfo),
            (&collateral.qe_identity, Place::QeIdentitySigner, Source::QeIdentity),
        ] {
            drop(intel::signer(document, place, source, &policy.roots));
            fuzz_collateral_parts(&document.body);
        }
        fuzz_collateral_parts(&collateral.root_crl);
        fuzz_collateral_parts(&collateral.pck_crl);
    }
}

fn fuzz_collateral_parts(bytes: &[u8]) {
    drop(TcbInfo::parse(bytes));
    drop(QeIdentity::parse(bytes));
    drop(RevocationList::parse(bytes));
}

/// Reads the bytes as a quote, under the root that it brings along, as far as a quote goes alone.
pub(crate) fn fuzz_quote(bytes: &[u8]) {
    let Ok(quote) = Quote::parse(bytes) else { return };
    let Ok(certificates) = chain::read_pem(quote.chain, Place::Pck) else { return };
    let roots: Vec<_> = certificates.iter().map(|der| Fingerprint::of(der)).collect();
    if let Ok(pck) = Chain::of_pck(&certificates, &roots) {
        drop(check_signatures(&quote, &pck));
        drop(platform(&pck));
        drop(pck.check_path(Time::from_unix_ms(1_750_400_000_000)));
    }
}

const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests;
