//! Asks the workload whether it lives: an HTTP GET, a TCP connection, or a gRPC health check.
//!
//! The target is a literal address or `localhost`. Names are refused: the host would answer for
//! them, and the question itself would leave the TEE. The answer's content is never kept.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use lucarne_ledger::control::Workload;
use lucarne_otlp::wire::{Reader, Value, Writer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, timeout};

use crate::journal;

/// What is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Check {
    /// `http://127.0.0.1:8080/health`: answers GET with 2xx.
    Http {
        /// Whom.
        target: Target,
        /// Path and query, from the slash.
        path: String,
    },
    /// `tcp:127.0.0.1:5432`: takes a connection.
    Tcp(Target),
    /// `grpc://127.0.0.1:50051/package.Service`: `grpc.health.v1.Health/Check` answers `SERVING`.
    Grpc {
        /// Whom.
        target: Target,
        /// The service asked about; empty for the server as a whole.
        service: String,
    },
}

/// A literal address, or both of `localhost`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    authority: String,
    addresses: Vec<SocketAddr>,
}

/// Asks at once and then in every interval, and tells each change, until `stop` turns true or its
/// sender is gone.
pub async fn run(
    check: Check,
    interval: Duration,
    patience: Duration,
    told: watch::Sender<Workload>,
    mut stop: watch::Receiver<bool>,
) {
    let asking = async {
        // A zero interval would not be a pause at all.
        let mut ticks = tokio::time::interval(interval.max(INTERVAL_MIN));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let answer = check.ask(patience).await;
            tell(&told, &answer);
        }
    };
    tokio::select! {
        () = asking => {}
        () = async { drop(stop.wait_for(|stopping| *stopping).await) } => {}
    }
}

fn tell(told: &watch::Sender<Workload>, answer: &Result<(), ProbeError>) {
    let state = if answer.is_ok() { Workload::Healthy } else { Workload::NotResponding };
    let changed = told.send_if_modified(|current| std::mem::replace(current, state) != state);
    match answer {
        Err(error) if changed => journal::warn("workload", error),
        Ok(()) if changed => journal::info("workload", &"healthy"),
        Ok(()) | Err(_) => {}
    }
}

impl Check {
    /// Asks once.
    ///
    /// # Errors
    /// When the workload did not answer, not in time, or not that it is well.
    pub async fn ask(&self, patience: Duration) -> Result<(), ProbeError> {
        let answer = async {
            match self {
                Self::Http { target, path } => http(target, path).await,
                Self::Tcp(target) => target.connect().await.map(drop),
                Self::Grpc { target, service } => grpc(target, service).await,
            }
        };
        timeout(patience, answer).await.unwrap_or(Err(ProbeError::Silent))
    }
}

impl FromStr for Check {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<Self, CheckError> {
        if let Some(rest) = text.strip_prefix("http://") {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let path = if path.is_empty() { "/" } else { path };
            // What is not printable ASCII would break the request line.
            if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(CheckError::Path { got: text.to_owned() });
            }
            return Ok(Self::Http { target: authority.parse()?, path: path.to_owned() });
        }
        if let Some(rest) = text.strip_prefix("tcp:") {
            return Ok(Self::Tcp(rest.parse()?));
        }
        if let Some(rest) = text.strip_prefix("grpc://") {
            let (authority, service) = rest.split_once('/').unwrap_or((rest, ""));
            return Ok(Self::Grpc { target: authority.parse()?, service: service.to_owned() });
        }
        Err(CheckError::Scheme { got: text.to_owned() })
    }
}

impl Target {
    async fn connect(&self) -> Result<TcpStream, ProbeError> {
        TcpStream::connect(self.addresses.as_slice()).await.map_err(ProbeError::Connect)
    }
}

impl FromStr for Target {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<Self, CheckError> {
        let authority = text.to_owned();
        if let Ok(address) = text.parse() {
            return Ok(Self { authority, addresses: vec![address] });
        }
        let port = text.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok());
        let Some(port) = port else { return Err(CheckError::Target { got: authority }) };
        let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        Ok(Self { authority, addresses: both.map(|ip| SocketAddr::new(ip, port)).to_vec() })
    }
}

/// Why a text is not a check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CheckError {
    /// None of the three kinds.
    Scheme {
        /// The text.
        got: String,
    },
    /// Not a literal address with a port.
    Target {
        /// The part that should be.
        got: String,
    },
    /// A path with characters that a request line cannot carry.
    Path {
        /// The text.
        got: String,
    },
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme { got } => write!(
                f,
                "{got:?} is not a check: expected http://ADDRESS:PORT/PATH, tcp:ADDRESS:PORT or \
                 grpc://ADDRESS:PORT/SERVICE"
            ),
            Self::Target { got } => write!(
                f,
                "{got:?} is not a literal address and port such as 127.0.0.1:8080 (localhost is \
                 known, other names are not resolved)"
            ),
            Self::Path { got } => write!(f, "the path of {got:?} is not printable ASCII"),
        }
    }
}

impl Error for CheckError {}

