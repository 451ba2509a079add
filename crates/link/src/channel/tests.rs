//! Messages have one spelling, and the two ends together do what the protocol says and nothing
//! else.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::report_data::ReportData;

use super::client::{AwaitAttested, Part, Ready, Verdict, Wanted};
use super::countersignature::{Approval, Countersignature};
use super::message::{
    Ask, CHUNK_BYTES_MAX, Done, Granted, Query, REASON_BYTES_MAX, Refused, TEXT_BYTES_MAX, Tell,
    Verb,
};
use super::server::{AwaitChallenge, Incoming};
use super::*;
use crate::access::Serial;

const SPKI: &[u8] = b"the channel's key";

fn binding() -> EpochBinding {
    EpochBinding {
        p256_spki: vec![1; 91],
        ed25519: [2; 32],
        mldsa44: None,
        channel_spki: Some(SPKI.to_vec()),
        instance: "nitro-001-us-east".parse().unwrap(),
        nonce: [5; 32],
        configuration_sha256: [6; 32],
        contract_sha256: [7; 32],
        deployment: None,
    }
}

fn binder() -> Binder {
    Binder { leaf_spki_sha256: Hash::of(SPKI).0, exporter: [8; 32] }
}

fn query() -> Query {
    Query { verb: Verb::Recent, text: "x".into(), from_ns: 1, to_ns: u64::MAX, limit: 10 }
}

fn second() -> Countersignature {
    Countersignature {
        certificate: vec![3; 300],
        number: [4; 16],
        until: 1_795_230_000,
        signature: [5; 64],
    }
}

fn asks() -> Vec<Ask> {
    vec![
        Ask::Challenge { nonce: [9; 32] },
        Ask::Query { query: query(), countersignature: None },
        Ask::Query { query: query(), countersignature: Some(second()) },
    ]
}

fn granted() -> Granted {
    Granted { receipt: vec![1; 40], anchored: false, time_verified: false, salt: [6; 32] }
}

fn done() -> Done {
    Done { rows: 3, bytes: 99, partial: None, receipt: vec![2; 40] }
}

fn refused() -> Refused {
    Refused { code: "role".into(), reason: "may not".into(), receipt: None, time_verified: false }
}

fn tells() -> Vec<Tell> {
    vec![
        Tell::Attested { binding: binding().to_cbor(), evidence: vec![1], collateral: vec![] },
        Tell::Granted(granted()),
        Tell::Chunk { bytes: vec![1, 2] },
        Tell::Done(done()),
        Tell::Done(Done { partial: Some("rows".into()), ..done() }),
        Tell::Refused(refused()),
        Tell::Refused(Refused { receipt: Some(vec![7; 9]), time_verified: true, ..refused() }),
    ]
}

#[test]
fn what_is_written_is_what_is_read() {
    for message in asks() {
        let bytes = message.encode();
        assert_eq!(Ask::decode(&bytes), Ok(message));
        (0..bytes.len()).for_each(|cut| assert!(Ask::decode(&bytes[..cut]).is_err(), "{cut}"));
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Ask::decode(&longer), Err(CborError::TrailingBytes));
    }
    for message in tells() {
        let bytes = message.encode();
        assert_eq!(Tell::decode(&bytes), Ok(message));
        (0..bytes.len()).for_each(|cut| assert!(Tell::decode(&bytes[..cut]).is_err(), "{cut}"));
    }
    let bytes = second().to_cbor();
    assert_eq!(Countersignature::from_cbor(&bytes), Ok(second()));
}

/// The corpora of the fuzz targets are these messages; a changed format shows here first.
#[test]
fn the_corpora_hold_these_messages() {
    extern crate std;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let has = |topic: &str, bytes: Vec<u8>| {
        let files = std::fs::read_dir(root.join(topic)).unwrap();
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).any(|file| file == bytes)
    };
    assert!(asks().iter().all(|message| has("link_channel_ask", message.encode())));
    assert!(tells().iter().all(|message| has("link_channel_tell", message.encode())));
}

