//! Items and a receiver for tests of exporters.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lucarne_ledger::identity::{EpochId, LedgerId, LedgerKind};
use lucarne_otlp::wire::Writer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::export::{Entry, Item, Origin, Record, Telemetry};

/// 2024-05-27T16:00:00Z, the time in seed 002.
pub(crate) const TIME_NS: u64 = 1_716_825_600_000_000_000;

pub(crate) fn origin(kind: LedgerKind) -> Arc<Origin> {
    let instance = "nitro-001-us-east".parse().unwrap();
    Arc::new(Origin {
        ledger: LedgerId { instance, epoch: EpochId([0xab; 16]), kind },
        thumbprint: "sha256:a1b2c3".into(),
        measurement: "c3d4e5".into(),
        batch_first: 42,
        batch_time_ns: TIME_NS,
        head_size: 50,
        head_root: "0f".repeat(32),
        seal: "a.seal".into(),
    })
}

pub(crate) fn record(kind: LedgerKind, index: u64, entry: Entry) -> Item {
    Item::Record(Record { origin: origin(kind), index, unsealed: false, entry })
}

pub(crate) fn message(write: impl FnOnce(&mut Writer<'_>)) -> Bytes {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out.into()
}

/// Appends `KeyValue` with text as field `number`.
pub(crate) fn text(number: u32, key: &str, value: &str, out: &mut Writer<'_>) {
    out.message(number, |entry| {
        entry.bytes(1, key.as_bytes());
        entry.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}

/// Appends `KeyValue` with an integer as field `number`.
pub(crate) fn int(number: u32, key: &str, value: u64, out: &mut Writer<'_>) {
    out.message(number, |entry| {
        entry.bytes(1, key.as_bytes());
        entry.message(2, |any| any.varint(3, value));
    });
}

pub(crate) fn telemetry(message: Bytes) -> Telemetry {
    let resource = self::message(|out| text(1, "service.name", "credit-engine", out));
    let scope = self::message(|out| out.bytes(1, b"workflow"));
    Telemetry { resource, scope, message }
}

/// A log record as in seed 002, `index` seconds after its time.
pub(crate) fn log(index: u64, severity: u64) -> Item {
    let message = message(|out| {
        out.fixed64(1, TIME_NS + index * 1_000_000_000);
        out.varint(2, severity);
        text(6, "executionId", "exec-abc-123", out);
        int(6, "durationMs", 342, out);
    });
    record(LedgerKind::Telemetry, index, Entry::Log(telemetry(message)))
}

pub(crate) fn span() -> Item {
    let message = message(|out| {
        out.bytes(1, &[0x11; 16]);
        out.bytes(2, &[0x22; 8]);
        out.bytes(4, &[0x33; 8]);
        out.bytes(5, b"node");
        out.varint(6, 2);
        out.fixed64(7, TIME_NS);
        out.fixed64(8, TIME_NS + 12_345_000);
        out.message(15, |status| status.varint(3, 2));
    });
    record(LedgerKind::Telemetry, 7, Entry::Span(telemetry(message)))
}

/// A cumulative counter with one point.
pub(crate) fn counter(index: u64, name: &str, value: u64) -> Item {
    sum(index, name, 2, value)
}

/// A monotonic sum with one point; `temporality` 1 is delta, 2 cumulative.
pub(crate) fn sum(index: u64, name: &str, temporality: u64, value: u64) -> Item {
    let message = message(|out| {
        out.bytes(1, name.as_bytes());
        out.message(7, |sum| {
            sum.message(1, |point| {
                point.fixed64(2, TIME_NS);
                point.fixed64(3, TIME_NS + index * 1_000_000_000);
                point.fixed64(6, value);
                text(7, "tenant_hash", "t_8f3a2b1c", point);
            });
            sum.varint(2, temporality);
            sum.varint(3, 1);
        });
    });
    record(LedgerKind::Telemetry, index, Entry::Metric(telemetry(message)))
}

pub(crate) fn histogram() -> Item {
    let message = message(|out| {
        out.bytes(1, b"bizfirst_workflow_duration_ms");
        out.bytes(3, b"ms");
        out.message(9, |histogram| {
            histogram.message(1, |point| {
                point.fixed64(3, TIME_NS);
                point.fixed64(4, 6);
                point.double(5, 900.5);
                for count in [1, 2, 3_u64] {
                    point.fixed64(6, count);
                }
                for bound in [100.0, 250.5] {
                    point.double(7, bound);
                }
            });
            histogram.varint(2, 2);
        });
    });
    record(LedgerKind::Telemetry, 9, Entry::Metric(telemetry(message)))
}

/// What a receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer: status, headers, body, trailers.
pub(crate) type Reply = (u16, &'static [(&'static str, &'static str)]);

/// A receiver on loopback that answers from a list, then always with its last entry.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    _serving: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start(replies: &[Reply]) -> Self {
        Self::serve(replies, None).await
    }

    pub(crate) async fn start_tls(replies: &[Reply], config: ServerConfig) -> Self {
        Self::serve(replies, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn serve(replies: &[Reply], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let replies = Arc::new(Mutex::new(replies.iter().copied().collect::<VecDeque<_>>()));
        let mut serving = JoinSet::new();
        let taken = Arc::clone(&got);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (got, replies) = (Arc::clone(&taken), Arc::clone(&replies));
                let service = service_fn(move |request: http::Request<Incoming>| {
                    answer(request, Arc::clone(&got), Arc::clone(&replies))
                });
                let tls = tls.clone();
                connections.spawn(async move {
                    let builder =
                        hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // A client that goes away ends its connection with an error; tests do that.
                    match tls {
                        None => drop(builder.serve_connection(TokioIo::new(stream), service).await),
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            drop(builder.serve_connection(TokioIo::new(stream), service).await);
                        }
                    }
                });
            }
        });
        Self { address, got, _serving: serving }
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn answer(
    request: http::Request<Incoming>,
    got: Arc<Mutex<Vec<Got>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
) -> Result<http::Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path().to_owned();
    got.lock().unwrap().push(Got { path, headers: head.headers, body });
    let mut replies = replies.lock().unwrap();
    let (status, headers) = match replies.len() {
        1 => replies[0],
        _ => replies.pop_front().unwrap(),
    };
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(Full::default()).unwrap())
}
