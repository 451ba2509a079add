//! Bundles over sealed batches, whole and with every kind of damage.

extern crate std;

use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::batch::{self, Content, VerifiedBatch};
use crate::identity::{LedgerId, LedgerKind};
use crate::key::{Ed25519Key, Signer};
use crate::note::NoteError;
use crate::proof::InclusionProver;
use crate::seal::{Audit, Sealed};
use crate::testing::{self, P256};

const PREFIX: &str = "lucarne.local";

fn keys(p256: &P256) -> AttestedKeys {
    AttestedKeys {
        statement: testing::epoch_key(p256),
        checkpoint: ed25519().public_key().clone(),
        insecure: false,
    }
}

fn ed25519() -> Ed25519Key {
    Ed25519Key::from_seed(&[5; 32]).unwrap()
}

/// A checkpoint under both keys of the epoch.
fn checkpoint(p256: &P256, id: &LedgerId, size: u64, root: Hash) -> String {
    let origin = origin(PREFIX, id);
    let text = Checkpoint { origin: origin.clone(), size, root }.to_string();
    let signature = ed25519().sign(text.as_bytes()).unwrap();
    let line = NoteKey::new(&origin, ed25519().public_key().clone()).line(&signature);
    p256.checkpoint(PREFIX, id, size, root) + &line
}

fn bundled(batch: &VerifiedBatch<'_>, seq: u64) -> BundledRecord {
    let statement = batch.statement();
    let mut prover = InclusionProver::new(seq, statement.size(), &batch.start()).unwrap();
    batch.records().iter().for_each(|record| prover.push(record.leaf));
    let record = batch.records()[usize::try_from(seq - statement.first).unwrap()];
    let content = match record.content {
        Content::Encrypted => unreachable!("a sealed batch is plain"),
        Content::Present { payload, salt } => {
            BundledContent::Present { payload: payload.to_vec(), salt }
        }
        Content::Withheld { authorisation } => BundledContent::Withheld {
            commitment: record.commitment,
            authorisation: authorisation.to_vec(),
        },
    };
    BundledRecord { seq, stream: record.stream, content, path: prover.finish().unwrap().path }
}

/// An audit ledger of two batches, 0-2 and 3-4, and a bundle for record 3 under a checkpoint of 5.
struct Site {
    p256: P256,
    first: Sealed,
    second: Sealed,
}

impl Site {
    fn new() -> Self {
        let p256 = P256::of_rfc_6979();
        let mut ledger = testing::ledger::<Audit>();
        let mut open = testing::open::<Audit>(None);
        if let Control::Open(open) = &mut open {
            open.binding = to_hex(b"binding");
            open.evidence_sha256 = to_hex(&Hash::of(b"evidence").0);
        }
        ledger.append_control(&open).unwrap();
        ledger.append_event(&testing::event(1)).unwrap();
        ledger.append_event(&testing::event(2)).unwrap();
        let first = testing::seal(&mut ledger, &p256);
        ledger.append_event(&testing::event(3)).unwrap();
        ledger.append_event(&testing::event(4)).unwrap();
        let second = testing::seal(&mut ledger, &p256);
        Self { p256, first, second }
    }

    fn bundle(&self) -> ProofBundle {
        let key = testing::epoch_key(&self.p256);
        let first = batch::verify(self.first.bytes(), &key).unwrap();
        let second = batch::verify(self.second.bytes(), &key).unwrap();
        let record = bundled(&second, 3);
        let id = &second.statement().ledger;
        let checkpoint = checkpoint(&self.p256, id, 5, second.statement().root);
        ProofBundle {
            seq: 3,
            statement: second.signed_statement().to_vec(),
            path: record.path.clone(),
            records: vec![record],
            checkpoint,
            opening: Some(Opening {
                statement: first.signed_statement().to_vec(),
                record: bundled(&first, 0),
            }),
            binding: b"binding".to_vec(),
            evidence: b"evidence".to_vec(),
            collateral: None,
            stamps: Vec::new(),
            baseline: None,
        }
    }

    fn verdict(&self, bundle: &ProofBundle) -> Result<(), BundleError> {
        bundle.verify(&keys(&self.p256), PREFIX).map(drop)
    }
}

