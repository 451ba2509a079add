//! Records: the units that are sealed, their commitments and their leaves.

use core::fmt;

use crate::hash::Hash;
use crate::salt::Salt;

/// What kind of payload a record has; the number is part of the leaf.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Stream {
    /// Life of the ledger itself: open, close, heartbeat, gap. JSON.
    Control = 0,
    /// `be32 scope || LogRecord`.
    Logs = 1,
    /// `be32 scope || Metric`.
    Metrics = 2,
    /// `be32 scope || Span`.
    Traces = 3,
    /// An audit event, JSON.
    Audit = 4,
    /// `be32 NO_CONTEXT || Resource` or `be32 resource || InstrumentationScope`.
    Context = 5,
}

impl Stream {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Control, Self::Logs, Self::Metrics, Self::Traces, Self::Audit, Self::Context];

    /// Its number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The stream with this number.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| u64::from(stream.code()) == code)
    }

    /// Its name for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
            Self::Audit => "audit",
            Self::Context => "context",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The context index of a resource, which has none.
pub const NO_CONTEXT: u32 = u32::MAX;

/// Longest payload of one record. One OTLP request may be larger; one log record never needs to be.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// `SHA-256(salt || payload)`; `scratch` is reused from record to record.
pub(crate) fn commitment(salt: &Salt, payload: &[u8], scratch: &mut alloc::vec::Vec<u8>) -> Hash {
    scratch.clear();
    scratch.extend_from_slice(salt);
    scratch.extend_from_slice(payload);
    Hash::of(scratch)
}

/// Bytes of an entry, which are the same for every record.
pub const ENTRY_BYTES: usize = 34;

/// The RFC 6962 leaf hash of a record: `SHA-256(0x00 || entry)`.
pub fn leaf(stream: Stream, commitment: Hash) -> Hash {
    Hash::of(&leaf_input(stream, commitment))
}

/// What a record is in its log: `0x01 || stream || commitment`. It tells nothing of the payload.
pub fn entry(stream: Stream, commitment: Hash) -> [u8; ENTRY_BYTES] {
    let [_, entry @ ..] = leaf_input(stream, commitment);
    entry
}

fn leaf_input(stream: Stream, commitment: Hash) -> [u8; 1 + ENTRY_BYTES] {
    let mut input = [0; 1 + ENTRY_BYTES];
    let (head, tail) = input.split_at_mut(3);
    head.copy_from_slice(&[0, 1, stream.code()]);
    tail.copy_from_slice(&commitment.0);
    input
}
