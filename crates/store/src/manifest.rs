//! What the untrusted host must be able to give back: a digest for each block, and one root.
//!
//! The manifest lives in the TEE. Its [`Head`] goes into a ledger record, and its version rises
//! with each change, so a later reader can tell which set of blocks the store stood for and when.

use std::collections::BTreeMap;

use lucarne_ledger::hash::Hash;
use lucarne_ledger::tree::Frontier;

use crate::block::BlockId;
use crate::crypt::Epoch;

/// The blocks that are outside, by name.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    blocks: BTreeMap<BlockId, Entry>,
    version: u64,
    bytes: u64,
}

/// What is known of one block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    digest: Hash,
    bytes: u64,
}

/// One state of the manifest, as a ledger record says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The epoch whose blocks these are.
    pub epoch: Epoch,
    /// Changes so far; never falls within an epoch.
    pub version: u64,
    /// How many blocks there are.
    pub blocks: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// The root of the Merkle tree over `block id || length || digest`, in order of the ids.
    pub root: Hash,
}

impl Manifest {
    pub(crate) fn insert(&mut self, id: BlockId, stored: &[u8]) {
        let entry = Entry { digest: Hash::of(stored), bytes: stored.len() as u64 };
        let before = self.blocks.insert(id, entry);
        self.bytes += entry.bytes;
        self.bytes -= before.map_or(0, |before| before.bytes);
        self.version += 1;
    }

    pub(crate) fn remove(&mut self, id: BlockId) {
        if let Some(entry) = self.blocks.remove(&id) {
            self.bytes -= entry.bytes;
            self.version += 1;
        }
    }

    /// Whether these bytes are the block of this name.
    pub(crate) fn vouches_for(&self, id: BlockId, stored: &[u8]) -> bool {
        self.blocks.get(&id).is_some_and(|entry| {
            entry.bytes == stored.len() as u64 && entry.digest == Hash::of(stored)
        })
    }

    pub(crate) fn ids(&self) -> Vec<BlockId> {
        self.blocks.keys().copied().collect()
    }

    pub(crate) fn has(&self, id: BlockId) -> bool {
        self.blocks.contains_key(&id)
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The present state.
    #[must_use]
    pub fn head(&self, epoch: Epoch) -> Head {
        let mut tree = Frontier::empty();
        for (id, entry) in &self.blocks {
            let mut leaf = vec![0]; // RFC 6962: leaves begin with 0, nodes with 1
            leaf.extend_from_slice(&id.segment.to_be_bytes());
            leaf.extend_from_slice(&id.block.to_be_bytes());
            leaf.extend_from_slice(&entry.bytes.to_be_bytes());
            leaf.extend_from_slice(&entry.digest.0);
            tree.append(Hash::of(&leaf));
        }
        let blocks = self.blocks.len() as u64;
        Head { epoch, version: self.version, blocks, bytes: self.bytes, root: tree.root() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch([7; 16]);
    const ID: BlockId = BlockId { segment: 0, block: 0 };

    #[test]
    fn every_change_raises_the_version_and_moves_the_root() {
        let mut manifest = Manifest::default();
        let empty = manifest.head(EPOCH);
        manifest.insert(ID, b"one");
        let one = manifest.head(EPOCH);
        manifest.insert(ID.next(), b"two!");
        let two = manifest.head(EPOCH);
        assert_eq!((two.version, two.blocks, two.bytes), (2, 2, 7));
        assert_eq!((empty.root == one.root, one.root == two.root), (false, false));
        manifest.remove(ID.next());
        assert_eq!(manifest.head(EPOCH), Head { version: 3, ..one });
    }

    #[test]
    fn only_the_very_bytes_under_the_very_name_are_vouched_for() {
        let mut manifest = Manifest::default();
        manifest.insert(ID, b"one");
        assert!(manifest.vouches_for(ID, b"one"));
        assert!(!manifest.vouches_for(ID, b"onE"));
        assert!(!manifest.vouches_for(ID.next(), b"one"));
    }
}
