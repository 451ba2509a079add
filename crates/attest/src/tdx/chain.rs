//! Chains of Intel's hierarchy: from a pinned root to a PCK or to the signer of collateral.
//!
//! Who signed what is settled without regard to time; the path at one time is judged by `webpki` as
//! well, which knows what else RFC 5280 §6 asks of one.

use alloc::vec::Vec;
use core::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::certificate::Certificate;
use super::pem;
use super::rejected::{Place, Rejected};
use crate::register::Fingerprint;
use crate::revocation::Revoked;
use crate::time::Time;

/// A chain in which each certificate is signed by the next and the last is pinned.
pub(super) struct Chain<'a> {
    /// The certificate whose key signs statements.
    pub(super) leaf: (Place, Certificate<'a>),
    /// The one between, which a signer of collateral does not have.
    pub(super) middle: Option<(Place, Certificate<'a>)>,
    /// The pinned one.
    pub(super) root: Certificate<'a>,
}

/// Reads certificates in PEM: as many as belong to such a chain, the leaf first, no more.
pub(super) fn read_pem(text: &[u8], place: Place) -> Result<Vec<Vec<u8>>, Rejected> {
    let want = if place == Place::Pck { 3 } else { 2 };
    let read = pem::certificates(text, want).ok_or(Rejected::Pem { place })?;
    if read.len() == want {
        Ok(read)
    } else {
        Err(Rejected::CertificateCount { place, got: read.len(), want })
    }
}

impl<'a> Chain<'a> {
    /// The chain of a quote: PCK, its issuer, root.
    pub(super) fn of_pck(
        certificates: &'a [Vec<u8>],
        roots: &[Fingerprint],
    ) -> Result<Self, Rejected> {
        let [leaf, middle, root] = certificates else {
            let got = certificates.len();
            return Err(Rejected::CertificateCount { place: Place::Pck, got, want: 3 });
        };
        let root = pinned(root, roots)?;
        let middle = read(middle, Place::PckIssuer)?;
        check(&middle, Place::PckIssuer, |certificate| certificate.check_issuer(PCK_ISSUERS))?;
        let leaf = read(leaf, Place::Pck)?;
        check(&leaf, Place::Pck, |certificate| certificate.check_leaf(&[PCK]))?;
        check_link(&root, &middle, Place::PckIssuer)?;
        check_link(&middle, &leaf, Place::Pck)?;
        Ok(Self { leaf: (Place::Pck, leaf), middle: Some((Place::PckIssuer, middle)), root })
    }

    /// The chain of collateral: the signer, directly under the root.
    pub(super) fn of_signer(
        certificates: &'a [Vec<u8>],
        place: Place,
        roots: &[Fingerprint],
    ) -> Result<Self, Rejected> {
        let [leaf, root] = certificates else {
            let got = certificates.len();
            return Err(Rejected::CertificateCount { place, got, want: 2 });
        };
        let root = pinned(root, roots)?;
        let leaf = read(leaf, place)?;
        check(&leaf, place, |certificate| certificate.check_leaf(&[TCB_SIGNER]))?;
        check_link(&root, &leaf, place)?;
        Ok(Self { leaf: (place, leaf), middle: None, root })
    }

    /// Its certificates with their places, the root first.
    pub(super) fn certificates(&self) -> impl Iterator<Item = (Place, &Certificate<'a>)> {
        let below = self.middle.iter().chain([&self.leaf]);
        [(Place::Root, &self.root)].into_iter().chain(below.map(|(place, read)| (*place, read)))
    }

    /// That the relying party itself has revoked none of it.
    pub(super) fn check_not_revoked(&self, revoked: &[Revoked]) -> Result<(), Rejected> {
        let mut chain = self.certificates();
        let found = chain.find(|(_, certificate)| {
            revoked.iter().any(|one| one.names(certificate.issuer, certificate.serial))
        });
        found.map_or(Ok(()), |(place, _)| Err(Rejected::CertificateRevoked { place }))
    }

    /// Path length, critical extensions: everything RFC 5280 §6 asks of a path at one time.
    pub(super) fn check_path(&self, at: Time) -> Result<(), Rejected> {
        let place = self.leaf.0;
        let refused = |_| Rejected::Path { place };
        let root = CertificateDer::from(self.root.der);
        let anchors = [anchor_from_trusted_cert(&root).map_err(refused)?];
        let middle = self.middle.iter().map(|(_, middle)| CertificateDer::from(middle.der));
        let leaf = CertificateDer::from(self.leaf.1.der);
        let path = EndEntityCert::try_from(&leaf).map_err(refused)?;
        path.verify_for_usage(
            &[webpki::aws_lc_rs::ECDSA_P256_SHA256],
            &anchors,
            &middle.collect::<Vec<_>>(),
            UnixTime::since_unix_epoch(Duration::from_secs(at.unix_seconds())),
            // Intel's certificates have no extended key usage; one would have to be this.
            KeyUsage::client_auth(),
            // Revocation is judged by our own reading of the lists, which says what was revoked.
            None,
            None,
        )
        .map(|_| ())
        .map_err(refused)
    }
}

fn pinned<'a>(der: &'a [u8], roots: &[Fingerprint]) -> Result<Certificate<'a>, Rejected> {
    let got = Fingerprint::of(der);
    if !roots.contains(&got) {
        return Err(Rejected::RootUnknown { got });
    }
    let root = read(der, Place::Root)?;
    check(&root, Place::Root, |certificate| certificate.check_issuer(&[ROOT]))?;
    Ok(root)
}

fn read(der: &[u8], place: Place) -> Result<Certificate<'_>, Rejected> {
    Certificate::parse(der).map_err(|fault| Rejected::Certificate { place, fault })
}

fn check<'a>(
    certificate: &Certificate<'a>,
    place: Place,
    rule: impl Fn(&Certificate<'a>) -> Result<(), super::rejected::CertificateFault>,
) -> Result<(), Rejected> {
    rule(certificate).map_err(|fault| Rejected::Certificate { place, fault })
}

fn check_link(
    issuer: &Certificate<'_>,
    issued: &Certificate<'_>,
    place: Place,
) -> Result<(), Rejected> {
    if issued.issuer != issuer.subject {
        return Err(Rejected::ChainOrder { place });
    }
    if issued.is_signed_by(issuer) { Ok(()) } else { Err(Rejected::CertificateSignature { place }) }
}

const ROOT: &str = "Intel SGX Root CA";
const PCK_ISSUERS: &[&str] = &["Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA"];
const PCK: &str = "Intel SGX PCK Certificate";
const TCB_SIGNER: &str = "Intel SGX TCB Signing";
