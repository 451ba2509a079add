//! The collector's exporters as ours: the options that mean the same, and a refusal of the rest.
//!
//! Ours keep a cursor and try for ever, so a queue or a retry cannot be set or switched off.

use lucarne_otlp::Signal;
use serde_json::{Map, json};

use super::ComponentId;
use super::section::{Section, Value};
use crate::config::{ConfigError, parse_yaml};
use crate::export::config::ExporterFile;

/// Where a pipeline ends.
#[derive(Clone, Debug)]
pub enum Target {
    /// One of the gateway's exporters.
    Exporter(Box<ExporterFile>),
    /// Counts, in the journal.
    Debug,
    /// Every exporter of the gateway's own file.
    Own,
}

/// Reads the options of an exporter for the signals that lead to it.
///
/// # Errors
/// With the line and name of what cannot be used.
pub(crate) fn read(
    id: &ComponentId,
    at: &Value<'_>,
    signals: &[Signal],
) -> Result<Target, ConfigError> {
    let mut options = at.section()?;
    let name = id.name();
    let takes = |options: &Section<'_>, only: Signal, instead: &str| {
        let other = signals.iter().find(|signal| **signal != only);
        other.map_or(Ok(()), |signal| {
            let (only, signal) = (word(only), word(*signal));
            let words = format!("takes {only} and a pipeline of {signal} names it; {instead}");
            Err(options.fault(&words))
        })
    };
    let (kind, mut fields) = match id.kind.as_str() {
        "loki" => {
            takes(&options, Signal::Logs, "the nearest supported is `otlphttp`")?;
            ("loki", over_http(&mut options, Scheme::AsWritten)?)
        }
        "prometheusremotewrite" => {
            takes(&options, Signal::Metrics, "the nearest supported is `otlphttp`")?;
            ("prometheus_remote_write", over_http(&mut options, Scheme::AsWritten)?)
        }
        "otlp" => ("otlp_grpc", over_http(&mut options, Scheme::OfGrpc)?),
        "otlphttp" => ("otlp_http", over_http(&mut options, Scheme::AsWritten)?),
        "file" => ("jsonl", file(&mut options)?),
        "debug" => {
            if let Some(verbosity) = options.take("verbosity") {
                verbosity.choice(&[("basic", ()), ("normal", ())])?;
            }
            options
                .finish(&[("sampling_initial", "no sampling"), ("use_internal_logger", "none")])?;
            return Ok(Target::Debug);
        }
        OWN => {
            options.finish(&[("endpoint", "`exporters` of the gateway's own file")])?;
            return Ok(Target::Own);
        }
        other => return Err(at.fault(&unknown(other))),
    };
    options.finish(&INSTEAD)?;
    fields.insert("name".into(), name.into());
    if kind.starts_with("otlp_") {
        fields.insert("signals".into(), signals.iter().map(|signal| word(*signal)).collect());
    }
    // JSON is YAML: the options are read as if they stood in the gateway's own file.
    let text = json!({ kind: fields }).to_string();
    let read = parse_yaml(&text, "".as_ref()).map_err(|error| at.fault(&error.to_string()))?;
    Ok(Target::Exporter(Box::new(read)))
}

fn unknown(kind: &str) -> String {
    match kind {
        "prometheus" => {
            "is not supported; the nearest supported is `prometheusremotewrite`".to_owned()
        }
        other => {
            let nearest = super::section::nearest(other, &KINDS);
            format!("there is no exporter `{other}`; the nearest supported is `{nearest}`")
        }
    }
}

/// What an endpoint without a scheme means.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Scheme {
    /// It must have one.
    AsWritten,
    /// TLS, unless `tls.insecure` says otherwise.
    OfGrpc,
}

type Fields = Map<String, serde_json::Value>;

