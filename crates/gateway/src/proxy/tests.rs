//! The proxy over real sockets: what is carried, what is closed, and what is said about it.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Mutex;

use lucarne_platform::{Address, Stream, connect};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;
use crate::clock::SystemClock;

/// A running proxy with everything around it.
struct Bench {
    dir: TempDir,
    lines: Lines,
    metrics: Arc<Metrics>,
    addresses: Vec<String>,
    page: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    reload: watch::Sender<u64>,
    task: JoinHandle<()>,
}

/// What the proxy wrote.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn limits() -> Limits {
    Limits {
        connections_max: 8,
        connect_timeout: Duration::from_secs(5),
        idle_timeout: None,
        drain: Duration::from_millis(50),
    }
}

fn config(dir: &Path, routes: &[String], allowlist: &str, limits: Limits) -> (Config, Lines) {
    let (path, lines) = (dir.join("vsock-proxy.yaml"), Lines::default());
    std::fs::write(&path, allowlist).unwrap();
    let config = Config {
        routes: routes.iter().map(|route| route.parse().unwrap()).collect(),
        allowlist: path,
        metrics: Some("127.0.0.1:0".parse().unwrap()),
        family: Family::Any,
        limits,
        log: Log::new(Arc::new(SystemClock::start()), lines.clone()),
        log_to: None,
    };
    (config, lines)
}

impl Bench {
    async fn start(routes: &[String], allowlist: &str, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (config, lines) = config(dir.path(), routes, allowlist, limits);
        let proxy = Proxy::build(config).await.unwrap();
        let (metrics, addresses) = (proxy.metrics(), proxy.addresses());
        let page = proxy.metrics_address();
        let ((stop, stopped), (reload, reloads)) = (watch::channel(false), watch::channel(0));
        let task = tokio::spawn(proxy.run(stopped, reloads));
        Self { dir, lines, metrics, addresses, page, stop, reload, task }
    }

    async fn call(&self) -> Stream {
        connect(&self.addresses[0].parse().unwrap()).await.unwrap()
    }

    /// Stops, and returns the lines about connections as (status, reason, bytes up, bytes down).
    async fn finish(self) -> Vec<(String, Option<String>, u64, u64)> {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        let bytes = self.lines.0.lock().unwrap().clone();
        let lines = String::from_utf8(bytes).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap());
        let about_connections = lines.filter(|line: &serde_json::Value| {
            assert_eq!(line["job"], "vsock-proxy");
            line.get("bytes_up").is_some()
        });
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        about_connections
            .map(|line| {
                let number = |key: &str| line[key].as_u64().unwrap();
                let status = text(&line["status"]).unwrap();
                (status, text(&line["reason"]), number("bytes_up"), number("bytes_down"))
            })
            .collect()
    }

    /// Waits until a counter line of the metrics page says what is expected.
    async fn until(&self, line: &str) {
        let reached = async {
            while !self.metrics.text().lines().any(|it| it == line) {
                tokio::task::yield_now().await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(10), reached).await;
        assert_eq!(reached, Ok(()), "{line} not in\n{}", self.metrics.text());
    }
}

fn failed(reason: &str, up: u64, down: u64) -> (String, Option<String>, u64, u64) {
    ("error".to_owned(), Some(reason.to_owned()), up, down)
}

fn ended(reason: &str) -> String {
    format!("lucarne_proxy_connections_total{{status=\"error\",reason=\"{reason}\"}} 1")
}

/// A server that reads to the end and then answers with what it read, reversed.
async fn reverser() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        all.reverse();
        stream.write_all(&all).await.unwrap();
    });
    (address.to_string(), task)
}

fn listed(address: &str) -> String {
    let (host, port) = address.rsplit_once(':').unwrap();
    format!("allowlist:\n- {{address: \"{host}\", port: {port}}}\n")
}

fn to(address: &str) -> [String; 1] {
    [format!("tcp:127.0.0.1:0={address}")]
}

#[tokio::test]
async fn a_megabyte_goes_through_and_each_side_closes_by_itself() {
    let (address, server) = reverser().await;
    let bench = Bench::start(&to(&address), &listed(&address), limits()).await;
    let mut stream = bench.call().await;
    let sent: Vec<u8> = (0..1_000_003_u32).map(|at| at.to_le_bytes()[(at % 3) as usize]).collect();
    stream.write_all(&sent).await.unwrap();
    // The server answers only to the end of the input: closing one way must not close the other.
    stream.shutdown().await.unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.unwrap();
    got.reverse();
    assert!(got == sent, "{} bytes came back", got.len());
    server.await.unwrap();
    bench.until("lucarne_proxy_connections_total{status=\"ok\",reason=\"\"} 1").await;
    bench.until("lucarne_proxy_connections_open 0").await;
    let lines = bench.finish().await;
    assert_eq!(lines, [("ok".to_owned(), None, 1_000_003, 1_000_003)]);
}

