//! The leak campaign: secrets are planted into generated load, everything runs as processes, and
//! afterwards none of the secrets is in any byte outside of the enclave, in any form.
//!
//! Looked at are both directions of the uplink, the archive, what every exporter wrote or pushed,
//! the gateway's log and cursors, its pages, and what every process said. Controls that do cross,
//! and words that stand in every log, are found by the same search in the same pass: it looks
//! where it says it looks.
//!
//! `LUCARNE_LEAK_RECORDS=10000000 LUCARNE_LEAK_PLANTED=1000 LUCARNE_LEAK_ROUNDS=250` gives the
//! acceptance test: 250 rounds are some 10,000 secrets in more than thirty shapes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lucarne_archive::segment::SegmentReader;
use lucarne_cli::otlp_client::{Client, Options, Outcome, Protocol};
use lucarne_cli::telemetry::Value;
use lucarne_ledger::batch::{EpochKey, split_first};
use lucarne_otlp::Signal;

use super::collectors::{LOKI_JSON, LOKI_PROTOBUF, OTLP_GRPC, OTLP_HTTP, REMOTE_WRITE};
use super::crossing::{Fact, JSONL, TIME, attribute, request, tapped};
use super::needles::{Hit, Search};
use super::process::{Process, until};
use super::secrets::{in_corners, secrets};
use super::shapes::{SHAPES, Shaped, shaped};
use super::site::{Changes, Site, append, lucarne_program};
use super::tap::{Said, frames, json_payload, payloads};

const SEED: u64 = 4711;
const UPLINK: &str = "uplink, both directions";
const UPLINK_PAYLOADS: &str = "uplink, payloads";
const ARCHIVE: &str = "archive, files";
const ARCHIVE_PAYLOADS: &str = "archive, payloads";
const STATE: &str = "gateway's state";
const LOGS: &str = "logs of processes";
const PAGES: &str = "gateway's pages";

// Controls: what does cross, and words of those places where nothing of a workload may stand.
const EXECUTION: &str = "exec-c0ntr01-qzkx7v";
const TENANT: &str = "t_c0ffee0ddba11";
const MEASURED: f64 = 987_654.321_987;
const WORDS: [&str; 6] = [
    "the evidence proves nothing about hardware",
    "receiver accepted tee-processengine",
    "\"message\":\"listening\"",
    "planted_wanted",
    "logs.jsonl",
    "lucarne_gateway_records_total",
];

/// Indices into the controls, in the order of [`controls`].
const LOG: [usize; 2] = [0, 1];
const ALL: [usize; 3] = [0, 1, 2];
/// What must be found where.
const EXPECTED: [(&str, &[usize]); 13] = [
    (UPLINK, &ALL),
    (UPLINK_PAYLOADS, &ALL),
    (ARCHIVE, &[]), // compressed
    (ARCHIVE_PAYLOADS, &ALL),
    (STATE, &[0, 1, 2, 7]),
    (JSONL, &ALL),
    (LOKI_PROTOBUF, &LOG),
    (LOKI_JSON, &LOG),
    (OTLP_GRPC, &ALL),
    (OTLP_HTTP, &ALL),
    (REMOTE_WRITE, &[1, 2]),
    (LOGS, &[3, 4, 5, 6]),
    (PAGES, &[8]),
];

fn controls() -> Vec<Value> {
    let mut controls = vec![EXECUTION.into(), TENANT.into(), Value::Double(MEASURED)];
    controls.extend(WORDS.map(Value::from));
    controls
}

/// What was found in one place.
#[derive(Debug, Default)]
struct Found {
    bytes: u64,
    controls: BTreeSet<usize>,
    leaked: BTreeSet<Hit>,
}

/// The search, and what it has found so far.
struct Watch {
    search: Search,
    controls: usize,
    found: Mutex<BTreeMap<&'static str, Found>>,
}

impl Watch {
    fn new(secrets: &[Value]) -> Self {
        let controls = controls();
        let search = Search::new(&[&controls, secrets].concat());
        Self { search, controls: controls.len(), found: Mutex::default() }
    }

    fn look(&self, place: &'static str, bytes: &[u8]) {
        let hits: BTreeSet<Hit> = self.search.hits(bytes).collect();
        let mut found = self.found.lock().unwrap();
        let found = found.entry(place).or_default();
        found.bytes += bytes.len() as u64;
        for (index, form) in hits {
            if index < self.controls {
                found.controls.insert(index);
            } else {
                found.leaked.insert((index - self.controls, form));
            }
        }
    }

