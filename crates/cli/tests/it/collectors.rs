//! The other ends of all push exporters in one place: a Loki (protobuf and JSON), an OTLP receiver
//! (gRPC and HTTP) and a remote-write receiver, which take everything.
//!
//! Each body is handed on as it came and as it reads without its compression. Nothing is
//! interpreted: what a body means is the test's to say.

use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Who takes what comes: the exporter, the body on the wire, the body decompressed.
pub(crate) type Take = Arc<dyn Fn(&'static str, &[u8], &[u8]) + Send + Sync>;

pub(crate) const LOKI_PROTOBUF: &str = "Loki push, protobuf";
pub(crate) const LOKI_JSON: &str = "Loki push, JSON";
pub(crate) const OTLP_GRPC: &str = "OTLP/gRPC";
pub(crate) const OTLP_HTTP: &str = "OTLP/HTTP";
pub(crate) const REMOTE_WRITE: &str = "remote write";

/// Every exporter that pushes.
pub(crate) const PUSHED: [&str; 5] = [LOKI_PROTOBUF, LOKI_JSON, OTLP_GRPC, OTLP_HTTP, REMOTE_WRITE];

/// Receivers that listen until they are dropped.
pub(crate) struct Collectors {
    address: SocketAddr,
    _runtime: Runtime,
}

impl fmt::Debug for Collectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collectors").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Collectors {
    /// Listens on loopback.
    pub(crate) fn start(take: Take) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&take)));
            }
        });
        Self { address, _runtime: runtime }
    }

    /// Where they listen.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The elements of the gateway's list `exporters:` that push to these.
    pub(crate) fn exporters(&self) -> String {
        let at = format!("http://{}", self.address);
        format!(
            "- loki: {{ name: loki_protobuf, endpoint: \"{at}/loki-protobuf\" }}\n\
             - loki: {{ name: loki_json, format: json, endpoint: \"{at}/loki-json\" }}\n\
             - otlp_grpc: {{ endpoint: \"{at}\" }}\n\
             - otlp_http: {{ endpoint: \"{at}/otlp\" }}\n\
             - prometheus_remote_write: {{ endpoint: \"{at}/write\" }}\n"
        )
    }
}

async fn serve(stream: TcpStream, take: Take) {
    // "PRI * HTTP/2.0" against "POST": the second byte tells the versions apart.
    let mut start = [0; 2];
    while stream.peek(&mut start).await.unwrap() == 1 {}
    let service = service_fn(|request| answer(request, Arc::clone(&take)));
    let io = TokioIo::new(stream);
    // How a connection ends is the gateway's affair.
    if start == *b"PR" {
        let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http2.serve_connection(io, service).await.ok();
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.ok();
    }
}

async fn answer(
    request: Request<Incoming>,
    take: Take,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let exporter = match head.uri.path() {
        "/loki-protobuf" | "/loki/api/v1/push" => LOKI_PROTOBUF,
        "/loki-json" => LOKI_JSON,
        "/write" | "/api/v1/write" => REMOTE_WRITE,
        path if path.starts_with("/otlp/v1/") => OTLP_HTTP,
        path if head.version == Version::HTTP_2 && path.ends_with("Service/Export") => OTLP_GRPC,
        path => panic!("no exporter posts to {path}"),
    };
    let encoding = head.headers.get("content-encoding").map(HeaderValue::as_bytes);
    take(exporter, &body, &decoded(exporter, encoding, &body));
    let mut response = Response::new(Full::new(Bytes::new()));
    match exporter {
        OTLP_GRPC => {
            *response.body_mut() = Full::new(Bytes::from_static(&[0; 5]));
            // Clients take the status among the headers too.
            response.headers_mut().insert("grpc-status", HeaderValue::from_static("0"));
        }
        OTLP_HTTP => {}
        _ => *response.status_mut() = StatusCode::NO_CONTENT,
    }
    Ok(response)
}

fn decoded(exporter: &str, encoding: Option<&[u8]>, body: &[u8]) -> Vec<u8> {
    match encoding {
        Some(b"snappy") => snap::raw::Decoder::new().decompress_vec(body).unwrap(),
        Some(b"gzip") => {
            let mut out = Vec::new();
            flate2::read::GzDecoder::new(body).read_to_end(&mut out).unwrap();
            out
        }
        None if exporter == OTLP_GRPC => body[5..].to_vec(),
        Some(_) | None => panic!("{exporter} is compressed with {encoding:?}"),
    }
}
