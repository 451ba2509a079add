//! Captured telemetry: OTLP requests from files, as collectors and SDKs write them.
//!
//! Three forms are known: OTLP/JSON, one request a line or one request in all; one request as
//! protobuf; and the collector's `proto` format, requests behind four bytes of length. JSON names
//! its signal itself. Protobuf does not, so the file's name or the caller has to. Refused: what is
//! larger than a person would review, and what is not OTLP from its first byte to its last.

pub mod fuzzing;
pub mod values;

use std::fmt;
use std::path::Path;

use lucarne_otlp::Signal;
use lucarne_otlp::json::{JsonError, to_protobuf};

/// One request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// What it holds.
    pub signal: Signal,
    /// The request as protobuf.
    pub bytes: Vec<u8>,
}

/// Why a capture could not be read.
#[derive(Debug)]
pub enum CaptureError {
    /// The file.
    Io(std::io::Error),
    /// Larger than [`CAPTURE_BYTES_MAX`].
    TooLarge,
    /// A line of JSON has no list of resources under a name that OTLP knows.
    NoSignal {
        /// The line, from 1.
        line: usize,
    },
    /// A line of JSON is not OTLP.
    Json {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        error: JsonError,
    },
    /// Protobuf, and nothing says of which signal.
    Unnamed,
    /// A length leads beyond the end of the file.
    Length,
}

/// More than a quarter of a gigabyte is a store, not a capture that somebody reviews.
pub const CAPTURE_BYTES_MAX: u64 = 256 << 20;

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("cannot read it"),
            Self::TooLarge => write!(f, "more than {CAPTURE_BYTES_MAX} bytes"),
            Self::NoSignal { line } => write!(
                f,
                "line {line}: expected OTLP/JSON with resourceLogs, resourceMetrics or \
                 resourceSpans"
            ),
            Self::Json { line, error } => write!(f, "line {line}: {error}"),
            Self::Unnamed => f.write_str(
                "protobuf does not say which signal it holds: name it with --signal, or have logs, \
                 metrics or traces in the file's name",
            ),
            Self::Length => f.write_str("a length leads beyond the end of the file"),
        }
    }
}

impl std::error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::TooLarge
            | Self::NoSignal { .. }
            | Self::Json { .. }
            | Self::Unnamed
            | Self::Length => None,
        }
    }
}

/// Reads a file; `signal` is what protobuf holds, if the name of the file does not say so.
///
/// # Errors
/// When it cannot be read, or is no capture.
pub fn read(path: &Path, signal: Option<Signal>) -> Result<Vec<Request>, CaptureError> {
    if std::fs::metadata(path).map_err(CaptureError::Io)?.len() > CAPTURE_BYTES_MAX {
        return Err(CaptureError::TooLarge);
    }
    let bytes = std::fs::read(path).map_err(CaptureError::Io)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    parse(&bytes, signal.or_else(|| named(&name)))
}

/// Reads the content of a file.
///
/// # Errors
/// When it is no capture.
pub fn parse(bytes: &[u8], signal: Option<Signal>) -> Result<Vec<Request>, CaptureError> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Ok(Vec::new()),
        Some(b'{') => json(bytes),
        // A message of OTLP begins with field 1, a length below 16 MiB with a zero.
        Some(0) => framed(bytes, signal.ok_or(CaptureError::Unnamed)?),
        Some(_) => {
            let signal = signal.ok_or(CaptureError::Unnamed)?;
            Ok(vec![Request { signal, bytes: bytes.to_vec() }])
        }
    }
}

fn named(name: &str) -> Option<Signal> {
    let words = [
        ("log", Signal::Logs),
        ("metric", Signal::Metrics),
        ("trace", Signal::Traces),
        ("span", Signal::Traces),
    ];
    words.iter().find(|(word, _)| name.contains(word)).map(|(_, signal)| *signal)
}

