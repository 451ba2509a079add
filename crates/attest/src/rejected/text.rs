//! Rejections in words, for operators and auditors.

use core::error::Error;
use core::fmt;

use super::{CertificateFault, Difference, Field, Part, Place, Rejected};

impl fmt::Display for Rejected {
    #[expect(clippy::too_many_lines, reason = "a table: one reason, one text")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "evidence is empty"),
            Self::TooLong { got } => write!(f, "evidence of {got} bytes is longer than any can be"),
            Self::Cbor { part, at, .. } => write!(f, "{part} is not well-formed at byte {at}"),
            Self::TooDeep { at } => write!(f, "payload is nested too deep at byte {at}"),
            Self::Tag { at } => write!(f, "envelope has a tag other than 18 at byte {at}"),
            Self::EnvelopeItems { got } => write!(f, "envelope has {got} items instead of 4"),
            Self::ProtectedHeader => write!(f, "protected header is not exactly ES384"),
            Self::UnprotectedHeader => write!(f, "unprotected header is not empty"),
            Self::SignatureLength { got } => write!(f, "signature has {got} bytes instead of 96"),
            Self::FieldDuplicate { field } => write!(f, "{field} occurs twice"),
            Self::FieldMissing { field } => write!(f, "{field} is missing"),
            Self::FieldLength { field, got, min, max } => {
                write!(f, "{field} has length {got}, allowed are {min} to {max}")
            }
            Self::NitroTpm => write!(f, "a NitroTPM document is not evidence of an enclave"),
            Self::Digest => write!(f, "digest is not SHA384"),
            Self::Timestamp { got } => write!(f, "timestamp {got} is not a time"),
            Self::PcrIndex { got } => write!(f, "there is no PCR{got}"),
            Self::PcrDuplicate { index } => write!(f, "PCR{index} occurs twice"),
            Self::PcrLength { index, got } => write!(f, "PCR{index} has {got} bytes instead of 48"),
            Self::NoRoots => write!(f, "the policy names no root, so nothing can be believed"),
            Self::RootUnknown { got } => {
                write!(f, "root {got} is not one that the policy trusts")
            }
            Self::SoftwareRootAsHardware => {
                write!(f, "the policy pins the root of an INSECURE software TEE as hardware")
            }
            Self::Certificate { place, fault } => write!(f, "{place} {fault}"),
            Self::ChainOrder { place } => {
                write!(f, "{place} has another issuer than the one above it")
            }
            Self::CertificateSignature { place } => {
                write!(f, "{place} is not signed by the one above it")
            }
            Self::PathLength => write!(f, "the chain is longer than one of its issuers allows"),
            Self::Path => write!(f, "the chain is not one that evidence has"),
            Self::Revoked { place } => write!(f, "{place} is revoked by the relying party"),
            Self::Signature => write!(f, "the document is not signed by its certificate"),
            Self::FromTheFuture { document, now } => {
                write!(f, "the document is of {document} and the verifier's clock says {now}")
            }
            Self::Stale { document, age_ms, age_max_ms } => write!(
                f,
                "the document of {document} is {age_ms} ms old, at most {age_max_ms} ms are allowed"
            ),
            Self::NotYetValid { place, not_before, at } => {
                write!(f, "{place} is valid from {not_before} and was judged at {at}")
            }
            Self::Expired { place, not_after, at } => {
                write!(f, "{place} was valid to {not_after} and was judged at {at}")
            }
            Self::DebugMode => write!(f, "the machine runs in debug mode, its host can read it"),
            Self::NonceMissing => write!(f, "the document does not answer the nonce asked for"),
            Self::NonceDiffers => write!(f, "the document answers another nonce, it is a replay"),
            Self::NoMeasurements => write!(f, "the policy lists no measurement to compare with"),
            Self::Measurement { differences } => measurement(differences, f),
            Self::NotAuthorised { standing } => {
                write!(f, "{}: {standing}", standing.change())
            }
            Self::BindingMissing => write!(f, "the document carries no epoch binding"),
            Self::BindingDiffers => write!(f, "the document carries another epoch binding"),
            Self::PublicKeyMissing => write!(f, "the document vouches for no key"),
            Self::PublicKeyDiffers => write!(f, "the document vouches for another key"),
            Self::KindNotAccepted { kind } => {
                write!(f, "the policy accepts no evidence of the kind {kind}")
            }
            Self::CollateralMissing { kind } => {
                write!(f, "there is no collateral to verify evidence of the kind {kind} with")
            }
            Self::Undated { kind } => write!(
                f,
                "evidence of the kind {kind} carries no time, and no cosignature or time stamp \
                 shows when it existed"
            ),
            Self::Tdx(reason) => write!(f, "TDX quote: {reason}"),
            Self::Snp(reason) => write!(f, "SNP report: {reason}"),
        }
    }
}

impl Error for Rejected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Self::Cbor { cause, .. } = self { Some(cause) } else { None }
    }
}

fn measurement(differences: &[Difference], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "no accepted measurement matches, the closest differs in ")?;
    for (position, Difference { index, want, got }) in differences.iter().enumerate() {
        let between = if position == 0 { "" } else { ", " };
        match got {
            Some(got) => write!(f, "{between}PCR{index} (want {want}, got {got})")?,
            None => write!(f, "{between}PCR{index} (want {want}, not shown)")?,
        }
    }
    Ok(())
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Envelope => "envelope",
            Self::Payload => "payload",
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => write!(f, "root certificate"),
            Self::Intermediate(number) => write!(f, "intermediate certificate {number}"),
            Self::Leaf => write!(f, "leaf certificate"),
        }
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Der => "is not strict DER",
            Self::Version => "is not of version 3",
            Self::SignatureAlgorithm => "is not signed with ECDSA and SHA-384",
            Self::Key => "has a key that is not an uncompressed P-384 point",
            Self::Time => {
                "has a time that does not exist or is written otherwise than RFC 5280 asks"
            }
            Self::DuplicateExtension => "has an extension twice",
            Self::Constraints => "has no critical basic constraints",
            Self::NotAnIssuer => "stands where an issuer belongs and is none",
            Self::IssuerAsLeaf => "signed the document and is an issuer of certificates",
            Self::KeyUsage => "has a key that may not be used for this",
        })
    }
}
