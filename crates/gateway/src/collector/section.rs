//! Options of one component, taken by name; what nobody takes is refused with the nearest name.

use std::path::Path;
use std::time::Duration;

use super::node::{Content, Entry, Node};
use crate::config::ConfigError;

/// A map of options, and its place.
pub(crate) struct Section<'n> {
    file: &'n Path,
    path: String,
    entries: &'n [Entry],
    line: u64,
    known: Vec<&'static str>,
}

/// One value, and its place.
#[derive(Clone)]
pub(crate) struct Value<'n> {
    file: &'n Path,
    path: String,
    node: &'n Node,
    /// Where its key is, or itself in a list.
    line: u64,
}

impl<'n> Section<'n> {
    /// The top of a file.
    pub(crate) fn top(file: &'n Path, node: &'n Node) -> Result<Self, ConfigError> {
        Value { file, path: String::new(), node, line: node.line.max(1) }.section()
    }

    /// The option of this name, if it is written.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Value<'n>> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(self.value(entry))
    }

    /// Every option with its name: for maps whose names are the user's.
    pub(crate) fn all(self) -> Vec<(&'n str, Value<'n>)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), self.value(entry))).collect()
    }

    fn value(&self, entry: &'n Entry) -> Value<'n> {
        let path = join(&self.path, &entry.key);
        Value { file: self.file, path, node: &entry.value, line: entry.line }
    }

    /// Refuses what was not taken. `instead` has what stands for options of the collector that are
    /// not supported.
    pub(crate) fn finish(self, instead: &[(&str, &str)]) -> Result<(), ConfigError> {
        let Some(entry) = self.entries.iter().find(|e| !self.known.contains(&&*e.key)) else {
            return Ok(());
        };
        let named = instead.iter().find(|(key, _)| *key == entry.key);
        let nearest = named.map_or_else(
            || format!("`{}`", nearest(&entry.key, &self.known)),
            |(_, words)| (*words).to_owned(),
        );
        let found = if named.is_some() { "is not supported" } else { "there is no such option" };
        let fault = format!("{found}; the nearest supported is {nearest}");
        Err(self.value(entry).fault(&fault))
    }

    /// Something is wrong with the whole.
    pub(crate) fn fault(&self, problem: &str) -> ConfigError {
        ConfigError::at(self.file, self.line, format!("{}: {problem}", self.path))
    }
}

impl<'n> Value<'n> {
    /// Something is wrong with it: file, line and name in front.
    pub(crate) fn fault(&self, problem: &str) -> ConfigError {
        let name = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        ConfigError::at(self.file, self.line, format!("{name}{problem}"))
    }

    /// The line of its name, from 1.
    pub(crate) const fn line(&self) -> u64 {
        self.line
    }

    /// A map; nothing is an empty one, as in the collector.
    pub(crate) fn section(&self) -> Result<Section<'n>, ConfigError> {
        let entries: &'n [Entry] = match &self.node.content {
            Content::Map(entries) => entries,
            Content::Null => &[],
            Content::Scalar(_) | Content::List(_) => return Err(self.expected("a map of options")),
        };
        let (file, path, line) = (self.file, self.path.clone(), self.line);
        Ok(Section { file, path, entries, line, known: Vec::new() })
    }

    /// A text.
    pub(crate) fn text(&self) -> Result<&'n str, ConfigError> {
        match &self.node.content {
            Content::Scalar(text) => Ok(text),
            Content::Null | Content::Map(_) | Content::List(_) => Err(self.expected("a text")),
        }
    }

    /// Whether it is a text, where a list element may be one or a map.
    pub(crate) const fn is_text(&self) -> bool {
        matches!(self.node.content, Content::Scalar(_))
    }

    /// A whole number in a range.
    pub(crate) fn integer(&self, low: u64, high: u64) -> Result<u64, ConfigError> {
        let number: Option<u64> = self.text()?.parse().ok();
        number
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(|| self.expected(&format!("{low} to {high}")))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Result<bool, ConfigError> {
        match self.text()? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.expected("true or false")),
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let text = self.text()?;
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let nearest = nearest(text, &words);
            self.fault(&format!("{text:?} is not supported; the nearest supported is `{nearest}`"))
        })
    }

    /// A duration as Go writes it: `10s`, `200ms`, `1m30s`.
    pub(crate) fn duration(&self) -> Result<Duration, ConfigError> {
        duration(self.text()?).ok_or_else(|| self.expected("a duration such as 10s or 200ms"))
    }

    /// The elements of a list.
    pub(crate) fn list(&self) -> Result<Vec<Self>, ConfigError> {
        match &self.node.content {
            Content::List(nodes) => {
                let element = |(index, node): (usize, &'n Node)| {
                    let path = format!("{}[{index}]", self.path);
                    Self { file: self.file, path, node, line: node.line }
                };
                Ok(nodes.iter().enumerate().map(element).collect())
            }
            Content::Null => Ok(Vec::new()),
            Content::Scalar(_) | Content::Map(_) => Err(self.expected("a list")),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&self) -> Result<Vec<String>, ConfigError> {
        self.list()?.iter().map(|value| value.text().map(str::to_owned)).collect()
    }

    fn expected(&self, what: &str) -> ConfigError {
        let found = match &self.node.content {
            Content::Null => "nothing".to_owned(),
            Content::Scalar(text) => format!("{text:?}"),
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a map".to_owned(),
        };
        self.fault(&format!("expected {what}, found {found}"))
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().ok()?;
        let ms = match unit {
            "ms" => number,
            "s" => number.checked_mul(1_000)?,
            "m" => number.checked_mul(60_000)?,
            "h" => number.checked_mul(3_600_000)?,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(ms))?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// The name with the fewest changes to `word`; the first of those that are equally near.
pub(crate) fn nearest<'c>(word: &str, candidates: &[&'c str]) -> &'c str {
    let near = candidates.iter().min_by_key(|candidate| distance(word, candidate));
    near.copied().unwrap_or("none")
}

/// Levenshtein's distance, with letters that are swapped counted as two.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, wanted) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, ms) in [("10s", 10_000), ("200ms", 200), ("1m30s", 90_000), ("0s", 0)] {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "10", "s", "10 s", "-1s", "1d", "99999999999999999999s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["blocked_keys", "blocked_values", "allowed_keys", "summary"];
        assert_eq!(nearest("blocked_key", &names), "blocked_keys");
        assert_eq!(nearest("sumary", &names), "summary");
        assert_eq!(nearest("blocked_valeus", &names), "blocked_values");
    }
}
