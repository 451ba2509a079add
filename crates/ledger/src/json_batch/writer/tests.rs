//! What is written is read: by the strict reader, by its own order, and with every limit touched.

extern crate std;

use alloc::format;
use alloc::vec;

use proptest::collection::{btree_map, vec as many};
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::json_batch::payload::LogLine;
use crate::json_batch::run::{CodeVersion, Read, Run, Signed, Verdict};
use crate::json_batch::{Certificate, JsonBatchError, SignedLogBatch, VerifiedJsonBatch};
use crate::key::PublicKey;
use crate::payload::JsonLines;
use crate::testing::P256;

const TIME: &str = "2026-05-25T10:00:00.1230000+00:00";

fn verify(batch: &SealedJsonBatch, key: &PublicKey) -> Result<VerifiedJsonBatch, JsonBatchError> {
    SignedLogBatch::parse(&batch.bytes)?.verify(key, Certificate::Sha256(key.id()))
}

fn lines(records: &[LogLine]) -> JsonLines {
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    for LogLine { timestamp, level, message, attributes } in records {
        let object = json!({
            "timestamp": timestamp,
            "level": level,
            "message": message,
            "attributes": attributes,
        });
        text.extend_from_slice(object.to_string().as_bytes());
        ends.push(text.len());
    }
    JsonLines::assertion_by_contract(text, ends)
}

fn of_length(length: usize) -> JsonLines {
    let frame = "{\"timestamp\":\"\",\"level\":\"\",\"message\":\"\",\"attributes\":null}";
    let message = "m".repeat(length - frame.len());
    let text = frame.replace("\"message\":\"\"", &format!("\"message\":\"{message}\""));
    assert_eq!(text.len(), length);
    JsonLines::assertion_by_contract(text.into_bytes(), vec![length])
}

fn append_all(batches: &mut JsonBatches, lines: &JsonLines) -> Result<(), LineError> {
    lines.lines().try_for_each(|line| batches.append(line))
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        many(any::<i32>(), 0..4).prop_map(Value::from),
    ]
}

prop_compose! {
    fn log_line()(
        timestamp in any::<String>(),
        level in "[A-Z][a-z]{0,12}",
        message in any::<Option<String>>(),
        attributes in proptest::option::of(btree_map(any::<String>(), values(), 0..6)),
    ) -> LogLine {
        let attributes = attributes.map(|map| map.into_iter().collect::<Map<_, _>>());
        LogLine { timestamp, level, message, attributes }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_what_is_read(
        runs in many(many(log_line(), 1..5), 1..6),
        measurement in any::<String>(),
        time in any::<String>(),
    ) {
        let key = P256::fresh();
        let mut batches = JsonBatches::new(&measurement);
        let mut run = Run::new(CodeVersion::Exactly(measurement.clone()), Some(1));
        for (sequence, records) in (1..).zip(&runs) {
            append_all(&mut batches, &lines(records)).unwrap();
            prop_assert_eq!(batches.open_count(), records.len() as u64);
            let sealed = batches.seal(&key, &time).unwrap().unwrap();
            prop_assert_eq!((sealed.sequence, batches.open_count()), (sequence, 0));
            let verified = verify(&sealed, key.public_key()).unwrap();
            prop_assert_eq!(verified.digest(), sealed.digest);
            prop_assert!(verified.sequence_is_signed());
            let payload = verified.payload();
            prop_assert_eq!(&payload.records, records);
            prop_assert_eq!(payload.sequence, Some(sequence));
            prop_assert_eq!(&payload.timestamp_utc, &time);
            prop_assert_eq!(&payload.tee_measurement, &measurement);
            let read = Read { outside: Some(sequence), outcome: Ok(Signed::from(&verified)) };
            let count = records.len() as u64;
            prop_assert_eq!(run.judge(&read), (Verdict::Valid { records: count }, vec![]));
        }
    }
}

#[test]
fn nothing_is_signed_for_nothing_and_no_number_is_taken_for_it() {
    let key = P256::fresh();
    let mut batches = JsonBatches::new("m");
    assert_eq!(batches.seal(&key, TIME), Ok(None));
    append_all(&mut batches, &of_length(100)).unwrap();
    assert_eq!(batches.seal(&key, TIME).unwrap().unwrap().sequence, 1);
    assert_eq!(batches.seal(&key, TIME), Ok(None));
    append_all(&mut batches, &of_length(100)).unwrap();
    assert_eq!(batches.seal(&key, TIME).unwrap().unwrap().sequence, 2);
}

#[test]
fn a_batch_is_of_one_key_and_says_which() {
    let (key, other) = (P256::fresh(), P256::fresh());
    let mut batches = JsonBatches::new("m");
    append_all(&mut batches, &of_length(100)).unwrap();
    let sealed = batches.seal(&key, TIME).unwrap().unwrap();
    assert_eq!(verify(&sealed, other.public_key()), Err(JsonBatchError::Signature));
    let parsed = SignedLogBatch::parse(&sealed.bytes).unwrap();
    let named = key.public_key().id();
    let refused = parsed.verify(key.public_key(), Certificate::Sha256(other.public_key().id()));
    assert_eq!(refused, Err(JsonBatchError::ThumbprintDiffers { named }));
}

#[test]
fn the_longest_batch_is_read_and_a_longer_one_is_not_made() {
    let key = P256::fresh();
    let mut batches = JsonBatches::new("m");
    let got = LINE_BYTES_MAX + 1;
    let too_long = append_all(&mut batches, &of_length(got));
    assert_eq!(too_long, Err(LineError::TooLong { got }));
    assert_eq!((batches.open_count(), batches.open_bytes()), (0, 0));
    append_all(&mut batches, &of_length(OPEN_BYTES_MAX - 1)).unwrap();
    append_all(&mut batches, &of_length(LINE_BYTES_MAX)).unwrap();
    assert_eq!(append_all(&mut batches, &of_length(100)), Err(LineError::BatchFull));
    let sealed = batches.seal(&key, TIME).unwrap().unwrap();
    // A frame of the uplink has room for a batch of a ledger.
    assert!(sealed.bytes.len() < crate::batch::BATCH_BYTES_MAX, "{}", sealed.bytes.len());
    assert_eq!(verify(&sealed, key.public_key()).unwrap().payload().record_count, 2);

    let small = of_length(100);
    for _ in 0..JSON_RECORDS_MAX.min(OPEN_BYTES_MAX / 101) {
        append_all(&mut batches, &small).unwrap();
    }
    append_all(&mut batches, &small).unwrap();
    assert_eq!(append_all(&mut batches, &small), Err(LineError::BatchFull));
}
