//! The exported line: one flat JSON object a record, as users of the seeds know it.
//!
//! `timestamp` and `level` first, then the attributes, then message and ids. The level has one of
//! the six names of the seeds. What the line's stream says (instance, seal, index) is kept beside
//! it in [`Line::provenance`], since Loki wants it as labels and metadata and a file wants it
//! inside.

pub mod metric;
pub mod span;

use lucarne_ledger::identity::LedgerKind;
use lucarne_otlp::Signal;
use lucarne_otlp::view::{AnyValue, LogRecord, Resource, View as _};
use lucarne_otlp::wire::WireError;

use crate::export::flat::{Flat, Object};
use crate::export::timestamp::parse_rfc3339;
use crate::export::{
    Entry, HostMessage, Item, JOB_AUDIT, JOB_TELEMETRY, Origin, Record, Telemetry, Unverified,
    Whence,
};

/// A line with what its stream needs to know.
#[derive(Clone)]
pub struct Line {
    /// The label `job`.
    pub job: &'static str,
    /// The level, in the seeds' names.
    pub level: Severity,
    /// Unix nanoseconds.
    pub timestamp_ns: u64,
    /// Where it comes from; `None` for the host's own messages.
    pub provenance: Option<Provenance>,
    flat: Flat,
}

/// Where a line comes from, and whether anybody vouches for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Provenance {
    /// The instance.
    pub instance: String,
    /// True only after verification.
    pub signature_valid: bool,
    /// Sequence number of the batch's first record.
    pub batch_seq: Option<u64>,
    /// The epoch's key.
    pub thumbprint: Option<String>,
    /// Name of the `.seal` file and the record's sequence number; `None` for what is not archived.
    pub seal: Option<(String, u64)>,
}

/// The six levels, by the names of the seeds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// 1 to 4.
    Trace,
    /// 5 to 8.
    Debug,
    /// 9 to 12, and whatever has no level.
    Information,
    /// 13 to 16.
    Warning,
    /// 17 to 20.
    Error,
    /// 21 to 24.
    Critical,
}

impl Severity {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "Trace",
            Self::Debug => "Debug",
            Self::Information => "Information",
            Self::Warning => "Warning",
            Self::Error => "Error",
            Self::Critical => "Critical",
        }
    }

    /// The smallest OTLP severity number of the level.
    pub const fn number(self) -> u64 {
        match self {
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Information => 9,
            Self::Warning => 13,
            Self::Error => 17,
            Self::Critical => 21,
        }
    }

    /// The level with this name, exactly.
    pub fn named(text: &str) -> Option<Self> {
        let all = [
            Self::Trace,
            Self::Debug,
            Self::Information,
            Self::Warning,
            Self::Error,
            Self::Critical,
        ];
        all.into_iter().find(|level| level.as_str() == text)
    }

    /// The level of a log record: its text if it is one of the six names, else its number, else the
    /// usual other spellings of its text.
    pub fn of(number: u32, text: &str) -> Option<Self> {
        Self::named(text).or(match number {
            1..=4 => Some(Self::Trace),
            5..=8 => Some(Self::Debug),
            9..=12 => Some(Self::Information),
            13..=16 => Some(Self::Warning),
            17..=20 => Some(Self::Error),
            21..=24 => Some(Self::Critical),
            _ => match text.to_ascii_uppercase().as_str() {
                "TRACE" => Some(Self::Trace),
                "DEBUG" => Some(Self::Debug),
                "INFO" | "INFORMATION" => Some(Self::Information),
                "WARN" | "WARNING" => Some(Self::Warning),
                "ERROR" => Some(Self::Error),
                "FATAL" | "CRITICAL" => Some(Self::Critical),
                _ => None,
            },
        })
    }
}

/// The line of an item; `None` for metrics and spans, which have lines of another kind.
///
/// # Errors
/// When the record is not a message of its kind. The sealed record stays what it is in the archive.
pub fn line(item: &Item) -> Result<Option<Line>, Malformed> {
    match item {
        Item::Record(record) => match &record.entry {
            Entry::Log(log) => Ok(Some(log_line(Whence::Sealed(record), log)?)),
            Entry::Audit { json, record_hash } => Ok(Some(audit_line(record, json, record_hash)?)),
            Entry::Control { json, record_hash } => {
                Ok(Some(control_line(record, json, record_hash)?))
            }
            Entry::Metric(_) | Entry::Span(_) => Ok(None),
        },
        Item::Unverified(unverified) => Ok(Some(unverified_line(unverified))),
        Item::Host(message) => host_line(message).map(Some),
        Item::Telemetry(host) => match host.signal {
            Signal::Logs => Ok(Some(log_line(Whence::Host(host), &host.telemetry)?)),
            Signal::Metrics | Signal::Traces => Ok(None),
        },
    }
}

