//! The labels of one line while it goes through a pipeline.
//!
//! Labels of the stream and structured metadata are not copied: what is taken away is marked, and
//! only what stages add lies in one text buffer that the next line uses again. A name belongs to
//! one class: what a stage sets hides the same name elsewhere.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use super::Input;

/// Where a label comes from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// Names the stream.
    Stream,
    /// Came beside the line.
    Metadata,
    /// A stage made it.
    Parsed,
}

/// What is added and taken away; buffers are kept from line to line.
#[derive(Debug, Default)]
pub(crate) struct Working {
    text: String,
    entries: Vec<Entry>,
    /// Open addressing over `entries`, one above the index; used from [`SCAN_MAX`] entries on.
    slots: Vec<u32>,
    gone: [Vec<bool>; 2],
    error: Option<&'static str>,
    details: String,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    name: Range,
    value: Range,
    class: Class,
    live: bool,
}

/// Start and end in the text buffer, which is smaller than 4 GiB.
type Range = (u32, u32);

/// The text of a line's labels is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Full;

impl Working {
    pub(crate) fn reset(&mut self) {
        self.text.clear();
        if self.entries.len() > SCAN_MAX {
            self.slots.clear();
        }
        self.entries.clear();
        self.gone.iter_mut().for_each(Vec::clear);
        self.error = None;
        self.details.clear();
    }

    fn slice(&self, range: Range) -> &str {
        let bound = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        self.text.get(bound(range.0)..bound(range.1)).unwrap_or("")
    }

    fn find(&self, name: &str) -> Option<usize> {
        let hash = hash(name);
        let same = |entry: &Entry| entry.hash == hash && self.slice(entry.name) == name;
        if self.entries.len() <= SCAN_MAX {
            return self.entries.iter().position(same);
        }
        let mut slot = self.slot_of(hash);
        loop {
            let index = usize::try_from(*self.slots.get(slot)?).ok()?.checked_sub(1)?;
            if self.entries.get(index).is_some_and(same) {
                return Some(index);
            }
            slot = self.next_slot(slot);
        }
    }

    /// The number of slots is a power of two.
    fn slot_of(&self, hash: u32) -> usize {
        usize::try_from(hash).unwrap_or(0) & self.slots.len().wrapping_sub(1)
    }

    fn next_slot(&self, slot: usize) -> usize {
        slot.wrapping_add(1) & self.slots.len().wrapping_sub(1)
    }

    /// Makes the slots anew when they are more than half full.
    fn index(&mut self) {
        if self.entries.len() <= SCAN_MAX {
            return;
        }
        let wanted = self.entries.len().saturating_mul(2);
        let first = if wanted > self.slots.len() {
            let size = wanted.saturating_mul(2).next_power_of_two();
            self.slots.clear();
            self.slots.resize(size, 0);
            0
        } else {
            self.entries.len().saturating_sub(1)
        };
        for index in first..self.entries.len() {
            let Some(entry) = self.entries.get(index) else { return };
            let mut slot = self.slot_of(entry.hash);
            while self.slots.get(slot).is_some_and(|taken| *taken != 0) {
                slot = self.next_slot(slot);
            }
            if let Some(free) = self.slots.get_mut(slot) {
                *free = u32::try_from(index.saturating_add(1)).unwrap_or(0);
            }
        }
    }

    fn push_text(&mut self, parts: [&str; 2]) -> Result<Range, Full> {
        let more = parts.iter().map(|part| part.len()).sum::<usize>();
        if self.text.len().saturating_add(more) > LABEL_BYTES_MAX {
            return Err(Full);
        }
        let end = |text: &String| u32::try_from(text.len()).map_err(|_| Full);
        let start = end(&self.text)?;
        parts.iter().for_each(|part| self.text.push_str(part));
        Ok((start, end(&self.text)?))
    }

    fn put(&mut self, class: Class, name: [&str; 2], value: &str) -> Result<(), Full> {
        let value = self.push_text([value, ""])?;
        let name = self.push_text(name)?;
        let hash = hash(self.slice(name));
        if self.entries.len() >= LABELS_MAX {
            return Err(Full);
        }
        self.entries.push(Entry { hash, name, value, class, live: true });
        self.index();
        Ok(())
    }

