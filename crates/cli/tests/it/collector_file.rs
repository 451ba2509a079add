//! The printed collector file starts a gateway unchanged, and what its page says crosses does.
//!
//! Names of the file are found on this machine by `--resolve`. What is sent here comes from the
//! host and is sealed by nobody; what enclaves send goes through the same pipelines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lucarne_cli::otlp_client::{Client, Options, Outcome, Protocol};
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::collectors::{Collectors, LOKI_PROTOBUF, OTLP_GRPC, REMOTE_WRITE};
use super::crossing::{Fact, TIME, attribute, contains, counter, field, request};
use super::process::{PATIENCE, Process, run, until};
use super::site::{free_port, http, lucarne_program};

pub(crate) const SEED: &str = include_str!("../../../gateway/testdata/collector/seed-001.yaml");

/// What each receiver got, decompressed.
type Taken = Arc<Mutex<BTreeMap<&'static str, Vec<u8>>>>;

/// A gateway on the printed file.
struct Gateway {
    otlp: SocketAddr,
    pages: SocketAddr,
    taken: Taken,
    process: Process,
    _collectors: Collectors,
    _dir: TempDir,
}

impl Gateway {
    fn start(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("otelcol.yaml");
        std::fs::write(&file, text).unwrap();
        let taken = Taken::default();
        let shared = Arc::clone(&taken);
        let collectors = Collectors::start(Arc::new(move |exporter, _, body| {
            shared.lock().unwrap().entry(exporter).or_default().extend_from_slice(body);
        }));
        let (otlp, pages) = (free_port(), free_port());
        let mut command = Command::new(lucarne_program());
        command.args(["gateway", "--config"]).arg(&file).arg("--data").arg(dir.path().join("d"));
        let there = collectors.address();
        for (name, address) in [
            ("loki:3100", there),
            ("prometheus:9090", there),
            ("tempo:4317", there),
            ("dead:4317", free_port()),
            ("0.0.0.0:4317", otlp),
            ("127.0.0.1:8080", pages),
        ] {
            command.arg("--resolve").arg(format!("{name}={address}"));
        }
        let process = Process::start(&mut command, &dir.path().join("log")).ready();
        Self { otlp, pages, taken, process, _collectors: collectors, _dir: dir }
    }

    #[track_caller]
    fn send(&self, signal: Signal, request: &[u8]) {
        let outcome = self.told(signal, request, None);
        assert!(matches!(outcome, Outcome::Accepted { rejected: 0 }), "{outcome:?}");
    }

    /// What the client is told of a request.
    fn told(&self, signal: Signal, request: &[u8], durability: Option<&'static str>) -> Outcome {
        let (endpoint, protocol) = (self.otlp.to_string().parse().unwrap(), Protocol::Grpc);
        let options = Options { endpoint, protocol, durability, timeout: Duration::from_secs(10) };
        Runtime::new().unwrap().block_on(Client::new(options).export(signal, request))
    }

    /// How often these bytes are in what an exporter got.
    fn count(&self, exporter: &str, bytes: &[u8]) -> usize {
        let taken = self.taken.lock().unwrap();
        taken[exporter].windows(bytes.len()).filter(|window| *window == bytes).count()
    }

    #[track_caller]
    fn await_taken(&self, exporter: &'static str, bytes: &[u8]) {
        until(&format!("{exporter} has {}", String::from_utf8_lossy(bytes)), PATIENCE, || {
            self.has(exporter, bytes).then_some(())
        });
    }

    fn has(&self, exporter: &str, bytes: &[u8]) -> bool {
        self.taken.lock().unwrap().get(exporter).is_some_and(|taken| contains(taken, bytes))
    }

    fn anywhere(&self, bytes: &[u8]) -> bool {
        [LOKI_PROTOBUF, REMOTE_WRITE, OTLP_GRPC].iter().any(|exporter| self.has(exporter, bytes))
    }
}

fn log(body: &str, facts: &[Fact]) -> Vec<u8> {
    request(|scope| {
        scope.message(2, |log| {
            log.fixed64(1, TIME);
            log.message(5, |any| any.bytes(1, body.as_bytes()));
            facts.iter().for_each(|fact| log.message(6, |pair| pair.encoded(&fact.otlp)));
        });
    })
}

fn metric(name: &str, fact: &Fact) -> Vec<u8> {
    request(|scope: &mut Writer<'_>| {
        if name.is_empty() {
            return counter(scope, |point| attribute(point, 7, fact));
        }
        scope.message(2, |metric| {
            metric.bytes(1, name.as_bytes());
            metric.message(5, |gauge| {
                gauge.message(1, |point| {
                    point.fixed64(3, TIME);
                    point.double(4, 1.0);
                    attribute(point, 7, fact);
                });
            });
        });
    })
}

