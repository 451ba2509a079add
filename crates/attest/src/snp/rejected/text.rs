//! Rejections in words, for operators and auditors.

use core::error::Error;
use core::fmt;

use super::{CertificateFault, Field, Place, Protection, Rejected, Shortfall};
use crate::snp::Product;

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { got } => {
                write!(f, "not an SNP report, which has 1184 bytes and not {got}")
            }
            Self::Version { got } => write!(f, "version {got} of the report is not one of 2 to 5"),
            Self::SignatureAlgorithm { got } => {
                write!(f, "signature algorithm {got} is not ECDSA P-384 with SHA-384 (1)")
            }
            Self::Reserved { offset } => write!(f, "reserved byte {offset:#x} is not zero"),
            Self::PolicyBit17 => write!(f, "guest policy lacks bit 17, which is always set"),
            Self::PolicyReserved { got } => write!(f, "guest policy has unknown bits {got:#x}"),
            Self::PlatformReserved { got } => {
                write!(f, "platform information has unknown bits {got:#x}")
            }
            Self::ChipKeyMasked => write!(f, "the host has masked the key that signs reports"),
            Self::NotSigned => write!(f, "the report is not signed"),
            Self::KeyUnknown { got } => write!(f, "signed by a key of unknown class {got}"),
            Self::Processor { family, model, stepping } => write!(
                f,
                "processor of family {family:#x}, model {model:#x}, stepping {stepping} is of no \
                 known product"
            ),
            Self::TcbReserved { level } => {
                write!(f, "{level} tcb has reserved parts that are not zero")
            }
            _ => self.signers(f),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "one text in three parts, for its length")]
impl Rejected {
    fn signers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyCertificates { got } => {
                write!(f, "{got} certificates are more than a chain needs")
            }
            Self::Certificate { place, fault } => write!(f, "{place} {fault}"),
            Self::LeafMissing { class } => write!(f, "no {class} certificate was given"),
            Self::KeyClassDiffers { report, certificate } => {
                write!(f, "signed by a {report}, and the certificate given is of a {certificate}")
            }
            Self::Ambiguous { name } => write!(f, "several different certificates of {name}"),
            Self::IssuerMissing { name } => write!(f, "no certificate of {name} was given"),
            Self::RootDiffers { got } => write!(f, "root {got} is not one of AMD's"),
            Self::ProductUnknown => write!(f, "the certificate is of no known product"),
            Self::ProductDiffers { report, certificate } => {
                write!(f, "the report is of {report} and its certificate of {certificate}")
            }
            Self::ChainOrder { place } => {
                write!(f, "{place} has another issuer than the one above it")
            }
            Self::CertificateSignature { place } => {
                write!(f, "{place} is not signed by the one above it")
            }
            Self::Signature => write!(f, "the report is not signed by its certificate"),
            Self::Path => write!(f, "the chain is not one that reports have"),
            Self::ExtensionMissing { extension } => write!(f, "the certificate has no {extension}"),
            Self::ExtensionForm { extension } => {
                write!(f, "{extension} of the certificate is not written as AMD writes it")
            }
            Self::TcbDiffers { extension, certificate, report } => write!(
                f,
                "{extension} is {certificate} in the certificate and {report} in the report"
            ),
            Self::ChipIdDiffers => write!(f, "the certificate is of another chip"),
            Self::ChipIdUnexpected => write!(f, "a VLEK certificate names a chip"),
            Self::TcbOrder { component, lower: (low, less), upper: (up, more) } => {
                write!(f, "{low} version of {component} is {less}, more than the {up} one, {more}")
            }
            Self::RevocationMissing => write!(f, "no revocation list was given"),
            Self::RevocationForm { fault } => write!(f, "revocation list {fault}"),
            Self::RevocationIssuer => write!(f, "revocation list is of another root"),
            Self::RevocationSignature => write!(f, "revocation list is not signed by the root"),
            Self::Revoked { place } => write!(f, "{place} is revoked"),
            Self::RevocationEarly { this_update, at } => {
                write!(f, "revocation list is of {this_update} and was judged at {at}")
            }
            Self::RevocationStale { next_update, at } => {
                write!(f, "revocation list was good to {next_update} and was judged at {at}")
            }
            Self::NotYetValid { place, not_before, at } => {
                write!(f, "{place} is valid from {not_before} and was judged at {at}")
            }
            Self::Expired { place, not_after, at } => {
                write!(f, "{place} was valid to {not_after} and was judged at {at}")
            }
            _ => self.demands(f),
        }
    }

    fn demands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReportData => write!(f, "report data is not what was asked for, it is a replay"),
            Self::NoMeasurements => write!(f, "the policy lists no measurement to compare with"),
            Self::NoProducts => write!(f, "the policy lists no product"),
            Self::Milan => {
                write!(f, "keys of Milan can be read out, and the policy does not name it")
            }
            Self::Product { got } => write!(f, "the policy does not name {got}"),
            Self::VersionOld { got, min } => {
                write!(f, "report is of version {got}, the policy asks for {min}")
            }
            Self::Vlek => write!(f, "signed by a VLEK, which names no chip"),
            Self::ChipIdMasked => write!(f, "the host has masked the name of the chip"),
            Self::Debug => write!(f, "the guest is in debug mode, its host can read it"),
            Self::MigrationAgent => write!(f, "a migration agent can read the guest"),
            Self::MeasurementZero => write!(f, "nothing was measured"),
            Self::Measurement { got } => write!(f, "measurement {got} is not an accepted one"),
            Self::NotAuthorised { standing } => write!(f, "the baseline: {standing}"),
            Self::Vmpl { got, max } => write!(f, "made at VMPL {got}, at most {max} is allowed"),
            Self::Smt => write!(f, "the guest may run with simultaneous multithreading"),
            Self::SeveralSockets => write!(f, "the guest may run on several sockets"),
            Self::Abi { got, min } => write!(
                f,
                "the guest accepts firmware interface {}.{}, the policy asks for {}.{}",
                got.0, got.1, min.0, min.1
            ),
            Self::Protection { lacking } => write!(f, "the machine lacks {lacking}"),
            Self::TcbShort { product, shortfalls } => short(*product, shortfalls, f),
            Self::GuestSvn { got, min } => {
                write!(f, "guest svn is {got}, the policy asks for {min}")
            }
            Self::Mitigations { missing } => write!(f, "mitigations {missing:#x} are not on"),
            Self::Field { field } => write!(f, "{field} is not an accepted one"),
            _ => Ok(()),
        }
    }
}