#[test]
fn a_bundle_proves_its_record_and_tells_where_it_stands() {
    let site = Site::new();
    let bundle = site.bundle();
    let proven = bundle.verify(&keys(&site.p256), PREFIX).unwrap();
    let BundledContent::Present { payload, .. } = &proven.record().content else { panic!() };
    assert!(payload.ends_with(b",\"event_type\":\"workflow.started\",\"n\":3}"));
    assert_eq!(proven.statement(), site.second.statement());
    assert_eq!((proven.head().size, proven.head().root), (5, site.second.statement().root));
    let open = proven.opened().unwrap();
    assert_eq!((open.tee.as_str(), open.ledger.as_str()), ("software", "audit"));
    let again = ProofBundle::from_cbor(&bundle.to_cbor()).unwrap();
    assert_eq!(again, bundle);
    let stamps = vec![Stamp { covered: bundle.checkpoint.len(), response: vec![7] }];
    let (collateral, baseline) = (Some(vec![1]), Some("format".to_string()));
    let without = ProofBundle { opening: None, collateral, stamps, baseline, ..bundle };
    assert_eq!(ProofBundle::from_cbor(&without.to_cbor()).as_ref(), Ok(&without));
    let proven = without.verify(&keys(&site.p256), PREFIX).unwrap();
    let note = without.checkpoint.as_bytes();
    assert_eq!(proven.stamped().collect::<Vec<_>>(), [(note, &[7][..])]);
    assert_eq!(without.verify(&keys(&site.p256), PREFIX).unwrap().opened(), None);
}

#[test]
fn a_record_of_telemetry_brings_its_contexts() {
    let p256 = P256::of_rfc_6979();
    let sealed = testing::telemetry_batch(&p256);
    let batch = batch::verify(sealed.bytes(), &testing::epoch_key(&p256)).unwrap();
    let record = bundled(&batch, 4);
    let id = &batch.statement().ledger;
    assert_eq!(id.kind, LedgerKind::Telemetry);
    let bundle = ProofBundle {
        seq: 4,
        statement: batch.signed_statement().to_vec(),
        path: record.path.clone(),
        records: vec![bundled(&batch, 1), bundled(&batch, 2), record],
        checkpoint: checkpoint(&p256, id, 6, batch.statement().root),
        opening: None,
        binding: Vec::new(),
        evidence: Vec::new(),
        collateral: None,
        stamps: Vec::new(),
        baseline: None,
    };
    let again = ProofBundle::from_cbor(&bundle.to_cbor()).unwrap();
    let proven = again.verify(&keys(&p256), PREFIX).unwrap();
    assert_eq!(proven.context(2), Some((1, &b"scope"[..])));
    assert_eq!(proven.context(1), Some((u32::MAX, &b"resource"[..])));
    assert_eq!((proven.context(4), proven.context(5)), (None, None));
}

#[test]
fn a_withheld_record_is_proven_by_its_commitment() {
    let site = Site::new();
    let mut bundle = site.bundle();
    let commitment = bundle.records[0].commitment();
    let authorisation = b"word".to_vec();
    bundle.records[0].content = BundledContent::Withheld { commitment, authorisation };
    let again = ProofBundle::from_cbor(&bundle.to_cbor()).unwrap();
    let proven = again.verify(&keys(&site.p256), PREFIX).unwrap();
    assert_eq!(proven.record().commitment(), commitment);
    let other = Hash::of(b"other");
    let authorisation = Vec::new();
    bundle.records[0].content = BundledContent::Withheld { commitment: other, authorisation };
    let error = site.verdict(&bundle);
    assert!(matches!(error, Err(BundleError::Record { seq: 3, .. })), "{error:?}");
}

