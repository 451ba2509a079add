//! What the receivers bear: bytes, counts and times.

use std::time::Duration;

/// Bounds of both receivers together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of one request body as sent, compressed or not.
    pub body_bytes_max: usize,
    /// Bytes of one request after decompression.
    pub decoded_bytes_max: usize,
    /// Bytes of all request bodies in flight, as sent and decompressed together. Never less than
    /// what one largest request needs, or it could never be accepted.
    pub in_flight_bytes_max: usize,
    /// Connections of both protocols. One more is closed at once.
    pub connections_max: usize,
    /// Requests in flight. One more is told to come back.
    pub requests_max: usize,
    /// Time from the connection to its first complete request head.
    pub head_timeout: Duration,
    /// Time for one request body.
    pub body_timeout: Duration,
    /// Time for one request, body included, until it is answered.
    pub request_timeout: Duration,
    /// Time without a request after which a connection is closed.
    pub idle_timeout: Duration,
    /// Time that requests in flight have to finish when the process stops.
    pub grace: Duration,
    /// What a client is told to wait when a limit of the receivers, not the intake, refused it.
    pub retry_after: Duration,
}

impl Limits {
    /// What suits one workload in one TEE.
    pub const STANDARD: Self = Self {
        // Four times what the SDKs send at most by default; gRPC servers commonly take 4 MiB.
        body_bytes_max: 16 << 20,
        decoded_bytes_max: 16 << 20,
        in_flight_bytes_max: 48 << 20,
        // Three exporters in each of forty worker processes.
        connections_max: 128,
        requests_max: 256,
        head_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(10),
        // Beyond the 10 s that exporters wait by default, for callers that ask for `witnessed`.
        request_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(300),
        grace: Duration::from_secs(5),
        retry_after: Duration::from_secs(1),
    };

    /// The byte budget, raised to one largest request: compressed, decompressed, and as protobuf
    /// where it came as JSON.
    pub(super) fn budget_bytes(&self) -> usize {
        let largest = self.body_bytes_max.saturating_add(self.decoded_bytes_max.saturating_mul(2));
        // Decompression pays for one byte past the limit, gRPC for its prefix.
        self.in_flight_bytes_max.max(largest.saturating_add(64))
    }
}

/// Unanswered streams of one HTTP/2 connection; SDKs use a handful.
pub(super) const STREAMS_MAX: u32 = 64;
/// Bytes of one stream and of one connection that HTTP/2 lets a client send ahead of our reading.
/// With the connections' bound this is the memory that bytes take before the budget sees them.
pub(super) const STREAM_WINDOW_BYTES: u32 = 512 << 10;
/// See [`STREAM_WINDOW_BYTES`].
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// One frame: most requests then come whole, and need no copy.
pub(super) const FRAME_BYTES_MAX: u32 = 256 << 10;
/// Request head of either version of HTTP; exporters send a few hundred bytes.
pub(super) const HEAD_BYTES_MAX: u32 = 16 << 10;
/// Read buffer of HTTP/1.1.
pub(super) const READ_BYTES_MAX: usize = 256 << 10;
/// Header fields of an HTTP/1.1 request.
pub(super) const HEADERS_MAX: usize = 64;
/// Streams that a client opened and reset before we looked (CVE-2023-44487); then the connection
/// ends.
pub(super) const RESETS_PENDING_MAX: usize = 20;
/// Streams that we had to reset for the client's errors; then the connection ends.
pub(super) const RESETS_LOCAL_MAX: usize = 64;
