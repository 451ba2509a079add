//! The parsers `regexp` and `pattern`: named captures as labels.

use alloc::vec::Vec;

use regex_automata::util::primitives::NonMaxUsize;

use super::error::CompileError;
use super::working::{Full, Labels};
use crate::go_regex::{Anchor, Regex, slot_text};
use crate::pattern_filter::CapturePattern;

/// Slots of a search; see [`Regex::slot_count`].
pub(super) type Slots = Vec<Option<NonMaxUsize>>;

/// Compiles the expression of `| regexp`.
pub(super) fn regexp(source: &str) -> Result<Regex, CompileError> {
    let regex = Regex::new(source, Anchor::Unanchored)?;
    if regex.names().is_empty() {
        return Err(CompileError::NoNamedGroup { pattern: source.into() });
    }
    for (_, name) in regex.names() {
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(CompileError::GroupName { name: name.clone() });
        }
    }
    Ok(regex)
}

/// Every named group of the first match; a group that took no part is empty.
pub(super) fn extract_groups(
    regex: &Regex,
    line: &str,
    labels: &mut Labels<'_>,
    slots: &mut Slots,
) -> Result<(), Full> {
    slots.clear();
    slots.resize(regex.slot_count(), None);
    if regex.captures(line, slots) {
        for (group, name) in regex.names() {
            labels.extract(name, slot_text(line, slots, *group))?;
        }
    }
    Ok(())
}

/// Every named capture.
pub(super) fn extract_captures(
    pattern: &CapturePattern,
    line: &str,
    labels: &mut Labels<'_>,
) -> Result<(), Full> {
    let mut done = Ok(());
    pattern.captures(line, |name, value| {
        if done.is_ok() {
            done = labels.extract(name, value);
        }
    });
    done
}
