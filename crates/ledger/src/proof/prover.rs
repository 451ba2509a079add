//! Provers: from leaves in their order to a path, in one pass and with the memory of one path.
//!
//! A prover begins at leaf 0 or at a stored [`Frontier`]: what lies before it is then taken from
//! the frontier's hashes. That is enough for every proof about what comes after it, so a proof for
//! a record of an archive reads no further back than the batch that holds the record.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::{Consistency, Inclusion, ProofError, plan};
use crate::hash::Hash;
use crate::tree::Frontier;

/// Why there is no proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProverError {
    /// What is asked for is not in a tree of this size.
    Proof(ProofError),
    /// The frontier lies behind what must be proven: its hashes cannot be taken apart.
    TooLate {
        /// Size of the tree that the frontier is the edge of.
        start: u64,
    },
    /// Leaves are still to come, or more came than the tree has.
    Leaves {
        /// How many leaves were there.
        found: u64,
        /// How many the tree has.
        size: u64,
    },
}

impl fmt::Display for ProverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proof(_) => write!(f, "there is no such proof"),
            Self::TooLate { start } => {
                write!(f, "leaves from {start} on are not enough for the proof")
            }
            Self::Leaves { found, size } => {
                write!(f, "{found} leaves were given for a tree of {size}")
            }
        }
    }
}

impl core::error::Error for ProverError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Proof(error) => Some(error),
            Self::TooLate { .. } | Self::Leaves { .. } => None,
        }
    }
}

/// Proves that a leaf is in a tree.
#[derive(Clone, Debug)]
pub struct InclusionProver {
    index: u64,
    nodes: Nodes,
}

impl InclusionProver {
    /// A prover for leaf `index` of the tree of `size`, to be given the leaves after `start`.
    ///
    /// # Errors
    /// When there is no such leaf, or it lies before `start`.
    pub fn new(index: u64, size: u64, start: &Frontier) -> Result<Self, ProverError> {
        let end = index.saturating_add(1);
        if index >= size {
            return Err(ProverError::Proof(ProofError::Range { start: index, end, size }));
        }
        let nodes = Nodes::new(plan::inclusion(index, size), size, start)?;
        Ok(Self { index, nodes })
    }

    /// Takes the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.nodes.push(leaf);
    }

    /// The sequence number of the leaf that comes next; `None` when there are enough.
    pub fn next(&self) -> Option<u64> {
        self.nodes.wanted()
    }

    /// The proof, once every leaf has been given.
    ///
    /// # Errors
    /// `Leaves`.
    pub fn finish(self) -> Result<Inclusion, ProverError> {
        let (index, size) = (self.index, self.nodes.size);
        Ok(Inclusion { index, size, path: self.nodes.finish()? })
    }
}

/// Proves that a tree begins with an earlier one.
#[derive(Clone, Debug)]
pub struct ConsistencyProver {
    old: u64,
    nodes: Nodes,
}

impl ConsistencyProver {
    /// A prover that the tree of size `new` begins with that of size `old`, to be given the leaves
    /// after `start`.
    ///
    /// # Errors
    /// When `old` is 0 or larger than `new`, or lies before `start`.
    pub fn new(old: u64, new: u64, start: &Frontier) -> Result<Self, ProverError> {
        if old == 0 || old > new {
            return Err(ProverError::Proof(ProofError::Range { start: 0, end: old, size: new }));
        }
        let nodes = Nodes::new(plan::consistency(old, new), new, start)?;
        Ok(Self { old, nodes })
    }

    /// Takes the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.nodes.push(leaf);
    }

    /// The sequence number of the leaf that comes next; `None` when there are enough.
    pub fn next(&self) -> Option<u64> {
        self.nodes.wanted()
    }

    /// The proof, once every leaf has been given.
    ///
    /// # Errors
    /// `Leaves`.
    pub fn finish(self) -> Result<Consistency, ProverError> {
        let (old, new) = (self.old, self.nodes.size);
        Ok(Consistency { old, new, path: self.nodes.finish()? })
    }
}

/// The nodes of one path, each being filled from its own run of leaves.
#[derive(Clone, Debug)]
struct Nodes {
    runs: Vec<(Range<u64>, Frontier)>,
    at: u64,
    size: u64,
}

impl Nodes {
    fn new(plan: Vec<Range<u64>>, size: u64, start: &Frontier) -> Result<Self, ProverError> {
        let at = start.size();
        let mut runs = Vec::with_capacity(plan.len());
        for run in plan {
            let known = start.inside(&run).ok_or(ProverError::TooLate { start: at })?;
            runs.push((run, known));
        }
        if at > size {
            Err(ProverError::TooLate { start: at })
        } else {
            Ok(Self { runs, at, size })
        }
    }

    fn push(&mut self, leaf: Hash) {
        let at = self.at;
        if let Some((_, node)) = self.runs.iter_mut().find(|(run, _)| run.contains(&at)) {
            node.append(leaf);
        }
        self.at = at.saturating_add(1);
    }

    fn wanted(&self) -> Option<u64> {
        (self.at < self.size).then_some(self.at)
    }

    fn finish(self) -> Result<Vec<Hash>, ProverError> {
        if self.at != self.size {
            return Err(ProverError::Leaves { found: self.at, size: self.size });
        }
        Ok(self.runs.iter().map(|(_, node)| node.root()).collect())
    }
}