#[tokio::test]
async fn unix_sockets_on_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let far = tokio::net::UnixListener::bind(path("far.sock")).unwrap();
    let route = [format!("unix:{}=unix:{}", path("near.sock"), path("far.sock"))];
    let list = format!("allowlist:\n- {{unix: {}}}\n", path("far.sock"));
    let bench = Bench::start(&route, &list, limits()).await;
    let mut near = bench.call().await;
    let (mut far, _) = far.accept().await.unwrap();
    near.write_all(b"up").await.unwrap();
    far.write_all(b"down").await.unwrap();
    let (mut up, mut down) = ([0; 2], [0; 4]);
    far.read_exact(&mut up).await.unwrap();
    near.read_exact(&mut down).await.unwrap();
    assert_eq!((&up, &down), (b"up", b"down"));
    drop((near, far));
    bench.until("lucarne_proxy_connections_open 0").await;
    assert_eq!(bench.finish().await, [("ok".to_owned(), None, 2, 4)]);
}

#[tokio::test]
async fn a_side_that_breaks_off_ends_the_other() {
    for near_breaks in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let bench = Bench::start(&to(&address), &listed(&address), limits()).await;
        let Address::Tcp(local) = bench.addresses[0].parse().unwrap() else { panic!("not TCP") };
        let mut near = tokio::net::TcpStream::connect(local).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        near.write_all(b"u").await.unwrap();
        far.write_all(b"d").await.unwrap();
        let (mut up, mut down) = ([0; 1], [0; 1]);
        far.read_exact(&mut up).await.unwrap();
        near.read_exact(&mut down).await.unwrap();
        let (broken, mut left) = if near_breaks { (near, far) } else { (far, near) };
        // A reset, as a killed machine's peer sees it, and not an orderly end.
        broken.set_zero_linger().unwrap();
        drop(broken);
        let mut byte = [0; 1];
        let seen = left.read(&mut byte).await.unwrap_or(0);
        assert_eq!(seen, 0, "near breaks: {near_breaks}");
        drop(left);
        bench.until("lucarne_proxy_connections_open 0").await;
        assert_eq!(bench.finish().await, [failed("cut", 1, 1)], "near breaks: {near_breaks}");
    }
}

#[tokio::test]
async fn an_entry_that_is_taken_out_closes_the_next_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let bench = Bench::start(&to(&address), &listed(&address), limits()).await;
    let list = bench.dir.path().join("vsock-proxy.yaml");

    // A list that cannot be read changes nothing.
    std::fs::write(&list, "allowlist: oops").unwrap();
    bench.reload.send_modify(|count| *count += 1);
    bench.until(&ended("allowlist")).await;
    let carried = bench.call().await;
    listener.accept().await.unwrap();
    drop(carried);
    bench.until("lucarne_proxy_connections_total{status=\"ok\",reason=\"\"} 1").await;

    std::fs::write(&list, "allowlist: []").unwrap();
    bench.reload.send_modify(|count| *count += 1);
    let said = Arc::clone(&bench.lines.0);
    while !String::from_utf8_lossy(&said.lock().unwrap()).contains("allow-list read again") {
        tokio::task::yield_now().await;
    }
    let mut refused = bench.call().await;
    let mut rest = Vec::new();
    refused.read_to_end(&mut rest).await.ok();
    assert_eq!(rest, b"");
    bench.until(&ended("not_allowed")).await;
    let lines = bench.finish().await;
    assert_eq!(lines, [("ok".to_owned(), None, 0, 0), failed("not_allowed", 0, 0)]);
}

#[tokio::test]
async fn a_place_that_is_not_there() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    for (address, reason) in [(gone.as_str(), "connect"), ("no-such-host.invalid:1", "resolve")] {
        let bench = Bench::start(&to(address), &listed(address), limits()).await;
        let mut stream = bench.call().await;
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
        bench.until(&ended(reason)).await;
        assert_eq!(bench.finish().await, [failed(reason, 0, 0)]);
    }
}

