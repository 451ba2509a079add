//! Certificates of access: who may ask the inside view, in which role, until when.
//!
//! X.509 as any TLS library shows it, in one profile: an authority that the measured configuration
//! names signs with Ed25519; the holder has a P-256 key that never left their machine; name and
//! role are the subject. Reading writes what it has read once more and compares, so every extension
//! and every spelling that is not in the profile is refused. What is read is a claim; only
//! [`Claimed::verify`] makes it [`Issued`].

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use lucarne_ledger::hash::to_hex;
use lucarne_ledger::key::PublicKey;

use crate::der::{self, NotDer, Reader, bit_string, element, sequence};

/// Longest certificate: names and fixed parts take less than 600 bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 1_024;
/// Longest name of a person, an authority or a role.
pub const NAME_BYTES_MAX: usize = 63;

/// The name of a person, an authority or a role: `[a-z0-9]` and then `[a-z0-9._-]`, at most 63.
///
/// It goes into audit records, which leave: nothing in it looks like an address or a path.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(String);

/// What a certificate says of its holder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// Chosen at random by the authority; a revocation names it.
    pub serial: Serial,
    /// Who signed it.
    pub authority: Name,
    /// Whose it is.
    pub holder: Name,
    /// What they may do, by the measured configuration.
    pub role: Name,
    /// First second of its validity, since 1970.
    pub not_before: u64,
    /// Last second of its validity, since 1970.
    pub not_after: u64,
    /// The holder's P-256 key, an uncompressed point.
    pub point: [u8; 65],
}

/// A serial number: 16 bytes of which the first is 0x40 to 0x7f.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Serial([u8; 16]);

/// Why something is not a certificate of access, or not one of this authority.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateError {
    /// Longer than `CERTIFICATE_BYTES_MAX`.
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// Not in the profile.
    Profile,
    /// A name that is not one.
    Name,
    /// A validity that ends before it begins, or reaches the year 2050.
    Validity,
    /// The authority has not signed it.
    Signature,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got } => {
                write!(f, "certificate of {got} bytes, at most {CERTIFICATE_BYTES_MAX} are read")
            }
            Self::Profile => write!(f, "not a certificate of access"),
            Self::Name => write!(f, "a name is 1 to 63 of a-z, 0-9, '.', '_' and '-'"),
            Self::Validity => write!(f, "the validity ends before it begins, or after 2049"),
            Self::Signature => write!(f, "the authority has not signed the certificate"),
        }
    }
}

impl core::error::Error for CertificateError {}

impl From<NotDer> for CertificateError {
    fn from(_: NotDer) -> Self {
        Self::Profile
    }
}

impl core::str::FromStr for Name {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let good = (1..=NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().next().is_some_and(letter)
            && text.bytes().all(|b| letter(b) || matches!(b, b'.' | b'_' | b'-'));
        if good { Ok(Self(text.to_owned())) } else { Err(CertificateError::Name) }
    }
}

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serial {
    /// From 16 random bytes, of which two bits are lost to the one spelling.
    pub const fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[0] = bytes[0] & 0x3f | 0x40;
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::str::FromStr for Serial {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let bytes: [u8; 16] =
            lucarne_ledger::hash::from_hex(text).map_err(|_| CertificateError::Profile)?;
        let serial = Self::from_random(bytes);
        if serial.0 == bytes { Ok(serial) } else { Err(CertificateError::Profile) }
    }
}

impl Certificate {
    /// What the authority signs.
    ///
    /// # Errors
    /// `Validity`.
    pub fn to_be_signed(&self) -> Result<Vec<u8>, CertificateError> {
        if self.not_before > self.not_after {
            return Err(CertificateError::Validity);
        }
        let time = |seconds| {
            let text = der::time::write(seconds).ok_or(CertificateError::Validity)?;
            Ok::<_, CertificateError>(element(der::UTC_TIME, text.as_bytes()))
        };
        let (from, to) = (time(self.not_before)?, time(self.not_after)?);
        Ok(sequence(&[
            der::VERSION_3,
            &element(der::INTEGER, &self.serial.0),
            ED25519,
            &sequence(&[&attribute(COMMON_NAME, &self.authority)]),
            &sequence(&[&from, &to]),
            &sequence(&[
                &attribute(ORGANIZATIONAL_UNIT, &self.role),
                &attribute(COMMON_NAME, &self.holder),
            ]),
            &sequence(&[P256, &bit_string(&self.point)]),
            &element(
                der::EXPLICIT_3,
                &sequence(&[BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE]),
            ),
        ]))
    }

