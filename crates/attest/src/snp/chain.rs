//! The chain of a report: from AMD's root in this program to the certificate whose key signed.
//!
//! Certificates come in any order; each place is filled by name and then held to its issuer's
//! signature. As with Nitro, who signed is settled without regard to time, and the whole path at
//! one time is then judged by `webpki` as well.

use alloc::vec::Vec;
use core::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::certificate::Certificate;
use super::collateral::{CERTIFICATES_MAX, Collateral};
use super::product::{Product, Roots};
use super::rejected::{CertificateFault, Place, Rejected};
use super::report::{KeyClass, Report};
use super::{extension, pss};
use crate::register::Fingerprint;
use crate::revocation::Revoked;
use crate::time::Time;

/// A chain in which each certificate is signed by the one before it, and the first is AMD's.
pub(super) struct Chain<'a> {
    pub(super) product: Product,
    /// Whether the root is one that the policy calls insecure.
    pub(super) insecure_root: bool,
    pub(super) root: Certificate<'a>,
    /// Key of the root.
    pub(super) root_key: &'a [u8],
    pub(super) issuer: Certificate<'a>,
    pub(super) leaf: Certificate<'a>,
    /// Key of the leaf.
    pub(super) report_key: &'a [u8],
}

impl<'a> Chain<'a> {
    /// Finds the certificates for a report and follows the signatures down from the root.
    pub(super) fn authenticate(
        report: &Report<'_>,
        collateral: &'a Collateral,
        roots: &Roots<'a>,
        insecure: &[Fingerprint],
    ) -> Result<Self, Rejected> {
        let supplied = read(collateral)?;
        refuse_other_roots(&supplied, roots, insecure)?;
        let leaf = leaf(&supplied, report.key)?;
        let product = product(&leaf, report)?;
        let name = product.issuer_name(report.key);
        let issuer = named(&supplied, name)?.ok_or(Rejected::IssuerMissing { name })?;
        let other = insecure_root(&supplied, product, insecure);
        let insecure_root = other.is_some();
        let root = match other {
            Some(root) => root,
            None => Certificate::parse(roots.of(product)).map_err(fault_at(Place::Root))?,
        };

        let root_key = root.issuing_key().map_err(fault_at(Place::Root))?;
        let issuer_key = issuer.issuing_key().map_err(fault_at(Place::Issuer))?;
        let report_key = leaf.report_key().map_err(fault_at(Place::Leaf))?;
        check_link(&root, root_key, &issuer, Place::Issuer)?;
        check_link(&issuer, issuer_key, &leaf, Place::Leaf)?;
        Ok(Self { product, insecure_root, root, root_key, issuer, leaf, report_key })
    }

    /// That the relying party itself has revoked none of it.
    pub(super) fn check_not_revoked(&self, revoked: &[Revoked]) -> Result<(), Rejected> {
        let chain =
            [(Place::Root, &self.root), (Place::Issuer, &self.issuer), (Place::Leaf, &self.leaf)];
        let found = chain.into_iter().find(|(_, certificate)| {
            revoked.iter().any(|one| one.names(certificate.issuer, certificate.serial))
        });
        found.map_or(Ok(()), |(place, _)| Err(Rejected::Revoked { place }))
    }

    /// That the whole path holds at this time, the root included.
    pub(super) fn check_at(&self, at: Time) -> Result<(), Rejected> {
        let seconds = at.unix_seconds();
        let chain =
            [(Place::Root, &self.root), (Place::Issuer, &self.issuer), (Place::Leaf, &self.leaf)];
        for (place, Certificate { not_before, not_after, .. }) in chain {
            let (not_before, not_after) = (*not_before, *not_after);
            if seconds < not_before.unix_seconds() {
                return Err(Rejected::NotYetValid { place, not_before, at });
            }
            if seconds > not_after.unix_seconds() {
                return Err(Rejected::Expired { place, not_after, at });
            }
        }
        self.check_path(seconds)
    }

    /// When the first of the certificates ceases to be valid.
    pub(super) fn not_after(&self) -> Time {
        self.root.not_after.min(self.issuer.not_after).min(self.leaf.not_after)
    }

