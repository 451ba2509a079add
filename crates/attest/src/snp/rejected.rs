//! Rejections: the closed set of reasons why a report is not believed.
//!
//! One for each check, with what an operator needs to act, and each in one of the classes that all
//! kinds of evidence share. The text for people is in `rejected/text.rs`.

mod text;

use alloc::vec::Vec;

use super::extension::Extension;
use super::product::Product;
use super::report::KeyClass;
use super::tcb::{Component, Level, Shortfall};
use crate::baseline::Standing;
use crate::register::{Fingerprint, Register};
use crate::rejected::Class;
use crate::time::Time;

/// Why a report is not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rejected {
    // the report: AMD 56860, table 23
    /// Not as long as a report: other evidence, or cut, or with something behind it.
    Length {
        /// Length given.
        got: usize,
    },
    /// A version whose layout is not known here.
    Version {
        /// Version found.
        got: u32,
    },
    /// Not ECDSA on P-384 with SHA-384.
    SignatureAlgorithm {
        /// Number found.
        got: u32,
    },
    /// A byte that this version reserves is not zero.
    Reserved {
        /// Its offset.
        offset: usize,
    },
    /// The guest policy lacks the bit that is always one.
    PolicyBit17,
    /// The guest policy has bits without a meaning.
    PolicyReserved {
        /// Those bits.
        got: u64,
    },
    /// The platform information has bits without a meaning.
    PlatformReserved {
        /// Those bits.
        got: u64,
    },
    /// The host has masked the key of the chip, so that the report is not signed.
    ChipKeyMasked,
    /// The report says that nothing signed it.
    NotSigned,
    /// The report says that a key of an unknown class signed it.
    KeyUnknown {
        /// Class found.
        got: u32,
    },
    /// A processor of no known product.
    Processor {
        /// CPUID family.
        family: u8,
        /// CPUID model.
        model: u8,
        /// CPUID stepping.
        stepping: u8,
    },
    /// A TCB version has reserved parts that are not zero.
    TcbReserved {
        /// Which one.
        level: Level,
    },

    // who signed: AMD 57230
    /// More certificates than any chain needs.
    TooManyCertificates {
        /// Number given.
        got: usize,
    },
    /// A certificate is not of the form that AMD's have.
    Certificate {
        /// Which one.
        place: Place,
        /// What is wrong.
        fault: CertificateFault,
    },
    /// No certificate for the key that signed.
    LeafMissing {
        /// Class of the key.
        class: KeyClass,
    },
    /// The certificate given is for a key of another class than the report says.
    KeyClassDiffers {
        /// By the report.
        report: KeyClass,
        /// By the certificate.
        certificate: KeyClass,
    },
    /// Several different certificates have this name, so that it is unclear which is meant.
    Ambiguous {
        /// The common name.
        name: &'static str,
    },
    /// No certificate of the issuer.
    IssuerMissing {
        /// Its common name.
        name: &'static str,
    },
    /// A root came along that is not the pinned one.
    RootDiffers {
        /// SHA-256 of what came.
        got: Fingerprint,
    },
    /// The certificate is for a processor of no known product.
    ProductUnknown,
    /// The certificate is for another product than the report.
    ProductDiffers {
        /// By the report's CPUID.
        report: Product,
        /// By the certificate.
        certificate: Product,
    },
    /// A certificate names another issuer than the one above it.
    ChainOrder {
        /// The certificate whose issuer is another.
        place: Place,
    },
    /// The signature on a certificate is not its issuer's.
    CertificateSignature {
        /// The certificate.
        place: Place,
    },
    /// The report is not signed by the key of its certificate.
    Signature,
    /// The path is refused for another reason, such as an unknown critical extension.
    Path,
    /// The certificate lacks an extension that binds it to a chip or its firmware.
    ExtensionMissing {
        /// Which one.
        extension: Extension,
    },
    /// An extension is not written as AMD writes it.
    ExtensionForm {
        /// Which one.
        extension: Extension,
    },
    /// The certificate is for another version of the firmware than the report.
    TcbDiffers {
        /// Which part.
        extension: Extension,
        /// By the certificate.
        certificate: u8,
        /// By the report.
        report: u8,
    },
    /// The certificate is for another chip than the report.
    ChipIdDiffers,
    /// The certificate names a chip though its key is not that of one.
    ChipIdUnexpected,
    /// The report's own versions are not in order: reported ≤ committed ≤ current.
    TcbOrder {
        /// Which part.
        component: Component,
        /// The version that may not be greater than the next.
        lower: (Level, u8),
        /// The version that is less.
        upper: (Level, u8),
    },

    // revocation
    /// No revocation list, and the policy asks for one.
    RevocationMissing,
    /// The revocation list is not of the form that AMD's have.
    RevocationForm {
        /// What is wrong.
        fault: CertificateFault,
    },
    /// The revocation list is that of another root.
    RevocationIssuer,
    /// The revocation list is not signed by the root.
    RevocationSignature,
    /// The revocation list is from the future.
    RevocationEarly {
        /// When it was made.
        this_update: Time,
        /// Time it was judged at.
        at: Time,
    },
    /// The revocation list is stale.
    RevocationStale {
        /// When it was to be replaced.
        next_update: Time,
        /// Time it was judged at.
        at: Time,
    },
    /// A certificate is revoked.
    Revoked {
        /// Which one.
        place: Place,
    },

    // time
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
    /// The report does not answer what was asked: a replay, or of another epoch.
    ReportData,
    /// The policy lists no measurement.
    NoMeasurements,
    /// The policy lists no product.
    NoProducts,
    /// The policy does not allow Milan, whose reports may be forged.
    Milan,
    /// The policy does not allow this product.
    Product {
        /// The product.
        got: Product,
    },
    /// The layout is older than the policy allows.
    VersionOld {
        /// Version found.
        got: u32,
        /// Least allowed.
        min: u32,
    },
    /// Signed by a key that names no chip, which the policy does not allow.
    Vlek,
    /// The host has masked the name of the chip, which the policy does not allow.
    ChipIdMasked,
    /// The host may read the memory of the guest.
    Debug,
    /// A migration agent may read the memory of the guest.
    MigrationAgent,
    /// Nothing was measured.
    MeasurementZero,
    /// No measurement of the policy matches.
    Measurement {
        /// Measurement found.
        got: Register,
    },
    /// The measurement is not one that the baseline authorises at that time.
    NotAuthorised {
        /// What the baseline says about it.
        standing: Standing,
    },
    /// The report was made at a lesser privilege than the policy allows.
    Vmpl {
        /// Level found.
        got: u32,
        /// Greatest number allowed.
        max: u32,
    },
    /// The guest may run with simultaneous multithreading.
    Smt,
    /// The guest may run on several sockets.
    SeveralSockets,
    /// The guest accepts an older interface of the firmware than the policy does.
    Abi {
        /// Major and minor number found.
        got: (u8, u8),
        /// Least allowed.
        min: (u8, u8),
    },
    /// The machine lacks a protection that the policy asks for.
    Protection {
        /// Which one.
        lacking: Protection,
    },
    /// The firmware is older than the policy allows.
    TcbShort {
        /// The product whose floor it is.
        product: Product,
        /// Every part that is too old.
        shortfalls: Vec<Shortfall>,
    },
    /// The guest's own security version is less than the policy allows.
    GuestSvn {
        /// Version found.
        got: u32,
        /// Least allowed.
        min: u32,
    },
    /// Mitigations that the policy asks for are not on.
    Mitigations {
        /// Those that are missing.
        missing: u64,
    },
    /// A field has none of the values that the policy accepts.
    Field {
        /// Which one.
        field: Field,
    },
}

