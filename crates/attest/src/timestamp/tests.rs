//! Tokens of `openssl ts`, and tokens of our own with one rule broken at a time.

mod forge;
mod forged;
mod genuine;

use alloc::vec::Vec;

use super::*;

/// Verifies an answer over `data` under one root.
fn judge(response: &[u8], data: &[u8], root: &[u8]) -> Result<TimestampClaims, Refused> {
    let roots = [root.to_vec()];
    let trust = Trust { roots: &roots, certificates: &[] };
    verify_response(response, data, Answering::AnyRequest, trust).map(Verified::into_inner)
}

/// Every answer that differs in one bit.
fn one_bit_off(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut bent = bytes.to_vec();
        bent[bit / 8] ^= 1 << (bit % 8);
        (bit, bent)
    })
}