/// Why the workload does not count as healthy.
#[derive(Debug)]
pub enum ProbeError {
    /// No connection.
    Connect(io::Error),
    /// No answer in time.
    Silent,
    /// The connection broke before the answer.
    Broken(io::Error),
    /// The answer is not HTTP.
    NotHttp,
    /// An HTTP status other than 2xx.
    Status(u16),
    /// HTTP/2 failed.
    Http2(h2::Error),
    /// The gRPC call failed with this status; `None`: the answer has none.
    GrpcStatus(Option<u16>),
    /// The service answered this state instead of `SERVING`, 1.
    NotServing(u64),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "does not take connections: {}", error.kind()),
            Self::Silent => write!(f, "does not answer in time"),
            Self::Broken(error) => write!(f, "broke the connection: {}", error.kind()),
            Self::NotHttp => write!(f, "does not answer in HTTP"),
            Self::Status(status) => write!(f, "answers with status {status}"),
            Self::Http2(_) => write!(f, "does not speak HTTP/2 to the end"),
            Self::GrpcStatus(Some(status)) => write!(f, "answers with gRPC status {status}"),
            Self::GrpcStatus(None) => write!(f, "answers without a gRPC status"),
            Self::NotServing(state) => write!(f, "answers with serving status {state}"),
        }
    }
}

impl Error for ProbeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) | Self::Broken(error) => Some(error),
            Self::Http2(error) => Some(error),
            Self::Silent
            | Self::NotHttp
            | Self::Status(_)
            | Self::GrpcStatus(_)
            | Self::NotServing(_) => None,
        }
    }
}

async fn http(target: &Target, path: &str) -> Result<(), ProbeError> {
    let mut stream = target.connect().await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: lucarne-probe\r\nconnection: close\r\n\r\n",
        target.authority
    );
    stream.write_all(request.as_bytes()).await.map_err(ProbeError::Broken)?;
    let mut start = [0; STATUS_LINE_BYTES];
    stream.read_exact(&mut start).await.map_err(ProbeError::Broken)?;
    match status(&start).ok_or(ProbeError::NotHttp)? {
        200..300 => Ok(()),
        other => Err(ProbeError::Status(other)),
    }
}

/// Reads bytes as each of the answers that there are.
pub(crate) fn judge_bytes(answer: &[u8]) {
    if let Some(start) = answer.first_chunk() {
        assert!(status(start).is_none_or(|status| status <= 999), "three digits");
    }
    let _state = serving_status(answer);
}

/// The status out of `HTTP/1.1 200`; the rest of the answer is not read.
fn status(start: &[u8; STATUS_LINE_BYTES]) -> Option<u16> {
    let rest = start.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', digits @ ..] = rest else { return None };
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

async fn grpc(target: &Target, service: &str) -> Result<(), ProbeError> {
    let stream = target.connect().await?;
    let (mut send, connection) = h2::client::handshake(stream).await.map_err(ProbeError::Http2)?;
    let call = async {
        std::future::poll_fn(|context| send.poll_ready(context)).await?;
        let request = http::Request::post(format!("http://{}{HEALTH}", target.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(());
        let Ok(request) = request else { return Ok(Err(ProbeError::NotHttp)) };
        let (response, mut body) = send.send_request(request, false)?;
        body.send_data(health_request(service), true)?;
        health_answer(response).await
    };
    let mut call = pin!(call);
    let answer = tokio::select! {
        answer = &mut call => answer,
        // Over or broken: what has come is still there, and the rest of the call is an error.
        _ = connection => call.await,
    };
    answer.map_err(ProbeError::Http2)?
}

/// `HealthCheckRequest`, framed.
fn health_request(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        Writer::new(&mut message).bytes(1, service.as_bytes());
    }
    // A service name is a line of a configuration file: its length fits.
    let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
    [&[0][..], &length, &message].concat().into()
}

async fn health_answer(
    response: h2::client::ResponseFuture,
) -> Result<Result<(), ProbeError>, h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let mut framed = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        let room = ANSWER_BYTES_MAX.saturating_sub(framed.len());
        framed.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let status = trailers.get("grpc-status").or_else(|| head.headers.get("grpc-status"));
    let status = status.and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(match status {
        Some(0) => match serving_status(&framed) {
            SERVING => Ok(()),
            other => Err(ProbeError::NotServing(other)),
        },
        other => Err(ProbeError::GrpcStatus(other)),
    })
}

/// The `status` of a framed `HealthCheckResponse`; 0, unknown, where it has none.
fn serving_status(framed: &[u8]) -> u64 {
    let mut reader = Reader::new(framed.get(PREFIX_BYTES..).unwrap_or_default());
    let mut status = 0;
    while let Ok(Some(field)) = reader.next_field() {
        if let (1, Value::Varint(value)) = (field.number, field.value) {
            status = value;
        }
    }
    status
}

const HEALTH: &str = "/grpc.health.v1.Health/Check";
/// `ServingStatus.SERVING` of `grpc.health.v1`.
const SERVING: u64 = 1;
const PREFIX_BYTES: usize = 5;
/// A `HealthCheckResponse` has two bytes; what is longer is not read on.
const ANSWER_BYTES_MAX: usize = 256;
/// `HTTP/1.1 200`.
const STATUS_LINE_BYTES: usize = 12;
/// The shortest pause between two checks.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
