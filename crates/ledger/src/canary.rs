//! Leak canaries: values of a known shape that an enclave plants into its own raw telemetry.
//!
//! No contract has a slot for them, so outside none may ever be seen; where one is, the contract or
//! the enclave is broken. A canary carries a digest of itself, so the gateway knows every canary of
//! every boot without being told, and nothing else passes for one: 40 bits are checked. Whoever
//! writes contracts must know that a canary is 43 characters of `[a-z2-7-]`, and that one which is
//! encoded on its way is not recognised.

use alloc::string::String;

use crate::hash::Hash;

/// How a canary begins.
pub const PREFIX: &str = "lcanary-";

/// The rule that a found canary hits.
pub const RULE: &str = "lucarne.canary";

/// Characters of the random part: 128 bits, five a character.
const RANDOM_CHARS: usize = 26;

/// Characters of the digest.
const CHECK_CHARS: usize = 8;

/// The canary of 16 random bytes.
pub fn of(random: [u8; 16]) -> String {
    let mut text = String::from(PREFIX);
    base32(&random, RANDOM_CHARS, &mut text);
    let check = check(&text);
    text.push('-');
    text.push_str(&check);
    text
}

/// Whether a canary occurs anywhere in these bytes.
pub fn occurs_in(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = position(rest) {
        let found = rest.get(at..).unwrap_or_default();
        if is_canary(found) {
            return true;
        }
        rest = found.get(1..).unwrap_or_default();
    }
    false
}

/// Whether the bytes begin with a canary.
fn is_canary(bytes: &[u8]) -> bool {
    let Some((head, tail)) = bytes.split_at_checked(PREFIX.len().saturating_add(RANDOM_CHARS))
    else {
        return false;
    };
    let Ok(head) = core::str::from_utf8(head) else { return false };
    let Some(tail) = tail.strip_prefix(b"-") else { return false };
    tail.get(..CHECK_CHARS) == Some(check(head).as_bytes())
}

fn check(head: &str) -> String {
    let mut said = String::from("lucarne canary v1\0");
    said.push_str(head);
    let mut text = String::new();
    base32(&Hash::of(said.as_bytes()).0, CHECK_CHARS, &mut text);
    text
}

/// The first `count` characters of RFC 4648's base32 in small letters, without padding.
fn base32(bytes: &[u8], count: usize, out: &mut String) {
    let bit = |number: usize| {
        let byte = bytes.get(number / 8).copied().unwrap_or(0);
        usize::from(byte >> (7_usize.saturating_sub(number % 8)) & 1)
    };
    for character in 0..count {
        let first = character.saturating_mul(5);
        let value =
            (first..first.saturating_add(5)).fold(0, |value, number| value << 1 | bit(number));
        out.push(ALPHABET.get(value).copied().map_or('a', char::from));
    }
}

/// Where the prefix begins. It covers one of the places that are its length apart, so no others
/// are looked at first.
fn position(bytes: &[u8]) -> Option<usize> {
    let mut at = PREFIX.len().saturating_sub(1);
    while let Some(byte) = bytes.get(at) {
        if LETTERS.wrapping_shr(u32::from(*byte)) & 1 == 1 {
            let first = at.saturating_sub(PREFIX.len().saturating_sub(1));
            let begins = |start: &usize| {
                bytes.get(*start..).is_some_and(|rest| rest.starts_with(PREFIX.as_bytes()))
            };
            if let Some(start) = (first..=at).find(begins) {
                return Some(start);
            }
        }
        at = at.saturating_add(PREFIX.len());
    }
    None
}

/// A bit for each byte of the prefix; one beyond ASCII may seem to be one of them.
const LETTERS: u128 = {
    let (mut letters, mut rest) = (0_u128, PREFIX.as_bytes());
    while let [byte, behind @ ..] = rest {
        letters |= 1_u128.wrapping_shl(*byte as u32);
        rest = behind;
    }
    letters
};
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_canary_is_known_wherever_it_stands_and_nothing_else_is_one() {
        let canary = of([0xa5; 16]);
        assert_eq!(canary.len(), PREFIX.len() + RANDOM_CHARS + 1 + CHECK_CHARS);
        assert!(canary.starts_with("lcanary-uws2lj"), "{canary}");
        for text in [canary.clone(), format!("lcanary-lcanary-{canary}x"), format!("a {canary}")] {
            assert!(occurs_in(text.as_bytes()), "{text}");
        }
        for before in 0..40 {
            let text = format!("{}{canary}", &"lcanary-l".repeat(5)[..before]);
            assert!(occurs_in(text.as_bytes()), "{text}");
        }
        for at in 0..canary.len() {
            let mut damaged = canary.clone().into_bytes();
            damaged[at] ^= 1;
            assert!(!occurs_in(&damaged), "{at}");
            assert!(!occurs_in(&canary.as_bytes()[..at]), "{at}");
        }
        assert_ne!(of([0xa4; 16]), canary);
        assert!(!occurs_in(b""));
    }
}
