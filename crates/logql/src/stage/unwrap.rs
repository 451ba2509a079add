//! `unwrap`: the sample that a line of a metric query is worth.
//!
//! A line without the label is no sample. A label that is no number makes a sample of zero on a
//! marked line, which fails the query unless a filter behind `unwrap` drops it.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::{CompileError, SAMPLE_EXTRACTION};
use super::label_filter::LabelFilter;
use super::working::Labels;
use super::{Input, Pipeline, Row, Scratch, convert};
use crate::ast::{self, Conversion};

/// A pipeline that ends in `unwrap`.
#[derive(Debug)]
pub struct SamplePipeline {
    pipeline: Pipeline,
    label: String,
    conversion: Conversion,
    filters: Vec<LabelFilter>,
}

/// What a line is worth, and its labels, the unwrapped one included.
#[derive(Debug)]
pub struct Sample<'r> {
    /// Seconds for durations, bytes for sizes.
    pub value: f64,
    /// The line as the pipeline left it.
    pub row: Row<'r>,
}

impl SamplePipeline {
    /// Compiles the stages of a metric query and its `unwrap`.
    ///
    /// # Errors
    /// See [`CompileError`].
    pub fn compile(stages: &[ast::Stage], unwrap: &ast::Unwrap) -> Result<Self, CompileError> {
        Ok(Self {
            pipeline: Pipeline::compile(stages)?,
            label: unwrap.label.clone(),
            conversion: unwrap.conversion,
            filters: unwrap.filters.iter().map(LabelFilter::compile).collect::<Result<_, _>>()?,
        })
    }

    /// Texts that every line that becomes a sample contains; see [`Pipeline::literals`].
    #[must_use]
    pub fn literals(&self) -> &[String] {
        self.pipeline.literals()
    }

    /// The stages before `unwrap`.
    #[must_use]
    pub const fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The label whose value is the sample.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The sample of one line.
    pub fn run<'r>(&self, input: &'r Input<'r>, scratch: &'r mut Scratch) -> Option<Sample<'r>> {
        if !self.pipeline.keeps(input, scratch) {
            return None;
        }
        let mut labels = Labels { input, own: &mut scratch.working };
        let text = labels.get(&self.label)?;
        let read = match self.conversion {
            Conversion::Number => convert::number(text),
            Conversion::Bytes => convert::bytes(text).map(convert::count_to_float),
            Conversion::Duration | Conversion::DurationSeconds => convert::seconds(text),
        };
        let value = match read {
            Ok(value) => value,
            Err(details) => {
                labels.fail(SAMPLE_EXTRACTION, &details);
                0.0
            }
        };
        let kept = self.filters.iter().all(|filter| filter.keeps(&mut labels));
        kept.then(|| Sample { value, row: Row::of(input, scratch) })
    }
}
