//! Rejections: the closed set of reasons why a quote is not believed.
//!
//! Each check has its own reason with what was found; each reason belongs to one class, which says
//! who has to act. The text for people is in `rejected/text.rs`.

mod code;
mod fault;
mod text;

use alloc::string::String;
use alloc::vec::Vec;

pub use fault::{
    CertificateFault, Difference, DocumentFault, Part, Place, PlatformFault, PlatformFlag, QeField,
    Source,
};

use super::tcb::{Component, Shortfall, TcbStatus};
use crate::baseline::Standing;
use crate::register::{Fingerprint, Register};
use crate::rejected::Class;
use crate::time::Time;

/// Why a quote is not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rejected {
    // the form of the quote
    /// More bytes than any quote has.
    TooLong {
        /// Length given.
        got: usize,
    },
    /// The bytes end within a part.
    Truncated {
        /// Which part.
        part: Part,
    },
    /// A part has more bytes than belong to it.
    Surplus {
        /// Which part.
        part: Part,
        /// How many too many.
        got: usize,
    },
    /// A byte other than zero behind the quote.
    Trailing {
        /// Its offset.
        at: usize,
    },
    /// A version other than 4 and 5, such as 3, which SGX enclaves have.
    Version {
        /// Version found.
        got: u16,
    },
    /// An attestation key other than ECDSA on P-256.
    KeyType {
        /// Type found.
        got: u16,
    },
    /// Not of a TD: 0 is an SGX enclave.
    TeeType {
        /// Type found.
        got: u32,
    },
    /// Another vendor's quoting enclave.
    Vendor {
        /// Vendor found.
        got: [u8; 16],
    },
    /// A body that is not a report on a TD.
    BodyType {
        /// Type found.
        got: u16,
    },
    /// A body of another size than its type has.
    BodySize {
        /// Type of the body.
        kind: u16,
        /// Size found.
        got: u32,
    },
    /// Certification data of another type than belongs there.
    CertificationType {
        /// Type found.
        got: u16,
        /// Type that belongs there.
        want: u16,
    },
    /// Authentication data of the quoting enclave longer than any writes.
    AuthTooLong {
        /// Length found.
        got: usize,
    },
    /// A chain is not in PEM.
    Pem {
        /// Whose chain.
        place: Place,
    },
    /// A chain of another length than it has to have.
    CertificateCount {
        /// Whose chain.
        place: Place,
        /// Certificates found, at most one more than wanted.
        got: usize,
        /// Certificates that belong to it.
        want: usize,
    },

    // who signed
    /// The policy names no root.
    NoRoots,
    /// A root that is not one of the policy's.
    RootUnknown {
        /// SHA-256 of the root that came.
        got: Fingerprint,
    },
    /// A certificate is not of the form that it has to have.
    Certificate {
        /// Which one.
        place: Place,
        /// What is wrong.
        fault: CertificateFault,
    },
    /// A certificate has another issuer than the one above it.
    ChainOrder {
        /// The certificate.
        place: Place,
    },
    /// A certificate is not signed by the one above it.
    CertificateSignature {
        /// The certificate.
        place: Place,
    },
    /// A path is refused for another reason, such as an unknown critical extension.
    Path {
        /// Whose path.
        place: Place,
    },
    /// The platform is not described as it has to be.
    Platform {
        /// What is wrong.
        fault: PlatformFault,
    },
    /// The report on the quoting enclave is not signed by the PCK.
    QeSignature,
    /// The quoting enclave vouches for another key than the quote's.
    QeBinding,
    /// The quote is not signed by its attestation key.
    Signature,

    // collateral: who signed it, and its form
    /// A revocation list is not of the form that it has to have.
    RevocationList {
        /// Which one.
        source: Source,
        /// What is wrong.
        fault: CertificateFault,
    },
    /// A revocation list is of another issuer.
    RevocationListIssuer {
        /// Which one.
        source: Source,
    },
    /// A piece of the collateral is not signed by whom it has to be.
    CollateralSignature {
        /// Which one.
        source: Source,
    },
    /// A signed document does not say what it has to.
    Document {
        /// Which one.
        source: Source,
        /// What is wrong.
        fault: DocumentFault,
    },

    // time and revocation
    /// Something is not valid yet.
    NotYetValid {
        /// What.
        source: Source,
        /// From when on it is.
        from: Time,
        /// Time it was judged at.
        at: Time,
    },
    /// Something is not valid any more.
    Expired {
        /// What.
        source: Source,
        /// Until when it was.
        until: Time,
        /// Time it was judged at.
        at: Time,
    },
    /// A certificate is revoked.
    CertificateRevoked {
        /// Which one.
        place: Place,
    },

    // the state of the machine
    /// The collateral is older than the policy allows.
    EvaluationNumber {
        /// Which document.
        source: Source,
        /// Its number.
        got: u32,
        /// Least number allowed.
        min: u32,
    },
    /// The collateral is of another family of machines.
    Fmspc {
        /// Family of the machine.
        machine: [u8; 6],
        /// Family of the collateral.
        collateral: [u8; 6],
    },
    /// The collateral is for another provisioning certification enclave.
    PceId {
        /// That of the machine.
        machine: [u8; 2],
        /// That of the collateral.
        collateral: [u8; 2],
    },
    /// The quoting enclave is not Intel's.
    QeIdentity {
        /// The field that differs.
        field: QeField,
        /// Value found.
        got: Vec<u8>,
        /// Value that Intel names, before its mask.
        want: Vec<u8>,
    },
    /// The quoting enclave runs in debug mode.
    QeDebug,
    /// The quoting enclave reaches no level.
    QeLevel {
        /// Its SVN.
        svn: u16,
    },
    /// Intel names no TDX module of this version.
    ModuleUnknown {
        /// The version.
        version: u8,
    },
    /// Another signer's TDX module.
    ModuleSigner {
        /// The signer.
        got: Register,
    },
    /// A TDX module with other attributes than Intel's.
    ModuleAttributes {
        /// The attributes.
        got: [u8; 8],
    },
    /// The TDX module reaches no level.
    ModuleLevel {
        /// Its SVN.
        svn: u16,
    },
    /// The machine reaches no level.
    TcbLevel {
        /// What it lacks for the lowest.
        short: Vec<Shortfall>,
    },
    /// The state of the machine or of a part of it is revoked.
    Revoked {
        /// The part; none for the machine.
        component: Option<Component>,
    },
    /// The policy does not accept the state of the machine.
    TcbStatus {
        /// The state.
        status: TcbStatus,
        /// What the machine lacks for the best level.
        short: Vec<Shortfall>,
    },
    /// An advisory that the policy denies concerns the machine.
    Advisory {
        /// Its name.
        id: String,
    },
    /// The machine is configured as the policy does not permit.
    PlatformFlag {
        /// The setting.
        flag: PlatformFlag,
    },

    // the TD
    /// The TD runs in debug mode: its host can read its memory.
    DebugMode,
    /// The TD is opened to its host in another way.
    Untrusted {
        /// The bits of its attributes that say so.
        bits: u64,
    },
    /// Attributes that nobody knows the meaning of.
    AttributesReserved {
        /// The bits.
        bits: u64,
    },
    /// The host can raise exceptions in the TD.
    SeptVe,
    /// The TD can be moved to another machine.
    Migratable,
    /// The host may monitor the performance of the TD.
    Perfmon,
    /// Features that no TD has, or none of those that every TD has.
    Xfam {
        /// The features.
        got: u64,
    },
    /// Service TDs are bound to the TD.
    ServiceTd {
        /// Their measurement.
        got: Register,
    },

    // what was asked for
    /// The policy lists no measurement.
    NoMeasurements,
    /// No measurement of the policy matches.
    Measurement {
        /// Registers that differ from the measurement that comes closest.
        differences: Vec<Difference>,
    },
    /// The measurement is not one that the baseline authorises at that time.
    NotAuthorised {
        /// What the baseline says about it.
        standing: Standing,
    },
    /// The quote is about other report data: a replay, or a key of another.
    ReportData,
}

