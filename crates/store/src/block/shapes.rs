//! Which fields each JSON line of a block has, in the order of the line.
//!
//! Lines of one statement in a program have one shape, so a block has few; a row is the number of
//! its shape, and 0 says that its line is left to the parser.

use std::collections::HashMap;

use super::ROWS_MAX;
use crate::cursor::{Cursor, Malformed, put_varint};
use crate::shred::{self, Place};

/// Lines of further shapes are left to the parser.
const SHAPES_MAX: usize = 1024;

/// Collects shapes while a block is written.
#[derive(Debug, Default)]
pub(super) struct ShapeWriter {
    known: HashMap<Vec<usize>, usize>,
    shapes: Vec<Vec<usize>>,
    codes: Vec<usize>,
    last: usize,
}

impl ShapeWriter {
    /// Adds a row; `false`, and no row, when there are too many shapes.
    pub(super) fn add(&mut self, places: &[Place]) -> bool {
        let names = places.iter().map(|place| place.name);
        let same = self.last.checked_sub(1).and_then(|at| self.shapes.get(at));
        if same.is_none_or(|same| !same.iter().copied().eq(names.clone())) {
            let names: Vec<usize> = names.collect();
            self.last = match self.known.get(&names) {
                Some(&code) => code,
                None if self.shapes.len() >= SHAPES_MAX => return false,
                None => {
                    self.shapes.push(names.clone());
                    self.known.insert(names, self.shapes.len());
                    self.shapes.len()
                }
            };
        }
        self.codes.push(self.last);
        true
    }

    /// Adds a row whose line is left to the parser.
    pub(super) fn add_none(&mut self) {
        self.codes.push(0);
    }

    /// The stored form, when the column of name `order[n]` is the n-th.
    pub(super) fn write(&self, order: &[usize]) -> Vec<u8> {
        // Names of objects, lists and nulls have no column.
        let names = order.iter().max().map_or(0, |last| last + 1);
        let mut column = vec![0; names];
        for (at, &name) in order.iter().enumerate() {
            if let Some(slot) = column.get_mut(name) {
                *slot = at as u64;
            }
        }
        let mut out = Vec::with_capacity(self.codes.len() + 64);
        put_varint(&mut out, self.shapes.len() as u64);
        for shape in &self.shapes {
            put_varint(&mut out, shape.len() as u64);
            for &name in shape {
                put_varint(&mut out, column.get(name).copied().unwrap_or(0));
            }
        }
        for &code in &self.codes {
            put_varint(&mut out, code as u64);
        }
        out
    }
}

/// The shapes of a block.
#[derive(Debug)]
pub(crate) struct Shapes {
    shapes: Vec<Vec<usize>>,
    codes: Vec<u16>,
}

impl Shapes {
    pub(super) fn read(bytes: &[u8], rows: usize, columns: usize) -> Result<Self, Malformed> {
        let wrong = Malformed::NotCanonical { what: "shapes" };
        let mut cursor = Cursor::new(bytes);
        let count = cursor.count("shapes", SHAPES_MAX)?;
        let mut shapes: Vec<Vec<usize>> = Vec::new();
        for _ in 0..count {
            let fields = cursor.count("fields", shred::NAMES_MAX)?;
            let mut shape = Vec::with_capacity(fields);
            for _ in 0..fields {
                let column = cursor.count("column", columns.saturating_sub(1))?;
                if columns == 0 || shape.contains(&column) {
                    return Err(wrong);
                }
                shape.push(column);
            }
            shapes.push(shape);
        }
        let mut codes = Vec::with_capacity(rows.min(ROWS_MAX));
        for _ in 0..rows {
            let code = cursor.count("shape", count)?;
            codes.push(u16::try_from(code).map_err(|_| wrong)?);
        }
        cursor.finish()?;
        Ok(Self { shapes, codes })
    }

    /// Whether no line must be parsed.
    pub(crate) fn has_all(&self) -> bool {
        !self.codes.contains(&0)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.shapes.len()
    }

    /// The number of a row's shape; `None` when the line must be parsed.
    pub(crate) fn number(&self, row: usize) -> Option<usize> {
        usize::from(*self.codes.get(row)?).checked_sub(1)
    }

    /// The columns of a row in the order of its line; `None` when the line must be parsed.
    pub(crate) fn of_row(&self, row: usize) -> Option<&[usize]> {
        self.shapes.get(self.number(row)?).map(Vec::as_slice)
    }
}
