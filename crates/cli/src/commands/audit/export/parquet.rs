//! Parquet: a row a record, for whoever counts and joins. Derived data: it proves nothing.
//!
//! Columns are those of the audit record view; the payload is one column of JSON text, since two
//! event types rarely share a field. Pages are not compressed: that would bring another codec.

use std::io::Write;
use std::sync::Arc;

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::records::Walk;
use super::view::View;
use crate::failure::{Exit, Failure};

/// One file, in row groups that are held in memory until they are full.
pub(super) fn write(walk: &Walk<'_>, out: &mut (dyn Write + Send)) -> Result<u64, Failure> {
    let schema = parse_message_type(SCHEMA).map_err(|error| failed(&error))?;
    let created = format!("lucarne {}", env!("CARGO_PKG_VERSION"));
    let properties = WriterProperties::builder().set_created_by(created).build();
    let mut file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))
        .map_err(|error| failed(&error))?;
    let mut group = Group::default();
    let count = walk.each(&mut |row| {
        group.add(&View::of(row))?;
        if group.is_full() {
            group.flush(&mut file).map_err(|error| failed(&error))
        } else {
            Ok(())
        }
    })?;
    group.flush(&mut file).and_then(|()| file.close().map(drop)).map_err(|error| failed(&error))?;
    Ok(count)
}

fn failed(error: &ParquetError) -> Failure {
    Failure::because(Exit::Unreadable, "write Parquet", error)
}

/// Rows, column by column.
#[derive(Default)]
struct Group {
    seq: Vec<i64>,
    sealed_at: Vec<i64>,
    /// `prev_hash` has fewer values than rows.
    has_prev: Vec<i16>,
    insecure: Vec<bool>,
    withheld: Vec<bool>,
    text: [Vec<ByteArray>; TEXTS],
    bytes: usize,
}

/// Columns of text, in the order of `Group::text`.
const TEXTS: usize = 11;

impl Group {
    fn is_full(&self) -> bool {
        self.seq.len() >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    fn add(&mut self, view: &View<'_>) -> Result<(), Failure> {
        let payload = serde_json::to_string(&view.payload).map_err(std::io::Error::from)?;
        self.bytes = self.bytes.saturating_add(payload.len()).saturating_add(ROW_BYTES);
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.seq.push(number(view.seq));
        self.sealed_at.push(number(view.sealed_at_ms));
        self.has_prev.push(i16::from(view.prev_hash.is_some()));
        self.insecure.push(view.insecure);
        self.withheld.push(view.withheld);
        let texts: [Option<&str>; TEXTS] = [
            view.prev_hash.as_deref(),
            Some(&view.record_hash),
            Some(view.tee_measurement),
            Some(view.tee_instance_id),
            Some(&view.timestamp_utc),
            Some(&view.event_type),
            Some(&view.tee_epoch),
            Some(view.ledger),
            Some(view.stream),
            Some(view.seal),
            Some(&payload),
        ];
        for (column, text) in self.text.iter_mut().zip(texts) {
            column.extend(text.map(ByteArray::from));
        }
        Ok(())
    }

    /// Writes what is there as a row group.
    fn flush<W: Write + Send>(
        &mut self,
        file: &mut SerializedFileWriter<W>,
    ) -> Result<(), ParquetError> {
        if self.seq.is_empty() {
            return Ok(());
        }
        let whole = std::mem::take(self);
        let mut group = file.next_row_group()?;
        numbers(&mut group, &whole.seq)?;
        for (index, text) in whole.text.iter().enumerate() {
            let levels = (index == 0).then_some(whole.has_prev.as_slice());
            let column = group.next_column()?;
            let mut column = column.ok_or_else(|| ParquetError::General("columns".to_owned()))?;
            column.typed::<ByteArrayType>().write_batch(text, levels, None)?;
            column.close()?;
        }
        numbers(&mut group, &whole.sealed_at)?;
        flags(&mut group, &whole.insecure)?;
        flags(&mut group, &whole.withheld)?;
        group.close().map(drop)
    }
}

fn numbers<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[i64],
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    column.typed::<Int64Type>().write_batch(values, None, None)?;
    column.close()
}

fn flags<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[bool],
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    column.typed::<BoolType>().write_batch(values, None, None)?;
    column.close()
}

/// The columns, in the order in which a group is written.
const SCHEMA: &str = "
message audit_record {
  required int64 seq (integer(64,false));
  optional binary prev_hash (string);
  required binary record_hash (string);
  required binary tee_measurement (string);
  required binary tee_instance_id (string);
  required binary timestamp_utc (string);
  required binary event_type (string);
  required binary tee_epoch (string);
  required binary ledger (string);
  required binary stream (string);
  required binary seal (string);
  required binary payload (json);
  required int64 sealed_at (timestamp(millis,true));
  required boolean insecure;
  required boolean withheld;
}
";
/// What readers expect of a row group, and what is held in memory at most, whichever comes first.
const ROWS_MAX: usize = 1 << 17;
const BYTES_MAX: usize = 64 << 20;
/// Text of a row beside its payload.
const ROW_BYTES: usize = 512;
