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

pub use crate::export::flat::Flat;
use crate::export::flat::{Decimal, Object};
use crate::export::timestamp::parse_rfc3339;
use crate::export::{
    Entry, HostMessage, Item, JOB_AUDIT, JOB_TELEMETRY, Origin, Record, Telemetry, Unverified,
    Whence,
};

/// A line with what its stream needs to know. Its text lies in the `Flat` that it was written into.
pub struct Line<'i, 'f> {
    /// The label `job`.
    pub job: &'static str,
    /// The level, in the seeds' names.
    pub level: Severity,
    /// Unix nanoseconds.
    pub timestamp_ns: u64,
    /// Where it comes from; `None` for the host's own messages.
    pub provenance: Option<Provenance<'i>>,
    flat: &'f mut Flat,
}

/// Where a line comes from, and whether anybody vouches for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Provenance<'i> {
    /// The instance.
    pub instance: &'i str,
    /// True only after verification.
    pub signature_valid: bool,
    /// Sequence number of the batch's first record.
    pub batch_seq: Option<u64>,
    /// The epoch's key.
    pub thumbprint: Option<&'i str>,
    /// Name of the `.seal` file and the record's sequence number; `None` for what is not archived.
    pub seal: Option<(&'i str, u64)>,
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

/// The line of an item, written into `flat`; `None` for metrics and spans, which have lines of
/// another kind.
///
/// # Errors
/// When the record is not a message of its kind. The sealed record stays what it is in the archive.
pub fn line<'i, 'f>(item: &'i Item, flat: &'f mut Flat) -> Result<Option<Line<'i, 'f>>, Malformed> {
    match item {
        Item::Record(record) => match &record.entry {
            Entry::Log(log) => log_line(Whence::Sealed(record), log, flat).map(Some),
            Entry::Audit { json, record_hash } => {
                audit_line(record, json, record_hash, flat).map(Some)
            }
            Entry::Control { json, record_hash } => {
                control_line(record, json, record_hash, flat).map(Some)
            }
            Entry::Metric(_) | Entry::Span(_) => Ok(None),
        },
        Item::Unverified(unverified) => Ok(Some(unverified_line(unverified, flat))),
        Item::Host(message) => host_line(message, flat).map(Some),
        Item::Telemetry(host) => match host.signal {
            Signal::Logs => log_line(Whence::Host(host), &host.telemetry, flat).map(Some),
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

impl<'f> Line<'_, 'f> {
    /// The JSON object without provenance, for receivers that keep that beside it.
    pub fn into_text(self) -> &'f [u8] {
        self.flat.finish()
    }

    /// What is left of a line that is too long for its receiver: when, how grave, and that it was
    /// cut.
    pub fn brief(timestamp_ns: u64, level: Severity) -> Vec<u8> {
        let mut flat = Flat::default();
        begin(timestamp_ns, level, &mut flat);
        flat.field("lucarne.truncated", |out| out.extend_from_slice(b"true"));
        flat.finish().to_vec()
    }

    /// The JSON object with its provenance inside, for files.
    pub fn into_whole(self) -> &'f [u8] {
        self.flat.text("job", self.job);
        if let Some(provenance) = self.provenance {
            provenance.write(self.flat);
        }
        self.flat.finish()
    }
}

impl<'i> Provenance<'i> {
    /// The provenance of a verified record.
    pub fn of(record: &'i Record) -> Self {
        let origin: &Origin = &record.origin;
        Self {
            instance: origin.ledger.instance.as_str(),
            signature_valid: true,
            batch_seq: Some(origin.batch_first),
            thumbprint: Some(&origin.thumbprint),
            seal: Some((&origin.seal, record.index)),
        }
    }

    /// Gives its fields but the instance, as metadata: names and values.
    pub fn metadata(&self, mut give: impl FnMut(&'static str, &str)) {
        if let Some(seq) = self.batch_seq {
            give("tee_batch_seq", Decimal::of(seq).as_str());
        }
        if let Some(thumbprint) = self.thumbprint {
            give("tee_cert_thumbprint", thumbprint);
        }
        if let Some((seal, index)) = self.seal {
            give("tee_seal", seal);
            give("tee_record_index", Decimal::of(index).as_str());
        }
    }

    pub(crate) fn write(&self, flat: &mut Flat) {
        flat.text("tee_instance_id", self.instance);
        flat.field("signature_valid", |out| {
            out.extend_from_slice(if self.signature_valid { b"true" } else { b"false" });
        });
        if let Some(seq) = self.batch_seq {
            flat.number("tee_batch_seq", seq);
        }
        if let Some(thumbprint) = self.thumbprint {
            flat.text("tee_cert_thumbprint", thumbprint);
        }
        if let Some((seal, index)) = self.seal {
            flat.text("tee_seal", seal);
            flat.number("tee_record_index", index);
        }
    }
}

fn log_line<'i, 'f>(
    whence: Whence<'i>,
    log: &Telemetry,
    flat: &'f mut Flat,
) -> Result<Line<'i, 'f>, Malformed> {
    let message = LogRecord::parse(&log.message)?;
    let level = Severity::of(message.severity_number, message.severity_text);
    let times = [message.time_unix_nano, message.observed_time_unix_nano];
    let timestamp_ns = times.into_iter().find(|&time| time != 0);
    let (level, timestamp_ns) = match (level, timestamp_ns) {
        (Some(level), Some(time)) => (level, time),
        (level, time) => {
            let said = said_by_attributes(&message)?;
            let time = time.or(said.1).unwrap_or(whence.time_ns());
            (level.or(said.0).unwrap_or(Severity::Information), time)
        }
    };

    begin(timestamp_ns, level, flat);
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
    mark_unsealed(whence, flat);
    message.attributes().try_for_each(|entry| flat.attribute("", entry?))?;
    Resource::parse(&log.resource)?.attributes().try_for_each(|e| flat.attribute("", e?))?;
    let provenance = whence.provenance();
    Ok(Line { job: whence.job(), level, timestamp_ns, provenance, flat })
}

/// Level and time of a record that says them only in its attributes.
fn said_by_attributes(
    message: &LogRecord<'_>,
) -> Result<(Option<Severity>, Option<u64>), Malformed> {
    let mut said = (None, None);
    for entry in message.attributes() {
        let entry = entry?;
        match (entry.key, entry.value) {
            ("level", AnyValue::String(text)) => said.0 = Severity::of(0, text),
            ("timestamp", AnyValue::String(text)) => said.1 = parse_rfc3339(text),
            _ => {}
        }
    }
    Ok(said)
}

fn audit_line<'i, 'f>(
    record: &'i Record,
    json: &[u8],
    record_hash: &str,
    flat: &'f mut Flat,
) -> Result<Line<'i, 'f>, Malformed> {
    let object = Object::parse(json).ok_or(Malformed)?;
    let text = |key| object.text(key);
    let level = text("level").and_then(|text| Severity::of(0, &text));
    let level = level.unwrap_or(Severity::Information);
    let said = text("timestamp_utc").and_then(|text| parse_rfc3339(&text));
    let timestamp_ns = said.unwrap_or(record.origin.batch_time_ns);
    begin(timestamp_ns, level, flat);
    identify(record, record_hash, flat);
    flat.text("tee_measurement", &record.origin.measurement);
    mark_unsealed(Whence::Sealed(record), flat);
    flat.object("", &object);
    let provenance = Some(Provenance::of(record));
    Ok(Line { job: JOB_AUDIT, level, timestamp_ns, provenance, flat })
}

// Heartbeats of the telemetry ledger are what keeps a silence alert on `tee-processengine` quiet.
fn control_line<'i, 'f>(
    record: &'i Record,
    json: &[u8],
    record_hash: &str,
    flat: &'f mut Flat,
) -> Result<Line<'i, 'f>, Malformed> {
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
    begin(timestamp_ns, level, flat);
    identify(record, record_hash, flat);
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

fn unverified_line<'i, 'f>(unverified: &'i Unverified, flat: &'f mut Flat) -> Line<'i, 'f> {
    let level = Severity::Error;
    begin(unverified.received_ns, level, flat);
    flat.text("message", "batch failed verification");
    flat.text("reason", unverified.reason);
    let provenance = Provenance {
        instance: &unverified.instance,
        signature_valid: false,
        batch_seq: unverified.batch_first,
        thumbprint: unverified.thumbprint.as_deref(),
        seal: None,
    };
    // Without a record to look at, the line itself says which batch.
    provenance.write(flat);
    let (job, timestamp_ns) = (JOB_TELEMETRY, unverified.received_ns);
    Line { job, level, timestamp_ns, provenance: Some(provenance), flat }
}

fn host_line<'f>(
    message: &HostMessage,
    flat: &'f mut Flat,
) -> Result<Line<'static, 'f>, Malformed> {
    let object = Object::parse(&message.json).ok_or(Malformed)?;
    let level = object.text("level").and_then(|text| Severity::of(0, &text));
    let level = level.unwrap_or(Severity::Information);
    let said = object.text("timestamp").and_then(|text| parse_rfc3339(&text));
    let timestamp_ns = said.ok_or(Malformed)?;
    begin(timestamp_ns, level, flat);
    flat.text("job", message.job.as_str());
    flat.object("", &object);
    Ok(Line { job: message.job.as_str(), level, timestamp_ns, provenance: None, flat })
}

fn begin(timestamp_ns: u64, level: Severity, flat: &mut Flat) {
    flat.clear();
    flat.time("timestamp", timestamp_ns);
    flat.text("level", level.as_str());
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
