//! Certificates of evidence (RFC 5280): X.509 v3 with P-384 keys and ECDSA-SHA384 signatures only.
//!
//! `webpki` builds the path; what it does not tell or does not look at is read here: the validity
//! of every certificate, key usage, whether constraints are critical, and which certificate is at
//! fault.

use alloc::vec::Vec;

use crate::der::{
    self, BIT_STRING, BOOLEAN, BadDer, Der, EXPLICIT_0, EXPLICIT_3, INTEGER, OCTET_STRING, OID,
    SEQUENCE,
};
use crate::rejected::CertificateFault;
use crate::time::Time;

/// A certificate as far as evidence needs it. All parts point into the bytes received.
#[derive(Clone, Debug)]
pub(crate) struct Certificate<'a> {
    /// The signed part, with its header.
    pub(crate) tbs: &'a [u8],
    /// ECDSA signature over it, in DER.
    pub(crate) signature: &'a [u8],
    /// Serial number, content of the INTEGER.
    pub(crate) serial: &'a [u8],
    /// Issuer name, with its header.
    pub(crate) issuer: &'a [u8],
    /// Subject name, with its header.
    pub(crate) subject: &'a [u8],
    /// First moment of its validity.
    pub(crate) not_before: Time,
    /// Last second of its validity.
    pub(crate) not_after: Time,
    /// Uncompressed P-384 point, 97 bytes.
    pub(crate) point: &'a [u8],
    constraints: Option<Constraints>,
    key_usage: Option<u8>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Constraints {
    pub(crate) critical: bool,
    pub(crate) ca: bool,
    pub(crate) path_length: bool,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, CertificateFault> {
        let mut outer = Der::new(bytes);
        let mut parts = outer.inside(SEQUENCE)?;
        outer.end()?;
        let tbs = parts.element(SEQUENCE)?;
        let algorithm = parts.element(SEQUENCE)?.raw;
        let signature = whole_bits(parts.content(BIT_STRING)?)?;
        parts.end()?;

        let mut fields = Der::new(tbs.content);
        if fields.content(EXPLICIT_0)? != VERSION_3 {
            return Err(CertificateFault::Version);
        }
        let serial = integer(&mut fields)?;
        if fields.element(SEQUENCE)?.raw != ECDSA_SHA384 || algorithm != ECDSA_SHA384 {
            return Err(CertificateFault::SignatureAlgorithm);
        }
        let issuer = fields.element(SEQUENCE)?.raw;
        let mut validity = fields.inside(SEQUENCE)?;
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        validity.end()?;
        let subject = fields.element(SEQUENCE)?.raw;
        let point = p384_point(fields.inside(SEQUENCE)?)?;
        let mut read = Self {
            tbs: tbs.raw,
            signature,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            point,
            constraints: None,
            key_usage: None,
        };
        // Unique identifiers, which nobody has used since 1996, would stand here and are refused.
        if let Some(extensions) = fields.optional(EXPLICIT_3)? {
            read.extensions(Der::new(extensions.content))?;
        }
        fields.end()?;
        Ok(read)
    }

    /// That it may issue certificates.
    pub(crate) fn check_issuer(&self) -> Result<(), CertificateFault> {
        let constraints = self.critical_constraints()?;
        if !constraints.ca {
            return Err(CertificateFault::NotAnIssuer);
        }
        self.check_usage(KEY_CERT_SIGN)
    }

    /// That it may sign documents and not certificates.
    pub(crate) fn check_leaf(&self) -> Result<(), CertificateFault> {
        let constraints = self.critical_constraints()?;
        if constraints.ca || constraints.path_length {
            return Err(CertificateFault::IssuerAsLeaf);
        }
        self.check_usage(DIGITAL_SIGNATURE)
    }

    fn critical_constraints(&self) -> Result<Constraints, CertificateFault> {
        self.constraints.filter(|found| found.critical).ok_or(CertificateFault::Constraints)
    }

    fn check_usage(&self, bit: u8) -> Result<(), CertificateFault> {
        match self.key_usage {
            Some(usage) if usage & bit != 0 => Ok(()),
            Some(_) | None => Err(CertificateFault::KeyUsage),
        }
    }

    /// Reads the extensions that are known here. None may occur twice, known or not (RFC 5280
    /// §4.2). `webpki` refuses critical ones that it does not know.
    fn extensions(&mut self, mut outer: Der<'a>) -> Result<(), CertificateFault> {
        let mut list = outer.inside(SEQUENCE)?;
        outer.end()?;
        let mut seen = Vec::new();
        while !list.is_empty() {
            if seen.len() == EXTENSION_COUNT_MAX {
                return Err(CertificateFault::Der);
            }
            let mut extension = list.inside(SEQUENCE)?;
            let oid = extension.content(OID)?;
            if seen.contains(&oid) {
                return Err(CertificateFault::DuplicateExtension);
            }
            seen.push(oid);
            let critical = boolean(&mut extension)?;
            let value = extension.content(OCTET_STRING)?;
            extension.end()?;
            match oid {
                BASIC_CONSTRAINTS => {
                    self.constraints = Some(basic_constraints(value, critical)?);
                }
                KEY_USAGE => self.key_usage = Some(key_usage(value)?),
                _ => {}
            }
        }
        Ok(())
    }
}