impl Error for Rejected {}

fn short(product: Product, shortfalls: &[Shortfall], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "firmware is older than the policy asks of {product}: ")?;
    for (position, Shortfall { component, got, want }) in shortfalls.iter().enumerate() {
        let between = if position == 0 { "" } else { ", " };
        let by = want.saturating_sub(*got);
        write!(f, "{between}{component} is {got}, short of {want} by {by}")?;
    }
    Ok(())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supplied(number) => write!(f, "certificate {number} of the collateral"),
            Self::Root => write!(f, "root certificate"),
            Self::Issuer => write!(f, "issuer certificate"),
            Self::Leaf => write!(f, "leaf certificate"),
        }
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Der => "is not strict DER",
            Self::Version => "is of another version",
            Self::SignatureAlgorithm => "is not signed with RSASSA-PSS and SHA-384",
            Self::Key => "has a key that is not of the kind that belongs there",
            Self::Time => {
                "has a time that does not exist or is written otherwise than RFC 5280 asks"
            }
            Self::Name => "has not exactly one common name",
            Self::DuplicateExtension => "has an extension twice",
            Self::CriticalExtension => "has a critical extension that is not known",
            Self::Constraints => "has no critical basic constraints",
            Self::NotAnIssuer => "stands where an issuer belongs and is none",
            Self::IssuerAsLeaf => "signed the report and is an issuer of certificates",
            Self::KeyUsage => "has a key that may not be used for this",
        })
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AliasCheck => "the check for memory aliases",
            Self::Tsme => "encryption of all memory",
            Self::Ecc => "error correction of memory",
            Self::CiphertextHiding => "hiding of ciphertext",
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HostData => "host data",
            Self::ChipId => "chip id",
            Self::IdKeyDigest => "id key digest",
            Self::AuthorKeyDigest => "author key digest",
            Self::FamilyId => "family id",
            Self::ImageId => "image id",
        })
    }
}
