//! The inside view of raw telemetry: the newest requests in memory, oldest dropped first, never
//! outside.
//!
//! A bounded ring until the block store takes its place. Nothing reads it yet but its own
//! accounting, so its content cannot leave by any path.

use std::collections::VecDeque;

use bytes::Bytes;
use lucarne_otlp::Signal;

use crate::intake::Raw;

/// The newest raw requests, up to a number of bytes.
pub struct RawRing {
    held: VecDeque<(Signal, Raw<Bytes>)>,
    bytes: usize,
    bytes_max: usize,
    evicted: u64,
}

impl RawRing {
    /// A ring of at most `bytes_max` bytes of requests.
    pub const fn new(bytes_max: usize) -> Self {
        Self { held: VecDeque::new(), bytes: 0, bytes_max, evicted: 0 }
    }

    /// Takes a request, dropping the oldest until it fits; one that never fits is dropped and
    /// counted itself.
    pub fn push(&mut self, signal: Signal, request: Raw<Bytes>) {
        let size = request.inner().len() + ENTRY_BYTES;
        if size > self.bytes_max {
            self.evicted += 1;
            return;
        }
        while self.bytes + size > self.bytes_max {
            let Some((_, oldest)) = self.held.pop_front() else { break };
            self.bytes -= oldest.inner().len() + ENTRY_BYTES;
            self.evicted += 1;
        }
        self.bytes += size;
        self.held.push_back((signal, request));
    }

    /// Requests dropped since the epoch began.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Bytes held.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

// What one entry costs beside its content.
const ENTRY_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_the_bound_holds() {
        let mut ring = RawRing::new(1000);
        for round in 1..=20_u64 {
            ring.push(Signal::Logs, Raw::new(Bytes::from(vec![0; 136])));
            assert_eq!(ring.bytes(), 200 * round.min(5) as usize);
            assert_eq!(ring.evicted(), round.saturating_sub(5));
        }
        ring.push(Signal::Logs, Raw::new(Bytes::from(vec![0; 937])));
        assert_eq!((ring.bytes(), ring.evicted()), (1000, 16));
    }
}
