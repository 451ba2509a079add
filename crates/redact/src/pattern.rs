//! Value patterns, compiled to one automaton over bytes.
//!
//! The syntax is RE2's as the collector reads it: ASCII classes, linear time. Matching ignores
//! case, since a token does not become harmless by shouting. A pattern that matches the empty text
//! is refused, as it would withhold every record.
//!
//! Prefilters of the library are off: a class of digits has ten first bytes, and looking for them
//! costs more than the automaton itself. What stands before it is what every match needs, a run of
//! so many bytes of a class: most payloads have none of them, and are cleared without it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind, PatternSet};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

use crate::need::Need;

/// All patterns, and those of them that a search in the raw bytes cannot stand in for.
#[derive(Clone, Debug)]
pub(crate) struct Patterns {
    all: Regex,
    /// Patterns with `^`, `$` or `\b`: what is beside a value in the raw bytes changes their
    /// meaning. `None` when there are none, and then a clean raw payload has only clean texts.
    anchored: Option<Anchored>,
    /// What a text must have for any of them, one for each; `None` when that clears too little.
    needs: Option<Vec<Need>>,
    /// No shorter text can match.
    shortest_bytes: usize,
}

/// What a search in the raw bytes says of the texts in them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Raw {
    /// No pattern matches in them, nor in any text that lies in them verbatim.
    Impossible,
    /// No pattern matches in them; one that asks for the borders of a text still may.
    Clean,
    /// A pattern matches.
    Hit,
}

#[derive(Clone, Debug)]
struct Anchored {
    set: Regex,
    /// Position in `set` to position in the configuration.
    indices: Vec<usize>,
    /// No shorter text can match any of these.
    shortest_bytes: usize,
}

/// Why a pattern is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PatternError {
    /// It does not parse.
    Syntax {
        /// Column of the mistake, from 1.
        column: usize,
    },
    /// It matches the empty text and so everything.
    MatchesEmpty,
    /// It is longer than 1,024 bytes.
    TooLong {
        /// Bytes in the pattern.
        got: usize,
    },
    /// It, or all of them together, compile to more than 4 MiB.
    TooLarge,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { column } => {
                write!(f, "is not a regular expression, see column {column}")
            }
            Self::MatchesEmpty => write!(f, "matches the empty text and would withhold everything"),
            Self::TooLong { got } => {
                write!(f, "has {got} bytes, at most {PATTERN_BYTES_MAX} are allowed")
            }
            Self::TooLarge => write!(f, "is too large when compiled"),
        }
    }
}

impl core::error::Error for PatternError {}

impl Patterns {
    /// Compiles them; an error comes with the index of its pattern.
    pub(crate) fn compile(texts: &[String]) -> Result<Self, (usize, PatternError)> {
        let mut anchored = Vec::new();
        let mut shortest_bytes = usize::MAX;
        let mut shortest_anchored = usize::MAX;
        let mut needs = Some(Vec::new());
        for (index, text) in texts.iter().enumerate() {
            let facts = Facts::of(text).map_err(|error| (index, error))?;
            shortest_bytes = shortest_bytes.min(facts.shortest_bytes);
            if facts.looks_around {
                shortest_anchored = shortest_anchored.min(facts.shortest_bytes);
                anchored.push(index);
            }
            build(core::slice::from_ref(text)).ok_or((index, PatternError::TooLarge))?;
            // Only of what is small enough: a need is looked for in every copy of every part.
            needs = needs.zip(Need::of(&facts.pattern)).map(|(mut needs, need)| {
                needs.push(need);
                needs
            });
        }
        let last = texts.len().saturating_sub(1);
        let all = build(texts).ok_or((last, PatternError::TooLarge))?;
        let anchored = if anchored.is_empty() {
            None
        } else {
            let some: Vec<&String> =
                anchored.iter().filter_map(|&index| texts.get(index)).collect();
            let set = build(&some).ok_or((last, PatternError::TooLarge))?;
            Some(Anchored { set, indices: anchored, shortest_bytes: shortest_anchored })
        };
        let needs = needs.filter(|needs| needs.iter().map(Need::cost).sum::<f64>() <= COST_MAX);
        Ok(Self { all, anchored, needs, shortest_bytes })
    }

    fn is_possible_in(&self, bytes: &[u8]) -> bool {
        let is_met = |needs: &Vec<Need>| needs.iter().any(|need| need.is_met(bytes));
        self.is_long_enough(bytes.len()) && self.needs.as_ref().is_none_or(is_met)
    }

    /// Looks through the raw bytes of a payload.
    pub(crate) fn search_raw(&self, payload: &[u8]) -> Raw {
        if !self.is_possible_in(payload) {
            Raw::Impossible
        } else if self.all.is_match(payload) {
            Raw::Hit
        } else {
            Raw::Clean
        }
    }

    /// Whether a text is long enough for any pattern.
    pub(crate) const fn is_long_enough(&self, bytes: usize) -> bool {
        bytes >= self.shortest_bytes
    }

