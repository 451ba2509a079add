//! The sealer at its limits, and the layouts that it does not believe.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::control::Gap;
use crate::payload::{ContextSlot, RecordSlot};
use crate::testing::{P256, epoch_key, event, heartbeat, ledger, logs, seal as seal_now};

fn sealed_verifies<K: Kind>(ledger: &mut Ledger<K>) -> u64 {
    let key = P256::of_rfc_6979();
    let sealed = seal_now(ledger, &key);
    let verified = batch::verify(sealed.bytes(), &epoch_key(&key)).map(|batch| batch.end().root());
    assert_eq!(verified, Ok(ledger.root()));
    sealed.statement().count
}

#[test]
fn a_payload_of_the_greatest_length_is_sealed_and_a_longer_one_never() {
    let link = chain::link(Hash::ZERO, b"").len();
    let fields = |length| AuditEvent::assertion_by_contract(vec![b'x'; length]);
    let mut ledger = ledger::<Audit>();
    let greatest = PAYLOAD_BYTES_MAX - link;
    assert_eq!(ledger.append_event(&fields(greatest + 1)), Err(AppendError::TooLarge));
    assert_eq!(ledger.append_event(&fields(greatest)), Ok(0));
    let reason = "r".repeat(PAYLOAD_BYTES_MAX);
    let gap = Control::Gap(Gap { time_ms: 0, count: 1, reason });
    assert_eq!(ledger.append_control(&gap), Err(AppendError::TooLarge));
    assert_eq!((ledger.size(), sealed_verifies(&mut ledger)), (1, 1));
}

#[test]
fn a_full_batch_says_so_and_can_still_be_verified() {
    let mut ledger = ledger::<Telemetry>();
    let message = vec![7; PAYLOAD_BYTES_MAX - 4];
    let mut fits = 0;
    loop {
        match ledger.append(&mut logs(&[&message])) {
            Ok(_) => fits += 1,
            Err(error) => {
                assert_eq!(error, AppendError::BatchFull);
                break;
            }
        }
    }
    assert_eq!(fits, 15);
    assert_eq!(sealed_verifies(&mut ledger), 17);
    // Nothing of the one that did not fit was appended, and there is room again.
    assert_eq!(ledger.append(&mut logs(&[&message])), Ok(20));
    assert_eq!(sealed_verifies(&mut ledger), 3);
}

#[test]
fn a_batch_has_a_greatest_number_of_records() {
    let mut ledger = ledger::<Audit>();
    for n in 0..BATCH_RECORDS_MAX {
        assert_eq!(ledger.append_control(&heartbeat()), Ok(n));
    }
    assert_eq!(ledger.append_control(&heartbeat()), Err(AppendError::BatchFull));
    assert_eq!(ledger.append_event(&event(1)), Err(AppendError::BatchFull));
    assert_eq!(sealed_verifies(&mut ledger), BATCH_RECORDS_MAX);
}

#[test]
fn what_can_be_sealed_can_be_withheld() {
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<Audit>();
    for _ in 0..BATCH_RECORDS_MAX {
        ledger.append_control(&heartbeat()).unwrap();
    }
    let sealed = seal_now(&mut ledger, &key);
    let epoch_key = epoch_key(&key);
    let whole = batch::verify(sealed.bytes(), &epoch_key).unwrap();
    let less = whole.withhold(|_| Some(vec![0; batch::AUTHORISATION_BYTES_MAX]));
    let root = batch::verify(&less, &epoch_key).map(|batch| batch.end().root());
    assert_eq!(root, Ok(ledger.root()));
}

#[test]
fn more_than_any_batch_holds_can_never_be_sealed() {
    let mut ledger = ledger::<Telemetry>();
    let message = vec![7; PAYLOAD_BYTES_MAX - 4];
    let texts: Vec<&[u8]> = (0..16).map(|_| &message[..]).collect();
    assert_eq!(ledger.append(&mut logs(&texts)), Err(AppendError::TooLarge));
    assert_eq!(ledger.size(), 0);
}

#[test]
fn a_layout_that_its_slots_do_not_fit_is_refused() {
    let slots = |change: fn(&mut Payloads)| {
        let mut payloads = logs(&[b"one", b"two"]);
        change(&mut payloads);
        let mut ledger = ledger::<Telemetry>();
        let outcome = ledger.append(&mut payloads);
        assert_eq!(ledger.size() == 0, outcome.is_err());
        outcome
    };
    let wrong = Err(AppendError::Slots);
    assert_eq!(slots(|_| ()), Ok(4));
    assert_eq!(slots(|p| p.records[0].range.end = p.buffer.len() + 1), wrong);
    assert_eq!(slots(|p| p.records[0].range.start += 4), wrong);
    assert_eq!(slots(|p| p.records[0].scope = 0), wrong);
    assert_eq!(slots(|p| p.records[0].scope = 2), wrong);
    assert_eq!(slots(|p| p.records[0].stream = Stream::Audit), wrong);
    assert_eq!(slots(|p| p.records[0].stream = Stream::Context), wrong);
    assert_eq!(slots(|p| p.contexts[1].resource = Some(1)), wrong);
    assert_eq!(slots(|p| p.contexts[1].resource = Some(2)), wrong);
    assert_eq!(slots(|p| p.contexts[1].resource = None), wrong);
    assert_eq!(slots(|p| p.contexts[0].range.end = usize::MAX), wrong);
    // Each slot for itself is sound, together they are more than the buffer.
    assert_eq!(slots(|p| p.records.extend_from_slice(&p.records.clone())), wrong);
}

#[test]
fn a_run_without_records_appends_its_contexts_once() {
    let mut ledger = ledger::<Telemetry>();
    let run = || {
        let contexts = vec![ContextSlot { resource: None, range: 0..6 }];
        let records: Vec<RecordSlot> = vec![];
        Payloads::assertion_by_contract(vec![0; 6], contexts, records)
    };
    assert_eq!(ledger.append(&mut run()), Ok(1));
    assert_eq!(ledger.append(&mut run()), Ok(1));
}

#[test]
fn nothing_open_is_nothing_to_seal() {
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<Audit>();
    assert!(ledger.seal(&key, 0, Seed::new([0; 32])).unwrap().is_none());
    assert_eq!((ledger.open_count(), ledger.open_bytes()), (0, 0));
}

#[test]
fn a_key_that_does_not_sign_loses_nothing() {
    struct Broken(crate::key::PublicKey);
    impl Signer for Broken {
        fn public_key(&self) -> &crate::key::PublicKey {
            &self.0
        }

        fn sign(&self, _: &[u8]) -> Result<[u8; 64], SigningFailed> {
            Err(SigningFailed)
        }
    }
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<Audit>();
    ledger.append_event(&event(1)).unwrap();
    let broken = Broken(key.public_key().clone());
    let failed = ledger.seal(&broken, 0, Seed::new([0; 32])).map(|sealed| sealed.is_some());
    assert_eq!(failed, Err(SigningFailed));
    assert_eq!(ledger.open_count(), 1);
    assert_eq!(sealed_verifies(&mut ledger), 1);
}

#[test]
fn errors_read_well() {
    let all = [AppendError::BatchFull, AppendError::TooLarge, AppendError::Slots];
    assert_eq!(
        all.map(|error| error.to_string()),
        [
            "open batch has no room left",
            "payloads are too large for a batch",
            "payloads are not laid out as their slots say",
        ]
    );
}
