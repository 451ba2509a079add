//! The chain of custody: one line an act, each with the digest of the one before.
//!
//! The head says how many lines there are and what the last one is; the statement signs it. A line
//! that is changed, moved or missing in the middle breaks the chain, one missing at the end leaves
//! it short of its head.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::path::BagPath;
use crate::digest::Digest;
use crate::scrub::Scrubbed;

/// Lines of one bag: ten acts an item.
const LINES_MAX: usize = 10 * super::ITEMS_MAX;
/// Longest line: a purpose at its longest, escaped.
const LINE_BYTES_MAX: usize = 128 * 1024;

/// What was done with an item.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Taken from its source; the digests differ when secrets were taken out or it was encrypted.
    Collected,
    /// Hashed again, and found as it was.
    Hashed,
    /// Copied within the bag's keeping.
    Copied,
    /// Read by a person.
    Accessed,
    /// The bag was copied for somebody else.
    Exported,
    /// Handed over.
    Transferred,
    /// The bag was sealed.
    Sealed,
    /// The bag was verified.
    Verified,
}

/// One line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// From 1, without gaps.
    pub seq: u64,
    /// Milliseconds since 1970 UTC.
    pub wall_ms: u64,
    /// Who did it.
    pub actor: Scrubbed,
    /// What.
    pub act: Act,
    /// With which file.
    pub item: BagPath,
    /// What it was before; of an item that was collected, at its source.
    pub sha256_before: Option<Digest>,
    /// What it is now.
    pub sha256_after: Option<Digest>,
    /// What for.
    pub purpose: Scrubbed,
    /// SHA-256 of the line before, without its line feed; zeros for the first.
    pub prev: Digest,
}

/// An act that has no place in a chain yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Deed {
    /// Milliseconds since 1970 UTC.
    pub wall_ms: u64,
    /// Who does it.
    pub actor: Scrubbed,
    /// What.
    pub act: Act,
    /// With which file.
    pub item: BagPath,
    /// What it was before.
    pub before: Option<Digest>,
    /// What it is now.
    pub after: Option<Digest>,
    /// What for.
    pub purpose: Scrubbed,
}

/// Where a chain ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Lines.
    pub count: u64,
    /// SHA-256 of the last line without its line feed; zeros when there is none.
    pub sha256: Digest,
}

/// A whole chain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Custody {
    lines: Vec<Line>,
    hashes: Vec<Digest>,
}

/// The chain does not hold at a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Broken {
    /// The line, from 1.
    pub line: u64,
}

impl Custody {
    /// Reads a file of custody.
    ///
    /// # Errors
    /// At the first line that is not in its one spelling or does not follow from the one before.
    pub fn parse(bytes: &[u8]) -> Result<Self, Broken> {
        let mut custody = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let broken = Broken { line: custody.head().count + 1 };
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or(broken)?;
            let (text, after) = rest.split_at(end);
            if custody.lines.len() >= LINES_MAX || text.len() > LINE_BYTES_MAX {
                return Err(broken);
            }
            let line: Line = serde_json::from_slice(text).map_err(|_| broken)?;
            let head = custody.head();
            let follows = line.seq == broken.line && line.prev == head.sha256;
            if !follows || encode(&line) != text {
                return Err(broken);
            }
            custody.take(line);
            rest = after.get(1..).unwrap_or_default();
        }
        Ok(custody)
    }

    /// Adds an act and returns its line with the line feed, to be appended to the file.
    pub fn append(&mut self, deed: Deed) -> Vec<u8> {
        let head = self.head();
        let line = Line {
            seq: head.count + 1,
            wall_ms: deed.wall_ms,
            actor: deed.actor,
            act: deed.act,
            item: deed.item,
            sha256_before: deed.before,
            sha256_after: deed.after,
            purpose: deed.purpose,
            prev: head.sha256,
        };
        let mut bytes = encode(&line);
        self.take(line);
        bytes.push(b'\n');
        bytes
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Where it ends.
    pub fn head(&self) -> Head {
        self.head_at(self.lines.len()).unwrap_or(NO_HEAD)
    }

    /// Where it ended after so many lines; nothing when there are fewer.
    pub fn head_at(&self, count: usize) -> Option<Head> {
        let Some(last) = count.checked_sub(1) else { return Some(NO_HEAD) };
        let sha256 = *self.hashes.get(last)?;
        Some(Head { count: count as u64, sha256 })
    }

    /// The last digest that custody has of a file.
    pub fn last_of(&self, item: &BagPath) -> Option<Digest> {
        self.lines.iter().rev().find(|line| line.item == *item)?.sha256_after
    }

    fn take(&mut self, line: Line) {
        self.hashes.push(Digest::of(&encode(&line)));
        self.lines.push(line);
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the chain of custody does not hold at line {}", self.line)
    }
}

impl std::error::Error for Broken {}

#[expect(clippy::expect_used, reason = "a line has no maps and no numbers but integers")]
fn encode(line: &Line) -> Vec<u8> {
    serde_json::to_vec(line).expect("a line is JSON")
}

const NO_HEAD: Head = Head { count: 0, sha256: Digest(lucarne_ledger::hash::Hash([0; 32])) };
