//! `label_replace`: sets a label from a part of another one.

use lucarne_logql::ast::LabelReplace;
use lucarne_logql::go_regex::{Anchor, Regex, slot_text};
use lucarne_logql::labels::LabelSet;

use super::series::{Interner, Mapped, Sample};
use crate::engine::error::QueryError;

/// A compiled `label_replace` with what it has computed.
pub(super) struct Replace {
    regex: Regex,
    destination: String,
    source: String,
    template: Vec<Part>,
    mapped: Mapped,
}

/// A part of a replacement: text as it is, or a group by number.
enum Part {
    Text(String),
    Group(usize),
}

impl Replace {
    pub(super) fn compile(of: &LabelReplace) -> Result<Self, QueryError> {
        let regex = Regex::new(&of.regex, Anchor::Whole)
            .map_err(|error| QueryError::Compile { message: error.to_string() })?;
        Ok(Self {
            template: template(&of.replacement, regex.names()),
            regex,
            destination: of.dst.clone(),
            source: of.src.clone(),
            mapped: Mapped::default(),
        })
    }

    pub(super) fn step(&mut self, samples: Vec<Sample>, interner: &mut Interner) -> Vec<Sample> {
        let Self { regex, destination, source, template, mapped } = self;
        samples
            .into_iter()
            .map(|sample| {
                let labels = mapped.of(sample.labels, interner, |set| {
                    replaced(set, regex, source, destination, template)
                });
                Sample { labels, ..sample }
            })
            .collect()
    }
}

fn replaced(
    set: &LabelSet,
    regex: &Regex,
    source: &str,
    destination: &str,
    template: &[Part],
) -> LabelSet {
    let text = set.get(source).unwrap_or("");
    let mut slots = vec![None; regex.slot_count()];
    if !regex.captures(text, &mut slots) {
        return set.clone();
    }
    let mut value = String::new();
    for part in template {
        value.push_str(match part {
            Part::Text(text) => text,
            Part::Group(group) => slot_text(text, &slots, *group),
        });
    }
    let mut set = set.clone();
    set.set(destination, &value);
    set
}

/// Go's `Regexp.Expand`: `$1`, `${1}`, `$name`, `${name}`, `$$`; an unknown group is empty and a
/// lone `$` is itself.
fn template(text: &str, names: &[(usize, String)]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        parts.push(Part::Text(before.to_owned()));
        if let Some(after) = after.strip_prefix('$') {
            parts.push(Part::Text("$".to_owned()));
            rest = after;
            continue;
        }
        let Some((name, after)) = reference(after) else {
            parts.push(Part::Text("$".to_owned()));
            rest = after;
            continue;
        };
        let by_name = || names.iter().find(|(_, known)| known == name).map(|(group, _)| *group);
        // A group that no pattern can have stands for the empty text.
        let number = name.parse().ok();
        parts.push(Part::Group(number.or_else(by_name).unwrap_or(usize::MAX)));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    parts
}

/// The name of a group and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if let Some(braced) = text.strip_prefix('{') {
        let (name, after) = braced.split_once('}')?;
        return (!name.is_empty() && name.chars().all(is_name)).then_some((name, after));
    }
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (name, after) = text.split_at_checked(end)?;
    (!name.is_empty()).then_some((name, after))
}
