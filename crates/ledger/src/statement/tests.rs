//! What keys sign, read back strictly.

use alloc::vec::Vec;

use super::*;
use crate::testing::{P256, epoch, instance};

fn statement() -> Statement {
    Statement {
        ledger: LedgerId { instance: instance(), epoch: epoch(), kind: LedgerKind::Telemetry },
        first: 1_000,
        count: 24,
        time_ms: 1_779_703_200_000,
        prev_root: Hash([1; 32]),
        root: Hash([2; 32]),
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let statement = statement();
    assert_eq!(statement.size(), 1_024);
    assert_eq!(Statement::from_cbor(&statement.to_cbor()), Ok(statement));
}

#[test]
fn a_read_statement_is_the_only_spelling_of_itself() {
    let bytes = statement().to_cbor();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            // Either the bytes are refused or they are another statement, written exactly so.
            if let Ok(other) = Statement::from_cbor(&flipped) {
                assert_eq!(other.to_cbor(), flipped);
                assert_ne!(other, statement());
            }
        }
    }
}

#[test]
fn an_empty_or_endless_batch_is_no_statement() {
    let empty = Statement { count: 0, ..statement() };
    assert_eq!(Statement::from_cbor(&empty.to_cbor()), Err(CborError::Value));
    let endless = Statement { first: u64::MAX, count: 1, ..statement() };
    assert_eq!(Statement::from_cbor(&endless.to_cbor()), Err(CborError::Value));
}

#[test]
fn an_acknowledgement_is_read_by_its_key_alone() {
    let key = P256::of_rfc_6979();
    let Statement { ledger, first, count, root, .. } = statement();
    let archived = Archived { ledger, first, count, root };
    let message = archived.sign(&key).unwrap();
    assert_eq!(Archived::verify(&message, key.public_key()), Ok(archived.clone()));
    let other = P256::fresh();
    assert_eq!(Archived::verify(&message, other.public_key()), Err(SignatureError::Header));
    assert_eq!(Withholding::verify(&message, key.public_key()), Err(SignatureError::Header));
    let endless = Archived { first: u64::MAX, ..archived };
    let message = endless.sign(&key).unwrap();
    let expected = SignatureError::Cbor(CborError::Value);
    assert_eq!(Archived::verify(&message, key.public_key()), Err(expected));
}

#[test]
fn an_authorisation_is_for_one_record_by_one_rule() {
    let key = P256::of_rfc_6979();
    let word = |rule: &str| Withholding {
        ledger: statement().ledger,
        seq: 7,
        commitment: Hash([5; 32]),
        rule: rule.to_owned(),
        time_ms: 9,
    };
    let signed = |rule: &str| word(rule).sign(&key).unwrap();
    let read = |message: Vec<u8>| Withholding::verify(&message, key.public_key());
    assert_eq!(read(signed("key form.*")), Ok(word("key form.*")));
    let longest = "r".repeat(RULE_BYTES_MAX);
    assert_eq!(read(signed(&longest)), Ok(word(&longest)));
    let longer = "r".repeat(RULE_BYTES_MAX + 1);
    assert_eq!(read(signed(&longer)), Err(SignatureError::Cbor(CborError::Value)));
}
