//! The `redaction` processor: which keys stay, which values are masked.
//!
//! It has two uses. At the receivers it finds, and what it finds is withheld in the archive; in a
//! pipeline it makes the exported copy. Values of every type are checked and an empty list stands
//! for nothing in it, where others skip both. Patterns ignore case, since a token does not become
//! harmless by shouting. Refused: `redact_all_types: false`, and hashes that this build lacks.

mod mask;

use std::borrow::Cow;
use std::collections::BTreeSet;

use lucarne_redact::{OnHit, Rules, RulesConfig, Shape, Verdict};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::section::{Section, Value};
use crate::config::ConfigError;

/// A configured processor.
#[derive(Debug)]
pub(crate) struct Redaction {
    /// `redaction` or `redaction/name`.
    pub(crate) id: String,
    settings: Settings,
    /// Blocked keys and, where nothing is exempt, patterns, over walked values and raw bytes.
    rules: Option<Rules>,
    /// As written, for the rules of the receivers.
    pub(crate) listed: Listed,
}

/// What the rules of the receivers take over, each with the line where it is written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Listed {
    pub(crate) keys: Vec<(String, u64)>,
    pub(crate) patterns: Vec<(String, u64)>,
}

/// What is done to attributes and values.
#[derive(Debug)]
struct Settings {
    allow_all_keys: bool,
    allowed_keys: BTreeSet<String>,
    ignored_keys: BTreeSet<String>,
    ignored_key_patterns: Option<Patterns>,
    blocked_key_patterns: Option<Patterns>,
    blocked_values: Option<Patterns>,
    allowed_values: Option<Patterns>,
    hash: Option<Hash>,
    summary: Summary,
}

/// Patterns and what they are called.
#[derive(Debug)]
struct Patterns {
    regex: Regex,
    option: &'static str,
}

/// What stands in the place of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hash {
    Sha1,
    Sha3,
}

/// What a copy says of what was done to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Summary {
    Silent,
    Info,
    Debug,
}

/// What was found, and never the value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Finding {
    /// Option and position: a closed set.
    pub(crate) rule: String,
    /// The name at which it was found.
    pub(crate) key: String,
}

impl Redaction {
    /// Reads the options.
    ///
    /// # Errors
    /// With the line and name of what cannot be used.
    pub(crate) fn read(id: &str, mut options: Section<'_>) -> Result<Self, ConfigError> {
        let allow_all_keys = boolean(&mut options, "allow_all_keys", false)?;
        let allowed_keys = texts(&mut options, "allowed_keys")?;
        let ignored_keys = texts(&mut options, "ignored_keys")?;
        let ignored_key_patterns = patterns(&options.take("ignored_key_patterns"), IGNORED)?;
        let blocked_key_patterns = patterns(&options.take("blocked_key_patterns"), KEYS)?;
        let allowed_values = patterns(&options.take("allowed_values"), ALLOWED)?;
        let keys = options.take("blocked_keys");
        let values = [options.take("blocked_values"), options.take("blocked_values_patterns")];
        let blocked_values = blocked(&values)?;
        if let Some(all) = options.take("redact_all_types")
            && !all.boolean()?
        {
            return Err(all.fault("expected true: values of every type are checked here"));
        }
        let hash = options.take("hash_function").map(|v| v.choice(&HASHES)).transpose()?.flatten();
        let summary = options.take("summary").map(|v| v.choice(&SUMMARIES)).transpose()?;
        options.finish(&INSTEAD)?;
        let exempt =
            !ignored_keys.is_empty() || ignored_key_patterns.is_some() || allowed_values.is_some();
        let listed = Listed {
            keys: lined(keys.as_ref())?,
            patterns: if exempt {
                Vec::new()
            } else {
                let [one, other] = &values;
                [lined(one.as_ref())?, lined(other.as_ref())?].concat()
            },
        };
        let rules = listed.rules(keys.as_ref().or(values.iter().flatten().next()))?;
        let settings = Settings {
            allow_all_keys,
            allowed_keys,
            ignored_keys,
            ignored_key_patterns,
            blocked_key_patterns,
            blocked_values,
            allowed_values,
            hash,
            summary: summary.unwrap_or(Summary::Silent),
        };
        Ok(Self { id: id.to_owned(), settings, rules, listed })
    }

    /// The message without what is blocked; `None` when nothing may be shown.
    pub(crate) fn copy<'p>(&self, shape: Shape, message: &'p [u8]) -> Option<Cow<'p, [u8]>> {
        let masked = match self.settings.mask(shape, message).ok()? {
            Some((masked, _)) => Cow::Owned(masked),
            None => Cow::Borrowed(message),
        };
        let Some(rules) = &self.rules else { return Some(masked) };
        match rules.inspect(shape, &masked) {
            Verdict::Clean => Some(masked),
            Verdict::Hit(hit) => rules.rewrite(shape, &masked, &hit).map(Cow::Owned),
        }
    }

    /// Whether it does nothing but what its rules do, which guard the archive too.
    pub(crate) const fn only_guards(&self) -> bool {
        let Settings { allow_all_keys, blocked_key_patterns, blocked_values, .. } = &self.settings;
        let exempts = self.listed.patterns.is_empty() && blocked_values.is_some();
        *allow_all_keys && blocked_key_patterns.is_none() && !exempts
    }

    /// The first thing that is blocked, where `Rules` cannot be asked because something is exempt.
    pub(crate) fn find(&self, shape: Shape, message: &[u8]) -> Option<Finding> {
        match self.settings.mask(shape, message) {
            Ok(None) => None,
            Ok(Some((_, finding))) => finding,
            Err(_) => Some(Finding { rule: "unreadable".to_owned(), key: String::new() }),
        }
    }
}

