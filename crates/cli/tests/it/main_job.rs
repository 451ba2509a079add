//! The main job with real processes: telemetry comes out clean, sealed and archived, and stays so
//! when parts are killed at random moments.
//!
//! `LUCARNE_KILLS` sets how often each part is killed; a few times by default, fifty for the full
//! campaign. Each campaign prints the seed of its random pauses, and `LUCARNE_SEED` sets it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use lucarne_archive::segment::SegmentReader;
use lucarne_archive::{Archive, Directory, Name};
use lucarne_cli::demo::workflow::FORBIDDEN;
use lucarne_cli::random::Random;
use lucarne_ledger::batch::{self, Content, EpochKey};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::identity::LedgerId;
use lucarne_ledger::key::PublicKey;
use lucarne_otlp::view::{AnyValue, LogRecord, View};

use super::command_line::text;
use super::process::{PATIENCE, Process, until};
use super::site::{Changes, Site, free_port, http, lucarne_program};

/// A sender that wants each small batch archived; the site keeps what was acknowledged.
fn sender(site: &Site, seconds: u64) -> Process {
    let wants = ["--durability", "archived", "--batch", "20", "--rate", "2000"];
    let patience = ["--patience", "60", "--timeout", "40", "--in-flight", "2"];
    let seconds = seconds.to_string();
    site.send(&[&wants[..], &patience, &["--duration", &seconds]].concat())
}

fn await_acknowledgement(site: &Site) {
    let any = || (!site.acknowledged().is_empty()).then_some(());
    until("the first acknowledgement", PATIENCE, any);
}

fn audit_site(site: &Site) -> (i32, String) {
    audit(&site.path("archive"), &site.path("audit-policy.yaml"))
}

fn audit(archive: &Path, policy: &Path) -> (i32, String) {
    let output = Command::new(lucarne_program())
        .args(["audit", "verify", "--records-dir"])
        .arg(archive)
        .arg("--policy")
        .arg(policy)
        .output()
        .unwrap();
    let said = [text(&output.stdout), text(&output.stderr)].concat();
    (output.status.code().unwrap(), said)
}

/// Every payload of an archive, each batch verified under the key of its epoch.
fn payloads(root: &Path) -> Vec<Vec<u8>> {
    let archive = Directory::open_read_only(root).unwrap();
    let mut payloads = Vec::new();
    for name in archive.list("").unwrap() {
        let Ok(Name::Seal(seal)) = name else { continue };
        let key = key(root, &seal.ledger);
        let file = archive.open(&Name::Seal(seal)).unwrap();
        let mut reader = SegmentReader::open(file).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            let verified = batch::verify(frame.content, &key).unwrap();
            payloads.extend(verified.records().iter().filter_map(|record| match record.content {
                Content::Present { payload, .. } => Some(payload.to_vec()),
                Content::Withheld { .. } | Content::Encrypted => None,
            }));
        }
    }
    payloads
}

pub(crate) fn key(root: &Path, ledger: &LedgerId) -> EpochKey {
    let epoch = root.join(format!("epochs/{}/{}", ledger.instance, ledger.epoch));
    let binding = EpochBinding::from_cbor(&std::fs::read(epoch.join("binding.cbor")).unwrap());
    let key = PublicKey::from_spki(&binding.unwrap().p256_spki).unwrap();
    EpochKey { instance: ledger.instance.clone(), epoch: ledger.epoch, key }
}

/// How often each execution id stands in the archive.
pub(crate) fn archived_ids(root: &Path) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (id, _) in archived_records(root) {
        *found.entry(id).or_insert(0) += 1;
    }
    found
}

/// The execution id of each archived log record, and the bytes of its payload.
fn archived_records(root: &Path) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for payload in payloads(root) {
        let Some((_, message)) = batch::split_context(&payload) else { continue };
        let Ok(record) = LogRecord::parse(message) else { continue };
        for attribute in record.attributes().flatten() {
            if let ("executionId", AnyValue::String(id)) = (attribute.key, attribute.value) {
                found.push((id.to_owned(), payload.len()));
            }
        }
    }
    found
}

