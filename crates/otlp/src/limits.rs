//! The bounds of what is read, each with its reason.
//!
//! The bytes of a whole request are bounded by the receiver; these bound what can be hidden inside.

/// How deep an attribute value or body may nest. SDKs send structured bodies of three or four
/// levels; the bound keeps recursion far from the end of a thread's stack.
pub const VALUE_DEPTH_MAX: u8 = 16;

/// Longest OTLP/JSON request. The binary form of the same telemetry is about a third of it, and
/// collectors accept 4 MiB of binary by default.
pub const JSON_BYTES_MAX: usize = 16 * 1024 * 1024;
