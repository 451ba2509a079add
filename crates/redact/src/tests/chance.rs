//! How often random identifiers look like card numbers, with the shipped patterns and with those of
//! the printed collector file.

use std::string::String;
use std::vec::Vec as List;

use super::*;
use crate::RulesConfig;

/// xorshift64*: the same identifiers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn of(&mut self, alphabet: &[u8], length: usize) -> String {
        let letters = alphabet.len() as u64;
        let pick = |_| char::from(alphabet[usize::try_from(self.next() % letters).unwrap()]);
        (0..length).map(pick).collect()
    }
}

const HEX: &[u8] = b"0123456789abcdef";
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RECORDS: usize = 10_000;

/// Identifiers that people put into logs, under a name that no exemption knows.
fn identifiers(random: &mut Random) -> List<(&'static str, String)> {
    let groups: List<String> = [8, 4, 4, 4, 12].map(|length| random.of(HEX, length)).into();
    std::vec![
        ("of 16 hex digits", random.of(HEX, 16)),
        ("of 32 hex digits", random.of(HEX, 32)),
        ("of 64 hex digits", random.of(HEX, 64)),
        ("UUID", groups.join("-")),
        ("of 22 letters and digits", random.of(BASE62, 22)),
    ]
}

/// Hits in `RECORDS` records of each kind.
fn hits(rules: &Rules) -> List<(&'static str, usize)> {
    let mut random = Random(4_711);
    let mut counts: List<(&'static str, usize)> = List::new();
    for _ in 0..RECORDS {
        for (index, (kind, value)) in identifiers(&mut random).into_iter().enumerate() {
            if counts.len() == index {
                counts.push((kind, 0));
            }
            let log = log_with("session", &text(&value));
            counts[index].1 += usize::from(rules.inspect(Shape::LogRecord, &log) != Verdict::Clean);
        }
    }
    counts
}

/// Before: the pattern of the printed file, and groups of four without boundaries.
#[test]
#[expect(clippy::print_stdout, reason = "how often it happens is a result")]
fn a_random_identifier_is_taken_for_a_card_only_where_it_is_one_run_of_digits() {
    let mut before = RulesConfig::shipped();
    before.blocked_values_patterns[1] = "[0-9]{16}".into();
    before.blocked_values_patterns[3] = "[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}".into();
    let before = hits(&Rules::compile(before).unwrap());
    let after = hits(&rules());
    std::println!("of {RECORDS} each, before: {before:?}, after: {after:?}");
    // (10/16)^16: what consists of sixteen digits is a card number for all that anybody can see.
    let chance = RECORDS as f64 * 0.625_f64.powi(16);
    assert!((after[0].1 as f64 - chance).abs() < 5.0 * chance.sqrt(), "{after:?}, {chance}");
    assert_eq!(after[0], before[0]);
    assert!(after[1..].iter().all(|(_, count)| *count <= 1), "{after:?}");
    assert!(before[2].1 > RECORDS / 200 && before[3].1 > RECORDS / 4_000, "{before:?}");
}
