//! The `exporters:` section of the gateway's file: a list, each element naming one kind.
//!
//! ```yaml
//! exporters:
//!   - jsonl: { dir: /var/lib/lucarne/export }
//!   - loki: { endpoint: "http://loki:3100/loki/api/v1/push" }
//!   - prometheus_remote_write: { endpoint: "http://prometheus:9090/api/v1/write" }
//!   - otlp_grpc: { endpoint: "http://tempo:4317", signals: [traces] }
//! ```
//!
//! These are the shapes as written; [`build`] checks them and opens what they name. Unknown keys
//! are refused.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::export::client::{Client, Endpoint, Version};
use crate::export::jsonl::Jsonl;
use crate::export::loki::{Loki, LokiFormat};
use crate::export::otlp::{Otlp, OtlpTransport, Signals};
use crate::export::push::{Encoder, Push};
use crate::export::remote_write::RemoteWrite;
use crate::export::sink::Sink;

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
}

/// Options of `jsonl`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonlFile {
    /// Name of the exporter in metrics and of its cursor; default `jsonl`.
    pub name: Option<String>,
    /// Where `logs.jsonl`, `metrics.jsonl` and `traces.jsonl` are; created if missing.
    pub dir: PathBuf,
    /// Size in bytes at which a file is put aside as `<name>.<number>`; default 256 MiB.
    pub rotate_bytes: Option<u64>,
    /// Files put aside that are kept, per signal; default 8. The archive keeps everything anyway.
    pub rotate_keep: Option<usize>,
}

