//! Cost of one verdict on a genuine TDX quote, beside the signatures that no verifier can do
//! without.
//!
//! Two links of the PCK chain, the quoting enclave, the quote, the signer of each document, the two
//! documents and the two revocation lists: ten P-256 signatures, measured with the same library in
//! the same run, so the ratio means the same on every machine. One core; best of several rounds,
//! since a busy machine only ever makes a round slower.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use lucarne_attest::Time;
use lucarne_attest::tdx::{
    Collateral, Expect, INTEL_SGX_ROOT, Measurements, Permit, Policy, verify,
};

const QUOTE: &[u8] = include_bytes!("../testdata/tdx/dcap-qvl/tdx_quote");
const COLLATERAL: &[u8] = include_bytes!("../testdata/tdx/dcap-qvl/tdx_quote_collateral.json");
/// A time at which the collateral held.
const NOW: Time = Time::from_unix_ms(1_750_400_000_000);
/// Lengths of what is signed: certificates, reports, documents, revocation lists.
const SIGNED_BYTES: [usize; 10] = [600, 1_180, 384, 632, 580, 580, 2_934, 461, 200, 2_500];
const ROUNDS: u32 = 9;
const VERDICTS_A_ROUND: u32 = 50;
/// What is allowed for one quote.
const GOAL_MS: f64 = 5.0;

fn main() {
    // `cargo test --benches` runs this with `--test`: a word that it still works, no figures.
    let quick = std::env::args().any(|arg| arg == "--test");
    let (rounds, count) = if quick { (1, 1) } else { (ROUNDS, VERDICTS_A_ROUND) };
    let bare = bare(rounds, count);
    let read = best_ms(rounds, count, || {
        black_box(Collateral::from_bundle(black_box(COLLATERAL)).expect("it is collateral"));
    });
    let verdict = verdict(rounds, count);
    let mut out = std::io::stdout().lock();
    let mut line = |name: &str, ms: f64, note: &str| {
        writeln!(out, "{name:<16} {ms:>7.3} ms{note}").expect("standard output is open");
    };
    line("ten signatures", bare, "");
    line("read collateral", read, "  once for many quotes");
    let note = format!("  {:.2} of the signatures (goal {GOAL_MS} ms)", verdict / bare);
    line("tdx quote", verdict, &note);
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
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key is drawn");
    let signed = SIGNED_BYTES.map(|length| {
        let message = vec![0x5a; length];
        let signature = pair.sign(&random, &message).expect("it signs");
        (message, signature)
    });
    let point = pair.public_key().as_ref();
    best_ms(rounds, count, || {
        for (message, signature) in &signed {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(black_box(message), signature.as_ref())
                .expect("the signature is good");
        }
    })
}

fn verdict(rounds: u32, count: u32) -> f64 {
    let collateral = Collateral::from_bundle(COLLATERAL).expect("it is collateral");
    let policy = Policy {
        dynamic_platform: Permit::Allow,
        cached_keys: Permit::Allow,
        smt: Permit::Allow,
        ..Policy::strict(vec![INTEL_SGX_ROOT], Measurements::DangerAny)
    };
    best_ms(rounds, count, || {
        let verdict = verify(black_box(QUOTE), &collateral, &policy, NOW, Expect::AnyReportData);
        black_box(verdict.expect("the quote is genuine"));
    })
}
