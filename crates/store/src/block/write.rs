//! A head to a block: sorts, shreds, and takes for each part the smaller of raw and compressed.

use std::io;

use lucarne_logql::labels::LabelSet;
use zstd::bulk::Compressor;

use super::footer::{Class, Footer, MAGIC, Section};
use super::shapes::ShapeWriter;
use crate::bloom::BloomBuilder;
use crate::column::{Cells, Encoding, encode};
use crate::cursor::put_varint;
use crate::head::Head;
use crate::shred::Shredder;

/// Level 1 is as small as 3 on logs and twice as fast.
pub(crate) const ZSTD_LEVEL: i32 = 1;
/// Less is not worth a frame.
const COMPRESSED_BYTES_MIN: usize = 64;

/// Writes blocks; made once and reused, since its tables are larger than most blocks.
pub(crate) struct BlockWriter {
    compressor: Compressor<'static>,
    bloom: BloomBuilder,
    raw: Vec<u8>,
}

impl std::fmt::Debug for BlockWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlockWriter")
    }
}

/// A block that was just written.
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) bloom: Vec<u8>,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    /// Lines and columns, not compressed.
    pub(crate) content: u64,
}

impl BlockWriter {
    /// # Errors
    /// When there is no memory for the tables of the compressor.
    pub(crate) fn new() -> io::Result<Self> {
        let compressor = Compressor::new(ZSTD_LEVEL)?;
        Ok(Self { compressor, bloom: BloomBuilder::new(), raw: Vec::new() })
    }

    /// The block of a head; `None` when the head has no row.
    pub(crate) fn write(&mut self, labels: &LabelSet, head: &Head) -> Option<Written> {
        let (first_ns, last_ns) = head.span()?;
        let sorted = Sorted::of(head);
        let mut body = Parts { bytes: MAGIC.to_vec(), sections: Vec::new() };
        self.put_times(&sorted, first_ns, &mut body);
        self.put_lines(&sorted, &mut body);
        // Columns come after the filter but fill it; their parts wait.
        let mut columns = Parts { bytes: Vec::new(), sections: Vec::new() };
        let shapes = self.put_columns(&sorted, &mut columns);
        self.raw.clear();
        self.raw.extend_from_slice(&shapes);
        self.put(Class::Shapes, "", Encoding::Text, &mut body);
        self.bloom.insert(head.lines().as_bytes());
        let bloom = self.bloom.finish();
        self.raw.clear();
        self.raw.extend_from_slice(&bloom);
        self.put(Class::Bloom, "", Encoding::Text, &mut body);
        body.bytes.append(&mut columns.bytes);
        body.sections.append(&mut columns.sections);
        let footer = Footer {
            labels: labels.clone(),
            through: head.through,
            rows: head.rows(),
            first_ns,
            last_ns,
            sections: body.sections,
        };
        let content = footer.sections.iter().map(|section| section.raw as u64).sum();
        Some(Written { bytes: finish(body.bytes, &footer), bloom, first_ns, last_ns, content })
    }

    fn put_times(&mut self, rows: &Sorted<'_>, first_ns: i64, body: &mut Parts) {
        self.raw.clear();
        let mut last = first_ns;
        for row in rows.iter() {
            let time = rows.head.time(row);
            put_varint(&mut self.raw, time.wrapping_sub(last).cast_unsigned());
            last = time;
        }
        self.put(Class::Times, "", Encoding::Text, body);
    }

    fn put_lines(&mut self, rows: &Sorted<'_>, body: &mut Parts) {
        self.raw.clear();
        for row in rows.iter() {
            put_varint(&mut self.raw, rows.head.line(row).len() as u64);
        }
        self.put(Class::LineLengths, "", Encoding::Text, body);
        self.raw.clear();
        match rows.order {
            None => self.raw.extend_from_slice(rows.head.lines().as_bytes()),
            Some(_) => {
                for row in rows.iter() {
                    self.raw.extend_from_slice(rows.head.line(row).as_bytes());
                }
            }
        }
        self.put(Class::Lines, "", Encoding::Text, body);
    }

