//! Runs of payloads: accepted records of a request, laid out for the sealer.
//!
//! Records are written into one buffer, each behind four free bytes, and their resource and scope
//! are put beside them when the first record needs them. A run that is full is cut off and the next
//! one begins with the contexts again, so each can be sealed by itself.

use alloc::vec::Vec;

use lucarne_ledger::payload::{ContextSlot, Payloads, RecordSlot};
use lucarne_ledger::record::Stream;
use lucarne_otlp::wire::Writer;

use crate::limits::{RUN_BYTES_MAX, RUN_RECORDS_MAX, SCRATCH_KEPT_BYTES};

/// The run that is being written, and those that are full.
#[derive(Debug, Default)]
pub(crate) struct Run {
    buffer: Vec<u8>,
    contexts: Vec<ContextSlot>,
    records: Vec<RecordSlot>,
    finished: Vec<Payloads>,
    // The resource and scope of the records to come, encoded.
    resource: Vec<u8>,
    scope: &'static [u8],
    // Where that scope stands among the contexts of this run, once a record has needed it.
    scope_position: Option<u32>,
}

impl Run {
    /// Begins anew; `scope` is the encoded scope of every record.
    pub(crate) fn begin(&mut self, scope: &'static [u8]) {
        self.clear();
        self.finished.clear();
        self.resource.clear();
        self.scope = scope;
    }

    /// The encoded resource of the records to come.
    pub(crate) fn set_resource(&mut self, resource: &[u8]) {
        if self.resource != resource {
            self.resource.clear();
            self.resource.extend_from_slice(resource);
            self.scope_position = None;
        }
    }

    /// Writes one record, unless `write` says or fails that there is none.
    #[inline]
    pub(crate) fn record<E>(
        &mut self,
        stream: Stream,
        write: impl FnOnce(&mut Writer<'_>) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&FREE);
        let written = write(&mut Writer::new(&mut self.buffer));
        if matches!(written, Ok(true)) {
            self.place(stream, start);
        } else {
            self.buffer.truncate(start);
        }
        written
    }

    /// Ends the last run and gives all of them away.
    pub(crate) fn finish(&mut self) -> Vec<Payloads> {
        self.cut(self.buffer.len());
        self.buffer.shrink_to(SCRATCH_KEPT_BYTES);
        self.resource.shrink_to(SCRATCH_KEPT_BYTES);
        core::mem::take(&mut self.finished)
    }

    /// Enters the record that stands from `start` to the end of the buffer.
    fn place(&mut self, stream: Stream, start: usize) {
        let contexts = self.resource.len().saturating_add(self.scope.len()).saturating_add(8);
        let full = self.records.len() >= RUN_RECORDS_MAX
            || self.buffer.len().saturating_add(contexts) > RUN_BYTES_MAX;
        let start = if full && !self.records.is_empty() {
            self.cut(start);
            0
        } else {
            start
        };
        let range = start..self.buffer.len();
        let scope = self.scope_position();
        self.records.push(RecordSlot { stream, scope, range });
    }

    /// Ends the run before `end`; what stands behind it begins the next.
    fn cut(&mut self, end: usize) {
        if !self.records.is_empty() {
            // Copied to size, so that what is queued counts what it holds.
            let buffer = self.buffer.get(..end).unwrap_or(&[]).to_vec();
            let contexts = self.contexts.as_slice().to_vec();
            let records = self.records.as_slice().to_vec();
            let run = Payloads::assertion_by_contract(buffer, contexts, records);
            self.finished.push(run);
        }
        self.buffer.drain(..end.min(self.buffer.len()));
        let rest = core::mem::take(&mut self.buffer);
        self.clear();
        self.buffer = rest;
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.contexts.clear();
        self.records.clear();
        self.scope_position = None;
    }

    #[inline]
    fn scope_position(&mut self) -> u32 {
        if let Some(position) = self.scope_position {
            return position;
        }
        let resource = self.contexts.len();
        let range = append(&mut self.buffer, &self.resource);
        self.contexts.push(ContextSlot { resource: None, range });
        let range = append(&mut self.buffer, self.scope);
        // A run holds at most a context a record, so positions are far below 2^32.
        let resource = u32::try_from(resource).unwrap_or(u32::MAX);
        self.contexts.push(ContextSlot { resource: Some(resource), range });
        let position = resource.saturating_add(1);
        self.scope_position = Some(position);
        position
    }
}

fn append(buffer: &mut Vec<u8>, message: &[u8]) -> core::ops::Range<usize> {
    let start = buffer.len();
    buffer.extend_from_slice(&FREE);
    buffer.extend_from_slice(message);
    start..buffer.len()
}

/// The free bytes before each payload, for the index of its context.
const FREE: [u8; 4] = [0; 4];