impl Listed {
    fn rules(&self, at: Option<&Value<'_>>) -> Result<Option<Rules>, ConfigError> {
        if self.keys.is_empty() && self.patterns.is_empty() {
            return Ok(None);
        }
        let texts = |list: &[(String, u64)]| list.iter().map(|(text, _)| text.clone()).collect();
        let config = RulesConfig {
            allow_all_keys: true,
            blocked_keys: texts(&self.keys),
            blocked_values_patterns: texts(&self.patterns),
            blocked_tags: Vec::new(),
            on_hit: OnHit::Rewrite,
        };
        Rules::compile(config).map(Some).map_err(|error| match at {
            Some(value) => value.fault(&error.to_string()),
            None => ConfigError::new("".as_ref(), error.to_string()),
        })
    }
}

fn boolean(
    options: &mut Section<'_>,
    name: &'static str,
    default: bool,
) -> Result<bool, ConfigError> {
    options.take(name).map_or(Ok(default), |value| value.boolean())
}

fn texts(options: &mut Section<'_>, name: &'static str) -> Result<BTreeSet<String>, ConfigError> {
    let written = options.take(name).map(|value| value.texts()).transpose()?;
    Ok(written.unwrap_or_default().into_iter().collect())
}

fn lined(value: Option<&Value<'_>>) -> Result<Vec<(String, u64)>, ConfigError> {
    let list = value.map(Value::list).transpose()?.unwrap_or_default();
    list.iter().map(|value| Ok((value.text()?.to_owned(), value.line()))).collect()
}

fn blocked(written: &[Option<Value<'_>>; 2]) -> Result<Option<Patterns>, ConfigError> {
    let mut elements = Vec::new();
    for value in written.iter().flatten() {
        elements.extend(value.list()?);
    }
    compile(&elements, "blocked_values")
}

fn patterns(
    value: &Option<Value<'_>>,
    option: &'static str,
) -> Result<Option<Patterns>, ConfigError> {
    let elements = value.as_ref().map(Value::list).transpose()?.unwrap_or_default();
    compile(&elements, option)
}

fn compile(elements: &[Value<'_>], option: &'static str) -> Result<Option<Patterns>, ConfigError> {
    let mut texts = Vec::with_capacity(elements.len());
    for element in elements {
        let text = element.text()?;
        let regex = build(&[text]).ok_or_else(|| element.fault("is not a regular expression"))?;
        if regex.is_match("") {
            return Err(element.fault("matches the empty text, and so everything"));
        }
        texts.push(text);
    }
    let Some(last) = elements.last().filter(|_| elements.len() <= LIST_MAX) else {
        return match elements.get(LIST_MAX) {
            None => Ok(None),
            Some(beyond) => Err(beyond.fault("a list has at most 256 patterns")),
        };
    };
    let regex = build(&texts).ok_or_else(|| last.fault("is too large with those before it"))?;
    Ok(Some(Patterns { regex, option }))
}

/// RE2's syntax over bytes: ASCII classes, no regard to case.
fn build(texts: &[&str]) -> Option<Regex> {
    let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(true);
    let config = Regex::config().utf8_empty(false).nfa_size_limit(Some(COMPILED_BYTES_MAX));
    Regex::builder().configure(config).syntax(syntax).build_many(texts).ok()
}

const IGNORED: &str = "ignored_key_patterns";
const KEYS: &str = "blocked_key_patterns";
const ALLOWED: &str = "allowed_values";
const HASHES: [(&str, Option<Hash>); 3] =
    [("none", None), ("sha1", Some(Hash::Sha1)), ("sha3", Some(Hash::Sha3))];
const SUMMARIES: [(&str, Summary); 3] =
    [("silent", Summary::Silent), ("info", Summary::Info), ("debug", Summary::Debug)];
/// Options of the collector that are not here, and what comes nearest.
const INSTEAD: [(&str, &str); 3] = [
    ("url_sanitizer", "`blocked_values` with a pattern of the parts to mask"),
    ("db_sanitizer", "`blocked_values` with a pattern of the parts to mask"),
    ("hmac_key", "`hash_function: sha3`"),
];
const LIST_MAX: usize = 256; // as in the rules of the receivers
const COMPILED_BYTES_MAX: usize = 4 << 20; // likewise

#[cfg(test)]
mod tests;
