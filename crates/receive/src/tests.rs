//! Both receivers over real sockets, with raw clients: HTTP/1.1 written by hand and HTTP/2 frames.

mod bad;
mod good;
mod limits;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::{Reader, Writer};
use lucarne_platform::Address;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Config, Counters, Limits, Reason, Receiver};
use crate::intake::{Accepted, Durability, Intake, Raw, Refusal};

/// Keeps what it is given after walking it as the pipeline does, or refuses as it is told.
#[derive(Debug)]
pub(super) struct Sink {
    taken: Mutex<Vec<(Signal, Bytes, Durability)>>,
    answer: Mutex<fn() -> Result<Accepted, Refusal>>,
    /// While it is closed, requests wait inside.
    open: watch::Sender<bool>,
    /// Requests that came in.
    entered: watch::Sender<u32>,
}

impl Default for Sink {
    fn default() -> Self {
        Self {
            taken: Mutex::default(),
            answer: Mutex::new(|| Ok(Accepted::default())),
            open: watch::Sender::new(true),
            entered: watch::Sender::new(0),
        }
    }
}

impl Intake for Sink {
    async fn accept(
        &self,
        signal: Signal,
        request: Raw<Bytes>,
        durability: Durability,
    ) -> Result<Accepted, Refusal> {
        self.entered.send_modify(|count| *count += 1);
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        let mut reader = Reader::new(request.inner());
        let walk = std::iter::from_fn(|| reader.next_field().transpose());
        let fields = walk.collect::<Result<Vec<_>, _>>();
        fields.map_err(|error| Refusal::Malformed(error.to_string()))?;
        self.taken.lock().unwrap().push((signal, request.inner().clone(), durability));
        let answer = *self.answer.lock().unwrap();
        answer()
    }
}

impl Sink {
    fn take(&self) -> Vec<(Signal, Bytes, Durability)> {
        std::mem::take(&mut self.taken.lock().unwrap())
    }

    async fn entered(&self, count: u32) {
        self.entered.subscribe().wait_for(|entered| *entered >= count).await.unwrap();
    }
}

/// Receivers that run, and the sink behind them.
struct Server {
    grpc: SocketAddr,
    http: SocketAddr,
    sink: Arc<Sink>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Server {
    fn start(limits: Limits) -> Self {
        let loopback = Address::Tcp(([127, 0, 0, 1], 0).into());
        let config = Config { grpc: Some(loopback.clone()), http: Some(loopback), limits };
        let receiver = Receiver::bind(&config).unwrap();
        let [grpc, http] = [receiver.grpc_address(), receiver.http_address()];
        let (grpc, http) = (tcp(grpc.unwrap()), tcp(http.unwrap()));
        let (sink, counters) = (Arc::new(Sink::default()), receiver.counters());
        let (stop, told) = watch::channel(false);
        let running = tokio::spawn(receiver.run(Arc::clone(&sink), told));
        Self { grpc, http, sink, counters, stop, running }
    }

    /// What was refused, by reason, without the zeros.
    fn refused(&self) -> BTreeMap<Reason, u64> {
        let snapshot = self.counters.snapshot();
        let all = Reason::ALL.map(|reason| (reason, snapshot.refused(reason)));
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.running.await.unwrap();
    }
}

fn tcp(address: &Address) -> SocketAddr {
    let Address::Tcp(address) = address else { panic!("{address} is not TCP") };
    *address
}

/// An answer of HTTP/1.1.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let field = |line: &'_ str| {
            let (key, _) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(key.len() + 2)
        };
        self.head.lines().find_map(|line| field(line).map(|start| &line[start..]))
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends bytes, and reads the one answer until the server closes.
async fn raw(to: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request).await.unwrap();
    read_answer(&mut stream).await
}

async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {ended:?} after {} bytes", bytes.len()));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

/// The head of an HTTP/1.1 request after which the server closes.
fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    (head + "\r\n").into_bytes()
}

