//! A policy that names a baseline: evidence is held to what was authorised when it was made.

use std::collections::BTreeMap;

use lucarne_attest::baseline::{Approval, Baseline, Entry, Version, approval_message};
use lucarne_attest::{Register, Time};
use lucarne_ledger::hash::to_hex;
use lucarne_ledger::key::{Ed25519Key, Signer as _};

use super::*;

/// When the evidence of the first epoch was made.
pub(super) const MADE: u64 = 1_779_703_200_000;

fn key(seed: u8) -> Ed25519Key {
    Ed25519Key::from_seed(&[seed; 32]).unwrap()
}

/// A site whose baseline has one version of a commit, approved by so many, with this PCR0 and this
/// window.
pub(super) fn site(pcr0: u8, approvals: &[u8], window: [u64; 2]) -> Site {
    let site = Site::new();
    let [from, until] = window.map(Time::from_unix_ms);
    let entry = Entry {
        version: "v7".into(),
        any_of: vec![BTreeMap::from([(0, Register([pcr0; 48]))])],
        valid_from: from,
        valid_until: Some(until),
        deployment: None,
        change: None,
        git_commit: Some("4f2a9c1b".repeat(5)),
        build_digest: None,
    };
    let approvals = approvals.iter().map(|&seed| {
        let (by, at) = (seed.to_string(), Time::from_unix_ms(1));
        let signature = key(seed).sign(&approval_message(&entry.digest(), &by, at)).unwrap();
        let key = key(seed).public_key().raw().try_into().unwrap();
        Approval { by, key, at, signature }
    });
    let approvals = approvals.collect();
    let version = Version { entry, approvals, retirement: None };
    let file = site.policy().with_file_name("baseline.yaml");
    let baseline = Baseline::new(vec![version]).unwrap();
    lucarne_gateway::baseline::replace(&file, &baseline).unwrap();
    let people = [1, 2].map(|seed| {
        let key = to_hex(key(seed).public_key().raw());
        format!("{{ name: \"{seed}\", ed25519: \"{key}\" }}")
    });
    let measurements = format!("{{ baseline: baseline.yaml, approvers: [{}] }}", people.join(", "));
    site.write_policy(&measurements, site::ROOT);
    site
}

#[track_caller]
fn refused(site: &Site, detail: &str) {
    let expected = (Exit::No, vec![("MEASUREMENT_UNEXPECTED".to_owned(), None, None)]);
    assert_eq!(findings(site), expected);
    let (_, text) = output(site, &[]);
    assert!(text.contains(detail), "{detail:?} is not in {text}");
}

#[test]
fn a_version_that_was_authorised_then_is_good_for_ever() {
    let good = site(0xe5, &[1, 2], [MADE, MADE + 1]);
    assert_eq!(findings(&good), (Exit::Insecure, vec![]));
}

#[test]
fn another_version_is_unexpected_and_the_report_says_why() {
    let window = [MADE, MADE + 1];
    refused(&site(0xe4, &[1, 2], window), "modified-code: no version has these registers; v7");
    refused(&site(0xe5, &[1], window), "unauthorised-deployment: v7 has 1 of the 2 approvals");
    refused(&site(0xe5, &[1, 3], window), "unauthorised-deployment: v7 has 1 of the 2 approvals");
    refused(
        &site(0xe5, &[1, 2], [MADE + 1, MADE + 2]),
        "v7 may not run before 2026-05-25T10:00:00.001",
    );
    refused(
        &site(0xe5, &[1, 2], [MADE - 1, MADE]),
        "v7 may not run since 2026-05-25T10:00:00.000Z",
    );
}
