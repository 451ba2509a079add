//! Countersignatures that were used: each serves one query of an epoch.
//!
//! One is remembered until it would have expired anyway. When more are remembered than there is
//! room for, further ones are refused: forgetting one early would let it be used again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// People countersign by hand.
const REMEMBERED_MAX: usize = 4_096;

/// Numbers with the second in which each expires.
pub(super) struct Used(Mutex<BTreeMap<[u8; 16], u64>>);

impl Used {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Takes the number; false when it was taken before, or cannot be remembered.
    pub(super) fn take(&self, number: [u8; 16], until: u64, now: u64) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| *until >= now);
        if used.len() >= REMEMBERED_MAX || used.contains_key(&number) {
            return false;
        }
        used.insert(number, until);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_once_and_forgotten_when_it_has_expired() {
        let used = Used::new();
        assert!(used.take([1; 16], 100, 50));
        assert!(!used.take([1; 16], 100, 100));
        assert!(used.take([1; 16], 300, 101));
        for number in 1..REMEMBERED_MAX as u64 {
            let mut bytes = [9; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            assert!(used.take(bytes, 300, 101));
        }
        assert!(!used.take([2; 16], 300, 101), "there is no room");
        assert!(used.take([2; 16], 900, 301));
    }
}
