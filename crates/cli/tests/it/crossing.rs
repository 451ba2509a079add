//! A site with a tap on its uplink and a receiver behind every exporter: what a request to the
//! enclave becomes on either side of the host.
//!
//! A test sends requests, ends the site and asks of a fact whether it crossed, which is to be found
//! on the uplink *and* at every exporter that has a place for it, or of a value whether it stayed,
//! which is to be in no byte of any. After a test's own requests a beacon of each signal is sent:
//! what came before it in the ledger is out when the beacon is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lucarne_cli::otlp_client::{Client, Options, Outcome, Protocol};
use lucarne_cli::telemetry::Value;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;
use tokio::runtime::Runtime;

use super::collectors::{
    Collectors, LOKI_JSON, LOKI_PROTOBUF, OTLP_GRPC, OTLP_HTTP, PUSHED, REMOTE_WRITE, Take,
};
use super::needles::Search;
use super::process::{PATIENCE, until};
use super::site::{Changes, Site, append, replace};
use super::tap::{Said, Tap, frames};

/// The time of everything that a test makes up: 2023-11-14T22:13:20Z.
pub(crate) const TIME: u64 = 1_700_000_000_000_000_000;

/// A site whose uplink is tapped and whose gateway exports to everything; nothing runs yet.
pub(crate) fn tapped(changes: &Changes, take: Take) -> (Site, Tap, Collectors) {
    let site = Site::prepare(changes);
    let (socket, proxy) = (site.path("tap.sock"), site.path("proxy.sock"));
    replace(&site.path("tee/enclave.yaml"), "/proxy.sock", "/tap.sock");
    let collectors = Collectors::start(take);
    append(&site.path("gateway.yaml"), &collectors.exporters());
    let tap = Tap::start(&socket, &proxy, &site.path("uplink"));
    (site, tap, collectors)
}

/// The exporter that writes files.
pub(crate) const JSONL: &str = "JSON lines";

/// The kinds of things that are exported; each goes to some of the exporters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Log,
    Metric,
    Span,
    Control,
}

/// One thing that is true of a record, in the spelling of each place.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    /// In a line.
    pub(crate) json: String,
    /// In an OTLP message; for control records there is none, they are lines everywhere.
    pub(crate) otlp: Vec<u8>,
    /// In remote write.
    pub(crate) remote: Vec<u8>,
}

impl Fact {
    /// An attribute or a label that is text.
    pub(crate) fn text(key: &str, value: &str) -> Self {
        let otlp = pair(key, |any| any.bytes(1, value.as_bytes()));
        let mut remote = Vec::new();
        let mut label = Writer::new(&mut remote);
        label.bytes(1, key.as_bytes());
        label.bytes(2, value.as_bytes());
        Self { json: format!("\"{key}\":\"{value}\""), otlp, remote }
    }

    /// An attribute that is a whole number.
    pub(crate) fn int(key: &str, value: i64) -> Self {
        let otlp = pair(key, |any| any.varint(3, value.cast_unsigned()));
        Self { json: format!("\"{key}\":{value}"), otlp, remote: Vec::new() }
    }

    /// The value of a point of a counter.
    pub(crate) fn value(value: i64) -> Self {
        let otlp = field(|point| point.fixed64(6, value.cast_unsigned()));
        let remote = field(|sample| sample.double(1, value as f64));
        Self { json: format!("\"value\":{value}"), otlp, remote }
    }

    /// The sum of a histogram.
    pub(crate) fn sum(sum: f64) -> Self {
        let otlp = field(|point| point.double(5, sum));
        let remote = field(|sample| sample.double(1, sum));
        Self { json: format!("\"sum\":{sum}"), otlp, remote }
    }

