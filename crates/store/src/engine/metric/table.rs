//! The table of a range aggregation: series by cells of time, filled in one pass, in any order.
//!
//! Cells come in pages that exist once something falls into them. Windows of many cells are put
//! together from running merges of blocks as long as the window, so that a point costs two merges
//! however long the window is.

use std::ops::ControlFlow;

use lucarne_logql::ast::{RangeAggregation, RangeOp};

use super::fold::{Counter, Edge, Extreme, Fold, Mean, Quantile, Total, Variance};
use super::steps::Window;
use crate::engine::limits::Meter;

/// Cells of a page: a page of sums is a kilobyte.
const PAGE: u32 = 64;

/// The values of one series at the steps at which it has one, in order.
pub(in crate::engine) type Points = Vec<(u32, f64)>;

/// A table without the type of its fold.
pub(super) trait Table {
    /// Adds a series; they are numbered from zero.
    fn open(&mut self, meter: &Meter<'_>) -> ControlFlow<()>;

    /// Adds a sample to a series.
    fn add(
        &mut self,
        series: usize,
        time_ns: i64,
        value: f64,
        meter: &Meter<'_>,
    ) -> ControlFlow<()>;

    /// The points of a series, whose cells are gone then.
    fn take(&mut self, series: usize, meter: &Meter<'_>) -> Points;
}

/// The table that an aggregation needs. Absence is a count, inverted by whoever reads it.
pub(super) fn table(of: &RangeAggregation, window: Window, seconds: f64) -> Box<dyn Table> {
    let a_second = Total { seconds: Some(seconds) };
    match of.op {
        RangeOp::Rate | RangeOp::BytesRate => Folded::boxed(a_second, window),
        RangeOp::Count | RangeOp::Bytes | RangeOp::Sum | RangeOp::Absent => {
            Folded::boxed(Total { seconds: None }, window)
        }
        RangeOp::RateCounter => Folded::boxed(Counter { seconds }, window),
        RangeOp::Avg => Folded::boxed(Mean, window),
        RangeOp::Min => Folded::boxed(Extreme { greatest: false }, window),
        RangeOp::Max => Folded::boxed(Extreme { greatest: true }, window),
        RangeOp::Stdvar => Folded::boxed(Variance { root: false }, window),
        RangeOp::Stddev => Folded::boxed(Variance { root: true }, window),
        RangeOp::Quantile => Folded::boxed(Quantile { q: of.param.unwrap_or(f64::NAN) }, window),
        RangeOp::First => Folded::boxed(Edge { latest: false }, window),
        RangeOp::Last => Folded::boxed(Edge { latest: true }, window),
    }
}

struct Folded<F: Fold> {
    fold: F,
    window: Window,
    series: Vec<Pages<F::Cell>>,
}

struct Pages<C> {
    pages: Vec<Option<Box<[C]>>>,
    /// What the meter was charged for this series.
    bytes: usize,
}

impl<F: Fold + 'static> Folded<F> {
    fn boxed(fold: F, window: Window) -> Box<dyn Table> {
        Box::new(Self { fold, window, series: Vec::new() })
    }

    /// All cells of a series in a row.
    fn cells(&mut self, series: usize, meter: &Meter<'_>) -> Vec<F::Cell> {
        let Some(pages) = self.series.get_mut(series) else { return Vec::new() };
        meter.release(std::mem::take(&mut pages.bytes));
        let mut cells = Vec::with_capacity(self.window.cells as usize);
        for page in std::mem::take(&mut pages.pages) {
            match page {
                Some(page) => cells.extend(page),
                None => cells.extend(std::iter::repeat_n(F::Cell::default(), PAGE as usize)),
            }
        }
        cells.resize(self.window.cells as usize, F::Cell::default());
        cells
    }
}

impl<F: Fold + 'static> Table for Folded<F> {
    fn open(&mut self, meter: &Meter<'_>) -> ControlFlow<()> {
        let pages = self.window.cells.div_ceil(PAGE) as usize;
        let bytes = pages.saturating_mul(size_of::<Option<Box<[F::Cell]>>>());
        meter.hold(bytes)?;
        let mut empty = Vec::new();
        empty.resize_with(pages, || None);
        self.series.push(Pages { pages: empty, bytes });
        ControlFlow::Continue(())
    }

    fn add(
        &mut self,
        series: usize,
        time_ns: i64,
        value: f64,
        meter: &Meter<'_>,
    ) -> ControlFlow<()> {
        let Some(pages) = self.series.get_mut(series) else { return ControlFlow::Continue(()) };
        for cell in self.window.cells_of(time_ns) {
            let Some(page) = pages.pages.get_mut((cell / PAGE) as usize) else { continue };
            if page.is_none() {
                let bytes = (PAGE as usize).saturating_mul(size_of::<F::Cell>());
                pages.bytes = pages.bytes.saturating_add(bytes);
                meter.hold(bytes)?;
            }
            let page = page.get_or_insert_with(|| vec![F::Cell::default(); PAGE as usize].into());
            if let Some(cell) = page.get_mut((cell % PAGE) as usize) {
                let bytes = self.fold.add(cell, time_ns, value);
                if bytes > 0 {
                    pages.bytes = pages.bytes.saturating_add(bytes);
                    meter.hold(bytes)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn take(&mut self, series: usize, meter: &Meter<'_>) -> Points {
        let cells = self.cells(series, meter);
        let width = self.window.per_step as usize;
        let steps = self.window.steps() as usize;
        if width <= 1 {
            return points(cells.iter().take(steps).map(|cell| self.fold.finish(cell)));
        }
        points(sliding(&self.fold, &cells, width).into_iter().take(steps))
    }
}

fn points(values: impl Iterator<Item = Option<f64>>) -> Points {
    (0u32..).zip(values).filter_map(|(step, value)| Some((step, value?))).collect()
}

/// The numbers of all windows of so many cells. A window that starts inside one block and ends
/// inside the next is the tail of the first and the head of the second: tails are kept for one
/// block, heads run along.
fn sliding<F: Fold>(fold: &F, cells: &[F::Cell], width: usize) -> Vec<Option<f64>> {
    let mut values = Vec::with_capacity(cells.len());
    let blocks: Vec<&[F::Cell]> = cells.chunks(width).collect();
    for (at, block) in blocks.iter().enumerate() {
        if block.len() < width {
            break;
        }
        let tails = tails(fold, block);
        let next = blocks.get(at.saturating_add(1)).copied().unwrap_or(&[]);
        let mut head = F::Cell::default();
        for (tail, later) in tails.iter().zip(std::iter::once(None).chain(next.iter().map(Some))) {
            if let Some(later) = later {
                fold.merge(&mut head, later);
            }
            let mut window = tail.clone();
            fold.merge(&mut window, &head);
            values.push(fold.finish(&window));
        }
    }
    values
}

/// For each cell of a block, the merge of it and all behind it.
fn tails<F: Fold>(fold: &F, block: &[F::Cell]) -> Vec<F::Cell> {
    let mut tails = Vec::with_capacity(block.len());
    let mut tail = F::Cell::default();
    for cell in block.iter().rev() {
        let mut longer = cell.clone();
        fold.merge(&mut longer, &tail);
        tail = longer;
        tails.push(tail.clone());
    }
    tails.reverse();
    tails
}