impl From<BadDer> for CertificateFault {
    fn from(_: BadDer) -> Self {
        Self::Der
    }
}

/// An integer in its shortest form (X.690 §8.3.2).
fn integer<'a>(input: &mut Der<'a>) -> Result<&'a [u8], BadDer> {
    match input.content(INTEGER)? {
        [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(BadDer),
        content => Ok(content),
    }
}

/// A boolean that is false when it is absent; false is then never written (X.690 §11.5).
pub(crate) fn boolean(input: &mut Der<'_>) -> Result<bool, BadDer> {
    match input.optional(BOOLEAN)?.map(|element| element.content) {
        None => Ok(false),
        Some([0xff]) => Ok(true),
        Some(_) => Err(BadDer),
    }
}

/// A bit string of whole bytes.
pub(crate) fn whole_bits(content: &[u8]) -> Result<&[u8], BadDer> {
    match content {
        [0, bits @ ..] => Ok(bits),
        _ => Err(BadDer),
    }
}

fn p384_point(mut spki: Der<'_>) -> Result<&[u8], CertificateFault> {
    let algorithm = spki.element(SEQUENCE)?.raw;
    let point = whole_bits(spki.content(BIT_STRING)?)?;
    spki.end()?;
    let uncompressed = point.len() == P384_POINT_BYTES && point.first() == Some(&4);
    if algorithm == EC_P384 && uncompressed { Ok(point) } else { Err(CertificateFault::Key) }
}

pub(crate) fn basic_constraints(value: &[u8], critical: bool) -> Result<Constraints, BadDer> {
    let mut outer = Der::new(value);
    let mut fields = outer.inside(SEQUENCE)?;
    outer.end()?;
    let ca = boolean(&mut fields)?;
    let path_length = match fields.clone().any() {
        Ok(element) if element.tag == INTEGER => match integer(&mut fields)? {
            // Chains have four certificates; more than one byte is somebody's overflow.
            [0..=0x7f] => true,
            _ => return Err(BadDer),
        },
        Ok(_) | Err(BadDer) => false,
    };
    fields.end()?;
    Ok(Constraints { critical, ca, path_length })
}

/// The first eight bits of a key usage; the ninth (decipherOnly) says nothing here.
pub(crate) fn key_usage(value: &[u8]) -> Result<u8, BadDer> {
    let mut outer = Der::new(value);
    let content = outer.content(BIT_STRING)?;
    outer.end()?;
    match content {
        // Bits that are not used are zero (X.690 §11.2.1).
        [unused @ 0..=7, first] if first.trailing_zeros() >= u32::from(*unused) => Ok(*first),
        [7, first, 0 | 0x80] => Ok(*first),
        _ => Err(BadDer),
    }
}

