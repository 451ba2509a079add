//! Batches under mutation: each check of `verify` has a forgery that only it stops, signed by the
//! genuine key.

extern crate std;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::control::Control;
use crate::key::Signer;
use crate::seal::{Audit, Telemetry};
use crate::statement::Withholding;
use crate::testing::{
    P256, audit_batch, epoch, epoch_key, event, heartbeat, ledger, logs, open, seal,
    telemetry_batch,
};

/// A batch taken apart, to be put together again with changes and the genuine key's signature.
struct Draft {
    key: P256,
    statement: Statement,
    frontier: Vec<u8>,
    seed: Option<[u8; 32]>,
    salts: Vec<u8>,
    records: Vec<DraftRecord>,
}

#[derive(Clone)]
enum DraftRecord {
    Present(u64, Vec<u8>),
    Withheld(u64, Hash, Vec<u8>),
}

impl Draft {
    fn of(sealed: &crate::seal::Sealed) -> Self {
        Self::of_bytes(sealed.bytes())
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        let key = P256::of_rfc_6979();
        let epoch_key = epoch_key(&key);
        let batch = verify(bytes, &epoch_key).unwrap();
        let seed = match batch.parts.secret {
            Secret::Seed(seed) => Some(*seed),
            Secret::Salts(_) | Secret::Encrypted(_) | Secret::Shared(_) => None,
        };
        let records = batch.records().iter().map(|record| match record.content {
            Content::Present { payload, .. } => {
                DraftRecord::Present(record.stream.code().into(), payload.to_vec())
            }
            Content::Withheld { .. } | Content::Encrypted => {
                unreachable!("a sealed batch is whole")
            }
        });
        Self {
            records: records.collect(),
            statement: batch.statement().clone(),
            frontier: batch.start().to_bytes(),
            seed,
            salts: batch.salts(),
            key,
        }
    }

    fn audit() -> Self {
        Self::of(&audit_batch(&P256::of_rfc_6979(), 3))
    }

    fn telemetry() -> Self {
        Self::of(&telemetry_batch(&P256::of_rfc_6979()))
    }

    /// Makes the statement true of the records again.
    fn recount(mut self) -> Self {
        let mut edge = Frontier::from_bytes(self.statement.first, &self.frontier).unwrap();
        let mut scratch = Vec::new();
        let seed = Seed::new(self.seed.unwrap());
        for (seq, record) in (self.statement.first..).zip(&self.records) {
            let mut salt = [[0; 16]];
            seed.fill(seq, &mut salt);
            let (code, commitment) = match record {
                DraftRecord::Present(code, payload) => {
                    (*code, record::commitment(&salt[0], payload, &mut scratch))
                }
                DraftRecord::Withheld(code, commitment, _) => (*code, *commitment),
            };
            let stream = Stream::from_code(code).unwrap_or(Stream::Control);
            edge.append(record::leaf(stream, commitment));
        }
        self.statement.count = self.records.len() as u64;
        self.statement.root = edge.root();
        self
    }

    fn encode(&self) -> Vec<u8> {
        let statement = self.statement.to_cbor();
        let signed = cose::sign(&self.key, ContentType::Statement, &statement).unwrap();
        self.encode_with(&signed)
    }

    fn encode_with(&self, signed: &[u8]) -> Vec<u8> {
        let mut out = Writer::new();
        for record in &self.records {
            match record {
                DraftRecord::Present(code, payload) => out.array(2).uint(*code).bytes(payload),
                DraftRecord::Withheld(code, hash, word) => {
                    out.array(3).uint(*code).bytes(&hash.0).bytes(word)
                }
            };
        }
        let secret = match &self.seed {
            Some(seed) => Secret::Seed(seed),
            None => Secret::Salts(&self.salts),
        };
        let count = self.records.len() as u64;
        assemble(signed, &self.frontier, &secret, count, &out.finish())
    }

    fn verdict(&self) -> Result<(), BatchError> {
        verify(&self.encode(), &epoch_key(&self.key)).map(drop)
    }
}

