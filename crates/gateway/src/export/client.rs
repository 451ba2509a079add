//! The HTTP client of the exporters: one connection to one receiver, one request at a time.
//!
//! An exporter sends in order, so a pool would buy nothing. HTTP/1.1 for Loki, remote write and
//! OTLP/HTTP, HTTP/2 for gRPC, TLS by rustls on aws-lc-rs. It follows no redirects, reads no proxy
//! variables, and keeps at most 64 KiB of an answer. The text of an answer is never
//! logged: receivers like to quote what they refuse.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// A receiver, fully checked: nothing of it can fail later but the network.
#[derive(Clone)]
pub struct Endpoint {
    /// Scheme, host and path.
    pub uri: Uri,
    /// Present for `https`.
    pub tls: Option<Arc<ClientConfig>>,
    /// Added to every request.
    pub headers: HeaderMap,
    /// Read anew for each connection, so that a rotated token needs no restart.
    pub bearer_token_file: Option<PathBuf>,
    /// For connecting, and for a request until the end of its answer.
    pub timeout: Duration,
    /// The version to speak.
    pub version: Version,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers may be credentials.
        f.debug_struct("Endpoint").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// The version of HTTP that a receiver speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, by ALPN or with prior knowledge.
    Http2,
}

/// What a receiver answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers; the trailers, if there are any, are merged in.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer. All of it may be gone at the next attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientError {
    /// The token file could not be read, or holds no token.
    Token(std::io::ErrorKind),
    /// No connection.
    Connect(std::io::ErrorKind),
    /// A connection, but no TLS: certificate, name or version do not fit.
    Tls,
    /// The receiver took too long.
    Timeout,
    /// The connection ended or broke the protocol before the answer was whole.
    Broken,
    /// The answer is longer than any receiver has reason to send.
    AnswerTooLong,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(kind) => write!(f, "read bearer token file: {kind}"),
            Self::Connect(kind) => write!(f, "connect: {kind}"),
            Self::Tls => write!(f, "TLS handshake failed"),
            Self::Timeout => write!(f, "timed out"),
            Self::Broken => write!(f, "connection ended before the answer"),
            Self::AnswerTooLong => write!(f, "answer is too long"),
        }
    }
}

impl std::error::Error for ClientError {}

/// A client of one receiver.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    connection: Option<Connection>,
    /// Where the host is, if the command line says so.
    connect_to: Option<SocketAddr>,
}