    fn is_gone(&self, side: usize, at: usize) -> bool {
        self.gone.get(side).and_then(|gone| gone.get(at)).copied().unwrap_or(false)
    }

    fn hide(&mut self, side: usize, at: usize) {
        if let Some(gone) = self.gone.get_mut(side) {
            if gone.len() <= at {
                gone.resize(at.saturating_add(1), false);
            }
            if let Some(mark) = gone.get_mut(at) {
                *mark = true;
            }
        }
    }
}

/// The labels of one line as stages see them.
pub(crate) struct Labels<'a> {
    pub(crate) input: &'a Input<'a>,
    pub(crate) own: &'a mut Working,
}

impl<'a> Labels<'a> {
    /// Begins a line. Metadata with the name of a stream label gets `_extracted`.
    pub(crate) fn begin(input: &'a Input<'a>, own: &'a mut Working) -> Self {
        own.reset();
        for (at, (name, value)) in input.metadata.iter().enumerate() {
            if input.stream.get(name).is_some() {
                own.hide(METADATA, at);
                // Full at the first label cannot be: metadata is bounded by its store.
                let _ = own.put(Class::Metadata, [name, EXTRACTED], value);
            }
        }
        Self { input, own }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|(_, value)| value)
    }

    /// The value of a name with its class; the error labels belong to what was parsed.
    pub(crate) fn find(&self, name: &str) -> Option<(Class, &str)> {
        find(self.input, self.own, name)
    }

    pub(crate) fn error(&self) -> Option<&'static str> {
        self.own.error
    }

    /// Marks the line. Of several errors the last is shown.
    pub(crate) fn fail(&mut self, kind: &'static str, details: &dyn fmt::Display) {
        self.own.error = Some(kind);
        self.own.details.clear();
        let _ = write!(self.own.details, "{details}");
    }

    /// A parser found a field: it gets `_extracted` beside a stream label of its name, and what was
    /// found first stays.
    pub(crate) fn extract(&mut self, name: &str, value: &str) -> Result<(), Full> {
        if name.is_empty() {
            return Ok(());
        }
        let suffix = if self.input.stream.position(name).is_some() { EXTRACTED } else { "" };
        let known = if suffix.is_empty() {
            self.own.find(name)
        } else {
            let full = self.own.push_text([name, suffix])?;
            let known = self.own.find(self.own.slice(full));
            self.own.text.truncate(usize::try_from(full.0).unwrap_or(0));
            known
        };
        if let Some(index) = known {
            let parsed = |entry: &Entry| entry.live && entry.class == Class::Parsed;
            if self.own.entries.get(index).is_some_and(parsed) {
                return Ok(());
            }
            return self.replace(index, Class::Parsed, value);
        }
        // Without the suffix the name is no label of the stream.
        if suffix.is_empty() {
            self.hide_metadata(name);
        }
        self.own.put(Class::Parsed, [name, suffix], value)
    }

    /// Sets a label whatever was there.
    pub(crate) fn set(&mut self, class: Class, name: &str, value: &str) -> Result<(), Full> {
        match self.own.find(name) {
            Some(index) => self.replace(index, class, value),
            None => {
                self.hide_base(name);
                self.own.put(class, [name, ""], value)
            }
        }
    }

    fn replace(&mut self, index: usize, class: Class, value: &str) -> Result<(), Full> {
        let value = self.own.push_text([value, ""])?;
        if let Some(entry) = self.own.entries.get_mut(index) {
            *entry = Entry { value, class, live: true, ..*entry };
        }
        Ok(())
    }

    fn hide_base(&mut self, name: &str) {
        if let Some(at) = self.input.stream.position(name) {
            self.own.hide(STREAM, at);
        }
        self.hide_metadata(name);
    }

    fn hide_metadata(&mut self, name: &str) {
        for (at, (have, _)) in self.input.metadata.iter().enumerate() {
            if *have == name {
                self.own.hide(METADATA, at);
            }
        }
    }

    /// Takes a label away; the error labels can be taken away too.
    pub(crate) fn remove(&mut self, name: &str) {
        match name {
            ERROR => self.own.error = None,
            ERROR_DETAILS => self.own.details.clear(),
            _ => {
                if let Some(entry) = self.own.find(name).and_then(|at| self.own.entries.get_mut(at))
                {
                    entry.live = false;
                }
                self.hide_base(name);
            }
        }
    }

    /// Takes away the labels that the caller does not want; never the error labels.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&str, &str) -> bool) {
        for index in 0..self.own.entries.len() {
            let Some(entry) = self.own.entries.get(index).copied() else { return };
            let keep = wanted(self.own.slice(entry.name), self.own.slice(entry.value));
            if let Some(entry) = self.own.entries.get_mut(index) {
                entry.live = entry.live && keep;
            }
        }
        for (at, (name, value)) in self.input.stream.iter().enumerate() {
            if !wanted(name, value) {
                self.own.hide(STREAM, at);
            }
        }
        for (at, (name, value)) in self.input.metadata.iter().enumerate() {
            if !wanted(name, value) {
                self.own.hide(METADATA, at);
            }
        }
    }
}