    fn has(&self, place: &str, controls: &[usize]) -> bool {
        let found = self.found.lock().unwrap();
        found.get(place).is_some_and(|it| controls.iter().all(|one| it.controls.contains(one)))
    }
}

/// Keeps every file of the write-ahead log under a second name: the gateway removes what is
/// archived.
struct Keeper {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Keeper {
    fn start(log: PathBuf, kept: &Path) -> Self {
        std::fs::create_dir(kept).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let (told, kept) = (Arc::clone(&over), kept.to_owned());
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir(&log).into_iter().flatten().flatten() {
                    let Ok(meta) = entry.metadata() else { continue };
                    // It may be kept already, or be gone between the two calls.
                    std::fs::hard_link(entry.path(), kept.join(meta.ino().to_string())).ok();
                }
                std::thread::park_timeout(Duration::from_millis(10));
            }
        });
        Self { over, thread }
    }

    fn finish(self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn size(name: &str, usual: usize) -> usize {
    // The campaign is a person's choice, like the names of tests given to the runner.
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// `lucarne send` over one transport; all of it has to be acknowledged.
fn send(site: &Site, watch: &Watch, protocol: &str, count: usize, lines: &[String]) {
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), lines.concat()).unwrap();
    let to = if protocol == "grpc" { site.addresses.grpc } else { site.addresses.http };
    let mut command = Command::new(lucarne_program());
    command.args(["send", "--endpoint", &to.to_string(), "--protocol", protocol]);
    command.args(["--signal", "mixed", "--count", &count.to_string(), "--output", "json"]);
    command.arg("--secrets").arg(list.path());
    let mut send = Process::start(&mut command, &site.path("logs/send.log"));
    // A million records take longer than the patience of other tests.
    let report = send.rest().concat();
    assert_eq!(send.end(), Some(0), "{report} {}", send.said());
    let read: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(read["planted"].as_u64(), Some(lines.len() as u64), "{report}");
    watch.look(LOGS, report.as_bytes());
}

/// Requests that the enclave must accept whole.
pub(crate) fn export(site: &Site, requests: &[(Signal, Vec<u8>)]) {
    let endpoint = site.addresses.grpc.to_string().parse().unwrap();
    let (protocol, timeout) = (Protocol::Grpc, Duration::from_secs(10));
    let mut client = Client::new(Options { endpoint, protocol, durability: None, timeout });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (signal, request) in requests {
        let outcome = runtime.block_on(client.export(*signal, request));
        assert!(matches!(outcome, Outcome::Accepted { rejected: 0 }), "{outcome:?}");
    }
}

fn control_requests() -> [(Signal, Vec<u8>); 2] {
    let log = request(|scope| {
        scope.message(2, |record| {
            attribute(record, 6, &Fact::text("executionId", EXECUTION));
            attribute(record, 6, &Fact::text("tenantHash", TENANT));
        });
    });
    let metric = request(|scope| {
        scope.message(2, |metric| {
            metric.bytes(1, b"bizfirst_workflow_error_rate");
            metric.message(5, |gauge| {
                gauge.message(1, |point| {
                    attribute(point, 7, &Fact::text("tenant_hash", TENANT));
                    point.fixed64(3, TIME);
                    point.double(4, MEASURED);
                });
            });
        });
    });
    [(Signal::Logs, log), (Signal::Metrics, metric)]
}

/// Waits until every exporter has delivered the controls, which come last.
fn await_exporters(site: &Site, watch: &Watch, within: Duration) {
    for (place, expected) in EXPECTED {
        if [LOKI_PROTOBUF, LOKI_JSON, OTLP_GRPC, OTLP_HTTP, REMOTE_WRITE].contains(&place) {
            until(place, within, || watch.has(place, expected).then_some(()));
        }
    }
    for (file, control) in [("logs", 0), ("metrics", 2)] {
        let path = site.path(&format!("export/{file}.jsonl"));
        let written = || watch.search.hits(&tail(&path)).any(|(index, _)| index == control);
        until(file, within, || written().then_some(()));
    }
}

