//! Rejections in words, for operators and auditors.

use core::error::Error;
use core::fmt;

use super::{
    CertificateFault, Difference, DocumentFault, Part, Place, PlatformFault, PlatformFlag, QeField,
    Rejected, Source,
};
use crate::tdx::policy::RegisterName;
use crate::tdx::tcb::{Component, Shortfall};

impl fmt::Display for Rejected {
    #[expect(clippy::too_many_lines, reason = "a table: one line a reason")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got } => write!(f, "a quote of {got} bytes is longer than any can be"),
            Self::Truncated { part } => write!(f, "the quote ends within its {part}"),
            Self::Surplus { part, got } => write!(f, "the {part} has {got} bytes too many"),
            Self::Trailing { at } => write!(f, "something follows the quote at byte {at}"),
            Self::Version { got: 3 } => {
                write!(f, "a quote of version 3 is one of an SGX enclave, not of a TD")
            }
            Self::Version { got } => write!(f, "version {got} of quotes is not supported"),
            Self::KeyType { got } => write!(f, "attestation key type {got} is not ECDSA P-256"),
            Self::TeeType { got: 0 } => write!(f, "the quote is of an SGX enclave, not of a TD"),
            Self::TeeType { got } => write!(f, "the quote is of TEE type {got:#x}, not of a TD"),
            Self::Vendor { got } => {
                f.write_str("the quoting enclave is of vendor ")?;
                hex(got, f)
            }
            Self::BodyType { got } => write!(f, "body type {got} is not a report on a TD"),
            Self::BodySize { kind, got } => write!(f, "a body of type {kind} has no {got} bytes"),
            Self::CertificationType { got, want } => {
                write!(f, "certification data is of type {got}, type {want} belongs there")
            }
            Self::AuthTooLong { got } => {
                write!(f, "the quoting enclave's {got} bytes of data are more than any writes")
            }
            Self::Pem { place } => write!(f, "the chain of {place} is not in PEM"),
            Self::CertificateCount { place, got, want } => {
                write!(f, "the chain of {place} has {got} certificates instead of {want}")
            }
            Self::NoRoots => write!(f, "the policy names no root, so nothing can be believed"),
            Self::RootUnknown { got } => write!(f, "root {got} is not one that the policy trusts"),
            Self::Certificate { place, fault } => write!(f, "{place} {fault}"),
            Self::ChainOrder { place } => {
                write!(f, "{place} has another issuer than the one above it")
            }
            Self::CertificateSignature { place } => {
                write!(f, "{place} is not signed by the one above it")
            }
            Self::Path { place } => write!(f, "the path to {place} is not one that can be trusted"),
            Self::Platform { fault } => write!(f, "the platform in the PCK certificate {fault}"),
            Self::QeSignature => write!(f, "the quoting enclave's report is not signed by the PCK"),
            Self::QeBinding => write!(f, "the quoting enclave vouches for another key"),
            Self::Signature => write!(f, "the quote is not signed by its attestation key"),
            Self::RevocationList { source, fault } => write!(f, "{source} {fault}"),
            Self::RevocationListIssuer { source } => write!(f, "{source} is of another issuer"),
            Self::CollateralSignature { source } => {
                write!(f, "{source} is not signed by whom it has to be")
            }
            Self::Document { source, fault } => write!(f, "{source} {fault}"),
            Self::NotYetValid { source, from, at } => {
                write!(f, "{source} is valid from {from} and was judged at {at}")
            }
            Self::Expired { source, until, at } => {
                write!(f, "{source} was valid to {until} and was judged at {at}")
            }
            Self::CertificateRevoked { place } => write!(f, "{place} is revoked"),
            Self::EvaluationNumber { source, got, min } => {
                write!(f, "{source} has evaluation number {got}, the policy asks for {min}")
            }
            Self::Fmspc { machine, collateral } => {
                f.write_str("the machine is of family ")?;
                hex(machine, f)?;
                f.write_str(" and the collateral of ")?;
                hex(collateral, f)
            }
            Self::PceId { machine, collateral } => {
                f.write_str("the machine has PCE ")?;
                hex(machine, f)?;
                f.write_str(" and the collateral is for ")?;
                hex(collateral, f)
            }
            Self::QeIdentity { field, got, want } => {
                write!(f, "the quoting enclave is not Intel's: {field} is ")?;
                hex(got, f)?;
                f.write_str(" instead of ")?;
                hex(want, f)
            }
            Self::QeDebug => write!(f, "the quoting enclave runs in debug mode"),
            Self::QeLevel { svn } => {
                write!(f, "the quoting enclave of SVN {svn} reaches no level that Intel names")
            }
            Self::ModuleUnknown { version } => {
                write!(f, "Intel names no TDX module of version {version}")
            }
            Self::ModuleSigner { got } => write!(f, "the TDX module is signed by {got}"),
            Self::ModuleAttributes { got } => {
                f.write_str("the TDX module has attributes ")?;
                hex(got, f)
            }
            Self::ModuleLevel { svn } => {
                write!(f, "the TDX module of SVN {svn} reaches no level that Intel names")
            }
            Self::TcbLevel { short } => {
                f.write_str("the machine reaches no level that Intel names")?;
                lacking(short, f)
            }
            Self::Revoked { component: None } => write!(f, "the state of the machine is revoked"),
            Self::Revoked { component: Some(part) } => write!(f, "{part} is revoked"),
            Self::TcbStatus { status, short } => {
                write!(f, "the machine is {status}, which the policy does not accept")?;
                lacking(short, f)
            }
            Self::Advisory { id } => {
                write!(f, "{id:?}, which the policy denies, concerns the machine")
            }
            Self::PlatformFlag { flag } => write!(f, "{flag}, which the policy does not permit"),
            Self::DebugMode => write!(f, "the TD runs in debug mode: its host can read its memory"),
            Self::Untrusted { bits } => {
                write!(f, "the TD is opened to its host by attributes {bits:#x}")
            }
            Self::AttributesReserved { bits } => {
                write!(f, "the TD has attributes of unknown meaning, {bits:#x}")
            }
            Self::SeptVe => write!(f, "the host can raise exceptions in the TD (SEPT_VE_DISABLE)"),
            Self::Migratable => write!(f, "the TD can be moved to another machine (MIGRATABLE)"),
            Self::Perfmon => write!(f, "the host may monitor the TD's performance (PERFMON)"),
            Self::Xfam { got } => write!(f, "the TD has impossible features {got:#x} (XFAM)"),
            Self::ServiceTd { got } => write!(f, "service TDs of {got} are bound to the TD"),
            Self::NoMeasurements => write!(f, "the policy lists no measurement"),
            Self::Measurement { differences } => {
                f.write_str("the measurement is not one of the policy")?;
                differences.iter().try_for_each(|difference| write!(f, ", {difference}"))
            }
            Self::NotAuthorised { standing } => write!(f, "the baseline: {standing}"),
            Self::ReportData => write!(f, "the quote is about other report data"),
        }
    }
}

