//! Proofs about a ledger's tree: that a leaf is in it (inclusion), and that a later tree begins
//! with an earlier one (consistency). RFC 9162 §2.1.3 and §2.1.4.
//!
//! Both are the same climb from a subtree to the root: a leaf is a subtree of one, an earlier tree
//! is the subtree that begins at 0. So there is one verifier, [`Subtree`], and one plan of which
//! nodes a path consists of, from which the provers work. A path of another length than its sizes
//! ask for is refused, and so is what would prove nothing: the empty tree.

use alloc::vec::Vec;
use core::fmt;

use crate::hash::Hash;

mod plan;
pub mod prover;
pub mod subtree;

pub use prover::{ConsistencyProver, InclusionProver, ProverError};
pub use subtree::Subtree;

/// Most hashes of a path: one a level of a tree of 2^64 leaves, and the node that a consistency
/// path begins with.
pub const PATH_HASHES_MAX: usize = 65;

/// Why a proof does not prove.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProofError {
    /// There is no such leaf, subtree or earlier tree in a tree of this size.
    Range {
        /// First leaf of what should be proven.
        start: u64,
        /// The leaf after its last.
        end: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// The path has not the one length that index and size ask for.
    Length {
        /// Hashes that are there.
        found: usize,
    },
    /// The path leads to another root.
    Root {
        /// The root that was to be reached.
        expected: Hash,
        /// The one that the path leads to.
        found: Hash,
    },
    /// The path does not begin with the earlier tree or the subtree.
    Start {
        /// The root of the earlier tree.
        expected: Hash,
        /// The one that the path contains.
        found: Hash,
    },
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { start, end, size } => {
                write!(f, "leaves {start} to before {end} cannot be proven in a tree of {size}")
            }
            Self::Length { found } => write!(f, "path of {found} hashes has the wrong length"),
            Self::Root { expected, found } => {
                write!(f, "path leads to root {found}, not {expected}")
            }
            Self::Start { expected, found } => {
                write!(f, "path begins with the tree {found}, not {expected}")
            }
        }
    }
}

impl core::error::Error for ProofError {}

/// The path from one leaf to the root of a tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inclusion {
    /// Which leaf, from 0.
    pub index: u64,
    /// Leaves of the tree.
    pub size: u64,
    /// The siblings, that of the leaf first.
    pub path: Vec<Hash>,
}

impl Inclusion {
    /// The root that a tree with this leaf at this index has: RFC 9162 §2.1.3.2.
    ///
    /// # Errors
    /// `Range` or `Length`.
    pub fn root(&self, leaf: Hash) -> Result<Hash, ProofError> {
        let end = self.index.checked_add(1);
        let end = end.ok_or(ProofError::Range { start: self.index, end: 0, size: self.size })?;
        let leaf_alone = Subtree { start: self.index, end };
        leaf_alone.climb(self.size, leaf, &self.path).map(|climbed| climbed.root)
    }

    /// Checks that `leaf` is at the index in the tree with this root.
    ///
    /// # Errors
    /// When it is not, or the path is not one for this index and size.
    pub fn verify(&self, leaf: Hash, root: Hash) -> Result<(), ProofError> {
        let found = self.root(leaf)?;
        if found == root { Ok(()) } else { Err(ProofError::Root { expected: root, found }) }
    }
}

/// The path from a tree to a later one that begins with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Consistency {
    /// Leaves of the earlier tree, at least one: every tree begins with the empty one.
    pub old: u64,
    /// Leaves of the later tree.
    pub new: u64,
    /// The nodes, lowest first.
    pub path: Vec<Hash>,
}

impl Consistency {
    /// The root of a tree of size `new` that begins with the tree of size `old` and this root:
    /// RFC 9162 §2.1.4.2.
    ///
    /// # Errors
    /// `Range` or `Length`; `Start` when the path is of another earlier tree.
    pub fn root(&self, old_root: Hash) -> Result<Hash, ProofError> {
        let climbed = Subtree { start: 0, end: self.old }.climb(self.new, old_root, &self.path)?;
        if climbed.start == old_root {
            Ok(climbed.root)
        } else {
            Err(ProofError::Start { expected: old_root, found: climbed.start })
        }
    }

    /// Checks that the tree of size `new` begins with that of size `old`.
    ///
    /// # Errors
    /// When it does not, or the path is not one for these sizes.
    pub fn verify(&self, old_root: Hash, new_root: Hash) -> Result<(), ProofError> {
        let found = self.root(old_root)?;
        if found == new_root { Ok(()) } else { Err(ProofError::Root { expected: new_root, found }) }
    }
}

#[cfg(test)]
mod tests;
