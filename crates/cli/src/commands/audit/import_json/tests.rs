//! Folders of batches as .NET writes them, judged by the whole command: a test for each verdict.

use std::fs;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;

use super::*;

const CODE: &str = "sha384:c3d4e5";

/// The command line as clap sees it.
#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

/// A TEE that writes signed batches into a folder.
struct Site {
    dir: TempDir,
    key: EcdsaKeyPair,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            dir: tempfile::tempdir().unwrap(),
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
        };
        let key = PublicKey::from_p256_point(site.key.public_key().as_ref()).unwrap();
        let pem = "-----BEGIN PUBLIC KEY-----\n";
        let pem = format!("{pem}{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(key.spki()));
        fs::write(site.dir.path().join("tee.pem"), pem).unwrap();
        fs::create_dir(site.dir.path().join("batches")).unwrap();
        site
    }

    /// With the batches 1 to `last` in files whose names are in another order.
    fn of(last: u64) -> Self {
        let site = Self::new();
        (1..=last).for_each(|n| site.write(n, &site.batch(n, n, CODE)));
        site
    }

    fn batch(&self, outside: u64, inside: u64, code: &str) -> String {
        let payload = format!(
            "{{\"sequence\":{inside},\"timestamp_utc\":\"2026-05-25T10:{inside:02}:00.0000000\
             \\u002B00:00\",\"tee_measurement\":\"{code}\",\"record_count\":2,\"records\":\
             [{RECORD},{RECORD}]}}"
        );
        self.wrap(outside, &payload)
    }

    fn wrap(&self, outside: u64, payload: &str) -> String {
        let signature = self.key.sign(&SystemRandom::new(), payload.as_bytes()).unwrap();
        let base64 = |bytes: &[u8]| STANDARD.encode(bytes).replace('+', "\\u002B");
        format!(
            "{{\"Sequence\":{outside},\"PayloadBase64\":\"{}\",\"SignatureBase64\":\"{}\",\
             \"AttestationCertThumbprint\":\"sha256:{}\"}}",
            base64(payload.as_bytes()),
            base64(signature.as_ref()),
            "ab".repeat(32)
        )
    }

    fn write(&self, n: u64, batch: &str) {
        fs::write(self.dir.path().join(format!("batches/{n}.json")), batch).unwrap();
    }

    fn remove(&self, n: u64) {
        fs::remove_file(self.dir.path().join(format!("batches/{n}.json"))).unwrap();
    }

    fn run(&self, more: &[&str]) -> (Exit, String) {
        let path = |name| self.dir.path().join(name).to_str().unwrap().to_owned();
        let (folder, key) = (path("batches"), path("tee.pem"));
        let line = ["import-json", "--records-dir", &folder, "--tee-public-key", &key];
        let line = line.into_iter().chain(more.iter().copied());
        let mut out = Vec::new();
        let exit = run_to(&Command::parse_from(line).args, &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap().replace(&format!("{folder}/"), ""))
    }

    /// With everything said that can be said, for batches 1 to `last`.
    fn judge(&self, last: u64) -> (Exit, Vec<String>) {
        let last = last.to_string();
        let all = ["--expect-measurement", CODE, "--from-seq", "1", "--to-seq", &last];
        let (exit, text) = self.run(&all);
        let lines = text.lines().filter(|line| !line.starts_with("not known"));
        (exit, lines.map(str::to_owned).collect())
    }
}

const RECORD: &str = "{\"timestamp\":\"2026-05-25T09:59:59.9Z\",\"level\":\"Information\",\
                      \"message\":\"completed\",\"attributes\":{\"stepCount\":5}}";

#[test]
fn valid() {
    let all = "CONCLUSION: all 11 batches are signed by the key and follow each other; 22 records.";
    let mut expected: Vec<String> = (1..=11).map(|n| format!("Valid(2)  {n}.json")).collect();
    expected.push(all.to_owned());
    assert_eq!(Site::of(11).judge(11), (Exit::Yes, expected));
}

#[test]
fn tampered_or_invalid_signature() {
    let site = Site::of(3);
    let other = Site::new().batch(2, 2, CODE);
    site.write(2, &other);
    let refused = "TamperedOrInvalidSignature(2)  2.json: the signature is not this key's over \
                   SHA-256 of the payload";
    let expected = [
        "Valid(2)  1.json",
        refused,
        "Valid(2)  3.json",
        "CONCLUSION: 2 of 3 batches are valid; the others are named above.",
    ];
    assert_eq!(site.judge(3), (Exit::No, expected.map(str::to_owned).to_vec()));
}

#[test]
fn a_sequence_altered_outside_the_payload_is_refused_with_the_reason() {
    let site = Site::of(3);
    site.write(2, &site.batch(7, 2, CODE));
    let (exit, lines) = site.judge(3);
    let refused = "TamperedOrInvalidSignature(7)  2.json: Sequence 7 is not signed, and the signed \
                   payload says 2: it was altered outside the payload";
    assert_eq!(
        (exit, &lines[..3]),
        (Exit::No, &["Valid(2)  1.json", refused, "Valid(2)  3.json"].map(str::to_owned)[..])
    );
}

#[test]
fn unexpected_code_version() {
    let site = Site::of(3);
    site.write(2, &site.batch(2, 2, "sha384:other"));
    let (exit, lines) = site.judge(3);
    let expected =
        ["Valid(2)  1.json", "UnexpectedCodeVersion(sha384:other)  2.json", "Valid(2)  3.json"];
    assert_eq!((exit, &lines[..3]), (Exit::No, &expected.map(str::to_owned)[..]));
}

