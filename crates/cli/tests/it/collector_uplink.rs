//! The printed collector file between a real enclave and its exporters: what its page says crosses
//! does, and what it says is blocked is blocked by the file alone where the contract is wrong.
//!
//! The file is unchanged, so the uplink is a receiver of its own beside the file's `otlp`. Enclave
//! and proxy are those of `lucarne up`; the gateway is started on the bare file, in the same
//! directory, where it finds their socket and keys.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

use lucarne_cli::telemetry::Value;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;

use super::collector_file::SEED;
use super::collectors::{Collectors, LOKI_PROTOBUF, OTLP_GRPC, REMOTE_WRITE};
use super::crossing::{Fact, TIME, attribute, contains, contract, counter, field, request};
use super::leaks::export;
use super::needles::Search;
use super::process::{PATIENCE, Process, until};
use super::site::{Changes, Site, append, free_port, lucarne_program};

/// What each receiver got, as it came and decompressed.
type Taken = Arc<Mutex<BTreeMap<&'static str, Vec<u8>>>>;

/// An enclave whose gateway runs on the printed file.
struct Printed {
    site: Site,
    taken: Taken,
    sent: Vec<u8>,
    _collectors: Collectors,
}

impl Printed {
    fn start(contract: Option<&str>) -> Self {
        let mut site = Site::prepare(&Changes::default());
        if let Some(contract) = contract {
            std::fs::write(site.path("tee/contract.yaml"), contract).unwrap();
            append(&site.path("tee/enclave.yaml"), "contract: contract.yaml\n");
        }
        // The gateway would make one that trusts nobody; a bare file has no register.
        let policy = std::fs::read_to_string(site.path("audit-policy.yaml")).unwrap();
        let lines = policy.lines().filter(|line| !line.starts_with("register:"));
        let policy = lines.collect::<Vec<_>>().join("\n") + "\n";
        std::fs::write(site.path("policy.yaml"), policy).unwrap();
        let file = site.path("otelcol.yaml");
        std::fs::write(&file, SEED).unwrap();
        let taken = Taken::default();
        let shared = Arc::clone(&taken);
        let collectors = Collectors::start(Arc::new(move |exporter, raw, body| {
            let mut taken = shared.lock().unwrap();
            let all = taken.entry(exporter).or_default();
            all.extend_from_slice(raw);
            all.extend_from_slice(body);
        }));
        let mut command = Command::new(lucarne_program());
        command.args(["gateway", "--config"]).arg(&file).arg("--data").arg(site.path(""));
        let there = collectors.address();
        for (name, address) in [
            ("loki:3100", there),
            ("prometheus:9090", there),
            ("tempo:4317", there),
            ("0.0.0.0:4317", free_port()),
            ("127.0.0.1:8080", site.addresses.gateway),
        ] {
            command.arg("--resolve").arg(format!("{name}={address}"));
        }
        site.gateway = Some(Process::start(&mut command, &site.path("logs/gateway.log")).ready());
        site.start_proxy();
        site.start_enclave();
        Self { site, taken, sent: Vec::new(), _collectors: collectors }
    }

    #[track_caller]
    fn send(&mut self, signal: Signal, request: Vec<u8>) {
        self.sent.extend_from_slice(&request);
        export(&self.site, &[(signal, request)]);
    }

    /// Waits until an exporter has these bytes.
    #[track_caller]
    fn arrives(&self, exporter: &'static str, bytes: &[u8]) {
        until(&format!("{exporter} has {}", String::from_utf8_lossy(bytes)), PATIENCE, || {
            let taken = self.taken.lock().unwrap();
            taken.get(exporter).is_some_and(|taken| contains(taken, bytes)).then_some(())
        });
    }

    /// Ends the site, in which these values were sent and are at no exporter, in no form.
    #[track_caller]
    fn finish_without(mut self, values: &[Value]) -> String {
        assert_eq!(self.site.stop(), [Some(0); 3]);
        let search = Search::new(values);
        let sent: std::collections::BTreeSet<usize> =
            search.hits(&self.sent).map(|(index, _)| index).collect();
        assert_eq!(sent.len(), values.len(), "not all of {values:?} were sent");
        for (exporter, bytes) in &*self.taken.lock().unwrap() {
            let found: Vec<_> = search.hits(bytes).collect();
            assert_eq!(found, [], "at {exporter}, of {values:?}");
        }
        std::fs::read_to_string(self.site.path("logs/gateway.log")).unwrap()
    }
}

fn log(body: &str, facts: &[Fact]) -> Vec<u8> {
    request(|scope| {
        scope.message(2, |log| {
            log.fixed64(1, TIME);
            log.message(5, |any| any.bytes(1, body.as_bytes()));
            facts.iter().for_each(|fact| attribute(log, 6, fact));
        });
    })
}

