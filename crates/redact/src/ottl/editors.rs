//! Editors: each writes one message anew.
//!
//! A map is taken apart into its pairs, whose values stay encoded, and written again; what an
//! editor does not touch is copied and not decoded.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::convert;
use super::error::Fault;
use super::evaluate::{Given, Scene};
use super::fields;
use super::functions::Editor;
use super::message::Stack;
use super::metrics;
use super::paths::Level;
use super::program::{Argument, Statement};
use super::value::{DEPTH_MAX, Entries, TEXT_BYTES_MAX, Val};

/// What is to be done with the message that an editor has written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    Nothing,
    /// It takes the place of this one.
    Replace(Level),
    /// It is one metric more.
    Append,
}

/// Runs a statement; whether it did anything.
pub(super) fn execute<'a>(
    statement: &Statement,
    stack: &mut Stack<'a>,
    scratch: &mut Vec<u8>,
) -> Result<bool, Fault> {
    scratch.clear();
    let change = run(statement, stack, scratch)?;
    match change {
        Change::Nothing => return Ok(false),
        Change::Replace(level) => stack.slot_mut(level).exchange(scratch),
        Change::Append => {
            if stack.appended.len() >= APPENDED_MAX {
                return Err(Fault::TooLarge);
            }
            stack.appended.push(core::mem::take(scratch));
        }
    }
    Ok(true)
}

fn run(statement: &Statement, stack: &Stack<'_>, out: &mut Vec<u8>) -> Result<Change, Fault> {
    let scene = Scene { stack };
    if !scene.applies(statement)? {
        return Ok(Change::Nothing);
    }
    let given = Given { scene, arguments: &statement.arguments };
    if statement.editor.is_for_metrics() {
        return metrics::run(statement.editor, given, out);
    }
    let path = given.path(0)?;
    let Some(value) = edited(statement.editor, given)? else {
        return Ok(Change::Nothing);
    };
    let steps = scene.steps(&path.keys)?;
    let written = fields::write(stack, path, &steps, value, out)?;
    Ok(if written { Change::Replace(path.level) } else { Change::Nothing })
}

/// What the target becomes; `None` leaves it as it is.
fn edited<'s>(editor: Editor, given: Given<'s>) -> Result<Option<Val<'s>>, Fault> {
    let value = match editor {
        Editor::Set => match given.value(1)? {
            Val::Nil => return Ok(None),
            value => value,
        },
        Editor::Append => append(given)?,
        Editor::DeleteIndex => delete_index(given)?,
        Editor::ReplaceMatch | Editor::ReplacePattern => {
            let Val::Text(text) = given.value(0)? else {
                return Ok(None);
            };
            match replaced(editor == Editor::ReplaceMatch, &text, given, 1)? {
                Some(text) => Val::Text(Cow::Owned(text)),
                None => return Ok(None),
            }
        }
        _ => Val::Map(edited_map(editor, given, given.map(0)?)?),
    };
    Ok(Some(value))
}

fn edited_map<'s>(
    editor: Editor,
    given: Given<'s>,
    mut map: Entries<'s>,
) -> Result<Entries<'s>, Fault> {
    match editor {
        Editor::DeleteKey => {
            let key = given.text(1)?;
            map.retain(|(name, _)| *name != key);
        }
        Editor::KeepKeys => {
            let keys = given.texts(1)?;
            map.retain(|(name, _)| keys.contains(name));
        }
        Editor::DeleteMatchingKeys => {
            let pattern = given.pattern(1)?;
            map.retain(|(name, _)| !pattern.is_match(name));
        }
        Editor::KeepMatchingKeys => {
            let pattern = given.pattern(1)?;
            map.retain(|(name, _)| pattern.is_match(name));
        }
        Editor::Flatten => return flatten(given, map),
        Editor::Limit => return limit(given, map),
        Editor::MergeMaps => return merge(given, map),
        Editor::ReplaceAllMatches | Editor::ReplaceAllPatterns => {
            replace_all(editor, given, &mut map)?;
        }
        Editor::StringifyAll => {
            for (_, value) in &mut map {
                *value = Val::Text(value.shown()?);
            }
        }
        Editor::TruncateAll => truncate(given, &mut map)?,
        _ => {}
    }
    Ok(map)
}