/// A certificate's place.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// One of the collateral, by its number from 0, before it has a place in a chain.
    Supplied(usize),
    /// The root (ARK), which is part of the program.
    Root,
    /// The one between (ASK or ASVK).
    Issuer,
    /// The one whose key signed the report (VCEK or VLEK).
    Leaf,
}

/// What is wrong with a certificate or a revocation list.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CertificateFault {
    /// It is not strict DER of the form that certificates have.
    Der,
    /// It is of another version.
    Version,
    /// It is signed with another algorithm than RSASSA-PSS with SHA-384 as AMD writes it.
    SignatureAlgorithm,
    /// Its key is neither RSA of 4,096 bits nor an uncompressed point on P-384, or not that which
    /// belongs in its place.
    Key,
    /// A time in it is not written as RFC 5280 asks, or does not exist.
    Time,
    /// Its subject has not exactly one common name.
    Name,
    /// An extension occurs twice.
    DuplicateExtension,
    /// An extension is critical and unknown here.
    CriticalExtension,
    /// It has no critical basic constraints.
    Constraints,
    /// It stands where an issuer belongs and is none.
    NotAnIssuer,
    /// It signed the report and is an issuer.
    IssuerAsLeaf,
    /// Its key may not be used for what it was used for.
    KeyUsage,
}

