//! HTTP to the store, below the SDK: `hyper` with rustls on aws-lc-rs, as everywhere else.
//!
//! The SDK's own clients bring a second TLS stack, follow proxy variables and stream without bound.
//! Here an answer is held whole under a limit and one timer runs from the connect to its last byte,
//! so that nothing hangs and nothing grows. A connection is used again for a few seconds. Whether a
//! request without an answer was done is not guessed: [`Silence`] says that it is unknown.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;
use http::header::{HOST, HeaderValue, USER_AGENT};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::store::OBJECT_BYTES_MAX;

/// Why there is no whole answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Silence {
    /// No connection, so nothing was asked.
    Connect(std::io::ErrorKind),
    /// A connection, but no TLS.
    Tls,
    /// It took too long.
    Timeout,
    /// The connection ended before the answer was whole.
    Broken,
    /// The answer is larger than any object.
    TooLong,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(kind) => write!(f, "connect: {kind}"),
            Self::Tls => write!(f, "TLS handshake failed"),
            Self::Timeout => write!(f, "timed out"),
            Self::Broken => write!(f, "connection ended before the answer"),
            Self::TooLong => write!(f, "answer is too long"),
        }
    }
}

impl Error for Silence {}

/// Sends requests; clones share their connections.
#[derive(Clone)]
pub(super) struct Connector(Arc<Shared>);

struct Shared {
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    authority: String,
    since: Instant,
    connection: Connection,
}

struct Connection {
    sender: SendRequest<SdkBody>,
    /// Moves the bytes; ends with the connection.
    _driver: JoinSet<()>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("timeout", &self.0.timeout).finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector that connects when it first sends. `tls` is there when any request is `https`.
    pub(super) fn new(tls: Option<Arc<ClientConfig>>, timeout: Duration) -> Self {
        Self(Arc::new(Shared { tls, timeout, idle: Mutex::new(Vec::new()) }))
    }

    /// One request and its whole answer.
    pub(super) async fn exchange(
        &self,
        request: http::Request<SdkBody>,
    ) -> Result<http::Response<Bytes>, Silence> {
        tokio::time::timeout(self.0.timeout, self.exchange_untimed(request))
            .await
            .map_err(|_| Silence::Timeout)?
    }

    async fn exchange_untimed(
        &self,
        request: http::Request<SdkBody>,
    ) -> Result<http::Response<Bytes>, Silence> {
        let uri = request.uri().clone();
        let authority = uri.authority().map(ToString::to_string).ok_or(Silence::Broken)?;
        let request = in_origin_form(request, &authority)?;
        let mut connection = match self.used_before(&authority).await {
            Some(connection) => connection,
            None => self.connect(&uri).await?,
        };
        let response =
            connection.sender.send_request(request).await.map_err(|_| Silence::Broken)?;
        let (head, body) = response.into_parts();
        let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
            match error.downcast_ref::<http_body_util::LengthLimitError>() {
                Some(_) => Silence::TooLong,
                None => Silence::Broken,
            }
        })?;
        self.keep(authority, connection);
        Ok(http::Response::from_parts(head, collected.to_bytes()))
    }

    /// A connection that is still good; the store closes idle ones when it likes.
    async fn used_before(&self, authority: &str) -> Option<Connection> {
        loop {
            let mut idle = {
                let mut all = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
                all.retain(|one| one.since.elapsed() < IDLE_MAX && !one.connection.is_closed());
                let at = all.iter().position(|one| one.authority == authority)?;
                all.swap_remove(at)
            };
            if idle.connection.sender.ready().await.is_ok() {
                return Some(idle.connection);
            }
        }
    }

    fn keep(&self, authority: String, connection: Connection) {
        let mut all = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < IDLE_CONNECTIONS_MAX {
            all.push(Idle { authority, since: Instant::now(), connection });
        }
    }

    async fn connect(&self, uri: &http::Uri) -> Result<Connection, Silence> {
        let https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let stream = tokio::time::timeout(CONNECT_MAX, TcpStream::connect((host, port)))
            .await
            .map_err(|_| Silence::Connect(std::io::ErrorKind::TimedOut))?
            .map_err(|error| Silence::Connect(error.kind()))?;
        // Requests are written whole; waiting for more would only add delay.
        drop(stream.set_nodelay(true));
        if !https {
            return Connection::start(stream).await;
        }
        let config = self.0.tls.as_ref().ok_or(Silence::Tls)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Silence::Tls)?;
        let tls = TlsConnector::from(Arc::clone(config));
        Connection::start(tls.connect(name, stream).await.map_err(|_| Silence::Tls)?).await
    }
}

impl Connection {
    async fn start(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Silence> {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|_| Silence::Broken)?;
        let mut driver = JoinSet::new();
        // How a connection ends shows in the exchange that it ends.
        driver.spawn(async move { drop(connection.await) });
        Ok(Self { sender, _driver: driver })
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// HTTP/1.1 wants the path alone, and the host in a header.
fn in_origin_form(
    mut request: http::Request<SdkBody>,
    authority: &str,
) -> Result<http::Request<SdkBody>, Silence> {
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let path: http::Uri = path.parse().map_err(|_| Silence::Broken)?;
    *request.uri_mut() = path;
    let host = HeaderValue::from_str(authority).map_err(|_| Silence::Broken)?;
    request.headers_mut().insert(HOST, host);
    // The SDK's own text tells the store which compiler and system we run on.
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    Ok(request)
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        let failed = |silence: Silence| ConnectorError::other(silence.into(), None);
        HttpConnectorFuture::new(async move {
            let request =
                request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let answer = this.exchange(request).await.map_err(failed)?;
            HttpResponse::try_from(answer.map(SdkBody::from))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// What is believed about the other side of TLS; none when no authority could be read.
pub(super) fn trust(ca_file: Option<&Path>) -> Option<Arc<ClientConfig>> {
    let system = || SYSTEM_BUNDLES.iter().map(Path::new).find(|path| path.exists());
    let path = ca_file.or_else(system)?;
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).ok()?;
    // A system's bundle may hold a root that rustls does not take; the others still count.
    let (added, _) = roots.add_parsable_certificates(certificates.flatten());
    if added == 0 {
        return None;
    }
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(Arc::new(config))
}

/// The largest object, or a page of a thousand keys, whichever is more.
const ANSWER_BYTES_MAX: usize = OBJECT_BYTES_MAX;
/// A store that is there answers a connect within a second.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Stores close idle connections after five seconds and more.
const IDLE_MAX: Duration = Duration::from_secs(3);
/// As many as `archive pull` reads at once.
const IDLE_CONNECTIONS_MAX: usize = 16;
const AGENT: &str = concat!("lucarne/", env!("CARGO_PKG_VERSION"));
/// Where Debian, Red Hat and Alpine keep the certificates they trust.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
