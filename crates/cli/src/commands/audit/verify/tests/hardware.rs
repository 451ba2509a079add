//! Epochs on machines whose evidence carries no time.

use super::*;

/// The archive of an epoch whose evidence is a genuine report of another machine's, so that all of
/// it is good but what it is about.
fn site(policy: &str) -> Site {
    let site = Site::new();
    let snp = Path::new(env!("CARGO_MANIFEST_DIR")).join("../attest/testdata/snp/ms-tav");
    let report = fs::read(snp.join("turin_attestation_report.bin")).unwrap();
    fs::write(site.epoch_file(&FIRST, "evidence.cbor"), report).unwrap();
    let mut text = fs::read_to_string(site.policy()).unwrap();
    text.push_str(policy);
    fs::write(site.policy(), text).unwrap();
    site
}

const ACCEPTED: &str = "snp: { products: [turin], insecure_any_measurement: true }\n";

#[test]
fn evidence_that_nobody_dates_is_incomplete_and_not_refused() {
    let (exit, report) = output(&site(ACCEPTED), &["--output", "json"]);
    assert_eq!(exit, Exit::CouldNotTell, "{report}");
    // Without the vendor's certificates nothing can be said, and nobody is accused.
    assert!(report.contains("there is no collateral"), "{report}");
    assert!(!report.contains("KEY_NOT_ATTESTED"), "{report}");
}

#[test]
fn a_kind_that_the_policy_does_not_accept_is_refused() {
    let (exit, report) = output(&site(""), &["--output", "json"]);
    assert_eq!(exit, Exit::No, "{report}");
    assert!(report.contains("accepts no evidence of the kind snp"), "{report}");
}
