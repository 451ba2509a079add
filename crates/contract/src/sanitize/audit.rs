//! Audit events: log records of the scope that the contract selects, as JSON for the audit ledger.
//!
//! An event is named by the record's event name, or by one of three attributes for SDKs that cannot
//! set it. Only listed events leave, and they do not go to the telemetry ledger as well.

use alloc::vec::Vec;

use lucarne_ledger::payload::AuditEvent;
use lucarne_otlp::display::{hex, string_to_json, value_to_json};
use lucarne_otlp::time::write_rfc3339;
use lucarne_otlp::view::{AnyValue, LogRecord};
use lucarne_otlp::wire::WireError;

use super::{Pass, accept, ids};
use crate::severity;
use crate::tally::{Key, Reason};

impl Pass<'_, '_> {
    pub(super) fn audit_event(&mut self, record: &LogRecord<'_>) -> Result<(), WireError> {
        let contract = self.contract;
        let mut passed = Vec::new();
        let named = name(record)?;
        let rules = &contract.log_attributes;
        accept(contract, rules, None, record.attributes(), &mut self.tally, &mut passed)?;
        if let Some(body) = record.body {
            body.check()?;
            self.tally.add(Key::BODY, Reason::Unlisted);
        }
        let Some(event) = named.filter(|event| contract.events.contains(event)) else {
            self.tally.add(Key::AUDIT_EVENT, Reason::Unlisted);
            return Ok(());
        };
        let mut fields = Vec::with_capacity(256);
        fields.extend_from_slice(b"\"timestamp_utc\":\"");
        let time = match record.time_unix_nano {
            0 => record.observed_time_unix_nano,
            time => time,
        };
        write_rfc3339(time, &mut fields);
        fields.extend_from_slice(b"\",\"event_type\":");
        string_to_json(event, &mut fields);
        let level = severity::name_of(record.severity_number)
            .or_else(|| severity::name_meant(record.severity_text));
        if let Some(level) = level {
            fields.extend_from_slice(b",\"level\":");
            string_to_json(level, &mut fields);
        }
        if let Some(id) = ids::trace_id(contract, &mut self.tally, record.trace_id) {
            write_id("trace_id", id, &mut fields);
        }
        if let Some(id) = ids::span_id(contract, &mut self.tally, record.span_id) {
            write_id("span_id", id, &mut fields);
        }
        for (position, value) in passed {
            if let Some(named) = rules.named.get(position) {
                fields.push(b',');
                string_to_json(&named.name, &mut fields);
                fields.push(b':');
                value_to_json(value.value(), &mut fields)?;
            }
        }
        self.audit.push(AuditEvent::assertion_by_contract(fields));
        Ok(())
    }
}

/// What the record says it is.
fn name<'a>(record: &LogRecord<'a>) -> Result<Option<&'a str>, WireError> {
    if !record.event_name.is_empty() {
        return Ok(Some(record.event_name));
    }
    let mut best = None;
    for attribute in record.attributes() {
        let attribute = attribute?;
        let rank = NAMING_ATTRIBUTES.iter().position(|name| *name == attribute.key);
        if let (Some(rank), AnyValue::String(text)) = (rank, attribute.value)
            && best.is_none_or(|(taken, _)| rank < taken)
        {
            best = Some((rank, text));
        }
    }
    Ok(best.map(|(_, text)| text))
}

fn write_id(name: &str, id: &[u8], fields: &mut Vec<u8>) {
    fields.push(b',');
    string_to_json(name, fields);
    fields.extend_from_slice(b":\"");
    hex(id, fields);
    fields.push(b'"');
}

/// Where the name of an event may stand when it is not the record's own, best first.
const NAMING_ATTRIBUTES: [&str; 3] = ["event.name", "event_type", "eventType"];