pub(crate) fn time(input: &mut Der<'_>) -> Result<Time, CertificateFault> {
    let element = input.any()?;
    let digits = match (element.tag, element.content) {
        (der::UTC_TIME, [digits @ .., b'Z']) if digits.len() == 12 => digits,
        (der::GENERALIZED_TIME, [digits @ .., b'Z']) if digits.len() == 14 => digits,
        _ => return Err(CertificateFault::Time),
    };
    let mut pairs = digits.chunks_exact(2).map(two_digits);
    let mut next = || pairs.next().flatten().ok_or(CertificateFault::Time);
    let year = match (element.tag, next()?) {
        // RFC 5280 §4.1.2.5.1: two digits are a year from 1950 to 2049.
        (der::UTC_TIME, short @ 0..50) => 2000 + short,
        (der::UTC_TIME, short) => 1900 + short,
        (_, century) => match century * 100 + next()? {
            // Up to 2049 the other form is the one spelling (RFC 5280 §4.1.2.5).
            1950..2050 => return Err(CertificateFault::Time),
            year => year,
        },
    };
    let (date, clock) = ([year, next()?, next()?], [next()?, next()?, next()?]);
    Time::from_civil(date, clock).ok_or(CertificateFault::Time)
}

/// Two decimal digits.
pub(crate) fn two_digits(pair: &[u8]) -> Option<u64> {
    match pair {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(u64::from(tens - b'0') * 10 + u64::from(ones - b'0'))
        }
        _ => None,
    }
}

/// `INTEGER 2`, which is how version 3 is written.
pub(crate) const VERSION_3: &[u8] = &[0x02, 0x01, 0x02];
/// `ecdsa-with-SHA384` without parameters (RFC 5758 §3.2).
const ECDSA_SHA384: &[u8] =
    &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
