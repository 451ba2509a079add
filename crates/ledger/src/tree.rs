//! The Merkle tree of RFC 6962, kept as its right edge.
//!
//! A ledger only ever appends, so what must be remembered is the frontier: the roots of the perfect
//! subtrees that make up the tree, largest first. There is one for each bit that is set in the
//! size.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::hash::Hash;

/// The right edge of a tree: enough to append to it and to compute its root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frontier {
    size: u64,
    // INVARIANT: one hash for each set bit of `size`, the largest subtree first.
    peaks: Vec<Hash>,
}

/// A frontier that does not have the shape of its size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WrongShape {
    /// Size of the tree that it should be the edge of.
    pub size: u64,
    /// Bytes given.
    pub bytes: usize,
}

impl fmt::Display for WrongShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frontier of {} bytes does not have the shape of size {}", self.bytes, self.size)
    }
}

impl core::error::Error for WrongShape {}

impl Frontier {
    /// The empty tree.
    pub const fn empty() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// The frontier of a tree of `size` from its concatenated hashes.
    ///
    /// # Errors
    /// When there are not as many hashes as set bits in `size`.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, WrongShape> {
        if bytes.len() != size.count_ones() as usize * 32 {
            return Err(WrongShape { size, bytes: bytes.len() });
        }
        let peaks = bytes.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect();
        Ok(Self { size, peaks })
    }

    /// The hashes, largest subtree first: at most 64 of 32 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.iter().flat_map(|hash| hash.0).collect()
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The part of this edge that lies inside a run of leaves: the edge of a tree over those leaves
    /// of the run that have been appended, counted from the run's start. `None` when a peak lies
    /// across the start or the end of the run, so that its hash cannot be used.
    pub(crate) fn inside(&self, run: &Range<u64>) -> Option<Self> {
        let mut part = Self::empty();
        let mut at = 0_u64;
        for (bit, hash) in set_bits(self.size).zip(&self.peaks) {
            let next = at.checked_add(bit)?;
            let outside = next <= run.start || at >= run.end;
            if !outside {
                if at < run.start || next > run.end {
                    return None;
                }
                part.size = part.size.checked_add(bit)?;
                part.peaks.push(*hash);
            }
            at = next;
        }
        Some(part)
    }

    /// Adds one leaf on the right.
    pub fn append(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = parent(left, node);
            }
        }
        self.peaks.push(node);
        self.size = self.size.saturating_add(1);
    }

    /// The root: RFC 6962 §2.1, SHA-256 of nothing for the empty tree.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Hash::of(&[]),
            Some(last) => peaks.fold(*last, |right, left| parent(*left, right)),
        }
    }
}

/// The powers of two that make up a number, the largest first.
fn set_bits(number: u64) -> impl Iterator<Item = u64> {
    (0..u64::BITS).rev().map(|bit| 1 << bit).filter(move |bit| number & bit != 0)
}

/// Hash of an inner node.
pub fn parent(left: Hash, right: Hash) -> Hash {
    let mut node = [1; 65];
    let (_, rest) = node.split_at_mut(1);
    let (first, second) = rest.split_at_mut(32);
    first.copy_from_slice(&left.0);
    second.copy_from_slice(&right.0);
    Hash::of(&node)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    /// RFC 6962 §2.1, written down recursively: nothing shared with the code under test but the
    /// node hash.
    fn reference(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of(&[]),
            [one] => *one,
            many => {
                let split = many.len().next_power_of_two() / 2;
                parent(reference(&many[..split]), reference(&many[split..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_rfc_at_every_size() {
        let leaves: Vec<Hash> = (0..300_u32).map(|i| Hash::of(&i.to_be_bytes())).collect();
        let mut frontier = Frontier::empty();
        for size in 0..=leaves.len() {
            assert_eq!(frontier.root(), reference(&leaves[..size]), "size {size}");
            let again = Frontier::from_bytes(size as u64, &frontier.to_bytes()).unwrap();
            assert_eq!(again, frontier);
            if let Some(leaf) = leaves.get(size) {
                frontier.append(*leaf);
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_reference_implementation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/x-mod/roots.txt");
        let roots = std::fs::read_to_string(path).unwrap();
        let mut frontier = Frontier::empty();
        for (size, root) in roots.lines().enumerate() {
            assert_eq!(frontier.root().to_string(), root, "size {size}");
            frontier.append(Hash::of(std::format!("\0record {size}").as_bytes()));
        }
        assert_eq!(frontier.size(), 1031);
    }

    #[test]
    fn the_empty_root_is_the_well_known_one() {
        assert_eq!(
            Frontier::empty().root().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn a_frontier_of_the_wrong_shape_is_refused() {
        assert_eq!(Frontier::from_bytes(3, &[0; 32]), Err(WrongShape { size: 3, bytes: 32 }));
        assert_eq!(Frontier::from_bytes(1, &[0; 33]), Err(WrongShape { size: 1, bytes: 33 }));
    }
}
