//! Spans, cut to references: ids, parent, kind, times, status, and a name that the contract lists.

use lucarne_ledger::record::Stream;
use lucarne_otlp::view::{Span, TracesRequest};
use lucarne_otlp::wire::{WireError, Writer};

use super::{Pass, ids};
use crate::contract::Contract;
use crate::limits::LINKS_MAX;
use crate::tally::{Key, Reason, Tally};

impl Pass<'_, '_> {
    pub(super) fn traces(&mut self, request: &[u8]) -> Result<(), WireError> {
        for resource in TracesRequest::new(request).resources() {
            let resource = resource?;
            self.enter_resource(&resource.resource)?;
            for scope in resource.scopes() {
                for span in scope?.spans() {
                    self.span(&span?)?;
                }
            }
        }
        Ok(())
    }

    fn span(&mut self, span: &Span<'_>) -> Result<(), WireError> {
        let Self { contract, run, tally, .. } = self;
        count_withheld(tally, span)?;
        let kept = run.record(Stream::Traces, |writer| write(contract, tally, span, writer))?;
        if !kept {
            self.tally.add(Key::SPAN, Reason::Empty);
        }
        Ok(())
    }
}

/// Writes the reference; false when the span has no ids to refer to.
fn write(
    contract: &Contract,
    tally: &mut Tally,
    span: &Span<'_>,
    writer: &mut Writer<'_>,
) -> Result<bool, WireError> {
    let (Some(trace_id), Some(span_id)) = (
        ids::trace_id(contract, tally, span.trace_id),
        ids::span_id(contract, tally, span.span_id),
    ) else {
        return Ok(false);
    };
    writer.bytes(1, trace_id);
    writer.bytes(2, span_id);
    if let Some(parent) = ids::span_id(contract, tally, span.parent_span_id) {
        writer.bytes(4, parent);
    }
    if contract.span_names.contains(span.name) {
        writer.bytes(5, span.name.as_bytes());
    } else if !span.name.is_empty() {
        tally.add(Key::SPAN_NAME, Reason::Unlisted);
    }
    if (1..=SPAN_KIND_MAX).contains(&span.kind) {
        writer.varint(6, u64::from(span.kind));
    }
    for (number, time) in [(7, span.start_time_unix_nano), (8, span.end_time_unix_nano)] {
        let rounded = time.saturating_sub(time.checked_rem(contract.round_nanos).unwrap_or(0));
        if rounded != 0 {
            writer.fixed64(number, rounded);
        }
    }
    links(contract, tally, span, writer)?;
    if let Some(status) = &span.status
        && (1..=STATUS_CODE_MAX).contains(&status.code)
    {
        writer.message(15, |writer| writer.varint(3, u64::from(status.code)));
    }
    if span.flags & SPAN_FLAGS != 0 {
        writer.fixed32(16, span.flags & SPAN_FLAGS);
    }
    Ok(true)
}

fn links(
    contract: &Contract,
    tally: &mut Tally,
    span: &Span<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), WireError> {
    let mut written = 0_usize;
    for link in span.links() {
        let link = link?;
        if written >= LINKS_MAX {
            tally.add(Key::SPAN_LINK, Reason::Limit);
            continue;
        }
        let ids = (
            ids::trace_id(contract, tally, link.trace_id),
            ids::span_id(contract, tally, link.span_id),
        );
        let (Some(trace_id), Some(span_id)) = ids else {
            tally.add(Key::SPAN_LINK, Reason::Empty);
            continue;
        };
        writer.message(13, |writer| {
            writer.bytes(1, trace_id);
            writer.bytes(2, span_id);
            if link.flags & SPAN_FLAGS != 0 {
                writer.fixed32(6, link.flags & SPAN_FLAGS);
            }
        });
        written = written.saturating_add(1);
    }
    Ok(())
}

/// Counts what no contract can let pass, and sees that it is OTLP all the same.
fn count_withheld(tally: &mut Tally, span: &Span<'_>) -> Result<(), WireError> {
    for attribute in span.attributes() {
        attribute?.value.check()?;
        tally.add(Key::SPAN_ATTRIBUTE, Reason::Unlisted);
    }
    for event in span.events() {
        for attribute in event?.attributes() {
            attribute?.value.check()?;
        }
        tally.add(Key::SPAN_EVENT, Reason::Unlisted);
    }
    if !span.trace_state.is_empty() {
        tally.add(Key::TRACE_STATE, Reason::Unlisted);
    }
    if span.status.as_ref().is_some_and(|status| !status.message.is_empty()) {
        tally.add(Key::STATUS_MESSAGE, Reason::Unlisted);
    }
    Ok(())
}

/// `SPAN_KIND_CONSUMER`.
const SPAN_KIND_MAX: u32 = 5;

/// `STATUS_CODE_ERROR`.
const STATUS_CODE_MAX: u32 = 2;

/// The bits of `flags` that OTLP defines for spans and links: W3C trace flags, and whether the
/// parent is remote.
const SPAN_FLAGS: u32 = 0x3ff;
