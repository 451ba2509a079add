//! What is dropped when there is too much: the oldest first, by bytes and then by age.
//!
//! A hold keeps every block that has a row in its range. When nothing else is left to drop, the
//! newest block is dropped instead: a full store never fails a writer, and what was dropped is
//! counted.

use crate::block::BlockId;

/// What a store may keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// Bytes of stored blocks and of what the store keeps in memory about them.
    pub bytes: u64,
    /// Age of a block's newest row in nanoseconds; seven days is the default of the design.
    pub age_ns: i64,
}

/// Seven days.
pub const AGE_NS_DEFAULT: i64 = 7 * 24 * 3600 * 1_000_000_000;

/// What was dropped, since the store was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Evicted {
    /// Whole blocks.
    pub blocks: u64,
    /// Their rows or spans.
    pub records: u64,
    /// Their stored bytes.
    pub bytes: u64,
}

/// Keeps what has a time from the first to before the second.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hold {
    pub(crate) name: String,
    pub(crate) from_ns: i64,
    pub(crate) to_ns: i64,
}

/// A block that may be dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) id: BlockId,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    /// Stored bytes.
    pub(crate) bytes: u64,
    /// Bytes that the store keeps in memory about it.
    pub(crate) memory: u64,
}

/// What everything must fit into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Room {
    pub(crate) retention: Retention,
    /// For what is in memory beside stored blocks.
    pub(crate) memory_bytes: u64,
}

/// What is left while blocks are dropped.
struct Left {
    stored: u64,
    memory: u64,
    room: Room,
}

impl Left {
    const fn is_too_much(&self) -> bool {
        self.stored.saturating_add(self.memory) > self.room.retention.bytes
            || self.memory > self.room.memory_bytes
    }

    const fn drop(&mut self, block: &Candidate) {
        self.stored = self.stored.saturating_sub(block.bytes);
        self.memory = self.memory.saturating_sub(block.memory);
    }
}

/// The blocks to drop so that what is left fits, in the order they are dropped.
pub(crate) fn choose(
    blocks: impl Iterator<Item = Candidate>,
    other_bytes: u64,
    room: Room,
    now_ns: i64,
    holds: &[Hold],
) -> Vec<BlockId> {
    let mut blocks: Vec<Candidate> = blocks.collect();
    blocks.sort_unstable_by_key(|block| (block.last_ns, block.id));
    let oldest_ns = now_ns.saturating_sub(room.retention.age_ns);
    let stored = blocks.iter().map(|block| block.bytes).sum();
    let memory = blocks.iter().map(|block| block.memory).sum::<u64>() + other_bytes;
    let mut left = Left { stored, memory, room };
    let (held, free): (Vec<_>, Vec<_>) = blocks.into_iter().partition(|block| {
        holds.iter().any(|hold| block.first_ns < hold.to_ns && hold.from_ns <= block.last_ns)
    });
    let mut dropped = Vec::new();
    for block in free {
        if left.is_too_much() || block.last_ns < oldest_ns {
            left.drop(&block);
            dropped.push(block.id);
        }
    }
    // What is held is not given up for what came later.
    for block in held.into_iter().rev() {
        if !left.is_too_much() {
            break;
        }
        left.drop(&block);
        dropped.push(block.id);
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks() -> impl Iterator<Item = Candidate> {
        (0..5).map(|n| Candidate {
            id: BlockId { segment: 0, block: n },
            first_ns: i64::from(n) * 10,
            last_ns: i64::from(n) * 10 + 9,
            bytes: 90,
            memory: 10,
        })
    }

    #[track_caller]
    fn check(bytes: u64, other: u64, age_ns: i64, holds: &[(i64, i64)], expected: &[u32]) {
        let holds: Vec<_> = holds
            .iter()
            .map(|&(from_ns, to_ns)| Hold { name: "h".into(), from_ns, to_ns })
            .collect();
        let retention = Retention { bytes, age_ns };
        let room = Room { retention, memory_bytes: u64::MAX };
        let dropped = choose(blocks(), other, room, 50, &holds);
        assert_eq!(dropped.iter().map(|id| id.block).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_oldest_go_first() {
        check(500, 0, 1000, &[], &[]);
        check(499, 0, 1000, &[], &[0]);
        check(500, 101, 1000, &[], &[0, 1]);
        check(0, 0, 1000, &[], &[0, 1, 2, 3, 4]);
    }

    #[test]
    fn memory_about_blocks_has_a_bound_of_its_own() {
        let retention = Retention { bytes: u64::MAX, age_ns: 1000 };
        let dropped = |memory_bytes, other| {
            choose(blocks(), other, Room { retention, memory_bytes }, 50, &[]).len()
        };
        assert_eq!([50, 49, 39, 0].map(|bytes| dropped(bytes, 0)), [0, 1, 2, 5]);
        assert_eq!(dropped(60, 11), 1);
    }

    #[test]
    fn age_counts_from_the_newest_row() {
        check(500, 0, 50, &[], &[]);
        check(500, 0, 41, &[], &[]);
        check(500, 0, 40, &[], &[0]);
        check(500, 0, 0, &[], &[0, 1, 2, 3, 4]);
    }

    #[test]
    fn holds_keep_what_touches_them() {
        check(300, 0, 1000, &[(0, 10)], &[1, 2]);
        check(300, 0, 1000, &[(9, 11)], &[2, 3]);
        check(300, 0, 0, &[(0, 50)], &[4, 3]);
        check(300, 0, 1000, &[(10, 10)], &[0, 1]);
    }
}
