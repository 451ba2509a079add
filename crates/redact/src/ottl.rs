//! OTTL: the collector's language for changing telemetry and for choosing what to drop.
//!
//! The whole interface is [`Transform`] for the `transform` processor and [`Filter`] for the
//! `filter` processor. Both are compiled once from texts, and applied to whole OTLP requests:
//!
//! ```
//! use lucarne_redact::ottl::{Context, ErrorMode, Transform};
//!
//! let statements = [r#"keep_keys(attributes, ["executionId", "durationMs"])"#];
//! let transform = Transform::compile(
//!     lucarne_otlp::Signal::Logs,
//!     Some(Context::Log), // `None`: from the prefixes of the paths, as newer files write them
//!     &[],                // conditions of the group, of which one must hold
//!     &statements,
//!     ErrorMode::Ignore,
//! )?;
//! let now_unix_nano = 1_763_696_787_000_000_000; // for `Now()`; ring 0 has no clock
//! let copy = transform.apply(b"", now_unix_nano).map(|applied| applied.payload.into_owned());
//! assert_eq!(copy, Ok(Vec::new()));
//! # Ok::<(), lucarne_redact::ottl::RefusedText>(())
//! ```
//!
//! A mistake names its statement, its column and the nearest supported name. Texts are read as they
//! are: the `$$` of a collector file is undone by whoever reads that file. Messages are changed as
//! encoded bytes: a record to which no statement applies is copied, and a condition on scalars
//! allocates nothing; one that looks into a list or map makes a list of its members. The result is
//! a copy for export: a sealed payload is never edited. No clock, no randomness, no time zones.

mod arguments;
mod compile;
mod convert;
mod editors;
mod error;
mod evaluate;
mod fields;
mod functions;
mod lexer;
mod message;
mod metrics;
mod paths;
mod pattern;
mod program;
mod value;
mod walk;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use lucarne_otlp::Signal;

pub use self::error::{CompileError, Fault, Mistake};
pub use self::paths::Context;

use self::evaluate::Scene;
use self::message::Stack;
use self::program::{Boolean, Statement};
use self::walk::{Verdict, Visit};

/// What becomes of a fault while a statement or condition runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorMode {
    /// It is counted, and the next statement runs. The collector's default.
    Ignore,
    /// The next statement runs and nothing is said.
    Silent,
    /// The payload is given up.
    Propagate,
}

/// Statements for one context of one signal, compiled.
#[derive(Clone, Debug)]
pub struct Transform {
    signal: Signal,
    context: Context,
    conditions: Vec<Boolean>,
    statements: Vec<Statement>,
    mode: ErrorMode,
}

/// Conditions for one context of one signal, compiled. A record for which one holds is dropped.
#[derive(Clone, Debug)]
pub struct Filter {
    signal: Signal,
    context: Context,
    conditions: Vec<Boolean>,
    mode: ErrorMode,
}

/// A payload after it was applied to, and what went wrong on the way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Applied<'p> {
    /// Borrowed when nothing was changed.
    pub payload: Cow<'p, [u8]>,
    /// How many faults were ignored.
    pub faults: u64,
    /// The first of them.
    pub first_fault: Option<RunError>,
}

/// A fault and where it happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RunError {
    /// Index of the statement; of the condition for a [`Filter`]. `None`: the payload itself, or a
    /// condition of a group.
    pub index: Option<usize>,
    /// What went wrong.
    pub fault: Fault,
}

/// Which text of a list is refused, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefusedText {
    /// The text is one of the conditions and not of the statements.
    pub is_condition: bool,
    /// Its index in the list.
    pub index: usize,
    /// The mistake and its column.
    pub error: CompileError,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "statement {index}"),
            None => write!(f, "payload"),
        }
    }
}

impl core::error::Error for RunError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.fault)
    }
}

impl fmt::Display for RefusedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = if self.is_condition { "condition" } else { "statement" };
        write!(f, "{list} {}", self.index)
    }
}

impl core::error::Error for RefusedText {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Transform {
    /// Compiles a group of statements. Without a context, the paths must have prefixes, and the
    /// innermost context among them is taken.
    ///
    /// # Errors
    /// The first text that is not valid, with the column of its mistake.
    pub fn compile(
        signal: Signal,
        context: Option<Context>,
        conditions: &[&str],
        statements: &[&str],
        mode: ErrorMode,
    ) -> Result<Self, RefusedText> {
        let context = match context {
            Some(context) => context,
            None => inferred(signal, conditions, statements)?,
        };
        let conditions = compiled(conditions, true, |text| compile::condition(text, context))?;
        let statements = compiled(statements, false, |text| compile::statement(text, context))?;
        Ok(Self { signal, context, conditions, statements, mode })
    }

    /// Applies the statements to a request of the signal. `now_unix_nano` is what `Now()` says.
    ///
    /// # Errors
    /// When the payload is not OTLP, or at the first fault in the mode [`ErrorMode::Propagate`].
    pub fn apply<'p>(
        &self,
        payload: &'p [u8],
        now_unix_nano: u64,
    ) -> Result<Applied<'p>, RunError> {
        let run = Run { program: Program::Transform(self), faults: 0, first: None };
        run.apply(self.signal, self.context, payload, now_unix_nano)
    }
}

