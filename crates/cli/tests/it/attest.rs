//! Evidence on the command line: genuine documents, quotes and reports, in every encoding, good and
//! bad, with the exit code and the reason of each.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::command_line::{lucarne, text};

fn nitro(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../attest/testdata/nitro").join(name)
}

fn audit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/audit").join(name)
}

/// Exit code and attestation result of `attest verify`, and its one submodule's name.
fn verify(file: &Path, args: &[&str]) -> (i32, Value) {
    let fixed = ["attest", "verify", file.to_str().unwrap(), "--output", "json"];
    let output = lucarne(&[&fixed[..], args].concat());
    let result = serde_json::from_slice(&output.stdout);
    (output.status.code().unwrap(), result.unwrap_or_else(|_| panic!("no result: {output:?}")))
}

/// The appraisal of the one attester, and our details in it.
fn appraisal(result: &Value) -> (&str, &Value, &Value) {
    let submods = result["submods"].as_object().unwrap();
    assert_eq!(submods.len(), 1);
    let (name, appraisal) = submods.iter().next().unwrap();
    (name, appraisal, &appraisal["lucarne.appraisal"])
}

#[track_caller]
fn refused(file: &Path, args: &[&str], code: &str, class: &str) {
    let (exit, result) = verify(file, args);
    let (_, appraisal, details) = appraisal(&result);
    assert_eq!((exit, &details["verdict"]), (1, &"refused".into()), "{result:#}");
    let reason = &details["reason"];
    assert_eq!((reason["code"].as_str(), reason["class"].as_str()), (Some(code), Some(class)));
    assert_eq!(appraisal["ear.status"], "contraindicated");
    assert_eq!(details["exit"], 1);
}

