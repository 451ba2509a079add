//! Certificates of time-stamping authorities: which one signed, whether it may, and who issued it.
//!
//! `webpki` checks signatures and the path; what RFC 3161 §2.3 asks of the purpose is read here.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use super::algorithm::CHAIN;
use super::info::dotted;
use super::refused::{Place, Refused, TsaFault};
use super::signed_data::{SignedData, SignerId};
use crate::der::{
    BIT_STRING, BOOLEAN, BadDer, Der, EXPLICIT_0, EXPLICIT_3, INTEGER, OCTET_STRING, OID, SEQUENCE,
};
use crate::time::Time;

/// Certificates that a chain may be made of.
pub(super) struct Candidates<'a> {
    certificates: Vec<Signer<'a>>,
}

/// A certificate as far as a token's signer needs it.
#[derive(Clone, Debug)]
pub(super) struct Signer<'a> {
    pub(super) der: &'a [u8],
    /// Subject name in DER.
    pub(super) subject: &'a [u8],
    issuer: &'a [u8],
    serial: &'a [u8],
    key_id: Option<&'a [u8]>,
    purpose: Option<Purpose<'a>>,
    key_usage: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug)]
struct Purpose<'a> {
    critical: bool,
    value: &'a [u8],
}

fn bad(_: BadDer) -> Refused {
    Refused::Der { place: Place::Certificate }
}

