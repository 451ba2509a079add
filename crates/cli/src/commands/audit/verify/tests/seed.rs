//! The example of the runbook: a day's folder was copied from the storage, record 1043 is gone, and
//! the auditor has the key and nothing else.

use lucarne_ledger::batch;
use lucarne_ledger::identity::LedgerKind;

use super::*;

const RANGE: [&str; 5] = ["--from-seq", "1000", "--to-seq", "2000", "--per-record"];

/// A ledger in which 1043 happens to be alone in its batch: batches are signed whole, so whoever
/// holds the storage can drop this record alone and no other.
fn site() -> Site {
    Site::of_one_segment(&[1_043, 1_044, 2_001])
}

fn leaf_of_1043(path: &Path) -> String {
    let mut reader =
        lucarne_archive::segment::SegmentReader::open(fs::File::open(path).unwrap()).unwrap();
    let id = FIRST.id(LedgerKind::Audit);
    let binding = lucarne_ledger::binding::EpochBinding::from_cbor(&FIRST.file("binding")).unwrap();
    let key = lucarne_ledger::key::PublicKey::from_spki(&binding.p256_spki).unwrap();
    let key = batch::EpochKey { instance: id.instance, epoch: id.epoch, key };
    reader.next_frame().unwrap().unwrap();
    let frame = reader.next_frame().unwrap().unwrap();
    batch::verify(frame.content, &key).unwrap().records()[0].leaf.to_string()
}

fn check(records: &Path, leaf: &str, trust: &[&str]) {
    let (exit, text) = run_line(&line(records, &[trust, &RANGE].concat())).unwrap();
    assert_eq!(exit, Exit::No, "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("seq ")).collect();
    assert_eq!(lines[0], "seq 1000: VALID (signature ok, nothing before it was looked at)");
    let expected = [
        "seq 1042: VALID (signature ok, hash chain ok)".to_owned(),
        format!(
            "seq 1043: MISSING (not present in the archive; a record with leaf {leaf} was sealed)"
        ),
        "seq 1044: VALID (signature ok, previous hash does not match seq 1042)".to_owned(),
        "seq 1045: VALID (signature ok, hash chain ok)".to_owned(),
    ];
    assert_eq!(lines[42..46], expected);
    assert_eq!(lines[1_000], "seq 2000: VALID (signature ok, hash chain ok)");
    let conclusion = text.lines().find(|line| line.starts_with("CONCLUSION: ")).unwrap();
    let id = FIRST.id(LedgerKind::Audit);
    assert_eq!(
        conclusion,
        format!(
            "CONCLUSION: record 1043 of {id} was sealed inside the TEE and is absent from this \
             archive. What it said cannot be known from here, nor who removed it, nor whether it \
             was removed from the archive or never reached it; what would settle it: the \
             storage's access log and versions, and the enclave's own store of the epoch."
        )
    );
}

#[test]
fn the_example_of_the_runbook_is_reproduced_with_the_key_alone() {
    let site = site();
    let path = &site.seals("audit")[0];
    let leaf = leaf_of_1043(path);
    let records = site.copy_of("2026/05/25");
    let args =
        |more: &[&str]| line(&records, &[&["--tee-public-key", pinned::CERT], more].concat());
    let (exit, text) = run_line(&args(&RANGE)).unwrap();
    assert_eq!((exit, text.contains("MISSING")), (Exit::CouldNotTell, false), "{text}");
    fs::remove_dir_all(&records).unwrap();
    Site::cut_out(path, 1);
    let records = site.copy_of("2026/05/25");
    check(&records, &leaf, &["--tee-public-key", pinned::CERT]);
}

#[test]
fn with_evidence_and_a_policy_it_says_the_same() {
    let site = site();
    let path = &site.seals("audit")[0];
    let leaf = leaf_of_1043(path);
    Site::cut_out(path, 1);
    let policy = site.policy();
    check(&site.archive(), &leaf, &["--policy", policy.to_str().unwrap()]);
}

#[test]
fn a_record_that_shares_its_batch_cannot_be_taken_alone() {
    let site = Site::of_one_segment(&[1_043, 1_045, 2_001]);
    Site::cut_out(&site.seals("audit")[0], 1);
    let (exit, text) = output(&site, &["--ledger", "audit", "--per-record"]);
    assert_eq!(exit, Exit::No);
    for seq in [1_043, 1_044] {
        let line = format!("\nseq {seq}: MISSING (not present in the file that is named for them)");
        assert!(text.contains(&line), "{text}");
    }
}
