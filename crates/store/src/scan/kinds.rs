//! Rows of a block that are the same but for their time: of one shape, with equal values in the
//! columns that a query reads. What is found out about one of them holds for all.

use std::cell::Cell;

use crate::block::Shapes;
use crate::column::Column;

/// The kinds of a block's rows, by number.
pub(super) struct Kinds<'a> {
    shapes: &'a Shapes,
    /// With how many numbers their values have.
    columns: Vec<(&'a Column, usize)>,
    count: usize,
}

impl<'a> Kinds<'a> {
    /// `None` when the values of a column are not numbered, or there are so many kinds that most
    /// of these rows would be the only one of theirs.
    pub(super) fn of(
        shapes: &'a Shapes,
        columns: impl Iterator<Item = &'a Column>,
        rows: usize,
    ) -> Option<Self> {
        let most = rows.saturating_mul(KINDS_A_ROW);
        let columns: Vec<(&Column, usize)> =
            columns.map(|column| Some((column, column.kinds()?))).collect::<Option<_>>()?;
        let count = columns.iter().try_fold(shapes.count(), |count, (_, kinds)| {
            count.checked_mul(*kinds).filter(|&count| count <= most)
        })?;
        Some(Self { shapes, columns, count })
    }

    /// `None` for a line that must be parsed.
    fn number(&self, row: usize) -> Option<usize> {
        self.columns.iter().try_fold(self.shapes.number(row)?, |number, (column, kinds)| {
            Some(number * kinds + column.kind(row)?)
        })
    }

    /// What holds for each row, found out once a kind.
    pub(super) fn decide(&self, rows: usize, mut holds: impl FnMut(usize) -> bool) -> Vec<bool> {
        let mut known: Vec<Option<bool>> = vec![None; self.count];
        let mut decide = |row: usize| match self.number(row).and_then(|kind| known.get_mut(kind)) {
            Some(known) => *known.get_or_insert_with(|| holds(row)),
            None => holds(row),
        };
        (0..rows).map(&mut decide).collect()
    }
}

/// A note for each kind, which whoever visits the rows keeps.
pub(super) struct Notes {
    kinds: Vec<Option<u32>>,
    notes: Vec<Cell<u32>>,
}

impl Notes {
    /// Blank notes for these rows.
    pub(super) fn new(kinds: &Kinds<'_>, rows: &[u32]) -> Self {
        let number = |&row: &u32| u32::try_from(kinds.number(usize::try_from(row).ok()?)?).ok();
        Self { kinds: rows.iter().map(number).collect(), notes: vec![Cell::new(0); kinds.count] }
    }

    /// That of the n-th row; `None` for a line that must be parsed.
    pub(super) fn of(&self, at: usize) -> Option<&Cell<u32>> {
        self.notes.get(usize::try_from((*self.kinds.get(at)?)?).ok()?)
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.kinds.as_slice()) + size_of_val(self.notes.as_slice())
    }
}

/// Combinations of values that could be: few of them are.
const KINDS_A_ROW: usize = 4;