/// `id-ecPublicKey` with `secp384r1` (RFC 5480 §2.1.1).
pub(crate) const EC_P384: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x22,
];
pub(crate) const P384_POINT_BYTES: usize = 97;
/// Genuine certificates have six at most.
const EXTENSION_COUNT_MAX: usize = 32;
pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const DIGITAL_SIGNATURE: u8 = 0x80;
pub(crate) const KEY_CERT_SIGN: u8 = 0x04;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::spoil::{edited, with_one_more};

    fn read(tag: u8, text: &[u8]) -> Result<u64, CertificateFault> {
        let mut bytes = alloc::vec![tag, u8::try_from(text.len()).unwrap()];
        bytes.extend_from_slice(text);
        time(&mut Der::new(&bytes)).map(Time::unix_seconds)
    }

    #[test]
    fn times_are_read_in_their_two_forms() {
        assert_eq!(read(der::UTC_TIME, b"221109225157Z"), Ok(1_668_034_317));
        assert_eq!(read(der::UTC_TIME, b"700101000000Z"), Ok(0));
        assert_eq!(read(der::GENERALIZED_TIME, b"20500101000000Z"), Ok(2_524_608_000));
        for bad in [&b"2211092251Z"[..], b"221109225157", b"221309225157Z", b"2211092251+1Z"] {
            assert_eq!(read(der::UTC_TIME, bad), Err(CertificateFault::Time));
        }
        assert_eq!(read(der::GENERALIZED_TIME, b"221109225157Z"), Err(CertificateFault::Time));
        assert_eq!(read(der::GENERALIZED_TIME, b"20491231235959Z"), Err(CertificateFault::Time));
        assert_eq!(read(OCTET_STRING, b"221109225157Z"), Err(CertificateFault::Time));
    }

    /// The root that AWS publishes, against what `openssl x509 -text` says of it.
    #[test]
    fn the_aws_root_is_read_as_others_read_it() {
        let der = include_bytes!("../testdata/nitro/aws_nitro_root_g1.der");
        let root = Certificate::parse(der).unwrap();
        assert_eq!(root.not_before.unix_seconds(), 1_572_269_285);
        assert_eq!(root.not_after.unix_seconds(), 2_519_044_085);
        assert_eq!(root.issuer, root.subject);
        assert_eq!(root.check_issuer(), Ok(()));
        assert_eq!(root.check_leaf(), Err(CertificateFault::IssuerAsLeaf));
        for cut in 0..der.len() {
            let cut_short = Certificate::parse(&der[..cut]).map(|_| ());
            assert_eq!(cut_short, Err(CertificateFault::Der), "cut at {cut}");
        }
        let trailing = [&der[..], &[0]].concat();
        assert_eq!(Certificate::parse(&trailing).map(|_| ()), Err(CertificateFault::Der));
    }

    const ROOT: &[u8] = include_bytes!("../testdata/nitro/aws_nitro_root_g1.der");

    /// Names are compared as they stand and never read; everything else ends where its last field
    /// does.
    #[test]
    fn nothing_stands_behind_the_last_field_of_any_structure() {
        let spoiled = with_one_more(ROOT);
        let accepted = spoiled.iter().filter(|(_, der)| Certificate::parse(der).is_ok());
        let accepted: Vec<_> = accepted.map(|(path, _)| path).collect();
        // Issuer, subject, and the signature, which is for the library to read.
        let places = [[0, 0, 3].as_slice(), &[0, 0, 5], &[0, 2]];
        let other = accepted.iter().find(|path| !places.iter().any(|at| path.starts_with(at)));
        assert_eq!(other, None);
        assert!(spoiled.len() > accepted.len() + 14, "{} of {}", accepted.len(), spoiled.len());
    }

    #[track_caller]
    fn refused(path: &[usize], edit: impl FnOnce(&mut Vec<u8>), fault: CertificateFault) {
        let spoiled = edited(ROOT, path, edit);
        assert_eq!(Certificate::parse(&spoiled).map(|_| ()), Err(fault), "{path:?}");
    }

    #[test]
    fn the_algorithm_is_the_same_inside_and_outside_and_the_key_is_a_whole_point() {
        let sha512 = |oid: &mut Vec<u8>| *oid.last_mut().unwrap() = 4;
        // Inside, and outside of what is signed.
        refused(&[0, 0, 2, 0], sha512, CertificateFault::SignatureAlgorithm);
        refused(&[0, 1, 0], sha512, CertificateFault::SignatureAlgorithm);
        let point = [0, 0, 6, 1];
        refused(&point, |bits| bits[1] = 2, CertificateFault::Key);
        refused(&point, |bits| bits.push(0), CertificateFault::Key);
        refused(&point, |bits| bits.truncate(97), CertificateFault::Key);
        refused(&point, |bits| bits[0] = 1, CertificateFault::Der);
        refused(&[0, 0, 6, 0, 1], |curve| curve[4] = 0x23, CertificateFault::Key);
    }

    #[test]
    fn there_are_no_more_extensions_than_are_looked_at() {
        let list = [0, 0, 7, 0];
        let found = edited(ROOT, &list, Vec::clear);
        assert_eq!(Certificate::parse(&found).map(|_| ()), Ok(()));
        let own = |count: usize| {
            move |content: &mut Vec<u8>| {
                content.clear();
                for number in 0..count {
                    let [_, low] = u16::try_from(number).unwrap().to_be_bytes();
                    content.extend([0x30, 7, 6, 3, 0x2a, 3, low, 4, 0]);
                }
            }
        };
        let most = edited(ROOT, &list, own(EXTENSION_COUNT_MAX));
        assert_eq!(Certificate::parse(&most).map(|_| ()), Ok(()));
        refused(&list, own(EXTENSION_COUNT_MAX + 1), CertificateFault::Der);
    }
}