/// A payload that cannot be shown: not the message it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed;

impl From<WireError> for Malformed {
    fn from(_: WireError) -> Self {
        Self
    }
}

impl Line {
    /// The JSON object without provenance, for receivers that keep that beside it.
    pub fn into_text(self) -> Vec<u8> {
        self.flat.finish()
    }

    /// What is left of a line that is too long for its receiver: when, how grave, and that it was
    /// cut.
    pub fn brief(timestamp_ns: u64, level: Severity) -> Vec<u8> {
        let mut flat = begin(timestamp_ns, level);
        flat.field("lucarne.truncated", |out| out.extend_from_slice(b"true"));
        flat.finish()
    }

    /// The JSON object with its provenance inside, for files.
    pub fn into_whole(mut self) -> Vec<u8> {
        self.flat.text("job", self.job);
        if let Some(provenance) = &self.provenance {
            provenance.write(&mut self.flat);
        }
        self.flat.finish()
    }
}

impl Provenance {
    /// The provenance of a verified record.
    pub fn of(record: &Record) -> Self {
        let origin: &Origin = &record.origin;
        Self {
            instance: origin.ledger.instance.to_string(),
            signature_valid: true,
            batch_seq: Some(origin.batch_first),
            thumbprint: Some(origin.thumbprint.clone()),
            seal: Some((origin.seal.clone(), record.index)),
        }
    }

    /// Its fields but the instance, as metadata: names and values.
    pub fn metadata(&self) -> Vec<(&'static str, String)> {
        let mut out = Vec::with_capacity(4);
        out.extend(self.batch_seq.map(|seq| ("tee_batch_seq", seq.to_string())));
        out.extend(self.thumbprint.clone().map(|print| ("tee_cert_thumbprint", print)));
        if let Some((seal, index)) = &self.seal {
            out.push(("tee_seal", seal.clone()));
            out.push(("tee_record_index", index.to_string()));
        }
        out
    }

    pub(crate) fn write(&self, flat: &mut Flat) {
        flat.text("tee_instance_id", &self.instance);
        flat.field("signature_valid", |out| {
            out.extend_from_slice(if self.signature_valid { b"true" } else { b"false" });
        });
        if let Some(seq) = self.batch_seq {
            flat.number("tee_batch_seq", seq);
        }
        if let Some(thumbprint) = &self.thumbprint {
            flat.text("tee_cert_thumbprint", thumbprint);
        }
        if let Some((seal, index)) = &self.seal {
            flat.text("tee_seal", seal);
            flat.number("tee_record_index", *index);
        }
    }
}

fn log_line(whence: Whence<'_>, log: &Telemetry) -> Result<Line, Malformed> {
    let message = LogRecord::parse(&log.message)?;
    let mut said_level = None;
    let mut said_time = None;
    for entry in message.attributes() {
        let entry = entry?;
        match (entry.key, entry.value) {
            ("level", AnyValue::String(text)) => said_level = Severity::of(0, text),
            ("timestamp", AnyValue::String(text)) => said_time = parse_rfc3339(text),
            _ => {}
        }
    }
    let level = Severity::of(message.severity_number, message.severity_text)
        .or(said_level)
        .unwrap_or(Severity::Information);
    let times = [message.time_unix_nano, message.observed_time_unix_nano];
    let timestamp_ns = times.into_iter().find(|&time| time != 0).or(said_time);
    let timestamp_ns = timestamp_ns.unwrap_or(whence.time_ns());

    let mut flat = begin(timestamp_ns, level);
    if let Some(body) = message.body {
        flat.body("message", body)?;
    }
    for (key, id) in [("traceId", message.trace_id), ("spanId", message.span_id)] {
        if !id.is_empty() {
            flat.hex(key, id);
        }
    }
    if !message.event_name.is_empty() {
        flat.text("eventName", message.event_name);
    }
    mark_unsealed(whence, &mut flat);
    message.attributes().try_for_each(|entry| flat.attribute("", entry?))?;
    Resource::parse(&log.resource)?.attributes().try_for_each(|e| flat.attribute("", e?))?;
    let provenance = whence.provenance();
    Ok(Line { job: whence.job(), level, timestamp_ns, provenance, flat })
}

