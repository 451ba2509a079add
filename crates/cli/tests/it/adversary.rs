//! A few cases of the adversary's campaign, by the same code as `cargo xtask adversary`. More with
//! `LUCARNE_ADVERSARY_CASES`.

#[path = "../../examples/adversary/campaign.rs"]
pub(crate) mod campaign;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use campaign::arena::Arena;
use campaign::site::Site;
use campaign::{Sites, play};

/// Some two for each attack.
const CASES: u64 = 150;
const SEED: u64 = 1;

#[test]
fn every_attack_is_found_under_its_name() {
    let cases = std::env::var("LUCARNE_ADVERSARY_CASES");
    let cases = cases.map_or(CASES, |cases| cases.parse().unwrap());
    let sites = Sites::new(SEED);
    let examples = lucarne_ledger::audit::cause::Cause::examples();
    let known: BTreeSet<&str> = examples.iter().map(|cause| cause.code()).collect();
    let (next, wrong) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let grounds = sites.grounds();
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases {
                        break;
                    }
                    let played = play(&grounds, SEED, case);
                    assert!(played.met || !played.attacks.is_empty());
                    for code in &played.causes {
                        assert!(known.contains(code.as_str()), "{code} is of no known cause");
                    }
                    if let Some(text) = played.wrong {
                        let (attacks, changes) = (played.attacks.join(" + "), played.changes);
                        wrong.lock().unwrap().push((case, attacks, changes, text));
                    }
                }
            });
        }
    });
    assert_eq!(wrong.into_inner().unwrap(), [], "cargo xtask adversary --seed {SEED} --only CASE");
}

#[test]
fn the_untouched_site_verifies_under_its_insecure_root_and_says_what_is_explained() {
    let site = Site::new(SEED);
    let arena = Arena::new(&site, "audit, telemetry");
    let (exit, report) = arena.audit(&[]);
    assert_eq!(exit.code(), 5, "{report:#}");
    let mut kinds: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    let times = |kind, count| std::iter::repeat_n(kind, count);
    // A gap and a withheld record in each ledger, and both ledgers of the boot that lost power; a
    // gap may be what was withheld.
    let gaps = kinds.iter().filter(|kind| **kind == "GAP_DECLARED").count();
    let expected: Vec<&str> = times("GAP_DECLARED", gaps)
        .chain(times("UNCLEAN_END", 2))
        .chain(times("WITHHELD", 10))
        .collect();
    assert_eq!(kinds, expected);
    assert!((1..=10).contains(&gaps), "{gaps}");
}

#[test]
fn the_site_with_every_anchor_verifies_and_counts_what_was_erased() {
    let site = Site::anchored(SEED);
    let (exit, report) = Arena::new(&site, "audit, telemetry").audit(&[]);
    assert_eq!(exit.code(), 5, "{report:#}");
    let all = report["findings"].as_array().unwrap();
    let bad: Vec<_> = all.iter().filter(|found| found["severity"] != "ok").collect();
    let accepted = bad.iter().filter(|found| found["kind"] == "UNCLEAN_END").count();
    let erased = all.iter().filter(|found| found["kind"] == "ERASED").count();
    assert_eq!((bad.len() - accepted, erased), (0, 2), "{bad:#?}");
}

/// Who meets a finding can look it up, with every cause that leads to it.
#[test]
fn every_finding_and_cause_is_in_the_document() {
    use lucarne_ledger::audit::cause::Cause;
    use lucarne_ledger::audit::finding::FindingKind;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/findings.md");
    let text = std::fs::read_to_string(path).unwrap();
    let absent = |words: Vec<String>| -> Vec<String> {
        words.into_iter().filter(|word| !text.contains(word)).collect()
    };
    let kinds = FindingKind::ALL.iter().map(|kind| format!("## {kind}\n")).collect();
    let codes = Cause::examples().iter().map(|cause| format!("`{}`", cause.code())).collect();
    assert_eq!((absent(kinds), absent(codes)), (vec![], vec![]));
}
