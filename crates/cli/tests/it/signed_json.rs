//! Signed log batches in JSON from the enclave to the auditor, with a gateway that is killed on the
//! way: every number is there once, with every record that the workload was told is kept.

use std::path::{Path, PathBuf};

use lucarne_otlp::wire::Writer;
use serde_json::Value;

use super::process::{PATIENCE, run, until};
use super::site::{Changes, Site, lucarne_program};
use super::tampering::files_below;

const ENCLAVE: &str = "json_batches: { every_records: 40, every_ms: 300 }\n";
const KILLS: usize = 4;

/// The archived batches, in the order of their names.
fn batches(site: &Site) -> Vec<PathBuf> {
    let folder = site.path("archive/json");
    let mut files = if folder.exists() { files_below(&folder) } else { Vec::new() };
    files.sort();
    files
}

fn lucarne(args: &[&str]) -> (Option<i32>, String) {
    let output = run(lucarne_program(), args);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// `audit export --format json-batch`; gives the folder of the one epoch.
fn exported(site: &Site) -> (PathBuf, String) {
    let place = |name: &str| site.path(name).to_str().unwrap().to_owned();
    let (archive, policy, to) = (place("archive"), place("audit-policy.yaml"), place("batches"));
    let format = ["audit", "export", "--format", "json-batch", "--to", &to];
    let of = ["--records-dir", &archive, "--policy", &policy];
    let (exit, said) = lucarne(&[&format[..], &of].concat());
    assert_eq!(exit, Some(5), "{said}");
    let pem = files_below(Path::new(&to)).into_iter().find(|path| path.ends_with("tee.pem"));
    (pem.unwrap().parent().unwrap().to_owned(), said)
}

/// `audit import-json`, as a report.
fn imported(folder: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let (dir, key) = (folder.to_str().unwrap(), folder.join("tee.pem"));
    let line = ["audit", "import-json", "--output", "json", "--records-dir", dir];
    let key = ["--tee-public-key", key.to_str().unwrap()];
    let (exit, said) = lucarne(&[&line[..], &key, more].concat());
    (exit, serde_json::from_str(&said).unwrap_or_else(|_| panic!("no report: {said}")))
}

/// The payload of a batch, decoded by nothing of ours.
fn payload(batch: &Path) -> Value {
    use base64::Engine;
    let batch: Value = serde_json::from_slice(&std::fs::read(batch).unwrap()).unwrap();
    let payload = batch["PayloadBase64"].as_str().unwrap();
    let payload = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// An audit event of the default contract, sent by hand.
fn send_event(site: &Site) {
    let mut request = Vec::new();
    Writer::new(&mut request).message(1, |resource| {
        resource.message(2, |items| {
            items.message(1, |scope| scope.bytes(1, b"audit"));
            items.message(2, |record| {
                record.fixed64(1, 1_779_703_200_000_000_000);
                record.varint(2, 13);
                record.bytes(12, b"workflow.started");
            });
        });
    });
    super::leaks::export(site, &[(lucarne_otlp::Signal::Logs, request)]);
}

#[test]
fn kills_of_the_gateway_lose_no_batch_and_repeat_none() {
    let mut site = Site::start(&Changes { enclave: ENCLAVE, ..Changes::default() });
    let wants = ["--signal", "logs", "--durability", "archived", "--batch", "20"];
    let pace = ["--rate", "400", "--patience", "60", "--timeout", "40", "--duration", "6"];
    let mut load = site.send(&[&wants[..], &pace].concat());
    for _ in 0..KILLS {
        let before = batches(&site).len();
        until("batches are archived", PATIENCE, || {
            (batches(&site).len() > before + 1).then_some(())
        });
        assert_eq!(site.gateway.take().unwrap().stop("-KILL"), None);
        site.start_gateway();
    }
    assert_eq!(load.end(), Some(0), "{}", load.said());
    send_event(&site);
    // The enclave ends in order only when everything is taken.
    assert_eq!(site.stop(), [Some(0); 3]);

    let (folder, said) = exported(&site);
    let files = batches(&site);
    let last = files.len().to_string();
    assert!(said.starts_with(&format!("{last} batches in ")), "{said}");
    let payloads: Vec<Value> = files.iter().map(|file| payload(file)).collect();
    let code = payloads[0]["tee_measurement"].as_str().unwrap();
    let range = ["--expect-measurement", code, "--from-seq", "1", "--to-seq", &last];
    let (exit, report) = imported(&folder, &range);
    assert_eq!((exit, &report["valid"]), (Some(0), &files.len().into()), "{report:#}");

    let records: Vec<&Value> =
        payloads.iter().flat_map(|payload| payload["records"].as_array().unwrap()).collect();
    assert_eq!(report["records"], records.len());
    let count = |id: &str| {
        records.iter().filter(|record| record["attributes"]["executionId"] == id).count()
    };
    let acknowledged = site.acknowledged();
    assert!(acknowledged.len() >= 500, "{} records", acknowledged.len());
    let wrong: Vec<_> = acknowledged.iter().filter(|id| count(id) != 1).take(5).collect();
    assert_eq!(wrong, Vec::<&String>::new(), "of {}", acknowledged.len());
    let event = records.iter().find(|record| record["message"] == "workflow.started").unwrap();
    assert_eq!(
        (&event["level"], &event["attributes"]["event_type"]),
        (&"Warning".into(), &"workflow.started".into(),)
    );

    // An audit of the whole archive looks at them too: any bit of any of them counts.
    let (archive, policy) = (site.path("archive"), site.path("audit-policy.yaml"));
    let of = ["--records-dir", archive.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
    let verify = || lucarne(&[&["audit", "verify", "--output", "json"], &of[..]].concat());
    let (exit, said) = verify();
    assert_eq!(exit, Some(5), "{said}");
    let whole = std::fs::read(&files[0]).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 16) {
        let mut bent = whole.clone();
        bent[at] ^= 1;
        std::fs::write(&files[0], bent).unwrap();
        let (exit, said) = verify();
        let report: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((exit, &report["findings"][0]["code"]), (Some(1), &"json-refused".into()));
    }
    std::fs::write(&files[0], &whole).unwrap();
    std::fs::copy(&files[1], &files[0]).unwrap();
    assert_eq!(verify().0, Some(1), "a batch under another's name");
    std::fs::write(&files[0], whole).unwrap();

    in_the_name_of_another_epoch(&files[0], &of);

    // What is missing or altered shows by number.
    std::fs::remove_file(folder.join(format!("{:020}.json", 2))).unwrap();
    let (exit, report) = imported(&folder, &range);
    assert_eq!((exit, &report["batches"][1]["verdict"]), (Some(1), &"SequenceGap(1, 3)".into()));
}

/// Signed in the name of an epoch that nothing else speaks of: nobody vouches for its key.
fn in_the_name_of_another_epoch(file: &Path, of: &[&str]) {
    let epochs = file.parent().unwrap().parent().unwrap();
    let other = epochs.join("ab".repeat(16)).join(file.file_name().unwrap());
    std::fs::create_dir_all(other.parent().unwrap()).unwrap();
    std::fs::copy(file, &other).unwrap();
    let (exit, said) = lucarne(&[&["audit", "verify", "--output", "json"], of].concat());
    assert_eq!(exit, Some(1), "{said}");
    assert!(["evidence-absent", "epoch-unlisted"].iter().all(|code| said.contains(code)), "{said}");
    let (exit, said) = lucarne(&[&["audit", "watch", "--once"], of].concat());
    assert_eq!(exit, Some(1), "{said}");
    assert!(["INCOMPLETE", "INSERTED"].iter().all(|kind| said.contains(kind)), "{said}");
    std::fs::remove_dir_all(other.parent().unwrap()).unwrap();

    // And who takes the epoch away and leaves these has taken it away.
    let archive = Path::new(of[1]);
    let year = other.strip_prefix(archive.join("json")).unwrap().iter().next().unwrap();
    let folders = [year.to_str().unwrap(), "epochs", "checkpoints"];
    let away = |folder: &str| archive.with_file_name(format!("away-{folder}"));
    for folder in folders {
        std::fs::rename(archive.join(folder), away(folder)).unwrap();
    }
    let (exit, said) = lucarne(&[&["audit", "verify"], of].concat());
    assert_eq!((exit, said.contains("MISSING")), (Some(1), true), "{said}");
    for folder in folders {
        std::fs::rename(away(folder), archive.join(folder)).unwrap();
    }

    // A state that cannot be kept makes no round a good one, and hides no evidence.
    let state = archive.with_file_name("not-there/state.json");
    let watch = ["audit", "watch", "--once", "--state", state.to_str().unwrap()];
    let (exit, said) = lucarne(&[&watch, of].concat());
    assert_eq!((exit, said.contains("not-there")), (Some(4), true), "{said}");
    let whole = std::fs::read(file).unwrap();
    std::fs::write(file, "{}").unwrap();
    let (exit, said) = lucarne(&[&watch, of].concat());
    assert_eq!((exit, said.contains("\nMODIFIED ")), (Some(1), true), "{said}");
    std::fs::write(file, whole).unwrap();
}

#[test]
fn a_batch_that_the_outer_layer_hits_is_kept_nowhere_and_its_number_is_missing() {
    // The contract lets it pass and the host does not: a code of its own.
    let rule = "outer_layer: { blocked_values_patterns: ['exec-forbidden-[0-9]'] }";
    let changes = Changes {
        enclave: "json_batches: { every_ms: 100 }\n",
        gateway: vec![("outer_layer: { on_hit: drop }", rule)],
        ..Changes::default()
    };
    let mut site = Site::start(&changes);
    let send = |id: &str| {
        let mut request = Vec::new();
        Writer::new(&mut request).message(1, |resource| {
            resource.message(2, |items| {
                items.message(2, |record| {
                    record.message(6, |attribute| {
                        attribute.bytes(1, b"executionId");
                        attribute.message(2, |value| value.bytes(1, id.as_bytes()));
                    });
                });
            });
        });
        super::leaks::export(&site, &[(lucarne_otlp::Signal::Logs, request)]);
    };
    let becomes = |result: &str, count: u32| {
        let line = format!("lucarne_gateway_json_batches_total{{result=\"{result}\"}} {count}\n");
        until(&line, PATIENCE, || site.get("/metrics")?.1.contains(&line).then_some(()));
    };
    send("exec-allowed-1");
    becomes("archived", 1);
    send("exec-forbidden-2");
    becomes("withheld", 1);
    send("exec-allowed-3");
    becomes("archived", 2);
    let said = site.enclave.as_ref().unwrap().said();
    assert!(said.contains("signed log batch 2 is withheld by the outer layer"), "{said}");
    assert_eq!(site.stop(), [Some(0); 3]);
    let (folder, _) = exported(&site);
    let (exit, report) = imported(&folder, &["--from-seq", "1", "--to-seq", "3"]);
    assert_eq!((exit, &report["batches"][1]["verdict"]), (Some(1), &"SequenceGap(1, 3)".into()));
    let tells = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(16).any(|window| window == b"exec-forbidden-2")
    };
    let json = batches(&site).iter().any(|path| payload(path).to_string().contains("forbidden"));
    assert!(!json && !files_below(&site.path("state")).iter().any(tells));
}
