//! Why a time stamp is not believed: a closed set of reasons, each with what was found.

use core::error::Error;
use core::fmt;

use crate::time::Time;

/// Why a time stamp is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    // form
    /// More bytes than any answer has.
    TooLong {
        /// Length given.
        got: usize,
    },
    /// Not the strict DER that belongs here.
    Der {
        /// Where.
        place: Place,
    },
    /// The authority refused the request.
    NotGranted {
        /// `PKIStatus` (RFC 3161 §2.4.2).
        status: u8,
        /// The bits of `PKIFailureInfo`, bit 0 highest; 0 when it gives none.
        failure: u32,
    },
    /// The authority granted the request and sent no token.
    TokenMissing,
    /// The token is not CMS signed data.
    NotSignedData,
    /// A version number that this form does not have.
    Version {
        /// Where.
        place: Place,
    },
    /// What is signed is not a `TSTInfo`.
    NotTimestampInfo,
    /// An algorithm that is not accepted.
    Algorithm {
        /// Where.
        place: Place,
    },
    /// The digest that the token announces is not the signer's.
    DigestsDiffer,
    /// Another number of signers than one.
    SignerCount,
    /// Something that nobody signed: revocation lists or unsigned attributes.
    Unsigned,
    /// More certificates than any chain has.
    CertificateCount,
    /// A signed attribute that must be there is not.
    AttributeMissing {
        /// Which.
        attribute: Attribute,
    },
    /// A signed attribute occurs twice, or has more values than one.
    AttributeRepeated {
        /// Which.
        attribute: Attribute,
    },

    // signature
    /// No certificate at hand is the one that the token says it was signed with.
    SignerUnknown,
    /// The signed attribute names another certificate as the signer's.
    SigningCertificate,
    /// The signed attribute says that something else was signed than a `TSTInfo`.
    ContentTypeDiffers,
    /// The signed digest is not that of the content.
    MessageDigest,
    /// The signature is not that of the certificate's key.
    Signature,

    // chain
    /// The caller names no root.
    NoRoots,
    /// A root of the caller's is not a certificate.
    Root,
    /// The certificate is not one of a time-stamping authority.
    Certificate {
        /// What is wrong.
        fault: TsaFault,
    },
    /// No chain of good signatures leads from a root to the certificate.
    Untrusted,
    /// A certificate of the chain was not valid yet at the time of the token.
    NotYetValid {
        /// Start of its validity.
        not_before: Time,
        /// Time of the token.
        at: Time,
    },
    /// A certificate of the chain was not valid any more at the time of the token.
    Expired {
        /// End of its validity.
        not_after: Time,
        /// Time of the token.
        at: Time,
    },
    /// The chain is refused for another reason: constraints, or an unknown critical extension.
    Path,

    // content
    /// The time is not written as RFC 3161 §2.4.2 asks, or does not exist.
    GenTime,
    /// The accuracy has a part that is not from 1 to 999, or is too large.
    Accuracy,
    /// The token has a critical extension; none is known.
    CriticalExtension,
    /// The token names another authority than its certificate.
    TsaName,
    /// The token is about something else than the data.
    ImprintDiffers,
    /// The request had a nonce and the token has none.
    NonceMissing,
    /// The token answers another request: a replay.
    NonceDiffers,
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// `TimeStampResp` around the token.
    Response,
    /// `SignedData`.
    SignedData,
    /// `SignerInfo`.
    SignerInfo,
    /// The signed attributes.
    SignedAttributes,
    /// `TSTInfo`.
    Info,
    /// A certificate.
    Certificate,
}

/// A signed attribute that is looked at.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Attribute {
    /// `contentType` (RFC 5652 §11.1).
    ContentType,
    /// `messageDigest` (RFC 5652 §11.2).
    MessageDigest,
    /// `signingCertificate` (RFC 2634 §5.4) or `signingCertificateV2` (RFC 5035 §3).
    SigningCertificate,
}

