//! The demo's metrics on the whole way: SDK shape, contract, seal, gateway, and a real Prometheus
//! that answers.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lucarne_cli::demo::{Played, play};
use lucarne_cli::otlp_client::{Client, Options, Protocol};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

use super::process::until;
use super::site::{Changes, Site, append, free_port, http};

const PATIENCE: Duration = Duration::from_secs(60);
const COUNTER: &str = "bizfirst_workflow_executions_total";

/// Debian's Prometheus with an empty store and remote write switched on.
pub(crate) struct Prometheus {
    child: Child,
    pub(crate) address: SocketAddr,
    _dir: TempDir,
}

impl Prometheus {
    fn start() -> Self {
        Self::with("scrape_configs: []\n")
    }

    /// One that looks at a page of metrics every second.
    pub(crate) fn scraping(target: SocketAddr) -> Self {
        Self::with(&format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n- job_name: gateway\n  \
             static_configs: [ {{ targets: [ \"{target}\" ] }} ]\n"
        ))
    }

    fn with(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = free_port();
        std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        let child = Command::new("prometheus")
            .current_dir(dir.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .args(["--web.enable-remote-write-receiver"])
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("install Debian package prometheus: {error}"));
        let prometheus = Self { child, address, _dir: dir };
        until("Prometheus is ready", PATIENCE, || {
            http(prometheus.address, "GET /-/ready HTTP/1.1\r\n", "").filter(|it| it.0 == 200)
        });
        prometheus
    }

    /// The series that a query finds, with their labels.
    pub(crate) fn query(&self, query: &str) -> Vec<Value> {
        let head = format!("GET /api/v1/query?query={query} HTTP/1.1\r\n");
        let Some((200, body)) = http(self.address, &head, "") else { return Vec::new() };
        // Prometheus answers in one chunk, which stands between two lines of hex.
        let json = body.find('{').zip(body.rfind('}')).map(|(from, to)| &body[from..=to]);
        let answer: Value = json.and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

#[test]
fn a_real_prometheus_answers_with_the_demos_counters_by_tenant_and_without_amounts() {
    let prometheus = Prometheus::start();
    let mut site = Site::prepare(&Changes::default());
    let url = format!("http://{}/api/v1/write", prometheus.address);
    let exporter = format!("- prometheus_remote_write: {{ endpoint: \"{url}\" }}\n");
    append(&site.path("gateway.yaml"), &exporter);
    site.start_gateway();
    site.start_proxy();
    site.start_enclave();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stop, stopped) = watch::channel(false);
    let (durability, timeout) = (None, Duration::from_secs(10));
    let endpoint = site.addresses.grpc.to_string().parse().unwrap();
    let options = Options { endpoint, protocol: Protocol::Grpc, durability, timeout };
    let played = Arc::new(Played::default());
    let demo = runtime.spawn(async move {
        play(Client::new(options), 1, stopped, &played).await;
    });
    let series = until("the demo's counters arrive", PATIENCE, || {
        let series = prometheus.query(COUNTER);
        let failed = |one: &Value| one["metric"]["outcome"] == "failed";
        series.iter().any(failed).then_some(series)
    });
    for one in &series {
        let labels = &one["metric"];
        assert!(labels["tenant_hash"].as_str().is_some_and(|it| it.starts_with("t_")), "{labels}");
        assert_eq!(labels["amount_range"], Value::Null, "{labels}");
        assert_eq!(labels["tee_instance_id"], "nitro-001-us-east", "{labels}");
    }
    let known = |one: &Value| one["metric"]["tenant_hash"] == "t_8f3a2b1c";
    assert!(series.iter().any(known), "{series:#?}");
    stop.send(true).unwrap();
    runtime.block_on(demo).unwrap();
    assert_eq!(site.stop(), [Some(0); 3]);
}