/// A batch of one event as the holder of the key of RFC 6979 can seal it: the record names another
/// leaf than that of the record before it.
pub(crate) fn naming_another_leaf(bytes: &[u8]) -> Vec<u8> {
    let mut draft = Draft::of_bytes(bytes);
    let [DraftRecord::Present(_, payload)] = &mut draft.records[..] else { panic!("one record") };
    let (_, fields) = chain::split(payload).unwrap();
    *payload = chain::link(Hash([0xab; 32]), fields);
    draft.recount().encode()
}

impl VerifiedBatch<'_> {
    fn salts(&self) -> Vec<u8> {
        let salt = |record: &Record<'_>| match record.content {
            Content::Present { salt, .. } => salt.to_vec(),
            Content::Withheld { .. } | Content::Encrypted => vec![],
        };
        self.records.iter().flat_map(salt).collect()
    }
}

#[track_caller]
fn refused(draft: &Draft, expected: BatchError) {
    assert_eq!(draft.verdict(), Err(expected));
}

#[test]
fn what_was_sealed_is_what_is_verified() {
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<Audit>();
    ledger.append_control(&open::<Audit>(None)).unwrap();
    (0..3).for_each(|n| assert_eq!(ledger.append_event(&event(n)), Ok(u64::from(n) + 1)));
    let sealed = seal(&mut ledger, &key);
    let epoch_key = epoch_key(&key);
    let batch = verify(sealed.bytes(), &epoch_key).unwrap();
    assert_eq!(batch.statement(), sealed.statement());
    assert_eq!((batch.end().root(), batch.end().size()), (ledger.root(), 4));
    assert_eq!(batch.start(), Frontier::empty());
    assert!(!batch.has_holes());
    let mut before = Hash::ZERO;
    for (n, record) in batch.records().iter().enumerate() {
        let Content::Present { payload, .. } = record.content else {
            panic!("nothing is withheld")
        };
        let (prev, fields) = chain::split(payload).unwrap();
        assert_eq!(prev, before);
        if n == 0 {
            assert_eq!(record.stream, Stream::Control);
            let kind = LedgerKind::Audit;
            assert_eq!(Control::parse(payload, kind), Ok(open::<Audit>(None)));
        } else {
            assert_eq!(record.stream, Stream::Audit);
            assert_eq!(fields, event(u32::try_from(n).unwrap() - 1).fields);
        }
        before = record.leaf;
    }
}

#[test]
fn a_redrafted_batch_is_the_same_batch() {
    for draft in [Draft::audit(), Draft::telemetry()] {
        assert_eq!(draft.verdict(), Ok(()));
        assert_eq!(draft.recount().verdict(), Ok(()));
    }
}

#[test]
fn contexts_are_shared_within_a_batch_and_stand_before_their_records() {
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<Telemetry>();
    ledger.append_control(&open::<Telemetry>(None)).unwrap();
    assert_eq!(ledger.append(&mut logs(&[b"one"])), Ok(4));
    assert_eq!(ledger.append(&mut logs(&[b"two", b"three"])), Ok(6));
    let first = seal(&mut ledger, &key);
    assert_eq!(ledger.append(&mut logs(&[b"four"])), Ok(9));
    let second = seal(&mut ledger, &key);
    let epoch_key = epoch_key(&key);
    for (sealed, expected) in [
        (
            first,
            vec![
                (Stream::Control, 0),
                (Stream::Context, u32::MAX),
                (Stream::Context, 1),
                (Stream::Logs, 2),
                (Stream::Logs, 2),
                (Stream::Logs, 2),
            ],
        ),
        // The next batch verifies on its own, so it has its own contexts.
        (second, vec![(Stream::Context, u32::MAX), (Stream::Context, 0), (Stream::Logs, 1)]),
    ] {
        let batch = verify(sealed.bytes(), &epoch_key).unwrap();
        let found = batch.records().iter().map(|record| match record.content {
            Content::Present { payload, .. } if record.stream != Stream::Control => {
                (record.stream, split_context(payload).unwrap().0)
            }
            _ => (record.stream, 0),
        });
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let (scope_at, _) = *expected
            .iter()
            .enumerate()
            .rfind(|(_, e)| e.0 == Stream::Context)
            .map(|(at, e)| (u32::try_from(at).unwrap(), e))
            .as_ref()
            .unwrap();
        let (resource_at, scope) = batch.context(scope_at).unwrap();
        assert_eq!(scope, b"scope");
        assert_eq!(batch.context(resource_at), Some((NO_CONTEXT, &b"resource"[..])));
        assert_eq!(batch.context(scope_at + 1), None);
    }
}

