//! The collector's receivers: `otlp` for telemetry of the host, and the uplink, which is the
//! gateway's own and has its settings there.

use std::net::SocketAddr;

use super::resolve::Resolve;
use super::section::Value;
use crate::config::ConfigError;

/// `receivers.otlp`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OtlpReceiver {
    /// Of OTLP/gRPC.
    pub grpc: Option<SocketAddr>,
    /// Of OTLP/HTTP.
    pub http: Option<SocketAddr>,
    /// The longest request, in bytes.
    pub request_bytes_max: Option<usize>,
    /// Where it is written.
    pub line: u64,
}

/// Reads `otlp`.
///
/// # Errors
/// With the line and name of what cannot be used.
pub(crate) fn otlp(at: &Value<'_>, resolve: &Resolve) -> Result<OtlpReceiver, ConfigError> {
    let mut options = at.section()?;
    let Some(protocols) = options.take("protocols") else {
        return Err(options.fault("expected `protocols`, found none"));
    };
    options.finish(&[])?;
    let mut protocols = protocols.section()?;
    let mut receiver =
        OtlpReceiver { grpc: None, http: None, request_bytes_max: None, line: at.line() };
    if let Some(grpc) = protocols.take("grpc") {
        let mut options = grpc.section()?;
        let endpoint = options.take("endpoint");
        receiver.grpc = Some(address(&grpc, endpoint.as_ref(), "localhost:4317", resolve)?);
        if let Some(size) = options.take("max_recv_msg_size_mib") {
            let bytes = size.integer(1, 64)? << 20;
            receiver.request_bytes_max = usize::try_from(bytes).ok();
        }
        options.finish(&INSTEAD)?;
    }
    if let Some(http) = protocols.take("http") {
        let mut options = http.section()?;
        let endpoint = options.take("endpoint");
        receiver.http = Some(address(&http, endpoint.as_ref(), "localhost:4318", resolve)?);
        options.finish(&INSTEAD)?;
    }
    if receiver.grpc.is_none() && receiver.http.is_none() {
        return Err(protocols.fault("expected `grpc` or `http`, found neither"));
    }
    protocols.finish(&[("thrift", "`grpc`")])?;
    Ok(receiver)
}

/// An address to listen on: `HOST:PORT`, after the overrides of the command line.
pub(crate) fn address(
    at: &Value<'_>,
    written: Option<&Value<'_>>,
    default: &str,
    resolve: &Resolve,
) -> Result<SocketAddr, ConfigError> {
    let text = written.map_or(Ok(default), Value::text)?;
    if let Some(address) = resolve.of(text) {
        return Ok(address);
    }
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(text).parse().map_err(|_| {
        let expected = format!("expected an address like 0.0.0.0:4317, found {text:?}");
        written.unwrap_or(at).fault(&expected)
    })
}

const INSTEAD: [(&str, &str); 5] = [
    ("tls", "an address of the loopback, or `--resolve` to one"),
    ("auth", "an address of the loopback"),
    ("transport", "`endpoint` with a TCP address"),
    ("cors", "`endpoint`"),
    ("max_request_body_size", "`grpc.max_recv_msg_size_mib`"),
];