    /// A field of an OTLP message that is a member of its line.
    pub(crate) fn member(key: &str, json: &str, write: impl FnOnce(&mut Writer<'_>)) -> Self {
        Self { json: format!("\"{key}\":{json}"), otlp: field(write), remote: Vec::new() }
    }

    /// Members of a line, for what is JSON on the uplink too.
    pub(crate) fn line(json: &str) -> Self {
        Self { json: json.to_owned(), otlp: Vec::new(), remote: Vec::new() }
    }

    fn in_place(&self, place: &str, kind: Kind) -> Vec<u8> {
        match (place, kind) {
            (JSONL | LOKI_PROTOBUF, _) => self.json.clone().into_bytes(),
            (LOKI_JSON, _) => self.json.replace('"', "\\\"").into_bytes(),
            (REMOTE_WRITE, _) => self.remote.clone(),
            (_, Kind::Control) => self.json.clone().into_bytes(),
            (_, Kind::Log | Kind::Metric | Kind::Span) => self.otlp.clone(),
        }
    }
}

impl Kind {
    /// Those that have a place for it.
    pub(crate) fn exporters(self) -> &'static [&'static str] {
        match self {
            Self::Log | Self::Control => &[JSONL, LOKI_PROTOBUF, LOKI_JSON, OTLP_GRPC, OTLP_HTTP],
            Self::Metric => &[JSONL, OTLP_GRPC, OTLP_HTTP, REMOTE_WRITE],
            Self::Span => &[JSONL, OTLP_GRPC, OTLP_HTTP],
        }
    }
}

type Exported = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// A site that runs.
pub(crate) struct Crossing {
    pub(crate) site: Site,
    tap: Tap,
    _collectors: Collectors,
    exported: Arc<Mutex<Exported>>,
    runtime: Runtime,
    sent: Vec<u8>,
}

impl Crossing {
    /// Starts a site, with a contract of its own if one is given.
    pub(crate) fn start(changes: &Changes, contract: Option<&str>) -> Self {
        let exported = Arc::new(Mutex::new(Exported::new()));
        let shared = Arc::clone(&exported);
        let take: Take = Arc::new(move |exporter, raw, decoded| {
            let mut exported = shared.lock().unwrap();
            exported.entry(exporter).or_default().extend([decoded.to_vec(), raw.to_vec()]);
        });
        let (mut site, tap, collectors) = tapped(changes, take);
        replace(&site.path("gateway.yaml"), "close_after_ms: 1000", "close_after_ms: 200");
        if let Some(contract) = contract {
            std::fs::write(site.path("tee/contract.yaml"), contract).unwrap();
            append(&site.path("tee/enclave.yaml"), "contract: contract.yaml\n");
        }
        site.start_gateway();
        site.start_proxy();
        site.start_enclave();
        let runtime = Runtime::new().unwrap();
        Self { site, tap, _collectors: collectors, exported, runtime, sent: Vec::new() }
    }

    /// Sends a request, all of which the enclave must accept.
    #[track_caller]
    pub(crate) fn send(&mut self, signal: Signal, request: &[u8]) {
        let endpoint = self.site.addresses.grpc.to_string().parse().unwrap();
        let (protocol, timeout) = (Protocol::Grpc, Duration::from_secs(10));
        let options = Options { endpoint, protocol, durability: Some("sealed"), timeout };
        let mut client = Client::new(options);
        let outcome = self.runtime.block_on(client.export(signal, request));
        assert!(matches!(outcome, Outcome::Accepted { rejected: 0 }), "{outcome:?}");
        self.sent.extend_from_slice(request);
    }

    /// Waits until an exporter has this.
    #[track_caller]
    pub(crate) fn await_exported(&self, exporter: &'static str, bytes: &[u8]) {
        let what = format!("{exporter} has {:?}", String::from_utf8_lossy(bytes));
        until(&what, PATIENCE, || {
            let found = match exporter {
                JSONL => contains(&lines(&self.site), bytes),
                _ => {
                    let exported = self.exported.lock().unwrap();
                    let bodies = exported.get(exporter).into_iter().flatten();
                    bodies.into_iter().any(|body| contains(body, bytes))
                }
            };
            found.then_some(())
        });
    }

