//! The `exporters:` section of the gateway's file: a list, each element naming one kind.
//!
//! ```yaml
//! exporters:
//!   - jsonl: { dir: /var/lib/lucarne/export }
//!   - loki: { endpoint: "http://loki:3100/loki/api/v1/push" }
//!   - prometheus_remote_write: { endpoint: "http://prometheus:9090/api/v1/write" }
//!   - otlp_grpc: { endpoint: "http://tempo:4317", signals: [traces] }
//!   - view: { http: "127.0.0.1:3100", data: /var/lib/lucarne/view }
//! ```
//!
//! These are the shapes as written; [`build`] checks them and opens what they name. Unknown keys
//! are refused. Values that can be wrong keep the line they stand in.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_saphyr::Spanned;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::collector::Resolve;
use crate::export::client::{Client, Endpoint, Version};
use crate::export::jsonl::Jsonl;
use crate::export::loki::{Loki, LokiFormat};
use crate::export::otlp::{Otlp, OtlpTransport, Signals};
use crate::export::push::{Encoder, Push};
use crate::export::remote_write::{Options, RemoteWrite};
use crate::export::sink::Sink;
use crate::export::view::{self, View};

/// One element of `exporters:`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExporterFile {
    /// Files, one JSON object a line.
    Jsonl(JsonlFile),
    /// Loki's push API.
    Loki(LokiFile),
    /// Prometheus remote write 1.0.
    PrometheusRemoteWrite(RemoteWriteFile),
    /// OTLP over gRPC.
    OtlpGrpc(OtlpFile),
    /// OTLP over HTTP, protobuf.
    OtlpHttp(OtlpFile),
    /// A store of the gateway's own, asked by LogQL over HTTP.
    View(ViewFile),
}

/// Options of `jsonl`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonlFile {
    /// Name of the exporter in metrics and of its cursor; default `jsonl`.
    pub name: Option<Spanned<String>>,
    /// Where `logs.jsonl`, `metrics.jsonl` and `traces.jsonl` are; created if missing.
    pub dir: Spanned<PathBuf>,
    /// Size in bytes at which a file is put aside as `<name>.<number>`; default 256 MiB.
    pub rotate_bytes: Option<Spanned<u64>>,
    /// Files put aside that are kept, per signal; default 8. The archive keeps everything anyway.
    pub rotate_keep: Option<usize>,
}

/// Options of `view`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewFile {
    /// Name of the exporter in metrics and of its cursor; default `view`.
    pub name: Option<Spanned<String>>,
    /// Where it answers, as `address:port`. There is no login: whoever reaches it reads.
    pub http: Spanned<SocketAddr>,
    /// Directory of the store; made when it is not there. Without one everything is in memory, and
    /// a start begins with what comes from then on.
    pub data: Option<PathBuf>,
    /// Bytes that are kept; default 1 GiB, and 256 MiB in memory.
    pub max_bytes: Option<Spanned<u64>>,
    /// Days after which records go; default 7.
    pub days: Option<Spanned<u64>>,
}

/// How to reach a receiver: the options that every exporter over HTTP has.
macro_rules! over_http {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Name of the exporter in metrics and of its cursor; default is its kind.
            pub name: Option<Spanned<String>>,
            /// URL, `http` or `https`.
            pub endpoint: Spanned<String>,
            /// Headers added to every request, such as `X-Scope-OrgID`.
            #[serde(default)]
            pub headers: BTreeMap<String, Spanned<String>>,
            /// A file with a bearer token, read at each connection.
            pub bearer_token_file: Option<Spanned<PathBuf>>,
            /// Certificates (PEM) to trust for `https`; default the system's.
            pub ca_file: Option<Spanned<PathBuf>>,
            /// Limit in milliseconds for connecting and for each request; default 10,000.
            pub timeout_ms: Option<Spanned<u64>>,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            fn receiver(&self) -> Receiver<'_> {
                Receiver {
                    endpoint: &self.endpoint,
                    headers: &self.headers,
                    bearer_token_file: self.bearer_token_file.as_ref(),
                    ca_file: self.ca_file.as_ref(),
                    timeout_ms: self.timeout_ms.as_ref(),
                }
            }
        }
    };
}

