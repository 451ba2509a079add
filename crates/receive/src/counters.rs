//! What was accepted and what was refused, by closed reasons.

use std::sync::atomic::{AtomicU64, Ordering};

use lucarne_otlp::Signal;

/// How a request came.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP.
    Http,
}

impl Protocol {
    /// Both, in the order of the counters.
    pub const ALL: [Self; 2] = [Self::Grpc, Self::Http];

    /// As a metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Why a request or a connection was refused.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Reason { $($(#[doc = $doc])+ $variant,)+ }

        impl Reason {
            /// Each reason, in the order of the counters.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// As a metric label.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

reasons! {
    /// Not valid OTLP, or not validly framed.
    Malformed = "malformed",
    /// Compressed data that does not decompress.
    Corrupt = "corrupt",
    /// Larger than the limit as sent.
    TooLarge = "too_large",
    /// Larger than the limit after decompression.
    DecodedTooLarge = "decoded_too_large",
    /// A content type that is not OTLP.
    ContentType = "content_type",
    /// A content encoding other than identity, gzip and zstd.
    ContentEncoding = "content_encoding",
    /// A path or gRPC method that is not OTLP.
    Path = "path",
    /// An HTTP method other than POST.
    Method = "method",
    /// A value of `lucarne-durability` that does not exist.
    Durability = "durability",
    /// The intake is full.
    Overloaded = "overloaded",
    /// Too many requests in flight.
    Requests = "requests",
    /// Too many bytes in flight.
    Bytes = "bytes",
    /// The process is stopping.
    Stopping = "stopping",
    /// A durability that this configuration cannot give.
    Unavailable = "unavailable",
    /// The body came too slowly.
    SlowBody = "slow_body",
    /// The time ran out before the durability asked for was reached.
    TimedOut = "timed_out",
    /// The client went away within a request, or the grace period ended before the request did.
    Aborted = "aborted",
    /// Connection: too many.
    Connections = "connections",
    /// Connection: no complete request head in time.
    SlowHead = "slow_head",
    /// Connection: not HTTP, or a violation of HTTP.
    Violation = "violation",
    /// Connection: the kernel could not hand it over (no descriptors, no memory).
    Accept = "accept",
}

/// Counts since the start of the process.
#[derive(Debug)]
pub struct Counters {
    accepted: [[AtomicU64; 3]; 2],
    rejected: [AtomicU64; 3],
    bytes: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
}

impl Counters {
    /// Nothing taken, nothing refused.
    #[expect(clippy::new_without_default, reason = "an array of atomics has no default")]
    pub const fn new() -> Self {
        Self {
            accepted: [const { [const { AtomicU64::new(0) }; 3] }; 2],
            rejected: [const { AtomicU64::new(0) }; 3],
            bytes: AtomicU64::new(0),
            refused: [const { AtomicU64::new(0) }; Reason::ALL.len()],
        }
    }

    /// One accepted request of so many decompressed bytes, with the items in it that were
    /// malformed.
    pub fn accept(&self, protocol: Protocol, signal: Signal, bytes: usize, rejected: u64) {
        add(self.accepted.get(protocol as usize).and_then(|row| row.get(column(signal))), 1);
        add(self.rejected.get(column(signal)), rejected);
        add(Some(&self.bytes), bytes as u64);
    }

    /// One request or connection refused.
    pub fn refuse(&self, reason: Reason) {
        add(self.refused.get(reason as usize), 1);
    }

    /// The counts now; not one instant across counters.
    pub fn snapshot(&self) -> Snapshot {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            accepted: self.accepted.each_ref().map(|row| row.each_ref().map(load)),
            rejected: self.rejected.each_ref().map(load),
            bytes: load(&self.bytes),
            refused: self.refused.each_ref().map(load),
        }
    }
}

/// A copy of the counters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    accepted: [[u64; 3]; 2],
    rejected: [u64; 3],
    bytes: u64,
    refused: [u64; Reason::ALL.len()],
}

impl Snapshot {
    /// Requests accepted.
    pub fn accepted(&self, protocol: Protocol, signal: Signal) -> u64 {
        self.accepted
            .get(protocol as usize)
            .and_then(|row| row.get(column(signal)))
            .copied()
            .unwrap_or(0)
    }

    /// Log records, data points or spans that the intake rejected from accepted requests.
    pub fn rejected(&self, signal: Signal) -> u64 {
        self.rejected.get(column(signal)).copied().unwrap_or(0)
    }

    /// Bytes of accepted requests, after decompression.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Requests or connections refused for this reason.
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused.get(reason as usize).copied().unwrap_or(0)
    }
}

const fn column(signal: Signal) -> usize {
    match signal {
        Signal::Logs => 0,
        Signal::Metrics => 1,
        Signal::Traces => 2,
    }
}

fn add(counter: Option<&AtomicU64>, count: u64) {
    if let Some(counter) = counter {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_signal_has_its_own_counter() {
        let counters = Counters::new();
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| counters.refuse(reason));
        }
        counters.accept(Protocol::Http, Signal::Metrics, 7, 2);
        let snapshot = counters.snapshot();
        let refused = Reason::ALL.map(|reason| snapshot.refused(reason));
        let expected: Vec<u64> = (1..=Reason::ALL.len() as u64).collect();
        assert_eq!(refused.as_slice(), expected);
        let signals = [Signal::Logs, Signal::Metrics, Signal::Traces];
        let accepted = Protocol::ALL.map(|p| signals.map(|s| snapshot.accepted(p, s)));
        assert_eq!(accepted, [[0, 0, 0], [0, 1, 0]]);
        assert_eq!(signals.map(|s| snapshot.rejected(s)), [0, 2, 0]);
        assert_eq!(snapshot.bytes(), 7);
    }

    #[test]
    fn labels_are_distinct() {
        let mut names = Reason::ALL.map(Reason::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
