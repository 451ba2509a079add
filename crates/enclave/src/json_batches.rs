//! Signed log batches in JSON beside the ledgers, where the configuration asks for them.
//!
//! What goes in was sanitised and appended to a ledger; metrics and spans have no place in the
//! format. A batch is signed when it has its number of records or its age, and leaves when the
//! ledgers' batches that hold its records are sealed. Its bytes are lent by the budget of all that
//! waits to leave, until the gateway has taken it.

use std::time::Duration;

use lucarne_contract::{json_line_of_event, json_lines_of_logs};
use lucarne_ledger::json_batch::writer::{JsonBatches, LineError};
use lucarne_ledger::key::{Signer, SigningFailed};
use lucarne_ledger::payload::{AuditEvent, JsonLine, JsonLines, Payloads};
use lucarne_link::json_outbox::PendingJson;
use lucarne_otlp::time::write_rfc3339;

use crate::budget::{Reservation, Share, hold};

/// When a batch closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JsonBatchLimits {
    /// At this many records.
    pub records: u64,
    /// When its first record is this old.
    pub age: Duration,
}

/// A request's part in the batches.
#[derive(Debug, Default)]
pub struct JsonWork {
    /// Its records: first those of each audit event, then those of each run of telemetry.
    pub lines: Vec<JsonLines>,
    /// The bytes that they may hold.
    pub room: Option<Reservation>,
}

/// What a request says, as JSON.
pub fn lines_of(audit: &[AuditEvent], telemetry: &[Payloads]) -> Vec<JsonLines> {
    let audit = audit.iter().map(json_line_of_event);
    audit.chain(telemetry.iter().map(json_lines_of_logs)).collect()
}

/// Bytes that these records hold at most until they are taken: in base64, with the wrapping of the
/// batches that they may open; 0 when there is none.
pub fn held_bytes(lines: &[JsonLines]) -> usize {
    let count: usize = lines.iter().map(JsonLines::record_count).sum();
    let bytes: usize = lines.iter().map(JsonLines::size_bytes).sum();
    if count == 0 {
        return 0;
    }
    let wrappings = (count / RECORDS_MIN).saturating_add(2).saturating_mul(WRAPPING_BYTES);
    let commas = count;
    let text = bytes.saturating_add(commas);
    text.saturating_add(text / 3).saturating_add(wrappings)
}

/// Least number of records of a full batch that may be configured: with fewer, the wrapping would
/// be most of it.
pub const RECORDS_MIN: usize = 10;
/// Names, numbers, a signature and a thumbprint, and the head of the payload in base64.
const WRAPPING_BYTES: usize = 1024;

/// A batch on its way, with the bytes it may hold.
pub type OutgoingJson = PendingJson<Vec<Share>>;

/// The open batch of an epoch, and those that are closed and have not left.
#[derive(Debug)]
pub struct JsonHalf {
    batches: JsonBatches,
    limits: JsonBatchLimits,
    held: Vec<Share>,
    closed: Vec<OutgoingJson>,
}

impl JsonHalf {
    /// Nothing yet; the code that signs has this measurement.
    pub fn new(measurement: &str, limits: JsonBatchLimits) -> Self {
        let batches = JsonBatches::new(measurement);
        Self { batches, limits, held: Vec::new(), closed: Vec::new() }
    }

    /// Takes records, and closes each batch that is full; gives the number of those that fit none.
    /// Each batch with one of them holds `room`.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn take(
        &mut self,
        lines: &JsonLines,
        room: Option<&Share>,
        signer: &dyn Signer,
        now_ms: u64,
    ) -> Result<u64, SigningFailed> {
        let mut lost = 0;
        for line in lines.lines() {
            let taken = self.take_line(line, signer, now_ms)?;
            lost += u64::from(!taken);
            if let Some(room) = room.filter(|_| taken) {
                hold(&mut self.held, room);
            }
            if self.batches.open_count() >= self.limits.records {
                self.close(signer, now_ms)?;
            }
        }
        Ok(lost)
    }

    fn take_line(
        &mut self,
        line: JsonLine<'_>,
        signer: &dyn Signer,
        now_ms: u64,
    ) -> Result<bool, SigningFailed> {
        let mut result = self.batches.append(line);
        if result == Err(LineError::BatchFull) {
            self.close(signer, now_ms)?;
            result = self.batches.append(line);
        }
        Ok(result.is_ok())
    }

    /// Signs the open batch, if it has a record.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn close(&mut self, signer: &dyn Signer, now_ms: u64) -> Result<(), SigningFailed> {
        if let Some(sealed) = self.batches.seal(signer, &timestamp_utc(now_ms))? {
            self.closed.push(PendingJson { sealed, token: std::mem::take(&mut self.held) });
        }
        Ok(())
    }

    /// Whether the open batch has a record.
    pub const fn is_open(&self) -> bool {
        self.batches.open_count() > 0
    }

    /// When the open batch closes, from its first record on.
    pub const fn age(&self) -> Duration {
        self.limits.age
    }

    /// The batches that may leave.
    pub fn closed(&mut self) -> Vec<OutgoingJson> {
        std::mem::take(&mut self.closed)
    }
}

