//! The compiled rules, and how a rule is called.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::config::{OnHit, RulesConfig};
use crate::glob::{Glob, GlobError, fold, folded};
use crate::pattern::{PatternError, Patterns};

/// Rules of the outer layer, ready to run. Sharing between threads is free: nothing in it changes.
#[derive(Clone, Debug)]
pub struct Rules {
    config: RulesConfig,
    globs: Vec<Glob>,
    /// Whether any glob can match a name that begins with this byte.
    first_bytes: [bool; 256],
    pub(crate) patterns: Patterns,
    tags: Vec<Vec<u8>>,
}

/// Which rule was hit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleId {
    /// The list that it stands in.
    pub kind: RuleKind,
    /// Its position in that list, from 0.
    pub index: usize,
    /// The rule as written; never anything of the payload.
    pub name: String,
}

/// The lists of rules.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RuleKind {
    /// `blocked_keys`.
    Key,
    /// `blocked_values_patterns`.
    Value,
    /// `blocked_tags`.
    Tag,
    /// No list: a payload that cannot be walked cannot be cleared.
    Unreadable,
}

impl fmt::Display for RuleId {
    /// Values are called by their number: a pattern could match its own text in the exported copy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RuleKind::Key => write!(f, "key:{}", self.name),
            RuleKind::Value => write!(f, "value:{}", self.index),
            RuleKind::Tag => write!(f, "tag:{}", self.name),
            RuleKind::Unreadable => write!(f, "unreadable"),
        }
    }
}

/// Why rules are refused. All are mistakes of the operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RulesError {
    /// There is no rule at all: an outer layer that looks for nothing is a mistake, not a setting.
    NoRules,
    /// `allow_all_keys: false` asks for a positive list, which is the contract's.
    PositiveList,
    /// A list has more than 256 entries.
    TooMany {
        /// The list.
        list: RuleKind,
        /// Its entries.
        got: usize,
    },
    /// A glob in `blocked_keys`.
    Key {
        /// Its position, from 0.
        index: usize,
        /// What is wrong with it.
        error: GlobError,
    },
    /// A pattern in `blocked_values_patterns`.
    Value {
        /// Its position, from 0.
        index: usize,
        /// What is wrong with it.
        error: PatternError,
    },
    /// A word in `blocked_tags` is empty.
    Tag {
        /// Its position, from 0.
        index: usize,
    },
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRules => write!(f, "the outer layer has no rule"),
            Self::PositiveList => {
                write!(f, "allow_all_keys must be true: the list of allowed keys is the contract")
            }
            Self::TooMany { list, got } => {
                write!(f, "{list} has {got} entries, at most {LIST_MAX} are allowed")
            }
            Self::Key { index, error } => write!(f, "blocked_keys[{index}] {error}"),
            Self::Value { index, error } => write!(f, "blocked_values_patterns[{index}] {error}"),
            Self::Tag { index } => write!(f, "blocked_tags[{index}] has no letter or digit"),
        }
    }
}

impl core::error::Error for RulesError {}

impl fmt::Display for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "blocked_keys",
            Self::Value => "blocked_values_patterns",
            Self::Tag => "blocked_tags",
            Self::Unreadable => "unreadable",
        })
    }
}

impl Rules {
    /// Checks and compiles what an operator wrote.
    ///
    /// # Errors
    /// When a rule is wrong, with its position.
    pub fn compile(config: RulesConfig) -> Result<Self, RulesError> {
        check_lists(&config)?;
        let mut globs = Vec::with_capacity(config.blocked_keys.len());
        for (index, text) in config.blocked_keys.iter().enumerate() {
            globs.push(Glob::compile(text).map_err(|error| RulesError::Key { index, error })?);
        }
        let patterns = Patterns::compile(&config.blocked_values_patterns)
            .map_err(|(index, error)| RulesError::Value { index, error })?;
        let mut tags = Vec::with_capacity(config.blocked_tags.len());
        for (index, text) in config.blocked_tags.iter().enumerate() {
            let tag = folded(text.as_bytes());
            if tag.is_empty() {
                return Err(RulesError::Tag { index });
            }
            tags.push(tag);
        }
        let mut first_bytes = [false; 256];
        for (byte, possible) in (0..=u8::MAX).zip(&mut first_bytes) {
            *possible = globs.iter().any(|glob| glob.first().is_none_or(|first| first == byte));
        }
        Ok(Self { config, globs, first_bytes, patterns, tags })
    }

