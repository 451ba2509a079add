//! CMS `SignedData` (RFC 5652 §5) as tokens have it: one signer, attributes signed, content
//! attached.

use alloc::vec::Vec;

use super::algorithm::{Digest, schemes, sha1};
use super::certificate::Signer;
use super::info::DIRECTORY_NAME;
use super::refused::{Attribute, Place, Refused};
use crate::der::{BadDer, Der, EXPLICIT_0, Element, INTEGER, OCTET_STRING, OID, SEQUENCE};

/// A token, in place.
#[derive(Clone, Debug)]
pub(super) struct SignedData<'a> {
    /// The `TSTInfo` in DER.
    pub(super) content: &'a [u8],
    /// Certificates that came along, in DER.
    pub(super) certificates: Vec<&'a [u8]>,
    /// How the token names the certificate of its signer.
    pub(super) signer: SignerId<'a>,
    digest: Digest,
    attributes: Attributes<'a>,
    algorithm: &'a [u8],
    signature: &'a [u8],
}

/// How a certificate is named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SignerId<'a> {
    /// By issuer, a name in DER, and serial number.
    IssuerAndSerial(&'a [u8], &'a [u8]),
    /// By its subject key identifier.
    KeyId(&'a [u8]),
}

/// The signed attributes.
#[derive(Clone, Debug)]
struct Attributes<'a> {
    /// What the signature is over: the attributes as a SET (RFC 5652 §5.4).
    signed: Vec<u8>,
    content_type: &'a [u8],
    message_digest: &'a [u8],
    /// Content of the first entries of `signingCertificate` and `signingCertificateV2`.
    signing_certificate: Option<&'a [u8]>,
    signing_certificate_v2: Option<&'a [u8]>,
}

fn in_data(_: BadDer) -> Refused {
    Refused::Der { place: Place::SignedData }
}

fn in_signer(_: BadDer) -> Refused {
    Refused::Der { place: Place::SignerInfo }
}

fn in_attributes(_: BadDer) -> Refused {
    Refused::Der { place: Place::SignedAttributes }
}

impl<'a> SignedData<'a> {
    pub(super) fn parse(token: &'a [u8]) -> Result<Self, Refused> {
        let mut outer = Der::new(token);
        let mut wrapping = outer.inside(SEQUENCE).map_err(in_data)?;
        outer.end().map_err(in_data)?;
        if wrapping.content(OID).map_err(in_data)? != SIGNED_DATA {
            return Err(Refused::NotSignedData);
        }
        let mut explicit = wrapping.inside(EXPLICIT_0).map_err(in_data)?;
        wrapping.end().map_err(in_data)?;
        let mut fields = explicit.inside(SEQUENCE).map_err(in_data)?;
        explicit.end().map_err(in_data)?;
        if fields.content(INTEGER).map_err(in_data)? != [3] {
            return Err(Refused::Version { place: Place::SignedData });
        }
        let mut digests = fields.inside(SET).map_err(in_data)?;
        let announced = Digest::read(&mut digests, Place::SignedData)?;
        digests.end().map_err(|BadDer| Refused::DigestsDiffer)?;
        let content = encapsulated(fields.inside(SEQUENCE).map_err(in_data)?)?;
        let certificates = fields.optional(EXPLICIT_0).map_err(in_data)?;
        let certificates = certificates.map_or(Ok(Vec::new()), |set| list(set.content))?;
        if fields.optional(REVOCATION_LISTS).map_err(in_data)?.is_some() {
            return Err(Refused::Unsigned);
        }
        let mut signers = fields.inside(SET).map_err(in_data)?;
        fields.end().map_err(in_data)?;
        if signers.is_empty() {
            return Err(Refused::SignerCount);
        }
        let signer = signers.inside(SEQUENCE).map_err(in_signer)?;
        signers.end().map_err(|BadDer| Refused::SignerCount)?;
        let read = Self::read_signer(signer, content, certificates)?;
        if read.digest == announced { Ok(read) } else { Err(Refused::DigestsDiffer) }
    }