/// A policy for evidence alone that lists the image of the document.
fn policy(dir: &Path, nitro: &str) -> String {
    let path = dir.join("policy.yaml");
    std::fs::write(&path, format!("nitro:\n{nitro}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

const GOOD: &str = "veracruz_doc.cbor";
const GOOD_AT: &str = "2022-11-09T22:52:01Z";

fn good_pcr(index: &str) -> String {
    let truth = std::fs::read_to_string(nitro("ground_truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&truth).unwrap();
    let entry = truth.as_array().unwrap().iter().find(|entry| entry["file"] == GOOD).unwrap();
    entry["pcrs"][index].as_str().unwrap().to_owned()
}

#[test]
fn a_genuine_document_is_verified_with_what_was_not_checked() {
    let (exit, result) = verify(&nitro(GOOD), &["--at", GOOD_AT]);
    let (name, appraisal, details) = appraisal(&result);
    assert_eq!((exit, name, &details["verdict"]), (0, "nitro", &"verified".into()));
    // Genuine hardware, and nobody said which code it should run.
    assert_eq!(appraisal["ear.status"], "warning");
    let vector = &appraisal["ear.trustworthiness-vector"];
    assert_eq!((&vector["hardware"], &vector["executables"]), (&2.into(), &33.into()));
    assert_eq!(result["eat_profile"], "tag:ietf.org,2026:rats/ear#04");
    assert_eq!(result["iat"], 1_668_034_321);
    assert_eq!(details["holds_until"], "2022-11-10T01:52:00.000Z");
    let open = details["not_checked"].to_string();
    for part in ["without --policy", "freshness", "--nonce", "revocation"] {
        assert!(open.contains(part), "{part}: {open}");
    }
    assert_eq!(details["claims"]["pcrs"]["0"], format!("sha384:{}", good_pcr("0")));
    // The same evidence at the same time gives the same bytes.
    assert_eq!(verify(&nitro(GOOD), &["--at", "1668034321"]), (exit, result.clone()));
}

#[test]
fn people_read_the_same() {
    let file = nitro(GOOD);
    let args = ["attest", "verify", file.to_str().unwrap(), "--at", "signed"];
    let output = lucarne(&args);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(said.starts_with("verified: genuine nitro evidence\n"), "{said}");
    for part in [
        "judged at       2022-11-09T22:52:00.696Z (the time that it is signed with)\n",
        "holds until     2022-11-10T01:52:00.000Z (a certificate of its chain ends)\n",
        "(image)\n",
        "\nchecked:\n  - form: ",
        "\nNOT checked:\n  - freshness: ",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let show = lucarne(&["attest", "show", file.to_str().unwrap()]);
    assert_eq!(show.status.code(), Some(0));
    assert!(text(&show.stdout).starts_with("NOT VERIFIED    this is what the file says"));
}

#[test]
fn encodings_are_recognised_and_give_the_same_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let raw = std::fs::read(nitro(GOOD)).unwrap();
    let (_, plain) = verify(&nitro(GOOD), &["--at", GOOD_AT]);
    let hex: String = raw.iter().map(|byte| format!("{byte:02X}")).collect();
    for (encoding, bytes) in [("hex", hex), ("base64", STANDARD.encode(&raw))] {
        let path = dir.path().join(encoding);
        std::fs::write(&path, bytes + "\n").unwrap();
        let (exit, result) = verify(&path, &["--at", GOOD_AT]);
        let (_, _, details) = appraisal(&result);
        assert_eq!((exit, details["encoding"].as_str()), (0, Some(encoding)));
        let (_, _, expected) = appraisal(&plain);
        assert_eq!(details["identity_sha256"], expected["identity_sha256"]);
        assert_ne!(details["file_sha256"], expected["file_sha256"]);
    }
}

#[test]
fn every_document_of_the_vectors_has_its_verdict_at_its_time() {
    let truth = std::fs::read_to_string(nitro("ground_truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&truth).unwrap();
    for entry in truth.as_array().unwrap() {
        let file = nitro(entry["file"].as_str().unwrap());
        let seconds = (entry["timestamp_ms"].as_u64().unwrap() / 1_000 + 1).to_string();
        if entry["cose_sig"] == "INVALID" {
            refused(&file, &["--at", &seconds], "signature", "untrusted");
        } else if entry["debug_mode"] == true {
            refused(&file, &["--at", &seconds], "debug-mode", "mismatch");
        } else {
            assert_eq!(verify(&file, &["--at", &seconds]).0, 0, "{}", file.display());
        }
    }
    let manifest = std::fs::read_to_string(nitro("derived/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    for entry in manifest.as_array().unwrap() {
        let file = nitro("derived").join(entry["file"].as_str().unwrap());
        let exit = verify(&file, &["--at", GOOD_AT]).0;
        let accepted = entry["expect"].as_str().unwrap().starts_with("accept");
        assert_eq!(exit, i32::from(!accepted), "{}", file.display());
    }
}

#[test]
fn wrong_time_wrong_root_wrong_nonce_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let good = nitro(GOOD);
    refused(&good, &[], "stale", "time");
    refused(&good, &["--max-age", "18446744073709551615"], "expired", "time");
    refused(&good, &["--at", "2022-11-10T01:52:01Z"], "expired", "time");
    refused(&good, &["--at", "2022-11-09T22:00:00Z"], "from-the-future", "time");
    refused(&audit("first.evidence.cbor"), &["--at", "signed"], "root-unknown", "untrusted");
    let nonce = "00".repeat(32);
    refused(&good, &["--at", GOOD_AT, "--nonce", &nonce], "nonce-differs", "mismatch");
    refused(&nitro("derived/pl_nitrotpm_pcrs.cbor"), &["--at", GOOD_AT], "nitro-tpm", "malformed");
    let garbage = dir.path().join("garbage");
    std::fs::write(&garbage, "this is no evidence!").unwrap();
    refused(&garbage, &[], "unknown-kind", "malformed");
    let absent = lucarne(&["attest", "verify", "/nonexistent/evidence"]);
    assert_eq!(absent.status.code(), Some(4));
}

#[test]
fn a_policy_compares_measurements_and_renames_registers() {
    let dir = tempfile::tempdir().unwrap();
    let at = ["--at", GOOD_AT, "--policy"];
    let set = |pairs: &[(&str, &str)]| {
        let pairs: Vec<String> =
            pairs.iter().map(|(index, value)| format!("{index}: \"{value}\"")).collect();
        format!("  measurements: [{{ {} }}]", pairs.join(", "))
    };
    let (pcr0, pcr4) = (good_pcr("0"), good_pcr("4"));
    let right = policy(dir.path(), &set(&[("0", &pcr0), ("4", &pcr4)]));
    let (exit, result) = verify(&nitro(GOOD), &[&at[..], &[&right]].concat());
    let (_, appraisal, details) = appraisal(&result);
    assert_eq!((exit, appraisal["ear.status"].as_str()), (0, Some("affirming")), "{result:#}");
    let vector = &appraisal["ear.trustworthiness-vector"];
    assert_eq!((&vector["executables"], &vector["instance-identity"]), (&2.into(), &2.into()));
    assert!(!details["not_checked"].to_string().contains("instance not bound"));

    let image = policy(dir.path(), &set(&[("0", &pcr0)]));
    let (_, result) = verify(&nitro(GOOD), &[&at[..], &[&image]].concat());
    assert!(result.to_string().contains("instance not bound"), "{result:#}");

    let wrong = policy(dir.path(), &set(&[("0", &pcr4)]));
    refused(&nitro(GOOD), &[&at[..], &[&wrong]].concat(), "measurement", "mismatch");

    let names = "  insecure_any_measurement: true\n  registers:\n    \
                 4: { role: parent-role, name: IAM role }\n    3: { role: parent-instance }";
    let named = policy(dir.path(), names);
    let file = nitro(GOOD);
    let args = ["attest", "verify", file.to_str().unwrap(), "--at", GOOD_AT, "--policy", &named];
    let output = lucarne(&args);
    let said = text(&output.stdout);
    // Whatever code runs: such a policy protects nothing.
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.starts_with("INSECURE: the policy accepts whatever code"), "{said}");
    assert!(said.contains(&format!("{pcr4} (IAM role)\n")), "{said}");
}

#[test]
fn a_policy_that_accepts_nothing_is_refused_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let file = nitro(GOOD);
    let judge = |body: &str| {
        let path = policy(dir.path(), body);
        let args = ["attest", "verify", file.to_str().unwrap(), "--policy", &path];
        let output = lucarne(&args);
        (output.status.code(), text(&output.stderr))
    };
    for (body, part) in [
        ("  measurements: []", "expected measurements, found none"),
        ("  measurements: [{}]", "at least one register"),
        (&format!("  measurements: [{{ 0: \"{}\" }}]", "0".repeat(96)), "all zero"),
        ("  measurements: [{ 0: abc }]", "96 hex digits"),
        ("  measurments: []", "measurments"),
    ] {
        let (exit, said) = judge(body);
        assert_eq!(exit, Some(3), "{body}: {said}");
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let snp = dir.path().join("snp.yaml");
    std::fs::write(&snp, "snp: { products: [genoa], insecure_any_measurement: true }\n").unwrap();
    refused(&file, &["--policy", snp.to_str().unwrap()], "kind-not-accepted", "policy");
}

#[test]
fn software_evidence_is_insecure_under_its_named_root_and_nothing_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let evidence = audit("first.evidence.cbor");
    let root = audit("software-root.pem");
    let policy_file = dir.path().join("audit-policy.yaml");
    let body = |insecure: &str| {
        format!(
            "log_prefix: lucarne.local\n{insecure}: [{{ kind: KIND, certificate: {} }}]\n\
             measurements: [\"{}\"]\nledgers: [audit]\n",
            root.display(),
            "e5".repeat(48)
        )
    };
    let policy = policy_file.to_str().unwrap();
    let args = ["--at", "signed", "--policy", policy];
    std::fs::write(policy, body("insecure").replace("KIND", "software")).unwrap();
    let (exit, result) = verify(&evidence, &args);
    let (name, appraisal, details) = appraisal(&result);
    assert_eq!((exit, name), (5, "software-insecure"), "{result:#}");
    assert_eq!(appraisal["ear.status"], "contraindicated");
    assert_eq!(appraisal["ear.trustworthiness-vector"]["hardware"], 97);
    assert_eq!((&details["insecure"], &details["exit"]), (&true.into(), &5.into()));
    // Pinned as hardware it is refused, whatever the attester says.
    std::fs::write(policy, body("roots").replace("KIND", "nitro")).unwrap();
    refused(&evidence, &args, "software-root-as-hardware", "policy");
}

#[test]
fn the_attested_key_is_exported_and_openssl_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let fingerprint = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(audit("software-root.pem"))
        .output()
        .unwrap();
    let fingerprint = text(&fingerprint.stdout).trim().split_once('=').unwrap().1.replace(':', "");
    let body = format!(
        "  insecure_software_roots: [\"{}\"]\n  measurements: [{{ 0: \"{}\" }}]",
        fingerprint.to_lowercase(),
        "e5".repeat(48)
    );
    let policy = policy(dir.path(), &body);
    let pem = dir.path().join("tee-public-key.pem");
    let evidence = audit("first.evidence.cbor");
    let export = |extra: &[&str]| {
        let fixed = ["attest", "export-key", evidence.to_str().unwrap(), "--pem"];
        lucarne(&[&fixed[..], &[pem.to_str().unwrap()], extra].concat())
    };
    // Nobody trusts its root: no key.
    assert_eq!(export(&[]).status.code(), Some(1));
    assert!(!pem.exists());

    let output = export(&["--policy", &policy]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(text(&output.stderr).starts_with("INSECURE: a software TEE"));
    let written = std::fs::read_to_string(&pem).unwrap();
    assert_eq!(written, std::fs::read_to_string(audit("tee-public-key.pem")).unwrap());
    let openssl = Command::new("openssl")
        .args(["pkey", "-pubin", "-noout", "-text", "-in"])
        .arg(&pem)
        .output()
        .unwrap();
    assert!(openssl.status.success(), "{openssl:?}");
    assert!(text(&openssl.stdout).contains("prime256v1"), "{openssl:?}");
    // A document that vouches for no key has none to write.
    let none = lucarne(&[
        "attest",
        "export-key",
        nitro(GOOD).to_str().unwrap(),
        "--pem",
        dir.path().join("none.pem").to_str().unwrap(),
    ]);
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    assert!(!dir.path().join("none.pem").exists());
}

#[test]
fn expected_and_current_are_compared_with_a_plain_diff() {
    let expected = |file: &Path, extra: &[&str]| -> Value {
        let fixed = ["attest", "show", file.to_str().unwrap(), "--output", "expected"];
        let output = lucarne(&[&fixed[..], extra].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    // Another boot of the same code: another key, the same registers.
    let first = expected(&audit("first.evidence.cbor"), &["--deployment", "deploy-v1.2.3"]);
    let second = expected(&audit("second.evidence.cbor"), &[]);
    assert_ne!(first["public_key"], second["public_key"]);
    assert_eq!(first["user_data"], "sha256:deploy-v1.2.3");
    assert_eq!(first["pcrs"].to_string(), second["pcrs"].to_string());
    let other = expected(&nitro(GOOD), &[]);
    assert_ne!(first["pcrs"], other["pcrs"]);
}

/// Folder of quotes and their collateral.
fn attest_testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../attest/testdata").join(name)
}

#[test]
fn a_quote_without_collateral_could_not_be_told() {
    let quote = attest_testdata("tdx/dcap-qvl/tdx_quote");
    let (exit, result) = verify(&quote, &["--at", "2025-06-19T10:00:00Z"]);
    let (name, appraisal, details) = appraisal(&result);
    assert_eq!((exit, name, appraisal["ear.status"].as_str()), (2, "tdx", Some("none")));
    assert_eq!(details["reason"]["code"], "collateral-missing");
    assert_eq!(result["submods"]["tdx"]["ear.trustworthiness-vector"]["hardware"], 0);
}

/// A policy of one line for `attest verify`.
fn policy_file(dir: &Path, text: &str) -> String {
    let path = dir.join("evidence-policy.yaml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_quote_is_judged_with_the_collateral_of_its_day() {
    let dir = tempfile::tempdir().unwrap();
    let quote = attest_testdata("tdx/dcap-qvl/tdx_quote");
    let bundle = attest_testdata("tdx/dcap-qvl/tdx_quote_collateral.json");
    let collateral = bundle.to_str().unwrap();
    let mrtd = "91eb2b44d141d4ece09f0c75c2c53d247a3c68edd7fafe8a3520c942a604a407\
                de03ae6dc5f87f27428b2538873118b7";
    let text = format!(
        "tdx: {{ measurements: [{{ mrtd: \"{mrtd}\" }}], allow: [dynamic-platform, cached-keys, \
         smt] }}\n"
    );
    let policy = policy_file(dir.path(), &text);
    let day = "2025-06-19T11:00:00Z";
    let args = ["--at", day, "--collateral", collateral, "--policy", &policy];
    let (exit, result) = verify(&quote, &args);
    let (_, appraisal, details) = appraisal(&result);
    assert_eq!((exit, appraisal["ear.status"].as_str()), (0, Some("affirming")), "{result:#}");
    assert_eq!(details["claims"]["mrtd"], format!("sha384:{mrtd}"));
    assert_eq!(details["claims"]["tcb_status"], "UpToDate");
    // Clouds need permits that nothing has without a policy.
    refused(&quote, &args[..4], "platform-flag", "mismatch");
    let late = [&["--at", "2026-06-19T10:30:00Z"], &args[2..]].concat();
    refused(&quote, &late, "expired", "time");
    let nonce = "00".repeat(64);
    let other = [&args[..], &["--nonce", &nonce]].concat();
    refused(&quote, &other, "report-data", "mismatch");
    std::fs::write(dir.path().join("evidence-policy.yaml"), text.replace("91eb", "81eb")).unwrap();
    refused(&quote, &args, "measurement", "mismatch");
    let shown = lucarne(&["attest", "show", quote.to_str().unwrap(), "--output", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["says"]["mrtd"], mrtd);
}

#[test]
fn a_report_is_judged_with_the_certificates_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let report = attest_testdata("snp/ms-tav/turin_attestation_report.bin");
    let folder = attest_testdata("snp/ms-tav");
    let policy = policy_file(
        dir.path(),
        "snp:\n  products: [turin]\n  insecure_any_measurement: true\n  \
         without_revocation_list: true\n",
    );
    let (at, collateral) = (["--at", "2026-03-01T00:00:00Z"], folder.to_str().unwrap());
    let args = [&at[..], &["--collateral", collateral, "--policy", &policy]].concat();
    let (exit, result) = verify(&report, &args);
    let (name, _, details) = appraisal(&result);
    assert_eq!(
        (exit, name, &details["claims"]["product"]),
        (5, "snp", &"Turin".into()),
        "{result:#}"
    );
    let nonce = "11".repeat(64);
    refused(&report, &[&args[..], &["--nonce", &nonce]].concat(), "report-data", "mismatch");
    let early = [&["--at", "2025-10-01T00:00:00Z"], &args[2..]].concat();
    refused(&report, &early, "not-yet-valid", "time");
    let shown = lucarne(&["attest", "show", report.to_str().unwrap(), "--output", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        details["claims"]["measurement"].as_str().unwrap().strip_prefix("sha384:"),
        shown["says"]["measurement"].as_str()
    );
}

#[test]
fn a_report_without_its_certificate_could_not_be_told() {
    let report = attest_testdata("snp/ms-tav/turin_attestation_report.bin");
    let (exit, result) = verify(&report, &["--at", "2025-10-01T00:00:00Z"]);
    let (name, _, details) = appraisal(&result);
    assert_eq!((exit, name), (2, "snp"), "{result:#}");
    assert_eq!(details["verdict"], "could-not-tell");
}

/// One element of DER with its header.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, high, low][..], content].concat()
}

/// The elements that stand one after the other, each with its header.
fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let [_, length, rest @ ..] = der {
        let (header, content) = match length {
            0x81 => (3, usize::from(rest[0])),
            0x82 => (4, usize::from(u16::from_be_bytes([rest[0], rest[1]]))),
            short => (2, usize::from(*short)),
        };
        let (element, after) = der.split_at(header + content);
        found.push(element);
        der = after;
    }
    found
}

fn inside(element: &[u8]) -> Vec<&[u8]> {
    let header = match element[1] {
        0x81 => 3,
        0x82 => 4,
        _ => 2,
    };
    elements(&element[header..])
}

/// A list that names one certificate, by its issuer and this number; nobody has signed it.
fn revoking(certificate: &[u8], serial: Option<&[u8]>) -> Vec<u8> {
    let tbs = inside(inside(certificate)[0]);
    let (own, issuer) = (tbs[1], tbs[3]);
    let time = b"\x17\x0d250101000000Z";
    let entry = [serial.unwrap_or(own), time].concat();
    // Lengths of the list itself are written short, as DER has them.
    let short = |content: &[u8]| match content.len() {
        short @ 0..0x80 => [&[0x30, u8::try_from(short).unwrap()], content].concat(),
        long @ 0x80..0x100 => [&[0x30, 0x81, u8::try_from(long).unwrap()], content].concat(),
        _ => der(0x30, content),
    };
    let list = [&[2, 1, 1, 0x30, 0][..], issuer, time, time, &short(&short(&entry))].concat();
    short(&[&short(&list)[..], &[0x30, 0, 3, 1, 0]].concat())
}

#[test]
fn a_revocation_list_of_the_policy_refuses_a_genuine_document_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let read = lucarne_attest::read_unverified(&std::fs::read(nitro(GOOD)).unwrap()).unwrap();
    let body = format!("  measurements: [{{ 0: \"{}\" }}]", good_pcr("0"));
    let policy = policy(dir.path(), &(body + "\nrevocations: [ own.crl ]"));
    let args = ["--at", GOOD_AT, "--policy", &policy];
    let list = |bytes: &[u8]| std::fs::write(dir.path().join("own.crl"), bytes).unwrap();
    let chain = read.cabundle.iter().chain([&read.certificate]);
    let places = [
        "root certificate is",
        "intermediate certificate 1 is",
        "intermediate certificate 2 is",
        "intermediate certificate 3 is",
        "leaf certificate is",
    ];
    assert_eq!(chain.clone().count(), places.len());
    for (certificate, place) in chain.clone().zip(places) {
        let named = revoking(certificate, None);
        let pem = format!(
            "-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n",
            STANDARD.encode(&named)
        );
        for bytes in [&named[..], pem.as_bytes()] {
            list(bytes);
            refused(&nitro(GOOD), &args, "revoked", "untrusted");
            let said = verify(&nitro(GOOD), &args).1.to_string();
            assert!(
                said.contains(&format!("{place} revoked by the relying party")),
                "{place}: {said}"
            );
        }
    }
    // A number that none of them has: verified, and it is said that a list was asked.
    list(&revoking(&read.certificate, Some(&[2, 1, 7])));
    let (exit, result) = verify(&nitro(GOOD), &args);
    let (_, _, details) = appraisal(&result);
    assert_eq!((exit, &details["verdict"]), (0, &"verified".into()), "{result:#}");
    assert!(details["checked"].to_string().contains("name no certificate"), "{result:#}");
    // What is no list is a mistake of the configuration, not a list that names nobody.
    list(&read.certificate);
    let file = nitro(GOOD);
    let all = ["attest", "verify", file.to_str().unwrap()];
    assert_eq!(lucarne(&[&all[..], &args].concat()).status.code(), Some(3));
}
