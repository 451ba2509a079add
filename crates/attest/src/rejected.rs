//! Rejections: the closed set of reasons why evidence is not believed.
//!
//! Each check has its own reason with what was found, and each reason belongs to one class, because
//! who has to act differs: an expired chain is not a forgery, and a policy that accepts nothing is
//! not the machine's fault. The text for people is in `rejected/text.rs`.

mod code;
mod text;

use alloc::vec::Vec;

use lucarne_ledger::cbor::CborError;

use crate::baseline::Standing;
use crate::policy::Kind;
use crate::register::{Fingerprint, Register};
use crate::time::Time;
use crate::{snp, tdx};

/// Why evidence is not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rejected {
    // the envelope: COSE_Sign1 (RFC 9052 §4.2)
    /// No bytes at all.
    Empty,
    /// More bytes than any document has.
    TooLong {
        /// Length given.
        got: usize,
    },
    /// Not the CBOR that belongs here.
    Cbor {
        /// Which part of the evidence.
        part: Part,
        /// Offset in that part.
        at: usize,
        /// What is wrong.
        cause: CborError,
    },
    /// Items are nested deeper than any document does.
    TooDeep {
        /// Offset in the payload.
        at: usize,
    },
    /// A tag other than 18.
    Tag {
        /// Offset of the tag.
        at: usize,
    },
    /// The envelope has another number of items than four.
    EnvelopeItems {
        /// Number found.
        got: u64,
    },
    /// The protected header is not exactly `{1: -35}`, ES384.
    ProtectedHeader,
    /// The unprotected header is not empty; nothing vouches for what is in it.
    UnprotectedHeader,
    /// The signature is not 96 bytes long.
    SignatureLength {
        /// Length found.
        got: usize,
    },

    // the payload: AWS Nitro, attestation process §3.1
    /// A field occurs twice.
    FieldDuplicate {
        /// The field.
        field: Field,
    },
    /// A field that every document has is missing.
    FieldMissing {
        /// The field.
        field: Field,
    },
    /// A field is shorter or longer than the format allows.
    FieldLength {
        /// The field.
        field: Field,
        /// Bytes or entries found.
        got: usize,
        /// Least allowed.
        min: usize,
        /// Most allowed.
        max: usize,
    },
    /// A NitroTPM document: any owner of an instance can make one under the same root.
    NitroTpm,
    /// The digest is not SHA384.
    Digest,
    /// The time of the document is zero or beyond the year 9999.
    Timestamp {
        /// Milliseconds found.
        got: u64,
    },
    /// A PCR number beyond 31.
    PcrIndex {
        /// Number found.
        got: u64,
    },
    /// A PCR that occurs twice.
    PcrDuplicate {
        /// Its number.
        index: u8,
    },
    /// A PCR that is not 48 bytes long.
    PcrLength {
        /// Its number.
        index: u8,
        /// Length found.
        got: usize,
    },

    // the chain: RFC 5280
    /// The policy names no root.
    NoRoots,
    /// The root of the chain is not one of the policy's.
    RootUnknown {
        /// SHA-256 of the root that came with the evidence.
        got: Fingerprint,
    },
    /// A root minted for a software TEE is pinned as if it were one of hardware.
    SoftwareRootAsHardware,
    /// A certificate is not of the form that evidence has.
    Certificate {
        /// Which one.
        place: Place,
        /// What is wrong.
        fault: CertificateFault,
    },
    /// A certificate was not issued by the one before it.
    ChainOrder {
        /// The certificate whose issuer is another.
        place: Place,
    },
    /// The signature on a certificate is not its issuer's.
    CertificateSignature {
        /// The certificate.
        place: Place,
    },
    /// A certificate in the chain allows fewer certificates below it than there are.
    PathLength,
    /// The path is refused for another reason, such as an unknown critical extension.
    Path,
    /// The relying party has revoked a certificate.
    Revoked {
        /// Which one.
        place: Place,
    },
    /// The document is not signed by the key of its certificate.
    Signature,

    // time
    /// The document is from the future, by more than clocks differ.
    FromTheFuture {
        /// Time of the document.
        document: Time,
        /// Time of the verifier.
        now: Time,
    },
    /// The document is older than the verifier allows.
    Stale {
        /// Time of the document.
        document: Time,
        /// Its age in milliseconds.
        age_ms: u64,
        /// Greatest age allowed, in milliseconds.
        age_max_ms: u64,
    },
    /// A certificate is not valid yet.
    NotYetValid {
        /// Which one.
        place: Place,
        /// Start of its validity.
        not_before: Time,
        /// Time it was judged at.
        at: Time,
    },
    /// A certificate is not valid any more.
    Expired {
        /// Which one.
        place: Place,
        /// End of its validity.
        not_after: Time,
        /// Time it was judged at.
        at: Time,
    },

    // what the policy asks for
    /// The machine runs in debug mode: its host can read its memory.
    DebugMode,
    /// A nonce was asked for and the document has none.
    NonceMissing,
    /// The nonce is not the one asked for: a replay.
    NonceDiffers,
    /// The policy lists no measurement.
    NoMeasurements,
    /// No measurement of the policy matches.
    Measurement {
        /// Registers that differ from the measurement that comes closest.
        differences: Vec<Difference>,
    },
    /// The baseline of the policy does not authorise what runs, at the time of the evidence.
    NotAuthorised {
        /// What the baseline says about it.
        standing: Standing,
    },

    // the epoch
    /// The document carries no epoch binding.
    BindingMissing,
    /// The document carries another binding than this one.
    BindingDiffers,
    /// The document vouches for no key.
    PublicKeyMissing,
    /// The document vouches for another key than the binding's.
    PublicKeyDiffers,

    // evidence of any kind
    /// The relying party accepts no evidence of this kind.
    KindNotAccepted {
        /// The kind.
        kind: Kind,
    },
    /// There is no collateral to verify it with. Says nothing about the evidence.
    CollateralMissing {
        /// The kind.
        kind: Kind,
    },
    /// Nothing shows when it existed, and it does not say so itself.
    Undated {
        /// The kind.
        kind: Kind,
    },
    /// A TDX quote, for a reason of its own.
    Tdx(tdx::Rejected),
    /// An SNP report, for a reason of its own.
    Snp(snp::Rejected),
}

