//! Log records.

use lucarne_ledger::record::Stream;
use lucarne_otlp::view::{AnyValue, EncodedKeyValue, KeyValue, LogRecord, LogsRequest};
use lucarne_otlp::wire::{WireError, Writer};

use super::{Pass, ids};
use crate::contract::Contract;
use crate::severity;
use crate::tally::{Key, Reason, Tally};

impl Pass<'_, '_> {
    pub(super) fn logs(&mut self, request: &[u8]) -> Result<(), WireError> {
        for resource in LogsRequest::new(request).resources() {
            let resource = resource?;
            self.enter_resource(&resource.resource)?;
            for scope in resource.scopes() {
                let scope = scope?;
                let audit = self.contract.audit_scope.as_deref() == Some(scope.scope.name);
                for record in scope.records() {
                    if audit {
                        self.audit_event(&record?)?;
                    } else {
                        self.log_record(&record?)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn log_record(&mut self, record: &LogRecord<'_>) -> Result<(), WireError> {
        let Self { contract, run, tally, .. } = self;
        let kept = run.record(Stream::Logs, |writer| write(contract, tally, record, writer))?;
        if !kept {
            self.tally.add(Key::LOG_RECORD, Reason::Empty);
        }
        Ok(())
    }
}

/// Writes what may leave of a record; false when that is nothing but its time and level.
fn write(
    contract: &Contract,
    tally: &mut Tally,
    record: &LogRecord<'_>,
    writer: &mut Writer<'_>,
) -> Result<bool, WireError> {
    if record.time_unix_nano != 0 {
        writer.fixed64(1, record.time_unix_nano);
    }
    if (1..=SEVERITY_NUMBER_MAX).contains(&record.severity_number) {
        writer.varint(2, u64::from(record.severity_number));
    }
    if !record.severity_text.is_empty() {
        if severity::name_meant(record.severity_text).is_some() {
            writer.bytes(3, record.severity_text.as_bytes());
        } else {
            tally.add(Key::SEVERITY_TEXT, Reason::Unlisted);
        }
    }
    let mut content = body(contract, tally, record, writer)?;
    content |= attributes(contract, tally, record, writer)?;
    if record.flags & TRACE_FLAGS != 0 {
        writer.fixed32(8, record.flags & TRACE_FLAGS);
    }
    if let Some(id) = ids::trace_id(contract, tally, record.trace_id) {
        writer.bytes(9, id);
        content = true;
    }
    if let Some(id) = ids::span_id(contract, tally, record.span_id) {
        writer.bytes(10, id);
        content = true;
    }
    if record.observed_time_unix_nano != 0 {
        writer.fixed64(11, record.observed_time_unix_nano);
    }
    if !record.event_name.is_empty() {
        if contract.events.contains(record.event_name) {
            writer.bytes(12, record.event_name.as_bytes());
            content = true;
        } else {
            tally.add(Key::EVENT_NAME, Reason::Unlisted);
        }
    }
    Ok(content)
}

fn body(
    contract: &Contract,
    tally: &mut Tally,
    record: &LogRecord<'_>,
    writer: &mut Writer<'_>,
) -> Result<bool, WireError> {
    let Some(body) = record.body else { return Ok(false) };
    match contract.bodies.pass(&contract.guard, body) {
        Ok(text) => {
            writer.message(5, |writer| writer.bytes(1, text.as_bytes()));
            Ok(true)
        }
        Err(reason) => {
            body.check()?;
            tally.add(Key::BODY, reason);
            Ok(false)
        }
    }
}

fn attributes(
    contract: &Contract,
    tally: &mut Tally,
    record: &LogRecord<'_>,
    writer: &mut Writer<'_>,
) -> Result<bool, WireError> {
    let mut accepted = NameSet(0);
    let mut withheld = NameSet(0);
    for attribute in record.encoded_attributes() {
        let attribute = attribute?;
        if is_plain(contract, attribute, tally, &mut accepted, writer) {
            continue;
        }
        let KeyValue { key, value } = attribute.parse()?;
        let decided = match contract.log_attributes.find(key.as_bytes()) {
            None if key == WITHHELD => {
                named_as_withheld(contract, value, &mut withheld)?;
                continue;
            }
            None => Err((Key::OTHER, Reason::Unlisted)),
            Some((position, named)) if accepted.holds(position) => {
                Err((named.key, Reason::Duplicate))
            }
            Some((position, named)) => match named.slot.pass(&contract.guard, value) {
                Ok(passed) => {
                    accepted.add(position);
                    named.write(6, passed, writer);
                    Ok(())
                }
                Err(reason) => {
                    withheld.add(position);
                    Err((named.key, reason))
                }
            },
        };
        if let Err((key, reason)) = decided {
            // What does not leave must still be OTLP: the inside store will read it.
            value.check()?;
            tally.add(key, reason);
        }
    }
    let withheld = NameSet(withheld.0 & !accepted.0);
    write_withheld(contract, withheld, writer);
    Ok(accepted.0 != 0 || withheld.0 != 0)
}

/// Decides where nearly all attributes lie, and says whether it did: a value that may leave, under
/// a name that had none before, or a text without a slot. All others are read to be decided about.
#[inline]
fn is_plain(
    contract: &Contract,
    attribute: EncodedKeyValue<'_>,
    tally: &mut Tally,
    accepted: &mut NameSet,
    writer: &mut Writer<'_>,
) -> bool {
    let Some((key, value)) = attribute.pair() else { return false };
    let Some((position, named)) = contract.log_attributes.find(key) else {
        // What is ASCII is OTLP.
        let is_text = value.text().is_some_and(<[u8]>::is_ascii) && key.is_ascii();
        let is_unlisted = is_text && key != WITHHELD.as_bytes();
        if is_unlisted {
            tally.add(Key::OTHER, Reason::Unlisted);
        }
        return is_unlisted;
    };
    if accepted.holds(position) {
        return false;
    }
    let slot = &named.slot;
    if let Some(text) = value.text() {
        if !slot.passes_text(&contract.guard, text) {
            return false;
        }
        named.write_text(6, text, writer);
    } else if let Ok(Ok(passed)) = value.parse().map(|value| slot.pass(&contract.guard, value)) {
        named.write(6, passed, writer);
    } else {
        return false;
    }
    accepted.add(position);
    true
}

/// Names the slots that a value was withheld from, never the value.
fn write_withheld(contract: &Contract, withheld: NameSet, writer: &mut Writer<'_>) {
    if withheld.0 == 0 {
        return;
    }
    writer.message(6, |writer| {
        writer.bytes(1, WITHHELD.as_bytes());
        writer.message(2, |writer| {
            writer.message(5, |writer| {
                for (position, named) in contract.log_attributes.named.iter().enumerate() {
                    if withheld.holds(position) {
                        writer.message(1, |writer| writer.bytes(1, named.name.as_bytes()));
                    }
                }
            });
        });
    });
}

/// Reads our own note from a record that was sanitised before. Only names of the contract are
/// taken.
fn named_as_withheld(
    contract: &Contract,
    value: AnyValue<'_>,
    withheld: &mut NameSet,
) -> Result<(), WireError> {
    let AnyValue::Array(names) = value else { return value.check() };
    for name in names {
        let name = name?;
        match name {
            AnyValue::String(text) => {
                if let Some((position, _)) = contract.log_attributes.find(text.as_bytes()) {
                    withheld.add(position);
                }
            }
            AnyValue::Empty
            | AnyValue::Bool(_)
            | AnyValue::Int(_)
            | AnyValue::Double(_)
            | AnyValue::Array(_)
            | AnyValue::KvList(_)
            | AnyValue::Bytes(_) => name.check()?,
        }
    }
    Ok(())
}

/// A set of positions among the log attributes of a contract, of which there are at most 128.
#[derive(Clone, Copy)]
struct NameSet(u128);

impl NameSet {
    fn add(&mut self, position: usize) {
        self.0 |= Self::bit(position);
    }

    const fn holds(self, position: usize) -> bool {
        self.0 & Self::bit(position) != 0
    }

    #[expect(clippy::cast_possible_truncation, reason = "a position is below 128")]
    const fn bit(position: usize) -> u128 {
        1_u128.wrapping_shl(position as u32)
    }
}

/// The attribute that names the slots from which a value was withheld.
const WITHHELD: &str = "lucarne.withheld";

/// OTLP's highest severity number.
const SEVERITY_NUMBER_MAX: u32 = 24;

/// The bits of `flags` that OTLP defines for log records: W3C trace flags.
const TRACE_FLAGS: u32 = 0xff;
