//! Numbers over time: spans are counted in the step that they begin in.
//!
//! A step is named by its end and does not include it. Series are bounded by the limits of the
//! asker, who is told which limit it was.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;

use lucarne_logql::traceql::ast::{Aggregate, Expr, Field, Metric, MetricFunction};

use super::sets::number_of;
use super::value::Value;
use super::view::TraceView;
use super::{Found, Program, field};

/// A value as the name of a series: the type and the text.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Label {
    /// As a query spells it.
    pub name: String,
    /// `string`, `int`, … as [`Value::type_name`].
    pub kind: &'static str,
    /// The value; `nil` where there is none.
    pub text: String,
}

/// The steps of a question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Steps {
    /// The beginning of the first.
    pub from_ns: i64,
    /// Above zero.
    pub step_ns: i64,
    /// At least one.
    pub count: usize,
}

impl Steps {
    fn of(self, time_ns: i64) -> Option<usize> {
        let since = time_ns.checked_sub(self.from_ns).filter(|since| *since >= 0)?;
        usize::try_from(since / self.step_ns).ok().filter(|step| *step < self.count)
    }

    /// The end of a step, in nanoseconds.
    #[must_use]
    pub fn end_ns(self, step: usize) -> i64 {
        let step = i64::try_from(step).unwrap_or(i64::MAX).saturating_add(1);
        self.from_ns.saturating_add(self.step_ns.saturating_mul(step))
    }
}

/// What was counted so far.
pub struct Series {
    steps: Steps,
    cells: BTreeMap<Vec<Label>, Vec<Cell>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    count: f64,
    total: f64,
}

/// One series: its labels, and a number for each step in which there was one.
pub type Line = (Vec<Label>, Vec<(usize, f64)>);

/// Names of the parts of a comparison, and of their sums.
const META: &str = "__meta_type";