/// The value of a name and its class.
pub(crate) fn find<'a>(
    input: &'a Input<'a>,
    own: &'a Working,
    name: &str,
) -> Option<(Class, &'a str)> {
    match name {
        ERROR => return own.error.map(|kind| (Class::Parsed, kind)),
        ERROR_DETAILS => {
            let details = own.details.as_str();
            return (!details.is_empty()).then_some((Class::Parsed, details));
        }
        _ => {}
    }
    if let Some(entry) = own.find(name).and_then(|at| own.entries.get(at))
        && entry.live
    {
        return Some((entry.class, own.slice(entry.value)));
    }
    let metadata = || {
        let mut at = input.metadata.iter().enumerate();
        at.find(|(at, (have, _))| *have == name && !own.is_gone(METADATA, *at))
            .map(|(_, (_, value))| (Class::Metadata, *value))
    };
    let stream = || {
        let at = input.stream.position(name).filter(|at| !own.is_gone(STREAM, *at))?;
        input.stream.at(at).map(|(_, value)| (Class::Stream, value))
    };
    metadata().or_else(stream)
}

/// Each label with its class, the error labels last; in no order to rely on.
pub(crate) fn each<'a>(
    input: &'a Input<'a>,
    own: &'a Working,
) -> impl Iterator<Item = (Class, &'a str, &'a str)> {
    let stream = input.stream.iter().enumerate();
    let stream = stream.filter(|(at, _)| !own.is_gone(STREAM, *at));
    let metadata = input.metadata.iter().enumerate();
    let metadata = metadata.filter(|(at, _)| !own.is_gone(METADATA, *at));
    let set = own.entries.iter().filter(|entry| entry.live);
    let details = (!own.details.is_empty()).then_some(own.details.as_str());
    let errors = [(ERROR, own.error), (ERROR_DETAILS, details)];
    stream
        .map(|(_, (name, value))| (Class::Stream, name, value))
        .chain(metadata.map(|(_, (name, value))| (Class::Metadata, *name, *value)))
        .chain(set.map(|entry| (entry.class, own.slice(entry.name), own.slice(entry.value))))
        .chain(errors.into_iter().filter_map(|(name, value)| Some((Class::Parsed, name, value?))))
}

/// FNV-1a; nobody outside chooses what happens on a collision beyond one more comparison.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The label that says what went wrong with a line.
pub const ERROR: &str = "__error__";
/// The label that says it at length.
pub const ERROR_DETAILS: &str = "__error_details__";
/// What a field gets beside a stream label of its name.
pub(crate) const EXTRACTED: &str = "_extracted";
const STREAM: usize = 0;
const METADATA: usize = 1;
/// Up to here a scan over the hashes is faster than a table.
const SCAN_MAX: usize = 16;
/// A line of 256 KiB holds fewer fields than this, unless it was made to.
const LABELS_MAX: usize = 65_536;
/// Flattening repeats each prefix, so a nested line can grow; a hostile one is stopped here.
pub const LABEL_BYTES_MAX: usize = 4 << 20;
