//! What may be sealed: payloads that somebody with the authority to do so has let pass.
//!
//! The sealer takes nothing else. Each source of payloads has one constructor whose name contains
//! `assertion`, so a search for that word lists every place where bytes become sealable.

use alloc::vec::Vec;
use core::ops::Range;

use crate::record::Stream;

/// A run of telemetry records of one request, laid out in one buffer.
///
/// Each payload in the buffer begins with four bytes for the index of its context, which the sealer
/// fills in: only it knows where the contexts of the run come to stand in the batch.
#[derive(Debug)]
pub struct Payloads {
    pub(crate) buffer: Vec<u8>,
    pub(crate) contexts: Vec<ContextSlot>,
    pub(crate) records: Vec<RecordSlot>,
}

/// A resource, or a scope of one, that records of the run share.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContextSlot {
    /// The resource of a scope, as its position among the run's contexts; `None` for a resource.
    pub resource: Option<u32>,
    /// Where its payload lies in the buffer: four free bytes, then the OTLP message.
    pub range: Range<usize>,
}

/// One record of the run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordSlot {
    /// Logs, metrics or traces.
    pub stream: Stream,
    /// Its scope, as the position among the run's contexts.
    pub scope: u32,
    /// Where its payload lies in the buffer: four free bytes, then the OTLP message.
    pub range: Range<usize>,
}

impl Payloads {
    /// The contract's word that these bytes may leave. Only `lucarne-contract` calls it.
    ///
    /// Scopes must come after their resource; every range begins with four free bytes.
    pub fn assertion_by_contract(
        buffer: Vec<u8>,
        contexts: Vec<ContextSlot>,
        records: Vec<RecordSlot>,
    ) -> Self {
        Self { buffer, contexts, records }
    }

    /// The messages of the log records of the run, in their order.
    pub fn log_messages(&self) -> impl Iterator<Item = &[u8]> {
        let logs = self.records.iter().filter(|slot| slot.stream == Stream::Logs);
        // Each begins with four bytes for the index of its context.
        logs.filter_map(|slot| self.buffer.get(slot.range.clone())?.get(4..))
    }

    /// Every record of the run as its kind, the message of its resource, and its own message.
    pub fn messages(&self) -> impl Iterator<Item = (Stream, &[u8], &[u8])> {
        let message = |range: &Range<usize>| self.buffer.get(range.clone())?.get(4..);
        let context = |index: u32| self.contexts.get(usize::try_from(index).ok()?);
        self.records.iter().filter_map(move |slot| {
            let resource = context(context(slot.scope)?.resource?)?;
            Some((slot.stream, message(&resource.range)?, message(&slot.range)?))
        })
    }

    /// Number of records, contexts not counted.
    pub fn record_count(&self) -> usize {
        self.records.len()
    }

    /// Bytes held, for the accounting of queues.
    pub fn size_bytes(&self) -> usize {
        self.buffer.len()
            + self.contexts.len() * size_of::<ContextSlot>()
            + self.records.len() * size_of::<RecordSlot>()
    }
}

/// One audit event: the fields of a JSON object without its braces (`"a":1,"b":"x"`), never empty.
///
/// The ledger puts `prev_hash` in front and the braces around it.
#[derive(Debug)]
pub struct AuditEvent {
    pub(crate) fields: Vec<u8>,
}

impl AuditEvent {
    /// The contract's word that these fields may leave. Only `lucarne-contract` calls it.
    pub fn assertion_by_contract(fields: Vec<u8>) -> Self {
        Self { fields }
    }

    /// The enclave's word that these fields say who asked the inside view for what, and nothing
    /// that was found there. Only the recorder of the attested channel calls it.
    pub fn assertion_by_channel(fields: Vec<u8>) -> Self {
        Self { fields }
    }

    /// The enclave's word that these fields say which blocks of its inside view the host keeps or
    /// keeps back: numbers and digests. Only the inside view calls it.
    pub fn assertion_by_inside(fields: Vec<u8>) -> Self {
        Self { fields }
    }

    /// The desk's word that these fields are an entry of its own log, scrubbed of secrets. Only
    /// `lucarne-desk` calls it, for ledgers outside of any TEE.
    pub fn assertion_by_desk(fields: Vec<u8>) -> Self {
        Self { fields }
    }

    /// The fields.
    pub fn fields(&self) -> &[u8] {
        &self.fields
    }

    /// Bytes held, for the accounting of queues.
    pub fn size_bytes(&self) -> usize {
        self.fields.len()
    }
}

/// Sanitised records once more, as JSON objects of a signed log batch; laid out in one buffer.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct JsonLines {
    text: Vec<u8>,
    // where each object ends
    ends: Vec<usize>,
}

/// One of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JsonLine<'a>(pub(crate) &'a [u8]);

impl JsonLines {
    /// The contract's word that these objects say nothing but what it let pass. Only
    /// `lucarne-contract` calls it.
    ///
    /// Each end is where the object before it ends, in rising order.
    pub fn assertion_by_contract(text: Vec<u8>, ends: Vec<usize>) -> Self {
        Self { text, ends }
    }

    /// The objects in their order.
    pub fn lines(&self) -> impl Iterator<Item = JsonLine<'_>> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        let spans = starts.zip(&self.ends);
        spans.filter_map(|(start, end)| self.text.get(start..*end).map(JsonLine))
    }

    /// Number of objects.
    pub fn record_count(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all objects.
    pub fn size_bytes(&self) -> usize {
        self.text.len()
    }
}