    /// The certificate from what was signed and the signature.
    pub fn assemble(to_be_signed: &[u8], signature: &[u8; 64]) -> Vec<u8> {
        sequence(&[to_be_signed, ED25519, &bit_string(signature)])
    }

    /// Reads a certificate. Nothing of it is to be believed before it is verified.
    ///
    /// # Errors
    /// When it is not in the profile.
    pub fn parse(bytes: &[u8]) -> Result<Claimed<'_>, CertificateError> {
        if bytes.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLong { got: bytes.len() });
        }
        let mut outer = Reader::new(bytes);
        let mut parts = Reader::new(outer.content(der::SEQUENCE)?);
        outer.end()?;
        let signed = parts.whole(der::SEQUENCE)?;
        parts.exactly(ED25519)?;
        let bits = parts.content(der::BIT_STRING)?;
        parts.end()?;
        let signature = bits.strip_prefix(&[0]).ok_or(CertificateError::Profile)?;
        let signature = signature.try_into().map_err(|_| CertificateError::Profile)?;
        let certificate = Self::parse_signed(signed)?;
        if certificate.to_be_signed()? == signed {
            Ok(Claimed { certificate, signed, signature })
        } else {
            Err(CertificateError::Profile)
        }
    }

    fn parse_signed(signed: &[u8]) -> Result<Self, CertificateError> {
        let mut fields = Reader::new(Reader::new(signed).content(der::SEQUENCE)?);
        fields.exactly(der::VERSION_3)?;
        let serial = fields.content(der::INTEGER)?;
        let serial = serial.try_into().map_err(|_| CertificateError::Profile)?;
        fields.exactly(ED25519)?;
        let authority = name(&mut Reader::new(fields.content(der::SEQUENCE)?), COMMON_NAME)?;
        let mut validity = Reader::new(fields.content(der::SEQUENCE)?);
        let mut time = || {
            let text = validity.content(der::UTC_TIME)?;
            der::time::read(text).ok_or(CertificateError::Validity)
        };
        let (not_before, not_after) = (time()?, time()?);
        let mut subject = Reader::new(fields.content(der::SEQUENCE)?);
        let role = name(&mut subject, ORGANIZATIONAL_UNIT)?;
        let holder = name(&mut subject, COMMON_NAME)?;
        let mut key = Reader::new(fields.content(der::SEQUENCE)?);
        key.exactly(P256)?;
        let point = key.content(der::BIT_STRING)?.strip_prefix(&[0]);
        let point = point.and_then(|point| point.try_into().ok());
        let point = point.ok_or(CertificateError::Profile)?;
        Ok(Self {
            serial: Serial::from_random(serial),
            authority,
            holder,
            role,
            not_before,
            not_after,
            point,
        })
    }

    /// The holder's key.
    ///
    /// # Errors
    /// `Profile` when the point is not written uncompressed.
    pub fn key(&self) -> Result<PublicKey, CertificateError> {
        PublicKey::from_p256_point(&self.point).map_err(|_| CertificateError::Profile)
    }
}

/// A certificate as it was presented; anyone can write one that says this.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claimed<'a> {
    certificate: Certificate,
    signed: &'a [u8],
    signature: [u8; 64],
}

impl Claimed<'_> {
    /// What it says, *before anybody checked it*: for finding the authority to check it with.
    pub const fn unverified(&self) -> &Certificate {
        &self.certificate
    }

    /// Checks that this key has signed it. Whether it is valid now, and not revoked, is the
    /// caller's to check.
    ///
    /// # Errors
    /// `Signature`.
    pub fn verify(self, authority: &PublicKey) -> Result<Issued, CertificateError> {
        if authority.verifies(self.signed, &self.signature) {
            Ok(Issued(self.certificate))
        } else {
            Err(CertificateError::Signature)
        }
    }
}

