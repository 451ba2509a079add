//! Patterns as fully built automata.
//!
//! A pattern becomes a table when the contract is read, within a fixed size. Matching then costs
//! one look into the table a byte: no cache, no backtracking, no allocation. Classes are ASCII:
//! `\d` is `[0-9]`, so no digit of another script passes for one.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::error::Problem;
use crate::limits::{PATTERN_BUILD_BYTES_MAX, PATTERN_PAIRS_MAX, PATTERN_TABLE_BYTES_MAX};

/// One pattern that must match a whole text.
#[derive(Debug)]
pub(crate) struct Whole {
    table: Table,
    // It matches nothing that is no UTF-8.
    is_utf8: bool,
}

/// Patterns of which none may occur anywhere in a text.
#[derive(Debug)]
pub(crate) struct Anywhere {
    table: Option<Table>,
    // No shorter text holds any of them.
    shortest: usize,
}

#[derive(Debug)]
struct Table {
    automaton: dense::DFA<Vec<u32>>,
    start: StateID,
}

impl Whole {
    pub(crate) fn new(pattern: &str) -> Result<Self, Problem> {
        // The pattern is parsed alone: no text put around it could be escaped from.
        let pattern = parse(pattern)?;
        let is_utf8 = pattern.properties().is_utf8();
        let whole = Hir::concat(vec![Hir::look(Look::Start), pattern, Hir::look(Look::End)]);
        Ok(Self { table: Table::new(&[whole], Anchored::Yes)?, is_utf8 })
    }

    /// Whether this matches bytes that are UTF-8 for certain, and none of the others occurs in
    /// them. Both automata walk side by side: each waits for its table alone, not for the other.
    /// Inlined into what writes a record, the loop would keep its states in memory.
    #[inline(never)]
    pub(crate) fn matches_without(&self, others: &Anywhere, text: &[u8]) -> bool {
        if !self.is_utf8 {
            return false;
        }
        let reject = match &others.table {
            Some(reject) if text.len() >= others.shortest => reject,
            Some(_) | None => return self.matches(text),
        };
        let (whole, mut here, mut there) = (&self.table, self.table.start, reject.start);
        for &byte in text {
            here = whole.automaton.next_state(here, byte);
            there = reject.automaton.next_state(there, byte);
            if whole.automaton.is_special_state(here) && !whole.automaton.is_match_state(here) {
                return false;
            }
            if reject.automaton.is_special_state(there) {
                return reject.automaton.is_dead_state(there) && self.matches(text);
            }
        }
        whole.ends_in_match(here) && !reject.ends_in_match(there)
    }

    #[inline]
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let Table { automaton, start } = &self.table;
        let mut state = *start;
        for &byte in text {
            state = automaton.next_state(state, byte);
            if automaton.is_special_state(state) && !automaton.is_match_state(state) {
                return false; // dead: no text that begins like this matches
            }
        }
        self.table.ends_in_match(state)
    }
}

/// What one pattern matches beyond another.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Beyond {
    /// Nothing.
    Nothing,
    /// This text among others; no shorter one is.
    Text(Vec<u8>),
    /// The two are too large to be compared.
    Undecided,
}