over_http! {
    /// Options of `loki`.
    LokiFile {
        /// `protobuf` (default) or `json`.
        format: Option<LokiFormatFile>,
        /// Compress JSON with gzip; protobuf is always compressed with snappy. Default true.
        gzip: Option<bool>,
        /// Make `tee_batch_seq` and `tee_cert_thumbprint` stream labels, as seed 002 prints them.
        /// A stream per batch explodes the cardinality; default false.
        labels_compat: Option<bool>,
    }
}

over_http! {
    /// Options of `prometheus_remote_write`.
    RemoteWriteFile {
        /// 1 (default) for remote write 1.0, 2 for 2.0.
        version: Option<RemoteWriteVersion>,
        /// Send exponential histograms as native ones, not as their count and sum. A receiver that
        /// has them switched off refuses whole requests; default false.
        native_histograms: Option<bool>,
    }
}

over_http! {
    /// Options of `otlp_grpc` and `otlp_http`.
    OtlpFile {
        /// Which of `logs`, `metrics`, `traces` to send; default all.
        signals: Option<Vec<SignalFile>>,
    }
}

/// Versions of remote write.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub enum RemoteWriteVersion {
    /// 1.0.
    #[serde(rename = "1")]
    First,
    /// 2.0.
    #[serde(rename = "2")]
    Second,
}

impl RemoteWriteFile {
    fn encoder(&self) -> Encoder {
        Encoder::RemoteWrite(RemoteWrite::with(Options {
            second: self.version == Some(RemoteWriteVersion::Second),
            native_histograms: self.native_histograms == Some(true),
        }))
    }
}

/// Formats of Loki push.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum LokiFormatFile {
    /// Protobuf in a snappy block.
    Protobuf,
    /// JSON.
    Json,
}

/// A signal of OTLP.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum SignalFile {
    /// Log records, audit events and messages.
    Logs,
    /// Metrics.
    Metrics,
    /// Spans.
    Traces,
}

/// What is wrong with an exporter's options, and in which line.
#[derive(Debug)]
pub struct ExporterConfigError {
    /// The line of the file, from 1.
    pub line: u64,
    /// What is wrong there.
    pub fault: Fault,
}

impl fmt::Display for ExporterConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl std::error::Error for ExporterConfigError {}

/// What is wrong with an exporter's options.
#[derive(Debug)]
pub enum Fault {
    /// The name is not `[a-z0-9_-]{1,63}`; it becomes a file name and a label.
    Name {
        /// As written.
        name: String,
    },
    /// Two exporters would share a cursor.
    NameTwice {
        /// The name.
        name: String,
    },
    /// The endpoint is not an absolute `http` or `https` URL without credentials and query.
    Endpoint {
        /// The exporter.
        name: String,
        /// As written.
        url: String,
    },
    /// A header's name or value is not allowed.
    Header {
        /// The exporter.
        name: String,
        /// The header's name.
        header: String,
    },
    /// A number is zero or beyond reason.
    Number {
        /// The exporter.
        name: String,
        /// The key.
        key: &'static str,
        /// Smallest and largest allowed.
        range: (u64, u64),
    },
    /// No usable certificate to trust.
    Trust {
        /// The exporter.
        name: String,
        /// The file that was tried last.
        path: PathBuf,
    },
    /// A file or directory cannot be opened.
    Open {
        /// The exporter.
        name: String,
        /// The key that names it.
        key: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => {
                write!(f, "exporter name {name:?}: expected 1 to 63 of a-z, 0-9, - and _")
            }
            Self::NameTwice { name } => {
                write!(f, "two exporters are called {name}: give one of them another name")
            }
            Self::Endpoint { name, url } => write!(
                f,
                "exporter {name}: endpoint {url:?}: expected http://host[:port][/path] or https, \
                 without user or query"
            ),
            Self::Header { name, header } => {
                write!(f, "exporter {name}: headers: {header:?} is not a header that can be set")
            }
            Self::Number { name, key, range: (low, high) } => {
                write!(f, "exporter {name}: {key}: expected {low} to {high}")
            }
            Self::Trust { name, path } => write!(
                f,
                "exporter {name}: ca_file: no certificate authority found in {}",
                path.display()
            ),
            Self::Open { name, key, path, source } => {
                write!(f, "exporter {name}: {key}: {}: {source}", path.display())
            }
        }
    }
}

