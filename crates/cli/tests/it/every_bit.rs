//! Every bit of every file of a small archive, flipped one at a time: never verified.
//!
//! `LUCARNE_EVERY_BIT_STRIDE` takes one bit in so many, for the larger archive of
//! `LUCARNE_EVERY_BIT_SITE`, which is that of the adversary.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lucarne_ledger::identity::LedgerKind;

use super::adversary::campaign::arena::Arena;
use super::adversary::campaign::site::Site;

/// Verified, or verified under an insecure root.
const VERIFIED: [u8; 2] = [0, 5];

#[test]
fn a_flipped_bit_beside_or_in_an_audit_ledger_is_never_verified() {
    check(&Site::tiny(1, LedgerKind::Audit), "audit", |_| true);
}

#[test]
fn a_flipped_bit_in_a_telemetry_ledger_is_never_verified() {
    let site = Site::tiny(1, LedgerKind::Telemetry);
    // Evidence and binding are those of the other test.
    check(&site, "telemetry", |name| !name.starts_with("epochs/"));
}

#[test]
fn a_flipped_bit_in_the_adversarys_archive_is_never_verified_where_it_is_asked_for() {
    if std::env::var_os("LUCARNE_EVERY_BIT_SITE").is_some() {
        check(&Site::new(1), "audit, telemetry", |_| true);
    }
}

fn check(site: &Site, ledgers: &str, chosen: impl Fn(&str) -> bool) {
    let stride = std::env::var("LUCARNE_EVERY_BIT_STRIDE");
    let stride: usize = stride.map_or(1, |stride| stride.parse().unwrap());
    let bits: Vec<(&String, usize)> = (site.files.iter().filter(|(name, _)| chosen(name)))
        .flat_map(|(name, bytes)| (0..bytes.len() * 8).map(move |bit| (name, bit)))
        .step_by(stride)
        .collect();
    let (next, verified) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let arena = Arena::new(site, ledgers);
                let code = || arena.audit(&["--jobs", "1"]).0.code();
                assert_eq!(code(), 5, "whole it verifies");
                while let Some((name, bit)) = bits.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let whole: &Arc<[u8]> = &site.files[*name];
                    let mut flipped = whole.to_vec();
                    flipped[bit / 8] ^= 1 << (bit % 8);
                    arena.overwrite(name, &flipped);
                    let exit = code();
                    if VERIFIED.contains(&exit) {
                        verified.lock().unwrap().insert(((*name).clone(), *bit), exit);
                    }
                    arena.overwrite(name, whole);
                }
                assert_eq!(code(), 5, "whole again it verifies");
            });
        }
    });
    let flipped = bits.len();
    assert!(flipped * stride > 8 * 1_000, "{flipped} bits are no archive");
    assert_eq!(verified.into_inner().unwrap(), BTreeMap::new(), "of {flipped} bits");
}
