//! An OTLP client for generated load: unary gRPC framed by hand over HTTP/2, or HTTP/1.1 with
//! protobuf or JSON.
//!
//! Its one decision is what an answer means for the records of the request (`Outcome`): taken,
//! refused with nothing taken, unknown, or failed for good. A caller that counts must never
//! confuse the middle two.

pub mod connection;
pub mod endpoint;
#[doc(hidden)]
pub mod fuzzing;
pub mod outcome;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use lucarne_otlp::Signal;

use self::connection::Connection;
pub use self::endpoint::{Endpoint, EndpointError};
pub use self::outcome::{Outcome, Why};

/// The OTLP transports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// gRPC, usually port 4317.
    Grpc,
    /// Protobuf over HTTP/1.1, usually port 4318.
    HttpProtobuf,
    /// JSON over HTTP/1.1, usually port 4318.
    HttpJson,
}

/// Where and how to send.
#[derive(Clone, Debug)]
pub struct Options {
    /// Host and port.
    pub endpoint: Endpoint,
    /// The transport.
    pub protocol: Protocol,
    /// Value of the header `lucarne-durability`; none asks for nothing.
    pub durability: Option<&'static str>,
    /// Longest wait for one answer.
    pub timeout: Duration,
}

/// A client of one receiver. A clone shares the connection over gRPC and opens its own over
/// HTTP/1.1.
#[derive(Debug)]
pub struct Client {
    options: Options,
    connection: Connection,
}

impl Clone for Client {
    fn clone(&self) -> Self {
        let connection = match self.options.protocol {
            Protocol::Grpc => self.connection.share(),
            Protocol::HttpProtobuf | Protocol::HttpJson => Connection::http1(),
        };
        Self { options: self.options.clone(), connection }
    }
}

impl Client {
    /// A client that connects when it first sends.
    pub fn new(options: Options) -> Self {
        let connection = match options.protocol {
            Protocol::Grpc => Connection::http2(),
            Protocol::HttpProtobuf | Protocol::HttpJson => Connection::http1(),
        };
        Self { options, connection }
    }

    /// Sends one encoded `ExportXServiceRequest` (JSON text for [`Protocol::HttpJson`]) and judges
    /// the answer.
    pub async fn export(&mut self, signal: Signal, message: &[u8]) -> Outcome {
        let Ok(request) = self.request(signal, message) else {
            return Outcome::Failed(Why::Protocol("request cannot be expressed"));
        };
        // The receiver may use the whole time and still has to answer.
        let limit = self.options.timeout + ANSWER_GRACE;
        let authority = self.options.endpoint.authority();
        match tokio::time::timeout(limit, self.exchange(&authority, request)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unknown(Why::NoAnswer),
        }
    }

    async fn exchange(&mut self, authority: &str, request: Request<Full<Bytes>>) -> Outcome {
        if let Err(cause) = self.connection.open(authority).await {
            // Nothing was sent, so nothing was taken.
            return Outcome::Refused { after: None, why: Why::Connect(cause) };
        }
        let response = match self.connection.send(request).await {
            Ok(response) => response,
            Err(why) => return Outcome::Unknown(why),
        };
        let (head, body) = response.into_parts();
        let Ok(collected) = Limited::new(body, ANSWER_BYTES_MAX).collect().await else {
            return Outcome::Unknown(Why::Cut);
        };
        let trailers = collected.trailers().cloned();
        let body = collected.to_bytes();
        match self.options.protocol {
            Protocol::Grpc => judge_grpc(&head.headers, trailers.as_ref(), &body),
            Protocol::HttpProtobuf | Protocol::HttpJson => {
                judge_http(head.status, &head.headers, self.options.protocol, &body)
            }
        }
    }

    fn request(&self, signal: Signal, message: &[u8]) -> http::Result<Request<Full<Bytes>>> {
        let authority = self.options.endpoint.authority();
        let mut request = Request::post("/");
        if let Some(durability) = self.options.durability {
            request = request.header("lucarne-durability", durability);
        }
        match self.options.protocol {
            Protocol::Grpc => request
                .uri(format!("http://{authority}{}", grpc_path(signal)))
                .header(header::CONTENT_TYPE, "application/grpc")
                .header(header::TE, "trailers")
                .header("grpc-timeout", format!("{}m", self.options.timeout.as_millis()))
                .body(Full::new(grpc_frame(message))),
            Protocol::HttpProtobuf => request
                .uri(http_path(signal))
                .header(header::HOST, authority)
                .header(header::CONTENT_TYPE, "application/x-protobuf")
                .body(Full::new(Bytes::copy_from_slice(message))),
            Protocol::HttpJson => request
                .uri(http_path(signal))
                .header(header::HOST, authority)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::copy_from_slice(message))),
        }
    }
}

/// A response whose body has not been read.
pub(crate) type Answer = Response<Incoming>;

fn judge_grpc(headers: &HeaderMap, trailers: Option<&HeaderMap>, body: &[u8]) -> Outcome {
    // A refusal without a message comes as "trailers only": the status is then among the headers.
    let status_of = |map: &HeaderMap| map.get("grpc-status").and_then(number::<u32>);
    let trailers = trailers.filter(|map| map.contains_key("grpc-status")).unwrap_or(headers);
    let Some(status) = status_of(trailers) else {
        return Outcome::Failed(Why::Protocol("answer without grpc-status"));
    };
    if status == 0 {
        return match body.get(GRPC_PREFIX_BYTES..) {
            Some(message) => outcome::accepted_protobuf(message),
            None => Outcome::Failed(Why::Protocol("answer without a message")),
        };
    }
    let details = trailers.get("grpc-status-details-bin").map(HeaderValue::as_bytes);
    outcome::from_grpc_status(status, details)
}

fn judge_http(status: StatusCode, headers: &HeaderMap, protocol: Protocol, body: &[u8]) -> Outcome {
    if status != StatusCode::OK {
        let after = headers.get(header::RETRY_AFTER).and_then(number::<u64>);
        return outcome::from_http_status(status.as_u16(), after.map(Duration::from_secs));
    }
    match protocol {
        Protocol::HttpJson => outcome::accepted_json(body),
        Protocol::HttpProtobuf | Protocol::Grpc => outcome::accepted_protobuf(body),
    }
}

fn number<T: std::str::FromStr>(value: &HeaderValue) -> Option<T> {
    value.to_str().ok()?.trim().parse().ok()
}

fn grpc_frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(GRPC_PREFIX_BYTES + message.len());
    frame.put_u8(0); // not compressed
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

const fn grpc_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    }
}

const fn http_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/v1/logs",
        Signal::Metrics => "/v1/metrics",
        Signal::Traces => "/v1/traces",
    }
}

/// Compression flag and length before each gRPC message.
const GRPC_PREFIX_BYTES: usize = 5;

/// An answer is a few bytes; one that is longer is not OTLP.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How much longer than the deadline given to the receiver we wait for it to say so.
const ANSWER_GRACE: Duration = Duration::from_secs(1);
