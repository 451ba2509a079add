//! Acceptance: what a relying party takes as evidence of an epoch, of whichever kind it is.
//!
//! What the evidence looks like decides only who judges it; a kind that nobody spoke of is refused.
//! Evidence of the Nitro format has its own signed time. Quotes and reports have none: live they
//! are judged now, and in a replay at the earliest time that something else shows them to have
//! existed at. Without such a time there is no verdict.

use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::report_data::{ChannelEnd, ReportData};

use alloc::vec::Vec;

use crate::collateral_files::CollateralFiles;
use crate::epoch::{self, EpochClaims, EpochKeys};
use crate::policy::{Kind, Policy};
use crate::rejected::Rejected;
use crate::revocation::Revoked;
use crate::time::Time;
use crate::verified::Verified;
use crate::verify::{Expect, When};
use crate::{snp, tdx};

/// What a relying party takes, by kind. A kind without a policy is refused.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Acceptance {
    /// Documents of the Nitro format, those of software TEEs among them.
    pub nitro: Option<Policy>,
    /// Quotes of TDX.
    pub tdx: Option<tdx::Policy>,
    /// Reports of SEV-SNP.
    pub snp: Option<snp::Policy>,
    /// Certificates that are not believed any more, whoever signed with them and whenever.
    pub revoked: Vec<Revoked>,
}

/// Evidence, and what it is held against.
#[derive(Clone, Copy, Debug)]
pub struct Exhibit<'a> {
    /// What the hardware signed.
    pub evidence: &'a [u8],
    /// What it is verified with, where its kind needs something.
    pub collateral: &'a CollateralFiles,
    /// The keys and digests that it must vouch for.
    pub binding: &'a EpochBinding,
}

/// The time at which evidence of any kind is judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum At {
    /// Now; documents that carry a time must be fresh.
    Live {
        /// The verifier's clock.
        now: Time,
        /// Greatest age of a document in milliseconds, inclusive.
        age_max_ms: u64,
    },
    /// When it was made: by its own signed time if it has one, else the earliest time that
    /// something else shows.
    Replay {
        /// The earliest verified cosignature or time stamp over what names this evidence.
        shown: Option<Time>,
    },
}

/// The form that evidence has, which says who judges it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A document of the Nitro format, or nothing that is known here: its judge refuses it.
    Nitro,
    /// A quote.
    Tdx,
    /// A report.
    Snp,
}

impl Format {
    /// The form of these bytes, by how they begin.
    pub const fn of(evidence: &[u8]) -> Self {
        match evidence {
            // Little-endian: version, then the type of the key, 2 or 3 for ECDSA.
            [3..=5, 0, 2..=3, 0, ..] => Self::Tdx,
            // Little-endian version of the report.
            [0..=15, 0, 0, 0, ..] => Self::Snp,
            _ => Self::Nitro,
        }
    }

    /// Whether evidence of this form says itself when it was made.
    pub const fn has_time(self) -> bool {
        matches!(self, Self::Nitro)
    }
}

impl From<Policy> for Acceptance {
    /// Documents of the Nitro format alone.
    fn from(policy: Policy) -> Self {
        Self { nitro: Some(policy), ..Self::default() }
    }
}

impl Acceptance {
    /// Verifies evidence of a boot in full, and that it vouches for the binding.
    ///
    /// # Errors
    /// The first reason not to believe it.
    pub fn verify_epoch(
        &self,
        exhibit: &Exhibit<'_>,
        at: At,
        nonce: Expect,
    ) -> Result<Verified<EpochKeys>, Rejected> {
        self.verify(exhibit, at, nonce, &ReportData::epoch(exhibit.binding))
    }

    /// Verifies fresh evidence in full: that it was made for the binding in answer to this nonce.
    ///
    /// # Errors
    /// The first reason not to believe it.
    pub fn verify_fresh(
        &self,
        exhibit: &Exhibit<'_>,
        at: At,
        nonce: [u8; 32],
    ) -> Result<Verified<EpochKeys>, Rejected> {
        let data = ReportData::monitor(exhibit.binding, &nonce);
        self.verify(exhibit, at, Expect::Nonce(nonce), &data)
    }

    /// Verifies evidence of the attested channel in full, as [`crate::verify_channel`] does for
    /// the Nitro format.
    ///
    /// # Errors
    /// The first reason not to believe it.
    pub fn verify_channel(
        &self,
        exhibit: &Exhibit<'_>,
        at: At,
        end: &ChannelEnd<'_>,
    ) -> Result<Verified<EpochKeys>, Rejected> {
        let data = ReportData::channel(exhibit.binding, end);
        self.verify(exhibit, at, Expect::Nonce(*end.client_nonce), &data)
    }

    // The nonce of a quote or a report is in its report data and nowhere else.
    fn verify(
        &self,
        exhibit: &Exhibit<'_>,
        at: At,
        nonce: Expect,
        data: &ReportData,
    ) -> Result<Verified<EpochKeys>, Rejected> {
        let &Exhibit { evidence, collateral, binding } = exhibit;
        let claims = match Format::of(evidence) {
            Format::Nitro => {
                let policy = accepted(self.nitro.as_ref(), Kind::Nitro)?;
                let when = match at {
                    At::Live { now, age_max_ms } => When::Live { now, age_max_ms },
                    At::Replay { .. } => When::Replay,
                };
                return epoch::verify(
                    evidence,
                    binding,
                    policy,
                    (when, nonce),
                    data,
                    &self.revoked,
                );
            }
            Format::Tdx => {
                let policy = accepted(self.tdx.as_ref(), Kind::Tdx)?;
                let found = supplied(collateral.tdx(), Kind::Tdx)?;
                let expect = tdx::Expect::ReportData(*data.as_bytes());
                let at = time(at, Kind::Tdx)?;
                tdx::verify_unless_revoked(evidence, &found, policy, at, expect, &self.revoked)
                    .map(|claims| EpochClaims::of_tdx(claims.get()))
                    .map_err(Rejected::Tdx)?
            }
            Format::Snp => {
                let policy = accepted(self.snp.as_ref(), Kind::Snp)?;
                let found = supplied(collateral.snp(), Kind::Snp)?;
                let expect = snp::Expect::ReportData(*data.as_bytes());
                let at = time(at, Kind::Snp)?;
                snp::verify_unless_revoked(evidence, &found, policy, at, expect, &self.revoked)
                    .map(|claims| EpochClaims::of_snp(claims.get()))
                    .map_err(Rejected::Snp)?
            }
        };
        let epoch = binding.epoch_id();
        Ok(Verified::assertion(EpochKeys { epoch, binding: binding.clone(), claims }))
    }
}

fn accepted<P>(policy: Option<&P>, kind: Kind) -> Result<&P, Rejected> {
    policy.ok_or(Rejected::KindNotAccepted { kind })
}

fn supplied<C>(collateral: Option<C>, kind: Kind) -> Result<C, Rejected> {
    collateral.ok_or(Rejected::CollateralMissing { kind })
}

fn time(at: At, kind: Kind) -> Result<Time, Rejected> {
    match at {
        At::Live { now, .. } => Ok(now),
        At::Replay { shown } => shown.ok_or(Rejected::Undated { kind }),
    }
}