/// A certificate that its authority has signed. Only [`Claimed::verify`] makes one.
///
/// ```compile_fail
/// fn forge(certificate: lucarne_link::access::Certificate) -> lucarne_link::access::Issued {
///     lucarne_link::access::Issued(certificate) // private field: trust cannot be typed in
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issued(Certificate);

impl Issued {
    /// What it says.
    pub const fn get(&self) -> &Certificate {
        &self.0
    }
}

/// The certificate of the channel's own key, which nobody but the key itself has signed: evidence
/// vouches for it. `sign` gives an ECDSA signature in DER over what it is handed.
///
/// # Errors
/// `Validity` when the time is past 2049, and whatever `sign` gives.
pub fn self_signed<E: From<CertificateError>>(
    point: &[u8],
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let mut serial = lucarne_ledger::hash::Hash::of(point).0;
    serial[0] = serial[0] & 0x3f | 0x40;
    let name = sequence(&[&attribute_text(COMMON_NAME, CHANNEL_NAME)]);
    // RFC 5280 §4.1.2.5: what has no good end is valid to the year 9999; its epoch ends it.
    let validity =
        sequence(&[&element(der::UTC_TIME, b"200101000000Z"), &element(0x18, b"99991231235959Z")]);
    let signed = sequence(&[
        der::VERSION_3,
        &element(der::INTEGER, serial.get(..16).unwrap_or_default()),
        ECDSA_SHA256,
        &name,
        &validity,
        &name,
        &sequence(&[P256, &bit_string(point)]),
        &element(der::EXPLICIT_3, &sequence(&[BASIC_CONSTRAINTS, KEY_USAGE])),
    ]);
    let signature = sign(&signed)?;
    Ok(sequence(&[&signed, ECDSA_SHA256, &bit_string(&signature)]))
}

fn name(subject: &mut Reader<'_>, kind: &[u8]) -> Result<Name, CertificateError> {
    let set = subject.content(der::SET)?;
    let mut pair = Reader::new(Reader::new(set).content(der::SEQUENCE)?);
    pair.exactly(kind)?;
    let text = pair.content(der::UTF8_STRING)?;
    core::str::from_utf8(text).map_err(|_| CertificateError::Name)?.parse()
}

fn attribute(kind: &[u8], name: &Name) -> Vec<u8> {
    attribute_text(kind, &name.0)
}

fn attribute_text(kind: &[u8], text: &str) -> Vec<u8> {
    element(der::SET, &sequence(&[kind, &element(der::UTF8_STRING, text.as_bytes())]))
}

/// `Ed25519` (RFC 8410 §3).
const ED25519: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
/// `ecdsa-with-SHA256` (RFC 5758 §3.2).
const ECDSA_SHA256: &[u8] =
    &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// `id-ecPublicKey` with `secp256r1` (RFC 5480 §2.1.1).
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];
/// `id-at-commonName`
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
/// `id-at-organizationalUnitName`: the role.
const ORGANIZATIONAL_UNIT: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x0b];
/// Critical: not an issuer.
const BASIC_CONSTRAINTS: &[u8] =
    &[0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00];
/// Critical: `digitalSignature`.
const KEY_USAGE: &[u8] = &[
    0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x07, 0x80,
];
/// `id-kp-clientAuth`: no certificate of access is a server's.
const EXTENDED_KEY_USAGE: &[u8] = &[
    0x30, 0x13, 0x06, 0x03, 0x55, 0x1d, 0x25, 0x04, 0x0c, 0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01,
    0x05, 0x05, 0x07, 0x03, 0x02,
];
/// For people who look at a capture: the name says nothing, evidence does.
const CHANNEL_NAME: &str = "Lucarne attested channel";

#[cfg(test)]
mod tests;
