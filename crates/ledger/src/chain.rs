//! The chain of the audit ledger: every payload begins with the leaf of the record before it.
//!
//! `{"prev_hash":"<64 hex>",<fields>}`, in exactly this spelling, so that the link can be read
//! without a JSON parser and a single missing record is named by the one after it.

use alloc::vec::Vec;

use crate::hash::{Hash, to_hex};

const HEAD: &[u8] = b"{\"prev_hash\":\"";
const MIDDLE: &[u8] = b"\",";
const HEX: usize = 64;

/// Puts `prev_hash` and braces around the fields of an object.
pub(crate) fn link(prev: Hash, fields: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD.len() + HEX + MIDDLE.len() + fields.len() + 1);
    out.extend_from_slice(HEAD);
    out.extend_from_slice(to_hex(&prev.0).as_bytes());
    out.extend_from_slice(MIDDLE);
    out.extend_from_slice(fields);
    out.push(b'}');
    out
}

/// The leaf that a payload names, and its other fields without braces.
pub fn split(payload: &[u8]) -> Option<(Hash, &[u8])> {
    let rest = payload.strip_prefix(HEAD)?;
    let (hex, rest) = rest.split_at_checked(HEX)?;
    let prev = core::str::from_utf8(hex).ok()?.parse().ok()?;
    let fields = rest.strip_prefix(MIDDLE)?.strip_suffix(b"}")?;
    Some((prev, fields))
}

#[cfg(test)]
mod tests;
