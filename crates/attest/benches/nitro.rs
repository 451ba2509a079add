//! Cost of one verdict on a genuine Nitro document, beside the signatures that no verifier can do
//! without.
//!
//! Four links below the pinned root and the document itself: five P-384 signatures, measured with
//! the same library in the same run, so the ratio means the same on every machine. One core; best
//! of several rounds, since a busy machine only ever makes a round slower.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use lucarne_attest::{DebugMode, Expect, Measurements, Policy, Root, When, verify};

const DOCUMENT: &[u8] = include_bytes!("../testdata/nitro/veracruz_doc.cbor");
/// Lengths of what is signed: four certificates of about 600 bytes, and the document.
const SIGNED_BYTES: [usize; 5] = [600, 600, 600, 600, 4_400];
const ROUNDS: u32 = 9;
const VERDICTS_A_ROUND: u32 = 50;
/// What the issue allows for one document.
const GOAL_MS: f64 = 2.0;

fn main() {
    // `cargo test --benches` runs this with `--test`: a word that it still works, no figures.
    let quick = std::env::args().any(|arg| arg == "--test");
    let (rounds, count) = if quick { (1, 1) } else { (ROUNDS, VERDICTS_A_ROUND) };
    let bare = bare(rounds, count);
    let verdict = verdict(rounds, count);
    let mut out = std::io::stdout().lock();
    let mut line = |name: &str, ms: f64, note: &str| {
        writeln!(out, "{name:<16} {ms:>7.3} ms{note}").expect("standard output is open");
    };
    line("five signatures", bare, "");
    let note = format!("  {:.2} of the signatures (goal {GOAL_MS} ms)", verdict / bare);
    line("nitro document", verdict, &note);
}

fn best_ms(rounds: u32, count: u32, mut once: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        (0..count).for_each(|_| once());
        start.elapsed()
    };
    let best = (0..rounds).map(time).min().unwrap_or(Duration::MAX);
    best.as_secs_f64() * 1_000.0 / f64::from(count)
}

fn bare(rounds: u32, count: u32) -> f64 {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key is drawn");
    let signed = SIGNED_BYTES.map(|length| {
        let message = vec![0x5a; length];
        let signature = pair.sign(&random, &message).expect("it signs");
        (message, signature)
    });
    let point = pair.public_key().as_ref();
    best_ms(rounds, count, || {
        for (message, signature) in &signed {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
                .verify(black_box(message), signature.as_ref())
                .expect("the signature is good");
        }
    })
}

fn verdict(rounds: u32, count: u32) -> f64 {
    let policy = Policy {
        roots: vec![Root::aws_nitro()],
        measurements: Measurements::DangerAny,
        debug: DebugMode::Refuse,
    };
    best_ms(rounds, count, || {
        let verdict = verify(black_box(DOCUMENT), &policy, When::Replay, Expect::AnyNonce);
        black_box(verdict.expect("the document is genuine"));
    })
}