    /// Index of the first pattern found in `bytes`.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<usize> {
        if !self.is_possible_in(bytes) || !self.all.is_match(bytes) {
            return None;
        }
        first(&self.all, bytes)
    }

    /// The same for a text that lies verbatim in raw bytes in which nothing was found.
    pub(crate) fn find_in_clean(&self, text: &[u8]) -> Option<usize> {
        let anchored = self.anchored.as_ref()?;
        if text.len() < anchored.shortest_bytes || !anchored.set.is_match(text) {
            return None;
        }
        let found = first(&anchored.set, text)?;
        anchored.indices.get(found).copied()
    }
}

struct Facts {
    looks_around: bool,
    shortest_bytes: usize,
    pattern: Hir,
}

impl Facts {
    fn of(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong { got: text.len() });
        }
        let mut parser = ParserBuilder::new();
        parser.unicode(false).utf8(false).case_insensitive(true).nest_limit(NEST_MAX);
        let hir = parser.build().parse(text).map_err(|error| PatternError::Syntax {
            column: match &error {
                regex_syntax::Error::Parse(error) => error.span().start.column,
                regex_syntax::Error::Translate(error) => error.span().start.column,
                _ => 1,
            },
        })?;
        let shortest_bytes = shortest(&hir).unwrap_or(usize::MAX);
        if shortest_bytes == 0 {
            return Err(PatternError::MatchesEmpty);
        }
        let looks_around = !hir.properties().look_set().is_empty();
        Ok(Self { looks_around, shortest_bytes, pattern: hir })
    }
}

/// Bytes of the shortest match; `None` when nothing matches. The library's own figure is `None` as
/// soon as one arm of many cannot match.
fn shortest(pattern: &Hir) -> Option<usize> {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(0),
        HirKind::Literal(literal) => Some(literal.0.len()),
        HirKind::Class(class) => class.minimum_len(),
        HirKind::Capture(capture) => shortest(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min == 0 => Some(0),
        HirKind::Repetition(repetition) => {
            let times = usize::try_from(repetition.min).unwrap_or(usize::MAX);
            Some(shortest(&repetition.sub)?.saturating_mul(times))
        }
        HirKind::Concat(parts) => parts
            .iter()
            .try_fold(0_usize, |bytes, part| Some(bytes.saturating_add(shortest(part)?))),
        HirKind::Alternation(arms) => arms.iter().filter_map(shortest).min(),
    }
}

fn build<S: AsRef<str>>(texts: &[S]) -> Option<Regex> {
    let syntax = syntax::Config::new();
    let syntax = syntax.unicode(false).utf8(false).case_insensitive(true).nest_limit(NEST_MAX);
    let config = Regex::config()
        .match_kind(MatchKind::All)
        .utf8_empty(false)
        .which_captures(WhichCaptures::None)
        .auto_prefilter(false)
        .nfa_size_limit(Some(COMPILED_BYTES_MAX));
    Regex::builder().syntax(syntax).configure(config).build_many(texts).ok()
}

/// The first pattern in the order of the configuration that is found anywhere.
fn first(set: &Regex, bytes: &[u8]) -> Option<usize> {
    let mut found = PatternSet::new(set.pattern_len());
    set.which_overlapping_matches(&Input::new(bytes), &mut found);
    found.iter().next().map(|pattern| pattern.as_usize())
}

