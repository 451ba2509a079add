//! A key instead of a policy, and copies of parts of an archive.

use lucarne_ledger::key::Signer;

use super::*;

/// A certificate of the first epoch's key.
pub(super) const CERT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/audit/tee-attestation-cert.pem");
const BARE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/audit/tee-public-key.pem");
const P384: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/audit/software-root.pem");
const MEASUREMENT: &str = "e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5\
                           e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5";

fn with_key(records: &Path, more: &[&str]) -> (Exit, Vec<Found>, String) {
    let more = [&["--tee-public-key", CERT, "--output", "json"], more].concat();
    let (exit, text) = run_line(&line(records, &more)).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let found = report["findings"].as_array().unwrap().iter().map(|finding| {
        let kind = finding["kind"].as_str().unwrap().to_owned();
        (kind, finding["first"].as_u64(), finding["last"].as_u64())
    });
    (exit, found.collect(), text)
}

fn one(kind: &str, first: u64, last: u64) -> Found {
    (kind.to_owned(), Some(first), Some(last))
}

#[test]
fn a_whole_archive_verifies_under_a_key_that_says_itself_that_it_protects_nothing() {
    let site = Site::new();
    for key in [CERT, BARE] {
        let (exit, text) = run_line(&line(&site.archive(), &["--tee-public-key", key])).unwrap();
        assert_eq!(exit, Exit::Insecure, "{text}");
        assert!(text.contains("is believed because it was given"), "{text}");
        assert!(text.contains("says of itself: TEE software (INSECURE)"), "{text}");
        assert!(text.contains("covered by a checkpoint up to 9"), "{text}");
    }
}

#[test]
fn damage_under_a_key_is_named_as_under_a_policy() {
    let site = Site::new();
    fs::remove_file(&site.seals("audit")[1]).unwrap();
    fs::remove_file(site.seals("telemetry").last().unwrap()).unwrap();
    let (exit, found, _) = with_key(&site.archive(), &[]);
    assert_eq!((exit, found), (Exit::No, vec![one("MISSING", 3, 5), one("TRUNCATED", 4, 7)]));
}

#[test]
fn a_day_verifies_as_far_as_it_goes_from_whatever_folder_it_was_copied() {
    let site = Site::new();
    let epoch = FIRST.epoch();
    let instance = "2026/05/25/nitro-001-us-east";
    for folder in ["2026", "2026/05", "2026/05/25", instance, &format!("{instance}/{epoch}")] {
        let copy = site.copy_of(folder);
        let (exit, found, text) = with_key(&copy, &[]);
        let tails = vec![one("UNANCHORED_TAIL", 0, 8), one("UNANCHORED_TAIL", 0, 7)];
        assert_eq!((exit, found), (Exit::CouldNotTell, tails), "{folder}: {text}");
        assert!(text.contains("this is a copy of a part"), "{text}");
        fs::remove_dir_all(&copy).unwrap();
    }
    let copy = site.copy_of(&format!("{instance}/{epoch}/audit"));
    let (exit, found, _) = with_key(&copy, &[]);
    assert_eq!((exit, found), (Exit::CouldNotTell, vec![one("UNANCHORED_TAIL", 0, 8)]));
}

#[test]
fn a_day_in_the_middle_of_a_ledger_is_not_blamed_for_the_others() {
    let site = Site::new();
    let copy = site.copy_of("2026/05/25");
    for path in [0, 2].map(|n| site.seals("audit")[n].clone()) {
        let below = path.strip_prefix(site.archive().join("2026/05/25")).unwrap();
        fs::remove_file(copy.join(below)).unwrap();
    }
    let (exit, found, text) = with_key(&copy, &["--ledger", "audit"]);
    assert_eq!((exit, found), (Exit::CouldNotTell, vec![one("UNANCHORED_TAIL", 3, 5)]), "{text}");
    assert!(text.contains("nothing is known of the first 3 records"), "{text}");
    // The record before them is not here, so nothing is said about the measurement.
    assert!(text.contains("neither its TEE nor its measurement is known"), "{text}");
}

