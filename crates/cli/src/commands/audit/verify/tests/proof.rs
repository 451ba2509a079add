//! Proofs of single records: made from an archive, judged from a file alone.

use std::path::PathBuf;

use lucarne_archive::Name;
use lucarne_archive::name::CheckpointName;
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::cosignature::Cosigner;
use lucarne_ledger::key::{Ed25519Key, Signer};
use lucarne_ledger::note::NoteKey;
use lucarne_ledger::proof_bundle::ProofBundle;
use lucarne_ledger::tlog_proof::TlogProof;

use super::baseline;
use super::site::{ROOT, outer_layer, stranger};
use super::*;
use crate::commands::audit::{check_proof, prove};

#[derive(Parser)]
struct ProveLine {
    #[command(flatten)]
    args: prove::Args,
}

#[derive(Parser)]
struct CheckLine {
    #[command(flatten)]
    args: check_proof::Args,
}

type Said = Result<(Exit, String), (Exit, String)>;

fn said(outcome: Result<Exit, Failure>, out: Vec<u8>) -> Said {
    match outcome {
        Ok(exit) => Ok((exit, String::from_utf8(out).unwrap())),
        Err(failure) => Err((failure.exit(), failure.text(false))),
    }
}

fn prove(site: &Site, seq: u64, more: &[&str]) -> Said {
    let (archive, policy, seq) = (site.archive(), site.policy(), seq.to_string());
    let line = ["prove", &seq, "--records-dir", archive.to_str().unwrap(), "--policy"];
    let line = line.into_iter().chain([policy.to_str().unwrap()]).chain(more.iter().copied());
    let args = ProveLine::try_parse_from(line).unwrap().args;
    let mut out = Vec::new();
    said(prove::run_to(&args, &mut out), out)
}

fn check_proof(file: &Path, more: &[&str]) -> Said {
    let line = ["check-proof", file.to_str().unwrap()].into_iter().chain(more.iter().copied());
    let args = CheckLine::try_parse_from(line).unwrap().args;
    let mut out = Vec::new();
    said(check_proof::run_to(&args, &mut out), out)
}

/// A file in the site's own directory.
fn file(site: &Site, name: &str) -> PathBuf {
    site.policy().with_file_name(name)
}

/// Makes a bundle and judges it far from the archive.
fn judge(site: &Site, ledger: &str, seq: u64, more: &[&str]) -> Said {
    let (path, policy) = (file(site, "bundle"), site.policy());
    let flags = ["--ledger", ledger, "--bundle", path.to_str().unwrap()];
    let (exit, text) = prove(site, seq, &flags)?;
    assert_eq!(exit, Exit::Insecure);
    assert!(text.starts_with(&format!("record {seq} is in lucarne.local/")), "{text}");
    let policy = ["--policy", policy.to_str().unwrap()];
    check_proof(&path, &[&policy, more].concat())
}

fn json(said: Said) -> (Exit, Value) {
    let (exit, text) = said.unwrap();
    (exit, serde_json::from_str(&text).unwrap())
}

fn keys() -> String {
    let origin = format!("lucarne.local/nitro-001-us-east/{}/audit", FIRST.epoch());
    let key = Ed25519Key::from_seed(&[7; 32]).unwrap().public_key().clone();
    NoteKey::new(&origin, key).to_string()
}

#[test]
fn every_record_of_both_ledgers_is_proven_from_a_file_alone() {
    let site = Site::new();
    for (ledger, count) in [("audit", 9), ("telemetry", 8)] {
        for seq in 0..count {
            let (exit, shown) = json(judge(&site, ledger, seq, &["--output", "json"]));
            assert_eq!((exit, &shown["exit"]), (Exit::Insecure, &Value::from(5)));
            assert_eq!(shown["seq"], seq);
            let origin = format!("lucarne.local/nitro-001-us-east/{}/{ledger}", FIRST.epoch());
            assert_eq!(shown["origin"], origin.as_str());
            let size = shown["size"].as_u64().unwrap();
            // The smallest checkpoint that covers it: one stands behind each segment.
            let expected = site
                .checkpoints(ledger)
                .iter()
                .map(|path| name(path))
                .find_map(|name| name[..20].parse::<u64>().ok().filter(|size| *size > seq));
            assert_eq!(Some(size), expected, "{ledger} {seq}");
            assert!(shown["payload"].is_object(), "{shown}");
        }
    }
}