impl Whole {
    /// What this matches and the other does not, among texts of at most `bytes`.
    pub(crate) fn beyond(&self, other: &Self, bytes: usize) -> Beyond {
        let (new, old) = (&self.table, &other.table);
        let classes = both_classes(&new.automaton, &old.automaton);
        // Pairs of states in the order of the shortest text that leads there, with that text's end.
        let mut pairs: Vec<(StateID, StateID, usize, u8)> = vec![(new.start, old.start, 0, 0)];
        let mut seen = BTreeSet::from([(new.start, old.start)]);
        let (mut place, mut depth_end, mut depth) = (0, 1, 0);
        while let Some(&(one, two, ..)) = pairs.get(place) {
            let accepts = |automaton: &dense::DFA<Vec<u32>>, state| {
                automaton.is_match_state(automaton.next_eoi_state(state))
            };
            if accepts(&new.automaton, one) && !accepts(&old.automaton, two) {
                return Beyond::Text(text_to(&pairs, place));
            }
            for byte in classes.iter().copied().filter(|_| depth < bytes) {
                let next = new.automaton.next_state(one, byte);
                if new.automaton.is_dead_state(next) || new.automaton.is_quit_state(next) {
                    continue;
                }
                let pair = (next, old.automaton.next_state(two, byte));
                if seen.insert(pair) {
                    pairs.push((pair.0, pair.1, place, byte));
                }
            }
            if pairs.len() > PATTERN_PAIRS_MAX {
                return Beyond::Undecided;
            }
            place = place.saturating_add(1);
            if place == depth_end {
                (depth, depth_end) = (depth.saturating_add(1), pairs.len());
            }
        }
        Beyond::Nothing
    }
}

/// One byte for every class that both automata tell apart, letters and digits first.
fn both_classes(one: &dense::DFA<Vec<u32>>, other: &dense::DFA<Vec<u32>>) -> Vec<u8> {
    let mut classes = BTreeSet::new();
    let readable = (b' '..=b'~').rev();
    readable
        .chain(0..=u8::MAX)
        .filter(|byte| {
            classes.insert((one.byte_classes().get(*byte), other.byte_classes().get(*byte)))
        })
        .collect()
}

/// The bytes on the way to a pair.
fn text_to(pairs: &[(StateID, StateID, usize, u8)], mut place: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while place > 0
        && let Some(&(_, _, before, byte)) = pairs.get(place)
    {
        text.push(byte);
        place = before;
    }
    text.reverse();
    text
}

impl Anywhere {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, Problem> {
        if patterns.is_empty() {
            return Ok(Self { table: None, shortest: 0 });
        }
        let patterns: Result<Vec<Hir>, Problem> =
            patterns.iter().map(|pattern| parse(pattern)).collect();
        let patterns = patterns?;
        let lengths = patterns.iter().map(|pattern| pattern.properties().minimum_len());
        // A pattern without a length matches nothing; zero is always right.
        let shortest = lengths.map(|length| length.unwrap_or(0)).min().unwrap_or(0);
        let table = Some(Table::new(&patterns, Anchored::No)?);
        Ok(Self { table, shortest })
    }

    #[inline]
    pub(crate) fn occurs_in(&self, text: &[u8]) -> bool {
        let Some(table) = &self.table else {
            return false;
        };
        if text.len() < self.shortest {
            return false;
        }
        let (automaton, mut state) = (&table.automaton, table.start);
        for &byte in text {
            state = automaton.next_state(state, byte);
            if automaton.is_special_state(state) {
                // A match, or a state that gives up, which counts as one.
                return !automaton.is_dead_state(state);
            }
        }
        table.ends_in_match(state)
    }
}

impl Table {
    fn new(patterns: &[Hir], anchored: Anchored) -> Result<Self, Problem> {
        let nfa = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .which_captures(thompson::WhichCaptures::None)
                    .nfa_size_limit(Some(PATTERN_BUILD_BYTES_MAX)),
            )
            .build_many_from_hir(patterns)
            .map_err(|error| refused(&error))?;
        let config = dense::Config::new()
            .accelerate(false)
            .start_kind(match anchored {
                Anchored::No => StartKind::Unanchored,
                Anchored::Yes | Anchored::Pattern(_) => StartKind::Anchored,
            })
            .dfa_size_limit(Some(PATTERN_TABLE_BYTES_MAX))
            .determinize_size_limit(Some(PATTERN_BUILD_BYTES_MAX));
        let automaton = dense::Builder::new()
            .configure(config)
            .build_from_nfa(&nfa)
            .map_err(|error| refused(&error))?;
        let start = automaton
            .start_state(&start::Config::new().anchored(anchored))
            .map_err(|error| refused(&error))?;
        Ok(Self { automaton, start })
    }

    #[inline]
    fn ends_in_match(&self, state: StateID) -> bool {
        self.automaton.is_match_state(self.automaton.next_eoi_state(state))
    }
}

