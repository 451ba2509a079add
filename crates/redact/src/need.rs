//! What a text needs for a pattern to match in it at all: some bytes in a row, of a class each.
//!
//! Sixteen digits, or a `:` behind a letter: nearly all telemetry lacks it. Such a run lies within
//! one of bytes that are in any of its classes, and a run of `n` bytes is sought by looking at
//! every `n`-th byte. What holds for a text holds for every text around it, so a payload without
//! the run has no value in which the pattern matches, whatever stands beside the value and whatever
//! the pattern says of its borders.

use alloc::vec::Vec;
use core::fmt;

use regex_syntax::hir::{Class, Hir, HirKind};

/// Every match of the pattern has bytes of these classes in a row.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    /// What the match has before them, if it has anything there for certain.
    before: Option<ByteClass>,
    /// At least one.
    places: Vec<ByteClass>,
    /// The same behind them.
    behind: Option<ByteClass>,
    /// What any of the places may hold.
    any: ByteClass,
    /// The same, when it is at most three bytes.
    few: Option<[u8; 3]>,
}

#[derive(Clone)]
struct ByteClass([bool; 256]);

impl fmt::Debug for ByteClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = (0..=u8::MAX).filter(|byte| self.has(*byte));
        bytes.try_for_each(|byte| write!(f, "{}", byte.escape_ascii()))
    }
}

/// A part of every match.
#[derive(Clone)]
struct Part {
    /// What it may begin with, and end with.
    ends: [ByteClass; 2],
    may_be_empty: bool,
    /// It is one byte, and so both of its ends.
    is_byte: bool,
}

impl Need {
    /// The rarest run that every match has; `None` when there is none that is rare.
    pub(crate) fn of(pattern: &Hir) -> Option<Self> {
        let mut parts = Vec::new();
        spell(pattern, &mut parts);
        parts.truncate(PLACES_MAX);
        let mut rarest: Option<(f64, usize, usize)> = None;
        for start in 0..parts.len() {
            let tail = parts.get(start..).unwrap_or_default();
            let mut any = ByteClass::NONE;
            for (bytes, place) in (1_usize..).zip(tail.iter().map_while(Part::byte)) {
                any.add(place);
                let chance = any.chance(bytes);
                if chance <= CHANCE_MAX && rarest.is_none_or(|(least, ..)| chance < least) {
                    rarest = Some((chance, start, bytes));
                }
            }
        }
        let (_, start, bytes) = rarest?;
        let (head, tail) = parts.split_at_checked(start)?;
        let (run, tail) = tail.split_at_checked(bytes)?;
        Some(Self::new(head, run, tail))
    }

    fn new(head: &[Part], run: &[Part], tail: &[Part]) -> Self {
        let places: Vec<ByteClass> = run.iter().filter_map(Part::byte).cloned().collect();
        let mut any = ByteClass::NONE;
        places.iter().for_each(|place| any.add(place));
        let before = nearest(head.iter().rev(), END);
        Self { before, behind: nearest(tail.iter(), START), few: any.few(), any, places }
    }

    /// Whether the run occurs anywhere.
    pub(crate) fn is_met(&self, text: &[u8]) -> bool {
        let bytes = self.places.len();
        if let (1, Some([one, two, three])) = (bytes, self.few) {
            let mut found = memchr::memchr3_iter(one, two, three, text);
            return found.any(|at| self.is_between(text, at));
        }
        // A run of `n` bytes covers every `n`-th place.
        let mut at = bytes.saturating_sub(1);
        while let Some(&byte) = text.get(at) {
            if !self.any.has(byte) {
                at = at.saturating_add(bytes);
                continue;
            }
            let (before, behind) = text.split_at(at);
            let is_out = |byte: &u8| !self.any.has(*byte);
            let start = before.iter().rposition(is_out).map_or(0, |out| out.saturating_add(1));
            let length = behind.iter().position(is_out).unwrap_or(behind.len());
            let end = at.saturating_add(length);
            if self.is_met_within(text, start, end) {
                return true;
            }
            at = end.saturating_add(bytes);
        }
        false
    }