async fn post(to: SocketAddr, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
    let length = body.len().to_string();
    let fields = [fields, &[("content-length", &length)]].concat();
    raw(to, &[&head("POST", path, &fields)[..], body].concat()).await
}

/// An answer of HTTP/2.
#[derive(Debug, Eq, PartialEq)]
struct Reply {
    status: u16,
    head: http::HeaderMap,
    body: Vec<u8>,
    trailers: http::HeaderMap,
}

impl Reply {
    /// `grpc-status`, wherever it is.
    fn grpc(&self) -> u16 {
        let status = self.trailers.get("grpc-status").or_else(|| self.head.get("grpc-status"));
        status.unwrap().to_str().unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name).map(|value| value.to_str().unwrap())
    }

    /// `google.rpc.Status` of `grpc-status-details-bin`.
    fn details(&self) -> Vec<u8> {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
        engine.decode(self.header("grpc-status-details-bin").unwrap()).unwrap()
    }
}

/// One HTTP/2 connection.
struct Client {
    send: h2::client::SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    async fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        Self { send, connection: tokio::spawn(connection) }
    }

    /// Sends the head, and leaves the body to the caller.
    async fn begin(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        let mut request = http::Request::post(format!("http://h{path}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        std::future::poll_fn(|context| self.send.poll_ready(context)).await.unwrap();
        self.send.send_request(request.body(()).unwrap(), false).unwrap()
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)], pieces: &[&[u8]]) -> Reply {
        let (response, mut stream) = self.begin(path, fields).await;
        for piece in pieces {
            // The server may have answered and closed its end; the answer tells.
            let _unsent = stream.send_data(Bytes::copy_from_slice(piece), false).err();
        }
        let _unsent = stream.send_data(Bytes::new(), true).err();
        reply(response).await
    }
}

async fn reply(response: h2::client::ResponseFuture) -> Reply {
    let (head, mut stream) = response.await.unwrap().into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        body.extend_from_slice(&data.unwrap());
    }
    let trailers = stream.trailers().await.unwrap().unwrap_or_default();
    Reply { status: head.status.as_u16(), head: head.headers, body, trailers }
}

/// A message as gRPC frames it.
fn framed(compressed: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[compressed][..], &length, message].concat()
}

async fn call(to: SocketAddr, signal: Signal, fields: &[(&str, &str)], body: &[u8]) -> Reply {
    let fields = [&[("content-type", "application/grpc")], fields].concat();
    Client::connect(to).await.post(service(signal), &fields, &[body]).await
}

const SIGNALS: [Signal; 3] = [Signal::Logs, Signal::Metrics, Signal::Traces];
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

const fn service(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    }
}

const fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/v1/logs",
        Signal::Metrics => "/v1/metrics",
        Signal::Traces => "/v1/traces",
    }
}

/// A request with one item in it.
fn sample(signal: Signal) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |resource| {
        resource.message(2, |scope| {
            scope.message(2, |item| match signal {
                Signal::Logs => {
                    item.fixed64(1, 1);
                    item.message(5, |body| body.bytes(1, b"workflow started"));
                }
                Signal::Metrics => {
                    item.bytes(1, b"steps");
                    item.message(7, |sum| sum.message(1, |point| point.fixed64(6, 42)));
                }
                Signal::Traces => {
                    item.bytes(1, &[1; 16]);
                    item.bytes(2, &[2; 8]);
                    item.bytes(5, b"node");
                }
            });
        });
    });
    out
}

/// The same requests as JSON.
const fn sample_json(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => {
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
                {"timeUnixNano":"1","body":{"stringValue":"workflow started"}}]}]}]}"#
        }
        Signal::Metrics => {
            r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
                {"name":"steps","sum":{"dataPoints":[{"asInt":"42"}]}}]}]}]}"#
        }
        Signal::Traces => {
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
                {"traceId":"01010101010101010101010101010101","spanId":"0202020202020202",
                 "name":"node"}]}]}]}"#
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).unwrap()
}
