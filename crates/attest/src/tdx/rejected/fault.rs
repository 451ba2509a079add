//! What rejections point at: parts of a quote, places of certificates, pieces of collateral, and
//! what is wrong with each.
//!
//! Closed sets, each with the words that people read.

use crate::register::Register;
use crate::tdx::policy::RegisterName;

/// A part of a quote.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// The first 48 bytes.
    Header,
    /// The report on the TD.
    Body,
    /// The signature data.
    Signature,
    /// The report on the quoting enclave.
    QeReport,
    /// The certification data.
    Certification,
}

/// A certificate's place.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// The pinned one.
    Root,
    /// The issuer of PCKs.
    PckIssuer,
    /// The key of the machine, which signs quoting enclaves.
    Pck,
    /// The signer of TCB info.
    TcbInfoSigner,
    /// The signer of QE identity.
    QeIdentitySigner,
}

/// Something that holds from a time to a time.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// What is up to date.
    TcbInfo,
    /// What the quoting enclave is.
    QeIdentity,
    /// The revocation list of the root.
    RootCrl,
    /// The revocation list of the issuer of PCKs.
    PckCrl,
    /// A certificate.
    Certificate(Place),
}

/// What is wrong with a certificate or a revocation list.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CertificateFault {
    /// It is not strict DER of the form that it has to have.
    Der,
    /// It is not of the version that has extensions.
    Version,
    /// It is signed with another algorithm than ECDSA with SHA-256.
    SignatureAlgorithm,
    /// Its key is not an uncompressed point on P-256.
    Key,
    /// A time in it is not written as RFC 5280 asks, or does not exist.
    Time,
    /// An extension occurs twice.
    DuplicateExtension,
    /// A critical extension that could change its meaning.
    CriticalExtension,
    /// It has no critical basic constraints.
    Constraints,
    /// It stands where an issuer belongs and is none.
    NotAnIssuer,
    /// It stands where a signer of statements belongs and is an issuer.
    IssuerAsLeaf,
    /// Its key may not be used for what it was used for.
    KeyUsage,
    /// It is not named as the one that belongs in its place.
    Name,
}

/// What is wrong with the description of a platform.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PlatformFault {
    /// The certificate has none.
    Missing,
    /// It is not strict DER of the form that it has to have.
    Der,
    /// An entry that does not belong.
    UnknownEntry,
    /// An entry occurs twice.
    DuplicateEntry {
        /// Its number.
        entry: u8,
    },
    /// An entry is missing.
    MissingEntry {
        /// Its number.
        entry: u8,
    },
    /// An SVN beyond what quotes can have.
    Svn {
        /// Number of its entry.
        entry: u8,
    },
}

/// What is wrong with a document of the collateral.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DocumentFault {
    /// Not the JSON that belongs here.
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A document about something else, such as SGX.
    Id,
    /// A version that is not known here.
    Version {
        /// Version found.
        got: u32,
    },
    /// A value is not hex of its length.
    Hex,
    /// A time is not written as Intel writes times.
    Time,
    /// A status that does not exist, or not for this part.
    Status,
    /// Not sixteen components.
    ComponentCount {
        /// Number found.
        got: usize,
    },
    /// No levels, or more than any document has.
    LevelCount {
        /// Number found.
        got: usize,
    },
    /// Levels are not in falling order, or a module is named twice.
    LevelOrder,
}

/// A field of the report on the quoting enclave.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum QeField {
    /// Who signed it.
    MrSigner,
    /// Which of the signer's enclaves it is.
    IsvProdId,
    /// Its miscellaneous features.
    MiscSelect,
    /// Its attributes.
    Attributes,
}

/// A setting of the machine.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PlatformFlag {
    /// Packages can be added while it runs.
    DynamicPlatform,
    /// Intel's registration service keeps its keys.
    CachedKeys,
    /// Simultaneous multithreading.
    Smt,
}

/// A register that has another value than a measurement asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Difference {
    /// Which one.
    pub register: RegisterName,
    /// Value that the measurement asks for.
    pub want: Register,
    /// Value that the quote shows.
    pub got: Register,
}