#[test]
fn the_verdict_is_a_sentence_for_people_with_its_limits() {
    let site = Site::new();
    let (exit, text) = judge(&site, "audit", 4, &[]).unwrap();
    assert_eq!(exit, Exit::Insecure);
    let epoch = FIRST.epoch();
    let sentence = format!(
        "PROVEN: record 4 of the audit ledger of nitro-001-us-east (epoch {epoch}) was sealed with \
         exactly the content below, under a key that nothing protects (software (INSECURE) TEE, \
         accepted as INSECURE by the policy): whoever ran that machine could have made this \
         record. It stands at that number among the 6 records whose root this key has signed.\n"
    );
    assert!(text.starts_with(&sentence), "{text}");
    assert!(text.contains("\nNot proven:\n  - that what the record says is true"), "{text}");
    assert!(text.contains("2026-05-25T10:00:00.000Z is what the sealing machine's clock said"));
    assert!(text.contains("\"stepCount\": 4\n"), "{text}");
    assert!(!text.contains("how the ledger began"), "{text}");
}

#[test]
fn a_bundle_brings_the_baseline_and_its_reader_judges_it_by_his_own_people() {
    let site = baseline::site(0xe5, &[1, 2], [baseline::MADE, baseline::MADE + 1]);
    let (exit, shown) = json(judge(&site, "audit", 4, &["--output", "json"]));
    let (entry, commit) = (&shown["vouchers"]["baseline"], "4f2a9c1b".repeat(5));
    assert_eq!((exit, &entry["standing"]), (Exit::Insecure, &"authorised".into()));
    assert_eq!((&entry["version"], &entry["git_commit"]), (&"v7".into(), &commit.as_str().into()));
    let (_, text) = judge(&site, "audit", 4, &[]).unwrap();
    let said = format!("  - baseline: version v7 from commit {commit}, approved by 1 and 2: ");
    assert!(text.contains(&format!("{said}authorised\n")), "{text}");
    assert!(text.contains("  - witnesses: not judged, the policy names none\n"), "{text}");
    assert!(text.contains("  - time stamp: not in the bundle\n"), "{text}");
    // Somebody who names a measurement and no people.
    site.write_policy(&format!("[\"{}\"]", "e5".repeat(48)), ROOT);
    let bundle = file(&site, "bundle");
    let policy = site.policy();
    let again = || check_proof(&bundle, &["--policy", policy.to_str().unwrap()]);
    let (_, text) = again().unwrap();
    assert!(text.contains("not judged, the policy names no approvers"), "{text}");
    // An entry of other code, or of nobody's, is no voucher and refuses the bundle.
    let good = ProofBundle::from_cbor(&fs::read(&bundle).unwrap()).unwrap();
    let with = |baseline: String| {
        let bent = ProofBundle { baseline: Some(baseline), ..good.clone() };
        fs::write(&bundle, bent.to_cbor()).unwrap();
        again().unwrap_err()
    };
    let other = baseline::site(0xe4, &[1, 2], [baseline::MADE, baseline::MADE + 1]);
    let other = fs::read_to_string(file(&other, "baseline.yaml")).unwrap();
    let (exit, text) = with(other);
    assert!(exit == Exit::No && text.contains("v7 is other code"), "{text}");
    let edited = good.baseline.clone().unwrap().replacen("4f2a9c1b", "4f2a9c1c", 1);
    let (exit, text) = with(edited);
    assert!(exit == Exit::No && text.contains("not proven: baseline:"), "{text}");
}

#[test]
fn telemetry_is_shown_with_its_contexts() {
    let site = Site::new();
    // The first log record stands behind `open`, its resource and its scope.
    let (_, shown) = json(judge(&site, "telemetry", 3, &["--output", "json"]));
    assert_eq!(shown["stream"], "logs");
    assert_eq!(shown["payload"]["attributes"]["executionId"], "exec-abc-123");
    let context = &shown["context"];
    assert_eq!(context["resource"]["attributes"]["service.name"], "processengine");
    assert_eq!(context["scope"]["name"], "engine");
}

#[test]
fn a_withheld_record_is_proven_and_said_to_be_withheld() {
    let site = Site::new();
    site.withhold(1, &outer_layer());
    let (exit, shown) = json(judge(&site, "audit", 4, &["--output", "json"]));
    assert_eq!(exit, Exit::Insecure);
    assert_eq!(shown["withheld"]["rule"], "key form.*");
    assert_eq!(shown.get("payload"), None);
    let sentence = shown["sentence"].as_str().unwrap();
    assert!(sentence.contains("withheld afterwards (rule or order: key form.*)"), "{sentence}");
    // The value is nowhere in the bundle, and a neighbour is proven as before.
    let bundle = fs::read(file(&site, "bundle")).unwrap();
    assert!(!bundle.windows(13).any(|part| part == b"\"stepCount\":4"));
    let (exit, shown) = json(judge(&site, "audit", 5, &["--output", "json"]));
    assert_eq!((exit, &shown["payload"]["stepCount"]), (Exit::Insecure, &Value::from(5)));
}