fn append(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let mut list = match given.value(0)? {
        Val::Nil => Vec::new(),
        Val::List(list) => list,
        Val::Map(_) => return Err(Val::Map(Vec::new()).fault("a value or a list")),
        scalar => Vec::from([scalar]),
    };
    if given.is_absent(1) && given.is_absent(2) {
        return Err(Val::Nil.fault("a value or values"));
    }
    match given.value(1)? {
        Val::Nil => {}
        Val::List(more) => list.extend(more),
        value => list.push(value),
    }
    if !given.is_absent(2) {
        list.extend(given.list(2)?);
    }
    Ok(Val::List(list))
}

fn delete_index(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let mut list = given.list(0)?;
    let start = given.size(1)?;
    let end = if given.is_absent(2) { start.saturating_add(1) } else { given.size(2)? };
    if start > end || end > list.len() {
        return Err(Fault::Range);
    }
    list.drain(start..end);
    Ok(Val::List(list))
}

fn flatten<'s>(given: Given<'s>, map: Entries<'s>) -> Result<Entries<'s>, Fault> {
    let prefix = given.text_or(1, "")?;
    let depth = if given.is_absent(2) { usize::from(DEPTH_MAX) } else { given.size(2)? };
    let mut flat = Flat { entries: Vec::new(), conflicts: given.truth_or(3, false)? };
    for (key, value) in map {
        let key = if prefix.is_empty() { key.into_owned() } else { format!("{prefix}.{key}") };
        flat.put(key, value, depth.min(usize::from(DEPTH_MAX)))?;
    }
    Ok(flat.entries)
}

struct Flat<'s> {
    entries: Entries<'s>,
    conflicts: bool,
}

impl<'s> Flat<'s> {
    fn put(&mut self, key: String, value: Val<'s>, depth: usize) -> Result<(), Fault> {
        if self.entries.len() >= FLAT_MAX {
            return Err(Fault::TooLarge);
        }
        match (value.open()?, depth.checked_sub(1)) {
            (Val::Map(map), Some(depth)) => map
                .into_iter()
                .try_for_each(|(name, value)| self.put(format!("{key}.{name}"), value, depth)),
            (Val::List(list), Some(depth)) => {
                list.into_iter().enumerate().try_for_each(|(index, value)| {
                    // With conflicts resolved, the elements of a list are one more conflict.
                    let name = if self.conflicts { key.clone() } else { format!("{key}.{index}") };
                    self.put(name, value, depth)
                })
            }
            (value, _) => {
                self.leaf(key, value);
                Ok(())
            }
        }
    }

    fn leaf(&mut self, key: String, value: Val<'s>) {
        let taken = |entries: &Entries<'s>, key: &str| entries.iter().any(|(name, _)| name == key);
        if !self.conflicts {
            match self.entries.iter_mut().find(|(name, _)| *name == key) {
                Some((_, slot)) => *slot = value,
                None => self.entries.push((Cow::Owned(key), value)),
            }
            return;
        }
        let mut name = key.clone();
        let mut number = 0_usize;
        while taken(&self.entries, &name) {
            name = format!("{key}.{number}");
            number = number.saturating_add(1);
        }
        self.entries.push((Cow::Owned(name), value));
    }
}