/// A protection of the machine that a policy can ask for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Protection {
    /// The check for memory modules that lie about their size.
    AliasCheck,
    /// Encryption of all memory.
    Tsme,
    /// Error correction.
    Ecc,
    /// Ciphertext hidden from the host.
    CiphertextHiding,
}

/// A field whose value a policy can pin.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Field {
    /// Chosen by the host at launch.
    HostData,
    /// Name of the chip.
    ChipId,
    /// Digest of the key that signed the identity block.
    IdKeyDigest,
    /// Digest of the key that certified that key.
    AuthorKeyDigest,
    /// Family of the guest.
    FamilyId,
    /// Image of the guest.
    ImageId,
}

impl Rejected {
    /// Whether only collateral is missing or stale: with more of it, the verdict may be another.
    pub const fn is_incomplete(&self) -> bool {
        matches!(
            self,
            Self::LeafMissing { .. }
                | Self::IssuerMissing { .. }
                | Self::RevocationMissing
                | Self::RevocationStale { .. }
        )
    }

    /// The class of this reason.
    pub const fn class(&self) -> Class {
        match self {
            Self::Length { .. }
            | Self::Version { .. }
            | Self::SignatureAlgorithm { .. }
            | Self::Reserved { .. }
            | Self::PolicyBit17
            | Self::PolicyReserved { .. }
            | Self::PlatformReserved { .. }
            | Self::KeyUnknown { .. }
            | Self::Processor { .. }
            | Self::TcbReserved { .. } => Class::Malformed,
            Self::ChipKeyMasked
            | Self::NotSigned
            | Self::TooManyCertificates { .. }
            | Self::Certificate { .. }
            | Self::LeafMissing { .. }
            | Self::KeyClassDiffers { .. }
            | Self::Ambiguous { .. }
            | Self::IssuerMissing { .. }
            | Self::RootDiffers { .. }
            | Self::ProductUnknown
            | Self::ProductDiffers { .. }
            | Self::ChainOrder { .. }
            | Self::CertificateSignature { .. }
            | Self::Signature
            | Self::Path
            | Self::ExtensionMissing { .. }
            | Self::ExtensionForm { .. }
            | Self::TcbDiffers { .. }
            | Self::ChipIdDiffers
            | Self::ChipIdUnexpected
            | Self::TcbOrder { .. }
            | Self::RevocationMissing
            | Self::RevocationForm { .. }
            | Self::RevocationIssuer
            | Self::RevocationSignature
            | Self::Revoked { .. } => Class::Untrusted,
            Self::RevocationEarly { .. }
            | Self::RevocationStale { .. }
            | Self::NotYetValid { .. }
            | Self::Expired { .. } => Class::Time,
            Self::NoMeasurements | Self::NoProducts => Class::Policy,
            Self::ReportData
            | Self::Milan
            | Self::Product { .. }
            | Self::VersionOld { .. }
            | Self::Vlek
            | Self::ChipIdMasked
            | Self::Debug
            | Self::MigrationAgent
            | Self::MeasurementZero
            | Self::Measurement { .. }
            | Self::NotAuthorised { .. }
            | Self::Vmpl { .. }
            | Self::Smt
            | Self::SeveralSockets
            | Self::Abi { .. }
            | Self::Protection { .. }
            | Self::TcbShort { .. }
            | Self::GuestSvn { .. }
            | Self::Mitigations { .. }
            | Self::Field { .. } => Class::Mismatch,
        }
    }
}