    /// Both kinds of columns; the shapes of the lines as they are stored.
    fn put_columns(&mut self, rows: &Sorted<'_>, out: &mut Parts) -> Vec<u8> {
        let names = rows.head.names();
        let mut metadata: Vec<Cells<'_>> = names.iter().map(|_| Cells::default()).collect();
        let mut json: Vec<Cells<'_>> = Vec::new();
        let mut shredder = Shredder::default();
        let mut shapes = ShapeWriter::default();
        let mut places = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            let at = u32::try_from(number).unwrap_or(u32::MAX);
            for (name, value) in rows.head.fields(row) {
                if let Some(cells) = metadata.get_mut(name) {
                    cells.push(at, value);
                }
            }
            let line = rows.head.line(row);
            if !shredder.shred(line, &mut places) || !shapes.add(&places) {
                shapes.add_none();
                continue;
            }
            json.resize_with(shredder.names().len(), Cells::default);
            for place in &places {
                let value = line.get(place.start..place.end).unwrap_or_default();
                if let Some(cells) = json.get_mut(place.name) {
                    cells.push_place(at, u32::try_from(place.start).unwrap_or(u32::MAX), value);
                }
            }
        }
        self.put_class(Class::Metadata, names, &metadata, rows.head.rows(), out);
        let order = self.put_class(Class::Json, shredder.names(), &json, rows.head.rows(), out);
        shapes.write(&order)
    }

    /// Appends the columns by name; the numbers of their names in that order.
    fn put_class<N: AsRef<str>>(
        &mut self,
        class: Class,
        names: &[N],
        columns: &[Cells<'_>],
        rows: usize,
        out: &mut Parts,
    ) -> Vec<usize> {
        let mut named: Vec<_> = names
            .iter()
            .zip(columns)
            .enumerate()
            .filter(|(_, (_, cells))| !cells.is_empty())
            .map(|(number, (name, cells))| (name.as_ref(), number, cells))
            .collect();
        named.sort_unstable_by_key(|&(name, ..)| name);
        for &(name, _, cells) in &named {
            self.raw.clear();
            let bloom = &mut self.bloom;
            // The words of a JSON column are in its lines already.
            let mut words = |value: &str| {
                if class == Class::Metadata {
                    bloom.insert(value.as_bytes());
                }
            };
            let encoding = encode(cells, rows, &mut words, &mut self.raw);
            self.put(class, name, encoding, out);
        }
        named.into_iter().map(|(_, number, _)| number).collect()
    }

    /// Appends what is in `raw` as a part.
    fn put(&mut self, class: Class, name: &str, encoding: Encoding, out: &mut Parts) {
        let raw = self.raw.len();
        let start = out.bytes.len();
        let packed = (raw >= COMPRESSED_BYTES_MIN)
            .then(|| self.compressor.compress(&self.raw).ok())
            .flatten()
            .filter(|packed| packed.len() < raw);
        out.bytes.extend_from_slice(packed.as_deref().unwrap_or(&self.raw));
        out.sections.push(Section {
            class,
            name: name.to_owned(),
            encoding,
            compressed: packed.is_some(),
            stored: out.bytes.len() - start,
            raw,
        });
    }
}

/// Parts one after the other, and what they are.
struct Parts {
    bytes: Vec<u8>,
    sections: Vec<Section>,
}

/// Closes a block: its footer, and the length of that.
fn finish(mut bytes: Vec<u8>, footer: &Footer) -> Vec<u8> {
    let start = bytes.len();
    footer.write(&mut bytes);
    let length = u32::try_from(bytes.len() - start).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes
}

/// The rows of a head by time.
struct Sorted<'h> {
    head: &'h Head,
    order: Option<Vec<u32>>,
}

impl<'h> Sorted<'h> {
    fn of(head: &'h Head) -> Self {
        Self { head, order: head.order() }
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.head.rows()).map(|at| match &self.order {
            None => at,
            Some(order) => order.get(at).and_then(|&row| usize::try_from(row).ok()).unwrap_or(at),
        })
    }
}
