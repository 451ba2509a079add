//! Reports of AMD SEV-SNP: what a guest's processor signs about it.
//!
//! A report, the certificates of its key and a policy in; claims or the one reason why not out. The
//! roots of AMD are part of the program and no other is ever used. Reports carry no time, so the
//! caller says at which one to judge: now, or for an audit the earliest time that something else
//! shows the report to have existed at. Freshness is in the report data, which the caller names.
//!
//! The order is form, who signed, when, policy; what is refused for its time or its measurement is
//! thus genuine. Not checked, and said as a [`Caveat`] or in the documentation: who has physical
//! access to the machine, and whether a nonce inside of the report data was used before.

mod certificate;
mod chain;
mod claims;
mod collateral;
mod extension;
mod policy;
mod product;
mod pss;
mod rejected;
mod report;
mod revocation;
mod tcb;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use self::chain::Chain;
use self::product::{AMD, Roots};
use self::report::Report;
use self::revocation::Revocations;
use crate::register::Fingerprint;
use crate::revocation::Revoked;
use crate::time::Time;
use crate::verified::Verified;

pub use claims::{Caveat, Claims};
pub use collateral::{CERTIFICATES_MAX, Collateral, NotCollateral};
pub use extension::Extension;
pub use policy::{Accepted, Allowance, Measurements, Need, Policy};
pub use product::Product;
pub use rejected::{CertificateFault, Field, Place, Protection, Rejected};
pub use report::{GuestPolicy, KeyClass, PlatformInfo, REPORT_BYTES};
pub use tcb::{Component, Level, Shortfall, Tcb};

/// The report data that a report must answer with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// These 64 bytes. A fresh nonce is part of what they are the digest of.
    ReportData([u8; 64]),
    /// Whatever they are. The claims must be compared with something afterwards.
    DangerAny,
}

/// Verifies a report in full, at the time `now`.
///
/// `report` is the 1,184 bytes that the firmware made (AMD 56860, table 23) and nothing else.
///
/// # Errors
/// The first reason not to believe it, in the order form, signatures, time, policy.
pub fn verify(
    report: &[u8],
    collateral: &Collateral,
    policy: &Policy,
    now: Time,
    expect: Expect,
) -> Result<Verified<Claims>, Rejected> {
    verify_unless_revoked(report, collateral, policy, now, expect, &[])
}

/// Verifies a report in full, and that no certificate of its key is one of these.
///
/// All keys of chips have the serial number 0, so naming one names all of that issuer.
///
/// # Errors
/// The first reason not to believe it, in the order form, signatures, time, policy.
pub fn verify_unless_revoked(
    report: &[u8],
    collateral: &Collateral,
    policy: &Policy,
    now: Time,
    expect: Expect,
    revoked: &[Revoked],
) -> Result<Verified<Claims>, Rejected> {
    verify_under(&AMD, report, collateral, policy, now, expect, revoked)
}

/// Everything that was read and found genuine.
struct Parts<'a> {
    report: Report<'a>,
    chain: Chain<'a>,
    tcb: Levels,
    revocations: Option<Revocations<'a>>,
}

/// The four versions of the firmware that a report names.
struct Levels {
    reported: Tcb,
    committed: Tcb,
    current: Tcb,
    launch: Tcb,
}

fn verify_under<'a>(
    roots: &Roots<'a>,
    report: &'a [u8],
    collateral: &'a Collateral,
    policy: &Policy,
    now: Time,
    expect: Expect,
    revoked: &[Revoked],
) -> Result<Verified<Claims>, Rejected> {
    policy.check_usable()?;
    let parts = Parts::authenticate(roots, report, collateral, &policy.insecure_roots)?;
    parts.chain.check_not_revoked(revoked)?;
    parts.chain.check_at(now)?;
    if let Some(revocations) = &parts.revocations {
        revocations.check_at(now)?;
    }
    let claims = Claims::new(&parts, policy, now, &expect);
    policy.check(&claims)?;
    match expect {
        Expect::ReportData(wanted) => verify_slices_are_equal(&claims.report_data, &wanted)
            .map_err(|_| Rejected::ReportData)?,
        Expect::DangerAny => {}
    }
    Ok(Verified::assertion(claims))
}

impl<'a> Parts<'a> {
    /// Reads a report and settles who signed it, without regard to time.
    fn authenticate(
        roots: &Roots<'a>,
        report: &'a [u8],
        collateral: &'a Collateral,
        insecure: &[Fingerprint],
    ) -> Result<Self, Rejected> {
        let report = Report::parse(report)?;
        let chain = Chain::authenticate(&report, collateral, roots, insecure)?;
        report.check_signature(chain.report_key)?;
        extension::check_tcb(&chain.leaf, &report, chain.product)?;
        extension::check_chip(&chain.leaf, &report, chain.product)?;
        let tcb = Levels::read(&report, chain.product)?;
        let read = |list: &'a _| {
            Revocations::parse(list).map_err(|fault| Rejected::RevocationForm { fault })
        };
        let revocations = collateral.revocation.as_deref().map(read).transpose()?;
        if let Some(revocations) = &revocations {
            revocations.check_chain(&chain)?;
        }
        Ok(Self { report, chain, tcb, revocations })
    }
}

impl Levels {
    /// Reads the versions; no machine reports more than it has committed to, or runs less.
    fn read(report: &Report<'_>, product: Product) -> Result<Self, Rejected> {
        let read = |bytes, level| Tcb::read(bytes, product).ok_or(Rejected::TcbReserved { level });
        let levels = Self {
            reported: read(report.reported_tcb, Level::Reported)?,
            committed: read(report.committed_tcb, Level::Committed)?,
            current: read(report.current_tcb, Level::Current)?,
            launch: read(report.launch_tcb, Level::Launch)?,
        };
        let (reported, committed) = (&levels.reported, &levels.committed);
        check_order((Level::Reported, reported), (Level::Committed, committed))?;
        check_order((Level::Committed, committed), (Level::Current, &levels.current))?;
        Ok(levels)
    }
}

fn check_order(lower: (Level, &Tcb), upper: (Level, &Tcb)) -> Result<(), Rejected> {
    match upper.1.shortfalls(lower.1).first() {
        None => Ok(()),
        Some(&Shortfall { component, got, want }) => {
            Err(Rejected::TcbOrder { component, lower: (lower.0, want), upper: (upper.0, got) })
        }
    }
}

#[cfg(test)]
mod tests;
