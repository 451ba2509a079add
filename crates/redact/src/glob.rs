//! Globs over names, blind to case and separators.
//!
//! `form.*` has two readings in the wild: a glob, and a regular expression that means "begins with
//! form". The page that prints it says "any key starting with form", so that is what a trailing
//! `.*` means here. Case and the separators `. _ - / :` and space are dropped on both sides first:
//! `amount.*` finds `amount_range`, `AmountRange` and `AMOUNT-RANGE`. Finding too much costs a
//! withheld record; finding too little, a leak.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// One compiled glob.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Glob {
    /// Folded bytes; `*` any run, `?` any one byte.
    folded: Vec<u8>,
    /// Without wildcards but a trailing `*`: the common case, decided by one comparison.
    prefix: bool,
    literal: bool,
}

/// Why a glob is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GlobError {
    /// It has no letter or digit: it would block every key or none.
    Empty,
    /// It is longer than 256 bytes.
    TooLong {
        /// Bytes in the glob.
        got: usize,
    },
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "has no letter or digit"),
            Self::TooLong { got } => {
                write!(f, "has {got} bytes, at most {GLOB_BYTES_MAX} are allowed")
            }
        }
    }
}

impl core::error::Error for GlobError {}

impl Glob {
    pub(crate) fn compile(text: &str) -> Result<Self, GlobError> {
        if text.len() > GLOB_BYTES_MAX {
            return Err(GlobError::TooLong { got: text.len() });
        }
        let mut folded = Vec::with_capacity(text.len());
        fold(text.as_bytes(), &mut folded);
        if !folded.iter().any(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80) {
            return Err(GlobError::Empty);
        }
        let wild = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, b'*' | b'?'));
        let literal = !wild(&folded);
        let prefix = match folded.split_last() {
            Some((b'*', head)) => !wild(head),
            _ => false,
        };
        if prefix {
            folded.pop();
        }
        Ok(Self { folded, prefix, literal })
    }

    /// The first byte that a match must have, if the glob fixes it.
    pub(crate) fn first(&self) -> Option<u8> {
        self.folded.first().copied().filter(|byte| !matches!(byte, b'*' | b'?'))
    }

    /// Whether it matches a name that is already folded.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        if self.prefix {
            name.starts_with(&self.folded)
        } else if self.literal {
            name == self.folded
        } else {
            wildcard(&self.folded, name)
        }
    }
}

/// Appends `name` in lower case and without separators.
pub(crate) fn fold(name: &[u8], out: &mut Vec<u8>) {
    let kept = |byte: &&u8| !matches!(byte, b'.' | b'_' | b'-' | b'/' | b':' | b' ');
    out.extend(name.iter().filter(kept).map(u8::to_ascii_lowercase));
}

/// `name` folded, for comparing with a literal.
pub(crate) fn folded(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    fold(name, &mut out);
    out
}

/// A name for people: printable, short, and never used to decide anything.
pub(crate) fn shown(name: &[u8]) -> String {
    let head = name.get(..SHOWN_BYTES_MAX).unwrap_or(name);
    String::from_utf8_lossy(head).chars().filter(|c| !c.is_control()).collect()
}

/// Greedy matching with one point of return: linear in `glob` times `name`, no recursion.
fn wildcard(glob: &[u8], name: &[u8]) -> bool {
    let (mut glob_rest, mut name_rest) = (glob, name);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (glob_rest.split_first(), name_rest.split_first()) {
            (Some((b'*', after)), _) => {
                retry = Some((after, name_rest));
                glob_rest = after;
            }
            (Some((wanted, after)), Some((got, rest))) if *wanted == b'?' || wanted == got => {
                glob_rest = after;
                name_rest = rest;
            }
            (None, None) => return true,
            _ => {
                let Some((after, [_, shorter @ ..])) = retry else {
                    return false;
                };
                retry = Some((after, shorter));
                glob_rest = after;
                name_rest = shorter;
            }
        }
    }
}

const GLOB_BYTES_MAX: usize = 256; // a key of OTLP is rarely longer than 64
const SHOWN_BYTES_MAX: usize = 64; // enough to find the line of code that set it

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(glob: &str, matching: &[&str], others: &[&str]) {
        let glob = Glob::compile(glob).unwrap();
        for name in matching {
            assert!(glob.matches(&folded(name.as_bytes())), "{name}");
        }
        for name in others {
            assert!(!glob.matches(&folded(name.as_bytes())), "{name}");
        }
    }

    #[test]
    fn a_trailing_dot_star_means_begins_with() {
        let variants =
            ["form", "form.income", "form_income", "formIncome", "FORM.INCOME", "Form-Income"];
        check("form.*", &variants, &["platform", "inform", "for", ""]);
        check("amount.*", &["amount_range", "amountRange"], &["account"]);
    }

    #[test]
    fn a_literal_matches_whole_names_in_every_spelling() {
        check("api_key", &["api_key", "apiKey", "API-KEY", "api.key"], &["api_keys", "my_api_key"]);
    }

    #[test]
    fn wildcards_stand_anywhere() {
        check("*password*", &["password", "user.passwordHash"], &["passwor"]);
        check("user?id", &["user1id"], &["userid", "user12id"]);
        check("a*b*c", &["abc", "aXbYc", "abbcc"], &["acb", "abcd"]);
    }

    #[test]
    fn globs_that_would_block_everything_are_refused() {
        assert_eq!(Glob::compile(""), Err(GlobError::Empty));
        assert_eq!(Glob::compile(".*"), Err(GlobError::Empty));
        assert_eq!(Glob::compile("**?"), Err(GlobError::Empty));
        assert_eq!(Glob::compile(&"a".repeat(257)), Err(GlobError::TooLong { got: 257 }));
    }
}