fn over_http(options: &mut Section<'_>, scheme: Scheme) -> Result<Fields, ConfigError> {
    let mut fields = Fields::new();
    let Some(endpoint) = options.take("endpoint") else {
        return Err(options.fault("expected `endpoint`, found none"));
    };
    let mut insecure = false;
    if let Some(tls) = options.take("tls") {
        let mut tls = tls.section()?;
        insecure = tls.take("insecure").map_or(Ok(false), |value| value.boolean())?;
        if let Some(ca) = tls.take("ca_file") {
            fields.insert("ca_file".into(), ca.text()?.into());
        }
        tls.finish(&[
            ("insecure_skip_verify", "`ca_file`"),
            ("cert_file", "`headers` or `auth`"),
            ("key_file", "`headers` or `auth`"),
        ])?;
    }
    let written = endpoint.text()?;
    let url = match (scheme, written.contains("://")) {
        (_, true) | (Scheme::AsWritten, false) => written.to_owned(),
        (Scheme::OfGrpc, false) if insecure => format!("http://{written}"),
        (Scheme::OfGrpc, false) => format!("https://{written}"),
    };
    fields.insert("endpoint".into(), url.into());
    if let Some(headers) = options.take("headers") {
        let mut map = Fields::new();
        for (key, value) in headers.section()?.all() {
            map.insert(key.to_owned(), value.text()?.into());
        }
        fields.insert("headers".into(), map.into());
    }
    if let Some(timeout) = options.take("timeout") {
        let ms = u64::try_from(timeout.duration()?.as_millis()).unwrap_or(u64::MAX);
        fields.insert("timeout_ms".into(), ms.into());
    }
    if let Some(compression) = options.take("compression") {
        let word = if scheme == Scheme::OfGrpc { "none" } else { "gzip" };
        compression.choice(&[(word, ())])?;
    }
    for name in ["retry_on_failure", "sending_queue"] {
        let Some(always) = options.take(name) else { continue };
        let mut inner = always.section()?;
        if let Some(enabled) = inner.take("enabled")
            && !enabled.boolean()?
        {
            return Err(enabled.fault("expected true: what is archived is exported, however late"));
        }
        inner.finish(&[])?;
    }
    Ok(fields)
}

fn file(options: &mut Section<'_>) -> Result<Fields, ConfigError> {
    let Some(path) = options.take("path") else {
        return Err(options.fault("expected `path`, found none"));
    };
    let text = path.text()?;
    if std::path::Path::new(text).extension().is_some() {
        return Err(path
            .fault("expected a directory, for logs.jsonl, metrics.jsonl and traces.jsonl in it"));
    }
    let mut fields = Fields::new();
    fields.insert("dir".into(), text.into());
    if let Some(rotation) = options.take("rotation") {
        let mut rotation = rotation.section()?;
        if let Some(size) = rotation.take("max_megabytes") {
            fields.insert("rotate_bytes".into(), (size.integer(1, 1 << 20)? << 20).into());
        }
        if let Some(backups) = rotation.take("max_backups") {
            fields.insert("rotate_keep".into(), backups.integer(1, 10_000)?.into());
        }
        rotation.finish(&[("max_days", "`max_backups`"), ("localtime", "`max_backups`")])?;
    }
    if let Some(format) = options.take("format") {
        format.choice(&[("json", ())])?;
    }
    Ok(fields)
}

/// The word for a signal in the name of a pipeline.
pub(crate) const fn word(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "logs",
        Signal::Metrics => "metrics",
        Signal::Traces => "traces",
    }
}

/// The exporter that stands for those of the gateway's own file, which have their settings there.
const OWN: &str = "lucarne_exporters";
const KINDS: [&str; 7] =
    ["loki", "prometheusremotewrite", "otlp", "otlphttp", "file", "debug", OWN];
const INSTEAD: [(&str, &str); 10] = [
    ("external_labels", "an `attributes` processor with `insert`"),
    ("resource_to_telemetry_conversion", "a `transform` processor with `set`"),
    ("namespace", "a `transform` processor with `set(metric.name, …)`"),
    ("add_metric_suffixes", "a `transform` processor with `set(metric.name, …)`"),
    ("remote_write_queue", "`timeout`: the write-ahead log is the queue"),
    ("wal", "none: the gateway has a write-ahead log"),
    ("auth", "`headers`"),
    ("logs_endpoint", "`endpoint`"),
    ("metrics_endpoint", "`endpoint`"),
    ("traces_endpoint", "`endpoint`"),
];
