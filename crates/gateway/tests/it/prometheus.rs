//! Remote write to a real Prometheus, the Debian package, on loopback.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lucarne_gateway::clock::{Clock as _, SystemClock};
use lucarne_gateway::export::config::{ExporterFile, build};
use lucarne_gateway::export::cursor::CursorFile;
use lucarne_gateway::export::runner::{Runner, Surroundings};
use lucarne_gateway::export::sink::Tally;
use lucarne_gateway::export::{
    Entry, Item, Origin, Position, Record, Source, SourceError, Telemetry,
};
use lucarne_gateway::journal::Journal;
use lucarne_gateway::metrics::ExporterMetrics;
use lucarne_ledger::identity::{EpochId, LedgerId, LedgerKind};
use lucarne_otlp::wire::Writer;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Everything at once; says so when a reader waits for more.
struct Once {
    items: Vec<Item>,
    idle: watch::Sender<bool>,
}

impl Source for Once {
    async fn read(
        &mut self,
        from: &Position,
        _items_max: usize,
    ) -> Result<(Vec<Item>, Position), SourceError> {
        match from.0.as_str() {
            "" => Ok((self.items.clone(), Position("end".into()))),
            _ => Ok((Vec::new(), from.clone())),
        }
    }

    async fn changed(&mut self, _from: &Position) {
        self.idle.send_replace(true);
        std::future::pending::<()>().await;
    }
}

/// A Prometheus that ends with the test.
struct Prometheus {
    process: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Prometheus {
    /// `None` when the package is not there and the environment says that this is known.
    fn start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("prometheus.yml");
        std::fs::write(&config, "scrape_configs: []\n").unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let started = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-remote-write-receiver")
            .arg("--enable-feature=native-histograms")
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(process) => Some(Self { process, address, _directory: directory }),
            Err(_) if std::env::var_os("LUCARNE_TEST_ALLOW_MISSING").is_some() => {
                let mut out = std::io::stdout();
                writeln!(out, "skipped: no prometheus here, and LUCARNE_TEST_ALLOW_MISSING is set")
                    .unwrap();
                None
            }
            Err(error) => {
                panic!("cannot start prometheus ({error}): install Debian package prometheus")
            }
        }
    }

    /// The result of an instant query: labels and value of each series.
    fn query(&self, query: &str) -> Vec<(Value, String)> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        write!(stream, "GET /api/v1/query?query={escaped} HTTP/1.0\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let series = body["data"]["result"].as_array().unwrap_or_else(|| panic!("{body}"));
        let read =
            |one: &Value| (one["metric"].clone(), one["value"][1].as_str().unwrap().to_owned());
        series.iter().map(read).collect()
    }

    /// Exports `items` with a fresh exporter; retries until the server is up.
    async fn export(&self, state: &Path, items: Vec<Item>) -> Tally {
        let url = format!("http://{}/api/v1/write", self.address);
        let yaml = format!(
            "[{{ prometheus_remote_write: {{ endpoint: \"{url}\", native_histograms: true }} }}]"
        );
        let files: Vec<ExporterFile> = serde_saphyr::from_str(&yaml).unwrap();
        let (name, sink) =
            build(&files, &lucarne_gateway::collector::Resolve::default()).unwrap().remove(0);
        let metrics = Arc::new(ExporterMetrics::default());
        let clock = Arc::new(SystemClock::start());
        let journal = Journal::new(clock.clone(), Box::new(std::io::stderr()), None);
        let surroundings = Surroundings { metrics: Arc::clone(&metrics), journal, clock };
        let (idle, drain) = (watch::Sender::new(false), watch::Sender::new(false));
        let mut waiting = idle.subscribe();
        let file = CursorFile::open(state, &name).unwrap();
        let runner = Runner::build(name, sink, Once { items, idle }, file, surroundings).unwrap();
        let ending = async {
            drop(waiting.wait_for(|idle| *idle).await);
            drain.send_replace(true);
        };
        tokio::join!(runner.run(drain.subscribe()), ending);
        metrics.tally()
    }
}

fn item(entry: Entry) -> Item {
    let ledger = LedgerId {
        instance: "nitro-001-us-east".parse().unwrap(),
        epoch: EpochId([7; 16]),
        kind: LedgerKind::Telemetry,
    };
    let origin = Arc::new(Origin {
        ledger,
        thumbprint: "sha256:00".into(),
        measurement: "00".into(),
        batch_first: 0,
        batch_time_ns: 0,
        head_size: 12,
        head_root: "00".into(),
        seal: "x.seal".into(),
    });
    Item::Record(Record { origin, index: 1, unsealed: false, entry })
}

