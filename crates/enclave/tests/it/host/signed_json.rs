//! The host and signed log batches in JSON: what it says wrongly of one makes the enclave send the
//! same bytes again, and its room comes back only by a true acknowledgement.

use std::collections::BTreeMap;

use lucarne_ledger::hash::Hash;
use lucarne_ledger::json_batch::taken::{Fate, Taken};
use lucarne_ledger::json_batch::{Certificate, SignedLogBatch};
use lucarne_ledger::key::Ed25519Key;
use lucarne_link::message::Up;

use super::*;

/// Records of a batch.
const EVERY: u64 = 10;

/// What is said wrongly of a batch.
#[derive(Clone, Copy, Debug)]
enum Lie {
    Signer,
    Epoch,
    Sequence,
    Digest,
    OfALedger,
}

/// Every signed batch that came, by its number: its bytes, its records, and how often it came.
type Seen = BTreeMap<u64, (Vec<u8>, u64, usize)>;

fn taken(json: &[u8], key: &EpochKey) -> (Taken, u64) {
    let batch = SignedLogBatch::parse(json).unwrap();
    let batch = batch.verify(&key.key, Certificate::Sha256(key.key.id())).unwrap();
    let taken = Taken {
        instance: key.instance.clone(),
        epoch: key.epoch,
        sequence: batch.sequence(),
        digest: batch.digest(),
        fate: Fate::Archived,
    };
    (taken, batch.payload().record_count)
}

fn lie_about(truth: Taken, lie: Lie) -> Down {
    let mut taken = truth;
    let mut key = gateway_key();
    match lie {
        Lie::Signer => key = Ed25519Key::from_seed(&[9; 32]).unwrap(),
        Lie::Epoch => taken.epoch.0[0] ^= 1,
        Lie::Sequence => taken.sequence += 1_000,
        Lie::Digest => taken.digest = Hash([0; 32]),
        Lie::OfALedger => {}
    }
    let acknowledgement = taken.sign(&key).unwrap();
    match lie {
        Lie::OfALedger => Down::Archived { acknowledgement },
        _ => Down::JsonTaken { acknowledgement },
    }
}

/// Serves connections: ledgers honestly, the first signed batch of the first ones with a lie each.
async fn serve(listener: UnixListener, key: EpochKey, lies: Vec<Lie>) -> Seen {
    let mut seen = Seen::new();
    let mut lies = lies.into_iter();
    while let Ok(Ok((stream, _))) = timeout(Duration::from_secs(30), listener.accept()).await {
        let mut line = Line::new(stream);
        line.handshake(Vec::new()).await.unwrap();
        while let Some(body) = line.receive().await {
            let answer = match Up::decode(&body).unwrap() {
                Up::Batch { bytes, .. } => {
                    let statement = batch::claimed_statement(bytes).unwrap();
                    let acknowledgement = truth(&statement).sign(&gateway_key()).unwrap();
                    Down::Archived { acknowledgement }
                }
                Up::JsonBatch { bytes } => {
                    let (taken, count) = taken(bytes, &key);
                    let sequence = taken.sequence;
                    let (known, _, times) =
                        seen.entry(sequence).or_insert((bytes.to_vec(), count, 0));
                    assert_eq!(known, bytes, "batch {sequence} was signed twice");
                    *times += 1;
                    match lies.next() {
                        Some(lie) => lie_about(taken, lie),
                        None => {
                            let acknowledgement = taken.sign(&gateway_key()).unwrap();
                            Down::JsonTaken { acknowledgement }
                        }
                    }
                }
                other => panic!("{other:?}"),
            };
            if line.send(&answer).await.is_none() {
                break;
            }
        }
    }
    seen
}

async fn check() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("uplink.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let limits = JsonBatchLimits { records: EVERY, age: Duration::from_secs(1) };
    let enclave = Enclave::start_with(directory.path(), &socket, Some(limits));
    let lies = vec![Lie::Signer, Lie::Epoch, Lie::Sequence, Lie::Digest, Lie::OfALedger];
    let count = lies.len();
    let host = tokio::spawn(serve(listener, enclave.key.clone(), lies));
    for number in 0..25 {
        let sent = enclave.send(&format!("exec-{number}"), Durability::Archived).await;
        assert_eq!(sent, Ok(Accepted { rejected: 0 }));
    }
    pass(Duration::from_secs(60)).await;
    // The ledgers are idle but for heartbeats, and the last five records were old enough.
    enclave.pipeline.stop();
    enclave.close.send_replace(true);
    assert!(matches!(enclave.sealing.await.unwrap(), Ok(())));
    timeout(Duration::from_secs(600), enclave.uplink).await.unwrap().unwrap();
    assert_eq!(enclave.budget.used(), 0);
    let seen = host.await.unwrap();
    assert_eq!(Vec::from_iter(seen.keys().copied()), Vec::from_iter(1..=seen.len() as u64));
    assert!(seen.len() >= 3, "{} batches", seen.len());
    assert_eq!(seen.values().map(|(_, records, _)| records).sum::<u64>(), 25);
    let came: usize = seen.values().map(|(_, _, times)| times).sum();
    assert!(came >= seen.len() + count, "each lie made a batch come again");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_lies_about_signed_batches_in_json_gets_them_again() {
    LocalSet::new().run_until(check()).await;
}
