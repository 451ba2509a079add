//! One HTTP exchange with something that the catalogue names: bounded in size and time, over a
//! connection of its own. It follows no redirects and reads no proxy variables.
//!
//! Texts of the catalogue may hold `{names}`; what fills them is escaped for where it stands, so
//! that no argument can change which address is asked or end a JSON text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What fills `{names}`.
pub type Names = BTreeMap<String, String>;

/// Where to ask, and what.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// `http://` or, with `ca`, `https://`.
    pub url: String,
    /// GET unless it says otherwise.
    #[serde(default = "get")]
    pub method: String,
    /// JSON, with `{names}` inside of its texts.
    pub body: Option<String>,
    /// The file with a bearer token.
    pub token_file: Option<PathBuf>,
    /// PEM file of the roots for `https`.
    pub ca: Option<PathBuf>,
    /// Statuses that are a yes; absent: 200 to 299.
    #[serde(default)]
    pub statuses: Vec<u16>,
}

fn get() -> String {
    "GET".to_owned()
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
    /// Milliseconds from the first packet to the last.
    pub took_ms: u64,
}

/// Why nothing came back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExchangeError {
    /// The address, a root or a token cannot be used.
    Target,
    /// Nobody answers there.
    Connect,
    /// TLS was refused, here or there.
    Tls,
    /// What answers speaks no HTTP, or stopped.
    Http,
    /// More than is read.
    TooLong,
    /// Too late.
    Late,
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Target => "address, root or token cannot be used",
            Self::Connect => "nobody answers",
            Self::Tls => "TLS failed",
            Self::Http => "no HTTP answer",
            Self::TooLong => "answer is longer than 16 MiB",
            Self::Late => "timed out",
        })
    }
}

impl std::error::Error for ExchangeError {}

impl Call {
    /// A GET of an address.
    pub const fn get(url: String) -> Self {
        let method = String::new();
        Self { url, method, body: None, token_file: None, ca: None, statuses: Vec::new() }
    }

    /// Whether a status is a yes.
    pub fn accepts(&self, status: u16) -> bool {
        if self.statuses.is_empty() {
            (200..300).contains(&status)
        } else {
            self.statuses.contains(&status)
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// When nothing comes back in time.
    pub async fn send(
        &self,
        names: &Names,
        headers: &[(&'static str, String)],
        patience: Duration,
    ) -> Result<Answered, ExchangeError> {
        let began = Instant::now();
        let done = tokio::time::timeout(patience, self.exchange(names, headers)).await;
        let (status, body) = done.map_err(|_| ExchangeError::Late)??;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Answered { status, body, took_ms })
    }

    async fn exchange(
        &self,
        names: &Names,
        headers: &[(&'static str, String)],
    ) -> Result<(u16, Bytes), ExchangeError> {
        let url = fill(&self.url, names, Place::Url);
        let uri: Uri = url.parse().map_err(|_| ExchangeError::Target)?;
        let host = uri.host().ok_or(ExchangeError::Target)?.trim_matches(['[', ']']).to_owned();
        let tls = self.tls(&uri)?;
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let request = self.request(&uri, names, headers)?;
        let connect = TcpStream::connect((host.as_str(), port));
        let stream = connect.await.map_err(|_| ExchangeError::Connect)?;
        match tls {
            None => converse(stream, request).await,
            Some(config) => {
                let name = ServerName::try_from(host).map_err(|_| ExchangeError::Target)?;
                let connected = TlsConnector::from(config).connect(name, stream).await;
                converse(connected.map_err(|_| ExchangeError::Tls)?, request).await
            }
        }
    }

    fn request(
        &self,
        uri: &Uri,
        names: &Names,
        headers: &[(&'static str, String)],
    ) -> Result<Request<Full<Bytes>>, ExchangeError> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let method = if self.method.is_empty() { "GET" } else { self.method.as_str() };
        let mut request = Request::builder().method(method).uri(path).header(HOST, authority);
        if let Some(file) = &self.token_file {
            let token = std::fs::read_to_string(file).map_err(|_| ExchangeError::Target)?;
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.trim()));
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let body = self.body.as_ref().map(|body| fill(body, names, Place::Json));
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        request.body(body).map_err(|_| ExchangeError::Target)
    }

    fn tls(&self, uri: &Uri) -> Result<Option<Arc<ClientConfig>>, ExchangeError> {
        match (uri.scheme_str(), &self.ca) {
            (Some("http"), _) => Ok(None),
            (Some("https"), Some(ca)) => Ok(Some(roots(ca)?)),
            _ => Err(ExchangeError::Target),
        }
    }
}

/// A TLS client that trusts the roots of a PEM file and no others.
pub(crate) fn roots(ca: &std::path::Path) -> Result<Arc<ClientConfig>, ExchangeError> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(ca).map_err(|_| ExchangeError::Target)? {
        let root = root.map_err(|_| ExchangeError::Target)?;
        roots.add(root).map_err(|_| ExchangeError::Target)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), ExchangeError> {
    let shake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shake.map_err(|_| ExchangeError::Http)?;
    let driver = tokio::spawn(async move { drop(connection.await) });
    let response = sender.send_request(request).await.map_err(|_| ExchangeError::Http)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
    driver.abort();
    Ok((status, body.map_err(|_| ExchangeError::TooLong)?.to_bytes()))
}

/// Where a name is filled in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// In an address: everything but letters, digits and `-._~` is escaped.
    Url,
    /// Inside of a JSON text.
    Json,
    /// As it is: an argument of a program, which no shell reads.
    Plain,
}

/// A text with its `{names}` filled in; others stay.
pub fn fill(text: &str, names: &Names, place: Place) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let found = after.split_once('}').and_then(|(name, tail)| Some((names.get(name)?, tail)));
        match found {
            Some((value, tail)) => {
                out.push_str(&escape(value, place));
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// A text as it stands in a place.
pub fn escape(text: &str, place: Place) -> String {
    match place {
        Place::Plain => text.to_owned(),
        Place::Json => {
            let quoted = serde_json::to_string(text).unwrap_or_default();
            quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
        }
        Place::Url => {
            let one = |b: u8| match b {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(b).to_string()
                }
                _ => format!("%{b:02X}"),
            };
            text.bytes().map(one).collect()
        }
    }
}

/// An answer of Loki with its largest page.
const BODY_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::{Names, Place, fill};

    #[test]
    fn a_name_changes_nothing_but_its_own_place() {
        let names = Names::from([("zone".to_owned(), "a/../b?x=\"1\"".to_owned())]);
        let url = fill("http://h/zones/{zone}/policy?{other}", &names, Place::Url);
        assert_eq!(url, "http://h/zones/a%2F..%2Fb%3Fx%3D%221%22/policy?{other}");
        assert_eq!(
            fill("{\"zone\":\"{zone}\"}", &names, Place::Json),
            "{\"zone\":\"a/../b?x=\\\"1\\\"\"}"
        );
        assert_eq!(fill("--zone={zone}", &names, Place::Plain), "--zone=a/../b?x=\"1\"");
        // What is filled in is not filled again.
        let names = Names::from([("a".to_owned(), "{a}".to_owned())]);
        assert_eq!(fill("{a}{", &names, Place::Plain), "{a}{");
    }
}