    fn is_met_within(&self, text: &[u8], start: usize, end: usize) -> bool {
        let windows = text.get(start..end).unwrap_or_default().windows(self.places.len());
        (start..).zip(windows).any(|(at, window)| {
            self.places.iter().zip(window).all(|(place, byte)| place.has(*byte))
                && self.is_between(text, at)
        })
    }

    /// Whether what is beside a run at this place is what a match has there.
    fn is_between(&self, text: &[u8], at: usize) -> bool {
        let has = |class: &Option<ByteClass>, at: Option<usize>| {
            class.as_ref().is_none_or(|class| {
                at.and_then(|at| text.get(at)).is_some_and(|byte| class.has(*byte))
            })
        };
        has(&self.before, at.checked_sub(1)) && has(&self.behind, at.checked_add(self.places.len()))
    }

    /// Bytes to look at for each byte of a text.
    pub(crate) fn cost(&self) -> f64 {
        1.0 / self.places.len() as f64
    }
}

impl Part {
    const EMPTY: Self = Self { ends: [ByteClass::NONE; 2], may_be_empty: true, is_byte: false };

    fn one(class: ByteClass) -> Self {
        Self { ends: [class.clone(), class], may_be_empty: false, is_byte: true }
    }

    fn byte(&self) -> Option<&ByteClass> {
        self.is_byte.then_some(&self.ends[START])
    }

    /// All of a pattern as one part.
    fn over(pattern: &Hir) -> Self {
        match pattern.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::EMPTY,
            HirKind::Literal(literal) => {
                let bytes = [literal.0.first(), literal.0.last()];
                let ends = bytes.map(|byte| byte.map_or(ByteClass::NONE, |byte| byte_class(*byte)));
                Self { ends, may_be_empty: literal.0.is_empty(), is_byte: false }
            }
            HirKind::Class(class) => match bytes_of(class) {
                Some(class) => Self::one(class),
                // A character of several bytes.
                None => Self { ends: [ByteClass::ALL; 2], may_be_empty: false, is_byte: false },
            },
            HirKind::Capture(capture) => Self::over(&capture.sub),
            HirKind::Repetition(repetition) => {
                let sub = Self::over(&repetition.sub);
                let may_be_empty = sub.may_be_empty || repetition.min == 0;
                Self { may_be_empty, is_byte: false, ..sub }
            }
            HirKind::Concat(parts) => {
                let parts = parts.iter().map(Self::over);
                parts.fold(Self::EMPTY, |before, part| before.then(&part))
            }
            HirKind::Alternation(arms) => {
                let arms = arms.iter().map(Self::over);
                arms.reduce(|one, other| one.or(&other)).unwrap_or(Self::EMPTY)
            }
        }
    }

    fn then(mut self, next: &Self) -> Self {
        if self.may_be_empty {
            self.ends[START].add(&next.ends[START]);
        }
        let [start, last] = self.ends;
        let mut end = next.ends[END].clone();
        if next.may_be_empty {
            end.add(&last);
        }
        let may_be_empty = self.may_be_empty && next.may_be_empty;
        Self { ends: [start, end], may_be_empty, is_byte: false }
    }

    fn or(mut self, other: &Self) -> Self {
        self.ends.iter_mut().zip(&other.ends).for_each(|(mine, other)| mine.add(other));
        let may_be_empty = self.may_be_empty || other.may_be_empty;
        Self { may_be_empty, is_byte: false, ..self }
    }
}

/// What the first byte of these parts may be, in the direction of the walk; `None` when they may
/// all be empty.
fn nearest<'a>(parts: impl Iterator<Item = &'a Part>, end: usize) -> Option<ByteClass> {
    let mut class = ByteClass::NONE;
    for part in parts {
        class.add(part.ends.get(end)?);
        if !part.may_be_empty {
            return Some(class);
        }
    }
    None
}

impl ByteClass {
    const NONE: Self = Self([false; 256]);
    const ALL: Self = Self([true; 256]);