#[test]
fn a_record_that_a_stranger_withheld_is_not_accepted() {
    let site = Site::new();
    site.withhold(1, &stranger());
    let (exit, text) = judge(&site, "audit", 4, &[]).unwrap();
    assert_eq!(exit, Exit::No);
    let sentence = "without the word of a key that the policy names";
    assert!(text.starts_with("NOT ACCEPTED: record 4") && text.contains(sentence), "{text}");
}

#[test]
fn no_byte_of_a_bundle_can_be_changed() {
    let site = Site::new();
    let policy = site.policy();
    judge(&site, "audit", 4, &[]).unwrap();
    let path = file(&site, "bundle");
    let bytes = fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(11) {
        let mut bent = bytes.clone();
        bent[at] ^= 1 << (at % 8);
        fs::write(&path, &bent).unwrap();
        let verdict = check_proof(&path, &["--policy", policy.to_str().unwrap()]);
        let (exit, text) = verdict.expect_err(&format!("byte {at} of {}", bytes.len()));
        assert_eq!(exit, Exit::No, "byte {at}: {text}");
        assert!(text.starts_with("error: not proven: "), "byte {at}: {text}");
    }
}

#[test]
fn a_policy_that_does_not_trust_the_evidence_proves_nothing() {
    let site = Site::new();
    judge(&site, "audit", 4, &[]).unwrap();
    site.write_policy("any-insecure", &"00".repeat(32));
    let policy = site.policy();
    let verdict = check_proof(&file(&site, "bundle"), &["--policy", policy.to_str().unwrap()]);
    let (exit, text) = verdict.expect_err("evidence under another root");
    assert_eq!(exit, Exit::No, "{text}");
}

#[test]
fn a_proof_file_is_printed_and_judged_by_the_keys_of_the_log() {
    let site = Site::new();
    let (exit, text) = prove(&site, 4, &[]).unwrap();
    assert_eq!(exit, Exit::Insecure);
    let proof = TlogProof::parse(&text).unwrap();
    assert_eq!((proof.index, proof.path.len()), (4, 2));
    let path = file(&site, "record-4.tlog-proof");
    let (_, shown) = json(prove(&site, 4, &["--to", path.to_str().unwrap(), "-o", "json"]));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(shown["proof"], text.as_str());
    let hash = shown["record_hash"].as_str().unwrap();
    let (exit, told) = check_proof(&path, &["--key", &keys()]).unwrap();
    assert_eq!(exit, Exit::Yes);
    let start = format!("Proven: the record with hash {hash} is number 4 of the log lucarne.local");
    assert!(told.starts_with(&start), "{told}");
    let same = check_proof(&path, &["--key", &keys(), "--record", hash]);
    assert_eq!(same, Ok((Exit::Yes, told)));
    let other = check_proof(&path, &["--key", &keys(), "--record", &"0".repeat(64)]);
    let (exit, text) = other.expect_err("another record");
    assert_eq!((exit, text.contains("not proven: the proof is of")), (Exit::No, true), "{text}");
    let keyless = check_proof(&path, &[]).map_err(|(exit, _)| exit);
    assert_eq!(keyless, Err(Exit::Usage));
    let origin = keys().split('+').next().unwrap().to_owned();
    let key = NoteKey::new(&origin, stranger().public_key().clone()).to_string();
    let (exit, text) = check_proof(&path, &["--key", &key]).expect_err("a stranger's key");
    assert_eq!(exit, Exit::No, "{text}");
}

#[test]
fn a_checkpoint_under_the_name_of_another_is_passed_over() {
    let site = Site::new();
    let checkpoints = site.checkpoints("audit");
    let [first, second, last] = &checkpoints[..] else { panic!("{checkpoints:?}") };
    let size = |path: &Path| name(path)[..20].parse::<u64>().unwrap();
    fs::copy(first, second).unwrap();
    let (_, shown) = json(prove(&site, size(first), &["--output", "json"]));
    assert_eq!(shown["size"], size(last));
    fs::copy(first, last).unwrap();
    let (exit, text) = prove(&site, size(first), &[]).expect_err("no other covers it");
    assert_eq!(exit, Exit::No);
    assert!(text.contains("not what its name says"), "{text}");
}

/// Stores a checkpoint of the site once more, with the line of a witness.
fn cosign(site: &Site, path: &Path, cosigner: &Cosigner) {
    let note = fs::read_to_string(path).unwrap();
    let text = note.split_inclusive("\n\n").next().unwrap().trim_end_matches("\n\n");
    let head = Checkpoint::parse(&format!("{text}\n")).unwrap();
    let line = cosigner.cosign(&head, 1_779_703_300).unwrap();
    let name = path.strip_prefix(site.archive()).unwrap().to_str().unwrap().parse();
    let Ok(Name::Checkpoint(name)) = name else { panic!("{}", path.display()) };
    let name = Name::Checkpoint(CheckpointName { cosigned: true, ..name });
    fs::write(site.archive().join(name.to_string()), note + &line).unwrap();
}