impl Rejected {
    /// The class of this reason.
    pub const fn class(&self) -> Class {
        match self {
            Self::TooLong { .. }
            | Self::Truncated { .. }
            | Self::Surplus { .. }
            | Self::Trailing { .. }
            | Self::Version { .. }
            | Self::KeyType { .. }
            | Self::TeeType { .. }
            | Self::Vendor { .. }
            | Self::BodyType { .. }
            | Self::BodySize { .. }
            | Self::CertificationType { .. }
            | Self::AuthTooLong { .. }
            | Self::Pem { .. }
            | Self::CertificateCount { .. } => Class::Malformed,
            Self::RootUnknown { .. }
            | Self::Certificate { .. }
            | Self::ChainOrder { .. }
            | Self::CertificateSignature { .. }
            | Self::Path { .. }
            | Self::Platform { .. }
            | Self::QeSignature
            | Self::QeBinding
            | Self::Signature
            | Self::RevocationList { .. }
            | Self::RevocationListIssuer { .. }
            | Self::CollateralSignature { .. }
            | Self::Document { .. }
            | Self::CertificateRevoked { .. }
            | Self::QeIdentity { .. }
            | Self::QeDebug
            | Self::ModuleSigner { .. }
            | Self::ModuleAttributes { .. }
            | Self::Revoked { .. } => Class::Untrusted,
            Self::NotYetValid { .. } | Self::Expired { .. } | Self::EvaluationNumber { .. } => {
                Class::Time
            }
            Self::Fmspc { .. }
            | Self::PceId { .. }
            | Self::QeLevel { .. }
            | Self::ModuleUnknown { .. }
            | Self::ModuleLevel { .. }
            | Self::TcbLevel { .. }
            | Self::TcbStatus { .. }
            | Self::Advisory { .. }
            | Self::PlatformFlag { .. }
            | Self::DebugMode
            | Self::Untrusted { .. }
            | Self::AttributesReserved { .. }
            | Self::SeptVe
            | Self::Migratable
            | Self::Perfmon
            | Self::Xfam { .. }
            | Self::ServiceTd { .. }
            | Self::Measurement { .. }
            | Self::NotAuthorised { .. }
            | Self::ReportData => Class::Mismatch,
            Self::NoRoots | Self::NoMeasurements => Class::Policy,
        }
    }
}
