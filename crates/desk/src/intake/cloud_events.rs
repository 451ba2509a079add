//! CloudEvents 1.0 over HTTP: structured, batched and binary. The data is our own body of a signal,
//! or a guard trip; the type says which.

use serde::Deserialize;
use serde_json::Value;

use super::{GuardTrip, IntakeError, Plain, bounded, instant_ms, read};
use crate::signal::{Draft, Source};

#[derive(Deserialize)]
struct Envelope {
    specversion: String,
    #[serde(rename = "type")]
    kind: String,
    id: String,
    source: String,
    time: Option<String>,
    data: Value,
}

/// What binary mode says in headers.
#[derive(Clone, Copy, Debug)]
pub struct Binary<'a> {
    /// `ce-specversion`.
    pub specversion: &'a str,
    /// `ce-type`.
    pub kind: &'a str,
    /// `ce-time`.
    pub time: Option<&'a str>,
}

/// The signal of a structured event.
///
/// # Errors
/// When it has another shape.
pub fn event(body: &[u8], now_ms: u64) -> Result<Draft, IntakeError> {
    read::<Envelope>(body).and_then(|envelope| draft(envelope, now_ms))
}

/// The signals of a batch.
///
/// # Errors
/// When it has another shape.
pub fn batch(body: &[u8], now_ms: u64) -> Result<Vec<Draft>, IntakeError> {
    let envelopes: Vec<Envelope> = read(body)?;
    bounded(envelopes)?.into_iter().map(|envelope| draft(envelope, now_ms)).collect()
}

impl Binary<'_> {
    /// The signal of a body in binary mode.
    ///
    /// # Errors
    /// When it has another shape.
    pub fn draft(&self, body: &[u8], now_ms: u64) -> Result<Draft, IntakeError> {
        let data = read(body)?;
        self.of(data, body, now_ms)
    }

    fn of(&self, data: Value, raw: &[u8], now_ms: u64) -> Result<Draft, IntakeError> {
        if self.specversion != "1.0" {
            return Err(IntakeError::Shape);
        }
        let time = self.time.map(|time| instant_ms(time).ok_or(IntakeError::Time)).transpose()?;
        let shape = |_| IntakeError::Shape;
        let source = Source::CloudEvents;
        let mut draft = if self.kind.contains("guard_trip") || self.kind.contains("GuardTrip") {
            let trip: GuardTrip = serde_json::from_value(data).map_err(shape)?;
            trip.draft(source, raw, now_ms)
        } else {
            let plain: Plain = serde_json::from_value(data).map_err(shape)?;
            plain.draft(source, raw, now_ms)
        };
        draft.stated_ms = draft.stated_ms.or(time);
        Ok(draft)
    }
}

fn draft(envelope: Envelope, now_ms: u64) -> Result<Draft, IntakeError> {
    if envelope.id.is_empty() || envelope.source.is_empty() {
        return Err(IntakeError::Shape);
    }
    let raw = envelope.data.to_string();
    let time = envelope.time.as_deref();
    let binary = Binary { specversion: &envelope.specversion, kind: &envelope.kind, time };
    binary.of(envelope.data, raw.as_bytes(), now_ms)
}