#[test]
fn the_printed_file_starts_a_gateway_and_its_table_holds() {
    let mut gateway = Gateway::start(SEED);
    let text = Fact::text;
    // Row 1: what is listed passes, what is not goes.
    let listed = [text("executionId", "exec-row-1"), text("workflowType", "credit")];
    let more = [&listed[..], &[text("stranger", "unlisted-value")]].concat();
    gateway.send(Signal::Logs, &log("workflow completed", &more));
    // Row 2: a computed figure in a message.
    let result = [text("executionId", "exec-row-2")];
    gateway.send(Signal::Logs, &log("Calculation result: 1500000", &result));
    // Rows 3 and 4: a hashed label passes, an amount does not.
    gateway.send(Signal::Metrics, &metric("", &text("tenant_hash", "t_0a1b2c3d")));
    gateway.send(Signal::Metrics, &metric("amounts_seen", &text("amount_range", "50k-100k")));
    // Rows 5 and 6: ids cross, attributes do not.
    let span = request(|scope| {
        scope.message(2, |span| {
            span.bytes(1, &[0xa1; 16]);
            span.bytes(2, &[0xb2; 8]);
            span.bytes(5, b"POST /workflow");
            span.fixed64(7, TIME);
            span.fixed64(8, TIME + 1_000_000);
            span.message(9, |pair| pair.encoded(&text("form.income", "95000").otlp));
            span.message(9, |pair| pair.encoded(&text("nodeKind", "attribute-of-a-span").otlp));
        });
    });
    gateway.send(Signal::Traces, &span);
    // Row 8: the code stays, the data does not.
    let exception = [
        text("errorCode", "E_ROW_EIGHT"),
        text("exception.message", "cannot divide 1500000 by zero"),
        text("exception.stacktrace", "at Scoring.divide"),
    ];
    gateway.send(Signal::Logs, &log("node failed", &exception));
    // Row 9, of the patterns: a token, a card as a number, an SSN.
    let card = Fact::int("durationMs", 4_111_111_111_111_111);
    gateway.send(Signal::Logs, &log("bearer abcdefghijklmnopqrstuvwxyz", &[card]));
    gateway.send(Signal::Logs, &log("078-05-1120", &[text("executionId", "exec-row-9")]));

    let metrics = http(gateway.pages, "GET /metrics HTTP/1.1\r\nhost: x\r\n", "").unwrap().1;
    assert!(metrics.contains("lucarne_gateway_outer_layer_hits_total{rule=\"key:form.*\"} 1"));
    assert!(metrics.contains("lucarne_gateway_outer_layer_hits_total{rule=\"key:amount.*\"} 1"));

    for fact in &listed {
        gateway.await_taken(LOKI_PROTOBUF, fact.json.as_bytes());
    }
    for crossed in ["workflow completed", "exec-row-2", "E_ROW_EIGHT", "exec-row-9"] {
        gateway.await_taken(LOKI_PROTOBUF, crossed.as_bytes());
    }
    gateway.await_taken(LOKI_PROTOBUF, b"\"lucarne.sealed\":false");
    gateway.await_taken(REMOTE_WRITE, &text("tenant_hash", "t_0a1b2c3d").remote);
    gateway.await_taken(OTLP_GRPC, &field(|span| span.bytes(1, &[0xa1; 16])));
    assert_eq!(gateway.process.stop("-TERM"), Some(0));
    for stayed in [
        "unlisted-value",
        "1500000",
        "50k-100k",
        "95000",
        "attribute-of-a-span",
        "Scoring.divide",
        "abcdefghijklmnopqrstuvwxyz",
        "4111111111111111",
        "078-05-1120",
    ] {
        assert!(!gateway.anywhere(stayed.as_bytes()), "{stayed}");
    }
    let said = gateway.process.said();
    assert!(said.contains("\"key\":\"form.income\""), "{said}");
    assert!(said.contains("\"pattern\":\"redaction line 15\""), "{said}");
    assert!(!said.contains("95000"), "{said}");
}

/// A defect of others: of two exporters one takes a batch and the other does not, the client is
/// told that it failed, sends it again, and the first has it twice.
#[test]
fn a_batch_of_which_a_client_was_told_that_it_failed_is_delivered_nowhere() {
    let text = SEED
        .replacen("exporters: [loki]", "exporters: [loki, otlp/dead]", 1)
        .replacen("exporters:\n", "exporters:\n  otlp/dead:\n    endpoint: http://dead:4317\n", 1)
        .replacen("timeout: 10s", "timeout: 200ms", 1);
    assert_eq!(text.matches("dead").count(), 3, "{text}");
    let mut gateway = Gateway::start(&text);
    let id = |id: &str| log("node completed", &[Fact::text("executionId", id)]);
    // One of the two cannot be reached: that is ours to bear, and the client is told once.
    gateway.send(Signal::Logs, &id("exec-taken-once"));
    // The first record is good, and what follows is none.
    let mut cut = id("exec-of-cut-request");
    cut.extend_from_slice(&[0x0a, 0x7f]);
    let told = gateway.told(Signal::Logs, &cut, None);
    assert!(matches!(told, Outcome::Failed(_)), "{told:?}");
    // Nobody can seal what comes from the host.
    let told = gateway.told(Signal::Logs, &id("exec-asked-sealed"), Some("sealed"));
    assert!(matches!(told, Outcome::Failed(_)), "{told:?}");
    gateway.send(Signal::Logs, &id("exec-taken-last"));
    gateway.await_taken(LOKI_PROTOBUF, b"exec-taken-last");
    assert_eq!(gateway.process.stop("-TERM"), Some(0));
    for (failed, times) in
        [("exec-taken-once", 1), ("exec-of-cut-request", 0), ("exec-asked-sealed", 0)]
    {
        assert_eq!(gateway.count(LOKI_PROTOBUF, failed.as_bytes()), times, "{failed}");
    }
}

fn write(dir: &TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("otelcol.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

fn checked(path: &Path) -> (Option<i32>, String) {
    let args = ["gateway", "--config", path.to_str().unwrap(), "--check-config"];
    let output = run(lucarne_program(), &args);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn the_printed_file_is_accepted_and_a_misspelling_is_named() {
    let dir = TempDir::new().unwrap();
    let path = write(&dir, SEED);
    assert_eq!(checked(&path), (Some(0), "the configuration can be used\n".to_owned()));
    let path = write(&dir, &SEED.replace("blocked_keys:", "blocked_kyes:"));
    let expected = format!(
        "error: {}:14: processors.redaction.blocked_kyes: there is no such option; \
         the nearest supported is `blocked_keys`\n",
        path.display()
    );
    assert_eq!(checked(&path), (Some(3), expected));
    // Checking starts nothing and makes nothing.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