    /// The rules that run when the configuration names none: those of the printed collector file,
    /// and what its page says beside them.
    ///
    /// # Errors
    /// Never in practice: a test compiles them. The type keeps this crate free of panics.
    pub fn default_rules() -> Result<Self, RulesError> {
        Self::compile(RulesConfig::shipped())
    }

    /// What the operator wrote.
    pub const fn config(&self) -> &RulesConfig {
        &self.config
    }

    /// What becomes of the exported copy of a record that was hit.
    pub const fn on_hit(&self) -> OnHit {
        self.config.on_hit
    }

    /// The rule that blocks this name, if one does.
    pub(crate) fn key_rule(&self, path: &[u8], key: &[u8]) -> Option<RuleId> {
        let index = if path.is_empty() {
            // A separator in front is dropped by folding, so it says nothing of the first byte.
            let first = key.first()?.to_ascii_lowercase();
            let possible = self.first_bytes.get(usize::from(first)) == Some(&true);
            if !possible && first.is_ascii_alphanumeric() {
                return None;
            }
            self.glob_index(&folded(key))?
        } else {
            let mut whole = path.to_vec();
            fold(key, &mut whole);
            self.glob_index(&folded(key)).or_else(|| self.glob_index(&whole))?
        };
        let name = self.config.blocked_keys.get(index).cloned().unwrap_or_default();
        Some(RuleId { kind: RuleKind::Key, index, name })
    }

    pub(crate) fn value_rule(&self, index: usize) -> RuleId {
        let name = self.config.blocked_values_patterns.get(index).cloned().unwrap_or_default();
        RuleId { kind: RuleKind::Value, index, name }
    }

    /// The tag that the name `slot` itself is, for values that switch it on.
    pub(crate) fn tag_named(&self, slot: &[u8]) -> Option<RuleId> {
        // No tag is longer than a name; most names differ in their length already.
        let index = self.tags.iter().position(|tag| slot.len() >= tag.len() && same(slot, tag))?;
        Some(self.tag_rule(index))
    }

    /// The tag that `text` is, when `slot` is a name for tags.
    pub(crate) fn tag_listed(&self, slot: &[u8], text: &[u8]) -> Option<RuleId> {
        if !TAG_SLOTS.iter().any(|name| same(slot, name)) {
            return None;
        }
        let index = self.tags.iter().position(|tag| {
            let mut words = text.split(|byte| matches!(byte, b',' | b';' | b' '));
            words.any(|word| same(word, tag))
        })?;
        Some(self.tag_rule(index))
    }

    fn tag_rule(&self, index: usize) -> RuleId {
        let name = self.config.blocked_tags.get(index).cloned().unwrap_or_default();
        RuleId { kind: RuleKind::Tag, index, name }
    }

    fn glob_index(&self, folded: &[u8]) -> Option<usize> {
        self.globs.iter().position(|glob| glob.matches(folded))
    }
}

impl RuleId {
    pub(crate) fn unreadable() -> Self {
        Self { kind: RuleKind::Unreadable, index: 0, name: String::from("unreadable") }
    }
}

/// Whether `name` folds to `wanted`, without making a folded copy.
fn same(name: &[u8], wanted: &[u8]) -> bool {
    let kept = |byte: &&u8| !matches!(byte, b'.' | b'_' | b'-' | b'/' | b':' | b' ');
    name.iter().filter(kept).map(u8::to_ascii_lowercase).eq(wanted.iter().copied())
}

fn check_lists(config: &RulesConfig) -> Result<(), RulesError> {
    if !config.allow_all_keys {
        return Err(RulesError::PositiveList);
    }
    let lists = [
        (RuleKind::Key, config.blocked_keys.len()),
        (RuleKind::Value, config.blocked_values_patterns.len()),
        (RuleKind::Tag, config.blocked_tags.len()),
    ];
    if let Some(&(list, got)) = lists.iter().find(|(_, got)| *got > LIST_MAX) {
        return Err(RulesError::TooMany { list, got });
    }
    if config.blocked_keys.is_empty() && config.blocked_values_patterns.is_empty() {
        return Err(RulesError::NoRules);
    }
    Ok(())
}

const LIST_MAX: usize = 256; // every record is compared with every glob

/// Names under which records carry tags, folded.
const TAG_SLOTS: [&[u8]; 5] =
    [b"tag", b"tags", b"classification", b"sensitivity", b"datasensitivity"];
