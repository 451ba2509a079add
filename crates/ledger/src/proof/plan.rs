//! Which runs of leaves the nodes of a path stand for: RFC 9162 §2.1.3.1 and §2.1.4.1, unrolled.
//!
//! Every node of a path is the root over a run of leaves, and the runs of one path are disjoint. So
//! a prover needs no tree: it hashes each run for itself while the leaves go by.

use alloc::vec::Vec;
use core::ops::Range;

/// The runs of the siblings of leaf `index` in a tree of `size`, that of the leaf first.
pub(super) fn inclusion(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut low, mut high) = (0, size);
    let mut runs = Vec::new();
    while high - low > 1 {
        let split = low + split(high - low);
        if index < split {
            runs.push(split..high);
            high = split;
        } else {
            runs.push(low..split);
            low = split;
        }
    }
    runs.reverse();
    runs
}

/// The runs of the nodes that lead from the tree of size `old` to that of size `new`, lowest first.
pub(super) fn consistency(old: u64, new: u64) -> Vec<Range<u64>> {
    let (mut low, mut high) = (0, new);
    let mut runs = Vec::new();
    // The later tree ends inside [low, high) until it ends where that does.
    while old != high {
        let split = low + split(high - low);
        if old <= split {
            runs.push(split..high);
            high = split;
        } else {
            runs.push(low..split);
            low = split;
        }
    }
    // The verifier has the earlier tree; when that is one node, it is not said again.
    if low != 0 {
        runs.push(low..high);
    }
    runs.reverse();
    runs
}

/// The largest power of two below `size`, which is at least 2.
const fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}