#[test]
fn sequence_gap_and_on() {
    let site = Site::of(6);
    for n in [1, 3, 4] {
        site.remove(n);
    }
    let expected = [
        "SequenceGap(0, 2)  2.json: batch 1 is not there; this one is signed by the key",
        "SequenceGap(2, 5)  5.json: batches 3 to 4 are not there; this one is signed by the key",
        "Valid(2)  6.json",
        "CONCLUSION: 1 of 3 batches are valid; the others are named above. Batches 7 to 9 are not \
         there at the end.",
    ];
    assert_eq!(site.judge(9), (Exit::No, expected.map(str::to_owned).to_vec()));
    // A range is what is asked for: what lies outside is not judged, and not missed.
    let (exit, text) =
        site.run(&["--expect-measurement", CODE, "--from-seq", "5", "--to-seq", "6"]);
    assert_eq!(exit, Exit::Yes);
    assert!(text.starts_with("Valid(2)  5.json\nValid(2)  6.json\n"), "{text}");
}

#[test]
fn what_the_command_line_leaves_open_is_said() {
    let site = Site::of(3);
    let (exit, text) = site.run(&[]);
    let open = [
        "CONCLUSION: all 3 batches are signed by the key and follow each other; 6 records.",
        "not known: whether the expected code signed: no --expect-measurement",
        "not known: whether batches are missing after the last: no --to-seq",
        "not known: whether AttestationCertThumbprint is right: the key came without a certificate",
        "not known: whether the key is that of a TEE: the format carries no evidence",
    ];
    let said: Vec<&str> = text.lines().skip(3).collect();
    assert_eq!((exit, said), (Exit::CouldNotTell, open.to_vec()));
    site.remove(1);
    let (exit, text) = site.run(&["--expect-measurement", CODE, "--to-seq", "3"]);
    assert_eq!(exit, Exit::CouldNotTell);
    assert!(text.contains("missing before the first: no --from-seq"), "{text}");
    let unsigned = "{\"timestamp_utc\":\"x\",\"tee_measurement\":\"sha384:c3d4e5\",\
                    \"record_count\":0,\"records\":[]}";
    site.write(1, &site.wrap(1, unsigned));
    let (exit, lines) = site.judge(3);
    assert_eq!(
        (exit, lines[0].as_str()),
        (Exit::CouldNotTell, "Valid(0)  1.json: sequence is unsigned")
    );
}

#[test]
fn an_empty_folder_is_not_a_yes() {
    let conclusion = ["CONCLUSION: there is no batch to verify.".to_owned()];
    let (exit, text) = Site::new().run(&["--expect-measurement", CODE]);
    assert_eq!((exit, text.lines().next().unwrap()), (Exit::CouldNotTell, conclusion[0].as_str()));
    assert_eq!(Site::new().judge(2).0, Exit::No);
}

#[test]
fn lines_folders_and_other_files() {
    let site = Site::new();
    let day = site.dir.path().join("batches/2026/05/25");
    fs::create_dir_all(&day).unwrap();
    let lines = [site.batch(2, 2, CODE), String::new(), site.batch(1, 1, CODE), "{".to_owned()];
    fs::write(day.join("a.jsonl"), lines.join("\r\n")).unwrap();
    fs::write(day.join("notes.txt"), "x").unwrap();
    std::os::unix::fs::symlink(day.join("a.jsonl"), day.join("b.jsonl")).unwrap();
    let (exit, text) = site.run(&["--output", "json"]);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (exit, &value["exit"], &value["schema"]),
        (Exit::No, &1.into(), &"lucarne.import-json/1".into())
    );
    let batches: Vec<_> = value["batches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| {
            (
                batch["file"].as_str().unwrap(),
                batch["line"].as_u64(),
                batch["sequence"].as_u64(),
                batch["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    let file = "2026/05/25/a.jsonl";
    assert_eq!(
        batches,
        [
            (file, Some(4), None, "TamperedOrInvalidSignature(unknown)"),
            (file, Some(3), Some(1), "Valid(2)"),
            (file, Some(1), Some(2), "Valid(2)"),
        ]
    );
    assert_eq!(
        (&value["ignored"], &value["records"], &value["valid"]),
        (&2.into(), &4.into(), &2.into())
    );
}

#[test]
fn a_wrong_command_line_is_no_verdict() {
    let site = Site::of(1);
    let line = |more: [&str; 4]| {
        let path = |name: &str| site.dir.path().join(name).to_str().unwrap().to_owned();
        let (folder, key) = (path(more[0]), path(more[1]));
        let line = ["import-json", "--records-dir", &folder, "--tee-public-key", &key];
        let line = line.into_iter().chain(["--from-seq", more[2], "--to-seq", more[3]]);
        run_to(&Command::parse_from(line).args, &mut Vec::new()).unwrap_err().exit()
    };
    assert_eq!(line(["batches", "tee.pem", "2", "1"]), Exit::Usage);
    assert_eq!(line(["nowhere", "tee.pem", "1", "1"]), Exit::Unreadable);
    assert_eq!(line(["batches", "nowhere", "1", "1"]), Exit::Unreadable);
    assert_eq!(line(["batches", "batches/1.json", "1", "1"]), Exit::Usage);
}