    /// Sends the beacons, waits until all exporters have what is theirs, and ends the site.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Crossed {
        for (signal, kind, request, fact) in beacons() {
            self.send(signal, &request);
            for exporter in kind.exporters() {
                self.await_exported(exporter, &fact.in_place(exporter, kind));
            }
        }
        assert_eq!(self.site.stop(), [Some(0); 3]);
        let mut crossed = Crossed {
            sent: self.sent,
            uplink: Vec::new(),
            said: Said::default(),
            payloads: Vec::new(),
            exported: std::mem::take(&mut *self.exported.lock().unwrap()),
        };
        crossed.exported.insert(JSONL, vec![lines(&self.site)]);
        for file in self.tap.finish() {
            let stream = std::fs::read(&file).unwrap();
            assert!(!frames(&stream).is_empty(), "{}", file.display());
            if file.extension().is_some_and(|way| way == "up") {
                let said = Said::read(&stream);
                crossed.payloads.extend(said.payloads());
                // The first connection only asks how the epoch before ended.
                if !said.batches.is_empty() {
                    crossed.said = said;
                }
            }
            crossed.uplink.push(stream);
        }
        crossed
    }
}

/// Everything that left, on both sides of the host.
pub(crate) struct Crossed {
    sent: Vec<u8>,
    /// Both directions of every connection, byte for byte.
    uplink: Vec<Vec<u8>>,
    /// What the enclave said on the uplink.
    pub(crate) said: Said,
    payloads: Vec<Vec<u8>>,
    /// Bodies, decompressed and as they came; of JSON lines the files.
    exported: Exported,
}

impl Crossed {
    /// The fact is on the uplink, in the raw bytes as in a verified payload, and at every exporter
    /// that has a place for its kind.
    #[track_caller]
    pub(crate) fn has(&self, kind: Kind, fact: &Fact) {
        self.uplink_has(kind, fact);
        self.exporters_have(kind, fact);
    }

    /// The fact is at every exporter that has a place for its kind.
    #[track_caller]
    pub(crate) fn exporters_have(&self, kind: Kind, fact: &Fact) {
        for exporter in kind.exporters() {
            let bytes = fact.in_place(exporter, kind);
            assert!(self.is_at(exporter, &bytes), "{exporter} lacks {fact:?}");
        }
    }

    /// A payload of the uplink that has this text.
    #[track_caller]
    pub(crate) fn payload(&self, text: &str) -> &[u8] {
        self.payloads.iter().find(|payload| contains(payload, text.as_bytes())).unwrap()
    }

    /// The fact is on the uplink.
    #[track_caller]
    pub(crate) fn uplink_has(&self, kind: Kind, fact: &Fact) {
        let bytes = fact.in_place("the uplink", kind);
        assert!(self.uplink.iter().any(|it| contains(it, &bytes)), "the uplink lacks {fact:?}");
        assert!(self.payloads.iter().any(|it| contains(it, &bytes)), "no payload has {fact:?}");
    }

    /// Some body of an exporter has these bytes.
    pub(crate) fn is_at(&self, exporter: &str, bytes: &[u8]) -> bool {
        assert!(!bytes.is_empty(), "{exporter} has no place for it");
        self.exported[exporter].iter().any(|body| contains(body, bytes))
    }

    /// These values were sent, and are neither on the uplink nor at any exporter, in whatever form.
    #[track_caller]
    pub(crate) fn lacks(&self, values: &[Value]) {
        let search = Search::new(values);
        self.check_sent(&search, values);
        let uplink = self.uplink.iter().chain(&self.payloads);
        let found: Vec<_> = uplink.flat_map(|bytes| search.hits(bytes)).collect();
        assert_eq!(found, [], "on the uplink, of {values:?}");
        self.check_exporters(&search, values);
    }