fn metric(write: impl FnOnce(&mut Writer<'_>)) -> Item {
    let mut message = Vec::new();
    write(&mut Writer::new(&mut message));
    let (resource, scope) = Default::default();
    item(Entry::Metric(Telemetry { resource, scope, message: message.into() }))
}

fn executions(time_ns: u64, count: u64) -> Item {
    metric(|out| {
        out.bytes(1, b"bizfirst_workflow_executions_total");
        out.message(7, |sum| {
            sum.message(1, |point| {
                point.fixed64(3, time_ns);
                point.fixed64(6, count);
                for (key, value) in [("tenant_hash", "t_8f3a2b1c"), ("outcome", "completed")] {
                    point.message(7, |entry| {
                        entry.bytes(1, key.as_bytes());
                        entry.message(2, |any| any.bytes(1, value.as_bytes()));
                    });
                }
            });
            sum.varint(2, 2);
            sum.varint(3, 1);
        });
    })
}

fn durations(time_ns: u64) -> Item {
    metric(|out| {
        out.bytes(1, b"bizfirst_workflow_duration_ms");
        out.message(9, |histogram| {
            histogram.message(1, |point| {
                point.fixed64(3, time_ns);
                point.fixed64(4, 10);
                point.double(5, 1500.0);
                for count in [0, 10, 0_u64] {
                    point.fixed64(6, count);
                }
                for bound in [100.0, 200.0] {
                    point.double(7, bound);
                }
            });
            histogram.varint(2, 2);
        });
    })
}

fn heartbeat(time_ns: u64) -> Item {
    let json = json!({
        "type": "heartbeat", "time_ms": time_ns / 1_000_000, "workload": "healthy",
        "refused": 0, "evicted": 0,
    });
    item(Entry::Control { json: json.to_string().into(), record_hash: String::new() })
}

fn source_labels() -> Value {
    json!({ "job": "tee-processengine", "tee_instance_id": "nitro-001-us-east" })
}

fn labels(more: Value) -> Value {
    let mut labels = source_labels();
    let Value::Object(more) = more else { panic!("labels are an object") };
    labels.as_object_mut().unwrap().extend(more);
    labels
}

#[tokio::test]
async fn a_real_prometheus_takes_what_is_sent_and_answers_queries() {
    let Some(prometheus) = Prometheus::start() else { return };
    let state = tempfile::tempdir().unwrap();
    let now = SystemClock::start().unix_ns();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(u128::from(now).abs_diff(since.as_nanos()) < 1_000_000_000);
    let second = 1_000_000_000;
    let items = vec![
        executions(now - 2 * second, 40),
        durations(now - second),
        heartbeat(now - second),
        executions(now - second, 42),
    ];
    // Two samples of the counter, five series of the histogram, three of the heartbeat.
    let sent = Tally { sent: 10, refused: 0, skipped: 0 };
    assert_eq!(prometheus.export(&state.path().join("one"), items).await, sent);

    let tenant = json!({ "tenant_hash": "t_8f3a2b1c", "outcome": "completed" });
    let mut counter = labels(tenant);
    counter["__name__"] = "bizfirst_workflow_executions_total".into();
    let found = prometheus.query("bizfirst_workflow_executions_total");
    assert_eq!(found, [(counter, "42".to_owned())]);
    let found = prometheus.query("histogram_quantile(0.5, bizfirst_workflow_duration_ms_bucket)");
    assert_eq!(found, [(source_labels(), "150".to_owned())]);
    let found =
        prometheus.query("bizfirst_workflow_duration_ms_sum / bizfirst_workflow_duration_ms_count");
    assert_eq!(found, [(source_labels(), "150".to_owned())]);
    // The alert of a silent TEE: not firing now, and firing for any shorter limit.
    let silent = |limit: &str| format!("time() - lucarne_heartbeat_timestamp_seconds > {limit}");
    assert_eq!(prometheus.query(&silent("120")), []);
    let firing: Vec<_> =
        prometheus.query(&silent("0")).into_iter().map(|(labels, _)| labels).collect();
    let epoch = "07".repeat(16);
    assert_eq!(firing, [labels(json!({ "tee_epoch": epoch, "ledger": "telemetry" }))]);

    // Sent again by an exporter that lost its memory: the last samples are taken as they are, an
    // older one is refused, and only it.
    let again = vec![executions(now - 2 * second, 40), durations(now - second)];
    let refused = Tally { sent: 5, refused: 1, skipped: 0 };
    assert_eq!(prometheus.export(&state.path().join("two"), again).await, refused);
}

/// Durations in buckets by powers of two: four below 1, four below 2, eight below 4.
fn fine_durations(time_ns: u64) -> Item {
    metric(|out| {
        out.bytes(1, b"bizfirst_node_duration_ms");
        out.message(10, |histogram| {
            histogram.message(1, |point| {
                point.fixed64(3, time_ns);
                point.fixed64(4, 16);
                point.double(5, 32.0);
                point.message(8, |buckets| {
                    buckets.zigzag(1, -1);
                    for count in [4, 4, 8_u64] {
                        buckets.varint(2, count);
                    }
                });
            });
            histogram.varint(2, 2);
        });
    })
}

#[tokio::test]
async fn a_real_prometheus_knows_exponential_histograms_as_native_ones() {
    let Some(prometheus) = Prometheus::start() else { return };
    let state = tempfile::tempdir().unwrap();
    let now = SystemClock::start().unix_ns();
    let items = vec![fine_durations(now - 1_000_000_000)];
    let sent = Tally { sent: 1, refused: 0, skipped: 0 };
    assert_eq!(prometheus.export(state.path(), items).await, sent);
    let value = |query: &str| {
        let found = prometheus.query(query);
        let [(labels, value)] = &found[..] else { panic!("{query}: {found:?}") };
        assert_eq!(*labels, source_labels(), "{query}");
        value.clone()
    };
    assert_eq!(value("histogram_count(bizfirst_node_duration_ms)"), "16");
    assert_eq!(value("histogram_sum(bizfirst_node_duration_ms)"), "32");
    // Half of the observations are above 2, a quarter is below 1.
    assert_eq!(value("histogram_quantile(0.5, bizfirst_node_duration_ms)"), "2");
    assert_eq!(value("histogram_fraction(0, 1, bizfirst_node_duration_ms)"), "0.25");
}