#[track_caller]
fn check_exactly_once(site: &Site, acknowledged: &[String]) {
    let archived = archived_ids(&site.path("archive"));
    let wrong: Vec<_> =
        acknowledged.iter().filter(|id| archived.get(*id) != Some(&1)).take(5).collect();
    assert_eq!(wrong, Vec::<&String>::new(), "of {} acknowledged ids", acknowledged.len());
}

fn kills() -> u32 {
    // The campaign is a person's choice, like the names of tests given to the runner.
    std::env::var("LUCARNE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// The random pauses of a campaign, of a printed seed.
#[expect(clippy::print_stdout, reason = "whoever sees it fail wants to play it again")]
fn random() -> Random {
    let given = std::env::var("LUCARNE_SEED").ok().map(|text| text.parse().unwrap());
    let seed = given.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        aws_lc_rs::rand::fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    });
    println!("LUCARNE_SEED={seed}");
    Random::new(seed)
}

/// Lets a random while pass: 50 to 550 ms.
fn a_random_while(random: &mut Random) {
    pause(Duration::from_millis(50 + random.below(500)));
}

fn pause(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::thread::park_timeout(until - Instant::now());
    }
}

/// Every killed epoch has an unclean end, and nothing looks like tampering.
#[track_caller]
fn check_unclean_and_untampered(site: &Site) {
    let (exit, said) = audit_site(site);
    assert_eq!(exit, 2, "{said}");
    let unclean = said.lines().filter(|line| line.contains("UNCLEAN_END")).count();
    assert!(unclean >= kills() as usize, "{said}");
    for tampering in ["MODIFIED", "MISSING", "FORKED", "TRUNCATED", "DUPLICATE", "INSERTED"] {
        assert!(!said.contains(tampering), "{said}");
    }
}

#[test]
fn gateway_and_proxy_killed_at_random_moments_lose_nothing_and_store_nothing_twice() {
    let mut site = Site::start(&Changes::default());
    let mut sender = sender(&site, 4 + 2 * u64::from(kills()));
    await_acknowledgement(&site);
    let mut random = random();
    for _ in 0..kills() {
        a_random_while(&mut random);
        site.gateway.take().unwrap().stop("-KILL");
        site.start_gateway();
        a_random_while(&mut random);
        site.proxy.take().unwrap().stop("-KILL");
        site.start_proxy();
    }
    assert_eq!(sender.end(), Some(0), "every batch was acknowledged in the end");
    assert_eq!(site.stop(), [Some(0); 3]);
    let acknowledged = site.acknowledged();
    assert!(acknowledged.len() > 100, "{} acknowledged", acknowledged.len());
    check_exactly_once(&site, &acknowledged);
    let (exit, said) = audit_site(&site);
    assert_eq!(exit, 5, "{said}");
}

#[test]
fn a_killed_enclave_loses_nothing_archived_and_its_epoch_ends_unclean_and_untampered() {
    let mut site = Site::prepare(&Changes::default());
    site.start_gateway();
    site.start_proxy();
    let (mut all, mut random) = (Vec::new(), random());
    for _ in 0..kills() {
        site.start_enclave();
        let sender = sender(&site, 30);
        await_acknowledgement(&site);
        a_random_while(&mut random);
        site.enclave.take().unwrap().stop("-KILL");
        drop(sender);
        all.extend(site.acknowledged());
    }
    assert_eq!(site.stop(), [None, Some(0), Some(0)]);
    check_exactly_once(&site, &all);
    check_unclean_and_untampered(&site);
}

