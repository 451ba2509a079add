//! Every message there and back, and everything one byte away from one.

extern crate std;

use std::string::ToString as _;
use std::vec;

use proptest::collection::vec as many;
use proptest::prelude::*;

use super::*;
use crate::blob::BlobName;
use crate::session::{Answer, AwaitChallenge, AwaitHello, Incoming, Receiving, SessionError};

/// [`Up`] with what it borrows.
#[derive(Clone, Debug)]
enum Owned {
    Hello(Instance, [u8; 16]),
    Evidence([Vec<u8>; 4]),
    Batch(bool, Vec<u8>, String),
    JsonBatch(Vec<u8>),
    Fresh(Vec<u8>, Vec<u8>),
    NoEvidence(Fault),
    Constant(Shape, [u8; 32]),
    Put([u8; 8], u64, Vec<u8>),
    About([u8; 8], u8),
}

impl Owned {
    fn borrowed(&self) -> Up<'_> {
        match self {
            Self::Hello(instance, epoch) => {
                Up::Hello { instance: instance.clone(), epoch: EpochId(*epoch) }
            }
            Self::Evidence([binding, evidence, fresh, collateral]) => {
                Up::Evidence { binding, evidence, fresh, collateral }
            }
            Self::Batch(urgent, bytes, note) => Up::Batch { urgent: *urgent, bytes, note },
            Self::JsonBatch(bytes) => Up::JsonBatch { bytes },
            Self::Fresh(evidence, collateral) => Up::Fresh { evidence, collateral },
            Self::NoEvidence(fault) => Up::NoEvidence { fault: *fault },
            Self::Constant(shape, key) => Up::Constant { shape: *shape, key: *key },
            Self::Put(name, offset, bytes) => {
                let total = offset + bytes.len() as u64;
                Up::Blob(blob::Request::Put {
                    name: BlobName(*name),
                    total,
                    offset: *offset,
                    bytes,
                })
            }
            Self::About(name, which) => Up::Blob(match which % 4 {
                0 => blob::Request::Get { name: BlobName(*name), offset: u64::from(*which) },
                1 => blob::Request::Remove { name: BlobName(*name) },
                2 => blob::Request::List { after: Some(BlobName(*name)) },
                _ => blob::Request::List { after: None },
            }),
        }
    }
}

fn ups() -> impl Strategy<Value = Owned> {
    let blob = || many(any::<u8>(), 0..40);
    let instance = "[a-z0-9-]{1,63}".prop_map(|text| text.parse::<Instance>().unwrap());
    prop_oneof![
        (instance, any::<[u8; 16]>()).prop_map(|(instance, id)| Owned::Hello(instance, id)),
        [blob(), blob(), blob(), blob()].prop_map(Owned::Evidence),
        (any::<bool>(), blob(), ".{0,30}").prop_map(|(u, b, n)| Owned::Batch(u, b, n)),
        blob().prop_map(Owned::JsonBatch),
        (blob(), blob()).prop_map(|(evidence, with)| Owned::Fresh(evidence, with)),
        (1..=3_u64).prop_map(|code| Owned::NoEvidence(Fault::from_code(code).unwrap())),
        (10..=60_000_u64, 1024..=1_048_576_u64, any::<[u8; 32]>()).prop_map(
            |(interval, bytes, key)| Owned::Constant(Shape::new(interval, bytes).unwrap(), key)
        ),
        (any::<[u8; 8]>(), 0..1_000_u64, many(any::<u8>(), 1..40))
            .prop_map(|(name, offset, bytes)| Owned::Put(name, offset, bytes)),
        (any::<[u8; 8]>(), any::<u8>()).prop_map(|(name, which)| Owned::About(name, which)),
    ]
}

fn heads() -> impl Strategy<Value = PreviousHead> {
    (any::<[u8; 16]>(), any::<bool>(), any::<u64>(), any::<[u8; 32]>()).prop_map(
        |(epoch, audit, size, root)| {
            let kind = if audit { LedgerKind::Audit } else { LedgerKind::Telemetry };
            PreviousHead { epoch: EpochId(epoch), kind, size, root }
        },
    )
}