#[tokio::test]
async fn bounds_are_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let idle_timeout = Some(Duration::from_millis(30));
    let few = Limits { connections_max: 1, idle_timeout, ..limits() };
    let bench = Bench::start(&to(&address), &listed(&address), few).await;
    let mut first = bench.call().await;
    let (_far, _) = listener.accept().await.unwrap();
    let mut second = bench.call().await;
    assert_eq!(second.read(&mut [0; 1]).await.unwrap_or(0), 0);
    bench.until(&ended("busy")).await;
    // Nothing moves on the first: it is closed for that.
    assert_eq!(first.read(&mut [0; 1]).await.unwrap_or(0), 0);
    bench.until(&ended("idle")).await;
    assert_eq!(bench.finish().await, [failed("busy", 0, 0), failed("idle", 0, 0)]);
}

#[tokio::test]
async fn a_stop_ends_what_is_open_after_the_drain_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let bench = Bench::start(&to(&address), &listed(&address), limits()).await;
    let _near = bench.call().await;
    let _far = listener.accept().await.unwrap();
    assert_eq!(bench.finish().await, [failed("stopping", 0, 0)]);
}

#[tokio::test]
async fn the_page_shows_the_counters() {
    let bench = Bench::start(&to("127.0.0.1:1"), &listed("127.0.0.1:1"), limits()).await;
    let mut answers = Vec::new();
    for path in ["/metrics", "/health"] {
        let mut page = tokio::net::TcpStream::connect(bench.page.unwrap()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        page.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        page.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        answers.push(answer);
    }
    assert!(answers[0].contains("\nlucarne_proxy_connections_open 0\n"), "{}", answers[0]);
    assert!(answers[1].ends_with("{\"vsock-proxy\":\"healthy\"}\n"), "{}", answers[1]);
    assert_eq!(bench.finish().await, []);
}

async fn refused(routes: &[&str], allowlist: &str) -> (String, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let routes: Vec<String> = routes.iter().map(|route| (*route).to_owned()).collect();
    let (config, _) = config(dir.path(), &routes, allowlist, limits());
    let error = Proxy::build(config).await.map(|proxy| proxy.addresses()).unwrap_err();
    let place = format!("{}/", dir.path().display());
    let plain = |text: String| text.replace(&place, "");
    (plain(error.to_string()), error.hints().into_iter().map(plain).collect())
}

#[tokio::test]
async fn the_seed_names_two_hosts_and_is_told_so() {
    let list = "allowlist:\n- {address: \"otel-collector.internal.bizfirstai.com\", port: 4317}\n";
    let (error, hints) = refused(&["8080=otel-collector.internal:4317"], list).await;
    assert_eq!(
        error,
        "the command line and the allow-list name different places: the command says \
         otel-collector.internal:4317, vsock-proxy.yaml says \
         otel-collector.internal.bizfirstai.com:4317; nothing that is not listed is connected to"
    );
    assert_eq!(
        hints,
        [
            "to lead where the list says, give otel-collector.internal.bizfirstai.com:4317 as the \
             remote",
            "to allow otel-collector.internal:4317, add to vsock-proxy.yaml: - {address: \
             \"otel-collector.internal\", port: 4317}",
        ]
    );
}

#[tokio::test]
async fn what_cannot_start_is_refused() {
    let (error, hints) = refused(&["tcp:127.0.0.1:0=vsock:16:5005"], "allowlist: []").await;
    assert_eq!(
        error,
        "vsock:16:5005 is not in the allow-list vsock-proxy.yaml; nothing that is not listed is \
         connected to"
    );
    assert_eq!(hints, ["to allow vsock:16:5005, add to vsock-proxy.yaml: - {cid: 16, port: 5005}"]);
    assert_eq!(refused(&[], "allowlist: []").await.0, "no relay was given");
}

#[tokio::test]
async fn a_vsock_port_is_bound_where_the_kernel_has_vsock() {
    let dir = tempfile::tempdir().unwrap();
    let routes = ["4294967295=127.0.0.1:1".to_owned()];
    let (config, _) = config(dir.path(), &routes, &listed("127.0.0.1:1"), limits());
    match Proxy::build(config).await {
        Ok(proxy) => assert!(proxy.addresses()[0].starts_with("vsock:"), "{proxy:?}"),
        Err(StartError::Bind(error)) => {
            let text = error.to_string();
            assert!(text.contains("lacks the address family"), "{text}");
            writeln!(io::stderr(), "skipped: this kernel has no vsock").unwrap();
        }
        Err(error) => panic!("{error}"),
    }
}
