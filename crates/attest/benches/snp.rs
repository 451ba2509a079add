//! The cost of verifying one SNP report, against the signatures that it cannot avoid.
//!
//! Bare signatures are two of RSASSA-PSS with 4,096 bits and one of ECDSA on P-384, by the same
//! library in the same run. One thread; best of several rounds, since a busy machine only ever
//! makes a round slower.

use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_SHA384, UnparsedPublicKey,
};
use lucarne_attest::Time;
use lucarne_attest::snp::{
    Collateral, Expect, Measurements, Need, Policy, Product, REPORT_BYTES, Tcb, verify,
};

const ROUNDS: u32 = 7;
const REPORTS_A_ROUND: u32 = 200;
/// What one report may cost, in milliseconds.
const GOAL_MS: f64 = 1.0;

fn main() {
    // `cargo test --benches` runs this with `--test`: a word that it still works, no figures.
    let quick = std::env::args().any(|arg| arg == "--test");
    let (rounds, reports) = if quick { (1, 1) } else { (ROUNDS, REPORTS_A_ROUND) };
    let bare = bare(rounds, reports);
    let mut out = std::io::stdout().lock();
    writeln!(out, "bare signatures {bare:>7.3} ms").expect("standard output is open");
    for (name, files, product, at_ms) in [MILAN, TURIN] {
        let ms = report(rounds, reports, files, product, Time::from_unix_ms(at_ms));
        let ratio = ms / bare;
        writeln!(out, "{name:<15} {ms:>7.3} ms  {ratio:>5.2} of bare (goal {GOAL_MS} ms)")
            .expect("standard output is open");
    }
}

/// Name, report and collateral, product, and a time when all were good.
type Case = (&'static str, [&'static str; 3], Product, u64);
const MILAN: Case = (
    "Milan",
    ["trustee/test-report.bin", "trustee/test-vcek.der", "virtee-sev/milan_ask.pem"],
    Product::Milan,
    1_685_577_600_000,
);
const TURIN: Case = (
    "Turin",
    ["ms-tav/turin_attestation_report.bin", "ms-tav/turin_vcek.pem", "ms-tav/turin_ask.pem"],
    Product::Turin,
    1_780_272_000_000,
);

/// Milliseconds for one, best of the rounds.
fn best(rounds: u32, count: u32, mut one: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        for _ in 0..count {
            one();
        }
        start.elapsed()
    };
    let best = (0..rounds).map(time).min().unwrap_or(Duration::MAX);
    best.as_secs_f64() * 1_000.0 / f64::from(count)
}

fn bare(rounds: u32, count: u32) -> f64 {
    let random = SystemRandom::new();
    let message = [0x5a; REPORT_BYTES];
    let rsa = RsaKeyPair::generate(KeySize::Rsa4096).expect("a key");
    let mut pss = vec![0; rsa.public_modulus_len()];
    rsa.sign(&RSA_PSS_SHA384, &random, &message, &mut pss).expect("a signature");
    let ecdsa = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
    let fixed = ecdsa.sign(&random, &message).expect("a signature");
    let issuer = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, rsa.public_key());
    let chip = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, ecdsa.public_key());
    best(rounds, count, || {
        for _ in 0..2 {
            issuer.verify(black_box(&message), &pss).expect("a good signature");
        }
        chip.verify(black_box(&message), fixed.as_ref()).expect("a good signature");
    })
}

fn report(rounds: u32, count: u32, files: [&str; 3], product: Product, now: Time) -> f64 {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/snp");
    let [report, leaf, issuer] =
        files.map(|name| std::fs::read(directory.join(name)).expect("a file of the test data"));
    let mut collateral = Collateral::default();
    collateral.add(&leaf).expect("a certificate");
    collateral.add(&issuer).expect("a certificate");
    let policy = Policy {
        measurements: Measurements::DangerAny,
        products: [(product, Tcb::ZERO)].into(),
        version_min: 2,
        protections: Vec::new(),
        revocation: Need::Optional,
        ..Policy::strict(Vec::new())
    };
    best(rounds, count, || {
        let verified = verify(black_box(&report), &collateral, &policy, now, Expect::DangerAny);
        assert_eq!(verified.expect("a genuine report").product, product);
    })
}