/// As .NET's round-trip format: seven digits after the second, and the offset of UTC.
fn timestamp_utc(now_ms: u64) -> String {
    let mut text = Vec::new();
    write_rfc3339(now_ms.saturating_mul(1_000_000), &mut text);
    text.truncate(SEVEN_DIGITS);
    text.extend_from_slice(b"+00:00");
    String::from_utf8(text).unwrap_or_default()
}

/// Length of `2026-05-25T10:00:00.1234567`.
const SEVEN_DIGITS: usize = 27;

#[cfg(test)]
mod tests {
    use lucarne_ledger::json_batch::{Certificate, SignedLogBatch};

    use super::*;
    use crate::budget::Budget;
    use crate::signer::EpochKeys;

    const NOW: u64 = 1_779_703_200_123;

    fn half(records: u64) -> JsonHalf {
        JsonHalf::new("c3d4e5", JsonBatchLimits { records, age: Duration::from_secs(1) })
    }

    fn lines(numbers: std::ops::Range<u64>) -> JsonLines {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for number in numbers {
            text.push_str("{\"timestamp\":\"t\",\"level\":\"Information\",\"message\":\"");
            text.push_str(&format!("record {number}\",\"attributes\":null}}"));
            ends.push(text.len());
        }
        JsonLines::assertion_by_contract(text.into_bytes(), ends)
    }

    /// Number, time and messages of each, all verified.
    fn read(pending: &[OutgoingJson], keys: &EpochKeys) -> Vec<(u64, String, Vec<String>)> {
        let read = |pending: &OutgoingJson| {
            let (key, batch) = (keys.public_key(), &pending.sealed.bytes);
            let batch = SignedLogBatch::parse(batch).unwrap();
            let batch = batch.verify(key, Certificate::Sha256(key.id())).unwrap();
            let payload = batch.payload();
            let messages = payload.records.iter().map(|record| record.message.clone().unwrap());
            (batch.sequence(), payload.timestamp_utc.clone(), messages.collect())
        };
        pending.iter().map(read).collect()
    }

    #[test]
    fn batches_close_at_their_number_of_records_and_on_demand() {
        let (keys, mut half) = (EpochKeys::generate().unwrap(), half(3));
        assert_eq!(half.take(&lines(0..7), None, &keys, NOW), Ok(0));
        assert!(half.is_open());
        let time = "2026-05-25T10:00:00.1230000+00:00".to_owned();
        let named = |numbers: std::ops::Range<u64>| -> Vec<String> {
            numbers.map(|number| format!("record {number}")).collect()
        };
        let first = half.closed();
        let expected = vec![(1, time.clone(), named(0..3)), (2, time.clone(), named(3..6))];
        assert_eq!(read(&first, &keys), expected);
        half.close(&keys, NOW).unwrap();
        assert!(!half.is_open());
        half.close(&keys, NOW).unwrap();
        assert_eq!(read(&half.closed(), &keys), [(3, time, named(6..7))]);
        assert_eq!(half.closed().len(), 0);
    }

    #[test]
    fn room_is_lent_until_every_batch_of_its_records_is_gone_whatever_goes_first() {
        for last_first in [false, true] {
            let (keys, mut half) = (EpochKeys::generate().unwrap(), half(3));
            let budget = Budget::new(10_000);
            // Two requests; the second ends with a full batch.
            for numbers in [0..4, 4..6] {
                let room = Share::new(budget.reserve(1_000).unwrap());
                half.take(&lines(numbers), Some(&room), &keys, NOW).unwrap();
            }
            let mut closed = half.closed();
            assert_eq!((closed.len(), budget.used()), (2, 2_000));
            drop(closed.remove(usize::from(last_first)));
            // Of the first request both hold something, of the second one only the later batch.
            assert_eq!(budget.used(), if last_first { 1_000 } else { 2_000 });
            drop(closed);
            assert_eq!(budget.used(), 0);
        }
    }

    #[test]
    fn what_is_held_is_never_more_than_what_was_lent() {
        let keys = EpochKeys::generate().unwrap();
        for (records, count) in [(10, 1), (10, 9), (10, 10), (10, 11), (10, 500), (1_000, 3_500)] {
            let mut half = half(records);
            let lines = lines(0..count);
            half.take(&lines, None, &keys, NOW).unwrap();
            half.close(&keys, NOW).unwrap();
            let held: usize = half.closed().iter().map(|it| it.sealed.bytes.len()).sum();
            let lent = held_bytes(&[lines]);
            assert!(held <= lent, "{held} bytes of {lent}, {count} records by {records}");
        }
        assert_eq!(held_bytes(&[JsonLines::default()]), 0);
    }

    #[test]
    fn a_record_that_fits_no_batch_is_counted() {
        use lucarne_ledger::json_batch::writer::LINE_BYTES_MAX;
        let (keys, mut half) = (EpochKeys::generate().unwrap(), half(3));
        let (small, length) = (lines(0..1), LINE_BYTES_MAX + 1);
        let long = JsonLines::assertion_by_contract(vec![b' '; length], vec![length]);
        assert_eq!(half.take(&small, None, &keys, NOW), Ok(0));
        assert_eq!(half.take(&long, None, &keys, NOW), Ok(1));
        half.close(&keys, NOW).unwrap();
        assert_eq!(read(&half.closed(), &keys)[0].2, ["record 0"]);
    }
}