/// What is wrong with the certificate of an authority (RFC 3161 §2.3).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TsaFault {
    /// It has no extended key usage.
    NoPurpose,
    /// Its extended key usage is not critical.
    PurposeNotCritical,
    /// Its extended key usage is not time stamping, and time stamping alone.
    OtherPurpose,
    /// Its key usage does not allow to sign.
    KeyUsage,
    /// An extension that is looked at occurs twice.
    DuplicateExtension,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got } => {
                write!(f, "time stamp of {got} bytes is longer than any can be")
            }
            Self::Der { place } => write!(f, "{place} is not strict DER of its form"),
            Self::NotGranted { status, failure } => write!(
                f,
                "the authority did not grant the request: status {status}, failure {failure:#x}"
            ),
            Self::TokenMissing => write!(f, "the authority granted the request without a token"),
            Self::NotSignedData => write!(f, "token is not CMS signed data"),
            Self::Version { place } => write!(f, "{place} has a version that is not read"),
            Self::NotTimestampInfo => write!(f, "token signs something else than a TSTInfo"),
            Self::Algorithm { place } => {
                write!(f, "{place} uses an algorithm that is not accepted")
            }
            Self::DigestsDiffer => {
                write!(f, "token announces another digest than its signer uses")
            }
            Self::SignerCount => write!(f, "token has another number of signers than one"),
            Self::Unsigned => {
                write!(f, "token carries revocation lists or attributes that nobody signed")
            }
            Self::CertificateCount => write!(f, "token carries more certificates than any chain"),
            Self::AttributeMissing { attribute } => write!(f, "{attribute} is missing"),
            Self::AttributeRepeated { attribute } => write!(f, "{attribute} occurs more than once"),
            Self::SignerUnknown => {
                write!(f, "the certificate that signed is neither in the token nor given")
            }
            Self::SigningCertificate => {
                write!(f, "the signed attributes name another certificate than the one that signed")
            }
            Self::ContentTypeDiffers => {
                write!(f, "the signed content type is another than that of the token")
            }
            Self::MessageDigest => write!(f, "the signed digest is not that of the content"),
            Self::Signature => write!(f, "token is not signed by its certificate"),
            Self::NoRoots => write!(f, "no root is given, so no authority can be believed"),
            Self::Root => write!(f, "a root is not a certificate"),
            Self::Certificate { fault } => write!(f, "the authority's certificate {fault}"),
            Self::Untrusted => {
                write!(f, "the authority's certificate was not issued under a given root")
            }
            Self::NotYetValid { not_before, at } => {
                write!(f, "a certificate is valid from {not_before} and the token is of {at}")
            }
            Self::Expired { not_after, at } => {
                write!(f, "a certificate was valid to {not_after} and the token is of {at}")
            }
            Self::Path => write!(f, "the chain breaks a constraint of one of its certificates"),
            Self::GenTime => write!(f, "the time of the token is not one"),
            Self::Accuracy => write!(f, "the accuracy of the token is not one"),
            Self::CriticalExtension => write!(f, "token has a critical extension"),
            Self::TsaName => write!(f, "token names another authority than its certificate"),
            Self::ImprintDiffers => write!(f, "token is about other data"),
            Self::NonceMissing => write!(f, "token has no nonce and the request had one"),
            Self::NonceDiffers => write!(f, "token answers another request"),
        }
    }
}

impl Error for Refused {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response => "answer",
            Self::SignedData => "signed data",
            Self::SignerInfo => "signer info",
            Self::SignedAttributes => "signed attributes",
            Self::Info => "TSTInfo",
            Self::Certificate => "certificate",
        })
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ContentType => "signed attribute contentType",
            Self::MessageDigest => "signed attribute messageDigest",
            Self::SigningCertificate => "signed attribute signingCertificate",
        })
    }
}

impl fmt::Display for TsaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPurpose => "has no extended key usage",
            Self::PurposeNotCritical => "has an extended key usage that is not critical",
            Self::OtherPurpose => "is not for time stamping alone",
            Self::KeyUsage => "may not sign",
            Self::DuplicateExtension => "has an extension twice",
        })
    }
}
