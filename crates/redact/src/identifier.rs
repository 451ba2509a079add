//! Texts that look like a hit and are not: identifiers and digests that Lucarne's own formats put
//! there.
//!
//! One random 64-digit hex text in a hundred holds sixteen decimal digits in a row, so without an
//! exemption one audit record in a hundred would be withheld for its `prev_hash`. The exemption
//! asks for both a name that such a value has and the exact shape: lower-case hex of a length that
//! digests and ids have, and nothing else. Where sixteen digits alone would fit the shape, at least
//! one letter is asked for, except in trace and span ids, which are of fixed length and random.

use crate::glob::folded;

/// Whether the value `text` of the name `slot` is an identifier, in which patterns are not
/// searched.
pub(crate) fn is_identifier(slot: &[u8], text: &[u8]) -> bool {
    let name = folded(slot);
    if name.ends_with(b"traceid") {
        return is_hex(text, &[32]);
    }
    if name.ends_with(b"spanid") {
        return is_hex(text, &[16]);
    }
    if name == b"tenanthash" {
        let hash = text.strip_prefix(b"t_").unwrap_or_default();
        return (8..=64).contains(&hash.len()) && is_hex(hash, &[hash.len()]) && has_letter(hash);
    }
    if name == b"prevhash" && text.len() == 64 && text.iter().all(|byte| *byte == b'0') {
        return true; // the first record of a ledger names no leaf
    }
    if name == b"binding" {
        // CBOR with keys and nonces in hex: longer than any digest and of no fixed length.
        return text.len() >= 128
            && text.len().is_multiple_of(2)
            && is_hex(text, &[text.len()])
            && has_letter(text);
    }
    let digest = text.split(|&byte| byte == b':').next_back().unwrap_or_default();
    let algorithm = text.strip_suffix(digest).unwrap_or_default();
    matches!(algorithm, b"" | b"sha256:" | b"sha384:" | b"sha512:")
        && DIGEST_NAMES.iter().any(|suffix| name.ends_with(suffix))
        && is_hex(digest, &[32, 64, 96, 128])
        && has_letter(digest)
}

/// Whether `value` is a time in nanoseconds since 1970 under a name for one.
pub(crate) fn is_time(slot: &[u8], value: u64) -> bool {
    let name = folded(slot);
    is_plausible_time(value) && TIME_NAMES.iter().any(|suffix| name.ends_with(suffix))
}

/// Between 2001 and 2065 in nanoseconds since 1970: nineteen digits that begin as no card number
/// does.
pub(crate) const fn is_plausible_time(value: u64) -> bool {
    value >= 1_000_000_000_000_000_000 && value < 3_000_000_000_000_000_000
}

fn is_hex(text: &[u8], lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn has_letter(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_lowercase)
}

const DIGEST_NAMES: [&[u8]; 14] = [
    b"hash",
    b"digest",
    b"root",
    b"leaf",
    b"head",
    b"kid",
    b"nonce",
    b"key",
    b"spki",
    b"measurement",
    b"thumbprint",
    b"sha256",
    b"epoch",
    b"id",
];

const TIME_NAMES: [&[u8]; 4] = [b"unixnano", b"nanos", b"timens", b"timestamp"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(slot: &str, text: &str, expected: bool) {
        assert_eq!(is_identifier(slot.as_bytes(), text.as_bytes()), expected, "{slot}={text}");
    }

    #[test]
    fn name_and_shape_are_both_needed() {
        let digits = "41111111111111114111111111111111";
        check("trace_id", digits, true);
        check("traceId", digits, true);
        check("note", digits, false);
        check("traceId", "4111111111111111", false);
        check("parentSpanId", "4111111111111111", true);
        check("span_id", "411111111111111g", false);
    }

    #[test]
    fn digests_need_a_letter_and_an_exact_length() {
        let digest = "0123456789012345".repeat(3) + "a234567890123456";
        check("prev_hash", &digest, true);
        check("contract_digest", &("sha256:".to_owned() + &digest), true);
        check("contract_digest", &("card:".to_owned() + &digest), false);
        check("prev_hash", &"0".repeat(64), true);
        check("prev_hash", &"0".repeat(32), false);
        check("prev_hash", &"4".repeat(64), false);
        check("record_hash", &"0".repeat(64), false);
        check("prev_hash", &digest[1..], false);
        check("comment", &digest, false);
        check("evidence_sha256", &digest, true);
        check("binding", &digest.repeat(5), true);
        check("binding", &digest, false);
    }

    #[test]
    fn a_tenant_hash_of_digits_only_is_no_hash() {
        check("tenantHash", "t_8f3a2b1c8f3a2b1c", true);
        check("tenant_hash", "t_4111111111111111", false);
        check("tenant_hash", "4111111111111111a", false);
    }

    #[test]
    fn a_time_is_one_by_name_and_size() {
        assert!(is_time(b"time_unix_nano", 1_763_696_787_000_000_000));
        assert!(!is_time(b"time_unix_nano", 4_111_111_111_111_111));
        assert!(!is_time(b"account", 1_763_696_787_000_000_000));
    }

    use std::borrow::ToOwned;
}
