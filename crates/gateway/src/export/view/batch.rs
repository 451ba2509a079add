//! Items as rows of streams and as spans, on their way into the store.
//!
//! A row is what the Loki exporter would send, with what Loki itself adds to a push. Metadata says
//! whether the line is a sealed one.

use lucarne_store::ingest::Row;
use lucarne_store::surface;

use crate::export::line::{self, Flat, Malformed};
use crate::export::loki::{self, Loki, LokiFormat};
use crate::export::otlp::{Otlp, OtlpTransport, Signals};
use crate::export::sink::Tally;
use crate::export::{Item, Whence};

/// What is to be kept.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
    /// `ExportTraceServiceRequest`s.
    pub(super) spans: Vec<Vec<u8>>,
}

impl Batch {
    /// Those of the items that a view keeps; metrics are not for it.
    pub(super) fn of(items: &[Item], tally: &mut Tally) -> Self {
        let (mut rows, mut flat) = (Vec::new(), Flat::default());
        for item in items {
            match row(item, &mut flat) {
                Ok(None) => {}
                Ok(Some(row)) => rows.push(row),
                Err(Malformed) => tally.skipped += 1,
            }
        }
        let spans = SPANS.encode(items, tally).iter().map(|request| request.message()).collect();
        Self { rows, spans }
    }

    /// How many of the first rows go into the store at once.
    pub(super) fn run(&self) -> usize {
        let mut bytes = 0;
        let fits = |row: &&Row| {
            bytes += row.line.len();
            bytes <= RUN_BYTES
        };
        self.rows.iter().take_while(fits).count().max(1).min(self.rows.len())
    }
}

fn row(item: &Item, flat: &mut Flat) -> Result<Option<Row>, Malformed> {
    let Some(line) = line::line(item, flat)? else { return Ok(None) };
    let labels = STREAMS.stream(&line).labels();
    let mut metadata = Vec::new();
    if let Some(provenance) = line.provenance {
        provenance.metadata(|name, value| metadata.push((name.to_owned(), value.to_owned())));
    }
    metadata.push((SEALED.to_owned(), is_sealed(item).to_string()));
    let time_ns = i64::try_from(line.timestamp_ns).unwrap_or(i64::MAX);
    let text = String::from_utf8(loki::text(line).into_owned()).map_err(|_| Malformed)?;
    let mut row = Row::new(labels, time_ns, text, metadata);
    surface::complete(&mut row);
    Ok(Some(row))
}

/// Whether the line says what somebody has sealed.
fn is_sealed(item: &Item) -> bool {
    match item {
        Item::Record(record) => !Whence::Sealed(record).is_unsealed(),
        Item::Unverified(_) | Item::Host(_) | Item::Telemetry(_) => false,
    }
}

/// In metadata, since the two values of a label would tear one history into two streams.
const SEALED: &str = "lucarne_sealed";
/// Bytes of lines that are logged and synced as one.
const RUN_BYTES: usize = 1 << 20;
const STREAMS: Loki = Loki { format: LokiFormat::Protobuf, labels_compat: false };
const SPANS: Otlp = Otlp {
    transport: OtlpTransport::Http,
    signals: Signals { logs: false, metrics: false, traces: true },
};