fn audit_line(record: &Record, json: &[u8], record_hash: &str) -> Result<Line, Malformed> {
    let object = Object::parse(json).ok_or(Malformed)?;
    let text = |key| object.text(key);
    let level = text("level").and_then(|text| Severity::of(0, &text));
    let level = level.unwrap_or(Severity::Information);
    let said = text("timestamp_utc").and_then(|text| parse_rfc3339(&text));
    let timestamp_ns = said.unwrap_or(record.origin.batch_time_ns);
    let mut flat = begin(timestamp_ns, level);
    identify(record, record_hash, &mut flat);
    flat.text("tee_measurement", &record.origin.measurement);
    mark_unsealed(Whence::Sealed(record), &mut flat);
    flat.object("", &object);
    let provenance = Some(Provenance::of(record));
    Ok(Line { job: JOB_AUDIT, level, timestamp_ns, provenance, flat })
}

// Heartbeats of the telemetry ledger are what keeps a silence alert on `tee-processengine` quiet.
fn control_line(record: &Record, json: &[u8], record_hash: &str) -> Result<Line, Malformed> {
    let object = Object::parse(json).ok_or(Malformed)?;
    let origin = &record.origin;
    let timestamp_ns = object.number("time_ms").and_then(|time| time.checked_mul(1_000_000));
    let timestamp_ns = timestamp_ns.unwrap_or(origin.batch_time_ns);
    let kind = object.text("type");
    let silent = object.text("workload").as_deref() == Some("not-responding");
    let level = match kind.as_deref() {
        Some("gap") => Severity::Warning,
        Some("heartbeat") if silent => Severity::Warning,
        Some(_) | None => Severity::Information,
    };
    let mut flat = begin(timestamp_ns, level);
    identify(record, record_hash, &mut flat);
    flat.text("tee_epoch", &origin.ledger.epoch.to_string());
    flat.number("head_size", origin.head_size);
    flat.text("head_root", &origin.head_root);
    let job = match origin.ledger.kind {
        LedgerKind::Telemetry => JOB_TELEMETRY,
        LedgerKind::Audit => {
            flat.text("tee_measurement", &origin.measurement);
            JOB_AUDIT
        }
    };
    flat.object("", &object);
    Ok(Line { job, level, timestamp_ns, provenance: Some(Provenance::of(record)), flat })
}

fn unverified_line(unverified: &Unverified) -> Line {
    let level = Severity::Error;
    let mut flat = begin(unverified.received_ns, level);
    flat.text("message", "batch failed verification");
    flat.text("reason", unverified.reason);
    let provenance = Provenance {
        instance: unverified.instance.clone(),
        signature_valid: false,
        batch_seq: unverified.batch_first,
        thumbprint: unverified.thumbprint.clone(),
        seal: None,
    };
    // Without a record to look at, the line itself says which batch.
    provenance.write(&mut flat);
    let (job, timestamp_ns) = (JOB_TELEMETRY, unverified.received_ns);
    Line { job, level, timestamp_ns, provenance: Some(provenance), flat }
}

fn host_line(message: &HostMessage) -> Result<Line, Malformed> {
    let object = Object::parse(&message.json).ok_or(Malformed)?;
    let level = object.text("level").and_then(|text| Severity::of(0, &text));
    let level = level.unwrap_or(Severity::Information);
    let said = object.text("timestamp").and_then(|text| parse_rfc3339(&text));
    let timestamp_ns = said.ok_or(Malformed)?;
    let mut flat = begin(timestamp_ns, level);
    flat.text("job", message.job.as_str());
    flat.object("", &object);
    Ok(Line { job: message.job.as_str(), level, timestamp_ns, provenance: None, flat })
}

fn begin(timestamp_ns: u64, level: Severity) -> Flat {
    let mut flat = Flat::new();
    flat.time("timestamp", timestamp_ns);
    flat.text("level", level.as_str());
    flat
}

fn identify(record: &Record, record_hash: &str, flat: &mut Flat) {
    flat.number("seq", record.index);
    flat.text("record_hash", record_hash);
    flat.text("tee_instance_id", record.origin.ledger.instance.as_str());
}

/// The exported copy differs from what was sealed, and says so.
pub(crate) fn mark_unsealed(whence: Whence<'_>, flat: &mut Flat) {
    if whence.is_unsealed() {
        flat.field("lucarne.sealed", |out| out.extend_from_slice(b"false"));
    }
}

#[cfg(test)]
mod tests;
