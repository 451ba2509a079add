//! Certificates of AMD (57230, chapter 3): X.509 v3, signed with RSASSA-PSS and SHA-384, with an
//! RSA key of 4,096 bits or a P-384 key.
//!
//! As with Nitro, `webpki` judges the path and what it does not tell is read here. Serial number 0
//! is read: every key of a chip has it.

use alloc::vec::Vec;

use super::pss;
use super::rejected::CertificateFault;
use crate::der::{
    BIT_STRING, BadDer, Der, EXPLICIT_0, EXPLICIT_3, INTEGER, OCTET_STRING, OID, SEQUENCE,
};
use crate::time::Time;
use crate::x509::{self, BASIC_CONSTRAINTS, Constraints, EC_P384, KEY_CERT_SIGN, KEY_USAGE};

/// A certificate as far as reports need it. All parts point into the bytes received.
#[derive(Clone, Debug)]
pub(super) struct Certificate<'a> {
    /// All of it.
    pub(super) der: &'a [u8],
    /// The signed part, with its header.
    tbs: &'a [u8],
    signature: &'a [u8],
    /// Content of the serial number.
    pub(super) serial: &'a [u8],
    /// Issuer name, with its header.
    pub(super) issuer: &'a [u8],
    /// Subject name, with its header.
    pub(super) subject: &'a [u8],
    /// Common name of the subject.
    pub(super) name: &'a str,
    /// First moment of its validity.
    pub(super) not_before: Time,
    /// Last second of its validity.
    pub(super) not_after: Time,
    key: Key<'a>,
    extensions: Vec<Extension<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Key<'a> {
    /// `RSAPublicKey` with 4,096 bits.
    Rsa(&'a [u8]),
    /// Uncompressed point.
    P384(&'a [u8]),
}

#[derive(Clone, Copy, Debug)]
struct Extension<'a> {
    oid: &'a [u8],
    critical: bool,
    value: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, CertificateFault> {
        let signed = Signed::parse(der)?;
        let mut fields = Der::new(signed.tbs.content);
        if fields.content(EXPLICIT_0)? != x509::VERSION_3 {
            return Err(CertificateFault::Version);
        }
        let serial = fields.content(INTEGER)?;
        signed.check_algorithm(fields.content(SEQUENCE)?)?;
        let issuer = fields.element(SEQUENCE)?.raw;
        let mut validity = fields.inside(SEQUENCE)?;
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        validity.end()?;
        let subject = fields.element(SEQUENCE)?;
        let key = key(fields.inside(SEQUENCE)?)?;
        let extensions = match fields.optional(EXPLICIT_3)? {
            Some(element) => extensions(Der::new(element.content))?,
            None => Vec::new(),
        };
        fields.end()?;
        Ok(Self {
            der,
            tbs: signed.tbs.raw,
            signature: signed.signature,
            serial,
            issuer,
            subject: subject.raw,
            name: common_name(Der::new(subject.content))?,
            not_before,
            not_after,
            key,
            extensions,
        })
    }

    /// The point of its key, if it may sign reports and not certificates.
    pub(super) fn report_key(&self) -> Result<&'a [u8], CertificateFault> {
        if self.constraints()?.is_some_and(|found| found.ca || found.path_length) {
            return Err(CertificateFault::IssuerAsLeaf);
        }
        match self.key {
            Key::P384(point) => Ok(point),
            Key::Rsa(_) => Err(CertificateFault::Key),
        }
    }

    /// Its key, if it may issue certificates.
    pub(super) fn issuing_key(&self) -> Result<&'a [u8], CertificateFault> {
        let constraints = self.constraints()?.filter(|found| found.critical);
        if !constraints.ok_or(CertificateFault::Constraints)?.ca {
            return Err(CertificateFault::NotAnIssuer);
        }
        let usage = self.extension(KEY_USAGE).ok_or(CertificateFault::KeyUsage)?;
        if x509::key_usage(usage)? & KEY_CERT_SIGN == 0 {
            return Err(CertificateFault::KeyUsage);
        }
        match self.key {
            Key::Rsa(key) => Ok(key),
            Key::P384(_) => Err(CertificateFault::Key),
        }
    }

    /// Whether it names this certificate as its issuer.
    pub(super) fn names_issuer(&self, issuer: &Certificate<'_>) -> bool {
        self.issuer == issuer.subject
    }

    /// Whether this key signed it.
    pub(super) fn is_signed_by(&self, key: &[u8]) -> bool {
        pss::verify(key, self.tbs, self.signature).is_ok()
    }

    /// Content of an extension.
    pub(super) fn extension(&self, oid: &[u8]) -> Option<&'a [u8]> {
        self.extensions.iter().find(|found| found.oid == oid).map(|found| found.value)
    }

    fn constraints(&self) -> Result<Option<Constraints>, CertificateFault> {
        let found = self.extensions.iter().find(|found| found.oid == BASIC_CONSTRAINTS);
        let read = found.map(|found| x509::basic_constraints(found.value, found.critical));
        Ok(read.transpose()?)
    }
}