fn tail(path: &Path) -> Vec<u8> {
    let mut end = Vec::new();
    let Ok(mut file) = std::fs::File::open(path) else { return end };
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(length.saturating_sub(1 << 20))).unwrap();
    file.read_to_end(&mut end).unwrap();
    end
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let (mut files, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files
}

fn look_at_files(site: &Site, watch: &Watch) {
    for (place, dir) in
        [(JSONL, "export"), (STATE, "state"), (STATE, "kept"), (LOGS, "logs"), (ARCHIVE, "archive")]
    {
        for path in files_below(&site.path(dir)) {
            watch.look(place, &std::fs::read(path).unwrap());
        }
    }
}

/// The bytes of every connection, and what they carry; gives the key of the epoch.
fn look_at_uplink(files: &[PathBuf], watch: &Watch) -> EpochKey {
    let mut key = None;
    for file in files {
        let stream = std::fs::read(file).unwrap();
        assert!(!frames(&stream).is_empty(), "{}", file.display());
        watch.look(UPLINK, &stream);
        if file.extension().is_some_and(|way| way == "up") {
            let said = Said::read(&stream);
            said.payloads().iter().for_each(|payload| watch.look(UPLINK_PAYLOADS, payload));
            key = (!said.batches.is_empty()).then(|| said.key()).or(key);
        }
    }
    key.unwrap()
}

/// The frames of every `.seal` file as they were sealed, and every payload of every batch.
fn look_into_archive(site: &Site, watch: &Watch, key: &EpochKey) {
    for path in files_below(&site.path("archive")) {
        if path.extension().is_some_and(|extension| extension == "json") {
            watch.look(ARCHIVE_PAYLOADS, &json_payload(&std::fs::read(&path).unwrap(), key));
        }
        if path.extension().is_none_or(|extension| extension != "seal") {
            continue;
        }
        let file = std::fs::File::open(path).unwrap();
        let mut reader = SegmentReader::open(file).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            let mut rest = frame.content;
            while !rest.is_empty() {
                let (batch, after) = split_first(rest);
                payloads(batch, key).iter().for_each(|it| watch.look(ARCHIVE_PAYLOADS, it));
                rest = after;
            }
            watch.look(ARCHIVE_PAYLOADS, frame.content);
        }
    }
}

#[test]
fn what_is_planted_leaves_in_no_form() {
    let (records, planted) =
        (size("LUCARNE_LEAK_RECORDS", 20_000), size("LUCARNE_LEAK_PLANTED", 200));
    campaign(records, planted, &Changes::default());
}

#[test]
fn what_is_planted_leaves_in_no_signed_json_either() {
    let enclave = "json_batches: { every_records: 500, every_ms: 200 }\n";
    let site = campaign(4_000, 100, &Changes { enclave, ..Changes::default() });
    let batches = files_below(&site.path("archive/json"));
    assert!(batches.len() >= 4, "{} batches", batches.len());
}

/// What one campaign sends, and how far it may get.
pub(crate) struct Campaign {
    /// Records of generated load.
    pub(crate) records: usize,
    /// Lines for `lucarne send --secrets`.
    pub(crate) lines: Vec<String>,
    /// What is planted, in those lines and in these requests.
    pub(crate) values: Vec<Value>,
    /// Requests beside the load.
    pub(crate) requests: Vec<(Signal, Vec<u8>)>,
    /// Another contract than the default one.
    pub(crate) contract: Option<String>,
    /// Which of the two layers is to stop the values.
    pub(crate) stopped_by: StoppedBy,
}

/// Where a planted value comes to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StoppedBy {
    /// Inside: it is not on the uplink.
    Contract,
    /// At the gateway: every one of them is on the uplink, and in nothing behind it.
    OuterLayer,
}

impl Campaign {
    /// Everything that is planted anywhere, in all shapes.
    pub(crate) fn everything(records: usize, planted: usize) -> Self {
        let made = secrets(planted, SEED);
        let (corners, corner_requests) = in_corners(SEED);
        let Shaped { values, requests, .. } = shaped(size("LUCARNE_LEAK_ROUNDS", 10), SEED);
        let made_values = made.iter().map(|it| it.value.clone());
        Self {
            records,
            lines: made.iter().map(|it| format!("{}\n", it.line)).collect(),
            values: made_values.chain(corners).chain(values).collect(),
            requests: corner_requests.into_iter().chain(requests).collect(),
            contract: None,
            stopped_by: StoppedBy::Contract,
        }
    }
}