impl Error for Rejected {}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn lacking(short: &[Shortfall], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    short.iter().try_for_each(|one| write!(f, ", {one}"))
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, got, want } = self;
        write!(f, "{component} is {got} instead of {want}")
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sgx(number) => write!(f, "SGX component {number}"),
            Self::Pce => write!(f, "PCE"),
            Self::Tdx(number) => write!(f, "TDX component {number}"),
            Self::Module => write!(f, "the TDX module"),
            Self::QuotingEnclave => write!(f, "the quoting enclave"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { register, want, got } = self;
        write!(f, "{register} is {got} instead of {want}")
    }
}

impl fmt::Display for RegisterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MrTd => "MRTD",
            Self::Rtmr0 => "RTMR0",
            Self::Rtmr1 => "RTMR1",
            Self::Rtmr2 => "RTMR2",
            Self::Rtmr3 => "RTMR3",
            Self::MrConfigId => "MRCONFIGID",
            Self::MrOwner => "MROWNER",
            Self::MrOwnerConfig => "MROWNERCONFIG",
            Self::MrSeam => "MRSEAM",
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Body => "body",
            Self::Signature => "signature data",
            Self::QeReport => "report on the quoting enclave",
            Self::Certification => "certification data",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "the root certificate",
            Self::PckIssuer => "the certificate of the PCK's issuer",
            Self::Pck => "the PCK certificate",
            Self::TcbInfoSigner => "the certificate of TCB info's signer",
            Self::QeIdentitySigner => "the certificate of QE identity's signer",
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TcbInfo => f.write_str("TCB info"),
            Self::QeIdentity => f.write_str("QE identity"),
            Self::RootCrl => f.write_str("the revocation list of the root"),
            Self::PckCrl => f.write_str("the revocation list of PCKs"),
            Self::Certificate(place) => fmt::Display::fmt(place, f),
        }
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Der => "is not strict DER",
            Self::Version => "is of another version than that with extensions",
            Self::SignatureAlgorithm => "is not signed with ECDSA and SHA-256",
            Self::Key => "has a key that is not an uncompressed point on P-256",
            Self::Time => "has a time that is no time",
            Self::DuplicateExtension => "has an extension twice",
            Self::CriticalExtension => "has a critical extension that could change its meaning",
            Self::Constraints => "has no critical basic constraints",
            Self::NotAnIssuer => "may not issue certificates",
            Self::IssuerAsLeaf => "is an issuer and signed a statement",
            Self::KeyUsage => "has a key that may not be used for this",
            Self::Name => "has another name than belongs in its place",
        })
    }
}

impl fmt::Display for PlatformFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "is missing"),
            Self::Der => write!(f, "is not strict DER"),
            Self::UnknownEntry => write!(f, "has an entry that does not belong"),
            Self::DuplicateEntry { entry } => write!(f, "has entry {entry} twice"),
            Self::MissingEntry { entry } => write!(f, "has no entry {entry}"),
            Self::Svn { entry } => write!(f, "has an SVN that no quote can have, entry {entry}"),
        }
    }
}

impl fmt::Display for DocumentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json { line, column } => {
                write!(f, "is not the JSON of Intel at line {line}, column {column}")
            }
            Self::Id => write!(f, "is about something other than TDX"),
            Self::Version { got } => write!(f, "is of version {got}, which is not known"),
            Self::Hex => write!(f, "has a value that is not hex of its length"),
            Self::Time => write!(f, "has a time that is no time"),
            Self::Status => write!(f, "has a status that does not belong"),
            Self::ComponentCount { got } => write!(f, "has {got} components instead of 16"),
            Self::LevelCount { got } => write!(f, "has {got} levels"),
            Self::LevelOrder => write!(f, "has levels out of order"),
        }
    }
}

impl fmt::Display for QeField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MrSigner => "MRSIGNER",
            Self::IsvProdId => "ISVPRODID",
            Self::MiscSelect => "MISCSELECT",
            Self::Attributes => "ATTRIBUTES",
        })
    }
}

impl fmt::Display for PlatformFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DynamicPlatform => "packages can be added to the machine",
            Self::CachedKeys => "Intel keeps the keys of the machine",
            Self::Smt => "the machine has simultaneous multithreading",
        })
    }
}