    fn add(&mut self, other: &Self) {
        for (mine, other) in self.0.iter_mut().zip(other.0) {
            *mine |= other;
        }
    }

    /// How likely so many bytes of text are to be of this class, as if 64 were equally common.
    fn chance(&self, bytes: usize) -> f64 {
        let size = self.0.iter().filter(|is_in| **is_in).count().min(TEXT_BYTES);
        let one = size as f64 / TEXT_BYTES as f64;
        (0..bytes).fold(1.0, |chance, _| chance * one)
    }

    fn few(&self) -> Option<[u8; 3]> {
        let mut bytes = (0..=u8::MAX).filter(|byte| self.has(*byte));
        let one = bytes.next()?;
        let (two, three) = (bytes.next().unwrap_or(one), bytes.next().unwrap_or(one));
        bytes.next().is_none().then_some([one, two, three])
    }

    #[inline]
    fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }
}

/// Spells out the parts of a match, byte by byte as far as they are certain.
fn spell(pattern: &Hir, parts: &mut Vec<Part>) {
    if parts.len() >= PLACES_MAX {
        parts.push(Part::over(pattern));
        return;
    }
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => {
            parts.extend(literal.0.iter().map(|byte| Part::one(byte_class(*byte))));
        }
        HirKind::Class(_) => parts.push(Part::over(pattern)),
        HirKind::Capture(capture) => spell(&capture.sub, parts),
        HirKind::Concat(all) => all.iter().for_each(|part| spell(part, parts)),
        HirKind::Repetition(repetition) => {
            let min = usize::try_from(repetition.min).unwrap_or(usize::MAX);
            (0..min.min(PLACES_MAX)).for_each(|_| spell(&repetition.sub, parts));
            if min > PLACES_MAX || repetition.max != Some(repetition.min) {
                let more = Part::over(&repetition.sub);
                parts.push(Part { may_be_empty: true, is_byte: false, ..more });
            }
        }
        HirKind::Alternation(arms) => match either(arms) {
            Some(places) => parts.extend(places.into_iter().map(Part::one)),
            None => parts.push(Part::over(pattern)),
        },
    }
}

/// Arms of one length are a place of either at each of theirs; others say nothing.
fn either(arms: &[Hir]) -> Option<Vec<ByteClass>> {
    let mut both: Option<Vec<ByteClass>> = None;
    for arm in arms {
        let mut parts = Vec::new();
        spell(arm, &mut parts);
        let places: Vec<ByteClass> = parts.iter().map_while(Part::byte).cloned().collect();
        let both = both.get_or_insert_with(|| places.clone());
        if places.len() != parts.len() || both.len() != places.len() {
            return None;
        }
        both.iter_mut().zip(&places).for_each(|(mine, other)| mine.add(other));
    }
    both
}

fn byte_class(byte: u8) -> ByteClass {
    let mut class = ByteClass::NONE;
    if let Some(place) = class.0.get_mut(usize::from(byte)) {
        *place = true;
    }
    class
}

fn bytes_of(class: &Class) -> Option<ByteClass> {
    let mut bytes = ByteClass::NONE;
    let mut add = |start: u8, end: u8| {
        let places = bytes.0.get_mut(usize::from(start)..=usize::from(end));
        places.unwrap_or_default().fill(true);
    };
    match class {
        Class::Bytes(class) => class.iter().for_each(|range| add(range.start(), range.end())),
        Class::Unicode(class) => {
            for range in class.iter() {
                // A character of several bytes is several places.
                let ascii = |letter: char| u8::try_from(letter).ok().filter(u8::is_ascii);
                add(ascii(range.start())?, ascii(range.end())?);
            }
        }
    }
    Some(bytes)
}