#[test]
fn any_flipped_bit_is_refused() {
    let key = P256::of_rfc_6979();
    let epoch_key = epoch_key(&key);
    let mut ledger = ledger::<Audit>();
    ledger.append_event(&event(1)).unwrap();
    let audit = seal(&mut ledger, &key).into_bytes();
    // The second batch of a ledger has a frontier, the first has none.
    ledger.append_event(&event(2)).unwrap();
    let second = seal(&mut ledger, &key).into_bytes();
    for bytes in [audit, second, telemetry_batch(&key).into_bytes()] {
        for at in 0..bytes.len() {
            for bit in [0, 3, 7] {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(verify(&flipped, &epoch_key).is_err(), "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn a_cut_or_longer_batch_is_refused_everywhere() {
    let key = P256::of_rfc_6979();
    let epoch_key = epoch_key(&key);
    let bytes = telemetry_batch(&key).into_bytes();
    for length in 0..bytes.len() {
        assert!(verify(&bytes[..length], &epoch_key).is_err(), "cut at {length}");
    }
    let longer = [&bytes[..], &[0]].concat();
    let trailing = BatchError::Cbor(CborError::TrailingBytes);
    assert_eq!(verify(&longer, &epoch_key).map(drop), Err(trailing));
}

#[test]
fn a_batch_longer_than_any_is_not_looked_at() {
    let key = epoch_key(&P256::of_rfc_6979());
    let bytes = vec![0; WITHHELD_BYTES_MAX + 1];
    let expected = BatchError::TooLong { bytes: bytes.len() };
    assert_eq!(verify(&bytes, &key).map(drop), Err(expected));
    // A batch without holes has no reason to be longer than it was sealed.
    let mut draft = Draft::telemetry();
    let payload = [&NO_CONTEXT.to_be_bytes()[..], &vec![0; 1 << 20]].concat();
    draft.records = vec![DraftRecord::Present(5, payload); 17];
    let bytes = draft.encode();
    let expected = BatchError::TooLong { bytes: bytes.len() };
    assert_eq!(verify(&bytes, &key).map(drop), Err(expected));
}

#[test]
fn every_other_spelling_of_the_same_batch_is_refused() {
    let draft = Draft::audit();
    let bytes = draft.encode();
    let key = epoch_key(&draft.key);
    let long = [&[0x98, 5], &bytes[1..]].concat();
    let expected = BatchError::Cbor(CborError::NotDeterministic);
    assert_eq!(verify(&long, &key).map(drop), Err(expected));
    let version = [&[bytes[0], 2], &bytes[2..]].concat();
    assert_eq!(verify(&version, &key).map(drop), Err(BatchError::Cbor(CborError::Value)));
    let mut four = Draft::audit();
    four.records.push(DraftRecord::Present(24, vec![]));
    let four = four.recount();
    refused(&four, BatchError::Stream { seq: 4 });
}

#[test]
fn only_the_key_of_the_epoch_signs_for_it() {
    let sealed = audit_batch(&P256::of_rfc_6979(), 1);
    let other = epoch_key(&P256::fresh());
    let expected = BatchError::Signature(SignatureError::Header);
    assert_eq!(verify(sealed.bytes(), &other).map(drop), Err(expected));
    let mut draft = Draft::audit();
    draft.statement.time_ms += 1;
    let honest = Draft::audit();
    let signed = cose::sign(&honest.key, ContentType::Statement, &honest.statement.to_cbor());
    let mut signed = signed.unwrap();
    *signed.last_mut().unwrap() ^= 1;
    let expected = BatchError::Signature(SignatureError::Signature);
    let key = epoch_key(&honest.key);
    assert_eq!(verify(&honest.encode_with(&signed), &key).map(drop), Err(expected));
}

#[test]
fn a_signature_for_another_purpose_is_not_one_for_a_statement() {
    let draft = Draft::audit();
    for content in [ContentType::Archived, ContentType::Withholding] {
        let signed = cose::sign(&draft.key, content, &draft.statement.to_cbor()).unwrap();
        let expected = BatchError::Signature(SignatureError::Header);
        let key = epoch_key(&draft.key);
        assert_eq!(verify(&draft.encode_with(&signed), &key).map(drop), Err(expected));
    }
}

#[test]
fn a_key_speaks_for_its_own_epoch_and_instance() {
    let mut epoch = Draft::audit();
    epoch.statement.ledger.epoch = EpochId([9; 16]);
    refused(&epoch, BatchError::Foreign);
    let mut instance = Draft::audit();
    instance.statement.ledger.instance = "nitro-002-us-east".parse().unwrap();
    refused(&instance, BatchError::Foreign);
}

#[test]
fn the_frontier_has_the_shape_of_the_first_number() {
    let mut draft = Draft::audit();
    draft.frontier = vec![7; 32];
    refused(&draft, BatchError::Frontier(WrongShape { size: 0, bytes: 32 }));
    let mut draft = Draft::audit();
    draft.statement.first = 1;
    refused(&draft, BatchError::Frontier(WrongShape { size: 1, bytes: 0 }));
}

#[test]
fn the_frontier_folds_to_the_root_before() {
    let mut draft = Draft::audit();
    let found = draft.statement.prev_root;
    draft.statement.prev_root = Hash([4; 32]);
    refused(&draft, BatchError::PrevRoot { stated: Hash([4; 32]), found });
}

#[test]
fn the_count_is_that_of_the_records() {
    let mut draft = Draft::audit();
    draft.statement.count += 1;
    refused(&draft, BatchError::Count { stated: 5, found: 4 });
    let mut draft = Draft::audit();
    draft.records.truncate(3);
    refused(&draft, BatchError::Count { stated: 4, found: 3 });
}

#[test]
fn seed_and_salts_have_one_canonical_form() {
    let mut salts_without_a_hole = Draft::audit();
    salts_without_a_hole.seed = None;
    refused(&salts_without_a_hole, BatchError::Secret);
    let mut one_short = Draft::audit();
    one_short.seed = None;
    one_short.salts.truncate(48);
    refused(&one_short, BatchError::Secret);
    let mut uneven = Draft::audit();
    uneven.seed = None;
    uneven.salts.push(0);
    refused(&uneven, BatchError::Secret);
    let commitment = commitment_of(&Draft::audit(), 1);
    let hole = DraftRecord::Withheld(4, commitment, vec![]);
    let mut seed_beside_a_hole = Draft::audit();
    seed_beside_a_hole.records[1] = hole.clone();
    refused(&seed_beside_a_hole, BatchError::Secret);
    let mut one_to_spare = Draft::audit();
    one_to_spare.records[1] = hole;
    one_to_spare.seed = None;
    refused(&one_to_spare, BatchError::Secret);
}

fn commitment_of(draft: &Draft, index: usize) -> Hash {
    let bytes = draft.encode();
    let key = epoch_key(&draft.key);
    verify(&bytes, &key).unwrap().records()[index].commitment
}

#[test]
fn each_ledger_has_its_streams() {
    for code in [1, 2, 3, 5, 6, 255] {
        let mut draft = Draft::audit();
        draft.records[1] = DraftRecord::Present(code, vec![]);
        refused(&draft, BatchError::Stream { seq: 1 });
    }
    for code in [4, 6] {
        let mut draft = Draft::telemetry();
        draft.records[3] = DraftRecord::Present(code, vec![]);
        refused(&draft, BatchError::Stream { seq: 3 });
    }
}

#[test]
fn payloads_and_authorisations_are_bounded() {
    let mut draft = Draft::audit();
    draft.records[2] = DraftRecord::Present(4, vec![0; PAYLOAD_BYTES_MAX + 1]);
    refused(&draft, BatchError::RecordTooLong { seq: 2 });
    let mut draft = Draft::audit();
    draft.records[1] = DraftRecord::Withheld(4, Hash::ZERO, vec![0; AUTHORISATION_BYTES_MAX + 1]);
    refused(&draft, BatchError::RecordTooLong { seq: 1 });
}

#[test]
fn a_context_index_points_to_a_context_of_the_right_kind_before_it() {
    // 0 open, 1 resource, 2 scope, 3 to 5 log records
    let pointing = |at: usize, index: u32| {
        let mut draft = Draft::telemetry();
        let DraftRecord::Present(_, payload) = &mut draft.records[at] else { panic!("present") };
        payload[..4].copy_from_slice(&index.to_be_bytes());
        draft.recount().verdict()
    };
    assert_eq!(pointing(4, 2), Ok(()));
    let seq = |seq| Err(BatchError::Context { seq });
    for index in [0, 1, 3, 4, 5, 6, NO_CONTEXT] {
        assert_eq!(pointing(4, index), seq(4), "record to {index}");
    }
    for index in [0, 2, 3, 9] {
        assert_eq!(pointing(2, index), seq(2), "scope to {index}");
    }
    let mut short = Draft::telemetry();
    short.records[3] = DraftRecord::Present(1, vec![0, 0, 2]);
    assert_eq!(short.recount().verdict(), seq(3));
}

#[test]
fn every_audit_record_names_the_leaf_before_it() {
    let renamed = |at: usize| {
        let mut draft = Draft::audit();
        let DraftRecord::Present(_, payload) = &mut draft.records[at] else { panic!("present") };
        // The first digit of the hash.
        payload[14] = if payload[14] == b'0' { b'1' } else { b'0' };
        draft.recount().verdict()
    };
    for at in 0..4 {
        assert_eq!(renamed(at), Err(BatchError::PrevHash { seq: at as u64 }));
    }
    let mut without = Draft::audit();
    without.records[2] = DraftRecord::Present(4, b"{}".to_vec());
    assert_eq!(without.recount().verdict(), Err(BatchError::PrevHash { seq: 2 }));
}

#[test]
fn the_leaves_lead_to_the_stated_root() {
    let mut draft = Draft::telemetry();
    let DraftRecord::Present(_, payload) = &mut draft.records[5] else { panic!("present") };
    *payload.last_mut().unwrap() ^= 1;
    let stated = draft.statement.root;
    let expected = Draft { key: P256::of_rfc_6979(), ..Draft::telemetry() };
    let mut changed = expected;
    changed.records.clone_from(&draft.records);
    let found = changed.recount().statement.root;
    refused(&draft, BatchError::Root { stated, found });
    // The stream is part of the leaf.
    let mut moved = Draft::telemetry();
    let DraftRecord::Present(code, _) = &mut moved.records[5] else { panic!("present") };
    *code = 3;
    assert!(matches!(moved.verdict(), Err(BatchError::Root { .. })));
}

/// The authority of the outer layer to leave out the record at `index`.
fn word(batch: &VerifiedBatch<'_>, index: usize) -> Vec<u8> {
    let word = Withholding {
        ledger: batch.statement().ledger.clone(),
        seq: batch.statement().first + index as u64,
        commitment: batch.records()[index].commitment,
        rule: "key form.*".into(),
        time_ms: 1,
    };
    word.sign(&P256::fresh()).unwrap()
}

#[test]
fn a_withheld_payload_is_gone_and_the_seal_holds() {
    let key = P256::of_rfc_6979();
    let epoch_key = epoch_key(&key);
    for sealed in [audit_batch(&key, 4), telemetry_batch(&key)] {
        let whole = verify(sealed.bytes(), &epoch_key).unwrap();
        let Content::Present { payload: secret, salt } = whole.records()[3].content else {
            panic!("nothing is withheld yet")
        };
        let less = whole.withhold(|index| (index == 3).then(|| word(&whole, 3)));
        let gone = |what: &[u8]| !less.windows(what.len()).any(|window| window == what);
        assert!(gone(secret) && gone(&salt), "payload or salt is still there");
        let Secret::Seed(seed) = whole.parts.secret else { panic!("a seed") };
        assert!(gone(seed), "the seed gives every salt");
        let held = verify(&less, &epoch_key).unwrap();
        assert_eq!(held.statement(), whole.statement());
        assert_eq!(held.signed_statement(), whole.signed_statement());
        assert!(held.has_holes());
        for (index, (less, more)) in held.records().iter().zip(whole.records()).enumerate() {
            assert_eq!((less.leaf, less.commitment), (more.leaf, more.commitment));
            match less.content {
                Content::Withheld { authorisation } => {
                    assert_eq!(index, 3);
                    let seen = Withholding::verify(authorisation, key.public_key());
                    assert_eq!(seen, Err(SignatureError::Header), "another key signed it");
                }
                Content::Present { .. } | Content::Encrypted => assert_eq!(less, more),
            }
        }
        // A second pass leaves the first hole as it is and makes another.
        let twice = held.withhold(|index| (index >= 2).then(|| word(&held, index)));
        let twice = verify(&twice, &epoch_key).unwrap();
        assert_eq!(twice.records()[3], held.records()[3]);
        let open = |r: &Record<'_>| matches!(r.content, Content::Present { .. });
        let left: Vec<bool> = twice.records().iter().map(open).collect();
        assert_eq!(left[..4], [true, true, false, false]);
    }
}

#[test]
fn withholding_nothing_changes_no_byte() {
    let key = P256::of_rfc_6979();
    let sealed = telemetry_batch(&key);
    let epoch_key = epoch_key(&key);
    let whole = verify(sealed.bytes(), &epoch_key).unwrap();
    assert_eq!(whole.withhold(|_| None), sealed.bytes());
}

#[test]
fn a_withheld_context_still_stands_for_its_records() {
    let key = P256::of_rfc_6979();
    let sealed = telemetry_batch(&key);
    let epoch_key = epoch_key(&key);
    let whole = verify(sealed.bytes(), &epoch_key).unwrap();
    let less = whole.withhold(|index| (index == 1).then(|| word(&whole, 1)));
    let less = verify(&less, &epoch_key).unwrap();
    assert_eq!(less.context(1), None);
    assert_eq!(less.context(2), Some((1, &b"scope"[..])));
}

#[test]
fn the_longest_authorisation_fits() {
    let word = Withholding {
        ledger: crate::identity::LedgerId {
            instance: "a".repeat(63).parse().unwrap(),
            epoch: epoch(),
            kind: LedgerKind::Telemetry,
        },
        seq: u64::MAX,
        commitment: Hash([0xff; 32]),
        rule: "r".repeat(crate::statement::RULE_BYTES_MAX),
        time_ms: u64::MAX,
    };
    let signed = word.sign(&P256::of_rfc_6979()).unwrap();
    assert!(signed.len() <= AUTHORISATION_BYTES_MAX, "{}", signed.len());
}

#[test]
fn a_sequence_is_cut_between_its_batches() {
    let key = P256::of_rfc_6979();
    let (one, two) = (audit_batch(&key, 2).into_bytes(), telemetry_batch(&key).into_bytes());
    let both = [&one[..], &two].concat();
    assert_eq!(split_first(&both), (&one[..], &two[..]));
    assert_eq!(split_first(&two), (&two[..], &[][..]));
    assert_eq!(split_first(b"garbage"), (&b"garbage"[..], &[][..]));
    assert_eq!(split_first(&one[..one.len() - 1]), (&one[..one.len() - 1], &[][..]));
}

#[test]
fn a_statement_can_be_read_before_its_key_is_known() {
    let sealed = audit_batch(&P256::fresh(), 1);
    assert_eq!(claimed_statement(sealed.bytes()).as_ref(), Ok(sealed.statement()));
}

/// The bytes of a batch are a format: they may not move unseen. Only the signature is random.
#[test]
fn the_format_does_not_move() {
    let key = P256::of_rfc_6979();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/batch");
    for (name, sealed) in [("audit", audit_batch(&key, 2)), ("telemetry", telemetry_batch(&key))] {
        let path = folder.join(std::format!("{name}.hex"));
        if std::env::var_os("LUCARNE_WRITE_VECTORS").is_some() {
            let lines: Vec<String> =
                sealed.bytes().chunks(50).map(|line| crate::hash::to_hex(line) + "\n").collect();
            std::fs::write(&path, lines.concat()).unwrap();
        }
        let text: String = std::fs::read_to_string(&path).unwrap().split_whitespace().collect();
        let stored: Vec<u8> = (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect();
        let epoch_key = epoch_key(&key);
        let batch = verify(&stored, &epoch_key).unwrap();
        assert_eq!(batch.statement(), sealed.statement());
        // Everything up to the signature, and everything after it.
        let at = stored.windows(2).position(|pair| pair == [0x58, 0x40]).unwrap() + 2;
        assert_eq!(stored[..at], sealed.bytes()[..at], "{name} before the signature");
        assert_eq!(stored[at + 64..], sealed.bytes()[at + 64..], "{name} after the signature");
    }
}

/// What one step of a random life does to a ledger.
#[derive(Clone, Debug)]
enum Step {
    Event(u32),
    Heartbeat,
    Seal,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<u32>().prop_map(Step::Event),
        2 => Just(Step::Heartbeat),
        3 => Just(Step::Seal),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn however_it_is_cut_the_batches_make_up_the_ledger(steps in steps()) {
        let key = P256::of_rfc_6979();
        let epoch_key = epoch_key(&key);
        let mut audit = ledger::<Audit>();
        let mut telemetry = ledger::<Telemetry>();
        let mut batches = [vec![], vec![]];
        for step in steps.iter().chain([&Step::Heartbeat, &Step::Seal]) {
            match step {
                Step::Event(n) => {
                    audit.append_event(&event(*n)).unwrap();
                    let text = n.to_be_bytes();
                    telemetry.append(&mut logs(&[&text, b"and", &text[..1]])).unwrap();
                }
                Step::Heartbeat => {
                    audit.append_control(&heartbeat()).unwrap();
                    telemetry.append_control(&heartbeat()).unwrap();
                }
                Step::Seal => {
                    let seed = || crate::testing::seed(3);
                    batches[0].extend(audit.seal(&key, 1, seed()).unwrap());
                    batches[1].extend(telemetry.seal(&key, 1, seed()).unwrap());
                }
            }
        }
        for (batches, (size, root)) in batches.iter().zip([
            (audit.size(), audit.root()),
            (telemetry.size(), telemetry.root()),
        ]) {
            let mut edge = Frontier::empty();
            for sealed in batches {
                let batch = verify(sealed.bytes(), &epoch_key).unwrap();
                prop_assert_eq!(&batch.start(), &edge);
                edge = batch.end().clone();
            }
            prop_assert_eq!((edge.size(), edge.root()), (size, root));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let key = epoch_key(&P256::of_rfc_6979());
        prop_assert!(verify(&bytes, &key).is_err());
        drop(claimed_statement(&bytes));
        let (first, rest) = split_first(&bytes);
        prop_assert_eq!([first, rest].concat(), bytes);
    }
}
