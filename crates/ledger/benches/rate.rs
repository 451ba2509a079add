//! Seal and verify rates of 300-byte records in batches of 1,000, against the hashing they cannot
//! avoid.
//!
//! The bound is `1 / (t(316) + t(35) + t(65))`: salt and payload, leaf, and one inner node a
//! record, with the same library in the same run, so the ratio means the same on every machine. One
//! thread; best of several rounds, since a busy machine only ever makes a round slower.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use lucarne_ledger::batch::{self, EpochKey};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::key::{PublicKey, Signer, SigningFailed};
use lucarne_ledger::payload::{ContextSlot, Payloads, RecordSlot};
use lucarne_ledger::record::Stream;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Ledger, Telemetry};

const RECORDS: usize = 1_000;
const PAYLOAD_BYTES: usize = 300;
const ROUNDS: u32 = 7;
const BATCHES_A_ROUND: u32 = 100;
const HASHES_A_ROUND: u32 = 200_000;

struct Key {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

fn main() {
    // `cargo test --benches` runs this with `--test`: a word that it still works, no figures.
    let quick = std::env::args().any(|arg| arg == "--test");
    let rounds = if quick { 1 } else { ROUNDS };
    let bound = bound(rounds);
    let (seal, verify) = rates(rounds, if quick { 1 } else { BATCHES_A_ROUND });
    let mut out = std::io::stdout().lock();
    let mut line = |name: &str, rate: f64, goal: f64| {
        let ratio = rate / bound;
        writeln!(out, "{name:<7} {rate:>11.0} records/s  {ratio:>5.2} of the bound (goal {goal})")
    };
    line("bound", bound, 1.0).expect("standard output is open");
    line("seal", seal, 0.60).expect("standard output is open");
    line("verify", verify, 0.65).expect("standard output is open");
}

fn best(rounds: u32, mut round: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        round();
        start.elapsed()
    };
    (0..rounds).map(time).min().unwrap_or(Duration::MAX)
}

/// Records a second that hashing alone would allow.
fn bound(rounds: u32) -> f64 {
    let seconds = |length: usize| {
        let input = vec![0x5a; length];
        let time = best(rounds, || {
            for _ in 0..HASHES_A_ROUND {
                black_box(Hash::of(black_box(&input)));
            }
        });
        time.as_secs_f64() / f64::from(HASHES_A_ROUND)
    };
    1.0 / (seconds(16 + PAYLOAD_BYTES) + seconds(35) + seconds(65))
}

/// One resource, one scope, and log records of 300 bytes with their context index.
fn payloads() -> Payloads {
    let mut buffer = Vec::new();
    let mut slot = |length: usize, fill: usize| {
        let start = buffer.len();
        buffer.resize(start + length, u8::try_from(fill % 251).unwrap_or_default());
        start..buffer.len()
    };
    let contexts = vec![
        ContextSlot { resource: None, range: slot(80, 1) },
        ContextSlot { resource: Some(0), range: slot(40, 2) },
    ];
    let records = (0..RECORDS).map(|n| RecordSlot {
        stream: Stream::Logs,
        scope: 1,
        range: slot(PAYLOAD_BYTES, n),
    });
    let records = records.collect();
    Payloads::assertion_by_contract(buffer, contexts, records)
}

fn rates(rounds: u32, batches: u32) -> (f64, f64) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let public = PublicKey::from_p256_point(pair.public_key().as_ref()).expect("a P-256 point");
    let key = Key { pair, public };
    let instance: Instance = "nitro-001-us-east".parse().expect("a name");
    let epoch = EpochId([1; 16]);
    let mut ledger = Ledger::<Telemetry>::new(instance.clone(), epoch, Seed::new([0; 32]));
    let mut run = payloads();
    let mut sealed = Vec::new();
    let seal = best(rounds, || {
        sealed.clear();
        for n in 0..batches {
            ledger.append(&mut run).expect("room for one run");
            let seed = Seed::new([u8::try_from(n % 251).unwrap_or_default(); 32]);
            let batch = ledger.seal(&key, u64::from(n), seed).expect("a signature");
            sealed.push(batch.expect("an open batch").into_bytes());
        }
    });
    let epoch = EpochKey { instance, epoch, key: key.public };
    let verify = best(rounds, || {
        for bytes in &sealed {
            let batch = batch::verify(black_box(bytes), &epoch).expect("a genuine batch");
            assert_eq!(batch.records().len(), RECORDS + 2);
        }
    });
    let rate = |time: Duration| f64::from(batches) * RECORDS as f64 / time.as_secs_f64();
    (rate(seal), rate(verify))
}