#[test]
fn each_refusal_names_what_is_wrong() {
    let site = Site::new();
    let good = site.bundle();
    let with = |change: &dyn Fn(&mut ProofBundle)| {
        let mut bundle = good.clone();
        change(&mut bundle);
        site.verdict(&bundle)
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|b| b.seq = 4), Err(BundleError::Absent));
    assert_eq!(with(&|b| b.records[0].seq = 5), Err(BundleError::Absent));
    assert_eq!(with(&|b| b.records.clear()), Err(BundleError::Absent));
    let last = good.statement.len() - 1;
    let error = BundleError::Statement(SignatureError::Signature);
    assert_eq!(with(&|b| b.statement[last] ^= 1), Err(error));
    let payload = with(&|b| match &mut b.records[0].content {
        BundledContent::Present { payload, .. } => payload[20] ^= 1,
        BundledContent::Withheld { .. } => {}
    });
    assert!(matches!(payload, Err(BundleError::Record { seq: 3, .. })), "{payload:?}");
    let length = ProofError::Length { found: 0 };
    assert_eq!(with(&|b| b.path.clear()), Err(BundleError::Path(length)));
    let error = BundleError::Checkpoint(CheckpointError::Note(NoteError::BadSignature));
    let edit = |b: &mut ProofBundle| b.checkpoint = b.checkpoint.replacen("\n5\n", "\n6\n", 1);
    assert_eq!(with(&edit), Err(error));
    let id = &site.second.statement().ledger;
    let forked = checkpoint(&site.p256, id, 5, Hash::ZERO);
    let (statement, checkpoint) = (site.second.statement().root, Hash::ZERO);
    let fork = |b: &mut ProofBundle| b.checkpoint.clone_from(&forked);
    assert_eq!(with(&fork), Err(BundleError::Forked { statement, checkpoint }));
    let error = BundleError::Checkpoint(CheckpointError::Note(NoteError::Unsigned));
    assert_eq!(good.verify(&keys(&site.p256), "another.site").map(drop), Err(error));
    // A checkpoint that one of the two keys has not signed is not the epoch's.
    let half = site.p256.checkpoint(PREFIX, id, 5, site.second.statement().root);
    assert_eq!(with(&|b| b.checkpoint.clone_from(&half)), Err(error));
    assert_eq!(with(&|b| b.evidence.push(1)), Err(BundleError::Opening));
    assert_eq!(with(&|b| b.binding.push(1)), Err(BundleError::Opening));
    // A stamp is of whole lines, the text of the checkpoint among them.
    let text = good.checkpoint.find("\n\n").unwrap();
    for (covered, verdict) in [
        (text + 1, Err(BundleError::Stamp)),
        (text + 2, Ok(())),
        (text + 3, Err(BundleError::Stamp)),
        (good.checkpoint.len(), Ok(())),
        (good.checkpoint.len() + 1, Err(BundleError::Stamp)),
    ] {
        let stamp = Stamp { covered, response: Vec::new() };
        assert_eq!(with(&|b| b.stamps.push(stamp.clone())), verdict, "{covered}");
    }
    let opening = with(&|b| b.opening.as_mut().unwrap().record.seq = 1);
    assert_eq!(opening, Err(BundleError::Foreign));
}

#[test]
fn keys_of_another_epoch_prove_nothing() {
    let site = Site::new();
    let bundle = site.bundle();
    let mut other = keys(&site.p256);
    other.statement.epoch = crate::identity::EpochId([2; 16]);
    assert_eq!(bundle.verify(&other, PREFIX).map(drop), Err(BundleError::Foreign));
    let fresh = P256::fresh();
    let error = BundleError::Statement(SignatureError::Header);
    assert_eq!(bundle.verify(&keys(&fresh), PREFIX).map(drop), Err(error));
}

#[test]
fn a_bundle_has_one_spelling_and_every_byte_counts() {
    let site = Site::new();
    let bytes = site.bundle().to_cbor();
    let longer = [&bytes[..], &[0]].concat();
    let error = BundleError::Cbor(CborError::TrailingBytes);
    assert_eq!(ProofBundle::from_cbor(&longer), Err(error));
    let long = vec![0; BUNDLE_BYTES_MAX + 1];
    assert_eq!(ProofBundle::from_cbor(&long), Err(BundleError::TooLong));
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 1;
        if let Ok(bundle) = ProofBundle::from_cbor(&bent) {
            assert_eq!(bundle.to_cbor(), bent);
            assert!(site.verdict(&bundle).is_err(), "byte {at}");
        }
    }
}
