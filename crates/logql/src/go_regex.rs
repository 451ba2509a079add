//! Go's regular expressions (RE2 syntax), rewritten for `regex-automata`.
//!
//! The two languages are close enough to be confused and far enough to answer differently: in Go
//! `\d \w \s \b` are ASCII, `\<` is a literal, a lone `{` is a literal, `\Q…\E` quotes, `\012` is
//! octal, and `[a[b]` is a class of three characters. So the text is translated character by
//! character, and what Go refuses (look-around, back references, `a**`) is refused here with Go's
//! words. Groups lose their names on the way, since Go allows names that Rust does not; the names
//! are kept beside the pattern.

mod class;
mod error;
mod needle;
mod translate;

use alloc::string::String;
use alloc::vec::Vec;

use regex_automata::meta;
use regex_automata::util::primitives::NonMaxUsize;

pub use error::RegexError;
pub use translate::{Translation, translate};

/// How a pattern meets a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Anchor {
    /// Anywhere in the text: line filters, the `regexp` parser, templates.
    Unanchored,
    /// The whole text, and `.` matches a newline too: label matchers.
    Whole,
}

/// A compiled pattern of a query.
#[derive(Clone, Debug)]
pub struct Regex {
    inner: meta::Regex,
    source: String,
    names: Vec<(usize, String)>,
    needle: Option<String>,
}

impl Regex {
    /// Compiles Go's text.
    ///
    /// # Errors
    /// What Go would refuse, and patterns whose automaton is larger than [`AUTOMATON_BYTES_MAX`].
    pub fn new(source: &str, anchor: Anchor) -> Result<Self, RegexError> {
        if source.len() > PATTERN_BYTES_MAX {
            return Err(RegexError::TooLong { got: source.len() });
        }
        let Translation { pattern, names } = translate(source)?;
        let pattern = match anchor {
            Anchor::Unanchored => pattern,
            Anchor::Whole => alloc::format!("^(?s:{pattern})$"),
        };
        let too_large = || RegexError::TooLarge { pattern: source.into() };
        let hir = regex_syntax::ParserBuilder::new()
            .nest_limit(NEST_MAX)
            .build()
            .parse(&pattern)
            .map_err(|_| too_large())?;
        let inner = meta::Regex::builder()
            .configure(
                meta::Config::new()
                    .nfa_size_limit(Some(AUTOMATON_BYTES_MAX))
                    .hybrid_cache_capacity(CACHE_BYTES_MAX),
            )
            .build_from_hir(&hir)
            .map_err(|_| too_large())?;
        Ok(Self { inner, source: source.into(), names, needle: needle::required(&hir) })
    }

    /// The text it was made of.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.inner.is_match(text)
    }

    /// A text that every match contains, if the pattern has one.
    #[must_use]
    pub fn needle(&self) -> Option<&str> {
        self.needle.as_deref()
    }

    /// Number and name of each named group.
    #[must_use]
    pub fn names(&self) -> &[(usize, String)] {
        &self.names
    }

    /// How many slots [`Self::captures`] wants: two a group, the whole match included.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.inner.group_info().slot_len()
    }

    /// Fills the slots of the first match, start and end of each group.
    pub fn captures(&self, text: &str, slots: &mut [Option<NonMaxUsize>]) -> bool {
        self.inner.search_slots(&regex_automata::Input::new(text), slots).is_some()
    }

    /// Start and end of each match, from left to right.
    pub fn find_all<'h>(&'h self, text: &'h str) -> impl Iterator<Item = (usize, usize)> + 'h {
        self.inner.find_iter(text).map(|found| (found.start(), found.end()))
    }

    /// Start and end of the first match at or after an offset, with its groups.
    pub fn captures_at(&self, text: &str, at: usize, slots: &mut [Option<NonMaxUsize>]) -> bool {
        if at > text.len() {
            return false;
        }
        let input = regex_automata::Input::new(text).span(at..text.len());
        self.inner.search_slots(&input, slots).is_some()
    }
}

/// Two patterns are equal when their text is.
impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// The text of one group, empty if it took no part in the match.
#[must_use]
pub fn slot_text<'t>(text: &'t str, slots: &[Option<NonMaxUsize>], group: usize) -> &'t str {
    let at = |slot: usize| slots.get(slot).copied().flatten().map(NonMaxUsize::get);
    let first = group.saturating_mul(2);
    match (at(first), at(first.saturating_add(1))) {
        (Some(start), Some(end)) => text.get(start..end).unwrap_or(""),
        _ => "",
    }
}

/// No longer than a query may be.
pub const PATTERN_BYTES_MAX: usize = 131_072;
/// A pattern of a query may cost a megabyte or two; counted repetitions nested in others cost more.
pub const AUTOMATON_BYTES_MAX: usize = 8 << 20;
/// What the lazy automaton of one pattern may keep.
const CACHE_BYTES_MAX: usize = 1 << 20;
/// Groups within groups; Go stops at 1,000, and our stack is smaller.
const NEST_MAX: u32 = 200;

#[cfg(test)]
mod tests;
