//! What becomes of a signed log batch: in the archive as it came, or nowhere.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use lucarne_archive::Directory;
use lucarne_ledger::batch::EpochKey;
use lucarne_ledger::identity::EpochId;
use lucarne_ledger::json_batch::writer::{JsonBatches, SealedJsonBatch};
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer, SigningFailed};
use lucarne_ledger::payload::JsonLines;
use lucarne_redact::Rules;
use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;
use crate::epochs::Epochs;

const CODE: &str = "c3d4e5";
const TIME: &str = "2026-05-25T10:00:00.1230000+00:00";
const NAME: &str = "json/2026/05/25/i/01010101010101010101010101010101/00000000000000000001.json";

struct Key(EcdsaKeyPair, PublicKey);

impl Key {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = PublicKey::from_p256_point(pair.public_key().as_ref()).unwrap();
        Self(pair, public)
    }
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

struct Site {
    dir: TempDir,
    archive: Directory,
    outer_layer: OuterLayer,
    counters: Counters,
    journal: Journal,
    key: Key,
    epoch: Arc<Epoch>,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = Key::new();
        let name = EpochKey {
            instance: "i".parse().unwrap(),
            epoch: EpochId([1; 16]),
            key: key.public_key().clone(),
        };
        let withholding = Ed25519Key::from_seed(&[2; 32]).unwrap();
        Self {
            archive: Directory::open(&dir.path().join("archive")).unwrap(),
            outer_layer: OuterLayer::new(Rules::default_rules().unwrap(), withholding),
            counters: Counters::default(),
            journal: Journal::new(Arc::new(SystemClock::start()), Box::new(std::io::sink()), None),
            epoch: Epochs::new("site").enter(name, [0; 32], CODE),
            key,
            dir,
        }
    }

    fn take(&self, json: &[u8]) -> Result<Taken, NotTaken> {
        let taker = Taker {
            erasable: false,
            archive: &self.archive,
            outer_layer: &self.outer_layer,
            counters: &self.counters,
            journal: &self.journal,
        };
        taker.take(json, &self.epoch)
    }

    /// Archived, withheld, refused, conflicts.
    fn counted(&self) -> [u64; 4] {
        let c = &self.counters;
        [&c.json_archived, &c.json_withheld, &c.json_refused, &c.conflicts].map(|it| it.value())
    }

    fn archived(&self) -> Option<Vec<u8>> {
        std::fs::read(self.dir.path().join("archive").join(NAME)).ok()
    }

    fn taken(&self, batch: &SealedJsonBatch, fate: Fate) -> Taken {
        let (instance, epoch) = (self.epoch.key.instance.clone(), self.epoch.key.epoch);
        Taken { instance, epoch, sequence: batch.sequence, digest: batch.digest, fate }
    }
}

/// A first batch of one record.
fn batch(key: &Key, code: &str, time: &str, message: &str) -> SealedJsonBatch {
    let line = format!(
        "{{\"timestamp\":\"{TIME}\",\"level\":\"Information\",\"message\":\"{message}\",\
         \"attributes\":{{\"traceId\":\"1234567890123456a1a1a1a1a1a1a1a1\"}}}}"
    );
    let lines = JsonLines::assertion_by_contract(line.clone().into_bytes(), vec![line.len()]);
    let mut batches = JsonBatches::new(code);
    lines.lines().for_each(|line| batches.append(line).unwrap());
    batches.seal(key, time).unwrap().unwrap()
}

#[test]
fn a_batch_is_archived_as_it_came_and_a_second_time_is_the_same() {
    let site = Site::new();
    let batch = batch(&site.key, CODE, TIME, "completed");
    let expected = Ok(site.taken(&batch, Fate::Archived));
    assert_eq!(site.take(&batch.bytes), expected);
    assert_eq!(site.archived(), Some(batch.bytes.clone()));
    assert_eq!(site.take(&batch.bytes), expected);
    assert_eq!(site.counted(), [2, 0, 0, 0]);
}

#[test]
fn a_batch_with_a_hit_of_the_outer_layer_is_kept_nowhere() {
    let site = Site::new();
    let batch = batch(&site.key, CODE, TIME, "Calculation result: 1500000");
    assert_eq!(site.take(&batch.bytes), Ok(site.taken(&batch, Fate::Withheld)));
    assert_eq!((site.archived(), site.counted()), (None, [0, 1, 0, 0]));
}

#[test]
fn what_the_enclave_of_the_epoch_did_not_sign_is_refused() {
    let site = Site::new();
    let other = batch(&Key::new(), CODE, TIME, "completed");
    let unsigned = NotTaken::Unverified(JsonBatchError::Signature);
    assert_eq!(site.take(&other.bytes), Err(unsigned));
    let code = batch(&site.key, "ffffff", TIME, "completed");
    assert_eq!(site.take(&code.bytes), Err(NotTaken::Field("tee_measurement")));
    for time in ["2026-05-32T10:00:00Z", "2026-05-25", "../../../x"] {
        let undated = batch(&site.key, CODE, time, "completed");
        assert_eq!(site.take(&undated.bytes), Err(NotTaken::Field("timestamp_utc")), "{time}");
    }
    assert_eq!((site.archived(), site.counted()), (None, [0, 0, 5, 0]));
}

#[test]
fn a_second_history_is_a_conflict_and_changes_nothing() {
    let site = Site::new();
    let first = batch(&site.key, CODE, TIME, "completed");
    let second = batch(&site.key, CODE, TIME, "failed");
    assert_eq!(site.take(&first.bytes), Ok(site.taken(&first, Fate::Archived)));
    assert_eq!(site.take(&second.bytes), Ok(site.taken(&second, Fate::Displaced)));
    assert_eq!((site.archived(), site.counted()), (Some(first.bytes), [1, 0, 0, 1]));
}

#[test]
fn a_batch_that_cannot_be_stored_is_not_acknowledged() {
    let mut site = Site::new();
    site.archive = Directory::open_read_only(&site.dir.path().join("archive")).unwrap();
    let batch = batch(&site.key, CODE, TIME, "completed");
    assert_eq!(site.take(&batch.bytes), Err(NotTaken::Archive));
    assert_eq!(site.counters.write_failures.value(), 1);
}