#[test]
fn damage_in_a_copy_of_a_day_is_tampering_all_the_same() {
    let site = Site::new();
    let copy = site.copy_of("2026/05/25");
    let path = site.seals("audit")[1].clone();
    let path = copy.join(path.strip_prefix(site.archive().join("2026/05/25")).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (exit, found, _) = with_key(&copy, &["--ledger", "audit"]);
    assert_eq!(exit, Exit::No);
    assert_eq!(found[0], one("MODIFIED", 3, 5));
    fs::remove_file(&path).unwrap();
    let (exit, found, _) = with_key(&copy, &["--ledger", "audit"]);
    assert_eq!((exit, &found[0]), (Exit::No, &one("MISSING", 3, 5)));
}

#[test]
fn another_epochs_records_are_not_believed_and_a_strangers_archive_is_a_no() {
    let site = Site::new();
    site.add_epoch(&SECOND);
    let (exit, found, _) = with_key(&site.archive(), &[]);
    assert_eq!((exit, found), (Exit::CouldNotTell, vec![("INCOMPLETE".to_owned(), None, None)]));
    let epoch = SECOND.epoch().to_string();
    let (exit, found, _) = with_key(&site.archive(), &["--epoch", &epoch]);
    assert_eq!((exit, found), (Exit::No, vec![("KEY_NOT_ATTESTED".to_owned(), None, None)]));
}

#[test]
fn the_policy_works_on_a_copy_with_evidence_from_elsewhere() {
    let site = Site::new();
    let policy = site.policy();
    let copy = site.copy_of("2026/05/25");
    let policy = ["--policy", policy.to_str().unwrap()];
    let (exit, text) = run_line(&line(&copy, &policy)).unwrap();
    assert_eq!(exit, Exit::CouldNotTell);
    assert!(text.contains("evidence.cbor or binding.cbor is not in the archive"), "{text}");
    let epoch = FIRST.epoch();
    for below in
        ["", "epochs", "epochs/nitro-001-us-east", &format!("epochs/nitro-001-us-east/{epoch}")]
    {
        let dir = site.archive().join(below);
        let more = [&policy[..], &["--evidence-dir", dir.to_str().unwrap()]].concat();
        let (exit, text) = run_line(&line(&copy, &more)).unwrap();
        assert_eq!(exit, Exit::CouldNotTell, "{text}");
        assert!(text.contains("seq 0-8: VALID (9 records"), "{text}");
        assert!(text.contains("UNANCHORED_TAIL"), "{text}");
    }
}

#[test]
fn the_expected_measurement_is_that_of_evidence_or_of_the_first_record() {
    let other = "ab".repeat(48);
    let site = Site::new();
    let refused = vec![("MEASUREMENT_UNEXPECTED".to_owned(), None, None)];
    let expect =
        |measurement: &str| with_key(&site.archive(), &["--expect-measurement", measurement]);
    assert_eq!(expect(MEASUREMENT).0, Exit::Insecure);
    assert_eq!(expect(&other).1, refused);
    assert_eq!(output(&site, &["--expect-measurement", MEASUREMENT]).0, Exit::Insecure);
    let (exit, text) = output(&site, &["--expect-measurement", &other]);
    assert_eq!(exit, Exit::No);
    assert!(text.contains("MEASUREMENT_UNEXPECTED"), "{text}");
    let two = ["--expect-measurement", &other, "--expect-measurement", MEASUREMENT];
    assert_eq!(output(&site, &two).0, Exit::Insecure);
}

#[test]
fn who_may_leave_records_out_is_said_beside_the_key() {
    let site = Site::new();
    site.withhold(1, &site::outer_layer());
    let (exit, found, _) = with_key(&site.archive(), &[]);
    assert_eq!((exit, found), (Exit::No, vec![one("MISSING", 4, 4)]));
    let key = lucarne_ledger::hash::to_hex(site::outer_layer().public_key().raw());
    let (exit, found, _) = with_key(&site.archive(), &["--withholding-key", &key]);
    assert_eq!((exit, found), (Exit::Insecure, vec![one("WITHHELD", 4, 4)]));
}

#[test]
fn what_is_no_p256_key_is_a_usage_error() {
    let site = Site::new();
    let policy = site.policy();
    for file in [P384, policy.to_str().unwrap()] {
        let failure = run_line(&line(&site.archive(), &["--tee-public-key", file])).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage, "{file}");
    }
    let failure = run_line(&line(&site.archive(), &["--tee-public-key", "/none"])).unwrap_err();
    assert_eq!(failure.exit(), Exit::Unreadable);
}

#[test]
fn a_copy_of_which_no_file_says_whose_it_is_is_not_verified() {
    let site = Site::new();
    let copy = site.copy_of("2026/05/25");
    let prefix = site.archive().join("2026/05/25");
    for path in site.seals("audit").into_iter().chain(site.seals("telemetry")) {
        fs::write(copy.join(path.strip_prefix(&prefix).unwrap()), b"nothing").unwrap();
    }
    let failure = run_line(&line(&copy, &["--tee-public-key", CERT])).unwrap_err();
    assert_eq!(failure.exit(), Exit::CouldNotTell);
}