fn downs() -> impl Strategy<Value = Down> {
    let blob = || many(any::<u8>(), 0..60);
    prop_oneof![
        (any::<[u8; 32]>(), any::<u64>(), many(heads(), 0..=2))
            .prop_map(|(nonce, time_ms, previous)| Down::Challenge { nonce, time_ms, previous }),
        many(blob(), 0..=2).prop_map(|archived| Down::Accepted { archived }),
        blob().prop_map(|acknowledgement| Down::Archived { acknowledgement }),
        blob().prop_map(|acknowledgement| Down::JsonTaken { acknowledgement }),
        any::<[u8; 32]>().prop_map(|nonce| Down::Monitor { nonce }),
        (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(key, one, two)| {
            let signature = [one, two].concat().try_into().unwrap();
            Down::Constant { key, signature }
        }),
        ".{0,100}".prop_map(|reason| Down::Refused { reason }),
        (0..9_u64, many(any::<u8>(), 1..40)).prop_map(|(more, bytes)| {
            Down::Blob(blob::Answer::Piece { total: bytes.len() as u64 + more, bytes })
        }),
        prop::collection::btree_set(any::<[u8; 8]>(), 0..5).prop_map(|names| {
            Down::Blob(blob::Answer::Names(names.into_iter().map(BlobName).collect()))
        }),
        (0..3_usize).prop_map(|at| {
            Down::Blob(
                [blob::Answer::Done, blob::Answer::Nothing, blob::Answer::Refused][at].clone(),
            )
        }),
    ]
}