fn json(bytes: &[u8]) -> Result<Vec<Request>, CaptureError> {
    let whole = signal_of(bytes).map(|signal| (1, bytes, signal));
    let by_line = || {
        let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
        let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
        lines.map(|(line, text)| {
            let signal = signal_of(text).ok_or(CaptureError::NoSignal { line })?;
            Ok((line, text, signal))
        })
    };
    let parts = match whole {
        // One request may be spread over many lines; many requests are not one JSON text.
        Some(whole) => vec![whole],
        None => by_line().collect::<Result<Vec<_>, _>>()?,
    };
    let read = parts.into_iter().map(|(line, text, signal)| {
        let mut bytes = Vec::new();
        to_protobuf(signal, text, &mut bytes)
            .map_err(|error| CaptureError::Json { line, error })?;
        Ok(Request { signal, bytes })
    });
    read.collect()
}

/// The signal that a JSON text names at its top level; `None` when it is no JSON object.
fn signal_of(text: &[u8]) -> Option<Signal> {
    let top: std::collections::BTreeMap<String, serde::de::IgnoredAny> =
        serde_json::from_slice(text).ok()?;
    let names = [
        ("resourceLogs", Signal::Logs),
        ("resourceMetrics", Signal::Metrics),
        ("resourceSpans", Signal::Traces),
    ];
    names.iter().find(|(name, _)| top.contains_key(*name)).map(|(_, signal)| *signal)
}

fn framed(mut rest: &[u8], signal: Signal) -> Result<Vec<Request>, CaptureError> {
    let mut requests = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (bytes, behind) = after.split_at_checked(length).ok_or(CaptureError::Length)?;
        requests.push(Request { signal, bytes: bytes.to_vec() });
        rest = behind;
    }
    if rest.is_empty() { Ok(requests) } else { Err(CaptureError::Length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGS: &str =
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":9}]}]}]}"#;

    fn request(signal: Signal, bytes: &[u8]) -> Request {
        Request { signal, bytes: bytes.to_vec() }
    }

    const RECORD: &[u8] = &[10, 6, 18, 4, 18, 2, 16, 9];

    #[test]
    fn every_form_that_collectors_write() {
        let logs = || request(Signal::Logs, RECORD);
        assert_eq!(parse(LOGS.as_bytes(), None).unwrap(), [logs()]);
        let pretty = LOGS.replace(",", ",\n").replace('[', "[\n");
        assert_eq!(parse(pretty.as_bytes(), None).unwrap(), [logs()]);
        let lines = format!("{LOGS}\n\n{}\n", r#"{"resourceSpans":[]}"#);
        let two = parse(lines.as_bytes(), Some(Signal::Metrics)).unwrap();
        assert_eq!(two, [logs(), request(Signal::Traces, b"")]);
        assert_eq!(parse(RECORD, Some(Signal::Logs)).unwrap(), [logs()]);
        let framed = [&[0, 0, 0, 8], RECORD, &[0, 0, 0, 0]].concat();
        let two = parse(&framed, Some(Signal::Logs)).unwrap();
        assert_eq!(two, [logs(), request(Signal::Logs, b"")]);
        assert_eq!(parse(b" \n", None).unwrap(), []);
    }

    #[test]
    fn what_is_no_capture_says_why() {
        let said = |bytes: &[u8], signal| parse(bytes, signal).unwrap_err().to_string();
        let unnamed = "protobuf does not say which signal it holds: name it with --signal, or have \
                       logs, metrics or traces in the file's name";
        assert_eq!(said(RECORD, None), unnamed);
        let line = format!("{LOGS}\n{{\"logs\":1}}");
        let expected = "line 2: expected OTLP/JSON with resourceLogs, resourceMetrics or \
                        resourceSpans";
        assert_eq!(said(line.as_bytes(), None), expected);
        let text = r#"{"resourceLogs":[{"scopeLogs":5}]}"#;
        assert!(said(text.as_bytes(), None).starts_with("line 1: line 1, column"));
        for cut in [&[0, 0, 0, 9, 1][..], &[0, 0]] {
            assert_eq!(said(cut, Some(Signal::Logs)), "a length leads beyond the end of the file");
        }
    }

    #[test]
    fn names_of_files_name_signals() {
        let names = ["logs.pb", "otel-metrics-1.bin", "traces.pb", "spans", "capture.pb"];
        let expected = [
            Some(Signal::Logs),
            Some(Signal::Metrics),
            Some(Signal::Traces),
            Some(Signal::Traces),
            None,
        ];
        assert_eq!(names.map(named), expected);
    }
}