impl<'a> Candidates<'a> {
    /// All certificates at hand, those of the token first.
    pub(super) fn of(token: &[&'a [u8]], given: &'a [Vec<u8>]) -> Result<Self, Refused> {
        let given = given.iter().map(Vec::as_slice);
        let certificates = token.iter().copied().chain(given).map(Signer::parse);
        Ok(Self { certificates: certificates.collect::<Result<_, _>>()? })
    }

    /// The certificate that the token says it was signed with, in both places where it says so.
    pub(super) fn signer(&self, signed: &SignedData<'_>) -> Result<Signer<'a>, Refused> {
        let mut refused = Refused::SignerUnknown;
        for candidate in &self.certificates {
            if !candidate.is(signed.signer) {
                continue;
            }
            if signed.names(candidate.der, (candidate.issuer, candidate.serial))? {
                return Ok(candidate.clone());
            }
            refused = Refused::SigningCertificate;
        }
        Err(refused)
    }
}

impl<'a> Signer<'a> {
    fn parse(der: &'a [u8]) -> Result<Self, Refused> {
        let mut outer = Der::new(der);
        let mut parts = outer.inside(SEQUENCE).map_err(bad)?;
        outer.end().map_err(bad)?;
        let mut fields = parts.inside(SEQUENCE).map_err(bad)?;
        parts.content(SEQUENCE).map_err(bad)?;
        parts.content(BIT_STRING).map_err(bad)?;
        parts.end().map_err(bad)?;
        fields.optional(EXPLICIT_0).map_err(bad)?;
        let serial = fields.content(INTEGER).map_err(bad)?;
        fields.content(SEQUENCE).map_err(bad)?;
        let issuer = fields.element(SEQUENCE).map_err(bad)?.raw;
        fields.content(SEQUENCE).map_err(bad)?;
        let subject = fields.element(SEQUENCE).map_err(bad)?.raw;
        fields.content(SEQUENCE).map_err(bad)?;
        let (key_id, purpose, key_usage) = (None, None, None);
        let mut read = Self { der, subject, issuer, serial, key_id, purpose, key_usage };
        if let Some(extensions) = fields.optional(EXPLICIT_3).map_err(bad)? {
            read.extensions(extensions.content)?;
        }
        fields.end().map_err(bad)?;
        Ok(read)
    }

    fn extensions(&mut self, content: &'a [u8]) -> Result<(), Refused> {
        let mut outer = Der::new(content);
        let mut list = outer.inside(SEQUENCE).map_err(bad)?;
        outer.end().map_err(bad)?;
        while !list.is_empty() {
            let mut extension = list.inside(SEQUENCE).map_err(bad)?;
            let oid = extension.content(OID).map_err(bad)?;
            let critical = extension.optional(BOOLEAN).map_err(bad)?;
            let critical = critical.is_some_and(|found| found.content == [0xff]);
            let value = extension.content(OCTET_STRING).map_err(bad)?;
            extension.end().map_err(bad)?;
            let twice = match oid {
                EXTENDED_KEY_USAGE => self.purpose.replace(Purpose { critical, value }).is_some(),
                KEY_USAGE => self.key_usage.replace(value).is_some(),
                SUBJECT_KEY_ID => {
                    let id = Der::new(value).content(OCTET_STRING).map_err(bad)?;
                    self.key_id.replace(id).is_some()
                }
                _ => false,
            };
            if twice {
                return Err(Refused::Certificate { fault: TsaFault::DuplicateExtension });
            }
        }
        Ok(())
    }

    fn is(&self, id: SignerId<'_>) -> bool {
        match id {
            SignerId::IssuerAndSerial(issuer, serial) => {
                (issuer, serial) == (self.issuer, self.serial)
            }
            SignerId::KeyId(id) => self.key_id == Some(id),
        }
    }

    /// Whether its key made this signature, by one of the schemes.
    pub(super) fn has_signed(
        &self,
        schemes: &[&dyn SignatureVerificationAlgorithm],
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Refused> {
        let der = CertificateDer::from(self.der);
        let certificate = EndEntityCert::try_from(&der).map_err(|_| Refused::Path)?;
        let signed =
            |scheme: &&_| certificate.verify_signature(*scheme, message, signature).is_ok();
        Ok(schemes.iter().any(signed))
    }

    /// That it is for time stamping and nothing else, and says so critically (RFC 3161 §2.3).
    pub(super) fn check_purpose(&self) -> Result<(), Refused> {
        let fault = match (self.purpose, self.key_usage) {
            (None, _) => TsaFault::NoPurpose,
            (Some(Purpose { critical: false, .. }), _) => TsaFault::PurposeNotCritical,
            (Some(Purpose { value, .. }), _) if value != ONLY_TIME_STAMPING => {
                TsaFault::OtherPurpose
            }
            (Some(_), Some(usage)) if !may_sign(usage) => TsaFault::KeyUsage,
            (Some(_), Some(_) | None) => return Ok(()),
        };
        Err(Refused::Certificate { fault })
    }

    /// That a root issued it, by a chain that held at this time.
    pub(super) fn check_path(
        &self,
        candidates: &Candidates<'_>,
        roots: &[Vec<u8>],
        at: Time,
    ) -> Result<(), Refused> {
        let roots: Vec<_> = roots.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let anchors: Result<Vec<_>, _> = roots.iter().map(anchor_from_trusted_cert).collect();
        let anchors = anchors.map_err(|_| Refused::Root)?;
        let others: Vec<_> =
            candidates.certificates.iter().map(|one| CertificateDer::from(one.der)).collect();
        let der = CertificateDer::from(self.der);
        let certificate = EndEntityCert::try_from(&der).map_err(|_| Refused::Path)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(at.unix_seconds()));
        let usage = KeyUsage::required(TIME_STAMPING);
        certificate
            .verify_for_usage(CHAIN, &anchors, &others, time, usage, None, None)
            .map(|_| ())
            .map_err(|error| refused(&error, at))
    }

    /// Its subject: `O=Test TSA, CN=Test TSA 1`. What is not text stays out.
    pub(super) fn name(&self) -> String {
        let mut parts = Vec::new();
        let mut outer = Der::new(self.subject);
        let mut sets = outer.inside(SEQUENCE).unwrap_or_else(|BadDer| Der::new(&[]));
        while let Ok(set) = sets.any() {
            let mut members = Der::new(set.content);
            while let Ok(mut pair) = members.inside(SEQUENCE) {
                let (Ok(oid), Ok(value)) = (pair.content(OID), pair.any()) else { continue };
                let Ok(text) = core::str::from_utf8(value.content) else { continue };
                parts.push(format!("{}={}", label(oid), text.escape_debug()));
            }
        }
        parts.join(", ")
    }
}

fn refused(error: &Error, at: Time) -> Refused {
    let time = |time: &UnixTime| Time::from_unix_ms(time.as_secs().saturating_mul(1_000));
    match error {
        Error::CertExpired { not_after, .. } => Refused::Expired { not_after: time(not_after), at },
        Error::CertNotValidYet { not_before, .. } => {
            Refused::NotYetValid { not_before: time(not_before), at }
        }
        Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => Refused::Untrusted,
        _ => Refused::Path,
    }
}

/// Bits `digitalSignature` or `nonRepudiation` of a key usage (RFC 5280 §4.2.1.3).
fn may_sign(value: &[u8]) -> bool {
    let bits = Der::new(value).content(BIT_STRING);
    matches!(bits, Ok([0..=7, first, ..]) if first & 0xc0 != 0)
}

fn label(oid: &[u8]) -> String {
    let known = match oid {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        _ => return dotted(oid).unwrap_or_default(),
    };
    known.to_owned()
}

const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
/// `id-kp-timeStamping`, 1.3.6.1.5.5.7.3.8, as `webpki` wants it.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
/// The extension value that holds it alone.
const ONLY_TIME_STAMPING: &[u8] =
    &[0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