#[test]
fn limits_are_those_of_the_format() {
    let ask = |query| Ask::decode(&Ask::Query { query, countersignature: None }.encode());
    let longest = "q".repeat(TEXT_BYTES_MAX);
    let full = Query { text: longest.clone(), ..query() };
    let read = Ok(Ask::Query { query: full.clone(), countersignature: None });
    assert_eq!(ask(full), read);
    assert_eq!(ask(Query { text: longest + "q", ..query() }), Err(CborError::Value));
    assert_eq!(ask(Query { from_ns: 2, to_ns: 1, ..query() }), Err(CborError::Value));
    let chunk = |bytes| Tell::decode(&Tell::Chunk { bytes }.encode());
    let full = Tell::Chunk { bytes: vec![0; CHUNK_BYTES_MAX] };
    assert_eq!(chunk(vec![0; CHUNK_BYTES_MAX]), Ok(full));
    assert_eq!(chunk(vec![0; CHUNK_BYTES_MAX + 1]), Err(CborError::Value));
    assert_eq!(chunk(Vec::new()), Err(CborError::Value));
    // A reason is cut where it is written, and never inside of a character.
    let long = Refused { reason: "é".repeat(REASON_BYTES_MAX), ..refused() };
    let Ok(Tell::Refused(read)) = Tell::decode(&Tell::Refused(long).encode()) else { panic!() };
    assert_eq!(read.reason, "é".repeat(REASON_BYTES_MAX / 2));
    for (number, verb) in (1..).zip(Verb::ALL) {
        assert_eq!(verb.as_str().parse(), Ok(verb));
        let ask = Ask::Query { query: Query { verb, ..query() }, countersignature: None };
        assert_eq!(ask.encode()[3], number);
        assert_eq!(Ask::decode(&ask.encode()), Ok(ask));
    }
    assert_eq!("sql".parse::<Verb>(), Err(message::NotAVerb));
}

fn attest(nonce: [u8; 32], shown: &EpochBinding) -> Result<(Ready, [u8; 64]), ChannelError> {
    let (waiting, challenge) = AwaitAttested::begin(nonce);
    let challenged = AwaitChallenge::begin().on_frame(&challenge)?;
    assert_eq!(challenged.nonce, nonce);
    let data = ReportData::channel(shown, &end(&binder(), &challenged.nonce));
    let shown = [shown.to_cbor(), data.as_bytes().to_vec(), Vec::new()];
    let (_, answer) = challenged.answer(shown);
    judge(waiting, &answer, &binder(), &Wanted::default())
}

/// A judge that knows no hardware: it compares report data, and that is all it does.
fn judge(
    waiting: AwaitAttested,
    answer: &[u8],
    binder: &Binder,
    wanted: &Wanted,
) -> Result<(Ready, [u8; 64]), ChannelError> {
    waiting.on_frame(answer)?.judge(binder, wanted, |exhibit| {
        let expected = ReportData::channel(exhibit.binding, &end(exhibit.binder, exhibit.nonce));
        if exhibit.evidence == expected.as_bytes() {
            Ok(*expected.as_bytes())
        } else {
            Err(ChannelError::OutOfOrder)
        }
    })
}

#[test]
fn a_query_is_asked_granted_and_answered() {
    let (ready, _) = attest([1; 32], &binding()).unwrap();
    let (asked, body) = ready.ask(query(), None);
    let challenged = AwaitChallenge::begin().on_frame(&AwaitAttested::begin([1; 32]).1).unwrap();
    let (serving, _) = challenged.answer([vec![], vec![], vec![]]);
    let Incoming::Query { deciding, query: got, countersignature: None } =
        serving.on_frame(&body).unwrap()
    else {
        panic!("not a query")
    };
    assert_eq!(got, query());
    let (sending, body) = deciding.grant(granted());
    let Verdict::Granted(answering, shown) = asked.on_frame(&body).unwrap() else { panic!() };
    assert_eq!(shown, granted());
    let Part::Chunk(answering, bytes) = answering.on_frame(&sending.chunk(vec![7])).unwrap() else {
        panic!("not a chunk")
    };
    assert_eq!(bytes, [7]);
    let (_, body) = sending.done(done());
    let Part::Done(_, end) = answering.on_frame(&body).unwrap() else { panic!() };
    assert_eq!(end, done());
}

#[test]
fn nothing_out_of_order_is_taken() {
    let query = Ask::Query { query: query(), countersignature: None }.encode();
    let early = AwaitChallenge::begin().on_frame(&query).unwrap_err();
    assert_eq!(early, ChannelError::OutOfOrder);
    for tell in tells() {
        let refused = AwaitAttested::begin([1; 32]).0.on_frame(&tell.encode());
        match tell {
            Tell::Attested { .. } => assert_eq!(refused.unwrap().check(&binder(), &any()), Ok(())),
            Tell::Refused(_) => assert_eq!(
                refused.unwrap_err(),
                ChannelError::RefusedUnproven { reason: "may not".into() }
            ),
            _ => assert_eq!(refused.unwrap_err(), ChannelError::OutOfOrder),
        }
    }
    let mut other = Ask::Challenge { nonce: [1; 32] }.encode();
    other[2] = 2;
    let refused = AwaitChallenge::begin().on_frame(&other).unwrap_err();
    assert_eq!(refused, ChannelError::Version { got: 2 });
}