fn campaign(records: usize, planted: usize, changes: &Changes) -> Site {
    run(&Campaign::everything(records, planted), changes)
}

/// Starts a site, sends, ends it, and looks everywhere.
#[expect(clippy::print_stdout, reason = "how much was searched is a result")]
pub(crate) fn run(campaign: &Campaign, changes: &Changes) -> Site {
    let all = &campaign.values;
    let watch = Arc::new(Watch::new(all));
    let taking = Arc::clone(&watch);
    let take = Arc::new(move |exporter, raw: &[u8], decoded: &[u8]| {
        taking.look(exporter, raw);
        taking.look(exporter, decoded);
    });
    let (mut site, tap, _collectors) = tapped(changes, take);
    if let Some(contract) = &campaign.contract {
        std::fs::write(site.path("tee/contract.yaml"), contract).unwrap();
        append(&site.path("tee/enclave.yaml"), "contract: contract.yaml\n");
    }
    site.start_gateway();
    let keeper = Keeper::start(site.path("state/wal"), &site.path("kept"));
    site.start_proxy();
    site.start_enclave();

    let started = Instant::now();
    let (records, lines) = (campaign.records, &campaign.lines);
    for (third, protocol) in ["grpc", "http/protobuf", "http/json"].iter().enumerate() {
        let part = |of: usize| of * third / 3..of * (third + 1) / 3;
        send(&site, &watch, protocol, part(records).len(), &lines[part(lines.len())]);
    }
    let sent = started.elapsed();
    export(&site, &campaign.requests);
    export(&site, &control_requests());
    await_exporters(&site, &watch, Duration::from_secs(60 + records as u64 / 2_000));
    for page in ["/metrics", "/health", "/ready"] {
        let shown = site.get(page).unwrap().1;
        watch.look(PAGES, shown.as_bytes());
        // The contract lets ids pass that have sixteen digits by chance: there may be hits anyway.
        if page == "/metrics" && campaign.stopped_by == StoppedBy::OuterLayer {
            assert!(shown.contains("lucarne_gateway_outer_layer_hits_total{"), "{shown}");
        }
    }
    for part in [&mut site.enclave, &mut site.proxy, &mut site.gateway] {
        let mut part = part.take().unwrap();
        assert_eq!(part.stop("-TERM"), Some(0));
        watch.look(LOGS, part.rest().join("\n").as_bytes());
    }
    keeper.finish();

    look_at_files(&site, &watch);
    let key = look_at_uplink(&tap.finish(), &watch);
    look_into_archive(&site, &watch, &key);
    println!("{records} records, {} secrets: {sent:.1?} to send", all.len());
    println!("stopped by {:?}, {SHAPES} shapes beside the load", campaign.stopped_by);
    check(&watch, all, campaign.stopped_by);
    println!("{:.1?} in all", started.elapsed());
    site
}

#[expect(clippy::print_stdout, reason = "how much was searched is a result")]
fn check(watch: &Watch, secrets: &[Value], stopped_by: StoppedBy) {
    let found = watch.found.lock().unwrap();
    assert!(found.keys().all(|place| EXPECTED.iter().any(|(known, _)| known == place)));
    for (place, expected) in EXPECTED {
        let Found { bytes, controls, leaked } = &found[place];
        let leaks: Vec<_> = leaked.iter().map(|(index, form)| (&secrets[*index], form)).collect();
        println!("{place}: {bytes} bytes, controls {controls:?}, {} leaks", leaks.len());
        if stopped_by == StoppedBy::OuterLayer && [UPLINK, UPLINK_PAYLOADS].contains(&place) {
            let there: BTreeSet<usize> = leaked.iter().map(|(index, _)| *index).collect();
            let held: Vec<_> = (0..secrets.len()).filter(|it| !there.contains(it)).collect();
            assert!(held.is_empty(), "{place} lacks {:?}", held.iter().map(|it| &secrets[*it]));
        } else {
            assert!(leaks.is_empty(), "{place}: {leaks:?}");
        }
        let missing: Vec<_> = expected.iter().filter(|one| !controls.contains(one)).collect();
        assert!(missing.is_empty(), "{place} lacks the controls {missing:?}");
    }
}
