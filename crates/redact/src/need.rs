//! What a text needs for a pattern to match in it at all: some bytes in a row, of a class each.
//!
//! Sixteen digits, or a `:` for a label: nearly all telemetry lacks it. Such a run lies within one
//! of bytes that are in any of its classes, and a run of `n` bytes is sought by looking at every
//! `n`-th byte. What holds for a text holds for every text around it, so a payload without the run
//! has no value in which the pattern matches, whatever stands beside the value and whatever the
//! pattern says of its borders.

use alloc::vec::Vec;

use regex_syntax::hir::{Class, Hir, HirKind};

/// Every match of the pattern has bytes of these classes in a row.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    /// At least one.
    places: Vec<ByteClass>,
    /// What any of the places may hold.
    any: ByteClass,
    /// The same, when it is at most three bytes.
    few: Option<[u8; 3]>,
}

#[derive(Clone, Debug, PartialEq)]
struct ByteClass([bool; 256]);

impl Need {
    /// The rarest run that every match has; `None` when there is none that is rare.
    pub(crate) fn of(pattern: &Hir) -> Option<Self> {
        let mut places = Vec::new();
        spell(pattern, &mut places);
        places.truncate(PLACES_MAX);
        let runs = places.split(Option::is_none);
        let tails = runs.flat_map(|run| (0..run.len()).filter_map(|start| run.get(start..)));
        let windows = tails.flat_map(|tail| {
            let mut any = ByteClass([false; 256]);
            (1_usize..).zip(tail.iter().flatten()).map(move |(bytes, place)| {
                any.add(place);
                (any.chance(bytes), tail.iter().flatten().take(bytes))
            })
        });
        let (chance, rarest) = windows.min_by(|(one, _), (other, _)| one.total_cmp(other))?;
        (chance <= CHANCE_MAX).then(|| Self::new(rarest.cloned().collect()))
    }

    fn new(places: Vec<ByteClass>) -> Self {
        let mut any = ByteClass([false; 256]);
        places.iter().for_each(|place| any.add(place));
        Self { few: any.few(), any, places }
    }

    /// Whether the run occurs anywhere.
    pub(crate) fn is_met(&self, text: &[u8]) -> bool {
        let bytes = self.places.len();
        if let (1, Some([one, two, three])) = (bytes, self.few) {
            return memchr::memchr3(one, two, three, text).is_some();
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
            if self.is_met_within(text.get(start..end).unwrap_or_default()) {
                return true;
            }
            at = end.saturating_add(bytes);
        }
        false
    }

    fn is_met_within(&self, run: &[u8]) -> bool {
        let is_met =
            |window: &[u8]| self.places.iter().zip(window).all(|(place, byte)| place.has(*byte));
        run.windows(self.places.len()).any(is_met)
    }

    /// Bytes to look at for each byte of a text.
    pub(crate) fn cost(&self) -> f64 {
        1.0 / self.places.len() as f64
    }
}

impl ByteClass {
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

/// Spells out the places of a match: the class of each, `None` where nothing is certain.
fn spell(pattern: &Hir, places: &mut Vec<Option<ByteClass>>) {
    if places.len() >= PLACES_MAX {
        places.push(None);
        return;
    }
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => places.extend(literal.0.iter().map(|byte| {
            let mut class = ByteClass([false; 256]);
            if let Some(place) = class.0.get_mut(usize::from(*byte)) {
                *place = true;
            }
            Some(class)
        })),
        HirKind::Class(class) => places.push(bytes_of(class)),
        HirKind::Capture(capture) => spell(&capture.sub, places),
        HirKind::Concat(parts) => parts.iter().for_each(|part| spell(part, places)),
        HirKind::Repetition(repetition) => {
            let min = usize::try_from(repetition.min).unwrap_or(usize::MAX);
            (0..min.min(PLACES_MAX)).for_each(|_| spell(&repetition.sub, places));
            if min > PLACES_MAX || repetition.max != Some(repetition.min) {
                places.push(None);
            }
        }
        HirKind::Alternation(arms) => places.extend(either(arms)),
    }
}

/// Arms of one length are a place of either at each of theirs; others say nothing.
fn either(arms: &[Hir]) -> Vec<Option<ByteClass>> {
    let mut both: Option<Vec<Option<ByteClass>>> = None;
    for arm in arms {
        let mut places = Vec::new();
        spell(arm, &mut places);
        let both = both.get_or_insert_with(|| places.clone());
        if both.len() != places.len() || places.iter().any(Option::is_none) {
            return Vec::from([None]);
        }
        for (mine, other) in both.iter_mut().zip(&places) {
            if let (Some(mine), Some(other)) = (mine, other) {
                mine.add(other);
            }
        }
    }
    both.unwrap_or_default()
}

fn bytes_of(class: &Class) -> Option<ByteClass> {
    let mut bytes = ByteClass([false; 256]);
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

#[cfg(test)]
mod tests {
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
        check("(total|sum)[a-z ]{0,24}[:=] ?[0-9]", 1, &["total: 5", "a=b"], &["total 5"]);
        check("(total|sum)[:=#!] ?[0-9]", 1, &["total!5", "a#b"], &["total 5"]);
        check("(ab|cd)[0-9]", 2, &["ab7", "xcb7"], &["a7b", "777", "ba"]);
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
