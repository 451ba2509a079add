//! Names of the register's objects: one for each entry, one for each signed head.

use std::fmt;

use lucarne_ledger::hash::Hash;

use super::{COSIGNED, head, number};

/// `register/<index>.cbor`, `register/<size>-<root>.note`, or `.cosigned.note`
///
/// An entry has its number for a name and not its content: of two that claim one place, one loses.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum RegisterName {
    /// One entry.
    Entry {
        /// Its place, from 0.
        index: u64,
    },
    /// A signed head.
    Checkpoint {
        /// Number of entries.
        size: u64,
        /// Root over them.
        root: Hash,
        /// Whether the note also has the lines of a quorum of witnesses.
        cosigned: bool,
    },
}

impl RegisterName {
    pub(super) fn parse(file: &str) -> Option<Self> {
        if let Some(index) = file.strip_suffix(".cbor") {
            return Some(Self::Entry { index: number(index)? });
        }
        let (size, root, cosigned) = head(file)?;
        Some(Self::Checkpoint { size, root, cosigned })
    }
}

impl fmt::Display for RegisterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry { index } => write!(f, "register/{index:020}.cbor"),
            Self::Checkpoint { size, root, cosigned } => {
                let ending = if *cosigned { COSIGNED } else { "" };
                write!(f, "register/{size:020}-{root}{ending}.note")
            }
        }
    }
}
