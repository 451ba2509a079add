//! Control records under the shipped rules: what is typed is not taken for a card number, and what
//! is text is.

use lucarne_ledger::batch::{self, EpochKey};
use lucarne_ledger::control::{Close, Control, Gap, Open, Previous};
use lucarne_ledger::identity::EpochId;
use lucarne_ledger::key::Signer as _;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Audit, Kind, Ledger, Telemetry};

use super::*;

const CARD: &str = "4111111111111111";

fn layer() -> OuterLayer {
    OuterLayer::new(Rules::default_rules().unwrap(), Ed25519Key::from_seed(&[7; 32]).unwrap())
}

/// Every digest of it consists of decimal digits alone.
fn open() -> Open {
    Open {
        time_ms: 1_779_703_200_000,
        instance: "nitro-001".to_owned(),
        epoch: "1".repeat(32),
        ledger: "audit".to_owned(),
        tee: "tdx".to_owned(),
        measurement: "2".repeat(96),
        binding: String::new(),
        evidence_sha256: "3".repeat(64),
        previous: Some(Previous { epoch: "4".repeat(32), size: 9, root: "5".repeat(64) }),
    }
}

fn close() -> Close {
    Close { time_ms: 1_779_703_200_000, size: 9, root: "6".repeat(64), reason: "stopped".into() }
}

/// What is withheld of a ledger with this one record.
fn withheld<K: Kind>(control: &Control) -> Vec<(u64, Option<String>)> {
    let signer = Ed25519Key::from_seed(&[3; 32]).unwrap();
    let (instance, epoch) = ("nitro-001".parse().unwrap(), EpochId([0x11; 16]));
    let mut ledger = Ledger::<K>::new(instance, epoch, Seed::new([1; 32]));
    ledger.append_control(control).unwrap();
    let sealed = ledger.seal(&signer, 1_779_703_200_000, Seed::new([2; 32])).unwrap().unwrap();
    let instance = "nitro-001".parse().unwrap();
    let key = EpochKey { instance, epoch, key: signer.public_key().clone() };
    let verified = batch::verify(sealed.bytes(), &key).unwrap();
    let screened = layer().screen(&verified, 1_779_703_200_000).unwrap();
    screened.withheld.into_iter().map(|hole| (hole.seq, hole.key)).collect()
}

#[track_caller]
fn check(control: &Control, key: Option<&str>) {
    let expected: Vec<_> = key.map(|key| (0, Some(key.to_owned()))).into_iter().collect();
    assert_eq!(withheld::<Audit>(control), expected, "in the audit ledger");
    assert_eq!(withheld::<Telemetry>(control), expected, "in the telemetry ledger");
}

#[test]
fn digests_of_digits_alone_are_no_card_numbers() {
    check(&Control::Open(open()), None);
    check(&Control::Close(close()), None);
}

#[test]
fn what_has_not_the_form_of_its_type_is_text() {
    let card = || CARD.to_owned();
    check(&Control::Open(Open { measurement: card(), ..open() }), Some("measurement"));
    check(&Control::Open(Open { measurement: "2".repeat(95), ..open() }), Some("measurement"));
    let spaced = "2".repeat(94) + " A";
    check(&Control::Open(Open { measurement: spaced, ..open() }), Some("measurement"));
    check(&Control::Open(Open { epoch: card(), ..open() }), Some("epoch"));
    check(&Control::Open(Open { evidence_sha256: card(), ..open() }), Some("evidence_sha256"));
    check(&Control::Close(Close { root: card(), ..close() }), Some("root"));
    let previous = Previous { epoch: "4".repeat(32), size: 9, root: card() };
    check(&Control::Open(Open { previous: Some(previous), ..open() }), Some("root"));
}

#[test]
fn what_is_text_stays_in_view() {
    check(&Control::Open(Open { instance: CARD.to_owned(), ..open() }), Some("instance"));
    check(&Control::Close(Close { reason: format!("card {CARD}"), ..close() }), Some("reason"));
    let gap = Gap { time_ms: 1, count: 2, reason: format!("lost {CARD}") };
    check(&Control::Gap(gap), Some("reason"));
}

#[test]
fn a_canary_is_found_in_a_control_record_and_other_payloads_are_looked_at_whole() {
    let tee = canary::of([7; 16]);
    let found = withheld::<Audit>(&Control::Open(Open { tee, ..open() }));
    assert_eq!(found, [(0, None)]);
    let payload = serde_json::to_vec(&Control::Open(open())).unwrap();
    let text = |payload: &[u8]| control::text(payload, LedgerKind::Telemetry);
    assert!(text(&payload).is_some());
    // In the audit ledger the payload would begin with the leaf before it.
    assert_eq!(control::text(&payload, LedgerKind::Audit), None);
    let one_key_more = [&payload[..payload.len() - 1], b",\"note\":1}"].concat();
    assert_eq!(text(&one_key_more), None);
}