/// The first ones stay; the collector says that it is random which.
fn limit<'s>(given: Given<'s>, map: Entries<'s>) -> Result<Entries<'s>, Fault> {
    let most = given.size(1)?;
    let keys = given.texts(2)?;
    if keys.len() > most {
        return Err(Fault::Range);
    }
    let is_kept = |name: &str| keys.iter().any(|key| key == name);
    let kept = map.iter().filter(|(name, _)| is_kept(name)).count();
    let mut others = most.saturating_sub(kept);
    let mut limited = map;
    limited.retain(|(name, _)| {
        let room = others > 0;
        let priority = is_kept(name);
        if !priority && room {
            others = others.saturating_sub(1);
        }
        priority || room
    });
    Ok(limited)
}

fn merge<'s>(given: Given<'s>, mut map: Entries<'s>) -> Result<Entries<'s>, Fault> {
    let strategy = given.text(2)?;
    for (key, value) in given.map(1)? {
        match map.iter_mut().find(|(name, _)| *name == key) {
            Some((_, slot)) if strategy != "insert" => *slot = value,
            Some(_) => {}
            None if strategy != "update" => map.push((key, value)),
            None => {}
        }
    }
    Ok(map)
}

fn replace_all(editor: Editor, given: Given<'_>, map: &mut Entries<'_>) -> Result<(), Fault> {
    let glob = editor == Editor::ReplaceAllMatches;
    let keys = !glob && given.text(1)? == "key";
    for (name, value) in map {
        if keys {
            if let Some(text) = replaced(false, name, given, 2)? {
                *name = Cow::Owned(text);
            }
        } else if let Val::Text(text) = value.clone().open()?
            && let Some(text) = replaced(glob, &text, given, if glob { 1 } else { 2 })?
        {
            *value = Val::Text(Cow::Owned(text));
        }
    }
    Ok(())
}

/// `text` with the matches of the pattern at argument `at` exchanged; `None` if nothing matches.
fn replaced(whole: bool, text: &str, given: Given<'_>, at: usize) -> Result<Option<String>, Fault> {
    let pattern = given.pattern(at)?;
    let template = given.text(at.saturating_add(1))?;
    let function = match given.arguments.get(at.saturating_add(2)) {
        Some(Argument::Function(converter)) => Some(*converter),
        _ => None,
    };
    let layout = given.text_or(at.saturating_add(3), "%s")?;
    let finish = |text: String| -> Result<String, Fault> {
        let Some(converter) = function else {
            return Ok(text);
        };
        let made = convert::of_text(converter, text, given.scene)?;
        Ok(layout.replace("%s", &made))
    };
    if whole {
        return match pattern.is_match(text) {
            true => finish(template.into_owned()).map(Some),
            false => Ok(None),
        };
    }
    let mut fault = None;
    let made = pattern.replace(text, |groups, out| {
        if out.len() > text.len().saturating_add(TEXT_BYTES_MAX) {
            fault = Some(Fault::TooLarge);
        }
        if fault.is_some() {
            return; // the rest of the matches would only add to what is thrown away
        }
        let mut expanded = String::new();
        groups.expand(&template, &mut expanded);
        match finish(expanded) {
            Ok(text) => out.push_str(&text),
            Err(error) => fault = Some(error),
        }
    });
    fault.map_or(Ok(made), Err)
}

fn truncate(given: Given<'_>, map: &mut Entries<'_>) -> Result<(), Fault> {
    let most = given.size(1)?;
    let marker = given.text_or(3, "")?;
    let room = most.checked_sub(marker.len()).ok_or(Fault::Range)?;
    for (_, value) in map {
        if let Val::Text(text) = value.clone().open()?
            && text.len() > most
        {
            // OTLP text is UTF-8, so a cut is always between characters, whatever is asked for.
            let mut cut = String::from(text.get(..text.floor_char_boundary(room)).unwrap_or(""));
            cut.push_str(&marker);
            *value = Val::Text(Cow::Owned(cut));
        }
    }
    Ok(())
}

const APPENDED_MAX: usize = 256; // a statement that copies its own copies never ends otherwise
const FLAT_MAX: usize = 4096; // more attributes than any backend takes