/// How to reach a receiver: the options that every exporter over HTTP has.
macro_rules! over_http {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Name of the exporter in metrics and of its cursor; default is its kind.
            pub name: Option<String>,
            /// URL, `http` or `https`.
            pub endpoint: String,
            /// Headers added to every request, such as `X-Scope-OrgID`.
            #[serde(default)]
            pub headers: std::collections::BTreeMap<String, String>,
            /// A file with a bearer token, read at each connection.
            pub bearer_token_file: Option<PathBuf>,
            /// Certificates (PEM) to trust for `https`; default the system's.
            pub ca_file: Option<PathBuf>,
            /// Limit in milliseconds for connecting and for each request; default 10,000.
            pub timeout_ms: Option<u64>,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            fn receiver(&self) -> Receiver<'_> {
                Receiver {
                    url: &self.endpoint,
                    headers: &self.headers,
                    bearer_token_file: self.bearer_token_file.as_deref(),
                    ca_file: self.ca_file.as_deref(),
                    timeout_ms: self.timeout_ms,
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
    RemoteWriteFile {}
}

over_http! {
    /// Options of `otlp_grpc` and `otlp_http`.
    OtlpFile {
        /// Which of `logs`, `metrics`, `traces` to send; default all.
        signals: Option<Vec<SignalFile>>,
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

/// What is wrong with an exporter's options.
#[derive(Debug)]
pub enum ExporterConfigError {
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
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl fmt::Display for ExporterConfigError {
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
                write!(f, "exporter {name}: header {header:?} is not a header that can be set")
            }
            Self::Number { name, key, range: (low, high) } => {
                write!(f, "exporter {name}: {key}: expected {low} to {high}")
            }
            Self::Trust { name, path } => write!(
                f,
                "exporter {name}: no certificate authority found in {}: set ca_file",
                path.display()
            ),
            Self::Open { name, path, source } => {
                write!(f, "exporter {name}: {}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for ExporterConfigError {}

/// The exporters of a list, named and opened, in its order.
///
/// # Errors
/// The first thing that is wrong.
pub fn build(list: &[ExporterFile]) -> Result<Vec<(String, Sink)>, ExporterConfigError> {
    let mut built: Vec<(String, Sink)> = Vec::with_capacity(list.len());
    for file in list {
        let name = file.name().to_owned();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        if !(1..=63).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(ExporterConfigError::Name { name });
        }
        if built.iter().any(|(other, _)| *other == name) {
            return Err(ExporterConfigError::NameTwice { name });
        }
        let sink = file.sink(&name)?;
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
        };
        name.as_deref().unwrap_or(kind)
    }

    fn sink(&self, name: &str) -> Result<Sink, ExporterConfigError> {
        let push = |receiver: Receiver<'_>, version, encoder| {
            let client = Client::new(receiver.endpoint(name, version)?);
            Ok(Sink::Push(Box::new(Push::new(client, encoder))))
        };
        match self {
            Self::Jsonl(file) => file.open(name),
            Self::Loki(file) => push(file.receiver(), Version::Http1, file.encoder()),
            Self::PrometheusRemoteWrite(file) => {
                push(file.receiver(), Version::Http1, Encoder::RemoteWrite(RemoteWrite::new()))
            }
            Self::OtlpGrpc(file) => {
                push(file.receiver(), Version::Http2, file.encoder(OtlpTransport::Grpc))
            }
            Self::OtlpHttp(file) => {
                push(file.receiver(), Version::Http1, file.encoder(OtlpTransport::Http))
            }
        }
    }
}

impl JsonlFile {
    fn open(&self, name: &str) -> Result<Sink, ExporterConfigError> {
        let rotate = self.rotate_bytes.unwrap_or(ROTATE_BYTES);
        if rotate < ROTATE_BYTES_MIN {
            let range = (ROTATE_BYTES_MIN, u64::MAX);
            return Err(ExporterConfigError::Number {
                name: name.into(),
                key: "rotate_bytes",
                range,
            });
        }
        let keep = self.rotate_keep.unwrap_or(ROTATE_KEEP);
        let open = |source| ExporterConfigError::Open {
            name: name.to_owned(),
            path: self.dir.clone(),
            source,
        };
        Jsonl::open(&self.dir, rotate, keep).map(|files| Sink::Jsonl(Box::new(files))).map_err(open)
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
    url: &'a str,
    headers: &'a std::collections::BTreeMap<String, String>,
    bearer_token_file: Option<&'a Path>,
    ca_file: Option<&'a Path>,
    timeout_ms: Option<u64>,
}

impl Receiver<'_> {
    fn endpoint(&self, name: &str, version: Version) -> Result<Endpoint, ExporterConfigError> {
        let wrong = || ExporterConfigError::Endpoint { name: name.into(), url: self.url.into() };
        let uri: http::Uri = self.url.parse().map_err(|_| wrong())?;
        let bare =
            uri.query().is_none() && !uri.authority().is_none_or(|a| a.as_str().contains('@'));
        let tls = match uri.scheme_str() {
            Some("http") if bare => None,
            Some("https") if bare => Some(trust(name, self.ca_file, version)?),
            _ => return Err(wrong()),
        };
        let timeout_ms = self.timeout_ms.unwrap_or(TIMEOUT_MS);
        if !(TIMEOUT_MS_RANGE.0..=TIMEOUT_MS_RANGE.1).contains(&timeout_ms) {
            let (name, range) = (name.into(), TIMEOUT_MS_RANGE);
            return Err(ExporterConfigError::Number { name, key: "timeout_ms", range });
        }
        if let Some(path) = self.bearer_token_file {
            readable(name, path)?;
        }
        Ok(Endpoint {
            uri,
            tls,
            headers: self.header_map(name)?,
            bearer_token_file: self.bearer_token_file.map(Path::to_owned),
            timeout: Duration::from_millis(timeout_ms),
            version,
        })
    }

    fn header_map(&self, name: &str) -> Result<HeaderMap, ExporterConfigError> {
        let mut map = HeaderMap::new();
        for (header, value) in self.headers {
            let wrong =
                || ExporterConfigError::Header { name: name.into(), header: header.clone() };
            let key: HeaderName = header.parse().map_err(|_| wrong())?;
            let framing = [
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
            if framing.contains(&key.as_str()) {
                return Err(wrong());
            }
            map.insert(key, HeaderValue::from_str(value).map_err(|_| wrong())?);
        }
        Ok(map)
    }
}

fn trust(
    name: &str,
    ca_file: Option<&Path>,
    version: Version,
) -> Result<Arc<ClientConfig>, ExporterConfigError> {
    let system = || SYSTEM_BUNDLES.iter().map(Path::new).find(|path| path.exists());
    let path = ca_file.or_else(system).unwrap_or(Path::new(SYSTEM_BUNDLES[0]));
    readable(name, path)?;
    let none = || ExporterConfigError::Trust { name: name.into(), path: path.into() };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|_| none())?;
    // A system's bundle may hold a root that rustls does not take; the others still count.
    let (added, _) = roots.add_parsable_certificates(certificates.flatten());
    if added == 0 {
        return Err(none());
    }
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| none())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match version {
        Version::Http1 => vec![b"http/1.1".to_vec()],
        Version::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}

fn readable(name: &str, path: &Path) -> Result<(), ExporterConfigError> {
    let open = |source| ExporterConfigError::Open { name: name.into(), path: path.into(), source };
    std::fs::File::open(path).map(drop).map_err(open)
}

/// Receivers answer within milliseconds; one that needs ten seconds is in trouble.
const TIMEOUT_MS: u64 = 10_000;
const TIMEOUT_MS_RANGE: (u64, u64) = (10, 300_000);
/// What editors and `jq` still open.
const ROTATE_BYTES: u64 = 256 << 20;
/// A line may have a megabyte.
const ROTATE_BYTES_MIN: u64 = 1 << 20;
const ROTATE_KEEP: usize = 8;
/// Where Debian, Red Hat and Alpine keep the certificates they trust.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

#[cfg(test)]
mod tests;