/// Looks at a byte before the automaton takes it; with more of them the automaton alone is faster.
const COST_MAX: f64 = 2.0;
const PATTERN_BYTES_MAX: usize = 1024; // longer ones cannot be reviewed
const NEST_MAX: u32 = 64; // far above what people write, far below what exhausts a stack
const COMPILED_BYTES_MAX: usize = 4 << 20; // a hundred ordinary patterns fit in 1 MiB

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    fn compile(texts: &[&str]) -> Result<Patterns, (usize, PatternError)> {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        Patterns::compile(&texts)
    }

    #[track_caller]
    fn refused(texts: &[&str], index: usize, expected: PatternError) {
        assert_eq!(compile(texts).map(|_| ()), Err((index, expected)));
    }

    #[test]
    fn an_error_names_the_pattern_and_the_column() {
        refused(&["[0-9]{16}", "card[0-9"], 1, PatternError::Syntax { column: 5 });
        refused(&["a{2,1}"], 0, PatternError::Syntax { column: 2 });
        refused(&["ok+", "a*"], 1, PatternError::MatchesEmpty);
        refused(&["[a&&b]|"], 0, PatternError::MatchesEmpty);
        refused(&[&"a".repeat(1025)], 0, PatternError::TooLong { got: 1025 });
        refused(&["((a{50}){50}){500}"], 0, PatternError::TooLarge);
        let deep = (0..5).fold("(a|bb){64}".to_string(), |inner, _| format!("({inner}|c){{64}}"));
        refused(&[&deep], 0, PatternError::TooLarge);
    }

    proptest! {
        /// What clears a payload unseen must be right for every text in it.
        #[test]
        fn what_the_needs_clear_has_no_match_in_any_part(
            parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..6),
            from in 0..40_usize,
        ) {
            let text = parts.concat();
            let part = text.get(from..).unwrap_or_default();
            for (patterns, count) in [(&shipped(), 5), (&compile(&WITH_BORDERS).unwrap(), 3)] {
                assert_eq!(patterns.needs.as_ref().map(Vec::len), Some(count));
                if patterns.search_raw(text.as_bytes()) == Raw::Impossible {
                    assert!(!patterns.all.is_match(text.as_bytes()), "{text}");
                    assert!(!patterns.all.is_match(part.as_bytes()), "{part} of {text}");
                }
            }
        }
    }

    /// An arm that cannot match takes nothing from the others.
    #[test]
    fn what_cannot_match_hides_nothing() {
        for (pattern, text) in [
            (r"secret|[^\s\S]", "my secret"),
            (r"[^\s\S]*secret", "my secret"),
            ("(a|[a&&b]){3}", "aaa"),
            ("^(pin1|[a&&b])$", "pin1"),
        ] {
            let patterns = compile(&["[0-9]{16}", pattern]).unwrap();
            assert_eq!(patterns.find(text.as_bytes()), Some(1), "{pattern}");
            assert_ne!(patterns.search_raw(text.as_bytes()), Raw::Impossible, "{pattern}");
        }
        let anchored = compile(&["[0-9]{16}", "^(pin1|[a&&b])$"]).unwrap();
        assert_eq!(anchored.find_in_clean(b"pin1"), Some(1));
        let never = compile(&["[a&&b]", "x"]).unwrap();
        assert_eq!((never.find(b"x"), never.find(b"ab")), (Some(1), None));
    }

    proptest! {
        /// Whatever is looked at first, a search finds what the regular expression finds.
        #[test]
        fn a_search_finds_what_the_pattern_matches(
            arms in proptest::collection::vec(proptest::sample::select(&ARMS[..]), 1..4),
            text in "[ab:1 ]{0,20}",
        ) {
            let pattern = arms.join("|");
            let bare = build(&[&pattern]).unwrap().is_match(text.as_bytes());
            if let Ok(patterns) = compile(&[&pattern]) {
                assert_eq!(patterns.find(text.as_bytes()).is_some(), bare, "{pattern} in {text}");
                let is_impossible = patterns.search_raw(text.as_bytes()) == Raw::Impossible;
                assert!(!(is_impossible && bare), "{pattern} in {text}");
            }
        }
    }

    const ARMS: [&str; 10] = [
        "[a&&b]",
        "a[0-9]+",
        "b{3}",
        "(a|b:){2}",
        r"\b1",
        "^ab",
        "1 ?:?a",
        "([a&&b]|b)1",
        "a*b",
        ":$",
    ];

    const WITH_BORDERS: [&str; 3] =
        ["^(tok|key)[0-9]{4}$", r"\bid-[a-f]{2,3}\b", "[0-9]{3}-[0-9]{2}"];

    const PARTS: [&str; 16] = [
        "4111111111111111",
        "4111 1111-1111 1111",
        "078-05-1120",
        "-",
        " ",
        "7",
        "12345678",
        "bearer ",
        "BEARER abcdefghijklmnopqrstu",
        "balance",
        " of it: ",
        "= -$5",
        "tok",
        "Key1234",
        "id-abc",
        "\u{12}\u{7}",
    ];

    fn shipped() -> Patterns {
        Patterns::compile(&crate::RulesConfig::shipped().blocked_values_patterns).unwrap()
    }

    #[test]
    fn a_raw_search_says_what_it_means_for_the_texts() {
        let patterns = compile(&["[0-9]{16}", "^secret$"]).unwrap();
        assert_eq!(patterns.search_raw(b"a card: 4111111111111111"), Raw::Hit);
        assert_eq!(patterns.search_raw(b"a secret"), Raw::Clean);
        assert_eq!(patterns.search_raw(b"nothing of 411111111111111"), Raw::Impossible);
        assert_eq!(patterns.search_raw(b"secre"), Raw::Impossible);
        // One pattern of common letters, and nothing can be cleared without the automaton.
        let patterns = compile(&["[0-9]{16}", "[a-z]{3}"]).unwrap();
        assert_eq!(patterns.search_raw(b"--------"), Raw::Clean);
    }

    #[test]
    fn case_is_ignored() {
        let patterns = compile(&["bearer [a-z]{3}"]).unwrap();
        assert_eq!(patterns.find(b"Authorization: BEARER ABC"), Some(0));
        assert_eq!(patterns.find(b"bearer ab"), None);
    }

    #[test]
    fn anchored_patterns_are_searched_in_each_text() {
        let patterns = compile(&["[0-9]{16}", "^secret$"]).unwrap();
        assert_eq!(patterns.find_in_clean(b"secret"), Some(1));
        assert_eq!(patterns.find_in_clean(b"no secret"), None);
        assert_eq!(compile(&["[0-9]{16}"]).unwrap().find_in_clean(b"4111111111111111"), None);
    }
}
