//! The footer of a block: what it is about, and where its parts lie.

use lucarne_logql::labels::LabelSet;

use super::{ROWS_MAX, STORED_BYTES_MAX};
use crate::column::Encoding;
use crate::cursor::{Cursor, Malformed, put_text, put_varint};
use crate::stream::{LABEL_BYTES_MAX, LABELS_MAX};
use crate::{head, shred};

/// Begins every block; the digit is the version.
pub(super) const MAGIC: &[u8; 4] = b"LSB1";
pub(crate) const NAME_BYTES_MAX: usize = 1024;
const SECTIONS_MAX: usize = 5 + head::NAMES_MAX + shred::NAMES_MAX;

/// What a block says about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Footer {
    pub(crate) labels: LabelSet,
    /// The newest record of the store when the block was cut: all older ones of the stream are in
    /// this block or in earlier ones.
    pub(crate) through: u64,
    pub(crate) rows: usize,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    pub(crate) sections: Vec<Section>,
}

/// One part of a block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Section {
    pub(crate) class: Class,
    /// The name of a column, else empty.
    pub(crate) name: String,
    pub(crate) encoding: Encoding,
    pub(crate) compressed: bool,
    pub(crate) stored: usize,
    pub(crate) raw: usize,
}

/// The parts of a block, in their order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Class {
    Times,
    LineLengths,
    Lines,
    /// Which fields each line has, and in which order.
    Shapes,
    Bloom,
    Metadata,
    Json,
}

impl Class {
    const ONCE: [Self; 5] =
        [Self::Times, Self::LineLengths, Self::Lines, Self::Shapes, Self::Bloom];

    const fn code(self) -> u8 {
        match self {
            Self::Times => 0,
            Self::LineLengths => 1,
            Self::Lines => 2,
            Self::Shapes => 3,
            Self::Bloom => 4,
            Self::Metadata => 5,
            Self::Json => 6,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Times,
            1 => Self::LineLengths,
            2 => Self::Lines,
            3 => Self::Shapes,
            4 => Self::Bloom,
            5 => Self::Metadata,
            6 => Self::Json,
            _ => return None,
        })
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Times => "times",
            Self::LineLengths => "line lengths",
            Self::Lines => "lines",
            Self::Shapes => "shapes",
            Self::Bloom => "filter",
            Self::Metadata => "metadata column",
            Self::Json => "json column",
        }
    }
}

impl Footer {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.through);
        put_varint(out, self.labels.len() as u64);
        for (name, value) in self.labels.iter() {
            put_text(out, name);
            put_text(out, value);
        }
        put_varint(out, self.rows as u64);
        out.extend_from_slice(&self.first_ns.to_le_bytes());
        out.extend_from_slice(&self.last_ns.to_le_bytes());
        put_varint(out, self.sections.len() as u64);
        for section in &self.sections {
            out.push(section.class.code());
            put_text(out, &section.name);
            out.push(section.encoding.code());
            out.push(u8::from(section.compressed));
            put_varint(out, section.stored as u64);
            put_varint(out, section.raw as u64);
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let through = cursor.varint()?;
        let labels = read_labels(&mut cursor)?;
        let rows = cursor.count("rows", ROWS_MAX)?;
        let first_ns = i64::from_le_bytes(cursor.array()?);
        let last_ns = i64::from_le_bytes(cursor.array()?);
        if rows == 0 || first_ns > last_ns {
            return Err(Malformed::NotCanonical { what: "times" });
        }
        let count = cursor.count("sections", SECTIONS_MAX)?;
        let mut sections: Vec<Section> = Vec::with_capacity(count);
        for _ in 0..count {
            let section = Section::read(&mut cursor)?;
            let rises = sections.last().is_none_or(|above| {
                (above.class, above.name.as_str()) < (section.class, section.name.as_str())
            });
            if !rises {
                return Err(Malformed::NotCanonical { what: "sections" });
            }
            sections.push(section);
        }
        cursor.finish()?;
        let once = sections.iter().map(|section| section.class).take(Class::ONCE.len());
        let named = sections.iter().skip(Class::ONCE.len()).all(|section| !section.name.is_empty());
        if !once.eq(Class::ONCE) || !named {
            return Err(Malformed::NotCanonical { what: "sections" });
        }
        Ok(Self { labels, through, rows, first_ns, last_ns, sections })
    }
}

fn read_labels(cursor: &mut Cursor<'_>) -> Result<LabelSet, Malformed> {
    let count = cursor.count("labels", LABELS_MAX)?;
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(count);
    for _ in 0..count {
        let name = cursor.text("label name", LABEL_BYTES_MAX)?;
        let value = cursor.text("label value", LABEL_BYTES_MAX)?;
        if pairs.last().is_some_and(|&(above, _)| above >= name) {
            return Err(Malformed::NotCanonical { what: "labels" });
        }
        pairs.push((name, value));
    }
    Ok(LabelSet::from_pairs(pairs))
}

impl Section {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let wrong = Malformed::NotCanonical { what: "section" };
        let class = Class::of(cursor.byte()?).ok_or(wrong)?;
        let name = cursor.text("column name", NAME_BYTES_MAX)?.to_owned();
        let encoding = Encoding::of(cursor.byte()?).ok_or(wrong)?;
        let compressed = match cursor.byte()? {
            0 => false,
            1 => true,
            _ => return Err(wrong),
        };
        let stored = cursor.count("section", STORED_BYTES_MAX)?;
        let raw = cursor.count("section", STORED_BYTES_MAX)?;
        let is_column = class > Class::Bloom;
        let is_place = encoding == Encoding::Place;
        if (!is_column && (!name.is_empty() || encoding != Encoding::Text))
            || (is_place && class != Class::Json)
            || (!compressed && stored != raw)
            || (compressed && stored >= raw)
        {
            return Err(wrong);
        }
        Ok(Self { class, name, encoding, compressed, stored, raw })
    }
}