#[test]
fn a_proof_leads_to_what_the_witnesses_of_the_policy_have_signed() {
    let site = Site::new();
    let [witness, other] = [5, 6].map(|seed| Cosigner::ed25519("w.example", &[seed; 32]).unwrap());
    let checkpoints = site.checkpoints("audit");
    let [_, second, last] = &checkpoints[..] else { panic!("{checkpoints:?}") };
    let size = || json(prove(&site, 1, &["--output", "json"])).1["size"].clone();
    cosign(&site, second, &other);
    cosign(&site, last, &witness);
    assert_eq!(size(), 3, "the policy names no witness");
    let named = format!("witness w {} http://h/\n  quorum w", witness.verifier());
    append(&site.policy(), &format!("witnesses: |\n  {named}\n"));
    assert_eq!(size(), 9, "not that of a witness whom nobody named");
    let (_, text) = judge(&site, "audit", 1, &[]).unwrap();
    assert!(text.contains("  - witnesses: cosigned by w"), "{text}");
    // Where nothing leads there, a proof without witnesses is better than none.
    fs::remove_file(&site.seals("audit")[2]).unwrap();
    assert_eq!(size(), 3);
}

fn append(path: &Path, more: &str) {
    fs::write(path, fs::read_to_string(path).unwrap() + more).unwrap();
}

#[test]
fn what_is_missing_between_record_and_checkpoint_is_said() {
    let site = Site::new();
    fs::remove_file(&site.checkpoints("audit")[0]).unwrap();
    let (_, shown) = json(prove(&site, 1, &["--output", "json"]));
    assert_eq!(shown["size"], 6);
    fs::remove_file(&site.seals("audit")[1]).unwrap();
    let gap = "error: record 3 is not in the archive, so nothing leads from record 1 to the \
               checkpoint of size 6\n";
    assert_eq!(prove(&site, 1, &[]), Err((Exit::CouldNotTell, gap.to_owned())));
    let gone = "error: record 4 is not in the archive\n";
    assert_eq!(prove(&site, 4, &[]), Err((Exit::CouldNotTell, gone.to_owned())));
    let (exit, text) = prove(&site, 99, &[]).expect_err("no such record");
    assert_eq!(exit, Exit::CouldNotTell);
    assert!(text.contains("no file of the archive is named for record 99"), "{text}");
    for path in site.checkpoints("audit") {
        fs::remove_file(path).unwrap();
    }
    let (exit, text) = prove(&site, 1, &[]).expect_err("no checkpoint");
    assert_eq!(exit, Exit::CouldNotTell);
    assert!(text.starts_with("error: no stored checkpoint covers record 1\n"), "{text}");
}

#[test]
fn a_changed_archive_gives_no_proof() {
    let site = Site::new();
    for path in &site.checkpoints("audit")[..2] {
        fs::remove_file(path).unwrap();
    }
    let last = &site.checkpoints("audit")[0];
    let note = fs::read_to_string(last).unwrap();
    fs::write(last, note.replacen("\n9\n", "\n8\n", 1)).unwrap();
    let (exit, text) = prove(&site, 4, &[]).expect_err("an edited checkpoint");
    assert_eq!(exit, Exit::No);
    assert!(text.starts_with("error: checkpoint is not accepted: "), "{text}");
    fs::write(last, note).unwrap();
    let seal = &site.seals("audit")[1];
    let mut bytes = fs::read(seal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(seal, bytes).unwrap();
    let (exit, text) = prove(&site, 4, &[]).expect_err("an edited segment");
    assert_eq!(exit, Exit::CouldNotTell, "{text}");
}

#[test]
fn what_is_no_proof_is_refused_by_its_own_code() {
    let site = Site::new();
    let policy = site.policy();
    let trust = ["--policy", policy.to_str().unwrap()];
    let path = file(&site, "nothing");
    let absent = check_proof(&path, &trust).map_err(|(exit, _)| exit);
    assert_eq!(absent, Err(Exit::Unreadable));
    fs::write(&path, b"nothing").unwrap();
    let noise = check_proof(&path, &trust).map_err(|(exit, _)| exit);
    assert_eq!(noise, Err(Exit::No));
    fs::write(&path, b"c2sp.org/tlog-proof@v1\nindex x\n").unwrap();
    let noise = check_proof(&path, &["--key", &keys()]).map_err(|(exit, _)| exit);
    assert_eq!(noise, Err(Exit::No));
    judge(&site, "audit", 4, &[]).unwrap();
    let no_policy = check_proof(&file(&site, "bundle"), &[]).map_err(|(exit, _)| exit);
    assert_eq!(no_policy, Err(Exit::Usage));
    let bytes = fs::read(file(&site, "bundle")).unwrap();
    assert_eq!(ProofBundle::from_cbor(&bytes).map(|bundle| bundle.seq), Ok(4));
}