fn bent(body: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let masks = (0..body.len()).flat_map(|at| (1..=u8::MAX).map(move |mask| (at, mask)));
    masks.map(|(at, mask)| {
        let mut bent = body.to_vec();
        bent[at] ^= mask;
        bent
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_up_has_one_spelling(message in ups()) {
        let body = message.borrowed().encode();
        prop_assert_eq!(Up::decode(&body), Ok(message.borrowed()));
        for at in 0..body.len() {
            prop_assert!(Up::decode(&body[..at]).is_err(), "cut at {}", at);
        }
        for bent in bent(&body) {
            if let Ok(other) = Up::decode(&bent) {
                prop_assert_eq!(other.encode(), &bent[..]);
                prop_assert_ne!(other, message.borrowed());
            }
        }
        for last in 0..=u8::MAX {
            let longer = [&body[..], &[last]].concat();
            prop_assert!(Up::decode(&longer).is_err(), "{} after the end", last);
        }
    }

    #[test]
    fn every_message_down_has_one_spelling(message in downs()) {
        let body = message.encode();
        prop_assert_eq!(Down::decode(&body), Ok(message.clone()));
        for at in 0..body.len() {
            prop_assert!(Down::decode(&body[..at]).is_err(), "cut at {}", at);
        }
        for bent in bent(&body) {
            if let Ok(other) = Down::decode(&bent) {
                prop_assert_eq!(other.encode(), bent);
                prop_assert_ne!(&other, &message);
            }
        }
        for last in 0..=u8::MAX {
            let longer = [&body[..], &[last]].concat();
            prop_assert!(Down::decode(&longer).is_err(), "{} after the end", last);
        }
    }

    #[test]
    fn no_message_of_one_direction_is_one_of_the_other(up in ups(), down in downs()) {
        prop_assert_eq!(Down::decode(&up.borrowed().encode()), Err(CborError::Value));
        let body = down.encode();
        prop_assert_eq!(Up::decode(&body), Err(CborError::Value));
    }
}

#[test]
fn lists_hold_one_item_a_ledger() {
    let three = Down::Accepted { archived: vec![vec![1]; 3] };
    assert_eq!(Down::decode(&three.encode()), Err(CborError::Value));
    let head =
        PreviousHead { epoch: EpochId([1; 16]), kind: LedgerKind::Audit, size: 1, root: [2; 32] };
    let three = Down::Challenge { nonce: [0; 32], time_ms: 0, previous: vec![head; 3] };
    assert_eq!(Down::decode(&three.encode()), Err(CborError::Value));
    // A count that no memory could hold is refused before anything is taken for it.
    let huge = [&[ACCEPTED, 0x9b][..], &u64::MAX.to_be_bytes()].concat();
    assert_eq!(Down::decode(&huge), Err(CborError::Value));
}

#[test]
fn a_reason_is_cut_when_written_and_refused_when_too_long() {
    // Three bytes a character: the cut must not go through one.
    let long = Down::Refused { reason: "€".repeat(400) };
    let cut = Down::Refused { reason: "€".repeat(170) };
    assert_eq!(Down::decode(&long.encode()), Ok(cut));
    let mut out = Writer::after(vec![REFUSED]);
    out.array(1).text(&"x".repeat(REASON_BYTES_MAX + 1));
    assert_eq!(Down::decode(&out.finish()), Err(CborError::Value));
}

#[test]
fn another_version_of_the_protocol_is_refused() {
    let hello = |version: u64| {
        let mut out = Writer::after(vec![HELLO]);
        out.array(3).uint(version).text("a").bytes(&[0; 16]);
        out.finish()
    };
    let (instance, epoch) = ("a".parse().unwrap(), EpochId([0; 16]));
    assert_eq!(Up::decode(&hello(2)), Ok(Up::Hello { instance, epoch }));
    assert_eq!(other_version(&hello(2)), None);
    for version in [0, 1, 3, u64::MAX] {
        assert_eq!(Up::decode(&hello(version)), Err(CborError::Value), "version {version}");
        assert_eq!(other_version(&hello(version)), Some(version));
        // Whoever meets the other version is told which, not only that something is wrong.
        let refused = AwaitHello::begin().on_frame(&hello(version), [0; 32]).unwrap_err();
        assert_eq!(refused, SessionError::Version { got: version });
        let text = refused.to_string();
        assert!(text.contains(&version.to_string()) && text.contains("this side 2"), "{text}");
    }
    let mut challenge = Down::Challenge { nonce: [0; 32], time_ms: 0, previous: vec![] }.encode();
    challenge[2] = 1;
    let (asked, _) = AwaitChallenge::begin("a".parse().unwrap(), EpochId([0; 16]));
    let refused = asked.on_frame(&challenge).unwrap_err();
    assert_eq!(refused, SessionError::Version { got: 1 });
}

/// A gateway that is accepted, and the body that accepted it.
fn receiving() -> Receiving {
    let (_, hello) = AwaitChallenge::begin("a".parse().unwrap(), EpochId([0; 16]));
    let state = AwaitHello::begin().on_frame(&hello, [0; 32]).unwrap();
    state.accept(Vec::new()).0
}

#[test]
fn fresh_evidence_has_a_place_only_as_the_answer_to_one_question() {
    let mut gateway = receiving();
    let answer = Up::Fresh { evidence: b"e", collateral: b"c" }.encode();
    assert_eq!(gateway.on_frame(&answer), Err(SessionError::OutOfOrder));
    let question = gateway.ask([7; 32]).unwrap();
    assert_eq!(Down::decode(&question), Ok(Down::Monitor { nonce: [7; 32] }));
    // While one is open, there is no other.
    assert_eq!(gateway.ask([8; 32]), None);
    let fresh = Answer::Fresh { evidence: b"e", collateral: b"c" };
    assert_eq!(gateway.on_frame(&answer), Ok(Incoming::Answer { nonce: [7; 32], answer: fresh }));
    assert_eq!(gateway.on_frame(&answer), Err(SessionError::OutOfOrder));
    gateway.ask([9; 32]).unwrap();
    let none = Up::NoEvidence { fault: Fault::Device }.encode();
    let answer = Answer::None(Fault::Device);
    assert_eq!(gateway.on_frame(&none), Ok(Incoming::Answer { nonce: [9; 32], answer }));
    assert_eq!(gateway.on_frame(&none), Err(SessionError::OutOfOrder));
}

#[test]
fn an_enclave_without_evidence_says_so_in_place_of_it() {
    let (_, hello) = AwaitChallenge::begin("a".parse().unwrap(), EpochId([0; 16]));
    let state = AwaitHello::begin().on_frame(&hello, [0; 32]).unwrap();
    let body = Up::NoEvidence { fault: Fault::TimedOut }.encode();
    assert_eq!(state.on_frame(&body), Err(SessionError::NoEvidence(Fault::TimedOut)));
}

#[test]
fn constant_egress_is_asked_for_before_anything_else_and_once() {
    let shape = Shape::new(100, 4096).unwrap();
    let asked = Up::Constant { shape, key: [4; 32] }.encode();
    let batch = Up::Batch { urgent: false, bytes: b"b", note: "n" }.encode();
    let mut gateway = receiving();
    assert_eq!(gateway.on_frame(&asked), Ok(Incoming::Constant { shape, key: [4; 32] }));
    assert_eq!(gateway.on_frame(&asked), Err(SessionError::OutOfOrder));
    let mut gateway = receiving();
    assert!(matches!(gateway.on_frame(&batch), Ok(Incoming::Batch(_))));
    assert_eq!(gateway.on_frame(&asked), Err(SessionError::OutOfOrder));
    let state = AwaitHello::begin().on_frame(&hello(), [0; 32]).unwrap();
    assert_eq!(state.on_frame(&asked), Err(SessionError::OutOfOrder));
}

fn hello() -> Vec<u8> {
    AwaitChallenge::begin("a".parse().unwrap(), EpochId([0; 16])).1
}