/// What sort of reason a rejection is, which says who has to act.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// The bytes are not evidence of a known form.
    Malformed,
    /// The evidence is not signed by whom the policy trusts: forged, broken, or of another root.
    Untrusted,
    /// Genuine as far as signatures go, but judged at a time when it does not hold.
    Time,
    /// Genuine, and about something else than was asked for.
    Mismatch,
    /// The relying party's own policy accepts nothing.
    Policy,
}

/// A part of the evidence that is read as CBOR.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// The COSE_Sign1 array.
    Envelope,
    /// What is signed in it.
    Payload,
}

/// A field of the payload.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Field {
    /// `module_id`
    ModuleId,
    /// `digest`
    Digest,
    /// `timestamp`
    Timestamp,
    /// `pcrs`
    Pcrs,
    /// `certificate`
    Certificate,
    /// `cabundle`
    Cabundle,
    /// `public_key`
    PublicKey,
    /// `user_data`
    UserData,
    /// `nonce`
    Nonce,
}

/// A certificate's place in the chain.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// The first, which is pinned.
    Root,
    /// One between, counted from 1 below the root.
    Intermediate(usize),
    /// The last, which signed the document.
    Leaf,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CertificateFault {
    /// It is not strict DER of the form that certificates have.
    Der,
    /// It is not of version 3.
    Version,
    /// It is signed with another algorithm than ECDSA with SHA-384.
    SignatureAlgorithm,
    /// Its key is not an uncompressed point on P-384.
    Key,
    /// A time in it is not written as RFC 5280 asks, or does not exist.
    Time,
    /// An extension occurs twice.
    DuplicateExtension,
    /// It has no critical basic constraints.
    Constraints,
    /// It stands where an issuer belongs and is none.
    NotAnIssuer,
    /// It signed the document and is an issuer.
    IssuerAsLeaf,
    /// Its key may not be used for what it was used for.
    KeyUsage,
}

/// A register that has another value than a measurement asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Difference {
    /// Number of the register.
    pub index: u8,
    /// Value that the measurement asks for.
    pub want: Register,
    /// Value that the evidence shows, if it shows this register.
    pub got: Option<Register>,
}

impl Class {
    /// Its name in reports for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Untrusted => "untrusted",
            Self::Time => "time",
            Self::Mismatch => "mismatch",
            Self::Policy => "policy",
        }
    }
}

impl Rejected {
    /// The class of this reason.
    pub const fn class(&self) -> Class {
        match self {
            Self::Empty
            | Self::TooLong { .. }
            | Self::Cbor { .. }
            | Self::TooDeep { .. }
            | Self::Tag { .. }
            | Self::EnvelopeItems { .. }
            | Self::ProtectedHeader
            | Self::UnprotectedHeader
            | Self::SignatureLength { .. }
            | Self::FieldDuplicate { .. }
            | Self::FieldMissing { .. }
            | Self::FieldLength { .. }
            | Self::NitroTpm
            | Self::Digest
            | Self::Timestamp { .. }
            | Self::PcrIndex { .. }
            | Self::PcrDuplicate { .. }
            | Self::PcrLength { .. } => Class::Malformed,
            Self::RootUnknown { .. }
            | Self::Certificate { .. }
            | Self::ChainOrder { .. }
            | Self::CertificateSignature { .. }
            | Self::PathLength
            | Self::Path
            | Self::Revoked { .. }
            | Self::KindNotAccepted { .. }
            | Self::Signature => Class::Untrusted,
            Self::FromTheFuture { .. }
            | Self::Stale { .. }
            | Self::NotYetValid { .. }
            | Self::CollateralMissing { .. }
            | Self::Undated { .. }
            | Self::Expired { .. } => Class::Time,
            Self::DebugMode
            | Self::NonceMissing
            | Self::NonceDiffers
            | Self::Measurement { .. }
            | Self::NotAuthorised { .. }
            | Self::BindingMissing
            | Self::BindingDiffers
            | Self::PublicKeyMissing
            | Self::PublicKeyDiffers => Class::Mismatch,
            Self::NoRoots | Self::NoMeasurements | Self::SoftwareRootAsHardware => Class::Policy,
            Self::Tdx(reason) => reason.class(),
            Self::Snp(reason) => reason.class(),
        }
    }

    /// Whether something that the relying party should have had is not there, so that nothing is
    /// known of the machine.
    pub const fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::CollateralMissing { .. }
                | Self::Snp(
                    snp::Rejected::LeafMissing { .. }
                        | snp::Rejected::IssuerMissing { .. }
                        | snp::Rejected::RevocationMissing
                )
        )
    }

    /// Whether the evidence is genuine, of code that the relying party does not accept.
    pub const fn is_measurement(&self) -> bool {
        matches!(
            self,
            Self::Measurement { .. }
                | Self::NotAuthorised { .. }
                | Self::Tdx(
                    tdx::Rejected::Measurement { .. } | tdx::Rejected::NotAuthorised { .. }
                )
                | Self::Snp(
                    snp::Rejected::Measurement { .. } | snp::Rejected::NotAuthorised { .. }
                )
        )
    }
}