    /// Path length, critical extensions: everything RFC 5280 §6 asks of a path.
    fn check_path(&self, seconds: u64) -> Result<(), Rejected> {
        let [root, issuer, leaf] =
            [&self.root, &self.issuer, &self.leaf].map(|found| CertificateDer::from(found.der));
        let anchors = [anchor_from_trusted_cert(&root).map_err(|_| Rejected::Path)?];
        let leaf = EndEntityCert::try_from(&leaf).map_err(|_| Rejected::Path)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        // These certificates have no extended key usage; if one had, it would have to be this.
        let usage = KeyUsage::client_auth();
        leaf.verify_for_usage(pss::ALGORITHMS, &anchors, &[issuer], time, usage, None, None)
            .map(|_| ())
            .map_err(|_| Rejected::Path)
    }
}

fn fault_at(place: Place) -> impl Fn(CertificateFault) -> Rejected {
    move |fault| Rejected::Certificate { place, fault }
}

fn read(collateral: &Collateral) -> Result<Vec<Certificate<'_>>, Rejected> {
    let got = collateral.certificates.len();
    if got > CERTIFICATES_MAX {
        return Err(Rejected::TooManyCertificates { got });
    }
    let certificates = collateral.certificates.iter().enumerate();
    certificates
        .map(|(index, der)| Certificate::parse(der).map_err(fault_at(Place::Supplied(index))))
        .collect()
}

/// A root that came along is not used, and if it is another one, somebody wants it to be.
fn refuse_other_roots(
    supplied: &[Certificate<'_>],
    roots: &Roots<'_>,
    insecure: &[Fingerprint],
) -> Result<(), Rejected> {
    let mut named = supplied.iter().filter(|found| found.name.starts_with(ROOT_PREFIX));
    let known = |der| roots.contain(der) || insecure.contains(&Fingerprint::of(der));
    match named.find(|found| !known(found.der)) {
        Some(other) => Err(Rejected::RootDiffers { got: Fingerprint::of(other.der) }),
        None => Ok(()),
    }
}

/// The root of this product that came along and that the policy calls insecure by its fingerprint.
fn insecure_root<'a>(
    supplied: &[Certificate<'a>],
    product: Product,
    insecure: &[Fingerprint],
) -> Option<Certificate<'a>> {
    let mut named = supplied.iter().filter(|found| found.name == product.root_name());
    named.find(|found| insecure.contains(&Fingerprint::of(found.der))).cloned()
}

/// The certificate of the key that signed, by the class that the report says it is of.
fn leaf<'a>(supplied: &[Certificate<'a>], class: KeyClass) -> Result<Certificate<'a>, Rejected> {
    let other = match class {
        KeyClass::Vcek => KeyClass::Vlek,
        KeyClass::Vlek => KeyClass::Vcek,
    };
    if let Some(leaf) = named(supplied, class.common_name())? {
        return Ok(leaf);
    }
    match named(supplied, other.common_name())? {
        Some(_) => Err(Rejected::KeyClassDiffers { report: class, certificate: other }),
        None => Err(Rejected::LeafMissing { class }),
    }
}

/// The one certificate of this name. The same one twice is one.
fn named<'a>(
    supplied: &[Certificate<'a>],
    name: &'static str,
) -> Result<Option<Certificate<'a>>, Rejected> {
    let mut found = supplied.iter().filter(|certificate| certificate.name == name);
    let first = found.next();
    if found.any(|other| first.is_some_and(|first| first.der != other.der)) {
        return Err(Rejected::Ambiguous { name });
    }
    Ok(first.cloned())
}

/// The product, which reports from version 3 on name as well.
fn product(leaf: &Certificate<'_>, report: &Report<'_>) -> Result<Product, Rejected> {
    let certificate = extension::product(leaf)?;
    match report.product {
        Some(report) if report != certificate => {
            Err(Rejected::ProductDiffers { report, certificate })
        }
        Some(_) | None => Ok(certificate),
    }
}

fn check_link(
    issuer: &Certificate<'_>,
    key: &[u8],
    issued: &Certificate<'_>,
    place: Place,
) -> Result<(), Rejected> {
    if !issued.names_issuer(issuer) {
        return Err(Rejected::ChainOrder { place });
    }
    if !issued.is_signed_by(key) {
        return Err(Rejected::CertificateSignature { place });
    }
    Ok(())
}

/// Common names of roots begin with it.
const ROOT_PREFIX: &str = "ARK-";