/// What only `accepted` was promised to may be lost with the enclave, but not more of it than its
/// queue holds: the host cannot make the enclave collect losses by not taking anything.
#[test]
#[expect(clippy::print_stdout, reason = "what was lost is a result")]
fn what_a_killed_enclave_had_only_accepted_is_bounded_by_its_queue_and_counted() {
    let mut site = Site::prepare(&Changes {
        enclave: "limits: { queue_bytes: 2097152 }\ninside: { bytes: 1048576 }\n",
        ..Changes::default()
    });
    let (mut attempts, mut random) = (Vec::new(), random());
    for _ in 0..kills() {
        std::fs::remove_file(site.path("ids")).ok();
        site.start_gateway();
        site.start_proxy();
        site.start_enclave();
        // So slow that the queue is nowhere near full when the gateway stops taking.
        let pace = ["--rate", "4000", "--batch", "20"];
        let load = site.send(&[&pace[..], &["--duration", "60", "--patience", "60"]].concat());
        await_acknowledgement(&site);
        a_random_while(&mut random);
        site.gateway.as_ref().unwrap().signal("-STOP");
        until("the queue is full", PATIENCE, || {
            let before = site.acknowledged().len();
            // Longer than a refused sender is told to wait.
            pause(Duration::from_millis(1500));
            (site.acknowledged().len() == before).then_some(())
        });
        site.enclave.take().unwrap().stop("-KILL");
        drop(load);
        // With them goes what their sockets hold, which can be a whole queue.
        site.gateway.take().unwrap().stop("-KILL");
        site.proxy.take().unwrap().stop("-KILL");
        attempts.push(site.acknowledged());
    }
    site.start_gateway();
    assert_eq!(site.stop(), [None, None, Some(0)]);
    let records = archived_records(&site.path("archive"));
    let smallest = records.iter().map(|(_, bytes)| *bytes).min().unwrap();
    let archived = archived_ids(&site.path("archive"));
    let mut all_lost = 0;
    for accepted in attempts {
        let lost = accepted.iter().filter(|id| !archived.contains_key(*id)).count();
        println!("{} accepted, {lost} lost, {smallest} bytes or more each", accepted.len());
        assert!(lost * smallest <= QUEUE_BYTES, "{lost} of {smallest} bytes or more");
        assert!(accepted.iter().all(|id| archived.get(id).is_none_or(|count| *count == 1)));
        all_lost += lost;
    }
    assert!(all_lost > 0, "enclaves that lose nothing here were not killed with a full queue");
    check_unclean_and_untampered(&site);
}

const QUEUE_BYTES: usize = 2 << 20;

/// What whoever tries the demo is promised, counted from the line `ready`.
const FIRST_RECORDS: Duration = Duration::from_secs(10);

/// `lucarne up --demo` until it has exported every kind of telemetry; then stopped as a person
/// would.
fn play_demo(dir: &Path) -> [String; 3] {
    let page = free_port();
    let addresses = [free_port(), free_port(), page, free_port()].map(|at| at.to_string());
    let [grpc, http_, page_, view] = &addresses;
    let mut command = Command::new(lucarne_program());
    command.args(["up", "--demo", "--otlp-grpc", grpc, "--otlp-http", http_, "--http", page_]);
    command.args(["--view", view, "--desk", "127.0.0.1:0"]).arg("--data").arg(dir);
    let mut up = Process::start(&mut command, &dir.join("up.log")).ready();
    let read =
        |name: &str| std::fs::read_to_string(dir.join("export").join(name)).unwrap_or_default();
    let records = || {
        let (_, metrics) = http(page, "GET /metrics HTTP/1.1\r\n", "")?;
        let line = metrics.lines().find_map(|it| it.strip_prefix("lucarne_gateway_records_total "));
        line?.parse::<f64>().ok()
    };
    let before = records().unwrap();
    until("clean records in the export, and metrics that move", FIRST_RECORDS, || {
        let is_clean = |line: &str| {
            let signs =
                ["\"job\":\"tee-processengine\"", "\"signature_valid\":true", "executionId"];
            signs.iter().all(|sign| line.contains(sign))
        };
        (read("logs.jsonl").lines().any(is_clean) && records() > Some(before)).then_some(())
    });
    let expected = [
        ("logs.jsonl", "\"errorCode\":\"E_CALCULATION_OVERFLOW\""),
        ("metrics.jsonl", "\"bizfirst_workflow_executions_total\""),
        ("traces.jsonl", "\"POST /workflow\""),
    ];
    for (file, sign) in expected {
        until(sign, PATIENCE, || read(file).contains(sign).then_some(()));
    }
    let get = |path: &str| http(page, &format!("GET {path} HTTP/1.1\r\n"), "").unwrap();
    assert_eq!(get("/health"), (200, "{\"processengine\":\"healthy\"}".to_owned()));
    assert!(get("/metrics").1.contains("lucarne_gateway_records_total"));
    ask_inside(dir);
    assert_eq!(up.stop("-INT"), Some(0));
    expected.map(|(file, _)| read(file))
}