impl Client {
    /// A client that connects when it first sends.
    pub const fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, connection: None, connect_to: None }
    }

    /// The same, where the host is found at this address.
    pub const fn at(mut self, address: Option<SocketAddr>) -> Self {
        self.connect_to = address;
        self
    }

    /// Posts `body` to the endpoint's path followed by `path`.
    ///
    /// # Errors
    /// When there was no whole answer. It is then unknown whether the receiver has taken the body.
    pub async fn post(
        &mut self,
        path: &str,
        headers: &[(&'static str, &'static str)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let timeout = self.endpoint.timeout;
        // Taken out, so that any failure and a dropped call leave no half-used connection behind.
        let mut connection = match self.connection.take().filter(|c| !c.sender.is_closed()) {
            Some(connection) => connection,
            None => {
                tokio::time::timeout(timeout, Connection::open(&self.endpoint, self.connect_to))
                    .await
                    .map_err(|_| ClientError::Timeout)??
            }
        };
        let request = self.request(path, headers, body, connection.token.clone())?;
        let answer = tokio::time::timeout(timeout, connection.sender.exchange(request))
            .await
            .map_err(|_| ClientError::Timeout)??;
        // A refused token is read anew, with the next connection.
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status);
        if !refused {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    fn request(
        &self,
        path: &str,
        headers: &[(&'static str, &'static str)],
        body: Bytes,
        token: Option<HeaderValue>,
    ) -> Result<http::Request<Full<Bytes>>, ClientError> {
        let uri = &self.endpoint.uri;
        let base = uri.path().trim_end_matches('/');
        let target = match (self.endpoint.version, base.is_empty() && path.is_empty()) {
            (Version::Http1, false) => format!("{base}{path}"),
            (Version::Http1, true) => "/".to_owned(),
            (Version::Http2, _) => {
                let scheme = uri.scheme_str().unwrap_or("http");
                format!("{scheme}://{}{base}{path}", authority(uri))
            }
        };
        let mut request = http::Request::builder()
            .method(Method::POST)
            .uri(target)
            .body(Full::new(body))
            .map_err(|_| ClientError::Broken)?;
        let out = request.headers_mut();
        out.extend(self.endpoint.headers.clone());
        for &(name, value) in headers {
            out.insert(name, HeaderValue::from_static(value));
        }
        out.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if self.endpoint.version == Version::Http1
            && let Ok(host) = HeaderValue::from_str(authority(uri))
        {
            out.insert(HOST, host);
        }
        if let Some(token) = token {
            out.insert(AUTHORIZATION, token);
        }
        Ok(request)
    }
}

#[derive(Debug)]
struct Connection {
    sender: Sender,
    token: Option<HeaderValue>,
    /// Moves the bytes; ends with the connection.
    _driver: JoinSet<()>,
}

impl Connection {
    async fn open(
        endpoint: &Endpoint,
        connect_to: Option<SocketAddr>,
    ) -> Result<Self, ClientError> {
        let token = match &endpoint.bearer_token_file {
            Some(path) => Some(bearer(path).await?),
            None => None,
        };
        let host = endpoint.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = endpoint.uri.port_u16().unwrap_or(if endpoint.tls.is_some() { 443 } else { 80 });
        let connecting = async {
            match connect_to {
                Some(address) => TcpStream::connect(address).await,
                None => TcpStream::connect((host, port)).await,
            }
        };
        let stream = connecting.await.map_err(|error| ClientError::Connect(error.kind()))?;
        // Requests are written whole; waiting for more would only add delay.
        drop(stream.set_nodelay(true));
        let mut driver = JoinSet::new();
        let sender = match &endpoint.tls {
            None => Sender::start(stream, endpoint.version, &mut driver).await?,
            Some(config) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| ClientError::Tls)?;
                let tls = TlsConnector::from(Arc::clone(config));
                let stream = tls.connect(name, stream).await.map_err(|_| ClientError::Tls)?;
                Sender::start(stream, endpoint.version, &mut driver).await?
            }
        };
        Ok(Self { sender, token, _driver: driver })
    }
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    async fn start(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        version: Version,
        driver: &mut JoinSet<()>,
    ) -> Result<Self, ClientError> {
        let io = TokioIo::new(stream);
        // How a connection ends shows in the exchange that it ends; the driver's word adds nothing.
        match version {
            Version::Http1 => {
                let (sender, connection) =
                    http1::handshake(io).await.map_err(|_| ClientError::Broken)?;
                driver.spawn(async move { drop(connection.await) });
                Ok(Self::Http1(sender))
            }
            Version::Http2 => {
                let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .keep_alive_interval(KEEP_ALIVE)
                    .handshake(io)
                    .await
                    .map_err(|_| ClientError::Broken)?;
                driver.spawn(async move { drop(connection.await) });
                Ok(Self::Http2(sender))
            }
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }

    async fn exchange(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<Answer, ClientError> {
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await.map_err(|_| ClientError::Broken)?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await.map_err(|_| ClientError::Broken)?;
                sender.send_request(request).await
            }
        };
        let (head, body) = response.map_err(|_| ClientError::Broken)?.into_parts();
        let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
            match error.downcast_ref::<http_body_util::LengthLimitError>() {
                Some(_) => ClientError::AnswerTooLong,
                None => ClientError::Broken,
            }
        })?;
        let mut headers = head.headers;
        if let Some(trailers) = collected.trailers() {
            headers.extend(trailers.clone());
        }
        Ok(Answer { status: head.status, headers, body: collected.to_bytes() })
    }
}

fn authority(uri: &Uri) -> &str {
    uri.authority().map_or("", http::uri::Authority::as_str)
}

async fn bearer(path: &Path) -> Result<HeaderValue, ClientError> {
    let token = tokio::fs::read_to_string(path).await.map_err(|e| ClientError::Token(e.kind()))?;
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))
        .map_err(|_| ClientError::Token(std::io::ErrorKind::InvalidData))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Receivers answer with a line or an empty message.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Finds a dead HTTP/2 connection before the next batch does.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const AGENT: &str = concat!("lucarne/", env!("CARGO_PKG_VERSION"));