/// The exporters of a list, named and opened, in its order.
///
/// # Errors
/// The first thing that is wrong.
pub fn build(
    list: &[ExporterFile],
    resolve: &Resolve,
) -> Result<Vec<(String, Sink)>, ExporterConfigError> {
    let mut built: Vec<(String, Sink)> = Vec::with_capacity(list.len());
    for file in list {
        let name = file.name().to_owned();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        let line = file.line();
        if !(1..=63).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(ExporterConfigError { line, fault: Fault::Name { name } });
        }
        if built.iter().any(|(other, _)| *other == name) {
            return Err(ExporterConfigError { line, fault: Fault::NameTwice { name } });
        }
        let sink = file.sink(&name, resolve)?;
        built.push((name, sink));
    }
    Ok(built)
}

impl ExporterFile {
    fn name(&self) -> &str {
        let (name, kind) = match self {
            Self::Jsonl(file) => (&file.name, "jsonl"),
            Self::Loki(file) => (&file.name, "loki"),
            Self::PrometheusRemoteWrite(file) => (&file.name, "prometheus_remote_write"),
            Self::OtlpGrpc(file) => (&file.name, "otlp_grpc"),
            Self::OtlpHttp(file) => (&file.name, "otlp_http"),
            Self::View(file) => (&file.name, "view"),
        };
        name.as_ref().map_or(kind, |name| &name.value)
    }

    /// Where the name is written; for a default name, where the exporter's place is.
    fn line(&self) -> u64 {
        let (name, otherwise) = match self {
            Self::Jsonl(file) => (&file.name, file.dir.referenced),
            Self::Loki(file) => (&file.name, file.endpoint.referenced),
            Self::PrometheusRemoteWrite(file) => (&file.name, file.endpoint.referenced),
            Self::OtlpGrpc(file) | Self::OtlpHttp(file) => (&file.name, file.endpoint.referenced),
            Self::View(file) => (&file.name, file.http.referenced),
        };
        name.as_ref().map_or(otherwise, |name| name.referenced).line()
    }

    fn sink(&self, name: &str, resolve: &Resolve) -> Result<Sink, ExporterConfigError> {
        let push = |receiver: Receiver<'_>, version, encoder| {
            let client =
                Client::new(receiver.endpoint(name, version)?).at(receiver.override_of(resolve));
            Ok(Sink::Push(Box::new(Push::new(client, encoder))))
        };
        match self {
            Self::Jsonl(file) => file.open(name),
            Self::Loki(file) => push(file.receiver(), Version::Http1, file.encoder()),
            Self::PrometheusRemoteWrite(file) => {
                push(file.receiver(), Version::Http1, file.encoder())
            }
            Self::OtlpGrpc(file) => {
                push(file.receiver(), Version::Http2, file.encoder(OtlpTransport::Grpc))
            }
            Self::OtlpHttp(file) => {
                push(file.receiver(), Version::Http1, file.encoder(OtlpTransport::Http))
            }
            Self::View(file) => file.view(name),
        }
    }
}

impl JsonlFile {
    fn open(&self, name: &str) -> Result<Sink, ExporterConfigError> {
        let range = (ROTATE_BYTES_MIN, u64::MAX);
        let rotate = number(name, "rotate_bytes", self.rotate_bytes.as_ref(), ROTATE_BYTES, range)?;
        let keep = self.rotate_keep.unwrap_or(ROTATE_KEEP);
        let dir = &self.dir.value;
        let open = |source| {
            let (name, path) = (name.to_owned(), dir.clone());
            wrong(&self.dir, Fault::Open { name, key: "dir", path, source })
        };
        Jsonl::open(dir, rotate, keep).map(|files| Sink::Jsonl(Box::new(files))).map_err(open)
    }
}

