//! The policy file: what it takes, and what it refuses with its line and key.

use lucarne_ledger::cosignature::Cosigner;

use super::*;

const GOOD: &str = "log_prefix: lucarne.local\nroots:\n  - kind: aws-nitro\n\
    measurements: [\"111111111111111111111111111111111111111111111111\
    111111111111111111111111111111111111111111111111\"]\nledgers: [audit, telemetry]\n";

fn read_text(text: &str) -> Result<Policy, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-policy.yaml");
    std::fs::write(&path, text).unwrap();
    read(&path)
}

#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let message = read_text(text).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    for part in [&["audit-policy.yaml"], parts].concat() {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
}

#[test]
fn a_policy_says_what_to_trust() {
    let policy = read_text(GOOD).unwrap();
    assert_eq!(policy.attest.roots, vec![Root::aws_nitro()]);
    assert_eq!(policy.audit.required, LedgerKind::ALL);
    assert!(!policy.any_measurement);
}

#[test]
fn what_is_wrong_is_said_in_one_line_with_its_place() {
    refused(&format!("{GOOD}rotos: []\n"), &[":6:", "rotos"]);
    refused(&GOOD.replace("[audit, telemetry]", "[audits]"), &[":5:", "audit or telemetry"]);
    refused(&GOOD.replace("[audit, telemetry]", "[]"), &["ledgers", "found none"]);
    refused(&GOOD.replace("- kind: aws-nitro", "- kind: tdx"), &[":3:", "tdx"]);
    refused(&GOOD.replace("\n  - kind: aws-nitro", " []"), &["roots", "found none"]);
    refused(&GOOD.replace("[\"11", "[\"zz"), &[":4:", "96 hex digits"]);
    refused(&GOOD.replace("[\"11", "[\"\", \"11"), &[":4:", "96 hex digits"]);
    let any = GOOD.lines().take(3).collect::<Vec<_>>().join("\n");
    refused(&format!("{any}\nmeasurements: []\nledgers: [audit]\n"), &["at least one"]);
    refused(&format!("{any}\nmeasurements: any\nledgers: [audit]\n"), &["any-insecure"]);
    let key = format!("{GOOD}withholding_keys: [{{ name: a, ed25519: \"00\" }}]\n");
    refused(&key, &[":6:", "64 lower-case hex digits"]);
}

#[test]
fn witnesses_are_named_in_a_block_with_a_quorum() {
    let cosigner = Cosigner::ed25519("w1.example", &[1; 32]).unwrap();
    let block = |quorum: &str| {
        let witness = format!("  witness w1 {}\n", cosigner.verifier());
        format!("{GOOD}witnesses: |\n{witness}  quorum {quorum}\n")
    };
    let policy = read_text(&block("w1")).unwrap();
    assert_eq!(policy.audit.witnesses.unwrap().witnesses().len(), 1);
    refused(&block("none"), &[":7:", "witnesses", "found none"]);
    refused(&block("w2"), &[":7:", "witnesses", "line 2 of the block"]);
    assert_eq!(read_text(GOOD).unwrap().audit.witnesses, None);
}

const TDX: &str = "log_prefix: lucarne.local\nledgers: [audit]\ntdx:\n  measurements:\n    \
    - { mrtd: \"MRTD\" }\n  allow: [smt]\ncollateral: [bundle.json]\n";

#[test]
fn quotes_and_reports_have_policies_of_their_own() {
    let text = TDX.replace("MRTD", &"11".repeat(48));
    let policy = read_text(&text).unwrap();
    let accepts = policy.acceptance();
    let tdx = accepts.tdx.unwrap();
    assert_eq!((accepts.nitro, accepts.snp, policy.any_measurement), (None, None, false));
    assert_eq!(tdx.roots, [lucarne_attest::tdx::INTEL_SGX_ROOT]);
    assert_eq!((tdx.smt, tdx.perfmon), {
        use lucarne_attest::tdx::Permit;
        (Permit::Allow, Permit::Refuse)
    });
    assert!(policy.terms().collateral[0].ends_with("bundle.json"));

    refused(&text.replace("mrtd", "rtmr0"), &["tdx: measurements: a measurement of a TD"]);
    let listed = format!("measurements:\n    - {{ mrtd: \"{}\" }}", "11".repeat(48));
    let any = text.replace(&listed, "insecure_any_measurement: true");
    assert!(read_text(&any).unwrap().any_measurement);
    refused(&text.replace("tdx:", "measurements: any-insecure\ntdx:"), &["only there"]);
    refused(&text.replace("  allow: [smt]", "  allow: [everything]"), &[":6:", "everything"]);
    let snp = format!("snp: {{ products: [genoa], measurements: [\"{}\"] }}\n", "22".repeat(48));
    let both = read_text(&format!("{GOOD}{snp}")).unwrap().acceptance();
    assert!(both.nitro.is_some() && both.snp.is_some() && both.tdx.is_none());
    refused(&format!("{GOOD}snp: {{ products: [genoa] }}\n"), &["snp: expected measurements"]);
    refused(&format!("{GOOD}{}", snp.replace("genoa", "")), &["snp: products"]);
    let start = GOOD.find("measurements").unwrap();
    let without = format!("{}ledgers: [audit]\n", &GOOD[..start]);
    refused(&without, &["measurements: expected beside `roots`"]);
}

