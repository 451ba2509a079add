//! Stable codes of rejections, for programs: a code keeps its meaning when the text gets better.

use super::Rejected;

impl Rejected {
    /// The code of this reason: lower case, with hyphens.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong { .. } => "too-long",
            Self::Cbor { .. } => "cbor",
            Self::TooDeep { .. } => "too-deep",
            Self::Tag { .. } => "tag",
            Self::EnvelopeItems { .. } => "envelope-items",
            Self::ProtectedHeader => "protected-header",
            Self::UnprotectedHeader => "unprotected-header",
            Self::SignatureLength { .. } => "signature-length",
            Self::FieldDuplicate { .. } => "field-duplicate",
            Self::FieldMissing { .. } => "field-missing",
            Self::FieldLength { .. } => "field-length",
            Self::NitroTpm => "nitro-tpm",
            Self::Digest => "digest",
            Self::Timestamp { .. } => "timestamp",
            Self::PcrIndex { .. } => "pcr-index",
            Self::PcrDuplicate { .. } => "pcr-duplicate",
            Self::PcrLength { .. } => "pcr-length",
            Self::NoRoots => "no-roots",
            Self::RootUnknown { .. } => "root-unknown",
            Self::SoftwareRootAsHardware => "software-root-as-hardware",
            Self::Certificate { .. } => "certificate",
            Self::ChainOrder { .. } => "chain-order",
            Self::CertificateSignature { .. } => "certificate-signature",
            Self::PathLength => "path-length",
            Self::Path => "path",
            Self::Revoked { .. } => "revoked",
            Self::Signature => "signature",
            Self::FromTheFuture { .. } => "from-the-future",
            Self::Stale { .. } => "stale",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Expired { .. } => "expired",
            Self::DebugMode => "debug-mode",
            Self::NonceMissing => "nonce-missing",
            Self::NonceDiffers => "nonce-differs",
            Self::NoMeasurements => "no-measurements",
            Self::Measurement { .. } => "measurement",
            Self::NotAuthorised { .. } => "not-authorised",
            Self::BindingMissing => "binding-missing",
            Self::BindingDiffers => "binding-differs",
            Self::PublicKeyMissing => "public-key-missing",
            Self::PublicKeyDiffers => "public-key-differs",
            Self::KindNotAccepted { .. } => "kind-not-accepted",
            Self::CollateralMissing { .. } => "collateral-missing",
            Self::Undated { .. } => "undated",
            Self::Tdx(_) => "tdx",
            Self::Snp(_) => "snp",
        }
    }
}
