//! What an operator writes: blocked keys, blocked value patterns, tags, and what becomes of a hit.
//!
//! The names are those of the collector's `redaction` processor and of the printed collector file,
//! so the section of an existing file is read as it is. Unknown keys are refused.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde::Deserialize;

/// The outer layer as written in the configuration file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RulesConfig {
    /// The collector's switch. Only `true` (the default) is accepted: the positive list is the
    /// contract's.
    #[serde(default = "yes")]
    pub allow_all_keys: bool,
    /// Globs of attribute, label and member names. Case and separators do not matter; a trailing
    /// `.*` means "begins with". Default: none.
    #[serde(default)]
    pub blocked_keys: Vec<String>,
    /// Regular expressions searched in every value and in the raw bytes, without regard to case.
    /// Default: none.
    #[serde(default, alias = "blocked_values")]
    pub blocked_values_patterns: Vec<String>,
    /// Words that mark a whole record as one that must not leave. Default: `sensitive`.
    #[serde(default = "sensitive")]
    pub blocked_tags: Vec<String>,
    /// What becomes of the exported copy. Default: `drop`, because a rewritten copy is not sealed.
    #[serde(default)]
    pub on_hit: OnHit,
}

/// What becomes of the exported copy of a record that was hit. The sealed one is withheld either
/// way.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum OnHit {
    /// Nothing is exported.
    #[default]
    Drop,
    /// A copy without the hit is exported and says so.
    Rewrite,
}

impl RulesConfig {
    /// The rules of the printed collector file, with what its page says beside them: `amount.*`,
    /// numeric results in messages, and records tagged as sensitive.
    pub fn shipped() -> Self {
        let texts = |list: &[&str]| list.iter().copied().map(String::from).collect();
        Self {
            allow_all_keys: true,
            blocked_keys: texts(&SHIPPED_KEYS),
            blocked_values_patterns: texts(&SHIPPED_PATTERNS),
            blocked_tags: sensitive(),
            on_hit: OnHit::Drop,
        }
    }
}

const fn yes() -> bool {
    true
}

fn sensitive() -> Vec<String> {
    vec![String::from("sensitive")]
}

const SHIPPED_KEYS: [&str; 5] = ["form.*", "calculation.*", "applicant.*", "result.*", "amount.*"];

const SHIPPED_PATTERNS: [&str; 5] = [
    "bearer [a-zA-Z0-9._-]{20,}",
    // A card number that stands alone. Inside of a longer token sixteen digits are chance: of
    // random texts of 64 hex digits, one in a hundred has them.
    r"(\b|_)[0-9]{16,}(\b|_)",
    "[0-9]{3}-[0-9]{2}-[0-9]{4}",
    // The same card number as people print it, and no piece of a UUID.
    r"(\b|_)[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}(\b|_)",
    // "Calculation result: 1500000" and its kin: a word for a computed or personal figure, then the
    // figure.
    "(calculation|result|amount|income|balance|salary|score)[a-z ]{0,24}[:=] ?-?[$]?[0-9]",
];
