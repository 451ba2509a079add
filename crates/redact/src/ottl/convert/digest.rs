//! Digests of texts, in hex.
//!
//! FNV and Murmur3 are no cryptography: they group values and hide none.

use alloc::string::String;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};

use crate::ottl::fields::hexed;

pub(super) fn sha1(text: &str) -> String {
    of(&SHA1_FOR_LEGACY_USE_ONLY, text)
}

pub(super) fn sha256(text: &str) -> String {
    of(&SHA256, text)
}

pub(super) fn sha512(text: &str) -> String {
    of(&SHA512, text)
}

fn of(algorithm: &'static Algorithm, text: &str) -> String {
    hexed(digest(algorithm, text.as_bytes()).as_ref())
}

/// FNV-1a of 64 bits.
pub(super) fn fnv(text: &str) -> i64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, fold).cast_signed()
}

/// Murmur3 of 32 bits, little endian.
pub(super) fn murmur3(text: &str) -> String {
    let mix = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (words, tail) = text.as_bytes().as_chunks::<4>();
    let mut hash = 0_u32;
    for word in words {
        hash = (hash ^ mix(u32::from_le_bytes(*word))).rotate_left(13);
        hash = hash.wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let last = tail.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    hash ^= mix(last);
    hash ^= u32::try_from(text.len()).unwrap_or(u32::MAX);
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hexed(&(hash ^ hash >> 16).to_le_bytes())
}
