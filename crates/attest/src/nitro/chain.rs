//! The chain of a Nitro document: from a pinned root to the certificate whose key signed.
//!
//! Who signed what is settled first and without regard to time, so that an expired chain is never
//! taken for a forged one. The whole path at one time is then judged by `webpki` as well.

use alloc::vec::Vec;
use core::time::Duration;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    UnixTime, alg_id,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::document::Document;
use crate::policy::{Kind, Root};
use crate::register::Fingerprint;
use crate::rejected::{Place, Rejected};
use crate::revocation::Revoked;
use crate::time::Time;
use crate::x509::Certificate;

/// A chain in which each certificate is signed by the one before it, and the first is pinned.
pub(crate) struct Chain<'a> {
    /// The policy's word on the root.
    pub(crate) root: Root,
    /// DER of the root and the intermediates.
    issuers: Vec<&'a [u8]>,
    leaf_der: &'a [u8],
    /// From the root to the leaf.
    certificates: Vec<(Place, Certificate<'a>)>,
    /// The certificate that signed the document.
    pub(crate) leaf: Certificate<'a>,
}

impl<'a> Chain<'a> {
    /// Finds the pinned root and follows the signatures down to the leaf.
    pub(crate) fn authenticate(document: &Document<'a>, roots: &[Root]) -> Result<Self, Rejected> {
        let root = pinned(document.cabundle.first().copied().unwrap_or_default(), roots)?;
        let mut certificates = Vec::new();
        for (index, der) in document.cabundle.iter().enumerate() {
            let place = if index == 0 { Place::Root } else { Place::Intermediate(index) };
            let certificate = read(place, der)?;
            certificate.check_issuer().map_err(|fault| Rejected::Certificate { place, fault })?;
            certificates.push((place, certificate));
        }
        let place = Place::Leaf;
        let leaf = read(place, document.certificate)?;
        leaf.check_leaf().map_err(|fault| Rejected::Certificate { place, fault })?;
        certificates.push((place, leaf.clone()));

        if let Some((_, first)) = certificates.first() {
            refuse_software_as_hardware(root, first)?;
            // The bytes of the built-in root are known, and its own signature with them; a test has
            // it.
            if root != Root::aws_nitro() {
                check_link(first, first, Place::Root)?;
            }
        }
        for pair in certificates.windows(2) {
            if let [(_, issuer), (place, issued)] = pair {
                check_link(issuer, issued, *place)?;
            }
        }
        let (issuers, leaf_der) = (document.cabundle.clone(), document.certificate);
        Ok(Self { root, issuers, leaf_der, certificates, leaf })
    }

    /// That the relying party has revoked none of it.
    pub(crate) fn check_not_revoked(&self, revoked: &[Revoked]) -> Result<(), Rejected> {
        let found = self.certificates.iter().find(|(_, certificate)| {
            revoked.iter().any(|one| one.names(certificate.issuer, certificate.serial))
        });
        found.map_or(Ok(()), |(place, _)| Err(Rejected::Revoked { place: *place }))
    }