impl Series {
    /// Nothing yet.
    #[must_use]
    pub const fn new(steps: Steps) -> Self {
        Self { steps, cells: BTreeMap::new() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Counts the spans that a query leaves of a trace. `grow` is asked before each new series,
    /// which takes memory for all of its steps.
    pub fn add(
        &mut self,
        program: &Program,
        metric: &Metric,
        trace: &TraceView<'_>,
        found: &[Found<'_>],
        grow: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for &at in found.iter().flat_map(|set| &set.spans) {
            let start_ns = trace.spans.get(at).map_or(i64::MIN, |span| span.start_ns);
            let Some(step) = self.steps.of(start_ns) else { continue };
            let labels = || metric.by.iter().map(|by| label(trace, at, by)).collect();
            match &metric.function {
                MetricFunction::Rate | MetricFunction::Count => {
                    self.cell(labels(), step, Aggregate::Sum, 1.0, grow)?;
                }
                MetricFunction::Over(aggregate, expr) => {
                    if let Some(number) = number_of(program, trace, at, expr) {
                        self.cell(labels(), step, *aggregate, number, grow)?;
                    }
                }
                MetricFunction::Compare { selection, .. } => {
                    self.compare(program, selection.as_ref(), trace, (at, step), grow)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn cell(
        &mut self,
        labels: Vec<Label>,
        step: usize,
        aggregate: Aggregate,
        number: f64,
        grow: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let cells = match self.cells.entry(labels) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                grow()?;
                new.insert(vec![Cell::default(); self.steps.count])
            }
        };
        let Some(cell) = cells.get_mut(step) else { return ControlFlow::Continue(()) };
        cell.total = match aggregate {
            _ if cell.count == 0.0 => number,
            Aggregate::Avg | Aggregate::Sum => cell.total + number,
            Aggregate::Min => cell.total.min(number),
            Aggregate::Max => cell.total.max(number),
        };
        cell.count += 1.0;
        ControlFlow::Continue(())
    }

    fn compare(
        &mut self,
        program: &Program,
        selection: Option<&Expr>,
        trace: &TraceView<'_>,
        (at, step): (usize, usize),
        grow: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let selected = selection.is_none_or(|condition| program.holds(trace, at, condition));
        let (each, total) = if selected {
            ("selection", "selection_total")
        } else {
            ("baseline", "baseline_total")
        };
        let meta = |text: &str| Label { name: META.into(), kind: "string", text: text.into() };
        let Some(span) = trace.spans.get(at) else { return ControlFlow::Continue(()) };
        for (scope, pairs) in span.tags() {
            for (name, value) in pairs {
                let name = format!("{scope}.{name}");
                let none = Label { name: name.clone(), kind: "nil", text: "nil".into() };
                let value = shown(name, value);
                self.cell(vec![meta(each), value], step, Aggregate::Sum, 1.0, grow)?;
                self.cell(vec![meta(total), none], step, Aggregate::Sum, 1.0, grow)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The series in the order of their labels; a step in which nothing was counted is 0 where
    /// things are counted, and has no number where numbers are put together.
    #[must_use]
    pub fn finish(self, metric: &Metric) -> Vec<Line> {
        let steps = self.steps;
        let seconds = lossy(steps.step_ns) / 1e9;
        let value = |cell: Cell| match &metric.function {
            MetricFunction::Rate => Some(cell.total / seconds),
            MetricFunction::Count | MetricFunction::Compare { .. } => Some(cell.total),
            MetricFunction::Over(..) if cell.count == 0.0 => None,
            MetricFunction::Over(Aggregate::Avg, _) => Some(cell.total / cell.count),
            MetricFunction::Over(..) => Some(cell.total),
        };
        let point = |(step, cell): (usize, Cell)| Some((step, value(cell)?));
        let line = |(labels, cells): (Vec<Label>, Vec<Cell>)| {
            (labels, cells.into_iter().enumerate().filter_map(point).collect())
        };
        let lines: Vec<Line> = self.cells.into_iter().map(line).collect();
        match metric.function {
            MetricFunction::Compare { top, .. } => most_frequent(lines, top),
            _ => lines,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "steps are shorter than 2^53 nanoseconds")]
const fn lossy(number: i64) -> f64 {
    number as f64
}

/// Of each attribute in each part, the values that occur most.
fn most_frequent(lines: Vec<Line>, top: u64) -> Vec<Line> {
    let total = |line: &Line| line.1.iter().map(|(_, number)| number).sum::<f64>();
    let mut by_attribute: BTreeMap<(String, String), Vec<Line>> = BTreeMap::new();
    for line in lines {
        let [meta, value] = line.0.as_slice() else { continue };
        by_attribute.entry((meta.text.clone(), value.name.clone())).or_default().push(line);
    }
    let mut kept = Vec::new();
    for mut lines in by_attribute.into_values() {
        lines.sort_by(|one, other| total(other).total_cmp(&total(one)).then(one.0.cmp(&other.0)));
        lines.truncate(usize::try_from(top).unwrap_or(usize::MAX));
        kept.extend(lines);
    }
    kept
}

fn label(trace: &TraceView<'_>, at: usize, by: &Field) -> Label {
    match field::values(trace, at, by).first() {
        Some(value) => shown(by.to_string(), value),
        None => Label { name: by.to_string(), kind: "nil", text: "nil".into() },
    }
}

fn shown(name: String, value: &Value<'_>) -> Label {
    Label { name, kind: value.type_name(), text: value.text().into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_may_not_grow_takes_no_memory() {
        let mut series = Series::new(Steps { from_ns: 0, step_ns: 1, count: usize::MAX / 64 });
        let mut asked = 0;
        let mut no = || {
            asked += 1;
            ControlFlow::Break(())
        };
        let cell = series.cell(Vec::new(), 0, Aggregate::Sum, 1.0, &mut no);
        assert_eq!((cell, asked, series.len()), (ControlFlow::Break(()), 1, 0));
    }
}