    fn read_signer(
        mut fields: Der<'a>,
        content: &'a [u8],
        certificates: Vec<&'a [u8]>,
    ) -> Result<Self, Refused> {
        let version = fields.content(INTEGER).map_err(in_signer)?;
        let signer = signer_id(fields.any().map_err(in_signer)?)?;
        match (version, signer) {
            ([1], SignerId::IssuerAndSerial(..)) | ([3], SignerId::KeyId(_)) => {}
            _ => return Err(Refused::Version { place: Place::SignerInfo }),
        }
        let digest = Digest::read(&mut fields, Place::SignerInfo)?;
        let attributes = fields.optional(EXPLICIT_0).map_err(in_signer)?;
        let missing = Refused::AttributeMissing { attribute: Attribute::MessageDigest };
        let attributes = Attributes::read(attributes.ok_or(missing)?)?;
        let algorithm = fields.content(SEQUENCE).map_err(in_signer)?;
        let signature = fields.content(OCTET_STRING).map_err(in_signer)?;
        if fields.optional(UNSIGNED_ATTRIBUTES).map_err(in_signer)?.is_some() {
            return Err(Refused::Unsigned);
        }
        fields.end().map_err(in_signer)?;
        Ok(Self { content, certificates, signer, digest, attributes, algorithm, signature })
    }

    /// That the key of this certificate signed the content.
    pub(super) fn check_signature(&self, signer: &Signer<'_>) -> Result<(), Refused> {
        let attributes = &self.attributes;
        let schemes = schemes(self.algorithm, self.digest)
            .ok_or(Refused::Algorithm { place: Place::SignerInfo })?;
        if !signer.has_signed(schemes, &attributes.signed, self.signature)? {
            return Err(Refused::Signature);
        }
        if attributes.content_type != TST_INFO {
            return Err(Refused::ContentTypeDiffers);
        }
        if attributes.message_digest != self.digest.of(self.content) {
            return Err(Refused::MessageDigest);
        }
        Ok(())
    }

    /// Whether the signed attributes name this certificate as the signer's. Both forms may be
    /// there; none may name another.
    pub(super) fn names(&self, certificate: &[u8], id: (&[u8], &[u8])) -> Result<bool, Refused> {
        let first = self.attributes.signing_certificate;
        let first = first.map(|entry| names_by_sha1(entry, certificate, id));
        let second = self.attributes.signing_certificate_v2;
        let second = second.map(|entry| names_by_digest(entry, certificate, id));
        Ok(first.transpose()?.unwrap_or(true) && second.transpose()?.unwrap_or(true))
    }
}

/// `EncapsulatedContentInfo` of a `TSTInfo`.
fn encapsulated(mut fields: Der<'_>) -> Result<&[u8], Refused> {
    if fields.content(OID).map_err(in_data)? != TST_INFO {
        return Err(Refused::NotTimestampInfo);
    }
    let mut explicit = fields.inside(EXPLICIT_0).map_err(in_data)?;
    fields.end().map_err(in_data)?;
    let content = explicit.content(OCTET_STRING).map_err(in_data)?;
    explicit.end().map_err(in_data)?;
    Ok(content)
}

fn list(content: &[u8]) -> Result<Vec<&[u8]>, Refused> {
    let mut set = Der::new(content);
    let mut certificates = Vec::new();
    while !set.is_empty() {
        if certificates.len() == CERTIFICATE_COUNT_MAX {
            return Err(Refused::CertificateCount);
        }
        certificates.push(set.element(SEQUENCE).map_err(in_data)?.raw);
    }
    Ok(certificates)
}

fn signer_id(element: Element<'_>) -> Result<SignerId<'_>, Refused> {
    match element.tag {
        SEQUENCE => {
            let mut fields = Der::new(element.content);
            let issuer = fields.element(SEQUENCE).map_err(in_signer)?.raw;
            let serial = fields.content(INTEGER).map_err(in_signer)?;
            fields.end().map_err(in_signer)?;
            Ok(SignerId::IssuerAndSerial(issuer, serial))
        }
        KEY_ID => Ok(SignerId::KeyId(element.content)),
        _ => Err(Refused::Der { place: Place::SignerInfo }),
    }
}

impl<'a> Attributes<'a> {
    fn read(element: Element<'a>) -> Result<Self, Refused> {
        let mut signed = element.raw.to_vec();
        if let Some(tag) = signed.first_mut() {
            *tag = SET;
        }
        let [mut content_type, mut message_digest, mut first, mut second] = [None; 4];
        let mut set = Der::new(element.content);
        let mut before: &[u8] = &[];
        while !set.is_empty() {
            let attribute = set.element(SEQUENCE).map_err(in_attributes)?;
            // Members of a SET OF come in the order of their bytes (X.690 §11.6).
            if attribute.raw < before {
                return Err(Refused::Der { place: Place::SignedAttributes });
            }
            before = attribute.raw;
            let mut fields = Der::new(attribute.content);
            let (slot, name) = match fields.content(OID).map_err(in_attributes)? {
                CONTENT_TYPE => (&mut content_type, Attribute::ContentType),
                MESSAGE_DIGEST => (&mut message_digest, Attribute::MessageDigest),
                SIGNING_CERTIFICATE => (&mut first, Attribute::SigningCertificate),
                SIGNING_CERTIFICATE_V2 => (&mut second, Attribute::SigningCertificate),
                _ => continue,
            };
            let mut values = fields.inside(SET).map_err(in_attributes)?;
            fields.end().map_err(in_attributes)?;
            let value = values.any().map_err(in_attributes)?;
            let repeated = Refused::AttributeRepeated { attribute: name };
            values.end().map_err(|BadDer| repeated)?;
            if slot.replace(value).is_some() {
                return Err(repeated);
            }
        }
        let typed = |value: Option<Element<'a>>, tag, attribute| match value {
            None => Err(Refused::AttributeMissing { attribute }),
            Some(value) if value.tag == tag => Ok(value.content),
            Some(_) => Err(Refused::Der { place: Place::SignedAttributes }),
        };
        if first.or(second).is_none() {
            let attribute = Attribute::SigningCertificate;
            return Err(Refused::AttributeMissing { attribute });
        }
        Ok(Self {
            signed,
            content_type: typed(content_type, OID, Attribute::ContentType)?,
            message_digest: typed(message_digest, OCTET_STRING, Attribute::MessageDigest)?,
            signing_certificate: first.map(|value| first_entry(&value)).transpose()?,
            signing_certificate_v2: second.map(|value| first_entry(&value)).transpose()?,
        })
    }
}

