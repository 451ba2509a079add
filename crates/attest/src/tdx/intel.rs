//! Intel's word: collateral whose signatures hold, and what it makes of a quote.
//!
//! Who signed, when, who is revoked, what state the machine is in: each is asked once, of
//! everything it concerns. All chains, of quote and collateral, end in the same pinned roots.

use alloc::vec::Vec;

use super::certificate::Certificate;
use super::chain::Chain;
use super::collateral::{Collateral, Signed};
use super::crl::RevocationList;
use super::platform::Platform;
use super::policy::{Permit, Policy};
use super::quote::Quote;
use super::rejected::{Place, PlatformFlag, Rejected, Source};
use super::signed_raw;
use super::tcb::{self, Tcb, TcbStatus};
use super::tcb_info::{QeIdentity, TcbInfo};
use crate::register::Fingerprint;
use crate::time::Time;

/// Collateral whose signatures hold.
pub(super) struct Intel<'a> {
    /// What is up to date.
    pub(super) info: TcbInfo,
    /// What the quoting enclave is.
    pub(super) qe: QeIdentity,
    info_signer: Chain<'a>,
    qe_signer: Chain<'a>,
    root_crl: RevocationList<'a>,
    pck_crl: RevocationList<'a>,
}

impl<'a> Intel<'a> {
    /// Follows the signatures from the pinned roots and the quote's own issuer.
    pub(super) fn authenticate(
        collateral: &'a Collateral,
        pck: &Chain<'_>,
        roots: &[Fingerprint],
    ) -> Result<Self, Rejected> {
        let Collateral { tcb_info, qe_identity, root_crl, pck_crl } = collateral;
        let info_signer = signer(tcb_info, Place::TcbInfoSigner, Source::TcbInfo, roots)?;
        let qe_signer = signer(qe_identity, Place::QeIdentitySigner, Source::QeIdentity, roots)?;
        let root_crl = revocation_list(root_crl, &pck.root, Source::RootCrl)?;
        let issuer = pck.middle.as_ref().map_or(&pck.root, |(_, middle)| middle);
        let pck_crl = revocation_list(pck_crl, issuer, Source::PckCrl)?;
        let info = TcbInfo::parse(&tcb_info.body)?;
        let qe = QeIdentity::parse(&qe_identity.body)?;
        Ok(Self { info, qe, info_signer, qe_signer, root_crl, pck_crl })
    }

    /// That everything holds at this time; what ends first, and when.
    pub(super) fn check_at(&self, pck: &Chain<'_>, at: Time) -> Result<(Time, Source), Rejected> {
        let mut spans = alloc::vec![
            (Source::TcbInfo, self.info.issued, self.info.next_update),
            (Source::QeIdentity, self.qe.issued, self.qe.next_update),
            (Source::RootCrl, self.root_crl.this_update, self.root_crl.next_update),
            (Source::PckCrl, self.pck_crl.this_update, self.pck_crl.next_update),
        ];
        for chain in [pck, &self.info_signer, &self.qe_signer] {
            spans.extend(chain.certificates().map(|(place, certificate)| {
                (Source::Certificate(place), certificate.not_before, certificate.not_after)
            }));
        }
        let mut end: Option<(Time, Source)> = None;
        for (source, from, until) in spans {
            if at.unix_seconds() < from.unix_seconds() {
                return Err(Rejected::NotYetValid { source, from, at });
            }
            if at.unix_seconds() > until.unix_seconds() {
                return Err(Rejected::Expired { source, until, at });
            }
            end = end.into_iter().chain([(until, source)]).min();
        }
        for chain in [pck, &self.info_signer, &self.qe_signer] {
            chain.check_path(at)?;
        }
        Ok(end.unwrap_or((at, Source::TcbInfo)))
    }

    /// That no list names a certificate in use.
    pub(super) fn check_revocation(&self, pck: &Chain<'_>) -> Result<(), Rejected> {
        let mut judged: Vec<_> = Vec::new();
        for chain in [pck, &self.info_signer, &self.qe_signer] {
            judged
                .extend(chain.certificates().map(|(place, found)| (&self.root_crl, place, found)));
        }
        // The issuer of PCKs speaks for PCKs alone: the root numbers its certificates itself.
        judged.retain(|(_, place, _)| *place != Place::Pck);
        judged.push((&self.pck_crl, pck.leaf.0, &pck.leaf.1));
        match judged.into_iter().find(|(list, _, certificate)| list.names(certificate)) {
            None => Ok(()),
            Some((_, place, _)) => Err(Rejected::CertificateRevoked { place }),
        }
    }