impl ViewFile {
    fn view(&self, name: &str) -> Result<Sink, ExporterConfigError> {
        let default = if self.data.is_some() { VIEW_BYTES } else { VIEW_MEMORY_BYTES };
        let bytes = self.max_bytes.as_ref();
        let days = self.days.as_ref();
        let settings = view::Settings {
            http: self.http.value,
            data: self.data.clone(),
            bytes: number(name, "max_bytes", bytes, default, (VIEW_BYTES_MIN, u64::MAX))?,
            age: DAY * u32::try_from(number(name, "days", days, 7, DAYS_RANGE)?).unwrap_or(7),
        };
        Ok(Sink::View(Box::new(View::new(settings))))
    }
}

impl LokiFile {
    fn encoder(&self) -> Encoder {
        let format = match (self.format, self.gzip) {
            (None | Some(LokiFormatFile::Protobuf), _) => LokiFormat::Protobuf,
            (Some(LokiFormatFile::Json), Some(false)) => LokiFormat::Json,
            (Some(LokiFormatFile::Json), None | Some(true)) => LokiFormat::JsonGzip,
        };
        Encoder::Loki(Loki { format, labels_compat: self.labels_compat.unwrap_or(false) })
    }
}

impl OtlpFile {
    fn encoder(&self, transport: OtlpTransport) -> Encoder {
        let wants = |signal| self.signals.as_ref().is_none_or(|list| list.contains(&signal));
        let signals = Signals {
            logs: wants(SignalFile::Logs),
            metrics: wants(SignalFile::Metrics),
            traces: wants(SignalFile::Traces),
        };
        Encoder::Otlp(Otlp { transport, signals })
    }
}

struct Receiver<'a> {
    endpoint: &'a Spanned<String>,
    headers: &'a BTreeMap<String, Spanned<String>>,
    bearer_token_file: Option<&'a Spanned<PathBuf>>,
    ca_file: Option<&'a Spanned<PathBuf>>,
    timeout_ms: Option<&'a Spanned<u64>>,
}

impl Receiver<'_> {
    fn override_of(&self, resolve: &Resolve) -> Option<SocketAddr> {
        let uri: http::Uri = self.endpoint.value.parse().ok()?;
        resolve.of(uri.authority()?.as_str())
    }

    fn endpoint(&self, name: &str, version: Version) -> Result<Endpoint, ExporterConfigError> {
        let url = &self.endpoint.value;
        let bad = || wrong(self.endpoint, Fault::Endpoint { name: name.into(), url: url.into() });
        let uri: http::Uri = url.parse().map_err(|_| bad())?;
        let bare =
            uri.query().is_none() && !uri.authority().is_none_or(|a| a.as_str().contains('@'));
        let tls = match uri.scheme_str() {
            Some("http") if bare => None,
            Some("https") if bare => Some(self.trust(name, version)?),
            _ => return Err(bad()),
        };
        let timeout_ms = number(name, "timeout_ms", self.timeout_ms, TIMEOUT_MS, TIMEOUT_MS_RANGE)?;
        if let Some(file) = self.bearer_token_file {
            readable(name, "bearer_token_file", file, &file.value)?;
        }
        Ok(Endpoint {
            uri,
            tls,
            headers: self.header_map(name)?,
            bearer_token_file: self.bearer_token_file.map(|file| file.value.clone()),
            timeout: Duration::from_millis(timeout_ms),
            version,
        })
    }

    fn header_map(&self, name: &str) -> Result<HeaderMap, ExporterConfigError> {
        let mut map = HeaderMap::new();
        for (header, value) in self.headers {
            let bad = || {
                let (name, header) = (name.into(), header.clone());
                wrong(value, Fault::Header { name, header })
            };
            let key: HeaderName = header.parse().map_err(|_| bad())?;
            if FRAMING.contains(&key.as_str()) {
                return Err(bad());
            }
            map.insert(key, HeaderValue::from_str(&value.value).map_err(|_| bad())?);
        }
        Ok(map)
    }

    fn trust(
        &self,
        name: &str,
        version: Version,
    ) -> Result<Arc<ClientConfig>, ExporterConfigError> {
        match self.ca_file {
            Some(file) => trust(name, file, &file.value, version),
            None => {
                let there = SYSTEM_BUNDLES.iter().map(Path::new).find(|path| path.exists());
                let path = there.unwrap_or(Path::new(SYSTEM_BUNDLES[0]));
                trust(name, self.endpoint, path, version)
            }
        }
    }
}

