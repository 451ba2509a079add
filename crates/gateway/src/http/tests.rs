//! The pages, asked as a load balancer, a scraper and an operator ask them.

use std::sync::Mutex;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use lucarne_ledger::batch::{EpochKey, verify};
use lucarne_ledger::control::{Control, Heartbeat, Workload};
use lucarne_ledger::identity::EpochId;
use lucarne_ledger::key::{PublicKey, Signer, SigningFailed};
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Audit, Ledger};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::epochs::Epochs;
use crate::export::sink::Tally;
use crate::metrics::ExporterMetrics;

const TOKEN: &str = "a token of some length";

#[derive(Default)]
struct Hand(Mutex<Duration>);

impl Clock for Hand {
    fn unix_ns(&self) -> u64 {
        1_716_825_600_000_000_000 + u64::try_from(self.elapsed().as_nanos()).unwrap()
    }

    fn elapsed(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

struct Key {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl Key {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let spki = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(
            pair.public_key(),
        )
        .unwrap();
        let public = PublicKey::from_spki(spki.as_ref()).unwrap();
        Self { pair, public }
    }
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

struct Setup {
    directory: tempfile::TempDir,
    clock: Arc<Hand>,
    pages: Pages,
}

impl Setup {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token = directory.path().join("token");
        std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
        let gates = Gates::open(directory.path().join("gates"), Some(&token)).unwrap();
        let clock = Arc::new(Hand::default());
        let heartbeats = Heartbeats::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let metrics = Metrics {
            counters: Arc::new(Counters::default()),
            heartbeats: heartbeats.clone(),
            exporters: vec![("loki".to_owned(), Arc::new(ExporterMetrics::default()))],
            witnesses: None,
            monitor: None,
            stamps: None,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        let pages = Pages {
            heartbeats,
            silent_after: Duration::from_secs(45),
            readiness: Readiness::new(),
            metrics,
            gates: Arc::new(gates),
        };
        Self { directory, clock, pages }
    }

    fn pass(&self, seconds: u64) {
        *self.clock.0.lock().unwrap() += Duration::from_secs(seconds);
    }

    /// A heartbeat that was sealed, signed and verified.
    fn beat(&self, instance: &str, workload: Workload) {
        let key = Key::new();
        let epoch = EpochId([7; 16]);
        let instance: lucarne_ledger::identity::Instance = instance.parse().unwrap();
        let mut ledger = Ledger::<Audit>::new(instance.clone(), epoch, Seed::new([1; 32]));
        let beat = Heartbeat { time_ms: 1_716_825_601_500, workload, refused: 3, evicted: 0 };
        ledger.append_control(&Control::Heartbeat(beat)).unwrap();
        let sealed = ledger.seal(&key, 1, Seed::new([2; 32])).unwrap().unwrap();
        let epochs = Epochs::new("test");
        let epoch_key = EpochKey { instance, epoch, key: key.public };
        let batch = verify(sealed.bytes(), &epoch_key).unwrap();
        let entered = epochs.enter(EpochKey { ..epoch_key.clone() }, [0; 32], "00");
        self.pages.heartbeats.see(&batch, &entered);
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let service = TowerToHyperService::new(router(self.pages.clone()));
        let response = service.call(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask(Method::GET, path, None, "").await
    }

    async fn put(&self, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
        self.ask(Method::PUT, path, token, body).await
    }
}

fn healthy() -> (u16, String) {
    (200, r#"{"processengine":"healthy"}"#.to_owned())
}

fn not_responding() -> (u16, String) {
    (503, r#"{"processengine":"not-responding"}"#.to_owned())
}

fn problem(status: u16, code: &str, message: &str) -> (u16, String) {
    (status, serde_json::json!({ "error": { "code": code, "message": message } }).to_string())
}

#[tokio::test]
async fn health_is_the_workload_by_its_last_signed_heartbeat() {
    let setup = Setup::new();
    assert_eq!(setup.get("/health").await, not_responding());
    setup.beat("nitro-001-us-east", Workload::Healthy);
    assert_eq!(setup.get("/health").await, healthy());
    setup.pass(45);
    assert_eq!(setup.get("/health").await, healthy());
    setup.pass(1);
    assert_eq!(setup.get("/health").await, not_responding());
    setup.beat("nitro-001-us-east", Workload::Unknown);
    assert_eq!(setup.get("/health").await, healthy());
    setup.beat("nitro-001-us-east", Workload::NotResponding);
    assert_eq!(setup.get("/health").await, not_responding());
}

#[tokio::test]
async fn the_worst_instance_is_told_unless_one_is_asked_for() {
    let setup = Setup::new();
    setup.beat("a", Workload::Healthy);
    setup.beat("b", Workload::NotResponding);
    assert_eq!(setup.get("/health").await, not_responding());
    assert_eq!(setup.get("/health?instance=a").await, healthy());
    assert_eq!(setup.get("/health?instance=b").await, not_responding());
    assert_eq!(setup.get("/health?instance=c").await, not_responding());
    let query = problem(400, "query", "the only parameter is instance");
    assert_eq!(setup.get("/health?verbose=1").await, query);
}

#[tokio::test]
async fn a_silence_goes_on_over_a_restart_unless_the_end_was_said() {
    let before = Setup::new();
    before.beat("a", Workload::Healthy);
    before.beat("b", Workload::Healthy);
    before.pass(60);
    let (epoch, other) = (EpochId([7; 16]), EpochId([8; 16]));
    before.pages.heartbeats.ended(&"a".parse().unwrap(), other);
    before.pages.heartbeats.ended(&"b".parse().unwrap(), epoch);
    let kept = before.pages.heartbeats.kept();
    let again = Setup::new();
    again.pass(100);
    let restored = kept.iter().map(|kept| again.pages.heartbeats.restore(kept));
    assert_eq!(restored.collect::<Vec<_>>(), [true], "one has not said its end");
    again.pass(7);
    assert_eq!(again.get("/health?instance=a").await, not_responding());
    let page = again.get("/metrics").await.1;
    let age =
        format!("lucarne_heartbeat_age_seconds{{tee_instance_id=\"a\",tee_epoch=\"{epoch}\"}} 107");
    assert!(page.lines().any(|line| line == age), "{page}");
    assert_eq!(again.pages.heartbeats.kept(), kept, "what is restored is kept as it was");
    again.beat("a", Workload::Healthy);
    assert_eq!(again.get("/health?instance=a").await, healthy());

    // Who was silent for a week is gone for good.
    let late = Setup::new();
    late.pass(7 * 86_400 + 1);
    assert!(late.pages.heartbeats.restore(&kept[0]));
    assert_eq!(late.pages.heartbeats.all().len(), 0);
}

#[tokio::test]
async fn ready_when_every_part_is() {
    let setup = Setup::new();
    setup.pages.readiness.ready(Part::Archiver);
    setup.pages.readiness.ready(Part::Exporters);
    let waiting = r#"{"ready":false,"waiting_for":["uplink"]}"#.to_owned();
    assert_eq!(setup.get("/ready").await, (503, waiting));
    setup.pages.readiness.ready(Part::Uplink);
    let ready = (200, r#"{"ready":true,"waiting_for":[]}"#.to_owned());
    assert_eq!(setup.get("/ready").await, ready);

    // An archive that refuses for a moment is waited for; then it is said, until it takes again.
    let stall = &setup.pages.metrics.counters.stall;
    let now = std::time::Instant::now();
    stall.begin(now);
    assert!(stall.end().is_none(), "what takes a moment is no failure");
    assert!(stall.failed("403") && !stall.failed("403") && stall.failed("503"));
    assert_eq!(setup.get("/ready").await, ready);
    assert!(stall.end().is_some() && stall.end().is_none());
    // Also one that does not even answer.
    stall.begin(now.checked_sub(Duration::from_secs(11)).unwrap());
    stall.begin(now);
    let waiting = r#"{"ready":false,"waiting_for":["archiver"]}"#.to_owned();
    assert_eq!(setup.get("/ready").await, (503, waiting));
    stall.end();
    assert_eq!(setup.get("/ready").await, ready);
}

#[tokio::test]
async fn a_gate_is_set_with_the_token_and_survives_a_restart() {
    let mut setup = Setup::new();
    let path = "/v1/gates/executions";
    let unknown = problem(404, "gate_unknown", "no gate of this name has been set");
    assert_eq!(setup.get(path).await, unknown);
    let closed = r#"{"gate":"executions","state":"closed"}"#.to_owned();
    let set = setup.put(path, Some(TOKEN), r#"{"state":"closed"}"#).await;
    assert_eq!(set, (200, closed.clone()));
    assert_eq!(setup.get(path).await, (503, closed.clone()));
    let kept = Gates::open(setup.directory.path().join("gates"), None).unwrap();
    setup.pages.gates = Arc::new(kept);
    assert_eq!(setup.get(path).await, (503, closed));
    // Without a token file nobody sets anything.
    let locked = setup.put(path, Some(TOKEN), r#"{"state":"open"}"#).await;
    let message = "no gate_token_file is configured, so nobody may set gates";
    assert_eq!(locked, problem(403, "gates_locked", message));
}

#[tokio::test]
async fn a_gate_opens_by_post_too() {
    let setup = Setup::new();
    let path = "/v1/gates/a-1";
    let open = (200, r#"{"gate":"a-1","state":"open"}"#.to_owned());
    assert_eq!(setup.ask(Method::POST, path, Some(TOKEN), r#"{"state":"open"}"#).await, open);
    assert_eq!(setup.get(path).await, open);
}

#[tokio::test]
async fn what_may_not_set_a_gate_does_not() {
    let setup = Setup::new();
    let path = "/v1/gates/executions";
    let good = r#"{"state":"closed"}"#;
    let message = "setting a gate needs the bearer token of gate_token_file";
    let unauthorized = problem(401, "unauthorized", message);
    for token in [None, Some(""), Some("a token of some lengtH"), Some("a token of some length ")] {
        assert_eq!(setup.put(path, token, good).await, unauthorized, "{token:?}");
    }
    let state = problem(400, "gate_state", r#"expected {"state":"open"} or {"state":"closed"}"#);
    for body in ["", "{}", r#"{"state":"ajar"}"#, r#"{"state":"open","x":1}"#, "open"] {
        assert_eq!(setup.put(path, Some(TOKEN), body).await, state, "{body}");
    }
    let name = problem(400, "gate_name", "a gate is 1 to 63 of a-z, 0-9 and -");
    for gate in ["A", "a.b", "..", &"a".repeat(64), "a%2Fb"] {
        let path = format!("/v1/gates/{gate}");
        assert_eq!(setup.put(&path, Some(TOKEN), good).await, name, "{gate}");
        assert_eq!(setup.get(&path).await, name, "{gate}");
    }
    let (status, _) = setup.put(path, Some(TOKEN), &"x".repeat(BODY_BYTES_MAX + 1)).await;
    assert_eq!(status, 413);
    assert_eq!(setup.pages.gates.state("executions"), None);
}

#[tokio::test]
async fn gates_are_bounded_and_a_disk_that_refuses_changes_nothing() {
    let setup = Setup::new();
    for index in 0..256 {
        let (status, _) =
            setup.put(&format!("/v1/gates/g{index}"), Some(TOKEN), r#"{"state":"open"}"#).await;
        assert_eq!(status, 200);
    }
    let full = setup.put("/v1/gates/more", Some(TOKEN), r#"{"state":"open"}"#).await;
    assert_eq!(full, problem(507, "gates_full", "there are 256 gates already"));
    // A directory where the new file should be: it cannot be written.
    std::fs::create_dir(setup.directory.path().join("gates.new")).unwrap();
    let refused = setup.put("/v1/gates/g0", Some(TOKEN), r#"{"state":"closed"}"#).await;
    let message = "the state could not be written to disk";
    assert_eq!(refused, problem(500, "gate_not_kept", message));
    assert_eq!(setup.pages.gates.state("g0"), Some(gates::GateState::Open));
}

#[test]
fn gates_that_cannot_be_read_are_not_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gates");
    std::fs::write(&path, "[]").unwrap();
    let error = Gates::open(path.clone(), None).unwrap_err();
    assert_eq!(error.to_string(), format!("gates {}: not a file of gate states", path.display()));
    let token = directory.path().join("token");
    std::fs::write(&token, "short").unwrap();
    let error = Gates::open(directory.path().join("none"), Some(&token)).unwrap_err();
    let expected = format!("{}: expected a file with a token of 16 bytes or more", token.display());
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn metrics_move_with_what_they_measure() {
    let setup = Setup::new();
    setup.beat("nitro-001-us-east", Workload::Healthy);
    setup.pass(2);
    setup.pages.metrics.counters.records.add(1000);
    let exporter = &setup.pages.metrics.exporters[0].1;
    exporter.count(Tally { sent: 5, refused: 2, skipped: 1 });
    exporter.behind(setup.clock.unix_ns() - 7_000_000_000);
    setup.pass(2);
    exporter.retried(setup.clock.unix_ns());
    let (status, page) = setup.get("/metrics").await;
    assert_eq!(status, 200);
    let tee = format!("tee_instance_id=\"nitro-001-us-east\",tee_epoch=\"{}\"", "07".repeat(16));
    for line in [
        "lucarne_gateway_records_total 1000".to_owned(),
        "lucarne_gateway_batches_total{result=\"verified\"} 0".to_owned(),
        "lucarne_exporter_items_total{exporter=\"loki\",result=\"sent\"} 5".to_owned(),
        "lucarne_exporter_items_total{exporter=\"loki\",result=\"refused\"} 2".to_owned(),
        "lucarne_exporter_items_total{exporter=\"loki\",result=\"skipped\"} 1".to_owned(),
        "lucarne_exporter_retries_total{exporter=\"loki\"} 1".to_owned(),
        "lucarne_exporter_lag_seconds{exporter=\"loki\"} 9".to_owned(),
        format!("lucarne_heartbeat_timestamp_seconds{{{tee}}} 1716825601.5"),
        format!("lucarne_heartbeat_age_seconds{{{tee}}} 4"),
        format!("lucarne_workload_healthy{{{tee}}} 1"),
        format!("lucarne_ledger_size{{{tee}}} 1"),
        format!("lucarne_enclave_requests_refused{{{tee}}} 3"),
    ] {
        assert_eq!(page.lines().filter(|other| *other == line).count(), 1, "{line}\n{page}");
    }
    // Each family is described before its first sample.
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(page.contains(&format!("# TYPE {name} ")), "{name}");
    }
}

#[tokio::test]
async fn the_server_serves_on_a_socket_and_stops() {
    let setup = Setup::new();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), setup.pages.clone()).await.unwrap();
    let address = server.local_address().unwrap();
    let taken = Server::bind(address, setup.pages).await.err().unwrap();
    assert_eq!(
        taken.to_string(),
        format!("cannot listen on {address}: Address already in use (os error 98)")
    );
    let (stop, stopped) = watch::channel(false);
    let asking = async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 404");
        stop.send_replace(true);
        // The idle connection is closed by the server, not kept until a timeout.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    };
    tokio::join!(server.run(stopped), asking);
}