fn metric(fact: &Fact) -> Vec<u8> {
    request(|scope: &mut Writer<'_>| counter(scope, |point| attribute(point, 7, fact)))
}

/// A span with an attribute and an event; the page lets its ids cross and nothing else.
fn span() -> Vec<u8> {
    request(|scope| {
        scope.message(2, |span| {
            span.bytes(1, &TRACE);
            span.bytes(2, &SPAN);
            span.bytes(5, b"node");
            span.fixed64(7, TIME);
            span.fixed64(8, TIME + 1_000_000);
            attribute(span, 9, &Fact::text("form.income", "income-of-95000"));
            attribute(span, 9, &Fact::text("nodeKind", "attribute-of-a-span"));
            span.message(11, |event| {
                event.fixed64(1, TIME);
                event.bytes(2, b"exception");
                attribute(event, 3, &Fact::text("exception.stacktrace", "at Scoring.divide(42)"));
            });
        });
    })
}

const TRACE: [u8; 16] = [0xa1; 16];
const SPAN: [u8; 8] = [0xb2; 8];

/// Sends a line of the page's table after the other, and waits for what crosses.
fn rows(printed: &mut Printed) {
    let text = Fact::text;
    let listed = [
        text("executionId", "exec-row-1"),
        text("workflowType", "credit"),
        text("nodeType", "calculation"),
        text("tenantHash", "t_0a1b2c3d"),
        text("errorCode", "E_ROW_ONE"),
        Fact::int("durationMs", 424_242),
    ];
    let more = [&listed[..], &[text("stranger", "unlisted-value")]].concat();
    printed.send(Signal::Logs, log("workflow completed", &more));
    let result = [text("executionId", "exec-row-2")];
    printed.send(Signal::Logs, log("Calculation result: 1500000", &result));
    printed.send(Signal::Metrics, metric(&text("tenant_hash", "t_0a1b2c3d")));
    printed.send(Signal::Metrics, metric(&text("amount_range", "50k-to-100k")));
    printed.send(Signal::Traces, span());
    let exception = [
        text("errorCode", "E_ROW_EIGHT"),
        text("exception.message", "cannot divide 1500000 by zero"),
        text("exception.stacktrace", "at Scoring.divide(42)"),
    ];
    printed.send(Signal::Logs, log("node failed", &exception));
    printed.send(Signal::Logs, log("node completed", &[text("executionId", "exec-row-last")]));

    for fact in &listed {
        printed.arrives(LOKI_PROTOBUF, fact.json.as_bytes());
    }
    for crossed in ["workflow completed", "exec-row-2", "E_ROW_EIGHT", "exec-row-last"] {
        printed.arrives(LOKI_PROTOBUF, crossed.as_bytes());
    }
    // Sealed inside, whatever the file is.
    printed.arrives(LOKI_PROTOBUF, b"tee_batch_seq");
    printed.arrives(REMOTE_WRITE, &text("tenant_hash", "t_0a1b2c3d").remote);
    printed.arrives(OTLP_GRPC, &field(|span| span.bytes(1, &TRACE)));
    printed.arrives(OTLP_GRPC, &field(|span| span.bytes(2, &SPAN)));
}

fn blocked() -> Vec<Value> {
    [
        "unlisted-value",
        "Calculation result: 1500000",
        "50k-to-100k",
        "income-of-95000",
        "attribute-of-a-span",
        "cannot divide 1500000 by zero",
        "at Scoring.divide(42)",
    ]
    .map(Value::from)
    .into()
}

#[test]
fn what_an_enclave_sends_crosses_the_printed_file_as_its_table_says() {
    let mut printed = Printed::start(None);
    rows(&mut printed);
    let said = printed.finish_without(&blocked());
    // The contract has stopped all of it: the file finds nothing.
    assert!(!said.contains("outer layer withheld"), "{said}");
}

#[test]
fn where_the_contract_is_wrong_the_printed_file_alone_keeps_its_table() {
    let text = "{ type: string, pattern: '[ -~]{1,64}' }";
    let attributes = format!(
        "  attributes:\n    stranger: {text}\n    exception.message: {text}\n    \
         exception.stacktrace: {text}\n    # exec-abc-123"
    );
    let body = "    - \"workflow started\"\n    - \"Calculation result: 1500000\"\n";
    let labels = format!("\nlabels:\n  amount_range: {text}\n");
    let contract = contract(&[
        ("  attributes:\n    # exec-abc-123", &attributes),
        ("    - \"workflow started\"\n", body),
        ("\nlabels:\n", &labels),
        (
            "bizfirst_workflow_executions_total: { labels: [",
            "bizfirst_workflow_executions_total: { labels: [amount_range, ",
        ),
    ]);
    let mut printed = Printed::start(Some(&contract));
    rows(&mut printed);
    let said = printed.finish_without(&blocked());
    // What the page promises and the file lacks is found by the shipped rules beside it.
    for rule in ["key:amount.*", "value:4"] {
        assert!(said.contains(&format!("\"rule\":\"{rule}\"")), "{rule}: {said}");
    }
    for value in ["1500000", "50k-to-100k"] {
        assert!(!said.contains(value), "{value}: {said}");
    }
}