impl From<BadDer> for CertificateFault {
    fn from(_: BadDer) -> Self {
        Self::Der
    }
}

/// What certificates and revocation lists have in common: something signed.
pub(super) struct Signed<'a> {
    pub(super) tbs: crate::der::Element<'a>,
    algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, BadDer> {
        let mut outer = Der::new(der);
        let mut parts = outer.inside(SEQUENCE)?;
        outer.end()?;
        let tbs = parts.element(SEQUENCE)?;
        let algorithm = parts.content(SEQUENCE)?;
        let signature = x509::whole_bits(parts.content(BIT_STRING)?)?;
        parts.end()?;
        Ok(Self { tbs, algorithm, signature })
    }

    /// That both places where the algorithm stands say the same, and that it is AMD's.
    pub(super) fn check_algorithm(&self, inner: &[u8]) -> Result<(), CertificateFault> {
        let good = self.algorithm == inner && pss::is_amd_pss(inner);
        if good { Ok(()) } else { Err(CertificateFault::SignatureAlgorithm) }
    }
}

pub(super) fn time(input: &mut Der<'_>) -> Result<Time, CertificateFault> {
    x509::time(input).map_err(|_| CertificateFault::Time)
}

/// The one common name in a name.
fn common_name(mut parts: Der<'_>) -> Result<&str, CertificateFault> {
    let mut found = None;
    while !parts.is_empty() {
        let mut set = parts.inside(SET)?;
        let mut pair = set.inside(SEQUENCE)?;
        set.end()?;
        let oid = pair.content(OID)?;
        let value = pair.any()?;
        pair.end()?;
        if oid == COMMON_NAME && found.replace(value).is_some() {
            return Err(CertificateFault::Name);
        }
    }
    let value = found.filter(|value| matches!(value.tag, UTF8_STRING | PRINTABLE_STRING));
    let text = value.and_then(|value| core::str::from_utf8(value.content).ok());
    text.ok_or(CertificateFault::Name)
}

fn key(mut spki: Der<'_>) -> Result<Key<'_>, CertificateFault> {
    let algorithm = spki.element(SEQUENCE)?.raw;
    let key = x509::whole_bits(spki.content(BIT_STRING)?)?;
    spki.end()?;
    match algorithm {
        EC_P384 if key.len() == x509::P384_POINT_BYTES && key.first() == Some(&4) => {
            Ok(Key::P384(key))
        }
        RSA if rsa_bits(key)? == RSA_BITS => Ok(Key::Rsa(key)),
        _ => Err(CertificateFault::Key),
    }
}

/// Bits of the modulus of an `RSAPublicKey`.
fn rsa_bits(key: &[u8]) -> Result<usize, BadDer> {
    let mut outer = Der::new(key);
    let mut fields = outer.inside(SEQUENCE)?;
    outer.end()?;
    let modulus = fields.content(INTEGER)?;
    fields.content(INTEGER)?;
    fields.end()?;
    match modulus {
        // The zero before a first byte with its top bit set says that the number is positive.
        [0, digits @ ..] if digits.first().is_some_and(|first| first & 0x80 != 0) => {
            Ok(digits.len() * 8)
        }
        _ => Err(BadDer),
    }
}

fn extensions(mut outer: Der<'_>) -> Result<Vec<Extension<'_>>, CertificateFault> {
    let mut list = outer.inside(SEQUENCE)?;
    outer.end()?;
    let mut found: Vec<Extension<'_>> = Vec::new();
    while !list.is_empty() {
        let mut fields = list.inside(SEQUENCE)?;
        let oid = fields.content(OID)?;
        let critical = x509::boolean(&mut fields)?;
        let value = fields.content(OCTET_STRING)?;
        fields.end()?;
        // The count is bounded first, since each is compared with all before it.
        if found.len() == EXTENSIONS_MAX {
            return Err(CertificateFault::Der);
        }
        if found.iter().any(|other| other.oid == oid) {
            return Err(CertificateFault::DuplicateExtension);
        }
        found.push(Extension { oid, critical, value });
    }
    Ok(found)
}

const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// `rsaEncryption` with the parameters NULL (RFC 4055 §1.2).
const RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const RSA_BITS: usize = 4_096;
/// AMD's have eleven.
const EXTENSIONS_MAX: usize = 32;
