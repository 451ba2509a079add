//! Certificates of Intel's SGX hierarchy (RFC 5280): X.509 v3, P-256 keys, ECDSA with SHA-256.
//!
//! `webpki` builds the path; read here is what it does not tell: serials for the revocation lists,
//! names, validity, key usage and the extension that describes a platform.
//!
//! It is not one with the reader of Nitro's certificates: that one also asks for the shortest form
//! of serial numbers and for the one form of a time that its year allows, which Intel was never
//! asked for. One reader would refuse here what is accepted, or accept there what is refused.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use super::rejected::CertificateFault;
use crate::der::{
    self, BIT_STRING, BOOLEAN, BadDer, Der, EXPLICIT_0, EXPLICIT_3, INTEGER, OCTET_STRING, OID,
    SEQUENCE,
};
use crate::time::Time;
use crate::x509::two_digits;

/// A certificate as far as quotes and collateral need it.
#[derive(Clone, Debug)]
pub(super) struct Certificate<'a> {
    /// All of it.
    pub(super) der: &'a [u8],
    tbs: &'a [u8],
    signature: &'a [u8],
    /// Serial number, big-endian without leading zeros.
    pub(super) serial: &'a [u8],
    /// Issuer name, with its header.
    pub(super) issuer: &'a [u8],
    /// Subject name, with its header.
    pub(super) subject: &'a [u8],
    /// First moment of its validity.
    pub(super) not_before: Time,
    /// Last second of its validity.
    pub(super) not_after: Time,
    /// Uncompressed P-256 point, 65 bytes.
    pub(super) point: &'a [u8],
    /// The SGX extension, if it has one.
    pub(super) sgx: Option<&'a [u8]>,
    constraints: Option<Constraints>,
    key_usage: Option<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Constraints {
    critical: bool,
    ca: bool,
    path_length: bool,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, CertificateFault> {
        let (tbs, signature) = signed(bytes)?;
        let mut fields = Der::new(tbs).inside(SEQUENCE)?;
        if fields.content(EXPLICIT_0)? != VERSION_3 {
            return Err(CertificateFault::Version);
        }
        let serial = unsigned(fields.content(INTEGER)?);
        if fields.element(SEQUENCE)?.raw != ECDSA_SHA256 {
            return Err(CertificateFault::SignatureAlgorithm);
        }
        let issuer = fields.element(SEQUENCE)?.raw;
        let mut validity = fields.inside(SEQUENCE)?;
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        validity.end()?;
        let subject = fields.element(SEQUENCE)?.raw;
        let point = p256_point(fields.inside(SEQUENCE)?)?;
        let mut read = Self {
            der: bytes,
            tbs,
            signature,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            point,
            sgx: None,
            constraints: None,
            key_usage: None,
        };
        if let Some(extensions) = fields.optional(EXPLICIT_3)? {
            read.extensions(Der::new(extensions.content))?;
        }
        fields.end()?;
        Ok(read)
    }

    /// That it may issue certificates and revocation lists.
    pub(super) fn check_issuer(&self, names: &[&str]) -> Result<(), CertificateFault> {
        match self.constraints {
            Some(Constraints { critical: true, ca: true, .. }) => {}
            Some(Constraints { critical: true, .. }) => return Err(CertificateFault::NotAnIssuer),
            Some(_) | None => return Err(CertificateFault::Constraints),
        }
        self.check_usage_and_name(KEY_CERT_SIGN | CRL_SIGN, names)
    }

    /// That it may sign statements and not certificates.
    pub(super) fn check_leaf(&self, names: &[&str]) -> Result<(), CertificateFault> {
        match self.constraints {
            Some(Constraints { critical: true, ca: false, path_length: false }) => {}
            Some(Constraints { critical: true, .. }) => return Err(CertificateFault::IssuerAsLeaf),
            Some(_) | None => return Err(CertificateFault::Constraints),
        }
        self.check_usage_and_name(DIGITAL_SIGNATURE, names)
    }

    fn check_usage_and_name(&self, bits: u8, names: &[&str]) -> Result<(), CertificateFault> {
        if self.key_usage.is_none_or(|usage| usage & bits != bits) {
            return Err(CertificateFault::KeyUsage);
        }
        let name = common_name(self.subject)?;
        let known = names.iter().any(|known| known.as_bytes() == name);
        if known { Ok(()) } else { Err(CertificateFault::Name) }
    }

    /// Whether its key signed this: what a certificate or a revocation list signs.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.point)
            .verify(message, signature)
            .is_ok()
    }

    /// Whether this certificate was signed by that one.
    pub(super) fn is_signed_by(&self, issuer: &Certificate<'_>) -> bool {
        issuer.has_signed(self.tbs, self.signature)
    }

    fn extensions(&mut self, mut outer: Der<'a>) -> Result<(), CertificateFault> {
        let mut list = outer.inside(SEQUENCE)?;
        outer.end()?;
        if list.is_empty() {
            return Err(CertificateFault::Der);
        }
        while !list.is_empty() {
            let Extension { oid, critical, value } = Extension::read(&mut list)?;
            match oid {
                BASIC_CONSTRAINTS => {
                    once(&mut self.constraints, basic_constraints(value, critical)?)?;
                }
                KEY_USAGE => once(&mut self.key_usage, key_usage(value)?)?,
                SGX => once(&mut self.sgx, value)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// One extension of a certificate or of a revocation list.
pub(super) struct Extension<'a> {
    pub(super) oid: &'a [u8],
    pub(super) critical: bool,
    pub(super) value: &'a [u8],
}

impl<'a> Extension<'a> {
    pub(super) fn read(list: &mut Der<'a>) -> Result<Self, BadDer> {
        let mut fields = list.inside(SEQUENCE)?;
        let oid = fields.content(OID)?;
        let critical = boolean(&mut fields)?;
        let value = fields.content(OCTET_STRING)?;
        fields.end()?;
        Ok(Self { oid, critical, value })
    }
}

impl From<BadDer> for CertificateFault {
    fn from(_: BadDer) -> Self {
        Self::Der
    }
}

/// The signed part, with its header, and the signature of a certificate or revocation list.
pub(super) fn signed(bytes: &[u8]) -> Result<(&[u8], &[u8]), CertificateFault> {
    let mut outer = Der::new(bytes);
    let mut parts = outer.inside(SEQUENCE)?;
    outer.end()?;
    let tbs = parts.element(SEQUENCE)?.raw;
    if parts.element(SEQUENCE)?.raw != ECDSA_SHA256 {
        return Err(CertificateFault::SignatureAlgorithm);
    }
    let signature = whole_bits(parts.content(BIT_STRING)?)?;
    parts.end()?;
    Ok((tbs, signature))
}

/// A serial number without the zeros in front, so that two writings of one number are equal.
pub(super) fn unsigned(content: &[u8]) -> &[u8] {
    let zeros = content.iter().take_while(|byte| **byte == 0).count();
    content.get(zeros..).unwrap_or_default()
}

/// A time as RFC 5280 §4.1.2.5 writes it.
pub(super) fn time(input: &mut Der<'_>) -> Result<Time, CertificateFault> {
    let element = input.any()?;
    let digits = match (element.tag, element.content) {
        (der::UTC_TIME, [digits @ .., b'Z']) if digits.len() == 12 => digits,
        (der::GENERALIZED_TIME, [digits @ .., b'Z']) if digits.len() == 14 => digits,
        _ => return Err(CertificateFault::Time),
    };
    let mut pairs = digits.chunks_exact(2).map(two_digits);
    let mut next = || pairs.next().flatten().ok_or(CertificateFault::Time);
    let year = match (element.tag, next()?) {
        (der::UTC_TIME, short @ 0..50) => 2000 + short,
        (der::UTC_TIME, short) => 1900 + short,
        (_, century) => century * 100 + next()?,
    };
    let (date, clock) = ([year, next()?, next()?], [next()?, next()?, next()?]);
    Time::from_civil(date, clock).ok_or(CertificateFault::Time)
}

/// A boolean that is false when it is absent; false is then never written (X.690 §11.5).
fn boolean(input: &mut Der<'_>) -> Result<bool, BadDer> {
    match input.optional(BOOLEAN)?.map(|element| element.content) {
        None => Ok(false),
        Some([0xff]) => Ok(true),
        Some(_) => Err(BadDer),
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), CertificateFault> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(CertificateFault::DuplicateExtension),
    }
}

fn whole_bits(content: &[u8]) -> Result<&[u8], BadDer> {
    match content {
        [0, bits @ ..] => Ok(bits),
        _ => Err(BadDer),
    }
}

fn p256_point(mut spki: Der<'_>) -> Result<&[u8], CertificateFault> {
    let algorithm = spki.element(SEQUENCE)?.raw;
    let point = whole_bits(spki.content(BIT_STRING)?)?;
    spki.end()?;
    let uncompressed = point.len() == P256_POINT_BYTES && point.first() == Some(&4);
    if algorithm == EC_P256 && uncompressed { Ok(point) } else { Err(CertificateFault::Key) }
}

fn basic_constraints(value: &[u8], critical: bool) -> Result<Constraints, BadDer> {
    let mut outer = Der::new(value);
    let mut fields = outer.inside(SEQUENCE)?;
    outer.end()?;
    let ca = boolean(&mut fields)?;
    let path_length = fields.optional(INTEGER)?.is_some();
    fields.end()?;
    Ok(Constraints { critical, ca, path_length })
}

fn key_usage(value: &[u8]) -> Result<u8, BadDer> {
    let mut outer = Der::new(value);
    let content = outer.content(BIT_STRING)?;
    outer.end()?;
    match content {
        [0..=7, first] | [7, first, _] => Ok(*first),
        _ => Err(BadDer),
    }
}

/// The one common name in a subject.
fn common_name(subject: &[u8]) -> Result<&[u8], CertificateFault> {
    let mut sets = Der::new(subject).inside(SEQUENCE)?;
    let mut found = None;
    while !sets.is_empty() {
        let mut set = Der::new(sets.content(SET)?);
        let mut pair = set.inside(SEQUENCE)?;
        let (oid, value) = (pair.content(OID)?, pair.any()?);
        if oid == COMMON_NAME && found.replace(value.content).is_some() {
            return Err(CertificateFault::Name);
        }
    }
    found.ok_or(CertificateFault::Name)
}

/// `INTEGER 2`, which is how version 3 is written.
const VERSION_3: &[u8] = &[0x02, 0x01, 0x02];
/// `ecdsa-with-SHA256` without parameters (RFC 5758 §3.2).
pub(super) const ECDSA_SHA256: &[u8] =
    &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// `id-ecPublicKey` with `secp256r1` (RFC 5480 §2.1.1).
const EC_P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];
const P256_POINT_BYTES: usize = 65;
const SET: u8 = 0x31;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// 1.2.840.113741.1.13.1, Intel's description of a platform.
pub(super) const SGX: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01];
const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_CERT_SIGN: u8 = 0x04;
const CRL_SIGN: u8 = 0x02;