/// Upper bound of the number of different texts that a pattern matches; `u64::MAX` is without
/// bound.
pub(crate) fn texts(pattern: &str) -> Result<u64, Problem> {
    parse(pattern).map(|hir| count(&hir))
}

fn parse(pattern: &str) -> Result<Hir, Problem> {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern)
        .map_err(|error| refused(&error))
}

fn count(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => 1,
        HirKind::Class(Class::Unicode(class)) => class
            .iter()
            .map(|range| {
                u64::from(u32::from(range.end()).abs_diff(u32::from(range.start())))
                    .saturating_add(1)
            })
            .fold(0, u64::saturating_add),
        HirKind::Class(Class::Bytes(class)) => class
            .iter()
            .map(|range| u64::from(range.end().abs_diff(range.start())).saturating_add(1))
            .fold(0, u64::saturating_add),
        HirKind::Repetition(repetition) => {
            repetitions(count(&repetition.sub), repetition.min, repetition.max)
        }
        HirKind::Capture(capture) => count(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(count).fold(1, u64::saturating_mul),
        HirKind::Alternation(arms) => arms.iter().map(count).fold(0, u64::saturating_add),
    }
}

fn repetitions(texts: u64, min: u32, max: Option<u32>) -> u64 {
    let Some(max) = max else { return u64::MAX };
    let mut sum = 0_u64;
    for times in min..=max {
        sum = sum.saturating_add(texts.saturating_pow(times));
        if sum == u64::MAX {
            break;
        }
    }
    sum
}