fn wrong<T>(at: &Spanned<T>, fault: Fault) -> ExporterConfigError {
    ExporterConfigError { line: at.referenced.line(), fault }
}

fn number(
    name: &str,
    key: &'static str,
    written: Option<&Spanned<u64>>,
    default: u64,
    range: (u64, u64),
) -> Result<u64, ExporterConfigError> {
    match written {
        None => Ok(default),
        Some(at) if (range.0..=range.1).contains(&at.value) => Ok(at.value),
        Some(at) => Err(wrong(at, Fault::Number { name: name.into(), key, range })),
    }
}

/// The certificates of `path`, which `at` has named or has made necessary.
fn trust<T>(
    name: &str,
    at: &Spanned<T>,
    path: &Path,
    version: Version,
) -> Result<Arc<ClientConfig>, ExporterConfigError> {
    readable(name, "ca_file", at, path)?;
    let none = || wrong(at, Fault::Trust { name: name.into(), path: path.into() });
    client_config(path, version).ok_or_else(none)
}

/// TLS that trusts the certificates of `path`, or the system's; `None` when there is none.
pub fn trusted(path: Option<&Path>, version: Version) -> Option<Arc<ClientConfig>> {
    let system = || SYSTEM_BUNDLES.iter().map(Path::new).find(|path| path.exists());
    client_config(path.or_else(system)?, version)
}

fn client_config(path: &Path, version: Version) -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).ok()?;
    // A system's bundle may hold a root that rustls does not take; the others still count.
    let (added, _) = roots.add_parsable_certificates(certificates.flatten());
    if added == 0 {
        return None;
    }
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match version {
        Version::Http1 => vec![b"http/1.1".to_vec()],
        Version::Http2 => vec![b"h2".to_vec()],
    };
    Some(Arc::new(config))
}

fn readable<T>(
    name: &str,
    key: &'static str,
    at: &Spanned<T>,
    path: &Path,
) -> Result<(), ExporterConfigError> {
    let open =
        |source| wrong(at, Fault::Open { name: name.into(), key, path: path.into(), source });
    std::fs::File::open(path).map(drop).map_err(open)
}

/// Headers that say how a request is framed are not for people to set.
const FRAMING: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "te",
    "transfer-encoding",
    "connection",
    "upgrade",
    "user-agent",
];
/// Receivers answer within milliseconds; one that needs ten seconds is in trouble.
const TIMEOUT_MS: u64 = 10_000;
const TIMEOUT_MS_RANGE: (u64, u64) = (10, 300_000);
/// What editors and `jq` still open.
const ROTATE_BYTES: u64 = 256 << 20;
/// A line may have a megabyte.
const ROTATE_BYTES_MIN: u64 = 1 << 20;
const ROTATE_KEEP: usize = 8;
/// Weeks of a busy instance, once they are compressed; little for a disk.
const VIEW_BYTES: u64 = 1 << 30;
/// What a gateway can spare beside its work.
const VIEW_MEMORY_BYTES: u64 = 256 << 20;
/// Less has no room for the rows that are in no block yet.
const VIEW_BYTES_MIN: u64 = 64 << 20;
const DAYS_RANGE: (u64, u64) = (1, 36_500);
const DAY: Duration = Duration::from_secs(86_400);
/// Where Debian, Red Hat and Alpine keep the certificates they trust.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

#[cfg(test)]
mod tests;