impl Filter {
    /// Compiles a list of conditions.
    ///
    /// # Errors
    /// The first text that is not valid, with the column of its mistake.
    pub fn compile(
        signal: Signal,
        context: Option<Context>,
        conditions: &[&str],
        mode: ErrorMode,
    ) -> Result<Self, RefusedText> {
        let context = match context {
            Some(context) => context,
            None => inferred(signal, conditions, &[])?,
        };
        let conditions = compiled(conditions, true, |text| compile::condition(text, context))?;
        Ok(Self { signal, context, conditions, mode })
    }

    /// Drops the records for which a condition holds, and the scopes, resources and metrics that
    /// are empty then. `now_unix_nano` is what `Now()` says.
    ///
    /// # Errors
    /// When the payload is not OTLP, or at the first fault in the mode [`ErrorMode::Propagate`].
    pub fn apply<'p>(
        &self,
        payload: &'p [u8],
        now_unix_nano: u64,
    ) -> Result<Applied<'p>, RunError> {
        let run = Run { program: Program::Filter(self), faults: 0, first: None };
        run.apply(self.signal, self.context, payload, now_unix_nano)
    }
}

/// The innermost context that the texts name.
fn inferred(
    signal: Signal,
    conditions: &[&str],
    statements: &[&str],
) -> Result<Context, RefusedText> {
    let order: &[Context] = match signal {
        Signal::Logs => &[Context::Log],
        Signal::Metrics => &[Context::DataPoint, Context::Metric],
        Signal::Traces => &[Context::SpanEvent, Context::Span],
    };
    let mut found = compiled(conditions, true, compile::contexts)?;
    found.extend(compiled(statements, false, compile::contexts)?);
    let is_named = |context: &&Context| found.iter().flatten().any(|named| named == *context);
    let mut all = order.iter().chain(&[Context::Scope, Context::Resource]);
    // Paths without a prefix belong to the record of the signal.
    let default = order.last().copied().unwrap_or(Context::Resource);
    Ok(all.find(is_named).copied().unwrap_or(default))
}

fn compiled<T>(
    texts: &[&str],
    is_condition: bool,
    compile: impl Fn(&str) -> Result<T, CompileError>,
) -> Result<Vec<T>, RefusedText> {
    let one = |(index, text): (usize, &&str)| {
        compile(text).map_err(|error| RefusedText { is_condition, index, error })
    };
    texts.iter().enumerate().map(one).collect()
}

#[derive(Clone, Copy)]
enum Program<'t> {
    Transform(&'t Transform),
    Filter(&'t Filter),
}

/// One application, with its tally of faults.
struct Run<'t> {
    program: Program<'t>,
    faults: u64,
    first: Option<RunError>,
}

impl Run<'_> {
    fn apply<'p>(
        mut self,
        signal: Signal,
        context: Context,
        payload: &'p [u8],
        now: u64,
    ) -> Result<Applied<'p>, RunError> {
        match walk::walk(signal, context, payload, now, &mut self) {
            Ok(payload) => Ok(Applied { payload, faults: self.faults, first_fault: self.first }),
            Err(fault) => Err(self.first.unwrap_or(RunError { index: None, fault })),
        }
    }

    /// What becomes of a fault; an error stops the walk.
    fn fault(&mut self, mode: ErrorMode, index: Option<usize>, fault: Fault) -> Result<(), Fault> {
        let error = RunError { index, fault };
        match mode {
            ErrorMode::Silent => Ok(()),
            ErrorMode::Ignore => {
                self.faults = self.faults.saturating_add(1);
                self.first.get_or_insert(error);
                Ok(())
            }
            ErrorMode::Propagate => {
                self.first = Some(error);
                Err(fault)
            }
        }
    }

    /// Whether one of the conditions holds.
    fn any(
        &mut self,
        conditions: &[Boolean],
        mode: ErrorMode,
        stack: &Stack<'_>,
    ) -> Result<bool, Fault> {
        for (index, condition) in conditions.iter().enumerate() {
            match (Scene { stack }).truth(condition) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(fault) => self.fault(mode, Some(index), fault)?,
            }
        }
        Ok(false)
    }
}

impl Visit for Run<'_> {
    fn record(&mut self, stack: &mut Stack<'_>, scratch: &mut Vec<u8>) -> Result<Verdict, Fault> {
        match self.program {
            Program::Filter(filter) => {
                let drop = self.any(&filter.conditions, filter.mode, stack)?;
                Ok(if drop { Verdict::Drop } else { Verdict::Keep })
            }
            Program::Transform(transform) => {
                let conditions = &transform.conditions;
                if !conditions.is_empty() && !self.any(conditions, transform.mode, stack)? {
                    return Ok(Verdict::Keep);
                }
                for (index, statement) in transform.statements.iter().enumerate() {
                    if let Err(fault) = editors::execute(statement, stack, scratch) {
                        self.fault(transform.mode, Some(index), fault)?;
                    }
                }
                Ok(Verdict::Keep)
            }
        }
    }
}

#[cfg(test)]
mod tests;