/// The lines of a runbook, typed as they are printed there: inside is what must not leave.
fn ask_inside(dir: &Path) {
    let ask = |args: &[&str]| {
        let output = Command::new(dir.join("bin/bizfirstgo-tee-query")).args(args).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(5), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let logs = ask(&["logs", "--filter", "executionId=\"exec-abc-123\""]);
    let rows: Vec<serde_json::Value> =
        logs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().all(|row| row["metadata"]["executionId"] == "exec-abc-123"), "{logs}");
    let trace_id = rows[0]["metadata"]["trace_id"].as_str().unwrap();
    let trace = ask(&["trace", "--trace-id", trace_id, "--show-spans"]);
    assert!(trace.starts_with(&format!("trace {trace_id}: ")), "{trace}");
    until("what must not leave is inside", PATIENCE, || {
        let all = ask(&["logql", "{job=~\".+\"}", "--limit", "5000"]);
        FORBIDDEN.iter().any(|value| all.contains(value)).then_some(())
    });
    let evidence: serde_json::Value =
        serde_json::from_str(&ask(&["attestation", "--latest", "--output", "json"])).unwrap();
    assert_eq!(evidence["pcrs"]["0"].as_str().unwrap().len(), "sha384:".len() + 96);
}

#[test]
fn the_demo_comes_out_clean_and_its_archive_verifies_until_it_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let [logs, metrics, _] = play_demo(dir.path());
    assert!(logs.contains("\"tenantHash\":\"t_8f3a2b1c\"") && logs.contains("exec-abc-123"));
    assert!(logs.contains("\"level\":\"Error\"") && metrics.contains("\"tenant_hash\""));
    check_nothing_forbidden(dir.path());
    let (archive, policy) = (dir.path().join("archive"), dir.path().join("audit-policy.yaml"));
    let (exit, said) = audit(&archive, &policy);
    assert_eq!(exit, 5, "{said}");
    let seals = seals(&archive);
    let middle = &seals[(seals.len() - 1) / 2];
    let whole = std::fs::read(middle).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    std::fs::write(middle, &flipped).unwrap();
    let (exit, said) = audit(&archive, &policy);
    assert_eq!((exit, said.contains("MODIFIED")), (1, true), "{said}");
    std::fs::remove_file(middle).unwrap();
    let (exit, said) = audit(&archive, &policy);
    assert_eq!((exit, said.contains("MISSING")), (1, true), "{said}");
    std::fs::write(middle, &whole).unwrap();
    std::fs::remove_file(seals.last().unwrap()).unwrap();
    let (exit, said) = audit(&archive, &policy);
    assert!(exit == 1 || exit == 2, "{exit}: {said}");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(audit(empty.path(), &policy).0, 2);
}

/// The `.seal` files of the telemetry ledger, in their order.
fn seals(archive: &Path) -> Vec<PathBuf> {
    let listed = Directory::open_read_only(archive).unwrap().list("").unwrap();
    let names = listed.filter_map(|name| match name {
        Ok(Name::Seal(seal)) if seal.ledger.kind.as_str() == "telemetry" => {
            Some(archive.join(Name::Seal(seal).to_string()))
        }
        _ => None,
    });
    names.collect()
}

/// What must not leave is in no payload and in no file outside `tee/`.
#[track_caller]
fn check_nothing_forbidden(dir: &Path) {
    let mut texts: Vec<(String, Vec<u8>)> =
        payloads(&dir.join("archive")).into_iter().map(|it| ("a payload".to_owned(), it)).collect();
    for folder in ["export", "logs"] {
        for file in std::fs::read_dir(dir.join(folder)).unwrap() {
            let path = file.unwrap().path();
            texts.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    for (place, bytes) in &texts {
        let text = String::from_utf8_lossy(bytes);
        for value in FORBIDDEN {
            assert!(!text.contains(value), "{value:?} is in {place}");
        }
    }
}
