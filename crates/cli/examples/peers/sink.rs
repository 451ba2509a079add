//! Where everybody exports to: takes OTLP over gRPC and HTTP and Loki's push, and counts records.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lucarne_otlp::wire::{Reader, Value};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// A receiver that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    address: SocketAddr,
    records: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

impl Sink {
    /// Listens on loopback.
    ///
    /// # Errors
    /// In words, when there is no port.
    pub(crate) async fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let records = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&records);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&counted)));
            }
        });
        Ok(Self { address, records, _serving: serving })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has counted so many records.
    ///
    /// # Errors
    /// In words, when nothing more comes.
    pub(crate) async fn has(&self, wanted: u64) -> Result<(), String> {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let records = self.records.load(Ordering::Relaxed);
            if records >= wanted {
                return Ok(());
            }
            if records != last {
                (last, since) = (records, Instant::now());
            } else if since.elapsed() > PATIENCE {
                return Err(format!("of {wanted} records {records} arrived"));
            }
            sleep(LOOK).await;
        }
    }
}

async fn serve(stream: TcpStream, records: Arc<AtomicU64>) {
    // "PRI * HTTP/2.0" against "POST": the second byte tells the versions apart.
    let mut start = [0; 2];
    while matches!(stream.peek(&mut start).await, Ok(1)) {
        sleep(LOOK).await;
    }
    let service = service_fn(|request| answer(request, Arc::clone(&records)));
    let io = TokioIo::new(stream);
    // How a connection ends is the other side's affair.
    if start == *b"PR" {
        let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http2.serve_connection(io, service).await.ok();
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.ok();
    }
}

async fn answer(
    request: Request<Incoming>,
    records: Arc<AtomicU64>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let grpc = head.version == Version::HTTP_2;
    let is_loki = head.uri.path().ends_with("/push");
    let counted = if is_loki {
        let plain = snap::raw::Decoder::new().decompress_vec(&body).unwrap_or_default();
        count(&plain, &LOKI_ENTRIES)
    } else {
        let (is_compressed, message) = match body.split_at_checked(GRPC_PREFIX_BYTES) {
            Some((prefix, message)) if grpc => (prefix.first() == Some(&1), message),
            _ => (head.headers.contains_key("content-encoding"), &body[..]),
        };
        // Some compress whatever they are told.
        if is_compressed { count(&gunzip(message), &RECORDS) } else { count(message, &RECORDS) }
    };
    records.fetch_add(counted, Ordering::Relaxed);
    let mut response = Response::new(Full::new(Bytes::new()));
    if grpc {
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static("0"));
        *response.body_mut() = Full::new(Bytes::from_static(&[0; GRPC_PREFIX_BYTES]));
    } else if is_loki {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    Ok(response)
}

fn gunzip(message: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // What cannot be read holds no records, and the run fails for want of them.
    flate2::read::GzDecoder::new(message).read_to_end(&mut plain).ok();
    plain
}

/// The messages at the end of this path of field numbers.
fn count(message: &[u8], path: &[u32]) -> u64 {
    let Some((number, rest)) = path.split_first() else { return 1 };
    let (mut reader, mut found) = (Reader::new(message), 0);
    while let Ok(Some(field)) = reader.next_field() {
        if let (true, Value::Bytes(inner)) = (field.number == *number, field.value) {
            found += count(inner, rest);
        }
    }
    found
}

/// `resource_logs`, `scope_logs`, `log_records`.
const RECORDS: [u32; 3] = [1, 2, 2];
/// `streams`, `entries`.
const LOKI_ENTRIES: [u32; 2] = [1, 2];
const GRPC_PREFIX_BYTES: usize = 5;
const LOOK: Duration = Duration::from_millis(10);
/// Longer than anybody here gathers a batch.
const PATIENCE: Duration = Duration::from_secs(30);
