//! Sets of names that are looked up once an attribute: an open-addressed table over borrowed keys.
//!
//! The hash needs no secret. The table is built from the contract alone and is never added to, so
//! input cannot make it degenerate: a lookup walks at most the longest run of the contract's own
//! names.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Names with their positions.
#[derive(Debug)]
pub(crate) struct Names {
    names: Vec<Box<str>>,
    // Positions plus one, zero is free. At most half of it is used, so every walk ends.
    slots: Box<[u32]>,
}

impl Names {
    /// A set of names, which must differ.
    pub(crate) fn new(names: Vec<Box<str>>) -> Self {
        let size = names.len().saturating_mul(2).max(1).next_power_of_two();
        let mut set = Self { names: Vec::new(), slots: vec![0; size].into_boxed_slice() };
        for (position, name) in (1_u32..).zip(&names) {
            if let Some(slot) =
                set.walk(name.as_bytes()).find(|slot| set.slots.get(*slot) == Some(&0))
                && let Some(free) = set.slots.get_mut(slot)
            {
                *free = position;
            }
        }
        set.names = names;
        set
    }

    /// Where the name stands, if it is one.
    #[inline]
    pub(crate) fn position(&self, name: &[u8]) -> Option<usize> {
        for slot in self.walk(name) {
            let position = (*self.slots.get(slot)? as usize).checked_sub(1)?;
            if self.names.get(position).is_some_and(|known| known.as_bytes() == name) {
                return Some(position);
            }
        }
        None
    }

    /// Whether the name is one.
    #[inline]
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.position(name.as_bytes()).is_some()
    }

    /// The slots that a name may be in, in order.
    #[inline]
    fn walk(&self, name: &[u8]) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len().wrapping_sub(1);
        let start = hash(name);
        (0..self.slots.len()).map(move |step| start.wrapping_add(step) & mask)
    }
}

/// Mixes length, first and last eight bytes: names differ there, and reading two words beats
/// reading all.
#[inline]
fn hash(name: &[u8]) -> usize {
    let (first, last) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
    };
    let mixed =
        (first ^ last.rotate_left(32) ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn every_name_is_found_at_its_place_and_nothing_else_is() {
        for count in [0, 1, 2, 3, 100, 1000] {
            let names: Vec<Box<str>> = (0..count).map(|n| format!("name-{n}").into()).collect();
            let set = Names::new(names);
            for n in 0..count {
                assert_eq!(set.position(format!("name-{n}").as_bytes()), Some(n));
            }
            for other in ["", "name-", "name-1000", "n", "a-much-longer-name-1"] {
                assert_eq!(set.position(other.as_bytes()), None, "{other} among {count}");
            }
        }
    }
}
