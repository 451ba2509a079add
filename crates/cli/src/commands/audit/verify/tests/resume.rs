//! Several workers, and audits that go on where another one ended.

use std::sync::atomic::{AtomicU32, Ordering};

use lucarne_ledger::checkpoint::Checkpoint;

use super::*;

#[test]
fn the_number_of_workers_changes_nothing() {
    let sites = [Site::new(), Site::of_single_records(), {
        let site = Site::new();
        site.fork();
        fs::remove_file(&site.seals("telemetry")[0]).unwrap();
        site
    }];
    for site in sites {
        for form in [&["--output", "json"][..], &["--per-record"]] {
            let one = output(&site, &[form, &["--jobs", "1"]].concat());
            for jobs in ["2", "3", "16", "4000"] {
                assert_eq!(output(&site, &[form, &["--jobs", jobs]].concat()), one, "{jobs}");
            }
        }
    }
}

fn json(site: &Site, more: &[&str]) -> (Exit, Value) {
    let (exit, text) = output(site, &[&["--output", "json"], more].concat());
    (exit, serde_json::from_str(&text).unwrap())
}

#[test]
fn an_audit_goes_on_behind_any_stored_checkpoint() {
    let site = Site::new();
    for (note, rest) in site.checkpoints("audit").iter().zip([6, 3, 0]) {
        let since = ["--ledger", "audit", "--since", note.to_str().unwrap()];
        let (exit, report) = json(&site, &since);
        assert_eq!((exit, report["findings"].as_array().unwrap().len()), (Exit::Insecure, 0));
        let ledger = &report["ledgers"][0];
        assert_eq!((&ledger["from"], &ledger["verified"]), (&(9 - rest).into(), &rest.into()));
        assert_eq!((&ledger["size"], &ledger["closed"]), (&9.into(), &true.into()));
        let note = report["notes"][0].as_str().unwrap();
        assert!(note.contains("were not verified again"), "{note}");
    }
}

#[test]
fn what_happened_behind_the_checkpoint_is_found_and_what_happened_before_is_not_looked_at() {
    let site = Site::new();
    let note = site.checkpoints("audit")[0].clone();
    let since = ["--ledger", "audit", "--since", note.to_str().unwrap()];
    fs::remove_file(&site.seals("audit")[0]).unwrap();
    assert_eq!(json(&site, &since).0, Exit::Insecure);
    fs::remove_file(&site.seals("audit")[0]).unwrap();
    let (exit, report) = json(&site, &since);
    let finding = &report["findings"][0];
    assert_eq!(
        (exit, &finding["kind"], &finding["first"]),
        (Exit::No, &"MISSING".into(), &3.into())
    );
}

#[test]
fn a_remembered_head_catches_another_history_and_a_ledger_that_is_gone() {
    let site = Site::new();
    let path = site.archive().with_file_name("remembered");
    let note = fs::read_to_string(&site.checkpoints("audit")[0]).unwrap();
    let text = note.split("\n\n").next().unwrap();
    let mut head = Checkpoint::parse(&format!("{text}\n")).unwrap();
    head.root.0[0] ^= 1;
    fs::write(&path, head.to_string()).unwrap();
    let since = ["--since", path.to_str().unwrap()];
    let (exit, report) = json(&site, &since);
    assert_eq!((exit, &report["findings"][0]["kind"]), (Exit::No, &"FORKED".into()));
    fs::write(&path, note).unwrap();
    for file in site.seals("audit").into_iter().chain(site.checkpoints("audit")) {
        fs::remove_file(file).unwrap();
    }
    let (exit, report) = json(&site, &since);
    let finding = &report["findings"][0];
    assert_eq!(
        (exit, &finding["kind"], &finding["last"]),
        (Exit::No, &"TRUNCATED".into(), &2.into())
    );
}

#[test]
fn a_stopped_audit_says_where_to_go_on() {
    let site = Site::new();
    let whole = json(&site, &[]).1;
    // Five segments: stopped before each of them, and gone on from there.
    for after in 1..=5 {
        let asked = AtomicU32::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= after;
        let mut out = Vec::new();
        let failure = run_to(&args(&site, &["--jobs", "2"]), &mut out, &stop).unwrap_err();
        assert_eq!(failure.exit(), Exit::CouldNotTell);
        assert!(failure.text(false).contains("go on with --since"), "{}", failure.text(false));
        let path = site.archive().with_file_name("heads");
        fs::write(&path, &out).unwrap();
        let (exit, report) = json(&site, &["--since", path.to_str().unwrap()]);
        assert_eq!(exit, Exit::Insecure, "{after}: {report:#}");
        let verified = |report: &Value| -> u64 {
            let ledgers = report["ledgers"].as_array().unwrap();
            ledgers.iter().map(|ledger| ledger["verified"].as_u64().unwrap()).sum()
        };
        assert!(verified(&report) < verified(&whole), "{after}: {report:#}");
        for (one, other) in [0, 1].map(|n| (&report["ledgers"][n], &whole["ledgers"][n])) {
            assert_eq!((&one["size"], &one["root"]), (&other["size"], &other["root"]));
        }
    }
}

#[test]
fn a_stopped_audit_that_has_seen_tampering_says_no() {
    let site = Site::new();
    fs::remove_file(&site.seals("audit")[0]).unwrap();
    let asked = AtomicU32::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 2;
    let failure = run_to(&args(&site, &["--jobs", "1"]), &mut Vec::new(), &stop).unwrap_err();
    assert_eq!(failure.exit(), Exit::No);
    assert!(failure.text(false).contains("seq 0-2: MISSING"), "{}", failure.text(false));
}