#[test]
fn revocation_lists_are_read_in_either_spelling() {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../attest/testdata/snp/forged/ark.crl.der");
    let with = |path: &str| format!("{GOOD}revocations: [\"{path}\"]\n");
    let revoked = read_text(&with(list)).unwrap().revoked;
    assert_eq!(revoked.iter().map(|one| &one.serial[..]).collect::<Vec<_>>(), [&[5][..]]);
    refused(&with("gone.crl"), &["revocations", "gone.crl"]);
    let certificate = list.replace("forged/ark.crl.der", "trustee/test-vcek.der");
    refused(&with(&certificate), &["revocations", "revocation lists in PEM or DER"]);
}

#[test]
fn a_register_is_named_by_its_key() {
    let key = "ab".repeat(32);
    let policy = read_text(&format!("{GOOD}register: {{ ed25519: \"{key}\" }}\n")).unwrap();
    assert_eq!(policy.register, Some(PublicKey::from_ed25519(&[0xab; 32])));
    refused(&format!("{GOOD}register: {{ ed25519: \"00\" }}\n"), &[":6:", "64 lower-case"]);
    assert_eq!(read_text(GOOD).unwrap().register, None);
}

#[test]
fn a_root_is_pinned_by_a_certificate_only_when_it_is_the_one() {
    let insecure = |entry: &str| {
        GOOD.replace(
            "roots:\n  - kind: aws-nitro",
            &format!("insecure: [{{ kind: software{entry} }}]"),
        )
    };
    refused(&insecure(""), &["fingerprint or a certificate"]);
    refused(&insecure(", certificate: no.pem"), &["no.pem"]);
    let pinned = insecure(&format!(", fingerprint: \"{}\"", "ab".repeat(32)));
    let expected = vec![Root::insecure_software(Fingerprint([0xab; 32]))];
    assert_eq!(read_text(&pinned).unwrap().attest.roots, expected);
}

const BASELINE: &str = "measurements: { baseline: baseline.yaml, approvers: [\
    { name: a, ed25519: \"ALICE\" }, { name: b, ed25519: \"BOB\" }] }";

fn with_baseline(change: impl Fn(String) -> String) -> Result<Policy, ConfigError> {
    let keys = [1, 2].map(|n| lucarne_ledger::hash::to_hex(&[n; 32]));
    let key = BASELINE.replace("ALICE", &keys[0]).replace("BOB", &keys[1]);
    let start = GOOD.find("measurements").unwrap();
    let end = GOOD.find("ledgers").unwrap();
    let text = change(format!("{}{key}\n{}", &GOOD[..start], &GOOD[end..]));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-policy.yaml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(
        dir.path().join("baseline.yaml"),
        baseline::text(&lucarne_attest::baseline::Baseline::default()),
    )
    .unwrap();
    read(&path)
}

#[test]
fn a_baseline_comes_with_two_people_who_approve() {
    let policy = with_baseline(|text| text).unwrap();
    let people = [("a", 1), ("b", 2)];
    let people = people.map(|(name, key)| Approver { name: name.into(), key: [key; 32] });
    let authority = Authority {
        baseline: lucarne_attest::baseline::Baseline::default(),
        approvers: Approvers::new(people.into()).unwrap(),
    };
    let expected = Measurements::Baseline(Box::new(authority.clone()));
    assert_eq!(policy.attest.measurements, expected);
    assert_eq!((policy.authority, policy.any_measurement), (Some(authority), false));

    let refused = |old: &str, new: &str, part: &str| {
        let error = with_baseline(|text| text.replace(old, new)).unwrap_err().to_string();
        assert!(error.contains(part) && error.lines().count() == 1, "{error}");
    };
    refused("name: b", "name: a", "shares a name or a key");
    refused(&"02".repeat(32), &"01".repeat(32), "shares a name or a key");
    refused("baseline.yaml", "gone.yaml", "gone.yaml");
    refused("approvers", "approver", "approver");
    refused("ed25519: \"01", "ed25519: \"", "64 lower-case hex digits");
}