/// Parsers of patterns draw pictures; a problem of a contract is one line, and the last says what
/// it is.
fn refused(error: &dyn fmt::Display) -> Problem {
    let text = error.to_string();
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("an error");
    Problem::Pattern { detail: String::from(last.trim().trim_start_matches("error: ")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn whole(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Whole::new(pattern).unwrap().matches(text.as_bytes()), expected, "{text:?}");
    }

    #[test]
    fn a_pattern_matches_the_whole_text_or_not() {
        whole("a|ab", "ab", true); // the first arm alone must not decide
        whole("a|ab", "a", true);
        whole("a|ab", "abc", false);
        whole("t_[0-9a-f]{8,64}", "t_8f3a2b1c", true);
        whole("t_[0-9a-f]{8,64}", "t_8f3a2b1c\n", false);
        whole("t_[0-9a-f]{8,64}", " t_8f3a2b1c", false);
        whole("t_[0-9a-f]{8,64}", "t_8f3a2b1", false);
        whole("", "", true);
        whole("", "a", false);
        whole("a$", "a\n", false);
        whole("(?m)a$", "a\nb", false);
        whole("(?m)^a\n?^b$", "a\nb", true);
        whole("a*", "", true);
    }

    proptest! {
        /// Two automata side by side say what they say one after the other.
        #[test]
        fn side_by_side_is_one_after_the_other(
            parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..5),
            pattern in 0..PATTERNS.len(),
            reject in proptest::sample::subsequence(REJECT.to_vec(), 0..=REJECT.len()),
        ) {
            let text = parts.concat();
            let pattern = Whole::new(PATTERNS[pattern]).unwrap();
            let reject: Vec<String> = reject.into_iter().map(String::from).collect();
            let reject = Anywhere::new(&reject).unwrap();
            let expected = pattern.matches(&text) && !reject.occurs_in(&text);
            let found = pattern.matches_without(&reject, &text);
            // The last pattern may match what is no UTF-8, so it is left to the other way.
            prop_assert_eq!(found, expected && pattern.is_utf8);
        }
    }

    const PATTERNS: [&str; 5] =
        ["[a-z]{0,9}[0-9]*", "(ab|4111)*x?", "", "(?i)bearer [a-z0-9-]+", r"[\x00-\xff]*"];
    const REJECT: [&str; 4] = ["[0-9]{4}", "^ab", "x$", r"(?i)bearer \bab"];
    const PARTS: [&[u8]; 9] =
        [b"ab", b"4", b"411", b"1111", b"x", b"bearer ", b"BEARER ", b"z-", b"\xff"];

    #[test]
    fn what_matches_only_utf8_is_known() {
        let known = |pattern| Whole::new(pattern).unwrap().is_utf8;
        assert!(known("[a-z]{2,8}-[0-9]{1,9}|x"));
        assert!(!known("[^a-z]") && !known(r"a[\x80-\xff]"));
    }

    #[test]
    fn what_a_pattern_matches_beyond_another() {
        let text = |text: &str| Beyond::Text(text.into());
        for (new, old, expected) in [
            ("[a-z]{1,4}", "[a-z]{1,5}", Beyond::Nothing),
            ("(?:ab|cd)x", "[a-d]{2}x", Beyond::Nothing),
            ("[a-z]{1,5}", "[a-z]{1,4}", text("zzzzz")),
            ("t_[0-9a-f]{3}", "t_[0-9]{3}", text("t_9f9")),
            ("a*", "a{0,256}", Beyond::Nothing), // no text is longer than that
            ("", "a", text("")),
        ] {
            let found = Whole::new(new).unwrap().beyond(&Whole::new(old).unwrap(), 256);
            match (&found, &expected) {
                (Beyond::Text(found), Beyond::Text(expected)) => {
                    assert_eq!(found.len(), expected.len(), "{new} {found:?}");
                    assert!(Whole::new(new).unwrap().matches(found));
                    assert!(!Whole::new(old).unwrap().matches(found));
                }
                _ => assert_eq!(found, expected, "{new} beyond {old}"),
            }
        }
    }

    #[test]
    fn classes_are_ascii() {
        whole(r"\d+", "123", true);
        whole(r"\d+", "١٢٣", false);
        whole("(?i)k", "\u{212a}", false); // the Kelvin sign folds to k in Unicode
    }

    #[test]
    fn occurrences_are_found_wherever_they_are() {
        let patterns = ["[0-9]{16}", "^[0-9]{13}$", "(?i)bearer x"].map(String::from);
        let reject = Anywhere::new(&patterns).unwrap();
        for (text, expected) in [
            ("4111111111111111", true),
            ("x4111111111111111", true),
            ("411111111111111", false),
            ("4111111111111", true),
            ("x4111111111111", false),
            ("a Bearer X", true),
            ("", false),
        ] {
            assert_eq!(reject.occurs_in(text.as_bytes()), expected, "{text:?}");
        }
        assert!(!Anywhere::new(&[]).unwrap().occurs_in(b"4111111111111111"));
    }

    #[test]
    fn texts_are_counted_from_above() {
        for (pattern, expected) in [
            ("abc", 1),
            ("a|b|cd", 3),
            ("[0-9]{3}", 1000),
            ("node [0-9]{1,3} failed", 1110),
            ("(?:ab)?[xy]", 4),
            ("a+", u64::MAX),
            (".*", u64::MAX),
            (".{40}", u64::MAX),
        ] {
            assert_eq!(texts(pattern), Ok(expected), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_or_too_large_is_refused_in_one_line() {
        for (pattern, detail) in [
            ("a)|(b", "unopened group"),
            ("[a", "unclosed character class"),
            (r"\pL", "Unicode not allowed here"),
            (
                "(?:[a-z]{1,1000}x){1,1000}",
                "heap usage during NFA compilation exceeded limit of 8388608",
            ),
        ] {
            let Err(Problem::Pattern { detail: found }) = Whole::new(pattern).map(|_| ()) else {
                panic!("{pattern} must be refused")
            };
            assert_eq!(found, detail, "{pattern}");
        }
    }
}
