//! Unmodified clients at the near end of a tunnel: the requests that logcli and Grafana make, as
//! they make them, answered by a running enclave.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::json;

use super::questions::play;
use super::*;
use crate::process::Process;
use crate::site::replace;
use crate::web_socket::{Said, WebSocket};

struct Tunnel {
    at: SocketAddr,
    _process: Process,
}

fn start() -> (Inside, Tunnel) {
    let inside = Inside::start_with(|site| {
        let verbs = "labels ], all_streams: true, rows_max";
        let more = verbs.replace("labels ]", "labels, loki, tempo ]");
        replace(&site.path("tee/enclave.yaml"), verbs, &more);
    });
    let at = free_port();
    let mut command = Command::new(lucarne_program());
    command.args(["tunnel", &format!("--listen={at}")]);
    command.args(inside.connection("alice", inside.channel));
    let process = Process::start(&mut command, &inside.path("tunnel.log")).ready();
    (inside, Tunnel { at, _process: process })
}

impl Tunnel {
    #[track_caller]
    fn fetch(&self, target: &str, headers: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{target}: {head}{}", text(&body));
        body
    }

    #[track_caller]
    fn json(&self, target: &str) -> Value {
        serde_json::from_slice(&self.fetch(target, "")).unwrap()
    }
}

/// `{job="tee-processengine"}`, percent-encoded.
const ALL: &str = "%7Bjob%3D%22tee-processengine%22%7D";

/// Start and end as a client writes them, around now.
fn period() -> String {
    let now = now_ns();
    format!("start={}&end={}", now - 600_000_000_000, now + 60_000_000_000)
}

#[test]
fn logcli_and_grafana_read_logs() {
    let (inside, tunnel) = start();
    play(&inside, now_ns());
    let span = period();
    assert_eq!(tunnel.fetch("/ready", ""), b"ready\n");
    // Grafana's health check of the data source.
    let health =
        "/loki/api/v1/query?direction=backward&query=vector(1)%2Bvector(1)&time=4000000000";
    assert_eq!(
        tunnel.json(health)["data"]["result"],
        json!([{ "metric": {}, "value": [4_000_000_000_u64, "2"] }])
    );
    let labels = tunnel.json(&format!("/loki/api/v1/labels?{span}"));
    assert_eq!(labels["status"], "success");
    assert!(labels["data"].as_array().unwrap().contains(&json!("job")), "{labels}");
    let jobs = tunnel.json(&format!("/loki/api/v1/label/job/values?{span}"));
    assert_eq!(jobs, json!({ "status": "success", "data": ["tee-processengine"] }));
    let series = tunnel.json(&format!("/loki/api/v1/series?match={ALL}&{span}"));
    assert_eq!(series["data"][0]["job"], "tee-processengine");

    // logcli writes the direction in capitals, and Grafana asks for categories.
    let query = format!("/loki/api/v1/query_range?query={ALL}&direction=BACKWARD&limit=30&{span}");
    let found = tunnel.json(&query);
    assert_eq!(found["data"]["resultType"], "streams");
    let rows = |body: &Value| -> Vec<Value> {
        let streams = body["data"]["result"].as_array().unwrap().iter();
        streams.flat_map(|stream| stream["values"].as_array().unwrap().clone()).collect()
    };
    assert_eq!(rows(&found).len(), 30);
    let flags = "X-Loki-Response-Encoding-Flags: categorize-labels\r\n";
    let sorted: Value = serde_json::from_slice(&tunnel.fetch(&query, flags)).unwrap();
    assert_eq!(sorted["data"]["encodingFlags"], json!(["categorize-labels"]));
    let first = &rows(&sorted)[0];
    assert!(first[2]["structuredMetadata"]["executionId"].is_string(), "{first}");

    let stats = tunnel.json(&format!("/loki/api/v1/index/stats?query={ALL}&{span}"));
    let volume = tunnel.json(&format!("/loki/api/v1/index/volume?query={ALL}&{span}"));
    let bytes = stats["bytes"].as_u64().unwrap().to_string();
    assert!(stats["entries"].as_u64().unwrap() > 300, "{stats}");
    assert_eq!(volume["data"]["result"][0]["value"][1], bytes.as_str());
}

#[test]
fn grafana_reads_traces_and_so_does_the_command() {
    let (inside, tunnel) = start();
    play(&inside, now_ns());
    assert_eq!(tunnel.fetch("/api/echo", ""), b"echo");
    let now_s = now_ns() / 1_000_000_000;
    let span = format!("start={}&end={}", now_s - 600, now_s + 60);
    let found = tunnel.json(&format!("/api/search?q=%7B%7D&limit=3&{span}"));
    let traces = found["traces"].as_array().unwrap();
    assert_eq!(traces.len(), 3, "{found}");
    let id = traces[0]["traceID"].as_str().unwrap();
    let spans = |groups: &Value| -> usize {
        let groups = groups.as_array().unwrap().iter();
        let scopes = groups.flat_map(|group| group["scopeSpans"].as_array().unwrap());
        scopes.map(|scope| scope["spans"].as_array().unwrap().len()).sum()
    };
    let first = spans(&tunnel.json(&format!("/api/traces/{id}"))["batches"]);
    let second = tunnel.json(&format!("/api/v2/traces/{id}"));
    assert!(first > 1);
    assert_eq!(
        (spans(&second["trace"]["resourceSpans"]), &second["status"]),
        (first, &Value::Null)
    );
    let accept = "Accept: application/protobuf\r\n";
    let bare = tunnel.fetch(&format!("/api/traces/{id}"), accept);
    let wrapped = tunnel.fetch(&format!("/api/v2/traces/{id}"), accept);
    // v2 has the trace of v1 as its first field.
    assert_eq!((bare[0], wrapped[0]), (0x0a, 0x0a));
    assert!(wrapped.windows(bare.len()).any(|window| window == bare));

    let query = "{ resource.service.name =~ \".+\" }";
    let asked = inside.ask("alice", inside.channel, &["traceql", query, "--limit", "3"]);
    assert_eq!(asked.status.code(), Some(5), "{}", text(&asked.stderr));
    let asked: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(asked["traces"].as_array().unwrap().len(), 3, "{asked}");
}

/// Following is a question of its own: others are answered meanwhile, and it leaves a record.
#[test]
fn logcli_follows_what_comes() {
    let (inside, tunnel) = start();
    let start = now_ns() - 1_000_000_000;
    let target = format!("/loki/api/v1/tail?query={ALL}&start={start}&limit=400&delay_for=0");
    let mut socket = WebSocket::open(tunnel.at, &target).unwrap();
    let mut load = inside.site.send(&["--count", "20", "--batch", "20"]);
    assert_eq!(load.end(), Some(0));
    let message = socket.message();
    let stream = &message["streams"][0];
    assert_eq!(stream["stream"]["job"], "tee-processengine", "{message}");
    assert!(stream["values"][0][1].is_string(), "{message}");
    assert_eq!(tunnel.fetch("/ready", ""), b"ready\n");
    assert_eq!(socket.close(), Said::End(1000, String::new()));
    let asked = (1..60).map(|seq| inside.record(seq)).find(|it| it["verb"] == "loki").unwrap();
    assert_eq!(asked["event_type"], "access.query");

    let metric = "/loki/api/v1/tail?query=rate(%7Bjob%3D%22a%22%7D%5B1m%5D)";
    let mut refused = WebSocket::open(tunnel.at, metric).unwrap();
    let Said::End(1011, why) = refused.next() else { panic!("it is followed") };
    assert!(why.contains("the query must be one for log lines"), "{why}");
}
