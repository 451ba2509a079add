//! Why a bag could not be written.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::age::AgeError;
use super::custody::Broken;
use super::dsse::DsseError;
use super::path::BagPath;

/// Why a bag could not be made, filled, sealed or copied.
#[derive(Debug)]
pub enum BundleError {
    /// A file could not be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// There is something already.
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Not a draft of a bag: its ledger cannot be read.
    NotADraft,
    /// It is sealed; late evidence makes another bag.
    Sealed,
    /// The item is in the bag already.
    Twice {
        /// Its name.
        item: BagPath,
    },
    /// More than there may be.
    TooMuch {
        /// What of it.
        what: &'static str,
        /// How much there may be.
        most: usize,
    },
    /// Payload of which neither ledger nor custody knows.
    Stray {
        /// The file.
        file: BagPath,
    },
    /// A file is not what was collected.
    Changed {
        /// The file.
        file: BagPath,
    },
    /// The chain of custody does not hold.
    Custody(Broken),
    /// The item has to be encrypted and there are no recipients, or encryption failed.
    Encryption(AgeError),
    /// The statement could not be signed or read.
    Statement(DsseError),
    /// What is to be exported does not verify.
    NotVerified,
}

impl BundleError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |cause| Self::File { path: path.to_owned(), cause }
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "{} cannot be read or written", path.display()),
            Self::Exists { path } => write!(f, "{} is there already", path.display()),
            Self::NotADraft => f.write_str("not a draft of a bag: its ledger cannot be read"),
            Self::Sealed => f.write_str("the bag is sealed; late evidence makes another one"),
            Self::Twice { item } => write!(f, "{item} is in the bag already"),
            Self::TooMuch { what, most } => write!(f, "too much: at most {most} {what}"),
            Self::Stray { file } => write!(f, "{file} is payload that nobody collected"),
            Self::Changed { file } => write!(f, "{file} is not what was collected"),
            Self::Custody(_) => f.write_str("custody cannot be continued"),
            Self::Encryption(_) => f.write_str("an item cannot be encrypted"),
            Self::Statement(_) => f.write_str("the statement cannot be made"),
            Self::NotVerified => f.write_str("the bag does not verify"),
        }
    }
}

impl std::error::Error for BundleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { cause, .. } => Some(cause),
            Self::Custody(cause) => Some(cause),
            Self::Encryption(cause) => Some(cause),
            Self::Statement(cause) => Some(cause),
            Self::Exists { .. }
            | Self::NotADraft
            | Self::Sealed
            | Self::Twice { .. }
            | Self::TooMuch { .. }
            | Self::Stray { .. }
            | Self::Changed { .. }
            | Self::NotVerified => None,
        }
    }
}
