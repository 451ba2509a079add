//! What is shipped for Grafana: every query of the dashboard is asked of a running site, as Grafana
//! would ask it, and the fields that lead from a line to its trace lead there.
//!
//! The site plays the demo; the view is the gateway's own, Prometheus is the real one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lucarne_cli::demo::{Played, play};
use lucarne_cli::otlp_client::{Client, Options, Protocol};
use serde_json::Value;
use tokio::sync::watch;

use super::process::{PATIENCE, until};
use super::prometheus::Prometheus;
use super::site::{Changes, Site, append, free_port, http};

/// Panels that have nothing to show while all is well.
const QUIET: [&str; 1] = ["Batches that did not verify"];

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/grafana").join(name)
}

/// A site with a view and a Prometheus, playing the demo.
struct Shown {
    site: Site,
    view: SocketAddr,
    prometheus: Prometheus,
    stop: watch::Sender<bool>,
    runtime: tokio::runtime::Runtime,
}

impl Shown {
    fn start() -> Self {
        let changes = Changes { enclave: "limits: { heartbeat_ms: 300 }\n", ..Changes::default() };
        let mut site = Site::prepare(&changes);
        let view = free_port();
        let prometheus = Prometheus::scraping(site.addresses.gateway);
        let exporters = format!(
            "- view: {{ http: \"{view}\" }}\n\
             - prometheus_remote_write: {{ endpoint: \"http://{}/api/v1/write\" }}\n\
             monitor: {{ every_ms: 1000 }}\n",
            prometheus.address
        );
        append(&site.path("gateway.yaml"), &exporters);
        site.start_gateway();
        site.start_proxy();
        site.start_enclave();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (stop, stopped) = watch::channel(false);
        let endpoint = site.addresses.grpc.to_string().parse().unwrap();
        let (protocol, timeout) = (Protocol::Grpc, Duration::from_secs(10));
        let options = Options { endpoint, protocol, durability: None, timeout };
        runtime.spawn(async move {
            play(Client::new(options), 1, stopped, &Arc::new(Played::default())).await;
        });
        Self { site, view, prometheus, stop, runtime }
    }

    /// The JSON of a page of the view, whose parameters stand in the target already.
    fn view(&self, target: &str) -> Value {
        let head = format!("GET {target} HTTP/1.1\r\naccept: application/json\r\n");
        let (status, body) = http(self.view, &head, "").unwrap();
        assert_eq!(status, 200, "{target}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Rows or series of a query, over the last ten minutes.
    fn results(&self, target: &Value) -> Vec<Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let text = |key: &str| target[key].as_str().map(in_full);
        let period = format!("start={}&end={}", now - 600, now + 1);
        let answer = match target["datasource"]["uid"].as_str().unwrap() {
            "lucarne-logs" => {
                let query = escape(&text("expr").unwrap());
                let path = "/loki/api/v1/query_range";
                self.view(&format!("{path}?query={query}&{period}&step=60&limit=50"))["data"]
                    ["result"]
                    .take()
            }
            "lucarne-metrics" => {
                return self.prometheus.query(&escape(&text("expr").unwrap()));
            }
            "lucarne-traces" => {
                let query = escape(&text("query").unwrap());
                self.view(&format!("/api/search?q={query}&{period}&limit=20"))["traces"].take()
            }
            other => panic!("{other} is not provisioned"),
        };
        answer.as_array().cloned().unwrap_or_default()
    }
}

/// A query with Grafana's variables set, as Grafana sets them for a panel of a few minutes.
fn in_full(query: &str) -> String {
    query.replace("$__rate_interval", "1m").replace("$__auto", "1m")
}

fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[test]
fn every_query_of_the_dashboard_shows_the_demo() {
    let dashboard = std::fs::read(shipped("dashboards/operations.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    let mut shown = Shown::start();
    let panels = dashboard["panels"].as_array().unwrap();
    assert_eq!(panels.len(), 14);
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(panel["datasource"], target["datasource"], "{title}");
            if QUIET.contains(&title) {
                assert_eq!(shown.results(target), Vec::<Value>::new(), "{title}");
            } else {
                let some = || (!shown.results(target).is_empty()).then_some(());
                until(title, PATIENCE, some);
            }
        }
    }
    shown.a_line_leads_to_its_trace();
    shown.stop.send(true).unwrap();
    shown.runtime.shutdown_timeout(PATIENCE);
    assert_eq!(shown.site.stop(), [Some(0); 3]);
}

impl Shown {
    /// By the expression of the provisioned derived field.
    fn a_line_leads_to_its_trace(&self) {
        let sources =
            std::fs::read_to_string(shipped("provisioning/datasources/lucarne.yaml")).unwrap();
        let expression = r#"'"traceId":"([0-9a-f]{32})"'"#;
        assert!(sources.contains(&format!("matcherRegex: {expression}\n")), "{sources}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let query = escape(r#"{job="tee-processengine"} |= "workflow completed""#);
        let answer = self.view(&format!(
            "/loki/api/v1/query_range?query={query}&start={}&end={now}&limit=1",
            now - 600
        ));
        let line = answer["data"]["result"][0]["values"][0][1].as_str().unwrap();
        let (_, rest) = line.split_once("\"traceId\":\"").unwrap();
        let id = &rest[..32];
        assert!(rest.starts_with(&format!("{id}\"")), "{line}");
        let trace = until("the trace is there", PATIENCE, || {
            let head = format!("GET /api/traces/{id} HTTP/1.1\r\naccept: application/json\r\n");
            let (status, body) = http(self.view, &head, "")?;
            (status == 200).then(|| serde_json::from_str::<Value>(&body).unwrap())
        });
        assert_ne!(trace["batches"], Value::Null, "{trace}");
    }
}
