//! Exports of a sealed archive, read back by what did not write them, as far as that is at hand.

#[path = "../verify/tests/site.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the site of the tests of `audit verify`")]
mod site;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::json;

use self::site::Site;
use super::*;

/// The command line as clap sees it.
#[derive(Parser)]
struct ExportLine {
    #[command(flatten)]
    args: Args,
}

fn export(site: &Site, format: &str, more: &[&str]) -> Result<(Exit, String), Failure> {
    let path = |path: PathBuf| path.to_str().unwrap().to_owned();
    let (archive, policy, to) = (path(site.archive()), path(site.policy()), path(target(site)));
    let line = ["export", "--records-dir", &archive, "--policy", &policy, "--format", format];
    let line = line.into_iter().chain(["--to", &to]).chain(more.iter().copied());
    let mut out = Vec::new();
    let exit = run_to(&ExportLine::parse_from(line).args, &mut out)?;
    Ok((exit, String::from_utf8(out).unwrap()))
}

fn target(site: &Site) -> PathBuf {
    site.policy().with_file_name("exported")
}

fn lines(site: &Site) -> Vec<Value> {
    let text = fs::read_to_string(target(site)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn json_lines_are_the_audit_record_view() {
    let site = Site::new();
    let (exit, said) = export(&site, "jsonl", &[]).unwrap();
    assert_eq!(exit, Exit::Insecure);
    assert!(said.starts_with("9 records in "), "{said}");
    let text = fs::read_to_string(target(&site)).unwrap();
    let second = text.lines().nth(1).unwrap();
    assert!(second.starts_with("{\"seq\":1,\"prev_hash\":\""), "{second}");
    let lines = lines(&site);
    let numbers: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..9).collect::<Vec<u64>>());
    // Each names the leaf before it, as it was sealed.
    for pair in lines.windows(2) {
        assert_eq!(pair[1]["prev_hash"], pair[0]["record_hash"]);
    }
    let event = &lines[1];
    assert_eq!(event["event_type"], "workflow.started");
    assert_eq!(event["stepCount"], 1);
    assert_eq!(event["tee_instance_id"], "nitro-001-us-east");
    assert_eq!(event["timestamp_utc"], "2026-05-25T10:00:00.000000000Z");
    assert_eq!(event["tee_measurement"].as_str().unwrap().len(), 96);
    assert_eq!(
        (&lines[0]["event_type"], &lines[8]["event_type"]),
        (&json!("control.open"), &json!("control.close"))
    );
    // A payload's own `ledger` does not pass for ours.
    assert_eq!(
        (&lines[0]["ledger"], &lines[0]["payload_ledger"]),
        (&json!("audit"), &json!("audit"))
    );
    assert!(export(&site, "jsonl", &[]).unwrap_err().text(false).contains("already exists"));
}

#[test]
fn telemetry_comes_with_its_context() {
    let site = Site::new();
    export(&site, "jsonl", &["--ledger", "telemetry"]).unwrap();
    let log = lines(&site).into_iter().find(|line| line["stream"] == "logs").unwrap();
    assert_eq!(log["attributes"]["executionId"], "exec-abc-123");
    let resource = &log["payload_context"]["resource"]["attributes"];
    assert_eq!(resource["service.name"], "processengine");
    assert_eq!(log["prev_hash"], Value::Null);
}

#[test]
fn what_does_not_verify_is_not_written_and_the_exit_says_so() {
    let site = Site::new();
    let path = &site.seals("audit")[1];
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
    let (exit, said) = export(&site, "jsonl", &[]).unwrap();
    assert_eq!(exit, Exit::No);
    assert!(said.starts_with("6 records in "), "{said}");
    let numbers: Vec<u64> = lines(&site).iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 6, 7, 8]);
}

#[test]
fn a_second_history_is_left_to_the_report() {
    let site = Site::new();
    site.fork();
    let (exit, said) = export(&site, "jsonl", &[]).unwrap();
    assert_eq!(exit, Exit::No);
    assert!(said.starts_with("9 records in "), "{said}");
    for pair in lines(&site).windows(2) {
        assert_eq!(pair[1]["prev_hash"], pair[0]["record_hash"]);
    }
}

#[test]
fn a_withheld_payload_stays_out() {
    let site = Site::new();
    site.withhold(1, &site::outer_layer());
    export(&site, "jsonl", &[]).unwrap();
    let lines = lines(&site);
    let holes: Vec<_> = lines.iter().filter(|line| line["withheld"] == true).collect();
    assert_eq!(holes.len(), 1);
    assert_eq!((&holes[0]["seq"], &holes[0]["stepCount"]), (&json!(4), &Value::Null));
    assert_eq!(lines[5]["prev_hash"], holes[0]["record_hash"]);
}