    /// These values were sent, and no exporter has them, in whatever form.
    #[track_caller]
    pub(crate) fn exporters_lack(&self, values: &[Value]) {
        let search = Search::new(values);
        self.check_sent(&search, values);
        self.check_exporters(&search, values);
    }

    #[track_caller]
    fn check_sent(&self, search: &Search, values: &[Value]) {
        let mut found: Vec<usize> = search.hits(&self.sent).map(|(index, _)| index).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, Vec::from_iter(0..values.len()), "not all of {values:?} were sent");
    }

    #[track_caller]
    fn check_exporters(&self, search: &Search, values: &[Value]) {
        for exporter in [JSONL].iter().chain(&PUSHED) {
            let bodies = &self.exported[exporter];
            let found: Vec<_> = bodies.iter().flat_map(|body| search.hits(body)).collect();
            assert_eq!(found, [], "at {exporter}, of {values:?}");
        }
    }
}

/// A request of each signal that crosses, and what is to be waited for.
fn beacons() -> [(Signal, Kind, Vec<u8>, Fact); 3] {
    let log = Fact::text("executionId", "exec-beacon-1");
    let metric = Fact::text("tenant_hash", "t_bea0c0de");
    let id = "beac0beac0beac0b";
    let span = Fact::member("spanId", &format!("\"{id}\""), |span| {
        span.bytes(2, &lucarne_ledger::hash::from_hex::<8>(id).unwrap());
    });
    [
        (
            Signal::Logs,
            Kind::Log,
            request(|log_| log_.message(2, |it| attribute(it, 6, &log))),
            log,
        ),
        (
            Signal::Metrics,
            Kind::Metric,
            request(|scope| counter(scope, |point| attribute(point, 7, &metric))),
            metric,
        ),
        (
            Signal::Traces,
            Kind::Span,
            request(|scope| {
                scope.message(2, |it| {
                    it.bytes(1, &[0xbe; 16]);
                    it.encoded(&span.otlp);
                    it.fixed64(7, TIME);
                });
            }),
            span,
        ),
    ]
}

/// An export request of one resource and one scope; `items` writes fields 2 of the scope.
pub(crate) fn request(items: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    field(|request| {
        request.message(1, |resource_items| {
            resource_items.message(1, |resource| {
                attribute(resource, 1, &Fact::text("service.name", "processengine"));
            });
            resource_items.message(2, |scope_items| {
                scope_items.message(1, |scope| scope.bytes(1, b"app"));
                items(scope_items);
            });
        });
    })
}

/// A cumulative counter of the default contract with one point.
pub(crate) fn counter(scope: &mut Writer<'_>, point: impl FnOnce(&mut Writer<'_>)) {
    scope.message(2, |metric| {
        metric.bytes(1, b"bizfirst_workflow_executions_total");
        metric.message(7, |sum| {
            sum.message(1, |it| {
                it.fixed64(3, TIME);
                it.fixed64(6, 1);
                point(it);
            });
            sum.varint(2, 2); // cumulative
            sum.varint(3, 1); // monotonic
        });
    });
}

/// A fact as an attribute in field `number`.
pub(crate) fn attribute(out: &mut Writer<'_>, number: u32, fact: &Fact) {
    out.bytes(number, &fact.otlp);
}

/// What `write` writes.
pub(crate) fn field(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out
}

fn pair(key: &str, value: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    field(|pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, value);
    })
}

/// The files of the JSON lines exporter, one after the other.
fn lines(site: &Site) -> Vec<u8> {
    let read = |name: &str| std::fs::read(site.path("export").join(name)).unwrap_or_default();
    ["logs.jsonl", "metrics.jsonl", "traces.jsonl"].map(read).concat()
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    aho_corasick::AhoCorasick::new([needle]).unwrap().is_match(haystack)
}

/// The default contract with some text of it replaced, each once.
#[track_caller]
pub(crate) fn contract(changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contract/src/default.yaml");
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in changes {
        assert_eq!(text.matches(from).count(), 1, "{from:?}");
        text = text.replace(from, to);
    }
    text
}