/// The first of the certificates named: the signer's (RFC 5035 §3). Policies may follow.
fn first_entry<'a>(value: &Element<'a>) -> Result<&'a [u8], Refused> {
    let mut outer = Der::new(value.raw);
    let mut fields = outer.inside(SEQUENCE).map_err(in_attributes)?;
    let mut entries = fields.inside(SEQUENCE).map_err(in_attributes)?;
    fields.optional(SEQUENCE).map_err(in_attributes)?;
    fields.end().map_err(in_attributes)?;
    entries.content(SEQUENCE).map_err(in_attributes)
}

/// `ESSCertID`: SHA-1 of the certificate, and perhaps issuer and serial number.
fn names_by_sha1(entry: &[u8], der: &[u8], id: (&[u8], &[u8])) -> Result<bool, Refused> {
    let mut fields = Der::new(entry);
    let hash = fields.content(OCTET_STRING).map_err(in_attributes)?;
    Ok(hash == sha1(der) && names_issuer(fields, id)?)
}

/// `ESSCertIDv2`: another digest, SHA-256 when it does not say which.
fn names_by_digest(entry: &[u8], der: &[u8], id: (&[u8], &[u8])) -> Result<bool, Refused> {
    let mut fields = Der::new(entry);
    let digest = match fields.clone().any().map_err(in_attributes)?.tag {
        SEQUENCE => Digest::read(&mut fields, Place::SignedAttributes)?,
        _ => Digest::Sha256,
    };
    let hash = fields.content(OCTET_STRING).map_err(in_attributes)?;
    Ok(hash == digest.of(der) && names_issuer(fields, id)?)
}

/// `IssuerSerial` at the end of an entry, if it is there, is that of the certificate.
fn names_issuer(mut fields: Der<'_>, (issuer, serial): (&[u8], &[u8])) -> Result<bool, Refused> {
    let Some(found) = fields.optional(SEQUENCE).map_err(in_attributes)? else {
        fields.end().map_err(in_attributes)?;
        return Ok(true);
    };
    fields.end().map_err(in_attributes)?;
    let mut fields = Der::new(found.content);
    let mut names = fields.inside(SEQUENCE).map_err(in_attributes)?;
    let named = fields.content(INTEGER).map_err(in_attributes)?;
    fields.end().map_err(in_attributes)?;
    let name = names.content(DIRECTORY_NAME).map_err(in_attributes)?;
    names.end().map_err(in_attributes)?;
    Ok((name, named) == (issuer, serial))
}

/// A chain has three or four certificates; some authorities add a cross-signed one.
const CERTIFICATE_COUNT_MAX: usize = 16;
const SET: u8 = 0x31;
const KEY_ID: u8 = 0x80;
const REVOCATION_LISTS: u8 = 0xa1;
const UNSIGNED_ATTRIBUTES: u8 = 0xa1;
/// `id-signedData`, 1.2.840.113549.1.7.2.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// `id-ct-TSTInfo`, 1.2.840.113549.1.9.16.1.4.
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
/// 1.2.840.113549.1.9.3
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
/// 1.2.840.113549.1.9.4
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
/// 1.2.840.113549.1.9.16.2.12
const SIGNING_CERTIFICATE: &[u8] =
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c];
/// 1.2.840.113549.1.9.16.2.47
const SIGNING_CERTIFICATE_V2: &[u8] =
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];