#[test]
fn what_a_later_revision_withholds_is_not_taken_from_an_earlier_one() {
    let site = Site::new();
    let first = site.seals("audit")[1].clone();
    let whole = fs::read(&first).unwrap();
    site.withhold(1, &site::outer_layer());
    let later = first.to_str().unwrap().replace(".r0.", ".r1.");
    fs::rename(&first, &later).unwrap();
    fs::write(&first, whole).unwrap();
    let (_, said) = export(&site, "jsonl", &[]).unwrap();
    assert!(said.starts_with("9 records in "), "{said}");
    let line = &lines(&site)[4];
    assert_eq!((&line["withheld"], &line["stepCount"]), (&json!(true), &Value::Null));
}

#[test]
fn ocsf_has_an_event_a_record_and_one_a_finding() {
    let site = Site::new();
    fs::remove_file(&site.seals("audit")[1]).unwrap();
    assert_eq!(export(&site, "ocsf", &[]).unwrap().0, Exit::No);
    let mut classes: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for event in lines(&site) {
        let id = |key: &str| event[key].as_u64().unwrap();
        // The schema's own rules about its numbers.
        assert_eq!(id("type_uid"), id("class_uid") * 100 + id("activity_id"));
        assert_eq!(id("category_uid"), id("class_uid") / 1000);
        for required in ["time", "severity_id"] {
            assert!(event[required].is_u64(), "{required}: {event}");
        }
        assert!(
            event["metadata"]["version"].is_string() && event["metadata"]["product"].is_object()
        );
        classes.entry(id("class_uid")).or_default().push(event);
    }
    let (records, findings) = (&classes[&6003], &classes[&2004]);
    assert_eq!(records.len(), 6);
    assert_eq!(records[1]["api"]["operation"], "workflow.started");
    assert_eq!(records[1]["unmapped"]["stepCount"], 1);
    assert_eq!(records[1]["time"], 1_779_703_200_000_u64);
    assert_eq!((findings.len(), &findings[0]["finding_info"]["types"][0]), (1, &json!("MISSING")));
    assert_eq!(findings[0]["severity_id"], 5);
}

#[test]
fn parquet_has_the_same_rows_as_json_lines() {
    let site = Site::new();
    let (exit, said) = export(&site, "parquet", &[]).unwrap();
    assert_eq!(exit, Exit::Insecure);
    assert!(said.starts_with("9 records in "), "{said}");
    let file = SerializedFileReader::new(File::open(target(&site)).unwrap()).unwrap();
    assert_eq!(file.metadata().file_metadata().num_rows(), 9);
    let rows: Vec<Value> =
        file.get_row_iter(None).unwrap().map(|row| row.unwrap().to_json_value_by_hand()).collect();
    fs::remove_file(target(&site)).unwrap();
    export(&site, "jsonl", &[]).unwrap();
    for (row, line) in rows.iter().zip(lines(&site)) {
        for key in ["seq", "prev_hash", "record_hash", "tee_measurement", "timestamp_utc", "seal"] {
            assert_eq!(
                row[key],
                line[key].to_string().trim_matches('"').replace("null", ""),
                "{key}"
            );
        }
        let payload: Value = serde_json::from_str(row["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload["stepCount"], line["stepCount"]);
    }
}

/// Every column as text; nothing for a missing one.
trait ByHand {
    fn to_json_value_by_hand(&self) -> Value;
}

impl ByHand for ::parquet::record::Row {
    fn to_json_value_by_hand(&self) -> Value {
        use ::parquet::record::Field;
        let text = |field: &Field| match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec()).unwrap(),
            other => other.to_string(),
        };
        self.get_column_iter()
            .map(|(name, field)| (name.clone(), Value::String(text(field))))
            .collect()
    }
}