fn any() -> Wanted {
    Wanted::default()
}

/// The answer of a genuine enclave to this nonce, on this connection.
fn answer(nonce: [u8; 32], on: &Binder, role: &str, binding: &EpochBinding) -> Vec<u8> {
    let end = ChannelEnd { role, ..end(on, &nonce) };
    let evidence = ReportData::channel(binding, &end).as_bytes().to_vec();
    Tell::Attested { binding: binding.to_cbor(), evidence, collateral: Vec::new() }.encode()
}

/// Somebody who has stolen the channel's key and so shows the right one still cannot pass on what
/// a genuine enclave said to him, or said before.
#[test]
fn evidence_of_another_connection_nonce_or_role_is_refused() {
    let ours = binder();
    let his = Binder { exporter: [0; 32], ..ours };
    let wanted = Wanted { instance: Some(binding().instance), epoch: Some(binding().epoch_id()) };
    let judged = |answer: &[u8]| judge(AwaitAttested::begin([1; 32]).0, answer, &ours, &wanted);
    let (_, data) = judged(&answer([1; 32], &ours, ROLE_ENCLAVE, &binding())).unwrap();
    assert_eq!(data, *ReportData::channel(&binding(), &end(&ours, &[1; 32])).as_bytes());
    for wrong in [
        answer([1; 32], &his, ROLE_ENCLAVE, &binding()),
        answer([2; 32], &ours, ROLE_ENCLAVE, &binding()),
        answer([1; 32], &ours, "client", &binding()),
    ] {
        assert_eq!(judged(&wrong).unwrap_err(), ChannelError::OutOfOrder);
    }
}

#[test]
fn another_key_instance_or_epoch_is_named() {
    let check = |binding: &EpochBinding, wanted: &Wanted| {
        let answer = answer([1; 32], &binder(), ROLE_ENCLAVE, binding);
        judge(AwaitAttested::begin([1; 32]).0, &answer, &binder(), wanted).map(drop)
    };
    for channel_spki in [None, Some(b"his key".to_vec())] {
        let other = EpochBinding { channel_spki, ..binding() };
        assert_eq!(check(&other, &any()), Err(ChannelError::AnotherKey));
    }
    let other = EpochBinding { instance: "nitro-002-us-east".parse().unwrap(), ..binding() };
    let wanted = Wanted { instance: Some(binding().instance), epoch: None };
    let got = other.instance.clone();
    assert_eq!(check(&other, &wanted), Err(ChannelError::AnotherInstance { got }));
    let later = EpochBinding { nonce: [6; 32], ..binding() };
    let wanted = Wanted { epoch: Some(binding().epoch_id()), ..wanted };
    let got = later.epoch_id();
    assert_eq!(check(&later, &wanted), Err(ChannelError::AnotherEpoch { got }));
    assert_eq!(check(&binding(), &wanted), Ok(()));
}

#[test]
fn an_approval_moves_with_everything_it_names() {
    let (instance, other): (_, Instance) = (binding().instance, "other".parse().unwrap());
    let (asked, asker) = (query(), Serial::from_random([1; 16]));
    let approval = Approval { instance: &instance, asker, query: &asked };
    let message = approval.message(&[1; 16], 7);
    assert!(message.starts_with(b"lucarne/v1/countersignature\x85"));
    let longer = Query { limit: 11, ..query() };
    let moved: [Vec<u8>; 5] = [
        Approval { instance: &other, ..approval.clone() }.message(&[1; 16], 7),
        Approval { asker: Serial::from_random([2; 16]), ..approval.clone() }.message(&[1; 16], 7),
        Approval { query: &longer, ..approval.clone() }.message(&[1; 16], 7),
        approval.message(&[2; 16], 7),
        approval.message(&[1; 16], 8),
    ];
    assert!(moved.iter().all(|other| *other != message));
}

#[test]
fn errors_are_one_line_for_an_operator() {
    let reason = String::from("a\nb");
    assert_eq!(
        ChannelError::RefusedUnproven { reason }.to_string(),
        "refused before any evidence was shown: a\\nb"
    );
}