/// As many bytes as are common in text.
const TEXT_BYTES: usize = 64;
/// A run that one of eight texts may have is not worth looking for.
const CHANCE_MAX: f64 = 0.125;
/// Longer runs are no rarer.
const PLACES_MAX: usize = 64;
/// The ends of a part.
const START: usize = 0;
const END: usize = 1;

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn need(pattern: &str) -> Option<Need> {
        let mut parser = regex_syntax::ParserBuilder::new();
        parser.unicode(false).utf8(false).case_insensitive(true);
        Need::of(&parser.build().parse(pattern).unwrap())
    }

    #[track_caller]
    fn check(pattern: &str, bytes: usize, meeting: &[&str], others: &[&str]) {
        let need = need(pattern).unwrap();
        assert_eq!(need.places.len(), bytes, "{pattern}");
        for text in meeting {
            assert!(need.is_met(text.as_bytes()), "{pattern} in {text}");
        }
        for text in others {
            assert!(!need.is_met(text.as_bytes()), "{pattern} in {text}");
        }
    }

    #[test]
    fn the_rarest_run_is_needed() {
        let sixteen = "1234567890123456";
        let (behind, before) = (&*alloc::format!("{sixteen}x"), &*alloc::format!("x{sixteen}"));
        let fifteen = &sixteen[1..];
        let apart = &*alloc::format!("{fifteen}x{fifteen}");
        let card = r"(\b|_)[0-9]{16,}(\b|_)";
        check(card, 16, &[sixteen, behind, before], &["", fifteen, apart]);
        check(
            "[0-9]{3}-[0-9]{2}-[0-9]{4}",
            11,
            &["078-05-1120"],
            &["078-05-112", "078 05 1120", "0780-5-11209"],
        );
        let bearer = "bearer [a-zA-Z0-9._-]{20,}";
        check(
            bearer,
            7,
            &["Authorization: BEARER x", "a bearer is"],
            &["bear", "be-arer ", "bearerr ", "rare bears are"],
        );
        let figure = "(total|sum)[a-z ]{0,24}[:=] ?-?[0-9]";
        check(figure, 1, &["total: 5", "b=-"], &["total 5", "a=b", "1:2", "=5", "a:"]);
        check("(total|sum)[:=#!] ?[0-9]", 1, &["total!5", "l# "], &["total 5", "a#1", "l#b"]);
        check("(ab?|cde):", 1, &["a:", "b:", "e:"], &["c:", "d:", ":"]);
        check(":(b?a|cde)", 1, &[":a", ":b", ":c"], &[":d", ":e", ":"]);
        check("(ab|cd)[0-9]", 2, &["ab7", "xcb7"], &["a7b", "777", "ba", "ab", "cb-"]);
    }

    /// Patterns of few bytes, so that texts of the same bytes match some of them.
    fn patterns() -> impl Strategy<Value = String> {
        let leaf = proptest::sample::select(&["a", "b", ":", "-", "[ab]", "[0-9]", "[a:]", ""][..]);
        leaf.prop_map(String::from).prop_recursive(4, 24, 3, |inner| {
            let end = proptest::sample::select(&["", "?", "*", "+", "{2}", "{1,3}", "{0,2}"][..]);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                (inner.clone(), inner.clone(), end.clone())
                    .prop_map(|(one, other, end)| format!("({one}|{other}){end}")),
                (inner, end).prop_map(|(one, end)| format!("({one}){end}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn every_match_meets_the_need(pattern in patterns(), text in "[ab:1-]{0,12}") {
            let regex = regex_automata::meta::Regex::new(&pattern).unwrap();
            if let (Some(need), Some(found)) = (need(&pattern), regex.find(&text)) {
                assert!(need.is_met(text.as_bytes()), "{pattern} in {text}: {need:?}");
                assert!(need.is_met(text[found.range()].as_bytes()), "{pattern} is {text}");
            }
        }
    }

    #[test]
    fn the_head_of_a_long_literal_is_enough() {
        let long = "7".repeat(1000);
        check(&long, PLACES_MAX, &[&long, &long[..PLACES_MAX]], &[&long[1..PLACES_MAX]]);
    }

    #[test]
    fn a_pattern_of_common_bytes_needs_nothing() {
        for pattern in ["[a-z]+", "(a|bc)+?[^x]*", ".{5,}", "[a-z0-9]{3}x?", "a*|b{0,9}"] {
            assert!(need(pattern).is_none(), "{pattern}: {:?}", need(pattern));
        }
    }
}
