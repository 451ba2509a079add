//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.
//!
//! HTTP itself is hyper's to fuzz; these are the parsers that are ours.

use bytes::Bytes;

use super::body::Lease;
use super::encoding::{Encoding, decompress};
use super::grpc;

/// A gRPC body: the frame, then its message under both compressions. The output keeps its limit.
pub fn fuzz_grpc_body(body: &[u8]) {
    if let Ok((_, message)) = grpc::unframe(Bytes::copy_from_slice(body)) {
        fuzz_gzip(&message);
        fuzz_zstd(&message);
    }
}

/// A gzip body.
pub fn fuzz_gzip(body: &[u8]) {
    check_bounded(Encoding::Gzip, body);
}

/// A zstd body.
pub fn fuzz_zstd(body: &[u8]) {
    check_bounded(Encoding::Zstd, body);
}

/// The value of `grpc-timeout`.
pub fn fuzz_grpc_timeout(value: &[u8]) {
    if let Ok(value) = http::HeaderValue::from_bytes(value) {
        drop(grpc::timeout(&value));
    }
}

fn check_bounded(encoding: Encoding, body: &[u8]) {
    let mut lease = Lease::of_its_own(LIMIT_BYTES + 1);
    if let Ok(out) = decompress(encoding, body, LIMIT_BYTES, &mut lease) {
        assert!(out.len() <= LIMIT_BYTES);
    }
}

/// Small, so that a fuzzer finds its way past it.
const LIMIT_BYTES: usize = 4096;
