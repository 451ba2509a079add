//! Subtrees: runs of leaves that have a hash of their own, and the climb from one to the root.
//!
//! A subtree `[start, end)` begins at a multiple of the smallest power of two that is not less than
//! its size, as witnesses and mirrors of C2SP logs use it (c2sp.org/tlog-witness). Only such runs
//! are nodes of larger trees, or left edges of nodes. The climb is the verification of RFC 9162
//! §2.1.4.2 with a start other than 0; for a single leaf it is that of §2.1.3.2.

use super::ProofError;
use crate::hash::Hash;
use crate::tree::parent;

/// A run of leaves that can be proven in one path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subtree {
    /// Its first leaf.
    pub start: u64,
    /// The leaf after its last.
    pub end: u64,
}

/// Where a climb has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Climbed {
    /// The hash of the subtree that the path contains.
    pub(super) start: Hash,
    /// The root that the path leads to.
    pub(super) root: Hash,
}

impl Subtree {
    /// Whether such a run of leaves has a hash in a tree of this size.
    fn fits(self, size: u64) -> bool {
        let Some(length) = self.end.checked_sub(self.start) else { return false };
        let aligned = match length.checked_next_power_of_two() {
            Some(step) => self.start.is_multiple_of(step),
            None => self.start == 0,
        };
        self.end <= size && aligned
    }

    /// Checks that the tree of this size and root has the subtree, with this hash.
    ///
    /// The empty subtree has the hash of nothing, and is in every tree.
    ///
    /// # Errors
    /// When it has not, or the path is not one for these sizes.
    pub fn verify(
        self,
        size: u64,
        hash: Hash,
        root: Hash,
        path: &[Hash],
    ) -> Result<(), ProofError> {
        if self.start == self.end && self.fits(size) {
            return verify_empty(hash, path);
        }
        let climbed = self.climb(size, hash, path)?;
        if climbed.root != root {
            return Err(ProofError::Root { expected: root, found: climbed.root });
        }
        if climbed.start != hash {
            return Err(ProofError::Start { expected: hash, found: climbed.start });
        }
        Ok(())
    }

    /// Checks that the leaf `index` of a tree is in the subtree of it that has this hash.
    ///
    /// # Errors
    /// When it is not, or the path is not one for this index and subtree.
    pub fn verify_leaf(
        self,
        index: u64,
        leaf: Hash,
        hash: Hash,
        path: &[Hash],
    ) -> Result<(), ProofError> {
        let out = ProofError::Range { start: self.start, end: self.end, size: index };
        if !self.fits(u64::MAX) || !(self.start..self.end).contains(&index) {
            return Err(out);
        }
        // Inside, indices count from its start: it is a tree of its own.
        let (index, size) = (index - self.start, self.end - self.start);
        let alone = Self { start: index, end: index + 1 };
        let found = alone.climb(size, leaf, path)?.root;
        if found == hash { Ok(()) } else { Err(ProofError::Root { expected: hash, found }) }
    }

    /// Follows a path from the subtree, which has this hash, to the root.
    pub(super) fn climb(self, size: u64, hash: Hash, path: &[Hash]) -> Result<Climbed, ProofError> {
        if self.start >= self.end || !self.fits(size) {
            return Err(ProofError::Range { start: self.start, end: self.end, size });
        }
        let wrong = ProofError::Length { found: path.len() };
        // Positions, level by level, of: the subtree's first node, its last node, the tree's last.
        let mut at = Levels { first: self.start, last: self.end - 1, edge: size - 1 };
        at.skip_whole_nodes();
        let mut path = path.iter();
        let mut climbed = if at.first == at.last {
            Climbed { start: hash, root: hash }
        } else {
            let node = *path.next().ok_or(wrong)?;
            Climbed { start: node, root: node }
        };
        for node in path {
            if at.edge == 0 {
                return Err(wrong);
            }
            if at.last & 1 == 1 || at.last == at.edge {
                // On the left of the way up; inside the subtree until its first node is passed.
                if at.first < at.last {
                    climbed.start = parent(*node, climbed.start);
                }
                climbed.root = parent(*node, climbed.root);
                at.rise_to_right_child();
            } else {
                climbed.root = parent(climbed.root, *node);
            }
            at.rise();
        }
        if at.edge == 0 { Ok(climbed) } else { Err(wrong) }
    }
}

#[derive(Clone, Copy)]
struct Levels {
    first: u64,
    last: u64,
    edge: u64,
}

impl Levels {
    const fn rise(&mut self) {
        self.first >>= 1;
        self.last >>= 1;
        self.edge >>= 1;
    }

    /// To the first node that a path names, or to the subtree itself when it is a node.
    const fn skip_whole_nodes(&mut self) {
        if self.last == self.edge {
            while self.first != self.last {
                self.rise();
            }
        } else {
            while self.first != self.last && self.last & 1 == 1 {
                self.rise();
            }
        }
    }

    /// A node on the right edge has no sibling on some levels: RFC 9162 §2.1.3.2, step 4.3.
    const fn rise_to_right_child(&mut self) {
        while self.last != 0 && self.last & 1 == 0 {
            self.rise();
        }
    }
}

fn verify_empty(hash: Hash, path: &[Hash]) -> Result<(), ProofError> {
    let found = Hash::of(&[]);
    match (path.len(), hash == found) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Start { expected: hash, found }),
        (found, _) => Err(ProofError::Length { found }),
    }
}
