//! OTLP logs to rows of streams.
//!
//! The body is the line, exactly. What names a stream is a label, everything else is structured
//! metadata: attributes of the record, its resource and its scope, severity, trace and span. A
//! request is read through once before anything of it is kept, so it is kept whole or not at all;
//! what is over a limit is left out and counted.

mod record;

use std::fmt;

use lucarne_logql::labels::LabelSet;
use lucarne_otlp::view::LogsRequest;
use lucarne_otlp::wire::WireError;

use self::record::Fields;
pub(crate) use self::record::apply_logs;
use crate::block::VALUE_BYTES_MAX;
use crate::cursor::{Cursor, Malformed, put_text, put_varint, unzigzag, zigzag};
use crate::store::State;
use crate::stream::{LABEL_BYTES_MAX, LABELS_MAX};

/// What became of the records of a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ingested {
    /// Kept.
    pub records: u64,
    /// Left out: a line over [`VALUE_BYTES_MAX`].
    pub lines_too_long: u64,
    /// Left out: one stream too many.
    pub streams_refused: u64,
    /// Metadata that was left out of records that were kept: too many fields, or too long.
    pub metadata_dropped: u64,
    /// Kept before; met again in the log after a crash.
    pub(crate) known: u64,
}

impl Ingested {
    /// Records that are not kept.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.lines_too_long.saturating_add(self.streams_refused)
    }
}

/// Why a request was not kept.
#[derive(Debug)]
pub enum IngestError {
    /// It is no OTLP request.
    Wire(WireError),
    /// A row of a push has more or longer labels than a stream may have.
    Labels,
    /// It cannot be made durable now.
    NotDurable(std::io::Error),
}

impl fmt::Display for IngestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(_) => f.write_str("the request cannot be read"),
            Self::Labels => f.write_str("a stream has too many or too long labels, or none"),
            Self::NotDurable(_) => f.write_str("the request cannot be made durable"),
        }
    }
}

impl std::error::Error for IngestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Wire(source) => Some(source),
            Self::NotDurable(source) => Some(source),
            Self::Labels => None,
        }
    }
}

/// A row that comes with its labels, as Loki's push API has them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// The labels of its stream.
    pub labels: LabelSet,
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// The line.
    pub line: String,
    /// Structured metadata; of two with one name the first stays.
    pub metadata: Vec<(String, String)>,
}

impl Row {
    /// A row; of two labels with one name the first stays.
    pub fn new<N: Into<String>, V: Into<String>>(
        labels: impl IntoIterator<Item = (N, V)>,
        time_ns: i64,
        line: String,
        metadata: Vec<(String, String)>,
    ) -> Self {
        Self { labels: LabelSet::from_pairs(labels), time_ns, line, metadata }
    }
}

/// Bytes of all metadata values of a record, as Loki's `max_structured_metadata_size`.
pub(crate) const METADATA_BYTES_MAX: usize = 64 * 1024;

/// Reads a request to its end.
pub(crate) fn check_logs(request: &[u8]) -> Result<u64, WireError> {
    let mut records = 0;
    for resource in LogsRequest::new(request).resources() {
        let resource = resource?;
        resource.resource.attributes().try_for_each(|entry| entry?.value.check())?;
        for scope in resource.scopes() {
            for record in scope?.records() {
                let record = record?;
                record.attributes().try_for_each(|entry| entry?.value.check())?;
                record.body.map_or(Ok(()), |body| body.check())?;
                records += 1;
            }
        }
    }
    Ok(records)
}

/// Whether every row has labels that a stream may have.
pub(crate) fn check_rows(rows: &[Row]) -> Result<(), IngestError> {
    let fits = |row: &Row| {
        (1..=LABELS_MAX).contains(&row.labels.len())
            && row.labels.iter().all(|(name, value)| {
                name.len() <= LABEL_BYTES_MAX && value.len() <= LABEL_BYTES_MAX
            })
    };
    if rows.iter().all(fits) { Ok(()) } else { Err(IngestError::Labels) }
}

/// Puts rows into their streams.
pub(crate) fn apply_rows(state: &mut State, rows: &[Row]) -> Ingested {
    let mut result = Ingested::default();
    for row in rows {
        state.sequence += 1;
        if row.line.len() > VALUE_BYTES_MAX {
            result.lines_too_long += 1;
            continue;
        }
        let Some(stream) = state.stream(row.labels.clone()) else {
            result.streams_refused += 1;
            continue;
        };
        if state.is_known(&stream) {
            result.known += 1;
            continue;
        }
        let head = state.head(&stream);
        head.begin(row.time_ns, &row.line);
        let mut fields = Fields::of(head);
        row.metadata.iter().for_each(|(name, value)| fields.put(name, value));
        result.metadata_dropped += fields.dropped;
        state.row_is_complete(&stream);
        result.records += 1;
    }
    result
}

/// Rows as the log keeps them.
pub(crate) fn write_rows(rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, rows.len() as u64);
    for row in rows {
        put_varint(&mut out, zigzag(row.time_ns));
        put_text(&mut out, &row.line);
        put_varint(&mut out, row.labels.len() as u64);
        for (name, value) in row.labels.iter() {
            put_text(&mut out, name);
            put_text(&mut out, value);
        }
        put_varint(&mut out, row.metadata.len() as u64);
        for (name, value) in &row.metadata {
            put_text(&mut out, name);
            put_text(&mut out, value);
        }
    }
    out
}

/// The rows that [`write_rows`] wrote.
pub(crate) fn read_rows(bytes: &[u8]) -> Result<Vec<Row>, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let mut rows = Vec::new();
    for _ in 0..cursor.count("rows", bytes.len())? {
        let time_ns = unzigzag(cursor.varint()?);
        let line = cursor.text("line", bytes.len())?.to_owned();
        let labels = LabelSet::from_pairs(read_pairs(&mut cursor, bytes.len())?);
        let metadata = read_pairs(&mut cursor, bytes.len())?;
        rows.push(Row { labels, time_ns, line, metadata });
    }
    cursor.finish()?;
    Ok(rows)
}

fn read_pairs(cursor: &mut Cursor<'_>, max: usize) -> Result<Vec<(String, String)>, Malformed> {
    let mut pairs = Vec::new();
    for _ in 0..cursor.count("pairs", max)? {
        let name = cursor.text("name", max)?.to_owned();
        pairs.push((name, cursor.text("value", max)?.to_owned()));
    }
    Ok(pairs)
}
