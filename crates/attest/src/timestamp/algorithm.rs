//! The algorithms of tokens: digests by their identifiers, and signatures that `webpki` checks.
//!
//! SHA-1 is accepted in one place only, the first form of `signingCertificate`, where it names a
//! certificate that a signature has already singled out.

use alloc::vec::Vec;

use aws_lc_rs::digest;
use rustls_pki_types::{SignatureVerificationAlgorithm, alg_id};
use webpki::aws_lc_rs as algorithms;

use super::refused::{Place, Refused};
use crate::der::{BadDer, Der, OID, SEQUENCE};

/// A digest algorithm.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Digest {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Digest {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The digest of `bytes`.
    pub(super) fn of(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }

    /// Reads an `AlgorithmIdentifier`. Parameters are absent or NULL (RFC 5754 §2): authorities
    /// write both.
    pub(super) fn read(input: &mut Der<'_>, place: Place) -> Result<Self, Refused> {
        let (oid, parameters) = identifier(input).map_err(|BadDer| Refused::Der { place })?;
        match (oid, parameters) {
            (SHA256, [] | NULL) => Ok(Self::Sha256),
            (SHA384, [] | NULL) => Ok(Self::Sha384),
            (SHA512, [] | NULL) => Ok(Self::Sha512),
            _ => Err(Refused::Algorithm { place }),
        }
    }
}

/// SHA-1, for the first form of `signingCertificate` alone.
pub(super) fn sha1(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

/// The schemes that a `signatureAlgorithm` of a signer can mean, one for each kind of key.
///
/// The digest it implies must be the signer's; plain `rsaEncryption` implies none.
pub(super) fn schemes(
    identifier: &[u8],
    digest: Digest,
) -> Option<&'static [&'static dyn SignatureVerificationAlgorithm]> {
    let is = |known: &[u8]| identifier == known;
    let rsa = is(RSA_ENCRYPTION);
    match digest {
        Digest::Sha256 if is(&alg_id::ECDSA_SHA256) => Some(ECDSA_256),
        Digest::Sha256 if rsa || is(&alg_id::RSA_PKCS1_SHA256) => Some(RSA_256),
        Digest::Sha256 if is(&alg_id::RSA_PSS_SHA256) => Some(PSS_256),
        Digest::Sha384 if is(&alg_id::ECDSA_SHA384) => Some(ECDSA_384),
        Digest::Sha384 if rsa || is(&alg_id::RSA_PKCS1_SHA384) => Some(RSA_384),
        Digest::Sha384 if is(&alg_id::RSA_PSS_SHA384) => Some(PSS_384),
        Digest::Sha512 if is(&alg_id::ECDSA_SHA512) => Some(ECDSA_512),
        Digest::Sha512 if rsa || is(&alg_id::RSA_PKCS1_SHA512) => Some(RSA_512),
        Digest::Sha512 if is(&alg_id::RSA_PSS_SHA512) => Some(PSS_512),
        Digest::Sha256 | Digest::Sha384 | Digest::Sha512 => None,
    }
}

fn identifier<'a>(input: &mut Der<'a>) -> Result<(&'a [u8], &'a [u8]), BadDer> {
    let mut fields = input.inside(SEQUENCE)?;
    let oid = fields.content(OID)?;
    let parameters = if fields.is_empty() { &[][..] } else { fields.any()?.raw };
    fields.end()?;
    Ok((oid, parameters))
}

/// Every scheme that may sign a certificate of the chain.
pub(super) static CHAIN: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P256_SHA512,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P384_SHA512,
    algorithms::ECDSA_P521_SHA256,
    algorithms::ECDSA_P521_SHA384,
    algorithms::ECDSA_P521_SHA512,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];
static ECDSA_256: &[&dyn SignatureVerificationAlgorithm] =
    &[algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA256, algorithms::ECDSA_P521_SHA256];
static ECDSA_384: &[&dyn SignatureVerificationAlgorithm] =
    &[algorithms::ECDSA_P256_SHA384, algorithms::ECDSA_P384_SHA384, algorithms::ECDSA_P521_SHA384];
static ECDSA_512: &[&dyn SignatureVerificationAlgorithm] =
    &[algorithms::ECDSA_P256_SHA512, algorithms::ECDSA_P384_SHA512, algorithms::ECDSA_P521_SHA512];
static RSA_256: &[&dyn SignatureVerificationAlgorithm] = &[algorithms::RSA_PKCS1_2048_8192_SHA256];
static RSA_384: &[&dyn SignatureVerificationAlgorithm] = &[algorithms::RSA_PKCS1_2048_8192_SHA384];
static RSA_512: &[&dyn SignatureVerificationAlgorithm] = &[algorithms::RSA_PKCS1_2048_8192_SHA512];
static PSS_256: &[&dyn SignatureVerificationAlgorithm] =
    &[algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY];
static PSS_384: &[&dyn SignatureVerificationAlgorithm] =
    &[algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY];
static PSS_512: &[&dyn SignatureVerificationAlgorithm] =
    &[algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY];

// NIST CSOR: 2.16.840.1.101.3.4.2.{1,2,3}.
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
const SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
const NULL: &[u8] = &[5, 0];
/// `rsaEncryption` with NULL, which CMS allows as a signature algorithm (RFC 3370 §3.2).
const RSA_ENCRYPTION: &[u8] =
    &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
