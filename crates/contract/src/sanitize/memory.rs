//! What is remembered of series between requests, so that counters stay counters.
//!
//! Where a label is removed, one series of the output stands for many of the input. Each of those
//! may begin anew, fall silent or come with another request; a plain sum would then go down, and
//! every reader would take that for a restart. So increments of each input are added to the output.
//! The same place holds back a series until it stands for enough observations (`min_cohort`).
//! Inputs are known by a digest. The bytes held are bounded; what does not fit is refused.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use lucarne_ledger::hash::Hash;

use super::points::Merged;
use crate::limits::{MEMORY_BYTES_MAX, SILENT_NANOS};

/// Series between requests. It holds values of the workload, so it shows itself to nobody.
#[derive(Default)]
pub struct Memory {
    series: BTreeMap<[u8; 32], Series>,
    bytes: usize,
    newest: u64,
    // the last time of what was forgotten: a series that began before was counted already
    forgotten: u64,
    // when it was last looked for what is silent
    swept: Option<u64>,
    undo: Vec<([u8; 32], Option<Series>)>,
}

/// What is known of a series of the input or of the output.
pub(super) struct Series {
    /// Its last point, or what is held back of it.
    pub(super) value: Option<Merged>,
    /// Observations when it last left.
    pub(super) left: u64,
    seen: u64,
}

/// There is no room for another series.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full;

impl Memory {
    /// Makes what the last request changed final.
    pub fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes back what the last request changed: it was refused, and will come again.
    pub fn undo(&mut self) {
        for (key, before) in core::mem::take(&mut self.undo).into_iter().rev() {
            self.replace(key, before);
        }
    }

    /// What a cumulative point adds to the output, which it is remembered for.
    pub(super) fn increment(&mut self, key: &Hash, point: &Merged) -> Result<Merged, Full> {
        let before = self.series.get(&key.0).and_then(|series| series.value.as_ref());
        if before.is_some_and(|before| before.time > point.time && point.time != 0) {
            // Late: what it says is in the later one already.
            return Ok(before.map_or_else(|| point.clone(), |before| before.since(before)));
        }
        let more = match before {
            Some(before) => point.since(before),
            None if point.began_before(self.forgotten) => point.since(point),
            None => point.clone(),
        };
        if !point.is_none() {
            self.put(key, Series { value: Some(point.clone()), left: 0, seen: point.time })?;
        }
        Ok(more)
    }

    pub(super) fn get(&self, key: &Hash) -> Option<&Series> {
        self.series.get(&key.0)
    }

    /// Remembers what an output stands for.
    pub(super) fn set(
        &mut self,
        key: &Hash,
        value: Option<Merged>,
        left: u64,
        seen: u64,
    ) -> Result<(), Full> {
        self.put(key, Series { value, left, seen })
    }

    fn put(&mut self, key: &Hash, series: Series) -> Result<(), Full> {
        self.newest = self.newest.max(series.seen);
        let is_new = !self.series.contains_key(&key.0);
        if is_new && self.bytes >= MEMORY_BYTES_MAX {
            // All of it is walked, so not for every point.
            let pause = SILENT_NANOS / 4;
            if self.swept.is_none_or(|swept| self.newest >= swept.saturating_add(pause)) {
                self.forget();
            }
            if self.bytes >= MEMORY_BYTES_MAX {
                return Err(Full);
            }
        }
        let before = self.replace(key.0, Some(series));
        self.undo.push((key.0, before));
        Ok(())
    }

    fn replace(&mut self, key: [u8; 32], series: Option<Series>) -> Option<Series> {
        let size = |series: &Option<Series>| series.as_ref().map_or(0, Series::size_bytes);
        let added = size(&series);
        let before = match series {
            Some(series) => self.series.insert(key, series),
            None => self.series.remove(&key),
        };
        self.bytes = self.bytes.saturating_add(added).saturating_sub(size(&before));
        before
    }

    /// Drops what has been silent.
    fn forget(&mut self) {
        let horizon = self.newest.saturating_sub(SILENT_NANOS);
        let (mut bytes, mut forgotten) = (0_usize, self.forgotten);
        self.series.retain(|_, series| {
            let kept = series.seen > horizon;
            if kept {
                bytes = bytes.saturating_add(series.size_bytes());
            } else {
                forgotten = forgotten.max(series.seen);
            }
            kept
        });
        (self.bytes, self.forgotten) = (bytes, forgotten);
        self.swept = Some(self.newest);
    }
}

impl Series {
    fn size_bytes(&self) -> usize {
        // A node of the tree and the key beside the value.
        self.value.as_ref().map_or(64, Merged::size_bytes).saturating_add(96)
    }
}