    /// That the whole path holds at this time, the root included.
    pub(crate) fn check_at(&self, at: Time) -> Result<(), Rejected> {
        let seconds = at.unix_seconds();
        for (place, Certificate { not_before, not_after, .. }) in &self.certificates {
            let (place, not_before, not_after) = (*place, *not_before, *not_after);
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
    pub(crate) fn not_after(&self) -> Time {
        let ends = self.certificates.iter().map(|(_, certificate)| certificate.not_after);
        ends.fold(self.leaf.not_after, Time::min)
    }

    /// Path length, name constraints, critical extensions: everything RFC 5280 §6 asks of a path.
    fn check_path(&self, seconds: u64) -> Result<(), Rejected> {
        let mut issuers = self.issuers.iter().map(|der| CertificateDer::from(*der));
        let root = issuers.next().ok_or(Rejected::Path)?;
        let anchors = [anchor_from_trusted_cert(&root).map_err(|_| Rejected::Path)?];
        let intermediates: Vec<_> = issuers.collect();
        let leaf = CertificateDer::from(self.leaf_der);
        let leaf = EndEntityCert::try_from(&leaf).map_err(|_| Rejected::Path)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let path = leaf.verify_for_usage(
            &[&self.proven()],
            &anchors,
            &intermediates,
            time,
            // Evidence has no extended key usage; if it had one, it would have to be this.
            KeyUsage::client_auth(),
            None,
            None,
        );
        path.map(|_| ()).map_err(|refused| match refused {
            webpki::Error::PathLenConstraintViolated => Rejected::PathLength,
            _ => Rejected::Path,
        })
    }
}

impl Chain<'_> {
    fn proven(&self) -> Proven<'_> {
        let links = self.certificates.windows(2).filter_map(|pair| match pair {
            [(_, issuer), (_, issued)] => Some((issuer.point, issued.tbs, issued.signature)),
            _ => None,
        });
        Proven(links.collect())
    }
}

/// Signatures of which [`Chain::authenticate`] has shown that they are good: key, signed bytes and
/// signature of each. `webpki` asks for them again; checking twice would double the cost.
#[derive(Debug)]
struct Proven<'a>(Vec<(&'a [u8], &'a [u8], &'a [u8])>);

impl SignatureVerificationAlgorithm for Proven<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let asked = (public_key, message, signature);
        if self.0.contains(&asked) { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P384
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA384
    }
}

fn pinned(der: &[u8], roots: &[Root]) -> Result<Root, Rejected> {
    let got = Fingerprint::of(der);
    let found = roots.iter().find(|root| root.fingerprint() == got);
    found.copied().ok_or(Rejected::RootUnknown { got })
}

fn read(place: Place, der: &[u8]) -> Result<Certificate<'_>, Rejected> {
    Certificate::parse(der).map_err(|fault| Rejected::Certificate { place, fault })
}

/// A relying party that pins a software root as hardware has been fooled or has mistaken itself.
fn refuse_software_as_hardware(root: Root, certificate: &Certificate<'_>) -> Result<(), Rejected> {
    let marked = certificate.subject.windows(SOFTWARE_MARK.len()).any(|part| part == SOFTWARE_MARK);
    match root.kind() {
        Kind::Nitro if marked => Err(Rejected::SoftwareRootAsHardware),
        Kind::Nitro | Kind::Software | Kind::Tdx | Kind::Snp => Ok(()),
    }
}

fn check_link(
    issuer: &Certificate<'_>,
    issued: &Certificate<'_>,
    place: Place,
) -> Result<(), Rejected> {
    if issued.issuer != issuer.subject {
        return Err(Rejected::ChainOrder { place });
    }
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, issuer.point)
        .verify(issued.tbs, issued.signature)
        .map_err(|_| Rejected::CertificateSignature { place })
}

/// Stands in the subject of every root that Lucarne's software TEE mints.
const SOFTWARE_MARK: &[u8] = b"INSECURE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_root_has_signed_itself() {
        let der = include_bytes!("../../testdata/nitro/aws_nitro_root_g1.der");
        assert_eq!(Fingerprint::of(der), Root::aws_nitro().fingerprint());
        let root = Certificate::parse(der).unwrap();
        assert_eq!(check_link(&root, &root, Place::Root), Ok(()));
    }

    #[test]
    fn only_what_was_proven_is_taken_as_good() {
        let [key, message, signature, other] = [&b"k"[..], b"m", b"s", b"x"];
        let proven = Proven(alloc::vec![(key, message, signature)]);
        let judge = |key, message, signature| {
            proven.verify_signature(key, message, signature).map_err(|InvalidSignature| ())
        };
        assert_eq!(judge(key, message, signature), Ok(()));
        assert_eq!(judge(other, message, signature), Err(()));
        assert_eq!(judge(key, other, signature), Err(()));
        assert_eq!(judge(key, message, other), Err(()));
    }
}
