//! The bound on what the enclave holds for the outside: a number of bytes, lent and given back.
//!
//! A reservation goes with its records through queue, batch and outbox and ends when the gateway
//! has archived them. What cannot reserve is refused with a reply; nothing waits, nothing grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound in bytes, shared by all who reserve under it.
#[derive(Clone, Debug)]
pub struct Budget {
    used: Arc<AtomicUsize>,
    max: usize,
}

impl Budget {
    /// A bound of `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { used: Arc::new(AtomicUsize::new(0)), max }
    }

    /// Reserves `bytes`, if they fit.
    pub fn reserve(&self, bytes: usize) -> Option<Reservation> {
        let grown = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, grown).ok()?;
        Some(Reservation { used: Arc::clone(&self.used), bytes })
    }

    /// Reserves `bytes` whether they fit or not: for what belongs to bytes that were taken. While
    /// there are more than the bound, nothing else fits.
    pub fn charge(&self, bytes: usize) -> Reservation {
        self.used.fetch_add(bytes, Ordering::AcqRel);
        Reservation { used: Arc::clone(&self.used), bytes }
    }

    /// Whether a reservation is under this bound.
    pub fn has_lent(&self, reservation: &Reservation) -> bool {
        Arc::ptr_eq(&self.used, &reservation.used)
    }

    /// Bytes reserved now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    /// The bound.
    pub const fn max(&self) -> usize {
        self.max
    }
}

/// Bytes of a request, shared by every batch that holds some of them: they are given back with the
/// last one.
pub type Share = Arc<Reservation>;

/// Adds a share, unless it is there: what is taken of one request comes without others between.
pub fn hold(held: &mut Vec<Share>, share: &Share) {
    if !held.last().is_some_and(|last| Arc::ptr_eq(last, share)) {
        held.push(Arc::clone(share));
    }
}

/// Bytes that are given back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_dropped_fits_again() {
        let budget = Budget::new(10);
        let first = budget.reserve(7).unwrap();
        assert!(budget.reserve(4).is_none());
        let second = budget.reserve(3).unwrap();
        assert_eq!(budget.used(), 10);
        drop(first);
        assert_eq!(budget.used(), 3);
        assert!(budget.reserve(usize::MAX).is_none());
        drop(second);
        assert_eq!(budget.used(), 0);
        let more = budget.charge(11);
        assert!(budget.reserve(0).is_none() && budget.used() == 11);
        assert!(budget.has_lent(&more) && !Budget::new(11).has_lent(&more));
        drop(more);
        assert_eq!(budget.used(), 0);
    }
}