#[test]
fn a_bag_is_checked_by_others_and_judged_as_the_archive() {
    let site = Site::new();
    let (exit, said) = export(&site, "bagit", &[]).unwrap();
    assert_eq!(exit, Exit::Insecure);
    let bag = target(&site);
    let check = |manifest: &str| {
        let mut sum = Command::new("sha256sum");
        sum.args(["--check", "--strict", "--quiet", manifest])
            .current_dir(&bag)
            .status()
            .unwrap()
            .success()
    };
    assert!(check("manifest-sha256.txt") && check("tagmanifest-sha256.txt"));
    let read = |name: &str| fs::read_to_string(bag.join(name)).unwrap();
    assert_eq!(read("bagit.txt"), "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    let manifest = read("manifest-sha256.txt");
    assert_eq!(said.split(' ').next().unwrap(), manifest.lines().count().to_string());
    let bytes: u64 = manifest
        .lines()
        .map(|line| fs::metadata(bag.join(line.split_once("  ").unwrap().1)).unwrap().len())
        .sum();
    let oxum = format!("Payload-Oxum: {bytes}.{}\n", manifest.lines().count());
    assert!(read("bag-info.txt").ends_with(&oxum), "{}", read("bag-info.txt"));
    assert!(read("data/README.md").contains("The report said: "));
    // The report in the bag is what judging the bag's own archive says.
    let line = ["verify", "--output=json", "--records-dir", "data/archive", "--policy"];
    let line = line.map(|part| part.replace("data/", &format!("{}/data/", bag.display())));
    let policy = bag.join("data/audit-policy.yaml").to_str().unwrap().to_owned();
    let args = Line::parse_from(line.into_iter().chain([policy])).args;
    let mut again = Vec::new();
    assert_eq!(verify::run_to(&args, &mut again, &|| false).unwrap(), Exit::Insecure);
    assert_eq!(read("data/report.json"), String::from_utf8(again).unwrap());
    fs::write(bag.join("data/README.md"), "other").unwrap();
    assert!(!check("manifest-sha256.txt"));
}

#[test]
fn a_time_stamp_beside_a_checkpoint_is_no_finding_and_goes_into_the_bag() {
    let site = Site::new();
    let note = site.checkpoints("audit").pop().unwrap();
    let stamp = note.with_added_extension("tsr");
    fs::write(&stamp, "a stamp").unwrap();
    assert_eq!(export(&site, "bagit", &[]).unwrap().0, Exit::Insecure);
    let copy = stamp.strip_prefix(site.archive()).unwrap();
    let copy = target(&site).join("data/archive").join(copy);
    assert_eq!(fs::read_to_string(copy).unwrap(), "a stamp");
    // Any other file beside it is one.
    fs::rename(&stamp, note.with_added_extension("new")).unwrap();
    fs::remove_dir_all(target(&site)).unwrap();
    assert_eq!(export(&site, "bagit", &[]).unwrap().0, Exit::CouldNotTell);
}

#[test]
fn signed_json_is_copied_with_the_key_and_what_does_not_verify_is_not() {
    use crate::commands::audit::import_json;
    #[derive(Parser)]
    struct ImportLine {
        #[command(flatten)]
        args: import_json::Args,
    }
    let site = Site::new();
    site.add_json_batches(&site::FIRST, 3);
    let (exit, said) = export(&site, "json-batch", &[]).unwrap();
    assert_eq!(exit, Exit::Insecure);
    assert!(said.starts_with("3 batches in "), "{said}");
    let folder = target(&site).join("nitro-001-us-east").join(site::FIRST.epoch().to_string());
    let (dir, key) = (folder.to_str().unwrap(), folder.join("tee.pem"));
    let key = key.to_str().unwrap();
    let line = ["import-json", "--records-dir", dir, "--tee-public-key", key];
    let code = "e5".repeat(48);
    let more = ["--expect-measurement", &code, "--from-seq", "1", "--to-seq", "3"];
    let line = ImportLine::parse_from(line.into_iter().chain(more));
    let mut out = Vec::new();
    assert_eq!(import_json::run_to(&line.args, &mut out).unwrap(), Exit::Yes);
    let said = String::from_utf8(out).unwrap();
    assert_eq!(said.matches("Valid(1)").count(), 3, "{said}");

    // The same bytes under another number are another claim.
    let files = site.json_batches();
    fs::copy(&files[0], &files[1]).unwrap();
    fs::remove_dir_all(target(&site)).unwrap();
    let (exit, said) = export(&site, "json-batch", &[]).unwrap();
    assert_eq!(exit, Exit::No);
    assert!(said.starts_with("2 batches in "), "{said}");
    assert!(said.ends_with("\n1 batches do not verify and are not among them\n"), "{said}");
    let mut left: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    let [first, third] = [1, 3].map(|number| format!("{number:020}.json"));
    assert_eq!(left, [first.as_str(), &third, "tee.pem"]);
    // The bag takes them along, too.
    fs::remove_dir_all(target(&site)).unwrap();
    // The report in it is that of the whole archive, which now has a batch under another's name.
    assert_eq!(export(&site, "bagit", &[]).unwrap().0, Exit::No);
    let copied = files[0].strip_prefix(site.archive()).unwrap();
    let copied = target(&site).join("data/archive").join(copied);
    assert_eq!(fs::read(copied).unwrap(), fs::read(&files[0]).unwrap());
}

#[test]
fn signed_json_is_refused_with_the_reason() {
    let failure = export(&Site::new(), "json-batch", &[]).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    let said = failure.text(false);
    assert!(
        said.starts_with("error: nobody outside holds a key that signs a SignedLogBatch\n"),
        "{said}"
    );
}