    /// That the collateral is about this machine, and the machine in a state that the policy
    /// accepts: at the launch of the TD, and now where the quote tells that.
    pub(super) fn check_machine(
        &self,
        quote: &Quote<'_>,
        platform: &Platform,
        policy: &Policy,
    ) -> Result<(Tcb, Option<Tcb>), Rejected> {
        self.check_numbers(policy.evaluation_number_min)?;
        let (machine, collateral) = (platform.fmspc, self.info.fmspc);
        if machine != collateral {
            return Err(Rejected::Fmspc { machine, collateral });
        }
        let (machine, collateral) = (platform.pce_id, self.info.pce_id);
        if machine != collateral {
            return Err(Rejected::PceId { machine, collateral });
        }
        tcb::check_qe(&quote.qe_report, &self.qe)?;
        tcb::check_module(&quote.body, &self.info)?;
        let svn = quote.qe_report.isv_svn;
        let level = tcb::qe_level(svn, &self.qe)?;
        let best = self.qe.levels.first().map_or(0, |level| level.svn);
        let state = |svns: [u8; 16]| {
            let tcb = tcb::evaluate(platform, &svns, &self.info, level, [svn, best])?;
            check_tcb(tcb, policy)
        };
        let launched = state(quote.body.tee_tcb_svn)?;
        let now = quote.body.later.map(|later| state(later.tee_tcb_svn2)).transpose()?;
        check_flags(platform, policy)?;
        Ok((launched, now))
    }

    fn check_numbers(&self, min: u32) -> Result<(), Rejected> {
        let numbers = [
            (Source::TcbInfo, self.info.evaluation_number),
            (Source::QeIdentity, self.qe.evaluation_number),
        ];
        match numbers.into_iter().find(|(_, got)| *got < min) {
            None => Ok(()),
            Some((source, got)) => Err(Rejected::EvaluationNumber { source, got, min }),
        }
    }
}

/// The chain of a document's signer, who signed it.
pub(super) fn signer<'a>(
    document: &'a Signed,
    place: Place,
    source: Source,
    roots: &[Fingerprint],
) -> Result<Chain<'a>, Rejected> {
    let chain = Chain::of_signer(&document.chain, place, roots)?;
    if signed_raw(chain.leaf.1.point, &document.body, &document.signature) {
        Ok(chain)
    } else {
        Err(Rejected::CollateralSignature { source })
    }
}

fn revocation_list<'a>(
    der: &'a [u8],
    issuer: &Certificate<'_>,
    source: Source,
) -> Result<RevocationList<'a>, Rejected> {
    let list =
        RevocationList::parse(der).map_err(|fault| Rejected::RevocationList { source, fault })?;
    if !list.is_of(issuer) {
        return Err(Rejected::RevocationListIssuer { source });
    }
    if list.is_signed_by(issuer) { Ok(list) } else { Err(Rejected::CollateralSignature { source }) }
}

fn check_tcb(tcb: Tcb, policy: &Policy) -> Result<Tcb, Rejected> {
    if tcb.status != TcbStatus::UpToDate && !policy.statuses.contains(&tcb.status) {
        return Err(Rejected::TcbStatus { status: tcb.status, short: tcb.short });
    }
    match tcb.advisories.iter().find(|id| policy.advisories_denied.contains(*id)) {
        None => Ok(tcb),
        Some(id) => Err(Rejected::Advisory { id: id.clone() }),
    }
}

/// A platform that says nothing of a setting is not of the kind that has it.
fn check_flags(platform: &Platform, policy: &Policy) -> Result<(), Rejected> {
    let flags = [
        (PlatformFlag::DynamicPlatform, platform.dynamic_platform, policy.dynamic_platform),
        (PlatformFlag::CachedKeys, platform.cached_keys, policy.cached_keys),
        (PlatformFlag::Smt, platform.smt, policy.smt),
    ];
    for (flag, set, permit) in flags {
        if set == Some(true) && permit == Permit::Refuse {
            return Err(Rejected::PlatformFlag { flag });
        }
    }
    Ok(())
}
